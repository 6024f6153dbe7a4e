"""Windows between the laminae: seen from behind along beams of many tilts, with bone borders at half its height above soft tissue."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.grid import values_of
from planner.anatomy.norms import at_level
from planner.anatomy.spine import ANGLES, Canal, Level, Window
from planner.geometry import Floats, Volume

_TILTS_DEG = np.arange(-10, 61, 5)
_LATERAL_MM = np.arange(-14.0, 14.1, 1.0)
_ROW_MM = 0.5
_FIRST_MM, _LAST_MM, _STEP_MM = 0.5, 14.0, 0.75  # where behind the canal bone closes a window; the last square to its back wall
_SOFT_HU, _DENSEST_HU = 50.0, 1500.0  # metal counts as the densest bone
_BLUR_MM = 1.2  # how far the edge of bone is smeared by the scanner at least; a voxel smears it as far as its neighbours
_SD_OF_WIDTH = 0.42  # of a Gaussian, over its width at half its height
_GRAZING = 0.5  # a beam at less than 30 degrees to the back wall sees no window in it
_USUAL_PLACE, _LEAST_APART = 0.6, 0.4  # of a window between two bodies, and of two windows, as shares of a vertebra's height
_LEAST_RADIUS_MM = 1.0  # of a circle through which a needle goes
_OFF_MIDLINE, _OFF_PLACE, _TILT = 0.08, 0.04, 0.006  # what a window loses, in mm of its radius, per mm or degree
_FINE_MM = 0.25
_COS, _SIN = (of(np.arange(ANGLES) * 2 * np.pi / ANGLES) for of in (np.cos, np.sin))


@dataclass(frozen=True, eq=False)
class _View:
    """The strip behind a pair of vertebrae along beams of one tilt. bony (rows, lateral): the most along each beam, 1 at the edge of
    bone; start_mm (rows, lateral, 3): where the beams leave the canal; height_mm (rows,): of each row in the view, growing to the feet."""

    tilt_deg: float
    bony: Floats
    start_mm: Floats
    height_mm: Floats


@dataclass(frozen=True, eq=False)
class Gap:
    """The gap between the laminae of two neighbours, whatever their names: as a `Window`, but for its middle, which lies at the canal's
    wall. back: the way to the back there. sure: 0..1 how clearly it is seen."""

    point_mm: Floats
    back: Floats
    height_mm: float
    width_mm: float
    tilt_deg: float
    sure: float


Gaps = Mapping[tuple[float, float], Gap | None]
"""By the places of the two neighbours along the canal; None where no gap is open."""


def find_windows(volume: Volume, threshold: float, canal: Canal, levels: tuple[Level, ...]) -> tuple[Window, ...]:
    """The gap between the laminae of each pair of neighbours, at the beam that sees it widest (algorithms 2.3). Closed ones are left out.

    A tilt of a degrees goes a degrees to the head on its way in, against the scan's axial plane. Height and width lie in the plane square
    to the beam. threshold: where bone begins at the least; the border of a lamina is at half its own height over soft tissue, so that thick
    slices do not close a window with a blurred edge.
    """
    return windows_of(find_gaps(volume, threshold, canal, [level.s_mm for level in levels]), canal, levels)


def find_gaps(volume: Volume, threshold: float, canal: Canal, places_mm: Sequence[float]) -> Gaps:
    """The gaps between neighbours whose bodies lie at these places along the canal."""
    return {pair: _gap_between(volume, threshold, canal, *pair) for pair in itertools.pairwise(places_mm)}


def windows_of(gaps: Gaps, canal: Canal, levels: tuple[Level, ...]) -> tuple[Window, ...]:
    """The windows of named neighbours."""
    found: list[tuple[Window, float, float]] = []
    for upper, lower in itertools.pairwise(levels):
        gap = None if upper.name[0] == "S" else gaps[upper.s_mm, lower.s_mm]
        if gap is None:
            continue
        x, y, z = (float(mm) for mm in gap.point_mm + 0.5 * float(at_level("flavum_mm", upper.name)) * gap.back)
        sure = 0.9 * min(upper.confidence, lower.confidence) * gap.sure
        window = Window((upper.name, lower.name), (x, y, z), gap.height_mm, gap.width_mm, gap.tilt_deg, sure)
        apart = lower.s_mm - upper.s_mm
        place = float(canal.s_mm[canal.nearest(window.centre_mm)])
        odd = abs(place - upper.s_mm - _USUAL_PLACE * apart) / apart
        if found and place - found[-1][1] < _LEAST_APART * apart:  # one gap seen by two pairs belongs to the pair that it lies between
            if odd > found[-1][2]:
                continue
            found.pop()
        found.append((window, place, odd))
    return tuple(window for window, _, _ in found)


def _gap_between(volume: Volume, threshold: float, canal: Canal, upper_mm: float, lower_mm: float) -> Gap | None:
    apart = lower_mm - upper_mm
    s = np.arange(upper_mm, min(lower_mm + 0.35 * apart, float(canal.s_mm[-1])), _ROW_MM)
    if len(s) < 16:
        return None
    bony = _bony(volume, threshold, canal, s)
    usual = upper_mm + _USUAL_PLACE * apart
    off = _OFF_MIDLINE * np.abs(_LATERAL_MM) + _OFF_PLACE * np.maximum(np.abs(s - usual) - 5.0, 0.0)[:, None]
    best: tuple[float, _View, int, int] | None = None
    start, square = _starts(canal, s)
    for tilt in _TILTS_DEG:
        view = _view(bony, start, square, float(tilt))
        if view is None:
            continue
        circle = _clear_radius(view) - off
        row, across = divmod(int(circle.argmax()), circle.shape[1])
        score = float(circle[row, across]) - _TILT * abs(view.tilt_deg)
        if best is None or score > best[0]:
            best = score, view, row, across
    if best is None or best[0] < _LEAST_RADIUS_MM - _TILT * abs(best[1].tilt_deg):
        return None
    _, view, row, across = best
    low, high = _free_run(view.bony[:, across], row)
    left, right = _free_run(view.bony[row], across)
    heights = np.interp([low, high], np.arange(len(s)), view.height_mm)
    height, width = float(abs(heights[1] - heights[0])), float((right - left) * (_LATERAL_MM[1] - _LATERAL_MM[0]))
    middle = (low + high) / 2
    point = np.array([np.interp(middle, np.arange(len(s)), view.start_mm[:, across, n]) for n in range(3)])
    clear = float(np.clip((1.0 - view.bony[row, across]) / 0.3, 0.2, 1.0))
    sharp = float(np.clip(height / (4.0 * max(volume.frame.spacing_mm)), 0.3, 1.0))
    back = canal.back[int(np.abs(canal.s_mm - s[int(middle)]).argmin())]
    return Gap(point, back, height, width, view.tilt_deg, clear * sharp)


def _bony(volume: Volume, threshold: float, canal: Canal, s: Floats) -> Volume:
    """How bony each voxel behind a stretch of the canal is: its value over the border of bone there, which is half way from soft tissue to
    the highest value within reach of the blur, so that an edge stays where it is in thin slices and in thick ones; `threshold` at least."""
    places = np.interp(s[[0, -1]], canal.s_mm, np.arange(len(canal.s_mm))).round().astype(int)
    stretch = slice(int(places[0]), int(places[1]) + 1)
    behind = canal.centreline_mm[stretch] + 30.0 * canal.back[stretch]
    box = volume.frame.box_around(np.concatenate([canal.centreline_mm[stretch], behind]), 18.0)
    spacing_mm = np.array(volume.frame.spacing_mm)
    quiet_mm = np.sqrt(np.maximum((_BLUR_MM * _SD_OF_WIDTH) ** 2 - (_SD_OF_WIDTH * spacing_mm) ** 2, 0.0))
    values = ndimage.gaussian_filter(values_of(volume, box), quiet_mm / spacing_mm)
    reach = np.rint(_BLUR_MM / spacing_mm).astype(int)
    brush = np.ones((2 * reach[1] + 1, 2 * reach[2] + 1), dtype=np.uint8)
    highest = ndimage.maximum_filter1d(np.stack([cv2.dilate(plane, brush) for plane in values]), 2 * max(1, int(reach[0])) + 1, axis=0)
    border = np.maximum(0.5 * (_SOFT_HU + np.minimum(highest, _DENSEST_HU)), threshold)
    start, stop = [part.start for part in box], [part.stop for part in box]
    return Volume(volume.frame.crop(start, stop), values / border, volume.modality)


def _starts(canal: Canal, s: Floats) -> tuple[Floats, Floats]:
    """Where beams leave the canal at each row and distance to the left, (rows, lateral, 3), and the unit vector to the back, (3,)."""
    index = np.interp(s, canal.s_mm, np.arange(len(canal.s_mm)))
    nearest = np.rint(index).astype(int)
    centre = np.stack([np.interp(index, np.arange(len(canal.s_mm)), canal.centreline_mm[:, n]) for n in range(3)], axis=1)
    left, back = canal.left[nearest], canal.back[nearest]
    sections, of = np.unique(nearest, return_inverse=True)
    behind = np.array([back_of(canal, int(at), _LATERAL_MM) for at in sections])[of]
    square = back.mean(axis=0)
    start = centre[:, None] + _LATERAL_MM[:, None] * left[:, None] + behind[..., None] * back[:, None]
    return start, square / np.linalg.norm(square)


def _view(bony: Volume, start: Floats, square: Floats, tilt_deg: float) -> _View | None:
    """The strip along beams of one tilt; None for beams that graze the canal's back wall. start, square: of `_starts`."""
    level = square * [1.0, 1.0, 0.0]
    level /= np.linalg.norm(level)
    tilt = np.radians(tilt_deg)
    beam = np.cos(tilt) * level - np.sin(tilt) * np.array([0.0, 0.0, 1.0])
    down = -(np.sin(tilt) * level + np.cos(tilt) * np.array([0.0, 0.0, 1.0]))
    if beam @ square < _GRAZING:
        return None
    along = np.arange(_FIRST_MM, _LAST_MM / float(beam @ square), _STEP_MM)
    way = beam @ np.linalg.inv(bony.frame.affine)[:3, :3].T
    most = np.empty(start.shape[:2])
    _most_along(bony.voxels, bony.frame.to_index(start), way, along, most)
    return _View(tilt_deg, most, start, start[:, len(_LATERAL_MM) // 2] @ down)


@njit(cache=True, nogil=True)
def _most_along(values: NDArray[np.float32], start: Floats, way: Floats, along: Floats, most: Floats) -> None:
    """The highest value, linear between voxels, along beams from fractional indices (rows, columns, 3). What lies outside the scan closes a
    window, for nobody knows what is there: infinite."""
    nk, nj, ni = values.shape
    for row in range(start.shape[0]):
        for column in range(start.shape[1]):
            highest = -np.inf
            for mm in along:
                k, j, i = start[row, column, 0] + mm * way[0], start[row, column, 1] + mm * way[1], start[row, column, 2] + mm * way[2]
                if not (-0.5 <= k <= nk - 0.5 and -0.5 <= j <= nj - 0.5 and -0.5 <= i <= ni - 0.5):
                    highest = np.inf
                    break
                k, j, i = min(max(k, 0.0), nk - 1.0), min(max(j, 0.0), nj - 1.0), min(max(i, 0.0), ni - 1.0)
                a, b, c = min(int(k), max(nk - 2, 0)), min(int(j), max(nj - 2, 0)), min(int(i), max(ni - 2, 0))
                down, right, above = min(b + 1, nj - 1), min(c + 1, ni - 1), min(a + 1, nk - 1)
                u, v, w = k - a, j - b, i - c
                near = (values[a, b, c] * (1 - w) + values[a, b, right] * w) * (1 - v)
                near += (values[a, down, c] * (1 - w) + values[a, down, right] * w) * v
                far = (values[above, b, c] * (1 - w) + values[above, b, right] * w) * (1 - v)
                far += (values[above, down, c] * (1 - w) + values[above, down, right] * w) * v
                highest = max(highest, near * (1 - u) + far * u)
            most[row, column] = highest


def back_of(canal: Canal, at: int, u_mm: Floats) -> Floats:
    """Distance to the back wall at distances to the left of the middle."""
    behind = slice(1, ANGLES // 2)
    x = canal.wall_mm[at, behind] * _COS[behind]
    y = canal.wall_mm[at, behind] * _SIN[behind]
    order = np.argsort(x)
    return np.asarray(np.interp(u_mm, x[order], y[order]))


def _clear_radius(view: _View) -> Floats:
    """For each beam the radius of the clear circle around it in mm; the border of the strip is closed."""
    rows, columns = view.bony.shape
    tall, wide = float(abs(view.height_mm[-1] - view.height_mm[0])), float(_LATERAL_MM[-1] - _LATERAL_MM[0])
    size = (max(2, round(wide / _FINE_MM)), max(2, round(tall / _FINE_MM)))
    fine = cv2.resize(np.minimum(view.bony, 10.0).astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    inside = cv2.distanceTransform(np.pad((fine < 1.0).astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1] * _FINE_MM
    return np.asarray(cv2.resize(inside, (columns, rows), interpolation=cv2.INTER_LINEAR), dtype=np.float64)


def _free_run(bony: Floats, at: int) -> tuple[float, float]:
    """Where bone begins on either side of `at`, between samples."""
    ends = []
    for side in (bony[at::-1], bony[at:]):
        if not (side >= 1.0).any():
            ends.append(float(len(side) - 1))
            continue
        first = int(np.argmax(side >= 1.0))
        rise = float(side[first] - side[first - 1]) if first else 0.0
        share = (1.0 - float(side[first - 1])) / rise if np.isfinite(rise) and rise > 0 else 1.0
        ends.append(max(first - 1 + min(share, 1.0), 0.0))
    return at - ends[0], at + ends[1]
