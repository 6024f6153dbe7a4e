"""Where along the spine a structure is weak or missing, in words: read from what was found, so that it holds after every edit."""

from __future__ import annotations

import itertools
from dataclasses import replace

from numpy.typing import ArrayLike

from planner.anatomy.bridges import place_around
from planner.anatomy.certainty import WEAK, Places
from planner.anatomy.spine import Anatomy, Provenance, Side, Structure

_UNSURE = 0.4  # confidence in an opening below this is uncertain
_SEEN = 0.5  # of a cross-section of the sac: less is mostly modelled
_ON_EDGE_MM = 1.0  # of the sac: there a pointer is on it
_ORDER: tuple[Provenance, ...] = ("found", "imported", "drawn", "modelled", "not checked")
_SIDES: tuple[Side, Side] = ("left", "right")


def explained(anatomy: Anatomy, name: str) -> Structure:
    """How a structure is known, with all that is to be said of where it is not. The compartments of the epidural space are known as the
    worse known of canal and sac, between which they lie."""
    if name == "compartments":
        return _worse(anatomy.structure("canal"), anatomy.structure("sac"))
    known = anatomy.structure(name)
    if known.provenance == "not checked" or not anatomy.levels:
        return known
    sentence = _where(anatomy, name, known)
    return known if not sentence else replace(known, problem=f"{known.problem} {sentence}" if known.problem else sentence)


def _worse(one: Structure, other: Structure) -> Structure:
    worse = max(one, other, key=lambda known: _ORDER.index(known.provenance))
    if worse.provenance == "not checked":
        return replace(worse, confidence=None, problem="Canal or sac are not known.")
    sure = [known.confidence for known in (one, other) if known.confidence is not None]
    return Structure(worse.provenance, min(sure, default=None), None)


def sac_words_at(anatomy: Anatomy, point_mm: ArrayLike) -> str:
    """`edge of the sac: modelled` at an LPS point; empty off its edge, and where nobody knows."""
    sac, canal = anatomy.sac, anatomy.canal
    if sac is None or len(canal.centreline_mm) < 2:
        return ""
    at, turn, radius_mm = place_around(canal, point_mm)
    edge_mm = float(sac.radius_mm[at, turn])
    if edge_mm <= 0 or abs(radius_mm - edge_mm) > _ON_EDGE_MM:
        return ""
    return f"edge of the sac: {'seen' if sac.seen[at, turn] else 'modelled'}"


def _where(anatomy: Anatomy, name: str, known: Structure) -> str:
    sac, canal = anatomy.sac, anatomy.canal
    if name == "canal" and anatomy.modality == "MR" and len(canal.s_mm):  # in CT it is said where the canal is found
        return _at("Uncertain at", Places(canal, anatomy.levels).words(canal.confidence < WEAK))
    if name == "sac" and anatomy.modality == "MR" and sac is not None:
        unseen = (sac.seen_share < _SEEN) & (sac.radius_mm.max(axis=1) > 0)
        return _at("Mostly modelled at", Places(canal, anatomy.levels).words(unseen))
    if name == "cord" and known.provenance == "found" and sac is not None:
        unseen = ~sac.cord_seen & (sac.cord_mm.max(axis=1) > 0)
        return _at("Modelled at", Places(canal, anatomy.levels).words(unseen))
    if name == "foramina":
        return _at("Not found, or outside the scan:", _both_sides(_missing(anatomy, {(one.level, one.side) for one in anatomy.foramina})))
    if name == "roots":
        held = {(root.level, root.side) for root in anatomy.roots}
        meant = [(level.partition("-")[0], side) for level, side in _missing(anatomy, set())]
        return _at("None where no foramen was found:", _both_sides([one for one in meant if one not in held]))
    if name == "windows":
        weak = [one.level for one in anatomy.windows if one.confidence < _UNSURE]
        return _at("Uncertain:", ", ".join(weak)) if known.provenance == "found" else ""
    return ""


def _at(words: str, places: str) -> str:
    return f"{words} {places}." if places else ""


def _pairs(anatomy: Anatomy) -> list[str]:
    """The levels at which openings are looked for."""
    return [f"{upper.name}-{lower.name}" for upper, lower in itertools.pairwise(anatomy.levels) if upper.name[0] != "S"]


def _missing(anatomy: Anatomy, present: set[tuple[str, Side]]) -> list[tuple[str, Side]]:
    return [(level, side) for level in _pairs(anatomy) for side in _SIDES if (level, side) not in present]


def _both_sides(places: list[tuple[str, Side]]) -> str:
    """`T11-T12, L1-L2 right`: where both sides are meant, none is named."""
    sides: dict[str, list[Side]] = {}
    for level, side in places:
        sides.setdefault(level, []).append(side)
    return ", ".join(level if len(held) == len(_SIDES) else f"{level} {held[0]}" for level, held in sides.items())
