"""Scan: what to open, what was found in it with a verdict each, and what was skipped and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QLabel, QLineEdit, QListWidget, QPushButton, QWidget

from app.derived import Derived
from app.desk import Desk
from app.recent import recent
from app.steps.panel import Next, Panel
from app.steps.part import PartCard
from app.steps.second import SecondCard
from app.widgets.progress import ProgressRow
from app.widgets.rows import Rows
from app.widgets.text import Card, button, label, row, say
from planner.scan.choice import in_force, worth_regrouping

if TYPE_CHECKING:
    from planner.scan import Scan, Series

_PICTURE_SIDE = 72
_BESIDE = 2  # small buttons for which a line of a card has room
_VERDICTS = {"good": ("✓ can be planned on", "good"), "repaired": ("△ repaired", "caution"), "refused": ("× refused", "bad")}


class ScanPanel(Panel):
    """Opens and chooses."""

    station = 0

    def __init__(
        self,
        desk: Desk,
        onward: Next,
        open_folder: Next,
        open_file: Next,
        open_from_pacs: Next,
        show_native: Callable[[Series | None], object],
        regroup: Callable[[str], object],
    ) -> None:
        self._open_folder, self._open_file, self._open_from_pacs = open_folder, open_file, open_from_pacs
        self._show_native, self._regroup = show_native, regroup
        super().__init__(desk, onward)

    def build(self) -> None:
        self._path = QLineEdit()
        self._path.setPlaceholderText("Path of a folder, file, ZIP or case")
        self._path.setAccessibleName("Path to open")
        self._path.returnPressed.connect(self._open_path)
        from_pacs = button("PACS…", self._open_from_pacs, name="Open from a PACS")
        opening = Card()
        opening.add(
            row(
                label("Open", "muted", wrap=False),
                button("Folder…", self._open_folder, name="Open folder…"),
                button("File…", self._open_file, name="Open file…"),
                from_pacs,
                None,
            ),
            self._path,
            label("Or drop a folder, a file, a ZIP or a case on the window.", "small"),
        )
        self._recent = Rows(0)
        opening.add(self._recent)
        self.body.addWidget(opening)
        self._reading = ProgressRow("reading the files", self.session.cancel_reading)
        self._loading = ProgressRow("loading the series", lambda: self.session.cancel("volume"))
        self.body.addWidget(self._reading)
        self.body.addWidget(self._loading)
        self._stopped = row(label("Loading was stopped.", "muted"), None, button("Load it", lambda: self.session.resume("volume")))
        self.body.addWidget(self._stopped)
        self._part = PartCard(self.session)
        self.body.addWidget(self._part)
        self._second = SecondCard(self.desk)
        self.body.addWidget(self._second)
        self._series_head = label("Series", "head")
        self._series = Rows()
        self.body.addWidget(self._series_head)
        self.body.addWidget(self._series)
        self._skipped_head = label(role="head")
        self._skipped = QListWidget()
        self._skipped.setAccessibleName("Skipped files")
        self._skipped.setWordWrap(True)
        self._skipped.setFixedHeight(150)
        self.body.addWidget(self._skipped_head)
        self.body.addWidget(self._skipped)
        self._listed: Scan | None = None
        self._regroupable: frozenset[str] = frozenset()

    def lead(self) -> str:
        scan, series = self.session.scan.value, self.session.series
        if scan is None:
            return "Nothing is open yet."
        if self.session.case.scan is not None and self.session.case.scan.example:
            return f"The built-in example, a phantom: {_size_words(series) if series else ''}."
        if series is None:
            return f"{len(scan.series)} series found. None is chosen."
        return f"Planning on {series.description or 'a series without description'}: {_size_words(series)}."

    def refusals(self) -> tuple[Derived[object], ...]:
        return (self.session.scan, self.session.volume)

    def fill(self) -> None:
        scan = self.session.scan
        self._reading.put(scan.state == "running", scan.share, scan.what)
        volume = self.session.volume
        self._loading.put(volume.state == "running", volume.share, volume.what)
        self._stopped.setVisible(self.session.series is not None and volume.state == "missing" and scan.state == "ready")
        paths = recent()
        items = [("example", partial(self._entry, "The built-in example", self.session.open_example))]
        items += [(path, partial(self._entry, Path(path).name, partial(self.desk.open, Path(path)), path)) for path in paths]
        self._recent.show_items(items)
        found = scan.value
        chosen = self.session.series
        say(self._series_head, "Series" if found and found.series else "")
        if found is not self._listed:
            self._listed = found
            self._regroupable = worth_regrouping(found) if found else frozenset()
            self._skipped.clear()
            for file in found.skipped if found else ():
                self._skipped.addItem(f"{file.path}: {file.reason}")
        reference = self.session.case.scan
        uid, grouping = (reference.series_uid, reference.grouping) if reference else (None, None)
        series = in_force(found, uid, grouping) if found else ()
        firsts = {one.uid: one for one in reversed(series)}
        self._part.follow()
        self._second.follow()
        cards = [(one, chosen is not None and one.whole_key == chosen.whole_key, firsts[one.uid] is one) for one in series]
        cards = [(chosen if now and chosen is not None else one, now, first) for one, now, first in cards]
        alone = self.session.case.second is None
        self._series.show_items([((one.key, now, first, alone), partial(self._card, one, now, first)) for one, now, first in cards])
        count = found.skipped_count if found else 0
        say(self._skipped_head, f"{count} file{'s' if count != 1 else ''} skipped" if count else "")
        self._skipped.setVisible(count > 0)

    def _entry(self, text: str, act: Callable[[], object], path: str = "") -> QWidget:
        return button(text, act, "link", f"Open {text}", path)

    def _card(self, series: Series, chosen: bool, first: bool) -> QWidget:
        """first: of the parts of its series, which is where grouping them otherwise is offered."""
        use = button("Use this series", lambda: self.session.choose_series(series), name=f"Use series {_name(series)}")
        more = []
        if not chosen and series.usable and self.session.case.second is None and self.session.path is not None:
            over = partial(self.session.second.choose, series, self.session.path)
            more.append(button("Lay over", over, "small", f"Lay series {_name(series)} over", "As the second scan, over the planning scan"))
        if chosen or (not series.usable and series.pictures):
            name = "See the native slices" if chosen else f"See the slices of {_name(series)} as they are stored"
            shown = partial(self._show_native, None if chosen else series)
            more.append(button("As stored…", shown, "small", name, "The slices, untouched"))
        if first and series.uid in self._regroupable:
            group = partial(self._regroup, series.uid)
            more.append(button("Group otherwise…", group, "small", f"Group the slices of {_name(series)} otherwise"))
        part = self._part_button(series)
        return series_card(series, chosen, use, [part, *more] if part is not None else more)

    def _part_button(self, series: Series) -> QPushButton | None:
        """For a series that the memory does not hold whole."""
        from planner.scan.spine_only import fits

        scan = self.session.scan.value
        whole = next((one for one in scan.series if one.whole_key == series.whole_key), None) if scan is not None else None
        if whole is None or not series.usable or (series.crop is None and fits(series)):
            return None
        words = "Other part…" if series.crop is not None else "Spine only…" if series.is_axial_ct else "A part…"
        return button(words, lambda: self._part.offer(whole, series.crop), "small", f"Load a part of {_name(series)}")

    def _open_path(self) -> None:
        text = self._path.text().strip().strip('"')
        if text:
            self.desk.open(Path(text).expanduser())


def series_card(series: Series, chosen: bool, use: QPushButton, more: Sequence[QPushButton] = ()) -> QWidget:
    """A series with its picture, its verdict and the reasons. use: the button for one that can be used and is not; more: beside it."""
    card = Card("card current" if chosen else "card", f"Series {_name(series)}")
    verdict = label(*_VERDICTS[series.verdict], wrap=False)
    words = Card("bare").add(label(_name(series), "head"), label(f"{series.modality}, {series.plane}. {_size_words(series)}.", "muted"))
    if min(series.extent_mm) > 0:
        words.add(label(_extent_words(series), "small"))
    words.add(verdict)
    words.column.setContentsMargins(0, 0, 0, 0)
    card.add(row(words, _picture(series), spacing=10))
    for sentence in (*series.reasons, *(f"Repair: {repair}" for repair in series.repairs)):
        card.add(label(sentence, "small"))
    if series.verdict == "refused" and series.way_out:
        card.add(label(series.way_out, "small"))
    first = [] if series.verdict == "refused" else [label("In use", "small", wrap=False) if chosen else use]
    if first or more:
        card.add(row(*first, None, *more[:_BESIDE]))
    if more[_BESIDE:]:
        card.add(row(None, *more[_BESIDE:]))
    return card


def _name(series: Series) -> str:
    return series.description or "Without description"


def _picture(series: Series) -> QWidget:
    """The thumbnail in a square, so that the words beside it stand in one column."""
    made = QLabel()
    made.setFixedSize(_PICTURE_SIDE, _PICTURE_SIDE)
    made.setAlignment(Qt.AlignmentFlag.AlignCenter)
    made.setAccessibleName(f"Picture of {series.description or 'a series without description'}")
    if series.thumbnail is not None:
        height, width = series.thumbnail.shape
        grey = QImage(series.thumbnail.tobytes(), width, height, width, QImage.Format.Format_Grayscale8)
        fit, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        made.setPixmap(QPixmap.fromImage(grey).scaled(made.size(), fit, smooth))
    return made


def _size_words(series: Series) -> str:
    slices = f"{series.slices} slice{'s' if series.slices != 1 else ''}"
    k, j, i = series.spacing_mm
    return slices if min(k, j, i) <= 0 else f"{slices}, " + _unbroken(f"{k:.2g} × {j:.2g} × {i:.2g} mm")


def _extent_words(series: Series) -> str:
    """How far the scan reaches, slices first, and what loading it takes; where that is too much, what there is."""
    from planner.scan import needed_bytes
    from planner.scan.loading import room_bytes
    from planner.scan.spine_only import fits

    reach = _unbroken(" × ".join(f"{length:.0f}" for length in series.extent_mm) + " mm")
    if not series.usable:
        return f"Reaches {reach}."
    takes = f"Reaches {reach}, takes {_unbroken(f'{needed_bytes(series) / 1e9:.2f} GB')}"
    return takes + ("." if fits(series) else f": too much, {_unbroken(f'{room_bytes() / 1e9:.2f} GB')} are free.")


def _unbroken(size: str) -> str:
    return size.replace(" ", "\u00a0")
