"""What the canal's wall is made of, by level and by place: on a straight tube whose bridges are known."""

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy.bridges import BONE, DISC, DRAWN, FLAVUM, FORAMEN, IMPORTED, WINDOW, bridges, bridges_of, kind_name, wall_at
from planner.anatomy.by_hand.apply import edited
from planner.anatomy.by_hand.edits import CentrelinePoint, Stroke
from planner.anatomy.imports.take_in import canal_of
from planner.anatomy.spine import ANGLES, Anatomy, Canal, Level
from planner.geometry import Frame
from tests.planner.anatomy.spine_of_pipes import rows_of, spine

RADIUS_MM = 10.0
TURN_DEG = np.arange(ANGLES) * 360.0 / ANGLES
LEFT, BEHIND, BEFORE = (np.abs((TURN_DEG - middle + 180.0) % 360.0 - 180.0) <= 20.0 for middle in (0.0, 90.0, 270.0))


def tube() -> Anatomy:
    """101 mm of canal; L1 to L3 at 10, 50 and 90 mm. Between L1 and L2 the left is open from 20 to 30 mm, the front from 31 to 34; between
    L2 and L3 the back from 60 to 69; beyond L3 the left at 95."""
    n = 101
    line = np.stack([np.zeros(n), np.zeros(n), 50.0 - np.arange(n)], axis=1)
    left, back = np.tile([1.0, 0.0, 0.0], (n, 1)), np.tile([0.0, 1.0, 0.0], (n, 1))
    bridged = np.zeros((n, ANGLES), dtype=np.bool_)
    bridged[20:31, LEFT] = bridged[31:35, BEFORE] = bridged[60:70, BEHIND] = bridged[95:98, LEFT] = True
    canal = Canal(line, left, back, np.full((n, ANGLES), RADIUS_MM), bridged, np.full(n, 314.0), np.ones(n))
    levels = tuple(Level(name, (0.0, -30.0, 50.0 - s), s, 0.9) for name, s in (("L1", 10.0), ("L2", 50.0), ("L3", 90.0)))
    frame = Frame.axial((101, 61, 61), (1.0, 1.0, 1.0), (-30.0, -30.0, -50.0))
    return Anatomy(frame, "CT", np.zeros(frame.shape, dtype=np.uint8), {}, canal, levels, (), (), (), None)


def test_bridges_are_listed_by_level_and_side_with_their_size() -> None:
    found = bridges(tube())
    assert [(one.kind, one.between, one.side, one.s_mm) for one in found] == [
        (FORAMEN, ("L1", "L2"), "left", (20.0, 30.0)),
        (DISC, ("L1", "L2"), None, (31.0, 34.0)),
        (WINDOW, ("L2", "L3"), None, (60.0, 69.0)),
        (FORAMEN, None, "left", (95.0, 97.0)),  # below the last vertebra that is named
    ]
    arc_mm = 2 * np.pi * RADIUS_MM * LEFT.sum() / ANGLES
    assert found[0].area_mm2 == pytest.approx(11 * arc_mm, rel=0.01)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((10.0, 0.0, 25.0), "canal wall bridged: left foramen"),
        ((0.0, 10.5, -15.0), "canal wall bridged: interlaminar window"),
        ((0.0, -9.0, 18.0), "canal wall bridged: disc"),
        ((-10.0, 0.0, 25.0), "canal wall: bone"),
        ((7.0, 0.0, 25.0), None),  # inside
        ((13.0, 0.0, 25.0), None),
    ],
)
def test_a_place_on_the_wall_says_what_is_there(place: tuple[float, float, float], words: str | None) -> None:
    found = wall_at(tube().canal, place)
    assert (None if found is None else found.words("CT")) == words


def test_mr_does_not_tell_bone_from_ligament() -> None:
    found = wall_at(tube().canal, (-10.0, 0.0, 25.0))
    assert found is not None and found.words("MR") == "canal wall: bone or ligament"
    assert kind_name(FORAMEN, "MR") == "foramen"


def test_what_was_bridged_later_rules_over_what_was_told_before() -> None:
    canal = tube().canal
    told = bridges_of(canal)
    told[50] = FLAVUM
    other = canal.bridged.copy()
    other[20:31] = False
    other[40:44, LEFT] = True
    now = bridges_of(replace(canal, bridged=other, bridge=told))
    assert (now[25, LEFT] == BONE).all()
    assert (now[42, LEFT] == FORAMEN).all()
    assert (now[50] == FLAVUM).all()


def test_a_wall_that_a_hand_has_drawn_is_not_called_bone() -> None:
    """The canal of pipes, cut off 40 mm above its end, goes on where a ball draws it."""
    whole = spine()
    kept = rows_of(whole.canal, np.flatnonzero(whole.canal.s_mm < whole.canal.s_mm[-1] - 40.0))
    known = replace(whole, canal=kept)
    line = known.canal.centreline_mm
    x, y, z = (float(value) for value in line[-1])
    stroke = Stroke("canal", "draw", tuple((x, y, z - mm) for mm in range(0, 25, 2)), 8.0)
    longer = edited(known, (stroke,)).canal
    assert len(longer.centreline_mm) > len(line)
    assert (bridges_of(longer)[len(line) + 1 :] == DRAWN).all()
    assert np.array_equal(bridges_of(longer)[: len(line)], bridges_of(known.canal))
    found = wall_at(longer, longer.centreline_mm[-2] + longer.wall_mm[-2, 0] * longer.left[-2])
    assert found is not None and found.words("CT") == "canal wall drawn by hand"


def test_kinds_go_along_with_a_middle_that_is_moved() -> None:
    anatomy = tube()
    moved = edited(anatomy, (CentrelinePoint((0.0, 0.0, 25.0), (1.0, 0.0, 25.0), 10.0),)).canal
    assert set(np.unique(bridges_of(moved))) == {BONE, FORAMEN, WINDOW, DISC}


def test_a_canal_of_a_label_map_alone_is_not_called_bone() -> None:
    anatomy = tube()
    none = replace(
        anatomy.canal, **{name: getattr(anatomy.canal, name)[:0] for name in ("centreline_mm", "left", "back", "wall_mm", "bridged")}
    )
    y, x = np.meshgrid(np.arange(-30.0, 31.0), np.arange(-30.0, 31.0), indexing="ij")
    mask = np.tile(np.hypot(x, y) <= RADIUS_MM, (101, 1, 1))
    alone = canal_of(mask, replace(anatomy, canal=none))
    assert (bridges_of(alone) == IMPORTED).all()
    both = canal_of(mask, anatomy)
    assert FORAMEN in bridges_of(both) and IMPORTED not in bridges_of(both)
