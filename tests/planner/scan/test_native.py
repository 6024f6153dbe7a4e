"""The slices as they are stored: their values are the file's own, and their places those of the header, whatever was repaired."""

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK

from planner.refusal import Refusal
from planner.scan import load, read
from planner.scan.native import lie_words, native_slices, stack_words
from tests.data import real
from tests.planner.scan.writer import Stack, edit, hu, other, write


def tilted(deg, **values):
    tilt = np.radians(deg)
    return Stack(column=(0, np.cos(tilt), -np.sin(tilt)), places=tuple(range(20)), **values)


def assert_true(native):
    """Every pixel of every slice holds the value of the world at its place."""
    for n in range(native.count):
        volume = native.slice(n)
        index = np.argwhere(np.ones(volume.frame.shape))
        truth = hu(volume.frame.to_world(index)).reshape(volume.frame.shape)
        assert np.abs(volume.values() - truth).max() <= 1.0  # rounded positions


@pytest.mark.parametrize(
    "stack",
    [
        Stack(),
        tilted(18.5),
        tilted(-16.5),
        Stack(row=(0, 1, 0), column=(0, 0, -1), step=(-4, 0, 0)),
        Stack(places=(0, 1, 2.2, 3, 4.1, 5, 6, 7, 8, 9, 10, 11)),
        Stack(intercepts=(-1024.0, -1000.0)),
    ],
)
def test_pixels_lie_where_the_header_says(tmp_path, stack):
    (series,) = read(write(tmp_path, stack)).series
    native = native_slices(series)
    assert native.count == len(stack.places)
    assert_true(native)


def test_values_are_pydicoms_and_their_type_the_scanners(tmp_path):
    (series,) = read(write(tmp_path, tilted(18.5, intercepts=(-1024.0, -1000.0)))).series
    native = native_slices(series)
    for n, picture in enumerate(series.pictures):
        ds = pydicom.dcmread(picture.place.path)
        assert native.slice(n).voxels.dtype == np.int16
        assert np.array_equal(native.slice(n).values()[0], ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept))


def test_the_slice_nearest_to_a_place(tmp_path):
    (series,) = read(write(tmp_path, tilted(18.5))).series
    native = native_slices(series)
    for n in range(native.count):
        inside = native.frames[n].to_world((0.3, 30, 11))
        assert native.nearest(inside) == n
        assert native.ahead_mm(n, inside) == pytest.approx(0.3)


def test_mr_with_low_values_bright_is_shown_as_it_is_loaded(tmp_path):
    stack = Stack(modality="MR", signed=False, bits=12, extra=(("PhotometricInterpretation", "MONOCHROME1"),))
    (series,) = read(write(tmp_path, stack, function=lambda points: np.clip(hu(points), -1000, 900))).series
    loaded, native = load(series), native_slices(series)
    for n in range(native.count):
        assert np.array_equal(native.slice(n).values()[0], loaded.values()[n])


@pytest.mark.parametrize(
    ("stack", "lies", "follow"),
    [
        (Stack(), "Axial, straight.", "2.00 mm from slice to slice."),
        (
            tilted(18.5),
            "Axial, tilted by 18.5 deg: its front edge lies toward the head.",
            "1.90 mm from slice to slice; they slip sideways by 18.5 deg, as a tilted gantry makes them.",
        ),
        (tilted(-10), "Axial, tilted by 10.0 deg: its front edge lies toward the feet.", "slip sideways by 10.0 deg"),
        (
            Stack(
                row=(np.cos(0.2), 0, np.sin(0.2)), column=(0, 1, 0), step=(-2 * np.sin(0.2), 0, 2 * np.cos(0.2)), places=tuple(range(20))
            ),
            "Axial, tilted by 11.5 deg: its left edge lies toward the head.",
            "2.00 mm from slice to slice.",
        ),
        (
            Stack(row=(np.sin(0.1), np.cos(0.1), 0), column=(0, 0, -1), step=(-2 * np.cos(0.1), 2 * np.sin(0.1), 0)),
            "Sagittal, tilted by 5.7 deg: its front edge lies toward the right.",
            "2.00 mm from slice to slice.",
        ),
        (Stack(places=(0, 1, 2.2, 3, 4.1, 5, 6, 7, 8, 9, 10, 11)), "Axial, straight.", "1.60 to 2.40 mm from slice to slice, unevenly."),
    ],
)
def test_how_slices_lie_in_words(tmp_path, stack, lies, follow):
    native = native_slices(read(write(tmp_path, stack)).series[0])
    assert lie_words(native, 3) == lies
    assert follow in stack_words(native)


def test_slices_that_are_turned_against_each_other_are_said_so(tmp_path):
    """Of a refused series: distances between them would mean nothing."""
    for n in range(5):
        a = np.radians(4 * n)
        turned = Stack(row=(np.cos(a), 0, np.sin(a)), places=(n,), first_number=n + 1, centre=(0, 0, 3.0 * n))
        write(tmp_path, turned, f"{n}" + "{}.dcm")
    (series,) = read(tmp_path).series
    assert series.verdict == "refused"
    native = native_slices(series)
    assert native.turned_deg == pytest.approx(16, abs=0.01)
    assert stack_words(native) == "The slices are turned against each other by up to 16.0 deg."


def test_a_file_that_has_gone_is_refused(tmp_path):
    (series,) = read(write(tmp_path, Stack())).series
    native = native_slices(series)
    series.pictures[4].place.path.unlink()
    native.slice(3)
    with pytest.raises(Refusal, match="Slice 5 of 12 cannot be read") as raised:
        native.slice(4)
    assert "Open the scan again" in raised.value.way_out


def test_slices_without_a_place_are_refused(tmp_path):
    write(tmp_path, other(Stack(), places=(0, 1, 2)))
    for path in tmp_path.iterdir():
        edit(path, ImagePositionPatient=None)
    with pytest.raises(Refusal, match="do not say where they lie"):
        native_slices(read(tmp_path).series[0])


@pytest.mark.parametrize("ending", ["nii.gz", "nii", "nrrd", "mha"])
def test_slices_of_one_file(tmp_path, ending):
    path = tmp_path / f"scan.{ending}"
    values = np.random.default_rng(1).integers(-1000, 1000, (9, 20, 30)).astype(np.int16)
    image = SimpleITK.GetImageFromArray(values)
    image.SetSpacing((0.5, 0.75, 3.0))
    c, s = np.cos(0.2), np.sin(0.2)
    image.SetDirection((1, 0, 0, 0, c, -s, 0, s, c))
    SimpleITK.WriteImage(image, str(path))
    native = native_slices(read(path).series[0])
    assert native.count == 9 and "tilted by 11.5 deg" in lie_words(native, 0)
    for n in (0, 4, 8):
        volume = native.slice(n)
        for index in ((3, 5), (29, 0)):
            point = image.TransformIndexToPhysicalPoint((*index, n))
            assert volume.frame.to_index(point) == pytest.approx((0, index[1], index[0]), abs=1e-3)
            assert volume.values()[0, index[1], index[0]] == image.GetPixel(*index, n)
    path.unlink()
    with pytest.raises(Refusal, match=r"cannot be read|not a whole"):
        native_slices(native.series)


@pytest.mark.real
@pytest.mark.parametrize("folder", ["S2010", "S3010"])
def test_native_values_of_a_tilted_gantry_are_pydicoms(folder):
    (series,) = read(real(f"gantry-tilt-head-ct/philips-cd/S21610/{folder}")).series
    native = native_slices(series)
    assert "sheared" in series.repairs[0] and "tilted" in lie_words(native, 0) and "slip sideways" in stack_words(native)
    for n in range(0, native.count, 9):
        ds = pydicom.dcmread(series.pictures[n].place.path)
        assert np.array_equal(native.slice(n).values()[0], ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept))
        row, column = np.array(ds.ImageOrientationPatient[:3]), np.array(ds.ImageOrientationPatient[3:])
        point = np.array(ds.ImagePositionPatient) + row * ds.PixelSpacing[1] * 40 + column * ds.PixelSpacing[0] * 70
        assert native.slice(n).frame.to_index(point) == pytest.approx((0, 70, 40), abs=0.01)


@pytest.mark.real
def test_native_values_of_an_oblique_nifti_are_nibabels():
    (series,) = (one for one in read(real("cervical-mr")).series if "oblique" in " ".join(one.repairs))
    assert series.file is not None
    image = nibabel.load(series.file.path)
    data, native = np.asarray(image.dataobj), native_slices(series)
    assert native.count == data.shape[2] and "tilted by 11.9 deg" in lie_words(native, 0)
    for n in range(native.count):
        assert np.allclose(native.slice(n).values()[0], data[:, :, n].T)
        ras = image.affine @ (100, 50, n, 1)
        assert native.slice(n).frame.to_index(ras[:3] * (-1, -1, 1)) == pytest.approx((0, 50, 100), abs=0.01)
