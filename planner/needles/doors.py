"""The openings through which a needle may go, and the space where its tip may end (reference: clinical 2.2, 2.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from planner.anatomy.spine import Anatomy, Foramen, Side, Window
from planner.geometry import Floats
from planner.leak import ApproachName, Leak, above_c6_c7, is_transforaminal, region, window_levels

NEIGHBOUR_MM = 45.0
"""An opening farther along the canal than this does not serve the leak."""
OWN_MM = 15.0
"""A sleeve this near to a foramen belongs to it, whatever disc space is level with it."""
LEAST_HALF_MM = 0.5
SLACK_MM = 2.0
"""The outline of a foramen is oblique to the needle and measured at its narrowest; bone around it is checked on its own."""


@dataclass(frozen=True, eq=False)
class Door:
    """An opening as a flat outline that the needle must pass from outside.

    centre_mm; outward, across and up: unit vectors (out to the skin; across to the back for a foramen, to the left for a window; up to
    the head). half_across_mm, half_up_mm: half of the measured opening. reach_mm: how far the canal's lateral border lies from the
    centre, for a foramen. leak_mm: distance along the canal from the leak. neighbour: of a level that serves the leak only where its own
    gives no path.
    """

    kind: Literal["foramen", "window"]
    level: str | None
    side: Side | None
    centre_mm: Floats
    outward: Floats
    across: Floats
    up: Floats
    half_across_mm: float
    half_up_mm: float
    reach_mm: float
    leak_mm: float
    neighbour: bool = False

    @property
    def slack_mm(self) -> float:
        """How far outside the measured outline a path may still cross."""
        return SLACK_MM if self.kind == "foramen" else 0.0


def doors(anatomy: Anatomy, leak: Leak, approach: ApproachName, entry_level: str | None = None) -> tuple[Door, ...]:
    """The openings for a leak: its own, the side that it calls for first; then the neighbours above and below. Of a level that the user
    chose, and in the neck, only those of that level."""
    if is_transforaminal(approach):
        return _foramina(anatomy, leak, approach, entry_level)
    return _windows(anatomy, leak, entry_level)


def _unit(vector: Floats) -> Floats:
    return vector / np.linalg.norm(vector)


def _axes(anatomy: Anatomy, point: Floats) -> tuple[int, Floats, Floats, Floats]:
    """Nearest cross-section of the canal and its left, back and head directions."""
    canal = anatomy.canal
    at = canal.nearest(point)
    left, back = canal.left[at], canal.back[at]
    head = np.cross(left, back)
    return at, left, back, head if head[2] >= 0 else -head


def _foramina(anatomy: Anatomy, leak: Leak, approach: ApproachName, entry_level: str | None) -> tuple[Door, ...]:
    """Of each side that serves the leak its own foramen and the next ones above and below."""
    made = [_foramen(anatomy, foramen, leak) for foramen in anatomy.foramina]
    level = entry_level or leak.level
    near = sorted((door for door in made if entry_level or door.leak_mm <= NEIGHBOUR_MM), key=lambda door: door.leak_mm)
    first: Side = "left" if leak.side == "left" else "right"
    sides: tuple[Side, ...] = (first, "left" if first == "right" else "right")
    of_sleeve = approach == "transforaminal-foramen" and leak.kind in ("sleeve", "fistula")
    if of_sleeve:
        sides = (first,)  # a sleeve is reached from its own side
    at_root = of_sleeve and entry_level is None
    if at_root:  # and through the foramen nearest to it
        near.sort(key=lambda door: _apart_mm(door, leak))
    elif level is not None:
        near.sort(key=lambda door: door.level != level)
    own: list[Door] = []
    beside: list[Door] = []
    for side in sides:
        here = [door for door in near if door.side == side]
        nearest = [door for door in here[:1] if level in (None, door.level) or (at_root and _apart_mm(door, leak) <= OWN_MM)]
        own += nearest
        beside += [replace(door, neighbour=True) for door in here if door not in nearest][:2]
    no_other = entry_level is not None or region(leak.level) == "neck"
    return (*own, *([] if no_other else beside))


def _apart_mm(door: Door, leak: Leak) -> float:
    return float(np.linalg.norm(door.centre_mm - np.array(leak.position_mm)))


def _foramen(anatomy: Anatomy, foramen: Foramen, leak: Leak) -> Door:
    centre = np.array(foramen.centre_mm)
    at, left, back, head = _axes(anatomy, centre)
    outward = _unit(np.array(foramen.axis, dtype=np.float64))
    up = _unit(head - (head @ outward) * outward)
    across = np.cross(outward, up)
    across = across if across @ back >= 0 else -across
    lateral = left if foramen.side == "left" else -left
    canal = anatomy.canal
    border = lateral_reach(anatomy, at, foramen.side)
    reach = float(np.clip((centre - canal.centreline_mm[at]) @ lateral - border, 3.0, 12.0))
    along = abs(float(canal.s_mm[at] - canal.s_mm[canal.nearest(leak.position_mm)]))
    level = foramen.level if anatomy.levels else None
    return Door("foramen", level, foramen.side, centre, outward, across, up, *_halves(foramen), reach, along)


def lateral_reach(anatomy: Anatomy, at: int, side: Side) -> float:
    """How far the canal reaches to one side at a cross-section, mm: the line of the pedicles' medial borders."""
    canal = anatomy.canal
    angles = np.arange(canal.wall_mm.shape[1]) * 2 * np.pi / canal.wall_mm.shape[1]
    sign = 1.0 if side == "left" else -1.0
    return float((canal.wall_mm[at] * np.cos(angles) * sign).max())


def _windows(anatomy: Anatomy, leak: Leak, entry_level: str | None) -> tuple[Door, ...]:
    """The windows of the leak's level and the one below, in the neck C7-T1; the one above as a neighbour."""
    made = [_window(anatomy, window, leak) for window in anatomy.windows]
    levels = window_levels(leak, anatomy, entry_level)
    near = sorted((door for door in made if door.leak_mm <= NEIGHBOUR_MM), key=lambda door: door.leak_mm)
    if not levels:
        return tuple(near[:2])
    if entry_level is not None or region(leak.level) == "neck":
        return tuple(door for door in made if door.level in levels)
    own = [door for level in levels for door in near if door.level == level]
    return (*own, *(replace(door, neighbour=True) for door in near if door.level not in levels and not above_c6_c7(door.level)))


def _window(anatomy: Anatomy, window: Window, leak: Leak) -> Door:
    centre = np.array(window.centre_mm)
    at, left, back, _ = _axes(anatomy, centre)
    head = np.array([0.0, 0.0, 1.0])  # a window's tilt is told against the axial plane
    back, left = _unit(back * [1, 1, 0]), _unit(left * [1, 1, 0])
    tilt = np.radians(window.tilt_deg)
    outward = np.cos(tilt) * back - np.sin(tilt) * head
    up = np.cos(tilt) * head + np.sin(tilt) * back
    canal = anatomy.canal
    along = abs(float(canal.s_mm[at] - canal.s_mm[canal.nearest(leak.position_mm)]))
    level = window.level if anatomy.levels else None
    return Door("window", level, None, centre, outward, left, up, *_halves(window), 0.0, along)


def _halves(opening: Foramen | Window) -> tuple[float, float]:
    """Half of an opening's width and height; contrast in it can make it measure nothing, and bone is checked on its own."""
    return max(opening.width_mm / 2, LEAST_HALF_MM), max(opening.height_mm / 2, LEAST_HALF_MM)
