"""One slice with everything on it, painted the same way on screen and on paper."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QImage, QPainter

from viewer import furniture, marks, overlays
from viewer.divided import Divided
from viewer.grey import GreyPicture
from viewer.outlines import OutlineStore
from viewer.patch import PatchPicture
from viewer.pose import Pose
from viewer.scene import Point, Scene
from viewer.theme import Theme
from viewer.windows import Window


class SlicePainter:
    """Paints poses of scenes; keeps buffers and outlines between calls, and what lies over the patch while only the patch changes."""

    def __init__(self) -> None:
        self._grey = GreyPicture()
        self._outlines = OutlineStore()
        self._divided = Divided()
        self._patch = PatchPicture()
        self._painted: tuple[Scene, tuple[Any, ...], object] | None = None
        self._over: QImage | None = None

    def paint(
        self,
        painter: QPainter,
        scene: Scene,
        pose: Pose,
        window: Window,
        theme: Theme,
        crosshair: Point,
        axes: tuple[Any, Any] | None,
        ratio: float = 1.0,
        fine: bool = True,
        title: str | None = None,
    ) -> None:
        """Everything that a scene has on the plane of a pose.

        axes: LPS directions of the crosshair's lines, or None for no crosshair. ratio: device pixels in a logical pixel.
        fine: the better picture, for when nothing moves. title: the view's name in place of that of its plane.
        """
        asked = (pose, window, theme, crosshair, ratio, fine, title)
        before, self._painted = self._painted, (scene, asked, axes)
        same_place = before is not None and before[1] == asked and before[2] is axes
        changed = scene.changes(before[0] if before is not None and same_place else None)
        if changed - {"patch"}:
            self._over = None
        if scene.volume is None:
            painter.fillRect(QRectF(0, 0, pose.width, pose.height), theme.colour("view"))
        else:
            tint = theme.rgb("second scan")
            grey = self._grey.image(scene.volume, pose, window, ratio, fine, scene.filled, scene.second, tint)
            painter.drawImage(QPointF(0, 0), grey)
            if scene.patch is not None and scene.shows("patch"):
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                self._patch.paint(painter, theme, scene.patch, pose, ratio)
        if changed == {"patch"} and self._over is None:  # a hand on the volume slider: from now on only the patch is made anew
            self._over = QImage(round(pose.width * ratio), round(pose.height * ratio), QImage.Format.Format_ARGB32_Premultiplied)
            self._over.setDevicePixelRatio(ratio)
            self._over.fill(0)
            with QPainter(self._over) as over:
                self._paint_over(over, scene, pose, theme, crosshair, axes, title)
        if self._over is not None:
            painter.drawImage(QPointF(0, 0), self._over)
        else:
            self._paint_over(painter, scene, pose, theme, crosshair, axes, title)

    def _paint_over(
        self,
        painter: QPainter,
        scene: Scene,
        pose: Pose,
        theme: Theme,
        crosshair: Point,
        axes: tuple[Any, Any] | None,
        title: str | None,
    ) -> None:
        """What lies over scan and patch."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if scene.volume is not None:
            overlays.paint_outlines(painter, theme, scene, pose, self._outlines)
            self._divided.paint(painter, theme, scene, pose)
            if axes is not None:
                furniture.paint_crosshair(painter, theme, pose, crosshair, axes)
            marks.paint_landmarks(painter, theme, scene, pose)
            overlays.paint_levels(painter, theme, scene, pose)
            overlays.paint_needles(painter, theme, scene, pose)
            overlays.paint_leaks(painter, theme, scene, pose)
            overlays.paint_needle_words(painter, theme, scene, pose)
            half = overlays.half_slice_mm(scene, pose)
            for measurement in scene.measurements:
                overlays.paint_measurement(painter, theme, pose, measurement, half)
            self._divided.paint_legend(painter, theme, scene, pose)
            furniture.paint_scale(painter, theme, pose)
            furniture.paint_blend(painter, theme, scene, pose.width, pose.height)
        words = furniture.place_words(scene, pose, crosshair)
        end = furniture.paint_title(painter, theme, title or furniture.TITLES[pose.plane.name], words, pose.width)
        furniture.paint_counted(painter, theme, scene.anatomy, pose.width)
        if scene.volume is not None:
            furniture.paint_letters(painter, theme, pose, end)
        furniture.paint_watermark(painter, theme, scene.watermark, pose.width, pose.height)
