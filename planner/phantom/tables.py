"""The numbers of the phantom, read from resources/phantom. Every one stands there with its unit and source."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_ROOM = Path(__file__).resolve().parents[2] / "resources" / "phantom"


@dataclass(frozen=True, eq=False)
class SpineTable:
    """Rows of dimensions by level, mm and degrees, as in clinical.md 3.6; `order` runs from head to foot."""

    order: tuple[str, ...]
    rows: dict[str, dict[str, float]]
    raw: dict[str, Any]

    def __call__(self, row: str, level: str) -> float:
        return self.rows[row][level]


@dataclass(frozen=True)
class Tissue:
    """What a tissue shows: `hu` on CT, `t2` on T2 MR with CSF = 1, `t1` on T1 MR with fat = 1, `spread_hu` its natural variation."""

    hu: float
    t2: float
    t1: float
    spread_hu: float


@lru_cache(maxsize=1)
def spine_table() -> SpineTable:
    """The dimensions of the spine from T8 to S3."""
    raw = json.loads((_ROOM / "spine.json").read_text(encoding="utf-8"))
    return SpineTable(tuple(raw["order"]), {name: row["values"] for name, row in raw["rows"].items()}, raw)


@lru_cache(maxsize=1)
def imaging_table() -> dict[str, Any]:
    """Noise, blur and the values of a myelogram."""
    table: dict[str, Any] = json.loads((_ROOM / "tissues.json").read_text(encoding="utf-8"))
    return table


@lru_cache(maxsize=1)
def tissues() -> dict[str, Tissue]:
    """Every tissue by name."""
    return {name: Tissue(t["hu"], t["t2"], t["t1"], t["spread_hu"]) for name, t in imaging_table()["tissues"].items()}


@lru_cache(maxsize=1)
def trunk_table() -> dict[str, Any]:
    """Muscles, vessels, organs, ribs and the outline of the trunk."""
    table: dict[str, Any] = json.loads((_ROOM / "trunk.json").read_text(encoding="utf-8"))
    return table
