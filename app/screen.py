"""The screen: whether there is one, and which window has the keyboard. Qt aborts where there is no screen, so it is not imported here."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QDialog, QWidget

NO_SCREEN = "There is no screen: neither DISPLAY nor WAYLAND_DISPLAY is set. Use the verbs (--help names them), or start under xvfb-run."


def has_screen() -> bool:
    """Whether a window can be shown at all."""
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def put_in_front(window: QWidget) -> None:
    """Show a window, no larger than its owner, and give it the keyboard. A window manager does that unasked; without one no window is
    active, and no shortcut acts."""
    owner = window.parentWidget()
    if owner is not None and not window.isVisible():
        window.resize(window.size().boundedTo(owner.window().size()))
    window.show()
    window.activateWindow()


def ask(dialog: QDialog) -> int:
    """Hold the program up until a dialog is answered, and hand the keyboard back to the window that asked."""
    from PySide6.QtCore import QTimer

    QTimer.singleShot(0, dialog.activateWindow)
    answer = dialog.exec()
    owner = dialog.parentWidget()
    if owner is not None:
        owner.window().activateWindow()
    return answer
