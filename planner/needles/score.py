"""How good a path is: parts in 0..1, all shown, and their weighted sum (reference: algorithms 4.4).

The parts work on arrays of n paths, so that the search ranks thousands with the same rule that a card shows for one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from planner.anatomy import labels
from planner.evidence import evidence
from planner.geometry import Floats
from planner.leak import ApproachName, LeakSide, is_transforaminal, region
from planner.needles.rules import in_artery_levels, in_artery_zone

_PART = {"neck": "cervical", "thorax": "thoracic"}
ANGLE_FALL_DEG, SLANT_FALL_DEG = 20.0, 15.0
ENTRY_FALL_MM = 30.0
"""How far outside the usual range a path loses all score of that part. The slant is that of a transforaminal needle: lumbar 30-50 deg is
usual, beyond 60 hardly anyone goes."""
WIDE_ENTRY_FALL_MM = 15.0
"""The same for interlaminar needles."""
ACROSS = {False: 0.85, True: 0.3}
"""What is left of the aim of a needle from the other side: a paramedian one, a transforaminal one."""


def within(value: Floats, low: float, high: float, fall: float) -> Floats:
    """1 between low and high, falling to 0 over `fall` outside."""
    return np.clip(1.0 - np.maximum(np.maximum(low - value, value - high), 0.0) / fall, 0.0, 1.0)


def total(parts: Mapping[str, Floats]) -> Floats:
    """The weighted sum of the parts, 0..1."""
    weights = evidence("needles.weights").value
    return np.asarray(sum(weights[name] * part for name, part in parts.items()) / sum(weights[name] for name in parts))


def depth_part(depth_mm: Floats) -> Floats:
    """Short is good."""
    low, high = evidence("needles.depth_ease_mm").value
    return np.clip((high - depth_mm) / (high - low), 0.0, 1.0)


def out_of_plane_part(out_of_plane_deg: Floats, approach: ApproachName, level: str | None) -> Floats:
    """In the slice is good: errors out of plane are twice as large (clinical 5.2). Behind overlapping laminae the usual slant
    is free of half the blame."""
    flat = 1.0 - np.abs(out_of_plane_deg) / 45.0
    if is_transforaminal(approach):
        return np.clip(flat, 0.0, 1.0)
    low, high = usual_cephalad_deg(level)
    return np.clip(0.5 * flat + 0.5 * within(out_of_plane_deg, low, high, ANGLE_FALL_DEG), 0.0, 1.0)


def usual_cephalad_deg(level: str | None) -> tuple[float, float]:
    """The usual slant of an interlaminar needle toward the head at a level (clinical 2.2)."""
    table = evidence("needles.usual_cephalad_deg").value
    upper = level.split("-")[0] if level else ""
    if level is not None and level.endswith("-S1"):
        key = "L5-S1"
    elif region(level) == "neck":
        key = "neck"
    elif region(level) == "thorax" and upper in labels.ALL_LEVELS:
        number = int(upper[1:])
        key = "T1-T3" if number <= 3 else "T4-T9" if number <= 9 else "T10-T12"
    else:
        key = "lumbar"
    low, high = table[key]
    return float(low), float(high)


def entry_part(offset_mm: Floats, slant_deg: Floats, approach: ApproachName, level: str | None) -> Floats:
    """An entry and a slant to the sagittal plane that are usual for the approach. offset_mm: from the midline; slant_deg: in the slice."""
    if is_transforaminal(approach):
        key = f"transforaminal {_PART.get('lumbar' if level is not None and level.endswith('-L1') else region(level), 'lumbar')}"
        fall, least = ENTRY_FALL_MM, SLANT_FALL_DEG
    else:
        key, fall, least = approach, WIDE_ENTRY_FALL_MM, ANGLE_FALL_DEG
    near, far = evidence("needles.usual_entry_mm").value[key]
    low, high = evidence("needles.usual_in_plane_deg").value[key]
    return np.sqrt(within(np.abs(offset_mm), near, far, fall) * within(np.abs(slant_deg), low, high, least))


def clearance_part(clearance_mm: Mapping[str, Floats | float | None], margins_mm: Mapping[str, float], transforaminal: bool) -> Floats:
    """The least of all structures, each weighed by the harm of touching it; another that was not checked says nothing.

    An interlaminar needle ends between flavum and sac, so the sac counts for half there. Without bone, sac or roots half is the most.
    """
    harm, comfort = evidence("needles.harm").value, evidence("needles.comfort_mm").value
    unknown = any(clearance_mm.get(name) is None for name in ("bone", "sac", "roots"))
    worst: Floats = np.asarray(0.5 if unknown else 1.0)
    for name, value in clearance_mm.items():
        if value is None or name not in harm:
            continue
        share = np.clip((np.asarray(value) - margins_mm[name]) / (comfort[name] - min(margins_mm[name], comfort[name] - 0.5)), 0.0, 1.0)
        weight = harm[name] * (0.5 if name == "sac" and not transforaminal else 1.0)
        worst = np.minimum(worst, 1.0 - weight * (1.0 - share))
    return worst


def side_factor(offset_mm: Floats, approach: ApproachName, side: LeakSide) -> Floats:
    """A needle from the side of the leak is placed better than one that comes across the midline."""
    if approach == "interlaminar-midline" or side == "midline":
        return np.ones_like(offset_mm)
    return np.where((offset_mm > 0) == (side == "left"), 1.0, ACROSS[is_transforaminal(approach)])


def passage_factor(across: Floats, up: Floats, above_root: bool | None, approach: ApproachName, level: str | None) -> Floats:
    """How well a path goes through its foramen: T2-L3 in the lower third, posterior half; the arterial zone counts half."""
    if not is_transforaminal(approach):
        return np.ones_like(up)
    if region(level) == "neck":
        return np.where(across >= 0, 1.0, 0.3)
    if in_artery_levels(level) is False:
        return np.ones_like(up)
    share = (up + 1.0) / 2.0
    factor = 0.6 + 0.25 * within(share, 0.0, 0.4, 0.4) + 0.15 * (across >= 0)
    return factor * np.where(in_artery_zone(across, up) | (above_root is True), 0.5, 1.0)
