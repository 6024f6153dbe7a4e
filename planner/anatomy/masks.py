"""Masks grown, shrunk and smoothed by millimetres on grids of any spacing: slice after slice, so that a whole scan's bone takes seconds."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.progress import Progress, silent

Mask = NDArray[np.bool_]


def grown(mask: Mask, spacing_mm: Sequence[float], by_mm: float, progress: Progress = silent) -> Mask:
    """Every voxel within by_mm of the mask [k, j, i]; where negative, every voxel farther than that from what is outside. What lies beyond
    the array counts as neither."""
    if by_mm < 0:
        return ~grown(~mask, spacing_mm, -by_mm, progress)
    image, out = mask.astype(np.uint8), np.zeros(mask.shape, dtype=np.uint8)
    reach = int(by_mm / spacing_mm[0])
    brushes = {step: _ellipse(np.sqrt(by_mm**2 - (step * spacing_mm[0]) ** 2), spacing_mm) for step in range(reach + 1)}
    for k in range(len(image)):
        progress(k / len(image), "Growing the mask")
        if not image[k].any():
            continue
        for step, brush in brushes.items():
            wide = cv2.dilate(image[k], brush, borderType=cv2.BORDER_CONSTANT, borderValue=0)
            for at in {k - step, k + step}:
                if 0 <= at < len(image):
                    out[at] |= wide
    return out > 0


def _ellipse(radius_mm: float, spacing_mm: Sequence[float]) -> NDArray[np.uint8]:
    """The voxels of a slice within a radius of one."""
    rows, columns = (int(radius_mm / mm + 1e-6) for mm in spacing_mm[1:])
    j, i = np.ogrid[-rows : rows + 1, -columns : columns + 1]
    return ((j * spacing_mm[1]) ** 2 + (i * spacing_mm[2]) ** 2 <= radius_mm**2 + 1e-6).astype(np.uint8)


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
