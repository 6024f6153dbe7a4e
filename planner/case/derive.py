"""What follows from a case: the plan of each site, the forecast of the patch, and the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planner import leak as leak_station
from planner import needles, patch
from planner.anatomy.spine import Anatomy
from planner.case.acts import take_needle
from planner.case.case import Case, Site
from planner.case.keys import anatomy_key, image_key, patch_key, scan_key, site_key
from planner.geometry import PatientPosition, Volume
from planner.leak.leak import Approach
from planner.needles.candidate import Candidate, Needle, NeedleSearch
from planner.patch.forecast import Forecast, Injection
from planner.progress import Progress, part, silent

if TYPE_CHECKING:
    from planner.needles import Room
    from planner.patch import Preset

__all__ = [
    "Plan",
    "SitePlan",
    "anatomy_key",
    "derive",
    "forecast_sites",
    "image_key",
    "patch_key",
    "plan_site",
    "scan_key",
    "site_key",
]


@dataclass(frozen=True, eq=False)
class SitePlan:
    """What follows for one site.

    site: as decided, its leak's level read from the anatomy of now. approaches: proposed first. approach, needle: decided, or proposed
    while undecided. room, search: what the Needles station made of them. taken: the needle that the user took, checked anew, or None.
    preset: the doses that evidence suggests; blood_ml, fibrin_ml: decided, or the preset's.
    """

    site: Site
    anatomy: Anatomy
    position: PatientPosition
    approaches: tuple[Approach, ...]
    approach: Approach
    needle: Needle
    room: Room
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
    def chosen(self) -> Candidate | None:
        """The needle that the patch and the sheet go by: the one taken, else the proposal."""
        return self.taken or self.proposal


@dataclass(frozen=True, eq=False)
class Plan:
    """The whole: a case and all that follows from it. problem: a sentence when a site has no needle, else None."""

    case: Case
    anatomy: Anatomy
    sites: tuple[SitePlan, ...]
    forecast: Forecast | None
    problem: str | None


def plan_site(
    case: Case,
    index: int,
    volume: Volume,
    anatomy: Anatomy,
    progress: Progress = silent,
    earlier: SitePlan | None = None,
) -> SitePlan:
    """The plan of one site. `earlier`, a plan of the same site, lends the parts that still hold: after a drag only the check is redone.

    Raises Refusal for a leak outside the canal, an approach that this site does not have and a needle that is not in the catalogue.
    """
    site = case.sites[index]
    marked = site.leak
    leak = leak_station.place(anatomy, marked.position_mm, marked.kind, marked.certainty, marked.side)
    approaches = leak_station.approaches(leak, anatomy)
    approach = next((way for way in approaches if way.name == site.approach), None) if site.approach else approaches[0]
    if approach is None:
        approach = Approach(site.approach, "Chosen by the user; this leak does not call for it.", (), False)  # type: ignore[arg-type]
    same_room = earlier is not None and (earlier.anatomy, earlier.site.leak, earlier.approach.name) == (anatomy, leak, approach.name)
    if earlier is not None and same_room:
        room = earlier.room
    else:
        room = needles.prepare(volume, anatomy, leak, approach.name, part(progress, 0.0, 0.5))
    needle = needles.needle(site.needle) if site.needle else needles.default_needle(approach.name)
    if earlier is not None and same_room and (earlier.needle, earlier.position) == (needle, case.position):
        search = earlier.search
    else:
        search = needles.search(room, needle, case.position, part(progress, 0.5, 1.0))
    taken = needles.check(room, needle, site.taken.entry_mm, site.taken.target_mm, case.position) if site.taken else None
    preset = patch.preset(leak, approach.name, anatomy)
    return SitePlan(
        site=replace(site, leak=leak),
        anatomy=anatomy,
        position=case.position,
        approaches=approaches,
        approach=approach,
        needle=needle,
        room=room,
        search=search,
        taken=taken,
        preset=preset,
        blood_ml=preset.blood_ml if site.blood_ml is None else site.blood_ml,
        fibrin_ml=preset.fibrin_ml if site.fibrin_ml is None else site.fibrin_ml,
    )


def forecast_sites(anatomy: Anatomy, sites: Sequence[SitePlan], progress: Progress = silent) -> Forecast | None:
    """How the patch of all sites together spreads: from the needle of each site, at its doses. None while no site has a needle."""
    injections = tuple(
        Injection(site.chosen.target_mm, site.fibrin_ml, site.blood_ml)
        for site in sites
        if site.chosen is not None and site.fibrin_ml + site.blood_ml > 0
    )
    if not injections:
        return None
    return patch.forecast(anatomy, tuple(site.site.leak for site in sites), injections, progress)


def derive(case: Case, volume: Volume, anatomy: Anatomy, progress: Progress = silent) -> Plan:
    """The whole plan. Where no needle was taken, the best candidate is; `Plan.case` says so."""
    sites: list[SitePlan] = []
    share = 0.6 / max(1, len(case.sites))
    for index in range(len(case.sites)):
        step = part(progress, index * share, (index + 1) * share)
        site = plan_site(case, index, volume, anatomy, step)
        if site.taken is None and site.proposal is not None:
            case = take_needle(case, index, site.proposal.entry_mm, site.proposal.target_mm)
            site = plan_site(case, index, volume, anatomy, step, earlier=site)
        sites.append(site)
    forecast = forecast_sites(anatomy, sites, part(progress, 0.6, 1.0))
    reasons = [site.search.reason for site in sites if site.chosen is None]
    return Plan(case, anatomy, tuple(sites), forecast, reasons[0] if reasons else None)
