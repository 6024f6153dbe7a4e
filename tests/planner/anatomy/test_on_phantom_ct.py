"""What the anatomy of a CT must reach on a patient whose every voxel is known."""

import numpy as np
import pytest

from planner.anatomy import find, labels
from planner.phantom.parameters import ModalityName
from tests.planner.anatomy.phantoms import dice, found, mirrored, phantom, true_mask

CANAL = ("epidural space", "thecal sac", "spinal cord")


def test_canal_overlaps_the_true_one() -> None:
    assert dice(true_mask(phantom(), *CANAL), found().mask(labels.CANAL)) >= 0.85


def test_centreline_runs_head_to_foot_in_steps_of_a_millimetre_or_less() -> None:
    canal = found().canal
    written = np.round(canal.centreline_mm, 3)  # as files carry it
    assert np.linalg.norm(np.diff(written, axis=0), axis=1).max() <= 1.0
    assert np.all(np.diff(canal.centreline_mm[:, 2]) < 0)
    true = np.array(phantom().truth.centreline)
    inside = (true[:, 2] < canal.centreline_mm[0, 2]) & (true[:, 2] > canal.centreline_mm[-1, 2])
    apart = np.linalg.norm(true[inside][:, None] - canal.centreline_mm[None], axis=2).min(axis=1)
    assert inside.mean() > 0.9
    assert np.median(apart) < 2.0
    assert apart.max() < 6.0


def test_frames_of_the_canal_are_orthonormal() -> None:
    canal = found().canal
    tangent = np.gradient(canal.centreline_mm, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    for one, other in ((canal.left, canal.back), (canal.left, tangent), (canal.back, tangent)):
        assert np.abs((one * other).sum(axis=1))[3:-3].max() < 0.12
    assert np.all(canal.left[:, 0] > 0.8)
    assert np.all(canal.back[:, 1] > 0.4)


def test_every_level_of_the_lumbar_spine_is_named_and_placed_within_5_mm() -> None:
    levels = {level.name: np.array(level.centre_mm) for level in found().levels}
    for true in phantom().truth.levels:
        if true.name in ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1"):
            assert np.linalg.norm(levels[true.name] - true.centre) < 5.0, true.name


def test_foramina_lie_where_they_are_and_carry_the_right_side() -> None:
    mine = {(f.between, str(f.side)): f for f in found().foramina}
    for true in phantom().truth.foramina:
        if true.between[0] in ("T11", "T12", "L1", "L2", "L3", "L4"):
            one = mine[(true.between, true.side)]
            assert np.linalg.norm(np.subtract(one.centre_mm, true.centre)) < 5.0, (true.between, true.side)
            assert 0.8 * true.height_mm < one.height_mm < 1.2 * true.height_mm
            assert one.axis[0] * (1 if one.side == "left" else -1) > 0.7


def test_windows_lie_between_the_right_laminae() -> None:
    mine = {w.between: w for w in found().windows}
    for true in phantom().truth.windows:
        if true.between[0] in ("L1", "L2", "L3", "L4"):
            assert np.linalg.norm(np.subtract(mine[true.between].centre_mm, true.centre)) < 7.0, true.between


def test_bone_and_body_overlap_the_true_ones() -> None:
    one, mine = phantom(), found()
    bone = true_mask(one, *(name for name in one.label_names.values() if name.startswith("vertebra ") or name == "bone other"))
    assert dice(bone, mine.mask(labels.BONE)) > 0.85
    assert dice(one.labels > 0, mine.labels > 0) > 0.98
    for level in ("L2", "L3", "L4"):
        assert dice(true_mask(one, f"vertebra {level}"), mine.mask((labels.vertebra(level),))) > 0.75, level


def test_roots_start_at_the_sac_leave_to_their_side_and_keep_off_bone() -> None:
    mine = found()
    assert {root.side for root in mine.roots} == {"left", "right"}
    for root in mine.roots:
        sign = 1.0 if root.side == "left" else -1.0
        start = mine.canal.locate(root.path_mm[0])
        assert start.inside
        end = mine.canal.locate(root.path_mm[-1])
        assert not end.inside
        aside_mm = 4.0 if root.level.startswith("S") else 12.0  # the roots of the sacrum leave it to the front
        assert (root.path_mm[-1] - root.path_mm[0])[0] * sign > aside_mm
        assert np.linalg.norm(np.diff(root.path_mm, axis=0), axis=1).max() < 2.0
        index = np.rint(mine.frame.to_index(root.path_mm[root.ganglion])).astype(int)
        here = mine.labels[index[:, 0], index[:, 1], index[:, 2]]
        assert np.isin(here, labels.BONE).mean() < 0.35, (root.level, root.side)


def test_every_structure_says_how_it_is_known() -> None:
    mine = found()
    names = {"canal", "sac", "cord", "levels", "foramina", "windows", "roots", "skin", "bone", "lung", "kidney", "bowel gas", "aorta",
             "vena cava", "vertebral artery"}  # fmt: skip
    assert names <= set(mine.structures)
    for name, structure in mine.structures.items():
        assert structure.provenance in ("found", "modelled", "not checked"), name
        assert (structure.confidence is None) == (structure.provenance == "not checked"), name
    assert mine.structure("kidney").provenance == "not checked"
    assert mine.structure("cord").provenance == "modelled"
    assert mine.structure("liver").provenance == "not checked"


def test_labels_stay_inside_the_patient_and_have_names() -> None:
    mine = found()
    assert mine.labels.dtype == np.uint8
    assert mine.labels.shape == phantom().volume.frame.shape
    for code in np.unique(mine.labels):
        assert code == 0 or labels.name(int(code))
    outside = ~np.isin(mine.labels, (0,)) & (phantom().labels == 0)
    assert outside.mean() < 0.005


def test_a_mirrored_patient_gives_the_mirrored_anatomy() -> None:
    straight, mirror = found(), mirrored()
    other = {"left": "right", "right": "left"}
    there = {(f.between, other[f.side]): f for f in mirror.foramina}
    assert len(there) == len(straight.foramina)
    for one in straight.foramina:
        twin = there[(one.between, one.side)]
        assert np.abs(np.multiply(twin.centre_mm, (-1, 1, 1)) - one.centre_mm).max() < 2.0
    for level, other_level in zip(straight.levels, mirror.levels):
        assert level.name == other_level.name
        limit_mm = 5.0 if level.name[0] == "S" else 3.0  # the borders of fused vertebrae hardly stand out
        assert np.abs(np.multiply(other_level.centre_mm, (-1, 1, 1)) - level.centre_mm).max() < limit_mm


def test_a_guessed_name_is_never_claimed_as_sure() -> None:
    guessed = find(phantom().volume)
    assert guessed.anchor is not None
    assert guessed.anchor.by == "program"
    assert guessed.anchor.confidence is not None
    assert guessed.anchor.confidence < 0.95
    assert "guess" in (guessed.structure("levels").problem or "")
    # the sacrum is in view, so this guess should be right
    names = {level.name: level.centre_mm for level in guessed.levels}
    true = {level.name: level.centre for level in phantom().truth.levels}
    assert np.linalg.norm(np.subtract(names["L4"], true["L4"])) < 6.0


@pytest.mark.parametrize("modality", ["myelogram"])
def test_the_sac_of_a_myelogram_is_found(modality: ModalityName) -> None:
    one, mine = phantom(modality), found(modality)
    assert mine.structure("sac").provenance == "found"
    assert dice(true_mask(one, "thecal sac", "spinal cord"), mine.mask((labels.THECAL_SAC, labels.SPINAL_CORD))) > 0.7
    assert dice(true_mask(one, *CANAL), mine.mask(labels.CANAL)) > 0.75
