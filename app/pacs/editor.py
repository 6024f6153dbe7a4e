"""The page of the PACS dialog on which a node is entered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtWidgets import QCheckBox, QFormLayout, QLineEdit, QVBoxLayout, QWidget

from app.pacs.nodes import WAYS, Node, Way
from app.widgets.choice import Choice
from app.widgets.text import button, label, row
from planner.refusal import Refusal

_WAY_WORDS: dict[Way, str] = {
    "C-GET": "C-GET: the images come on our own call",
    "C-MOVE": "C-MOVE: the server calls back and sends",
    "DICOMweb": "DICOMweb: by HTTP or HTTPS",
}


class NodeEditor(QWidget):
    """Fields for a node. save: called with the node as it was (None for a new one), as it is, and a password if one was typed."""

    def __init__(self, save: Callable[[Node | None, Node, str | None], object], leave: Callable[[], object]) -> None:
        super().__init__()
        self.setAccessibleName("PACS node")
        self._save = save
        self._was: Node | None = None
        self._way: Way = "C-GET"
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self._title = label("A new node", "title")
        column.addWidget(self._title)
        self._form = QFormLayout()
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self._form.setHorizontalSpacing(14)
        column.addSpacing(6)
        column.addLayout(self._form)
        self._name = self._field("Name", "What you call it")
        self._choice = Choice("How series are retrieved", _WAY_WORDS, self._way, self._choose_way)
        self._form.addRow(label("Retrieve by", wrap=False), self._choice)
        self._host = self._field("Host", "pacs.example.org")
        self._port = self._field("Port", "104")
        self._title_of_it = self._field("Its AE title", "PACS")
        self._title_of_us = self._field("Our AE title", "DURAPLAN", "The server must know this program by it")
        self._our_port = self._field("Our port", "11112", "Where this machine listens while a C-MOVE runs; the server must know it")
        self._url = self._field("DICOMweb address", "https://pacs.example.org/dicom-web")
        self._user = self._field("User", "None, if the server asks for none")
        self._password = self._field("Password", "As it was", "Kept in the system's keyring, nowhere else")
        self._password.setEchoMode(QLineEdit.EchoMode.Password)
        self._tls = QCheckBox("Encrypted (TLS)")
        self._tls.setAccessibleName("Encrypted (TLS)")
        self._form.addRow(label(), self._tls)
        self._authority = self._field("Trusted authority", "A PEM file; empty: the system's")
        self._certificate = self._field("Our certificate", "A PEM file, where the server asks who we are")
        self._key = self._field("Our key", "A PEM file")
        column.addStretch(1)
        column.addWidget(row(None, button("Back", leave), button("Save the node", self._done, "next")))

    def show_node(self, node: Node | None) -> None:
        """Begin with a node, or with an empty one."""
        self._was = node
        shown = node or Node("")
        self._title.setText(node.name if node else "A new node")
        for field, text in (
            (self._name, shown.name), (self._host, shown.host), (self._port, str(shown.port)), (self._title_of_it, shown.ae_title),
            (self._title_of_us, shown.our_ae_title), (self._our_port, str(shown.our_port)), (self._url, shown.url),
            (self._user, shown.user), (self._password, ""), (self._authority, shown.authority),
            (self._certificate, shown.certificate), (self._key, shown.key),
        ):  # fmt: skip
            field.setText(text)
        self._password.setPlaceholderText("As it was" if node and node.user else "")
        self._tls.setChecked(shown.tls)
        self._choice.setCurrentIndex(WAYS.index(shown.way))
        self._choose_way(shown.way)
        self._name.setFocus()

    def _choose_way(self, way: Way) -> None:
        self._way = way
        web = way == "DICOMweb"
        for field in (self._host, self._port, self._title_of_it, self._title_of_us, self._tls):
            self._form.setRowVisible(field, not web)
        for field in (self._url, self._user, self._password):
            self._form.setRowVisible(field, web)
        self._form.setRowVisible(self._our_port, way == "C-MOVE")

    def _done(self) -> None:
        node = replace(
            self._was or Node(""),
            name=self._name.text(), way=self._way, host=self._host.text(), port=_port(self._port), ae_title=self._title_of_it.text(),
            our_ae_title=self._title_of_us.text(), our_port=_port(self._our_port), tls=self._tls.isChecked(), url=self._url.text(),
            user=self._user.text(), authority=self._authority.text(), certificate=self._certificate.text(), key=self._key.text(),
        )  # fmt: skip
        self._save(self._was, node, self._password.text() or None)

    def _field(self, name: str, hint: str, more: str = "") -> QLineEdit:
        field = QLineEdit()
        field.setAccessibleName(name)
        field.setPlaceholderText(hint)
        field.setToolTip(more)
        field.returnPressed.connect(self._done)
        self._form.addRow(label(name, wrap=False), field)
        return field


def _port(field: QLineEdit) -> int:
    """A port as typed; 0, which no port is, for anything else."""
    text = field.text().strip()
    return int(text) if text.isascii() and text.isdigit() else 0


def with_node(nodes: tuple[Node, ...], was: Node | None, node: Node) -> tuple[Node, ...]:
    """The list with a node in the place of the one that it was, or at the end."""
    if was is None:
        return (*nodes, node)
    if was not in nodes:
        raise Refusal(f"The node {was.name} is no longer in the list.", "Enter it as a new one.")
    return tuple(node if one == was else one for one in nodes)
