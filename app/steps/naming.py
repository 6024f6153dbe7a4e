"""Naming: the part of the Anatomy panel that says what the level names rest on, and in which a person names, moves and counts them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Literal

from PySide6.QtWidgets import QGridLayout, QPushButton, QVBoxLayout, QWidget

from app.desk import Desk
from app.steps.words import anchor_words
from app.widgets.rows import Rows
from app.widgets.text import Card, button, dress, label, row, say
from planner.anatomy.labels import ALL_LEVELS
from planner.anatomy.names import anchored, shifted
from planner.anatomy.spine import Anatomy, Anchor
from planner.refusal import Refusal

_LIKELY_REACH = 1
_ACROSS = 7  # buttons in a row of the chooser
_THORACIC: tuple[Literal[11, 12, 13], ...] = (11, 12, 13)
_LUMBAR: tuple[Literal[4, 5, 6], ...] = (4, 5, 6)
_SELDOM = {"T13": "A thirteenth vertebra with ribs", "L6": "A sixth lumbar vertebra, or a lumbarised S1"}
_COUNTS = {
    ("Thoracic", "11"): "T11 is the last with ribs",
    ("Thoracic", "13"): "T13 bears ribs too",
    ("Lumbar", "4"): "L5 is sacralised: S1 follows L4",
    ("Lumbar", "6"): "S1 is lumbarised, and counted as L6",
}


class Naming(QWidget):
    """The card of the levels, and below it the names to choose from while a vertebra is picked."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk, self._session = desk, desk.session
        self._is_counting = False
        self._levels = Card(name="Levels")
        self._anchor = label(name="What the levels rest on")
        self._named = label(role="muted", name="Levels found")
        self._ask = button("Name a vertebra", lambda: desk.ask("vertebra"), hint="V names the vertebra under the pointer")
        self._ask.setCheckable(True)
        self._back = button("", desk.session.take_name_back, name="Take the name back", hint="The levels are then not confirmed")
        self._up, self._down = self._shift(-1), self._shift(1)
        self._off = row(label("Off by one?", "muted", wrap=False), self._up, self._down, None)
        self._counted = button("", self._count_otherwise, "link", "How many vertebrae are counted")
        self._counts = Rows(2)
        self._levels.add(self._anchor, self._named, row(self._ask, self._back, None), self._off, row(self._counted, None), self._counts)
        self._chooser = Rows()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(9)
        column.addWidget(self._levels)
        column.addWidget(self._chooser)

    def refresh(self, anatomy: Anatomy | None) -> None:
        """Follow the anatomy and the case."""
        self.setVisible(anatomy is not None)
        if anatomy is None:
            self._chooser.show_items([])
            return
        by_user = anatomy.anchor is not None and anatomy.anchor.by == "user"
        say(self._anchor, f"{'✓' if by_user else '△'} {anchor_words(anatomy.anchor)}")
        dress(self._anchor, "good" if by_user else "caution")
        say(self._named, _level_words(anatomy))
        self._ask.setChecked(self._desk.gesture == "vertebra")
        named = self._session.case.anchor
        self._back.setText(f"Take {named.name} back" if named is not None else "")
        self._back.setVisible(named is not None)
        self._show_shifts(anatomy)
        self._show_counts()
        at = self._desk.vertebra_at
        self._chooser.show_items([(("chooser", at), self._make_chooser)] if at is not None else [])

    # ---- all names moved by one ----------------------------------------------------------------------------------------

    def _shift(self, steps: Literal[-1, 1]) -> QPushButton:
        return button("", lambda: self._session.shift_names(steps), name=f"All names one {'up' if steps < 0 else 'down'}")

    def _show_shifts(self, anatomy: Anatomy) -> None:
        """What the named vertebra would be called, one up and one down; why not, where C1 or S5 is in view already."""
        self._off.setVisible(bool(anatomy.levels))
        if not anatomy.levels:
            return
        here, case_anchor = anchored(anatomy).name, self._session.case.anchor
        settled = case_anchor is None or anatomy.anchor == case_anchor
        sides: tuple[tuple[QPushButton, Literal[-1, 1], str], ...] = ((self._up, -1, "up"), (self._down, 1, "down"))
        for made, steps, way in sides:
            try:
                there, why = shifted(anatomy, steps).name, ""
            except Refusal as refusal:
                there, why = "–", str(refusal)
            made.setText(f"{here} → {there}")
            made.setEnabled(settled and not why)
            made.setToolTip(why or f"All names one {way}: {here} becomes {there}")
            made.setAccessibleDescription(made.toolTip())

    # ---- how many vertebrae are counted --------------------------------------------------------------------------------

    def _count_otherwise(self) -> None:
        self._is_counting = not self._is_counting
        self._show_counts()

    def _show_counts(self) -> None:
        """How many vertebrae bear ribs, and how many are lumbar: closed for those who are as most people are."""
        anchor = self._session.case.anchor
        self._counted.setVisible(anchor is not None)
        self._is_counting = self._is_counting and anchor is not None
        if anchor is not None:
            counted = anchor.numbering
            self._counted.setText(f"{counted.thoracic} thoracic, {counted.lumbar} lumbar {'▾' if self._is_counting else '▸'}")
        shown = [(("counts", anchor), partial(self._make_counts, anchor))] if anchor is not None and self._is_counting else []
        self._counts.show_items(shown)

    def _make_counts(self, anchor: Anchor) -> QWidget:
        now, made = anchor.numbering, QWidget()
        grid = QGridLayout(made)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        choices = (
            ("Thoracic", tuple((str(n), replace(now, thoracic=n)) for n in _THORACIC)),
            ("Lumbar", tuple((str(n), replace(now, lumbar=n)) for n in _LUMBAR)),
        )
        for line, (region, numberings) in enumerate(choices):
            grid.addWidget(label(region, "muted", wrap=False), line, 0)
            for column, (count, numbering) in enumerate(numberings, 1):
                choice = button(count, partial(self._session.count_vertebrae, numbering), "level", f"{count} {region.lower()} vertebrae")
                choice.setCheckable(True)
                choice.setChecked(numbering == now)
                choice.setEnabled(anchor.name in numbering.names)
                why = "" if choice.isEnabled() else f"The named vertebra is {anchor.name}: name another first."
                choice.setToolTip(why or _COUNTS.get((region, count), ""))
                grid.addWidget(choice, line, column)
        grid.setColumnStretch(4, 1)
        return made

    # ---- the name of the picked vertebra -------------------------------------------------------------------------------

    def _make_chooser(self) -> QWidget:
        card = Card("card current", "Name the vertebra")
        card.add(label("Which vertebra is this?", "head"))
        holder = QWidget()
        grid = QGridLayout(holder)
        grid.setSpacing(4)
        grid.setContentsMargins(0, 0, 0, 0)
        likely = self._likely()
        line = 0
        for letter in "CTLS":
            names = [name for name in ALL_LEVELS if name[0] == letter]
            for n, name in enumerate(names):
                role = "likely" if name in likely else "level"
                choice = button(name, partial(self._desk.name_vertebra, name), role, f"It is {name}", _SELDOM.get(name, ""))
                choice.setMinimumWidth(32)
                grid.addWidget(choice, line + n // _ACROSS, n % _ACROSS)
            line += -(-len(names) // _ACROSS)
        card.add(holder, row(button("Leave", self._desk.leave, name="Leave it unnamed"), None))
        return card

    def _likely(self) -> set[str]:
        """The name that the program gives to the picked vertebra now, and its neighbours."""
        anatomy, at = self._session.anatomy.value, self._desk.vertebra_at
        if anatomy is None or at is None or not anatomy.levels:
            return set()
        nearest = min(anatomy.levels, key=lambda level: sum((a - b) ** 2 for a, b in zip(level.centre_mm, at)))
        names = anatomy.numbering.names
        here = names.index(nearest.name)
        return set(names[max(0, here - _LIKELY_REACH) : here + _LIKELY_REACH + 1])


def _level_words(anatomy: Anatomy) -> str:
    if not anatomy.levels:
        return "No vertebra was found."
    unsure = [level.name for level in anatomy.levels if level.confidence < 0.5]
    words = ", ".join(level.name for level in anatomy.levels)
    return f"{words}." + (f" Unsure: {', '.join(unsure)}." if unsure else "")
