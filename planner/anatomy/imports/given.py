"""A label map of another program on the grid of a scan: read, understood, and checked that it lies there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy import labels as codes
from planner.anatomy.imports.said import structure_named
from planner.anatomy.imports.schemes import Meaning, Piece, measured, recognised
from planner.anatomy.labels import ALL_LEVELS, rank
from planner.geometry import Frame, Volume
from planner.geometry.sampling import resample
from planner.progress import Progress, silent
from planner.refusal import Refusal
from planner.scan.label_files import LabelFile, read_label_file, sidecar_of
from planner.scan.label_folder import read_label_folder

_BONE_HU = 150.0
_BONE_SHARE, _LEAST_SHARE = 0.3, 0.15  # of vertebrae that is brighter, cancellous bone of the old included: less is asked about, is refused
_BESIDE_MM = 15.0  # a map that lies on the scan fits worse when it is moved this far
_ALONG_MM, _STEP_MM, _SLIP_MM = 45.0, 3.0, 6.0
_BETTER = 0.04  # a place along the spine that fits better by this is the true one
_RING_MM, _RING_OF_CORD_MM = 6.0, 12.0  # bone lies so far around a canal, and around what lies in it
_LEAST_ENDS, _BLUR_MM = 100, 2.0
_ENDS_BETTER = 1.15  # in MR, another place that fits so much better makes the map questionable
_LEAST_SIDE = 0.08  # of the ring on each side is bone
_MOST_POINTS = 60_000
_BEYOND = 255  # no code
_BY_NAME = {codes.name(code): code for code in (*range(1, 16), *codes.VERTEBRAE, *codes.DISCS)}
_ASK = "Give a map with vertebrae, or with the canal and the bone around it."

# where two segments claim a voxel, the later of these has it: what lies inside something else, and what a needle must not touch
_PRIORITY = (
    codes.SOFT_TISSUE, codes.BONE_OTHER, codes.LUNG, codes.BOWEL_GAS, codes.KIDNEY, codes.VENA_CAVA, codes.AORTA, *codes.VERTEBRAE,
    *(code for name, code in _BY_NAME.items() if name.startswith("disc ")), codes.LIGAMENTUM_FLAVUM, codes.EPIDURAL_SPACE,
    codes.CONTRAST_OUTSIDE, codes.THECAL_SAC, codes.SPINAL_CORD, codes.NERVE_ROOT, codes.GANGLION, codes.VERTEBRAL_ARTERY,
)  # fmt: skip

Codes = NDArray[np.uint8]
Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Given:
    """A label map on the scan's grid. codes: of `planner.anatomy.labels`, 0 where it says nothing. program: whose map it is. notes: what a
    reader must know, each with the structure that it is of. marks: places (LPS) that name a vertebra (`L4`) or a disc (`L4-L5`) without
    showing its bone. outside: the scan's voxels beyond the map's grid, of which it says nothing; None where it covers the whole scan."""

    codes: Codes
    program: str
    notes: tuple[tuple[str, str], ...]
    marks: Mapping[str, tuple[float, float, float]]
    outside: NDArray[np.bool_] | None = None

    @property
    def held(self) -> frozenset[int]:
        """The codes that it holds."""
        return frozenset(int(code) for code in np.flatnonzero(np.bincount(self.codes.ravel(), minlength=256)) if code)


def read_given(path: Path, volume: Volume, scheme: str | None = None, progress: Progress = silent) -> Given:
    """A label map of this scan: a file, or a folder with one mask for each structure. scheme: whose numbers it has, where a person said.

    Raises Refusal for what is no label map, is not understood, or does not lie on the scan.
    """
    if path.name.removesuffix(".gz").removesuffix(".nii") in ("labels", "truth") and path.is_file() and not sidecar_of(path).is_file():
        raise Refusal(
            f"{sidecar_of(path).name} is missing beside {path.name}.", "It says what the numbers mean: put it into the same folder."
        )
    file = read_label_folder(path, _is_known, progress) if path.is_dir() else read_label_file(path)
    file = file if scheme is None else replace(file, scheme=scheme)
    pieces = measured(file)
    if not pieces:
        raise Refusal(f"The label map {path.name} is empty.", "Give the map that was made from this series.")
    meaning = recognised(file, volume.modality, path.name, pieces)
    given = _on_scan(file, meaning, volume.frame)
    outside = given == _BEYOND
    given[outside] = 0
    notes = [*meaning.notes, *(("label map", note) for note in file.notes)]
    if not _same_grid(file.frame, volume.frame):
        spacing = " x ".join(f"{mm:.1f}" for mm in file.frame.spacing_mm)
        notes.append(("label map", f"Its grid is another than the scan's ({spacing} mm): every voxel took the nearest."))
    marks = _marks(meaning, pieces)
    if not (given.any() or any(bool(volume.frame.contains(place)) for place in marks.values())):
        raise not_on_this_scan()
    if given.any():
        notes += _checked_place(given, volume)
    return Given(given, meaning.program, tuple(notes), marks, outside if outside.any() else None)


def _is_known(said: str) -> bool:
    return structure_named(said) is not None


def _on_scan(file: LabelFile, meaning: Meaning, frame: Frame) -> Codes:
    """Codes on the scan's grid, `_BEYOND` outside the map's; where segments overlap the later of `_PRIORITY` has the voxel."""
    table = np.zeros(65536, dtype=np.uint8)
    for number, name in meaning.names.items():
        table[number] = codes.SPINAL_CORD if name.startswith("cord at ") else _BY_NAME.get(name, 0)
    merged = table[file.layers[0]]
    if len(file.layers) > 1:
        rank = np.zeros(256, dtype=np.uint8)
        rank[list(_PRIORITY)] = np.arange(1, len(_PRIORITY) + 1)
        for layer in file.layers[1:]:
            more = table[layer]
            np.copyto(merged, more, where=rank[more] > rank[merged])
    return np.asarray(resample(merged, file.frame, frame, _BEYOND, nearest=True))


def _same_grid(one: Frame, other: Frame) -> bool:
    """Whether the voxels of both lie on each other, whatever the order of the axes."""
    between = np.linalg.inv(other.affine) @ one.affine
    steps = between[:3, :3]
    return bool(np.abs(between - np.rint(between)).max() < 0.02 and abs(abs(np.linalg.det(steps)) - 1.0) < 0.02)


def _marks(meaning: Meaning, pieces: Mapping[int, Piece]) -> dict[str, tuple[float, float, float]]:
    out = {}
    for number, name in meaning.names.items():
        for kind in ("cord at ", "mark ", "disc "):
            if name.startswith(kind):
                out[name.removeprefix(kind)] = pieces[number].centre_mm
    return out


# ---- does it lie there? -------------------------------------------------------------------------------------------------------------


def not_on_this_scan() -> Refusal:
    """The map belongs to another scan, or to another place."""
    return Refusal("The label map does not lie on this scan.", "Give the map that was made from this series.")


def _checked_place(given: Codes, volume: Volume) -> list[tuple[str, str]]:
    """In CT what the map calls bone must be bright, and more so there than a little beside or along; in MR the ends of its vertebrae are
    where the signal changes, or it is asked about.

    Returns what is questionable: (structure, sentence)."""
    if volume.modality != "CT":
        return _ends_fit(given, volume)
    bright = volume.voxels * np.sign(volume.slope) > volume.to_stored(_BONE_HU) * np.sign(volume.slope)
    vertebra = np.isin(given, codes.VERTEBRAE)
    if not vertebra.any():
        vertebra = given == codes.BONE_OTHER
    if not vertebra.any():
        return _around_canal(given, bright, volume.frame)
    index = _some_of(np.argwhere(vertebra))
    here = _share(bright, index, 0, 0)
    spacing = volume.frame.spacing_mm
    beside = [_share(bright, index, axis, sign * round(_BESIDE_MM / spacing[axis])) for axis in (1, 2) for sign in (1, -1)]
    along_mm = np.arange(-_ALONG_MM, _ALONG_MM + 1.0, max(_STEP_MM, spacing[0]))
    along = [_share(bright, index, 0, round(mm / spacing[0])) for mm in along_mm]
    best = int(np.argmax(along))
    if here < _LEAST_SHARE or here <= max(beside) or (abs(along_mm[best]) > _SLIP_MM and along[best] > here + _BETTER):
        raise not_on_this_scan()
    if here < _BONE_SHARE:
        return [
            ("bone", f"Only {round(100 * here)} % of the label map's bone is bright in the scan: soft bone, or not its place; check it.")
        ]
    return [("levels", f"{name} of the label map is hardly bone in the scan: check it.") for name in _dark(given, bright)]


def _ends_fit(given: Codes, volume: Volume) -> list[tuple[str, str]]:
    """Whether the signal changes more at the upper and lower ends of the map's vertebrae than it would some way along the spine."""
    vertebra, z_mm = np.isin(given, codes.VERTEBRAE), volume.frame.spacing_mm[0]
    inner = vertebra[1:-1]
    index = _some_of(np.argwhere((inner & ~vertebra[2:]) | (inner & ~vertebra[:-2])) + np.array([1, 0, 0]))
    if len(index) < _LEAST_ENDS:
        return []
    smooth = ndimage.gaussian_filter1d(volume.voxels.astype(np.float32), _BLUR_MM / z_mm, axis=0)
    change = np.abs(np.gradient(smooth, axis=0))
    along_mm = np.arange(-_ALONG_MM, _ALONG_MM + 1.0, max(_STEP_MM, z_mm))
    met = []
    for mm in (0.0, *along_mm[np.abs(along_mm) > _SLIP_MM]):
        moved = index[:, 0] + round(mm / z_mm)
        inside = (moved >= 0) & (moved < len(change))
        met.append(float(change[moved[inside], index[inside, 1], index[inside, 2]].mean()) if inside.mean() > 0.5 else 0.0)
    if max(met[1:], default=0.0) <= _ENDS_BETTER * met[0]:
        return []
    return [("levels", "The ends of the label map's vertebrae do not lie where the signal changes: check that the map lies on the scan.")]


def _dark(given: Codes, bright: NDArray[np.bool_]) -> list[str]:
    """Vertebrae of which little is bright."""
    count = np.bincount(given.ravel(), minlength=256)
    lit = np.bincount(given[bright], minlength=256)
    held = [(name, codes.vertebra(name)) for name in sorted(ALL_LEVELS, key=rank)]
    return [name for name, code in held if count[code] and lit[code] < _LEAST_SHARE * count[code]]


def _around_canal(given: Codes, bright: NDArray[np.bool_], frame: Frame) -> list[tuple[str, str]]:
    """A canal without bone in the map must have bone on all four sides, and more so than a little beside."""
    canal = np.isin(given, codes.CANAL)
    if not canal.any():
        raise Refusal("The label map holds neither bone nor canal, so it cannot be checked that it lies on this scan.", _ASK)
    ring_mm = _RING_MM if (given == codes.EPIDURAL_SPACE).any() else _RING_OF_CORD_MM
    reach = [max(1, round(ring_mm / mm)) for mm in frame.spacing_mm[1:]]
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach[1] + 1, 2 * reach[0] + 1))
    sides: list[list[Index]] = [[], [], [], []]
    for k in np.flatnonzero(canal.any(axis=(1, 2))):
        ring = np.argwhere(cv2.dilate(canal[k].astype(np.uint8), kernel).astype(bool) & ~canal[k])
        back, left = ((ring - np.argwhere(canal[k]).mean(axis=0)) * frame.spacing_mm[1:]).T
        side = np.where(np.abs(back) > np.abs(left), np.where(back > 0, 0, 1), np.where(left > 0, 2, 3))
        for n in range(4):
            sides[n].append(np.insert(ring[side == n], 0, k, axis=1))
    around = [_some_of(np.concatenate(side)) for side in sides]
    inside = _some_of(np.argwhere(canal))

    def fit(axis: int, by: int) -> float:
        return min(_share(bright, side, axis, by) for side in around) - _share(bright, inside, axis, by)

    least = min(_share(bright, side, 0, 0) for side in around)
    beside = [fit(axis, sign * round(_BESIDE_MM / frame.spacing_mm[axis])) for axis in (1, 2) for sign in (1, -1)]
    if least < _LEAST_SIDE or fit(0, 0) <= max(beside):
        raise not_on_this_scan()
    return []


def _some_of(index: Index) -> Index:
    return index[:: max(1, len(index) // _MOST_POINTS)]


def _share(bright: NDArray[np.bool_], index: Index, axis: int, by: int) -> float:
    """Share of places that are bright when all are moved by so many voxels; what leaves the scan is not."""
    moved = index[:, axis] + by
    inside = (moved >= 0) & (moved < bright.shape[axis])
    at = [index[inside, n] for n in range(3)]
    at[axis] = moved[inside]
    return float(np.count_nonzero(bright[tuple(at)])) / len(index)
