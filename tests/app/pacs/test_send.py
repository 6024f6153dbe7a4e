"""Sending: what arrives is what was sent, and what is not taken is counted."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import JPEGLSLossless, RLELossless

from app.pacs.nodes import Node, Way
from app.pacs.query import Asked, find_series, find_studies
from app.pacs.retrieve import retrieve
from app.pacs.send import send
from planner.progress import Cancelled, silent
from planner.refusal import Refusal
from tests.app.pacs.conftest import QUICK, Line, Pacs, node_of, through
from tests.app.pacs.patients import write_series
from tests.app.pacs.programs import free_port, program

both = pytest.mark.parametrize("way", ["C-GET", "DICOMweb"])


def pixels(folder: Path) -> dict[str, bytes]:
    return {one.SOPInstanceUID: one.PixelData for one in map(pydicom.dcmread, folder.rglob("*.dcm"))}


@both
def test_what_is_sent_arrives_and_comes_back(way: Way, pacs: Pacs, tmp_path: Path) -> None:
    """Compressed files too, in the syntax that they are in."""
    patient = write_series(tmp_path / "in", 4, name=f"Sender^{way}", patient_id=f"S-{way}")
    for path, syntax in zip(patient.files[2:], (RLELossless, JPEGLSLossless)):
        one = pydicom.dcmread(path)
        one.compress(syntax, generate_instance_uid=False)
        one.save_as(path)
    node = node_of(pacs.server, way)
    before = pacs.server.instances
    heard: list[str] = []
    assert send(node, patient.files, lambda share, what: heard.append(what)).files == 4
    assert pacs.server.instances == before + 4
    (study,) = find_studies(node, Asked(patient_id=f"S-{way}")).answers
    got = retrieve(node, find_series(node, study), tmp_path / "out")
    assert pixels(got.folder) == pixels(tmp_path / "in")
    syntaxes = {pydicom.dcmread(path).file_meta.TransferSyntaxUID for path in got.folder.rglob("*.dcm")}
    assert syntaxes >= {RLELossless, JPEGLSLossless}


@both
def test_a_foreign_preamble_is_not_passed_on(way: Way, pacs: Pacs, tmp_path: Path) -> None:
    patient = write_series(tmp_path, 1, patient_id=f"P-{way}")
    data = patient.files[0].read_bytes()
    patient.files[0].write_bytes(b"MZ evil".ljust(128, b"!") + data[128:])
    send(node_of(pacs.server, way), patient.files)
    uid = pydicom.dcmread(patient.files[0]).SOPInstanceUID
    (found,) = pacs.server.rest("/tools/lookup", str(uid).encode())
    import urllib.request

    request = urllib.request.Request(f"http://127.0.0.1:{pacs.server.web_port}/instances/{found['ID']}/file")
    from base64 import b64encode

    from tests.app.pacs.programs import PASSWORD, USER

    request.add_header("Authorization", "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode())
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert b"evil" not in answer.read()[:132]


@both
def test_a_file_that_is_no_dicom_stops_all_before_it_begins(way: Way, pacs: Pacs, tmp_path: Path) -> None:
    patient = write_series(tmp_path, 1, patient_id="NO")
    (tmp_path / "plan.pdf").write_bytes(b"%PDF-1.7")
    before = pacs.server.instances
    with pytest.raises(Refusal, match=r"plan\.pdf is no DICOM file, so nothing was sent"):
        send(node_of(pacs.server, way), [*patient.files, tmp_path / "plan.pdf"])
    with pytest.raises(Refusal, match="nothing to send"):
        send(node_of(pacs.server, way), [])
    assert pacs.server.instances == before


def test_a_line_that_is_cut_says_how_much_was_taken(pacs: Pacs, tmp_path: Path) -> None:
    patient = write_series(tmp_path, 20, patient_id="CUT")
    line = Line(pacs.server.port, cut_after=2000)  # answers are short
    try:
        with pytest.raises(Refusal, match=r"The test PACS took \d+ of 20 files\. The connection"):
            send(through(line, node_of(pacs.server)), patient.files, silent, QUICK)
    finally:
        line.close()
    assert send(node_of(pacs.server), patient.files).files == 20


@both
def test_sending_can_be_cancelled(way: Way, pacs: Pacs, tmp_path: Path) -> None:
    patient = write_series(tmp_path, 30, patient_id=f"C-{way}")
    before = pacs.server.instances

    def stop(share: float, what: str) -> None:
        if share > 0:
            raise Cancelled

    slow = Line(pacs.server.port if way == "C-GET" else pacs.server.web_port, pause_s=0.05)
    try:
        with pytest.raises(Cancelled):
            send(through(slow, node_of(pacs.server, way)), patient.files, stop)
    finally:
        slow.close()
    time.sleep(0.1)
    assert before <= pacs.server.instances < before + 30


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[Node]:
    """dcmtk's receiver, which takes uncompressed images only."""
    port = free_port()
    folder = tmp_path / "scp"
    folder.mkdir()
    server = subprocess.Popen([program("/usr/bin/storescp"), "-od", folder, "-aet", "SCP", str(port)])
    try:
        node = Node("dcmtk", "SCP", "127.0.0.1", port)
        for _ in range(50):
            time.sleep(0.05)
            try:
                from app.pacs.echo import echo

                echo(node, silent, QUICK)
                break
            except Refusal:
                continue
        yield node
    finally:
        server.kill()
        server.wait()


def test_dcmtk_takes_what_we_send_and_names_what_it_does_not(storescp: Node, tmp_path: Path) -> None:
    patient = write_series(tmp_path / "in", 5)
    assert send(storescp, patient.files[:4]).files == 4
    assert len(list((tmp_path / "scp").iterdir())) == 4
    one = pydicom.dcmread(patient.files[4])
    one.compress(RLELossless, generate_instance_uid=False)
    one.save_as(patient.files[4])
    with pytest.raises(Refusal, match=r"dcmtk took 4 of 5 files; of the others it says that .*transfer syntax"):
        send(storescp, patient.files)
    with pytest.raises(Refusal, match="Nothing listens"):
        send(replace(storescp, port=free_port()), patient.files)
