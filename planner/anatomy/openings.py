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

_IN_THE_NECK, _BELOW = (-5.0, 7.0), (-1.0, 9.5)  # where a foramen lies front to back, and how far around; behind it are the facets
_OPEN = 0.33  # of the widest part of an opening: there its rim begins
_UPPER = 0.2  # how far above its middle, as a share of its height, a foramen is measured again, where bone bounds it in front
_BODY_MM = 12.0  # so far in front of the usual place its width may reach, to the body; its middle lies behind the disc, which hides
_LEAST_SHARE = 0.6  # of the rough height of a foramen: bone nearer than that is a spur or a facet and no pedicle
_STEP_MM = 0.25
_DEPTHS_MM: Floats = np.arange(-16.0, 16.1, _STEP_MM)
_LEAN = 0.35  # an axis leans to the front or back by no more than this share of a pedicle's width


def find_foramina(volume: Volume, threshold: float, canal: Canal, column: Column, levels: tuple[Level, ...]) -> tuple[Foramen, ...]:
    """The two foramina of every pair of neighbours whose place lies in the scan (algorithms 2.2).

    threshold: where bone begins. Height: between the pedicles. Width: free of bone front to back in the pedicles' plane.
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
            parts, count = ndimage.label(open_here > _OPEN * max(peak, 0.3))
            if count:
                sums = ndimage.sum_labels(open_here, parts, np.arange(1, count + 1))
                run = inside[parts == 1 + int(np.argmax(sums))]
                sure = float(np.clip(peak / 0.6, 0.2, 1.0)) * min(upper.confidence, lower.confidence)
            else:
                middle = int(np.abs(s - (0.55 * upper.s_mm + 0.45 * lower.s_mm)).argmin())
                run, sure = np.array([middle]), 0.2
            at, height = _between_pedicles(volume, threshold, canal, int(run[len(run) // 2]), float(len(run)), sign, upper.name)
            foramen = _foramen_at(volume, threshold, canal, at, height, sign, upper.name, lower.name, side, sure)
            if foramen is not None:
                found.append(foramen)
    return tuple(found)


def _foramen_at(
    volume: Volume, threshold: float, canal: Canal, at: int, height: float, sign: float, upper: str, lower: str, side: Side, sure: float
) -> Foramen | None:
    across = at_level("pedicle_width_mm", upper)
    usual, reach = _IN_THE_NECK if upper[0] == "C" else _BELOW
    sides = (0.25 * across, 0.5 * across, across + 3.0)
    wall = float(canal.wall_mm[at, 0 if sign > 0 else ANGLES // 2])
    middles = [sum(_free_run(_free(volume, threshold, canal, at, sign, beside), usual, reach, reach)) / 2 for beside in sides]
    points = [_beside(canal, at, sign, wall + beside, middle) for beside, middle in zip(sides, middles)]
    above = max(0, at - round(_UPPER * height))
    heights = itertools.product((at, above), sides[:2])
    body = max(reach, _BODY_MM)
    runs = [_free_run(_free(volume, threshold, canal, place, sign, beside), usual, body, reach) for place, beside in heights]
    if not volume.frame.contains(points[-1]):
        return None
    axis = points[2] - points[0]
    lean = float(axis @ canal.back[at])
    axis += (np.clip(lean, -_LEAN * across, _LEAN * across) - lean) * canal.back[at]
    axis /= np.linalg.norm(axis)
    width = float(np.clip(min(high - low for low, high in runs), 0.0, 20.0))
    x, y, z = points[1]
    return Foramen(
        (upper, lower), side, (float(x), float(y), float(z)), (float(axis[0]), float(axis[1]), float(axis[2])), height, width, sure
    )


def _between_pedicles(
    volume: Volume, threshold: float, canal: Canal, at: int, height: float, sign: float, upper: str
) -> tuple[int, float]:
    """Middle and height of a foramen from bone above to bone below, where the open side of the canal showed it roughly: `at`, `height`.

    The rough ones stay where bone is not met on both sides, or so near that it is no pedicle.
    """
    usual, reach = _IN_THE_NECK if upper[0] == "C" else _BELOW
    beside = 0.5 * float(at_level("pedicle_width_mm", upper))
    wall = float(canal.wall_mm[at, 0 if sign > 0 else ANGLES // 2])
    middle = sum(_free_run(_free(volume, threshold, canal, at, sign, beside), usual, reach, reach)) / 2
    place = _beside(canal, at, sign, wall + beside, middle)
    head = np.cross(canal.left[at], canal.back[at])
    head *= np.sign(head[2])
    steps = np.arange(0.0, height, _STEP_MM)
    ends = []
    for along in (head, -head):
        solid = np.nan_to_num(volume.sample(place + steps[:, None] * along), nan=-np.inf) >= threshold
        if not solid.any():
            return at, height
        ends.append(float(steps[int(solid.argmax())]) - _STEP_MM / 2)
    above, below = ends
    if above + below < _LEAST_SHARE * height:
        return at, height
    return int(np.clip(at + round((below - above) / 2), 0, len(canal.s_mm) - 1)), above + below


def _beside(canal: Canal, at: int, sign: float, lateral: float, behind: Floats | float) -> Floats:
    """Places beside the canal's middle: `lateral` mm to the side, `behind` mm to the back."""
    back = np.multiply.outer(np.asarray(behind, dtype=np.float64), canal.back[at])
    return np.asarray(canal.centreline_mm[at] + sign * lateral * canal.left[at] + back)


def _free(volume: Volume, threshold: float, canal: Canal, at: int, sign: float, beside: float) -> NDArray[np.bool_]:
    """Which of the places on the line front to back through a foramen, `beside` mm outside the canal's wall, hold no bone."""
    wall = float(canal.wall_mm[at, 0 if sign > 0 else ANGLES // 2])
    values = volume.sample(_beside(canal, at, sign, wall + beside, _DEPTHS_MM))
    return np.asarray(np.nan_to_num(values, nan=threshold) < threshold)


def _free_run(free: NDArray[np.bool_], usual: float, before: float, behind: float) -> tuple[float, float]:
    """The stretch without bone nearest to the usual place, at most so far before and behind it; an empty one where all is bone. Its ends
    lie half way between the last free place and the first with bone."""
    ahead = usual - _DEPTHS_MM
    free = free & (ahead <= before) & (ahead >= -behind)
    if not free.any():
        return usual, usual
    low = high = int(np.flatnonzero(free)[np.abs(_DEPTHS_MM[free] - usual).argmin()])
    while low > 0 and free[low - 1]:
        low -= 1
    while high < len(_DEPTHS_MM) - 1 and free[high + 1]:
        high += 1
    return float(_DEPTHS_MM[low]) - _STEP_MM / 2, float(_DEPTHS_MM[high]) + _STEP_MM / 2
