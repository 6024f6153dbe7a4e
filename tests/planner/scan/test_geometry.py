"""Where voxels land: every orientation and handedness, tilt, two volumes, gaps. Truth is the function that the slices were made from."""

from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK
from scipy.spatial.transform import Rotation

from planner.refusal import Refusal
from planner.scan import load, read
from tests.planner.scan.writer import Stack, edit, hu, other, write

AXES = np.eye(3)


def assert_true(volume, margin_voxels=0):
    """Every voxel holds the value of the world at its position."""
    index = np.argwhere(np.ones(volume.frame.shape))
    truth = hu(volume.frame.to_world(index)).reshape(volume.frame.shape)
    assert volume.frame.is_axial
    assert np.array_equal(volume.values(), truth.astype(np.float32))


def left_of(volume):
    """Mean x of the dense bar, which is on the patient's left."""
    index = np.argwhere(volume.values() > 400)
    return volume.frame.to_world(index)[:, 0].mean()


@pytest.mark.parametrize(("order", "signs"), product(permutations(range(3)), product((1, -1), repeat=3)))
def test_left_stays_left_in_every_orientation(tmp_path, order, signs):
    row, column, step = (tuple(AXES[world] * sign) for world, sign in zip(order, signs))
    stack = Stack(row=row, column=column, step=tuple(3.0 * np.array(step)), rows=24, columns=20, row_mm=3.0, column_mm=2.5)
    scan = read(write(tmp_path, stack))
    (series,) = scan.series
    assert series.verdict == "good", series.reasons
    assert series.plane == {0: "sagittal", 1: "coronal", 2: "axial"}[order[2]]
    assert series.size == (12, 24, 20)
    assert series.spacing_mm == pytest.approx((3.0, 3.0, 2.5))
    volume = load(series)
    assert_true(volume)
    assert left_of(volume) > 0


def test_as_simpleitk_reads_it(tmp_path):
    write(tmp_path, Stack(row=(0, 1, 0), column=(0, 0, -1), step=(-4, 0, 0)))
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = reader.Execute()
    volume = load(read(tmp_path).series[0])
    for index in ((3, 5, 7), (20, 11, 2), (39, 47, 11)):
        point = image.TransformIndexToPhysicalPoint(index)
        assert volume.sample(point) == image.GetPixel(*index)


@pytest.mark.parametrize("tilt_deg", [18.5, -16.5])
def test_a_tilted_gantry_is_sheared_back(tmp_path, tilt_deg):
    tilt = np.radians(tilt_deg)
    stack = Stack(column=(0, np.cos(tilt), -np.sin(tilt)), places=tuple(range(30)), extra=(("GantryDetectorTilt", -tilt_deg),))
    (series,) = read(write(tmp_path, stack)).series
    assert series.verdict == "repaired"
    assert f"{abs(tilt_deg):.1f} deg" in series.repairs[0] and "tilted gantry" in series.repairs[0]
    assert series.spacing_mm[0] == pytest.approx(2.0 * np.cos(tilt), abs=1e-3)
    volume = load(series)
    # straight edges of the bar stay straight along the patient: sheared wrongly, they would drift by 9 mm
    for z in (-14.0, 0.0, 14.0):
        points = np.array([(14.0, 0.0, z), (0.0, 0.0, z), (0.0, -25.0, z)])
        assert np.abs(volume.sample(points) - hu(points)).max() < 1.0


def test_the_tag_of_the_tilt_is_not_believed(tmp_path):
    (series,) = read(write(tmp_path, Stack(extra=(("GantryDetectorTilt", 18.5),)))).series
    assert series.verdict == "good"


def test_padding_does_not_bleed_into_a_tilted_scan(tmp_path):
    tilt = np.radians(15)
    stack = Stack(column=(0, np.cos(tilt), -np.sin(tilt)), extra=(("PixelPaddingValue", -2000),))

    def padded(points):
        return np.where(np.abs(points[..., 0]) > 40, -2000 - 1024, hu(points))

    (series,) = read(write(tmp_path, stack, function=padded)).series
    assert load(series).values().min() == -1024


def test_oblique_slices_are_resampled_and_said(tmp_path):
    a = np.radians(12)
    stack = Stack(column=(0, np.cos(a), np.sin(a)), step=(0, -2 * np.sin(a), 2 * np.cos(a)), places=tuple(range(30)))
    (series,) = read(write(tmp_path, stack)).series
    assert series.verdict == "repaired" and "12.0 deg" in series.repairs[0] and "oblique" in series.repairs[0]
    points = np.array([(14.0, 0.0, 3.0), (0.0, 2.0, -4.0)])
    assert np.abs(load(series).sample(points) - hu(points)).max() < 1.0


def test_a_missing_slice_is_named_and_stays_empty_and_its_blocks_are_offered(tmp_path):
    places = (*range(14), *range(15, 30))
    whole, *blocks = read(write(tmp_path, Stack(places=places))).series
    assert whole.verdict == "repaired" and whole.slices == 29 and whole.size[0] == 30
    assert whole.reasons[0] == "Slices 14 and 15 are 4.0 mm apart where 2.0 mm was expected: a slice is missing."
    assert "between slices 14 and 15 was not scanned" in whole.repairs[0]
    volume = load(whole)
    shown = volume.voxels != volume.padding
    assert np.flatnonzero(~shown.all(axis=(1, 2))).tolist() == [14] and not shown[14].any()
    points = volume.frame.to_world(np.argwhere(shown))
    assert np.array_equal(volume.values()[shown], hu(points))
    assert sorted(one.slices for one in blocks) == [14, 15]
    for block in blocks:
        assert block.verdict == "repaired" and "a slice is missing" in block.reasons[0]
        assert_true(load(block))


def test_an_oblique_stack_stays_rectangular_where_a_component_is_small(tmp_path):
    """Turned by 7 degrees about one axis and by a fifth of a degree about another: that is no tilt of the gantry."""
    turned = Rotation.from_euler("xz", [7.0, 0.2], degrees=True).as_matrix()
    row, column, normal = (tuple(axis) for axis in turned.T)
    stack = Stack(row=row, column=column, step=tuple(2.0 * np.array(normal)), rows=20, columns=20, row_mm=0.7, column_mm=0.7)
    (series,) = read(write(tmp_path, stack)).series
    assert series.repairs == ("The slices are oblique by 7.0 deg: resampled to the planes of the patient.",)
    corners = stack.positions()[[0, -1]]
    assert np.abs(series.frame.to_world([(0, 0, 0), (11, 0, 0)]) - corners).max() < 0.01
    assert np.abs(series.frame.to_world((0, 19, 19)) - stack.points(corners[0])[-1, -1]).max() < 0.01


@pytest.mark.parametrize(("beyond", "count"), [(0.8, 31), (0.5, 30)])
def test_beyond_a_gap_the_last_slice_is_kept(tmp_path, beyond, count):
    """Slices beyond a gap lie between the steps of those before; a slice is shown 0.3 steps beyond its place."""
    places = (*range(14), *(n + beyond for n in range(17, 30)))
    whole = read(write(tmp_path, Stack(places=places))).series[0]
    volume = load(whole)
    assert volume.frame.shape[0] == whole.size[0] == count
    assert np.abs(volume.values()[-1] - slice_at(volume, min(count - 1, 29 + beyond))).max() <= 1.0


def slice_at(volume, place):
    """What was written at so many steps from the first slice."""
    points = volume.frame.to_world(np.argwhere(np.ones(volume.frame.shape[1:]))[:, [0, 0, 1]] * (0, 1, 1) + (place, 0, 0))
    return hu(points).reshape(volume.frame.shape[1:])


def test_a_gap_in_a_tilted_stack_is_a_slanted_slab_of_nothing(tmp_path):
    a = np.radians(12)
    places = (*range(14), *range(17, 30))
    whole = read(write(tmp_path, Stack(column=(0, np.cos(a), np.sin(a)), places=places))).series[0]
    volume = load(whole)
    (gap,) = volume.gaps
    points = volume.frame.to_world(np.argwhere(np.ones(volume.frame.shape, bool)))
    empty = (volume.voxels == volume.padding).ravel()
    assert np.array_equal(empty, gap.holds(points))
    assert gap.high_mm - gap.low_mm == pytest.approx((4 - 0.6) * 2.0 * np.cos(a))
    seen = volume.values().ravel()[~empty]
    smooth = np.abs(points[~empty] - (0.0, 30.0, 0.0)).max(axis=1) < 6
    assert smooth.sum() > 20 and np.abs(seen[smooth] - hu(points[~empty][smooth])).max() <= 1.0  # both are rounded


@pytest.mark.parametrize(
    "places",
    [
        (*range(14), *range(15, 17), *range(18, 30)),  # two slices alone may be misplaced
        (*range(10), *range(30, 40)),  # more is missing than there is
    ],
)
def test_gaps_that_leave_too_little_are_no_whole(tmp_path, places):
    series = read(write(tmp_path, Stack(places=places))).series
    assert series[-1].verdict == "refused" and not any(one.gaps for one in series)
    with pytest.raises(Refusal, match="apart where"):
        load(series[-1])


def test_a_short_stack_with_a_gap_is_refused_whole(tmp_path):
    (series,) = read(write(tmp_path, Stack(places=(0, 1, 2, 4, 5, 6)))).series
    assert series.verdict == "refused" and "3 and 4 are 4.0 mm apart where 2.0 mm" in series.reasons[0]


def test_a_change_of_spacing_makes_two_parts(tmp_path):
    series = read(write(tmp_path, Stack(places=(*range(12), *np.arange(12.5, 20, 0.5))))).series
    assert {round(one.spacing_mm[0], 3) for one in series} == {1.0, 2.0}
    assert all(one.verdict == "repaired" and "changes from 2.0 mm to 1.0 mm" in one.reasons[0] for one in series)
    for one in series:
        assert_true(load(one))


def test_odd_steps_without_a_gap_are_brought_to_even_ones(tmp_path):
    """The table's step slips by up to a fifth: the usual readers take the mean step and lie half a slice off in the middle."""
    places = np.cumsum(np.array([0, 1, 1.2, 1, 0.8, 1, 1.2, 1.2, 1, 1.2, 1, 0.8, 0.8, 1, 1, 1.2, 1, 0.8]))
    (series,) = read(write(tmp_path, Stack(places=tuple(places)), function=lambda points: 100 + 10 * points[..., 2])).series
    assert series.verdict == "repaired"
    assert series.repairs == ("Slices lie 1.6 mm to 2.4 mm apart: resampled to even steps of 2.02 mm.",)
    assert "Slices 2 and 3 are 2.4 mm apart where 2.0 mm was expected." in series.reasons
    volume = load(series)
    k, _, _ = volume.frame.shape
    z = volume.frame.to_world(np.stack([np.arange(k), np.full(k, 5), np.full(k, 5)], axis=-1))[:, 2]
    assert np.abs(volume.values()[:, 5, 5] - (100 + 10 * z)).max() <= 1.0


def test_odd_steps_of_a_tilted_gantry(tmp_path):
    """Both repairs at once, as in GE's uneven series."""
    places = np.cumsum(np.array([0, *([1, 1.1, 0.9] * 8)]))
    tilted = Stack(column=(0, np.cos(0.3), np.sin(0.3)), places=tuple(places))
    (series,) = read(write(tmp_path, tilted, function=lambda points: 100 + 10 * points[..., 2] + points[..., 1])).series
    assert len(series.repairs) == 2 and "even steps" in series.repairs[0] and "tilted gantry" in series.repairs[1]
    volume = load(series)
    middle = np.array([n // 2 for n in volume.frame.shape]) + np.arange(-6, 7)[:, None]
    at = volume.frame.to_world(middle)
    assert np.abs(volume.sample(at) - (100 + 10 * at[:, 2] + at[:, 1])).max() <= 1.5


def test_rounded_positions_are_even(tmp_path):
    stack = Stack(places=tuple(round(0.625 * n, 1) / 2 for n in range(40)), step=(0, 0, 2.0))
    (series,) = read(write(tmp_path, stack)).series
    assert series.verdict == "good" and series.repairs == ()
    assert series.spacing_mm[0] == pytest.approx(0.625, abs=0.002)


def test_slices_that_are_shifted_sideways_are_refused(tmp_path):
    stack = Stack()
    write(tmp_path, stack)
    for n in (5, 6):
        edit(tmp_path / f"slice{900 - n}.dcm", ImagePositionPatient=[float(x) for x in stack.positions()[n] + (4, 0, 0)])
    (series,) = read(tmp_path).series
    assert series.verdict == "refused" and "sideways" in " ".join(series.reasons)


def test_copies_are_left_out(tmp_path):
    write(tmp_path / "a", Stack())
    write(tmp_path / "b", Stack())
    (series,) = read(tmp_path).series
    assert series.verdict == "repaired" and series.slices == 12 and "12 slices are there twice" in series.repairs[0]
    assert_true(load(series))


def test_two_different_images_of_one_place_are_refused(tmp_path):
    write(tmp_path, Stack())
    write(tmp_path, other(Stack(), places=(5, 0, 11), first_number=500), "other{}.dcm", lambda points: hu(points) + 50)
    for n in (899, 898):
        (tmp_path / f"other{n}.dcm").unlink()
    edit(tmp_path / "other900.dcm", ImagePositionPatient=[float(x) for x in Stack().positions()[5]])
    (series,) = read(tmp_path).series
    assert series.verdict == "refused" and "6 and 7 lie in the same place" in series.reasons[0]


@pytest.mark.parametrize(
    "second", [{"AcquisitionNumber": 2}, {"EchoTime": 90.0}, {"TemporalPositionIdentifier": 2}, {"AcquisitionTime": "120001"}, {}]
)
def test_two_volumes_in_one_series_are_two_parts(tmp_path, second):
    write(tmp_path, Stack(), "a{}.dcm")
    extra = tuple(second.items())
    write(tmp_path, other(Stack(), first_number=101, extra=extra), "b{}.dcm", lambda points: hu(points) + 200)
    series = read(tmp_path).series
    assert [(one.part, one.slices, one.verdict) for one in series] == [(0, 12, "good"), (1, 12, "good")]
    assert "2 volumes" in series[0].reasons[0]
    first, later = (load(one).values() for one in series)
    assert np.array_equal(first + 200, later)


def test_acquisitions_that_lie_end_to_end_are_one_volume(tmp_path):
    write(tmp_path, other(Stack(), places=tuple(range(6)), centre=(0, 0, -6), extra=(("AcquisitionNumber", 1),)), "a{}.dcm")
    later = other(Stack(), places=tuple(range(6)), centre=(0, 0, 6), first_number=7, extra=(("AcquisitionNumber", 2),))
    write(tmp_path, later, "b{}.dcm")
    (series,) = read(tmp_path).series
    assert series.verdict == "good" and series.slices == 12
    assert_true(load(series))


def test_a_localizer_inside_is_left_out(tmp_path):
    write(tmp_path, Stack())
    localizer = Stack(row=(0, 1, 0), column=(0, 0, -1), step=(1, 0, 0), places=(0,), first_number=300)
    write(tmp_path, other(localizer, extra=(("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]),)), "scout{}.dcm")
    scan = read(tmp_path)
    (series,) = scan.series
    assert series.verdict == "good" and series.slices == 12
    assert [(one.path, "localizer" in one.reason) for one in scan.skipped] == [("scout900.dcm", True)]


def test_blocks_of_other_orientation_are_parts(tmp_path):
    a = np.radians(10)
    write(tmp_path, Stack(), "a{}.dcm")
    tilted = Stack(column=(0, np.cos(a), np.sin(a)), step=(0, -2 * np.sin(a), 2 * np.cos(a)), centre=(0, 0, 40), first_number=50)
    write(tmp_path, tilted, "b{}.dcm")
    series = read(tmp_path).series
    assert sorted(one.verdict for one in series) == ["good", "repaired"]
    assert len({one.uid for one in series}) == 1


def test_another_frame_of_reference_is_another_part(tmp_path):
    write(tmp_path, Stack(), "a{}.dcm")
    write(tmp_path, other(Stack(), centre=(0, 0, 24), first_number=60, extra=(("FrameOfReferenceUID", "1.2.3"),)), "b{}.dcm")
    assert [one.slices for one in read(tmp_path).series] == [12, 12]


def test_one_frame_of_reference_a_slice_says_nothing(tmp_path):
    write(tmp_path, Stack())
    for n, path in enumerate(tmp_path.iterdir()):
        edit(path, FrameOfReferenceUID=f"1.2.3.{n + 1}", SOPInstanceUID="1.2.3")
    (series,) = read(tmp_path).series
    assert series.verdict == "good" and series.slices == 12


def test_no_uids_at_all(tmp_path):
    write(tmp_path / "here", Stack())
    write(tmp_path / "there", Stack())
    for path in tmp_path.rglob("*.dcm"):
        edit(path, SeriesInstanceUID=None, StudyInstanceUID=None, SOPInstanceUID=None)
    here, there = (read(tmp_path / name).series[0] for name in ("here", "there"))
    assert here.uid == there.uid != ""
    assert here.fingerprint == there.fingerprint
    assert_true(load(here))


@pytest.mark.parametrize("values", [{"PixelSpacing": [2.0, 2.0]}, {"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}])
def test_images_that_lie_otherwise_are_another_scan(tmp_path, values):
    """The same UIDs and positions, written again by a program that "mends" headers: a plan on the one is none on the other."""
    (before,) = read(write(tmp_path, Stack())).series
    for path in tmp_path.iterdir():
        edit(path, **values)
    (after,) = read(tmp_path).series
    assert (before.uid, before.size) == (after.uid, after.size)
    assert before.fingerprint != after.fingerprint and before.former_fingerprint == after.former_fingerprint


def test_every_part_has_a_key_of_its_own(tmp_path):
    write(tmp_path / "here", Stack())
    write(tmp_path / "there", Stack())
    for path in tmp_path.rglob("*.dcm"):
        edit(path, SeriesInstanceUID=None, StudyInstanceUID=None, SOPInstanceUID=None)
    series = read(tmp_path).series
    assert len({one.key for one in series}) == len(series) == 2


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_slices_are_refused(tmp_path, count):
    (series,) = read(write(tmp_path, Stack(places=tuple(range(count))))).series
    assert series.verdict == "refused" and ("one slice" if count == 1 else "2 slices") in series.reasons[0]


@pytest.mark.parametrize(("distance", "verdict", "word"), [(2.0, "good", ""), (3.0, "good", "3.0 mm apart"), (7.5, "refused", "7.5 mm")])
def test_thick_slices(tmp_path, distance, verdict, word):
    (series,) = read(write(tmp_path, Stack(step=(0, 0, distance), places=tuple(range(40)), columns=80))).series
    assert series.verdict == verdict and word in " ".join(series.reasons)
    assert (series.notes == ()) == (distance in (2.0, 7.5))


def test_three_hundred_series_are_listed_quickly(tmp_path):
    for n in range(300):
        write(tmp_path, other(Stack(), places=(0,), rows=8, columns=8, series=f"1.2.3.{n + 1}"), f"s{n}_{{}}.dcm")
    assert len(read(tmp_path).series) == 300
