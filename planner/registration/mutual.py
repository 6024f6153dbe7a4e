"""Mutual information of two scans at points: what starts are compared by, and what each level is checked by.

It shares no code with the optimiser (`optimise.py`), whose result it judges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from planner.geometry import Floats
from planner.registration.pictures import BINS, Picture, Points
from planner.registration.placed import Rigid


@dataclass(frozen=True, eq=False)
class Agreements:
    """nats: (m,) mutual information at the points that met a value of the second scan; share: (m,) how many did, 0..1."""

    nats: Floats
    share: Floats

    @property
    def whole(self) -> Floats:
        """(m,): what all points together tell, for few that agree well are no better than many that agree."""
        return self.nats * self.share


_LEAST_SHARE = 0.35


def least_share(points: Points, second: Picture) -> float:
    """How many of the points must meet the second scan for a place to count: a third, or of what a short or narrow scan could hold."""
    low, high = second.frame.bounds_mm
    reach = np.ptp(points.at_mm, axis=0) if len(points.values) else np.zeros(3)
    return _LEAST_SHARE * float(np.minimum(1.0, (high - low) / np.maximum(reach, 1.0)).prod())


def agreements(points: Points, second: Picture, placed: Rigid, steps_mm: ArrayLike = ((0.0, 0.0, 0.0),)) -> Agreements:
    """How points of the planning scan agree with the second scan, laid there and moved by each of the steps (m, 3), mm of LPS."""
    from planner.registration import kernels

    index = np.ascontiguousarray(second.frame.to_index(placed.back(points.at_mm)))
    to_index = np.linalg.inv(second.frame.affine)[:3, :3] @ placed.rotation.T
    steps = -np.asarray(steps_mm, dtype=np.float64) @ to_index.T
    out = np.zeros((len(steps), 2))
    if len(points.values):
        kernels.agreements(points.values, index, second.values, np.ascontiguousarray(steps), BINS, out)
    return Agreements(out[:, 0], out[:, 1])
