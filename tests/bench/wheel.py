"""How fast three linked slice views follow the wheel, beside a numpy lookup table and QPainter. Writes docs/results/wheel.md.

python -m tests.bench.wheel
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkOSOpenGLRenderWindow")

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QImage, QPainter, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from tests.viewer.patient import patient
from viewer import warming
from viewer.linked import ViewGrid

SHAPE, SPACING = (300, 512, 512), (1.0, 0.8, 0.8)
TURNS, ROUNDS = 60, 5


class TableView(QWidget):
    """What one would write first: a slice, a lookup table of 65,536 greys, a scaled QImage."""

    def __init__(self, voxels: np.ndarray, axis: int, spacing: tuple[float, ...]) -> None:
        super().__init__()
        self.voxels, self.axis, self.at = voxels, axis, voxels.shape[axis] // 2
        self.spacing = [s for n, s in enumerate(spacing) if n != axis]
        value = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.float64)
        self.table = np.clip((value + 500) / 1800 * 255, 0, 255).astype(np.uint8)
        self.resize(500, 540)

    def paintEvent(self, event: object) -> None:
        stored = self.voxels.take(self.at, axis=self.axis)
        if self.axis:
            stored = stored[::-1]
        grey = np.ascontiguousarray(self.table[np.ascontiguousarray(stored).view(np.uint16)])
        image = QImage(grey.data, grey.shape[1], grey.shape[0], grey.shape[1], QImage.Format.Format_Grayscale8)
        scale = min(self.width() / (grey.shape[1] * self.spacing[1]), self.height() / (grey.shape[0] * self.spacing[0]))
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.black)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(0, 0, grey.shape[1] * self.spacing[1] * scale, grey.shape[0] * self.spacing[0] * scale), image)


def turn(view: QWidget, steps: int) -> None:
    at = QPointF(view.width() / 2, view.height() / 2)
    event = QWheelEvent(
        at, view.mapToGlobal(at), QPoint(), QPoint(0, 120 * steps), Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view, event)


def ours(app: QApplication, grid: ViewGrid) -> list[float]:
    """Seconds from a wheel turn to the pixels of all three views; every plane moves."""
    times = []
    views = list(grid.slices.values())
    for n in range(TURNS):
        start = perf_counter()
        for view in views:
            turn(view, 1 if n % 30 < 15 else -1)
        app.processEvents()
        times.append(perf_counter() - start)
    return times


def table(app: QApplication, views: list[TableView]) -> list[float]:
    times = []
    for n in range(TURNS):
        start = perf_counter()
        for view in views:
            view.at += 1 if n % 30 < 15 else -1
            view.update()
        app.processEvents()
        times.append(perf_counter() - start)
    return times


def main() -> None:
    app = QApplication(sys.argv[:1])
    warming.warm_slices()
    scene = patient(SHAPE, SPACING)
    assert scene.volume is not None
    grid = ViewGrid()
    grid.resize(1002, 1082)
    grid.show()
    grid.set_scene(scene)
    tables = [TableView(scene.volume.voxels, axis, SPACING) for axis in range(3)]
    for view in tables:
        view.show()
    ours(app, grid), table(app, tables)
    rounds = [(ours(app, grid), table(app, tables)) for _ in range(ROUNDS)]
    mine = [median(a) * 1000 for a, _ in rounds]
    theirs = [median(b) * 1000 for _, b in rounds]
    slow = float(np.quantile(np.concatenate([a for a, _ in rounds]), 0.95)) * 1000
    ratios = sorted(b / a for a, b in zip(mine, theirs))
    text = f"""# Three linked slices follow the wheel

`python -m tests.bench.wheel`, {os.cpu_count()} cores, no GPU; {SHAPE[2]} x {SHAPE[1]} x {SHAPE[0]} voxels of int16, three views of
500 x 540 pixels, every plane moves at each turn. From the wheel event to painted pixels, milliseconds; the median of
{TURNS} turns, {ROUNDS} rounds, both in turn.

| | median of rounds | least | greatest |
| --- | --- | --- | --- |
| Duraplan, with outlines, patch, needle, letters, scale bar | {median(mine):.1f} | {min(mine):.1f} | {max(mine):.1f} |
| numpy lookup table + QPainter, smooth, bare slices | {median(theirs):.1f} | {min(theirs):.1f} | {max(theirs):.1f} |

Duraplan is {median(ratios):.1f} times as fast ({ratios[0]:.1f} to {ratios[-1]:.1f}); 95 of 100 turns take {slow:.1f} ms or
less. The goal is 10 ms.
"""
    out = Path(__file__).resolve().parents[2] / "docs" / "results" / "wheel.md"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, "utf-8")
    print(text)
    grid.close()


if __name__ == "__main__":
    main()
