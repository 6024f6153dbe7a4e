"""What the room reads, against cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from app.report import room_words
from planner.geometry import needle_angles

# entry, target, position, in plane, out of plane, C-arm receptor (algorithms 4.6, worked by hand)
WORKED = [
    ((60, 80, 10), (10, 20, 10), "prone", "40° to the right", "0°, in the slice", "40° left"),
    ((-50, 90, -20), (-5, 25, 0), "prone", "35° to the left", "14° to the head", "35° right, 14° feet"),
    ((0, 0, 0), (0, 50, 0), "supine", "0°, straight down", "0°, in the slice", "straight above"),
    ((-50, 40, 0), (0, 0, 0), "left", "39° to the front", "0°, in the slice", "39° back"),
    ((50, 40, 0), (0, 0, -10), "right", "39° to the front", "9° to the feet", "39° back, 9° head"),
]


@pytest.mark.parametrize(("entry", "target", "position", "in_plane", "out_of_plane", "c_arm"), WORKED)
def test_angles_in_words(entry, target, position, in_plane, out_of_plane, c_arm) -> None:
    angles = needle_angles(entry, target, position)
    assert room_words.in_plane(angles.in_plane_deg, position) == in_plane
    assert room_words.out_of_plane(angles.out_of_plane_deg) == out_of_plane
    assert room_words.c_arm(angles.in_plane_deg, angles.out_of_plane_deg, position)[0] == c_arm


@pytest.mark.parametrize(("a", "b"), [(0, 10), (42, -3), (-30, 14), (60, 5)])
def test_the_tilted_slice_holds_the_whole_needle(a: float, b: float) -> None:
    """The slice, turned about the table's crosswise axis, against the needle's direction: at right angles to its normal."""
    down, across, along = (
        np.cos(np.radians(a)) * np.cos(np.radians(b)),
        np.sin(np.radians(a)) * np.cos(np.radians(b)),
        np.sin(np.radians(b)),
    )
    tilt = np.radians(room_words.gantry_tilt_deg(a, b))
    normal = np.array([0.0, -np.sin(tilt), np.cos(tilt)])  # across, down, along
    assert abs(normal @ [across, down, along]) < 1e-12


def test_tilt_in_words() -> None:
    assert room_words.gantry(10.0, 0.2)[0] == "no tilt"
    assert room_words.gantry(0.0, 12.0)[0] == "12°, top to feet"
    assert room_words.gantry(0.0, -12.0)[0] == "12°, top to head"
    assert room_words.gantry(55.0, 25.0)[0] == "not in one slice"


def test_places_in_words() -> None:
    assert room_words.table_position(-182.5) == ("I 182.5 mm", "toward the feet from scan zero")
    assert room_words.table_position(12.04)[0] == "S 12.0 mm"
    assert room_words.entry_from_midline(-70.75) == "71 mm right"
    assert room_words.entry_from_midline(12.2) == "12 mm left"
    assert room_words.entry_from_midline(0.2) == "in the midline"
