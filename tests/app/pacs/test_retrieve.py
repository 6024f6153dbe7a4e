"""Fetching from a real Orthanc by all three ways: whole, again, stopped, cut off, held up, and what came when something failed."""

from __future__ import annotations

import logging
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic
from types import SimpleNamespace

import pydicom
import pytest
import requests

from app.pacs import web
from app.pacs.attended import Limits
from app.pacs.inbox import Inbox
from app.pacs.nodes import WAYS, Node, Way
from app.pacs.query import Asked, SeriesAnswer, find_series, find_studies
from app.pacs.retrieve import Incomplete, Received, retrieve
from planner.progress import Cancelled, silent
from planner.refusal import Refusal
from planner.scan import read
from tests.app.pacs.conftest import QUICK, Line, Pacs, node_of, through
from tests.app.pacs.patients import SECRETS, OneSeries, write_series
from tests.app.pacs.programs import Orthanc

every_way = pytest.mark.parametrize("way", WAYS)
PATIENT_SLICES = 40


def series_of(node: Node, modality: str = "CT") -> SeriesAnswer:
    (study,) = find_studies(node, Asked(name="Zzyzxquill")).answers
    return next(one for one in find_series(node, study) if one.modality == modality)


def pixels(files: list[Path]) -> dict[str, bytes]:
    return {one.SOPInstanceUID: one.PixelData for one in map(pydicom.dcmread, files)}


def received(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def lines() -> Iterator[Callable[..., Line]]:
    made: list[Line] = []

    def make(port: int, **how: float) -> Line:
        made.append(Line(port, **how))
        return made[-1]

    yield make
    for one in made:
        one.close()


@every_way
def test_a_series_comes_whole_and_opens_like_any_folder(way: Way, pacs: Pacs, tmp_path: Path) -> None:
    node = node_of(pacs.server, way)
    heard: list[tuple[float, str]] = []
    got = retrieve(node, [series_of(node)], tmp_path, lambda share, what: heard.append((share, what)))
    assert (got.images, got.before) == (PATIENT_SLICES, 0)
    assert pixels(received(got.folder)) == pixels(list(pacs.ct.files))
    assert [share for share, _ in heard] == sorted(share for share, _ in heard)
    (series,) = read(got.folder, silent).series
    assert (series.verdict, series.slices) == ("good", PATIENT_SLICES)


@every_way
def test_two_series_of_a_study_lie_in_one_folder(way: Way, pacs: Pacs, tmp_path: Path) -> None:
    node = node_of(pacs.server, way)
    got = retrieve(node, [series_of(node), series_of(node, "MR")], tmp_path)
    assert got.images == PATIENT_SLICES + 3
    assert len(received(got.folder)) == PATIENT_SLICES + 3
    assert list(tmp_path.iterdir()) == [got.folder]


@every_way
def test_what_is_here_is_not_asked_for_again(way: Way, pacs: Pacs, tmp_path: Path) -> None:
    node = node_of(pacs.server, way)
    first = retrieve(node, [series_of(node)], tmp_path)
    for path in received(first.folder)[5:12]:
        path.unlink()
    size = received(first.folder)[0].stat().st_size
    again = retrieve(node, [series_of(node)], tmp_path)
    assert (again.images, again.before) == (PATIENT_SLICES, PATIENT_SLICES - 7)
    assert again.bytes == pytest.approx(7 * size, rel=0.01)
    assert pixels(received(again.folder)) == pixels(list(pacs.ct.files))
    assert retrieve(node, [series_of(node)], tmp_path).bytes == 0


def test_no_name_of_a_patient_in_paths_logs_or_preambles(
    pacs: Pacs, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    for way in WAYS:
        node = node_of(pacs.server, way)
        got = retrieve(node, [series_of(node)], tmp_path / way)
        for path in received(got.folder):
            assert path.read_bytes()[:132] == bytes(128) + b"DICM"
            assert not any(uid in str(path) for uid in (pacs.ct.study, pacs.ct.uid, *SECRETS))
    printed = capfd.readouterr()
    for said in (caplog.text, printed.out, printed.err):
        assert not any(secret in said for secret in (*SECRETS, pacs.ct.study, "correct horse"))


@every_way
def test_cancel_ends_the_call_at_once_and_keeps_what_came(way: Way, pacs: Pacs, tmp_path: Path, lines: Callable[..., Line]) -> None:
    node = node_of(pacs.server, way)
    series = series_of(node)
    slow = node if way == "C-MOVE" else through(lines(node.port if way == "C-GET" else pacs.server.web_port, pause_s=0.05), node)
    asked_at: list[float] = []

    def stop(share: float, what: str) -> None:
        if "images" in what and share > 0.1:
            asked_at.append(monotonic())
            raise Cancelled

    with pytest.raises(Cancelled):
        retrieve(slow, [series], tmp_path, stop)
    assert monotonic() - asked_at[0] < 2.5
    here = received(tmp_path)
    assert here and all(path.suffix == ".dcm" for path in here)
    assert retrieve(node, [series], tmp_path).images == PATIENT_SLICES
    assert pixels(received(tmp_path)) == pixels(list(pacs.ct.files))


@pytest.mark.parametrize("way", ["C-GET", "DICOMweb"])
def test_a_line_that_is_cut_keeps_half_and_says_how_much(way: Way, pacs: Pacs, tmp_path: Path, lines: Callable[..., Line]) -> None:
    node = node_of(pacs.server, way)
    series = series_of(node)
    port = node.port if way == "C-GET" else pacs.server.web_port
    with pytest.raises(Incomplete, match=r"\d+ of 40 images are here, then it stopped\. The connection to The test PACS was lost") as said:
        retrieve(through(lines(port, cut_after=200_000), node), [series], tmp_path)
    assert 0 < said.value.images < PATIENT_SLICES
    assert "kept" in said.value.way_out
    assert len(received(tmp_path)) == said.value.images
    assert retrieve(node, [series], tmp_path).before == said.value.images
    assert pixels(received(tmp_path)) == pixels(list(pacs.ct.files))


@pytest.mark.parametrize("way", ["C-GET", "DICOMweb"])
def test_a_server_that_falls_silent_is_left(way: Way, pacs: Pacs, tmp_path: Path, lines: Callable[..., Line]) -> None:
    node = node_of(pacs.server, way)
    series = series_of(node)
    port = node.port if way == "C-GET" else pacs.server.web_port
    start = monotonic()
    with pytest.raises(Incomplete, match="has said nothing for 1 s"):
        retrieve(through(lines(port, hold_after=200_000), node), [series], tmp_path, silent, QUICK)
    assert monotonic() - start < 8


@pytest.mark.parametrize("way", ["C-GET", "DICOMweb"])
def test_a_slow_server_is_waited_for_as_long_as_it_talks(way: Way, pacs: Pacs, tmp_path: Path, lines: Callable[..., Line]) -> None:
    node = node_of(pacs.server, way)
    port = node.port if way == "C-GET" else pacs.server.web_port
    start = monotonic()
    limits = Limits(2.0, 2.0, silence_s=0.4)
    pause_s = 0.015 if way == "C-GET" else 0.05  # a word for each image, or 16 KB at once
    got = retrieve(through(lines(port, pause_s=pause_s), node), [series_of(node)], tmp_path, silent, limits)
    assert got.images == PATIENT_SLICES
    assert monotonic() - start > limits.silence_s


@every_way
def test_a_server_killed_in_mid_transfer_loses_nothing(way: Way, own_pacs: Orthanc, tmp_path: Path) -> None:
    patient: OneSeries = write_series(tmp_path / "ct", 60, side=256)
    own_pacs.add(list(patient.files))
    node = node_of(own_pacs, way)
    series = series_of(node)
    killing = threading.Event()

    def kill(inbox: Inbox, count: int) -> None:
        if count == 10 and not killing.is_set():
            killing.set()
            own_pacs.kill()

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Incomplete, match=r"of 60 images are here") as said:
        _after_each(patch, kill)
        retrieve(node, [series], tmp_path / "in", silent, replace(QUICK, silence_s=2.0))
    assert 10 <= said.value.images < 60
    with pytest.raises(Refusal, match=r"Nothing listens|is not reached"):
        retrieve(node, [series], tmp_path / "in", silent, QUICK)
    own_pacs.start()
    again = retrieve(node, [series], tmp_path / "in")
    assert (again.images, again.before) == (60, said.value.images)
    assert pixels(received(again.folder)) == pixels(list(patient.files))


@pytest.mark.parametrize("way", ["C-GET", "C-MOVE"])
def test_a_server_that_has_lost_some_images_sends_the_others(way: Way, own_pacs: Orthanc, tmp_path: Path) -> None:
    """Half a study: the numbers are said, and what came is kept."""
    own_pacs.add(list(write_series(tmp_path / "ct", 12).files))
    stored = [path for path in (tmp_path / "server" / "storage").rglob("*") if path.is_file() and path.read_bytes()[128:132] == b"DICM"]
    assert len(stored) == 12
    for path in stored[4:7]:
        path.unlink()
    own_pacs.kill()  # it keeps copies in memory
    own_pacs.start()
    node = node_of(own_pacs, way)
    with pytest.raises(Incomplete, match=r"9 of 12 images are here, then it stopped") as said:
        retrieve(node, [series_of(node)], tmp_path / "in", silent, QUICK)
    assert len(received(said.value.folder)) == 9


def test_a_web_server_that_gives_no_series_is_asked_singly(pacs: Pacs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orthanc's DICOMweb answers 500 where it lacks one image; other images may still be had."""
    node = node_of(pacs.server, "DICOMweb")
    series = series_of(node)
    get, asked = web._get, []

    def lacking(session: web.Session, address: str) -> requests.Response:
        asked.append(address)
        if "/instances/" not in address or len(asked) == 5:
            answer = requests.Response()
            answer.status_code = 500
            answer.raise_for_status()
        return get(session, address)

    monkeypatch.setattr(web, "_get", lacking)
    with pytest.raises(Incomplete, match=r"39 of 40 images are here, then it stopped"):
        retrieve(node, [series], tmp_path)
    assert len(asked) == 41


def test_a_server_that_is_frozen_can_be_left(own_pacs: Orthanc, tmp_path: Path) -> None:
    patient = write_series(tmp_path / "ct", 30, side=256)
    own_pacs.add(list(patient.files))
    node = node_of(own_pacs)
    series = series_of(node)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Incomplete, match="has said nothing for 1 s"):
        _after_each(patch, lambda inbox, count: own_pacs.signal(signal.SIGSTOP) if count == 10 else None)
        retrieve(node, [series], tmp_path / "in", silent, QUICK)
    own_pacs.signal(signal.SIGCONT)
    assert retrieve(node, [series], tmp_path / "in").images == 30


def _after_each(patch: pytest.MonkeyPatch, act: Callable[[Inbox, int], None]) -> None:
    """Do something after each image that came."""
    adopt = Inbox.adopt

    def and_then(inbox: Inbox, part: Path, uid: str) -> str:
        taken = adopt(inbox, part, uid)
        act(inbox, inbox.count)
        return taken

    patch.setattr(Inbox, "adopt", and_then)


@pytest.mark.parametrize("way", ["C-GET", "C-MOVE"])
def test_a_wrong_ae_title_is_named(way: Way, pacs: Pacs, tmp_path: Path) -> None:
    node = node_of(pacs.server, way)
    series = series_of(node)
    with pytest.raises(Refusal, match="is not called SOMEBODY"):
        retrieve(replace(node, ae_title="SOMEBODY"), [series], tmp_path)
    # Orthanc talks to strangers, and refuses what they ask
    with pytest.raises(Refusal, match=r"STRANGER|does not|no queries|broke|lost"):
        retrieve(replace(node, our_ae_title="STRANGER"), [series], tmp_path, silent, QUICK)
    assert received(tmp_path) == []


def test_a_move_to_an_address_that_the_server_has_otherwise_is_said(pacs: Pacs, tmp_path: Path) -> None:
    node = node_of(pacs.server, "C-MOVE")
    with pytest.raises(Refusal, match="The test PACS") as said:
        retrieve(replace(node, our_ae_title="ELSEWHERE"), [series_of(node)], tmp_path)
    assert "AE title" in said.value.way_out
    assert received(tmp_path) == []


def test_a_port_that_another_program_has_is_said(pacs: Pacs, tmp_path: Path) -> None:
    node = node_of(pacs.server, "C-MOVE")
    series = series_of(node)
    with pytest.raises(Refusal, match=f"cannot listen on port {pacs.server.port}"):
        retrieve(replace(node, our_port=pacs.server.port, our_address=""), [series], tmp_path)


def test_a_disk_that_gets_full_stops_and_says_so(pacs: Pacs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for way in WAYS:
        node = node_of(pacs.server, way)
        series = series_of(node)
        real = shutil.disk_usage

        def filling(path: Path, way: Way = way, real: Callable[[Path], object] = real) -> object:
            here = len(list((tmp_path / way).rglob("*.dcm")))
            return real(path) if here < 5 else SimpleNamespace(free=1)

        with monkeypatch.context() as patch:
            patch.setattr("app.pacs.inbox.shutil.disk_usage", filling)
            with pytest.raises(Incomplete, match=r"5 of 40 images are here, then it stopped\. The disk has less than 1 GB left"):
                retrieve(node, [series], tmp_path / way)
        assert len(received(tmp_path / way)) == 5
        done: Received = retrieve(node, [series], tmp_path / way)
        assert (done.images, done.before) == (PATIENT_SLICES, 5)


def test_a_folder_that_cannot_be_written_to_is_said(pacs: Pacs, tmp_path: Path) -> None:
    node = node_of(pacs.server)
    (tmp_path / "file").write_text("x")
    with pytest.raises(Refusal, match="was not saved"):
        retrieve(node, [series_of(node)], tmp_path / "file")


def test_a_series_that_is_gone_is_said(pacs: Pacs, tmp_path: Path) -> None:
    for way in WAYS:
        node = node_of(pacs.server, way)
        with pytest.raises(Refusal, match="The test PACS"):
            retrieve(node, [replace(series_of(node), uid="1.2.3.4.5")], tmp_path, silent, QUICK)
    assert received(tmp_path) == []
