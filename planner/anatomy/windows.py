"""Windows between the laminae: seen from behind along beams of many tilts, with bone borders at half its height above soft tissue.

A window's tilt is that of the thickest needle that passes its middle from behind the spinous processes; its size is what the laminae leave
open at that tilt. Laminae alone leave the tilt open by some 20 degrees: what turns a needle in the midline are the spinous processes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.grid import reduced, values_of
from planner.anatomy.norms import at_level
from planner.anatomy.spine import ANGLES, Canal, Level, Window
from planner.geometry import Floats, Volume

_TILTS_DEG, _FINER_DEG = np.arange(-15.0, 66.0, 5.0), np.arange(-4.0, 5.0)  # all that are tried, and those around the best of them
_LATERAL_MM = np.arange(-14.0, 14.1, 1.0)
_ROW_MM, _COARSE = 0.5, 2  # the tilt is measured in every second row
_FIRST_MM, _LAST_MM, _STEP_MM = 0.5, 14.0, 0.75  # where behind the canal bone closes a window; the last square to its back wall
_FAR_MM, _FAR_STEP_MM, _BEHIND_MM = np.arange(8.0, 45.0), 1.5, 60.0  # along a beam: spinous processes; voxels there
_SOFT_HU, _DENSEST_HU = 50.0, 1500.0  # metal counts as the densest bone
_BLUR_MM, _FAR_BLUR_MM = 2.0, 2.8  # how far the edge of bone is smeared at least, so that noise is no bone; a voxel smears it as far too
_SD_OF_WIDTH = 0.42  # of a Gaussian, over its width at half its height
_UNKNOWN = 10.0  # how bony it is where no slice shows anything: near the canal a window is closed by what nobody knows
_GRAZING = 0.5  # a beam at less than 30 degrees to the back wall sees no window in it
_USUAL_PLACE, _LEAST_APART = 0.6, 0.4  # of a window between two bodies, and of two windows, as shares of a vertebra's height
_LEAST_RADIUS_MM = 1.0  # of a circle through which a needle goes
_OFF_MIDLINE, _OFF_PLACE, _TILT = 0.08, 0.04, 0.006  # what a window loses, in mm of its radius, per mm or degree
_MIDDLE_MM, _AS_WIDE_MM = 4.0, 0.3  # beside the midline a needle may pass; of beams that differ by less the middle counts
_BESIDE = 0.5  # a way that the spinous processes bar counts so much: a needle has to go beside them
_HIGH_MM = 3.0  # beside a window's middle its height is measured: a mean, for spinous processes make it lower in the midline
_FINE_MM = 0.25
_COS, _SIN = (of(np.arange(ANGLES) * 2 * np.pi / ANGLES) for of in (np.cos, np.sin))


@dataclass(frozen=True, eq=False)
class _Strip:
    """The canal's back wall behind a pair of vertebrae. start_mm (rows, lateral, 3): where beams leave the canal, rows to the feet.
    square: unit vector to the back, square to the wall. level, head: unit vectors that span the plane of the beams, in which the canal
    runs: to the back in the axial plane, and square to it. off (rows, 1): what a row far from the usual place loses, in mm. bony: bone
    near the wall (`_over_border`)."""

    start_mm: Floats
    square: Floats
    level: Floats
    head: Floats
    off: Floats
    bony: Volume

    def thinned(self) -> _Strip:
        """The same in fewer rows."""
        return replace(self, start_mm=self.start_mm[::_COARSE], off=self.off[::_COARSE])


@dataclass(frozen=True, eq=False)
class _View:
    """A strip along beams of one tilt. bony (rows, lateral): the most along each beam, 1 at the edge of bone; height_mm (rows,): of each
    row in the view, growing to the feet. beam: unit vector to the back."""

    bony: Floats
    height_mm: Floats
    beam: Floats


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

    A tilt of a degrees goes a degrees to the head on its way in, against the scan's axial plane, in the plane in which the canal runs
    there. Height and width lie in the plane square to the beam. threshold: where bone begins at the least; the border of a lamina is at
    half its own height over soft tissue, so that thick slices do not close a window with a blurred edge.
    """
    return windows_of(find_gaps(volume, threshold, canal, [level.s_mm for level in levels]), canal, levels)


def find_gaps(volume: Volume, threshold: float, canal: Canal, places_mm: Sequence[float]) -> Gaps:
    """The gaps between neighbours whose bodies lie at these places along the canal."""
    if len(places_mm) < 2:
        return {}
    far = _far_bone(volume, threshold, canal, places_mm)
    return {pair: _gap_between(volume, threshold, far, canal, *pair) for pair in itertools.pairwise(places_mm)}


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


def _gap_between(volume: Volume, threshold: float, far: Volume, canal: Canal, upper_mm: float, lower_mm: float) -> Gap | None:
    apart = lower_mm - upper_mm
    s = np.arange(upper_mm, min(lower_mm + 0.35 * apart, float(canal.s_mm[-1])), _ROW_MM)
    if len(s) < 16:
        return None
    strip = _strip(volume, threshold, canal, s, upper_mm + _USUAL_PLACE * apart)
    tilt_deg = _tilt(strip.thinned(), far)
    view = _view(strip, tilt_deg)
    if view is None:
        return None
    circle = _clear_radius(view) - strip.off - _OFF_MIDLINE * np.abs(_LATERAL_MM)
    row, across = divmod(int(circle.argmax()), circle.shape[1])
    if circle[row, across] < _LEAST_RADIUS_MM:
        return None
    step_mm = float(_LATERAL_MM[1] - _LATERAL_MM[0])
    left, right = _free_run(view.bony[row], across)
    centre, reach = (left + right) / 2, min((right - left) / 2, _HIGH_MM / step_mm)
    columns = range(int(np.ceil(centre - reach)), int(centre + reach) + 1)
    low, high = np.mean([_free_run(view.bony[:, column], row) for column in columns], axis=0)
    heights = np.interp([low, high], np.arange(len(s)), view.height_mm)
    height, width = float(abs(heights[1] - heights[0])), (right - left) * step_mm
    middle = ndimage.map_coordinates(strip.start_mm, [[(low + high) / 2] * 3, [centre] * 3, [0, 1, 2]], order=1)
    clear = float(np.clip((1.0 - view.bony[row, across]) / 0.3, 0.2, 1.0))
    sharp = float(np.clip(height / (4.0 * max(volume.frame.spacing_mm)), 0.3, 1.0))
    back = canal.back[int(np.abs(canal.s_mm - s[int((low + high) / 2)]).argmin())]
    return Gap(np.asarray(middle), back, height, width, tilt_deg, clear * sharp)


def _tilt(strip: _Strip, far: Volume) -> float:
    """The tilt of the widest beam through the middle of a window; of those that are alike the middle."""
    radius = {float(tilt): _radius(strip, far, float(tilt)) for tilt in _TILTS_DEG}
    best = max(radius, key=lambda tilt: radius[tilt])
    finer = [best + float(more) for more in _FINER_DEG if best + float(more) >= _TILTS_DEG[0]]
    radius |= {tilt: _radius(strip, far, tilt) for tilt in finer}
    tilts = np.array(sorted(radius))
    fine = np.arange(tilts[0], tilts[-1], 0.5)
    wide = np.interp(fine, tilts, [radius[tilt] for tilt in tilts])
    return round(float(fine[wide >= wide.max() - _AS_WIDE_MM].mean()), 1)


def _radius(strip: _Strip, far: Volume, tilt_deg: float) -> float:
    """Of the widest beam of this tilt through the middle of a window, in mm: past the spinous processes too, or half of what the laminae
    alone leave open, where a needle has to go beside the processes."""
    view = _view(strip, tilt_deg)
    if view is None:
        return -np.inf
    most = view.bony.copy()
    _close(most, strip, far, view.beam, _FAR_MM, 0.0)
    past, between = (
        float((_clear_radius(replace(view, bony=bony)) - strip.off)[:, np.abs(_LATERAL_MM) <= _MIDDLE_MM].max())
        for bony in (most, view.bony)
    )
    return max(past, _BESIDE * between) - _TILT * abs(tilt_deg)


def _strip(volume: Volume, threshold: float, canal: Canal, s: Floats, usual_mm: float) -> _Strip:
    """The back wall at places along the canal, s (rows,)."""
    index = np.interp(s, canal.s_mm, np.arange(len(canal.s_mm)))
    nearest = np.rint(index).astype(int)
    centre = np.stack([np.interp(index, np.arange(len(canal.s_mm)), canal.centreline_mm[:, n]) for n in range(3)], axis=1)
    left, back = canal.left[nearest], canal.back[nearest]
    sections, of = np.unique(nearest, return_inverse=True)
    behind = np.array([back_of(canal, int(at), _LATERAL_MM) for at in sections])[of]
    start = centre[:, None] + _LATERAL_MM[:, None] * left[:, None] + behind[..., None] * back[:, None]
    square, run = _unit(back.mean(axis=0)), centre[0] - centre[-1]
    level = _unit(square * [1.0, 1.0, 0.0])
    off = _OFF_PLACE * np.maximum(np.abs(s - usual_mm) - 5.0, 0.0)[:, None]
    stretch = canal.centreline_mm[sections]
    box = volume.frame.box_around(np.concatenate([stretch, stretch + 30.0 * canal.back[sections]]), 18.0)
    near = _over_border(values_of(volume, box), volume.frame.spacing_mm, threshold, _BLUR_MM)
    frame = volume.frame.crop([part.start for part in box], [part.stop for part in box])
    for slab in volume.unseen:
        slab.fill(near, frame, _UNKNOWN)
    bony = Volume(frame, near, volume.modality)
    return _Strip(start, square, level, _unit(run - (run @ level) * level), off, bony)


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector))


def _far_bone(volume: Volume, threshold: float, canal: Canal, places_mm: Sequence[float]) -> Volume:
    """How bony it is (`_over_border`) as far behind the canal as spinous processes reach, in coarser voxels."""
    first, last = min(places_mm), max(places_mm) + _BEHIND_MM
    stretch = (canal.s_mm >= first) & (canal.s_mm <= last)
    middle = canal.centreline_mm[stretch]
    box = volume.frame.box_around(np.concatenate([middle, middle + _BEHIND_MM * canal.back[stretch]]), 16.0)
    frame = volume.frame.crop([part.start for part in box], [part.stop for part in box])
    coarse = reduced(replace(volume, frame=frame, voxels=volume.voxels[box]), _FAR_STEP_MM)
    return Volume(coarse.frame, _over_border(values_of(coarse), coarse.frame.spacing_mm, threshold, _FAR_BLUR_MM), volume.modality)


def _over_border(
    values: NDArray[np.float32], spacing_mm: tuple[float, float, float], threshold: float, blur_mm: float
) -> NDArray[np.float32]:
    """How bony each voxel is: its value over the border of bone there, which is half way from soft tissue to the highest value within reach
    of the blur, so that an edge stays where it is in thin slices and in thick ones; `threshold` at least."""
    steps_mm = np.array(spacing_mm)
    quiet_mm = np.sqrt(np.maximum((blur_mm * _SD_OF_WIDTH) ** 2 - (_SD_OF_WIDTH * steps_mm) ** 2, 0.0))
    values = ndimage.gaussian_filter(values, quiet_mm / steps_mm)
    reach = np.rint(blur_mm / steps_mm).astype(int)
    brush = np.ones((2 * reach[1] + 1, 2 * reach[2] + 1), dtype=np.uint8)
    highest = ndimage.maximum_filter1d(np.stack([cv2.dilate(plane, brush) for plane in values]), 2 * max(1, int(reach[0])) + 1, axis=0)
    return np.asarray(values / np.maximum(0.5 * (_SOFT_HU + np.minimum(highest, _DENSEST_HU)), threshold))


def _view(strip: _Strip, tilt_deg: float) -> _View | None:
    """A strip along beams of one tilt; None for beams that graze the canal's back wall."""
    tilt = np.radians(tilt_deg)
    beam = np.cos(tilt) * strip.level - np.sin(tilt) * strip.head
    down = -(np.sin(tilt) * strip.level + np.cos(tilt) * strip.head)
    slope = float(beam @ strip.square)
    if slope < _GRAZING:
        return None
    bony = np.zeros(strip.start_mm.shape[:2])
    _close(bony, strip, strip.bony, beam, np.arange(_FIRST_MM, _LAST_MM / slope, _STEP_MM), np.inf)
    return _View(bony, strip.start_mm[:, len(_LATERAL_MM) // 2] @ down, beam)


def _close(bony: Floats, strip: _Strip, bone: Volume, beam: Floats, along_mm: Floats, outside: float) -> None:
    """Raises how bony the beams (rows, lateral) of a strip are to the most that they meet in a volume; outside: what counts beyond it."""
    way = beam @ np.linalg.inv(bone.frame.affine)[:3, :3].T
    _most_along(bone.voxels, bone.frame.to_index(strip.start_mm), way, along_mm, outside, bony)


@njit(cache=True, nogil=True)
def _most_along(values: NDArray[np.float32], start: Floats, way: Floats, along: Floats, outside: float, most: Floats) -> None:
    """Raises `most`, of beams that are not closed yet, to the highest value, linear between voxels, along beams from fractional indices
    (rows, columns, 3). outside: what counts beyond the volume; near the canal a window is closed by what nobody knows: infinite."""
    nk, nj, ni = values.shape
    for row in range(start.shape[0]):
        for column in range(start.shape[1]):
            highest = most[row, column]
            if highest >= 1.0:
                continue
            for mm in along:
                k, j, i = start[row, column, 0] + mm * way[0], start[row, column, 1] + mm * way[1], start[row, column, 2] + mm * way[2]
                if not (-0.5 <= k <= nk - 0.5 and -0.5 <= j <= nj - 0.5 and -0.5 <= i <= ni - 0.5):
                    highest = max(highest, outside)
                    continue
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
