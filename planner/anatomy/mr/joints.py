"""Facet joints in an MR, seen from above: two marrows alike, each between two dark cortices, with the gap between the inner ones.

Bright fluid in a gap looks like marrow, and so does fat beside a process: what tells the gap is that marrow lies on both its sides.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.anatomy.beside import turned
from planner.anatomy.levels import Row
from planner.anatomy.norms import at_level
from planner.anatomy.spine import ANGLES, Canal, Facet, Level, Side
from planner.geometry import Floats, Volume

_STEP_MM = 0.5
_PLACE, _ROWS_MM = 0.62, (-1.0, 0.0, 1.0)  # of the way to the next vertebra: there is the middle of a joint; a section is the mean of these
_OUT_MM: Floats = np.arange(2.0, 34.0, _STEP_MM)  # from the canal's middle to the side
_BEHIND_MM: Floats = np.arange(-8.0, 20.0, _STEP_MM)  # of it
_USUAL_OUT_MM, _USUAL_BEHIND, _WALL_MM = 4.0, 0.75, 3.0  # from the wall to the side; of the back wall; the wall is a median over so much
_ANGLES_DEG = np.arange(10.0, 81.0, 10.0)  # of a gap, to the sagittal
_NEAR, _AROUND, _HALF_LONG = 12, 26, 7  # steps: from the usual place; from there across the gap and back; half of a gap's length
_GAP_MM, _MARROW_MM, _CORTEX_MM = 1.5, (1.2, (3.0, 4.5, 6.0)), 1.7  # from the middle to a cortex; from there marrow; beyond it a cortex
_ALIKE, _ODD, _SHADE, _UNLIKE = 0.25, 0.6, 0.15, 1.0  # what a marrow loses that differs from the bodies', and what two that differ lose
_PER_MM, _PER_DEG = 0.05, 0.003  # what a gap loses away from the usual place and angle
_SEEN = 0.4  # the score
_UNSURE, _SURER, _SUREST = 0.3, 0.8, 0.7  # confidence: grows with the score beyond what is asked for


@dataclass(frozen=True, eq=False)
class SeenJoint:
    """What may be the joint between two bodies on one side. between_mm: where their middles lie along the canal. score (angles,): of the
    best place for a gap at each of `_ANGLES_DEG`; centres_mm, axes (angles, 3): its middle, and the way across it, outward."""

    between_mm: tuple[float, float]
    side: Side
    score: Floats
    centres_mm: Floats
    axes: Floats


def see_joints(volume: Volume, canal: Canal, row: Row, marrow: Floats, black: float) -> tuple[SeenJoint, ...]:
    """What may be joints between neighbours, whatever they are called; none where the scan ends too near. marrow: (n,), how much brighter
    than `black` that of the bodies is, along the canal's own points; 0 where nobody knows."""
    found = []
    for upper, lower in itertools.pairwise(place for place, _, _ in row.bodies):
        at = int(np.abs(canal.s_mm - upper - _PLACE * (lower - upper)).argmin())
        sides: tuple[tuple[Side, float], ...] = (("left", 1.0), ("right", -1.0))
        joints = [_joint(volume, canal, (upper, lower), at, *side, float(marrow[at]), black) for side in sides if marrow[at] > 0]
        found += [joint for joint in joints if joint is not None]
    return tuple(found)


def facets_of(joints: tuple[SeenJoint, ...], upper: Level, lower: Level) -> tuple[Facet, ...]:
    """The joints between two named neighbours that are seen."""
    found = []
    for joint in joints:
        if joint.between_mm != (upper.s_mm, lower.s_mm):
            continue
        score = joint.score - _PER_DEG * np.abs(_ANGLES_DEG - float(at_level("facet_angle_deg", upper.name)))
        best = int(score.argmax())
        if score[best] < _SEEN:
            continue
        sure = min(_UNSURE + _SURER * (float(score[best]) - _SEEN), _SUREST) * min(upper.confidence, lower.confidence)
        found.append(Facet((upper.name, lower.name), joint.side, _point(joint.centres_mm[best]), _point(joint.axes[best]), sure))
    return tuple(found)


def _joint(
    volume: Volume, canal: Canal, between_mm: tuple[float, float], at: int, side: Side, sign: float, marrow: float, black: float
) -> SeenJoint | None:
    step_mm = float(canal.s_mm[-1]) / max(len(canal.s_mm) - 1, 1)
    near = np.abs(canal.s_mm - canal.s_mm[at]) <= _WALL_MM
    wall = float(np.median(canal.wall_mm[near, 0 if sign > 0 else ANGLES // 2]))
    usual = wall + _USUAL_OUT_MM, _USUAL_BEHIND * float(canal.wall_mm[at, ANGLES // 4])
    turn = sign * turned(canal, at, step_mm)
    section = (_section(volume, canal, at, sign, turn) - black) / marrow
    seen = usual[0] + _NEAR * _STEP_MM > _OUT_MM
    if np.isnan(section[:, seen]).any():
        return None
    shown = np.clip(np.nan_to_num(section), 0.0, 2.5)
    score, out, behind = _fitting(shown.astype(np.float32), usual)
    cos, sin = np.cos(np.radians(_ANGLES_DEG)), np.sin(np.radians(_ANGLES_DEG))
    to_side, to_back = sign * canal.left[at] + turn * canal.back[at], canal.back[at]
    axes = cos[:, None] * to_side - sin[:, None] * to_back
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return SeenJoint(between_mm, side, score, canal.centreline_mm[at] + out[:, None] * to_side + behind[:, None] * to_back, axes)


def _section(volume: Volume, canal: Canal, at: int, sign: float, turn: float) -> Floats:
    """(behind, out): the scan beside the canal as seen from above, turned as the vertebra is, NaN outside."""
    rows = np.array([int(np.abs(canal.s_mm - canal.s_mm[at] - mm).argmin()) for mm in _ROWS_MM])
    shape = (len(rows), len(_BEHIND_MM), len(_OUT_MM))
    u, v = np.broadcast_to(_OUT_MM, shape), np.broadcast_to(_BEHIND_MM[:, None] + turn * _OUT_MM, shape)
    return volume.sample_planes(canal.centreline_mm[rows], sign * canal.left[rows], canal.back[rows], u, v, np.nan).mean(axis=0)


def _fitting(section: NDArray[np.float32], usual: tuple[float, float]) -> tuple[Floats, Floats, Floats]:
    """The gap that fits a section best at each angle: its score, and where it lies, mm to the side and behind; each (angles,)."""
    along, across = (np.arange(-reach, reach + 1) * _STEP_MM for reach in (_NEAR + _HALF_LONG, _NEAR + _AROUND))
    cos, sin = (of(np.radians(_ANGLES_DEG))[:, None, None] for of in (np.cos, np.sin))
    out = usual[0] + across[None, None, :] * cos + along[None, :, None] * sin
    behind = usual[1] - across[None, None, :] * sin + along[None, :, None] * cos
    lines = np.array([_along(section, *places) for places in zip(out, behind)])
    dark = np.minimum(np.minimum(lines[:, :, :-2], lines[:, :, 1:-1]), lines[:, :, 2:])
    sums = np.pad(lines, ((0, 0), (0, 0), (1, 0))).cumsum(axis=2)
    first, count = _AROUND, 2 * _NEAR + 1
    processes = [_process(dark, sums, way) for way in (-1, 1)]
    gap = round(_GAP_MM / _STEP_MM)
    cortex = np.maximum(*(dark[:, :, first - 1 + steps : first - 1 + steps + count] for steps in (-gap, gap)))
    (one, inner), (other, outer) = processes
    unlike = np.maximum(np.abs(np.log(np.maximum(inner, 0.05) / np.maximum(outer, 0.05))) - _SHADE, 0.0)
    place = np.arange(-_NEAR, _NEAR + 1) * _STEP_MM
    score = np.minimum(one, other) - 0.5 * cortex - _UNLIKE * unlike - _PER_MM * np.hypot(place[:, None], place[None, :])
    angles = np.arange(len(score))
    k, m = np.unravel_index(score.reshape(len(score), -1).argmax(axis=1), score.shape[1:])
    middle = angles, k + _HALF_LONG, m + first
    return score[angles, k, m], out[middle], behind[middle]


def _along(section: NDArray[np.float32], out_mm: Floats, behind_mm: Floats) -> Floats:
    """Means along lines of a gap's length, the rows of a grid in a section."""
    x, y = ((place - start) / _STEP_MM for place, start in ((out_mm, _OUT_MM[0]), (behind_mm, _BEHIND_MM[0])))
    turned_to = cv2.remap(section, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.blur(turned_to, (1, 2 * _HALF_LONG + 1))[_HALF_LONG:-_HALF_LONG], dtype=np.float64)


def _process(dark: Floats, sums: Floats, way: int) -> tuple[Floats, Floats]:
    """How well a process fits on one side of every place, and its marrow. dark: one sample shorter at both ends than the lines; sums:
    of the lines up to a place."""
    first, count = _AROUND, 2 * _NEAR + 1
    fits, marrows = [], []
    for thick in _MARROW_MM[1]:
        near, far, beyond = (round(mm / _STEP_MM) for mm in (_GAP_MM + _MARROW_MM[0], _GAP_MM + thick, _GAP_MM + thick + _CORTEX_MM))
        low, high = sorted((way * near, way * far))
        upto, before = (sums[:, :, first + steps : first + steps + count] for steps in (high + 1, low))
        marrow = (upto - before) / (high + 1 - low)
        cortex = dark[:, :, first - 1 + way * beyond : first - 1 + way * beyond + count]
        odd = np.maximum(np.abs(np.log(np.maximum(marrow, 0.05))) - _ALIKE, 0.0)
        fits.append(marrow - 0.5 * cortex - _ODD * odd)
        marrows.append(marrow)
    best = np.array(fits).argmax(axis=0)[None]
    return np.take_along_axis(np.array(fits), best, axis=0)[0], np.take_along_axis(np.array(marrows), best, axis=0)[0]


def _point(values: Floats) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
