"""The anatomy of an ordinary adult by level, read from resources/evidence/anatomy.json."""

from __future__ import annotations

from typing import Any

from planner.anatomy.labels import LEVELS
from planner.evidence import evidence


def at_level(key: str, level: str) -> Any:
    """The value of a table for a level: its own, its region's (`L`), or the nearest level's that has one."""
    table = evidence(f"anatomy.{key}").value
    if level in table:
        return table[level]
    if level[0] in table:
        return table[level[0]]
    here = LEVELS.index(level)
    nearest = min((name for name in table if name in LEVELS), key=lambda name: abs(LEVELS.index(name) - here))
    return table[nearest]
