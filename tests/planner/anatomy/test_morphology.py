"""Masks grown, shrunk and taken apart: the same as scipy's, voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy import morphology

_CROSS = ndimage.generate_binary_structure(3, 1)
Mask = NDArray[np.bool_]


@pytest.fixture(params=[((12, 15, 18), 0.02), ((12, 15, 18), 0.3), ((9, 20, 7), 0.97), ((1, 5, 6), 0.5), ((4, 5, 6), 0.0)])
def mask(request: pytest.FixtureRequest) -> Mask:
    shape, share = request.param
    return np.asarray(np.random.default_rng(3).random(shape) < share)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_growing_and_shrinking_go_along_the_axes(mask: Mask, steps: int) -> None:
    np.testing.assert_array_equal(morphology.grown(mask, steps), ndimage.binary_dilation(mask, _CROSS, steps))
    np.testing.assert_array_equal(morphology.shrunk(mask, steps), ndimage.binary_erosion(mask, _CROSS, steps))
    np.testing.assert_array_equal(morphology.shrunk(mask, steps, True), ndimage.binary_erosion(mask, _CROSS, steps, border_value=1))
    np.testing.assert_array_equal(morphology.closed(mask, steps), ndimage.binary_closing(mask, _CROSS, steps))


def test_a_mask_grows_within_another(mask: Mask) -> None:
    within = mask | (np.random.default_rng(4).random(mask.shape) < 0.5)
    np.testing.assert_array_equal(morphology.grown(mask, 2, within), ndimage.binary_dilation(mask, _CROSS, 2, mask=within))


def test_along_slices_reaches_up_and_down_alone(mask: Mask) -> None:
    np.testing.assert_array_equal(morphology.along_slices(mask, 2), ndimage.maximum_filter1d(mask.view(np.uint8), 5, axis=0) > 0)


@pytest.mark.parametrize("size", [(1, 2, 2), (2, 3, 2), (3, 3, 3), (1, 1, 1), (5, 1, 1)])
def test_opening_leaves_what_boxes_cover(mask: Mask, size: tuple[int, int, int]) -> None:
    np.testing.assert_array_equal(morphology.opened(mask, size), ndimage.binary_opening(mask, np.ones(size)))


def test_what_hangs_together_with_seeds_is_reached(mask: Mask) -> None:
    seeds = np.random.default_rng(5).random(mask.shape) < 0.05
    parts, _ = ndimage.label(mask)
    np.testing.assert_array_equal(morphology.reached(mask, seeds), mask & np.isin(parts, parts[seeds & mask]))


def test_pieces_are_those_of_a_labelling(mask: Mask) -> None:
    parts, count = ndimage.label(mask)
    pieces = morphology.pieces_of(mask)
    assert pieces.count == count
    np.testing.assert_array_equal(pieces.sizes, np.bincount(parts.ravel(), minlength=count + 1)[1:])
    np.testing.assert_array_equal(pieces.cut, np.isin(np.arange(1, count + 1), parts[[0, -1]]))
    for n in range(min(count, 5)):
        np.testing.assert_array_equal(pieces.mask(np.arange(count) == n), parts == n + 1)


def test_the_box_of_a_mask_holds_it_all(mask: Mask) -> None:
    box = morphology.box_of(mask)
    if not mask.any():
        assert box is None
        return
    assert box == ndimage.find_objects(mask.astype(np.uint8))[0]
    wide = morphology.box_of(mask, 100)
    assert wide == tuple(slice(0, size) for size in mask.shape)
