"""A folder read as one label map: one mask for each structure, as TotalSegmentator writes it without --ml and 3D Slicer exports it, or the
DICOM SEG objects of one scan."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.geometry import Frame, nifti_place
from planner.geometry.sampling import resample
from planner.progress import Progress, silent
from planner.refusal import Refusal
from planner.scan.dicom_seg import SegHead, segmentations
from planner.scan.files import MOST_RATIO, plain
from planner.scan.headers import Unreadable
from planner.scan.label_files import LabelFile, Numbers, read_label_file
from planner.scan.memory import free_bytes

_ENDINGS = (".seg.nrrd", ".nii.gz", ".nrrd", ".nii")
_MOST_MASKS = 1000
_MOST_SPREAD = 8.0  # masks that together span so many times the largest of them are not of one scan
_LATTICE = 0.01  # of a voxel: grids that differ by less are one
_MOST_BEHIND = 1 << 20  # bytes behind the voxels
_GIVE = "Give the folder with one mask for each structure (NIfTI or NRRD), with the DICOM SEG of one scan, or a file."
_AGAIN = "Have the program write the folder anew, or take that file out of it."

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Mask:
    """A mask with its number and its grid, and a reader of its voxels [k, j, i]."""

    path: Path
    number: int
    frame: Frame
    voxels: Callable[[], Mask]


def read_label_folder(folder: Path, wanted: Callable[[str], bool], progress: Progress = silent) -> LabelFile:
    """All masks of a folder, or of the folder in it that holds the most, as one label map whose names are those of the files.

    wanted: whether a structure of this name is of use; the files of others are not opened. Masks that overlap come in layers. Masks on
    several grids are laid on the grid of the most, made as wide as all of them together. Without such masks, the DICOM SEG objects of the
    folder are read. Raises Refusal where there is none, where one is damaged or no mask of one structure, and where they are of several
    scans.
    """
    paths = _masks_in(folder, wanted)
    if not paths:
        return _of_segmentations(folder, wanted, progress)
    if len(paths) == 1:
        alone = read_label_file(paths[0])
        if not wanted(_stem(paths[0])) or np.count_nonzero(np.bincount(alone.layers[0].ravel())[1:]) > 1:
            return alone
    prefix = _prefix([_stem(path) for path in paths])
    useful = {path: said for path in paths if any(map(wanted, said := _said(path, prefix)))}
    if not useful:
        raise Refusal(
            f"No mask in the folder {plain(folder.name)} has the name of a structure that is planned by.",
            "Give a folder with files such as vertebrae_L3.nii.gz or spinal_cord.nii.gz.",
        )
    masks = []
    for number, path in enumerate(useful, start=1):
        progress(0.1 * number / len(useful), "Looking at the masks")
        masks.append(_opened(path, number))
    names = {mask.number: useful[mask.path] for mask in masks}
    return _together(masks, names, tuple(_stem(path) for path in paths if path not in useful), folder, progress)


def _together(
    masks: Sequence[_Mask], names: Mapping[int, tuple[str, ...]], unread: tuple[str, ...], folder: Path, progress: Progress
) -> LabelFile:
    """Masks of one scan as one label map."""
    frame = _common([mask.frame for mask in masks], folder)
    layers: list[Numbers] = [np.zeros(frame.shape, dtype=np.uint16)]
    try:
        for mask in masks:
            progress(0.1 + 0.9 * (mask.number - 1) / len(masks), "Reading the masks")
            _lay(mask, frame, layers)
    except MemoryError as error:
        sentence = f"The masks in the folder {plain(folder.name)} do not fit into memory."
        raise Refusal(sentence, "Close other programs, or take masks that are not needed out of the folder.") from error
    moved = sum(_shift(mask.frame, frame) is None for mask in masks)
    note = f"{moved} of {len(masks)} masks have another grid than the rest: every voxel took the nearest."
    return LabelFile(frame, tuple(layers), names, notes=(note,) if moved else (), unread=unread)


def _masks_in(folder: Path, wanted: Callable[[str], bool]) -> list[Path]:
    """The image files of a folder, or of the folder in it that holds the most of use, by name; none where it holds none."""

    def use(paths: Sequence[Path]) -> tuple[int, int]:
        return sum(wanted(_stem(path)) for path in paths), len(paths)

    try:
        found = max(_held(folder), key=use)
    except OSError as error:
        raise Refusal(f"The folder {plain(folder.name)} cannot be opened.", "Check that it is there and may be read.") from error
    if len(found) > _MOST_MASKS:
        raise Refusal(f"The folder {plain(folder.name)} holds {len(found)} images.", _GIVE)
    return found


def _held(folder: Path) -> list[list[Path]]:
    """The image files of a folder, and those of each folder in it."""
    return [[path for path in paths if path.name.lower().endswith(_ENDINGS)] for paths in _files(folder)]


def _files(folder: Path) -> list[list[Path]]:
    """The files of a folder, and those of each folder in it."""
    places = [folder, *(place for place in sorted(folder.iterdir()) if place.is_dir())]
    return [sorted(path for path in place.iterdir() if path.is_file()) for place in places]


def stamp_of_folder(folder: Path) -> tuple[int, int] | None:
    """Size of all masks in bytes and time of the last change in ns, without masks of all files; None for a folder that cannot be opened."""
    try:
        masks = [path for paths in _held(folder) for path in paths]
        states = [path.stat() for path in masks or (path for paths in _files(folder) for path in paths)]
    except OSError:
        return None
    return sum(state.st_size for state in states), max((state.st_mtime_ns for state in states), default=0)


def _stem(path: Path) -> str:
    ending = next(one for one in _ENDINGS if path.name.lower().endswith(one))
    return plain(path.name[: -len(ending)])


def _prefix(stems: Sequence[str]) -> str:
    """What all names begin with up to a sign between words, as 3D Slicer puts the name of the segmentation before each segment's."""
    first, last = min(stems), max(stems)
    shared = first[: next((n for n, (one, other) in enumerate(zip(first, last)) if one != other), 0)]
    return shared[: max(shared.rfind(sign) for sign in "_- .") + 1]


def _said(path: Path, prefix: str) -> tuple[str, ...]:
    stem = _stem(path)
    return (stem, stem.removeprefix(prefix)) if prefix else (stem,)


# ---- DICOM SEG ----------------------------------------------------------------------------------------------------------------------


def _of_segmentations(folder: Path, wanted: Callable[[str], bool], progress: Progress) -> LabelFile:
    """The DICOM SEG objects of a folder, or of the folder in it that holds the most, as one label map."""
    progress(0.0, "Looking for segmentations")
    try:
        heads = max((segmentations(paths) for paths in _files(folder)), key=len)
    except OSError as error:
        raise Refusal(f"The folder {plain(folder.name)} cannot be opened.", "Check that it is there and may be read.") from error
    objects = list({head.whole or str(head.path): head for head in heads}.values())  # one file of each is enough: it finds its parts
    if not objects:
        raise Refusal(f"The folder {plain(folder.name)} holds no masks.", _GIVE)
    _of_one_scan(objects, folder)
    if len(objects) == 1:
        return read_label_file(objects[0].path)
    masks: list[_Mask] = []
    names: dict[int, tuple[str, ...]] = {}
    unread: list[str] = []
    programs: set[str] = set()
    notes: set[str] = set()
    for done, head in enumerate(objects):
        progress(0.1 * done / len(objects), "Reading the segmentations")
        file = read_label_file(head.path)
        programs.add(file.program)
        notes.update(file.notes)
        for number in sorted({int(value) for layer in file.layers for value in np.flatnonzero(np.bincount(layer.ravel())) if value}):
            said = file.names.get(number, ())
            if said and not any(map(wanted, said)):
                unread.append(said[0])
                continue
            twice = next((name for name in said[:1] if any(name == other[0] for other in names.values() if other)), None)
            if twice is not None:
                sentence = f"Two segmentations in the folder {plain(folder.name)} hold a segment called {plain(twice)}."
                raise Refusal(sentence, "Leave only the one that counts in the folder, or give that file.")
            masks.append(_Mask(head.path, len(masks) + 1, file.frame, partial(_segment, file, number)))
            names[len(masks)] = said
    if not masks:
        raise Refusal(f"No segment in the folder {plain(folder.name)} is of a structure that is planned by.", _GIVE)
    made = _together(masks, names, tuple(unread), folder, progress)
    return replace(made, program=programs.pop() if len(programs) == 1 else "", notes=(*made.notes, *sorted(notes)))


def _of_one_scan(objects: Sequence[SegHead], folder: Path) -> None:
    """Raises Refusal where segmentations do not lie in one frame of reference."""
    places = {head.frame_of_reference for head in objects}
    if len(places) > 1:
        sentence = f"The segmentations in the folder {plain(folder.name)} are of {len(places)} scans: their frames of reference differ."
        raise Refusal(sentence, "Give a folder with those of one scan.")


def _segment(file: LabelFile, number: int) -> Mask:
    return np.asarray(np.any([layer == number for layer in file.layers], axis=0))


# ---- one mask -----------------------------------------------------------------------------------------------------------------------


def _opened(path: Path, number: int) -> _Mask:
    """A mask with its grid, its voxels not yet read. Raises Refusal for what is damaged."""
    try:
        if ".nii" in path.name.lower():
            return _opened_nifti(path, number)
        file = read_label_file(path)
    except Unreadable as error:
        raise _no_mask(path, str(error)) from error
    except Refusal as refusal:
        raise Refusal(refusal.sentence, _AGAIN) from refusal
    return _Mask(path, number, file.frame, lambda: np.asarray(_one_value(np.maximum.reduce(file.layers), path)))


def _opened_nifti(path: Path, number: int) -> _Mask:
    import nibabel

    try:
        image: Any = nibabel.load(path)
        shape, kind, offset = tuple(image.shape), image.header.get_data_dtype(), int(image.dataobj.offset)
        scaled = (float(image.dataobj.slope), float(image.dataobj.inter)) != (1.0, 0.0)
        frame, problem = nifti_place(image, shape)
    except Exception as error:  # nibabel raises what its many formats raise
        raise _no_mask(path, "The file is not a whole NIfTI image.") from error
    if problem is not None:
        raise Refusal(f"Where the mask {plain(path.name)} lies is not sure: {problem}", "Write it anew with sform and qform alike.")
    if len(shape) != 3 or min(shape) < 1 or kind.kind not in "iuf":
        raise _no_mask(path, "The file holds no single three-dimensional image.")
    size = offset + int(np.prod(shape, dtype=object)) * kind.itemsize
    if size > free_bytes() or size > path.stat().st_size * MOST_RATIO:
        raise _no_mask(path, "The file promises more voxels than it holds, or than fit into memory.")
    if scaled:
        return _Mask(path, number, frame, lambda: _one_value(read_label_file(path).layers[0], path))

    def voxels() -> Mask:
        content = _unpacked(path, size)
        values = np.frombuffer(content, kind, count=int(np.prod(shape)), offset=offset)
        return _one_value(values.reshape(shape[::-1]), path)

    return _Mask(path, number, frame, voxels)


def _unpacked(path: Path, size: int) -> bytes:
    """The bytes of a file, taken out of gzip. Raises Refusal for one that does not hold as many as its header promises."""
    import imagecodecs

    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            told = int.from_bytes(content[-4:], "little")  # the last word of a file in one piece is its size
            one_piece = size <= told <= size + _MOST_BEHIND
            content = bytes(imagecodecs.gzip_decode(content, out=told)) if one_piece else gzip.decompress(content)  # three times as slow
    except (OSError, EOFError, RuntimeError, zlib.error) as error:  # imagecodecs' errors are RuntimeErrors
        raise _no_mask(path, "The file is not a whole NIfTI image.") from error
    if len(content) < size:
        raise _no_mask(path, "The file is not a whole NIfTI image.")
    return content


def _one_value(values: NDArray[Any], path: Path) -> Mask:
    """Where a mask is not zero. Raises Refusal for an image with several values."""
    mask = np.asarray(values != 0)
    first = values.reshape(-1)[int(mask.argmax())]
    slices = _slices_of(mask)
    if len(slices) and not bool((values[slices[0] : slices[-1] + 1] == first)[mask[slices[0] : slices[-1] + 1]].all()):
        raise _no_mask(path, "It holds several values.")
    return mask


def _slices_of(mask: Mask) -> NDArray[np.int64]:
    """The slices in which a mask has voxels."""
    return np.flatnonzero(mask.reshape(len(mask), -1).any(axis=1))


def _no_mask(path: Path, why: str) -> Refusal:
    return Refusal(f"{plain(path.name)} is no mask of one structure: {why}", _AGAIN)


# ---- all on one grid ----------------------------------------------------------------------------------------------------------------


def _common(frames: Sequence[Frame], folder: Path) -> Frame:
    """The grid of the most masks (of these the finest), made as wide as all together. Raises Refusal where they lie far apart."""
    kinds = set(frames)
    if len(kinds) == 1:
        return frames[0]
    finest = max(kinds, key=lambda one: (sum(_shift(other, one) is not None for other in frames), -one.voxel_ml))
    index = np.concatenate([finest.to_index(one.corners_mm) for one in kinds])
    low, high = np.floor(index.min(axis=0) + _LATTICE).astype(int), np.ceil(index.max(axis=0) - _LATTICE).astype(int) + 1
    size = float(np.prod((high - low).astype(np.float64)))
    largest = max(float(np.prod(one.shape, dtype=np.float64)) * one.voxel_ml for one in kinds)
    if size * finest.voxel_ml > _MOST_SPREAD * largest or 2.0 * size > free_bytes():
        raise Refusal(f"The masks in the folder {plain(folder.name)} lie too far apart to be of one scan.", "Give the masks of one scan.")
    return finest.crop(low.tolist(), high.tolist())


def _shift(one: Frame, other: Frame) -> tuple[int, int, int] | None:
    """By how many voxels a grid begins later than another of which it is a part; None where its voxels lie elsewhere."""
    between = np.linalg.inv(other.affine) @ one.affine
    k, j, i = np.rint(between[:3, 3]).astype(int).tolist()
    same = np.abs(between[:3, :3] - np.eye(3)).max() * max(one.shape) < 0.1 and np.abs(between[:3, 3] - (k, j, i)).max() < _LATTICE
    return (k, j, i) if same else None


def _lay(mask: _Mask, frame: Frame, layers: list[Numbers]) -> None:
    """Write a mask into the first layer that is free there; a new one where none is."""
    voxels, shift = mask.voxels(), _shift(mask.frame, frame)
    if shift is None:
        voxels, shift = resample(voxels.view(np.uint8), mask.frame, frame, 0, nearest=True).view(np.bool_), (0, 0, 0)
    slices = _slices_of(voxels)
    if not len(slices):
        return  # an empty mask: the structure is not in view
    voxels = voxels[slices[0] : slices[-1] + 1]
    box = tuple(slice(start, start + size) for start, size in zip((shift[0] + int(slices[0]), *shift[1:]), voxels.shape))
    free = next((layer for layer in layers if not layer[box][voxels].any()), None)
    if free is None:
        if 2.0 * float(np.prod(frame.shape, dtype=np.float64)) > free_bytes():
            raise MemoryError
        free = np.zeros(frame.shape, dtype=np.uint16)
        layers.append(free)
    free[box][voxels] = mask.number
