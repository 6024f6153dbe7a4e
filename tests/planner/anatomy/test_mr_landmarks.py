"""Landmarks in MR: pedicles by their marrow, edges of laminae, the midline, against the design of a patient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from planner.anatomy import NOT_CHECKED
from planner.anatomy.levels import Row
from planner.anatomy.mr.joints import facets_of, see_joints
from planner.anatomy.mr.landmarks import seen_landmarks_structure
from planner.anatomy.mr.spinous import see_processes
from planner.anatomy.reformat import curve_through
from planner.anatomy.spine import ANGLES, Canal, Landmarks, Level
from planner.geometry import Frame, Volume
from planner.phantom.bones import Joint, pedicle_centre, pedicle_half_height
from planner.phantom.layout import lay_out
from planner.phantom.shapes import Floats
from tests.planner.anatomy.phantoms import found, phantom, true_mask

WHOLE = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
SIDES = {"left": 1.0, "right": -1.0}


def _world(point: Floats, sign: float) -> Floats:
    """LPS mm of a point of the left half of the patient, who stands straight, or of its mirror image."""
    one = phantom("mr")
    layout = lay_out(one.parameters)
    level = next(level for level in one.truth.levels if level.name == "L3")
    deep = (layout.table("canal_depth", "L3") + layout.table("endplate_depth", "L3")) / 2
    shift = np.array(level.centre) - layout["L3"].place(0, -deep, 0) * one.parameters.size
    return np.asarray(np.asarray(point) * [sign, 1.0, 1.0] * one.parameters.size + shift)


def _marks() -> list[Landmarks]:
    return [marks for marks in found("mr").landmarks if marks.vertebra in WHOLE]


def test_pedicles_are_seen_where_they_are() -> None:
    """In voxels of 1.8 mm."""
    layout, size = lay_out(phantom("mr").parameters), phantom("mr").parameters.size
    off, high = [], []
    for marks in _marks():
        for pedicle in marks.pedicles:
            true = layout[marks.vertebra].place(*pedicle_centre(layout, layout[marks.vertebra]))
            off.append(float(np.linalg.norm(pedicle.centre_mm - _world(true, SIDES[pedicle.side]))))
            high.append(pedicle.height_mm - 2 * pedicle_half_height(layout, layout[marks.vertebra]) * size)
    assert len(off) >= 3
    assert np.mean(off) < 1.6
    assert max(off) < 3.0
    assert np.median(np.abs(high)) < 2.0


def test_joints_lie_in_the_gap_between_the_processes() -> None:
    """In voxels of 1.8 mm few are seen, none of them far off."""
    layout = lay_out(phantom("mr").parameters)
    for marks in _marks():
        lower = layout.vertebrae[[v.name for v in layout.vertebrae].index(marks.vertebra) + 1]
        joint = Joint(layout, layout[marks.vertebra], lower)
        for facet in marks.facets:
            away = facet.centre_mm - _world(joint.centre, SIDES[facet.side])
            assert abs(away @ (joint.normal * [SIDES[facet.side], 1.0, 1.0])) < 2.5, marks.vertebra


def test_the_midline_halves_each_vertebra() -> None:
    for marks in _marks():
        assert abs(marks.midline_mm[0] - _world(np.zeros(3), 1.0)[0]) < 1.0, marks.vertebra
        assert abs(marks.midline_normal[0]) > 0.99, marks.vertebra


def test_edges_of_laminae_lie_where_the_true_bone_ends() -> None:
    """Beside the midline, behind the canal, along it."""
    canal, frame = found("mr").canal, phantom("mr").volume.frame
    off = []
    for marks in _marks():
        bone = frame.to_world(np.argwhere(true_mask(phantom("mr"), f"vertebra {marks.vertebra}")))
        for lamina in marks.laminae:
            for place, way in ((lamina.upper_mm, -1.0), (lamina.lower_mm, 1.0)):
                if place is None:
                    continue
                at = canal.nearest(place)
                feet = np.cross(canal.left[at], canal.back[at])
                feet *= -np.sign(feet[2])
                away = bone - np.array(place)
                near = (np.abs(away @ canal.left[at]) < 1.5) & (np.abs(away @ canal.back[at]) < 4.0) & (np.abs(away @ feet) < 12.0)
                off.append(way * float((way * (away @ feet)[near]).max()) if near.any() else 12.0)
    assert len(off) >= 10
    assert np.median(np.abs(off)) < 2.0


def test_the_tip_of_a_spinous_process_is_where_the_true_bone_ends() -> None:
    """In voxels of 1.8 mm, where thin processes hide."""
    canal, frame = found("mr").canal, phantom("mr").volume.frame
    off = []
    for marks in _marks():
        if marks.spinous_tip_mm is None:
            continue
        bone = frame.to_world(np.argwhere(true_mask(phantom("mr"), f"vertebra {marks.vertebra}")))
        at = canal.nearest(marks.midline_mm)
        depth = (bone - canal.centreline_mm[at]) @ canal.back[at]
        middle = (np.abs(bone[:, 0] - marks.midline_mm[0]) < 5.0) & (depth > 0)
        end = bone[middle][depth[middle] > depth[middle].max() - 1.5].mean(axis=0)
        off.append(float(np.linalg.norm(marks.spinous_tip_mm - end)))
    assert len(off) >= 3
    assert np.median(off) < 2.5
    assert max(off) < 4.5


def test_what_is_not_seen_is_said() -> None:
    known = found("mr").structure("landmarks")
    assert known.provenance == "found"
    unseen = [marks.vertebra for marks in _marks() if marks.spinous_tip_mm is None]
    said = (known.problem or "").partition("No spinous process was seen at ")[2]
    assert all(name in said for name in unseen)
    bare = tuple(replace(marks, pedicles=(), facets=(), laminae=(), spinous_tip_mm=None) for marks in _marks())
    assert seen_landmarks_structure(bare) == NOT_CHECKED


STRAIGHT_MM = np.arange(0.0, 121.0)
BODIES = ((30.0, (0.0, -25.0, -30.0), 0.9), (65.0, (0.0, -25.0, -65.0), 0.9))
LEVELS = tuple(Level(name, middle, place, sure) for name, (place, middle, sure) in zip(("L3", "L4"), BODIES))


def _canal() -> Canal:
    """Round, straight down from the origin, its cross-sections 1 mm apart."""
    n = len(STRAIGHT_MM)
    line = np.stack([np.zeros(n), np.zeros(n), -STRAIGHT_MM], axis=1)
    left, back = np.tile([1.0, 0.0, 0.0], (n, 1)), np.tile([0.0, 1.0, 0.0], (n, 1))
    wall, area, sure = np.full((n, ANGLES), 9.0), np.full(n, 254.0), np.full(n, 0.9)
    return Canal(line, left, back, wall, np.zeros((n, ANGLES), dtype=np.bool_), area, sure)


def _row() -> Row:
    return Row(curve_through(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -60.0], [0.0, 0.0, -120.0]]), 6.0), BODIES)


def _painted(
    paint: Callable[[Floats, Floats, Floats], NDArray[np.bool_]], shell: Callable[[Floats, Floats, Floats], NDArray[np.bool_]]
) -> Volume:
    """Muscle of 30 with dark cortex of 5 where `shell` is and marrow of 100 where `paint` is, in voxels of 0.8 mm; x, y, z in mm."""
    frame = Frame.axial((150, 110, 100), (0.8, 0.8, 0.8), (-40.0, -30.0, -119.2))
    x, y, z = np.moveaxis(frame.to_world(np.moveaxis(np.indices(frame.shape), 0, -1)), -1, 0)
    voxels = np.where(paint(x, y, z), 100, np.where(shell(x, y, z), 5, 30)).astype(np.int16)
    return Volume(frame, voxels, "MR")


def _joint(x: Floats, y: Floats, z: Floats, more: float) -> NDArray[np.bool_]:
    """Two processes 4 mm thick on both sides of a gap that stands 40 deg to the sagittal, 14 mm to both sides and 7 mm back, at L3-L4."""
    turn = np.radians(40.0)
    u, v = np.abs(x) - 14.0, y - 7.0
    across, along = u * np.cos(turn) - v * np.sin(turn), u * np.sin(turn) + v * np.cos(turn)
    thick = np.abs(np.abs(across) - 4.2) <= 2.0 + more
    return np.asarray(thick & (np.abs(along) < 7.0 + more) & (np.abs(z + 51.7) < 9.0))


def test_a_joint_lies_in_the_gap_between_two_marrows() -> None:
    """Not along the cortex of one of them, nor where there is one process alone."""
    volume = _painted(lambda x, y, z: _joint(x, y, z, 0.0), lambda x, y, z: _joint(x, y, z, 1.2))
    marrow = np.full(len(STRAIGHT_MM), 100.0)
    joints = facets_of(see_joints(volume, _canal(), _row(), marrow, 0.0), *LEVELS)
    assert [joint.side for joint in joints] == ["left", "right"]
    turn = np.radians(40.0)
    for joint in joints:
        sign = SIDES[joint.side]
        normal = np.array([sign * np.cos(turn), -np.sin(turn), 0.0])
        assert abs((joint.centre_mm - np.array([sign * 14.0, 7.0, -51.7])) @ normal) < 0.8
        assert joint.axis @ normal > 0.98
    alone = _painted(lambda x, y, z: _joint(x, y, z, 0.0) & (np.abs(x) < 14.0), lambda x, y, z: _joint(x, y, z, 1.2) & (np.abs(x) < 14.0))
    assert facets_of(see_joints(alone, _canal(), _row(), marrow, 0.0), *LEVELS) == ()


def _process(x: Floats, y: Floats, z: Floats, more: float) -> NDArray[np.bool_]:
    """A plate in a plane that is turned 12 deg to the left, from the arch of L3 to 38 mm behind the canal's middle, 14 mm high."""
    turn = np.radians(12.0)
    aside, behind = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    return np.asarray((np.abs(aside) < 3.0 + more) & (behind > 10.0) & (behind < 38.0 + more) & (np.abs(z + 45.0) < 7.0 + more))


def test_a_process_turned_aside_is_followed_to_its_tip() -> None:
    volume = _painted(lambda x, y, z: _process(x, y, z, 0.0), lambda x, y, z: _process(x, y, z, 1.5))
    (process,) = see_processes(volume, _canal(), _row(), np.full(len(STRAIGHT_MM), 100.0), 0.0)
    assert process.of_mm == 30.0
    tip = np.array([np.sin(np.radians(12.0)) * 39.5, np.cos(np.radians(12.0)) * 39.5, -45.0])
    assert np.linalg.norm(process.tip_mm - tip) < 2.0
    level = replace(volume, voxels=np.full_like(volume.voxels, 100))
    assert see_processes(level, _canal(), _row(), np.full(len(STRAIGHT_MM), 100.0), 0.0) == ()


def test_what_is_black_in_the_scan_need_not_be_zero() -> None:
    """The same scan with 300 added to every voxel shows the same process."""
    volume = _painted(lambda x, y, z: _process(x, y, z, 0.0), lambda x, y, z: _process(x, y, z, 1.5))
    marrow = np.full(len(STRAIGHT_MM), 100.0)
    (process,) = see_processes(volume, _canal(), _row(), marrow, 0.0)
    (raised,) = see_processes(replace(volume, voxels=volume.voxels + np.int16(300)), _canal(), _row(), marrow, 300.0)
    assert raised.tip_mm == pytest.approx(process.tip_mm)
