"""The canal in an MR: its wall is the dark rim of cortical bone and ligament around the sac and the fat beside it."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.levels import openness_of
from planner.anatomy.mr.sac import SeenSac, moved, sac_along
from planner.anatomy.reformat import OUTSIDE, RADIAL_MM, RADII, THETA, polar, rising
from planner.anatomy.spine import ANGLES
from planner.anatomy.wall import Wall, centroids, find_wall
from planner.geometry import Floats, Volume

_SOLID = 600.0  # what the darkest is as if it were HU of bone, so that the wall of CT is found in it
_RIM = 0.36  # of the fluid's brightness: what is darker is rim; epidural fat is brighter
_THRESHOLD = _SOLID * 0.5
_INSIDE_MM = 3.0  # the axis stays this far inside the sac, which is drawn from it
_FILM_MM = 0.8  # beyond the sac the dura is no rim yet
_NERVE, _FAT = 0.18, 0.42  # of the fluid's brightness: no root is darker than the one; fat is brighter than the other
_ROOT_MM = 7.0  # so thick are a root and its ganglion, seen from the canal's middle
_ASIDE = 0.7  # cosine to left or right of the directions in which roots leave
_EDGE = 0.62  # of the brightness inside it: there the wall's blurred edge lies
_INSIDE, _FROM_MM = (0.5, 0.7), (2.5, 1.0)  # that brightness, fat's to fluid's, and where it is read inside the wall
_NEAR_MM = 1.6  # the edge lies so near to the wall that the smoothed scan shows


def around_sac(sac_mm: Floats) -> Floats:
    """(n, ANGLES): the canal's wall around a seen sac: a film in front, more at the sides, the fat behind (clinical.md 3.3)."""
    theta = np.arange(ANGLES) * 2 * np.pi / ANGLES
    behind, before = np.clip(np.sin(theta), 0, 1), np.clip(-np.sin(theta), 0, 1)
    room = 1.5 + 2.5 * behind**2 - 0.5 * before
    return np.asarray(ndimage.gaussian_filter1d(sac_mm, 4.0, axis=0, mode="nearest") + room)


def see_canal(volume: Volume, sac: SeenSac) -> tuple[SeenSac, Wall]:
    """The wall around a seen sac, centred on what it encloses, and the sac in these cross-sections."""
    u, v = centroids(see_wall(volume, sac).radius_mm)
    away = np.hypot(u, v)
    direction = np.rint(np.arctan2(v, u) / (2 * np.pi) * ANGLES).astype(np.intp) % ANGLES
    room = np.maximum(sac.radius_mm[np.arange(len(u)), direction] - _INSIDE_MM, 0.0)
    share = np.minimum(1.0, room / np.maximum(away, 1e-6))
    sac = sac_along(volume, moved(sac.curve, share * u, share * v))
    return sac, see_wall(volume, sac)


def _relative(volume: Volume, sac: SeenSac) -> Floats:
    """(n, ANGLES, radii): the scan in shares of the fluid's brightness above the darkest; 1 beyond the field."""
    rays = polar(volume, sac.curve)
    return np.asarray(np.where(rays == OUTSIDE, 1.0, np.maximum(rays - sac.dark, 0.0) / sac.fluid[:, None, None]))


def _solid(relative: Floats) -> Floats:
    """How dark the scan is, as if it were HU of bone; nothing beyond the field is."""
    return np.asarray(_SOLID * np.clip(1.0 - 0.5 * relative / _RIM, 0.0, 1.0))


def _quiet(values: Floats) -> Floats:
    return np.asarray(ndimage.gaussian_filter(values, (0.7, 0.6, 0.7), mode=("nearest", "wrap", "nearest")))


def _without_roots(relative: Floats) -> Floats:
    """The rays with roots and ganglia, which are grey amid fat at the canal's sides, made as bright as fat: the rim is darker than they
    are, or marrow lies behind it."""
    quiet = _quiet(relative)
    root = np.zeros(relative.shape, dtype=np.bool_)
    _mark_roots(quiet, np.abs(np.cos(THETA)) > _ASIDE, round(_ROOT_MM / RADIAL_MM), root)
    return np.where(root, np.maximum(relative, _FAT), relative)


@njit(cache=True, nogil=True)
def _mark_roots(quiet: Floats, aside: NDArray[np.bool_], longest: int, root: NDArray[np.bool_]) -> None:
    """Marks what on a ray is darker than fat over no more than `longest` samples, and nowhere darker than a nerve."""
    for n in range(quiet.shape[0]):
        for a in range(quiet.shape[1]):
            if not aside[a]:
                continue
            begin = -1
            for r in range(quiet.shape[2]):
                grey = quiet[n, a, r] < _FAT
                if grey and begin < 0:
                    begin = r
                elif not grey and begin >= 0:
                    if begin > 0 and r - begin <= longest and quiet[n, a, begin:r].min() > _NERVE:
                        root[n, a, begin:r] = True
                    begin = -1


def open_sides(volume: Volume, sac: SeenSac, wall_mm: Floats) -> Floats:
    """(n, 2): how much of the left and right side of a wall (n, ANGLES) has no dark rim, 0..1: foramina."""
    return openness_of(_quiet(_solid(_relative(volume, sac))), wall_mm, RADII, _THRESHOLD)


def see_wall(volume: Volume, sac: SeenSac) -> Wall:
    """The wall where the dark rim begins beyond the sac, bridged where fat goes on into an opening."""
    relative = _without_roots(_relative(volume, sac))
    solid = np.where(sac.radius_mm[..., None] + _FILM_MM > RADII, 0.0, _solid(relative))
    wall = find_wall(solid, _THRESHOLD, max(volume.frame.spacing_mm[1:]))
    radius = _on_edge(_quiet(relative), wall)
    return Wall(np.maximum(radius, sac.radius_mm + 0.3), wall.bridged)


def _on_edge(relative: Floats, wall: Wall) -> Floats:
    """(n, ANGLES): the wall moved to where the brightness inside it falls to its share, bridges with what bounds them."""
    offset = RADII - wall.radius_mm[..., None]
    within = (offset > -_FROM_MM[0]) & (offset < -_FROM_MM[1])
    inside = np.clip((relative * within).sum(axis=2) / np.maximum(within.sum(axis=2), 1), *_INSIDE)
    edge = rising(-relative, -_EDGE * inside, wall.radius_mm - _NEAR_MM, wall.radius_mm + _NEAR_MM)
    seen = np.isfinite(edge) & ~wall.bridged
    move = np.where(seen, edge - wall.radius_mm, 0.0)
    weight = ndimage.gaussian_filter(seen.astype(np.float64), (1.0, 0.8), mode=("nearest", "wrap"))
    near_move = ndimage.gaussian_filter(move, (1.0, 0.8), mode=("nearest", "wrap")) / np.maximum(weight, 1e-3)
    wide = ndimage.gaussian_filter(seen.astype(np.float64), (4.0, 3.0), mode=("nearest", "wrap"))
    wide_move = ndimage.gaussian_filter(move, (4.0, 3.0), mode=("nearest", "wrap")) / np.maximum(wide, 1e-3)
    return np.asarray(wall.radius_mm + np.where(weight > 0.3, near_move, wide_move))
