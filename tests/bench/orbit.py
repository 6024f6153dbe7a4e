"""How fast the 3D view answers a drag without a GPU. Writes docs/results/orbit.md.

python -m tests.bench.orbit
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkOSOpenGLRenderWindow")

import numpy as np
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

from tests.viewer.patient import patient
from viewer import warming
from viewer.spatial_view import SpatialView
from viewer.surfaces import surfaces

MOVES, ROUNDS = 40, 5
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton


def send(view: SpatialView, kind: QEvent.Type, x: float, y: float, which: Qt.MouseButton, held: Qt.MouseButton) -> None:
    at = QPointF(x, y)
    QApplication.sendEvent(view, QMouseEvent(kind, at, view.mapToGlobal(at), which, held, Qt.KeyboardModifier.NoModifier))


def drag(app: QApplication, view: SpatialView) -> tuple[list[float], list[float]]:
    """Seconds from each move of the mouse to the painted picture: by the clock, and of the processor."""
    clock, work = [], []
    send(view, QEvent.Type.MouseButtonPress, 200, 200, LEFT, LEFT)
    for n in range(MOVES):
        start, begun = perf_counter(), process_time()
        send(view, QEvent.Type.MouseMove, 210 + 3 * n, 200 + n % 7, NONE, LEFT)
        app.processEvents()
        clock.append(perf_counter() - start)
        work.append(process_time() - begun)
    send(view, QEvent.Type.MouseButtonRelease, 330, 200, LEFT, NONE)
    return clock, work


def main() -> None:
    app = QApplication(sys.argv[:1])
    warming.warm()
    scene = patient((220, 300, 320), (0.9, 0.7, 0.7))
    assert scene.anatomy is not None
    start = perf_counter()
    meshes = surfaces(scene.anatomy)
    meshing = perf_counter() - start
    scene = replace(scene, surfaces=meshes)
    lines = []
    for size in ((500, 420), (800, 600)):
        view = SpatialView()
        view.resize(*size)
        view.show()
        view.set_scene(scene)
        app.processEvents()
        drag(app, view)
        rounds = [drag(app, view) for _ in range(ROUNDS)]
        clock = [median(one) * 1000 for one, _ in rounds]
        slow = float(np.quantile(np.concatenate([one for one, _ in rounds]), 0.95)) * 1000
        start = perf_counter()
        view.repaint_fine()
        still = (perf_counter() - start) * 1000
        work = median(median(one) for _, one in rounds) * 1000
        spread = f"{min(clock):.0f} to {max(clock):.0f}"
        lines.append(f"| {size[0]} x {size[1]} | {median(clock):.0f} | {spread} | {slow:.0f} | {work:.0f} | {still:.0f} |")
        view.close()
    light = sum(len(mesh.drag.triangles) for mesh in meshes.values())
    fine = sum(len(mesh.fine.triangles) for mesh in meshes.values())
    machine = f"{os.cpu_count()} cores (load {os.getloadavg()[0]:.1f}), software OpenGL"
    text = f"""# The 3D view answers a drag

`python -m tests.bench.orbit`, {machine}; {light:,} triangles while dragging,
{fine:,} at rest (made in {meshing:.1f} s in the background). From the mouse move to the painted picture, milliseconds;
the median of {MOVES} moves, {ROUNDS} rounds. The goal is 30 ms.

| picture | drag frame, median of rounds | least to greatest | 95 of 100 within | processor, all cores | still frame |
| --- | --- | --- | --- | --- | --- |
{chr(10).join(lines)}
"""
    out = Path(__file__).resolve().parents[2] / "docs" / "results" / "orbit.md"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
