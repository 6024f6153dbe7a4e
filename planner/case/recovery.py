"""Recovery: the newest case of every running program, written after each act, so that a kill loses nothing that was on screen."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from planner.case.case import Case
from planner.case.file import case_bytes, read_case
from planner.case.lock import Holder
from planner.refusal import Refusal
from planner.whole_files import refusal_of, write_whole

_SUFFIX = ".recovery"


@dataclass(frozen=True)
class Recoverable:
    """A case that a program left behind when it was killed. case_path: its case file, or None where it was never saved. when: ISO 8601."""

    path: Path
    case: Case
    case_path: Path | None
    when: str

    def discard(self) -> None:
        """Forget it."""
        self.path.unlink(missing_ok=True)


class Recovery:
    """The recovery file of this program."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{uuid.uuid4().hex}{_SUFFIX}"

    def keep(self, case: Case, case_path: Path | None) -> None:
        """Write the newest case. Refuses a full disk; the version before stays."""
        holder = Holder.this()
        content = {
            "process": holder.process,
            "machine": holder.machine,
            "started": holder.started,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "case_path": None if case_path is None else str(case_path.absolute()),
        }
        data = json.dumps(content).encode("ascii") + b"\n" + case_bytes(case, self._path.parent)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, data)
        except OSError as error:
            raise refusal_of(error, "The recovery copy", self._path.parent) from error

    def discard(self) -> None:
        """The case is saved, or the user does not want it."""
        self._path.unlink(missing_ok=True)


def recoverable(folder: Path) -> tuple[Recoverable, ...]:
    """What killed programs left in a folder, newest first. What is damaged, or belongs to a program that runs, is passed over."""
    found = []
    for path in folder.glob(f"*{_SUFFIX}"):
        try:
            head, _, body = path.read_bytes().partition(b"\n")
            said = json.loads(head)
            if not Holder(int(said["process"]), str(said["machine"]), str(said["started"])).is_gone:
                continue
            case_path = Path(said["case_path"]) if said["case_path"] else None
            found.append(Recoverable(path, read_case(body, path), case_path, str(said["when"])))
        except (OSError, ValueError, KeyError, TypeError, Refusal):
            continue
    return tuple(sorted(found, key=lambda each: each.when, reverse=True))
