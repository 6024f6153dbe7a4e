"""How a person put the slices of a series together, where the program did otherwise: a value that a case keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass

from planner.refusal import Refusal

AS_ONE, BY_PLACE, BY_RUN, BY_TURN, BY_RANGES = "one", "geometry", "even runs", "turn", "ranges"
"""Ways beside the names of `Slice.apart`: all as one volume; by size, spacing and orientation; besides where steps change; the first
image of every place, then the second; and the ranges that a person gave."""
MOST_RANGES = 1000
_MOST_SLICES = 10**6
_WORDS = {
    AS_ONE: "all slices as one volume",
    BY_PLACE: "by size and orientation",
    BY_RUN: "by even runs of slices",
    BY_TURN: "by turn: the first image of every place, then the second",
}
_RANGE = re.compile(r"\s*(\d{1,6})\s*(?:[-–]\s*(\d{1,6})\s*)?")

Ranges = tuple[tuple[int, int], ...]
"""First and last numbers of slices, both included, counted from 1 in the order of `regroup.numbered`."""


@dataclass(frozen=True)
class Grouping:
    """by: one of the ways above, or a name of `Slice.apart`. ranges: the volumes, where `by` is "ranges". without: slices that are left out
    before anything else."""

    by: str
    ranges: Ranges = ()
    without: Ranges = ()

    @property
    def sound(self) -> bool:
        """Whether a person could have made it."""
        named = (*self.ranges, *self.without)
        return len(named) <= 2 * MOST_RANGES and all(1 <= first <= last <= _MOST_SLICES for first, last in named)

    @property
    def words(self) -> str:
        """`by acquisition, without slices 13 and 57-60`."""
        said = _WORDS.get(self.by, f"by {self.by}")
        if self.by == BY_RANGES:
            said = f"slices {range_words(self.ranges)}"
        left_out = f", without slice{'s' if _several(self.without) else ''} {range_words(self.without)}" if self.without else ""
        return said + left_out


def range_words(ranges: Ranges) -> str:
    """`1-40, 57`."""
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def read_ranges(text: str, count: int) -> Ranges:
    """What a person wrote, such as `1-40, 41-80` or `13`; empty for nothing. Raises Refusal for what is no range of `count` slices."""
    way_out = f"Write slices from 1 to {count}, such as 1-{max(2, count // 2)} or 3, with commas between."
    found = []
    for piece in text.replace(";", ",").split(","):
        if not piece.strip():
            continue
        match = _RANGE.fullmatch(piece)
        if match is None:
            raise Refusal(f'"{piece.strip()[:40]}" is no range of slices.', way_out)
        first = int(match[1])
        last = int(match[2] or first)
        if not 1 <= first <= last <= count:
            raise Refusal(f"There are no slices {range_words(((first, last),))}: the series has {count}.", way_out)
        found.append((first, last))
    if len(found) > MOST_RANGES:
        raise Refusal(f"{len(found)} ranges are too many.", f"Give {MOST_RANGES} at most.")
    return tuple(found)


def _several(ranges: Ranges) -> bool:
    return len(ranges) > 1 or any(first != last for first, last in ranges)
