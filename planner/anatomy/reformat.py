"""The scan along the canal: a smooth centreline with its cross-sections, and values sampled in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from planner.anatomy.spine import ANGLES
from planner.geometry import Floats, Volume

STEP_MM = 0.995  # what rounding to thousandths leaves below 1 mm, as the contract wants
RADIAL_MM = 0.5
RADII: Floats = np.arange(1, 49, dtype=np.float64) * RADIAL_MM  # 0.5 to 24 mm
THETA = np.arange(ANGLES) * 2 * np.pi / ANGLES
OUTSIDE = -2000.0  # what sampling gives beyond the scan; no tissue has it


@dataclass(frozen=True, eq=False)
class Curve:
    """A centreline from head to foot, (n, 3) LPS about 1 mm apart, with unit vectors left, back and tangent (toward the feet), (n, 3)."""

    points_mm: Floats
    left: Floats
    back: Floats
    tangent: Floats

    @property
    def s_mm(self) -> Floats:
        """Length from the head end, (n,)."""
        return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.points_mm, axis=0), axis=1))])


def smooth(values: Floats, sigma: float) -> Floats:
    """Gaussian along the first axis that keeps straight lines straight at the ends (odd reflection)."""
    pad = min(len(values) - 1, round(4 * sigma) + 1)
    if pad < 1:
        return values
    head = 2 * values[:1] - values[pad:0:-1]
    foot = 2 * values[-1:] - values[-2 : -pad - 2 : -1]
    return np.asarray(ndimage.gaussian_filter1d(np.concatenate([head, values, foot]), sigma, axis=0)[pad : pad + len(values)])


def curve_through(points_mm: Floats, smoothing_mm: float) -> Curve:
    """A smooth curve through points from head to foot, 1 mm apart or slightly less."""
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points_mm, axis=0), axis=1))])
    keep = np.concatenate([[True], np.diff(lengths) > 1e-6])
    lengths, points_mm = lengths[keep], points_mm[keep]
    count = max(2, int(np.ceil(lengths[-1] / STEP_MM)) + 1)
    at = np.linspace(0, lengths[-1], count)
    dense = np.stack([np.interp(at, lengths, points_mm[:, n]) for n in range(3)], axis=1)
    dense = smooth(dense, smoothing_mm)
    again = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(dense, axis=0), axis=1))])
    count = max(2, int(np.ceil(again[-1] / STEP_MM)) + 1)
    at = np.linspace(0, again[-1], count)
    points = np.stack([np.interp(at, again, dense[:, n]) for n in range(3)], axis=1)
    tangent = smooth(np.gradient(points, axis=0), 2.0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    left = np.array([1.0, 0, 0]) - tangent * tangent[:, :1]
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    return Curve(points, left, np.cross(left, tangent), tangent)


def in_sections(volume: Volume, curve: Curve, u_mm: Floats, v_mm: Floats) -> Floats:
    """Values at (u to the left, v to the back) of every cross-section: u, v are (n, ...). OUTSIDE beyond the scan."""
    return volume.sample_planes(curve.points_mm, curve.left, curve.back, u_mm, v_mm, OUTSIDE)


def polar(volume: Volume, curve: Curve) -> Floats:
    """(n, ANGLES, radii): values along 64 rays of each cross-section."""
    n = len(curve.points_mm)
    u = np.broadcast_to(np.cos(THETA)[None, :, None] * RADII, (n, ANGLES, len(RADII)))
    v = np.broadcast_to(np.sin(THETA)[None, :, None] * RADII, (n, ANGLES, len(RADII)))
    return in_sections(volume, curve, u, v)


def rising(rays: Floats, level: Floats, low_mm: Floats, high_mm: Floats) -> Floats:
    """(n, angles): the radius between two others at which the values along a ray (n, angles, radii) first pass a level on their way up;
    NaN where they do not."""
    over = (rays > level[..., None]) & (low_mm[..., None] <= RADII) & (high_mm[..., None] >= RADII)
    at = np.maximum(over.argmax(axis=2), 1)
    high = np.take_along_axis(rays, at[..., None], axis=2)[..., 0]
    low = np.take_along_axis(rays, at[..., None] - 1, axis=2)[..., 0]
    share = np.clip((level - low) / np.maximum(high - low, 1e-3), 0.0, 1.0)
    return np.where(over.any(axis=2) & (high > low), RADII[at] - RADIAL_MM * (1 - share), np.nan)


def percentile_of_seen(samples: Floats, percent: float) -> Floats:
    """(n,): a percentile of each row of samples (n, m) over what is no NaN, which each row has some of. As np.nanpercentile, many times
    faster."""
    ordered = np.sort(samples, axis=1)  # NaN comes last
    at = (np.isfinite(ordered).sum(axis=1) - 1) * (percent / 100.0)
    below, row = np.floor(at).astype(int), np.arange(len(ordered))
    low, high = ordered[row, below], ordered[row, np.ceil(at).astype(int)]
    share = at - below
    return np.asarray(np.where(share < 0.5, low + (high - low) * share, high - (high - low) * (1.0 - share)))
