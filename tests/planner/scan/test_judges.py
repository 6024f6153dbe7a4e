"""Grids and values as dcm2niix and SimpleITK read them, in every order of axes, with spacings that all differ, tilted and with a gap."""

import os
import shutil
import subprocess
from itertools import product

import nibabel
import numpy as np
import pytest
import SimpleITK

from planner.scan import choose, load, read
from planner.scan.pixels import read_pixels, rescale_of, stored_type
from tests.planner.scan.writer import Stack, write

SIGNS = list(product((1, -1), repeat=3))  # along a row, down a column, from slice to slice
SPACINGS = ((2.0, 1.3, 0.9), (0.9, 2.0, 1.3), (1.3, 0.9, 2.0))  # slices, rows, columns
TILTS_DEG = (0.0, 12.0, -12.0)
CORNER_MM = 0.01


def stack(signs, spacing, tilt_deg, places=tuple(range(14))):
    """Slices tilted about the left-right axis in a gantry that moves straight along the patient."""
    row, column, step = signs
    tilt = np.deg2rad(tilt_deg)
    return Stack(
        row=(row, 0, 0), column=(0, column * np.cos(tilt), column * np.sin(tilt)), step=(0, 0, step * spacing[0]), row_mm=spacing[1],
        column_mm=spacing[2], places=places, rows=40, columns=44,
    )  # fmt: skip


def native(series):
    """The HU of a series on the grid that it was stored on, [slice, row, column]."""
    values = []
    for picture in series.pictures:
        stored = np.empty((picture.pixels.rows, picture.pixels.columns), stored_type(picture.pixels))
        read_pixels(picture, stored)
        slope, intercept = rescale_of(picture)
        values.append(stored * slope + intercept)
    return np.array(values)


def agrees_with_simpleitk(series):
    """Each slice by itself: SimpleITK takes no account of tilt and gaps between slices, but reads each one rightly."""
    values = native(series)
    for n, picture in enumerate(series.pictures):
        image = SimpleITK.ReadImage(str(picture.place.path))
        assert np.array_equal(SimpleITK.GetArrayFromImage(image)[0], values[n])
        _, rows, columns = series.frame.shape
        for j, i in product((0, rows - 1), (0, columns - 1)):
            told = image.TransformIndexToPhysicalPoint((i, j, 0))
            k = series.lies_at[n] if series.lies_at else n
            assert np.abs(series.frame.to_world(np.array([k, j, i], float)) - told).max() < CORNER_MM


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("tilt_deg", TILTS_DEG)
@pytest.mark.parametrize("signs", SIGNS)
def test_as_simpleitk_reads_each_slice(tmp_path, signs, spacing, tilt_deg):
    series = choose(read(write(tmp_path, stack(signs, spacing, tilt_deg))))
    assert series.verdict == ("repaired" if tilt_deg else "good")
    assert sorted(series.spacing_mm) == pytest.approx(sorted((spacing[0] * np.cos(np.deg2rad(tilt_deg)), *spacing[1:])), abs=1e-4)
    agrees_with_simpleitk(series)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("tilt_deg", TILTS_DEG)
@pytest.mark.parametrize("signs", SIGNS)
def test_a_gap_makes_blocks_and_a_whole_with_nothing_in_it(tmp_path, signs, spacing, tilt_deg):
    places = (*range(11), *range(14, 26))
    scan = read(write(tmp_path, stack(signs, spacing, tilt_deg, places)))
    usable = [one for one in scan.series if one.usable]
    assert sorted(one.slices for one in usable) == [11, 12, 23]
    for one in usable:
        agrees_with_simpleitk(one)
        assert any("3 slices are missing" in reason for reason in one.reasons)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("signs", SIGNS)
def test_upright_stacks_load_as_simpleitk_reads_the_series(tmp_path, signs, spacing):
    volume = load(choose(read(write(tmp_path, stack(signs, spacing, 0.0)))))
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path))
    image = SimpleITK.ReadImage(names)
    at = np.array(list(product(*(range(0, n, 3) for n in volume.frame.shape))), float)
    for index, place in zip(at.astype(int), volume.frame.to_world(at)):
        assert image.GetPixel(image.TransformPhysicalPointToIndex(place.tolist())) == volume.values(tuple(slice(n, n + 1) for n in index))


@pytest.fixture(scope="module")
def dcm2niix():
    """The program, which scripts/test installs where it may."""
    program = shutil.which("dcm2niix")
    if program is None and os.environ.get("CI"):
        pytest.fail("dcm2niix is not installed.")
    return program or pytest.skip("dcm2niix is not installed: scripts/test installs it as root.")


def by_dcm2niix(program, folder, out):
    """The grid (affine in LPS, of [column, row, slice]) and the values of what it makes of a folder, before it shears anything back."""
    out.mkdir()
    subprocess.run([program, "-z", "n", "-b", "n", "-f", "x", "-o", out, folder], check=True, capture_output=True)
    image = nibabel.load(out / "x.nii")
    return np.diag((-1, -1, 1, 1)) @ image.affine, np.asarray(image.dataobj, float), (out / "x_Tilt_1.nii").exists()


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("signs", SIGNS)
def test_as_dcm2niix_reads_upright_series(tmp_path, dcm2niix, signs, spacing):
    series = choose(read(write(tmp_path / "in", stack(signs, spacing, 0.0))))
    affine, theirs, tilted = by_dcm2niix(dcm2niix, tmp_path / "in", tmp_path / "out")
    assert not tilted
    places = np.array(list(product(*(range(n) for n in theirs.shape))), float)
    at = series.frame.to_index(places @ affine[:3, :3].T + affine[:3, 3])
    assert np.abs(at - np.rint(at)).max() * max(series.spacing_mm) < CORNER_MM
    assert np.array_equal(native(series)[tuple(np.rint(at).astype(int).T)], theirs.ravel())


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("tilt_deg", TILTS_DEG[1:])
@pytest.mark.parametrize("signs", SIGNS)
def test_dcm2niix_finds_the_same_tilt_and_order(tmp_path, dcm2niix, signs, spacing, tilt_deg):
    """Of tilted series it judges order and values only: the grid that dcm2niix 1.0.2022 writes for them lies elsewhere, by up to slices
    (its own warning: "please validate conversions"), where SimpleITK and we agree."""
    series = choose(read(write(tmp_path / "in", stack(signs, spacing, tilt_deg))))
    _, theirs, tilted = by_dcm2niix(dcm2niix, tmp_path / "in", tmp_path / "out")
    assert tilted and any("12.0 deg (tilted gantry)" in repair for repair in series.repairs)
    upright = theirs.transpose(2, 1, 0)[:, ::-1]  # its rows run from below
    ours = native(series)
    assert np.array_equal(upright, ours) or np.array_equal(upright[::-1], ours)
