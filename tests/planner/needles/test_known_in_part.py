"""What is known of a hazard in part counts against a needle that comes too near, and clears none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy import labels
from planner.anatomy.spine import Anatomy, Provenance, Structure
from planner.geometry import Volume
from planner.leak import place
from planner.needles import check, needle, prepare, search
from planner.needles.candidate import Candidate, Check
from planner.needles.room import AIR
from tests.planner.needles.pipe_spine import NAMES, middle, pipe_spine

DISC = middle(NAMES, "L2") - 18.0
WINDOW = middle(NAMES, "L2") - 24.0


def with_block(name: str, code: int, provenance: Provenance, x: tuple[float, float], z: tuple[float, float]) -> tuple[Volume, Anatomy]:
    """The spine of pipes with a block of a structure behind and beside the spine, between these places."""
    volume, anatomy = pipe_spine()
    frame = anatomy.frame
    k, j, i = np.ogrid[: frame.shape[0], : frame.shape[1], : frame.shape[2]]
    at_x, at_y, at_z = (frame.affine[n, 3] + frame.affine[n, 2 - n] * index for n, index in enumerate((i, j, k)))
    block = (at_x > x[0]) & (at_x < x[1]) & (at_y > 20) & (at_y < 40) & (at_z > z[0]) & (at_z < z[1])
    painted = anatomy.labels.copy()
    painted[np.broadcast_to(block, painted.shape)] = code
    known = {**anatomy.structures, name: Structure(provenance, None if provenance == "not checked" else 0.8)}
    return volume, replace(anatomy, labels=painted, structures=known)


def judged(volume: Volume, anatomy: Anatomy, x: float) -> Candidate:
    """A straight needle through the window at x."""
    room = prepare(volume, anatomy, place(anatomy, (0.0, 7.0, DISC), "dorsal"), "interlaminar-midline")
    return check(room, needle("20G-90-tuohy"), (x, 80.0, WINDOW), (x, 7.6, WINDOW), "prone")


def by_name(candidate: Candidate, name: str) -> Check:
    return next(made for made in candidate.checks if made.name == name)


@pytest.mark.parametrize(("x", "ok"), [(9.0, False), (-9.0, None)], ids=["beside it", "on the other side"])
def test_one_kidney_of_two_rules_out_a_needle_beside_it_and_clears_none(x: float, ok: bool | None) -> None:
    whole = (WINDOW - 40.0, WINDOW + 40.0)
    one = judged(*with_block("kidney", labels.KIDNEY, "not checked", (14.0, 40.0), whole), x)
    assert by_name(one, "Kidney").ok is ok
    assert (one.clearance_mm["kidney"] is None) == (ok is None)
    both = judged(*with_block("kidney", labels.KIDNEY, "found", (14.0, 40.0), whole), x)
    assert by_name(both, "Kidney").ok is (ok is not False)


@pytest.mark.parametrize(
    ("provenance", "z", "ok"),
    [
        ("found", (WINDOW - 30.0, WINDOW + 30.0), True),
        ("found", (WINDOW + 5.0, WINDOW + 60.0), None),
        ("found", (WINDOW - 60.0, WINDOW + 5.0), None),
        ("drawn", (WINDOW + 5.0, WINDOW + 60.0), None),
        ("imported", (WINDOW + 5.0, WINDOW + 60.0), True),
        ("found", (-200.0, WINDOW + 30.0), True),
    ],
    ids=["beside the needle", "ends above it", "ends below it", "drawn above it", "whole by its program", "to the scan's end"],
)
def test_a_vessel_clears_a_needle_only_over_the_length_where_it_is_known(
    provenance: Provenance, z: tuple[float, float], ok: bool | None
) -> None:
    made = judged(*with_block("aorta", labels.AORTA, provenance, (40.0, 60.0), z), 0.0)
    assert by_name(made, "Aorta").ok is ok
    assert (made.clearance_mm["aorta"] is None) == (ok is None)


def test_a_vessel_that_ends_above_a_needle_still_rules_it_out_when_it_is_too_near() -> None:
    made = judged(*with_block("aorta", labels.AORTA, "found", (6.0, 30.0), (WINDOW + 2.0, WINDOW + 60.0)), 0.0)
    assert by_name(made, "Aorta").ok is False


def test_the_border_of_an_oblique_scan_is_no_skin() -> None:
    """The slices end 20 mm behind the canal; beyond lies air in the standard frame, through which nobody knows the way."""
    volume, anatomy = pipe_spine()
    frame = anatomy.frame
    ends = int(frame.to_index((0.0, 27.0, WINDOW))[1])
    field = frame.crop((0, 0, 0), (frame.shape[0], ends, frame.shape[2]))
    painted = anatomy.labels.copy()
    painted[:, ends:] = 0
    cut = replace(anatomy, labels=painted, field=field)
    leak = place(cut, (0.0, 7.0, DISC), "dorsal")
    oblique = prepare(replace(volume, field=field), cut, leak, "interlaminar-midline")
    behind = oblique.frame.to_world(np.argwhere(oblique.space == AIR))[:, 1]
    assert not (behind > 27.0).any()
    assert not search(oblique, needle("20G-90-tuohy"), "prone").candidates
    aligned = prepare(volume, cut, leak, "interlaminar-midline")
    assert (aligned.frame.to_world(np.argwhere(aligned.space == AIR))[:, 1] > 28.0).any()
