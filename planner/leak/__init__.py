"""Leak and Approach stations: where it leaks, and which way in that calls for."""

from planner.leak.approaches import TITLES, above_c6_c7, approaches, region, window_levels
from planner.leak.leak import Approach, ApproachName, Certainty, Leak, LeakKind, LeakSide
from planner.leak.place import KINDS, KindWords, place

__all__ = [
    "KINDS",
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
    "place",
    "region",
    "window_levels",
]
