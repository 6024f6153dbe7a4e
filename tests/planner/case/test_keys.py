"""What was derived is stale when what it came from has changed, and only then."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from planner.anatomy.by_hand.edits import Edit, Grow, Smooth, stroke
from planner.anatomy.spine import Anchor
from planner.case.case import Case, Site
from planner.case.keys import anatomy_key, site_key
from planner.leak.leak import Leak


def test_a_label_map_written_anew_at_its_place_makes_the_anatomy_stale(tmp_path: Path) -> None:
    path = tmp_path / "labels.nii.gz"
    path.write_bytes(b"first")
    case = Case(labels_path=str(path))
    before = anatomy_key(case)
    assert anatomy_key(case) == before
    path.write_bytes(b"longer")
    longer = anatomy_key(case)
    assert longer != before
    os.utime(path, ns=(1, 1))  # the same length at another time
    assert anatomy_key(case) != longer


def test_so_does_another_meaning_of_its_numbers(tmp_path: Path) -> None:
    path = tmp_path / "labels.nii.gz"
    path.write_bytes(b"map")
    before = anatomy_key(Case(labels_path=str(path)))
    (tmp_path / "labels.json").write_text("{}")
    assert anatomy_key(Case(labels_path=str(path))) != before


def test_a_label_map_that_is_gone_has_a_key_too(tmp_path: Path) -> None:
    gone = Case(labels_path=str(tmp_path / "gone.nii.gz"))
    assert anatomy_key(gone) == anatomy_key(gone) != anatomy_key(Case())
    for no_file in ("\0", "/", "."):
        assert anatomy_key(Case(labels_path=no_file)) != anatomy_key(Case())


def test_another_name_of_a_vertebra_leaves_scan_and_map_as_they_are() -> None:
    case = Case()
    named = replace(case, anchor=Anchor("L4", (0.0, 0.0, 0.0), "user", 1.0))
    assert anatomy_key(named) != anatomy_key(case)
    assert anatomy_key(named)[:2] == anatomy_key(case)[:2]


def test_what_is_changed_by_hand_makes_anatomy_and_needles_stale() -> None:
    edits: tuple[Edit, ...] = (Grow("bone", 1.0), stroke("bone", "draw", [(1.0, 2.0, 3.0)], 3.0))
    case = Case(sites=(Site(Leak((1.0, 2.0, 3.0), "ventral", "observed", "L1-L2", "right")),))
    drawn = replace(case, edits=edits)
    assert anatomy_key(drawn) != anatomy_key(case) and site_key(drawn, 0) != site_key(case, 0)
    assert anatomy_key(drawn).found == anatomy_key(case).found == anatomy_key(case)
    again = replace(case, edits=(Grow("bone", 1.0), stroke("bone", "draw", [(1.0, 2.0, 3.0)], 3.0)))
    assert anatomy_key(again) == anatomy_key(drawn) and hash(anatomy_key(again)) == hash(anatomy_key(drawn))
    other = replace(case, edits=(Smooth("bone", 1.0), edits[1]))
    assert anatomy_key(other) != anatomy_key(drawn)
