"""What the phantom is painted on: an image and labels on the scan's grid, and how that grid lies in design space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, radians
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.geometry import Frame
from planner.phantom.layout import Layout
from planner.phantom.parameters import PhantomParameters
from planner.phantom.shapes import OUTSIDE_MM, Field, Floats, Part, add_part, to_design
from planner.phantom.tables import tissues

Shown = Literal["hu", "t2", "t1"]
Box = tuple[NDArray[np.int64], NDArray[np.int64]]

MR_FULL_SCALE = 1000.0
"""Stored value of CSF on T2, and of fat on T1, before coil shading."""

BULGE_STATION_MM = 20.0
"""Between the places where a box's edges are bent: the steepest side curve bulges 0.2 mm from one to the next."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """The scan in the making; painters change `image` and `labels` in place.

    image, labels: [k, j, i]. origin, step: design mm of voxel 0 and between voxels, as x, y, z. bend: side curve, see `to_design`.
    texture: a cube of smooth noise with SD 1, repeated through space. scale, shift: world = design * scale + shift. shows: what
    of the tissues.
    """

    frame: Frame
    image: NDArray[np.int16]
    labels: NDArray[np.uint8]
    origin: Floats
    step: Floats
    bend: Floats
    bend_z0: float
    texture: Field
    scale: float
    shift: Floats
    shows: Shown

    @property
    def magnetic(self) -> bool:
        """Whether this is an MR."""
        return self.shows != "hu"

    def value(self, tissue: str) -> float:
        """What a tissue shows in this modality."""
        found = tissues()[tissue]
        if self.shows == "hu":
            return found.hu
        return (found.t2 if self.shows == "t2" else found.t1) * MR_FULL_SCALE

    def spread(self, tissue: str) -> float:
        """The natural variation of a tissue in this modality."""
        found = tissues()[tissue]
        return 0.12 * self.value(tissue) if self.magnetic and found.spread_hu else found.spread_hu

    def box(self, low: Floats, high: Floats) -> Box:
        """First and one-past-last voxel (k, j, i) of a box in design space, clipped to the grid."""
        # the side curve bulges between a long box's ends
        stations = np.linspace(low[2], high[2], 2 + int((high[2] - low[2]) / BULGE_STATION_MM) if len(self.bend) > 1 else 2)
        edges = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in stations])
        bent = (self.bent(edges) - self.origin) / self.step
        room = 1.0 if len(self.bend) > 1 else 0.0
        first = np.floor(bent.min(axis=0) - room).astype(np.int64)[::-1]
        stop = np.ceil(bent.max(axis=0) + room).astype(np.int64)[::-1] + 1
        shape = np.array(self.image.shape)
        return np.clip(first, 0, shape), np.clip(stop, 0, shape)

    def bent(self, points: Floats) -> Floats:
        """Design points (n, 3) with the side curve put in: the inverse of `to_design`, in the same unscaled mm."""
        out = np.array(points, dtype=np.float64)
        if len(self.bend) < 2:
            return out
        for point in out:
            wanted = point.copy()
            for _ in range(12):
                point += wanted - np.array(to_design(point[0], point[1], point[2], self.bend, self.bend_z0))
        return out

    def to_world(self, points: Floats) -> Floats:
        """LPS mm of the scan, of design points (n, 3)."""
        return self.bent(np.atleast_2d(points)) * self.scale + self.shift

    def field(self, parts: Sequence[Part]) -> tuple[Field, Box]:
        """The union of parts, as signed distance on the smallest box of voxels that holds them."""
        first, stop = self.box(np.min([p.low for p in parts], axis=0), np.max([p.high for p in parts], axis=0))
        stop = np.maximum(first, stop)
        field = np.full(tuple(stop - first), OUTSIDE_MM, dtype=np.float32)
        origin = self.origin + self.step * first[::-1]
        for part in parts:
            low, high = self.box(part.low, part.high)
            add_part(field, part.row, low - first, high - first, origin, self.step, self.bend, self.bend_z0)
        return field, (first, stop)


def side_curve(parameters: PhantomParameters, layout: Layout) -> tuple[Floats, float]:
    """The side bend of a scoliosis: one curve with its apex at L1; (rows, z of the first row). One row when there is none."""
    cobb = radians(parameters.scoliosis_deg)
    if cobb == 0:
        return np.zeros((1, 4)), 0.0
    apex, length = layout["L1"].z_mm, 260.0
    z = np.arange(apex - 320.0, apex + 320.0)
    u = (z - apex) / length
    window = np.exp(-((u / 0.62) ** 4))
    reach = 0.5 * cobb * length / pi
    shift = reach * np.cos(pi * u) * window
    slope = np.gradient(shift, z)
    # a body turns towards the convex side by about a third of the curve
    turn = -0.33 * cobb * np.exp(-((u / 0.35) ** 2))
    nodes_y, nodes_z = layout.axis[:, 0], layout.axis[:, 1]
    middle = np.interp(z, nodes_z, nodes_y)
    return np.ascontiguousarray(np.stack([shift, slope, turn, middle], axis=1)), float(z[0])


@njit(cache=True, nogil=True)
def sample_texture(texture: Field, x: float, y: float, z: float) -> float:
    """The repeated noise cube, whose size is a power of two, at a point in units of its cells, smooth between them."""
    last = texture.shape[0] - 1
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    a, b, c = x - fx, y - fy, z - fz
    a, b, c = a * a * (3.0 - 2.0 * a), b * b * (3.0 - 2.0 * b), c * c * (3.0 - 2.0 * c)
    i, j, k = int(fx) & last, int(fy) & last, int(fz) & last
    i1, j1, k1 = (i + 1) & last, (j + 1) & last, (k + 1) & last
    low = (texture[k, j, i] * (1 - a) + texture[k, j, i1] * a) * (1 - b) + (texture[k, j1, i] * (1 - a) + texture[k, j1, i1] * a) * b
    high = (texture[k1, j, i] * (1 - a) + texture[k1, j, i1] * a) * (1 - b) + (texture[k1, j1, i] * (1 - a) + texture[k1, j1, i1] * a) * b
    return float(low * (1 - c) + high * c)


@njit(cache=True, nogil=True)
def ridge(value: float, width: float) -> float:
    """1 where a noise crosses zero, 0 where it is more than `width` away: thin sheets in space."""
    fall = 1.0 - (value / width) ** 2
    return fall * fall if fall > 0.0 else 0.0


def noise_cube(generator: np.random.Generator, cells: int = 64) -> Field:
    """A cube of noise with SD 1 that repeats without a seam."""
    raw = generator.standard_normal((cells, cells, cells)).astype(np.float32)
    for axis in range(3):
        raw = raw + 0.35 * (np.roll(raw, 1, axis) + np.roll(raw, -1, axis))
    return np.ascontiguousarray(raw / raw.std(), dtype=np.float32)
