"""Fluid outside the sac on T2: what is as bright as the sac's own fluid where epidural fat is expected, beyond the dark line of the dura.
It is offered to a person as a place that may leak, and is no leak by itself."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.mr.sac import SeenSac
from planner.anatomy.outside import hint_words
from planner.anatomy.reformat import OUTSIDE, RADIAL_MM, RADII, STEP_MM, THETA, polar
from planner.anatomy.spine import ANGLES, Canal, HintPlace, LeakHint, Level, Structure
from planner.anatomy.wall import area_of
from planner.geometry import Floats, Volume

_OFF_SAC_MM, _OFF_WALL_MM = 1.0, 0.5  # so near to both brightness is a blurred edge, the dura or its film
_FAT_LIKE = 0.78  # of the fluid's brightness: where a quarter of what lies beside the sac is brighter, fluid is not told from fat
_FLUID = 0.55  # of the way from the fat's brightness to the fluid's: fluid is brighter
_BAND_MM = 5.0  # from the sac outward: beyond it, at the sides, sleeves and openings are
_THICK_MM = 1.0  # of fluid across; a thinner film is a blurred sac
_APART = 3  # directions or mm: pieces nearer than twice this are one
_LEAST_ML, _LEAST_MM = 0.5, 8.0  # a smaller or shorter one is a vein, a cyst of a joint or noise
_DIP = 0.06  # of the fluid's brightness: so much darker than what lies within and beyond is the dura, over most of a collection
_SHRUNK = 0.7  # of the usual area around: where a sac seems smaller than this, roots were taken for its dura
_AROUND_MM = 40
_SLEEVES = 0.8  # cosine of directions to left or right: there sleeves leave the sac, as bright as it is
_SURE = 0.5
_NONE = "None was seen. Less than {least} mL, fluid beside the sac where its sleeves leave it, or as dark as fat, is not told apart."
_UNTOLD = "Epidural fat is nearly as bright as fluid in this scan, so that fluid outside the sac is not told apart."


def see_fluid(
    relative: Floats, canal: Canal, radius_mm: Floats, levels: tuple[Level, ...]
) -> tuple[Structure, tuple[LeakHint, ...]]:
    """Collections of fluid between sac and wall, head to foot, in front of the sac and behind it, and how that is known.

    relative: of `relative_to_fluid`; radius_mm (n, ANGLES): what is kept of the sac, 0 below its end.
    """
    outer = np.minimum(canal.wall_mm - _OFF_WALL_MM, radius_mm + _BAND_MM)
    between = (radius_mm[..., None] + _OFF_SAC_MM < RADII) & (outer[..., None] > RADII) & (radius_mm.max(axis=1) > 0)[:, None, None]
    beside = relative[between & (relative < 5.0)]
    if not beside.size or float(np.percentile(beside, 75)) > _FAT_LIKE:
        return Structure("not checked", None, _UNTOLD), ()
    fat = float(np.median(beside))
    fluid = between & (relative > fat + _FLUID * (1.0 - fat))
    thick = fluid.sum(axis=2) * RADIAL_MM
    lying = (thick >= _THICK_MM) & (np.abs(np.cos(THETA)) < _SLEEVES)
    place_of, count = _pieces(lying)
    usual = ndimage.median_filter(area_of(radius_mm), 2 * _AROUND_MM + 1, mode="nearest")
    cells = fluid * RADII * RADIAL_MM * (2 * np.pi / ANGLES) * STEP_MM / 1000.0  # mL of each
    hints = []
    for n in range(1, count + 1):
        here = place_of == n
        rows = np.flatnonzero(here.any(axis=1))
        volume_ml = float(cells.sum(axis=2)[here].sum())
        shrunk = float(np.median((area_of(radius_mm) / np.maximum(usual, 1e-6))[rows])) < _SHRUNK
        large = volume_ml >= _LEAST_ML and np.ptp(rows) >= _LEAST_MM
        if large and not shrunk and float(np.median(_dip(relative[here], radius_mm[here]))) > _DIP:
            hints.append(_hint(canal, radius_mm, here, volume_ml))
    found = tuple(sorted(hints, key=lambda hint: canal.nearest(hint.position_mm)))
    words = " ".join(hint_words(canal, levels, hint) for hint in found) or _NONE.format(least=_LEAST_ML)
    return Structure("found", _SURE, words), found


def relative_to_fluid(volume: Volume, sac: SeenSac) -> Floats:
    """float32 (n, ANGLES, radii), around a sac seen along the canal's centreline: shares of its fluid's brightness; beyond the field far
    above any."""
    rays = polar(volume, sac.curve)
    seen = np.where(rays == OUTSIDE, sac.dark + 100.0 * sac.fluid[:, None, None], rays)
    relative = np.maximum(seen - sac.dark, 0.0) / sac.fluid[:, None, None]
    return np.asarray(ndimage.gaussian_filter(relative, (1.5, 1.0, 0.5), mode=("nearest", "wrap", "nearest")), dtype=np.float32)


def _pieces(lying: NDArray[np.bool_]) -> tuple[NDArray[np.int64], int]:
    """Which piece each cell of (n, ANGLES) belongs to, 0 for none; pieces that nearly meet are one, for the middle of a film is thin."""
    start = ANGLES * 3 // 8  # between left and back nothing lies that would be cut in two
    turned = np.roll(lying, -start, axis=1)
    joined = ndimage.binary_dilation(turned, np.ones((2 * _APART + 1, 2 * _APART + 1), dtype=np.bool_))
    numbers, count = ndimage.label(joined)
    return np.roll(np.where(turned, numbers, 0).astype(np.int64), start, axis=1), int(count)


def _dip(relative: Floats, radius_mm: Floats) -> Floats:
    """(m,): how much darker the sac's edge (m,) is than what lies within and beyond it, on rays (m, radii)."""
    off = RADII - radius_mm[:, None]

    def extreme(low: float, high: float, sign: float) -> Floats:
        within = (off >= low) & (off <= high)
        return np.asarray(sign * np.where(within, sign * relative, -np.inf).max(axis=1))

    return np.minimum(extreme(-2.5, -0.5, 1.0), extreme(0.5, 3.0, 1.0)) - extreme(-1.2, 0.8, -1.0)


def _hint(canal: Canal, radius_mm: Floats, here: NDArray[np.bool_], volume_ml: float) -> LeakHint:
    rows = np.flatnonzero(here.any(axis=1))
    section = int(rows[np.argmax(ndimage.gaussian_filter1d(here.sum(axis=1)[rows].astype(np.float64), 5.0, mode="nearest"))])
    across, behind = (float((here * part(THETA)).sum()) for part in (np.cos, np.sin))
    place: HintPlace = "dorsal" if behind > 0 else "ventral"
    lean = across / max(abs(behind), 1e-6)
    side: Literal["left", "right", "midline"] = "midline" if abs(lean) < 0.3 else "left" if lean > 0 else "right"
    turn = int(np.rint(np.arctan2(behind, across) / (2 * np.pi) * ANGLES)) % ANGLES
    out = np.cos(THETA[turn]) * canal.left[section] + np.sin(THETA[turn]) * canal.back[section]
    position = canal.centreline_mm[section] + radius_mm[section, turn] * out
    points = [tuple(float(value) for value in point) for point in (position, canal.centreline_mm[rows[0]], canal.centreline_mm[rows[-1]])]
    (x, y, z), head, foot = points
    return LeakHint((x, y, z), (head[0], head[1], head[2]), (foot[0], foot[1], foot[2]), place, side, round(volume_ml, 2), "fluid outside")
