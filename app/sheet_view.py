"""The plan sheet on screen: the very pages that are saved and printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from app.desk import Desk


class SheetView(QWidget):
    """Shows the sheet of the session's plan."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self.setAccessibleName("Plan sheet")

    def show_plan(self) -> None:
        """Show the plan of now."""

    def save(self, kind: str, path: Path) -> None:
        """Save it."""

    def print(self) -> None:
        """Print it."""

    def close_work(self) -> None:
        """Stop."""
