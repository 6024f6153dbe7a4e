"""The patch follows the volume in all four views: the right pixels, from the right forecast, at the right slice, quick things first."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QApplication

from tests.viewer.conftest import pixels, rgb, turn_wheel
from tests.viewer.patient import CANAL_Y, patient
from tests.viewer.reckoning import agreement, filled_pixels
from viewer.arrival import Arrival
from viewer.patch import patch_surface
from viewer.scene import ScenePatch
from viewer.slice_picture import SlicePainter
from viewer.surfaces import surfaces
from viewer.theme import theme

BARE = frozenset({"canal", "sac", "needles", "leaks", "bone", "skin", "roots", "cord", "level names", "volume rendering"})
NOTHING = BARE | {"patch"}


@pytest.fixture(scope="module")
def bare():
    """Only flesh and patch, so that every other pixel is known."""
    scene = patient()
    return replace(scene, anatomy=None, leaks=(), needles=(), hidden=BARE)


def at_volume(scene, ml):
    return replace(scene, patch=replace(scene.patch, ml=ml))


def elsewhere(scene):
    """Another forecast on the same grid: a ball that grows at the patient's left and front."""
    frame = scene.patch.arrival.frame
    k, j, i = np.meshgrid(*(np.arange(n) for n in frame.shape), indexing="ij")
    places = np.stack([k, j, i], axis=-1) @ frame.affine[:3, :3].T + frame.affine[:3, 3]
    radius = np.linalg.norm(places - [25.0, -10.0, 10.0], axis=-1)
    return replace(scene, patch=ScenePatch(Arrival(frame, (radius / 3).astype(np.float32)), scene.patch.ml))


def colour(view):
    """How far each pixel is from grey."""
    return np.ptp(pixels(view).astype(int), axis=2)


def seen(view, shown):
    """Where there is colour that is not there without a patch."""
    with_patch = colour(view)
    view.set_scene(replace(shown, hidden=NOTHING))
    without = colour(view)
    view.set_scene(shown)
    return (with_patch > 8) & (without <= 8)


def wanted(view, shown):
    return filled_pixels(shown.patch.arrival.frame.affine, shown.patch.arrival.first_ml, shown.patch.ml, view.pose)


def assert_right(grid, shown):
    for name, view in grid.slices.items():
        assert wanted(view, shown).sum() > 50, name
        assert agreement(seen(view, shown), wanted(view, shown)) > 0.97, name


def near(grid, at=(0.0, CANAL_Y, 0.0)):
    """Large pixels round a place of the patch that no crosshair hides."""
    grid.set_crosshair_shown(False)
    grid.set_crosshair(at)
    for view in grid.slices.values():
        view.show_region(at, 90.0)


def test_every_volume_fills_the_pixels_that_it_must(grid, bare):
    grid.set_scene(bare)
    near(grid, (7.0, CANAL_Y, 0.0))
    for ml in (3.0, 9.0, 5.0, 14.0, 1.0):
        grid.set_scene(at_volume(bare, ml))
        QApplication.processEvents()
        assert_right(grid, at_volume(bare, ml))


def test_another_forecast_at_the_same_volume_is_shown(grid, bare):
    near(grid, (12.0, 10.0, 5.0))
    for shown in (bare, at_volume(bare, 6.0), elsewhere(at_volume(bare, 8.0)), elsewhere(at_volume(bare, 9.0))):
        grid.set_scene(shown)
        QApplication.processEvents()
    assert_right(grid, elsewhere(at_volume(bare, 9.0)))


def test_a_slice_that_was_scrolled_to_shows_its_own_patch(grid, bare):
    ball = elsewhere(bare)
    near(grid, (12.0, 0.0, 5.0))
    for ml in (9.0, 10.0, 11.0):  # a hand on the slider: what lies over the patch is kept
        grid.set_scene(at_volume(ball, ml))
        QApplication.processEvents()
    before = seen(grid.slices["axial"], at_volume(ball, 11.0)).sum()
    turn_wheel(grid.slices["axial"], 4)
    turn_wheel(grid.slices["sagittal"], -5)
    QApplication.processEvents()
    assert_right(grid, at_volume(ball, 11.0))
    assert seen(grid.slices["axial"], at_volume(ball, 11.0)).sum() != before


def test_a_turned_plane_shows_its_own_patch(grid, bare):
    ball = elsewhere(bare)
    near(grid, (12.0, 0.0, 5.0))
    grid.look_along((-30.0, 60.0, -10.0), (15.0, 0.0, 8.0))
    for ml in (9.0, 11.0):
        grid.set_scene(at_volume(ball, ml))
        QApplication.processEvents()
    assert_right(grid, at_volume(ball, 11.0))


def test_what_is_kept_over_the_patch_is_what_would_be_painted(grid, scene):
    """Outlines, needle, leak, crosshair and words after three moves of the slider, against a painter that kept nothing."""
    for ml in (2.0, 4.0, 6.0):
        grid.set_scene(at_volume(scene, ml))
        QApplication.processEvents()
    for view in grid.slices.values():
        pose, ratio = view.pose, view.devicePixelRatioF()
        image = QImage(round(pose.width * ratio), round(pose.height * ratio), QImage.Format.Format_RGB32)
        with QPainter(image) as painter:
            SlicePainter().paint(
                painter, at_volume(scene, 6.0), pose, view.window_shown, theme("dark"), view.crosshair, (pose.plane.right, pose.plane.down)
            )
        off = np.abs(pixels(view).astype(int) - rgb(image).astype(int))
        assert off[2:-2, 2:-2].max() <= 3  # within the frame of the focus


def test_a_theme_put_on_while_the_slider_moves_is_worn_at_once(grid, scene):
    for ml in (2.0, 4.0):
        grid.set_scene(at_volume(scene, ml))
        QApplication.processEvents()
    dark = pixels(grid.slices["axial"])
    grid.set_theme("projector")
    grid.set_scene(at_volume(scene, 4.1))
    projected = pixels(grid.slices["axial"])
    grid.set_theme("dark")
    assert (projected != dark).any(axis=2).mean() > 0.01
    grid.set_scene(at_volume(scene, 4.0))
    assert np.abs(pixels(grid.slices["axial"]).astype(int) - dark).max() <= 3


# ---- in space -------------------------------------------------------------------------------------------------------------------------


def enclosed_ml(surface):
    """By the divergence theorem."""
    a, b, c = (surface.points_mm[surface.triangles[:, n]].astype(float) for n in range(3))
    return float((a * np.cross(b, c)).sum() / 6000)


@pytest.mark.parametrize(("light", "within"), [(False, 0.06), (True, 0.10)])
@pytest.mark.parametrize("ml", [4.0, 8.0, 12.0])
def test_the_surface_holds_the_voxels_that_are_filled(bare, ml, light, within):
    shown = elsewhere(at_volume(bare, ml))
    voxel_ml = abs(np.linalg.det(shown.patch.arrival.frame.affine[:3, :3])) / 1000
    counted = voxel_ml * np.count_nonzero(shown.patch.arrival.first_ml <= ml)
    assert abs(enclosed_ml(patch_surface(shown.patch, light))) == pytest.approx(counted, rel=within)


def test_nothing_filled_is_no_surface(bare):
    assert patch_surface(replace(bare.patch, ml=-1.0)) is None
    assert bare.patch.arrival.box(-1.0) is None


@pytest.fixture
def space(grid, bare):
    meshed = replace(bare, anatomy=patient().anatomy, surfaces={})
    grid.set_scene(replace(meshed, surfaces=surfaces(meshed.anatomy)))
    grid.spatial.fit()
    return grid, replace(meshed, surfaces=grid.scene.surfaces)


def red(view):
    image = pixels(view)[40:-60].astype(int)
    return (image[..., 0] > image[..., 1] + 25) & (image[..., 0] > image[..., 2] + 25)


def silhouette(view, patch):
    """Where the corners and middles of filled voxels fall."""
    affine = patch.arrival.frame.affine
    index = np.argwhere(patch.arrival.first_ml <= patch.ml)
    found = np.zeros((view.height(), view.width()), dtype=bool)
    steps = (-0.45, -0.15, 0.15, 0.45)
    for step in np.array(np.meshgrid(steps, steps, steps)).reshape(3, -1).T:
        places = (index + step) @ affine[:3, :3].T + affine[:3, 3]
        x, y = np.floor(view.orbit.to_screen(places, view.width(), view.height())).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < view.width()) & (y < view.height())
        found[y[inside], x[inside]] = True
    return found[40:-60]


def test_space_shows_the_newest_volume_of_the_newest_forecast(qtbot, space):
    grid, scene = space
    view = grid.spatial
    for shown in (scene, at_volume(scene, 9.0), elsewhere(at_volume(scene, 9.0)), elsewhere(at_volume(scene, 5.0)), at_volume(scene, 3.0)):
        grid.set_scene(shown)
        qtbot.wait(20)
        assert agreement(red(view), silhouette(view, shown.patch)) > 0.8
    qtbot.wait(500)  # the hand rests: the fine surface
    # the smallest patch is 40 by 47 pixels: an edge of one pixel is a tenth of it
    assert agreement(red(view), silhouette(view, at_volume(scene, 3.0).patch)) > 0.83
    grid.set_scene(replace(scene, hidden=scene.hidden | {"patch"}))
    assert red(view).sum() == 0


class Paints(QObject):
    """The views in the order in which they are painted."""

    def __init__(self, grid):
        super().__init__()
        self.order = []
        self._names = {view: name for name, view in (*grid.slices.items(), ("3d", grid.spatial))}
        for view in self._names:
            view.installEventFilter(self)

    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint:
            self.order.append(self._names[watched])
        return False


def test_many_moves_are_one_frame_and_slices_come_before_space(qtbot, space):
    grid, scene = space
    grid.set_scene(at_volume(scene, 2.0))
    qtbot.wait(600)  # at rest
    grid.setFocus(Qt.FocusReason.OtherFocusReason)
    QApplication.processEvents()
    paints = Paints(grid)
    for ml in (3.0, 4.0, 5.0, 6.0):
        grid.set_scene(at_volume(scene, ml))
    qtbot.waitUntil(lambda: "3d" in paints.order, timeout=2000)
    assert sorted(paints.order[:3]) == ["axial", "coronal", "sagittal"]
    assert paints.order[3:] == ["3d"]
    assert agreement(red(grid.spatial), silhouette(grid.spatial, at_volume(scene, 6.0).patch)) > 0.8
    grid.set_scene(at_volume(scene, 6.0))  # nothing new
    paints.order.clear()
    QApplication.processEvents()
    assert "3d" not in paints.order
