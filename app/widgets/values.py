"""Rows of numbers: a name at the left, the value with its unit at the right, its range in smaller text."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from app.style import theme
from app.widgets.painting import painting
from app.widgets.text import label, say


class ValueRow(QWidget):
    """`Leak covered   98 % (81-100)`."""

    def __init__(self, name: str, value: str = "", span: str = "", hint: str = "") -> None:
        super().__init__()
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(5)
        self._name = label(name, "muted", wrap=False)
        self._value = label(role="number", wrap=False)
        self._span = label(role="small", wrap=False)
        line.addWidget(self._name)
        line.addStretch(1)
        line.addWidget(self._value)
        line.addWidget(self._span)
        self.setToolTip(hint)
        self.put(value, span)

    def put(self, value: str, span: str = "") -> None:
        """Show a value and its range."""
        say(self._value, value)
        say(self._span, span)
        self.setAccessibleName(f"{self._name.text()}: {value} {span}".strip())


class ClearanceRow(QWidget):
    """One structure's clearance: name, a bar against its limit, the value; "not checked" as loud as a bad value.

    value_mm None: not checked. The bar is full at three times the limit, amber near it, red with a cross below it; a tick marks the limit.
    """

    _NAME, _VALUE = 0.40, 0.27

    def __init__(self, name: str, value_mm: float | None, limit_mm: float | None) -> None:
        super().__init__()
        self._name, self._value_mm, self._limit_mm = name, value_mm, limit_mm
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        limit = f", at least {limit_mm:.1f} mm asked" if limit_mm is not None else ""
        self.setAccessibleName(f"{name}: {self.words}{limit}")
        self.setToolTip(f"{name}: {self.words}{limit}")

    @property
    def words(self) -> str:
        """The value as text."""
        if self._value_mm is None:
            return "not checked"
        return f"{self._value_mm:.1f} mm" if self._value_mm < 10 else f"{self._value_mm:.0f} mm"

    @property
    def _meaning(self) -> str:
        if self._value_mm is None:
            return "caution"
        if self._limit_mm is None:
            return "good"
        if self._value_mm < self._limit_mm:
            return "bad"
        return "caution" if self._value_mm < 1.5 * self._limit_mm else "good"

    def sizeHint(self) -> QSize:
        return QSize(200, round(self.fontMetrics().height() * 1.25))

    def paintEvent(self, event: QPaintEvent) -> None:
        with painting(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        look = theme()
        width, height = self.width(), self.height()
        left = round(width * self._NAME)
        bar_width = round(width * (1 - self._NAME - self._VALUE))
        vertical = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(look.colour("muted"))
        name = self.fontMetrics().elidedText(self._name, Qt.TextElideMode.ElideRight, left - 6)
        painter.drawText(QRectF(0, 0, left, height), int(Qt.AlignmentFlag.AlignLeft | vertical), name)
        meaning = self._meaning
        if self._value_mm is None:
            painter.setPen(look.colour("caution"))
            painter.drawText(QRectF(left, 0, width - left, height), int(Qt.AlignmentFlag.AlignLeft | vertical), "△ not checked")
            return
        ground = QRectF(left, height / 2 - 2.5, bar_width, 5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.colour("edge"))
        painter.drawRoundedRect(ground, 2.5, 2.5)
        full = 3 * self._limit_mm if self._limit_mm else max(self._value_mm, 1e-6)
        share = min(1.0, max(0.03, self._value_mm / full))
        painter.setBrush(look.colour(meaning))
        painter.drawRoundedRect(QRectF(ground.left(), ground.top(), ground.width() * share, ground.height()), 2.5, 2.5)
        if self._limit_mm:
            painter.setBrush(look.colour("text"))
            painter.drawRect(QRectF(ground.left() + ground.width() / 3 - 0.5, ground.top() - 2, 1.2, ground.height() + 4))
        painter.setPen(look.colour("bad" if meaning == "bad" else "text"))
        words = f"× {self.words}" if meaning == "bad" else self.words
        painter.drawText(QRectF(left + bar_width, 0, width - left - bar_width, height), int(Qt.AlignmentFlag.AlignRight | vertical), words)
