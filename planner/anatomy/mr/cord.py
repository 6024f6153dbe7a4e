"""The cord on T2: the grey core in the sac's bright fluid, down to where it can no longer be told from the roots."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.anatomy.cord import SeenCord, see_cord
from planner.anatomy.mr.sac import DARKEST, SeenSac
from planner.anatomy.reformat import OUTSIDE, polar
from planner.anatomy.sac import UNSURE_NAMES, levels_where, modelled_conus
from planner.anatomy.spine import Canal, Level, SacSections, Structure
from planner.anatomy.wall import area_of
from planner.geometry import Floats, Volume

_GREY = 0.45  # of the fluid's brightness: the cord's
_TAPERS_MM, _TAPERED = 30, 0.6  # over this length above its end the cord narrows to so much of its area; a bundle of roots does not
_FREE_MM = 2.0  # of fluid all around the end of the cord; roots lie against the dura
_NO_END = "Below the usual end of the cord roots lie together as a cord does: its lower end was not seen."


def cord_in(volume: Volume, sac: SeenSac, radius_mm: Floats) -> SeenCord | None:
    """The cord in a seen sac, of which radius_mm (n, ANGLES) is kept; its end counts as seen only where it narrows to it."""
    rays = polar(volume, sac.curve)
    dark = float(np.percentile(rays[rays != OUTSIDE], DARKEST))
    cord = see_cord(volume, sac.curve, radius_mm, radius_mm.max(axis=1) > 0, dark + _GREY * sac.fluid)
    return None if cord is None else replace(cord, ends=cord.ends and _tapers(cord, radius_mm))


def _tapers(cord: SeenCord, sac_mm: Floats) -> bool:
    """Whether the cord narrows steadily to its end and lies free in the fluid there."""
    last = int(np.flatnonzero(cord.seen)[-1])
    end = slice(max(0, last - _TAPERS_MM // 2), last + 1)
    if float(np.median((sac_mm[end] - cord.radius_mm[end]).min(axis=1))) < _FREE_MM:
        return False
    area = area_of(cord.radius_mm[max(0, last - _TAPERS_MM) : last + 1])
    thirds = [float(part.mean()) for part in np.array_split(area, 3)]
    return len(area) > _TAPERS_MM // 2 and thirds[2] < thirds[1] < thirds[0] and float(area[-1]) < _TAPERED * float(area.max())


def told_from_roots(cord: SeenCord | None, canal: Canal, levels: tuple[Level, ...]) -> SeenCord | None:
    """The cord without what lies below its usual end, where that end was not seen: roots that lie together look the same."""
    usual = modelled_conus(canal, levels)
    if cord is None or cord.ends or usual is None:
        return cord
    above = canal.s_mm <= usual.s_mm
    kept = replace(cord, radius_mm=np.where(above[:, None], cord.radius_mm, 0.0), seen=cord.seen & above)
    return kept if kept.seen.any() else None


def cord_structure(sections: SacSections, canal: Canal, levels: tuple[Level, ...], sure_names: bool) -> Structure:
    """How the cord is known, and at which levels it is modelled."""
    there = sections.cord_mm.max(axis=1) > 0
    names = "" if sure_names else UNSURE_NAMES
    share = float(sections.cord_seen[there].mean()) if there.any() else 0.0
    if share < 0.5:
        return Structure("modelled", 0.4, f"The cord is modelled inside the sac.{names}")
    modelled = levels_where(~sections.cord_seen, there, canal, levels)
    ended = sections.conus is not None and sections.conus.provenance == "found"
    words = [f"Modelled at {modelled}."] if modelled else []
    words += [] if ended else [_NO_END + names]
    return Structure("found", round(0.5 + 0.4 * share, 2), " ".join(words) or None)
