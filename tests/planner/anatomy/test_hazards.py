"""Air in the body: lung, also where a thin wall or the scan's end cuts it, and bowel gas, also where there is much of it."""

from __future__ import annotations

import numpy as np
import pytest

from planner.anatomy.body import body_mask
from planner.anatomy.hazards.air import find_air
from planner.geometry import Frame, Volume

FRAME = Frame.axial((60, 120, 140), (2.0, 2.0, 2.0), (-139.0, -119.0, 0.0))


def trunk(hole_hu: int, wide_mm: float, first: int, last: int, wall_mm: float = 30.0) -> tuple[Volume, np.ndarray]:
    """A trunk of 200 x 160 mm with a hole of these values on the left, `wall_mm` from the skin, in slices first to last."""
    y, x = np.mgrid[0:120, 0:140]
    at_x, at_y = -139.0 + 2 * x, -119.0 + 2 * y
    plane = (np.abs(at_x) < 100.0) & (np.abs(at_y) < 80.0)
    hole = (at_x < 100.0 - wall_mm) & (at_x > 100.0 - wall_mm - wide_mm) & (np.abs(at_y) < 40.0)
    voxels = np.repeat(np.where(plane, 40, -1000)[None], 60, axis=0).astype(np.int16)
    voxels[first:last, hole] = hole_hu
    where = np.zeros(voxels.shape, dtype=np.bool_)
    where[first:last, hole] = True
    return Volume(FRAME, voxels, "CT"), where


@pytest.mark.parametrize(
    ("hole_hu", "wide_mm", "first", "last", "is_lung"),
    [
        (-850, 40.0, 15, 45, True),
        (-980, 40.0, 15, 45, False),
        (-850, 12.0, 50, 60, True),
        (-850, 12.0, 20, 30, False),
    ],
    ids=["lung", "a full colon", "a lung that the scan's end cuts", "a small pocket"],
)
def test_lung_and_gas(hole_hu: int, wide_mm: float, first: int, last: int, is_lung: bool) -> None:
    volume, where = trunk(hole_hu, wide_mm, first, last)
    lung, gas = find_air(volume, body_mask(volume))
    assert bool(lung[where].mean() > 0.9) is is_lung
    assert bool(gas[where].mean() > 0.9) is not is_lung


def test_a_lung_behind_a_thin_wall_of_the_chest_is_inside_the_body() -> None:
    volume, where = trunk(-850, 60.0, 10, 60, wall_mm=10.0)
    body = body_mask(volume)
    assert body[where].mean() > 0.99
    assert find_air(volume, body)[0][where].mean() > 0.95
