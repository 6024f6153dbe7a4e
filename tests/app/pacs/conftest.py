"""A real PACS for the tests of this folder, a keyring in memory, and a line that can be slowed, cut or held."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

from app.pacs.attended import Limits
from app.pacs.nodes import Node, Way
from app.pacs.passwords import keep_password
from tests.app.pacs.patients import OneSeries, write_series
from tests.app.pacs.programs import PASSWORD, USER, Orthanc, free_port

QUICK = Limits(connect_s=2.0, answer_s=2.0, silence_s=1.0)


class MemoryKeyring(KeyringBackend):
    """A keyring that ends with the test."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.kept:
            raise PasswordDeleteError
        del self.kept[service, username]


@pytest.fixture(autouse=True)
def memory_keyring() -> Iterator[MemoryKeyring]:
    before, made = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    """Whatever a conversation came to, its threads end."""
    before = set(threading.enumerate())
    yield
    limit = monotonic() + 4
    while left := [one.name for one in set(threading.enumerate()) - before if one.name.startswith(_OURS)]:
        assert monotonic() < limit, f"threads left behind: {left}"
        sleep(0.02)


_OURS = ("pacs", "Acceptor", "RequestorThread", "dul@")


@dataclass(frozen=True)
class Pacs:
    """A running Orthanc with three studies: a CT of 40 slices with an MR of 3, and a CT each of two other patients."""

    server: Orthanc
    ct: OneSeries
    mr: OneSeries
    other: OneSeries


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pacs]:
    folder = tmp_path_factory.mktemp("pacs")
    server = Orthanc(folder / "server", free_port())
    try:
        ct = write_series(folder / "ct", 40)
        mr = write_series(folder / "mr", 3, "MR", study=ct.study, description="T2 sag")
        other = write_series(folder / "other", 2, name="Quokkaberg^Tom", patient_id="QB-1", day="20190111")
        umlaut = write_series(folder / "umlaut", 1, name="Müßigbrod^Jörg", patient_id="UM-1", day="19990909")
        server.add([*ct.files, *mr.files, *other.files, *umlaut.files])
        yield Pacs(server, ct, mr, other)
    finally:
        server.kill()


@pytest.fixture
def own_pacs(tmp_path: Path) -> Iterator[Orthanc]:
    """An Orthanc that a test may kill."""
    server = Orthanc(tmp_path / "server", free_port())
    yield server
    server.kill()


def node_of(server: Orthanc, way: Way = "C-GET") -> Node:
    """The node as a user enters it; its password is in the keyring."""
    node = Node(
        "The test PACS", Orthanc.AE_TITLE, "127.0.0.1", server.port, our_port=server.receiver_port, our_address="127.0.0.1",
        way=way, url=server.url, user=USER,
    )  # fmt: skip
    keep_password(node, PASSWORD)
    return node


class Line:
    """A line to a server that can be held, slowed or cut after so many bytes from the server, or that is encrypted on our side."""

    def __init__(
        self,
        port: int,
        hold_after: int | None = None,
        cut_after: int | None = None,
        pause_s: float = 0.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self.port = free_port()
        self._to, self._hold_after, self._cut_after, self._pause_s = port, hold_after, cut_after, pause_s
        self._passed = 0
        self._let_go = threading.Event()
        self._ends: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                if self._tls is not None:
                    try:
                        near = self._tls.wrap_socket(near, server_side=True)
                    except OSError:  # the caller does not believe us
                        continue
                far = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [near, far]
                threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, source: socket.socket, goal: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(16384):
                if counted:
                    self._passed += len(data)
                    sleep(self._pause_s)
                    if self._cut_after is not None and self._passed > self._cut_after:
                        break
                    if self._hold_after is not None and self._passed > self._hold_after:
                        self._let_go.wait()
                goal.sendall(data)
        for end in (source, goal):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._let_go.set()
        for end in (self._server, *self._ends):
            with suppress(OSError):
                end.close()


def through(line: Line, node: Node) -> Node:
    """The same node, reached by a line."""
    node = replace(node, host="127.0.0.1", port=line.port, url=f"http://127.0.0.1:{line.port}/dicom-web")
    keep_password(node, PASSWORD)
    return node
