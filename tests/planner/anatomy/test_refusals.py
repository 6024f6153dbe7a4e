"""What holds no spine is refused with a reason, and never gives a plausible wrong canal."""

from typing import Literal

import numpy as np
import pytest

from planner import scan
from planner.anatomy import Anchor, find
from planner.anatomy.mr.vertebrae import vertebrae_before
from planner.anatomy.reformat import curve_through
from planner.geometry import Frame, Volume
from planner.phantom import Phantom
from planner.progress import Cancelled
from planner.refusal import Refusal
from tests.bench.anatomy.otherwise import part_of
from tests.data import real
from tests.planner.anatomy.phantoms import phantom
from tests.planner.anatomy.scans import dicom_volume


def _volume(voxels: np.ndarray, spacing: float = 2.0, modality: str = "CT") -> Volume:
    return Volume(Frame.axial(voxels.shape, (spacing,) * 3, (-100.0, -100.0, 0.0)), voxels.astype(np.int16), modality)


def test_noise_is_refused() -> None:
    noise = np.random.default_rng(1).normal(0, 200, (80, 100, 100))
    with pytest.raises(Refusal, match="No spinal canal was found"):
        find(_volume(noise))


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_coarse_noise_is_refused(modality: str) -> None:
    """Everywhere in it something is enclosed by something."""
    noise = np.random.default_rng(0).normal(0, 300, (12, 160, 160))
    with pytest.raises(Refusal, match="No spinal canal was found"):
        find(_volume(noise, 5.0, modality))


def test_water_and_air_are_refused() -> None:
    block = np.full((80, 100, 100), -1000)
    with pytest.raises(Refusal, match="No spinal canal was found"):
        find(_volume(block))
    block[:, 20:80, 20:80] = 0
    with pytest.raises(Refusal, match="No spinal canal was found"):
        find(_volume(block))


def test_an_ankle_is_refused() -> None:
    """Two solid bones side by side, cortex and marrow, in soft tissue."""
    k, j, i = np.mgrid[0:80, 0:100, 0:100]
    ankle = np.full((80, 100, 100), -1000)
    ankle[np.hypot(j - 50, i - 50) < 40] = 40
    for row, column, radius in ((45, 40, 14), (55, 68, 7)):
        away = np.hypot(j - row, i - column)
        ankle[away < radius] = 900
        ankle[away < radius - 3] = 60
    with pytest.raises(Refusal, match="No spinal canal was found"):
        find(_volume(ankle + 0 * k, 1.5))


def _pipe(of_bone: float, of_water: float, around: float) -> np.ndarray:
    """As wide as a canal, in the midst of something."""
    _, j, i = np.mgrid[0:60, 0:100, 0:100]
    away = np.hypot(j - 50, i - 50)
    return np.select([away < 7, away < 10, away < 42], [of_water, of_bone, around], -1000.0)


@pytest.mark.parametrize("around", [0.0, -100.0, 50.0])
def test_a_pipe_is_refused(around: float) -> None:
    """A vessel of chalk, a bone of a limb, a tube in a bath: bone encloses them all around."""
    with pytest.raises(Refusal, match="no vertebral bodies lie in front"):
        find(_volume(_pipe(600.0, 0.0, around), 1.5))


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_groove_in_bone_is_refused(side: str) -> None:
    """Bone before it, behind it and on one side, as in the wing of a hip bone; a canal has pedicles on both."""
    _, j, i = np.mgrid[0:60, 0:110, 0:110]
    bone = ((j > 30) & (j <= 66) & (i > 40) & (i < 72)) & ~((j > 52) & (j < 63) & (i > 46))
    groove = np.select([bone, np.hypot(j - 55, i - 55) < 46], [700.0, 40.0], -1000.0)
    with pytest.raises(Refusal, match=f"open all along its {side}, where pedicles close a canal"):
        find(_volume(groove if side == "left" else groove[:, :, ::-1], 1.5))


@pytest.mark.parametrize("marrow", [500.0, 900.0])
def test_legs_in_mr_are_refused(marrow: float) -> None:
    """Bright marrow in a dark ring of bone, and a rim of fat, which are bright tubes too."""
    _, j, i = np.mgrid[0:100, 0:100, 0:100]
    away = np.hypot(j - 50, i - 50)
    leg = np.select([away < 7.5, away < 11, away < 36, away < 42], [marrow, 20.0, 120.0, 500.0], 8.0)
    noise = np.random.default_rng(5).normal(0, 15, leg.shape)
    with pytest.raises(Refusal, match="No spinal canal was found"):
        find(_volume(np.abs(leg + noise), 1.5, "MR"))


def test_two_slices_are_refused() -> None:
    with pytest.raises(Refusal, match="30 mm"):
        find(_volume(np.zeros((2, 100, 100))))


def test_a_few_columns_are_refused_for_what_they_are() -> None:
    with pytest.raises(Refusal, match="100 x 100 x 4 voxels, 8 in each direction"):
        find(_volume(np.zeros((100, 100, 4))))


def test_mr_without_a_bright_tube_is_refused() -> None:
    with pytest.raises(Refusal, match="No spinal canal was found"):
        find(_volume(np.random.default_rng(2).integers(0, 200, (80, 100, 60)), modality="MR"))


def test_an_anchor_beside_the_spine_is_refused() -> None:
    with pytest.raises(Refusal, match=r"no vertebra .*where L3"):
        find(phantom().volume, Anchor("L3", (140.0, 0.0, -200.0), "user"))


def test_finding_can_be_cancelled() -> None:
    def stop(share: float, what: str) -> None:
        if share > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        find(phantom().volume, progress=stop)


@pytest.mark.real
@pytest.mark.parametrize("folder", ["ge-uneven", "philips-cd/S21610/S2010", "philips-cd/S21610/S3010"])
def test_a_head_is_refused(folder: str) -> None:
    with pytest.raises(Refusal, match="No spinal canal was found"):
        find(dicom_volume(real("gantry-tilt-head-ct") / folder))


def _before_the_canal(one: Phantom, by_voxels: int) -> Volume:
    front = min(float(one.volume.frame.to_index(point)[1]) for point in one.truth.centreline)
    shape = (one.volume.frame.shape[0], int(front) - by_voxels, one.volume.frame.shape[2])
    return Volume(one.volume.frame.crop((0, 0, 0), shape), np.ascontiguousarray(one.volume.voxels[:, : shape[1]]), "MR")


def test_a_t1_that_ends_in_front_of_the_canal_is_refused() -> None:
    """Vessels and bodies are left, with dark tubes amid fat that are wider than any canal."""
    with pytest.raises(Refusal, match="mm2 in the median, a canal 150 to 480 mm2"):
        find(_before_the_canal(phantom("mr-t1"), 7))


@pytest.mark.parametrize("by_voxels", [7, 14])
def test_a_t2_that_ends_in_front_of_the_canal_is_refused(by_voxels: int) -> None:
    """A tube in the belly is left, as wide as a canal."""
    with pytest.raises(Refusal, match="No spinal canal was found"):
        find(_before_the_canal(phantom("mr"), by_voxels))


@pytest.mark.parametrize("modality", ["mr", "mr-t1"])
def test_vertebrae_are_seen_before_the_canal_and_not_in_the_belly(modality: Literal["mr", "mr-t1"]) -> None:
    one = phantom(modality)
    line = np.array(one.truth.as_json()["canal"]["centreline"])
    for ahead_mm, least, most in ((0.0, 0.6, 1.1), (45.0, -0.2, 0.4), (60.0, -0.2, 0.4)):
        curve = curve_through(line - [0.0, ahead_mm, 0.0], 6.0)
        alike = vertebrae_before(one.volume, curve, np.full(len(curve.points_mm), 8.0))
        assert alike is not None
        assert least < alike < most


@pytest.mark.real
def test_half_of_a_vertebra_whose_side_is_not_in_view_is_refused() -> None:
    """The lower half of the small block around L3: the path runs beside the canal, and over half of its wall would be bridged."""
    block = scan.load(scan.choose(scan.read(real("vertebra-ct-mr-crops/sub-ct_label-22_ct.nii.gz"))))
    with pytest.raises(Refusal, match="open all along its left"):
        find(part_of(block, 0.0, 0.5))
