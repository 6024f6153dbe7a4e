"""The volume slider in the real window: every view shows the patch of now, whatever was shown before."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QSlider, QWidget
from pytestqt.qtbot import QtBot

from app.window import Window
from tests.app.conftest import find, wait
from tests.viewer.conftest import pixels, turn_wheel
from tests.viewer.reckoning import agreement, filled_pixels

PATCH = 5
BARE = ("canal", "sac", "cord", "roots", "ligamentum flavum", "contrast outside", "needles", "leaks", "level names", "bone", "lung")


def at_the_patch(window: Window, qtbot: QtBot) -> QSlider:
    """The Patch station with nothing in the slices but the scan and the patch; the slider of the whole volume."""
    window.go_to(PATCH)
    for name in (*BARE, *(window.session.anatomy.value.structures if window.session.anatomy.value else ())):
        window.session.show_structure(name, False)
    window.views.grid.set_crosshair_shown(False)
    qtbot.wait(300)
    slider = find(window, "Volume in all, slider", QSlider)
    assert isinstance(slider, QSlider)
    return slider


def assert_the_patch_is_shown(window: Window) -> None:
    """Coloured pixels of the slices against those that the forecast of now fills at the volume of now."""
    forecast, ml = window.session.forecast.value, window.desk.ml
    assert forecast is not None
    filled = 0
    for name, view in window.views.grid.slices.items():
        wanted = filled_pixels(forecast.frame.affine, forecast.arrival_ml, ml, view.pose)[60:-60, 60:-60]
        seen = np.ptp(pixels(view).astype(int), axis=2)[60:-60, 60:-60] > 8
        assert agreement(seen, wanted) > 0.95 or (seen | wanted).sum() < 60, (name, agreement(seen, wanted))
        filled += int(wanted.sum())
    assert filled > 500


def test_the_views_show_the_patch_of_the_forecast_the_doses_and_the_slices_of_now(worked: Window, qtbot: QtBot) -> None:
    slider = at_the_patch(worked, qtbot)
    assert_the_patch_is_shown(worked)

    slider.setSliderDown(True)  # a hand on the slider
    for tenths in (60, 250, 120):
        slider.setSliderPosition(tenths)
        assert worked.desk.ml == tenths / 10
        assert_the_patch_is_shown(worked)
    turn_wheel(worked.views.grid.slices["axial"], 5)
    turn_wheel(worked.views.grid.slices["sagittal"], -3)
    qtbot.wait(1)
    assert_the_patch_is_shown(worked)
    slider.setSliderPosition(180)
    assert_the_patch_is_shown(worked)

    before = worked.session.forecast.value
    slider.setSliderDown(False)  # let go: another dose, so another forecast
    wait(qtbot, lambda: worked.session.forecast.state == "ready" and worked.session.forecast.value is not before)
    assert worked.desk.planned_ml == 18.0
    assert_the_patch_is_shown(worked)

    other = worked.session.forecast.value
    fibrin, blood = find(worked, "Fibrin sealant, first, slider", QSlider), find(worked, "Autologous blood, slider", QSlider)
    assert isinstance(fibrin, QSlider) and isinstance(blood, QSlider)
    more = fibrin.value() + 40  # the same volume, otherwise split
    blood.setValue(blood.value() - 40)
    fibrin.setValue(more)
    wait(qtbot, lambda: worked.session.forecast.state == "ready" and worked.session.forecast.value is not other)
    wait(qtbot, lambda: worked.session.forecast.state == "ready" and worked.desk.planned_ml == 18.0)
    assert worked.session.case.sites[0].fibrin_ml == more / 10
    assert_the_patch_is_shown(worked)


def test_two_needles_show_one_patch(worked: Window, qtbot: QtBot) -> None:
    x, y, z = worked.session.case.sites[0].leak.position_mm
    worked.desk.mark_leak((x, y, z + 60.0))
    wait(qtbot, lambda: len(worked.session.case.sites) == 2 and worked.session.site_plans is not None)
    wait(qtbot, lambda: worked.session.forecast.state == "ready")
    at_the_patch(worked, qtbot)
    assert_the_patch_is_shown(worked)
    lower = worked.views.grid.crosshair
    worked.views.grid.set_crosshair((x, y, z))
    assert worked.views.grid.crosshair != lower
    qtbot.wait(1)
    assert_the_patch_is_shown(worked)


class Frames(QObject):
    """How often each view was painted."""

    def __init__(self, window: Window) -> None:
        super().__init__()
        grid = window.views.grid
        self.views: dict[QWidget, str] = {**{view: name for name, view in grid.slices.items()}, grid.spatial: "3d"}
        self.painted: list[str] = []
        for view in self.views:
            view.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint and isinstance(watched, QWidget):
            self.painted.append(self.views[watched])
        return False


def test_a_key_on_the_slider_paints_every_view_once_and_a_held_key_is_one_act(worked: Window, qtbot: QtBot) -> None:
    slider = at_the_patch(worked, qtbot)
    slider.setFocus()
    qtbot.wait(800)  # everything rests
    frames = Frames(worked)
    planned_ml = worked.desk.planned_ml
    qtbot.keyClick(slider, Qt.Key.Key_Left)
    wait(qtbot, lambda: "3d" in frames.painted)
    first = frames.painted.index("3d")
    assert sorted(frames.painted[:first]) == ["axial", "coronal", "sagittal"]  # numbers and slices are quick and come first
    shown = worked.session.forecast.value
    wait(qtbot, lambda: worked.desk.planned_ml != planned_ml)  # it has become an act
    if worked.session.forecast.value is shown:
        assert [name for name in frames.painted if name != "3d"] == frames.painted[:first]  # and nothing was painted again
    for _ in range(6):
        qtbot.keyClick(slider, Qt.Key.Key_Left)
        qtbot.wait(20)
    wanted = slider.value() / 10
    wait(qtbot, lambda: worked.desk.planned_ml == wanted)
    acts = 0
    while worked.desk.planned_ml != planned_ml and acts < 9:
        qtbot.keyClick(worked, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        acts += 1
    assert acts <= 2  # the first key, which was let go, and the held one
    qtbot.keyClick(slider, Qt.Key.Key_Right)
    worked.go_to(PATCH + 1)  # before the key has rested: the dose is kept
    assert worked.desk.planned_ml == slider.value() / 10 != planned_ml
    worked.go_to(PATCH)
    qtbot.keyClick(slider, Qt.Key.Key_Right)  # the window is closed before it has rested: nothing fails
