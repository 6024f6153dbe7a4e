"""Session: the open case with its undo, and everything that is derived from it, kept up to date by jobs.

The window shows a session and calls its acts; it computes nothing. The walk of `refresh` is the walk of the program:
scan -> anatomy -> leak -> approach -> needles -> patch. A derived value carries the key that it was made for; when the key of the case
moves on, the value is stale and is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from PySide6.QtCore import QObject, Signal

from app import opening
from app.derived import Derived
from app.jobs import Jobs, Outcome
from planner.case.case import Case
from planner.progress import Progress
from planner.refusal import Refusal

if TYPE_CHECKING:
    from planner.anatomy.spine import Anatomy
    from planner.case.acts import Act
    from planner.case.derive import Plan, SitePlan
    from planner.case.lock import Lock
    from planner.geometry import Volume
    from planner.needles.candidate import Candidate
    from planner.patch.forecast import Forecast
    from planner.scan import Scan, Series

T = TypeVar("T")


class Session(QObject):
    """One open case. Read its values; call its acts; listen to `changed` (anything) and `announced` (a sentence for the status line)."""

    changed = Signal()
    progressed = Signal(str, float, str)  # derivation, share, what
    announced = Signal(str)
    failed = Signal(object)  # an exception that is a bug
    scan_missed = Signal(object, object)  # the ScanMoved, and what opens the case again: a function of where its scan is

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.jobs = Jobs(self)
        self.jobs.progressed.connect(self._progress)
        self.case = Case()
        self.case_path: Path | None = None
        self.path: Path | None = None
        self.saved_case: Case = self.case
        self._undo: list[tuple[str, Case]] = []
        self._redo: list[tuple[str, Case]] = []
        self.scan: Derived[Scan] = Derived()
        self.volume: Derived[Volume] = Derived()
        self.anatomy: Derived[Anatomy] = Derived()
        self.surfaces: Derived[Any] = Derived()
        self.sites: tuple[Derived[SitePlan], ...] = ()
        self.forecast: Derived[Forecast] = Derived()
        self.hidden: frozenset[str] = frozenset({"skin", "volume rendering"})
        self._paused: set[Hashable] = set()  # derivations that the user cancelled, by key
        self._scan_before: Derived[Scan] = Derived()
        self._lock: Lock | None = None
        self._reopen: Callable[[Path], None] = self.open_path

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
        if self._undo:
            name, case = self._undo.pop()
            self._redo.append((name, self.case))
            self.case = case
            self.refresh()

    def redo(self) -> None:
        """Do the act again that was taken back last."""
        if self._redo:
            name, case = self._redo.pop()
            self._undo.append((name, self.case))
            self.case = case
            self.refresh()

    @property
    def is_saved(self) -> bool:
        """Whether the case on the screen is the one in the file."""
        return self.case == self.saved_case

    def show_structure(self, name: str, shown: bool) -> None:
        """The eye of a structure: a matter of the screen, not of the case."""
        self.hidden = self.hidden - {name} if shown else self.hidden | {name}
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

    def _stop_deriving(self) -> None:
        """Whatever is being made belongs to a case that is about to go; should it stay, `refresh` starts it again."""
        for kind in ("volume", "anatomy", "surfaces", "forecast"):
            self.jobs.cancel(kind)
            if getattr(self, kind).state == "running":
                setattr(self, kind, Derived())
        for index, derived in enumerate(self.sites):
            self.jobs.cancel(f"site {index}")
            if derived.state == "running":
                self._set_site(index, Derived())

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
        self.volume, self.anatomy, self.surfaces, self.forecast = Derived(), Derived(), Derived(), Derived()
        self.sites = ()
        self.refresh()

    def choose_series(self, series: Series) -> None:
        """Work on this series of the scan."""
        from planner.case.acts import choose_scan

        assert self.path is not None
        path = self.path
        self.attempt(lambda: choose_scan(self.case, path, series))

    @property
    def series(self) -> Series | None:
        """The series that the case is bound to."""
        reference = self.case.scan
        if reference is None or self.scan.value is None:
            return None
        wanted = (reference.series_uid, reference.part)
        return next((series for series in self.scan.value.series if (series.uid, series.part) == wanted), None)

    # ---- the walk ------------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring everything derived up to date with the case, as far as it can be now."""
        self._refresh_volume()
        self._refresh_anatomy()
        self._refresh_sites()
        self._refresh_forecast()
        self.changed.emit()

    def cancel(self, kind: str) -> None:
        """The user's wish: stop this derivation, and do not start it again for the same key until `resume`."""
        self.jobs.cancel(kind)
        if kind == "scan":
            self.scan = self._scan_before  # what was open stays open
            self.refresh()
            return
        derived: Derived[Any] = getattr(self, kind)
        self._paused.add((kind, derived.key))
        setattr(self, kind, Derived())
        self.refresh()

    def resume(self, kind: str) -> None:
        """Start a derivation that was cancelled, or that was refused."""
        self._paused = {paused for paused in self._paused if paused[0] != kind}  # type: ignore[index]
        setattr(self, kind, Derived())
        self.refresh()

    def cancel_site(self, index: int) -> None:
        """The same for the search of a site."""
        if index < len(self.sites):
            self._paused.add((f"site {index}", self.sites[index].key))
            self.jobs.cancel(f"site {index}")
            self._set_site(index, Derived())
            self.refresh()

    def resume_site(self, index: int) -> None:
        """Start the search of a site again."""
        self._paused = {paused for paused in self._paused if paused[0] != f"site {index}"}  # type: ignore[index]
        if index < len(self.sites):
            self._set_site(index, Derived())
        self.refresh()

    def _refresh_volume(self) -> None:
        series = self.series
        if series is None:
            self.volume = self.volume if self.scan.state == "running" else Derived()
            return

        def work(progress: Progress) -> Volume:
            from planner.scan import load

            return load(series, progress)

        self._derive("volume", series.key, work)

    def _refresh_anatomy(self) -> None:
        volume = self.volume.value
        if volume is None or self.volume.key != (self.series.key if self.series else None):
            self.anatomy = self.surfaces = Derived()
            return
        from planner.case.derive import anatomy_key

        anchor, labels_path, found = self.case.anchor, self.case.labels_path, self.anatomy
        key = (self.volume.key, anatomy_key(self.case))

        def work(progress: Progress) -> Anatomy:
            from planner.anatomy import find, find_with_labels, rename

            if labels_path is not None:
                return find_with_labels(volume, Path(labels_path), anchor, progress)
            same = found.key is not None and (found.key[0], found.key[1][1]) == (key[0], None)  # type: ignore[index]
            if found.value is not None and same and anchor is not None:
                return rename(found.value, anchor)
            return find(volume, anchor, progress)

        self._derive("anatomy", key, work)
        if self.anatomy.value is not None and self.anatomy.key == key:
            anatomy = self.anatomy.value

            def mesh(progress: Progress) -> Any:
                from viewer.surfaces import surfaces

                return surfaces(anatomy, progress)

            # names of levels do not change a surface
            self._derive("surfaces", (self.volume.key, labels_path), mesh)

    def _refresh_sites(self) -> None:
        anatomy, volume = self.anatomy.value, self.volume.value
        known = len(self.case.sites)
        for gone in range(known, len(self.sites)):
            self.jobs.cancel(f"site {gone}")
        if anatomy is None or volume is None or self.anatomy.state != "ready":
            self.sites = tuple(Derived() for _ in range(known))
            return
        from planner.case.derive import plan_site, site_key, with_taken

        present = list(self.sites[:known]) + [Derived()] * (known - len(self.sites))
        self.sites = tuple(present)
        case = self.case
        for index in range(known):
            key = (self.anatomy.key, site_key(case, index))
            derived = self.sites[index]
            if derived.key == key and derived.value is not None:
                self._set_site(index, replace(derived, value=with_taken(derived.value, case, index)))
                continue
            if (derived.key == key and derived.state in ("running", "refused")) or (f"site {index}", key) in self._paused:
                continue
            self._set_site(index, Derived("running", key, derived.value))

            def work(progress: Progress, index: int = index) -> SitePlan:
                return plan_site(case, index, volume, anatomy, progress)

            self.jobs.start(f"site {index}", work, partial(self._site_done, index, key))

    def _site_done(self, index: int, key: Hashable, outcome: Outcome) -> None:
        if index >= len(self.sites) or self.sites[index].key != key:
            return
        self._set_site(index, self._ended(key, outcome))
        self.refresh()

    def _set_site(self, index: int, derived: Derived[SitePlan]) -> None:
        sites = list(self.sites)
        sites[index] = derived
        self.sites = tuple(sites)

    @property
    def site_plans(self) -> tuple[SitePlan, ...] | None:
        """All sites' plans, or None until every one is ready."""
        plans = [derived.value for derived in self.sites if derived.state == "ready" and derived.value is not None]
        return tuple(plans) if plans and len(plans) == len(self.case.sites) else None

    def _refresh_forecast(self) -> None:
        plans, anatomy = self.site_plans, self.anatomy.value
        if plans is None or anatomy is None:
            self.jobs.cancel("forecast")
            self.forecast = Derived()
            return
        from planner.case.derive import forecast_sites, patch_key

        key = (self.anatomy.key, patch_key(plans))
        if not any(plan.used is not None for plan in plans):
            self.jobs.cancel("forecast")
            self.forecast = Derived()
            return

        def work(progress: Progress) -> Forecast | None:
            return forecast_sites(anatomy, plans, progress)

        self._derive("forecast", key, work)

    def _derive(self, kind: str, key: Hashable, work: Callable[[Progress], Any]) -> None:
        """Start a derivation unless it is ready, running or cancelled for this key. An old value stays on view while it runs."""
        present: Derived[Any] = getattr(self, kind)
        if (present.key == key and present.state != "missing") or (kind, key) in self._paused:
            return
        setattr(self, kind, Derived("running", key, present.value))

        def done(outcome: Outcome) -> None:
            if getattr(self, kind).key == key:
                setattr(self, kind, self._ended(key, outcome))
                self.refresh()

        self.jobs.start(kind, work, done)

    def _ended(self, key: Hashable, outcome: Outcome) -> Derived[Any]:
        if outcome.refusal is not None:
            self.announced.emit(str(outcome.refusal))
            return Derived("refused", key, refusal=outcome.refusal)
        if outcome.error is not None:
            self.failed.emit(outcome.error)
            return Derived("refused", key, refusal=Refusal("This step failed inside the program.", "The case is safe. Try again."))
        return Derived("ready", key, outcome.value)

    def _progress(self, kind: str, share: float, what: str) -> None:
        if kind in ("scan", "volume", "anatomy", "surfaces", "forecast"):
            derived: Derived[Any] = getattr(self, kind)
            if derived.state == "running":
                setattr(self, kind, replace(derived, share=share, what=what))
        self.progressed.emit(kind, share, what)

    # ---- what the screens ask ------------------------------------------------------------------------------------------

    def check_needle(self, index: int, entry_mm: Any, target_mm: Any) -> Candidate | None:
        """The needle of a site checked at these ends, within a few milliseconds; None until the site's search is ready."""
        plan = self.sites[index].value if index < len(self.sites) else None
        if plan is None or plan.room is None:
            return None
        from planner.needles import check

        return check(plan.room, plan.needle, tuple(map(float, entry_mm)), tuple(map(float, target_mm)), self.case.position)

    def move_needle(self, index: int, entry_mm: Any, target_mm: Any) -> Refusal | None:
        """The user dragged a needle and let go; refused where it cannot be checked."""
        from planner.case.acts import move_needle

        def act() -> Act:
            self.check_needle(index, entry_mm, target_mm)
            return move_needle(self.case, index, entry_mm, target_mm)

        return self.attempt(act)

    @property
    def plan(self) -> Plan | None:
        """The whole plan for the sheet, once everything is ready and nothing is stale."""
        plans = self.site_plans
        if plans is None or self.anatomy.value is None or self.forecast.state not in ("ready", "missing", "refused"):
            return None
        from planner.case.derive import Plan

        forecast = self.forecast.value if self.forecast.state == "ready" else None
        problem = str(self.forecast.refusal) if self.forecast.refusal else None
        return Plan(self.case, self.anatomy.value, plans, forecast, problem)

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
