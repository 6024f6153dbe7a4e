"""What a needle has to keep away from inside the planning box: where each hazard is, and how far from it a needle stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.anatomy.spine import Anatomy, Provenance
from planner.evidence import number
from planner.geometry import Floats, Frame, Volume, resample
from planner.needles.distance import coarse_distance_field, distance_field, surface
from planner.needles.rules import HAZARDS, Hazard, least_margin_mm, margin_mm, provenance_of
from planner.progress import Progress

FAR_MM = 2.0
"""What lies outside the planning box is kept as points about this far apart."""


@dataclass(frozen=True, eq=False)
class Danger:
    """A hazard in this room: how it is known, the distance asked of the needle's surface, the least that nothing gives up (smaller where it
    is modelled), its field's number in the room (None where it does not come near), and points on its surface in mm (n, 3), float32,
    relative to the room's origin. span_mm: the heights (relative to the origin) between which it is known, of what is known over a length
    of it; None: wherever the scan shows it."""

    hazard: Hazard
    provenance: Provenance
    margin_mm: float
    least_mm: float
    field: int | None
    cloud: NDArray[np.float32]
    span_mm: tuple[float, float] | None = None

    def known_beside(self, one_mm: Floats, other_mm: Floats) -> bool:
        """Whether the distance to a needle between two points (relative to the origin) is that to all of it, not to a part alone."""
        if not self.checked or self.span_mm is None:
            return self.checked
        low, high = sorted((float(one_mm[2]), float(other_mm[2])))
        return self.span_mm[0] <= low - self.margin_mm and high + self.margin_mm <= self.span_mm[1]

    @property
    def checked(self) -> bool:
        """Whether it was looked for."""
        return self.provenance != "not checked"

    @property
    def absent(self) -> bool:
        """Looked for, and not in the scan: no distance can be measured, and it begins beyond the scan's ends at the earliest."""
        return self.checked and len(self.cloud) == 0


def find_dangers(
    volume: Volume, anatomy: Anatomy, frame: Frame, codes: NDArray[np.uint8], progress: Progress
) -> tuple[tuple[Danger, ...], NDArray[np.uint8]]:
    """The dangers of a planning box with this frame and these labels, and the distance fields of those that come near it: uint8
    [n, k, j, i] in quarters of a millimetre. Metal that was looked for and is not there is no danger."""
    found: list[Danger] = []
    fields: list[NDArray[np.uint8]] = []
    for n, hazard in enumerate(HAZARDS):
        progress(n / len(HAZARDS), f"Measuring distances to: {hazard.title.lower()}")
        mask = _mask(hazard, volume, anatomy, frame, codes)
        provenance = _roots_here(anatomy, frame) if hazard.name == "roots" else provenance_of(hazard, anatomy)
        near = bool(mask.any())
        if hazard.name == "metal" and provenance == "found" and not near:
            continue
        index = None
        if near and (provenance != "not checked" or hazard.partly):
            index = len(fields)
            fields.append((coarse_distance_field if hazard.is_organ else distance_field)(mask, frame.spacing_mm[0]))
        margins = margin_mm(hazard, provenance), least_margin_mm(hazard, provenance)
        span = _span(hazard, provenance, anatomy, frame)
        found.append(Danger(hazard, provenance, *margins, index, _cloud(hazard, anatomy, frame, mask), span))
    return tuple(found), np.stack(fields) if fields else np.empty((0, *frame.shape), np.uint8)


def _roots_here(anatomy: Anatomy, frame: Frame) -> Provenance:
    """How the roots in a planning box are known: those elsewhere that were not seen make these no less sure."""
    known = anatomy.structure("roots").provenance
    near = [root for root in anatomy.roots if bool(frame.contains(root.path_mm).any())]
    return "found" if known == "modelled" and near and all(root.provenance == "found" for root in near) else known


def _span(hazard: Hazard, provenance: Provenance, anatomy: Anatomy, frame: Frame) -> tuple[float, float] | None:
    """The heights between which a vessel that was found or drawn is known, above a box's origin. One at an end of the scan is known to
    there and beyond, for no needle goes on outside; an imported one has the ends that its program gave it."""
    if hazard.partly != "length" or provenance not in ("found", "drawn"):
        return None
    slices = np.flatnonzero(_table(hazard)[anatomy.labels].any(axis=(1, 2)))
    if len(slices) == 0:
        return None
    spacing, last = anatomy.frame.spacing_mm[0], anatomy.frame.shape[0] - 1
    origin = float(anatomy.frame.affine[2, 3] - frame.affine[2, 3])
    low, high = origin + spacing * float(slices[0]), origin + spacing * float(slices[-1])
    return (-np.inf if slices[0] <= 1 else low), (np.inf if slices[-1] >= last - 1 else high)


def _mask(hazard: Hazard, volume: Volume, anatomy: Anatomy, frame: Frame, codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a hazard is in the planning box."""
    if hazard.name == "metal":
        return _metal(volume, frame)
    table = _table(hazard)
    mask: NDArray[np.bool_] = table[codes] if hazard.codes else np.zeros(frame.shape, np.bool_)
    if hazard.name == "roots":
        _draw_roots(anatomy, frame, mask)
    return mask


def _table(hazard: Hazard) -> NDArray[np.bool_]:
    table = np.zeros(256, dtype=np.bool_)
    table[list(hazard.codes)] = True
    return table


def _cloud(hazard: Hazard, anatomy: Anatomy, frame: Frame, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Points on a hazard's surface: all in the planning box; outside it those of organs and cord, whose rules reach that far, and those
    of whatever is not in the box at all."""
    parts = [surface(mask)[:, ::-1] * frame.spacing_mm[0]]
    if hazard.codes and (hazard.is_organ or hazard.name == "cord" or len(parts[0]) == 0):
        parts.append(_far_points(anatomy, frame, _table(hazard)))
    return np.ascontiguousarray(np.concatenate(parts), dtype=np.float32)


def _metal(volume: Volume, frame: Frame) -> NDArray[np.bool_]:
    """Voxels brighter than any bone. MR does not show metal this way, so there it stays unchecked."""
    nothing = np.zeros(frame.shape, np.bool_)
    if volume.modality != "CT":
        return nothing
    box = volume.frame.box_around(frame.corners_mm, 2.0)
    cut = volume.voxels[box] > volume.to_stored(number("needles.metal_hu"))
    if not cut.any():
        return nothing
    small = volume.frame.crop([part.start for part in box], [part.stop for part in box])
    return resample(cut.astype(np.uint8), small, frame, 0, nearest=True) > 0


def _draw_roots(anatomy: Anatomy, frame: Frame, mask: NDArray[np.bool_]) -> None:
    """Adds the tubes of the roots to their mask: a thin root may fall between the voxels of a label map."""
    spacing = frame.spacing_mm[0]
    for root in anatomy.roots:
        for centre, radius in zip(frame.to_index(root.path_mm), root.radius_mm / spacing):
            low = np.maximum(np.floor(centre - radius).astype(int), 0)
            high = np.minimum(np.ceil(centre + radius).astype(int) + 1, frame.shape)
            if (high <= low).any():
                continue
            k, j, i = np.ogrid[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
            inside = (k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2 <= radius**2
            mask[low[0] : high[0], low[1] : high[1], low[2] : high[2]] |= inside


def _far_points(anatomy: Anatomy, frame: Frame, table: NDArray[np.bool_]) -> Floats:
    """Surface points of a structure outside the planning box, relative to its origin, thinned."""
    step = [max(1, round(FAR_MM / mm)) for mm in anatomy.frame.spacing_mm]
    mask = table[anatomy.labels[:: step[0], :: step[1], :: step[2]]]
    points = anatomy.frame.to_world(surface(mask) * np.array(step))
    return points[~frame.contains(points)] - frame.affine[:3, 3]
