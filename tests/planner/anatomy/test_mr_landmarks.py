"""Landmarks in MR: pedicles by their marrow, edges of laminae, the midline, against the design of a patient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.anatomy import NOT_CHECKED
from planner.anatomy.mr.landmarks import seen_landmarks_structure
from planner.anatomy.spine import Landmarks
from planner.phantom.bones import pedicle_centre, pedicle_half_height
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
    assert "not looked for in MR" in (known.problem or "")
    bare = tuple(replace(marks, pedicles=(), laminae=(), spinous_tip_mm=None) for marks in _marks())
    assert seen_landmarks_structure(bare) == NOT_CHECKED
    assert all(marks.facets == () for marks in _marks())
