"""The thecal sac and the cord inside the canal: seen where contrast or fat shows them, else modelled from the level's size."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.cord import SeenCord, see_cord
from planner.anatomy.labels import numbering_of
from planner.anatomy.norms import at_level
from planner.anatomy.reformat import RADIAL_MM, RADII, THETA, Curve, percentile_of_seen, polar
from planner.anatomy.spine import ANGLES, Canal, Conus, Level, SacSections, Structure
from planner.evidence import evidence, number
from planner.geometry import Floats, Volume

FAT_HU = -100.0
_FAT_HU = -30.0  # below this is fat, or some of it
_OPACIFIED_HU = 130.0  # a sac of this median or more holds contrast
_UNNAMED = "T12"  # whose sizes are taken where no level could be told
UNSURE_NAMES = " Its size follows level names that are not confirmed."
_CORD_CONFIDENCE = {True: 0.5, False: 0.3}  # whether the names are sure
_NO_ROOT_HU = 0.0  # beyond contrast this is fat; cord and roots are above it
_CORD_HU = 20.0  # halfway to this lies the edge of contrast
_INNER = 0.75  # of the way to the wall no leak is met
_RIM_MM = 2.0  # what brightens again so near to the wall is the blurred edge of bone, or contrast between sac and bone
_BLUR_MM = 1.5  # two thresholds on one blurred edge are no farther apart
_ENDED_MM = 0.5  # where the model is as thin the sac has ended
_PARTLY = 0.2  # of an outline that is seen against fat
_BLEND_MM = 10.0  # over which a modelled cord joins the one that was seen
_LOWER_THIRD_MM = 8.0  # the conus ends in the lower third of its level
_OFF_SAC_MM = 0.5  # of fluid at least around the cord
_LEAST_MM = 0.4  # dura and film between the sac and the wall


@dataclass(frozen=True, eq=False)
class Sac:
    """The sac and the cord along the canal, and how each of them is known."""

    sections: SacSections
    sac: Structure
    cord: Structure


def ellipse(front_mm: Floats, back_mm: Floats, half_width_mm: Floats) -> Floats:
    """(n, ANGLES): radii from the centreline of ellipses that reach front_mm to the front, back_mm to the back (n,)."""
    middle = ((back_mm - front_mm) / 2)[:, None]
    a, b = half_width_mm[:, None], ((front_mm + back_mm) / 2)[:, None]
    c, s = np.cos(THETA) / a, np.sin(THETA) / b
    along, offset = c**2 + s**2, s * middle / b
    inner = offset**2 - along * ((middle / b) ** 2 - 1.0)
    return np.asarray((offset + np.sqrt(np.maximum(inner, 0.0))) / along)


def sizes_along(canal: Canal, levels: tuple[Level, ...], key: str) -> Floats:
    """(n, 2) of a table of sizes, interpolated along the canal."""
    s = canal.s_mm
    if not levels:
        return np.tile(np.array(at_level(key, _UNNAMED), dtype=np.float64), (len(s), 1))
    places = np.array([level.s_mm for level in levels])
    sizes = np.array([at_level(key, level.name) for level in levels], dtype=np.float64)
    return np.stack([np.interp(s, places, sizes[:, n]) for n in range(2)], axis=1)


def _below(canal: Canal, levels: tuple[Level, ...], name: str) -> Floats:
    """(n,): distance below the middle of a level along the canal; the level's place is extrapolated when it is out of view."""
    if not levels:
        return np.full(len(canal.s_mm), -1000.0)  # without levels the sac and the cord run through: the careful assumption
    names = numbering_of(level.name for level in levels).names
    order = np.array([names.index(level.name) for level in levels], dtype=np.float64)
    places = np.array([level.s_mm for level in levels])
    target = float(names.index(name))
    if len(order) < 2:
        return canal.s_mm - (places[0] + 30.0 * (target - order[0]))
    step = (places[-1] - places[0]) / (order[-1] - order[0])
    here = float(np.interp(target, order, places))
    if target < order[0]:
        here = places[0] + step * (target - order[0])
    elif target > order[-1]:
        here = places[-1] + step * (target - order[-1])
    return canal.s_mm - here


def modelled_sac(canal: Canal, levels: tuple[Level, ...]) -> Floats:
    """(n, ANGLES): a sac of the level's usual share of this canal, a little nearer to the front wall (algorithms 3)."""
    share = sizes_along(canal, levels, "sac_size_mm") / sizes_along(canal, levels, "canal_size_mm")
    wall = ndimage.gaussian_filter1d(canal.wall_mm, 4.0, axis=0, mode="nearest")
    front, back = wall[:, ANGLES * 3 // 4], wall[:, ANGLES // 4]
    width = (wall[:, 0] + wall[:, ANGLES // 2]) / 2
    depth = np.clip(share[:, 0], 0.3, 0.95) * (front + back)
    room = front + back - depth
    ahead = front - number("anatomy.sac_front_share") * room
    radius = ellipse(ahead, depth - ahead, np.clip(share[:, 1], 0.3, 0.95) * width)
    past = _below(canal, levels, str(evidence("anatomy.sac_end_level").value))
    taper = np.clip((number("anatomy.sac_taper_mm") / 2 - past) / number("anatomy.sac_taper_mm"), 0.0, 1.0)
    return np.asarray(np.minimum(radius * np.sqrt(taper)[:, None], np.maximum(wall - _LEAST_MM, 0.3)))


def modelled_cord(canal: Canal, levels: tuple[Level, ...], sac_mm: Floats) -> Floats:
    """(n, ANGLES): a cord of the level's usual size in the middle of the sac, down to the conus; inside the sac everywhere."""
    size = sizes_along(canal, levels, "cord_size_mm")
    past = _below_conus(canal, levels)
    taper = np.clip(-past / number("anatomy.conus_taper_mm"), 0.0, 1.0)
    taper = np.where(past > 0, 0.0, 0.35 + 0.65 * taper)
    middle = (sac_mm[:, ANGLES // 4] - sac_mm[:, ANGLES * 3 // 4]) / 2
    half = size / 2 * taper[:, None]
    radius = ellipse(np.maximum(half[:, 0] - middle, 0.1), np.maximum(half[:, 0] + middle, 0.1), np.maximum(half[:, 1], 0.1))
    return np.asarray(np.where(taper[:, None] > 0, np.minimum(radius, np.maximum(sac_mm - _OFF_SAC_MM, 0.0)), 0.0))


def _below_conus(canal: Canal, levels: tuple[Level, ...]) -> Floats:
    """(n,): distance below the usual end of the cord."""
    return _below(canal, levels, str(evidence("anatomy.conus_level").value)) - _LOWER_THIRD_MM


def modelled_conus(canal: Canal, levels: tuple[Level, ...]) -> Conus | None:
    """Where the cord usually ends; None where that lies outside the canal in view, or no level is known."""
    past = _below_conus(canal, levels)
    return Conus(float(np.interp(0.0, past, canal.s_mm)), "modelled") if levels and past[0] < 0.0 < past[-1] else None


def within_wall(sections: SacSections, wall_mm: Floats) -> SacSections:
    """The sac and the cord where a wall (n, ANGLES) that was moved by hand leaves them less room."""
    room = np.maximum(wall_mm - _LEAST_MM, 0.0)
    fits = sections.radius_mm <= room
    return replace(
        sections,
        radius_mm=np.minimum(sections.radius_mm, room),
        seen=sections.seen & fits,
        cord_mm=np.minimum(sections.cord_mm, room),
    )


@dataclass(frozen=True, eq=False)
class SacSeen:
    """What a CT shows of the sac and the cord, whatever its vertebrae are called. edge_mm: (n, ANGLES), where contrast ends, or where the
    epidural fat begins, inf where there is none. seen: (n, ANGLES), where that is the sac's edge, if a sac is to be expected there. lit:
    (n,), where contrast fills the sac. opacified: whether it does so in most of it. cord: in contrast, None where none is seen."""

    edge_mm: Floats
    seen: NDArray[np.bool_]
    lit: NDArray[np.bool_]
    opacified: bool
    cord: SeenCord | None


def see_sac(volume: Volume, curve: Curve, canal: Canal) -> SacSeen:
    """What shows along the canal's curve: with contrast the half-maximum at the sac's edge, and the cord as the dark core in it; in plain
    CT the inner edge of the epidural fat where there is any (algorithms 1.2)."""
    rays = polar(volume, curve)
    smooth = np.asarray(ndimage.gaussian_filter(rays, (1.0, 0.7, 1.0), mode=("nearest", "wrap", "nearest")))
    inner = _INNER * canal.wall_mm[..., None] > RADII
    core = np.where(inner, smooth, np.nan).reshape(len(smooth), -1)
    bright = ndimage.median_filter(percentile_of_seen(core, 75), 15, mode="nearest")
    lit = bright > _OPACIFIED_HU
    if float(np.median(bright)) <= _OPACIFIED_HU:
        first = _inner_edge_of_fat(smooth, canal)
        return SacSeen(first, np.isfinite(first), lit, False, None)
    last = _opacified_edge(smooth, bright, canal.wall_mm)
    seen = (last > 2.0) & (last < canal.wall_mm - 0.3) & lit[:, None]  # against bone it is not told from it
    cord = see_cord(volume, curve, _joined(last, seen, modelled_sac(canal, ())), lit)
    return SacSeen(last, seen, lit, True, cord)


def find_sac(shown: SacSeen, canal: Canal, levels: tuple[Level, ...], sure_names: bool) -> Sac:
    """The sac and the cord along the canal: where they do not show they have their level's usual size, and blend into what does
    (algorithms 1.2, 3). sure_names: whether the levels' names may be relied on."""
    model = modelled_sac(canal, levels)
    radius, seen = (_joined(shown.edge_mm, shown.seen, model), shown.seen) if shown.opacified else _by_fat(shown, canal, model)
    radius = np.where(model.max(axis=1, keepdims=True) > _ENDED_MM, radius, 0.0)
    cord = _cord_within(shown.cord, radius)
    core_mm, conus = with_cord(cord, canal, levels, radius)
    in_sight = np.zeros(len(radius), dtype=np.bool_) if cord is None else cord.seen
    sections = SacSections(radius, seen & (radius > 0), core_mm, in_sight, conus)
    names = "" if sure_names else UNSURE_NAMES
    sac = _lit_structure(sections, shown.lit, canal, levels) if shown.opacified else _fat_structure(sections, canal, levels, names)
    return Sac(sections, sac, _cord_structure(sections, canal, levels, sure_names))


def _inner_edge_of_fat(smooth: Floats, canal: Canal) -> Floats:
    """(n, ANGLES): where the first fat on each ray within the wall begins, inf where there is none."""
    fat = (smooth < _FAT_HU) & (RADII >= 3.0) & (canal.wall_mm[..., None] - 0.2 > RADII)
    return np.where(fat.any(axis=2), RADII[fat.argmax(axis=2)] - RADIAL_MM / 2, np.inf)


def _by_fat(shown: SacSeen, canal: Canal, model: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """(radius, seen), (n, ANGLES): the sac up to the epidural fat."""
    # fat on the sac's side of half the model is a streak, not the sac's edge
    seen = shown.seen & (shown.edge_mm > 0.55 * model) & (model > 2.0)
    return _joined(np.where(seen, shown.edge_mm, model), seen, np.minimum(model * 1.05, canal.wall_mm - _LEAST_MM)), seen


def _cord_within(cord: SeenCord | None, sac_mm: Floats) -> SeenCord | None:
    """The cord that was seen as far as it lies in the sac; None where nothing of it does."""
    if cord is None:
        return None
    radius = np.minimum(cord.radius_mm, np.maximum(sac_mm - _OFF_SAC_MM, 0.0))
    return replace(cord, radius_mm=radius, seen=cord.seen & radius.any(axis=1)) if radius.any() else None


def with_cord(cord: SeenCord | None, canal: Canal, levels: tuple[Level, ...], sac_mm: Floats) -> tuple[Floats, Conus | None]:
    """(n, ANGLES) of the cord, the modelled one where it was not seen, blended into what was; and its end."""
    model, conus = modelled_cord(canal, levels, sac_mm), modelled_conus(canal, levels)
    if cord is None:
        return model, conus
    rows = np.flatnonzero(cord.radius_mm.any(axis=1))
    first, last = int(rows[0]), int(rows[-1])
    at = np.arange(len(model))
    fade = np.clip(1.0 - np.abs(at - np.clip(at, first, last)) / _BLEND_MM, 0.0, 1.0)[:, None]
    change = cord.radius_mm[np.clip(at, first, last)] - model[np.clip(at, first, last)]
    radius = np.where(model > 0, np.clip(model + fade * change, 0.0, np.maximum(sac_mm - _OFF_SAC_MM, 0.0)), 0.0)
    radius[first : last + 1] = cord.radius_mm[first : last + 1]
    if cord.ends:
        radius[last + 1 :] = 0.0
        return radius, Conus(float(canal.s_mm[last]), "found")
    lowest = float(canal.s_mm[last])
    return radius, conus if conus is None or conus.s_mm > lowest else replace(conus, s_mm=lowest)


def levels_where(here: NDArray[np.bool_], among: NDArray[np.bool_], canal: Canal, levels: tuple[Level, ...]) -> str:
    """The levels where more than half of the sections of `among` are `here`, as `T10-T12, L3`; "" where there is none."""
    if not levels:
        return ""
    nearest = np.abs(canal.s_mm[:, None] - [level.s_mm for level in levels]).argmin(axis=1)
    shares = [float(here[among & (nearest == n)].mean()) if (among & (nearest == n)).any() else 0.0 for n in range(len(levels))]
    runs = [list(run) for held, run in itertools.groupby(range(len(levels)), key=lambda n: shares[n] > 0.5) if held]
    return ", ".join(levels[run[0]].name if len(run) == 1 else f"{levels[run[0]].name}-{levels[run[-1]].name}" for run in runs)


def _lit_structure(sections: SacSections, lit: NDArray[np.bool_], canal: Canal, levels: tuple[Level, ...]) -> Structure:
    there = sections.radius_mm.max(axis=1) > 0
    share = float(lit[there].mean())
    modelled = levels_where(sections.seen_share < 0.5, there, canal, levels)
    unlit = levels_where(~lit, there, canal, levels)
    words = [f"Modelled at {modelled}; seen elsewhere."] if modelled else []
    words += [f"Contrast does not fill it at {unlit}."] if unlit else []
    return Structure("found", round(0.5 + 0.4 * share, 2), " ".join(words) or None)


def _fat_structure(sections: SacSections, canal: Canal, levels: tuple[Level, ...], names: str) -> Structure:
    share = float(sections.seen.mean())
    there = sections.radius_mm.max(axis=1) > 0
    partly = levels_where(sections.seen_share > _PARTLY, there, canal, levels)
    wholly = levels_where(sections.seen_share <= _PARTLY, there, canal, levels)
    words = [f"Its edge was seen against fat in {round(100 * share)} % of its outline{f', at {partly}' if partly else ''}."]
    words += [f"Modelled at {wholly}."] if wholly else []
    return Structure("found" if share > 0.25 else "modelled", round(0.3 + 0.5 * min(share, 0.6), 2), " ".join(words) + names)


def _cord_structure(sections: SacSections, canal: Canal, levels: tuple[Level, ...], sure_names: bool) -> Structure:
    there = sections.cord_mm.max(axis=1) > 0
    names = "" if sure_names else UNSURE_NAMES
    spread = f"its place is uncertain by {number('anatomy.cord_spread_mm'):.1f} mm."
    share = float(sections.cord_seen[there].mean()) if there.any() else 0.0
    if share < 0.5:
        known = "The cord is not seen in CT" if share == 0.0 else "The cord is seen in a small part of the contrast alone"
        return Structure("modelled", _CORD_CONFIDENCE[sure_names], f"{known}; {spread}{names}")
    modelled = levels_where(~sections.cord_seen, there, canal, levels)
    end = sections.conus
    words = [f"Modelled at {modelled}; {spread}"] if modelled else []
    words += ["Its lower end was not seen."] if end is not None and end.provenance != "found" else []
    return Structure("found", round(0.5 + 0.4 * share, 2), " ".join(words) or None)


def with_sure_names(structures: Mapping[str, Structure]) -> dict[str, Structure]:
    """What is said of a CT's sac and cord once a person has confirmed the names of the levels."""
    sac, cord = structures["sac"], structures["cord"]
    sure = {"sac": replace(sac, problem=sac.problem and (sac.problem.removesuffix(UNSURE_NAMES) or None))}
    if cord.provenance == "modelled":
        sure["cord"] = replace(cord, confidence=_CORD_CONFIDENCE[True], problem=cord.problem and cord.problem.removesuffix(UNSURE_NAMES))
    return {**structures, **sure}


def _opacified_edge(smooth: Floats, bright: Floats, wall_mm: Floats) -> Floats:
    """(n, ANGLES): where an opacified sac ends on each ray, at half its own brightness there: contrast layers, so that one side may be half
    as bright as the other.

    Where that lies far beyond the half of the whole sac's brightness, fainter contrast lies against it from outside: there the sac ends at
    the latter, as much farther out as it does elsewhere.
    """
    inner = np.where(_INNER * wall_mm[..., None] > RADII, smooth, -np.inf).max(axis=2)
    here = np.minimum(ndimage.gaussian_filter(inner, (3.0, 3.0), mode=("nearest", "wrap")), bright[:, None])
    strict = _dura(smooth, 0.5 * (bright + _CORD_HU)[:, None, None], wall_mm)
    loose = _dura(smooth, 0.5 * (here + _CORD_HU)[..., None], wall_mm)
    farther = loose - strict
    same = (farther < _BLUR_MM) & (strict > 2.0)
    usual = float(np.median(farther[same])) if same.any() else 0.0
    return np.where(same | (strict <= 2.0), loose, strict + usual)


def _dura(smooth: Floats, level: Floats, wall_mm: Floats) -> Floats:
    """(n, ANGLES): where contrast ends on each ray, 0 where there is none; half way between samples.

    Cord and roots make gaps in it, which are no fat and which contrast ends again; bone behind fat does not belong to it.
    """
    within = wall_mm[..., None] >= RADII
    bright = (smooth > level) & within
    fat = np.cumsum((smooth < _NO_ROOT_HU) & within & (np.cumsum(bright, axis=2) > 0), axis=2) > 0
    bright &= ~fat
    dark = within & ~bright
    last_dark = np.where(dark.any(axis=2), len(RADII) - 1 - dark[..., ::-1].argmax(axis=2), -1)
    rim = wall_mm - RADII[last_dark] < _RIM_MM
    bright &= ~(rim[..., None] & (np.arange(len(RADII)) > last_dark[..., None]))
    last = len(RADII) - 1 - bright[..., ::-1].argmax(axis=2)
    value = np.take_along_axis(smooth, last[..., None], axis=2)[..., 0]
    next_value = np.take_along_axis(smooth, np.minimum(last + 1, len(RADII) - 1)[..., None], axis=2)[..., 0]
    border = np.broadcast_to(level[..., 0], value.shape)
    share = np.clip((value - border) / np.maximum(value - next_value, 1.0), 0.0, 1.0)
    edge = np.where(bright.any(axis=2), RADII[last] + RADIAL_MM * share, 0.0)
    around = ndimage.median_filter(np.pad(edge, ((0, 0), (3, 3)), mode="wrap"), (3, 7), mode="nearest")[:, 3:-3]  # a root dents a few rays
    return np.asarray(np.where(np.abs(edge - around) > 0.7, around, edge))


def _joined(edge: Floats, seen: NDArray[np.bool_], model: Floats) -> Floats:
    """Seen edges joined by the model's shape, moved to meet them: the difference to the model is spread from where it is known."""
    weight = ndimage.gaussian_filter(seen.astype(np.float64), (4.0, 3.0), mode=("nearest", "wrap"))
    change = ndimage.gaussian_filter(np.where(seen, edge - model, 0.0), (4.0, 3.0), mode=("nearest", "wrap"))
    spread = np.where(weight > 1e-3, change / np.maximum(weight, 1e-3), 0.0) * np.clip(weight / 0.1, 0.0, 1.0)
    joined = np.where(seen, 0.7 * edge + 0.3 * (model + spread), model + spread)
    return np.asarray(np.clip(ndimage.gaussian_filter(joined, (0.7, 0.7), mode=("nearest", "wrap")), 0.3, None))
