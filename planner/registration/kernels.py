"""The compiled inner loop of the comparison. Apart, so that importing the room does not import numba."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.geometry import Floats


@njit(cache=True, nogil=True)
def agreements(fixed: NDArray[np.float32], index: Floats, moving: NDArray[np.float32], steps: Floats, bins: int, out: Floats) -> None:
    """out[m] = mutual information in nats, and the share of points that met a value, with the second image moved by steps[m].

    fixed (n,) against moving [k, j, i] at index (n, 3) + steps[m], values of both in bins; trilinear, NaN in the moving image is no value.
    Each value falls into its two nearest bins by nearness, so that the information changes smoothly.
    """
    nk, nj, ni = moving.shape
    histogram = np.empty((bins + 1, bins + 1), dtype=np.float32)
    for m in range(steps.shape[0]):
        histogram[:] = 0.0
        met = 0
        for n in range(fixed.shape[0]):
            k, j, i = index[n, 0] + steps[m, 0], index[n, 1] + steps[m, 1], index[n, 2] + steps[m, 2]
            if k < 0 or j < 0 or i < 0 or k >= nk - 1 or j >= nj - 1 or i >= ni - 1:
                continue
            k0, j0, i0 = int(k), int(j), int(i)
            fk, fj, fi = np.float32(k - k0), np.float32(j - j0), np.float32(i - i0)
            a = moving[k0, j0, i0] * (1 - fi) + moving[k0, j0, i0 + 1] * fi
            b = moving[k0, j0 + 1, i0] * (1 - fi) + moving[k0, j0 + 1, i0 + 1] * fi
            c = moving[k0 + 1, j0, i0] * (1 - fi) + moving[k0 + 1, j0, i0 + 1] * fi
            d = moving[k0 + 1, j0 + 1, i0] * (1 - fi) + moving[k0 + 1, j0 + 1, i0 + 1] * fi
            value = (a * (1 - fj) + b * fj) * (1 - fk) + (c * (1 - fj) + d * fj) * fk
            if np.isnan(value):
                continue
            met += 1
            x, y = int(fixed[n]), int(value)
            wx, wy = fixed[n] - x, value - y
            histogram[x, y] += (1 - wx) * (1 - wy)
            histogram[x, y + 1] += (1 - wx) * wy
            histogram[x + 1, y] += wx * (1 - wy)
            histogram[x + 1, y + 1] += wx * wy
        out[m, 0] = _nats(histogram, met) if met else 0.0
        out[m, 1] = met / fixed.shape[0]


@njit(cache=True, nogil=True)
def _nats(histogram: NDArray[np.float32], total: int) -> float:
    """Mutual information of a joint histogram that holds `total`: the two entropies of its sums less its own."""
    size = histogram.shape[0]
    nats = 0.0
    for x in range(size):
        row = column = 0.0
        for y in range(size):
            row += histogram[x, y]
            column += histogram[y, x]
            share = histogram[x, y] / total
            if share > 0:
                nats += share * np.log(share)
        if row > 0:
            nats -= row / total * np.log(row / total)
        if column > 0:
            nats -= column / total * np.log(column / total)
    return nats
