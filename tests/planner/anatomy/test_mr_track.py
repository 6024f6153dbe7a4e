"""The bright tube of an MR: followed near the middle of the trunk, wherever the trunk lies in the field, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from planner.anatomy.mr.t1 import T1_ENDS
from planner.anatomy.mr.track import track
from planner.geometry import Floats, Frame, Volume
from planner.refusal import Refusal

_FRAME = Frame.axial((60, 110, 140), (2.0, 2.0, 3.0), (0.0, 0.0, 0.0))
_BACK_MM, _DEEP_MM = 200.0, 55.0


def _places() -> tuple[Floats, Floats, Floats]:
    """x, y and z of every voxel."""
    index = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float64) for n in _FRAME.shape), indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(_FRAME.to_world(index), -1, 0)
    return x, y, z


def _trunk(middle_mm: float) -> NDArray[np.bool_]:
    x, y, _ = _places()
    return (np.abs(x - middle_mm) < 150.0) & (y > 20.0) & (y < _BACK_MM)


def _with_tube(even: NDArray[np.float32], x_mm: Floats | float, bright: float) -> None:
    """A round tube 16 mm wide with a dark rim, in place."""
    x, y, _ = _places()
    away = np.hypot(x - x_mm, y - (_BACK_MM - _DEEP_MM))
    even[away < 12.0] = 0.2
    even[away < 8.0] = bright


def _tissue(body: NDArray[np.bool_]) -> NDArray[np.float32]:
    grain = np.random.default_rng(4).normal(1.0, 0.05, body.shape)
    return np.where(body, grain, 0.0).astype(np.float32)


@pytest.mark.parametrize("middle_mm", [160.0, 210.0, 255.0])
def test_the_tube_in_the_middle_is_followed_past_a_brighter_one_in_the_flank(middle_mm: float) -> None:
    """It leans by 20 mm to both sides of the trunk's middle; the field cuts the trunk where that lies beside the field's own."""
    body, (_, _, z) = _trunk(middle_mm), _places()
    even = _tissue(body)
    bend = middle_mm + 20.0 * np.cos(np.pi * z / z.max())
    _with_tube(even, bend, 2.5)
    _with_tube(even, middle_mm + (100.0 if middle_mm < 210.0 else -100.0), 3.5)
    before = even.copy()
    path, clarity = track(Volume(_FRAME, even, "MR"), body)
    assert len(path) == _FRAME.shape[0]
    assert np.all(np.diff(path[:, 2]) < 0)
    assert np.abs(path[:, 0] - (middle_mm + 20.0 * np.cos(np.pi * path[:, 2] / z.max()))).max() < 8.0
    assert np.abs(path[:, 1] - (_BACK_MM - _DEEP_MM)).max() < 5.0
    assert clarity > 0.5
    assert np.array_equal(even, before)


@pytest.mark.parametrize("aside_mm", [90.0, -110.0])
def test_a_tube_in_the_flank_alone_is_no_spine(aside_mm: float) -> None:
    body = _trunk(210.0)
    even = _tissue(body)
    _with_tube(even, 210.0 + aside_mm, 3.5)
    with pytest.raises(Refusal, match="No spinal canal was found"):
        track(Volume(_FRAME, even, "MR"), body, T1_ENDS)


def test_a_scan_without_a_body_has_no_tube() -> None:
    with pytest.raises(Refusal, match="No spinal canal was found"):
        track(Volume(_FRAME, np.zeros(_FRAME.shape, dtype=np.float32), "MR"), np.zeros(_FRAME.shape, dtype=np.bool_))
