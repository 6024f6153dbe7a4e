"""The wall of the canal: in each cross-section the radius, in 64 directions, where bone begins; bridged over the openings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.bridges import FLAVUM, METAL, kinds_of
from planner.anatomy.metal import calmed, glare_on
from planner.anatomy.paths import closed_paths as closed_paths
from planner.anatomy.reformat import RADIAL_MM, RADII, THETA, Curve, curve_through, polar, rising
from planner.anatomy.roof import find_roof
from planner.anatomy.spine import ANGLES, Canal
from planner.geometry import Floats, Volume
from planner.progress import Progress, silent

_PRIOR_MM = 9.0
_NEIGHBOURS_MM = 30  # the prior is the running median of the seen wall over this length to both sides
_BEYOND_MM = 4.5  # bone this far beyond the prior belongs to what lies outside an opening
_SHORT_MM = 4.5
_STIFF_ALONG, _SWEEPS = 4.0, 80  # a bridge is stiffer from pedicle to pedicle than around the canal
_SMEARED, _FINE_MM = 0.25, 1.0  # of a voxel's width beyond the fine one: as far inward half the height of a blurred ring lies
_LINING_MM = 0.8  # ligament thicker than this is no bone
_TURNS = 8  # at most
_STILL_MM, _STILL_SHARE = 0.5, 95  # a curve stands still when so many of 100 sections would move by less
_PINCHED = 0.5  # of the usual area around: less than this is a centreline that strayed, more often than a narrow canal


@dataclass(frozen=True, eq=False)
class Wall:
    """radius_mm (n, ANGLES), bridged (n, ANGLES), and what the wall is made of, codes of `bridges`, where that was told apart."""

    radius_mm: Floats
    bridged: NDArray[np.bool_]
    bridge: NDArray[np.uint8] | None = None


def _smoothed(rays: Floats, coarse_mm: float) -> Floats:
    sigma = (0.7, 0.6, 0.7 / RADIAL_MM if coarse_mm < 2 else 0.5 / RADIAL_MM)
    mode = ("nearest", "wrap", "nearest")
    return np.asarray(ndimage.gaussian_filter(rays.astype(np.float32), sigma, mode=mode))


def _first_beyond(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Index of the first True along the last axis; its length where there is none."""
    return np.where(mask.any(axis=-1), mask.argmax(axis=-1), mask.shape[-1])


def _median_of_seen(samples: Floats) -> Floats:
    """The median over the first two axes of what is no NaN; NaN where all is. As np.nanmedian, many times faster on small arrays."""
    ordered = np.sort(samples.reshape(-1, samples.shape[-1]), axis=0)  # NaN comes last
    count = np.isfinite(ordered).sum(axis=0)
    column = np.arange(ordered.shape[1])
    return np.asarray((ordered[np.maximum(count - 1, 0) // 2, column] + ordered[count // 2, column]) / 2)


def _running_median(radius: Floats, good: NDArray[np.bool_]) -> Floats:
    """Median along the canal over the good samples of a direction and its two neighbours, filled from the direction's overall median."""
    n = len(radius)
    holed = np.where(good, radius, np.nan)
    stacked = np.stack([np.roll(holed, d, axis=1) for d in (-1, 0, 1)])
    out = np.empty_like(radius)
    centres = np.arange(0, n, 8)
    whole = _median_of_seen(stacked)
    medians = np.stack([_median_of_seen(stacked[:, max(0, c - _NEIGHBOURS_MM) : c + _NEIGHBOURS_MM + 1]) for c in centres])
    fallback = float(np.nanmedian(whole)) if np.isfinite(whole).any() else _PRIOR_MM
    for a in range(radius.shape[1]):
        known = np.isfinite(medians[:, a])
        out[:, a] = np.interp(np.arange(n), centres[known], medians[known, a]) if known.any() else fallback
    return np.asarray(ndimage.gaussian_filter(out, (3.0, 1.0), mode=("nearest", "wrap")))


@njit(cache=True, nogil=True)
def _relax(radius: Floats, holes: NDArray[np.bool_], along: float, sweeps: int) -> None:
    n, angles = radius.shape
    for _ in range(sweeps):
        for s in range(n):
            up, down = max(s - 1, 0), min(s + 1, n - 1)
            for a in range(angles):
                if holes[s, a]:
                    around = radius[s, a - 1] + radius[s, (a + 1) % angles]
                    radius[s, a] = (along * (radius[up, a] + radius[down, a]) + around) / (2.0 * along + 2.0)


def _relaxed(radius: Floats, holes: NDArray[np.bool_], prior: Floats) -> Floats:
    """The holes filled smoothly from their border (harmonic), stiffer along the canal than around it."""
    filled = np.where(holes, prior, radius)
    _relax(filled, holes, _STIFF_ALONG, _SWEEPS)
    return filled


def find_wall(rays: Floats, threshold: float, coarse_mm: float) -> Wall:
    """The wall in straightened rays (n, ANGLES, radii) of HU (algorithms 1.1 step 6): polar dynamic programming, then bridges.

    threshold: where bone begins. coarse_mm: the largest spacing of the scan; blurred scans have softer edges. Directions in which metal
    stands at the wall are bridged: what is seen there is no wall.
    """
    glare = glare_on(rays)
    rays = rays if glare is None else calmed(rays, glare)
    smooth_rays = _smoothed(rays, coarse_mm)
    slope = np.gradient(smooth_rays, RADIAL_MM, axis=2)
    sharp = min(150.0, 260.0 / max(coarse_mm, 0.5))
    ahead = ndimage.maximum_filter1d(smooth_rays, 7, axis=2, origin=-3) > threshold
    edge = 1.0 - np.clip(slope / sharp, 0.0, 1.0) * ahead
    is_bone = smooth_rays > threshold
    behind = np.cumsum(is_bone, axis=2) * RADIAL_MM - is_bone * RADIAL_MM
    first = _first_beyond(is_bone)
    seen_mm = np.where(first < len(RADII), RADII[np.minimum(first, len(RADII) - 1)], np.inf)
    metal = np.zeros(seen_mm.shape, dtype=np.bool_) if glare is None else glare.any(axis=2) & (_first_beyond(glare) <= first)
    prior = _running_median(seen_mm, np.isfinite(seen_mm) & (seen_mm < 16.0) & (seen_mm > 3.0) & ~metal)
    radius: Floats = prior
    holes = np.zeros(prior.shape, dtype=np.bool_)
    for _ in range(2):
        holes = (seen_mm > prior + _BEYOND_MM) | ~np.isfinite(seen_mm) | metal
        cost = edge + 1.0 * behind + 0.15 * ((RADII - prior[..., None]) / 3.0) ** 2
        flat = 0.6 + 0.35 * ((RADII - prior[..., None]) / 2.0) ** 2
        cost = np.where(holes[..., None], flat, cost)
        index = np.zeros(prior.shape, dtype=np.int64)
        closed_paths(cost, 0.3, index)
        radius = np.asarray(RADII[index], dtype=np.float64)
        sure = ~holes & (np.take_along_axis(edge, index[..., None], axis=2)[..., 0] < 0.7)
        prior = _running_median(radius, sure)
    short = radius < prior - _SHORT_MM
    holes |= short & ~np.isfinite(np.where(seen_mm < prior - _SHORT_MM, seen_mm, np.inf))
    radius = np.where(holes, radius, _half_maximum(smooth_rays, radius))
    filled = _relaxed(radius, holes, np.minimum(radius, prior + 1.0))
    kinds = kinds_of(holes)
    kinds[holes & metal] = METAL
    return Wall(_evened(filled), holes, kinds)


def _evened(radius: Floats) -> Floats:
    return np.asarray(ndimage.gaussian_filter(radius, (0.8, 0.7), mode=("nearest", "wrap")))


def lined(rays: Floats, wall: Wall) -> Wall:
    """A wall of bone with the ligamentum flavum that lines its back; between the places where it is seen the bridges run as before."""
    roof = find_roof(rays, wall.radius_mm, wall.bridged)
    radius = _relaxed(roof.radius_mm, wall.bridged & ~roof.seen, np.minimum(wall.radius_mm, roof.radius_mm))
    kinds = kinds_of(wall.bridged) if wall.bridge is None else wall.bridge.copy()
    kinds[roof.seen & ~wall.bridged & (wall.radius_mm - roof.radius_mm > _LINING_MM)] = FLAVUM
    return Wall(_evened(radius), wall.bridged, kinds)


def _half_maximum(rays: Floats, radius: Floats) -> Floats:
    """The radius where the value passes half way from the inside to the wall's peak, within 1.5 mm of `radius` (algorithms 1.1 step 7)."""
    near = np.abs(RADII - radius[..., None]) <= 2.5
    inside = (radius[..., None] - 4.0 < RADII) & (radius[..., None] - 1.5 > RADII)
    base = np.where(inside, rays, 0).sum(axis=2) / np.maximum(inside.sum(axis=2), 1)
    peak = np.where(near & (radius[..., None] - 0.5 <= RADII), rays, -np.inf).max(axis=2)
    found = rising(rays, 0.5 * (base + np.minimum(peak, 900.0)), radius - 1.5, radius + 1.5)
    return np.where(np.isfinite(found), found, radius)


def area_of(radius_mm: Floats) -> Floats:
    """Area of each cross-section from its radii (n, ANGLES)."""
    return np.asarray(0.5 * np.sin(2 * np.pi / ANGLES) * (radius_mm * np.roll(radius_mm, -1, axis=1)).sum(axis=1))


def centroids(radius_mm: Floats) -> tuple[Floats, Floats]:
    """(u, v) of the centroid of each cross-section."""
    nearer, farther = radius_mm, np.roll(radius_mm, -1, axis=1)
    triangles = nearer * farther
    middle = THETA + np.pi / ANGLES
    weight = triangles.sum(axis=1)
    reach = (nearer + farther) / 3.0
    return (triangles * reach * np.cos(middle)).sum(axis=1) / weight, (triangles * reach * np.sin(middle)).sum(axis=1) / weight


def _steady_centroids(radius_mm: Floats) -> tuple[Floats, Floats]:
    """Centroids; where the wall closes in on a centreline that touches bone, those of the sections above and below."""
    area = area_of(radius_mm)
    good = np.flatnonzero(area > _PINCHED * ndimage.median_filter(area, 2 * _NEIGHBOURS_MM + 1, mode="nearest"))
    u, v = centroids(radius_mm)
    at = np.arange(len(area))
    return np.interp(at, good, u[good]), np.interp(at, good, v[good])


def canal_along(volume: Volume, curve: Curve, threshold: float, cleared: Volume | None, progress: Progress = silent) -> tuple[Curve, Wall]:
    """The wall along a rough curve: found, centred on what it encloses, and found again, until the curve stands still.

    cleared: the mask of an opacified sac (0 or 1) to be looked through, or None.
    """
    coarse = max(volume.frame.spacing_mm)
    wall = Wall(np.zeros((0, ANGLES)), np.zeros((0, ANGLES), dtype=np.bool_))
    for turn in range(_TURNS):
        progress(turn / _TURNS, "Finding the wall of the canal")
        rays = polar(volume, curve)
        if cleared is not None:
            rays = _looked_through(rays, polar(cleared, curve), threshold)
        wall = find_wall(rays, threshold, coarse)
        u, v = _steady_centroids(wall.radius_mm)
        if turn == _TURNS - 1 or (turn and np.percentile(np.hypot(u, v), _STILL_SHARE) < _STILL_MM):
            if cleared is None:  # where a sac is looked through, fat beside it is not seen
                wall = lined(rays, _unblurred(wall, max(volume.frame.spacing_mm[1:])))
            break
        points = curve.points_mm + u[:, None] * curve.left + v[:, None] * curve.back
        curve = curve_through(points, 5.0 if turn == 0 else 4.0)
    return curve, wall


def _unblurred(wall: Wall, across_mm: float) -> Wall:
    """The wall where a finer scan would show it. across_mm: of a voxel in its slice; a large one smears the bone of a ring inward."""
    return replace(wall, radius_mm=wall.radius_mm + _SMEARED * max(across_mm - _FINE_MM, 0.0))


def _looked_through(rays: Floats, sac: Floats, threshold: float) -> Floats:
    """The rays with the opacified sac, and its edge while it falls, replaced by soft tissue."""
    within = (sac > 0.3) & (RADII < 16.0)
    last = np.where(within.any(axis=2), len(RADII) - 1 - within[..., ::-1].argmax(axis=2), -1)
    index = np.arange(len(RADII))
    falling = (index > last[..., None]) & (index <= last[..., None] + 4) & (rays > threshold)
    falls = np.cumprod(np.where(index > last[..., None], falling, True), axis=2).astype(bool) & (last[..., None] >= 0)
    return np.where(falls, np.minimum(rays, 40.0), rays)


def as_canal(curve: Curve, wall: Wall, confidence: Floats) -> Canal:
    """The canal as the value that the station hands on."""
    return Canal(curve.points_mm, curve.left, curve.back, wall.radius_mm, wall.bridged, area_of(wall.radius_mm), confidence, wall.bridge)
