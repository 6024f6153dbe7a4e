"""Label maps taken in: they win over what is found, and what is no map of this scan is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner.anatomy import Anatomy, find_with_labels
from planner.anatomy import labels as codes
from planner.anatomy.imports import take_in
from planner.anatomy.imports.take_in import canal_of
from planner.geometry import Frame, Volume, write_nifti
from planner.phantom import PhantomParameters, build
from planner.refusal import Refusal
from tests.data import real
from tests.planner.anatomy.maps import found_alone, map_of, patient, truth_in
from tests.planner.anatomy.phantoms import dice, true_mask
from tests.planner.anatomy.scans import nifti_volume


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Anatomy:
    return find_with_labels(patient().volume, truth_in(tmp_path_factory.mktemp("truth")))


def test_the_imported_canal_is_the_true_one(taken: Anatomy) -> None:
    true = true_mask(patient(), "epidural space", "thecal sac", "spinal cord")
    assert dice(taken.mask(codes.CANAL), true) > 0.95
    counted_ml = float(true.sum()) * taken.frame.voxel_ml
    assert float(np.trapezoid(taken.canal.area_mm2, taken.canal.s_mm)) / 1000.0 == pytest.approx(counted_ml, rel=0.1)


def test_the_imported_levels_are_the_true_ones(taken: Anatomy) -> None:
    found = {level.name: level.centre_mm for level in taken.levels}
    for level in patient().truth.levels:
        whole = not true_mask(patient(), f"vertebra {level.name}")[[0, -1]].any()  # what the scan cuts off has no middle
        if level.name[0] in "TL" and level.name in found and whole:
            assert np.linalg.norm(np.subtract(found[level.name], level.centre)) < 3.0, level.name
    assert {"L1", "L2", "L3", "L4", "L5", "S1"} <= set(found)


def test_what_the_map_holds_is_imported(taken: Anatomy) -> None:
    for name in ("canal", "sac", "cord", "levels", "roots", "bone", "discs", "ligamentum flavum", "skin"):
        assert taken.structure(name).provenance == "imported", name
    for name in ("vertebral artery", "spleen"):
        assert taken.structure(name).provenance == "not checked", name


def test_every_bone_sac_and_root_of_the_truth_is_in_the_labels(taken: Anatomy) -> None:
    """What needles are checked against holds every voxel of the truth."""
    one = patient()
    for group, names in (
        ((codes.THECAL_SAC, codes.SPINAL_CORD), ("thecal sac", "spinal cord")),
        ((codes.NERVE_ROOT, codes.GANGLION), ("nerve root", "ganglion")),
        (codes.BONE, tuple(name for name in one.label_names.values() if name.startswith(("vertebra ", "bone")))),
    ):
        assert not (true_mask(one, *names) & ~taken.mask(group)).any()


def test_a_turned_grid_gives_the_same(taken: Anatomy, tmp_path: Path) -> None:
    """Left-handed and with its axes in another order."""
    frame, labels = patient().volume.frame, patient().labels[:, :, ::-1].transpose(2, 0, 1)
    affine = frame.affine.copy()
    affine[:3, 3] += affine[:3, 2] * (frame.shape[2] - 1)
    affine[:3, 2] *= -1
    turned = Frame(labels.shape, affine[:, [2, 0, 1, 3]])
    again = find_with_labels(patient().volume, truth_in(tmp_path, np.ascontiguousarray(labels), turned))
    assert np.array_equal(again.labels, taken.labels)
    assert [level.name for level in again.levels] == [level.name for level in taken.levels]


def test_labels_stored_as_fractions_are_rounded(taken: Anatomy, tmp_path: Path) -> None:
    path = truth_in(tmp_path, np.where(patient().labels > 0, patient().labels - 1e-4, 0).astype(np.float32))
    assert np.array_equal(find_with_labels(patient().volume, path).labels, taken.labels)


def test_an_image_is_no_label_map(tmp_path: Path) -> None:
    path = truth_in(tmp_path, patient().labels + np.float32(0.4))
    with pytest.raises(Refusal, match="not whole numbers"):
        find_with_labels(patient().volume, path)


def test_a_map_without_its_names_is_refused(tmp_path: Path) -> None:
    path = truth_in(tmp_path)
    (tmp_path / "truth.json").unlink()
    with pytest.raises(Refusal, match=r"truth\.json is missing"):
        find_with_labels(patient().volume, path)
    with pytest.raises(Refusal, match="is not known"):
        find_with_labels(patient().volume, path.rename(tmp_path / "other.nii.gz"))


@pytest.mark.parametrize("shift_mm", [(1000.0, 0.0, 0.0), (30.0, 0.0, 0.0), (0.0, 25.0, 0.0)])
def test_a_map_of_another_place_is_refused(shift_mm: tuple[float, float, float], tmp_path: Path) -> None:
    affine = patient().volume.frame.affine.copy()
    affine[:3, 3] += shift_mm
    path = truth_in(tmp_path, frame=Frame(patient().labels.shape, affine))
    with pytest.raises(Refusal, match="does not lie on this scan"):
        find_with_labels(patient().volume, path)


def test_the_name_that_a_person_gave_wins(tmp_path: Path, taken: Anatomy) -> None:
    from planner.anatomy import Anchor

    at = next(level.centre_mm for level in taken.levels if level.name == "L3")
    named = find_with_labels(patient().volume, truth_in(tmp_path), Anchor("L2", at, "user"))
    assert next(level.centre_mm for level in named.levels if level.name == "L2") == at
    assert named.structure("levels").provenance == "imported"


def test_a_canal_that_the_program_does_not_see_comes_from_the_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(volume: Volume, *more: object) -> Anatomy:
        raise Refusal("No spinal canal was found.")

    monkeypatch.setattr(take_in, "find", blind)
    only = find_with_labels(patient().volume, truth_in(tmp_path))
    assert dice(only.mask(codes.CANAL), true_mask(patient(), "epidural space", "thecal sac", "spinal cord")) > 0.95
    assert only.structure("foramina").provenance == only.structure("windows").provenance == "not checked"


def test_leaked_contrast_dents_no_wall(tmp_path: Path) -> None:
    """Contrast that a map shows in the canal is room, though the program labels the same voxels as contrast outside the sac."""
    one = build(PhantomParameters(modality="myelogram", leak="two-level", spacing_mm=(1.5, 1.5, 1.5)))
    names = {str(code): name for code, name in one.label_names.items()}
    (tmp_path / "truth.json").write_text(json.dumps({"labels": names}), "utf-8")
    write_nifti(tmp_path / "truth.nii.gz", one.labels, one.volume.frame)
    taken = find_with_labels(one.volume, tmp_path / "truth.nii.gz")
    assert taken.leak_hints, "the program itself must have found a pool for this to show anything"
    room = true_mask(one, "epidural space", "thecal sac", "spinal cord", "contrast outside the sac")  # it leaks in the canal alone
    contrast = true_mask(one, "contrast outside the sac")
    assert (room & ~taken.mask(codes.CANAL)).sum() < 0.1 * contrast.sum()
    true = canal_of(room, taken)
    nearest = [true.nearest(point) for point in taken.canal.centreline_mm]
    assert float((true.wall_mm[nearest] - taken.canal.wall_mm).max()) < 2.25  # a voxel and a half


@pytest.mark.real
@pytest.mark.parametrize(
    ("folder", "file", "centroids"),
    [
        ("lumbar-ct-labelled-3mm", "all-structures.nii.gz", {"L5": -124.8, "L4": -133.3, "L3": -131.1, "L2": -123.0, "L1": -111.9}),
        ("thoracolumbar-ct-labelled", "structures.nii.gz", {"L1": 50.9, "T12": 61.8, "T10": 80.1, "T7": 91.1, "T4": 70.0}),
    ],
)
def test_maps_of_total_segmentator(folder: str, file: str, centroids: dict[str, float]) -> None:
    """Names are theirs; a body's middle lies in front of the middle of its vertebra. Kidneys and aorta are then checked."""
    scan = real(folder)
    anatomy = find_with_labels(nifti_volume(scan / "ct.nii.gz"), scan / file)
    y = {level.name: level.centre_mm[1] for level in anatomy.levels}
    for name, whole_y in centroids.items():
        assert 3.0 < whole_y - y[name] < 25.0, name
    for name, code in (("kidney", codes.KIDNEY), ("aorta", codes.AORTA), ("vena cava", codes.VENA_CAVA)):
        assert anatomy.structure(name).provenance == "imported"
        assert (anatomy.labels == code).any()


@pytest.mark.real
def test_a_map_of_another_real_scan_is_refused() -> None:
    one, other = real("lumbar-ct-labelled-3mm"), real("thoracolumbar-ct-labelled")
    volume = nifti_volume(one / "ct.nii.gz")
    with pytest.raises(Refusal, match="does not lie on this scan"):
        find_with_labels(volume, other / "structures.nii.gz")
    moved = volume.frame.affine.copy()
    moved[:3, 3] += (20.0, 0.0, 0.0)
    with pytest.raises(Refusal, match="does not lie on this scan"):
        find_with_labels(replace(volume, frame=Frame(volume.frame.shape, moved)), one / "all-structures.nii.gz")


# ---- maps of other programs ---------------------------------------------------------------------------------------------------------


def centres_of(anatomy: Anatomy) -> dict[str, tuple[float, float, float]]:
    return {level.name: level.centre_mm for level in anatomy.levels}


@pytest.mark.usefixtures("found_once")
@pytest.mark.parametrize(
    ("scheme_id", "program", "canal"),
    [
        ("verse", "VerSe", "found"),
        ("totalsegmentator-v1", "TotalSegmentator 1", "found"),
        ("totalsegmentator-v2", "TotalSegmentator 2", "found"),
        ("totalspineseg", "TotalSpineSeg", "found"),
        ("totalspineseg-old", "TotalSpineSeg (to 2024-08)", "found"),
        ("spineps-vertebrae", "SPINEPS", "found"),
    ],
)
def test_maps_with_names_of_vertebrae_give_levels_and_bone(scheme_id: str, program: str, canal: str, tmp_path: Path) -> None:
    anatomy = find_with_labels(patient().volume, map_of(scheme_id, tmp_path / "map.nii.gz"))
    assert program in (anatomy.structure("label map").problem or "")
    assert anatomy.structure("levels").provenance == "imported"
    assert program in (anatomy.structure("levels").problem or "")
    assert anatomy.structure("canal").provenance == canal
    found = centres_of(anatomy)
    for level in patient().truth.levels:
        whole = not true_mask(patient(), f"vertebra {level.name}")[[0, -1]].any()
        if level.name[0] in "TL" and whole:
            assert np.linalg.norm(np.subtract(found[level.name], level.centre)) < 3.0, level.name
            bone = true_mask(patient(), f"vertebra {level.name}")
            assert (bone & ~anatomy.mask((codes.vertebra(level.name),))).sum() < 0.02 * bone.sum(), level.name
    canal_of_truth = true_mask(patient(), "epidural space", "thecal sac", "spinal cord")
    assert dice(anatomy.mask(codes.CANAL), canal_of_truth) >= dice(found_alone().mask(codes.CANAL), canal_of_truth) - 0.005
    if "spine" in scheme_id and "spineps" not in scheme_id:
        assert anatomy.structure("sac").provenance == anatomy.structure("cord").provenance == "imported"
        assert dice(anatomy.mask((codes.THECAL_SAC, codes.SPINAL_CORD)), true_mask(patient(), "thecal sac", "spinal cord")) > 0.95


@pytest.mark.usefixtures("found_once")
@pytest.mark.parametrize("scheme_id", ["spineps-parts", "totalsegmentator-vertebrae-body"])
def test_bone_without_names_takes_the_found_names(scheme_id: str, tmp_path: Path) -> None:
    anatomy = find_with_labels(patient().volume, map_of(scheme_id, tmp_path / "map.nii.gz"))
    assert centres_of(anatomy) == centres_of(found_alone())
    for level in found_alone().levels[2:-2]:
        mine, theirs = (one.mask((codes.vertebra(level.name),)) for one in (anatomy, found_alone()))
        assert dice(mine, theirs) > 0.9
    bone = true_mask(patient(), *(name for name in patient().label_names.values() if name.startswith("vertebra ")))
    assert (bone & ~anatomy.mask(codes.BONE)).sum() < 0.02 * bone.sum()


@pytest.mark.parametrize(("scheme_id", "moved"), [("sct-levels", 0), ("sct-discs", 0), ("sct-levels", 1), ("sct-discs", 1)])
def test_marks_on_cord_and_discs_name_the_levels(scheme_id: str, moved: int, found_once: None, tmp_path: Path) -> None:
    """The true names, or all of them one lower: the map is believed."""
    from tests.planner.anatomy.test_schemes import coded

    numbers = coded(scheme_id, patient())
    numbers[numbers > 0] -= moved
    anatomy = find_with_labels(patient().volume, map_of(scheme_id, tmp_path / "map.nii.gz", numbers))
    at = next(level.centre for level in patient().truth.levels if level.name == "L3")
    nearest = min(anatomy.levels, key=lambda level: float(np.linalg.norm(np.subtract(level.centre_mm, at))))
    assert nearest.name == ("L2" if moved else "L3")


@pytest.mark.usefixtures("found_once")
def test_a_map_on_its_own_grid_is_laid_on_the_scan_and_says_so(tmp_path: Path) -> None:
    from planner.geometry.sampling import resample
    from tests.planner.anatomy.test_schemes import coded

    own = patient().volume.frame.with_spacing((3.0, 2.5, 2.5))
    numbers = resample(coded("verse", patient()), patient().volume.frame, own, 0, nearest=True)
    anatomy = find_with_labels(patient().volume, map_of("verse", tmp_path / "map.nii.gz", numbers, own))
    assert "(3.0 x 2.5 x 2.5 mm)" in (anatomy.structure("label map").problem or "")
    assert dice(anatomy.mask((codes.vertebra("L3"),)), true_mask(patient(), "vertebra L3")) > 0.85


@pytest.mark.usefixtures("found_once")
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda n: n[::-1], "not in order|does not lie"),
        (lambda n: np.roll(n[:, :, ::-1], 12, axis=2), "does not lie"),  # the phantom lies in the middle: there its mirror image would fit
        (lambda n: n[:, ::-1], "does not lie"),
        (lambda n: np.concatenate([n[:15] * 0, n[:-15]]), "does not lie"),
        (lambda n: np.concatenate([n[15:], n[:15] * 0]), "does not lie"),
        (lambda n: np.roll(n, 15, axis=2), "does not lie"),
        (lambda n: np.where(n == 21, 23, np.where(n == 23, 21, n)), "not in order"),
        (lambda n: n * 0, "is empty"),
        (lambda n: np.where(n == 22, 22, 0), "too little"),
        (lambda n: n * np.uint16(300), "is not known"),
    ],
    ids=["upside down", "mirrored", "front to back", "30 mm up", "30 mm down", "30 mm aside", "shuffled", "empty", "one", "huge"],
)
def test_what_does_not_fit_is_refused(wrong: Any, says: str, tmp_path: Path) -> None:
    from tests.planner.anatomy.test_schemes import coded

    numbers = np.ascontiguousarray(wrong(coded("verse", patient()))).astype(np.uint16)
    with pytest.raises(Refusal, match=says):
        find_with_labels(patient().volume, map_of("verse", tmp_path / "map.nii.gz", numbers))


def test_the_map_of_another_patient_is_refused(tmp_path: Path, found_once: None) -> None:
    from tests.planner.anatomy.test_schemes import coded

    other = build(PhantomParameters(spacing_mm=(2.0, 2.0, 2.0), seed=5, size=0.9, lordosis=1.2))
    with pytest.raises(Refusal, match="does not lie on this scan"):
        find_with_labels(patient().volume, map_of("verse", tmp_path / "map.nii.gz", coded("verse", other), other.volume.frame))


@pytest.mark.usefixtures("found_once")
def test_a_vertebra_that_is_no_bone_in_the_scan_is_asked_about(tmp_path: Path) -> None:
    one = patient().volume
    dark = replace(one, voxels=np.where(true_mask(patient(), "vertebra L2"), np.int16(60), one.voxels))
    anatomy = find_with_labels(dark, map_of("verse", tmp_path / "map.nii.gz"))
    assert "L2 of the label map is hardly bone in the scan" in (anatomy.structure("levels").problem or "")
    assert (anatomy.structure("levels").confidence or 0.0) <= 0.5


def test_bone_that_only_the_map_shows_makes_a_canal_that_the_scan_hides(tmp_path: Path) -> None:
    """Bone as dark as muscle behind the middle of the bodies hardly encloses anything; with the map's bone the canal is found."""
    from planner.anatomy import find

    one = patient().volume
    dark = one.voxels.copy()
    middle = float(np.mean([level.centre[1] for level in patient().truth.levels]))
    rows = one.frame.affine[1, 3] + np.arange(dark.shape[1]) * one.frame.spacing_mm[1]
    bone = true_mask(patient(), *(name for name in patient().label_names.values() if name.startswith(("vertebra ", "bone "))))
    dark[bone & (rows > middle)[:, None]] = 45
    hidden = replace(one, voxels=dark)
    with pytest.raises(Refusal, match="pedicles"):
        find(hidden)
    anatomy = find_with_labels(hidden, map_of("verse", tmp_path / "map.nii.gz"))
    canal = true_mask(patient(), "epidural space", "thecal sac", "spinal cord")
    assert dice(anatomy.mask(codes.CANAL), canal) > 0.88
    assert anatomy.structure("levels").provenance == "imported"
    assert "C4" not in centres_of(anatomy)


def test_a_canal_as_a_whole_holds_the_found_sac(tmp_path: Path, found_once: None) -> None:
    """A person's `spinal canal` in 3D Slicer, without vertebrae: checked by the bone around it; the levels are the found ones."""
    numbers = true_mask(patient(), "epidural space", "thecal sac", "spinal cord").astype(np.uint8)
    (tmp_path / "mine.json").write_text('{"1": "Spinal canal"}', "utf-8")
    write_nifti(tmp_path / "mine.nii.gz", numbers, patient().volume.frame)
    anatomy = find_with_labels(patient().volume, tmp_path / "mine.nii.gz")
    assert anatomy.structure("canal").provenance == "imported"
    assert dice(anatomy.mask(codes.CANAL), numbers > 0) > 0.99
    sac = (codes.THECAL_SAC, codes.SPINAL_CORD)
    assert dice(anatomy.mask(sac), found_alone().mask(sac) & (numbers > 0)) > 0.99
    assert centres_of(anatomy).keys() == centres_of(found_alone()).keys()
    write_nifti(tmp_path / "mine.nii.gz", np.roll(numbers, 12, axis=2), patient().volume.frame)
    with pytest.raises(Refusal, match="does not lie on this scan"):
        find_with_labels(patient().volume, tmp_path / "mine.nii.gz")


@pytest.mark.real
@pytest.mark.parametrize(
    ("scan", "file", "truth"),
    [
        ("case-07-t2.nii.gz", "case-07-vertebral-bodies.nii.gz", {"T11": 134.7, "L1": 66.0, "L3": -8.4, "L5": -79.5}),
        ("water-fat-01.nii.gz", "water-fat-01-vertebral-bodies.nii.gz", {"L1": 61.8, "L3": -4.0, "L5": -73.9}),
    ],
)
def test_bodies_drawn_by_hand_on_mr_name_the_levels(scan: str, file: str, truth: dict[str, float]) -> None:
    folder = real("lumbar-mr-t2-labelled")
    anatomy = find_with_labels(nifti_volume(folder / scan, "MR"), folder / file)
    for name, z in truth.items():
        assert abs(centres_of(anatomy)[name][2] - z) < 3.0, name
    bodies = anatomy.mask(codes.VERTEBRAE)
    assert not (bodies & anatomy.mask(codes.CANAL)).any()


def test_in_mr_a_map_that_slipped_along_the_spine_is_asked_about(tmp_path: Path) -> None:
    from planner.anatomy.imports.given import read_given
    from tests.planner.anatomy.phantoms import phantom
    from tests.planner.anatomy.test_schemes import coded

    one = phantom("mr")
    numbers = coded("verse", one)
    for slip, asked in ((0, False), (17, True), (-17, True)):
        moved = np.roll(numbers, slip, axis=0)
        moved[: max(slip, 0)] = 0
        moved[len(moved) + min(slip, 0) :] = 0
        given = read_given(map_of("verse", tmp_path / "map.nii.gz", moved, one.volume.frame), one.volume)
        assert any("where the signal changes" in note for of, note in given.notes if of == "levels") == asked


@pytest.mark.real
def test_bodies_drawn_by_hand_lie_where_the_signal_changes() -> None:
    from planner.anatomy.imports.given import read_given

    folder = real("lumbar-mr-t2-labelled")
    for scan, file in (("case-07-t2", "case-07-vertebral-bodies"), ("water-fat-01", "water-fat-01-vertebral-bodies")):
        volume = nifti_volume(folder / f"{scan}.nii.gz", "MR")
        assert not read_given(folder / f"{file}.nii.gz", volume).notes
        affine = volume.frame.affine.copy()
        affine[2, 3] += 30.0
        slipped = replace(volume, frame=Frame(volume.frame.shape, affine))
        assert any("where the signal changes" in note for _, note in read_given(folder / f"{file}.nii.gz", slipped).notes)


@pytest.mark.usefixtures("found_once")
@pytest.mark.parametrize(
    ("extra", "renamed"), [("L6", {21: 20, 22: 21, 23: 22, 24: 23, 25: 24}), ("T13", {28: 20, 20: 21, 21: 22, 22: 23, 23: 24})]
)
def test_a_sixth_lumbar_or_thirteenth_thoracic_vertebra_is_taken_in_by_its_name(
    extra: str, renamed: dict[int, int], tmp_path: Path
) -> None:
    """The phantom's L1 to L5 are called L2 to L6 (and T12 L1), or T13 and L1 to L4, as VerSe and SPINEPS write them."""
    from tests.planner.anatomy.test_schemes import coded

    numbers = coded("verse", patient())
    wanted = np.zeros_like(numbers)
    for new, old in renamed.items():
        wanted[numbers == old] = new
    if extra == "L6":
        for new, old in ((20, 19), (19, 18), (18, 17)):
            wanted[numbers == old] = new
    else:
        for old in (17, 18, 19):
            wanted[numbers == old] = old
    taken = find_with_labels(patient().volume, map_of("verse", tmp_path / "map.nii.gz", wanted))
    names = [level.name for level in taken.levels]
    assert extra in names and names == sorted(names, key=codes.rank)
    assert taken.numbering == codes.USUAL.with_name(extra)
    assert (taken.labels == codes.vertebra(extra)).any()
    assert f"counts a {extra}" in (taken.structure("levels").problem or "")
    below = {"L6": "S1", "T13": "L1"}[extra]
    assert below in names
    true = {level.name: level.centre for level in patient().truth.levels}
    at = next(level.centre_mm for level in taken.levels if level.name == extra)
    assert np.linalg.norm(np.subtract(at, true["L5" if extra == "L6" else "L1"])) < 3.0


@pytest.mark.usefixtures("found_once")
@pytest.mark.parametrize(("steps", "asked"), [(0, False), (2, True)])
def test_bone_that_lies_in_the_found_canal_is_asked_about(steps: int, asked: bool, tmp_path: Path) -> None:
    """By names, with the true map or one that lies 4 mm too far back."""
    one = patient()
    (tmp_path / "map.json").write_text(json.dumps({str(code): name for code, name in one.label_names.items()}), "utf-8")
    vertebrae = [code for code, name in one.label_names.items() if name.startswith("vertebra ")]
    numbers = np.roll(np.where(np.isin(one.labels, vertebrae), one.labels, 0), steps, axis=1)
    write_nifti(tmp_path / "map.nii.gz", numbers, one.volume.frame)
    taken = find_with_labels(one.volume, tmp_path / "map.nii.gz")
    assert ("is bone in the label map: one of them lies wrong" in (taken.structure("bone").problem or "")) == asked


def test_a_tilted_scan_with_the_bone_of_a_map_ends_where_its_slices_do() -> None:
    frame = Frame.axial((20, 20, 20), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0))
    voxels = np.full(frame.shape, 1040, dtype=np.int16)
    tilted = Volume(frame, voxels, "CT", 1.0, -1024.0, field=frame.crop((5, 0, 0), frame.shape))
    given = np.zeros(frame.shape, dtype=np.uint8)
    given[10] = codes.BONE_OTHER
    made = take_in._with_bone(tilted, given)
    assert made.sample((20.0, 20.0, 30.0)) == 16.0  # as before
    assert made.sample((20.0, 20.0, 20.0)) > 300.0  # bone
    assert np.isnan(made.sample((20.0, 20.0, 4.0)))  # below the first slice
