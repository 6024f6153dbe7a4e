"""Scans taken at a slant: the canal is found as in the same scan taken straight, and beyond the slices there is nothing."""

from dataclasses import replace

import numpy as np
import pytest

from planner import scan
from planner.anatomy import find
from planner.anatomy.labels import CANAL
from planner.geometry import Frame, Volume, resample
from tests.bench.anatomy.otherwise import off_mm, taken_at_a_slant, turn
from tests.data import real
from tests.planner.anatomy.phantoms import phantom


def slab(volume: Volume, width_mm: float) -> Volume:
    """The middle of a scan, as sagittal slices show it."""
    middle, half = volume.frame.shape[2] // 2, round(width_mm / 2 / volume.frame.spacing_mm[2])
    nk, nj, _ = volume.frame.shape
    frame = volume.frame.crop((0, 0, middle - half), (nk, nj, middle + half))
    return replace(volume, frame=frame, voxels=np.ascontiguousarray(volume.voxels[:, :, middle - half : middle + half]))


@pytest.mark.parametrize(("axis", "degrees"), [(0, 15.0), (1, -12.0), (2, 20.0)])
def test_the_canal_of_sagittal_slices_is_found_at_any_slant(axis: int, degrees: float) -> None:
    straight, line = slab(phantom("mr").volume, 76.0), phantom("mr").truth.as_json()["canal"]["centreline"]
    turned = turn(axis, degrees)
    slanting = taken_at_a_slant(straight, turned)
    found = find(slanting)
    assert np.percentile(off_mm(found, np.array(line) @ turned.T), 90) < 1.5
    assert len(found.canal.centreline_mm) > 0.9 * len(find(straight).canal.centreline_mm)
    held = np.argwhere(found.mask(CANAL))
    assert slanting.field is not None
    assert slanting.field.contains(slanting.frame.to_world(held), -0.5 * max(slanting.field.spacing_mm)).all()


def test_slices_that_are_shifted_against_each_other_are_searched_in_the_standard_frame() -> None:
    """Sagittal slices, each higher than the one before it: their own grid has no right angles, and distances on it are wrong."""
    straight, line = slab(phantom("mr").volume, 76.0), phantom("mr").truth.as_json()["canal"]["centreline"]
    affine = straight.frame.affine.copy()
    affine[2, 2] = np.tan(np.radians(20.0)) * affine[0, 2]
    affine[2, 3] -= affine[2, 2] * (straight.frame.shape[2] - 1) / 2
    shifted = Frame(straight.frame.shape, affine)
    taken = replace(straight, frame=shifted, voxels=resample(straight.voxels, straight.frame, shifted, 0.0)).to_axial()
    assert taken.field is not None and not taken.field.is_rectangular
    found = find(taken)
    assert np.percentile(off_mm(found, np.array(line)), 95) < 1.6
    assert len(found.canal.centreline_mm) > 0.95 * len(find(straight).canal.centreline_mm)


def test_so_is_that_of_t1() -> None:
    straight, line = slab(phantom("mr-t1").volume, 76.0), phantom("mr-t1").truth.as_json()["canal"]["centreline"]
    turned = turn(1, 15.0)
    assert np.percentile(off_mm(find(taken_at_a_slant(straight, turned)), np.array(line) @ turned.T), 90) < 2.0


@pytest.mark.real
@pytest.mark.parametrize(("axis", "degrees"), [(1, 15.0), (2, -20.0)])
def test_a_real_scan_taken_at_a_slant(axis: int, degrees: float) -> None:
    straight = scan.load(scan.choose(scan.read(real("lumbar-mr-t2-labelled/case-07-t2.nii.gz"))))
    turned = turn(axis, degrees)
    found, before = find(taken_at_a_slant(straight, turned)), find(straight)
    off = off_mm(found, before.canal.centreline_mm @ turned.T)
    assert np.median(off) < 0.6
    assert len(found.canal.centreline_mm) > 0.9 * len(before.canal.centreline_mm)
