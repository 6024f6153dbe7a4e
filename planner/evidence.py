"""Every clinical number with its source, read from resources/evidence: one JSON file a station.

A file holds `{"root_clearance_mm": {"value": 2.0, "unit": "mm", "source": "clinical.md 5.1", "note": "..."}, ...}`; the number's
name is `station.key`, so `number("needles.root_clearance_mm")` is 2.0.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

RESOURCES = Path(__file__).resolve().parent.parent / "resources"


@dataclass(frozen=True)
class Evidence:
    """A number, table or text with its unit and where it comes from. `id` is `station.key`."""

    id: str
    value: Any
    unit: str
    source: str
    note: str = ""


@cache
def station(name: str) -> MappingProxyType[str, Evidence]:
    """All evidence of a station by key. Raises KeyError for a station without a file."""
    path = RESOURCES / "evidence" / f"{name}.json"
    if not path.exists():
        raise KeyError(f"no evidence for the station {name}")
    entries = json.loads(path.read_text("utf-8"))
    return MappingProxyType({key: Evidence(f"{name}.{key}", **entry) for key, entry in entries.items()})


def evidence(identifier: str) -> Evidence:
    """The evidence behind `station.key`."""
    name, key = identifier.split(".", 1)
    return station(name)[key]


def number(identifier: str) -> float:
    """The value of `station.key` as a float, in its unit."""
    return float(evidence(identifier).value)
