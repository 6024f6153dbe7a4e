"""plan.json (contract: plan)."""

from __future__ import annotations

from typing import Any

from planner.anatomy.spine import Anatomy
from planner.case.case import SecondScan
from planner.case.derive import Plan, SitePlan
from planner.case.json_values import encode
from planner.evidence import evidence
from planner.exchange.anatomy_files import anchor_content, numbering_content, structures_content
from planner.exchange.contract_json import number, numbers
from planner.needles.candidate import Candidate
from planner.needles.rules import HAZARDS
from planner.patch.forecast import DoseRow, Forecast
from planner.version import VERSION


def plan_content(plan: Plan) -> dict[str, Any]:
    """What plan.json holds."""
    scan = plan.case.scan
    candidates = [
        (index, rank, candidate, candidate is taken)
        for index, site in enumerate(plan.sites)
        for rank, candidate, taken in ((rank, candidate, taken_of(site)) for rank, candidate in enumerate(ranked(site), start=1))
    ]
    return {
        "format": "duraplan/plan",
        "version": 1,
        "series_uid": scan.series_uid if scan else None,
        "part": scan.part if scan else None,
        "position": plan.case.position,
        "leaks": [_leak(site) for site in plan.sites],
        "candidates": [_candidate(*candidate) for candidate in candidates],
        "none_found": next(
            (
                {"leak": index, "reason": site.search.reason, "rejected": dict(site.search.rejected)}
                for index, site in enumerate(plan.sites)
                if site.search.reason is not None
            ),
            None,
        ),
        "patch": _patch(plan.sites, [(index, taken) for index, _, _, taken in candidates], plan.forecast),
        "patch_problem": plan.problem,
        "provenance": {
            "program": "Duraplan",
            "version": VERSION,
            "anatomy": provenance_of(plan.anatomy),
            "evidence": evidence_of(plan),
        },
        "anchor": anchor_content(plan.anatomy),
        "numbering": numbering_content(plan.anatomy),
        "grouping": encode(scan.grouping) if scan else None,
        "crop": encode(scan.crop) if scan else None,
        "second": None if plan.case.second is None else _second(plan.case.second),
    }


def _second(second: SecondScan) -> dict[str, Any]:
    """The scan that was shown over the planning scan, and how far its levels lay off there."""
    laid = second.registration
    errors = () if laid is None else laid.errors_mm
    return {
        "series_uid": second.scan.series_uid,
        "part": second.scan.part,
        "registration": "none" if laid is None else laid.verdict,
        "levels": None if laid is None or laid.levels is None else len(laid.levels),
        "levels_checked": len(errors),
        "worst_mm": number(max(errors, default=None), 2),
        "doubts": [] if laid is None else list(laid.doubts),
    }


def taken_of(site: SitePlan) -> Candidate | None:
    """The candidate that was taken, as it stands in `ranked`: the search's own where it was taken as found."""
    taken = site.taken
    if taken is None:
        return None
    return next((c for c in site.search.candidates if (c.entry_mm, c.target_mm) == (taken.entry_mm, taken.target_mm)), taken)


def ranked(site: SitePlan) -> list[Candidate]:
    """The candidates of the search, best first; a needle that was placed by hand comes after them."""
    taken = taken_of(site)
    found = list(site.search.candidates)
    return found if taken is None or any(taken is candidate for candidate in found) else [*found, taken]


def _leak(site: SitePlan) -> dict[str, Any]:
    leak = site.site.leak
    return {
        "position": numbers(leak.position_mm),
        "kind": leak.kind,
        "certainty": leak.certainty,
        "level": leak.level,
        "side": leak.side,
        "approach": {
            "name": site.approach.name,
            "why": site.approach.why,
            "level": site.approach.level,
            "warning": site.approach.warning,
        },
        "carried": site.site.carried,
    }


def _candidate(leak: int, rank: int, candidate: Candidate, taken: bool) -> dict[str, Any]:
    return {
        "leak": leak,
        "rank": rank,
        "approach": candidate.approach,
        "level": candidate.level,
        "side": candidate.side,
        "needle": candidate.needle,
        "entry": numbers(candidate.entry_mm),
        "target": numbers(candidate.target_mm),
        "depth_mm": number(candidate.depth_mm),
        "in_plane_deg": number(candidate.in_plane_deg),
        "out_of_plane_deg": number(candidate.out_of_plane_deg),
        "entry_offset_mm": number(candidate.entry_offset_mm),
        "clearance_mm": {structure: number(clearance) for structure, clearance in candidate.clearance_mm.items()},
        "checks": [
            {
                "name": check.name,
                "ok": None if check.ok is None else bool(check.ok),
                "value": number(check.value),
                "limit": number(check.limit),
                "unit": check.unit,
                "source": check.source,
                "soft": check.soft,
                "at_least": number(check.at_least),
            }
            for check in candidate.checks
        ],
        "score": {name: number(value, 4) for name, value in candidate.score.items()},
        "error": None,
        "taken": taken,
    }


def _patch(sites: tuple[SitePlan, ...], candidates: list[tuple[int, bool]], forecast: Forecast | None) -> dict[str, Any] | None:
    if forecast is None:
        return None
    injections = [
        {"candidate": index, "material": material, "ml": number(ml)}
        for index, (leak, taken) in enumerate(candidates)
        if taken
        for material, ml in (("fibrin", sites[leak].fibrin_ml), ("blood", sites[leak].blood_ml))
        if ml > 0
    ]
    return {
        "injections": injections,
        "dose_response": [_dose_row(row) for row in forecast.rows],
        "ml_for_cover": {str(percent): numbers(band) for percent, band in sorted(forecast.ml_for_cover.items())},
    }


def _dose_row(row: DoseRow) -> dict[str, Any]:
    return {
        "ml": number(row.ml),
        "leak_covered": numbers(row.leak_covered, 4),
        "canal_fill_max": numbers(row.canal_fill_max, 4),
        "levels_up": numbers(row.levels_up),
        "levels_down": numbers(row.levels_down),
        "sac_reduction_max": numbers(row.sac_reduction_max, 4),
        "escaped_ml": numbers(row.escaped_ml),
        "ventral_ml": numbers(row.ventral_ml),
    }


def provenance_of(anatomy: Anatomy) -> dict[str, str]:
    """How each structure is known, in one word."""
    return {name: structure["provenance"] for name, structure in structures_content(anatomy).items()}


def evidence_of(plan: Plan) -> list[str]:
    """The ids of the evidence that approach, limits and warnings rest on (`planner.evidence`)."""
    found: set[str] = set()
    limits = {hazard.title: hazard.limit for hazard in HAZARDS}
    for site in plan.sites:
        found |= set(site.approach.evidence)
        for check in (check for candidate in ranked(site) for check in candidate.checks):
            found.add(limits.get(check.name, check.source))
    if plan.forecast is not None:
        found |= {source for _, _, source in plan.forecast.warnings}
    return sorted(identifier for identifier in found if _is_evidence(identifier))


def _is_evidence(identifier: str) -> bool:
    try:
        evidence(identifier)
    except (KeyError, ValueError):
        return False
    return True
