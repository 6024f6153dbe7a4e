"""Smooth solids by signed distance: parts that are blended into a field over a box of voxels, negative inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Field = NDArray[np.float32]
Ints = NDArray[np.int64]

CAPSULE, SPINOUS, BODY, LAMINA, WING = 0, 1, 2, 3, 4
_ROW = 42
_CURVED_MM = 8.0
"""How far from its line a curve goes on bending."""
OUTSIDE_MM = 1e3
"""The field where no part is near."""
_FRONT_POWER, _BACK_POWER = 2.5, 4.0
"""Outline of a vertebral body seen from above, before and behind its middle: 2 is an ellipse, more is squarer."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Bends a part around a line through `centre`: at w mm along `along` it lies w^2 / (2 radius_mm) away against `normal`."""

    centre: Floats
    normal: Floats
    along: Floats
    radius_mm: float


@dataclass(frozen=True, eq=False)
class Part:
    """One solid: a row of numbers for the kernel and the box, in design mm, outside which it does nothing."""

    row: Floats
    low: Floats
    high: Floats


def _part(kind: int, origin: Floats, axes: Floats, numbers: Sequence[float], blend: float, carve: bool,
          clip: tuple[Floats, Floats] | None, corners: Floats, curve: Curve | None = None) -> Part:
    row = np.zeros(_ROW)
    row[0], row[1], row[2] = kind, -1.0 if carve else 1.0, blend
    row[3:6], row[6:15] = origin, axes.ravel()
    if clip is not None:
        row[15], row[16:19], row[19:22] = 1.0, clip[0], clip[1]
    row[22:22 + len(numbers)] = numbers
    margin = blend + 2.0
    if curve is not None:
        row[32], row[33:36], row[36:39], row[39:42] = 0.5 / curve.radius_mm, curve.centre, curve.normal, curve.along
        margin += row[32] * _CURVED_MM**2
    return Part(row, corners.min(axis=0) - margin, corners.max(axis=0) + margin)


def capsule(start: Floats, stop: Floats, first: Floats, start_radii: tuple[float, float], stop_radii: tuple[float, float], *,
            blend: float = 2.0, carve: bool = False, clip: tuple[Floats, Floats] | None = None, curve: Curve | None = None) -> Part:
    """A rod from start to stop with elliptical sections that taper; `first` is the direction of the first radius.

    clip: (point, normal): what lies on the normal's side of that plane is cut away (curved as the rod is).
    """
    along = stop - start
    length = float(np.linalg.norm(along))
    along = along / length if length > 1e-9 else np.array([0.0, 0.0, 1.0])
    first = first - (first @ along) * along
    first = first / np.linalg.norm(first)
    axes = np.stack([first, np.cross(along, first), along])
    reach = max(*start_radii, *stop_radii)
    corners = np.array([start - reach, start + reach, stop - reach, stop + reach])
    return _part(CAPSULE, start, axes, (length, *start_radii, *stop_radii), blend, carve, clip, corners, curve)


def spinous(base: Floats, axes: Floats, length: float, half_heights: tuple[float, float], waist: float, half_thickness: float,
            tip: float, lower: float, droop: float, *, blend: float = 5.0) -> Part:
    """A spinous process: a plate in the plane of axes 2 and 3 (rows: left, across upwards, along).

    half_heights: at its base and tip, less by `waist` between; half_thickness: of the plate, more by `tip` at its end, by `lower` at its
    lower edge; droop: how far its end hangs below the line along.
    """
    high = max(half_heights) + 3.0
    wide = half_thickness + tip + lower + 3.0
    corners = base + np.array([[x, y, z] for x in (-wide, wide) for y in (-high - droop, high) for z in (-4.0, length + 4.0)]) @ axes
    return _part(SPINOUS, base, axes, (length, *half_heights, waist, half_thickness, tip, lower, droop), blend, False, None, corners)


def vertebral_body(origin: Floats, axes: Floats, half_width: float, half_depth: float, middle_d: float, height_back: float,
                   height_front: float, waist: float, concavity: float, taper: float, *, blend: float = 2.0) -> Part:
    """A body in a vertebra's frame (rows: left, back, up): waisted, wedged, with concave endplates and a rim."""
    centre = origin + middle_d * axes[1]
    box_ = np.array([half_width * 1.1, half_depth * 1.1, max(height_back, height_front) / 2 + 2])
    corners = centre + np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]) * box_ @ axes
    return _part(BODY, centre, axes, (half_width, half_depth, height_back / 2, height_front / 2, waist, concavity, taper), blend, False,
                 None, corners)


def lamina(origin: Floats, axes: Floats, inner: float, slope: float, top: float, bottom: float, ridge: float, thickness: float,
           half_width: float, window_half: float, *, blend: float = 3.0) -> Part:
    """Both laminae: a sloping roof over the canal. inner: dorsal distance of its inner face at its top edge in the midline."""
    corners = origin + np.array([
        [x, y, z] for x in (-half_width - 3, half_width + 3)
        for y in (inner - ridge * half_width - 4, inner + slope * (top - bottom) + thickness + 4) for z in (bottom - 8, top + 6)
    ]) @ axes
    return _part(LAMINA, origin, axes, (inner, slope, top, bottom, ridge, thickness, half_width, window_half), blend, False, None, corners)


def wing(origin: Floats, side: float, numbers: Sequence[float], low: Floats, high: Floats) -> Part:
    """One iliac wing: a curved plate. numbers: see the kernel."""
    return _part(WING, origin, np.diag([side, 1.0, 1.0]), numbers, 1.0, False, None, np.array([low, high]))


def mirrored(part: Part) -> Part:
    """The same part on the other side of the plane x = 0."""
    row = part.row.copy()
    for at in (3, 6, 9, 12, 16, 19, 33, 36, 39):
        row[at] = -row[at]
    low, high = part.low.copy(), part.high.copy()
    low[0], high[0] = -part.high[0], -part.low[0]
    return Part(row, low, high)


@njit(cache=True, nogil=True)
def smooth_min(a: float, b: float, k: float) -> float:
    """The lesser of two distances, with the edge between them filleted over k mm."""
    h = max(k - abs(a - b), 0.0) / k
    return min(a, b) - h * h * k * 0.25


@njit(cache=True, nogil=True)
def to_design(x: float, y: float, z: float, bend: Floats, bend_z0: float) -> tuple[float, float, float]:
    """Takes the side bend out of a point. bend: rows at 1 mm of z: shift of x, slope, turn about the axis, y of the axis."""
    n = bend.shape[0]
    if n < 2:
        return x, y, z
    zeta = z
    shift, slope, turn, middle = 0.0, 0.0, 0.0, 0.0
    for _ in range(3):
        f = min(max(zeta - bend_z0, 0.0), n - 1.001)
        i = int(f)
        w = f - i
        shift = bend[i, 0] * (1 - w) + bend[i + 1, 0] * w
        slope = bend[i, 1] * (1 - w) + bend[i + 1, 1] * w
        turn = bend[i, 2] * (1 - w) + bend[i + 1, 2] * w
        middle = bend[i, 3] * (1 - w) + bend[i + 1, 3] * w
        zeta = z + slope * (x - shift)
    u, v = (x - shift) * np.sqrt(1 + slope * slope), y - middle
    c, s = np.cos(turn), np.sin(turn)
    return c * u + s * v, middle - s * u + c * v, zeta


@njit(cache=True, nogil=True)
def _ellipsoidal(q1: float, q2: float, q3: float, r1: float, r2: float, r3: float) -> float:
    a, b, c = q1 / r1, q2 / r2, q3 / r3
    k0 = np.sqrt(a * a + b * b + c * c)
    a, b, c = a / r1, b / r2, c / r3
    k1 = np.sqrt(a * a + b * b + c * c)
    if k1 < 1e-9:
        return -min(r1, r2, r3)
    return float(k0 * (k0 - 1.0) / k1)


@njit(cache=True, nogil=True)
def _capsule(q1: float, q2: float, q3: float, p: Floats) -> float:
    length = p[0]
    t = min(max(q3 / length, 0.0), 1.0) if length > 1e-9 else 0.0
    r1, r2 = p[1] + (p[3] - p[1]) * t, p[2] + (p[4] - p[2]) * t
    return _ellipsoidal(q1, q2, q3 - t * length, r1, r2, min(r1, r2))


@njit(cache=True, nogil=True)
def _spinous(x: float, up: float, along: float, p: Floats) -> float:
    t = min(max(along / p[0], 0.0), 1.0)
    half = p[1] + (p[2] - p[1]) * t - 4.0 * p[3] * t * (1.0 - t)
    off = up + p[7] * t * t
    v = min(max(off / half, -1.2), 1.2)
    swollen = t * t * t
    thick = p[4] + p[5] * swollen * (1.0 - 0.35 * max(v, 0.0)) + 2.2 * np.exp(-((t / 0.16) ** 2))
    thick += p[6] * min(v, 0.0) ** 2 * (0.3 + 0.7 * t) - 0.5 * p[4] * max(v, 0.0) ** 3
    # its end is round, and reaches furthest below the middle
    end = along - p[0] + 0.24 * (off + 0.35 * half) ** 2 / half
    edges = -smooth_min(half - abs(off), -max(end, -along - 3.0), 0.55 * half)
    return -smooth_min(thick - abs(x), -edges, 4.5)


@njit(cache=True, nogil=True)
def _body(x: float, d: float, z: float, p: Floats) -> float:
    half_width, half_depth = p[0], p[1]
    share = 0.5 + 0.5 * min(max(d / half_depth, -1.0), 1.0)
    height = p[3] + (p[2] - p[3]) * share
    level = min(max(z / height, -1.15), 1.15)
    narrow = 1.0 - (1.0 - p[4]) * (1.0 - level * level)
    grow = narrow * (1.0 + (p[6] - 1.0) * (0.5 - 0.5 * level))
    a = half_width * grow
    # the back wall is hardly waisted, or the canal would widen behind every body
    b = half_depth * (grow if d < 0 else 1.0 - 0.25 * (1.0 - grow))
    u, v = abs(x) / a, abs(d) / b
    # round in front, kidney-shaped behind: its back corners stand as far back as its middle, and bound the foramina
    power = _FRONT_POWER if d < 0 else _BACK_POWER
    r = (u**power + v**power) ** (1.0 / power)
    wall = (r - 1.0) * min(a, b) * (0.75 + 0.25 * r)
    inside = max(1.0 - r * r, 0.0)
    rim = np.exp(-((r - 0.93) / 0.09) ** 2)
    # the deepest place of an endplate lies behind its middle; its rim stands up, most in front
    hollow = inside * (1.25 - 0.25 * inside) * (1.0 + 0.25 * min(max(d / half_depth, -1.0), 1.0))
    plate = abs(z) - height + p[5] * hollow - (0.35 + 0.30 * max(-d / half_depth, 0.0)) * rim
    return -smooth_min(-wall, -plate, 2.2)


@njit(cache=True, nogil=True)
def _lamina(x: float, d: float, z: float, p: Floats) -> float:
    inner, slope, top, bottom, ridge, thickness, half_width, window_half = p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]
    across = abs(x)
    face = inner + slope * (top - z) - ridge * (np.sqrt(x * x + 9.0) - 3.0)
    steep = np.sqrt(1.0 + slope * slope + ridge * ridge * x * x / (x * x + 9.0))
    plate = abs((d - face) / steep - thickness / 2) - thickness / 2
    over = z - (top + 0.22 * across)
    lower = bottom - 5.5 / (1.0 + np.exp(-(across - window_half - 1.0) * 0.9)) + 0.8 * np.exp(-((across - 0.55 * window_half) / 3.0) ** 2)
    under = lower - z
    edges = -smooth_min(-over, -under, 1.5)
    # narrowest between the articular processes
    waist = 3.4 * np.exp(-(((z - 0.55 * top - 0.45 * bottom) / 5.5) ** 2))
    edges = -smooth_min(-edges, -(across - half_width + waist), 6.0)
    return -smooth_min(-plate, -edges, 3.5)


@njit(cache=True, nogil=True)
def _wing(x: float, y: float, z: float, p: Floats) -> float:
    # p: x and y of the back end, x and y of the front end, crest height at its top, share along where it is highest, its fall, bow
    along_x, along_y = p[2] - p[0], p[3] - p[1]
    length = np.sqrt(along_x * along_x + along_y * along_y)
    ux, uy = along_x / length, along_y / length
    t = ((x - p[0]) * ux + (y - p[1]) * uy) / length
    # the plate leans outward going up, is hollow towards the belly, and bends like an S from the sacrum to its front end
    off = (x - p[0]) * uy * -1.0 + (y - p[1]) * ux
    lean = p[4] - z
    if abs(off) > 60.0:  # far from any of its bends
        return float(abs(off) - 40.0)
    off += p[7] * (1.0 - (2.0 * t - 1.0) ** 2) + (0.14 * lean + 0.0009 * lean * lean) * min(max(t - 0.08, 0.0), 1.0) - 4.0
    off += 4.5 * np.sin(6.2832 * min(max(t, 0.0), 1.0)) - 3.0 * np.exp(-(((t - 0.72) / 0.15) ** 2)) * np.exp(-((lean / 25.0) ** 2))
    crest = p[4] - p[6] * (t - p[5]) ** 2
    below = z - crest
    thickness = 2.5 + 4.8 * np.exp(-((t - 0.03) / 0.17) ** 2) + 3.0 * np.exp(-((below + 4.0) / 8.0) ** 2)
    thickness += 1.8 * np.exp(-(((t - 0.66) / 0.10) ** 2)) * np.exp(-((below / 30.0) ** 2)) + 2.0 * np.exp(-(((t - 0.96) / 0.08) ** 2))
    plate = abs(off) - thickness
    ends = max(-t, t - 1.0) * length
    limits = -smooth_min(-below, -ends, 12.0)
    return -smooth_min(-plate, -limits, 5.0)


@njit(cache=True, nogil=True)
def add_part(
    field: Field, row: Floats, first: Ints, stop: Ints, origin: Floats, step: Floats, bend: Floats, bend_z0: float
) -> None:
    """Blend a part into a field [k, j, i] inside the box of its voxels first..stop; origin and step: design mm of the field's grid."""
    kind, blend = int(row[0]), row[2]
    p = row[22:]
    for k in range(first[0], stop[0]):
        z0 = origin[2] + step[2] * k
        for j in range(first[1], stop[1]):
            y0 = origin[1] + step[1] * j
            for i in range(first[2], stop[2]):
                x, y, z = to_design(origin[0] + step[0] * i, y0, z0, bend, bend_z0)
                if row[32] != 0.0:
                    w = (x - row[33]) * row[39] + (y - row[34]) * row[40] + (z - row[35]) * row[41]
                    lift = row[32] * min(w * w, 64.0)
                    x, y, z = x + lift * row[36], y + lift * row[37], z + lift * row[38]
                gx, gy, gz = x - row[3], y - row[4], z - row[5]
                q1 = row[6] * gx + row[7] * gy + row[8] * gz
                q2 = row[9] * gx + row[10] * gy + row[11] * gz
                q3 = row[12] * gx + row[13] * gy + row[14] * gz
                if kind == 0:
                    d = _capsule(q1, q2, q3, p)
                elif kind == 1:
                    d = _spinous(q1, q2, q3, p)
                elif kind == 2:
                    d = _body(q1, q2, q3, p)
                elif kind == 3:
                    d = _lamina(q1, q2, q3, p)
                else:
                    d = _wing(q1, q2, q3, p)
                if row[15] > 0:
                    cut = (x - row[16]) * row[19] + (y - row[17]) * row[20] + (z - row[18]) * row[21]
                    d = -smooth_min(-d, -cut, 1.2)
                if row[1] > 0:
                    field[k, j, i] = smooth_min(field[k, j, i], d, blend)
                else:
                    field[k, j, i] = -smooth_min(-field[k, j, i], d, blend)
