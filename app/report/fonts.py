"""The sheet's letters: Inter, which comes with the program, so that paper and screen look alike everywhere."""

from __future__ import annotations

from PySide6.QtGui import QFont, QFontDatabase, QGuiApplication

from planner.evidence import RESOURCES

FAMILY = "Inter"
_kept: list[QGuiApplication] = []


def ready_to_paint() -> None:
    """Text needs a QGuiApplication, and its fonts: made here where the program runs without a window."""
    alone = QGuiApplication.instance() is None
    if alone:
        _kept.append(QGuiApplication(["duraplan"]))  # it lives as long as the program
    if FAMILY not in QFontDatabase.families():
        for path in sorted((RESOURCES / "fonts").glob("*.otf")):
            QFontDatabase.addApplicationFont(str(path))
    if alone:
        QGuiApplication.setFont(QFont(FAMILY))  # the viewer's pictures take the program's font
