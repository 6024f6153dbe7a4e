"""A brush in the hand: strokes drawn in a slice, and points of the canal or a vertebra that are dragged. It shows at once what the hand
does; what follows from it is not computed here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen

from viewer import furniture, overlays
from viewer.outlines import label_slice, outline_paths
from viewer.scene import Point, Scene, point

if TYPE_CHECKING:
    from planner.anatomy.spine import Anatomy, Canal
    from planner.geometry import Floats
    from viewer.pose import Pose
    from viewer.theme import Theme

ToolName = Literal["disc", "ball", "wall", "middle", "level"]
STROKES: frozenset[ToolName] = frozenset({"disc", "ball"})
LEAST_MM, MOST_MM = 0.5, 30.0
_STEP = 1.2  # one notch of the brush's size
_REACH_PX = 11.0
_IN_PLANE_MM = 1.0  # of the wall's points
_NEAR_PLANE_MM = 4.0  # of the canal's middle
_LEVEL_SEEN_MM = 18.0  # half a vertebral body
_EVERY_ROW, _EVERY_ANGLE = 6, 4  # handles that are drawn
_OPAQUE = 0.45


@dataclass(frozen=True)
class Brush:
    """disc, ball: draws a structure with this radius, in the slice or in space. wall, middle, level: drags a point of the canal's wall, of
    its middle, or a vertebra's, and the radius says how much of the canal follows (reach_mm)."""

    tool: ToolName
    structure: str = "bone"
    radius_mm: float = 4.0

    @property
    def reach_mm(self) -> float:
        """How far along the canal a drag is felt."""
        return min(MOST_MM, self.radius_mm * (5.0 if self.tool == "middle" else 2.0))

    def sized(self, notches: float) -> float:
        """The radius so many notches larger, or smaller where negative."""
        return round(min(MOST_MM, max(LEAST_MM, self.radius_mm * _STEP**notches)), 1)


@dataclass(frozen=True)
class Drawn:
    """A stroke: where the pointer passed, and the slice in which it was drawn (None for a ball)."""

    brush: Brush
    erase: bool
    points_mm: tuple[Point, ...]
    normal: Point | None
    half_mm: float


@dataclass(frozen=True)
class Pulled:
    """A point that was dragged."""

    brush: Brush
    from_mm: Point
    to_mm: Point


class BrushHand:
    """At rest until `take`; then it draws. What it did stays on view until the anatomy has followed (`settle`)."""

    def __init__(self) -> None:
        self.brush: Brush | None = None
        self.erasing = False
        self._points: list[Point] = []
        self._pull: Pulled | None = None
        self._start: Point = (0.0, 0.0, 0.0)
        self._done: list[Drawn | Pulled] = []
        self._outline: tuple[Anatomy, str, Pose, QPainterPath] | None = None

    def take(self, brush: Brush | None) -> None:
        """Put a brush into the hand; None puts it away, with a stroke that was begun."""
        if brush is None or self.brush is None or brush.tool != self.brush.tool:
            self._points, self._pull = [], None
        self.brush = brush

    def settle(self) -> None:
        """What was drawn is in the anatomy now, or was refused."""
        self._done = []

    @property
    def busy(self) -> bool:
        """Whether a stroke or a drag is under way."""
        return bool(self._points) or self._pull is not None

    # hands

    def press(self, scene: Scene, pose: Pose, at: QPointF, erase: bool) -> bool:
        """Begin at a logical pixel; False where there is nothing to take hold of."""
        if self.brush is None or (scene.anatomy is None and self.brush.tool not in STROKES):
            return False
        here = point(pose.to_world(at.x(), at.y()))
        if self.brush.tool in STROKES:
            self.erasing, self._points = erase, [here]
            return True
        held = _handle(self.brush, scene.anatomy, pose, at) if scene.anatomy is not None else None
        if held is not None:
            self._start, self._pull = here, Pulled(self.brush, held, held)
        return held is not None

    def move(self, to_mm: Point) -> None:
        """Go on to a point of the same slice. A point that is dragged keeps its distance from the slice."""
        if self._points:
            self._points.append(to_mm)
        elif self._pull is not None:
            from_mm = self._pull.from_mm
            self._pull = Pulled(self._pull.brush, from_mm, point(np.add(from_mm, np.subtract(to_mm, self._start))))

    def release(self, pose: Pose, half_mm: float) -> Drawn | Pulled | None:
        """End it; what was done, or None for a drag that went nowhere."""
        made: Drawn | Pulled | None = self._pull if self._pull is not None and self._pull.from_mm != self._pull.to_mm else None
        if self._points and self.brush is not None:
            ball = self.brush.tool == "ball"
            slice_of = (None, 0.0) if ball else (point(pose.plane.normal), half_mm)
            made = Drawn(self.brush, self.erasing, tuple(self._points), *slice_of)
        self._points, self._pull = [], None
        if made is not None:
            self._done.append(made)
        return made

    def over_handle(self, scene: Scene, pose: Pose, at: QPointF) -> bool:
        """Whether a press here would take hold of something."""
        if self.brush is None or self.brush.tool in STROKES:
            return self.brush is not None
        return scene.anatomy is not None and _handle(self.brush, scene.anatomy, pose, at) is not None

    # painting

    def paint(self, painter: QPainter, theme: Theme, scene: Scene, pose: Pose, pointer: QPointF | None) -> None:
        """What was drawn and is not in the anatomy yet, what is being drawn, the brush or the handles, and what keys do."""
        if self.brush is None and not self._done:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for done in self._done:
            _paint_done(painter, theme, scene, pose, done)
        brush = self.brush
        if brush is None:
            return
        if brush.tool in STROKES and scene.anatomy is not None:
            painter.setPen(theme.pen(brush.structure, 1.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPath(overlays.to_pixels(pose).map(self._outline_of(scene.anatomy, brush.structure, pose)))
        if self._points:
            _paint_stroke(painter, theme, pose, brush, self.erasing, self._points)
        elif self._pull is not None:
            _paint_pull(painter, theme, scene, pose, self._pull)
        elif scene.anatomy is not None and brush.tool not in STROKES:
            _paint_handles(painter, theme, scene.anatomy, pose, brush)
        if pointer is not None and brush.tool in STROKES:
            _paint_circle(painter, theme, pose, brush, self.erasing, pointer)
        if pointer is not None:
            painter.setFont(theme.font())
            furniture.text(painter, theme, "measure", QPointF(10, pose.height - 30), _words(brush, self.erasing))

    def _outline_of(self, anatomy: Anatomy, structure: str, pose: Pose) -> QPainterPath:
        """The outline of what is drawn, which slices show of few structures, or of none that is hidden; made anew for another slice."""
        from planner.anatomy.labels import STRUCTURES

        kept = self._outline
        same_slice = kept is not None and kept[2].plane is pose.plane and kept[2].depth_mm == pose.depth_mm
        same_part = pose.plane.is_standard or (kept is not None and kept[2] is pose)
        if kept is None or kept[0] is not anatomy or kept[1] != structure or not (same_slice and same_part):
            found = label_slice(anatomy, pose)
            paths = outline_paths(found, {structure: STRUCTURES[structure]}) if found is not None else {}
            kept = self._outline = (anatomy, structure, pose, paths.get(structure, QPainterPath()))
        return kept[3]


def _words(brush: Brush, erasing: bool) -> str:
    if brush.tool == "wall":
        return "Drag the canal's wall · [ ] how much follows · Esc ends"
    if brush.tool == "middle":
        return "Drag the canal's middle · [ ] how much follows · Esc ends"
    if brush.tool == "level":
        return "Drag the middle of a vertebra · Esc ends"
    verb = "Erase" if erasing else "Draw"
    other = "" if erasing else " · Ctrl erases"
    return f"{verb} {brush.structure}, {'ball of ' if brush.tool == 'ball' else ''}{brush.radius_mm:g} mm{other} · [ ] size · Esc ends"


# ---- handles --------------------------------------------------------------------------------------------------------------------------


def _wall_points(canal: Canal, wall_mm: Floats) -> Floats:
    """(n, angles, 3): the wall in LPS mm."""
    angle = np.arange(wall_mm.shape[1]) * 2 * np.pi / wall_mm.shape[1]
    across = np.cos(angle)[:, None] * canal.left[:, None] + np.sin(angle)[:, None] * canal.back[:, None]
    return np.asarray(canal.centreline_mm[:, None] + wall_mm[..., None] * across)


def _handle(brush: Brush, anatomy: Anatomy, pose: Pose, at: QPointF) -> Point | None:
    """The point of the anatomy that is under a logical pixel, nearest first."""
    if brush.tool == "level":
        points, within_mm = np.array([level.centre_mm for level in anatomy.levels]).reshape(-1, 3), _LEVEL_SEEN_MM
    elif brush.tool == "middle":
        points, within_mm = anatomy.canal.centreline_mm, _NEAR_PLANE_MM
    else:
        points, within_mm = _wall_points(anatomy.canal, anatomy.canal.wall_mm).reshape(-1, 3), _IN_PLANE_MM
    points = points[np.abs(pose.distance_mm(points)) <= within_mm]
    if not len(points):
        return None
    far = np.hypot(*(pose.to_screen(points) - (at.x(), at.y())).T)
    nearest = int(far.argmin())
    return point(points[nearest]) if far[nearest] <= _REACH_PX else None


def _paint_handles(painter: QPainter, theme: Theme, anatomy: Anatomy, pose: Pose, brush: Brush) -> None:
    canal = anatomy.canal
    if brush.tool == "level":
        for level in anatomy.levels:
            if abs(float(pose.distance_mm(level.centre_mm))) <= _LEVEL_SEEN_MM:
                _dots(painter, theme, "measure", pose, np.array([level.centre_mm]), 5.0)
        return
    if not len(canal.centreline_mm):
        return
    if brush.tool == "middle":
        near = canal.centreline_mm[np.abs(pose.distance_mm(canal.centreline_mm)) <= _NEAR_PLANE_MM]
        painter.setPen(theme.pen("canal", 1.0, dashes=(4.0, 3.0)))
        _line(painter, pose, near)
        first = _nearest_row(canal, pose) % _EVERY_ROW
        rows = canal.centreline_mm[first::_EVERY_ROW]
        _dots(painter, theme, "canal", pose, rows[np.abs(pose.distance_mm(rows)) <= _NEAR_PLANE_MM], 3.0)
        return
    nearest, points = _nearest_row(canal, pose), _wall_points(canal, canal.wall_mm)[:, ::_EVERY_ANGLE]
    if _cuts(canal, nearest, pose):  # round the canal, of each direction the point in the slice
        rows = np.abs(pose.distance_mm(points)).argmin(axis=0)
        points = points[rows, np.arange(points.shape[1])]
    else:
        points = points[nearest % _EVERY_ROW :: _EVERY_ROW].reshape(-1, 3)
    _dots(painter, theme, "canal", pose, points[np.abs(pose.distance_mm(points)) <= _IN_PLANE_MM], 2.6)


def _nearest_row(canal: Canal, pose: Pose) -> int:
    return int(np.abs(pose.distance_mm(canal.centreline_mm)).argmin())


def _cuts(canal: Canal, row: int, pose: Pose) -> bool:
    """Whether the slice cuts the canal across there, rather than holding a stretch of it."""
    return abs(float(np.cross(canal.left[row], canal.back[row]) @ pose.plane.normal)) > 0.5


def _dots(painter: QPainter, theme: Theme, meaning: str, pose: Pose, points: Floats, radius_px: float) -> None:
    painter.setPen(theme.pen("view", 0.8, opacity=0.8))
    painter.setBrush(theme.colour(meaning))
    for x, y in pose.to_screen(points).reshape(-1, 2).tolist():
        painter.drawEllipse(QPointF(x, y), radius_px, radius_px)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _line(painter: QPainter, pose: Pose, points: Floats, closed: bool = False) -> None:
    path = _path(pose, points)
    if closed:
        path.closeSubpath()
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(path)


def _path(pose: Pose, points: Any) -> QPainterPath:
    path = QPainterPath()
    for n, (x, y) in enumerate(pose.to_screen(np.asarray(points)).reshape(-1, 2).tolist()):
        if n:
            path.lineTo(x, y)
        else:
            path.moveTo(x, y)
    return path


# ---- what the hand does ---------------------------------------------------------------------------------------------------------------


def _paint_done(painter: QPainter, theme: Theme, scene: Scene, pose: Pose, done: Drawn | Pulled) -> None:
    """What waits for the anatomy, in the slices where it was done."""
    if isinstance(done, Pulled):
        if abs(float(pose.distance_mm(done.to_mm))) <= _NEAR_PLANE_MM:
            _paint_pull(painter, theme, scene, pose, done)
    elif float(np.abs(pose.distance_mm(np.array(done.points_mm))).max()) <= max(done.half_mm, 0.5):
        _paint_stroke(painter, theme, pose, done.brush, done.erase, done.points_mm)


def _paint_stroke(painter: QPainter, theme: Theme, pose: Pose, brush: Brush, erase: bool, points: Any) -> None:
    path = _path(pose, points)
    if len(points) == 1:
        path.lineTo(path.currentPosition() + QPointF(0.01, 0))
    pen = QPen(_colour(theme, brush, erase, _OPAQUE), 2 * brush.radius_mm * pose.px_per_mm)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(path)


def _colour(theme: Theme, brush: Brush, erase: bool, opacity: float) -> QColor:
    return theme.colour("view" if erase else brush.structure, opacity)


def _paint_circle(painter: QPainter, theme: Theme, pose: Pose, brush: Brush, erasing: bool, pointer: QPointF) -> None:
    """The brush round the pointer: a full line draws, a dashed one erases."""
    radius = brush.radius_mm * pose.px_per_mm
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(theme.pen("view", 2.6, opacity=0.6))
    painter.drawEllipse(pointer, radius, radius)
    painter.setPen(theme.pen("measure" if erasing else brush.structure, 1.0, dashes=(3.0, 3.0) if erasing else ()))
    painter.drawEllipse(pointer, radius, radius)
    if brush.tool == "ball":
        painter.drawArc(QRectF(pointer.x() - radius, pointer.y() - radius / 3, 2 * radius, 2 * radius / 3), 180 * 16, 180 * 16)


def _paint_pull(painter: QPainter, theme: Theme, scene: Scene, pose: Pose, pull: Pulled) -> None:
    """Where the point was and where it is, and the canal as it will be about there."""
    anatomy = scene.anatomy
    if anatomy is None:
        return
    a, b = (QPointF(*pose.to_screen(place)) for place in (pull.from_mm, pull.to_mm))
    painter.setPen(theme.pen("measure", 0.8, dashes=(3.0, 3.0)))
    painter.drawLine(a, b)
    if pull.brush.tool == "level":
        level = min(anatomy.levels, key=lambda one: float(np.linalg.norm(np.subtract(one.centre_mm, pull.from_mm))))
        painter.setFont(theme.font(bold=True))
        furniture.text(painter, theme, "measure", b + QPointF(9, -7), level.name)
    else:
        _paint_canal(painter, theme, pose, anatomy.canal, pull)
    _dots(painter, theme, "measure", pose, np.array([pull.to_mm]), 4.0)


def _paint_canal(painter: QPainter, theme: Theme, pose: Pose, canal: Canal, pull: Pulled) -> None:
    """The canal's outline as it will be: round its cross-section where the slice cuts it, along it where the slice holds it."""
    from planner.anatomy.by_hand.edits import CentrelinePoint, WallPoint
    from planner.anatomy.by_hand.tube import moved_tube, pulled_wall

    reach_mm = pull.brush.reach_mm
    if pull.brush.tool == "wall":
        points = _wall_points(canal, pulled_wall(canal, WallPoint(pull.from_mm, pull.to_mm, reach_mm)))
    else:
        canal = moved_tube(canal, CentrelinePoint(pull.from_mm, pull.to_mm, reach_mm))
        points = _wall_points(canal, canal.wall_mm)
    at = canal.nearest(pull.to_mm if pull.brush.tool == "middle" else pull.from_mm)
    painter.setPen(theme.pen("canal", 1.3, dashes=(4.0, 2.5)))
    if _cuts(canal, at, pose):
        _line(painter, pose, points[at], closed=True)
        return
    rows = slice(max(0, at - int(2 * reach_mm)), at + int(2 * reach_mm))
    if pull.brush.tool == "wall":
        angle = int(np.linalg.norm(points[at] - np.asarray(pull.to_mm), axis=1).argmin())
        _line(painter, pose, points[rows, angle])
        return
    off = np.abs(pose.distance_mm(points[rows].reshape(-1, 3))).reshape(points[rows].shape[:2])
    half = off.shape[1] // 2
    for side in (off[:, :half].argmin(axis=1), half + off[:, half:].argmin(axis=1)):
        _line(painter, pose, points[rows][np.arange(len(off)), side])
