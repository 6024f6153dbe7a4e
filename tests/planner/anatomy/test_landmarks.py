"""Pedicles, joints, laminae, spinous processes and midlines against the design of a patient."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from planner.anatomy import Anchor
from planner.anatomy.beside import both_sides
from planner.anatomy.landmarks import find_landmarks, landmarks_named
from planner.anatomy.names import rename
from planner.anatomy.spine import Landmarks
from planner.phantom.bones import Joint, pedicle_centre, pedicle_half_height
from planner.phantom.layout import lay_out
from planner.phantom.shapes import Floats
from tests.planner.anatomy.phantoms import found, phantom, true_mask

WHOLE = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
SIDES = {"left": 1.0, "right": -1.0}


@dataclass(frozen=True, eq=False)
class Design:
    """The design of the test's patient, who stands straight: world = design * size + shift."""

    shift: Floats

    def world(self, point: Floats, sign: float = 1.0) -> Floats:
        """LPS mm of a point of the left half, or of its mirror image."""
        return np.asarray(np.asarray(point) * [sign, 1.0, 1.0] * phantom().parameters.size + self.shift)


@pytest.fixture(scope="module")
def design() -> Design:
    one = phantom()
    layout = lay_out(one.parameters)
    level = next(level for level in one.truth.levels if level.name == "L3")
    deep = (layout.table("canal_depth", "L3") + layout.table("endplate_depth", "L3")) / 2
    return Design(np.array(level.centre) - layout["L3"].place(0, -deep, 0) * one.parameters.size)


def marks() -> dict[str, Landmarks]:
    return {mark.vertebra: mark for mark in found().landmarks}


def angle_deg(one: Floats, other: Floats) -> float:
    return float(np.degrees(np.arccos(np.clip(one @ other / np.linalg.norm(one) / np.linalg.norm(other), -1.0, 1.0))))


def test_pedicles_are_found_on_both_sides_where_and_as_large_as_they_are(design: Design) -> None:
    layout, size = lay_out(phantom().parameters), phantom().parameters.size
    off, wide, high, turned = [], [], [], []
    for name in WHOLE:
        pedicles = {str(pedicle.side): pedicle for pedicle in marks()[name].pedicles}
        assert set(pedicles) == set(SIDES), name
        x, d, up = pedicle_centre(layout, layout[name])
        tilt = np.radians(layout.table("pedicle_angle", name))
        for side, sign in SIDES.items():
            pedicle = pedicles[side]
            off.append(float(np.linalg.norm(pedicle.centre_mm - design.world(layout[name].place(x, d, up), sign))))
            wide.append(pedicle.width_mm - layout.table("pedicle_width", name) * size)
            high.append(pedicle.height_mm - 2 * pedicle_half_height(layout, layout[name]) * size)
            ahead = design.world(layout[name].place(x - np.sin(tilt), d - np.cos(tilt), up), sign)
            turned.append(angle_deg(np.array(pedicle.axis), ahead - design.world(layout[name].place(x, d, up), sign)))
    assert np.mean(off) < 1.5 and np.max(off) < 4.0  # worst at L5, whose pedicle goes over into the transverse process
    assert np.median(np.abs(wide)) < 1.5 and np.median(np.abs(high)) < 2.0
    assert np.median(turned) < 15.0


def test_facet_joints_lie_in_the_gap_between_the_processes(design: Design) -> None:
    layout = lay_out(phantom().parameters)
    across, off, turned = [], [], []
    for name in WHOLE:
        lower = layout.vertebrae[[v.name for v in layout.vertebrae].index(name) + 1]
        joint = Joint(layout, layout[name], lower)
        facets = {str(facet.side): facet for facet in marks()[name].facets}
        assert set(facets) == set(SIDES), name
        for side, sign in SIDES.items():
            away = np.array(facets[side].centre_mm) - design.world(joint.centre, sign)
            normal = joint.normal * [sign, 1.0, 1.0]
            across.append(abs(float(away @ normal)))
            off.append(float(np.linalg.norm(away)))
            turned.append(angle_deg(np.array(facets[side].axis), normal))
    assert np.mean(across) < 1.2  # the gap is 2 mm wide, a voxel 1.5 mm
    assert np.mean(off) < 3.0
    assert np.mean(turned) < 10.0


def test_where_no_pedicle_is_seen_the_wall_on_its_own_side_says_where_a_joint_lies() -> None:
    """A canal that is made wider to the left moves no joint of the right."""
    canal, levels, volume = found().canal, found().levels, phantom().volume
    wall_mm = canal.wall_mm.copy()
    wall_mm[:, 0] += 8.0
    sides, wider = both_sides(volume, 160.0, canal), replace(canal, wall_mm=wall_mm)
    shown = [find_landmarks(sides, found().labels, volume.frame, one, levels, ()) for one in (canal, wider)]
    right = [[vars(facet) for mark in marks for facet in mark.facets if facet.side == "right"] for marks in shown]
    assert len(right[0]) > 3
    assert right[0] == right[1]


def test_the_midline_halves_each_vertebra(design: Design) -> None:
    for name in WHOLE:
        mark = marks()[name]
        middle = design.world(np.zeros(3))
        assert abs(mark.midline_mm[0] - middle[0]) < 0.7, name
        assert angle_deg(np.array(mark.midline_normal), np.array([1.0, 0.0, 0.0])) < 3.0, name


def _bone_of(name: str) -> Floats:
    return np.asarray(phantom().volume.frame.to_world(np.argwhere(true_mask(phantom(), f"vertebra {name}"))))


def test_the_tip_of_a_spinous_process_is_where_the_true_bone_ends() -> None:
    canal = found().canal
    for name in WHOLE:
        tip = marks()[name].spinous_tip_mm
        assert tip is not None, name
        bone = _bone_of(name)
        at = canal.nearest(marks()[name].midline_mm)
        depth = (bone - canal.centreline_mm[at]) @ canal.back[at]
        middle = (np.abs(bone[:, 0] - marks()[name].midline_mm[0]) < 5.0) & (depth > 0)
        end = bone[middle][depth[middle] > depth[middle].max() - 1.5].mean(axis=0)
        assert np.linalg.norm(tip - end) < 3.0, name


def _rows_behind(point: tuple[float, float, float], bone: Floats) -> NDArray[np.float64]:
    """How far below a point the bone near its own line along the canal begins and ends."""
    canal = found().canal
    at = canal.nearest(point)
    feet = np.cross(canal.left[at], canal.back[at])
    feet *= -np.sign(feet[2])
    offset = bone - np.array(point)
    near = (np.abs(offset @ canal.left[at]) < 1.2) & (np.abs(offset @ canal.back[at]) < 3.0) & (np.abs(offset @ feet) < 25.0)
    return np.asarray((offset @ feet)[near])


def test_the_edges_of_the_lumbar_laminae_are_those_of_the_true_bone() -> None:
    for name in ("L1", "L2", "L3", "L4"):
        laminae = marks()[name].laminae
        assert {str(lamina.side) for lamina in laminae} == set(SIDES), name
        for lamina in laminae:
            assert lamina.upper_mm is not None and lamina.lower_mm is not None
            assert _rows_behind(lamina.upper_mm, _bone_of(name)).min() == pytest.approx(0.0, abs=2.5), name
            assert _rows_behind(lamina.lower_mm, _bone_of(name)).max() == pytest.approx(0.0, abs=2.5), name


def test_laminae_that_overlap_have_no_edges_between_them() -> None:
    """T10 and T11: no needle passes there without a tilt (clinical.md 3.5)."""
    assert all(lamina.lower_mm is None for lamina in marks()["T10"].laminae)


def test_landmarks_follow_the_names() -> None:
    mark = marks()["L3"]
    (other,) = landmarks_named((mark,), {"L3": "L2", "L4": "L3"})
    assert other.vertebra == "L2"
    assert {pedicle.vertebra for pedicle in other.pedicles} == {"L2"}
    assert {facet.between for facet in other.facets} == {("L2", "L3")}
    assert landmarks_named((mark,), {"L4": "L3"}) == ()
    renamed = rename(found(), Anchor("L2", next(level.centre_mm for level in found().levels if level.name == "L3"), "user"))
    assert [mark.vertebra for mark in renamed.landmarks] == [level.name for level in renamed.levels]
