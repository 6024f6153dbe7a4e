"""Leak and Approach stations: where it leaks, and which way in that calls for."""

from planner.leak.approaches import approaches, decided
from planner.leak.leak import TITLES, Approach, ApproachName, Certainty, Leak, LeakKind, LeakSide
from planner.leak.openings import (
    ELSEWHERE,
    NECK_LEVEL,
    above_c6_c7,
    barred,
    is_disc_space,
    is_transforaminal,
    no_opening,
    region,
    window_levels,
)
from planner.leak.place import KINDS, KindWords, place

__all__ = [
    "ELSEWHERE",
    "KINDS",
    "NECK_LEVEL",
    "TITLES",
    "Approach",
    "ApproachName",
    "Certainty",
    "KindWords",
    "Leak",
    "LeakKind",
    "LeakSide",
    "above_c6_c7",
    "approaches",
    "barred",
    "decided",
    "is_disc_space",
    "is_transforaminal",
    "no_opening",
    "place",
    "region",
    "window_levels",
]
