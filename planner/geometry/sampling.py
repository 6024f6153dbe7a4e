"""Values between voxels: trilinear and nearest sampling, and resampling from one frame to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.geometry.frame import Floats, Frame
from planner.progress import Progress, silent


def trilinear(voxels: NDArray[Any], index: Floats) -> Floats:
    """Values at fractional indices (n, 3) of [k, j, i]; NaN more than half a voxel outside."""
    from planner.geometry.kernels import trilinear_points

    out = np.empty(len(index))
    trilinear_points(voxels, np.ascontiguousarray(index, dtype=np.float64), out)
    return out


def resample(
    voxels: NDArray[Any], source: Frame, target: Frame, fill: float, nearest: bool = False, progress: Progress = silent
) -> NDArray[Any]:
    """Voxels of `source` on the grid of `target`, in their own type; `fill` outside.

    Trilinear for images, nearest for labels. Memory stays that of the result.
    A fill that the type cannot hold becomes the nearest that it can.
    """
    from planner.geometry.kernels import nearest_grid

    out = np.empty(target.shape, dtype=voxels.dtype)
    if nearest:
        nearest_grid(voxels, *_index_map(source, target), _held(fill, voxels.dtype), out)
        return out
    sample = plane_sampler(voxels, source, target, fill)
    for k in range(target.shape[0]):
        progress(k / target.shape[0], "Resampling")
        sample(k, out[k])
    return out


def plane_sampler(voxels: NDArray[Any], source: Frame, target: Frame, fill: float) -> Callable[[int, NDArray[Any]], None]:
    """What samples one plane of `target`, trilinear: a function of its number and of where its values go, (rows, columns) as `voxels`."""
    from planner.geometry.kernels import trilinear_slab

    linear, offset = _index_map(source, target)
    held, whole = _held(fill, voxels.dtype), np.issubdtype(voxels.dtype, np.integer)

    def sample(k: int, out: NDArray[Any]) -> None:
        trilinear_slab(voxels, linear, offset + linear[:, 0] * k, held, whole, out)

    return sample


def _index_map(source: Frame, target: Frame) -> tuple[Floats, Floats]:
    """Matrix and offset from an index of `target` to one of `source`."""
    matrix = np.linalg.inv(source.affine) @ target.affine
    return np.ascontiguousarray(matrix[:3, :3]), matrix[:3, 3].copy()


def _held(value: float, kind: np.dtype[Any]) -> Any:
    """A value as a type holds it."""
    if np.issubdtype(kind, np.integer):
        limits = np.iinfo(kind)
        value = min(max(round(value), limits.min), limits.max)
    return kind.type(value)
