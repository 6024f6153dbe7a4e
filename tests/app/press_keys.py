"""Opens the window on a path and presses its keys; prints which of them acted. `python -m tests.app.press_keys PATH`."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable

from PySide6.QtCore import QEventLoop, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from app.start import run
from app.window import Window

_ALT, _CTRL = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ControlModifier
_LONG_S = 60.0
_Key = Qt.Key


def _rest(ms: int) -> None:
    """As QTest.qWait, which keeps the interpreter from the program's threads."""
    loop = QEventLoop()
    QTimer.singleShot(ms, loop.quit)
    loop.exec()


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _LONG_S
    while not condition():
        assert time.monotonic() < end, "it did not come"
        _rest(20)


def _press(window: Window, key: Qt.Key, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.keyClick(QApplication.focusWidget() or window, key, keys)
    _rest(40)


def _shows(window: Window, name: str) -> bool:
    return any(one.accessibleName() == name and one.isVisible() for one in window.findChildren(QWidget))


def _walk(window: Window) -> dict[str, bool]:
    _wait(lambda: window.is_ready and window.session.scan.state == "refused")
    _wait(lambda: QApplication.activeWindow() is window)
    acted = {}
    for number, key in ((6, _Key.Key_6), (2, _Key.Key_2), (7, _Key.Key_7), (1, _Key.Key_1)):
        _press(window, key, _ALT)
        acted[f"Alt+{number}"] = window.station + 1 == number
    _press(window, _Key.Key_K, _CTRL)
    acted["Ctrl+K"] = _shows(window, "Command to find")
    _press(window, _Key.Key_Escape)
    acted["Esc leaves the palette"] = not _shows(window, "Command to find")
    _press(window, _Key.Key_F1)
    acted["F1"] = _shows(window, "Keys and mouse")
    _press(window, _Key.Key_Escape)
    acted["Esc leaves the help"] = not _shows(window, "Keys and mouse")
    _press(window, _Key.Key_O, _CTRL)
    _wait(lambda: isinstance(QApplication.activeWindow(), QFileDialog))
    _press(window, _Key.Key_Escape)
    _wait(lambda: QApplication.activeWindow() is window)
    _press(window, _Key.Key_3, _ALT)
    acted["Alt+3 after a dialog"] = window.station == 2
    _press(window, _Key.Key_F5)
    acted["F5"] = window.theme == "projector"
    return acted


def _press_all() -> None:
    try:
        window = next(one for one in QApplication.topLevelWidgets() if isinstance(one, Window))
        print(json.dumps(_walk(window)), flush=True)
        QTest.keyClick(window, _Key.Key_Q, _CTRL)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    application = QApplication(sys.argv[:1])
    QTimer.singleShot(0, _press_all)
    sys.exit(run(sys.argv[:2]))
