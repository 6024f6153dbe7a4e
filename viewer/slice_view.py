"""A slice view: a slice with hands. It follows mouse and keys, and reports by signals what they do."""

from __future__ import annotations

from dataclasses import replace
from math import atan2, degrees

import numpy as np
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QEnterEvent, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from viewer import furniture
from viewer.brush import STROKES, Brush, BrushHand
from viewer.grey import value_at
from viewer.measuring import MeasureTool
from viewer.needle_grip import NeedleGrip, grip, live_words, moved
from viewer.overlays import half_slice_mm
from viewer.pose import PlaneName, slice_step_mm
from viewer.scene import Point, Scene, point
from viewer.slice_pane import SlicePane
from viewer.windows import Window, auto_window, presets

_CLICK_PX = 4.0  # a press that moves less is a click
_TOOL_KEYS = {Qt.Key.Key_D: "distance", Qt.Key.Key_A: "angle"}
_SIZE_KEYS = {"[": -1, "]": 1}
SCROLL_KEYS = {
    Qt.Key.Key_Up: 1, Qt.Key.Key_Right: 1, Qt.Key.Key_PageUp: 1, Qt.Key.Key_Down: -1, Qt.Key.Key_Left: -1, Qt.Key.Key_PageDown: -1,
}  # fmt: skip
"""By how many slices a key scrolls."""


class SliceView(SlicePane):
    """The scan on one plane. Points are LPS mm as tuples of three floats; `value` is HU in CT, None outside the scan.

    It follows its own mouse and keys at once and then says so; `set_crosshair`, `set_window` and `set_plane` change it in silence.
    """

    cursor_moved = Signal(object, object)
    """(point, value or None) under the pointer."""
    cursor_left = Signal()
    crosshair_moved = Signal(object)
    clicked = Signal(object)
    """A left click that was no drag, after the crosshair went there."""
    needle_dragged = Signal(int, object, object, bool)
    """(index in the scene, entry, target, finished)."""
    window_changed = Signal(float, float)
    measure_added = Signal(object)
    measure_removed = Signal(int)
    turned = Signal(object, float)
    """(axis, degrees) by which the other planes turn about the crosshair."""
    enlarge_wanted = Signal()
    standard_wanted = Signal()
    crosshair_switched = Signal(bool)
    leak_marked = Signal(object)
    vertebra_pointed = Signal(object)
    proposal_taken = Signal()
    snap_wanted = Signal()
    hand_done = Signal(object)
    """A `brush.Drawn` or `brush.Pulled`: what the brush in the hand did."""
    second_shifted = Signal(object)
    """The second scan follows the hand by a step (LPS mm)."""
    second_turned = Signal(object, float)
    """The second scan turns about the crosshair: (axis, degrees)."""
    second_dropped = Signal()
    """The hand let go of it."""
    second_window_dragged = Signal(float, float)
    """Shift + right drag: (centre, width) of the second scan."""
    brush_sized = Signal(float)
    """The radius in mm that the brush should have."""

    def __init__(self, plane: PlaneName, parent: QWidget | None = None) -> None:
        super().__init__(plane, parent)
        self._press: QPointF | None = None
        self._last = QPointF()
        self._pointer: QPointF | None = None
        self._doing = ""
        self._held: NeedleGrip | None = None
        self._dragged: tuple[Point, Point] | None = None
        self._tool = MeasureTool()
        self._hand = BrushHand()
        self._mover = False
        self._space = False
        self._wheel = 0.0
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setProperty("is_view", True)

    # what hands hold

    def _in_hand(self) -> Scene:
        """The needle that is dragged follows the hand at once."""
        if self._held is None or self._dragged is None or self._held.index >= len(self._scene.needles):
            return self._scene
        entry, target = self._dragged
        needles = list(self._scene.needles)
        needles[self._held.index] = replace(
            needles[self._held.index], entry_mm=entry, target_mm=target, words=live_words(entry, target, self._scene)
        )
        return replace(self._scene, needles=tuple(needles))

    def _paint_hands(self, painter: QPainter) -> None:
        """The tool and what it has measured so far; a frame while keys go here."""
        pointer = self._point_at(self._pointer) if self._pointer is not None else None
        self._hand.paint(painter, self._theme, self._scene, self._pose, self._pointer)
        self._tool.paint(painter, self._theme, self._scene, self._pose, pointer)
        if self.hasFocus():
            furniture.paint_focus(painter, self._theme, self.width(), self.height())

    def step_slices(self, slices: int) -> None:
        """Go on by slices along the normal, the crosshair with it; stops at the scan's end."""
        if self._frame is None:
            return
        step = slice_step_mm(self._pose.plane, self._frame) * slices
        onto = np.array(self._crosshair) - float(self._pose.distance_mm(self._crosshair)) * self._pose.plane.normal
        self._go(point(onto + step * self._pose.plane.normal))

    # hands

    def _go(self, point_mm: Point) -> None:
        """The crosshair to a point, as the user's act."""
        if self._frame is None:
            return
        low, high = self._frame.bounds_mm
        self.set_crosshair(point(np.clip(point_mm, low, high)))
        self.crosshair_moved.emit(self._crosshair)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin what the button and the keys held say."""
        if self._frame is None:
            return
        at, keys = event.position(), event.modifiers()
        self._press, self._last = at, at
        if event.button() == Qt.MouseButton.MiddleButton or (event.button() == Qt.MouseButton.LeftButton and self._space):
            self._doing = "pan"
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif event.button() == Qt.MouseButton.RightButton:
            self._doing = "second window" if keys & Qt.KeyboardModifier.ShiftModifier and self._scene.second is not None else "window"
        elif event.button() == Qt.MouseButton.LeftButton:
            self._doing = self._left_press(at, keys)

    def _left_press(self, at: QPointF, keys: Qt.KeyboardModifier) -> str:
        if self._tool:
            self._add_tool_point(self._point_at(at))
            return "measure"
        if keys & Qt.KeyboardModifier.AltModifier:
            return "turn"
        if self._mover:
            return "turn second" if keys & Qt.KeyboardModifier.ControlModifier else "shift second"
        if self._hand.press(self._scene, self._pose, at, bool(keys & Qt.KeyboardModifier.ControlModifier)):
            self.update()
            return "hand"
        self._held = grip(self._scene, self._pose, at.x(), at.y(), bool(keys & Qt.KeyboardModifier.ControlModifier))
        if self._held is not None:
            return "needle"
        if keys & Qt.KeyboardModifier.ControlModifier:
            return ""
        self._go(self._point_at(at))
        return "crosshair"

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with it, and say what is under the pointer."""
        at = event.position()
        self._pointer = at
        if self._frame is None:
            return
        here = self._point_at(at)
        assert self._scene.volume is not None
        self.cursor_moved.emit(here, value_at(self._scene.volume, here))
        step = at - self._last
        self._last = at
        if self._doing == "crosshair" or (
            not self._doing and event.modifiers() & Qt.KeyboardModifier.ShiftModifier and not event.buttons()
        ):
            self._go(here)
        elif self._doing == "pan":
            self._fitted = False
            self._pose = self._pose.panned(step.x(), step.y())
            self._moving()
        elif self._doing == "window":
            self._drag_window(step)
        elif self._doing == "second window":
            self._drag_second_window(step)
        elif self._doing == "turn":
            self._drag_turn(at - step, at)
        elif self._doing == "shift second":
            scale = 1 / self._pose.px_per_mm
            self.second_shifted.emit(point(scale * (step.x() * self._pose.plane.right + step.y() * self._pose.plane.down)))
        elif self._doing == "turn second":
            self.second_turned.emit(point(self._pose.plane.normal), self._turned_deg(at - step, at))
        elif self._doing == "needle" and self._held is not None:
            self._dragged = moved(self._held, here)
            self.needle_dragged.emit(self._held.index, *self._dragged, False)
            self.update()
        elif self._doing == "hand":
            self._hand.move(here)
            self.update()
        elif self._tool:
            self.update()
        if not self._doing:
            self._show_grip(at, event.modifiers())

    def _show_grip(self, at: QPointF, keys: Qt.KeyboardModifier) -> None:
        whole = bool(keys & Qt.KeyboardModifier.ControlModifier)
        if self._hand.brush is not None:
            self._hand.erasing = whole
            self._show_hand(at)
            return
        over = self._mover or grip(self._scene, self._pose, at.x(), at.y(), whole) is not None
        shape = Qt.CursorShape.SizeAllCursor if over and not self._tool else Qt.CursorShape.CrossCursor
        if self.cursor().shape() != shape:
            self.setCursor(shape)

    def _show_hand(self, at: QPointF) -> None:
        """The brush shows itself; what can be dragged shows a hand."""
        brush = self._hand.brush
        drags = brush is not None and brush.tool not in STROKES and self._hand.over_handle(self._scene, self._pose, at)
        self.setCursor(Qt.CursorShape.SizeAllCursor if drags else Qt.CursorShape.CrossCursor)
        self.update()

    def _drag_window(self, step: QPointF) -> None:
        self._take_window(self._window.dragged(step.x(), step.y()))

    def _drag_second_window(self, step: QPointF) -> None:
        assert self._scene.second is not None
        window = self._scene.second.window
        share = max(window.width, 1e-3) / 300.0
        self.second_window_dragged.emit(window.centre + step.y() * share, max(window.width + step.x() * share, window.width / 50))

    def _turned_deg(self, before: QPointF, after: QPointF) -> float:
        """How far a hand turned about the crosshair, in this plane."""
        centre = self._pose.to_screen(self._crosshair)
        first = atan2(before.y() - centre[1], before.x() - centre[0])
        angle = degrees(atan2(after.y() - centre[1], after.x() - centre[0]) - first)
        return (angle + 180) % 360 - 180

    def _drag_turn(self, before: QPointF, after: QPointF) -> None:
        angle = self._turned_deg(before, after)
        if abs(angle) > 1e-3:
            self.turned.emit(point(self._pose.plane.normal), angle)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End it; a press that hardly moved was a click."""
        at, doing = event.position(), self._doing
        still = self._press is not None and (at - self._press).manhattanLength() < _CLICK_PX
        self._doing, self._press = "", None
        if doing == "crosshair" and still:
            self.clicked.emit(self._crosshair)
        elif doing in ("shift second", "turn second"):
            self.second_dropped.emit()
        elif doing == "measure" and not still and self._tool:
            self._add_tool_point(self._point_at(at))
        elif doing == "needle" and self._held is not None:
            ends, held = self._dragged, self._held
            self._held, self._dragged = None, None
            if ends is not None:
                self.needle_dragged.emit(held.index, *ends, True)
            self.update()
        elif doing == "hand":
            made = self._hand.release(self._pose, half_slice_mm(self._scene, self._pose))
            if made is not None:
                self.hand_done.emit(made)
            self.update()
        self.setCursor(Qt.CursorShape.CrossCursor)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Left: this view large and back. Right: the window that suits this slice."""
        if self._tool or (self._hand.brush is not None and event.button() == Qt.MouseButton.LeftButton):
            self.mousePressEvent(event)
        elif event.button() == Qt.MouseButton.LeftButton:
            self.enlarge_wanted.emit()
        elif event.button() == Qt.MouseButton.RightButton and self._scene.volume is not None:
            self._take_window(auto_window(self._scene.volume, box=self._slice_box()))

    def _slice_box(self) -> tuple[slice, slice, slice] | None:
        if self._frame is None or not self._pose.plane.is_standard:
            return None
        axis = int(np.abs(self._frame.directions.T @ self._pose.plane.normal).argmax())
        at = int(np.clip(np.rint(self._frame.to_index(self._crosshair)[axis]), 0, self._frame.shape[axis] - 1))
        box = [slice(None)] * 3
        box[axis] = slice(at, at + 1)
        return box[0], box[1], box[2]

    def _take_window(self, window: Window) -> None:
        self.set_window(*window)
        self.window_changed.emit(*self._window)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll through slices; five at a time with Shift; with Ctrl zoom at the pointer."""
        turns = (event.angleDelta().y() or event.angleDelta().x()) / 120.0
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._fitted = False
            self._pose = self._pose.zoomed(1.2**turns, event.position().x(), event.position().y())
            self._moving()
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier and self._hand.brush is not None:
            self.brush_sized.emit(self._hand.brush.sized(turns))
        else:
            self._wheel += turns * (5 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1)
            whole = int(self._wheel)
            self._wheel -= whole
            if whole:
                self.step_slices(whole)
        event.accept()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Keys go to the view under the pointer, unless they belong to a field that is being filled in."""
        focused = QApplication.focusWidget()
        if focused is None or focused.property("is_view"):
            self.setFocus(Qt.FocusReason.MouseFocusReason)

    def leaveEvent(self, event: QEvent) -> None:
        """The pointer has left."""
        self._pointer = None
        self.cursor_left.emit()
        if self._tool or self._hand.brush is not None:
            self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Forget a held space bar."""
        self._space = False
        self.update()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show which view the keys go to."""
        self.update()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """The space bar ends panning."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = False
            self.setCursor(Qt.CursorShape.CrossCursor)
        else:
            super().keyReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """What the mouse does, and the letters of `viewer/README.md`; anything else goes on to the window."""
        if self._frame is None or event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
            super().keyPressEvent(event)
            return
        key = Qt.Key(event.key())
        if self._hand.brush is not None and event.text() in _SIZE_KEYS:
            self.brush_sized.emit(self._hand.brush.sized(_SIZE_KEYS[event.text()]))
        elif key in SCROLL_KEYS:
            self.step_slices(SCROLL_KEYS[key] * (5 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1))
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.step_slices(100_000 if key == Qt.Key.Key_Home else -100_000)
        elif key in _TOOL_KEYS:
            self.start_tool(_TOOL_KEYS[key])
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self._fitted = False
            x, y = self._pose.to_screen(self._crosshair)
            self._pose = self._pose.zoomed(1 / 1.2 if key == Qt.Key.Key_Minus else 1.2, float(x), float(y))
            self._moving()
        elif not self._key_act(key, event.text()):
            super().keyPressEvent(event)

    def _key_act(self, key: Qt.Key, letter: str) -> bool:
        """A key with one plain act; False for a key that has none here."""
        pointed = self._point_at(self._pointer) if self._pointer is not None else self._crosshair
        for preset in presets():
            if preset.key == letter and self._scene.volume is not None:
                self._take_window(preset.window(self._scene.volume))
                return True
        if key == Qt.Key.Key_Space:
            self._space = True
            self.setCursor(Qt.CursorShape.OpenHandCursor)
        elif key == Qt.Key.Key_F:
            self.fit()
        elif key == Qt.Key.Key_R:
            self.show_standard()
            self.standard_wanted.emit()
        elif key == Qt.Key.Key_X:
            self._crosshair_shown = not self._crosshair_shown
            self.crosshair_switched.emit(self._crosshair_shown)
            self.update()
        elif key == Qt.Key.Key_K:
            self.leak_marked.emit(pointed)
        elif key == Qt.Key.Key_V:
            self.vertebra_pointed.emit(pointed)
        elif key == Qt.Key.Key_N:
            self.proposal_taken.emit()
        elif key == Qt.Key.Key_T:
            self.snap_wanted.emit()
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self._scene.measurements:
            self.measure_removed.emit(self._nearest_measurement())
        elif key == Qt.Key.Key_Escape and self._tool:
            self.start_tool("")
        else:
            return False
        return True

    # drawing

    def set_mover(self, on: bool) -> None:
        """Left drags move the second scan, with Ctrl they turn it; or no longer."""
        self._mover = on
        self.setCursor(Qt.CursorShape.SizeAllCursor if on else Qt.CursorShape.CrossCursor)

    def set_brush(self, brush: Brush | None) -> None:
        """Put a brush into the hand, or away."""
        if brush != self._hand.brush:
            self._hand.take(brush)
            if brush is not None:
                self._tool.start("")
            if self._doing == "hand" and not self._hand.busy:
                self._doing = ""
            self.update()

    def settle_brush(self) -> None:
        """What was drawn is in the anatomy, or was refused: the picture no longer shows it by itself."""
        self._hand.settle()
        self.update()

    def set_scene(self, scene: Scene) -> None:
        """Another anatomy holds what was drawn."""
        if scene.anatomy is not self._scene.anatomy:
            self._hand.settle()
        super().set_scene(scene)

    # measuring

    def start_tool(self, name: str) -> None:
        """Begin to measure: "distance" or "angle"; "" ends it. Raises KeyError for another word."""
        self._tool.start(name)
        self.update()

    def _add_tool_point(self, point_mm: Point) -> None:
        done = self._tool.add(point_mm)
        if done is not None:
            self.measure_added.emit(done)
        self.update()

    def _nearest_measurement(self) -> int:
        """The one nearest to the pointer; the newest when the pointer is elsewhere."""
        if self._pointer is None:
            return len(self._scene.measurements) - 1
        at = np.array([self._pointer.x(), self._pointer.y()])

        def far(index: int) -> float:
            middle = self._pose.to_screen(np.array(self._scene.measurements[index].points_mm))
            return float(np.hypot(*(np.vstack([middle, middle.mean(axis=0)]) - at).T).min())

        return min(range(len(self._scene.measurements)), key=far)
