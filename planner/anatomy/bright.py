"""Which of the bright voxels around the canal are contrast and which are bone: the scan as it would be without contrast."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.bone import Bone
from planner.anatomy.grid import onto, reduced
from planner.anatomy.morphology import shrunk
from planner.anatomy.paint import along_canal
from planner.anatomy.reformat import Curve
from planner.anatomy.spine import ANGLES, Canal
from planner.anatomy.wall import as_canal, canal_along
from planner.geometry import Floats, Frame, Volume
from planner.progress import Progress, silent

_FILLED = 0.3  # of the canal's middle or more is taken by contrast in a myelogram
_COMPACT_HU = 300.0  # the rough wall is of bone this dense, which most leaked contrast is not
_GRID_MM = 0.9
_BESIDE_MM = 34.0  # how far around the canal contrast is looked for: to the muscles beside the foramina
_USUAL_MM = 61  # the usual wall is the median over this length of the canal
_INSIDE_MM = 2.0  # what is bright and even so far inside the usual wall is contrast
_BEFORE_MM, _BEHIND_MM = 3.0, 4.5  # what is bright so far beyond the usual wall, in front or behind, is bone
_DEEP_MM = 4.0  # so much farther on there is nothing to be told apart
_NOTHING_BESIDE_MM = 30.0  # bright things farther to the side are bone
_EVEN_HU_PER_MM = 250.0
_EVEN_PER_MM = 0.15  # of its own brightness: noise of 30 HU makes less of the gradient, an edge blurred over 1.2 mm three times as much
_DENSE_BONE = 1.25  # what is brighter than the sac at its brightest by this factor is cortical bone
_DENSE_OUTSIDE = 0.8  # outside the canal, where contrast in sleeves is thinner, so is what is brighter than this share of it
_DENSE_BONE_HU = 700.0
_OUTSIDE_MM = 1.0
_NOISE_HU = 30.0  # smaller steps are no border
_STEP_HU = 2.0  # what a way costs a voxel where nothing changes
_SOFT_HU = 40.0  # what stands where contrast was
_NEITHER, _BONE, _CONTRAST = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Bright:
    """bone: without contrast. contrast: the voxels of `box` of the scan that hold contrast, in the sac and outside it. even: those of them
    that are as even as a fluid and no denser than the sac, which the blurred edge of bone or metal is not, nor a sleeve around its root.
    curve: the middle of the canal as far as it shows between dense bone. lit: whether it fills the sac; else it lies outside alone."""

    bone: Bone
    contrast: NDArray[np.bool_]
    even: NDArray[np.bool_]
    box: tuple[slice, slice, slice]
    curve: Curve
    lit: bool = True

    def taken_from(self, volume: Volume, instead_hu: float = _SOFT_HU) -> Volume:
        """The scan with soft tissue where contrast was, bone as it is."""
        voxels = volume.voxels.copy()
        part = voxels[self.box]
        part[self.contrast & (volume.values(self.box) > instead_hu)] = np.asarray(volume.to_stored(instead_hu)).astype(part.dtype)
        return replace(volume, voxels=voxels)


@njit(cache=True, nogil=True)
def _kinds(
    values: NDArray[np.float32],
    place: NDArray[np.int64],
    number_of: NDArray[np.int32],
    steps: NDArray[np.int64],
    kind: NDArray[np.uint8],
    noise: float,
    toll: float,
) -> None:
    """Give every voxel the kind of the seed from which the cheapest way leads to it, in place: Dijkstra with buckets as wide as the toll,
    which every step costs at least, so that none of a bucket leads to another of the same.

    place: of each voxel in the flat grid `number_of`, which holds the voxels' numbers, -1 elsewhere. steps: to the six places beside one.
    """
    count = len(values)
    buckets = int((values.max() - values.min()) / toll) + 3
    cost = np.full(count, np.inf)
    first = np.full(buckets, -1, dtype=np.int32)
    after, before = np.full(count, -1, dtype=np.int32), np.full(count, -1, dtype=np.int32)
    waiting = 0
    for n in range(count):
        if kind[n] != _NEITHER:
            cost[n] = 0.0
            after[n] = first[0]
            if first[0] >= 0:
                before[first[0]] = n
            first[0] = n
            waiting += 1
    bucket = 0
    while waiting > 0:
        n = first[bucket % buckets]
        if n < 0:
            bucket += 1
            continue
        first[bucket % buckets] = after[n]
        if after[n] >= 0:
            before[after[n]] = -1
        waiting -= 1
        for step in steps:
            m = number_of[place[n] + step]
            if m < 0:
                continue
            there = cost[n] + max(abs(values[n] - values[m]) - noise, 0.0) + toll
            if there < cost[m]:
                if cost[m] < np.inf:  # it leaves its bucket
                    if before[m] >= 0:
                        after[before[m]] = after[m]
                    else:
                        first[int(cost[m] / toll) % buckets] = after[m]
                    if after[m] >= 0:
                        before[after[m]] = before[m]
                    waiting -= 1
                slot = int(there / toll) % buckets
                cost[m], kind[m] = there, kind[n]
                before[m], after[m] = -1, first[slot]
                if first[slot] >= 0:
                    before[first[slot]] = m
                first[slot] = m
                waiting += 1
            elif there == cost[m] and kind[n] == _BONE:
                kind[m] = _BONE


def _contrast_among(
    bright: NDArray[np.bool_], values: NDArray[np.float32], contrast: NDArray[np.bool_], bone: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """The bright voxels that are reached from seeds of contrast over smaller steps in brightness, in sum, than from seeds of bone."""
    number_of = np.pad(np.where(bright, np.cumsum(bright, dtype=np.int32).reshape(bright.shape) - 1, -1), 1, constant_values=-1)
    _, rows, columns = number_of.shape
    steps = np.array([-rows * columns, rows * columns, -columns, columns, -1, 1])
    kind = np.where(contrast[bright], _CONTRAST, np.where(bone[bright], _BONE, _NEITHER)).astype(np.uint8)
    if len(kind):
        _kinds(values[bright], np.flatnonzero(number_of.ravel() >= 0), number_of.ravel(), steps, kind, _NOISE_HU, _STEP_HU)
    out = np.zeros(bright.shape, dtype=np.bool_)
    out[bright] = kind == _CONTRAST
    return out


def split_bright(volume: Volume, search: Frame, bone: Bone, curve: Curve, progress: Progress = silent) -> Bright | None:
    """Bone and contrast told apart around the canal of a myelogram; None where no contrast fills the canal.

    Bright voxels belong to whichever of two kinds of seeds they are reached from over the smaller steps in brightness: contrast (the core
    of the sac, and what is bright and even inside the canal) or bone (what is bright in front of and behind the canal, or denser than any
    contrast). Leaked contrast runs on from the sac or lies in the canal; bone goes on into its vertebra.

    search: the frame of the masks in `bone`. curve: the rough middle of the canal.
    """
    k, j, i = np.rint(search.to_index(curve.points_mm)).astype(int).T
    if not bone.tube.any() or float(bone.tube[k, j, i].mean()) < _FILLED:
        return None
    progress(0.0, "Telling contrast from bone")
    middle, rough = _rough_canal(volume, search, bone, curve)
    box = volume.frame.box_around(curve.points_mm, _BESIDE_MM)
    frame = _cropped(volume.frame, box)
    fine = reduced(replace(volume, frame=frame, voxels=volume.voxels[box]), max(_GRID_MM, min(volume.frame.spacing_mm)))
    progress(0.5, "Telling contrast from bone")
    values = np.asarray(ndimage.gaussian_filter(fine.voxels.astype(np.float32), 0.4))
    bright = values > bone.threshold_hu
    sac = onto(shrunk(bone.tube, 2), search, fine.frame) & bright
    index = np.argwhere(bright)
    at = tuple(index.T)
    inside, beyond, deep, outside = (np.zeros(bright.shape, dtype=np.bool_) for _ in range(4))
    inside[at], beyond[at], deep[at], outside[at] = _zones(along_canal(index, fine.frame, rough), rough)
    steep = np.asarray(ndimage.gaussian_gradient_magnitude(values, 0.6)) / fine.frame.spacing_mm[1]
    densest = float(np.percentile(values[sac], 95)) if sac.any() else np.inf
    beyond |= (values > max(_DENSE_BONE * densest, _DENSE_BONE_HU)) & ~sac
    beyond |= (values > max(_DENSE_OUTSIDE * densest, _DENSE_BONE_HU)) & outside
    inside = (inside & (steep < _EVEN_HU_PER_MM) & ~beyond) | sac
    bright &= ~deep
    contrast = _contrast_among(bright, values, inside, beyond & ~inside)
    progress(0.9, "Telling contrast from bone")
    around = search.box_around(curve.points_mm, _BESIDE_MM)
    where = np.zeros(bone.tube.shape, dtype=np.bool_)
    where[around] = onto(contrast, fine.frame, _cropped(search, around))
    without = replace(bone, mask=bone.mask & ~where, tube=bone.tube | where)
    even = contrast & (steep < _EVEN_PER_MM * values) & (values < densest)
    return Bright(without, onto(contrast, fine.frame, frame), onto(even, fine.frame, frame), box, middle)


def _cropped(frame: Frame, box: tuple[slice, slice, slice]) -> Frame:
    return frame.crop([b.start for b in box], [b.stop for b in box])


def _rough_canal(volume: Volume, search: Frame, bone: Bone, curve: Curve) -> tuple[Curve, Canal]:
    """The canal in dense bone alone, looked for through the sac; right but for where dense contrast lies at its wall."""
    sac = Volume(search, bone.tube.astype(np.uint8))
    curve, wall = canal_along(volume, curve, max(_COMPACT_HU, bone.threshold_hu), sac)
    return curve, as_canal(curve, wall, np.ones(len(wall.radius_mm)))


def _zones(place: Floats, canal: Canal) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """(well inside the usual wall, surely in bone beyond it, far beyond that, outside the usual wall) for places along a canal (m, 3)."""
    usual = np.asarray(ndimage.median_filter(canal.wall_mm, (_USUAL_MM, 1), mode="nearest"))
    row = np.clip(np.rint(place[:, 0]).astype(int), 0, len(usual) - 1)
    u, v = place[:, 1], place[:, 2]
    turn = np.rint(np.arctan2(v, u) / (2 * np.pi) * ANGLES).astype(int) % ANGLES
    in_view = (place[:, 0] > -0.5) & (place[:, 0] < len(usual) - 0.5)
    across = np.minimum(usual[row, 0], usual[row, ANGLES // 2])
    before = -v - usual[row, 3 * ANGLES // 4] - _BEFORE_MM
    behind = v - usual[row, ANGLES // 4] - _BEHIND_MM
    past = np.maximum(np.where(np.abs(u) < 2 * across, before, -np.inf), np.where(np.abs(u) < across, behind, -np.inf))
    past = np.maximum(past, np.abs(u) - _NOTHING_BESIDE_MM)
    past_wall = np.hypot(u, v) - usual[row, turn]
    return in_view & (past_wall < -_INSIDE_MM), (past > 0) | ~in_view, (past > _DEEP_MM) | ~in_view, past_wall > _OUTSIDE_MM
