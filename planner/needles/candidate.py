"""The values of the Needles station."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from planner.geometry import Floats
from planner.leak.leak import ApproachName, LeakSide

MODELLED = "needles.root_uncertainty_modelled_mm"
"""The evidence of what is added to the distance from a structure that was modelled and not seen."""


@dataclass(frozen=True)
class Needle:
    """A needle of the catalogue (resources/needles.json). id such as `22G-120-quincke`."""

    id: str
    gauge: int
    outer_mm: float
    length_mm: float
    tip: str

    @property
    def words(self) -> str:
        """`22G, 120 mm, Quincke`."""
        return f"{self.gauge}G, {self.length_mm:.0f} mm, {self.tip}"


@dataclass(frozen=True)
class Check:
    """One rule applied to one needle. ok is None where the structure was not checked; source is the id of the evidence behind the limit
    (`planner.evidence.evidence(source).source` is the reference in words).

    at_least: where nothing of the structure is in the scan, no value can be measured; it lies at least this far away, beyond the scan's
    ends. None where a value was measured or nothing is known.
    """

    name: str
    ok: bool | None
    value: float | None
    limit: float | None
    unit: str
    source: str
    soft: bool = False
    """A failed soft check is a warning: it is shown and ranks lower, and the needle still passes."""
    at_least: float | None = None


@dataclass(frozen=True, eq=False)
class Candidate:
    """A needle from skin to tip, checked and scored.

    entry_mm, target_mm: LPS. depth_mm: skin to tip. Angles as `planner.geometry.needle_angles`. entry_offset_mm: lateral distance of
    the entry from the spinous midline, positive to the patient's left. clearance_mm: per structure, surface of the needle to surface,
    None = not measured: not checked, or not in the scan (`Check.at_least`). score: parts in 0..1 and `total`. profile_mm: (n, 2) depth
    from the skin against the least clearance to a hazard, for the small graph of a card.
    """

    approach: ApproachName
    level: str | None
    side: LeakSide
    needle: str
    entry_mm: tuple[float, float, float]
    target_mm: tuple[float, float, float]
    depth_mm: float
    in_plane_deg: float
    out_of_plane_deg: float
    entry_offset_mm: float
    clearance_mm: Mapping[str, float | None]
    checks: tuple[Check, ...]
    score: Mapping[str, float]
    profile_mm: Floats
    remark: str = ""
    """What a card says in a few words: "below the root", "arterial zone"."""

    @property
    def passes(self) -> bool:
        """No check failed but soft ones; a check that could not be made does not fail."""
        return all(check.ok is not False or check.soft for check in self.checks)

    @property
    def closer(self) -> bool:
        """Whether it comes closer than asked to a modelled structure: it keeps its distance from where that is thought to be, without
        what is added for not having seen it."""
        return any(check.ok is False and check.source == MODELLED for check in self.checks)


@dataclass(frozen=True, eq=False)
class NeedleSearch:
    """What the search found for one leak and approach, best first; or why nothing was found.

    rejected: how many paths each limit ruled out first. reason: a sentence with a way out when there is no candidate, else None.
    relaxed: a sentence that names the margin which candidates here do not keep (`Candidate.closer`), and the level where these serve
    the leak from another than its own; None where every margin is kept at the leak's own level.
    """

    candidates: tuple[Candidate, ...]
    rejected: Mapping[str, int]
    directions: int
    targets: int
    reason: str | None
    relaxed: str | None = None
