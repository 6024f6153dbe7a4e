"""Opens a folder in the real window, off screen: how long until the first slice is painted, and until all of the scan is there.

python -m tests.bench.loading.first_picture FOLDER
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from tests.bench.loading.series import SLICES

_MOST_S = 120.0


def main() -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkOSOpenGLRenderWindow")
    with tempfile.TemporaryDirectory() as home:
        os.environ["DURAPLAN_HOME"] = home
        print(json.dumps(_opened(Path(sys.argv[1]), Path(home))), flush=True)
    os._exit(0)  # what follows from the scan is not waited for


def _opened(folder: Path, home: Path) -> dict[str, float]:
    """Seconds from the moment at which the folder is chosen."""
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
    views, start, first = window.views, perf_counter(), 0.0
    window.open(folder)
    while window.session.volume.value is None or window.session.volume.value.frame.shape[0] != SLICES:
        application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        volume = views.grid.scene.volume
        if not first and volume is not None and volume.frame.shape[0] == SLICES:
            for view in views.grid.slices.values():
                view.repaint()
            first = perf_counter() - start
        if perf_counter() > end:
            raise TimeoutError("the scan was not loaded")
    return {"first": first or perf_counter() - start, "whole": perf_counter() - start}


if __name__ == "__main__":
    main()
