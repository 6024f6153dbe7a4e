"""Work where it happens: what is being done, how far, and a way to stop it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from app.widgets.text import button, label, row, say


class ProgressRow(QWidget):
    """A line of text, a bar and Cancel; hidden while nothing runs."""

    def __init__(self, name: str, cancel: Callable[[], object] | None = None) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 2, 0, 2)
        column.setSpacing(5)
        self._name = name
        self._what = label(role="muted")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 1000)
        self._bar.setAccessibleName(f"{name}, progress")
        self._cancel = button("Cancel", cancel, name=f"Cancel {name}") if cancel else None
        column.addWidget(self._what)
        column.addWidget(row(self._bar, self._cancel) if self._cancel else self._bar)
        self.hide()

    def put(self, running: bool, share: float, what: str) -> None:
        """Show how far the work is. A share of 0 without words moves to and fro."""
        say(self._what, what or self._name)
        if running:
            self._bar.setRange(0, 1000 if share > 0 else 0)
            self._bar.setValue(round(1000 * share))
        self.setVisible(running)
