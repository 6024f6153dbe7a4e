"""The values of the Leak and Approach stations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LeakKind = Literal["ventral", "sleeve", "fistula", "dorsal"]
Certainty = Literal["observed", "potential"]
LeakSide = Literal["left", "right", "midline"]
ApproachName = Literal["interlaminar-midline", "interlaminar-paramedian", "transforaminal-ventral", "transforaminal-foramen", "caudal"]

TITLES: dict[ApproachName, str] = {
    "interlaminar-midline": "Interlaminar, midline",
    "interlaminar-paramedian": "Interlaminar, paramedian",
    "transforaminal-ventral": "Transforaminal, to the ventral space",
    "transforaminal-foramen": "Transforaminal, stopped short in the foramen",
    "caudal": "Caudal",
}
"""The approaches in the words of the interface."""


@dataclass(frozen=True)
class Leak:
    """A site where spinal fluid leaves the sac: LPS position, kind, whether contrast was seen there or it is only suspected,
    the disc space as `L4-L5` (None where levels are unknown) and the side."""

    position_mm: tuple[float, float, float]
    kind: LeakKind
    certainty: Certainty
    level: str | None
    side: LeakSide


@dataclass(frozen=True)
class Approach:
    """A way in with the reason for it in one sentence, the evidence it rests on, and whether the leak calls for it.

    level: the disc space where the needle goes in, where that is a choice of its own (the neck); None: at the levels that serve the leak.
    warning: what a person who chooses it has to know; such a way is never proposed. barred: why no needle can be planned this way on
    this scan, with a way out, or None.
    """

    name: ApproachName
    why: str
    evidence: tuple[str, ...]
    proposed: bool
    level: str | None = None
    warning: str | None = None
    barred: str | None = None

    @property
    def title(self) -> str:
        """The approach in the words of the interface: `Interlaminar, paramedian, at C6-C7`."""
        return f"{TITLES[self.name]}, at {self.level}" if self.level else TITLES[self.name]
