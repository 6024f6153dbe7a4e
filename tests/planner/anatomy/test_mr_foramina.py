"""Foramina on T2: seen as bright holes between dark borders, against the phantom's truth; where fat is dark, as usual and said to be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy import Anatomy, find
from tests.data import real
from tests.planner.anatomy.phantoms import found, phantom
from tests.planner.anatomy.scans import nifti_volume

_JUDGED = ("T11", "T12", "L1", "L2", "L3", "L4", "L5")


def _errors(mine: Anatomy) -> list[float]:
    """mm from the true centres, of the foramina from T11-T12 to L5-S1."""
    true = {(tuple(one.between), one.side): one.centre for one in phantom("mr").truth.foramina}
    judged = [one for one in mine.foramina if one.between[0] in _JUDGED]
    return [float(np.linalg.norm(np.subtract(one.centre_mm, true[one.between, one.side]))) for one in judged]


def test_foramina_are_seen_where_they_are() -> None:
    """In voxels of 1.8 mm; the bench measures finer ones."""
    mine = found("mr")
    errors = _errors(mine)
    assert len(errors) == 14
    assert np.mean(errors) < 1.8
    assert mine.structure("foramina").provenance == "found"
    assert all(0.3 <= one.confidence <= 0.7 for one in mine.foramina)


def test_where_fat_is_dark_foramina_have_their_usual_size() -> None:
    """STIR: nothing bright lies in them."""
    one = phantom("mr").volume
    stir = np.interp(one.voxels, [0, 150, 400, 600, 800, 1000], [0, 150, 300, 150, 500, 1000])
    mine = find(replace(one, voxels=stir.astype(np.int16)))
    assert mine.structure("foramina").provenance == "modelled"
    assert "usual size" in (mine.structure("foramina").problem or "")


@pytest.mark.real
def test_foramina_of_a_real_scan_are_seen_on_both_sides_alike() -> None:
    """At each level, left and right lie about as far from the canal's middle and at one height."""
    mine = find(nifti_volume(real("lumbar-mr-t2-labelled") / "discs-20-t2.nii.gz", "MR"))
    assert mine.structure("foramina").provenance == "found"
    pairs: dict[tuple[str, str], dict[str, float]] = {one.between: {} for one in mine.foramina}
    for one in mine.foramina:
        pairs[one.between][one.side] = mine.canal.locate(one.centre_mm).s_mm
    assert all(abs(both["left"] - both["right"]) < 6.0 for both in pairs.values() if len(both) == 2)
