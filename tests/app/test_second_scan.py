"""A second scan over the first in the real window: added, registered, blended, moved by hand, undone, kept, missed, removed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QDoubleSpinBox, QFileDialog, QSlider
from pytestqt.qtbot import QtBot

from app.window import Window
from planner.case.acts import Act
from planner.case.case import Site
from planner.geometry import Volume
from planner.leak.leak import Leak
from planner.phantom import PhantomParameters, build, write_example
from planner.refusal import Refusal
from planner.registration import LevelError, Registration, Rigid
from planner.registration import laying as laying_module
from tests.app.conftest import find, names, offers, press, wait, words
from tests.viewer.conftest import drag, pixels

SPACING_MM = (3.0, 2.5, 2.5)
MOVED = Rigid((3.0, -2.0, 0.0), (9.0, -6.0, 12.0), (0.0, -20.0, -230.0))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ct` and `mr` of one patient, who lay on two tables."""
    folder = tmp_path_factory.mktemp("two")
    write_example(build(PhantomParameters(spacing_mm=SPACING_MM)), folder / "ct")
    mr = build(PhantomParameters(modality="mr", spacing_mm=SPACING_MM))
    volume = MOVED.placed(mr.volume).to_axial()
    write_example(replace(mr, volume=volume, labels=np.zeros(volume.frame.shape, np.uint8)), folder / "mr")
    for name in ("ct", "mr"):
        shutil.move(folder / name / "dicom", folder / f"{name}-dicom")
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The registration as another test judges it, here in no time: what was asked for is noted."""
    asked: list[str] = []
    levels = (LevelError((0.0, -20.0, -200.0), 0.4, (0.4, 0.0, 0.0)), LevelError((0.0, -20.0, -235.0), 2.6, (0.0, 2.6, 0.0)))

    def register(planning: Volume, second: Volume, anatomy: object, progress: object, start: Rigid | None = None, _other: object = None):
        asked.append("register" if start is None else "register from a hand")
        laid = levels if start is None else (replace(levels[0]), replace(levels[1], error_mm=0.5))
        return Registration(MOVED.inverse().rounded(), "search" if start is None else "by hand", 0.61, laid)

    def measured(planning: Volume, second: Volume, laid: Registration, anatomy: object, progress: object):
        asked.append("measure")
        unchecked = LevelError((0.0, -20.0, -235.0), None, None, "too little is seen there in both scans")
        return replace(laid, levels=(replace(levels[0], error_mm=5.0), unchecked))

    monkeypatch.setattr(laying_module, "register", register)
    monkeypatch.setattr(laying_module, "measured", measured)
    return asked


@pytest.fixture
def on_ct(open_window: Callable[..., Window], two: Path, qtbot: QtBot) -> Window:
    window = open_window(two / "ct-dicom")
    wait(qtbot, lambda: window.session.volume.state == "ready" and window.session.anatomy.state in ("ready", "refused"))
    window.go_to(0)
    return window


def add(qtbot: QtBot, window: Window, path: Path) -> None:
    """By the button and its dialog."""
    press(qtbot, window, "Add a second scan…")
    dialog = window.findChildren(QFileDialog)[-1]
    assert dialog.isVisible() and not dialog.isModal()
    dialog.fileSelected.emit(str(path))
    dialog.close()


def test_a_second_scan_is_added_registered_blended_and_taken_back(on_ct: Window, two: Path, quick: list[str], qtbot: QtBot) -> None:
    session, axial = on_ct.session, on_ct.views.grid.slices["axial"]
    plan_before = (session.case.sites, session.anatomy.value, session.volume.value)
    alone = pixels(axial)
    add(qtbot, on_ct, two / "mr-dicom")
    wait(qtbot, lambda: session.second.laid is not None)
    assert quick == ["register"]
    assert "△ Questionable. 1 of 2 levels lie more than 2 mm off. From a search of the whole scan." in words(on_ct)
    assert any("0.4 mm" in name for name in names(on_ct)) and any("2.6 mm △ off" in name for name in names(on_ct))
    assert (pixels(axial) != alone).any(axis=2).mean() > 0.1
    assert on_ct.views.grid.scene.second is not None and on_ct.views.grid.scene.second.words == "CT 50 % + MR 50 %  △ questionable"
    assert (session.case.sites, session.anatomy.value, session.volume.value) == plan_before, "the plan knows nothing of it"

    slider = find(on_ct, "Blend of the two scans", QSlider)
    slider.setFocus()
    qtbot.keyClick(slider, Qt.Key.Key_End)
    qtbot.wait(300)
    assert "0 % : 100 %" in words(on_ct)
    whole = pixels(axial)
    axial.setFocus()
    qtbot.keyClick(axial, Qt.Key.Key_B)
    qtbot.wait(300)
    assert "100 % : 0 %" in words(on_ct) and (pixels(axial) != whole).any()
    qtbot.keyClick(axial, Qt.Key.Key_B)
    qtbot.keyClick(axial, Qt.Key.Key_Comma)
    assert session.second.share == pytest.approx(0.9)

    assert session.undo_name == "add a second scan", "the registration follows from it and is no step of its own"
    qtbot.keyClick(on_ct, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.wait(60)
    assert session.case.second is None and on_ct.views.grid.scene.second is None
    qtbot.keyClick(on_ct, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    wait(qtbot, lambda: session.second.loaded.state == "ready")
    assert session.second.laid is not None and quick == ["register"], "it lies where it lay"
    press(qtbot, on_ct, "Remove the second scan")
    assert session.case.second is None and offers(on_ct, "Add a second scan…")


def test_a_hand_lays_it_and_registers_again_from_there(on_ct: Window, two: Path, quick: list[str], qtbot: QtBot) -> None:
    session, axial = on_ct.session, on_ct.views.grid.slices["axial"]
    add(qtbot, on_ct, two / "mr-dicom")
    wait(qtbot, lambda: session.second.laid is not None)
    assert session.second.laid is not None
    first = session.second.laid.placed
    press(qtbot, on_ct, "Move the second scan by hand")
    middle = QPoint(axial.width() // 2 + 40, axial.height() // 2 + 20)
    drag(qtbot, axial, middle, middle + QPoint(24, 12), Qt.MouseButton.LeftButton)
    wait(qtbot, lambda: session.second.laid is not None and session.second.laid.levels is not None)
    moved = session.second.laid.placed
    assert np.subtract(moved.shift_mm, first.shift_mm) == pytest.approx(np.array([24, 12, 0]) / axial.pose.px_per_mm, abs=0.01)
    assert session.undo_name == "move the second scan by hand" and quick[-1] == "measure"
    assert any("△ not checked" in name for name in names(on_ct)) and any("5.0 mm" in name for name in names(on_ct))

    drag(qtbot, axial, middle, middle + QPoint(0, 40), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier)
    assert session.second.laid.placed.turn_deg != moved.turn_deg
    field = find(on_ct, "Head, second scan", QDoubleSpinBox)
    before = session.second.laid.placed.shift_mm[2]
    qtbot.keyClick(field, Qt.Key.Key_Up)
    wait(qtbot, lambda: session.second.laid is not None and session.second.laid.levels is not None)
    assert session.second.laid.placed.shift_mm[2] == pytest.approx(before + 0.5, abs=0.06)

    press(qtbot, on_ct, "Register again")
    wait(qtbot, lambda: quick[-1] == "register from a hand" and session.second.laid is not None and session.second.laid.verdict == "good")
    assert session.undo_name == "register the second scan"
    assert "✓ Registered: 2 of 2 levels checked, all within 2 mm. From where a hand laid it." in words(on_ct)
    session.undo()
    assert session.second.laid.start == "by hand" and session.second.laid.placed.shift_mm[2] == pytest.approx(before + 0.5, abs=0.06)
    qtbot.keyClick(on_ct, Qt.Key.Key_Escape)
    assert on_ct.desk.gesture == ""


def test_what_cannot_be_registered_is_said_and_left_to_the_hand(
    on_ct: Window, two: Path, quick: list[str], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def register(*_anything: object) -> Registration:
        raise Refusal("The second scan could not be laid on the planning scan: they hardly agree anywhere.", laying_module.BY_HAND)

    monkeypatch.setattr(laying_module, "register", register)
    add(qtbot, on_ct, two / "mr-dicom")
    wait(qtbot, lambda: on_ct.session.second.registration.state == "refused")
    assert any(name.startswith("Refused: The second scan could not be laid") and "by hand" in name for name in names(on_ct))
    assert "△ Not registered: shown where its own coordinates put it." in words(on_ct)
    assert offers(on_ct, "Move the second scan by hand") and offers(on_ct, "Register again")
    scene = on_ct.views.grid.scene
    assert scene.second is not None and scene.second.words.endswith("not registered")
    on_ct.session.refresh()
    assert on_ct.session.second.registration.state == "refused", "it is not tried again by itself"


def test_it_is_kept_in_the_file_reopened_and_said_where_it_is_missing(
    on_ct: Window, two: Path, quick: list[str], qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ct-dicom", "mr-dicom"):
        shutil.copytree(two / name, tmp_path / name)
    session = on_ct.session
    session.choose_series(session.scan.value.series[0])
    add(qtbot, on_ct, tmp_path / "mr-dicom")
    wait(qtbot, lambda: session.second.laid is not None)
    path = tmp_path / "case.duraplan"
    assert session.save(path) is None
    assert json.loads(path.read_text("utf-8"))["case"]["second"]["scan"]["path"] == "mr-dicom"
    kept = session.case.second
    monkeypatch.setattr(on_ct.filing, "may_leave", lambda: True)
    on_ct.open(path)
    wait(qtbot, lambda: on_ct.session.second.loaded.state == "ready")
    assert on_ct.session.case.second == kept and quick == ["register"] and on_ct.session.is_saved

    shutil.move(tmp_path / "mr-dicom", tmp_path / "elsewhere")
    on_ct.open(path)
    wait(qtbot, lambda: on_ct.session.second.loaded.state == "refused")
    wait(qtbot, lambda: on_ct.session.volume.state == "ready")
    assert any(name.startswith("Refused: The second scan of this case is not at") for name in names(on_ct))
    assert on_ct.session.volume.state == "ready", "the plan goes on without it"
    press(qtbot, on_ct, "Say where the second scan is")
    dialog = on_ct.findChildren(QFileDialog)[-1]
    dialog.fileSelected.emit(str(tmp_path / "elsewhere"))
    dialog.close()
    wait(qtbot, lambda: on_ct.session.second.loaded.state == "ready")
    assert on_ct.session.case.second is not None and kept is not None
    assert on_ct.session.case.second.registration == kept.registration, "it lies where it lay"


@pytest.mark.parametrize("what", ["nothing", "the planning scan"])
def test_what_is_no_second_scan_is_refused_in_a_sentence(on_ct: Window, two: Path, qtbot: QtBot, tmp_path: Path, what: str) -> None:
    (tmp_path / "letter.txt").write_text("Dear colleague", "utf-8")
    case = on_ct.session.case
    add(qtbot, on_ct, tmp_path if what == "nothing" else two / "ct-dicom")
    wait(qtbot, lambda: on_ct.session.second.files.state == "refused")
    assert any(name.startswith("Refused: ") for name in names(on_ct))
    assert on_ct.session.case == case and offers(on_ct, "Add a second scan…")


def test_the_other_scan_is_planned_on_by_choice_and_back_by_undo(on_ct: Window, two: Path, quick: list[str], qtbot: QtBot) -> None:
    session = on_ct.session
    add(qtbot, on_ct, two / "mr-dicom")
    wait(qtbot, lambda: session.second.laid is not None)
    press(qtbot, on_ct, "Plan on the second scan")
    wait(qtbot, lambda: session.volume.state == "ready" and session.second.loaded.state == "ready")
    assert session.volume.value is not None and session.volume.value.modality == "MR"
    assert session.second.names == ("MR", "CT")
    assert session.second.laid is not None
    at = np.array([4.0, -30.0, -210.0])
    assert session.second.laid.placed(at) == pytest.approx(MOVED(at), abs=0.01)
    session.undo()
    wait(qtbot, lambda: session.volume.state == "ready" and session.second.loaded.state == "ready")
    assert session.volume.value.modality == "CT" and session.second.names == ("CT", "MR")


def test_a_leak_mark_goes_along_and_says_so_until_its_place_is_confirmed(
    on_ct: Window, two: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, at = on_ct.session, (0.0, -15.0, -215.0)
    levels = (LevelError((0.0, -40.0, -200.0), 0.4, (0.4, 0.0, 0.0)), LevelError((0.0, -40.0, -235.0), 0.6, (0.0, 0.6, 0.0)))
    good = Registration(MOVED.inverse().rounded(), "search", 0.61, levels)
    monkeypatch.setattr(laying_module, "register", lambda *_anything: good)
    monkeypatch.setattr(laying_module, "measured", lambda _planning, _second, laid, *_: replace(laid, levels=levels))
    add(qtbot, on_ct, two / "mr-dicom")
    wait(qtbot, lambda: session.second.laid is not None)
    session.act(Act("mark", replace(session.case, sites=(Site(Leak(at, "ventral", "observed", None, "midline")),))))
    press(qtbot, on_ct, "Plan on the second scan")
    assert "The leak mark was carried over: check each place." in words(on_ct)
    assert session.case.sites[0].leak.position_mm == pytest.approx(MOVED(np.array(at)), abs=0.01)
    on_ct.go_to(2)
    wait(qtbot, lambda: session.anatomy.state in ("ready", "refused"))
    assert "△ Carried over from the other scan: check its place here." in words(on_ct)
    press(qtbot, on_ct, "Confirm the place of site 1")
    assert "△ Carried over" not in words(on_ct) and not session.case.sites[0].carried
    assert session.undo_name == "confirm the place of the ventral leak"


def test_of_several_series_the_largest_is_laid_over_and_another_by_choice(
    on_ct: Window, two: Path, quick: list[str], qtbot: QtBot, tmp_path: Path
) -> None:
    """A folder with the CT itself, the MR, and a piece of the MR under a series of its own."""
    for name in ("ct-dicom", "mr-dicom"):
        shutil.copytree(two / name, tmp_path / name)
    for n, path in enumerate(sorted((two / "mr-dicom").iterdir())[20:60]):
        piece = pydicom.dcmread(path)
        piece.SeriesInstanceUID, piece.SeriesDescription = "2.25.77", "Piece"
        piece.SOPInstanceUID = piece.file_meta.MediaStorageSOPInstanceUID = f"2.25.77.{n + 1}"
        piece.save_as(tmp_path / f"piece-{n}.dcm")
    session = on_ct.session
    add(qtbot, on_ct, tmp_path)
    wait(qtbot, lambda: session.second.laid is not None)
    assert session.second.loaded.value is not None and session.second.loaded.value.series.description == "Phantom spine T2 TSE"
    assert "Other series there: 1" in words(on_ct), "the planning scan is not offered"
    press(qtbot, on_ct, "Lay Piece: MR, 40 slices over")
    wait(qtbot, lambda: session.second.laid is not None and session.second.loaded.state == "ready")
    assert session.second.loaded.value.series.description == "Piece" and quick == ["register", "register"]


def test_the_work_is_stopped_when_asked(on_ct: Window, two: Path, qtbot: QtBot) -> None:
    """In earnest: the registration itself hears of it."""
    add(qtbot, on_ct, two / "mr-dicom")
    wait(qtbot, lambda: on_ct.session.second.registration.state == "running")
    press(qtbot, on_ct, "Cancel registering the second scan")
    assert on_ct.session.second.registration.state == "refused"
    assert any(name.startswith("Refused: It was stopped.") for name in names(on_ct))
    qtbot.wait(300)
    assert on_ct.session.second.laid is None
