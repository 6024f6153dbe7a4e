"""The planning box's distance fields and surfaces against scipy."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from planner.needles.distance import REACH_MM, UNIT_MM, coarse_distance_field, distance_field, surface
from planner.needles.march import least_distance


@pytest.mark.parametrize("spacing", [0.6, 0.8])
def test_the_field_is_the_exact_distance_up_to_its_reach(spacing):
    generator = np.random.default_rng(3)
    mask = generator.random((40, 50, 60)) < 0.0004
    field = distance_field(mask, spacing)
    exact = np.maximum(distance_transform_edt(~mask) * spacing - spacing / 2, 0)
    near = exact < REACH_MM - 2 * spacing
    assert np.abs(field[near] * UNIT_MM + UNIT_MM / 2 - exact[near]).max() <= UNIT_MM / 2 + 1e-6
    assert (field[mask] == 0).all()
    assert (field[~near] * UNIT_MM >= REACH_MM - 2 * spacing - UNIT_MM).all()


def test_an_empty_mask_is_far_from_everything():
    assert (distance_field(np.zeros((5, 6, 7), bool), 0.7) * UNIT_MM >= REACH_MM - UNIT_MM).all()


def test_the_coarse_field_is_right_within_two_voxels():
    mask = np.zeros((60, 60, 60), bool)
    mask[20:30, 20:40, 10:30] = True
    exact = np.maximum(distance_transform_edt(~mask) * 0.7 - 0.35, 0)
    found = coarse_distance_field(mask, 0.7) * UNIT_MM
    near = exact < 20
    assert np.abs(found - exact)[near].max() < 2 * 0.7 * np.sqrt(3)


def test_the_surface_is_the_outer_layer():
    mask = np.zeros((12, 12, 12), bool)
    mask[2:9, 3:9, 4:9] = True
    expected = mask.copy()
    expected[3:8, 4:8, 5:8] = False
    found = np.zeros_like(mask)
    found[tuple(surface(mask).T)] = True
    assert (found == expected).all()


def test_distance_of_a_point_from_a_needle():
    cloud = np.array([[0, 3, 5], [0, 0, 14], [50, 0, 0]], np.float32)
    assert least_distance(cloud, np.zeros(3), np.array([0, 0, 10.0])) == pytest.approx(3.0)
    assert least_distance(cloud[1:2], np.zeros(3), np.array([0, 0, 10.0])) == pytest.approx(4.0)
    assert least_distance(np.empty((0, 3), np.float32), np.zeros(3), np.ones(3)) == np.inf
