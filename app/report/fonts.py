"""The sheet's letters: Inter, which comes with the program, so that paper and screen look alike everywhere."""

from __future__ import annotations

from PySide6.QtGui import QFontDatabase, QGuiApplication

from planner.evidence import RESOURCES

FAMILY = "Inter"
_kept: list[QGuiApplication] = []


def ready_to_paint() -> None:
    """Text needs a QGuiApplication, and its fonts: made here where the program runs without a window."""
    if QGuiApplication.instance() is None:
        _kept.append(QGuiApplication(["duraplan"]))  # it lives as long as the program
    if FAMILY not in QFontDatabase.families():
        for path in sorted((RESOURCES / "fonts").glob("*.otf")):
            QFontDatabase.addApplicationFont(str(path))
