"""What is true of a phantom, in LPS mm of its scan, measured on its design and not on its picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.phantom.beams import BoneField, widest_beam
from planner.phantom.canal import canal_section
from planner.phantom.canvas import Canvas
from planner.phantom.foramina import foramen_place, foramen_size
from planner.phantom.layout import Layout
from planner.phantom.shapes import Floats

Point = tuple[float, float, float]


@dataclass(frozen=True)
class TrueLevel:
    """A vertebra and the centre of its body."""

    name: str
    centre: Point


@dataclass(frozen=True)
class TrueForamen:
    """A foramen: `between` two vertebrae, on the patient's left or right; sizes between bones (`foramina.foramen_size`)."""

    between: tuple[str, str]
    side: str
    centre: Point
    height_mm: float
    width_mm: float


@dataclass(frozen=True)
class TrueWindow:
    """An interlaminar window; tilt_deg: of the widest straight way through it to the dorsal epidural space, cephalad positive."""

    between: tuple[str, str]
    centre: Point
    height_mm: float
    width_mm: float
    tilt_deg: float


@dataclass(frozen=True)
class TrueLeak:
    """A leak: a place on the dura, "ventral", "sleeve" or "dorsal", at a level such as L3-L4, left, right or midline."""

    position: Point
    kind: str
    level: str
    side: str


@dataclass(frozen=True)
class TrueLead:
    """A stimulator's lead: points 1 mm apart from its tip, its thickness, and both ends of each electrode."""

    path: tuple[Point, ...]
    diameter_mm: float
    electrodes: tuple[tuple[Point, Point], ...]


@dataclass(frozen=True)
class Truth:
    """All of it; the centreline runs head to foot, at most 1 mm apart, with the canal's area square to it."""

    levels: tuple[TrueLevel, ...]
    centreline: tuple[Point, ...]
    area_mm2: tuple[float, ...]
    foramina: tuple[TrueForamen, ...]
    windows: tuple[TrueWindow, ...]
    leaks: tuple[TrueLeak, ...]
    leads: tuple[TrueLead, ...]

    def as_json(self) -> dict[str, Any]:
        """The part of truth.json that this holds (CONTRACT.md)."""
        return {
            "levels": [{"name": v.name, "centre": list(v.centre)} for v in self.levels],
            "canal": {"centreline": [list(p) for p in self.centreline], "area_mm2": list(self.area_mm2)},
            "foramina": [{"between": list(f.between), "side": f.side, "centre": list(f.centre), "height_mm": f.height_mm,
                          "width_mm": f.width_mm} for f in self.foramina],
            "windows": [{"between": list(w.between), "centre": list(w.centre), "height_mm": w.height_mm, "width_mm": w.width_mm,
                         "tilt_deg": w.tilt_deg} for w in self.windows],
            "leaks": [{"position": list(k.position), "kind": k.kind, "level": k.level, "side": k.side} for k in self.leaks],
            "stimulator_leads": [{"path": [list(p) for p in lead.path], "diameter_mm": lead.diameter_mm,
                                  "electrodes": [[list(a), list(b)] for a, b in lead.electrodes]} for lead in self.leads],
        }


def world_point(canvas: Canvas, design: Floats) -> Point:
    """A design point as LPS mm, rounded to a micrometre so that files are the same everywhere."""
    x, y, z = (round(float(c), 3) for c in canvas.to_world(design)[0])
    return x, y, z


def measure(canvas: Canvas, layout: Layout, bones: BoneField, leaks: tuple[TrueLeak, ...], leads: tuple[TrueLead, ...]) -> Truth:
    """The truth of a layout on this scan; what lies outside the scan is left out."""
    windows = _windows(canvas, layout, bones)
    return Truth(_levels(canvas, layout), *_centreline(canvas, layout), _foramina(canvas, layout, bones), windows, leaks, leads)


def _inside(canvas: Canvas, point: Point) -> bool:
    return bool(canvas.frame.contains(np.array(point)))


def _levels(canvas: Canvas, layout: Layout) -> tuple[TrueLevel, ...]:
    t = layout.table
    found = []
    for v in layout.vertebrae:
        depth = (t("canal_depth", v.name) + t("endplate_depth", v.name)) / 2
        centre = world_point(canvas, v.place(0, -depth, 0))
        if _inside(canvas, centre):
            found.append(TrueLevel(v.name, centre))
    return tuple(found)


def _centreline(canvas: Canvas, layout: Layout) -> tuple[tuple[Point, ...], tuple[float, ...]]:
    top, bottom = layout.vertebrae[0].s_mm + 10, layout.vertebrae[-1].s_mm - 12
    coarse = np.arange(bottom, top + 2, 2.0)
    sections = np.array([canal_section(layout, s) for s in coarse])
    points, areas = [], []
    for s in np.arange(top, bottom, -0.8):
        area, middle = np.interp(s, coarse, sections[:, 0]), np.interp(s, coarse, sections[:, 1])
        point = world_point(canvas, layout.place(0, float(middle), float(s)))
        if _inside(canvas, point):
            points.append(point)
            areas.append(round(float(area) * canvas.scale**2, 2))
    return tuple(points), tuple(areas)


def _foramina(canvas: Canvas, layout: Layout, bones: BoneField) -> tuple[TrueForamen, ...]:
    found = []
    for upper, lower in layout.pairs():
        if upper.name in ("S1", "S2"):
            continue
        centre = foramen_place(layout, upper, lower)
        height, width = foramen_size(bones, layout, upper, lower)
        for side, sign in (("left", 1.0), ("right", -1.0)):
            place = world_point(canvas, centre * [sign, 1.0, 1.0])
            if _inside(canvas, place):
                size = round(height * canvas.scale, 2), round(width * canvas.scale, 2)
                found.append(TrueForamen((upper.name, lower.name), side, place, *size))
    return tuple(found)


def _windows(canvas: Canvas, layout: Layout, bones: BoneField) -> tuple[TrueWindow, ...]:
    t = layout.table
    found = []
    for upper, lower in layout.pairs():
        if upper.name in ("S1", "S2"):
            continue
        s = (upper.s_mm + upper.lamina_bottom_mm + lower.s_mm + lower.lamina_top_mm) / 2
        centre = world_point(canvas, layout.place(0, layout.at(s, "roof") + t("flavum_thickness", upper.name) / 2, s))
        if _inside(canvas, centre):
            size = round(t("window_height", upper.name) * canvas.scale, 2), round(t("window_width", upper.name) * canvas.scale, 2)
            found.append(TrueWindow((upper.name, lower.name), centre, *size, round(widest_beam(bones, layout, upper, lower)[0], 1)))
    return tuple(found)
