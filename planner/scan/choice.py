"""Which of a scan's volumes to work on, and a scan as JSON (the contract's `scan --json`)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from planner.refusal import Refusal
from planner.scan.grouping import Grouping
from planner.scan.series import LEAST_SLICES, Scan, Series


def choose(scan: Scan, uid: str | None = None, part: int | None = None) -> Series:
    """The series of this UID (or key, "UID/PART"), or the most useful one; the first of its parts that can be loaded.

    Raises Refusal with the reasons where there is none, or none that can be loaded.
    """
    if not scan.series:
        why = scan.skipped[0].reason if scan.skipped else ""
        count = scan.skipped_count
        said = "The file is no slice of a scan." if count == 1 else f"None of the {count} files is a slice of a scan. The first:"
        raise Refusal(f"{said} {why}", "Choose the folder with the patient's CT or MR series.")
    named = [one for one in scan.series if (uid is None or uid in (one.uid, one.key)) and (part is None or one.part == part)]
    if not named:
        wanted = "UID" if part is None else "part" if uid is None else "UID and part"
        raise Refusal(f"There is no series with this {wanted} here.", "List the series with the verb scan, and take one of theirs.")
    for one in named:
        if one.usable:
            return one
    raise Refusal(" ".join(named[0].reasons), named[0].way_out)


def in_force(scan: Scan, uid: str | None, grouping: Grouping | None) -> tuple[Series, ...]:
    """The volumes to choose from, where the series of this UID is grouped so: those of one way to put its slices together, in its place."""
    shown: list[Series] = []
    for one in scan.series:
        if one.uid != uid:
            shown += [one] if one.grouping is None else []
        elif not any(other.uid == uid for other in shown):
            shown += [other for other in scan.series if (other.uid, other.grouping) == (uid, grouping)]
    return tuple(shown)


def worth_regrouping(scan: Scan) -> frozenset[str]:
    """UIDs of the series that have parts, or are refused, and slices enough that another grouping could help."""
    found: defaultdict[str, list[Series]] = defaultdict(list)
    for one in scan.series:
        if one.grouping is None and one.pictures:
            found[one.uid].append(one)
    return frozenset(
        uid for uid, parts in found.items() if (len(parts) > 1 or not parts[0].usable) and sum(one.slices for one in parts) >= LEAST_SLICES
    )


def scan_json(scan: Scan, identify: bool = False) -> dict[str, Any]:
    """A scan as the contract's JSON. Name, number and birth date only with identify; lengths in mm."""
    return {
        "format": "duraplan/scan",
        "version": 1,
        "series": [_series_json(one, identify) for one in scan.series],
        "skipped": [{"path": one.path, "reason": one.reason} for one in scan.skipped],
        "skipped_count": scan.skipped_count,
    }


def _series_json(series: Series, identify: bool) -> dict[str, Any]:
    said: dict[str, Any] = {
        "uid": series.uid,
        "part": series.part,
        "description": series.description,
        "modality": series.modality,
        "plane": series.plane,
        "slices": series.slices,
        "size": list(series.size),
        # a length that is not known is null, not 0
        "spacing_mm": [round(length, 4) if length > 0 else None for length in series.spacing_mm],
        "extent_mm": [round(extent, 3) if length > 0 else None for length, extent in zip(series.spacing_mm, series.extent_mm)],
        "verdict": series.verdict,
        "reasons": list(series.reasons),
        "repairs": list(series.repairs),
    }
    if identify:
        identity = series.identity
        said["patient"] = {"name": identity.name, "number": identity.number, "birth_date": identity.birth_date}
    return said
