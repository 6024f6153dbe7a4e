"""The canal: its wall, fat, ligaments, sac, cord and cauda equina, in coordinates that follow its axis."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.phantom.canvas import Box, Canvas, sample_texture
from planner.phantom.layout import PROFILE, STEP_MM, Layout, Vertebra
from planner.phantom.painters import Image, Labels, covered
from planner.phantom.shapes import OUTSIDE_MM, Field, Floats, Ints, to_design

_MAP_STEP = 0.5
SPLIT = -0.2
"""Where the canal is widest, as a share of its front depth; negative is ventral."""
_FRONT_POWER = 3.2
_FLOW_LOSS = 0.28
"""How much signal moving fluid may lose on MR."""

VENTRAL, ROOF, HALF_WIDTH, ROOF_POWER, SAC_D, SAC_A, SAC_B, CORD_A, CORD_B, FLAVUM, WINDOW, BODY = range(12)


@dataclass(frozen=True, eq=False)
class CanalField:
    """On a box of voxels around the canal: distance to its wall, s along and d dorsal of its axis, all design mm, float32."""

    box: Box
    wall: Field
    s: Field
    d: Field


@njit(cache=True, nogil=True)
def _curve_map(axis: Floats, tilt: Floats, y0: float, z0: float, ny: int, nz: int, step: float, node_step: float) -> Floats:
    out = np.empty((nz, ny, 2))
    last = axis.shape[0] - 1.001
    for j in range(ny):
        f = 0.0
        for k in range(nz):
            y, z = y0 + j * step, z0 + k * step
            dy, dz, t, away = 0.0, 0.0, 0.0, 0.0
            for _ in range(60 if k == 0 else 10):
                m = int(f)
                w = f - m
                t = tilt[m] * (1 - w) + tilt[m + 1] * w
                dy = y - (axis[m, 0] * (1 - w) + axis[m + 1, 0] * w)
                dz = z - (axis[m, 1] * (1 - w) + axis[m + 1, 1] * w)
                away = -dy * np.sin(t) + dz * np.cos(t)
                f = min(max(f + 0.85 * away / node_step, 0.0), last)
            out[k, j, 0] = f * node_step
            out[k, j, 1] = dy * np.cos(t) + dz * np.sin(t)
            if abs(away) > 2.0:
                out[k, j, 1] = 1e3
    return out


@njit(cache=True, nogil=True)
def wall_distance(x: float, d: float, p: Floats) -> float:
    """Signed distance (nearly) to the canal's wall of a point (x, d) of the cross-section p, a row of Layout.profile."""
    middle = SPLIT * p[VENTRAL]
    if d > middle:
        deep, power = p[ROOF] - middle, p[ROOF_POWER]
    else:
        deep, power = p[VENTRAL] + middle, _FRONT_POWER
    u, v = abs(x) / p[HALF_WIDTH], abs(d - middle) / deep
    f = (u**power + v**power) ** (1.0 / power)
    if f < 1e-6:
        return float(-min(deep, p[HALF_WIDTH]))
    gx, gy = (u / f) ** (power - 1.0) / p[HALF_WIDTH], (v / f) ** (power - 1.0) / deep
    return float((f - 1.0) / np.sqrt(gx * gx + gy * gy))


@njit(cache=True, nogil=True)
def _row(profile: Floats, f: float, out: Floats) -> None:
    f = min(max(f, 0.0), profile.shape[0] - 1.001)
    m = int(f)
    w = f - m
    for c in range(out.shape[0]):
        out[c] = profile[m, c] * (1 - w) + profile[m + 1, c] * w


@njit(cache=True, nogil=True)
def _fill(
    first: Ints, shape: Ints, origin: Floats, step: Floats, bend: Floats, bend_z0: float, curve: Floats, y0: float, z0: float,
    map_step: float, profile: Floats, node_step: float, wall: Field, s_out: Field, d_out: Field,
) -> None:
    p = np.empty(profile.shape[1])
    for k in range(shape[0]):
        for j in range(shape[1]):
            for i in range(shape[2]):
                x, y, z = to_design(origin[0] + step[0] * (i + first[2]), origin[1] + step[1] * (j + first[1]),
                                    origin[2] + step[2] * (k + first[0]), bend, bend_z0)
                fy, fz = (y - y0) / map_step, (z - z0) / map_step
                if fy < 0 or fz < 0 or fy >= curve.shape[1] - 1 or fz >= curve.shape[0] - 1:
                    continue
                b, a = int(fy), int(fz)
                v, w = fy - b, fz - a
                s = ((curve[a, b, 0] * (1 - v) + curve[a, b + 1, 0] * v) * (1 - w)
                     + (curve[a + 1, b, 0] * (1 - v) + curve[a + 1, b + 1, 0] * v) * w)
                d = ((curve[a, b, 1] * (1 - v) + curve[a, b + 1, 1] * v) * (1 - w)
                     + (curve[a + 1, b, 1] * (1 - v) + curve[a + 1, b + 1, 1] * v) * w)
                s_out[k, j, i], d_out[k, j, i] = s, d
                if abs(d) < 35 and abs(x) < 35:
                    _row(profile, s / node_step, p)
                    wall[k, j, i] = wall_distance(x, d, p)


def canal_field(canvas: Canvas, layout: Layout) -> CanalField:
    """The canal's coordinates over its part of the scan. s is counted from layout.s0."""
    y = layout.axis[:, 0]
    low = np.array([-30.0, y.min() - 32, layout.axis[0, 1]])
    high = np.array([30.0, y.max() + 32, layout.axis[-1, 1]])
    ny, nz = int((high[1] - low[1]) / _MAP_STEP) + 1, int((high[2] - low[2]) / _MAP_STEP) + 1
    curve = _curve_map(layout.axis, layout.tilt, low[1], low[2], ny, nz, _MAP_STEP, STEP_MM)
    first, stop = canvas.box(low, high)
    shape = tuple(stop - first)
    wall, s, d = np.full(shape, OUTSIDE_MM, np.float32), np.full(shape, -OUTSIDE_MM, np.float32), np.full(shape, OUTSIDE_MM, np.float32)
    _fill(first, np.array(shape), canvas.origin, canvas.step, canvas.bend, canvas.bend_z0, curve, low[1], low[2], _MAP_STEP,
          layout.profile, STEP_MM, wall, s, d)
    return CanalField((first, stop), wall, s, d)


@njit(cache=True, nogil=True)
def _carve(field: Field, field_first: Ints, wall: Field, wall_first: Ints) -> None:
    for k in range(field.shape[0]):
        c = k + field_first[0] - wall_first[0]
        if c < 0 or c >= wall.shape[0]:
            continue
        for j in range(field.shape[1]):
            b = j + field_first[1] - wall_first[1]
            if b < 0 or b >= wall.shape[1]:
                continue
            for i in range(field.shape[2]):
                a = i + field_first[2] - wall_first[2]
                if 0 <= a < wall.shape[2]:
                    field[k, j, i] = max(field[k, j, i], -wall[c, b, a])


def carve_canal(field: Field, box: Box, canal: CanalField) -> None:
    """Take the canal out of a bone's field, in place."""
    _carve(field, box[0], canal.wall, canal.box[0])


@njit(cache=True, nogil=True)
def _ligaments(
    wall: Field, s: Field, d: Field, first: Ints, image: Image, labels: Labels, origin: Floats, step: Floats, bend: Floats,
    bend_z0: float, profile: Floats, node_step: float, label: int, flavum: float, ligament: float, behind: float,
) -> None:
    width = (step[0] + step[1] + step[2]) / 3
    p = np.empty(profile.shape[1])
    for k in range(wall.shape[0]):
        for j in range(wall.shape[1]):
            for i in range(wall.shape[2]):
                c, depth = wall[k, j, i], d[k, j, i]
                if c < -width or depth < -4 or depth > 34:
                    continue
                a, b, e = k + first[0], j + first[1], i + first[2]
                x, _y, _z = to_design(origin[0] + step[0] * e, origin[1] + step[1] * b, origin[2] + step[2] * a, bend, bend_z0)
                _row(profile, s[k, j, i] / node_step, p)
                if p[FLAVUM] <= 0:
                    continue
                # between the laminae a thin sheet in the midplane, the interspinous ligament, with fat on both sides of it
                sheet = covered(abs(x) - 2.6, width) * covered(p[FLAVUM] - c, width) * covered(depth - behind, width)
                share = covered(c - p[FLAVUM], width) * covered(-c, width) * covered(abs(x) - p[HALF_WIDTH] - 2.0, width)
                share *= covered(-1.5 - depth, width)
                if sheet > 0:
                    fibre = 0.86 + 0.14 * np.sin(1.1 * depth + 0.9 * s[k, j, i] + 0.6 * np.sin(0.5 * depth))
                    sheet *= fibre
                    image[a, b, e] = round(image[a, b, e] * (1 - sheet) + ligament * sheet)
                if share > 0:
                    image[a, b, e] = round(image[a, b, e] * (1 - share) + flavum * share)
                    if share > 0.5:
                        labels[a, b, e] = label


def paint_ligaments(canvas: Canvas, layout: Layout, canal: CanalField, label: int) -> None:
    """Ligamenta flava and interspinous ligaments; bones are painted over them."""
    _ligaments(canal.wall, canal.s, canal.d, canal.box[0], canvas.image, canvas.labels, canvas.origin, canvas.step, canvas.bend,
               canvas.bend_z0, layout.profile, STEP_MM, label, canvas.value("flavum"), canvas.value("ligament"), 34.0)


@njit(cache=True, nogil=True)
def _contents(
    wall: Field, s: Field, d: Field, first: Ints, image: Image, labels: Labels, origin: Floats, step: Floats, bend: Floats,
    bend_z0: float, profile: Floats, node_step: float, rootlets: Floats, tissue: Floats, label_epidural: int, label_sac: int,
    label_cord: int, sac_low: float, sac_high: float, sac_span: float, texture: Field, flow: float,
) -> None:
    # tissue: fat, vein, csf, cord, root, dura; sac_low..sac_high: the sac's value from its upper to its lower side along y, by sac_span
    width = (step[0] + step[1]) / 2
    p = np.empty(profile.shape[1])
    n_roots = rootlets.shape[0]
    for k in range(wall.shape[0]):
        for j in range(wall.shape[1]):
            for i in range(wall.shape[2]):
                c = wall[k, j, i]
                if c > width:
                    continue
                a, b, e = k + first[0], j + first[1], i + first[2]
                x, _y, _z = to_design(origin[0] + step[0] * e, origin[1] + step[1] * b, origin[2] + step[2] * a, bend, bend_z0)
                f = s[k, j, i] / node_step
                _row(profile, f, p)
                depth = d[k, j, i]
                share = covered(c, width)
                # veins and little fat behind the bodies; fat everywhere else
                veins = p[BODY] * min(max((-depth - 0.35 * p[VENTRAL]) / 3.0, 0.0), 1.0) * min(max((9.0 - abs(x)) / 3.0, 0.0), 1.0)
                inner = tissue[0] * (1 - veins) + tissue[1] * veins
                label = label_epidural
                if p[SAC_A] > 0.5:
                    gx, gy = x, depth - p[SAC_D]
                    u, v = gx / p[SAC_A], gy / p[SAC_B]
                    k0, k1 = np.sqrt(u * u + v * v), np.sqrt((u / p[SAC_A]) ** 2 + (v / p[SAC_B]) ** 2)
                    sac = k0 * (k0 - 1) / k1 if k1 > 1e-9 else -p[SAC_B]
                    sac = max(sac, c + 0.4)
                    in_sac = covered(sac, width)
                    if in_sac > 0:
                        lean = min(max(0.5 + gy / (2 * sac_span), 0.0), 1.0)
                        fluid = sac_low * (1 - lean) + sac_high * lean
                        m = min(max(int(f), 0), rootlets.shape[1] - 1)
                        for r in range(n_roots):
                            if rootlets[r, m, 2] <= 0:
                                continue
                            away = np.sqrt((u - rootlets[r, m, 0]) ** 2 * p[SAC_A] ** 2 + (v - rootlets[r, m, 1]) ** 2 * p[SAC_B] ** 2)
                            part = covered(away - rootlets[r, m, 2], width)
                            fluid = fluid * (1 - part) + tissue[4] * part
                        if flow > 0:
                            # moving fluid loses its signal on MR, most behind the cord and beside the strands
                            eddy = sample_texture(texture, x / 4.0, depth / 3.5, s[k, j, i] / 11.0)
                            fluid *= 1.0 - flow * min(max(0.35 * eddy + 0.25 * (p[CORD_A] > 0.3), 0.0), 1.0)
                        skin = covered(sac + 0.3, width)
                        fluid = tissue[5] * (1 - skin) + fluid * skin
                        inner = inner * (1 - in_sac) + fluid * in_sac
                        if in_sac >= 0.5:
                            label = label_sac
                    if p[CORD_A] > 0.3 and p[CORD_B] > 0.3:
                        u, v = gx / p[CORD_A], gy / p[CORD_B]
                        k0, k1 = np.sqrt(u * u + v * v), np.sqrt((u / p[CORD_A]) ** 2 + (v / p[CORD_B]) ** 2)
                        cord = k0 * (k0 - 1) / k1 if k1 > 1e-9 else -p[CORD_B]
                        in_cord = covered(cord, width)
                        inner = inner * (1 - in_cord) + tissue[3] * in_cord
                        if in_cord >= 0.5:
                            label = label_cord
                image[a, b, e] = round(image[a, b, e] * (1 - share) + inner * share)
                if share >= 0.5:
                    labels[a, b, e] = label


def rootlets(layout: Layout, exits: dict[str, float], dependent: float, jitter: np.random.Generator) -> Floats:
    """Cauda equina: (roots, nodes, 3) place in the sac as shares of its half-axes, and radius in mm; radius 0 where it is not.

    exits: the s at which each level's root leaves the sac. dependent: +1 when the roots lie dorsally (supine), -1 ventrally (prone).
    """
    n = len(layout.tilt)
    s = layout.s0 + STEP_MM * np.arange(n)
    conus = layout["L1"].s_mm + 4.0
    names = [name for name in exits if exits[name] < conus]
    out = np.zeros((2 * len(names), n, 3))
    for at, name in enumerate(names):
        # the next to leave lies outermost; those that run on lie in the middle and lowest
        t = np.clip((s - exits[name]) / max(conus - exits[name], 1.0), 0.0, 1.0)
        for half, side in enumerate((1.0, -1.0)):
            sway = 0.05 * np.sin(s / 23.0 + jitter.uniform(0, 2 * pi))
            resting = 0.12 + 0.075 * ((at * 5) % 7) + sway
            x = side * (0.86 * (1 - t) ** 1.5 + (1 - (1 - t) ** 1.5) * resting)
            v = (0.10 * (1 - t) + dependent * t * (0.62 - 0.75 * np.abs(x) ** 2) + jitter.uniform(-0.1, 0.1) * t)
            out[2 * at + half, :, 0] = x
            out[2 * at + half, :, 1] = v
            out[2 * at + half, :, 2] = np.where((s > exits[name]) & (s < conus), jitter.uniform(0.45, 0.7), 0.0)
    return out


def paint_contents(canvas: Canvas, layout: Layout, canal: CanalField, roots: Floats, sac_values: tuple[float, float],
                   labels: tuple[int, int, int]) -> None:
    """Epidural fat and veins, sac with its fluid and roots, cord. sac_values: ventral and dorsal; labels: epidural, sac, cord."""
    names = ("epidural fat", "epidural vein", "csf", "cord", "root", "dura")
    tissue: NDArray[np.float64] = np.array([canvas.value(name) for name in names])
    _contents(canal.wall, canal.s, canal.d, canal.box[0], canvas.image, canvas.labels, canvas.origin, canvas.step, canvas.bend,
              canvas.bend_z0, layout.profile, STEP_MM, roots, tissue, *labels, *sac_values, 7.0, canvas.texture,
              _FLOW_LOSS if canvas.shows == "t2" else 0.0)


def canal_section(layout: Layout, s: float) -> tuple[float, float]:
    """Area (mm2) and d of the centroid of the canal's cross-section at s, by counting a fine raster (unscaled)."""
    p = np.array([layout.at(s, name) for name in PROFILE])
    x, d = np.meshgrid(np.arange(-20, 20, 0.1), np.arange(-15, 25, 0.1))
    middle = SPLIT * p[VENTRAL]
    back = d > middle
    deep = np.where(back, p[ROOF] - middle, p[VENTRAL] + middle)
    power = np.where(back, p[ROOF_POWER], _FRONT_POWER)
    inside = (np.abs(x) / p[HALF_WIDTH]) ** power + (np.abs(d - middle) / deep) ** power <= 1.0
    return float(np.count_nonzero(inside) * 0.01), float(d[inside].mean())


def disc_centre(layout: Layout, upper: Vertebra, lower: Vertebra) -> tuple[Floats, Floats, Floats]:
    """Centre, back and up of the disc between two vertebrae."""
    t = layout.table

    def face(v: Vertebra, sign: float) -> Floats:
        height = (t("body_height_back", v.name) + t("body_height_front", v.name)) / 4
        return v.place(0, -(t("canal_depth", v.name) + t("endplate_depth", v.name)) / 2 + 0.5, sign * height)

    centre = (face(upper, -1.0) + face(lower, 1.0)) / 2
    back = upper.back + lower.back
    up = upper.up + lower.up
    return centre, back / np.linalg.norm(back), up / np.linalg.norm(up)
