"""Scene: everything that the views show, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import acos, degrees, dist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from viewer.arrival import Arrival
from viewer.windows import Window

if TYPE_CHECKING:
    from planner.anatomy.compartments import Compartments
    from planner.anatomy.spine import Anatomy
    from planner.geometry import Volume
    from planner.leak.leak import Leak
    from planner.needles.candidate import Candidate
    from planner.patch.forecast import Forecast
    from viewer.surfaces import Mesh

Point = tuple[float, float, float]
"""LPS in mm."""

HIDDEN_AT_FIRST = frozenset({"skin", "volume rendering", "landmarks", "canal wall", "compartments"})
"""What is switched off until somebody asks for it."""

NeedleRole = Literal["taken", "preview", "other"]
"""taken: the plan; preview: the one that is looked at; other: one more proposal, drawn thin and never dragged."""


def point(values: Any) -> Point:
    """Three floats of any sequence or array."""
    x, y, z = values
    return float(x), float(y), float(z)


@dataclass(frozen=True)
class SceneNeedle:
    """A needle to draw. ok: its checks pass (None: not known yet, while it is dragged); words: the short text beside it."""

    entry_mm: Point
    target_mm: Point
    role: NeedleRole = "taken"
    ok: bool | None = True
    words: str = ""
    outer_mm: float = 0.7
    number: int = 1

    @property
    def depth_mm(self) -> float:
        """Skin to tip."""
        return dist(self.entry_mm, self.target_mm)

    @classmethod
    def of(cls, candidate: Candidate, role: NeedleRole = "taken", number: int = 1, outer_mm: float = 0.7) -> SceneNeedle:
        """A candidate of the planner."""
        words = f"{candidate.depth_mm:.0f} mm · {abs(candidate.in_plane_deg):.0f}° in plane"
        return cls(candidate.entry_mm, candidate.target_mm, role, candidate.passes, words, outer_mm, number)


@dataclass(frozen=True)
class ScenePatch:
    """The patch at one total volume: what has arrived by then. Two are equal when they show the same."""

    arrival: Arrival
    ml: float

    @classmethod
    def of(cls, forecast: Forecast, ml: float, before: ScenePatch | None = None) -> ScenePatch:
        """A forecast of the planner at a volume; what was prepared for `before` is kept where it shows the same forecast."""
        ml = float(ml)  # doses may be whole numbers; the kernels are compiled for others
        if before is None or before.arrival.first_ml is not forecast.arrival_ml:
            return cls(Arrival(forecast.frame, forecast.arrival_ml), ml)
        return cls(before.arrival, ml)


@dataclass(frozen=True)
class SceneSecond:
    """A second scan over the first: its volume where it is laid (on an oblique frame), the share of it in the picture, 0..1, and its
    window. names: of the first and the second, as the views say them; doubt: why places in both are not to be compared, or nothing."""

    volume: Volume
    share: float
    window: Window
    names: tuple[str, str] = ("first", "second")
    doubt: str = ""

    @property
    def words(self) -> str:
        """`CT 60 % + MR 40 %`, with `△ questionable` where there is a doubt."""
        shown = round(100 * self.share)
        said = f"{self.names[0]} {100 - shown} % + {self.names[1]} {shown} %"
        return f"{said}  △ {self.doubt}" if self.doubt else said


@dataclass(frozen=True)
class Measurement:
    """A distance (two points) or an angle (three points, at the second)."""

    points_mm: tuple[Point, ...]

    @property
    def words(self) -> str:
        """`12.4 mm` or `37°`."""
        points = self.points_mm
        if len(points) == 2:
            return f"{dist(*points):.1f} mm"
        a = [p - q for p, q in zip(points[0], points[1])]
        b = [p - q for p, q in zip(points[2], points[1])]
        lengths = dist(points[0], points[1]) * dist(points[2], points[1])
        if not lengths:
            return "0°"
        cosine = sum(p * q for p, q in zip(a, b)) / lengths
        return f"{degrees(acos(max(-1.0, min(1.0, cosine)))):.0f}°"


@dataclass(frozen=True, eq=False)
class Scene:
    """What is shown. A view draws only what is there.

    hidden: names of structures that are switched off (as in `Anatomy.structures`, and "patch", "needles", "leaks", "level names",
    "volume rendering", "canal wall" for its kinds, "compartments"). surfaces: the meshes of `viewer.surfaces.surfaces`, or None while they
    are not made. compartments: of the epidural space, None while nobody asked for them or they are not made.
    watermark: a word across every view, such as "phantom". second: another scan laid over it, or None.
    filled: the share of the volume that is there, while it is still read.
    """

    volume: Volume | None = None
    anatomy: Anatomy | None = None
    hidden: frozenset[str] = HIDDEN_AT_FIRST
    leaks: tuple[Leak, ...] = ()
    needles: tuple[SceneNeedle, ...] = ()
    patch: ScenePatch | None = None
    measurements: tuple[Measurement, ...] = ()
    surfaces: Mapping[str, Mesh] | None = None
    compartments: Compartments | None = None
    watermark: str = ""
    second: SceneSecond | None = None
    filled: float = 1.0

    def shows(self, name: str) -> bool:
        """Whether a structure is switched on."""
        return name not in self.hidden

    def changes(self, before: Scene | None) -> frozenset[str]:
        """The names of the fields that differ from those of a scene before; all of them where there was none."""
        return frozenset(one.name for one in fields(self) if before is None or getattr(self, one.name) != getattr(before, one.name))


def same_scan(one: Volume | None, other: Volume | None) -> bool:
    """Whether two volumes show the same voxels, as one that is still read does and the one that it becomes."""
    if one is None or other is None or one is other:
        return one is other
    return one.frame == other.frame and np.may_share_memory(one.voxels, other.voxels)


EMPTY = Scene()
