"""A list to choose one from: a combo box that shows that it is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QComboBox, QSizePolicy

from app.style import theme
from app.widgets.painting import painting

V = TypeVar("V", bound=str)


class Choice(QComboBox):
    """Values with their words. The wheel scrolls the panel, not the choice."""

    def __init__(self, name: str, words: Mapping[V, str], chosen: V, choose: Callable[[V], object]) -> None:
        super().__init__()
        self.setAccessibleName(name)
        for value, text in words.items():
            self.addItem(text, value)
        self.setCurrentIndex(max(0, self.findData(chosen)))
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)  # the panel is narrow; the open list shows the whole words
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.activated.connect(lambda _index: choose(self.currentData()))

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        with painting(self) as painter:
            painter.setPen(QPen(theme().colour("muted"), 1.5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            tip = QPointF(self.width() - 14, self.height() / 2 + 2)
            painter.drawPolyline([tip + QPointF(-4, -4), tip, tip + QPointF(4, -4)])
