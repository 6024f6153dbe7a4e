"""The native slices of a repaired scan, by mouse and keys in the real window; what is read is what is on screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QSlider
from pytestqt.qtbot import QtBot

from app.native_window import NativeWindow
from app.window import Window
from planner.scan.crop import Crop
from planner.scan.spine_only import cropped
from tests.app.conftest import find, press, wait, words
from tests.data import real
from tests.planner.scan.writer import Stack, hu, write
from viewer.native_view import NativeView
from viewer.windows import Window as Greys

SOON_MS = 30_000
TILT = np.radians(18.5)
TILTED = Stack(column=(0, np.cos(TILT), -np.sin(TILT)), places=tuple(range(20)))


def open_native(window: Window, qtbot: QtBot) -> NativeWindow:
    wait(qtbot, lambda: window.session.volume.state == "ready", SOON_MS)
    window.go_to(0)
    press(qtbot, window, "See the native slices")
    wait(qtbot, lambda: window.findChild(NativeWindow) is not None, SOON_MS)
    native = window.findChild(NativeWindow)
    assert isinstance(native, NativeWindow) and native.isVisible() and not native.isModal()
    wait(qtbot, lambda: "Slice " in words(native) and view(native).accessibleDescription(), SOON_MS)
    return native


def view(native: NativeWindow) -> NativeView:
    found = find(native, "Native slice", NativeView)
    assert isinstance(found, NativeView)
    return found


def number(native: NativeWindow) -> int:
    slider = find(native, "Native slice, number", QSlider)
    assert isinstance(slider, QSlider)
    return slider.value()


def grey_at(native: NativeWindow, point_mm: tuple[float, float, float]) -> int:
    """Of the pixel on screen where a place of the patient lies."""
    x, y = view(native).pose.to_screen(point_mm)
    picture = view(native).grab().toImage()
    ratio = picture.devicePixelRatio()
    return picture.pixelColor(round(float(x) * ratio), round(float(y) * ratio)).red()


def wheel(native: NativeWindow, turns: int) -> None:
    at = QPointF(view(native).rect().center())
    nothing, pressed = QPoint(), Qt.MouseButton.NoButton
    keys, phase = Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
    QApplication.sendEvent(view(native), QWheelEvent(at, at, nothing, QPoint(0, 120 * turns), pressed, keys, phase, False))


@pytest.fixture
def tilted(open_window: Callable[..., Window], tmp_path: Path) -> Window:
    return open_window(write(tmp_path / "tilted", TILTED))


def test_it_opens_where_the_views_look(tilted: Window, qtbot: QtBot) -> None:
    wait(qtbot, lambda: tilted.session.volume.state == "ready", SOON_MS)
    tilted.views.show_place((0.0, 5.0, 12.0))
    native = open_native(tilted, qtbot)
    assert "sheared by 18.5 deg" in words(native)
    assert "Axial, tilted by 18.5 deg: its front edge lies toward the head." in words(native)
    assert "The views look at a place in this slice" in words(native)
    # the slice whose plane passes at 5 mm back and 12 mm head
    along = (TILTED.positions() - np.array((0.0, 5.0, 12.0))) @ np.cross(TILTED.row, TILTED.column)
    assert number(native) == int(np.abs(along).argmin()) + 1


def test_greys_are_those_of_the_stored_pixels_in_their_true_shape(tilted: Window, qtbot: QtBot) -> None:
    native = open_native(tilted, qtbot)
    tilted.views.put_window(Greys(0.0, 2000.0))
    qtbot.wait(50)
    n = number(native) - 1
    origin, row, column = TILTED.positions()[n], np.array(TILTED.row), np.array(TILTED.column)
    for down_mm, right_mm in ((30.0, 30.0), (48.0, 62.0), (10.0, 10.0)):
        at = tuple(float(c) for c in origin + column * down_mm + row * right_mm)
        shown = grey_at(native, at)
        assert shown == pytest.approx(np.clip((float(hu(np.array(at))) + 1000) / 2000 * 255, 0, 255), abs=6)
    pose = view(native).pose
    corners = pose.to_screen(np.array([origin, origin + row * 10, origin + column * 10]))
    assert np.hypot(*(corners[1] - corners[0])) == pytest.approx(np.hypot(*(corners[2] - corners[0])))


def test_wheel_keys_and_slider_go_through_the_slices(tilted: Window, qtbot: QtBot) -> None:
    native = open_native(tilted, qtbot)
    first = number(native)
    wheel(native, 1)
    assert number(native) == first + 1
    QTest.keyClick(view(native), Qt.Key.Key_PageDown)
    QTest.keyClick(view(native), Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert number(native) == first - 5
    QTest.keyClick(view(native), Qt.Key.Key_Home)
    wait(qtbot, lambda: "20 / 20" in view(native).accessibleDescription(), SOON_MS)
    assert "Slice 20 of 20" in words(native)
    assert "mm before this slice, in slice" in words(native)
    QTest.keyClick(view(native), Qt.Key.Key_End)
    assert "Slice 1 of 20" in words(native)
    press(qtbot, native, "Go to where the views look")
    assert number(native) == first and "in this slice" in words(native)


def test_a_click_takes_the_views_there_and_the_views_take_it_along(tilted: Window, qtbot: QtBot) -> None:
    native = open_native(tilted, qtbot)
    QTest.keyClick(view(native), Qt.Key.Key_PageUp)
    qtbot.wait(50)
    here = number(native)
    x, y = view(native).width() // 2 + 30, view(native).height() // 2 - 20
    wanted = view(native).pose.to_world(x, y)
    qtbot.mouseClick(view(native), Qt.MouseButton.LeftButton, pos=QPoint(x, y))
    assert np.allclose(tilted.views.grid.crosshair, wanted, atol=0.6)
    assert number(native) == here
    tilted.views.show_place((0.0, 0.0, -15.0))
    assert number(native) < here


def test_the_window_is_that_of_the_views(tilted: Window, qtbot: QtBot) -> None:
    native = open_native(tilted, qtbot)
    before = tilted.views.grid.window_shown
    middle = view(native).rect().center()
    QTest.mousePress(view(native), Qt.MouseButton.RightButton, pos=middle)
    QTest.mouseMove(view(native), middle + QPoint(60, 0))
    QTest.mouseRelease(view(native), Qt.MouseButton.RightButton, pos=middle + QPoint(60, 0))
    after = tilted.views.grid.window_shown
    assert after.width > 1.1 * before.width and after.centre == pytest.approx(before.centre)
    QTest.keyClicks(view(native), "1")
    assert tilted.views.grid.window_shown == before


def test_a_slice_whose_file_has_gone_says_so_and_the_others_stay(tilted: Window, tmp_path: Path, qtbot: QtBot) -> None:
    native = open_native(tilted, qtbot)
    series = tilted.session.series
    assert series is not None
    series.pictures[19].place.path.unlink()
    QTest.keyClick(view(native), Qt.Key.Key_Home)
    wait(qtbot, lambda: "Slice 20 of 20 cannot be read" in view(native).accessibleDescription(), SOON_MS)
    QTest.keyClick(view(native), Qt.Key.Key_Down)
    wait(qtbot, lambda: view(native).accessibleDescription() == "19 / 20", SOON_MS)


def test_another_scan_brings_its_own_slices(tilted: Window, tmp_path: Path, qtbot: QtBot) -> None:
    native = open_native(tilted, qtbot)
    tilted.open(write(tmp_path / "straight", Stack(series="1.2.3")))
    wait(qtbot, lambda: "Slice 7 of 12" in words(native) or "Slice 6 of 12" in words(native), SOON_MS)
    assert "Nothing was repaired" in words(native) and "Axial, straight." in words(native)
    press(qtbot, native, "Close the native slices")
    assert not native.isVisible()


@pytest.mark.real
def test_an_oblique_nifti(open_window: Callable[..., Window], qtbot: QtBot) -> None:
    window = open_window(real("cervical-mr/gre-mt-axial.nii.gz"))
    native = open_native(window, qtbot)
    assert "oblique by 11.9 deg" in words(native) and "tilted by 11.9 deg" in words(native)
    assert "of 22" in words(native) and "5.00 mm from slice to slice." in words(native)


def test_in_a_gap_no_slice_lies(open_window: Callable[..., Window], tmp_path: Path, qtbot: QtBot) -> None:
    window = open_window(write(tmp_path / "gap", Stack(places=(*range(12), *range(20, 34)))))
    native = open_native(window, qtbot)
    wait(qtbot, lambda: "26 slices" in words(native), SOON_MS)
    z = float(Stack(places=(*range(12), *range(20, 34))).positions()[11][2])
    window.views.show_place((0.0, 0.0, z + 6.0))
    assert number(native) == 12
    assert "The views look at a place 6.0 mm after this slice, where no slice lies." in words(native)
    assert "2.00 to 18.00 mm from slice to slice, unevenly." in words(native)


# ---- a series that is not in use -----------------------------------------------------------------------------------------------------


@pytest.fixture
def doubled(open_window: Callable[..., Window], tmp_path: Path) -> Window:
    """A good series, and another that is refused: a place of it is shown twice."""
    write(tmp_path / "both", Stack(places=tuple(range(20))), "a{}.dcm")
    values = (("SeriesDescription", "DOUBLED"),)
    write(tmp_path / "both", Stack(series="1.2.3", extra=values), "b{}.dcm")
    place = (("ImagePositionPatient", [-48.75, -47.0, -3.0]), *values)
    write(tmp_path / "both", Stack(series="1.2.3", places=(5,), first_number=80, extra=place), "c{}.dcm", lambda points: hu(points) + 40)
    return open_window(tmp_path / "both", (1280, 720))


def open_refused(window: Window, qtbot: QtBot) -> NativeWindow:
    wait(qtbot, lambda: window.session.volume.state == "ready", SOON_MS)
    press(qtbot, window, "See the slices of DOUBLED as they are stored")
    wait(qtbot, lambda: window.findChild(NativeWindow) is not None, SOON_MS)
    native = window.findChild(NativeWindow)
    assert isinstance(native, NativeWindow)
    wait(qtbot, lambda: "Slice " in words(native) and view(native).accessibleDescription(), SOON_MS)
    return native


def test_a_refused_series_is_looked_at_by_itself(doubled: Window, qtbot: QtBot) -> None:
    native = open_refused(doubled, qtbot)
    said = words(native)
    assert "DOUBLED: 13 slices of CT as they are stored" in said
    assert "Refused. Slices 5 and 6 lie in the same place but differ" in said
    assert "This series is not in use" in said
    at, greys = doubled.views.grid.crosshair, doubled.views.grid.window_shown
    qtbot.mouseClick(view(native), Qt.MouseButton.LeftButton, pos=view(native).rect().center() + QPoint(40, 0))
    QTest.keyClick(view(native), Qt.Key.Key_2)
    wheel(native, 3)
    assert number(native) == 7 + 3
    assert (doubled.views.grid.crosshair, doubled.views.grid.window_shown) == (at, greys)
    inside = (14.0, 0.0, 0.0)
    wait(qtbot, lambda: grey_at(native, inside) > 240 > 180 > grey_at(native, (-14.0, 0.0, 0.0)) > 60, SOON_MS)
    assert native.height() <= doubled.height()


def test_the_series_in_use_comes_back_with_its_marks(doubled: Window, qtbot: QtBot) -> None:
    native = open_refused(doubled, qtbot)
    press(qtbot, doubled, "See the native slices")
    wait(qtbot, lambda: "SPINE: 20 slices of CT" in words(native) and "The views look at a place in this slice" in words(native), SOON_MS)
    doubled.views.show_place((3.0, 4.0, 9.0))
    wait(qtbot, lambda: number(native) == 15)


def test_another_scan_closes_the_refused_one(doubled: Window, tmp_path: Path, qtbot: QtBot) -> None:
    native = open_refused(doubled, qtbot)
    doubled.open(write(tmp_path / "other", Stack(series="1.2.4")))
    wait(qtbot, lambda: not native.isVisible(), SOON_MS)


def test_a_part_of_a_series_is_not_read_again_at_every_change(
    open_window: Callable[..., Window], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    window = open_window(write(tmp_path / "scan", Stack(places=tuple(range(20)))))
    wait(qtbot, lambda: window.session.volume.state == "ready", SOON_MS)
    assert window.session.series is not None
    window.session.choose_series(cropped(window.session.series, Crop((3, 40), (5, 36))))
    native = open_native(window, qtbot)
    assert view(native).accessibleDescription()
    read: list[object] = []
    monkeypatch.setattr("app.native_window.native_slices", lambda series: read.append(series))
    window.session.changed.emit()
    qtbot.wait(40)
    assert not read and view(native).accessibleDescription()
