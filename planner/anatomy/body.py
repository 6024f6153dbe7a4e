"""The patient against air, table and supports."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.grid import onto, reduced
from planner.anatomy.morphology import grown, reached, shrunk
from planner.geometry import Floats, Volume

AIR_BELOW_HU = -300.0
_COARSE_MM = 4.0
_OPENING_MM = 8.0  # cuts the shells of the table, tubes and sheets
_SHEET_MM, _SLIT_MM = 12.0, (3.0, 15.0)  # what is thinner than this and this far behind the back is a cushion; lung lies deeper
_LUNG_RIM = 0.6  # share of a lung's rim in a slice that is thick enough to outlast the opening
_BESIDE_MM = 110.0  # of the middle: where the back is looked at
_TABLE_HU, _TABLE_MM, _TABLE_SHARE = -700.0, 120.0, 0.6  # a support: so dense, so near, behind so much of the back
_FLAT_MM, _FLAT_WIDTH_MM, _FLAT_TILT_DEG = 2.0, 65.0, 6


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
    filled = _with_lungs(_filled(near), near, solid)
    inner = ndimage.binary_erosion(np.pad(filled, 1, mode="edge"), np.ones((1, 3, 3), dtype=np.bool_))[1:-1, 1:-1, 1:-1]
    outer = ndimage.binary_dilation(filled, np.ones((1, 3, 3), dtype=np.bool_))
    body = onto(outer, coarse.frame, search.frame)
    for plane, values in zip(body, search.voxels):
        plane &= values > threshold
    inside = onto(inner, coarse.frame, search.frame)
    body |= inside
    _take_sheets(body, search, threshold)
    return _held(body, inside)


def _with_lungs(filled: NDArray[np.bool_], near: NDArray[np.bool_], solid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Filled slices with the holes that a wall thinner than the opening closes: lung behind a thin chest wall. Between skin and table the
    patient is one side only of a hole."""
    holes = _filled(solid) & ~solid & ~filled
    out = filled.copy()
    for k in np.flatnonzero(holes.any(axis=(1, 2))):
        parts, count = ndimage.label(holes[k])
        for n in range(1, count + 1):
            hole = parts == n
            grown = ndimage.binary_dilation(hole, np.ones((3, 3), dtype=np.bool_))
            rim = grown & ~hole
            if hole.sum() > 2 and near[k][rim].mean() > _LUNG_RIM:
                out[k] |= hole | (rim & solid[k])
    return out


def _held(body: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What hangs together with the inside: crumbs of sheets and cushions beside the skin do not."""
    held = reached(body, inside)
    return held if held.any() else body


def _take_sheets(body: NDArray[np.bool_], search: Volume, threshold: float) -> None:
    """Take, in place, thin things behind a slit of air behind the back: a cushion or sheet that touches the skin elsewhere (algorithms
    1.1)."""
    step = search.frame.spacing_mm[1]
    thin, (least, most) = int(_SHEET_MM / step), (max(1, int(_SLIT_MM[0] / step)), int(_SLIT_MM[1] / step))
    solid = search.voxels > threshold
    solid &= body
    from_back = solid[:, ::-1]
    first = from_back.argmax(axis=1)
    columns = np.argwhere(from_back.any(axis=1))
    rows = first[columns[:, 0], columns[:, 1]][:, None] + np.arange(thin + most + 2)
    run = from_back[columns[:, :1], np.minimum(rows, body.shape[1] - 1), columns[:, 1:]] & (rows < body.shape[1])
    ends = np.where(run.all(axis=1), rows.shape[1], (~run).argmax(axis=1))  # of the rearmost run
    after = run & (np.arange(rows.shape[1]) >= ends[:, None])
    again = np.where(after.any(axis=1), after.argmax(axis=1), rows.shape[1] + most)
    slit = again - ends
    sheet = (ends <= thin) & (slit >= least) & (slit <= most)
    for (k, i), start, stop in zip(columns[sheet], first[columns[sheet, 0], columns[sheet, 1]], again[sheet]):
        body[k, ::-1, i][: start + stop] = False


def pressed_flat(search: Volume, body: NDArray[np.bool_], middle_mm: Floats) -> NDArray[np.bool_]:
    """(n,) for each slice whether the patient lies on the back there and presses it flat: a support stands behind most of it, and the
    skin keeps within 2 mm of a straight line over 65 mm or more. middle_mm: (n,) x of the spine; not a number where there is none."""
    frame = search.frame
    step, across = frame.spacing_mm[1], frame.spacing_mm[2]
    x = frame.affine[0, 3] + across * np.arange(frame.shape[2])
    rows = np.arange(frame.shape[1])
    slopes = np.tan(np.radians(np.arange(-_FLAT_TILT_DEG, _FLAT_TILT_DEG + 1)))
    flat = np.zeros(frame.shape[0], dtype=np.bool_)
    for k in np.flatnonzero(np.isfinite(middle_mm)):
        columns = np.flatnonzero((np.abs(x - middle_mm[k]) < _BESIDE_MM) & body[k].any(axis=0))
        if len(columns) * across < _FLAT_WIDTH_MM:
            continue
        skin = frame.shape[1] - 1 - body[k][::-1, columns].argmax(axis=0)
        behind = (rows[:, None] > skin + 2) & (rows[:, None] < skin + _TABLE_MM / step) & (search.voxels[k][:, columns] > _TABLE_HU)
        if behind.any(axis=0).mean() < _TABLE_SHARE:
            continue
        tilted = skin * step - slopes[:, None] * x[columns]
        width = (tilted.max(axis=1)[:, None] - tilted < _FLAT_MM).sum(axis=1).max() * across
        flat[k] = width >= _FLAT_WIDTH_MM
    return ndimage.binary_opening(flat, iterations=max(1, int(10.0 / frame.spacing_mm[0])))


def _filled(planes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Holes filled, slice by slice; a hole that runs out of the left, right or front border of a cropped field counts as one when tissue
    closes it."""
    closed = np.pad(planes.view(np.uint8), ((0, 0), (2, 2), (2, 2)))
    for plane, around in zip(planes, closed[:, 1:-1, 1:-1]):
        for edge, border in ((plane[:, 0], around[1:-1, 0]), (plane[:, -1], around[1:-1, -1]), (plane[0], around[0, 1:-1])):
            marked = np.flatnonzero(edge)
            if len(marked):
                border[marked[0] : marked[-1] + 1] = 1
    cv2.floodFill(closed.reshape(-1, closed.shape[2]), None, (0, 0), 2)  # one slice below the other: what is outside hangs together
    return closed[:, 2:-2, 2:-2] != 2


def skin_band(body: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(inner, outer): surely body, and where the skin may lie; between them the scan's own voxels decide."""
    return shrunk(body, 2, beyond=True), grown(body)
