"""Ctrl+K: every command by a few letters of its name. And F1: what keys and mouse do. Both lie over the window and block nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLineEdit, QListWidget, QListWidgetItem, QScrollArea, QVBoxLayout, QWidget

from app.widgets.text import button, label, row

if TYPE_CHECKING:
    from app.commands import Command

_WIDTH, _MOST_HEIGHT = 520, 430


class Overlay(QFrame):
    """A card over the middle of its parent, near the top; Esc leaves it and gives the focus back."""

    def __init__(self, parent: QWidget, name: str) -> None:
        super().__init__(parent)
        self._over = parent
        self.setObjectName("overlay")
        self.setAccessibleName(name)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(12, 12, 12, 12)
        self.column.setSpacing(8)
        self._before: QWidget | None = None
        parent.installEventFilter(self)
        self.hide()

    def place(self) -> None:
        """Put it where it belongs in the window."""
        parent = self._over
        width = min(_WIDTH, parent.width() - 40)
        height = min(_MOST_HEIGHT, parent.height() - 80)
        self.setGeometry((parent.width() - width) // 2, 56, width, height)

    def appear(self) -> None:
        """Show it and take the focus."""
        self._before = self.window().focusWidget()
        self.place()
        self.show()
        self.raise_()

    def vanish(self) -> None:
        """Hide it and give the focus back."""
        self.hide()
        if self._before is not None and self._before.isVisible():
            self._before.setFocus()
        self._before = None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self.place()
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys stay in the card: none of them reaches the window behind it."""
        if event.key() == Qt.Key.Key_Escape:
            self.vanish()
        event.accept()


class Palette(Overlay):
    """Type, pick, Enter."""

    def __init__(self, parent: QWidget, all_commands: Callable[[], Sequence[Command]]) -> None:
        super().__init__(parent, "Find a command")
        self._all = all_commands
        self._field = QLineEdit()
        self._field.setPlaceholderText("Find a command")
        self._field.setAccessibleName("Command to find")
        self._list = QListWidget()
        self._list.setAccessibleName("Commands found")
        self._list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.column.addWidget(self._field)
        self.column.addWidget(self._list)
        self._field.textChanged.connect(self._search)
        self._field.returnPressed.connect(self._run)
        self._list.itemClicked.connect(lambda _item: self._run())
        self._field.installEventFilter(self)
        self._found: list[Command] = []

    def appear(self) -> None:
        self._field.clear()
        self._search("")
        super().appear()
        self._field.setFocus()

    def _search(self, text: str) -> None:
        words = text.lower().split()
        self._found = [one for one in self._all() if one.enabled() and all(word in one.words.lower() for word in words)]
        self._list.clear()
        for one in self._found:
            item = QListWidgetItem(f"{one.words}    {one.keys}" if one.keys else one.words)
            self._list.addItem(item)
        self._list.setCurrentRow(0)

    def _run(self) -> None:
        place = self._list.currentRow()
        if 0 <= place < len(self._found):
            chosen = self._found[place]
            self.vanish()
            chosen.act()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
            if step is not None and self._found:
                self._list.setCurrentRow((self._list.currentRow() + step) % len(self._found))
                return True
        return super().eventFilter(watched, event)


class Help(Overlay):
    """What keys and mouse do."""

    def __init__(self, parent: QWidget, all_commands: Callable[[], Sequence[Command]], hands: Sequence[tuple[str, str]]) -> None:
        super().__init__(parent, "Help: keys and mouse")
        self._all, self._hands = all_commands, hands
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setAccessibleName("Keys and mouse")
        self._close = button("Close", self.vanish, name="Close the help")
        self.column.addWidget(row(label("Keys and mouse", "title", wrap=False), None, self._close))
        self.column.addWidget(self._scroll)

    def appear(self) -> None:
        inside = QWidget()
        inside.setObjectName("body")
        grid = QGridLayout(inside)
        grid.setColumnStretch(1, 1)
        grid.setVerticalSpacing(4)
        lines = [("In a view", "")] + list(self._hands)
        for group in dict.fromkeys(one.group for one in self._all()):
            lines.append((group, ""))
            lines += [(one.name, one.keys) for one in self._all() if one.group == group and one.keys]
        for line, (what, how) in enumerate(lines):
            grid.addWidget(label(what, "head" if not how else "", wrap=False), line, 0)
            grid.addWidget(label(how, "muted"), line, 1)
        self._scroll.setWidget(inside)
        super().appear()
        self._scroll.setFocus()
