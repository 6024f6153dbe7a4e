"""Foramina between the pedicles."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.levels import Column
from planner.anatomy.norms import at_level
from planner.anatomy.spine import ANGLES, Canal, Foramen, Level, Side
from planner.geometry import Floats, Volume

_LEAN = 0.35  # an axis leans to the front or back by no more than this share of a pedicle's width


def find_foramina(volume: Volume, threshold: float, canal: Canal, column: Column, levels: tuple[Level, ...]) -> tuple[Foramen, ...]:
    """The two foramina of every pair of neighbours whose place lies in the scan (algorithms 2.2).

    threshold: where bone begins. Height: between the pedicles, along the canal. Width: free of bone front to back in the pedicles' plane.
    """
    found = []
    s = canal.s_mm
    for upper, lower in itertools.pairwise(levels):
        if upper.name[0] == "S":
            continue
        inside = np.flatnonzero((s >= upper.s_mm - 4.0) & (s <= lower.s_mm - 4.0))
        if len(inside) < 6:
            continue
        sides: tuple[tuple[int, Side, float], ...] = ((0, "left", 1.0), (1, "right", -1.0))
        for column_side, side, sign in sides:
            open_here = ndimage.gaussian_filter1d(column.openness[inside, column_side], 1.5, mode="nearest")
            peak = float(open_here.max())
            parts, count = ndimage.label(open_here > 0.25 * max(peak, 0.3))
            if count:
                sums = ndimage.sum_labels(open_here, parts, np.arange(1, count + 1))
                run = inside[parts == 1 + int(np.argmax(sums))]
                sure = float(np.clip(peak / 0.6, 0.2, 1.0)) * min(upper.confidence, lower.confidence)
            else:
                middle = int(np.abs(s - (0.55 * upper.s_mm + 0.45 * lower.s_mm)).argmin())
                run, sure = np.array([middle]), 0.2
            at = int(run[len(run) // 2])
            foramen = _foramen_at(volume, threshold, canal, at, len(run), sign, upper.name, lower.name, side, sure)
            if foramen is not None:
                found.append(foramen)
    return tuple(found)


def _foramen_at(
    volume: Volume, threshold: float, canal: Canal, at: int, height: int, sign: float, upper: str, lower: str, side: Side, sure: float
) -> Foramen | None:
    wall = float(canal.wall_mm[at, 0 if sign > 0 else ANGLES // 2])
    across = at_level("pedicle_width_mm", upper)
    v = np.arange(-16.0, 16.1, 0.5)
    middles, widths, points = [], [], []
    for beside in (0.25 * across, 0.5 * across, across + 3.0):
        line = canal.centreline_mm[at] + sign * (wall + beside) * canal.left[at] + v[:, None] * canal.back[at]
        values = volume.sample(line)
        free = np.nan_to_num(values, nan=threshold) < threshold
        low, high = _free_run(free, v)
        middles.append((low + high) / 2)
        widths.append(high - low)
        points.append(canal.centreline_mm[at] + sign * (wall + beside) * canal.left[at] + middles[-1] * canal.back[at])
    if not volume.frame.contains(points[-1]):
        return None
    axis = points[2] - points[0]
    lean = float(axis @ canal.back[at])
    axis += (np.clip(lean, -_LEAN * across, _LEAN * across) - lean) * canal.back[at]
    axis /= np.linalg.norm(axis)
    width = float(np.clip(min(widths[:2]), 0.0, 20.0))
    x, y, z = points[1]
    return Foramen(
        (upper, lower), side, (float(x), float(y), float(z)), (float(axis[0]), float(axis[1]), float(axis[2])), float(height), width, sure
    )


def _free_run(free: NDArray[np.bool_], v: Floats) -> tuple[float, float]:
    """The stretch without bone nearest to the canal's middle, cut at 10 mm from it; an empty one where all is bone."""
    if not free.any():
        return 0.0, 0.0
    start = int(np.flatnonzero(free)[np.abs(v[free] + 1.0).argmin()])
    low = high = start
    while low > 0 and free[low - 1] and v[low - 1] > -10.0:
        low -= 1
    while high < len(v) - 1 and free[high + 1] and v[high + 1] < 10.0:
        high += 1
    return float(v[low]), float(v[high])
