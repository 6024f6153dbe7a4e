"""Labels and buttons with a role, which the stylesheet dresses, and a name, which tests and screen readers read."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget


def label(text: str = "", role: str = "", wrap: bool = True, name: str = "") -> QLabel:
    """A line or a paragraph of plain text."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wrap)
    if role:
        made.setProperty("role", role)
    if name:
        made.setAccessibleName(name)
    if wrap:
        made.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    return made


class Elided(QLabel):
    """A line of text that has shorter words for where it has no room; its tooltip then says all of it."""

    def __init__(self, name: str, at_right: bool = False) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", "muted")
        self.setAccessibleName(name)
        self.setAlignment(Qt.AlignmentFlag.AlignVCenter | (Qt.AlignmentFlag.AlignRight if at_right else Qt.AlignmentFlag.AlignLeft))
        self._short = ""

    def say(self, text: str, short: str = "") -> None:
        """Show a text. short: the words that must have room in any case; all of the text unless given."""
        self._short = short or text
        self.setText(text)

    def minimumSizeHint(self) -> QSize:
        """Room for the short words."""
        return QSize(self.fontMetrics().horizontalAdvance(self._short) + 2, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """All of the text, or the short words."""
        fits = self.fontMetrics().horizontalAdvance(self.text()) <= self.width()
        self.setToolTip("" if fits else self.text())
        with QPainter(self) as painter:
            words, at = self.text() if fits else self._short, self.alignment()
            self.style().drawItemText(painter, self.rect(), at, self.palette(), self.isEnabled(), words, self.foregroundRole())


def button(text: str, act: Callable[[], object], role: str = "", name: str = "", hint: str = "", icon: QIcon | None = None) -> QPushButton:
    """A button; its accessible name is its text unless `name` says more."""
    made = QPushButton(text)
    if icon is not None:
        made.setIcon(icon)
    if role:
        made.setProperty("role", role)
    made.setAccessibleName(name or text)
    made.setToolTip(hint)
    made.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    made.clicked.connect(lambda _checked=False: act())
    return made


def dress(widget: QWidget, role: str) -> None:
    """Change the role of a widget that is on screen."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def say(target: QLabel, text: str) -> None:
    """Show a text, and nothing where it is empty."""
    if target.text() != text:
        target.setText(text)
    target.setVisible(bool(text))


class Card(QFrame):
    """A framed group with a column of widgets."""

    def __init__(self, role: str = "card", name: str = "") -> None:
        super().__init__()
        self.setProperty("role", role)
        if name:
            self.setAccessibleName(name)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(11, 9, 11, 9)
        self.column.setSpacing(5)

    def add(self, *widgets: QWidget) -> Card:
        """Append widgets to the column."""
        for widget in widgets:
            self.column.addWidget(widget)
        return self


def row(*widgets: QWidget | None, spacing: int = 6) -> QWidget:
    """Widgets side by side; None is a stretch."""
    made = QWidget()
    line = QHBoxLayout(made)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(spacing)
    for widget in widgets:
        if widget is None:
            line.addStretch(1)
        else:
            line.addWidget(widget)
    return made
