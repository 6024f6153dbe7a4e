"""Angles of a needle as the CT room and the C-arm read them (reference: algorithms 4.6, clinical 7)."""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, atan2, degrees
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

PatientPosition = Literal["prone", "supine", "left", "right"]
"""How the patient lies at the procedure; left and right are the side that is down."""


@dataclass(frozen=True)
class NeedleAngles:
    """Angles of a needle from entry to target.

    in_plane_deg: inside the axial slice, from the vertical of the room; positive toward the patient's left when prone or supine,
        toward anterior when lying on a side.
    out_of_plane_deg: out of the axial slice; positive toward the head.
    """

    in_plane_deg: float
    out_of_plane_deg: float


def needle_angles(entry_mm: ArrayLike, target_mm: ArrayLike, position: PatientPosition) -> NeedleAngles:
    """The angles of the needle from entry to target (LPS mm) for a patient in this position.

    Raises ValueError when entry and target are one point.

    >>> needle_angles((60, 80, 10), (10, 20, 10), "prone")
    NeedleAngles(in_plane_deg=-39.80557109226519, out_of_plane_deg=0.0)
    """
    step = np.asarray(target_mm, dtype=np.float64) - np.asarray(entry_mm, dtype=np.float64)
    length = float(np.linalg.norm(step))
    if length == 0:
        raise ValueError("a needle has a length")
    x, y, z = step / length
    across, down = {"prone": (x, -y), "supine": (x, y), "left": (-y, x), "right": (-y, -x)}[position]
    return NeedleAngles(degrees(atan2(across, down)), degrees(asin(z)))
