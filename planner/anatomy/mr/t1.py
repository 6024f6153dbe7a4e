"""T1: the scan turned over, so that fluid is bright, the cord grey and fat dark, and the sac can be followed as on T2."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.grid import reduced, values_of
from planner.anatomy.mr.canal import see_wall
from planner.anatomy.mr.sac import SeenSac, moved, sac_along
from planner.anatomy.reformat import OUTSIDE, RADII, Curve, polar
from planner.anatomy.wall import Wall, centroids
from planner.geometry import Floats, Volume

_SHARES = (0.12, 0.35, 0.55, 0.8)  # of the fat's brightness: fluid and what is darker, cord and muscle, marrow, fat (clinical.md 3.6)
_TURNED = (1000.0, 400.0, 120.0, 0.0)  # what they are in the scan turned over: as T2 without fat shows them
_BLOCK_MM, _AROUND_MM, _EVEN_MM = 6.0, 60.0, 20.0  # fat is what is brightest, in blocks of the first, within the second
_FAT_AS_T2 = 0.62  # of the fluid's brightness, which fat has on T2: the rim around it is looked for in that scale
_EDGE_MM = (0.5, 2.5)  # beyond the sac's outline fat shows within so much
_FAT = 0.6  # of the fat's brightness: as bright as this is fat, no marrow
_INSIDE_MM = 3.0  # the axis stays this far inside the sac


def fat_of(search: Volume, body: NDArray[np.bool_]) -> Volume:
    """How bright fat is at each place (float32, a grid of 6 mm): the brightest within 30 mm, evened, since coils see some parts better."""
    inside = replace(search, voxels=np.where(body, search.voxels, 0).astype(search.voxels.dtype))
    blocks = reduced(inside, _BLOCK_MM)
    step = blocks.frame.spacing_mm
    brightest = ndimage.maximum_filter(blocks.voxels.astype(np.float32), [max(1, round(_AROUND_MM / s)) for s in step], mode="nearest")
    return replace(blocks, voxels=ndimage.gaussian_filter(brightest, [_EVEN_MM / s for s in step], mode="nearest"))


def turned_over(volume: Volume, fat: Volume) -> Volume:
    """The scan (int16) with fluid at 1000, the cord at 400 and fat at 0; what is darker than fluid, as cortical bone and air, is as fluid."""
    frame, coarse = volume.frame, fat.frame
    ratio = np.array(frame.spacing_mm) / np.array(coarse.spacing_mm)
    offset = coarse.to_index(frame.to_world((0, 0, 0)))
    here = ndimage.affine_transform(fat.voxels, ratio, offset, frame.shape, order=1, mode="nearest")
    shares = values_of(volume) / np.maximum(here, 1.0)
    return Volume(frame, np.interp(shares, _SHARES, _TURNED).astype(np.int16), "MR")
