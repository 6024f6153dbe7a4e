"""From the Scan panel to a PACS and back with a study, by mouse and keys; what is read is what is on screen."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QFileDialog, QLineEdit, QTreeWidget, QWidget
from pytestqt.qtbot import QtBot

from app.pacs.dialog import PacsDialog
from app.pacs.nodes import Way, read_nodes, write_nodes
from app.pacs.passwords import password_of
from app.places import nodes_file, received_folder
from app.window import Window
from tests.app.conftest import find, names, offers, press, wait, words
from tests.app.pacs.conftest import Pacs, node_of
from tests.app.pacs.patients import write_series
from tests.app.pacs.programs import PASSWORD, USER

SOON_MS = 20_000


@pytest.fixture(autouse=True)
def no_nodes() -> None:
    nodes_file().unlink(missing_ok=True)


@pytest.fixture
def window(open_window: Callable[..., Window], pacs: Pacs) -> Window:
    """A window on two slices: nothing heavy is derived from them."""
    return open_window(pacs.other.files[0].parent)


def open_dialog(window: Window, qtbot: QtBot) -> PacsDialog:
    press(qtbot, window, "Open from a PACS")
    wait(qtbot, lambda: window.findChild(PacsDialog) is not None, SOON_MS)
    dialog = window.findChild(PacsDialog)
    assert isinstance(dialog, PacsDialog) and dialog.isVisible() and not dialog.isModal()
    return dialog


def write(dialog: QWidget, name: str, text: str) -> None:
    field = find(dialog, name, QLineEdit)
    assert isinstance(field, QLineEdit)
    field.clear()
    QTest.keyClicks(field, text)


def tree(dialog: QWidget) -> QTreeWidget:
    found = find(dialog, "Studies and series", QTreeWidget)
    assert isinstance(found, QTreeWidget)
    return found


def rows(dialog: QWidget) -> list[str]:
    """Every row that is on screen, as text."""
    found, texts = tree(dialog), []
    item = found.topLevelItem(0)
    while item is not None:
        texts.append(" | ".join(item.text(n) for n in range(found.columnCount())))
        item = found.itemBelow(item)
    return texts


def click_row(qtbot: QtBot, dialog: QWidget, n: int) -> None:
    found = tree(dialog)
    item = found.topLevelItem(0)
    for _ in range(n):
        item = found.itemBelow(item)
    qtbot.mouseClick(found.viewport(), Qt.MouseButton.LeftButton, pos=found.visualItemRect(item).center() + QPoint(2, 0))


@pytest.mark.parametrize("way", ["C-GET", "DICOMweb"])
def test_search_look_retrieve_open(way: Way, window: Window, pacs: Pacs, qtbot: QtBot) -> None:
    write_nodes([node_of(pacs.server, way)])
    dialog = open_dialog(window, qtbot)
    press(qtbot, dialog, "Echo")
    wait(qtbot, lambda: "The test PACS answers" in words(dialog), SOON_MS)
    write(dialog, "Patient's name", "zzyz")
    QTest.keyClick(find(dialog, "Patient's name"), Qt.Key.Key_Return)
    wait(qtbot, lambda: len(rows(dialog)) == 1, SOON_MS)
    assert "Zzyzxquill, Ophelia | ZQ-4711 | 1953-11-23 | 2024-05-03 | Myelogram" in rows(dialog)[0]
    assert "1 study found" in words(dialog)
    QTest.keyClick(tree(dialog), Qt.Key.Key_Right)
    wait(qtbot, lambda: len(rows(dialog)) == 3, SOON_MS)
    place = next(n for n, text in enumerate(rows(dialog)) if "thin bone" in text)
    assert rows(dialog)[place].endswith("| CT | 40")
    click_row(qtbot, dialog, place)
    press(qtbot, dialog, "Retrieve and open")
    wait(qtbot, lambda: not dialog.isVisible(), SOON_MS)
    session = window.session  # its scan is a new value with each step of an opening
    wait(qtbot, lambda: session.scan.state == "ready" and session.series is not None and session.series.slices == 40, SOON_MS)
    assert "thin bone" in words(window)


def test_a_node_is_entered_with_its_password_in_the_keyring(window: Window, pacs: Pacs, qtbot: QtBot) -> None:
    dialog = open_dialog(window, qtbot)
    assert "No PACS is entered yet" in words(dialog)
    assert not offers(dialog, "Search") and not offers(dialog, "Retrieve and open")
    press(qtbot, dialog, "New node…")
    write(dialog, "Name", "Ward")
    press(qtbot, dialog, "Save the node")
    wait(qtbot, lambda: "the host is missing" in words(dialog), SOON_MS)
    ways = find(dialog, "How series are retrieved", QComboBox)
    assert isinstance(ways, QComboBox)
    assert "DICOMweb address" not in names(dialog)
    ways.setFocus()
    QTest.keyClick(ways, Qt.Key.Key_End)
    wait(qtbot, lambda: "DICOMweb address" in names(dialog), SOON_MS)
    write(dialog, "DICOMweb address", pacs.server.url)
    write(dialog, "User", USER)
    write(dialog, "Password", PASSWORD)
    press(qtbot, dialog, "Save the node")
    wait(qtbot, lambda: offers(dialog, "Echo"), SOON_MS)
    (node,) = read_nodes()
    assert (node.name, node.way, node.user) == ("Ward", "DICOMweb", USER)
    assert password_of(node) == PASSWORD and PASSWORD not in nodes_file().read_text("utf-8")
    press(qtbot, dialog, "Echo")
    wait(qtbot, lambda: "Ward answers" in words(dialog), SOON_MS)
    press(qtbot, dialog, "Remove the node")
    wait(qtbot, lambda: "No PACS is entered yet" in words(dialog), SOON_MS)
    assert read_nodes() == () and password_of(node) is None


def test_what_goes_wrong_is_a_sentence_in_the_dialog(window: Window, pacs: Pacs, qtbot: QtBot) -> None:
    write_nodes([node_of(pacs.server)])
    dialog = open_dialog(window, qtbot)
    press(qtbot, dialog, "Search")
    wait(qtbot, lambda: "everything that the server has" in words(dialog), SOON_MS)
    write(dialog, "From this day", "yesterday")
    press(qtbot, dialog, "Search")
    wait(qtbot, lambda: "yesterday is no day" in words(dialog), SOON_MS)
    write(dialog, "From this day", "2030-01-01")
    press(qtbot, dialog, "Search")
    wait(qtbot, lambda: "Nothing like that is there" in words(dialog), SOON_MS)


def test_a_server_that_hangs_is_cancelled_and_forgotten(window: Window, pacs: Pacs, qtbot: QtBot) -> None:
    write_nodes([node_of(pacs.server)])
    dialog = open_dialog(window, qtbot)
    pacs.server.signal(signal.SIGSTOP)
    try:
        press(qtbot, dialog, "Echo")
        wait(qtbot, lambda: offers(dialog, "Cancel the PACS"), SOON_MS)
        assert not offers(dialog, "Search")
        press(qtbot, dialog, "Cancel the PACS")
        wait(qtbot, lambda: offers(dialog, "Search"), SOON_MS)
    finally:
        pacs.server.signal(signal.SIGCONT)
    press(qtbot, dialog, "Echo")
    wait(qtbot, lambda: "answers" in words(dialog), SOON_MS)


def test_files_are_sent_when_the_user_chose_them_and_pressed_send(
    window: Window, pacs: Pacs, qtbot: QtBot, tmp_path: Path
) -> None:
    write_nodes([node_of(pacs.server)])
    patient = write_series(tmp_path, 2, name="Sent^By Hand", patient_id="SENT")
    before = pacs.server.instances
    dialog = open_dialog(window, qtbot)
    press(qtbot, dialog, "Send files…")
    files = dialog.findChild(QFileDialog)
    assert isinstance(files, QFileDialog)
    assert pacs.server.instances == before
    files.setDirectory(str(tmp_path))
    field = files.findChild(QLineEdit)
    assert isinstance(field, QLineEdit)
    field.setText(" ".join(f'"{path.name}"' for path in patient.files))
    files.accept()
    wait(qtbot, lambda: "The test PACS took 2 files" in words(dialog), SOON_MS)
    assert pacs.server.instances == before + 2


def test_the_plan_sheet_goes_to_the_study_of_the_scan(worked: Window, pacs: Pacs, qtbot: QtBot) -> None:
    write_nodes([node_of(pacs.server)])
    series = worked.session.series
    assert series is not None
    worked.go_to(6)
    wait(qtbot, lambda: worked.sheet.is_drawn)
    before = pacs.server.instances
    press(qtbot, worked, "Send the sheet to a PACS")
    wait(qtbot, lambda: worked.findChild(PacsDialog) is not None, SOON_MS)
    dialog = worked.findChild(PacsDialog)
    assert isinstance(dialog, PacsDialog) and pacs.server.instances == before, "nothing leaves before the user sends it"
    press(qtbot, dialog, "Send the sheet")
    wait(qtbot, lambda: "The test PACS took the plan sheet" in words(dialog), SOON_MS)
    assert pacs.server.instances == before + 1 and not offers(dialog, "Send the sheet")
    assert "Sent to the PACS" in words(worked)
    (found,) = pacs.server.rest("/tools/lookup", series.pictures[0].study_uid.encode())
    (filed,) = pacs.server.rest(f"/studies/{found['ID']}/series")
    assert filed["MainDicomTags"]["Modality"] == "DOC"


def test_a_sheet_that_was_not_sent_is_forgotten(worked: Window, pacs: Pacs, qtbot: QtBot) -> None:
    write_nodes([node_of(pacs.server)])
    worked.go_to(6)
    wait(qtbot, lambda: worked.sheet.is_drawn)
    press(qtbot, worked, "Send the sheet to a PACS")
    wait(qtbot, lambda: worked.findChild(PacsDialog) is not None, SOON_MS)
    dialog = worked.findChild(PacsDialog)
    assert isinstance(dialog, PacsDialog) and offers(dialog, "Send the sheet")
    press(qtbot, dialog, "Close")
    worked.go_to(0)
    assert not offers(open_dialog(worked, qtbot), "Send the sheet")


def test_closing_forgets_who_was_found(window: Window, pacs: Pacs, qtbot: QtBot) -> None:
    write_nodes([node_of(pacs.server)])
    dialog = open_dialog(window, qtbot)
    write(dialog, "Patient's ID", "ZQ-4711")
    press(qtbot, dialog, "Search")
    wait(qtbot, lambda: len(rows(dialog)) == 1, SOON_MS)
    press(qtbot, dialog, "Close")
    assert not dialog.isVisible()
    assert rows(open_dialog(window, qtbot)) == []
    assert not any("Zzyzxquill" in str(path) for path in (received_folder(), *received_folder().rglob("*")))

