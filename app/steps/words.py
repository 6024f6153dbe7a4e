"""Phrases that several panels share: the same words for the same things."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.anatomy.spine import Anchor
    from planner.geometry import PatientPosition
    from planner.leak.leak import Leak
    from planner.needles.candidate import Candidate
    from planner.patch.forecast import Band

SIGNS = {"found": "●", "imported": "◆", "drawn": "✎", "modelled": "◌", "not checked": "△"}
"""The sign beside a provenance."""
ONLY_ON_MYELOGRAMS = frozenset({"contrast outside"})
"""Structures that a plain scan cannot show: that nobody looked for them there is no news."""


def leak_words(leak: Leak, unsure: bool = False) -> str:
    """`Ventral leak at L1-L2, right`; a question mark after a level that nobody has confirmed, as in the views."""
    from planner.case.words import KIND_WORDS

    words = KIND_WORDS[leak.kind]
    level = f" at {leak.level}{' ?' if unsure else ''}" if leak.level else ", level not known"
    potential = "Potential " if leak.certainty == "potential" else ""
    text = f"{potential}{words}{level}, {'midline' if leak.side == 'midline' else leak.side}"
    return text[0].upper() + text[1:]


def in_plane_words(degrees: float, position: PatientPosition) -> str:
    """`42° toward the left`; from the vertical of the room, the way the tip points."""
    turned = round(abs(degrees))
    if not turned:
        return "0°, vertical"
    if position in ("prone", "supine"):
        return f"{turned}° toward the {'left' if degrees > 0 else 'right'}"
    return f"{turned}° toward the {'front' if degrees > 0 else 'back'}"


def out_of_plane_words(degrees: float) -> str:
    """`3° to the head`."""
    turned = round(abs(degrees))
    return f"{turned}° to the {'head' if degrees > 0 else 'feet'}" if turned else "0°, in one slice"


def offset_words(candidate: Candidate) -> str:
    """`71 mm right`: the entry from the spinous midline."""
    offset = candidate.entry_offset_mm
    return f"{abs(offset):.0f} mm {'left' if offset > 0 else 'right'}" if round(abs(offset)) else "midline"


def percent(band: Band) -> tuple[str, str]:
    """Median and range of a share."""
    low, median, high = (round(100 * part) for part in band)
    return f"{median} %", f"({low}–{high})"


def ml(band: Band) -> tuple[str, str]:
    """Median and range of a volume."""
    return f"{band.median:.1f} mL", f"({band.low:.1f}–{band.high:.1f})"


def anchor_words(anchor: Anchor | None) -> str:
    """What the level names rest on."""
    if anchor is None:
        return "Level not confirmed: no vertebra is named"
    counted = f", with {anchor.numbering.words}" if anchor.numbering.words else ""
    if anchor.by == "user":
        return f"Levels counted from {anchor.name}, {anchor.why or 'named by you'}{counted}"
    sure = f", {round(100 * anchor.confidence)} % sure" if anchor.confidence is not None else ""
    return f"Level not confirmed: {anchor.name} guessed by the program{sure}{counted}"


def source_words(evidence_id: str) -> str:
    """Where a number or a sentence comes from, for the reader who asks."""
    from planner.evidence import evidence

    try:
        found = evidence(evidence_id)
    except KeyError:
        return evidence_id
    value = f"{found.value} {found.unit}".strip() if isinstance(found.value, int | float | str) else ""
    return ". ".join(part.rstrip(".") for part in (value, found.note, f"Source: {found.source}") if part) + "."
