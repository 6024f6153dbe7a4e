"""The walk from two scans to a registration: pictures, starts, coarse, fine, every level. Read it top-down."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from planner.anatomy.spine import Anatomy
from planner.evidence import number
from planner.geometry import Volume
from planner.progress import Progress, part, silent
from planner.refusal import Refusal
from planner.registration.levels import level_errors
from planner.registration.mutual import agreements, least_share
from planner.registration.optimise import Optimiser
from planner.registration.pictures import BINS, Picture, beside_spine, picture_of, points_of
from planner.registration.placed import Registration, Rigid, StartName
from planner.registration.starts import Start, by_canal, by_levels, by_search, where_it_was

FINE_MM = 2.0
_BESIDE_SPINE_MM = 45.0
_SEARCH_POINTS, _POINTS = 3_000, 40_000
_FROM_SEARCH = 4
_FIRST_STEP_MM, _NEXT_STEP_MM, _LAST_STEP_MM = 6.0, 2.0, 0.4
_FEWEST_POINTS = 500
_OVER_CHANCE = 3.0
_A_LEVEL_MM, _RIVAL_FROM_MM, _RIVAL_SHARE = 33.0, 16.0, 0.85

BY_HAND = "Move it by hand, then register again from there."


def register(
    planning: Volume,
    second: Volume,
    anatomy: Anatomy | None,
    progress: Progress = silent,
    start: Rigid | None = None,
    find_second: Callable[[Progress], Anatomy] | None = None,
) -> Registration:
    """Lay a second scan on the planning scan: the rigid motion of most mutual information round the spine, with the error of each level.

    anatomy: of the planning scan; without it all of the scan is compared and no level is checked. start: where a hand laid it; without
    it the search begins at patient coordinates and on a grid of places. find_second: finds the anatomy of the second scan; asked where
    those starts end in doubt, to begin from its levels and its canal. The same scans give the same registration.

    Raises Refusal where the scans do not meet or do not agree, and what `progress` raises. About 5 s of CPU at 512 x 512 x 300.
    """
    pair = _prepared(planning, second, anatomy, part(progress, 0.0, 0.2))
    starts: Iterable[Start] = [("by hand", start)] if start is not None else _first_starts(pair, second)
    found = _laid(pair, starts, anatomy, part(progress, 0.2, 0.7))
    if start is None and find_second is not None and anatomy is not None and (found is None or found.verdict != "good"):
        other = _laid(pair, _anatomical_starts(anatomy, find_second, part(progress, 0.7, 0.85)), anatomy, part(progress, 0.85, 1.0))
        if other is not None and (found is None or (other.information or 0.0) > (found.information or 0.0)):
            found = other
    progress(1.0, "Registered")
    if found is None:
        raise Refusal("The second scan could not be laid on the planning scan: they hardly agree anywhere.", BY_HAND)
    errors = found.errors_mm
    if found.levels and not errors:
        raise Refusal("The second scan could not be laid on the planning scan: where it fits best, no level can be checked.", BY_HAND)
    if errors and float(np.median(errors)) > number("registration.failed_mm"):
        sentence = f"The second scan could not be laid on the planning scan: its levels lie {np.median(errors):.0f} mm off."
        raise Refusal(sentence, BY_HAND)
    return found


def measured(planning: Volume, second: Volume, laid: Registration, anatomy: Anatomy, progress: Progress = silent) -> Registration:
    """The same place, as where a hand laid the second scan, with how far each level lies off, and whether it fits as well a level further.

    Raises Refusal where there is too little in a scan. About 2 s of CPU at 512 x 512 x 300.
    """
    pair = _prepared(planning, second, anatomy, part(progress, 0.0, 0.5))
    near = _coarse(pair, (laid.start, laid.placed), part(progress, 0.5, 0.55))
    doubts = _rivals(pair, laid.placed, 0.0 if near is None else near[0], part(progress, 0.55, 0.65))
    levels = level_errors(pair.fine.planning, pair.fine.second, laid.placed, anatomy.levels, part(progress, 0.65, 1.0))
    return replace(laid, levels=levels, doubts=tuple(dict.fromkeys((*laid.doubts, *doubts))))


# ---- two scans side by side -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Scale:
    """Both scans at one voxel size, and what of the planning scan counts."""

    planning: Picture
    second: Picture
    anatomy: Anatomy | None

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        known = ~np.isnan(self.planning.values)
        return known if self.anatomy is None else known & beside_spine(self.planning.frame, self.anatomy.canal, _BESIDE_SPINE_MM)

    @cached_property
    def optimiser(self) -> Optimiser:
        return Optimiser(self.planning, self.mask, self.second)

    def halved(self) -> _Scale:
        return _Scale(self.planning.halved(), self.second.halved(), self.anatomy)


class _Pair:
    """The two scans at 2, 4 and 8 mm, with the points by which places are compared at 8."""

    def __init__(self, fine: _Scale) -> None:
        self.fine = fine
        self.middle = fine.halved()
        self.coarse = self.middle.halved()
        self.points = points_of(self.coarse.planning, self.coarse.mask, _SEARCH_POINTS)
        self.least_share = least_share(self.points, self.coarse.second)

    def whole(self, placed: Rigid) -> float:
        """How much the scans agree at 8 mm; 0 where too little of them meets."""
        told = agreements(self.points, self.coarse.second, placed)
        return float(told.whole[0]) if told.share[0] >= self.least_share else 0.0


def _prepared(planning: Volume, second: Volume, anatomy: Anatomy | None, progress: Progress) -> _Pair:
    one = picture_of(planning, FINE_MM, part(progress, 0.0, 0.5))
    other = picture_of(second, FINE_MM, part(progress, 0.5, 1.0))
    pair = _Pair(_Scale(one, other, anatomy))
    if len(pair.points.values) < _FEWEST_POINTS or np.isnan(pair.coarse.second.values).all():
        raise Refusal("There is too little in one of the two scans to lay one on the other.", BY_HAND)
    return pair


# ---- from starts to a place -----------------------------------------------------------------------------------------------------------


def _first_starts(pair: _Pair, second: Volume) -> Iterable[Start]:
    yield where_it_was(second)
    yield from by_search(pair.points, pair.coarse.second, _FROM_SEARCH)


def _anatomical_starts(anatomy: Anatomy, find_second: Callable[[Progress], Anatomy], progress: Progress) -> Iterable[Start]:
    try:
        other = find_second(progress)
    except Refusal:  # no spine was found there: nothing to begin from
        return
    starts = list(by_levels(anatomy, other))
    yield from starts or by_canal(anatomy, other)


def _laid(pair: _Pair, starts: Iterable[Start], anatomy: Anatomy | None, progress: Progress) -> Registration | None:
    """The best of what the starts lead to, made fine and judged; None where nothing agrees."""
    progress(0.0, "Looking where the second scan lies")
    known = list(starts)
    tried = []
    for n, start in enumerate(known):
        end = _coarse(pair, start, part(progress, 0.1 + 0.2 * n / len(known), 0.1 + 0.2 * (n + 1) / len(known)))
        if end is not None:
            tried.append(end)
    if not tried:
        return None
    whole, name, placed = max(tried, key=lambda one: one[0])
    nearer = pair.middle.optimiser.best(placed, _NEXT_STEP_MM, part(progress, 0.3, 0.5))
    nearest = nearer and pair.fine.optimiser.best(nearer, _LAST_STEP_MM, part(progress, 0.5, 0.75))
    if nearest is None:
        return None
    placed = nearest.rounded()
    points = points_of(pair.fine.planning, pair.fine.mask, _POINTS)
    told = agreements(points, pair.fine.second, placed)
    chance = (BINS - 1) ** 2 / (2 * len(points.values))
    if told.share[0] < pair.least_share or told.nats[0] < _OVER_CHANCE * chance:
        return None
    doubts = _rivals(pair, placed, whole, part(progress, 0.75, 0.8))
    if anatomy is None:
        return Registration(placed, name, round(float(told.nats[0]), 4), (), doubts)
    levels = level_errors(pair.fine.planning, pair.fine.second, placed, anatomy.levels, part(progress, 0.8, 1.0))
    return Registration(placed, name, round(float(told.nats[0]), 4), levels, doubts)


def _coarse(pair: _Pair, start: Start, progress: Progress) -> tuple[float, StartName, Rigid] | None:
    """What a start leads to at 8 mm, with how well the scans agree there."""
    name, placed = start
    end = pair.coarse.optimiser.best(placed, _FIRST_STEP_MM, progress)
    whole = 0.0 if end is None else pair.whole(end)
    return (whole, name, end) if end is not None and whole > 0 else None


def _rivals(pair: _Pair, placed: Rigid, whole: float, progress: Progress) -> tuple[str, ...]:
    """A place one level up or down that agrees nearly as well: the spine repeats itself. Said so that it holds for either scan."""
    for n, step in enumerate((_A_LEVEL_MM, -_A_LEVEL_MM)):
        rival = _coarse(pair, ("search", placed.shifted((0.0, 0.0, step))), part(progress, n / 2, (n + 1) / 2))
        if rival is None or rival[0] < _RIVAL_SHARE * whole:
            continue
        middle = placed.back(pair.points.at_mm.mean(axis=0))
        if np.linalg.norm(rival[2](middle) - placed(middle)) >= _RIVAL_FROM_MM:
            return (f"One level further it fits {'nearly as well' if rival[0] <= whole else 'better'}.",)
    return ()
