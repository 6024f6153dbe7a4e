"""Small series of a patient with a name that nothing else is called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

NAME, ID, BORN, ACCESSION = "Zzyzxquill^Ophelia", "ZQ-4711", "19531123", "ACC0815"
SECRETS = ("Zzyzxquill", "Ophelia", ID, BORN, ACCESSION)


@dataclass(frozen=True)
class OneSeries:
    study: str
    uid: str
    files: tuple[Path, ...]


def write_series(
    folder: Path,
    slices: int,
    modality: str = "CT",
    side: int = 64,
    study: str = "",
    description: str = "thin bone",
    name: str = NAME,
    patient_id: str = ID,
    day: str = "20240503",
) -> OneSeries:
    """Noise in slices 1 mm apart; every one says whose it is."""
    folder.mkdir(parents=True, exist_ok=True)
    study, series, frame = study or generate_uid(), generate_uid(), generate_uid()
    rng = np.random.default_rng(slices)
    files = []
    for n in range(slices):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, series, frame
        one.SpecificCharacterSet = "ISO_IR 192"
        one.PatientName, one.PatientID, one.PatientBirthDate = name, patient_id, BORN
        one.AccessionNumber = ACCESSION if patient_id == ID else ""
        one.StudyDate, one.StudyTime, one.StudyDescription, one.StudyID = day, "101500", "Myelogram", "1"
        one.Modality, one.SeriesNumber, one.SeriesDescription, one.InstanceNumber = modality, 3, description, n + 1
        one.ImagePositionPatient, one.ImageOrientationPatient = [0, 0, float(n)], [1, 0, 0, 0, 1, 0]
        one.PixelSpacing, one.SliceThickness, one.PatientPosition, one.ImageType = [1.0, 1.0], 1.0, "HFS", ["ORIGINAL", "PRIMARY", "AXIAL"]
        one.Rows = one.Columns = side
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation, one.SamplesPerPixel = 16, 12, 11, 0, 1
        one.PhotometricInterpretation, one.RescaleIntercept, one.RescaleSlope = "MONOCHROME2", -1024, 1
        one.PixelData = rng.integers(0, 4096, (side, side), dtype=np.uint16).tobytes()
        path = folder / f"{modality}{n:04d}.dcm"
        one.save_as(path, enforce_file_format=True)
        files.append(path)
    return OneSeries(study, series, tuple(files))
