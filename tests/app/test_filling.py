"""A scan can be looked at while it is read, and nothing jumps when all of it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from app.window import Window
from tests.app.conftest import at, find, names, press, wait
from tests.planner.scan.writer import Stack, write
from viewer import warming

SLICES = 40
STACK = Stack(places=tuple(range(SLICES)), rows=96, columns=80, row_mm=1.0, column_mm=1.2)


class Gate:
    """Reads some slices, and the others when it is opened."""

    def __init__(self) -> None:
        self.first, self.open = 1, Event()

    def __call__(self, work: Callable[[int], None], numbers: Iterable[int]) -> Iterator[None]:
        for done, n in enumerate(numbers):
            while not self.open.wait(0.02) and done >= self.first:
                pass
            work(n)
            yield


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    made = Gate()
    monkeypatch.setattr("app.walk.side_by_side", made)
    return made


@pytest.fixture
def filling(gate: Gate, open_window: Callable[..., Window], qtbot: QtBot, tmp_path: Path) -> Iterator[Window]:
    """A window in which one slice of a scan is there."""
    window = open_window(write(tmp_path, STACK))
    wait(qtbot, lambda: window.views.grid.scene.volume is not None and warming.ready())
    yield window
    gate.open.set()


def bright_rows(window: Window, name: str) -> int:
    """Rows of a view's picture where much is brighter than air; the bar of the test scan is bright."""
    picture = window.views.grid.slices[name].grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    greys = np.array(picture.constBits()).reshape(picture.height(), picture.bytesPerLine())[:, : picture.width()]
    return int(((greys > 60).sum(axis=1) > 0.1 * picture.width()).sum())


def test_the_middle_slice_is_on_screen_before_the_rest_is_read(filling: Window, gate: Gate, qtbot: QtBot) -> None:
    assert filling.session.volume.state == "running"
    assert "loading the series, progress" in names(filling)
    wait(qtbot, lambda: bright_rows(filling, "axial") > 100)
    sagittal = bright_rows(filling, "sagittal")
    assert sagittal < 50
    gate.first = SLICES // 2
    wait(qtbot, lambda: bright_rows(filling, "sagittal") > sagittal + 50)
    gate.open.set()
    wait(qtbot, lambda: filling.session.volume.state == "ready")
    wait(qtbot, lambda: bright_rows(filling, "axial") > 100 and bright_rows(filling, "sagittal") > 100)


def test_nothing_jumps_when_all_is_there(filling: Window, gate: Gate, qtbot: QtBot) -> None:
    grid = filling.views.grid
    view = grid.slices["axial"]
    grid.set_window(80.0, 350.0)
    x, y, z = grid.crosshair
    grid.set_crosshair((x + 9.6, y + 8.0, z))
    view.show_region(grid.crosshair, 40.0)
    before = (grid.crosshair, grid.window_shown, view.pose)
    gate.open.set()
    wait(qtbot, lambda: filling.session.volume.state == "ready")
    assert grid.scene.volume is filling.session.volume.value
    assert (grid.crosshair, grid.window_shown, view.pose) == before


def test_a_scan_that_is_still_read_can_only_be_looked_at(filling: Window, gate: Gate, qtbot: QtBot) -> None:
    case, view = filling.session.case, filling.views.grid.slices["axial"]
    middle = at(view, filling.views.grid.crosshair)
    for key in (Qt.Key.Key_K, Qt.Key.Key_V):
        qtbot.mouseMove(view, middle)
        qtbot.keyClick(view, key)
        qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=middle + QPoint(20, 10))
    qtbot.wait(60)
    assert filling.session.case == case
    assert filling.desk.vertebra_at is None
    assert filling.session.anatomy.state == "missing"


def test_reading_can_be_stopped_while_it_is_looked_at(filling: Window, gate: Gate, qtbot: QtBot) -> None:
    press(qtbot, filling, "Cancel loading the series")
    wait(qtbot, lambda: filling.views.grid.scene.volume is None)
    assert find(filling, "Load it").isVisible()
    gate.open.set()
    press(qtbot, filling, "Load it")
    wait(qtbot, lambda: filling.session.volume.state == "ready")


def test_a_series_that_was_stopped_is_not_shown_as_another(
    gate: Gate, open_window: Callable[..., Window], qtbot: QtBot, tmp_path: Path
) -> None:
    """One series is loaded, another was stopped: chosen again it is offered to be loaded, and the views do not show the first."""
    write(tmp_path, STACK, "a{}.dcm")
    short = Stack(series="1.2.3", places=tuple(range(12)), extra=(("SeriesDescription", "SHORT"),))
    write(tmp_path, short, "b{}.dcm")
    gate.open.set()
    window = open_window(tmp_path)
    session = window.session
    wait(qtbot, lambda: session.volume.state == "ready")
    long, other = session.series, session.scan.value.series[1] if session.scan.value is not None else None
    assert long is not None and other is not None and other.description == "SHORT"
    gate.open.clear()
    press(qtbot, window, "Use series SHORT")
    wait(qtbot, lambda: session.volume.state == "running")
    press(qtbot, window, "Cancel loading the series")
    gate.open.set()
    press(qtbot, window, "Use series SPINE")
    wait(qtbot, lambda: session.volume.state == "ready" and window.views.grid.scene.volume is not None)
    press(qtbot, window, "Use series SHORT")
    wait(qtbot, lambda: window.views.grid.scene.volume is None)
    press(qtbot, window, "Load it")
    wait(qtbot, lambda: session.volume.state == "ready")
    volume = window.views.grid.scene.volume
    assert volume is not None and volume.frame.shape[0] == 12
