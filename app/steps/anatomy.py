"""Anatomy: what was found, how each structure is known, and the one vertebra that a person names."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.derived import Derived
from app.desk import Desk
from app.steps.divided import divided_words
from app.steps.editing import Editing
from app.steps.naming import Naming
from app.steps.openings import Foramina
from app.steps.outside import OutsidePrograms
from app.steps.panel import Next, Panel
from app.steps.words import ONLY_ON_MYELOGRAMS, SIGNS, anchor_words
from app.style import theme
from app.widgets.painting import painting
from app.widgets.progress import ProgressRow
from app.widgets.rows import Rows
from app.widgets.text import Card, button, label, row, say
from planner.anatomy.spine import Anatomy, Structure

_SHOWN = (
    "bone", "canal", "sac", "cord", "levels", "foramina", "windows", "roots", "landmarks", "contrast outside", "ligamentum flavum", "skin",
    "lung", "kidney", "bowel gas", "aorta", "vena cava", "vertebral artery",
)  # fmt: skip
_ALWAYS = frozenset({"bone", "canal", "sac", "cord", "levels", "foramina", "windows", "roots", "skin", "lung", "kidney", "bowel gas"})


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
        self._naming = Naming(self.desk)
        self.body.addWidget(self._naming)
        self._map = Card(name="Label map")
        self._map_words = label(role="muted", name="Label map taken in")
        self._take_map = button("Take in a label map…", self._choose_labels, name="Take in a label map")
        self._take_masks = button("A folder of masks…", self._choose_masks, name="Take in a folder of masks")
        self._take_masks.setToolTip("One file for each structure, as TotalSegmentator and 3D Slicer write them, or DICOM SEG")
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
        self._head.setVisible(anatomy is not None)
        self._naming.refresh(anatomy)
        self._show_map()
        self._outside.refresh()
        known = _explained(anatomy) if anatomy is not None else []
        self._editing.refresh()
        self._foramina.refresh(anatomy)
        hidden = self.session.hidden
        rows: list[tuple[Hashable, Callable[[], QWidget]]] = []
        for name, how in known:
            rows.append(((name, how, name in hidden), partial(self._structure, name, how)))
            part = divided_words(name, self.session)
            if part is not None:
                rows.append(((*part, part[0] in hidden), partial(self._part, *part)))
        self._structures.show_items(rows)

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

    def _part(self, name: str, told: str, more: str) -> QWidget:
        """A row of how a structure is divided. told: at its right end; more: below, while it is shown."""
        made = QWidget()
        column = QVBoxLayout(made)
        column.setContentsMargins(0, 1, 0, 1)
        column.setSpacing(0)
        line = QHBoxLayout()
        line.setSpacing(6)
        line.addWidget(_Eye(name, name not in self.session.hidden, self.session.show_structure))
        line.addWidget(label(name[0].upper() + name[1:], wrap=False))
        line.addStretch(1)
        words = label(told, "muted", wrap=False)
        words.setAccessibleName(f"{name}: {told}")
        line.addWidget(words)
        column.addLayout(line)
        if more:
            below = label(more, "small")
            below.setContentsMargins(_Eye.WIDTH + 6, 0, 0, 2)
            column.addWidget(below)
        return made

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


def _explained(anatomy: Anatomy) -> list[tuple[str, Structure]]:
    """The structures that have a row, with how they are known and where not."""
    from planner.anatomy.where import explained

    return [(name, explained(anatomy, name)) for name in _SHOWN if _is_told(anatomy, name)]


def _is_told(anatomy: Anatomy, name: str) -> bool:
    """Whether a structure has a row."""
    if name in ONLY_ON_MYELOGRAMS:
        return anatomy.structure(name).provenance != "not checked"
    return name in _ALWAYS or name in anatomy.structures


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
