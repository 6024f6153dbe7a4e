"""T1: the scan turned over, so that fluid is bright, the cord grey and fat dark, and the sac can be followed as on T2."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.grid import reduced, values_of
from planner.anatomy.levels import openness_of
from planner.anatomy.mr.sac import SeenSac, moved, sac_along
from planner.anatomy.reformat import OUTSIDE, RADIAL_MM, RADII, STEP_MM, THETA, Curve, curve_through, polar
from planner.anatomy.spine import ANGLES
from planner.anatomy.wall import Wall, area_of, centroids, find_wall
from planner.geometry import Floats, Volume

_SHARES = (0.12, 0.35, 0.55, 0.8)  # of the fat's brightness: fluid and what is darker, cord and muscle, marrow, fat (clinical.md 3.6)
_TURNED = (1000.0, 550.0, 150.0, 0.0)  # what they are in the scan turned over: as T2 without fat shows them
_BLOCK_MM, _AROUND_MM, _EVEN_MM = 6.0, 60.0, 20.0  # fat is what is brightest, in blocks of the first, within the second
_SOLID = 600.0  # what a rim is as if it were HU of bone, so that the wall of CT is found in it
_BRIGHT, _DARK = 0.35, 0.22  # of the fat's brightness: veins and marrow are brighter than the one, ligament and bone darker than the other
_THIN_MM, _DEEP = 2.5, 0.15  # a dark line is thinner and so much darker than both its sides
_FILM_MM, _GAP_MM = 0.8, 2.0  # of the dura; more than this is no dura and no vein, but fluid or bone
_CORTEX_MM, _REACH_MM = 1.0, 6.0  # of cortical bone before marrow, which lies so near to the sac
_MARROW_MM, _NO_FAT = 8.0, 0.62  # over so much, more than a root is thick, marrow is darker than this
_ASIDE = (np.abs(np.cos(THETA)) > 0.6)[:, None]  # where pedicles are; veins as grey as marrow lie in front
_LINE_MM = 9.0  # so far from the sac a dark line, where there is one, is the wall's
_LEVEL_MM, _LEVEL = 2.0, 0.01  # of the fat's brightness, over so much: what grows no more than this is marrow throughout
_TAPERS = 0.65  # of its usual area
_ROOT_ANGLES = 11  # so many directions a root hides at most
_EDGE_MM = (0.5, 2.5)  # beyond the sac's outline fat shows within so much
_FAT = 0.7  # of the fat's brightness: as bright as this is fat, no marrow
_EDGE = 0.62  # of the way from the rim up to what is brighter inside: there the wall lies, as on T2
_NEAR_MM, _BRIGHT_MM, _DIP = 1.5, 2.5, 0.1  # the rim is so near to the wall and what is brighter to the rim, by so much
_FAT_ON_T2 = 0.6  # of the fluid's brightness (clinical.md 3.6)
_MUSCLE = 500.0  # about, in the scan turned over
T1_ENDS = 0.1  # of a clear tube: what bounds it on T1 changes from body to disc, and some of it bounds it hardly
_TUBE_MM = 40.0  # around the path, which is rough, the scan is turned over in its own voxels
_WELL_INSIDE, _LIT, _STEADY_MM = 0.9, 0.87, 9  # of the outline; of the fluid's brightness, over this length: the sac has not ended
_RUN_MM = 15  # a sac is as bright as fluid over more than this
_BELOW_MM, _STRAIGHT_MM, _TURNS, _BENDS_MM = 40, 20, 5, 5.0  # so far below the sac; straight on as it ran over so much; turn by turn
_TAIL_MM = 60  # above its end the sac is seen with what follows below it
_INSIDE_MM = 3.0  # the axis stays this far inside the sac


def fat_of(search: Volume, body: NDArray[np.bool_]) -> Volume:
    """How bright fat is at each place (float32, a grid of 6 mm): the brightest within 30 mm, evened, since coils see some parts better."""
    inside = replace(search, voxels=np.where(body, search.voxels, 0).astype(search.voxels.dtype))
    blocks = reduced(inside, _BLOCK_MM)
    step = blocks.frame.spacing_mm
    brightest = ndimage.maximum_filter(blocks.voxels.astype(np.float32), [max(1, round(_AROUND_MM / s)) for s in step], mode="nearest")
    return replace(blocks, voxels=ndimage.gaussian_filter(brightest, [_EVEN_MM / s for s in step], mode="nearest"))


def around(volume: Volume, points_mm: Floats) -> Volume:
    """The part of a scan around a canal."""
    box = volume.frame.box_around(points_mm, _TUBE_MM)
    frame = volume.frame.crop([part.start for part in box], [part.stop for part in box])
    return replace(volume, frame=frame, voxels=volume.voxels[box])


def turned_over(volume: Volume, fat: Volume) -> Volume:
    """The scan (int16) with fluid at 1000, the cord at 550 and fat at 0; bone and air, which are darker than fluid, are as fluid."""
    frame, coarse = volume.frame, fat.frame
    step = np.array(frame.spacing_mm) / np.array(coarse.spacing_mm)
    start = coarse.to_index(frame.to_world((0, 0, 0)))
    out = np.empty(frame.shape, dtype=np.int16)
    for k, plane in enumerate(out):
        values = values_of(volume, (slice(k, k + 1), slice(None), slice(None)))
        _turn_over(values[0], fat.voxels, start + (k * step[0], 0.0, 0.0), step, np.array(_SHARES), np.array(_TURNED), plane)
    return Volume(frame, out, "MR", field=volume.field)


@njit(cache=True, nogil=True)
def _turn_over(
    values: NDArray[np.float32], fat: Floats, start: Floats, step: Floats, shares: Floats, turned: Floats, out: NDArray[np.int16]
) -> None:
    """Each value of a slice over the fat's brightness there (linear between its places, start and n * step along rows and columns), and
    what that share turns into, linear between those that are given."""
    last = np.array(fat.shape) - 1
    z = min(max(start[0], 0.0), float(last[0]))
    k0 = min(int(z), max(last[0] - 1, 0))
    k1 = min(k0 + 1, last[0])
    plane = fat[k0] + (z - k0) * (fat[k1] - fat[k0])
    for j in range(values.shape[0]):
        y = min(max(start[1] + j * step[1], 0.0), float(last[1]))
        j0 = min(int(y), max(last[1] - 1, 0))
        j1 = min(j0 + 1, last[1])
        row = plane[j0] + (y - j0) * (plane[j1] - plane[j0])
        for i in range(values.shape[1]):
            x = min(max(start[2] + i * step[2], 0.0), float(last[2]))
            i0 = min(int(x), max(last[2] - 1, 0))
            bright = row[i0] + (x - i0) * (row[min(i0 + 1, last[2])] - row[i0])
            share = values[j, i] / max(bright, 1.0)
            at = 1
            while at < len(shares) - 1 and share > shares[at]:
                at += 1
            part = min(max((share - shares[at - 1]) / (shares[at] - shares[at - 1]), 0.0), 1.0)
            out[j, i] = int(turned[at - 1] + part * (turned[at] - turned[at - 1]))


def turned_body(search: Volume, body: NDArray[np.bool_], fat: Volume) -> Volume:
    """The body turned over (float32), about 1 in muscle, as `track` wants it: there are no other values than these, so none are evened."""
    out = np.zeros(body.shape, dtype=np.float32)
    for plane, turned, inside in zip(out, turned_over(search, fat).voxels, body):
        np.divide(turned, _MUSCLE, out=plane, where=inside)
    return Volume(search.frame, out, "MR")


def see_canal_by_fat(volume: Volume, fluid: Volume, sac: SeenSac, fat: Volume) -> tuple[SeenSac, Wall, Floats]:
    """The wall around a seen sac, centred on what it encloses, the sac in these cross-sections, and how much of the left and right side of
    the wall has no dark rim, (n, 2) 0..1: foramina. fluid: the scan turned over, in which the sac was seen. Below the sac's end the canal
    goes on through the fat that fills it there."""
    curve, end = _lengthened(volume, fluid, sac, fat)
    sac = _ended(sac_along(fluid, curve), end)
    wall, _ = _wall(volume, sac, fat)
    u, v = centroids(wall.radius_mm)
    away = np.hypot(u, v)
    direction = np.rint(np.arctan2(v, u) / (2 * np.pi) * ANGLES).astype(np.intp) % ANGLES
    room = np.maximum(sac.radius_mm[np.arange(len(u)), direction] - _INSIDE_MM, 0.0)
    room[end:] = away[end:]
    share = np.minimum(1.0, room / np.maximum(away, 1e-6))
    sac = _ended(sac_along(fluid, moved(curve, share * u, share * v)), end)
    wall, rim = _wall(volume, sac, fat)
    return sac, wall, openness_of(rim, wall.radius_mm, RADII, 0.5)


def _end_of(fluid: Volume, sac: SeenSac) -> int:
    """The section in which the sac has ended: below it what lies in the outline is nowhere as bright as fluid for long."""
    rays = polar(fluid, sac.curve)
    inside = np.where(sac.radius_mm[..., None] * _WELL_INSIDE > RADII, rays, np.nan).reshape(len(rays), -1)
    level = ndimage.median_filter(np.nanmedian(inside, axis=1), _STEADY_MM, mode="nearest")
    run_of, count = ndimage.label(level > _LIT * np.percentile(level, 90))
    lengths = np.bincount(run_of)
    last = max((n for n in range(1, count + 1) if lengths[n] >= _RUN_MM), default=0)  # below its end the path may cross bone, dark too
    return int(np.flatnonzero(run_of == last)[-1]) + 1 if last else len(level)


def _lengthened(volume: Volume, fluid: Volume, sac: SeenSac, fat: Volume) -> tuple[Curve, int]:
    """The sac's curve, below its end straight on and centred in the fat as far as there is fat; and the section in which the sac ends."""
    end, count = _end_of(fluid, sac), len(sac.fluid)
    below = min(count - end, _BELOW_MM)
    if below < _STEADY_MM:
        return sac.curve, count
    sure = max(end - _STEADY_MM, 2)
    first = max(sure - _TAIL_MM, 0)
    points = sac.curve.points_mm[first:sure]  # what was followed below the end draws the last of them aside
    onward = points[-1] - points[-min(len(points), _STRAIGHT_MM)]
    steps = np.arange(1, below + end - sure + 1)[:, None] * onward * STEP_MM / max(float(np.linalg.norm(onward)), 1e-6)
    curve = curve_through(np.concatenate([points, points[-1] + steps]), 2.0)
    for _ in range(_TURNS):
        wall, _ = _wall(volume, _ended(sac_along(fluid, curve), end - first), fat)
        u, v = centroids(wall.radius_mm)
        beyond = np.clip((np.arange(len(u)) - (sure - first)) / _STEADY_MM, 0.0, 1.0)
        curve = moved(curve, beyond * u, beyond * v, _BENDS_MM)
    inside = np.median(_shares(volume, curve, fat)[:, :, RADII < _INSIDE_MM].reshape(len(curve.points_mm), -1), axis=1)
    bare = np.flatnonzero(ndimage.median_filter(inside, 5, mode="nearest") < _FAT)
    last = int(bare[bare > end - first + _STEADY_MM].min(initial=len(inside)))
    return curve_through(np.concatenate([sac.curve.points_mm[:first], curve.points_mm[:last]]), 1.0), min(end, first + last)


def _ended(sac: SeenSac, end: int) -> SeenSac:
    """The sac without what lies below its end."""
    there = np.arange(len(sac.fluid)) < end
    return replace(sac, radius_mm=sac.radius_mm * there[:, None], edge=sac.edge * there[:, None], fluid=sac.fluid * there)


def _wall(volume: Volume, sac: SeenSac, fat: Volume) -> tuple[Wall, Floats]:
    """The wall around a sac, and the dark rim (n, ANGLES, radii) in which it was found."""
    shares = ndimage.gaussian_filter(_shares(volume, sac.curve, fat), (0.8, 0.6, 0.5), mode=("nearest", "wrap", "nearest"))
    rim = _rim(shares, sac.radius_mm)
    wall = find_wall(_SOLID * rim, 0.5 * _SOLID, max(volume.frame.spacing_mm[1:]))
    return replace(wall, radius_mm=_on_the_edge(shares, wall, sac.radius_mm)), rim


def _rim(shares: Floats, sac_mm: Floats) -> Floats:
    """(n, ANGLES, radii) 0..1: where the wall is and 2 mm beyond.

    Beyond fat or veins it is what is dark, or a dark line before marrow, or marrow itself where voxels are too wide for the line: no fat
    follows it. Where marrow shows and nothing brighter before it, fluid, bone and ligament look alike: the wall is the bone's thickness
    before the marrow, or, against the sac, where it no longer grows brighter. Where nothing bright shows it is not seen.
    """
    off = RADII - sac_mm[..., None]
    sides = ndimage.grey_closing(shares, (1, 1, round(_THIN_MM / RADIAL_MM)))  # a dark line as bright as the darker of its sides
    line = np.clip((sides - shares) / _DEEP, 0.0, 1.0) * (sides < _FAT)  # a root lies between fat and fat
    dark = np.maximum(np.clip(1.0 - 0.5 * shares / _DARK, 0.0, 1.0), line)
    bright = (shares > _BRIGHT) & (off > -1.0) & (off < _REACH_MM)
    rise = np.where(bright.any(axis=2), RADII[bright.argmax(axis=2)], np.inf)[..., None]
    near = (rise <= RADII) & (rise + _EDGE_MM[1] >= RADII)
    fat = np.where(near, shares, 0.0).max(axis=2, keepdims=True) > _FAT
    beyond = (rise < RADII) & (off > _FILM_MM)
    dark = np.where(beyond, dark, 0.0)
    lined = np.where(off < _LINE_MM, dark, 0.0).max(axis=2, keepdims=True) > 0.5
    level = _brightest_ahead(shares, _LEVEL_MM) < shares + _LEVEL
    rootless = ndimage.grey_closing(shares, (1, _ROOT_ANGLES, 1), mode="wrap")  # a root is as bright as the fat on both its sides
    marrow = (_brightest_ahead(rootless, _MARROW_MM) < _NO_FAT) & (fat | level) & beyond & _untapered(sac_mm) & ~lined & _ASIDE
    dark = np.maximum(dark, np.maximum.accumulate(marrow, axis=2))
    on_the_sac = rise < sac_mm[..., None] + _GAP_MM
    solid = np.where(fat | on_the_sac, dark, rise - _CORTEX_MM <= RADII)
    return np.asarray(ndimage.maximum_filter1d(solid, 5, axis=2, origin=2))


def _untapered(sac_mm: Floats) -> NDArray[np.bool_]:
    """(n, 1, 1): where the sac has its usual size; where it tapers roots as grey as marrow lie beside it."""
    area = area_of(sac_mm)
    return np.asarray(area > _TAPERS * np.median(area))[:, None, None]


def _brightest_ahead(shares: Floats, reach_mm: float) -> Floats:
    """(n, ANGLES, radii): the brightest from a radius to so much farther out."""
    size = 2 * (round(reach_mm / RADIAL_MM) // 2) + 1
    return np.asarray(ndimage.maximum_filter1d(shares, size, axis=2, origin=-(size // 2), mode="nearest"))


def _shares(volume: Volume, curve: Curve, fat: Volume) -> Floats:
    """(n, ANGLES, radii): values as shares of the fat's brightness."""
    rays = polar(volume, curve)
    return np.where(rays == OUTSIDE, 0.0, rays) / brightness_along(curve, fat)[:, None, None]


def _on_the_edge(shares: Floats, wall: Wall, sac_mm: Floats) -> Floats:
    """(n, ANGLES): the wall half way from the fat or the veins inside down to the darkest of the rim, however thin the rim is."""
    off = RADII - wall.radius_mm[..., None]
    darkest = np.where(np.abs(off) <= _NEAR_MM, shares, np.inf).argmin(axis=2)
    rim = RADII[darkest][..., None]
    low = np.take_along_axis(shares, darkest[..., None], axis=2)
    within = (rim - _BRIGHT_MM <= RADII) & (rim >= RADII) & (sac_mm[..., None] < RADII)
    high = np.where(within, shares, -np.inf).max(axis=2, keepdims=True)
    level = low + _EDGE * (high - low)
    over = within & (shares > level)
    at = np.minimum(len(RADII) - 1 - over[..., ::-1].argmax(axis=2), len(RADII) - 2)[..., None]  # the outermost that is brighter
    near, far = np.take_along_axis(shares, at, axis=2), np.take_along_axis(shares, at + 1, axis=2)
    edge = RADII[at] + RADIAL_MM * np.clip((near - level) / np.maximum(near - far, 1e-3), 0.0, 1.0)
    clear = over.any(axis=2) & (high - low > _DIP)[..., 0] & ~wall.bridged
    radius = np.where(clear, edge[..., 0], wall.radius_mm)
    return np.asarray(ndimage.gaussian_filter(radius, (0.8, 0.7), mode=("nearest", "wrap")))


def brightness_along(curve: Curve, fat: Volume) -> Floats:
    """(n,): how bright fat is beside each point of a curve."""
    index = fat.frame.to_index(curve.points_mm)
    return np.asarray(ndimage.map_coordinates(fat.voxels, index.T, order=1, mode="nearest"), dtype=np.float64)


def lit_by_fat(sac: SeenSac, fat: Volume) -> SeenSac:
    """The sac with fluid as bright as it would be beside this fat on T2."""
    return replace(sac, fluid=brightness_along(sac.curve, fat) / _FAT_ON_T2, dark=0.0)


def seen_beside_fat(volume: Volume, sac: SeenSac, fat: Volume) -> SeenSac:
    """The sac with an edge that counts as seen only where fat lies against it: to bone and ligament fluid has no edge on T1."""
    shares = polar(volume, sac.curve) / brightness_along(sac.curve, fat)[:, None, None]
    beyond = RADII - sac.radius_mm[..., None]
    brightest = np.where((beyond >= _EDGE_MM[0]) & (beyond <= _EDGE_MM[1]), shares, 0.0).max(axis=2)
    return replace(sac, edge=sac.edge * np.clip((brightest - _FAT + 0.1) / 0.2, 0.0, 1.0))
