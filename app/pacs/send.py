"""Sending files to a PACS by C-STORE or STOW-RS, each answer checked. Nothing is sent but what the caller names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.filereader import read_file_meta_info
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from app.pacs.association import MOST_CONTEXTS, UNCOMPRESSED, Call
from app.pacs.attended import LIMITS, Limits, attended
from app.pacs.nodes import Node, checked
from app.pacs.status import SUCCESS, meaning, number
from planner.progress import Progress, silent
from planner.refusal import Refusal


@dataclass(frozen=True)
class Sent:
    """How many files a node took; bytes: their size."""

    files: int
    bytes: int


def send(node: Node, files: Sequence[Path], progress: Progress = silent, limits: Limits = LIMITS) -> Sent:
    """Send DICOM files. Raises Refusal, with numbers, where the node does not take all; what it took stays there, and sending again is
    no harm: an image has one place at a server."""
    node = checked(node)
    if not files:
        raise Refusal("There is nothing to send.")
    kinds = [_kind(path) for path in files]
    tally = _Tally(node, len(files))
    if node.by_web:
        _send_by_web(node, files, tally, progress, limits)
    else:
        _send_by_dimse(node, files, kinds, tally, progress, limits)
    return tally.sent()


class _Tally:
    """What was taken, and why the rest was not."""

    def __init__(self, node: Node, total: int) -> None:
        self.node, self.total = node, total
        self.files = self.bytes = 0
        self.reasons: Counter[str] = Counter()

    def count(self, path: Path, reason: str) -> None:
        """reason: "" when the file was taken."""
        if reason:
            self.reasons[reason] += 1
        else:
            self.files += 1
            self.bytes += path.stat().st_size

    def words(self) -> tuple[float, str]:
        """For the progress."""
        done = self.files + self.reasons.total()
        return done / self.total, f"{done} of {self.total} files, {self.bytes / 1e6:.0f} MB"

    def stopped(self, why: Refusal) -> Refusal:
        """The refusal of a conversation that ended before all was sent."""
        return Refusal(f"{self.node.name} took {self.files} of {self.total} files. {why.sentence}", "Send them again: none is kept twice.")

    def sent(self) -> Sent:
        """Raises Refusal where the node did not take all."""
        if self.reasons:
            why = self.reasons.most_common(1)[0][0]
            sentence = f"{self.node.name} took {self.files} of {self.total} files; of the others it says that {why}."
            raise Refusal(sentence, "Send the rest again, or ask whoever runs the server.")
        return Sent(self.files, self.bytes)


def _kind(path: Path) -> tuple[str, str]:
    """SOP class and transfer syntax of a file. Raises Refusal for what is no DICOM file."""
    try:
        meta = read_file_meta_info(path)
        return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
    except Exception as error:  # pydicom raises many kinds
        raise Refusal(f"{path.name} is no DICOM file, so nothing was sent.", "Export it as DICOM first.") from error


def _send_by_dimse(
    node: Node, files: Sequence[Path], kinds: Sequence[tuple[str, str]], tally: _Tally, progress: Progress, limits: Limits
) -> None:
    pairs = dict.fromkeys((one, other) for one, syntax in kinds for other in (UNCOMPRESSED if syntax in UNCOMPRESSED else (syntax,)))
    if len(pairs) > MOST_CONTEXTS:
        raise Refusal(f"The files are of more than {MOST_CONTEXTS} kinds, so nothing was sent.", "Send fewer at a time.")
    call = Call(node, limits)

    def work(report: Progress) -> None:
        report(0.0, f"Calling {node.name}")
        with call.open([build_context(one, syntax) for one, syntax in pairs]) as association:
            for path in files:
                tally.count(path, _store(association, call, path))
                report(*tally.words())

    try:
        attended(work, progress, call.break_off, call.watch)
    except Refusal as refusal:
        raise (tally.stopped(refusal) if tally.files else refusal) from refusal


def _store(association: Association, call: Call, path: Path) -> str:
    """Send one file: "" when it was taken, else why not."""
    try:
        answer = association.send_c_store(path)
    except (ValueError, AttributeError):
        return "it does not take this kind of image, or not in this transfer syntax"
    except RuntimeError as error:  # the association is gone
        raise call.lost() from error
    code = number(answer)
    if code is None:
        raise call.lost()
    return "" if code == SUCCESS or code >> 12 == 0xB else meaning(code)  # B...: taken, with a remark


def _send_by_web(node: Node, files: Sequence[Path], tally: _Tally, progress: Progress, limits: Limits) -> None:
    from app.pacs.web import Session, send_one

    session = Session(node, limits)

    def work(report: Progress) -> None:
        for path in files:
            report(*tally.words())
            tally.count(path, send_one(session, path))

    try:
        session.attended(work, progress)
    except Refusal as refusal:
        raise (tally.stopped(refusal) if tally.files else refusal) from refusal
