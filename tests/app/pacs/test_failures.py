"""Servers that are no servers, and answers that nobody should believe."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest

from app.pacs.association import Call
from app.pacs.attended import Limits, attended
from app.pacs.echo import echo
from app.pacs.inbox import Inbox
from app.pacs.multipart import Broken, taken_apart
from app.pacs.nodes import Node
from app.pacs.passwords import keep_password
from app.pacs.query import SeriesAnswer
from app.pacs.retrieve import Receiver, _taking, retrieve
from planner.progress import Cancelled, Progress, silent
from planner.refusal import Refusal
from tests.app.pacs.conftest import QUICK, Pacs, node_of
from tests.app.pacs.patients import write_series
from tests.app.pacs.programs import free_port, program


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of a server that takes calls and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_nobody_listens(pacs: Pacs) -> None:
    nowhere = free_port()
    with pytest.raises(Refusal, match=f"Nothing listens at 127.0.0.1, port {nowhere}"):
        echo(replace(node_of(pacs.server), port=nowhere))
    with pytest.raises(Refusal, match="is not reached"):
        echo(replace(node_of(pacs.server, "DICOMweb"), url=f"http://127.0.0.1:{nowhere}/dicom-web"))


def test_no_such_host(pacs: Pacs) -> None:
    with pytest.raises(Refusal, match="no machine is called"):
        echo(replace(node_of(pacs.server), host="pacs.invalid"), silent, QUICK)


def test_wrong_ae_title(pacs: Pacs) -> None:
    with pytest.raises(Refusal, match="The test PACS is not called WRONG") as said:
        echo(replace(node_of(pacs.server), ae_title="WRONG"))
    assert "AE title" in said.value.way_out


def test_a_server_of_another_kind(pacs: Pacs) -> None:
    with pytest.raises(Refusal, match="no answer of a DICOM server"):
        echo(replace(node_of(pacs.server), port=pacs.server.web_port), silent, QUICK)
    web = node_of(pacs.server, "DICOMweb")
    with pytest.raises(Refusal, match=r"DICOMweb|HTTP"):
        echo(replace(web, url=web.url.replace("dicom-web", "app/explorer.html"), user=""), silent, QUICK)


def test_a_deaf_server_is_given_up(deaf: int, pacs: Pacs) -> None:
    start = monotonic()
    with pytest.raises(Refusal):
        echo(replace(node_of(pacs.server), port=deaf), silent, QUICK)
    with pytest.raises(Refusal, match="has said nothing for 1 s"):
        echo(replace(node_of(pacs.server, "DICOMweb"), url=f"http://127.0.0.1:{deaf}", user=""), silent, QUICK)
    assert monotonic() - start < 8


def test_cancel_does_not_wait_for_a_deaf_server(deaf: int, pacs: Pacs) -> None:
    def stop(share: float, what: str) -> None:
        raise Cancelled

    web = replace(node_of(pacs.server, "DICOMweb"), url=f"http://127.0.0.1:{deaf}", user="")
    for node in (replace(node_of(pacs.server), port=deaf), web):
        start = monotonic()
        with pytest.raises(Cancelled):
            echo(node, stop, Limits(4, 4, 4))
        assert monotonic() - start < 3


def test_a_wrong_password_is_said_and_not_shown(pacs: Pacs) -> None:
    node = node_of(pacs.server, "DICOMweb")
    keep_password(node, "not-this-one")
    with pytest.raises(Refusal, match="does not let this user in") as said:
        echo(node)
    assert "not-this-one" not in str(said.value)


def test_bugs_are_not_hidden() -> None:
    def work(report: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        attended(work, silent, lambda: None, lambda: None)


# ---- our own receiver -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def receiving(tmp_path: Path) -> Iterator[tuple[Node, Inbox, tuple[Path, ...]]]:
    """Our receiver, waiting for five images of six that there are."""
    patient = write_series(tmp_path / "ct", 6)
    import pydicom

    uids = frozenset(str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in patient.files[:5])
    node = Node("us", "ORTHANC", "127.0.0.1", 104, our_port=free_port(), our_address="127.0.0.1", way="C-MOVE")
    inbox = Inbox(tmp_path / "in", patient.study, patient.uid, uids)
    call = Call(node, QUICK)
    series = SeriesAnswer(patient.study, patient.uid, "CT", 1, "", "", 5)
    with Receiver(call, _taking(inbox, series, silent)):
        yield node, inbox, patient.files
    call.break_off()


def storescu(node: Node, *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [program("/usr/bin/storescu"), "-v", *words[:-1], "127.0.0.1", str(node.our_port), *str(words[-1]).split("\n")]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=20)


def test_dcmtk_sends_to_our_receiver(receiving: tuple[Node, Inbox, tuple[Path, ...]]) -> None:
    node, inbox, files = receiving
    done = storescu(node, "-aec", "DURAPLAN", "\n".join(map(str, files[:5])))
    assert done.returncode == 0, done.stdout + done.stderr
    assert inbox.count == 5 and not inbox.missing


def test_our_receiver_takes_nothing_that_was_not_asked_for(receiving: tuple[Node, Inbox, tuple[Path, ...]]) -> None:
    node, inbox, files = receiving
    done = storescu(node, "-aec", "DURAPLAN", files[5])
    assert "0x124" in done.stdout + done.stderr  # not authorised
    assert inbox.count == 0
    assert storescu(node, "-aec", "SOMEBODY", files[0]).returncode != 0
    assert inbox.count == 0
    assert list(inbox.folder.iterdir()) == []


# ---- what a server may name an image ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("uid", ["../../evil", "/etc/passwd", "..", "a\x00b", "CON", "x" * 5000, "1.2.3", "\udcff"])
def test_no_name_leads_out_of_the_folder(uid: str, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "in", uid, uid, frozenset())
    assert inbox.take(uid, bytes(128) + b"DICM") == "new"
    (made,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert made.parent == inbox.folder and made.resolve().is_relative_to(tmp_path / "in")
    assert Inbox(tmp_path / "in", uid, uid, frozenset()).count == 1


def test_what_a_power_cut_left_is_fetched_again(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, "1", "2", frozenset({"3", "4"}))
    inbox.take("3", bytes(128) + b"DICM")
    inbox.take("4", bytes(128) + b"DICM")
    next(iter(inbox.folder.glob("*.dcm"))).write_bytes(bytes(4096))
    assert len(Inbox(tmp_path, "1", "2", frozenset({"3", "4"})).missing) == 1


def test_a_closed_inbox_takes_nothing(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, "1", "2", frozenset())
    inbox.close()
    assert inbox.take("3", bytes(128) + b"DICM") == "not asked for"


# ---- messages of DICOMweb ---------------------------------------------------------------------------------------------------------------


MESSAGE = b"hello\r\n--edge\r\nContent-Type: application/dicom\r\n\r\none\r\n--edg\r\n--edge\r\n\r\ntwo\r\n--edge--\r\nafterwards"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_message_is_taken_apart_however_it_is_cut(size: int) -> None:
    pieces = [MESSAGE[at : at + size] for at in range(0, len(MESSAGE), size)]
    parts = [b""]
    for piece in taken_apart(pieces, b"edge"):
        if piece is None:
            parts.append(b"")
        else:
            parts[-1] += piece
    assert parts == [b"one\r\n--edg", b"two", b""]


def test_a_message_that_ends_early_gives_no_part_that_is_not_whole() -> None:
    end = MESSAGE.index(b"two")
    got: list[bytes | None] = []
    with pytest.raises(Broken):
        for piece in taken_apart([MESSAGE[: end + 2]], b"edge"):
            got.append(piece)
    assert got.count(None) == 1


def test_an_endless_header_is_no_header() -> None:
    with pytest.raises(Broken):
        list(taken_apart([b"--edge\r\n", *[b"x" * 4096] * 100], b"edge"))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nContent-Length: 9\r\n\r\n[{\"x\": 1}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[17]",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/elsewhere\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"",
    ],
    ids=["a page", "half", "no data set", "elsewhere", "broken", "no HTTP", "nothing"],
)
def test_an_answer_that_is_none_is_a_sentence(answer: bytes, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    wire, _ = server.accept()
                except OSError:
                    return
                with wire:
                    wire.recv(65536)
                    wire.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        node = Node("Odd", way="DICOMweb", url=f"http://127.0.0.1:{server.getsockname()[1]}/dicom-web")
        with pytest.raises(Refusal, match="Odd"):
            retrieve(node, [SeriesAnswer("1.2", "1.2.3", "CT", 1, "", "", 3)], tmp_path, silent, QUICK)
        server.close()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
