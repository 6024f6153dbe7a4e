"""The pedicles: on each side of a vertebra the bridge of bone from its body to its arch, beside the canal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.anatomy.beside import STEP_MM, Beside, turned
from planner.anatomy.norms import at_level
from planner.anatomy.spine import ANGLES, Canal, Level, Pedicle
from planner.geometry import Floats

_ABOVE = 0.12  # of the way to the next vertebra: so far above the middle of its body lies the middle of a pedicle
_DEPTHS_MM = (2.0, 2.75, 3.5, 4.25, 5.0)  # behind the canal's front wall; in front of that is the body, behind it the arch
_ROWS_MM, _THICK_MM = 2.0, 0.8  # profiles are means over so much to both sides
_CORTEX_HU, _STANDS_OUT, _FALLS, _CORTEX_MM = 200.0, 1.35, 0.8, 2.0  # cortex: that dense, over marrow by so much, falling off so soon
_DENSE_HU, _MARROW_HU, _BLURRED_HU = 400.0, 65.0, 130.0  # a pedicle without marrow, the least of marrow, and of a blurred pedicle's middle
_HALF_CORTEX_MM = 0.75  # from the middle of a cortex to its surface, where a rib lies against it
_WIDER, _WIDEST, _NARROWEST = 1.6, 1.35, 0.45  # of the usual width: as far as its outer border is looked for; the range of pedicles
_USUAL_HEIGHT, _HIGHEST, _LOWEST_MM = 0.45, 1.7, 4.0  # of the way to the next vertebra; of the usual height


def find_pedicles(sides: tuple[Beside, Beside], canal: Canal, levels: tuple[Level, ...]) -> tuple[Pedicle, ...]:
    """The two pedicles of each vertebra from C3 to L5 of which a bridge of bone is seen, head to foot, left before right.

    A pedicle's borders are the outer surfaces of its cortex, seen from its middle: from side to side a little behind the body, and up and
    down through that middle. Where a rib lies against it, its border is the middle of their common cortex.
    """
    found = []
    for level in levels:
        if level.name[0] == "S" or level.name in ("C1", "C2"):
            continue
        for side in sides:
            pedicle = _pedicle(side, canal, level, _next_mm(levels, level))
            if pedicle is not None:
                found.append(pedicle)
    return tuple(found)


def _next_mm(levels: tuple[Level, ...], level: Level) -> float:
    """How far the next vertebra lies along the canal."""
    return min((abs(other.s_mm - level.s_mm) for other in levels if other is not level), default=30.0)


def _pedicle(beside: Beside, canal: Canal, level: Level, next_mm: float) -> Pedicle | None:
    usual = float(at_level("pedicle_width_mm", level.name))
    middle = round((level.s_mm - _ABOVE * next_mm) / beside.step_mm)
    half = max(1, round(_ROWS_MM / beside.step_mm))
    if not (half <= middle < len(canal.s_mm) - half) or not beside.seen[middle - half : middle + half + 1].all():
        return None
    rows = slice(middle - half, middle + half + 1)
    wall = float(np.median(canal.wall_mm[rows, 0 if beside.sign > 0 else ANGLES // 2]))
    front = float(np.median(canal.wall_mm[rows, ANGLES * 3 // 4]))
    ahead = front - beside.sign * turned(canal, middle, beside.step_mm) * (wall + usual / 2)
    depths = [mm - ahead for mm in _DEPTHS_MM]
    across = [_across(beside, rows, beside.at_depth(depth), wall, usual) for depth in depths]
    known = [n for n, borders in enumerate(across) if borders is not None]
    if len(known) < 2:
        return None
    borders = np.array([across[n] for n in known])
    across_mm = float(np.median(borders[:, 1] - borders[:, 0]))
    to_side, behind = float(np.median(borders.mean(axis=1))), float(np.median([depths[n] for n in known]))
    lean = float(np.polyfit([depths[n] for n in known], borders.mean(axis=1), 1)[0])
    thick = max(1, round(_THICK_MM / STEP_MM))
    depth, out = beside.at_depth(behind), beside.at_side(to_side)
    column = beside.values[:, depth - thick : depth + thick + 1, out - thick : out + thick + 1].mean(axis=(1, 2))
    tallest = _HIGHEST * _USUAL_HEIGHT * next_mm
    reach = round(tallest / beside.step_mm)
    up = _surface(column[middle : max(middle - reach, 0) : -1], beside.step_mm)
    down = _surface(column[middle : middle + reach], beside.step_mm)
    width, height = across_mm / float(np.hypot(1.0, lean)), (up or np.inf) + (down or np.inf)
    sure = level.confidence * (1.0 if width <= _WIDEST * usual else 0.5)
    if up is None or down is None or height > tallest:
        up = down = _USUAL_HEIGHT * next_mm / 2
        height, sure = up + down, 0.4 * sure
    if width < _NARROWEST * usual or height < _LOWEST_MM:
        return None
    at = int(np.clip(middle + round((down - up) / 2 / beside.step_mm), 0, len(canal.s_mm) - 1))
    centre = canal.centreline_mm[at] + beside.sign * to_side * canal.left[at] + behind * canal.back[at]
    axis = -(canal.back[at] + beside.sign * lean * canal.left[at]) / np.hypot(1.0, lean)
    return Pedicle(level.name, beside.side, _point(centre), _point(axis), min(width, _WIDEST * usual), height, sure)


def _across(beside: Beside, rows: slice, depth: int, wall: float, usual: float) -> tuple[float, float] | None:
    """Where a pedicle begins and ends from side to side, mm from the canal's middle; None where there is none."""
    thick = max(1, round(_THICK_MM / STEP_MM))
    profile = beside.values[rows, depth - thick : depth + thick + 1].mean(axis=(0, 1))
    core = beside.at_side(wall + usual / 2)
    inner = _surface(profile[core::-1], STEP_MM)
    outer = _surface(profile[core : core + round((_WIDER - 0.5) * usual / STEP_MM)], STEP_MM)
    if inner is None or outer is None:
        return None
    return float(beside.to_side_mm[core]) - inner, float(beside.to_side_mm[core]) + outer


def _surface(profile: NDArray[np.float32], step_mm: float) -> float | None:
    """How far from the first place of a profile the outer surface of the first cortex lies, mm; None where the first place is no bone or
    the profile ends before."""
    marrow = float(np.median(profile[:3])) if len(profile) > 3 else 0.0
    if marrow < _MARROW_HU:
        return None
    least = _CORTEX_HU if marrow > _DENSE_HU else max(_CORTEX_HU, _STANDS_OUT * marrow)
    ahead = max(1, round(_CORTEX_MM / step_mm))
    for n in range(len(profile) - 1):
        here, beyond = float(profile[n]), profile[n : n + ahead + 1]
        if here < least or here < profile[max(n - 1, 0) : n + 2].max() or beyond.min() > _FALLS * here:
            continue
        below = np.flatnonzero(beyond < 0.5 * here)
        return step_mm * (n + _crossing(beyond, 0.5 * here, int(below[0]))) if len(below) else step_mm * n + _HALF_CORTEX_MM
    densest = np.maximum.accumulate(profile)
    faded = np.flatnonzero((profile < 0.5 * densest) & (densest >= _BLURRED_HU))  # thick slices blur cortex and marrow into one
    if not len(faded) or faded[0] == 0:
        return None
    return step_mm * _crossing(profile, 0.5 * float(densest[faded[0]]), int(faded[0]))


def _crossing(profile: NDArray[np.float32], level: float, at: int) -> float:
    """Between which places a profile falls below a level, `at` being the first place below."""
    above, below = float(profile[at - 1]), float(profile[at])
    return at - 1 + (above - level) / max(above - below, 1e-6)


def _point(values: Floats) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
