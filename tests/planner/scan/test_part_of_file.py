"""A part of a scan that is one file: the same voxels in the same place, with the memory that was said; and files read plane by plane."""

import gzip
import tracemalloc
import zlib
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import SimpleITK

from planner.geometry import Frame, write_nifti
from planner.refusal import Refusal
from planner.scan import Place, choose, images, load, needed_bytes, read, streams
from planner.scan.crop import Crop
from planner.scan.images import read_image
from planner.scan.native import native_slices
from planner.scan.spine_only import BESIDE_MM, cropped, spine_box
from planner.scan.streams import image_planes
from tests.planner.scan.test_memory import at_most
from tests.planner.scan.test_spine_only import body
from tests.planner.scan.writer import hu

CROP = Crop(rows=(5, 30), columns=(9, 36))
SHAPE = (20, 34, 40)
ENDINGS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
PACKED = tuple(f"packed{ending}" for ending in (".nrrd", ".nhdr", ".mha", ".mhd"))
AXES = {
    "axial": np.diag([2.0, 2.5, 3.0])[:, ::-1],
    "axial, as RAS has it": np.diag([-2.0, -2.5, 3.0])[:, ::-1],
    "left-handed": np.diag([-2.0, 2.5, 3.0])[:, ::-1],
    "sagittal": np.array([[3.0, 0, 0], [0, 0, 2.5], [0, -2.0, 0]]),
    "coronal, left-handed": np.array([[0, 0, 2.0], [-3.0, 0, 0], [0, -2.5, 0]]),
    "slowest toward the back, columns to the head": np.array([[0, -2.5, 0], [3.0, 0, 0], [0, 0, 2.0]]),
}


def frame_along(directions, shape=SHAPE):
    """A grid about the origin whose axes k, j, i run along the columns of a matrix."""
    affine = np.eye(4)
    affine[:3, :3] = directions
    affine[:3, 3] = -directions @ ((np.array(shape) - 1) / 2)
    return Frame(shape, affine)


def write(path, frame, function=hu, kind=np.int16):
    """One file whose voxels are a function of the world."""
    voxels = function(frame.to_world(np.moveaxis(np.indices(frame.shape), 0, -1))).astype(kind)
    if ".nii" in path.name:
        write_nifti(path, voxels, frame)
        return path
    image = SimpleITK.GetImageFromArray(voxels)
    lengths = np.array(frame.spacing_mm)[::-1]
    image.SetSpacing(lengths.tolist())
    image.SetDirection((frame.affine[:3, 2::-1] / lengths).ravel().tolist())
    image.SetOrigin(frame.affine[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(path), useCompression=path.name.startswith("packed"))
    return path


def everywhere(volume):
    return volume.frame.to_world(np.argwhere(np.ones(volume.frame.shape)))


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("name", [*(f"a{ending}" for ending in ENDINGS), *PACKED])
def test_what_is_kept_is_the_same_in_the_same_place(tmp_path, axes, name):
    series = choose(read(write(tmp_path / name, frame_along(AXES[axes]))))
    part = cropped(series, CROP)
    volume, whole = load(part), load(series)
    points = everywhere(volume)
    assert np.array_equal(volume.values().ravel(), hu(points))
    assert np.array_equal(whole.sample(points), volume.sample(points))
    assert volume.voxels.dtype == whole.voxels.dtype
    assert volume.frame.is_axial and sorted(volume.frame.shape) == sorted((20, *CROP.shape))
    low, high = part.frame.bounds_mm
    assert np.allclose(np.array(volume.frame.bounds_mm), [low, high], atol=1e-3)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_oblique_one_is_resampled_in_place(tmp_path, ending):
    angle, slope = 0.3, np.array((1.0, 2.0, 3.0))
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    frame = frame_along(turn @ AXES["left-handed"])
    series = choose(read(write(tmp_path / f"a{ending}", frame, lambda points: -600 + (points @ slope).round())))
    part = cropped(series, CROP)
    volume = load(part)
    points = everywhere(volume)
    index = part.frame.to_index(points)
    inside = ((index >= 0) & (index <= np.array(part.frame.shape) - 1)).all(axis=1)
    assert inside.sum() > 10_000
    assert np.abs(volume.sample(points[inside]) + 600 - points[inside] @ slope).max() < 1.5  # whole numbers, twice


def test_the_part_is_told_and_tells_scans_apart(tmp_path):
    series = choose(read(write(tmp_path / "a.nii", frame_along(AXES["axial"]))))
    part, other = cropped(series, CROP), cropped(series, Crop((6, 31), (9, 36)))
    assert "Only a part of every slice is loaded: rows 5-30, columns 9-36 of 34 x 40 pixels." in part.repairs
    assert part.extent_mm == pytest.approx((57.0, 62.5, 54.0))
    assert len({series.key, part.key, other.key}) == len({series.fingerprint, part.fingerprint, other.fingerprint}) == 3
    with pytest.raises(Refusal, match="34 rows and 40 columns"):
        cropped(series, Crop((1, 35), (1, 40)))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha"])
def test_a_file_that_changed_beside_the_part_is_refused(tmp_path, name):
    frame = frame_along(AXES["axial"])
    part = cropped(choose(read(write(tmp_path / name, frame))), CROP)
    write(tmp_path / name, frame, lambda points: hu(points) + 5 * (points[..., 0] < frame.bounds_mm[0][0] + 1))
    with pytest.raises(Refusal, match="has changed"):
        load(part)


def test_the_slices_as_they_are_stored_stay_whole(tmp_path):
    part = cropped(choose(read(write(tmp_path / "a.nii", frame_along(AXES["axial"])))), CROP)
    assert native_slices(part).slice(3).frame.shape == (1, 34, 40)


LARGE = (40, 200, 200)
KINDS = {"whole": "<i2", "wide": ">i4", "broken": "<f4", "double": "<f8"}


def noise(path, kind):
    """A scan of noise, large enough for its memory to be measured; with numbers that are none where its type has them."""
    values = np.random.default_rng(0).integers(-1000, 1000, LARGE).astype(np.float64)
    if np.dtype(kind).kind == "f":
        values = values + 0.5
        values[20, 3] = np.nan
    image = nibabel.Nifti1Image(values.transpose().astype(kind), np.diag([-0.8, -0.8, 1.5, 1.0]))
    if ".nii" in path.name:
        nibabel.save(image, path)
        return path
    made = SimpleITK.GetImageFromArray(values.astype(np.dtype(kind).newbyteorder("=")))
    made.SetSpacing((0.8, 0.8, 1.5))
    SimpleITK.WriteImage(made, str(path), useCompression=path.name.startswith("packed"))
    return path


@pytest.mark.parametrize("kind", KINDS.values())
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "packed.nrrd", "packed.mha", "a.mha"])
def test_a_part_takes_its_share_and_a_few_planes(tmp_path, name, kind):
    path = noise(tmp_path / name, kind)
    (series,) = read(path).series
    part = cropped(series, Crop((51, 150), (51, 150)))
    held = np.dtype(series.held_type).itemsize
    assert needed_bytes(part) <= 40 * 100 * 100 * held + 6 * 200 * 200 * 8
    assert needed_bytes(series) <= 40 * 200 * 200 * held + 6 * 200 * 200 * 8
    assert at_most(part) <= needed_bytes(part) + 6 * 200 * 200 * 8


@pytest.mark.parametrize("kind", KINDS.values())
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "packed.nrrd", "packed.mha", "a.mha"])
def test_a_file_is_judged_with_a_few_planes_in_memory(tmp_path, name, kind):
    path = noise(tmp_path / name, kind)
    read(path)
    tracemalloc.start()
    read(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 14 * 200 * 200 * 8  # of 40


@pytest.mark.parametrize("kind", KINDS.values())
def test_both_ways_to_read_name_the_image_alike(tmp_path, kind):
    """Cases are bound to it."""
    path = noise(tmp_path / "a.nii", kind)
    (series,) = read(path).series
    image = read_image(Place(path, path.name))
    assert (series.digest, series.held_type) == (image.digest, image.voxels.dtype.name)
    assert not np.isnan(image.voxels).any() and np.array_equal(load(series).voxels, image.voxels)


NRRD = "NRRD0004\ntype: {type}\ndimension: 3\nspace: lps\nsizes: 40 34 20\nspace directions: (2,0,0) (0,2.5,0) (0,0,3)\n"
NRRD += "endian: {endian}\nencoding: {encoding}\n{more}space origin: (0,0,0)\n\n"
META = "ObjectType = Image\nNDims = 3\nBinaryData = {binary}\nBinaryDataByteOrderMSB = {msb}\nCompressedData = {packed}\n"
META += "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 2 2.5 3\nDimSize = 40 34 20\n{more}ElementType = {type}\n"
META += "ElementDataFile = LOCAL\n"


def as_text(data):
    return "".join(f"{value}\n" for value in np.frombuffer(data, "<i2")).encode()


VALUES = np.random.default_rng(1).integers(-1000, 1000, SHAPE)
SIZED = f"CompressedDataSize = {len(zlib.compress(VALUES.astype('<i2').tobytes()))}\n"
WRITTEN = {
    "little": ("a.nrrd", NRRD.format(type="short", endian="little", encoding="raw", more=""), "<i2", bytes),
    "big": ("a.nrrd", NRRD.format(type="int16", endian="big", encoding="raw", more=""), ">i2", bytes),
    "big, packed": ("a.nrrd", NRRD.format(type="float", endian="big", encoding="gzip", more=""), ">f4", gzip.compress),
    "CR LF": ("a.nrrd", NRRD.format(type="short", endian="little", encoding="raw", more="").replace("\n", "\r\n"), "<i2", bytes),
    "text": ("a.nrrd", NRRD.format(type="short", endian="little", encoding="ascii", more=""), "<i2", as_text),
    "bytes skipped": ("a.nrrd", NRRD.format(type="short", endian="little", encoding="raw", more="byte skip: -1\n"), "<i2", bytes),
    "Meta, big": ("a.mha", META.format(type="MET_INT", binary="True", msb="True", packed="False", more=""), ">i4", bytes),
    "Meta, packed": ("a.mha", META.format(type="MET_SHORT", binary="True", msb="False", packed="True", more=SIZED), "<i2", zlib.compress),
    "Meta, text": ("a.mha", META.format(type="MET_SHORT", binary="False", msb="False", packed="False", more=""), "<i2", as_text),
    "Meta, long": ("a.mha", META.format(type="MET_LONG", binary="True", msb="False", packed="False", more=""), "<i4", bytes),
}
READ_WHOLE = {"text", "bytes skipped", "Meta, text", "Meta, long"}


@pytest.mark.parametrize("way", WRITTEN)
def test_every_way_to_store_gives_the_same_voxels(tmp_path, way):
    name, head, kind, pack = WRITTEN[way]
    (tmp_path / name).write_bytes(head.encode() + pack(VALUES.astype(kind).tobytes()))
    theirs = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / name)))
    with image_planes(Place(tmp_path / name, name)) as image:
        assert bool(image.whole_bytes) == (way in READ_WHOLE)
        ours = np.array(list(image.planes()))
    assert np.array_equal(ours, theirs) and np.array_equal(ours, VALUES)


@pytest.mark.parametrize("way", ["little", "big, packed", "Meta, packed"])
def test_voxels_that_break_off_are_damage(tmp_path, way):
    name, head, kind, pack = WRITTEN[way]
    data = pack(VALUES.astype(kind).tobytes())
    (tmp_path / name).write_bytes(head.encode() + data[: len(data) * 2 // 3])
    with pytest.raises(Refusal, match=r"breaks off|promises more"):
        read(tmp_path / name)


def test_what_the_memory_does_not_hold_twice_is_judged_and_its_part_loaded(tmp_path, monkeypatch):
    path = write(tmp_path / "a.nii.gz", frame_along(AXES["axial"], (60, 100, 100)))
    for place in ("planner.scan.loading", "planner.scan.images", "planner.scan.streams"):
        monkeypatch.setattr(f"{place}.free_bytes", lambda: 60 * 100 * 100 * 2 * 0.9)
    series = choose(read(path))
    with pytest.raises(Refusal, match="Load the spine only"):
        load(series)
    part = cropped(series, Crop((21, 70), (31, 80)))
    assert load(part).frame.shape == (60, 50, 50)
    assert images.free_bytes() == streams.free_bytes()


@pytest.mark.parametrize("axes", ["axial", "axial, as RAS has it", "left-handed"])
@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha"])
def test_the_spine_is_found_in_axial_ct(tmp_path, axes, name):
    frame = frame_along(np.sign(AXES[axes]) * [5.0, 2.5, 2.5], (20, 150, 160))
    series = choose(read(write(tmp_path / name, frame, body)))
    low, high = cropped(series, spine_box(series)).frame.bounds_mm
    assert low[0] == pytest.approx(20 - BESIDE_MM, abs=8) and high[0] == pytest.approx(20 + BESIDE_MM, abs=8)
    assert low[1] < 75 - 20 - 40 and 150 < high[1] < 175


def test_the_spine_is_not_looked_for_otherwise(tmp_path):
    series = choose(read(write(tmp_path / "a.nii", frame_along(AXES["sagittal"]))))
    for one in (series, replace(series, plane="axial", modality="MR")):
        with pytest.raises(Refusal, match=r"axial CT alone.*Give the rows and columns"):
            spine_box(one)
