"""Pixels and millimetres: which side is which, and that nothing is stretched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.geometry import Frame
from viewer.pose import PLANES, Pose, letters, plane_along, slice_step_mm, standard_plane

FRAME = Frame.axial((40, 60, 80), (3.0, 0.7, 0.9), (-36, -21, -60))


def pose(name: str) -> Pose:
    return Pose(standard_plane(name), (5.0, -3.0), 7.0, 2.5, 480, 420)


@pytest.mark.parametrize(
    ("name", "right", "left", "above", "below"),
    [("axial", "L", "R", "A", "P"), ("coronal", "L", "R", "H", "F"), ("sagittal", "P", "A", "H", "F")],
)
def test_the_edges_carry_the_letters_of_a_radiology_picture(name, right, left, above, below):
    plane = standard_plane(name)
    assert (letters(plane.right), letters(-plane.right), letters(-plane.down), letters(plane.down)) == (right, left, above, below)


def test_a_slanted_direction_names_two_sides():
    assert letters(np.array([0.8, 0.6, 0.0])) == "LP"
    assert letters(np.array([0.1, 0.0, -0.99])) == "F"


@pytest.mark.parametrize("name", PLANES)
@given(x=st.floats(-500, 900), y=st.floats(-500, 900))
def test_a_pixel_and_its_point_are_one(name, x, y):
    one = pose(name)
    point = one.to_world(x, y)
    assert one.to_screen(point) == pytest.approx([x, y], abs=1e-6)
    assert one.distance_mm(point) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", PLANES)
def test_the_pixel_grid_meets_the_frame_where_the_world_says(name):
    one = pose(name)
    first, right, down = one.pixel_grid(FRAME, 2.0)
    expected = FRAME.to_index(one.to_world((7 + 0.5) / 2, (11 + 0.5) / 2))
    assert first + 7 * right + 11 * down == pytest.approx(expected)


def test_zooming_keeps_the_place_under_the_pointer():
    before = pose("coronal")
    after = before.zoomed(1.7, 100, 300)
    assert after.to_world(100, 300) == pytest.approx(before.to_world(100, 300))
    assert after.px_per_mm == pytest.approx(1.7 * 2.5)


def test_a_slice_is_a_whole_slice_of_the_scan():
    at = pose("axial").at((0, 0, 4.0), FRAME)  # slices at -36, -33, ... 3, 6
    assert at.depth_mm == pytest.approx(3.0)
    assert slice_step_mm(standard_plane("sagittal"), FRAME) == pytest.approx(0.9)


@given(st.tuples(*[st.floats(-80, 80)] * 3), st.tuples(*[st.floats(-80, 80)] * 3))
def test_the_plane_along_a_needle_holds_both_ends_and_never_mirrors(entry, target):
    if np.linalg.norm(np.subtract(target, entry)) < 1:
        return
    plane = plane_along(entry, target)
    assert np.dot(plane.normal, np.subtract(target, entry)) == pytest.approx(0, abs=1e-6)
    assert np.dot(plane.right, plane.down) == pytest.approx(0, abs=1e-9)
    assert np.linalg.norm(plane.right) == pytest.approx(1) and np.linalg.norm(plane.down) == pytest.approx(1)
    assert plane.normal[2] >= -1e-9  # seen from the feet, as an axial picture is: left is right
    assert plane.right[0] >= -1e-9
