"""Discs in MR: where the axes of two bodies meet, which at L5-S1 is not half way between their middles."""

from __future__ import annotations

import numpy as np
import pytest

from planner.anatomy import Anatomy, Anchor, find, labels
from planner.geometry import Floats
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
