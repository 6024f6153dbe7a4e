"""Distance fields of the planning box: exact up to a reach, one byte a voxel, quick enough to make when a leak is placed."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

UNIT_MM = 0.25
"""A field counts in quarters of a millimetre (algorithms 4.2)."""
REACH_MM = 15.5
"""Farther than this a field does not tell: a step of this size is long enough to skip empty tissue."""
ORGAN_REACH_MM = 28.0
"""The same for organs, so that what is left beyond their wide limit is as long."""


@njit(cache=True, nogil=True)
def _squares(mask: NDArray[np.bool_], reach: int) -> NDArray[np.int16]:
    """Squared distance in voxels to the nearest voxel of a mask, capped at reach + 1: three passes of minima over a window."""
    nk, nj, ni = mask.shape
    most = np.int16((reach + 1) * (reach + 1))
    rows = np.empty((nk, nj, ni), np.int16)
    for k in range(nk):
        for j in range(nj):
            gap = reach + 1
            for i in range(ni):
                gap = 0 if mask[k, j, i] else min(gap + 1, reach + 1)
                rows[k, j, i] = gap
            gap = reach + 1
            for i in range(ni - 1, -1, -1):
                gap = 0 if mask[k, j, i] else min(gap + 1, reach + 1)
                best = min(gap, rows[k, j, i])
                rows[k, j, i] = best * best
    planes = np.empty((nk, nj, ni), np.int16)
    for k in range(nk):
        for j in range(nj):
            out = planes[k, j]
            out[:] = rows[k, j]
            for step in range(1, reach + 1):
                square = np.int16(step * step)
                for other in (j - step, j + step):
                    if 0 <= other < nj:
                        near = rows[k, other]
                        for i in range(ni):
                            out[i] = min(out[i], np.int16(near[i] + square))
    for j in range(nj):
        for k in range(nk):
            out = rows[k, j]
            out[:] = planes[k, j]
            for step in range(1, reach + 1):
                square = np.int16(step * step)
                for other in (k - step, k + step):
                    if 0 <= other < nk:
                        near = planes[other, j]
                        for i in range(ni):
                            out[i] = min(out[i], np.int16(near[i] + square))
            for i in range(ni):
                rows[k, j, i] = min(rows[k, j, i], most)
    return rows


def coarse_distance_field(mask: NDArray[np.bool_], spacing_mm: float) -> NDArray[np.uint8]:
    """The same from every second voxel, an eighth of the work: for organs, whose limits are many voxels wide."""
    coarse = distance_field(np.ascontiguousarray(mask[::2, ::2, ::2]), 2 * spacing_mm, ORGAN_REACH_MM)
    k, j, i = (np.arange(n) // 2 for n in mask.shape)
    return coarse[k[:, None, None], j[None, :, None], i[None, None, :]]


def distance_field(mask: NDArray[np.bool_], spacing_mm: float, reach_mm: float = REACH_MM) -> NDArray[np.uint8]:
    """Distance from each voxel's centre to the surface of a mask [k, j, i], in UNIT_MM, 0 inside; reach_mm and beyond are one value.

    The surface is taken half a voxel outside the outermost voxel centres.
    """
    reach = int(reach_mm / spacing_mm)
    farthest = round(reach_mm / UNIT_MM)
    field = np.full(mask.shape, farthest, dtype=np.uint8)
    box = _box(mask, reach + 1)
    if box is None:
        return field
    squares = _squares(np.ascontiguousarray(mask[box]), reach)
    table = np.minimum(np.maximum(np.sqrt(np.arange((reach + 1) ** 2 + 1)) * spacing_mm - spacing_mm / 2, 0) / UNIT_MM, farthest)
    table[-1] = farthest
    field[box] = np.floor(table + 1e-6).astype(np.uint8)[squares]
    return field


def _box(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice, slice] | None:
    spans = []
    for axis in range(3):
        found = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        if found.size == 0:
            return None
        spans.append(slice(max(0, int(found[0]) - margin), int(found[-1]) + margin + 1))
    return spans[0], spans[1], spans[2]


def surface(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Indices (n, 3) of the voxels of a mask that have a neighbour outside it; the border of the box counts as inside."""
    box = _box(mask, 1)
    if box is None:
        return np.empty((0, 3), dtype=np.int64)
    mask = mask[box]
    inner = mask.copy()
    for axis in range(3):
        low = [slice(None)] * 3
        high = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        inner[tuple(high)] &= mask[tuple(low)]
        inner[tuple(low)] &= mask[tuple(high)]
    return np.argwhere(mask & ~inner) + [part.start for part in box]
