"""Paint one solid, one swept organ, bone or the canal over the canvas: each edge is covered by its share of the voxel."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.phantom.canvas import ridge, sample_texture
from planner.phantom.shapes import Field, Floats, Ints, to_design

Image = NDArray[np.int16]
Labels = NDArray[np.uint8]

# Kernels write image and labels in place. `first` is the field's first voxel (k, j, i) on the canvas; `origin` and `step` are the
# canvas' design mm as (x, y, z). A label of 0 leaves labels alone.


@njit(cache=True, nogil=True)
def covered(distance: float, width: float) -> float:
    """The share of a voxel of this width that lies inside a surface at this signed distance from its centre."""
    return min(max(0.5 - distance / width, 0.0), 1.0)


@njit(cache=True, nogil=True)
def paint_solid(
    field: Field, first: Ints, image: Image, labels: Labels, origin: Floats, step: Floats, texture: Field, value: float, label: int,
    spread: float, cells: Floats, wall: float, wall_value: float, gas_value: float, gas_label: int, gas_level: float, gas_sign: float,
    uneven: float, bubbles: float,
) -> None:
    """A solid of one tissue, with a wall of `wall` mm (0: none) and gas inside where gas_sign * (y - gas_level) > 0 (sign 0: none).

    uneven: how far its surface wanders, mm; bubbles: share of gas in what it holds.
    """
    width = (step[0] + step[1]) / 2
    nk, nj, ni = field.shape
    for k in range(nk):
        for j in range(nj):
            for i in range(ni):
                d = field[k, j, i]
                if d > width + 2.5 * uneven:
                    continue
                a, b, c = k + first[0], j + first[1], i + first[2]
                if labels[a, b, c] == 0:  # no organ lies outside the skin
                    continue
                x, y, z = origin[0] + step[0] * c, origin[1] + step[1] * b, origin[2] + step[2] * a
                d += uneven * sample_texture(texture, x / 11.0, y / 11.0, z / 11.0)
                share = covered(d, width)
                if share <= 0:
                    continue
                inner, inner_label = value, label
                if spread > 0:
                    inner += spread * sample_texture(texture, x / cells[0], y / cells[1], z / cells[2])
                if gas_sign != 0:
                    gas = covered(-gas_sign * (y - gas_level), width)
                    inner = inner * (1 - gas) + gas_value * gas
                    if gas > 0.5:
                        inner_label = gas_label
                if bubbles > 0:
                    foam = min(max((sample_texture(texture, x / 2.7, y / 2.7, z / 2.7) - 1.6 + 1.4 * bubbles) * 1.6, 0.0), 1.0)
                    inner = inner * (1 - foam) + gas_value * foam
                    if foam > 0.5:
                        inner_label = gas_label
                if wall > 0:
                    core = covered(d + wall, width)
                    inner = wall_value * (1 - core) + inner * core
                    if core < 0.5:
                        inner_label = label
                image[a, b, c] = round(image[a, b, c] * (1 - share) + inner * share)
                if share > 0.5 and inner_label > 0:
                    labels[a, b, c] = inner_label


@njit(cache=True, nogil=True)
def paint_swept(
    image: Image, labels: Labels, first: Ints, stop: Ints, origin: Floats, step: Floats, bend: Floats, bend_z0: float, table: Floats,
    table_z0: float, texture: Field, value: float, label: int, spread: float, cells: Floats, rim: float, rim_value: float, septa: float,
    fat: float,
) -> None:
    """A tube with an upright axis. table: rows at 1 mm of z: centre x, centre y, half-axes a and b, turn (radians).

    septa: how much fat lies between the bundles of a muscle, more towards the foot; 0 for what is no muscle.
    """
    width = (step[0] + step[1]) / 2
    n = table.shape[0]
    for k in range(first[0], stop[0]):
        for j in range(first[1], stop[1]):
            for i in range(first[2], stop[2]):
                x, y, z = to_design(origin[0] + step[0] * i, origin[1] + step[1] * j, origin[2] + step[2] * k, bend, bend_z0)
                f = z - table_z0
                if f < 0 or f > n - 1.001:
                    continue
                m = int(f)
                w = f - m
                ra = table[m, 2] * (1 - w) + table[m + 1, 2] * w
                rb = table[m, 3] * (1 - w) + table[m + 1, 3] * w
                if ra < 0.4 or rb < 0.4:
                    continue
                gx = x - (table[m, 0] * (1 - w) + table[m + 1, 0] * w)
                gy = y - (table[m, 1] * (1 - w) + table[m + 1, 1] * w)
                turn = table[m, 4] * (1 - w) + table[m + 1, 4] * w
                c, s = np.cos(turn), np.sin(turn)
                u, v = (c * gx + s * gy) / ra, (-s * gx + c * gy) / rb
                if abs(u) > 1.3 or abs(v) > 1.3:
                    continue
                rr = u * u + v * v - 0.25 * u * u * v * v
                k0 = np.sqrt(rr)
                k1 = np.sqrt((u / ra) ** 2 + (v / rb) ** 2)
                d = k0 * (k0 - 1) / k1 if k1 > 1e-9 else -min(ra, rb)
                if septa > 0 and d > -5.0:
                    d += 1.1 * sample_texture(texture, x / 10.0, y / 10.0, z / 22.0)
                share = covered(d, width)
                if share <= 0 or labels[k, j, i] == 0:
                    continue
                inner = value
                if spread > 0:
                    inner += spread * sample_texture(texture, x / cells[0], y / cells[1], z / cells[2])
                if septa > 0:
                    # fat planes lie where a smooth noise, drawn out from spine to flank, is near zero; specks where a finer one is high
                    foot = septa * min(max(0.55 - z / 260.0, 0.25), 1.3)
                    side = 1.0 if x > 0 else -1.0
                    along, across = 0.77 * side * x + 0.64 * y, 0.77 * y - 0.64 * side * x
                    plane = sample_texture(texture, side * along / 15.0, across / 4.6, z / 34.0)
                    patch = sample_texture(texture, x / 17.0 + 9.0, y / 17.0, z / 40.0)
                    speck = sample_texture(texture, x / 1.9, y / 1.9, z / 9.0)
                    lean = ridge(plane + 0.22 * speck, 0.34) * min(max(0.34 + 0.50 * patch, 0.0), 1.0)
                    lean = min((lean + 0.45 * min(max(speck - 1.2, 0.0), 1.0)) * foot, 0.85)
                    inner = inner * (1 - lean) + fat * lean
                if rim > 0:
                    core = covered(d + rim, width)
                    inner = rim_value * (1 - core) + inner * core
                image[k, j, i] = round(image[k, j, i] * (1 - share) + inner * share)
                if share > 0.5 and label > 0:
                    labels[k, j, i] = label


@njit(cache=True, nogil=True)
def roughen(field: Field, first: Ints, origin: Floats, step: Floats, texture: Field, amount: float) -> None:
    """Move a bone's surface by smooth noise of about `amount` mm: no bone is a geometric solid, and no two sides are the same."""
    nk, nj, ni = field.shape
    for k in range(nk):
        for j in range(nj):
            for i in range(ni):
                if abs(field[k, j, i]) < 4.0:
                    x, y = origin[0] + step[0] * (i + first[2]), origin[1] + step[1] * (j + first[1])
                    z = origin[2] + step[2] * (k + first[0])
                    field[k, j, i] += amount * (0.65 * sample_texture(texture, x / 9.0, y / 9.0, z / 9.0)
                                                + 0.45 * sample_texture(texture, x / 3.7, y / 3.7, z / 3.7))


@njit(cache=True, nogil=True)
def paint_bone(
    field: Field, first: Ints, image: Image, labels: Labels, origin: Floats, step: Floats, texture: Field, label: int, shell: float,
    shell_back: float, back_y: float, back_z: float, back_dir_y: float, back_dir_z: float, cortical_front: float, cortical_back: float,
    trabecular: float, spread: float,
) -> None:
    """Bone with a cortical shell that is `shell` mm thick in front of the plane through back_y, back_z and `shell_back` behind it."""
    width = (step[0] + step[1] + step[2]) / 3
    nk, nj, ni = field.shape
    for k in range(nk):
        for j in range(nj):
            for i in range(ni):
                d = field[k, j, i]
                if d > width:
                    continue
                a, b, c = k + first[0], j + first[1], i + first[2]
                share = covered(d, width)
                x, y, z = origin[0] + step[0] * c, origin[1] + step[1] * b, origin[2] + step[2] * a
                behind = min(max(((y - back_y) * back_dir_y + (z - back_z) * back_dir_z) / 7.0, 0.0), 1.0)
                # the cortex is nowhere of one thickness
                thick = (shell + (shell_back - shell) * behind) * (1.0 + 0.25 * sample_texture(texture, x / 6.0, y / 6.0, z / 6.0))
                cortical = cortical_front + (cortical_back - cortical_front) * behind
                core = covered(d + thick, width)
                inner = trabecular
                if core > 0:
                    # struts run along the load; marrow fat lies between them in islands
                    inner += spread * (1.3 * sample_texture(texture, x / 0.75, y / 0.75, z / 2.0)
                                       + 0.8 * sample_texture(texture, x / 2.3, y / 2.3, z / 5.0)
                                       + 0.7 * sample_texture(texture, x / 8.0, y / 8.0, z / 8.0))
                    # the spongy bone is denser towards the shell
                    inner += 0.35 * trabecular * np.exp((d + thick) / 2.5) - 0.06 * trabecular
                image[a, b, c] = round(image[a, b, c] * (1 - share) + cortical * (share - core) + inner * core)
                if share > 0.5:
                    labels[a, b, c] = label


@njit(cache=True, nogil=True)
def paint_disc(
    field: Field, first: Ints, image: Image, labels: Labels, origin: Floats, step: Floats, label: int, centre: Floats, up_y: float,
    up_z: float, half_width: float, half_depth: float, half_height: float, nucleus: float, annulus: float,
) -> None:
    """A disc: the nucleus is a lens a little behind the middle with a cleft in it, the annulus around it is layered."""
    width = (step[0] + step[1] + step[2]) / 3
    nk, nj, ni = field.shape
    for k in range(nk):
        for j in range(nj):
            for i in range(ni):
                d = field[k, j, i]
                if d > width:
                    continue
                a, b, c = k + first[0], j + first[1], i + first[2]
                share = covered(d, width)
                x = origin[0] + step[0] * c - centre[0]
                y, z = origin[1] + step[1] * b - centre[1], origin[2] + step[2] * a - centre[2]
                back = y * up_z - z * up_y
                r = np.sqrt((x / half_width) ** 2 + ((back - 0.12 * half_depth) / half_depth) ** 2)
                h = (y * up_y + z * up_z) / half_height
                core = 1.0 / (1.0 + np.exp((np.sqrt(r * r + 0.22 * h * h) - 0.64) * 15.0))
                core *= 1.0 - 0.30 * np.exp(-((h / 0.16) ** 2))
                inner = nucleus * core + annulus * (1 - core) * (1.0 + 0.10 * np.sin(34.0 * r))
                image[a, b, c] = round(image[a, b, c] * (1 - share) + inner * share)
                if share > 0.5:
                    labels[a, b, c] = label
