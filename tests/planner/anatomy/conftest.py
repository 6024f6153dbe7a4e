"""What the tests of the anatomy share."""

from __future__ import annotations

import pytest

from tests.planner.anatomy.maps import found_alone


@pytest.fixture
def found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the scan itself shows is sought once for these tests."""
    from planner.anatomy.imports import take_in

    monkeypatch.setattr(take_in, "find", lambda volume, anchor, progress: found_alone())
