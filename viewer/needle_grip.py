"""Taking a needle by an end or as a whole and moving it inside a slice, or in space on a plane parallel to the picture.

Pure: the view asks, and reports the gesture.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import dist
from typing import Any, Literal, Protocol

import numpy as np

from viewer.scene import Point, Scene, SceneNeedle, point

_REACH_PX = 9.0

Part = Literal["entry", "target", "whole"]


class Sheet(Protocol):
    """What a hand moves on: a slice's pose, or a plane in space."""

    def to_screen(self, point_mm: Any, /) -> Any:
        """Logical pixels of an LPS point."""

    def to_world(self, x: float, y: float, /) -> Any:
        """The LPS point under a logical pixel."""


@dataclass(frozen=True)
class NeedleGrip:
    """What the pointer holds: which needle of the scene, which part of it, and how it was when it was taken at `start_mm`."""

    index: int
    part: Part
    needle: SceneNeedle
    start_mm: Point


def grip(scene: Scene, pose: Sheet, x: float, y: float, whole: bool) -> NeedleGrip | None:
    """The needle under a logical pixel position: one of its ends; with `whole`, any place of its shaft. Nearest first."""
    if not scene.shows("needles"):
        return None
    found: list[tuple[float, NeedleGrip]] = []
    here = point(pose.to_world(x, y))
    for index, needle in enumerate(scene.needles):
        if needle.role == "other":
            continue
        a, b = pose.to_screen(needle.entry_mm), pose.to_screen(needle.target_mm)
        at = np.array([x, y])
        if whole:
            length = float((b - a) @ (b - a))
            share = min(max(float((at - a) @ (b - a)) / length, 0.0), 1.0) if length else 0.0
            found.append((float(np.hypot(*(a + share * (b - a) - at))), NeedleGrip(index, "whole", needle, here)))
        else:
            found.append((float(np.hypot(*(a - at))), NeedleGrip(index, "entry", needle, here)))
            found.append((float(np.hypot(*(b - at))), NeedleGrip(index, "target", needle, here)))
    near = [one for one in found if one[0] <= _REACH_PX]
    return min(near, key=lambda one: one[0])[1] if near else None


def moved(held: NeedleGrip, to_mm: Point) -> tuple[Point, Point]:
    """Entry and target after the pointer went to a point of the same plane; what is held keeps its distance from the slice."""
    step = np.subtract(to_mm, held.start_mm)
    entry, target = np.array(held.needle.entry_mm), np.array(held.needle.target_mm)
    if held.part in ("entry", "whole"):
        entry = entry + step
    if held.part in ("target", "whole"):
        target = target + step
    return point(entry), point(target)


def live_words(entry_mm: Point, target_mm: Point, scene: Scene) -> str:
    """What is said while a needle is dragged: its depth, and how far its tip is from the nearest leak."""
    depth = f"{dist(entry_mm, target_mm):.0f} mm"
    if not scene.leaks:
        return depth
    return f"{depth} · tip {min(dist(target_mm, leak.position_mm) for leak in scene.leaks):.1f} mm from the leak"
