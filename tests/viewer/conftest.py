"""Views that are shown, and what must never happen while they are: VTK errors, exceptions in slots."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QFontDatabase, QImage, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from tests.viewer.patient import patient
from viewer.linked import ViewGrid
from viewer.scene import Scene


@pytest.fixture(autouse=True)
def bare_looks(qapp: QApplication) -> None:
    """Views by themselves: nothing is left of the looks that a window of the program gave to all of Qt."""
    if qapp.styleSheet():
        qapp.setStyleSheet("")
        qapp.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont))
        qapp.setPalette(qapp.style().standardPalette())


@pytest.fixture(autouse=True)
def no_vtk_errors() -> Iterator[None]:
    stage = sys.modules.get("viewer.stage")
    if stage is not None:
        stage.messages.clear()
    yield
    stage = sys.modules.get("viewer.stage")
    assert stage is None or stage.messages == []


@pytest.fixture(autouse=True)
def no_qt_messages(qtlog) -> Iterator[None]:
    """Qt complains of painters that nobody ended and the like by a message only."""
    yield
    # the plugin without a screen says so of itself
    assert [record.message for record in qtlog.records if "propagateSizeHints" not in record.message] == []


@pytest.fixture(scope="session")
def scene() -> Scene:
    return patient()


@pytest.fixture
def grid(qtbot, scene: Scene) -> Iterator[ViewGrid]:
    grid = ViewGrid()
    qtbot.addWidget(grid)
    grid.resize(802, 702)
    grid.show()
    grid.set_scene(scene)
    QApplication.processEvents()
    yield grid
    grid.close()


def turn_wheel(view: QWidget, steps: int, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier, at: QPointF | None = None) -> None:
    """Turn the mouse wheel over a view."""
    at = at or QPointF(view.width() / 2, view.height() / 2)
    event = QWheelEvent(
        at, view.mapToGlobal(at), QPoint(), QPoint(0, 120 * steps), Qt.MouseButton.NoButton, keys, Qt.ScrollPhase.NoScrollPhase, False
    )
    QApplication.sendEvent(view, event)


def rgb(image: QImage) -> np.ndarray:
    """Pixels (height, width, 3)."""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def pixels(view: QWidget) -> np.ndarray:
    """What a view shows."""
    QApplication.processEvents()
    return rgb(view.grab().toImage())


def drag(qtbot, view: QWidget, start: QPoint, stop: QPoint, button: Qt.MouseButton, keys=Qt.KeyboardModifier.NoModifier) -> None:
    """Press, move in three steps, let go."""
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent

    def send(kind: QEvent.Type, at: QPoint, which: Qt.MouseButton, held: Qt.MouseButton) -> None:
        place = QPointF(at)
        QApplication.sendEvent(view, QMouseEvent(kind, place, view.mapToGlobal(place), which, held, keys))

    none = Qt.MouseButton.NoButton
    send(QEvent.Type.MouseButtonPress, start, button, button)
    for share in (0.34, 0.67, 1.0):
        at = QPoint(round(start.x() + share * (stop.x() - start.x())), round(start.y() + share * (stop.y() - start.y())))
        send(QEvent.Type.MouseMove, at, none, button)
    send(QEvent.Type.MouseButtonRelease, stop, button, none)


Collected = list[tuple]


def collect(signal) -> Collected:
    """Every emission of a signal, as tuples."""
    heard: Collected = []
    keep: Callable[..., None] = lambda *values: heard.append(values)  # noqa: E731
    signal.connect(keep)
    return heard
