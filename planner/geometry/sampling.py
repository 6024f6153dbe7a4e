"""Values between voxels: trilinear and nearest sampling, and resampling from one frame to another."""

from __future__ import annotations

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
    from planner.geometry.kernels import nearest_grid, trilinear_slab

    matrix = np.linalg.inv(source.affine) @ target.affine
    linear, offset = np.ascontiguousarray(matrix[:3, :3]), matrix[:3, 3].copy()
    out = np.empty(target.shape, dtype=voxels.dtype)
    whole = np.issubdtype(voxels.dtype, np.integer)
    if whole:
        limits = np.iinfo(voxels.dtype)
        fill = min(max(round(fill), limits.min), limits.max)
    if nearest:
        nearest_grid(voxels, linear, offset, voxels.dtype.type(fill), out)
        return out
    for k in range(target.shape[0]):
        progress(k / target.shape[0], "Resampling")
        trilinear_slab(voxels, linear, offset + linear[:, 0] * k, voxels.dtype.type(fill), whole, out[k])
    return out
