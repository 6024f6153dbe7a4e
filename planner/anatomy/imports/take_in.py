"""A label map of another program, or one that a person has edited, taken in: what it holds wins over what the program finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from math import dist
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy import labels as codes
from planner.anatomy.bare import bare
from planner.anatomy.bridges import IMPORTED, bridges_of
from planner.anatomy.find import find
from planner.anatomy.imports.given import Given, not_on_this_scan, read_given
from planner.anatomy.imports.refined import by_bone, by_canal, spilt_share
from planner.anatomy.labels import ALL_LEVELS, LEVELS, USUAL, Numbering, numbering_of, rank
from planner.anatomy.names import levels_structure, rename
from planner.anatomy.outside import polar_place
from planner.anatomy.paint import along_canal
from planner.anatomy.reformat import RADII, Curve, curve_through, polar
from planner.anatomy.spine import ANGLES, NOT_CHECKED, Anatomy, Anchor, Canal, Level, Structure
from planner.anatomy.wall import area_of, centroids
from planner.geometry import Floats, Volume
from planner.progress import Progress, part, silent
from planner.refusal import Refusal

_SURE = 0.9  # of what another program or a person has labelled
_QUESTIONED = 0.5  # of what the scan speaks against
_BONE_HU = 150.0
_UNSURE, _UNSURE_SHARE = 0.6, 0.2  # a canal less sure than this over more of its length is sought again with the map's bone
_SURELY_BONE_HU, _LEAST_HU = 400.0, -2048
_LEAST_BODY_ML = 1.0
_MOST_SPILT = 0.08  # of the found canal: TotalSegmentator's maps reach 0.05, one that lies 2 mm off 0.07
_WALL_MM = 2.0  # the found wall of the canal may lie this far from the true one
_SAME_MM = 15.0  # two centres nearer than this are one vertebra
_FRONT = 3 * ANGLES // 4
_BESIDE_MM, _BEHIND_MM, _BEFORE_MM = 14.0, 4.0, 60.0  # the middle of a body lies in front of the canal's, not farther off than this
_MOST_APART_MM = 48.0  # neighbours (algorithms 2.4)
_OFF_MM = 9.0  # bodies of the map that lie this far along the canal from those that the program found are asked about
_GROUPS = {name: group for name, group in codes.STRUCTURES.items() if name not in ("canal", "sac", "cord", "skin")}  # joined apart
_PAIRED = ("kidney", "lung")
_MOST_OUTSIDE = 0.03  # of the body, or of the canal: a map that leaves out no more covers the scan
_ADDED = ("bone", "lung", "bowel gas")  # a map that does not hold the whole body adds to these and takes nothing away
Codes = NDArray[np.uint8]
Notes = tuple[tuple[str, str], ...]


def find_with_labels(
    volume: Volume, path: Path, anchor: Anchor | None = None, progress: Progress = silent, scheme: str | None = None
) -> Anatomy:
    """The anatomy of a scan where a label map (NIfTI, NRRD, DICOM SEG, a folder of masks) wins over what `find` finds; the rest is found.

    anchor: a vertebra that a person named; it wins over the names of the map. scheme: whose numbers it has, where a person said. Raises
    Refusal for a file that is no known label map, or that does not lie on this scan, and where neither the scan nor the map shows the
    canal.
    """
    progress(0.0, "Reading the label map")
    taken = read_given(path, volume, scheme, part(progress, 0.0, 0.1))
    given, held = taken.codes, taken.held
    base, spilt = _found(volume, taken, part(progress, 0.1, 0.9))
    progress(0.9, "Taking in the label map")
    given[_pooled(given, base)] = codes.EPIDURAL_SPACE  # contrast in the canal stands where blood will go: it is room, not wall
    anatomy, doubts = _with_levels(base, replace(taken, notes=(*taken.notes, *spilt)))
    labels = _merged(anatomy, given, held, taken.outside)
    canal = canal_of(_canal_mask(base, taken), anatomy) if codes.EPIDURAL_SPACE in held else anatomy.canal
    levels = tuple(replace(level, s_mm=float(canal.s_mm[canal.nearest(level.centre_mm)])) for level in anatomy.levels)
    anatomy = replace(anatomy, labels=labels, canal=canal, levels=levels, again=None, sac=None if held & set(codes.CANAL) else anatomy.sac)
    anatomy = replace(anatomy, structures=_structures(anatomy, held, taken, doubts))
    if anchor is not None:
        levels_known = anatomy.structure("levels")
        anatomy = rename(anatomy, anchor)
        structure = replace(levels_structure(anatomy.levels, anchor), provenance=levels_known.provenance)
        anatomy = replace(anatomy, structures={**anatomy.structures, "levels": _doubted(structure, doubts)})
    progress(1.0, "Label map taken in")
    return anatomy


def _found(volume: Volume, taken: Given, progress: Progress) -> tuple[Anatomy, Notes]:
    """What the program finds, with what is doubtful about the map's bone, which is taken out of its codes where it spills into a canal that
    was seen.

    Where the scan alone shows no canal, or an unsure one, bone that only the map shows counts as bone; a canal of the map stands by itself.
    """
    given, held = taken.codes, taken.held
    helps = volume.modality == "CT" and bool(held & set(codes.BONE)) and codes.EPIDURAL_SPACE not in held
    try:
        base = find(volume, None, part(progress, 0.0, 0.6 if helps else 1.0))
    except Refusal:
        if codes.EPIDURAL_SPACE in held:
            alone = bare(volume)
            return replace(alone, canal=canal_of(_canal_mask(None, taken), alone)), ()
        if not helps:
            raise
        base = find(_with_bone(volume, given), None, part(progress, 0.6, 1.0))
    else:
        if helps and float(np.mean(base.canal.confidence < _UNSURE)) > _UNSURE_SHARE:
            again = find(_with_bone(volume, given), None, part(progress, 0.6, 1.0))
            base = max(base, again, key=lambda one: float(one.canal.confidence.mean()))
    if codes.EPIDURAL_SPACE in held:
        return base, ()
    share = spilt_share(base, given)
    given[by_canal(volume, base, given, _BONE_HU)] = 0
    sentence = f"{round(100 * share)} % of the canal that was found is bone in the label map: one of them lies wrong, check both."
    return by_bone(base, given), (("bone", sentence),) if share > _MOST_SPILT else ()


def _with_bone(volume: Volume, given: Codes) -> Volume:
    """The CT with the map's bone as bright as bone."""
    voxels = volume.values()
    np.copyto(voxels, _SURELY_BONE_HU, where=np.isin(given, codes.BONE) & (voxels < _SURELY_BONE_HU))
    padding = None if volume.padding is None else max(_LEAST_HU, round(volume.padding * volume.slope + volume.intercept))
    return replace(volume, voxels=np.clip(voxels, _LEAST_HU, 32767).astype(np.int16), slope=1.0, intercept=0.0, padding=padding)


# ---- what the map holds wins --------------------------------------------------------------------------------------------------------


def _merged(anatomy: Anatomy, given: Codes, held: frozenset[int], outside: NDArray[np.bool_] | None) -> Codes:
    """The found labels with those of the map over them. A map with soft tissue holds the whole body: outside it there is none. Where the
    map does not reach, and on a side of which it shows no kidney, what was found stands."""
    found = anatomy.labels
    out, whole = found.copy(), codes.SOFT_TISSUE in held
    for name, group in _GROUPS.items():
        if held & set(group) and (whole or name not in _ADDED):
            out[np.isin(out, group)] = codes.SOFT_TISSUE
    cord = found == codes.SPINAL_CORD
    if held >= {codes.EPIDURAL_SPACE, codes.THECAL_SAC}:
        out[np.isin(out, codes.CANAL)] = codes.SOFT_TISSUE
    elif codes.EPIDURAL_SPACE in held:  # the canal as a whole: the sac in it is the one found
        out[out == codes.EPIDURAL_SPACE] = codes.SOFT_TISSUE
    elif codes.THECAL_SAC in held:
        out[np.isin(out, codes.CANAL)] = codes.EPIDURAL_SPACE
    elif codes.SPINAL_CORD in held:
        out[cord] = codes.THECAL_SAC
    kept = np.zeros(256, dtype=np.bool_)
    if not held & set(codes.VERTEBRAE):  # bone without a name takes the found names
        kept[list(codes.VERTEBRAE)] = True
    nameless = (given == codes.BONE_OTHER) & kept[out]
    sac = (given == codes.EPIDURAL_SPACE) & np.isin(found, (codes.THECAL_SAC, codes.SPINAL_CORD)) & (codes.THECAL_SAC not in held)
    np.copyto(out, given, where=(given > codes.SOFT_TISSUE) & ~nameless & ~sac)
    if codes.SPINAL_CORD not in held:
        out[cord & (given == codes.THECAL_SAC)] = codes.SPINAL_CORD
    if whole:
        np.copyto(out, given, where=(given == 0) | (out == 0))
    for side, shows in _sides(anatomy, given, (codes.KIDNEY,)):
        if not shows and codes.KIDNEY in held:
            np.copyto(out[:, :, side], codes.KIDNEY, where=(found[:, :, side] == codes.KIDNEY) & (out[:, :, side] == codes.SOFT_TISSUE))
    if outside is not None:
        np.copyto(out, found, where=outside)
    return out


def _sides(anatomy: Anatomy, given: Codes, group: tuple[int, ...]) -> tuple[tuple[slice, bool], tuple[slice, bool]]:
    """The columns right and left of the canal, and whether the map shows one of these codes there."""
    middle_mm = anatomy.canal.centreline_mm.mean(axis=0) if len(anatomy.canal.centreline_mm) else anatomy.frame.centre_mm
    at = int(np.clip(np.rint(anatomy.frame.to_index(middle_mm)[2]), 1, anatomy.frame.shape[2] - 1))
    columns = np.asarray(np.isin(given, group).any(axis=(0, 1)))
    return (slice(0, at), bool(columns[:at].any())), (slice(at, None), bool(columns[at:].any()))


def _pooled(given: Codes, base: Anatomy) -> tuple[NDArray[np.int64], ...]:
    """Indices of the map's contrast outside the sac that lies in the found canal, its wall given some slack, whatever is labelled there."""
    index = np.argwhere(given == codes.CONTRAST_OUTSIDE)
    if not len(index) or not len(base.canal.wall_mm):
        return tuple(index[:0].T)
    row, turn, radius = polar_place(along_canal(index, base.frame, base.canal), base.canal)
    return tuple(index[radius <= base.canal.wall_mm[row, turn] + _WALL_MM].T)


def _canal_mask(base: Anatomy | None, taken: Given) -> NDArray[np.bool_]:
    """The map's canal; where it shows no sac, with the hole that it leaves in the epidural space. Beyond the map the found one goes on."""
    given = taken.codes
    mask = np.isin(given, codes.CANAL)
    if not (given == codes.THECAL_SAC).any():
        for k in np.flatnonzero(mask.any(axis=(1, 2))):
            mask[k] = ndimage.binary_fill_holes(mask[k])
    if base is not None and taken.outside is not None:
        np.copyto(mask, np.isin(base.labels, codes.CANAL), where=taken.outside)
    return mask


def _structures(anatomy: Anatomy, held: frozenset[int], taken: Given, doubts: Notes) -> dict[str, Structure]:
    imported, whole = Structure("imported", _SURE, f"From {taken.program}."), codes.SOFT_TISSUE in held
    out, part_of_body = dict(anatomy.structures), _share_outside(anatomy, taken) > _MOST_OUTSIDE
    for name, group in _GROUPS.items():
        if held & set(group) and (name != "bone" or whole):
            sides = [shows for _, shows in _sides(anatomy, taken.codes, group)]
            one_side = name in _PAIRED and not all(sides)
            out[name] = _in_part(anatomy.structure(name), taken, one_side) if part_of_body or one_side else imported
    if whole and not part_of_body:
        out["skin"] = replace(out.get("skin", NOT_CHECKED), provenance="imported", confidence=_SURE)
    for name, code in (("sac", codes.THECAL_SAC), ("canal", codes.EPIDURAL_SPACE), ("cord", codes.SPINAL_CORD)):
        if code in held:
            out[name] = _in_part(anatomy.structure(name), taken, False) if part_of_body and _leaves_canal(anatomy, taken) else imported
    if held & set(codes.VERTEBRAE):
        out["levels"] = _imported_levels(anatomy, taken)
    sentences = [f"From {taken.program}.", *(note for of, note in doubts if of == "label map")]
    out["label map"] = Structure("imported", _SURE, " ".join(sentences))
    out["levels"] = _doubted(out.get("levels", NOT_CHECKED), doubts)
    if any(of == "bone" for of, _ in doubts):
        out["bone"] = _doubted(out.get("bone", NOT_CHECKED), doubts, "bone")
    return out


def _in_part(known: Structure, taken: Given, one_side: bool) -> Structure:
    """A structure of which the map shows one side, or a part of the scan: it is known no better than the program knows the rest."""
    where = "shows it on one side only" if one_side else "covers a part of the scan"
    rest = "elsewhere nobody looked" if known.provenance == "not checked" else f"elsewhere it is {known.provenance}"
    words = f"The label map of {taken.program} {where}: {rest}."
    return replace(known, problem=f"{words} {known.problem}" if known.problem else words)


def _share_outside(anatomy: Anatomy, taken: Given) -> float:
    """The share of the body in view that lies beyond the map's grid."""
    if taken.outside is None:
        return 0.0
    body = anatomy.labels > 0
    return float(np.count_nonzero(body & taken.outside)) / max(1, int(np.count_nonzero(body)))


def _leaves_canal(anatomy: Anatomy, taken: Given) -> bool:
    """Whether a part of the canal lies beyond the map's grid."""
    assert taken.outside is not None
    index = np.clip(np.rint(anatomy.frame.to_index(anatomy.canal.centreline_mm)).astype(int), 0, np.array(anatomy.frame.shape) - 1)
    return bool(taken.outside[tuple(index.T)].mean() > _MOST_OUTSIDE)


def _imported_levels(anatomy: Anatomy, taken: Given) -> Structure:
    """The names of a map are no guess, but nobody has confirmed them."""
    sure = anatomy.anchor and replace(anatomy.anchor, by="user")
    known = levels_structure(anatomy.levels, sure)
    words = f"The names are those of {taken.program}: confirm one vertebra."
    return Structure("imported", known.confidence, " ".join([words, *([known.problem] if known.problem else [])]))


def _doubted(known: Structure, doubts: Notes, name: str = "levels") -> Structure:
    """A structure with what the label map makes questionable about it."""
    sentences = [note for of, note in doubts if of == name]
    if not sentences:
        return known
    sure = known.confidence and min(known.confidence, _QUESTIONED)
    return replace(known, confidence=sure, problem=" ".join(([known.problem] if known.problem else []) + sentences))


def _with_levels(base: Anatomy, taken: Given) -> tuple[Anatomy, Notes]:
    """The anatomy with the names and bodies of the map's vertebrae, and what is doubtful about the map; found openings that do not lie
    between their new names go."""
    given, held = taken.codes, taken.held
    canal = canal_of(_canal_mask(base, taken), base) if codes.EPIDURAL_SPACE in held else base.canal
    named = sorted((name for name in ALL_LEVELS if codes.vertebra(name) in held), key=rank)
    bodies = {name: centre for name in named if (centre := _body(base, canal, given, name)) is not None}
    if not bodies:
        return _named_by_marks(base, taken), taken.notes
    doubts = (*taken.notes, *_places(bodies, base))
    numbering = _numbering(bodies)
    names = numbering.names
    votes: Counter[int] = Counter()
    for name, centre in bodies.items():
        near = min(range(len(base.levels)), key=lambda n: dist(base.levels[n].centre_mm, centre), default=None)
        if near is not None and dist(base.levels[near].centre_mm, centre) < _SAME_MM:
            votes[names.index(name) - near] += 1
    if votes:
        base = _counted(base, votes.most_common(1)[0][0], numbering)
    kept = [
        level
        for level in base.levels
        if level.name not in bodies and all(dist(level.centre_mm, centre) >= _SAME_MM for centre in bodies.values())
    ]
    new = [Level(name, centre, float(canal.s_mm[canal.nearest(centre)]), _SURE) for name, centre in bodies.items()]
    levels = tuple(sorted([*kept, *new], key=lambda level: rank(level.name)))
    z = {level.name: level.centre_mm[2] for level in levels}

    def between(pair: tuple[str, str], z_mm: float, slack_mm: float) -> bool:
        return set(pair) <= set(z) and z[pair[1]] - slack_mm <= z_mm <= z[pair[0]] + slack_mm

    foramina = tuple(f for f in base.foramina if between(f.between, f.centre_mm[2], 5.0))
    windows = tuple(w for w in base.windows if between(w.between, w.centre_mm[2], 25.0))  # laminae hang below their bodies
    middle = list(bodies)[len(bodies) // 2]
    anchor = Anchor(middle, bodies[middle], "program", _SURE, numbering)
    marks = tuple(mark for mark in base.landmarks if between((mark.vertebra, mark.vertebra), mark.midline_mm[2], _SAME_MM))
    return replace(base, levels=levels, foramina=foramina, windows=windows, anchor=anchor, landmarks=marks), doubts


def _numbering(bodies: Mapping[str, tuple[float, float, float]]) -> Numbering:
    """How the map counts. bodies: from head to foot. Where two lie too far apart to be neighbours one is missing, and nothing is told."""
    names = list(bodies)[:1]
    for (_, above), (name, below) in pairwise(bodies.items()):
        names += ["", name] if dist(above, below) > _MOST_APART_MM else [name]
    return numbering_of(names)


def _counted(base: Anatomy, first: int, numbering: Numbering) -> Anatomy:
    """The found vertebrae under the names of a numbering, the first of them at this place of it."""
    names = numbering.names
    at = next((n for n in range(len(base.levels)) if 0 <= first + n < len(names)), None)
    return base if at is None else rename(base, Anchor(names[first + at], base.levels[at].centre_mm, "program", _SURE, numbering))


def _places(bodies: Mapping[str, tuple[float, float, float]], base: Anatomy) -> Notes:
    """What is doubtful about where the bodies lie. Raises Refusal where they do not lie in front of the found canal."""
    canal = base.canal
    if not base.levels or not len(canal.centreline_mm):
        return ()
    points = np.array(list(bodies.values()))
    at = [canal.nearest(point) for point in points]
    offset = points - canal.centreline_mm[at]
    left, front = float(np.median((offset * canal.left[at]).sum(axis=1))), -float(np.median((offset * canal.back[at]).sum(axis=1)))
    if abs(left) > _BESIDE_MM or not _BEHIND_MM < front < _BEFORE_MM:
        raise not_on_this_scan()
    inner = [point for point in points if min(level.centre_mm[2] for level in base.levels) < point[2] < base.levels[0].centre_mm[2]]
    off = [min(dist(level.centre_mm, point) for level in base.levels) for point in inner]
    if len(off) > 1 and float(np.median(off)) > _OFF_MM:
        sentence = (
            f"The label map's vertebrae lie {np.median(off):.0f} mm from those that the program found: check that the map lies on the scan."
        )
        return (("levels", sentence),)
    return ()


def _named_by_marks(base: Anatomy, taken: Given) -> Anatomy:
    """The found vertebrae under the names that the map gives to places along the cord, or to discs."""
    votes: Counter[int] = Counter()
    for name, place in taken.marks.items():
        s = float(base.canal.s_mm[base.canal.nearest(place)]) if len(base.canal.centreline_mm) else 0.0
        upper, _, lower = name.partition("-")
        spots = (
            [(n, (one.s_mm + two.s_mm) / 2) for n, (one, two) in enumerate(pairwise(base.levels))]
            if lower
            else [(n, one.s_mm) for n, one in enumerate(base.levels)]
        )
        near = min(spots, key=lambda spot: abs(spot[1] - s), default=None)
        beside = min((dist(place, point) for point in base.canal.centreline_mm), default=0.0)
        if near is not None and abs(near[1] - s) < _SAME_MM and beside < _BEFORE_MM:
            votes[LEVELS.index(upper) - near[0]] += 1
    if taken.marks and not votes and base.levels:
        raise not_on_this_scan()
    return _counted(base, votes.most_common(1)[0][0], USUAL) if votes else base


def _body(base: Anatomy, canal: Canal, given: Codes, name: str) -> tuple[float, float, float] | None:
    """The middle of a vertebra's body: of its part in front of the canal. None for a sliver at the border of the scan."""
    index = np.argwhere(given == codes.vertebra(name))
    if len(index) * base.frame.voxel_ml < _LEAST_BODY_ML:
        return None
    points = base.frame.to_world(index)
    at = np.abs(canal.centreline_mm[None, :, 2] - np.unique(points[:, 2])[:, None]).argmin(axis=1)
    at = at[np.searchsorted(np.unique(points[:, 2]), points[:, 2])]
    offset = points - canal.centreline_mm[at]
    in_front = -(offset * canal.back[at]).sum(axis=1) > canal.wall_mm[at, _FRONT]
    if in_front.sum() * base.frame.voxel_ml < _LEAST_BODY_ML:
        return None
    x, y, z = (float(value) for value in points[in_front].mean(axis=0))
    return x, y, z


def canal_of(mask: NDArray[np.bool_], anatomy: Anatomy) -> Canal:
    """The canal as a tube through a mask on the anatomy's frame; what its wall is made of is taken over from the found canal."""
    curve, radius = _tube(mask, anatomy)
    old = anatomy.canal
    nearest = np.array([old.nearest(point) for point in curve.points_mm]) if len(old.centreline_mm) else None
    bridged = np.zeros(radius.shape, dtype=np.bool_) if nearest is None else old.bridged[nearest]
    kinds = np.full(radius.shape, IMPORTED, dtype=np.uint8) if nearest is None else bridges_of(old)[nearest]
    return Canal(curve.points_mm, curve.left, curve.back, radius, bridged, area_of(radius), np.full(len(radius), _SURE), kinds)


def _tube(mask: NDArray[np.bool_], anatomy: Anatomy) -> tuple[Curve, Floats]:
    """Centreline through the middles of the slices, moved to the middles of the cross-sections, and the wall around it."""
    frame = anatomy.frame
    slices = np.flatnonzero(mask.any(axis=(1, 2)))[::-1]
    if len(slices) < 4:
        raise Refusal("The label map shows too little of the canal.", "Give a map with the canal of at least one vertebra.")
    middles = np.array([[k, *np.argwhere(mask[k]).mean(axis=0)] for k in slices])
    curve = curve_through(frame.to_world(middles), 4.0)
    image = Volume(frame, mask.astype(np.uint8) * np.uint8(100), "CT")
    radius = _edge(polar(image, curve))
    u, v = centroids(radius)
    curve = curve_through(curve.points_mm + u[:, None] * curve.left + v[:, None] * curve.back, 3.0)
    return curve, _edge(polar(image, curve))


def _edge(rays: Floats) -> Floats:
    """(n, ANGLES): where the mask (0 to 100) falls to its half, between two samples by a straight line."""
    outside = rays < 50.0
    first = np.where(outside.any(axis=2), outside.argmax(axis=2), len(RADII) - 1)
    low = np.take_along_axis(rays, first[..., None], axis=2)[..., 0]
    high = np.where(first > 0, np.take_along_axis(rays, np.maximum(first - 1, 0)[..., None], axis=2)[..., 0], 100.0)
    step = np.clip((high - 50.0) / np.maximum(high - np.maximum(low, 0.0), 1e-6), 0.0, 1.0)
    return np.asarray(np.maximum(RADII[first] - (1.0 - step) * (RADII[1] - RADII[0]), 0.5))
