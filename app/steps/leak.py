"""Leak: where it leaks, which kind, seen or suspected; up to ten sites."""

from __future__ import annotations

from functools import partial
from math import dist
from typing import TYPE_CHECKING, Any, get_args

from PySide6.QtWidgets import QButtonGroup, QRadioButton, QWidget

from app.steps.panel import Panel
from app.steps.words import leak_words
from app.widgets.choice import Choice
from app.widgets.rows import Rows
from app.widgets.text import Card, button, label, row
from planner.case.acts import change_leak, confirm_leak, remove_leak
from planner.case.case import MOST_SITES, Site
from planner.leak import KINDS
from planner.leak.leak import Certainty, LeakKind, LeakSide

if TYPE_CHECKING:
    from planner.anatomy.spine import Anatomy, LeakHint

_CERTAINTIES: dict[Certainty, str] = {"observed": "Observed: contrast seen outside", "potential": "Potential: suspected, not seen"}

_SAME_PLACE_MM = 10.0  # a site so near to a hint is the answer to it


class LeakPanel(Panel):
    """Marks, moves and removes. What the scan hints at is offered, never taken by itself."""

    station = 2

    def build(self) -> None:
        self._new = Card(name="New leak")
        self._new.add(label("New leak", "head"))
        self._kinds = QButtonGroup(self)
        for kind, words in KINDS.items():
            choice = QRadioButton(words.title)
            choice.setAccessibleName(f"Kind {words.title}")
            choice.setToolTip(words.line)
            choice.setProperty("kind", kind)
            choice.setChecked(kind == self.desk.leak_kind)
            choice.toggled.connect(partial(self._choose_kind, kind))
            self._kinds.addButton(choice)
            self._new.add(choice)
        self._line = label(KINDS[self.desk.leak_kind].line, "small")
        self._new.add(self._line)
        certainty = Choice("Certainty of the new leak", _CERTAINTIES, self.desk.certainty, self._choose_certainty)
        self._mark = button("Mark a leak", lambda: self.desk.ask("leak"), hint="K marks it under the pointer")
        self._mark.setCheckable(True)
        self._new.add(certainty, row(self._mark, label("or K under the pointer", "small", wrap=False), None))
        self.body.addWidget(self._new)
        self._full = label(f"{MOST_SITES} sites are marked. Remove one before you mark another.", "caution")
        self.body.addWidget(self._full)
        self._hints = Rows()
        self.body.addWidget(self._hints)
        self._sites = Rows()
        self.body.addWidget(self._sites)

    def lead(self) -> str:
        sites = self.session.case.sites
        if not sites:
            return "Where spinal fluid leaves the sac. Level and side are filled in from the anatomy."
        if len(sites) == 1:
            return f"{leak_words(self._read(0).leak, self.unsure)}."
        chosen = leak_words(self._read(self.desk.site).leak, self.unsure)
        return f"{len(sites)} sites. {chosen} is chosen."

    def fill(self) -> None:
        possible = self.session.anatomy.value is not None
        room = len(self.session.case.sites) < MOST_SITES
        self._new.setVisible(possible and room)
        self._full.setVisible(possible and not room)
        self._mark.setChecked(self.desk.gesture == "leak")
        anatomy = self.session.anatomy.value
        confirmed = anatomy is not None and anatomy.anchor is not None and anatomy.anchor.by == "user"
        items = []
        for index in range(len(self.session.case.sites)):
            site, chosen = self._read(index), index == self.desk.site
            derived = self.session.sites[index] if index < len(self.session.sites) else None
            refusal = str(derived.refusal) if derived is not None and derived.refusal is not None else ""
            moving = chosen and self.desk.gesture == "move leak"
            key = (index, site.leak, site.carried, chosen, confirmed, refusal, moving)
            items.append((key, partial(self._card, index, site, chosen, confirmed, refusal)))
        self._sites.show_items(items)
        self._show_hints(anatomy, room)

    def _show_hints(self, anatomy: Anatomy | None, room: bool) -> None:
        """What looks like leaked contrast on this scan; nothing where nothing does."""
        if anatomy is None or not anatomy.leak_hints:
            self._hints.show_items([])
            return
        from planner.anatomy.outside import hint_words

        unsure = " Level not confirmed." if self.unsure else ""
        rows = tuple(
            (hint, hint_words(anatomy.canal, anatomy.levels, hint) + unsure, *self._sites_at(anatomy, hint)) for hint in anatomy.leak_hints
        )
        self._hints.show_items([((rows, room), partial(self._hint_card, rows, room))])

    def _sites_at(self, anatomy: Anatomy, hint: LeakHint) -> tuple[int | None, int | None]:
        """The number of the site that is marked at a hint, and of one that lies along its reach of the canal."""
        at = [site.leak.position_mm for site in self.session.case.sites]
        canal = anatomy.canal
        first, last = canal.nearest(hint.head_mm), canal.nearest(hint.foot_mm)
        marked = next((n for n, place in enumerate(at, 1) if dist(place, hint.position_mm) <= _SAME_PLACE_MM), None)
        return marked, next((n for n, place in enumerate(at, 1) if first <= canal.nearest(place) <= last), None)

    def _hint_card(self, rows: tuple[tuple[LeakHint, str, int | None, int | None], ...], room: bool) -> QWidget:
        card = Card(name="Seen on this scan")
        card.add(label("Seen on this scan", "head"))
        for number, (hint, said, marked, beside) in enumerate(rows, 1):
            look = button("Look", partial(self.desk.place_wanted.emit, hint.position_mm), "small", f"Look at hint {number}: {said}")
            look.setToolTip("Brings it into all views")
            buttons = [look]
            if room and marked is None:
                mark = button("Mark here", partial(self.desk.mark_leak, hint.position_mm), "small", f"Mark a leak at hint {number}: {said}")
                mark.setToolTip("Marks a leak of the kind that is chosen above")
                buttons.append(mark)
            answer = f"✓ Marked as site {marked}" if marked else f"Site {beside} lies along it" if beside else ""
            if number > 1:
                card.column.addSpacing(5)
            card.add(label(said.replace(" mL", "\u00a0mL")))
            card.add(row(*buttons, label(answer, "good" if marked else "small", wrap=False), None))
        if room and any(marked is None for _, _, marked, _ in rows):
            card.column.addSpacing(3)
            card.add(label("Look before you mark. A mark takes the kind that is chosen above.", "small"))
        return card

    def _read(self, index: int) -> Site:
        """The site with its level read from the anatomy of now, where that is ready."""
        derived = self.session.sites[index] if index < len(self.session.sites) else None
        decided = self.session.case.sites[index]
        plan = derived.value if derived is not None else None
        if plan is not None and plan.site.leak.position_mm == decided.leak.position_mm and plan.site.leak.kind == decided.leak.kind:
            return plan.site
        return decided

    def _card(self, index: int, site: Site, chosen: bool, confirmed: bool, refusal: str) -> QWidget:
        leak = site.leak
        card = Card("card current" if chosen else "card", f"Site {index + 1}: {leak_words(leak)}")
        head = button(
            f"{index + 1} · {leak_words(leak)}", lambda: self.desk.choose_site(index), "row", f"Choose site {index + 1}: {leak_words(leak)}"
        )
        head.setText(f"{index + 1} · {KINDS[leak.kind].title}, {leak.level or 'level not known'}")
        card.add(head)
        side = "midline" if leak.side == "midline" else f"{leak.side} of the midline"
        card.add(
            label(
                f"{side[0].upper()}{side[1:]}, {leak.certainty}" + ("" if confirmed else ". Level not confirmed"),
                "muted" if confirmed else "caution",
            )
        )
        if site.carried:
            card.add(label("△ Carried over from the other scan: check its place here.", "caution"))
        if refusal:
            card.add(label(f"× {refusal}", "bad"))
        if not chosen:
            return card
        kinds: dict[LeakKind, str] = {kind: words.title for kind, words in KINDS.items()}
        kind = Choice("Kind of the leak", kinds, leak.kind, lambda value: self._change(index, kind=value))
        certain: dict[Certainty, str] = {one: one.capitalize() for one in get_args(Certainty)}
        certainty = Choice("Certainty of the leak", certain, leak.certainty, lambda value: self._change(index, certainty=value))
        both: dict[LeakSide, str] = {one: one.capitalize() for one in get_args(LeakSide)}
        sides = Choice("Side of the leak", both, leak.side, lambda value: self._change(index, side=value))
        move = button("Move", lambda: self.desk.ask("move leak"), "small", f"Move site {index + 1}")
        move.setCheckable(True)
        move.setChecked(self.desk.gesture == "move leak")
        remove = button("Remove", lambda: self._remove(index), "small", f"Remove site {index + 1}")
        confirm = button("Confirm place", lambda: self._confirm(index), "small", f"Confirm the place of site {index + 1}")
        card.add(kind, row(certainty, sides), row(*((confirm,) if site.carried else ()), move, remove, None))
        return card

    def _choose_certainty(self, value: Certainty) -> None:
        self.desk.certainty = value

    def _choose_kind(self, kind: LeakKind, on: bool) -> None:
        if not on:
            return
        self.desk.leak_kind = kind
        self._line.setText(KINDS[kind].line)

    def _change(self, index: int, **to: Any) -> None:
        self.desk.attempt(lambda: change_leak(self.session.case, index, **to))

    def _confirm(self, index: int) -> None:
        self.desk.attempt(lambda: confirm_leak(self.session.case, index))

    def _remove(self, index: int) -> None:
        self.desk.attempt(lambda: remove_leak(self.session.case, index))
