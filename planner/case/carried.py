"""What a plan takes along when the scans change places: names and marks that a good registration knows in both."""

from __future__ import annotations

from dataclasses import replace

from planner.anatomy.spine import Anchor
from planner.case.case import Case, Site
from planner.registration.placed import Registration

CARRIED_NAME = "named on the other scan"
"""`Anchor.why` of a name that a person gave on the other scan."""


def carried_anchor(anchor: Anchor | None, laid: Registration | None) -> Anchor | None:
    """The vertebra that was named, at its place in the second scan; None where the registration does not know that place."""
    if anchor is None or laid is None or not laid.knows(anchor.position_mm):
        return None
    return replace(anchor, position_mm=laid.placed.back_to(anchor.position_mm), why=CARRIED_NAME)


def carried_sites(case: Case, laid: Registration | None) -> tuple[Site, ...]:
    """The marked leaks at their places in the second scan, each to be checked there; those whose place the registration knows.

    What was decided for them stays but for needles, which are places among structures; levels are read anew, as far as names are carried.
    """
    if laid is None:
        return ()
    named = carried_anchor(case.anchor, laid) is not None
    return tuple(_carried(site, laid, named) for site in case.sites if laid.knows(site.leak.position_mm))


def _carried(site: Site, laid: Registration, named: bool) -> Site:
    leak = replace(site.leak, position_mm=laid.placed.back_to(site.leak.position_mm), level=site.leak.level if named else None)
    kept = replace(site, leak=leak, taken=None, carried=True)
    return kept if named or site.entry_level is None else replace(kept, approach=None, entry_level=None, blood_ml=None, fibrin_ml=None)


def carried_words(before: Case, after: Case) -> str:
    """What went over and what did not, when the scans have changed places; nothing where there was nothing."""
    gone = []
    if before.sites:
        count, kept = len(before.sites), len(after.sites)
        marks = "The leak mark was" if count == 1 else "The leak marks were" if kept in (0, count) else f"{kept} of {count} leak marks were"
        gone.append(f"{marks} {'carried over: check each place' if kept else 'cleared'}")
    if before.anchor is not None:
        gone.append(f"the name {before.anchor.name} was {'carried over' if after.anchor is not None else 'cleared'}")
    if before.edits or before.labels_path:
        gone.append("what was changed by hand or taken in was cleared")
    words = "; ".join(gone)
    return f"{words[0].upper()}{words[1:]}." if words else ""
