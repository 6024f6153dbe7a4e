"""One stored slice of a scan, in its own plane and its true shape, with where the views look marked in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from viewer import furniture, warming
from viewer.grey import GreyPicture, value_at
from viewer.pose import Plane, PlaneName, Pose, standard_plane
from viewer.scene import Point, point
from viewer.slice_view import SCROLL_KEYS
from viewer.theme import ThemeName, theme
from viewer.windows import Window, auto_window, presets

if TYPE_CHECKING:
    from planner.geometry import Frame, Volume

_PLACEHOLDER_MS = 40
_PROBLEM_FLAGS = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
_RING_PX = 9.0
_MARGIN = 0.97  # of the picture that a slice fills
_ACROSS: tuple[PlaneName, ...] = ("sagittal", "coronal", "axial")


class NativeView(QWidget):
    """Shows a volume of one slice. Points are LPS mm as tuples of three floats."""

    scrolled = Signal(int)
    """Slices to go on by."""
    pointed = Signal(object)
    """A left click, or drag: the place that all views should show."""
    cursor_moved = Signal(object, object)
    """(point, value or None) under the pointer."""
    cursor_left = Signal()
    window_changed = Signal(float, float)
    preset_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme("dark")
        self._grey = GreyPicture()
        self._volume: Volume | None = None
        self._title = ""
        self._problem = ""
        self._focus: Point | None = None
        self._away = ""
        self._window = Window(40.0, 400.0)
        self._pose = Pose(standard_plane("axial"), (0.0, 0.0), 0.0, 1.0, 1, 1)
        self._fitted = True
        self._doing = ""
        self._last = QPointF()
        self._wheel = 0.0
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName("Native slice")

    # what is shown

    def show_slice(self, volume: Volume | None, title: str, problem: str = "") -> None:
        """Show a slice, or why there is none. A slice that follows another is shown in the same place and size."""
        before, self._volume = self._volume, volume
        self._title, self._problem = title, problem
        if volume is not None:
            off = np.array(self._pose.centre_mm) - _middle(self._pose.plane, before.frame) if before is not None else np.zeros(2)
            plane = hung(volume.frame)
            middle = _middle(plane, volume.frame) + off
            origin = volume.frame.to_world((0, 0, 0))
            depth_mm = float(origin @ plane.normal)
            self._pose = replace(self._pose, plane=plane, centre_mm=(float(middle[0]), float(middle[1])), depth_mm=depth_mm)
            if self._fitted or before is None:
                self.fit()
        self.setAccessibleDescription(problem or title)
        self.update()

    def set_focus(self, point_mm: Point | None, away: str) -> None:
        """Mark where the views look. away: how far that is from this slice in words, "" where it lies in it."""
        if (point_mm, away) != (self._focus, self._away):
            self._focus, self._away = point_mm, away
            self.update()

    def set_window(self, window: Window) -> None:
        """Show these values between black and white."""
        if window != self._window:
            self._window = window
            self.update()

    def set_theme(self, name: ThemeName) -> None:
        """Take the colours and strokes of a theme."""
        self._theme = theme(name)
        self.update()

    def fit(self) -> None:
        """Show the whole slice."""
        self._fitted = True
        if self._volume is not None:
            _, rows, columns = self._volume.frame.shape
            edges = [(0.0, j, i) for j in (-0.5, rows - 0.5) for i in (-0.5, columns - 0.5)]
            self._pose = self._pose.fitted(self._volume.frame.to_world(edges), _MARGIN)
        self.update()

    @property
    def pose(self) -> Pose:
        """Where it looks: the way from pixels to millimetres and back."""
        return self._pose

    # painting

    def sizeHint(self) -> QSize:
        """Half a usual screen."""
        return QSize(620, 560)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The slice, and what says where it lies."""
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), self._theme.colour("view"))
            if self._volume is not None and warming.ready():
                self._paint_slice(painter, self._volume)
            elif self._volume is not None:
                QTimer.singleShot(_PLACEHOLDER_MS, self, self.update)
            end = furniture.paint_title(painter, self._theme, "As stored", self._title, self.width())
            if self._volume is not None:
                furniture.paint_letters(painter, self._theme, self._pose, end)
                furniture.paint_scale(painter, self._theme, self._pose)
            if self._problem:
                painter.setFont(self._theme.font())
                painter.setPen(self._theme.colour("view text"))
                painter.drawText(self.rect().adjusted(40, 40, -40, -40), int(_PROBLEM_FLAGS), self._problem)
            if self.hasFocus():
                furniture.paint_focus(painter, self._theme, self.width(), self.height())

    def _paint_slice(self, painter: QPainter, volume: Volume) -> None:
        painter.drawImage(QPointF(0, 0), self._grey.image(volume, self._pose, self._window, self.devicePixelRatioF()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._focus is None:
            return
        if not self._away:
            plane = self._pose.plane
            furniture.paint_crosshair(painter, self._theme, self._pose, self._focus, (plane.right, plane.down))
            return
        # a broken ring: what it stands for lies before or behind this slice
        at = QPointF(*self._pose.to_screen(self._focus))
        for pen in (self._theme.pen("view", 2.6, opacity=0.6), self._theme.pen("crosshair", 1.5, dashes=(3.0, 1.6))):
            painter.setPen(pen)
            painter.drawEllipse(at, _RING_PX, _RING_PX)
        painter.setFont(self._theme.font(scale=0.92))
        furniture.text(painter, self._theme, "view text", at + QPointF(_RING_PX + 5, 4), self._away)

    # hands

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Left: the views go there. Right: window. Middle: pan."""
        self._last = event.position()
        self._doing = {Qt.MouseButton.RightButton: "window", Qt.MouseButton.MiddleButton: "pan", Qt.MouseButton.LeftButton: "point"}.get(
            event.button(), ""
        )
        if self._doing == "point" and self._volume is not None:
            self.pointed.emit(self._point_at(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with it, and say what is under the pointer."""
        if self._volume is None:
            return
        step, self._last = event.position() - self._last, event.position()
        here = self._point_at(event.position())
        self.cursor_moved.emit(here, value_at(self._volume, here))
        if self._doing == "window":
            self._take_window(self._window.dragged(step.x(), step.y()))
        elif self._doing == "pan":
            self._fitted = False
            self._pose = self._pose.panned(step.x(), step.y())
            self.update()
        elif self._doing == "point":
            self.pointed.emit(here)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End it."""
        self._doing = ""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Right: the window that suits this slice."""
        if event.button() == Qt.MouseButton.RightButton and self._volume is not None:
            self._take_window(auto_window(self._volume))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll through slices; five at a time with Shift; with Ctrl zoom at the pointer."""
        turns = (event.angleDelta().y() or event.angleDelta().x()) / 120.0
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._zoom(1.2**turns, event.position().x(), event.position().y())
        else:
            self._wheel += turns * (5 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1)
            whole = int(self._wheel)
            self._wheel -= whole
            if whole:
                self.scrolled.emit(whole)
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows, PgUp, PgDn, Home and End scroll; F fits; + and - zoom; 1 to 5 are the presets."""
        key = Qt.Key(event.key())
        wanted = next((one for one in presets() if one.key == event.text()), None)
        if key in SCROLL_KEYS:
            self.scrolled.emit(SCROLL_KEYS[key] * (5 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1))
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.scrolled.emit(100_000 if key == Qt.Key.Key_Home else -100_000)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self._zoom(1 / 1.2 if key == Qt.Key.Key_Minus else 1.2, self.width() / 2, self.height() / 2)
        elif key == Qt.Key.Key_F:
            self.fit()
        elif wanted is not None:
            self.preset_wanted.emit(wanted.id)
        else:
            super().keyPressEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """The pointer has left."""
        self.cursor_left.emit()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show that keys go here."""
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """And that they do not."""
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the whole slice in sight, or the same middle and scale."""
        self._pose = replace(self._pose, width=max(1, self.width()), height=max(1, self.height()))
        if self._fitted:
            self.fit()

    def _zoom(self, factor: float, x: float, y: float) -> None:
        self._fitted = False
        self._pose = self._pose.zoomed(factor, x, y)
        self.update()

    def _take_window(self, window: Window) -> None:
        self.set_window(window)
        self.window_changed.emit(*window)

    def _point_at(self, at: QPointF) -> Point:
        return point(self._pose.to_world(at.x(), at.y()))


def hung(frame: Frame) -> Plane:
    """The plane of a slice, turned as a radiologist hangs it: its own rows and columns, as near to the standard view as they are."""
    directions = frame.directions
    name = _ACROSS[int(np.abs(directions[:, 0]).argmax())]
    wanted = standard_plane(name)
    along: list[Any] = [directions[:, 1], directions[:, 2]]
    right = max(along, key=lambda one: abs(float(one @ wanted.right)))
    down = along[0] if right is along[1] else along[1]
    return Plane("oblique", right * np.sign(right @ wanted.right), down * np.sign(down @ wanted.down))


def _middle(plane: Plane, frame: Frame) -> Any:
    """The middle of a slice along the picture's right and down, mm."""
    return np.array([frame.centre_mm @ plane.right, frame.centre_mm @ plane.down])
