"""The way of the spinal canal through the scan: how well bone encloses each place, and the best path through the slices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.bone import Bone
from planner.anatomy.morphology import along_slices, box_of
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
_POOLED_MM = 9.0
_TUBE = 0.2  # the score of what counts as a tube
_BEHIND, _BEHIND_ASIDE_MM = (0.35, 0.65), 12.0  # the score of a tube behind that leaves a place all and nothing of its own; how far aside
_SACRUM_MM = 75.0  # of a path's foot end: so long is the canal in it
_APART_MM, _APART_OVER_MM = 12.0, 9.0  # a path that lies so far behind another, over more than that, does not lead through the same canal
_NEARLY = 0.8  # of another path's score is nearly as good
_FREE_MM = (2.5, 16.0)  # from the nearest bone in a slice
_STEP = 0.8  # of a voxel: steps of a ray
_SURELY, _ROUNDING = 0.96, 1.42  # what a distance of cv2 holds at least; a ray's places are rounded to voxels, and so are walls
_UNKNOWN = 255  # in a grid of walls: neither bone nor none
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
    apart: NDArray[np.float32],
    content: NDArray[np.bool_],
    sj: float,
    si: float,
    stride: int,
    area0: float,
    area_sd: float,
    weight: float,
    score: NDArray[np.float32],
    unroofed: NDArray[np.float32],
    enclosed: NDArray[np.float32],
) -> None:
    """Raise the scores of a slice at those places of the content that bone encloses better than they say.

    walls: 1, 0, or unknown. apart: voxels to the nearest that is not 0, at most so far wrong as `cv2.distanceTransform` is."""
    nj, ni = walls.shape
    step = _STEP * min(sj, si)
    count = int(_REACH_MM / step)
    margin = int(_REACH_MM / min(sj, si)) + 2
    leaps = np.full((nj + 2 * margin, ni + 2 * margin), _UNKNOWN, dtype=np.uint8)  # how many steps surely meet nothing; 0: a wall
    for j in range(nj):
        for i in range(ni):
            if walls[j, i] < _UNKNOWN:
                sure = (apart[j, i] * min(sj, si) * _SURELY - _ROUNDING * max(sj, si)) / step
                leaps[j + margin, i + margin] = 0 if walls[j, i] else max(min(int(sure), count), 1)
    flat = leaps.ravel()
    way = np.empty((RAYS, count + 1), dtype=np.int64)
    for n in range(RAYS):
        for m in range(count + 1):
            down = int(np.floor(np.sin(2 * np.pi * n / RAYS) * m * step / sj + 0.5))
            way[n, m] = down * leaps.shape[1] + int(np.floor(np.cos(2 * np.pi * n / RAYS) * m * step / si + 0.5))
    radius = np.empty(RAYS)
    for b in range(score.shape[0]):
        for c in range(score.shape[1]):
            j, i = b * stride, c * stride
            free_mm = np.float32(apart[j, i] * np.float32(min(sj, si)))
            if not content[j, i] or walls[j, i] or free_mm < _FREE_MM[0] or free_mm > _FREE_MM[1]:
                continue
            here = (j + margin) * leaps.shape[1] + i + margin
            hits, valid, hits_behind, valid_behind, total = 0, 0, 0, 0, 0.0
            for n in range(RAYS):
                m = int(flat[here])
                leap = 1
                while m <= count:
                    leap = int(flat[here + way[n, m]])
                    if leap == 0 or leap == _UNKNOWN:
                        break
                    m += leap
                behind = abs(n - 8) <= 4
                radius[n] = _MISSED if m > count else _UNSEEN if leap else m * step
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
            for n in range(2 * RAYS):
                if radius[n % RAYS] > 0:
                    gap, gap_aside = 0, 0
                elif radius[n % RAYS] == _MISSED:
                    gap += 1
                    gap_aside += abs(n % RAYS - 8) > 4
                    longest, longest_aside = max(longest, gap), max(longest_aside, gap_aside)
            for n in range(RAYS):
                r0 = radius[n] if radius[n] > 0 else mean
                r1 = radius[(n + 1) % RAYS] if radius[(n + 1) % RAYS] > 0 else mean
                area += 0.5 * r0 * r1 * 0.19509
            z = (area - area0) / area_sd
            usual = np.exp(-0.25 * z * z)
            arc, arc_aside = min(longest, RAYS) * 11.25, min(longest_aside, RAYS) * 11.25
            share, share_aside = hits / valid, (hits - hits_behind) / max(valid - valid_behind, 1)
            closed = np.float32(weight) * np.float32(share * np.exp(-((arc / 160.0) ** 2)) * usual)
            if closed > score[b, c]:
                score[b, c] = closed
                enclosed[b, c] = share
            without = np.float32(weight) * np.float32(share_aside * np.exp(-((arc_aside / 160.0) ** 2)) * usual)
            unroofed[b, c] = max(unroofed[b, c], without)


@njit(cache=True, nogil=True)
def _best_path(gain: NDArray[np.float32], reach: int, cost_back: float, cost_left: float) -> tuple[float, NDArray[np.int64]]:
    nk, nb, nc = gain.shape
    value = np.zeros((nk, nb, nc), dtype=np.float32)
    origin = np.full((nk, nb, nc), -1, dtype=np.int32)
    pays = np.zeros((nk, nb), dtype=np.bool_)  # a row of whose places any is worth coming from
    top, source = np.empty(nc), np.empty(nc, dtype=np.int64)
    best, at = -1.0, 0
    for k in range(nk):
        for b in range(nb):
            top[:] = 0.0
            source[:] = -1
            for p in range(max(b - reach, 0), min(b + reach + 1, nb)):
                if k == 0 or not pays[k - 1, p]:
                    continue
                for dc in range(-reach, reach + 1):
                    for c in range(max(-dc, 0), min(nc - dc, nc)):
                        there = value[k - 1, p, c + dc] - cost_back * abs(p - b) - cost_left * abs(dc)
                        if there > top[c]:
                            top[c], source[c] = there, p * nc + c + dc
            for c in range(nc):
                value[k, b, c] = top[c] + gain[k, b, c]
                origin[k, b, c] = source[c]
                pays[k, b] |= value[k, b, c] > 0
                if value[k, b, c] > best:
                    best, at = value[k, b, c], (k * nb + b) * nc + c
    length = 0
    path = np.empty((nk, 3), dtype=np.int64)
    while True:
        k, b, c = at // (nb * nc), at // nc % nb, at % nc
        path[length, 0], path[length, 1], path[length, 2] = k, b, c
        length += 1
        back = origin[k, b, c]
        if back < 0:
            break
        at = (k - 1) * nb * nc + back
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


def score_places(
    search: Volume, body: NDArray[np.bool_], bone: Bone, stride: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """(score, enclosed, hindmost) on every stride-th row and column of the search grid: how much a place looks like the canal's inside,
    how much of it bone encloses, and 0..1 how little another such tube lies behind it."""
    frame = search.frame
    spacing = frame.spacing_mm
    shape = (frame.shape[0], -(-frame.shape[1] // stride), -(-frame.shape[2] // stride))
    score, enclosed, unroofed = (np.zeros(shape, dtype=np.float32) for _ in range(3))
    solid = bone.mask if bone.glare is None else bone.mask & ~bone.glare
    # arches and gaps alternate along the body, so bone is pooled over 9 mm; where the canal is steep (sacrum) that would close it
    walls = np.stack([along_slices(solid, round(_POOLED_MM / 2 / spacing[0])), solid], axis=1).view(np.uint8)
    if bone.glare is not None:
        walls[(walls == 0) & bone.glare[:, None]] = _UNKNOWN
    for k, values in enumerate(search.voxels):
        smooth = cv2.blur(values, (3, 3))
        content = body[k] & (((smooth > -130) & (smooth < 160)) | bone.tube[k])
        for plane, weight in zip(walls[k], (1.0, 0.9)):
            apart = cv2.distanceTransform((plane == 0).view(np.uint8), cv2.DIST_L2, 3)
            one = score[k], unroofed[k], enclosed[k]
            _enclosure(plane, apart, content, spacing[1], spacing[2], stride, _AREA_MM2, _AREA_SD_MM2, weight, *one)
    front, back = _neighbourhood(bone.mask, spacing, stride)
    behind = _tube_behind(score * back * front, round(_BEHIND_ASIDE_MM / (stride * spacing[2])))
    hindmost = np.clip((_BEHIND[1] - behind) / (_BEHIND[1] - _BEHIND[0]), 0.0, 1.0)
    return np.maximum(score * back, _OPEN_ARCH * unroofed) * front, enclosed, hindmost


def _tube_behind(closed: NDArray[np.float32], aside: int) -> NDArray[np.float32]:
    """The best score behind each place, up to so many columns to a side, beyond a gap."""
    best = np.zeros_like(closed)
    passed, within = np.zeros_like(closed[:, 0]), np.zeros_like(closed[:, 0])
    for row in range(closed.shape[1] - 1, -1, -1):
        tube = closed[:, row] > _TUBE
        best[:, row] = passed
        passed = np.where(tube, passed, np.maximum(passed, within))
        within = np.where(tube, np.maximum(within, closed[:, row]), np.float32(0.0))
    return np.asarray(ndimage.maximum_filter1d(best, 2 * aside + 1, axis=2))


def track_canal(search: Volume, body: NDArray[np.bool_], bone: Bone, progress: Progress = silent) -> Path | None:
    """The best path of places that look like the canal, or None where no slice looks like it at all."""
    stride = 2
    box = box_of(bone.mask)
    if box is None:
        return None
    frame = search.frame
    search, body, bone, corner = _around(box, search, body, bone, stride)
    score, enclosed, hindmost = score_places(search, body, bone, stride)
    progress(0.6, "Following the canal")
    spacing = search.frame.spacing_mm
    followed = _followed(score, stride, spacing)
    if followed is None:
        return None
    cells, margin = followed
    behind = _followed(score * hindmost, stride, spacing)
    if behind is not None:
        cells = _hindmost_in_sacrum(cells, behind[0], score, stride, spacing)
    index = cells * [1, stride, stride] + corner
    along = score[cells[:, 0], cells[:, 1], cells[:, 2]].astype(np.float64)
    shares = enclosed[cells[:, 0], cells[:, 1], cells[:, 2]].astype(np.float64)
    return Path(frame.to_world(index), along, shares, margin)


def _followed(score: NDArray[np.float32], stride: int, spacing: tuple[float, float, float]) -> tuple[NDArray[np.int64], float] | None:
    """The cells of the best path, as far as it keeps its score, and how much better it is than the best elsewhere, per mm."""
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
    return kept, float(best - second) / (len(kept) * spacing[0])


def _hindmost_in_sacrum(
    cells: NDArray[np.int64], behind: NDArray[np.int64], score: NDArray[np.float32], stride: int, spacing: tuple[float, float, float]
) -> NDArray[np.int64]:
    """A path with its foot end from another that keeps behind and is nearly as good, where the two part and do not meet again. The sacrum's
    faint marrow is enclosed by bone as well as the canal, and so is a foramen in it: behind both lies the canal, behind the canal nothing
    alike."""
    slices, here, there = np.intersect1d(cells[:, 0], behind[:, 0], return_indices=True)  # from foot to head
    if not len(slices):
        return cells
    away = (behind[there, 1:] - cells[here, 1:]) * stride * np.array(spacing[1:])
    parted = (away[:, 0] > _APART_MM) & ((slices - cells[-1, 0]) * spacing[0] < _SACRUM_MM)
    together = np.abs(away).max(axis=1) <= 1.1 * stride * max(spacing[1:])
    above = slices[together & (slices > slices[parted].max(initial=slices[0]))]
    if together[0] or not len(above) or parted.sum() * spacing[0] <= _APART_OVER_MM:
        return cells
    one, other = cells[cells[:, 0] <= above[0]], behind[behind[:, 0] <= above[0]]
    if score[tuple(other.T)].mean() < _NEARLY * score[tuple(one.T)].mean():
        return cells
    return np.concatenate([cells[cells[:, 0] > above[0]], other])


def _around(
    box: tuple[slice, slice, slice], search: Volume, body: NDArray[np.bool_], bone: Bone, stride: int
) -> tuple[Volume, NDArray[np.bool_], Bone, NDArray[np.int64]]:
    """All of the scan's slices as far beside a box as a ray reaches from a place that a ray from the box reaches; and their corner."""
    beside = []
    for part, size, step in zip(box[1:], search.frame.shape[1:], search.frame.spacing_mm[1:]):
        reach = int(2 * _REACH_MM / step) + 1
        beside.append(slice(max(part.start - reach, 0) // stride * stride, min(part.stop + reach, size)))
    rows, columns = beside

    def part_of(values: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(values[:, rows, columns])

    corner = (0, rows.start, columns.start)
    frame = search.frame.crop(corner, (search.frame.shape[0], rows.stop, columns.stop))
    near = replace(search, frame=frame, voxels=part_of(search.voxels))
    glare = None if bone.glare is None else part_of(bone.glare)
    return near, part_of(body), replace(bone, mask=part_of(bone.mask), tube=part_of(bone.tube), glare=glare), np.array(corner)


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
