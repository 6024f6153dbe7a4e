"""Gaussian blur of a whole scan, in a fraction of what scipy takes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_REACH = 4.0  # of the kernel, in its own sigma


def blurred(values: NDArray[np.float32] | NDArray[np.int16], sigma: tuple[float, float, float]) -> NDArray[np.float32]:
    """A scan blurred along slices, rows and columns, sigma in voxels; 0 leaves an axis as it is. Mirrored beyond its borders, as scipy's
    gaussian_filter does it."""
    along, down, across = sigma
    flat = np.ascontiguousarray(values, dtype=np.float32).reshape(len(values), -1)
    out = np.empty_like(flat)
    step = 1 << 14  # so many columns of it at once lie near to the processor
    for first in range(0, flat.shape[1], step):
        part = flat[:, first : first + step]
        out[:, first : first + step] = cv2.sepFilter2D(part, -1, _ONE, _kernel(along), borderType=cv2.BORDER_REFLECT)
    planes = out.reshape(values.shape)
    if down > 0 or across > 0:
        for plane in planes:
            cv2.sepFilter2D(plane, -1, _kernel(across), _kernel(down), dst=plane, borderType=cv2.BORDER_REFLECT)
    return planes


def _kernel(sigma: float) -> NDArray[np.float32]:
    reach = int(_REACH * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-6)) ** 2)
    return (kernel / kernel.sum()).astype(np.float32)


_ONE = _kernel(0.0)
