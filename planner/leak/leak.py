"""The values of the Leak and Approach stations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LeakKind = Literal["ventral", "sleeve", "fistula", "dorsal"]
Certainty = Literal["observed", "potential"]
LeakSide = Literal["left", "right", "midline"]
ApproachName = Literal["interlaminar-midline", "interlaminar-paramedian", "transforaminal-ventral", "transforaminal-foramen", "caudal"]


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
    """A way in with the reason for it in one sentence, the evidence it rests on, and whether the leak calls for it."""

    name: ApproachName
    why: str
    evidence: tuple[str, ...]
    proposed: bool
