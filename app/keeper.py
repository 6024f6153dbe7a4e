"""Keeper: the newest case on disk after every act, and the offer to restore what a killed program left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.places import recovery_folder
from planner.case.recovery import Recoverable, Recovery, recoverable
from planner.refusal import Refusal

if TYPE_CHECKING:
    from app.session import Session
    from app.topbar import Notice
    from planner.case.case import Case


class Keeper:
    """Listens to a session; `offer` asks about what was left behind."""

    def __init__(self, session: Session, notice: Notice) -> None:
        self._session, self._notice = session, notice
        self._recovery = Recovery(recovery_folder())
        self._kept: Case | None = None
        self._restored: Recoverable | None = None
        self._told = False
        session.changed.connect(self._keep)

    def _keep(self) -> None:
        session = self._session
        if session.is_saved:
            if self._kept is not None:
                self._recovery.discard()
                self._kept = None
            return
        if session.case is self._kept:
            return
        try:
            self._recovery.keep(session.case, session.case_path)
        except Refusal as refusal:
            if not self._told:  # once is enough: the disk will not empty itself
                self._told = True
                session.announced.emit(str(refusal))
            return
        self._kept = session.case
        if self._restored is not None:
            self._restored.discard()
            self._restored = None

    def offer(self) -> None:
        """Say that a program ended unexpectedly, if one did, and let the user choose."""
        found = recoverable(recovery_folder())
        if not found:
            return
        newest = found[0]
        more = f" {len(found) - 1} older one{'s' if len(found) > 2 else ''} will be offered next." if len(found) > 1 else ""
        name = f" in {newest.case_path.name}" if newest.case_path is not None else ""
        self._notice.say(
            f"Duraplan ended unexpectedly. Its last case{name}, {_when(newest.when)}, can be restored.{more}",
            [("Restore", lambda: self._restore(newest)), ("Discard", lambda: self._discard(newest))],
        )

    def _restore(self, found: Recoverable) -> None:
        self._restored = found
        self._session.open_case(found.case_path or found.path, found.case)

    def _discard(self, found: Recoverable) -> None:
        found.discard()
        self.offer()

    def close(self) -> None:
        """The user saved, or did not want to."""
        self._recovery.discard()


def _when(iso: str) -> str:
    from datetime import datetime

    try:
        return datetime.fromisoformat(iso).astimezone().strftime("%d %b %Y, %H:%M")
    except ValueError:
        return "time not known"
