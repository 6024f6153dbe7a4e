"""Contrast outside the sac of a myelogram: its voxels, pool by pool, and what is offered of them as a hint of a leak."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from planner.anatomy import labels as codes
from planner.anatomy.bright import Bright
from planner.anatomy.morphology import box_of, grown, opened
from planner.anatomy.paint import along_canal
from planner.anatomy.reformat import THETA
from planner.anatomy.spine import ANGLES, Canal, HintPlace, LeakHint, Level, Structure
from planner.geometry import Floats, Frame, Volume

_DURA_MM = 1.0  # so near to the sac brightness is its own blurred edge
_THICK_MM = 2.0  # thinner things are the blurred edge of bone
_GROWN_MM = 2.5  # from its heart a pool goes on to its edge by so much: what is even ends where the edge's blur begins
_LEAST_ML = 0.2  # a pool smaller than this is taken for noise, vein or the edge of a sleeve
_EVEN_ML = 0.06  # of a pool at least is as even as a fluid: a drop of 5 mm; the film between a sleeve and its root has no such place
_EVEN_SHARE = 0.07  # of a pool, too: here and there bone is even
_ENCLOSED, _ENCLOSED_BESIDE = 0.4, 0.25  # of its surface bone borders on marrow or a rim; less on contrast, least beside the sac, amid fat
_COARSE_MM = 1.4  # in voxels as large a single even one may be the crest of a rim of bone
_VALLEY = 0.5  # two pools part where their cross-section falls to this share of the smaller one
_MIDLINE_MM = 1.5
_MOSTLY = 0.5  # of a pool beyond the canal's wall: it lies outside the canal
_SPREADS = 0.15  # fluid runs both ways from a leak: where most lies is sought with the cross-section smoothed over this share of the length
_THICKEST_MM = 3.0  # around the thickest cross-section, where the side is read
_FORAMEN_MM = 15.0  # beyond the canal's wall a foramen ends (issue 9)
_WHERE: dict[HintPlace, str] = {
    "dorsal": "behind the sac",
    "ventral": "in front of the sac",
    "lateral": "beside the sac",
    "foramen": "in the foramen",
    "paraspinal": "beside the spine",
}
_NO_POOL = (0, codes.THECAL_SAC, codes.SPINAL_CORD, *codes.BONE)
_ROOTS = (codes.NERVE_ROOT, codes.GANGLION)


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


@dataclass(frozen=True, eq=False)
class Spots:
    """The voxels of contrast along a canal, in a box of the scan. lit: as of `Bright`. index: (m, 3) in the box; value: (m,), in HU; even:
    (m,), as of `Bright`. along: (m, 3), as of `along_canal`; section, turn, radius_mm: (m,), the nearest cross-section and direction, and
    how far from the canal's middle."""

    box: tuple[slice, slice, slice]
    lit: bool
    index: NDArray[np.int64]
    value: NDArray[np.float32]
    even: NDArray[np.bool_]
    along: Floats
    section: NDArray[np.intp]
    turn: NDArray[np.intp]
    radius_mm: Floats

    @property
    def voxels(self) -> NDArray[np.int64]:
        """(m, 3): indices in the scan."""
        return self.index + np.array([part.start for part in self.box])

    def past(self, sac_mm: Floats) -> Floats:
        """(m,): how far beyond the sac's edge (n, ANGLES); negative inside it, and beyond the canal's ends."""
        in_view = (self.along[:, 0] > -0.5) & (self.along[:, 0] < len(sac_mm) - 0.5)
        return np.where(in_view, self.radius_mm - sac_mm[self.section, self.turn], -np.inf)

    def where(self, which: NDArray[np.bool_]) -> Spots:
        """Some of them."""
        index, value, even, along = self.index[which], self.value[which], self.even[which], self.along[which]
        return Spots(self.box, self.lit, index, value, even, along, self.section[which], self.turn[which], self.radius_mm[which])


def spots_of(bright: Bright, volume: Volume, canal: Canal) -> Spots:
    """All contrast of a scan along its canal."""
    index = np.argwhere(bright.contrast)
    at = tuple(index.T)
    along = along_canal(index + np.array([part.start for part in bright.box]), volume.frame, canal)
    return Spots(bright.box, bright.lit, index, volume.values(bright.box)[at], bright.even[at], along, *polar_place(along, canal))


def find_pools(
    spots: Spots,
    labels: NDArray[np.uint8],
    frame: Frame,
    canal: Canal,
    sac_mm: Floats,
    levels: tuple[Level, ...],
) -> tuple[Pool, ...]:
    """The pools of at least 0.2 mL, from head to foot.

    labels: the map with canal, sac and roots painted. What lies against the sac's edge counts only where it goes on beyond it. Beside the
    sac, where sleeves leave it, a pool begins only in what is as even as a fluid: a root and its film of contrast are not, wherever they
    lie. Above the first vertebra in view and below L4-L5, where sleeves are wide, nothing beside the sac or outside the canal counts.
    """
    spots = spots.where(~marked(_NO_POOL)[labels[spots.box][tuple(spots.index.T)]])
    if not len(spots.index):
        return ()
    along, hearts = spots.along, spots.past(sac_mm) > _DURA_MM
    before_or_behind = np.abs(along[:, 1]) < np.where(along[:, 1] > 0, sac_mm[spots.section, 0], sac_mm[spots.section, ANGLES // 2])
    least = 1 if max(frame.spacing_mm) < _COARSE_MM else 2
    low = spots.index.min(axis=0)
    index = spots.index - low
    at = tuple(index.T)
    free = np.zeros(index.max(axis=0) + 1, dtype=np.bool_)
    free[at] = True
    if spots.lit:
        pooled = _grown(free, (index[hearts & before_or_behind], index[hearts & spots.even]), (2, least), frame)
    else:  # whatever is bright was judged already, and a dark sac has no sleeves
        pooled = free
    box = box_of(pooled)
    if box is None:
        return ()
    pieces = np.zeros(pooled.shape, dtype=np.int32)
    pieces[box] = ndimage.label(pooled[box], np.ones((3, 3, 3), dtype=np.bool_))[0]
    number_of = pieces[at]
    past_wall = spots.radius_mm - canal.wall_mm[spots.section, spots.turn]
    followed = _followed(levels)
    pools = []
    enough = int(np.ceil(_LEAST_ML / frame.voxel_ml - 1e-9))
    for n in np.flatnonzero(np.bincount(number_of)[1:] >= enough) + 1:
        of = np.flatnonzero(number_of == n)
        for piece in (of[part] for part in _divided(along[of, 0]) if len(part) >= enough):
            pool = _pool(frame, canal, sac_mm, spots.voxels[piece], along[piece], past_wall[piece])
            fluid = int(spots.even[piece].sum()) * frame.voxel_ml >= max(_EVEN_ML, _EVEN_SHARE * pool.volume_ml)
            past = bool(np.mean(past_wall[piece] > 0) > _MOSTLY)
            beside = pool.place not in ("dorsal", "ventral")
            unknown = (past or beside) and not followed[0] <= float(canal.s_mm[pool.section]) <= followed[1]
            enclosed = _in_bone(pool.voxels, labels) > (_ENCLOSED_BESIDE if beside else _ENCLOSED if past else 1.0)
            if fluid and not unknown and not enclosed:
                pools.append(pool)
    return tuple(sorted(pools, key=lambda pool: pool.section))


def _followed(levels: tuple[Level, ...]) -> tuple[float, float]:
    """From where to where along the canal, in mm, sleeves are narrow and known: from the first vertebra in view to L4-L5."""
    if not levels:
        return -np.inf, np.inf
    wide = next((n for n, level in enumerate(levels) if codes.rank(level.name) >= codes.rank("L5")), None)
    if wide is None:
        return levels[0].s_mm, np.inf
    return levels[0].s_mm, (levels[max(wide - 1, 0)].s_mm + levels[wide].s_mm) / 2


def paint_pools(labels: NDArray[np.uint8], pools: tuple[Pool, ...]) -> None:
    """Write `contrast outside the sac` into `labels`; a root that is modelled where a pool lies stays, for a needle to keep off."""
    for pool in pools:
        at = tuple(pool.voxels.T)
        labels[at] = np.where(np.isin(labels[at], _ROOTS), labels[at], codes.CONTRAST_OUTSIDE)


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
    if hint.why == "wide sleeve":
        return f"The {hint.side} root's sleeve{at} is far wider than its neighbours, {hint.volume_ml:.1f} mL: a diverticulum may leak."
    looks = "looks like leaked contrast" if hint.why == "contrast outside" else "may have leaked"
    return f"Bright fluid {_WHERE[hint.place]}{at}, {hint.volume_ml:.1f} mL: {looks}."


def contrast_structure(lit: bool, told: bool, canal: Canal, levels: tuple[Level, ...], hints: tuple[LeakHint, ...]) -> Structure:
    """How contrast outside the sac is known. lit: whether contrast fills the sac. told: whether bone could be told from contrast around a
    dark one, which says nothing of a leak that no contrast came out of."""
    words = [hint_words(canal, levels, hint) for hint in hints]
    if not lit and not hints:
        none = "none was seen beside it" if told else "in this scan none beside it could be told from bone"
        return Structure("not checked", None, f"The sac holds no contrast, and {none}: whether it leaks is not known.")
    if not lit:
        return Structure("found", 0.5, " ".join([*words, "The sac itself is dark: calcified ligament or thick bone may look so."]))
    if not any(hint.why == "contrast outside" for hint in hints):
        none = f"None was seen. Less than {_LEAST_ML:.1f} mL, or contrast in a root's sleeve, is not told apart."
        return Structure("found", 0.5, " ".join([none, *words]))
    return Structure("found", 0.7, " ".join(words))


def _grown(
    free: NDArray[np.bool_], hearts: tuple[NDArray[np.int64], ...], least: tuple[int, ...], frame: Frame
) -> NDArray[np.bool_]:
    """Voxels of pools: from hearts (m, 3), places that are surely outside sac and sleeves, to what lies against these. least: how many
    voxels wide the hearts of each kind are in slices of any thickness."""
    cores = np.zeros(free.shape, dtype=np.bool_)
    for places, wide in zip(hearts, least, strict=True):
        core = np.zeros(free.shape, dtype=np.bool_)
        core[tuple(places.T)] = True
        cores |= opened(core, [max(wide, int(_THICK_MM / spacing)) for spacing in frame.spacing_mm])
    return grown(cores, max(1, round(_GROWN_MM / min(frame.spacing_mm))), free)


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
    smooth = max(3.0, _SPREADS * (last - first))
    profile = ndimage.gaussian_filter1d(np.bincount(row - first).astype(np.float64), smooth, mode="constant")
    section = first + int(profile.argmax())
    thickest = np.abs(row - section) <= _THICKEST_MM
    u, v = (float(np.median(along[thickest, n])) for n in (1, 2))
    beside = abs(u) > max(abs(v), _MIDLINE_MM)
    if beside and np.mean(past_wall > 0) > _MOSTLY:
        place: HintPlace = "foramen" if np.median(past_wall) <= _FORAMEN_MM else "paraspinal"
        x, y, z = frame.to_world(voxels).mean(axis=0)
    else:
        place = "lateral" if beside else "dorsal" if v > 0 else "ventral"
        at = int(np.rint(np.arctan2(v, u) / (2 * np.pi) * ANGLES)) % ANGLES
        out = np.cos(THETA[at]) * canal.left[section] + np.sin(THETA[at]) * canal.back[section]
        x, y, z = canal.centreline_mm[section] + sac_mm[section, at] * out
    side: Literal["left", "right", "midline"] = "midline" if abs(u) < _MIDLINE_MM else "left" if u > 0 else "right"
    return Pool(voxels, len(voxels) * frame.voxel_ml, first, section, last, (float(x), float(y), float(z)), place, side)


def marked(group: tuple[int, ...]) -> NDArray[np.bool_]:
    """(256,): True for the codes of a group."""
    table = np.zeros(256, dtype=np.bool_)
    table[list(group)] = True
    return table


def polar_place(along: Floats, canal: Canal) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """(cross-section, direction, distance from the centreline) of places along the canal."""
    row = np.clip(np.rint(along[:, 0]).astype(int), 0, len(canal.wall_mm) - 1)
    turn = np.rint(np.arctan2(along[:, 2], along[:, 1]) / (2 * np.pi) * ANGLES).astype(int) % ANGLES
    return row, turn, np.hypot(along[:, 1], along[:, 2])


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
