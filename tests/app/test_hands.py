"""What hands do that no button offers: drop a folder, snap a needle; and the sheet on a printer."""

from __future__ import annotations

from collections.abc import Callable
from math import dist
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtPrintSupport import QPrintDialog, QPrinter
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.window import Window
from tests.app.conftest import press, wait, words


def test_a_folder_is_dropped_on_the_window(open_window: Callable[..., Window], example: Path, qtbot: QtBot) -> None:
    window = open_window()
    wait(qtbot, lambda: window.session.scan.state == "ready")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(example / "dicom"))])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    entered = QDragEnterEvent(window.rect().center(), copy, data, left, none)
    QApplication.sendEvent(window, entered)
    assert entered.isAccepted()
    QApplication.sendEvent(window, QDropEvent(QPointF(window.rect().center()), copy, data, left, none))
    wait(qtbot, lambda: window.session.case.scan is not None and window.session.case.scan.example is None)
    assert window.session.path == example / "dicom"


def test_t_snaps_the_tip_to_the_nearest_target(worked: Window, qtbot: QtBot) -> None:
    press(qtbot, worked, "Take candidate 1")
    wait(qtbot, lambda: worked.desk.plan is not None and worked.desk.plan.taken is not None)
    assert worked.desk.plan is not None and worked.desk.plan.taken is not None
    taken = worked.desk.plan.taken
    x, y, z = taken.target_mm
    worked.desk.drop(taken.entry_mm, (x, y - 1.0, z))
    wait(qtbot, lambda: worked.session.site_plans is not None)
    dropped = worked.session.case.sites[0].taken
    assert dropped is not None
    tip = dropped.target_mm
    targets = [one.target_mm for one in worked.desk.plan.search.candidates]
    view = worked.views.grid.slices["axial"]
    view.setFocus()
    qtbot.keyClick(view, Qt.Key.Key_T)
    snapped = worked.session.case.sites[0].taken
    assert snapped is not None and snapped.target_mm == min(targets, key=lambda one: dist(one, tip))


def test_the_sheet_is_printed(worked: Window, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class ToFile(QPrintDialog):
        def __init__(self, printer: QPrinter, parent: QWidget) -> None:
            super().__init__(printer, parent)
            printer.setOutputFormat(QPrinter.OutputFormat.PdfFormat)
            printer.setOutputFileName(str(tmp_path / "printed.pdf"))

        def exec(self) -> int:
            return QPrintDialog.DialogCode.Accepted.value

    monkeypatch.setattr("PySide6.QtPrintSupport.QPrintDialog", ToFile)
    worked.go_to(6)
    wait(qtbot, lambda: worked.sheet.is_drawn)
    worked.sheet.print()
    qtbot.wait(60)
    assert (tmp_path / "printed.pdf").read_bytes().startswith(b"%PDF")
    assert "✓ Sent to the printer." in words(worked)
