"""Numbers as the sheet prints them: a unit each, a band where there is one, rounded to what they can mean."""

from __future__ import annotations

from math import isfinite

from planner.patch.forecast import Band

DASH = "\u2013"
MINUS = "\u2212"


def millimetres(value: float | None, digits: int = 1) -> str:
    """`2.9 mm`; what is not known is not checked."""
    return "not checked" if value is None else f"{signed(value, digits)} mm"


def millilitres(value: float) -> str:
    """`8 mL`, `2.5 mL`, `not reached`."""
    return f"{value:.1f}".removesuffix(".0") + " mL" if isfinite(value) else "not reached"


def dose(ml: float) -> str:
    """`4 mL`, or `none`."""
    return millilitres(ml) if ml > 0 else "none"


def signed(value: float, digits: int) -> str:
    """A number with a real minus and no -0."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)


def percent(band: Band) -> tuple[str, str]:
    """`98 %` and its band `(81–100)`."""
    return f"{100 * band.median:.0f} %", f"({100 * band.low:.0f}{DASH}{100 * band.high:.0f})"


def volume(band: Band) -> tuple[str, str]:
    """`9.6 mL` and its band `(7.2–13.1)`; a volume that is never reached says so."""
    ends = [f"{value:.1f}" if isfinite(value) else "not reached" for value in (band.low, band.high)]
    return millilitres(round(band.median, 1)), f"({ends[0]}{DASH}{ends[1]})"


def levels(up: Band, down: Band) -> tuple[str, str]:
    """`2.1 up, 1.4 down` and the bands."""
    value = f"{up.median:.1f} up, {down.median:.1f} down"
    return value, f"levels ({up.low:.1f}{DASH}{up.high:.1f} up, {down.low:.1f}{DASH}{down.high:.1f} down)"


def band_cell(band: Band, scale: float = 1.0, digits: int = 0) -> str:
    """`57 (44–66)` for a cell of a table whose head has the unit."""
    return f"{band.median * scale:.{digits}f} ({band.low * scale:.{digits}f}{DASH}{band.high * scale:.{digits}f})"


def measured(value: float | None, unit: str) -> str:
    """A value of a check with its unit."""
    if value is None:
        return "not checked"
    if not isfinite(value):
        return "far off"
    if unit.startswith("of "):  # a share of something
        return f"{100 * value:.0f} % {unit}"
    return f"{signed(value, 1 if unit == 'mm' else 0)} {unit}".strip()
