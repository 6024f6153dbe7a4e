"""Sac and canal of real T2 scans against contours that were drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.anatomy.contours import Structure, compared


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "structure", "count"),
    [("case-07", "sac", 5), ("lumbar-mr-t2", "sac", 5), ("case-07", "canal", 4), ("lumbar-mr-t2", "canal", 5)],
)
def test_what_is_found_in_a_real_scan_is_what_was_drawn_by_hand(name: str, structure: Structure, count: int) -> None:
    """On planes that were drawn before the program's result was seen there."""
    alike = list(compared(name, structure).dice.values())
    assert len(alike) == count
    assert np.median(alike) > 0.9
    assert min(alike) > 0.85
