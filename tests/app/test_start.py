"""The start and the end: light, quick, and without anything left behind."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.window import Window
from tests.app.conftest import names, offers, press, wait, words

_HEAVY = ("vtkmodules", "vtk", "pyvista", "scipy", "SimpleITK", "numba", "pydicom", "numpy")

_FIRST_PAINT = """
import sys, time
start = time.perf_counter()
from PySide6.QtWidgets import QApplication
application = QApplication([])
from app.window import Window
class Seen(Window):
    def paintEvent(self, event):
        if not hasattr(self, "seen"):
            self.seen = True
            print(",".join(name for name in %r if name in sys.modules), round(time.perf_counter() - start, 3), sep=";")
            sys.stdout.flush()
        super().paintEvent(event)
window = Seen()
window.ready.connect(lambda: (print(round(time.perf_counter() - start, 3)), sys.stdout.flush(), window.close(), application.quit()))
window.show()
application.exec()
"""


def test_nothing_heavy_is_imported_before_the_first_paint(tmp_path: Path) -> None:
    environment = {**os.environ, "DURAPLAN_HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", _FIRST_PAINT % (_HEAVY,)],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    first, ready = run.stdout.split("\n")[:2]
    heavy, _painted_s = first.split(";")
    assert heavy == "", run.stderr
    assert float(ready) > 0  # how soon: tests/bench/start.py


def test_without_a_screen_it_says_so_in_one_sentence() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    run = subprocess.run(
        [sys.executable, "main.py"], capture_output=True, text=True, timeout=60, env=environment, cwd=Path(__file__).parents[2]
    )
    assert run.returncode == 1
    assert run.stderr.startswith("There is no screen") and run.stderr.count("\n") == 1
    assert run.stdout == ""


def test_the_window_lives_while_the_anatomy_is_sought(open_window: Callable[..., Window], example: Path, qtbot: QtBot) -> None:
    window = open_window()
    last, longest = time.perf_counter(), 0.0

    def beat() -> None:
        nonlocal last, longest
        now = time.perf_counter()
        longest, last = max(longest, now - last), now

    heart = QTimer()
    heart.timeout.connect(beat)
    heart.start(10)
    wait(qtbot, lambda: window.session.anatomy.state == "running")
    longest = 0.0
    wait(qtbot, lambda: window.session.anatomy.state == "ready")
    heart.stop()
    assert longest < 0.5  # 0.2 s on a quiet machine


def test_the_anatomy_is_cancelled_and_found_later(open_window: Callable[..., Window], example: Path, qtbot: QtBot) -> None:
    window = open_window()
    window.go_to(1)
    wait(qtbot, lambda: window.session.anatomy.state == "running")
    press(qtbot, window, "Cancel finding the anatomy")
    qtbot.wait(300)
    assert window.session.anatomy.state == "missing"
    press(qtbot, window, "Find the anatomy")
    wait(qtbot, lambda: window.session.anatomy.state == "ready")


def test_windows_open_and_close_without_a_trace(qtbot: QtBot, example: Path) -> None:
    def count() -> int:
        QApplication.sendPostedEvents(None, 0)
        qtbot.wait(1)
        gc.collect()
        return len(QApplication.allWidgets())

    before = None
    for n in range(20):
        window = Window()
        with qtbot.waitSignal(window.ready, timeout=60_000):
            window.show()
        window.close()
        window.deleteLater()
        del window
        if n == 2:
            before = count()  # the first ones fill the caches of Qt
    assert before is not None
    assert count() <= before + 5


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"notes.txt": b"no scan", "more.txt": b"no scan either"},
        {"one.dcm": bytes(128) + b"DICM" + b"cut off"},
    ],
    ids=["empty folder", "folder of text files", "truncated DICOM"],
)
def test_bad_input_is_a_sentence(open_window: Callable[..., Window], qtbot: QtBot, tmp_path: Path, content: dict[str, bytes]) -> None:
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    window = open_window(tmp_path)
    wait(qtbot, lambda: window.session.scan.state in ("refused", "ready"))
    qtbot.wait(60)
    said = any(name.startswith("Refused: ") for name in names(window))
    listed = window.session.scan.value is not None and f"{len(content)} file" in words(window)
    assert said or listed
    assert not offers(window, "Next: Anatomy")


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b'{"format": "duraplan/case", "version": 99, "case": {}}', b'{"format": "something else"}'],
    ids=["empty", "cut off", "newer", "foreign"],
)
def test_a_bad_case_file_is_a_sentence(open_window: Callable[..., Window], qtbot: QtBot, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "plan.duraplan"
    path.write_bytes(data)
    window = open_window(path)
    wait(qtbot, lambda: any(name.startswith("Refused: ") for name in names(window)))
    assert path.read_bytes() == data
