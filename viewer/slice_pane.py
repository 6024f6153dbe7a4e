"""A slice of a scene on a plane: it shows what it is told, and repaints no more than that takes. Its hands are in `slice_view.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QSize, Qt, QTimer
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from viewer import furniture, warming
from viewer.pose import Plane, PlaneName, Pose, standard_plane
from viewer.scene import EMPTY, Point, Scene, point, same_scan
from viewer.slice_picture import SlicePainter
from viewer.theme import Theme, ThemeName, theme
from viewer.windows import Window, first_window

_STILL_MS = 120
_PLACEHOLDER_MS = 40


class SlicePane(QWidget):
    """The scan on one plane, with all that lies on it. Points are LPS mm as tuples of three floats."""

    def __init__(self, plane: PlaneName, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plane_name: PlaneName = plane
        self._scene = EMPTY
        self._theme: Theme = theme("dark")
        self._pose = Pose(standard_plane(plane), (0.0, 0.0), 0.0, 1.0, 1, 1)
        self._crosshair: Point = (0.0, 0.0, 0.0)
        self._axes: tuple[Any, Any] = (self._pose.plane.right, self._pose.plane.down)
        self._crosshair_shown = True
        self._window = Window(400.0, 1800.0)
        self._painter = SlicePainter()
        self._fitted = True  # the whole scan is shown: a resize keeps it so
        self._fine = True
        self._still = QTimer(self, singleShot=True, interval=_STILL_MS)
        self._still.timeout.connect(self._refine)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(f"{furniture.TITLES[plane]} view")

    def set_scene(self, scene: Scene) -> None:
        """Show another scene. A new scan brings its own window and the standard view; everything else stays where it is."""
        before, self._scene = self._scene, scene
        if scene.volume is not None and not same_scan(scene.volume, before.volume):
            same_place = before.volume is not None and before.volume.frame == scene.volume.frame
            self._window = first_window(scene.volume)
            if not same_place:
                self._crosshair = point(scene.volume.frame.to_world(np.array(scene.volume.frame.shape) // 2))
                self.show_standard()
        self._fine = True
        self.update()

    def set_theme(self, name: ThemeName) -> None:
        """Take the colours and strokes of a theme."""
        self._theme = theme(name)
        self.update()

    def set_crosshair(self, point_mm: Point) -> None:
        """Go to the slice through a point."""
        if point_mm == self._crosshair:
            return
        self._crosshair = point(point_mm)
        self._pose = self._pose.at(self._crosshair, self._frame)
        self._moving()

    def set_crosshair_shown(self, shown: bool) -> None:
        """Show or hide the crosshair's lines."""
        self._crosshair_shown = shown
        self.update()

    def set_window(self, centre: float, width: float) -> None:
        """Show these values between black and white."""
        if (centre, width) != self._window:
            self._window = Window(float(centre), max(float(width), 1e-3))
            self._moving()

    def set_plane(self, plane: Plane, axes: tuple[Any, Any] | None = None) -> None:
        """Turn to a plane through the crosshair; axes: LPS directions of the crosshair's lines (the other planes' traces)."""
        centre = self._pose.to_world(self.width() / 2, self.height() / 2)
        self._axes = axes or (plane.right, plane.down)
        centre_mm = (float(centre @ plane.right), float(centre @ plane.down))
        self._pose = replace(self._pose, plane=plane, centre_mm=centre_mm).at(self._crosshair, self._frame)
        self._moving()

    @property
    def scene(self) -> Scene:
        """What is shown."""
        return self._scene

    @property
    def pose(self) -> Pose:
        """Where it looks: the way from pixels to millimetres and back."""
        return self._pose

    @property
    def crosshair(self) -> Point:
        """The crosshair's point."""
        return self._crosshair

    @property
    def window_shown(self) -> Window:
        """The values between black and white."""
        return self._window

    def show_standard(self) -> None:
        """The whole scan on the standard plane."""
        self._pose = replace(self._pose, plane=standard_plane(self._plane_name))
        self._axes = (self._pose.plane.right, self._pose.plane.down)
        self.fit()

    def fit(self) -> None:
        """Show the whole scan."""
        self._fitted = True
        if self._frame is not None and self.width() > 1:
            pose = replace(self._pose, width=self.width(), height=self.height())
            half = np.array(self._frame.spacing_mm) / 2  # to the voxels' outer faces
            corners = self._frame.corners_mm
            outward = np.sign(corners - corners.mean(axis=0)) * (np.abs(self._frame.directions) @ half)
            self._pose = pose.fitted(corners + outward).at(self._crosshair, self._frame)
        self._moving()

    def show_region(self, centre_mm: Point, field_mm: float) -> None:
        """A field of this size round a point; the slice stays the crosshair's."""
        self._fitted = False
        plane = self._pose.plane
        centre = (float(np.dot(centre_mm, plane.right)), float(np.dot(centre_mm, plane.down)))
        self._pose = replace(self._pose, centre_mm=centre, px_per_mm=max(1, min(self.width(), self.height())) / field_mm)
        self._moving()

    # painting

    def sizeHint(self) -> QSize:
        """A quarter of a usual screen."""
        return QSize(480, 420)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the slice and all that lies on it."""
        with QPainter(self) as painter:  # ended even where an error keeps this frame alive
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        if self._scene.volume is not None and not warming.ready():
            painter.fillRect(self.rect(), self._theme.colour("view"))
            furniture.paint_title(painter, self._theme, furniture.TITLES[self._plane_name], "preparing", self.width())
            QTimer.singleShot(_PLACEHOLDER_MS, self, self.update)
            return
        axes = self._axes if self._crosshair_shown else None
        self._painter.paint(
            painter, self._in_hand(), self._pose, self._window, self._theme, self._crosshair, axes, self.devicePixelRatioF(), self._fine
        )
        self._paint_hands(painter)

    def _in_hand(self) -> Scene:
        """The scene with what a hand holds where the hand is."""
        return self._scene

    def _paint_hands(self, painter: QPainter) -> None:
        """What hands are doing, over everything."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the whole scan in sight, or the same middle and scale."""
        self._pose = replace(self._pose, width=max(1, self.width()), height=max(1, self.height()))
        if self._fitted:
            self.fit()

    def _moving(self) -> None:
        self._fine = False
        self._still.start()
        self.update()

    def _refine(self) -> None:
        self._fine = True
        self.setAccessibleDescription(furniture.place_words(self._scene, self._pose, self._crosshair))
        self.update()

    @property
    def _frame(self) -> Any:
        return self._scene.volume.frame if self._scene.volume is not None else None

    def _point_at(self, at: QPointF) -> Point:
        return point(self._pose.to_world(at.x(), at.y()))
