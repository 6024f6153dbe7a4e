"""The anatomy of an ordinary adult by level, read from resources/evidence/anatomy.json."""

from __future__ import annotations

from typing import Any

from planner.anatomy.labels import ALL_LEVELS, rank
from planner.evidence import evidence


def at_level(key: str, level: str) -> Any:
    """The value of a table for a level: its own, its region's (`L`), or the nearest level's that has one; T13 has T12's, L6 has L5's."""
    table = evidence(f"anatomy.{key}").value
    if level in table:
        return table[level]
    if level[0] in table:
        return table[level[0]]
    here = rank(level)
    nearest = min((name for name in table if name in ALL_LEVELS), key=lambda name: abs(rank(name) - here))
    return table[nearest]
