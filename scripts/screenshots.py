"""Pictures of the real program for the README: `python scripts/screenshots.py [FOLDER]`, by default into docs/pictures.

Drives the window off screen on the built-in example, one picture a station at 1440 x 900, and one in the projector theme.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QDeadlineTimer, QEventLoop
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

ROOT = Path(__file__).resolve().parents[1]
STATIONS = ("scan", "anatomy", "leak", "approach", "needles", "patch", "report")
LARGEST_BYTES = 400_000


def work_until(condition: Callable[[], bool], seconds: float) -> None:
    """Let the program work until something holds."""
    limit = QDeadlineTimer(round(1000 * seconds))
    while not condition():
        if limit.hasExpired():
            raise TimeoutError("the example is not ready")
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)


def settle(seconds: float = 1.0) -> None:
    """Let the fine pictures come."""
    limit = QDeadlineTimer(round(1000 * seconds))
    while not limit.hasExpired():
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)


def save(image: QImage, path: Path) -> None:
    """Save as PNG of at most 400 kB: where the file is larger, the picture's greys and colours are taken in ever coarser steps."""
    rgb = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(rgb.constBits(), dtype=np.uint8).reshape(rgb.height(), rgb.bytesPerLine())
    whole = rows[:, : 3 * rgb.width()].copy()
    for step in (1, 2, 3, 4, 6, 8, 12, 16):
        coarse = np.minimum(255, (whole.astype(np.int32) + step // 2) // step * step).astype(np.uint8)
        QImage(coarse.data, rgb.width(), rgb.height(), 3 * rgb.width(), QImage.Format.Format_RGB888).save(str(path), quality=0)
        if path.stat().st_size <= LARGEST_BYTES:
            return
    raise ValueError(f"{path.name} does not get small enough")


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--size", nargs=2, type=int, default=(1440, 900), metavar=("WIDTH", "HEIGHT"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkOSOpenGLRenderWindow")
    os.environ.setdefault("DURAPLAN_HOME", tempfile.mkdtemp(prefix="duraplan-pictures-"))
    from app.window import Window

    QApplication([])
    window = Window()
    window.resize(*options.size)
    window.show()
    work_until(lambda: window.is_ready, 60)
    session = window.session
    work_until(lambda: session.surfaces.state == "ready" and session.forecast.state == "ready", 300)
    for number, name in enumerate(STATIONS):
        window.go_to(number)
        if name == "needles":
            window.desk.look_at(0)
        if name == "report":
            work_until(lambda: window.sheet.is_drawn, 120)
        settle()
        save(window.grab().toImage(), options.folder / f"{name}.png")
        if name == "needles":
            window.take_proposal()
            work_until(lambda: session.forecast.state == "ready", 120)
    window.go_to(STATIONS.index("needles"))
    window.put_on("projector")
    settle()
    save(window.grab().toImage(), options.folder / "projector.png")
    session.saved_case = session.case
    window.close()


if __name__ == "__main__":
    main()
