"""The 3D view: a picture of the stage in a plain widget, turned by its own hands."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QEnterEvent,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from viewer import divided, furniture, warming
from viewer.needle_grip import NeedleGrip, grip, moved
from viewer.orbit import STANDARD, HandPlane, Orbit
from viewer.scene import EMPTY, Point, Scene, point
from viewer.theme import Theme, ThemeName, theme

_STILL_MS = 150
_NEXT_MS = 1  # not 0: a timer without time waits until no hand moves
_PLACEHOLDER_MS = 60
_CLICK_PX = 4.0
_SLOW_S = 0.030  # a drag frame that takes longer is followed by frames of half the size
_QUICK_S = 0.009
_KEY_STEP_PX = 25.0  # an arrow key turns like a drag of this many pixels
_DIRECTION_KEYS = {
    Qt.Key.Key_A: "front", Qt.Key.Key_P: "behind", Qt.Key.Key_L: "left",
    Qt.Key.Key_R: "right", Qt.Key.Key_H: "above", Qt.Key.Key_F: "below",
}  # fmt: skip
_AXES = ((np.array([1.0, 0, 0]), "L", "#e0645c"), (np.array([0, 1.0, 0]), "P", "#58c08f"), (np.array([0, 0, 1.0]), "H", "#6aaef5"))
_SEEN_FIRST = ("sac", "canal", "roots", "bone", "skin")


class SpatialView(QWidget):
    """The scene in space. Drag turns; on a needle's end it moves the end, with Ctrl the whole needle. Middle drag or Space + drag moves,
    the wheel and right drag come nearer.

    Keys: arrows turn, + and - come nearer, F fits, R is the standard view, Shift with A, P, L, R, H, F looks from that side.
    """

    needle_dragged = Signal(int, object, object, bool)
    """(number in the scene, entry, target, let go) while a hand moves a needle by an end, or whole with Ctrl."""
    picked = Signal(str, object)
    """(structure, LPS point) of a left click on a surface."""
    enlarge_wanted = Signal()
    standard_wanted = Signal()
    orbit_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = EMPTY
        self._shown: Scene | None = None
        self._theme: Theme = theme("dark")
        self._stage: Any = None
        self._closed = False
        self._orbit = Orbit()
        self._framed: tuple[Any, Any] | None = None
        self._region: Any = None
        self._untouched = True
        self._picture = QImage()
        self._stale = True
        self._dragging = False
        self._half = False
        self._still = QTimer(self, singleShot=True, interval=_STILL_MS)
        self._still.timeout.connect(self._rest)
        self._next = QTimer(self, singleShot=True)
        self._next.timeout.connect(self.update)
        self._press: QPointF | None = None
        self._last = QPointF()
        self._doing = ""
        self._moved = False
        self._space = False
        self._held: NeedleGrip | None = None
        self._plane: HandPlane | None = None
        self._ends: tuple[Point, Point] | None = None
        self.setProperty("is_view", True)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("3D view")

    def set_scene(self, scene: Scene) -> None:
        """Show another scene. The eye stays where it is, except that the first surfaces of a scan are brought into sight.

        The picture comes in a turn of the event loop of its own: numbers and slices are quick and come first.
        """
        changed, self._scene = scene.changes(self._scene) - {"measurements"}, scene
        if not changed:
            return
        self._stale = self._dragging = True  # a dose or a needle may follow a hand: quick frames, then the fine one
        self._still.start(_STILL_MS)
        if not self._next.isActive():
            self._next.start(_NEXT_MS)

    def set_theme(self, name: ThemeName) -> None:
        """Take the colours and strokes of a theme."""
        self._theme = theme(name)
        if self._stage is not None:
            self._stage.set_theme(self._theme)
        self._stale = True
        self.update()

    @property
    def orbit(self) -> Orbit:
        """Where the eye stands."""
        return self._orbit

    def set_orbit(self, orbit: Orbit) -> None:
        """Put the eye somewhere."""
        self._untouched = False
        self._orbit = orbit
        self._move()

    def look_from(self, direction: str) -> None:
        """From "behind", "front", "left", "right", "above" or "below"."""
        self.set_orbit(self._orbit.looking_from(direction))

    def show_region(self, points_mm: Any) -> None:
        """Bring points (n, 3) into sight from the same side, now and until the user moves the eye or asks for everything."""
        self._region = np.asarray(points_mm, dtype=np.float64)
        self._untouched = True
        self._orbit = self._orbit.framing(self._region, self.width() / max(1, self.height()))
        self._move()

    def fit(self) -> None:
        """Bring everything into sight from the same side."""
        self._region = None
        seen = reach(self._scene)
        if seen is not None:
            self._orbit = self._orbit.framing(seen, self.width() / max(1, self.height()))
        self._move()

    def show_standard(self) -> None:
        """From behind, a little from above, everything in sight."""
        self._orbit = Orbit(self._orbit.focus_mm, self._orbit.distance_mm, *STANDARD)
        self._untouched = True
        self.fit()

    # painting

    def sizeHint(self) -> QSize:
        """A quarter of a usual screen."""
        return QSize(480, 420)

    def _empty_words(self) -> str:
        if self._scene.volume is None:
            return ""
        return "surfaces follow the anatomy" if self._scene.surfaces is None and not self._scene.shows("volume rendering") else ""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the last picture, made anew when something changed."""
        with QPainter(self) as painter:  # ended even where an error keeps this frame alive
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        words = self._empty_words()
        waiting = not warming.spatial_ready()
        if self._closed or waiting or words or (self._scene.volume is None and self._scene.surfaces is None):
            self._paint_ground(painter)
            furniture.paint_title(painter, self._theme, "3D", "preparing" if waiting else words, self.width())
            if waiting:
                QTimer.singleShot(_PLACEHOLDER_MS, self, self.update)
            elif words and self._stage is None and not self._closed:
                QTimer.singleShot(0, self, self._prepare)
            return
        if self._stale:
            self._render()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(0, 0, self.width(), self.height()), self._picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        furniture.paint_space_levels(painter, self._theme, self._scene, self._orbit, self.width(), self.height())
        divided.paint_space_legend(painter, self._theme, self._scene, self.width(), self.height())
        self._paint_triad(painter)
        furniture.paint_title(painter, self._theme, "3D", self._orbit.words, self.width())
        furniture.paint_counted(painter, self._theme, self._scene.anatomy, self.width())
        furniture.paint_watermark(painter, self._theme, self._scene.watermark, self.width(), self.height(), at_right=True)
        if self.hasFocus():
            furniture.paint_focus(painter, self._theme, self.width(), self.height())

    def _paint_ground(self, painter: QPainter) -> None:
        ground = QLinearGradient(0, 0, 0, self.height())
        ground.setColorAt(0, self._theme.colour("view top"))
        ground.setColorAt(1, self._theme.colour("view bottom"))
        painter.fillRect(self.rect(), ground)

    def _paint_triad(self, painter: QPainter) -> None:
        centre, long = QPointF(46.0, self.height() - 44.0), 24.0
        right, up, toward = self._orbit.right, self._orbit.up, self._orbit.toward_eye
        font = self._theme.font(bold=True, scale=0.9)
        painter.setFont(font)
        for axis, letter, colour in sorted(_AXES, key=lambda one: float(one[0] @ toward)):
            end = QPointF(centre.x() + long * float(axis @ right), centre.y() - long * float(axis @ up))
            pen = self._theme.pen("view text", 1.3)
            pen.setColor(colour)
            painter.setPen(pen)
            painter.drawLine(centre, end)
            out = QPointF(centre.x() + (long + 9) * float(axis @ right) - 4, centre.y() - (long + 9) * float(axis @ up) + 4)
            furniture.text(painter, self._theme, "view text", out, letter)

    def _render(self) -> None:
        from viewer.stage import Stage

        if self._stage is None:
            self._stage = Stage(self._theme)
        self._stage.set_dragging(self._dragging)
        if self._scene is not self._shown:
            self._stage.show(self._scene, self._shown)
            self._shown = self._scene
            self._frame_first()
        start = perf_counter()
        ratio = self.devicePixelRatioF() * (0.5 if self._dragging and self._half else 1.0)
        wide, high = max(1, round(self.width() * ratio)), max(1, round(self.height() * ratio))
        self._picture = self._stage.picture(self._orbit, wide, high)
        took = perf_counter() - start
        if self._dragging and self._stage.drew_all:
            self._half = took > _SLOW_S or (self._half and took > _QUICK_S)
        self._stale = False

    def _frame_first(self) -> None:
        """A new scan, or the first surfaces of one, come into sight; later changes leave the eye alone."""
        volume = self._scene.volume
        what, seen = (volume.frame if volume is not None else None, self._scene.surfaces is not None), self._in_sight()
        if self._framed != what and seen is not None:
            self._framed = what
            self._orbit = self._orbit.framing(seen, self.width() / max(1, self.height()))

    def _in_sight(self) -> Any:
        """What is kept in sight while nobody has touched the eye."""
        return self._region if self._region is not None else reach(self._scene)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A picture of the new size; while nobody has touched the eye everything stays in sight."""
        seen = self._in_sight()
        if self._untouched and seen is not None:
            self._orbit = self._orbit.framing(seen, self.width() / max(1, self.height()))
        self._stale = True

    def _move(self) -> None:
        """One quick frame now, however many moves came; the fine one when the hand rests."""
        self._dragging, self._stale = True, True
        self._still.start(_STILL_MS)
        self.setAccessibleDescription(self._orbit.words)
        self.orbit_changed.emit(self._orbit)
        self.update()

    def repaint_fine(self) -> None:
        """Paint the fine picture now rather than when the hand has rested for a while."""
        self.repaint()  # the scene of now is on the stage
        while self._stage is not None and self._stage.refine():
            pass
        self._dragging, self._stale = False, True
        self.repaint()

    def _rest(self) -> None:
        """The hand rests: the fine meshes are handed over one a turn of the event loop, then the fine picture follows."""
        if self._stage is not None and not self._closed and self._shown is self._scene and self._stage.refine():
            self._still.start(_NEXT_MS)
            return
        self._dragging, self._stale = False, True
        self.update()

    def _prepare(self) -> None:
        """Make the stage before there is anything to show on it: starting the graphics takes a while of its own."""
        if self._stage is None and not self._closed:
            from viewer.stage import Stage

            self._stage = Stage(self._theme)
            self._stage.picture(self._orbit, 32, 32)

    # hands

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to turn, move or come nearer."""
        self._press = self._last = event.position()
        self._moved = False
        button = event.button()
        if button == Qt.MouseButton.MiddleButton or (button == Qt.MouseButton.LeftButton and self._space):
            self._doing = "pan"
        elif button == Qt.MouseButton.RightButton:
            self._doing = "dolly"
        elif button == Qt.MouseButton.LeftButton and self._take_needle(event.position(), event.modifiers()):
            self._doing = "needle"
        elif button == Qt.MouseButton.LeftButton:
            self._doing = "pan" if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else "turn"

    def _take_needle(self, at: QPointF, keys: Qt.KeyboardModifier) -> bool:
        """Hold the needle's end under the pointer, or with Ctrl its shaft; it moves on the plane of the picture through what is held."""
        middle = HandPlane(self._orbit, self.width(), self.height(), self._orbit.focus_mm)
        held = grip(self._scene, middle, at.x(), at.y(), bool(keys & Qt.KeyboardModifier.ControlModifier))
        if held is None:
            return False
        self._plane = replace(middle, through_mm=held.needle.entry_mm if held.part == "entry" else held.needle.target_mm)
        self._held = replace(held, start_mm=point(self._plane.to_world(at.x(), at.y())))
        return True

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with it."""
        step = event.position() - self._last
        if not self._doing or self._press is None:
            return
        if not self._moved and (event.position() - self._press).manhattanLength() < _CLICK_PX:
            return  # a hand that only clicks
        self._last, self._moved = event.position(), True
        if self._doing == "needle" and self._held is not None and self._plane is not None:
            at = event.position()
            self._ends = moved(self._held, point(self._plane.to_world(at.x(), at.y())))
            self.needle_dragged.emit(self._held.index, *self._ends, False)
            return
        self._untouched = False
        if self._doing == "turn":
            self._orbit = self._orbit.turned(step.x(), step.y())
        elif self._doing == "pan":
            self._orbit = self._orbit.panned(step.x(), step.y(), self.height())
        else:
            self._orbit = self._orbit.dollied(1.01 ** -step.y())
        self._move()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End it; a click says what lies under it."""
        doing, self._doing, self._press = self._doing, "", None
        held, ends, self._held, self._ends = self._held, self._ends, None, None
        if doing == "needle" and held is not None and ends is not None:
            self.needle_dragged.emit(held.index, *ends, True)
        if doing == "turn" and not self._moved and self._stage is not None and not self._stale:
            ratio = self.devicePixelRatioF()
            at = event.position() * ratio
            found = self._stage.pick(self._orbit, at.x(), at.y(), round(self.width() * ratio), round(self.height() * ratio))
            if found is not None:
                self.picked.emit(*found)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """This view large and back."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.enlarge_wanted.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Nearer and farther."""
        self._untouched = False
        self._orbit = self._orbit.dollied(1.12 ** (event.angleDelta().y() / 120.0))
        self._move()
        event.accept()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Keys go to the view under the pointer, unless they belong to a field that is being filled in."""
        focused = QApplication.focusWidget()
        if focused is None or focused.property("is_view"):
            self.setFocus(Qt.FocusReason.MouseFocusReason)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show which view the keys go to."""
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Forget a held space bar."""
        self._space = False
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """What the mouse does; anything else goes on to the window."""
        key, keys = Qt.Key(event.key()), event.modifiers()
        turns = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}
        nearer = {
            Qt.Key.Key_Plus: 1.15,
            Qt.Key.Key_Equal: 1.15,
            Qt.Key.Key_Minus: 1 / 1.15,
            Qt.Key.Key_PageUp: 1.15,
            Qt.Key.Key_PageDown: 1 / 1.15,
        }
        if keys & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
            super().keyPressEvent(event)
        elif keys & Qt.KeyboardModifier.ShiftModifier and key in _DIRECTION_KEYS:
            self.look_from(_DIRECTION_KEYS[key])
        elif key in turns:
            dx, dy = turns[key]
            self.set_orbit(self._orbit.turned(dx * _KEY_STEP_PX, dy * _KEY_STEP_PX))
        elif key in nearer:
            self.set_orbit(self._orbit.dollied(nearer[key]))
        elif key == Qt.Key.Key_F:
            self.fit()
        elif key == Qt.Key.Key_R:
            self.show_standard()
            self.standard_wanted.emit()
        elif key == Qt.Key.Key_Space:
            self._space = True
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """The space bar ends moving."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = False
        else:
            super().keyReleaseEvent(event)

    # the end

    def close_stage(self) -> None:
        """Let go of the graphics; before the application goes. Painting then shows the name only."""
        self._still.stop()
        self._next.stop()
        self._closed = True
        if self._stage is not None:
            self._stage.close()
            self._stage = None

    def closeEvent(self, event: QCloseEvent) -> None:
        """The same, for a view that is a window of its own."""
        self.close_stage()
        super().closeEvent(event)

    def event(self, event: QEvent) -> bool:
        """A picture of the new resolution when the window moves to another screen."""
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._stale = True
        return super().event(event)


def reach(scene: Scene) -> Any:
    """Points that should be in sight: the spine if it is known, else the bone, else the scan."""
    if scene.surfaces:
        for names in (("sac", "canal"), _SEEN_FIRST):
            found = [scene.surfaces[name].fine.points_mm for name in names if name in scene.surfaces]
            if found:
                points = np.concatenate(found)
                low, high = points.min(axis=0), points.max(axis=0)
                middle = (low + high) / 2
                # the transverse processes beside the canal, and the names of the vertebrae beside them
                beside = np.stack([middle + (80, 0, 0), middle - (80, 0, 0), middle + (0, 45, 0)])
                return np.concatenate([np.stack([low, high]), beside]) if names[0] == "sac" and len(names) == 2 else np.stack([low, high])
    return scene.volume.frame.corners_mm if scene.volume is not None else None
