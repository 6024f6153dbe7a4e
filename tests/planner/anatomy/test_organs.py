"""Kidneys, opacified vessels and the vertebral arteries: what is found is one, and what is not found is never clear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from planner.anatomy import Anatomy, Anchor, find, labels
from planner.anatomy.body import body_mask
from planner.anatomy.grid import onto, reduced
from planner.anatomy.hazards.kidneys import Kidney, find_kidneys, kidney_structure
from planner.anatomy.hazards.neck_artery import NeckArtery, find_neck_arteries, neck_artery_structure, paint_neck_arteries
from planner.anatomy.hazards.vessels import find_vessels, vessel_structure
from planner.anatomy.spine import Level
from planner.geometry import Frame, Volume, read_nifti
from tests.data import real
from tests.planner.anatomy.phantoms import dice, found, phantom, true_mask
from tests.planner.anatomy.scans import dicom_volume, nifti_volume


def bodies_mm(anatomy: Anatomy) -> NDArray[np.float64]:
    return np.array([level.centre_mm for level in anatomy.levels])


def with_contrast(aorta_hu: int, cava_hu: int) -> Volume:
    """The phantom as it would be after contrast into a vein."""
    one = phantom()
    voxels = one.volume.voxels.copy()
    voxels[true_mask(one, "aorta")] += aorta_hu
    voxels[true_mask(one, "vena cava")] += cava_hu
    return replace(one.volume, voxels=voxels)


def test_a_kidney_in_fat_is_found_and_one_that_lies_against_the_spleen_is_not_guessed() -> None:
    one = phantom()
    search = reduced(one.volume)
    mask, kidneys = find_kidneys(search, body_mask(search), found().canal)
    assert [kidney.side for kidney in kidneys] == ["right"]
    right = one.volume.frame.to_world(np.stack(np.indices(one.labels.shape), axis=-1)[0, 0])[:, 0] < 0
    true = true_mask(one, "kidney") & right
    assert dice(onto(mask, search.frame, one.volume.frame), true) > 0.9
    assert kidneys[0].volume_ml == pytest.approx(float(true.sum()) * one.volume.frame.voxel_ml, rel=0.12)
    assert not kidneys[0].cut


def test_a_scan_that_ends_in_a_kidney_still_shows_it() -> None:
    one = phantom()
    slices = np.flatnonzero(true_mask(one, "kidney")[:, :, : one.labels.shape[2] // 2].any(axis=(1, 2)))
    first = int(slices[0] + 0.4 * len(slices))
    frame = one.volume.frame
    upper = replace(one.volume, frame=frame.crop([first, 0, 0], frame.shape), voxels=one.volume.voxels[first:])
    search = reduced(upper)
    _, kidneys = find_kidneys(search, body_mask(search), found().canal)
    assert [(kidney.side, kidney.cut) for kidney in kidneys] == [("right", True)]


def test_one_kidney_alone_leaves_kidneys_not_checked_but_says_which_was_found() -> None:
    left, right = (Kidney(side, (0.0, 0.0, 0.0), 150.0, False, 0.95) for side in ("left", "right"))
    assert kidney_structure((left, right)).provenance == "found"
    alone = kidney_structure((right,))
    assert (alone.provenance, alone.confidence) == ("not checked", None)
    assert alone.problem is not None and alone.problem.startswith("The right kidney was found; the left one")
    assert kidney_structure(()).provenance == "not checked"
    assert kidney_structure((replace(left, cut=True), right)).problem == "The scan ends in the left kidney."


def test_vessels_without_contrast_are_not_checked() -> None:
    search = reduced(phantom().volume)
    vessels = find_vessels(search, body_mask(search), found().canal, bodies_mm(found()))
    assert not vessels.aorta.any() and not vessels.cava.any()
    assert vessel_structure("aorta", vessels.aorta, search.frame).provenance == "not checked"


@pytest.mark.parametrize(("aorta_hu", "cava_hu"), [(300, 0), (250, 140), (130, 160)], ids=["arterial", "late arterial", "venous"])
def test_contrast_shows_the_aorta_on_the_left_and_the_cava_on_the_right(aorta_hu: int, cava_hu: int) -> None:
    one = phantom()
    volume = with_contrast(aorta_hu, cava_hu)
    search = reduced(volume)
    vessels = find_vessels(search, body_mask(search), found().canal, bodies_mm(found()))
    for mask, name, contrast in ((vessels.aorta, "aorta", aorta_hu), (vessels.cava, "vena cava", cava_hu)):
        structure = vessel_structure(name, mask, search.frame)
        if contrast == 0:
            assert structure.provenance == "not checked"
            continue
        assert structure.provenance == "found"
        assert structure.problem is not None and "above and below it is not checked" in structure.problem
        fine = onto(mask, search.frame, volume.frame)
        seen = fine.any(axis=(1, 2))
        assert seen.sum() * volume.frame.spacing_mm[0] > 150.0
        assert dice(fine[seen], true_mask(one, name)[seen]) > 0.9, name


def test_an_opacified_aorta_is_no_bone_and_stands_in_the_labels() -> None:
    one = phantom()
    centre = next(level.centre for level in one.truth.levels if level.name == "L3")
    mine = find(with_contrast(300, 140), Anchor("L3", centre, "user"))
    for name, code in (("aorta", labels.AORTA), ("vena cava", labels.VENA_CAVA)):
        true = true_mask(one, name)
        assert (mine.labels[true] == code).mean() > 0.75, name
        assert np.isin(mine.labels[true], labels.BONE).mean() < 0.02, name
    assert mine.structure("aorta").provenance == "found"
    assert (mine.labels[true_mask(one, "kidney")] == labels.KIDNEY).mean() > 0.4
    assert mine.structure("kidney").provenance == "not checked"


def test_a_neck_artery_is_painted_into_soft_tissue_only() -> None:
    frame = Frame.axial((40, 60, 60), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    painted = np.full(frame.shape, labels.SOFT_TISSUE, dtype=np.uint8)
    painted[:, :, 30:] = labels.vertebra("C4")
    z = np.arange(30.0, 10.0, -1.5)
    artery = NeckArtery("left", np.stack([np.full_like(z, 29.0), np.full_like(z, 20.0), z], axis=1), ("C3", "C4", "C5"), 2.5)
    paint_neck_arteries(painted, frame, (artery,))
    tube = painted == labels.VERTEBRAL_ARTERY
    assert set(np.flatnonzero(tube.any(axis=(1, 2)))) == set(range(11, 31))
    assert not tube[:, :, 30:].any() and tube[20, 20, 27:30].all()
    assert 10 <= tube[20].sum() <= 18  # a disc of 5 mm without what lies in bone


def test_artery_holes_on_one_side_alone_leave_it_not_checked() -> None:
    neck = (Level("C4", (0.0, 0.0, 0.0), 0.0, 0.9),)
    arteries = tuple(NeckArtery(side, np.zeros((3, 3)), ("C3", "C4", "C5"), 2.5) for side in ("left", "right"))
    assert neck_artery_structure(arteries, neck).provenance == "found"
    assert neck_artery_structure(arteries[:1], neck).provenance == "not checked"
    assert neck_artery_structure((), ()).problem == "No vertebra of the neck is in view."


@pytest.mark.real
def test_kidneys_and_aorta_of_a_chest_ct_with_contrast_are_those_of_its_labels() -> None:
    """The labels are a program's; its aorta counts arch and ascending part, ours only what runs along the spine."""
    folder = real("thoracolumbar-ct-labelled")
    volume = nifti_volume(folder / "ct.nii.gz")
    file = read_nifti(folder / "structures.nii.gz")
    theirs = Volume(file.frame, file.voxels.astype(np.uint8), "CT").to_axial().voxels
    mine = find(volume)
    assert mine.structure("kidney").provenance == "found"
    x = volume.frame.to_world(np.array([[0, 0, i] for i in range(volume.frame.shape[2])]))[:, 0]
    middle_x = float(mine.canal.centreline_mm[-1, 0])
    for code, side in ((2, x < middle_x), (3, x > middle_x)):
        own, their = (mine.labels == labels.KIDNEY) & side, theirs == code
        apart = (np.argwhere(own).mean(axis=0) - np.argwhere(their).mean(axis=0)) * volume.frame.spacing_mm
        assert dice(own, their) > 0.88
        assert np.linalg.norm(apart) < 2.5
    aorta = mine.labels == labels.AORTA
    assert (theirs[aorta] == 52).mean() > 0.95
    assert aorta.any(axis=(1, 2)).sum() * volume.frame.spacing_mm[0] > 200.0
    assert not (mine.labels == labels.VENA_CAVA).any()


@pytest.mark.real
def test_a_kidney_without_contrast_is_that_of_the_labels() -> None:
    folder = real("lumbar-ct-labelled-3mm")
    mine = find(nifti_volume(folder / "ct.nii.gz"))
    theirs = read_nifti(folder / "all-structures.nii.gz")
    left = Volume(theirs.frame, theirs.voxels.astype(np.uint8), "CT").to_axial().voxels == 3
    assert dice(mine.labels == labels.KIDNEY, left) > 0.9
    assert mine.structure("kidney").provenance == "not checked"  # the right one lies against the liver


@pytest.mark.real
def test_vertebral_arteries_run_through_the_holes_of_a_neck_and_a_thorax_called_neck_has_no_pair() -> None:
    volume = dicom_volume(real("cervical-ct") / "dicom")
    mine = find(volume)
    assert mine.structure("vertebral artery").provenance == "found"
    arteries = find_neck_arteries(volume, 130.0, mine.canal, mine.levels)
    assert [len(artery.levels) >= 4 for artery in arteries] == [True, True]
    for artery in arteries:
        aside = [point[0] - mine.canal.centreline_mm[mine.canal.nearest(point), 0] for point in artery.path_mm]
        assert all(11.0 < (value if artery.side == "left" else -value) < 22.0 for value in aside)
    thorax = nifti_volume(real("thoracolumbar-ct-labelled") / "ct.nii.gz")
    other = find(thorax)
    misnamed = tuple(replace(level, name=f"C{n + 2}") for n, level in enumerate(other.levels[3:8]))
    assert neck_artery_structure(find_neck_arteries(thorax, 174.0, other.canal, misnamed), misnamed).provenance == "not checked"
