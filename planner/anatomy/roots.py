"""Nerve roots in their sleeves: tubes from the sac through the foramen and 20 mm beyond, moved onto what fat shows of them; the ganglion
on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.norms import at_level
from planner.anatomy.outside import Spots
from planner.anatomy.spine import ANGLES, Canal, Foramen, Provenance, Root, Side, Structure
from planner.evidence import number
from planner.geometry import Floats, Frame, Volume

_STEP_MM = 1.0
_UNDER_MM = 2.2  # of fat and vessels between a pedicle and the root below it
_BESIDE_MM = 0.4  # between the root and the wall at the pedicle's inner border
_NEAR_MM = np.arange(-4.0, 4.1, 0.5)  # how far a root is moved from its usual place, up and down, front and back
_SOFT_HU, _FAT_HU = (-25.0, 110.0), -35.0
_SEEN_HU = 55.0  # a root stands out from the fat around it by this much or it is not seen
_OFF_SAC_MM = 1.5  # so near to the sac brightness is its own blurred edge
_SLEEVE_MM, _SLAB_MM = 5.0, 1.5  # contrast so near a place of a root, and to both sides of its cross-section there, is its sleeve's
_SLEEVE_MM2 = (4.0, 30.0)  # of contrast across: less shows no sleeve; sleeves have 25 at most, and where one leaks it is 40 to 70
_LEAST_SEEN_MM = 5.0  # of a root's length is seen in its sleeve
_FADE_MM, _SMOOTH_MM = 10.0, 2.0
_TURNS = 2
_FAT_SHARE = 0.55  # of the ring around a root that is seen


def root_of(foramen: Foramen) -> str:
    """The root that leaves through a foramen: C5 through C4-C5, C8 through C7-T1, T and L roots under their own pedicle."""
    upper, lower = foramen.between
    if upper[0] == "C":
        return "C8" if upper == "C7" else lower
    return upper


def find_roots(volume: Volume, threshold: float, canal: Canal, sac_mm: Floats, foramina: tuple[Foramen, ...]) -> tuple[Root, ...]:
    """One root a foramen (algorithms 3): it leaves the side of the sac above, at the angle of its level, follows the inner border of the
    pedicle, passes under it in the upper third of the foramen, and goes on outward, down and to the front or back as its region does.

    Where fat in the foramen shows it the root is moved there ("found"), else to where bone leaves it room ("modelled").
    sac_mm: (n, ANGLES), the sac. threshold: bone begins here, in HU; inf where neither bone nor fat can be told by a threshold (MR).
    """
    return tuple(_root_through(volume, threshold, canal, sac_mm, foramen) for foramen in foramina)


def roots_structure(roots: tuple[Root, ...]) -> Structure:
    """How the roots as a whole are known: found only where fat shows every one."""
    seen = [root for root in roots if root.provenance == "found"]
    if roots and len(seen) == len(roots):
        words = "Roots were seen in the foramina or the sacral canal, against fat or by contrast; from there to the sac they are modelled."
        return Structure("found", 0.7, words)
    if seen:
        unseen = ", ".join(f"{root.level} {root.side}" for root in roots if root.provenance != "found")
        words = f"{len(seen)} of {len(roots)} roots were seen, in their foramina or the sacral canal; modelled: {unseen}."
        return Structure("modelled", 0.5, words)
    return Structure("modelled", 0.4, "Roots are modelled tubes through the foramina, not seen.")


def _root_through(volume: Volume, threshold: float, canal: Canal, sac_mm: Floats, foramen: Foramen) -> Root:
    sign = 1.0 if foramen.side == "left" else -1.0
    level = foramen.between[0]
    radius = float(at_level("root_radius_mm", level))
    width = float(at_level("ganglion_mm", level)[1])
    at = canal.nearest(foramen.centre_mm)
    feet, back, outward = _feet(canal, at), canal.back[at], sign * canal.left[at]
    under_roof = max(foramen.height_mm / 2 - radius - _UNDER_MM, foramen.height_mm / 6)
    usual = np.array(foramen.centre_mm) - feet * min(under_roof, 6.0)
    middle, seen = _seen_near(volume, threshold, usual, feet, back, (radius + width / 2) / 2)
    if not seen:
        middle = _led_around(volume, threshold, usual, feet, back, radius)
    angle = np.radians(max(float(at_level("root_exit_deg", level)), 42.0))
    beyond = outward - float(at_level("root_forward", level)) * back + feet / np.tan(angle)
    reach = number("anatomy.root_beyond_mm") + 0.5 * float(at_level("pedicle_width_mm", level))
    knots = [*_inside(canal, sac_mm, middle, sign, radius, angle), middle, middle + beyond * reach * 0.9 / np.linalg.norm(beyond)]
    path = _through(knots)
    return as_root(root_of(foramen), foramen.side, level, path, middle, "found" if seen else "modelled")


def as_root(name: str, side: Side, level: str, path: Floats, middle: Floats, known: Provenance, spread_mm: float = 0.0) -> Root:
    """The root along a path (m, 3) with steps of about 1 mm, as thick as at its level, its ganglion where it usually lies beside the
    middle of its foramen."""
    radius = float(at_level("root_radius_mm", level))
    length, width = at_level("ganglion_mm", level)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    heart = float(along[np.linalg.norm(path - middle, axis=1).argmin()]) + float(at_level("ganglion_lateral_mm", level))
    inside = np.flatnonzero(np.abs(along - heart) <= length / 2)
    radii = np.full(len(path), radius)
    bulge = 1.0 - ((along[inside] - heart) / (length / 2 + 0.5)) ** 2
    radii[inside] = np.maximum(radius, width / 2 * np.sqrt(np.maximum(bulge, 0.0)))
    return Root(name, side, path, radii, slice(int(inside[0]), int(inside[-1]) + 1), known, round(spread_mm, 2))


def _inside(canal: Canal, sac_mm: Floats, middle: Floats, sign: float, radius: float, angle: float) -> tuple[Floats, Floats]:
    """Where a root leaves the sac, and where it passes the inner border of the pedicle."""
    side = 0 if sign > 0 else ANGLES // 2
    at = canal.nearest(middle)
    by = max(0, at - 2)
    depth = float((middle - canal.centreline_mm[at]) @ canal.back[at])
    lateral = float(canal.wall_mm[by, side]) - radius - _BESIDE_MM
    medial = canal.centreline_mm[by] + sign * lateral * canal.left[by] + (0.6 + max(depth, -5.0)) * canal.back[by]
    rise = min(max(lateral - float(sac_mm[by, side]), 0.5) / np.tan(angle) + 1.0, 25.0)
    start_at = max(0, by - round(rise))
    out = max(float(sac_mm[start_at, side]) - 0.5, 0.0)
    return canal.centreline_mm[start_at] + sign * out * canal.left[start_at], medial


def _feet(canal: Canal, at: int) -> Floats:
    axis = np.cross(canal.left[at], canal.back[at])
    return np.asarray(-axis if axis[2] > 0 else axis)


def _ring(radius_mm: float) -> Floats:
    turn = np.radians(np.arange(0, 360, 30))
    return np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius_mm


def _seen_near(volume: Volume, threshold: float, usual: Floats, feet: Floats, back: Floats, radius_mm: float) -> tuple[Floats, bool]:
    """The place near the usual one where a soft disc of the ganglion's size stands in a ring of fat, and whether it clearly does."""
    if not np.isfinite(threshold):
        return usual, False
    down, behind = (grid.ravel() for grid in np.meshgrid(_NEAR_MM, _NEAR_MM))
    centres = usual + down[:, None] * feet + behind[:, None] * back
    core = np.concatenate([[[0.0, 0.0]], _ring(0.5 * radius_mm), _ring(0.8 * radius_mm)])
    halo = np.concatenate([_ring(radius_mm + 1.2), _ring(radius_mm + 2.0)])
    points = np.concatenate([core, halo])
    u, v = (np.broadcast_to(points[:, n], (len(centres), len(points))) for n in (0, 1))
    values = volume.sample_planes(centres, np.tile(feet, (len(centres), 1)), np.tile(back, (len(centres), 1)), u, v, 0.0)
    within, around = values[:, : len(core)], values[:, len(core) :]
    inside = within.mean(axis=1)
    free = (around < threshold) & (around < _SOFT_HU[1])
    contrast = inside - np.where(free, around, inside[:, None]).mean(axis=1)
    fat = (around < _FAT_HU).mean(axis=1)
    good = (inside > _SOFT_HU[0]) & (within.max(axis=1) < min(threshold, 160.0)) & (contrast > _SEEN_HU) & (fat > _FAT_SHARE)
    score = np.where(good, contrast - 4.0 * np.hypot(down, behind), -np.inf)
    best = int(score.argmax())
    return (centres[best], True) if np.isfinite(score[best]) else (usual, False)


def _led_around(volume: Volume, threshold: float, point: Floats, feet: Floats, back: Floats, radius_mm: float) -> Floats:
    """The place within 4 mm of a point, up and down, back and front, where a disc of the root's size meets least bone."""
    disc = np.concatenate([[[0.0, 0.0]], _ring(radius_mm), _ring(radius_mm + 1.0)])
    down, behind = (grid.ravel() for grid in np.meshgrid(_NEAR_MM[::2], _NEAR_MM[::2]))
    centres = point + down[:, None] * feet + behind[:, None] * back
    values = np.nan_to_num(volume.sample(centres[:, None] + disc[:, :1] * feet + disc[:, 1:] * back), nan=0.0)
    cost = (values > threshold).mean(axis=1) + 0.01 * np.hypot(down, behind)
    return np.asarray(centres[int(cost.argmin())])


def _through(knots: list[Floats]) -> Floats:
    """A smooth curve through points, about 1 mm a step (Catmull-Rom with mirrored ends)."""
    points = np.array([2 * knots[0] - knots[1], *knots, 2 * knots[-1] - knots[-2]])
    pieces = []
    for n in range(1, len(points) - 2):
        a, b, c, d = points[n - 1 : n + 3]
        last = n == len(points) - 3
        t = np.linspace(0, 1, max(2, int(np.linalg.norm(c - b) / _STEP_MM) + 1), endpoint=last)[:, None]
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate(pieces)


def seen_in_sleeves(roots: tuple[Root, ...], spots: Spots, frame: Frame, sac_mm: Floats) -> tuple[Root, ...]:
    """The roots of a myelogram moved onto the contrast in their sleeves, between the sac and the ganglion, where it shows them."""
    points = frame.to_world(spots.where(spots.past(sac_mm) > _OFF_SAC_MM).voxels)
    for _ in range(_TURNS):
        roots = tuple(_onto_contrast(root, points, frame.voxel_ml * 1000.0) for root in roots)
    return roots


def _onto_contrast(root: Root, points: Floats, voxel_mm3: float) -> Root:
    """A root moved to the middle of the contrast around it, voxels at points (m, 3) from foot to head; itself where there is too little of
    it, or anywhere so much that some has leaked, for that hides the sleeve."""
    axis = np.gradient(root.path_mm, axis=0)
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    sleeved = slice(0, root.ganglion.stop)
    count, middles = _contrast_across(root.path_mm[sleeved], axis[sleeved], points)
    area = count * voxel_mm3 / (2.0 * _SLAB_MM)
    known = np.flatnonzero(area >= _SLEEVE_MM2[0])
    if len(known) < _LEAST_SEEN_MM / _STEP_MM or area.max() > _SLEEVE_MM2[1]:
        return root
    moves = middles - (middles * axis[sleeved]).sum(axis=1, keepdims=True) * axis[sleeved]
    at = np.arange(len(root.path_mm))
    share = np.clip(1.0 - (at - known[-1]) / _FADE_MM, 0.0, 1.0)  # past the sleeve the way is the usual one again
    move = np.stack([np.interp(at, known, moves[known, axis_n]) for axis_n in range(3)], axis=1)
    move = ndimage.gaussian_filter1d(move * share[:, None], _SMOOTH_MM / _STEP_MM, axis=0, mode="nearest")
    return replace(root, path_mm=root.path_mm + move, provenance="found")


@njit(cache=True, nogil=True)
def _contrast_across(path: Floats, axis: Floats, points: Floats) -> tuple[NDArray[np.int64], Floats]:
    """How many of the points lie in each cross-section (m,) of a root, and how far their middle is from its path (m, 3); points (n, 3) from
    foot to head."""
    count, middle = np.zeros(len(path), dtype=np.int64), np.zeros(path.shape)
    for at in range(len(path)):
        here, along = path[at], axis[at]
        for n in range(np.searchsorted(points[:, 2], here[2] - _SLEEVE_MM), len(points)):
            x, y, z = points[n, 0] - here[0], points[n, 1] - here[1], points[n, 2] - here[2]
            if z > _SLEEVE_MM:
                break
            if x * x + y * y + z * z <= _SLEEVE_MM**2 and abs(x * along[0] + y * along[1] + z * along[2]) <= _SLAB_MM:
                count[at] += 1
                middle[at, 0] += x
                middle[at, 1] += y
                middle[at, 2] += z
        if count[at]:
            middle[at] /= count[at]
    return count, middle
