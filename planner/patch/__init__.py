"""Where blood and fibrin go: the epidural space as compartments, the spread with its bands, doses and their limits."""

from planner.patch.dose import Preset, dose_warnings, lumbar_pressure_mmhg, preset, presets, presets_for
from planner.patch.ensemble import forecast
from planner.patch.forecast import Band, DoseRow, Forecast, Injection, Material

__all__ = [
    "Band",
    "DoseRow",
    "Forecast",
    "Injection",
    "Material",
    "Preset",
    "dose_warnings",
    "forecast",
    "lumbar_pressure_mmhg",
    "preset",
    "presets",
    "presets_for",
]
