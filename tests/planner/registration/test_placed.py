"""Rigid and what is read from a registration: by hand, and against independent reckoning."""

from __future__ import annotations

import numpy as np
import pytest

from planner.geometry import Frame, Gap, Volume
from planner.registration import LevelError, Registration, Rigid

PLACED = Rigid((4.0, -7.0, 11.0), (12.0, -3.0, 25.0), (5.0, -20.0, -200.0))
POINTS = np.array([[0.0, 0.0, 0.0], [30.0, -40.0, -250.0], [-12.0, 55.0, 10.0]])


def test_a_quarter_turn_about_the_body_axis_brings_left_to_back() -> None:
    quarter = Rigid((0.0, 0.0, 90.0), (1.0, 2.0, 3.0), (10.0, 0.0, 0.0))
    assert quarter((11.0, 0.0, 0.0)) == pytest.approx((11.0, 3.0, 3.0))


def test_there_and_back_again() -> None:
    assert PLACED.back(PLACED(POINTS)) == pytest.approx(POINTS)
    assert PLACED.inverse()(PLACED(POINTS)) == pytest.approx(POINTS)
    assert PLACED.about((1.0, 2.0, 3.0))(POINTS) == pytest.approx(PLACED(POINTS))
    whole = PLACED.matrix @ np.append(POINTS, np.ones((3, 1)), axis=1).T
    assert np.allclose(whole[:3].T, PLACED(POINTS))


def test_a_hand_shifts_and_turns_in_the_world_of_the_planning_scan() -> None:
    assert PLACED.shifted((1.0, 2.0, 3.0))(POINTS) == pytest.approx(PLACED(POINTS) + (1.0, 2.0, 3.0))
    about = np.array([3.0, -30.0, -180.0])
    turned = PLACED.turned((0.0, 0.0, 2.0), 90.0, about)
    x, y, z = (PLACED(POINTS) - about).T
    assert turned(POINTS) == pytest.approx(np.stack([-y, x, z], axis=1) + about)


def test_a_placed_volume_keeps_its_voxels_and_lies_where_it_was_laid() -> None:
    volume = Volume(Frame.axial((4, 5, 6), (2.0, 1.0, 1.5), (-3.0, 4.0, 5.0)), np.zeros((4, 5, 6), np.int16))
    placed = PLACED.placed(volume)
    assert placed.voxels is volume.voxels
    assert placed.frame.corners_mm == pytest.approx(PLACED(volume.frame.corners_mm))


def test_gaps_and_slices_of_a_placed_volume_lie_where_it_lies() -> None:
    gap, field = Gap((0.0, 0.6, 0.8), 4.0, 9.0), Frame.axial((3, 3, 3), (1.0, 2.0, 3.0), (1.0, 0.0, -4.0))
    volume = Volume(Frame.axial((4, 5, 6), (2.0, 1.0, 1.5), (-3.0, 4.0, 5.0)), np.zeros((4, 5, 6), np.int16), gaps=(gap,), field=field)
    placed = PLACED.placed(volume)
    (moved,) = placed.gaps
    assert placed.field is not None and placed.field.corners_mm == pytest.approx(PLACED(field.corners_mm))
    points = np.random.default_rng(1).uniform(-20, 20, (500, 3))
    assert gap.holds(points).any() and np.array_equal(moved.holds(PLACED(points)), gap.holds(points))


def level(error_mm: float | None, why: str = "") -> LevelError:
    return LevelError((0.0, 0.0, 0.0), error_mm, None, why)


@pytest.mark.parametrize(
    ("levels", "doubts", "verdict"),
    [
        (None, (), "not measured"),
        ((level(0.4), level(1.9), level(0.8)), (), "good"),
        ((level(0.4), level(2.1), level(0.8)), (), "questionable"),
        ((level(0.4), level(0.8)), ("The files of the two scans name different patients.",), "questionable"),
        ((level(0.4), level(None, "too little is seen there in both scans")), (), "questionable"),
        ((level(0.4), level(0.3), *[level(None, "the second scan does not hold it")] * 5), (), "good"),
        ((level(0.4), level(0.3), *[level(None, "too little is seen there in both scans")] * 5), (), "questionable"),
        ((), (), "questionable"),
    ],
)
def test_a_registration_is_good_only_where_levels_were_checked_and_agree(
    levels: tuple[LevelError, ...] | None, doubts: tuple[str, ...], verdict: str
) -> None:
    assert Registration(PLACED, "search", 1.0, levels, doubts).verdict == verdict
