"""Scan: files become series with a verdict each, and a series becomes a volume. Every format is behind this one door."""

from planner.scan.choice import choose, scan_json
from planner.scan.loading import load
from planner.scan.reading import read
from planner.scan.series import Identity, Place, Plane, Scan, Series, Skipped, Verdict

__all__ = ["Identity", "Place", "Plane", "Scan", "Series", "Skipped", "Verdict", "choose", "load", "read", "scan_json"]
