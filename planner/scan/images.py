"""Scans that are one file: NIfTI, NRRD and MetaImage. Found, judged, and read."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.geometry import NOWHERE, Frame, read_nifti
from planner.geometry.nifti import nifti_planes
from planner.scan.files import MOST_RATIO, Found, as_path
from planner.scan.headers import Unreadable
from planner.scan.judge import refused, with_frame
from planner.scan.memory import free_bytes
from planner.scan.series import Place, Series
from planner.scan.thumbnail import thumbnail

AIR_HU = -500.0  # a scan with whole numbers below this is a CT: MR has no negative values
_STORED_OFFSET = 1024.0  # what a CT without its rescale lies too high
_TISSUE_SHARE = 0.4  # of what is not air, within -150 to 250 HU: CT 0.5 and more, MR read so 0.1 and less
_MOST_LABELS = 500
_LABEL_SHARE = 0.8  # neighbours with equal values, where neither is background: 0.9 and more in label maps, under 0.3 in images
_CANNOT_BE_READ = "The file cannot be read."
_UNFIT = "The file holds no single three-dimensional image."
_TOO_MUCH = "The file promises more voxels than it holds, or than fit into memory."
_AT_ONCE = 2  # times what the file holds is taken while it is read whole
_HEADER_BYTES = 16 << 10
_SPACES = ("right-anterior-superior", "left-anterior-superior", "left-posterior-superior", "ras", "las", "lps")


@dataclass(frozen=True, eq=False)
class ImageFile:
    """Voxels [k, j, i] of a file, in int16 where they fit, with frame and rescale.

    stored: the type of the file's own voxels. problem: None or a sentence on its geometry.
    """

    frame: Frame
    voxels: NDArray[Any]
    stored: np.dtype[Any]
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


@dataclass(frozen=True, eq=False)
class ImagePlanes:
    """An image whose planes [j, i] come one k after another."""

    frame: Frame
    slope: float
    intercept: float
    planes: Iterator[NDArray[Any]]


@contextmanager
def image_planes(place: Place) -> Iterator[ImagePlanes]:
    """An image that `judge_image` has found sound, plane by plane. A NIfTI file of whole numbers is read as they are asked for, any other
    before. Raises Unreadable with a sentence, also while planes are asked for."""
    try:
        with as_path(place) as path:
            if path.name.lower().endswith((".nii", ".gz")):
                found = nifti_planes(path)
                if found.kind.kind in "iu":
                    yield ImagePlanes(found.frame, found.slope, found.intercept, found.planes)
                    return
            image = read_image(place)
            yield ImagePlanes(image.frame, image.slope, image.intercept, iter(image.voxels))
    except ValueError as error:
        raise Unreadable(str(error)) from error
    except OSError as error:
        raise Unreadable(_CANNOT_BE_READ) from error


def _reading_bytes(image: ImageFile, kind: str) -> int:
    """Memory per voxel that loading takes before the image is turned. Where it is not read plane by plane, that is two arrays."""
    if kind == "nifti" and image.stored.kind in "iu":
        return image.voxels.itemsize
    return 2 * max(image.stored.itemsize, image.voxels.itemsize)


def judge_image(found: Found) -> Series:
    """The series that such a file is. Raises Unreadable with a sentence for label maps and what is no 3D image."""
    image = read_image(found.place, found.size)
    if _is_label_map(image.voxels):
        raise Unreadable("A label map, not a scan: it can be loaded as labels.")
    low = float(image.voxels.min()) * image.slope + image.intercept
    ending = found.place.name.lower().rpartition(".")[2]
    name = "NIfTI image" if found.kind == "nifti" else "MetaImage" if ending in ("mha", "mhd") else "NRRD image"
    zeros = (0.0, 0.0, 0.0)
    base = Series(
        uid=f"2.25.{int(image.digest, 16)}", part=0, description=name, modality="CT" if low <= AIR_HU else "MR", plane="oblique",
        slices=image.frame.shape[0], size=image.frame.shape, spacing_mm=zeros, extent_mm=zeros, verdict="refused", reasons=(), repairs=(),
        file=found.place, digest=image.digest, held_type=image.voxels.dtype.name, reading_bytes=_reading_bytes(image, found.kind),
        thumbnail=_thumbnail_of(image, "CT" if low <= AIR_HU else "MR"),
    )  # fmt: skip
    reasons = (image.problem,) if image.problem else ()
    judged = with_frame(base, image.frame, reasons, ())
    if image.problem == NOWHERE:
        return refused(judged, reasons, "Export the scan again with its position, or load the DICOM files.")
    if low > AIR_HU and _lies_too_high(image):
        reason = "Its values look like a CT's that were written without their rescale: tissue lies about 1024 HU too high."
        return refused(judged, (reason,), "Export the scan again in HU, or load the DICOM files.")
    if min(image.frame.shape) < 3:
        return refused(judged, (f"Only {min(image.frame.shape)} slices: a volume needs at least 3.",), "Load a whole volume.")
    return judged


def _thumbnail_of(image: ImageFile, modality: str) -> NDArray[np.uint8]:
    """Of the middle slice along the slowest axis of the file."""
    affine = image.frame.affine
    middle = image.voxels[image.frame.shape[0] // 2]
    return thumbnail(middle * image.slope + image.intercept, modality, affine[:3, 1], affine[:3, 2])


def _lies_too_high(image: ImageFile) -> bool:
    """Whether the middle slice is a CT's with the offset of its storage left in: it has no air below zero and would be taken for MR."""
    values = image.voxels[image.frame.shape[0] // 2] * image.slope + image.intercept - _STORED_OFFSET
    tissue = values[values > -850.0]
    return bool(tissue.size) and float(np.mean((tissue > -150.0) & (tissue < 250.0))) > _TISSUE_SHARE


def read_image(place: Place, size: int | None = None) -> ImageFile:
    """Read a NIfTI, NRRD or MetaImage file whole. Raises Unreadable with a sentence."""
    try:
        with as_path(place) as path:
            held = path.stat().st_size if size is None else size
            image = _nifti(path, held) if path.name.lower().endswith((".nii", ".gz")) else _with_text_header(path, held)
    except OSError as error:
        raise Unreadable(_CANNOT_BE_READ) from error
    if not np.isfinite([image.slope, image.intercept]).all() or image.slope == 0:
        raise Unreadable("The file's rescale is damaged.")
    return image


def _nifti(path: Any, held: int) -> ImageFile:
    import nibabel

    try:
        header = nibabel.load(path)
        promised = int(np.prod([int(n) for n in header.shape], dtype=object)) * header.get_data_dtype().itemsize
    except Exception as error:  # nibabel raises what its many formats raise
        raise Unreadable("The file is not a whole NIfTI image.") from error
    most = held * MOST_RATIO if path.name.endswith(".gz") else held
    if promised > most or promised * _AT_ONCE > free_bytes():
        raise Unreadable(_TOO_MUCH)
    try:
        image = read_nifti(path)
    except ValueError as error:
        raise Unreadable(str(error)) from error
    except (gzip.BadGzipFile, EOFError, OSError) as error:
        raise Unreadable("The file is not a whole NIfTI image.") from error
    return ImageFile(image.frame, compact(image.voxels), image.voxels.dtype, image.slope, image.intercept, image.problem)


def _with_text_header(path: Path, held: int) -> ImageFile:
    """NRRD and MetaImage. Their voxels may lie in a file of their own beside the header, and nowhere else."""
    import SimpleITK

    lines = _header_lines(path)
    voxels_in = lines.get("data file") or lines.get("datafile") or lines.get("elementdatafile", "LOCAL")
    if voxels_in != "LOCAL":
        if "/" in voxels_in or "\\" in voxels_in or not path.with_name(voxels_in).is_file():
            raise Unreadable("The voxels are in another file, which does not lie beside this one.")
        held = path.with_name(voxels_in).stat().st_size
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 1:
            raise Unreadable(_UNFIT)
        promised = prod(reader.GetSize()) * SimpleITK.Image(1, 1, 1, reader.GetPixelID()).GetSizeOfPixelComponent()
        packed = lines.get("encoding", "raw") != "raw" or lines.get("compresseddata", "").lower() == "true"
        if promised > (held * MOST_RATIO if packed else held) or promised * _AT_ONCE > free_bytes():
            raise Unreadable(_TOO_MUCH)
        image = reader.Execute()
    except RuntimeError as error:
        raise Unreadable("The file is damaged or breaks off.") from error
    voxels = SimpleITK.GetArrayFromImage(image)
    direction = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = direction[:, ::-1], image.GetOrigin()
    # without these SimpleITK takes the axes of the file for those of the patient
    oriented = lines.get("space", "").lower() in _SPACES or {"transformmatrix", "rotation", "orientation"} & set(lines)
    return ImageFile(Frame(voxels.shape, affine), compact(voxels), voxels.dtype, 1.0, 0.0, None if oriented else NOWHERE)


def _header_lines(path: Path) -> dict[str, str]:
    """The header's values by their names in small letters: "name: value" in NRRD, "Name = value" in MetaImage."""
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES).decode("latin-1")
    lines: dict[str, str] = {}
    for line in head.splitlines():
        name, mark, value = line.partition(":" if head.startswith("NRRD") else "=")
        if mark and not line.startswith("#"):
            lines.setdefault(name.strip().lower(), value.strip())
        if not line.strip() or name.strip() == "ElementDataFile":
            break
    return lines


def compact(voxels: NDArray[Any]) -> NDArray[Any]:
    """The same values as int16 where they are whole and fit, else as they are or as float32; NaN becomes the least value.

    Plane by plane: nothing but the result is made in memory.
    """
    if voxels.dtype == np.int16:
        return voxels
    short, kind = np.iinfo(np.int16), voxels.dtype
    whole, finite, least, most = True, True, np.inf, -np.inf
    for plane in voxels:
        values = plane.astype(np.float32, copy=False) if kind.kind == "f" else plane
        if kind.kind == "f" and not np.isfinite(values).all():
            finite, values = False, values[np.isfinite(values)]
        if values.size:
            least, most = min(least, float(values.min())), max(most, float(values.max()))
        whole = whole and (kind.kind != "f" or np.array_equal(values, np.rint(values)))
    least = least if np.isfinite(least) else 0.0
    fits = whole and least >= short.min and most <= short.max
    if fits and kind == np.uint16:
        return voxels.view(np.int16)
    if not fits and (kind.kind == "i" or kind == np.uint16 or (kind == np.float32 and finite)):
        return voxels
    made = np.empty_like(voxels, np.int16 if fits else np.float32, subok=False)
    for plane, out in zip(voxels, made):
        out[...] = plane if finite else np.where(np.isfinite(plane), plane, least)
    return made


def _is_label_map(voxels: NDArray[Any]) -> bool:
    """Whether values come in regions of one value each, as labels do, and not as an image's do."""
    if voxels.dtype.kind == "f" or int(voxels.min()) < 0 or int(voxels.max()) > _MOST_LABELS:
        return False
    count = equal = 0
    for plane in voxels:  # the whole at once would take as much memory again
        a, b = plane[:, :-1], plane[:, 1:]
        inside = (a != 0) & (b != 0)
        count += int(np.count_nonzero(inside))
        equal += int(np.count_nonzero((a == b) & inside))
    return count == 0 or equal / count > _LABEL_SHARE
