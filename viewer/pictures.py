"""Off-screen pictures of scenes for the plan sheet and the screenshots: the same painters as on screen, at print size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QGuiApplication, QImage, QPainter

from viewer import divided, furniture
from viewer.orbit import DIRECTIONS, STANDARD, Orbit
from viewer.pose import Plane, PlaneName, Pose, plane_along, standard_plane
from viewer.scene import Point, Scene, SceneNeedle, point
from viewer.slice_picture import SlicePainter
from viewer.spatial_view import reach
from viewer.theme import ThemeName, theme
from viewer.windows import Window, first_window

_NEEDLE_MARGIN_MM = 28.0


def slice_picture(
    scene: Scene,
    plane: PlaneName | Plane,
    centre_mm: Any,
    size_px: tuple[int, int],
    *,
    width_mm: float | None = None,
    window: Window | None = None,
    ratio: float = 2.0,
    theme_name: ThemeName = "dark",
    crosshair: bool = False,
    title: str | None = None,
) -> QImage:
    """A slice through a point, with all that lies on it.

    size_px: width and height in logical pixels; the picture has `ratio` times as many. width_mm: how much of the patient it is wide;
    the whole scan if None. title: in place of the plane's name. Raises ValueError when the scene has no volume.
    """
    if scene.volume is None:
        raise ValueError("a slice needs a volume")
    assert QGuiApplication.instance() is not None, "text needs a QGuiApplication"
    flat = standard_plane(plane) if isinstance(plane, str) else plane
    at = point(centre_mm)
    pose = Pose(flat, (0.0, 0.0), 0.0, 1.0, *size_px)
    if width_mm is None:
        pose = pose.fitted(scene.volume.frame.corners_mm)
    else:
        place = np.array(at)
        pose = replace(pose, centre_mm=(float(place @ flat.right), float(place @ flat.down)), px_per_mm=size_px[0] / width_mm)
    pose = pose.at(at, scene.volume.frame)
    image = QImage(round(size_px[0] * ratio), round(size_px[1] * ratio), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    painter = QPainter(image)
    axes = (flat.right, flat.down) if crosshair else None
    SlicePainter().paint(painter, scene, pose, window or first_window(scene.volume), theme(theme_name), at, axes, ratio, True, title)
    painter.end()
    return image


def needle_picture(scene: Scene, needle: SceneNeedle, size_px: tuple[int, int], **options: Any) -> QImage:
    """The oblique slice that holds a needle from skin to tip; options as of `slice_picture`."""
    entry, target = np.array(needle.entry_mm), np.array(needle.target_mm)
    plane = plane_along(entry, target)
    step = target - entry
    wide = abs(float(step @ plane.right)) + 2 * _NEEDLE_MARGIN_MM
    high = abs(float(step @ plane.down)) + 2 * _NEEDLE_MARGIN_MM
    options.setdefault("width_mm", max(wide, high * size_px[0] / size_px[1]))
    options.setdefault("title", "Along the needle")
    return slice_picture(scene, plane, (entry + target) / 2, size_px, **options)


def scene_picture(
    scene: Scene,
    direction: str | Orbit,
    size_px: tuple[int, int],
    *,
    centre_mm: Point | None = None,
    height_mm: float | None = None,
    ratio: float = 2.0,
    theme_name: ThemeName = "dark",
    furnished: bool = True,
) -> QImage:
    """The scene in space, seen from "standard", "behind", "front", "left", "right", "above" or "below", or along an orbit.

    Everything is in sight unless centre_mm and height_mm say otherwise. It makes and closes its own graphics: call it in the window's
    thread. `surfaces` of the scene must be there. furnished: with its name and direction. Raises KeyError for another direction.
    """
    from viewer.stage import Stage

    wide, high = size_px
    if isinstance(direction, Orbit):
        orbit = direction
    else:
        azimuth, elevation = STANDARD if direction == "standard" else DIRECTIONS[direction]
        orbit = Orbit(azimuth_deg=azimuth, elevation_deg=elevation)
        seen = reach(scene)
        if seen is not None:
            orbit = orbit.framing(seen, wide / high)
    if centre_mm is not None:
        orbit = replace(orbit, focus_mm=point(centre_mm))
    if height_mm is not None:
        orbit = replace(orbit, distance_mm=orbit.distance_mm * height_mm / (orbit.mm_per_px(high) * high))
    stage = Stage(theme(theme_name))
    try:
        stage.show(scene, None)
        while stage.refine():
            pass
        # twice as fine as asked, then halved: smooth edges without multisampling
        picture = stage.picture(orbit, round(2 * wide * ratio), round(2 * high * ratio))
    finally:
        stage.close()
    image = QImage(round(wide * ratio), round(high * ratio), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    painter = QPainter(image)
    painter.setRenderHints(QPainter.RenderHint.SmoothPixmapTransform | QPainter.RenderHint.Antialiasing)
    painter.drawImage(QRectF(QPointF(0, 0), QPointF(wide, high)), picture)
    if furnished:
        furniture.paint_title(painter, theme(theme_name), "3D", orbit.words, wide)
        furniture.paint_counted(painter, theme(theme_name), scene.anatomy, wide)
        furniture.paint_space_levels(painter, theme(theme_name), scene, orbit, wide, high)
        divided.paint_space_legend(painter, theme(theme_name), scene, wide, high)
        furniture.paint_watermark(painter, theme(theme_name), scene.watermark, wide, high, at_right=True)
    painter.end()
    return image
