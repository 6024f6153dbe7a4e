"""Foramina between the pedicles: seen from the side, a hole between bone above, below and behind and the two bodies in front."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.beside import STEP_MM, Beside, turned
from planner.anatomy.levels import Column
from planner.anatomy.norms import at_level
from planner.anatomy.spine import ANGLES, Canal, Foramen, Level, Pedicle, Side
from planner.geometry import Floats, Frame

_OPEN = 0.33  # of the widest part of the canal's open side: there its rim begins
_FARTHEST = 0.55  # of a pedicle's usual width outside the canal's wall, and no farther, lies the middle of a foramen
_INWARD, _OUTWARD_MM = 0.25, 0.8  # a hole is seen from the side through so much: of a pedicle's usual width inward, and outward
_LEAST_SHARE = 0.5  # of the rough height of a foramen: bone nearer than that is a spur or a facet and no pedicle
_WIDTH_FROM, _WIDTH_TO = -0.1, 0.2  # of its height above its middle: there bone bounds a foramen in front and behind
_DISC_MM = 2.5  # so far in front of the canal, and no farther, the bodies bound a foramen; the disc between them hides in CT
_DEEPEST_MM = 14.0  # from the bodies back: behind this lies an open joint and no foramen
_ASIDE = 0.5  # of a pedicle's half width to both sides of the middle: there a foramen's axis is measured
_LEAN = 0.7  # mm to the front or back for each mm outward: an axis leans no more
_NEAR_MM, _FARTHEST_BACK_MM, _BACK_IN_THE_NECK_MM = 6.0, 12.0, 7.0  # from its usual place up and down, from the bodies back to look for it
_HIGHEST = 1.4  # of the usual height: what is higher is not bounded by two pedicles
_PER_MM = 0.2  # samples of room that a place loses for each mm from the usual one
_CLOSED_MM = 1.0
_TURNS = 2
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Hole:
    """A foramen seen from the side. rows: of the canal's cross-sections, from its roof to its floor; front_mm, back_mm: of each row;
    middle: the row of its middle; behind_mm: of its middle; height_mm; width_mm: free of bone from front to back around the middle."""

    rows: slice
    front_mm: Floats
    back_mm: Floats
    middle: float
    behind_mm: float
    height_mm: float
    width_mm: float

    @property
    def widths_mm(self) -> Floats:
        """Of each row."""
        return np.clip(self.back_mm - self.front_mm, 0.0, _DEEPEST_MM)


def find_foramina(
    sides: tuple[Beside, Beside], frame: Frame, canal: Canal, column: Column, levels: tuple[Level, ...], pedicles: tuple[Pedicle, ...]
) -> tuple[Foramen, ...]:
    """The two foramina of every pair of neighbours whose place lies in the scan (algorithms 2.2).

    Each is measured in the plane of its pedicles' middles: its height between them, its widths from the bodies and the disc to the bone
    behind. frame: of the scan.
    """
    held = {(pedicle.vertebra, pedicle.side): pedicle for pedicle in pedicles}
    found = []
    for upper, lower in itertools.pairwise(levels):
        if upper.name[0] == "S":
            continue
        for beside in sides:
            foramen = _foramen(beside, frame, canal, column, upper, lower, held)
            if foramen is not None:
                found.append(foramen)
    return tuple(found)


def _foramen(
    beside: Beside, frame: Frame, canal: Canal, column: Column, upper: Level, lower: Level, pedicles: Mapping[tuple[str, Side], Pedicle]
) -> Foramen | None:
    rough = _open_side(beside, canal, column, upper, lower)
    if rough is None:
        return None
    at, tall, sure = rough
    near = [pedicle for level in (upper, lower) if (pedicle := pedicles.get((level.name, beside.side))) is not None]
    usual = float(at_level("pedicle_width_mm", upper.name))
    if len(near) == 2:  # half way between the two
        first, last = (canal.nearest(pedicle.centre_mm) for pedicle in near)
        at, tall = (first + last) // 2, (last - first) * beside.step_mm - (near[0].height_mm + near[1].height_mm) / 2
    wall = float(canal.wall_mm[at, 0 if beside.sign > 0 else ANGLES // 2])
    to_side = min([wall + _FARTHEST * usual, *(_to_side(beside, canal, pedicle) for pedicle in near)])
    hole = _hole(beside, canal, at, tall, to_side, upper.name)
    if hole is None:
        return None
    row = int(np.clip(round(hole.middle), 0, len(canal.s_mm) - 1))
    over, share = int(hole.middle), hole.middle % 1.0
    above, below = (_place(beside, canal, min(end, len(canal.s_mm) - 1), to_side, hole.behind_mm) for end in (over, over + 1))
    centre = (1.0 - share) * above + share * below
    if not frame.contains(_place(beside, canal, row, to_side + usual / 2, hole.behind_mm)):
        return None
    thirds = [float(part.mean()) for part in np.array_split(hole.widths_mm, 3)]
    axis = _axis(beside, canal, hole, row, to_side, usual)
    return Foramen(
        (upper.name, lower.name), beside.side, _point(np.asarray(centre)), _point(axis), hole.height_mm, min(hole.width_mm, _DEEPEST_MM),
        sure * min(upper.confidence, lower.confidence), (thirds[0], thirds[1], thirds[2]), float(hole.widths_mm.sum() * beside.step_mm),
    )  # fmt: skip


def _open_side(beside: Beside, canal: Canal, column: Column, upper: Level, lower: Level) -> tuple[int, float, float] | None:
    """(row, height in mm, 0..1 how sure) of the open side of the canal between two vertebrae; None where too little is in view."""
    s = canal.s_mm
    inside = np.flatnonzero((s >= upper.s_mm - 4.0) & (s <= lower.s_mm - 4.0))
    if len(inside) < 6:
        return None
    open_here = ndimage.gaussian_filter1d(column.openness[inside, 0 if beside.sign > 0 else 1], 1.5, mode="nearest")
    peak = float(open_here.max())
    parts, count = ndimage.label(open_here > _OPEN * max(peak, 0.3))
    if not count:
        return int(np.abs(s - (0.55 * upper.s_mm + 0.45 * lower.s_mm)).argmin()), 1.0, 0.2
    sums = ndimage.sum_labels(open_here, parts, np.arange(1, count + 1))
    run = inside[parts == 1 + int(np.argmax(sums))]
    return int(run[len(run) // 2]), float(len(run)), float(np.clip(peak / 0.6, 0.2, 1.0))


def _hole(beside: Beside, canal: Canal, at: int, tall: float, to_side: float, upper: str) -> _Hole | None:
    """The hole near a place in the plane `to_side` mm beside the canal; None where that lies outside the scan, or no hole is seen."""
    if not beside.seen[at]:
        return None
    medial = beside.at_side(to_side - _INWARD * float(at_level("pedicle_width_mm", upper)))
    out = beside.at_side(to_side + _OUTWARD_MM)
    solid = beside.edges(medial, out) >= min(2, out + 1 - medial)
    near = beside.at_side(to_side - _OUTWARD_MM)
    between = 2 * beside.edges(near, out) > out + 1 - near
    wall = beside.sign * turned(canal, at, beside.step_mm) * to_side - float(canal.wall_mm[at, ANGLES * 3 // 4])
    usual = at_level("foramen_mm", upper)
    tall = min(tall, _HIGHEST * float(usual[0]))
    seed = _roomiest(beside, between, at, tall, wall, float(usual[1]), _FARTHEST_BACK_MM if upper[0] != "C" else _BACK_IN_THE_NECK_MM)
    if seed is None:
        return None
    seen = _measured(beside, solid, between, *seed, tall, wall)
    return seen if seen.width_mm >= _CLOSED_MM else _measured(beside, between, between, *seed, tall, wall)


def _roomiest(beside: Beside, solid: Flags, at: int, tall: float, wall: float, usual: float, back: float) -> tuple[float, float] | None:
    """(row, mm to the back) of the middle of the widest free place about where a foramen lies; None where all is bone."""
    reach = round(max(tall / 2, _NEAR_MM) / beside.step_mm)
    rows = slice(max(at - reach, 0), at + reach + 1)
    depths = slice(beside.at_depth(wall - STEP_MM), beside.at_depth(wall + back) + 1)
    free = np.pad((~solid[rows, depths]).astype(np.uint8), 1)
    room = cv2.distanceTransform(free, cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, depth = np.indices(room.shape)
    off = _PER_MM * (np.abs(row + rows.start - at) * beside.step_mm + np.abs(beside.behind_mm[depths][depth] - wall - usual / 2))
    best = int(np.where(room > 0, room - off, -np.inf).argmax())
    row_of, depth_of = divmod(best, room.shape[1])
    if room[row_of, depth_of] <= 0:
        return None
    return float(rows.start + row_of), float(beside.behind_mm[depths][depth_of])


def _measured(beside: Beside, solid: Flags, between: Flags, middle: float, behind: float, tall: float, wall: float) -> _Hole:
    """The hole around a place. solid: bone in its silhouette, which bounds it in front and behind; between: in the plane of its pedicles'
    middles, which bound it above and below."""
    rows, width, height = slice(0, 0), 0.0, tall
    front = back = np.zeros(0)
    for _ in range(_TURNS):
        depth = beside.at_depth(behind)
        ends = [_up_and_down(between[:, near], round(middle), max(tall, 4.0) / beside.step_mm) for near in (depth - 1, depth, depth + 1)]
        low, high = (int(end) for end in np.median(ends, axis=0))
        rows, middle, height = slice(low, high + 1), float(np.mean(ends)), float(np.diff(np.mean(ends, axis=0))[0] + 1.0) * beside.step_mm
        front, back = _front_and_back(beside, solid, rows, behind, wall)
        share = (middle - np.arange(low, high + 1)) / (high + 1 - low)
        away = np.maximum(_WIDTH_FROM - share, share - _WIDTH_TO)
        near_middle = away <= max(float(away.min()), 0.0)
        width = max(float(back[near_middle].min() - front[near_middle].max()), 0.0)
        if width < _CLOSED_MM:
            break
        behind = float(front[near_middle].max()) + width / 2
    return _Hole(rows, front, back, middle, behind, height, width)


def _up_and_down(column: Flags, row: int, tall: float) -> tuple[int, int]:
    """The first and the last free row of a hole around a place; those of the rough height where bone is not met both ways, or so near that
    it is no pedicle."""
    reach = round(tall)
    above, below = column[row : max(row - reach, -1) : -1] if row >= reach else column[row::-1], column[row : row + reach + 1]
    usual = max(row - round(tall / 2), 0), min(row + round(tall / 2), len(column) - 1)
    if not above.any() or not below.any():
        return usual
    low, high = row - int(above.argmax()) + 1, row + int(below.argmax()) - 1
    return (low, high) if high - low + 1 >= _LEAST_SHARE * tall else usual


def _front_and_back(beside: Beside, solid: Flags, rows: slice, behind: float, wall: float) -> tuple[Floats, Floats]:
    """(rows,): how far back a hole begins and ends in each row. Where a disc bounds it, it begins on the line between the bodies' walls."""
    depth = beside.at_depth(behind)
    depths = beside.behind_mm
    ahead, after = solid[rows, depth::-1], solid[rows, depth:]
    fronts = np.where(ahead.any(axis=1), depths[depth - ahead.argmax(axis=1)] + STEP_MM / 2, np.nan)
    backs = np.where(after.any(axis=1), depths[depth + after.argmax(axis=1)] - STEP_MM / 2, np.nan)
    place = np.arange(len(fronts))
    bony = np.isfinite(fronts) & (fronts > wall - _DISC_MM)
    fronts = np.interp(place, place[bony], fronts[bony]) if bony.any() else np.full(len(fronts), wall)
    backs = np.where(np.isfinite(backs), backs, fronts + _DEEPEST_MM)
    return np.minimum(fronts, behind), np.clip(ndimage.median_filter(backs, 3, mode="nearest"), behind, fronts + _DEEPEST_MM)


def _axis(beside: Beside, canal: Canal, hole: _Hole, row: int, to_side: float, usual: float) -> Floats:
    """The unit vector out of the canal through the middle of a hole, along the middles of what is free of bone beside it."""
    places = to_side + usual / 2 * np.array([-_ASIDE, 0.0, _ASIDE, 2 * _ASIDE])
    rows = slice(max(row - 1, hole.rows.start), min(row + 2, hole.rows.stop))
    middles = []
    for place in places:
        solid = beside.edge[:, :, beside.at_side(float(place))]
        front, back = _front_and_back(beside, solid, rows, hole.behind_mm, float(hole.front_mm.min()))
        middles.append(float(np.median((front + back) / 2)))
    lean = float(np.clip(np.polyfit(places, middles, 1)[0], -_LEAN, _LEAN))
    axis = beside.sign * canal.left[row] + lean * canal.back[row]
    return np.asarray(axis / np.linalg.norm(axis))


def _to_side(beside: Beside, canal: Canal, pedicle: Pedicle) -> float:
    at = canal.nearest(pedicle.centre_mm)
    return beside.sign * float(np.subtract(pedicle.centre_mm, canal.centreline_mm[at]) @ canal.left[at])


def _place(beside: Beside, canal: Canal, row: int, to_side: float, behind: float) -> Floats:
    return np.asarray(canal.centreline_mm[row] + beside.sign * to_side * canal.left[row] + behind * canal.back[row])


def _point(values: Floats) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
