"""One DICOM file -> its slices, from the header alone. The pixels are only located."""

from __future__ import annotations

import struct
from io import BufferedIOBase
from typing import Any, Protocol

import numpy as np
import pydicom
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from planner.scan.elements import elements
from planner.scan.files import Found, open_place, plain
from planner.scan.series import Identity, Pixels, Slice, Triple

config.settings.reading_validation_mode = config.IGNORE

TAGS = [
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality", "SeriesDescription", "StudyDescription",
    "PatientName", "PatientID", "PatientBirthDate", "EchoTime", "DiffusionBValue", "PatientPosition", "StudyInstanceUID",
    "SeriesInstanceUID", "AcquisitionNumber", "AcquisitionTime", "ContentTime", "TriggerTime", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "TemporalPositionIdentifier", "StackID",
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "RescaleIntercept", "RescaleSlope",
    "LossyImageCompression", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "DirectoryRecordSequence",
]  # fmt: skip

_TAG = {name: int(Tag(name)) for name in TAGS}  # looking a value up by its tag is twice as quick as by its name
_WANTED = np.array(sorted(_TAG.values()), np.uint32)

_LOCALIZER_WORDS = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "REF_SURVIEW", "SCANOGRAM"}
_PIXEL_KINDS = (b"OB", b"OW", b"UN")
_NOT_IMAGES = {
    "RTPLAN": "A radiotherapy plan, not a scan.",
    "RTSTRUCT": "A radiotherapy structure set, not a scan.",
    "RTDOSE": "A radiotherapy dose, not a scan.",
    "SR": "A structured report, not a scan.",
    "PR": "A presentation state, not a scan.",
    "KO": "A key object list, not a scan.",
    "SEG": "A segmentation of another series, not a scan.",
    "REG": "A registration, not a scan.",
    "DOC": "A document, not a scan.",
}
_VOLUME_MODALITIES = {"CT", "MR", "PT"}
_UNDEFINED = 0xFFFFFFFF
_MOST_FRAMES = 20_000
_MOST_PIXELS = 1 << 26
_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")


class Unreadable(Exception):  # noqa: N818 - a sentence for the user
    """Raised with the sentence that explains why a file gives no slice."""


def read_header(found: Found) -> list[Slice]:
    """The slices of a DICOM file. Raises Unreadable with a sentence without patient data."""
    try:
        with open_place(found.place) as file:
            quick = elements(file, _WANTED)
            if quick is not None:
                return _slices(quick, file, found)
            file.seek(0)
            header = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(TAGS))
            return _slices(_Whole(header, file), file, found)
    except Unreadable:
        raise
    except OSError as error:
        raise Unreadable("The file breaks off or is damaged: its header cannot be read.") from error
    except Exception as error:  # a hostile header can raise almost anything inside pydicom
        raise Unreadable("The file's header is damaged and cannot be read.") from error


class _Header(Protocol):
    """Values by tag, None where there is none, and where the pixels lie: length None where encapsulated, offset 0 where deflated."""

    syntax: str
    offset: int
    length: int | None

    def value(self, tag: int) -> Any: ...


class _Whole:
    """A header that pydicom read. offset: -1 where no pixels follow it."""

    def __init__(self, header: Dataset, file: BufferedIOBase) -> None:
        self.dataset = header
        self.syntax = _syntax(header)
        self.offset, self.length = _pixel_data(header, file)

    def value(self, tag: int) -> Any:
        element = self.dataset.get(tag)
        return None if element is None else element.value


def _slices(header: _Header, file: BufferedIOBase, found: Found) -> list[Slice]:
    modality = _text(header, "Modality").upper()
    if _value(header, "DirectoryRecordSequence") is not None:
        raise Unreadable("An index of the disc (DICOMDIR), not an image; the files themselves are read.")
    if modality in _NOT_IMAGES:
        raise Unreadable(_NOT_IMAGES[modality])
    rows, columns = _whole(header, "Rows"), _whole(header, "Columns")
    if not rows or not columns:
        raise Unreadable("A DICOM file without an image, or one that breaks off before it.")
    if rows * columns > _MOST_PIXELS:
        raise Unreadable("The header promises an image larger than any scan.")
    samples = _whole(header, "SamplesPerPixel") or 1
    if modality not in _VOLUME_MODALITIES:
        raise Unreadable(f"A picture of the kind {plain(modality) or 'unknown'}, not a CT or MR slice.")
    if samples != 1:
        raise Unreadable("A colour picture (a capture of a screen), not a slice.")
    frames = max(1, _whole(header, "NumberOfFrames") or 1)
    if frames > _MOST_FRAMES:
        raise Unreadable("The header promises more images than the file can hold.")
    offset, length = header.offset, header.length
    if offset < 0:
        raise Unreadable("A DICOM file without an image, or one that breaks off before it.")
    bits = _whole(header, "BitsAllocated") or 16
    stored = _whole(header, "BitsStored") or bits
    if bits not in (8, 16, 32) or not 0 < stored <= bits:
        raise Unreadable(f"Pixels of {bits} bits are not read.")
    high = _whole(header, "HighBit")
    if high is not None and not stored - 1 <= high < bits:
        raise Unreadable(f"The header is damaged: it places the highest of {stored} bits at {high}.")
    frame_bytes = rows * columns * bits // 8
    if length is None and header.syntax in _NATIVE:
        raise Unreadable("The pixels are compressed, and the file does not say how.")
    if length is not None:
        held = min(length, found.size - offset)
        deflated = header.syntax.endswith(".1.99")
        if not deflated and (held < frame_bytes * frames or held < length):
            whole = max(0, held // frame_bytes)
            if whole == 0 or frames == 1:
                raise Unreadable(f"The file breaks off inside the image: {held} of {max(frame_bytes, length)} bytes are there.")
            frames = min(frames, whole)
    elif not _is_whole(file, offset, found.size):
        raise Unreadable("The file breaks off inside the image.")
    return [_slice(header, found, frame, frames, offset, length, rows, columns, bits, stored) for frame in range(frames)]


def _pixel_data(header: Dataset, file: BufferedIOBase) -> tuple[int, int | None]:
    """Offset and length of the PixelData value, as `_Header` has them; offset -1 where there is none."""
    syntax = _syntax(header)
    if syntax.endswith(".1.99"):
        return 0, 0
    big = syntax == "1.2.840.10008.1.2.2"
    order = ">" if big else "<"
    start = file.read(12)
    if len(start) < 8 or struct.unpack(order + "HH", start[:4]) != (0x7FE0, 0x0010):
        return -1, 0
    # what the bytes say counts more than what the header promised of them
    if start[4:6] in _PIXEL_KINDS and start[6:8] == b"\0\0":
        length = struct.unpack(order + "I", start[8:12])[0]
    elif header.original_encoding[0]:
        length = struct.unpack(order + "I", start[4:8])[0]
        file.seek(-(len(start) - 8), 1)
    else:
        return -1, 0
    return file.tell(), None if length == _UNDEFINED else int(length)


def _is_whole(file: BufferedIOBase, offset: int, size: int) -> bool:
    """Whether all fragments of encapsulated pixels (PS3.5 A.4) lie inside the file. Decoders fill the rest with what they like."""
    file.seek(offset)
    while len(item := file.read(8)) == 8:
        group, element, length = struct.unpack("<HHI", item)
        if (group, element) == (0xFFFE, 0xE0DD):
            return True
        if (group, element) != (0xFFFE, 0xE000) or file.tell() + length > size:
            return False
        file.seek(length, 1)
    return not item


def _syntax(header: Dataset) -> str:
    given = str(header.file_meta.get("TransferSyntaxUID", "") or "") if hasattr(header, "file_meta") else ""
    if given:
        return given
    implicit, little = header.original_encoding
    return "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1" if little is not False else "1.2.840.10008.1.2.2"


def _slice(
    header: _Header, found: Found, frame: int, frames: int, offset: int, length: int | None,
    rows: int, columns: int, bits: int, stored: int,
) -> Slice:  # fmt: skip
    groups = _Groups(header, frame)
    orientation = groups.numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6)
    spacing = groups.numbers("PixelMeasuresSequence", "PixelSpacing", 2)
    position = groups.numbers("PlanePositionSequence", "ImagePositionPatient", 3)
    slope = groups.numbers("PixelValueTransformationSequence", "RescaleSlope", 1)
    intercept = groups.numbers("PixelValueTransformationSequence", "RescaleIntercept", 1)
    image_type = [str(word).strip().upper() for word in _many(_value(header, "ImageType"))]
    high = _whole(header, "HighBit")
    pixels = Pixels(
        syntax=header.syntax, offset=offset, length=length, frame=frame, frames=frames, rows=rows, columns=columns, samples=1,
        bits_allocated=bits, bits_stored=stored, high_bit=stored - 1 if high is None else high,
        signed=_whole(header, "PixelRepresentation") == 1,
        photometric=_text(header, "PhotometricInterpretation").upper(),
        slope=slope[0] if slope and slope[0] != 0 else None, intercept=intercept[0] if intercept else None,
        padding=_padding(header, stored), lossy=_text(header, "LossyImageCompression") == "01",
    )  # fmt: skip
    return Slice(
        place=found.place, pixels=pixels,
        series_uid=plain(_text(header, "SeriesInstanceUID")), study_uid=plain(_text(header, "StudyInstanceUID")),
        image_uid=plain(_text(header, "SOPInstanceUID")), frame_of_reference=_text(header, "FrameOfReferenceUID"),
        modality=_text(header, "Modality").upper(),
        description=plain(_text(header, "SeriesDescription")),
        localizer=bool(_LOCALIZER_WORDS.intersection(image_type)),
        position=_triple(position), along_row=_triple(orientation[:3]), along_column=_triple(orientation[3:]),
        row_mm=spacing[0] if spacing else None, column_mm=spacing[1] if spacing else None,
        number=_whole(header, "InstanceNumber"), stack=groups.text("FrameContentSequence", "StackID"),
        apart=(
            ("time point", groups.text("FrameContentSequence", "TemporalPositionIndex", "TemporalPositionIdentifier")),
            ("acquisition", groups.text("FrameContentSequence", "FrameAcquisitionNumber", "AcquisitionNumber")),
            ("echo time", groups.text("MREchoSequence", "EffectiveEchoTime", "EchoTime")),
            ("b-value", groups.text("MRDiffusionSequence", "DiffusionBValue")),
            ("kind of image", "/".join(image_type)),
            ("trigger time", _text(header, "TriggerTime")),
            ("time", _text(header, "AcquisitionTime")),
        ),
        patient_position=plain(_text(header, "PatientPosition")) or None,
        identity=Identity(_text(header, "PatientName"), _text(header, "PatientID"), _text(header, "PatientBirthDate")),
    )  # fmt: skip


class _Groups:
    """Values of one frame: from its functional groups where the file has them (PS3.3 C.7.6.16), else from the header itself."""

    def __init__(self, header: _Header, frame: int) -> None:
        shared, each = _value(header, "SharedFunctionalGroupsSequence"), _value(header, "PerFrameFunctionalGroupsSequence")
        own = each[frame] if each is not None and frame < len(each) else None
        self.places: list[Dataset] = [place for place in (own, shared[0] if shared else None) if place is not None]
        self.header = header

    def value(self, group: str, name: str, plain: str | None = None) -> Any:
        for place in self.places:
            items = place.get(group)
            if items and items[0].get(name) not in (None, ""):
                return items[0].get(name)
        return _value(self.header, plain or name) if (plain or name) in _TAG else None

    def numbers(self, group: str, name: str, count: int) -> tuple[float, ...]:
        """Exactly `count` finite numbers, or none at all."""
        try:
            values = tuple(float(value) for value in _many(self.value(group, name)))
        except (TypeError, ValueError):
            return ()
        return values if len(values) == count and all(abs(value) < 1e7 for value in values) else ()

    def text(self, group: str, name: str, plain: str | None = None) -> str:
        value = self.value(group, name, plain)
        return "" if value is None else str(value).strip()


def _value(header: _Header, name: str) -> Any:
    return header.value(_TAG[name])


def _many(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    if isinstance(value, str):  # the most usual
        return [value]
    return list(value) if isinstance(value, list | tuple | MultiValue) else [value]


def _triple(values: tuple[float, ...]) -> Triple | None:
    return (values[0], values[1], values[2]) if len(values) == 3 else None


def _text(header: _Header, name: str) -> str:
    try:
        value = _value(header, name)
    except Exception:  # a value that cannot be decoded is as good as none
        return ""
    return "" if value is None else "\\".join(str(one) for one in _many(value)).strip()


def _whole(header: _Header, name: str) -> int | None:
    try:
        values = _many(_value(header, name))
        return int(values[0]) if values else None
    except (TypeError, ValueError, OverflowError):
        return None


def _padding(header: _Header, stored: int) -> int | None:
    """PixelPaddingValue as the pixels hold it: files give it as unsigned where the pixels are signed."""
    value = _whole(header, "PixelPaddingValue")
    if value is None:
        return None
    signed = _whole(header, "PixelRepresentation") == 1
    if signed and value >= 1 << 15:
        return value - (1 << 16)
    return value if signed or value >= 0 else value + (1 << stored)
