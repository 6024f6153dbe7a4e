"""Opens a scan in the real window, off screen: how long until three views of it are painted, and until all of it is there.

python -m tests.bench.loading.first_picture PATH
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

_MOST_S = 120.0


def main() -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkOSOpenGLRenderWindow")
    with tempfile.TemporaryDirectory() as home:
        os.environ["DURAPLAN_HOME"] = home
        print(json.dumps(_opened(Path(sys.argv[1]), Path(home))), flush=True)
    os._exit(0)  # what follows from the scan is not waited for


def _opened(path: Path, home: Path) -> dict[str, float]:
    """Seconds from the choice of the path, by the clock and of the processor: to the verdict, the first picture and the whole."""
    from PySide6.QtCore import QEventLoop
    from PySide6.QtWidgets import QApplication

    from app.window import Window
    from tests.planner.scan.writer import Stack, write
    from viewer import warming

    application = QApplication.instance() or QApplication([])
    window = Window(write(home / "small", Stack()))  # a program that has been at work, not one that starts
    window.resize(1440, 900)
    window.show()
    end = perf_counter() + _MOST_S
    while not (window.is_ready and warming.spatial_ready() and window.session.anatomy.state == "refused") and perf_counter() < end:
        application.processEvents()
    before, start, start_cpu = window.session.volume.value, perf_counter(), process_time()
    times: dict[str, float] = {}

    def reached(name: str) -> None:
        if name not in times:
            times[name], times[f"{name} cpu"] = perf_counter() - start, process_time() - start_cpu

    window.open(path)
    while "whole" not in times:
        application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        derived, shown = window.session.volume, window.views.grid.scene.volume
        if derived.state == "running":
            reached("judged")
        if "first" not in times and shown is not None and shown is not before:
            for view in window.views.grid.slices.values():
                view.repaint()
            reached("first")
        if derived.state == "ready" and derived.value is not before:
            reached("whole")
        if perf_counter() > end:
            raise TimeoutError("the scan was not loaded")
    return times


if __name__ == "__main__":
    main()
