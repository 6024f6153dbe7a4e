"""How far to the side a needle from behind may come at a foramen before it nears lung, kidney, gas or a great vessel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy import labels as codes
from planner.anatomy.spine import Anatomy, Foramen, Side
from planner.evidence import number
from planner.geometry import Floats

_ORGANS = {
    codes.LUNG: "lung", codes.KIDNEY: "kidney", codes.BOWEL_GAS: "bowel gas", codes.AORTA: "aorta", codes.VENA_CAVA: "vena cava",
}  # fmt: skip
_SLAB_MM = 10.0  # above and below the foramen's middle
_GRID_MM = 2.0
_REACH_MM = 220.0


@dataclass(frozen=True, eq=False)
class CorridorLimit:
    """The limit at one foramen. angle_deg: the widest angle to the side, from straight back (0) to straight from the side (90), up to which
    every way in the axial plane from the foramen's middle to the skin keeps the least distance of needles from organs; None where not even
    the way straight back does. entry_mm: where that way leaves the skin, from the foramen sideward. ended_by: the structure that ends it;
    None where none does. not_checked: organs that nobody looked for and that may end it earlier."""

    between: tuple[str, str]
    side: Side
    angle_deg: float | None
    entry_mm: float | None
    ended_by: str | None
    not_checked: tuple[str, ...]


def corridor_limits(anatomy: Anatomy) -> tuple[CorridorLimit, ...]:
    """The limit of the posterior corridor at each foramen, in their order (clinical 5.1: 5 mm from the lung, 10 mm from organs)."""
    unknown = tuple(name for name in _ORGANS.values() if anatomy.structure(name).provenance == "not checked")
    return tuple(_limit(anatomy, foramen, unknown) for foramen in anatomy.foramina)


def _limit(anatomy: Anatomy, foramen: Foramen, unknown: tuple[str, ...]) -> CorridorLimit:
    frame = anatomy.frame
    k, j, i = (float(value) for value in frame.to_index(foramen.centre_mm))
    slab = max(0, round(_SLAB_MM / frame.spacing_mm[0]))
    first = max(0, round(k) - slab)
    step = [max(1, round(_GRID_MM / mm)) for mm in frame.spacing_mm[1:]]
    planes = anatomy.labels[first : round(k) + slab + 1, :: step[0], :: step[1]]
    if planes.shape[0] == 0:
        return CorridorLimit(foramen.between, foramen.side, None, None, None, unknown)
    spacing = [frame.spacing_mm[1] * step[0], frame.spacing_mm[2] * step[1]]
    away, whose = _away(planes, spacing)
    body = planes[min(round(k) - first, planes.shape[0] - 1)] > 0
    sign = 1.0 if foramen.side == "left" else -1.0
    along = np.arange(0.0, _REACH_MM, _GRID_MM / 2)
    widest: float | None = None
    entry: float | None = None
    for angle in range(91):
        turned = np.radians(angle)
        rows = np.rint(j / step[0] + along * np.cos(turned) / spacing[0]).astype(int)
        columns = np.rint(i / step[1] + sign * along * np.sin(turned) / spacing[1]).astype(int)
        inside = (rows >= 0) & (rows < body.shape[0]) & (columns >= 0) & (columns < body.shape[1])
        inside &= np.cumprod(np.where(inside, body[np.clip(rows, 0, body.shape[0] - 1), np.clip(columns, 0, body.shape[1] - 1)], False)) > 0
        if not inside.any():
            break
        spare = away[rows[inside], columns[inside]]
        if spare.min() < 0:
            at = int(spare.argmin())
            ended = _ORGANS[int(whose[rows[inside][at], columns[inside][at]])]
            return CorridorLimit(foramen.between, foramen.side, widest, entry, ended, unknown)
        widest, entry = float(angle), float(along[inside][-1] * np.sin(turned))
    return CorridorLimit(foramen.between, foramen.side, widest, entry, None, unknown)


def _away(planes: NDArray[np.uint8], spacing: list[float]) -> tuple[Floats, NDArray[np.uint8]]:
    """(distance beyond what is kept from the organs of any plane, mm; the code of the organ nearest to its limit), seen from above."""
    best = np.full(planes.shape[1:], np.inf)
    whose = np.zeros(planes.shape[1:], dtype=np.uint8)
    for code in _ORGANS:
        here = (planes == code).any(axis=0)
        if here.any():
            keep = number("needles.lung_least_mm" if code == codes.LUNG else "needles.organ_mm")
            apart = ndimage.distance_transform_edt(~here, sampling=spacing) - keep
            whose[apart < best] = code
            best = np.minimum(best, apart)
    return best, whose
