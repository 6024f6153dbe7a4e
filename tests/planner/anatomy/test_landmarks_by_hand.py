"""Landmarks and windows measured anew after bone was changed by hand, on a spine that was found: by how much follows from the brush."""

from functools import cache

import numpy as np
import pytest

from planner.anatomy import labels
from planner.anatomy.by_hand.apply import edited
from planner.anatomy.by_hand.edits import Mode, Stroke, WallPoint
from planner.anatomy.spine import ANGLES, Anatomy, Lamina, Landmarks, Window
from tests.planner.anatomy.phantoms import found

_EDGE_MM = 3.0


def marks(anatomy: Anatomy, name: str = "L3") -> Landmarks:
    return next(one for one in anatomy.landmarks if one.vertebra == name)


def lamina(anatomy: Anatomy, side: str, name: str = "L3") -> Lamina:
    return next(one for one in marks(anatomy, name).laminae if one.side == side)


def window(anatomy: Anatomy) -> Window:
    return next(one for one in anatomy.windows if one.level == "L3-L4")


def edge(mode: Mode) -> Stroke:
    """Along the lower edge of both laminae of L3, and 6 mm beyond: its upper side stands 3 mm above the edge."""
    left, right = (lamina(found(), side).lower_mm for side in ("left", "right"))
    assert left is not None and right is not None
    xs = np.linspace(right[0] - 6.0, left[0] + 6.0, 8)
    y, z = (left[1] + right[1]) / 2, (left[2] + right[2]) / 2
    points = tuple((float(x), y + back, z) for back in (-2.0, 1.0, 4.0) for x in xs)
    return Stroke("bone", mode, points, _EDGE_MM)


@cache
def nibbled() -> Anatomy:
    return edited(found(), (edge("erase"),))


def lowest_mm(anatomy: Anatomy, side: str) -> float:
    """Where the bone of L3's lamina begins from below, 6 mm beside the midline, counted in voxels from the middle of the gap."""
    at = lamina(found(), side).lower_mm
    assert at is not None
    k, j, i = np.rint(anatomy.frame.to_index(at) - [2, 0, 0]).astype(int).tolist()
    bone = anatomy.mask(labels.BONE)[k:, j - 2 : j + 3, i].sum(axis=1) >= 2
    return float(np.argmax(bone)) * anatomy.frame.spacing_mm[0]


def test_a_window_grows_when_a_laminas_edge_is_erased_and_the_edge_moves_up() -> None:
    for side in ("left", "right"):
        was, now = lamina(found(), side).lower_mm, lamina(nibbled(), side).lower_mm
        assert was is not None and now is not None
        moved_mm = lowest_mm(nibbled(), side) - lowest_mm(found(), side)
        assert moved_mm > 2.0  # in whole voxels
        assert now[2] - was[2] == pytest.approx(_EDGE_MM, abs=1.0)  # as far as the brush went
        assert lamina(nibbled(), side).upper_mm == lamina(found(), side).upper_mm
    assert window(nibbled()).height_mm > window(found()).height_mm + 1.5
    assert window(nibbled()).centre_mm[2] > window(found()).centre_mm[2]


def test_what_changed_is_named_and_the_rest_is_as_it_was_found() -> None:
    said = nibbled().structure("landmarks").problem or ""
    assert "Changed by what was drawn: " in said and "L3 left lamina" in said and "L3 right lamina" in said
    assert "tip" not in said and "L2" not in said
    others = [one for one in nibbled().landmarks if one.vertebra not in ("L3", "L4")]
    assert others and all(one is marks(found(), one.vertebra) for one in others)


def test_an_edge_that_is_painted_again_comes_back() -> None:
    again = edited(nibbled(), (edge("erase"), edge("draw")))
    was, now = window(found()), window(again)
    assert now.height_mm < window(nibbled()).height_mm - 1.5
    assert now.height_mm <= was.height_mm + 0.5  # the brush is thicker than the lamina was
    for side in ("left", "right"):
        before, after = lamina(found(), side).lower_mm, lamina(again, side).lower_mm
        assert before is not None and after is not None
        assert -_EDGE_MM - 1.5 < after[2] - before[2] < 0.8


def test_taking_the_stroke_back_gives_the_very_values_that_were_found() -> None:
    undone = edited(nibbled(), ())
    assert undone.landmarks is found().landmarks and undone.windows is found().windows
    once, both = edited(nibbled(), (edge("erase"), tip_brush())), edited(found(), (edge("erase"), tip_brush()))
    assert marks(once).laminae == marks(both).laminae and marks(once).spinous_tip_mm == marks(both).spinous_tip_mm
    back = edited(once, (edge("erase"),))
    assert marks(back).laminae == marks(nibbled()).laminae and marks(back).spinous_tip_mm == marks(found()).spinous_tip_mm
    assert window(back) == window(nibbled()) or vars(window(back)) == vars(window(nibbled()))


def tip_brush(mode: Mode = "erase") -> Stroke:
    """Around the tip of L3's spinous process, as far as 6 mm in front of it."""
    tip = marks(found()).spinous_tip_mm
    assert tip is not None
    x, y, z = tip
    return Stroke("bone", mode, ((x, y, z - 10.0), (x, y, z + 10.0)), 6.0)


def test_the_tip_of_a_spinous_process_moves_as_it_is_shortened() -> None:
    made = edited(found(), (tip_brush(),))
    was, now = marks(found()).spinous_tip_mm, marks(made).spinous_tip_mm
    assert was is not None and now is not None
    back = [float(one.frame.to_world(np.argwhere(one.mask((labels.vertebra("L3"),))))[:, 1].max()) for one in (found(), made)]
    assert back[1] - back[0] < -4.0
    assert now[1] - was[1] == pytest.approx(back[1] - back[0], abs=1.5)
    assert "Changed by what was drawn: L3 spinous tip." in (made.structure("landmarks").problem or "")
    assert marks(made).laminae == marks(found()).laminae
    assert all(one is other for one, other in zip(marks(made).pedicles, marks(found()).pedicles))


def test_bone_that_is_drawn_beside_a_vertebra_and_erased_again_leaves_no_trace() -> None:
    """A ball behind the tip, where no bone was found: it lengthens the process. Once it is taken away no voxel of L3 is left under it."""
    tip = marks(found()).spinous_tip_mm
    assert tip is not None
    place = ((tip[0], tip[1] + 8.0, tip[2]),)
    draw, erase = Stroke("bone", "draw", place, 4.0), Stroke("bone", "erase", place, 4.0)
    longer = edited(found(), (draw,))
    assert (marks(longer).spinous_tip_mm or tip)[1] > tip[1] + 5.0
    again = edited(longer, (draw, erase))
    assert np.array_equal(again.labels, found().labels)
    assert marks(again) is marks(found())
    assert "spinous tip" not in (again.structure("landmarks").problem or "")


def test_landmarks_are_the_same_whether_edits_come_one_by_one_or_with_the_case_that_is_opened() -> None:
    """The canal's wall is pulled into the pedicle of a vertebra whose bone was changed before."""
    canal = found().canal
    pedicle = next(one for one in marks(found()).pedicles if one.side == "right")
    at = canal.nearest(pedicle.centre_mm)
    wall = canal.centreline_mm[at] - canal.wall_mm[at, ANGLES // 2] * canal.left[at]
    (from_x, y, z), out_mm = (float(value) for value in wall), 4.0
    edits = (tip_brush(), WallPoint((from_x, y, z), (from_x - out_mm, y, z), 10.0))
    one_by_one, at_once = edited(edited(found(), edits[:1]), edits), edited(found(), edits)
    shown = [next(one for one in marks(made).pedicles if one.side == "right") for made in (one_by_one, at_once)]
    assert shown[0].width_mm == shown[1].width_mm < pedicle.width_mm - 1.0
    assert one_by_one.structure("landmarks") == at_once.structure("landmarks")


def wide_mm(anatomy: Anatomy, centre_mm: tuple[float, float, float]) -> float:
    """How far bone reaches from side to side through a place, counted in voxels."""
    k, j, i = np.rint(anatomy.frame.to_index(centre_mm)).astype(int).tolist()
    bone = anatomy.mask(labels.BONE)[k, j]
    return float(np.argmin(bone[i:]) + np.argmin(bone[i::-1]) - 1) * anatomy.frame.spacing_mm[2]


def test_a_pedicle_that_is_made_thinner_is_narrower_and_one_that_is_taken_away_is_gone() -> None:
    pedicle = next(one for one in marks(found()).pedicles if one.side == "right")
    outer = np.array(pedicle.centre_mm) - [pedicle.width_mm / 2 + 1.0, 0.0, 0.0]
    points = outer + np.array([-8.0, 0.0, 8.0])[:, None] * pedicle.axis
    thinner = edited(found(), (Stroke("bone", "erase", tuple((float(x), float(y), float(z)) for x, y, z in points), 4.0),))
    now = next(one for one in marks(thinner).pedicles if one.side == "right")
    lost_mm = wide_mm(found(), pedicle.centre_mm) - wide_mm(thinner, pedicle.centre_mm)
    assert lost_mm > 2.0
    assert pedicle.width_mm - now.width_mm == pytest.approx(lost_mm, abs=1.5)
    assert now.centre_mm[0] - pedicle.centre_mm[0] == pytest.approx(lost_mm / 2, abs=1.0)
    assert now.confidence <= 0.6
    gone = edited(found(), (Stroke("bone", "erase", (pedicle.centre_mm,), 14.0),))
    assert [one.side for one in marks(gone).pedicles] == ["left"]
    assert "L3 right pedicle" in (gone.structure("landmarks").problem or "")


def test_a_pedicle_that_labels_do_not_show_as_the_scan_did_stays_and_is_unsure() -> None:
    """That of the left side is 4 mm narrower in the labels."""
    pedicle = next(one for one in marks(found()).pedicles if one.side == "left")
    made = edited(found(), (Stroke("bone", "erase", (pedicle.centre_mm,), 3.0),))
    now = next(one for one in marks(made).pedicles if one.side == "left")
    assert (now.centre_mm, now.width_mm, now.height_mm) == (pedicle.centre_mm, pedicle.width_mm, pedicle.height_mm)
    assert now.confidence <= 0.3
    assert "Unsure by what was drawn: L3 left pedicle" in (made.structure("landmarks").problem or "")


def test_a_joint_goes_with_its_bone_and_is_unsure_beside_a_stroke() -> None:
    joint = next(one for one in marks(found()).facets if one.side == "left")
    x, y, z = joint.centre_mm
    gone = edited(found(), (Stroke("bone", "erase", (joint.centre_mm,), 8.0),))
    assert [one.side for one in marks(gone).facets] == ["right"]
    beside = edited(found(), (Stroke("bone", "erase", ((x, y + 5.0, z),), 2.0),))
    assert next(one.confidence for one in marks(beside).facets if one.side == "left") <= 0.3
    assert "Unsure" in (beside.structure("landmarks").problem or "")


def test_where_no_bone_is_labelled_landmarks_stay_and_that_is_said() -> None:
    """In MR, whose arches are seen and not labelled."""
    made = edited(found("mr"), (Stroke("bone", "draw", (marks(found("mr")).midline_mm,), 4.0),))
    assert made.landmarks is found("mr").landmarks
    assert "Bone was changed by hand at L3: landmarks there are those of before." in (made.structure("landmarks").problem or "")
