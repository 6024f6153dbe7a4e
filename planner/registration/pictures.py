"""A scan made small and comparable: cubes of one size, values in bins, nothing where nobody scanned."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.anatomy.grid import reduced
from planner.anatomy.spine import Canal
from planner.geometry import Floats, Frame, Volume
from planner.progress import Progress, silent

BINS = 32
_CT_HU = (-200.0, 800.0)  # fat to dense bone; algorithms.md 7
_MR_SHARES = (0.01, 0.99)  # of the voxels that hold a signal; algorithms.md 7
_NOBODY_HU = -1020.0
_MR_LARGEST = 10_000.0
_FORWARD_MM = 12.0  # the spine's middle lies in front of the canal's


@dataclass(frozen=True, eq=False)
class Picture:
    """values: float32 [k, j, i] on an axial frame, in bins from 0 to BINS - 1, NaN where nobody scanned (padding)."""

    frame: Frame
    values: NDArray[np.float32]

    def halved(self) -> Picture:
        """At twice the voxel size: means of eight."""
        k, j, i = (max(1, n // 2) for n in self.frame.shape)
        kept = self.values[: 2 * k, : 2 * j, : 2 * i]
        if min(self.frame.shape) < 2:
            return self
        values = kept.reshape(k, 2, j, 2, i, 2).mean(axis=(1, 3, 5), dtype=np.float32)
        affine = self.frame.affine.copy()
        affine[:3, :3] *= 2
        affine[:3, 3] = self.frame.to_world((0.5, 0.5, 0.5))
        return Picture(Frame((k, j, i), affine), values)

    def cropped(self, box: tuple[slice, slice, slice]) -> Picture:
        """A box of it."""
        starts, stops = [one.start for one in box], [one.stop for one in box]
        return Picture(self.frame.crop(starts, stops), self.values[box])


@dataclass(frozen=True, eq=False)
class Points:
    """Places of the planning scan, (n, 3) LPS mm, with their values in bins, (n,)."""

    at_mm: Floats
    values: NDArray[np.float32]


def picture_of(volume: Volume, spacing_mm: float, progress: Progress = silent) -> Picture:
    """A scan at about `spacing_mm`, its values in bins. A scan of one value has all of it in one bin."""
    small = reduced(volume if volume.modality == "CT" else _in_whole_numbers(volume), spacing_mm, progress)
    values = small.voxels.astype(np.float32)
    if volume.modality == "CT":
        nobody = values <= _NOBODY_HU
        low, high = _CT_HU
    else:
        nobody = values <= 0
        seen = values[~nobody]
        low, high = np.quantile(seen[:: max(1, seen.size // 200_000)], _MR_SHARES) if seen.size else (0.0, 1.0)
    values = (values - np.float32(low)) * np.float32((BINS - 1.001) / max(high - low, 1e-6))
    np.clip(values, 0.0, BINS - 1.001, out=values)
    for plane in values:  # noise makes shallow valleys between neighbouring places
        cv2.GaussianBlur(plane, (0, 0), 0.6, plane, borderType=cv2.BORDER_REPLICATE)
    values[nobody] = np.nan
    return Picture(small.frame, values)


def _in_whole_numbers(volume: Volume) -> Volume:
    """An MR, whose values have no unit, with its largest at 10,000: `reduced` keeps 16-bit whole numbers."""
    ends = [volume.slope * float(end) + volume.intercept for end in (np.nanmin(volume.voxels), np.nanmax(volume.voxels))]
    scale = _MR_LARGEST / max(*ends, 1e-12)
    return replace(volume, slope=scale * volume.slope, intercept=scale * volume.intercept)


def beside_spine(frame: Frame, canal: Canal, reach_mm: float) -> NDArray[np.bool_]:
    """Voxels of an axial frame that lie within `reach_mm` of the spine's middle, slice by slice between the canal's ends."""
    line = canal.centreline_mm - _FORWARD_MM * canal.back
    mask = np.zeros(frame.shape, dtype=np.bool_)
    spacing = frame.spacing_mm
    origin = frame.affine[:3, 3]
    x, y = origin[0] + spacing[2] * np.arange(frame.shape[2]), origin[1] + spacing[1] * np.arange(frame.shape[1])
    order = np.argsort(line[:, 2])
    z = origin[2] + spacing[0] * np.arange(frame.shape[0])
    inside = np.flatnonzero((z >= line[:, 2].min()) & (z <= line[:, 2].max()))
    for k in inside:
        at_x, at_y = (float(np.interp(z[k], line[order, 2], line[order, axis])) for axis in (0, 1))
        mask[k] = (x[None, :] - at_x) ** 2 + (y[:, None] - at_y) ** 2 <= reach_mm**2
    return mask


def points_of(picture: Picture, mask: NDArray[np.bool_], most: int) -> Points:
    """Evenly spread places of a mask that hold a value, `most` at most."""
    chosen = np.flatnonzero(mask & ~np.isnan(picture.values))
    if len(chosen) > most:
        chosen = chosen[np.linspace(0, len(chosen) - 1, most).astype(np.int64)]
    index = np.stack(np.unravel_index(chosen, picture.values.shape), axis=1)
    return Points(picture.frame.to_world(index), picture.values.ravel()[chosen])


def filled(picture: Picture) -> Picture:
    """Without gaps, for programs that know no missing values."""
    return replace(picture, values=np.nan_to_num(picture.values, nan=0.0))
