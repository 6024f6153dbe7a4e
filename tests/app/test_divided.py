"""What the canal's wall is made of and the epidural space by compartment, in the real window."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from pytestqt.qtbot import QtBot
from scipy.ndimage import distance_transform_edt

from app.session import Session
from app.widgets.text import Elided
from app.window import Window
from planner.anatomy.bridges import FORAMEN, bridges_of
from planner.anatomy.spine import Anatomy
from planner.refusal import Refusal
from tests.app.conftest import at, find, names, press, wait, words
from viewer.slice_pane import SlicePane
from viewer.theme import theme


def anatomy_of(window: Window) -> Anatomy:
    found = window.session.anatomy.value
    assert found is not None
    return found


def open_wall(anatomy: Anatomy, level: str) -> tuple[float, float, float]:
    """A place of the canal's wall at a left foramen, where it is bridged."""
    foramen = next(one for one in anatomy.foramina if (one.level, one.side) == (level, "left"))
    canal = anatomy.canal
    row = canal.nearest(foramen.centre_mm)
    assert bridges_of(canal)[row, 0] == FORAMEN
    x, y, z = (float(value) for value in canal.centreline_mm[row] + canal.wall_mm[row, 0] * canal.left[row])
    return x, y, z


def point_at(qtbot: QtBot, window: Window, place: tuple[float, float, float]) -> str:
    """Move the pointer over a place in the axial view; what the status line says."""
    view = find(window, "Axial view", SlicePane)
    assert isinstance(view, SlicePane)
    window.views.show_place(place)
    qtbot.wait(40)
    qtbot.mouseMove(view, at(view, place) + QPoint(3, 3))
    qtbot.mouseMove(view, at(view, place))
    qtbot.wait(40)
    read = find(window, "Place under the pointer", Elided)
    assert isinstance(read, Elided)
    return read.text()


def coloured(window: Window, meaning: str) -> int:
    """Pixels of a colour in the axial view."""
    view = find(window, "Axial view", SlicePane)
    image = view.grab().toImage().convertToFormat(view.grab().toImage().Format.Format_RGB32)
    values = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)[..., 2::-1].astype(int)
    colour = theme(window.theme).colour(meaning)
    return int((np.abs(values - (colour.red(), colour.green(), colour.blue())).sum(axis=-1) < 60).sum())


def test_the_pointer_on_a_bridged_wall_reads_what_bridges_it(worked: Window, qtbot: QtBot) -> None:
    place = open_wall(anatomy_of(worked), "L2-L3")
    assert point_at(qtbot, worked, place) == "L2-L3, canal wall bridged: left foramen"


def test_the_eye_of_the_wall_colours_the_canal_by_kind(worked: Window, qtbot: QtBot) -> None:
    worked.go_to(1)
    worked.views.show_place(open_wall(anatomy_of(worked), "L2-L3"))
    qtbot.wait(60)
    assert any(name.startswith("canal wall: bone ") for name in names(worked))
    assert "; foramen " not in words(worked)
    before = coloured(worked, "wall foramen")
    press(qtbot, worked, "Show canal wall")
    qtbot.wait(60)
    assert coloured(worked, "wall foramen") > before + 8
    assert "; foramen " in words(worked)
    press(qtbot, worked, "Show canal wall")
    qtbot.wait(60)
    assert coloured(worked, "wall foramen") == before


def test_compartments_are_made_when_their_eye_is_opened_and_not_before(worked: Window, qtbot: QtBot) -> None:
    worked.go_to(1)
    qtbot.wait(60)
    session: Session = worked.session
    assert session.compartments.state == "missing" and not session.jobs.is_running("compartments")
    canal = anatomy_of(worked).canal
    row = canal.nearest(next(one.centre_mm for one in anatomy_of(worked).foramina if one.level == "L2-L3"))
    worked.views.show_place(tuple(canal.centreline_mm[row].tolist()))
    press(qtbot, worked, "Show compartments")
    wait(qtbot, lambda: session.compartments.state == "ready")
    assert "mL in the canal" in words(worked) and "left recess" in words(worked)
    assert coloured(worked, "dorsal space") > 0 or coloured(worked, "recess") > 0
    made = session.compartments.value
    assert made is not None
    divided, meshes = made
    k = round(divided.frame.to_index(canal.centreline_mm[row])[0])
    deep = distance_transform_edt(divided.mask("dorsal")[k])  # at its rim the pointer reads the wall or the edge of the sac
    x, y, z = (float(value) for value in divided.frame.to_world(np.array([k, *np.unravel_index(deep.argmax(), deep.shape)], float)))
    assert "dorsal epidural space, " in point_at(qtbot, worked, (x, y, z)) and " mL at L2-L3" in words(worked)
    assert worked.views.grid.scene.surfaces is not None and set(meshes) <= set(worked.views.grid.scene.surfaces)
    press(qtbot, worked, "Show compartments")
    assert worked.views.grid.scene.compartments is None
    assert session.compartments.value is made  # kept for the next look


def test_compartments_that_cannot_be_made_say_why(worked: Window, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Refusal("The thecal sac is not known here.", "Find or draw the sac first.")

    monkeypatch.setattr("planner.anatomy.compartments.compartments", refuse)
    worked.go_to(1)
    qtbot.wait(60)
    press(qtbot, worked, "Show compartments")
    wait(qtbot, lambda: worked.session.compartments.state == "refused")
    assert "The thecal sac is not known here. Find or draw the sac first." in words(worked)


def test_the_status_line_says_it_shorter_where_it_has_no_room(worked: Window, qtbot: QtBot) -> None:
    anchor = find(worked, "What the levels rest on, status", Elided)
    assert isinstance(anchor, Elided) and anchor.text() == "Levels counted from L4, named by you"
    worked.put_on("projector")
    worked.resize(1280, 720)
    qtbot.wait(80)
    assert point_at(qtbot, worked, open_wall(anatomy_of(worked), "L2-L3")) == "L2-L3, canal wall bridged: left foramen"
    read = find(worked, "Place under the pointer", Elided)
    assert read.width() >= read.fontMetrics().horizontalAdvance("L2-L3, canal wall bridged: left foramen")
    assert anchor.width() >= anchor.fontMetrics().horizontalAdvance("Levels counted from L4")
    anchor.grab()
    assert anchor.toolTip() == "Levels counted from L4, named by you"
    assert worked.width() == 1280  # no text widens the window
