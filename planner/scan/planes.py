"""An oblique or sheared scan in the standard frame, plane by plane: each as soon as the slices that it passes through are read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.geometry import Frame, axial_frame_over
from planner.geometry.sampling import plane_sampler


class Planes:
    """frame: the standard frame that holds the scan. voxels: on its grid; planes that are not made yet hold `empty`, as does what lies
    outside the scan."""

    def __init__(self, slices: NDArray[Any], source: Frame, empty: float) -> None:
        self.frame = axial_frame_over(source)
        self.voxels = np.full(self.frame.shape, empty, slices.dtype)
        self._sample = plane_sampler(slices, source, self.frame, empty)
        self._first, self._last = _passed_through(source, self.frame)
        self._made = np.zeros(len(self.voxels), np.bool_)

    def arrived(self, first: int, last: int) -> bool:
        """Make the planes for which the slices from first to last, both included, are enough. Whether any was made, now or before."""
        for k in np.flatnonzero(~self._made & (self._first >= first) & (self._last <= last)):
            self._sample(int(k), self.voxels[k])
            self._made[k] = True
        return bool(self._made.any())


def _passed_through(source: Frame, target: Frame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the last slice of `source` that each plane of `target` needs."""
    planes, rows, columns = target.shape
    corners = np.array([[k, j, i] for k in range(planes) for j in (0, rows - 1) for i in (0, columns - 1)])
    along = source.to_index(target.to_world(corners))[:, 0].reshape(planes, 4)
    most = source.shape[0] - 1
    first = np.clip(np.floor(along.min(axis=1)), 0, most).astype(np.int64)
    return first, np.clip(np.ceil(along.max(axis=1)), 0, most).astype(np.int64)
