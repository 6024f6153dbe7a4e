"""Views: tells the four linked views what to show of the session, and hands what they report to the desk."""

from __future__ import annotations

from math import dist, floor
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.desk import Desk, Point
from app.hand import brush_of, edit_of
from viewer.brush import Drawn, Pulled
from viewer.grey import value_at
from viewer.linked import ViewGrid
from viewer.scene import Scene, SceneNeedle, ScenePatch, SceneSecond, point, same_scan
from viewer.theme import ThemeName
from viewer.windows import Window, first_window, preset, presets

if TYPE_CHECKING:
    from planner.anatomy.compartments import Compartments
    from planner.anatomy.spine import Anatomy
    from planner.geometry import Volume
    from planner.registration import Rigid
    from viewer.surfaces import Mesh

PATCH_STATION = 5
_OTHERS = 3
_PICTURES = 20  # of a scan while it is read
_FIELD_MM = 160.0
_SPINE_MM = 210.0  # three levels above and below a place, with room at the ends


class Views(QObject):
    """`grid` is the widget. `pointed` says what is under the pointer: (point, value), or (None, None)."""

    pointed = Signal(object, object)
    place_shown = Signal(object)  # a Point that somebody brought into all views
    window_named = Signal(str)

    def __init__(self, desk: Desk, theme: ThemeName, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk, self._session = desk, desk.session
        self.grid = ViewGrid()
        self.grid.setAccessibleName("Views")
        self.grid.set_theme(theme)
        self._station = 0
        self._at_first: Point | None = None  # where the crosshair stood when the scan came
        self._held: int | None = None
        self._laid: tuple[Volume, Rigid, Volume] | None = None  # the second scan, where it lies, and it there
        self._dragged: list[int] = []  # the site of each needle of the scene
        grid = self.grid
        grid.clicked.connect(self._clicked)
        grid.leak_marked.connect(desk.mark_leak)
        grid.vertebra_pointed.connect(self._ask_vertebra)
        grid.proposal_taken.connect(self.take_proposal)
        grid.snap_wanted.connect(self._snap)
        grid.needle_dragged.connect(self._drag)
        grid.hand_done.connect(self._hand_done)
        grid.brush_sized.connect(self._size_brush)
        grid.cursor_moved.connect(self.pointed)
        grid.cursor_left.connect(lambda: self.pointed.emit(None, None))
        grid.window_changed.connect(lambda *_: self.window_named.emit(self.window_words))
        second = self._session.second
        grid.second_shifted.connect(second.shift)
        grid.second_turned.connect(lambda axis, angle: second.turn(axis, angle, grid.crosshair))
        grid.second_dropped.connect(second.drop)
        grid.second_window_dragged.connect(lambda centre, width: second.take_window(Window(centre, width)))
        second.looked.connect(lambda: self.show(self._station))
        desk.place_wanted.connect(self.show_place)
        desk.along_wanted.connect(lambda candidate: grid.look_along(candidate.entry_mm, candidate.target_mm))
        desk.moved_ml.connect(lambda _ml: self.show(self._station))

    # ---- showing -------------------------------------------------------------------------------------------------------

    def show(self, station: int) -> None:
        """Show the session as it is now; nothing is drawn anew where nothing changed."""
        self._station = station
        self.grid.set_brush(brush_of(self._desk))
        self.grid.set_mover(self._desk.gesture == "second")
        before, scene = self.grid.scene, self._scene()
        if not scene.changes(before):
            return
        volume, leaks = scene.volume, scene.leaks
        fresh = volume is not None and not same_scan(volume, before.volume)
        self.grid.set_scene(scene)
        if fresh and leaks:
            self.show_place(leaks[min(self._desk.site, len(leaks) - 1)].position_mm)
        if fresh:
            self._at_first = self.grid.crosshair
        if scene.anatomy is not None and before.anatomy is None and not leaks and self.grid.crosshair == self._at_first:
            self.show_canal(scene.anatomy)
        if fresh and scene.watermark and volume is not None:
            self.grid.set_window(*preset("myelogram").window(volume))
        if fresh:
            self.window_named.emit(self.window_words)

    def _scene(self) -> Scene:
        """What the session holds, as far as there is a scan to show it on."""
        session = self._session
        volume, loaded = session.volume_in_sight, session.volume.state == "ready"
        anatomy = session.anatomy.value if loaded else None
        needles, self._dragged = self._needles() if anatomy is not None else ((), [])
        example = session.case.scan is not None and session.case.scan.example is not None
        surfaces, divided = self._with_spaces(session.surfaces.value)
        return Scene(
            volume=volume,
            anatomy=anatomy,
            hidden=session.hidden,
            leaks=tuple(site.leak for site in session.case.sites),
            needles=needles,
            patch=self._patch() if anatomy is not None and self._station >= PATCH_STATION else None,
            surfaces=surfaces if anatomy is not None else None,
            compartments=divided,
            watermark="phantom" if example else "",
            second=self._second(volume),
            filled=1.0 if loaded or volume is None else floor(session.volume.share * _PICTURES) / _PICTURES,
        )

    def _with_spaces(self, surfaces: dict[str, Mesh] | None) -> tuple[dict[str, Mesh] | None, Compartments | None]:
        """The surfaces with those of the compartments, and the compartments, where somebody looks at them."""
        made = self._session.compartments.value
        if made is None or "compartments" in self._session.hidden:
            return surfaces, None
        divided, meshes = made
        return {**(surfaces or {}), **meshes}, divided

    def _second(self, volume: Volume | None) -> SceneSecond | None:
        """The second scan where it is laid, the same voxels on an oblique frame."""
        second = self._session.second
        loaded, placed = second.loaded.value, second.placed
        if volume is None or loaded is None or placed is None or second.decided is None:
            self._laid = None  # its voxels are not wanted any more
            return None
        if self._laid is None or self._laid[0] is not loaded.volume or self._laid[1] != placed:
            self._laid = loaded.volume, placed, placed.placed(loaded.volume)
        if second.window is None:
            second.window = first_window(loaded.volume)
        return SceneSecond(self._laid[2], second.share, second.window, second.names, second.doubt)

    def _patch(self) -> ScenePatch | None:
        forecast = self._session.forecast.value
        if forecast is None:
            return None
        # sums of doses that are the same in tenths are the same patch
        return ScenePatch.of(forecast, round(self._desk.ml, 3), self.grid.scene.patch)

    def _needles(self) -> tuple[tuple[SceneNeedle, ...], list[int]]:
        """Every site's needle, then the one that is looked at, then a few others of its site, thin."""
        desk = self._desk
        made: list[SceneNeedle] = []
        sites: list[int] = []
        for index, derived in enumerate(self._session.sites):
            plan = derived.value
            if plan is None:
                continue
            here, outer = index == desk.site, plan.needle.outer_mm
            looked_at = desk.shown_candidate if here else plan.used
            own = plan.taken
            if own is not None:
                made.append(SceneNeedle.of(own, "taken", index + 1, outer))
                sites.append(index)
            if looked_at is not None and looked_at is not own:
                made.append(SceneNeedle.of(looked_at, "preview", index + 1, outer))
                sites.append(index)
            if here:
                others = [one for one in plan.search.candidates[: _OTHERS + 1] if one is not looked_at and one is not own]
                made += [SceneNeedle.of(one, "other", index + 1, outer) for one in others[:_OTHERS]]
                sites += [index] * len(others[:_OTHERS])
        if desk.live is not None and self._held is not None and self._held < len(made):
            # the one under the hand keeps its place in the list: the view holds on to its number
            held = made[self._held]
            made[self._held] = SceneNeedle.of(desk.live, held.role, held.number, held.outer_mm)
        return tuple(made), sites

    def come_near(self) -> None:
        """The spine round the chosen leak: three levels above and below."""
        scene = self.grid.scene
        if scene.volume is None or self._desk.site >= len(scene.leaks):
            return
        at = scene.leaks[self._desk.site].position_mm
        middle, reach_mm = np.array(at), 0.5 * _SPINE_MM
        corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.4, 0.6) for z in (-1.0, 1.0)])
        self.grid.show_region(at, _FIELD_MM, middle + reach_mm * corners)

    def show_whole(self) -> None:
        """The whole scan."""
        if self.grid.scene.volume is not None:
            self.grid.fit()

    def show_place(self, at: Point) -> None:
        """Bring a place into all views."""
        if self.grid.scene.volume is not None:
            self.grid.set_crosshair(at)
            self.place_shown.emit(at)

    def show_canal(self, anatomy: Anatomy) -> None:
        """Bring the middle of the canal into all views: what a person looks for first lies along it."""
        line = anatomy.canal.centreline_mm
        if len(line):
            self.show_place(point(line[len(line) // 2]))

    def second_words(self, at: Point) -> str:
        """The value of the second scan at a place, and which scan is which: ` (CT)  512 (MR)`."""
        second = self.grid.scene.second
        if second is None:
            return ""
        value, (first, other) = value_at(second.volume, at), second.names
        unit = " HU" if second.volume.modality == "CT" else ""
        said = "outside" if value is None else f"{value:.0f}{unit}".replace("-", "−")
        return f" ({first})   {said} ({other})"

    # ---- hands ---------------------------------------------------------------------------------------------------------

    def _clicked(self, at: Point) -> None:
        if self._desk.gesture and self._session.volume.state == "ready":
            self._desk.click(at)

    def _ask_vertebra(self, at: Point) -> None:
        if self._session.volume.state == "ready":
            self._desk.ask_vertebra(at)

    def _drag(self, index: int, entry: Point, target: Point, finished: bool) -> None:
        if index >= len(self._dragged):
            return
        self._desk.site = self._dragged[index]
        self._held = None if finished else index
        if finished:
            self._desk.drop(entry, target)
        else:
            self._desk.drag(entry, target)

    def _hand_done(self, done: Drawn | Pulled) -> None:
        if not self._desk.change_by_hand(edit_of(self._desk, done)):
            self.grid.settle_brush()

    def _size_brush(self, radius_mm: float) -> None:
        self._desk.size_mm = radius_mm
        self.grid.set_brush(brush_of(self._desk))
        self._desk.changed.emit()

    def take_window(self, identifier: str) -> None:
        """Put on a window preset."""
        volume = self.grid.scene.volume
        if volume is not None:
            self.put_window(preset(identifier).window(volume))

    def put_window(self, window: Window) -> None:
        """Show these values between black and white."""
        self.grid.set_window(*window)
        self.window_named.emit(self.window_words)

    @property
    def window_words(self) -> str:
        """The preset that is on, or centre and width."""
        volume, shown = self.grid.scene.volume, self.grid.window_shown
        if volume is not None:
            for one in presets():
                window = one.window(volume) if one.modality == volume.modality else None
                if window is not None and abs(window.centre - shown.centre) < 0.5 and abs(window.width - shown.width) < 0.5:
                    return one.name
        return f"{shown.centre:.0f} / {shown.width:.0f}"

    def take_proposal(self) -> None:
        """N: take the needle that is looked at, else the best."""
        candidate = self._desk.looked_at
        if candidate is not None:
            self._desk.take(candidate)

    def _snap(self) -> None:
        """T: the tip of the taken needle goes to the nearest target of the search."""
        plan = self._desk.plan
        if plan is None or plan.taken is None or not plan.search.candidates:
            return
        tip = plan.taken.target_mm
        nearest = min((one.target_mm for one in plan.search.candidates), key=lambda target: dist(target, tip))
        self._desk.drop(plan.taken.entry_mm, nearest)

    def close(self) -> None:
        """Let go of the graphics."""
        self.grid.close_graphics()


def hidden_toggle(session: Any, name: str) -> None:
    """Switch what has no eye of its own in a panel."""
    session.show_structure(name, name in session.hidden)
