"""The needles that can be chosen: resources/needles.json (reference: clinical 2.5)."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from planner.evidence import RESOURCES, number
from planner.leak.leak import ApproachName
from planner.needles.candidate import Needle
from planner.refusal import Refusal


@cache
def _file() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((RESOURCES / "needles.json").read_text("utf-8"))
    return data


@cache
def catalogue() -> tuple[Needle, ...]:
    """All needles, thick to thin, short to long."""
    return tuple(Needle(**entry) for entry in _file()["needles"])


def needle(identifier: str) -> Needle:
    """The needle of this id, such as `22G-120-quincke`. Raises Refusal for one that is not in the catalogue."""
    for entry in catalogue():
        if entry.id == identifier:
            return entry
    raise Refusal(f"The needle {identifier} is not in the catalogue.", f"Take one such as {default_needle('transforaminal-ventral').id}.")


def default_needle(approach: ApproachName, depth_mm: float | None = None) -> Needle:
    """The usual needle of an approach: the shortest that reaches a depth with its reserve, the longest where none does.

    Without a depth it is the one of 120 mm.
    """
    gauge, tip = _file()["defaults"][approach]
    kind = sorted((n for n in catalogue() if n.gauge == gauge and n.tip.lower() == tip), key=lambda n: n.length_mm)
    wanted = float(_file()["default_length_mm"]) if depth_mm is None else depth_mm + number("needles.length_reserve_mm")
    return next((entry for entry in kind if entry.length_mm >= wanted), kind[-1])
