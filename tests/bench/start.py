"""How long until the window can be used, and how long it ever freezes: `python tests/bench/start.py`, writes docs/results/start.md.

Each run is a new process on the built-in example, from the start of Python to the first paint, to a window that answers (every library
loaded, panels and views in place), and to the example's plan on screen. Beside it what a program pays that imports all first.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import time

ROOT = Path(__file__).resolve().parents[2]
RUNS = 5

CHILD = """
import sys, time, json
sys.path.insert(0, {root!r})
start = float(sys.argv[1])
from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QApplication
from app.window import Window
marks, gaps = {{}}, []
app = QApplication.instance() or QApplication([])
window = Window()
class First(QObject):
    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint:
            marks.setdefault("first paint", time.time() - start)
        return False
first = First(); window.installEventFilter(first)
window.ready.connect(lambda: marks.setdefault("usable", time.time() - start))
last = [time.perf_counter(), time.thread_time()]
def tick():
    now, work = time.perf_counter(), time.thread_time()
    gaps.append((now - last[0], work - last[1])); last[:] = now, work
    if window.is_ready and not window.session.jobs.is_running("scan"):
        forecast = window.session.forecast
        if forecast.state == "ready" or any(d.state == "refused" for d in window.session.sites):
            marks.setdefault("plan on screen", time.time() - start)
            QTimer.singleShot(500, app.quit)
ticker = QTimer(); ticker.timeout.connect(tick); ticker.start(2)
QTimer.singleShot(110000, app.quit)
window.show(); app.exec()
marks["longest freeze"], marks["longest work"] = max(gap for gap, _ in gaps), max(work for _, work in gaps)
print("MARKS" + json.dumps(marks)); sys.stdout.flush()
import os; os._exit(0)
"""

EVERYTHING_FIRST = """
import sys, time
import pyvista, vtk, numpy, scipy.ndimage, numba, SimpleITK, pydicom, cv2
from PySide6.QtWidgets import QApplication, QMainWindow
app = QApplication([]); window = QMainWindow(); window.show(); app.processEvents()
print(time.time() - float(sys.argv[1]))
"""


def _child(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, "-c", code, str(time())], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=180)
    return done.stdout.strip().splitlines()[-1]


def main() -> None:
    """Measure and write the table."""
    home = tempfile.mkdtemp(prefix="duraplan-start-")
    environment = os.environ | {"DURAPLAN_HOME": home, "QT_QPA_PLATFORM": os.environ.get("QT_QPA_PLATFORM", "offscreen")}
    environment.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkOSOpenGLRenderWindow")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's Python keeps its bytecode
    code = CHILD.format(root=str(ROOT))
    building = json.loads(_child(code, environment).removeprefix("MARKS"))  # the first start builds the example
    marks = [json.loads(_child(code, environment).removeprefix("MARKS")) for _ in range(RUNS)]
    slow = [float(_child(EVERYTHING_FIRST, environment)) for _ in range(RUNS)]
    rows = ["| from the start of the process | s, median (worst) of 5 | bound |", "| --- | --- | --- |"]
    for name, bound in (("first paint", ""), ("usable", "2.5"), ("plan on screen", ""), ("longest freeze", "0.2"), ("longest work", "")):
        figures = [mark.get(name, float("nan")) for mark in marks]
        rows.append(f"| {name} | {statistics.median(figures):.2f} ({max(figures):.2f}) | {bound} |")
    ratio = statistics.median(slow) / statistics.median(mark["first paint"] for mark in marks)
    lines = [
        "# Start",
        "",
        f"Made by `python tests/bench/start.py`; 2 cores (load {os.getloadavg()[0]:.1f}), no GPU, warm file cache, example already built.",
        "A freeze is the time between two answers of the window by the clock; the longest work is what its own thread did in one, without",
        "the waiting for other programs and threads.",
        "",
        *rows,
        "",
        f"A bare window that imports the same libraries first: {statistics.median(slow):.2f} s, {ratio:.1f} times as long.",
        f"The very first start, which builds the example: plan on screen after {building.get('plan on screen', float('nan')):.1f} s,"
        f" longest freeze {building['longest freeze']:.2f} s.",
    ]
    (ROOT / "docs" / "results" / "start.md").write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
