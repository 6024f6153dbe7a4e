"""The widest way for a straight needle through an interlaminar window, measured on the design of the bones and not on their picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from numba import njit

from planner.phantom.layout import Layout, Vertebra
from planner.phantom.shapes import OUTSIDE_MM, Field, Floats, Part, add_part

_STEP_MM = 1.0
_RIGHT_MM, _LEFT_MM = -6.0, 26.0
"""From the beams right of the midline to the middle of the left pedicles; the right side is the mirror of the left."""
_LATERAL_MM = np.arange(-4.0, 4.1, 1.0)
"""Where a beam crosses the canal's roof: in the opening's middle."""
_TILTS_DEG = np.arange(-25.0, 76.0, 1.0)
_GRAZING_DEG = 60.0
"""A beam that leans further from the roof's normal runs along the dura."""
_INSIDE_MM, _REACH_MM = 2.0, 60.0
"""From the dorsal epidural space to the muscles behind the spinous tips."""
_AS_WIDE_MM = 0.15
"""Beams that differ by less are alike; the middle of their tilts counts."""


@dataclass(frozen=True, eq=False)
class BoneField:
    """Signed distance to the vertebrae from the midline to the left pedicles, design mm: values [k, j, i], 1 mm apart, from `origin`."""

    values: Field
    origin: Floats


def bone_field(parts: Iterable[Part], layout: Layout) -> BoneField:
    """The vertebrae as painted, without the roughness of their surface."""
    low = np.array([_RIGHT_MM, layout.axis[:, 0].min() - 22.0, layout.axis[0, 1]])
    high = np.array([_LEFT_MM, layout.axis[:, 0].max() + 70.0, layout.axis[-1, 1]])
    shape = (np.ceil((high - low) / _STEP_MM).astype(int) + 1)[::-1]
    values = np.full(tuple(shape), OUTSIDE_MM, np.float32)
    step, straight = np.full(3, _STEP_MM), np.zeros((1, 4))
    for part in parts:
        first = np.clip(np.floor((part.low - low) / _STEP_MM)[::-1].astype(int), 0, shape)
        stop = np.clip(np.ceil((part.high - low) / _STEP_MM)[::-1].astype(int) + 1, 0, shape)
        add_part(values, part.row, first, stop, low, step, straight, 0.0)
    return BoneField(values, low)


@njit(cache=True, nogil=True)
def _widest(values: Field, origin: Floats, starts: Floats, beam: Floats, count: int, step: float) -> float:
    """The radius of the widest cylinder along the beam from one of the starts that meets no bone, and less than 0 when all do."""
    nk, nj, ni = values.shape
    best = -1.0
    for n in range(starts.shape[0]):
        least = 1e3
        for m in range(count):
            x = starts[n, 0] + m * step * beam[0] - origin[0]
            y = starts[n, 1] + m * step * beam[1] - origin[1]
            z = starts[n, 2] + m * step * beam[2] - origin[2]
            i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
            if i < 0 or j < 0 or k < 0 or i > ni - 2 or j > nj - 2 or k > nk - 2:
                continue
            a, b, c = x - i, y - j, z - k
            low = (values[k, j, i] * (1 - a) + values[k, j, i + 1] * a) * (1 - b)
            low += (values[k, j + 1, i] * (1 - a) + values[k, j + 1, i + 1] * a) * b
            high = (values[k + 1, j, i] * (1 - a) + values[k + 1, j, i + 1] * a) * (1 - b)
            high += (values[k + 1, j + 1, i] * (1 - a) + values[k + 1, j + 1, i + 1] * a) * b
            least = min(least, low * (1 - c) + high * c)
            if least <= best:
                break
        best = max(best, least)
    return best


def widest_beam(bones: BoneField, layout: Layout, upper: Vertebra, lower: Vertebra) -> tuple[float, float]:
    """Tilt (deg, cephalad positive, against the axial plane) and radius (unscaled mm) of the widest free beam through the window.

    A beam lies in a sagittal plane and crosses the canal's roof between the two laminae, at most 4 mm off the midline; a cylinder
    around it meets no vertebra from the dorsal epidural space to the muscles.
    """
    top, bottom = upper.s_mm + upper.lamina_bottom_mm + 3.0, lower.s_mm + lower.lamina_top_mm - 3.0
    crossings = [layout.place(float(x), layout.at(float(s), "roof"), float(s)) for s in np.arange(bottom, top, 0.5) for x in _LATERAL_MM]
    normal = (upper.tilt_rad + lower.tilt_rad) / 2
    radii = np.full(len(_TILTS_DEG), -1.0)
    for n, tilt in enumerate(np.radians(_TILTS_DEG)):
        if abs(tilt + normal) > radians(_GRAZING_DEG):
            continue
        beam = np.array([0.0, cos(tilt), -sin(tilt)])
        starts = np.array(crossings) - _INSIDE_MM * beam
        radii[n] = _widest(bones.values, bones.origin, starts, beam, int(_REACH_MM / _STEP_MM), _STEP_MM)
    alike = radii >= radii.max() - _AS_WIDE_MM
    return float(_TILTS_DEG[alike].mean()), float(radii.max())
