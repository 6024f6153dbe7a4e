"""The 1 mm grid around the canal, and where each of its voxels lies: which cross-section, how far left and back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.anatomy.spine import Anatomy
from planner.geometry import Floats, Frame

SPACING_MM = 1.0
SECTION_MM = 2.0
REACH_MM = 230.0
"""Along the canal from a tip: further than 40 mL get in an ordinary canal; the march says when they get to the end."""
SIDE_MM, FRONT_MM = 45.0, 25.0
"""How far the grid goes beyond the centreline, to hold canal, foramina and what lies beyond them."""


class Grid(NamedTuple):
    """The grid and its voxels in the canal's own directions, all [k, j, i].

    frame: 1 mm. within: cross-sections of the canal that it holds. nearest: int32 which of those is nearest, -1 far away. across_mm,
    behind_mm: float32 offsets to the left and to the back. inside: within the canal's wall. section: int32 which 2 mm section, -1 far away.
    sections: how many. s_mm: (sections,) their middles along the canal.
    """

    frame: Frame
    within: NDArray[np.int64]
    nearest: NDArray[np.int32]
    across_mm: NDArray[np.float32]
    behind_mm: NDArray[np.float32]
    inside: NDArray[np.bool_]
    section: NDArray[np.int32]
    sections: int
    s_mm: Floats


def grid_around(anatomy: Anatomy, points_mm: Floats) -> Grid:
    """A 1 mm grid around the canal within reach of the points (m, 3) LPS."""
    canal = anatomy.canal
    frame, within = _frame(anatomy, points_mm)
    nearest, across, behind, inside = _locate(
        frame.affine, frame.shape, canal.centreline_mm[within], canal.left[within], canal.back[within], canal.wall_mm[within], SIDE_MM
    )
    s = canal.s_mm[within] - canal.s_mm[within[0]]
    sections = int(s[-1] / SECTION_MM) + 1
    section = np.where(nearest >= 0, (s[np.maximum(nearest, 0)] / SECTION_MM).astype(np.int32), -1)
    s_mm = canal.s_mm[within[0]] + (np.arange(sections) + 0.5) * SECTION_MM
    return Grid(frame, within, nearest, across, behind, inside, section, sections, s_mm)


def _frame(anatomy: Anatomy, points_mm: Floats) -> tuple[Frame, NDArray[np.int64]]:
    """A 1 mm grid around the canal within reach of the points, and the cross-sections in it."""
    canal = anatomy.canal
    s, at = canal.s_mm, [canal.nearest(point) for point in points_mm]
    within = np.flatnonzero((s >= s[min(at)] - REACH_MM) & (s <= s[max(at)] + REACH_MM))
    line = canal.centreline_mm[within]
    low, high = anatomy.frame.bounds_mm
    margin = np.array([SIDE_MM, FRONT_MM, 2.0])
    low, high = np.maximum(line.min(axis=0) - margin, low), np.minimum(line.max(axis=0) + margin, high)
    shape = np.maximum(np.floor((high - low) / SPACING_MM).astype(int) + 1, 1)
    return Frame.axial(shape[::-1], (SPACING_MM,) * 3, low), within


@njit(cache=True, nogil=True)
def _locate(
    matrix: Floats, shape: tuple[int, int, int], centreline: Floats, left: Floats, back: Floats, wall: Floats, reach_mm: float
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """For every voxel the nearest cross-section (-1 far away), offsets to left and back, and whether it lies inside the wall."""
    nearest = np.full(shape, -1, dtype=np.int32)
    across = np.zeros(shape, dtype=np.float32)
    behind = np.zeros(shape, dtype=np.float32)
    inside = np.zeros(shape, dtype=np.bool_)
    count = len(centreline)
    guess_of_slice = 0
    for k in range(shape[0]):
        guess_of_row = guess_of_slice
        for j in range(shape[1]):
            guess = guess_of_row
            for i in range(shape[2]):
                x = matrix[0, 0] * k + matrix[0, 1] * j + matrix[0, 2] * i + matrix[0, 3]
                y = matrix[1, 0] * k + matrix[1, 1] * j + matrix[1, 2] * i + matrix[1, 3]
                z = matrix[2, 0] * k + matrix[2, 1] * j + matrix[2, 2] * i + matrix[2, 3]
                first, last = guess - 3, guess + 3
                if j == 0 and i == 0:
                    first, last = 0, count
                best, least = guess, np.inf
                for c in range(max(first, 0), min(last + 1, count)):
                    d = (x - centreline[c, 0]) ** 2 + (y - centreline[c, 1]) ** 2 + (z - centreline[c, 2]) ** 2
                    if d < least:
                        best, least = c, d
                guess = best
                if i == 0:
                    guess_of_row = best
                    if j == 0:
                        guess_of_slice = best
                if least > reach_mm * reach_mm:
                    continue
                dx, dy, dz = x - centreline[best, 0], y - centreline[best, 1], z - centreline[best, 2]
                u = dx * left[best, 0] + dy * left[best, 1] + dz * left[best, 2]
                v = dx * back[best, 0] + dy * back[best, 1] + dz * back[best, 2]
                nearest[k, j, i] = best
                across[k, j, i] = u
                behind[k, j, i] = v
                off = least - u * u - v * v
                if off < 4.0:
                    turn = np.arctan2(v, u) / (2 * np.pi) * wall.shape[1]
                    low = int(np.floor(turn))
                    share = turn - low
                    radius = wall[best, low % wall.shape[1]] * (1 - share) + wall[best, (low + 1) % wall.shape[1]] * share
                    inside[k, j, i] = u * u + v * v <= radius * radius
    return nearest, across, behind, inside
