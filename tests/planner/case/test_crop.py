"""A scan of which only a part was loaded: the case keeps which, and comes back to the same voxels."""

import json

import numpy as np
import pytest

from planner.case import file as case_file
from planner.case.acts import choose_scan
from planner.case.case import Case
from planner.case.file import case_bytes, find_scan, open_case, save_case, series_of
from planner.case.keys import scan_key
from planner.refusal import Refusal
from planner.scan import load, read
from planner.scan.crop import Crop
from planner.scan.spine_only import cropped
from tests.planner.scan import test_part_of_file as one_file
from tests.planner.scan.writer import Stack, other, write

CROP = Crop(rows=(5, 40), columns=(9, 36))


@pytest.fixture
def saved(tmp_path):
    scan = read(write(tmp_path / "scan", Stack()))
    case = choose_scan(Case(), scan.root, cropped(scan.series[0], CROP)).case
    save_case(case, tmp_path / "case.duraplan")
    return tmp_path / "case.duraplan"


def test_the_case_comes_back_to_the_same_part(saved):
    case = open_case(saved)
    assert case.scan is not None and case.scan.crop == CROP
    scan = read(find_scan(case, saved))
    series = series_of(case, scan)
    assert series.crop == CROP
    before, again = load(cropped(scan.series[0], CROP)), load(series)
    assert again.frame == before.frame and np.array_equal(again.voxels, before.voxels)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_the_case_comes_back_to_the_same_part_of_one_file(tmp_path, name):
    scan = read(one_file.write(tmp_path / name, one_file.frame_along(one_file.AXES["sagittal"])))
    part = cropped(scan.series[0], one_file.CROP)
    save_case(choose_scan(Case(), scan.root, part).case, tmp_path / "case.duraplan")
    case = open_case(tmp_path / "case.duraplan")
    series = series_of(case, read(find_scan(case, tmp_path / "case.duraplan")))
    assert series.crop == one_file.CROP and series.fingerprint == part.fingerprint
    before, again = load(part), load(series)
    assert again.frame == before.frame and np.array_equal(again.voxels, before.voxels)


def test_the_whole_is_another_scan(saved):
    part = open_case(saved)
    scan = read(find_scan(part, saved))
    whole = choose_scan(part, scan.root, scan.series[0])
    assert whole.name == "choose a series"
    assert whole.case.scan is not None and whole.case.scan.crop is None
    assert scan_key(whole.case) != scan_key(part)
    moved = choose_scan(part, scan.root, cropped(scan.series[0], Crop((6, 41), (9, 36))))
    assert moved.name == "choose a series"


def test_pictures_of_another_size_are_refused(saved, tmp_path):
    for one in (tmp_path / "scan").iterdir():
        one.unlink()
    write(tmp_path / "scan", other(Stack(), rows=32, columns=30))
    with pytest.raises(Refusal, match="not in its folder"):
        series_of(open_case(saved), read(tmp_path / "scan"))


@pytest.mark.parametrize("rows", [[0, 40], [40, 5], [5, 6]])
def test_a_part_that_no_picture_has_is_damage(saved, rows):
    content = json.loads(saved.read_bytes())
    content["case"]["scan"]["crop"]["rows"] = rows
    content["checksum"] = case_file._checksum({key: value for key, value in content.items() if key != "checksum"})
    saved.write_text(json.dumps(content))
    with pytest.raises(case_file.DamagedCase, match="no part of a picture"):
        open_case(saved)


def test_a_case_without_a_crop_says_so(tmp_path):
    scan = read(write(tmp_path / "scan", Stack()))
    case = choose_scan(Case(), scan.root, scan.series[0]).case
    assert json.loads(case_bytes(case, tmp_path))["case"]["scan"]["crop"] is None
