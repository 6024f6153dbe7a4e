"""The rail: the seven stations in the order of the work, each with its state."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from app.style import theme
from app.widgets.painting import painting

STATIONS = ("Scan", "Anatomy", "Leak", "Approach", "Needles", "Patch", "Report")
_MARK = 9.0


class StationButton(QPushButton):
    """One station: its mark, its name. The state is in the mark's shape, in its colour and in the accessible name."""

    def __init__(self, number: int, name: str) -> None:
        super().__init__(name)
        self._number, self._name = number, name
        self.state = "open"
        self.setCheckable(True)
        self.setToolTip(f"{name}  Alt+{number}")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.show_state("open", "open")

    def show_state(self, state: str, words: str) -> None:
        """Show a state: open, done, working, stale, refused."""
        self.state = state
        self.setAccessibleName(f"{self._name}, {words}")
        self.update()

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance("Approach") + 50, round(metrics.height() * 2.35))

    def minimumSizeHint(self) -> QSize:
        return QSize(self.sizeHint().width(), round(self.fontMetrics().height() * 1.7))

    def paintEvent(self, event: QPaintEvent) -> None:
        with painting(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        look = theme()
        chosen = self.isChecked()
        ground = QRectF(self.rect()).adjusted(5, 2, -5, -2)
        painter.setPen(Qt.PenStyle.NoPen)
        if chosen or self.underMouse():
            painter.setBrush(look.colour("chosen", 1.0 if chosen else 0.6))
            painter.drawRoundedRect(ground, 6, 6)
        if chosen:
            painter.setBrush(look.colour("accent"))
            painter.drawRoundedRect(QRectF(ground.left(), ground.top() + 5, 3, ground.height() - 10), 1.5, 1.5)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(look.colour("accent"), 1))
            painter.drawRoundedRect(ground, 6, 6)
        centre = QPointF(ground.left() + 16, ground.center().y())
        self._paint_mark(painter, centre, chosen)
        painter.setPen(look.colour("text" if chosen or self.state != "open" else "muted"))
        text = QRectF(centre.x() + 15, ground.top(), ground.right() - centre.x() - 15, ground.height())
        painter.drawText(text, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), self._name)

    def _paint_mark(self, painter: QPainter, centre: QPointF, chosen: bool) -> None:
        look = theme()
        meaning = {"done": "good", "stale": "caution", "refused": "bad", "working": "accent"}.get(
            self.state, "accent" if chosen else "muted"
        )
        colour = look.colour(meaning)
        filled = self.state in ("done", "refused")
        dashed = Qt.PenStyle.DashLine if self.state in ("working", "stale") else Qt.PenStyle.SolidLine
        painter.setPen(QPen(colour, 1.4, dashed))
        painter.setBrush(colour if filled else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(centre, _MARK, _MARK)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        stroke = QPen(look.colour("window"), 1.9, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        if self.state == "done":
            painter.setPen(stroke)
            painter.drawPolyline([centre + QPointF(-3.6, 0.2), centre + QPointF(-1.0, 3.0), centre + QPointF(3.8, -2.8)])
        elif self.state == "refused":
            painter.setPen(stroke)
            painter.drawLine(centre + QPointF(-3, -3), centre + QPointF(3, 3))
            painter.drawLine(centre + QPointF(-3, 3), centre + QPointF(3, -3))
        else:
            small = painter.font()
            before = painter.font()
            small.setPixelSize(11)
            painter.setFont(small)
            painter.setPen(colour)
            sign = "…" if self.state == "working" else "↻" if self.state == "stale" else str(self._number)
            painter.drawText(QRectF(centre.x() - 9, centre.y() - 9, 18, 18), int(Qt.AlignmentFlag.AlignCenter), sign)
            painter.setFont(before)


class Rail(QWidget):
    """All seven; `wanted` says which one was clicked."""

    wanted = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("rail")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Stations")
        column = QVBoxLayout(self)
        column.setContentsMargins(3, 8, 3, 8)
        column.setSpacing(1)
        self.buttons = [StationButton(n + 1, name) for n, name in enumerate(STATIONS)]
        for index, one in enumerate(self.buttons):
            one.clicked.connect(lambda _on=False, index=index: self.wanted.emit(index))
            column.addWidget(one)
        column.addStretch(1)

    def show_stations(self, current: int, states: Sequence[tuple[str, str]]) -> None:
        """Which station is open, and (state, words) of each."""
        for index, (one, (state, words)) in enumerate(zip(self.buttons, states)):
            one.setChecked(index == current)
            one.show_state(state, words)
