"""The start of the program with its window."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QApplication

from app import errors
from app.recent import settings
from app.screen import put_in_front
from app.window import Window

_SIZE = (1440, 900)


def run(arguments: list[str]) -> int:
    """Open the window on the example, or on the path that follows the program's name in `arguments`; returns the exit code."""
    application = QApplication.instance() or QApplication(arguments[:1])
    assert isinstance(application, QApplication)
    application.setApplicationName("Duraplan")
    handler = errors.start_log()
    window = Window(Path(arguments[1]) if len(arguments) > 1 else None)
    restore = errors.catch(lambda _error: window.tell_of_bug())
    geometry = settings().value("geometry")
    if geometry is None or not window.restoreGeometry(geometry):
        window.resize(*_SIZE)
    put_in_front(window)
    code = application.exec()
    restore()
    errors.stop_log(handler)
    return code
