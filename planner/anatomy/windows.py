"""Windows between the laminae: seen from behind along beams of many tilts, with bone borders at half its height above soft tissue."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.anatomy.norms import at_level
from planner.anatomy.spine import ANGLES, Canal, Level, Window
from planner.geometry import Floats, Volume

_TILTS_DEG = np.arange(-10, 61, 5)
_LATERAL_MM = np.arange(-14.0, 14.1, 1.0)
_ROW_MM = 0.5
_FIRST_MM, _LAST_MM, _STEP_MM = 0.5, 12.0, 0.75  # where behind the canal bone closes a window
_SOFT_HU = 50.0
_PEAK_SAMPLES = 10  # how far into bone its height is read
_GRAZING = 0.5  # a beam at less than 30 degrees to the back wall sees no window in it
_HIGHEST_BORDER_HU = 450.0
_USUAL_PLACE, _LEAST_APART = 0.6, 0.4  # of a window between two bodies, and of two windows, as shares of a vertebra's height
_LEAST_RADIUS_MM = 1.0  # of a circle through which a needle goes
_OFF_MIDLINE, _OFF_PLACE, _TILT = 0.08, 0.04, 0.015  # what a window loses, in mm of its radius, per mm or degree


@dataclass(frozen=True, eq=False)
class _View:
    """The strip behind a pair of vertebrae along beams of one tilt. highest_hu (rows, lateral): brightest along each beam; start_mm
    (rows, lateral, 3): where the beams leave the canal; height_mm (rows,): of each row in the view, growing to the feet."""

    tilt_deg: float
    highest_hu: Floats
    start_mm: Floats
    height_mm: Floats


@njit(cache=True, nogil=True)
def _highest_along(voxels, slope, intercept, matrix, offset, start, step, first, count, out):  # type: ignore[no-untyped-def]
    nk, nj, ni = voxels.shape
    for n in range(start.shape[0]):
        best = -np.inf
        for m in range(first, first + count):
            x, y, z = start[n, 0] + m * step[0], start[n, 1] + m * step[1], start[n, 2] + m * step[2]
            k = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + offset[0]
            j = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + offset[1]
            i = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + offset[2]
            if not (0.0 <= k <= nk - 1.0 and 0.0 <= j <= nj - 1.0 and 0.0 <= i <= ni - 1.0):
                best = np.inf  # nobody knows what closes it there
                break
            k0, j0, i0 = min(int(k), max(nk - 2, 0)), min(int(j), max(nj - 2, 0)), min(int(i), max(ni - 2, 0))
            k1, j1, i1 = min(k0 + 1, nk - 1), min(j0 + 1, nj - 1), min(i0 + 1, ni - 1)
            fk, fj, fi = k - k0, j - j0, i - i0
            a = voxels[k0, j0, i0] * (1 - fi) + voxels[k0, j0, i1] * fi
            b = voxels[k0, j1, i0] * (1 - fi) + voxels[k0, j1, i1] * fi
            c = voxels[k1, j0, i0] * (1 - fi) + voxels[k1, j0, i1] * fi
            d = voxels[k1, j1, i0] * (1 - fi) + voxels[k1, j1, i1] * fi
            best = max(best, ((a * (1 - fj) + b * fj) * (1 - fk) + (c * (1 - fj) + d * fj) * fk) * slope + intercept)
        out[n] = best


def find_windows(volume: Volume, threshold: float, canal: Canal, levels: tuple[Level, ...]) -> tuple[Window, ...]:
    """The gap between the laminae of each pair of neighbours, at the beam that sees it widest (algorithms 2.3). Closed ones are left out.

    A tilt of a degrees goes a degrees to the head on its way in, against the scan's axial plane. Height and width lie in the plane square
    to the beam. threshold: where bone begins at the least; the border of a lamina is at half its own height over soft tissue, so that thick
    slices do not close a window with a blurred edge.
    """
    found: list[tuple[Window, float, float]] = []
    for upper, lower in itertools.pairwise(levels):
        window = None if upper.name[0] == "S" else _window_between(volume, threshold, canal, upper, lower)
        if window is None:
            continue
        gap = lower.s_mm - upper.s_mm
        place = float(canal.s_mm[canal.nearest(window.centre_mm)])
        odd = abs(place - upper.s_mm - _USUAL_PLACE * gap) / gap
        if found and place - found[-1][1] < _LEAST_APART * gap:  # one gap seen by two pairs belongs to the pair that it lies between
            if odd > found[-1][2]:
                continue
            found.pop()
        found.append((window, place, odd))
    return tuple(window for window, _, _ in found)


def in_view(volume: Volume, canal: Canal, upper: Level, lower: Level) -> bool:
    """Whether the laminae of both lie in the scan, so that a closed window was seen and not cut off."""
    ends = (upper.s_mm, lower.s_mm + 0.5 * (lower.s_mm - upper.s_mm))
    places = np.interp(ends, canal.s_mm, np.arange(len(canal.s_mm))).round().astype(int)
    behind = canal.centreline_mm[places] + 20.0 * canal.back[places]
    return bool(ends[1] <= canal.s_mm[-1] + 5.0 and all(volume.frame.contains(point) for point in behind))


def _window_between(volume: Volume, threshold: float, canal: Canal, upper: Level, lower: Level) -> Window | None:
    gap = lower.s_mm - upper.s_mm
    s = np.arange(upper.s_mm, min(lower.s_mm + 0.35 * gap, float(canal.s_mm[-1])), _ROW_MM)
    if len(s) < 16:
        return None
    views = [view for tilt in _TILTS_DEG if (view := _view(volume, canal, s, float(tilt))) is not None]
    bright = np.concatenate([view.highest_hu[np.isfinite(view.highest_hu)] for view in views[:6]])
    if not len(bright):
        return None
    bony = bright[bright > threshold]
    half = 0.5 * (_SOFT_HU + float(np.percentile(bony, 70))) if len(bony) else threshold
    border = float(np.clip(half, threshold, max(threshold, _HIGHEST_BORDER_HU)))
    usual = upper.s_mm + _USUAL_PLACE * gap
    best: tuple[float, _View, int, int] | None = None
    for view in views:
        row_mm = float(np.abs(np.diff(view.height_mm)).mean())
        free = view.highest_hu < border
        off = _OFF_MIDLINE * np.abs(_LATERAL_MM) + _OFF_PLACE * np.maximum(np.abs(s - usual) - 5.0, 0.0)[:, None]
        circle = _clear_radius(free, row_mm) - off
        row, across = divmod(int(circle.argmax()), circle.shape[1])
        score = float(circle[row, across]) - _TILT * abs(view.tilt_deg)
        if best is None or score > best[0]:
            best = score, view, row, across
    if best is None or best[0] < _LEAST_RADIUS_MM - _TILT * abs(best[1].tilt_deg):
        return None
    _, view, row, across = best
    low, high = _free_run(view.highest_hu[:, across], threshold, border, row)
    left, right = _free_run(view.highest_hu[row], threshold, border, across)
    heights = np.interp([low, high], np.arange(len(s)), view.height_mm)
    height, width = float(abs(heights[1] - heights[0])), float((right - left) * (_LATERAL_MM[1] - _LATERAL_MM[0]))
    middle = (low + high) / 2
    behind = 0.5 * float(at_level("flavum_mm", upper.name)) * canal.back[int(np.abs(canal.s_mm - s[int(middle)]).argmin())]
    point = np.array([np.interp(middle, np.arange(len(s)), view.start_mm[:, across, n]) for n in range(3)]) + behind
    clear = float(np.clip((border - view.highest_hu[row, across]) / (border - _SOFT_HU), 0.2, 1.0))
    sharp = float(np.clip(height / (3.0 * max(volume.frame.spacing_mm)), 0.3, 1.0))
    sure = 0.9 * min(upper.confidence, lower.confidence) * clear * sharp
    centre = (float(point[0]), float(point[1]), float(point[2]))
    return Window((upper.name, lower.name), centre, height, width, view.tilt_deg, sure)


def _view(volume: Volume, canal: Canal, s: Floats, tilt_deg: float) -> _View | None:
    """The strip along beams of one tilt; None for beams that graze the canal's back wall."""
    index = np.interp(s, canal.s_mm, np.arange(len(canal.s_mm)))
    nearest = np.rint(index).astype(int)
    centre = np.stack([np.interp(index, np.arange(len(canal.s_mm)), canal.centreline_mm[:, n]) for n in range(3)], axis=1)
    left, back = canal.left[nearest], canal.back[nearest]
    behind = np.array([_back_of(canal, int(at), _LATERAL_MM) for at in nearest])
    start = centre[:, None] + _LATERAL_MM[:, None] * left[:, None] + behind[..., None] * back[:, None]
    level = back.mean(axis=0) * [1.0, 1.0, 0.0]
    level /= np.linalg.norm(level)
    tilt = np.radians(tilt_deg)
    beam = np.cos(tilt) * level - np.sin(tilt) * np.array([0.0, 0.0, 1.0])
    down = -(np.sin(tilt) * level + np.cos(tilt) * np.array([0.0, 0.0, 1.0]))
    if beam @ back.mean(axis=0) < _GRAZING * np.linalg.norm(back.mean(axis=0)):
        return None
    inverse = np.linalg.inv(volume.frame.affine)
    out = np.empty(start.shape[0] * start.shape[1])
    _highest_along(
        volume.voxels, volume.slope, volume.intercept, np.ascontiguousarray(inverse[:3, :3]), inverse[:3, 3].copy(),
        np.ascontiguousarray(start.reshape(-1, 3)), beam * _STEP_MM, int(np.ceil(_FIRST_MM / _STEP_MM)), int(_LAST_MM / _STEP_MM), out,
    )  # fmt: skip
    return _View(tilt_deg, out.reshape(start.shape[:2]), start, start[:, len(_LATERAL_MM) // 2] @ down)


def _back_of(canal: Canal, at: int, u_mm: Floats) -> Floats:
    """Distance to the back wall at distances to the left of the middle."""
    angles = np.arange(ANGLES) * 2 * np.pi / ANGLES
    behind = slice(1, ANGLES // 2)
    x = canal.wall_mm[at, behind] * np.cos(angles[behind])
    y = canal.wall_mm[at, behind] * np.sin(angles[behind])
    order = np.argsort(x)
    return np.asarray(np.interp(u_mm, x[order], y[order]))


def _clear_radius(free: NDArray[np.bool_], row_mm: float) -> Floats:
    """For each beam the radius of the clear circle around it in mm; the border of the strip is closed."""
    fine = 0.5
    size = (max(2, round(free.shape[1] / fine)), max(2, round(free.shape[0] * row_mm / fine)))
    square = cv2.resize(free.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    inside = cv2.distanceTransform(np.pad(square, 1), cv2.DIST_L2, 5)[1:-1, 1:-1] * fine
    return np.asarray(cv2.resize(inside, (free.shape[1], free.shape[0]), interpolation=cv2.INTER_LINEAR), dtype=np.float64)


def _free_run(values: Floats, threshold: float, highest: float, at: int) -> tuple[float, float]:
    """Where bone begins on either side of `at`, between samples: at half the height of the first bone met there."""
    ends = []
    for side in (values[at::-1], values[at:]):
        bony = np.flatnonzero(side > max(threshold, values[at]))
        if not len(bony):
            ends.append(float(len(side) - 1))
            continue
        peak = side[bony[0] : bony[0] + _PEAK_SAMPLES].max()
        border = float(np.clip(0.5 * (_SOFT_HU + peak), max(threshold, values[at] + 1.0), highest))
        beyond = int(np.argmax(side > border)) if (side > border).any() else len(side) - 1
        rise = float(side[beyond] - side[beyond - 1]) if beyond else 0.0
        share = (border - float(side[beyond - 1])) / rise if np.isfinite(rise) and rise > 0 else 1.0
        ends.append(beyond - 1 + min(share, 1.0))
    return at - ends[0], at + ends[1]
