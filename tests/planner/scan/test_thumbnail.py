"""The picture of a series shows the patient upright, front and right side to the upper left, in whatever order its axes run."""

from itertools import product

import numpy as np
import pytest

from planner.scan import choose, read
from planner.scan.thumbnail import SIDE
from tests.data import real
from tests.planner.scan.writer import Stack, write

PLANES = {
    "axial": ((1, 0, 0), (0, 1, 0), (0, 0, 2)),
    "sagittal": ((0, 1, 0), (0, 0, -1), (2, 0, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1), (0, 2, 0)),
}


def marks(points):
    """Bright where the patient's left, front and head meet; grey elsewhere in a long body."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    body = (np.abs(x) < 30) & (np.abs(y) < 26) & (np.abs(z) < 34)
    left, front, up = (x > 8) | (np.abs(x) < 4), (y < -8) | (np.abs(y) < 4), (z > 8) | (np.abs(z) < 4)
    return np.where(body, np.where(left & front & up, 300, 0), -1000)


@pytest.mark.parametrize("signs", list(product((1, -1), repeat=2)))
@pytest.mark.parametrize("plane", PLANES)
def test_hung_as_a_radiologist_would(tmp_path, plane, signs):
    row, column, step = (np.array(one, float) for one in PLANES[plane])
    stack = Stack(row=tuple(row * signs[0]), column=tuple(column * signs[1]), step=tuple(step), places=tuple(range(9)))
    picture = choose(read(write(tmp_path, stack, function=marks))).thumbnail
    assert picture.dtype == np.uint8 and max(picture.shape) == SIDE
    bright = np.argwhere(picture > 200).mean(axis=0) - np.array(picture.shape) / 2
    down, right = {"axial": (-1, 1), "sagittal": (-1, -1), "coronal": (-1, 1)}[plane]
    assert bright[0] * down > 5 and bright[1] * right > 5


def test_a_localizer_has_a_picture_too(tmp_path):
    refused = read(write(tmp_path, Stack(places=(0.0,)))).series[0]
    assert refused.verdict == "refused" and refused.thumbnail is not None


@pytest.mark.real
def test_every_series_of_the_disc_has_a_picture():
    scan = read(real("gantry-tilt-head-ct"))
    assert all(one.thumbnail is not None for one in scan.series)
