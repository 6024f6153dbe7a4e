"""Windows between the laminae in an MR: a lamina is a slab of grey marrow that ends in a dark rim; a window lies between two such ends.

Flavum, ligament and cortex are alike dark, and the fat between the spinous processes may be as bright as marrow. What tells a window is
therefore the pair: the lower end of one lamina and the upper end of the next, with marrow alike on both sides, about as far apart as usual,
and all windows at about the same height between their vertebrae.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.levels import Row
from planner.anatomy.mr.joints import SeenJoint, see_joints
from planner.anatomy.mr.levels import WINDOW_PLACE, behind_wall, usual_windows
from planner.anatomy.mr.spinous import SeenProcess, see_processes
from planner.anatomy.norms import at_level
from planner.anatomy.spine import NOT_CHECKED, Canal, Level, Structure, Window
from planner.anatomy.windows import back_of
from planner.geometry import Floats, Volume

ASIDE_MM = (-5.0, -3.0, 3.0, 5.0)  # the planes that are looked at: beside the spinous process, before the joints begin
_AROUND_MM = (-1.0, 0.0, 1.0)  # a plane is the mean of these
_STEP_MM = 0.75
_BEHIND_MM: Floats = np.arange(-3.0, 18.0, _STEP_MM)  # of the canal's back wall
_DEPTHS_MM = (1.5, 9.0)  # where the middle of a lamina's end may lie
_SMOOTH_MM = 2.5  # of the wall along the canal
_SLOPES = (0.0, 0.2, 0.4, 0.6)  # of a lamina, toward the back for each mm to the feet
_THICK_MM, _SLAB_MM, _RIM_MM = 3.5, (0.8, 7.0), (0.3, 1.9)  # of its marrow; where marrow and where the rim is, from its end
_UNEVEN, _ODD, _ALIKE = 0.8, 0.5, 0.5  # what a slab loses that is streaky, or darker or brighter than the bodies' marrow beyond a factor
CORTEX_MM = 1.9  # from where marrow ends to the surface of the bone, in phantoms
_BODY_MM = np.arange(-6.0, 6.1, 2.0)  # around the middle of a body: its marrow
_OFF_PLACE = 0.1  # a spine whose windows all seem to lie farther from where they usually do was misread
_FIRST_OFF_MM, _OFF_MM = 3.5, 2.5  # how far from there it may lie, and from where those of the same spine lie
_HIGHER, _HEIGHTS = 1.1, 0.35  # than the table's, in the middle; spread of its logarithm
_WEIGHT, _WEAKER = 0.06, 0.5  # of what is unusual; of the weaker of both ends
_UNLIKE, _SHADE = 1.0, 0.15  # what a pair loses whose marrows differ by more than this, as a logarithm
_NEAR_MM = 2.3  # in each plane an end lies so near to where all planes together have it
_CLEAR, _FARTHEST_MM, _FITTING, _SPREAD_MM = 0.35, 2.5, (0.8, 1.75), 4.0  # what counts as seen
_LEAST_MM = 4.0  # where a window is usually smaller laminae overlap
_UNSURE, _SURER, _SUREST = 0.3, 0.5, 0.7  # confidence of a usual window; with how clear one is it grows, up to the last
_MOST = 0.7  # of the windows are seen: they count as found
_BLACK, _SPARSE = 0.1, 4  # percentile of the scan that is black, in some scans far from 0; every fourth voxel tells it


@dataclass(frozen=True, eq=False)
class Ends:
    """How much each place looks like the end of a lamina. score, behind_mm, marrow (planes, n): how much at its best depth, about 0.3 to
    1; that depth behind the canal's middle; the marrow's brightness there, as a logarithm, 0 that of the bodies."""

    score: Floats
    behind_mm: Floats
    marrow: Floats


@dataclass(frozen=True, eq=False)
class Arches:
    """The ends of laminae along a canal, at s_mm (n,): lower ones, under which a window begins, and upper ones, where it ends; the spinous
    processes that are seen, and what may be joints. marrow (n,): how much brighter than black that of the bodies is, 0 where none was
    seen. black: what the scan's darkest show."""

    s_mm: Floats
    marrow: Floats
    lower: Ends
    upper: Ends
    black: float = 0.0
    processes: tuple[SeenProcess, ...] = ()
    joints: tuple[SeenJoint, ...] = ()


@dataclass(frozen=True, eq=False)
class SeenGap:
    """The gap between the laminae of two neighbours. begins_mm, ends_mm (planes,): where it begins and ends along the canal in each plane;
    above_mm, below_mm: how far behind the canal's middle the marrow there lies. clear: about 0.35 to 1. amid_mm: the middle between the
    tips of the two spinous processes, (3,); None where not both are seen."""

    between: tuple[str, str]
    begins_mm: Floats
    ends_mm: Floats
    above_mm: Floats
    below_mm: Floats
    clear: float
    amid_mm: Floats | None = None

    @property
    def middle_mm(self) -> float:
        """Its middle along the canal."""
        return float(np.median(self.begins_mm) + np.median(self.ends_mm)) / 2

    @property
    def height_mm(self) -> float:
        """Along the canal."""
        return float(np.median(self.ends_mm) - np.median(self.begins_mm))


def see_arches(volume: Volume, canal: Canal, row: Row) -> Arches:
    """The ends of laminae, the spinous processes and the joints along the canal, whatever the vertebrae are called."""
    s = np.arange(0.0, float(canal.s_mm[-1]), _STEP_MM)
    black = _black_of(volume)
    bodies = [(place, _marrow(volume, canal, place, np.array(middle)) - black) for place, middle, _ in row.bodies]
    usual = [(place, value) for place, value in bodies if np.isfinite(value) and value > 0]
    if not usual or len(s) < 2:
        nothing = Ends(*(np.full((len(ASIDE_MM), len(s)), value) for value in (-1.0, 0.0, 0.0)))
        return Arches(s, np.zeros(len(s)), nothing, nothing)
    places, values = (np.array(part) for part in zip(*usual))
    marrow = np.interp(s, places, ndimage.median_filter(values, 3, mode="nearest"))
    planes, walls = _planes(volume, canal, s)
    lower, upper = (_ends([(plane - black) / marrow[:, None] for plane in planes], walls, way) for way in (1.0, -1.0))
    along = np.interp(canal.s_mm, s, marrow)
    processes, joints = see_processes(volume, canal, row, along, black), see_joints(volume, canal, row, along, black)
    return Arches(s, marrow, lower, upper, black, processes, joints)


def see_gaps(arches: Arches, levels: tuple[Level, ...]) -> tuple[SeenGap, ...]:
    """The gaps between the laminae of named neighbours that are seen clearly enough to be measured."""
    pairs = [pair for pair in itertools.pairwise(levels) if pair[0].name[0] in "TL" and _usual_height(pair[0]) >= _LEAST_MM]
    first = [_gap(arches, pair, WINDOW_PLACE, _FIRST_OFF_MM) for pair in pairs]
    shares = [_share(gap, pair) for gap, pair in zip(first, pairs) if gap is not None]
    if not shares:
        return ()
    here = float(np.median(shares))
    if abs(here - WINDOW_PLACE) > _OFF_PLACE:
        return ()
    found = [(pair, _gap(arches, pair, here, _OFF_MM)) for pair in pairs]
    return tuple(gap for pair, gap in found if gap is not None and _is_clear(gap, pair, here))


def seen_windows(gaps: Sequence[SeenGap], canal: Canal, levels: tuple[Level, ...]) -> tuple[Window, ...]:
    """Where a gap was seen the window in it, with the gap's height, the usual width, and the tilt of the way between two spinous processes,
    or the usual tilt where not both are seen; elsewhere the usual window."""
    seen = {gap.between: gap for gap in gaps}
    usual = usual_windows(canal, levels)
    return tuple(_in_gap(window, seen[window.between], canal) if window.between in seen else window for window in usual)


def windows_structure(windows: tuple[Window, ...]) -> Structure:
    """How the windows as a whole are known, and which have the usual place and size of their level."""
    if not windows:
        return NOT_CHECKED
    unseen = ", ".join(window.level for window in windows if window.confidence <= _UNSURE)
    seen = sum(window.confidence > _UNSURE for window in windows)
    if not seen:
        return Structure("modelled", _UNSURE, "Windows have the usual size and tilt of their level.")
    words = "Place and height of windows are seen between the marrow of two laminae; the width is that of their level, and so is the tilt "
    words += "where not both spinous processes are seen, between whose tips it leads."
    words += f" Of usual place and size: {unseen}." if unseen else ""
    return Structure("found" if seen >= _MOST * len(windows) else "modelled", round(0.3 + 0.3 * seen / len(windows), 2), words)


def _usual_height(upper: Level) -> float:
    return float(at_level("window_mm", upper.name)[0])


def _share(gap: SeenGap, pair: tuple[Level, Level]) -> float:
    """Where a gap lies on the way from one body to the next, as a share."""
    upper, lower = pair
    return (gap.middle_mm - upper.s_mm) / (lower.s_mm - upper.s_mm)


def _black_of(volume: Volume) -> float:
    part = volume.voxels[::_SPARSE, ::_SPARSE, ::_SPARSE]
    return float(np.percentile(part, _BLACK)) * volume.slope + volume.intercept


def _marrow(volume: Volume, canal: Canal, place: float, middle: Floats) -> float:
    """The brightness of a body's marrow."""
    at = int(np.abs(canal.s_mm - place).argmin())
    axes = canal.left[at], canal.back[at], np.cross(canal.left[at], canal.back[at])
    grid = np.stack(np.meshgrid(_BODY_MM, _BODY_MM, _BODY_MM, indexing="ij"), axis=-1)
    values = volume.sample(middle + grid @ np.stack(axes))
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def _planes(volume: Volume, canal: Canal, s: Floats) -> tuple[list[Floats], list[Floats]]:
    """Of each plane beside the midline: the scan (n, depths), NaN outside, and how far behind the canal's middle its wall lies (n,)."""
    index = np.interp(s, canal.s_mm, np.arange(len(canal.s_mm)))
    near = np.rint(index).astype(int)
    centre = np.stack([np.interp(index, np.arange(len(canal.s_mm)), canal.centreline_mm[:, n]) for n in range(3)], axis=1)
    aside = np.array(ASIDE_MM)
    wall = np.array([back_of(canal, at, aside) for at in range(len(canal.s_mm))])
    wall = ndimage.gaussian_filter1d(wall, _SMOOTH_MM / max(float(np.diff(canal.s_mm).mean()), 1e-6), axis=0, mode="nearest")[near]
    planes = []
    for n, mm in enumerate(ASIDE_MM):
        shape = (len(s), len(_BEHIND_MM), len(_AROUND_MM))
        u = np.broadcast_to(mm + np.array(_AROUND_MM), shape)
        v = np.broadcast_to((wall[:, n, None] + _BEHIND_MM)[..., None], shape)
        planes.append(volume.sample_planes(centre, canal.left[near], canal.back[near], u, v, np.nan).mean(axis=2))
    return planes, list(wall.T)


def _ends(planes: list[Floats], walls: list[Floats], way: float) -> Ends:
    """The lower ends (way 1) or upper ends (way -1) of laminae in planes of relative brightness."""
    score, behind, marrow = [], [], []
    inside = np.abs(_BEHIND_MM - sum(_DEPTHS_MM) / 2) <= np.ptp(_DEPTHS_MM) / 2
    for plane, wall in zip(planes, walls):
        missing = ndimage.binary_dilation(np.isnan(plane).any(axis=1), iterations=round(_SLAB_MM[1] / _STEP_MM))
        here = np.clip(np.nan_to_num(plane), 0.0, 2.0).astype(np.float32)
        best, shade = np.full(here.shape, -1.0, dtype=np.float32), np.zeros(here.shape, dtype=np.float32)
        for slope in _SLOPES:
            slab, rim = _kernels(slope, way)
            mean, dark, square = (
                cv2.filter2D(values, -1, kernel, borderType=cv2.BORDER_REPLICATE)
                for values, kernel in ((here, slab), (here, rim), (here * here, slab))
            )
            spread = np.sqrt(np.maximum(square - mean * mean, 0.0))
            log = np.log(np.maximum(mean, 0.05))
            value = (mean - dark - _UNEVEN * spread) / np.maximum(mean, 0.3) - _ODD * np.maximum(np.abs(log) - _ALIKE, 0.0)
            better = value > best
            best, shade = np.where(better, value, best), np.where(better, log, shade)
        best[missing] = -1.0
        best[:, ~inside] = -1.0
        at = best.argmax(axis=1)[:, None]
        score.append(np.take_along_axis(best, at, axis=1)[:, 0])
        marrow.append(np.take_along_axis(shade, at, axis=1)[:, 0])
        behind.append(_BEHIND_MM[at[:, 0]] + wall)
    return Ends(np.array(score), np.array(behind), np.array(marrow))


@cache
def _kernels(slope: float, way: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Means over a lamina's marrow and over the rim beyond its end, on the grid of a plane. way: 1 for its lower end, -1 for its upper."""
    down, deep = (grid * _STEP_MM for grid in np.mgrid[-14:15, -9:10])
    beyond, near = way * down, np.abs(deep - slope * down) <= _THICK_MM / 2
    slab = near & (beyond <= -_SLAB_MM[0]) & (beyond >= -_SLAB_MM[1])
    rim = near & (beyond >= _RIM_MM[0]) & (beyond <= _RIM_MM[1])
    return (slab / slab.sum()).astype(np.float32), (rim / rim.sum()).astype(np.float32)


def _gap(arches: Arches, pair: tuple[Level, Level], place: float, off_mm: float) -> SeenGap | None:
    """The best pair of ends between two neighbours: `place` is where its middle is expected, as a share of the way between them."""
    upper, lower = pair
    apart, s = lower.s_mm - upper.s_mm, arches.s_mm
    rows = slice(*np.searchsorted(s, [upper.s_mm, lower.s_mm + 0.4 * apart]))
    if rows.stop - rows.start < 2:
        return None
    begins, ends = s[rows][:, None] + CORTEX_MM, s[rows][None, :] - CORTEX_MM
    over, under = (_together(part.score)[rows] for part in (arches.lower, arches.upper))
    above, below = (np.median(part.marrow, axis=0)[rows] for part in (arches.lower, arches.upper))
    height, middle = np.maximum(ends - begins, 0.5), (begins + ends) / 2
    odd = (np.log(height / (_HIGHER * _usual_height(upper))) / _HEIGHTS) ** 2 + ((middle - upper.s_mm - place * apart) / off_mm) ** 2
    unlike = np.maximum(np.abs(above[:, None] - below[None, :]) - _SHADE, 0.0)
    total = over[:, None] + under[None, :] + _WEAKER * np.minimum(over[:, None], under[None, :]) - _WEIGHT * odd - _UNLIKE * unlike
    total[ends - begins <= 1.0] = -np.inf
    if not np.isfinite(total).any():
        return None
    one, other = np.unravel_index(int(total.argmax()), total.shape)
    first, last = _in_planes(arches.lower, s, float(s[rows][one])), _in_planes(arches.upper, s, float(s[rows][other]))
    planes = np.arange(len(ASIDE_MM))
    clear = min(float(np.sort(part.score[planes, at])[1]) for part, at in ((arches.lower, first), (arches.upper, last)))
    return SeenGap(
        (upper.name, lower.name), s[first] + CORTEX_MM, s[last] - CORTEX_MM,
        arches.lower.behind_mm[planes, first], arches.upper.behind_mm[planes, last], clear, _amid(arches, pair),
    )  # fmt: skip


def _amid(arches: Arches, pair: tuple[Level, Level]) -> Floats | None:
    tips = [process.tip_mm for process in arches.processes if process.of_mm in (pair[0].s_mm, pair[1].s_mm)]
    return np.asarray(np.mean(tips, axis=0)) if len(tips) == 2 else None


def _together(score: Floats) -> Floats:
    """(n,): the scores of all planes, whose ends may differ by as much as a lamina is oblique."""
    return np.asarray(ndimage.maximum_filter1d(score, 5, axis=1).mean(axis=0))


def _in_planes(ends: Ends, s: Floats, at_mm: float) -> NDArray[np.intp]:
    """(planes,): the place of an end in each plane, near to where all have it."""
    return np.asarray(np.where(np.abs(s - at_mm) <= _NEAR_MM, ends.score, -np.inf).argmax(axis=1))


def _is_clear(gap: SeenGap, pair: tuple[Level, Level], place: float) -> bool:
    """Whether a gap may be called seen: clear ends, alike in all planes, and of a size and a place that windows have."""
    apart = pair[1].s_mm - pair[0].s_mm
    fitting = _FITTING[0] <= gap.height_mm / _usual_height(pair[0]) <= _FITTING[1]
    spread = max(float(np.ptp(gap.begins_mm)), float(np.ptp(gap.ends_mm)))
    return gap.clear >= _CLEAR and fitting and spread <= _SPREAD_MM and abs(_share(gap, pair) - place) * apart <= _FARTHEST_MM


def _in_gap(usual: Window, gap: SeenGap, canal: Canal) -> Window:
    at = int(np.abs(canal.s_mm - gap.middle_mm).argmin())
    middle = behind_wall(canal, at, 0.5 * float(at_level("flavum_mm", usual.between[0])))
    sure = round(min(_UNSURE + _SURER * gap.clear, _SUREST), 2)
    tilt = usual.tilt_deg if gap.amid_mm is None else _tilt_deg(gap.amid_mm, np.array(middle))
    return replace(usual, centre_mm=middle, height_mm=round(gap.height_mm, 1), tilt_deg=tilt, confidence=sure)


def _tilt_deg(start_mm: Floats, end_mm: Floats) -> float:
    """How far the way from one point to another points to the head."""
    way = end_mm - start_mm
    return round(float(np.degrees(np.arcsin(way[2] / np.linalg.norm(way)))), 1)
