"""What of the spine the scan shows: a vertebra that lies outside the scan is neither closed nor missing, it is not in view."""

from __future__ import annotations

from typing import Literal

import numpy as np

from planner.anatomy.labels import rank
from planner.anatomy.spine import Anatomy, Canal
from planner.geometry import Floats
from planner.geometry.frame import in_standard_order

Shown = Literal["whole", "part", "outside", "not found"]
"""How much of a vertebra the scan shows; "not found": its place lies in the scan, and yet the program found no vertebra there."""

_USUAL_GAP_MM = 30.0  # between two vertebrae, where only one was found
_HALF_BODY = 0.4  # of the way to the next vertebra: as far as a body certainly reaches
_LAMINA = (0.0, 0.6)  # where a lamina begins and ends behind the canal, as shares of the way from this vertebra to the next
_BEHIND_MM = 15.0  # a lamina behind the canal's middle


def shown(anatomy: Anatomy, vertebra: str) -> Shown | None:
    """How much of a vertebra (`T1`) lies in the scan, body and lamina; None where no level is named. It may lie beyond those found:
    then its place is reckoned from the nearest one found and the usual way between them."""
    places = _places(anatomy, vertebra)
    if places is None:
        return None
    inside = anatomy.shows(places)
    found = any(level.name == vertebra for level in anatomy.levels)
    if not (found or inside[0] or inside[-1]):
        return "outside"
    if not inside.all():
        return "part"
    return "whole" if found else "not found"


def out_of_view(anatomy: Anatomy, between: tuple[str, str]) -> str | None:
    """Why the openings between two vertebrae cannot be seen whole, `T1 is not in view: the scan ends at C7.`; None where they can.

    An opening that is in view and was not found is closed, as far as the program can tell.
    """
    if not anatomy.levels:
        return "No vertebra could be told from its neighbours, so no level is known to be in view."
    upper, lower = between
    first, last = anatomy.levels[0].name, anatomy.levels[-1].name
    for name in (lower, upper):
        if name not in anatomy.numbering.names:
            return f"No vertebra is called {name} as the levels are counted now."
        if shown(anatomy, name) == "outside":
            below = rank(name) > rank(last)
            return f"{name} is not in view: the scan {'ends at ' + last if below else 'begins at ' + first}."
    for name in (lower, upper):
        if shown(anatomy, name) == "not found":
            return f"{name} was not found, though its place lies in the scan."
    for name in (lower, upper):
        if shown(anatomy, name) == "part":
            return f"{name} is not wholly in view: the scan {_cut(anatomy, name)} it."
    return None


def _cut(anatomy: Anatomy, vertebra: str) -> str:
    """Where the scan cuts a vertebra."""
    places = _places(anatomy, vertebra)
    slices = anatomy.frame if anatomy.field is None else in_standard_order(anatomy.field)[0]
    heights = np.zeros(0) if places is None else slices.to_index(places)[:, 0]
    if bool((heights > slices.shape[0] - 1).any()):
        return "begins in"
    return "ends in" if bool((heights < 0).any()) else "is too narrow for"


def _places(anatomy: Anatomy, vertebra: str) -> Floats | None:
    """(5, 3): middle, top and bottom of a body and the two ends of its lamina; None where no level is named."""
    levels, canal = anatomy.levels, anatomy.canal
    names = anatomy.numbering.names
    if not levels or vertebra not in names:
        return None
    order = [names.index(level.name) for level in levels]
    target = names.index(vertebra)
    at = int(np.argmin([abs(n - target) for n in order]))
    nearest = levels[at]
    around = levels[max(at - 1, 0) : at + 2]
    gap = (around[-1].s_mm - around[0].s_mm) / (len(around) - 1) if len(around) > 1 else _USUAL_GAP_MM
    steps = target - order[at]
    way = nearest.s_mm + steps * gap
    down = _point(canal, way + 1.0) - _point(canal, way - 1.0)
    down /= np.linalg.norm(down)
    body = np.array(nearest.centre_mm) + (_point(canal, way) - _point(canal, nearest.s_mm))
    back = canal.back[int(np.abs(canal.s_mm - way).argmin())] * [1.0, 1.0, 0.0]  # a lamina slopes to the feet where the canal leans forward
    back /= np.linalg.norm(back)
    laminae = [_point(canal, way + share * gap) + _BEHIND_MM * back for share in _LAMINA]
    return np.array([body, body - _HALF_BODY * gap * down, body + _HALF_BODY * gap * down, *laminae])


def _point(canal: Canal, s_mm: float) -> Floats:
    """The centreline at a length; straight on beyond its ends."""
    s = canal.s_mm
    line = canal.centreline_mm
    near = float(np.clip(s_mm, s[0], s[-1]))
    point = np.array([np.interp(near, s, line[:, n]) for n in range(3)])
    if near == s_mm:
        return point
    end = line[-10:] if s_mm > near else line[:10]
    along = (end[-1] - end[0]) / np.linalg.norm(end[-1] - end[0])
    return np.asarray(point + (s_mm - near) * along)
