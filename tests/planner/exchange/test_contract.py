"""Every JSON that leaves, key by key against the contract. The lists of keys are written here, not taken from the code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planner.anatomy import LeakHint, Structure, labels
from planner.anatomy.spine import Facet, Lamina, Landmarks, Pedicle
from planner.case.case import ScanReference, SecondScan
from planner.exchange.anatomy_files import labels_on_scan, write_anatomy
from planner.exchange.contract_json import json_text, number
from planner.exchange.plan_file import plan_content
from planner.geometry import Frame, read_nifti
from planner.registration import LevelError, Registration, Rigid
from planner.scan.series import Series
from tests.planner.case import hand_made

PLAN = ["format", "version", "series_uid", "part", "position", "leaks", "candidates", "none_found", "patch", "patch_problem", "provenance"]
LEAK = ["position", "kind", "certainty", "level", "side", "approach"]
CANDIDATE = [
    *("leak", "rank", "approach", "level", "side", "needle", "entry", "target", "depth_mm", "in_plane_deg", "out_of_plane_deg"),
    *("entry_offset_mm", "clearance_mm", "checks", "score", "error", "taken"),
]
DOSE_ROW = ["ml", "leak_covered", "canal_fill_max", "levels_up", "levels_down", "sac_reduction_max", "escaped_ml", "ventral_ml"]


def test_plan_json_has_every_key_of_the_contract() -> None:
    made = json.loads(json_text(plan_content(hand_made.plan())))
    assert list(made) == [*PLAN, "anchor", "numbering", "grouping", "crop", "second"]  # keys of our own come last
    assert (made["anchor"]["by"], made["numbering"]) == ("user", {"thoracic": 12, "lumbar": 5})
    assert (made["format"], made["version"], made["series_uid"], made["part"]) == ("duraplan/plan", 1, "1.2.840.99", 1)
    assert made["position"] == "prone"
    assert [list(leak) for leak in made["leaks"]] == [[*LEAK, "carried"]] and made["leaks"][0]["carried"] is False
    approach = {"name": "transforaminal-ventral", "why": "A ventral leak calls for it.", "level": None, "warning": None}
    assert made["leaks"][0]["approach"] == approach
    assert [list(candidate) for candidate in made["candidates"]] == [CANDIDATE] * 2
    check_keys = ["name", "ok", "value", "limit", "unit", "source", "soft", "at_least"]
    assert [list(check) for check in made["candidates"][0]["checks"]] == [check_keys] * 6
    assert made["none_found"] is None
    assert list(made["patch"]) == ["injections", "dose_response", "ml_for_cover"]
    assert all(list(row) == DOSE_ROW for row in made["patch"]["dose_response"])
    assert list(made["provenance"]) == ["program", "version", "anatomy", "evidence"]


def test_plan_json_says_that_a_second_scan_was_shown_and_what_came_from_another() -> None:
    plan = hand_made.plan()
    assert plan_content(plan)["second"] is None
    levels = (LevelError((0.0, 0.0, 0.0), 0.4), LevelError((0.0, 0.0, -30.0), 4.6), LevelError((0.0, 0.0, -60.0), None, None, "not held"))
    second = SecondScan(ScanReference("/mr", "1.2.3", 0, (1, 2, 3), "x"), Registration(Rigid(), "search", 0.6, levels, ("A doubt.",)))
    carried = replace(plan.sites[0], site=replace(plan.sites[0].site, carried=True))
    made = plan_content(replace(plan, case=replace(plan.case, second=second), sites=(carried,)))
    assert made["leaks"][0]["carried"] is True
    assert made["second"] == {
        "series_uid": "1.2.3",
        "part": 0,
        "registration": "questionable",
        "levels": 3,
        "levels_checked": 2,
        "worst_mm": 4.6,
        "doubts": ["A doubt."],
    }
    alone = plan_content(replace(plan, case=replace(plan.case, second=replace(second, registration=None))))["second"]
    assert (alone["registration"], alone["levels"], alone["worst_mm"]) == ("none", None, None)


def test_plan_json_says_what_the_plan_says() -> None:
    made = plan_content(hand_made.plan())
    first, second = made["candidates"]
    assert (first["rank"], first["taken"], second["rank"], second["taken"]) == (1, True, 2, False)
    assert first["entry"] == [-20.0, 18.0, -34.0]
    assert (first["depth_mm"], first["in_plane_deg"], first["out_of_plane_deg"], first["entry_offset_mm"]) == (96.25, 41.6, -3.4, -70.75)
    assert first["clearance_mm"] == {"bone": 1.438, "roots": 2.9, "aorta": 31.0, "kidney": None}
    assert [check["ok"] for check in first["checks"]] == [True, True, True, None, False, True]
    assert made["patch"]["injections"] == [
        {"candidate": 0, "material": "fibrin", "ml": 4.0},
        {"candidate": 0, "material": "blood", "ml": 8.0},
    ]
    rows = made["patch"]["dose_response"]
    assert (rows[0]["ml"], rows[-1]["ml"]) == (0.5, 30.0)
    assert rows[11]["leak_covered"] == [0.4, 0.5, 0.55]
    assert made["patch"]["ml_for_cover"] == {"50": [5.0, 6.0, 7.0], "90": [7.2, 9.6, None], "95": [9.0, None, None]}
    assert made["provenance"]["anatomy"]["sac"] == "modelled"
    assert made["provenance"]["anatomy"]["kidney"] == "not checked"
    assert "leak.ventral_calls_for_transforaminal" in made["provenance"]["evidence"]
    assert "patch.limit_lumbar_one_level" in made["provenance"]["evidence"]


def test_nothing_found_is_said_with_its_reason() -> None:
    made = plan_content(hand_made.plan_without_needle())
    assert made["candidates"] == []
    assert made["none_found"] == {"leak": 0, "reason": "Bone closes the foramen. Try another level.", "rejected": {"bone": 41}}
    assert made["patch"] is None


def test_a_needle_placed_by_hand_comes_after_those_that_were_found() -> None:
    plan = hand_made.plan()
    moved = hand_made.candidate(0.3, (-30.0, 18.0, -34.0))
    made = plan_content(replace(plan, sites=(replace(plan.sites[0], taken=moved),)))
    assert [(each["rank"], each["taken"]) for each in made["candidates"]] == [(1, False), (2, False), (3, True)]
    assert {injection["candidate"] for injection in made["patch"]["injections"]} == {2}


def _series(frame: Frame | None) -> Series:
    return replace(hand_made.series(), uid="1.2.3", part=2, frame=frame)


def test_anatomy_json_has_every_key_of_the_contract(tmp_path: Path) -> None:
    write_anatomy(hand_made.anatomy(), _series(None), tmp_path)
    made = json.loads((tmp_path / "anatomy.json").read_text("utf-8"))
    assert list(made) == [
        *("format", "version", "series_uid", "part", "modality", "anchor", "structures", "canal", "levels", "foramina", "windows"),
        *("numbering", "leak_hints", "landmarks", "compartments"),  # keys of our own; the contract lets new ones come
    ]
    assert made["numbering"] == {"thoracic": 12, "lumbar": 5}
    assert made["leak_hints"] is None  # nobody looked
    assert (made["format"], made["version"], made["series_uid"], made["part"], made["modality"]) == (
        "duraplan/anatomy",
        1,
        "1.2.3",
        2,
        "CT",
    )
    assert made["anchor"] == {"name": "L2", "position": [0.0, -20.0, -45.0], "by": "user", "confidence": 1.0, "why": None}
    for name in ("canal", "sac", "cord", "levels", "foramina", "windows", "roots", "skin", "lung"):
        assert list(made["structures"][name]) == ["provenance", "confidence", "problem"]
    assert made["structures"]["kidney"] == {"provenance": "not checked", "confidence": None, "problem": None}
    assert made["structures"]["sac"]["problem"] == "Below L2 nothing tells sac from fat."
    lengths = {len(made["canal"][key]) for key in ("centreline", "area_mm2", "confidence")}
    assert lengths == {50}
    steps = np.diff(np.array(made["canal"]["centreline"]), axis=0)
    assert (steps[:, 2] < 0).all()  # head to foot
    assert np.linalg.norm(steps, axis=1).max() <= 1.0
    assert made["levels"][0] == {"name": "L1", "centre": [0.0, -20.0, -20.0], "confidence": 0.9}
    (foramen,) = made["foramina"]
    contract = {"between": ["L1", "L2"], "side": "right", "centre": [-12.0, 0.0, -31.0], "height_mm": 18.2, "width_mm": 8.9}
    assert dict(list(foramen.items())[:5]) == contract
    assert list(foramen)[5:] == ["axis", "thirds_mm", "area_mm2", "arterial_zone", "corridor"]
    assert (foramen["thirds_mm"], foramen["area_mm2"]) == (None, None)  # not measured in this one
    assert foramen["arterial_zone"]["weight"] == "weak"  # most lie left
    assert list(foramen["corridor"]) == ["angle_deg", "entry_mm", "ended_by", "not_checked"]
    assert foramen["corridor"]["not_checked"] == ["lung", "kidney", "bowel gas", "aorta", "vena cava"]
    assert made["landmarks"] is None  # nobody looked
    assert made["windows"] == [
        {"between": ["L1", "L2"], "centre": [0.0, 12.0, -33.0], "height_mm": 9.1, "width_mm": 14.2, "tilt_deg": 8.0},
    ]


def test_landmarks_and_compartments_are_written(tmp_path: Path) -> None:
    marks = Landmarks(
        "L1",
        (Pedicle("L1", "left", (16.0, -6.0, -16.0), (-0.1, -0.995, 0.0), 8.6123, 13.2, 0.8),),
        (Facet(("L1", "L2"), "left", (15.0, 8.0, -38.0), (0.9, -0.436, 0.0), 0.7),),
        (Lamina("left", (6.0, 9.0, -18.0), None),),
        None,
        (0.0, 0.0, -20.0),
        (1.0, 0.0, 0.0),
    )
    space = hand_made.anatomy().labels.copy()
    space[space == labels.THECAL_SAC] = labels.EPIDURAL_SPACE
    space[:, space.shape[1] // 2, space.shape[2] // 2] = labels.THECAL_SAC
    write_anatomy(replace(hand_made.anatomy(), landmarks=(marks,), labels=space), _series(None), tmp_path)
    made = json.loads((tmp_path / "anatomy.json").read_text("utf-8"))
    (told,) = made["landmarks"]
    assert list(told) == ["vertebra", "pedicles", "facets", "laminae", "spinous_tip", "midline"]
    assert told["pedicles"][0] == {
        "side": "left", "centre": [16.0, -6.0, -16.0], "axis": [-0.1, -0.995, 0.0], "width_mm": 8.61, "height_mm": 13.2, "confidence": 0.8,
    }  # fmt: skip
    assert told["laminae"] == [{"side": "left", "upper": [6.0, 9.0, -18.0], "lower": None}]
    assert told["spinous_tip"] is None
    assert told["midline"] == {"point": [0.0, 0.0, -20.0], "normal": [1.0, 0.0, 0.0]}
    assert {(one["level"], one["compartment"]) for one in made["compartments"]} >= {("L1-L2", "dorsal"), ("L1-L2", "left recess")}


def test_the_wall_is_written_by_direction_and_its_bridges_by_level(tmp_path: Path) -> None:
    known = hand_made.anatomy()
    open_left = np.zeros_like(known.canal.bridged)
    open_left[28:34, :4] = True  # 28 to 33 mm from its head end, 0 to 17 degrees from the left
    write_anatomy(replace(known, canal=replace(known.canal, bridged=open_left, bridge=None)), _series(None), tmp_path)
    canal = json.loads((tmp_path / "anatomy.json").read_text("utf-8"))["canal"]
    wall, sections = canal["wall"], len(canal["centreline"])
    assert list(wall) == ["left", "back", "radius_mm", "made_of", "letters"]
    assert {len(wall[key]) for key in ("left", "back", "radius_mm", "made_of")} == {sections}
    assert {len(one) for one in wall["radius_mm"]} == {len(one) for one in wall["made_of"]} == {64}
    assert wall["made_of"][30] == "FFFF" + 60 * "B"
    assert wall["made_of"][40] == 64 * "B"
    assert {letter: wall["letters"][letter] for letter in "BLFWDM"} == {
        "B": "bone", "L": "ligamentum flavum", "F": "foramen", "W": "interlaminar window", "D": "disc", "M": "metal",
    }  # fmt: skip
    (bridge,) = canal["bridges"]
    assert list(bridge) == ["kind", "between", "side", "s_mm", "area_mm2"]
    assert (bridge["kind"], bridge["between"], bridge["side"]) == ("foramen", ["L1", "L2"], "left")


def test_a_leak_hint_is_written_with_its_level_and_its_sentence(tmp_path: Path) -> None:
    known = hand_made.anatomy()
    at = (0.0, 5.0, -32.0)
    hints = (LeakHint(at, at, at, "dorsal", "left", 1.2),)
    looked = {**known.structures, "contrast outside": Structure("found", 0.7)}
    write_anatomy(replace(known, leak_hints=hints, structures=looked), _series(None), tmp_path)
    (hint,) = json.loads((tmp_path / "anatomy.json").read_text("utf-8"))["leak_hints"]
    assert hint == {
        "position": [0.0, 5.0, -32.0],
        "why": "contrast outside",
        "place": "dorsal",
        "level": "L1-L2",
        "reach": ["L1-L2", "L1-L2"],
        "side": "left",
        "volume_ml": 1.2,
        "note": "Bright fluid behind the sac at L1-L2, 1.2 mL: looks like leaked contrast.",
    }


def test_an_anchor_that_nobody_named_is_null(tmp_path: Path) -> None:
    write_anatomy(replace(hand_made.anatomy(), anchor=None), _series(None), tmp_path)
    made = json.loads((tmp_path / "anatomy.json").read_text("utf-8"))
    assert made["anchor"] == {"name": None, "position": None, "by": None, "confidence": None, "why": None}


@pytest.mark.parametrize(("order", "signs"), [((0, 1, 2), (1, 1, 1)), ((0, 1, 2), (-1, 1, -1)), ((2, 0, 1), (1, -1, 1))])
def test_labels_lie_on_the_grid_of_the_scan_as_stored(tmp_path: Path, order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    """Whatever way the scan's axes run, every voxel of the file names what is at its place."""
    anatomy = hand_made.anatomy()
    shape = [anatomy.frame.shape[axis] for axis in order]
    affine = anatomy.frame.affine[:, [*order, 3]].copy()
    for axis, sign in enumerate(signs):
        if sign < 0:
            affine[:3, 3] += affine[:3, axis] * (shape[axis] - 1)
            affine[:3, axis] *= -1
    stored = Frame((shape[0], shape[1], shape[2]), affine)
    write_anatomy(anatomy, _series(stored), tmp_path)
    file = read_nifti(tmp_path / "labels.nii.gz")
    assert file.problem is None
    assert file.frame.shape == stored.shape
    assert np.allclose(file.frame.affine, stored.affine, atol=1e-4)
    rng = np.random.default_rng(1)
    for index in rng.integers(0, shape, (200, 3)):
        here = np.rint(anatomy.frame.to_index(stored.to_world(index))).astype(int)
        assert file.voxels[tuple(index)] == anatomy.labels[tuple(here)]
    names = json.loads((tmp_path / "labels.json").read_text("utf-8"))
    assert names == {"1": "soft tissue", "4": "thecal sac", str(labels.vertebra("L1")): "vertebra L1"}


def test_a_sheared_scan_keeps_the_straightened_grid() -> None:
    anatomy = hand_made.anatomy()
    sheared = anatomy.frame.affine.copy()
    sheared[1, 0] = 0.6
    assert labels_on_scan(anatomy, Frame(anatomy.frame.shape, sheared))[1] == anatomy.frame


def test_unknown_is_null_and_never_zero() -> None:
    assert [number(value) for value in (None, float("nan"), float("inf"), -0.00001, 1.23456)] == [None, None, None, 0.0, 1.235]


def test_why_there_is_no_patch_is_in_the_plan() -> None:
    sentence = "The tip of needle 1 lies inside the thecal sac. Move it."
    made = plan_content(replace(hand_made.plan(), forecast=None, problem=sentence))
    assert (made["patch"], made["patch_problem"]) == (None, sentence)
    assert plan_content(hand_made.plan())["patch_problem"] is None
