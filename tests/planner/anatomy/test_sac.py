"""The sac, the cord and the conus as a value: what was seen of them, what is modelled, and that they stay true to the labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from planner.anatomy import ANGLES, Anatomy, Anchor, find, labels, rename
from planner.anatomy.by_hand.apply import edited
from planner.anatomy.by_hand.edits import CentrelinePoint, Grow, stroke
from planner.anatomy.outside import polar_place
from planner.anatomy.paint import along_canal
from tests.planner.anatomy.phantoms import dice, found, phantom, true_mask

SAC = (labels.THECAL_SAC, labels.SPINAL_CORD)


def within(anatomy: Anatomy, radius_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The voxels inside radii (n, ANGLES) around the canal's middle."""
    box = anatomy.frame.box_around(anatomy.canal.centreline_mm, 25.0)
    index = np.argwhere(np.ones([b.stop - b.start for b in box], dtype=np.bool_)) + [b.start for b in box]
    along = along_canal(index, anatomy.frame, anatomy.canal)
    row, turn, radius = polar_place(along, anatomy.canal)
    inside = (along[:, 0] > -0.5) & (along[:, 0] < len(radius_mm) - 0.5) & (radius <= radius_mm[row, turn])
    out = np.zeros(anatomy.frame.shape, dtype=np.bool_)
    out[tuple(index[inside].T)] = True
    return out


def test_the_sections_are_what_the_labels_show() -> None:
    mine = found("ct")
    assert mine.sac is not None
    n = len(mine.canal.centreline_mm)
    assert mine.sac.radius_mm.shape == mine.sac.seen.shape == mine.sac.cord_mm.shape == (n, ANGLES)
    assert mine.sac.cord_seen.shape == mine.sac.seen_share.shape == (n,)
    assert dice(within(mine, mine.sac.radius_mm), mine.mask(SAC)) > 0.97
    assert dice(within(mine, mine.sac.cord_mm), mine.mask((labels.SPINAL_CORD,))) > 0.93


def test_the_cord_ends_at_its_conus_which_follows_the_names() -> None:
    mine = found("ct")
    assert mine.sac is not None and mine.sac.conus is not None
    l1 = next(level for level in mine.levels if level.name == "L1")
    assert 0.0 < mine.sac.conus.s_mm - l1.s_mm < 20.0
    assert mine.sac.conus.provenance == "modelled"
    s_mm = mine.canal.s_mm
    assert (mine.sac.cord_mm[s_mm > mine.sac.conus.s_mm + 1.0] == 0.0).all()
    assert (mine.sac.cord_mm[s_mm < mine.sac.conus.s_mm - 1.0] > 0.0).all()
    given = replace(mine, again=None)  # as with imported labels: nothing is found anew
    l3 = next(level for level in mine.levels if level.name == "L3")
    other = rename(given, Anchor("L2", l3.centre_mm, "user"))
    assert other.sac is not None and other.sac.conus is not None
    l2 = next(level for level in mine.levels if level.name == "L2")
    assert 0.0 < other.sac.conus.s_mm - l2.s_mm < 20.0
    assert dice(within(other, other.sac.cord_mm), other.mask((labels.SPINAL_CORD,))) > 0.93


def test_the_sac_gives_way_to_a_wall_that_is_drawn_nearer() -> None:
    made = edited(found("ct"), (Grow("canal", -2.0),))
    assert made.sac is not None and found("ct").sac is not None
    assert (made.sac.radius_mm <= made.canal.wall_mm).all()
    assert dice(within(made, made.sac.radius_mm), made.mask(SAC)) > 0.95


def test_a_sac_that_is_drawn_is_known_by_its_labels_alone() -> None:
    mine = found("ct")
    x, y, z = (float(value) for value in mine.canal.centreline_mm[100])
    assert edited(mine, (stroke("sac", "erase", [(x, y, z)], 4.0),)).sac is None
    assert edited(mine, (CentrelinePoint((x, y, z), (x + 2.0, y, z), 20.0),)).sac is None
    assert edited(mine, (stroke("kidney", "draw", [(x + 70.0, y, z)], 4.0),)).sac is mine.sac


def test_the_cord_and_its_conus_are_seen_in_contrast() -> None:
    one, mine = phantom("myelogram"), found("myelogram")
    assert mine.sac is not None and mine.sac.conus is not None
    cord = true_mask(one, "spinal cord")
    assert dice(cord, mine.mask((labels.SPINAL_CORD,))) > 0.91  # in voxels of 1.8 mm; 0.96 in finer ones
    assert mine.structure("cord").provenance == mine.sac.conus.provenance == "found"
    end_mm = np.interp(mine.sac.conus.s_mm, mine.canal.s_mm, mine.canal.centreline_mm[:, 2])
    assert end_mm == pytest.approx(one.volume.frame.to_world(np.argwhere(cord))[:, 2].min(), abs=5.0)
    above = mine.canal.s_mm < mine.sac.conus.s_mm - 8.0
    assert mine.sac.cord_seen[above].mean() > 0.9
    assert not mine.sac.cord_seen[~above].all()


def test_a_cord_that_no_contrast_shows_is_modelled_and_joins_the_one_that_was_seen() -> None:
    """Contrast that stops below T11, as in a patient who did not lie head down."""
    one = phantom("myelogram")
    top = next(level.centre[2] for level in one.truth.levels if level.name == "T11")
    first = round(float(one.volume.frame.to_index((0.0, 0.0, top))[0]))
    voxels = one.volume.voxels.copy()
    voxels[first:][true_mask(one, "thecal sac")[first:]] = 20
    mine = find(replace(one.volume, voxels=voxels), found("myelogram").anchor)
    assert mine.sac is not None and mine.structure("cord").provenance == "found"
    z_mm = mine.canal.centreline_mm[:, 2]
    assert not mine.sac.cord_seen[z_mm > top + 8.0].any() and not mine.sac.seen[z_mm > top + 12.0].any()
    assert mine.sac.cord_seen[(z_mm < top - 12.0) & (mine.canal.s_mm < mine.sac.conus.s_mm - 8.0 if mine.sac.conus else False)].mean() > 0.9
    assert np.abs(np.diff(mine.sac.cord_mm[z_mm > top - 20.0], axis=0)).max() < 1.0
    assert np.abs(np.diff(mine.sac.radius_mm[z_mm > top - 20.0], axis=0)).max() < 1.5
    for name in ("sac", "cord"):
        assert "Modelled at T" in (mine.structure(name).problem or "")


def test_plain_ct_says_at_which_levels_the_sac_is_modelled() -> None:
    mine = found("ct")
    assert mine.sac is not None
    words = mine.structure("sac").problem or ""
    assert "seen against fat" in words
    for level in mine.levels:
        near = np.abs(mine.canal.s_mm - level.s_mm) < 8.0
        if mine.sac.radius_mm[near].max() > 0 and mine.sac.seen_share[near].max() < 0.1:
            assert "Modelled at" in words
