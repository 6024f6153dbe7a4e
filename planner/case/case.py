"""Case: what the user decided, as one frozen value. Everything else is derived from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from planner.anatomy.by_hand.edits import Edit
from planner.anatomy.spine import Anchor
from planner.geometry import PatientPosition
from planner.leak.leak import ApproachName, Leak
from planner.registration.placed import Registration
from planner.scan.crop import Crop
from planner.scan.grouping import Grouping

MOST_SITES = 10
"""Sites in one session (reference: clinical 1, [003])."""
SHORTEST_NEEDLE_MM = 1.0
"""Below it an entry and a target are one click."""


@dataclass(frozen=True)
class TakenNeedle:
    """The needle that was taken for a site: LPS ends in mm, and whether a person has moved it since the program proposed it.
    by_program: the program took its best candidate where nobody had chosen one, as the verb plan does."""

    entry_mm: tuple[float, float, float]
    target_mm: tuple[float, float, float]
    moved: bool = False
    by_program: bool = False


@dataclass(frozen=True)
class Site:
    """One leak and what is planned for it. None means: not decided yet, the proposal stands. entry_level: the disc space where the needle
    goes in, such as `C6-C7`, where the user chose another than those that serve the leak. carried: its leak was marked on another scan and
    brought here by a registration; nobody has checked it on this one yet."""

    leak: Leak
    approach: ApproachName | None = None
    needle: str | None = None
    taken: TakenNeedle | None = None
    blood_ml: float | None = None
    fibrin_ml: float | None = None
    entry_level: str | None = None
    carried: bool = False


@dataclass(frozen=True)
class ScanReference:
    """The scan that a case is bound to. path: where it was last found, absolute here and
    relative to the case file in that file; series_uid, part,
    size and fingerprint tell whether what lies there is still the same scan. example: parameters of the built-in phantom, or None.
    grouping: how a person put the slices of the series together, where the program did otherwise; `part` counts among its volumes.
    crop: the part of every slice that is loaded, where the whole was too large; `size` is that of the part."""

    path: str
    series_uid: str
    part: int
    size: tuple[int, int, int]
    fingerprint: str
    example: str | None = None
    grouping: Grouping | None = None
    crop: Crop | None = None


@dataclass(frozen=True)
class SecondScan:
    """A second scan of the same patient, shown over the planning scan and never planned on. registration: where it was laid, by the
    program or by hand; None while it is not laid yet."""

    scan: ScanReference
    registration: Registration | None = None


@dataclass(frozen=True)
class Decision:
    """One act in the case's history: its name as the Undo menu shows it, when (ISO 8601, UTC) and by whom."""

    act: str
    when: str
    who: str


@dataclass(frozen=True)
class Case:
    """What the user decided. labels_path: a label map of another program to take in, or None; labels_scheme: whose numbers it has,
    where its file leaves that open (`planner.anatomy.imports.schemes`). edits: what was changed in the anatomy by
    hand, in this order, after it was found or taken in. scan: the planning scan, to which the whole plan is bound. second: another scan
    that is shown over it, or None."""

    scan: ScanReference | None = None
    anchor: Anchor | None = None
    labels_path: str | None = None
    sites: tuple[Site, ...] = ()
    position: PatientPosition = "prone"
    notes: str = ""
    edits: tuple[Edit, ...] = ()
    labels_scheme: str | None = None
    second: SecondScan | None = None
    history: tuple[Decision, ...] = field(default=(), compare=False)
