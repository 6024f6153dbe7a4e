"""Where every vertebra lies, and how the canal runs: the design space of the phantom.

Design space is LPS in unscaled mm with its origin in the canal at the middle of L3; the spine's curve lies in the plane x = 0.
A point near the spine is also (x, d, s): d dorsal of the canal's axis, s along it, growing to the head.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import cos, radians, sin, tan

import numpy as np
from numpy.typing import NDArray

from planner.phantom.parameters import PhantomParameters
from planner.phantom.tables import SpineTable, spine_table

Floats = NDArray[np.float64]

STEP_MM = 0.5
"""Between the nodes of the canal's axis."""


@dataclass(frozen=True)
class Vertebra:
    """One vertebra's frame: origin in the canal at mid-body, `up` along the body, `back` dorsal."""

    name: str
    s_mm: float
    y_mm: float
    z_mm: float
    tilt_rad: float
    lamina_top_mm: float
    lamina_bottom_mm: float

    @property
    def origin(self) -> Floats:
        return np.array([0.0, self.y_mm, self.z_mm])

    @property
    def back(self) -> Floats:
        return np.array([0.0, cos(self.tilt_rad), sin(self.tilt_rad)])

    @property
    def up(self) -> Floats:
        return np.array([0.0, -sin(self.tilt_rad), cos(self.tilt_rad)])

    def place(self, x: float, d: float, up: float) -> Floats:
        """Design position of a point given in this vertebra's frame."""
        return self.origin + np.array([x, 0.0, 0.0]) + d * self.back + up * self.up

    def local(self, point: Floats) -> Floats:
        """(x, d, up) in this vertebra's frame of a design position."""
        step = point - self.origin
        return np.array([step[0], step @ self.back, step @ self.up])


@dataclass(frozen=True, eq=False)
class Layout:
    """The spine: vertebrae head to foot, and the canal's axis with its cross-section at nodes STEP_MM apart, foot to head.

    axis: (n, 2) y and z of the axis; tilt: (n,) its angle to the vertical, radians; s0: the s of node 0.
    profile: (n, len(PROFILE)) what the cross-section is, column by column.
    """

    table: SpineTable
    vertebrae: tuple[Vertebra, ...]
    s0: float
    axis: Floats
    tilt: Floats
    profile: Floats

    def __getitem__(self, name: str) -> Vertebra:
        return next(v for v in self.vertebrae if v.name == name)

    def place(self, x: float, d: float, s: float) -> Floats:
        """Design position of (x, d, s)."""
        f = (s - self.s0) / STEP_MM
        nodes = np.arange(len(self.tilt))
        y, z, t = (float(np.interp(f, nodes, column)) for column in (self.axis[:, 0], self.axis[:, 1], self.tilt))
        return np.array([x, y + d * cos(t), z + d * sin(t)])

    def at(self, s: float, name: str) -> float:
        """One number of the cross-section at s."""
        nodes = self.s0 + STEP_MM * np.arange(len(self.tilt))
        return float(np.interp(s, nodes, self.profile[:, PROFILE.index(name)]))

    def pairs(self) -> list[tuple[Vertebra, Vertebra]]:
        """Neighbours, upper and lower."""
        return list(zip(self.vertebrae, self.vertebrae[1:]))


PROFILE = (
    "ventral", "roof", "half_width", "roof_power", "sac_d", "sac_a", "sac_b", "cord_a", "cord_b", "flavum", "window", "body_weight",
)
"""Columns of Layout.profile.

ventral, roof: distance of the canal's front and back wall from the axis; half_width: at its widest; roof_power: exponent of the back
wall, 2 an ellipse, less a roof with a ridge. sac_d: centre of the sac; sac_a, sac_b, cord_a, cord_b: half-axes, across and deep.
flavum: thickness of the ligament; window: 1 in an interlaminar window, 0 under a lamina; body_weight: 1 behind a body, 0 at a disc.
"""


def lay_out(parameters: PhantomParameters) -> Layout:
    """The spine of these parameters."""
    table = spine_table()
    frames = _frames(table, parameters.lordosis)
    vertebrae = _laminae(table, frames)
    s0, axis, tilt = _axis(vertebrae)
    profile = _profile(table, vertebrae, s0, len(tilt), dict(parameters.stenosis or {}))
    return Layout(table, vertebrae, s0, axis, tilt, profile)


def _frames(table: SpineTable, lordosis: float) -> list[tuple[str, float, float]]:
    """(name, s, tilt) of every vertebra: lengths along the canal's axis, which lies behind the bodies' centres."""
    frames: list[tuple[str, float, float]] = []
    order = table.order
    tilt = {"S1": radians(table.raw["sacral_slope"]["value"] * lordosis)}
    first = order.index("S1")
    for n in range(first - 1, -1, -1):
        tilt[order[n]] = tilt[order[n + 1]] + radians(table("segment_kyphosis", order[n]) * lordosis)
    for n in range(first + 1, len(order)):
        tilt[order[n]] = tilt[order[n - 1]] - radians(table("segment_kyphosis", order[n - 1]))
    s = 0.0
    for n, name in enumerate(order):
        if n:
            upper = order[n - 1]
            height = sum(table("body_height_back", v) + table("body_height_front", v) for v in (upper, name)) / 4
            behind = (table("endplate_depth", name) + table("canal_depth", name)) / 2
            s -= height + table("disc_below", upper) - (tilt[name] - tilt[upper]) * behind
        frames.append((name, s, tilt[name]))
    middle = next(s for name, s, _ in frames if name == "L3")
    return [(name, s - middle, angle) for name, s, angle in frames]


def _walk(frames: list[tuple[str, float, float]]) -> tuple[float, Floats, Floats]:
    """The axis as a curve: tilt constant behind the bodies' middles, easing from one to the next."""
    low, high = frames[-1][1] - 30.0, frames[0][1] + 60.0
    s = np.arange(low, high, STEP_MM)
    knots, tilts = [low], [frames[-1][2]]
    for name, middle, angle in reversed(frames):
        half = 0.30 * spine_table()("body_height_back", name)
        knots += [middle - half, middle + half]
        tilts += [angle, angle]
    tilt = np.interp(s, knots + [high], tilts + [frames[0][2] + radians(4)])
    tilt = np.convolve(np.pad(tilt, 8, mode="edge"), np.full(17, 1 / 17), mode="valid")
    step = np.stack([-np.sin(tilt), np.cos(tilt)], axis=1) * STEP_MM
    axis = np.concatenate([[[0.0, 0.0]], np.cumsum((step[1:] + step[:-1]) / 2, axis=0)])
    zero = np.array([np.interp(0.0, s, axis[:, c]) for c in (0, 1)])
    return low, axis - zero, tilt


def _axis(vertebrae: tuple[Vertebra, ...]) -> tuple[float, Floats, Floats]:
    return _walk([(v.name, v.s_mm, v.tilt_rad) for v in vertebrae])


def inner_lamina_mm(table: SpineTable, vertebra: Vertebra, up: float) -> float:
    """How far dorsal the lamina's inner face lies in the midline at a height of the vertebra's frame: it slopes, top forward."""
    return table("canal_depth", vertebra.name) / 2 + tan(radians(table("lamina_slope", vertebra.name))) * (vertebra.lamina_top_mm - up)


def _laminae(table: SpineTable, frames: list[tuple[str, float, float]]) -> tuple[Vertebra, ...]:
    """Vertebrae with their laminae's edges: each lower edge leaves the window of the table to the next lamina."""
    low, axis, tilt = _walk(frames)
    s = low + STEP_MM * np.arange(len(tilt))
    bare = [
        Vertebra(name, middle, float(np.interp(middle, s, axis[:, 0])), float(np.interp(middle, s, axis[:, 1])), angle,
                 table("lamina_top", name), 0.0)
        for name, middle, angle in frames
    ]
    done = []
    for n, upper in enumerate(bare):
        bottom = upper.lamina_top_mm - 20.0
        if n + 1 < len(bare):
            lower, wanted = bare[n + 1], table("window_height", upper.name)
            edge = lower.place(0, table("canal_depth", lower.name) / 2 + table("lamina_thickness", lower.name) / 2, lower.lamina_top_mm)
            for tried in np.arange(upper.lamina_top_mm - 8.0, upper.lamina_top_mm - 34.0, -0.1):
                here = upper.place(0, inner_lamina_mm(table, upper, tried) + table("lamina_thickness", upper.name) / 2, tried)
                bottom = float(tried)
                if (here - edge) @ (upper.up + lower.up) / 2 <= wanted:
                    break
        done.append(Vertebra(upper.name, upper.s_mm, upper.y_mm, upper.z_mm, upper.tilt_rad, upper.lamina_top_mm, bottom))
    return tuple(done)


def _smooth(low: float, high: float, x: NDArray[np.floating]) -> Floats:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _profile(table: SpineTable, vertebrae: tuple[Vertebra, ...], s0: float, n: int, stenosis: dict[str, float]) -> Floats:
    s = s0 + STEP_MM * np.arange(n)
    names = [v.name for v in reversed(vertebrae)]
    middles = np.array([v.s_mm for v in reversed(vertebrae)])

    def along(row: str, shift: float = 2.0) -> Floats:
        raw = np.interp(s, middles + shift, [table(row, name) for name in names])
        return np.convolve(np.pad(raw, 10, mode="edge"), np.full(21, 1 / 21), mode="valid")

    ventral, width = along("canal_depth") / 2, along("canal_width") / 2
    # a roof with a ridge in the lumbar spine, an ellipse in the thorax
    power = np.interp(s, [vertebrae[-3].s_mm, 0.0, vertebrae[5].s_mm, vertebrae[2].s_mm], [1.45, 1.5, 1.6, 1.86])
    window, flavum, bulge, bone_roof = np.zeros(n), np.zeros(n), np.zeros(n), ventral + 40.0
    body = np.zeros(n)
    for v in vertebrae:
        half = 0.5 * table("body_height_back", v.name)
        body = np.maximum(body, 1 - _smooth(0.45 * half, 1.15 * half, np.abs(s - v.s_mm)))
        covered = (s <= v.s_mm + v.lamina_top_mm) & (s >= v.s_mm + v.lamina_bottom_mm)
        slope = tan(radians(table("lamina_slope", v.name)))
        bone_roof = np.where(covered, np.minimum(bone_roof, ventral + slope * (v.s_mm + v.lamina_top_mm - s)), bone_roof)
    for upper, lower in itertools.pairwise(vertebrae):
        if upper.name in ("S1", "S2"):
            continue
        top, bottom = upper.s_mm + upper.lamina_top_mm, upper.s_mm + upper.lamina_bottom_mm
        under = lower.s_mm + lower.lamina_top_mm
        rise = 1 - _smooth(bottom, bottom + 0.62 * (top - bottom), s)
        fall = _smooth(under - 2.5, under + 3.0, s)
        here = rise * fall
        window = np.maximum(window, here)
        bulge = np.maximum(bulge, here * table("window_bulge", upper.name))
        flavum = np.maximum(flavum, np.where((s > under - 2.0) & (s < top), table("flavum_thickness", upper.name), 0.0))
    sacrum = 1 - _smooth(vertebrae[-3].s_mm - 10, vertebrae[-3].s_mm + 4, s)
    bulge = np.maximum(bulge, sacrum * 1.0)
    roof = np.minimum(ventral + bulge, np.maximum(bone_roof, ventral))

    sac_a, sac_b = along("sac_width") / 2, along("sac_depth") / 2
    grown = 0.965 + 0.09 * (1 - window)
    sac_a, sac_b = sac_a * grown, sac_b * grown
    gap_disc, gap_body = along("ventral_gap_disc", -16.0), along("dorsal_gap_body")
    squeeze = np.ones(n)
    for interval, factor in stenosis.items():
        upper = next(v for v in vertebrae if v.name == interval.split("-")[0])
        lower = next(v for v in vertebrae if v.name == interval.split("-")[1])
        centre = (upper.s_mm + lower.s_mm) / 2 - 2
        near = np.exp(-(((s - centre) / 9.0) ** 2))
        squeeze *= 1 - (1 - factor**0.5) * near
    sac_a, sac_b, roof, ventral = sac_a * squeeze, sac_b * squeeze, roof * (0.35 + 0.65 * squeeze), ventral * (0.5 + 0.5 * squeeze)
    width = width * (0.4 + 0.6 * squeeze)
    front, back = -ventral + gap_disc + sac_b, roof - gap_body - sac_b
    s2 = next(v for v in vertebrae if v.name == "S2")
    end = s2.s_mm + table("body_height_back", "S2") * (0.5 - table.raw["sac_end"]["value"])
    taper = np.sqrt(np.clip((s - end) / 16.0, 0.0, 1.0))
    # the sac lies forward where the fat pad of a window pushes it, and touches bone under the laminae
    calm = np.interp(s, [vertebrae[5].s_mm, vertebrae[4].s_mm], [1.0, 0.55])  # less so in the thorax
    sac_d = front + np.maximum(back - front, 0.0) * (1 - window * calm)
    sac_d = np.convolve(np.pad(sac_d, 7, mode="edge"), np.full(15, 1 / 15), mode="valid")

    cord = table.raw["cord"]
    order = sorted(cord["width"], key=lambda name: next(v.s_mm for v in vertebrae if v.name == name))
    at = [next(v.s_mm for v in vertebrae if v.name == name) for name in order]
    l1 = next(v for v in vertebrae if v.name == "L1")
    tip = l1.s_mm - table("body_height_back", "L1") / 4  # in the lower third
    # the table's L1 value is that of the tip's neighbourhood, reached in the upper third of L1
    at[0] = l1.s_mm + table("body_height_back", "L1") / 4
    ending = np.sqrt(np.clip((s - tip) / (at[0] - tip), 0.0, 1.0))
    cord_a = np.interp(s, at, [cord["width"][name] / 2 for name in order]) * ending
    cord_b = np.interp(s, at, [cord["depth"][name] / 2 for name in order]) * ending
    columns = (ventral, roof, width, power, sac_d, sac_a * taper, sac_b * taper, cord_a, cord_b, flavum, window, body)
    return np.ascontiguousarray(np.stack(columns, axis=1))
