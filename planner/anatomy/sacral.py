"""The roots S1 and S2 in the sacral canal: beside the sac and below it, as far as the foramina at the front of the sacrum."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.matched import matched
from planner.anatomy.norms import at_level
from planner.anatomy.roots import as_root
from planner.anatomy.spine import ANGLES, Canal, Level, Provenance, Root, Side
from planner.geometry import Floats, Volume

_STEP_MM = 0.5
_BESIDE_MM: Floats = np.arange(1.0, 18.1, _STEP_MM)  # of the canal's middle a root is looked for, and so far in front of it and behind
_BEHIND_MM: Floats = np.arange(-7.0, 8.1, _STEP_MM)
_MARGIN = 11  # steps around that, for the fat around a root
COARSE_MM = 2.5  # voxels as wide as this hide where a root is
_MOUTH = (0.2, 0.41, 0.62)  # of the way to the next vertebra: where its foramen may begin, usually lies and may end
_OPEN = 0.5  # of the canal's side, and no less, is open at a foramen
_LEAVES = {"S1": 0.5, "S2": 1.35}  # of the way to the vertebra above roots leave the sac: at the disc above S1, in the upper part of S1
_ASIDE_MM, _BEHIND_AT_MOUTH_MM = 0.5, 1.0  # between a root and the wall at its foramen, and behind the canal's middle
_LEAST_WIDE = 0.9  # of the usual width of the canal at its foramen: a wall nearer has cut the corner
_FORWARD_MM, _LATERAL, _TO_THE_FEET = 30.0, 0.24, 0.16  # the way through the sacrum to its front, and where it leads, for each mm
_ROOT_HU, _FAT_HU = 30.0, -90.0
_RING_MM = 0.25, 1.75  # beyond a root's edge its surroundings begin and end
_RING_WEIGHS = 0.7  # as much as the root itself
_SOFT, _STANDS_OUT, _IN_VIEW = 0.5, 0.25, 0.35  # a root is so little like fat, so much less than the part of its ring that is in view
_OFF, _BENDS, _FARTHEST = 0.001, 0.12, 2  # what a square mm off the usual way costs, a mm to the side between sections; steps at most
_TOUCHES_MM = 0.3  # the edge of the sac is blurred so far
_GAPS, _LEAST, _FROM_MOUTH = 3, 12, 8  # sections: where a root is lost, that show it, from its foramen where it is seen last
_CLEARLY, _AGREE_MM = 0.4, 0.4  # it stands out along its way, and its sections differ by no more
_RISE_DEG, _TOO_FAR = 20.0, 5  # at which it leaves the sac where that is not seen; what would begin so many sections higher is no root
_SMOOTH = 2.5  # sections
_MODELLED_OFF_MM = 3.0  # from the true one a modelled root lies, or less, on nearly all phantoms


@dataclass(frozen=True, eq=False)
class Shown:
    """What shows roots: a scan, and its values of a root, of fat, and of bone at the least (CT) or at the most (MR). beyond_mm: so far
    beyond the canal's wall it is looked at. sleeve_mm: so thick is the fluid around a root where it is brighter."""

    volume: Volume
    root: float
    fat: float
    bone: float
    beyond_mm: float = np.inf
    sleeve_mm: float = 0.0

    def softness(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """1 as a root, 0 as fat or brighter fluid; nan as bone, or beyond the scan."""
        solid = planes >= self.bone if self.bone > self.root else planes <= self.bone
        soft = np.clip((planes - np.float32(self.fat)) / np.float32(self.root - self.fat), 0.0, 1.0)
        soft[solid] = np.nan
        return soft


@dataclass(frozen=True, eq=False)
class _Way:
    """Where a root runs in the canal. rows: the cross-sections from where it leaves the sac to the middle of its foramen; place_mm:
    (rows, 2), its middle in each, to its side of the canal's middle and behind it; sac_mm: (rows,), the sac's edge on its side."""

    rows: NDArray[np.int64]
    place_mm: Floats
    sac_mm: Floats
    radius_mm: float


def shown_by_ct(volume: Volume, threshold: float) -> Shown | None:
    """A CT without contrast, in which bone begins at a threshold in HU; None where its voxels are too coarse."""
    return None if max(volume.frame.spacing_mm) > COARSE_MM else Shown(volume, _ROOT_HU, _FAT_HU, threshold)


def find_sacral_roots(
    canal: Canal, sac_mm: Floats, openness: Floats, levels: tuple[Level, ...], shown: Shown | None, names: tuple[str, ...] = tuple(_LEAVES)
) -> tuple[Root, ...]:
    """S1 and S2, or those of them that are named, on both sides where the canal in view holds their foramina: grey discs amid fat that
    are followed from cross-section to cross-section ("found"), else from the sac's side to the foramen ("modelled").

    sac_mm: (n, ANGLES), the sac. openness: (n, 2), of the canal's left and right. shown: None where nothing shows them.
    """
    found = []
    sides: tuple[Side, Side] = ("left", "right")
    for side in sides:
        above = None
        for name in names:
            usual = _usual_way(canal, sac_mm, openness, levels, name, side)
            if usual is None:
                break
            seen = None if shown is None else _seen_way(canal, sac_mm, usual, side, shown, above)
            above, spread = (usual, None) if seen is None else seen
            found.append(_root(canal, above, name, side, spread))
    return tuple(found)


def _usual_way(canal: Canal, sac_mm: Floats, openness: Floats, levels: tuple[Level, ...], name: str, side: Side) -> _Way | None:
    """From the sac's side to the foramen under a sacral vertebra; None where that is out of view."""
    here = next((n for n, level in enumerate(levels) if level.name == name), 0)
    if here == 0:
        return None
    s = canal.s_mm
    at, above = levels[here].s_mm, levels[here].s_mm - levels[here - 1].s_mm
    below = levels[here + 1].s_mm - at if here + 1 < len(levels) else above
    turn, column = (0, 0) if side == "left" else (ANGLES // 2, 1)
    mouth = _mouth(s, openness[:, column], at, below)
    first = int(np.abs(s - (at - _LEAVES[name] * above)).argmin())
    if mouth is None or mouth - first < _LEAST:
        return None
    rows = np.arange(first, mouth + 1)
    radius = float(at_level("root_radius_mm", name))
    around = [n for n in (*range(mouth - 12, mouth - 5), *range(mouth + 6, mouth + 13)) if first <= n < len(s)]
    usual = np.mean([at_level("canal_size_mm", other)[1] for other in (name, "S2")]) / 2
    wide = max(_LEAST_WIDE * usual, *(float(np.median(canal.wall_mm[around, n])) for n in (0, ANGLES // 2)))
    edge = sac_mm[rows, turn]
    begin = np.array([max(float(edge[0]) - 0.5, 0.0), float(sac_mm[first, ANGLES // 4] - sac_mm[first, 3 * ANGLES // 4]) / 2])
    end = np.array([wide - radius - _ASIDE_MM, _BEHIND_AT_MOUTH_MM])
    share = np.linspace(0.0, 1.0, len(rows))[:, None]
    return _Way(rows, (1.0 - share) * begin + share * end, edge, radius)


def _mouth(s: Floats, openness: Floats, at: float, below: float) -> int | None:
    """The cross-section of a foramen's middle: of the open side of the canal where it lies usually, else that usual place."""
    usual = at + _MOUTH[1] * below
    if usual > s[-1] - 2.0:
        return None
    may = (s > at + _MOUTH[0] * below) & (s < at + _MOUTH[2] * below)
    parts, count = ndimage.label(may & (ndimage.gaussian_filter1d(openness, 1.0) > _OPEN))
    if not count:
        return int(np.abs(s - usual).argmin())
    middles = [float(rows.mean()) for n in range(1, count + 1) if len(rows := np.flatnonzero(parts == n))]
    return round(min(middles, key=lambda row: abs(float(s[round(row)]) - usual)))


def _root(canal: Canal, way: _Way, name: str, side: Side, spread_mm: float | None) -> Root:
    """spread_mm: how far the sections differ that show it; None where none does."""
    out = _outward(canal, way.rows, side)
    inside = canal.centreline_mm[way.rows] + way.place_mm[:, :1] * out + way.place_mm[:, 1:] * canal.back[way.rows]
    feet = canal.centreline_mm[way.rows[-1]] - canal.centreline_mm[way.rows[-3]]
    lead = _LATERAL * out[-1] - canal.back[way.rows[-1]] + _TO_THE_FEET * feet / np.linalg.norm(feet)
    ahead = inside[-1] + np.arange(1.0, _FORWARD_MM + 1.0)[:, None] * lead / np.linalg.norm(lead)
    path = ndimage.gaussian_filter1d(np.concatenate([inside, ahead]), _SMOOTH, axis=0, mode="nearest")
    known: Provenance = "modelled" if spread_mm is None else "found"
    return as_root(name, side, name, path, inside[-1], known, _MODELLED_OFF_MM if spread_mm is None else spread_mm)


def _outward(canal: Canal, rows: NDArray[np.int64], side: Side) -> Floats:
    return np.asarray(canal.left[rows] if side == "left" else -canal.left[rows])


def _seen_way(canal: Canal, sac_mm: Floats, usual: _Way, side: Side, shown: Shown, other: _Way | None) -> tuple[_Way, float] | None:
    """(the way that the fat of the canal shows, how far its sections differ about it in mm); None where too little of it is seen.

    other: the root above on this side, which is not it."""
    worth, stands_out = _likeness(canal, sac_mm, usual, side, shown, other)
    at = _followed(worth, usual)
    place = np.stack([_BESIDE_MM[at[:, 1]], _BEHIND_MM[at[:, 0]]], axis=1)
    clear = stands_out[np.arange(len(at)), at[:, 0], at[:, 1]]
    rows = _last_run(clear > _STANDS_OUT)
    if len(rows) < _LEAST or len(place) - 1 - rows[-1] > _FROM_MOUTH or clear[rows].mean() < _CLEARLY:
        return None
    count = np.arange(rows[0], len(place))
    even = np.stack([np.interp(count, rows, place[rows, n]) for n in (0, 1)], axis=1)
    even = ndimage.gaussian_filter1d(even, _SMOOTH, axis=0, mode="nearest")
    spread = float(np.sqrt(((even[rows - rows[0]] - place[rows]) ** 2).sum(axis=1).mean()))
    steep = np.tan(np.radians(_RISE_DEG))
    from_sac = float(even[0, 0] - usual.sac_mm[rows[0]])
    if spread > _AGREE_MM or (from_sac - usual.radius_mm) / steep > rows[0] + _TOO_FAR:
        return None
    rise = min(round(max(from_sac, 1.0) / steep), int(rows[0]))
    first = rows[0] - rise
    share = np.linspace(0.0, 1.0, rise + 1)[:-1, None]
    leaves = np.array([min(max(float(usual.sac_mm[first]) - 0.5, 0.0), even[0, 0]), even[0, 1]])
    way = np.concatenate([(1.0 - share) * leaves + share * even[0], even])
    return _Way(usual.rows[first:], way, usual.sac_mm[first:], usual.radius_mm), spread


def _last_run(seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The rows of the last stretch in which no more than a few are missing."""
    rows = np.flatnonzero(seen)
    breaks = np.flatnonzero(np.diff(rows) > _GAPS + 1)
    return rows[breaks[-1] + 1 :] if len(breaks) else rows


def _likeness(
    canal: Canal, sac_mm: Floats, usual: _Way, side: Side, shown: Shown, other: _Way | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(rows, behind, beside): how well a disc of the root's size fits there; and by how much it is less like fat than what of the ring
    around it is in view, 0 where too little is. The sac, bone and another root are out of view."""
    behind, beside = (np.arange(-_MARGIN, len(axis) + _MARGIN) * _STEP_MM + axis[0] for axis in (_BEHIND_MM, _BESIDE_MM))
    rows = usual.rows
    v, u = (np.broadcast_to(grid, (len(rows), len(behind), len(beside))) for grid in (behind[:, None], beside))
    planes = shown.volume.sample_planes(canal.centreline_mm[rows], _outward(canal, rows, side), canal.back[rows], u, v, np.nan)
    soft = shown.softness(planes.astype(np.float32))
    solid = np.isnan(soft)
    soft[solid] = 0.0
    turn = np.arctan2(behind[:, None], beside if side == "left" else -beside)
    radius, turn = np.hypot(behind[:, None], beside), np.rint(turn * ANGLES / (2 * np.pi)).astype(int) % ANGLES
    inner, outer = (edge_mm[rows].take(turn, axis=1) for edge_mm in (sac_mm - _TOUCHES_MM, canal.wall_mm + shown.beyond_mm))
    hidden = (radius < inner) | (radius > outer)
    if other is not None:
        both = np.isin(rows, other.rows)
        place = other.place_mm[rows[both] - other.rows[0]]
        hidden[both] |= np.hypot(beside - place[:, :1, None], behind[:, None] - place[:, 1:, None]) < other.radius_mm + _RING_MM[0]
    disc, ring = _round(0.0, usual.radius_mm - shown.sleeve_mm), _round(usual.radius_mm + _RING_MM[0], usual.radius_mm + _RING_MM[1])
    near = np.ones((3, 3), np.uint8)
    means = []
    for one, bony, out_of_view in zip(soft, solid.view(np.uint8), hidden, strict=True):
        seen = ((cv2.dilate(bony, near) == 0) & ~out_of_view).astype(np.float32)
        held = seen * one
        means.append((_mean(held, disc), _mean(held, ring), _mean(seen, ring)))
    within, around, view = (np.array(mean) for mean in zip(*means, strict=True))
    stands_out = np.where((within > _SOFT) & (view > _IN_VIEW), within - around / np.maximum(view, _IN_VIEW), 0.0)
    return np.asarray(within - _RING_WEIGHS * around, dtype=np.float32), np.asarray(stands_out, dtype=np.float32)


def _mean(plane: NDArray[np.float32], around: NDArray[np.float32]) -> NDArray[np.float32]:
    """(behind, beside): the mean of a plane around each place, as of `_round`."""
    off = _MARGIN - len(around) // 2
    return matched(plane[off : len(plane) - off, off : plane.shape[1] - off], around)


def _round(from_mm: float, to_mm: float) -> NDArray[np.float32]:
    """The mean over a ring as a filter, on the grid of the places."""
    fine = 5
    count = fine * (2 * int(np.ceil(to_mm / _STEP_MM)) + 3)
    axis = (np.arange(count) - (count - 1) / 2) * _STEP_MM / fine
    away = np.hypot(axis[:, None], axis)
    held = ((away >= from_mm) & (away < to_mm)).astype(np.float32).reshape(count // fine, fine, count // fine, fine).mean(axis=(1, 3))
    return np.asarray(held / held.sum())


def _followed(worth: NDArray[np.float32], usual: _Way) -> NDArray[np.int64]:
    """(rows, 2): the way, as places of the grid, along which a root fits best, that bends little and stays near the usual one."""
    off = (_BESIDE_MM - usual.place_mm[:, :1, None]) ** 2 + (_BEHIND_MM[:, None] - usual.place_mm[:, 1:, None]) ** 2
    steps = np.arange(-_FARTHEST, _FARTHEST + 1) * _STEP_MM
    return _best_way(np.maximum(worth, 0.0) - _OFF * off, _BENDS * np.hypot(steps[:, None], steps))


@njit(cache=True, nogil=True)
def _best_way(worth: Floats, toll: Floats) -> NDArray[np.int64]:
    """(n, 2): the places (row, column) of n planes one after the other whose worth less the toll of the steps between them is greatest.

    worth: (n, rows, columns). toll: (k, k), of a step of up to k // 2 places; a longer one is not taken.
    """
    count, rows, columns = worth.shape
    far = toll.shape[0] // 2
    best = np.full(worth.shape, -np.inf)  # of the ways that end at a place
    best[0] = worth[0]
    for n in range(1, count):
        for k in range(-far, far + 1):
            for m in range(-far, far + 1):
                cost, first, last = toll[k + far, m + far], max(0, -m), min(columns, columns - m)
                for row in range(max(0, -k), min(rows, rows - k)):
                    now, before = best[n, row, first:last], best[n - 1, row + k, first + m : last + m]
                    for column in range(last - first):
                        if before[column] - cost > now[column]:
                            now[column] = before[column] - cost
        best[n] += worth[n]
    at = np.zeros((count, 2), dtype=np.int64)
    at[-1] = best[-1].argmax() // columns, best[-1].argmax() % columns
    for n in range(count - 1, 0, -1):
        most = -np.inf
        for k in range(-far, far + 1):
            for m in range(-far, far + 1):
                row, column = at[n, 0] + k, at[n, 1] + m
                inside = 0 <= row < rows and 0 <= column < columns
                if inside and best[n - 1, row, column] - toll[k + far, m + far] > most:
                    most, at[n - 1] = best[n - 1, row, column] - toll[k + far, m + far], (row, column)
    return at
