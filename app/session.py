"""Session: the open case as a person works on it: acts with their undo, opening, saving.

What follows from the case is `app/walk.py`, on which a session stands. The window shows a session and calls its acts; it computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from PySide6.QtCore import QObject, Signal

from app import opening
from app.derived import Derived
from app.jobs import Outcome
from app.second import Second
from app.walk import Point, Walk
from planner.case.case import Case
from planner.progress import Progress
from planner.refusal import Refusal

if TYPE_CHECKING:
    from planner.anatomy.labels import Numbering
    from planner.case.acts import Act
    from planner.case.lock import Lock
    from planner.scan import Scan, Series

T = TypeVar("T")


class Session(Walk):
    """One open case. Read its values; call its acts."""

    scan_missed = Signal(object, object)  # the ScanMoved, and what opens the case again: a function of where its scan is

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.case_path: Path | None = None
        self.path: Path | None = None
        self.saved_case: Case = self.case
        self._undo: list[tuple[str, Case]] = []
        self._redo: list[tuple[str, Case]] = []
        self._lock: Lock | None = None
        self._reopen: Callable[[Path], None] = self.open_path
        self.second = Second(self)

    def refresh(self) -> None:
        """Everything derived, on the scan that is planned on now."""
        self.second.bring_scan()
        super().refresh()

    # ---- acts and undo -------------------------------------------------------------------------------------------------

    def act(self, act: Act) -> None:
        """Make the case after an act the present one. Nothing happens where nothing changes."""
        if act.case == self.case:
            return
        from planner.case.acts import now_by_user, recorded

        self._undo.append((act.name, self.case))
        self._redo.clear()
        self.case = recorded(act, *now_by_user())
        self.refresh()

    def attempt(self, act: Callable[[], Act]) -> Refusal | None:
        """Do an act that may refuse; a refusal changes nothing, is announced and is returned."""
        try:
            done = act()
        except Refusal as refusal:
            self.announced.emit(str(refusal))
            return refusal
        self.act(done)
        return None

    def take_labels(self, path: Path | None, scheme: str | None = None) -> None:
        """Take in a label map of another program, or leave it. scheme: whose numbers it has, where that was asked.

        What is wrong with the file is said where the anatomy is found.
        """
        from planner.case.acts import take_labels

        self.attempt(lambda: take_labels(self.case, None if path is None else str(path.absolute()), scheme))

    def shift_names(self, steps: Literal[-1, 1]) -> None:
        """All vertebrae take the name of their neighbour to the head (-1) or to the feet (1)."""
        from planner.anatomy.names import anchored, shifted
        from planner.case.acts import shift_names

        anatomy = self.anatomy.value
        if anatomy is None:
            return
        found = anatomy

        self.attempt(lambda: shift_names(self.case, anchored(found).name, shifted(found, steps)))

    def count_vertebrae(self, numbering: Numbering) -> None:
        """Count eleven or thirteen thoracic, four or six lumbar vertebrae."""
        from planner.case.acts import count_vertebrae

        self.attempt(lambda: count_vertebrae(self.case, numbering))

    def take_name_back(self) -> None:
        """No vertebra is named any more: the levels are guessed again."""
        from planner.case.acts import clear_anchor

        self.attempt(lambda: clear_anchor(self.case))

    @property
    def undo_name(self) -> str | None:
        """The act that undo would take back."""
        return self._undo[-1][0] if self._undo else None

    @property
    def redo_name(self) -> str | None:
        """The act that redo would do again."""
        return self._redo[-1][0] if self._redo else None

    def undo(self) -> None:
        """Take back the last act."""
        self._step(self._undo, self._redo)

    def redo(self) -> None:
        """Do the act again that was taken back last."""
        self._step(self._redo, self._undo)

    def _step(self, back: list[tuple[str, Case]], forth: list[tuple[str, Case]]) -> None:
        if back:
            name, case = back.pop()
            forth.append((name, self.case))
            self.case = case
            self.refresh()

    @property
    def is_saved(self) -> bool:
        """Whether the case on the screen is the one in the file."""
        return self.case == self.saved_case

    def show_structure(self, name: str, shown: bool) -> None:
        """The eye of a structure: a matter of the screen, not of the case."""
        self.hidden = self.hidden - {name} if shown else self.hidden | {name}
        self._refresh_compartments()
        self.changed.emit()

    # ---- opening -------------------------------------------------------------------------------------------------------

    def open_example(self) -> None:
        """The worked example, built first if it must be."""

        def done(value: tuple[Path, Scan]) -> None:
            from app.example import DESCRIPTION, worked
            from planner.case.acts import choose_scan

            folder, scan = value
            self._hold(None)
            self.path, self.case_path = folder / "dicom", None
            _, case = choose_scan(Case(), self.path, scan.series[0])
            assert case.scan is not None
            self._begin(worked(replace(case, scan=replace(case.scan, example=DESCRIPTION)), folder), scan)

        self._open("Opening the example", opening.example, done)

    def open_path(self, path: Path) -> None:
        """A folder, a file, a ZIP or a case file."""
        if path.name.endswith((".duraplan", ".duraplan.bak")):
            self.open_case(path)
            return

        def work(progress: Progress) -> Scan:
            from planner.scan import read

            return read(path, progress)

        def done(scan: Scan) -> None:
            self._hold(None)
            self.path, self.case_path = path, None
            usable = [series for series in scan.series if series.verdict != "refused"]
            self._begin(Case(), scan)
            if usable:
                self.choose_series(max(usable, key=lambda s: s.slices * s.size[1] * s.size[2]))
                self._undo.clear()
                self.saved_case = self.case  # nobody has decided anything yet
                self.changed.emit()

        self._open("Reading files", work, done)

    def open_case(self, path: Path, recovered: Case | None = None, scan_path: Path | None = None) -> None:
        """A case file with the scan that it is bound to, or a recovered case that was never, or not yet, saved there.

        scan_path: where the scan is now, when it has moved.
        """

        own = path.suffix == ".duraplan"
        take_lock = own and path != self.case_path

        def done(opened: opening.Opened) -> None:
            if take_lock or not own:
                self._hold(opened.lock)
            self.case_path = path if own else None
            self.path = opened.where
            self._begin(opened.case, opened.scan)
            if recovered is not None:
                self.saved_case = Case(notes="recovered")  # nothing that a file holds
            if scan_path is not None and self.case.scan is not None:
                # the next save remembers where the scan is
                self.case = replace(self.case, scan=replace(self.case.scan, path=str(scan_path.absolute())))
            self.changed.emit()

        self._reopen = lambda where: self.open_case(path, recovered, where)
        self._open("Opening the case", partial(opening.case_with_scan, path, recovered, scan_path, take_lock), done)

    def _open(self, what: str, work: Callable[[Progress], T], done: Callable[[T], None]) -> None:
        self._stop_deriving()
        before = self._scan_before = self._scan_before if self.scan.state == "running" else self.scan
        self.scan = Derived("running", before.key, before.value, what=what)
        self.changed.emit()

        def ended(outcome: Outcome) -> None:
            if outcome.refusal is not None:
                # what was open stays open
                self.scan = replace(before, refusal=outcome.refusal) if before.value else Derived("refused", refusal=outcome.refusal)
                self.announced.emit(str(outcome.refusal))
                self.refresh()
                if isinstance(outcome.refusal, opening.ScanMoved):
                    self.scan_missed.emit(outcome.refusal, self._reopen)
            elif outcome.error is not None:
                self.scan = before
                self.failed.emit(outcome.error)
                self.changed.emit()
            else:
                try:
                    done(outcome.value)
                except Refusal as refusal:  # the end of an opening may still refuse
                    self.scan = Derived("refused", refusal=refusal)
                    self.announced.emit(str(refusal))
                    self.changed.emit()

        self.jobs.start("scan", work, ended)

    def _hold(self, lock: Lock | None) -> None:
        """Hold the lock of another case file, or of none."""
        if self._lock is not None:
            self._lock.release()
        self._lock = lock

    def _begin(self, case: Case, scan: Scan | None) -> None:
        """A fresh start on a case: nothing to undo, nothing derived. scan: what was read, if the case has one."""
        if scan is not None:
            self.scan = Derived("ready", key=str(self.path), value=scan)
        self.case = self.saved_case = case
        self._undo.clear()
        self._redo.clear()
        self._paused.clear()
        self.second.forget()
        self.volume, self.anatomy, self.surfaces, self.compartments, self.forecast = (Derived() for _ in range(5))
        self.sites = ()
        self.refresh()

    def choose_series(self, series: Series) -> None:
        """Work on this series of the scan."""
        from planner.case.acts import choose_scan

        assert self.path is not None
        path = self.path
        self.attempt(lambda: choose_scan(self.case, path, series))

    def take_grouped(self, parts: Sequence[Series], series: Series) -> None:
        """Work on a volume of the scan as a person grouped it; the other volumes of that grouping are offered beside it."""
        scan = self.scan.value
        if scan is None:
            return
        known = {one.key for one in scan.series}
        new = tuple(one for one in parts if one.key not in known)
        if new:
            self.scan = replace(self.scan, value=replace(scan, series=(*scan.series, *new)))
        self.choose_series(series)

    def move_needle(self, index: int, entry_mm: Point, target_mm: Point) -> Refusal | None:
        """The user dragged a needle and let go; refused where it cannot be checked."""
        from planner.case.acts import move_needle

        def act() -> Act:
            self.check_needle(index, entry_mm, target_mm)
            return move_needle(self.case, index, entry_mm, target_mm)

        return self.attempt(act)

    # ---- the file ------------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> Refusal | None:
        """Save the case; a refusal (a full disk, a read-only folder) changes nothing, is announced and is returned."""
        from planner.case.file import save_case
        from planner.case.lock import lock_case

        try:
            if path != self.case_path:
                self._hold(lock_case(path))
            save_case(self.case, path)
        except Refusal as refusal:
            self.announced.emit(str(refusal))
            return refusal
        self.case_path, self.saved_case = path, self.case
        self.changed.emit()
        return None

    def close(self) -> None:
        """Stop all work and let the case file go."""
        self.jobs.close()
        self._hold(None)
