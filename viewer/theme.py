"""The colours and strokes of a theme, read from resources/colours.json: one colour, one meaning, and a shape that repeats it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QColor, QFont, QPen

from planner.evidence import RESOURCES

ThemeName = Literal["dark", "light", "projector"]
THEMES: tuple[ThemeName, ...] = ("dark", "light", "projector")


@dataclass(frozen=True)
class Theme:
    """Colours by meaning ("needle", "view name", "text", ...) as #rrggbb, the width of lines and the size of text in logical pixels."""

    name: ThemeName
    colours: Mapping[str, str]
    line: float
    text_px: int
    letters_px: int

    def colour(self, meaning: str, opacity: float = 1.0) -> QColor:
        """The colour of a meaning. Raises KeyError for a meaning that the file does not know."""
        colour = QColor(self.colours[meaning])
        colour.setAlphaF(opacity)
        return colour

    def rgb(self, meaning: str) -> tuple[float, float, float]:
        """The colour of a meaning as three shares, 0..1."""
        colour = self.colour(meaning)
        return colour.redF(), colour.greenF(), colour.blueF()

    def pen(self, meaning: str, width: float = 1.0, opacity: float = 1.0, dashes: tuple[float, ...] = ()) -> QPen:
        """A pen of logical pixels, as thick on a fine screen as on a coarse one.

        width in multiples of the theme's line, dashes in multiples of the pen.
        """
        pen = QPen(
            QBrush(self.colour(meaning, opacity)),
            width * self.line,
            Qt.PenStyle.SolidLine,
            Qt.PenCapStyle.RoundCap,
            Qt.PenJoinStyle.RoundJoin,
        )
        if dashes:
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            pen.setDashPattern(list(dashes))
        return pen

    def font(self, bold: bool = False, scale: float = 1.0) -> QFont:
        """The text of a view."""
        font = QFont()
        font.setPixelSize(max(8, round(self.text_px * scale)))
        font.setBold(bold)
        font.setStyleStrategy(QFont.StyleStrategy.NoSubpixelAntialias)  # no coloured fringes on a grey picture
        return font


@cache
def _file() -> Any:
    return json.loads((RESOURCES / "colours.json").read_text("utf-8"))


@cache
def theme(name: ThemeName = "dark") -> Theme:
    """A theme by its name."""
    strokes = _file()["strokes"][name]
    colours = {meaning: entry[name] for meaning, entry in _file()["meanings"].items()}
    return Theme(name, colours, float(strokes["line"]), int(strokes["text_px"]), int(strokes["letters_px"]))


def sign(meaning: str) -> str:
    """The shape or line style that says the same as the colour, for a legend."""
    return str(_file()["meanings"][meaning]["sign"])
