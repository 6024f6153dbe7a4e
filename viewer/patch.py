"""The patch at one volume: as a translucent picture on a slice, and as a surface in space. Both follow a hand on the volume slider."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage, QPainter

from viewer.pose import Pose
from viewer.scene import ScenePatch
from viewer.theme import Theme

if TYPE_CHECKING:
    from viewer.surfaces import Surface

_FILL, _EDGE = np.float32(0.5), np.float32(0.95)
_LIGHT_MM = 2.0  # the spacing of the surface that follows a hand
_WALL_LEAST_ML, _WALL_SHARE = 0.5, 0.1  # how late a wall counts as filled


class PatchPicture:
    """The patch on a plane as a translucent picture; its buffer is kept."""

    def __init__(self) -> None:
        self._buffer: NDArray[np.uint8] = np.zeros((1, 1, 4), dtype=np.uint8)

    def paint(self, painter: QPainter, theme: Theme, patch: ScenePatch, pose: Pose, ratio: float) -> None:
        """Fill what the patch fills, at its voxels' own smoothness."""
        from viewer.kernels import tint_arrival

        arrival = patch.arrival
        corners = arrival.corners_mm(patch.ml)
        if corners is None:
            return
        if not pose.distance_mm(corners).min() <= 0 <= pose.distance_mm(corners).max():
            return
        screen = pose.to_screen(corners)
        x0, y0 = (max(0, floor(n)) for n in screen.min(axis=0))
        x1, y1 = (ceil(n) for n in screen.max(axis=0))
        x1, y1 = min(pose.width, x1), min(pose.height, y1)
        if x1 <= x0 or y1 <= y0:
            return
        window = replace(pose, width=x1 - x0, height=y1 - y0)
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        window = replace(
            window, centre_mm=tuple(c + (m - s / 2) / pose.px_per_mm for c, m, s in zip(pose.centre_mm, middle, (pose.width, pose.height)))
        )
        first, right, down = window.pixel_grid(arrival.frame, ratio)
        shape = (round(window.height * ratio), round(window.width * ratio), 4)
        if self._buffer.shape != shape:
            self._buffer = np.zeros(shape, dtype=np.uint8)
        colour = theme.colour("patch")
        tint_arrival(
            arrival.first_ml, first, right, down, patch.ml, colour.red(), colour.green(), colour.blue(), _FILL, _EDGE, self._buffer
        )
        image = QImage(self._buffer.data, shape[1], shape[0], shape[1] * 4, QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(ratio)
        painter.drawImage(QPointF(x0, y0), image)


def patch_surface(patch: ScenePatch, light: bool = False) -> Surface | None:
    """The surface of what is filled; smooth, because the volume at which a voxel fills is. None where nothing is filled.

    light: with fewer triangles, to follow a hand.
    """
    from viewer.kernels import filled_by
    from viewer.surfaces import contour, with_normals

    arrival = patch.arrival
    box = arrival.box(patch.ml)
    if box is None:
        return None
    # a wall is as far outside as the tolerance: the surface then runs half a voxel beyond the last filled one
    wall_ml = max(_WALL_LEAST_ML, _WALL_SHARE * patch.ml)
    step = np.maximum(1, np.rint(_LIGHT_MM / np.array(arrival.frame.spacing_mm))).astype(np.int64) if light else np.ones(3, dtype=np.int64)
    low = box[0] - step
    field = np.empty((box[1] - low) // step + 2, dtype=np.float32)
    filled_by(arrival.first_ml, low, step, np.float32(patch.ml), np.float32(wall_ml), field)
    found = contour(field, 0.0)
    if found is None:
        return None
    points, triangles = found
    return with_normals(arrival.frame.to_world(low + points * step + (step - 1) / 2), triangles)
