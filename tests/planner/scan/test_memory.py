"""What is said to be needed is what loading takes at its most."""

import tracemalloc

import nibabel
import numpy as np
import pytest

from planner.scan import load, needed_bytes, read
from planner.scan.crop import Crop
from planner.scan.spine_only import cropped
from tests.planner.scan.writer import Stack, other, write

LARGE = Stack(rows=200, columns=200, places=tuple(range(40)))
WAYS = {
    "as stored": LARGE,
    "unsigned": other(LARGE, signed=False),
    "sagittal": other(LARGE, row=(0, 1, 0), column=(0, 0, -1), step=(4, 0, 0)),
    "tilted": other(LARGE, column=(0, np.cos(0.1), -np.sin(0.1)), extra=(("PixelPaddingValue", 1054),)),
    "evened": other(LARGE, places=tuple(n + 0.1 * (n % 4 == 1) for n in range(40))),
    "with a gap": other(LARGE, places=(*range(20), *range(25, 45))),
    "several rescales": other(LARGE, intercepts=(-1024.0, -1000.0)),
    "rescales that are no whole steps apart": other(LARGE, intercepts=(-1024.0, -1000.5)),
    "dark is bright": other(LARGE, modality="MR", extra=(("PhotometricInterpretation", "MONOCHROME1"),)),
}


def at_most(series):
    """Bytes that loading takes at its most."""
    load(series)  # what is kept for good, such as compiled kernels
    tracemalloc.start()
    volume = load(series)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(volume.voxels)
    return most


@pytest.mark.parametrize("way", WAYS)
def test_the_need_is_known_before(tmp_path, way):
    series = next(one for one in read(write(tmp_path, WAYS[way])).series if one.usable)
    slice_bytes = 200 * 200 * 8
    assert at_most(series) <= needed_bytes(series) * 1.02 + 6 * slice_bytes
    assert needed_bytes(series) <= at_most(series) * 1.6


def one_file(path, kind):
    """A scan of noise in RAS, as most programs write it: turned on the way in."""
    voxels = np.random.default_rng(0).integers(-1000, 1000, (200, 200, 40)).astype(kind)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([0.8, 0.8, 1.5, 1.0])), path)
    return path


FILES = {(".nii", "<i2"): 1.1, (".nii.gz", "<i2"): 1.1, (".nii.gz", ">i4"): 1.1, (".nii.gz", "<f4"): 2.2, (".nii.gz", "<f8"): 2.2}


@pytest.mark.parametrize(("ending", "kind", "share"), [(*file, share) for file, share in FILES.items()])
def test_the_need_of_one_file_is_known_before(tmp_path, ending, kind, share):
    """Whole numbers come plane by plane."""
    (series,) = read(one_file(tmp_path / f"a{ending}", kind)).series
    most = at_most(series)
    assert most <= needed_bytes(series) * 1.02 + 8 * 200 * 200 * 8
    assert needed_bytes(series) <= most * share


def test_a_part_takes_its_share(tmp_path):
    (series,) = read(write(tmp_path, LARGE)).series
    part = cropped(series, Crop((51, 150), (51, 150)))
    assert needed_bytes(part) == needed_bytes(series) / 4
    assert at_most(part) <= needed_bytes(part) + 6 * 200 * 200 * 8
