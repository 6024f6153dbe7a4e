"""Contrast outside the sac of a myelogram: its voxels, pool by pool, and what is offered of them as a hint of a leak."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from planner.anatomy import labels as codes
from planner.anatomy.bright import Bright
from planner.anatomy.paint import along_canal
from planner.anatomy.reformat import THETA
from planner.anatomy.spine import ANGLES, Canal, HintPlace, LeakHint, Level, Root, Structure
from planner.geometry import Floats, Frame

_DURA_MM = 1.0  # so near to the sac brightness is its own blurred edge
_THICK_MM = 2.0  # thinner things are the blurred edge of bone
_GROWN_MM = 2.0  # from its heart a pool goes on to its edge by so much
_SLEEVE_MM = 2.5  # so near to a root, which is placed to 1.8 mm, contrast is in its sleeve, which a myelogram fills
_LEAST_ML = 0.2  # a pool smaller than this is taken for noise, vein or the edge of a sleeve
_ENCLOSED = 0.5  # of its surface bone borders on marrow, and less on contrast in a foramen
_VALLEY = 0.5  # two pools part where their cross-section falls to this share of the smaller one
_MIDLINE_MM = 1.5
_THICKEST_MM = 3.0  # around the thickest cross-section, where the side is read
_FORAMEN_MM = 15.0  # beyond the canal's wall a foramen ends (issue 9)
_WHERE: dict[HintPlace, str] = {
    "dorsal": "behind the sac",
    "ventral": "in front of the sac",
    "lateral": "beside the sac",
    "foramen": "in the foramen",
    "paraspinal": "beside the spine",
}
_KEPT = (0, codes.THECAL_SAC, codes.SPINAL_CORD, codes.NERVE_ROOT, codes.GANGLION, *codes.BONE)


@dataclass(frozen=True, eq=False)
class Pool:
    """Contrast outside the sac that holds together. voxels (m, 3): indices in the scan. volume_ml: of them all. section: where along the
    canal it is thickest; first, last: the cross-sections that it reaches. position_mm, place, side: as of a `LeakHint`."""

    voxels: NDArray[np.int64]
    volume_ml: float
    first: int
    section: int
    last: int
    position_mm: tuple[float, float, float]
    place: HintPlace
    side: Literal["left", "right", "midline"]


def find_pools(
    bright: Bright,
    labels: NDArray[np.uint8],
    frame: Frame,
    canal: Canal,
    sac_mm: Floats,
    roots: tuple[Root, ...],
    levels: tuple[Level, ...],
) -> tuple[Pool, ...]:
    """The pools of at least 0.2 mL, from head to foot.

    labels: the map with canal, sac and roots painted. What lies against the sac's edge or in a root's sleeve counts only where it goes on
    beyond them; above the first vertebra in view and below L5, where sleeves are not followed, nothing beside the sac counts.
    """
    corner = [b.start for b in bright.box]
    free = bright.contrast & ~np.isin(labels[bright.box], _KEPT)
    index = np.argwhere(free)
    if not len(index):
        return ()
    along = along_canal(index + corner, frame, canal)
    row, turn, radius = polar_place(along, canal)
    in_view = (along[:, 0] > -0.5) & (along[:, 0] < len(sac_mm) - 0.5)
    past_sac = radius - sac_mm[row, turn] > _DURA_MM
    past_roots = _from_roots(frame.to_world(index + corner), roots) > _SLEEVE_MM
    number_of = _grown(free, index[in_view & past_sac & past_roots], frame)[tuple(index.T)]
    past_wall = radius - canal.wall_mm[row, turn]
    followed = (levels[0].s_mm if levels else -np.inf, next((level.s_mm for level in levels if level.name == "L5"), np.inf))
    pools = []
    for n in np.unique(number_of[number_of > 0]):
        of = np.flatnonzero(number_of == n)
        for piece in (of[part] for part in _divided(along[of, 0])):
            pool = _pool(frame, canal, sac_mm, index[piece] + corner, along[piece], past_wall[piece])
            at_a_root = pool.place not in ("dorsal", "ventral")
            unknown = at_a_root and not followed[0] <= float(canal.s_mm[pool.section]) <= followed[1]
            marrow = pool.place in ("foramen", "paraspinal") and _in_bone(pool.voxels, labels) > _ENCLOSED
            if pool.volume_ml >= _LEAST_ML and not unknown and not marrow:
                pools.append(pool)
    return tuple(sorted(pools, key=lambda pool: pool.section))


def paint_pools(labels: NDArray[np.uint8], pools: tuple[Pool, ...]) -> None:
    """Write `contrast outside the sac` into `labels`."""
    for pool in pools:
        labels[tuple(pool.voxels.T)] = codes.CONTRAST_OUTSIDE


def leak_hints(pools: tuple[Pool, ...], canal: Canal) -> tuple[LeakHint, ...]:
    """Each pool as a hint for the Leak station, from head to foot."""

    def middle(section: int) -> tuple[float, float, float]:
        x, y, z = (float(value) for value in canal.centreline_mm[section])
        return x, y, z

    return tuple(
        LeakHint(pool.position_mm, middle(pool.first), middle(pool.last), pool.place, pool.side, round(pool.volume_ml, 2)) for pool in pools
    )


def hint_level(canal: Canal, levels: tuple[Level, ...], position_mm: ArrayLike) -> str | None:
    """The disc space nearest to a place of a hint as `L4-L5`; None where levels are unknown."""
    here = float(canal.s_mm[canal.nearest(position_mm)])
    pairs = list(itertools.pairwise(levels))
    if not pairs:
        return None
    upper, lower = min(pairs, key=lambda pair: abs((pair[0].s_mm + pair[1].s_mm) / 2 - here))
    return f"{upper.name}-{lower.name}"


def hint_words(canal: Canal, levels: tuple[Level, ...], hint: LeakHint) -> str:
    """A hint as a sentence for a person: `Bright fluid behind the sac at T12-L1, 1.2 mL: looks like leaked contrast.`"""
    level = hint_level(canal, levels, hint.position_mm)
    at = f" at {level}" if level is not None else ""
    return f"Bright fluid {_WHERE[hint.place]}{at}, {hint.volume_ml:.1f} mL: looks like leaked contrast."


def contrast_structure(looked: bool, canal: Canal, levels: tuple[Level, ...], hints: tuple[LeakHint, ...]) -> Structure:
    """How contrast outside the sac is known. looked: whether the scan is a myelogram."""
    if not looked:
        return Structure("not checked", None, "Leaked contrast is looked for only where contrast fills the sac.")
    if not hints:
        return Structure("found", 0.5, f"None was seen. Less than {_LEAST_ML:.1f} mL, or contrast in a root's sleeve, is not told apart.")
    return Structure("found", 0.7, " ".join(hint_words(canal, levels, hint) for hint in hints))


def _grown(free: NDArray[np.bool_], hearts: NDArray[np.int64], frame: Frame) -> NDArray[np.int32]:
    """Numbers of the pools of voxels: from hearts, the places that are surely outside sac and sleeves, to what lies against these."""
    core = np.zeros(free.shape, dtype=np.bool_)
    core[tuple(hearts.T)] = True
    core = ndimage.binary_opening(core, np.ones([max(2, round(_THICK_MM / spacing)) for spacing in frame.spacing_mm], dtype=np.bool_))
    whole = ndimage.binary_dilation(core, iterations=max(1, round(_GROWN_MM / min(frame.spacing_mm))), mask=free) if core.any() else core
    number_of, _ = ndimage.label(whole, np.ones((3, 3, 3), dtype=np.bool_))
    return np.asarray(number_of, dtype=np.int32)


def _in_bone(voxels: NDArray[np.int64], labels: NDArray[np.uint8]) -> float:
    """Share of the voxels around a pool that are bone: marrow may be as bright as thin contrast, but bone surrounds it."""
    low = np.maximum(voxels.min(axis=0) - 1, 0)
    part = labels[tuple(slice(a, b) for a, b in zip(low, voxels.max(axis=0) + 2))]
    inside = np.zeros(part.shape, dtype=np.bool_)
    inside[tuple((voxels - low).T)] = True
    shell = ndimage.binary_dilation(inside) & ~inside
    return float(np.isin(part[shell], codes.BONE).mean())


def _pool(frame: Frame, canal: Canal, sac_mm: Floats, voxels: NDArray[np.int64], along: Floats, past_wall: Floats) -> Pool:
    row, _, _ = polar_place(along, canal)
    first, last = int(row.min()), int(row.max())
    profile = ndimage.gaussian_filter1d(np.bincount(row - first).astype(np.float64), 3.0, mode="constant")
    section = first + int(profile.argmax())
    thickest = np.abs(row - section) <= _THICKEST_MM
    u, v = (float(np.median(along[thickest, n])) for n in (1, 2))
    if np.mean(past_wall > 0) > 0.5:
        place: HintPlace = "foramen" if np.median(past_wall) <= _FORAMEN_MM else "paraspinal"
        x, y, z = frame.to_world(voxels).mean(axis=0)
    else:
        place = "lateral" if abs(u) > abs(v) else "dorsal" if v > 0 else "ventral"
        at = int(np.rint(np.arctan2(v, u) / (2 * np.pi) * ANGLES)) % ANGLES
        out = np.cos(THETA[at]) * canal.left[section] + np.sin(THETA[at]) * canal.back[section]
        x, y, z = canal.centreline_mm[section] + sac_mm[section, at] * out
    side: Literal["left", "right", "midline"] = "midline" if abs(u) < _MIDLINE_MM else "left" if u > 0 else "right"
    return Pool(voxels, len(voxels) * frame.voxel_ml, first, section, last, (float(x), float(y), float(z)), place, side)


def polar_place(along: Floats, canal: Canal) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """(cross-section, direction, distance from the centreline) of places along the canal."""
    row = np.clip(np.rint(along[:, 0]).astype(int), 0, len(canal.wall_mm) - 1)
    turn = np.rint(np.arctan2(along[:, 2], along[:, 1]) / (2 * np.pi) * ANGLES).astype(int) % ANGLES
    return row, turn, np.hypot(along[:, 1], along[:, 2])


def _from_roots(points_mm: Floats, roots: tuple[Root, ...]) -> Floats:
    """Distance of points to the surface of the nearest root or ganglion, (m,); infinite without roots."""
    if not roots:
        return np.full(len(points_mm), np.inf)
    path = np.concatenate([root.path_mm for root in roots])
    radius = np.concatenate([root.radius_mm for root in roots])
    away, nearest = cKDTree(path).query(points_mm)
    return np.asarray(away - radius[nearest])


def _divided(row: Floats) -> list[NDArray[np.intp]]:
    """A pool cut where its cross-section, smoothed over a few millimetres, falls to half of the smaller of two peaks beside."""
    first = int(np.floor(row.min()))
    profile = ndimage.gaussian_filter1d(np.bincount(np.rint(row).astype(int) - first + 1).astype(np.float64), 3.0)
    cuts: list[int] = []
    peak = 0
    for at in range(1, len(profile)):
        valley = peak + int(profile[peak : at + 1].argmin())
        if profile[at] > profile[peak] and profile[valley] > _VALLEY * profile[peak]:
            peak = at
        elif profile[valley] <= _VALLEY * min(profile[peak], profile[at]) and profile[at] >= profile[valley:].max():
            cuts.append(valley)
            peak = at
    edges = np.digitize(np.rint(row).astype(int) - first + 1, cuts)
    return [np.flatnonzero(edges == n) for n in range(len(cuts) + 1)]
