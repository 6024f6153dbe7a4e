"""Windows between the laminae: seen from behind along beams of many tilts, with bone borders at half its height above soft tissue."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
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


@dataclass(frozen=True, eq=False)
class _View:
    """The strip behind a pair of vertebrae along beams of one tilt. bony (rows, lateral): the most along each beam, 1 at the edge of
    bone; start_mm (rows, lateral, 3): where the beams leave the canal; height_mm (rows,): of each row in the view, growing to the feet."""

    tilt_deg: float
    bony: Floats
    start_mm: Floats
    height_mm: Floats


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


def _window_between(volume: Volume, threshold: float, canal: Canal, upper: Level, lower: Level) -> Window | None:
    gap = lower.s_mm - upper.s_mm
    s = np.arange(upper.s_mm, min(lower.s_mm + 0.35 * gap, float(canal.s_mm[-1])), _ROW_MM)
    if len(s) < 16:
        return None
    bony = _bony(volume, threshold, canal, s)
    usual = upper.s_mm + _USUAL_PLACE * gap
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
    behind = 0.5 * float(at_level("flavum_mm", upper.name)) * canal.back[int(np.abs(canal.s_mm - s[int(middle)]).argmin())]
    point = np.array([np.interp(middle, np.arange(len(s)), view.start_mm[:, across, n]) for n in range(3)]) + behind
    clear = float(np.clip((1.0 - view.bony[row, across]) / 0.3, 0.2, 1.0))
    sharp = float(np.clip(height / (4.0 * max(volume.frame.spacing_mm)), 0.3, 1.0))
    sure = 0.9 * min(upper.confidence, lower.confidence) * clear * sharp
    centre = (float(point[0]), float(point[1]), float(point[2]))
    return Window((upper.name, lower.name), centre, height, width, view.tilt_deg, sure)


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
    behind = np.array([back_of(canal, int(at), _LATERAL_MM) for at in nearest])
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
    count = start.shape[0] * start.shape[1]
    beams = np.tile(beam, (count, 1))
    steps = np.broadcast_to(along, (count, len(along)))
    # what lies outside the scan closes a window: nobody knows what is there
    most = bony.sample_planes(start.reshape(-1, 3), beams, beams, steps, np.zeros(steps.shape), np.inf).max(axis=1)
    return _View(tilt_deg, most.reshape(start.shape[:2]), start, start[:, len(_LATERAL_MM) // 2] @ down)


def back_of(canal: Canal, at: int, u_mm: Floats) -> Floats:
    """Distance to the back wall at distances to the left of the middle."""
    angles = np.arange(ANGLES) * 2 * np.pi / ANGLES
    behind = slice(1, ANGLES // 2)
    x = canal.wall_mm[at, behind] * np.cos(angles[behind])
    y = canal.wall_mm[at, behind] * np.sin(angles[behind])
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
