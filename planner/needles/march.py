"""The compiled search: every direction from every target, marched out to the skin by sphere skipping (reference: algorithms 4.2).

Indices are of the planning box, an axial, isotropic grid; positions inside are voxel units (x, y, z) = (i, j, k).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.geometry import Floats

PASSES, DOOR, HAZARD, LENGTH, NO_SKIN, SKIN_ANGLE, ENTRY, CORD_AHEAD = range(8)
"""Why a path was ruled out: the first limit that it met from the tip outward. HAZARD + 10 + n is the n-th hazard of the room."""
OUTSIDE, BEYOND = 255, 254
"""Voxels of a slack field outside the body, and beyond the scan."""
FINEST_STEP_MM = 0.6
"""Shortest step of a march, below the planning box's spacing."""
WATCHED_MM = 3.0
"""Below this slack a march takes its finest steps, so that the least slack of a path is known up to it."""

Bytes: TypeAlias = NDArray[np.uint8]
Vector: TypeAlias = tuple[float, float, float]

_inlined = njit(inline="always")  # what runs for every path: a call of its own costs a tenth of the search


@njit(cache=True, nogil=True)
def screen(
    space: Bytes,
    slack: Bytes,
    fields: Bytes,
    margins: Floats,
    cord: int,
    normals: NDArray[np.float32],
    normal_step: float,
    midline: Floats,
    spacing: float,
    targets: Floats,
    directions: Floats,
    gate: Floats,
    limits: tuple[float, ...],
    code: NDArray[np.uint16],
    depth: NDArray[np.float32],
    least: NDArray[np.float32],
) -> None:
    """Marches every direction (m, 3; unit, out of the patient) from every target (n, 3; voxels x, y, z).

    space: 0 outside the body, 1 inside, 2 beyond the scan. slack: of `slack_field`. fields, margins: distance fields [n, k, j, i] with
    the least axis distance of each, to name what was met. cord: its index in fields or -1. normals: float32 [k, j, i, 3] of the skin on a
    grid normal_step times as coarse. midline: (k, 4) centre x, y (voxels) and left x, y of the canal per slice. gate: (5, 3) centre
    (voxels), outward, across, up and (half across, half up, 1 when elliptic), in mm. limits: longest path mm, sine of the least skin
    angle, least and greatest entry offset mm, side (+1 left, -1 right, 0 either), overshoot mm, needle radius mm. Fills code uint16,
    depth and least slack float32, each (n, m).
    """
    longest, overshoot, radius = limits[0], limits[5], limits[6]
    for t in range(targets.shape[0]):
        tip = (targets[t, 0], targets[t, 1], targets[t, 2])
        for d in range(directions.shape[0]):
            way = (directions[d, 0], directions[d, 1], directions[d, 2])
            if _misses(gate, tip, way, spacing):
                code[t, d] = DOOR
                continue
            result, inside, outside, spare = _march(slack, fields, margins, tip, way, spacing, longest)
            if result != PASSES:
                code[t, d] = result
                continue
            s = _skin(space, tip, way, spacing, inside, outside)
            depth[t, d] = s
            least[t, d] = spare
            if s > longest:
                code[t, d] = LENGTH
                continue
            result = _entry(normals, normal_step, midline, tip, way, spacing, s, limits)
            if result == PASSES and cord >= 0 and _meets_cord(fields[cord], tip, way, spacing, overshoot, radius):
                result = CORD_AHEAD
            code[t, d] = result


@_inlined
def _misses(gate: Floats, tip: Vector, way: Vector, spacing: float) -> bool:
    """Whether a path leaves through the opening's plane beside its outline, or not at all. A tip beyond the plane counts where it is."""
    bx, by, bz = (gate[0, 0] - tip[0]) * spacing, (gate[0, 1] - tip[1]) * spacing, (gate[0, 2] - tip[2]) * spacing
    out = way[0] * gate[1, 0] + way[1] * gate[1, 1] + way[2] * gate[1, 2]
    if out < 0.05:
        return True
    s = max((bx * gate[1, 0] + by * gate[1, 1] + bz * gate[1, 2]) / out, 0.0)
    px, py, pz = way[0] * s - bx, way[1] * s - by, way[2] * s - bz
    u = (px * gate[2, 0] + py * gate[2, 1] + pz * gate[2, 2]) / gate[4, 0]
    v = (px * gate[3, 0] + py * gate[3, 1] + pz * gate[3, 2]) / gate[4, 1]
    if gate[4, 2] > 0:
        return u * u + v * v > 1.0
    return abs(u) > 1.0 or abs(v) > 1.0


@_inlined
def _march(
    slack: Bytes, fields: Bytes, margins: Floats, tip: Vector, way: Vector, spacing: float, longest: float
) -> tuple[int, float, float, float]:
    """From the tip outward by sphere skipping: how it ended, the last length inside the body, the first outside it, the least slack."""
    nk, nj, ni = slack.shape
    x, y, z = tip[0] + 0.5, tip[1] + 0.5, tip[2] + 0.5
    dx, dy, dz = way[0] / spacing, way[1] / spacing, way[2] / spacing
    s = 0.0
    before = 0.0
    spare = 15.0
    while True:
        i, j, k = int(x + dx * s), int(y + dy * s), int(z + dz * s)
        if i < 0 or j < 0 or k < 0 or i >= ni or j >= nj or k >= nk:
            return NO_SKIN, before, s, spare
        here = slack[k, j, i]
        if here == 0:
            return _met(fields, margins, k, j, i), before, s, spare
        if here >= BEYOND:
            return PASSES if here == OUTSIDE else NO_SKIN, before, s, spare
        free = (here - 1) * 0.25
        spare = min(spare, free)
        before = s
        if s > longest:
            return LENGTH, before, s, spare
        s += max(FINEST_STEP_MM, free - WATCHED_MM)


@njit(cache=True, nogil=True)
def _met(fields: Bytes, margins: Floats, k: int, j: int, i: int) -> int:
    """The hazard whose limit is broken most at a voxel, as a code."""
    worst = 1.0e9
    result = HAZARD
    for n in range(fields.shape[0]):
        gap = fields[n, k, j, i] * 0.25 - margins[n]
        if gap < worst:
            worst = gap
            result = HAZARD + 10 + n
    return result


@njit(cache=True, nogil=True)
def _skin(space: Bytes, tip: Vector, way: Vector, spacing: float, inside: float, outside: float) -> float:
    """The length at which a path leaves the body, between one inside it and one outside it."""
    low, high = inside, outside
    for _ in range(6):
        middle = 0.5 * (low + high)
        i = int(tip[0] + way[0] * middle / spacing + 0.5)
        j = int(tip[1] + way[1] * middle / spacing + 0.5)
        k = int(tip[2] + way[2] * middle / spacing + 0.5)
        if space[k, j, i] == 0:
            high = middle
        else:
            low = middle
    return high


@njit(cache=True, nogil=True)
def _entry(
    normals: NDArray[np.float32],
    normal_step: float,
    midline: Floats,
    tip: Vector,
    way: Vector,
    spacing: float,
    s: float,
    limits: tuple[float, ...],
) -> int:
    """Whether a path of this length ends at an entry that keeps its limits: the angle to the skin, the distance from the midline."""
    _, least_sine, nearest, farthest, side = limits[:5]
    x, y, z = tip[0] + way[0] * s / spacing, tip[1] + way[1] * s / spacing, tip[2] + way[2] * s / spacing
    a = min(int(z / normal_step), normals.shape[0] - 1)
    b = min(int(y / normal_step), normals.shape[1] - 1)
    c = min(int(x / normal_step), normals.shape[2] - 1)
    sine = way[0] * normals[a, b, c, 0] + way[1] * normals[a, b, c, 1] + way[2] * normals[a, b, c, 2]
    if sine < least_sine:
        return SKIN_ANGLE
    k = min(max(int(z + 0.5), 0), midline.shape[0] - 1)
    offset = ((x - midline[k, 0]) * midline[k, 2] + (y - midline[k, 1]) * midline[k, 3]) * spacing
    if abs(offset) > farthest or abs(offset) < nearest or (side != 0 and offset * side < 0):
        return ENTRY
    return PASSES


@njit(cache=True, nogil=True)
def _meets_cord(field: Bytes, tip: Vector, way: Vector, spacing: float, overshoot: float, radius: float) -> bool:
    """Whether a path prolonged past the tip meets the cord."""
    nk, nj, ni = field.shape
    s = 0.0
    while s <= overshoot:
        i = int(tip[0] - way[0] * s / spacing + 0.5)
        j = int(tip[1] - way[1] * s / spacing + 0.5)
        k = int(tip[2] - way[2] * s / spacing + 0.5)
        if i < 0 or j < 0 or k < 0 or i >= ni or j >= nj or k >= nk:
            return False
        if field[k, j, i] * 0.25 < radius:
            return True
        s += FINEST_STEP_MM
    return False


@njit(cache=True, nogil=True)
def nearest_point(cloud: NDArray[np.float32], entry: Floats, target: Floats) -> tuple[float, int, float]:
    """Of the points of a cloud (n, 3; float32) the one nearest to the segment between two points of the same frame: its distance (inf for
    an empty cloud), its number, and where along the segment, 0 at the entry."""
    ax, ay, az = entry[0], entry[1], entry[2]
    dx, dy, dz = target[0] - ax, target[1] - ay, target[2] - az
    length = dx * dx + dy * dy + dz * dz
    best, at, share = np.inf, -1, 0.0
    for n in range(cloud.shape[0]):
        px, py, pz = cloud[n, 0] - ax, cloud[n, 1] - ay, cloud[n, 2] - az
        s = min(1.0, max(0.0, (px * dx + py * dy + pz * dz) / length))
        px -= s * dx
        py -= s * dy
        pz -= s * dz
        gap = px * px + py * py + pz * pz
        if gap < best:
            best, at, share = gap, n, s
    return np.sqrt(best), at, share


@njit(cache=True, nogil=True, fastmath=True)
def _least_squared(cloud: NDArray[np.float32], entry: Floats, step: Floats) -> float:
    """Least squared distance of points from a segment: no number of the point is kept, so that it runs in vector units."""
    dx, dy, dz = step[0], step[1], step[2]
    ax, ay, az = entry[0], entry[1], entry[2]
    length = dx * dx + dy * dy + dz * dz
    best = 1.0e18
    for n in range(cloud.shape[0]):
        px, py, pz = cloud[n, 0] - ax, cloud[n, 1] - ay, cloud[n, 2] - az
        s = min(1.0, max(0.0, (px * dx + py * dy + pz * dz) / length))
        px, py, pz = px - s * dx, py - s * dy, pz - s * dz
        best = min(best, px * px + py * py + pz * pz)
    return best


def least_distance(cloud: NDArray[np.float32], entry: Floats, target: Floats) -> float:
    """Least distance of the points of a cloud from the segment between two points, same frame; inf for an empty cloud."""
    return float(np.sqrt(_least_squared(cloud, entry, target - entry))) if len(cloud) else float("inf")



@njit(cache=True, nogil=True)
def slack_field(space: Bytes, fields: Bytes, margins: Floats, out: Bytes) -> None:
    """What is left of the least axis distances inside the body: 0 where one is not kept, else 1 + quarter millimetres to spare.

    Outside the body OUTSIDE, beyond the scan BEYOND, so that a march reads one field."""
    count, nk, nj, ni = fields.shape
    quarters = np.empty(count, np.int16)
    for n in range(count):
        quarters[n] = np.int16(np.ceil(margins[n] * 4.0 - 1e-6))
    for k in range(nk):
        for j in range(nj):
            line = np.full(ni, 62, np.int16)
            for n in range(count):
                field = fields[n, k, j]
                for i in range(ni):
                    line[i] = min(line[i], np.int16(field[i]) - quarters[n])
            for i in range(ni):
                where = space[k, j, i]
                out[k, j, i] = OUTSIDE if where == 0 else BEYOND if where == 2 else max(0, line[i] + 1)
