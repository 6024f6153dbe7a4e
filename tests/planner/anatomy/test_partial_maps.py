"""Label maps that show a part: what they do not show stands as it was found, and nobody calls it clear."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planner.anatomy import find_with_labels
from planner.anatomy import labels as codes
from tests.planner.anatomy.maps import found_alone, map_of, patient, truth_in
from tests.planner.anatomy.phantoms import dice, true_mask


@pytest.mark.usefixtures("found_once")
def test_beyond_a_map_that_covers_a_part_what_was_found_stands(tmp_path: Path) -> None:
    """A map with canal, cord and vertebrae of the lower half: above it the canal goes on as it was found."""
    from tests.planner.anatomy.test_schemes import coded

    half = patient().labels.shape[0] // 2
    lower = patient().volume.frame.crop((0, 0, 0), (half, *patient().labels.shape[1:]))
    truth = find_with_labels(patient().volume, truth_in(tmp_path, patient().labels[:half], lower))
    alone = found_alone()
    above = slice(half + 2, None)
    assert np.array_equal(truth.labels[above], alone.labels[above])
    assert truth.canal.centreline_mm[0, 2] == pytest.approx(alone.canal.centreline_mm[0, 2], abs=4.0)
    assert dice(truth.mask(codes.CANAL)[:half], true_mask(patient(), "epidural space", "thecal sac", "spinal cord")[:half]) > 0.95
    assert {level.name for level in alone.levels[1:]} <= {level.name for level in truth.levels}
    for name in ("canal", "cord", "skin"):
        assert truth.structure(name).provenance != "imported", name
    assert "covers a part of the scan: elsewhere it is found" in (truth.structure("canal").problem or "")
    numbers = coded("totalsegmentator-v2", patient())[:half]
    taken = find_with_labels(patient().volume, map_of("", tmp_path / "map.nii.gz", numbers, lower))
    for name in ("aorta", "vena cava"):  # nobody looked above the map, so nobody may call it clear
        assert taken.structure(name).provenance == alone.structure(name).provenance


@pytest.mark.usefixtures("found_once")
def test_a_map_that_leaves_a_rim_of_the_scan_out_covers_it(tmp_path: Path) -> None:
    inner = patient().volume.frame.crop((0, 1, 1), tuple(patient().labels.shape))
    taken = find_with_labels(patient().volume, truth_in(tmp_path, np.ascontiguousarray(patient().labels[:, 1:, 1:]), inner))
    assert taken.structure("canal").provenance == taken.structure("roots").provenance == "imported"


@pytest.mark.usefixtures("found_once")
def test_a_kidney_on_one_side_says_nothing_of_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from planner.anatomy.imports import take_in

    right, left = np.s_[20:60, 40:60, 10:30], np.s_[20:60, 40:60, -30:-10]
    labels = found_alone().labels.copy()
    labels[right], labels[left] = codes.KIDNEY, codes.KIDNEY
    seen = replace(found_alone(), labels=labels)
    monkeypatch.setattr(take_in, "find", lambda volume, anchor, progress: seen)
    from tests.planner.anatomy.test_schemes import coded

    numbers = coded("totalsegmentator-v2", patient())
    numbers[np.isin(numbers, (2, 3))] = 0
    numbers[20:50, 45:55, -28:-12] = 3
    taken = find_with_labels(patient().volume, map_of("", tmp_path / "map.nii.gz", numbers))
    assert taken.structure("kidney").provenance == seen.structure("kidney").provenance != "imported"
    assert "one side only" in (taken.structure("kidney").problem or "")
    assert (taken.labels[right] == codes.KIDNEY).all()
    assert int((taken.labels[left] == codes.KIDNEY).sum()) == int((numbers == 3).sum())
