"""Four views as one: crosshair, window, planes and measurements are shared; one view can be large."""

import gc
import threading

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication

from tests.viewer.conftest import collect, drag, pixels, turn_wheel
from tests.viewer.patient import patient, sphere
from viewer.linked import ViewGrid
from viewer.pose import PLANES

LEFT = Qt.MouseButton.LeftButton
CTRL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier


def test_the_four_views_stand_as_in_the_sketch(grid):
    place = {name: view.geometry().center() for name, view in grid.slices.items()}
    place["3d"] = grid.spatial.geometry().center()
    assert place["axial"].x() == place["coronal"].x() < place["sagittal"].x() == place["3d"].x()
    assert place["axial"].y() == place["sagittal"].y() < place["coronal"].y() == place["3d"].y()


@pytest.mark.parametrize("name", PLANES)
def test_scrolling_one_view_takes_the_others_along(grid, name):
    heard = collect(grid.crosshair_moved)
    turn_wheel(grid.slices[name], 2)
    points = {view.crosshair for view in grid.slices.values()}
    assert points == {grid.crosshair} == {heard[-1][0]}


def test_one_window_for_all(qtbot, grid):
    heard = collect(grid.window_changed)
    qtbot.keyClick(grid.slices["coronal"], "2")
    assert {tuple(view.window_shown) for view in grid.slices.values()} == {(50.0, 400.0)} == {tuple(grid.window_shown)}
    assert heard == [(50.0, 400.0)]


def test_a_view_grows_and_goes_back(qtbot, grid):
    whole = grid.size()
    for key, name in ((Qt.Key.Key_1, "axial"), (Qt.Key.Key_4, "3d")):
        qtbot.keyClick(grid, key, CTRL)
        QApplication.processEvents()
        view = grid.slices.get(name, grid.spatial)
        assert grid.large == name and view.size() == whole
        assert sum(one.isVisible() for one in (*grid.slices.values(), grid.spatial)) == 1
        qtbot.keyClick(view, Qt.Key.Key_Escape)
        assert grid.large is None
    QApplication.processEvents()
    assert all(one.isVisible() for one in (*grid.slices.values(), grid.spatial))
    qtbot.mouseDClick(grid.slices["sagittal"], LEFT, pos=QPoint(50, 50))
    assert grid.large == "sagittal"
    qtbot.mouseDClick(grid.slices["sagittal"], LEFT, pos=QPoint(50, 50))
    assert grid.large is None


def test_measurements_are_kept_shown_and_removed(qtbot, grid):
    heard = collect(grid.measurements_changed)
    axial = grid.slices["axial"]
    qtbot.keyClick(axial, "d")
    qtbot.mouseClick(axial, LEFT, pos=QPoint(120, 120))
    qtbot.mouseClick(axial, LEFT, pos=QPoint(220, 120))
    assert len(grid.measurements) == 1 and heard[-1][0] == grid.measurements
    qtbot.keyClick(axial, Qt.Key.Key_Delete)
    assert grid.measurements == ()


def test_another_scan_brings_the_standard_view_and_no_old_measurement(qtbot, grid):
    axial = grid.slices["axial"]
    qtbot.keyClick(axial, "d")
    drag(qtbot, axial, QPoint(120, 120), QPoint(220, 120), LEFT)
    grid.set_window(0, 50)
    grid.set_scene(sphere((2.0, 1.0, 1.0)))
    assert grid.measurements == () and grid.window_shown.width > 1000
    assert grid.crosshair == pytest.approx((0, 0, 0), abs=2)


def test_alt_drag_turns_the_other_planes_and_r_brings_the_standard_back(qtbot, grid):
    axial = grid.slices["axial"]
    x, y = (round(float(n)) for n in axial.pose.to_screen(grid.crosshair))
    before = pixels(grid.slices["sagittal"])
    drag(qtbot, axial, QPoint(x + 100, y), QPoint(x + 94, y + 34), LEFT, ALT)  # about 20 degrees
    turned = grid.slices["sagittal"].pose.plane
    assert axial.pose.plane.is_standard and not turned.is_standard
    angle = np.degrees(np.arccos(abs(turned.normal[0])))
    assert angle == pytest.approx(20, abs=1)
    assert turned.normal @ grid.slices["coronal"].pose.plane.normal == pytest.approx(0, abs=1e-9)
    assert (pixels(grid.slices["sagittal"]) != before).any()
    qtbot.keyClick(axial, "r")
    assert all(view.pose.plane.is_standard for view in grid.slices.values())


def test_looking_along_a_needle_holds_it_in_the_axial_view(grid, scene):
    needle = scene.needles[0]
    tilted = (needle.entry_mm[0], needle.entry_mm[1], 25.0)
    grid.look_along(tilted, needle.target_mm)
    pose = grid.slices["axial"].pose
    assert abs(pose.distance_mm(tilted)) < 1e-6 and abs(pose.distance_mm(needle.target_mm)) < 1e-6
    assert grid.crosshair == needle.target_mm


def test_the_crosshair_hides_in_all_views(qtbot, grid):
    before = [pixels(view) for view in grid.slices.values()]
    qtbot.keyClick(grid.slices["axial"], "x")
    assert all((pixels(view) != old).any() for view, old in zip(grid.slices.values(), before))


def test_a_new_dose_repaints_the_patch_at_once(grid, scene):
    from dataclasses import replace

    grid.set_crosshair((0.0, 0.0, 12.0))  # filled from 4 mL on
    small = pixels(grid.slices["axial"])
    grid.set_scene(replace(scene, patch=replace(scene.patch, ml=1.0)))
    assert (pixels(grid.slices["axial"]) != small).any()


def test_fifty_grids_come_and_go(qtbot):
    from dataclasses import replace

    from viewer.surfaces import surfaces

    threads = threading.active_count()
    scene = patient((24, 40, 44), (6.0, 4.0, 4.0))
    scene = replace(scene, surfaces=surfaces(scene.anatomy))
    widgets = len(QApplication.allWidgets())
    for _ in range(50):
        grid = ViewGrid()
        grid.resize(220, 200)
        grid.show()
        grid.set_scene(scene)
        QApplication.processEvents()
        grid.close()
        grid.deleteLater()
        QApplication.sendPostedEvents(None, 52)  # DeferredDelete
    del grid
    gc.collect()
    QApplication.processEvents()
    assert len(QApplication.allWidgets()) <= widgets + 1
    assert threading.active_count() == threads
    held = [one for one in gc.get_objects() if type(one).__name__ in ("vtkRenderWindow", "vtkOSOpenGLRenderWindow", "Stage")]
    assert held == []


def test_the_views_come_near_a_place_and_f_shows_everything_again(qtbot, grid):
    whole = {name: view.pose.px_per_mm for name, view in grid.slices.items()}
    far = grid.spatial.orbit.distance_mm
    at = (5.0, 4.0, 3.0)
    grid.show_region(at, 20.0, np.array(at) + np.array([[-8.0, -8.0, -8.0], [8.0, 8.0, 8.0]]))
    for view in grid.slices.values():
        assert view.pose.px_per_mm == pytest.approx(min(view.width(), view.height()) / 20.0)
        assert view.pose.to_screen(at) == pytest.approx((view.width() / 2, view.height() / 2))
    assert grid.spatial.orbit.distance_mm < far
    qtbot.keyClick(grid.slices["axial"], "f")
    assert grid.slices["axial"].pose.px_per_mm == pytest.approx(whole["axial"])
    grid.fit()
    assert {name: view.pose.px_per_mm for name, view in grid.slices.items()} == pytest.approx(whole)
