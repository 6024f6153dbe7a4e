"""The way of the spinal canal through the scan: how well bone encloses each place, and the best path through the slices."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.bone import Bone
from planner.geometry import Floats, Volume
from planner.progress import Progress, silent

RAYS = 32
_REACH_MM = 24.0
_AREA_MM2, _AREA_SD_MM2 = 330.0, 230.0  # polygon of the rays; start values of algorithms 1.1, widened on the real scans
_PAYS_ABOVE = 0.22  # a slice whose score is below this costs the path
_BACK_COST_PER_MM, _LEFT_COST_PER_MM = 0.04, 0.2  # spines bend forward and back far more than sideways
_SIDEWAYS = 0.8  # tangent of the steepest course to a side
_CORRIDOR_MM, _BENDS = 10.0, 0.35  # a spine goes on no farther to a side than this, and this much a mm
_BREAK_MM, _BREAK_SCORE = 15.0, 0.35  # over this length below this score the path leaves the canal
_OPEN_ARCH = 0.6  # what a place is worth that bone encloses but for its back, where laminae may have been taken away
_UNKNOWN = 2  # in a grid of walls: neither bone nor none
_MISSED, _UNSEEN = -1.0, -2.0  # a ray that meets no bone; one that ends at the scan's border or at metal


@dataclass(frozen=True, eq=False)
class Path:
    """A path from head to foot: points (n, 3) LPS, one a slice of the search grid; score (n,) 0..1; enclosed (n,) share of the rays that
    meet bone; margin: how much better it is than the best path elsewhere, per mm."""

    points_mm: Floats
    score: Floats
    enclosed: Floats
    margin: float


@njit(cache=True, nogil=True)
def _enclosure(
    walls: NDArray[np.uint8],
    allowed: NDArray[np.bool_],
    distance: NDArray[np.float32],
    sj: float,
    si: float,
    stride: int,
    reach: float,
    area0: float,
    area_sd: float,
    score: NDArray[np.float32],
    unroofed: NDArray[np.float32],
    enclosed: NDArray[np.float32],
) -> None:
    nk, nj, ni = walls.shape
    step = 0.8 * min(sj, si)
    count = int(reach / step)
    dj = np.empty(32)
    di = np.empty(32)
    for n in range(32):
        dj[n] = np.sin(2 * np.pi * n / 32) * step / sj
        di[n] = np.cos(2 * np.pi * n / 32) * step / si
    radius = np.empty(32)
    for k in range(nk):
        for b in range(score.shape[1]):
            for c in range(score.shape[2]):
                j, i = b * stride, c * stride
                if not allowed[k, j, i] or distance[k, j, i] < 2.5 or distance[k, j, i] > 16.0:
                    continue
                hits, valid, hits_behind, valid_behind, total = 0, 0, 0, 0, 0.0
                for n in range(32):
                    radius[n] = _MISSED
                    y, x = float(j), float(i)
                    for m in range(1, count + 1):
                        y += dj[n]
                        x += di[n]
                        a, d = int(y + 0.5), int(x + 0.5)
                        if a < 0 or d < 0 or a >= nj or d >= ni or walls[k, a, d] == _UNKNOWN:
                            radius[n] = _UNSEEN
                            break
                        if walls[k, a, d]:
                            radius[n] = m * step
                            break
                    behind = abs(n - 8) <= 4
                    if radius[n] > 0:
                        hits += 1
                        hits_behind += behind
                        total += radius[n]
                    if radius[n] != _UNSEEN:
                        valid += 1
                        valid_behind += behind
                if valid < 16 or hits < 8:
                    continue
                mean = total / hits
                area, gap, longest, gap_aside, longest_aside = 0.0, 0, 0, 0, 0
                for n in range(64):
                    if radius[n % 32] > 0:
                        gap, gap_aside = 0, 0
                    elif radius[n % 32] == _MISSED:
                        gap += 1
                        gap_aside += abs(n % 32 - 8) > 4
                        longest, longest_aside = max(longest, gap), max(longest_aside, gap_aside)
                for n in range(32):
                    r0 = radius[n] if radius[n] > 0 else mean
                    r1 = radius[(n + 1) % 32] if radius[(n + 1) % 32] > 0 else mean
                    area += 0.5 * r0 * r1 * 0.19509
                z = (area - area0) / area_sd
                usual = np.exp(-0.25 * z * z)
                arc, arc_aside = min(longest, 32) * 11.25, min(longest_aside, 32) * 11.25
                share, share_aside = hits / valid, (hits - hits_behind) / max(valid - valid_behind, 1)
                score[k, b, c] = share * np.exp(-((arc / 160.0) ** 2)) * usual
                unroofed[k, b, c] = share_aside * np.exp(-((arc_aside / 160.0) ** 2)) * usual
                enclosed[k, b, c] = share


@njit(cache=True, nogil=True)
def _best_path(gain: NDArray[np.float32], reach: int, cost_back: float, cost_left: float) -> tuple[float, NDArray[np.int64]]:
    nk, nb, nc = gain.shape
    value = np.zeros((nk, nb, nc), dtype=np.float32)
    origin = np.full((nk, nb, nc), -1, dtype=np.int32)
    best, at = -1.0, 0
    for k in range(nk):
        for b in range(nb):
            for c in range(nc):
                top, source = 0.0, -1
                if k > 0:
                    for db in range(-reach, reach + 1):
                        for dc in range(-reach, reach + 1):
                            p, q = b + db, c + dc
                            if 0 <= p < nb and 0 <= q < nc:
                                there = value[k - 1, p, q] - cost_back * abs(db) - cost_left * abs(dc)
                                if there > top:
                                    top, source = there, p * nc + q
                value[k, b, c] = top + gain[k, b, c]
                origin[k, b, c] = source
                if value[k, b, c] > best:
                    best, at = value[k, b, c], (k * nb + b) * nc + c
    length = 0
    path = np.empty((nk, 3), dtype=np.int64)
    while True:
        k, b, c = at // (nb * nc), at // nc % nb, at % nc
        path[length, 0], path[length, 1], path[length, 2] = k, b, c
        length += 1
        source = origin[k, b, c]
        if source < 0:
            break
        at = (k - 1) * nb * nc + source
    return best, path[:length]


def _neighbourhood(
    bone: NDArray[np.bool_], spacing: tuple[float, float, float], stride: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """0..1 each: bone in front (a body) and behind (an arch), pooled over 24 mm along the body so that discs and gaps count as closed."""
    pooled = ndimage.uniform_filter1d(bone[:, ::stride, ::stride].astype(np.float32), max(1, round(24.0 / spacing[0])), axis=0)
    sj, si = spacing[1] * stride, spacing[2] * stride

    def mean_of(front_mm: float, back_mm: float, width_mm: float) -> NDArray[np.float32]:
        size = (1, max(1, round((back_mm - front_mm) / sj)), max(1, round(width_mm / si)))
        means = ndimage.uniform_filter(pooled, size, mode="constant")
        shift = round((front_mm + back_mm) / 2 / sj)
        moved = np.zeros_like(means)
        if shift < 0:
            moved[:, -shift:] = means[:, :shift]
        else:
            moved[:, : means.shape[1] - shift] = means[:, shift:]
        return moved

    front = np.minimum(1.0, mean_of(-34.0, -10.0, 24.0) / 0.18)
    back = np.minimum(1.0, mean_of(6.0, 30.0, 12.0) / 0.12)
    return np.float32(0.3) + np.float32(0.7) * front, np.float32(0.4) + np.float32(0.6) * back


def score_places(search: Volume, body: NDArray[np.bool_], bone: Bone, stride: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(score, enclosed) on every stride-th row and column of the search grid: how much a place looks like the inside of the canal."""
    spacing = search.frame.spacing_mm
    smooth = np.stack([cv2.blur(plane, (3, 3)) for plane in search.voxels])
    content = body & (((smooth > -130) & (smooth < 160)) | bone.tube)
    shape = (search.frame.shape[0], -(-search.frame.shape[1] // stride), -(-search.frame.shape[2] // stride))
    score, enclosed, unroofed = (np.zeros(shape, dtype=np.float32) for _ in range(3))
    solid = bone.mask if bone.glare is None else bone.mask & ~bone.glare
    # arches and gaps alternate along the body, so bone is pooled over 9 mm; where the canal is steep (sacrum) that would close it
    for pooled_mm, weight in ((9.0, 1.0), (0.0, 0.9)):
        length = 2 * round(pooled_mm / 2 / spacing[0]) + 1
        walls = ndimage.maximum_filter1d(solid.astype(np.uint8), length, axis=0)
        if bone.glare is not None:
            walls[(walls == 0) & bone.glare] = _UNKNOWN
        inward = np.stack([cv2.distanceTransform((plane == 0).astype(np.uint8), cv2.DIST_L2, 3) for plane in walls])
        distance = (np.minimum(inward, 1000.0) * min(spacing[1:])).astype(np.float32)
        one, without, share = (np.zeros(shape, dtype=np.float32) for _ in range(3))
        inside = content & (walls == 0)
        _enclosure(walls, inside, distance, spacing[1], spacing[2], stride, _REACH_MM, _AREA_MM2, _AREA_SD_MM2, one, without, share)
        better = weight * one > score
        score = np.where(better, weight * one, score)
        enclosed = np.where(better, share, enclosed)
        unroofed = np.maximum(unroofed, weight * without)
    front, back = _neighbourhood(bone.mask, spacing, stride)
    return np.maximum(score * back, _OPEN_ARCH * unroofed) * front, enclosed


def track_canal(search: Volume, body: NDArray[np.bool_], bone: Bone, progress: Progress = silent) -> Path | None:
    """The best path of places that look like the canal, or None where no slice looks like it at all."""
    stride = 2
    score, enclosed = score_places(search, body, bone, stride)
    progress(0.6, "Following the canal")
    spacing = search.frame.spacing_mm
    cell = stride * (spacing[1] + spacing[2]) / 2
    gain = score - np.float32(_PAYS_ABOVE)
    costs = (_BACK_COST_PER_MM * cell, _LEFT_COST_PER_MM * cell)
    best, cells = _best_path(gain, 1, *costs)
    if best <= 0 or len(cells) < 3:
        return None
    rival = gain.copy()
    clear = round(15.0 / cell)
    for k, b, c in cells:
        rival[k, max(0, b - clear) : b + clear + 1, max(0, c - clear) : c + clear + 1] = -_PAYS_ABOVE
    second, _ = _best_path(rival, 1, *costs)
    kept = _kept(score, cells, stride, spacing)
    if len(kept) < len(cells):  # it went astray, such as into a hip: what is left may go on in its own line, as into the sacrum
        in_line = np.where(_corridor(kept, gain.shape, stride, spacing), gain, np.float32(-1.0))
        kept = _kept(score, _best_path(in_line, 1, *costs)[1], stride, spacing)
    cells = kept
    index = np.stack([cells[:, 0], cells[:, 1] * stride, cells[:, 2] * stride], axis=1)
    along = score[cells[:, 0], cells[:, 1], cells[:, 2]].astype(np.float64)
    shares = enclosed[cells[:, 0], cells[:, 1], cells[:, 2]].astype(np.float64)
    return Path(search.frame.to_world(index), along, shares, float(best - second) / (len(cells) * spacing[0]))


def _kept(score: NDArray[np.float32], cells: NDArray[np.int64], stride: int, spacing: tuple[float, float, float]) -> NDArray[np.int64]:
    """The part of a path that keeps its score and does not run off to a side."""
    aside = np.gradient(ndimage.gaussian_filter1d(cells[:, 2] * stride * spacing[2], 6.0 / spacing[0]))
    straight = np.abs(aside) < spacing[0] * _SIDEWAYS
    return cells[_unbroken(score[cells[:, 0], cells[:, 1], cells[:, 2]] * straight, max(1, round(_BREAK_MM / spacing[0])))]


def _corridor(cells: NDArray[np.int64], shape: tuple[int, ...], stride: int, spacing: tuple[float, float, float]) -> NDArray[np.bool_]:
    """(slices, 1, columns): places beside a path, no farther to a side than a spine bends, wider beyond the path's ends."""
    order = np.argsort(cells[:, 0])
    k = np.arange(shape[0])
    beyond = np.maximum(np.maximum(cells[order[0], 0] - k, k - cells[order[-1], 0]), 0) * spacing[0]
    middle = np.interp(k, cells[order, 0], cells[order, 2])
    aside = np.abs(np.arange(shape[2]) - middle[:, None]) * stride * spacing[2]
    return np.asarray(aside <= _CORRIDOR_MM + _BENDS * beyond[:, None])[:, None, :]


def _unbroken(score: NDArray[np.float32], length: int) -> slice:
    """The stretch of the path with the greatest sum of scores that no run of `length` slices of low score breaks."""
    mean = ndimage.uniform_filter1d(score, length, mode="nearest")
    parts, count = ndimage.label(mean > _BREAK_SCORE)
    if count == 0:
        return slice(0, len(score))
    best = max(range(1, count + 1), key=lambda n: float(score[parts == n].sum()))
    within = np.flatnonzero(parts == best)
    good = within[score[within] > _BREAK_SCORE]
    return slice(int(good[0]), int(good[-1]) + 1) if len(good) else slice(int(within[0]), int(within[-1]) + 1)
