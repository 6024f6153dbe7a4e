"""What lies on a slice: outlines, leaks, needles, level names, measurements. Colour is never the only sign."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPainterPath, QTransform

from viewer.furniture import doubt, text
from viewer.outlines import OutlineStore
from viewer.pose import Pose, slice_step_mm
from viewer.scene import Measurement, Scene, SceneNeedle
from viewer.theme import Theme

LEAK_RADIUS_PX = 8.0
_LEAK_SEEN_MM = 15.0  # farther off the slice a leak is not drawn
_LEVEL_SEEN_MM = 18.0  # half a vertebral body
_HUB_MM = 14.0
_TITLE_PX = 36.0  # the upper edge belongs to the title, the lower one to the scale
_FOOT_PX = 44.0
_STRONG = {"canal": 1.0, "sac": 1.0, "roots": 1.0, "cord": 0.7, "contrast outside": 1.0}
_DASHES, _DOTS = (5.0, 3.0), (1.5, 2.0)
_NAMED = ("aorta", "vena cava", "vertebral artery", "lung", "kidney", "bowel gas")


def half_slice_mm(scene: Scene, pose: Pose) -> float:
    """Half the distance between slices, and no less than half a needle."""
    return max(0.5, slice_step_mm(pose.plane, scene.volume.frame) / 2) if scene.volume is not None else 0.5


def paint_outlines(painter: QPainter, theme: Theme, scene: Scene, pose: Pose, store: OutlineStore) -> None:
    """Lines round the structures; dashed where they were modelled or bridged rather than seen."""
    if scene.anatomy is None:
        return
    to_screen = to_pixels(pose)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for name, outline in store.on(scene.anatomy, pose).items():
        if not scene.shows(name) or (name == "canal" and scene.shows("canal wall")):
            continue
        width, opacity = _STRONG.get(name, 0.7), 0.95 if name in _STRONG else 0.7
        modelled = outline.modelled is None and scene.anatomy.structure(name).provenance == "modelled"
        dashes = _DOTS if name == "contrast outside" else _DASHES if modelled else ()
        painter.setPen(theme.pen(name, width, opacity=opacity, dashes=dashes))
        painter.drawPath(to_screen.map(outline.seen))
        if outline.modelled is not None:
            painter.setPen(theme.pen(name, width, opacity=opacity, dashes=_DASHES))
            painter.drawPath(to_screen.map(outline.modelled))
        if name in _NAMED:
            _name_inside(painter, theme, name, to_screen.map(outline.seen), pose)


def to_pixels(pose: Pose) -> QTransform:
    """From a plane's own millimetres (right, down) to logical pixels."""
    scale, (right, down) = pose.px_per_mm, pose.centre_mm
    return QTransform(scale, 0, 0, scale, pose.width / 2 - right * scale, pose.height / 2 - down * scale)


def _name_inside(painter: QPainter, theme: Theme, name: str, path: QPainterPath, pose: Pose) -> None:
    box = path.boundingRect()
    painter.setFont(theme.font(scale=0.85))
    wide = QFontMetricsF(painter.font()).horizontalAdvance(name)
    if box.width() > wide + 6 and box.height() > 18 and path.contains(box.center()):
        text(painter, theme, name, QPointF(box.center().x() - wide / 2, box.center().y() + 4), name)


def paint_levels(painter: QPainter, theme: Theme, scene: Scene, pose: Pose) -> None:
    """Names in the vertebral bodies of sagittal and coronal views."""
    if scene.anatomy is None or pose.plane.name not in ("sagittal", "coronal") or not scene.shows("level names"):
        return
    painter.setFont(theme.font(bold=True, scale=1.05))
    metrics = QFontMetricsF(painter.font())
    for level in scene.anatomy.levels:
        if abs(pose.distance_mm(level.centre_mm)) > _LEVEL_SEEN_MM:
            continue
        x, y = pose.to_screen(level.centre_mm)
        beside = abs(x - pose.width / 2) > 34  # the orientation letters stand in the middle
        if y < _TITLE_PX + (0 if beside else 1.6 * theme.text_px) or (not beside and y > pose.height - 2.6 * theme.text_px):
            continue
        words = level.name + doubt(scene.anatomy)
        text(painter, theme, "view text", QPointF(x - metrics.horizontalAdvance(words) / 2, y + metrics.capHeight() / 2), words)


def paint_leaks(painter: QPainter, theme: Theme, scene: Scene, pose: Pose) -> None:
    """A ring; thin and dashed while the slice lies off the leak, with the distance."""
    if not scene.shows("leaks"):
        return
    painter.setBrush(Qt.BrushStyle.NoBrush)
    near_mm = max(2.0, half_slice_mm(scene, pose))
    for leak in scene.leaks:
        off = abs(float(pose.distance_mm(leak.position_mm)))
        if off > _LEAK_SEEN_MM:
            continue
        centre = QPointF(*pose.to_screen(leak.position_mm))
        radius = LEAK_RADIUS_PX * theme.line / 1.4
        if off <= near_mm:
            painter.setPen(theme.pen("view", 3.0, opacity=0.6))
            painter.drawEllipse(centre, radius, radius)
            painter.setPen(theme.pen("leak", 1.5))
            painter.drawEllipse(centre, radius, radius)
            if leak.certainty == "observed":
                painter.setBrush(theme.colour("leak"))
                painter.setPen(Qt.PenStyle.NoPen)
                painter.drawEllipse(centre, 1.8, 1.8)
                painter.setBrush(Qt.BrushStyle.NoBrush)
        else:
            painter.setPen(theme.pen("leak", 0.9, opacity=0.75, dashes=(3.0, 3.0)))
            painter.drawEllipse(centre, radius, radius)


def needle_meaning(needle: SceneNeedle) -> str:
    """The name of its colour."""
    return "needle failed" if needle.ok is False else "needle other" if needle.role == "other" else "needle"


def paint_needles(painter: QPainter, theme: Theme, scene: Scene, pose: Pose) -> None:
    """Solid where the needle runs within half a slice, dashed where it is only projected, and then how far off its tip is."""
    if not scene.shows("needles"):
        return
    half = half_slice_mm(scene, pose)
    for needle in sorted(scene.needles, key=lambda one: one.role != "other"):
        _paint_needle(painter, theme, pose, needle, half)


def _paint_needle(painter: QPainter, theme: Theme, pose: Pose, needle: SceneNeedle, half_mm: float) -> None:
    entry, target = np.array(needle.entry_mm), np.array(needle.target_mm)
    from_plane = float(pose.distance_mm(entry)), float(pose.distance_mm(target))
    meaning = needle_meaning(needle)
    strong = needle.role != "other"
    width = 1.5 if strong else 0.8
    a, b = pose.to_screen(entry), pose.to_screen(target)
    inside = _share_within(from_plane, half_mm)
    painter.setPen(theme.pen(meaning, 0.95 if strong else 0.7, opacity=0.95 if strong else 0.7, dashes=(5.0, 3.5)))
    painter.drawLine(QPointF(*a), QPointF(*b))
    if inside:
        start, stop = (a + share * (b - a) for share in inside)
        if strong:
            painter.setPen(theme.pen("view", width + 1.6, opacity=0.55))
            painter.drawLine(QPointF(*start), QPointF(*stop))
        painter.setPen(theme.pen(meaning, width))
        painter.drawLine(QPointF(*start), QPointF(*stop))
    if not strong:
        return
    length, along = float(np.hypot(*(b - a))), _along(a, b)
    hub = max(_HUB_MM * pose.px_per_mm, 14.0) * min(1.0, length / max(needle.depth_mm * pose.px_per_mm, 1e-6))
    on_slice = abs(from_plane[0]) <= max(half_mm, 3.0)
    painter.setPen(theme.pen(meaning, 3.2, opacity=0.8 if on_slice else 0.45))
    painter.drawLine(QPointF(*a), QPointF(*(a - hub * along)))
    if needle.ok is False:
        painter.setPen(theme.pen(meaning, 1.4))
        for dx, dy in ((5, 5), (5, -5)):
            painter.drawLine(QPointF(b[0] - dx, b[1] - dy), QPointF(b[0] + dx, b[1] + dy))


def paint_needle_words(painter: QPainter, theme: Theme, scene: Scene, pose: Pose) -> None:
    """Depth and angle beside each needle, or how far off its tip is; over leaks, which would cut the words."""
    if not scene.shows("needles"):
        return
    half = half_slice_mm(scene, pose)
    for needle in scene.needles:
        if needle.role != "other":
            _needle_words(painter, theme, pose, needle, half)


def _needle_words(painter: QPainter, theme: Theme, pose: Pose, needle: SceneNeedle, half_mm: float) -> None:
    words, off_mm = needle.words, abs(float(pose.distance_mm(needle.target_mm)))
    if off_mm > half_mm:
        words = " · ".join(part for part in (words if pose.plane.name in ("axial", "oblique") else "", f"tip {off_mm:.0f} mm off") if part)
    elif pose.plane.name not in ("axial", "oblique"):
        return
    if not words:
        return
    painter.setFont(theme.font(scale=0.92))
    metrics = QFontMetricsF(painter.font())
    a, b = pose.to_screen(needle.entry_mm), pose.to_screen(needle.target_mm)
    along = _along(a, b)
    side = np.array([along[1], -along[0]])
    side = side if side[1] > 0 else -side  # below the shaft
    x, y = a + 18 * along + 20 * side
    y = min(max(_TITLE_PX, y), pose.height - _FOOT_PX)
    letter = theme.letters_px if abs(y - pose.height / 2) < 1.5 * theme.letters_px else 0  # which stands in the middle of an edge
    wide, edge = metrics.horizontalAdvance(words), 8.0 + letter
    x = min(max(edge, x if side[0] >= -0.2 else x - wide), pose.width - wide - edge)
    text(painter, theme, "needle", QPointF(x, y), words)


def _along(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The direction from one place on the screen to another; down where they are one."""
    length = float(np.hypot(*(b - a)))
    return (b - a) / length if length > 1e-6 else np.array([0.0, 1.0])


def _share_within(distances: tuple[float, float], half: float) -> tuple[float, float] | None:
    """The part of a line, as shares of its length, whose distance from the plane is at most `half`."""
    a, b = distances
    if abs(a - b) < 1e-9:
        return (0.0, 1.0) if abs(a) <= half else None
    shares = sorted(((half - a) / (b - a), (-half - a) / (b - a)))
    low, high = max(0.0, shares[0]), min(1.0, shares[1])
    return (low, high) if low < high else None


def paint_measurement(painter: QPainter, theme: Theme, pose: Pose, measurement: Measurement, half_mm: float) -> None:
    """A distance or an angle with its value; dashed when it lies off the slice."""
    points = np.array(measurement.points_mm)
    off = float(np.abs(pose.distance_mm(points)).max())
    if off > max(half_mm, 0.5) + 20:
        return
    dashes = () if off <= half_mm + 0.01 else (4.0, 3.0)
    screen = [QPointF(x, y) for x, y in pose.to_screen(points).tolist()]
    for meaning, width in (("view", 3.0), ("measure", 1.0)):
        painter.setPen(theme.pen(meaning, width, opacity=0.9, dashes=dashes if meaning == "measure" else ()))
        for a, b in itertools.pairwise(screen):
            painter.drawLine(a, b)
    painter.setBrush(theme.colour("measure"))
    painter.setPen(Qt.PenStyle.NoPen)
    for end in screen:
        painter.drawEllipse(end, 2.2, 2.2)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setFont(theme.font(bold=True))
    at = screen[1]
    text(painter, theme, "measure", QPointF(at.x() + 9, at.y() - 7), measurement.words)
