"""What holds no spine is refused with a reason, and never gives a plausible wrong canal."""

import numpy as np
import pytest

from planner.anatomy import Anchor, find
from planner.geometry import Frame, Volume
from planner.progress import Cancelled
from planner.refusal import Refusal
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


def test_two_slices_are_refused() -> None:
    with pytest.raises(Refusal, match="30 mm"):
        find(_volume(np.zeros((2, 100, 100))))


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


def test_a_t1_that_ends_in_front_of_the_canal_is_refused() -> None:
    """Vessels and bodies are left, with dark tubes amid fat that are wider than any canal."""
    one = phantom("mr-t1")
    front = min(float(one.volume.frame.to_index(point)[1]) for point in one.truth.centreline)
    shape = (one.volume.frame.shape[0], int(front) - 7, one.volume.frame.shape[2])
    cut = Volume(one.volume.frame.crop((0, 0, 0), shape), np.ascontiguousarray(one.volume.voxels[:, : shape[1]]), "MR")
    with pytest.raises(Refusal, match="mm2 in the median, a canal 150 to 480 mm2"):
        find(cut)
