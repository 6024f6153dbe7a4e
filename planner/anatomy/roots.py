"""Nerve roots in their sleeves: tubes from the sac through the foramen and 20 mm beyond, led around bone; the ganglion on them."""

from __future__ import annotations

import numpy as np

from planner.anatomy.norms import at_level
from planner.anatomy.sac import Sac
from planner.anatomy.spine import ANGLES, Canal, Foramen, Root
from planner.evidence import number
from planner.geometry import Floats, Volume

_STEP_MM = 1.0
_FORWARD = 0.25  # roots lean to the front beyond the foramen, behind and into the psoas


def root_of(foramen: Foramen) -> str:
    """The root that leaves through a foramen: C5 through C4-C5, C8 through C7-T1, T and L roots under their own pedicle."""
    upper, lower = foramen.between
    if upper[0] == "C":
        return "C8" if upper == "C7" else lower
    return upper


def model_roots(volume: Volume, threshold: float, canal: Canal, sac: Sac, foramina: tuple[Foramen, ...]) -> tuple[Root, ...]:
    """One root a foramen (algorithms 3): it leaves the side of the sac above, at the angle of its level, passes under the pedicle in the
    upper third of the foramen, shifted to where bone leaves it room, and goes on outward, down and a little to the front.

    threshold: bone begins here, in HU; inf where bone can't be told by a threshold (MR).
    """
    out = []
    for foramen in foramina:
        sign = 1.0 if foramen.side == "left" else -1.0
        level = foramen.between[0]
        centre = np.array(foramen.centre_mm)
        radius = float(at_level("root_radius_mm", level))
        at = canal.nearest(centre)
        feet = _feet(canal, at)
        under_pedicle = centre - feet * min(0.2 * foramen.height_mm, 4.0)
        middle = _led_around(volume, threshold, under_pedicle, feet, canal.back[at], radius)
        at = canal.nearest(middle)
        angle = np.radians(float(at_level("root_exit_deg", level)))
        lateral = max(1.0, float((middle - canal.centreline_mm[at]) @ canal.left[at]) * sign - float(sac.radius_mm[at, _side(sign)]))
        above = round(min(lateral / np.tan(angle), 25.0))
        start_at = max(0, at - above)
        reach = max(float(sac.radius_mm[start_at, _side(sign)]) - 0.5, 0.0)
        start = canal.centreline_mm[start_at] + sign * reach * canal.left[start_at]
        beyond = sign * canal.left[at] - _FORWARD * canal.back[at] + feet / np.tan(angle)
        beyond /= np.linalg.norm(beyond)
        end = middle + beyond * (number("anatomy.root_beyond_mm") + 0.5 * float(at_level("pedicle_width_mm", level)))
        path = _through(start, middle, end)
        length, width = at_level("ganglion_mm", level)
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
        heart = float(along[np.linalg.norm(path - middle, axis=1).argmin()])
        inside = np.flatnonzero(np.abs(along - heart) <= length / 2)
        radii = np.full(len(path), radius)
        bulge = 1.0 - ((along[inside] - heart) / (length / 2 + 0.5)) ** 2
        radii[inside] = np.maximum(radius, width / 2 * np.sqrt(np.maximum(bulge, 0.0)))
        out.append(Root(root_of(foramen), foramen.side, path, radii, slice(int(inside[0]), int(inside[-1]) + 1)))
    return tuple(out)


def _side(sign: float) -> int:
    return 0 if sign > 0 else ANGLES // 2


def _feet(canal: Canal, at: int) -> Floats:
    axis = np.cross(canal.left[at], canal.back[at])
    return np.asarray(-axis if axis[2] > 0 else axis)


def _led_around(volume: Volume, threshold: float, point: Floats, feet: Floats, back: Floats, radius_mm: float) -> Floats:
    """The place within 4 mm of a point, up and down, back and front, where a disc of the root's size meets least bone."""
    ring = np.radians(np.arange(0, 360, 45))
    disc = np.concatenate([[[0.0, 0.0]], *(np.stack([np.cos(ring), np.sin(ring)], axis=1) * r for r in (radius_mm, radius_mm + 1.0))])
    best, place = np.inf, point
    for down in np.arange(-4.0, 4.1, 1.0):
        for behind in np.arange(-4.0, 4.1, 1.0):
            centre = point + down * feet + behind * back
            values = volume.sample(centre + disc[:, :1] * feet + disc[:, 1:] * back)
            cost = float((np.nan_to_num(values, nan=0.0) > threshold).mean()) + 0.01 * float(np.hypot(down, behind))
            if cost < best:
                best, place = cost, centre
    return np.asarray(place)


def _through(start: Floats, middle: Floats, end: Floats) -> Floats:
    """A smooth curve through three points, about 1 mm a step (Catmull-Rom with doubled ends)."""
    points = np.array([2 * start - middle, start, middle, end, 2 * end - middle])
    pieces = []
    for n in (1, 2):
        a, b, c, d = points[n - 1 : n + 3]
        t = np.linspace(0, 1, max(2, int(np.linalg.norm(c - b) / _STEP_MM) + 1), endpoint=n == 2)[:, None]
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate(pieces)


