"""The whole walk on the example, by mouse and keys, from the scan to the sheet."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QSlider
from pytestqt.qtbot import QtBot

from app.window import Window
from tests.app.conftest import at, find, names, offers, press, wait, words


def test_the_first_start_shows_a_worked_example(worked: Window) -> None:
    assert worked.station == 4
    assert "Needles, open" in names(worked)
    assert "Dorsal leak at" in words(worked)
    assert "Candidate 1" in names(worked)
    assert not worked.isWindowModified()


def test_the_walk_ends_with_a_sheet(worked: Window, qtbot: QtBot, tmp_path: Path) -> None:
    press(qtbot, worked, "Take candidate 1")
    wait(qtbot, lambda: "Needles, done" in names(worked))
    assert any(name.startswith("Undo: take a needle for dorsal leak") for name in names(worked))
    qtbot.keyClick(worked, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert worked.station == 5
    wait(qtbot, lambda: worked.session.forecast.state == "ready")
    assert any(name.startswith("Leak covered: ") and "%" in name for name in names(worked))
    press(qtbot, worked, "Next: Report")
    wait(qtbot, lambda: any(name.startswith("Page 1 of") for name in names(worked)))
    worked.sheet.save("pdf", tmp_path / "plan.pdf")
    worked.sheet.save("html", tmp_path / "plan.html")
    assert (tmp_path / "plan.pdf").read_bytes().startswith(b"%PDF")
    assert "Plan for a targeted blood patch" in (tmp_path / "plan.html").read_text("utf-8")
    wait(qtbot, lambda: "Report, done" in names(worked))


def test_every_act_is_undone_and_done_again(worked: Window, qtbot: QtBot) -> None:
    start = worked.session.case
    seen = [start]

    def note() -> None:
        if worked.session.case != seen[-1]:
            seen.append(worked.session.case)

    worked.session.changed.connect(note)
    press(qtbot, worked, "Take candidate 1")
    worked.go_to(3)
    press_radio(qtbot, worked, "Interlaminar, midline")
    worked.go_to(2)
    press(qtbot, worked, "Remove site 1")
    worked.session.changed.disconnect(note)
    assert len(seen) == 4
    for before in reversed(seen[:-1]):
        qtbot.keyClick(worked, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert worked.session.case == before
    qtbot.wait(40)
    assert not offers(worked, "Undo")
    for after in seen[1:]:
        qtbot.keyClick(worked, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
        assert worked.session.case == after


def test_k_marks_a_leak_under_the_pointer_with_level_and_side(worked: Window, qtbot: QtBot) -> None:
    press_station(qtbot, worked, "Leak")
    press(qtbot, worked, "Remove site 1")
    assert "△ Mark where it leaks." in words(worked)
    assert not offers(worked, "Next: Approach")
    anatomy = worked.session.anatomy.value
    assert anatomy is not None
    x, y, z = anatomy.canal.centreline_mm[len(anatomy.canal.s_mm) // 2].tolist()
    middle = (x, y, z)
    worked.views.grid.set_crosshair(middle)
    view = worked.views.grid.slices["axial"]
    view.setFocus()
    qtbot.mouseMove(view, at(view, middle))
    qtbot.keyClick(view, Qt.Key.Key_K)
    wait(qtbot, lambda: len(worked.session.case.sites) == 1)
    leak = worked.session.case.sites[0].leak
    assert leak.level is not None
    assert f"1 · Ventral, {leak.level}" in {one.text() for one in worked.findChildren(type(find(worked, "Move site 1"))) if one.isVisible()}


def test_a_leak_outside_the_canal_is_refused_in_the_panel(worked: Window, qtbot: QtBot) -> None:
    press_station(qtbot, worked, "Leak")
    press(qtbot, worked, "Mark a leak")
    view = worked.views.grid.slices["axial"]
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(view.width() // 2, view.height() // 3))
    wait(qtbot, lambda: any(name.startswith("Refused: ") for name in names(worked)))
    assert len(worked.session.case.sites) == 1


def test_v_names_the_vertebra_and_the_others_follow(worked: Window, qtbot: QtBot) -> None:
    anatomy = worked.session.anatomy.value
    assert anatomy is not None
    before = [level.name for level in anatomy.levels]
    named = next(level for level in anatomy.levels if level.name == "L3")
    worked.views.grid.set_crosshair(named.centre_mm)
    view = worked.views.grid.slices["sagittal"]
    view.setFocus()
    qtbot.mouseMove(view, at(view, named.centre_mm))
    qtbot.keyClick(view, Qt.Key.Key_V)
    qtbot.wait(40)
    assert worked.station == 1
    press(qtbot, worked, "It is L4")
    wait(qtbot, lambda: worked.session.anatomy.state == "ready" and worked.session.anatomy.value is not anatomy)
    renamed = worked.session.anatomy.value
    assert renamed is not None
    after = [level.name for level in renamed.levels]
    assert after[before.index("L3")] == "L4"
    assert "✓ Levels counted from L4, named by you" in words(worked)


def test_a_needle_follows_the_hand_and_its_checks_with_it(worked: Window, qtbot: QtBot) -> None:
    press(qtbot, worked, "Take candidate 1")
    wait(qtbot, lambda: worked.desk.plan is not None and worked.desk.plan.taken is not None)
    assert worked.desk.plan is not None
    taken = worked.desk.plan.taken
    assert taken is not None
    press(qtbot, worked, "Look along Taken")
    view = worked.views.grid.slices["axial"]
    start = at(view, taken.entry_mm)
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 5):
        qtbot.mouseMove(view, start + QPoint(3 * step, 0))
    wait(qtbot, lambda: "Under your hand" in names(worked))
    assert not offers(worked, "Look along Under your hand")
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=start + QPoint(12, 0))
    wait(qtbot, lambda: "Taken, moved by hand" in names(worked))
    moved = worked.session.case.sites[0].taken
    assert moved is not None and moved.moved
    assert moved.entry_mm != taken.entry_mm
    qtbot.keyClick(worked, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    back = worked.session.case.sites[0].taken
    assert back is not None and back.entry_mm == taken.entry_mm


def test_the_volume_slider_answers_at_once(worked: Window, qtbot: QtBot) -> None:
    press_station(qtbot, worked, "Patch")
    slider = find(worked, "Volume in all, slider", QSlider)
    assert isinstance(slider, QSlider)
    before = covered(worked)
    slider.setSliderDown(True)
    slider.setSliderPosition(10)
    small = covered(worked)
    slider.setSliderPosition(380)
    large = covered(worked)
    assert small != large
    slider.setSliderPosition(round(10 * worked.desk.planned_ml))
    assert covered(worked) == before
    slider.setSliderDown(False)


def test_a_dose_is_an_act_with_a_name(worked: Window, qtbot: QtBot) -> None:
    press_station(qtbot, worked, "Patch")
    slider = find(worked, "Autologous blood, slider")
    slider.setFocus()
    qtbot.keyClick(slider, Qt.Key.Key_Right)
    wait(qtbot, lambda: worked.session.case.sites[0].blood_ml is not None)
    assert worked.session.undo_name is not None and "mL of blood" in worked.session.undo_name
    wait(qtbot, lambda: worked.session.forecast.state == "ready")


def covered(window: Window) -> str:
    """What the row of the leak's cover says."""
    return next(name for name in names(window) if name.startswith("Canal filled, fullest slice: "))


def press_station(qtbot: QtBot, window: Window, name: str) -> None:
    """Alt and the number of a station."""
    number = ("Scan", "Anatomy", "Leak", "Approach", "Needles", "Patch", "Report").index(name) + 1
    qtbot.keyClick(window, getattr(Qt.Key, f"Key_{number}"), Qt.KeyboardModifier.AltModifier)
    qtbot.wait(60)


def press_radio(qtbot: QtBot, window: Window, name: str) -> None:
    """Choose with the keyboard."""
    radio = find(window, name)
    radio.setFocus()
    qtbot.keyClick(radio, Qt.Key.Key_Space)
    qtbot.wait(60)
