"""Discs, bodies and openings in an MR: borders are seen along the canal, openings take their level's usual size."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from scipy import ndimage

from planner.anatomy.beside import turned
from planner.anatomy.levels import (
    DEPTH_MM,
    TILTS_DEG,
    Column,
    Disc,
    Row,
    amid_borders,
    between_borders,
    choose_discs,
    place_along,
    standardised,
)
from planner.anatomy.norms import at_level
from planner.anatomy.reformat import OUTSIDE, Curve, in_sections
from planner.anatomy.spine import ANGLES, Canal, Foramen, Level, Side, Structure, Window
from planner.anatomy.windows import back_of
from planner.geometry import Floats, Volume

_BODY_DEPTH_MM = 29.0  # of T11 to L5, on the labelled scans
_CORTEX_MM = 1.0  # from the canal's front wall into the body
_FORAMEN_ABOVE_MM = (0.0, 3.0, 6.0)  # the middle of a foramen lies about so far above the middle of its disc
_TRUSTED = 5.0  # the sides count in full where their correlation with the borders is a fifth
_PLAIN = 2.0  # a border that stands out by more, in its own spread, says no more: the end of the sacrum does
_DARKER_COUNTS = 2.0  # as much as the borders and the sides
WINDOW_PLACE = 0.7  # of the middle of a window between the middles of two bodies
_NECK_MM, _THINNER = (12.0, 24.0), 0.8  # from one vertebra of a neck to the next; slices that show its discs, of the height of one
_OFF_MM = (1.5, 3.0)  # spread of the back of a body before and behind where the canal's wall shows it: it is seldom nearer than the wall
_STEEP = 0.15  # a border of a body that is steeper than this, of its mean value a mm, is as good as any


def find_discs(volume: Volume, curve: Curve, wall_mm: Floats, openness: Floats, shortest_mm: int, darker: bool = False) -> Column:
    """Discs in front of the canal by the changes along it (the borders of a disc change, a body does not, whatever the contrast), and by
    the sides of the canal, which are open at the foramina.

    wall_mm (n, ANGLES): about the canal's wall; openness (n, 2): of its left and right, 0 closed to 1 open. shortest_mm:
    from disc to disc. darker: discs are darker than bodies, as on T1; elsewhere either may be.
    """
    n = len(curve.points_mm)
    front = ndimage.gaussian_filter1d(wall_mm[:, ANGLES * 3 // 4], 6.0, mode="nearest") + 1.0
    u, depth = np.arange(-8.0, 8.1, 2.0), np.arange(4.0, 28.0, 1.5)
    shape = (n, len(depth), len(u))
    v = -(front[:, None] + depth)
    block = in_sections(volume, curve, np.broadcast_to(u, shape), np.broadcast_to(v[:, :, None], shape))
    profile = np.where(block == OUTSIDE, 0.0, block).mean(axis=2)
    profile = profile / np.maximum(ndimage.gaussian_filter(profile, (25.0, 4.0), mode="nearest"), 1e-3)
    at = np.arange(n, dtype=np.float64)
    slopes = np.tan(np.radians(TILTS_DEG))
    change = []
    for slope in slopes:
        turned = np.mean([np.interp(at + slope * (d - DEPTH_MM), at, profile[:, m]) for m, d in enumerate(depth)], axis=0)
        steep = np.abs(ndimage.gaussian_filter1d(turned, 1.2, order=1, mode="nearest"))
        change.append(ndimage.gaussian_filter1d(amid_borders(steep, at), 2.0, mode="nearest"))
    stack = np.array(change)
    stack = stack / max(float(stack.std()), 1e-9) - 0.6 * slopes[:, None] ** 2
    best = stack.argmax(axis=0)
    borders = np.minimum(standardised(stack[best, at.astype(int)]), _PLAIN)
    lateral = ndimage.gaussian_filter1d(openness.mean(axis=1), 2.5, mode="nearest")
    sides = [standardised(np.interp(at - above, at, lateral)) for above in _FORAMEN_ABOVE_MM]
    match = [float(np.corrcoef(borders, side)[0, 1]) if side.std() > 1e-6 else 0.0 for side in sides]
    best_side = int(np.argmax(match))
    signal = borders + np.clip(_TRUSTED * match[best_side], 0.0, 1.0) * sides[best_side]
    if darker:
        signal = signal - _DARKER_COUNTS * standardised(ndimage.gaussian_filter1d(profile.mean(axis=1), 2.0, mode="nearest"))
    evidence = signal / max(float(signal.std()), 1e-6)
    discs = []
    for a in choose_discs(evidence, shortest_mm):
        place, slope = between_borders(profile, depth, int(a), slopes[np.abs(slopes - slopes[best[a]]) < 0.3], 7.0)
        discs.append(Disc(float(np.interp(place, at, curve.s_mm)), slope, float(evidence[a])))
    return Column(tuple(discs), front, _BODY_DEPTH_MM, evidence, openness)


def centred(volume: Volume, canal: Canal, row: Row) -> Row:
    """The vertebrae with their bodies' middles between the borders that are seen at back and front."""
    curve, s = row.curve, canal.s_mm
    u, depth = np.arange(-8.0, 8.1, 2.0), np.arange(0.0, 56.0, 0.5)
    shape = (len(s), len(depth), len(u))
    block = in_sections(volume, curve, np.broadcast_to(u, shape), np.broadcast_to(-depth[:, None], shape))
    profile = np.where(block == OUTSIDE, 0.0, block).mean(axis=2)
    back, across = np.arange(3.0, 20.0, 0.5), np.arange(24.0, 38.1, 0.5)
    out = []
    for at, (place, middle, sure) in enumerate(row.bodies):
        around = row.bodies[max(at - 1, 0) : at + 2]
        gap = (around[-1][0] - around[0][0]) / max(1, len(around) - 1)
        rows = np.abs(s - place) < 0.28 * gap  # the body without its rims
        if len(around) > 1 and rows.any():
            mean = ndimage.gaussian_filter1d(profile[rows].mean(axis=0), 2.0)
            steep = np.minimum(np.abs(np.gradient(mean, 0.5)) / max(float(np.median(mean)), 1e-6), _STEEP)
            expected = float(np.median(canal.wall_mm[rows, ANGLES * 3 // 4]))
            borders = np.interp(back, depth, steep)[:, None] + np.interp(back[:, None] + across, depth, steep)
            off = back[:, None] - expected - _CORTEX_MM
            odd = ((across - _BODY_DEPTH_MM) / 3.0) ** 2 + (off / np.where(off < 0, *_OFF_MM)) ** 2 + 100.0 * (np.abs(off) > 6.0)
            b, c = divmod(int((borders - 0.01 * odd).argmax()), len(across))
            here = _place(canal, place)
            x, y, z = canal.centreline_mm[here] - (back[b] + across[c] / 2) * canal.back[here]
            middle = (float(x), float(y), float(z))
        out.append((place, middle, sure))
    return Row(curve, tuple(out))


def counted(volume: Volume, row: Row, neck: bool) -> Row:
    """The vertebrae, or none where they cannot be counted: in a neck whose slices are as thick as its discs, which then show nowhere
    between the bodies, or whose vertebrae would be nearer to each other or farther apart than those of a neck are."""
    apart = np.diff([place for place, _, _ in row.bodies])
    usual = not len(apart) or _NECK_MM[0] <= float(np.median(apart)) <= _NECK_MM[1]
    thin = volume.frame.spacing_mm[0] <= _THINNER * float(at_level("disc_height_mm", "C5"))
    return row if not neck or (usual and thin) else Row(row.curve, ())


def uncounted(volume: Volume) -> Structure:
    """How levels are known where `counted` leaves none."""
    apart = f"{volume.frame.spacing_mm[0]:.1f} mm apart"
    return Structure("not checked", None, f"Vertebrae are not counted: in slices {apart} no disc was told.")


def with_discs_between(column: Column, row: Row) -> Column:
    """The column with its front where the bodies and the discs between them lie.

    A disc lies where the axes of its two bodies meet: half way between their middles only where they run straight on, farther to the front
    where the spine is bent between them, as at L5-S1."""
    curve, bodies = row.curve, row.bodies
    if not bodies:
        return column
    places, middles = [place for place, _, _ in bodies], [np.array(middle) for _, middle, _ in bodies]
    axes = [curve.tangent[int(np.abs(curve.s_mm - place).argmin())] for place in places]
    for (one, down), (other, up) in itertools.pairwise(list(zip(middles, axes))):
        way = float(np.linalg.norm(other - one))
        middles.append((one + other) / 2 + way * (down - up) / 4)
    known = sorted((place, -behind) for place, _, behind in (place_along(curve, middle) for middle in middles))
    there, deep = (np.array(part) for part in zip(*known))
    off = deep - column.depth_mm / 2 - np.interp(there, curve.s_mm, column.front_mm)
    return replace(column, front_mm=column.front_mm + np.interp(curve.s_mm, there, off))


def _place(canal: Canal, s_mm: float) -> int:
    return int(np.abs(canal.s_mm - s_mm).argmin())


def usual_foramina(volume: Volume, canal: Canal, column: Column, levels: tuple[Level, ...]) -> tuple[Foramen, ...]:
    """Foramina beside and above each disc, of their level's usual size, where the scan is wide enough to hold them."""
    out = []
    for upper, lower in itertools.pairwise(levels):
        if upper.name[0] == "S":
            continue
        at = _place(canal, 0.55 * upper.s_mm + 0.45 * lower.s_mm - 3.0)
        height, width = at_level("foramen_mm", upper.name)
        for side, sign, direction in (("left", 1.0, 0), ("right", -1.0, ANGLES // 2)):
            beside = float(canal.wall_mm[at, direction]) + 0.5 * float(at_level("pedicle_width_mm", upper.name))
            centre = canal.centreline_mm[at] + sign * beside * canal.left[at] - 4.0 * canal.back[at]
            if not volume.shows(centre + sign * 10.0 * canal.left[at]):
                continue
            x, y, z = centre
            ax, ay, az = sign * canal.left[at]
            name: Side = "left" if side == "left" else "right"
            place, axis = (float(x), float(y), float(z)), (float(ax), float(ay), float(az))
            out.append(Foramen((upper.name, lower.name), name, place, axis, float(height), float(width), 0.3))
    return tuple(out)


def usual_windows(canal: Canal, levels: tuple[Level, ...]) -> tuple[Window, ...]:
    """Windows a little below each disc, of their level's usual size and tilt."""
    out = []
    for upper, lower in itertools.pairwise(levels):
        if upper.name[0] == "S":
            continue
        height, width, tilt = at_level("window_mm", upper.name)
        at = _place(canal, (1.0 - WINDOW_PLACE) * upper.s_mm + WINDOW_PLACE * lower.s_mm)
        middle = behind_wall(canal, at, 0.5 * float(at_level("flavum_mm", upper.name)))
        out.append(Window((upper.name, lower.name), middle, float(height), float(width), float(tilt), 0.3))
    return tuple(out)


def behind_wall(canal: Canal, at: int, beyond_mm: float) -> tuple[float, float, float]:
    """The place so far beyond the canal's back wall in the plane that halves the vertebra, which turns as the front wall does."""
    turn = turned(canal, at, float(canal.s_mm[-1]) / max(len(canal.s_mm) - 1, 1))
    aside = -turn * float(canal.wall_mm[at, ANGLES // 4])
    back = float(back_of(canal, at, np.array([aside]))[0]) + beyond_mm
    x, y, z = canal.centreline_mm[at] + aside * canal.left[at] + back * canal.back[at]
    return float(x), float(y), float(z)
