"""Compiled loops behind the slice pictures. Imported late: numba takes its time, and the window comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

if TYPE_CHECKING:
    from planner.geometry import Floats


@njit(cache=True, nogil=True)
def resample_rows(
    plane: NDArray[Any], first: NDArray[np.int64], weight: NDArray[np.float32], start: int, stop: int, out: NDArray[np.float32]
) -> None:
    """out[r, c] = sum of weight[c, t] * plane[r, first[c] + t] for rows start..stop-1: a slice stretched along its rows."""
    taps = weight.shape[1]
    for r in range(start, stop):
        for c in range(out.shape[1]):
            total = np.float32(0.0)
            at = first[c]
            for t in range(taps):
                total += weight[c, t] * np.float32(plane[r, at + t])
            out[r, c] = total


@njit(cache=True, nogil=True, fastmath=True)
def shade_columns(
    rows: NDArray[np.float32],
    first: NDArray[np.int64],
    weight: NDArray[np.float32],
    low: np.float32,
    scale: np.float32,
    top: int,
    left: int,
    out: NDArray[np.uint32],
) -> None:
    """Stretch along columns, then window into grey (0 at `low`, 255 at `low + 255 / scale`) as 0xffRRGGBB."""
    taps = weight.shape[1]
    count = weight.shape[0]
    wide = rows.shape[1]
    line = np.empty(wide, dtype=np.float32)
    for r in range(count):
        at = first[r]
        for c in range(wide):
            line[c] = weight[r, 0] * rows[at, c]
        for t in range(1, taps):
            share = weight[r, t]
            for c in range(wide):
                line[c] += share * rows[at + t, c]
        for c in range(wide):
            grey = np.uint32(min(max((line[c] - low) * scale, np.float32(0.0)), np.float32(255.0)))
            out[top + r, left + c] = np.uint32(0xFF000000) | grey * np.uint32(0x010101)


@njit(cache=True, nogil=True)
def _value_at(voxels: NDArray[Any], k: float, j: float, i: float) -> np.float32:
    """The trilinear value at a place between the voxels' centres."""
    nk, nj, ni = voxels.shape
    k0, j0, i0 = int(k), int(j), int(i)
    k1, j1, i1 = min(k0 + 1, nk - 1), min(j0 + 1, nj - 1), min(i0 + 1, ni - 1)
    fk, fj, fi = np.float32(k - k0), np.float32(j - j0), np.float32(i - i0)
    a = np.float32(voxels[k0, j0, i0]) * (1 - fi) + np.float32(voxels[k0, j0, i1]) * fi
    b = np.float32(voxels[k0, j1, i0]) * (1 - fi) + np.float32(voxels[k0, j1, i1]) * fi
    d = np.float32(voxels[k1, j0, i0]) * (1 - fi) + np.float32(voxels[k1, j0, i1]) * fi
    e = np.float32(voxels[k1, j1, i0]) * (1 - fi) + np.float32(voxels[k1, j1, i1]) * fi
    return (a * (1 - fj) + b * fj) * (1 - fk) + (d * (1 - fj) + e * fj) * fk


@njit(cache=True, nogil=True)
def shade_oblique(
    voxels: NDArray[Any],
    first: Floats,
    right: Floats,
    down: Floats,
    low: np.float32,
    scale: np.float32,
    block: int,
    out: NDArray[np.uint32],
) -> None:
    """A plane through voxels [k, j, i], trilinear, windowed into grey as 0xffRRGGBB; black outside. One sample for block x block pixels."""
    nk, nj, ni = voxels.shape
    high, wide = out.shape
    for r0 in range(0, high, block):
        for c0 in range(0, wide, block):
            r, c = r0 + (block - 1) * 0.5, c0 + (block - 1) * 0.5
            k = first[0] + r * down[0] + c * right[0]
            j = first[1] + r * down[1] + c * right[1]
            i = first[2] + r * down[2] + c * right[2]
            grey = np.float32(0.0)
            if -0.5 <= k <= nk - 0.5 and -0.5 <= j <= nj - 0.5 and -0.5 <= i <= ni - 0.5:
                k, j, i = min(max(k, 0.0), nk - 1.0), min(max(j, 0.0), nj - 1.0), min(max(i, 0.0), ni - 1.0)
                value = _value_at(voxels, k, j, i)
                grey = min(max((value - low) * scale, np.float32(0.0)), np.float32(255.0))
            for rr in range(r0, min(r0 + block, high)):
                for cc in range(c0, min(c0 + block, wide)):
                    out[rr, cc] = np.uint32(0xFF000000) | np.uint32(grey) * np.uint32(0x010101)


@njit(cache=True, nogil=True)
def blend_oblique(
    voxels: NDArray[Any],
    first: Floats,
    right: Floats,
    down: Floats,
    low: np.float32,
    scale: np.float32,
    share: np.float32,
    tint: NDArray[np.float32],
    padding: float,
    unseen: Floats,
    block: int,
    out: NDArray[np.uint32],
) -> None:
    """Lay a plane through other voxels [k, j, i] over a picture (0xffRRGGBB): `share` (0..1) of it, tinted (red, green, blue, 0..1),
    trilinear. Where it has nothing the picture fades by share squared: beyond the voxels, where the nearest is `padding` (NaN: none is),
    and in slabs `unseen` (m, 5): start + row * down + column * right lies between low and high. One sample for block x block pixels."""
    nk, nj, ni = voxels.shape
    high, wide = out.shape
    for r0 in range(0, high, block):
        for c0 in range(0, wide, block):
            r, c = r0 + (block - 1) * 0.5, c0 + (block - 1) * 0.5
            k = first[0] + r * down[0] + c * right[0]
            j = first[1] + r * down[1] + c * right[1]
            i = first[2] + r * down[2] + c * right[2]
            part, grey = share * share, np.float32(0.0)
            inside = 0 <= k <= nk - 1 and 0 <= j <= nj - 1 and 0 <= i <= ni - 1
            for start, to_down, to_right, lowest, highest in unseen:
                inside = inside and not lowest < start + r * to_down + c * to_right < highest
            if inside and voxels[int(k + 0.5), int(j + 0.5), int(i + 0.5)] != padding:
                value = _value_at(voxels, k, j, i)
                part = share
                grey = share * min(max((value - low) * scale, np.float32(0.0)), np.float32(255.0))
            keep = 1 - part
            red, green, blue = grey * tint[0], grey * tint[1], grey * tint[2]
            for rr in range(r0, min(r0 + block, high)):
                for cc in range(c0, min(c0 + block, wide)):
                    under = out[rr, cc]
                    out[rr, cc] = (
                        np.uint32(0xFF000000)
                        | np.uint32(((under >> 16) & 0xFF) * keep + red) << np.uint32(16)
                        | np.uint32(((under >> 8) & 0xFF) * keep + green) << np.uint32(8)
                        | np.uint32((under & 0xFF) * keep + blue)
                    )


@njit(cache=True, nogil=True)
def tint_arrival(
    arrival: NDArray[np.float32],
    first: Floats,
    right: Floats,
    down: Floats,
    ml: float,
    red: int,
    green: int,
    blue: int,
    fill: np.float32,
    edge: np.float32,
    out: NDArray[np.uint8],
) -> None:
    """Where a plane meets `arrival <= ml`, as premultiplied BGRA: a translucent filling (`fill`, 0..1) with a stronger edge (`edge`)."""
    nk, nj, ni = arrival.shape
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[r, c, 0] = out[r, c, 1] = out[r, c, 2] = out[r, c, 3] = 0
            k = first[0] + r * down[0] + c * right[0]
            j = first[1] + r * down[1] + c * right[1]
            i = first[2] + r * down[2] + c * right[2]
            if k <= -1 or j <= -1 or i <= -1 or k >= nk or j >= nj or i >= ni:
                continue
            k0, j0, i0 = int(np.floor(k)), int(np.floor(j)), int(np.floor(i))
            share = np.float32(0.0)
            for dk in range(2):
                wk = k - k0 if dk else 1 - (k - k0)
                for dj in range(2):
                    wj = j - j0 if dj else 1 - (j - j0)
                    for di in range(2):
                        wi = i - i0 if di else 1 - (i - i0)
                        kk, jj, ii = k0 + dk, j0 + dj, i0 + di
                        if 0 <= kk < nk and 0 <= jj < nj and 0 <= ii < ni and arrival[kk, jj, ii] <= ml:
                            share += np.float32(wk * wj * wi)
            if share > 0.4:
                alpha = fill * min(np.float32(1.0), (share - np.float32(0.4)) * 10)
                if share < 0.75:
                    alpha = max(
                        alpha,
                        edge * min(np.float32(1.0), (share - np.float32(0.4)) * 10) * min(np.float32(1.0), (np.float32(0.75) - share) * 8),
                    )
                out[r, c, 0] = np.uint8(blue * alpha)
                out[r, c, 1] = np.uint8(green * alpha)
                out[r, c, 2] = np.uint8(red * alpha)
                out[r, c, 3] = np.uint8(255 * alpha)


@njit(cache=True, nogil=True)
def filled_by(
    arrival: NDArray[np.float32],
    low: NDArray[np.int64],
    step: NDArray[np.int64],
    ml: np.float32,
    wall: np.float32,
    out: NDArray[np.float32],
) -> None:
    """out = how much earlier than `ml` blocks of `step` (3,) voxels fill, within +-`wall`; the first starts at arrival[low], and what lies
    beyond arrival is wall."""
    nk, nj, ni = arrival.shape
    share = np.float32(1.0 / (step[0] * step[1] * step[2]))
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            for i in range(out.shape[2]):
                total = np.float32(0.0)
                for kk in range(low[0] + k * step[0], low[0] + (k + 1) * step[0]):
                    for jj in range(low[1] + j * step[1], low[1] + (j + 1) * step[1]):
                        for ii in range(low[2] + i * step[2], low[2] + (i + 1) * step[2]):
                            if 0 <= kk < nk and 0 <= jj < nj and 0 <= ii < ni:
                                total += min(max(ml - arrival[kk, jj, ii], -wall), wall)
                            else:
                                total -= wall
                out[k, j, i] = total * share


@njit(cache=True, nogil=True)
def point_normals(points: Floats, triangles: NDArray[np.int32], out: NDArray[np.float32]) -> None:
    """out = unit normals at points (n, 3): the sum of those of the triangles (m, 3) that meet there, larger ones weighing more."""
    across = np.zeros(points.shape, dtype=np.float64)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            across[corner, 0] += x
            across[corner, 1] += y
            across[corner, 2] += z
    for n in range(points.shape[0]):
        x, y, z = across[n, 0], across[n, 1], across[n, 2]
        length = max(np.sqrt(x * x + y * y + z * z), 1e-12)
        out[n, 0], out[n, 1], out[n, 2] = x / length, y / length, z / length


@njit(cache=True, nogil=True)
def sample_labels(labels: NDArray[np.uint8], first: Floats, right: Floats, down: Floats, out: NDArray[np.uint8]) -> None:
    """The nearest labels in a plane through labels [k, j, i]; 0 outside."""
    nk, nj, ni = labels.shape
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            k = int(np.floor(first[0] + r * down[0] + c * right[0] + 0.5))
            j = int(np.floor(first[1] + r * down[1] + c * right[1] + 0.5))
            i = int(np.floor(first[2] + r * down[2] + c * right[2] + 0.5))
            out[r, c] = labels[k, j, i] if 0 <= k < nk and 0 <= j < nj and 0 <= i < ni else 0


@njit(cache=True, nogil=True)
def label_boxes(labels: NDArray[np.uint8], boxes: NDArray[np.int64]) -> None:
    """boxes[code] = first row, last row, first column, last column of a code in labels [row, column]; last < first where absent."""
    rows, columns = labels.shape
    for code in range(256):
        boxes[code, 0], boxes[code, 1], boxes[code, 2], boxes[code, 3] = rows, -1, columns, -1
    for r in range(rows):
        for c in range(columns):
            code = labels[r, c]
            if code:
                boxes[code, 0] = min(boxes[code, 0], r)
                boxes[code, 1] = max(boxes[code, 1], r)
                boxes[code, 2] = min(boxes[code, 2], c)
                boxes[code, 3] = max(boxes[code, 3], c)


@njit(cache=True, nogil=True)
def soft_mask(labels: NDArray[np.uint8], wanted: NDArray[np.bool_], row0: int, column0: int, out: NDArray[np.float32]) -> None:
    """out = how much of each 3x3 neighbourhood (binomial weights) has a wanted code; out[0, 0] is labels[row0, column0]."""
    rows, columns = labels.shape
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            total = 0
            for dr in range(-1, 2):
                for dc in range(-1, 2):
                    rr, cc = row0 + r + dr, column0 + c + dc
                    if 0 <= rr < rows and 0 <= cc < columns and wanted[labels[rr, cc]]:
                        total += (2 - abs(dr)) * (2 - abs(dc))
            out[r, c] = total * np.float32(1 / 16)


@njit(cache=True, nogil=True)
def level_lines(field: NDArray[np.float32], level: np.float32) -> tuple[Floats, NDArray[np.int64]]:
    """Closed lines where `field` [row, column] crosses `level` (marching squares; the field must be below it at its border).

    Returns points (n, 2) as (column, row), and starts (m + 1,): line n is points[starts[n]:starts[n + 1]].
    """
    rows, columns = field.shape
    # an edge between neighbours is named 2 * (row * columns + column), + 1 when it goes down; each is left once, inside at the right
    following = np.full(2 * rows * columns, -1, dtype=np.int64)
    for r in range(rows - 1):
        for c in range(columns - 1):
            a, b, d, e = field[r, c] >= level, field[r, c + 1] >= level, field[r + 1, c + 1] >= level, field[r + 1, c] >= level
            case = a * 8 + b * 4 + d * 2 + e
            if case == 0 or case == 15:
                continue
            top, left = 2 * (r * columns + c), 2 * (r * columns + c) + 1
            bottom, right = 2 * ((r + 1) * columns + c), 2 * (r * columns + c + 1) + 1
            if case == 1:
                following[left] = bottom
            elif case == 2:
                following[bottom] = right
            elif case == 3:
                following[left] = right
            elif case == 4:
                following[right] = top
            elif case == 5:
                following[left] = top
                following[right] = bottom
            elif case == 6:
                following[bottom] = top
            elif case == 7:
                following[left] = top
            elif case == 8:
                following[top] = left
            elif case == 9:
                following[top] = bottom
            elif case == 10:
                following[top] = right
                following[bottom] = left
            elif case == 11:
                following[top] = right
            elif case == 12:
                following[right] = left
            elif case == 13:
                following[right] = bottom
            else:
                following[bottom] = left
    count = (following >= 0).sum()
    points = np.empty((count, 2), dtype=np.float64)
    starts = np.empty(count + 1, dtype=np.int64)
    filled, lines = 0, 0
    for first in range(following.size):
        if following[first] < 0:
            continue
        starts[lines] = filled
        lines += 1
        edge = first
        while edge >= 0 and following[edge] >= 0:
            cell = edge // 2
            r, c = cell // columns, cell % columns
            here = field[r, c]
            there = field[r + 1, c] if edge % 2 else field[r, c + 1]
            share = (level - here) / (there - here)
            points[filled, 0] = c if edge % 2 else c + share
            points[filled, 1] = r + share if edge % 2 else r
            filled += 1
            after = following[edge]
            following[edge] = -1
            edge = after
    starts[lines] = filled
    return points[:filled], starts[: lines + 1]
