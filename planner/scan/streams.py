"""Scans that are one file (NIfTI, NRRD, MetaImage): the header, and the voxels plane by plane, so that no more than one is in memory."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from planner.geometry import NOWHERE, Frame
from planner.geometry.nifti import nifti_head
from planner.scan.files import MOST_RATIO, MOST_ZIP_BYTES, as_path
from planner.scan.headers import Unreadable
from planner.scan.memory import free_bytes
from planner.scan.series import Place

TOO_MUCH = "The file promises more voxels than it holds, or than fit into memory."
AT_ONCE = 2
"""Times what a file holds is taken while it is read whole."""
_CANNOT_BE_READ = "The file cannot be read."
_UNFIT = "The file holds no single three-dimensional image."
_BREAKS_OFF = "The file is damaged or breaks off."
_HEADER_BYTES = 16 << 10
_PACKED_BYTES = 64 << 10
_SPACES = ("right-anterior-superior", "left-anterior-superior", "left-posterior-superior", "ras", "las", "lps")
_META_TYPES = ("MET_CHAR", "MET_UCHAR", "MET_SHORT", "MET_USHORT", "MET_INT", "MET_UINT", "MET_FLOAT", "MET_DOUBLE")
_META_ORDERS = ("binarydatabyteordermsb", "elementbyteordermsb")
_SKIPPING = {"byteskip", "byte skip", "lineskip", "line skip", "headersize", "elementtointensityfunctionslope"}

_Unpacked = Callable[[BinaryIO], BinaryIO]


@dataclass(frozen=True, eq=False)
class ImagePlanes:
    """An image whose stored planes [j, i] come one k after another, from the start each time they are asked for.

    kind: of the stored voxels. problem: None or a sentence on its geometry. whole_bytes: what the planes take together where the file
    cannot be read plane by plane; else 0. planes_from: the same from plane k on, of a file that is not packed. Both raise Unreadable with a
    sentence where the file breaks off.
    """

    frame: Frame
    kind: np.dtype[Any]
    slope: float
    intercept: float
    problem: str | None
    whole_bytes: int
    planes: Callable[[], Iterator[NDArray[Any]]]
    planes_from: Callable[[int], Iterator[NDArray[Any]]] | None = None

    @property
    def stored_bytes(self) -> int:
        """What all voxels take as they are stored."""
        return prod(self.frame.shape) * self.kind.itemsize


@contextmanager
def image_planes(place: Place, size: int | None = None) -> Iterator[ImagePlanes]:
    """A NIfTI, NRRD or MetaImage file while it can be read. size: its bytes, where they are known. Raises Unreadable with a sentence.

    Packed with gzip or zlib it is unpacked as the planes are asked for; text, bzip2 and what skips bytes are read whole.
    """
    with as_path(place) as path:
        try:
            held = path.stat().st_size if size is None else size
            image = _nifti(path, held) if path.name.lower().endswith((".nii", ".gz")) else _with_text_header(path, held)
        except OSError as error:
            raise Unreadable(_CANNOT_BE_READ) from error
        if not np.isfinite([image.slope, image.intercept]).all() or image.slope == 0:
            raise Unreadable("The file's rescale is damaged.")
        yield image


def _nifti(path: Path, held: int) -> ImagePlanes:
    try:
        head = nifti_head(path)
    except ValueError as error:
        raise Unreadable(str(error)) from error
    packed = path.name.lower().endswith(".gz")
    _check(prod(head.frame.shape) * head.kind.itemsize, held, packed)
    start, skip = (0, head.offset) if packed else (head.offset, 0)
    stored = _Stored(path, _gzip if packed else _plain, start, skip, head.frame.shape, head.kind, "The file is not a whole NIfTI image.")
    return ImagePlanes(head.frame, head.kind, head.slope, head.intercept, head.problem, 0, stored.planes, stored.planes_from)


def _with_text_header(path: Path, held: int) -> ImagePlanes:
    """NRRD and MetaImage. Their voxels may lie in a file of their own beside the header, and nowhere else."""
    import SimpleITK

    lines, length = _header(path)
    voxels_in, file = lines.get("data file") or lines.get("datafile") or lines.get("elementdatafile", "LOCAL"), path
    if voxels_in != "LOCAL":
        file = path.with_name(voxels_in) if "/" not in voxels_in and "\\" not in voxels_in else path
        if file == path or not file.is_file():
            raise Unreadable("The voxels are in another file, which does not lie beside this one.")
        held, length = file.stat().st_size, 0
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise Unreadable(_BREAKS_OFF) from error
    if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 1:
        raise Unreadable(_UNFIT)
    kind = SimpleITK.GetArrayViewFromImage(SimpleITK.Image(1, 1, 1, reader.GetPixelID())).dtype
    i, j, k = reader.GetSize()
    promised = i * j * k * kind.itemsize
    _check(promised, held, lines.get("encoding", "raw") != "raw" or _true(lines.get("compresseddata", "")))
    direction = np.array(reader.GetDirection()).reshape(3, 3) * np.array(reader.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = direction[:, ::-1], reader.GetOrigin()
    # without these SimpleITK takes the axes of the file for those of the patient
    oriented = lines.get("space", "").lower() in _SPACES or {"transformmatrix", "rotation", "orientation"} & set(lines)
    frame, problem = Frame((k, j, i), affine), None if oriented else NOWHERE
    named = lines.get("sizes", lines.get("dimsize", "")).split()
    unpacked = _unpacked(lines) if named == [str(n) for n in (i, j, k)] else None
    if length is None or unpacked is None:
        if promised * AT_ONCE > free_bytes():
            raise Unreadable(TOO_MUCH)
        return ImagePlanes(frame, kind, 1.0, 0.0, problem, promised * AT_ONCE, partial(_planes_of_whole, path))
    as_stored = kind.newbyteorder(">" if _big_endian(lines) else "<")
    stored = _Stored(file, unpacked, length, 0, frame.shape, as_stored, _BREAKS_OFF)
    return ImagePlanes(frame, as_stored, 1.0, 0.0, problem, 0, stored.planes, stored.planes_from)


def _check(promised: int, held: int, packed: bool) -> None:
    if promised > (held * MOST_RATIO if packed else held) or promised > MOST_ZIP_BYTES:
        raise Unreadable(TOO_MUCH)


def _header(path: Path) -> tuple[dict[str, str], int | None]:
    """The header's values by their names in small letters ("name: value" in NRRD, "Name = value" in MetaImage), and the bytes that it
    takes; None where its end was not seen."""
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    lines: dict[str, str] = {}
    length = 0
    for row in head.splitlines(keepends=True):
        length += len(row)
        line = row.decode("latin-1").rstrip("\r\n")
        name, mark, value = line.partition(":" if head.startswith(b"NRRD") else "=")
        if mark and not line.startswith("#"):
            lines.setdefault(name.strip().lower(), value.strip())
        if not line.strip() or name.strip() == "ElementDataFile":
            return lines, length
    return lines, None


def _unpacked(lines: Mapping[str, str]) -> _Unpacked | None:
    """How to unpack the voxels; None where they are stored in another way than binary, in one piece, from the start."""
    if _SKIPPING & set(lines):
        return None
    if "encoding" in lines:
        return {"raw": _plain, "gzip": _gzip, "gz": _gzip}.get(lines["encoding"].lower())
    orders = {_true(lines[name]) for name in _META_ORDERS if name in lines}
    if not _true(lines.get("binarydata", "")) or lines.get("elementtype") not in _META_TYPES or len(orders) > 1:
        return None
    return _zlib if _true(lines.get("compresseddata", "")) else _plain


def _big_endian(lines: Mapping[str, str]) -> bool:
    return lines.get("endian", "").lower() == "big" or any(_true(lines.get(name, "")) for name in _META_ORDERS)


def _true(value: str) -> bool:
    return value[:1] in ("T", "t", "1")


def _planes_of_whole(path: Path) -> Iterator[NDArray[Any]]:
    import SimpleITK

    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise Unreadable(_BREAKS_OFF) from error
    for plane in SimpleITK.GetArrayViewFromImage(image):
        yield plane.copy()  # the view does not keep the image


@dataclass(frozen=True)
class _Stored:
    """Where voxels lie, all in one piece: behind `start` bytes of the file, and `skip` bytes of what `unpacked` makes of the rest.

    broken: what to say where they end early.
    """

    path: Path
    unpacked: _Unpacked
    start: int
    skip: int
    shape: tuple[int, int, int]
    kind: np.dtype[Any]
    broken: str

    @property
    def planes_from(self) -> Callable[[int], Iterator[NDArray[Any]]] | None:
        """`planes` where the file can be read from anywhere."""
        return self.planes if self.unpacked is _plain else None

    def planes(self, first: int = 0) -> Iterator[NDArray[Any]]:
        """One after another, each from its own piece of the file. first: where to begin, in a file that is not packed."""
        count, rows, columns = self.shape
        size = rows * columns * self.kind.itemsize
        try:
            with self.path.open("rb") as file:
                file.seek(self.start + first * size)
                stream = self.unpacked(file)
                stream.read(self.skip)
                for _ in range(first, count):
                    data = stream.read(size)
                    if len(data) < size:
                        raise Unreadable(self.broken)
                    yield np.frombuffer(data, self.kind).reshape(rows, columns)
        except (OSError, EOFError, zlib.error) as error:
            raise Unreadable(self.broken) from error



def _plain(file: BinaryIO) -> BinaryIO:
    return file


def _gzip(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=file))


def _zlib(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Inflated(file), _PACKED_BYTES))


class _Inflated(io.RawIOBase):
    """The bytes that zlib packed into a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._stream = file, zlib.decompressobj(zlib.MAX_WBITS | 32)  # with a header of zlib or of gzip

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, out: Any) -> int:
        """As many of the next bytes as `out` holds; 0 at the end."""
        data = b""
        while not data and not self._stream.eof:
            packed = self._stream.unconsumed_tail or self._file.read(_PACKED_BYTES)
            data = self._stream.decompress(packed, len(out))
            if not packed:
                break
        out[: len(data)] = data
        return len(data)
