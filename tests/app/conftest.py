"""The real window, driven by mouse and keys. What a test reads, it reads from the screen: accessible names and pixels."""

from __future__ import annotations

import gc
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.example import example_path
from app.places import example_folder, recovery_folder, settings_file
from app.window import Window
from tests.viewer.conftest import no_qt_messages, no_vtk_errors  # noqa: F401 - they watch these tests too
from viewer.slice_pane import SlicePane
from viewer.theme import ThemeName

SPACING_MM = 1.2
LONG_MS = 120_000


@pytest.fixture(scope="session")
def example() -> Path:
    """The built-in example, coarser than the user's, where the window looks for it; `DURAPLAN_TEST_EXAMPLE` names one built before."""
    folder = example_path()
    built = os.environ.get("DURAPLAN_TEST_EXAMPLE")
    if built:
        shutil.copytree(built, folder, dirs_exist_ok=True)
    if not (folder / "truth.json").exists():
        from planner.phantom import PhantomParameters, build, write_example

        example_folder().mkdir(parents=True, exist_ok=True)
        parameters = PhantomParameters(modality="myelogram", leak="dorsal", spacing_mm=(SPACING_MM, SPACING_MM, SPACING_MM))
        write_example(build(parameters), folder)
    return folder


@pytest.fixture(autouse=True)
def fresh_home() -> None:
    """No settings and nothing to recover from the test before."""
    settings_file().unlink(missing_ok=True)
    for left in recovery_folder().glob("*.recovery"):
        left.unlink()


@pytest.fixture
def open_window(qtbot: QtBot) -> Iterator[Callable[..., Window]]:
    """Opens windows and closes them; a window that leaves threads or windows behind fails the test."""
    threads = set(threading.enumerate())
    opened: list[Window] = []

    def make(path: Path | None = None, size: tuple[int, int] = (1440, 900), theme: ThemeName | None = None) -> Window:
        window = Window(path, theme)
        window.resize(*size)
        opened.append(window)
        with qtbot.waitSignal(window.ready, timeout=LONG_MS):
            window.show()
        return window

    yield make
    for window in opened:
        if window.is_ready:
            window.session.saved_case = window.session.case  # nobody asks to save at the end of a test
        window.close()
        window.deleteLater()
    opened.clear()
    QApplication.sendPostedEvents(None, 0)
    qtbot.wait(1)
    gc.collect()
    left = {thread.name for thread in set(threading.enumerate()) - threads if thread.name.startswith("duraplan")}
    assert not left, f"threads left behind: {left}"


_found: dict[str, Any] = {}


@pytest.fixture
def found_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found on the example by one test serves the next: the anatomy is sought once a run, in earnest."""
    import planner.anatomy
    import viewer.surfaces

    find_anatomy, make_surfaces = planner.anatomy.find, viewer.surfaces.surfaces

    def find_once(volume: Any, anchor: Any, progress: Any) -> Any:
        if anchor != _found.get("anchor"):
            _found.update(anchor=anchor, anatomy=find_anatomy(volume, anchor, progress))
        return _found["anatomy"]

    def make_once(anatomy: Any, progress: Any) -> Any:
        if "surfaces" not in _found:
            _found["surfaces"] = make_surfaces(anatomy, progress)
        return _found["surfaces"]

    monkeypatch.setattr("planner.anatomy.find", find_once)
    monkeypatch.setattr("viewer.surfaces.surfaces", make_once)


@pytest.fixture
def worked(open_window: Callable[..., Window], example: Path, found_before: None, qtbot: QtBot) -> Window:
    """The window on the example, with everything derived."""
    window = open_window()
    wait(qtbot, lambda: window.session.site_plans is not None)
    wait(qtbot, lambda: window.session.forecast.state == "ready" and window.session.surfaces.state == "ready")
    window.go_to(4)
    return window


# ---- hands and eyes -------------------------------------------------------------------------------------------------------------------


def wait(qtbot: QtBot, condition: Callable[[], bool], timeout: int = LONG_MS) -> None:
    """Let the window work until something holds."""
    qtbot.waitUntil(lambda: bool(condition()), timeout=timeout)
    qtbot.wait(40)  # what changed is shown a moment later


def find(window: QWidget, name: str, kind: type[QWidget] = QWidget) -> QWidget:
    """The visible control of this accessible name."""
    found = [one for one in window.findChildren(kind) if one.accessibleName() == name and one.isVisible()]
    assert found, f"nothing on screen is called {name!r}; there is {sorted(names(window))}"
    return found[0]


def names(window: QWidget) -> set[str]:
    """Accessible names of all that is on screen."""
    return {one.accessibleName() for one in window.findChildren(QWidget) if one.isVisible() and one.accessibleName()}


def press(qtbot: QtBot, window: QWidget, name: str) -> None:
    """Click a button by its name."""
    button = find(window, name, QPushButton)
    assert button.isEnabled(), f"{name} cannot be pressed"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.wait(40)


def offers(window: QWidget, name: str) -> bool:
    """Whether a button of this name is there to be pressed."""
    return any(one.accessibleName() == name and one.isVisible() and one.isEnabled() for one in window.findChildren(QPushButton))


def words(window: QWidget) -> str:
    """All text on screen."""
    return "\n".join(one.text() for one in window.findChildren(QLabel) if one.isVisible() and one.text())


def at(view: SlicePane, point_mm: tuple[float, float, float]) -> QPoint:
    """Where a place of the patient is on a slice view."""
    x, y = view.pose.to_screen(point_mm)
    return QPoint(round(float(x)), round(float(y)))
