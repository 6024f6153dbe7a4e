"""The sheet as a DICOM object (encapsulated PDF, PS3.3 A.45), filed under the patient and study of the scan: what a PACS can take."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian, generate_uid

from app.report.pdf import pdf_bytes
from app.report.sheet import Sheet
from planner.refusal import Refusal
from planner.scan.files import open_place
from planner.scan.series import Series
from planner.whole_files import write_whole

_OF_THE_SCAN = (
    "SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
    "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName", "StudyDescription",
)  # fmt: skip
_MAY_BE_EMPTY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
    "ReferringPhysicianName", "AcquisitionDateTime", "ConceptNameCodeSequence",
)  # fmt: skip


def write_dicom(sheet: Sheet, series: Series | None, path: Path) -> None:
    """Write the sheet as a DICOM file, under the scan's patient and study, in a series of its own.

    Raises Refusal where the scan is no DICOM or its files have gone, OSError when the file cannot be written.
    """
    scan = _header(series)
    now = datetime.now()
    made = Dataset()
    for name in _OF_THE_SCAN:
        if name in scan:
            made[name] = scan[name]
    for name in _MAY_BE_EMPTY:
        if name not in made:
            setattr(made, name, None)
    pdf = pdf_bytes(sheet)
    made.SOPClassUID, made.SOPInstanceUID, made.SeriesInstanceUID = EncapsulatedPDFStorage, generate_uid(), generate_uid()
    made.Modality, made.Manufacturer, made.ConversionType = "DOC", "Duraplan", "WSD"
    made.SeriesNumber, made.InstanceNumber = 9900, 1
    made.SeriesDescription = made.DocumentTitle = "Plan of an epidural blood patch"
    made.ContentDate, made.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    made.BurnedInAnnotation = "YES"
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(pdf)
    made.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = made.SOPClassUID, made.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = io.BytesIO()
    FileDataset(out, made, preamble=b"\0" * 128, file_meta=meta).save_as(out, enforce_file_format=True)
    write_whole(path, out.getvalue())


def _header(series: Series | None) -> Dataset:
    """The header of the scan's first slice."""
    no_study = Refusal("The scan belongs to no study of a PACS, so the sheet cannot be filed there.", "Save it as PDF instead.")
    if series is None or not series.pictures:
        raise no_study
    try:
        with open_place(series.pictures[0].place) as file:
            header = dcmread(file, force=True, stop_before_pixels=True, specific_tags=list(_OF_THE_SCAN))
    except (OSError, InvalidDicomError) as error:
        raise Refusal("The files of the scan cannot be read any more.", "Connect the disc that they are on.") from error
    if not header.get("StudyInstanceUID"):
        raise no_study
    return header
