"""Where to begin: places of the second scan that the optimiser then betters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from planner.anatomy.spine import Anatomy, Level
from planner.geometry import Floats, Volume
from planner.registration.mutual import agreements, least_share
from planner.registration.pictures import Picture, Points
from planner.registration.placed import Rigid, StartName, vector_of

Start = tuple[StartName, Rigid]

_STEP_MM = 12.0  # of the search, at voxels of 8 mm
_ASIDE_MM = 48.0  # both scans have the spine in their middle from left to right, within this
_APART_MM = 24.0
_TILTS_DEG = (-8.0, 0.0, 8.0)
_FEWEST_LEVELS = 3
_LEVELS_FIT_MM = 6.0


def where_it_was(second: Volume) -> Start:
    """Patient coordinates: right where neither the table nor the patient has moved between the scans."""
    x, y, z = (float(one) for one in second.frame.centre_mm)
    return "patient coordinates", Rigid(centre_mm=(x, y, z))


def by_levels(planning: Anatomy, second: Anatomy) -> Iterator[Start]:
    """Vertebra onto vertebra (Kabsch, algorithms.md 7): by name, and one up and one down, for either may be counted wrong by one."""
    names = [level.name for level in planning.levels]
    others = [level.name for level in second.levels]
    known = next(((names.index(name), others.index(name)) for name in names if name in others), (0, 0))
    for off in (0, -1, 1):
        ahead = known[1] - known[0] + off
        pairs = [(one, second.levels[n + ahead]) for n, one in enumerate(planning.levels) if 0 <= n + ahead < len(others)]
        if len(pairs) >= _FEWEST_LEVELS:
            placed, error_mm = _onto(_centres([two for _, two in pairs]), _centres([one for one, _ in pairs]))
            if error_mm < _LEVELS_FIT_MM:
                yield "levels", placed


def by_canal(planning: Anatomy, second: Anatomy) -> Iterator[Start]:
    """Canal onto canal, slid along itself a level at a time: for scans in which no three vertebrae were found."""
    one, two = planning.canal, second.canal
    s, t = one.s_mm, two.s_mm
    shorter = 0.5 * min(s[-1], t[-1])
    for ahead in np.arange(shorter - s[-1], t[-1] - shorter + 1e-6, 2 * _STEP_MM):
        shared = s[(s + ahead >= 0) & (s + ahead <= t[-1])][::5]
        if len(shared) < _FEWEST_LEVELS:
            continue
        there = np.stack([np.interp(shared + ahead, t, two.centreline_mm[:, axis]) for axis in range(3)], axis=1)
        here = np.stack([np.interp(shared, s, one.centreline_mm[:, axis]) for axis in range(3)], axis=1)
        back_there = np.stack([np.interp(shared + ahead, t, two.back[:, axis]) for axis in range(3)], axis=1)
        back_here = np.stack([np.interp(shared, s, one.back[:, axis]) for axis in range(3)], axis=1)
        # points behind the line keep it from turning about itself
        placed, error_mm = _onto(np.concatenate([there, there + 20 * back_there]), np.concatenate([here, here + 20 * back_here]))
        if error_mm < 2 * _LEVELS_FIT_MM:
            yield "canal", placed


def by_search(points: Points, second: Picture, count: int) -> Iterator[Start]:
    """The best of all places on a coarse grid, tilted forward and back: for scans of which nothing is known.

    points: of the planning scan, round its spine; second: at about 8 mm.
    """
    low, high = second.frame.bounds_mm
    body = second.frame.to_world(np.argwhere(second.values >= second.values[~np.isnan(second.values)].mean()))
    middle, reach = points.at_mm.mean(axis=0), (points.at_mm.max(axis=0) - points.at_mm.min(axis=0)) / 2
    centre = (float(body[:, 0].mean()), float(low[1] + high[1]) / 2, float(low[2] + high[2]) / 2)
    half = (high - low) / 2
    sides = [np.arange(-most, most + 1e-6, _STEP_MM) for most in (_ASIDE_MM, half[1] + 0.1 * reach[1], half[2] + 0.5 * reach[2])]
    steps = np.array(list(itertools.product(*sides)))
    least = least_share(points, second)
    found: list[tuple[float, Rigid]] = []
    for tilt in _TILTS_DEG:
        onto_middle = Rigid((tilt, 0.0, 0.0), _triple(middle - np.array(centre)), centre)
        told = agreements(points, second, onto_middle, steps)
        whole = np.where(told.share >= least, told.whole, 0.0)
        for n in np.argsort(-whole)[: 4 * count]:
            if whole[n] > 0:
                found.append((float(whole[n]), onto_middle.shifted(steps[n])))
    taken: list[Rigid] = []
    for _, placed in sorted(found, key=lambda one: -one[0]):
        if all(np.linalg.norm(np.subtract(placed.shift_mm, other.shift_mm)) >= _APART_MM for other in taken):
            taken.append(placed)
            yield "search", placed
            if len(taken) == count:
                return


def _centres(levels: Sequence[Level]) -> Floats:
    return np.array([level.centre_mm for level in levels])


def _onto(moved: Floats, kept: Floats) -> tuple[Rigid, float]:
    """The rigid motion of most fit from points onto their partners, and the mean distance that is left, mm."""
    p, q = moved.mean(axis=0), kept.mean(axis=0)
    u, _, vt = np.linalg.svd((moved - p).T @ (kept - q))
    turn = vt.T @ np.diag([1.0, 1.0, float(np.sign(np.linalg.det(vt.T @ u.T)))]) @ u.T
    placed = Rigid(_triple(np.degrees(vector_of(turn))), _triple(q - p), _triple(p))
    return placed, float(np.linalg.norm(placed(moved) - kept, axis=1).mean())


def _triple(values: Floats) -> tuple[float, float, float]:
    x, y, z = values
    return float(x), float(y), float(z)
