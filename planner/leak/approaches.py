"""Which way in a leak calls for, and why (reference: clinical 2.1 to 2.3, 5.1)."""

from __future__ import annotations

from typing import Literal

from planner.anatomy.spine import Anatomy
from planner.evidence import number
from planner.leak.leak import Approach, ApproachName, Leak

Region = Literal["neck", "thorax", "lumbar", "unknown"]

MOST_ROWS_AWAY = 1
"""An opening one level from the leak still serves it."""

TITLES: dict[ApproachName, str] = {
    "interlaminar-midline": "Interlaminar, midline",
    "interlaminar-paramedian": "Interlaminar, paramedian",
    "transforaminal-ventral": "Transforaminal, to the ventral space",
    "transforaminal-foramen": "Transforaminal, stopped short in the foramen",
    "caudal": "Caudal",
}
"""The approaches in the words of the interface."""


def region(level: str | None) -> Region:
    """The part of the spine that a disc space such as `C6-C7` belongs to: that of its upper vertebra."""
    if level is None:
        return "unknown"
    return {"C": "neck", "T": "thorax"}.get(level[0], "lumbar") if level[0] in "CTLS" else "unknown"  # type: ignore[return-value]


def above_c6_c7(level: str | None) -> bool:
    """Whether a disc space lies above C6-C7, where an interlaminar needle is refused by default."""
    return level is not None and level[0] == "C" and int(level[1]) < 6


def level_order(anatomy: Anatomy) -> list[str]:
    """The disc spaces of the anatomy, head to foot."""
    return [f"{upper.name}-{lower.name}" for upper, lower in zip(anatomy.levels[:-1], anatomy.levels[1:])]


def window_levels(leak: Leak, anatomy: Anatomy) -> tuple[str, ...]:
    """The interlaminar levels that serve a leak, best first: its own and the one below; C7-T1 for what lies above it in the neck."""
    order = level_order(anatomy)
    if leak.level is None or leak.level not in order:
        return ()
    if region(leak.level) == "neck" and leak.level != "C7-T1":
        return ("C7-T1",)
    at = order.index(leak.level)
    return tuple(order[at : at + 1 + MOST_ROWS_AWAY])


def approaches(leak: Leak, anatomy: Anatomy) -> tuple[Approach, ...]:
    """The ways in for a leak, the proposed one first, each with its reason. One whose opening was not found stands back."""
    where = region(leak.level)
    if where == "neck":
        return _in_the_neck(leak, anatomy)
    if leak.kind == "ventral":
        return _ventral(leak, anatomy)
    if leak.kind == "dorsal":
        return _dorsal(leak, anatomy)
    return _at_a_root(leak, anatomy)


def _has_foramen(leak: Leak, anatomy: Anatomy) -> bool:
    if leak.level is None:
        return bool(anatomy.foramina)
    return any(foramen.level == leak.level for foramen in anatomy.foramina)


def _has_window(leak: Leak, anatomy: Anatomy) -> bool:
    levels = window_levels(leak, anatomy)
    return any(window.level in levels for window in anatomy.windows) if levels else bool(anatomy.windows)


def _named(leak: Leak) -> str:
    return leak.level or "this level"


def _way(name: ApproachName, why: str, *evidence: str, proposed: bool = False) -> Approach:
    return Approach(name, why, tuple(f"leak.{key}" for key in evidence), proposed)


def _paramedian_and_midline(why: str, *evidence: str) -> tuple[Approach, Approach]:
    return _way("interlaminar-paramedian", why, *evidence), _way("interlaminar-midline", why, *evidence)


def _first(ways: list[Approach]) -> tuple[Approach, ...]:
    head = ways[0]
    return (Approach(head.name, head.why, head.evidence, True), *ways[1:])


def _ventral(leak: Leak, anatomy: Anatomy) -> tuple[Approach, ...]:
    side = "either side" if leak.side == "midline" else f"the {leak.side}"
    ways = [
        _way(
            "transforaminal-ventral",
            f"A ventral leak calls for a needle into the ventral epidural space, from {side}.",
            "ventral_calls_for_transforaminal",
            "ventral_reached_directly",
        ),
        *_paramedian_and_midline(
            f"From behind, a dose reached the ventral space in {number('leak.ventral_reached_from_behind'):.0f} % only.",
            "ventral_reached_from_behind",
            "paramedian_facts",
        ),
        _way(
            "transforaminal-foramen",
            f"Stopped in the foramen, a dose spreads ventrally in about half ({number('leak.foramen_against_ventral'):.0f} %).",
            "foramen_against_ventral",
        ),
    ]
    if not _has_foramen(leak, anatomy) and _has_window(leak, anatomy):
        share = number("leak.ventral_reached_from_behind")
        blocked = f"No open foramen was found at {_named(leak)}; from behind, a dose reached the ventral space in {share:.0f} % only."
        ways = [_way("interlaminar-paramedian", blocked, "ventral_reached_from_behind", "paramedian_facts"), ways[2], ways[0], ways[3]]
    return _first(ways)


def _dorsal(leak: Leak, anatomy: Anatomy) -> tuple[Approach, ...]:
    thorax = region(leak.level) == "thorax"
    paramedian = _way(
        "interlaminar-paramedian",
        "A dorsal hole calls for the dorsal fat at its level or one below; in the thorax beside the midline, past the overlapping laminae "
        "and the cord."
        if thorax
        else "A dorsal hole calls for the dorsal fat at its level or one below; beside the midline the needle comes to the hole itself.",
        "dorsal_calls_for_interlaminar",
        "thorax_paramedian" if thorax else "paramedian_facts",
    )
    midline = _way(
        "interlaminar-midline",
        "A dorsal hole calls for the dorsal fat at its level or one below; "
        + ("this one lies in the midline." if leak.side == "midline" else f"this one lies to the {leak.side} of the midline."),
        "dorsal_calls_for_interlaminar",
    )
    around = _way("transforaminal-foramen", "From the side, where the windows behind are closed by fusion or scar.", "windows_closed")
    ventral = _way("transforaminal-ventral", "Ends in front of the sac, away from a dorsal hole.", "windows_closed")
    if not _has_window(leak, anatomy) and _has_foramen(leak, anatomy):
        closed = f"No open window was found at {_named(leak)} or one below, so the way leads through a foramen."
        return _first([_way("transforaminal-foramen", closed, "windows_closed"), ventral, paramedian, midline])
    behind = [midline, paramedian] if leak.side == "midline" and not thorax else [paramedian, midline]
    return _first([*behind, around, ventral])


def _at_a_root(leak: Leak, anatomy: Anatomy) -> tuple[Approach, ...]:
    if leak.kind == "fistula":
        why = "A fistula calls for a needle beside the sleeve and its vein, stopped short in the foramen; fibrin alone or first."
        evidence = "fistula_calls_for_foramen"
    else:
        why = "A sleeve is coated, not pierced: the needle stops short in the foramen beside it."
        evidence = "sleeve_calls_for_foramen"
    ways = [
        _way("transforaminal-foramen", why, evidence),
        _way("transforaminal-ventral", "Passes the sleeve to the ventral space: farther than the leak needs.", evidence),
        *_paramedian_and_midline("From behind, the dose has to find its way along the root to the sleeve.", "paramedian_facts"),
    ]
    if not _has_foramen(leak, anatomy) and _has_window(leak, anatomy):
        blocked = f"No open foramen was found at {_named(leak)}; from behind, the dose has to find its way along the root."
        ways = [_way("interlaminar-paramedian", blocked, "paramedian_facts"), ways[3], ways[0], ways[1]]
    return _first(ways)


def _in_the_neck(leak: Leak, anatomy: Anatomy) -> tuple[Approach, ...]:
    at_c7 = leak.level == "C7-T1"
    behind = (
        "In the neck the way in is interlaminar at C7-T1."
        if at_c7
        else f"In the neck the way in is interlaminar at C7-T1, below the leak at {leak.level}; above C6-C7 it is refused by default."
    )
    warned = "Only on explicit choice: the vertebral artery lies in front of the foramen, and the needle keeps to its posterior half."
    paramedian = _way("interlaminar-paramedian", behind, "neck_interlaminar_level", "paramedian_facts")
    midline = _way("interlaminar-midline", behind, "neck_interlaminar_level")
    foramen = _way("transforaminal-foramen", warned, "neck_transforaminal")
    ventral = _way("transforaminal-ventral", warned, "neck_transforaminal")
    if at_c7 and leak.kind in ("sleeve", "fistula") and _has_foramen(leak, anatomy):
        return _first([foramen, paramedian, midline, ventral])
    return _first([paramedian, midline, foramen, ventral])
