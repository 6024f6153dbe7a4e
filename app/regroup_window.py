"""Group otherwise: the ways to put the slices of a series together, with what each would give, before one is taken."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from app.jobs import Jobs, Outcome
from app.slice_table import SliceTable
from app.steps.panel import refusal_card
from app.steps.scan import series_card
from app.style import panel_width, theme
from app.widgets.progress import ProgressRow
from app.widgets.rows import Rows
from app.widgets.text import button, label, row, say
from planner.progress import Progress, part
from planner.refusal import Refusal
from planner.scan.grouping import AS_ONE, BY_RANGES, Grouping, range_words, read_ranges
from planner.scan.regroup import Offer, numbered, offers, regrouped
from planner.scan.series import Slice

if TYPE_CHECKING:
    from app.session import Session
    from planner.scan import Scan, Series

_SIZE = (1060, 700)
_KIND = "grouping"
_MOST_NAMED = 3
_VALUE = Qt.ItemDataRole.UserRole


class RegroupWindow(QDialog):
    """One series at a time. Nothing is taken before the user takes it; the work is done in the background."""

    def __init__(self, owner: QWidget, session: Session) -> None:
        super().__init__(owner)
        self.setWindowTitle("Group otherwise")
        self.setAccessibleName("Group otherwise")
        self.setModal(False)
        self.resize(*_SIZE)
        self._session = session
        self._progress = ProgressRow("trying the ways", self._cancel)
        self._jobs = Jobs(self)
        self._jobs.progressed.connect(lambda _kind, share, what: self._progress.put(self._jobs.is_running(_KIND), share, what))
        self._jobs.ended.connect(lambda _kind: self._progress.put(False, 1.0, ""))
        self._scan: Scan | None = None
        self._uid = ""
        self._offers: list[Offer] = []
        self._slices: tuple[Slice, ...] = ()
        self._head = label(role="head", name="Series to group")
        self._problem = Rows()
        self._ways = QListWidget()
        self._ways.setAccessibleName("Ways to group")
        self._ways.setWordWrap(True)
        self._ways.currentRowChanged.connect(lambda _row: self._show_volumes())
        self._volumes = Rows()
        self._given = label(role="head", name="What it gives")
        self._ranges = self._field("Volumes, by slice numbers", "Such as 1-40, 41-80")
        self._without = self._field("Slices left out", "Such as 13, 57-60")
        self._table = SliceTable()
        self._table.selectionModel().selectionChanged.connect(lambda *_: self._show_buttons())
        self._leave_out = button("Leave out the marked", lambda: self._take_rows(self._without), "small")
        self._one_volume = button("Make a volume of the marked", lambda: self._take_rows(self._ranges), "small")
        self._side = QWidget()
        self._lay_out()
        session.changed.connect(self._follow_session)

    def _field(self, name: str, hint: str) -> QLineEdit:
        field = QLineEdit()
        field.setAccessibleName(name)
        field.setPlaceholderText(hint)
        field.returnPressed.connect(self._try_by_hand)
        return field

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(9)
        for one in (self._head, self._progress, self._problem):
            column.addWidget(one)
        left, right = QVBoxLayout(), QVBoxLayout()
        left.setSpacing(6)
        right.setSpacing(6)
        left.addWidget(self._ways, 1)
        left.addWidget(label("By hand, by the numbers of the slices", "head"))
        fields = QGridLayout()
        for n, (words, field) in enumerate((("Volumes", self._ranges), ("Left out", self._without))):
            fields.addWidget(label(words, "muted", wrap=False), n, 0)
            fields.addWidget(field, n, 1)
        left.addLayout(fields)
        left.addWidget(row(None, button("See what this gives", self._try_by_hand)))
        inside = QWidget()
        inside.setObjectName("body")
        held = QVBoxLayout(inside)
        held.setContentsMargins(0, 0, 6, 0)
        held.addWidget(self._volumes)
        held.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        right.addWidget(self._given)
        right.addWidget(scroll, 3)
        right.addWidget(row(label("Slices, in the order of their numbers", "head", wrap=False), None, self._one_volume, self._leave_out))
        right.addWidget(self._table, 2)
        side = self._side
        side.setLayout(left)
        left.setContentsMargins(0, 0, 0, 0)
        both = QHBoxLayout()
        both.setSpacing(14)
        both.addWidget(side)
        both.addLayout(right, 1)
        column.addLayout(both, 1)
        column.addWidget(row(None, button("Close", self.reject, name="Close the groupings")))

    # ---- which series ------------------------------------------------------------------------------------------------

    def show_series(self, uid: str) -> None:
        """Try every way to group the series of this UID."""
        scan = self._session.scan.value
        self._forget()
        if scan is None:
            return
        self._scan, self._uid = scan, uid
        self._side.setFixedWidth(panel_width(theme().name))
        named = next((one for one in scan.series if one.uid == uid), None)
        say(self._head, f"{(named.description if named else '') or 'Without description'}: other ways to put its slices together")

        def work(progress: Progress) -> tuple[tuple[Slice, ...], tuple[Offer, ...]]:
            return numbered(scan, uid), offers(scan, uid, part(progress, 0.1, 1.0))

        self._progress.put(True, 0.0, "Trying the ways")
        self._jobs.start(_KIND, work, self._tried)

    def _tried(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            raise outcome.error
        if outcome.refusal is not None:
            self._refuse(outcome.refusal)
            return
        self._slices, found = outcome.value
        self._table.show_slices(self._slices)
        for offer in found:
            self._add(offer)
        grouping = self._in_use
        chosen = next((n for n, one in enumerate(self._offers) if one.grouping == grouping), 0)
        self._ways.setCurrentRow(chosen)
        self._ways.setFocus()

    @property
    def _in_use(self) -> Grouping | None:
        """How the case groups this series."""
        reference = self._session.case.scan
        return reference.grouping if reference is not None and reference.series_uid == self._uid else None

    def _add(self, offer: Offer) -> None:
        self._offers.append(offer)
        name = "As found" if offer.grouping is None else offer.grouping.words
        item = QListWidgetItem(f"{name[0].upper()}{name[1:]}\n{_gives(offer)}")
        item.setData(_VALUE, len(self._offers) - 1)
        self._ways.addItem(item)

    def _follow_session(self) -> None:
        """Another scan was opened: what is shown here is of none."""
        scan = self._session.scan.value
        if self.isVisible() and self._scan is not None and (scan is None or scan.slices is not self._scan.slices):
            self.reject()
        elif self.isVisible():
            self._show_volumes()

    def _forget(self) -> None:
        self._jobs.cancel(_KIND)
        self._scan, self._slices = None, ()
        self._offers.clear()
        for one in (self._ways, self._ranges, self._without):
            one.clear()
        self._table.show_slices(())
        self._volumes.show_items([])
        self._problem.show_items([])
        say(self._given, "")
        self._show_buttons()

    def done(self, result: int) -> None:
        """Leaving ends what runs."""
        self._forget()
        super().done(result)

    def _cancel(self) -> None:
        self._jobs.cancel(_KIND)
        if not self._offers:
            self._refuse(Refusal("Trying the ways was stopped.", "Close this window and open it again to try them."))

    def close_work(self) -> None:
        """End what runs, and its thread."""
        self._jobs.close()

    # ---- what a way gives --------------------------------------------------------------------------------------------

    def _show_volumes(self) -> None:
        at = self._ways.currentRow()
        if not 0 <= at < len(self._offers):
            return
        offer = self._offers[at]
        used = self._session.series
        say(self._given, _gives(offer).split("\n")[0])
        cards = []
        for one in offer.series:
            chosen = used is not None and used.whole_key == one.whole_key
            cards.append(((at, one.key, chosen), partial(self._card, offer, one, chosen)))
        self._volumes.show_items(cards)

    def _card(self, offer: Offer, series: Series, chosen: bool) -> QWidget:
        use = button("Use this volume", partial(self._take, offer, series), name=f"Use volume {series.part + 1}")
        return series_card(series, chosen, use)

    def _take(self, offer: Offer, series: Series) -> None:
        self.accept()
        self._session.take_grouped(offer.series, series)

    # ---- by hand -----------------------------------------------------------------------------------------------------

    def _try_by_hand(self) -> None:
        """Judge what the two fields say; it becomes one more way."""
        scan, uid = self._scan, self._uid
        if scan is None or not self._slices or self._jobs.is_running(_KIND):
            return
        try:
            ranges, without = (read_ranges(field.text(), len(self._slices)) for field in (self._ranges, self._without))
        except Refusal as refusal:
            self._refuse(refusal)
            return
        if not ranges and not without:
            self._refuse(Refusal("No slices are named.", "Write their numbers, or mark them in the list."))
            return
        grouping = Grouping(BY_RANGES if ranges else AS_ONE, ranges, without)
        known = next((n for n, one in enumerate(self._offers) if one.grouping == grouping), None)
        self._problem.show_items([])
        if known is not None:
            self._ways.setCurrentRow(known)
            return

        def done(outcome: Outcome) -> None:
            if outcome.error is not None:
                raise outcome.error
            if outcome.refusal is not None:
                self._refuse(outcome.refusal)
                return
            self._add(Offer(grouping, outcome.value))
            self._ways.setCurrentRow(len(self._offers) - 1)

        self._jobs.start(_KIND, lambda progress: regrouped(scan, uid, grouping, progress), done)

    def _refuse(self, refusal: Refusal) -> None:
        self._problem.show_items([(str(refusal), partial(refusal_card, refusal))])

    def _take_rows(self, field: QLineEdit) -> None:
        words = range_words(self._table.marked)
        field.setText(f"{field.text()}, {words}" if field.text().strip() else words)
        self._table.clearSelection()
        field.setFocus()

    def _show_buttons(self) -> None:
        for one in (self._leave_out, self._one_volume):
            one.setEnabled(bool(self._table.marked))


def _gives(offer: Offer) -> str:
    """`3 volumes: 2 of 40 slices, 1 of 2` and, on a line of its own, how many can be planned on."""
    sizes = Counter(one.slices for one in offer.series)
    (size, most), *others = sorted(sizes.items(), key=lambda one: (-one[1], -one[0]))
    count, usable = len(offer.series), sum(one.usable for one in offer.series)
    slices = f"{size} slice{'s' if size != 1 else ''}"
    if not others:
        words = f"{count} volume{'s' if count != 1 else ''} of {slices}"
    else:
        rest = [f"{n} of {k}" for k, n in others[:_MOST_NAMED]]
        more = [f"{sum(n for _, n in others[_MOST_NAMED:])} of other sizes"] if len(others) > _MOST_NAMED else []
        words = f"{count} volumes: {', '.join([f'{most} of {slices}', *rest, *more])}"
    verdict = f"✓ {'' if usable == 1 == count else f'{usable} '}can be planned on" if usable else "× none can be planned on"
    return f"{words}\n{verdict}"
