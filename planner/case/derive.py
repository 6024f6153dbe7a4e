"""What follows from a case: the plan of each site, the forecast of the patch, and the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from planner import anatomy as anatomy_station
from planner import leak as leak_station
from planner import needles, patch
from planner.anatomy.bare import bare
from planner.anatomy.by_hand.apply import edited, unedited
from planner.anatomy.by_hand.path import draws_canal
from planner.anatomy.facing import with_doubt_about_facing
from planner.anatomy.gaps import across_a_gap, on_the_side_of, with_gaps, with_gaps_told
from planner.anatomy.spine import Anatomy
from planner.case.acts import now_by_user, recorded, take_needle
from planner.case.case import Case, Site, TakenNeedle
from planner.case.keys import anatomy_key, patch_key, scan_key, site_key
from planner.geometry import PatientPosition, Volume
from planner.leak.leak import Approach, ApproachName, Leak
from planner.needles.candidate import Candidate, Needle, NeedleSearch
from planner.patch.forecast import Forecast, Injection
from planner.progress import Progress, part, silent
from planner.refusal import Refusal

if TYPE_CHECKING:
    from planner.needles import Room
    from planner.patch import Preset

__all__ = [
    "Plan",
    "SitePlan",
    "anatomy_key",
    "derive",
    "find_anatomy",
    "forecast_sites",
    "patch_key",
    "plan_site",
    "scan_key",
    "site_key",
    "with_edits",
    "with_taken",
]


@dataclass(frozen=True, eq=False)
class SitePlan:
    """What follows for one site.

    site: as decided, its leak's level read from the anatomy of now. approaches: proposed first. approach, needle: decided, or proposed
    while undecided. room, search: what the Needles station made of them; room is None where the approach is not possible at all, and
    search.reason says why. taken: the needle that the user took, checked anew, or None. preset: the doses that evidence suggests;
    blood_ml, fibrin_ml: decided, or the preset's.
    """

    site: Site
    anatomy: Anatomy
    position: PatientPosition
    approaches: tuple[Approach, ...]
    approach: Approach
    needle: Needle
    room: Room | None
    search: NeedleSearch
    taken: Candidate | None
    preset: Preset
    blood_ml: float
    fibrin_ml: float

    @property
    def proposal(self) -> Candidate | None:
        """The best candidate of the search, or None when it found none."""
        return self.search.candidates[0] if self.search.candidates else None

    @property
    def used(self) -> Candidate | None:
        """The needle that the patch and the sheet go by: the one taken, else the proposal."""
        return self.taken or self.proposal


@dataclass(frozen=True, eq=False)
class Plan:
    """The whole: a case and all that follows from it. problem: why there is no forecast although a needle gives something, else None."""

    case: Case
    anatomy: Anatomy
    sites: tuple[SitePlan, ...]
    forecast: Forecast | None
    problem: str | None

    @property
    def planned_ml(self) -> float:
        """What all needles give in all; a site without a needle gives nothing."""
        return sum(site.fibrin_ml + site.blood_ml for site in self.sites if site.used is not None)


def find_anatomy(case: Case, volume: Volume, progress: Progress = silent, found: Anatomy | None = None) -> Anatomy:
    """The anatomy of a scan as a case asks for it: with its label map, its levels counted from its anchor, and what was changed by hand.

    found: what was found before on this scan without a label map, edited or not; a vertebra that is named needs no new search where it can
    be named anew. Raises Refusal for an anchor outside the scan, and what `find` and `find_with_labels`
    refuse, save where no canal is found and one was drawn. An edit that changes nothing on what was found is no refusal:
    `EditedAnatomy.idle` names it.
    """
    before = None if found is None else unedited(found)
    anatomy = _found(case, volume, part(progress, 0.0, 0.9 if case.edits else 1.0), before)
    anatomy = with_doubt_about_facing(replace(with_gaps(anatomy, volume.gaps), field=volume.field))
    return with_edits(case, anatomy, part(progress, 0.9, 1.0))


def with_edits(case: Case, anatomy: Anatomy, progress: Progress = silent) -> Anatomy:
    """An anatomy of the same scan, label map and anchor with the edits that the case has now: no search, only what was changed. Raises
    Refusal where no canal was found and none is drawn any more."""
    if not len(unedited(anatomy).canal.centreline_mm) and not any(map(draws_canal, case.edits)):
        raise Refusal(anatomy.structure("canal").problem or "There is no spinal canal.", "Draw it with the ball, along its middle.")
    return edited(anatomy, case.edits, progress)


def _found(case: Case, volume: Volume, progress: Progress, found: Anatomy | None) -> Anatomy:
    """The anatomy before edits."""
    anchor = case.anchor
    if anchor is not None and not volume.shows(anchor.position_mm):
        raise Refusal(
            f"The place that was named {anchor.name} lies outside the scan.",
            "Give a position inside that vertebra, in LPS millimetres of the scan.",
        )
    if case.labels_path is not None:
        return anatomy_station.find_with_labels(volume, Path(case.labels_path), anchor, progress, case.labels_scheme)
    can_rename = found is not None and (found.modality == "CT" or found.again) and len(found.canal.centreline_mm)
    if found is not None and can_rename and anchor is not None and not across_a_gap(volume, found, anchor.position_mm):
        return anatomy_station.rename(found, anchor, progress)
    if anchor is not None:
        volume = on_the_side_of(volume, anchor.position_mm)
    try:
        return anatomy_station.find(volume, anchor, progress)
    except Refusal as refusal:
        if not any(map(draws_canal, case.edits)):
            if volume.gaps:
                raise with_gaps_told(refusal, volume.gaps) from refusal
            raise
        if anchor is not None and _is_found(volume, progress):
            raise
        return bare(volume, anchor, refusal, progress)


def _is_found(volume: Volume, progress: Progress) -> bool:
    """Whether there is a canal at all, whatever its vertebrae are called."""
    try:
        anatomy_station.find(volume, None, progress)
    except Refusal:
        return False
    return True


def plan_site(case: Case, index: int, volume: Volume, anatomy: Anatomy, progress: Progress = silent) -> SitePlan:
    """The plan of one site.

    Raises Refusal for a leak outside the canal and for a needle that is not in the catalogue.
    """
    site = case.sites[index]
    marked = site.leak
    leak = leak_station.place(anatomy, marked.position_mm, marked.kind, marked.certainty, marked.side)
    approaches = leak_station.approaches(leak, anatomy)
    approach = approaches[0]
    if site.approach is not None:
        approach = leak_station.decided(site.approach, site.entry_level, leak, anatomy, approaches)
    needle = needles.needle(site.needle) if site.needle else needles.default_needle(approach.name)
    room: Room | None = None
    try:
        room = needles.prepare(volume, anatomy, leak, approach.name, part(progress, 0.0, 0.5), approach.level)
        search = needles.search(room, needle, case.position, part(progress, 0.5, 1.0))
    except Refusal as refusal:  # the user may choose another approach
        search = NeedleSearch((), {}, 0, 0, str(refusal))
    preset = patch.preset(leak, approach.name, anatomy, _beside(case, index, anatomy, approach.name))
    plan = SitePlan(
        site=replace(site, leak=leak),
        anatomy=anatomy,
        position=case.position,
        approaches=approaches,
        approach=approach,
        needle=needle,
        room=room,
        search=search,
        taken=None,
        preset=preset,
        blood_ml=preset.blood_ml,
        fibrin_ml=preset.fibrin_ml,
    )
    return with_taken(plan, case, index)


def with_taken(plan: SitePlan, case: Case, index: int) -> SitePlan:
    """The plan of a site with the needle taken, the preset and the doses as the case has them now; a few milliseconds, no search."""
    site = replace(case.sites[index], leak=plan.site.leak)
    taken = plan.taken if site.taken == plan.site.taken else None
    if taken is None and site.taken is not None and plan.room is not None:
        ends = (site.taken.entry_mm, site.taken.target_mm)
        found = next((candidate for candidate in plan.search.candidates if (candidate.entry_mm, candidate.target_mm) == ends), None)
        taken = found or needles.check(plan.room, plan.needle, *ends, plan.position)
    beside = _beside(case, index, plan.anatomy, plan.approach.name)
    preset = patch.preset(site.leak, plan.approach.name, plan.anatomy, beside)
    blood_ml = preset.blood_ml if site.blood_ml is None else site.blood_ml
    fibrin_ml = preset.fibrin_ml if site.fibrin_ml is None else site.fibrin_ml
    return replace(plan, site=site, taken=taken, preset=preset, blood_ml=blood_ml, fibrin_ml=fibrin_ml)


def _beside(case: Case, index: int, anatomy: Anatomy, way: ApproachName) -> list[Leak]:
    """The leaks of the other sites, at the levels that the anatomy names now; without those for which a way of another kind was chosen."""
    sideways = leak_station.is_transforaminal(way)
    others = [site for n, site in enumerate(case.sites) if n != index]
    same = [site for site in others if site.approach is None or leak_station.is_transforaminal(site.approach) == sideways]
    pairs = [(site.leak, anatomy.disc_space(site.leak.position_mm)) for site in same]
    return [replace(leak, level="-".join(pair) if pair else None) for leak, pair in pairs]


def forecast_sites(anatomy: Anatomy, sites: Sequence[SitePlan], progress: Progress = silent) -> Forecast | None:
    """How the patch of all sites together spreads: from the needle of each site, at its doses. None while no site has a needle."""
    injections = tuple(
        Injection(site.used.target_mm, site.fibrin_ml, site.blood_ml)
        for site in sites
        if site.used is not None and site.fibrin_ml + site.blood_ml > 0
    )
    if not injections:
        return None
    return patch.forecast(anatomy, tuple(site.site.leak for site in sites), injections, progress, position=sites[0].position)


def derive(case: Case, volume: Volume, anatomy: Anatomy, progress: Progress = silent) -> Plan:
    """The whole plan. Where no needle was taken, the best candidate is; `Plan.case` says so."""
    sites: list[SitePlan] = []
    share = 0.6 / max(1, len(case.sites))
    for index in range(len(case.sites)):
        site = plan_site(case, index, volume, anatomy, part(progress, index * share, (index + 1) * share))
        if site.taken is None and site.proposal is not None:
            best = TakenNeedle(site.proposal.entry_mm, site.proposal.target_mm, by_program=True)
            case = recorded(take_needle(case, index, best), now_by_user()[0], "Duraplan")
            site = replace(site, site=replace(site.site, taken=best), taken=site.proposal)
        sites.append(site)
    forecast, problem = None, None
    try:
        forecast = forecast_sites(anatomy, sites, part(progress, 0.6, 1.0))
    except Refusal as refusal:  # the needles stand without it
        problem = str(refusal)
    return Plan(case, anatomy, tuple(sites), forecast, problem)
