"""From a PACS: choose a node, search, look into studies, retrieve series, and open them like any folder; or send files. It holds
nothing up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QHeaderView,
    QLineEdit,
    QStackedWidget,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from app.jobs import Jobs, Outcome
from app.pacs.echo import echo
from app.pacs.editor import NodeEditor, with_node
from app.pacs.nodes import Node, checked, read_nodes, write_nodes
from app.pacs.passwords import keep_password
from app.pacs.query import Asked, SeriesAnswer, Studies, StudyAnswer, find_series, find_studies
from app.pacs.retrieve import Incomplete, Received, retrieve
from app.pacs.send import Sent, send
from app.places import received_folder
from app.screen import put_in_front
from app.steps.panel import refusal_card
from app.widgets.choice import Choice
from app.widgets.progress import ProgressRow
from app.widgets.rows import Rows
from app.widgets.text import Card, button, dress, label, row, say
from planner.progress import Progress
from planner.refusal import Refusal

T = TypeVar("T")

_SIZE = (1000, 600)
_KIND = "pacs"
_COLUMNS = ("Patient, series", "ID", "Born", "Date", "Description", "Modality", "Images")
_WIDTHS = (230, 100, 98, 98, 190, 82, 68)
_TREE = """
QTreeWidget::item { padding: 4px 2px; }
QTreeWidget::item:selected { background: palette(highlight); color: palette(highlighted-text); }
QHeaderView::section { padding: 5px 4px; border: none; border-right: 1px solid palette(mid); background: palette(button); }
"""
_VALUE = Qt.ItemDataRole.UserRole
_MODALITIES = {"": "any modality", "CT": "CT", "MR": "MR"}


class PacsDialog(QDialog):
    """One thing happens at a time: an echo, a search, a look into a study, or a retrieval. open_folder: takes a received study."""

    def __init__(self, owner: QWidget, open_folder: Callable[[Path], object]) -> None:
        super().__init__(owner)
        self.setWindowTitle("From a PACS")
        self.setAccessibleName("From a PACS")
        self.setModal(False)
        self.resize(*_SIZE)
        self._open_folder = open_folder
        self._progress = ProgressRow("the PACS", self._cancel)
        self._jobs = Jobs(self)
        self._jobs.progressed.connect(lambda _kind, share, what: self._progress.put(self._jobs.is_running(_KIND), share, what))
        self._jobs.ended.connect(self._ended)
        self._sheet: Path | None = None
        self._sheet_sent: Callable[[], object] = lambda: None
        self._nodes: tuple[Node, ...] = ()
        self._node: Node | None = None
        self._modality = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(9)
        self._pages = QStackedWidget()
        self._editor = NodeEditor(self._save_node, self._leave_editor)
        self._pages.addWidget(self._make_search())
        self._pages.addWidget(self._editor)
        column.addWidget(self._pages, 1)
        self._said = label(role="muted", name="What was found")
        self._problem = Rows()
        for one in (self._said, self._problem, self._progress):
            column.addWidget(one)
        self._say("")

    def offer(self, sheet: Path | None, sent: Callable[[], object]) -> None:
        """Offer the plan sheet, a DICOM file, to be sent to the node that the user chooses; None: no longer. sent: hears that it was."""
        self._sheet, self._sheet_sent = sheet, sent
        self._outgoing.setVisible(sheet is not None)
        self._show_buttons()

    def close_work(self) -> None:
        """End what runs, and its threads."""
        self._jobs.close()

    def showEvent(self, event: QShowEvent) -> None:
        self._attempt(self._read_nodes)
        super().showEvent(event)

    def done(self, result: int) -> None:
        """Leaving ends what runs and forgets who was found; what came stays."""
        self._jobs.cancel(_KIND)
        self._found.clear()
        self._say("")
        super().done(result)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter in a field searches; it presses no button elsewhere."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()
            return
        super().keyPressEvent(event)

    # ---- the search page -----------------------------------------------------------------------------------------------

    def _make_search(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(9)
        nodes: dict[str, str] = {}
        self._choice = Choice("Node", nodes, "", self._choose_node)
        self._choice.setMinimumWidth(260)
        self._echo = button("Echo", self._start_echo, hint="Ask the server whether it answers")
        self._edit = button("Edit…", lambda: self._show_editor(self._node), name="Edit the node")
        self._remove = button("Remove", self._remove_node, name="Remove the node")
        new = button("New node…", lambda: self._show_editor(None))
        self._send = button("Send files…", self._choose_files, hint="Choose DICOM files and send them to this node")
        node = label("Node", "head", wrap=False)
        column.addWidget(row(node, self._choice, self._echo, self._edit, self._remove, new, None, self._send))
        self._send_sheet = button("Send the sheet", self._start_sending_sheet, "next", hint="Send the plan sheet to this node")
        self._outgoing = Card(name="The plan sheet")
        ready = label("The plan sheet will be sent to this node, under the patient and the study of the scan.", wrap=False)
        self._outgoing.add(row(ready, None, self._send_sheet))
        self._outgoing.hide()
        column.addWidget(self._outgoing)
        self._name, self._id = self._field("Patient's name", "Name, such as Doe, Jane"), self._field("Patient's ID", "ID")
        self._since, self._until = self._field("From this day", "From 2024-05-01"), self._field("To this day", "To 2024-05-31")
        for field, width in ((self._id, 120), (self._since, 146), (self._until, 146)):
            field.setFixedWidth(width)
        modality = Choice("Modality", _MODALITIES, "", self._choose_modality)
        modality.setFixedWidth(130)
        self._search = button("Search", self._start_search, "next")
        column.addWidget(row(self._name, self._id, self._since, self._until, modality, self._search))
        self._found = QTreeWidget()
        self._found.setAccessibleName("Studies and series")
        self._found.setHeaderLabels(_COLUMNS)
        self._found.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._found.setUniformRowHeights(True)
        self._found.setAllColumnsShowFocus(True)
        self._found.setStyleSheet(_TREE)
        self._found.setFrameShape(QTreeWidget.Shape.NoFrame)
        self._found.itemExpanded.connect(self._look_into)
        self._found.itemSelectionChanged.connect(self._show_buttons)
        header = self._found.header()
        header.setStretchLastSection(False)
        for n, width in enumerate(_WIDTHS):
            self._found.setColumnWidth(n, width)
        header.setSectionResizeMode(4, QHeaderView.ResizeMode.Stretch)
        column.addWidget(self._found, 1)
        self._retrieve = button("Retrieve and open", self._start_retrieval, "next", hint="What is chosen")
        hint = label("Open a study to see its series.", "small", wrap=False)
        column.addWidget(row(hint, None, button("Close", self.reject), self._retrieve))
        return page

    def _field(self, name: str, hint: str) -> QLineEdit:
        field = QLineEdit()
        field.setAccessibleName(name)
        field.setPlaceholderText(hint)
        field.returnPressed.connect(self._start_search)
        return field

    def _show_buttons(self) -> None:
        running = self._jobs.is_running(_KIND)
        for one in (self._echo, self._edit, self._remove, self._search, self._send, self._send_sheet):
            one.setEnabled(self._node is not None and not running)
        self._retrieve.setEnabled(bool(self._found.selectedItems()) and not running)
        for one in (self._search, self._retrieve, self._send_sheet):
            dress(one, "next" if one.isEnabled() else "")

    # ---- nodes ---------------------------------------------------------------------------------------------------------

    def _read_nodes(self, chosen: str = "") -> None:
        self._nodes = read_nodes()
        name = chosen or (self._node.name if self._node else "")
        self._node = next((node for node in self._nodes if node.name == name), self._nodes[0] if self._nodes else None)
        self._choice.clear()
        for node in self._nodes:
            self._choice.addItem(f"{node.name} ({node.way})", node.name)
        if self._node is not None:
            self._choice.setCurrentIndex(self._nodes.index(self._node))
        else:
            self._say("No PACS is entered yet. Enter one with New node.")
        self._show_buttons()

    def _choose_node(self, name: str) -> None:
        self._node = next((node for node in self._nodes if node.name == name), None)
        self._jobs.cancel(_KIND)
        self._found.clear()
        self._say("")

    def _choose_modality(self, modality: str) -> None:
        self._modality = modality

    def _show_editor(self, node: Node | None) -> None:
        self._editor.show_node(node)
        self._pages.setCurrentWidget(self._editor)
        self._say("")

    def _leave_editor(self) -> None:
        self._pages.setCurrentIndex(0)
        self._say("")
        self._attempt(self._read_nodes)

    def _save_node(self, was: Node | None, node: Node, password: str | None) -> None:
        def work(progress: Progress) -> str:
            kept = checked(node)
            write_nodes(with_node(read_nodes(), was, kept))
            if kept.by_web and password is not None:
                keep_password(kept, password)
            return kept.name

        def done(name: str) -> None:
            self._pages.setCurrentIndex(0)
            self._found.clear()
            self._attempt(partial(self._read_nodes, name))

        self._start(f"Saving {node.name}", work, done)

    def _remove_node(self) -> None:
        node = self._node

        def work(progress: Progress) -> None:
            write_nodes([one for one in read_nodes() if one != node])
            if node is not None and node.by_web and node.user:
                keep_password(node, "")

        self._start("Removing the node", work, lambda _none: self._leave_editor())

    # ---- what is asked -------------------------------------------------------------------------------------------------

    def _start_echo(self) -> None:
        node = self._node
        if node is not None:
            self._start(f"Calling {node.name}", partial(echo, node), lambda took_s: self._say(f"{node.name} answers, in {took_s:.2g} s."))

    def _start_search(self) -> None:
        node = self._node
        if node is None or self._jobs.is_running(_KIND):
            return
        self._found.clear()
        try:
            since, until = _day(self._since), _day(self._until)
        except Refusal as refusal:
            self._say("", refusal)
            return
        asked = Asked(self._name.text(), self._id.text(), "", since, until, self._modality)
        self._start(f"Asking {node.name}", lambda progress: find_studies(node, asked, progress), self._show_studies)

    def _show_studies(self, studies: Studies) -> None:
        for study in studies.answers:
            words = (study.patient_name or "no name", study.patient_id, study.birth_day, study.day, study.description)
            item = QTreeWidgetItem([*words, ", ".join(study.modalities), _count(study.images)])
            item.setData(0, _VALUE, study)
            item.setChildIndicatorPolicy(QTreeWidgetItem.ChildIndicatorPolicy.ShowIndicator)
            self._found.addTopLevelItem(item)
        count = len(studies.answers)
        words_of = f"{count} {'study' if count == 1 else 'studies'} found." if count else "Nothing like that is there."
        self._say(f"The first {count} studies; there are more. Ask for less." if studies.cut else words_of)
        first = self._found.topLevelItem(0)
        if first is not None:
            self._found.setCurrentItem(first)
            self._found.setFocus()

    def _look_into(self, item: QTreeWidgetItem) -> None:
        study, node = item.data(0, _VALUE), self._node
        if not isinstance(study, StudyAnswer) or node is None or item.childCount():
            return
        if self._jobs.is_running(_KIND):
            item.setExpanded(False)
            return

        def done(found: tuple[SeriesAnswer, ...]) -> None:
            for series in found:
                number = f"Series {series.number}" if series.number is not None else "Series"
                made = QTreeWidgetItem([number, "", "", "", series.description or series.body_part, series.modality, _count(series.images)])
                made.setData(0, _VALUE, series)
                item.addChild(made)
            self._say(f"{len(found)} series.")

        self._start("Asking for the series", lambda progress: find_series(node, study, progress), done)

    def _start_retrieval(self) -> None:
        node = self._node
        chosen = [item.data(0, _VALUE) for item in self._found.selectedItems()]
        series = [one for one in chosen if isinstance(one, SeriesAnswer)]
        studies = [one for one in chosen if isinstance(one, StudyAnswer)]
        if node is None or not chosen:
            return
        if len({*(one.study_uid for one in series), *(one.uid for one in studies)}) > 1:
            self._say("", Refusal("Series of more than one study are chosen.", "Choose those of one."))
            return

        def work(progress: Progress) -> Received:
            wanted = series or [one for one in find_series(node, studies[0], progress) if one.modality in ("CT", "MR")]
            if not wanted:
                raise Refusal("The study has neither CT nor MR.", "Choose another one.")
            return retrieve(node, wanted, received_folder(), progress)

        self._start("Retrieving", work, self._open_received)

    def _open_received(self, received: Received) -> None:
        self.accept()
        self._open_folder(received.folder)

    # ---- what is sent --------------------------------------------------------------------------------------------------

    def _choose_files(self) -> None:
        """Let the user choose what to send and where to, beside the window."""
        node = self._node
        if node is None:
            return
        files = QFileDialog(self, f"Send to {node.name}", "", "DICOM (*.dcm);;All files (*)")
        files.setFileMode(QFileDialog.FileMode.ExistingFiles)
        files.setLabelText(QFileDialog.DialogLabel.Accept, "Send")
        files.setModal(False)
        files.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        files.filesSelected.connect(lambda paths: self._start_sending(node, [Path(path) for path in paths]))
        files.finished.connect(self.activateWindow)
        put_in_front(files)

    def _start_sending_sheet(self) -> None:
        node, sheet = self._node, self._sheet
        if node is None or sheet is None:
            return

        def done(sent: Sent) -> None:
            self._sheet_sent()
            self.offer(None, lambda: None)
            self._say(f"{node.name} took the plan sheet.")

        self._start(f"Sending to {node.name}", lambda progress: send(node, [sheet], progress), done)

    def _start_sending(self, node: Node, files: list[Path]) -> None:
        def done(sent: Sent) -> None:
            count = f"{sent.files} {'file' if sent.files == 1 else 'files'}"
            self._say(f"{node.name} took {count}, {sent.bytes / 1e6:.1f} MB.")

        self._start(f"Sending to {node.name}", lambda progress: send(node, files, progress), done)

    # ---- work and words ------------------------------------------------------------------------------------------------

    def _cancel(self) -> None:
        self._jobs.cancel(_KIND)
        self._say("Stopped. What has come stays, and is not asked for again.")

    def _ended(self, kind: str) -> None:
        self._progress.put(False, 0.0, "")
        self._show_buttons()

    def _start(self, what: str, work: Callable[[Progress], T], done: Callable[[T], object]) -> None:
        def ended(outcome: Outcome) -> None:
            if outcome.error is not None:
                self._say("", Refusal("Something failed inside the program.", "Try again; what has come stays."))
            elif outcome.refusal is not None:
                self._say("", outcome.refusal)
            else:
                done(outcome.value)
            self._show_buttons()

        self._say("")
        self._jobs.start(_KIND, work, ended, elsewhere=True)
        self._progress.put(True, 0.0, what)
        self._show_buttons()

    def _attempt(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Refusal as refusal:
            self._say("", refusal)

    def _say(self, sentence: str, refusal: Refusal | None = None) -> None:
        """Show a sentence, or what went wrong, in place of what was said before."""
        say(self._said, sentence)
        self._problem.show_items([(str(refusal), partial(self._card, refusal))] if refusal is not None else [])
        self._show_buttons()

    def _card(self, refusal: Refusal) -> QWidget:
        card = refusal_card(refusal)
        if isinstance(refusal, Incomplete):
            card.add(row(button("Open what came", partial(self._open_part, refusal.folder)), None))
        return card

    def _open_part(self, folder: Path) -> None:
        self.accept()
        self._open_folder(folder)


def _day(field: QLineEdit) -> date | None:
    text = field.text().strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise Refusal(f"{text[:20]} is no day.", "Write it as 2024-05-31.") from error


def _count(images: int | None) -> str:
    return "" if images is None else str(images)
