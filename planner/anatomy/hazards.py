"""What a needle must not meet outside the spine and can be told by its air: lung and bowel gas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.geometry import Volume

_LUNG_HU, _GAS_HU = -500.0, -300.0
_PURE_GAS_HU = -970.0
_LUNG_ML = 50.0
_GAS_ML = 0.05


def find_air(search: Volume, body: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(lung, gas) on the search grid: air inside the body in pieces over 50 mL, and the smaller ones (algorithms 3, hazards).

    A large even pocket of pure gas (stomach, colon) is gas.
    """
    air = (search.voxels < _LUNG_HU) & body
    parts, count = ndimage.label(air)
    lung = np.zeros(body.shape, dtype=np.bool_)
    if count:
        volume_ml = np.bincount(parts.ravel(), minlength=count + 1) * search.frame.voxel_ml
        large = [n for n in range(1, count + 1) if volume_ml[n] > _LUNG_ML]
        if large:
            lung = np.isin(parts, [n for n in large if np.median(search.voxels[parts == n]) > _PURE_GAS_HU])
            lung = ndimage.binary_closing(lung, ndimage.generate_binary_structure(3, 1), 2) & body
    gas = (search.voxels < _GAS_HU) & body & ~ndimage.binary_dilation(lung, iterations=2)
    parts, count = ndimage.label(gas)
    if count:
        volume_ml = np.bincount(parts.ravel(), minlength=count + 1) * search.frame.voxel_ml
        keep = volume_ml >= _GAS_ML
        keep[0] = False
        gas = keep[parts]
    return lung, gas
