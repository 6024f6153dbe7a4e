"""T2 MR: the sac is seen as a bright tube with a dark rim; canal, openings and bodies are built around it and said to be modelled."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.body import body_mask
from planner.anatomy.grid import reduced
from planner.anatomy.levels import DEPTH_MM, TILTS_DEG, Column, Disc, between_borders, bodies, choose_discs, standardised
from planner.anatomy.names import levels_structure, name_levels
from planner.anatomy.norms import at_level
from planner.anatomy.paint import paint_canal, paint_roots, paint_tissue, vertebra_map
from planner.anatomy.reformat import OUTSIDE, RADII, Curve, curve_through, in_sections, polar
from planner.anatomy.roots import find_roots
from planner.anatomy.sac import UNSURE_NAMES, Sac, ellipse, modelled_cord, sizes_along
from planner.anatomy.spine import ANGLES, NOT_CHECKED, Anatomy, Anchor, Canal, Foramen, Level, Side, Structure, Window
from planner.anatomy.wall import Wall, area_of, as_canal, centroids, closed_paths
from planner.geometry import Floats, Volume
from planner.progress import Progress
from planner.refusal import Refusal

_WIDTHS_MM = (8.0, 11.0, 14.0)  # of the bright band from front to back
_RIM_MM = 3.0
_BEHIND_MM = 22.0  # at least this much tissue lies behind the sac; the fat under the skin has less
_LEAST_LENGTH_MM = 60.0
_BODY_DEPTH_MM = 29.0  # of T11 to L5, on the labelled scans
_ALIKE = 0.3  # correlation of neighbouring slices; noise has none, the real scans 0.9
_STANDS_OUT = 0.25  # of the tube over its rim, in means of the tissue around
_END_MM, _DARKER = 120, 0.8  # over this length at the foot end of the canal its end is looked for; how dark it is below
_CORTEX_MM = 1.0  # from the canal's front wall into the body
_STEEP = 0.15  # a border of a body that is steeper than this, of its mean value a mm, is as good as any
_WAY_OUT = "Choose a T2 series that shows the bright sac in its middle slices, or draw the canal."


def find_in_mr(volume: Volume, anchor: Anchor | None, progress: Progress) -> Anatomy:
    """The anatomy of a T2-weighted volume (algorithms 1.3). Raises Refusal where no bright tube of 60 mm or more is found."""
    alike = _likeness(volume)
    if alike < _ALIKE:
        raise Refusal(f"No spinal canal was found: neighbouring slices have little in common ({alike:.2f}, {_ALIKE} is needed).", _WAY_OUT)
    search = reduced(volume)
    progress(0.1, "Finding the body")
    threshold = _body_threshold(search)
    body = _body_of(search, threshold)
    even = _evened(search, body)
    progress(0.25, "Following the sac")
    points, clarity = _track(even, body)
    curve, radius, edge, brightness = _sac_wall(volume, curve_through(points, 6.0))
    progress(0.5, "Counting the vertebrae")
    wall = Wall(_canal_around(radius), np.broadcast_to(edge < 0.2, radius.shape).copy())
    sure = np.clip(clarity * 0.4 + 0.6 * edge.mean(axis=1) / 0.6, 0.05, 0.9)
    canal = as_canal(curve, wall, sure)
    column = _column(volume, curve, wall.radius_mm)
    levels, anchor = name_levels(bodies(curve, column), anchor, _guess)
    seen, radius = radius, radius * _above_its_end(canal, levels, brightness)[:, None]
    canal = _canal_of_levels(canal, levels, seen)
    levels = _centred(volume, curve, canal, levels)
    radius = np.minimum(radius, np.maximum(canal.wall_mm - 0.5, 0.0))
    sure_names = anchor is not None and anchor.by == "user"
    names = "" if sure_names else UNSURE_NAMES
    cord = modelled_cord(canal, levels, radius)
    sac = Sac(
        radius, cord, edge > 0.2, False,
        Structure("found", round(float(np.clip(edge.mean() / 0.7, 0.3, 0.9)), 2), None),
        Structure("modelled", 0.4, f"The cord is modelled inside the sac.{names}"),
    )  # fmt: skip
    progress(0.65, "Placing the openings")
    foramina = _foramina(volume, canal, column, levels)
    windows = _windows(canal, column, levels)
    roots = find_roots(volume, np.inf, canal, sac, foramina)
    progress(0.75, "Writing labels")
    none = np.zeros(search.frame.shape, dtype=np.bool_)
    where = vertebra_map(search.frame, none, canal, column, levels, windows)
    soft = np.maximum(np.maximum(where.body, where.disc), 1)
    labels = paint_tissue(volume, search.frame, body, none, soft, where.bone, threshold, np.inf)
    paint_canal(labels, volume.frame, canal, radius, cord, np.zeros(len(radius)))
    paint_roots(labels, volume.frame, roots)
    width = volume.frame.spacing_mm[2] * (volume.frame.shape[2] - 1)
    narrow = f"The scan is {width:.0f} mm wide from left to right."
    foramina_missing = Structure("not checked", None, f"{narrow} The foramina lie outside it.")
    skin_cut = float(np.any(labels[:, :, [0, -1]] > 0, axis=1).mean()) > 0.05
    structures = {
        "canal": Structure("modelled", round(float(np.median(sure)), 2), "The wall is built around the sac; bone is not told apart in MR."),
        "sac": sac.sac,
        "cord": sac.cord,
        "levels": levels_structure(levels, anchor),
        "foramina": Structure("modelled", 0.3, "Foramina have the usual size of their level.") if foramina else foramina_missing,
        "windows": Structure("modelled", 0.3, "Windows have the usual size and tilt of their level.") if windows else NOT_CHECKED,
        "roots": Structure("modelled", 0.3, "Roots are modelled tubes, not seen.") if roots else foramina_missing,
        "skin": Structure("found", 0.8, f"{narrow} The skin at the left or right lies outside it." if skin_cut else None),
        "bone": Structure("not checked", None, "Bone is not told apart in MR; only the bodies of the vertebrae are modelled."),
        "discs": Structure("modelled", 0.4, "Discs have the usual height of their level."),
        **{
            name: Structure("not checked", None, f"The program does not look for {name} in MR.")
            for name in ("lung", "bowel gas", "kidney", "aorta", "vena cava", "vertebral artery", "ligamentum flavum")
        },
    }
    progress(1.0, "Anatomy found")
    return Anatomy(volume.frame, volume.modality, labels, structures, canal, levels, foramina, windows, roots, anchor)


def _likeness(volume: Volume) -> float:
    """Correlation of each slice with the next in the middle of the scan."""
    middle = volume.frame.shape[2] // 2
    slab = volume.voxels[:, :, max(0, middle - 5) : middle + 6].astype(np.float64)
    one, other = slab[:-1].ravel(), slab[1:].ravel()
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _body_threshold(search: Volume) -> float:
    """Between air and tissue: above the noise of the air behind the back, where the scan shows any."""
    low, high = (float(value) for value in np.percentile(search.voxels[:, ::2, ::2], [2, 99]))
    usual = low + 0.06 * (high - low)
    air = float(np.percentile(search.voxels[:, -4:], 75))
    return max(usual, 1.3 * air) if 1.3 * air < 0.3 * high else usual


def _body_of(search: Volume, threshold: float) -> NDArray[np.bool_]:
    """The body where its inside may be as dark as the noise: smoothed, then filled from the first to the last tissue of a column."""
    quiet = ndimage.gaussian_filter(search.voxels.astype(np.float32), [1.5 / s for s in search.frame.spacing_mm])
    body = body_mask(Volume(search.frame, quiet.astype(np.int16), "MR"), threshold)
    behind = np.flip(np.maximum.accumulate(np.flip(body, 1), axis=1), 1)
    return np.asarray(np.maximum.accumulate(body, axis=1) & behind)


def _evened(search: Volume, body: NDArray[np.bool_]) -> Volume:
    """The scan over its own wide average inside the body: about 1 in tissue, whatever the coil does (algorithms 1.3, bias)."""
    values = np.where(body, search.voxels, 0).astype(np.float32)
    sigma = [25.0 / s for s in search.frame.spacing_mm]
    small = (slice(None, None, 4),) * 2 + (slice(None, None, 2),)
    reduced_sigma = (sigma[0] / 4, sigma[1] / 4, sigma[2] / 2)
    top = ndimage.gaussian_filter(values[small], reduced_sigma)
    share = ndimage.gaussian_filter(body[small].astype(np.float32), reduced_sigma)
    mean = np.where(share > 0.05, top / np.maximum(share, 0.05), 1.0)
    factors = [n / m for n, m in zip(values.shape, mean.shape)]
    wide = ndimage.zoom(mean, factors, order=1)[: values.shape[0], : values.shape[1], : values.shape[2]]
    even = np.clip(values / np.maximum(wide, 1e-3), 0.0, 6.0)
    return Volume(search.frame, even.astype(np.float32), "MR")


@njit(cache=True, nogil=True)
def _best_rows(gain: Floats, reach: int, cost: float) -> NDArray[np.int64]:
    """The best path through (slice, row); steps of at most `reach` rows a slice; it may begin and end anywhere."""
    nk, nj = gain.shape
    value = np.zeros((nk, nj))
    source = np.full((nk, nj), -1, dtype=np.int64)
    best, bk, bj = -1.0, 0, 0
    for k in range(nk):
        for j in range(nj):
            top, back = 0.0, -1
            if k > 0:
                for d in range(-reach, reach + 1):
                    p = j + d
                    if 0 <= p < nj and value[k - 1, p] - cost * d * d > top:
                        top, back = value[k - 1, p] - cost * d * d, p
            value[k, j] = top + gain[k, j]
            source[k, j] = back
            if value[k, j] > best:
                best, bk, bj = value[k, j], k, j
    out = np.empty((nk, 2), dtype=np.int64)
    count = 0
    while True:
        out[count, 0], out[count, 1] = bk, bj
        count += 1
        if source[bk, bj] < 0:
            break
        bj = source[bk, bj]
        bk -= 1
    return out[:count]


def _track(even: Volume, body: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Points (n, 3) head to foot along the bright tube, and 0..1 how clearly it stands out. Raises Refusal without one."""
    spacing = even.frame.spacing_mm
    _nk, nj, ni = even.frame.shape
    half = max(1, round(6.0 / spacing[2]))
    slab = even.voxels[:, :, max(0, ni // 2 - half) : ni // 2 + half + 1].mean(axis=2)
    slab = ndimage.gaussian_filter(slab, (2.5 / spacing[0], 0.7 / spacing[1]))
    ridge = np.full(slab.shape, -np.inf)
    for width in _WIDTHS_MM:
        inner = ndimage.uniform_filter1d(slab, max(1, round(0.7 * width / spacing[1])), axis=1)
        rim = ndimage.minimum_filter1d(slab, max(1, round(_RIM_MM / spacing[1])), axis=1)
        shift = round((width / 2 + 0.5 * _RIM_MM) / spacing[1])
        front, back = np.roll(rim, shift, axis=1), np.roll(rim, -shift, axis=1)
        ridge = np.maximum(ridge, inner - np.maximum(front, back))
    inside = np.any(body, axis=2)
    last = np.where(inside.any(axis=1), nj - 1 - inside[:, ::-1].argmax(axis=1), 0)
    depth = (last[:, None] - np.arange(nj)[None]) * spacing[1]
    scale = max(float(np.percentile(ridge[(depth > _BEHIND_MM)], 99)), 1e-3) if (depth > _BEHIND_MM).any() else 1.0
    score = np.where((depth > _BEHIND_MM) & (depth < 130.0), np.clip(ridge / scale, -0.5, 1.2), -0.5)
    path = _best_rows(score - 0.15, 2, 0.05)
    length = len(path) * spacing[0]
    clarity = float(np.median(score[path[:, 0], path[:, 1]]))
    stands_out = float(np.median(ridge[path[:, 0], path[:, 1]]))
    if length < _LEAST_LENGTH_MM or clarity < 0.25:
        sentence = f"No spinal canal was found: the longest bright tube is {length:.0f} mm, {_LEAST_LENGTH_MM:.0f} mm are needed."
        raise Refusal(sentence, _WAY_OUT)
    if stands_out < _STANDS_OUT:
        raise Refusal(f"No spinal canal was found: no tube stands out from its rim ({stands_out:.2f}, {_STANDS_OUT} is needed).", _WAY_OUT)
    lateral = np.stack([even.voxels[k, max(0, j - 2) : j + 3].mean(axis=0) for k, j in path])
    lateral = ndimage.gaussian_filter(lateral, (10.0 / spacing[0], 3.0 / spacing[2]), mode="nearest")
    beside = round(11.0 / spacing[2])
    padded = np.pad(lateral, ((0, 0), (beside, beside)), mode="edge")
    lateral = lateral - 0.5 * (padded[:, : -2 * beside] + padded[:, 2 * beside :])
    aside = (np.arange(ni) - (ni - 1) / 2) * spacing[2]
    lateral = 0.5 + lateral / max(float(np.percentile(lateral, 98)), 1e-3) - (aside / 14.0) ** 2
    columns = _best_rows(lateral, 1, 0.3)
    column_at = np.interp(np.arange(len(path)), columns[::-1, 0], columns[::-1, 1])
    index = np.stack([path[:, 0], path[:, 1], column_at], axis=1)
    return even.frame.to_world(index), clarity


def _sac_wall(volume: Volume, curve: Curve) -> tuple[Curve, Floats, Floats, Floats]:
    """(curve, radius (n, ANGLES), edge strength 0..1 (n, ANGLES), brightness (n,)) of the tube: polar paths on the fall of the signal."""
    brightness, radius, strength = np.zeros(0), np.zeros((0, ANGLES)), np.zeros((0, ANGLES))
    for turn in range(3):
        rays = polar(volume, curve)
        rays = ndimage.gaussian_filter(np.where(rays == OUTSIDE, 0.0, rays), (1.5, 1.0, 1.2), mode=("nearest", "wrap", "nearest"))
        brightness = np.percentile(rays[:, :, :8].reshape(len(rays), -1), 75, axis=1)
        inner = ndimage.median_filter(brightness, 31, mode="nearest")
        fall = -np.gradient(rays / np.maximum(inner, 1e-3)[:, None, None], RADII, axis=2)
        strong = np.clip(fall / 0.15, 0.0, 1.0)
        prior = _usual(strong)
        dark = np.cumsum(rays < 0.45 * inner[:, None, None], axis=2) * 0.12  # the tube ends where it first turns dark
        cost = 1.0 - strong + dark + 0.2 * ((RADII - prior[..., None]) / 3.0) ** 2
        index = np.zeros(cost.shape[:2], dtype=np.int64)
        closed_paths(np.ascontiguousarray(cost), 0.3, index)
        radius = ndimage.gaussian_filter(RADII[index], (2.0, 1.0), mode=("nearest", "wrap"))
        strength = np.take_along_axis(strong, index[..., None], axis=2)[..., 0]
        if turn < 2:
            u, v = centroids(radius)
            curve = curve_through(curve.points_mm + u[:, None] * curve.left + v[:, None] * curve.back, 5.0)
    return curve, radius, strength, brightness


def _above_its_end(canal: Canal, levels: tuple[Level, ...], brightness: Floats) -> Floats:
    """(n,): 1 along the sac, 0 below its end: where the brightness falls for good, below the middle of S1 and nowhere above it, since a sac
    that is dark higher up is narrow or full of flow, and one that is left out is a hazard that nobody sees."""
    n = len(brightness)
    inside = np.ones(n)
    first = next((_place(canal, level.s_mm) for level in levels if level.name == "S1"), n)
    above = max(0, n - _END_MM)
    if first >= n - 5:
        return inside
    sums = [
        float(np.var(brightness[above:at]) * (at - above) + np.var(brightness[at:]) * (n - at)) if at - above >= 5 else np.inf
        for at in range(first, n - 4)
    ]
    end = first + int(np.argmin(sums))
    if np.median(brightness[end:]) < _DARKER * np.median(brightness[max(0, end - _END_MM // 2) : end]):
        inside[end:] = 0.0
    return inside


def _centred(volume: Volume, curve: Curve, canal: Canal, levels: tuple[Level, ...]) -> tuple[Level, ...]:
    """The levels with their bodies' middles between the borders that are seen at back and front."""
    n = len(curve.points_mm)
    u, depth = np.arange(-8.0, 8.1, 2.0), np.arange(0.0, 56.0, 0.5)
    shape = (n, len(depth), len(u))
    block = in_sections(volume, curve, np.broadcast_to(u, shape), np.broadcast_to(-depth[:, None], shape))
    profile = np.where(block == OUTSIDE, 0.0, block).mean(axis=2)
    back, across = np.arange(3.0, 20.0, 0.5), np.arange(24.0, 38.1, 0.5)
    out = []
    for at, level in enumerate(levels):
        around = levels[max(at - 1, 0) : at + 2]
        gap = (around[-1].s_mm - around[0].s_mm) / max(1, len(around) - 1)
        rows = np.abs(canal.s_mm - level.s_mm) < 0.28 * gap  # the body without its rims
        if len(around) < 2 or not rows.any():
            out.append(level)
            continue
        mean = ndimage.gaussian_filter1d(profile[rows].mean(axis=0), 2.0)
        steep = np.minimum(np.abs(np.gradient(mean, 0.5)) / max(float(np.median(mean)), 1e-6), _STEEP)
        expected = float(np.median(canal.wall_mm[rows, ANGLES * 3 // 4]))
        borders = np.interp(back, depth, steep)[:, None] + np.interp(back[:, None] + across, depth, steep)
        off = back[:, None] - expected - _CORTEX_MM
        odd = ((across - _BODY_DEPTH_MM) / 3.0) ** 2 + (off / 3.0) ** 2 + 100.0 * (np.abs(off) > 6.0)
        b, c = divmod(int((borders - 0.01 * odd).argmax()), len(across))
        here = _place(canal, level.s_mm)
        x, y, z = canal.centreline_mm[here] - (back[b] + across[c] / 2) * canal.back[here]
        out.append(replace(level, centre_mm=(float(x), float(y), float(z))))
    return tuple(out)


def _usual(strong: Floats) -> Floats:
    """(n, ANGLES): where the edge usually lies in each direction along 60 mm; an ellipse of 7 by 8 mm where it is never strong."""
    weight = strong * ((RADII > 3.0) & (RADII < 14.0))
    total = ndimage.uniform_filter1d(weight, 61, axis=0, mode="nearest")
    total = ndimage.gaussian_filter1d(total, 1.5, axis=1, mode="wrap")
    usual = RADII[total.argmax(axis=2)]
    return np.asarray(np.clip(ndimage.gaussian_filter1d(usual, 2.0, axis=1, mode="wrap"), 5.0, 11.0))


def _canal_around(sac_mm: Floats) -> Floats:
    """(n, ANGLES): the canal's wall around a seen sac: a film in front, more at the sides, the fat behind (clinical.md 3.3)."""
    theta = np.arange(ANGLES) * 2 * np.pi / ANGLES
    behind, before = np.clip(np.sin(theta), 0, 1), np.clip(-np.sin(theta), 0, 1)
    room = 1.5 + 2.5 * behind**2 - 0.5 * before
    return np.asarray(ndimage.gaussian_filter1d(sac_mm, 4.0, axis=0, mode="nearest") + room)


def _canal_of_levels(canal: Canal, levels: tuple[Level, ...], sac_mm: Floats) -> Canal:
    """The canal with the usual width and depth of its levels, scaled to this patient's sac, from the fat in front of the sac backward."""
    if not levels:
        return canal
    usual, sac = sizes_along(canal, levels, "canal_size_mm"), sizes_along(canal, levels, "sac_size_mm")
    smooth = ndimage.gaussian_filter1d(sac_mm, 6.0, axis=0, mode="nearest")
    gap = np.interp(canal.s_mm, [level.s_mm for level in levels], [float(at_level("ventral_fat_mm", level.name)) for level in levels])
    front, width = smooth[:, ANGLES * 3 // 4] + gap, smooth[:, 0] + smooth[:, ANGLES // 2]
    scale = float(np.clip(np.median(width / sac[:, 1]), 0.9, 1.15))
    front = np.minimum(front, 0.75 * scale * usual[:, 0])
    wall = ellipse(front, np.maximum(scale * usual[:, 0] - front, 2.0), 0.5 * scale * usual[:, 1])
    wall = np.maximum(ndimage.gaussian_filter1d(wall, 3.0, axis=0, mode="nearest"), np.minimum(sac_mm + 0.6, wall + 2.0))
    return replace(canal, wall_mm=wall, area_mm2=area_of(wall))


def _column(volume: Volume, curve: Curve, wall_mm: Floats) -> Column:
    """Discs in front of the canal by the changes along it: the borders of a disc change, a body does not, whatever the contrast."""
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
        steep = np.abs(ndimage.gaussian_filter1d(turned, 1.0, order=1, mode="nearest"))
        change.append(ndimage.gaussian_filter1d(steep, 3.5, mode="nearest"))
    stack = np.array(change)
    stack = stack / max(float(stack.std()), 1e-9) - 0.6 * slopes[:, None] ** 2
    best = stack.argmax(axis=0)
    signal = standardised(stack[best, np.arange(n)])
    evidence = signal / max(float(signal.std()), 1e-6)
    discs = []
    for a in choose_discs(evidence, shortest=22):
        place, slope = between_borders(profile, depth, int(a), slopes[np.abs(slopes - slopes[best[a]]) < 0.3], 7.0)
        discs.append(Disc(float(np.interp(place, at, curve.s_mm)), slope, float(evidence[a])))
    return Column(tuple(discs), front, _BODY_DEPTH_MM, evidence, np.ones((n, 2)))


def _guess(found: list[tuple[float, tuple[float, float, float], float]]) -> Anchor:
    """A name for the lowest vertebra in view: the program sees neither ribs nor wings in a narrow MR, so it hardly knows."""
    return Anchor("L5", found[-1][1], "program", 0.2)


def _place(canal: Canal, s_mm: float) -> int:
    return int(np.abs(canal.s_mm - s_mm).argmin())


def _foramina(volume: Volume, canal: Canal, column: Column, levels: tuple[Level, ...]) -> tuple[Foramen, ...]:
    """Foramina beside and above each disc, of their level's usual size, where the scan is wide enough to hold them."""
    out = []
    for upper, lower in itertools.pairwise(levels):
        if upper.name[0] == "S":
            continue
        at = _place(canal, 0.55 * upper.s_mm + 0.45 * lower.s_mm - 2.0)
        height, width = at_level("foramen_mm", upper.name)
        for side, sign, direction in (("left", 1.0, 0), ("right", -1.0, ANGLES // 2)):
            beside = float(canal.wall_mm[at, direction]) + 0.5 * float(at_level("pedicle_width_mm", upper.name))
            centre = canal.centreline_mm[at] + sign * beside * canal.left[at] - 4.0 * canal.back[at]
            if not volume.frame.contains(centre + sign * 10.0 * canal.left[at]):
                continue
            x, y, z = centre
            ax, ay, az = sign * canal.left[at]
            name: Side = "left" if side == "left" else "right"
            place, axis = (float(x), float(y), float(z)), (float(ax), float(ay), float(az))
            out.append(Foramen((upper.name, lower.name), name, place, axis, float(height), float(width), 0.3))
    return tuple(out)


def _windows(canal: Canal, column: Column, levels: tuple[Level, ...]) -> tuple[Window, ...]:
    """Windows behind each disc, of their level's usual size and tilt."""
    out = []
    for upper, lower in itertools.pairwise(levels):
        if upper.name[0] == "S":
            continue
        height, width, tilt = at_level("window_mm", upper.name)
        at = _place(canal, 0.5 * (upper.s_mm + lower.s_mm) + 4.0)
        x, y, z = canal.centreline_mm[at] + (float(canal.wall_mm[at, ANGLES // 4]) + 1.0) * canal.back[at]
        out.append(Window((upper.name, lower.name), (float(x), float(y), float(z)), float(height), float(width), float(tilt), 0.3))
    return tuple(out)
