"""From a click to a leak: its level and side from the anatomy, or a refusal that says how far off it lies."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from planner.anatomy.spine import ANGLES, Anatomy
from planner.evidence import number
from planner.geometry import Floats
from planner.leak.leak import Certainty, Leak, LeakKind, LeakSide
from planner.refusal import Refusal


class KindWords(NamedTuple):
    """A leak kind in the words of the interface: its name and one line that explains it."""

    title: str
    line: str


KINDS: MappingProxyType[LeakKind, KindWords] = MappingProxyType(
    {
        "ventral": KindWords("Ventral", "A tear in front of the sac, often at a disc osteophyte."),
        "sleeve": KindWords("Nerve-root sleeve", "A diverticulum or tear of the dura around a root."),
        "fistula": KindWords("CSF-venous fistula", "A sleeve that drains into a vein beside the spine; no fluid outside the sac."),
        "dorsal": KindWords("Dorsal", "A hole behind: after a puncture, surgery or a stimulator lead."),
    }
)
"""The leak kinds, in the order in which they are offered."""


def place(
    anatomy: Anatomy, position_mm: ArrayLike, kind: LeakKind, certainty: Certainty = "observed", side: LeakSide | None = None
) -> Leak:
    """The leak at an LPS position, with level and side filled in; a side that the user gives wins.

    Raises Refusal for a position outside the scan, or too far from the canal (for sleeve and fistula: from canal, foramina and roots).
    """
    if kind not in KINDS:
        raise ValueError(f"no such kind of leak: {kind}")
    point = np.asarray(position_mm, dtype=np.float64)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise Refusal("The position of the leak is not three numbers.", "Give it as X,Y,Z in mm.")
    if not anatomy.shows(point, -max(anatomy.frame.spacing_mm) / 2):
        raise Refusal("The leak lies outside the scan.", "Give its position in the scan's own coordinates (LPS, mm).")
    if any(gap.holds(point) for gap in anatomy.gaps):
        raise Refusal("The leak lies in a gap of the scan: no slice shows this place.", "Take a scan without the gap.")
    if len(anatomy.canal.centreline_mm) == 0:
        raise Refusal("No spinal canal was found, so a leak cannot be placed in it.", "Go back to Anatomy and find the canal first.")
    middle = anatomy.canal.centreline_mm[len(anatomy.canal.centreline_mm) // 2]
    if any(gap.parts(middle, point) for gap in anatomy.gaps):
        sentence = "A gap of the scan lies between this place and the canal that was followed."
        raise Refusal(sentence, "Name a vertebra on this side of the gap.")
    distance = _distance_outside(anatomy, point, at_root=kind in ("sleeve", "fistula"))
    if distance > 0:
        where = "the canal, the foramina and the roots" if kind in ("sleeve", "fistula") else "the spinal canal"
        raise Refusal(
            f"The leak lies {distance:.0f} mm outside {where}." if distance >= 0.5 else f"The leak lies just outside {where}.",
            "Click where contrast leaves the sac, or correct the canal in Anatomy.",
        )
    space = anatomy.disc_space(point)
    level = f"{space[0]}-{space[1]}" if space else None
    return Leak((float(point[0]), float(point[1]), float(point[2])), kind, certainty, level, side or _side(anatomy, point, kind))


def _distance_outside(anatomy: Anatomy, point: Floats, at_root: bool) -> float:
    """How far a point is from where such a leak can be, mm; 0 inside."""
    gaps = [_outside_canal(anatomy, point) - number("leak.wall_tolerance_mm")]
    if at_root:
        reach = number("leak.foramen_reach_mm")
        gaps += [float(np.linalg.norm(point - foramen.centre_mm)) - reach for foramen in anatomy.foramina]
        gaps += [
            float((np.linalg.norm(root.path_mm - point, axis=1) - root.radius_mm).min()) - number("leak.root_reach_mm")
            for root in anatomy.roots
            if len(root.path_mm)
        ]
    return max(0.0, min(gaps))


def _outside_canal(anatomy: Anatomy, point: Floats) -> float:
    canal = anatomy.canal
    at = canal.nearest(point)
    offset = point - canal.centreline_mm[at]
    x, y = float(offset @ canal.left[at]), float(offset @ canal.back[at])
    along = float(offset @ np.cross(canal.left[at], canal.back[at]))
    angle = np.degrees(np.arctan2(y, x)) % 360.0
    wall = float(np.interp(angle, np.arange(ANGLES + 1) * 360.0 / ANGLES, np.append(canal.wall_mm[at], canal.wall_mm[at, 0])))
    return float(np.hypot(max(0.0, np.hypot(x, y) - wall), max(0.0, abs(along) - 1.0)))


def _side(anatomy: Anatomy, point: Floats, kind: LeakKind) -> LeakSide:
    at = anatomy.canal.nearest(point)
    left = float((point - anatomy.canal.centreline_mm[at]) @ anatomy.canal.left[at])
    if kind in ("ventral", "dorsal") and abs(left) < number("leak.midline_half_width_mm"):
        return "midline"
    return "left" if left >= 0 else "right"
