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
from tests.planner.scan.writer import Stack, hu, write

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


SHAPE = (20, 24, 30)
PLACE = (np.arange(20 * 24 * 30).reshape(SHAPE) % 3000 - 1500).astype(np.int16)
SPACING = np.array([1.1, 1.2, 2.5])


def turned_by(deg):
    """Affine (k, j, i) -> LPS of a grid that is turned about x; from head to foot, from left to right where it is not turned."""
    c, s = np.cos(np.deg2rad(deg)), np.sin(np.deg2rad(deg))
    affine = np.eye(4)
    affine[:3, :3] = np.array([(1, 0, 0), (0, c, -s), (0, s, c)]) @ np.array([(0, 0, -1.1), (0, 1.2, 0), (-2.5, 0, 0)])
    affine[:3, 3] = 9, -7, 5
    return affine


def one_file(path, affine):
    if path.suffix in (".nrrd", ".mha"):
        image = SimpleITK.GetImageFromArray(PLACE)
        image.SetDirection((affine[:3, 2::-1] / SPACING).ravel().tolist())
        image.SetSpacing(SPACING.tolist())
        image.SetOrigin(affine[:3, 3].tolist())
        SimpleITK.WriteImage(image, str(path))
    else:
        write_nifti(path, PLACE, Frame(SHAPE, affine))
    return path


def loaded_with_counts(path):
    """A scan of one file, what was shown of it, and how many of its planes were there at each report."""
    (series,) = read(path).series
    shown, counts = [], []

    def progress(share, what):
        if shown:
            counts.append(int((shown[0].voxels != shown[0].padding).any(axis=(1, 2)).sum()))

    return load(series, progress, shown=shown.append), shown, counts


@pytest.mark.parametrize(("name", "first"), [("a.nii", 1), ("a.nii.gz", 11), ("a.nrrd", 1), ("a.mha", 1)])
def test_one_file_is_there_from_its_middle_plane_on(tmp_path, name, first):
    """Planes come in the order of the file, from foot to head or the other way; the middle one before where the file is not packed."""
    volume, (seen,), counts = loaded_with_counts(one_file(tmp_path / name, turned_by(0)))
    assert seen.frame == volume.frame and np.shares_memory(seen.voxels, volume.voxels)
    assert counts[0] == first and counts[-1] == 20
    points = volume.frame.to_world(np.argwhere(np.ones(volume.frame.shape)))
    k, j, i = np.rint(Frame(SHAPE, turned_by(0)).to_index(points)).astype(int).T
    assert np.array_equal(volume.values().ravel(), PLACE[k, j, i])


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_an_oblique_file_is_there_from_its_middle_plane_on(tmp_path, name):
    volume, (seen,), counts = loaded_with_counts(one_file(tmp_path / name, turned_by(20)))
    assert seen.frame == volume.frame and np.shares_memory(seen.voxels, volume.voxels)
    assert counts[0] == 1 and counts[-1] == len(volume.voxels)
    assert volume.field is not None and np.abs(volume.field.affine - turned_by(20)).max() < 1e-5
    at_once = Volume(volume.field, PLACE).to_axial()
    assert volume.frame == at_once.frame == seen.frame and seen.field == volume.field
    assert np.array_equal(volume.voxels, at_once.voxels)


def test_a_plane_that_was_looked_at_ahead_is_made_once_more(tmp_path, monkeypatch):
    """What was read before the digest saw it is no part of the scan."""
    path = one_file(tmp_path / "a.nii", turned_by(20))
    other = PLACE + 1

    def planes_from(self):
        return lambda first: iter(other[first:])

    monkeypatch.setattr("planner.scan.streams._Stored.planes_from", property(planes_from))
    volume, _, _ = loaded_with_counts(path)
    assert np.array_equal(volume.voxels, Volume(volume.field, PLACE).to_axial().voxels)


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


TILTED = (0, np.cos(0.3), -np.sin(0.3))
ODD = tuple(n + 0.1 * (n % 3 == 1) for n in range(40))
CHANGED = {
    "steps of whole rescales": Stack(intercepts=(-1024.0, -1000.0)),
    "unsigned": Stack(intercepts=(-1024.0, -1000.0), signed=False),
    "rescales no whole steps apart": Stack(intercepts=(-1024.0, -1000.5)),
    "evened": Stack(places=ODD),
    "evened, sagittal": Stack(row=(0, 1, 0), column=(0, 0, -1), step=(4, 0, 0), places=ODD),
    "with a gap": Stack(places=(*range(12), *range(16, 30))),
    "with a gap in the middle": Stack(places=(*range(12), *range(20, 32))),
    "evened and tilted, several rescales": Stack(places=ODD, column=TILTED, intercepts=(-1024.0, -1000.0)),
    "with a gap, tilted": Stack(places=(*range(20), *range(24, 40)), column=TILTED),
    "padded, evened": Stack(places=ODD, extra=(("PixelPaddingValue", 1054),)),
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_is_changed_on_the_way_is_shown_as_it_will_be(tmp_path, name):
    """All that is there at any time has the value that it has in the end; what has not come, and what lies in a gap, has none."""
    series = next(one for one in read(write(tmp_path, CHANGED[name])).series if one.usable)
    seen = Seen()
    volume = load(series, each=one_after_another(seen), shown=seen.shown.append)
    (shown,) = seen.shown
    assert (shown.frame, shown.field, shown.gaps) == (volume.frame, volume.field, volume.gaps)
    assert np.shares_memory(shown.voxels, volume.voxels)
    empty = shown.padding * shown.slope + shown.intercept
    in_gap = np.zeros(volume.frame.shape, bool)
    for gap in volume.gaps:
        gap.fill(in_gap, volume.frame, True)
    final = np.where(in_gap, empty, volume.values())
    stages = [now[0] for now in seen if now]
    for now in stages:
        assert ((now == final) | (now == empty)).all()
        assert now is stages[-1] or (now[in_gap] == empty).all()
    counts = [np.count_nonzero(now != empty) for now in stages]
    assert 0 < counts[0] < 0.8 * np.count_nonzero(final != empty)
    assert counts == sorted(counts)
    assert load(series).voxels.dtype == volume.voxels.dtype and np.array_equal(load(series).values(), volume.values())


def test_values_beyond_sixteen_bits_are_read_into_a_wider_type(tmp_path):
    """Most values fit: only a slice that holds others tells that they do not, and the scan is shown anew."""

    def bright(points):
        return np.where(points[..., 2] > 8, 40000, hu(points))

    (series,) = read(write(tmp_path, Stack(signed=False, intercepts=(-1024.0, -1000.0)), function=bright)).series
    seen = Seen()
    volume = load(series, each=one_after_another(seen), shown=seen.shown.append)
    assert [one.voxels.dtype for one in seen.shown] == [np.int16, np.int32]
    assert np.shares_memory(seen.shown[-1].voxels, volume.voxels)
    assert volume.values()[-1].min() == 40000
    assert volume.values().min() == -1000
