"""Other ways to group a series: what each gives, that nothing passes unjudged, and that it is found again."""

import shutil

import numpy as np
import pytest

from planner.progress import silent
from planner.refusal import Refusal
from planner.scan import load, read
from planner.scan.choice import in_force, worth_regrouping
from planner.scan.grouping import Grouping, range_words, read_ranges
from planner.scan.regroup import numbered, offers, regrouped, with_grouping
from tests.data import real
from tests.planner.scan.test_geometry import assert_true
from tests.planner.scan.writer import ROOT, Stack, edit, hu, other, write

UID = f"{ROOT}.1"


def brighter(points):
    return hu(points) + 40


def given(scan, uid=UID):
    """What each way gives: words of the way -> [(slices, verdict), ...]."""
    return {
        offer.grouping.words if offer.grouping else "as found": [(one.slices, one.verdict) for one in offer.series]
        for offer in offers(scan, uid, silent)
    }


def said(series):
    return " ".join((*series.reasons, *series.repairs))


@pytest.fixture
def phases(tmp_path):
    """Two phases of one place, told apart by acquisition and time."""
    write(tmp_path, Stack(extra=(("AcquisitionNumber", 1), ("AcquisitionTime", "101500"))), "a{}.dcm")
    second = Stack(first_number=50, extra=(("AcquisitionNumber", 2), ("AcquisitionTime", "101600")))
    write(tmp_path, second, "b{}.dcm", brighter)
    return read(tmp_path)


@pytest.fixture
def doubled(tmp_path):
    """One place is shown twice, by images that differ."""
    write(tmp_path, Stack(places=tuple(range(14))), "a{}.dcm")
    write(tmp_path, Stack(centre=(0, 0, -3), places=(5,), first_number=80), "b{}.dcm", brighter)
    edit(next(tmp_path.glob("b*.dcm")), ImagePositionPatient=[-48.75, -47.0, -3.0])
    return read(tmp_path)


def test_phases_put_together_are_refused_and_each_alone_is_good(phases):
    assert [one.verdict for one in phases.series] == ["good", "good"]
    ways = given(phases)
    assert ways["as found"] == [(12, "good"), (12, "good")]
    assert ways["all slices as one volume"] == [(24, "refused")]
    whole = offers(phases, UID)[1].series[0]
    assert "lie in the same place" in said(whole) and "Grouped by hand, all slices as one volume." in said(whole)
    with pytest.raises(Refusal, match="same place"):
        load(whole)


def test_two_echoes_by_hand(tmp_path):
    for name, echo, first in (("a", 12, 1), ("b", 80, 50)):
        stack = Stack(modality="MR", first_number=first, extra=(("EchoTime", echo),))
        write(tmp_path, stack, name + "{}.dcm", hu if echo == 12 else brighter)
    scan = read(tmp_path)
    low, high = regrouped(scan, UID, Grouping("echo time"))
    assert low.verdict == high.verdict == "repaired"
    assert low.repairs == ("Grouped by hand, by echo time, volume 1 of 2 (echo time 12.0).",)
    assert np.array_equal(load(high).values(), load(low).values() + 40)
    assert len({low.key, high.key, *(one.key for one in scan.series)}) == 4


def test_a_volume_of_two_echoes_is_said(tmp_path):
    """Half of each echo: even in space, so it can be loaded, but it says what it is."""
    for name, echo, places in (("a", 12, range(6)), ("b", 80, range(6, 12))):
        stack = Stack(modality="MR", centre=(0, 0, 2 * np.mean(places)), places=tuple(places), extra=(("EchoTime", echo),))
        write(tmp_path, other(stack, first_number=places[0] + 1), name + "{}.dcm")
    scan = read(tmp_path)
    (one,) = regrouped(scan, UID, Grouping("ranges", ((1, 12),)))
    assert one.usable and "differ in echo time" in said(one)
    assert given(scan)["by echo time"] == [(6, "repaired"), (6, "repaired")]


def test_two_stacks_by_their_even_runs(tmp_path):
    """Each too short for the program to offer it by itself."""
    write(tmp_path, Stack(places=tuple(range(6))), "a{}.dcm")
    write(tmp_path, Stack(places=tuple(range(8)), centre=(5, 0, 60), first_number=40), "b{}.dcm")
    scan = read(tmp_path)
    assert [one.verdict for one in scan.series] == ["refused"] and UID in worth_regrouping(scan)
    assert given(scan)["by even runs of slices"] == [(8, "repaired"), (6, "repaired")]
    for one in regrouped(scan, UID, Grouping("even runs")):
        assert_true(load(one))


def test_a_doubled_place_by_turn_and_by_leaving_one_out(doubled):
    (found,) = doubled.series
    assert found.verdict == "refused" and "Slices 6 and 7 lie in the same place" in said(found)
    assert given(doubled)["by turn: the first image of every place, then the second"] == [(14, "repaired"), (1, "refused")]
    for left_out in (6, 7):
        (one,) = regrouped(doubled, UID, Grouping("one", without=((left_out, left_out),)))
        assert one.verdict == "repaired" and f"without slice {left_out}." in one.repairs[0]
    assert not np.array_equal(*(load(regrouped(doubled, UID, Grouping("one", without=((n, n),)))[0]).values()[5] for n in (6, 7)))


def test_reference_images_inside(tmp_path):
    """Two sagittal ones among axial slices: apart as found, refused with the others, counted last."""
    write(tmp_path, Stack(), "a{}.dcm")
    write(tmp_path, Stack(row=(0, 1, 0), column=(0, 0, -1), step=(4, 0, 0), places=(0, 1), first_number=90), "b{}.dcm")
    scan = read(tmp_path)
    assert given(scan)["as found"] == [(12, "good"), (2, "refused")]
    assert "different orientations" in said(regrouped(scan, UID, Grouping("one"))[0])
    (one,) = regrouped(scan, UID, Grouping("one", without=((13, 14),)))
    assert one.slices == 12
    assert_true(load(one))


def test_localizers_can_be_had_by_their_numbers(tmp_path):
    """An even stack of which the tags call three slices localizers."""
    write(tmp_path, Stack())
    for path in sorted(tmp_path.iterdir())[:3]:
        edit(path, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    scan = read(tmp_path)
    assert scan.series[0].slices == 9 and scan.skipped_count == 3
    assert regrouped(scan, UID, Grouping("one"))[0].slices == 9
    (one,) = regrouped(scan, UID, Grouping("ranges", ((1, 12),)))
    assert one.slices == 12 and "differ in kind of image" in said(one)
    assert_true(load(one))


def test_ranges_that_a_person_gives(phases, tmp_path):
    write(tmp_path / "one", Stack(places=tuple(range(30))))
    scan = read(tmp_path / "one")
    parts = regrouped(scan, UID, Grouping("ranges", ((1, 10), (11, 30)), ((30, 30),)))
    assert [one.slices for one in parts] == [19, 10]
    assert parts[0].repairs[0] == "Grouped by hand, slices 1-10, 11-30, without slice 30, volume 2 of 2."
    for one in parts:
        assert_true(load(one))


@pytest.mark.parametrize(
    ("grouping", "words"),
    [
        (Grouping("ranges", ((1, 12), (20, 99))), "fewer than when it was grouped"),
        (Grouping("one", without=((1, 24),)), "No slices are left"),
        (Grouping("ranges"), "No slices are left"),
        (Grouping("colour"), "do not say what they are grouped by"),
    ],
)
def test_a_grouping_that_does_not_fit_is_refused(phases, grouping, words):
    with pytest.raises(Refusal, match=words):
        regrouped(phases, UID, grouping)


def test_every_third_slice_is_judged_by_its_distance(tmp_path):
    write(tmp_path, Stack(places=tuple(range(30))))
    scan = read(tmp_path)
    third = tuple((n, n) for n in range(1, 31) if n % 3 == 1)
    (one,) = regrouped(scan, UID, Grouping("one", without=tuple((n, n) for n in range(1, 31) if (n, n) not in third)))
    assert one.verdict == "refused" and "6.0 mm apart: too thick" in said(one)


def test_frames_of_reference_are_not_put_together(tmp_path):
    write(tmp_path, Stack(), "a{}.dcm")
    write(tmp_path, other(Stack(), centre=(0, 0, 24), first_number=60, extra=(("FrameOfReferenceUID", "1.2.3"),)), "b{}.dcm")
    (one,) = regrouped(read(tmp_path), UID, Grouping("one"))
    assert one.verdict == "refused" and "different frames of reference" in said(one) and one.way_out


def test_a_few_slices_of_two_frames_of_reference_are_not_put_together(tmp_path):
    """Two of each are too few to be volumes of their own; that the series has such is what counts."""
    write(tmp_path, Stack(), "a{}.dcm")
    write(tmp_path, other(Stack(), centre=(0, 0, 24), first_number=60, extra=(("FrameOfReferenceUID", "1.2.3"),)), "b{}.dcm")
    (one,) = regrouped(read(tmp_path), UID, Grouping("ranges", ((11, 14),)))
    assert one.verdict == "refused" and "different frames of reference" in said(one)


def test_kinds_are_not_put_together(tmp_path):
    """One UID for a CT and an MR, each half of an even stack."""
    write(tmp_path, Stack(), "a{}.dcm")
    write(tmp_path, other(Stack(), modality="MR", centre=(0, 0, 24), first_number=60), "b{}.dcm")
    (one,) = regrouped(read(tmp_path), UID, Grouping("one"))
    assert one.verdict == "refused" and said(one) == "The slices are of different kinds: CT and MR."


def test_numbers_and_volumes_do_not_depend_on_file_names(tmp_path, phases):
    shutil.copytree(phases.root, tmp_path / "there")
    for n, path in enumerate(sorted((tmp_path / "there").glob("*.dcm"), reverse=True)):
        path.rename(path.with_name(f"{n:03d}"))
    there = read(tmp_path / "there")
    assert [one.image_uid for one in numbered(phases, UID)] == [one.image_uid for one in numbered(there, UID)]
    grouping = Grouping("ranges", ((1, 24),), tuple((n, n) for n in range(2, 25, 2)))
    here, again = (regrouped(scan, UID, grouping)[0] for scan in (phases, there))
    assert here.usable and here.fingerprint == again.fingerprint


def test_ways_without_a_difference_are_not_offered(tmp_path, phases):
    write(tmp_path / "one", Stack())
    plain = read(tmp_path / "one")
    assert list(given(plain)) == ["as found"] and not worth_regrouping(plain)
    # by acquisition, by time, by both: what the program did by itself
    assert list(given(phases)) == ["as found", "all slices as one volume"] and UID in worth_regrouping(phases)


def test_a_grouping_stands_beside_what_was_found(phases):
    grouping = Grouping("ranges", ((1, 24),), tuple((n, n) for n in range(1, 25, 2)))
    scan = with_grouping(phases, UID, grouping)
    assert with_grouping(scan, UID, grouping) is scan
    assert in_force(scan, None, None) == in_force(scan, UID, None) == phases.series
    assert [one.grouping for one in in_force(scan, UID, grouping)] == [grouping]


def test_one_file_has_no_slices_to_group(tmp_path):
    with pytest.raises(Refusal, match="one file"):
        regrouped(read(real("cervical-mr/t2-crop.nii.gz")), "1.2", Grouping("one"))


@pytest.mark.parametrize(
    ("text", "ranges"), [("1-40, 41-80", ((1, 40), (41, 80))), ("13", ((13, 13),)), ("", ()), (" 2 – 3 ;5", ((2, 3), (5, 5)))]
)
def test_ranges_as_they_are_written(text, ranges):
    assert read_ranges(text, 80) == ranges
    assert read_ranges(range_words(ranges), 80) == ranges


@pytest.mark.parametrize("text", ["a", "4-2", "0-3", "1-81", "1-2-3", "-5", "1.5", "9999999"])
def test_what_is_no_range(text):
    with pytest.raises(Refusal, match=r"range|no slices"):
        read_ranges(text, 80)


@pytest.mark.real
def test_a_real_series_of_two_spacings():
    scan = read(real("gantry-tilt-head-ct/ge-uneven"))
    uid = scan.series[0].uid
    for offer in offers(scan, uid):
        for one in offer.series:
            assert one.usable or (one.reasons and one.way_out)
    (thin,) = (one for one in regrouped(scan, uid, Grouping("ranges", ((1, 14),))))
    found = next(one for one in scan.series if one.usable)
    assert np.array_equal(load(thin).voxels, load(found).voxels)
