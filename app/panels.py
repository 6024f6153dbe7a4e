"""Panels: the column beside the views, with one panel a station, made when its station is first opened."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from app import style
from app.rail import STATIONS
from app.widgets.text import label
from viewer.theme import ThemeName

if TYPE_CHECKING:
    from app.steps.panel import Panel

MODULES = tuple(f"app.steps.{station.lower()}" for station in STATIONS)
"""Where each station's panel is; imported behind the first paint."""


class Panels(QStackedWidget):
    """Shows that the program starts, until the first panel is opened. make: a panel of a kind for a station."""

    def __init__(self, make: Callable[[int, type[Panel]], Panel], theme: ThemeName) -> None:
        super().__init__()
        self._make = make
        self._made: dict[int, Panel] = {}
        self._open: Panel | None = None
        self.addWidget(_waiting())
        self.widen(theme)

    def open(self, station: int) -> None:
        """Show the panel of a station."""
        if station not in self._made:
            module = importlib.import_module(MODULES[station])
            panel = self._make(station, getattr(module, f"{STATIONS[station]}Panel"))
            panel.setFixedWidth(self._wide)
            self._made[station] = panel
            self.addWidget(panel)
        self._open = self._made[station]
        self.setCurrentWidget(self._open)

    def refresh(self) -> None:
        """Let the open panel follow the session."""
        if self._open is not None:
            self._open.refresh()

    @property
    def can_go_on(self) -> bool:
        """Whether the open panel offers the blue button."""
        return self._open is not None and self._open.can_go_on

    def widen(self, name: ThemeName) -> None:
        """Take the width of a theme."""
        self._wide = style.panel_width(name)
        for panel in self._made.values():
            panel.setFixedWidth(self._wide)
        self.setFixedWidth(self._wide)


def _waiting() -> QWidget:
    panel = QWidget()
    panel.setObjectName("panel")
    panel.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    column = QVBoxLayout(panel)
    column.setContentsMargins(14, 13, 14, 12)
    column.addWidget(label("Scan", "title"))
    column.addWidget(label("Starting", "lead"))
    column.addStretch(1)
    return panel
