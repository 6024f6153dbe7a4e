"""The scan along the canal: a smooth centreline with its cross-sections, and values sampled in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import ndimage

from planner.anatomy.spine import ANGLES
from planner.geometry import Floats, Volume

STEP_MM = 1.0
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


@njit(cache=True, nogil=True)
def _sample_sections(voxels, slope, intercept, matrix, offset, points, left, back, u, v, outside, out):  # type: ignore[no-untyped-def]
    nk, nj, ni = voxels.shape
    for n in range(points.shape[0]):
        for m in range(u.shape[1]):
            x = points[n, 0] + u[n, m] * left[n, 0] + v[n, m] * back[n, 0]
            y = points[n, 1] + u[n, m] * left[n, 1] + v[n, m] * back[n, 1]
            z = points[n, 2] + u[n, m] * left[n, 2] + v[n, m] * back[n, 2]
            k = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + offset[0]
            j = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + offset[1]
            i = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + offset[2]
            if not (-0.5 <= k <= nk - 0.5 and -0.5 <= j <= nj - 0.5 and -0.5 <= i <= ni - 0.5):
                out[n, m] = outside
                continue
            k = min(max(k, 0.0), nk - 1.0)
            j = min(max(j, 0.0), nj - 1.0)
            i = min(max(i, 0.0), ni - 1.0)
            k0, j0, i0 = min(int(k), max(nk - 2, 0)), min(int(j), max(nj - 2, 0)), min(int(i), max(ni - 2, 0))
            k1, j1, i1 = min(k0 + 1, nk - 1), min(j0 + 1, nj - 1), min(i0 + 1, ni - 1)
            fk, fj, fi = k - k0, j - j0, i - i0
            a = voxels[k0, j0, i0] * (1 - fi) + voxels[k0, j0, i1] * fi
            b = voxels[k0, j1, i0] * (1 - fi) + voxels[k0, j1, i1] * fi
            c = voxels[k1, j0, i0] * (1 - fi) + voxels[k1, j0, i1] * fi
            d = voxels[k1, j1, i0] * (1 - fi) + voxels[k1, j1, i1] * fi
            out[n, m] = ((a * (1 - fj) + b * fj) * (1 - fk) + (c * (1 - fj) + d * fj) * fk) * slope + intercept


def in_sections(volume: Volume, curve: Curve, u_mm: Floats, v_mm: Floats) -> Floats:
    """Values at (u to the left, v to the back) of every cross-section: u, v are (n, ...). OUTSIDE beyond the scan."""
    n = len(curve.points_mm)
    inverse = np.linalg.inv(volume.frame.affine)
    u, v = np.ascontiguousarray(u_mm).reshape(n, -1), np.ascontiguousarray(v_mm).reshape(n, -1)
    out = np.empty(u.shape)
    _sample_sections(
        volume.voxels, volume.slope, volume.intercept, np.ascontiguousarray(inverse[:3, :3]), inverse[:3, 3].copy(),
        np.ascontiguousarray(curve.points_mm), np.ascontiguousarray(curve.left), np.ascontiguousarray(curve.back), u, v, OUTSIDE, out,
    )  # fmt: skip
    return out.reshape(u_mm.shape)


def polar(volume: Volume, curve: Curve) -> Floats:
    """(n, ANGLES, radii): values along 64 rays of each cross-section."""
    n = len(curve.points_mm)
    u = np.broadcast_to(np.cos(THETA)[None, :, None] * RADII, (n, ANGLES, len(RADII)))
    v = np.broadcast_to(np.sin(THETA)[None, :, None] * RADII, (n, ANGLES, len(RADII)))
    return in_sections(volume, curve, u, v)


def planes(volume: Volume, curve: Curve, half_width_mm: float, front_mm: float, back_mm: float, step_mm: float = 1.0) -> Floats:
    """(n, v, u): the straightened scan, u from -half_width to half_width (left positive), v from -front to back."""
    u = np.arange(-half_width_mm, half_width_mm + step_mm / 2, step_mm)
    v = np.arange(-front_mm, back_mm + step_mm / 2, step_mm)
    n = len(curve.points_mm)
    shape = (n, len(v), len(u))
    return in_sections(volume, curve, np.broadcast_to(u, shape), np.broadcast_to(v[:, None], shape))
