"""Writes small DICOM series whose voxels are a function of the world, so that every position is known to be right or wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, MRImageStorage

ROOT = "1.2.826.0.1.3680043.10.1.8"
NAME, NUMBER, BIRTH_DATE = "Invented^Patient", "INV-4711", "19510203"


def hu(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Air, a body, a dense bar to the patient's left and a fat bar to the front: left, right, front and back differ."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    values = np.where((np.abs(x) < 30) & (np.abs(y) < 40), 30 + z, -1000)
    values = np.where((x > 8) & (x < 20) & (np.abs(y) < 20), 700 + z, values)
    return np.where((y < -15) & (np.abs(x) < 6), -100 + z, values).round()


@dataclass(frozen=True)
class Stack:
    """What to write. step: from one slice to the next. places: multiples of the step at which slices lie."""

    row: tuple[float, float, float] = (1, 0, 0)
    column: tuple[float, float, float] = (0, 1, 0)
    step: tuple[float, float, float] = (0, 0, 2.0)
    centre: tuple[float, float, float] = (0, 0, 0)
    places: tuple[float, ...] = tuple(range(12))
    rows: int = 48
    columns: int = 40
    row_mm: float = 2.0
    column_mm: float = 2.5
    modality: str = "CT"
    series: str = f"{ROOT}.1"
    first_number: int = 1
    intercepts: tuple[float, ...] = (-1024.0,)
    signed: bool = True
    bits: int = 16
    extra: tuple[tuple[str, object], ...] = ()

    def positions(self):
        """Position of the first voxel of every slice, (n, 3)."""
        step, row, column = (np.array(v, dtype=float) for v in (self.step, self.row, self.column))
        middle = np.mean([min(self.places), max(self.places)])
        corner = np.array(self.centre) - row * self.column_mm * (self.columns - 1) / 2 - column * self.row_mm * (self.rows - 1) / 2
        return np.array([corner + step * (place - middle) for place in self.places])

    def points(self, position):
        """World positions of a slice's voxels, (rows, columns, 3)."""
        j, i = np.meshgrid(np.arange(self.rows), np.arange(self.columns), indexing="ij")
        return (
            position + j[..., None] * self.row_mm * np.array(self.column, float) + i[..., None] * self.column_mm * np.array(self.row, float)
        )


def dataset(stack: Stack, n: int, function=hu) -> FileDataset:
    """The n-th slice of a stack."""
    position = stack.positions()[n]
    intercept = stack.intercepts[n % len(stack.intercepts)]
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage if stack.modality == "CT" else MRImageStorage
    meta.MediaStorageSOPInstanceUID = f"{stack.series}.{stack.first_number + n}"
    ds = FileDataset(None, Dataset(), file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = NAME, NUMBER, BIRTH_DATE
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = f"{ROOT}.0", stack.series, f"{ROOT}.9"
    ds.Modality, ds.SeriesDescription, ds.InstanceNumber = stack.modality, "SPINE", stack.first_number + n
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.ImagePositionPatient = [round(float(x), 6) for x in position]
    ds.ImageOrientationPatient = [round(float(x), 8) for x in (*stack.row, *stack.column)]
    ds.PixelSpacing = [stack.row_mm, stack.column_mm]
    # tags that lie, as they do in the wild
    ds.SliceThickness, ds.SpacingBetweenSlices, ds.SliceLocation, ds.PatientPosition = 5, 9.9, 1000 - n, "FFP"
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = stack.rows, stack.columns, 1, "MONOCHROME2"
    ds.BitsAllocated = 8 if stack.bits <= 8 else 16
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = stack.bits, stack.bits - 1, int(stack.signed)
    if stack.modality == "CT":
        ds.RescaleSlope, ds.RescaleIntercept = 1, intercept
    stored = function(stack.points(position)) - (intercept if stack.modality == "CT" else -1024)
    ds.PixelData = stored.astype(f"{'<i' if stack.signed else '<u'}{ds.BitsAllocated // 8}").tobytes()
    for name, value in stack.extra:
        setattr(ds, name, value)
    return ds


def write(folder: Path, stack: Stack, names: str = "slice{:03d}.dcm", function=hu) -> Path:
    """All slices of a stack into a folder; file names run against the order of the slices."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(len(stack.places)):
        dataset(stack, n, function).save_as(folder / names.format(900 - n), enforce_file_format=True)
    return folder


def write_enhanced(path: Path, stack: Stack) -> Path:
    """All slices of a CT in one multi-frame file, each frame with its own position and rescale."""
    slices = [dataset(stack, n) for n in range(len(stack.places))]
    whole = slices[0]
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    whole.NumberOfFrames, whole.PixelData = len(slices), b"".join(one.PixelData for one in slices)
    frames = []
    for one in slices:
        frame, rescale, measures = Dataset(), Dataset(), Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = one.RescaleSlope, one.RescaleIntercept, "HU"
        measures.PixelSpacing, measures.SliceThickness = one.PixelSpacing, one.SliceThickness
        position, orientation = Dataset(), Dataset()
        position.ImagePositionPatient, orientation.ImageOrientationPatient = one.ImagePositionPatient, one.ImageOrientationPatient
        frame.PixelValueTransformationSequence, frame.PixelMeasuresSequence = Sequence([rescale]), Sequence([measures])
        frame.PlanePositionSequence, frame.PlaneOrientationSequence = Sequence([position]), Sequence([orientation])
        frames.append(frame)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"):
        delattr(whole, name)
    whole.SharedFunctionalGroupsSequence, whole.PerFrameFunctionalGroupsSequence = Sequence([Dataset()]), Sequence(frames)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.save_as(path, enforce_file_format=True)
    return path


def edit(path: Path, **values: object) -> None:
    """Change tags of a written slice; None deletes one."""
    ds = pydicom.dcmread(path)
    for name, value in values.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    ds.save_as(path)


def other(stack: Stack, **values: Any) -> Stack:
    """The same stack but for these."""
    return replace(stack, **values)
