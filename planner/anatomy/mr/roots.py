"""Roots on MR: the grey disc of a root and its ganglion in the bright fat of its foramen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.anatomy.mr.foramina import is_seen
from planner.anatomy.mr.sac import SeenSac
from planner.anatomy.norms import at_level
from planner.anatomy.roots import roots_structure
from planner.anatomy.spine import Canal, Foramen, Root, Structure
from planner.geometry import Floats, Volume

_STEP_MM = 0.5
_ASIDE_MM: Floats = np.arange(-2.0, 5.1, 1.0)  # planes across the foramen's middle, more of them outward
_MIDDLE = 2  # which of them is the foramen's middle
_SHOW = 5  # of them show a root: farther in the sleeve's fluid may hide it on T2, farther out vessels and muscle
_NEAR = 9  # steps that a root is moved from its usual place, up and down, front and back
_GAPS_MM = (0.75, 1.5, 2.25)  # beyond a root's edge its fat begins within this
_TURNS = 16
_REACH = _NEAR + 14  # steps
_STEEP = 0.6  # a root that runs more along a plane than this (cosine) is cut no longer
_FAT_SHARE = 80.0  # percentile in the foramen that is fat's
_LEAST_FAT = 0.35  # of the fluid's brightness on T2: what is darker is no fat
_OPEN = 0.4  # of the directions around a root no fat need be seen
_SLANTS: tuple[Floats, Floats] = (np.arange(-0.2, 0.61, 0.2), np.arange(-0.2, 0.21, 0.2))  # against its usual way, to the feet, to the back
_OFF, _SLANTED = 0.008, 0.1  # of the fat's brightness, for each square mm from the usual place, and for a slant of 1
_CLEAR = 0.25  # of the fat's brightness: a root stands out by this or it is not seen
_APART_MM, _RIVAL = 2.5, 0.85  # a second place so far away and so nearly as clear leaves open which it is
_ALIKE_MM = 1.0  # planes agree that show it so near
_CLOSED, _SURROUNDED = 0.2, 0.15  # of the directions around a root all but these show fat that is brighter by so much
_BONE = 0.2  # of the fat's brightness: what is darker is bone, ligament or a vessel
_WITHIN = 0.9  # of the way from a foramen's middle to its outline
_LEAST_GANGLION_MM = 4.0  # wide: those of T11 and above look like the vessels beside them
_COARSE_MM = 2.5  # voxels as wide as this hide where a ganglion 4 mm wide is
_FADE_MM = 10.0  # toward the sac, where a root is modelled
_OFFSETS_MM: Floats = np.linspace(-_NEAR * _STEP_MM, _NEAR * _STEP_MM, 2 * _NEAR + 1)


@dataclass(frozen=True, eq=False)
class _Cuts:
    """The planes of one foramen. usual_mm: (planes, 3), where the modelled root goes through each. feet, back: unit vectors in them.
    relative: (planes, rows toward the feet, columns toward the back) around that, 0 as dark as bone and 1 as bright as fat, nan beyond
    the scan. radius_mm, stretch: of the root, and how much longer a slanting one is cut toward the feet."""

    usual_mm: Floats
    feet: Floats
    back: Floats
    relative: Floats
    radius_mm: float
    stretch: float


def see_roots(volume: Volume, canal: Canal, sac: SeenSac, foramina: tuple[Foramen, ...], roots: tuple[Root, ...]) -> tuple[Root, ...]:
    """The roots moved to where the fat of their foramina shows them as a grey disc ("found"); as they are where it does not, where the
    scan is too coarse, at levels whose ganglion is no thicker than vessels, and in the neck, where this was never tried.

    sac: with fluid as bright as on T2. roots: one a foramen, in the same order, as `find_roots` gives them.
    """
    if max(volume.frame.spacing_mm) > _COARSE_MM:
        return roots
    return tuple(_seen(volume, canal, sac, foramen, root) for foramen, root in zip(foramina, roots, strict=True))


def seen_structure(volume: Volume, roots: tuple[Root, ...]) -> Structure:
    """How the roots as a whole are known, and why none was looked for."""
    known = roots_structure(roots)
    wide = max(volume.frame.spacing_mm)
    if wide <= _COARSE_MM:
        return known
    return replace(known, problem=f"Roots are modelled tubes through the foramina: in voxels {wide:.1f} mm wide they are not looked for.")


def _seen(volume: Volume, canal: Canal, sac: SeenSac, foramen: Foramen, root: Root) -> Root:
    level = foramen.between[0]
    looked_for = level[0] != "C" and float(at_level("ganglion_mm", level)[1]) >= _LEAST_GANGLION_MM
    cuts = _cuts(volume, canal, sac, foramen, root) if looked_for and is_seen(foramen) else None
    if cuts is None:
        return root
    clear, surrounded = _clearness(cuts)
    middle, slant, score = _line(clear)
    if score < _CLEAR:
        return root
    line = middle + (_ASIDE_MM - _ASIDE_MM.mean())[:, None] * slant
    seen, spots = _spots(clear, surrounded, line)
    if seen.sum() < _SHOW:
        return root
    slope, at_middle = np.polyfit(_ASIDE_MM[seen], spots[seen], 1)
    move = at_middle + np.clip(_ASIDE_MM, _ASIDE_MM[seen][0], _ASIDE_MM[seen][-1])[:, None] * slope
    spread = float(np.sqrt(((spots[seen] - move[seen]) ** 2).sum(axis=1).mean()))
    if not _lies_in(foramen, cuts, cuts.usual_mm[_MIDDLE] + move[_MIDDLE] @ np.stack([cuts.feet, cuts.back])):
        return root
    return _moved(root, cuts, move @ np.stack([cuts.feet, cuts.back]), spread)


def _line(clear: Floats) -> tuple[Floats, Floats, float]:
    """The straight way through the planes along which a root stands out most: its place in the middle one, its slant, in mm from the usual
    way to the feet and to the back; and by how much it stands out, 0 where a second way does nearly as much."""
    off = _OFFSETS_MM
    scores = []
    slants = [np.array([down, deep]) for down in _SLANTS[0] for deep in _SLANTS[1]]
    usual = _OFF * (off[:, None] ** 2 + off[None, :] ** 2)
    padded = np.pad(clear, ((0, 0), (_NEAR, _NEAR), (_NEAR, _NEAR)), constant_values=0.0)
    for slant in slants:
        steps = np.rint((_ASIDE_MM - _ASIDE_MM.mean())[:, None] * slant / _STEP_MM).astype(int) + _NEAR
        along = np.array([one[k : k + len(off), m : m + len(off)] for one, (k, m) in zip(padded, steps, strict=True)])
        scores.append(np.partition(along, -_SHOW, axis=0)[-_SHOW:].mean(axis=0) - usual - _SLANTED * float(slant @ slant))
    best = np.array(scores)
    n, k, m = np.unravel_index(int(best.argmax()), best.shape)
    score = float(best[n, k, m])
    away = np.hypot(off[:, None] - off[k], off[None, :] - off[m]) > _APART_MM
    return np.array([off[k], off[m]]), slants[n], 0.0 if float(best[:, away].max()) > _RIVAL * score else score


def _spots(clear: Floats, surrounded: NDArray[np.bool_], line: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Which planes agree with a line; and where in each a root stands out most near it, (planes, 2) mm from the usual way."""
    off = _OFFSETS_MM
    spots, seen = np.zeros((len(clear), 2)), np.zeros(len(clear), dtype=np.bool_)
    for n, (one, here) in enumerate(zip(clear, line, strict=True)):
        away = np.hypot(off[:, None] - here[0], off[None, :] - here[1])
        near = np.where(away <= 1.5 * _ALIKE_MM, one, -1.0)
        k, m = np.unravel_index(int(near.argmax()), near.shape)
        spots[n] = off[k], off[m]
        seen[n] = away[k, m] <= _ALIKE_MM and near[k, m] > _CLEAR and surrounded[n, k, m]
    return seen, spots


def _lies_in(foramen: Foramen, cuts: _Cuts, point_mm: Floats) -> bool:
    """Whether a point in the foramen's middle plane lies within its outline."""
    place = point_mm - np.array(foramen.centre_mm)
    return float(np.hypot(place @ cuts.feet / (foramen.height_mm / 2), place @ cuts.back / (foramen.width_mm / 2))) < _WITHIN


def _cuts(volume: Volume, canal: Canal, sac: SeenSac, foramen: Foramen, root: Root) -> _Cuts | None:
    """The planes of a foramen; None where no fat shows, or the root does not go through them all."""
    axis, centre = np.array(foramen.axis), np.array(foramen.centre_mm)
    at = canal.nearest(centre)
    feet = np.cross(canal.left[at], canal.back[at])
    feet = -feet if feet[2] > 0 else feet
    feet = feet - float(feet @ axis) * axis
    feet /= np.linalg.norm(feet)
    back = np.cross(feet, axis)
    back = back if float(back @ canal.back[at]) > 0 else -back
    along = (root.path_mm - centre) @ axis
    first = int(along.argmin())
    order = np.maximum.accumulate(along[first:])
    if order[0] > _ASIDE_MM[0] or order[-1] < _ASIDE_MM[-1]:
        return None
    rows = np.interp(_ASIDE_MM, order, np.arange(first, len(along)))
    usual = np.stack([np.interp(rows, np.arange(len(along)), root.path_mm[:, n]) for n in range(3)], axis=1)
    radius = float(np.interp(rows, np.arange(len(along)), root.radius_mm).mean())
    run = usual[-1] - usual[0]
    grid = np.arange(-_REACH, _REACH + 1) * _STEP_MM
    down, deep = (np.broadcast_to(axis, (len(usual), len(grid), len(grid))) for axis in (grid[:, None], grid))
    planes = volume.sample_planes(usual, np.tile(back, (len(usual), 1)), np.tile(feet, (len(usual), 1)), deep, down, np.nan)
    values = (planes - sac.dark) / sac.fluid[at]
    off = usual[_MIDDLE] - centre
    inside = np.hypot((grid[:, None] + off @ feet) / (foramen.height_mm / 2), (grid + off @ back) / (foramen.width_mm / 2)) < 1.0
    held = values[:, inside]
    held = held[np.isfinite(held)]
    fat = float(np.percentile(held, _FAT_SHARE)) if held.size else 0.0
    if fat < _LEAST_FAT:
        return None
    stretch = 1.0 / max(float(run @ axis) / float(np.linalg.norm(run)), _STEEP)
    return _Cuts(usual, feet, back, np.clip(values / fat, 0.0, 1.0), radius, stretch)


def _clearness(cuts: _Cuts) -> tuple[Floats, NDArray[np.bool_]]:
    """(planes, places, places): by how much a disc of the root's size is darker than most of the ring around it; and whether nearly all
    of that ring is brighter, and the disc no bone."""
    away = np.array([cuts.radius_mm + gap for gap in _GAPS_MM])
    turns = np.arange(_TURNS)[:, None] * 2 * np.pi / _TURNS
    core = _mean_of(cuts.relative, _steps(cuts, _disc(cuts.radius_mm)))
    rays = _steps(cuts, np.stack([np.cos(turns) * away, np.sin(turns) * away], axis=2))
    around = _brightest(np.nan_to_num(cuts.relative, nan=np.inf), rays)
    ring = np.sort(np.where(np.isinf(around), 0.0, around), axis=0)  # what may lie beyond the scan shows no fat
    surrounded = (ring[int(_CLOSED * _TURNS)] - core > _SURROUNDED) & (core > _BONE)
    return np.nan_to_num(ring[int(_OPEN * _TURNS)] - core, nan=-1.0), surrounded


def _disc(radius_mm: float) -> Floats:
    """(m, 2): places within so far of the middle."""
    reach = np.arange(-12, 13) * _STEP_MM
    return np.argwhere(np.hypot(reach[:, None], reach) <= radius_mm) * _STEP_MM + reach[0]


def _steps(cuts: _Cuts, places_mm: Floats) -> NDArray[np.int64]:
    """Places (..., 2) of the root's cross-section, down and to the back, as steps in its planes."""
    return np.rint(places_mm * np.array([cuts.stretch, 1.0]) / _STEP_MM).astype(np.int64)


@njit(cache=True, nogil=True)
def _mean_of(relative: Floats, disc: NDArray[np.int64]) -> Floats:
    """(planes, places, places), for every place where a root's middle may be: the mean of what lies these steps (m, 2) away."""
    size, first = 2 * _NEAR + 1, _REACH - _NEAR
    found = np.zeros((len(relative), size, size))
    for plane in range(len(relative)):
        for n in range(len(disc)):
            for k in range(size):
                here = relative[plane, first + k + disc[n, 0], first + disc[n, 1] : first + disc[n, 1] + size]
                there = found[plane, k]
                for m in range(size):
                    there[m] += here[m]
    return found / len(disc)


@njit(cache=True, nogil=True)
def _brightest(relative: Floats, ring: NDArray[np.int64]) -> Floats:
    """(directions, planes, places, places), for every place where a root's middle may be: the greatest of what lies these steps
    (directions, gaps, 2) away."""
    size, first = 2 * _NEAR + 1, _REACH - _NEAR
    found = np.full((len(ring), len(relative), size, size), -np.inf)
    for turn in range(len(ring)):
        for plane in range(len(relative)):
            for n in range(ring.shape[1]):
                for k in range(size):
                    here = relative[plane, first + k + ring[turn, n, 0], first + ring[turn, n, 1] : first + ring[turn, n, 1] + size]
                    there = found[turn, plane, k]
                    for m in range(size):
                        there[m] = max(there[m], here[m])
    return found


def _moved(root: Root, cuts: _Cuts, moves_mm: Floats, spread_mm: float) -> Root:
    """The root moved as its planes say, beyond the last as in the last, toward the sac less and less. moves_mm: (planes, 3)."""
    before = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(root.path_mm, axis=0), axis=1))])
    planes = before[[int(np.linalg.norm(root.path_mm - one, axis=1).argmin()) for one in cuts.usual_mm]]
    move = np.stack([np.interp(before, planes, moves_mm[:, n]) for n in range(3)], axis=1)
    share = np.clip(1.0 - (planes[0] - before) / _FADE_MM, 0.0, 1.0)
    return replace(root, path_mm=root.path_mm + share[:, None] * move, provenance="found", spread_mm=round(spread_mm, 2))
