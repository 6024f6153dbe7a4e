"""The top bar: what is open, undo and redo by name, window presets, views, projector, every command. And the notice under it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QSizePolicy, QWidget

from app.commands import Command
from app.widgets.text import button, label

if TYPE_CHECKING:
    from app.session import Session

_UNDO_WIDTH = 250


class Topbar(QWidget):
    """Quiet buttons; menus are filled when they open."""

    def __init__(self, commands: Callable[[], Sequence[Command]]) -> None:
        super().__init__()
        self._commands = commands
        self.setObjectName("topbar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        line = QHBoxLayout(self)
        line.setContentsMargins(14, 5, 10, 5)
        line.setSpacing(7)
        self._case = _Elided("What is open")
        self.undo = button("↶", lambda: self._run("Undo"), name="Undo")
        self.redo = button("↷", lambda: self._run("Redo"), name="Redo")
        menu = self._menu("☰", "Menu", ("File", "Edit", "Stations", "Window"))
        presets = self._menu("Window ▾", "Window presets", ("Window preset",))
        self._presets = presets
        views = self._menu("Views ▾", "Views", ("Views",))
        projector = button("Projector", lambda: self._run("Projector theme"), hint="F5")
        find = button("Find a command  Ctrl+K", lambda: self._run("Find a command"), name="Find a command")
        line.addWidget(menu)
        line.addWidget(label("Duraplan", "brand", wrap=False))
        line.addWidget(self._case, 1)
        for one in (self.undo, self.redo, presets, views, projector, find):
            line.addWidget(one)
        self._projector = projector
        projector.setCheckable(True)

    def show_case(self, words: str) -> None:
        """What is open, in words."""
        self._case.setText(words)
        self._case.setToolTip(words)

    def show_window(self, words: str) -> None:
        """Which window preset is on, or its numbers."""
        self._presets.setText(f"Window: {words} ▾")

    def show_state(self, projector: bool) -> None:
        """Undo and redo with the names of their acts; nothing to press where nothing can be done."""
        self._projector.setChecked(projector)
        for shown, sign, name in ((self.undo, "↶", "Undo"), (self.redo, "↷", "Redo")):
            command = self._find(name)
            words = command.words if command is not None else name
            full = f"{sign} {words}" if name == "Undo" else sign
            shown.setText(shown.fontMetrics().elidedText(full, Qt.TextElideMode.ElideRight, _UNDO_WIDTH))
            shown.setAccessibleName(words)
            shown.setToolTip(f"{words}  {command.keys}" if command is not None else words)
            shown.setEnabled(command is not None and command.enabled())

    def _menu(self, text: str, name: str, groups: Sequence[str]) -> QPushButton:
        made = QPushButton(text)
        made.setAccessibleName(name)
        menu = QMenu(made)
        menu.setAccessibleName(name)
        menu.aboutToShow.connect(lambda: self._fill(menu, groups))
        made.setMenu(menu)
        return made

    def _fill(self, menu: QMenu, groups: Sequence[str]) -> None:
        menu.clear()
        for group in groups:
            if not menu.isEmpty():
                menu.addSeparator()
            for command in self._commands():
                if command.group == group:
                    action = QAction(f"{command.words}\t{command.keys}" if command.keys else command.words, menu)
                    action.setEnabled(command.enabled())
                    action.triggered.connect(partial(self._act, command))
                    menu.addAction(action)

    def _act(self, command: Command, _on: bool = False) -> None:
        command.act()

    def _find(self, name: str) -> Command | None:
        return next((one for one in self._commands() if one.name == name), None)

    def _run(self, name: str) -> None:
        command = self._find(name)
        if command is not None and command.enabled():
            command.act()


class _Elided(QLabel):
    """A line of quiet text that ends in an ellipsis where there is no room for it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setProperty("role", "muted")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(60)

    def paintEvent(self, event: QPaintEvent) -> None:
        words = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        flags = int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
        with QPainter(self) as painter:
            self.style().drawItemText(painter, self.rect(), flags, self.palette(), True, words, self.foregroundRole())


def case_words(session: Session) -> str:
    """What is open: the example or the series, its modality and its spacing."""
    series = session.series
    if series is None:
        return "Nothing is open" if session.scan.state != "running" else session.scan.what
    what = "Example case, a phantom" if session.case.scan is not None and session.case.scan.example else series.description or "Scan"
    return f"{what} · {series.modality}, {max(series.spacing_mm):.2g} mm"


class Notice(QWidget):
    """A bar under the top bar for what the user should know and may answer; it waits and blocks nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("notice")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._line = QHBoxLayout(self)
        self._line.setContentsMargins(14, 6, 10, 6)
        self._words = label("", name="Notice")
        self._line.addWidget(self._words, 1)
        self._buttons: list[QPushButton] = []
        self.hide()

    def say(self, words: str, answers: Sequence[tuple[str, Callable[[], object]]]) -> None:
        """Show a sentence with its answers; any answer takes the bar away first."""
        self.leave()
        self._words.setText(words)
        self._words.setAccessibleDescription(words)
        for text, act in answers:
            one = button(text, partial(self._answer, act))
            self._buttons.append(one)
            self._line.addWidget(one)
        self.show()

    def _answer(self, act: Callable[[], object]) -> None:
        self.leave()
        act()

    def leave(self) -> None:
        """Take it away."""
        for one in self._buttons:
            self._line.removeWidget(one)
            one.deleteLater()
        self._buttons.clear()
        self.hide()
