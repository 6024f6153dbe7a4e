"""What a needle goes by, and what a leak shows: windows and leak hints of a found anatomy against the phantom's truth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from planner.anatomy import Anatomy

WINDOW = ("centre, mm", "height, mm", "width, mm", "tilt, deg")
"""What is measured of a window, in the order of `window_errors`."""
_PLACES = {"ventral": ("ventral",), "dorsal": ("dorsal",), "sleeve": ("lateral", "foramen")}
_NEAR_MM = 10.0  # along the canal; a hint tells where most of a pool lies, which may have spread


def window_errors(anatomy: Anatomy, truth: Iterable[dict[str, Any]]) -> dict[str, list[float] | None]:
    """By level: how far the window's centre is off in mm, and by how much its height, width and tilt; None where it was not found."""
    found = {window.between: window for window in anatomy.windows}
    out: dict[str, list[float] | None] = {}
    for true in truth:
        mine = found.get((true["between"][0], true["between"][1]))
        out["-".join(true["between"])] = None if mine is None else [
            round(float(np.linalg.norm(np.subtract(mine.centre_mm, true["centre"]))), 2),
            *(round(float(abs(here - true[name])), 2) for here, name in (
                (mine.height_mm, "height_mm"), (mine.width_mm, "width_mm"), (mine.tilt_deg, "tilt_deg"),
            )),
        ]  # fmt: skip
    return out


def hints_of(anatomy: Anatomy, leaks: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How many true leaks there are, how many a hint shows beside the right level and on the right side of the sac (before, behind or
    beside it), and how many hints end short of any leak."""
    canal = anatomy.canal

    def along(place: Any) -> float:
        return float(canal.s_mm[canal.nearest(place)])

    spans = [(hint, along(hint.head_mm) - _NEAR_MM, along(hint.foot_mm) + _NEAR_MM) for hint in anatomy.leak_hints]
    true = [(leak, along(leak["position"])) for leak in leaks]
    shown = sum(any(hint.place in _PLACES[leak["kind"]] and head <= s <= foot for hint, head, foot in spans) for leak, s in true)
    elsewhere = sum(not any(head <= s <= foot for _, s in true) for _, head, foot in spans)
    return {"leaks": len(true), "leaks_shown": shown, "hints_elsewhere": elsewhere}
