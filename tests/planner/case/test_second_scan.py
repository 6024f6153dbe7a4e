"""A second scan in the case: acts, undo by value, its file, and that no plan depends on it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from planner.case.acts import (
    add_second,
    choose_scan,
    confirm_leak,
    move_leak,
    move_second,
    plan_on_second,
    register_second,
    remove_second,
)
from planner.case.carried import carried_words
from planner.case.case import Case, ScanReference
from planner.case.file import DamagedCase, case_bytes, open_case, save_case
from planner.case.keys import anatomy_key, scan_key, site_key
from planner.case.scan_reference import find_reference
from planner.refusal import Refusal
from planner.registration import LevelError, Registration, Rigid
from planner.scan.crop import Crop
from tests.planner.case.hand_made import plan, series

MR = replace(series(), uid="1.2.840.100", part=0, modality="MR", size=(20, 64, 64))
LAID = Registration(
    Rigid((1.5, -0.25, 0.0), (3.0, 4.5, -12.25), (0.0, -20.0, -45.0)),
    "search",
    0.6123,
    (
        LevelError((0.0, -20.0, -20.0), 0.4, (0.1, 0.2, 0.33)),
        LevelError((0.0, -20.0, -45.0), None, None, "the second scan does not hold it"),
    ),
)


def planned(tmp_path: Path) -> Case:
    """A case with everything in it, its scan where the file can find it."""
    case = plan().case
    assert case.scan is not None
    return replace(case, scan=replace(case.scan, path=str(tmp_path / "ct")))


def two(tmp_path: Path) -> Case:
    return register_second(add_second(planned(tmp_path), tmp_path / "mr", MR).case, LAID).case


def test_a_second_scan_is_kept_with_where_it_was_laid(tmp_path: Path) -> None:
    case = two(tmp_path)
    save_case(case, tmp_path / "case.duraplan")
    assert open_case(tmp_path / "case.duraplan") == case
    content = json.loads((tmp_path / "case.duraplan").read_text("utf-8"))["case"]["second"]
    assert content["scan"]["path"] == "mr"
    assert content["registration"]["placed"]["shift_mm"] == [3.0, 4.5, -12.25]
    assert content["registration"]["levels"][1]["error_mm"] is None


def test_a_case_without_one_and_a_file_from_before_open_as_they_did(tmp_path: Path) -> None:
    case = planned(tmp_path)
    content = json.loads(case_bytes(case, tmp_path))
    assert content["case"].pop("second") is None
    del content["checksum"]
    content["version"] = 3
    from planner.case.file import _checksum

    content["checksum"] = _checksum(content)
    (tmp_path / "old.duraplan").write_text(json.dumps(content), "utf-8")
    assert open_case(tmp_path / "old.duraplan") == case


def test_nothing_that_is_derived_for_the_plan_depends_on_it(tmp_path: Path) -> None:
    before, after = planned(tmp_path), two(tmp_path)
    assert scan_key(before) == scan_key(after) and anatomy_key(before) == anatomy_key(after)
    assert [site_key(before, n) for n in range(len(before.sites))] == [site_key(after, n) for n in range(len(after.sites))]
    assert after.sites == before.sites and after.anchor == before.anchor


def test_the_scan_that_is_planned_on_is_no_second_one_and_no_scan_has_none(tmp_path: Path) -> None:
    case = planned(tmp_path)
    assert case.scan is not None
    own = replace(series(), uid=case.scan.series_uid, part=case.scan.part)
    same = replace(case, scan=replace(case.scan, size=own.size, fingerprint=own.fingerprint))
    with pytest.raises(Refusal, match="planned on"):
        add_second(same, tmp_path / "ct", own)
    with pytest.raises(Refusal, match="no scan to plan on"):
        add_second(Case(), tmp_path / "mr", MR)
    for act in (plan_on_second, lambda one: move_second(one, Rigid()), lambda one: register_second(one, LAID)):
        with pytest.raises(Refusal, match="no second scan"):
            act(case)


def test_a_hand_moves_it_and_its_levels_are_to_be_measured_anew(tmp_path: Path) -> None:
    case = two(tmp_path)
    act = move_second(case, LAID.placed.shifted((0.0, 2.0, 0.0)))
    assert act.name == "move the second scan by hand" and act.case.second is not None
    laid = act.case.second.registration
    assert laid is not None and laid.start == "by hand" and laid.levels is None and laid.verdict == "not measured"
    assert move_second(case, LAID.placed).case == case
    with pytest.raises(Refusal, match="no place"):
        move_second(case, Rigid(shift_mm=(float("nan"), 0.0, 0.0)))


def test_the_other_scan_is_planned_on_by_choice_and_the_first_stays_in_its_place(tmp_path: Path) -> None:
    case = two(tmp_path)
    act = plan_on_second(case)
    assert act.name == "plan on the other scan"
    assert act.case.scan is not None and act.case.scan.series_uid == MR.uid
    assert act.case.sites == () and act.case.anchor is None, "with a registration that is not good no place is known in the second"
    assert carried_words(case, act.case) == "The leak mark was cleared; the name L2 was cleared."
    assert act.case.second is not None and act.case.second.scan == case.scan
    laid = act.case.second.registration
    assert laid is not None and laid.levels is None
    at = (12.0, -31.0, -77.0)
    assert laid.placed(LAID.placed(at)) == pytest.approx(at)


def laid_well(tmp_path: Path, *unchecked: int) -> Case:
    """Three levels, the leak at the second; LAID's place."""
    places = ((0.0, -20.0, -20.0), (0.0, -20.0, -45.0), (0.0, -20.0, -120.0))
    levels = tuple(LevelError(at, None if n in unchecked else 0.4) for n, at in enumerate(places))
    return register_second(two(tmp_path), replace(LAID, levels=levels)).case


def test_names_and_leak_marks_go_along_where_the_registration_is_good(tmp_path: Path) -> None:
    case = laid_well(tmp_path)
    after = plan_on_second(case).case
    (before,), (site,) = case.sites, after.sites
    assert LAID.placed(site.leak.position_mm) == pytest.approx(before.leak.position_mm), "the same place of the patient"
    assert case.anchor is not None and after.anchor is not None
    assert LAID.placed(after.anchor.position_mm) == pytest.approx(case.anchor.position_mm)
    assert (after.anchor.name, after.anchor.by, after.anchor.why) == ("L2", "user", "named on the other scan")
    assert site.carried and site.taken is None, "a needle is a place among structures that nobody has looked at"
    assert (site.leak.kind, site.leak.side, site.approach, site.needle, site.blood_ml) == (
        before.leak.kind, before.leak.side, before.approach, before.needle, before.blood_ml,
    )  # fmt: skip
    assert carried_words(case, after) == "The leak mark was carried over: check each place; the name L2 was carried over."
    assert not confirm_leak(after, 0).case.sites[0].carried
    assert not move_leak(after, 0, replace(site.leak, position_mm=(0.0, 1.0, 2.0))).case.sites[0].carried
    save_case(after, tmp_path / "case.duraplan")
    assert open_case(tmp_path / "case.duraplan") == after


def test_what_lies_where_no_level_was_checked_does_not_go_along(tmp_path: Path) -> None:
    case = laid_well(tmp_path, 2)
    far = replace(case.sites[0], leak=replace(case.sites[0].leak, position_mm=(0.0, 0.0, -118.0)))
    beyond = replace(case.sites[0], leak=replace(case.sites[0].leak, position_mm=(0.0, 0.0, -300.0)))
    many = replace(case, sites=(case.sites[0], far, beyond), anchor=replace(case.anchor, position_mm=(0.0, -20.0, -120.0)))
    after = plan_on_second(many).case
    assert len(after.sites) == 1 and after.anchor is None
    assert after.sites[0].leak.level is None, "its level was counted from a name that did not go along"
    assert carried_words(many, after) == "1 of 3 leak marks were carried over: check each place; the name L2 was cleared."


def test_another_planning_scan_keeps_the_second_to_be_laid_anew_unless_it_is_the_one(tmp_path: Path) -> None:
    case = two(tmp_path)
    other = choose_scan(case, tmp_path / "ct", replace(series(), uid="1.2.3")).case
    assert other.second is not None and other.second.registration is None
    assert choose_scan(case, tmp_path / "mr", MR).case.second is None
    assert remove_second(case).case == planned(tmp_path)


def test_a_second_scan_that_is_gone_is_told_by_that_name(tmp_path: Path) -> None:
    case = two(tmp_path)
    assert case.second is not None
    with pytest.raises(Refusal, match="The second scan of this case is not at"):
        find_reference(case.second.scan, "The second scan", tmp_path / "case.duraplan")
    (tmp_path / "mr").mkdir()
    moved: ScanReference = replace(case.second.scan, path=str(tmp_path / "elsewhere" / "mr"))
    assert find_reference(moved, "The second scan", tmp_path / "case.duraplan") == tmp_path / "mr"


def test_a_file_in_which_the_second_scan_is_the_first_is_damaged(tmp_path: Path) -> None:
    case = two(tmp_path)
    assert case.second is not None and case.scan is not None
    save_case(replace(case, second=replace(case.second, scan=case.scan)), tmp_path / "case.duraplan")
    with pytest.raises(DamagedCase, match="second is no second scan"):
        open_case(tmp_path / "case.duraplan")


def test_a_file_in_which_the_second_scan_has_no_slices_is_damaged(tmp_path: Path) -> None:
    case = two(tmp_path)
    assert case.second is not None
    scan = replace(case.second.scan, crop=Crop((5, 2), (1, 9)))
    save_case(replace(case, second=replace(case.second, scan=scan)), tmp_path / "case.duraplan")
    with pytest.raises(DamagedCase, match=r"case\.second\.scan\.crop is no part of a picture"):
        open_case(tmp_path / "case.duraplan")
