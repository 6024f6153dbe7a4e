"""How values stand in the contract's JSON: positions in LPS mm, numbers rounded to what they can mean, unknown as null."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import Any


def number(value: float | None, digits: int = 3) -> float | None:
    """A finite number, rounded; null for what is unknown, not a number or never reached (infinite)."""
    return None if value is None or not isfinite(value) else round(float(value), digits) + 0.0  # no -0.0


def numbers(values: Iterable[float | None], digits: int = 3) -> list[float | None]:
    """A list of numbers, such as a position or a band."""
    return [number(value, digits) for value in values]


def write_json(path: Path, content: dict[str, Any]) -> None:
    """UTF-8, keys in the order given, one trailing newline."""
    path.write_text(json_text(content), "utf-8")


def json_text(content: dict[str, Any]) -> str:
    """JSON as the contract has it. NaN is a bug, not a value."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
