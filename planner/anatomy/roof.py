"""The back of the canal where ligament lines it: the edge of epidural fat against the ligamentum flavum, in front of bone and in gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ndtri

from planner.anatomy.paths import closed_paths
from planner.anatomy.reformat import RADIAL_MM, RADII, THETA, rising
from planner.geometry import Floats

_FROM_BACK_DEG = 70.0  # to both sides of straight back: the flavum ends at the facets
_SIGMA = (1.5, 1.0, 0.5 / RADIAL_MM)  # sections, directions, radii: the roof is smooth, a film of fat is thin
_FINE_SIGMA = (0.7, 0.5, 0.2 / RADIAL_MM)  # in which thin ligament is measured: bone that slopes is not drawn over it
_NO_TISSUE_HU, _SOFT_HU = -250.0, 40.0  # air and what lies outside the scan are no fat
_INWARD_MM, _OUTWARD_MM = 7.0, 1.0  # how far from bone, or from a bridge, the edge may lie
_FILM_MM, _SHEET_MM = 2.5, 2.0  # fat lies so near inside the edge, ligament so near outside
_DROP_HU, _NOISES = 25.0, 2.5  # fat is so much darker than what fills the canal, and so many times the noise
_FAT_HU, _FAT_ITSELF_HU = -5.0, -100.0  # as the film is seen
_LIGAMENT_HU, _DENSEST_HU = 50.0, 80.0  # soft tissue is no ligament below the one; bone behind it raises it above the other
_STEEP_HU_PER_MM = 50.0
_STAYS = 0.45  # what it costs to stay at the bone: an edge less clear is not taken
_AWAY, _BENDS, _APART = 0.0125, 0.15, 0.05  # what a mm off the bone costs, a step between directions, a mm off the sections beside it
_DENSE_HU = 400.0
_GOES_ON = (10.0, 2.0)  # sections, directions: where no fat shows it, ligament is as thick as it is seen around
_INFERRED_DEG = 60.0  # as far from straight back
_AROUND = 0.3  # share of what lies around that must show ligament, or it is thought thinner
_THIN_FILM = 0.63  # deviations that bone draws the edge of a film outward, as its fat shows no darkness
# Bone behind thin ligament draws the edge of fat outward: share of the distance seen between both edges that is ligament, against that
# distance less the one without ligament, in standard deviations of the blur (edges of 170 and 830 HU blurred by 0.5 mm, films of 1 to 3 mm)
_EXCESS, _SHARE = (0.05, 0.2, 0.48, 1.1, 2.0, 4.0, 7.0), (0.0, 0.6, 1.0, 1.1, 1.12, 1.08, 1.02)


@dataclass(frozen=True, eq=False)
class Roof:
    """radius_mm (n, ANGLES): the wall with its roof. seen (n, ANGLES): where the edge of fat against ligament was seen."""

    radius_mm: Floats
    seen: NDArray[np.bool_]


def find_roof(rays: Floats, radius_mm: Floats, holes: NDArray[np.bool_]) -> Roof:
    """The wall (n, ANGLES) moved in to the flavum, in the posterior third of straightened rays (n, ANGLES, radii) of HU (algorithms 1.1
    step 6). Where no fat shows it, the wall moves as it does around; where none is seen around, it stays.

    radius_mm: the wall of bone. holes: where there is none and it was bridged.
    """
    tissue = np.where(rays < _NO_TISSUE_HU, _SOFT_HU, rays).astype(np.float32)
    aside = np.abs(np.degrees(THETA) - 90.0)
    fan = np.flatnonzero(aside <= _FROM_BACK_DEG)
    smooth = ndimage.gaussian_filter(tissue[:, fan[0] - 3 : fan[-1] + 4], _SIGMA, mode="nearest")[:, 3:-3]
    bone, open_ = radius_mm[:, fan], holes[:, fan]
    fat = ndimage.minimum_filter1d(smooth, round(_FILM_MM / RADIAL_MM), axis=2, origin=round(_FILM_MM / RADIAL_MM) // 2)
    beyond = ndimage.maximum_filter1d(smooth, round(_SHEET_MM / RADIAL_MM) + 1, axis=2, origin=-round(_SHEET_MM / RADIAL_MM / 2))
    filling, noise = _filling(tissue)
    drop = np.maximum(_DROP_HU, _NOISES * noise)[:, None, None]
    dark = np.clip((filling[:, None, None] - fat) / drop, 0.0, 1.0) ** 2 * (fat < _FAT_HU + _DROP_HU)
    clear = np.clip(np.gradient(smooth, RADIAL_MM, axis=2) / _STEEP_HU_PER_MM, 0.0, 1.0) * dark * (beyond > _LIGAMENT_HU)
    off = RADII - bone[..., None]
    clear = np.where((off > -_INWARD_MM) & (off < np.where(open_, _OUTWARD_MM, 0.0)[..., None]), clear, 0.0)
    cost = 1.0 - clear + _AWAY * off**2
    cost = np.where(np.abs(off) <= 0.51 * RADIAL_MM, np.minimum(cost, _STAYS), cost)
    path = _paths(cost)
    for _ in range(2):
        cost += _APART * (RADII - ndimage.gaussian_filter1d(RADII[path], 1.5, axis=0, mode="nearest")[..., None]) ** 2
        path = _paths(cost)

    def on_path(values: Floats) -> Floats:
        return np.take_along_axis(values, path[..., None], axis=2)[..., 0]

    seen = on_path(clear) > _STAYS
    low = on_path(fat)
    level = 0.5 * (low + np.minimum(on_path(beyond), _DENSEST_HU))
    edge = rising(smooth, level, RADII[path] - 1.0, RADII[path] + 1.0)
    seen &= np.isfinite(edge)
    fine = ndimage.gaussian_filter(tissue[:, fan[0] - 3 : fan[-1] + 4], _FINE_SIGMA, mode="nearest")[:, 3:-3]
    peak = np.where((off >= 0) & (off <= 2.0), fine, -np.inf).max(axis=2)
    begins = _or_else(rising(fine, 0.5 * (low + peak), bone - 1.0, bone + 2.0), bone)
    edge = _or_else(rising(fine, level, edge - 1.0, edge + 1.0), edge)
    bare = -ndtri(np.clip((level - low) / np.maximum(peak - low, 1.0), 0.02, 0.45))  # bone without ligament reaches the level so early
    pale = 1.0 - np.clip((filling[:, None] - low) / (filling[:, None] - _FAT_ITSELF_HU), 0.0, 1.0)
    apart = (begins - edge) / _blur(tissue, radius_mm, holes) - bare + _THIN_FILM * pale
    edge = np.where(open_, edge, bone - np.interp(apart, _EXCESS, _SHARE) * (bone - edge))
    radius = radius_mm.copy()
    thick = np.where(aside[fan] <= _INFERRED_DEG, _gone_on(bone - edge, seen & ~open_), 0.0)
    radius[:, fan] = np.where(seen, edge, np.where(open_, bone, bone - thick))
    everywhere = np.zeros(holes.shape, dtype=np.bool_)
    everywhere[:, fan] = seen
    return Roof(radius, everywhere)


def _or_else(values: Floats, others: Floats) -> Floats:
    return np.asarray(np.where(np.isfinite(values), values, others))


def _gone_on(thickness_mm: Floats, seen: NDArray[np.bool_]) -> Floats:
    """The thickness of ligament everywhere, from where it is seen; less where little is seen around."""
    share = ndimage.gaussian_filter(seen.astype(np.float64), _GOES_ON, mode="nearest")
    mean = ndimage.gaussian_filter(np.where(seen, thickness_mm, 0.0), _GOES_ON, mode="nearest") / (share + 0.05)
    return np.asarray(mean * np.clip(share / _AROUND, 0.0, 1.0))


def _filling(tissue: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """(value, noise) of what lies around the centreline, (n,) each."""
    core = tissue[:, ::2, (RADII > 1.0) & (RADII < 5.0)].reshape(len(tissue), -1)
    middle = np.median(core, axis=1)
    return np.asarray(middle, dtype=np.float64), np.asarray(1.4826 * np.median(np.abs(core - middle[:, None]), axis=1), dtype=np.float64)


def _paths(cost: Floats) -> NDArray[np.int64]:
    """The path of least cost through a fan of directions, closed by its mirror image."""
    out = np.zeros((len(cost), 2 * cost.shape[1]), dtype=np.int64)
    closed_paths(np.concatenate([cost, cost[:, ::-1]], axis=1), _BENDS, out)
    return out[:, : cost.shape[1]]


def _blur(tissue: NDArray[np.float32], radius_mm: Floats, holes: NDArray[np.bool_]) -> float:
    """Standard deviation, in mm, of the scan's blur with that of this module, from the edge of bone in front, which no ligament lines: the
    way from 16 to 50 % of its height."""
    front = np.degrees(THETA) > 200.0
    front &= np.degrees(THETA) < 340.0
    smooth = ndimage.gaussian_filter(tissue[::4, front], (0.0, *_FINE_SIGMA[1:]), mode="nearest")
    wall = radius_mm[::4, front]
    inside = (wall[..., None] - 4.0 < RADII) & (wall[..., None] - 2.0 > RADII)
    base = np.where(inside, smooth, 0.0).sum(axis=2) / np.maximum(inside.sum(axis=2), 1)
    peak = np.where(np.abs(RADII - wall[..., None]) <= 2.0, smooth, -np.inf).max(axis=2)
    foot, middle = (rising(smooth, base + share * (peak - base), wall - 2.5, wall + 2.5) for share in (0.159, 0.5))
    widths = (middle - foot)[~holes[::4, front] & (peak > _DENSE_HU) & np.isfinite(foot) & np.isfinite(middle)]
    return float(np.median(widths)) if len(widths) else 0.8
