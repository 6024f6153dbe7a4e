"""The sheet as a DICOM object: whose it is, where it is filed, and that the PDF in it is whole."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.uid import EncapsulatedPDFStorage

from app.report import Sheet, make_sheet, write_dicom
from planner.refusal import Refusal
from planner.scan import read
from tests.planner.case import hand_made
from tests.planner.scan.writer import BIRTH_DATE, NAME, NUMBER, Stack, edit, write


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    return make_sheet(hand_made.plan(), hand_made.volume(), hand_made.series(), surfaces={})


def test_it_is_filed_under_the_patient_and_the_study_of_the_scan(sheet: Sheet, tmp_path: Path) -> None:
    (series,) = read(write(tmp_path / "scan", Stack())).series
    write_dicom(sheet, series, tmp_path / "sheet.dcm")
    made, scan = pydicom.dcmread(tmp_path / "sheet.dcm"), pydicom.dcmread(next((tmp_path / "scan").iterdir()))
    assert (made.PatientName, made.PatientID, made.PatientBirthDate) == (NAME, NUMBER, BIRTH_DATE)
    assert made.StudyInstanceUID == scan.StudyInstanceUID and made.SeriesInstanceUID != scan.SeriesInstanceUID
    assert made.SOPClassUID == made.file_meta.MediaStorageSOPClassUID == EncapsulatedPDFStorage
    pdf = made.EncapsulatedDocument[: made.EncapsulatedDocumentLength]
    assert pdf.startswith(b"%PDF") and pdf.rstrip().endswith(b"%%EOF")


def test_a_name_beyond_ascii_stays(sheet: Sheet, tmp_path: Path) -> None:
    folder = write(tmp_path / "scan", Stack())
    for path in folder.iterdir():
        edit(path, SpecificCharacterSet="ISO_IR 192", PatientName="Ωmega^Zoë")
    write_dicom(sheet, read(folder).series[0], tmp_path / "sheet.dcm")
    assert str(pydicom.dcmread(tmp_path / "sheet.dcm").PatientName) == "Ωmega^Zoë"


def test_without_a_study_it_is_refused(sheet: Sheet, tmp_path: Path) -> None:
    folder = write(tmp_path / "scan", Stack())
    for path in folder.iterdir():
        edit(path, StudyInstanceUID="")
    with pytest.raises(Refusal, match="belongs to no study"):
        write_dicom(sheet, read(folder).series[0], tmp_path / "sheet.dcm")
    with pytest.raises(Refusal, match="belongs to no study"):
        write_dicom(sheet, None, tmp_path / "sheet.dcm")
    assert not (tmp_path / "sheet.dcm").exists()


def test_where_the_scan_has_gone_it_is_refused(sheet: Sheet, tmp_path: Path) -> None:
    folder = write(tmp_path / "scan", Stack())
    (series,) = read(folder).series
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(Refusal, match="cannot be read any more"):
        write_dicom(sheet, series, tmp_path / "sheet.dcm")
