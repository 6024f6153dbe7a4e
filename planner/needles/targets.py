"""Where the tip may end behind a door, and how well each point is placed (reference: clinical 2.1 to 2.3, algorithms 4.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.anatomy import labels
from planner.anatomy.spine import Anatomy, Side
from planner.geometry import Floats
from planner.leak import ApproachName, Leak
from planner.needles.doors import Door, lateral_reach

FEWEST, MOST = 40, 64
"""Targets that are searched for one door (algorithms 4.2)."""
NEEDLE_RADIUS_MM = 0.36
"""That of the standard 22G needle: the space is looked for before a needle is chosen."""
SHORT_AIM = 0.5
"""What is left of the aim of a needle that stops in the foramen: 45 % of doses given there spread to the ventral space (clinical 2.3)."""
EPIDURAL = (labels.EPIDURAL_SPACE, labels.CONTRAST_OUTSIDE)

_Grid = tuple[Floats, Floats, Floats]


@dataclass(frozen=True, eq=False)
class Space:
    """Points (n, 3), LPS, where a tip may end, 0..1 how well each lies (n,), and the labels that they may have (none: any in the body).
    short: the needle stops in the foramen there instead of going on to the ventral space."""

    points_mm: Floats
    aim: Floats
    allowed: tuple[int, ...]
    short: bool = False


def target_spaces(anatomy: Anatomy, leak: Leak, approach: ApproachName, door: Door) -> tuple[Space, ...]:
    """The space behind a door that the approach aims at; then the one that is next best, where the first cannot be reached."""
    if approach == "transforaminal-ventral":
        stopped = _in_foramen(door)
        spaces = _ventral(anatomy, door), replace(stopped, aim=stopped.aim * SHORT_AIM, short=True)
        return tuple(_near(space, leak) for space in spaces)
    if approach == "transforaminal-foramen":
        return (_near(_in_foramen(door), leak),)
    return (_near(_dorsal(anatomy, door, midline=approach == "interlaminar-midline"), leak),)


def _near(space: Space, leak: Leak) -> Space:
    """Points are worth more the nearer they lie to the leak."""
    distance = np.linalg.norm(space.points_mm - leak.position_mm, axis=1)
    return replace(space, aim=space.aim * (0.2 + 0.8 * np.exp(-((distance / 25.0) ** 2))))


def thin(points: Floats, aim: Floats) -> NDArray[np.intp]:
    """The indices of at most MOST points, the best placed first, spread over the region as far apart as still gives FEWEST."""
    order = np.argsort(-aim, kind="stable")
    chosen: list[int] = []
    for apart in (2.5, 2.0, 1.5, 1.0, 0.0):
        chosen = []
        for n in order:
            if len(chosen) == MOST:
                break
            if not chosen or np.linalg.norm(points[chosen] - points[n], axis=1).min() >= apart:
                chosen.append(int(n))
        if len(chosen) >= FEWEST:
            break
    return np.array(chosen, dtype=np.intp)


def _lattice(*axes: Floats) -> _Grid:
    a, b, c = np.meshgrid(*axes, indexing="ij")
    return a.ravel(), b.ravel(), c.ravel()


def _fall(value: Floats, low: float, high: float, width: float) -> Floats:
    """1 between low and high, falling to 0 over a width on either side."""
    return np.clip(1.0 - np.maximum(np.maximum(low - value, value - high), 0.0) / width, 0.0, 1.0)


def _section(anatomy: Anatomy, door: Door) -> tuple[int, Floats, Floats, Floats, Floats]:
    canal = anatomy.canal
    at = canal.nearest(door.centre_mm)
    head = np.cross(canal.left[at], canal.back[at])
    return at, canal.centreline_mm[at], canal.left[at], canal.back[at], head if head[2] >= 0 else -head


def _ventral(anatomy: Anatomy, door: Door) -> Space:
    """1-3 mm medial of the pedicle line, between the posterior wall and the sac, at the height of the foramen; where that is closed, just
    short of the line."""
    at, centre, left, back, head = _section(anatomy, door)
    side: Side = "left" if door.side == "left" else "right"
    lateral = left if side == "left" else -left
    border = lateral_reach(anatomy, at, side)
    front = float(anatomy.canal.wall_mm[at].max()) + 2.0
    high = float((door.centre_mm - centre) @ head)
    medial, up, forward = _lattice(
        np.arange(-2.5, 5.01, 0.75), np.arange(-door.half_up_mm, door.half_up_mm + 0.01, 1.5), np.arange(0.0, front, 0.75)
    )
    points = centre + np.outer(border - medial, lateral) + np.outer(high + up, head) - np.outer(forward, back)
    aim = _fall(medial, 1.0, 3.0, 4.5) * (0.5 + 0.5 * np.clip(forward / (0.6 * front), 0.0, 1.0))
    return Space(points, aim, (*EPIDURAL, labels.SOFT_TISSUE))


def _in_foramen(door: Door) -> Space:
    """Between the lateral and the middle third of the foramen; the sleeve's margin is kept by the gap."""
    out, over, up = _lattice(
        np.arange(0.0, door.reach_mm + 0.01, 1.0),
        np.arange(-door.half_across_mm, door.half_across_mm + 0.01, 1.0),
        np.arange(-door.half_up_mm, door.half_up_mm + 0.01, 1.5),
    )
    points = door.centre_mm + np.outer(out, door.outward) + np.outer(over, door.across) + np.outer(up, door.up)
    aim = _fall(out, door.reach_mm * 0.2, door.reach_mm * 0.45, door.reach_mm) * (0.7 + 0.3 * (up < 0)) * (0.7 + 0.3 * (over > 0))
    return Space(points, aim, ())


def _dorsal(anatomy: Anatomy, door: Door, midline: bool) -> Space:
    """The dorsal fat just past the flavum, in and a little above the window."""
    at, centre, left, back, head = _section(anatomy, door)
    wall = anatomy.canal.wall_mm[at]
    angles = np.arange(len(wall)) * 2 * np.pi / len(wall)
    rear = float((wall * np.sin(angles)).max()) + 2.0
    high = float((door.centre_mm - centre) @ head)
    wide = 3.0 if midline else max(8.0, door.half_across_mm)
    over, up, behind = _lattice(
        np.arange(-wide, wide + 0.01, 1.0),
        np.arange(-door.half_up_mm - 3.0, door.half_up_mm + 8.01, 1.5),
        np.arange(0.0, rear, 0.5),
    )
    points = centre + np.outer(over, left) + np.outer(high + up, head) + np.outer(behind, back)
    aim = (0.6 + 0.4 * _fall(over, -2.0, 2.0, 8.0)) * (0.6 + 0.4 * _fall(up, -door.half_up_mm, door.half_up_mm, 6.0))
    return Space(points, aim, EPIDURAL)
