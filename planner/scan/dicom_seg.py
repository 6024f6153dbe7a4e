"""DICOM SEG as label maps: one object, or one that was cut into several files (a concatenation, PS3.3 C.7.6.16.2.2.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.refusal import Refusal
from planner.scan.files import plain
from planner.scan.headers import Unreadable
from planner.scan.label_files import MOST, LabelFile, Numbers, frame_of
from planner.scan.memory import free_bytes

_SEG, _LABELMAP_SEG = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
_HINT = b"1.2.840.10008.5.1.4.1.1.66."  # stands near the front of every segmentation, and of few other files
_HEAD_BYTES = 4096
_TAGS = ["SOPClassUID", "FrameOfReferenceUID", "ConcatenationUID", "InConcatenationNumber", "InConcatenationTotalNumber"]


@dataclass(frozen=True)
class SegHead:
    """What a segmentation's header says of what it belongs to. frame_of_reference: "" where it says nothing. whole: what its parts share,
    None for an object in one file. part, parts: its number from 1, and how many there are, None where it does not say."""

    path: Path
    frame_of_reference: str
    whole: str | None
    part: int
    parts: int | None


def segmentations(paths: Iterable[Path]) -> list[SegHead]:
    """Those of these files that are segmentations, by name. Raises OSError where a file cannot be read."""
    import pydicom

    found = []
    for path in sorted(paths):
        with path.open("rb") as file:
            if _HINT not in file.read(_HEAD_BYTES):
                continue
        try:
            data: Any = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=list(_TAGS))
            if data.get("SOPClassUID") in (_SEG, _LABELMAP_SEG):
                found.append(_head(path, data))
        except Exception as error:  # pydicom raises what its many parts raise
            raise Refusal(f"{plain(path.name)} is no label map: The DICOM SEG is damaged.", "Take that file out of the folder.") from error
    return found


def _head(path: Path, data: Any) -> SegHead:
    whole, parts = data.get("ConcatenationUID"), data.get("InConcatenationTotalNumber")
    return SegHead(
        path,
        str(data.get("FrameOfReferenceUID") or ""),
        str(whole) if whole else None,
        int(data.get("InConcatenationNumber") or 1),
        int(parts) if parts else None,
    )


def read_dicom_seg(path: Path) -> LabelFile:
    """A segmentation object: binary, fractional (from one half up) or label map (PS3.3 A.51, A.98). Of one that was cut into several files
    all parts are read, which lie in the same folder. Raises Unreadable for what is none, Refusal where a part is missing."""
    import pydicom

    try:
        data = pydicom.dcmread(path, force=True)
        if data.get("SOPClassUID") not in (_SEG, _LABELMAP_SEG):
            raise Unreadable("A DICOM file, but no segmentation (SEG).")
        return _read([data if one == path else pydicom.dcmread(one, force=True) for one in _all_parts(_head(path, data))])
    except (Unreadable, MemoryError, Refusal):
        raise
    except Exception as error:  # pydicom and its decoders raise what their many parts raise
        raise Unreadable("The DICOM SEG is damaged.") from error


def _all_parts(head: SegHead) -> list[Path]:
    """The files of a segmentation in their order. Raises Refusal where one is missing or is there twice."""
    if head.whole is None:
        return [head.path]
    beside = segmentations(path for path in head.path.parent.iterdir() if path.is_file())
    parts = {one.part: one.path for one in beside if one.whole == head.whole}
    way_out = "Put all files of the segmentation into one folder, each once."
    if sum(one.whole == head.whole for one in beside) > len(parts):
        raise Refusal(f"A part of the segmentation {plain(head.path.name)} is there twice.", way_out)
    count = max([*parts, *(one.parts or 0 for one in beside if one.whole == head.whole)])
    missing = [str(number) for number in range(1, count + 1) if number not in parts]
    if missing:
        named = f"Part {missing[0]}" if len(missing) == 1 else f"Parts {', '.join(missing[:5])}{' and more' if len(missing) > 5 else ''}"
        sentence = f"{named} of {count} of the segmentation {plain(head.path.name)} {'is' if len(missing) == 1 else 'are'} missing."
        raise Refusal(sentence, way_out)
    return [parts[number] for number in sorted(parts)]


@dataclass(frozen=True, eq=False)
class _Frame:
    """A frame of a segmentation, by its number in the file that holds it."""

    data: Any
    number: int

    def first(self, sequence: str) -> Any:
        """Its functional group: its own, else the one that all share."""
        own = self.data.PerFrameFunctionalGroupsSequence[self.number] if "PerFrameFunctionalGroupsSequence" in self.data else {}
        return (own if sequence in own else self.data.SharedFunctionalGroupsSequence[0])[sequence].value[0]


def _read(files: Sequence[Any]) -> LabelFile:
    """A segmentation, all of whose files are here."""
    data = files[0]
    rows, columns = int(data.Rows), int(data.Columns)
    frames = [_Frame(one, n) for one in files for n in range(int(one.get("NumberOfFrames", 1)))]
    if rows * columns * len(frames) * 2 > free_bytes():
        raise Unreadable("It does not fit into memory.")
    pixels = np.concatenate([np.asarray(one.pixel_array).reshape(-1, rows, columns) for one in files])
    places = _Places(frames, rows, columns)
    names = {number: said for one in files for number, said in _segment_names(one).items()}
    program = plain(str(data.get("ManufacturerModelName") or data.get("Manufacturer") or ""))[:40]
    if str(data.get("SegmentationType", "BINARY")) == "LABELMAP" or data.SOPClassUID == _LABELMAP_SEG:
        layer = np.zeros(places.frame.shape, dtype=np.uint16)
        layer[places.slices] = pixels
        return LabelFile(places.frame, (layer,), names, program=program)
    notes: tuple[str, ...] = ()
    if str(data.get("SegmentationType")) == "FRACTIONAL":
        pixels = pixels >= (int(data.MaximumFractionalValue) + 1) // 2
        notes = ("Fractions count from one half up.",)
    segments = [frame.first("SegmentIdentificationSequence").ReferencedSegmentNumber for frame in frames]
    layers = _packed(pixels != 0, np.array(segments, dtype=np.int64), places)
    return LabelFile(places.frame, layers, names, program=program, notes=notes)


class _Places:
    """The grid that a segmentation's frames lie on, and the slice of each frame."""

    def __init__(self, frames: Sequence[_Frame], rows: int, columns: int) -> None:
        turns = np.array([frame.first("PlaneOrientationSequence").ImageOrientationPatient for frame in frames], dtype=np.float64)
        corners = np.array([frame.first("PlanePositionSequence").ImagePositionPatient for frame in frames], dtype=np.float64)
        measures = frames[0].first("PixelMeasuresSequence")
        down_mm, right_mm = (float(value) for value in measures.PixelSpacing)
        if np.abs(turns - turns[0]).max() > 1e-3:
            raise Unreadable("Its frames are turned against each other.")
        right, down = turns[0, :3], turns[0, 3:]
        normal = np.cross(right, down)
        if np.abs((corners - corners[0]) @ np.stack([right, down], axis=1)).max() > 0.1:
            raise Unreadable("Its frames are shifted against each other.")
        along = corners @ normal
        steps = np.diff(np.unique(np.round(along, 2)))
        thickness = float(measures.get("SpacingBetweenSlices", 0) or measures.get("SliceThickness", 0) or 1.0)
        step = float(steps.min()) if len(steps) else thickness
        if len(steps) and steps.min() > 1.5 * thickness > 0 and np.abs(steps / thickness - np.rint(steps / thickness)).max() < 0.1:
            step = thickness  # every neighbour of a slice with something may be empty and left out
        at = (along - along.min()) / step
        if np.abs(at - np.rint(at)).max() > 0.2:
            raise Unreadable("Its frames are not evenly apart.")
        self.slices = np.rint(at).astype(np.int64)
        shape = (int(self.slices.max()) + 1, rows, columns)
        if float(np.prod(shape, dtype=np.float64)) * 2 > free_bytes():
            raise Unreadable("It does not fit into memory.")
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1], affine[:3, 2] = normal * step, down * down_mm, right * right_mm
        affine[:3, 3] = corners[int(along.argmin())]
        self.frame = frame_of(shape, affine)


def _packed(masks: NDArray[np.bool_], segments: NDArray[np.int64], places: _Places) -> tuple[Numbers, ...]:
    """Segments in as few layers as hold them without overlap."""
    if segments.min() < 1 or segments.max() > MOST:
        raise Unreadable("Its segments are not numbered from 1.")
    layers: list[Numbers] = []
    for segment in np.unique(segments):
        frames = np.flatnonzero(segments == segment)
        free = (layer for layer in layers if not any((layer[places.slices[n]][masks[n]]).any() for n in frames))
        layer = next(free, None)
        if layer is None:
            if (len(layers) + 1) * 2.0 * np.prod(places.frame.shape) > free_bytes():
                raise MemoryError
            layer = np.zeros(places.frame.shape, dtype=np.uint16)
            layers.append(layer)
        for n in frames:
            layer[places.slices[n]][masks[n]] = segment
    return tuple(layers)


def _segment_names(data: Any) -> dict[int, tuple[str, ...]]:
    names = {}
    for item in data.SegmentSequence:
        kind = [str(code.get("CodeMeaning", "")) for code in item.get("SegmentedPropertyTypeCodeSequence", ())]
        said = (str(item.get("SegmentLabel", "")), str(item.get("SegmentDescription", "")), *kind)
        names[int(item.SegmentNumber)] = tuple(plain(name) for name in said if name)
    names.pop(0, None)  # the background of a label map
    return names
