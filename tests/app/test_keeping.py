"""Nothing is lost: saving, opening, undo across both, a kill, a full disk, two programs on one case."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox
from pytestqt.qtbot import QtBot

from app.window import Window
from planner.case.case import TakenNeedle
from planner.case.file import open_case
from planner.refusal import Refusal
from tests.app.conftest import find, names, press, wait

ROOT = Path(__file__).parents[2]

_ACT_AND_DIE = """
import os, sys
from PySide6.QtWidgets import QApplication
application = QApplication([])
from app.window import Window
window = Window()
def act():
    session = window.session
    if session.volume.state == "ready":
        from planner.case.acts import write_notes
        session.attempt(lambda: write_notes(session.case, "what was on screen"))
        os.kill(os.getpid(), 9)
def watch():
    window.session.changed.connect(act)
    act()  # the scan may have come before the first paint
window.ready.connect(watch)
window.show()
application.exec()
"""


def write_notes(window: Window, notes: str) -> None:
    """An act that needs nothing but a case."""
    from planner.case import acts

    assert window.session.attempt(lambda: acts.write_notes(window.session.case, notes)) is None


@pytest.fixture
def on_example(open_window: Callable[..., Window], example: Path, qtbot: QtBot) -> Window:
    """The window on the example, its anatomy still being sought."""
    window = open_window()
    wait(qtbot, lambda: window.session.volume.state == "ready")
    return window


def test_a_saved_case_opens_as_it_was(on_example: Window, open_window: Callable[..., Window], qtbot: QtBot, tmp_path: Path) -> None:
    write_notes(on_example, "two earlier patches")
    qtbot.wait(60)
    assert on_example.isWindowModified()
    path = tmp_path / "plan.duraplan"
    assert on_example.filing.save_to(path)
    assert not on_example.isWindowModified()
    saved = on_example.session.case
    assert open_case(path) == saved
    on_example.close()
    again = open_window(path)
    wait(qtbot, lambda: again.session.volume.state == "ready")
    assert again.session.case == saved
    assert not again.isWindowModified()


def test_ctrl_s_saves_where_the_case_is(on_example: Window, qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "plan.duraplan"
    on_example.filing.save_to(path)
    write_notes(on_example, "changed")
    qtbot.keyClick(on_example, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert open_case(path).notes == "changed"


def test_a_kill_loses_nothing_that_was_on_screen(open_window: Callable[..., Window], example: Path, qtbot: QtBot) -> None:
    killed = subprocess.run([sys.executable, "-c", _ACT_AND_DIE], cwd=ROOT, timeout=300, capture_output=True)
    assert killed.returncode == -9
    window = open_window()
    assert "ended unexpectedly" in find(window, "Notice").accessibleDescription()
    press(qtbot, window, "Restore")
    wait(qtbot, lambda: window.session.case.notes == "what was on screen")
    assert window.isWindowModified()
    assert "Restore" not in names(window)


def test_what_a_kill_left_can_be_discarded(open_window: Callable[..., Window], example: Path, qtbot: QtBot) -> None:
    subprocess.run([sys.executable, "-c", _ACT_AND_DIE], cwd=ROOT, timeout=300, capture_output=True)
    window = open_window()
    press(qtbot, window, "Discard")
    window.close()
    assert "Restore" not in names(open_window())


def test_a_folder_that_cannot_be_written_to_is_a_sentence(on_example: Window, qtbot: QtBot, tmp_path: Path) -> None:
    write_notes(on_example, "kept")
    assert not on_example.filing.save_to(tmp_path / "not there" / "plan.duraplan")
    qtbot.wait(60)
    assert any(name.startswith("Refused: ") for name in names(on_example))
    assert on_example.session.case.notes == "kept"
    assert on_example.isWindowModified()


def test_two_programs_on_one_case(on_example: Window, open_window: Callable[..., Window], qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "plan.duraplan"
    on_example.filing.save_to(path)
    second = open_window(path)
    wait(qtbot, lambda: any(name.startswith("Refused: ") for name in names(second)))
    on_example.close()
    second.open(path)
    wait(qtbot, lambda: second.session.volume.state == "ready")


def test_a_case_whose_scan_has_moved(
    on_example: Window, open_window: Callable[..., Window], qtbot: QtBot, tmp_path: Path, example: Path
) -> None:
    scan = tmp_path / "scan"
    shutil.copytree(example / "dicom", scan)
    on_example.open(scan)
    wait(qtbot, lambda: on_example.session.volume.state == "ready" and on_example.session.path == scan)
    path = tmp_path / "plan.duraplan"
    on_example.filing.save_to(path)
    on_example.close()
    scan.rename(tmp_path / "elsewhere")
    window = open_window(path)
    wait(qtbot, lambda: any("is not at" in name for name in names(window)))
    press(qtbot, window, "Say where the scan is")
    dialog = window.findChild(QFileDialog)
    assert dialog is not None and dialog.isVisible() and not dialog.isModal()
    dialog.fileSelected.emit(str(tmp_path / "not the scan"))
    wait(qtbot, lambda: window.session.scan.state == "refused")
    press(qtbot, window, "Say where the scan is")  # asked again
    window.findChildren(QFileDialog)[-1].fileSelected.emit(str(tmp_path / "elsewhere"))
    wait(qtbot, lambda: window.session.volume.state == "ready")
    assert window.session.case_path == path
    assert window.isWindowModified()  # the next save remembers where the scan is
    assert window.filing.save()
    kept = open_case(path).scan
    assert kept is not None and kept.path == str(tmp_path / "elsewhere")


def test_quitting_asks_only_when_something_is_not_saved(on_example: Window, qtbot: QtBot) -> None:
    write_notes(on_example, "not saved")
    asked: list[str] = []

    def cancel() -> None:
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            asked.append(box.text())
            box.button(QMessageBox.StandardButton.Cancel).click()

    QTimer.singleShot(200, cancel)
    on_example.close()
    assert asked == ["The case has changes that are not saved."]
    assert on_example.isVisible()
    on_example.session.undo()
    on_example.close()
    assert not on_example.isVisible()


def test_a_refused_act_changes_nothing(on_example: Window) -> None:
    from planner.case import acts

    before = on_example.session.case
    same = TakenNeedle((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    refusal = on_example.session.attempt(lambda: acts.take_needle(before, 0, same))
    assert isinstance(refusal, Refusal)
    assert on_example.session.case is before
