"""What a needle must not meet outside the spine and can be told by its air: lung and bowel gas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.geometry import Volume

_LUNG_HU, _GAS_HU = -500.0, -300.0
_PURE_GAS_HU = -920.0  # inside a pocket: colon and stomach -950 to -1000, lungs of the scans -780 to -880
_LUNG_ML, _CUT_LUNG_ML = 50.0, 10.0  # whole, and cut off by the scan's first or last slice
_GAS_ML = 0.05


def find_air(search: Volume, body: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(lung, gas) on the search grid: air inside the body in pieces over 50 mL, and the smaller ones (algorithms 3, hazards). The lung's
    surface stands for the pleura.

    A piece that the scan's end cuts is lung from 10 mL on; a pocket of pure gas (stomach, colon) is gas whatever its size.
    """
    air = (search.voxels < _LUNG_HU) & body
    parts, count = ndimage.label(air)
    lung = np.zeros(body.shape, dtype=np.bool_)
    if count:
        volume_ml = np.bincount(parts.ravel(), minlength=count + 1) * search.frame.voxel_ml
        cut = np.isin(np.arange(count + 1), parts[[0, -1]])
        large = np.flatnonzero((volume_ml > _LUNG_ML) | (cut & (volume_ml > _CUT_LUNG_ML)))
        boxes = ndimage.find_objects(parts)
        for n in large[large > 0]:
            part = parts[boxes[n - 1]] == n
            values = search.voxels[boxes[n - 1]]
            core = ndimage.binary_erosion(part, iterations=2)  # without its blurred edge
            if np.median(values[core if core.any() else part]) > _PURE_GAS_HU:
                lung[boxes[n - 1]] |= part
        if lung.any():
            lung |= ndimage.binary_closing(lung, ndimage.generate_binary_structure(3, 1), 2) & body  # which loses the end slices
    gas = (search.voxels < _GAS_HU) & body & ~ndimage.binary_dilation(lung, iterations=2)
    parts, count = ndimage.label(gas)
    if count:
        volume_ml = np.bincount(parts.ravel(), minlength=count + 1) * search.frame.voxel_ml
        keep = volume_ml >= _GAS_ML
        keep[0] = False
        gas = keep[parts]
    return lung, gas
