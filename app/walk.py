"""Walk: everything that is derived from the open case, kept up to date by jobs.

scan -> anatomy -> leak -> approach -> needles -> patch. A derived value carries the key that it was made for; when the key of the case
moves on, the value is stale and is made again. Nothing here changes the case: that is `app/session.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from PySide6.QtCore import QObject, Signal

from app.derived import Derived
from app.jobs import Jobs, Outcome
from app.side_by_side import side_by_side
from planner.case.case import Case
from planner.case.scan_reference import bound_series
from planner.progress import Progress, part
from planner.refusal import Refusal
from viewer.scene import HIDDEN_AT_FIRST

if TYPE_CHECKING:
    from planner.anatomy.compartments import Compartments
    from planner.anatomy.spine import Anatomy
    from planner.case.derive import Plan, SitePlan
    from planner.case.keys import AnatomyKey
    from planner.geometry import Volume
    from planner.needles.candidate import Candidate
    from planner.patch.forecast import Forecast
    from planner.scan import Scan, Series
    from viewer.surfaces import Mesh

    DividedSpace = tuple[Compartments, dict[str, Mesh]]  # the epidural space by compartment, and a mesh of each

Point = tuple[float, float, float]
Step = Literal["volume", "anatomy", "surfaces", "compartments", "forecast"]
"""What is derived once a case; the plans of the sites, one each, stand beside them."""
_STEPS: tuple[Step, ...] = ("volume", "anatomy", "surfaces", "compartments", "forecast")


class Walk(QObject):
    """Read its values; listen to `changed` (anything) and `announced` (a sentence for the status line)."""

    changed = Signal()
    progressed = Signal(str, float, str)  # derivation, share, what
    announced = Signal(str)
    failed = Signal(object)  # an exception that is a bug
    _came_in_sight = Signal(object, object)  # key and volume of a scan that is still read, from the thread that reads it

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.jobs = Jobs(self)
        self.jobs.progressed.connect(self._progress)
        self._came_in_sight.connect(self._look)
        self.case = Case()
        self.scan: Derived[Scan] = Derived()
        self.volume: Derived[Volume] = Derived()
        self._filling: tuple[Hashable, Volume] | None = None
        self.anatomy: Derived[Anatomy] = Derived()
        self.surfaces: Derived[dict[str, Mesh]] = Derived()
        self.compartments: Derived[DividedSpace] = Derived()
        self.hidden: frozenset[str] = HIDDEN_AT_FIRST
        self.sites: tuple[Derived[SitePlan], ...] = ()
        self.forecast: Derived[Forecast] = Derived()
        self._paused: set[tuple[str, Hashable]] = set()  # derivations that the user cancelled, with the key that they were for
        self._scan_before: Derived[Scan] = Derived()
        self._anatomy_ready: tuple[AnatomyKey, Anatomy] | None = None  # the one that was made last, from which edits go on
        self._anatomy_before: tuple[AnatomyKey, Anatomy] | None = None  # the one before it, to which undo goes back at once

    @property
    def series(self) -> Series | None:
        """The series that the case is bound to."""
        reference = self.case.scan
        if reference is None or self.scan.value is None:
            return None
        return bound_series(reference, self.scan.value)

    @property
    def volume_in_sight(self) -> Volume | None:
        """The scan, or what is there of it while it is read: to look at, and for nothing else."""
        if self.volume.state == "ready":
            return self.volume.value
        key, volume = self._filling or (None, None)
        return volume if self.volume.state == "running" and self.volume.key == key else None

    # ---- the walk ------------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring everything derived up to date with the case, as far as it can be now."""
        self._refresh_volume()
        self._refresh_anatomy()
        self._refresh_compartments()
        self._refresh_sites()
        self._refresh_forecast()
        self.changed.emit()

    def cancel_reading(self) -> None:
        """The user's wish: stop the opening; what was open stays open."""
        self.jobs.cancel("scan")
        self.scan = self._scan_before
        self.refresh()

    def cancel(self, step: Step) -> None:
        """The user's wish: stop this derivation, and do not start it again for the same key until `resume`."""
        self.jobs.cancel(step)
        self._paused.add((step, self._derived(step).key))
        self._put(step, Derived())
        self.refresh()

    def resume(self, step: Step) -> None:
        """Start a derivation that was cancelled, or that was refused."""
        self._forget_pause(step)
        self._put(step, Derived())
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
        self._forget_pause(f"site {index}")
        if index < len(self.sites):
            self._set_site(index, Derived())
        self.refresh()

    def _refresh_volume(self) -> None:
        series = self.series
        if series is None:
            self.volume = self.volume if self.scan.state == "running" else Derived()
        else:
            if self.volume.key != series.key:  # of another series: not to be looked at, nor to be kept in memory
                self.jobs.cancel("volume")
                self.volume = Derived()
            self._derive("volume", series.key, partial(self._load, series))
        if self.volume.state != "running":
            self._filling = None

    def _load(self, series: Series, progress: Progress) -> Volume:
        from planner.scan import load

        return load(series, progress, side_by_side, lambda volume: self._came_in_sight.emit(series.key, volume))

    def _look(self, key: Hashable, volume: Volume) -> None:
        if (self.volume.state, self.volume.key) == ("running", key):  # else it comes too late
            self._filling = key, volume
            self.changed.emit()

    def _refresh_anatomy(self) -> None:
        volume = self.volume.value
        if volume is None or self.volume.state != "ready" or self.volume.key != (self.series.key if self.series else None):
            # while another scan is loaded the old one stays on view: it is not the one to find this case's anatomy in
            self.jobs.cancel("anatomy")
            self.anatomy, self.surfaces, self._anatomy_ready, self._anatomy_before = Derived(), Derived(), None, None
            return
        from planner.case.derive import anatomy_key, find_anatomy, with_edits

        key, case, ready = anatomy_key(self.case), self.case, self._anatomy_ready
        found = ready[1] if ready is not None and (ready[0].scan, ready[0].labels) == (key.scan, None) else None
        same = ready[1] if ready is not None and ready[0].found == key.found else None

        def work(progress: Progress) -> Anatomy:
            return find_anatomy(case, volume, progress, found) if same is None else with_edits(case, same, progress)

        before = self._anatomy_before
        if before is not None and before[0] == key and self.anatomy.key != key:
            self.jobs.cancel("anatomy")
            self.anatomy = Derived("ready", key, before[1])
        self._derive("anatomy", key, work)
        if self.anatomy.state == "running" and ready is not None and ready[0]._replace(anchor=key.anchor) == key:
            self._show_names()
        if self.anatomy.state == "ready" and self.anatomy.value is not None and self.anatomy.key == key:
            if ready is None or ready[0] != key:
                self._anatomy_before = ready
            self._anatomy_ready = key, self.anatomy.value
        if self.anatomy.state == "refused":
            self.jobs.cancel("surfaces")
            self.surfaces = Derived()
        if self.anatomy.state == "ready" and self.anatomy.value is not None and self.anatomy.key == key:
            anatomy = self.anatomy.value

            def mesh(progress: Progress) -> dict[str, Mesh]:
                from viewer.divided_surfaces import wall_surfaces
                from viewer.surfaces import surfaces

                return {**surfaces(anatomy, progress), **wall_surfaces(anatomy.canal)}

            # the sac, the cord and roots have the sizes of their levels; who confirms a name changes none
            self._derive("surfaces", (key.scan, key.labels, tuple(level.name for level in anatomy.levels), key.edits), mesh)

    def _refresh_compartments(self) -> None:
        """The epidural space is divided only while somebody looks at it."""
        anatomy, wanted = self.anatomy.value, "compartments" not in self.hidden
        if anatomy is None or (not wanted and self.compartments.state == "running"):
            self.jobs.cancel("compartments")
            self.compartments = Derived()
        if anatomy is None or not wanted or self.anatomy.state != "ready":
            return

        def work(progress: Progress) -> DividedSpace:
            from planner.anatomy.compartments import compartments
            from viewer.divided_surfaces import space_surfaces

            divided = compartments(anatomy, part(progress, 0.0, 0.3))
            return divided, space_surfaces(divided, part(progress, 0.3, 1.0))

        self._derive("compartments", self.anatomy.key, work)

    def _show_names(self) -> None:
        """New names are shown at once on what was found under the old ones, which stays on view until it is found again under these."""
        from planner.anatomy.names import called

        old, anchor = self.anatomy.value, self.case.anchor
        if old is None or anchor is None or old.anchor == anchor:
            return
        with suppress(Refusal):  # finding says it
            self.anatomy = replace(self.anatomy, value=called(old, anchor))

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
        if plans is None or anatomy is None or not any(plan.used is not None for plan in plans):
            self.jobs.cancel("forecast")
            self.forecast = Derived()
            return
        from planner.case.derive import forecast_sites, patch_key

        key = (self.anatomy.key, patch_key(plans))

        def work(progress: Progress) -> Forecast | None:
            return forecast_sites(anatomy, plans, progress)

        self._derive("forecast", key, work)

    # ---- one derivation ------------------------------------------------------------------------------------------------

    def _derived(self, step: Step) -> Derived[Any]:
        found: Derived[Any] = getattr(self, step)
        return found

    def _put(self, step: Step, derived: Derived[Any]) -> None:
        setattr(self, step, derived)

    def _forget_pause(self, kind: str) -> None:
        self._paused = {(paused, key) for paused, key in self._paused if paused != kind}

    def _derive(self, step: Step, key: Hashable, work: Callable[[Progress], Any]) -> None:
        """Start a derivation unless it is ready, running or cancelled for this key. An old value stays on view while it runs."""
        present = self._derived(step)
        if (present.key == key and present.state != "missing") or (step, key) in self._paused:
            return
        self._put(step, Derived("running", key, present.value))

        def done(outcome: Outcome) -> None:
            if self._derived(step).key == key:
                self._put(step, self._ended(key, outcome))
                self.refresh()

        self.jobs.start(step, work, done)

    def _ended(self, key: Hashable, outcome: Outcome) -> Derived[Any]:
        if outcome.refusal is not None:
            self.announced.emit(str(outcome.refusal))
            return Derived("refused", key, refusal=outcome.refusal)
        if outcome.error is not None:
            self.failed.emit(outcome.error)
            return Derived("refused", key, refusal=Refusal("This step failed inside the program.", "The case is safe. Try again."))
        return Derived("ready", key, outcome.value)

    def _progress(self, kind: str, share: float, what: str) -> None:
        if kind == "scan" and self.scan.state == "running":
            self.scan = replace(self.scan, share=share, what=what)
        step = next((one for one in _STEPS if one == kind), None)
        if step is not None and self._derived(step).state == "running":
            self._put(step, replace(self._derived(step), share=share, what=what))
        self.progressed.emit(kind, share, what)

    def _stop_deriving(self) -> None:
        """Whatever is being made belongs to a case that is about to go; should it stay, `refresh` starts it again."""
        for step in _STEPS:
            self.jobs.cancel(step)
            if self._derived(step).state == "running":
                self._put(step, Derived())
        for index, derived in enumerate(self.sites):
            self.jobs.cancel(f"site {index}")
            if derived.state == "running":
                self._set_site(index, Derived())

    # ---- what the screens ask ------------------------------------------------------------------------------------------

    def check_needle(self, index: int, entry_mm: Point, target_mm: Point) -> Candidate | None:
        """The needle of a site checked at these ends, within a few milliseconds; None until the site's search is ready."""
        plan = self.sites[index].value if index < len(self.sites) else None
        if plan is None or plan.room is None:
            return None
        from planner.needles import check

        return check(plan.room, plan.needle, entry_mm, target_mm, self.case.position)

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
