"""Approach: the way in that the leak calls for, with its reason; the needle; how the patient lies."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QRadioButton, QWidget

from app.derived import Derived
from app.steps.panel import Panel
from app.steps.sites import SiteSwitch, Sources
from app.steps.words import leak_words
from app.widgets.choice import Choice
from app.widgets.progress import ProgressRow
from app.widgets.rows import Rows
from app.widgets.text import Card, label
from planner.case.acts import choose_approach, choose_needle, set_position
from planner.case.words import POSITION_WORDS

if TYPE_CHECKING:
    from planner.case.derive import SitePlan
    from planner.leak.leak import Approach


class ApproachPanel(Panel):
    """Chooses the way, the needle and the position."""

    station = 3

    def build(self) -> None:
        self._switch = SiteSwitch(self.desk)
        self._working = ProgressRow("reading the anatomy around the leak")
        self._ways = Rows(7)
        self._needle = Rows()
        self._position = Rows()
        for widget in (self._switch, self._working, self._ways, self._needle, self._position):
            self.body.addWidget(widget)

    def lead(self) -> str:
        plan = self.desk.plan
        if plan is None:
            return "The way in that the leak calls for."
        return f"{leak_words(plan.site.leak, self.unsure)}. {plan.approach.title}."

    def refusals(self) -> tuple[Derived[object], ...]:
        return (self.site,)

    def fill(self) -> None:
        self._switch.refresh()
        plan, index, derived = self.desk.plan, self.desk.site, self.site
        self._working.put(derived.state == "running" and plan is None, derived.share, derived.what)
        if plan is None:
            for rows in (self._ways, self._needle, self._position):
                rows.show_items([])
            return
        site = self.session.case.sites[index]
        now = (site.approach, site.entry_level) if site.approach else (plan.approaches[0].name, plan.approaches[0].level)
        ways = plan.approaches if plan.approach in plan.approaches else (plan.approach, *plan.approaches)
        chosen = [(way.name, way.level) == now for way in ways]
        self._ways.show_items([((index, way, one), partial(self._way, way, one)) for way, one in zip(ways, chosen)])
        needle = self.session.case.sites[index].needle or plan.needle.id
        self._needle.show_items([((index, needle), lambda: self._needle_card(plan, needle))])
        self._position.show_items([(self.session.case.position, self._position_card)])

    def _way(self, way: Approach, chosen: bool) -> QWidget:
        """A way in; one that is barred on this scan cannot be chosen and says why."""
        card = Card("card current" if chosen else "card", f"Approach {way.title}")
        choice = QRadioButton(way.title if len(way.title) < 38 else way.title.replace(", ", ",\n", 1))
        choice.setAccessibleName(way.title)
        choice.setChecked(chosen)
        choice.setAutoExclusive(False)
        choice.setEnabled(chosen or way.barred is None)
        choice.clicked.connect(lambda: self._choose(way))
        card.add(choice)
        if way.proposed:
            card.add(label("Proposed", "small"))
        card.add(label(way.why, "muted"))
        if way.barred or way.warning:
            card.add(label(f"△ {way.barred or way.warning}", "caution"))
        if way.evidence:
            card.add(Sources(way.evidence, way.title))
        return card

    def _choose(self, way: Approach) -> None:
        index = self.desk.site
        self.desk.candidate = None
        name, level = (None, None) if way.proposed else (way.name, way.level)
        self.desk.attempt(lambda: choose_approach(self.session.case, index, name, level))
        self.refresh()

    def _needle_card(self, plan: SitePlan, chosen: str) -> QWidget:
        from planner.needles import catalogue

        card = Card(name="Needle")
        index = self.desk.site
        words = {needle.id: needle.words for needle in catalogue()}
        box = Choice(
            "Needle gauge, length and tip",
            words,
            chosen,
            lambda one: self.desk.attempt(lambda: choose_needle(self.session.case, index, one)),
        )
        best = plan.used
        card.add(label("Needle", "head"), box)
        if best is not None:
            card.add(label(f"Skin to tip is {best.depth_mm:.0f} mm on the {'needle taken' if plan.taken else 'best way'}.", "small"))
        return card

    def _position_card(self) -> QWidget:
        card = Card(name="Position")
        words = {position: said[0].upper() + said[1:] for position, said in POSITION_WORDS.items()}
        now = self.session.case.position
        box = Choice("How the patient lies", words, now, lambda one: self.desk.attempt(lambda: set_position(self.session.case, one)))
        card.add(label("The patient lies", "head"), box, label("Angles are read for this position.", "small"))
        return card
