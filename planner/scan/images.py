"""Scans that are one file: NIfTI, NRRD and MetaImage. Found, judged, and read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.geometry import NOWHERE, Frame
from planner.scan.files import Found
from planner.scan.headers import Unreadable
from planner.scan.judge import refused, with_frame
from planner.scan.memory import free_bytes
from planner.scan.series import Place, Series
from planner.scan.streams import AT_ONCE, TOO_MUCH, ImagePlanes, image_planes
from planner.scan.thumbnail import thumbnail

AIR_HU = -500.0  # a scan with whole numbers below this is a CT: MR has no negative values
_STORED_OFFSET = 1024.0  # what a CT without its rescale lies too high
_TISSUE_SHARE = 0.4  # of what is not air, within -150 to 250 HU: CT 0.5 and more, MR read so 0.1 and less
_MOST_LABELS = 500
_LABEL_SHARE = 0.8  # neighbours with equal values, where neither is background: 0.9 and more in label maps, under 0.3 in images
_PLANES_BESIDE = 3  # of the file are in memory while one is read: packed, unpacked, without what is no number


@dataclass(frozen=True, eq=False)
class ImageFile:
    """Voxels [k, j, i] of a file, in int16 where they fit, with frame and rescale.

    problem: None or a sentence on its geometry.
    """

    frame: Frame
    voxels: NDArray[Any]
    slope: float
    intercept: float
    problem: str | None

    @cached_property
    def digest(self) -> str:
        """Tells whether another image is this one."""
        digest = Digest()
        for plane in self.voxels:
            digest.take(plane)
        return digest.of(self.frame, self.slope, self.intercept)


class Digest:
    """A hash of an image's voxels, plane by plane, and of where they lie."""

    def __init__(self) -> None:
        self._seen = hashlib.blake2b(digest_size=12)

    def take(self, plane: NDArray[Any]) -> None:
        """The next plane, of the type in which the image is held."""
        self._seen.update(np.ascontiguousarray(plane).data)

    def of(self, frame: Frame, slope: float, intercept: float) -> str:
        """The hash, once all planes were taken."""
        self._seen.update(repr((frame.shape, slope, intercept)).encode())
        self._seen.update(np.round(frame.affine, 6).tobytes())
        return self._seen.hexdigest()


@dataclass(frozen=True)
class Held:
    """How an image is held in memory: as int16 where its values are whole and fit, else as they are or as float32.

    least: the least value, which stands for what is no number.
    """

    kind: np.dtype[Any]
    least: float

    def of(self, plane: NDArray[Any]) -> NDArray[Any]:
        """A stored plane, or several, as it is held: the same values."""
        if plane.dtype.kind == "f" and not (finite := np.isfinite(plane)).all():
            plane = np.where(finite, plane, self.least)
        return plane.astype(self.kind, copy=False)


def held_of(kind: np.dtype[Any], planes: Callable[[], Iterable[NDArray[Any]]]) -> Held:
    """How planes of this type are held. They are looked at once, where their type alone does not tell."""
    short, number = np.iinfo(np.int16), kind.newbyteorder("=")
    if number in (np.int8, np.uint8, np.int16):
        return Held(np.dtype(np.int16), 0.0)
    whole, finite, least, most = True, True, np.inf, -np.inf
    for plane in planes():
        values = plane.astype(np.float32, copy=False) if kind.kind == "f" else plane
        if kind.kind == "f" and not np.isfinite(values).all():
            finite, values = False, values[np.isfinite(values)]
        if values.size:
            least, most = min(least, float(values.min())), max(most, float(values.max()))
        whole = whole and (kind.kind != "f" or np.array_equal(values, np.rint(values)))
    least = least if np.isfinite(least) else 0.0
    if whole and least >= short.min and most <= short.max:
        return Held(np.dtype(np.int16), least)
    as_it_is = kind.kind == "i" or number == np.uint16 or (number == np.float32 and finite)
    return Held(number if as_it_is else np.dtype(np.float32), least)


def compact(voxels: NDArray[Any]) -> NDArray[Any]:
    """The same values as `Held` says. Plane by plane: nothing but the result is made in memory, and not that where they are so already."""
    held = held_of(voxels.dtype, lambda: voxels)
    if voxels.dtype == np.uint16 and held.kind == np.int16:
        return voxels.view(np.int16)
    if voxels.dtype == held.kind and (voxels.dtype.kind != "f" or all(np.isfinite(plane).all() for plane in voxels)):
        return voxels
    made = np.empty_like(voxels, held.kind, subok=False)
    for plane, out in zip(voxels, made):
        out[...] = held.of(plane)
    return made


@dataclass(frozen=True, eq=False)
class _Look:
    """What one walk through an image tells. least: as held, without rescale. middle: the middle plane, as held."""

    digest: str
    least: float
    middle: NDArray[Any]
    is_label_map: bool


def _look(image: ImagePlanes, held: Held) -> _Look:
    """Walk through an image. It is a label map where values come in regions of one value each, as labels do, and not as an image's do."""
    digest, least, middle = Digest(), np.inf, np.zeros((0, 0), held.kind)
    labels, count, equal = held.kind.kind != "f", 0, 0
    for k, stored in enumerate(image.planes()):
        plane = held.of(stored)
        digest.take(plane)
        least = min(least, float(plane.min()))
        labels = labels and plane.min() >= 0 and plane.max() <= _MOST_LABELS
        if labels:
            a, b = plane[:, :-1], plane[:, 1:]
            inside = (a != 0) & (b != 0)
            count += int(np.count_nonzero(inside))
            equal += int(np.count_nonzero((a == b) & inside))
        if k == image.frame.shape[0] // 2:
            middle = plane
    is_label_map = bool(labels) and (count == 0 or equal / count > _LABEL_SHARE)
    return _Look(digest.of(image.frame, image.slope, image.intercept), least, middle, is_label_map)


def judge_image(found: Found) -> Series:
    """The series that such a file is, read plane by plane. Raises Unreadable with a sentence for label maps and what is no 3D image."""
    with image_planes(found.place, found.size) as image:
        held = held_of(image.kind, image.planes)
        seen = _look(image, held)
    if seen.is_label_map:
        raise Unreadable("A label map, not a scan: it can be loaded as labels.")
    low = seen.least * image.slope + image.intercept
    modality = "CT" if low <= AIR_HU else "MR"
    ending = found.place.name.lower().rpartition(".")[2]
    name = "NIfTI image" if found.kind == "nifti" else "MetaImage" if ending in ("mha", "mhd") else "NRRD image"
    zeros = (0.0, 0.0, 0.0)
    middle = seen.middle * image.slope + image.intercept
    base = Series(
        uid=f"2.25.{int(seen.digest, 16)}", part=0, description=name, modality=modality, plane="oblique",
        slices=image.frame.shape[0], size=image.frame.shape, spacing_mm=zeros, extent_mm=zeros, verdict="refused", reasons=(), repairs=(),
        file=found.place, digest=seen.digest, held_type=held.kind.name, least=held.least, reading_bytes=_reading_bytes(image, held),
        thumbnail=thumbnail(middle, modality, image.frame.affine[:3, 1], image.frame.affine[:3, 2]),
    )  # fmt: skip
    reasons = (image.problem,) if image.problem else ()
    judged = with_frame(base, image.frame, reasons, ())
    if image.problem == NOWHERE:
        return refused(judged, reasons, "Export the scan again with its position, or load the DICOM files.")
    if modality == "MR" and _lies_too_high(middle):
        reason = "Its values look like a CT's that were written without their rescale: tissue lies about 1024 HU too high."
        return refused(judged, (reason,), "Export the scan again in HU, or load the DICOM files.")
    if min(image.frame.shape) < 3:
        return refused(judged, (f"Only {min(image.frame.shape)} slices: a volume needs at least 3.",), "Load a whole volume.")
    return judged


def _reading_bytes(image: ImagePlanes, held: Held) -> int:
    """Memory that reading takes beside the voxels that are kept: a plane, or all where the file cannot be read plane by plane."""
    _, rows, columns = image.frame.shape
    return image.whole_bytes + rows * columns * (_PLANES_BESIDE * image.kind.itemsize + held.kind.itemsize)


def _lies_too_high(middle: NDArray[Any]) -> bool:
    """Whether the middle slice is a CT's with the offset of its storage left in: it has no air below zero and would be taken for MR."""
    values = middle - _STORED_OFFSET
    tissue = values[values > -850.0]
    return bool(tissue.size) and float(np.mean((tissue > -150.0) & (tissue < 250.0))) > _TISSUE_SHARE


def read_image(place: Place, size: int | None = None) -> ImageFile:
    """Read a NIfTI, NRRD or MetaImage file whole. Raises Unreadable with a sentence."""
    with image_planes(place, size) as image:
        if image.stored_bytes * AT_ONCE > free_bytes():
            raise Unreadable(TOO_MUCH)
        voxels = np.empty(image.frame.shape, image.kind.newbyteorder("="))
        for k, plane in enumerate(image.planes()):
            voxels[k] = plane
    return ImageFile(image.frame, compact(voxels), image.slope, image.intercept, image.problem)
