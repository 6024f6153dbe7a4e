"""The canal in an MR: its wall is the dark rim of cortical bone and ligament around the sac and the fat beside it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from planner.anatomy.levels import openness_of
from planner.anatomy.mr.sac import DARKEST, SeenSac, moved, sac_along
from planner.anatomy.reformat import OUTSIDE, RADII, polar
from planner.anatomy.spine import ANGLES
from planner.anatomy.wall import Wall, centroids, find_wall
from planner.geometry import Floats, Volume

_SOLID = 600.0  # what the darkest is as if it were HU of bone, so that the wall of CT is found in it
_RIM = 0.36  # of the fluid's brightness: what is darker is rim; epidural fat is brighter
_THRESHOLD = _SOLID * 0.5
_INSIDE_MM = 3.0  # the axis stays this far inside the sac, which is drawn from it
_FILM_MM = 0.8  # beyond the sac the dura is no rim yet


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


def _solid(volume: Volume, sac: SeenSac) -> Floats:
    """(n, ANGLES, radii): how dark the scan is, as if it were HU of bone; nothing beyond the field is."""
    rays = polar(volume, sac.curve)
    dark = float(np.percentile(rays[rays != OUTSIDE], DARKEST))
    relative = np.where(rays == OUTSIDE, 1.0, np.maximum(rays - dark, 0.0) / sac.fluid[:, None, None])
    return np.asarray(_SOLID * np.clip(1.0 - 0.5 * relative / _RIM, 0.0, 1.0))


def open_sides(volume: Volume, sac: SeenSac, wall_mm: Floats) -> Floats:
    """(n, 2): how much of the left and right side of a wall (n, ANGLES) has no dark rim, 0..1: foramina."""
    quiet = ndimage.gaussian_filter(_solid(volume, sac), (0.7, 0.6, 0.7), mode=("nearest", "wrap", "nearest"))
    return openness_of(quiet, wall_mm, RADII, _THRESHOLD)


def see_wall(volume: Volume, sac: SeenSac) -> Wall:
    """The wall where the dark rim begins beyond the sac, bridged where fat goes on into an opening."""
    solid = _solid(volume, sac)
    solid = np.where(sac.radius_mm[..., None] + _FILM_MM > RADII, 0.0, solid)
    wall = find_wall(solid, _THRESHOLD, max(volume.frame.spacing_mm[1:]))
    return Wall(np.maximum(wall.radius_mm, sac.radius_mm + 0.3), wall.bridged)
