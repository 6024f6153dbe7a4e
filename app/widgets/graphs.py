"""Small painted graphs: a band against volume, fill along the canal, clearance along a needle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.style import theme
from planner.patch.forecast import Band


@dataclass(frozen=True)
class Mark:
    """A place on the horizontal axis with its words."""

    at: float
    words: str


class Graph(QWidget):
    """The ground, the axes and the scales that the graphs share."""

    def __init__(self, name: str, height: int) -> None:
        super().__init__()
        self._height = height
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._x_range = (0.0, 1.0)
        self._y_range = (0.0, 1.0)

    def sizeHint(self) -> QSize:
        return QSize(240, self._height)

    @property
    def _plot(self) -> QRectF:
        text = self._text_height
        return QRectF(10, text + 3, self.width() - 20, self.height() - 2 * text - 7)

    @property
    def _text_height(self) -> float:
        return self.fontMetrics().height() * 0.9

    def _at(self, x: float, y: float) -> QPointF:
        return self._points((x,), (y,))[0]

    def _points(self, xs: Iterable[float], ys: Iterable[float]) -> list[QPointF]:
        plot, (x0, x1), (y0, y1) = self._plot, self._x_range, self._y_range
        left, across = plot.left(), plot.width() / ((x1 - x0) or 1.0)
        bottom, up = plot.bottom(), plot.height() / ((y1 - y0) or 1.0)
        return [QPointF(left + across * (x - x0), bottom - up * (min(max(y, y0), y1) - y0)) for x, y in zip(xs, ys)]

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            self._ground(painter)
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        """What the graph shows, on its ground; of itself it is empty."""

    def _ground(self, painter: QPainter) -> None:
        look = theme()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.colour("field"))
        painter.drawRoundedRect(QRectF(self.rect()), 6, 6)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        small = self.font()
        small.setPixelSize(max(8, round(self.fontMetrics().height() * 0.62)))
        painter.setFont(small)
        painter.setPen(QPen(look.colour("edge"), 1))
        painter.drawLine(self._plot.bottomLeft(), self._plot.bottomRight())

    def _words(self, painter: QPainter, x: float, top: bool, words: str, meaning: str = "muted") -> None:
        """Text under (or over) a place of the horizontal axis, kept inside the widget."""
        painter.setPen(theme().colour(meaning))
        width = painter.fontMetrics().horizontalAdvance(words) + 2
        left = min(max(x - width / 2, 4.0), self.width() - width - 4)
        y = 2.0 if top else self._plot.bottom() + 2
        painter.drawText(QRectF(left, y, width, self._text_height), int(Qt.AlignmentFlag.AlignCenter), words)

    def _line(self, xs: Sequence[float], ys: Sequence[float]) -> QPainterPath:
        path = QPainterPath()
        path.addPolygon(QPolygonF(self._points(xs, ys)))
        return path

    def _area(self, xs: Sequence[float], low: Sequence[float], high: Sequence[float]) -> QPainterPath:
        path = QPainterPath()
        path.addPolygon(QPolygonF(self._points(xs, high) + self._points(reversed(xs), reversed(low))))
        path.closeSubpath()
        return path


class BandGraph(Graph):
    """A share against volume with its band; the volume of now as a dashed line with a dot. A click or an arrow key asks for a volume."""

    chosen = Signal(float)

    def __init__(self, name: str, height: int = 150) -> None:
        super().__init__(name, height)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._name = name
        self._ml: tuple[float, ...] = ()
        self._bands: tuple[Band, ...] = ()
        self._now = Band(0.0, 0.0, 0.0)
        self._now_ml = 0.0

    def put(self, ml: Sequence[float], bands: Sequence[Band]) -> None:
        """The curve: volumes in mL and the share at each."""
        self._ml, self._bands = tuple(ml), tuple(bands)
        self._x_range = (0.0, max(self._ml, default=1.0))
        self.update()

    def now(self, ml: float, band: Band) -> None:
        """The volume of now and the share there."""
        self._now_ml, self._now = ml, band
        low, median, high = (round(100 * part) for part in band)
        self.setAccessibleDescription(f"{self._name}: {median} % ({low} to {high}) at {ml:.1f} mL")
        self.update()

    def _paint(self, painter: QPainter) -> None:
        look = theme()
        if not self._ml:
            return
        xs = (0.0, *self._ml) if self._ml[0] > 0 else self._ml
        bands = (Band(0.0, 0.0, 0.0), *self._bands) if self._ml[0] > 0 else self._bands
        painter.setPen(QPen(look.colour("edge"), 1, Qt.PenStyle.DotLine))
        painter.drawLine(self._at(xs[0], 0.5), self._at(xs[-1], 0.5))
        painter.fillPath(self._area(xs, [b.low for b in bands], [b.high for b in bands]), look.colour("accent", 0.25))
        painter.setPen(QPen(look.colour("accent"), 2))
        painter.drawPath(self._line(xs, [b.median for b in bands]))
        here = self._at(self._now_ml, self._now.median)
        painter.setPen(QPen(look.colour("text"), 1.2, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(here.x(), self._plot.top()), QPointF(here.x(), self._plot.bottom()))
        painter.setBrush(look.colour("text"))
        painter.drawEllipse(here, 4, 4)
        self._words(painter, self._plot.left(), True, "100 %")
        now = f"{self._now_ml:.1f} mL"
        for end in (xs[0], xs[-1]):
            if abs(self._at(end, 0).x() - here.x()) > painter.fontMetrics().horizontalAdvance(now):
                self._words(painter, self._at(end, 0).x(), False, f"{end:g}")
        self._words(painter, here.x(), False, now, "text")
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(look.colour("accent"), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)

    def _ask(self, event: QMouseEvent) -> None:
        share = (event.position().x() - self._plot.left()) / max(1.0, self._plot.width())
        self.chosen.emit(min(max(share, 0.0), 1.0) * self._x_range[1])

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._ask(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._ask(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Left: -0.5, Qt.Key.Key_Right: 0.5}.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
        else:
            self.chosen.emit(min(max(self._now_ml + step, 0.0), self._x_range[1]))


class FillGraph(Graph):
    """How full each cross-section of the canal is, head at the left, with its band; levels named along the axis, leaks as rings."""

    def __init__(self, name: str, height: int = 112) -> None:
        super().__init__(name, height)
        self._s: tuple[float, ...] = ()
        self._low: tuple[float, ...] = ()
        self._median: tuple[float, ...] = ()
        self._high: tuple[float, ...] = ()
        self._levels: tuple[Mark, ...] = ()
        self._leaks: tuple[float, ...] = ()

    def put(
        self,
        s_mm: Sequence[float],
        low: Sequence[float],
        median: Sequence[float],
        high: Sequence[float],
        levels: Sequence[Mark],
        leaks_mm: Sequence[float],
    ) -> None:
        """Places along the canal in mm, shares filled there, names along it, leaks along it."""
        self._s, self._low, self._median, self._high = tuple(s_mm), tuple(low), tuple(median), tuple(high)
        self._levels, self._leaks = tuple(levels), tuple(leaks_mm)
        self._x_range = (self._s[0], self._s[-1]) if self._s else (0.0, 1.0)
        fullest = max(self._median, default=0.0)
        self.setAccessibleDescription(f"Fullest cross-section {round(100 * fullest)} % filled")
        self.update()

    def _paint(self, painter: QPainter) -> None:
        look = theme()
        if not self._s:
            return
        painter.fillPath(self._area(self._s, self._low, self._high), look.colour("patch", 0.25))
        painter.fillPath(self._area(self._s, [0.0] * len(self._s), self._median), look.colour("patch", 0.35))
        painter.setPen(QPen(look.colour("patch"), 1.6))
        painter.drawPath(self._line(self._s, self._median))
        self._words(painter, self._plot.left(), True, "100 % of the canal")
        free = -1.0
        for mark in self._levels:
            x = self._at(mark.at, 0).x()
            half = painter.fontMetrics().horizontalAdvance(mark.words) / 2 + 2
            if self._plot.left() <= x <= self._plot.right() and x - half > free:
                self._words(painter, x, False, mark.words)
                free = x + half
        painter.setPen(QPen(look.colour("leak"), 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for s in self._leaks:
            painter.drawEllipse(self._at(s, 0.0), 4, 4)


class ClearanceGraph(Graph):
    """The least clearance to any hazard along a needle, skin at the left, tip at the right; a
    round figure as a dashed line, for scale."""

    def __init__(self, depth_mm: Sequence[float], clearance_mm: Sequence[float], limit_mm: float, height: int = 74) -> None:
        super().__init__("Clearance along the needle", height)
        self._depth, self._clearance, self._limit = tuple(depth_mm), tuple(clearance_mm), limit_mm
        self._x_range = (0.0, max(self._depth, default=1.0))
        self._y_range = (0.0, max(4 * limit_mm, min(max(self._clearance, default=1.0), 20.0)))
        least = min(self._clearance, default=0.0)
        self.setAccessibleDescription(f"Least clearance {least:.1f} mm along {self._x_range[1]:.0f} mm")

    def _paint(self, painter: QPainter) -> None:
        look = theme()
        painter.setPen(QPen(look.colour("caution"), 1, Qt.PenStyle.DashLine))
        painter.drawLine(self._at(0, self._limit), self._at(self._x_range[1], self._limit))
        painter.setPen(QPen(look.colour("good"), 1.6))
        painter.drawPath(self._line(self._depth, self._clearance))
        self._words(painter, 0, True, f"clearance, 0 to {self._y_range[1]:.0f} mm; dashes at {self._limit:g} mm")
        self._words(painter, 0, False, "skin")
        self._words(painter, self.width(), False, "tip")
