"""The state of every station, read off the session: what the rail shows, what is still missing, and whether the next step can work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from app.derived import Derived, State
from app.desk import Desk
from app.rail import STATIONS
from app.session import Session

Mark = Literal["open", "done", "working", "stale", "refused"]


MARK_WORDS: dict[Mark, str] = {
    "open": "open",
    "done": "done",
    "working": "working",
    "stale": "being brought up to date",
    "refused": "refused",
}


@dataclass(frozen=True)
class Station:
    """mark: what the rail shows. missing: a sentence, or "" when nothing is. passable: whether the next station has what it needs."""

    name: str
    mark: Mark
    missing: str
    passable: bool


def stations(desk: Desk) -> tuple[Station, ...]:
    """All seven, in order."""
    session = desk.session
    judged = (_scan(session), _anatomy(session), _leak(session), _approach(session), _needles(session), _patch(session), _report(desk))
    return tuple(Station(name, *one) for name, one in zip(STATIONS, judged))


Judged = tuple[Mark, str, bool]
_STOPPED = "The search for needles was stopped; start it again at Needles."


def _mark(derived: Derived[Any], ready: Mark = "done") -> Mark:
    running: Mark = "working" if derived.value is None else "stale"
    marks: dict[State, Mark] = {"ready": ready, "running": running, "refused": "refused", "missing": "open"}
    return marks[derived.state]


def _scan(session: Session) -> Judged:
    if session.scan.state == "running":
        return _mark(session.scan), "", session.volume.state == "ready"
    if session.scan.state == "refused":
        return "refused", "", False
    if session.scan.value is None:
        return "open", "Open a scan: a folder, a file or a ZIP.", False
    if session.series is None:
        usable = any(series.verdict != "refused" for series in session.scan.value.series)
        return "open", "Choose a series." if usable else "No series here can be planned on. Open another scan.", False
    return _mark(session.volume), "", session.volume.state == "ready"


def _anatomy(session: Session) -> Judged:
    if session.volume.state != "ready":
        return "open", "A scan is needed first.", False
    anatomy = session.anatomy
    if anatomy.state != "ready" or anatomy.value is None:
        return _mark(anatomy), "The anatomy is not found yet." if anatomy.state == "missing" else "", False
    anchor = anatomy.value.anchor
    if anchor is None or anchor.by != "user":
        return "open", "Name one vertebra: until then no level is confirmed.", True
    return "done", "", True


def _leak(session: Session) -> Judged:
    if session.anatomy.value is None:
        return "open", "The anatomy is needed first: it says level and side.", False
    if not session.case.sites:
        return "open", "Mark where it leaks.", False
    return "done", "", session.anatomy.state == "ready"


def _sites(session: Session, ready: Mark = "done") -> Mark:
    """The mark of all sites together: the one that most asks to be looked at."""
    first: tuple[Mark, ...] = ("refused", "working", "stale", "open")
    marks = {_mark(site, ready) for site in session.sites}
    return next((mark for mark in first if mark in marks), ready)


def _approach(session: Session) -> Judged:
    if not session.case.sites or session.anatomy.value is None:
        return "open", "A leak is needed first.", False
    mark = _sites(session)
    return mark, _STOPPED if mark == "open" else "", any(site.value is not None for site in session.sites)


def _needles(session: Session) -> Judged:
    if not session.case.sites or session.anatomy.value is None:
        return "open", "A leak is needed first.", False
    mark = _sites(session)
    if mark != "done":
        return mark, _STOPPED if mark == "open" else "", False
    plans = [site.value for site in session.sites if site.value is not None]
    without = [n + 1 for n, plan in enumerate(plans) if plan.used is None]
    usable = len(without) < len(plans)
    if without:
        return "refused", f"No needle was found for {_which(without, len(plans))}.", usable
    proposed = [n + 1 for n, plan in enumerate(plans) if plan.taken is None]
    if proposed:
        return "open", f"Take a needle for {_which(proposed, len(plans))}; until then the best one stands.", usable
    return "done", "", usable


def _which(numbers: list[int], of: int) -> str:
    if of == 1:
        return "the leak"
    return f"{'site' if len(numbers) == 1 else 'sites'} {', '.join(map(str, numbers))}"


def _patch(session: Session) -> Judged:
    if session.forecast.state == "missing":
        return "open", "A needle is needed first: the patch spreads from its tip.", False
    return _mark(session.forecast), "", session.forecast.state == "ready"


def _report(desk: Desk) -> Judged:
    session = desk.session
    if session.plan is None:
        return "open", what_the_sheet_lacks(session), False
    return "done" if desk.reported == session.case else "open", "", False


def what_the_sheet_lacks(session: Session) -> str:
    """Why there is no sheet now: what is missing, or what is being brought up to date."""
    if session.volume.state != "ready":
        return "The sheet needs a scan."
    if session.anatomy.state != "ready":
        return "The sheet waits for the anatomy."
    if not session.case.sites:
        return "The sheet needs a leak."
    if any(site.state == "refused" for site in session.sites):
        return "The sheet needs an answer to what was refused at Approach or Needles."
    if any(site.state != "ready" for site in session.sites):
        return "The sheet waits for the needles: what is on screen is being brought up to date."
    return "The sheet waits for the patch: what is on screen is being brought up to date."
