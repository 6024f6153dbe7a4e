"""Finds the files under a path, in folders and ZIP files, and tells from their first bytes what they are. Bounded, never blocks."""

from __future__ import annotations

import io
import os
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from planner.progress import Progress
from planner.scan.series import Member, Place, Skipped

Kind = Literal["dicom", "nifti", "image", "zip", "gzip", "text", "empty", "other"]

# bounds against junk and bombs: far above any scan, far below what hurts
MOST_FILES = 100_000
MOST_MEMBER_BYTES = 2 << 30
MOST_ZIP_BYTES = 16 << 30
MOST_RATIO = 1100  # deflate reaches 1032
HEAD_BYTES = 512

_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)


@dataclass(frozen=True)
class Found:
    """A file that may hold images."""

    place: Place
    kind: Kind
    size: int


def kind_of(head: bytes, name: str) -> Kind:
    """What a file is by its first 512 bytes; the name only tells NIfTI inside gzip, and other image formats."""
    lower = name.lower()
    if not head:
        return "empty"
    if head[128:132] == b"DICM":
        return "dicom"
    if head[:2] == b"\x1f\x8b":
        return "nifti" if lower.endswith(".nii.gz") else "gzip"
    if head[:4] == b"PK\x03\x04" or head[:4] == b"PK\x05\x06":
        return "zip"
    if head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0"):
        return "nifti" if lower.endswith(".nii") else "other"
    if (head[:4] == b"NRRD" and lower.endswith((".nrrd", ".nhdr"))) or (b"NDims" in head and lower.endswith((".mha", ".mhd"))):
        return "image"
    # DICOM without preamble begins with a tag of group 0002 or 0008, in either byte order
    if head[:2] in (b"\x02\x00", b"\x08\x00") and head[3:4] == b"\x00":
        return "dicom"
    if head[:2] in (b"\x00\x02", b"\x00\x08") and head[2:3] == b"\x00" and len(head) > 8:
        return "dicom"
    if b"\0" not in head:
        return "text"
    return "other"


def plain(text: str) -> str:
    """One line without control characters: this is shown and printed."""
    return (text if text.isprintable() else "".join(letter for letter in text if letter.isprintable()))[:500]


def find(root: Path, progress: Progress) -> tuple[list[Found], list[Skipped]]:
    """Every regular file under a folder, in a ZIP file, or the file itself. Links are followed, each folder once."""
    found: list[Found] = []
    skipped: list[Skipped] = []
    if root.is_dir():
        for path, name, problem in _walk(root):
            if problem:
                skipped.append(Skipped(name, problem))
            else:
                _take(path, name, found, skipped)
            if len(found) + len(skipped) >= MOST_FILES:
                skipped.append(Skipped(".", f"More than {MOST_FILES} files: the rest was not looked at."))
                break
            if len(found) % 50 == 0:
                progress(0.0, "Looking for images")
    else:
        _take(root, "", found, skipped)
    return found, skipped


def _walk(root: Path) -> Iterator[tuple[Path, str, str]]:
    """(path, relative name, problem) of all files below a folder, in the order of their names."""
    visited: set[tuple[int, int]] = set()
    waiting = [(root, "")]
    while waiting:
        folder, prefix = waiting.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            yield folder, prefix or ".", "The folder cannot be opened."
            continue
        folders = []
        for entry in entries:
            name = prefix + plain(entry.name)
            try:
                mode = entry.stat().st_mode
            except OSError:
                yield Path(entry.path), name, "The file cannot be found: a broken link."
                continue
            if stat.S_ISDIR(mode):
                folders.append((Path(entry.path), name + "/"))
            elif stat.S_ISREG(mode):
                yield Path(entry.path), name, ""
            else:
                yield Path(entry.path), name, "Not a file."
        waiting.extend(reversed(folders))


def _take(path: Path, name: str, found: list[Found], skipped: list[Skipped]) -> None:
    shown = name or plain(path.name)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            stamp = _stamp(file)
    except OSError:
        skipped.append(Skipped(shown, "The file cannot be opened: no permission, or the disk fails."))
        return
    kind = kind_of(head, path.name)
    if kind == "zip":
        _take_zip(path, name, found, skipped)
    else:
        found.append(Found(Place(path, shown, stamp=stamp), kind, stamp[0]))


def _take_zip(path: Path, name: str, found: list[Found], skipped: list[Skipped]) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except _ZIP_ERRORS:
        skipped.append(Skipped(name or plain(path.name), "The ZIP file is damaged."))
        return
    budget = MOST_ZIP_BYTES
    for member in members:
        inside = plain(f"{name}/{member.filename}" if name else member.filename)
        budget -= member.file_size
        if member.is_dir():
            continue
        if budget < 0 or len(found) + len(skipped) >= MOST_FILES:
            skipped.append(Skipped(inside, "The ZIP file holds too much: the rest was left alone."))
            return
        problem = _member_problem(member)
        if problem:
            skipped.append(Skipped(inside, problem))
        else:
            _take_member(path, inside, member, found, skipped)


def _member_problem(member: zipfile.ZipInfo) -> str:
    """Why a member is left alone, or an empty string."""
    if member.flag_bits & 1:
        return "The ZIP file is locked with a password: unpack it first."
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "Packed in an unusual way: unpack the ZIP file first."
    if member.file_size > MOST_MEMBER_BYTES or member.file_size > MOST_RATIO * max(member.compress_size, 1):
        return "Too large when unpacked: left alone."
    return ""


def _take_member(path: Path, inside: str, info: zipfile.ZipInfo, found: list[Found], skipped: list[Skipped]) -> None:
    member = Member(info.filename, info.header_offset, info.compress_size, info.file_size, info.compress_type, info.CRC)
    place = Place(path, inside, member)
    try:
        head = _unpacked(place, member, HEAD_BYTES)
    except OSError:
        skipped.append(Skipped(inside, "The file is damaged inside the ZIP file."))
        return
    kind = kind_of(head, info.filename)
    if kind == "zip":
        skipped.append(Skipped(inside, "A ZIP file inside a ZIP file: unpack it first."))
    else:
        found.append(Found(place, kind, info.file_size))


class ChangedFileError(OSError):
    """Raised with a sentence when a file is not the one that was found."""


def _stamp(file: BinaryIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def open_place(place: Place) -> io.BufferedIOBase:
    """The bytes of a file, or of a ZIP member (unpacked in memory, its name is never used as a path). Raises OSError.

    Raises ChangedFileError where the file was written to since it was found: what its header said then may not hold for these bytes.
    """
    if place.member is None:
        file = place.path.open("rb")
        if place.stamp is not None and _stamp(file) != place.stamp:
            file.close()
            raise ChangedFileError("The file has changed since the scan was opened.")
        return file
    data = _unpacked(place, place.member, place.member.unpacked)
    if len(data) != place.member.unpacked or zlib.crc32(data) != place.member.crc:
        raise OSError("damaged ZIP member")
    return io.BytesIO(data)


def _unpacked(place: Place, member: Member, most: int) -> bytes:
    """At most so many bytes of a member. Found by its offset: a ZipFile would read its whole index again for every member."""
    with place.path.open("rb") as file:
        file.seek(member.offset)
        header = file.read(30)
        if len(header) != 30 or header[:4] != b"PK\x03\x04":
            raise OSError("damaged ZIP member")
        name_length, extra_length = struct.unpack("<HH", header[26:30])
        file.seek(name_length + extra_length, 1)
        if member.method == zipfile.ZIP_STORED:
            return file.read(min(most, member.packed))
        # the head of a member lies in the head of its packed bytes
        packed = file.read(member.packed if most == member.unpacked else min(member.packed, 4 * HEAD_BYTES))
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, most) if most else b""
    except zlib.error as error:
        raise OSError("damaged ZIP member") from error


@contextmanager
def as_path(place: Place) -> Iterator[Path]:
    """A path under which the file can be read for a while; a ZIP member is unpacked under a plain name of its kind."""
    if place.member is None:
        yield place.path
        return
    kinds = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
    ending = next((kind for kind in kinds if place.member.name.lower().endswith(kind)), "")
    with tempfile.TemporaryDirectory(prefix="duraplan-") as folder:
        path = Path(folder) / f"image{ending}"
        with open_place(place) as file:
            path.write_bytes(file.read())
        yield path
