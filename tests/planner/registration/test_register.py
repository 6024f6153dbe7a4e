"""Registration against the phantom's truth: patients that moved, bent, or are somebody else."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from planner.geometry import Frame, Volume
from planner.phantom.parameters import ModalityName
from planner.progress import Cancelled
from planner.refusal import Refusal
from planner.registration import Registration, Rigid, measured, patient_doubts, patient_known, register
from planner.registration.pictures import picture_of
from planner.scan.series import Identity, Series
from tests.planner.registration.pairs import cut, misplaced_mm, motion, patient, scanned_again, true_spine

MR_SPACING_MM = (1.8, 1.4, 1.4)


def errors_mm(found: Registration) -> dict[str, float]:
    names = [level.name for level in true_spine(patient()).levels]
    return {name: one.error_mm for name, one in zip(names, found.levels or ()) if one.error_mm is not None}


@pytest.mark.parametrize(
    ("modality", "turn_deg", "shift_mm", "limit_mm"),
    [("ct", 10.0, 25.0, 0.5), ("mr", 0.0, 0.0, 1.0), ("mr", 10.0, 25.0, 1.0), ("mr-t1", 6.0, 12.0, 1.0)],
)
def test_each_level_lies_within_a_millimetre_of_the_truth(
    modality: ModalityName, turn_deg: float, shift_mm: float, limit_mm: float
) -> None:
    """A CT and another scan of the patient, of other voxels, on another table (30 mm and more away, all shifts together)."""
    first, second = patient(), patient(modality, MR_SPACING_MM if modality != "ct" else (2.0, 1.6, 1.6))
    moved = motion(second, turn_deg, shift_mm)
    found = register(first.volume, scanned_again(second, moved), true_spine(first))
    assert max(misplaced_mm(found.placed, moved, first, second).values()) < limit_mm
    assert found.verdict == "good"
    assert len(errors_mm(found)) >= 8 and max(errors_mm(found).values()) < 2.0


def test_the_error_of_a_level_is_the_true_one_where_the_spine_has_bent() -> None:
    """More lordosis: the sacrum cannot lie right where the thorax does."""
    first, second = patient(), patient("mr", MR_SPACING_MM, lordosis=1.1)
    moved = motion(second, 3.0, 8.0)
    found = register(first.volume, scanned_again(second, moved), true_spine(first))
    truth, told = misplaced_mm(found.placed, moved, first, second), errors_mm(found)
    assert found.verdict == "questionable" and found.off
    # a block moves and does not turn: half of what is told beyond the reach of the search is not to be had
    near = [name for name in told if truth[name] < 6.0 and name != "S3"]
    assert len(near) >= 6
    assert all(abs(told[name] - truth[name]) < 1.5 for name in near), {name: (told[name], truth[name]) for name in near}


@pytest.mark.parametrize(("size", "lordosis"), [(0.93, 1.0), (1.06, 0.7)])
def test_another_patient_is_never_good(size: float, lordosis: float) -> None:
    other = patient("mr", MR_SPACING_MM, size=size, lordosis=lordosis)
    try:
        found = register(patient().volume, other.volume, true_spine(patient()))
    except Refusal as refusal:
        assert "by hand" in refusal.way_out
    else:
        assert found.verdict == "questionable"


def test_a_short_scan_is_checked_where_it_reaches_and_not_checked_elsewhere() -> None:
    first = patient()
    moved = motion(first, 4.0, 60.0)
    found = register(first.volume, cut(scanned_again(first, moved), 0, 70), true_spine(first))
    assert found.levels is not None
    held = [level for level in found.levels if level.error_mm is not None]
    assert 2 <= len(held) < len(found.levels) and max(level.error_mm or 0.0 for level in held) < 1.0
    assert {level.why for level in found.levels if level.error_mm is None} == {"the second scan does not hold it"}


def test_a_narrow_slab_of_the_spine_is_found_in_the_trunk() -> None:
    """Sagittal slices of an MR as they are taken: 48 mm from left to right, a hand's breadth away from where the CT has them."""
    first, whole = patient(), patient("mr", MR_SPACING_MM)
    middle = whole.volume.frame.shape[2] // 2
    half = round(24.0 / MR_SPACING_MM[2])
    columns = slice(middle - half, middle + half)
    start, stop = (0, 0, columns.start), (*whole.volume.frame.shape[:2], columns.stop)
    slab = replace(
        whole.volume, frame=whole.volume.frame.crop(start, stop), voxels=np.ascontiguousarray(whole.volume.voxels[:, :, columns])
    )
    moved = motion(whole, 2.0, 70.0)
    found = register(first.volume, moved.placed(slab).to_axial(), true_spine(first))
    assert max(misplaced_mm(found.placed, moved, first, whole).values()) < 1.5
    assert len(errors_mm(found)) >= 8 and max(errors_mm(found).values()) < 2.0 and found.verdict == "good"


def test_scans_that_share_nothing_are_refused_or_doubted() -> None:
    first = patient()
    top, bottom = cut(first.volume, 120, first.volume.frame.shape[0]), cut(first.volume, 0, 40)
    try:
        found = register(top, bottom, true_spine(first))
    except Refusal as refusal:
        assert "by hand" in refusal.way_out
    else:
        assert found.verdict == "questionable"


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 40, 40)])
@pytest.mark.parametrize("value", [-1000, 40])
def test_a_scan_of_nothing_is_refused(shape: tuple[int, int, int], value: int) -> None:
    empty = Volume(Frame.axial(shape, (3.0, 1.0, 1.0), (0.0, 0.0, -200.0)), np.full(shape, value, np.int16))
    with pytest.raises(Refusal):
        register(patient().volume, empty, true_spine(patient()))
    with pytest.raises(Refusal):
        register(empty, patient().volume, None)


def test_without_an_anatomy_it_is_laid_and_no_level_is_called_good() -> None:
    first, second = patient(), patient("mr", MR_SPACING_MM)
    moved = motion(second, 4.0, 10.0)
    found = register(first.volume, scanned_again(second, moved), None)
    assert max(misplaced_mm(found.placed, moved, first, second).values()) < 2.0
    assert found.levels == () and found.verdict == "questionable"


def test_from_a_hand_it_goes_on_and_the_same_scans_give_the_same_place() -> None:
    first, second = patient(), patient("mr", MR_SPACING_MM)
    moved = motion(second, 8.0, 20.0)
    again = scanned_again(second, moved)
    roughly = moved.inverse().shifted((4.0, -3.0, 5.0)).turned((1.0, 0.0, 0.0), 3.0, (0.0, -30.0, -230.0)).rounded()
    found = register(first.volume, again, true_spine(first), start=roughly)
    assert found.start == "by hand" and found.verdict == "good"
    assert found == register(first.volume, again, true_spine(first), start=roughly)


def test_what_a_hand_laid_is_measured() -> None:
    first, second = patient(), patient("mr", MR_SPACING_MM)
    laid = Registration(Rigid(shift_mm=(3.0, 0.0, -4.0)), "by hand", doubts=("A doubt.",))
    told = measured(first.volume, second.volume, laid, true_spine(first))
    assert len(told.errors_mm) >= 8 and np.median(told.errors_mm) == pytest.approx(5.0, abs=0.5)
    assert told == replace(laid, levels=told.levels), "no other level fits as well; what was doubted before stays"


def test_a_short_scan_that_a_hand_laid_one_level_off_is_not_good() -> None:
    """Two vertebrae of the thorax fit their neighbours within 2 mm: only beside the right place it shows."""
    first = patient()
    moved = motion(first, 5.0, 40.0)
    short = cut(scanned_again(first, moved), 117, 157)
    there = measured(first.volume, short, Registration(moved.inverse(), "by hand"), true_spine(first))
    assert there.verdict == "good"
    off = measured(first.volume, short, Registration(moved.inverse().shifted((0.0, -4.0, -28.0)), "by hand"), true_spine(first))
    assert not off.off and len(off.errors_mm) >= 2, "by its levels alone it would be good"
    assert off.verdict == "questionable" and off.doubts == ("One level further it fits better.",)


def test_it_stops_when_nobody_wants_it_any_more() -> None:
    """Asked for often: in each of ten parts of the work."""
    seen: list[float] = []

    def stop_at(limit: float) -> None:
        def progress(share: float, what: str) -> None:
            seen.append(share)
            if share >= limit:
                raise Cancelled

        with pytest.raises(Cancelled):
            register(patient().volume, patient("mr", MR_SPACING_MM).volume, true_spine(patient()), progress)

    for limit in (0.1, 0.35, 0.65):
        seen.clear()
        stop_at(limit)
        assert seen[-1] < limit + 0.12
        assert all(after >= before - 1e-9 for before, after in pairwise(seen))


@pytest.mark.parametrize("times", [0.001, 60.0])
def test_the_units_of_an_mr_do_not_matter(times: float) -> None:
    """Values from 0 to 1, as files of floats have them, and beyond 32,767: they are compared as those in between are."""
    plain = patient("mr", MR_SPACING_MM).volume
    other = replace(plain, slope=times * plain.slope, intercept=times * plain.intercept)
    one, two = picture_of(plain, 4.0), picture_of(other, 4.0)
    known = ~np.isnan(one.values) & ~np.isnan(two.values)
    assert known.mean() > 0.99 * (~np.isnan(one.values)).mean()
    assert np.abs(one.values[known] - two.values[known]).max() < 0.05


def named(number: str = "", name: str = "", birth_date: str = "") -> Series:
    triple = (1.0, 1.0, 1.0)
    return Series("1.2", 0, "", "CT", "axial", 3, (3, 3, 3), triple, triple, "good", (), (), identity=Identity(name, number, birth_date))


def test_files_that_name_two_patients_are_doubted_and_no_name_is_said() -> None:
    assert patient_doubts(named("17"), named("17 ", "other spelling")) == ()
    assert patient_doubts(named(name="Berg^Anna"), named(name="BERG, ANNA")) == ()
    assert patient_doubts(named(), named("18")) == ()
    (doubt,) = patient_doubts(named("17", "Berg^Anna"), named("18", "Tal^Jon"))
    assert doubt == "The files of the two scans name different patients."
    assert patient_doubts(named("0", birth_date="19500101"), named("0", birth_date="19610203")), "a number that everybody has"


def test_it_is_known_where_nothing_tells_whose_scans_they_are() -> None:
    assert patient_known(named("17"), named("18")) and patient_known(named(name="Berg"), named("17", "Berg"))
    assert not patient_known(named(), named("18", "Berg"))
    assert not patient_known(named("17"), named(name="Berg")) and not patient_known(named(" "), named(" "))
