"""A scan at about 1.5 mm, where the search runs, and the way back to the scan's own voxels."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.geometry import Frame, Volume
from planner.progress import Progress, silent

SEARCH_MM = 1.5
LOWEST_HU, HIGHEST_HU = -1024.0, 3071.0


def values_of(volume: Volume, box: tuple[slice, slice, slice] | None = None) -> NDArray[np.float32]:
    """Values as float32: HU clipped to what a scanner writes, padding as air; MR from 0 up."""
    values = volume.values(box)
    if volume.padding is not None:
        stored = volume.voxels if box is None else volume.voxels[box]
        values[stored == volume.padding] = LOWEST_HU if volume.modality == "CT" else 0.0
    if volume.modality == "CT":
        return np.clip(values, LOWEST_HU, HIGHEST_HU, out=values)
    return np.maximum(values, 0.0, out=values)


def reduced(volume: Volume, spacing_mm: float = SEARCH_MM, progress: Progress = silent) -> Volume:
    """The scan on a grid of nearly `spacing_mm` cubes over the same box: means of voxels where it is finer, linear where it is coarser.

    Result: along the scan's own axes, int16 rescaled values (HU in CT) with slope 1.
    """
    shape, frame = volume.frame.shape, reduced_frame(volume.frame, spacing_mm)
    nk, nj, ni = frame.shape
    factor = np.array(shape) / np.array(frame.shape)
    plane = cv2.INTER_AREA if min(factor[1:]) >= 1 else cv2.INTER_LINEAR
    flat = np.empty((shape[0], nj, ni), dtype=np.float32)
    for k in range(shape[0]):
        flat[k] = cv2.resize(values_of(volume, (slice(k, k + 1), slice(None), slice(None)))[0], (ni, nj), interpolation=plane)
        if k % 32 == 0:
            progress(0.8 * k / shape[0], "Reducing the scan")
    along = cv2.INTER_AREA if factor[0] >= 1 else cv2.INTER_LINEAR
    out = np.empty((nk, nj, ni), dtype=np.int16)
    for j in range(nj):
        out[:, j] = np.rint(cv2.resize(np.ascontiguousarray(flat[:, j]), (ni, nk), interpolation=along))
    return Volume(frame, out, volume.modality)


def reduced_frame(frame: Frame, spacing_mm: float = SEARCH_MM) -> Frame:
    """The grid of nearly `spacing_mm` cubes over the same box."""
    nk, nj, ni = (int(n) for n in np.maximum(1, np.rint(np.array(frame.shape) * np.array(frame.spacing_mm) / spacing_mm)))
    factor = np.array(frame.shape) / np.array((nk, nj, ni))
    affine = frame.affine.copy()
    affine[:3, :3] *= factor
    affine[:3, 3] = frame.to_world((factor - 1) / 2)
    return Frame((nk, nj, ni), affine)


Mask = TypeVar("Mask", np.bool_, np.uint8)


def nearest_indices(source: Frame, target: Frame) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """For each slice, row and column of one frame the nearest one of another along the same axes."""
    index = []
    first = source.to_index(target.affine[:3, 3])
    for axis, start in enumerate(first):
        step = target.spacing_mm[axis] / source.spacing_mm[axis]
        index.append(np.clip(np.rint(start + step * np.arange(target.shape[axis])).astype(np.intp), 0, source.shape[axis] - 1))
    return index[0], index[1], index[2]


def onto(mask: NDArray[Mask], source: Frame, target: Frame) -> NDArray[Mask]:
    """A mask or label map of one frame on another along the same axes, nearest voxel."""
    k, j, i = nearest_indices(source, target)
    return mask[k][:, j][:, :, i] if len(k) < len(mask) else mask[:, j][:, :, i][k]
