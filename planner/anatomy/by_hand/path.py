"""A canal drawn along its middle with the ball: where none was found it is a tube of the ball's size, beyond the ends of one it goes on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy import labels as codes
from planner.anatomy.bridges import DRAWN, bridges_of
from planner.anatomy.by_hand.edits import Edit, Stroke
from planner.anatomy.by_hand.tube import LEAST_MM, MOST_MM, with_wall
from planner.anatomy.reformat import RADIAL_MM, RADII, THETA, Curve, curve_through
from planner.anatomy.spine import Canal
from planner.anatomy.wall import area_of
from planner.geometry import Floats, Frame

SHORTEST_MM = 20.0
"""A path that is shorter, from its highest to its lowest point, makes no canal."""
_BEYOND_MM = 3.0  # of an end: less is no prolongation
_FARTHEST_MM = 25.0  # from an end to where the path goes on
_SMOOTH_MM = 2.0  # what a hand shakes
_BLEND_MM = 10.0  # over which the wall of an end becomes the tube's


def draws_canal(edit: Edit) -> bool:
    """Whether an edit makes a canal where there is none."""
    return len(_path(edit)) > 1 and bool(np.ptp(_path(edit)[:, 2]) >= SHORTEST_MM)


def _path(edit: Edit) -> Floats:
    """The middle of a canal that an edit draws, (n, 3) from head to foot without what goes back; empty for another edit."""
    if not isinstance(edit, Stroke) or edit.structure != "canal" or edit.mode != "draw" or edit.normal is not None:
        return np.empty((0, 3))
    points = np.array(edit.points_mm, dtype=np.float64)
    points = points[::-1] if points[0, 2] < points[-1, 2] else points
    lowest = np.minimum.accumulate(points[:, 2])
    return points[np.concatenate([[True], points[1:, 2] < lowest[:-1]])]


def goes_on(canal: Canal, edit: Edit) -> bool:
    """Whether an edit draws a canal beyond one of its ends, and near it."""
    return any(len(piece) for piece in _pieces(canal, edit))


def _pieces(canal: Canal, edit: Edit) -> tuple[Floats, Floats]:
    """What of a path lies beyond the head end and beyond the foot end, from head to foot; nothing where it begins far from the end."""
    path, none = _path(edit), np.empty((0, 3))
    if not len(path):
        return none, none
    out = []
    for end, sign in ((0, -1.0), (len(canal.centreline_mm) - 1, 1.0)):
        tangent = np.cross(canal.left[end], canal.back[end])
        tangent = tangent if tangent[2] < 0 else -tangent  # to the feet
        far = sign * ((path - canal.centreline_mm[end]) @ tangent)
        piece = path[far > _BEYOND_MM]
        begins_mm = float(np.linalg.norm(path - canal.centreline_mm[end], axis=1).min())
        out.append(piece if begins_mm <= _FARTHEST_MM else none)
    return out[0], out[1]


def drawn_canal(labels: NDArray[np.uint8], frame: Frame, canal: Canal, edit: Stroke) -> Canal:
    """The canal with what was drawn of it, its labels changed in place. The tube has the ball's size, less where bone begins before."""
    if len(canal.centreline_mm) < 4:
        curve = curve_through(_path(edit), _SMOOTH_MM)
        round_mm = np.full((len(curve.points_mm), len(THETA)), edit.radius_mm)
        return _painted(labels, frame, curve, _up_to_bone(labels, frame, curve, round_mm))
    head, foot = _pieces(canal, edit)
    for piece, end in ((head, 0), (foot, len(canal.centreline_mm) - 1)):
        if len(piece):
            canal = _with_piece(labels, frame, canal, piece, edit.radius_mm, end == 0)
    return canal


def _with_piece(labels: NDArray[np.uint8], frame: Frame, canal: Canal, piece: Floats, radius_mm: float, head: bool) -> Canal:
    """The canal with cross-sections along a piece of path (from head to foot) before its first or after its last."""
    end = 0 if head else len(canal.centreline_mm) - 1
    joint = canal.centreline_mm[end : end + 1]
    whole = curve_through(np.concatenate([piece, joint] if head else [joint, piece]), _SMOOTH_MM)
    kept = slice(None, -1) if head else slice(1, None)  # the joint is there already
    curve = Curve(whole.points_mm[kept], whole.left[kept], whole.back[kept], whole.tangent[kept])
    share = np.clip(np.linalg.norm(curve.points_mm - joint, axis=1) / _BLEND_MM, 0.0, 1.0)[:, None]
    wall = _up_to_bone(labels, frame, curve, (1.0 - share) * canal.wall_mm[end] + share * radius_mm)
    added = _painted(labels, frame, curve, wall)
    first, last = (added, canal) if head else (canal, added)
    return Canal(
        np.concatenate([first.centreline_mm, last.centreline_mm]),
        np.concatenate([first.left, last.left]),
        np.concatenate([first.back, last.back]),
        np.concatenate([first.wall_mm, last.wall_mm]),
        np.concatenate([first.bridged, last.bridged]),
        np.concatenate([first.area_mm2, last.area_mm2]),
        np.concatenate([first.confidence, last.confidence]),
        np.concatenate([bridges_of(first), bridges_of(last)]),
    )


def _up_to_bone(labels: NDArray[np.uint8], frame: Frame, curve: Curve, wall_mm: Floats) -> Floats:
    """(n, angles): the wall, nearer where labelled bone begins inside it."""
    across = np.cos(THETA)[:, None] * curve.left[:, None] + np.sin(THETA)[:, None] * curve.back[:, None]
    points = curve.points_mm[:, None, None] + RADII[:, None] * across[:, :, None]
    index = np.clip(np.rint(frame.to_index(points)).astype(int), 0, np.array(frame.shape) - 1)
    bone = np.isin(labels[tuple(np.moveaxis(index, -1, 0))], codes.BONE)
    begins = np.where(bone.any(axis=2), RADII[bone.argmax(axis=2)] - RADIAL_MM / 2, np.inf)
    wall = np.clip(np.minimum(wall_mm, begins), LEAST_MM, MOST_MM)
    return np.asarray(ndimage.median_filter(np.pad(wall, ((0, 0), (1, 1)), mode="wrap"), (5, 3), mode="nearest")[:, 1:-1])


def _painted(labels: NDArray[np.uint8], frame: Frame, curve: Curve, wall_mm: Floats) -> Canal:
    """The tube as a canal, its labels painted as epidural space."""
    seen, sure = np.zeros(wall_mm.shape, dtype=np.bool_), np.ones(len(wall_mm))
    drawn = np.full(wall_mm.shape, DRAWN, dtype=np.uint8)
    nothing = Canal(curve.points_mm, curve.left, curve.back, np.full_like(wall_mm, -1.0), seen, area_of(wall_mm), sure, drawn)
    return with_wall(labels, frame, nothing, wall_mm)
