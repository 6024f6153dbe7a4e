"""The compiled search: every direction from every target, marched out to the skin by sphere skipping (reference: algorithms 4.2).

Indices are of the planning box, an axial, isotropic grid; positions inside are voxel units (x, y, z) = (i, j, k).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.geometry import Floats

PASSES, DOOR, HAZARD, LENGTH, NO_SKIN, SKIN_ANGLE, ENTRY, CORD_AHEAD = range(8)
"""Why a path was ruled out: the first limit that it met from the tip outward. HAZARD + 10 + n is the n-th hazard of the room."""
FINEST_STEP_MM = 0.6
"""Shortest step of a march, below the planning box's spacing."""
WATCHED_MM = 3.0
"""Below this slack a march takes its finest steps, so that the least slack of a path is known up to it."""


@njit(cache=True, nogil=True)
def screen(  # type: ignore[no-untyped-def]
    space, slack, fields, margins, cord, normals, normal_step, midline, spacing, targets, directions, gate, limits, code, depth, least
):
    """Marches every direction (m, 3; unit, out of the patient) from every target (n, 3; voxels x, y, z).

    space: 0 outside the body, 1 inside, 2 beyond the scan. slack: uint8, 0 where a needle's axis may not be, else 1 + quarter
    millimetres to spare. fields, margins: distance fields [n, k, j, i] with the least axis distance of each, to name what was met.
    cord: its index in fields or -1. normals: float32 [k, j, i, 3] of the skin on a grid normal_step times as coarse. midline: (k, 4)
    centre x, y (voxels) and left x, y of the canal per slice. gate: (5, 3) centre (voxels), outward, across, up and (half across, half
    up, 1 when elliptic), in mm. limits: longest path mm, sine of the least skin angle, least and greatest entry offset mm, side (+1
    left, -1 right, 0 either), overshoot mm, needle radius mm. Fills code uint16, depth and least slack float32, each (n, m).
    """
    nk, nj, ni = space.shape
    longest, least_sine, nearest_entry, farthest_entry, side, overshoot, radius = limits
    for t in range(targets.shape[0]):
        x0, y0, z0 = targets[t, 0], targets[t, 1], targets[t, 2]
        bx, by, bz = (gate[0, 0] - x0) * spacing, (gate[0, 1] - y0) * spacing, (gate[0, 2] - z0) * spacing
        to_gate = bx * gate[1, 0] + by * gate[1, 1] + bz * gate[1, 2]
        for d in range(directions.shape[0]):
            dx, dy, dz = directions[d, 0], directions[d, 1], directions[d, 2]
            out = dx * gate[1, 0] + dy * gate[1, 1] + dz * gate[1, 2]
            if out < 0.05:
                code[t, d] = DOOR
                continue
            s = max(to_gate / out, 0.0)
            px, py, pz = dx * s - bx, dy * s - by, dz * s - bz
            u = (px * gate[2, 0] + py * gate[2, 1] + pz * gate[2, 2]) / gate[4, 0]
            v = (px * gate[3, 0] + py * gate[3, 1] + pz * gate[3, 2]) / gate[4, 1]
            outside = u * u + v * v > 1.0 if gate[4, 2] > 0 else (abs(u) > 1.0 or abs(v) > 1.0)
            if outside:
                code[t, d] = DOOR
                continue
            s = 0.0
            before = 0.0
            spare = 15.0
            result = NO_SKIN
            while True:
                i = int(x0 + dx * s / spacing + 0.5)
                j = int(y0 + dy * s / spacing + 0.5)
                k = int(z0 + dz * s / spacing + 0.5)
                if i < 0 or j < 0 or k < 0 or i >= ni or j >= nj or k >= nk or space[k, j, i] == 2:
                    break
                if space[k, j, i] == 0:
                    result = PASSES
                    break
                here = slack[k, j, i]
                if here == 0:
                    result = HAZARD
                    worst = 1.0e9
                    for n in range(fields.shape[0]):
                        gap = fields[n, k, j, i] * 0.25 - margins[n]
                        if gap < worst:
                            worst = gap
                            result = HAZARD + 10 + n
                    break
                free = (here - 1) * 0.25
                spare = min(spare, free)
                before = s
                if s > longest:
                    result = LENGTH
                    break
                s += max(FINEST_STEP_MM, free - WATCHED_MM)
            if result != PASSES:
                code[t, d] = result
                continue
            low, high = before, s
            for _ in range(6):
                middle = 0.5 * (low + high)
                i = int(x0 + dx * middle / spacing + 0.5)
                j = int(y0 + dy * middle / spacing + 0.5)
                k = int(z0 + dz * middle / spacing + 0.5)
                if space[k, j, i] == 0:
                    high = middle
                else:
                    low = middle
            s = high
            depth[t, d] = s
            least[t, d] = spare
            if s > longest:
                code[t, d] = LENGTH
                continue
            x, y, z = x0 + dx * s / spacing, y0 + dy * s / spacing, z0 + dz * s / spacing
            a = min(int(z / normal_step), normals.shape[0] - 1)
            b = min(int(y / normal_step), normals.shape[1] - 1)
            c = min(int(x / normal_step), normals.shape[2] - 1)
            sine = dx * normals[a, b, c, 0] + dy * normals[a, b, c, 1] + dz * normals[a, b, c, 2]
            if sine < least_sine:
                code[t, d] = SKIN_ANGLE
                continue
            k = min(max(int(z + 0.5), 0), nk - 1)
            offset = ((x - midline[k, 0]) * midline[k, 2] + (y - midline[k, 1]) * midline[k, 3]) * spacing
            if abs(offset) > farthest_entry or abs(offset) < nearest_entry or (side != 0 and offset * side < 0):
                code[t, d] = ENTRY
                continue
            code[t, d] = PASSES
            if cord >= 0:
                s = 0.0
                while s <= overshoot:
                    i = int(x0 - dx * s / spacing + 0.5)
                    j = int(y0 - dy * s / spacing + 0.5)
                    k = int(z0 - dz * s / spacing + 0.5)
                    if i < 0 or j < 0 or k < 0 or i >= ni or j >= nj or k >= nk:
                        break
                    if fields[cord, k, j, i] * 0.25 < radius:
                        code[t, d] = CORD_AHEAD
                        break
                    s += FINEST_STEP_MM


@njit(cache=True, nogil=True)
def nearest_point(cloud, entry, target):  # type: ignore[no-untyped-def]
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


def least_distance(cloud: NDArray[np.float32], entry: Floats, target: Floats) -> float:
    """Least distance of the points of a cloud from the segment between two points, same frame; inf for an empty cloud."""
    return float(nearest_point(cloud, entry, target)[0])


@njit(cache=True, nogil=True)
def slack_field(fields, margins, out):  # type: ignore[no-untyped-def]
    """What is left of the least axis distances anywhere: 0 where one is not kept, else 1 + quarter millimetres to spare."""
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
                out[k, j, i] = max(0, line[i] + 1)
