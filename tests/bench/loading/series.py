"""Writes the CT that every way loads: 600 slices of 512 x 512, with the headers of a scanner, in any transfer syntax."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless

SLICES, SIDE, STEP_MM, PIXEL_MM, OFFSET = 600, 512, 0.5, 0.7, 1024
ROOT = "1.2.826.0.1.3680043.10.1.9"
PRIVATE = 100  # elements of a scanner's own in each header (feasibility.md 3)
RICH_BLOCKS, RICH_BYTES, RICH_ITEMS = 8, 64 << 10, 60  # what some archives add to each slice

Encoder = Callable[[NDArray[np.uint16]], bytes]


def _rle(stored: NDArray[np.uint16]) -> bytes:
    return get_encoder(RLELossless).encode(
        stored, index=None, rows=SIDE, columns=SIDE, number_of_frames=1, samples_per_pixel=1, bits_allocated=16, bits_stored=16,
        pixel_representation=0, photometric_interpretation="MONOCHROME2",
    )  # fmt: skip


COMPRESSED: dict[str, tuple[str, Encoder]] = {
    "RLE": (RLELossless, _rle),
    "JPEG lossless": ("1.2.840.10008.1.2.4.70", lambda stored: imagecodecs.ljpeg_encode(stored, bitspersample=16)),
    "JPEG-LS": ("1.2.840.10008.1.2.4.80", lambda stored: imagecodecs.jpegls_encode(stored)),
    "JPEG 2000": ("1.2.840.10008.1.2.4.90", lambda stored: imagecodecs.jpeg2k_encode(stored, codecformat="J2K", reversible=True, level=0)),
    "HTJ2K": ("1.2.840.10008.1.2.4.201", lambda stored: imagecodecs.htj2k_encode(stored, reversible=True)),
}
KINDS = ("plain", "header-rich", *COMPRESSED)


def truth(n: int) -> NDArray[np.int16]:
    """The HU of slice n, counted from the foot: a body with noise, and a bar that tells left, right, front and back apart."""
    j, i = np.mgrid[:SIDE, :SIDE]
    noise = np.random.default_rng(n).normal(0.0, 17.0, (SIDE, SIDE))
    body = np.hypot((i - 256) / 220, (j - 270) / 160) < 1
    values = np.where(body, 40.0, -1000.0) + np.where(body, noise, noise / 3)
    values[200:220, 300:420] = 700 + n / 4
    return np.clip(np.rint(values), -1024, 3071).astype(np.int16)


def write(folder: Path, kind: str) -> None:
    """The series of a kind. File names say nothing of the order of the slices."""
    folder.mkdir(parents=True)
    order = np.random.default_rng(7).permutation(SLICES)
    for n in range(SLICES):
        slice_of(n, kind).save_as(folder / f"IM{order[n]:05d}", enforce_file_format=True)


def slice_of(n: int, kind: str) -> FileDataset:
    """Slice n of a kind, counted from the foot."""
    stored = (truth(n).astype(np.int32) + OFFSET).astype(np.uint16)
    syntax, encode = COMPRESSED.get(kind, (ExplicitVRLittleEndian, None))
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = syntax, CTImageStorage, f"{ROOT}.2.{n}"
    ds = FileDataset(None, Dataset(), file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality, ds.ImageType = CTImageStorage, f"{ROOT}.2.{n}", "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = f"{ROOT}.0", f"{ROOT}.1", f"{ROOT}.3"
    ds.PatientName, ds.PatientID, ds.SeriesDescription, ds.InstanceNumber = "Invented^Patient", "INV-4711", "SPINE", n + 1
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20260101"
    ds.StudyTime, ds.SeriesTime, ds.AcquisitionTime, ds.ContentTime = "101010", "101110", "101112.5", "101113.5"
    ds.Manufacturer, ds.InstitutionName, ds.StationName, ds.ManufacturerModelName = "Bench", "Bench", "CT1", "Bench 64"
    ds.KVP, ds.ExposureTime, ds.XRayTubeCurrent, ds.Exposure, ds.ConvolutionKernel = 120, 500, 200 + n % 50, 100, "B30f"
    ds.SliceThickness, ds.SpacingBetweenSlices, ds.PatientPosition, ds.AcquisitionNumber = 0.6, STEP_MM, "HFS", 1
    ds.ImagePositionPatient = [-PIXEL_MM * 255.5, -PIXEL_MM * 255.5, round(n * STEP_MM - 150, 3)]
    ds.ImageOrientationPatient, ds.PixelSpacing, ds.SliceLocation = [1, 0, 0, 0, 1, 0], [PIXEL_MM, PIXEL_MM], round(n * STEP_MM - 150, 3)
    ds.RescaleIntercept, ds.RescaleSlope, ds.WindowCenter, ds.WindowWidth = -OFFSET, 1, 40, 400
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = SIDE, SIDE, 1, "MONOCHROME2"
    # 16 bits, as all syntaxes and all readers agree on them
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    block = ds.private_block(0x0019, "BENCH", create=True)
    for element in range(PRIVATE):
        block.add_new(element, ("DS", "LO", "IS", "FD")[element % 4], ("1.25", "of the scanner", "42", 2.5)[element % 4])
    if kind == "header-rich":
        _enrich(ds, n)
    data = stored.tobytes() if encode is None else encapsulate([encode(stored)])
    ds.add(DataElement(0x7FE00010, "OW" if encode is None else "OB", data))
    ds["PixelData"].is_undefined_length = encode is not None
    return ds


def _enrich(ds: Dataset, n: int) -> None:
    """What makes some series slow to read: large private blocks, and a private sequence of many items."""
    block = ds.private_block(0x0029, "BENCH RICH", create=True)
    for element in range(RICH_BLOCKS):
        block.add_new(element, "OB", bytes([n % 251]) * RICH_BYTES)
    items = []
    for number in range(RICH_ITEMS):
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = str(number), "99BENCH", "of the archive"
        items.append(item)
    block.add_new(0x20, "SQ", items)
