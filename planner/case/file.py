"""The case file, `*.duraplan`: JSON with its schema version and a checksum, saved whole, with the version before it kept beside it.

    {"format": "duraplan/case", "version": 5, "program": "0.1.0", "case": {...}, "checksum": "sha256:..."}

The checksum is over the canonical JSON (sorted keys, no spaces) of all other keys. Paths of the scans and of the
label map are relative to the file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import dist
from pathlib import Path
from typing import Any

from planner.anatomy.by_hand.edits import MOST_EDITS, sound
from planner.case.case import MOST_SITES, SHORTEST_NEEDLE_MM, Case
from planner.case.json_values import decode, encode
from planner.case.scan_reference import as_grouped, find_scan, same_scan, series_of
from planner.evidence import number
from planner.leak import is_disc_space
from planner.refusal import Refusal
from planner.version import VERSION
from planner.whole_files import refusal_of, write_whole

__all__ = [
    "SUFFIX",
    "DamagedCase",
    "as_grouped",
    "case_bytes",
    "find_scan",
    "is_case_file",
    "open_case",
    "previous_version",
    "read_case",
    "save_case",
    "series_of",
]

SUFFIX = ".duraplan"
FORMAT = "duraplan/case"
SCHEMA = 5
_LARGEST_BYTES = 100_000_000  # ten sites, twenty thousand acts and as many edits by hand are a third of it

_INDENTED = 200  # edits; with more the file is written on one line, in a tenth of the time

Content = dict[str, Any]
MIGRATIONS: Mapping[int, Callable[[Content], Content]] = {n: lambda content: content for n in (1, 2, 3, 4)}
"""How the content of a file of schema n becomes that of schema n + 1. Schema 1 is the first; 2 added entry levels and edits by hand, 3
how the vertebrae are counted, 4 how slices are grouped by hand, what of them is loaded, a second scan, 5 leaks that were carried over
from another scan; what has none needs no change."""


class DamagedCase(Refusal):
    """A case file that is not as it was saved. previous: the version before it, if that one is whole. rescued: the case as far as it can
    be read although the checksum does not fit, or None."""

    def __init__(self, path: Path, what: str, previous: Path | None, rescued: Case | None) -> None:
        ways = []
        if previous is not None:
            ways.append(f"Open the version before it, {previous.name}.")
        elif rescued is None:
            ways.append("Bring it back from a copy, or start a new case.")
        else:
            ways.append("Bring it back from a copy, or start a new case and compare it with what can still be read.")
        super().__init__(f"The case file {path.name} is damaged: {what}.", " ".join(ways))
        self.previous = previous
        self.rescued = rescued


def is_case_file(path: Path) -> bool:
    """Whether a path names a case file or the version kept beside one."""
    return path.name.endswith((SUFFIX, f"{SUFFIX}.bak"))


def previous_version(path: Path) -> Path:
    """Where the version before the one at `path` is kept."""
    return path.with_name(path.name + ".bak")


def case_bytes(case: Case, folder: Path) -> bytes:
    """The case file as bytes, for a file that will lie in `folder`."""
    content: Content = {"format": FORMAT, "version": SCHEMA, "program": VERSION, "case": encode(_relative_to(case, folder))}
    content["checksum"] = _checksum(content)
    indent = 1 if len(case.edits) < _INDENTED else None
    try:
        return (json.dumps(content, indent=indent, ensure_ascii=False) + "\n").encode("utf-8")
    except UnicodeEncodeError:  # a path whose bytes are no UTF-8
        return (json.dumps(content, indent=1) + "\n").encode("ascii")


def save_case(case: Case, path: Path) -> None:
    """Save a case, at one stroke; what was there stays beside it as `.bak` if it was whole. Refuses a full disk or a read-only folder,
    and what was there before stays."""
    try:
        write_whole(path, case_bytes(case, path.parent), previous_version(path) if _is_whole(path) else None)
    except OSError as error:
        raise refusal_of(error, "The case", path) from error


def open_case(path: Path) -> Case:
    """The case in a file, its paths absolute. Refuses what is no case file, a newer schema, and a damaged file (`DamagedCase`)."""
    try:
        return _read(path)
    except _Damage as damage:
        previous = previous_version(path)
        raise DamagedCase(path, str(damage), previous if _is_whole(previous) else None, damage.rescued) from None


class _Damage(ValueError):  # noqa: N818 - what was found, made a Refusal at the door
    def __init__(self, what: str, rescued: Case | None = None) -> None:
        super().__init__(what)
        self.rescued = rescued


def _is_whole(path: Path) -> bool:
    try:
        _read(path)
    except (Refusal, _Damage):
        return False
    return True


def _read(path: Path) -> Case:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "the system gave no reason"
        raise Refusal(f"The case file {path.name} cannot be read: {reason}.", "Check the path and the permissions.") from error
    return read_case(data, path)


def read_case(data: bytes, path: Path) -> Case:
    """The case in the bytes of a file at `path`. Raises Refusal, and ValueError with what is damaged."""
    content = _content(data, path)
    fits = content.get("checksum") == _checksum({key: value for key, value in content.items() if key != "checksum"})
    try:
        case = _absolute_from(_decoded(content), path.parent)
    except ValueError as error:
        raise _Damage(str(error)) from None
    if not fits:
        raise _Damage("its checksum does not fit, so it was changed after it was saved", case)
    return case


def _content(data: bytes, path: Path) -> Content:
    if len(data) > _LARGEST_BYTES:
        raise _Damage("it is far too large")
    if not data.strip(b"\0 \n"):
        raise _Damage("it is empty")
    try:
        content = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _Damage("it is cut off or overwritten") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise Refusal(f"{path.name} is no case file of Duraplan.", "Open a file that ends in .duraplan, or a folder with a scan.")
    version, program = content.get("version"), content.get("program")
    if isinstance(version, int) and version > SCHEMA:
        raise Refusal(
            f"The case file {path.name} was saved by a newer Duraplan{f' ({program})' if isinstance(program, str) else ''}: "
            f"its schema is {version}, and this program reads up to {SCHEMA}.",
            "Update Duraplan, and open it again.",
        )
    return content


def _decoded(content: Content) -> Case:
    version = content.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError("its schema version is missing")
    while version < SCHEMA:
        content = MIGRATIONS[version](content)
        version += 1
    case: Case = decode(Case, content.get("case"))
    _check(case)
    return case


def _check(case: Case) -> None:
    """What no act would have made is damage: it would be planned on as if it were meant."""
    if len(case.sites) > MOST_SITES:
        raise ValueError(f"case.sites has more than {MOST_SITES} entries")
    if case.anchor is not None and case.anchor.name not in case.anchor.numbering.names:
        raise ValueError("case.anchor.name is no vertebra")
    for which, scan in (("case.scan", case.scan), ("case.second.scan", None if case.second is None else case.second.scan)):
        if scan is not None and scan.grouping is not None and not scan.grouping.sound:
            raise ValueError(f"{which}.grouping names slices that no series has")
        if scan is not None and scan.crop is not None and not scan.crop.sound:
            raise ValueError(f"{which}.crop is no part of a picture")
    if len(case.edits) > MOST_EDITS:
        raise ValueError(f"case.edits has more than {MOST_EDITS} entries")
    for n, edit in enumerate(case.edits):
        try:
            sound(edit)
        except Refusal as refusal:
            raise ValueError(f"case.edits[{n}] is no edit: {refusal.sentence}") from None
    if case.second is not None and (case.scan is None or same_scan(case.scan, case.second.scan)):
        raise ValueError("case.second is no second scan")
    most_ml = number("case.most_ml_per_site")
    for n, site in enumerate(case.sites):
        if not all(ml is None or 0 <= ml <= most_ml for ml in (site.blood_ml, site.fibrin_ml)):
            raise ValueError(f"case.sites[{n}] has a dose that is none")
        if site.entry_level is not None and (site.approach is None or not is_disc_space(site.entry_level)):
            raise ValueError(f"case.sites[{n}].entry_level is no disc space of an approach")
        if site.taken is not None and dist(site.taken.entry_mm, site.taken.target_mm) < SHORTEST_NEEDLE_MM:
            raise ValueError(f"case.sites[{n}].taken has its entry at its target")


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _checksum(content: Content) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _relative_to(case: Case, folder: Path) -> Case:
    def relative(path: str) -> str:
        try:
            return Path(os.path.relpath(path, folder.absolute())).as_posix()
        except ValueError:  # another drive
            return path

    return _with_paths(case, relative)


def _absolute_from(case: Case, folder: Path) -> Case:
    return _with_paths(case, lambda path: os.path.normpath(folder.absolute() / path))


def _with_paths(case: Case, change: Callable[[str], str]) -> Case:
    scan = case.scan and replace(case.scan, path=change(case.scan.path))
    second = case.second and replace(case.second, scan=replace(case.second.scan, path=change(case.second.scan.path)))
    return replace(case, scan=scan, labels_path=case.labels_path and change(case.labels_path), second=second)
