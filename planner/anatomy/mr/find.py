"""MR: the sac is seen as a bright tube (on T1 in the scan turned over), the canal as the dark rim around it, foramina as fat beside it,
windows between the marrow of the laminae."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from planner.anatomy import labels as codes
from planner.anatomy.body import body_mask
from planner.anatomy.bridges import with_bodies
from planner.anatomy.cord import SeenCord
from planner.anatomy.grid import reduced
from planner.anatomy.levels import Body, Column, Row, bodies
from planner.anatomy.mr.blur import blurred
from planner.anatomy.mr.canal import around_sac, open_sides, see_canal
from planner.anatomy.mr.contrast import Contrast, contrast_of, contrast_on_t1, looks_plain
from planner.anatomy.mr.cord import cord_in, cord_structure, told_from_roots
from planner.anatomy.mr.fluid import relative_to_fluid, see_fluid
from planner.anatomy.mr.foramina import foramina_structure, see_foramina
from planner.anatomy.mr.landmarks import see_landmarks, seen_landmarks_structure
from planner.anatomy.mr.levels import centred, counted, find_discs, uncounted, usual_foramina, with_discs_between
from planner.anatomy.mr.oblique import in_frame_of, in_own_frame
from planner.anatomy.mr.roots import see_roots, seen_structure
from planner.anatomy.mr.sac import SeenSac, above_its_end, see_sac
from planner.anatomy.mr.sacral import SACRAL_ROOTS, shown_by_mr
from planner.anatomy.mr.t1 import (
    T1_ENDS,
    around,
    brightness_along,
    fat_of,
    lit_by_fat,
    see_canal_by_fat,
    seen_beside_fat,
    turned_body,
    turned_over,
)
from planner.anatomy.mr.track import WAY_OUT, evened, track
from planner.anatomy.mr.vertebrae import vertebrae_before
from planner.anatomy.mr.windows import Arches, see_arches, see_gaps, seen_windows, windows_structure
from planner.anatomy.names import confirmed, counted_from, levels_structure, name_levels
from planner.anatomy.paint import CanalVoxels, SpineVoxels, canal_voxels, paint_canal, paint_roots, spine_voxels, vertebra_map
from planner.anatomy.reformat import curve_through
from planner.anatomy.roots import find_roots
from planner.anatomy.sac import UNSURE_NAMES, levels_where, with_cord
from planner.anatomy.sacral import find_sacral_roots
from planner.anatomy.spine import Anatomy, Anchor, Canal, Level, SacSections, Structure
from planner.anatomy.tissue import Painted, Tissue, paint_tissue, tissue_of
from planner.anatomy.wall import Wall, as_canal
from planner.evidence import evidence
from planner.geometry import Floats, Frame, Volume
from planner.progress import Progress, part
from planner.refusal import Refusal

_ALIKE = 0.3  # correlation of neighbouring slices; noise has none, the real scans 0.9
_MODELLED = 0.4  # confidence of a wall that is built around the sac
_NECK_WIDTH_MM = 200.0  # a trunk is wider
_SHORTEST_MM, _SHORTEST_IN_NECK_MM = 22, 15  # from disc to disc, of T8 to S1 and of the neck
_NARROWEST = 0.7  # of the least area of a canal at any level: a child's, or one narrowed along most of its way
_VERTEBRAE = 0.4  # how alike bodies and discs change along a canal: 0.46 (a neck in slices of 5 mm, turned by 20 deg) to 1 there
_HARDLY = 0.35  # a section of whose outline less is seen
_CONUS_SAYS = 0.4  # how sure a name is that rests on the conus, T12 to L2 in most
_SEEN = 0.3  # an edge of the sac this clear counts as seen
_CLEARER = 0.8  # of the bright tube's clarity: a dark tube less clear lies beside a bright one that is there, as a cord amid dark bone
_NO_FLUID = Structure("not checked", None, "Fluid outside the sac is looked for on T2 alone; against the sac it may be counted to it.")
_NOT_LOOKED_FOR = ("lung", "bowel gas", "kidney", "aorta", "vena cava", "vertebral artery", "ligamentum flavum")


@dataclass(frozen=True, eq=False)
class _Seen:
    """What of an MR is the same whatever its vertebrae are called. tissue, spine, inside: what labels are painted by, and the voxels of the
    spine and the canal. sac, cord: along the canal. lit: the sac with fluid as bright as it would be in the scan on T2. row: the vertebrae
    without names. canal_known: how the canal is known. contrast: what weights the scan. arches: the laminae's ends, None where their marrow
    cannot be told. around: brightness around the sac, on T2."""

    volume: Volume
    tissue: Tissue
    spine: SpineVoxels
    inside: CanalVoxels
    sac: SeenSac
    lit: SeenSac
    cord: SeenCord | None
    canal: Canal
    column: Column
    row: Row
    canal_known: Structure
    contrast: Contrast
    arches: Arches | None
    around: Floats | None


@dataclass(frozen=True, eq=False)
class _Tube:
    """The sac and the wall around it. fluid: the scan in which fluid is bright. lit: the sac with fluid as bright as it would be in the
    scan on T2. about_mm: (n, ANGLES), about where the wall is. openness: (n, 2), of the wall's left and right."""

    contrast: Contrast
    fluid: Volume
    sac: SeenSac
    lit: SeenSac
    wall: Wall
    about_mm: Floats
    openness: Floats
    clarity: float


def _tube_of(volume: Volume, search: Volume, body: NDArray[np.bool_], progress: Progress) -> _Tube:
    """The tube of fluid, bright, or dark before bright fat as on T1. Raises Refusal where there is neither."""
    try:
        points, clarity = track(evened(search, body), body)
    except Refusal:
        dark = _dark_tube(volume, search, body, 0.0)
        if dark is None:
            raise
        return dark
    bright = None
    if looks_plain(search, curve_through(points, 6.0)):
        with suppress(Refusal):
            bright = _bright_tube(volume, points, clarity)
    if bright is not None and bright.contrast.is_plain:
        return bright
    progress(0.5, "Following the sac as on T1")
    dark = _dark_tube(volume, search, body, _CLEARER * clarity)
    return dark or bright or _bright_tube(volume, points, clarity)


def _bright_tube(volume: Volume, points: Floats, clarity: float) -> _Tube:
    """As on T2. Raises Refusal where the bright tube is no fluid."""
    sac = see_sac(volume, curve_through(points, 6.0))
    contrast = contrast_of(volume, sac)
    if contrast.weighting == "T2 without fat":
        wall = Wall(around_sac(sac.radius_mm), np.ones(sac.radius_mm.shape, dtype=np.bool_))
    else:
        sac, wall = see_canal(volume, sac)
    return _Tube(contrast, volume, sac, sac, wall, around_sac(sac.radius_mm), open_sides(volume, sac, wall.radius_mm), clarity)


def _dark_tube(volume: Volume, search: Volume, body: NDArray[np.bool_], least: float) -> _Tube | None:
    """As on T1; None where there is no such tube, or none clearer than `least`."""
    fat = fat_of(search, body)
    try:
        points, clarity = track(turned_body(search, body, fat), body, T1_ENDS)
    except Refusal:
        return None
    if clarity <= least:
        return None
    fluid = turned_over(around(volume, points), fat)
    sac = see_sac(fluid, curve_through(points, 6.0))
    contrast = contrast_on_t1(volume, sac, seen_beside_fat(volume, sac, fat), brightness_along(sac.curve, fat))
    if contrast is None:
        return None
    sac, wall, openness = see_canal_by_fat(volume, fluid, sac, fat)
    return _Tube(contrast, fluid, seen_beside_fat(volume, sac, fat), lit_by_fat(sac, fat), wall, wall.radius_mm, openness, clarity)


def find_in_mr(volume: Volume, anchor: Anchor | None, progress: Progress) -> Anatomy:
    """The anatomy of a T2- or T1-weighted volume (algorithms 1.3). Raises Refusal where no tube of fluid of 60 mm or more is found."""
    upright = in_own_frame(volume)
    alike = _likeness(upright)
    if alike < _ALIKE:
        raise Refusal(f"No spinal canal was found: neighbouring slices have little in common ({alike:.2f}, {_ALIKE} is needed).", WAY_OUT)
    search = reduced(upright)
    progress(0.1, "Finding the body")
    threshold = _body_threshold(search)
    body = _body_of(search, threshold)
    progress(0.25, "Following the sac")
    tube = _tube_of(upright, search, body, part(progress, 0.25, 0.45))
    progress(0.45, "Counting the vertebrae")
    sac, wall = tube.sac, tube.wall
    canal = as_canal(sac.curve, wall, _sure(tube.clarity, sac, wall))
    _check_size(canal)
    neck = _is_neck(body, search.frame)
    cord = cord_in(tube.fluid, sac, np.minimum(sac.radius_mm, np.maximum(wall.radius_mm - 0.3, 0.0)))
    cord = replace(cord, ends=False) if cord is not None and neck else cord
    shortest_mm = _SHORTEST_IN_NECK_MM if neck else _SHORTEST_MM
    column = find_discs(volume, sac.curve, tube.about_mm, tube.openness, shortest_mm, tube.contrast.weighting == "T1")
    _check_vertebrae(vertebrae_before(volume, sac.curve, column.front_mm))
    row = counted(volume, centred(volume, canal, bodies(sac.curve, column)), neck)
    canal = with_bodies(canal, [s_mm for s_mm, _, _ in row.bodies])
    column = with_discs_between(column, row)
    levels, anchor = name_levels(row, anchor, lambda found: _guess(found, canal, cord, neck))
    arches = see_arches(volume, canal, row) if tube.contrast.weighting in ("T2", "T1") else None
    around = relative_to_fluid(volume, sac) if tube.contrast.weighting == "T2" else None
    known = _canal_structure(canal.confidence, wall, tube.contrast)
    grid, body = in_frame_of(volume, search.frame, body)
    no_bone = np.zeros(body.shape, dtype=np.bool_)
    soft = np.full(body.shape, codes.SOFT_TISSUE, dtype=np.uint8)
    tissue, spine = tissue_of(volume, grid, body, no_bone, soft, threshold, np.inf), spine_voxels(grid, no_bone, canal)
    inside = canal_voxels(volume.frame, canal)
    seen = _Seen(volume, tissue, spine, inside, sac, tube.lit, cord, canal, column, row, known, tube.contrast, arches, around)
    return _named(seen, levels, anchor, part(progress, 0.65, 1.0))


def _found_again(seen: _Seen, painted: Painted, before: Anatomy, anchor: Anchor, progress: Progress) -> Anatomy:
    """What finding with this anchor at once gives. painted: the labels under some names; before: what was found under other names, or under
    the same."""
    levels = counted_from(anchor, seen.row)
    if [level.name for level in levels] == [level.name for level in before.levels]:
        return _with_sure_names(confirmed(before, anchor)) if anchor.by == "user" else confirmed(before, anchor)
    return _named(seen, levels, anchor, progress, painted)


def _with_sure_names(named: Anatomy) -> Anatomy:
    cord = named.structure("cord")
    cord = replace(cord, problem=cord.problem and cord.problem.removesuffix(UNSURE_NAMES))
    return replace(named, structures={**named.structures, "cord": cord})


def _named(
    seen: _Seen, levels: tuple[Level, ...], anchor: Anchor | None, progress: Progress, painted: Painted | None = None
) -> Anatomy:
    """The anatomy under these names: the sac's end, cord, openings, roots and labels, which rest on the sizes of their levels."""
    volume, canal = seen.volume, seen.canal
    end = above_its_end(canal, levels, seen.sac.fluid)
    radius = np.minimum(seen.sac.radius_mm * end[:, None], np.maximum(canal.wall_mm - 0.3, 0.0))
    sure_names = anchor is not None and anchor.by == "user"
    cord = told_from_roots(seen.cord, canal, levels)
    cord_mm, conus = with_cord(cord, canal, levels, radius)
    in_sight = np.zeros(len(radius), dtype=np.bool_) if cord is None else cord.seen
    sac = SacSections(radius, (seen.sac.edge > _SEEN) & (radius > 0), cord_mm, in_sight, conus)
    fluid_known, hints = (_NO_FLUID, ()) if seen.around is None else see_fluid(seen.around, canal, radius, levels)
    progress(0.0, "Placing the openings")
    foramina = see_foramina(volume, canal, seen.lit, usual_foramina(volume, canal, seen.column, levels))
    gaps = () if seen.arches is None else see_gaps(seen.arches, levels)
    windows = seen_windows(gaps, canal, levels)
    landmarks = () if seen.arches is None else see_landmarks(volume, canal, seen.arches, gaps, levels)
    roots = find_roots(volume, np.inf, canal, radius, foramina)
    shown = None
    if seen.contrast.weighting != "T2 without fat":
        roots = see_roots(volume, canal, seen.lit, foramina, roots)
        shown = shown_by_mr(volume, canal, seen.lit, radius, levels, seen.contrast.weighting == "T2")
    roots += find_sacral_roots(canal, radius, seen.column.openness, levels, shown, SACRAL_ROOTS)
    progress(0.3, "Writing labels")
    spine = vertebra_map(seen.spine, canal, seen.column, levels, windows)
    labels, painted = paint_tissue(seen.tissue, canal, seen.spine, spine, painted)
    paint_canal(labels, seen.inside, radius, cord_mm, np.zeros(len(radius)))
    paint_roots(labels, volume.frame, roots)
    for slab in volume.unseen:
        slab.fill(labels, volume.frame, 0)
    width = volume.frame.spacing_mm[2] * (volume.frame.shape[2] - 1)
    narrow = f"The scan is {width:.0f} mm wide from left to right."
    why = f"{narrow} The foramina lie outside it." if levels else "Without levels no foramen is placed."
    foramina_missing = Structure("not checked", None, why)
    skin_cut = float(np.any(labels[:, :, [0, -1]] > 0, axis=1).mean()) > 0.05
    structures = {
        "canal": seen.canal_known,
        "sac": _sac_structure(sac, canal, levels, seen.contrast),
        "cord": cord_structure(sac, canal, levels, sure_names),
        "levels": levels_structure(levels, anchor) if seen.row.bodies else uncounted(volume),
        "foramina": foramina_structure(foramina) if foramina else foramina_missing,
        "windows": windows_structure(windows),
        "landmarks": seen_landmarks_structure(landmarks),
        "roots": seen_structure(volume, roots) if roots else foramina_missing,
        "contrast outside": fluid_known,
        "skin": Structure("found", 0.8, f"{narrow} The skin at the left or right lies outside it." if skin_cut else None),
        "bone": Structure("not checked", None, "Bone is not told apart in MR; only the bodies of the vertebrae are modelled."),
        "discs": Structure("modelled", 0.4, "Discs have the usual height of their level."),
        **{name: Structure("not checked", None, f"The program does not look for {name} in MR.") for name in _NOT_LOOKED_FOR},
    }
    progress(1.0, "Anatomy found")
    again = partial(_found_again, seen, painted)
    return Anatomy(
        volume.frame, volume.modality, labels, structures, canal, levels, foramina, windows, roots, anchor, hints, again, sac,
        landmarks,
    )  # fmt: skip


def _sure(clarity: float, seen: SeenSac, wall: Wall) -> Floats:
    """(n,) 0..1 of each cross-section: how clearly the tube stands out, its outline is seen and the rim around it is."""
    return np.clip(0.2 + 0.2 * min(clarity, 1.0) + 0.5 * seen.edge.mean(axis=1) - 0.3 * (wall.bridged.mean(axis=1) - 0.2), 0.05, 0.9)


def _canal_structure(sure: Floats, wall: Wall, contrast: Contrast) -> Structure:
    if contrast.weighting == "T2 without fat":
        return Structure("modelled", _MODELLED, f"The wall is built around the sac. {contrast.problem()}")
    bridged = round(100 * float(wall.bridged.mean()))
    problem = f"The wall is the dark rim of bone and ligament, which MR does not tell apart; {bridged} % of it is bridged over openings."
    assumed = contrast.problem()
    return Structure("found", round(float(np.median(sure)), 2), problem if assumed is None else f"{problem} {assumed}")


def _sac_structure(sac: SacSections, canal: Canal, levels: tuple[Level, ...], contrast: Contrast) -> Structure:
    """How the sac is known, and where its edge is rather a smooth line than one that was seen."""
    there = sac.radius_mm.max(axis=1) > 0
    share = float(sac.seen[there].mean()) if there.any() else 0.0
    by_fat = " against fat" if contrast.weighting == "T1" else ""
    words = [] if share > 0.9 else [f"Its edge was seen{by_fat} in {round(100 * share)} % of its outline; between it is smooth."]
    hardly = levels_where(sac.seen_share < _HARDLY, there, canal, levels)
    words += [f"Hardly seen at {hardly}."] if hardly else []
    return Structure("found", round(float(np.clip(0.2 + 0.7 * share, 0.3, 0.9)), 2), " ".join(words) or None)


def _check_size(canal: Canal) -> None:
    """Raises Refusal for a tube as no canal is: vessels before the spine are wider or narrower along most of their way."""
    least, most = evidence("anatomy.canal_area_mm2").value
    area = float(np.median(canal.area_mm2))
    if not _NARROWEST * least <= area <= most:
        sentence = f"No spinal canal was found: the tube that was followed has {area:.0f} mm2 in the median, a canal {least} to {most} mm2."
        raise Refusal(sentence, WAY_OUT)


def _check_vertebrae(alike: float | None) -> None:
    """Raises Refusal for a tube with no vertebrae in front of it, as in a belly or a leg, or with too little in view to tell."""
    if alike is None:
        why = "too little is in view in front of the tube that was followed to see vertebrae there"
        raise Refusal(f"No spinal canal was found: {why}.", WAY_OUT)
    if alike < _VERTEBRAE:
        why = f"in front of the tube that was followed no vertebrae and discs take turns ({alike:.2f}, {_VERTEBRAE} is needed)"
        raise Refusal(f"No spinal canal was found: {why}.", WAY_OUT)


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
    dk, dj, di = search.frame.spacing_mm
    quiet = blurred(search.voxels, (1.5 / dk, 1.5 / dj, 1.5 / di))
    body = body_mask(Volume(search.frame, quiet.astype(np.int16), "MR"), threshold)
    rows = np.arange(body.shape[1])[:, None]
    for plane in body:
        first, last = plane.argmax(axis=0), len(plane) - 1 - plane[::-1].argmax(axis=0)
        plane |= (rows > first) & (rows < last) & plane.any(axis=0)
    return body


def _is_neck(body: NDArray[np.bool_], frame: Frame) -> bool:
    """Whether in a quarter of the slices the scan shows a whole body that is as narrow as a neck."""
    across = np.asarray(body.any(axis=1))
    whole = ~across[:, 0] & ~across[:, -1] & across.any(axis=1)
    narrow = whole & (across.sum(axis=1) * frame.spacing_mm[2] < _NECK_WIDTH_MM)
    return float(narrow.mean()) > 0.25


def _guess(found: list[Body], canal: Canal, cord: SeenCord | None, neck: bool) -> Anchor:
    """A name for one vertebra: the cord ends at L1 more often than elsewhere; where its end is not seen the program hardly knows."""
    if neck:
        return Anchor("C4", found[0][1], "program", 0.15)
    if cord is not None and cord.ends:
        end = float(canal.s_mm[np.flatnonzero(cord.seen)[-1]])
        return Anchor("L1", min(found, key=lambda body: abs(body[0] - end))[1], "program", _CONUS_SAYS)
    return Anchor("L5", found[-1][1], "program", 0.2)
