"""Which openings serve a leak, and why none can be used on this scan (reference: clinical 2.2, 2.3, 5.1)."""

from __future__ import annotations

from typing import Literal

from planner.anatomy.labels import are_neighbours
from planner.anatomy.spine import Anatomy
from planner.anatomy.view import out_of_view
from planner.leak.leak import ApproachName, Leak
from planner.refusal import Refusal

Region = Literal["neck", "thorax", "lumbar", "unknown"]

MOST_ROWS_AWAY = 1
"""An opening one level from the leak still serves it."""
NECK_LEVEL = "C7-T1"
"""Where an interlaminar needle goes in for a leak in the neck; C6-C7 is the highest that is offered without being the leak's own."""
HIGHEST_USUAL = "C6-C7"

ELSEWHERE = "Try another level, the other side or another approach."


def region(level: str | None) -> Region:
    """The part of the spine that a disc space such as `C6-C7` belongs to: that of its upper vertebra."""
    parts: dict[str, Region] = {"C": "neck", "T": "thorax", "L": "lumbar", "S": "lumbar"}
    return "unknown" if level is None else parts.get(level[0], "unknown")


def is_transforaminal(approach: ApproachName) -> bool:
    """Whether an approach goes through a foramen."""
    return approach.startswith("transforaminal")


def above_c6_c7(level: str | None) -> bool:
    """Whether a disc space lies above C6-C7, where an interlaminar needle is refused by default."""
    return level is not None and level[0] == "C" and int(level[1]) < 6


def is_disc_space(level: str) -> bool:
    """Whether this names two neighbouring vertebrae: `C6-C7`."""
    upper, _, lower = level.partition("-")
    return are_neighbours(upper, lower)


def level_order(anatomy: Anatomy) -> list[str]:
    """The disc spaces of the anatomy, head to foot."""
    return [f"{upper.name}-{lower.name}" for upper, lower in zip(anatomy.levels[:-1], anatomy.levels[1:])]


def window_levels(leak: Leak, anatomy: Anatomy, entry_level: str | None = None) -> tuple[str, ...]:
    """The interlaminar levels that serve a leak, best first: the one that the user chose, if any; else its own and the one below; C7-T1
    for what lies above it in the neck."""
    if entry_level is not None:
        return (entry_level,)
    order = level_order(anatomy)
    if leak.level is None or leak.level not in order:
        return ()
    if region(leak.level) == "neck" and leak.level != NECK_LEVEL:
        return (NECK_LEVEL,)
    at = order.index(leak.level)
    return tuple(order[at : at + 1 + MOST_ROWS_AWAY])


def levels_on_choice(leak: Leak) -> tuple[str, ...]:
    """The interlaminar levels of the neck that are never proposed and that a user may choose: C6-C7, and the leak's own."""
    if region(leak.level) != "neck" or leak.level is None or leak.level == NECK_LEVEL:
        return ()
    return tuple(dict.fromkeys((HIGHEST_USUAL, leak.level)))


def serving(leak: Leak, anatomy: Anatomy, approach: ApproachName, entry_level: str | None = None) -> tuple[str, ...]:
    """The levels whose openings serve a leak by an approach; none where levels are not known."""
    if not is_transforaminal(approach):
        return window_levels(leak, anatomy, entry_level)
    level = entry_level or leak.level
    return () if level is None else (level,)


def is_open(leak: Leak, anatomy: Anatomy, approach: ApproachName, entry_level: str | None = None) -> bool:
    """Whether an opening was found that serves a leak by an approach."""
    openings = anatomy.foramina if is_transforaminal(approach) else anatomy.windows
    levels = serving(leak, anatomy, approach, entry_level)
    return any(opening.level in levels for opening in openings) if levels else bool(openings)


def no_opening(leak: Leak, anatomy: Anatomy, approach: ApproachName, entry_level: str | None = None) -> Refusal:
    """Why there is no opening for an approach: not looked for, not in view, or none found; and what to do."""
    levels = serving(leak, anatomy, approach, entry_level)
    where = f"at {' or '.join(levels)}" if levels else "near the leak"
    structure, what = ("foramina", "foramen") if is_transforaminal(approach) else ("windows", "interlaminar window")
    title = "foramina" if structure == "foramina" else "interlaminar windows"
    on_choice = () if is_transforaminal(approach) else levels_on_choice(leak)
    instead = [level for level in on_choice if level not in levels and is_open(leak, anatomy, approach, level)]
    way_out = f"choose the way in at {' or '.join(instead)} at Approach" if instead else "try another approach"
    if anatomy.structure(structure).provenance == "not checked":
        return Refusal(f"The {title} were not checked {where}.", ELSEWHERE)
    for level in levels:
        upper, lower = level.split("-")
        unseen = out_of_view(anatomy, (upper, lower))
        if unseen is not None:
            return Refusal(unseen, f"Take a scan that shows {lower} whole, or {way_out}.")
    return Refusal(f"No open {what} was found {where}.", f"{way_out[0].upper()}{way_out[1:]}." if instead else ELSEWHERE)


def barred(leak: Leak, anatomy: Anatomy, approach: ApproachName, entry_level: str | None = None) -> Refusal | None:
    """Why no needle can be planned this way on this scan, and what to do; None where one can be looked for.

    Outside the neck a closed opening bars nothing: a neighbour may serve.
    """
    if anatomy.structure("skin").provenance == "not checked":
        return Refusal("The skin was not found, so no entry can be planned.", "Take a scan that shows the skin of the back.")
    if is_transforaminal(approach) and anatomy.structure("bone").provenance == "not checked":
        why = "MR does not tell bone apart" if anatomy.modality == "MR" else "Bone was not checked in this scan"
        return Refusal(f"{why}, so no needle through a foramen can be planned on it.", "Choose an interlaminar approach, or plan on a CT.")
    only_these = entry_level is not None or region(leak.level) == "neck"
    if only_these and not is_open(leak, anatomy, approach, entry_level):
        return no_opening(leak, anatomy, approach, entry_level)
    return None
