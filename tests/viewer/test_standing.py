"""What stands still is not drawn again while only the patch follows a hand, and nobody sees the difference."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtGui import QImage

from tests.viewer.patient import patient
from viewer.orbit import Orbit
from viewer.spatial_view import reach
from viewer.stage import Stage
from viewer.surfaces import surfaces
from viewer.theme import theme

SIZE = (248, 207)


@pytest.fixture(scope="module")
def scene():
    """A patient with every surface."""
    bare = patient()
    return replace(bare, surfaces=surfaces(bare.anatomy))


@pytest.fixture
def stage():
    """A stage in the middle of a drag."""
    stage = Stage(theme("dark"))
    stage.set_dragging(True)
    yield stage
    stage.close()


def at(scene, ml):
    return replace(scene, patch=replace(scene.patch, ml=ml))


def eye(scene, azimuth_deg=0.0):
    return replace(Orbit(), azimuth_deg=azimuth_deg).framing(reach(scene), SIZE[0] / SIZE[1])


def seen(stage, orbit):
    picture = stage.picture(orbit, *SIZE).convertToFormat(QImage.Format.Format_RGB888)
    return np.array(picture.constBits()).reshape(SIZE[1], -1)[:, : 3 * SIZE[0]].reshape(SIZE[1], SIZE[0], 3).astype(int)


def anew(scene, orbit):
    """The same scene on a stage that knows nothing from before."""
    fresh = Stage(theme("dark"))
    fresh.set_dragging(True)
    fresh.show(scene, None)
    picture = seen(fresh, orbit)
    fresh.close()
    return picture


@pytest.mark.parametrize("azimuth_deg", [0.0, 90.0, 150.0])
def test_the_picture_is_that_of_the_whole_scene(stage, scene, azimuth_deg):
    orbit, before = eye(scene, azimuth_deg), None
    for ml in (4.0, 9.0, 6.0):
        shown = at(scene, ml)
        stage.show(shown, before)
        picture, before = seen(stage, orbit), shown
    assert not stage.drew_all
    whole = anew(before, orbit)
    patch = np.abs(whole - anew(replace(before, patch=None), orbit)).max(axis=2) > 12
    assert patch.sum() > 300
    assert np.abs(picture - whole).max() <= 3  # rounding


def changes(scene):
    return {
        "an eye is closed": replace(scene, hidden=scene.hidden | {"bone"}),
        "a leak is marked": replace(scene, leaks=(*scene.leaks, replace(scene.leaks[0], position_mm=(30.0, 40.0, 10.0)))),
        "the patch is hidden": replace(scene, hidden=scene.hidden | {"patch"}),
        "a needle goes": replace(scene, needles=()),
    }


@pytest.mark.parametrize("what", ["an eye is closed", "a leak is marked", "the patch is hidden", "a needle goes"])
def test_any_other_change_is_drawn(stage, scene, what):
    orbit = eye(scene)
    first, second = at(scene, 4.0), at(scene, 9.0)
    stage.show(first, None)
    seen(stage, orbit)
    stage.show(second, first)
    seen(stage, orbit)
    third = changes(second)[what]
    stage.show(third, second)
    picture = seen(stage, orbit)
    assert stage.drew_all
    assert np.array_equal(picture, anew(third, orbit))


def test_another_side_or_theme_is_drawn(stage, scene):
    first, second = at(scene, 4.0), at(scene, 9.0)
    stage.show(first, None)
    seen(stage, eye(scene))
    stage.show(second, first)
    seen(stage, eye(scene))
    assert np.array_equal(seen(stage, eye(scene, 90.0)), anew(second, eye(scene, 90.0)))
    stage.set_theme(theme("light"))
    seen(stage, eye(scene, 90.0))
    assert stage.drew_all
