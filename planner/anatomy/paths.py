"""Closed paths of least cost around a cross-section."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.geometry import Floats


@njit(cache=True, nogil=True)
def closed_paths(cost: Floats, smoothness: float, out: NDArray[np.int64]) -> None:
    """For each cross-section the closed path through (angle, radius) of least cost; steps of at most two radii between neighbours."""
    n, angles, radii = cost.shape
    total = angles + angles // 2 + 1
    value = np.empty((total, radii))
    source = np.zeros((total, radii), dtype=np.int8)
    for s in range(n):
        for r in range(radii):
            value[0, r] = cost[s, 0, r]
        for a in range(1, total):
            for r in range(radii):
                best, step = 1e18, 0
                for d in range(-2, 3):
                    p = r + d
                    if 0 <= p < radii:
                        there = value[a - 1, p] + smoothness * d * d
                        if there < best:
                            best, step = there, d
                value[a, r] = best + cost[s, a % angles, r]
                source[a, r] = step
        r = 0
        for p in range(radii):
            if value[total - 1, p] < value[total - 1, r]:
                r = p
        quarter = angles // 4
        for a in range(total - 1, quarter, -1):  # the middle turn is free of both ends
            if a <= quarter + angles:
                out[s, a % angles] = r
            r = r + source[a, r]
