"""The compiled inner loops of sampling. Apart, so that importing the geometry does not import numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.geometry.frame import Floats


@njit(cache=True, nogil=True)
def _inside(voxels: NDArray[Any], k: float, j: float, i: float) -> bool:
    """Whether a fractional index lies no more than half a voxel outside."""
    nk, nj, ni = voxels.shape
    return -0.5 <= k <= nk - 0.5 and -0.5 <= j <= nj - 0.5 and -0.5 <= i <= ni - 0.5


@njit(cache=True, nogil=True)
def _trilinear(voxels: NDArray[Any], k: float, j: float, i: float) -> float:
    """The value at a fractional index; that of the border up to half a voxel outside it."""
    nk, nj, ni = voxels.shape
    k, j, i = min(max(k, 0.0), nk - 1.0), min(max(j, 0.0), nj - 1.0), min(max(i, 0.0), ni - 1.0)
    k0, j0, i0 = min(int(k), max(nk - 2, 0)), min(int(j), max(nj - 2, 0)), min(int(i), max(ni - 2, 0))
    k1, j1, i1 = min(k0 + 1, nk - 1), min(j0 + 1, nj - 1), min(i0 + 1, ni - 1)
    fk, fj, fi = k - k0, j - j0, i - i0
    a = voxels[k0, j0, i0] * (1 - fi) + voxels[k0, j0, i1] * fi
    b = voxels[k0, j1, i0] * (1 - fi) + voxels[k0, j1, i1] * fi
    c = voxels[k1, j0, i0] * (1 - fi) + voxels[k1, j0, i1] * fi
    d = voxels[k1, j1, i0] * (1 - fi) + voxels[k1, j1, i1] * fi
    return (a * (1 - fj) + b * fj) * (1 - fk) + (c * (1 - fj) + d * fj) * fk


@njit(cache=True, nogil=True)
def trilinear_points(voxels: NDArray[Any], index: Floats, out: Floats) -> None:
    for n in range(index.shape[0]):
        k, j, i = index[n, 0], index[n, 1], index[n, 2]
        out[n] = _trilinear(voxels, k, j, i) if _inside(voxels, k, j, i) else np.nan


@njit(cache=True, nogil=True)
def trilinear_planes(
    voxels: NDArray[Any], origin: Floats, across: Floats, down: Floats, u: Floats, v: Floats, fill: float, out: Floats
) -> None:
    for n in range(u.shape[0]):
        for m in range(u.shape[1]):
            k = origin[n, 0] + u[n, m] * across[n, 0] + v[n, m] * down[n, 0]
            j = origin[n, 1] + u[n, m] * across[n, 1] + v[n, m] * down[n, 1]
            i = origin[n, 2] + u[n, m] * across[n, 2] + v[n, m] * down[n, 2]
            out[n, m] = _trilinear(voxels, k, j, i) if _inside(voxels, k, j, i) else fill


@njit(cache=True, nogil=True)
def nearest_grid(voxels: NDArray[Any], matrix: Floats, offset: Floats, fill: float, out: NDArray[Any]) -> None:
    nk, nj, ni = voxels.shape
    for a in range(out.shape[0]):
        for b in range(out.shape[1]):
            for c in range(out.shape[2]):
                k = int(np.floor(matrix[0, 0] * a + matrix[0, 1] * b + matrix[0, 2] * c + offset[0] + 0.5))
                j = int(np.floor(matrix[1, 0] * a + matrix[1, 1] * b + matrix[1, 2] * c + offset[1] + 0.5))
                i = int(np.floor(matrix[2, 0] * a + matrix[2, 1] * b + matrix[2, 2] * c + offset[2] + 0.5))
                if 0 <= k < nk and 0 <= j < nj and 0 <= i < ni:
                    out[a, b, c] = voxels[k, j, i]
                else:
                    out[a, b, c] = fill


@njit(cache=True, nogil=True)
def trilinear_slab(voxels: NDArray[Any], matrix: Floats, offset: Floats, fill: float, whole: bool, out: NDArray[Any]) -> None:
    for b in range(out.shape[0]):
        for c in range(out.shape[1]):
            k = matrix[0, 1] * b + matrix[0, 2] * c + offset[0]
            j = matrix[1, 1] * b + matrix[1, 2] * c + offset[1]
            i = matrix[2, 1] * b + matrix[2, 2] * c + offset[2]
            if not _inside(voxels, k, j, i):
                out[b, c] = fill
                continue
            value = _trilinear(voxels, k, j, i)
            out[b, c] = np.rint(value) if whole else value
