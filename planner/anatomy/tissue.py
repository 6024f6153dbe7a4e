"""Skin, soft tissue, bone and discs in the label map, on the scan's own voxels: from masks and codes on the search grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.anatomy import labels as codes
from planner.anatomy.body import skin_band
from planner.anatomy.grid import SEARCH_MM, nearest_indices
from planner.anatomy.paint import SPINE_MM, SpineVoxels, VertebraMap
from planner.anatomy.spine import Canal
from planner.geometry import Frame, Volume

_INSIDE = 3  # zone of a voxel well inside the body and away from bone


@dataclass(frozen=True, eq=False)
class Tissue:
    """What a scan's label map is painted by, whatever its vertebrae are called. zone: on the search grid, of bits: the body with its skin
    (1), surely the body (2), where what is bright is bone (4). soft: codes there of what is no bone: soft tissue, organs, gas. Skin lies
    where values pass air_limit, bone is brighter than bone_limit."""

    volume: Volume
    search: Frame
    zone: NDArray[np.uint8]
    soft: NDArray[np.uint8]
    air_limit: float
    bone_limit: float


@dataclass(frozen=True, eq=False)
class Painted:
    """A label map and how its tissue was painted. labels: with all that was written into it later, which lies in `box` alone. under: that
    box before. spine: the codes of the spine's voxels that it was painted with."""

    labels: NDArray[np.uint8]
    box: tuple[slice, slice, slice]
    under: NDArray[np.uint8]
    spine: VertebraMap


def tissue_of(
    volume: Volume, search: Frame, body: NDArray[np.bool_], solid: NDArray[np.bool_], soft: NDArray[np.uint8], air_limit: float,
    bone_limit: float,
) -> Tissue:  # fmt: skip
    """From what is known on the search grid: the body, where what is bright is bone, and the codes of what is none."""
    inner, outer = skin_band(body)
    zone = np.zeros(search.shape, dtype=np.uint8)
    for plane, *parts in zip(zone, outer, inner, solid):
        for bit, part in enumerate(parts):
            plane |= part.view(np.uint8) << bit
        plane *= parts[0]
    return Tissue(volume, search, zone, soft, air_limit, bone_limit)


def paint_tissue(
    tissue: Tissue, canal: Canal, voxels: SpineVoxels, spine: VertebraMap, before: Painted | None = None
) -> tuple[NDArray[np.uint8], Painted]:
    """A label map (0 outside the body, bone where it is bright, else what is known of soft tissue) with the codes of the spine's voxels,
    and what the same scan's map under other names may be painted from. Codes that differ under other names, and all that is written into
    the map later, lie around the canal.

    before: what an earlier call gave: only where codes are others the map is painted anew.
    """
    if before is not None:
        labels = before.labels.copy()
        labels[before.box] = before.under
        other = (spine.bone != before.spine.bone) | (spine.inner != before.spine.inner)
        _paint_spine(tissue, voxels.index[other], spine.bone[other], spine.inner[other], labels)
        return labels, before
    labels = np.zeros(tissue.volume.frame.shape, dtype=np.uint8)
    _paint_body(tissue, labels)
    _paint_spine(tissue, voxels.index, spine.bone, spine.inner, labels)
    box = tissue.volume.frame.box_around(canal.centreline_mm, SPINE_MM + 2.0 * SEARCH_MM)
    return labels, Painted(labels, box, labels[box].copy(), spine)


def _paint_body(tissue: Tissue, labels: NDArray[np.uint8]) -> None:
    """Paint every voxel as the nearest one of the search grid says; all bone is `bone other`."""
    kk, jj, ii = nearest_indices(tissue.search, tissue.volume.frame)
    start = np.searchsorted(ii, np.arange(tissue.search.shape[2] + 1))  # the first column of each one there
    _paint_all(labels, tissue.volume.voxels, kk, jj, start, tissue.zone, tissue.zone.any(axis=2), tissue.soft, _limits(tissue))


def _paint_spine(
    tissue: Tissue, index: NDArray[np.int32], bone: NDArray[np.uint8], inner: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> None:
    """Paint the voxels of which the nearest one of the search grid is one of these."""
    nearest = nearest_indices(tissue.search, tissue.volume.frame)
    firsts = (np.searchsorted(near, np.arange(size + 1)) for near, size in zip(nearest, tissue.search.shape))
    zone, soft = tissue.zone.reshape(-1)[index], tissue.soft.reshape(-1)[index]
    np.copyto(soft, inner, where=inner > 0)  # cancellous bone may be darker than the threshold
    _paint_these(labels, tissue.volume.voxels, *firsts, index, zone, soft, bone, _limits(tissue))


def _limits(tissue: Tissue) -> tuple[float, float, float, float]:
    """1 or -1, by which stored values are brighter the greater or the smaller they are; and of values so turned the limits of air and
    bone; and the stored value that is outside the scan, nan where there is none."""
    volume = tissue.volume
    sign = 1.0 if volume.slope > 0 else -1.0
    air, bone = (sign * volume.to_stored(limit) if np.isfinite(limit) else np.inf for limit in (tissue.air_limit, tissue.bone_limit))
    return sign, air, bone, np.nan if volume.padding is None else float(volume.padding)


@njit(cache=True, nogil=True)
def _code(stored: float, zone: int, soft: int, bone: int, limits: tuple[float, float, float, float]) -> int:
    """Of a voxel near the body's skin or bone. limits: as of `_limits`."""
    sign, air, dense, padding = limits
    if zone & 2 == 0 and (sign * stored <= air or stored == padding):
        return 0
    return bone if zone & 4 and sign * stored > dense else soft


@njit(cache=True, nogil=True)
def _paint_all(
    out: NDArray[np.uint8],
    stored: NDArray[Any],
    kk: NDArray[np.intp],
    jj: NDArray[np.intp],
    start: NDArray[np.intp],
    zone: NDArray[np.uint8],
    any_zone: NDArray[np.bool_],
    soft: NDArray[np.uint8],
    limits: tuple[float, float, float, float],
) -> None:
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            a, b = kk[k], jj[j]
            if not any_zone[a, b]:
                continue
            for c in range(zone.shape[2]):
                here = zone[a, b, c]
                if here == 0:
                    continue
                if here == _INSIDE:
                    for i in range(start[c], start[c + 1]):
                        out[k, j, i] = soft[a, b, c]
                    continue
                for i in range(start[c], start[c + 1]):
                    out[k, j, i] = _code(stored[k, j, i], here, soft[a, b, c], codes.BONE_OTHER, limits)


@njit(cache=True, nogil=True)
def _paint_these(
    out: NDArray[np.uint8],
    stored: NDArray[Any],
    first_k: NDArray[np.intp],
    first_j: NDArray[np.intp],
    first_i: NDArray[np.intp],
    index: NDArray[np.int32],
    zone: NDArray[np.uint8],
    soft: NDArray[np.uint8],
    bone: NDArray[np.uint8],
    limits: tuple[float, float, float, float],
) -> None:
    """first_k, first_j, first_i: the first slice, row and column nearest to each of the search grid, and where the last of them end. zone,
    soft, bone: of the voxels there at `index`."""
    rows, columns = len(first_j) - 1, len(first_i) - 1
    for n in range(len(index)):
        here, a, b, c = zone[n], index[n] // (rows * columns), index[n] // columns % rows, index[n] % columns
        if here == 0:
            continue
        for k in range(first_k[a], first_k[a + 1]):
            for j in range(first_j[b], first_j[b + 1]):
                for i in range(first_i[c], first_i[c + 1]):
                    out[k, j, i] = soft[n] if here == _INSIDE else _code(stored[k, j, i], here, soft[n], bone[n], limits)
