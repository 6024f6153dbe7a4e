"""Masks grown, shrunk and smoothed by millimetres on grids of any spacing: slice after slice, so that a whole scan's bone takes seconds."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.progress import Progress, silent

Mask = NDArray[np.bool_]
_BORDER = 0.25  # of a voxel: how far a mask's border lies beyond its outermost middles, in the mean


def grown(mask: Mask, spacing_mm: Sequence[float], by_mm: float, progress: Progress = silent) -> Mask:
    """Every voxel within by_mm of the mask [k, j, i]; where negative, every voxel farther than that from what is outside. What lies beyond
    the array counts as neither.

    Distances are between voxels' middles less a quarter of a voxel, which a mask's border lies beyond its outermost middles in the mean: so
    balls of 4 to 15 mm grow and shrink by 1 mm within 0.05 mm on voxels of 0.7 to 1.2 mm. Less than `least_growth_mm` changes nothing.
    """
    if by_mm < 0:
        return ~grown(~mask, spacing_mm, -by_mm, progress)
    image, out = mask.astype(np.uint8), np.zeros(mask.shape, dtype=np.uint8)
    brushes = _brushes(spacing_mm, by_mm)
    for k in range(len(image)):
        progress(k / len(image), "Growing the mask")
        if not image[k].any():
            continue
        for step, brush in enumerate(brushes):
            wide = cv2.dilate(image[k], brush, borderType=cv2.BORDER_CONSTANT, borderValue=0)
            for at in {k - step, k + step}:
                if 0 <= at < len(image):
                    out[at] |= wide
    return out > 0


def least_growth_mm(spacing_mm: Sequence[float]) -> float:
    """By how much a mask must grow at least for the nearest voxel to join it."""
    return (1.0 - _BORDER) * min(spacing_mm)


def _brushes(spacing_mm: Sequence[float], by_mm: float) -> list[NDArray[np.uint8]]:
    """The slices of an ellipsoid that reaches by_mm and a quarter of a voxel along each axis, from its middle one on."""
    high, wide, broad = (by_mm + _BORDER * mm for mm in spacing_mm)
    rows, columns = int(wide / spacing_mm[1] + 1e-6), int(broad / spacing_mm[2] + 1e-6)
    j, i = np.ogrid[-rows : rows + 1, -columns : columns + 1]
    flat = (j * spacing_mm[1] / wide) ** 2 + (i * spacing_mm[2] / broad) ** 2
    steps = range(int(high / spacing_mm[0] + 1e-6) + 1)
    return [(flat + (step * spacing_mm[0] / high) ** 2 <= 1.0 + 1e-6).astype(np.uint8) for step in steps]


def smoothed(mask: Mask, spacing_mm: Sequence[float], by_mm: float, progress: Progress = silent) -> Mask:
    """Where more than half of what is near belongs to the mask: near as a Gaussian of this standard deviation weighs it."""
    soft = np.empty(mask.shape, dtype=np.float32)
    sigma = [by_mm / mm for mm in spacing_mm]
    for k in range(len(mask)):
        progress(0.5 * k / len(mask), "Smoothing the mask")
        soft[k] = cv2.GaussianBlur(mask[k].astype(np.float32), (0, 0), sigma[2], sigmaY=sigma[1], borderType=cv2.BORDER_REPLICATE)
    out = np.empty(mask.shape, dtype=np.bool_)
    for j in range(mask.shape[1]):
        progress(0.5 + 0.5 * j / mask.shape[1], "Smoothing the mask")
        out[:, j] = ndimage.gaussian_filter1d(soft[:, j], sigma[0], axis=0, mode="nearest") > 0.5
    return out
