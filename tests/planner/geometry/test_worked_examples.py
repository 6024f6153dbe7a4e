"""The worked examples T1-T5 of the reference (algorithms 6) and the angle table (algorithms 4.6), by hand."""

from math import acos, atan2, cos, degrees, radians, sin, sqrt

import numpy as np
import pytest

from planner.geometry import Frame, axial_frame_over, needle_angles


def frame_of(row, column, spacing, first, step, shape):
    """A frame from what DICOM gives: direction of a row and of a column, [row distance, column distance], first position, step."""
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = np.array(column) * spacing[0]
    affine[:3, 2] = np.array(row) * spacing[1]
    affine[:3, 3] = first
    return Frame(shape, affine)


T1 = frame_of((1, 0, 0), (0, 1, 0), (0.5, 0.5), (-128, -128, -300), (0, 0, 2), (150, 512, 512))


def test_t1_axial():
    assert np.allclose(T1.to_world((10, 200, 100)), (-78, -28, -280))
    assert T1.is_axial and T1.is_rectangular
    assert T1.spacing_mm == (2.0, 0.5, 0.5)


def test_t2_sagittal():
    frame = frame_of((0, 1, 0), (0, 0, -1), (0.7, 0.7), (30, -120, 80), (-4, 0, 0), (12, 320, 320))
    assert np.allclose(frame.to_world((3, 100, 50)), (18, -85, 10))
    assert not frame.is_axial and frame.is_aligned


def test_t3_pixels_that_are_not_square():
    frame = frame_of((1, 0, 0), (0, 1, 0), (0.6, 0.5), (0, 0, 0), (0, 0, 1), (3, 64, 64))
    assert np.allclose(frame.to_world((0, 20, 10)), (5, 12, 0))


def test_t4_gantry_tilt_shears():
    tilt = radians(15)
    frame = frame_of((1, 0, 0), (0, cos(tilt), -sin(tilt)), (0.5, 0.5), (0, 0, 0), (0, 0, 2), (101, 512, 512))
    normal = np.array((0, sin(tilt), cos(tilt)))
    assert not frame.is_rectangular
    assert frame.affine[:3, 0] @ normal == pytest.approx(1.9319, abs=1e-4)
    assert frame.affine[:3, 0] @ frame.directions[:, 1] == pytest.approx(-0.5176, abs=1e-4)
    assert degrees(acos(abs(frame.affine[:3, 0] @ normal) / 2)) == pytest.approx(15)
    assert frame.voxel_ml == pytest.approx(0.5 * 0.5 * 2 * cos(tilt) / 1000)


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
def test_t5_there_and_back_also_left_handed(signs):
    affine = T1.affine.copy()
    affine[:3, :3] *= signs
    frame = Frame(T1.shape, affine)
    points = np.random.default_rng(5).uniform(-300, 300, (100, 3))
    assert np.abs(frame.to_world(frame.to_index(points)) - points).max() < 1e-9
    assert np.sign(np.linalg.det(affine[:3, :3])) == -np.prod(signs)


def test_t5_inverse_of_t1():
    assert np.allclose(T1.to_index((-78, -28, -280)), (10, 200, 100), atol=1e-9)


def test_a_frame_over_a_tilted_one_holds_all_of_it():
    tilt = radians(15)
    frame = frame_of((1, 0, 0), (0, cos(tilt), -sin(tilt)), (0.5, 0.5), (-64, -64, 10), (0, 0, 2), (50, 256, 256))
    over = axial_frame_over(frame)
    assert over.is_axial
    assert over.spacing_mm == pytest.approx((2.0, 0.5, 0.5))
    assert over.contains(frame.corners_mm, margin_mm=-1e-6).all()


def test_cropping_keeps_positions():
    crop = T1.crop((10, 20, 30), (20, 40, 60))
    assert crop.shape == (10, 20, 30)
    assert np.allclose(crop.to_world((1, 2, 3)), T1.to_world((11, 22, 33)))


def test_another_spacing_keeps_the_first_corner():
    finer = T1.with_spacing((1.0, 1.0, 1.0))
    assert np.allclose(finer.to_world((0, 0, 0)), T1.to_world((0, 0, 0)))
    assert finer.shape == (299, 256, 256)


def test_damaged_affines_are_no_frames():
    for affine in (np.zeros((4, 4)), np.full((4, 4), np.nan), np.eye(3)):
        with pytest.raises(ValueError):
            Frame((2, 2, 2), affine)


# entry, target, position -> in plane, out of plane; computed by hand from the definitions in algorithms 4.6
ANGLES = [
    ((60, 80, 10), (10, 20, 10), "prone", -39.806, 0.0),
    ((-50, 90, -20), (-5, 25, 0), "prone", 34.695, degrees(atan2(20, sqrt(45**2 + 65**2)))),
    ((0, 80, 0), (0, 20, 0), "prone", 0.0, 0.0),
    ((0, -80, 0), (0, -20, 0), "supine", 0.0, 0.0),
    ((-30, -80, 0), (0, -50, 0), "supine", 45.0, 0.0),
    ((-80, 0, 0), (-20, 0, 0), "left", 0.0, 0.0),  # the left side is down: a needle from the right goes straight down
    ((-80, 60, 0), (-20, 0, 0), "left", 45.0, 0.0),  # toward the front is positive on a side
    ((80, 0, 0), (20, 0, 0), "right", 0.0, 0.0),
    ((80, 60, 0), (20, 0, 0), "right", 45.0, 0.0),
    ((0, 80, 0), (0, 20, 60), "prone", 0.0, 45.0),  # toward the head is positive
    ((0, 80, 0), (0, 20, -60), "prone", 0.0, -45.0),
]


@pytest.mark.parametrize(("entry", "target", "position", "in_plane", "out_of_plane"), ANGLES)
def test_angles_of_a_needle(entry, target, position, in_plane, out_of_plane):
    angles = needle_angles(entry, target, position)
    assert angles.in_plane_deg == pytest.approx(in_plane, abs=1e-3)
    assert angles.out_of_plane_deg == pytest.approx(out_of_plane, abs=1e-3)


def test_a_needle_has_a_length():
    with pytest.raises(ValueError):
        needle_angles((1, 2, 3), (1, 2, 3), "prone")
