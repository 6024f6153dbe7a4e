"""What all seven panels share: a title, a first line that says what is planned, a body that scrolls, and at the foot what is missing or
the one blue button."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from app.derived import Derived
from app.desk import Desk
from app.rail import STATIONS
from app.steps.state import stations
from app.widgets.rows import Rows
from app.widgets.text import Card, button, dress, label, row, say
from planner.refusal import Refusal

if TYPE_CHECKING:
    from planner.case.derive import SitePlan

Next = Callable[[], object]


class Panel(QWidget):
    """One station. A subclass sets `station`, builds its widgets in `build`, and shows the session in `fill`."""

    station = 0

    def __init__(self, desk: Desk, onward: Next) -> None:
        super().__init__()
        self.desk, self.session = desk, desk.session
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName(f"{STATIONS[self.station]} panel")
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 13, 6, 12)
        column.setSpacing(6)
        self._title = label(STATIONS[self.station], "title", name=f"{STATIONS[self.station]}, station {self.station + 1} of 7")
        self._lead = label(role="lead", name="What is planned")
        head = QVBoxLayout()
        head.setContentsMargins(0, 0, 8, 2)
        head.setSpacing(3)
        head.addWidget(self._title)
        head.addWidget(self._lead)
        column.addLayout(head)
        inside = QWidget()
        inside.setObjectName("body")
        self.body = QVBoxLayout(inside)
        self.body.setContentsMargins(0, 0, 8, 4)
        self.body.setSpacing(9)
        self._problem = Rows()
        self.body.addWidget(self._problem)
        self.build()
        self.body.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll = scroll
        column.addWidget(scroll, 1)
        self._missing = label(role="caution", name="What is missing")
        foot = QVBoxLayout()
        foot.setContentsMargins(0, 0, 8, 0)
        foot.addWidget(self._missing)
        onward_name = STATIONS[self.station + 1] if self.station < 6 else ""
        self.next = button(f"{onward_name}  ›", onward, "next", f"Next: {onward_name}", "Ctrl+Enter")
        foot.addWidget(row(None, self.next))
        column.addLayout(foot)
        self.refresh()

    def build(self) -> None:
        """Make the widgets of the body; a panel that only speaks makes none."""

    def fill(self) -> None:
        """Show the session in those widgets."""

    def lead(self) -> str:
        """What is being planned, in words."""
        return ""

    def refusals(self) -> tuple[Derived[object], ...]:
        """The derivations whose refusal this panel says."""
        return ()

    @property
    def site(self) -> Derived[SitePlan]:
        """The plan of the chosen site as it stands now; missing where no site is marked."""
        sites = self.session.sites
        return sites[self.desk.site] if self.desk.site < len(sites) else Derived()

    @property
    def unsure(self) -> bool:
        """Whether the level names rest on a guess."""
        anatomy = self.session.anatomy.value
        return anatomy is not None and (anatomy.anchor is None or anatomy.anchor.by != "user")

    def refresh(self) -> None:
        """Follow the session and the desk."""
        now = stations(self.desk)[self.station]
        say(self._lead, self.lead())
        self.fill()
        say(self._missing, f"△ {now.missing}" if now.missing else "")
        self.next.setVisible(self.station < 6 and now.passable)
        dress(self.next, "" if self.next_is_quiet else "next")
        said: list[Refusal | str] = [one.refusal for one in self.refusals() if one.refusal is not None]
        if self.desk.problem:
            said.append(self.desk.problem)
        self._problem.show_items([(str(one), partial(refusal_card, one)) for one in said])

    @property
    def next_is_quiet(self) -> bool:
        """Whether another button of the panel is the blue one now."""
        return False

    @property
    def can_go_on(self) -> bool:
        """Whether the blue button is offered."""
        return self.station < 6 and stations(self.desk)[self.station].passable


def refusal_card(said: Refusal | str) -> Card:
    """A refusal as a card: the sentence, and the way out in quieter text."""
    card = Card("card bad", f"Refused: {said}")
    sentence = said.sentence if isinstance(said, Refusal) else said
    card.add(label(f"× {sentence}", "bad"))
    if isinstance(said, Refusal) and said.way_out:
        card.add(label(said.way_out, "muted"))
    return card
