"""A label map of another program, or one that a person has edited, taken in: what it holds wins over what the program finds."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from math import dist
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planner.anatomy import labels as codes
from planner.anatomy.body import body_mask
from planner.anatomy.find import find
from planner.anatomy.grid import onto, reduced
from planner.anatomy.labels import LEVELS
from planner.anatomy.names import levels_structure, rename
from planner.anatomy.outside import polar_place
from planner.anatomy.paint import along_canal
from planner.anatomy.reformat import RADII, Curve, curve_through, polar
from planner.anatomy.spine import ANGLES, NOT_CHECKED, Anatomy, Anchor, Canal, Level, Structure
from planner.anatomy.wall import area_of, centroids
from planner.geometry import Floats, Volume, read_nifti
from planner.geometry.sampling import resample
from planner.progress import Progress, part, silent
from planner.refusal import Refusal

_SURE = 0.9  # of what another program or a person has labelled
_BONE_HU = 150.0
_BONE_SHARE = 0.3  # of a vertebra that is brighter, cancellous bone of the old included
_SHIFT_MM = 15.0  # a map that lies on the scan fits worse when it is moved this far
_WHOLE = 0.01  # a label stored as a fraction is this near to a whole number
_LEAST_BODY_ML = 1.0
_WALL_MM = 2.0  # the found wall of the canal may lie this far from the true one
_SAME_MM = 15.0  # two centres nearer than this are one vertebra
_FRONT = 3 * ANGLES // 4
_ACCEPTED = "Give labels.nii.gz with its labels.json, truth.nii.gz with its truth.json, or a map with all classes of TotalSegmentator 2."
_DISCS = tuple(codes.disc(level) for level in LEVELS[:-1])
_GROUPS: dict[str, tuple[int, ...]] = {
    "bone": codes.BONE,
    "discs": _DISCS,
    "roots": (codes.NERVE_ROOT, codes.GANGLION),
    "ligamentum flavum": (codes.LIGAMENTUM_FLAVUM,),
    "contrast outside": (codes.CONTRAST_OUTSIDE,),
    "lung": (codes.LUNG,),
    "bowel gas": (codes.BOWEL_GAS,),
    "kidney": (codes.KIDNEY,),
    "aorta": (codes.AORTA,),
    "vena cava": (codes.VENA_CAVA,),
    "vertebral artery": (codes.VERTEBRAL_ARTERY,),
}
_ADDED = ("bone", "lung", "bowel gas")  # a map that does not hold the whole body adds to these and takes nothing away
Codes = NDArray[np.uint8]


def find_with_labels(volume: Volume, path: Path, anchor: Anchor | None = None, progress: Progress = silent) -> Anatomy:
    """The anatomy of a scan where a label map (NIfTI) wins over what `find` finds; what it does not hold is found as usual.

    anchor: a vertebra that a person named; it wins over the names of the map. Raises Refusal for a file that is no known label map, or
    that does not lie on this scan, and where neither the scan nor the map shows the canal.
    """
    progress(0.0, "Reading the label map")
    given = read_labels(path, volume)
    held = frozenset(int(code) for code in np.flatnonzero(np.bincount(given.ravel(), minlength=256)) if code)
    try:
        base = find(volume, None, part(progress, 0.1, 0.9))
    except Refusal:
        if not held >= {codes.EPIDURAL_SPACE, codes.THECAL_SAC}:
            raise
        base = _bare(volume, given)
    progress(0.9, "Taking in the label map")
    given[_pooled(given, base)] = codes.EPIDURAL_SPACE  # contrast in the canal stands where blood will go: it is room, not wall
    anatomy = _with_levels(base, given, held)
    labels = _merged(anatomy.labels, given, held)
    canal = anatomy.canal
    if held >= {codes.EPIDURAL_SPACE, codes.THECAL_SAC}:
        canal = canal_of(np.isin(given, codes.CANAL), anatomy)
    levels = tuple(replace(level, s_mm=float(canal.s_mm[canal.nearest(level.centre_mm)])) for level in anatomy.levels)
    anatomy = replace(anatomy, labels=labels, canal=canal, levels=levels, structures=_structures(anatomy, held), again=None)
    if anchor is not None:
        levels_known = anatomy.structure("levels")
        anatomy = rename(anatomy, anchor)
        structure = replace(levels_structure(anatomy.levels, anchor), provenance=levels_known.provenance)
        anatomy = replace(anatomy, structures={**anatomy.structures, "levels": structure})
    progress(1.0, "Label map taken in")
    return anatomy


# ---- the file -----------------------------------------------------------------------------------------------------------------------


def read_labels(path: Path, volume: Volume) -> Codes:
    """The map as codes of `planner.anatomy.labels` on the scan's grid, nearest voxel; 0 where it says nothing. Raises Refusal."""
    if not path.is_file():
        raise Refusal(f"There is no label map {path.name}.", _ACCEPTED)
    try:
        file = read_nifti(path)
    except ValueError as error:
        raise Refusal(f"{path.name} is no label map: {error}", _ACCEPTED) from error
    if file.problem is not None:
        raise Refusal(f"Where the label map {path.name} lies is not sure: {file.problem}", "Write it anew with sform and qform alike.")
    slope = file.slope if np.isfinite(file.slope) and file.slope else 1.0
    intercept = file.intercept if np.isfinite(file.intercept) else 0.0
    numbers = _whole_numbers(file.voxels.astype(np.float32) * np.float32(slope) + np.float32(intercept), path)
    numbers = resample(numbers, file.frame, volume.frame, 0, nearest=True)
    if not numbers.any():
        raise _not_on_this_scan()
    table = _table(path, numbers, volume)
    unknown = sorted(int(n) for n in np.unique(numbers) if n and table[n] < 0)
    if unknown:
        raise Refusal(f"The label map {path.name} holds the number {unknown[0]}, which its JSON file does not name.", _ACCEPTED)
    given = np.maximum(table, 0).astype(np.uint8)[numbers]
    _check_place(given, volume)
    return np.asarray(given)


def _not_on_this_scan() -> Refusal:
    return Refusal("The label map does not lie on this scan.", "Give the map that was made from this series.")


def _whole_numbers(values: NDArray[np.float32], path: Path) -> Codes:
    whole = np.rint(values)
    if not np.isfinite(values).all() or np.abs(values - whole).max() > _WHOLE or whole.min() < 0 or whole.max() > 255:
        raise Refusal(f"{path.name} is no label map: its values are not whole numbers from 0 to 255.", _ACCEPTED)
    return np.asarray(whole, dtype=np.uint8)


def _table(path: Path, numbers: Codes, volume: Volume) -> NDArray[np.int16]:
    """(256,): the code of each number; -1 where it has none."""
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    names = path.with_name(f"{stem}.json")
    if names.is_file():
        return _named(names)
    if stem in ("labels", "truth"):
        raise Refusal(f"{names.name} is missing beside {path.name}.", "It says what the numbers mean: put it into the same folder.")
    if _is_total_segmentator(numbers, volume):
        return _total_segmentator()
    raise Refusal(f"What the numbers of the label map {path.name} mean is not known.", _ACCEPTED)


def _named(path: Path) -> NDArray[np.int16]:
    by_name = {codes.name(code): code for code in (*range(1, 16), *codes.VERTEBRAE, *_DISCS)}
    table = np.full(256, -1, dtype=np.int16)
    table[0] = 0
    try:
        content = json.loads(path.read_text("utf-8"))
        items = [(int(number), str(name)) for number, name in content.get("labels", content).items()]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise Refusal(f"{path.name} does not say what the numbers mean.", _ACCEPTED) from error
    for number, name in items:
        if name not in by_name or not 0 < number < 256:
            raise Refusal(f"{path.name} names a structure that is not known: {number}, {name[:40]}.", _ACCEPTED)
        table[number] = by_name[name]
    return table


def _total_segmentator() -> NDArray[np.int16]:
    """Class numbers of `total`, version 2 (algorithms 2.4); its other classes say nothing about what is planned here."""
    table = np.zeros(256, dtype=np.int16)
    table[119:] = -1  # some maps carry one class more than the 117
    table[[2, 3]], table[10:15], table[18:21] = codes.KIDNEY, codes.LUNG, codes.BOWEL_GAS
    table[25], table[52], table[63], table[79] = codes.BONE_OTHER, codes.AORTA, codes.VENA_CAVA, codes.SPINAL_CORD
    table[26:51] = [codes.vertebra(level) for level in reversed(LEVELS[: LEVELS.index("S1") + 1])]
    table[69:79] = table[91:117] = codes.BONE_OTHER
    return table


def _is_total_segmentator(numbers: Codes, volume: Volume) -> bool:
    """By its values: cord 79 or right ribs over 104, vertebrae that count up to the head, and a cord that is no rib (version 1)."""
    count = np.bincount(numbers.ravel(), minlength=256)
    vertebrae = [n for n in range(26, 51) if count[n]]
    if volume.modality != "CT" or count[119:].any() or len(vertebrae) < 2 or not (count[79] or count[105:118].any()):
        return False
    slices = np.arange(numbers.shape[0])
    heights = [float((slices * (numbers == n).sum(axis=(1, 2))).sum() / count[n]) for n in vertebrae]
    if heights != sorted(heights):
        return False
    return not count[79] or float(np.median(_values_at(volume, numbers == 79))) < _BONE_HU


def _values_at(volume: Volume, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.asarray(volume.voxels[mask].astype(np.float32) * np.float32(volume.slope) + np.float32(volume.intercept))


def _check_place(given: Codes, volume: Volume) -> None:
    """In CT the vertebrae of the map must be bone, and more so than 15 mm beside; MR shows no bone to check by."""
    vertebra = np.isin(given, codes.VERTEBRAE)
    if volume.modality != "CT":
        return
    if not vertebra.any():
        raise Refusal("The label map holds no vertebra, so it cannot be checked that it lies on this scan.", _ACCEPTED)
    bright = volume.voxels * np.sign(volume.slope) > volume.to_stored(_BONE_HU) * np.sign(volume.slope)
    here = float(bright[vertebra].mean())
    beside = []
    for axis in (1, 2):
        step = round(_SHIFT_MM / volume.frame.spacing_mm[axis])
        beside += [float(np.roll(bright, by, axis)[vertebra].mean()) for by in (step, -step)]
    if here < _BONE_SHARE or here <= max(beside):
        raise _not_on_this_scan()


# ---- what the map holds wins --------------------------------------------------------------------------------------------------------


def _merged(found: Codes, given: Codes, held: frozenset[int]) -> Codes:
    """The found labels with those of the map over them. A map with soft tissue holds the whole body: outside it there is none."""
    out, whole = found.copy(), codes.SOFT_TISSUE in held
    for name, group in _GROUPS.items():
        if held & set(group) and (whole or name not in _ADDED):
            out[np.isin(out, group)] = codes.SOFT_TISSUE
    cord = found == codes.SPINAL_CORD
    if held >= {codes.EPIDURAL_SPACE, codes.THECAL_SAC}:
        out[np.isin(out, codes.CANAL)] = codes.SOFT_TISSUE
    elif codes.THECAL_SAC in held:
        out[np.isin(out, codes.CANAL)] = codes.EPIDURAL_SPACE
    elif codes.SPINAL_CORD in held:
        out[cord] = codes.THECAL_SAC
    np.copyto(out, given, where=given > codes.SOFT_TISSUE)
    if codes.SPINAL_CORD not in held:
        out[cord & (given == codes.THECAL_SAC)] = codes.SPINAL_CORD
    if whole:
        np.copyto(out, given, where=(given == 0) | (out == 0))
    return out


def _pooled(given: Codes, base: Anatomy) -> tuple[NDArray[np.int64], ...]:
    """Indices of the map's contrast outside the sac that lies in the found canal, its wall given some slack, whatever is labelled there."""
    index = np.argwhere(given == codes.CONTRAST_OUTSIDE)
    if not len(index) or not len(base.canal.wall_mm):
        return tuple(index[:0].T)
    row, turn, radius = polar_place(along_canal(index, base.frame, base.canal), base.canal)
    return tuple(index[radius <= base.canal.wall_mm[row, turn] + _WALL_MM].T)


def _structures(anatomy: Anatomy, held: frozenset[int]) -> dict[str, Structure]:
    imported, whole = Structure("imported", _SURE), codes.SOFT_TISSUE in held
    out = dict(anatomy.structures)
    for name, group in _GROUPS.items():
        if held & set(group) and (name != "bone" or whole):
            out[name] = imported
    if whole:
        out["skin"] = replace(out.get("skin", NOT_CHECKED), provenance="imported", confidence=_SURE)
    if codes.THECAL_SAC in held:
        out["sac"] = imported
        if codes.EPIDURAL_SPACE in held:
            out["canal"] = imported
    if codes.SPINAL_CORD in held:
        out["cord"] = imported
    if held & set(codes.VERTEBRAE):
        out["levels"] = replace(levels_structure(anatomy.levels, anatomy.anchor), provenance="imported")
    return out


def _with_levels(base: Anatomy, given: Codes, held: frozenset[int]) -> Anatomy:
    """The anatomy with the names and bodies of the map's vertebrae; found openings that do not lie between their new names go."""
    canal = canal_of(np.isin(given, codes.CANAL), base) if held >= {codes.EPIDURAL_SPACE, codes.THECAL_SAC} else base.canal
    bodies = {name: centre for name in LEVELS if codes.vertebra(name) in held and (centre := _body(base, canal, given, name)) is not None}
    if not bodies:
        return base
    votes: Counter[int] = Counter()
    for name, centre in bodies.items():
        near = min(base.levels, key=lambda level: dist(level.centre_mm, centre), default=None)
        if near is not None and dist(near.centre_mm, centre) < _SAME_MM:
            votes[LEVELS.index(name) - LEVELS.index(near.name)] += 1
    if votes:
        by = votes.most_common(1)[0][0]
        at = next((level for level in base.levels if 0 <= LEVELS.index(level.name) + by < len(LEVELS)), None)
        if at is not None:
            base = rename(base, Anchor(LEVELS[LEVELS.index(at.name) + by], at.centre_mm, "program", _SURE))
    kept = [
        level
        for level in base.levels
        if level.name not in bodies and all(dist(level.centre_mm, centre) >= _SAME_MM for centre in bodies.values())
    ]
    new = [Level(name, centre, float(canal.s_mm[canal.nearest(centre)]), _SURE) for name, centre in bodies.items()]
    levels = tuple(sorted([*kept, *new], key=lambda level: LEVELS.index(level.name)))
    z = {level.name: level.centre_mm[2] for level in levels}

    def between(pair: tuple[str, str], z_mm: float, slack_mm: float) -> bool:
        return set(pair) <= set(z) and z[pair[1]] - slack_mm <= z_mm <= z[pair[0]] + slack_mm

    foramina = tuple(f for f in base.foramina if between(f.between, f.centre_mm[2], 5.0))
    windows = tuple(w for w in base.windows if between(w.between, w.centre_mm[2], 25.0))  # laminae hang below their bodies
    middle = sorted(bodies, key=LEVELS.index)[len(bodies) // 2]
    anchor = Anchor(middle, bodies[middle], "program", _SURE)
    return replace(base, levels=levels, foramina=foramina, windows=windows, anchor=anchor)


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
    """The canal as a tube through a mask on the anatomy's frame; what was bridged is taken over from the found canal."""
    curve, radius = _tube(mask, anatomy)
    old = anatomy.canal
    nearest = np.array([old.nearest(point) for point in curve.points_mm]) if len(old.centreline_mm) else None
    bridged = np.zeros(radius.shape, dtype=np.bool_) if nearest is None else old.bridged[nearest]
    return Canal(curve.points_mm, curve.left, curve.back, radius, bridged, area_of(radius), np.full(len(radius), _SURE))


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


def _bare(volume: Volume, given: Codes) -> Anatomy:
    """What is known where the program finds no canal itself: the body's outline and the map; no opening is checked."""
    search = reduced(volume)
    labels = onto(body_mask(search), search.frame, volume.frame).astype(np.uint8)
    none = np.empty((0, 3))
    empty = Canal(none, none, none, np.empty((0, ANGLES)), np.empty((0, ANGLES), dtype=np.bool_), np.empty(0), np.empty(0))
    structures = {"skin": Structure("found", 0.8)}
    anatomy = Anatomy(volume.frame, volume.modality, labels, structures, empty, (), (), (), (), None)
    return replace(anatomy, canal=canal_of(np.isin(given, codes.CANAL), anatomy))
