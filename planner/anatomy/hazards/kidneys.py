"""The kidneys in a CT, with contrast or without: bean-sized bodies in fat beside the spine. One that is unsure is not found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.grid import onto, reduced
from planner.anatomy.spine import Canal, Side, Structure
from planner.geometry import Floats, Volume

_GRID_MM = 3.0
_LEAST_HU, _MOST_HU = -30.0, 330.0  # half way from fat to a kidney without contrast; cortex in the arterial phase
_FAT_HU = (-160.0, -25.0)
_PEELS_MM = (3.0, 5.0, 7.0, 9.0, 11.0)  # taken off all round, to part it from its neighbours
_ASIDE_MM, _BEHIND_MM = (20.0, 115.0), (-85.0, 40.0)  # where it is looked for, from the canal's middle
_CENTRE_ASIDE_MM, _CENTRE_BEHIND_MM = (42.0, 92.0), (-42.0, 15.0)
# fat at its surface: of the kidneys of the scans and the phantom 0.9 to 1.0, of spleen, liver and bowel up to 0.9
_FAT_SHARE = 0.92
_AXES_MM = ((36.0, 64.0), (42.0, 80.0), (70.0, 145.0))  # of the ellipsoid with the same moments
_SOLID = 0.6  # its volume in that of the ellipsoid: a kidney without its sinus is hollow on one side
_VOLUME_ML = (80.0, 320.0)
_LEAST_CUT_ML, _LEAST_CUT_MM = 50.0, 45.0  # of one that the scan's end cuts


@dataclass(frozen=True, eq=False)
class Kidney:
    """A kidney that was found. cut: the scan ends in it. fat: share of its surface at which fat lies."""

    side: Side
    centre_mm: tuple[float, float, float]
    volume_ml: float
    cut: bool
    fat: float


def find_kidneys(search: Volume, body: NDArray[np.bool_], canal: Canal) -> tuple[NDArray[np.bool_], tuple[Kidney, ...]]:
    """(mask on the search grid, what was found): at most one kidney a side.

    On 3 mm cubes beside the canal the soft tissue is peeled by 3 to 11 mm; what is left in one piece, grown back, is a kidney when its
    size, length, fullness and place are those of one and fat lies all round it (algorithms 3, hazards; anatomy in numbers, organs).
    """
    coarse = reduced(search, _GRID_MM)
    frame = coarse.frame
    inside = onto(body, search.frame, frame)
    aside, behind = _from_canal(coarse, canal)
    out = np.zeros(frame.shape, dtype=np.bool_)
    kidneys = []
    sides: tuple[tuple[Side, int], ...] = (("left", 1), ("right", -1))
    for side, sign in sides:
        here = (aside * sign > _ASIDE_MM[0]) & (aside * sign < _ASIDE_MM[1]) & (behind > _BEHIND_MM[0]) & (behind < _BEHIND_MM[1]) & inside
        found = _kidney(coarse, here, aside * sign, behind, side)
        if found is not None:
            kidneys.append(found[0])
            out |= found[1]
    if not kidneys:
        return np.zeros(search.frame.shape, dtype=np.bool_), ()
    fine = onto(out, frame, search.frame)
    for plane, values in zip(fine, search.voxels):
        plane &= values > _LEAST_HU
    return fine, tuple(kidneys)


def kidney_structure(kidneys: tuple[Kidney, ...]) -> Structure:
    """Found when both are; one alone, or none, leaves "not checked": a kidney may be where none was seen."""
    if len(kidneys) == 2:
        ends = [kidney.side for kidney in kidneys if kidney.cut]
        problem = f"The scan ends in the {' and the '.join(ends)} kidney." if ends else None
        return Structure("found", 0.85 if not ends else 0.75, problem)
    if kidneys:
        seen, other = kidneys[0].side, "right" if kidneys[0].side == "left" else "left"
        return Structure("not checked", None, f"The {seen} kidney was found; the {other} one does not stand out from what lies against it.")
    return Structure("not checked", None, "No kidney stands out in fat beside the spine.")


def _from_canal(coarse: Volume, canal: Canal) -> tuple[Floats, Floats]:
    """How far columns and rows lie to the left of and behind the canal's middle: (k, 1, i) and (k, j, 1)."""
    affine, shape = coarse.frame.affine, coarse.frame.shape
    x, y, z = (affine[n, 3] + affine[n, 2 - n] * np.arange(shape[2 - n]) for n in range(3))
    order = np.argsort(canal.centreline_mm[:, 2])
    middle = canal.centreline_mm[order]
    aside = x[None, None, :] - np.interp(z, middle[:, 2], middle[:, 0])[:, None, None]
    behind = y[None, :, None] - np.interp(z, middle[:, 2], middle[:, 1])[:, None, None]
    return aside, behind


def _kidney(coarse: Volume, here: NDArray[np.bool_], aside: Floats, behind: Floats, side: Side) -> tuple[Kidney, NDArray[np.bool_]] | None:
    """The piece of one side with most fat round it that is a kidney, and its mask."""
    frame = coarse.frame
    spacing = np.array(frame.spacing_mm)
    boxes = ndimage.find_objects(here.astype(np.uint8))
    if not boxes:
        return None
    box = boxes[0]
    values, here, first = coarse.voxels[box], here[box], np.array([part.start for part in box])
    soft = here & (values > _LEAST_HU) & (values < _MOST_HU)
    fat = ndimage.binary_dilation((values > _FAT_HU[0]) & (values < _FAT_HU[1]))
    depth = ndimage.distance_transform_edt(np.pad(soft, 1, mode="edge"), sampling=spacing)[1:-1, 1:-1, 1:-1]
    best: tuple[Kidney, NDArray[np.bool_]] | None = None
    for peel in _PEELS_MM:
        cores, _ = ndimage.label(depth > peel)
        for number, core_box in enumerate(ndimage.find_objects(cores), start=1):
            grown = _grown(cores, number, core_box, soft, peel, frame.spacing_mm)
            if grown is None:
                continue
            piece, where = grown
            centre = np.argwhere(piece).mean(axis=0) + where + first
            k, j, i = np.rint(centre).astype(int)
            if not _CENTRE_ASIDE_MM[0] < aside[k, 0, i] < _CENTRE_ASIDE_MM[1]:
                continue
            if not _CENTRE_BEHIND_MM[0] < behind[k, j, 0] < _CENTRE_BEHIND_MM[1]:
                continue
            top = where[0] + first[0]
            cut = bool(piece[: max(0, 1 - top)].any() or (top + piece.shape[0] >= frame.shape[0] and piece[-1].any()))
            around = tuple(slice(low, low + size) for low, size in zip(where, piece.shape))
            share = float(fat[around][ndimage.binary_dilation(piece) & ~piece].mean())
            volume_ml = float(piece.sum()) * frame.voxel_ml
            if not _is_kidney(piece, volume_ml, share, cut, spacing) or (best is not None and share <= best[0].fat):
                continue
            x, y, z = (float(value) for value in frame.to_world(centre))
            mask = np.zeros(frame.shape, dtype=np.bool_)
            mask[box][around] = piece
            best = Kidney(side, (x, y, z), volume_ml, cut, share), mask
    return best


def _grown(
    cores: NDArray[np.int32],
    number: int,
    box: tuple[slice, slice, slice],
    soft: NDArray[np.bool_],
    peel: float,
    spacing_mm: tuple[float, float, float],
) -> tuple[NDArray[np.bool_], NDArray[np.intp]] | None:
    """A core grown back by what was peeled off, in a box, and the box's first voxel; None where it is far from a kidney's size."""
    reach = [int(np.ceil((peel + 1.0) / step)) + 2 for step in spacing_mm]
    size_mm = [(part.stop - part.start) * step + 2 * peel for part, step in zip(box, spacing_mm)]
    if max(size_mm) > 190.0 or max(size_mm) < _LEAST_CUT_MM:
        return None
    low = [max(0, part.start - more) for part, more in zip(box, reach)]
    around = tuple(slice(start, part.stop + more) for start, part, more in zip(low, box, reach))
    near = ndimage.distance_transform_edt(cores[around] != number, sampling=spacing_mm) <= peel + 1.0
    piece: NDArray[np.bool_] = ndimage.binary_opening(near & soft[around])
    return (piece, np.array(low)) if piece.any() else None


def _is_kidney(piece: NDArray[np.bool_], volume_ml: float, fat: float, cut: bool, spacing_mm: Floats) -> bool:
    """Whether size, form and surroundings are a kidney's; of one cut off by the scan's end, of what is left."""
    if fat < _FAT_SHARE or not (_LEAST_CUT_ML if cut else _VOLUME_ML[0]) <= volume_ml <= _VOLUME_ML[1]:
        return False
    spread = np.linalg.eigvalsh(np.cov((np.argwhere(piece) * spacing_mm).T))
    axes = 2.0 * np.sqrt(5.0 * np.maximum(spread, 0.01))
    full = volume_ml / (np.pi / 6.0 * float(np.prod(axes)) / 1000.0)
    lowest = [_LEAST_CUT_MM if cut and n == 2 else low for n, (low, _) in enumerate(_AXES_MM)]
    return full >= _SOLID and all(low <= axis <= high for axis, low, (_, high) in zip(axes, lowest, _AXES_MM))
