"""Where bone begins in this scan, and which bright things are contrast instead."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.contrast import even_tubes, opacified_sac
from planner.anatomy.metal import METAL_HU, glare_of
from planner.anatomy.morphology import box_of, reached
from planner.geometry import Volume

_AROUND_MM = 15.0  # a tube goes on through fainter places, no farther than its own width from what is bright


@dataclass(frozen=True, eq=False)
class Bone:
    """Bone on the search grid. threshold_hu: bone begins here; noise_hu: standard deviation in soft tissue at the search resolution.
    mask: bone, and metal, without the tube of contrast. tube: a long homogeneous bright tube inside bone's range (sac of a myelogram, a
    vessel). glare: metal with what lies so near it that nothing is known there; None where there is no metal."""

    threshold_hu: float
    noise_hu: float
    mask: NDArray[np.bool_]
    tube: NDArray[np.bool_]
    glare: NDArray[np.bool_] | None = None


def threshold_of(search: Volume, body: NDArray[np.bool_]) -> tuple[float, float]:
    """(threshold, noise) in HU: `clip(mode + 3.5 noise, 130, 250)` of the soft tissue (algorithms 1.1 step 2)."""
    inside = search.voxels[body]
    soft = inside[(inside > -60) & (inside < 150)]
    if soft.size < 1000:
        return 200.0, 20.0
    counts = np.bincount((soft.astype(np.int64) + 60) // 2, minlength=105).astype(float)
    smooth = ndimage.gaussian_filter1d(counts, 3.0)
    mode = -60 + 2 * (30 + int(smooth[30:76].argmax()))  # the highest peak of 0 to 90 HU
    middle = search.voxels[search.frame.shape[0] // 2 :: 7].astype(np.float32)
    rest = np.stack([plane - cv2.GaussianBlur(plane, (0, 0), 1.4) for plane in middle])
    flat = np.abs(middle - mode) < 60
    noise = float(1.4826 * np.median(np.abs(rest[flat]))) if flat.any() else 15.0
    return float(np.clip(mode + 3.5 * noise, 130.0, 250.0)), noise


def find_bone(search: Volume, body: NDArray[np.bool_]) -> Bone:
    """Bone by a threshold with hysteresis; long homogeneous bright tubes are set apart (algorithms 1.1 step 2, 1.2)."""
    threshold, noise = threshold_of(search, body)
    bright = (search.voxels > threshold) & body
    sure = max(300.0, threshold + 100.0)
    tube = _tube(search, body, bright, sure, threshold)
    glare = glare_of(search)
    if glare is not None:  # a rod is as even as contrast
        tube &= search.voxels <= METAL_HU
    bright &= ~tube
    return Bone(threshold, noise, reached(bright, search.voxels > sure), tube, glare)


def _tube(search: Volume, body: NDArray[np.bool_], bright: NDArray[np.bool_], sure_hu: float, least_hu: float) -> NDArray[np.bool_]:
    """Tubes of contrast: looked for where anything is bright."""
    out = np.zeros(body.shape, dtype=np.bool_)
    box = box_of(bright, round(_AROUND_MM / min(search.frame.spacing_mm)))
    if box is not None:
        frame = search.frame.crop([part.start for part in box], [part.stop for part in box])
        near, inside = replace(search, frame=frame, voxels=search.voxels[box]), body[box]
        out[box] = even_tubes(near, inside, sure_hu) | opacified_sac(near, inside, sure_hu, least_hu)
    return out
