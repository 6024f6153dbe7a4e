"""Frame: where a grid of voxels lies in the patient. The only place that converts between indices and millimetres.

World is LPS in millimetres, double: x to the patient's left, y to the back, z to the head. Arrays are [slice, row, column],
short [k, j, i]; an index is a triple in that order, and voxel centres have whole indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Frame:
    """A grid in the world.

    shape: voxels as (slices, rows, columns).
    affine: 4x4 double; `affine @ (k, j, i, 1)` is the LPS position of a voxel's centre in mm. It may be left-handed and oblique,
        but the planner works on rectangular grids only (`is_rectangular`): a sheared scan is resampled when it is loaded.
    """

    shape: tuple[int, int, int]
    affine: Floats

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise ValueError("an affine is a finite, invertible 4x4 matrix")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @classmethod
    def axial(cls, shape: Sequence[int], spacing_mm: Sequence[float], origin_mm: Sequence[float]) -> Frame:
        """An axis-aligned frame: k to the head (+z), j to the back (+y), i to the left (+x).

        spacing_mm is (k, j, i); origin_mm is the LPS position of voxel [0, 0, 0].
        """
        dk, dj, di = spacing_mm
        affine = np.array([[0, 0, di, origin_mm[0]], [0, dj, 0, origin_mm[1]], [dk, 0, 0, origin_mm[2]], [0, 0, 0, 1.0]])
        return cls((shape[0], shape[1], shape[2]), affine)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frame) and self.shape == other.shape and np.array_equal(self.affine, other.affine)

    def __hash__(self) -> int:
        return hash((self.shape, self.affine.tobytes()))

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbours along k, j and i."""
        k, j, i = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(k), float(j), float(i)

    @cached_property
    def _inverse(self) -> Floats:
        return np.asarray(np.linalg.inv(self.affine), dtype=np.float64)

    @property
    def directions(self) -> Floats:
        """3x3; column n is the unit vector along which index n grows."""
        return self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return float(abs(np.linalg.det(self.affine[:3, :3])) / 1000.0)

    @property
    def is_rectangular(self) -> bool:
        """True when the three axes are at right angles."""
        d = self.directions
        return bool(np.abs(d.T @ d - np.eye(3)).max() < 1e-4)

    @property
    def is_aligned(self) -> bool:
        """True when each index runs along an axis of the world, in any order and direction: no resampling makes it axial."""
        directions = np.abs(self.directions)
        return sorted(directions.argmax(axis=0)) == [0, 1, 2] and bool(np.abs(directions.max(axis=0) - 1).max() < 1e-6)

    @property
    def is_axial(self) -> bool:
        """True for the standard frame of the planner: k to the head, j to the back, i to the left, along the world's axes."""
        return bool(np.abs(self.directions - np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0.0]])).max() < 1e-6)

    def to_world(self, indices: ArrayLike) -> Floats:
        """LPS positions, shape (..., 3), of indices (k, j, i), shape (..., 3); fractions allowed."""
        return np.asarray(indices, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def to_index(self, points_mm: ArrayLike) -> Floats:
        """Fractional indices (k, j, i), shape (..., 3), of LPS positions, shape (..., 3)."""
        return np.asarray(points_mm, dtype=np.float64) @ self._inverse[:3, :3].T + self._inverse[:3, 3]

    def contains(self, points_mm: ArrayLike, margin_mm: float = 0.0) -> NDArray[np.bool_]:
        """Whether points lie inside the outermost voxels' centres, at least margin_mm from the border."""
        index = self.to_index(points_mm)
        margin = margin_mm / np.array(self.spacing_mm)
        return np.all((index >= margin) & (index <= np.array(self.shape) - 1 - margin), axis=-1)

    @property
    def corners_mm(self) -> Floats:
        """LPS positions of the eight outermost voxel centres, shape (8, 3)."""
        n = np.array(self.shape) - 1
        return self.to_world(np.array([[a, b, c] for a in (0, n[0]) for b in (0, n[1]) for c in (0, n[2])]))

    @property
    def bounds_mm(self) -> tuple[Floats, Floats]:
        """Least and greatest LPS coordinates of the corners."""
        corners = self.corners_mm
        return corners.min(axis=0), corners.max(axis=0)

    @property
    def centre_mm(self) -> Floats:
        """The middle of the grid in LPS."""
        return self.to_world((np.array(self.shape) - 1) / 2)

    def crop(self, start: Sequence[int], stop: Sequence[int]) -> Frame:
        """The frame of `array[start[0]:stop[0], start[1]:stop[1], start[2]:stop[2]]`."""
        affine = self.affine.copy()
        affine[:3, 3] = self.to_world(np.asarray(start))
        return Frame((stop[0] - start[0], stop[1] - start[1], stop[2] - start[2]), affine)

    def box_around(self, points_mm: ArrayLike, margin_mm: float) -> tuple[slice, slice, slice]:
        """Slices of the smallest box of voxels that holds the points with a margin, clipped to the grid."""
        index = self.to_index(points_mm).reshape(-1, 3)
        margin = margin_mm / np.array(self.spacing_mm)
        low = np.clip(np.floor(index.min(axis=0) - margin).astype(int), 0, self.shape)
        high = np.clip(np.ceil(index.max(axis=0) + margin).astype(int) + 1, 0, self.shape)
        return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2]))

    def with_spacing(self, spacing_mm: Sequence[float]) -> Frame:
        """A frame along the same axes over the same box (first voxel centre to last) at another spacing."""
        old = np.array(self.spacing_mm)
        new = np.asarray(spacing_mm, dtype=np.float64)
        shape = np.maximum(1, np.floor((np.array(self.shape) - 1) * old / new + 1e-9).astype(int) + 1)
        affine = self.affine.copy()
        affine[:3, :3] *= new / old
        return Frame((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def in_standard_order(frame: Frame) -> tuple[Frame, tuple[int, ...], tuple[int, ...]]:
    """The same grid with the axes nearest to the head, to the back and to the left as k, j and i; which index each was before, and which
    of the new ones run the other way."""
    order = max(permutations(range(3)), key=lambda axes: sum(abs(frame.directions[world, axis]) for world, axis in zip((2, 1, 0), axes)))
    nk, nj, ni = (frame.shape[axis] for axis in order)
    affine, turned = frame.affine[:, (*order, 3)].copy(), []
    for axis, (world, size) in enumerate(zip((2, 1, 0), (nk, nj, ni))):
        if affine[world, axis] < 0:
            affine[:3, 3] += affine[:3, axis] * (size - 1)
            affine[:3, axis] *= -1
            turned.append(axis)
    return Frame((nk, nj, ni), affine), order, tuple(turned)


def axial_frame_over(frame: Frame, spacing_mm: Sequence[float] | None = None) -> Frame:
    """The standard frame (`Frame.is_axial`) whose box holds `frame`; spacing (k, j, i) as of the nearest axes unless given."""
    low, high = frame.bounds_mm
    if spacing_mm is None:
        nearest = np.abs(frame.directions).argmax(axis=1)  # which index runs along x, y, z
        s = np.array(frame.spacing_mm)
        spacing_mm = (s[nearest[2]], s[nearest[1]], s[nearest[0]])
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    shape = np.maximum(1, np.ceil((high - low)[::-1] / spacing - 1e-6).astype(int) + 1)
    return Frame.axial((int(shape[0]), int(shape[1]), int(shape[2])), tuple(spacing_mm), tuple(low))
