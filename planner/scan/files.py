"""Finds the files under a path, in folders and ZIP files, and tells from their first bytes what they are. Bounded, never blocks."""

from __future__ import annotations

import io
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from planner.progress import Progress
from planner.scan.series import Place, Skipped

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
    if head[:4] == b"NRRD" and lower.endswith(".nrrd"):
        return "image"
    # DICOM without preamble begins with a tag of group 0002 or 0008, in either byte order
    if head[:2] in (b"\x02\x00", b"\x08\x00") and head[3:4] == b"\x00":
        return "dicom"
    if head[:2] in (b"\x00\x02", b"\x00\x08") and head[2:3] == b"\x00" and len(head) > 8:
        return "dicom"
    if b"\0" not in head:
        return "text"
    return "other"


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
        _take(root, root.name, found, skipped)
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
            name = prefix + entry.name
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
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        skipped.append(Skipped(name, "The file cannot be opened: no permission, or the disk fails."))
        return
    kind = kind_of(head, name)
    if kind == "zip":
        _take_zip(path, name, found, skipped)
    else:
        found.append(Found(Place(path, name), kind, size))


def _take_zip(path: Path, name: str, found: list[Found], skipped: list[Skipped]) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            budget = MOST_ZIP_BYTES
            for member in archive.infolist():
                inside = f"{name}/{member.filename}"
                if member.is_dir():
                    continue
                budget -= member.file_size
                if member.flag_bits & 1:
                    skipped.append(Skipped(inside, "The ZIP file is locked with a password: unpack it first."))
                elif member.file_size > MOST_MEMBER_BYTES or member.file_size > MOST_RATIO * max(member.compress_size, 1):
                    skipped.append(Skipped(inside, "Too large when unpacked: left alone."))
                elif budget < 0 or len(found) >= MOST_FILES:
                    skipped.append(Skipped(inside, "The ZIP file holds too much: the rest was left alone."))
                    return
                else:
                    _take_member(archive, member, Place(path, inside, member.filename), found, skipped)
    except _ZIP_ERRORS:
        skipped.append(Skipped(name, "The ZIP file is damaged."))


def _take_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: Place, found: list[Found], skipped: list[Skipped]
) -> None:
    try:
        with archive.open(member) as file:
            head = file.read(HEAD_BYTES)
    except _ZIP_ERRORS:
        skipped.append(Skipped(place.name, "The file is damaged inside the ZIP file."))
        return
    kind = kind_of(head, member.filename)
    if kind == "zip":
        skipped.append(Skipped(place.name, "A ZIP file inside a ZIP file: unpack it first."))
    else:
        found.append(Found(place, kind, member.file_size))


def open_place(place: Place) -> BinaryIO:
    """The bytes of a file, or of a ZIP member (unpacked in memory, its name is never used as a path). Raises OSError."""
    if place.member is None:
        return place.path.open("rb")
    try:
        with zipfile.ZipFile(place.path) as archive, archive.open(place.member) as file:
            data = file.read(MOST_MEMBER_BYTES + 1)
    except _ZIP_ERRORS as error:
        raise OSError("damaged ZIP member") from error
    if len(data) > MOST_MEMBER_BYTES:
        raise OSError("ZIP member larger than it says")
    return io.BytesIO(data)


@contextmanager
def as_path(place: Place) -> Iterator[Path]:
    """A path under which the file can be read for a while; a ZIP member is unpacked under a name of its kind."""
    if place.member is None:
        yield place.path
        return
    ending = "".join(Path(place.member).suffixes[-2:])
    with tempfile.TemporaryDirectory(prefix="duraplan-") as folder:
        path = Path(folder) / f"image{ending if ending.isascii() and '/' not in ending else ''}"
        with open_place(place) as file:
            path.write_bytes(file.read())
        yield path
