"""A series that a person grouped otherwise: the case keeps it, and comes back to the same volume."""

import json
import shutil

import numpy as np
import pytest

from planner.case import file as case_file
from planner.case.acts import choose_scan
from planner.case.case import Case
from planner.case.file import as_grouped, case_bytes, find_scan, open_case, save_case, series_of
from planner.refusal import Refusal
from planner.scan import load, read
from planner.scan.grouping import Grouping
from planner.scan.regroup import with_grouping
from tests.planner.scan.writer import ROOT, Stack, write

UID = f"{ROOT}.1"
SECOND = Grouping("ranges", ((1, 10), (11, 30)), ((30, 30),))


@pytest.fixture
def saved(tmp_path):
    """A case on the slices 11 to 29 of thirty, and those."""
    scan = with_grouping(read(write(tmp_path / "scan", Stack(places=tuple(range(30))))), UID, SECOND)
    series = next(one for one in scan.series if one.grouping == SECOND and one.slices == 19)
    case = choose_scan(Case(), scan.root, series).case
    save_case(case, tmp_path / "case.duraplan")
    return tmp_path / "case.duraplan", load(series)


def test_the_case_comes_back_to_the_same_volume(saved):
    path, before = saved
    case = open_case(path)
    assert case.scan is not None and case.scan.grouping == SECOND
    scan = as_grouped(case, read(find_scan(case, path)))
    series = series_of(case, scan)
    assert series in scan.series and "slices 1-10, 11-30, without slice 30" in series.repairs[0]
    again = load(series)
    assert again.frame == before.frame and np.array_equal(again.voxels, before.voxels)


def test_it_moves_with_its_files_whatever_they_are_called(saved, tmp_path):
    path, before = saved
    there = tmp_path / "there"
    there.mkdir()
    for n, one in enumerate(sorted((tmp_path / "scan").iterdir(), reverse=True)):
        shutil.move(one, there / f"{n:04d}")
    assert np.array_equal(load(series_of(open_case(path), read(there))).voxels, before.voxels)


def test_slices_that_have_gone_are_refused(saved, tmp_path):
    files = sorted((tmp_path / "scan").iterdir())
    for one in files[3:]:
        one.unlink()
    with pytest.raises(Refusal, match="fewer than when it was grouped"):
        series_of(open_case(saved[0]), read(tmp_path / "scan"))


def test_other_slices_are_refused(saved, tmp_path):
    write(tmp_path / "scan", Stack(places=tuple(range(30)), centre=(0, 0, 5)))
    with pytest.raises(Refusal, match="not the ones"):
        series_of(open_case(saved[0]), read(tmp_path / "scan"))


def test_a_case_from_before_opens(tmp_path):
    scan = read(write(tmp_path / "scan", Stack()))
    content = json.loads(case_bytes(choose_scan(Case(), scan.root, scan.series[0]).case, tmp_path))
    del content["case"]["scan"]["grouping"]
    content["version"] = 3
    content["checksum"] = case_file._checksum({key: value for key, value in content.items() if key != "checksum"})
    path = tmp_path / "old.duraplan"
    path.write_text(json.dumps(content), "utf-8")
    assert series_of(open_case(path), scan) == scan.series[0]


def test_another_grouping_of_the_same_slices_is_the_same_scan(tmp_path):
    scan = read(write(tmp_path / "scan", Stack()))
    found = choose_scan(Case(), scan.root, scan.series[0]).case
    one = with_grouping(scan, UID, Grouping("ranges", ((1, 12),))).series[-1]
    assert choose_scan(found, scan.root, one).name == "say where the scan is now"
    fewer = with_grouping(scan, UID, Grouping("ranges", ((1, 11),))).series[-1]
    assert choose_scan(found, scan.root, fewer).name == "choose a series"


def test_a_grouping_that_nobody_made_is_damage(saved):
    path, _ = saved
    content = json.loads(path.read_text("utf-8"))
    content["case"]["scan"]["grouping"]["ranges"] = [[1, 10**12]]
    content["checksum"] = case_file._checksum({key: value for key, value in content.items() if key != "checksum"})
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(Refusal, match="names slices that no series has"):
        open_case(path)
