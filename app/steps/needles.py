"""Needles: every safe way in, ranked and explained; one is taken; its ends are dragged in the views and the checks follow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from app.derived import Derived
from app.steps.panel import Panel
from app.steps.sites import SiteSwitch
from app.steps.words import in_plane_words, leak_words, offset_words, out_of_plane_words
from app.widgets.graphs import ClearanceGraph
from app.widgets.progress import ProgressRow
from app.widgets.rows import Rows
from app.widgets.text import Card, button, label, row, say
from app.widgets.values import ClearanceRow, ValueRow
from planner.needles.rules import HAZARDS

if TYPE_CHECKING:
    from planner.case.derive import SitePlan
    from planner.needles.candidate import Candidate

_SHOWN = 8
_GRAPH_LIMIT_MM = 2.0


class NeedlesPanel(Panel):
    """Ranks, takes, leaves."""

    station = 4

    def build(self) -> None:
        self._switch = SiteSwitch(self.desk)
        self._working = ProgressRow("searching the ways in", self._cancel)
        self._stopped = row(label("The search was stopped.", "muted", wrap=False), None, button("Search", self._resume))
        self._mine = Rows()
        self._none = Rows()
        self._cards = Rows()
        self._counts = label(role="small", name="How many ways were tried")
        self._why = button("Why not others?", lambda: self._toggle_why(), "link")
        self._rejected = Rows(1)
        self._why_open = False
        for widget in (self._switch, self._working, self._stopped, self._mine, self._none, self._cards):
            self.body.addWidget(widget)
        self.body.addWidget(row(self._counts, self._why))
        self.body.addWidget(self._rejected)

    def lead(self) -> str:
        plan = self.desk.plan
        if plan is None:
            return "Every safe way in, ranked and explained."
        return f"{leak_words(plan.site.leak, self.unsure)}. {plan.approach.title}. {plan.needle.words}."

    def refusals(self) -> tuple[Derived[object], ...]:
        sites = self.session.sites
        return (sites[self.desk.site],) if self.desk.site < len(sites) else ()  # type: ignore[return-value]

    def fill(self) -> None:
        self._switch.refresh()
        plan, sites, index = self.desk.plan, self.session.sites, self.desk.site
        derived = sites[index] if index < len(sites) else Derived()
        self._working.put(derived.state == "running", derived.share, derived.what or "Searching the ways in")
        self._stopped.setVisible(derived.state == "missing" and index < len(sites) and self.session.anatomy.state == "ready")
        candidates = plan.search.candidates if plan is not None else ()
        self._mine.show_items(self._mine_items(plan))
        reason = plan.search.reason if plan is not None else None
        relaxed = plan.search.relaxed if plan is not None else None
        said: list[tuple[str, Callable[[], QWidget]]] = []
        if reason:
            said.append((reason, lambda: self._none_card(str(reason))))
        if relaxed:
            said.append((relaxed, lambda: label(f"△ {relaxed}", "caution")))
        self._none.show_items(said)
        opened = self._opened(plan)
        rank = enumerate(candidates[:_SHOWN])
        self._cards.show_items(
            [((id(c), n, n == opened), partial(self._full, c, n + 1) if n == opened else partial(self._short, c, n)) for n, c in rank]
            if plan is not None
            else []
        )
        tried = plan.search if plan is not None and plan.search.directions else None
        count = f"{tried.directions:,} directions × {tried.targets} targets".replace(",", " ") if tried else ""
        say(self._counts, count)
        rejected = sorted(tried.rejected.items(), key=lambda item: -item[1]) if tried else []
        self._why.setVisible(bool(rejected))
        shown = rejected if self._why_open or (plan is not None and not candidates) else []
        self._rejected.show_items([((what, many), partial(ValueRow, what, f"{many:,}".replace(",", " "))) for what, many in shown])

    @property
    def next_is_quiet(self) -> bool:
        """While "Take it" is offered, that is the next step."""
        plan = self.desk.plan
        return plan is not None and plan.taken is None and bool(plan.search.candidates)

    # ---- cards ---------------------------------------------------------------------------------------------------------

    def _opened(self, plan: SitePlan | None) -> int | None:
        """Which candidate's card is open: the one looked at, else the best, unless a needle was taken or is under the hand."""
        if plan is None or self.desk.live is not None:
            return None
        if self.desk.candidate is not None:
            return self.desk.candidate
        return None if plan.taken is not None else 0

    def _mine_items(self, plan: SitePlan | None) -> list:
        if self.desk.live is not None:
            live = self.desk.live
            return [(("live", live.entry_mm, live.target_mm), lambda: self._full(live, None, "Under your hand"))]
        if plan is None or plan.taken is None:
            return []
        taken, site = plan.taken, plan.site
        moved = site.taken is not None and site.taken.moved
        return [((id(taken), moved), lambda: self._full(taken, None, "Taken, moved by hand" if moved else "Taken", taken=True))]

    def _full(self, candidate: Candidate, rank: int | None, title: str = "", taken: bool = False) -> Card:
        plan = self.desk.plan
        position = self.session.case.position
        name = f"Candidate {rank}" if rank is not None else title
        card = Card("card chosen" if candidate.passes else "card bad", name)
        words = _place_words(candidate)
        head = label(f"{rank} · {words}" if rank is not None else f"{title} · {words}", "head")
        card.add(row(head, None, label(f"{candidate.depth_mm:.0f} mm", "number", wrap=False, name="Depth, skin to tip")))
        card.add(
            ValueRow(
                "In plane", in_plane_words(candidate.in_plane_deg, position), hint="From the vertical of the room, the way the tip points"
            ),
            ValueRow("Out of plane", out_of_plane_words(candidate.out_of_plane_deg)),
            ValueRow("Entry from midline", offset_words(candidate)),
        )
        titles = {hazard.name: hazard.title for hazard in HAZARDS}
        checks = {check.name: check for check in candidate.checks}
        unseen = []
        for structure, clearance in candidate.clearance_mm.items():
            title = titles.get(structure, structure)
            check = checks.get(title)
            if clearance is not None:
                card.add(ClearanceRow(title, clearance, check.limit if check else None))
            elif check is not None and check.at_least is not None:
                hint = "The scan shows none; it can only lie beyond where the scan ends"
                card.add(ValueRow(title, "none in the scan", f"(over {check.at_least:.0f} mm)", hint))
            else:
                unseen.append(title)
        if unseen:
            words = ", ".join(unseen).lower()
            card.add(label(f"△ Not checked: {words}", "caution", name=f"Not checked: {words}"))
        if len(candidate.profile_mm):
            card.add(ClearanceGraph(candidate.profile_mm[:, 0].tolist(), candidate.profile_mm[:, 1].tolist(), _GRAPH_LIMIT_MM))
        for check in candidate.checks:
            if check.ok is False:
                sign, role = ("△", "caution") if check.soft else ("×", "bad")
                card.add(label(f"{sign} {_check_words(check.name, check.value, check.limit, check.unit)}", role))
        parts = [f"{part.replace('_', ' ')} {value:.2f}" for part, value in candidate.score.items() if part != "total"]
        if parts:
            card.add(label(f"Score {candidate.score['total']:.2f}: {', '.join(parts)}", "small"))
        if title == "Under your hand":
            return card
        first = (
            button("Leave it", lambda: self.desk.take(None), name="Leave the needle")
            if taken
            else button(
                "Take it", lambda: self.desk.take(candidate), "next" if plan is None or plan.taken is None else "", f"Take candidate {rank}"
            )
        )
        card.add(row(first, button("Look along it", lambda: self.desk.along_wanted.emit(candidate), name=f"Look along {name}"), None))
        if taken:
            card.add(label("Drag its ends in any view; the checks follow.", "small"))
        return card

    def _short(self, candidate: Candidate, index: int) -> QWidget:
        card = Card("card", f"Candidate {index + 1}, short")
        head = button(f"{index + 1} · {_level_words(candidate)}", lambda: self.desk.look_at(index), "row", f"Open candidate {index + 1}")
        card.add(row(head, None, label(f"{candidate.depth_mm:.0f} mm", "number", wrap=False)))
        in_plane, out = f"in plane {abs(candidate.in_plane_deg):.0f}°", out_of_plane_words(candidate.out_of_plane_deg)
        chip = label(*_chip(candidate), wrap=False)
        said = f"{candidate.remark}; {in_plane}, {out}" if candidate.remark else f"{in_plane}, {out}"
        card.add(row(label(said[0].upper() + said[1:], "small"), chip))
        return card

    def _none_card(self, reason: str) -> QWidget:
        card = Card("card caution", "Why none was found")
        card.add(label("△ No needle passes every check", "caution"), label(reason))
        card.add(label("Choose another approach or needle at Approach, or move the leak.", "muted"))
        return card

    # ---- acts ----------------------------------------------------------------------------------------------------------

    def _toggle_why(self) -> None:
        self._why_open = not self._why_open
        self.refresh()

    def _cancel(self) -> None:
        self.session.cancel_site(self.desk.site)

    def _resume(self) -> None:
        self.session.resume_site(self.desk.site)


def _level_words(candidate: Candidate) -> str:
    side = "" if candidate.side == "midline" else f"{candidate.side} "
    words = f"{side}{candidate.level or ''}".strip() or "level not known"
    return words[0].upper() + words[1:]


def _place_words(candidate: Candidate) -> str:
    words = _level_words(candidate)
    return f"{words}, {candidate.remark[0].lower()}{candidate.remark[1:]}" if candidate.remark else words


def _check_words(name: str, value: float | None, limit: float | None, unit: str) -> str:
    found = f": {value:.1f} {unit}".replace("-", "−").rstrip() if value is not None else ""
    asked = f", limit {limit:g} {unit}".rstrip() if limit is not None else ""
    return f"{name}{found}{asked}"


def _chip(candidate: Candidate) -> tuple[str, str]:
    """What a short card says last: what is doubtful, else its tightest structure."""
    doubtful = next((check.name for check in candidate.checks if check.ok is False), None)
    if doubtful is not None:
        return (doubtful.lower(), "chip caution")
    known = {name: value for name, value in candidate.clearance_mm.items() if value is not None}
    if not known:
        return ("not checked", "chip caution")
    tightest = min(known, key=lambda name: known[name])
    return (f"{tightest} {known[tightest]:.1f} mm", "chip")
