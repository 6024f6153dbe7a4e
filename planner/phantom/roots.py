"""The nerve roots: from the sac through the foramen under the pedicle to 20 mm beyond, with their ganglia."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import radians, tan

import numpy as np

from planner.phantom.bones import pedicle_centre, pedicle_half_height, sacral_foramen
from planner.phantom.canvas import Canvas
from planner.phantom.layout import Layout, Vertebra
from planner.phantom.shapes import Floats, Part, capsule

BEYOND_MM = 20.0
"""How far past the foramen a root is part of the truth (CONTRACT.md)."""


@dataclass(frozen=True, eq=False)
class Root:
    """A left root in design space (the right one mirrors it): its way from inside the sac outwards, and its ganglion.

    way: (n, 3) points 1 mm apart. exit_s: where it leaves the sac. ganglion: index into way of its middle.
    """

    name: str
    way: Floats
    exit_s: float
    ganglion: int
    diameter_mm: float


def smooth_way(knots: list[Floats]) -> Floats:
    """A curve through knots (Catmull-Rom), points 1 mm apart."""
    p = np.array([2 * knots[0] - knots[1], *knots, 2 * knots[-1] - knots[-2]])
    fine = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:]):
        for t in np.linspace(0, 1, 24, endpoint=False):
            fine.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    line = np.array([*fine, knots[-1]])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.arange(0.0, length[-1], 1.0)
    return np.stack([np.interp(at, length, line[:, c]) for c in range(3)], axis=1)


def roots(layout: Layout) -> list[Root]:
    """The left roots of T8 to S2."""
    return [_root(layout, upper, lower) for upper, lower in layout.pairs()]


def _root(layout: Layout, upper: Vertebra, lower: Vertebra) -> Root:
    t = layout.table
    name = upper.name
    diameter = t("root_diameter", name)
    angle = radians(t("root_exit_angle", name))
    if name[0] == "S":
        knots, under = _sacral_knots(layout, upper)
    else:
        px, _, pu = pedicle_centre(layout, upper)
        half = pedicle_half_height(layout, upper)
        width = t("canal_width", name) / 2
        d = -t("canal_depth", name) / 2 + 0.40 * t("foramen_width", name)
        roof = pu - half
        under = upper.place(px, d, roof - diameter / 2 - (1.8 if name[0] == "T" else 2.2))
        medial_x = width - diameter / 2 - 0.4
        medial = upper.place(medial_x, d + 0.6, roof + 0.25 * half if name[0] == "L" else roof - 1.0)
        rise = (medial_x - 0.5 * t("sac_width", name)) / tan(angle) + (1.0 if name[0] == "L" else 0.0)
        s = upper.s_mm + float((medial - upper.origin) @ upper.up) + rise
        edge = 0.97 * layout.at(s, "sac_a")
        start = layout.place(0.72 * layout.at(s, "sac_a"), layout.at(s, "sac_d") - 0.5, s + 3.5)
        leave = layout.place(edge, layout.at(s, "sac_d") - 1.2, s)
        out = t("pedicle_width", name) / 2 + BEYOND_MM * (0.95 if name[0] == "T" else 0.75)
        bend = 0.16 if name[0] == "T" else -0.34
        far = under + np.array([out, 0, 0]) + bend * out * upper.back - upper.up * out / tan(max(angle, radians(42)))
        border = under + 0.42 * (far - under) + (0.0 if name[0] == "T" else 1.2) * upper.back
        knots = [start, leave, medial, under, border, far]
    way = smooth_way(knots)
    nearest = int(np.argmin(np.linalg.norm(way - under, axis=1)))
    ganglion = nearest + {"L5": 3, "S1": -5, "S2": -4}.get(name, 0 if name[0] == "L" else 1)
    exit_point = way[min(4, len(way) - 1)]
    exit_s = upper.s_mm + (exit_point - upper.origin) @ upper.up
    length = np.cumsum(np.ones(len(way)))
    past = length - nearest - t("pedicle_width", name) / 2
    way = way[past <= BEYOND_MM] if name[0] != "S" else way
    return Root(name, way, float(exit_s), max(ganglion, 3), diameter)


def _sacral_knots(layout: Layout, v: Vertebra) -> tuple[list[Floats], Floats]:
    t = layout.table
    hole = sacral_foramen(layout, v)[0].row
    inside = hole[3:6]
    ahead = inside + hole[12:15] * hole[22]
    s = v.s_mm + {"S1": 17.0, "S2": 15.0}[v.name] * (1.0 if v.name == "S1" else 1.05)
    edge = layout.at(s, "sac_a")
    start = layout.place(0.72 * edge, layout.at(s, "sac_d") - 0.3, s + 3.0)
    leave = layout.place(0.97 * edge, layout.at(s, "sac_d") - 0.8, s)
    along = layout.place(min(t("canal_width", v.name) / 2 - 5.0, edge + 4.0), layout.at(v.s_mm, "sac_d") - 1.2, v.s_mm)
    through = inside + 0.5 * (ahead - inside)
    way = ahead + (ahead - inside) / np.linalg.norm(ahead - inside) * 10 - v.up * 5
    return [start, leave, along, inside + np.array([-1.0, 0, 0]), through, way], inside


def root_parts(root: Root, side: float, thicker_mm: float = 0.0, until: int | None = None) -> list[Part]:
    """The sleeve of a root as parts, from the sac to its end or to a point of its way."""
    flip = np.array([side, 1.0, 1.0])
    way = root.way[3:until:2] * flip
    x = np.array([0.3, 0.5, 1.0])
    radius = root.diameter_mm / 2 + thicker_mm
    return [capsule(a, b, x, (radius, radius), (radius, radius), blend=1.0) for a, b in itertools.pairwise(way)]


def ganglion_parts(layout: Layout, root: Root, side: float) -> list[Part]:
    """The ganglion: a spindle along the way."""
    flip = np.array([side, 1.0, 1.0])
    length, width = layout.table("ganglion_length", root.name), layout.table("ganglion_width", root.name)
    n = min(root.ganglion, len(root.way) - 2)
    along = root.way[min(n + 2, len(root.way) - 1)] - root.way[max(n - 2, 0)]
    along = along / np.linalg.norm(along)
    half = max(length / 2 - width / 2, 0.2)
    middle = root.way[n]
    a, b = (middle - along * half) * flip, (middle + along * half) * flip
    return [capsule(a, b, np.array([0.3, 0.5, 1.0]), (width / 2, width / 2), (width / 2, width / 2), blend=1.5)]


def paint_soft(canvas: Canvas, parts: list[Part], value: float, label: int, keep: frozenset[int]) -> None:
    """Paint parts except where labels of `keep` already lie. A label of 0 leaves the labels alone."""
    field, (first, stop) = canvas.field(parts)
    if not field.size:
        return
    where = tuple(slice(int(a), int(b)) for a, b in zip(first, stop))
    width = float(canvas.step[:2].mean())
    share = np.clip(0.5 - field / width, 0.0, 1.0)
    here = canvas.labels[where]
    share[np.isin(here, list(keep))] = 0.0
    canvas.image[where] = np.rint(canvas.image[where] * (1 - share) + value * share).astype(np.int16)
    if label:
        here[share > 0.5] = label


def paint_roots(canvas: Canvas, layout: Layout, found: list[Root], labels: dict[str, int], bone: frozenset[int],
                sleeve_value: float) -> None:
    """Sleeves with their fluid up to the ganglion, roots and ganglia, both sides; bone, sac and cord stay as they are."""
    keep = bone | {labels["thecal sac"], labels["spinal cord"], labels["ligamentum flavum"]}
    for root in found:
        for side in (1.0, -1.0):
            paint_soft(canvas, root_parts(root, side), canvas.value("root"), labels["nerve root"], keep)
            if root.ganglion > 6:
                paint_soft(canvas, root_parts(root, side, until=root.ganglion - 1), sleeve_value, 0, keep)
                paint_soft(canvas, root_parts(root, side, -0.7, root.ganglion - 1), canvas.value("root"), 0, keep)
            paint_soft(canvas, ganglion_parts(layout, root, side), canvas.value("ganglion"), labels["ganglion"], keep)
