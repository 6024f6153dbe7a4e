"""The grey picture against plain reckoning: every voxel lands where its millimetres say, in every spacing."""

from dataclasses import replace

import numpy as np
import pytest

from planner.geometry import Frame, Volume
from tests.viewer.conftest import rgb
from tests.viewer.patient import sphere
from viewer.grey import GreyPicture, stretch, value_at
from viewer.pose import PLANES, Pose, standard_plane
from viewer.windows import Window, auto_window, first_window, preset, presets


def picture(scene_volume, pose, window, **options):
    return rgb(GreyPicture().image(scene_volume, pose, window, **options))[:, :, 0].astype(int)


@pytest.mark.parametrize("name", PLANES)
def test_linear_pictures_equal_the_planners_own_trilinear_sampling(name):
    rng = np.random.default_rng(8)
    volume = Volume(Frame.axial((12, 14, 16), (2.5, 0.8, 1.1), (-8, -5, -12)), rng.integers(-200, 900, (12, 14, 16)).astype(np.int16))
    pose = Pose(standard_plane(name), (0.0, 0.0), 0.0, 6.0, 150, 130).at((0.4, 0.3, 2.0), volume.frame)
    shown = picture(volume, pose, Window(300, 1400), fine=False)
    points = np.array([[pose.to_world(x + 0.5, y + 0.5) for x in range(150)] for y in range(130)])
    expected = np.clip((volume.sample(points) - (300 - 700)) / 1400 * 255, 0, 255)
    expected = np.where(np.isnan(expected), 0, expected)
    assert np.abs(shown - expected).max() <= 1.01


def test_an_oblique_picture_equals_trilinear_sampling_too():
    rng = np.random.default_rng(9)
    volume = Volume(Frame.axial((12, 14, 16), (2.5, 0.8, 1.1), (-8, -5, -12)), rng.integers(-200, 900, (12, 14, 16)).astype(np.int16))
    plane = standard_plane("axial").turned((1, 0.3, 0), 35)
    pose = Pose(plane, (0.0, 0.0), 0.0, 6.0, 150, 130).at((0.4, 0.3, 2.0))
    shown = picture(volume, pose, Window(300, 1400), fine=True)
    points = np.array([[pose.to_world(x + 0.5, y + 0.5) for x in range(150)] for y in range(130)])
    expected = np.nan_to_num(np.clip((volume.sample(points) + 400) / 1400 * 255, 0, 255))
    assert np.abs(shown - expected).max() <= 1.01


@pytest.mark.parametrize("spacing", [(1, 1, 1), (3.0, 0.7, 0.7), (5.0, 0.5, 0.9), (0.6, 1.0, 1.4)])
@pytest.mark.parametrize("name", PLANES)
@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
def test_a_ball_stays_round_and_of_its_size(spacing, name, ratio):
    volume = sphere(spacing).volume
    pose = Pose(standard_plane(name), (0.0, 0.0), 0.0, 3.0, 240, 240).at((0, 0, 0), volume.frame)
    shown = picture(volume, pose, Window(1000, 100), ratio=ratio)
    assert shown.shape == (240 * ratio, 240 * ratio)
    lit = shown > 127
    wide, high = lit.any(axis=0).sum() / ratio, lit.any(axis=1).sum() / ratio
    blur = 3.0 * max(spacing)  # a voxel's width
    assert wide == pytest.approx(180, abs=blur) and high == pytest.approx(180, abs=blur)
    rows, columns = np.nonzero(lit)
    assert (rows.mean() + 0.5) / ratio == pytest.approx(120, abs=2) and (columns.mean() + 0.5) / ratio == pytest.approx(120, abs=2)


def test_small_pictures_skip_no_voxel():
    voxels = np.zeros((1, 400, 400), dtype=np.int16)
    voxels[0, :, 201] = 1000  # a line as thin as a needle
    volume = Volume(Frame.axial(voxels.shape, (1, 1, 1), (0, 0, 0)), voxels)
    pose = Pose(standard_plane("axial"), (200, 200), 0.0, 0.25, 100, 100).at((0, 0, 0), volume.frame)
    assert picture(volume, pose, Window(100, 200)).max(axis=1).min() > 60


def test_rescale_is_folded_into_the_window():
    voxels = np.arange(27, dtype=np.uint16).reshape(3, 3, 3) * 100
    frame = Frame.axial((3, 3, 3), (10, 10, 10), (-10, -10, -10))
    raw = Volume(frame, voxels, slope=2.0, intercept=-1024.0)
    same = Volume(frame, (voxels.astype(np.float32) * 2 - 1024).astype(np.float32))
    pose = Pose(standard_plane("axial"), (0, 0), 0.0, 2.0, 60, 60)
    assert np.abs(picture(raw, pose, Window(800, 3000)) - picture(same, pose, Window(800, 3000))).max() <= 1
    assert value_at(raw, (0, 0, 0)) == 13 * 200 - 1024
    assert value_at(raw, (0, 0, 16)) is None
    smaller = raw.frame.crop((1, 1, 1), raw.frame.shape)
    assert value_at(replace(raw, field=smaller), raw.frame.to_world((0, 0, 0))) is None  # no slice was there
    assert value_at(replace(raw, field=smaller), raw.frame.to_world((1, 1, 1))) is not None


@pytest.mark.parametrize("fine", [True, False])
def test_weights_share_out_one(fine):
    _, first, weight = stretch(-3.0, 0.37, 200, 40, fine)
    assert weight.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert first.min() >= 0 and (first + weight.shape[1]).max() <= 40


def test_one_voxel_thick_scans_are_shown():
    volume = Volume(Frame.axial((1, 2, 2), (5, 5, 5), (0, 0, 0)), np.full((1, 2, 2), 100, dtype=np.int16))
    for name in PLANES:
        pose = Pose(standard_plane(name), (0, 0), 0.0, 10.0, 60, 60)
        for fine in (True, False):
            assert picture(volume, pose, Window(50, 100), fine=fine).max() == 255


def test_presets_are_data_with_a_key_each():
    assert [one.id for one in presets()] == ["bone", "soft tissue", "myelogram", "mr", "lung"]
    assert len({one.key for one in presets()}) == len(presets())
    volume = sphere((2, 2, 2)).volume
    assert preset("soft tissue").window(volume).width < preset("bone").window(volume).width == first_window(volume).width


def test_the_auto_window_leaves_out_air_and_padding():
    voxels = np.full((4, 20, 20), -1000, dtype=np.int16)
    voxels[:, 5:15, 5:15] = np.linspace(0, 500, 400).reshape(4, 10, 10).astype(np.int16)
    volume = Volume(Frame.axial(voxels.shape, (1, 1, 1), (0, 0, 0)), voxels, padding=-2000)
    window = auto_window(volume)
    assert window.centre == pytest.approx(250, abs=15) and window.width == pytest.approx(490, abs=25)
    flat = Volume(volume.frame, np.zeros_like(voxels))
    assert auto_window(flat).width > 0
