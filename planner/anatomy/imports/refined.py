"""The found canal and the bone of a label map, each made better by the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy import labels as codes
from planner.anatomy.names import row_of
from planner.anatomy.outside import polar_place
from planner.anatomy.paint import along_canal
from planner.anatomy.reformat import RADII, polar
from planner.anatomy.sac import within_wall
from planner.anatomy.spine import Anatomy, Canal
from planner.anatomy.wall import area_of
from planner.geometry import Volume

_INWARD = 0.5  # bone of the map nearer to the middle than this share of the wall is not the canal's
_BRIDGED_MM, _MODELLED_MM = 2.5, 8.0  # bone this far beyond a wall that was bridged, or that was modelled, is where it is
_ROUND_MM = 35.0
_SURE = 0.6  # of a cross-section in MR, to take its word against the map's

Codes = NDArray[np.uint8]


def by_bone(anatomy: Anatomy, given: Codes) -> Anatomy:
    """The canal's wall set to the map's bone where the program did not see it: bridged in CT, all around in MR. given: codes on the
    anatomy's frame. Where a wall was seen it is finer than any map, and stays."""
    canal, frame = anatomy.canal, anatomy.frame
    bone = np.isin(given, codes.BONE)
    if not len(canal.wall_mm) or not bone.any():
        return anatomy
    rays = polar(Volume(frame, bone.astype(np.uint8) * np.uint8(100), "CT"), row_of(anatomy).curve)
    modelled = anatomy.structure("canal").provenance == "modelled"
    hit = (rays >= 50.0) & (_INWARD * canal.wall_mm[..., None] < RADII)
    begins = RADII[hit.argmax(axis=2)]
    near = begins <= canal.wall_mm + (_MODELLED_MM if modelled else _BRIDGED_MM)
    taken = hit.any(axis=2) & near & (canal.bridged | modelled)
    wall = np.where(taken, begins, canal.wall_mm)
    smooth = ndimage.median_filter(np.pad(wall, ((0, 0), (1, 1)), mode="wrap"), (5, 3), mode="nearest")[:, 1:-1]
    wall = np.where(taken, smooth, wall)
    better = replace(canal, wall_mm=wall, area_mm2=area_of(wall), bridged=canal.bridged & ~taken)
    known = anatomy.structure("canal")
    share = round(100 * float(taken.mean()))
    problem = f"{known.problem or ''} {share} % of the wall is where the label map's bone begins.".strip()
    structures = {**anatomy.structures, "canal": replace(known, problem=problem)} if share else anatomy.structures
    return replace(
        anatomy,
        canal=better,
        sac=anatomy.sac and within_wall(anatomy.sac, wall),
        labels=_repainted(anatomy, better, bone, taken & (np.abs(wall - canal.wall_mm) > 0.25)),
        structures=structures,
    )


def _repainted(anatomy: Anatomy, canal: Canal, bone: NDArray[np.bool_], moved: NDArray[np.bool_]) -> Codes:
    """Labels with the room between the sac and a wall that moved. moved: (n, ANGLES)."""
    box = anatomy.frame.box_around(canal.centreline_mm, _ROUND_MM)
    out = anatomy.labels.copy()
    index = np.argwhere(np.isin(out[box], (codes.SOFT_TISSUE, codes.EPIDURAL_SPACE)) & ~bone[box]) + [side.start for side in box]
    along = along_canal(index, anatomy.frame, canal)
    row, turn, radius = polar_place(along, canal)
    here = moved[row, turn] & (along[:, 0] > -0.5) & (along[:, 0] < len(moved) - 0.5) & (radius < _ROUND_MM)
    index, inside = index[here], (radius <= canal.wall_mm[row, turn])[here]
    out[tuple(index[inside].T)] = codes.EPIDURAL_SPACE
    left = index[~inside]
    left = left[out[tuple(left.T)] == codes.EPIDURAL_SPACE]
    out[tuple(left.T)] = codes.SOFT_TISSUE
    return out


def spilt_share(anatomy: Anatomy, given: Codes) -> float:
    """The share of the found canal that is bone in the map."""
    canal = np.isin(anatomy.labels, codes.CANAL)
    return float(np.count_nonzero(np.isin(given[canal], codes.BONE))) / max(1, int(np.count_nonzero(canal)))


def by_canal(volume: Volume, anatomy: Anatomy, given: Codes, bone_hu: float) -> NDArray[np.bool_]:
    """Where a map's bone spills into the canal, inside a wall that was found: in CT what is dark as no bone is, in MR, where bone has no
    signal of its own, whatever lies inside cross-sections that are sure."""
    spilt = np.asarray(np.isin(anatomy.labels, codes.CANAL) & np.isin(given, codes.BONE))
    if anatomy.structure("canal").provenance != "found":
        return np.zeros(given.shape, dtype=np.bool_)
    if volume.modality == "CT":
        return np.asarray(spilt & (volume.voxels * np.sign(volume.slope) < volume.to_stored(bone_hu) * np.sign(volume.slope)))
    index = np.argwhere(spilt)
    row, _, _ = polar_place(along_canal(index, anatomy.frame, anatomy.canal), anatomy.canal)
    spilt[tuple(index[anatomy.canal.confidence[row] < _SURE].T)] = False
    return spilt
