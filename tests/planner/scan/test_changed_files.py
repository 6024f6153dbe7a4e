"""Files that are written to between the moment when a scan is opened and that when it is loaded: never a volume of both."""

import os

import numpy as np
import pydicom
import pytest

from planner.refusal import Refusal
from planner.scan import choose, load, read
from planner.scan.native import native_slices
from planner.scan.spine_only import spine_box
from tests.planner.scan import test_image_files
from tests.planner.scan.writer import Stack, edit, write

CHANGED = "has changed since the scan was opened"


def opened(folder):
    (series,) = read(write(folder, Stack())).series
    return series, series.pictures[5].place.path


def with_longer_header(path):
    """The pixels move: read from where they were, they would be of the header and shifted sideways."""
    edit(path, SeriesDescription="SPINE, WRITTEN ONCE MORE")


def with_other_place(path):
    edit(path, ImagePositionPatient=[float(x) + 1.0 for x in pydicom.dcmread(path).ImagePositionPatient])


@pytest.mark.parametrize("change", [with_longer_header, with_other_place])
def test_a_slice_that_was_written_to_is_refused(tmp_path, change):
    series, path = opened(tmp_path)
    change(path)
    with pytest.raises(Refusal, match=f"Slice 6 of 12 cannot be read. The file {CHANGED}") as raised:
        load(series)
    assert raised.value.way_out.startswith("Open the scan again")
    native = native_slices(series)
    native.slice(4)
    with pytest.raises(Refusal, match=CHANGED):
        native.slice(5)
    assert path.name not in {one.path for one in read(tmp_path).skipped}  # opened again, it is a slice as it is now


def test_the_same_bytes_at_another_time_are_another_file(tmp_path):
    """Bytes of the image may differ where sizes do not."""
    series, path = opened(tmp_path)
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    with pytest.raises(Refusal, match=CHANGED):
        load(series)


def test_a_file_that_was_only_read_is_the_same(tmp_path):
    series, path = opened(tmp_path)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns + 10**9, status.st_mtime_ns))
    assert load(series).frame.shape == (12, 48, 40)


def test_the_coarse_look_says_it_too(tmp_path):
    series, path = opened(tmp_path)
    with_longer_header(path)
    for one in series.pictures:
        with_longer_header(one.place.path)
    with pytest.raises(Refusal, match=CHANGED) as raised:
        spine_box(series)
    assert raised.value.way_out.startswith("Open the scan again")


@pytest.mark.parametrize("name", ["a.nrrd", "a.mhd"])
def test_one_file_that_holds_another_image_is_refused(tmp_path, name):
    """Also where the header is the same and the voxels lie in a file of their own."""
    path = test_image_files.write(tmp_path / name)
    series = choose(read(path))
    held = path.with_suffix(".raw") if name == "a.mhd" else path
    data = held.read_bytes()
    middle = len(data) // 2
    held.write_bytes(data[:middle] + np.full(500, 77, np.int16).tobytes() + data[middle + 1000 :])
    for use in (load, native_slices):
        with pytest.raises(Refusal, match=CHANGED):
            use(series)
