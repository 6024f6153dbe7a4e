"""Where a view looks: a plane of the patient, a place in it, a scale. The only place in the viewer that converts pixels and mm.

The patient's left is at the right of axial and coronal pictures (as if looking from the feet, and from the front); a sagittal picture
is seen from the patient's left, with the front of the body at the left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import cos, radians, sin
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from planner.geometry import Floats, Frame

PlaneName = Literal["axial", "sagittal", "coronal", "oblique"]
PLANES: tuple[PlaneName, ...] = ("axial", "sagittal", "coronal")

_LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))
_SLANT = 0.38  # a direction names its second axis from 22 degrees on


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane of the patient by the LPS unit vectors along the picture's right and down."""

    name: PlaneName
    right: Floats
    down: Floats

    @cached_property
    def normal(self) -> Floats:
        """The unit vector along which slices are counted: to the head, to the patient's right, to the back."""
        return np.cross(self.right, self.down)

    @cached_property
    def is_standard(self) -> bool:
        """True when it lies along the patient's axes."""
        return bool(np.abs(self.right).max() > 1 - 1e-9 and np.abs(self.down).max() > 1 - 1e-9)

    def turned(self, axis: ArrayLike, angle_deg: float) -> Plane:
        """This plane turned about a direction (right-hand rule)."""
        x, y, z = np.asarray(axis, dtype=np.float64) / np.linalg.norm(axis)
        c, s = cos(radians(angle_deg)), sin(radians(angle_deg))
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        turn = np.eye(3) + s * cross + (1 - c) * (cross @ cross)
        return Plane(self.name, turn @ self.right, turn @ self.down)


def standard_plane(name: PlaneName) -> Plane:
    """The axial, sagittal or coronal plane."""
    x, y, z = np.eye(3)
    right, down = {"axial": (x, y), "sagittal": (y, -z), "coronal": (x, -z)}[name]
    return Plane(name, right, down)


def plane_along(entry_mm: ArrayLike, target_mm: ArrayLike, up: ArrayLike = (0.0, 0.0, 1.0)) -> Plane:
    """The oblique plane that holds a needle: as near to axial as it can be (the head end toward the viewer's back).

    For a needle along `up` it is the sagittal one.
    """
    step = np.asarray(target_mm, dtype=np.float64) - np.asarray(entry_mm, dtype=np.float64)
    length = float(np.linalg.norm(step))
    along = step / length if length else np.array([0.0, -1.0, 0.0])
    across = np.cross(along, np.asarray(up, dtype=np.float64))
    if np.linalg.norm(across) < 1e-6:
        across = np.cross(along, [1.0, 0.0, 0.0])
    normal = np.cross(across, along)
    normal = normal / np.linalg.norm(normal) * (1.0 if normal[2] >= 0 else -1.0)
    left = np.array([1.0, 0.0, 0.0])
    right = left - (left @ normal) * normal  # the patient's left stays at the picture's right
    if np.linalg.norm(right) < 1e-6:
        right = np.array([0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    return Plane("oblique", right, np.cross(normal, right))


def letters(direction: ArrayLike) -> str:
    """The orientation letters of a direction, strongest first: "L", "AL", "HPR" never more than two."""
    d = np.asarray(direction, dtype=np.float64)
    order = np.argsort(-np.abs(d))[:2]
    return "".join(_LETTERS[axis][0 if d[axis] > 0 else 1] for axis in order if abs(d[axis]) > _SLANT or axis == order[0])


@dataclass(frozen=True, eq=False)
class Pose:
    """A picture of `width` x `height` logical pixels of a plane.

    centre_mm: what lies at the picture's middle, along `plane.right` and `plane.down`. depth_mm: the plane's place along its normal.
    """

    plane: Plane
    centre_mm: tuple[float, float]
    depth_mm: float
    px_per_mm: float
    width: int
    height: int

    def to_screen(self, points_mm: ArrayLike) -> Floats:
        """Logical pixels (..., 2) of LPS points (..., 3), projected along the normal."""
        points = np.asarray(points_mm, dtype=np.float64)
        u = points @ self.plane.right - self.centre_mm[0]
        v = points @ self.plane.down - self.centre_mm[1]
        return np.stack([u * self.px_per_mm + self.width / 2, v * self.px_per_mm + self.height / 2], axis=-1)

    def to_world(self, x: float, y: float) -> Floats:
        """The LPS point of this plane under a logical pixel position."""
        u = (x - self.width / 2) / self.px_per_mm + self.centre_mm[0]
        v = (y - self.height / 2) / self.px_per_mm + self.centre_mm[1]
        return u * self.plane.right + v * self.plane.down + self.depth_mm * self.plane.normal

    def distance_mm(self, points_mm: ArrayLike) -> Any:
        """Signed distance of LPS points (..., 3) from the plane, positive along its normal."""
        return np.asarray(points_mm, dtype=np.float64) @ self.plane.normal - self.depth_mm

    def pixel_grid(self, frame: Frame, ratio: float) -> tuple[Floats, Floats, Floats]:
        """Fractional index (k, j, i) of the picture's first device pixel, and its steps along a row and down a column.

        ratio: device pixels in a logical pixel.
        """
        half = 0.5 / ratio
        corners = np.stack([self.to_world(half, half), self.to_world(half + 1 / ratio, half), self.to_world(half, half + 1 / ratio)])
        first, right, down = frame.to_index(corners)
        return first, right - first, down - first

    def zoomed(self, factor: float, x: float, y: float) -> Pose:
        """Scaled about a logical pixel position, which keeps its place."""
        scale = min(max(self.px_per_mm * factor, 0.05), 80.0)
        u = (x - self.width / 2) * (1 / self.px_per_mm - 1 / scale)
        v = (y - self.height / 2) * (1 / self.px_per_mm - 1 / scale)
        return replace(self, px_per_mm=scale, centre_mm=(self.centre_mm[0] + u, self.centre_mm[1] + v))

    def panned(self, dx: float, dy: float) -> Pose:
        """Moved so that the picture follows the pointer by (dx, dy) logical pixels."""
        return replace(self, centre_mm=(self.centre_mm[0] - dx / self.px_per_mm, self.centre_mm[1] - dy / self.px_per_mm))

    def at(self, point_mm: ArrayLike, frame: Frame | None = None) -> Pose:
        """The slice through a point; on a standard plane of a frame, the nearest whole slice of it."""
        point = np.asarray(point_mm, dtype=np.float64)
        if frame is not None and self.plane.is_standard:
            index = np.rint(frame.to_index(point))
            point = frame.to_world(np.clip(index, 0, np.array(frame.shape) - 1))
        return replace(self, depth_mm=float(point @ self.plane.normal))

    def fitted(self, corners_mm: Floats, margin: float = 1.0) -> Pose:
        """Centred on and scaled to a set of points, shape (n, 3)."""
        u, v = corners_mm @ self.plane.right, corners_mm @ self.plane.down
        wide, high = max(float(np.ptp(u)), 1e-3), max(float(np.ptp(v)), 1e-3)
        scale = min(self.width / wide, self.height / high) * margin
        centre = (float(u.max() + u.min()) / 2, float(v.max() + v.min()) / 2)
        return replace(self, centre_mm=centre, px_per_mm=min(max(scale, 0.05), 80.0))


def slice_step_mm(plane: Plane, frame: Frame) -> float:
    """Distance between neighbouring slices of a plane; along an oblique normal the finest spacing that it meets."""
    share = np.abs(frame.directions.T @ plane.normal)
    spacing = np.array(frame.spacing_mm)
    if plane.is_standard:
        return float(spacing[int(share.argmax())])
    return float(spacing[share > 0.2].min())
