"""The distance and angle tools: points that are clicked one after the other, until they are a measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainter

from viewer import furniture, overlays
from viewer.scene import Measurement, Point, Scene
from viewer.theme import Theme

if TYPE_CHECKING:
    from viewer.pose import Pose

_POINTS = {"distance": 2, "angle": 3}
_HINTS = {"distance": "Distance: click two points · Esc ends", "angle": "Angle: click three points · Esc ends"}


class MeasureTool:
    """At rest until `start`; then it takes points."""

    def __init__(self) -> None:
        self.name = ""
        self._points: tuple[Point, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.name)

    def start(self, name: str) -> None:
        """Begin with "distance" or "angle"; "" ends it. Raises KeyError for another word."""
        if name:
            _POINTS[name]
        self.name, self._points = name, ()

    def add(self, point_mm: Point) -> Measurement | None:
        """Take a point; the measurement when it was the last one, and the tool rests again."""
        self._points = (*self._points, point_mm)
        if len(self._points) < _POINTS[self.name]:
            return None
        done = Measurement(self._points)
        self.start("")
        return done

    def paint(self, painter: QPainter, theme: Theme, scene: Scene, pose: Pose, pointer_mm: Point | None) -> None:
        """What is measured so far, as far as the pointer, and what to do next."""
        if not self:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        points = self._points if pointer_mm is None or not self._points else (*self._points, pointer_mm)
        if len(points) >= 2:
            overlays.paint_measurement(painter, theme, pose, Measurement(points), overlays.half_slice_mm(scene, pose))
        painter.setFont(theme.font())
        furniture.text(painter, theme, "measure", QPointF(10, pose.height - 30), _HINTS[self.name])
