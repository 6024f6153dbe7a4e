"""Where the phantom leaks: on an osteophyte, a sleeve, a puncture, or two punctures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.phantom.canal import SAC_B, SAC_D, CanalField
from planner.phantom.canvas import Canvas
from planner.phantom.layout import STEP_MM, Layout
from planner.phantom.parameters import PhantomParameters
from planner.phantom.roots import Root, paint_soft
from planner.phantom.shapes import Floats, capsule
from planner.phantom.truth import TrueLeak, world_point

POCKET_MM = 3.4
"""Radius of the diverticulum on a sleeve."""


@dataclass(frozen=True, eq=False)
class LeakSite:
    """One leak in design space: its place on the dura, its s, the way out of the sac there, and reach_mm of its fluid along s."""

    kind: str
    level: str
    side: str
    place: Floats
    s: float
    outward: Floats
    reach_mm: float


def leak_sites(parameters: PhantomParameters, layout: Layout, roots: list[Root]) -> list[LeakSite]:
    """The leaks of these parameters. The ventral one lies at T12-L1 for odd seeds and at L1-L2 for even ones."""
    if parameters.leak == "ventral":
        upper, lower = ("T12", "L1") if parameters.seed % 2 else ("L1", "L2")
        return [_on_sac(layout, upper, lower, "ventral", -3.0)]
    if parameters.leak == "dorsal":
        return [_on_sac(layout, "L3", "L4", "dorsal", 2.0)]
    if parameters.leak == "two-level":
        return [_on_sac(layout, "T12", "L1", "dorsal", -1.5), _on_sac(layout, "L1", "L2", "dorsal", 1.5)]
    root = next(r for r in roots if r.name == "L2")
    centre, outward = _pocket(layout, root)
    return [LeakSite("sleeve", "L2-L3", "left", centre + outward * POCKET_MM, layout["L2"].s_mm - 10, outward, 9.0)]


def _pocket(layout: Layout, root: Root) -> tuple[Floats, Floats]:
    at = root.way[max(root.ganglion - 5, 3)]
    outward = -0.75 * layout["L2"].up + 0.55 * layout["L2"].back + np.array([-0.35, 0, 0])
    outward = outward / np.linalg.norm(outward)
    return at + outward * (POCKET_MM * 0.9), outward


def _on_sac(layout: Layout, upper: str, lower: str, kind: str, x: float) -> LeakSite:
    u, v = layout[upper], layout[lower]
    t = layout.table
    if kind == "ventral":
        s = (u.s_mm - t("body_height_back", upper) / 2 + v.s_mm + t("body_height_back", lower) / 2) / 2
    else:
        s = (u.s_mm + u.lamina_bottom_mm + v.s_mm + v.lamina_top_mm) / 2
    a, b = layout.at(s, "sac_a"), layout.at(s, "sac_b")
    sign = -1.0 if kind == "ventral" else 1.0
    d = layout.at(s, "sac_d") + sign * b * float(np.sqrt(1 - (x / a) ** 2))
    place = layout.place(x, d, s)
    outward = sign * (layout.place(0, 1, s) - layout.place(0, 0, s))
    side = "midline" if abs(x) < 1.0 else "left" if x > 0 else "right"
    return LeakSite(kind, f"{upper}-{lower}", side, place, s, outward, 34.0 if kind == "ventral" else 16.0)


def paint_leaks(canvas: Canvas, layout: Layout, canal: CanalField, sites: list[LeakSite], roots: list[Root], labels: dict[str, int],
                fluid: float, contrast: bool, sleeve_value: float, bone: frozenset[int]) -> None:
    """The spur, the pocket and the fluid outside the dura; with contrast it gets its label."""
    sac = frozenset({labels["thecal sac"], labels["spinal cord"]})
    for site in sites:
        if site.kind == "sleeve":
            root = next(r for r in roots if r.name == "L2")
            centre, outward = _pocket(layout, root)
            ball = capsule(centre - outward * 0.1, centre + outward * 0.1, np.array([1.0, 0.3, 0]), (POCKET_MM, POCKET_MM),
                           (POCKET_MM, POCKET_MM), blend=1.0)
            away = site.place + outward * 2.0 + np.array([5.0, -2.0, -4.0])
            cloud = capsule(centre, away, np.array([1.0, 0.3, 0]), (5.0, 5.0), (4.0, 4.0))
            keep = bone | sac | {labels["nerve root"], labels["ganglion"], labels["ligamentum flavum"]}
            paint_soft(canvas, [cloud], fluid, labels["contrast outside the sac"] if contrast else 0, keep)
            paint_soft(canvas, [ball], sleeve_value, labels["nerve root"], bone | sac)
            continue
        _flood(canvas, layout, canal, site, labels["epidural space"], fluid, labels["contrast outside the sac"] if contrast else 0)
        if site.kind == "ventral":
            t = layout.table
            back_wall = layout.place(site.place[0], -layout.at(site.s, "ventral") - 3.0, site.s)
            tip = site.place + site.outward * 0.25
            upper = site.level.split("-")[0]
            rim = layout[upper].place(site.place[0], -t("canal_depth", upper) / 2 - 2.0, -t("body_height_back", upper) / 2 + 1.5)
            spur = [capsule(rim, tip, np.array([1.0, 0, 0]), (4.5, 2.2), (0.9, 0.8), blend=2.0),
                    capsule(back_wall, tip, np.array([1.0, 0, 0]), (3.8, 1.8), (0.9, 0.8), blend=2.0)]
            paint_soft(canvas, spur, canvas.value("osteophyte"), labels[f"vertebra {upper}"], sac)


def _flood(canvas: Canvas, layout: Layout, canal: CanalField, site: LeakSite, epidural: int, fluid: float, label: int) -> None:
    """Fluid in the epidural space on the leak's side of the sac, fading along the canal."""
    first, stop = canal.box
    where = tuple(slice(int(a), int(b)) for a, b in zip(first, stop))
    here, image = canvas.labels[where], canvas.image[where]
    s = canal.s + np.float32(layout.s0)
    near = np.abs(s - site.s) < site.reach_mm
    nodes = layout.s0 + STEP_MM * np.arange(len(layout.tilt))
    sac_d = np.interp(s[near], nodes, layout.profile[:, SAC_D])
    sac_b = np.interp(s[near], nodes, layout.profile[:, SAC_B])
    beyond = (canal.d[near] - sac_d) / np.maximum(sac_b, 1.0)
    beyond = -beyond if site.kind == "ventral" else beyond
    ending = 1 - np.clip((np.abs(s[near] - site.s) / site.reach_mm - 0.7) / 0.3, 0, 1)
    share = np.clip((beyond - 0.25) / 0.3, 0, 1) * ending * (here[near] == epidural)
    image[near] = np.rint(image[near] * (1 - share) + fluid * share).astype(np.int16)
    if label:
        marked = here[near]
        marked[share > 0.5] = label
        here[near] = marked


def true_leaks(canvas: Canvas, sites: list[LeakSite]) -> tuple[TrueLeak, ...]:
    """The leaks as truth."""
    return tuple(TrueLeak(world_point(canvas, site.place), site.kind, site.level, site.side) for site in sites)
