"""Scan: files become series with a verdict each, and a series becomes a volume. Every format is behind this one door."""

from __future__ import annotations

import logging
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from planner.scan.choice import choose, scan_json
from planner.scan.series import Identity, Place, Plane, Scan, Series, Skipped, Verdict

if TYPE_CHECKING:
    from planner.scan.loading import load, needed_bytes
    from planner.scan.reading import read

__all__ = ["Identity", "Place", "Plane", "Scan", "Series", "Skipped", "Verdict", "choose", "load", "needed_bytes", "read", "scan_json"]

# pydicom's warnings and its log quote values of the files, which may be a patient's: nobody hears them, on any thread
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")

_LATER = {"load": "planner.scan.loading", "needed_bytes": "planner.scan.loading", "read": "planner.scan.reading"}


def __getattr__(name: str) -> Any:
    """`read` and `load` on first use: pydicom takes most of a second to import, and the window must not wait for it."""
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(name)
