"""Load a part: of a scan that is too large for the memory, the rows and columns of the spine, found (axial CT) or written by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QLineEdit

from app.jobs import Outcome
from app.side_by_side import side_by_side
from app.widgets.progress import ProgressRow
from app.widgets.text import Card, button, label, row, say
from planner.progress import Progress
from planner.refusal import Refusal
from planner.scan.crop import Crop, read_span

if TYPE_CHECKING:
    from app.session import Session
    from planner.scan import Series

_KIND = "part"
_WAYS = (("right", "left"), ("front", "back"), ("feet", "head"))  # along x, y and z


class PartCard(Card):
    """Hidden until a series is offered. What would be loaded stands there with its size before anything is."""

    def __init__(self, session: Session) -> None:
        super().__init__(name="Load a part")
        self._session = session
        self._series: Series | None = None
        self._head, self._need = label(role="head"), label(role="small")
        self._looking = ProgressRow("looking for the spine", self._stop)
        self._said = label(role="caution", name="What is wrong")
        self._rows, self._columns = _span("Rows to load"), _span("Columns to load")
        self._estimate = label(role="muted", name="What the part takes")
        self._load = button("Load this part", self._take)
        self._seek = button("Find the spine", self._find)
        self.add(self._head, self._need, self._looking, self._said)
        self.add(row(label("Rows", "muted", wrap=False), self._rows, label("Columns", "muted", wrap=False), self._columns))
        cut_off = label("What is left out is not checked. With ribs and hips cut off the levels may have to be named by hand.", "small")
        close = button("Close", self.close_card, name="Close the part")
        self.add(self._estimate, cut_off, row(self._load, None), row(self._seek, None, close))
        for line in (self._rows, self._columns):
            line.textChanged.connect(lambda _text: self._weigh())
            line.returnPressed.connect(self._take)
        session.jobs.progressed.connect(self._progress)
        self.hide()

    def offer(self, series: Series, loaded: Crop | None) -> None:
        """Ask which part of a series to load. loaded: the one that is; without it the spine is looked for at once, in axial CT."""
        _, rows, columns = series.size
        self._stop()
        self._series = series
        say(self._head, f"Load a part of {series.description or 'the series'}")
        size = f"Every slice has {rows} rows and {columns} columns; with all of them the scan takes {_memory(series)}."
        by_hand = "" if series.is_axial_ct else " The spine is found by itself in axial CT alone: write what to keep."
        say(self._need, f"{size} {_ways(series)}{by_hand}")
        self._write(loaded or Crop((1, rows), (1, columns)))
        say(self._said, "")
        self._seek.setEnabled(series.is_axial_ct)
        self.show()
        if loaded is None and series.is_axial_ct:
            self._find()

    def follow(self) -> None:
        """Go with the series that it was about."""
        scan = self._session.scan.value
        if self._series is not None and (scan is None or self._series not in scan.series):
            self.close_card()

    def close_card(self) -> None:
        """Load nothing."""
        self._stop()
        self._series = None
        self.hide()

    def _find(self) -> None:
        series = self._series
        if series is None:
            return

        def work(progress: Progress) -> Crop:
            from planner.scan.spine_only import spine_box

            return spine_box(series, progress, side_by_side)

        def done(outcome: Outcome) -> None:
            self._looking.put(False, 0.0, "")
            if outcome.error is not None:
                self._session.failed.emit(outcome.error)
            if outcome.refusal is not None:
                say(self._said, f"△ {outcome.refusal}")
            elif outcome.value is not None:
                self._write(outcome.value)

        say(self._said, "")
        self._looking.put(True, 0.0, "Looking for the spine")
        self._session.jobs.start(_KIND, work, done)

    def _stop(self) -> None:
        self._session.jobs.cancel(_KIND)
        self._looking.put(False, 0.0, "")

    def _progress(self, kind: str, share: float, what: str) -> None:
        if kind == _KIND and self._session.jobs.is_running(_KIND):
            self._looking.put(True, share, what)

    def _write(self, crop: Crop) -> None:
        for line, (first, last) in ((self._rows, crop.rows), (self._columns, crop.columns)):
            line.setText(f"{first}-{last}")

    def _part(self) -> Series:
        """The series cut as it is written. Raises Refusal."""
        from planner.scan.spine_only import cropped

        assert self._series is not None
        _, rows, columns = self._series.size
        crop = Crop(read_span(self._rows.text(), rows), read_span(self._columns.text(), columns))
        return self._series if crop.shape == (rows, columns) else cropped(self._series, crop)

    def _weigh(self) -> None:
        """What the part takes, and whether that fits."""
        if self._series is None:
            return
        from planner.scan.loading import room_bytes
        from planner.scan.spine_only import fits

        try:
            part = self._part()
        except Refusal as refusal:
            say(self._estimate, f"△ {refusal}")
            self._load.setEnabled(False)
            return
        _, down, along = part.extent_mm
        size = f"{down:.0f} × {along:.0f} mm of every slice".replace(" ", "\u00a0", 3)
        enough = fits(part)
        free = f"{room_bytes() / 1e9:.2f}\u00a0GB are free" + ("" if enough else ": too little")
        say(self._estimate, f"{'' if enough else '△ '}{size}, takes {_memory(part)}; {free}.")
        self._load.setEnabled(enough)

    def _take(self) -> None:
        if self._series is None or not self._load.isEnabled():
            return
        part = self._part()
        self.close_card()
        self._session.choose_series(part)


def _span(name: str) -> QLineEdit:
    made = QLineEdit()
    made.setAccessibleName(name)
    made.setToolTip("The first and the last, such as 81-400")
    return made


def _ways(series: Series) -> str:
    """Which way rows and columns count in the patient: the nearest of the six."""
    assert series.frame is not None
    across, down = series.frame.directions[:, 2], series.frame.directions[:, 1]
    rows, columns = (_WAYS[int(abs(way).argmax())][:: 1 if way[abs(way).argmax()] > 0 else -1] for way in (down, across))
    return f"Rows count from {rows[0]} to {rows[1]}, columns from {columns[0]} to {columns[1]}."


def _memory(series: Series) -> str:
    from planner.scan import needed_bytes

    return f"{needed_bytes(series) / 1e9:.2f}\u00a0GB"
