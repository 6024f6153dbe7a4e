"""A scan can be looked at while it is read: the middle slice first, in the memory in which the whole lies in the end."""

from itertools import pairwise

import numpy as np
import pytest
import SimpleITK

from planner.geometry import Frame, Volume, write_nifti
from planner.progress import Cancelled
from planner.scan import load, read
from planner.scan.pixels import read_pixels, stored_type
from tests.planner.scan.test_geometry import assert_true
from tests.planner.scan.writer import Stack, write

SAGITTAL = Stack(row=(0, 1, 0), column=(0, 0, -1), step=(4, 0, 0), rows=24, columns=20)


def one_after_another(seen):
    """Reads slices one at a time, and keeps what is there of the scan after each."""

    def each(work, numbers):
        for n in numbers:
            work(n)
            yield
            seen.append([volume.values() for volume in seen.shown])

    return each


class Seen(list):
    """shown: the volumes that `load` handed out while it read."""

    def __init__(self):
        super().__init__()
        self.shown = []


def loaded(folder, **values):
    (series,) = read(folder).series
    seen = Seen()
    return load(series, each=one_after_another(seen), shown=seen.shown.append, **values), seen


@pytest.mark.parametrize("stack", [Stack(), SAGITTAL, Stack(row=(-1, 0, 0), step=(0, 0, -3)), Stack(intercepts=(0.0,))])
def test_the_middle_slice_is_there_first_and_the_rest_follows_in_place(tmp_path, stack):
    volume, seen = loaded(write(tmp_path, stack))
    assert_true(volume)
    (shown,) = seen.shown
    assert shown.frame == volume.frame
    assert np.shares_memory(shown.voxels, volume.voxels)
    first, last = seen[0][0], seen[-1][0]
    world = int(np.abs(np.cross(stack.row, stack.column)).argmax())
    there = np.flatnonzero((first != -1024).any(axis=tuple({0, 1, 2} - {2 - world})))
    assert list(there) in ([5], [6])
    assert np.array_equal(last, volume.values())
    counts = [int((now[0] != -1024).any(axis=tuple({0, 1, 2} - {2 - world})).sum()) for now in seen]
    assert counts == list(range(1, 13))


def test_what_has_not_come_yet_has_no_value(tmp_path):
    (series,) = read(write(tmp_path, Stack())).series
    shown = []
    with pytest.raises(Cancelled):
        load(series, stop_after(3), shown=shown.append)
    there = shown[0].voxels != shown[0].padding
    assert there.any(axis=(1, 2)).sum() == 3


def stop_after(count):
    calls = []

    def progress(share, what):
        calls.append(what)
        if len(calls) > count:
            raise Cancelled

    return progress


def test_of_a_reading_that_was_stopped_nothing_is_shown(tmp_path):
    """Stopped while the first slice was read: what another reading shows meanwhile stays on view."""
    (series,) = read(write(tmp_path, Stack())).series
    shown = []
    with pytest.raises(Cancelled):
        load(series, stop_after(1), shown=shown.append)
    assert not shown


def test_a_scan_in_the_middle_of_the_sixteen_bits_keeps_its_memory(tmp_path):
    volume, seen = loaded(write(tmp_path, Stack(signed=False, intercepts=(-1024.0,))))
    assert (seen.shown[0].voxels.dtype, volume.voxels.dtype) == (np.uint16, np.int16)
    assert np.shares_memory(seen.shown[0].voxels, volume.voxels)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd"])
def test_one_file_is_there_from_its_middle_plane_on(tmp_path, name):
    """Planes come in the order of the file, from foot to head or the other way."""
    place = np.arange(20 * 24 * 30).reshape(20, 24, 30) % 3000 - 1500
    affine = np.array([(0, 0, -1.1, 9), (0, 1.2, 0, -7), (-2.5, 0, 0, 5), (0, 0, 0, 1)])
    if name == "a.nrrd":
        image = SimpleITK.GetImageFromArray(place.astype(np.int16))
        image.SetDirection((affine[:3, 2::-1] / (1.1, 1.2, 2.5)).ravel().tolist())
        image.SetSpacing((1.1, 1.2, 2.5))
        image.SetOrigin(affine[:3, 3].tolist())
        SimpleITK.WriteImage(image, str(tmp_path / name))
    else:
        write_nifti(tmp_path / name, place.astype(np.int16), Frame(place.shape, affine))
    (series,) = read(tmp_path / name).series
    shown, counts = [], []

    def progress(share, what):
        if shown:
            counts.append(int((shown[0].voxels != shown[0].padding).any(axis=(1, 2)).sum()))

    volume = load(series, progress, shown=shown.append)
    (seen,) = shown
    assert seen.frame == volume.frame and np.shares_memory(seen.voxels, volume.voxels)
    assert counts[0] == 11 and counts[-1] == 20
    points = volume.frame.to_world(np.argwhere(np.ones(volume.frame.shape)))
    k, j, i = np.rint(Frame(place.shape, affine).to_index(points)).astype(int).T
    assert np.array_equal(volume.values().ravel(), place[k, j, i])


OBLIQUE = {
    "tilted": Stack(column=(0, np.cos(0.3), -np.sin(0.3)), places=tuple(range(40))),
    "tilted the other way, from the head": Stack(column=(0, np.cos(0.2), np.sin(0.2)), step=(0, 0, -2.0), places=tuple(range(40))),
    "with padding": Stack(column=(0, np.cos(0.3), -np.sin(0.3)), places=tuple(range(40)), extra=(("PixelPaddingValue", 1054),)),
    "MR, turned": Stack(
        row=(np.cos(0.2), np.sin(0.2), 0), column=(-np.sin(0.2), np.cos(0.2), 0), modality="MR", signed=False, places=tuple(range(40))
    ),
}


@pytest.mark.parametrize("name", OBLIQUE)
def test_planes_of_an_oblique_scan_are_there_as_soon_as_their_slices_are(tmp_path, name):
    (series,) = read(write(tmp_path, OBLIQUE[name])).series
    seen = Seen()
    volume = load(series, each=one_after_another(seen), shown=seen.shown.append)
    (shown,) = seen.shown
    first = next(n for n, now in enumerate(seen) if now)
    assert first < 30
    assert np.shares_memory(shown.voxels, volume.voxels)
    made = [(now[0] != shown.padding * shown.slope + shown.intercept).any(axis=(1, 2)) for now in seen if now]
    assert abs(int(np.flatnonzero(made[0]).mean()) - len(volume.voxels) // 2) <= 1
    assert all((after | before == after).all() for before, after in pairwise(made))
    # and in the end all is as if the whole had been resampled at once
    stored = np.stack([slice_of(one) for one in series.pictures])
    air = -1024 if series.modality == "CT" else 0
    stored[stored == series.pictures[0].pixels.padding] = air - volume.intercept
    at_once = Volume(series.frame, stored, series.modality, volume.slope, volume.intercept).to_axial()
    assert volume.frame == at_once.frame
    assert volume.padding is None
    assert np.array_equal(volume.values(), at_once.values())


def slice_of(picture):
    out = np.empty((picture.pixels.rows, picture.pixels.columns), stored_type(picture.pixels))
    read_pixels(picture, out)
    return out.astype(np.int16)


@pytest.mark.parametrize(
    "stack",
    [
        Stack(intercepts=(-1024.0, -1000.0)),  # brought to one rescale
        Stack(places=(0, 1, 2.1, 3, 4, 5.1, 6, 7, 8, 9)),  # evened
    ],
)
def test_what_is_changed_after_reading_is_not_shown_before(tmp_path, stack):
    volume, seen = loaded(write(tmp_path, stack))
    assert not seen.shown
    assert len(volume.voxels)
