"""The patient against air, table and supports."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.grid import onto, reduced
from planner.geometry import Volume

AIR_BELOW_HU = -300.0
_COARSE_MM = 4.0
_OPENING_MM = 8.0  # cuts the shells of the table, tubes and sheets


def _ball(radius_mm: float, spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    reach = [int(radius_mm / s) for s in spacing_mm]
    k, j, i = np.mgrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1, -reach[2] : reach[2] + 1]
    mask: NDArray[np.bool_] = (k * spacing_mm[0]) ** 2 + (j * spacing_mm[1]) ** 2 + (i * spacing_mm[2]) ** 2 <= radius_mm**2
    return mask


def body_mask(search: Volume, threshold: float = AIR_BELOW_HU) -> NDArray[np.bool_]:
    """Voxels of the patient, lungs and gas inside included, on the grid of `search` (about 1.5 mm).

    Thin things (table, tubes) are opened away, the largest component is kept, holes are filled slice by slice.
    """
    coarse = reduced(search, _COARSE_MM)
    solid = coarse.voxels > threshold
    spacing = coarse.frame.spacing_mm
    ball = _ball(_OPENING_MM, spacing)
    padded = np.pad(solid, 3, mode="edge")  # what leaves the field goes on outside it
    opened = ndimage.binary_opening(padded, ball)[3:-3, 3:-3, 3:-3]
    parts, count = ndimage.label(opened)
    if count == 0:
        return np.zeros(search.frame.shape, dtype=np.bool_)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    core = parts == sizes.argmax()
    near = ndimage.binary_dilation(core, _ball(4.0, spacing)) & solid
    filled = np.stack([_filled(plane) for plane in near])
    inner = ndimage.binary_erosion(np.pad(filled, 1, mode="edge"), np.ones((1, 3, 3), dtype=np.bool_))[1:-1, 1:-1, 1:-1]
    outer = ndimage.binary_dilation(filled, np.ones((1, 3, 3), dtype=np.bool_))
    fine = onto(outer, coarse.frame, search.frame) & (search.voxels > threshold)
    return fine | onto(inner, coarse.frame, search.frame)


def _filled(plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Holes filled; a hole that runs out of the left, right or front border of a cropped field counts as one when tissue closes it."""
    closed = np.pad(plane, 1)
    if plane[:, 0].any():
        rows = np.flatnonzero(plane[:, 0])
        closed[rows[0] + 1 : rows[-1] + 2, 0] = True
    if plane[:, -1].any():
        rows = np.flatnonzero(plane[:, -1])
        closed[rows[0] + 1 : rows[-1] + 2, -1] = True
    if plane[0].any():
        columns = np.flatnonzero(plane[0])
        closed[0, columns[0] + 1 : columns[-1] + 2] = True
    return np.asarray(ndimage.binary_fill_holes(closed)[1:-1, 1:-1])


def skin_band(body: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(inner, outer): surely body, and where the skin may lie; between them the scan's own voxels decide."""
    cross = ndimage.generate_binary_structure(3, 1)
    return ndimage.binary_erosion(body, cross, 2, border_value=1), ndimage.binary_dilation(body, cross, 1)
