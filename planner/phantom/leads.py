"""The leads of a spinal cord stimulator: from the flank through an interlaminar window up the dorsal epidural space."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from planner.phantom.canal import SPLIT
from planner.phantom.canvas import Canvas
from planner.phantom.layout import Layout
from planner.phantom.parameters import PhantomParameters
from planner.phantom.roots import smooth_way
from planner.phantom.shapes import Floats, Part, capsule
from planner.phantom.tables import spine_table
from planner.phantom.trunk import Outline, height_of
from planner.phantom.truth import TrueLead, world_point


@dataclass(frozen=True, eq=False)
class Lead:
    """One lead in design space. way: (n, 3) points 1 mm apart from its tip; contacts: first and last index of each electrode on it."""

    way: Floats
    contacts: tuple[tuple[int, int], ...]


def leads(parameters: PhantomParameters, layout: Layout, skin: Outline) -> tuple[Lead, ...]:
    """Two leads where the leaks are those of their placement: one through T12-L1 right of the midline, one through L1-L2 left of it."""
    if parameters.leak != "two-level":
        return ()
    return _lead(layout, skin, "T12", "L1", "T10", -1.0), _lead(layout, skin, "L1", "L2", "T11", 1.0)


def _lead(layout: Layout, skin: Outline, upper: str, lower: str, tip: str, side: float) -> Lead:
    t = spine_table().raw["stimulator_lead"]
    u, v = layout[upper], layout[lower]
    radius = t["diameter_mm"] / 2
    window = (u.s_mm + u.lamina_bottom_mm + v.s_mm + v.lamina_top_mm) / 2
    beside = side * t["beside_midline_mm"]

    def under_roof(x: float, s: float) -> Floats:
        front = SPLIT * layout.at(s, "ventral")
        power = layout.at(s, "roof_power")
        share = (1 - (abs(x) / layout.at(s, "half_width")) ** power) ** (1 / power)
        roof = min(layout.at(near, "roof") for near in np.arange(s - 4.0, s + 4.1))  # it bridges the pads between the laminae
        return layout.place(x, front + (roof - front) * share - radius - 0.3, s)

    knots = [under_roof(beside * min(1.0, 0.6 + 0.1 * n), s) for n, s in enumerate(np.arange(layout[tip].s_mm, window + 2.0, -6.0))]
    roof = layout.at(window, "roof")
    # out through the flavum beside the spinous process, flat as a needle that threads a lead
    knots += [layout.place(side * x, roof + d, window - down) for x, d, down in ((4.5, 1.5, 0.5), (7.0, 9.0, 8.0), (10.0, 20.0, 20.0))]
    # anchored on the fascia, then under the skin of the flank to a generator below the scan
    anchor_z = float(knots[-1][2]) - 26.0
    bottom = height_of(layout, "S3") - 24.0
    turns = np.linspace(0.10 * side, -0.62, 7)
    for angle, z in zip(turns, np.linspace(anchor_z, bottom, 7)):
        furrow = float(skin.at(float(z))[3])
        knots.append(skin.inside(float(angle), float(z), 0.6 * skin.back_fat + furrow * float(np.exp(-((angle / 0.12) ** 2)))))
    way = smooth_way(knots)
    every = t["contact_mm"] + t["contact_gap_mm"]
    contacts = tuple((round(2 + n * every), round(2 + n * every + t["contact_mm"])) for n in range(t["contacts"]))
    return Lead(way, contacts)


def _rods(points: Floats, radius: float) -> list[Part]:
    x = np.array([1.0, 0.2, 0.1])
    return [capsule(a, b, x, (radius, radius), (radius, radius), blend=0.3) for a, b in itertools.pairwise(points)]


def paint_leads(canvas: Canvas, found: tuple[Lead, ...], labels: dict[str, int]) -> None:
    """Wire and electrodes. The contract has no name for metal: a lead in the canal keeps the label of the epidural space, which it takes
    from the sac where it presses on the dura, and elsewhere that of the soft tissue around it; `Truth.leads` says where it lies.
    """
    if not found:
        return
    radius = spine_table().raw["stimulator_lead"]["diameter_mm"] / 2 / canvas.scale
    # no signal comes from around metal on MR
    shown = radius + (0.7 if canvas.magnetic else 0.0)
    for lead in found:
        for stretch in stretches(lead.way):
            _paint(canvas, _rods(stretch, shown), canvas.value("lead"), labels)
        for first, last in lead.contacts:
            _paint(canvas, _rods(lead.way[[first, last]], shown), canvas.value("electrode"), labels)


def stretches(way: Floats) -> list[Floats]:
    """A way (n, 3), n > 1, cut into stretches of about 12 mm that are painted one by one, each from where the one before ends; every second
    point is enough."""
    knots = way[sorted({*range(0, len(way), 2), len(way) - 1})]
    return [knots[at : at + 7] for at in range(0, len(knots) - 1, 6)]


def _paint(canvas: Canvas, parts: list[Part], value: float, labels: dict[str, int]) -> None:
    field, (first, stop) = canvas.field(parts)
    if not field.size:
        return
    where = tuple(slice(int(a), int(b)) for a, b in zip(first, stop))
    width = float(canvas.step.mean())
    share = np.clip(0.5 - field / width, 0.0, 1.0)
    here = canvas.labels[where]
    share[here == 0] = 0.0
    image = canvas.image[where]
    canvas.image[where] = np.rint(image * (1 - share) + value * share).astype(np.int16)
    here[(share > 0.0) & (here == labels["thecal sac"])] = labels["epidural space"]


def true_leads(canvas: Canvas, found: tuple[Lead, ...]) -> tuple[TrueLead, ...]:
    """The leads as truth, as far as they lie in the scan."""
    diameter = float(spine_table().raw["stimulator_lead"]["diameter_mm"])
    made = []
    for lead in found:
        path = tuple(world_point(canvas, p) for p in lead.way)
        inside = [bool(canvas.frame.contains(np.array(p))) for p in path]
        last = next((n for n, ok in enumerate(inside) if not ok), len(path))
        made.append(TrueLead(path[:last], diameter, tuple((path[a], path[b]) for a, b in lead.contacts)))
    return tuple(made)
