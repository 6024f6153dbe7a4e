"""Where the artery that feeds the cord is to be reckoned with: the front upper part of a foramen, by level and side.

No scan shows it without contrast in it, so these are values of the literature at the places of this scan's foramina, never "found".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from planner.anatomy.labels import rank
from planner.anatomy.spine import Anatomy, Foramen, Side
from planner.evidence import evidence, number


@dataclass(frozen=True, eq=False)
class ArterialZone:
    """The zone of one foramen. weight: "strong" at the levels and on the side where most of these arteries run, else "weak".
    centre_mm: middle of the foramen's front upper part, LPS. source: the evidence behind the weight."""

    between: tuple[str, str]
    side: Side
    weight: Literal["strong", "weak"]
    centre_mm: tuple[float, float, float]
    source: str

    @property
    def sentence(self) -> str:
        """What a person is told of it."""
        where = f"{'-'.join(self.between)} {self.side}"
        often = (
            "most of the arteries that feed the cord enter at this level and side"
            if self.weight == "strong"
            else "such arteries occur here"
        )
        return f"{where}: {often}, in the upper third and the front half of the foramen. None was looked for."


def weight_at(upper: str, side: Side | None) -> Literal["strong", "weak"] | None:
    """How an artery counts in the foramen under a vertebra; None where none was found in the studies (above T2, below L3) and in the neck,
    whose rule is another."""
    at = rank(upper)
    first, last = (rank(name) for name in evidence("needles.artery_levels").value)
    if not first <= at <= last:
        return None
    first, last = (rank(name) for name in evidence("anatomy.artery_usual_levels").value)
    usual = first <= at <= last and side == evidence("anatomy.artery_usual_side").value
    return "strong" if usual else "weak"


def arterial_zones(anatomy: Anatomy) -> tuple[ArterialZone, ...]:
    """The zones of all foramina that have one, in the order of the foramina."""
    zones = []
    for foramen in anatomy.foramina:
        weight = weight_at(foramen.between[0], foramen.side)
        if weight is not None:
            source = "anatomy.artery_usual_side" if weight == "strong" else "needles.artery_levels"
            zones.append(ArterialZone(foramen.between, foramen.side, weight, _front_upper(foramen), source))
    return tuple(zones)


def _front_upper(foramen: Foramen) -> tuple[float, float, float]:
    """The middle of the upper third's front half, square to the foramen's axis."""
    axis = np.asarray(foramen.axis)
    up = np.array([0.0, 0.0, 1.0]) - axis[2] * axis
    up /= np.linalg.norm(up)
    front = np.cross(up, axis)
    front *= -np.sign(front[1])  # LPS: the front is toward negative y
    share = (1.0 + number("needles.artery_upper_share")) / 2.0 - 0.5  # of the height, above the middle
    x, y, z = np.asarray(foramen.centre_mm) + share * foramen.height_mm * up + 0.25 * foramen.width_mm * front
    return float(x), float(y), float(z)
