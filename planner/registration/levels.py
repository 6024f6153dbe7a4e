"""How well each level agrees: every vertebra's block of the planning scan, alone, looks for its best place in the second scan."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from planner.anatomy.spine import Level
from planner.geometry import Floats
from planner.progress import Progress, silent
from planner.registration.mutual import agreements
from planner.registration.pictures import BINS, Picture, Points
from planner.registration.placed import NOT_HELD, LevelError, Rigid

_ASIDE_MM, _FORWARD_MM, _BACK_MM = 24.0, 24.0, 52.0  # a block: body and arch of one vertebra
_END_HALF_MM = 14.0  # half a block's height where there is no neighbour
_MOST_POINTS = 12_000
_STEPS_MM = (5.0, 2.5, 1.25, 0.6)  # two of the first and one of each other either way: 14 mm along each axis
_LEAST_SHARE = 0.6  # of a block inside the second scan
_OVER_CHANCE = 3.0  # how many times the information that as many points share by chance
_LEAST_PEAK = 0.04  # by how much of its information a block loses when it lies _PEAK_MM beside its best place
_PEAK_MM = 4.0


def level_errors(
    planning: Picture, second: Picture, placed: Rigid, levels: Sequence[Level], progress: Progress = silent
) -> tuple[LevelError, ...]:
    """How far each level lies off where the second scan is laid; in the order of the levels.

    The block round a vertebra (48 mm wide, 76 mm deep, half way to its neighbours) is moved alone, without turning, to where its mutual
    information with the second scan is greatest, up to 14 mm along each axis. The length of that move is the level's error: what a
    bent spine, a turned vertebra or a wrong place leave there. It is good to about half a voxel of the coarser scan. Not checked is a
    level of which the second scan holds less than three fifths, or whose block tells too little (one tissue, thick slices, noise).
    """
    found = []
    for n, level in enumerate(levels):
        progress(n / len(levels), "Checking each level")
        found.append(_error(_block(planning, levels, n), second, placed, level))
    return tuple(found)


def _block(planning: Picture, levels: Sequence[Level], n: int) -> Points:
    """The voxels of a vertebra's block, thinned."""
    x, y, z = levels[n].centre_mm
    up = abs(levels[n - 1].centre_mm[2] - z) / 2 if n else _END_HALF_MM
    down = abs(levels[n + 1].centre_mm[2] - z) / 2 if n + 1 < len(levels) else _END_HALF_MM
    frame = planning.frame
    box = frame.box_around([[x - _ASIDE_MM, y - _FORWARD_MM, z - down], [x + _ASIDE_MM, y + _BACK_MM, z + up]], 0.0)
    values = planning.values[box]
    known = np.argwhere(~np.isnan(values))
    known = known[:: max(1, round(len(known) / _MOST_POINTS))]
    return Points(frame.to_world(known + [one.start for one in box]), values[tuple(known.T)])


def _error(block: Points, second: Picture, placed: Rigid, level: Level) -> LevelError:
    here = agreements(block, second, placed)
    if not len(block.values) or here.share[0] < _LEAST_SHARE:
        return LevelError(level.centre_mm, None, None, NOT_HELD)
    best, nats = np.zeros(3), float(here.nats[0])
    for step in _STEPS_MM:
        reach = 2 if step == _STEPS_MM[0] else 1
        around = best + step * np.array(list(itertools.product(range(-reach, reach + 1), repeat=3)))
        told = agreements(block, second, placed, around)
        whole = np.where(told.share >= 0.8 * _LEAST_SHARE, told.nats, 0.0)
        best, nats = around[int(whole.argmax())], float(whole.max())
    beside = agreements(block, second, placed, best + _PEAK_MM * np.concatenate([np.eye(3), -np.eye(3)])).nats
    lost = 1 - np.maximum(beside[:3], beside[3:]) / max(nats, 1e-9)
    chance = (BINS - 1) ** 2 / (2 * len(block.values))
    if nats < _OVER_CHANCE * chance or lost.min() < _LEAST_PEAK:
        return LevelError(level.centre_mm, None, None, "too little is seen there in both scans")
    shift = np.round(best + _between(block, second, placed, best), 2)
    return LevelError(level.centre_mm, round(float(np.linalg.norm(shift)), 2), (float(shift[0]), float(shift[1]), float(shift[2])))


def _between(block: Points, second: Picture, placed: Rigid, best: Floats) -> Floats:
    """From the best step to the top of a parabola through it and its neighbours along each axis."""
    reach = 2 * _STEPS_MM[-1]
    told = agreements(block, second, placed, best + reach * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])).nats
    bend = told[1:4] + told[4:] - 2 * told[0]
    return np.where(bend < 0, np.clip(0.5 * reach * (told[4:] - told[1:4]) / np.minimum(bend, -1e-9), -reach / 2, reach / 2), 0.0)
