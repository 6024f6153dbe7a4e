"""Where the images of one series arrive: whole files or none, named by digests of their UIDs, on a disk that is never filled up."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import BinaryIO, Literal

from planner.refusal import Refusal
from planner.whole_files import refusal_of

Taken = Literal["new", "known", "not asked for", "no room"]

KEPT_FREE_BYTES = 1 << 30  # a disk that is full stops other programs too
MOST_FILES = 60_000
_STALE_S = 3600.0
_PREAMBLE = 128
_MAGIC = b"DICM"


def folder_of(root: Path, study_uid: str) -> Path:
    """The folder of a study. Names are digests: no UID of a server can lead out of the folder, and none can be read off a path."""
    return root / f"study-{_digest(study_uid)}"


def _digest(uid: str) -> str:
    return hashlib.sha256(uid.encode("utf-8", "surrogateescape")).hexdigest()[:16]


class Inbox:
    """Takes the images of one series. expected: the instance UIDs that are asked for; where the server lists none, any image counts.

    What is in the folder already is not asked for again. It may be called from several threads. trouble: why nothing more is taken.
    """

    def __init__(self, root: Path, study_uid: str, series_uid: str, expected: frozenset[str]) -> None:
        self.folder = folder_of(root, study_uid) / f"series-{_digest(series_uid)}"
        self.expected = expected
        self.trouble: Refusal | None = None
        self.bytes = 0
        self._closed = False
        self._lock = threading.Lock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            self._have = {path.stem for path in self.folder.glob("*.dcm") if _is_whole(path)}
        except OSError as error:
            raise refusal_of(error, "The series", self.folder) from error
        self.before = len(self._have)

    @property
    def count(self) -> int:
        """How many images are here, those of earlier calls too."""
        return len(self._have)

    @property
    def missing(self) -> frozenset[str]:
        """What is asked for and is not here."""
        return frozenset(uid for uid in self.expected if _digest(uid) not in self._have)

    def close(self) -> None:
        """Take nothing more: a thread that was left behind may still be receiving."""
        self._closed = True

    def take(self, uid: str, data: bytes | memoryview) -> Taken:
        """Take an image as a file's bytes. A disk that fails is `trouble`."""
        try:
            if self._refuses(uid):
                return "not asked for"
            with self.part(len(data)) as (file, path):
                file.write(data)
                file.close()
                return self.adopt(path, uid)
        except OSError as error:
            self.trouble = refusal_of(error, "The series", self.folder)
        except Refusal as refusal:
            self.trouble = refusal
        return "no room"

    def adopt(self, part: Path, uid: str) -> Taken:
        """Give a part file that is whole, and closed, its name."""
        if self._refuses(uid):
            return "not asked for"
        name = _digest(uid)
        with self._lock:
            if name in self._have:
                return "known"
            if len(self._have) >= MOST_FILES:
                raise Refusal(f"The series has more than {MOST_FILES} images.", "Retrieve another one.")
            self.bytes += part.stat().st_size
            os.replace(part, self.folder / f"{name}.dcm")
            self._have.add(name)
        return "new"

    @contextmanager
    def part(self, size: int) -> Iterator[tuple[BinaryIO, Path]]:
        """A file to write into, gone at the end unless it was adopted. Raises Refusal where `size` more bytes would fill the disk."""
        self.check_room(size)
        handle, name = tempfile.mkstemp(suffix=".part", dir=self.folder)
        try:
            with os.fdopen(handle, "w+b") as file:
                yield file, Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def check_room(self, size: int) -> None:
        """Raises Refusal where `size` more bytes would fill the disk."""
        if shutil.disk_usage(self.folder).free - size < KEPT_FREE_BYTES:
            sentence = f"The disk has less than {KEPT_FREE_BYTES >> 30} GB left, so nothing more is received."
            raise Refusal(sentence, "Free some space and retrieve again: what has come stays.")

    def _refuses(self, uid: str) -> bool:
        return self._closed or self.trouble is not None or not uid or bool(self.expected and uid not in self.expected)

    def _sweep(self) -> None:
        """Take away what a program that was killed left half written."""
        for path in self.folder.glob("*.part"):
            if time() - path.stat().st_mtime > _STALE_S:
                path.unlink(missing_ok=True)


def without_preamble(file: BinaryIO) -> bool:
    """Blank the first 128 bytes of a DICOM file, where foreign programs hide. False: it is no DICOM file."""
    file.seek(_PREAMBLE)
    if file.read(len(_MAGIC)) != _MAGIC:
        return False
    file.seek(0)
    file.write(bytes(_PREAMBLE))
    file.flush()
    return True


def _is_whole(path: Path) -> bool:
    """Files are renamed when they are whole; one that the system lost in a power cut begins with nothing."""
    with path.open("rb") as file:
        file.seek(_PREAMBLE)
        return file.read(len(_MAGIC)) == _MAGIC
