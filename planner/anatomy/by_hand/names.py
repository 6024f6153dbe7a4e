"""To which vertebra bone belongs: what is drawn to the nearest; where a level is moved borders slide along the canal, bone itself stays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.anatomy import labels as codes
from planner.anatomy.paint import along_canal
from planner.anatomy.spine import Canal
from planner.geometry import Frame

_NEAR_MM = 15.0  # bone drawn this near to a vertebra is that vertebra's
_REACH_MM = 75.0  # of a vertebra from the canal's middle
_END_MM = 35.0  # beyond the last level: the move fades out within the height of a vertebra


def nearest_vertebrae(labels: NDArray[np.uint8], frame: Frame, index: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(m,): the code of the vertebra whose labelled bone lies nearest to each voxel (m, 3), `bone other` where none is within 15 mm."""
    table = np.zeros(256, dtype=np.bool_)
    table[list(codes.VERTEBRAE)] = True
    out = np.full(len(index), codes.BONE_OTHER, dtype=np.uint8)
    _nearest(labels, table, _steps(frame.spacing_mm), np.ascontiguousarray(index, dtype=np.int64), out)
    return out


@lru_cache(maxsize=4)
def _steps(spacing_mm: tuple[float, float, float]) -> NDArray[np.int64]:
    """(n, 3): steps to all voxels within reach, the nearest first."""
    reach = [int(_NEAR_MM / mm) for mm in spacing_mm]
    steps = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    far = np.linalg.norm(steps * np.array(spacing_mm), axis=1)
    order = np.argsort(far, kind="stable")
    kept = np.ascontiguousarray(steps[order][far[order] <= _NEAR_MM], dtype=np.int64)
    kept.setflags(write=False)
    return kept


@njit(cache=True, nogil=True)
def _nearest(
    labels: NDArray[np.uint8], table: NDArray[np.bool_], steps: NDArray[np.int64], index: NDArray[np.int64], out: NDArray[np.uint8]
) -> None:
    """What no voxel within reach has an answer for stays as it is in `out`."""
    nk, nj, ni = labels.shape
    for m in range(len(index)):
        for n in range(len(steps)):
            k, j, i = index[m, 0] + steps[n, 0], index[m, 1] + steps[n, 1], index[m, 2] + steps[n, 2]
            if 0 <= k < nk and 0 <= j < nj and 0 <= i < ni and table[labels[k, j, i]]:
                out[m] = labels[k, j, i]
                break


def relabel(
    labels: NDArray[np.uint8], frame: Frame, canal: Canal, names: Sequence[str], s_mm: Sequence[float], at: int, to_mm: float
) -> None:
    """Give the bone of level number `at` and of its two neighbours the names that it has when that level's middle goes to `to_mm` along the
    canal, in place. names, s_mm: of all levels, from head to foot.

    A voxel takes the name of the one that lies by so much higher or lower, by which it is nearer to the moved level than to the others.
    """
    if len(canal.centreline_mm) < 4:
        return
    low = s_mm[at - 1] if at else s_mm[at] - _END_MM
    high = s_mm[at + 1] if at + 1 < len(s_mm) else s_mm[at] + _END_MM
    mine = [codes.vertebra(names[n]) for n in (at - 1, at, at + 1) if 0 <= n < len(names)]
    along, move_mm = canal.s_mm, to_mm - s_mm[at]
    rows = np.flatnonzero((along >= low) & (along <= high))
    if not len(rows):
        return
    box = frame.box_around(canal.centreline_mm[rows], _REACH_MM)
    part = labels[box]
    index = np.argwhere(np.isin(part, mine))
    if not len(index):
        return
    s = np.interp(along_canal(index + [side.start for side in box], frame, canal)[:, 0], np.arange(len(along)), along)
    share = np.interp(s, [low, to_mm, high], [0.0, 1.0, 0.0])  # of the move, at a place after it
    upright = float(np.abs(np.cross(canal.left, canal.back)[rows, 2]).mean())
    source = index.copy()  # s runs to the feet, slices to the head
    source[:, 0] = np.clip(np.rint(index[:, 0] + upright * share * move_mm / frame.spacing_mm[0]), 0, part.shape[0] - 1)
    found = part[tuple(source.T)]
    part[tuple(index.T)] = np.where(np.isin(found, mine), found, part[tuple(index.T)])
