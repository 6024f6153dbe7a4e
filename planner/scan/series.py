"""The values of the Scan station: where a slice's pixels lie, a series with its verdict, what was skipped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from planner.geometry import Frame, Gap
from planner.scan.crop import Crop
from planner.scan.grouping import Grouping

Plane = Literal["axial", "sagittal", "coronal", "oblique"]
Verdict = Literal["good", "repaired", "refused"]
Triple = tuple[float, float, float]
LEAST_SLICES = 3
"""Of a volume."""


@dataclass(frozen=True, slots=True)
class Member:
    """Where a member lies in its ZIP file: offset of its local header, packed and unpacked bytes, method, checksum."""

    name: str
    offset: int
    packed: int
    unpacked: int
    method: int
    crc: int


@dataclass(frozen=True, slots=True)
class Place:
    """A file, or a member of a ZIP file. name: relative to what was read, with forward slashes.

    stamp: size and time of change (ns) of a plain file when it was found; None where nobody looked. A member has its checksum.
    """

    path: Path
    name: str
    member: Member | None = None
    stamp: tuple[int, int] | None = None


@dataclass(frozen=True)
class Identity:
    """Whose scan it is. Never in a message, a log or a repr; in JSON only when asked for."""

    name: str = ""
    number: str = ""
    birth_date: str = ""


@dataclass(frozen=True, slots=True)
class Pixels:
    """Where and how the pixels of one frame are stored.

    offset, length: of the PixelData value in its file, bytes; length None where it is encapsulated.
    slope, intercept: None where the file gives none. padding: as stored, None where not given.
    """

    syntax: str
    offset: int
    length: int | None
    frame: int
    frames: int
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    slope: float | None
    intercept: float | None
    padding: int | None
    lossy: bool


@dataclass(frozen=True, slots=True)
class Slice:
    """One picture of a series: a DICOM file, or one frame of a multi-frame file. LPS, mm; None is "not given".

    along_row, along_column: unit vectors in which the column index and the row index grow. row_mm, column_mm: distance of rows, of columns.
    apart: what tells volumes of one series apart where positions repeat: (name, value) pairs, strongest first.
    """

    place: Place
    pixels: Pixels
    series_uid: str
    study_uid: str
    image_uid: str
    frame_of_reference: str
    modality: str
    description: str
    localizer: bool
    position: Triple | None
    along_row: Triple | None
    along_column: Triple | None
    row_mm: float | None
    column_mm: float | None
    number: int | None
    stack: str
    apart: tuple[tuple[str, str], ...]
    patient_position: str | None
    identity: Identity = field(repr=False)


@dataclass(frozen=True)
class Series:
    """A volume that was found, or what stands in for one, with its verdict.

    part: 0, 1, ... where one series holds several volumes; those that can be loaded come first.
    size, spacing_mm, extent_mm: of the scan as stored, (slices, rows, columns); spacing between slices is along their normal,
        extent is from the first voxel centre to the last.
    reasons: what a person should know, in sentences; the notes are among them. repairs: what is changed when it is loaded.
    notes: remarks on a scan that can be loaded, such as that it is coarse.
    way_out: what a person can do about a refused one.
    frame: the grid as stored, possibly oblique or sheared; None for a refused one without a grid.
    pictures: the slices in the order of `frame`; empty for a scan that is one file (`file`).
    lies_at: where each slice lies on the axis of `frame`'s slices, in steps, where they lie unevenly; empty where each lies at its number.
    gaps: slabs within the grid that no slice shows.
    held_type, least, reading_bytes: of a scan that is one file: the type of its voxels once it is loaded, the value that stands for what
        is no number, and the memory that reading takes beside the voxels that are kept.
    thumbnail: greys [row, column] of one slice, uint8; None where none could be had.
    grouping: how a person put its slices together; None for what the program found.
    crop: the part of every slice that is loaded, to which `frame` and `size` are cut; None for all. `spine_only.cropped` makes it.
    """

    uid: str
    part: int
    description: str
    modality: str
    plane: Plane
    slices: int
    size: tuple[int, int, int]
    spacing_mm: Triple
    extent_mm: Triple
    verdict: Verdict
    reasons: tuple[str, ...]
    repairs: tuple[str, ...]
    notes: tuple[str, ...] = ()
    way_out: str = ""
    patient_position: str | None = None
    frame: Frame | None = field(default=None, repr=False)
    pictures: tuple[Slice, ...] = field(default=(), repr=False)
    lies_at: tuple[float, ...] = field(default=(), repr=False)
    gaps: tuple[Gap, ...] = field(default=(), repr=False)
    file: Place | None = field(default=None, repr=False)
    digest: str = field(default="", repr=False)
    held_type: str = field(default="", repr=False)
    least: float = field(default=0.0, repr=False)
    reading_bytes: int = field(default=0, repr=False)
    identity: Identity = field(default=Identity(), repr=False)
    thumbnail: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    grouping: Grouping | None = None
    crop: Crop | None = None

    @property
    def key(self) -> str:
        """Names this volume among all: series UID and part, how it was grouped by hand, and what of it is loaded."""
        return self.whole_key + (f"/{self.crop.words}" if self.crop is not None else "")

    @property
    def whole_key(self) -> str:
        """The same whatever of it is loaded."""
        return f"{self.uid}/{self.part}" + (f"/{self.grouping.words}" if self.grouping is not None else "")

    @property
    def usable(self) -> bool:
        """Whether `load` can load it."""
        return self.verdict != "refused"

    @property
    def is_axial_ct(self) -> bool:
        """Whether the spine can be looked for in it before it is loaded."""
        return self.modality == "CT" and self.plane == "axial"

    @property
    def fingerprint(self) -> str:
        """Tells whether another scan is this one: a hash of what identifies its images and of how they lie, not of their folder."""
        ways = ((one.along_row, one.along_column, one.row_mm, one.column_mm) for one in self.pictures)
        return self._hash(map(repr, ways))

    @property
    def former_fingerprint(self) -> str:
        """The same without orientation and size of pixels, as cases from before they were taken in hold it."""
        return self._hash("" for _ in self.pictures)

    def _hash(self, of_each: Iterable[str]) -> str:
        """Of the series, and of each of its pictures with what is to be taken in besides."""
        seen = hashlib.blake2b(digest_size=16)
        seen.update(repr((self.uid, self.part, self.size, self.digest)).encode())
        if self.crop is not None:
            seen.update(self.crop.words.encode())
        for picture, more in zip(self.pictures, of_each):
            seen.update((repr((picture.image_uid, picture.pixels.frame, picture.position)) + more).encode())
        return seen.hexdigest()


@dataclass(frozen=True)
class Skipped:
    """A file that belongs to no series. path: relative to what was read."""

    path: str
    reason: str


@dataclass(frozen=True)
class Scan:
    """What a folder, file or ZIP holds. skipped lists at most the first thousand of skipped_count. slices: all that were read, to be put
    together otherwise (`regroup`)."""

    root: Path
    series: tuple[Series, ...]
    skipped: tuple[Skipped, ...]
    skipped_count: int
    slices: tuple[Slice, ...] = field(default=(), repr=False)
