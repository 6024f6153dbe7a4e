"""Paper: text, figures, tables and pictures that flow down pages of one size. Lengths are points; without a painter it only measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPen, QPolygonF, QTextLayout, QTextOption

from app.report.fonts import FAMILY
from app.report.sheet import Figure, Graph, Picture, Row, Table

INK, GREY, LINE, PALE = "#14181d", "#5d6875", "#d5dae0", "#fdf5e8"
BAND, CURVE = "#cfe3f6", "#1f6fb5"
TONES = {"": INK, "good": INK, "caution": "#9a5b00", "bad": "#b3261e"}
MARGIN = 30.0
_FOOT_HEIGHT = 20.0
_CELL = 3.0


@dataclass(frozen=True)
class Style:
    """How text looks: size in points, weight, colour, capitals with space between."""

    size: float
    bold: bool = False
    colour: str = INK
    spaced: bool = False
    right: bool = False


BODY, SMALL, HEADING = Style(8.3), Style(7.3, colour=GREY), Style(7.6, True, GREY, spaced=True)
VALUE, TITLE = Style(12.2, True), Style(16.0, True)


class Flow:
    """A cursor that goes down the page and on to the next. painter None: measure only. turn_page: begins the next page."""

    def __init__(self, painter: QPainter | None, width: float, height: float, scale: float, turn_page: Callable[[], None]) -> None:
        self.painter, self._turn_page = painter, turn_page
        self._page, self._page_scale = (width, height), scale
        self.shrink(1.0)
        self.left, self.y, self.pages = MARGIN, MARGIN, 1
        self.foot: Callable[[Flow], None] = lambda flow: None

    # ---- pages ----

    def shrink(self, share: float) -> None:
        """Draw everything from here on at this share of its size, on a page that holds as much more. Call it at the head of a page."""
        width, height = self._page
        self.scale = self._page_scale * share
        self.width, self.height = width / share - 2 * MARGIN, height / share

    @property
    def bottom(self) -> float:
        """Where the foot begins."""
        return self.height - MARGIN - _FOOT_HEIGHT

    def need(self, height: float) -> None:
        """Turn the page unless this much room is left on it."""
        if self.y + height > self.bottom and self.y > MARGIN:
            self.new_page()

    def new_page(self) -> None:
        """End this page with its foot and begin the next."""
        self.foot(self)
        self._turn_page()
        self.pages += 1
        self.y = MARGIN

    # ---- text ----

    def text(self, words: str, style: Style, left: float, top: float, width: float, draw: bool = True) -> float:
        """Draw words in a column; their height."""
        font = QFont(FAMILY)
        font.setPixelSize(max(1, round(style.size * self.scale)))
        font.setWeight(QFont.Weight.DemiBold if style.bold else QFont.Weight.Normal)
        font.setFeature(QFont.Tag("calt"), 0)  # glyphs that only a feature reaches cannot be searched or copied from a PDF
        if style.spaced:
            font.setLetterSpacing(QFont.SpacingType.PercentageSpacing, 108)
            words = words.upper()
        layout = QTextLayout(words, font)
        option = QTextOption(Qt.AlignmentFlag.AlignRight if style.right else Qt.AlignmentFlag.AlignLeft)
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        layout.beginLayout()
        at = 0.0
        while True:
            line = layout.createLine()
            if not line.isValid():
                break
            line.setLineWidth(width * self.scale)
            line.setPosition(QPointF(0, at))
            at += line.height() * 1.08
        layout.endLayout()
        if draw and self.painter is not None:
            self.painter.setPen(QColor(style.colour))
            layout.draw(self.painter, QPointF(left * self.scale, top * self.scale))
        return at / self.scale

    def measure(self, words: str, style: Style, width: float) -> float:
        """The height of words in a column."""
        return self.text(words, style, 0, 0, width, draw=False) if words else 0.0

    def paragraph(self, words: str, style: Style = BODY, bullet: str = "", gap: float = 2.5) -> None:
        """A paragraph across the page, with a bullet hanging before it."""
        indent = 11.0 if bullet else 0.0
        self.need(self.measure(words, style, self.width - indent))
        if bullet:
            self.text(bullet, style, self.left, self.y, indent)
        self.y += self.text(words, style, self.left + indent, self.y, self.width - indent) + gap

    def heading(self, words: str, room: float = 40.0) -> None:
        """A heading with its rule, kept together with `room` points of what follows."""
        self.need(24 + room)
        self.y += 6
        self.y += self.text(words, HEADING, self.left, self.y, self.width) + 3
        self.rule(self.y)
        self.y += 4

    def rule(self, y: float, colour: str = LINE) -> None:
        """A line across the page."""
        if self.painter is not None:
            self.painter.setPen(QPen(QColor(colour), max(1.0, 0.6 * self.scale)))
            self.painter.drawLine(
                QPointF(self.left * self.scale, y * self.scale), QPointF((self.left + self.width) * self.scale, y * self.scale)
            )

    def box(self, left: float, top: float, width: float, height: float, colour: str) -> None:
        """A filled box."""
        if self.painter is not None:
            self.painter.fillRect(QRectF(left * self.scale, top * self.scale, width * self.scale, height * self.scale), QColor(colour))

    # ---- blocks ----

    def figures(self, figures: Sequence[Figure], columns: int = 4) -> None:
        """Figures in rows: label, value, note."""
        gap = 10.0
        width = (self.width - gap * (columns - 1)) / columns
        for start in range(0, len(figures), columns):
            line = figures[start : start + columns]
            label = max(self.measure(figure.label, SMALL, width) for figure in line)
            value = max(self.measure(figure.value, VALUE, width) for figure in line)
            note = max(self.measure(figure.note, SMALL, width) for figure in line)
            self.need(label + value + note + 4)
            for n, figure in enumerate(line):
                left = self.left + n * (width + gap)
                self.text(figure.label, SMALL, left, self.y, width)
                self.text(figure.value, VALUE, left, self.y + label, width)
                self.text(figure.note, SMALL, left, self.y + label + value, width)
            self.y += label + value + note + 5

    def pictures(self, pictures: Sequence[Picture], columns: int = 2) -> None:
        """Pictures beside each other; each says in itself what it shows."""
        gap = 6.0
        width = (self.width - gap * (columns - 1)) / columns
        for start in range(0, len(pictures), columns):
            line = pictures[start : start + columns]
            height = max(width * picture.height_px / picture.width_px for picture in line)
            self.need(height + gap)
            for n, picture in enumerate(line):
                left = self.left + n * (width + gap)
                if self.painter is not None:
                    image = QImage.fromData(picture.png)
                    place = QRectF(left, self.y, width, width * picture.height_px / picture.width_px)
                    self.painter.drawImage(QRectF(place.topLeft() * self.scale, place.size() * self.scale), image)
            self.y += height + gap

    def table(self, table: Table, style: Style, pick: bool = False) -> None:
        """A table; its head is said again on every page that it runs over. pick: rows that are good are the ones to look at."""
        self._head(table)
        for row in table.rows:
            height = self._row(table, row, style, pick, draw=False)
            if self.y + height > self.bottom:
                self.new_page()
                self._head(table)
            self._row(table, row, style, pick)
            self.y += height

    def _head(self, table: Table) -> None:
        columns = [share * self.width for share in table.widths]
        height = max(self.measure(words, SMALL, width - 2 * _CELL) for words, width in zip(table.head, columns))
        self.need(height + 30)
        left = self.left
        for words, width in zip(table.head, columns):
            self.text(words, SMALL, left + _CELL, self.y, width - 2 * _CELL)
            left += width
        self.y += height + 2

    def _row(self, table: Table, row: Row, style: Style, pick: bool, draw: bool = True) -> float:
        """Draw a row, or only measure it; a row of fewer cells than the head lets its last one run to the end."""
        columns = [share * self.width for share in table.widths]
        if len(row.cells) < len(columns):
            columns = [*columns[: len(row.cells) - 1], sum(columns[len(row.cells) - 1 :])]
        if draw:
            self.rule(self.y)
        left, tallest = self.left, 0.0
        for n, (words, width) in enumerate(zip(row.cells, columns)):
            marked = (n > 0 and row.tone in ("caution", "bad")) or (pick and row.tone == "good")
            look = Style(style.size, marked, TONES[row.tone] if n > 0 else INK)
            tallest = max(tallest, self.text(words, look, left + _CELL, self.y + 1.7, width - 2 * _CELL, draw) if words else 0.0)
            left += width
        return tallest + 3.4

    def graph(self, graph: Graph, height: float = 120.0) -> None:
        """Cover against volume: band, median, planned total."""
        self.need(height + 20)
        self.text(f"{graph.title}: median, and 10th to 90th percentile", SMALL, self.left, self.y, self.width)
        top, bottom = self.y + 17, self.y + height - 12
        left, right = self.left + 30, self.left + self.width - 8
        most_ml = max(point[0] for point in graph.points)

        def at(ml: float, share: float) -> QPointF:
            return QPointF(left + (right - left) * ml / most_ml, bottom - (bottom - top) * share) * self.scale

        for share in (0.0, 0.5, 1.0):
            self.text(f"{100 * share:.0f} %", Style(7.0, colour=GREY, right=True), self.left, at(0, share).y() / self.scale - 5, 26)
        for ml in range(0, int(most_ml) + 1, 5):
            self.text(f"{ml:g}", Style(7.0, colour=GREY), at(ml, 0).x() / self.scale - 3, bottom + 3, 40)
        self.text("mL in all", Style(7.0, colour=GREY, right=True), right - 80, bottom + 11, 80)
        dose = at(min(graph.dose_ml, most_ml), 0)
        if self.painter is not None:
            self.painter.setPen(QPen(QColor(LINE), 0.6 * self.scale))
            for share in (0.0, 0.5, 1.0):
                self.painter.drawLine(at(0, share), at(most_ml, share))
            self.painter.setPen(Qt.PenStyle.NoPen)
            self.painter.setBrush(QColor(BAND))
            edge = [at(ml, high) for ml, _, _, high in graph.points] + [at(ml, low) for ml, low, _, _ in reversed(graph.points)]
            self.painter.drawPolygon(QPolygonF(edge))
            self.painter.setBrush(Qt.BrushStyle.NoBrush)
            self.painter.setPen(QPen(QColor(CURVE), 1.5 * self.scale))
            self.painter.drawPolyline(QPolygonF([at(ml, median) for ml, _, median, _ in graph.points]))
            self.painter.setPen(QPen(QColor(INK), 0.8 * self.scale, Qt.PenStyle.DashLine))
            self.painter.drawLine(dose, QPointF(dose.x(), top * self.scale))
        said = f"{graph.dose_ml:.1f}".removesuffix(".0") + " mL planned"
        self.text(said, Style(7.6, True), dose.x() / self.scale + 4, bottom - 13, 90)
        self.y += height + 10
