"""Folders with one mask for each structure taken in as a label map: told by the names of the files, whichever task wrote them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from planner.anatomy import Anatomy, find, find_with_labels
from planner.anatomy import labels as codes
from planner.anatomy.imports.given import read_given
from planner.anatomy.imports.said import program_of
from planner.geometry import write_nifti
from planner.phantom import Phantom
from planner.refusal import Refusal
from tests.data import real
from tests.planner.anatomy.phantoms import phantom, true_mask
from tests.planner.anatomy.scans import nifti_volume

NAMES = {
    "vertebrae_T11": "vertebra T11", "vertebrae_T12": "vertebra T12", "vertebrae_L1": "vertebra L1", "vertebrae_L2": "vertebra L2",
    "vertebrae_L3": "vertebra L3", "vertebrae_L4": "vertebra L4", "vertebrae_L5": "vertebra L5", "spinal_cord": "spinal cord",
    "aorta": "aorta", "inferior_vena_cava": "vena cava", "kidney_left": "kidney", "kidney_right": "kidney",
}  # fmt: skip


@cache
def patient() -> Phantom:
    return phantom()


@cache
def found() -> Anatomy:
    return find(patient().volume)


@pytest.fixture(autouse=True)
def found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.anatomy.imports.take_in.find", lambda volume, anchor, progress: found())


def mask_of(name: str) -> NDArray[np.uint8]:
    one = patient()
    mask = true_mask(one, NAMES[name]) if NAMES.get(name) in one.label_names.values() else np.zeros(one.labels.shape, dtype=np.bool_)
    half = one.labels.shape[2] // 2  # columns run to the left
    if name.endswith("left"):
        mask[:, :, :half] = False
    if name.endswith("right"):
        mask[:, :, half:] = False
    return mask.astype(np.uint8)


def written(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for name in names:
        write_nifti(folder / f"{name}.nii.gz", mask_of(name), patient().volume.frame)
    return folder


def test_vertebrae_cord_and_organs_of_a_folder_are_taken_in(tmp_path: Path) -> None:
    names = [*NAMES, "vertebrae_S1", "thyroid_gland", "liver"]
    anatomy = find_with_labels(patient().volume, written(tmp_path / "segmentations", names))
    assert anatomy.structure("levels").provenance == anatomy.structure("cord").provenance == "imported"
    told = anatomy.structure("label map").problem or ""
    assert told.startswith("From TotalSegmentator 2.") and "Not taken in: liver, thyroid_gland." in told
    for name in ("L2", "L3", "L4"):
        bone = true_mask(patient(), f"vertebra {name}")
        assert (bone & ~anatomy.mask((codes.vertebra(name),))).sum() < 0.01 * bone.sum()
    z = {level.name: level.centre_mm[2] for level in anatomy.levels}
    for level in patient().truth.levels:
        if level.name in ("L1", "L2", "L3", "L4"):
            assert abs(z[level.name] - level.centre[2]) < 3.0


def test_a_folder_gives_what_the_map_with_all_in_one_gives(tmp_path: Path) -> None:
    from tests.planner.anatomy.test_schemes import coded

    numbers = coded("totalsegmentator-v2", patient())
    names = [*NAMES, "vertebrae_S1"]
    kept = {
        31: "vertebrae_L1",
        30: "vertebrae_L2",
        29: "vertebrae_L3",
        28: "vertebrae_L4",
        27: "vertebrae_L5",
        32: "vertebrae_T12",
        33: "vertebrae_T11",
    }
    numbers[~np.isin(numbers, [*kept, 79, 52, 63, 2, 3])] = 0
    write_nifti(tmp_path / "map.nii.gz", numbers, patient().volume.frame)
    one = find_with_labels(patient().volume, tmp_path / "map.nii.gz")
    many = find_with_labels(patient().volume, written(tmp_path / "segmentations", names))
    assert np.array_equal(one.labels, many.labels)
    assert [level.name for level in one.levels] == [level.name for level in many.levels]


def test_vertebrae_that_are_missing_or_empty_keep_their_found_names(tmp_path: Path) -> None:
    """L2 has no file, the mask of L4 is empty: what the scan shows fills the row, under the names of the map."""
    folder = written(tmp_path / "s", ["vertebrae_L1", "vertebrae_L3", "vertebrae_L5"])
    write_nifti(folder / "vertebrae_L4.nii.gz", np.zeros(patient().labels.shape, dtype=np.uint8), patient().volume.frame)
    anatomy = find_with_labels(patient().volume, folder)
    assert {"L1", "L2", "L3", "L4", "L5"} <= {level.name for level in anatomy.levels}
    assert [level.name for level in anatomy.levels] == sorted((level.name for level in anatomy.levels), key=codes.rank)


def test_where_masks_overlap_the_canal_wins_over_bone(tmp_path: Path) -> None:
    folder = written(tmp_path / "s", ["vertebrae_L1", "vertebrae_L2", "vertebrae_L3", "vertebrae_L4"])
    frame, cord = patient().volume.frame, true_mask(patient(), "spinal cord")
    write_nifti(folder / "spinal_cord.nii.gz", cord.astype(np.uint8), frame)
    write_nifti(folder / "vertebrae_L1.nii.gz", (true_mask(patient(), "vertebra L1") | cord).astype(np.uint8), frame)
    given = read_given(folder, patient().volume)
    assert np.array_equal(given.codes == codes.SPINAL_CORD, cord)


def test_a_damaged_file_among_good_ones_is_refused_by_its_name(tmp_path: Path) -> None:
    folder = written(tmp_path / "s", ["vertebrae_L3", "vertebrae_L4"])
    content = (folder / "vertebrae_L4.nii.gz").read_bytes()
    (folder / "vertebrae_L4.nii.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(Refusal, match=r"vertebrae_L4\.nii\.gz is no mask of one structure"):
        find_with_labels(patient().volume, folder)


def test_names_that_are_not_in_order_from_head_to_foot_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "s", ["vertebrae_L2", "vertebrae_L3", "vertebrae_L4"])
    (folder / "vertebrae_L2.nii.gz").rename(folder / "was_L2")
    (folder / "vertebrae_L4.nii.gz").rename(folder / "vertebrae_L2.nii.gz")
    (folder / "was_L2").rename(folder / "vertebrae_L4.nii.gz")
    with pytest.raises(Refusal, match="not in order from head to foot"):
        find_with_labels(patient().volume, folder)


@pytest.mark.parametrize(
    ("names", "program"),
    [
        (["vertebrae_L3", "heart_myocardium", "sacrum"], "TotalSegmentator 1"),
        (["vertebrae_L3", "vertebrae_S1", "sacrum"], "TotalSegmentator 2"),
        (["vertebrae", "intervertebral_discs", "spinal_cord"], "TotalSegmentator total_mr"),
        (["vertebrae_L3", "vertebrae_L4"], "TotalSegmentator"),
        (["L3", "L4"], None),
        (["heart", "aorta"], None),
    ],
)
def test_the_names_of_files_tell_the_program(names: list[str], program: str | None) -> None:
    assert program_of(names) == program


@pytest.mark.real
def test_a_real_map_split_into_a_folder_is_the_same_map(tmp_path: Path) -> None:
    """All names of TotalSegmentator 2, of which most are empty here, against the same map in one file."""
    from planner.scan.label_files import read_label_file

    scan = real("lumbar-ct-labelled-3mm")
    volume, file = nifti_volume(scan / "ct.nii.gz"), read_label_file(scan / "all-structures.nii.gz")
    assert len(file.names) == 117
    (tmp_path / "segmentations").mkdir()
    for number, said in file.names.items():
        write_nifti(tmp_path / "segmentations" / f"{said[0]}.nii.gz", (file.layers[0] == number).astype(np.uint8), file.frame)
    many, one = read_given(tmp_path, volume), read_given(scan / "all-structures.nii.gz", volume)
    assert np.array_equal(one.codes, many.codes)
    assert one.program == many.program == "TotalSegmentator 2"
