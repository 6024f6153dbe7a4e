"""What a person orients by on each vertebra: pedicles, facet joints, laminae, the tip of the spinous process, the midline."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.anatomy import labels as codes
from planner.anatomy.beside import STEP_MM, Beside, turned
from planner.anatomy.matched import matched
from planner.anatomy.norms import at_level
from planner.anatomy.spine import ANGLES, NOT_CHECKED, Canal, Facet, Lamina, Landmarks, Level, Pedicle, Side, Structure
from planner.anatomy.windows import back_of
from planner.geometry import Floats, Frame

_JOINT, _JOINT_MM = 0.6, 2.5  # of the way to the next vertebra: there is the middle of a facet joint; it is seen over so much to both sides
_JOINT_OUT_MM, _JOINT_BACK_MM = (5.0, 30.0), (-2.0, 13.0)  # from the canal's middle: where a joint may lie
_JOINT_OUT = 0.95  # of a pedicle's distance to the side: there a joint usually lies
_TURNS_DEG = np.arange(-30.0, 31.0, 10.0)  # from the usual angle of a level
_GAP_MM, _BESIDE_MM, _LONG_MM = 0.5, (1.0, 2.3), 4.0  # half of the gap; the cortex on both sides of it; half its length
_DENSEST_HU, _SEEN_HU = 900.0, 60.0  # a gap this much darker than the bone on both sides of it is a joint
_FINER = 2
_AROUND = round((max(_BESIDE_MM[1], _LONG_MM) + 0.5) * _FINER / STEP_MM)  # samples around a place that its gap and the bone beside it take
_FAR_MM = 8.0
_PER_MM = 15.0  # HU that a joint loses for each mm from its usual place
_LAMINA_MM, _LAMINA_DEPTHS_MM, _LEAST_BONE = 6.0, (0.3, 8.0), 2  # beside the midline; behind the canal; samples that are a lamina
_BELOW = 0.35  # of the way on to the next vertebra: so far below its middle its lamina may begin
_TIP_SLAB_MM, _TIP_MEAN_MM, _TIP_LEAST_MM = 5.0, 1.5, 7.0  # beside the midline; its end; a shorter one was taken off or is not in view
_REACH_MM, _IN_VIEW_MM = 75.0, 4.0  # a process reaches no farther; one that ends nearer to the scan's border is cut by it


def find_landmarks(
    sides: tuple[Beside, Beside], labels: NDArray[np.uint8], frame: Frame, canal: Canal, levels: tuple[Level, ...],
    pedicles: tuple[Pedicle, ...],
) -> tuple[Landmarks, ...]:  # fmt: skip
    """The landmarks of every vertebra, head to foot. Joints are looked for in the scan, laminae and spinous processes in its labels (uint8
    [k, j, i] on frame). What is not seen is left out, or None."""
    pairs = [(upper, lower) for upper, lower in itertools.pairwise(levels) if upper.name[0] != "S" and upper.name not in ("C1", "C2")]
    facets = [joint for upper, lower in pairs for joint in _facets(sides, canal, upper, lower, pedicles)]
    gaps = {
        (upper.name, beside.side): rows
        for upper, lower in pairs
        for beside in sides
        if (rows := _gap_rows(beside, canal, upper, lower)) is not None
    }
    found = []
    for above, level in zip([None, *levels], levels):
        mine = tuple(pedicle for pedicle in pedicles if pedicle.vertebra == level.name)
        middle, normal = midline(canal, level, mine, sides[0].step_mm)
        joints = tuple(joint for joint in facets if joint.between[0] == level.name)
        laminae = _laminae(sides, canal, gaps, None if above is None else above.name, level.name)
        tip = _tip(frame, *_arch(labels, frame, canal, level, middle, normal))
        found.append(Landmarks(level.name, mine, joints, laminae, tip, _point(middle), _point(normal)))
    return tuple(found)


def landmarks_structure(landmarks: tuple[Landmarks, ...]) -> Structure:
    """How the landmarks as a whole are known, and at which vertebrae no pedicle was seen."""
    expected = [marks for marks in landmarks if marks.vertebra[0] != "S" and marks.vertebra not in ("C1", "C2")]
    if not expected:
        return NOT_CHECKED
    missing = [marks.vertebra for marks in expected if len(marks.pedicles) < 2]
    sure = [pedicle.confidence for marks in expected for pedicle in marks.pedicles]
    problem = f"Not both pedicles were seen at {', '.join(missing)}." if missing else None
    return Structure("found", round(float(np.mean(sure)) * len(sure) / (2 * len(expected)), 2) if sure else 0.0, problem)


def landmarks_named(landmarks: tuple[Landmarks, ...], names: Mapping[str, str]) -> tuple[Landmarks, ...]:
    """The landmarks under other names; those of a vertebra that has none are left out."""
    return tuple(
        replace(
            mark,
            vertebra=names[mark.vertebra],
            pedicles=tuple(replace(pedicle, vertebra=names[mark.vertebra]) for pedicle in mark.pedicles),
            facets=tuple(
                replace(joint, between=(names[joint.between[0]], names[joint.between[1]]))
                for joint in mark.facets
                if set(joint.between) <= set(names)
            ),
        )
        for mark in landmarks
        if mark.vertebra in names
    )


def midline(canal: Canal, level: Level, pedicles: Sequence[Pedicle], step_mm: float) -> tuple[Floats, Floats]:
    """A point of the plane that halves a vertebra, in the canal, and its normal to the left: from pedicle to pedicle, else as the canal's
    front wall turns."""
    at = int(np.clip(round(level.s_mm / step_mm), 0, len(canal.s_mm) - 1))
    left, back = canal.left[at], canal.back[at]
    normal = left + turned(canal, at, step_mm) * back
    middle = canal.centreline_mm[at]
    if len(pedicles) == 2:
        one, other = (np.array(pedicle.centre_mm) for pedicle in sorted(pedicles, key=lambda pedicle: pedicle.side))
        across = one - other
        if abs(float(across @ left)) > 2.0 * abs(float(across @ back)):
            tangent = np.cross(left, back)
            normal = across - (across @ tangent) * tangent
            middle = middle + ((one + other) / 2 - middle) @ normal / (normal @ normal) * normal
    return np.asarray(middle), np.asarray(normal / np.linalg.norm(normal))


def _arch(labels: NDArray[np.uint8], frame: Frame, canal: Canal, level: Level, middle: Floats, normal: Floats) -> tuple[Floats, Floats]:
    """Places (m, 3) of a vertebra's bone in its midline behind the canal, and how far behind the canal's back wall they lie."""
    at = canal.nearest(middle)
    behind = canal.centreline_mm[at] + canal.back[at] * np.array([0.0, _REACH_MM])[:, None]
    box = frame.box_around(behind, _TIP_SLAB_MM)
    tall = round(_REACH_MM / frame.spacing_mm[0])
    box = slice(max(box[0].start - tall, 0), min(box[0].stop + tall // 3, frame.shape[0])), box[1], box[2]
    index = np.argwhere(labels[box] == codes.vertebra(level.name)) + np.array([part.start for part in box])
    if not len(index):
        return np.zeros((0, 3)), np.zeros(0)
    places = frame.to_world(index)
    offset = places - canal.centreline_mm[at]
    deep = offset @ canal.back[at] - canal.wall_mm[at, ANGLES // 4]
    near = (np.abs((places - middle) @ normal) <= _TIP_SLAB_MM) & (deep > 0)
    return places[near], deep[near]


def _gap_rows(beside: Beside, canal: Canal, upper: Level, lower: Level) -> tuple[int, int] | None:
    """The first and the last row in which no bone stands behind the canal beside the midline between two vertebrae; None where their
    laminae overlap. The longest such stretch counts."""
    first, last = (round(place / beside.step_mm) for place in (upper.s_mm, lower.s_mm + _BELOW * (lower.s_mm - upper.s_mm)))
    rows = np.arange(max(first, 0), min(last, len(beside.seen) - 1))
    if not len(rows) or not beside.seen[rows].all():
        return None
    bare = np.concatenate([[False], _bone_behind(beside, canal, rows).sum(axis=1) < _LEAST_BONE, [False]])
    turns = np.flatnonzero(np.diff(bare.astype(np.int8)))
    starts, stops = turns[::2], turns[1::2]
    whole = (starts > 0) & (stops < len(rows))  # with a lamina above and below
    if not whole.any():
        return None
    longest = int(np.where(whole, stops - starts, 0).argmax())
    return int(rows[starts[longest]]), int(rows[stops[longest] - 1])


def _bone_behind(beside: Beside, canal: Canal, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(rows, depths): bone behind the canal's back wall, beside the midline, as deep as a lamina is thick."""
    out, slab = beside.at_side(_LAMINA_MM), 1
    wall = np.array([back_of(canal, int(row), np.array([beside.sign * _LAMINA_MM]))[0] for row in rows])
    solid = np.asarray(beside.edge[rows][:, :, out - slab : out + slab + 1].mean(axis=2) > 0.5)
    behind = beside.behind_mm - wall[:, None]
    return np.asarray(solid & (behind > _LAMINA_DEPTHS_MM[0]) & (behind < _LAMINA_DEPTHS_MM[1]))


def _edge_of(beside: Beside, canal: Canal, row: int) -> tuple[float, float, float]:
    """The middle of a lamina's thickness in a row."""
    bone = _bone_behind(beside, canal, np.array([row]))[0]
    behind = float(beside.behind_mm[bone].mean()) if bone.any() else float(canal.wall_mm[row, ANGLES // 4])
    return _point(canal.centreline_mm[row] + beside.sign * _LAMINA_MM * canal.left[row] + behind * canal.back[row])


def _laminae(
    sides: tuple[Beside, Beside], canal: Canal, gaps: Mapping[tuple[str, Side], tuple[int, int]], above: str | None, level: str
) -> tuple[Lamina, ...]:
    """The edges of a lamina on both sides: the lower one where the gap below it begins, the upper one where the gap above it ends."""
    found = []
    for beside in sides:
        over, under = gaps.get((above, beside.side)) if above else None, gaps.get((level, beside.side))
        if over is None and under is None:
            continue
        upper = None if over is None else _edge_of(beside, canal, over[1] + 1)
        lower = None if under is None else _edge_of(beside, canal, under[0] - 1)
        found.append(Lamina(beside.side, upper, lower))
    return tuple(found)


def _tip(frame: Frame, places: Floats, behind: Floats) -> tuple[float, float, float] | None:
    """Where the spinous process reaches farthest back."""
    if not len(behind) or behind.max() < _TIP_LEAST_MM:
        return None
    tip = places[behind >= behind.max() - _TIP_MEAN_MM].mean(axis=0)
    return _point(tip) if frame.contains(tip, _IN_VIEW_MM) else None


def _facets(sides: tuple[Beside, Beside], canal: Canal, upper: Level, lower: Level, pedicles: Sequence[Pedicle]) -> list[Facet]:
    """The joints between two neighbours: dark gaps between two bones, seen from above."""
    found = []
    for beside in sides:
        row = round((upper.s_mm + _JOINT * (lower.s_mm - upper.s_mm)) / beside.step_mm)
        reach = max(1, round(_JOINT_MM / beside.step_mm))
        if row - reach < 0 or row + reach >= len(beside.seen) or not beside.seen[row]:
            continue
        near = [pedicle for pedicle in pedicles if pedicle.side == beside.side and pedicle.vertebra in (upper.name, lower.name)]
        usual = [abs(float(np.subtract(pedicle.centre_mm, canal.centreline_mm[row]) @ canal.left[row])) for pedicle in near]
        out = _JOINT_OUT * min(usual, default=float(canal.wall_mm[row, 0 if beside.sign > 0 else ANGLES // 2]) + 4.0)
        joint = _joint(beside, canal, row, reach, out, upper, lower)
        if joint is not None:
            found.append(joint)
    return found


def _joint(beside: Beside, canal: Canal, row: int, reach: int, out: float, upper: Level, lower: Level) -> Facet | None:
    depths, outs = slice(beside.at_depth(_JOINT_BACK_MM[0] - _LONG_MM), None), slice(0, beside.at_side(_JOINT_OUT_MM[1] + _LONG_MM))
    thick = beside.values[row - reach : row + reach + 1, depths, outs].mean(axis=0)
    plane = np.minimum(cv2.resize(thick, None, fx=_FINER, fy=_FINER, interpolation=cv2.INTER_CUBIC), _DENSEST_HU)
    back_mm, out_mm = _finer(beside.behind_mm[depths])[:, None], _finer(beside.to_side_mm[outs])[None, :]
    inside = (out_mm > _JOINT_OUT_MM[0]) & (out_mm < _JOINT_OUT_MM[1]) & (back_mm > _JOINT_BACK_MM[0]) & (back_mm < _JOINT_BACK_MM[1])
    back = 0.75 * float(canal.wall_mm[row, ANGLES // 4])
    far = np.hypot(out_mm - out, back_mm - back)
    inside &= far < _FAR_MM
    if not inside.any():
        return None
    rows, columns = (slice(int(there[0]), int(there[-1]) + 1) for there in (np.flatnonzero(inside.any(axis=n)) for n in (1, 0)))
    back_mm, out_mm, inside, far = back_mm[rows], out_mm[:, columns], inside[rows, columns], far[rows, columns]
    near = np.pad(plane, _AROUND, mode="edge")[rows.start : rows.stop + 2 * _AROUND, columns.start : columns.stop + 2 * _AROUND]
    usual = float(at_level("facet_angle_deg", upper.name))
    best: tuple[float, float, int, int] | None = None
    for angle in (usual + float(turn) for turn in _TURNS_DEG):
        gap, one, other = (matched(near, kernel) for kernel in _kernels(angle))
        score = np.where(inside, np.minimum(one, other) - gap - _PER_MM * far, -np.inf)
        depth, place = divmod(int(score.argmax()), score.shape[1])
        if best is None or score[depth, place] > best[0]:
            best = float(score[depth, place]), angle, depth, place
    if best is None or best[0] + _PER_MM * float(far[best[2], best[3]]) < _SEEN_HU:
        return None
    score_hu, angle, depth, place = best
    aside, behind = float(out_mm[0, place]), float(back_mm[depth, 0])
    centre = canal.centreline_mm[row] + beside.sign * aside * canal.left[row] + behind * canal.back[row]
    axis = np.cos(np.radians(angle)) * beside.sign * canal.left[row] - np.sin(np.radians(angle)) * canal.back[row]
    clear = float(np.clip((score_hu + _PER_MM * float(far[depth, place])) / (4.0 * _SEEN_HU), 0.2, 0.9))
    return Facet((upper.name, lower.name), beside.side, _point(centre), _point(axis), clear * min(upper.confidence, lower.confidence))


def _finer(places: Floats) -> Floats:
    """The places of samples after resizing, whose borders stay."""
    return np.asarray(places[0] + (np.arange(len(places) * _FINER) + 0.5) / _FINER * STEP_MM - STEP_MM / 2)


@cache
def _kernels(angle_deg: float) -> tuple[NDArray[np.float32], ...]:
    """Means over a gap whose plane stands at an angle to the sagittal, over the bone behind and medial of it, and in front and lateral."""
    v, u = (grid * STEP_MM / _FINER for grid in np.mgrid[-_AROUND : _AROUND + 1, -_AROUND : _AROUND + 1])
    turn = np.radians(angle_deg)
    across, along = u * np.cos(turn) - v * np.sin(turn), u * np.sin(turn) + v * np.cos(turn)
    near = np.abs(along) <= _LONG_MM
    away = (np.abs(across) >= _BESIDE_MM[0]) & (np.abs(across) <= _BESIDE_MM[1])
    parts = (np.abs(across) <= _GAP_MM, away & (across < 0), away & (across > 0))
    return tuple((part & near).astype(np.float32) / max(int((part & near).sum()), 1) for part in parts)


def _point(values: Floats) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
