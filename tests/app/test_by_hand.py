"""Changing the anatomy by hand in the real window: drawn with the mouse, followed by all that rests on it, undone, saved and recovered."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from app.places import recovery_folder
from app.window import Window
from planner.anatomy import Anatomy
from planner.anatomy import labels as codes
from planner.anatomy.by_hand.apply import EditedAnatomy
from planner.case.file import open_case
from planner.refusal import Refusal
from tests.app.conftest import at, find, offers, press, wait, words
from tests.viewer.conftest import drag
from viewer.slice_view import SliceView

LEFT, CTRL, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.NoModifier


def anatomy(window: Window) -> Anatomy:
    value = window.session.anatomy.value
    assert value is not None
    return value


def drawn(window: Window) -> int:
    """How many edits the anatomy on screen holds."""
    now = window.session.anatomy
    return len(now.value.edits) if now.state == "ready" and isinstance(now.value, EditedAnatomy) else 0


@pytest.fixture
def by_hand(worked: Window, qtbot: QtBot) -> tuple[Window, SliceView]:
    """The Anatomy panel with its tools open, and the axial view near L2."""
    worked.go_to(1)
    press(qtbot, worked, "Change the anatomy by hand")
    canal = anatomy(worked).canal
    level = next(level for level in anatomy(worked).levels if level.name == "L2")
    middle = tuple(float(value) for value in canal.centreline_mm[canal.nearest(level.centre_mm)])
    worked.views.show_place(middle)
    worked.views.grid.show_region(middle, 120.0, canal.centreline_mm)
    qtbot.wait(200)
    return worked, worked.views.grid.slices["axial"]


def beside(view: SliceView, right_mm: float, down_mm: float) -> tuple[float, float, float]:
    x, y, _ = view.crosshair
    return x + right_mm, y + down_mm, view.pose.depth_mm


def stroke(qtbot: QtBot, view: SliceView, start: tuple[float, float], stop: tuple[float, float], keys: Qt.KeyboardModifier = NONE) -> None:
    drag(qtbot, view, at(view, beside(view, *start)), at(view, beside(view, *stop)), LEFT, keys)


def choose(qtbot: QtBot, window: Window, structure: str) -> None:
    box = find(window, "Structure to change", QComboBox)
    assert isinstance(box, QComboBox)
    box.setCurrentIndex(box.findText(structure))
    box.activated.emit(box.currentIndex())
    qtbot.wait(40)


def count(window: Window, *held: int) -> int:
    return int(anatomy(window).mask(held).sum())


def test_a_stroke_is_drawn_undone_done_again_and_taken_back(by_hand: tuple[Window, SliceView], qtbot: QtBot) -> None:
    window, view = by_hand
    choose(qtbot, window, "Vertebral artery")
    assert not offers(window, "Grow the structure") and count(window, codes.VERTEBRAL_ARTERY) == 0
    press(qtbot, window, "Draw with a ball")
    stroke(qtbot, view, (15.0, -50.0), (20.0, -50.0))
    wait(qtbot, lambda: drawn(window) == 1)
    many = count(window, codes.VERTEBRAL_ARTERY)
    assert many > 50 and "Undo: draw vertebral artery" in [command.words for command in window._commands]
    assert "✎ Draw vertebral artery at L2" in words(window)
    assert "Drawn by hand at L2. Elsewhere nobody looked for it." in words(window)
    assert offers(window, "Grow the structure")
    qtbot.keyClick(window, Qt.Key.Key_Z, CTRL)
    wait(qtbot, lambda: window.session.anatomy.state == "ready" and count(window, codes.VERTEBRAL_ARTERY) == 0)
    assert "Draw vertebral artery" not in words(window)
    qtbot.keyClick(window, Qt.Key.Key_Y, CTRL)
    wait(qtbot, lambda: drawn(window) == 1)
    assert count(window, codes.VERTEBRAL_ARTERY) == many
    stroke(qtbot, view, (15.0, -50.0), (16.0, -50.0), CTRL)
    wait(qtbot, lambda: drawn(window) == 2)
    assert 0 < count(window, codes.VERTEBRAL_ARTERY) < many
    press(qtbot, window, "Take back: Erase vertebral artery at L2 (2)")
    wait(qtbot, lambda: drawn(window) == 1)
    assert count(window, codes.VERTEBRAL_ARTERY) == many and "Undo: take back: erase vertebral artery" in [
        command.words for command in window._commands
    ]


def test_a_mask_grows_and_escape_puts_the_brush_away(by_hand: tuple[Window, SliceView], qtbot: QtBot) -> None:
    window, view = by_hand
    choose(qtbot, window, "Vertebral artery")
    press(qtbot, window, "Draw with a ball")
    stroke(qtbot, view, (40.0, -40.0), (41.0, -40.0))
    wait(qtbot, lambda: drawn(window) == 1)
    before = count(window, codes.VERTEBRAL_ARTERY)
    press(qtbot, window, "Grow the structure")
    wait(qtbot, lambda: drawn(window) == 2)
    assert count(window, codes.VERTEBRAL_ARTERY) > 1.3 * before
    press(qtbot, window, "Smooth the structure")
    wait(qtbot, lambda: drawn(window) == 3)
    qtbot.keyClick(view, Qt.Key.Key_BracketRight)
    qtbot.wait(60)
    assert "4.8 mm" in words(window)
    view.setFocus()
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    qtbot.wait(60)
    stroke(qtbot, view, (-40.0, -40.0), (-41.0, -40.0))
    qtbot.wait(100)
    assert len(window.session.case.edits) == 3


def test_the_wall_is_dragged_and_the_needles_checks_follow(by_hand: tuple[Window, SliceView], qtbot: QtBot) -> None:
    window, _ = by_hand
    session = window.session
    window.go_to(4)
    press(qtbot, window, "Take candidate 1")
    wait(qtbot, lambda: session.site_plans is not None and session.site_plans[0].taken is not None)
    assert session.site_plans is not None and session.site_plans[0].taken is not None
    before, room = session.site_plans[0].taken, session.site_plans[0].room
    window.go_to(1)
    tip = before.target_mm
    canal = anatomy(window).canal
    row = canal.nearest(tip)
    window.views.show_place(tip)
    window.views.grid.show_region(tip, 100.0, canal.centreline_mm)
    qtbot.wait(200)
    press(qtbot, window, "Drag the canal's wall")
    for _ in range(5):  # 10 mm: the sac gives way beside the needle as well
        press(qtbot, window, "Larger brush")
    view = window.views.grid.slices["axial"]
    back = canal.centreline_mm[row] + canal.wall_mm[row, 16] * canal.back[row]
    x, y = float(back[0]), float(back[1])
    to = at(view, (x, y - 9.0, view.pose.depth_mm))  # deep into the sac, which gives way
    drag(qtbot, view, at(view, (x, y, view.pose.depth_mm)), to, LEFT)
    wait(qtbot, lambda: drawn(window) == 1 and session.site_plans is not None)
    assert float(anatomy(window).canal.wall_mm[row, 16]) < float(canal.wall_mm[row, 16]) - 3.0
    assert anatomy(window).structure("canal").provenance == "drawn"
    assert session.site_plans is not None and session.site_plans[0].taken is not None
    after = session.site_plans[0].taken
    assert after.entry_mm == pytest.approx(before.entry_mm) and after.target_mm == pytest.approx(before.target_mm)
    assert session.site_plans[0].room is not room and session.site_plans[0].anatomy is anatomy(window)
    assert after.clearance_mm["sac"] is not None and before.clearance_mm["sac"] is not None
    assert after.clearance_mm["sac"] > before.clearance_mm["sac"] + 1.0


def test_a_level_is_moved_and_a_window_added(by_hand: tuple[Window, SliceView], qtbot: QtBot) -> None:
    window, _ = by_hand
    sagittal = window.views.grid.slices["sagittal"]
    level = next(level for level in anatomy(window).levels if level.name == "L2")
    press(qtbot, window, "Drag a level")
    x, y, z = level.centre_mm
    drag(qtbot, sagittal, at(sagittal, (x, y, z)), at(sagittal, (x, y, z - 5.0)), LEFT)
    wait(qtbot, lambda: drawn(window) == 1)
    moved = next(level for level in anatomy(window).levels if level.name == "L2")
    assert moved.centre_mm[2] == pytest.approx(z - 5.0, abs=0.6)
    gap = next(one for one in anatomy(window).windows if one.between == ("L2", "L3"))
    window.views.show_place(gap.centre_mm)
    press(qtbot, window, "Add a window")
    qtbot.mouseClick(sagittal, LEFT, pos=at(sagittal, gap.centre_mm))
    wait(qtbot, lambda: drawn(window) == 2)
    added = next(one for one in anatomy(window).windows if one.between == ("L2", "L3"))
    assert (added.height_mm, added.width_mm, added.tilt_deg) == (8.0, 8.0, gap.tilt_deg)
    assert anatomy(window).structure("windows").provenance == "drawn"


def test_what_changes_nothing_is_refused_in_a_sentence_and_no_act(by_hand: tuple[Window, SliceView], qtbot: QtBot) -> None:
    window, view = by_hand
    case = window.session.case
    press(qtbot, window, "Draw with the brush")
    stroke(qtbot, view, (45.0, -60.0), (50.0, -60.0), CTRL)
    qtbot.wait(60)
    assert "There is no bone under the brush." in words(window)
    x, _, z = window.session.anatomy.value.frame.bounds_mm[0] if window.session.anatomy.value is not None else (0.0, 0.0, 0.0)
    window.views.grid.show_region((float(x), 0.0, float(z)), 120.0, np.zeros((1, 3)))
    drag(qtbot, view, QPoint(4, view.height() // 2), QPoint(20, view.height() // 2), LEFT)  # left of all voxels
    qtbot.wait(60)
    assert "This lies outside the scan." in words(window)
    assert window.session.case is case


def test_an_edit_lives_in_the_case_file_and_after_a_kill(
    by_hand: tuple[Window, SliceView], open_window: Callable[..., Window], tmp_path: Path, qtbot: QtBot
) -> None:
    window, view = by_hand
    press(qtbot, window, "Draw with the brush")
    stroke(qtbot, view, (32.0, -10.0), (36.0, -10.0))
    wait(qtbot, lambda: drawn(window) == 1)
    labels = anatomy(window).labels
    path = tmp_path / "drawn.duraplan"
    assert window.session.save(path) is None
    assert open_case(path).edits == window.session.case.edits
    stroke(qtbot, view, (-32.0, -10.0), (-36.0, -10.0))
    wait(qtbot, lambda: drawn(window) == 2)
    left = next(recovery_folder().glob("*.recovery"))
    kept = tmp_path / left.name
    shutil.copy(left, kept)
    window.session.close()
    head, _, body = kept.read_bytes().partition(b"\n")
    gone = head.replace(f'"process": {os.getpid()}'.encode(), b'"process": 999999')
    (recovery_folder() / "killed.recovery").write_bytes(gone + b"\n" + body)
    again = open_window(path)
    wait(qtbot, lambda: drawn(again) == 1)
    assert np.array_equal(anatomy(again).labels, labels)
    press(qtbot, again, "Restore")
    wait(qtbot, lambda: drawn(again) == 2)
    again.go_to(1)
    assert "Draw bone" in words(again)


def test_the_tools_leave_with_the_station(by_hand: tuple[Window, SliceView], qtbot: QtBot) -> None:
    window, view = by_hand
    press(qtbot, window, "Draw with the brush")
    window.go_to(2)
    qtbot.wait(60)
    stroke(qtbot, view, (25.0, 10.0), (30.0, 10.0))
    qtbot.wait(60)
    assert window.session.case.edits == () and window.desk.gesture == ""


def test_a_canal_that_was_not_found_is_drawn_and_its_vertebrae_are_named(
    open_window: Callable[..., Window], example: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    """The way out of "no canal was found": draw it, name one vertebra, click on the next."""
    truth = json.loads((example / "truth.json").read_text("utf-8"))
    line = np.array(truth["canal"]["centreline"])

    def blind(*asked: object) -> Anatomy:
        raise Refusal("No spinal canal was found: nowhere is soft tissue enclosed by bone.", "Draw the canal.")

    monkeypatch.setattr("planner.anatomy.find", blind)
    window = open_window()
    wait(qtbot, lambda: window.session.anatomy.state == "refused")
    window.go_to(1)
    qtbot.wait(100)
    assert not offers(window, "Drag the canal's wall")
    middle = tuple(float(value) for value in line[len(line) // 2])
    window.views.show_place(middle)
    window.views.grid.show_region(middle, 200.0, line)
    qtbot.wait(200)
    view = window.views.grid.slices["sagittal"]
    press(qtbot, window, "Draw the canal")
    drag(qtbot, view, at(view, (middle[0], middle[1], middle[2] + 5.0)), at(view, (middle[0], middle[1], middle[2] - 5.0)), LEFT)
    qtbot.wait(60)
    assert "draw 20 mm of it or more with the ball" in words(window) and not window.session.case.edits
    near = [line[np.abs(line[:, 2] - (middle[2] + mm)).argmin()] for mm in (45.0, -45.0)]
    start, stop = ((middle[0], float(one[1]), float(one[2])) for one in near)
    drag(qtbot, view, at(view, start), at(view, stop), LEFT)
    wait(qtbot, lambda: drawn(window) == 1)
    canal = anatomy(window).canal
    assert canal.centreline_mm[0, 2] - canal.centreline_mm[-1, 2] == pytest.approx(90.0, abs=6.0)
    assert anatomy(window).structure("canal").provenance == "drawn" and anatomy(window).structure("bone").provenance == "found"
    inside = [level for level in truth["levels"] if stop[2] + 5 < level["centre"][2] < start[2] - 5]
    window.desk.vertebra_at = tuple(inside[0]["centre"])
    window.desk.name_vertebra(inside[0]["name"])
    wait(qtbot, lambda: window.session.anatomy.state == "ready" and len(anatomy(window).levels) == 1)
    press(qtbot, window, "Change the anatomy by hand")
    x, y, z = inside[1]["centre"]
    window.views.show_place((x, y, z))
    press(qtbot, window, "Add a vertebra")
    qtbot.wait(60)  # the views stand still
    qtbot.mouseClick(view, LEFT, pos=at(view, (x, y, z)))
    wait(qtbot, lambda: drawn(window) == 2)
    found = anatomy(window)
    assert [level.name for level in found.levels] == [one["name"] for one in inside[:2]], getattr(found, "idle", None)
    press(qtbot, window, "Take back all that was changed by hand")
    wait(qtbot, lambda: window.session.anatomy.state == "refused")
    assert offers(window, "Draw the canal")
