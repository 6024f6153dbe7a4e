"""The bone beside the canal, straightened: what pedicles and foramina are measured in."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.spine import ANGLES, Canal, Side
from planner.geometry import Floats, Volume

STEP_MM = 0.75
_TO_SIDE_MM, _BEHIND_MM = (4.0, 46.0), (-16.0, 18.0)  # of the canal's middle: from its wall to beyond the widest pedicle
_NOISE_MM = 0.5
_RIM = 5  # samples: so wide is the surrounding whose densest bone an edge belongs to
_TURNED, _TURN_MM = 0.35, 5.0  # at most, as a tangent: a body turned in scoliosis; seen in so much of the canal's front wall
_SOFT_HU, _DENSEST_HU = 0.0, 900.0  # beside the canal lies fat as often as muscle; what is denser than this counts as this


@dataclass(frozen=True, eq=False)
class Beside:
    """One side of the whole canal, in its cross-sections: arrays (n, len(behind_mm), len(to_side_mm)).

    values: HU, a little smoothed, soft tissue's where the scan ends. edge: denser than half way from soft tissue to the densest bone
    around, where the surface of bone lies whatever the scanner's blur; marrow is often not. seen: (n,) whether a cross-section lies in the
    scan as far as a pedicle reaches. step_mm: between cross-sections. edges_to:
    (n, len(behind_mm), len(to_side_mm) + 1), how many samples of `edge` lie medial of each distance to the side.
    """

    side: Side
    sign: float
    behind_mm: Floats
    to_side_mm: Floats
    values: NDArray[np.float32]
    edge: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    step_mm: float
    edges_to: NDArray[np.int16]

    def edges(self, first: int, last: int) -> NDArray[np.int16]:
        """(n, len(behind_mm)): how many samples of `edge` from one distance to the side to another are True."""
        return self.edges_to[:, :, last + 1] - self.edges_to[:, :, first]

    def at_side(self, to_side_mm: float) -> int:
        """The index of a distance to the side."""
        return int(np.abs(self.to_side_mm - to_side_mm).argmin())

    def at_depth(self, behind_mm: float) -> int:
        """The index of a distance to the back."""
        return int(np.abs(self.behind_mm - behind_mm).argmin())


def both_sides(volume: Volume, threshold: float, canal: Canal) -> tuple[Beside, Beside]:
    """What lies to the left and to the right of the canal. threshold: where bone begins, in HU."""
    return _beside(volume, threshold, canal, "left", 1.0), _beside(volume, threshold, canal, "right", -1.0)


def _beside(volume: Volume, threshold: float, canal: Canal, side: Side, sign: float) -> Beside:
    to_side, behind = np.arange(*_TO_SIDE_MM, STEP_MM), np.arange(*_BEHIND_MM, STEP_MM)
    shape = (len(canal.centreline_mm), len(behind), len(to_side))
    u, v = np.broadcast_to(to_side, shape), np.broadcast_to(behind[:, None], shape)
    values = volume.sample_planes(canal.centreline_mm, sign * canal.left, canal.back, u, v, np.nan).astype(np.float32)
    outside = np.isnan(values)
    values[outside] = _SOFT_HU
    step_mm = float(canal.s_mm[-1]) / max(len(values) - 1, 1)
    values = ndimage.gaussian_filter(values, (_NOISE_MM / step_mm, _NOISE_MM / STEP_MM, _NOISE_MM / STEP_MM), truncate=3.0)
    around = np.stack([cv2.dilate(plane, np.ones((_RIM, _RIM), dtype=np.uint8)) for plane in values])
    around[1:-1] = np.maximum(np.maximum(around[:-2], around[2:]), around[1:-1])
    border = np.maximum(0.5 * (_SOFT_HU + np.minimum(around, _DENSEST_HU)), threshold)
    seen = np.asarray(~outside[:, :, : len(to_side) // 2].any(axis=(1, 2)), dtype=np.bool_)
    edge = np.asarray(values >= border)
    edges_to = np.zeros((*shape[:2], len(to_side) + 1), dtype=np.int16)
    np.cumsum(edge, axis=2, out=edges_to[:, :, 1:])
    return Beside(side, sign, behind, to_side, values, edge, seen, step_mm, edges_to)


def turned(canal: Canal, at: int, step_mm: float) -> float:
    """How much farther back the canal's front wall lies for each mm to the left: the turn of a vertebra about its long axis, a tangent."""
    reach = round(_TURN_MM / step_mm)
    front = slice(ANGLES * 5 // 8, ANGLES * 7 // 8 + 1)
    wall = np.median(canal.wall_mm[max(at - reach, 0) : at + reach + 1, front], axis=0)
    angle = np.arange(ANGLES)[front] * 2 * np.pi / ANGLES
    left, back = wall * np.cos(angle), wall * np.sin(angle)
    off = left - left.mean()
    return float(np.clip(off @ back / (off @ off), -_TURNED, _TURNED))
