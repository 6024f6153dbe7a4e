"""Skin, soft tissue, bone and discs in the label map, on the scan's own voxels: from masks and codes on the search grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.anatomy.body import skin_band
from planner.anatomy.grid import SEARCH_MM, nearest_indices
from planner.anatomy.paint import SPINE_MM
from planner.anatomy.spine import Canal
from planner.geometry import Frame, Volume

_INSIDE = 3  # zone of a voxel well inside the body and away from bone


@dataclass(frozen=True, eq=False)
class Tissue:
    """What a scan's label map is painted by, whatever its vertebrae are called. zone: on the search grid, of bits: the body with its skin
    (1), surely the body (2), where what is bright is bone (4). Skin lies where values pass air_limit, bone is brighter than bone_limit."""

    volume: Volume
    search: Frame
    zone: NDArray[np.uint8]
    air_limit: float
    bone_limit: float


@dataclass(frozen=True, eq=False)
class Painted:
    """A label map and how its tissue was painted. labels: with all that was written into it later, which lies in `box` alone. under: that
    box before. soft, bone: the codes on the search grid that it was painted with."""

    labels: NDArray[np.uint8]
    box: tuple[slice, slice, slice]
    under: NDArray[np.uint8]
    soft: NDArray[np.uint8]
    bone: NDArray[np.uint8]


def tissue_of(
    volume: Volume, search: Frame, body: NDArray[np.bool_], solid: NDArray[np.bool_], air_limit: float, bone_limit: float
) -> Tissue:
    """From masks on the search grid: the body, and where what is bright is bone."""
    inner, outer = skin_band(body)
    zone = np.zeros(search.shape, dtype=np.uint8)
    for plane, *parts in zip(zone, outer, inner, solid):
        for bit, part in enumerate(parts):
            plane |= part.view(np.uint8) << bit
        plane *= parts[0]
    return Tissue(volume, search, zone, air_limit, bone_limit)


def paint_tissue(
    tissue: Tissue, canal: Canal, soft: NDArray[np.uint8], bone: NDArray[np.uint8], before: Painted | None = None
) -> tuple[NDArray[np.uint8], Painted]:
    """A label map from codes on the search grid (bone gets its bone code, any other voxel of the body its soft code; 0 outside the body),
    and what the same scan's map under other names may be painted from. Codes that differ under other names, and all that is written into
    the map later, lie around the canal.

    before: what an earlier call gave: only where codes are others the map is painted anew.
    """
    if before is not None:
        labels = before.labels.copy()
        labels[before.box] = before.under
        _paint(tissue, soft, bone, (tissue.zone > 0) & ((soft != before.soft) | (bone != before.bone)), labels)
        return labels, before
    labels = np.zeros(tissue.volume.frame.shape, dtype=np.uint8)
    _paint(tissue, soft, bone, tissue.zone > 0, labels)
    box = tissue.volume.frame.box_around(canal.centreline_mm, SPINE_MM + 2.0 * SEARCH_MM)
    return labels, Painted(labels, box, labels[box].copy(), soft, bone)


def _paint(tissue: Tissue, soft: NDArray[np.uint8], bone: NDArray[np.uint8], where: NDArray[np.bool_], labels: NDArray[np.uint8]) -> None:
    """Paint the voxels of which the nearest one of the search grid is marked."""
    volume = tissue.volume
    sign = 1.0 if volume.slope > 0 else -1.0
    padding = np.nan if volume.padding is None else float(volume.padding)
    limits = [sign * volume.to_stored(limit) if np.isfinite(limit) else np.inf for limit in (tissue.air_limit, tissue.bone_limit)]
    kk, jj, ii = nearest_indices(tissue.search, volume.frame)
    start = np.searchsorted(ii, np.arange(tissue.search.shape[2] + 1))  # the first column of each one there
    _paint_where(labels, volume.voxels, sign, kk, jj, start, tissue.zone, soft, bone, where, where.any(axis=2), *limits, padding)


@njit(cache=True, nogil=True)
def _paint_where(
    out: NDArray[np.uint8],
    stored: NDArray[Any],
    sign: float,
    kk: NDArray[np.intp],
    jj: NDArray[np.intp],
    start: NDArray[np.intp],
    zone: NDArray[np.uint8],
    soft: NDArray[np.uint8],
    bone: NDArray[np.uint8],
    where: NDArray[np.bool_],
    any_where: NDArray[np.bool_],
    air_limit: float,
    bone_limit: float,
    padding: float,
) -> None:
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            a, b = kk[k], jj[j]
            if not any_where[a, b]:
                continue
            for c in range(zone.shape[2]):
                if not where[a, b, c]:
                    continue
                here = zone[a, b, c]
                if here == _INSIDE:
                    for i in range(start[c], start[c + 1]):
                        out[k, j, i] = soft[a, b, c]
                    continue
                for i in range(start[c], start[c + 1]):
                    value = sign * stored[k, j, i]
                    if here & 2 == 0 and (value <= air_limit or stored[k, j, i] == padding):
                        out[k, j, i] = 0
                    else:
                        out[k, j, i] = bone[a, b, c] if here & 4 and value > bone_limit else soft[a, b, c]
