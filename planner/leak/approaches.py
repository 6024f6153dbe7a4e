"""Which way in a leak calls for, and why (reference: clinical 2.1 to 2.3, 5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from planner.anatomy.spine import Anatomy
from planner.evidence import evidence, number
from planner.leak.leak import Approach, ApproachName, Leak
from planner.leak.openings import (
    HIGHEST_USUAL,
    MOST_ROWS_AWAY,
    NECK_LEVEL,
    above_c6_c7,
    barred,
    is_open,
    is_transforaminal,
    levels_on_choice,
    no_opening,
    region,
)


def approaches(leak: Leak, anatomy: Anatomy) -> tuple[Approach, ...]:
    """The ways in for a leak, the proposed one first, each with its reason. One that is barred on this scan, or whose opening was not
    found, stands back while another is open; one that carries a warning is never proposed."""
    if region(leak.level) == "neck":
        ways = _in_the_neck(leak, anatomy)
    elif leak.kind == "ventral":
        ways = _ventral(leak)
    elif leak.kind == "dorsal":
        ways = _dorsal(leak)
    else:
        ways = _at_a_root(leak)
    return _proposed_first([_judged(way, leak, anatomy) for way in ways], leak, anatomy)


def decided(name: ApproachName, level: str | None, leak: Leak, anatomy: Anatomy, ways: Sequence[Approach]) -> Approach:
    """The approach that the user chose, also where the leak offers no such way: what bars it is said, and nothing else is planned in its
    place."""
    own = Approach(name, "Not a way that this leak calls for.", (), False, level, _own_choice_warning(name, level, leak, anatomy))
    return next((way for way in ways if (way.name, way.level) == (name, level)), _judged(own, leak, anatomy))


def _own_choice_warning(name: ApproachName, level: str | None, leak: Leak, anatomy: Anatomy) -> str | None:
    """What a person has to know who chose a level that no proposal names."""
    if level is None or leak.level is None:
        return None
    if region(level) == "neck" and level != NECK_LEVEL:
        return _foramen_in_the_neck(leak, name).warning if is_transforaminal(name) else _choice_warning(level)
    names = anatomy.numbering.names
    chosen, own = level.partition("-")[0], leak.level.partition("-")[0]
    away = abs(names.index(chosen) - names.index(own)) if {chosen, own} <= set(names) else 0
    if away <= MOST_ROWS_AWAY:
        return None
    return f"{level} lies {away} levels from the leak at {leak.level}: a patch given there may not reach it."


def _judged(way: Approach, leak: Leak, anatomy: Anatomy) -> Approach:
    bar = barred(leak, anatomy, way.name, way.level)
    return way if bar is None else replace(way, barred=str(bar))


def _proposed_first(ways: list[Approach], leak: Leak, anatomy: Anatomy) -> tuple[Approach, ...]:
    """The first way without a warning that is open is proposed, and says why those before it are not; the first of all if none is."""
    called_for = ways[0]
    usual = [way for way in ways if way.warning is None]
    best = next((way for way in usual if way.barred is None and is_open(leak, anatomy, way.name, way.level)), called_for)
    if is_transforaminal(best.name) != is_transforaminal(called_for.name):
        bar = barred(leak, anatomy, called_for.name, called_for.level) or no_opening(leak, anatomy, called_for.name, called_for.level)
        best_said = replace(best, why=f"{bar.sentence} {best.why}")
    else:
        best_said = best
    return (replace(best_said, proposed=True), *(way for way in ways if way is not best))


def _way(name: ApproachName, why: str, *evidence: str, level: str | None = None, warning: str | None = None) -> Approach:
    return Approach(name, why, tuple(f"leak.{key}" for key in evidence), False, level, warning)


def _ventral(leak: Leak) -> list[Approach]:
    side = "either side" if leak.side == "midline" else f"the {leak.side}"
    behind = f"From behind, a dose reached the ventral space in {number('leak.ventral_reached_from_behind'):.0f} % only."
    return [
        _way(
            "transforaminal-ventral",
            f"A ventral leak calls for a needle into the ventral epidural space, from {side}.",
            "ventral_calls_for_transforaminal",
            "ventral_reached_directly",
        ),
        _way("interlaminar-paramedian", behind, "ventral_reached_from_behind", "paramedian_facts"),
        _way("interlaminar-midline", behind, "ventral_reached_from_behind", "paramedian_facts"),
        _way(
            "transforaminal-foramen",
            f"Stopped in the foramen, a dose spreads ventrally in about half ({number('leak.foramen_against_ventral'):.0f} %).",
            "foramen_against_ventral",
        ),
    ]


def _dorsal(leak: Leak) -> list[Approach]:
    thorax = region(leak.level) == "thorax"
    calls = "A dorsal hole calls for the dorsal fat at its level or one below"
    beside = (
        "in the thorax beside the midline, past the overlapping laminae and the cord"
        if thorax
        else "beside the midline the needle comes to the hole itself"
    )
    here = "this one lies in the midline" if leak.side == "midline" else f"this one lies to the {leak.side} of the midline"
    facts = "thorax_paramedian" if thorax else "paramedian_facts"
    paramedian = _way("interlaminar-paramedian", f"{calls}; {beside}.", "dorsal_calls_for_interlaminar", facts)
    midline = _way("interlaminar-midline", f"{calls}; {here}.", "dorsal_calls_for_interlaminar")
    return [
        *([midline, paramedian] if leak.side == "midline" and not thorax else [paramedian, midline]),
        _way("transforaminal-foramen", "From the side, where the windows behind are closed by fusion or scar.", "windows_closed"),
        _way("transforaminal-ventral", "Ends in front of the sac, away from a dorsal hole.", "windows_closed"),
    ]


def _at_a_root(leak: Leak) -> list[Approach]:
    why, source = _root_reason(leak)
    behind = "From behind, the dose has to find its way along the root to the sleeve."
    return [
        _way("transforaminal-foramen", why, source),
        _way("transforaminal-ventral", "Passes the sleeve to the ventral space: farther than the leak needs.", source),
        _way("interlaminar-paramedian", behind, "paramedian_facts"),
        _way("interlaminar-midline", behind, "paramedian_facts"),
    ]


def _root_reason(leak: Leak) -> tuple[str, str]:
    if leak.kind == "fistula":
        why = "A fistula calls for a needle beside the sleeve and its vein, stopped short in the foramen; fibrin alone or first."
        return why, "fistula_calls_for_foramen"
    return "A sleeve is coated, not pierced: the needle stops short in the foramen beside it.", "sleeve_calls_for_foramen"


# ---- the neck -----------------------------------------------------------------------------------------------------------------------


def _in_the_neck(leak: Leak, anatomy: Anatomy) -> list[Approach]:
    """C7-T1 from behind first; C6-C7, the leak's own level and the foramina only on choice, with a warning."""
    where = "" if leak.level == NECK_LEVEL else f", below the leak at {leak.level}"
    behind = [_behind_in_the_neck(f"In the neck the way in is interlaminar at {NECK_LEVEL}{where}.", None, None)]
    behind += [_behind_in_the_neck(_choice_reason(level), level, _choice_warning(level)) for level in levels_on_choice(leak)]
    from_behind = [way for pair in behind for way in pair]
    foramen, ventral = (_foramen_in_the_neck(leak, name) for name in ("transforaminal-foramen", "transforaminal-ventral"))
    if foramen.warning is None and leak.kind in ("sleeve", "fistula") and is_open(leak, anatomy, foramen.name):
        return [foramen, *from_behind, ventral]
    return [*from_behind, foramen, ventral]


def _behind_in_the_neck(why: str, level: str | None, warning: str | None) -> tuple[Approach, Approach]:
    return (
        _way("interlaminar-paramedian", why, "neck_interlaminar_level", "neck_space_mm", "paramedian_facts", level=level, warning=warning),
        _way("interlaminar-midline", why, "neck_interlaminar_level", "neck_space_mm", level=level, warning=warning),
    )


def _choice_reason(level: str) -> str:
    if above_c6_c7(level):
        return f"At the leak's own level, {level}: one centre argues for it, and above {HIGHEST_USUAL} it is refused by default."
    return f"At {level}, the highest level that is used besides {NECK_LEVEL}."


def _choice_warning(level: str) -> str:
    refused = f"Refused by default above {HIGHEST_USUAL}. " if above_c6_c7(level) else ""
    low, high = evidence("leak.neck_space_mm").value
    return (
        f"{refused}Only on explicit choice: {NECK_LEVEL} is the usual level. There are {low:g}-{high:g} mm behind the sac here and the "
        "cord lies ahead; in the midline the flavum may have a gap, and then no resistance is lost."
    )


def _foramen_in_the_neck(leak: Leak, name: ApproachName) -> Approach:
    if leak.level == NECK_LEVEL:
        if leak.kind in ("sleeve", "fistula") and name == "transforaminal-foramen":
            return _way(name, *_root_reason(leak))
        return _way(name, "From the side, through the posterior half of the foramen.", "neck_transforaminal")
    why = "From the side, through the posterior half of the foramen, along the superior facet."
    warning = "Only on explicit choice: the vertebral artery lies in front of the foramen, and branches of it behind as well."
    return _way(name, why, "neck_transforaminal", warning=warning)
