"""The eye of the 3D view: it circles the patient, who always stands upright. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import cos, radians, sin, tan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from planner.geometry import Floats

VIEW_ANGLE_DEG = 24.0
DIRECTIONS = {
    "behind": (0.0, 0.0),
    "front": (180.0, 0.0),
    "left": (90.0, 0.0),
    "right": (-90.0, 0.0),
    "above": (0.0, 89.0),
    "below": (0.0, -89.0),
}
"""Where the eye stands, as (azimuth, elevation) in degrees."""
STANDARD = (0.0, 20.0)


@dataclass(frozen=True)
class Orbit:
    """Where the eye stands. azimuth_deg: 0 behind the patient, 90 at the patient's left; elevation_deg: above the horizontal.

    focus_mm: LPS point that it looks at; distance_mm: from there.
    """

    focus_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    distance_mm: float = 600.0
    azimuth_deg: float = STANDARD[0]
    elevation_deg: float = STANDARD[1]

    @cached_property
    def toward_eye(self) -> Floats:
        """Unit vector from the focus to the eye."""
        a, e = radians(self.azimuth_deg), radians(self.elevation_deg)
        return np.array([sin(a) * cos(e), cos(a) * cos(e), sin(e)])

    @cached_property
    def up(self) -> Floats:
        """Unit vector that is up in the picture."""
        a, e = radians(self.azimuth_deg), radians(self.elevation_deg)
        return np.array([-sin(a) * sin(e), -cos(a) * sin(e), cos(e)])

    @cached_property
    def right(self) -> Floats:
        """Unit vector to the picture's right."""
        return np.cross(self.up, self.toward_eye)

    @cached_property
    def eye_mm(self) -> Floats:
        """Where the eye is."""
        return np.array(self.focus_mm) + self.distance_mm * self.toward_eye

    def turned(self, dx: float, dy: float) -> Orbit:
        """After a drag of (dx, dy) logical pixels: the patient follows the hand."""
        return replace(
            self,
            azimuth_deg=(self.azimuth_deg + 0.4 * dx + 180) % 360 - 180,
            elevation_deg=min(89.0, max(-89.0, self.elevation_deg + 0.4 * dy)),
        )

    def panned(self, dx: float, dy: float, height: float) -> Orbit:
        """After a drag of (dx, dy) in a picture of `height` logical pixels, what is at the focus stays under the hand."""
        mm = self.mm_per_px(height)
        focus = np.array(self.focus_mm) - dx * mm * self.right + dy * mm * self.up
        return replace(self, focus_mm=(float(focus[0]), float(focus[1]), float(focus[2])))

    def dollied(self, factor: float) -> Orbit:
        """Nearer by a factor above 1."""
        return replace(self, distance_mm=min(max(self.distance_mm / factor, 20.0), 5000.0))

    def mm_per_px(self, height: float) -> float:
        """Size of a logical pixel at the focus."""
        return 2 * self.distance_mm * tan(radians(VIEW_ANGLE_DEG / 2)) / max(height, 1.0)

    def looking_from(self, direction: str) -> Orbit:
        """The same focus seen from "behind", "front", "left", "right", "above" or "below". Raises KeyError for another word."""
        azimuth, elevation = DIRECTIONS[direction]
        return replace(self, azimuth_deg=azimuth, elevation_deg=elevation)

    def framing(self, points_mm: ArrayLike, aspect: float, margin: float = 1.02) -> Orbit:
        """The same direction, moved so that points (n, 3) fill a picture of this width to height."""
        points = np.asarray(points_mm, dtype=np.float64)
        centre = (points.max(axis=0) + points.min(axis=0)) / 2
        off = points - centre
        slope = tan(radians(VIEW_ANGLE_DEG / 2))
        depth = off @ self.toward_eye
        need = np.maximum(np.abs(off @ self.up), np.abs(off @ self.right) / aspect) / slope + depth
        return replace(
            self, focus_mm=(float(centre[0]), float(centre[1]), float(centre[2])), distance_mm=max(50.0, float(need.max()) * margin)
        )

    def to_screen(self, points_mm: ArrayLike, width: float, height: float) -> Any:
        """Logical pixels (..., 2) of LPS points (..., 3)."""
        off = np.asarray(points_mm, dtype=np.float64) - self.eye_mm
        depth = -(off @ self.toward_eye)
        scale = height / 2 / tan(radians(VIEW_ANGLE_DEG / 2)) / np.maximum(depth, 1e-3)
        return np.stack([width / 2 + off @ self.right * scale, height / 2 - off @ self.up * scale], axis=-1)

    @property
    def words(self) -> str:
        """`from behind, tilted 20°`."""
        names = {0: "from behind", 1: "from behind left", 2: "from the left", 3: "from the front left", 4: "from the front",
                 5: "from the front right", 6: "from the right", 7: "from behind right"}  # fmt: skip
        if abs(self.elevation_deg) > 75:
            return "from above" if self.elevation_deg > 0 else "from below"
        side = names[round((self.azimuth_deg % 360) / 45) % 8]
        tilt = round(abs(self.elevation_deg))
        return f"{side}, tilted {tilt}°" + ("" if self.elevation_deg > 0 else " up") if tilt >= 3 else side


@dataclass(frozen=True)
class HandPlane:
    """The plane through a point, parallel to the picture, on which a hand moves what it holds in space."""

    orbit: Orbit
    width: float
    height: float
    through_mm: tuple[float, float, float]

    def to_screen(self, point_mm: ArrayLike) -> Any:
        """Logical pixels of an LPS point."""
        return self.orbit.to_screen(point_mm, self.width, self.height)

    def to_world(self, x: float, y: float) -> Floats:
        """The LPS point of the plane under a logical pixel."""
        slope = 2 * tan(radians(VIEW_ANGLE_DEG / 2)) / max(self.height, 1.0)
        orbit = self.orbit
        ray = slope * ((x - self.width / 2) * orbit.right - (y - self.height / 2) * orbit.up) - orbit.toward_eye
        depth = float((orbit.eye_mm - np.array(self.through_mm)) @ orbit.toward_eye)
        return orbit.eye_mm + depth * ray
