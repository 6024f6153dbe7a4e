"""Every act of a user as a pure function: the case before -> an `Act`, which is the case after with the sentence for the Undo menu.

An act that cannot be done raises Refusal and leaves the case as it was. An act that changes nothing gives an equal case, for which no
step is kept. `recorded` writes an act into the history with who did it and when.
"""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import dist, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from planner.anatomy import labels
from planner.anatomy.by_hand.edits import MOST_EDITS, Edit, edit_words, sound
from planner.anatomy.spine import Anchor
from planner.case.carried import carried_anchor, carried_sites
from planner.case.case import MOST_SITES, SHORTEST_NEEDLE_MM, Case, Decision, ScanReference, SecondScan, Site, TakenNeedle
from planner.case.scan_reference import reference_to, same_scan
from planner.case.words import APPROACH_WORDS, KIND_WORDS, POSITION_WORDS
from planner.evidence import number
from planner.geometry import PatientPosition
from planner.leak import is_disc_space
from planner.leak.leak import ApproachName, Certainty, Leak, LeakKind, LeakSide
from planner.refusal import Refusal
from planner.registration.placed import Registration, Rigid

if TYPE_CHECKING:
    from planner.scan import Series

# ---- what an act is -----------------------------------------------------------------------------------------------------------------


class Act(NamedTuple):
    """What was done ("mark ventral leak at L1-L2") and the case after it."""

    name: str
    case: Case


def now_by_user() -> tuple[str, str]:
    """The time (ISO 8601, UTC, whole seconds) and the login name, to sign a decision with."""
    try:
        who = getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in some containers
        who = ""
    return datetime.now(UTC).isoformat(timespec="seconds"), who


def recorded(act: Act, when: str, who: str) -> Case:
    """The case after an act, with the act in its history."""
    return replace(act.case, history=(*act.case.history, Decision(act.name, when, who)))


def _with_site(case: Case, index: int, name: str, **changes: Any) -> Act:
    site = replace(case.sites[index], **changes)
    return Act(name, replace(case, sites=(*case.sites[:index], site, *case.sites[index + 1 :])))


def _site_words(case: Case, index: int) -> str:
    return f"{_leak_words(case.sites[index].leak)}{f' (site {index + 1})' if len(case.sites) > 1 else ''}"


def _leak_words(leak: Leak) -> str:
    potential = "potential " if leak.certainty == "potential" else ""
    return f"{potential}{KIND_WORDS[leak.kind]}{f' at {leak.level}' if leak.level else ''}"


def _point(point_mm: Sequence[float], what: str) -> tuple[float, float, float]:
    x, y, z = (float(c) for c in point_mm)
    if not (isfinite(x) and isfinite(y) and isfinite(z)):
        raise Refusal(f"The position of {what} is not a place.", "Give x, y and z in millimetres.")
    return x, y, z


# ---- Scan ---------------------------------------------------------------------------------------------------------------------------


def choose_scan(case: Case, path: Path, series: Series) -> Act:
    """Plan on a series found at `path` (a folder, file or ZIP). The same scan elsewhere clears nothing; another scan clears the anchor,
    the label map, what was changed by hand and all sites: their positions are places in the old one. A second scan stays beside it, to be
    laid anew, unless it is the one."""
    reference = reference_to(path, series)
    if case.scan is not None and same_scan(case.scan, reference):
        return Act("say where the scan is now", replace(case, scan=replace(reference, example=case.scan.example)))
    second = case.second and (None if same_scan(case.second.scan, reference) else replace(case.second, registration=None))
    return Act("choose a series", _planned_on(case, reference, second))


def _planned_on(case: Case, reference: ScanReference, second: SecondScan | None) -> Case:
    """The case on another planning scan: places in the old one mean nothing in it."""
    return replace(case, scan=reference, anchor=None, labels_path=None, labels_scheme=None, edits=(), sites=(), second=second)


def add_second(case: Case, path: Path, series: Series) -> Act:
    """Show a second scan of the patient over the planning scan, found at `path`. The plan stays bound to the first. The same second scan
    elsewhere keeps its place. Refuses the planning scan itself, and a second scan where there is no first."""
    reference = reference_to(path, series)
    if case.scan is None:
        raise Refusal("There is no scan to plan on yet.", "Open that one first.")
    if same_scan(case.scan, reference):
        raise Refusal("This is the scan that is planned on.", "Choose another series as the second scan.")
    if case.second is not None and same_scan(case.second.scan, reference):
        return Act("say where the second scan is now", replace(case, second=replace(case.second, scan=reference)))
    return Act("add a second scan", replace(case, second=SecondScan(reference)))


def remove_second(case: Case) -> Act:
    """Show the planning scan alone."""
    return Act("remove the second scan", replace(case, second=None))


def register_second(case: Case, registration: Registration | None) -> Act:
    """Lay the second scan as it was registered; None to have it registered anew from the beginning."""
    return _lay("register the second scan", case, registration)


def move_second(case: Case, placed: Rigid, doubts: tuple[str, ...] = ()) -> Act:
    """Lay the second scan by hand. How far its levels lie off is measured anew. doubts: what speaks against it wherever it lies."""
    if not all(isfinite(part) for part in (*placed.turn_deg, *placed.shift_mm)):
        raise Refusal("This is no place for the second scan.", "Give millimetres and degrees.")
    if case.second is not None and case.second.registration is not None and case.second.registration.placed == placed:
        return Act("", case)
    return _lay("move the second scan by hand", case, Registration(placed, "by hand", doubts=doubts))


def _lay(name: str, case: Case, registration: Registration | None) -> Act:
    if case.second is None:
        raise Refusal("There is no second scan.", "Add one first.")
    return Act(name, replace(case, second=replace(case.second, registration=registration)))


def plan_on_second(case: Case) -> Act:
    """Let the two scans change places: the second is planned on, the first is shown over it. Names and leak marks go along where the
    registration is good; clears what else `choose_scan` clears."""
    if case.second is None or case.scan is None:
        raise Refusal("There is no second scan.", "Add one first.")
    laid = case.second.registration
    other = SecondScan(case.scan, laid and laid.inverse())
    anew = _planned_on(case, case.second.scan, other)
    return Act("plan on the other scan", replace(anew, anchor=carried_anchor(case.anchor, laid), sites=carried_sites(case, laid)))


# ---- Anatomy ------------------------------------------------------------------------------------------------------------------------


def name_vertebra(case: Case, name: str, position_mm: Sequence[float], numbering: labels.Numbering | None = None) -> Act:
    """Name the vertebra at a place; all level names follow. Nothing is cleared: sites are places, and their levels are read anew.

    numbering: how many vertebrae are counted; without it as before, or as the name needs: L6 is the sixth lumbar.
    """
    if name not in labels.ALL_LEVELS:
        raise Refusal(f"{name} is no vertebra.", "Name one from C1 to S5, such as L4.")
    before = labels.USUAL if case.anchor is None else case.anchor.numbering
    counted = before.with_name(name) if numbering is None else numbering
    if name not in counted.names:
        raise Refusal(f"With {counted.words or 'the usual vertebrae'} there is no {name}.", "Name another vertebra, or count otherwise.")
    return Act(f"name {name}", replace(case, anchor=Anchor(name, _point(position_mm, name), "user", 1.0, counted)))


def shift_names(case: Case, before: str, anchor: Anchor) -> Act:
    """Call all vertebrae by the name of their neighbour. before: what the anchor's vertebra was called; anchor: of `names.shifted`."""
    way = "up" if labels.rank(anchor.name) < labels.rank(before) else "down"
    return Act(f"move all names {way}: {before} is {anchor.name}", replace(case, anchor=anchor))


def count_vertebrae(case: Case, numbering: labels.Numbering) -> Act:
    """Count the vertebrae beside the named one otherwise: eleven or thirteen with ribs, four or six lumbar."""
    anchor = case.anchor
    if anchor is None:
        raise Refusal("No vertebra is named, so none is counted.", "Name one vertebra first.")
    if anchor.name not in numbering.names:
        raise Refusal(f"The named vertebra is {anchor.name}, so there is one.", "Name another vertebra first.")
    words = numbering.words or f"{numbering.thoracic} thoracic and {numbering.lumbar} lumbar vertebrae"
    return Act(f"count {words}", replace(case, anchor=replace(anchor, numbering=numbering)))


def clear_anchor(case: Case) -> Act:
    """Take the name of the vertebra back: levels are then not confirmed."""
    return Act("take the name of the vertebra back", replace(case, anchor=None))


def take_labels(case: Case, labels_path: str | None, scheme: str | None = None) -> Act:
    """Take in a label map, or none. scheme: whose numbers it has, where a person was asked.

    Clears the needles that were taken: they were checked against other anatomy.
    """
    sites = tuple(replace(site, taken=None) for site in case.sites)
    name = "take in a label map" if labels_path else "leave the label map"
    return Act(name, replace(case, labels_path=labels_path, labels_scheme=scheme, sites=sites))


def edit_by_hand(case: Case, edit: Edit) -> Act:
    """Change the anatomy by hand. Nothing is cleared: needles that were taken are places, and are checked anew against it."""
    if len(case.edits) >= MOST_EDITS:
        raise Refusal(f"A case holds {MOST_EDITS} edits at most.", "Take some back before you draw more.")
    return Act(edit_words(edit), replace(case, edits=(*case.edits, sound(edit))))


def take_edit_back(case: Case, index: int) -> Act:
    """Take one edit back, wherever it stands in the list; those after it stay."""
    return Act(f"take back: {edit_words(case.edits[index])}", replace(case, edits=(*case.edits[:index], *case.edits[index + 1 :])))


def take_all_edits_back(case: Case) -> Act:
    """Take back all that was changed by hand."""
    return Act("take back all that was changed by hand", replace(case, edits=()))


# ---- Leak ---------------------------------------------------------------------------------------------------------------------------


def add_leak(case: Case, leak: Leak) -> Act:
    """Mark a leak (made by `planner.leak.place`). Refuses the eleventh site, and a second of the same kind at the same place."""
    if len(case.sites) >= MOST_SITES:
        raise Refusal(f"A session has {MOST_SITES} sites at most.", "Remove one before you mark another.")
    _point(leak.position_mm, "the leak")
    if any(site.leak.kind == leak.kind and dist(site.leak.position_mm, leak.position_mm) < 1e-6 for site in case.sites):
        raise Refusal(f"A {KIND_WORDS[leak.kind]} is marked at this place already.", "Mark another place, or change that leak.")
    return Act(f"mark {_leak_words(leak)}", replace(case, sites=(*case.sites, Site(leak))))


def move_leak(case: Case, index: int, leak: Leak) -> Act:
    """Move a leak to where `planner.leak.place` put it. Clears the needle that was taken for it; approach, needle and doses stay. At
    another level the entry level goes too: it was chosen for the old one."""
    _point(leak.position_mm, "the leak")
    site = case.sites[index]
    if leak == site.leak:
        return Act("", case)
    entry_level = site.entry_level if leak.level == site.leak.level else None
    return _with_site(case, index, f"move {_site_words(case, index)}", leak=leak, taken=None, entry_level=entry_level, carried=False)


def confirm_leak(case: Case, index: int) -> Act:
    """Say that the place of a leak that was carried over from another scan was checked on this one."""
    return _with_site(case, index, f"confirm the place of the {_site_words(case, index)}", carried=False)


def change_leak(
    case: Case,
    index: int,
    kind: LeakKind | None = None,
    certainty: Certainty | None = None,
    side: LeakSide | None = None,
) -> Act:
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
        changes |= {"approach": None, "entry_level": None, "needle": None, "taken": None, "blood_ml": None, "fibrin_ml": None}
    return _with_site(case, index, f"change {_site_words(case, index)}{' to ' + ', '.join(said) if said else ''}", **changes)


def remove_leak(case: Case, index: int) -> Act:
    """Remove a site with all that was planned for it."""
    return Act(f"remove {_site_words(case, index)}", replace(case, sites=(*case.sites[:index], *case.sites[index + 1 :])))


# ---- Approach -----------------------------------------------------------------------------------------------------------------------


def choose_approach(case: Case, index: int, approach: ApproachName | None, entry_level: str | None = None) -> Act:
    """Choose the approach, and the disc space where the needle goes in where that is a choice of its own; None lets the proposal stand.
    Another approach or level clears needle, taken needle and doses. Refuses what is no disc space, and one without its approach."""
    if entry_level is not None and not is_disc_space(entry_level):
        raise Refusal(f"{entry_level} is no disc space.", "Name two neighbouring vertebrae, such as C6-C7.")
    if entry_level is not None and approach is None:
        raise Refusal(f"{entry_level} is a choice for one approach.", "Choose the approach as well.")
    site = case.sites[index]
    if (approach, entry_level) == (site.approach, site.entry_level):
        return Act("", case)
    words = f"{APPROACH_WORDS[approach] if approach else 'as proposed'}{f' at {entry_level}' if entry_level else ''}"
    sentence = f"choose the approach {words} for {_site_words(case, index)}"
    cleared: dict[str, Any] = {"needle": None, "taken": None, "blood_ml": None, "fibrin_ml": None}
    return _with_site(case, index, sentence, approach=approach, entry_level=entry_level, **cleared)


def choose_needle(case: Case, index: int, needle_id: str | None) -> Act:
    """Choose the needle from the catalogue; None lets the proposal stand. A needle in place stays and is checked anew."""
    return _with_site(case, index, f"choose the needle {needle_id or 'as proposed'} for {_site_words(case, index)}", needle=needle_id)


def set_position(case: Case, position: PatientPosition) -> Act:
    """Say how the patient lies. Needles that were taken stay: they are places in the patient; their angles are read anew."""
    return Act(f"lay the patient {POSITION_WORDS[position]}", replace(case, position=position))


# ---- Needles ------------------------------------------------------------------------------------------------------------------------


def take_needle(case: Case, index: int, taken: TakenNeedle) -> Act:
    """Take a needle: a candidate as the search found it, or, with `moved`, one that a person dragged; it is checked anew."""
    entry, target = _point(taken.entry_mm, "the entry"), _point(taken.target_mm, "the target")
    if dist(entry, target) < SHORTEST_NEEDLE_MM:
        raise Refusal("Entry and target of the needle are one point.", "Drag one of them away.")
    verb = "propose a" if taken.by_program else "move the" if taken.moved else "take a"
    ends = replace(taken, entry_mm=entry, target_mm=target)
    return _with_site(case, index, f"{verb} needle for {_site_words(case, index)}", taken=ends)


def move_needle(case: Case, index: int, entry_mm: Sequence[float], target_mm: Sequence[float]) -> Act:
    """Put the needle by hand."""
    return take_needle(case, index, TakenNeedle(_point(entry_mm, "the entry"), _point(target_mm, "the target"), moved=True))


def leave_needle(case: Case, index: int) -> Act:
    """Leave the needle that was taken."""
    return _with_site(case, index, f"leave the needle for {_site_words(case, index)}", taken=None)


# ---- Patch --------------------------------------------------------------------------------------------------------------------------


def set_dose(case: Case, index: int, blood_ml: float | None, fibrin_ml: float | None) -> Act:
    """Set the doses of a site in mL; None lets the preset stand. Refuses what is no dose, or more than any report describes."""
    most_ml = number("case.most_ml_per_site")
    for material, ml in (("blood", blood_ml), ("fibrin", fibrin_ml)):
        if ml is not None and not 0 <= ml <= most_ml:  # false for NaN too
            raise Refusal(f"{ml:g} mL of {material} is no dose for one site.", f"Give between 0 and {most_ml:g} mL.")
    said = ", ".join(
        f"{ml:g} mL of {material}" if ml is not None else f"{material} as proposed"
        for material, ml in (("blood", blood_ml), ("fibrin", fibrin_ml))
    )
    return _with_site(case, index, f"give {said} for {_site_words(case, index)}", blood_ml=blood_ml, fibrin_ml=fibrin_ml)


# ---- Report -------------------------------------------------------------------------------------------------------------------------


def write_notes(case: Case, notes: str) -> Act:
    """Write the notes that the sheet prints."""
    return Act("write notes", replace(case, notes=notes))
