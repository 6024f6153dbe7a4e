"""Which pixels of a slice the patch must cover, reckoned without the viewer: each pixel's place in mm by hand, the rest by scipy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from viewer.pose import Pose

_EDGE = 0.41


def filled_pixels(affine: NDArray[np.float64], arrival_ml: NDArray[np.float32], ml: float, pose: Pose) -> NDArray[np.bool_]:
    """(height, width) of a view: True where, linear between voxels, more than 0.4 is filled at a volume. affine: (k, j, i, 1) to LPS mm."""
    across = (np.arange(pose.width) + 0.5 - pose.width / 2) / pose.px_per_mm + pose.centre_mm[0]
    under = (np.arange(pose.height) + 0.5 - pose.height / 2) / pose.px_per_mm + pose.centre_mm[1]
    normal = np.cross(pose.plane.right, pose.plane.down)
    places = across[None, :, None] * pose.plane.right + under[:, None, None] * pose.plane.down + pose.depth_mm * normal
    index = (places - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    share = ndimage.map_coordinates((arrival_ml <= ml).astype(np.float64), np.moveaxis(index, 2, 0), order=1, mode="grid-constant")
    return np.asarray(share > _EDGE)


def agreement(seen: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float:
    """The share of pixels in either that are in both; 1 where both are empty."""
    either = (seen | wanted).sum()
    return float((seen & wanted).sum() / either) if either else 1.0
