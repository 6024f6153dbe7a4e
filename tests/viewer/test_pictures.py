"""Pictures for paper: the same slice, at the size that was asked for; and the plane that holds the needle."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.data import real
from tests.viewer.conftest import rgb
from tests.viewer.patient import CANAL_Y, patient
from viewer.pictures import needle_picture, scene_picture, slice_picture
from viewer.pose import plane_along
from viewer.scene import Scene, SceneNeedle
from viewer.surfaces import surfaces
from viewer.theme import THEMES, sign, theme
from viewer.windows import Window


@pytest.fixture(scope="module")
def meshed():
    scene = patient()
    return replace(scene, surfaces=surfaces(scene.anatomy))


def coloured(image, meaning, reach=60):
    colour = theme("dark").colour(meaning)
    return np.abs(image.astype(int) - [colour.red(), colour.green(), colour.blue()]).sum(axis=2) < reach


def test_a_slice_picture_has_its_size_and_its_scale(qapp, scene):
    image = slice_picture(scene, "axial", (0, CANAL_Y, 0), (300, 240), width_mm=100, ratio=2.0, window=Window(20000, 10))
    assert (image.width(), image.height()) == (600, 480)
    assert (image.devicePixelRatio()) == 2.0
    rows, columns = np.nonzero(coloured(rgb(image), "sac"))
    assert np.ptp(columns) == pytest.approx(12.0 * 6, rel=0.12)  # the sac is 12 mm wide, a mm is 6 device pixels
    assert (columns.mean(), rows.mean()) == pytest.approx((300, 240), abs=12)


def test_pictures_are_the_same_every_time(qapp, scene):
    one, two = (rgb(slice_picture(scene, "sagittal", (0, CANAL_Y, 0), (200, 260))) for _ in range(2))
    assert np.array_equal(one, two)


def test_the_needle_picture_shows_the_whole_needle_solid(qapp, scene):
    needle = SceneNeedle((-40.0, 70.0, 30.0), (0.0, CANAL_Y - 7, -10.0), words="")
    alone = Scene(scene.volume, needles=(needle,))
    image = rgb(needle_picture(alone, needle, (300, 260), window=Window(20000, 10)))
    plane = plane_along(needle.entry_mm, needle.target_mm)
    step = np.subtract(needle.target_mm, needle.entry_mm)
    long = np.hypot(step @ plane.right, step @ plane.down)
    assert long == pytest.approx(np.linalg.norm(step))
    rows, _ = np.nonzero(coloured(image[80:], "needle", 90))
    assert len(rows) > 400


def test_a_scene_picture_needs_no_view_and_is_smooth(qapp, meshed):
    image = scene_picture(meshed, "standard", (240, 220), ratio=1.0)
    assert (image.width(), image.height()) == (240, 220)
    bone = coloured(rgb(image), "bone", 200)
    assert bone.sum() > 2000
    with pytest.raises(KeyError):
        scene_picture(meshed, "sideways", (10, 10))


def test_a_slice_without_a_scan_is_a_mistake_of_the_caller(qapp):
    with pytest.raises(ValueError, match="volume"):
        slice_picture(Scene(), "axial", (0, 0, 0), (10, 10))


def test_every_colour_has_one_meaning_and_a_sign():
    for name in THEMES:
        colours = theme(name).colours
        assert theme(name).text_px >= 12
        views = {
            m: c for m, c in colours.items() if m in ("canal", "sac", "cord", "roots", "leak", "needle", "patch", "view name", "crosshair")
        }
        assert len(set(views.values())) == len(views)
        assert all(sign(meaning) for meaning in colours)


def test_importing_the_views_imports_nothing_slow():
    code = (
        "import sys, viewer.slice_view, viewer.linked; "
        "slow = {'vtkmodules', 'vtk', 'pyvista', 'scipy', 'SimpleITK', 'pydicom', 'numba', 'cv2', 'nibabel'} & set(sys.modules); "
        "sys.exit(' '.join(sorted(slow)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


CHILD = """
import os, sys
os.environ["QT_SCALE_FACTOR"] = sys.argv[1]
from PySide6.QtWidgets import QApplication
app = QApplication([])
from dataclasses import replace
from tests.viewer.patient import patient
from viewer.linked import ViewGrid
from viewer.surfaces import surfaces
scene = patient()
grid = ViewGrid(); grid.resize(600, 500); grid.show()
grid.set_scene(replace(scene, surfaces=surfaces(scene.anatomy)))
app.processEvents()
grid.grab().toImage().save(sys.argv[2])
grid.close()
"""


def test_at_twice_the_resolution_everything_is_where_it_was_but_finer(tmp_path):
    from PySide6.QtGui import QImage

    images = {}
    for factor in ("1", "2"):
        path = tmp_path / f"{factor}.png"
        done = subprocess.run([sys.executable, "-c", CHILD, factor, str(path)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        images[factor] = rgb(QImage(str(path))).astype(float)
    assert images["2"].shape[:2] == (1000, 1200) and images["1"].shape[:2] == (500, 600)
    coarse = images["2"].reshape(500, 2, 600, 2, 3).mean(axis=(1, 3))
    assert np.abs(coarse - images["1"]).mean() < 9
    for half in (slice(0, 300), slice(300, 600)):  # every view fills its place in both
        assert coarse[:, half].std() == pytest.approx(images["1"][:, half].std(), rel=0.15)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("thoracolumbar-ct-labelled", "ct.nii.gz"),
        ("lumbar-ct-labelled-3mm", "ct.nii.gz"),
        ("cervical-mr", "t2-axial-thick.nii.gz"),
        ("cervical-mr", "gre-mt-axial.nii.gz"),
    ],
)
def test_real_scans_are_shown_in_their_own_proportions(qapp, name, file):
    from planner.geometry import Volume, read_nifti

    path = real(name) / file
    found = read_nifti(path)
    volume = Volume(found.frame, found.voxels, modality="MR" if "mr" in name else "CT").to_axial()
    depth, height, width = np.array(volume.frame.shape) * volume.frame.spacing_mm
    middle = volume.frame.centre_mm
    for plane, (across, down) in {"axial": (width, height), "sagittal": (height, depth), "coronal": (width, depth)}.items():
        black = Volume(volume.frame, np.full(volume.frame.shape, 3000, dtype=np.int16))
        size = (260, 240)
        image = rgb(slice_picture(Scene(black), plane, middle, size, ratio=1.0, window=Window(0, 100)))
        lit = (image > 250).all(axis=2)
        scale = min(size[0] / (across - volume.frame.spacing_mm[0]), size[1] / (down - volume.frame.spacing_mm[0]))
        expected = min(size[0], across * scale), min(size[1], down * scale)
        assert lit.any(axis=0).sum() == pytest.approx(expected[0], abs=0.12 * size[0])
        assert lit.any(axis=1).sum() == pytest.approx(expected[1], abs=0.12 * size[1])
        assert rgb(slice_picture(Scene(volume), plane, middle, size, ratio=1.0)).std() > 8
