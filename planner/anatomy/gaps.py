"""A scan with gaps: the side of them on which the anatomy is looked for, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from numpy.typing import ArrayLike

from planner.anatomy.spine import Anatomy
from planner.geometry import Gap, Volume
from planner.refusal import Refusal


def on_the_side_of(volume: Volume, place_mm: ArrayLike) -> Volume:
    """The scan with padding wherever a gap lies between there and an LPS place; itself where it has no gaps."""
    if not volume.gaps or volume.padding is None:
        return volume
    voxels = volume.voxels.copy()
    for gap in volume.gaps:
        for other_side in (Gap(gap.normal, -inf, gap.low_mm), Gap(gap.normal, gap.high_mm, inf)):
            if not other_side.holds(place_mm):
                other_side.fill(voxels, volume.frame, volume.padding)
    return replace(volume, voxels=voxels)


def across_a_gap(volume: Volume, anatomy: Anatomy, place_mm: ArrayLike) -> bool:
    """Whether a gap lies between an LPS place and the canal that was found."""
    middle = anatomy.canal.centreline_mm[len(anatomy.canal.centreline_mm) // 2]
    return any(gap.parts(middle, place_mm) for gap in volume.gaps)


def with_gaps(anatomy: Anatomy, gaps: tuple[Gap, ...]) -> Anatomy:
    """The anatomy of a scan with these gaps, with a sentence on them at the canal."""
    if not gaps:
        return anatomy
    canal, said = anatomy.structure("canal"), _said(gaps)
    known = (canal.problem or "").replace(said, "").strip()  # named anew, an anatomy has the sentence already
    problem = f"{known} {said}" if known else said
    return replace(anatomy, gaps=gaps, structures={**anatomy.structures, "canal": replace(canal, problem=problem)})


def with_gaps_told(refusal: Refusal, gaps: tuple[Gap, ...]) -> Refusal:
    """A refusal to find the anatomy of a scan with these gaps, with a sentence on them."""
    return Refusal(f"{refusal.sentence} {_said(gaps)}", refusal.way_out)


def _said(gaps: tuple[Gap, ...]) -> str:
    wide = " and ".join(f"{gap.high_mm - gap.low_mm:.0f} mm" for gap in gaps)
    return f"The scan has a gap of {wide}: the canal is followed on one side of it, that of the named vertebra."
