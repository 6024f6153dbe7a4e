"""The canal of real T2 scans against contours that were drawn by hand."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from planner.anatomy import find, labels
from tests.data import real
from tests.planner.anatomy.phantoms import dice
from tests.planner.anatomy.scans import nifti_volume

_CONTOURS = Path(__file__).parent / "contours"


@pytest.mark.real
@pytest.mark.parametrize(("contours", "count"), [("lumbar-mr-t2-canal", 5), ("case-07-canal", 4)])
def test_the_canal_of_a_real_scan_is_what_was_drawn_by_hand(contours: str, count: int) -> None:
    """Roots that run in the canal have a name of their own; inside the contour they are part of it."""
    by_hand = json.loads((_CONTOURS / f"{contours}.json").read_text("utf-8"))
    folder, name = by_hand["scan"].split("/")
    volume = nifti_volume(real(folder) / name, "MR")
    mine = find(volume)
    canal, roots = mine.mask(labels.CANAL), mine.mask((labels.NERVE_ROOT,))
    alike = []
    for contour in by_hand["contours"]:
        index = volume.frame.to_index(np.array(contour["points_mm"]))
        filled = np.zeros(volume.frame.shape[1:], dtype=np.uint8)
        cv2.fillPoly(filled, [np.rint(index[:, [2, 1]] * 16).astype(np.int32)], 1, shift=4)
        k, drawn = round(float(index[0, 0])), filled > 0
        alike.append(dice(drawn, canal[k] | (roots[k] & drawn)))
    assert len(alike) == count
    assert np.median(alike) > 0.9
    assert min(alike) > 0.85
