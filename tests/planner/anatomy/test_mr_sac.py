"""The sac's outline in thick slices, and discs whose borders are faint, in scans that are made of a few shapes."""

from __future__ import annotations

import numpy as np
import pytest

from planner.anatomy.levels import amid_borders
from planner.anatomy.mr.sac import sac_along
from planner.anatomy.reformat import THETA, curve_through
from planner.geometry import Floats, Frame, Volume

_FINE_MM = 0.25
_HALF_WIDTH_MM, _HALF_DEPTH_MM, _DURA_MM = 8.2, 6.6, 0.3
_FLUID, _DURA, _FAT, _BONE = 1000.0, 100.0, 600.0, 80.0


def _ellipse(half_width_mm: float, half_depth_mm: float, at_mm: Floats) -> Floats:
    """Below 1 inside."""
    return np.asarray((at_mm[None, :] / half_width_mm) ** 2 + (at_mm[:, None] / half_depth_mm) ** 2)


def _tube(across_mm: float) -> Volume:
    """A sac of fluid in its dura, amid fat and bone, 60 mm long, in voxels of so many mm from left to right; the middle is at 0."""
    at: Floats = (np.arange(240, dtype=np.float64) - 119.5) * _FINE_MM
    plane = np.full((240, 240), _BONE)
    plane[_ellipse(12.0, 11.0, at) < 1] = _FAT
    plane[_ellipse(_HALF_WIDTH_MM, _HALF_DEPTH_MM, at) < 1] = _DURA
    plane[_ellipse(_HALF_WIDTH_MM - _DURA_MM, _HALF_DEPTH_MM - _DURA_MM, at) < 1] = _FLUID
    down, across = 3, round(across_mm / _FINE_MM)
    means = plane.reshape(240 // down, down, 240 // across, across).mean(axis=(1, 3))
    noise = np.random.default_rng(3).normal(0.0, 15.0, (61, *means.shape))
    spacing = (1.0, down * _FINE_MM, across * _FINE_MM)
    first = (float(at[:across].mean()), float(at[:down].mean()), -30.0)
    return Volume(Frame.axial((61, *means.shape), spacing, first), np.rint(means + noise).astype(np.int16), "MR")


@pytest.mark.parametrize(("across_mm", "off_mm"), [(1.0, 0.2), (2.0, 0.25), (3.0, 0.8)])
def test_the_outline_of_the_sac_lies_half_way_down_its_edge_in_thick_sagittal_slices_too(across_mm: float, off_mm: float) -> None:
    """Where the edge falls most, the sac would be off by 0.3 mm in slices of 2 mm, by 0.9 mm in those of 3."""
    line = curve_through(np.array([[0.0, 0.0, z] for z in np.linspace(28.0, -28.0, 30)]), 2.0)
    found = sac_along(_tube(across_mm), line).radius_mm[10:-10].mean(axis=0)
    true = 1.0 / np.hypot(np.cos(THETA) / _HALF_WIDTH_MM, np.sin(THETA) / _HALF_DEPTH_MM)
    assert np.abs(found - true).max() < off_mm


def test_a_disc_lies_amid_its_two_borders_though_one_of_them_is_faint() -> None:
    """A clear border alone draws the place to itself where borders are only counted."""
    steep = np.zeros(60)
    steep[[24, 36]] = 1.0, 0.4  # of a disc 12 mm high
    places = np.arange(60.0)
    assert int(amid_borders(steep, places).argmax()) == 30
    assert amid_borders(steep, places)[24] < 0.1
