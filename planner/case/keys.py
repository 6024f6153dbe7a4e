"""What each derivation depends on, as hashable keys: equal keys mean that what was derived still holds."""

from __future__ import annotations

from collections.abc import Hashable

from planner.case.case import Case


def scan_key(case: Case) -> Hashable:
    """What the volume depends on: the scan itself, not where it lies."""
    scan = case.scan
    return None if scan is None else (scan.series_uid, scan.part, scan.size, scan.fingerprint)


def image_key(case: Case) -> Hashable:
    """What the anatomy depends on but for its level names: while it stands, `planner.anatomy.rename` is enough for another anchor."""
    return scan_key(case), case.labels_path


def anatomy_key(case: Case) -> Hashable:
    """What the anatomy with its level names depends on."""
    return image_key(case), case.anchor


def site_key(case: Case, index: int) -> Hashable:
    """What the plan of a site depends on."""
    return anatomy_key(case), case.sites[index], case.position


def patch_key(case: Case) -> Hashable:
    """What the forecast depends on."""
    return anatomy_key(case), case.sites, case.position
