"""Spinous processes in an MR: in the plane that halves a vertebra a slab of even grey marrow, whose end the dark cortex closes above, below
and behind.

Fat between two processes may be as bright as marrow and end at the same dark ligament: it is streaky, and lies off the vertebra's arch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.levels import Row
from planner.anatomy.spine import ANGLES, Canal
from planner.geometry import Floats, Volume

_STEP_MM = 1.0
_TURNS_DEG: Floats = np.arange(-20.0, 21.0, 4.0)  # of the plane, to the left of the canal's own
_ASIDE_MM = (-0.6, 0.6)  # a plane is the mean of these
_BEHIND_MM: Floats = np.arange(10.0, 46.0, _STEP_MM)  # of the canal's back wall
_ARCH_MM = 2.0  # behind it a process meets the arch
_ROWS = (-0.3, 1.4)  # of the way to the next vertebra: from where to where, below the middle of the body, a process is looked for
_SLOPES: Floats = np.array([0.0, 0.15, 0.3, 0.5, 0.75])  # of a process, toward the feet for each mm to the back
_HEIGHTS_MM: Floats = np.array([6.0, 8.0, 10.0, 12.0, 15.0, 18.0, 22.0, 26.0])  # of its marrow
_LONG = 8  # steps of its end that are looked at: farther in its waist may hide the marrow
_SHORTEST_MM = 18.0  # behind the wall; nearer lies the lamina
_PLACE, _PLACE_MM = 0.3, 4.0  # where its line meets the arch, of the way to the next vertebra; spread
_LENGTH_MM, _HEIGHT_MM = (30.0, 10.0), (12.0, 0.4)  # usual; spread of the one, and of the logarithm of the other
_SLOPE, _TURN_DEG = 0.3, 15.0  # spread
_WEIGHT, _UNEVEN, _ODD, _ALIKE = 0.03, 0.6, 0.5, 0.5  # what is unusual, streaky, and darker or brighter than the body beyond a factor loses
_WORST = 0.6  # how much the brightest of the three borders counts; the rest their mean
_SEEN, _CLEAR, _STREAKY = 0.3, 0.38, 0.34  # the score and the share of its brightness by which borders are darker; spread over mean
_EDGE = (4, 3)  # steps before and behind the end of the best slab: there its very end is looked for
_END_MM, _CORTEX_MM = 1.5, 1.5  # so far from the farthest point all belongs to the tip; from where marrow ends to the surface


@dataclass(frozen=True, eq=False)
class SeenProcess:
    """A spinous process. of_mm: where the middle of its vertebra's body lies along the canal. tip_mm: (3,), the middle of its end.
    slope: how far it goes to the feet for each mm to the back of the canal. clear: 0.38 to 1, by how much of its own brightness its
    borders are darker."""

    of_mm: float
    tip_mm: Floats
    slope: float
    clear: float


def see_processes(volume: Volume, canal: Canal, row: Row, marrow: Floats, black: float) -> tuple[SeenProcess, ...]:
    """The processes that are clear of a row's bodies, whatever they are called. marrow: (n,), how much brighter than `black` that of the
    bodies is, along the canal's own points; 0 where nobody knows."""
    places = [place for place, _, _ in row.bodies]
    found = []
    for at, place in enumerate(places):
        around = places[max(at - 1, 0) : at + 2]
        next_mm = (around[-1] - around[0]) / max(1, len(around) - 1)
        bright = float(np.interp(place, canal.s_mm, marrow))
        found.append(_process(volume, canal, place, next_mm, bright, black) if next_mm > 0 and bright > 0 else None)
    return tuple(process for process in found if process is not None)


def _process(volume: Volume, canal: Canal, place_mm: float, next_mm: float, marrow: float, black: float) -> SeenProcess | None:
    s = np.arange(place_mm + _ROWS[0] * next_mm, place_mm + _ROWS[1] * next_mm, _STEP_MM)
    s = s[(s >= 0) & (s <= canal.s_mm[-1])]
    behind_mm = float(np.median(canal.wall_mm[np.abs(canal.s_mm - place_mm - 0.4 * next_mm) < 0.5 * next_mm, ANGLES // 4])) + _BEHIND_MM
    relative = (_planes(volume, canal, s, behind_mm) - black) / marrow
    missing = np.isnan(relative)
    relative = np.clip(np.nan_to_num(relative), 0.0, 2.5)
    odd = (
        ((s - place_mm - _PLACE * next_mm) / _PLACE_MM) ** 2,
        (_SLOPES / _SLOPE) ** 2,
        (np.log(_HEIGHTS_MM / _HEIGHT_MM[0]) / _HEIGHT_MM[1]) ** 2,
        ((_BEHIND_MM - _LENGTH_MM[0]) / _LENGTH_MM[1]) ** 2,
        (_TURNS_DEG / _TURN_DEG) ** 2,
    )
    shifts = np.rint(_SLOPES[:, None] * (_BEHIND_MM - _ARCH_MM) / _STEP_MM).astype(np.intp)
    halves = np.rint(_HEIGHTS_MM / 2 / _STEP_MM).astype(np.intp)
    rims = ndimage.minimum_filter1d(relative, 3, axis=1), ndimage.minimum_filter1d(relative, 3, axis=2)
    nearest = int(np.searchsorted(_BEHIND_MM, _SHORTEST_MM))
    best = _fitting(relative, *rims, missing, shifts, halves, *odd, nearest)
    score, inside, worst, end, spread = best[:5]
    if score < _SEEN or inside - worst < _CLEAR * inside or spread > _STREAKY * inside:
        return None
    turn, slope, half, row, column = (int(n) for n in best[5:])
    if turn in (0, len(_TURNS_DEG) - 1) or column == nearest:  # what is best at the border of where one may lie goes on beyond
        return None
    middle = row + shifts[slope, column - _LONG // 2]
    rows = np.arange(middle - halves[half], middle + halves[half] + 1)
    rows = rows[(rows >= 1) & (rows < len(s) - 1)]
    deep, height = _tip(relative[turn], rows, column, 0.5 * (inside + end))
    at = int(np.abs(canal.s_mm - np.interp(height, np.arange(len(s)), s)).argmin())
    away = behind_mm[0] + deep * _STEP_MM + _CORTEX_MM
    angle = np.radians(_TURNS_DEG[turn])
    tip = canal.centreline_mm[at] + away * (np.sin(angle) * canal.left[at] + np.cos(angle) * canal.back[at])
    return SeenProcess(place_mm, tip, float(_SLOPES[slope]), 1.0 - worst / inside)


def _planes(volume: Volume, canal: Canal, s: Floats, behind_mm: Floats) -> Floats:
    """(turns, rows, depths): the scan in planes through the canal's middle, NaN outside."""
    index = np.interp(s, canal.s_mm, np.arange(len(canal.s_mm)))
    near = np.rint(index).astype(int)
    centre = np.stack([np.interp(index, np.arange(len(canal.s_mm)), canal.centreline_mm[:, n]) for n in range(3)], axis=1)
    shape = (len(s), len(behind_mm), len(_ASIDE_MM))
    planes = []
    for turn in np.radians(_TURNS_DEG):
        u, v = (
            np.broadcast_to(behind_mm[:, None] * away + np.array(_ASIDE_MM) * aside, shape)
            for away, aside in ((np.sin(turn), np.cos(turn)), (np.cos(turn), -np.sin(turn)))
        )
        planes.append(volume.sample_planes(centre, canal.left[near], canal.back[near], u, v, np.nan).mean(axis=2))
    return np.array(planes)


def _tip(plane: Floats, rows: NDArray[np.intp], column: int, border: float) -> tuple[float, float]:
    """Where the marrow reaches farthest back (depth, row, in steps): the mean of all that ends little before its farthest point."""
    smooth = ndimage.uniform_filter1d(plane, 3, axis=0)
    ends = []
    for row in rows:
        profile = smooth[row, column - _EDGE[0] : column + _EDGE[1]]
        darker = np.flatnonzero(profile <= border)
        if len(darker) and darker[0] > 0:
            at = int(darker[0])
            share = float((profile[at - 1] - border) / (profile[at - 1] - profile[at]))
            ends.append((column - _EDGE[0] + at - 1 + share, float(row)))
    if not ends:
        return column - 0.5, float(rows.mean())
    deep, where = np.array(ends).T
    farthest = deep > deep.max() - _END_MM / _STEP_MM
    return float(deep[farthest].mean()), float(where[farthest].mean())


@njit(cache=True, nogil=True)
def _sum(table: Floats, top: int, bottom: int, first: int, last: int) -> float:
    return table[bottom, last] - table[top, last] - table[bottom, first] + table[top, first]


@njit(cache=True, nogil=True)
def _fitting(
    relative: Floats, along: Floats, across: Floats, missing: NDArray[np.bool_], shifts: NDArray[np.intp], halves: NDArray[np.intp],
    row_odd: Floats, slope_odd: Floats, height_odd: Floats, length_odd: Floats, turn_odd: Floats, nearest: int,
) -> Floats:  # fmt: skip
    """The end of a process that fits planes (turns, rows, depths) best: its score, its mean brightness, the brightest of its borders, the
    one behind it, its spread, and its turn, slope, height, row at the first depth and depth, as indices. along, across: the darkest of
    three samples, from head to foot and from front to back. shifts (slopes, depths): rows by which a slope goes down. The others: how
    unusual a place is."""
    turns, rows, depths = relative.shape
    best = np.full(10, -np.inf)
    tables = np.zeros((5, rows + 1, depths + 1))
    for turn in range(turns):
        for slope in range(len(shifts)):
            for r in range(rows):
                one, two, three, four, five = 0.0, 0.0, 0.0, 0.0, 0.0
                for d in range(depths):
                    at = r + shifts[slope, d]
                    if at < rows:
                        value = relative[turn, at, d]
                        one += value
                        two += value * value
                        three += along[turn, at, d]
                        four += across[turn, at, d]
                        five += missing[turn, at, d]
                    else:
                        five += 1.0
                    tables[0, r + 1, d + 1] = tables[0, r, d + 1] + one
                    tables[1, r + 1, d + 1] = tables[1, r, d + 1] + two
                    tables[2, r + 1, d + 1] = tables[2, r, d + 1] + three
                    tables[3, r + 1, d + 1] = tables[3, r, d + 1] + four
                    tables[4, r + 1, d + 1] = tables[4, r, d + 1] + five
            for n in range(len(halves)):
                half = halves[n]
                for d in range(nearest, depths - 3):
                    for r in range(half + 3, rows - half - 3):
                        odd = _WEIGHT * (row_odd[r] + slope_odd[slope] + height_odd[n] + length_odd[d] + turn_odd[turn])
                        if 1.0 - odd < best[0]:
                            continue
                        top, bottom, first = r - half, r + half + 1, d - _LONG
                        count = (bottom - top) * _LONG
                        inside = _sum(tables[0], top, bottom, first, d) / count
                        end = _sum(tables[3], top, bottom, d + 1, d + 2) / (bottom - top)
                        if (inside - end * _WORST) / max(inside, 0.3) - odd < best[0]:
                            continue
                        if _sum(tables[4], top - 3, bottom + 3, first, d + 3) > 0:
                            continue
                        spread = np.sqrt(max(_sum(tables[1], top, bottom, first, d) / count - inside * inside, 0.0))
                        above = _sum(tables[2], top - 2, top - 1, first, d) / _LONG
                        below = _sum(tables[2], bottom + 1, bottom + 2, first, d) / _LONG
                        worst = max(above, below, end)
                        dark = _WORST * worst + (1.0 - _WORST) * (above + below + end) / 3.0
                        strange = max(abs(np.log(max(inside, 0.05))) - _ALIKE, 0.0)
                        score = (inside - dark - _UNEVEN * spread) / max(inside, 0.3) - _ODD * strange - odd
                        if score > best[0]:
                            best[:5] = np.array([score, inside, worst, end, spread])
                            best[5:] = np.array([turn, slope, n, r, d])
    return best
