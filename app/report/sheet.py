"""The plan sheet as a value: every word and number on it, formatted. HTML and PDF are drawn from it and decide nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["", "good", "caution", "bad"]


@dataclass(frozen=True)
class Figure:
    """A number to read from across the room: `Skin to target`, `96 mm`, and what stands small beside or below it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table. tone colours its mark; words repeat what the colour says."""

    cells: tuple[str, ...]
    tone: Tone = ""


@dataclass(frozen=True)
class Table:
    """A table; widths are shares of the page."""

    head: tuple[str, ...]
    widths: tuple[float, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Picture:
    """A picture at print size, as PNG."""

    caption: str
    png: bytes
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Graph:
    """Cover against volume: (mL, low, median, high) in 0..1, rising mL; dose_ml is the planned total."""

    title: str
    points: tuple[tuple[float, float, float, float], ...]
    dose_ml: float


@dataclass(frozen=True)
class Card:
    """One needle, one page: what the room needs to know about it.

    badge: `Needle 1 of 2`, or "" where there is one. figures: the room card. checks: structures and rules. patch_title names what the
    patch figures are of.
    """

    badge: str
    title: str
    subtitle: str
    cautions: tuple[str, ...]
    room_title: str
    figures: tuple[Figure, ...]
    pictures: tuple[Picture, ...]
    checks: Table | None
    checks_note: str
    patch_title: str
    patch: tuple[Figure, ...]
    in_the_room: tuple[str, ...]
    questions: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A part of the pages behind the cards."""

    title: str
    paragraphs: tuple[str, ...] = ()
    table: Table | None = None
    graph: Graph | None = None
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """The whole sheet. patient: what is printed in place of blank lines, only where a person asked for it. watermark: "Phantom" or "".
    levels: what the names of the levels rest on, which stands on every page."""

    title: str
    watermark: str
    patient: str
    cards: tuple[Card, ...]
    sections: tuple[Section, ...]
    foot: str
    levels: str = ""
