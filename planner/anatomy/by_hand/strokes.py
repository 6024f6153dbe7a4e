"""The voxels under a stroke of the brush."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.anatomy.by_hand.edits import Stroke
from planner.geometry import Floats, Frame

_THICK_MM = 0.6  # half of a stroke on the canal at least: its cross-sections lie 1 mm apart


def stroke_mask(frame: Frame, edit: Stroke) -> tuple[tuple[slice, slice, slice], NDArray[np.bool_]]:
    """The voxels under a stroke, with the box that holds them; the voxels that its points lie in belong to it however thin it is."""
    points = np.array(edit.points_mm, dtype=np.float64)
    normal = np.zeros(3) if edit.normal is None else np.array(edit.normal, dtype=np.float64)
    half_mm = max(edit.half_mm, _THICK_MM) if edit.structure == "canal" else edit.half_mm
    box = frame.box_around(points, edit.radius_mm)
    mask = np.zeros([max(0, side.stop - side.start) for side in box], dtype=np.bool_)
    low = np.array([side.start for side in box])
    if mask.size:
        _mark(mask, low, np.array(frame.spacing_mm), frame.affine[:3, 3].copy(), points, edit.radius_mm, normal, half_mm + 1e-3)
        index = np.rint(frame.to_index(points)).astype(int) - low
        index = index[((index >= 0) & (index < mask.shape)).all(axis=1)]
        mask[tuple(index.T)] = True
    return box, mask


@njit(cache=True, nogil=True)
def _mark(
    mask: NDArray[np.bool_],
    low: NDArray[np.int64],
    spacing: Floats,
    origin: Floats,
    points: Floats,
    radius: float,
    normal: Floats,
    half: float,
) -> None:
    """Marks what lies within radius of a path in an axial frame; with a normal within half of its slice alone."""
    flat = normal[0] != 0 or normal[1] != 0 or normal[2] != 0
    nk, nj, ni = mask.shape
    for n in range(max(1, points.shape[0] - 1)):
        a, b = points[n], points[min(n + 1, points.shape[0] - 1)]
        along = b - a
        square = along[0] ** 2 + along[1] ** 2 + along[2] ** 2
        k0 = max(0, int((min(a[2], b[2]) - radius - origin[2]) / spacing[0]) - low[0])
        k1 = min(nk, int((max(a[2], b[2]) + radius - origin[2]) / spacing[0]) + 2 - low[0])
        j0 = max(0, int((min(a[1], b[1]) - radius - origin[1]) / spacing[1]) - low[1])
        j1 = min(nj, int((max(a[1], b[1]) + radius - origin[1]) / spacing[1]) + 2 - low[1])
        i0 = max(0, int((min(a[0], b[0]) - radius - origin[0]) / spacing[2]) - low[2])
        i1 = min(ni, int((max(a[0], b[0]) + radius - origin[0]) / spacing[2]) + 2 - low[2])
        for k in range(k0, k1):
            z = origin[2] + spacing[0] * (k + low[0]) - a[2]
            for j in range(j0, j1):
                y = origin[1] + spacing[1] * (j + low[1]) - a[1]
                for i in range(i0, i1):
                    x = origin[0] + spacing[2] * (i + low[2]) - a[0]
                    off = 0.0
                    if flat:
                        off = x * normal[0] + y * normal[1] + z * normal[2]
                        if off > half or off < -half:
                            continue
                    share = 0.0
                    if square > 0:
                        share = min(1.0, max(0.0, (x * along[0] + y * along[1] + z * along[2]) / square))
                    dx, dy, dz = x - share * along[0], y - share * along[1], z - share * along[2]
                    if dx * dx + dy * dy + dz * dz - off * off <= radius * radius:
                        mask[k, j, i] = True
