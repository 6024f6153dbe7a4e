"""The elements of a DICOM header that matter, picked out without reading the others (PS3.5 7.1): ten times as quick as reading them all.

Only what scanners write is taken: little endian, tags in order, whole values. All else is left to pydicom (`headers.py`).
"""

from __future__ import annotations

from functools import lru_cache
from io import BufferedIOBase
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydicom.datadict import dictionary_VR

CHUNK = 32 << 10  # bytes read at once: most headers whole
_GLANCE = 4 << 10  # and after a leap over a large value, where another one may follow at once
_MOST_CHUNKS = 1000
_PREAMBLE = 132
_UNDEFINED = 0xFFFFFFFF
_SYNTAX, _CHARACTERS, _PIXELS, _META_END, _END = 0x00020010, 0x00080005, 0x7FE00010, 0x00030000, 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_INDEX, _SHARED_GROUPS, _FRAME_GROUPS = 0x00041220, 0x52009229, 0x52009230  # sequences that matter: of a disc, of many frames
_IMPLICIT = "1.2.840.10008.1.2"
_OTHERS = ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")  # big endian, deflated
_NEED_MORE, _AT_PIXELS, _PAST, _UNUSUAL = 0, 1, 2, 3
_NUMBERS = {"US": "<u2", "FD": "<f8"}
_IN_CHARACTERS = ("LO", "PN", "SH")
_DELIMITERS = {"\\", "\r", "\n", "\t", "\f"}


class Elements:
    """Values of one header by tag, as pydicom gives them but for numbers in text, which stay text; and where the pixels lie.

    syntax: transfer syntax UID. offset, length: of the value of PixelData, bytes in the file; length None where it is encapsulated.
    """

    def __init__(self, syntax: str, found: dict[int, bytes], offset: int, length: int | None) -> None:
        self.syntax, self.offset, self.length = syntax, offset, length
        self._found, self._characters = found, found.get(_CHARACTERS, b"")

    def value(self, tag: int) -> Any:
        """None where the header does not have it; a tuple where it has several values."""
        data = self._found.get(tag)
        return _value(tag, data, self._characters) if data else None


def elements(file: BufferedIOBase, wanted: NDArray[np.uint32]) -> Elements | None:
    """The values of the wanted tags, ascending, of a file that is open at its start. None for a header that is unusual in any way, and
    for one without pixels: pydicom then says what it is."""
    data = file.read(CHUNK)
    if data[_PREAMBLE - 4 : _PREAMBLE] != b"DICM":
        return None
    meta: dict[int, bytes] = {}
    reason, at, _, _ = _take(data, 0, _PREAMBLE, 0, True, _META_END, np.array([_SYNTAX], np.uint32), meta)
    syntax = meta.get(_SYNTAX, b"").decode("latin-1").rstrip("\0 ")
    if reason != _PAST or not syntax or syntax in _OTHERS:
        return None
    found: dict[int, bytes] = {}
    base, depth, length, asked = 0, 0, 0, CHUNK
    for _ in range(_MOST_CHUNKS):
        reason, at, depth, length = _take(data, base, at, depth, syntax != _IMPLICIT, _END, wanted, found)
        if reason != _NEED_MORE or (at == base and len(data) < asked):
            break
        file.seek(at)
        asked = CHUNK if at <= base + len(data) else _GLANCE
        base, data = at, file.read(asked)
    if reason != _AT_PIXELS or any(b"\0" in data and _is_cut(tag, data) for tag, data in found.items()):
        return None
    return Elements(syntax, found, at, None if length == _UNDEFINED else length)


def warm() -> None:
    """Load the compiled walk, which takes its first caller a tenth of a second; for a background thread."""
    _take(bytes(16), 0, 0, 0, True, _END, np.array([_SYNTAX], np.uint32), {})


def _take(
    data: bytes, base: int, at: int, depth: int, explicit: bool, stop: int, wanted: NDArray[np.uint32], found: dict[int, bytes]
) -> tuple[int, int, int, int]:
    """Walk through one chunk, which lies at `base` in the file, and keep the wanted values: why it ended, where in the file, how deep in
    sequences, and the length of the pixels."""
    places = np.empty((len(wanted), 3), np.int64)
    kinds = _kinds(wanted.tobytes()) if explicit else np.zeros(len(wanted), np.uint16)
    reason, at, depth, length, count = _walk(np.frombuffer(data, np.uint8), at - base, depth, explicit, stop, wanted, kinds, places)
    for tag, start, size in places[:count].tolist():
        found[tag] = data[start : start + size]
    return reason, base + at, depth, length


@njit(cache=True, nogil=True)
def _number(data: NDArray[np.uint8], at: int, size: int) -> int:
    value = 0
    for n in range(size):
        value |= int(data[at + n]) << (8 * n)
    return value


@njit(cache=True, nogil=True)
def _walk(
    data: NDArray[np.uint8], at: int, depth: int, explicit: bool, stop: int, wanted: NDArray[np.uint32], kinds: NDArray[np.uint16],
    places: NDArray[np.int64],
) -> tuple[int, int, int, int, int]:  # fmt: skip
    """Element by element. depth: 0 in the header, odd between the items of a sequence without length, even inside such an item.
    kinds: the two letters that name each wanted value's kind, 0 for any."""
    count, before = 0, -1
    while True:
        start = at
        if at + 12 > len(data):
            return _NEED_MORE, start, depth, 0, count
        tag = _number(data, at, 2) << 16 | _number(data, at + 2, 2)
        length = _number(data, at + 4, 4)
        at += 8
        if depth % 2 or tag in (_ITEM_END, _SEQUENCE_END):
            if tag == (_SEQUENCE_END if depth % 2 else _ITEM_END) and depth > 0 and length == 0:
                depth -= 1
            elif depth % 2 and tag == _ITEM and length == _UNDEFINED:
                depth += 1
            elif depth % 2 and tag == _ITEM:
                at += length
            else:
                return _UNUSUAL, start, depth, 0, count
            continue
        if tag >= stop and depth == 0:
            return _PAST, start, depth, 0, count
        if depth == 0 and tag <= before:
            return _UNUSUAL, start, depth, 0, count
        if depth == 0 and tag in (_INDEX, _SHARED_GROUPS, _FRAME_GROUPS):
            return _UNUSUAL, start, depth, 0, count
        sequence = False
        a, b = data[start + 4], data[start + 5]
        if (65 <= a <= 90 and 65 <= b <= 90) != explicit:  # two capitals name the kind of value
            return _UNUSUAL, start, depth, 0, count
        if explicit:
            sequence = a == 83 and b == 81  # SQ
            # OB, OD, OF, OL, OV, OW, SQ, SV, UC, UN, UR, UT, UV have four bytes of length after two that are reserved
            long = a == 79 or sequence or (a == 83 and b == 86) or (a == 85 and b in (67, 78, 82, 84, 86))
            if long and _number(data, start + 6, 2) != 0:
                return _UNUSUAL, start, depth, 0, count
            if long:
                length = _number(data, start + 8, 4)
                at += 4
            else:
                length = _number(data, start + 6, 2)
        if depth == 0:
            before = tag
            if tag == _PIXELS:
                return _AT_PIXELS, at, depth, length, count
        if length == _UNDEFINED:
            if explicit and not sequence:
                return _UNUSUAL, start, depth, 0, count
            depth += 1
            continue
        n = np.searchsorted(wanted, tag) % len(wanted)
        if depth == 0 and wanted[n] == tag:
            if length > CHUNK // 2 or (kinds[n] != 0 and kinds[n] != (np.int64(a) << 8 | b)):
                return _UNUSUAL, start, depth, 0, count
            if at + length > len(data):
                return _NEED_MORE, start, depth, 0, count
            places[count, 0], places[count, 1], places[count, 2] = tag, at, length
            count += 1
        at += length


@lru_cache
def _kinds(wanted: bytes) -> NDArray[np.uint16]:
    """Of tags, as `_walk` compares them; what can be of two kinds is of any."""
    tags = np.frombuffer(wanted, np.uint32).tolist()
    return np.array([int.from_bytes(kind.encode(), "big") if len(kind := dictionary_VR(tag)) == 2 else 0 for tag in tags], np.uint16)


@lru_cache
def _kind(tag: int) -> str:
    return dictionary_VR(tag).split(" ")[0]


def _is_cut(tag: int, data: bytes) -> bool:
    """Whether a zero ends a text before its end: readers disagree about what follows."""
    return _kind(tag) not in _NUMBERS and b"\0" in data.rstrip(b"\0 ")


@lru_cache(2048)  # most values are the same in all slices
def _value(tag: int, data: bytes, characters: bytes) -> Any:
    kind = _kind(tag)
    if kind in _NUMBERS:
        numbers = tuple(np.frombuffer(data, _NUMBERS[kind]).tolist())
        return numbers[0] if len(numbers) == 1 else numbers
    if kind in _IN_CHARACTERS and (b"\x1b" in data or not data.isascii()):
        return _decoded(data, kind, characters)
    text = data.decode("latin-1").rstrip("\0 ")
    return tuple(one.strip() for one in text.split("\\")) if "\\" in text else text


def _decoded(data: bytes, kind: str, characters: bytes) -> Any:
    """Text in another character set than ASCII (PS3.5 6.1)."""
    from pydicom.charset import convert_encodings, decode_bytes
    from pydicom.valuerep import PersonName

    encodings = convert_encodings(characters.decode("latin-1").rstrip("\0 ").split("\\"))
    if kind == "PN":
        return str(PersonName(data.rstrip(b"\0 "), encodings))
    return decode_bytes(data, encodings, _DELIMITERS).rstrip("\0 ")
