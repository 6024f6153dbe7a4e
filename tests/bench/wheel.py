"""How fast three linked slice views follow the wheel, beside a numpy lookup table and QPainter. Writes docs/results/wheel.md.

python -m tests.bench.wheel
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time

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


Times = list[tuple[float, float]]
"""Seconds by the clock and of the window's thread, a turn."""


def ours(app: QApplication, grid: ViewGrid) -> Times:
    """From a wheel turn to the pixels of all three views; every plane moves."""
    times = []
    views = list(grid.slices.values())
    for n in range(TURNS):
        start, begun = perf_counter(), thread_time()
        for view in views:
            turn(view, 1 if n % 30 < 15 else -1)
        app.processEvents()
        times.append((perf_counter() - start, thread_time() - begun))
    return times


def table(app: QApplication, views: list[TableView]) -> Times:
    """The same with the lookup table."""
    times = []
    for n in range(TURNS):
        start, begun = perf_counter(), thread_time()
        for view in views:
            view.at += 1 if n % 30 < 15 else -1
            view.update()
        app.processEvents()
        times.append((perf_counter() - start, thread_time() - begun))
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
    rows = []
    for name, which in (
        ("Duraplan: with outlines, patch, needle, letters, scale bar", 0),
        ("numpy lookup table + QPainter: bare slices", 1),
    ):
        clock = [median(one[0] for one in pair[which]) * 1000 for pair in rounds]
        work = [median(one[1] for one in pair[which]) * 1000 for pair in rounds]
        slow = float(np.quantile([one[0] for pair in rounds for one in pair[which]], 0.95)) * 1000
        rows.append((name, median(clock), min(clock), max(clock), slow, median(work)))
    lines = [f"| {r[0]} | {r[1]:.1f} | {r[2]:.1f} to {r[3]:.1f} | {r[4]:.1f} | {r[5]:.1f} |" for r in rows]
    machine = f"{os.cpu_count()} cores (load {os.getloadavg()[0]:.1f}), no GPU"
    text = f"""# Three linked slices follow the wheel

`python -m tests.bench.wheel`, {machine}; {SHAPE[2]} x {SHAPE[1]} x {SHAPE[0]} voxels of int16, three views of
500 x 540 pixels, every plane moves at each turn. From the wheel event to painted pixels, milliseconds; the median
of {TURNS} turns, {ROUNDS} rounds, both in turn. "Work" is the time of the window's thread alone, which other programs
on the machine do not lengthen. The goal is 10 ms.

| | by the clock, median of rounds | least to greatest | 95 of 100 within | work |
| --- | --- | --- | --- | --- |
{chr(10).join(lines)}

With all overlays Duraplan takes {rows[0][5] / rows[1][5]:.1f} times the work of the bare lookup table.
"""
    out = Path(__file__).resolve().parents[2] / "docs" / "results" / "wheel.md"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, "utf-8")
    print(text)
    grid.close()


if __name__ == "__main__":
    main()
