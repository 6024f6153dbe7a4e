"""What a hand adds where nothing was found: a canal from nothing or beyond its ends, and vertebrae."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy import Anatomy
from planner.anatomy import labels as codes
from planner.anatomy.by_hand.apply import EditedAnatomy, checked, edited
from planner.anatomy.by_hand.edits import AddedLevel, stroke
from planner.refusal import Refusal
from tests.planner.anatomy.spine_of_pipes import code_at, rows_of, spine

HEAD = (0.0, 0.0, 1.0)


def without_canal() -> Anatomy:
    """The spine of pipes in which nothing of the canal was found."""
    none = rows_of(spine().canal, np.zeros(0, dtype=np.int64))
    labels = np.where(spine().mask(codes.CANAL), codes.SOFT_TISSUE, spine().labels).astype(np.uint8)
    return replace(spine(), canal=none, labels=labels, levels=(), foramina=(), windows=(), roots=(), structures={})


def shortened(below_z_mm: float) -> Anatomy:
    """The spine of pipes whose canal was found below a height alone."""
    canal = rows_of(spine().canal, np.flatnonzero(spine().canal.centreline_mm[:, 2] < below_z_mm))
    labels = spine().labels.copy()
    above = np.arange(labels.shape[0]) > spine().frame.to_index((0.0, 0.0, below_z_mm))[0]
    part = labels[above]
    part[np.isin(part, codes.CANAL)] = codes.SOFT_TISSUE
    labels[above] = part
    return replace(spine(), canal=canal, labels=labels)


def test_a_canal_is_drawn_from_nothing_along_its_middle() -> None:
    """A ball of 14 mm: bone stops the tube, so in front it ends at the bodies."""
    high, low = (float(spine().canal.centreline_mm[n, 2]) for n in (0, -1))
    made = edited(without_canal(), (stroke("canal", "draw", [(0.0, 0.0, low), (0.5, 0.2, 0.0), (0.0, 0.0, high)], 14.0),))
    assert isinstance(made, EditedAnatomy) and not made.idle
    assert made.canal.centreline_mm[0, 2] > made.canal.centreline_mm[-1, 2]  # from head to foot, though it was drawn upward
    assert np.linalg.norm(np.diff(made.canal.centreline_mm, axis=0), axis=1).max() <= 1.0
    assert made.structure("canal").provenance == "drawn" and made.structure("sac").provenance == "not checked"
    assert made.canal.wall_mm.max() <= 14.0
    assert np.percentile(made.canal.wall_mm[:, 48], 25) == pytest.approx(9.0, abs=1.0)  # bodies in front
    middle = made.canal.nearest((0.0, 0.0, 0.0))
    counted = made.mask((codes.EPIDURAL_SPACE,)).sum(axis=(1, 2)) * made.frame.spacing_mm[1] * made.frame.spacing_mm[2]
    k = int(np.rint(made.frame.to_index((0.0, 0.0, 0.0))[0]))
    assert counted[k] == pytest.approx(made.canal.area_mm2[middle], rel=0.1)


def test_what_is_too_short_or_in_one_slice_makes_no_canal() -> None:
    for edit in (
        stroke("canal", "draw", [(0.0, 0.0, 0.0), (0.0, 0.0, 12.0)], 8.0),
        stroke("canal", "draw", [(0.0, 0.0, 0.0)], 8.0, HEAD, 0.5),
    ):
        with pytest.raises(Refusal, match=r"draw 20 mm of it or more with the ball"):
            checked(without_canal(), edit)


def test_a_canal_goes_on_beyond_its_ends_and_stays_as_it_was_between_them() -> None:
    part = shortened(10.0)
    top = float(spine().canal.centreline_mm[0, 2])
    edit = stroke("canal", "draw", [(0.0, 0.0, 5.0), (0.0, 0.0, top - 2.0)], 10.0)
    made = edited(part, (edit,))
    assert isinstance(made, EditedAnatomy) and not made.idle
    more = len(made.canal.centreline_mm) - len(part.canal.centreline_mm)
    assert made.canal.centreline_mm[0, 2] == pytest.approx(top - 2.0, abs=0.5)
    kept = made.canal.wall_mm[more + 12 :]
    assert np.array_equal(kept, part.canal.wall_mm[12:])
    assert np.linalg.norm(np.diff(made.canal.centreline_mm, axis=0), axis=1).max() <= 1.01
    assert made.canal.locate((0.0, 0.0, (top + 10.0) / 2)).inside
    assert code_at(made, 0.0, 0.0, (top + 10.0) / 2) == codes.EPIDURAL_SPACE
    for level in made.levels:
        assert level.s_mm == pytest.approx(float(made.canal.s_mm[made.canal.nearest(level.centre_mm)]))
    assert made.sac is None


def test_a_path_far_from_the_ends_prolongs_nothing() -> None:
    with pytest.raises(Refusal, match="away from its ends"):
        checked(shortened(10.0), stroke("canal", "draw", [(60.0, 60.0, 60.0), (60.0, 60.0, 100.0)], 8.0))


def test_vertebrae_are_added_one_after_the_other_and_counted_from_one_that_has_a_name() -> None:
    levels = spine().levels
    alone = replace(spine(), levels=levels[2:3])
    made = edited(alone, tuple(AddedLevel(levels[n].centre_mm) for n in (3, 1, 0)))
    assert isinstance(made, EditedAnatomy) and not made.idle
    assert [level.name for level in made.levels] == [level.name for level in levels[:4]]
    assert made.disc_space(levels[1].centre_mm) is not None
    with pytest.raises(Refusal, match="lies here already"):
        checked(made, AddedLevel(levels[1].centre_mm))
    with pytest.raises(Refusal, match="No name is free"):
        checked(made, AddedLevel(tuple(float(v) for v in np.mean([levels[0].centre_mm, levels[1].centre_mm], axis=0))))
    with pytest.raises(Refusal, match="name one first"):
        checked(replace(spine(), levels=()), AddedLevel(levels[1].centre_mm))
