"""A scan with a gap: nothing is followed, marked or planned across it."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from planner.anatomy import Anatomy, Anchor
from planner.case.case import Case
from planner.case.derive import find_anatomy
from planner.geometry import Gap, Volume
from planner.leak import place
from planner.needles import prepare
from planner.needles.room import BEYOND
from planner.refusal import Refusal
from tests.planner.anatomy.phantoms import phantom

WIDE_MM = 6.0


def level(name: str) -> np.ndarray:
    return np.array(next(level.centre for level in phantom().truth.levels if level.name == name))


@cache
def holed() -> tuple[Volume, Gap]:
    """The phantom without the slices of 6 mm half way between L1 and L2."""
    whole = phantom().volume
    middle = float((level("L1") + level("L2"))[2]) / 2
    gap = Gap((0.0, 0.0, 1.0), middle - WIDE_MM / 2, middle + WIDE_MM / 2)
    voxels = whole.voxels.copy()
    padding = float(voxels.min()) - 1.0
    gap.fill(voxels, whole.frame, padding)
    return replace(whole, voxels=voxels, padding=padding, gaps=(gap,)), gap


@cache
def found(anchor: str) -> Anatomy:
    x, y, z = level(anchor)
    return find_anatomy(Case(anchor=Anchor(anchor, (x, y, z), "user")), holed()[0])


def behind(anatomy: Anatomy, z_mm: float) -> np.ndarray:
    """A place behind the sac at a height."""
    canal = anatomy.canal
    at = int(np.abs(canal.centreline_mm[:, 2] - z_mm).argmin())
    return canal.centreline_mm[at] + 5.0 * canal.back[at]


@pytest.mark.parametrize(("anchor", "seen", "unseen"), [("L3", "L2", "L1"), ("T12", "L1", "L3")])
def test_the_canal_is_followed_on_the_side_of_the_named_vertebra_alone(anchor: str, seen: str, unseen: str) -> None:
    anatomy, gap = found(anchor), holed()[1]
    centreline = anatomy.canal.centreline_mm
    assert not gap.holds(centreline).any()
    assert not any(gap.parts(centreline[0], point) for point in centreline)
    assert {seen, anchor} <= {level.name for level in anatomy.levels} and unseen not in {level.name for level in anatomy.levels}
    assert "The scan has a gap of 6 mm" in (anatomy.structure("canal").problem or "")


def test_naming_a_vertebra_on_the_other_side_looks_there() -> None:
    volume, _ = holed()
    x, y, z = level("T12")
    moved = find_anatomy(Case(anchor=Anchor("T12", (x, y, z), "user")), volume, found=found("L3"))
    assert [level.name for level in moved.levels] == [level.name for level in found("T12").levels]
    assert (moved.structure("canal").problem or "").count("a gap of") == 1


def test_no_leak_is_marked_in_the_gap_nor_beyond_it() -> None:
    _, gap = holed()
    upper, lower = found("T12"), found("L3")
    with pytest.raises(Refusal, match="lies in a gap"):
        place(lower, behind(lower, gap.low_mm) + (0.0, 0.0, WIDE_MM / 2), "dorsal")
    with pytest.raises(Refusal, match="A gap of the scan lies between"):
        place(lower, behind(upper, level("L1")[2]), "dorsal")


def test_no_needle_goes_through_the_gap() -> None:
    volume, gap = holed()
    anatomy = found("T12")
    leak = place(anatomy, behind(anatomy, level("L1")[2]), "dorsal")
    room = prepare(volume, anatomy, leak, "interlaminar-midline")
    slices = room.frame.to_world(np.arange(room.frame.shape[0])[:, None] * (1.0, 0.0, 0.0))
    inside = np.flatnonzero(gap.holds(slices))
    assert len(inside) and all((room.space[k] == BEYOND).all() for k in inside)


def test_where_no_canal_is_found_the_gap_is_told() -> None:
    volume, gap = holed()
    low, high = volume.frame.bounds_mm
    short = replace(gap, low_mm=float(low[2]) + 25.0, high_mm=float(high[2]) - 25.0)
    voxels = volume.voxels.copy()
    short.fill(voxels, volume.frame, volume.padding or 0.0)
    with pytest.raises(Refusal, match="The scan has a gap of"):
        find_anatomy(Case(), replace(volume, voxels=voxels, gaps=(short,)))
