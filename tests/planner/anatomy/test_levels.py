"""Vertebrae along the canal: a spine of boxes whose discs are known, and a neck laid at a slant."""

import itertools

import numpy as np
import pytest

from planner.anatomy import Anatomy, find
from planner.anatomy.levels import bodies, choose_discs, find_column
from planner.anatomy.reformat import Curve
from planner.anatomy.spine import ANGLES
from planner.geometry import Floats, Frame, Volume
from tests.bench.anatomy.otherwise import taken_at_a_slant, turn
from tests.data import real
from tests.planner.anatomy.scans import dicom_volume

CANAL_MM, DEPTH_MM, GAP_MM = 9.0, 17.0, 18.0


def _bumps(places: Floats, heights: Floats, length: int) -> Floats:
    """Evidence along a canal: a bump at each disc, and as much less between them."""
    at = np.arange(length, dtype=np.float64)
    out = (heights[:, None] * np.exp(-(((at - places[:, None]) / 4.0) ** 2))).sum(axis=0)
    return np.asarray((out - out.mean()) / out.std())


def test_faint_discs_between_clear_ones_are_found_where_bodies_are_not_that_high() -> None:
    places = np.arange(12.0, 160.0, GAP_MM)
    evidence = _bumps(places, np.where(np.arange(len(places)) % 2, 0.25, 1.0), 170)
    assert np.diff(choose_discs(evidence)).min() > 1.5 * GAP_MM, "by themselves the faint ones are not worth their price"
    found = choose_discs(evidence, depth_mm=np.full(len(evidence), DEPTH_MM))
    assert len(found) == len(places)
    assert np.abs(found - places).max() <= 2.0


def _neck(airway: bool = True, count: int = 7) -> tuple[Volume, Curve]:
    """Bodies and discs in front of a straight canal, in soft tissue, with an airway 6 mm in front of them."""
    length = GAP_MM * count
    shape = (int(length), 80, 60)
    frame = Frame.axial(shape, (1.0, 1.0, 1.0), (-30.0, -60.0, -length))
    z, y, x = (axis + first for axis, first in zip(np.indices(shape), (-length, -60.0, -30.0)))
    front = -y - CANAL_MM  # from the back of the bodies to the front
    hu = np.full(shape, 40.0)
    column = (front > 0) & (front < DEPTH_MM) & (np.abs(x) < 10)
    hu[column] = 300.0
    hu[column & ((z % GAP_MM < 2.5) | (z % GAP_MM > GAP_MM - 2.5))] = 120.0
    if airway:
        hu[(front > DEPTH_MM + 6) & (front < DEPTH_MM + 20) & (np.abs(x) < 10)] = -1000.0
    s = np.arange(1.0, length - 1.0)
    along = np.zeros((len(s), 3))
    curve = Curve(along + np.stack([0 * s, 0 * s, -s], 1), along + [1.0, 0, 0], along + [0, 1.0, 0], along + [0, 0, -1.0])
    return Volume(frame, hu.astype(np.int16), "CT"), curve


@pytest.mark.parametrize("airway", [True, False])
def test_bodies_end_where_bone_ends_and_not_at_the_airway_before_them(airway: bool) -> None:
    scan, curve = _neck(airway)
    bone = Volume(scan.frame, (scan.voxels > 200).astype(np.uint8))
    n = len(curve.points_mm)
    foramina = 0.3 + 0.3 * np.cos(2 * np.pi * (curve.s_mm + 4.0) / GAP_MM)
    column = find_column(scan, bone, curve, np.full((n, ANGLES), CANAL_MM), np.stack([foramina, foramina], 1))
    assert column.depth_mm == pytest.approx(DEPTH_MM, abs=2.0)
    steps = np.diff([place for place, _, _ in bodies(curve, column).bodies])
    assert len(steps) >= 4 and np.abs(steps - GAP_MM).max() < 3.0


@pytest.fixture(scope="module")
def straight() -> Anatomy:
    return find(dicom_volume(real("cervical-ct") / "dicom"))


@pytest.mark.real
@pytest.mark.parametrize(("axis", "degrees"), [(1, -12.0), (0, -15.0)])
def test_a_neck_at_a_slant_has_the_vertebrae_of_the_straight_one(straight: Anatomy, axis: int, degrees: float) -> None:
    """Of 33 mm from body to body before, and called T12 to L3; or of two vertebrae in all."""
    turned = turn(axis, degrees)
    found = find(taken_at_a_slant(dicom_volume(real("cervical-ct") / "dicom"), turned))
    named = {level.name: np.array(level.centre_mm) for level in found.levels}
    for level in straight.levels[1:]:
        assert np.linalg.norm(named[level.name] - turned @ level.centre_mm) < 5.0, level.name
    assert all(13.0 < lower.s_mm - upper.s_mm < 24.0 for upper, lower in itertools.pairwise(found.levels[1:]))
