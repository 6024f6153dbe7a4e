"""The cord on a myelogram and on T2: the dark core of a sac full of contrast or bright fluid, and the conus where it ends among the roots,
which are specks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.reformat import THETA, Curve, in_sections, percentile_of_seen
from planner.anatomy.spine import ANGLES
from planner.geometry import Floats, Volume

_GRID_MM = 0.5
_HALF_MM = 11.0
_OFF_EDGE_MM = 1.0  # so near to the sac's edge its blur is as dark as a cord
_CORD_HU = 40.0
_LEAST_CORE_MM = 3.0  # width of the thinnest cord that is told from roots, which are 0.8 to 1.5 mm thick (clinical.md 3.6)
_AREA_MM2 = (10.0, 150.0)
_LEAST_LENGTH_MM = 15
_SMOOTH_MM = 2.0
_JUMP_MM = 2.0  # between two sections one core is no farther aside
_LIT_BELOW_MM = 15  # a cord ends where contrast goes on for so long without it
_TIP_MM = 4  # of a cord is too thin to be told from roots


@dataclass(frozen=True, eq=False)
class SeenCord:
    """radius_mm: (n, ANGLES) from the canal's middle, 0 where there is none. seen: (n,). ends: whether its lower end was seen."""

    radius_mm: Floats
    seen: NDArray[np.bool_]
    ends: bool


def see_cord(volume: Volume, curve: Curve, sac_mm: Floats, lit: NDArray[np.bool_], cord: Floats | float = _CORD_HU) -> SeenCord | None:
    """The cord in the sections of a sac that contrast fills; None where no dark core of 15 mm or more is seen (algorithms 1.2 (4)).

    sac_mm: (n, ANGLES), the sac along the curve. lit: (n,), where contrast or bright fluid fills it. cord: the cord's own brightness, one
    for all or (n,).
    """
    at = np.arange(-_HALF_MM, _HALF_MM + 0.1, _GRID_MM)
    v, u = np.meshgrid(at, at, indexing="ij")
    shape = (len(sac_mm), *u.shape)
    values = in_sections(volume, curve, np.broadcast_to(u, shape), np.broadcast_to(v, shape))
    values = np.asarray(ndimage.gaussian_filter(values, (1.0, 0.6, 0.6), mode="nearest"))
    turn = np.rint(np.arctan2(v, u) / (2 * np.pi) * ANGLES).astype(int) % ANGLES
    inside = (np.hypot(u, v) < sac_mm[:, turn] - _OFF_EDGE_MM) & lit[:, None, None]
    dark = inside & (values < 0.5 * (_fluid(values, inside, v) + np.reshape(cord, (-1, 1, 1))))
    core = _cores(dark)
    rows = _followed(core)
    if rows is None:
        return None
    first, last = rows
    seen = np.zeros(len(sac_mm), dtype=np.bool_)
    seen[first:last] = core[first:last].any(axis=(1, 2))
    sizes = _ellipses(core, u, v, np.flatnonzero(seen), first, last)
    below = lit[last : last + _LIT_BELOW_MM]
    ends = len(below) == _LIT_BELOW_MM and bool(below.all())
    if ends:
        sizes = np.concatenate([sizes, _tip(sizes)])
    radius = np.zeros(sac_mm.shape)
    radius[first : first + len(sizes)] = _around(sizes)[: len(radius) - first]
    return SeenCord(np.minimum(radius, np.maximum(sac_mm - _GRID_MM, 0.0)), seen, ends)


def _fluid(values: Floats, inside: NDArray[np.bool_], v: Floats) -> Floats:
    """(n, rows, columns): brightness of contrast at each height: it layers, so that front and back differ."""
    ahead = v < 0
    halves = []
    for half in (ahead, ~ahead):
        part = np.where(inside & half, values, np.nan).reshape(len(values), -1)
        some = np.isfinite(part).sum(axis=1) > 8
        level = np.full(len(values), np.nan)
        if some.any():
            level[some] = percentile_of_seen(part[some], 85)
            level = np.interp(np.arange(len(level)), np.flatnonzero(some), level[some])
        halves.append(ndimage.median_filter(level, 9, mode="nearest"))
    share = np.clip(0.5 + v / 8.0, 0.0, 1.0)
    return np.asarray(halves[0][:, None, None] * (1 - share) + halves[1][:, None, None] * share)


def _cores(dark: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of what is dark in each section that part into which a disc as wide as a thin cord fits."""
    size = 2 * round(_LEAST_CORE_MM / _GRID_MM / 2) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.stack([cv2.morphologyEx(plane, cv2.MORPH_OPEN, disc) > 0 for plane in dark.astype(np.uint8)])


def _followed(core: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Leave in `core`, in place, the one spot of each section that goes on from section to section; (first, past the last) of the longest
    run of them."""
    best: tuple[int, int] | None = None
    start, before = 0, None
    for n in range(len(core) + 1):
        spot = None if n == len(core) else _spot(core[n], before)
        if spot is None and before is not None and n - start >= _LEAST_LENGTH_MM and (best is None or n - start > best[1] - best[0]):
            best = (start, n)
        if spot is not None and before is None:
            start = n
        if n < len(core):
            core[n] = False if spot is None else spot[0]
        before = None if spot is None else spot[1]
    return best


def _spot(plane: NDArray[np.bool_], before: Floats | None) -> tuple[NDArray[np.bool_], Floats] | None:
    """The largest dark spot of a section that is as large as a cord and lies where the one before lay, and its middle."""
    count, parts, stats, middles = cv2.connectedComponentsWithStats(plane.astype(np.uint8), connectivity=4)
    best = None
    for n in range(1, count):
        area = float(stats[n][4]) * _GRID_MM**2
        aside = 0.0 if before is None else float(np.hypot(*(middles[n] - before))) * _GRID_MM
        if _AREA_MM2[0] <= area <= _AREA_MM2[1] and aside <= _JUMP_MM and (best is None or area > best[0]):
            best = (area, n)
    return None if best is None else (parts == best[1], np.asarray(middles[best[1]]))


def _ellipses(core: NDArray[np.bool_], u: Floats, v: Floats, rows: NDArray[np.int64], first: int, last: int) -> Floats:
    """(last - first, 4): middle to the left and back, and half axes, of the ellipse with the moments of each section's core."""
    found = []
    for n in rows:
        x, y = u[core[n]], v[core[n]]
        found.append((x.mean(), y.mean(), 2.0 * x.std(), 2.0 * y.std()))
    at = np.arange(first, last)
    sizes = np.stack([np.interp(at, rows, column) for column in np.array(found).T], axis=1)
    sizes = ndimage.median_filter(sizes, (5, 1), mode="nearest")
    return np.asarray(ndimage.gaussian_filter1d(sizes, _SMOOTH_MM, axis=0, mode="nearest"))


def _tip(sizes: Floats) -> Floats:
    """(m, 4): the cord narrows to nothing below the last section in which it was told from roots."""
    out = np.tile(sizes[-1], (_TIP_MM, 1))
    out[:, 2:] *= (1.0 - np.arange(1, _TIP_MM + 1) / (_TIP_MM + 1.0))[:, None]
    return out


def _around(sizes: Floats) -> Floats:
    """(m, ANGLES): how far from the canal's middle the far side of an ellipse (middle u, v, half axes) lies in each direction."""
    x, y, a, b = (column[:, None] for column in sizes.T)
    c, s = np.cos(THETA) / a, np.sin(THETA) / b
    along, offset = c**2 + s**2, c * x / a + s * y / b
    inner = offset**2 - along * ((x / a) ** 2 + (y / b) ** 2 - 1.0)
    return np.where(inner > 0, np.maximum(offset + np.sqrt(np.maximum(inner, 0.0)), 0.0) / along, 0.0)
