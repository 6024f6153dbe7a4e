"""The PACS nodes that the user entered: values, and the file in the settings folder that keeps them. Passwords are never in it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from app.places import nodes_file
from planner.refusal import Refusal
from planner.whole_files import refusal_of, write_whole

Way = Literal["C-GET", "C-MOVE", "DICOMweb"]
WAYS: tuple[Way, ...] = get_args(Way)

_VERSION = 1
_AE_TITLE = re.compile(r"[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?")  # PS3.5 6.2: no backslash
_MOST_BYTES = 1 << 20
_OF_DICOM = "Ask whoever runs the server for it."


@dataclass(frozen=True)
class Node:
    """A PACS and how it is spoken to. way: how series are fetched; DICOMweb is then used for queries and for sending too.

    our_ae_title: what this program calls itself. our_port and our_address: where it listens for a C-MOVE ("" is every address of this
    machine). tls: for DIMSE; an https address of DICOMweb is always TLS. authority: a file of certificates to trust ("" is the system's).
    certificate and key: PEM files of this machine, where the server asks who we are. user: of DICOMweb; its password is in the keyring.
    """

    name: str
    ae_title: str = ""
    host: str = ""
    port: int = 104
    our_ae_title: str = "DURAPLAN"
    our_port: int = 11112
    our_address: str = ""
    way: Way = "C-GET"
    tls: bool = False
    authority: str = ""
    certificate: str = ""
    key: str = ""
    url: str = ""
    user: str = ""

    @property
    def by_web(self) -> bool:
        """Whether it is spoken to by DICOMweb."""
        return self.way == "DICOMweb"


def checked(node: Node) -> Node:
    """The node with its fields trimmed. Raises Refusal for what cannot be right."""
    trimmed: dict[str, Any] = {name: value.strip() if isinstance(value, str) else value for name, value in asdict(node).items()}
    node = Node(**trimmed)
    if not node.name:
        raise Refusal("The node has no name.", "Give it one that you will know it by.")
    if node.way not in WAYS:
        raise Refusal(f"{node.name}: there is no way to retrieve called {node.way!r}.", f"Choose {', '.join(WAYS[:-1])} or {WAYS[-1]}.")
    if node.by_web:
        _check_url(node)
        return node
    if not node.host or re.search(r"[\s/@]", node.host):
        raise Refusal(f"{node.name}: the host is missing or is none.", "Enter a name or an IP address, such as pacs.example.org.")
    for what, title in (("its AE title", node.ae_title), ("our AE title", node.our_ae_title)):
        if not _AE_TITLE.fullmatch(title):
            raise Refusal(f"{node.name}: {what} is missing or is none: 1 to 16 plain characters.", _OF_DICOM)
    for what, port in (("its port", node.port), ("our port", node.our_port)):
        if not 0 < port < 65536:
            raise Refusal(f"{node.name}: {what}, {port}, is none.", f"A port is 1 to 65535, often 104, 4242 or 11112. {_OF_DICOM}")
    if node.tls and node.way == "C-MOVE" and not node.certificate:
        sentence = f"{node.name}: with TLS a C-MOVE needs a certificate of this machine, for it is the server that calls."
        raise Refusal(sentence, "Enter certificate and key, or retrieve by C-GET.")
    return node


def _check_url(node: Node) -> None:
    try:
        parts = urlsplit(node.url)
        port_is_one = parts.port is None or 0 < parts.port < 65536
    except ValueError:
        parts, port_is_one = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_one or parts.query or parts.fragment:
        raise Refusal(f"{node.name}: the DICOMweb address is missing or is none.", "It looks like https://pacs.example.org/dicom-web.")
    if parts.username is not None or parts.password is not None:
        raise Refusal(f"{node.name}: the DICOMweb address holds a user or a password.", "Enter them in their own fields.")
    if node.user and parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise Refusal(f"{node.name}: the password would travel unencrypted.", "Use an https address, or no user.")


def read_nodes() -> tuple[Node, ...]:
    """The nodes that are kept, in the user's order. Raises Refusal for a file that cannot be read; it is left as it is."""
    path = nodes_file()
    try:
        if not path.exists():
            return ()
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("too large")
        kept = json.loads(path.read_text("utf-8"))
        if kept["version"] > _VERSION:
            raise Refusal(f"{path.name} was written by a newer Duraplan.", "Start that one, or take the file away.")
        return tuple(_node(one) for one in kept["nodes"])
    except OSError as error:
        raise Refusal(f"The PACS nodes in {path.name} cannot be read.", "Check the settings folder.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refusal(f"The PACS nodes in {path.name} cannot be read: the file is damaged.", "Mend it, or take it away.") from error


def _node(kept: dict[str, Any]) -> Node:
    """A node of the file; keys of other versions are passed over, values of another type are damage."""
    known = {field.name: type(field.default) if field.name != "name" else str for field in fields(Node)}
    values = {name: kept[name] for name in known if name in kept}
    for name, value in values.items():
        if type(value) is not known[name]:
            raise TypeError(name)
    return Node(**values)


def write_nodes(nodes: Sequence[Node]) -> None:
    """Keep these nodes, whole or not at all. Raises Refusal for two of one name, for one that cannot be right, and for the disk."""
    nodes = [checked(node) for node in nodes]
    names = [node.name for node in nodes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Refusal(f"There are two nodes called {twice}.", "Call one of them something else.")
    path = nodes_file()
    data = json.dumps({"version": _VERSION, "nodes": [asdict(node) for node in nodes]}, indent=1, ensure_ascii=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data.encode("utf-8"))
    except OSError as error:
        raise refusal_of(error, "The list of PACS nodes", path.parent) from error
