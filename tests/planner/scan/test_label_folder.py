"""Folders with one mask for each structure: read as one label map, whatever their grids; what is damaged or is no mask is refused."""

from __future__ import annotations

import gzip
import resource
import time
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from planner.geometry import Frame, write_nifti
from planner.refusal import Refusal
from planner.scan.label_folder import read_label_folder

FRAME = Frame.axial((30, 24, 20), (2.0, 1.5, 1.5), (-10.0, 5.0, 100.0))


def block(*where: tuple[int, int]) -> NDArray[np.uint8]:
    out = np.zeros(FRAME.shape, dtype=np.uint8)
    out[tuple(slice(*side) for side in where)] = 1
    return out


L3, L4, CORD = block((16, 22), (2, 10), (4, 14)), block((4, 10), (2, 10), (4, 14)), block((0, 30), (12, 15), (8, 11))


def spinal(said: str) -> bool:
    return said.startswith(("vertebrae_", "spinal")) or said in ("L3", "L4")


def put(folder: Path, masks: dict[str, NDArray[Any]], frame: Frame = FRAME) -> Path:
    folder.mkdir(exist_ok=True)
    for name, mask in masks.items():
        write_nifti(folder / f"{name}.nii.gz", mask, frame)
    return folder


def held(folder: Path) -> dict[str, NDArray[np.bool_]]:
    """Each structure's voxels, by the first name of its file."""
    file = read_label_folder(folder, spinal)
    return {said[0]: np.maximum.reduce([layer == number for layer in file.layers]) for number, said in file.names.items()}


def test_one_mask_for_each_structure_is_one_map(tmp_path: Path) -> None:
    folder = put(tmp_path / "segmentations", {"vertebrae_L3": L3, "vertebrae_L4": L4, "spinal_cord": CORD, "liver": L3, "spleen": L4})
    file = read_label_folder(folder, spinal)
    assert file.frame == FRAME and len(file.layers) == 1
    assert {name: int(mask.sum()) for name, mask in held(folder).items()} == {
        "vertebrae_L3": L3.sum(), "vertebrae_L4": L4.sum(), "spinal_cord": CORD.sum(),
    }  # fmt: skip
    assert file.unread == ("liver", "spleen")


def test_an_empty_mask_is_a_structure_that_is_not_in_view(tmp_path: Path) -> None:
    folder = put(tmp_path / "s", {"vertebrae_L3": L3, "vertebrae_L5": 0 * L3})
    assert {name: bool(mask.any()) for name, mask in held(folder).items()} == {"vertebrae_L3": True, "vertebrae_L5": False}


def test_masks_that_overlap_come_in_layers_and_none_loses_a_voxel(tmp_path: Path) -> None:
    folder = put(tmp_path / "s", {"vertebrae_L3": L3, "vertebrae_L4": L4 | block((15, 18), (2, 10), (4, 14)), "spinal_cord": CORD | L3})
    assert len(read_label_folder(folder, spinal).layers) == 3
    assert int(held(folder)["spinal_cord"].sum()) == int((CORD | L3).sum())
    assert int(held(folder)["vertebrae_L3"].sum()) == int(L3.sum())


def test_each_mask_may_be_cropped_to_what_it_holds(tmp_path: Path) -> None:
    """As 3D Slicer exports segments: the same voxels, each file with its own corner of them."""
    folder = put(tmp_path / "s", {})
    for name, mask in (("vertebrae_L3", L3), ("vertebrae_L4", L4)):
        index = np.argwhere(mask)
        low, high = index.min(axis=0).tolist(), (index.max(axis=0) + 1).tolist()
        write_nifti(folder / f"{name}.nii.gz", mask[tuple(map(slice, low, high))], FRAME.crop(low, high))
    file = read_label_folder(folder, spinal)
    assert not file.notes
    for name, mask in (("vertebrae_L3", L3), ("vertebrae_L4", L4)):
        assert np.allclose(file.frame.to_world(np.argwhere(held(folder)[name])), FRAME.to_world(np.argwhere(mask)))


def test_masks_on_another_grid_are_laid_on_the_grid_of_the_most_and_it_is_said(tmp_path: Path) -> None:
    folder = put(tmp_path / "s", {"vertebrae_L3": L3, "vertebrae_L4": L4})
    turned = FRAME.affine.copy()
    turned[:3, 3] += turned[:3, 2] * (FRAME.shape[2] - 1)
    turned[:3, 2] *= -1
    write_nifti(folder / "spinal_cord.nii.gz", CORD[:, :, ::-1], Frame(FRAME.shape, turned))
    file = read_label_folder(folder, spinal)
    assert file.frame == FRAME
    assert file.notes == ("1 of 3 masks have another grid than the rest: every voxel took the nearest.",)
    assert np.array_equal(held(folder)["spinal_cord"], CORD > 0)


def test_masks_far_from_each_other_are_not_of_one_scan(tmp_path: Path) -> None:
    folder = put(tmp_path / "s", {"vertebrae_L3": L3})
    far = FRAME.affine.copy()
    far[:3, 3] += 3000.0
    write_nifti(folder / "vertebrae_L4.nii.gz", L4, Frame(FRAME.shape, far))
    with pytest.raises(Refusal, match="too far apart to be of one scan"):
        read_label_folder(folder, spinal)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd"])
def test_masks_of_any_type_and_value(kind: type, ending: str, tmp_path: Path) -> None:
    values: NDArray[Any] = L3.astype(kind) * 255
    if ending == ".nrrd":
        image = SimpleITK.GetImageFromArray(values)
        image.SetOrigin(FRAME.affine[:3, 3].tolist())
        image.SetSpacing((1.5, 1.5, 2.0))
        SimpleITK.WriteImage(image, str(tmp_path / "vertebrae_L3.nrrd"), useCompression=True)
    else:
        write_nifti(tmp_path / f"vertebrae_L3{ending}", values, FRAME)
    write_nifti(tmp_path / "spinal_cord.nii.gz", CORD, FRAME)
    assert np.array_equal(held(tmp_path)["vertebrae_L3"], L3 > 0)


def test_a_mask_with_a_rescale(tmp_path: Path) -> None:
    put(tmp_path, {"spinal_cord": CORD})
    image = nibabel.Nifti1Image(L3.transpose() * np.uint8(2), nibabel.load(tmp_path / "spinal_cord.nii.gz").affine)
    image.header.set_slope_inter(0.5, 0.0)
    nibabel.save(image, tmp_path / "vertebrae_L3.nii.gz")
    assert np.array_equal(held(tmp_path)["vertebrae_L3"], L3 > 0)


def test_the_segmentations_of_a_folder_are_found_beside_their_scan(tmp_path: Path) -> None:
    """As in TotalSegmentator's data set, and where a person chose the folder above."""
    write_nifti(tmp_path / "ct.nii.gz", np.arange(L3.size, dtype=np.int16).reshape(L3.shape), FRAME)
    put(tmp_path / "segmentations", {"vertebrae_L3": L3, "spinal_cord": CORD})
    assert set(held(tmp_path)) == {"vertebrae_L3", "spinal_cord"}


def test_what_all_names_begin_with_may_be_left_out(tmp_path: Path) -> None:
    folder = put(tmp_path / "s", {"Segmentation_1_L3": L3, "Segmentation_1_L4": L4})
    assert read_label_folder(folder, spinal).names == {1: ("Segmentation_1_L3", "L3"), 2: ("Segmentation_1_L4", "L4")}


def test_a_folder_with_one_label_map_is_that_map(tmp_path: Path) -> None:
    put(tmp_path, {"map": L3 + 2 * L4})
    file = read_label_folder(tmp_path, spinal)
    assert not file.names and sorted(np.unique(file.layers[0])) == [0, 1, 2]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 0.95])
@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd"])
def test_a_truncated_file_among_good_ones_is_named(share: float, ending: str, tmp_path: Path) -> None:
    put(tmp_path, {"spinal_cord": CORD, "vertebrae_L4": L4})
    path = tmp_path / f"vertebrae_L3{ending}"
    if ending == ".nrrd":
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(L3), str(path), useCompression=True)
    else:
        write_nifti(path, L3, FRAME)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(Refusal, match=r"vertebrae_L3") as refused:
        read_label_folder(tmp_path, spinal)
    assert "take that file out of it" in refused.value.way_out


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (L3 + L4 * 2, "several values"),
        (np.where(L3 > 0, np.nan, 0.0), "several values"),
        (np.linspace(0, 1, L3.size).reshape(L3.shape), "several"),
    ],
    ids=["a map", "not a number", "an image"],
)
def test_what_is_no_mask_of_one_structure_is_refused(values: NDArray[Any], says: str, tmp_path: Path) -> None:
    put(tmp_path, {"vertebrae_L3": values, "spinal_cord": CORD})
    with pytest.raises(Refusal, match=rf"vertebrae_L3\.nii\.gz is no mask of one structure: It holds {says}"):
        read_label_folder(tmp_path, spinal)


def test_a_header_that_promises_more_than_the_file_holds(tmp_path: Path) -> None:
    put(tmp_path, {"vertebrae_L3": L3, "spinal_cord": CORD})
    content = bytearray(gzip.decompress((tmp_path / "vertebrae_L3.nii.gz").read_bytes()))
    content[42:48] = np.array([30000, 30000, 30000], dtype="<i2").tobytes()
    (tmp_path / "vertebrae_L3.nii.gz").write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(Refusal, match=r"vertebrae_L3\.nii\.gz"):
        read_label_folder(tmp_path, spinal)


@pytest.mark.parametrize("names", [[], ["liver", "spleen"]])
def test_a_folder_without_a_structure_of_use(names: list[str], tmp_path: Path) -> None:
    put(tmp_path, dict.fromkeys(names, L3))
    with pytest.raises(Refusal, match=r"holds no masks|has the name of a structure"):
        read_label_folder(tmp_path, spinal)


def test_a_hundred_and_seventeen_masks_take_seconds_and_little_memory(tmp_path: Path) -> None:
    """All of them at once would take 0.7 GB."""
    frame = Frame.axial((24, 512, 512), (2.0, 0.8, 0.8), (0.0, 0.0, 0.0))
    for n in range(117):
        mask = np.zeros(frame.shape, dtype=np.uint8)
        mask[4:14, 40 * (n // 12) : 40 * (n // 12) + 30, 40 * (n % 12) : 40 * (n % 12) + 30] = 1
        write_nifti(tmp_path / f"vertebrae_{n}.nii.gz", mask, frame)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    file = read_label_folder(tmp_path, spinal)
    assert time.process_time() - start < 5.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
    assert len(file.layers) == 1 and np.all(np.bincount(file.layers[0].ravel())[1:] == 10 * 30 * 30)
