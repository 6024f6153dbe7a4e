"""Multipart messages of DICOMweb, taken apart and put together in pieces: no image is held in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

_MOST_HEADER_BYTES = 1 << 14
_PREAMBLE = 128


class Broken(Exception):  # noqa: N818 - it says what the message is
    """The message ended too early, or is none."""


def boundary_of(content_type: str) -> bytes | None:
    """What parts the message, from its Content-Type; None where it is no multipart message."""
    kind, *settings = content_type.split(";")
    if kind.strip().lower() != "multipart/related":
        return None
    for setting in settings:
        name, _, value = setting.strip().partition("=")
        if name.lower() == "boundary":
            return value.strip('"').encode("latin-1", "replace") or None
    return None


def taken_apart(pieces: Iterable[bytes], boundary: bytes) -> Iterator[bytes | None]:
    """The contents of the parts in pieces, and None behind each part that is whole. Raises Broken for a message that ends too early.

    >>> list(taken_apart([b"--x\\r\\n\\r\\nab\\r\\n--x\\r\\nA: 1\\r\\n\\r\\nc\\r\\n--x--"], b"x"))
    [b'ab', None, b'c', None]
    """
    mark = b"\r\n--" + boundary
    held = bytearray(b"\r\n")
    inside = False
    source = iter(pieces)
    while True:
        at = held.find(mark)
        if at < 0:
            ready = len(held) - len(mark) + 1  # the mark may have begun
            if ready > 0:
                if inside:
                    yield bytes(held[:ready])
                del held[:ready]
        else:
            behind = at + len(mark)
            closing = held[behind : behind + 2] == b"--"
            end = held.find(b"\r\n\r\n", behind)
            if closing or end >= 0:
                if inside:
                    if at:
                        yield bytes(held[:at])
                    yield None
                if closing:
                    return
                del held[: end + 4]
                inside = True
                continue
            if len(held) - behind > _MOST_HEADER_BYTES:
                raise Broken
        piece = next(source, None)
        if piece is None:
            raise Broken
        held += piece


class OneFile:
    """A DICOM file as a multipart message that is read in pieces while it is sent; its preamble stays here.

    It has a length, which requests asks for."""

    BOUNDARY = "duraplan-image"

    def __init__(self, path: Path) -> None:
        self._head = f"--{self.BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + bytes(_PREAMBLE)
        self._tail = f"\r\n--{self.BOUNDARY}--\r\n".encode()
        self._file = path.open("rb")
        self._length = len(self._head) + path.stat().st_size - _PREAMBLE + len(self._tail)
        self._file.seek(_PREAMBLE)

    def __len__(self) -> int:
        return self._length

    def read(self, size: int = -1) -> bytes:
        """The next piece; b"" at the end."""
        if self._head:
            piece, self._head = self._head, b""
            return piece
        piece = self._file.read(size)
        if not piece:
            piece, self._tail = self._tail, b""
        return piece

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
