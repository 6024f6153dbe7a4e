"""Programs of others in the Anatomy panel: which can be run here, how far one is, and where its weights lie."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from functools import partial
from pathlib import Path

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QCheckBox, QFileDialog, QVBoxLayout, QWidget

from app.jobs import Outcome
from app.outside_programs import PROGRAMS, Program, call_of, run
from app.places import maps_folder
from app.recent import settings
from app.screen import put_in_front
from app.session import Session
from app.steps.panel import refusal_card
from app.widgets.progress import ProgressRow
from app.widgets.rows import Rows
from app.widgets.text import Card, button, label, row, say
from planner.progress import Progress
from planner.refusal import Refusal

_KIND = "outside program"


class OutsidePrograms(Card):
    """Runs one program at a time on the open scan; its map is taken in like any other, and can be left and undone."""

    def __init__(self, session: Session) -> None:
        super().__init__(name="Programs of others")
        self._session = session
        self._running: tuple[Program, Hashable] | None = None
        self._refusal: Refusal | None = None
        self._key: Hashable = None
        self._installed: tuple[Program, ...] | None = None
        self._progress = ProgressRow("running the program", self._cancel)
        self._rows, self._problem = Rows(4), Rows()
        self._absent = label(role="muted", name="Programs that are not installed")
        self._faster = QCheckBox("TotalSegmentator fast, 3 mm")
        self._faster.setAccessibleName("TotalSegmentator fast")
        self._faster.setToolTip("Minutes rather than an hour without a graphics card; vertebrae and organs are coarser")
        self._faster.setChecked(settings().value("outside/faster", "true") == "true")
        self._faster.toggled.connect(lambda on: settings().setValue("outside/faster", "true" if on else "false"))
        self.add(label("Let another program label the scan", "head"), self._rows, self._faster, self._progress, self._problem, self._absent)
        session.jobs.progressed.connect(self._heard)

    def refresh(self) -> None:
        """Follow the session."""
        volume, key = self._session.volume.value, self._session.volume.key
        self.setVisible(volume is not None and self._session.volume.state == "ready")
        if volume is None:
            return
        if self._key != key:
            self._key, self._refusal = key, None
        if self._installed is None:
            self._installed = tuple(program for program in PROGRAMS if call_of(program) is not None)
        if self._running is not None and self._running[1] != key:
            self._cancel()
        here = [program for program in self._installed if volume.modality in program.modalities]
        running = self._running is not None
        items = [((program.name, running, _weights(program)), partial(self._row, program, running)) for program in here]
        self._rows.show_items(items)
        self._faster.setVisible(any(program.faster for program in here))
        self._progress.setVisible(running)
        refusal = self._refusal
        self._problem.show_items([(str(refusal), partial(refusal_card, refusal))] if refusal is not None else [])
        absent = [program for program in PROGRAMS if program not in self._installed and volume.modality in program.modalities]
        say(self._absent, " ".join(f"{program.name} is not installed here: {program.install}." for program in absent))

    def showEvent(self, event: QShowEvent) -> None:
        """What is installed is looked up whenever the card comes into view: it may have been installed meanwhile."""
        self._installed = None
        self.refresh()
        super().showEvent(event)

    def _row(self, program: Program, running: bool) -> QWidget:
        hint = f"Its label map is then taken in. {program.sends if _weights(program) is None else ''}".strip()
        start = button(f"Run {program.name}", partial(self._start, program), hint=hint)
        start.setEnabled(not running)
        where = _weights(program)
        words = f"Weights: {where.name}" if where is not None else "Weights: its own folder"
        choose = button("Weights folder…", partial(self._choose_weights, program), name=f"Weights folder of {program.name}")
        choose.setToolTip(str(where) if where is not None else f"Where it has none, {program.name} may fetch them from the internet")
        leave = button("Its own", partial(self._set_weights, program, None), name=f"{program.name} uses its own weights folder")
        leave.setVisible(where is not None)
        made = QWidget()
        column = QVBoxLayout(made)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(row(start, None))
        column.addWidget(row(label(words, "muted", wrap=False), None, choose, leave))
        return made

    def _start(self, program: Program) -> None:
        volume, key = self._session.volume.value, self._session.volume.key
        if volume is None or self._running is not None:
            return
        self._running, self._refusal = (program, key), None
        mark = hashlib.sha256(repr((key, volume.frame.shape)).encode()).hexdigest()[:16]
        kept = maps_folder() / f"{program.name}-{mark}.nii.gz"
        weights, faster = _weights(program), self._faster.isChecked() and bool(program.faster)

        def work(progress: Progress) -> Path:
            return run(program, volume, kept, weights, faster, progress)

        self._progress.put(True, 0.0, f"{program.name} is starting")
        self._session.jobs.start(_KIND, work, partial(self._done, key), elsewhere=True)
        self.refresh()

    def _done(self, key: Hashable, outcome: Outcome) -> None:
        self._running = None
        self._refusal = outcome.refusal
        if outcome.error is not None:
            self._session.failed.emit(outcome.error)
        if outcome.refusal is not None:
            self._session.announced.emit(str(outcome.refusal))
        if outcome.value is not None and self._session.volume.key == key:
            self._session.take_labels(outcome.value)
        self.refresh()

    def _cancel(self) -> None:
        self._session.jobs.cancel(_KIND)
        self._running = None
        self.refresh()

    def _heard(self, kind: str, share: float, what: str) -> None:
        if kind == _KIND and self._running is not None:
            self._progress.put(True, share, what)

    def _choose_weights(self, program: Program) -> None:
        dialog = QFileDialog(self.window(), f"Folder with the weights of {program.name}")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setModal(False)
        dialog.fileSelected.connect(lambda path: self._set_weights(program, Path(path)))
        dialog.finished.connect(dialog.deleteLater)
        put_in_front(dialog)

    def _set_weights(self, program: Program, folder: Path | None) -> None:
        settings().setValue(f"weights/{program.name}", "" if folder is None else str(folder))
        self.refresh()


def _weights(program: Program) -> Path | None:
    kept = settings().value(f"weights/{program.name}")
    return Path(kept) if isinstance(kept, str) and kept else None
