"""What tells which vertebra is which, in spines of boxes: ribs, wings and a skull where they are put."""

import numpy as np
import pytest

from planner.anatomy.clues import guess
from planner.anatomy.levels import Body, Row
from planner.anatomy.names import levels_structure, name_levels
from planner.anatomy.reformat import Curve
from planner.geometry import Frame, Volume

STEP_MM, GAP_MM = 2.0, 28.0
DEPTH_MM = 30.0


def spine(
    ribs: dict[int, str], wings: int | None = None, half_width_mm: float = 90.0, count: int = 8, gap_mm: float = GAP_MM
) -> tuple[Volume, Curve, list[Body]]:
    """A straight canal with `count` vertebrae from head to foot. ribs: on which sides they leave which of them; wings: which has them."""
    length = gap_mm * count
    shape = (int(length / STEP_MM), 80, int(2 * half_width_mm / STEP_MM))
    frame = Frame(shape, np.array([[0, 0, STEP_MM, -half_width_mm], [0, STEP_MM, 0, -80.0], [STEP_MM, 0, 0, -length], [0, 0, 0, 1]]))
    z, y, x = (axis * STEP_MM + first for axis, first in zip(np.indices(shape), (-length, -80.0, -half_width_mm)))
    bone = np.zeros(shape, dtype=np.uint8)
    found: list[Body] = []
    for n in range(count):
        middle = -(n + 0.5) * gap_mm
        found.append((-middle, (0.0, -25.0, middle), 0.9))
        bone[(abs(z - middle) < 0.36 * gap_mm) & (abs(x) < 20) & (y < -10) & (y > -40)] = 1
        for side, word in ((1, "left"), (-1, "right")):
            out = side * x
            reach = 75.0 if word in ribs.get(n, "") else 48.0  # a transverse process
            bone[(abs(z - middle + 0.3 * np.maximum(out - 20, 0)) < 4) & (abs(y - 8) < 4) & (out > 20) & (out < reach)] = 1
        if wings is not None and n >= wings:
            bone[(abs(z - middle) <= gap_mm / 2) & (abs(x) < 60) & (y < 0) & (y > -34)] = 1
    s = np.arange(1.0, length - 1.0)
    along = np.zeros((len(s), 3))
    curve = Curve(along + np.stack([0 * s, 0 * s, -s], 1), along + [1.0, 0, 0], along + [0, 1.0, 0], along + [0, 0, -1.0])
    return Volume(frame, bone, "CT"), curve, [(s_mm - 1.0, centre, sure) for s_mm, centre, sure in found]


BOTH = "left right"


def test_the_last_vertebra_with_ribs_is_t12() -> None:
    bone, curve, found = spine({0: BOTH, 1: BOTH, 2: BOTH})
    made = guess(bone, bone, curve, found, DEPTH_MM)
    assert (made.name, made.position_mm, made.by, made.why) == ("T12", found[2][1], "program", "the last ribs")
    assert made.confidence == pytest.approx(0.75, abs=0.01)


def test_ribs_and_sacrum_that_agree_are_surer_than_each_alone() -> None:
    bone, curve, found = spine({0: BOTH, 1: BOTH}, wings=7)
    made = guess(bone, bone, curve, found, DEPTH_MM)
    assert made.why == "the wings of the sacrum and the last ribs"
    assert made.confidence is not None and 0.8 < made.confidence < 0.95
    assert {"T12": 1, "S1": 7}[made.name] == [body[1] for body in found].index(made.position_mm)


@pytest.mark.parametrize(("last", "other"), [(0, "T11"), (2, "L1")])
def test_six_or_four_vertebrae_between_ribs_and_sacrum_are_told_not_counted_away(last: int, other: str) -> None:
    bone, curve, found = spine(dict.fromkeys(range(last + 1), BOTH), wings=7)
    made = guess(bone, bone, curve, found, DEPTH_MM)
    assert made.confidence is not None and made.confidence <= 0.3
    assert "would make it" in made.why
    counted = {made.name, made.why.rsplit(" ", 1)[1]}
    assert counted in ({"S1", {0: "S2", 2: "L5"}[last]}, {"T12", other})


def test_ribs_on_one_side_alone_are_less_sure() -> None:
    bone, curve, found = spine({0: BOTH, 1: BOTH, 2: "left"})
    made = guess(bone, bone, curve, found, DEPTH_MM)
    assert made.name == "T12" and made.position_mm == found[2][1]
    assert made.confidence is not None and made.confidence < 0.6


@pytest.mark.parametrize(
    "seen",
    [
        spine({}, half_width_mm=90.0),  # no ribs in view
        spine({0: BOTH, 1: BOTH, 2: BOTH}, half_width_mm=56.0),  # a narrow field
        spine(dict.fromkeys(range(8), BOTH)),  # ribs down to the end of the scan
    ],
)
def test_without_a_clue_the_name_is_hardly_sure(seen: tuple[Volume, Curve, list[Body]]) -> None:
    bone, curve, found = seen
    made = guess(bone, bone, curve, found, DEPTH_MM)
    assert made.confidence is not None and made.confidence <= 0.2


@pytest.mark.parametrize("depth_mm", [17.0, 60.0])
def test_vertebrae_that_are_no_match_for_their_bodies_are_not_named(depth_mm: float) -> None:
    """A neck of which every second disc is missed looks like chest and loin: 28 mm from body to body, which are 17 mm deep."""
    seen, curve, found = spine({0: BOTH, 1: BOTH, 2: BOTH})
    assert name_levels(Row(curve, tuple(found)), None, lambda bodies: guess(seen, seen, curve, bodies, depth_mm))[1] is None


def test_what_lies_beside_a_neck_is_no_last_rib() -> None:
    """Jaw and shoulders reach as far as ribs do; the bodies are no deeper than those of a neck."""
    seen, curve, found = spine({0: BOTH, 1: BOTH, 2: BOTH}, gap_mm=20.0)
    assert guess(seen, seen, curve, found, DEPTH_MM * 20.0 / GAP_MM + 2.0).name == "T12"
    in_neck = guess(seen, seen, curve, found, 17.0)
    assert in_neck.name.startswith("C") and (in_neck.confidence or 0.0) < 0.5


def test_where_nothing_tells_a_name_none_is_said() -> None:
    """The levels keep stand-ins for names, which tell them apart; no anchor, no confidence, and a sentence that asks for a name."""
    bone, curve, found = spine({}, count=3)
    levels, anchor = name_levels(Row(curve, tuple(found)), None, lambda bodies: guess(bone, bone, curve, bodies, DEPTH_MM))
    assert anchor is None and len(levels) == 3
    known = levels_structure(levels, anchor)
    assert known.confidence == 0.0 and "unknown" in str(known.problem) and "name one vertebra" in str(known.problem)
    told = guess(*((spine({0: BOTH, 1: BOTH})[0],) * 2), *spine({0: BOTH, 1: BOTH})[1:], DEPTH_MM)
    assert name_levels(Row(curve, tuple(found)), None, lambda _: told)[1] is not None
