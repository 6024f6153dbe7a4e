"""Which part of every slice is loaded, where the whole would not fit into memory: a value that a case keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass

from planner.geometry import Frame
from planner.refusal import Refusal

LEAST_PIXELS = 16
_MOST_PIXELS = 1 << 26
_AGAIN = "Give rows and columns that the pictures have, the first before the last."

_SPAN = re.compile(r"\s*(\d{1,8})\s*[-–]\s*(\d{1,8})\s*")

Span = tuple[int, int]


@dataclass(frozen=True)
class Crop:
    """rows, columns: of the stored pictures, first and last, both included, counted from 1."""

    rows: Span
    columns: Span

    @property
    def sound(self) -> bool:
        """Whether it can be of any picture."""
        return all(first >= 1 and first + LEAST_PIXELS - 1 <= last <= _MOST_PIXELS for first, last in (self.rows, self.columns))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns that are kept."""
        return self.rows[1] - self.rows[0] + 1, self.columns[1] - self.columns[0] + 1

    @property
    def box(self) -> tuple[slice, slice]:
        """What to take of a picture [row, column]."""
        return slice(self.rows[0] - 1, self.rows[1]), slice(self.columns[0] - 1, self.columns[1])

    def of(self, frame: Frame) -> Frame:
        """The grid of what is kept of slices on this grid."""
        return frame.crop((0, self.rows[0] - 1, self.columns[0] - 1), (frame.shape[0], self.rows[1], self.columns[1]))

    @property
    def words(self) -> str:
        """`rows 81-400, columns 120-380`."""
        return f"rows {self.rows[0]}-{self.rows[1]}, columns {self.columns[0]}-{self.columns[1]}"

    def checked(self, rows: int, columns: int) -> Crop:
        """Itself. Raises Refusal where it is no part of pictures of this size, or too small to hold anything."""
        if not self.sound or self.rows[1] > rows or self.columns[1] > columns:
            raise Refusal(f"The pictures have {rows} rows and {columns} columns: {self.words} cannot be kept.", _AGAIN)
        return self


def read_span(text: str, count: int) -> Span:
    """What a person wrote for rows or columns, such as `81-400`. Raises Refusal for what is no span of `count`."""
    match = _SPAN.fullmatch(text)
    first, last = (int(match[1]), int(match[2])) if match else (0, 0)
    if first < 1 or last > count or last - first + 1 < LEAST_PIXELS:
        raise Refusal(
            f'"{text.strip()[:40]}" is no part of {count} pixels.',
            f"Write the first and the last, such as 1-{count}, {LEAST_PIXELS} apart at least.",
        )
    return first, last
