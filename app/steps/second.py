"""The card of the second scan: what it is, where it was laid and how well each level agrees, the blend, and laying it by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSizePolicy, QSlider, QWidget

from app.desk import Desk
from app.widgets.progress import ProgressRow
from app.widgets.rows import Rows
from app.widgets.text import Card, button, dress, label, row, say
from app.widgets.values import ValueRow
from planner.evidence import number
from viewer.furniture import doubt

if TYPE_CHECKING:
    from planner.anatomy.spine import Anatomy
    from planner.registration import LevelError, Registration
    from planner.scan import Series

_SHIFTS = (("Left", "to the patient's left"), ("Back", "to the back"), ("Head", "to the head"))
_TURNS = (("Nod", "about the left-right axis"), ("Tilt", "about the front-back axis"), ("Twist", "about the head-foot axis"))
_FIELD_PX = 64
_NEAR_LEVEL_MM = 18.0
_STARTS = {
    "patient coordinates": "From patient coordinates.",
    "levels": "From the levels of both.",
    "canal": "From the canals of both.",
    "search": "From a search of the whole scan.",
    "by hand": "From where a hand laid it.",
}


class SecondCard(Card):
    """Offers a second scan, or shows the one that there is."""

    def __init__(self, desk: Desk) -> None:
        super().__init__("card", "Second scan")
        self._desk, self._second = desk, desk.session.second
        self._head = label("Second scan", "head")
        self._what = label(role="muted")
        self._whose = label(role="small")
        opening = row(
            button("Add a second scan…", partial(desk.second_wanted.emit, "folder"), hint="CT and MR, or before and after, in one picture"),
            button("From a file…", partial(desk.second_wanted.emit, "file"), "small", "Add a second scan from a file"),
            None,
        )
        self._opening = opening
        self._reading = ProgressRow("reading the second scan", lambda: self._second.stop("second files"))
        self._loading = ProgressRow("loading the second scan", lambda: self._second.stop("second"))
        self._laying = ProgressRow("registering the second scan", lambda: self._second.stop("registration"))
        self._state = label(name="State of the registration")
        self._said = Rows(4)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, 100)
        self._slider.setPageStep(10)
        self._slider.setAccessibleName("Blend of the two scans")
        self._slider.setToolTip(
            "How much of the second scan is in the picture. , and . for less and more, B switches it. Shift+right drag: its window"
        )
        self._slider.valueChanged.connect(lambda value: self._second.blend(value / 100))
        self._first_name, self._share, self._second_name = (label(role="small", wrap=False) for _ in range(3))
        self._blend = Card("bare").add(self._slider, row(self._first_name, None, self._share, None, self._second_name))
        self._blend.column.setContentsMargins(0, 0, 0, 0)
        self._second.looked.connect(self._looked)
        self._levels = Rows(1)
        self._by_hand = button("Move by hand", partial(desk.ask, "second"), "small", "Move the second scan by hand")
        self._by_hand.setCheckable(True)
        self._by_hand.setToolTip("Drag in a slice view shifts it, Ctrl+drag turns it about the crosshair. Esc ends")
        self._again = button("Register again", self._second.register_again, "small", hint="From where it lies now")
        self._fields = [self._field(*words, " mm") for words in _SHIFTS] + [self._field(*words, " °") for words in _TURNS]
        self._hand = Card("bare")
        self._hand.column.setContentsMargins(0, 0, 0, 0)
        for one in (self._fields[:3], self._fields[3:]):
            self._hand.add(row(*(self._titled(field) for field in one)))
        self._swap = button("Plan on it", self._second.plan_on_it, "small", "Plan on the second scan")
        remove = button("Remove", self._second.remove, "small", "Remove the second scan")
        self._load = button("Try again", self._second.load_again, "small", "Load the second scan again")
        self._where = button("Where is it…", partial(desk.second_wanted.emit, "folder"), "small", "Say where the second scan is")
        self._acts = Card("bare").add(row(self._by_hand, self._again, None), row(self._swap, self._where, self._load, remove, None))
        self._acts.column.setContentsMargins(0, 0, 0, 0)
        self.add(self._head, self._what, self._whose, opening, self._reading, self._loading, self._laying, self._said)
        self._others_head, self._others = label(role="small"), Rows(0)
        self.add(self._others_head, self._others, self._blend, self._state, self._acts, self._hand, self._levels)

    def _field(self, name: str, meaning: str, unit: str) -> QDoubleSpinBox:
        made = QDoubleSpinBox()
        made.setRange(-2000.0 if unit == " mm" else -180.0, 2000.0 if unit == " mm" else 180.0)
        made.setDecimals(1)
        made.setSingleStep(0.5)
        made.setSuffix(unit)
        made.setKeyboardTracking(False)
        made.setMinimumWidth(_FIELD_PX)
        made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        made.setAccessibleName(f"{name}, second scan")
        made.setToolTip(f"{'Shift' if unit == ' mm' else 'Turn'} {meaning}")
        made.valueChanged.connect(self._typed)
        return made

    @staticmethod
    def _titled(field: QDoubleSpinBox) -> QWidget:
        made = Card("bare").add(label(field.accessibleName().partition(",")[0], "small", wrap=False), field)
        made.column.setContentsMargins(0, 0, 0, 0)
        made.column.setSpacing(1)
        return made

    def _typed(self) -> None:
        """A number was given: what was not touched keeps what lies beyond its decimals."""
        placed = self._second.placed
        if placed is None:
            return
        old = (*placed.shift_mm, *placed.turn_deg)
        new = [was if abs(field.value() - was) < 0.051 else field.value() for field, was in zip(self._fields, old)]
        if new != list(old):
            from planner.registration import Rigid

            self._second.move(Rigid((new[3], new[4], new[5]), (new[0], new[1], new[2]), placed.centre_mm))

    def _other(self, path: Path, series: Series) -> QWidget:
        words = f"{series.description or 'Without description'}: {series.modality}, {series.slices} slices"
        return button(words, lambda: self._second.choose(series, path), "link", f"Lay {words} over")

    # ---- following -------------------------------------------------------------------------------------------------------

    def follow(self) -> None:
        """Show the second scan as it is now."""
        second, session = self._second, self._desk.session
        there, loaded, laid = second.decided is not None, second.loaded.value, second.laid
        ready = there and loaded is not None and second.loaded.state == "ready"
        self.setVisible(session.case.scan is not None)
        files, lays = second.files, second.registration
        self._reading.put(files.state == "running", files.share, files.what)
        self._loading.put(there and second.loaded.state == "running", second.loaded.share, second.loaded.what)
        self._laying.put(ready and lays.state == "running", lays.share, lays.what)
        self._opening.setVisible(not there)
        what = (
            ""
            if loaded is None or not there
            else f"{loaded.series.description or 'Without description'}: {loaded.series.modality}, {loaded.series.slices} slices"
        )
        say(self._what, what)
        unknown = ready and second.patient_unknown
        say(self._whose, "△ Not checked: the files do not say whether both scans are of one patient." if unknown else "")
        refused = [
            one.refusal for one in (files, *((second.loaded, lays) if there else ())) if one.state == "refused" and one.refusal is not None
        ]
        self._said.show_items([(str(one), partial(_refused, one.sentence, one.way_out)) for one in refused])
        others = second.others
        say(self._others_head, f"Other series there: {len(others)}" if others else "")
        self._others.show_items([(one.key, partial(self._other, path, one)) for path, one in others])
        self._blend.setVisible(ready)
        self.show_blend()
        words, role = _state_words(laid, ready, lays.state)
        say(self._state, words)
        dress(self._state, role)
        self._show_levels(laid if ready else None, session.anatomy.value)
        self._acts.setVisible(there)
        moving = ready and self._desk.gesture == "second"
        self._by_hand.setVisible(ready)
        self._by_hand.setChecked(moving)
        self._again.setVisible(
            ready and lays.state != "running" and (lays.state == "refused" or (laid is not None and laid.start == "by hand"))
        )
        self._swap.setVisible(ready)
        good = laid is not None and laid.verdict == "good"
        kept = "names and leak marks go along, each to be checked" if good else "the plan starts anew"
        self._swap.setToolTip(f"The two change places; {kept}")
        self._load.setVisible(there and second.loaded.state == "refused")
        self._where.setVisible(there and second.loaded.state == "refused")
        self._hand.setVisible(moving)
        self.show_place()

    def _looked(self) -> None:
        """Keys blend it, a hand moves it."""
        self.show_blend()
        self.show_place()

    def show_blend(self) -> None:
        """The slider where the keys put it."""
        shown = round(100 * self._second.share)
        self._slider.blockSignals(True)
        self._slider.setValue(shown)
        self._slider.blockSignals(False)
        first, other = self._second.names
        say(self._first_name, f"{first} (planned on)")
        say(self._share, f"{100 - shown} % : {shown} %")
        say(self._second_name, other)

    def show_place(self) -> None:
        """The numbers that the hand makes."""
        placed = self._second.placed
        if placed is None or not self._hand.isVisible():
            return
        for field, value in zip(self._fields, (*placed.shift_mm, *placed.turn_deg)):
            field.blockSignals(True)
            field.setValue(value)
            field.blockSignals(False)

    def _show_levels(self, laid: Registration | None, anatomy: Anatomy | None) -> None:
        levels = laid.levels if laid is not None and laid.levels is not None else ()
        named = [(_name(level, anatomy), level) for level in levels]
        pairs = [named[n : n + 2] for n in range(0, len(named), 2)]
        self._levels.show_items([(tuple(pair), partial(_level_rows, pair)) for pair in pairs])


def _state_words(laid: Registration | None, ready: bool, state: str) -> tuple[str, str]:
    """How the registration stands, and the role of the words."""
    if not ready or (laid is None and state == "running"):
        return "", ""
    if laid is None:
        return "△ Not registered: shown where its own coordinates put it.", "caution"
    limit = number("registration.level_error_mm")
    by_hand = laid.information is None
    start = "Laid by hand." if by_hand else _STARTS[laid.start]
    if laid.levels is None:
        measured = f"△ Its levels are not measured{' yet' if state == 'running' else ''}."
        return " ".join((measured, *laid.doubts, start)), "caution"
    checked = laid.errors_mm
    if laid.verdict == "good":
        how, start = ("Laid by hand", "") if by_hand else ("Registered", f" {start}")
        return f"✓ {how}: {len(checked)} of {len(laid.levels)} levels checked, all within {limit:g} mm.{start}", "good"
    why = list(laid.doubts)
    if laid.off:
        why.append(f"{len(laid.off)} of {len(checked)} levels lie more than {limit:g} mm off.")
    elif not laid.doubts:
        why.append(f"{len(checked)} of {len(laid.levels)} levels could be checked." if laid.levels else "No level could be checked.")
    return f"△ Questionable. {' '.join(why)} {start}", "caution"


def _name(level: LevelError, anatomy: Anatomy | None) -> str:
    """The vertebra at a place as it is called now."""
    if anatomy is not None and anatomy.levels:
        nearest = min(anatomy.levels, key=lambda one: float(np.linalg.norm(np.subtract(one.centre_mm, level.centre_mm))))
        if np.linalg.norm(np.subtract(nearest.centre_mm, level.centre_mm)) < _NEAR_LEVEL_MM:
            return nearest.name + doubt(anatomy)
    return f"Vertebra at {level.centre_mm[2]:.0f} mm"


def _level_rows(pair: Sequence[tuple[str, LevelError]]) -> QWidget:
    """Two levels side by side."""
    made = QWidget()
    line = QHBoxLayout(made)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(18)
    for name, level in pair:
        line.addWidget(_level_row(name, level), 1)
    if len(pair) == 1:
        line.addStretch(1)
    return made


def _level_row(name: str, level: LevelError) -> QWidget:
    limit = number("registration.level_error_mm")
    if level.error_mm is None:
        return ValueRow(name, "△ not checked", "", level.why)
    hint = "How far this vertebra of the second scan lies from where it fits best"
    return ValueRow(name, f"{level.error_mm:.1f} mm", "△ off" if level.error_mm > limit else "", hint)


def _refused(sentence: str, way_out: str) -> QWidget:
    made = Card("bare", f"Refused: {sentence} {way_out}".strip()).add(label(f"× {sentence}", "bad"), label(way_out, "small"))
    made.column.setContentsMargins(0, 0, 0, 0)
    return made
