"""DICOM SEG in several files: one object cut into parts, and one object for each structure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.pixels.utils import pack_bits
from pydicom.uid import generate_uid

from planner.refusal import Refusal
from planner.scan.dicom_seg import segmentations
from planner.scan.label_files import LabelFile, read_label_file
from planner.scan.label_folder import read_label_folder, stamp_of_folder
from tests.planner.scan.test_label_files import NAMES, at_places, dicom_seg, expected, labels

SCAN, OTHER_SCAN = generate_uid(), generate_uid()


def anything(_: str) -> bool:
    return True


def stored(path: Path, numbers: Sequence[int], scan: str = SCAN) -> Path:
    """A segmentation of these structures, in the frame of reference of a scan."""
    dicom_seg(path, {number: labels() == number for number in numbers})
    data: Any = pydicom.dcmread(path)
    data.FrameOfReferenceUID = scan
    data.save_as(path)
    return path


def cut(path: Path, count: int, folder: Path) -> list[Path]:
    """A segmentation cut into so many files, as a concatenation is."""
    whole: Any = pydicom.dcmread(path)
    pixels, groups, uid = whole.pixel_array, list(whole.PerFrameFunctionalGroupsSequence), generate_uid()
    made = []
    for part, frames in enumerate(np.array_split(np.arange(len(groups)), count), start=1):
        data: Any = pydicom.dcmread(path)
        data.PerFrameFunctionalGroupsSequence = [groups[n] for n in frames]
        data.NumberOfFrames, data.PixelData = len(frames), pack_bits(pixels[frames].ravel(), pad=True)
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        data.ConcatenationUID, data.InConcatenationNumber, data.InConcatenationTotalNumber = uid, part, count
        made.append(folder / f"part-{part}.dcm")
        data.save_as(made[-1])
    return made


def said(file: LabelFile) -> dict[tuple[float, float, float], set[str]]:
    """The names at every place, whatever the numbers."""
    return {place: {file.names[number][0] for number in numbers} for place, numbers in at_places(file).items()}


def wanted() -> dict[tuple[float, float, float], set[str]]:
    return {place: {NAMES[number] for number in numbers} for place, numbers in expected().items()}


def test_a_segmentation_cut_into_files_is_read_whole_from_any_of_them(tmp_path: Path) -> None:
    parts = cut(stored(tmp_path / "whole.tmp", list(NAMES)), 3, tmp_path)
    (tmp_path / "whole.tmp").unlink()
    for part in parts:
        assert said(read_label_file(part)) == wanted()
    assert said(read_label_folder(tmp_path, anything)) == wanted()


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    parts = cut(stored(tmp_path / "whole.tmp", list(NAMES)), 3, tmp_path)
    (tmp_path / "whole.tmp").unlink()
    parts[1].unlink()
    with pytest.raises(Refusal, match=r"Part 2 of 3 of the segmentation part-1\.dcm is missing\."):
        read_label_file(parts[0])
    parts[2].unlink()
    with pytest.raises(Refusal, match=r"Parts 2, 3 of 3 .* are missing"):
        read_label_folder(tmp_path, anything)


def test_a_part_that_is_there_twice_is_not_guessed(tmp_path: Path) -> None:
    parts = cut(stored(tmp_path / "whole.tmp", list(NAMES)), 2, tmp_path)
    (tmp_path / "again.dcm").write_bytes(parts[0].read_bytes())
    with pytest.raises(Refusal, match="is there twice"):
        read_label_file(parts[1])


def test_one_file_for_each_structure_is_one_map(tmp_path: Path) -> None:
    for number in NAMES:
        stored(tmp_path / f"{number}.dcm", [number])
    (tmp_path / "notes.txt").write_text("No image.")
    file = read_label_folder(tmp_path, anything)
    assert said(file) == wanted()
    assert file.program == "Some program"
    assert stamp_of_folder(tmp_path) is not None


def test_segments_that_nobody_plans_by_are_named_and_left_out(tmp_path: Path) -> None:
    for number in NAMES:
        stored(tmp_path / f"{number}.dcm", [number])
    file = read_label_folder(tmp_path, lambda name: name.startswith("vertebra"))
    assert {names[0] for names in file.names.values()} == {"vertebra L3", "vertebra L4"}
    assert file.unread == ("spinal cord",)


def test_segmentations_of_two_scans_are_refused(tmp_path: Path) -> None:
    stored(tmp_path / "one.dcm", [3])
    stored(tmp_path / "two.dcm", [4], OTHER_SCAN)
    with pytest.raises(Refusal, match="are of 2 scans") as refused:
        read_label_folder(tmp_path, anything)
    assert refused.value.way_out == "Give a folder with those of one scan."


def test_two_versions_of_a_segment_are_not_mixed(tmp_path: Path) -> None:
    stored(tmp_path / "first.dcm", [3, 4])
    stored(tmp_path / "second.dcm", [4, 9])
    with pytest.raises(Refusal, match="hold a segment called vertebra L4"):
        read_label_folder(tmp_path, anything)


def test_other_dicom_files_are_no_segmentations(tmp_path: Path) -> None:
    image: Any = pydicom.dcmread(stored(tmp_path / "seg.dcm", [3]))
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    image.save_as(tmp_path / "image.dcm")
    assert [head.path.name for head in segmentations(tmp_path.iterdir())] == ["seg.dcm"]
    assert {names[0] for names in read_label_folder(tmp_path, anything).names.values()} == {"vertebra L3"}
    (tmp_path / "seg.dcm").unlink()
    with pytest.raises(Refusal, match="holds no masks"):
        read_label_folder(tmp_path, anything)
