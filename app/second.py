"""The second scan of the open case: found, loaded and laid over the first by jobs. The plan knows nothing of it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from PySide6.QtCore import QObject, Signal

from app.derived import Derived
from app.jobs import Outcome
from app.side_by_side import side_by_side
from planner.progress import Progress, part
from planner.refusal import Refusal

if TYPE_CHECKING:
    from app.session import Session
    from planner.case.acts import Act
    from planner.case.case import ScanReference, SecondScan
    from planner.geometry import Volume
    from planner.registration import Registration, Rigid
    from planner.scan import Scan, Series
    from viewer.windows import Window

_STEP = 0.1  # of the blend, a key
_JOBS = ("second files", "second", "registration", "level errors")


class Loaded(NamedTuple):
    """The second scan in memory, where its own coordinates say."""

    series: Series
    volume: Volume


class _Asked(NamedTuple):
    """What a running registration is for; once the case says otherwise its answer is not wanted. laid: where the second scan lay when it
    was asked for; anatomy: whose levels are measured, None where a place is sought."""

    planning: Hashable
    second: Hashable
    laid: Registration | None
    anatomy: Hashable = None


class Second(QObject):
    """Read its values, call its acts; listen to `session.changed`, and to `looked` for what only the views show."""

    looked = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.files: Derived[Scan] = Derived()
        self.loaded: Derived[Loaded] = Derived()
        self.registration: Derived[Registration] = Derived()
        self._asked: _Asked | None = None  # of the registration that runs
        self.share = 0.5
        self.window: Window | None = None
        self.live: Rigid | None = None
        self._shown_share = self.share
        self._scans: dict[str, Scan] = {}  # what was read, by the path that references have
        session.jobs.progressed.connect(self._progress)
        session.changed.connect(self._follow)

    # ---- what there is ---------------------------------------------------------------------------------------------------

    @property
    def decided(self) -> SecondScan | None:
        """What the case says of it."""
        return self._session.case.second

    @property
    def laid(self) -> Registration | None:
        """Where it was laid, and how well."""
        return self.decided.registration if self.decided is not None else None

    @property
    def placed(self) -> Rigid | None:
        """Where it is shown: under the hand, where it was laid, or where its own coordinates put it."""
        if self.live is not None:
            return self.live
        if self.laid is not None:
            return self.laid.placed
        if self.loaded.value is None:
            return None
        from planner.registration import Rigid

        x, y, z = (float(one) for one in self.loaded.value.volume.frame.centre_mm)
        return Rigid(centre_mm=(x, y, z))

    @property
    def doubt(self) -> str:
        """Why the picture of both is not to be relied on, in a word or two; nothing where the registration is good."""
        if self.live is None and self.laid is None:
            return "not registered"
        verdict = "not measured" if self.live is not None or self.laid is None else self.laid.verdict
        return "" if verdict == "good" else verdict

    @property
    def patient_unknown(self) -> bool:
        """Whether the files leave open that both scans are of one patient."""
        from planner.registration import patient_known

        planning, loaded = self._session.series, self.loaded.value
        return planning is not None and loaded is not None and not patient_known(planning, loaded.series)

    @property
    def names(self) -> tuple[str, str]:
        """The planning scan and the second one in a word each: `CT` and `MR`, or `CT` and `second CT`; no numbers, which read as dates."""
        planning, loaded = self._session.series, self.loaded.value
        one = planning.modality if planning is not None else "first"
        other = loaded.series.modality if loaded is not None else "second"
        return one, other if one != other else f"second {other}"

    @property
    def others(self) -> tuple[tuple[Path, Series], ...]:
        """Series of what was read last that could be shown in its place."""
        from planner.case.scan_reference import reference_to, same_scan

        scan, case = self.files.value, self._session.case
        if scan is None or case.second is None or case.scan is None:
            return ()
        path, taken = Path(str(self.files.key)), (case.second.scan, case.scan)
        known = [(series, reference_to(path, series)) for series in scan.series if series.usable]
        return tuple((path, series) for series, its in known if not any(same_scan(its, one) for one in taken))

    # ---- acts ------------------------------------------------------------------------------------------------------------

    def open(self, path: Path) -> None:
        """Take the largest series of a folder, a file or a ZIP that is not the planning scan; where the case misses its second scan, that
        one and no other."""

        def work(progress: Progress) -> Scan:
            from planner.scan import read

            return read(path, progress)

        def done(outcome: Outcome) -> None:
            self.files = self._ended(str(path), outcome)
            if self.files.value is not None:
                self._scans[str(path.absolute())] = self.files.value
                self._take_from(self.files.value, path)
            self._session.changed.emit()

        self.files = Derived("running", str(path), what="Reading files")
        self._session.jobs.start("second files", work, done)
        self._session.changed.emit()

    def _take_from(self, scan: Scan, path: Path) -> None:
        from planner.case.scan_reference import reference_to, same_scan

        usable = [series for series in scan.series if series.usable]
        missed = self.decided.scan if self.decided is not None and self.loaded.state == "refused" else None
        if missed is not None:
            found = next((one for one in usable if same_scan(reference_to(path, one), missed)), None)
            refusal = Refusal("The second scan of this case is not there.", "Choose another place, or remove it and add this one instead.")
        else:
            planning = self._session.case.scan
            others = [one for one in usable if planning is None or not same_scan(reference_to(path, one), planning)]
            found = max(others, key=lambda one: one.slices * one.size[1] * one.size[2], default=None)
            refusal = Refusal("There is no series in it that could be laid over the planning scan.", "Choose another folder or file.")
        if found is not None:
            self.choose(found, path)
        else:
            self.files = replace(self.files, state="refused", refusal=refusal)

    def choose(self, series: Series, path: Path) -> None:
        """Show this series of what was read at a path."""
        from planner.case.acts import add_second

        scan = self._session.scan.value
        if scan is not None and path == self._session.path:
            self._scans[str(path.absolute())] = scan
        self.loaded = self.loaded if self.loaded.state != "refused" else Derived()
        self.files = self.files if self.files.state != "refused" else Derived()
        self._session.attempt(lambda: add_second(self._session.case, path, series))

    def remove(self) -> None:
        """The planning scan alone."""
        from planner.case.acts import remove_second

        self._session.attempt(lambda: remove_second(self._session.case))

    def plan_on_it(self) -> None:
        """The two scans change places, once both are there; what went along is announced."""
        from planner.case.acts import plan_on_second
        from planner.case.carried import carried_words

        def act() -> Act:
            if self.loaded.state != "ready":
                raise Refusal("The second scan is not loaded.", "Load it before you plan on it.")
            return plan_on_second(self._session.case)

        before = self._session.case
        if self._session.attempt(act) is None:
            self._session.announced.emit(carried_words(before, self._session.case) or "The scans have changed places.")

    def move(self, placed: Rigid) -> Refusal | None:
        """Lay it by hand: what a registration that still runs will find is not wanted any more."""
        from planner.case.acts import move_second

        self.live = None
        return self._session.attempt(lambda: move_second(self._session.case, placed.rounded(), self._doubts()))

    def register_again(self) -> None:
        """From where it lies now."""
        start = self.placed
        self._register(start if self.laid is not None else None, True)

    def load_again(self) -> None:
        """After it was stopped or refused."""
        self.loaded = Derived()
        self._follow()

    def stop(self, job: str) -> None:
        """The user's wish: "second files", "second" (loading) or "registration"."""
        for one in (job, "level errors") if job == "registration" else (job,):
            self._session.jobs.cancel(one)
        stopped = Refusal("It was stopped.", "Try again, or remove the second scan.")
        if job == "second files":
            self.files = Derived()
        elif job == "second":
            self.loaded = Derived("refused", self.loaded.key, refusal=stopped)
        else:
            self.registration = Derived("refused", self.registration.key, refusal=stopped)
        self._session.changed.emit()

    # ---- looking ---------------------------------------------------------------------------------------------------------

    def blend(self, share: float) -> None:
        """How much of it is in the picture, 0 to 1."""
        self.share = min(max(share, 0.0), 1.0)
        self.looked.emit()

    def blend_step(self, steps: int) -> None:
        """More of it, or less."""
        self.blend(round(self.share + steps * _STEP, 2))

    def switch(self) -> None:
        """Away and back."""
        if self.share > 0:
            self._shown_share = self.share
        self.blend(0.0 if self.share > 0 else self._shown_share)

    def shift(self, step_mm: Any) -> None:
        """A hand shifts it: only the views follow."""
        if self.placed is not None:
            self.live = self.placed.shifted(step_mm)
            self.looked.emit()

    def turn(self, axis: Any, angle_deg: float, about_mm: Any) -> None:
        """A hand turns it."""
        if self.placed is not None:
            self.live = self.placed.turned(axis, angle_deg, about_mm)
            self.looked.emit()

    def drop(self) -> None:
        """The hand let go of it."""
        if self.live is not None:
            self.move(self.live)

    def take_window(self, window: Window | None) -> None:
        """Its values between black and white; None: by itself."""
        self.window = window
        self.looked.emit()

    # ---- following the case ----------------------------------------------------------------------------------------------

    def bring_scan(self) -> None:
        """After the scans have changed places: the planning scan is one that was read as the second, or the other way round."""
        session = self._session
        reference = session.case.scan
        if reference is None or session.scan.state != "ready" or session.series is not None:
            return
        scan = self._scans.get(reference.path)
        if scan is not None:
            session.path = Path(reference.path)
            session.scan = Derived("ready", reference.path, scan)

    def forget(self) -> None:
        """Another case was opened."""
        self._end_jobs()
        self._scans.clear()
        self.files = Derived()

    def _end_jobs(self) -> None:
        for job in _JOBS:
            self._session.jobs.cancel(job)
        self.loaded, self.registration, self.live, self.window = Derived(), Derived(), None, None

    def _follow(self) -> None:
        session, second = self._session, self.decided
        reference = session.case.scan
        if reference is not None and session.scan.value is not None and session.series is not None:
            self._scans[reference.path] = session.scan.value
        if second is None:
            if self.loaded.state != "missing":
                self._end_jobs()
                self.looked.emit()
            return
        key = self._key(second.scan)
        if self.registration.state == "running" and self._asked != self._asking(self._asked and self._asked.anatomy):
            self._stop_registering()
        if self.loaded.key != key or self.loaded.state == "missing":
            self._load(second.scan, key)
        elif self.loaded.state == "ready" and session.volume.state == "ready" and session.anatomy.state != "running":
            if second.registration is None:
                self._register(None, False)
            elif not second.registration.levels:
                self._measure(second.registration)

    def _asking(self, anatomy: Hashable = None) -> _Asked:
        """What would be asked for now."""
        from planner.case.keys import scan_key

        return _Asked(scan_key(self._session.case), self.loaded.key, self.laid, anatomy)

    def _stop_registering(self) -> None:
        for job in ("registration", "level errors"):
            self._session.jobs.cancel(job)
        self.registration = Derived()

    @staticmethod
    def _key(reference: ScanReference) -> Hashable:
        return reference.series_uid, reference.part, reference.size, reference.fingerprint, reference.grouping, reference.crop

    def _load(self, reference: ScanReference, key: Hashable) -> None:
        known, case_path = self._scans.get(reference.path), self._session.case_path

        def work(progress: Progress) -> tuple[Scan, Loaded]:
            from planner.case.scan_reference import find_reference, series_in
            from planner.scan import load, read

            scan = known or read(find_reference(reference, "The second scan", case_path), part(progress, 0.0, 0.4))
            series = series_in(scan, reference, "has as its second scan", "remove the second scan")
            return scan, Loaded(series, load(series, part(progress, 0.4, 1.0), side_by_side))

        def done(outcome: Outcome) -> None:
            if self.loaded.key != key:
                return
            if outcome.value is not None:
                scan, loaded = outcome.value
                self._scans[reference.path] = scan
                outcome = replace(outcome, value=loaded)
            self.loaded = self._ended(key, outcome)
            self._session.changed.emit()

        self._stop_registering()
        self.loaded, self.window, self.live = Derived("running", key), None, None
        self._session.jobs.start("second", work, done)
        self._session.changed.emit()

    def _register(self, start: Rigid | None, as_act: bool) -> None:
        """as_act: a person asked for it, who can take it back; else it follows from the second scan."""
        session, loaded, planning = self._session, self.loaded.value, self._session.volume.value
        if loaded is None or planning is None or self.decided is None:
            return
        key, before = self._asking(), self.laid
        if not as_act and self.registration.key == key:
            if self.registration.value is not None:
                self._write(self.registration.value)
            return
        anatomy, volume = session.anatomy.value, loaded.volume

        def work(progress: Progress) -> Registration:
            from planner.anatomy import find
            from planner.registration import register

            laid = register(planning, volume, anatomy, progress, start, partial(find, volume, None))
            return laid if before is None or start is None else replace(laid, start=before.start)

        def done(outcome: Outcome) -> None:
            if outcome.value is not None:
                outcome = replace(outcome, value=self._with_doubts(outcome.value))
            self.registration = self._ended(key, outcome)
            laid = self.registration.value
            if laid is not None and as_act:
                from planner.case.acts import register_second

                session.attempt(lambda: register_second(session.case, laid))
            elif laid is not None:
                self._write(laid)
            session.changed.emit()

        self.registration, self._asked = Derived("running", key), key
        session.jobs.start("registration", work, done)
        session.changed.emit()

    def _measure(self, laid: Registration) -> None:
        """How far the levels lie off: after a hand laid it, the scans changed places, or the spine was found later."""
        session, loaded, planning, anatomy = self._session, self.loaded.value, self._session.volume.value, self._session.anatomy.value
        if loaded is None or planning is None or anatomy is None or not anatomy.levels or session.jobs.is_running("registration"):
            return
        key = self._asking(session.anatomy.key)
        if self.registration.key == key:
            return
        volume = loaded.volume

        def work(progress: Progress) -> Registration:
            from planner.registration import measured

            return measured(planning, volume, laid, anatomy, progress)

        def done(outcome: Outcome) -> None:
            self.registration = self._ended(key, outcome)
            if self.registration.value is not None:
                self._write(self._with_doubts(self.registration.value))
            session.changed.emit()

        self.registration, self._asked = Derived("running", key), key
        session.jobs.start("level errors", work, done)
        session.changed.emit()

    def _doubts(self) -> tuple[str, ...]:
        from planner.registration import patient_doubts

        planning, loaded = self._session.series, self.loaded.value
        return patient_doubts(planning, loaded.series) if planning is not None and loaded is not None else ()

    def _with_doubts(self, laid: Registration) -> Registration:
        """With what the files say against it, wherever it lies."""
        return replace(laid, doubts=tuple(dict.fromkeys((*self._doubts(), *laid.doubts))))

    def _write(self, laid: Registration) -> None:
        """Into the case, as what follows from it: no step of undo."""
        from planner.case.acts import now_by_user, recorded, register_second

        session = self._session
        act: Act = register_second(session.case, laid)
        if act.case != session.case:
            session.case = recorded(act, now_by_user()[0], "Duraplan")
            session.changed.emit()

    def _ended(self, key: Hashable, outcome: Outcome) -> Derived[Any]:
        if outcome.refusal is not None:
            self._session.announced.emit(str(outcome.refusal))
            return Derived("refused", key, refusal=outcome.refusal)
        if outcome.error is not None:
            self._session.failed.emit(outcome.error)
            return Derived("refused", key, refusal=Refusal("This step failed inside the program.", "The case is safe. Try again."))
        return Derived("ready", key, outcome.value)

    def _progress(self, kind: str, share: float, what: str) -> None:
        if kind == "second files" and self.files.state == "running":
            self.files = replace(self.files, share=share, what=what)
        elif kind == "second" and self.loaded.state == "running":
            self.loaded = replace(self.loaded, share=share, what=what)
        elif kind in ("registration", "level errors") and self.registration.state == "running":
            self.registration = replace(self.registration, share=share, what=what)
