"""Four linked views: axial, sagittal, coronal and 3D share one scene, one crosshair and one window."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent, QPalette
from PySide6.QtWidgets import QGridLayout, QWidget

from viewer.brush import Brush
from viewer.pose import PLANES, Plane, plane_along, standard_plane
from viewer.scene import EMPTY, Measurement, Point, Scene, point, same_scan
from viewer.slice_view import SliceView
from viewer.spatial_view import SpatialView
from viewer.theme import ThemeName, theme
from viewer.windows import Window, first_window

ViewName = Literal["axial", "sagittal", "coronal", "3d"]
_PLACES: dict[ViewName, tuple[int, int]] = {"axial": (0, 0), "sagittal": (0, 1), "coronal": (1, 0), "3d": (1, 1)}
_NUMBER_KEYS: dict[Qt.Key, ViewName] = {Qt.Key.Key_1: "axial", Qt.Key.Key_2: "sagittal", Qt.Key.Key_3: "coronal", Qt.Key.Key_4: "3d"}


class ViewGrid(QWidget):
    """The four views. Crosshair, window, planes, measurements and which view is large are its own; all else comes with the scene.

    Signals carry values: points are LPS mm as tuples of three floats. Ctrl+1..4 makes a view large and back, Esc goes back.
    """

    cursor_moved = Signal(object, object)
    """(point, value or None) under the pointer in a slice view."""
    cursor_left = Signal()
    crosshair_moved = Signal(object)
    clicked = Signal(object)
    """A left click in a slice view, or on a surface of the 3D view; the crosshair is there already."""
    needle_dragged = Signal(int, object, object, bool)
    """(index in scene.needles, entry, target, finished)."""
    window_changed = Signal(float, float)
    leak_marked = Signal(object)
    """K at a point."""
    vertebra_pointed = Signal(object)
    """V at a point."""
    proposal_taken = Signal()
    """N."""
    snap_wanted = Signal()
    """T."""
    surface_picked = Signal(str, object)
    hand_done = Signal(object)
    """A `brush.Drawn` or `brush.Pulled` of a slice view."""
    brush_sized = Signal(float)
    """The radius in mm that the brush should have."""
    second_shifted = Signal(object)
    second_turned = Signal(object, float)
    second_dropped = Signal()
    second_window_dragged = Signal(float, float)
    """What a hand does to the second scan, as `SliceView` says it."""
    measurements_changed = Signal(object)
    enlarged = Signal(str)
    """The name of the large view, "" when all four are shown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = EMPTY
        self._window = self._first_window = Window(400.0, 1800.0)
        self._measurements: tuple[Measurement, ...] = ()
        self._large: ViewName | None = None
        self._brush: Brush | None = None
        self._planes: dict[str, Plane] = {name: standard_plane(name) for name in PLANES}
        self.slices: dict[str, SliceView] = {name: SliceView(name, self) for name in PLANES}
        self.spatial = SpatialView(self)
        self._views: dict[ViewName, SliceView | SpatialView] = {
            "axial": self.slices["axial"], "sagittal": self.slices["sagittal"], "coronal": self.slices["coronal"], "3d": self.spatial,
        }  # fmt: skip
        self._layout = QGridLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        for name, view in self._views.items():
            self._layout.addWidget(view, *_PLACES[name])
            view.enlarge_wanted.connect(lambda which=name: self.enlarge(which))
        for n in (0, 1):
            self._layout.setRowStretch(n, 1)
            self._layout.setColumnStretch(n, 1)
        self.setAutoFillBackground(True)
        for view in self.slices.values():
            self._listen(view)
        self.spatial.picked.connect(self._picked)
        self.spatial.needle_dragged.connect(self.needle_dragged)
        self.set_theme("dark")

    def _listen(self, view: SliceView) -> None:
        view.cursor_moved.connect(self.cursor_moved)
        view.cursor_left.connect(self.cursor_left)
        view.crosshair_moved.connect(self._crosshair_moved)
        view.clicked.connect(self.clicked)
        view.needle_dragged.connect(self.needle_dragged)
        view.window_changed.connect(self._window_changed)
        view.turned.connect(self._turn)
        view.measure_added.connect(lambda one: self._measured((*self._measurements, one)))
        view.measure_removed.connect(lambda at: self._measured(self._measurements[:at] + self._measurements[at + 1 :]))
        view.standard_wanted.connect(self.standard_view)
        view.crosshair_switched.connect(self.set_crosshair_shown)
        view.leak_marked.connect(self.leak_marked)
        view.vertebra_pointed.connect(self.vertebra_pointed)
        view.proposal_taken.connect(self.proposal_taken)
        view.snap_wanted.connect(self.snap_wanted)
        view.hand_done.connect(self.hand_done)
        view.brush_sized.connect(self.brush_sized)
        view.second_shifted.connect(self.second_shifted)
        view.second_turned.connect(self.second_turned)
        view.second_dropped.connect(self.second_dropped)
        view.second_window_dragged.connect(self.second_window_dragged)

    # what is shown

    def set_scene(self, scene: Scene) -> None:
        """Show a scene. Another scan brings its own window and the standard view, and ends the measurements.

        The first window of one that is still read follows what is there of it, until somebody takes another.
        """
        before, shown = self._scene, self._window
        new_scan = not same_scan(scene.volume, before.volume)
        if new_scan:
            self._measurements = ()
        self._scene = scene
        self._spread()
        if scene.volume is None:
            return
        if new_scan:
            self._planes = {name: standard_plane(name) for name in PLANES}
            for view in self.slices.values():
                view.show_standard()
        if new_scan or (before.filled < 1 and shown == self._first_window):
            self._first_window = first_window(scene.volume)
            self.set_window(*self._first_window)

    def _spread(self) -> None:
        shown = replace(self._scene, measurements=(*self._scene.measurements, *self._measurements))
        for view in self._views.values():
            view.set_scene(shown)

    @property
    def scene(self) -> Scene:
        """What is shown."""
        return self._scene

    def set_theme(self, name: ThemeName) -> None:
        """Take the colours and strokes of a theme."""
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.Window, theme(name).colour("view gap"))
        self.setPalette(palette)
        for view in self._views.values():
            view.set_theme(name)

    @property
    def crosshair(self) -> Point:
        """The shared point."""
        return self.slices["axial"].crosshair

    def set_crosshair(self, point_mm: Any) -> None:
        """Bring a point into all slice views."""
        for view in self.slices.values():
            view.set_crosshair(point(point_mm))

    def set_crosshair_shown(self, shown: bool) -> None:
        """Show or hide the crosshair's lines in all views."""
        for view in self.slices.values():
            view.set_crosshair_shown(shown)

    @property
    def window_shown(self) -> Window:
        """The values between black and white."""
        return self._window

    def set_window(self, centre: float, width: float) -> None:
        """Show these values between black and white in all slice views."""
        self._window = Window(centre, width)
        for view in self.slices.values():
            view.set_window(centre, width)

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """What the user has measured on this scan."""
        return self._measurements

    def start_tool(self, tool: str) -> None:
        """Begin to measure in any slice view: "distance" or "angle"; "" ends it."""
        for view in self.slices.values():
            view.start_tool(tool)

    def set_brush(self, brush: Brush | None) -> None:
        """Put a brush into the hand of all slice views, or away."""
        self._brush = brush
        for view in self.slices.values():
            view.set_brush(brush)

    def set_mover(self, on: bool) -> None:
        """Let left drags in the slice views move the second scan, or no longer."""
        for view in self.slices.values():
            view.set_mover(on)

    def settle_brush(self) -> None:
        """What was drawn is done with: it was refused."""
        for view in self.slices.values():
            view.settle_brush()

    def look_along(self, entry_mm: Any, target_mm: Any) -> None:
        """Turn the axial view onto the plane that holds a needle, the others with it, and put the crosshair at its tip."""
        wanted = plane_along(entry_mm, target_mm)
        axial = Plane("axial", wanted.right, wanted.down)
        normal = axial.normal
        self._planes = {
            "axial": axial,
            "sagittal": Plane("sagittal", axial.down, -normal),
            "coronal": Plane("coronal", axial.right, -normal),
        }
        self.set_crosshair(target_mm)
        self._show_planes()

    def standard_view(self) -> None:
        """Everything in sight on the patient's own planes; the crosshair stays."""
        self._planes = {name: standard_plane(name) for name in PLANES}
        for view in self.slices.values():
            view.show_standard()
        self.spatial.show_standard()

    def show_region(self, centre_mm: Point, field_mm: float, along_mm: Any) -> None:
        """Come near a place: slices show a field of this size round it, the 3D view brings points `along_mm` (n, 3) into sight."""
        for view in self.slices.values():
            view.show_region(centre_mm, field_mm)
        self.spatial.show_region(along_mm)

    def fit(self) -> None:
        """Everything in sight in all views, on the planes that they show."""
        for view in self._views.values():
            view.fit()

    def enlarge(self, name: ViewName) -> None:
        """Make a view large; the large one goes back to its place."""
        self._large = None if self._large == name else name
        for other, view in self._views.items():
            view.setVisible(self._large in (None, other))
        for n in (0, 1):  # a hidden row or column takes no room
            shown = [place for other, place in _PLACES.items() if self._large in (None, other)]
            self._layout.setRowStretch(n, 1 if any(place[0] == n for place in shown) else 0)
            self._layout.setColumnStretch(n, 1 if any(place[1] == n for place in shown) else 0)
        self._views[name].setFocus(Qt.FocusReason.OtherFocusReason)
        self.enlarged.emit(self._large or "")

    @property
    def large(self) -> ViewName | None:
        """The view that fills the grid, if one does."""
        return self._large

    # what the views report

    def _crosshair_moved(self, point_mm: Point) -> None:
        self.set_crosshair(point_mm)
        self.crosshair_moved.emit(point_mm)

    def _window_changed(self, centre: float, width: float) -> None:
        self.set_window(centre, width)
        self.window_changed.emit(centre, width)

    def _measured(self, measurements: tuple[Measurement, ...]) -> None:
        self._measurements = measurements
        self.start_tool("")
        self._spread()
        self.measurements_changed.emit(measurements)

    def _turn(self, axis: Any, angle_deg: float) -> None:
        turning = self.sender()
        for name, view in self.slices.items():
            if view is not turning:
                self._planes[name] = self._planes[name].turned(axis, angle_deg)
        self._show_planes()

    def _show_planes(self) -> None:
        normals = {name: plane.normal for name, plane in self._planes.items()}
        for name, view in self.slices.items():
            plane = self._planes[name]
            # the other planes are seen as lines
            others = [normals[other] for other in PLANES if other != name]
            across = [np.cross(plane.normal, other) for other in others]
            view.set_plane(plane, (across[0], across[1]))

    def _picked(self, name: str, point_mm: Point) -> None:
        self.surface_picked.emit(name, point_mm)
        self._crosshair_moved(point_mm)
        self.clicked.emit(point_mm)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+1..4 makes a view large and back; Esc shows all four."""
        key = Qt.Key(event.key())
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier and key in _NUMBER_KEYS:
            self.enlarge(_NUMBER_KEYS[key])
        elif key == Qt.Key.Key_Escape and self._large is not None and self._brush is None:
            self.enlarge(self._large)
        else:
            super().keyPressEvent(event)

    def close_graphics(self) -> None:
        """Let go of the graphics; call it before the application goes."""
        self.spatial.close_stage()

    def closeEvent(self, event: QCloseEvent) -> None:
        """The same, for a grid that is a window of its own."""
        self.close_graphics()
        super().closeEvent(event)
