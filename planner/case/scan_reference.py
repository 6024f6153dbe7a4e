"""The scan that a case is bound to: a reference to it, and finding it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from planner.case.case import Case, ScanReference
from planner.progress import Progress, silent
from planner.refusal import Refusal

if TYPE_CHECKING:
    from planner.scan import Scan, Series


def reference_to(path: Path, series: Series) -> ScanReference:
    """A reference to a series that was read from `path` (a folder, file or ZIP). In memory its path is absolute; in the case file it is
    relative to that file, so that both may move together."""
    return ScanReference(str(path.absolute()), series.uid, series.part, series.size, series.fingerprint, None, series.grouping, series.crop)


def same_scan(one: ScanReference, other: ScanReference) -> bool:
    """Whether two references mean the same voxels, wherever they lie."""
    return (one.series_uid, one.part, one.size, one.fingerprint) == (other.series_uid, other.part, other.size, other.fingerprint)


def find_scan(case: Case, case_path: Path | None = None) -> Path:
    """Where the scan of a case lies: where it was, or else under its name beside the case file. Refuses a case without a scan, and one
    whose scan has moved."""
    if case.scan is None:
        raise Refusal("This case has no scan.", "Open a scan and start a new case.")
    return find_reference(case.scan, "The scan", case_path)


def find_reference(reference: ScanReference, which: str, case_path: Path | None = None) -> Path:
    """Where a scan lies ("The scan", "The second scan"): where it was, or else under its name beside the case file. Refuses one that has
    moved."""
    where = Path(reference.path)
    places = [where] if case_path is None else [where, case_path.absolute().parent / where.name]
    for place in places:
        if _exists(place):
            return place
    raise Refusal(
        f"{which} of this case is not at {where} any more.",
        "Put it back, or put it beside the case file under the name that it had.",
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no system would take, or a folder that may not be looked into
        return False


def bound_series(reference: ScanReference, scan: Scan) -> Series | None:
    """The series of a scan that a reference names, whatever it shows, cropped as there; None where the scan has none."""
    wanted = (reference.series_uid, reference.part, reference.grouping)
    found = next((series for series in scan.series if (series.uid, series.part, series.grouping) == wanted), None)
    if found is None or reference.crop is None:
        return found
    from planner.scan.spine_only import cropped

    try:
        return cropped(found, reference.crop)
    except Refusal:  # pictures of another size: it is not that series any more
        return None


def as_grouped(case: Case, scan: Scan, progress: Progress = silent) -> Scan:
    """The scan with the series of a case grouped as a person grouped it there. Refuses a scan whose slices do not allow it any more."""
    return scan if case.scan is None else _grouped(case.scan, scan, progress)


def _grouped(wanted: ScanReference, scan: Scan, progress: Progress = silent) -> Scan:
    if wanted.grouping is None or not any(one.uid == wanted.series_uid for one in scan.series):
        return scan
    from planner.scan.regroup import with_grouping

    return with_grouping(scan, wanted.series_uid, wanted.grouping, progress)


def series_of(case: Case, scan: Scan) -> Series:
    """The series of a scan that a case is bound to. Refuses a scan that does not hold it, and one whose images have changed."""
    if case.scan is None:
        raise Refusal("This case has no scan.", "Open a scan and start a new case.")
    return series_in(scan, case.scan)


def series_in(scan: Scan, wanted: ScanReference, use: str = "was planned on", instead: str = "start a new case on what is there") -> Series:
    """The series of a scan that a reference means, grouped and cropped as there. use, instead: what the case did with it and what else a
    person may do, for the refusals, which are those of `series_of`."""
    found = bound_series(wanted, _grouped(wanted, scan))
    if found is None:
        raise Refusal(
            f"The series that this case {use} is not in its folder any more.",
            f"Put the series back, or {instead}.",
        )
    if wanted.fingerprint not in (found.fingerprint, found.former_fingerprint) or found.size != wanted.size:
        raise Refusal(
            f"The images of this scan are not the ones that the case {use}.",
            f"Bring the original images back, or {instead}.",
        )
    return found
