"""Whether vertebrae lie in front of a tube: the borders of discs run through all their width and depth, a gut's do not."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import ndimage

from planner.anatomy.levels import amid_borders
from planner.anatomy.reformat import OUTSIDE, Curve, in_sections
from planner.geometry import Floats, Volume

_ACROSS_MM: Floats = np.arange(-15.0, 15.1, 2.0).reshape(4, 4)  # of a body, in four parts from right to left
_DEEP_MM: Floats = np.arange(3.0, 17.1, 2.0).reshape(2, 4)  # from the canal's front wall, in a shallow and a deep part
_LEAST_PARTS = 5  # of the eight in view: of both sides and both depths
_LEANING, _NODDING = np.tan(np.radians([-20, -10, 0, 10, 20])), np.tan(np.radians(np.arange(-30, 31, 6)))
_BIAS_MM, _RHYTHM_MM, _BLUR_MM, _BORDER_MM = 25.0, 15.0, 2.0, 1.2  # sigmas, in sections of about 1 mm
_AROUND_MM = 81  # two to five vertebrae: over this length discs lean and nod alike


def vertebrae_before(volume: Volume, curve: Curve, front_mm: Floats) -> float | None:
    """How alike the parts of what lies in front of a tube have discs at the same places: about 0 where they do by chance alone, 1 where all
    do; None where less than half of them is in view. front_mm: (n,), from the curve to what lies in front of the canal.

    The mean correlation of the parts' borders along the tube, at the tilt of the discs at which they are most alike around each place.
    """
    shape = (len(front_mm), _DEEP_MM.size, _ACROSS_MM.size)
    v = -(front_mm[:, None] + _DEEP_MM.ravel())
    block = in_sections(volume, curve, np.broadcast_to(_ACROSS_MM.ravel(), shape), np.broadcast_to(v[:, :, None], shape))
    samples = block.reshape(len(front_mm), *_DEEP_MM.shape, *_ACROSS_MM.shape)
    discs, at_mm = [], []
    for deep, across in np.ndindex(len(_DEEP_MM), len(_ACROSS_MM)):
        part = samples[:, deep, :, across].reshape(len(front_mm), -1)
        seen = part != OUTSIDE
        rows = np.flatnonzero(seen.mean(axis=1) > 0.5)
        if len(rows) > 0.5 * len(part):
            means = (part * seen).sum(axis=1)[rows] / seen.sum(axis=1)[rows]
            discs.append(_rhythm(np.interp(np.arange(len(part)), rows, means)))
            at_mm.append((_ACROSS_MM[across].mean(), _DEEP_MM[deep].mean()))
    return _alike(np.array(discs), np.array(at_mm)) if len(discs) >= _LEAST_PARTS else None


def _rhythm(profile: Floats) -> Floats:
    """How much each place along a profile lies amid two borders, more or less than usual around it."""
    level = np.maximum(np.abs(ndimage.gaussian_filter1d(profile, _BIAS_MM, mode="nearest")), 1.0)
    steep = np.abs(ndimage.gaussian_filter1d(profile, _BORDER_MM, order=1, mode="nearest")) / level
    discs = ndimage.gaussian_filter1d(np.sqrt(amid_borders(steep, np.arange(len(profile), dtype=np.float64))), _BLUR_MM, mode="nearest")
    return np.asarray(discs - ndimage.gaussian_filter1d(discs, _RHYTHM_MM, mode="nearest"))


def _alike(signals: Floats, at_mm: Floats) -> float:
    """Mean over the places along signals (m, n) of their mean correlation around there, turned as they fit best. at_mm: (m, 2), how far to
    the left and to the front each was taken."""
    count, n = signals.shape
    along, around = np.arange(n), min(_AROUND_MM, n)
    off_mm = at_mm - at_mm.mean(axis=0)
    best = np.full(n, -np.inf)
    for tilt in itertools.product(_LEANING, _NODDING):
        turned = np.array([np.interp(along + off @ tilt, along, signal) for off, signal in zip(off_mm, signals)])
        spread = np.sqrt(ndimage.uniform_filter1d(turned**2, around, axis=1, mode="nearest"))
        mean = (turned / np.maximum(spread, 1e-9)).mean(axis=0)
        together = ndimage.uniform_filter1d(mean**2, around, mode="nearest")
        best = np.maximum(best, (count * together - 1.0) / (count - 1))
    half = (around - 1) // 2
    return float(best[half : n - half].mean())
