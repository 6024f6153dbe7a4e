"""Shapes looked for in a plane: how well a small pattern of which most is empty matches each place."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray


def matched(plane: ArrayLike, pattern: NDArray[np.float32]) -> NDArray[np.float32]:
    """(rows - height + 1, columns - width + 1): the sum of a plane (rows, columns), weighed with a pattern (height, width), at each place
    where the whole pattern lies in it; place (0, 0) is where the pattern's middle lies on (height // 2, width // 2)."""
    values = np.ascontiguousarray(plane, dtype=np.float32)
    found = np.zeros((values.shape[0] - pattern.shape[0] + 1, values.shape[1] - pattern.shape[1] + 1), dtype=np.float32)
    _add_up(values, np.ascontiguousarray(pattern), found)
    return found


@njit(cache=True, nogil=True)
def _add_up(plane: NDArray[np.float32], pattern: NDArray[np.float32], found: NDArray[np.float32]) -> None:
    rows, columns = found.shape
    for a in range(pattern.shape[0]):
        for b in range(pattern.shape[1]):
            weight = pattern[a, b]
            if weight == 0.0:
                continue
            for row in range(rows):
                here, there = found[row], plane[row + a, b : b + columns]
                for column in range(columns):
                    here[column] += weight * there[column]
