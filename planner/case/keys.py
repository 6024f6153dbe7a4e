"""What each derivation depends on, as hashable keys: equal keys mean that what was derived still holds."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from planner.case.case import Case

if TYPE_CHECKING:
    from planner.case.derive import SitePlan


def scan_key(case: Case) -> Hashable:
    """What the volume depends on: the scan itself, not where it lies."""
    scan = case.scan
    return None if scan is None else (scan.series_uid, scan.part, scan.size, scan.fingerprint)


def anatomy_key(case: Case) -> Hashable:
    """What the anatomy with its level names depends on."""
    return scan_key(case), case.labels_path, case.anchor


def site_key(case: Case, index: int) -> Hashable:
    """What the search for a site depends on. The needle that was taken and the doses come after it (`derive.with_taken`)."""
    site = case.sites[index]
    return anatomy_key(case), site.leak, site.approach, site.entry_level, site.needle, case.position


def patch_key(sites: Sequence[SitePlan]) -> Hashable:
    """What the forecast depends on, given the anatomy: leaks, tips, doses, and how the patient lies."""
    return tuple(
        (site.site.leak, None if site.used is None else site.used.target_mm, site.fibrin_ml, site.blood_ml, site.position) for site in sites
    )
