"""The bone of vertebrae goes with a level that was moved: borders between neighbours slide along the canal, the bone itself stays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planner.anatomy import labels as codes
from planner.anatomy.paint import along_canal
from planner.anatomy.spine import Canal
from planner.geometry import Frame

_REACH_MM = 75.0  # of a vertebra from the canal's middle
_END_MM = 35.0  # beyond the last level: the move fades out within the height of a vertebra


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
