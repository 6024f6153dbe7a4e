"""Vertebrae along the canal: discs from periodic signals, bodies between them, and what hints at their names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from planner.anatomy.labels import ALL_LEVELS
from planner.anatomy.norms import at_level
from planner.anatomy.reformat import Curve, in_sections
from planner.anatomy.spine import ANGLES
from planner.geometry import Floats, Volume

DEPTH_MM = 15.0  # of the middle of a body in front of the canal; discs turn about it
_HALF_DISCS_MM = np.array([3.0, 4.0, 5.0, 6.0])
TILTS_DEG = np.arange(-40, 41, 5)
_DEPTHS_MM = np.arange(2.0, 46.0, 1.0)
_FORAMEN_ABOVE = (0.1, 0.2, 0.3)  # of the height of a vertebra: so far above the middle of its disc lies that of a foramen
_FARTHEST_MM, _SHIFT = 5.0, 0.15  # how far a disc moves to its borders, in mm and as a share of the way to the next disc
_TOLL = 0.3  # what a disc costs, in standard deviations of the evidence
_HEIGHT, _ODD = (0.7, 1.4), 30.0  # of the depth of its body is a vertebra with its disc, C3 to L5 (0.9 to 1.2); what another one costs
_ALIKE_MM, _SOFT_HU = 30, 0.0  # along the canal to both sides bodies are alike deep; air in front of a neck is not where a body ends
SHORTEST_MM, LONGEST_MM = 11, 48
_USUAL_GAP_MM = 30.0  # from one vertebra to the next, where only one is in view
_PAST_END = 0.1  # of the way to the next vertebra: half a disc's height, as far as the place of the last disc may be wrong
_UNCLEAR = 0.1  # of that way beyond: whether such a place belongs to the last vertebra or to one that the scan cuts is not clear
_SHOWN = 0.7  # of a vertebra at most is shown of one whose middle lies outside the scan, its slope included
_ARCH_BELOW_MM = 4.0  # the gap between two arches lies so far below their disc
_CANAL_MM, _DIPS_MM = 8.0, 40.0  # half of a canal's depth; how long a spinous process slopes
_ASIDE_MM, _BEHIND_MM = 45.0, 75.0  # to the tip of a transverse and of a spinous process


@dataclass(frozen=True, eq=False)
class Disc:
    """A disc: its place along the canal at the middle of the bodies, the slope of its plane (mm along the canal per mm to the front),
    and how clearly it stands out (about 0 to 4)."""

    s_mm: float
    slope: float
    strength: float


@dataclass(frozen=True, eq=False)
class Column:
    """What was found in front of the canal. front_mm (n,): distance from the centreline to the back of the bodies; depth_mm: of the
    bodies from back to front; deep_mm: of the deepest quarter of them, which a sacrum's flat ones are not; evidence (n,): how much each
    place looks like a disc; openness (n, 2): left and right, 0 bone to 1 open."""

    discs: tuple[Disc, ...]
    front_mm: Floats
    depth_mm: float
    evidence: Floats
    openness: Floats
    deep_mm: float = 0.0  # in MR nobody asks


def standardised(signal: Floats, vertebra_mm: int = 30) -> Floats:
    """High-passed over the height of two vertebrae and divided by its spread over that of three."""
    high = signal - ndimage.uniform_filter1d(signal, 2 * vertebra_mm + 1, mode="nearest")
    spread = np.sqrt(ndimage.uniform_filter1d(high**2, 3 * vertebra_mm + 1, mode="nearest"))
    return np.asarray(high / np.maximum(spread, 0.25 * np.median(spread) + 1e-6))


def openness_of(rays: Floats, radius_mm: Floats, radii: Floats, threshold: float) -> Floats:
    """(n, 2): share of the left and right side of the wall with no bone within 5 mm outside it."""
    beyond = (radii >= radius_mm[..., None] - 1.0) & (radii <= radius_mm[..., None] + 5.0)
    bony = np.where(beyond, rays, -np.inf).max(axis=2) > threshold
    sixth = ANGLES // 9
    left = np.arange(-sixth, sixth + 1) % ANGLES
    right = (np.arange(-sixth, sixth + 1) + ANGLES // 2) % ANGLES
    return np.stack([1.0 - bony[:, left].mean(axis=1), 1.0 - bony[:, right].mean(axis=1)], axis=1)


def find_column(search: Volume, bone: Volume, curve: Curve, radius_mm: Floats, openness: Floats) -> Column:
    """Discs and bodies in front of the canal, from three signals that repeat with the vertebrae: open sides, the rims of the bodies that
    stand out at the discs, and the bodies' inside, bright or dark (algorithms 2.1).

    bone: the mask of bone (0 or 1) on the search grid.
    """
    n = len(curve.points_mm)
    front = ndimage.gaussian_filter1d(np.median(radius_mm[:, ANGLES * 3 // 4 - 3 : ANGLES * 3 // 4 + 4], axis=1), 5.0, mode="nearest")
    falls = _falls(search, curve, front)
    depth_mm = float(np.clip(_DEPTHS_MM[np.median(falls, axis=0).argmax()], 14.0, 40.0))
    high_mm = round(min(depth_mm, _USUAL_GAP_MM))
    at = np.arange(n, dtype=np.float64)
    seen = np.flatnonzero(search.shows(curve.points_mm - (front + DEPTH_MM)[:, None] * curve.back))
    held = np.clip(np.arange(n), seen[0], seen[-1]) if len(seen) else np.arange(n)  # the ends of a scan look like discs
    lateral = ndimage.gaussian_filter1d(openness.mean(axis=1), 2.5, mode="nearest")[held]
    rims = standardised(ndimage.gaussian_filter1d(_outline(bone, curve, front), 2.5, mode="nearest")[held], high_mm)
    ridges = _ridges(search, curve, front)[:, held]
    slopes = np.tan(np.radians(TILTS_DEG))
    level = int(np.flatnonzero(TILTS_DEG == 0)[0])
    trusted = np.asarray(openness.mean(axis=1) < 0.75)  # nothing closes the sides at the sacrum's end, at C1, at the scan's end
    shifted = {mm: standardised(np.interp(at - mm, at, lateral), high_mm) for mm in (share * high_mm for share in _FORAMEN_ABOVE)}
    match = {mm: _correlation(ridges[level][trusted], sides[trusted]) for mm, sides in shifted.items()}
    above_mm = max(match, key=lambda mm: abs(match[mm]))
    weight = float(np.clip(3.0 * match[above_mm], -0.4, 1.5))  # bodies of old bone are darker inside than their endplates, not brighter
    tilts = (np.sign(weight) * ridges - 0.5 * np.abs(slopes)[:, None]).argmax(axis=0)
    stand_out = float(np.clip(_correlation(rims[trusted], shifted[above_mm][trusted]), 0.0, 0.5))
    signal = shifted[above_mm] + stand_out * rims + weight * standardised(ridges[tilts, np.arange(n)], high_mm)
    evidence = signal / max(float(np.std(signal)), 1e-6)
    depths_mm = _DEPTHS_MM[ndimage.median_filter(falls, (2 * _ALIKE_MM + 1, 1), mode="nearest").argmax(axis=1)]
    chosen = choose_discs(evidence, depth_mm=depths_mm)
    chosen = chosen[np.isin(chosen, seen)]
    depth, profile = _profile(search, curve, front)
    discs = []
    for a in chosen:
        around = chosen[chosen != a] - a
        nearest = float(np.abs(around).min()) if len(around) else _FARTHEST_MM / _SHIFT
        farthest = min(_FARTHEST_MM, _SHIFT * nearest)
        place, slope = between_borders(profile, depth, int(a), slopes[np.abs(slopes - slopes[tilts[a]]) < 0.3], farthest)
        discs.append(Disc(float(np.interp(place, at, curve.s_mm)), slope, float(evidence[a])))
    return Column(tuple(discs), front, depth_mm, evidence, openness, float(np.percentile(depths_mm, 75)))


Body = tuple[float, tuple[float, float, float], float]
"""(place along the canal in mm, centre of the body, confidence) of a vertebra."""


@dataclass(frozen=True, eq=False)
class Row:
    """The vertebrae found along a canal, head to foot, whose middles lie in view."""

    curve: Curve
    bodies: tuple[Body, ...]

    def at(self, point_mm: ArrayLike, name: str | None = None) -> int | None:
        """Which vertebra a point belongs to: the one between whose discs it lies along the canal, or, behind the canal, between whose
        arches, which slope to the feet by the level's usual dip.

        name: what the vertebra at the point is said to be, for its dip. -1 and the count are the vertebrae beyond both ends, of which the
        scan shows a part; None for a point farther off still, for one too far from the canal for any vertebra, and for one so near to where
        the outermost seems to end that it may be either's.
        """
        if not self.bodies:
            return None
        s_mm, beside_mm, behind_mm = place_along(self.curve, point_mm)
        dip = np.tan(np.radians(float(at_level("spinous_dip_deg", name)))) if name in ALL_LEVELS else 0.0
        s_mm -= _ARCH_BELOW_MM * float(np.clip(behind_mm / _CANAL_MM + 0.5, 0.0, 1.0))
        s_mm -= dip * float(np.clip(behind_mm - _CANAL_MM, 0.0, _DIPS_MM))
        places = np.array([body[0] for body in self.bodies])
        gaps = np.diff(places) if len(places) > 1 else np.array([_USUAL_GAP_MM])
        borders = np.concatenate([[places[0] - gaps[0] / 2], (places[:-1] + places[1:]) / 2, [places[-1] + gaps[-1] / 2]])
        borders[[0, -1]] += _PAST_END * gaps[[0, -1]] * (-1.0, 1.0)
        nearest = int(np.abs(places - s_mm).argmin())
        middle = place_along(self.curve, self.bodies[nearest][1])
        if abs(beside_mm - middle[1]) > _ASIDE_MM or not 2.0 * middle[2] <= behind_mm <= _BEHIND_MM:
            return None
        if not borders[0] - _SHOWN * gaps[0] <= s_mm <= borders[-1] + _SHOWN * gaps[-1]:
            return None
        if 0.0 < max(borders[0] - s_mm, s_mm - borders[-1]) < _UNCLEAR * (gaps[0] if s_mm < borders[0] else gaps[-1]):
            return None
        return int(np.searchsorted(borders, s_mm)) - 1


def place_along(curve: Curve, point_mm: ArrayLike) -> tuple[float, float, float]:
    """(mm along the curve, mm to the left, mm to the back of it) of a point, in the nearest cross-section whose plane it lies in; straight
    on beyond the ends."""
    offset = np.asarray(point_mm, dtype=np.float64) - curve.points_mm
    past = (offset * curve.tangent).sum(axis=1)
    crossed = np.flatnonzero((past[:-1] >= 0.0) & (past[1:] < 0.0))
    if len(crossed):
        at = int(crossed[np.linalg.norm(offset[crossed], axis=1).argmin()])
    else:
        at = len(past) - 1 if past[-1] >= 0.0 else 0
    return float(curve.s_mm[at] + past[at]), float(offset[at] @ curve.left[at]), float(offset[at] @ curve.back[at])


def _correlation(one: Floats, other: Floats) -> float:
    if len(one) < 40 or np.std(one) < 1e-6 or np.std(other) < 1e-6:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def amid_borders(steep: Floats, places: Floats) -> Floats:
    """(m,): how much each of the places (m,) along the canal lies half way between two borders, a disc's height apart.

    steep: (n,) how steep the scan is along the canal, a mm a sample. Of the two borders the fainter one counts most: one alone is no disc.
    """
    one, other = (np.interp(places[:, None] + sign * _HALF_DISCS_MM, np.arange(len(steep)), steep) for sign in (-1.0, 1.0))
    return np.asarray((np.minimum(one, other) + 0.3 * np.maximum(one, other)).max(axis=1))


def between_borders(profile: Floats, depth: Floats, near: int, slopes: Floats, farthest_mm: float) -> tuple[float, float]:
    """(place, slope) of a disc: half way between the two strongest borders within a disc's height, near to where it seemed to be.

    profile: (n, len(depth)) values along the canal at several depths in front of it.
    """
    at = np.arange(len(profile), dtype=np.float64)
    shifts = np.arange(-farthest_mm, farthest_mm + 0.1, 0.5)
    best = (-np.inf, float(near), 0.0)
    for slope in slopes:
        turned = np.mean([np.interp(at + slope * (d - DEPTH_MM), at, profile[:, m]) for m, d in enumerate(depth)], axis=0)
        border = np.abs(ndimage.gaussian_filter1d(turned, 1.2, order=1, mode="nearest"))
        total = amid_borders(border, near + shifts) * (1.0 - 0.03 * np.abs(shifts))
        top = int(total.argmax())
        if total[top] > best[0]:
            best = (float(total[top]), float(near + shifts[top]), float(slope))
    return best[1], best[2]


def _profile(search: Volume, curve: Curve, front: Floats) -> tuple[Floats, Floats]:
    """(depths, values (n, depths)) in the middle of the bodies, 18 mm wide."""
    u, depth = np.arange(-9.0, 9.1, 3.0), np.arange(5.0, 26.0, 2.0)
    shape = (len(front), len(depth), len(u))
    v = -(front[:, None] + depth)
    block = in_sections(search, curve, np.broadcast_to(u, shape), np.broadcast_to(v[:, :, None], shape))
    return depth, np.asarray(np.clip(block, -200.0, 600.0).mean(axis=2))


def _ridges(search: Volume, curve: Curve, front: Floats) -> Floats:
    """(tilts, n): how much darker a plane through the bodies is than the planes above and below, for planes of several tilts."""
    n = len(front)
    depth, profile = _profile(search, curve, front)
    at = np.arange(n, dtype=np.float64)
    out = []
    for slope in np.tan(np.radians(TILTS_DEG)):
        turned = np.mean([np.interp(at + slope * (d - DEPTH_MM), at, profile[:, m]) for m, d in enumerate(depth)], axis=0)
        out.append(ndimage.gaussian_laplace(turned, 3.0, mode="nearest") * 9.0)
    return np.array(out) / max(float(np.std(out)), 1e-6)


def _outline(bone: Volume, curve: Curve, front: Floats) -> Floats:
    """How far bone reaches to the front and to the sides of the bodies, in mm: the rims stand out at the discs."""
    n = len(front)
    ahead, beside = np.arange(10.0, 44.0, 1.0), np.arange(8.0, 30.0, 1.0)
    across = np.array([-6.0, 0.0, 6.0])
    shape = (n, len(ahead), 3)
    v = -(front[:, None] + ahead)
    to_front = in_sections(bone, curve, np.broadcast_to(across, shape), np.broadcast_to(v[:, :, None], shape))
    shape = (n, 3, len(beside))
    v = -(front[:, None] + np.array([8.0, 13.0, 18.0]))
    v = np.broadcast_to(v[:, :, None], shape)
    reach = [_reach(to_front.max(axis=2) > 0.5, ahead)]
    for side in (-1.0, 1.0):
        to_side = in_sections(bone, curve, np.broadcast_to(side * beside, shape), v)
        reach.append(_reach(to_side.max(axis=1) > 0.5, beside))
    return np.asarray(np.mean(reach, axis=0))


def _reach(mask: NDArray[np.bool_], places: Floats) -> Floats:
    """The outermost marked place of each row, bounded to 6 mm around the running median."""
    last = np.where(mask.any(axis=1), places[len(places) - 1 - mask[:, ::-1].argmax(axis=1)], np.nan)
    median = float(np.nanmedian(last)) if np.isfinite(last).any() else 0.0
    usual = ndimage.median_filter(np.nan_to_num(last, nan=median), 41, mode="nearest")
    return np.asarray(np.clip(np.nan_to_num(last, nan=0.0), usual - 6.0, usual + 6.0))


@njit(cache=True, nogil=True)
def _spaced(evidence: Floats, shortest: int, longest: int, toll: float, least: Floats, most: Floats) -> NDArray[np.int64]:
    """Places of greatest summed evidence whose distances lie in range and change slowly (algorithms 2.1). least, most: (n,), the usual
    height of a vertebra whose middle lies there."""
    n = len(evidence)
    width = longest - shortest + 1
    value = np.full((n, width), -1e9)
    source = np.full((n, width), -1, dtype=np.int64)
    start = np.empty(n)
    for s in range(n):
        start[s] = evidence[s] - toll
    for s in range(n):
        for w in range(width):
            p = s - (w + shortest)
            if p < 0:
                continue
            best, back = start[p], -2
            for q in range(width):
                if value[p, q] > -1e8:
                    change = np.log((w + shortest) / (q + shortest))
                    there = value[p, q] - 12.0 * change * change
                    if there > best:
                        best, back = there, q
            middle = s - (w + shortest) // 2
            best -= _ODD * max(np.log((w + shortest) / most[middle]), np.log(least[middle] / (w + shortest)), 0.0) ** 2
            value[s, w] = best + evidence[s] - toll
            source[s, w] = back
    top, s_top, w_top = -1e9, -1, -1
    for s in range(n):
        for w in range(width):
            if value[s, w] > top:
                top, s_top, w_top = value[s, w], s, w
    out = np.empty(n, dtype=np.int64)
    count = 0
    s, w = s_top, w_top
    while s >= 0:
        out[count] = s
        count += 1
        back = source[s, w]
        s = s - (w + shortest)
        if back == -2:
            out[count] = s
            count += 1
            break
        w = back
    return out[:count][::-1]


def choose_discs(evidence: Floats, shortest: int = SHORTEST_MM, depth_mm: Floats | None = None) -> NDArray[np.int64]:
    """Indices of the discs in evidence along the canal (n,), about 1 mm a sample and 1 in spread; none nearer than `shortest`.

    depth_mm: (n,), of the bodies there from back to front, which are about as high as deep; None where that is not known."""
    if len(evidence) < shortest + 2:
        return np.zeros(0, dtype=np.int64)
    least, most = (np.zeros(len(evidence)), np.full(len(evidence), np.inf)) if depth_mm is None else (share * depth_mm for share in _HEIGHT)
    chosen: NDArray[np.int64] = _spaced(np.ascontiguousarray(evidence), shortest, LONGEST_MM, _TOLL, least, most)
    return chosen[(chosen > 1) & (chosen < len(evidence) - 2)]


def _falls(search: Volume, curve: Curve, front: Floats) -> Floats:
    """(n, len(_DEPTHS_MM)): how steeply the scan falls at each depth behind which a body may end. A body's end is where it falls most in
    the median of a stretch of the canal: half way down to what lies in front of the bodies, between the discs."""
    u = np.array([-4.0, 0.0, 4.0])
    shape = (len(front), len(_DEPTHS_MM), len(u))
    v = -(front[:, None] + _DEPTHS_MM)
    block = in_sections(search, curve, np.broadcast_to(u, shape), np.broadcast_to(v[:, :, None], shape))
    smooth = ndimage.gaussian_filter1d(np.maximum(block, _SOFT_HU).mean(axis=2), 1.5, axis=1)
    return np.where(_DEPTHS_MM < 12.0, 0.0, -np.gradient(smooth, axis=1))


def bodies(curve: Curve, column: Column) -> Row:
    """Every vertebra whose middle lies in view, head to foot."""
    if len(column.discs) < 2:
        return Row(curve, ())
    length = float(curve.s_mm[-1])
    places = [disc.s_mm for disc in column.discs]
    strengths = [disc.strength for disc in column.discs]
    gaps = np.diff(places)
    # the borders that lie beyond the scan stand where the neighbour's would
    borders = [places[0] - gaps[0] * 0.95, *places, places[-1] + gaps[-1] * 1.02]
    marks = [0.0, *strengths, 0.0]
    found = []
    for n in range(len(borders) - 1):
        s = float(borders[n] + borders[n + 1]) / 2
        sure = float(np.clip(0.5 + 0.2 * min(marks[n], marks[n + 1]), 0.3, 0.97))
        if 0.0 <= s <= length:
            found.append((s, _body_centre(curve, column, s), sure))
    return Row(curve, tuple(found))


def _body_centre(curve: Curve, column: Column, s_mm: float) -> tuple[float, float, float]:
    at = float(np.interp(s_mm, curve.s_mm, np.arange(len(curve.s_mm))))
    index = np.arange(len(curve.s_mm))
    point = np.array([np.interp(at, index, curve.points_mm[:, n]) for n in range(3)])
    back = np.array([np.interp(at, index, curve.back[:, n]) for n in range(3)])
    ahead = float(np.interp(at, index, column.front_mm)) + column.depth_mm / 2
    x, y, z = point - back * ahead
    return float(x), float(y), float(z)
