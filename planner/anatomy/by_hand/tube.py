"""The canal's tube changed by hand: its wall pulled, drawn, grown or smoothed, its middle moved. Labels follow where the tube changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy import labels as codes
from planner.anatomy.bridges import bridges_of
from planner.anatomy.by_hand.edits import CentrelinePoint, WallPoint
from planner.anatomy.paint import along_canal
from planner.anatomy.reformat import RADIAL_MM, RADII, THETA, curve_through
from planner.anatomy.spine import ANGLES, Canal
from planner.anatomy.wall import area_of
from planner.geometry import Floats, Frame

LEAST_MM, MOST_MM = 0.5, float(RADII[-1])
"""The wall's distance from the canal's middle."""
_FILM_MM = 0.4  # between the sac and a wall that was moved inward
_FADED = 0.01  # of a pull: less is none
_STRETCH = 40  # cross-sections at a time, so that a long canal needs no long arrays
_AROUND_MM = 4.0  # what lies this near outside tells what the canal leaves behind
_SLOPE_KEPT = 0.3  # smoothing of a moved middle, in cross-sections: hardly any
_OTHERS = (codes.NERVE_ROOT, codes.GANGLION, codes.CONTRAST_OUTSIDE)
Box = tuple[slice, slice, slice]


# ---- other walls ----------------------------------------------------------------------------------------------------------------------


def pulled_wall(canal: Canal, edit: WallPoint) -> Floats:
    """(n, ANGLES): the wall with the point of it nearest to `from_mm` pulled as far from the middle as `to_mm` lies in its direction; what
    lies around it follows less and less (a Gaussian of half the reach along and around the canal)."""
    at = canal.nearest(edit.from_mm)
    angle = np.radians(canal.locate(edit.from_mm).angle_deg)
    out = np.cos(angle) * canal.left[at] + np.sin(angle) * canal.back[at]
    before = float(np.interp(angle, np.append(THETA, 2 * np.pi), np.append(canal.wall_mm[at], canal.wall_mm[at, 0])))
    wanted = float(np.clip((np.asarray(edit.to_mm) - canal.centreline_mm[at]) @ out, LEAST_MM, MOST_MM))
    along = canal.s_mm - canal.s_mm[at]
    around = before * np.abs((THETA - angle + np.pi) % (2 * np.pi) - np.pi)
    share = np.exp(-0.5 * ((along[:, None] / (edit.reach_mm / 2)) ** 2 + (around / (edit.reach_mm / 2)) ** 2))
    share[share < _FADED] = 0.0
    return np.asarray(np.where(share > 0, np.clip(canal.wall_mm + share * (wanted - before), LEAST_MM, MOST_MM), canal.wall_mm))


def struck_wall(canal: Canal, frame: Frame, box: Box, mask: NDArray[np.bool_], outward: bool) -> Floats:
    """(n, ANGLES): the wall that takes in what was drawn (outward), or leaves out what was erased, of a mask on a box of the frame."""
    wall = canal.wall_mm.copy()
    corners = frame.crop([side.start for side in box], [max(side.start + 1, side.stop) for side in box]).corners_mm
    offset, half_mm = canal.centreline_mm - corners.mean(axis=0), float(np.linalg.norm(np.ptp(corners, axis=0))) / 2 + 1e-6
    along = np.abs((offset * np.cross(canal.left, canal.back)).sum(axis=1))  # its cross-section cuts the box where this is small
    near = (np.linalg.norm(offset, axis=1) <= half_mm + MOST_MM) & (along <= half_mm)
    across = np.cos(THETA)[:, None] * canal.left[near][:, None] + np.sin(THETA)[:, None] * canal.back[near][:, None]
    points = canal.centreline_mm[near][:, None, None] + RADII[:, None] * across[:, :, None]
    index = np.rint(frame.to_index(points)).astype(int) - [side.start for side in box]
    within = ((index >= 0) & (index < mask.shape)).all(axis=-1)
    hit = np.zeros(within.shape, dtype=np.bool_)
    hit[within] = mask[tuple(index[within].T)]
    before = wall[near]
    if outward:
        last = RADII[len(RADII) - 1 - hit[..., ::-1].argmax(axis=2)] + RADIAL_MM / 2
        wall[near] = np.where(hit.any(axis=2), np.clip(np.maximum(before, last), LEAST_MM, MOST_MM), before)
    else:
        first = RADII[hit.argmax(axis=2)] - RADIAL_MM / 2
        wall[near] = np.where(hit.any(axis=2), np.maximum(np.minimum(before, first), LEAST_MM), before)
    return wall


def grown_wall(canal: Canal, by_mm: float) -> Floats:
    """(n, ANGLES): the whole wall this much farther out, or in where negative."""
    return np.asarray(np.clip(canal.wall_mm + by_mm, LEAST_MM, MOST_MM))


def smoothed_wall(canal: Canal, by_mm: float) -> Floats:
    """(n, ANGLES): the wall averaged along and around the canal by a Gaussian of this standard deviation."""
    step_mm = float(canal.s_mm[-1]) / max(1, len(canal.centreline_mm) - 1)
    arc_mm = 2 * np.pi / ANGLES * float(np.median(canal.wall_mm))
    return np.asarray(ndimage.gaussian_filter(canal.wall_mm, (by_mm / step_mm, by_mm / arc_mm), mode=("nearest", "wrap")))


# ---- another middle ---------------------------------------------------------------------------------------------------------------------


def _shift(canal: Canal, edit: CentrelinePoint) -> tuple[Floats, Floats]:
    """How far each cross-section goes along, (n,) shares, and the whole step in LPS mm, square to the canal where it was taken."""
    at = canal.nearest(edit.from_mm)
    tangent = np.cross(canal.left[at], canal.back[at])
    step = np.subtract(edit.to_mm, edit.from_mm)
    share = np.exp(-0.5 * ((canal.s_mm - canal.s_mm[at]) / (edit.reach_mm / 2)) ** 2)
    return np.where(share < _FADED, 0.0, share), np.asarray(step - (step @ tangent) * tangent)


def moved_tube(canal: Canal, edit: CentrelinePoint) -> Canal:
    """The canal moved at a point of its middle; its points stay 1 mm apart or less, its cross-sections square to it."""
    share, step_mm = _shift(canal, edit)
    points = canal.centreline_mm + share[:, None] * step_mm
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    curve = curve_through(points, _SLOPE_KEPT)
    at = np.interp(np.linspace(0.0, lengths[-1], len(curve.points_mm)), lengths, np.arange(len(points)))
    low = np.minimum(at.astype(int), len(points) - 2)
    part = at - low
    wall = canal.wall_mm[low] * (1 - part[:, None]) + canal.wall_mm[low + 1] * part[:, None]
    nearest = np.rint(at).astype(int)
    confidence = np.interp(at, np.arange(len(points)), canal.confidence)
    bridged, kinds = canal.bridged[nearest], bridges_of(canal)[nearest]
    return Canal(curve.points_mm, curve.left, curve.back, np.asarray(wall), bridged, area_of(wall), confidence, kinds)


# ---- labels that follow ---------------------------------------------------------------------------------------------------------------


def with_wall(labels: NDArray[np.uint8], frame: Frame, canal: Canal, wall_mm: Floats) -> Canal:
    """The canal with another wall. Labels between the two walls are changed in place: what comes in becomes epidural space, what goes out
    what lies beside it; the sac gives way to a wall that comes nearer. All others stay as they were found or drawn."""
    for rows in _stretches(np.flatnonzero(np.abs(wall_mm - canal.wall_mm).max(axis=1) > 1e-6)):
        reach_mm = float(np.maximum(wall_mm[rows], canal.wall_mm[rows]).max()) + _AROUND_MM
        box = frame.box_around(canal.centreline_mm[rows], reach_mm)
        part, index = _cut_out(labels, box)
        place = along_canal(index, frame, canal)
        row, turn, radius = _polar(place, canal)
        mine = (row >= rows.start) & (row < rows.stop) & _between_ends(place, canal)
        before, after = _wall_at(canal.wall_mm, row, turn), _wall_at(wall_mm, row, turn)
        flat = part.reshape(-1)
        inside = np.isin(flat, codes.CANAL)
        comes_in = mine & (radius > before) & (radius <= after) & ~inside & ~np.isin(flat, _OTHERS)
        film = mine & (after < before) & (radius > after - _FILM_MM) & (radius <= after) & inside
        flat[comes_in | film] = codes.EPIDURAL_SPACE
        _leave(part, np.flatnonzero(mine & (radius <= before) & (radius > after) & inside), frame)
        labels[box] = part
    return replace(canal, wall_mm=wall_mm, area_mm2=area_of(wall_mm))


def with_tube(labels: NDArray[np.uint8], frame: Frame, canal: Canal, edit: CentrelinePoint) -> None:
    """Move what the canal holds in the labels, in place, as `moved_tube` moves the canal; what it leaves becomes what lies beside it."""
    share, step_mm = _shift(canal, edit)
    rows = np.flatnonzero(share)
    reach_mm = float(canal.wall_mm[rows].max() + np.linalg.norm(step_mm)) + _AROUND_MM
    box = frame.box_around(canal.centreline_mm[rows], reach_mm)
    part, index = _cut_out(labels, box)
    row, _, _ = _polar(along_canal(index, frame, canal), canal)
    source = np.rint(index - (share[row, None] * step_mm)[:, ::-1] / np.array(frame.spacing_mm)).astype(np.int64)
    source = np.clip(source, 0, np.array(frame.shape) - 1)
    flat, moved = part.reshape(-1), labels[tuple(source.T)]
    inside, was_inside = np.isin(moved, codes.CANAL), np.isin(flat, codes.CANAL)
    flat[inside] = moved[inside]
    _leave(part, np.flatnonzero(was_inside & ~inside), frame)
    labels[box] = part


def inside_wall(index: NDArray[np.int64], frame: Frame, canal: Canal) -> NDArray[np.bool_]:
    """(m,): which voxels (m, 3) of an axial frame lie within the canal's wall."""
    place = along_canal(index, frame, canal)
    row, turn, radius = _polar(place, canal)
    return np.asarray(_between_ends(place, canal) & (radius <= _wall_at(canal.wall_mm, row, turn)))


def _stretches(rows: NDArray[np.int64]) -> list[slice]:
    """Runs of neighbouring cross-sections, none longer than `_STRETCH`."""
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(rows) else []
    starts = [(start, int(run[-1]) + 1) for run in runs for start in range(int(run[0]), int(run[-1]) + 1, _STRETCH)]
    return [slice(start, min(start + _STRETCH, stop)) for start, stop in starts]


def _cut_out(labels: NDArray[np.uint8], box: Box) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A box of the labels as an array of its own, and the indices of its voxels in the whole, (m, 3), in the same order."""
    part = np.ascontiguousarray(labels[box])
    return part, np.indices(part.shape, dtype=np.int64).reshape(3, -1).T + [side.start for side in box]


def _between_ends(place: Floats, canal: Canal) -> NDArray[np.bool_]:
    return np.asarray((place[:, 0] >= -0.5) & (place[:, 0] <= len(canal.centreline_mm) - 0.5))


def _polar(place: Floats, canal: Canal) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Of places along the canal: the cross-section, the direction as a fraction of ANGLES, and the distance from its middle."""
    row = np.clip(np.rint(place[:, 0]).astype(np.int64), 0, len(canal.centreline_mm) - 1)
    turn = (np.arctan2(place[:, 2], place[:, 1]) / (2 * np.pi) * ANGLES) % ANGLES
    return row, turn, np.hypot(place[:, 1], place[:, 2])


def _wall_at(wall_mm: Floats, row: NDArray[np.int64], turn: Floats) -> Floats:
    """The wall between two of its directions, as the labels are painted (`paint.paint_canal`)."""
    low = turn.astype(np.int64) % ANGLES
    share = turn - np.floor(turn)
    return np.asarray(wall_mm[row, low] * (1 - share) + wall_mm[row, (low + 1) % ANGLES] * share)


def _leave(part: NDArray[np.uint8], flat: NDArray[np.int64], frame: Frame) -> None:
    """Give voxels that are no longer canal the label of what lies nearest outside it."""
    if not len(flat):
        return
    outside = ~np.isin(part, (*codes.CANAL, *_OTHERS))
    outside.reshape(-1)[flat] = False
    if not outside.any():
        part.reshape(-1)[flat] = codes.SOFT_TISSUE
        return
    nearest = ndimage.distance_transform_edt(~outside, sampling=frame.spacing_mm, return_distances=False, return_indices=True)
    part.reshape(-1)[flat] = part[tuple(nearest.reshape(3, -1)[:, flat])]
