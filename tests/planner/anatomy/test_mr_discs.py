"""Discs in MR: where the axes of two bodies meet, which at L5-S1 is not half way between their middles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy import Anatomy, Anchor, find, labels
from planner.anatomy.levels import Row
from planner.anatomy.mr.levels import counted, uncounted
from planner.anatomy.names import row_of
from planner.geometry import Floats, Frame
from tests.data import real
from tests.planner.anatomy.phantoms import found, phantom, true_mask
from tests.planner.anatomy.scans import nifti_volume


def _painted(anatomy: Anatomy, upper: str, lower: str) -> Floats:
    """The middle of a disc as it stands in the labels."""
    return np.asarray(anatomy.frame.to_world(np.argwhere(anatomy.mask((labels.disc(upper, lower),)))).mean(axis=0))


def test_discs_are_painted_where_they_are() -> None:
    off = []
    for upper, lower in (("T12", "L1"), ("L1", "L2"), ("L2", "L3"), ("L3", "L4"), ("L4", "L5"), ("L5", "S1")):
        true = phantom("mr").volume.frame.to_world(np.argwhere(true_mask(phantom("mr"), f"disc {upper}-{lower}"))).mean(axis=0)
        off.append(float(np.linalg.norm(_painted(found("mr"), upper, lower) - true)))
    assert np.mean(off) < 2.5
    assert max(off) < 4.0


@pytest.mark.real
def test_the_disc_before_a_tilted_sacrum_lies_before_the_line_between_its_bodies() -> None:
    """Half way between the middles of L5 and S1 is 7 mm behind it."""
    mine = find(nifti_volume(real("lumbar-mr-t2-labelled") / "discs-20-t2.nii.gz", "MR"), Anchor("L3", (2.0, -12.0, 8.0), "user"))
    labelled = nifti_volume(real("lumbar-mr-t2-labelled") / "discs-20-discs.nii.gz", "label")
    true = labelled.frame.to_world(np.argwhere(labelled.voxels == 1)).mean(axis=0)
    assert np.linalg.norm(_painted(mine, "L5", "S1") - true) < 4.0


def _row(apart_mm: float) -> Row:
    """Five vertebrae."""
    canal = found("mr").canal
    return Row(row_of(found("mr")).curve, tuple((10.0 + apart_mm * n, (0.0, 0.0, float(canal.s_mm[n])), 0.7) for n in range(5)))


def test_a_neck_is_counted_only_where_its_discs_can_show() -> None:
    thin = phantom("mr").volume
    thick = replace(thin, frame=Frame.axial(thin.frame.shape, (5.0, 1.0, 1.0), (0.0, 0.0, 0.0)))
    assert len(counted(thin, _row(17.0), neck=True).bodies) == 5
    assert counted(thin, _row(31.0), neck=True).bodies == ()  # one in two was missed
    assert counted(thick, _row(17.0), neck=True).bodies == ()
    assert len(counted(thick, _row(31.0), neck=False).bodies) == 5
    assert "5.0 mm" in (uncounted(thick).problem or "")
