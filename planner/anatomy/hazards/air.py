"""What a needle must not meet outside the spine and can be told by its air: lung and bowel gas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.anatomy.morphology import closed, grown, pieces_of, shrunk
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
    air = search.voxels < _LUNG_HU
    air &= body
    lung = np.zeros(body.shape, dtype=np.bool_)
    pieces = pieces_of(air)
    volume_ml = pieces.sizes * search.frame.voxel_ml
    for n in np.flatnonzero((volume_ml > _LUNG_ML) | (pieces.cut & (volume_ml > _CUT_LUNG_ML))):
        part = pieces.mask(np.arange(pieces.count) == n)
        core = shrunk(part, 2)  # without its blurred edge
        if np.median(search.voxels[core if core.any() else part]) > _PURE_GAS_HU:
            lung |= part
    if lung.any():
        lung |= closed(lung, 2) & body  # which loses the end slices
    gas = search.voxels < _GAS_HU
    gas &= body
    gas &= ~grown(lung, 2)
    pockets = pieces_of(gas)
    return lung, pockets.mask(pockets.sizes * search.frame.voxel_ml >= _GAS_ML)
