"""A part of every slice: what is kept lies where it lay, takes the memory that was said, and holds the spine."""

import numpy as np
import pytest

from planner.refusal import Refusal
from planner.scan import load, loading, needed_bytes, read, spine_only
from planner.scan.crop import Crop, read_span
from planner.scan.spine_only import BESIDE_MM, cropped, fits, spine_box
from tests.data import real
from tests.planner.scan.test_geometry import assert_true
from tests.planner.scan.writer import Stack, other, write

CROP = Crop(rows=(5, 40), columns=(9, 36))
WIDE = Stack(rows=150, columns=160, row_mm=2.5, column_mm=2.5, places=tuple(range(20)), step=(0, 0, 5.0))


def body(points):
    """A round body of 300 mm with a spine of 40 mm off its middle, ribs round it, and an arm beside."""
    x, y = points[..., 0], points[..., 1]
    values = np.where(np.hypot(x, y) < 150, 40, -1000)
    values = np.where(np.abs(np.hypot(x, y) - 130) < 4, 500, values)
    values = np.where(np.hypot(x - 20, y - 75) < 20, 300, values)
    return np.where(np.hypot(x - 180, y) < 20, 900, values)


@pytest.mark.parametrize(
    "stack",
    [
        Stack(),
        Stack(row=(-1, 0, 0), step=(0, 0, -2)),
        Stack(row=(0, 1, 0), column=(0, 0, -1), step=(4, 0, 0)),
        Stack(intercepts=(-1024.0, -1000.0)),
        Stack(signed=False),
    ],
)
def test_what_is_kept_is_the_same_in_the_same_place(tmp_path, stack):
    (series,) = read(write(tmp_path, stack)).series
    part = cropped(series, CROP)
    volume, whole = load(part), load(series)
    assert_true(volume)
    points = volume.frame.to_world(np.argwhere(np.ones(volume.frame.shape)))
    assert np.array_equal(whole.sample(points), volume.sample(points))
    assert volume.voxels.dtype == whole.voxels.dtype
    assert sorted(volume.frame.shape) == sorted((12, 36, 28))
    assert needed_bytes(part) == needed_bytes(series) * 36 * 28 / (48 * 40)


def test_a_tilted_stack_is_sheared_back_in_place(tmp_path):
    slope = np.array((1.0, 2.0, 3.0))
    stack = Stack(column=(0, np.cos(0.3), -np.sin(0.3)), places=tuple(range(30)))
    (series,) = read(write(tmp_path, stack, function=lambda points: (points @ slope).round())).series
    part = cropped(series, CROP)
    volume = load(part)
    points = volume.frame.to_world(np.argwhere(np.ones(volume.frame.shape)))
    index = part.frame.to_index(points)
    inside = ((index >= 0) & (index <= np.array([29, 35, 27]))).all(axis=1)
    assert inside.sum() > 10_000
    assert np.abs(volume.sample(points[inside]) - points[inside] @ slope).max() < 1.5  # whole numbers, twice


def test_the_crop_is_told_and_tells_scans_apart(tmp_path):
    (series,) = read(write(tmp_path, Stack())).series
    part = cropped(series, CROP)
    assert part.repairs == ("Only a part of every slice is loaded: rows 5-40, columns 9-36 of 48 x 40 pixels.",)
    assert part.verdict == "repaired"
    assert part.size == (12, 36, 28)
    assert part.extent_mm == pytest.approx((22.0, 70.0, 67.5))
    assert len({series.key, part.key, cropped(series, Crop((6, 41), (9, 36))).key}) == 3
    assert len({series.fingerprint, part.fingerprint, cropped(series, Crop((6, 41), (9, 36))).fingerprint}) == 3
    assert cropped(series, None) is series


@pytest.mark.parametrize("crop", [Crop((0, 40), (1, 40)), Crop((1, 49), (1, 40)), Crop((30, 20), (1, 40)), Crop((1, 10), (1, 40))])
def test_what_is_no_part_of_the_pictures_is_refused(tmp_path, crop):
    (series,) = read(write(tmp_path, Stack())).series
    with pytest.raises(Refusal, match="48 rows and 40 columns"):
        cropped(series, crop)


@pytest.mark.parametrize(("text", "span"), [("81-400", (81, 400)), (" 1 – 512 ", (1, 512)), ("1-16", (1, 16))])
def test_rows_and_columns_are_written_as_spans(text, span):
    assert read_span(text, 512) == span


@pytest.mark.parametrize("text", ["", "81", "0-400", "1-513", "400-81", "1-15", "a-b", "1-2-3"])
def test_what_is_no_span_is_refused(text):
    with pytest.raises(Refusal, match="no part of 512 pixels"):
        read_span(text, 512)


@pytest.mark.parametrize("turned", [{}, {"row": (-1, 0, 0)}, {"row": (0, 1, 0), "column": (1, 0, 0)}])
def test_the_box_holds_the_spine_and_the_skin_behind_it(tmp_path, turned):
    (series,) = read(write(tmp_path, other(WIDE, **turned), function=body)).series
    part = cropped(series, spine_box(series))
    low, high = part.frame.bounds_mm
    assert low[0] == pytest.approx(20 - BESIDE_MM, abs=8)
    assert high[0] == pytest.approx(20 + BESIDE_MM, abs=8)
    assert low[1] < 75 - 20 - 40
    assert 150 < high[1] < 175
    assert part.frame.shape[0] == 20


def test_the_coarse_look_reads_few_slices(tmp_path, monkeypatch):
    (series,) = read(write(tmp_path, WIDE, function=body)).series
    read_pixels, count = spine_only.read_pixels, []
    monkeypatch.setattr(spine_only, "read_pixels", lambda picture, out: (count.append(1), read_pixels(picture, out)))
    spine_box(series)
    assert len(count) == 10


def test_no_spine_no_box(tmp_path):
    (series,) = read(write(tmp_path, WIDE, function=lambda points: np.full(points.shape[:-1], -1000.0))).series
    with pytest.raises(Refusal, match="not seen"):
        spine_box(series)


def test_a_scan_that_does_not_fit_is_refused_and_its_part_is_loaded(tmp_path, monkeypatch):
    (series,) = read(write(tmp_path, Stack())).series
    part = cropped(series, CROP)
    monkeypatch.setattr(loading, "free_bytes", lambda: needed_bytes(series) * 0.9)
    assert (fits(series), fits(part)) == (False, True)
    with pytest.raises(Refusal, match="Load the spine only"):
        load(series)
    assert_true(load(part))


# a vertebral body in the middle of the scan, read off the pictures: row and column
BODIES = {"thoracic-ct": (90, 354, 248), "cervical-ct": (52, 218, 248), "lumbar-ct-labelled-3mm": (20, 324, 248)}


@pytest.mark.real
@pytest.mark.parametrize("folder", BODIES)
def test_real_spines_lie_in_the_middle_of_the_box(folder):
    slices, row, column = BODIES[folder]
    series = next(one for one in read(real(folder)).series if one.pictures and one.slices == slices)
    crop = spine_box(series)
    assert needed_bytes(cropped(series, crop)) < 0.35 * needed_bytes(series)
    _, row_mm, column_mm = series.spacing_mm
    assert (row - crop.rows[0]) * row_mm > 50
    assert (crop.rows[1] - row) * row_mm > 70
    assert min(column - crop.columns[0], crop.columns[1] - column) * column_mm > 55
