"""What a person orients by on each vertebra of an MR: pedicles, seen as grey marrow in a dark rim, joints, the edges of the laminae, the
tip of the spinous process, the midline."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.anatomy.beside import turned
from planner.anatomy.landmarks import midline
from planner.anatomy.mr.foramina import STEP_MM, hole
from planner.anatomy.mr.joints import facets_of
from planner.anatomy.mr.spinous import SeenProcess
from planner.anatomy.mr.windows import ASIDE_MM, CORTEX_MM, Arches, SeenGap
from planner.anatomy.norms import at_level
from planner.anatomy.spine import ANGLES, NOT_CHECKED, Canal, Lamina, Landmarks, Level, Pedicle, Side, Structure
from planner.geometry import Floats, Volume

_ABOVE = 0.12  # of the way to the next vertebra: so far above the middle of its body lies the middle of a pedicle
_DOWN_MM: Floats = np.arange(-14.0, 14.1, STEP_MM)  # toward the feet of there
_OUT_MM: Floats = np.arange(-4.0, 22.1, STEP_MM)  # from the canal's wall to the side
_DEPTHS_MM = np.array([2.0, 2.75, 3.5, 4.25, 5.0])  # behind the canal's front wall; in front of that is the body, behind it the arch
_WALL_MM = 3.0  # the wall beside it is a median over so much to both sides
_HEIGHT, _HEIGHTS = 0.45, (0.75, 0.9, 1.05, 1.2, 1.4)  # usual, of the way to the next vertebra; what is tried, of that
_NARROWER_MM, _NARROWEST_MM = (3.0, 1.5, 0.0), 2.0  # its marrow, than the whole of a usual pedicle; no marrow seen is narrower
_SIDE_CORTEX_MM = 1.25  # at its sides, thinner than above and below
_FARTHEST_MM, _OUT_FARTHEST_MM = 6.5, 5.0  # from the usual place, along the canal and to the side
_SPREAD_MM, _OUT_SPREAD_MM, _HEIGHT_SPREAD, _WEIGHT = 4.0, 2.5, 0.3, 0.04  # what is unusual counts so much
_UNEVEN, _ODD, _ALIKE = 0.5, 0.5, 0.5  # what marrow loses that is streaky, or darker or brighter than the body's beyond a factor
_RIM_WIDE = 3  # samples: a rim thinner than a voxel is as dark as the darkest so near
_CLEAR, _CLEARER, _THICK_MM = 0.35, 0.4, 2.5  # marrow brighter than its rim by this share of itself is seen; in larger voxels, that blur
_CLOSED = 0.1  # and so much on each of its four sides: veins, or marrow beside muscle, are open
_UNSURE, _SUREST = 0.3, 0.7  # confidence of the faintest that is seen, and of the clearest


def see_landmarks(
    volume: Volume, canal: Canal, arches: Arches, gaps: Sequence[SeenGap], levels: tuple[Level, ...]
) -> tuple[Landmarks, ...]:
    """The landmarks of every vertebra, head to foot; what is not seen is left out, or None."""
    step_mm = float(canal.s_mm[-1]) / max(len(canal.s_mm) - 1, 1)
    found = []
    for above, level, below in zip([None, *levels], levels, [*levels[1:], None]):
        pedicles = _pedicles(volume, canal, arches, level, _next_mm(levels, level), step_mm)
        over = next((gap for gap in gaps if above is not None and gap.between == (above.name, level.name)), None)
        under = next((gap for gap in gaps if gap.between[0] == level.name), None)
        process = next((one for one in arches.processes if one.of_mm == level.s_mm and level.name[0] in "TL"), None)
        middle, normal = midline(canal, level, pedicles, step_mm)
        if process is not None:
            normal = _normal(canal, middle, process)
        tip = None if process is None else _point(process.tip_mm)
        facets = facets_of(arches.joints, level, below) if below is not None and level.name[0] in "TL" else ()
        found.append(Landmarks(level.name, pedicles, facets, _laminae(canal, over, under), tip, _point(middle), _point(normal)))
    return tuple(found)


def seen_landmarks_structure(landmarks: tuple[Landmarks, ...]) -> Structure:
    """How the landmarks as a whole are known, and where they are not."""
    expected = [marks for marks in landmarks if marks.vertebra[0] in "TL"]
    both = [marks.vertebra for marks in expected if len(marks.pedicles) == 2]
    edged = [marks.vertebra for marks in expected if marks.laminae]
    if not any(marks.pedicles or marks.facets or marks.laminae or marks.spinous_tip_mm is not None for marks in expected):
        return NOT_CHECKED
    tipped = [marks.vertebra for marks in expected if marks.spinous_tip_mm is not None]
    jointed = [marks.vertebra for marks in expected if len(marks.facets) == 2]
    rows = (
        ("Not both pedicles were seen at", both), ("Not both joints were seen below", jointed), ("No edge of a lamina was seen at", edged),
        ("No spinous process was seen at", tipped),
    )  # fmt: skip
    words = []
    for sentence, seen in rows:
        missing = [marks.vertebra for marks in expected if marks.vertebra not in seen]
        words += [f"{sentence} {', '.join(missing)}."] if missing else []
    share = sum(len(seen) for _, seen in rows) / (len(rows) * len(expected))
    return Structure("found", round(_UNSURE + 0.3 * share, 2), " ".join(words) or None)


def _normal(canal: Canal, middle: Floats, process: SeenProcess) -> Floats:
    """The normal, to the left, of the plane along the canal that goes through the tip of a spinous process."""
    at = canal.nearest(middle)
    away = process.tip_mm - middle
    normal = float(away @ canal.back[at]) * canal.left[at] - float(away @ canal.left[at]) * canal.back[at]
    return np.asarray(normal / np.linalg.norm(normal))


def _next_mm(levels: tuple[Level, ...], level: Level) -> float:
    """The mean way to the neighbours along the canal."""
    at = levels.index(level)
    around = levels[max(at - 1, 0) : at + 2]
    return (around[-1].s_mm - around[0].s_mm) / max(1, len(around) - 1)


def _laminae(canal: Canal, over: SeenGap | None, under: SeenGap | None) -> tuple[Lamina, ...]:
    """The edges of a lamina on both sides, in the outermost planes that were looked at: the lower one where the gap below it begins, the
    upper one where the gap above it ends."""
    found = []
    sides: tuple[tuple[Side, int], ...] = (("left", len(ASIDE_MM) - 1), ("right", 0))
    for side, plane in sides:
        upper = None if over is None else _behind(canal, float(over.ends_mm[plane]), ASIDE_MM[plane], float(over.below_mm[plane]))
        lower = None if under is None else _behind(canal, float(under.begins_mm[plane]), ASIDE_MM[plane], float(under.above_mm[plane]))
        if upper is not None or lower is not None:
            found.append(Lamina(side, upper, lower))
    return tuple(found)


def _behind(canal: Canal, s_mm: float, aside_mm: float, back_mm: float) -> tuple[float, float, float]:
    at = int(np.abs(canal.s_mm - s_mm).argmin())
    return _point(canal.centreline_mm[at] + aside_mm * canal.left[at] + back_mm * canal.back[at])


def _pedicles(volume: Volume, canal: Canal, arches: Arches, level: Level, next_mm: float, step_mm: float) -> tuple[Pedicle, ...]:
    """The pedicles of a vertebra of T or L whose marrow is seen, left before right."""
    marrow = float(np.interp(level.s_mm, arches.s_mm, arches.marrow))
    if level.name[0] not in "TL" or marrow <= 0 or next_mm <= 0:
        return ()
    sides: tuple[tuple[Side, float], ...] = (("left", 1.0), ("right", -1.0))
    seen = (_pedicle(volume, canal, arches, level, side, sign, marrow, next_mm, step_mm) for side, sign in sides)
    return tuple(pedicle for pedicle in seen if pedicle is not None)


def _pedicle(
    volume: Volume, canal: Canal, arches: Arches, level: Level, side: Side, sign: float, marrow: float, next_mm: float, step_mm: float
) -> Pedicle | None:
    usual = float(at_level("pedicle_width_mm", level.name))
    first_mm = level.s_mm - _ABOVE * next_mm
    middle = int(np.abs(canal.s_mm - first_mm).argmin())
    near = np.abs(canal.s_mm - first_mm) <= _WALL_MM
    if not near.any():
        return None
    wall = float(np.median(canal.wall_mm[near, 0 if sign > 0 else ANGLES // 2]))
    front = float(np.median(canal.wall_mm[near, ANGLES * 3 // 4]))
    turn = sign * turned(canal, middle, step_mm)
    out = wall + _OUT_MM
    relative = (_plane(volume, canal, first_mm, sign, out, turn * out - front) - arches.black) / marrow
    if np.isnan(relative).any():
        return None
    seen = _fitting(np.clip(relative, 0.0, 2.0).astype(np.float32), _OUT_MM - usual / 2, usual, next_mm)
    least = _CLEARER if max(volume.frame.spacing_mm) > _THICK_MM else _CLEAR
    if seen is None or seen[-1] < least:
        return None
    down, at_out, height, width, clear = seen
    aside = wall + at_out + usual / 2
    behind = turn * aside - front + float(_DEPTHS_MM.mean())
    at = int(np.abs(canal.s_mm - first_mm - down).argmin())
    centre = canal.centreline_mm[at] + sign * aside * canal.left[at] + behind * canal.back[at]
    axis = -(canal.back[at] - sign * turn * canal.left[at]) / np.hypot(1.0, turn)
    sure = level.confidence * float(np.clip(_UNSURE + clear - least, _UNSURE, _SUREST))
    return Pedicle(level.name, side, _point(centre), _point(axis), width, height, sure)


def _plane(volume: Volume, canal: Canal, first_mm: float, sign: float, out: Floats, behind: Floats) -> Floats:
    """(down, out): the scan in the plane of the pedicles on one side, a mean over their length; NaN outside it."""
    rows = np.interp(first_mm + _DOWN_MM, canal.s_mm, np.arange(len(canal.s_mm)))
    near = np.rint(rows).astype(int)
    centre = np.stack([np.interp(rows, np.arange(len(canal.s_mm)), canal.centreline_mm[:, n]) for n in range(3)], axis=1)
    shape = (len(rows), len(out), len(_DEPTHS_MM))
    u, v = np.broadcast_to(out[:, None], shape), np.broadcast_to(behind[:, None] + _DEPTHS_MM, shape)
    return np.asarray(volume.sample_planes(centre, sign * canal.left[near], canal.back[near], u, v, np.nan).mean(axis=2))


def _fitting(relative: NDArray[np.float32], off_mm: Floats, usual: float, next_mm: float) -> tuple[float, ...] | None:
    """The pedicle that fits a plane best (down, out of the usual place, height, width, how much brighter than its rim it is); None where
    its rim is open at a side, or the best lies at the border of where one may lie. off_mm: the columns' distance from the usual place."""
    down, out = _DOWN_MM[:, None], off_mm[None, :]
    darkest = cv2.erode(relative, np.ones((_RIM_WIDE, _RIM_WIDE), dtype=np.uint8))
    near = (np.abs(down) <= _FARTHEST_MM) & (np.abs(out) <= _OUT_FARTHEST_MM)
    best: tuple[float, ...] | None = None
    closed = 0.0
    for share, narrower in itertools.product(_HEIGHTS, _NARROWER_MM):
        height = round(share * _HEIGHT * next_mm - 2.0, 1)
        width = round(max(usual - narrower, _NARROWEST_MM), 1)
        inside, rim = _parts(height, width)
        dark, mean, square = (
            cv2.filter2D(values, -1, kernel, borderType=cv2.BORDER_REPLICATE)
            for values, kernel in ((darkest, rim), (relative, inside), (relative * relative, inside))
        )
        clear = mean - dark
        spread = np.sqrt(np.maximum(square - mean * mean, 0.0))
        strange = np.maximum(np.abs(np.log(np.maximum(mean, 0.05))) - _ALIKE, 0.0)
        odd = (down / _SPREAD_MM) ** 2 + (out / _OUT_SPREAD_MM) ** 2 + ((share - 1.0) / _HEIGHT_SPREAD) ** 2
        score = (clear - _UNEVEN * spread) / np.maximum(mean, 0.3) - _ODD * strange - _WEIGHT * odd
        score = np.where(near, score, -np.inf)
        k, m = np.unravel_index(int(score.argmax()), score.shape)
        if best is None or score[k, m] > best[0]:
            shown = float(clear[k, m] / max(float(mean[k, m]), 1e-3))
            closed = 1.0 - _open_side(darkest, int(k), int(m), rim) / max(float(mean[k, m]), 1e-3)
            best = (float(score[k, m]), float(_DOWN_MM[k]), float(off_mm[m]), height + 2 * CORTEX_MM, width + 2 * _SIDE_CORTEX_MM, shown)
    if best is None or closed < _CLOSED or abs(best[1]) > _FARTHEST_MM - STEP_MM:
        return None
    return best[1:]


def _open_side(darkest: NDArray[np.float32], row: int, column: int, rim: NDArray[np.float32]) -> float:
    """How bright a rim around a place is on the brightest of its four sides."""
    tall, wide = (size // 2 for size in rim.shape)
    around = np.pad(darkest, ((tall, tall), (wide, wide)), mode="edge")[row : row + 2 * tall + 1, column : column + 2 * wide + 1]
    down, out = np.mgrid[-tall : tall + 1, -wide : wide + 1]
    above = np.abs(down) * wide > np.abs(out) * tall
    sides = (above & (down < 0), above & (down > 0), ~above & (out < 0), ~above & (out > 0))
    return max(float(np.average(around, weights=rim * side)) for side in sides if (rim * side).any())


@cache
def _parts(height: float, width: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean inside and the mean of its rim, as kernels on the grid."""
    whole = hole(height, width)
    return np.maximum(whole, 0.0), np.maximum(-whole, 0.0)


def _point(values: Floats) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
