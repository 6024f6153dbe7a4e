"""The tilt of the true windows against the table, and against beams tried one by one on the labels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from planner.phantom import Phantom, TrueWindow
from tests.planner.phantom.looking import at, bone

# clinical.md 3.5 and anatomy-in-numbers.md 3.5, from the least to the greatest of both; two degrees more for this one patient.
# T10-T11: a spinous process that dips 40 deg (clinical.md 3.6) lets no flatter beam to the middle of the window
TILT_DEG = {"T9": (40, 60), "T10": (10, 43), "T11": (10, 30), "T12": (10, 30), "L1": (0, 18), "L2": (0, 17), "L3": (0, 17), "L4": (0, 17),
            "L5": (-7, 12)}


def clear_radius_mm(phantom: Phantom, window: TrueWindow, tilt_deg: float) -> float:
    """Of the widest circle near the window's middle through which beams of this tilt, 60 mm long, meet no bone: a brute count."""
    tilt = np.radians(tilt_deg)
    beam, up = np.array([0, np.cos(tilt), -np.sin(tilt)]), np.array([0, np.sin(tilt), np.cos(tilt)])
    x, h, depth = np.arange(-14, 14.1, 0.5), np.arange(-14, 14.1, 0.5), np.arange(-2, 58, 0.7)
    points = np.array(window.centre) + x[:, None, None, None] * np.array([1.0, 0, 0]) + h[None, :, None, None] * up + depth[:, None] * beam
    closed = at(phantom, bone(phantom), points).any(axis=2)
    radius = np.asarray(distance_transform_edt(~np.pad(closed, 1, constant_values=True), sampling=0.5))[1:-1, 1:-1]
    return float(radius[np.abs(x) <= 4][:, np.abs(h) <= 3.5].max())


@pytest.mark.parametrize("name", TILT_DEG)
def test_a_window_is_tilted_as_the_table_says(fine: Phantom, name: str) -> None:
    low, high = TILT_DEG[name]
    window = next(w for w in fine.truth.windows if w.between[0] == name)
    assert low <= window.tilt_deg <= high


@pytest.mark.parametrize("name", ["T10", "T12", "L2", "L4"])
def test_no_other_tilt_lets_a_much_thicker_needle_through(fine: Phantom, name: str) -> None:
    window = next(w for w in fine.truth.windows if w.between[0] == name)
    told = clear_radius_mm(fine, window, window.tilt_deg)
    assert told > 1.0
    for tilt_deg in np.arange(-10, 56, 6.0):
        assert clear_radius_mm(fine, window, float(tilt_deg)) < told + 0.8, tilt_deg
