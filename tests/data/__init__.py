"""Finds the real scans of shared/data. They stay where they are."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3] / "shared" / "data"


def real(name: str) -> Path:
    """The path of a real scan; skips the test where the scans are not, and fails it in CI."""
    path = ROOT / name
    if not path.exists():
        message = f"the real scan {name} is not beside the repository"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path
