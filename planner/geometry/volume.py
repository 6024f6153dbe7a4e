"""Volume: the voxels of a scan with their frame and rescale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.geometry.frame import Floats, Frame, axial_frame_over, in_standard_order
from planner.geometry.sampling import resample, trilinear
from planner.progress import Progress, silent


@dataclass(frozen=True)
class Gap:
    """A slab of a scan that no slice shows. normal: unit vector, LPS; low_mm, high_mm: of its two faces along it, from the origin."""

    normal: tuple[float, float, float]
    low_mm: float
    high_mm: float

    def holds(self, points_mm: ArrayLike, margin_mm: float = 0.0) -> NDArray[np.bool_]:
        """Whether LPS points (..., 3) lie in it, or nearer to it than a margin."""
        along = np.asarray(points_mm, dtype=np.float64) @ np.array(self.normal)
        return np.asarray((along > self.low_mm - margin_mm) & (along < self.high_mm + margin_mm))

    def parts(self, one_mm: ArrayLike, other_mm: ArrayLike) -> bool:
        """Whether it lies between two LPS points."""
        low, high = sorted(float(np.asarray(point) @ np.array(self.normal)) for point in (one_mm, other_mm))
        return low <= self.low_mm and high >= self.high_mm

    def fill(self, voxels: NDArray[Any], frame: Frame, value: float, planes: Sequence[int] | None = None) -> None:
        """Give all voxels [k, j, i] of a frame that lie in it one value, in place; planes: only those of these k."""
        of_k, of_j, of_i, offset = np.array(self.normal) @ frame.affine[:3]  # the height along the normal is a sum
        row = of_j * np.arange(frame.shape[1])[:, None] + of_i * np.arange(frame.shape[2]) + offset
        numbers = np.arange(frame.shape[0]) if planes is None else np.asarray(planes, dtype=np.int64)
        heights = of_k * numbers
        for k in numbers[(heights + row.max() > self.low_mm) & (heights + row.min() < self.high_mm)]:
            height = of_k * k + row
            voxels[k][(height > self.low_mm) & (height < self.high_mm)] = value


@dataclass(frozen=True, eq=False)
class Volume:
    """A scan in memory.

    frame: where it lies; always axial and rectangular once `planner.scan` has loaded it (`to_axial`).
    voxels: [slice, row, column] in the scanner's own type; int16 stays int16.
    slope, intercept: value = voxel * slope + intercept. CT values are HU; MR values have no unit.
    modality: "CT", "MR" or another DICOM modality.
    padding: the stored value that stands for "outside the scan", or None.
    gaps: slabs within it that no slice shows; their voxels hold the padding.
    field: the frame of the slices that an oblique scan was resampled from; beyond it no slice shows anything. None where that is `frame`.
    """

    frame: Frame
    voxels: NDArray[Any]
    modality: str = "CT"
    slope: float = 1.0
    intercept: float = 0.0
    padding: float | None = None
    gaps: tuple[Gap, ...] = ()
    field: Frame | None = None

    def __post_init__(self) -> None:
        if self.voxels.shape != self.frame.shape:
            raise ValueError(f"voxels {self.voxels.shape} do not fit the frame {self.frame.shape}")

    @property
    def unseen(self) -> tuple[Gap, ...]:
        """What of the frame no slice shows: the gaps, and all beyond the six faces of the field."""
        if self.field is None:
            return self.gaps
        into = np.linalg.inv(self.field.affine)[:3]
        steps = np.linalg.norm(into[:, :3], axis=1)
        beyond = list(self.gaps)
        for (nx, ny, nz), start, step, size in zip(into[:, :3] / steps[:, None], into[:, 3] / steps, steps, self.field.shape):
            normal = float(nx), float(ny), float(nz)
            low_mm, high_mm = float(-0.5 / step - start), float((size - 0.5) / step - start)
            beyond += [Gap(normal, -math.inf, low_mm), Gap(normal, high_mm, math.inf)]
        return tuple(beyond)

    def shows(self, points_mm: ArrayLike) -> NDArray[np.bool_]:
        """Whether LPS points (..., 3) lie in the scan, and in the slices that it was resampled from."""
        inside = self.frame.contains(points_mm)
        return inside if self.field is None else inside & self.field.contains(points_mm)

    def values(self, box: tuple[slice, slice, slice] | None = None) -> NDArray[np.float32]:
        """Rescaled values (HU in CT) as float32, of all voxels or of a box of them."""
        stored = self.voxels if box is None else self.voxels[box]
        return stored.astype(np.float32) * np.float32(self.slope) + np.float32(self.intercept)

    def sample(self, points_mm: ArrayLike) -> Floats:
        """Rescaled values at LPS points, shape (..., 3) -> (...); trilinear; NaN outside."""
        points = np.asarray(points_mm, dtype=np.float64)
        found = trilinear(self.voxels, self.frame.to_index(points.reshape(-1, 3)))
        if self.field is not None:
            found[_beyond(self.field, points.reshape(-1, 3))] = np.nan
        return (found * self.slope + self.intercept).reshape(points.shape[:-1])

    def sample_planes(self, origin_mm: Floats, across: Floats, down: Floats, u_mm: Floats, v_mm: Floats, outside: float) -> Floats:
        """Rescaled values in n planes at once, trilinear: at origin + u * across + v * down of each; `outside` beyond the scan.

        origin_mm: (n, 3) LPS; across, down: (n, 3) vectors; u_mm, v_mm: (n, ...) -> (n, ...).
        """
        from planner.geometry.kernels import trilinear_planes

        n = len(origin_mm)
        u, v = np.ascontiguousarray(u_mm).reshape(n, -1), np.ascontiguousarray(v_mm).reshape(n, -1)
        turn = np.linalg.inv(self.frame.affine)[:3, :3].T
        found = np.empty(u.shape)
        trilinear_planes(self.voxels, self.frame.to_index(origin_mm), across @ turn, down @ turn, u, v, np.nan, found)
        if self.field is not None:
            for row, origin, to_u, to_v, at_u, at_v in zip(found, origin_mm, across, down, u, v):
                row[_beyond(self.field, origin + at_u[:, None] * to_u + at_v[:, None] * to_v)] = np.nan
        found = found * self.slope + self.intercept
        return np.where(np.isnan(found), outside, found).reshape(np.shape(u_mm))

    def to_stored(self, value: float) -> float:
        """The stored voxel value of a rescaled value."""
        return (value - self.intercept) / self.slope

    def to_axial(self, progress: Progress = silent) -> Volume:
        """This scan in the standard frame (slices to the head, rows to the back, columns to the left).

        Axis-aligned scans are flipped and transposed without loss; oblique and sheared ones are resampled, trilinear.
        """
        frame = self.frame
        if frame.is_axial:
            return self
        if frame.is_aligned:
            upright, order, turned = in_standard_order(frame)
            affine = upright.affine.copy()
            affine[:3, :3] = np.where(np.abs(affine[:3, :3]) > 1e-6, affine[:3, :3], 0.0)
            voxels = np.flip(self.voxels.transpose(order), turned)
            return replace(self, frame=Frame(upright.shape, affine), voxels=np.ascontiguousarray(voxels))
        target = axial_frame_over(frame)
        fill = self.padding if self.padding is not None else self.to_stored(-1024.0) if self.modality == "CT" else 0.0
        return replace(self, frame=target, voxels=resample(self.voxels, frame, target, fill, progress=progress), field=frame)


def _beyond(field: Frame, points_mm: Floats) -> NDArray[np.bool_]:
    """Which points (n, 3) lie more than half a voxel outside."""
    index = field.to_index(points_mm)
    return np.asarray(((index < -0.5) | (index > np.array(field.shape) - 0.5)).any(axis=1))
