"""Writes a phantom as standard DICOM with its truth beside it (CONTRACT.md, `example DIR`)."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from planner.geometry import write_nifti
from planner.phantom.build import Phantom
from planner.progress import Progress, silent
from planner.refusal import Refusal

_CT_IMAGE, _MR_IMAGE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_IMPLEMENTATION = "2.25.201407318219468301274659931"
_DATE, _TIME = "20260101", "120000"
_RESCALE = -1024
_DESCRIPTIONS = {"ct": "Phantom spine CT 120 kV", "myelogram": "Phantom CT myelogram 120 kV", "mr": "Phantom spine T2 TSE",
                 "mr-t1": "Phantom spine T1 SE"}


def write_example(phantom: Phantom, directory: Path, progress: Progress = silent) -> None:
    """Write `dicom/`, `truth.nii.gz` and `truth.json` into a directory, whole or not at all; the same phantom gives the same bytes.

    Raises Refusal when the directory already holds an example, is a file, or cannot be written.
    """
    directory = Path(directory)
    names = ("dicom", "truth.nii.gz", "truth.json")
    if directory.exists() and not directory.is_dir():
        raise Refusal(f"{directory.name} is a file.", "Name a folder for the example.")
    taken = [name for name in names if (directory / name).exists()]
    if taken:
        raise Refusal(f"The folder {directory.name} already holds {taken[0]}.", "Name an empty folder.")
    made = not directory.exists()
    part: Path | None = None
    try:
        directory.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".duraplan-", dir=directory))
        (part / "dicom").mkdir()
        _write_slices(phantom, part / "dicom", progress)
        write_nifti(part / "truth.nii.gz", phantom.labels, phantom.volume.frame)
        (part / "truth.json").write_text(json.dumps(truth_json(phantom), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        for name in names:
            (part / name).rename(directory / name)
        part.rmdir()
    except OSError as error:
        _remove(directory, part, names, made)
        raise Refusal(f"The example could not be written to {directory.name}: {error.strerror or 'write error'}.",
                      "Free space or choose a folder that you may write to.") from error
    except BaseException:
        _remove(directory, part, names, made)
        raise
    progress(1.0, "Example written")


def _remove(directory: Path, part: Path | None, names: tuple[str, ...], made: bool) -> None:
    """Take back what was written; `names` were all absent before. Without a part nothing was."""
    if part is not None:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(directory / names[0], ignore_errors=True)
        for name in names[1:]:
            (directory / name).unlink(missing_ok=True)
    if made and directory.exists() and not any(directory.iterdir()):
        directory.rmdir()


def truth_json(phantom: Phantom) -> dict[str, object]:
    """What truth.json holds."""
    return {
        "format": "duraplan/truth",
        "version": 1,
        "labels": {str(number): name for number, name in phantom.label_names.items()},
        "parameters": phantom.parameters.as_json(),
        **phantom.truth.as_json(),
    }


def _uid(phantom: Phantom, what: str) -> str:
    """A DICOM UID that depends on the parameters alone."""
    key = json.dumps(phantom.parameters.as_json(), sort_keys=True) + what
    return "2.25." + str(int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big"))


def _write_slices(phantom: Phantom, folder: Path, progress: Progress) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    volume, parameters = phantom.volume, phantom.parameters
    magnetic = volume.modality == "MR"
    spacing = volume.frame.spacing_mm
    study, series, place = (UID(_uid(phantom, what)) for what in ("study", "series", "frame of reference"))
    klass = UID(_MR_IMAGE if magnetic else _CT_IMAGE)
    slices = volume.voxels.shape[0]
    for k in range(slices):
        if k % 8 == 0:
            progress(0.9 * k / slices, "Writing slices")
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.MediaStorageSOPClassUID = klass
        image.file_meta.MediaStorageSOPInstanceUID = UID(_uid(phantom, f"slice {k}"))
        image.file_meta.TransferSyntaxUID = UID(_EXPLICIT_LITTLE)
        image.file_meta.ImplementationClassUID = UID(_IMPLEMENTATION)
        image.SpecificCharacterSet = "ISO_IR 192"
        image.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"] if magnetic else ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.SOPClassUID = klass
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID
        image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = _DATE
        image.StudyTime = image.SeriesTime = image.AcquisitionTime = image.ContentTime = _TIME
        image.AccessionNumber = image.ReferringPhysicianName = ""
        image.Modality = volume.modality
        image.Manufacturer, image.ManufacturerModelName = "Duraplan", "Phantom"
        image.StudyDescription, image.SeriesDescription = "Phantom patient", _DESCRIPTIONS[parameters.modality]
        image.PatientName, image.PatientID = "Phantom^Duraplan", "PHANTOM"
        image.PatientBirthDate, image.PatientSex = "", "O"
        image.BodyPartExamined = "LSPINE"
        image.PatientPosition = {"prone": "HFP", "supine": "HFS"}[parameters.position]
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, series, place
        image.StudyID, image.SeriesNumber, image.AcquisitionNumber, image.InstanceNumber = "1", 2, 1, k + 1
        image.PositionReferenceIndicator = ""
        corner = volume.frame.to_world((k, 0, 0))
        image.ImagePositionPatient = [_decimal(c) for c in corner]
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.SliceLocation = _decimal(corner[2])
        image.SliceThickness, image.SpacingBetweenSlices = _decimal(spacing[0]), _decimal(spacing[0])
        image.PixelSpacing = [_decimal(spacing[1]), _decimal(spacing[2])]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.Rows, image.Columns = volume.voxels.shape[1:]
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
        if magnetic:
            image.ScanningSequence, image.SequenceVariant, image.ScanOptions, image.MRAcquisitionType = "SE", "SK", "", "2D"
            repetition, echo, train = (600, 12, 1) if parameters.modality == "mr-t1" else (3500, 110, 17)
            image.RepetitionTime, image.EchoTime, image.EchoTrainLength, image.MagneticFieldStrength = repetition, echo, train, 1.5
            image.WindowCenter, image.WindowWidth = 550, 1100
            stored = volume.voxels[k]
        else:
            image.KVP, image.ConvolutionKernel = 120, "B40"
            image.RescaleIntercept, image.RescaleSlope, image.RescaleType = _RESCALE, 1, "HU"
            image.WindowCenter, image.WindowWidth = (300, 1200) if parameters.modality == "myelogram" else (60, 450)
            stored = volume.voxels[k] - np.int16(_RESCALE)
        image.PixelData = np.ascontiguousarray(stored.astype("<u2")).tobytes()
        image.save_as(folder / f"slice-{k + 1:04d}.dcm", enforce_file_format=True)


def _decimal(value: float) -> str:
    """A number as DICOM's decimal string, at most 16 characters."""
    return f"{float(value):.6f}".rstrip("0").rstrip(".")
