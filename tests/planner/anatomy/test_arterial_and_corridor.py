"""Per foramen: where an artery is to be reckoned with, and how far to the side a needle may come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy import Anatomy, labels
from planner.anatomy.hazards.arterial import arterial_zones, weight_at
from planner.anatomy.hazards.corridor import corridor_limits
from planner.anatomy.spine import Foramen, Side, Structure
from planner.evidence import evidence
from tests.planner.anatomy.phantoms import found
from tests.planner.needles.pipe_spine import middle, pipe_spine


@pytest.mark.parametrize(
    ("upper", "side", "weight"),
    [
        ("T10", "left", "strong"), ("T8", "left", "strong"), ("L1", "left", "strong"), ("T10", "right", "weak"), ("T7", "left", "weak"),
        ("L2", "left", "weak"), ("T2", "right", "weak"), ("L3", "left", "weak"), ("T1", "left", None), ("L4", "left", None),
        ("C5", "left", None), ("T10", None, "weak"),
    ],
)  # fmt: skip
def test_an_artery_weighs_most_on_the_left_from_t8_to_l1(upper: str, side: Side | None, weight: str | None) -> None:
    assert weight_at(upper, side) == weight


def test_each_zone_lies_in_the_front_upper_part_of_its_foramen() -> None:
    mine = found()
    zones = arterial_zones(mine)
    foramina = {(foramen.between, foramen.side): foramen for foramen in mine.foramina}
    assert {zone.between[0] for zone in zones} >= {"T10", "L1", "L2", "L3"}
    assert not {zone.between[0] for zone in zones} & {"L4", "L5"}
    for zone in zones:
        foramen = foramina[zone.between, zone.side]
        offset = np.subtract(zone.centre_mm, foramen.centre_mm)
        assert abs(float(offset @ foramen.axis)) < 0.01
        assert offset[1] < -0.15 * foramen.width_mm
        assert 0.25 * foramen.height_mm < offset[2] < 0.4 * foramen.height_mm
        assert evidence(zone.source).source.startswith("clinical.md 5.1")
        assert "None was looked for" in zone.sentence


def with_lung(from_x_mm: float, behind_y_mm: float) -> Anatomy:
    """The spine of pipes with a lung on the left, beside this x and in front of this y."""
    _, anatomy = pipe_spine()
    frame = anatomy.frame
    painted = anatomy.labels.copy()
    y, x = (frame.affine[n, 3] + frame.affine[n, 2 - n] * np.arange(frame.shape[2 - n]) for n in (1, 0))
    lung = (x[None, :] > from_x_mm) & (y[:, None] < behind_y_mm)
    painted[:, lung] = np.where(painted[:, lung] > 0, labels.LUNG, 0)
    return replace(anatomy, labels=painted, structures={**anatomy.structures, "lung": Structure("found", 0.9)})


def limit_at(anatomy: Anatomy, side: Side) -> tuple[float | None, float | None, str | None]:
    limit = next(limit for limit in corridor_limits(anatomy) if limit.side == side and limit.between == ("L2", "L3"))
    return limit.angle_deg, limit.entry_mm, limit.ended_by


def test_the_corridor_ends_at_the_angle_at_which_a_lung_comes_too_near() -> None:
    anatomy = with_lung(40.0, 20.0)
    angle, entry, ended_by = limit_at(anatomy, "left")
    # from the foramen at (16, -3) past the lung's corner at (40, 20), 5 mm from it
    corner = np.array([24.0, 23.0])
    expected = np.degrees(np.arctan2(corner[0], corner[1]) - np.arcsin(5.0 / np.linalg.norm(corner)))
    assert ended_by == "lung"
    assert angle == pytest.approx(expected, abs=2.5)
    assert angle is not None
    way = np.arange(0.0, 200.0, 0.1)
    x, y = 16.0 + way * np.sin(np.radians(angle)), -3.0 + way * np.cos(np.radians(angle))
    inside = (x / 140.0) ** 2 + ((y + 60.0) / 135.0) ** 2 <= 1.0  # the skin
    assert entry == pytest.approx(float(x[inside][-1]) - 16.0, abs=2.0)
    assert limit_at(anatomy, "right")[2] is None
    assert limit_at(anatomy, "right")[0] == 90.0


def test_no_corridor_is_left_where_the_lung_is_at_the_foramen_itself() -> None:
    assert limit_at(with_lung(18.0, 30.0), "left") == (None, None, "lung")


def test_the_corridor_names_the_organs_that_nobody_looked_for() -> None:
    _, bare = pipe_spine()
    assert all(limit.not_checked == ("lung", "kidney", "bowel gas", "aorta", "vena cava") for limit in corridor_limits(bare))
    assert "lung" not in corridor_limits(with_lung(40.0, 20.0))[0].not_checked


def test_a_foramen_outside_the_labels_has_no_corridor() -> None:
    _, bare = pipe_spine()
    above = Foramen(("L1", "L2"), "left", (16.0, 0.0, middle(("L1",), "L1") + 900.0), (1.0, 0.0, 0.0), 20.0, 10.0, 1.0)
    (limit,) = corridor_limits(replace(bare, foramina=(above,)))
    assert limit.angle_deg is None
