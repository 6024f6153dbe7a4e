"""The thecal sac in a T2 scan: a smooth, nearly elliptic outline around bright fluid and grey roots and cord, drawn by the dark dura."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.reformat import OUTSIDE, RADIAL_MM, RADII, THETA, Curve, curve_through, polar, rising, smooth
from planner.anatomy.sac import ellipse
from planner.anatomy.spine import Canal, Level
from planner.anatomy.wall import centroids, closed_paths
from planner.geometry import Floats, Volume

_GREY = 0.25  # of the fluid's brightness: cord and roots are brighter, ligament, dura and cortical bone darker
_BRIGHT, _DULL = (0.6, 0.8), 0.2  # fluid is brighter; what is not counts so much less in front, where fat lies, as roots sink to the back
DARKEST = 3  # percentile around the canal: cortical bone, ligament, flow
_LINE_MM, _BEYOND_MM = 1.5, 3.0  # from the edge outward: the dark line is looked for in the one, fat from there to the other
_DURA_MM = 0.55  # from half way down the fluid's blurred edge to the dura's outside
_BLUR_MM, _PLATEAU_MM = 0.4, 1.0  # an edge is blurred over half of a voxel and so much; over the other, on both sides, its ends are read
_LEAST_FALL = 0.15  # from the one to the other; what falls less is no edge
_FILM = (0.3, 0.55)  # no darker than this is taken for what lies beyond, in voxels of 1 and of 3 mm: fat against bone may be a thinner film
_FALL = 0.35  # from the sac to the line; this and the next in shares of the fluid's brightness
_FAT, _DARK = (0.4, 0.55), (0.2, 0.35)  # as bright as the second is fat; as dark as the first is ligament or cortical bone
_MARROW, _MARROW_MM, _AHEAD = (0.2, 0.8), 6.0, -0.3  # its brightness; over which it is even; sine of the directions to the front
_DIP, _DIP_MM = 0.12, 2.0  # a dura between fluid and as bright a fluid or fat: so much darker than what lies within so much on both sides
_BEHIND_A_LINE = 1.0  # the share that an edge loses where a dura was passed
_FRONTS_MM = np.arange(1.0, 10.1, 0.5)  # half-axes that are tried: to the front and back of the middle, and to the sides
_BACKS_MM = np.arange(1.0, 11.1, 0.5)
_WIDTHS_MM = np.arange(1.5, 12.1, 0.5)
_SHIFTS_MM, _SHIFT_SPREAD_MM = np.arange(-3.0, 3.1, 0.5), 0.7  # of the middle to the sides
_WIDER_MM = np.arange(-1.0, 2.1, 0.5)
_USUAL_HALF_WIDTH_MM, _HALF_WIDTH_SPREAD_MM = 8.2, 2.0  # T6 to S1, clinical.md 3.6
_USUAL_SHAPE, _SHAPE_SPREAD = 0.83, 0.15  # depth over width
_RAYS = slice(None, None, 2)
_SECTIONS = 2  # an ellipse in every second section
_ALONG_MM = 1.5  # over which the line is seen together
_CHANGE = 0.05  # of the score for every 0.5 mm that a half-axis changes from one ellipse to the next
_BENDS_MM = 5.0  # the curve along which the sac is found bends as it does
_STEADY_MM = 2.0
_STRAIGHT_MM = 12.0  # a sac that narrows does not bend the axis along which bodies and discs are looked for
_OFF_ELLIPSE_MM = 1.2
_END_MM, _DARKER = 120, 0.8  # over this length at the foot end of the canal its end is looked for; how dark it is below


_Rays = NDArray[np.float32]  # (n, ANGLES, radii)


@dataclass(frozen=True, eq=False)
class SeenSac:
    """The sac along a curve through its middle. radius_mm, edge (0..1, how clearly its outline is seen): (n, ANGLES). fluid: (n,), the
    brightness of the fluid above dark, the darkest value around it."""

    curve: Curve
    radius_mm: Floats
    edge: Floats
    fluid: Floats
    dark: float


def see_sac(volume: Volume, curve: Curve) -> SeenSac:
    """The sac along a rough curve through it: found, centred, and found again."""
    for _ in range(2):
        sac = sac_along(volume, curve, centred=False)
        curve = moved(curve, *centroids(sac.radius_mm), _BENDS_MM)
    return sac_along(volume, curve)


def moved(curve: Curve, u_mm: Floats, v_mm: Floats, smoothing_mm: float = _STRAIGHT_MM) -> Curve:
    """A curve through places beside this one, (n,) to the left and to the back of each of its points."""
    points = curve.points_mm + u_mm[:, None] * curve.left + v_mm[:, None] * curve.back
    rough = smooth(points, smoothing_mm)
    return curve_through(rough + smooth(points - rough, smoothing_mm), _STEADY_MM)  # smoothed twice, which leaves a bend where it is


def sac_along(volume: Volume, curve: Curve, centred: bool = True) -> SeenSac:
    """The sac along a curve that runs inside it; centred: near to its middle."""
    rays = polar(volume, curve)
    dark = float(np.percentile(rays[rays != OUTSIDE], DARKEST))
    rays = ndimage.gaussian_filter(np.maximum(rays, dark), (1.0, 0.7, 0.7), mode=("nearest", "wrap", "nearest")) - dark
    fluid = fluid_of(rays)
    relative = (rays / fluid[:, None, None]).astype(np.float32)
    line = _line(relative)
    radius, edge = _outline(line, _ellipses(line, relative, _DULL if centred else 0.0))
    radius = _half_way(relative, radius, volume.frame.spacing_mm) + _DURA_MM
    radius = ndimage.gaussian_filter(radius, (2.0, 1.0), mode=("nearest", "wrap"))
    return SeenSac(curve, radius, edge, fluid, dark)


def fluid_of(rays: Floats) -> Floats:
    """(n,): brightness of the fluid in straightened rays; cord and roots leave a good part of the section to it."""
    inner = rays[:, :, (RADII > 1.0) & (RADII < 7.0)].reshape(len(rays), -1)
    return np.maximum(ndimage.median_filter(np.percentile(inner, 80, axis=1), 31, mode="nearest"), 1e-3)


def _line(relative: _Rays) -> _Rays:
    """(n, ANGLES, radii) 0..1: how much a radius looks like the sac's edge in values relative to fluid.

    Either the value falls there and soon is as bright as fat, since the dura between fluid and fat is a thin dark line, or it falls to what
    is dark and stays so, or in front to even marrow. Bright fluid against grey roots is none of these; fat against ligament, beyond a
    dura, counts less.
    """
    last, near, far = relative.shape[2], round(_LINE_MM / RADIAL_MM), round(_BEYOND_MM / RADIAL_MM)
    padded = np.pad(relative, ((0, 0), (0, 0), (1, far)), mode="edge")
    ahead = [padded[:, :, 1 + step : 1 + step + last] for step in range(1, far + 1)]
    inside = 0.5 * (padded[:, :, :last] + relative)
    line, beyond = np.min(ahead[:near], axis=0), np.max(ahead[near:], axis=0)
    fall = inside - line
    fat = np.clip((beyond - _FAT[0]) / (_FAT[1] - _FAT[0]), 0.0, 1.0)
    dura = np.maximum(np.clip(fall / _FALL, 0.0, 1.0) * fat, _thin(relative))
    wall = np.clip(fall / _FALL, 0.0, 1.0) * np.clip((_DARK[1] - line) / (_DARK[1] - _DARK[0]), 0.0, 1.0)
    drop = relative - ahead[0]
    steepest = ndimage.maximum_filter1d(drop, 2 * near + 1, axis=2)  # an edge is one place, not a whole slope
    here = np.clip(drop / np.maximum(steepest, 1e-3), 0.0, 1.0)
    passed = np.maximum.accumulate(np.where(RADII > 3.0, dura, 0.0), axis=2)
    passed = np.pad(passed, ((0, 0), (0, 0), (near, 0)))[:, :, :last]
    marrow = np.clip(fall / _FALL, 0.0, 1.0) * _marrow_ahead(relative)
    return np.asarray(here * np.maximum(np.maximum(dura, marrow), wall * (1.0 - _BEHIND_A_LINE * passed)))


def _thin(relative: _Rays) -> _Rays:
    """(n, ANGLES, radii) 0..1: how much a dark line begins at a radius that goes on from section to section and around, bright on both
    sides: the dura amid fluid."""
    quiet = ndimage.gaussian_filter(relative, (1.0, 1.0, 0.0), mode=("nearest", "wrap", "nearest"))
    reach = round(_DIP_MM / RADIAL_MM)
    inside = ndimage.maximum_filter1d(quiet, reach, axis=2, origin=(reach - 1) // 2)
    beyond = ndimage.maximum_filter1d(quiet, reach, axis=2, origin=-(reach // 2))
    dip = np.minimum(inside, beyond) - quiet
    ahead = np.pad(dip[:, :, 1:], ((0, 0), (0, 0), (0, 1)))  # the line begins before its darkest place
    return np.clip(ahead / _DIP, 0.0, 1.0)


def _marrow_ahead(relative: _Rays) -> _Rays:
    """(n, ANGLES, radii) 0..1: how much the next millimetres beyond a radius look like a body's marrow: in front, grey throughout."""
    reach, front = round(_MARROW_MM / RADIAL_MM), np.sin(THETA) < _AHEAD
    beyond = np.pad(relative[:, front, 2:], ((0, 0), (0, 0), (0, 2)), mode="edge")
    darkest = ndimage.minimum_filter1d(beyond, reach, axis=2, mode="nearest", origin=-(reach // 2))
    brightest = ndimage.maximum_filter1d(beyond, reach, axis=2, mode="nearest", origin=-(reach // 2))
    marrow = np.zeros_like(relative)
    marrow[:, front] = np.clip((darkest - _MARROW[0]) / 0.1, 0.0, 1.0) * np.clip((_MARROW[1] - brightest) / 0.1, 0.0, 1.0)
    return marrow


def _ellipses(line: _Rays, relative: _Rays, dull: float) -> Floats:
    """(n, ANGLES): radii of the ellipses that lie best on the dark line with little dark inside them and change slowly along the canal.

    dull: how much less than fluid counts in their front what is as bright as fat; seen from beside the middle the cord is in front too.
    """
    grid, index = _tried()
    no_fluid = np.clip((_BRIGHT[1] - relative) / (_BRIGHT[1] - _BRIGHT[0]), 0.0, 1.0) * (np.sin(THETA) < _AHEAD)[:, None].astype(np.float32)
    inside = (np.clip((relative - _GREY) / _GREY, -1.0, 0.1) - dull * no_fluid) * (RADII * RADIAL_MM / 30.0).astype(np.float32)
    both = line[:, _RAYS] + np.cumsum(inside[:, _RAYS], axis=2)
    table = np.ascontiguousarray(ndimage.gaussian_filter1d(both, _ALONG_MM, axis=0, mode="nearest")[::_SECTIONS])
    score = np.zeros((len(table), len(grid)), dtype=np.float32)
    _scores(table, index, score)
    shape = (grid[:, 0] + grid[:, 1]) / (2 * grid[:, 2])
    odd = ((grid[:, 2] - _USUAL_HALF_WIDTH_MM) / _HALF_WIDTH_SPREAD_MM) ** 2 + ((shape - _USUAL_SHAPE) / _SHAPE_SPREAD) ** 2
    score -= (0.02 * odd + 1.0 * (np.abs(shape - _USUAL_SHAPE) > 2.5 * _SHAPE_SPREAD)).astype(np.float32)
    best = np.zeros(len(score), dtype=np.int64)
    _smoothest(score.reshape(-1, len(_FRONTS_MM), len(_BACKS_MM), len(_WIDTHS_MM)), _CHANGE, best)
    sizes = ndimage.gaussian_filter1d(grid[best], 1.0, axis=0, mode="nearest")
    aside = _shifted(table, sizes)
    at = np.arange(len(line)) / _SECTIONS
    front, back, width, shift = (np.interp(at, np.arange(len(sizes)), part) for part in (sizes[:, 0], sizes[:, 1], *aside))
    return _beside(front, back, width, shift, THETA)


@cache
def _tried() -> tuple[Floats, NDArray[np.uint8]]:
    """(sizes, 3): front, back and width of the ellipses that are tried; and (sizes, rays): which radius each has on every ray."""
    grid = np.array(list(itertools.product(_FRONTS_MM, _BACKS_MM, _WIDTHS_MM)))
    radii = ellipse(grid[:, 0], grid[:, 1], grid[:, 2])[:, _RAYS]
    return grid, np.clip(np.rint(radii / RADIAL_MM) - 1, 0, len(RADII) - 1).astype(np.uint8)


def _beside(front: Floats, back: Floats, width: Floats, shift: Floats, theta: Floats) -> Floats:
    """(..., directions): radii of ellipses whose middle lies `shift` to the left of the curve's."""
    shift, width = np.clip(shift, -0.8 * width, 0.8 * width)[..., None], width[..., None]
    depth = np.where(np.sin(theta) > 0, back[..., None], front[..., None])
    across, along = np.cos(theta) / width, np.sin(theta) / depth
    square = across**2 + along**2
    half = across * shift / width
    return np.asarray((half + np.sqrt(np.maximum(half**2 - square * ((shift / width) ** 2 - 1.0), 0.0))) / square)


def _shifted(table: _Rays, sizes: Floats) -> tuple[Floats, Floats]:
    """(width, shift): of the ellipses, front and back as they are, moved to the side where the line is clearer there: a curved spine's
    sac lies against one side of the canal."""
    shift, wider = (grid.ravel() for grid in np.meshgrid(_SHIFTS_MM, _WIDER_MM, indexing="ij"))
    front, back = (np.broadcast_to(sizes[:, m, None], (len(sizes), len(shift))) for m in (0, 1))
    width = np.maximum(sizes[:, 2, None] + wider, _WIDTHS_MM[0])
    radii = _beside(front, back, width, np.broadcast_to(shift, width.shape), THETA[_RAYS])
    index = np.clip(np.rint(radii / RADIAL_MM) - 1, 0, len(RADII) - 1).astype(np.int64)
    found = np.take_along_axis(table[:, None], index[..., None], axis=3)[..., 0].mean(axis=2)
    score = (found - 0.02 * (shift / _SHIFT_SPREAD_MM) ** 2).astype(np.float32)
    best = np.zeros(len(score), dtype=np.int64)
    _smoothest(score.reshape(-1, len(_SHIFTS_MM), 1, len(_WIDER_MM)), _CHANGE, best)
    chosen = np.stack([width[np.arange(len(best)), best], shift[best]], axis=1)
    chosen = ndimage.gaussian_filter1d(chosen, 1.0, axis=0, mode="nearest")
    return chosen[:, 0], chosen[:, 1]


@njit(cache=True, nogil=True)
def _smoothest(score: NDArray[np.float32], change: float, out: NDArray[np.int64]) -> None:
    """Which size each section has (index in the flattened sizes), for the greatest sum of score (section, front, back, width) less
    `change` for every step of a half-axis; at most one step from section to section."""
    count, fronts, backs, widths = score.shape
    cost = np.float32(change)
    value = score[0].copy().reshape(-1)
    scores = score.reshape(count, -1)
    source = np.zeros((count, value.size), dtype=np.int32)
    best, before, at, along = value.copy(), value.copy(), np.zeros(value.size, dtype=np.int32), np.zeros(value.size, dtype=np.int32)
    for n in range(1, count):
        best[:] = value
        at[:] = np.arange(value.size)
        for axis in range(3):  # one half-axis after the other gives what all steps at once would
            stride = (backs * widths, widths, 1)[axis]
            size = (fronts, backs, widths)[axis]
            before[:], along[:] = best, at
            for first in range(0, value.size, size * stride):
                for p in range(first + stride, first + size * stride):
                    if before[p - stride] - cost > best[p]:
                        best[p], at[p] = before[p - stride] - cost, along[p - stride]
                for p in range(first, first + (size - 1) * stride):
                    if before[p + stride] - cost > best[p]:
                        best[p], at[p] = before[p + stride] - cost, along[p + stride]
        for p in range(value.size):
            value[p] = best[p] + scores[n, p]
            source[n, p] = at[p]
    last = int(value.argmax())
    for n in range(count - 1, -1, -1):
        out[n] = last
        last = source[n, last]


@njit(cache=True, nogil=True)
def _scores(table: NDArray[np.float32], index: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
    """The mean of table (section, ray, radius) along each outline (its radius on each ray)."""
    for n in range(table.shape[0]):
        for p in range(index.shape[0]):
            total = 0.0
            for a in range(index.shape[1]):
                total += table[n, a, index[p, a]]
            out[n, p] = total / index.shape[1]


def _outline(line: _Rays, usual: Floats) -> tuple[Floats, Floats]:
    """(radius, edge): the closed path along the line near the ellipse."""
    cost = 1.0 - line + 0.35 * ((RADII - usual[..., None]) / _OFF_ELLIPSE_MM) ** 2
    index = np.zeros(cost.shape[:2], dtype=np.int64)
    closed_paths(np.ascontiguousarray(cost, dtype=np.float64), 0.3, index)
    return RADII[index] + RADIAL_MM / 2, np.take_along_axis(line, index[..., None], axis=2)[..., 0].astype(np.float64)


def _half_way(relative: _Rays, radius: Floats, spacing_mm: tuple[float, float, float]) -> Floats:
    """(n, ANGLES): an outline moved to where brightness passes half way from what lies within to what lies beyond. Across a voxel of 3 mm
    the slope between them is as long, and its steepest place anywhere on it."""
    voxel = np.hypot(spacing_mm[2] * np.cos(THETA), spacing_mm[1] * np.sin(THETA))
    blur, film = 0.5 * voxel + _BLUR_MM, np.interp(voxel, [1.0, 3.0], _FILM)
    within = _mean_between(relative, np.maximum(radius - blur - _PLATEAU_MM, RADII[0]), np.maximum(radius - blur, RADII[1]))
    beyond = _mean_between(relative, radius + blur, radius + blur + _PLATEAU_MM)
    level = 0.5 * (within + np.maximum(beyond, film))
    edge = rising(-relative.astype(np.float64), -level, radius - blur - RADIAL_MM, radius + blur + RADIAL_MM)
    seen = np.isfinite(edge) & (within - beyond > _LEAST_FALL)
    spread = partial(ndimage.gaussian_filter, sigma=(1.5, 1.0), mode=("nearest", "wrap"))
    return np.asarray(radius + spread(np.where(seen, edge - radius, 0.0)) / np.maximum(spread(seen.astype(np.float64)), 0.05))


def _mean_between(rays: _Rays, low_mm: Floats, high_mm: Floats) -> Floats:
    """(n, ANGLES): the mean along each ray from one radius to another."""
    within = (low_mm[..., None] <= RADII) & (high_mm[..., None] >= RADII)
    return np.asarray((rays * within).sum(axis=2) / np.maximum(within.sum(axis=2), 1))


def above_its_end(canal: Canal, levels: tuple[Level, ...], fluid: Floats) -> Floats:
    """(n,): 1 along the sac, 0 below its end: where the brightness falls for good, below the middle of S1 and nowhere above it, since a sac
    that is dark higher up is narrow or full of flow, and one that is left out is a hazard that nobody sees."""
    n = len(fluid)
    inside = np.ones(n)
    first = next((int(np.abs(canal.s_mm - level.s_mm).argmin()) for level in levels if level.name == "S1"), n)
    above = max(0, n - _END_MM)
    if first >= n - 5:
        return inside
    sums = [
        float(np.var(fluid[above:at]) * (at - above) + np.var(fluid[at:]) * (n - at)) if at - above >= 5 else np.inf
        for at in range(first, n - 4)
    ]
    end = first + int(np.argmin(sums))
    if np.median(fluid[end:]) < _DARKER * np.median(fluid[max(0, end - _END_MM // 2) : end]):
        inside[end:] = 0.0
    return inside
