"""What each derivation depends on, as hashable keys: equal keys mean that what was derived still holds."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from planner.anatomy.by_hand.edits import Edit
from planner.anatomy.spine import Anchor
from planner.case.case import Case
from planner.scan.label_files import sidecar_of
from planner.scan.label_folder import stamp_of_folder

if TYPE_CHECKING:
    from planner.case.derive import SitePlan


def scan_key(case: Case) -> Hashable:
    """What the volume depends on: the scan itself, not where it lies."""
    scan = case.scan
    return None if scan is None else (scan.series_uid, scan.part, scan.size, scan.fingerprint)


class EditsKey(tuple[Edit, ...]):
    """Edits as part of a key, which is asked for at every turn: thousands of them are told apart by their number and the last one first."""

    def __hash__(self) -> int:
        return hash((len(self), self[-1:]))


class AnatomyKey(NamedTuple):
    """What the anatomy with its level names depends on. labels: the label map as it lies there now, or None."""

    scan: Hashable
    labels: Hashable
    anchor: Anchor | None
    edits: EditsKey = EditsKey()

    @property
    def found(self) -> AnatomyKey:
        """What it depends on before edits."""
        return self._replace(edits=EditsKey())


def anatomy_key(case: Case) -> AnatomyKey:
    """The key of a case's anatomy. A label map that is written anew at its place gives another key."""
    labels = None
    if case.labels_path is not None:
        path = Path(case.labels_path)
        stamp = stamp_of_folder(path) if path.is_dir() else _stamp(path)
        labels = (str(path), stamp, _stamp(sidecar_of(path)), case.labels_scheme)
    return AnatomyKey(scan_key(case), labels, case.anchor, EditsKey(case.edits))


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size in bytes and time of the last change in ns; None for a file that is not there."""
    try:
        state = path.stat()
    except (OSError, ValueError):  # ValueError: a name that no system would take
        return None
    return state.st_size, state.st_mtime_ns


def site_key(case: Case, index: int) -> Hashable:
    """What the search for a site depends on. The needle that was taken and the doses come after it (`derive.with_taken`)."""
    site = case.sites[index]
    return anatomy_key(case), site.leak, site.approach, site.entry_level, site.needle, case.position


def patch_key(sites: Sequence[SitePlan]) -> Hashable:
    """What the forecast depends on, given the anatomy: leaks, tips, doses, and how the patient lies."""
    return tuple(
        (site.site.leak, None if site.used is None else site.used.target_mm, site.fibrin_ml, site.blood_ml, site.position) for site in sites
    )
