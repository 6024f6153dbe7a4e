"""Foramina between the pedicles and windows between the laminae."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.levels import Column
from planner.anatomy.norms import at_level
from planner.anatomy.spine import ANGLES, Canal, Foramen, Level, Side, Window
from planner.geometry import Floats, Volume

_TILTS_DEG = np.arange(-10, 61, 5)
_BEAM_MM = np.arange(1.0, 12.1, 1.0)  # bone this far behind the canal closes a window
_LEAN = 0.35  # an axis leans to the front or back by no more than this share of a pedicle's width
_LATERAL_MM = np.arange(-15.0, 15.1, 1.0)


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


def find_windows(volume: Volume, threshold: float, canal: Canal, levels: tuple[Level, ...]) -> tuple[Window, ...]:
    """The gap between the laminae of each pair of neighbours, at the beam that sees it widest (algorithms 2.3). Closed ones are left out.

    A tilt of a degrees goes a degrees to the head on its way in. Height along the canal, width across, in the plane of the back wall.
    """
    found = []
    s = canal.s_mm
    for upper, lower in itertools.pairwise(levels):
        if upper.name[0] == "S":
            continue
        reach = 0.25 * (lower.s_mm - upper.s_mm)
        rows = np.flatnonzero((s >= upper.s_mm) & (s <= lower.s_mm + reach))
        if len(rows) < 8:
            continue
        best: tuple[float, float, NDArray[np.bool_]] | None = None
        blocked = _blocked(volume, threshold, canal, rows)
        for tilt_deg, mask in zip(_TILTS_DEG, blocked):
            free = np.pad(~mask, 1)
            free[:, [0, 1, -2, -1]] = False
            circle = cv2.distanceTransform(free.astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
            circle = circle - 0.03 * np.abs(_LATERAL_MM)
            radius = float(circle.max()) - 0.02 * abs(float(tilt_deg))
            if best is None or radius > best[0]:
                best = radius, float(tilt_deg), circle
        if best is None or best[0] < 1.0:
            continue
        _, tilt, circle = best
        row, across = divmod(int(circle.argmax()), circle.shape[1])
        free = ~blocked[int(np.flatnonzero(tilt == _TILTS_DEG)[0])]
        height = _extent(free[:, across], int(row))
        width = _extent(free[row], int(across))
        at = int(rows[row])
        u = float(_LATERAL_MM[across])
        point = canal.centreline_mm[at] + u * canal.left[at] + (_back_of(canal, at, u) + 1.0) * canal.back[at]
        sure = 0.9 * min(upper.confidence, lower.confidence) * (0.5 if max(volume.frame.spacing_mm) > 2.0 else 1.0)
        centre = (float(point[0]), float(point[1]), float(point[2]))
        found.append(Window((upper.name, lower.name), centre, float(height), float(width), tilt, float(sure)))
    return tuple(found)


def _back_of(canal: Canal, at: int, u_mm: float) -> float:
    """Distance to the back wall at a distance to the left of the middle."""
    angles = np.arange(ANGLES) * 2 * np.pi / ANGLES
    behind = slice(1, ANGLES // 2)
    x = canal.wall_mm[at, behind] * np.cos(angles[behind])
    y = canal.wall_mm[at, behind] * np.sin(angles[behind])
    order = np.argsort(x)
    return float(np.interp(u_mm, x[order], y[order]))


def _blocked(volume: Volume, threshold: float, canal: Canal, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(tilts, rows, lateral): bone behind the back wall along a beam of each tilt."""
    back = np.array([[_back_of(canal, int(at), u) for u in _LATERAL_MM] for at in rows])
    feet = np.cross(canal.left[rows], canal.back[rows])
    feet = np.where(feet[:, 2:] > 0, -feet, feet)
    start = canal.centreline_mm[rows][:, None] + _LATERAL_MM[:, None] * canal.left[rows][:, None]
    start = start + back[..., None] * canal.back[rows][:, None]
    out = []
    for tilt in np.radians(_TILTS_DEG):
        beam = np.cos(tilt) * canal.back[rows] + np.sin(tilt) * feet
        points = start[:, :, None] + _BEAM_MM[:, None] * beam[:, None, None]
        values = volume.sample(points)
        out.append((np.nan_to_num(values, nan=0.0) > threshold).any(axis=2))
    return np.array(out)


def _extent(free: NDArray[np.bool_], at: int) -> int:
    """Length of the free run through `at`."""
    low = high = at
    while low > 0 and free[low - 1]:
        low -= 1
    while high < len(free) - 1 and free[high + 1]:
        high += 1
    return high - low + 1
