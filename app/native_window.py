"""The native slices of a series: as they are stored, whatever was repaired or is wrong with it. In those of the series in use it is
marked where the four views look."""

from __future__ import annotations

from collections import OrderedDict
from statistics import median
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QDialog, QSlider, QVBoxLayout, QWidget

from app.jobs import Jobs, Outcome
from app.statusline import place_words
from app.style import theme
from app.views import Views
from app.widgets.progress import ProgressRow
from app.widgets.text import button, label, row, say
from planner.progress import Progress
from planner.refusal import Refusal
from planner.scan.native import TURNED_DEG, Native, lie_words, native_slices, stack_words
from viewer.native_view import NativeView
from viewer.scene import Point, point
from viewer.windows import Window, first_window, preset

if TYPE_CHECKING:
    from app.session import Session
    from planner.geometry import Volume
    from planner.scan import Series

_SIZE = (760, 820)
_KEPT = 24  # slices, so that scrolling to and fro reads none twice
_HERE_SHARE = 0.65  # of the usual step: a place that is farther from all slices lies in a gap, or beyond them
_OPENING, _READING = "native slices", "native slice"


class NativeWindow(QDialog):
    """Follows the session: another series, another stack of slices. It reads in the background and holds nothing up.

    A series that is not in use can be asked for, to see why it was refused: it goes its own way, with its own window.
    """

    def __init__(self, owner: QWidget, session: Session, views: Views) -> None:
        super().__init__(owner)
        self.setWindowTitle("Native slices")
        self.setAccessibleName("Native slices")
        self.setModal(False)
        self.resize(*_SIZE)
        self._session, self._views = session, views
        self._jobs = Jobs(self)
        self._series: Series | None = None
        self._asked: Series | None = None  # for, though it is not in use
        self._native: Native | None = None
        self._kept: OrderedDict[int, Volume | Refusal] = OrderedDict()
        self._at = 0
        self._focus: Point = views.grid.crosshair
        self._head = label(role="head", name="Series of the native slices")
        self._repairs = label(role="muted", name="What is repaired when it is loaded")
        self._opening = ProgressRow("reading the file", self.reject)
        self._view = NativeView()
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setAccessibleName("Native slice, number")
        self._slider.valueChanged.connect(lambda value: self._go(value - 1))
        self._place = label(role="number", name="Place of this slice")
        self._lies = label(role="muted", name="How this slice lies")
        self._where = label(name="Where the views look")
        self._under = label(role="small", wrap=False, name="Under the pointer")
        self._to_focus = button("Go to where the views look", self._go_to_focus)
        self._lay_out()
        self._listen()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(8)
        above: tuple[QWidget, ...] = (self._head, self._repairs, self._opening)
        below: tuple[QWidget, ...] = (self._slider, self._place, self._lies, self._where)
        for one in (*above, self._view, *below):
            column.addWidget(one, 1 if one is self._view else 0)
        self._under.setMinimumWidth(220)
        column.addWidget(row(self._under, None, self._to_focus, button("Close", self.reject, name="Close the native slices")))

    def _listen(self) -> None:
        views, view = self._views, self._view
        view.scrolled.connect(lambda slices: self._slider.setValue(self._at + 1 + slices))
        view.pointed.connect(self._point)
        view.cursor_moved.connect(self._say_under)
        view.cursor_left.connect(self._under.clear)
        view.window_changed.connect(self._put_window)
        view.preset_wanted.connect(self._take_window)
        views.window_named.connect(lambda _words: self._follow_window())
        views.grid.crosshair_moved.connect(self._follow_focus)
        views.place_shown.connect(self._follow_focus)
        self._session.changed.connect(self._follow_session)

    def appear(self, asked: Series | None = None) -> None:
        """Show the slices of a series of the scan, or of the one in use, at the one nearest to where the views look."""
        self._view.set_theme(theme().name)
        self._asked = asked
        self._take(asked or self._session.series)
        self._follow_window()
        self._follow_focus(self._views.grid.crosshair)

    def changeEvent(self, event: QEvent) -> None:
        """Another theme is worn."""
        if event.type() == QEvent.Type.StyleChange:
            self._view.set_theme(theme().name)
        super().changeEvent(event)

    def close_work(self) -> None:
        """End what runs, and its thread."""
        self._jobs.close()

    # ---- which series ------------------------------------------------------------------------------------------------

    def _follow_session(self) -> None:
        if not self.isVisible():
            return
        scan = self._session.scan.value
        if self._asked is not None and (scan is None or self._asked not in scan.series):
            self.reject()  # another scan was opened
        else:
            self._take(self._asked or self._session.series)

    def _take(self, series: Series | None) -> None:
        if series is None:
            self._forget()
            say(self._head, "No series is in use.")
            say(self._repairs, "")
        elif series != self._series:
            self._forget()
            self._series = series
            name = series.description or "Without description"
            say(self._head, f"{name}: {series.slices} slices of {series.modality} as they are stored")
            say(self._repairs, _what_was_done(series))
            self._jobs.start(_OPENING, lambda progress: native_slices(series), self._opened)
            self._opening.put(series.file is not None, 0.0, "Reading the file")

    def _forget(self) -> None:
        """Let go of what was read."""
        for kind in (_OPENING, _READING):
            self._jobs.cancel(kind)
        self._series, self._native = None, None
        self._kept.clear()
        self._view.show_slice(None, "")
        for one in (self._place, self._lies, self._where):
            say(one, "")
        self._to_focus.setEnabled(False)
        self._slider.setEnabled(False)

    def done(self, result: int) -> None:
        """What was read is not kept behind a closed window."""
        self._forget()
        super().done(result)

    def _opened(self, outcome: Outcome) -> None:
        self._opening.put(False, 1.0, "")
        if outcome.error is not None:
            raise outcome.error
        if outcome.refusal is not None:
            self._view.show_slice(None, "", str(outcome.refusal))
            return
        native: Native = outcome.value
        self._native = native
        self._at = native.count // 2 if self._asked is not None else native.nearest(self._focus)
        self._slider.blockSignals(True)
        self._slider.setRange(1, native.count)
        self._slider.setPageStep(5)
        self._slider.setValue(self._at + 1)
        self._slider.blockSignals(False)
        self._slider.setEnabled(native.count > 1)
        self._show()

    # ---- which slice -------------------------------------------------------------------------------------------------

    def _go(self, n: int) -> None:
        if self._native is not None and n != self._at:
            self._at = n
            self._show()

    def _go_to_focus(self) -> None:
        if self._native is not None:
            self._slider.setValue(self._native.nearest(self._focus) + 1)

    # ---- the window --------------------------------------------------------------------------------------------------

    def _follow_window(self) -> None:
        if self._asked is None:
            self._view.set_window(self._views.grid.window_shown)

    def _put_window(self, centre: float, width: float) -> None:
        if self._asked is None:
            self._views.put_window(Window(centre, width))

    def _take_window(self, name: str) -> None:
        shown = self._kept.get(self._at)
        if self._asked is None:
            self._views.take_window(name)
        elif shown is not None and not isinstance(shown, Refusal):
            self._view.set_window(preset(name).window(shown))

    # ---- the slice at hand -------------------------------------------------------------------------------------------

    def _show(self) -> None:
        """The slice at hand; one that is not read yet is read, and shown when it comes."""
        native = self._native
        if native is None:
            return
        self._show_words(native)
        found = self._kept.get(self._at)
        if found is not None:
            self._kept.move_to_end(self._at)
            title = f"{self._at + 1} / {native.count}"
            if isinstance(found, Refusal):
                self._view.show_slice(None, title, str(found))
            else:
                self._view.show_slice(found, title)
        elif not self._jobs.is_running(_READING):
            wanted = self._at

            def work(progress: Progress) -> Volume:
                return native.slice(wanted)

            self._jobs.start(_READING, work, lambda outcome: self._came(wanted, outcome))

    def _came(self, n: int, outcome: Outcome) -> None:
        if outcome.error is not None:
            raise outcome.error
        if self._asked is not None and not self._kept and outcome.refusal is None:
            self._view.set_window(first_window(outcome.value))
        self._kept[n] = outcome.refusal or outcome.value
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        self._show()  # or the one that the user has scrolled to meanwhile

    def _show_words(self, native: Native) -> None:
        n = self._at
        number = native.series.pictures[n].number if native.series.pictures else None
        image = f" (image number {number})" if number is not None else ""
        middle = place_words(point(native.frames[n].centre_mm))
        after = f", {native.steps_mm[n - 1]:.2f} mm after slice {n}" if n and native.turned_deg < TURNED_DEG else ""
        say(self._place, f"Slice {n + 1} of {native.count}{image}{after}. Its middle lies at {middle}.")
        say(self._lies, f"{lie_words(native, n)} {stack_words(native).capitalize()}")
        self._mark_focus(native)

    # ---- where the views look ----------------------------------------------------------------------------------------

    def _follow_focus(self, at: Point) -> None:
        """The views look elsewhere: go with them."""
        self._focus = at
        if self.isVisible() and self._native is not None and self._asked is None:
            self._slider.setValue(self._native.nearest(at) + 1)
            self._mark_focus(self._native)

    def _mark_focus(self, native: Native) -> None:
        if self._asked is not None:
            self._view.set_focus(None, "")
            say(self._where, "This series is not in use: the views do not go along.")
            return
        ahead, nearest = native.ahead_mm(self._at, self._focus), native.nearest(self._focus)
        steps = native.steps_mm
        room = _HERE_SHARE * median(steps) if steps else 1.0
        inside = nearest == self._at and abs(ahead) <= room
        away = "" if inside else f"{abs(ahead):.1f} mm {'after' if ahead > 0 else 'before'} this slice"
        self._view.set_focus(self._focus, away)
        self._to_focus.setEnabled(nearest != self._at)
        if inside:
            say(self._where, "The views look at a place in this slice, where the lines cross.")
        elif nearest == self._at:
            say(self._where, f"The views look at a place {away}, where no slice lies.")
        else:
            say(self._where, f"The views look at a place {away}, in slice {nearest + 1}.")

    def _point(self, at: Point) -> None:
        if self._asked is None:
            self._views.show_place(at)

    def _say_under(self, at: Point, value: float | None) -> None:
        unit = " HU" if self._series is not None and self._series.modality == "CT" else ""
        said = "" if value is None else f"  {value:.0f}{unit}".replace("-", "−")
        self._under.setText(place_words(at) + said)


def _what_was_done(series: Series) -> str:
    """What loading changes of a series, or why it is not loaded."""
    if not series.usable:
        return f"Refused. {' '.join(series.reasons)}"
    return " ".join(series.repairs) or "Nothing was repaired: the views show these very slices."
