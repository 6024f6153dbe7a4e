"""Where two paths through the scan part in the sacrum, the hindmost is the canal: bone encloses its faint marrow as well."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from planner.anatomy import find
from planner.anatomy.track import _hindmost_in_sacrum, _tube_behind
from tests.bench.anatomy.otherwise import off_mm, taken_at_a_slant, turn
from tests.bench.anatomy.scans import SCANS, loaded

_SPACING_MM, _STRIDE = (1.5, 1.5, 1.5), 2  # cells are 3 mm wide
_SLICES, _ROWS = 60, 40


def _path(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """From head to foot: a cell in each slice, all in one column."""
    return np.stack([np.arange(len(rows) - 1, -1, -1), rows, np.full(len(rows), 5)], axis=1)


def _straight() -> NDArray[np.int64]:
    return np.full(_SLICES, 10)


def _taken(first: NDArray[np.int64], behind: NDArray[np.int64], behind_scores: float = 0.9) -> NDArray[np.int64]:
    """The rows of the path that is taken; the first scores 1."""
    score = np.full((_SLICES, _ROWS, 11), behind_scores, dtype=np.float32)
    one = _path(first)
    score[tuple(one.T)] = 1.0
    return _hindmost_in_sacrum(one, _path(behind), score, _STRIDE, _SPACING_MM)[:, 1]


def test_a_tube_behind_counts_beyond_a_gap_and_up_to_some_columns_to_a_side() -> None:
    score = np.zeros((1, 12, 9), dtype=np.float32)
    score[0, 2:5, 4] = 1.0  # marrow
    score[0, 7:10, 4] = 0.7  # the canal, behind cortex
    behind = _tube_behind(score, 2)
    assert np.allclose(behind[0, 2:5, 4], 0.7)
    assert np.allclose(behind[0, 2:5, 2], 0.7) and not behind[0, 2:5, 1].any()
    assert not behind[0, 7:, :].any()


def test_the_foot_end_is_the_hindmost_ones_where_two_paths_part_for_good() -> None:
    behind = _straight()
    behind[40:] += np.minimum(np.arange(20), 8)
    assert np.array_equal(_taken(_straight(), behind), behind)


def test_a_path_that_comes_back_to_the_canal_is_left_as_it_is() -> None:
    behind = _straight()
    behind[35:55] += 8
    assert np.array_equal(_taken(_straight(), behind), _straight())


def test_paths_that_part_above_the_sacrum_or_by_little_are_left() -> None:
    little, above = _straight(), _straight()
    little[40:] += 3
    above[:8] += 8
    assert np.array_equal(_taken(_straight(), little), _straight())
    assert np.array_equal(_taken(_straight(), above), _straight())


def test_a_path_behind_that_bone_hardly_encloses_is_not_taken() -> None:
    behind = _straight()
    behind[40:] += np.minimum(np.arange(20), 8)
    assert np.array_equal(_taken(_straight(), behind, behind_scores=0.3), _straight())


@pytest.mark.real
def test_the_canal_of_a_leaning_patient_does_not_leave_through_a_sacral_foramen() -> None:
    volume = loaded(next(one for one in SCANS if one.name == "lumbar CT 3 mm"))
    line = find(volume).canal.centreline_mm
    turned = turn(1, -12.0)
    assert np.percentile(off_mm(find(taken_at_a_slant(volume, turned)), line @ turned.T), 95) < 4.0
