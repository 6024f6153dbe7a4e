"""Every act of a user as a pure function from one case to the next.

Each act adds an unsigned `Decision` to the history; its sentence is what the Undo menu shows ("mark ventral leak at L1-L2"). The program
signs it with the time and the name of who did it (`signed`). An act that changes nothing returns the very case that it was given, so
that Undo has no empty step. An act that cannot be done raises Refusal and leaves the case as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import dist, isfinite
from typing import Any

from planner.anatomy import labels
from planner.anatomy.spine import Anchor
from planner.case.case import MOST_SITES, Case, Decision, ScanReference, Site, TakenNeedle
from planner.evidence import number
from planner.geometry import PatientPosition
from planner.leak.leak import ApproachName, Certainty, Leak, LeakKind, LeakSide
from planner.refusal import Refusal

KIND_WORDS: dict[LeakKind, str] = {
    "ventral": "ventral leak",
    "sleeve": "nerve-root sleeve leak",
    "fistula": "CSF-venous fistula",
    "dorsal": "dorsal leak",
}
APPROACH_WORDS: dict[ApproachName, str] = {
    "interlaminar-midline": "interlaminar, midline",
    "interlaminar-paramedian": "interlaminar, paramedian",
    "transforaminal-ventral": "transforaminal, to the ventral epidural space",
    "transforaminal-foramen": "transforaminal, stopped short in the foramen",
    "caudal": "caudal",
}
POSITION_WORDS: dict[PatientPosition, str] = {
    "prone": "prone",
    "supine": "supine",
    "left": "on the left side",
    "right": "on the right side",
}
_SHORTEST_NEEDLE_MM = 1.0  # below it an entry and a target are one click

# ---- what an act is -----------------------------------------------------------------------------------------------------------------


def last_act(case: Case) -> str:
    """The sentence of the newest act, or "" for a case that nobody touched."""
    return case.history[-1].act if case.history else ""


def signed(case: Case, when: str, who: str) -> Case:
    """The case with every unsigned decision signed. when: ISO 8601, UTC."""
    if all(decision.when for decision in case.history):
        return case
    return replace(case, history=tuple(d if d.when else Decision(d.act, when, who) for d in case.history))


def _done(case: Case, sentence: str, **changes: Any) -> Case:
    after = replace(case, **changes)
    return case if after == case else replace(after, history=(*case.history, Decision(sentence, "", "")))


def _with_site(case: Case, index: int, sentence: str, **changes: Any) -> Case:
    site = replace(case.sites[index], **changes)
    return _done(case, sentence, sites=(*case.sites[:index], site, *case.sites[index + 1 :]))


def site_words(case: Case, index: int) -> str:
    """`ventral leak at L1-L2`; `potential` and `site 2` are said where they matter."""
    leak = case.sites[index].leak
    return f"{_leak_words(leak)}{f' (site {index + 1})' if len(case.sites) > 1 else ''}"


def _leak_words(leak: Leak) -> str:
    potential = "potential " if leak.certainty == "potential" else ""
    return f"{potential}{KIND_WORDS[leak.kind]}{f' at {leak.level}' if leak.level else ''}"


def _point(point_mm: Sequence[float], what: str) -> tuple[float, float, float]:
    x, y, z = (float(c) for c in point_mm)
    if not (isfinite(x) and isfinite(y) and isfinite(z)):
        raise Refusal(f"The position of {what} is not a place.", "Give x, y and z in millimetres.")
    return x, y, z


# ---- Scan ---------------------------------------------------------------------------------------------------------------------------


def choose_scan(case: Case, scan: ScanReference) -> Case:
    """Plan on this series. Another series clears the anchor, the label map and all sites: their positions are places in the old one."""
    if case.scan is not None and same_scan(case.scan, scan):
        return relocate_scan(case, scan)
    return _done(case, "choose a series", scan=scan, anchor=None, labels_path=None, sites=())


def relocate_scan(case: Case, scan: ScanReference) -> Case:
    """The same scan lies elsewhere now. Nothing is cleared. Refuses another scan."""
    if case.scan is None or not same_scan(case.scan, scan):
        raise Refusal("This is not the scan that the case was planned on.", "Choose the folder of that scan, or start a new case.")
    return _done(case, "say where the scan is now", scan=scan)


def same_scan(one: ScanReference, other: ScanReference) -> bool:
    """Whether two references mean the same voxels, wherever they lie."""
    return (one.series_uid, one.part, one.size, one.fingerprint) == (other.series_uid, other.part, other.size, other.fingerprint)


# ---- Anatomy ------------------------------------------------------------------------------------------------------------------------


def name_vertebra(case: Case, name: str, position_mm: Sequence[float]) -> Case:
    """Name the vertebra at a place; all level names follow. Nothing is cleared: sites are places, and their levels are read anew."""
    if name not in labels.LEVELS:
        raise Refusal(f"{name} is no vertebra.", "Name one from C1 to S5, such as L4.")
    return _done(case, f"name {name}", anchor=Anchor(name, _point(position_mm, name), "user", 1.0))


def clear_anchor(case: Case) -> Case:
    """Take the name of the vertebra back: levels are then not confirmed."""
    return _done(case, "take the name of the vertebra back", anchor=None)


def take_labels(case: Case, labels_path: str | None) -> Case:
    """Take in a label map, or none. Clears the needles that were taken: they were checked against other anatomy."""
    sites = tuple(replace(site, taken=None) for site in case.sites)
    return _done(case, "take in a label map" if labels_path else "leave the label map", labels_path=labels_path, sites=sites)


def show_structure(case: Case, name: str, shown: bool) -> Case:
    """Show or hide a structure."""
    hidden = tuple(sorted({*case.hidden} - {name} if shown else {*case.hidden, name}))
    return _done(case, f"{'show' if shown else 'hide'} {name}", hidden=hidden)


# ---- Leak ---------------------------------------------------------------------------------------------------------------------------


def add_leak(case: Case, leak: Leak) -> Case:
    """Mark a leak (made by `planner.leak.place`). Refuses the eleventh site, and a second of the same kind at the same place."""
    if len(case.sites) >= MOST_SITES:
        raise Refusal(f"A session has {MOST_SITES} sites at most.", "Remove one before you mark another.")
    _point(leak.position_mm, "the leak")
    if any(site.leak.kind == leak.kind and dist(site.leak.position_mm, leak.position_mm) < 1e-6 for site in case.sites):
        raise Refusal(f"A {KIND_WORDS[leak.kind]} is marked at this place already.", "Mark another place, or change that leak.")
    return _done(case, f"mark {_leak_words(leak)}", sites=(*case.sites, Site(leak)))


def move_leak(case: Case, index: int, leak: Leak) -> Case:
    """Move a leak to where `planner.leak.place` put it. Clears the needle that was taken for it; approach, needle and doses stay."""
    _point(leak.position_mm, "the leak")
    if leak == case.sites[index].leak:
        return case
    return _with_site(case, index, f"move {site_words(case, index)}", leak=leak, taken=None)


def change_leak(
    case: Case,
    index: int,
    kind: LeakKind | None = None,
    certainty: Certainty | None = None,
    side: LeakSide | None = None,
) -> Case:
    """Say otherwise what kind of leak it is, how certain, or on which side.

    Another kind clears approach, needle, taken needle and doses: they answered the old kind. Another side clears the taken needle.
    Another certainty clears nothing.
    """
    before = case.sites[index].leak
    leak = replace(before, kind=kind or before.kind, certainty=certainty or before.certainty, side=side or before.side)
    changes: dict[str, Any] = {"leak": leak}
    said: list[str] = []
    if leak.certainty != before.certainty:
        said.append(leak.certainty)
    if leak.side != before.side:
        said.append(leak.side if leak.side == "midline" else f"on the {leak.side}")
        changes["taken"] = None
    if leak.kind != before.kind:
        said.append(KIND_WORDS[leak.kind])
        changes |= {"approach": None, "needle": None, "taken": None, "blood_ml": None, "fibrin_ml": None}
    return _with_site(case, index, f"change {site_words(case, index)} to {', '.join(said)}", **changes)


def remove_leak(case: Case, index: int) -> Case:
    """Remove a site with all that was planned for it."""
    return _done(case, f"remove {site_words(case, index)}", sites=(*case.sites[:index], *case.sites[index + 1 :]))


# ---- Approach -----------------------------------------------------------------------------------------------------------------------


def choose_approach(case: Case, index: int, approach: ApproachName | None) -> Case:
    """Choose the approach; None lets the proposal stand. Another approach clears needle, taken needle and doses."""
    if approach == case.sites[index].approach:
        return case
    words = APPROACH_WORDS[approach] if approach else "as proposed"
    sentence = f"choose the approach {words} for {site_words(case, index)}"
    return _with_site(case, index, sentence, approach=approach, needle=None, taken=None, blood_ml=None, fibrin_ml=None)


def choose_needle(case: Case, index: int, needle_id: str | None) -> Case:
    """Choose the needle from the catalogue; None lets the proposal stand. A needle in place stays and is checked anew."""
    return _with_site(case, index, f"choose the needle {needle_id or 'as proposed'} for {site_words(case, index)}", needle=needle_id)


def set_position(case: Case, position: PatientPosition) -> Case:
    """Say how the patient lies. Needles that were taken stay: they are places in the patient; their angles are read anew."""
    return _done(case, f"lay the patient {POSITION_WORDS[position]}", position=position)


# ---- Needles ------------------------------------------------------------------------------------------------------------------------


def take_needle(case: Case, index: int, entry_mm: Sequence[float], target_mm: Sequence[float]) -> Case:
    """Take a candidate as the search found it."""
    return _put_needle(case, index, f"take a needle for {site_words(case, index)}", entry_mm, target_mm, moved=False)


def move_needle(case: Case, index: int, entry_mm: Sequence[float], target_mm: Sequence[float]) -> Case:
    """Put the needle by hand; it is checked anew and marked as moved."""
    return _put_needle(case, index, f"move the needle for {site_words(case, index)}", entry_mm, target_mm, moved=True)


def leave_needle(case: Case, index: int) -> Case:
    """Leave the needle that was taken."""
    return _with_site(case, index, f"leave the needle for {site_words(case, index)}", taken=None)


def _put_needle(case: Case, index: int, sentence: str, entry_mm: Sequence[float], target_mm: Sequence[float], moved: bool) -> Case:
    entry, target = _point(entry_mm, "the entry"), _point(target_mm, "the target")
    if dist(entry, target) < _SHORTEST_NEEDLE_MM:
        raise Refusal("Entry and target of the needle are one point.", "Drag one of them away.")
    before = case.sites[index].taken
    if before is not None and (before.entry_mm, before.target_mm) == (entry, target):
        return case
    return _with_site(case, index, sentence, taken=TakenNeedle(entry, target, moved))


# ---- Patch --------------------------------------------------------------------------------------------------------------------------


def set_dose(case: Case, index: int, blood_ml: float | None, fibrin_ml: float | None) -> Case:
    """Set the doses of a site in mL; None lets the preset stand. Refuses what is no dose, or more than any report describes."""
    most_ml = number("case.most_ml_per_site")
    for material, ml in (("blood", blood_ml), ("fibrin", fibrin_ml)):
        if ml is not None and not 0 <= ml <= most_ml:  # false for NaN too
            raise Refusal(f"{ml:g} mL of {material} is no dose for one site.", f"Give between 0 and {most_ml:g} mL.")
    said = ", ".join(
        f"{ml:g} mL of {material}" if ml is not None else f"{material} as proposed"
        for material, ml in (("blood", blood_ml), ("fibrin", fibrin_ml))
    )
    return _with_site(case, index, f"give {said} for {site_words(case, index)}", blood_ml=blood_ml, fibrin_ml=fibrin_ml)


# ---- Report -------------------------------------------------------------------------------------------------------------------------


def write_notes(case: Case, notes: str) -> Case:
    """Write the notes that the sheet prints."""
    return _done(case, "write notes", notes=notes)
