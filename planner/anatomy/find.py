"""The walk from a scan to its anatomy. Read it top-down: body, bone, path, wall, levels, openings, sac, roots, labels."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from planner.anatomy import labels as codes
from planner.anatomy.beside import Beside, both_sides
from planner.anatomy.body import AIR_BELOW_HU, body_mask, pressed_flat
from planner.anatomy.bone import Bone, find_bone
from planner.anatomy.bridges import METAL, with_bodies
from planner.anatomy.bright import split_bright
from planner.anatomy.certainty import canal_structure, confidence_of
from planner.anatomy.clues import guess
from planner.anatomy.crescents import find_crescents, with_crescents
from planner.anatomy.grid import reduced
from planner.anatomy.hazards.air import find_air
from planner.anatomy.hazards.kidneys import find_kidneys, kidney_structure
from planner.anatomy.hazards.neck_artery import find_neck_arteries, neck_artery_structure, paint_neck_arteries
from planner.anatomy.hazards.vessels import find_vessels, vessel_structure
from planner.anatomy.landmarks import find_landmarks, landmarks_structure
from planner.anatomy.levels import Column, Row, bodies, find_column, openness_of
from planner.anatomy.morphology import grown
from planner.anatomy.names import confirmed, counted_from, levels_structure, name_levels
from planner.anatomy.norms import at_level
from planner.anatomy.openings import find_foramina
from planner.anatomy.outside import Spots, contrast_structure, find_pools, leak_hints, paint_pools, spots_of
from planner.anatomy.paint import CanalVoxels, SpineVoxels, canal_voxels, paint_canal, paint_roots, spine_voxels, vertebra_map
from planner.anatomy.pedicles import find_pedicles
from planner.anatomy.reformat import RADII, Curve, curve_through, polar
from planner.anatomy.roots import find_roots, roots_structure, seen_in_sleeves
from planner.anatomy.sac import FAT_HU, SacSeen, find_sac, see_sac
from planner.anatomy.sacral import find_sacral_roots, shown_by_ct
from planner.anatomy.sleeves import measure_sleeves, sleeve_hints, wide_sleeves
from planner.anatomy.spine import NOT_CHECKED, Anatomy, Anchor, Canal, Foramen, Level, Structure
from planner.anatomy.tissue import Painted, Tissue, paint_tissue, tissue_of
from planner.anatomy.track import Path, track_canal
from planner.anatomy.vertebrae import check_vertebrae
from planner.anatomy.view import out_of_view
from planner.anatomy.wall import Wall, area_of, as_canal, canal_along
from planner.anatomy.windows import Gaps, find_gaps, windows_of
from planner.evidence import evidence
from planner.geometry import Floats, Volume
from planner.progress import Progress, part, silent
from planner.refusal import Refusal

_LEAST_LENGTH_MM = 40.0
_OPEN, _OPEN_MM = 0.5, 15  # of the wall bridged, over so many sections of 1 mm: foramina and windows of a level are open over 10
_LEAST_CLOSED = 20  # sections
_LEAST_SCAN_MM, _LEAST_VOXELS = 30.0, 8
_ORGANS = (codes.KIDNEY, codes.AORTA, codes.VENA_CAVA)
_WAY_OUT = "Choose a scan that shows the spine from pedicles to spinous processes, or draw the canal."


def find(volume: Volume, anchor: Anchor | None = None, progress: Progress = silent) -> Anatomy:
    """The anatomy of a scan: CT, CT myelogram, T2 or T1 MR, axial and rectangular as `planner.scan` loads it.

    anchor: a vertebra that a person named; without one the program guesses and says how sure it is. Raises Refusal with the failed test
    where no canal is found, or where the anchor names no vertebra.
    """
    if not volume.frame.is_axial:
        raise ValueError("the anatomy is found in axial volumes")
    length_mm = (volume.frame.shape[0] - 1) * volume.frame.spacing_mm[0]
    if length_mm < _LEAST_SCAN_MM:
        raise Refusal(
            f"No spinal canal was found: the scan is {length_mm:.0f} mm long from head to foot, {_LEAST_SCAN_MM:.0f} mm are needed.",
            "Load a series that covers at least one vertebra and its neighbours.",
        )
    if min(volume.frame.shape) < _LEAST_VOXELS:
        voxels = " x ".join(str(count) for count in volume.frame.shape)
        raise Refusal(f"No spinal canal was found: the scan has {voxels} voxels, {_LEAST_VOXELS} in each direction are needed.", _WAY_OUT)
    if volume.modality == "MR":
        from planner.anatomy.mr.find import find_in_mr

        return find_in_mr(volume, anchor, progress)
    return _find_in_ct(volume, anchor, progress)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What of a CT is the same whatever its vertebrae are called. plain: the scan without contrast in and around the sac, in which all bone
    is measured; bone_hu: where bone begins in it. tissue: what labels are painted by. spine, inside: voxels of the search grid that may
    belong to a vertebra, and those of the scan in the canal. spots: contrast. row: the vertebrae without names; sides, gaps: the bone
    beside the canal, and the gaps between the arches. sac: what shows of it. structures: how what lies around the spine is known. flat_mm:
    heights (z) of the slices where the back is pressed flat. rim_told: whether bone beside the canal is dense enough to be told from
    contrast."""

    volume: Volume
    plain: Volume
    bone_hu: float
    tissue: Tissue
    spine: SpineVoxels
    inside: CanalVoxels
    spots: Spots | None
    canal: Canal
    column: Column
    row: Row
    sides: tuple[Beside, Beside]
    gaps: Gaps
    sac: SacSeen
    structures: Mapping[str, Structure]
    flat_mm: Floats
    rim_told: bool


def _find_in_ct(volume: Volume, anchor: Anchor | None, progress: Progress) -> Anatomy:
    search = reduced(volume, progress=part(progress, 0.0, 0.15))
    progress(0.15, "Finding the body")
    body = body_mask(search)
    progress(0.2, "Finding bone")
    bone = find_bone(search, body)
    path = track_canal(search, body, bone, part(progress, 0.25, 0.4))
    path = checked(path, search, body, bone)
    curve = curve_through(path.points_mm, 8.0)
    bright = split_bright(volume, search.frame, bone, curve, part(progress, 0.4, 0.5))
    plain, bone, curve = (volume, bone, curve) if bright is None else (bright.taken_from(volume), bright.bone, bright.curve)
    curve, wall = canal_along(plain, curve, bone.threshold_hu, None, part(progress, 0.5, 0.6))
    curve, wall = trimmed(curve, wall)
    rays = polar(plain, curve)
    crescents = find_crescents(rays, wall, max(volume.frame.spacing_mm))
    if crescents is not None and crescents.any:
        bright = with_crescents(crescents, volume, search.frame, bone, curve, wall, bright)
        plain, bone = bright.taken_from(volume), bright.bone
        curve, wall = trimmed(*canal_along(plain, curve, bone.threshold_hu, None))
        rays = polar(plain, curve)
    canal = as_canal(curve, wall, confidence_of(path, curve, wall))
    progress(0.62, "Counting the vertebrae")
    openness = openness_of(rays, wall.radius_mm, RADII, bone.threshold_hu)
    mask = Volume(search.frame, bone.mask.astype(np.uint8))
    column = find_column(replace(search, field=volume.field), mask, curve, wall.radius_mm, openness)
    check_vertebrae(mask, curve, column.front_mm, openness, _WAY_OUT)
    row = bodies(curve, column)
    canal = with_bodies(canal, [s_mm for s_mm, _, _ in row.bodies])
    levels, anchor = name_levels(row, anchor, lambda found: guess(search, mask, curve, found, column.deep_mm))
    progress(0.66, "Finding lung, gas, kidneys and vessels")
    soft, around = _around(search, body, canal, row)
    near_bone = grown(bone.mask)
    tissue = tissue_of(plain, search.frame, body, _solid(near_bone, bone.tube, soft), soft, AIR_BELOW_HU, bone.threshold_hu)
    progress(0.7, "Finding the openings")
    sides = both_sides(plain, bone.threshold_hu, canal)
    gaps = find_gaps(plain, bone.threshold_hu, canal, [s_mm for s_mm, _, _ in row.bodies])
    progress(0.75, "Finding the sac")
    # a dark sac is seen against leaked contrast as it is against fat
    sac = see_sac(volume if bright is None or bright.lit else bright.taken_from(volume, FAT_HU), curve, canal)
    spots = None if bright is None else spots_of(bright, volume, canal)
    spine = spine_voxels(search.frame, near_bone, canal)
    inside = canal_voxels(volume.frame, canal, max(evidence("anatomy.flavum_mm").value.values()))
    seen = _Seen(
        volume, plain, bone.threshold_hu, tissue, spine, inside, spots, canal, column, row, sides, gaps, sac, around,
        _flat_heights(search, body, canal), crescents is not None,
    )  # fmt: skip
    return _named(seen, levels, anchor, part(progress, 0.8, 1.0))


def _found_again(seen: _Seen, painted: Painted, before: Anatomy, anchor: Anchor, progress: Progress) -> Anatomy:
    """What finding with this anchor at once gives. painted: the labels under some names; before: what was found under other names, or under
    the same."""
    levels = counted_from(anchor, seen.row)
    if [level.name for level in levels] == [level.name for level in before.levels]:
        return confirmed(before, anchor)
    return _named(seen, levels, anchor, progress, painted)


def _named(
    seen: _Seen, levels: tuple[Level, ...], anchor: Anchor | None, progress: Progress, painted: Painted | None = None
) -> Anatomy:
    """The anatomy under these names: openings, sac, roots, labels and hints, which rest on the sizes of their levels."""
    volume, plain, canal, bone_hu = seen.volume, seen.plain, seen.canal, seen.bone_hu
    progress(0.0, "Finding the openings")
    sides = seen.sides
    pedicles = find_pedicles(sides, canal, levels)
    foramina = find_foramina(sides, plain.frame, canal, seen.column, levels, pedicles)
    windows = windows_of(seen.gaps, canal, levels)
    progress(0.4, "Finding the sac")
    sure_names = anchor is not None and anchor.by == "user"
    spots = seen.spots
    lit = spots is not None and spots.lit
    sac = find_sac(seen.sac, canal, levels, sure_names)
    roots = find_roots(plain, bone_hu, canal, sac.sections.radius_mm, foramina)
    if spots is not None and lit:
        roots = seen_in_sleeves(roots, spots, volume.frame, sac.sections.radius_mm)
    sacral = find_sacral_roots(canal, sac.sections.radius_mm, seen.column.openness, levels, shown_by_ct(plain, bone_hu))
    progress(0.6, "Writing labels")
    spine = vertebra_map(seen.spine, canal, seen.column, levels, windows)
    labels, painted = paint_tissue(seen.tissue, canal, seen.spine, spine, painted)
    paint_canal(labels, seen.inside, sac.sections.radius_mm, sac.sections.cord_mm, _flavum(canal, levels))
    paint_roots(labels, volume.frame, roots + sacral)
    arteries = find_neck_arteries(plain, bone_hu, canal, levels)
    paint_neck_arteries(labels, volume.frame, arteries)
    pools = () if spots is None else find_pools(spots, labels, volume.frame, canal, sac.sections.radius_mm, levels)
    paint_pools(labels, pools)
    hints = leak_hints(pools, canal)
    landmarks = find_landmarks(sides, labels, volume.frame, canal, levels, pedicles)
    if spots is not None and lit:
        sleeves = measure_sleeves(volume, spots, labels, sac.sections.radius_mm, roots)
        hints += sleeve_hints(wide_sleeves(sleeves, volume.frame), canal, hints)
    structures = {
        "canal": canal_structure(canal, levels),
        "sac": sac.sac,
        "cord": sac.cord,
        "levels": levels_structure(levels, anchor),
        "foramina": _foramina_structure(foramina, levels),
        "windows": NOT_CHECKED,
        "landmarks": landmarks_structure(landmarks),
        "roots": roots_structure(roots + sacral) if roots else NOT_CHECKED,
        "contrast outside": contrast_structure(lit, seen.rim_told, canal, levels, hints),
        "skin": _skin_structure(labels, seen.flat_mm, levels),
        "bone": Structure("found", 0.9, None if max(volume.frame.spacing_mm) <= 2.0 else "Thin bone is blurred in slices this thick."),
        **seen.structures,
        "vertebral artery": neck_artery_structure(arteries, levels),
        "ligamentum flavum": Structure("modelled", 0.4),
        "discs": Structure("modelled", 0.4, "Discs have the usual height of their level."),
    }
    progress(1.0, "Anatomy found")
    again = partial(_found_again, seen, painted)
    found = Anatomy(
        volume.frame, volume.modality, labels, structures, canal, levels, foramina, windows, roots + sacral, anchor, hints, again,
        sac.sections, landmarks,
    )  # fmt: skip
    return replace(found, structures={**structures, "windows": _windows_structure(found)})


def checked(path: Path | None, search: Volume, body: NDArray[np.bool_], bone: Bone) -> Path:
    """The path when it is a canal; a Refusal that names the failed test otherwise (algorithms 1.1, "No canal")."""
    if path is None or len(path.points_mm) < 4:
        raise Refusal("No spinal canal was found: nowhere is soft tissue enclosed by bone.", _WAY_OUT)
    length = float(np.linalg.norm(np.diff(path.points_mm, axis=0), axis=1).sum())
    in_view = search.frame.shape[0] * search.frame.spacing_mm[0]
    needed = min(_LEAST_LENGTH_MM, 0.8 * in_view)
    if length < needed:
        sentence = f"No spinal canal was found: the longest tube enclosed by bone is {length:.0f} mm, {needed:.0f} mm are needed."
        raise Refusal(sentence, _WAY_OUT)
    mean = float(path.score.mean())
    if mean < 0.5:
        raise Refusal(f"No spinal canal was found: bone encloses the best path too little (score {mean:.2f}, 0.50 is needed).", _WAY_OUT)
    if path.margin < 0.05:
        raise Refusal("No spinal canal was found: two paths through the scan look alike.", _WAY_OUT)
    return path


def trimmed(curve: Curve, wall: Wall) -> tuple[Curve, Wall]:
    """The canal without ends that are too narrow (sacral hiatus), too wide or too open (foramen magnum, where a path has left the sacrum);
    a Refusal when nothing is left."""
    area = area_of(wall.radius_mm)
    good = (area > 45.0) & (area < 950.0)
    if good.sum() < _LEAST_CLOSED or not 80.0 <= float(np.median(area[good])) <= 900.0:
        raise Refusal("No spinal canal was found: the tube enclosed by bone is too narrow or too wide for a canal.", _WAY_OUT)
    runs = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(np.int8), [0]])))
    starts, stops = runs[::2], runs[1::2]
    longest = int(np.argmax(stops - starts))
    first, stop = int(starts[longest]), int(stops[longest])
    metal = np.zeros(wall.bridged.shape, dtype=np.bool_) if wall.bridge is None else wall.bridge == METAL
    open_ = (wall.bridged & ~metal)[first:stop].mean(axis=1)
    closed = slice(first + _open_end(open_), stop - _open_end(open_[::-1]))
    keep = closed if closed.stop - closed.start >= max(_LEAST_CLOSED, (stop - first) / 2) else slice(first, stop)  # else its bone is faint
    trimmed_curve = Curve(curve.points_mm[keep], curve.left[keep], curve.back[keep], curve.tangent[keep])
    return trimmed_curve, Wall(wall.radius_mm[keep], wall.bridged[keep], None if wall.bridge is None else wall.bridge[keep])


def _open_end(open_: Floats) -> int:
    """How many sections from the first on are too open for a canal: as many as stand out most together, but no single opening."""
    over = np.cumsum(open_ - _OPEN)
    count = int(over.argmax()) + 1
    return count if over[count - 1] > 0 and count >= _OPEN_MM else 0


def _flavum(canal: Canal, levels: tuple[Level, ...]) -> Floats:
    """(n,): thickness of the ligamentum flavum along the canal."""
    if not levels:
        return np.full(len(canal.centreline_mm), 3.0)
    thickness = [float(at_level("flavum_mm", level.name[0] if level.name[0] != "S" else "L5")) for level in levels]
    s = canal.s_mm
    out = np.interp(s, [level.s_mm for level in levels], thickness)
    sacrum = next((level.s_mm for level in levels if level.name == "S1"), np.inf)
    return np.asarray(np.where(s > sacrum, 0.0, out))


def _around(search: Volume, body: NDArray[np.bool_], canal: Canal, row: Row) -> tuple[NDArray[np.uint8], dict[str, Structure]]:
    """Codes of soft tissue, lung, gas, kidneys and opacified vessels on the search grid, and how each of them is known."""
    lung, gas = find_air(search, body)
    kidney, kidneys = find_kidneys(search, body, canal)
    vessels = find_vessels(search, body, canal, np.array([middle for _, middle, _ in row.bodies]).reshape(-1, 3))
    soft = np.full(search.frame.shape, codes.SOFT_TISSUE, dtype=np.uint8)
    for code, where in zip((*_ORGANS, codes.LUNG, codes.BOWEL_GAS), (kidney, vessels.aorta, vessels.cava, lung, gas)):
        np.copyto(soft, np.uint8(code), where=where)
    return soft, {
        "lung": Structure("found", 0.9, None if bool(lung.any()) else "There is no lung in view."),
        "bowel gas": Structure("found", 0.7, "Only gas shows bowel; bowel without gas is not checked."),
        "kidney": kidney_structure(kidneys),
        "aorta": vessel_structure("aorta", vessels.aorta, search.frame),
        "vena cava": vessel_structure("vena cava", vessels.cava, search.frame),
    }


def _solid(near_bone: NDArray[np.bool_], tube: NDArray[np.bool_], soft: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where on the search grid what is bright is bone: not in the sac, nor in organs, whose contrast can be as bright."""
    organs = np.zeros(soft.shape, dtype=np.bool_)
    for plane, inside in zip(soft, organs):
        for code in _ORGANS:
            inside |= plane == code
    solid = near_bone & ~tube
    solid &= ~grown(organs)
    return solid


def _foramina_structure(foramina: tuple[Foramen, ...], levels: tuple[Level, ...]) -> Structure:
    if not foramina:
        return Structure("not checked", None, "No foramen lies in view.")
    expected = 2 * sum(1 for level in levels[:-1] if level.name[0] != "S")
    weak = sorted({f"{f.level} {f.side}" for f in foramina if f.confidence < 0.4})
    sentences = []
    if len(foramina) < expected:
        sentences.append(f"{expected - len(foramina)} of {expected} lie outside the scan or were not found.")
    if weak:
        sentences.append(f"Uncertain: {', '.join(weak)}.")
    return Structure("found", round(float(np.mean([f.confidence for f in foramina])), 2), " ".join(sentences) or None)


def _windows_structure(found: Anatomy) -> Structure:
    """How the windows are known: one that is missing is closed where it could be seen."""
    pairs = [(a.name, b.name) for a, b in itertools.pairwise(found.levels) if a.name[0] != "S"]
    if not pairs:
        return Structure("not checked", None, "No pair of vertebrae lies in view.")
    missing = {pair: out_of_view(found, pair) for pair in pairs if pair not in {window.between for window in found.windows}}
    closed = ["-".join(pair) for pair, unseen in missing.items() if unseen is None]
    cut = [f"{'-'.join(pair)}: {unseen}" for pair, unseen in missing.items() if unseen is not None]
    sentences = [f"No open window was found at {', '.join(closed)}."] if closed else []
    sentences += cut
    if found.frame.spacing_mm[0] > 2.0:
        sentences.append(f"Slices {found.frame.spacing_mm[0]:.1f} mm apart blur the windows; sizes are uncertain by as much.")
    sure = float(np.mean([w.confidence for w in found.windows])) if found.windows else 0.3
    return Structure("found", round(sure, 2), " ".join(sentences) or None)


def _flat_heights(search: Volume, body: NDArray[np.bool_], canal: Canal) -> Floats:
    z = search.frame.affine[2, 3] + search.frame.spacing_mm[0] * np.arange(search.frame.shape[0])
    line = canal.centreline_mm[np.argsort(canal.centreline_mm[:, 2])]
    return z[pressed_flat(search, body, np.interp(z, line[:, 2], line[:, 0], left=np.nan, right=np.nan))]


def _skin_structure(labels: NDArray[np.uint8], flat_mm: Floats, levels: tuple[Level, ...]) -> Structure:
    """How the skin is known: where the scan cuts it off, and at which levels it will lie elsewhere once nobody lies on it."""
    borders = {"left or right": labels[:, :, [0, -1]], "back": labels[:, -1], "front": labels[:, 0]}
    cut = [name for name, plane in borders.items() if float((plane > 0).mean()) > 0.05]
    sentences = [f"The skin at the {' and the '.join(cut)} lies outside the scan."] if cut else []
    if len(flat_mm) and levels:
        heights = np.array([level.centre_mm[2] for level in levels])
        flat = [level.name for n, level in enumerate(levels) if n in np.abs(flat_mm[:, None] - heights).argmin(axis=1)]
        sentences.append(f"The back is pressed flat by what it lies on at {', '.join(flat)}: in another position the skin lies elsewhere.")
    return Structure("found", 0.95 if not cut else 0.8, " ".join(sentences) or None)
