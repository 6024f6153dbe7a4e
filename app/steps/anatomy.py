"""Anatomy: what was found, how each structure is known, and the one vertebra that a person names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.derived import Derived
from app.desk import Desk
from app.steps.editing import Editing
from app.steps.openings import Foramina
from app.steps.outside import OutsidePrograms
from app.steps.panel import Next, Panel
from app.steps.words import ONLY_ON_MYELOGRAMS, SIGNS, anchor_words
from app.style import theme
from app.widgets.painting import painting
from app.widgets.progress import ProgressRow
from app.widgets.rows import Rows
from app.widgets.text import Card, button, dress, label, row, say
from planner.anatomy.labels import ALL_LEVELS
from planner.anatomy.names import anchored, shifted
from planner.anatomy.spine import Anatomy, Anchor, Structure
from planner.refusal import Refusal

_SHOWN = (
    "bone", "canal", "sac", "cord", "levels", "foramina", "windows", "roots", "landmarks", "contrast outside", "ligamentum flavum", "skin",
    "lung", "kidney", "bowel gas", "aorta", "vena cava", "vertebral artery",
)  # fmt: skip
_ALWAYS = frozenset({"bone", "canal", "sac", "cord", "levels", "foramina", "windows", "roots", "skin", "lung", "kidney", "bowel gas"})
_LIKELY_REACH = 1
_THORACIC: tuple[Literal[11, 12, 13], ...] = (11, 12, 13)
_LUMBAR: tuple[Literal[4, 5, 6], ...] = (4, 5, 6)
_SELDOM = {"T13": "A thirteenth vertebra with ribs", "L6": "A sixth lumbar vertebra, or a lumbarised S1"}
_COUNTS = {
    ("Thoracic", "11"): "T11 is the last with ribs",
    ("Thoracic", "13"): "T13 bears ribs too",
    ("Lumbar", "4"): "L5 is sacralised: S1 follows L4",
    ("Lumbar", "6"): "S1 is lumbarised, and counted as L6",
}


class AnatomyPanel(Panel):
    """Finds, names, shows and hides."""

    station = 1

    def __init__(self, desk: Desk, onward: Next, choose_labels: Next, choose_masks: Next) -> None:
        self._choose_labels, self._choose_masks = choose_labels, choose_masks
        super().__init__(desk, onward)

    def build(self) -> None:
        self._working = ProgressRow("finding the anatomy", lambda: self.session.cancel("anatomy"))
        self._meshing = ProgressRow("making the surfaces")
        self.body.addWidget(self._working)
        self.body.addWidget(self._meshing)
        self._stopped = row(
            label("Stopped.", "muted", wrap=False), None, button("Find the anatomy", lambda: self.session.resume("anatomy"))
        )
        self._again = row(button("Try again", lambda: self.session.resume("anatomy"), name="Try to find the anatomy again"), None)
        self.body.addWidget(self._stopped)
        self.body.addWidget(self._again)
        self._levels = Card(name="Levels")
        self._anchor = label(name="What the levels rest on")
        self._named = label(role="muted", name="Levels found")
        self._ask = button("Name a vertebra", lambda: self.desk.ask("vertebra"), hint="V names the vertebra under the pointer")
        self._ask.setCheckable(True)
        self._back = button("", self.session.take_name_back, name="Take the name back", hint="The levels are then not confirmed")
        self._up, self._down = self._shift(-1), self._shift(1)
        self._counted = button("", self._count_otherwise, "link", "How many vertebrae are counted")
        self._counts = Rows(2)
        self._levels.add(self._anchor, self._named, row(self._ask, self._back, None))
        self._off = row(label("Off by one?", "muted", wrap=False), self._up, self._down, None)
        self._levels.add(self._off, row(self._counted, None), self._counts)
        self._is_counting = False
        self.body.addWidget(self._levels)
        self._chooser = Rows()
        self.body.addWidget(self._chooser)
        self._map = Card(name="Label map")
        self._map_words = label(role="muted", name="Label map taken in")
        self._take_map = button("Take in a label map…", self._choose_labels, name="Take in a label map")
        self._take_masks = button("A folder of masks…", self._choose_masks, name="Take in a folder of masks")
        self._take_masks.setToolTip("One file for each structure, as TotalSegmentator and 3D Slicer write them")
        self._leave_map = button("Leave it", lambda: self.session.take_labels(None), name="Leave the label map")
        self._whose = Rows(4)
        self._map.add(label("Label map of another program", "head"), self._map_words, self._whose)
        self._map.add(row(self._take_map, self._leave_map, None), row(self._take_masks, None))
        self._editing = Editing(self.desk)
        self.body.addWidget(self._editing)
        self._head = label("Structures", "head")
        self.body.addWidget(self._head)
        self._structures = Rows(1)
        self.body.addWidget(self._structures)
        self._foramina = Foramina(self.desk)
        self.body.addWidget(self._foramina)
        self.body.addWidget(self._map)
        self._outside = OutsidePrograms(self.session)
        self.body.addWidget(self._outside)

    def lead(self) -> str:
        anatomy = self.session.anatomy.value
        if anatomy is None or not anatomy.levels:
            return "Where the canal, the sac, the openings and the hazards are."
        names = f"{anatomy.levels[0].name} to {anatomy.levels[-1].name}"
        length = anatomy.canal.s_mm[-1] / 10 if len(anatomy.canal.centreline_mm) else 0.0
        return f"{names}, {length:.0f} cm of canal. {anchor_words(anatomy.anchor)}."

    def refusals(self) -> tuple[Derived[object], ...]:
        return (self.session.anatomy, self.session.surfaces)

    def fill(self) -> None:
        derived, anatomy = self.session.anatomy, self.session.anatomy.value
        self._working.put(derived.state == "running", derived.share, derived.what)
        surfaces = self.session.surfaces
        self._meshing.put(surfaces.state == "running", surfaces.share, surfaces.what)
        self._stopped.setVisible(derived.state == "missing" and self.session.volume.state == "ready")
        self._again.setVisible(derived.state == "refused")
        self._levels.setVisible(anatomy is not None)
        self._head.setVisible(anatomy is not None)
        if anatomy is not None:
            by_user = anatomy.anchor is not None and anatomy.anchor.by == "user"
            say(self._anchor, f"{'✓' if by_user else '△'} {anchor_words(anatomy.anchor)}")
            dress(self._anchor, "good" if by_user else "caution")
            say(self._named, _level_words(anatomy))
        self._ask.setChecked(self.desk.gesture == "vertebra")
        named = self.session.case.anchor
        self._back.setText(f"Take {named.name} back" if named is not None else "")
        self._back.setVisible(named is not None)
        self._show_shifts(anatomy)
        self._show_counts()
        self._show_map()
        self._outside.refresh()
        at = self.desk.vertebra_at
        self._chooser.show_items([(("chooser", at), self._make_chooser)] if at is not None and anatomy is not None else [])
        known = [(name, anatomy.structure(name)) for name in _SHOWN if _is_told(anatomy, name)] if anatomy is not None else []
        self._editing.refresh()
        self._foramina.refresh(anatomy)
        hidden = self.session.hidden
        self._structures.show_items([((name, how, name in hidden), partial(self._structure, name, how)) for name, how in known])

    def _shift(self, steps: Literal[-1, 1]) -> QPushButton:
        return button("", lambda: self.session.shift_names(steps), name=f"All names one {'up' if steps < 0 else 'down'}")

    def _show_shifts(self, anatomy: Anatomy | None) -> None:
        """What the named vertebra would be called, one up and one down; why not, where C1 or S5 is in view already."""
        self._off.setVisible(anatomy is not None and bool(anatomy.levels))
        if anatomy is None or not anatomy.levels:
            return
        here, settled = anchored(anatomy).name, anatomy.anchor == self.session.case.anchor or self.session.case.anchor is None
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

    def _count_otherwise(self) -> None:
        self._is_counting = not self._is_counting
        self._show_counts()

    def _show_counts(self) -> None:
        """How many vertebrae bear ribs, and how many are lumbar: closed for those who are as most people are."""
        anchor = self.session.case.anchor
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
                choice = button(count, partial(self.session.count_vertebrae, numbering), "level", f"{count} {region.lower()} vertebrae")
                choice.setCheckable(True)
                choice.setChecked(numbering == now)
                choice.setEnabled(anchor.name in numbering.names)
                why = "" if choice.isEnabled() else f"The named vertebra is {anchor.name}: name another first."
                choice.setToolTip(why or _COUNTS.get((region, count), ""))
                grid.addWidget(choice, line, column)
        grid.setColumnStretch(4, 1)
        return made

    def _show_map(self) -> None:
        path = self.session.case.labels_path
        self._map.setVisible(self.session.volume.state == "ready")
        words = "What it holds wins over what the program finds."
        anatomy = self.session.anatomy.value
        told = anatomy.structure("label map").problem if anatomy is not None else None
        given = f"Given: {Path(path).name}. {told or ''}".strip() if path is not None else "None."
        say(self._map_words, f"{given} {words}")
        self._take_map.setText("Take in another…" if path is not None else "Take in a label map…")
        self._leave_map.setVisible(path is not None)
        choices = getattr(self.session.anatomy.refusal, "choices", ()) if path is not None else ()
        self._whose.show_items([((scheme, program), partial(self._scheme, scheme, program)) for scheme, program in choices])

    def _scheme(self, scheme: str, program: str) -> QWidget:
        """A button that answers whose numbers the label map has."""

        def answer() -> None:
            path = self.session.case.labels_path
            self.session.take_labels(None if path is None else Path(path), scheme)

        return row(button(program, answer, name=f"It has the numbers of {program}"), None)

    def _structure(self, name: str, known: Structure) -> QWidget:
        made = QWidget()
        column = QVBoxLayout(made)
        column.setContentsMargins(0, 1, 0, 1)
        column.setSpacing(0)
        line = QHBoxLayout()
        line.setSpacing(6)
        loose = known.provenance == "not checked"
        if loose:
            gap = QWidget()
            gap.setFixedWidth(_Eye.WIDTH)
            line.addWidget(gap)
        else:
            line.addWidget(_Eye(name, name not in self.session.hidden, self.session.show_structure))
        line.addWidget(label(name[0].upper() + name[1:], wrap=False))
        line.addStretch(1)
        sure = f" {round(100 * known.confidence)} %" if known.confidence is not None and not loose else ""
        role = {"not checked": "caution", "modelled": "muted"}.get(known.provenance, "")
        words = label(f"{SIGNS[known.provenance]} {known.provenance}{sure}", role, wrap=False)
        words.setAccessibleName(f"{name}: {known.provenance}{sure}")
        line.addWidget(words)
        column.addLayout(line)
        if known.problem:
            problem = label(known.problem, "small")
            problem.setContentsMargins(_Eye.WIDTH + 6, 0, 0, 2)
            column.addWidget(problem)
        return made

    def _make_chooser(self) -> QWidget:
        card = Card("card current", "Name the vertebra")
        card.add(label("Which vertebra is this?", "head"))
        grid = QGridLayout()
        grid.setSpacing(4)
        grid.setContentsMargins(0, 0, 0, 0)
        likely = self._likely()
        line = 0
        for letter in "CTLS":
            names = [name for name in ALL_LEVELS if name[0] == letter]
            for n, name in enumerate(names):
                role = "likely" if name in likely else "level"
                choice = button(name, partial(self.desk.name_vertebra, name), role, f"It is {name}", _SELDOM.get(name, ""))
                choice.setMinimumWidth(32)
                grid.addWidget(choice, line + n // 7, n % 7)
            line += (len(names) + 6) // 7
        holder = QWidget()
        holder.setLayout(grid)
        card.add(holder, row(button("Leave", self.desk.leave, name="Leave it unnamed"), None))
        return card

    def _likely(self) -> set[str]:
        """The name that the program gives to the picked vertebra now, and its neighbours."""
        anatomy, at = self.session.anatomy.value, self.desk.vertebra_at
        if anatomy is None or at is None or not anatomy.levels:
            return set()
        nearest = min(anatomy.levels, key=lambda level: sum((a - b) ** 2 for a, b in zip(level.centre_mm, at)))
        names = anatomy.numbering.names
        here = names.index(nearest.name)
        return set(names[max(0, here - _LIKELY_REACH) : here + _LIKELY_REACH + 1])


def _is_told(anatomy: Anatomy, name: str) -> bool:
    """Whether a structure has a row."""
    if name in ONLY_ON_MYELOGRAMS:
        return anatomy.structure(name).provenance != "not checked"
    return name in _ALWAYS or name in anatomy.structures


def _level_words(anatomy: Anatomy) -> str:
    if not anatomy.levels:
        return "No vertebra was found."
    unsure = [level.name for level in anatomy.levels if level.confidence < 0.5]
    words = ", ".join(level.name for level in anatomy.levels)
    return f"{words}." + (f" Unsure: {', '.join(unsure)}." if unsure else "")


class _Eye(QPushButton):
    """Shows or hides a structure."""

    WIDTH = 24

    def __init__(self, name: str, shown: bool, show: Callable[[str, bool], None]) -> None:
        super().__init__()
        self.setCheckable(True)
        self.setChecked(shown)
        self.setAccessibleName(f"Show {name}")
        self.setToolTip(f"{'Hide' if shown else 'Show'} {name}")
        self.setStyleSheet("min-height: 0; padding: 0;")
        self.setFixedSize(self.WIDTH, 20)
        self.toggled.connect(lambda on: show(name, on))

    def paintEvent(self, event: QPaintEvent) -> None:
        with painting(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        look = theme()
        middle = QPointF(self.width() / 2, self.height() / 2)
        painter.setPen(QPen(look.colour("text" if self.isChecked() else "muted"), 1.4))
        lid = QPainterPath()
        lid.moveTo(middle - QPointF(7, 0))
        lid.quadTo(middle - QPointF(0, 8), middle + QPointF(7, 0))
        lid.quadTo(middle + QPointF(0, 8), middle - QPointF(7, 0))
        painter.drawPath(lid)
        if self.isChecked():
            painter.setBrush(look.colour("text"))
            painter.drawEllipse(middle, 2, 2)
        else:
            painter.drawLine(middle + QPointF(-6, 5), middle + QPointF(6, -5))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(look.colour("accent"), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
