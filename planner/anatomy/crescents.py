"""Contrast in the epidural space that no bright sac leads to: crescents between what fills the canal and the dense bone around it.

Bone has its dense rim right behind its edge. Where something as bright as thin contrast lies in front of that rim, thicker than the rim's
own blur and over some length of the canal, it is no bone; whether it is contrast, or ligament that has turned to chalk, a person must say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.bone import Bone
from planner.anatomy.bright import Bright
from planner.anatomy.grid import onto
from planner.anatomy.outside import polar_place
from planner.anatomy.paint import along_canal
from planner.anatomy.reformat import RADIAL_MM, RADII, THETA, Curve
from planner.anatomy.spine import ANGLES, Canal
from planner.anatomy.wall import Wall, as_canal, find_wall
from planner.geometry import Floats, Frame, Volume

_SIGMA = (1.0, 0.8, 0.5 / RADIAL_MM)  # sections, directions, radii
_LEAST_HU = 100.0  # flavum has 75, muscle 60, disc 100 behind the wall's bridge
_RIM_SHARE, _RIM_HU = 0.7, (300.0, 450.0)  # where dense bone begins: a share of the usual peak at the wall
_SEEN_SHARE = 0.6  # of the wall of bone shows a dense rim, or it is not told from contrast (thick slices, thin bone)
_NOT_BONE = 1.2  # what is brighter than this share of dense bone is bone
_INNER_MM = 3.0  # nearer to the canal's middle nothing is looked for
_OFF_RIM_MM = 0.25
_THICK_MM, _EDGE_MM = 1.5, 0.5  # so much thicker than usual in its direction is a crescent's heart, and its edge
_AROUND_DEG = 9 * 5.625  # over which the usual thickness is smoothed
_EDGE_STEPS = 8  # sections and directions from heart to edge
_LEAST_ML, _MORE_ML = 0.2, 0.08  # of what is thicker than usual, in front of a rim that is seen: of the first, and of more beside it
_LEAST_MM = 15.0  # along the canal: a ligament that has turned to chalk, or a bar of bone at a disc, is mostly shorter
_ENDS_MM = (5.0, 20.0)  # at the canal's head and foot the wall is not sure enough


@dataclass(frozen=True, eq=False)
class Crescents:
    """Contrast in a canal: from inner_mm to outer_mm along each ray, (n, ANGLES); both are 0 where there is none."""

    inner_mm: Floats
    outer_mm: Floats

    @property
    def any(self) -> bool:
        """Whether there is contrast anywhere."""
        return bool((self.outer_mm > 0).any())


def find_crescents(rays: Floats, wall: Wall, coarse_mm: float) -> Crescents | None:
    """What in straightened rays (n, ANGLES, radii) of HU lies in front of dense bone and is no bone; None where the rim of bone is too thin
    or too blurred to tell.

    wall: what was found in these rays, which may run in front of such contrast or behind it. coarse_mm: the largest spacing of the scan.
    """
    smooth = np.asarray(ndimage.gaussian_filter(rays.astype(np.float32), _SIGMA, mode=("nearest", "wrap", "nearest")))
    off = RADII - wall.radius_mm[..., None]
    near = (off >= -0.5) & (off <= 3.0)
    peak = np.where(near, smooth, -np.inf).max(axis=2)
    solid = ~wall.bridged
    if not solid.any():
        return None
    rim_hu = float(np.clip(_RIM_SHARE * np.median(peak[solid]), *_RIM_HU))
    if float((peak[solid] > rim_hu).mean()) < _SEEN_SHARE:
        return None
    rim = find_wall(rays, rim_hu, coarse_mm)
    between = (RADII > _INNER_MM) & (rim.radius_mm[..., None] - _OFF_RIM_MM > RADII)
    bright = between & (smooth > _LEAST_HU) & (smooth < _NOT_BONE * rim_hu)
    thick = bright.sum(axis=2) * RADIAL_MM
    usual = ndimage.uniform_filter1d(np.median(thick, axis=0), round(_AROUND_DEG / 360.0 * ANGLES), mode="wrap")
    excess = thick - usual
    hearts = _hearts(excess, rim)
    held = ndimage.binary_dilation(
        _wrapped(hearts), np.ones((3, 3)), iterations=_EDGE_STEPS, mask=_wrapped(excess >= _EDGE_MM) | _wrapped(hearts)
    )[:, _EDGE_STEPS:-_EDGE_STEPS]
    outer = np.where(held, rim.radius_mm - _OFF_RIM_MM, 0.0)
    return Crescents(np.where(held, np.maximum(outer - thick, 0.0), 0.0), outer)


def _wrapped(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.pad(mask, ((0, 0), (_EDGE_STEPS, _EDGE_STEPS)), mode="wrap")


def _hearts(excess: Floats, rim: Wall) -> NDArray[np.bool_]:
    """(n, ANGLES): where something is far thicker than usual over enough of the canal, in front of a rim of bone that is seen."""
    thick = excess >= _THICK_MM
    thick = ndimage.binary_closing(np.pad(thick, ((0, 0), (2, 2)), mode="wrap"), np.ones((3, 3)))[:, 2:-2]
    ends = np.zeros(len(thick), dtype=np.bool_)
    ends[: round(_ENDS_MM[0])] = ends[len(ends) - round(_ENDS_MM[1]) :] = True
    seam = int(thick.sum(axis=0).argmin())
    parts, count = ndimage.label(np.roll(thick, -seam, axis=1), np.ones((3, 3)))
    parts = np.roll(parts, seam, axis=1)
    backed_mm3 = np.where(rim.bridged | ends[:, None], 0.0, np.maximum(excess, 0.0)) * rim.radius_mm * float(THETA[1])
    volumes_mm3 = ndimage.sum_labels(backed_mm3, parts, np.arange(count + 1))
    lengths = np.array([0] + [box[0].stop - box[0].start for box in ndimage.find_objects(parts)])
    volumes_ml = np.where(lengths >= _LEAST_MM, volumes_mm3 / 1000.0, 0.0)
    volumes_ml[0] = 0.0  # what is not thick
    held = volumes_ml >= (_MORE_ML if volumes_ml.max() >= _LEAST_ML else np.inf)
    return np.asarray(held[parts])


def with_crescents(
    crescents: Crescents, volume: Volume, search: Frame, bone: Bone, curve: Curve, wall: Wall, before: Bright | None
) -> Bright:
    """The contrast of a scan with its crescents. before: what is known of contrast around a bright sac; None where the sac is dark.

    bone: on the search grid, without the contrast of `before`. curve, wall: in which the crescents were found.
    """
    canal: Canal = as_canal(curve, wall, np.ones(len(wall.radius_mm)))
    box = volume.frame.box_around(curve.points_mm, float(RADII[-1])) if before is None else before.box
    corner = [part.start for part in box]
    shape = tuple(part.stop - part.start for part in box)
    index = np.argwhere(np.ones(shape, dtype=np.bool_)) if before is None else np.argwhere(~before.contrast)
    place = along_canal(index + corner, volume.frame, canal)
    row, turn, radius = polar_place(place, canal)
    in_view = (place[:, 0] > -0.5) & (place[:, 0] < len(wall.radius_mm) - 0.5)
    held = in_view & (radius >= crescents.inner_mm[row, turn]) & (radius <= crescents.outer_mm[row, turn])
    found = np.zeros(shape, dtype=np.bool_)
    found[tuple(index[held].T)] = True
    boxed = volume.frame.crop(corner, [part.stop for part in box])
    around = search.box_around(curve.points_mm, float(RADII[-1]))
    where = np.zeros(search.shape, dtype=np.bool_)
    where[around] = onto(found, boxed, search.crop([part.start for part in around], [part.stop for part in around]))
    without = replace(bone, mask=bone.mask & ~where, tube=bone.tube | where)
    if before is None:
        return Bright(without, found, found, box, curve, lit=False)
    return replace(before, bone=without, contrast=before.contrast | found, even=before.even | found)
