"""Foramina measured anew after bone was changed by hand, on a spine that was found: by how much follows from where the brush went."""

from functools import cache

import numpy as np
import pytest

from planner.anatomy import labels
from planner.anatomy.by_hand.apply import edited
from planner.anatomy.by_hand.edits import Mode, Stroke
from planner.anatomy.spine import Anatomy, Foramen
from tests.planner.anatomy.phantoms import found


@cache
def hole() -> Foramen:
    """The one that is changed."""
    return next(one for one in found().foramina if (one.level, one.side) == ("L3-L4", "left"))


def bar(mode: Mode, behind_mm: float, up_mm: float, radius_mm: float) -> Anatomy:
    """The anatomy after a bar of bone was drawn or erased along the foramen's axis, so far from it."""
    middle, axis = np.array(hole().centre_mm) + (0.0, behind_mm, up_mm), np.array(hole().axis)
    points = tuple((float(x), float(y), float(z)) for x, y, z in middle + np.arange(-8.0, 15.0, 2.0)[:, None] * axis)
    return edited(found(), (Stroke("bone", mode, points, radius_mm),))


def free_mm(anatomy: Anatomy) -> float:
    """How far from bone to bone it is straight up and down through the foramen's middle, counted in voxels."""
    k, j, i = np.rint(anatomy.frame.to_index(hole().centre_mm)).astype(int).tolist()
    bone = np.isin(anatomy.labels[:, j, i], labels.BONE)
    above, below = np.flatnonzero(bone[k:]), np.flatnonzero(bone[k::-1])
    return float(above[0] + below[0] - 1) * anatomy.frame.spacing_mm[0]


def now(anatomy: Anatomy) -> Foramen | None:
    return next((one for one in anatomy.foramina if (one.between, one.side) == (hole().between, hole().side)), None)


def problem(anatomy: Anatomy) -> str:
    return anatomy.structure("foramina").problem or ""


def test_bone_on_its_floor_makes_it_lower_and_moves_its_middle_up() -> None:
    made = bar("draw", 0.0, -hole().height_mm / 2 + 1.0, 3.0)  # its upper side stands 4 mm above the floor
    changed = now(made)
    assert changed is not None
    lost_mm = free_mm(found()) - free_mm(made)
    assert lost_mm > 2.0
    assert changed.height_mm == pytest.approx(hole().height_mm - lost_mm, abs=1.5)
    assert changed.centre_mm[2] - hole().centre_mm[2] == pytest.approx(lost_mm / 2, abs=0.8)
    assert (changed.area_mm2 or 0.0) < (hole().area_mm2 or 0.0) - 15.0
    assert changed.confidence <= 0.6
    assert "Changed by what was drawn: L3-L4 left." in problem(made)


@pytest.mark.parametrize("share", [-0.5, 0.5], ids=["in front", "behind"])
def test_bone_on_its_border_makes_it_narrower(share: float) -> None:
    changed = now(bar("draw", share * hole().width_mm, 0.0, 2.0))  # half of the bar lies in the hole
    assert changed is not None
    assert changed.width_mm == pytest.approx(hole().width_mm - 2.0, abs=1.3)
    assert changed.height_mm == pytest.approx(hole().height_mm, abs=1.5)
    assert (changed.centre_mm[1] - hole().centre_mm[1]) * share < 0  # away from the bar


def test_bone_taken_away_behind_makes_it_wider() -> None:
    made = bar("erase", hole().width_mm / 2 + 1.0, 0.0, 3.0)
    changed = now(made)
    assert changed is not None
    assert changed.width_mm > hole().width_mm + 1.0
    assert (changed.thirds_mm or hole().thirds_mm) != hole().thirds_mm


def test_one_that_is_filled_is_closed() -> None:
    made = bar("draw", 0.0, 0.0, 13.0)
    assert now(made) is None
    assert "Closed by what was drawn: L3-L4 left." in problem(made)


def test_others_stay_as_they_were_found() -> None:
    made = bar("draw", 0.0, -hole().height_mm / 2 + 1.0, 3.0)
    others = [one for one in made.foramina if one.level != "L3-L4"]
    assert len(others) == len(found().foramina) - 2
    assert all(one in found().foramina for one in others)


def test_bone_that_does_not_reach_it_changes_nothing() -> None:
    place = np.array(hole().centre_mm) + 15.0 * np.array(hole().axis)
    x, y, z = (float(value) for value in place)
    made = edited(found(), (Stroke("bone", "draw", ((x, y, z),), 1.0),))
    assert now(made) is hole()
    assert "L3-L4" not in problem(made)
