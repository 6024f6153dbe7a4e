"""Fetching series from a PACS by C-GET, C-MOVE or DICOMweb. What is here is not asked for again; what came before a failure stays."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from app.pacs.association import UNCOMPRESSED, Call, entity, storage_contexts, storage_roles, tls
from app.pacs.attended import LIMITS, Limits, attended
from app.pacs.inbox import Inbox, folder_of
from app.pacs.nodes import Node, checked
from app.pacs.query import SeriesAnswer, find_images
from app.pacs.status import PENDING, SUCCESS, meaning, number
from planner.progress import Cancelled, Progress, part, silent
from planner.refusal import Refusal

_MOVE = UID("1.2.840.10008.5.1.4.1.2.2.2")  # of the study root, PS3.4 C.6.2.3
_GET = UID("1.2.840.10008.5.1.4.1.2.2.3")  # the same

_UIDS_AT_ONCE = 200  # a list of UIDs stays below 16 KB
_STORED, _NOT_ASKED_FOR, _NO_ROOM = 0x0000, 0x0124, 0xA700
_MOST_CALLERS = 4
_MOST_DECLINED = 10
_LISTING = 0.05  # the share of a series that asking for its images takes


@dataclass(frozen=True)
class Received:
    """folder: of the study, opened like any other. images: of the series asked for that are there now. before: of them, those that were
    there before. bytes: what came over the network."""

    folder: Path
    images: int
    before: int
    bytes: int


class Incomplete(Refusal):
    """Some of the images came. They stay in `folder`; the next call asks for the missing ones alone. expected: 0 where nobody knows."""

    def __init__(self, refusal: Refusal, folder: Path, images: int, expected: int) -> None:
        of = f" of {expected}" if expected else ""
        sentence = f"{images}{of} images are here, then it stopped. {refusal.sentence}"
        super().__init__(sentence, f"{refusal.way_out} What came is kept: retrieving again asks for the rest only.".strip())
        self.folder, self.images, self.expected = folder, images, expected


def retrieve(node: Node, series: Sequence[SeriesAnswer], root: Path, progress: Progress = silent, limits: Limits = LIMITS) -> Received:
    """Fetch series of one study into a folder of their own under `root`.

    Raises Incomplete where some images are missing at the end, Refusal where nothing came. Cancelled keeps what came, too.
    """
    node = checked(node)
    if not series:
        raise Refusal("No series is chosen.", "Choose the one to plan on.")
    images = before = size = 0
    for n, one in enumerate(series):
        inbox = _fetch(node, one, root, part(progress, n / len(series), (n + 1) / len(series)), limits)
        images, before, size = images + inbox.count, before + inbox.before, size + inbox.bytes
    return Received(folder_of(root, series[0].study_uid), images, before, size)


def _fetch(node: Node, series: SeriesAnswer, root: Path, progress: Progress, limits: Limits) -> Inbox:
    """One series, whole at the end."""
    expected = find_images(node, series, part(progress, 0.0, _LISTING), limits)
    inbox = Inbox(root, series.study_uid, series.uid, expected)
    if expected and not inbox.missing:
        progress(1.0, f"All {len(expected)} images are here already")
        return inbox
    share = part(progress, _LISTING, 1.0)
    try:
        if node.by_web:
            from app.pacs.web import fetch

            fetch(node, series, inbox, share, limits)
        else:
            _fetch_by_dimse(node, series, inbox, share, limits)
        _check_whole(node, series, inbox)
    except Refusal as refusal:
        if inbox.count:
            raise Incomplete(refusal, inbox.folder.parent, inbox.count, len(expected) or series.images or 0) from refusal
        raise
    finally:
        inbox.close()
    return inbox


def _check_whole(node: Node, series: SeriesAnswer, inbox: Inbox) -> None:
    """Raises Refusal where the server says it is done, and it is not."""
    if inbox.trouble is not None:
        raise inbox.trouble
    missing = len(inbox.missing) if inbox.expected else max(0, (series.images or 0) - inbox.count)
    if missing or not inbox.count:
        sentence = f"{node.name} did not send {missing or 'any'} of the images, without saying why."
        raise Refusal(sentence, "Try again, or another way to retrieve.")


def received_words(inbox: Inbox, series: SeriesAnswer) -> tuple[float, str]:
    """How far a series is: its share and its words."""
    total = len(inbox.expected) or series.images or 0
    of = f" of {total}" if total else ""
    return (min(1.0, inbox.count / total) if total else 0.0), f"{inbox.count}{of} images, {inbox.bytes / 1e6:.0f} MB"


def _fetch_by_dimse(node: Node, series: SeriesAnswer, inbox: Inbox, progress: Progress, limits: Limits) -> None:
    call = Call(node, limits)

    def watch() -> None:
        call.watch()
        if inbox.trouble is not None:
            raise inbox.trouble

    def work(report: Progress) -> None:
        take = _taking(inbox, series, report)
        report(0.0, f"Calling {node.name}")
        if node.way == "C-GET":
            contexts = [build_context(_GET, list(UNCOMPRESSED)), *storage_contexts()]
            with call.open(contexts, storage_roles(), [(evt.EVT_C_STORE, take)]) as association:
                _ask_in_turn(association, call, node, series, inbox)
            return
        contexts = [build_context(_MOVE, list(UNCOMPRESSED))]
        with Receiver(call, take), call.open(contexts) as association:
            _ask_in_turn(association, call, node, series, inbox)

    attended(work, progress, call.break_off, watch)


def _taking(inbox: Inbox, series: SeriesAnswer, report: Progress) -> Any:
    """The handler that an image arrives at: it writes bytes and decodes nothing."""
    answers = {"new": _STORED, "known": _STORED, "not asked for": _NOT_ASKED_FOR, "no room": _NO_ROOM}

    def take(event: evt.Event) -> int:
        request: Any = event.request
        uid = str(request.AffectedSOPInstanceUID)
        taken = inbox.take(uid, event.encoded_dataset())
        with suppress(Cancelled):  # whoever waits ends the call
            report(*received_words(inbox, series))
        return answers[taken]

    return take


def _ask_in_turn(association: Association, call: Call, node: Node, series: SeriesAnswer, inbox: Inbox) -> None:
    """Ask for the series, or for what is missing of it; then singly for what did not come, up to a run of refusals."""
    missing = sorted(inbox.missing)
    questions = [_question(series)]
    if inbox.before and missing:
        questions = [_question(series, missing[at : at + _UIDS_AT_ONCE]) for at in range(0, len(missing), _UIDS_AT_ONCE)]
    try:
        for question in questions:
            _ask(association, call, node, question)
    except _Declined:  # some servers send nothing behind the first image that they lack, and some take no lists
        if not inbox.expected or not association.is_established or inbox.trouble is not None:
            raise
        _ask_singly(association, call, node, series, inbox)


def _ask_singly(association: Association, call: Call, node: Node, series: SeriesAnswer, inbox: Inbox) -> None:
    in_a_row = 0
    declined: _Declined | None = None
    for uid in sorted(inbox.missing):
        try:
            _ask(association, call, node, _question(series, [uid]))
            in_a_row = 0
        except _Declined as error:
            in_a_row, declined = in_a_row + 1, error
            if in_a_row == _MOST_DECLINED or not association.is_established:
                break
    if declined is not None:
        raise declined


def _question(series: SeriesAnswer, images: Sequence[str] = ()) -> Any:
    question = Dataset()
    question.QueryRetrieveLevel = "IMAGE" if images else "SERIES"
    question.StudyInstanceUID = series.study_uid
    question.SeriesInstanceUID = series.uid
    if images:
        question.SOPInstanceUID = list(images)
    return question


class _Declined(Refusal):
    """The server answered, and does not do it."""


def _ask(association: Association, call: Call, node: Node, question: Any) -> None:
    """Ask for images and wait until the server is done."""
    for status in _answers(association, node, question):
        code = number(status)
        if code is None:
            raise call.lost()
        call.hear()
        if code in PENDING:
            continue
        failed = int(status.get("NumberOfFailedSuboperations") or 0)
        if code != SUCCESS or failed:
            what = f"{failed} images could not be sent" if failed else "it does not send"
            way_out = "Try again, or another way to retrieve; the server must know our AE title and where it listens."
            raise _Declined(f"{node.name}: {what}, because {meaning(code)}.", way_out)
        return


def _answers(association: Association, node: Node, question: Any) -> Iterator[Any]:
    try:
        if node.way == "C-GET":
            answers = association.send_c_get(question, _GET)
        else:
            answers = association.send_c_move(question, node.our_ae_title, _MOVE)
    except ValueError as error:
        raise _Declined(f"{node.name} does not know {node.way}.", "Choose another way to retrieve.") from error
    yield from (status for status, _ in answers)


class Receiver:
    """Our own receiver, open while a C-MOVE runs: it takes nothing but what was asked for."""

    def __init__(self, call: Call, take: Any) -> None:
        self._call, self._take = call, take

    def __enter__(self) -> None:
        node = self._call.node
        receiver = entity(node, self._call.limits)
        receiver.require_called_aet = True
        receiver.maximum_associations = _MOST_CALLERS
        for context in storage_contexts():
            receiver.add_supported_context(str(context.abstract_syntax), [str(syntax) for syntax in context.transfer_syntax])
        try:
            self._server = receiver.start_server(
                (node.our_address, node.our_port),
                block=False,
                ssl_context=tls(node, server=True) if node.tls else None,
                evt_handlers=[*self._call.handlers, (evt.EVT_C_STORE, self._take)],
            )
        except (OSError, socket.gaierror) as error:
            sentence = f"This machine cannot listen on port {node.our_port}, where {node.name} would send the images."
            raise Refusal(sentence, "Close the program that uses the port, or enter another one, here and at the server.") from error

    def __exit__(self, *error: object) -> None:
        if error[0] is not None:
            self._call.break_off()
        if self._server is not None:
            self._server.shutdown()
