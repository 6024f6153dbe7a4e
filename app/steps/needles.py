"""Needles: every safe way in, ranked and explained; one is taken; its ends are dragged in the views and the checks follow."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from app.derived import Derived
from app.steps.panel import Panel
from app.steps.sites import SiteSwitch
from app.steps.words import in_plane_words, leak_words, offset_words, out_of_plane_words
from app.widgets.graphs import ClearanceGraph
from app.widgets.progress import ProgressRow
from app.widgets.rows import Item, Rows
from app.widgets.text import Card, button, label, row, say
from app.widgets.values import ClearanceRow, ValueRow
from planner.needles.rules import HAZARDS

if TYPE_CHECKING:
    from planner.case.derive import SitePlan
    from planner.geometry import PatientPosition
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
        self.body.addWidget(self._counts)
        self.body.addWidget(row(self._why, None))
        self.body.addWidget(self._rejected)

    def lead(self) -> str:
        plan = self.desk.plan
        if plan is None:
            return "Every safe way in, ranked and explained."
        return f"{leak_words(plan.site.leak, self.unsure)}. {plan.approach.title}. {plan.needle.words}."

    def refusals(self) -> tuple[Derived[object], ...]:
        return (self.site,)

    def fill(self) -> None:
        self._switch.refresh()
        plan, derived = self.desk.plan, self.site
        self._working.put(derived.state == "running", derived.share, derived.what or "Searching the ways in")
        self._stopped.setVisible(derived.state == "missing" and bool(self.session.sites) and self.session.anatomy.state == "ready")
        candidates = plan.search.candidates if plan is not None else ()
        self._mine.show_items(self._mine_items(plan))
        reason = plan.search.reason if plan is not None else None
        relaxed = plan.search.relaxed if plan is not None else None
        said: list[Item] = []
        if reason:
            said.append((reason, lambda: self._none_card(str(reason))))
        if relaxed:
            said.append((relaxed, lambda: label(f"△ {relaxed}", "caution")))
        self._none.show_items(said)
        opened = self._opened(plan)
        items: list[Item] = []
        for n, one in enumerate(candidates[:_SHOWN]):
            items.append(((id(one), n, n == opened), partial(self._full, one, n + 1) if n == opened else partial(self._short, one, n)))
        self._cards.show_items(items)
        self._show_search(plan)

    def _show_search(self, plan: SitePlan | None) -> None:
        """How many ways were tried, and why the others were none."""
        tried = plan.search if plan is not None and plan.search.directions and plan.search.targets else None
        say(self._counts, f"{_thousands(tried.directions)} directions × {tried.targets} targets" if tried else "")
        rejected = sorted(tried.rejected.items(), key=lambda item: -item[1]) if tried else []
        none_is_left = tried is not None and not tried.candidates
        self._why.setVisible(bool(rejected) and not none_is_left)
        shown = rejected if self._why_open or none_is_left else []
        self._rejected.show_items([((what, many), partial(ValueRow, what, _thousands(many))) for what, many in shown])

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

    def _mine_items(self, plan: SitePlan | None) -> list[Item]:
        if self.desk.live is not None:
            live = self.desk.live
            return [(("live", live.entry_mm, live.target_mm), lambda: self._full(live, None, "Under your hand"))]
        if plan is None or plan.taken is None:
            return []
        taken, site = plan.taken, plan.site
        moved = site.taken is not None and site.taken.moved
        return [((id(taken), moved), lambda: self._full(taken, None, "Taken, moved by hand" if moved else "Taken", taken=True))]

    def _full(self, candidate: Candidate, rank: int | None, title: str = "", taken: bool = False) -> Card:
        """A candidate by its rank, or by a title the needle that was taken, or the one under the hand, which offers nothing to press."""
        name = f"Candidate {rank}" if rank is not None else title
        card = Card("card chosen" if candidate.passes else "card bad", name)
        head = label(f"{title if rank is None else rank} · {_place_words(candidate)}", "head")
        card.add(row(head, _depth(candidate)))
        card.add(*_angles(candidate, self.session.case.position), *_clearances(candidate), *_doubts(candidate))
        if rank is None and not taken:
            return card
        look = button("Look along it", lambda: self.desk.along_wanted.emit(candidate), name=f"Look along {name}")
        if taken:
            leave = button("Leave it", lambda: self.desk.take(None), name="Leave the needle")
            return card.add(row(leave, look, None), label("Drag its ends in any view; the checks follow.", "small"))
        role = "next" if self.desk.plan is None or self.desk.plan.taken is None else ""
        return card.add(row(button("Take it", lambda: self.desk.take(candidate), role, f"Take candidate {rank}"), look, None))

    def _short(self, candidate: Candidate, index: int) -> QWidget:
        card = Card("card", f"Candidate {index + 1}, short")
        head = button(f"{index + 1} · {_level_words(candidate)}", lambda: self.desk.look_at(index), "row", f"Open candidate {index + 1}")
        card.add(row(head, None, _depth(candidate)))
        in_plane = f"in plane {abs(candidate.in_plane_deg):.0f}°"
        out = out_of_plane_words(candidate.out_of_plane_deg).removeprefix("0°, ")
        chip = _narrow(label(*_chip(candidate), wrap=False))
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


def _depth(candidate: Candidate) -> QWidget:
    return _narrow(label(f"{candidate.depth_mm:.0f} mm deep", "number", wrap=False, name="Depth, skin to tip"))


def _narrow(made: QLabel) -> QLabel:
    """No wider and no higher than its words."""
    made.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Maximum)
    return made


def _angles(candidate: Candidate, position: PatientPosition) -> list[QWidget]:
    hint = "From the vertical of the room, the way the tip points"
    return [
        ValueRow("In plane", in_plane_words(candidate.in_plane_deg, position), hint=hint),
        ValueRow("Out of plane", out_of_plane_words(candidate.out_of_plane_deg)),
        ValueRow("Entry from midline", offset_words(candidate)),
    ]


def _clearances(candidate: Candidate) -> list[QWidget]:
    """One row a structure, what was not checked in one sentence, and the least of all along the needle as a curve."""
    titles = {hazard.name: hazard.title for hazard in HAZARDS}
    checks = {check.name: check for check in candidate.checks}
    made: list[QWidget] = []
    unseen: list[str] = []
    for structure, clearance in candidate.clearance_mm.items():
        title = titles.get(structure, structure)
        check = checks.get(title)
        if clearance is not None:
            made.append(ClearanceRow(title, clearance, check.limit if check else None))
        elif check is not None and check.at_least is not None:
            hint = "The scan shows none; it can only lie beyond where the scan ends"
            made.append(ValueRow(title, "none in the scan", f"(over {check.at_least:.0f} mm)", hint))
        else:
            unseen.append(title)
    if made:
        made.append(label("Tick: the clearance asked. Amber: near it.", "small"))
    if unseen:
        words = ", ".join(unseen).lower()
        made.append(label(f"△ Not checked: {words}", "caution", name=f"Not checked: {words}"))
    if len(candidate.profile_mm):
        made.append(ClearanceGraph(candidate.profile_mm[:, 0].tolist(), candidate.profile_mm[:, 1].tolist(), _GRAPH_LIMIT_MM))
    return made


def _doubts(candidate: Candidate) -> list[QWidget]:
    """Every check that is not passed, then the parts of the score."""
    made: list[QWidget] = []
    for check in candidate.checks:
        if check.ok is False:
            sign, role = ("△", "caution") if check.soft else ("×", "bad")
            made.append(label(f"{sign} {_check_words(check.name, check.value, check.limit, check.unit)}", role))
    parts = [f"{part.replace('_', ' ')} {value:.2f}" for part, value in candidate.score.items() if part != "total"]
    if parts:
        made.append(label(f"Score {candidate.score['total']:.2f} of 1: {', '.join(parts)}", "small"))
    return made


def _thousands(count: int) -> str:
    return f"{count:,}".replace(",", " ")


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
