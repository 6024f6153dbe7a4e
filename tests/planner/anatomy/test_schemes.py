"""Label maps of other programs: every scheme is told by its values alone, and what fits none, or two, is not guessed at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from planner.anatomy.imports.said import structure_named
from planner.anatomy.imports.schemes import Meaning, WhoseNumbers, measured, recognised, schemes
from planner.geometry import Frame
from planner.phantom import Phantom
from planner.refusal import Refusal
from planner.scan.label_files import LabelFile, read_label_file
from tests.data import real
from tests.planner.anatomy.phantoms import phantom, true_mask

Numbers = NDArray[np.uint16]
BY_VALUES = [one.id for one in schemes() if not one.only_chosen]


def coded(scheme_id: str, one: Phantom) -> Numbers:
    """The truth of a phantom in the numbers of a scheme. What has no name there (parts, all vertebrae) has the first number that fits."""
    scheme = next(scheme for scheme in schemes() if scheme.id == scheme_id)
    out = np.zeros(one.labels.shape, dtype=np.uint16)
    bone = tuple(name for name in one.label_names.values() if name.startswith("vertebra "))
    nameless = {"spineps-parts": 41, "totalsegmentator-mr": 19, "totalsegmentator-vertebrae-body": 1, "vibeseg": 69}
    if scheme_id in nameless:
        out[true_mask(one, *bone)] = nameless[scheme_id]
        if scheme_id == "spineps-parts":  # arches and bodies
            out[:, : one.labels.shape[1] // 2][out[:, : one.labels.shape[1] // 2] == 41] = 49
        if scheme_id == "totalsegmentator-vertebrae-body":
            out[true_mask(one, *(name for name in one.label_names.values() if name.startswith("disc ")))] = 2
    centre = {level.name: level.centre for level in one.truth.levels}
    z = one.volume.frame.affine[2, 3] + np.arange(one.labels.shape[0]) * one.volume.frame.spacing_mm[0]
    sides = np.arange(one.labels.shape[2]) >= one.labels.shape[2] // 2  # columns run to the left
    for number, name in scheme.meaning.items():
        kind, _, level = name.rpartition(" ")
        if kind == "cord at" and level in centre:
            near = np.abs(z - centre[level][2]) < 12.0
            out[true_mask(one, "spinal cord") & near[:, None, None]] = number
        elif kind == "mark" and set(level.split("-")) <= set(centre):
            upper, lower = level.split("-")
            k, j, i = np.rint(one.volume.frame.to_index(np.add(centre[upper], centre[lower]) / 2)).astype(int)
            if 0 <= k < len(out):
                out[k, j, i] = number
        elif kind in ("vertebra", "disc") or name in ("spinal cord", "thecal sac", "kidney", "aorta", "vena cava"):
            mask = true_mask(one, name)
            if number in scheme.left | scheme.right:
                mask = mask & (sides if number in scheme.left else ~sides)
            out[mask] = number
    return out


def understood(numbers: Numbers, one: Phantom, modality: str = "CT", names: Mapping[int, tuple[str, ...]] | None = None) -> Meaning:
    file = LabelFile(one.volume.frame, (numbers,), names or {})
    return recognised(file, modality, "map.nii.gz", measured(file))


def modality_of(scheme_id: str) -> str:
    return next(scheme for scheme in schemes() if scheme.id == scheme_id).modalities[0]


@cache
def patient() -> Phantom:
    return phantom()


@pytest.mark.parametrize("scheme_id", BY_VALUES)
def test_every_scheme_is_told_by_its_values(scheme_id: str) -> None:
    scheme = next(scheme for scheme in schemes() if scheme.id == scheme_id)
    numbers = coded(scheme_id, patient())
    present = {int(number) for number in np.unique(numbers) if number}
    assert len(present) >= 1, "the phantom holds nothing of this scheme"
    meaning = understood(numbers, patient(), modality_of(scheme_id))
    assert {number: meaning.names[number] for number in present} == {number: scheme.meaning[number] for number in present}


@pytest.mark.parametrize("scheme_id", ["totalsegmentator-v2", "verse", "totalspineseg", "spineps-vertebrae"])
def test_vertebrae_alone_are_told_too(scheme_id: str) -> None:
    scheme = next(scheme for scheme in schemes() if scheme.id == scheme_id)
    numbers = coded(scheme_id, patient())
    vertebrae = [number for number, name in scheme.meaning.items() if name.startswith("vertebra ")]
    numbers[~np.isin(numbers, vertebrae)] = 0
    meaning = understood(numbers, patient())
    assert {name for name in meaning.names.values() if name} == {scheme.meaning[int(n)] for n in np.unique(numbers) if n}


def test_a_map_turned_upside_down_is_not_in_order() -> None:
    with pytest.raises(Refusal, match="not in order from head to foot"):
        understood(coded("verse", patient())[::-1].copy(), patient())


def test_two_vertebrae_that_changed_places_are_not_in_order() -> None:
    numbers = coded("totalsegmentator-v2", patient())
    swapped = numbers.copy()
    swapped[numbers == 29], swapped[numbers == 30] = 30, 29
    with pytest.raises(Refusal, match=r"not in order from head to foot: L3 lies above L2"):
        understood(swapped, patient())


def test_numbers_that_only_count_are_asked_about() -> None:
    """SPINEPS without its labelling model: 1 to 9 would be C1 to T2, but they lie too far apart."""
    numbers, counted = coded("verse", patient()), np.zeros(patient().labels.shape, dtype=np.uint16)
    for n, number in enumerate((16, 17, 18, 19, 20, 21, 22, 23, 24), start=1):
        counted[numbers == number] = n
    with pytest.raises(Refusal, match="mm apart") as asked:
        understood(counted, patient())
    assert "spineps-instances" in asked.value.way_out
    chosen = LabelFile(patient().volume.frame, (counted,), {}, scheme="spineps-instances")
    assert set(recognised(chosen, "CT", "map.nii.gz", measured(chosen)).names.values()) == {"bone other"}


def test_one_number_is_too_little_to_go_by() -> None:
    one = np.where(true_mask(patient(), "vertebra L3"), 22, 0).astype(np.uint16)
    with pytest.raises(WhoseNumbers, match="too little") as asked:
        understood(one, patient())
    assert {"verse", "totalsegmentator-v1", "totalspineseg"} <= {scheme for scheme, _ in asked.value.choices}


def test_a_mirrored_map_is_refused_where_sides_are_named() -> None:
    numbers = coded("totalsegmentator-v2", patient())
    numbers[true_mask(patient(), "soft tissue") & (np.arange(numbers.shape[2]) > numbers.shape[2] * 0.7)] = 104  # a rib of the right
    numbers[true_mask(patient(), "soft tissue") & (np.arange(numbers.shape[2]) < numbers.shape[2] * 0.3)] = 92
    with pytest.raises(Refusal, match="mirrored"):
        understood(numbers, patient())


def test_discs_are_not_taken_for_vertebrae() -> None:
    numbers = np.zeros(patient().labels.shape, dtype=np.uint16)
    for n, pair in enumerate(("L5-S1", "L4-L5", "L3-L4", "L2-L3", "L1-L2"), start=2):
        numbers[true_mask(patient(), f"disc {pair}")] = n
    with pytest.raises(Refusal, match="is not known"):
        understood(numbers, patient(), "MR")


def test_a_scheme_that_does_not_hold_a_number_cannot_be_chosen_for_it() -> None:
    file = LabelFile(patient().volume.frame, (coded("totalsegmentator-v2", patient()),), {}, scheme="verse")
    with pytest.raises(Refusal, match="which VerSe does not use"):
        recognised(file, "CT", "map.nii.gz", measured(file))
    with pytest.raises(Refusal, match="No scheme of labels is called"):
        recognised(replace(file, scheme="mine"), "CT", "map.nii.gz", measured(file))


def test_six_lumbar_vertebrae_are_said() -> None:
    numbers = coded("verse", patient())
    numbers[true_mask(patient(), "vertebra S1")] = 25
    meaning = understood(numbers, patient())
    assert meaning.names[25] == "vertebra L6"
    assert ("levels", "The label map counts a L6: check the names of the levels.") in meaning.notes


def test_a_thirteenth_thoracic_vertebra_lies_between_t12_and_l1() -> None:
    """As VerSe and SPINEPS write it: 28. Above T12 it is out of order."""
    numbers = coded("verse", patient())
    for old, new in ((20, 28), (21, 20), (22, 21), (23, 22), (24, 23)):
        numbers[
            true_mask(patient(), {20: "vertebra L1", 21: "vertebra L2", 22: "vertebra L3", 23: "vertebra L4", 24: "vertebra L5"}[old])
        ] = new
    assert understood(numbers, patient()).names[28] == "vertebra T13"
    wrong = numbers.copy()
    wrong[numbers == 18] = 28
    wrong[numbers == 28] = 18
    with pytest.raises(Refusal, match="not in order from head to foot"):
        understood(wrong, patient())


@pytest.mark.parametrize("mm", [9.0, 52.0])
def test_vertebrae_that_are_too_near_or_too_far_apart_are_asked_about(mm: float) -> None:
    """By names, so that nothing but the order and the spacing speaks: L3 and L4 with their middles so far apart."""
    frame = Frame.axial((120, 30, 30), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    numbers = np.zeros(frame.shape, dtype=np.uint16)
    numbers[20:26, 5:25, 5:25], numbers[20 + round(mm) : 26 + round(mm), 5:25, 5:25] = 1, 2
    file = LabelFile(frame, (numbers,), {1: ("vertebra L4",), 2: ("vertebra L3",)})
    meaning = recognised(file, "CT", "map.nii.gz", measured(file))
    assert ("levels", f"L3 and L4 lie {mm:.0f} mm apart in the label map, which is unusual: check them.") in meaning.notes


@pytest.mark.parametrize(
    ("said", "structure"),
    [
        ("vertebrae_L4", "vertebra L4"),
        ("L4", "vertebra L4"),
        ("L4 vertebra", "vertebra L4"),
        ("Fourth lumbar vertebra", "vertebra L4"),
        ("vertebra L04", "vertebra L4"),
        ("T12 vertebral body", "vertebra T12"),
        ("disc L4-L5", "disc L4-L5"),
        ("Intervertebral disc L5/S1", "disc L5-S1"),
        ("spinal_cord", "spinal cord"),
        ("Spinal canal", "epidural space"),
        ("kidney_left", "kidney"),
        ("Left kidney", "kidney"),
        ("lung_upper_lobe_right", "lung"),
        ("rib_left_7", "bone other"),
        ("sacrum", "bone other"),
        ("inferior_vena_cava", "vena cava"),
        ("liver", None),
        ("L4 nerve root", None),
        ("rib L1", None),
        ("disc L1-L4", None),
        ("T2", "vertebra T2"),
        ("T20", None),
        ("", None),
    ],
)
def test_names_of_segments(said: str, structure: str | None) -> None:
    assert structure_named(said) == structure


def test_names_win_over_values() -> None:
    """The numbers of VerSe, but the file says that they are one lower: S1 is no longer where VerSe would have L5."""
    numbers = coded("verse", patient())
    names = {int(n): (f"vertebra {name}",) for n, name in zip((20, 21, 22, 23, 24), ("T12", "L1", "L2", "L3", "L4"))}
    kept = np.where(np.isin(numbers, list(names)), numbers, 0).astype(np.uint16)
    assert understood(kept, patient(), names=names).names[24] == "vertebra L4"
    with pytest.raises(Refusal, match="does not name"):
        understood(numbers, patient(), names=names)


@pytest.mark.real
@pytest.mark.parametrize(
    ("path", "modality", "program", "some"),
    [
        ("lumbar-ct-labelled-3mm/vertebrae.nii.gz", "CT", "TotalSegmentator 2", {27: "vertebra L5", 33: "vertebra T11"}),
        ("lumbar-ct-labelled-3mm/all-structures.nii.gz", "CT", "TotalSegmentator 2", {31: "vertebra L1", 79: "spinal cord", 52: "aorta"}),
        ("lumbar-ct-labelled-3mm/vertebral-body.nii.gz", "CT", "TotalSegmentator vertebrae_body", {1: "bone other"}),
        ("lumbar-ct-labelled-3mm/dicom-jpeg2000-structures.nii.gz", "CT", "TotalSegmentator 2", {32: "vertebra T12", 33: "vertebra T11"}),
        ("thoracolumbar-ct-labelled/structures.nii.gz", "CT", "TotalSegmentator 2", {29: "vertebra L3", 46: "vertebra C5"}),
        (
            "lumbar-mr-t2-labelled/case-07-vertebral-bodies.nii.gz",
            "MR",
            "SPINEPS (seg-vert) or VerSe",
            {18: "vertebra T11", 24: "vertebra L5"},
        ),
        ("lumbar-mr-t2-labelled/water-fat-01-vertebral-bodies.nii.gz", "MR", "SPINEPS (seg-vert) or VerSe", {20: "vertebra L1"}),
        ("vertebra-ct-mr-crops/sub-mri_seg-subreg_label-6_msk.nii.gz", "MR", "SPINEPS (seg-spine)", {60: "spinal cord", 61: "thecal sac"}),
    ],
)
@pytest.mark.parametrize("by", ["names and values", "values"])
def test_real_maps_are_recognised(path: str, modality: str, program: str, some: dict[int, str], by: str) -> None:
    file = read_label_file(real(path.split("/")[0]) / Path(path).name)
    file = file if by == "names and values" else replace(file, names={})
    meaning = recognised(file, modality, Path(path).name, measured(file))
    assert meaning.program == program
    assert {number: meaning.names[number] for number in some} == some


@pytest.mark.real
@pytest.mark.parametrize(
    "path",
    [
        "lumbar-mr-t2-labelled/discs-20-discs.nii.gz",  # discs from the foot up: nobody's numbers
        "lumbar-mr-t2-labelled/discs-20-t2.nii.gz",  # an image
        "vertebra-ct-mr-crops/sub-mri_seg-vert_label-6_msk.nii.gz",  # instances without names
        "vertebra-ct-mr-crops/sub-ct_seg-vert_label-22_msk.nii.gz",  # one vertebra and two slices of its neighbours
        "messy-dicom/spine_seg.nrrd",
    ],
)
def test_real_maps_that_nobody_can_know_are_asked_about(path: str) -> None:
    folder = real(path.split("/")[0])
    file = read_label_file(folder / ("segmentation" if "messy" in path else "") / Path(path).name)
    with pytest.raises(Refusal):
        recognised(file, "MR", Path(path).name, measured(file))


def test_a_piece_is_measured_the_same_on_a_turned_grid() -> None:
    frame, labels = patient().volume.frame, coded("verse", patient())
    affine = frame.affine[:, [2, 0, 1, 3]]
    turned = LabelFile(
        Frame((labels.shape[2], labels.shape[0], labels.shape[1]), affine), (np.ascontiguousarray(labels.transpose(2, 0, 1)),), {}
    )
    straight = measured(LabelFile(frame, (labels,), {}))
    for number, piece in measured(turned).items():
        assert np.allclose(piece.centre_mm, straight[number].centre_mm, atol=0.1)
        assert piece.height_mm == pytest.approx(straight[number].height_mm, abs=1.6)
        assert piece.thickness_mm == pytest.approx(straight[number].thickness_mm, rel=0.1)
        assert piece.cut == straight[number].cut
