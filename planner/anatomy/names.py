"""Which vertebra is which: a guess from what is in view, and the naming of all by one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.anatomy import labels as codes
from planner.anatomy.labels import LEVELS
from planner.anatomy.levels import Body, Column, Row
from planner.anatomy.paint import repaint_cord
from planner.anatomy.reformat import RADII, THETA, Curve, in_sections
from planner.anatomy.roots import root_of
from planner.anatomy.sac import modelled_conus, modelled_cord, with_sure_names
from planner.anatomy.spine import Anatomy, Anchor, Level, Structure
from planner.evidence import number
from planner.geometry import Floats, Volume
from planner.progress import Progress, silent
from planner.refusal import Refusal

_WITHOUT_SIZES = {"T13": "T12", "L6": "L5"}  # no table gives any for them
_WINGS = 0.4  # S1 of the phantoms 0.8, L5 0.1
_FALSE_ENDS = 2
_HIPS = 0.06
_SKULL_MM, _SKULL_TO_C2_MM = 8.0, 35.0
_LEVEL = re.compile(r"\b[CTLS]\d+\b")
_CLICK = "Click into the body of a vertebra that lies wholly in the scan."


def guess(search: Volume, bone: Volume, curve: Curve, column: Column, found: list[Body]) -> Anchor:
    """The program's own name for one vertebra, from the sacrum, the ribs or the top of the neck, with an honest confidence.

    bone: the mask of bone (0 or 1) on the search grid.
    """
    usual = 1.0 - number("anatomy.transitional_share")
    spacing = float(np.median(np.diff([body[0] for body in found]))) if len(found) > 1 else 30.0
    longer = _prolonged(curve, 45.0)
    wings, s = _wings(bone, longer), longer.s_mm
    at_bodies = [float(np.median(wings[np.abs(s - body[0]) <= 8.0])) for body in found]
    sacral = next((n for n, share in enumerate(at_bodies) if share > _WINGS), None)
    if spacing > 23.0 and sacral is not None and sacral > 0:
        step = at_bodies[sacral] - at_bodies[sacral - 1]
        return _anchor("S1", found[sacral], 0.9 * usual * float(np.clip(step / 0.5, 0.3, 1.0)))
    beyond = wings[(s > found[-1][0] + 0.4 * spacing) & (s < found[-1][0] + 1.4 * spacing)]
    if spacing > 23.0 and sacral is None and len(beyond) and float(beyond.max()) > 0.7 * _WINGS:
        return _anchor("L5", found[-1], 0.8 * usual)
    hips = _share_beside(bone, longer, (60.0, 110.0), (-40.0, 50.0), 5.0)
    last = hips[(s > found[-1][0] - 5.0) & (s < found[-1][0] + 0.6 * spacing)]
    flank = hips[(s > found[0][0]) & (s < found[-1][0] - 1.5 * spacing)]
    if spacing > 25.0 and len(last) and len(flank) and float(last.max()) > _HIPS and float(flank.min()) < 0.2 * _HIPS:
        return _anchor("L5", found[-1], 0.55 * usual)
    if spacing < 21.0 and len(found) >= 3:
        over_mm = (bone.frame.shape[0] - 1) * bone.frame.spacing_mm[0] + bone.frame.affine[2, 3] - curve.points_mm[0, 2]
        if over_mm > _SKULL_MM:  # the canal ends inside the scan: at the skull, and the middle of C2 lies some 35 mm below
            axis = min(found, key=lambda body: abs(body[0] - _SKULL_TO_C2_MM))
            return _anchor("C2", axis, 0.45)
        return _anchor("C4", found[0], 0.15)
    lengths = np.array([22.0, 23.5, 24.5, 25.5, 27.0, 29.5, 32.0, 34.0, 35.0, 36.0])  # disc to disc, T7 to L4 (algorithms 2.1)
    likely = int(np.abs(lengths - (found[-1][0] - found[-2][0])).argmin()) + LEVELS.index("T7") if len(found) > 1 else LEVELS.index("T12")
    likely = min(max(likely, len(found) - 1), LEVELS.index("L5"))
    return _anchor(LEVELS[likely], found[-1], 0.15)


def _anchor(name: str, body: Body, confidence: float) -> Anchor:
    return Anchor(name, body[1], "program", round(float(confidence), 2))


def _wings(bone: Volume, curve: Curve) -> Floats:
    """(n,): how much bone fills the place of the sacrum's wings, which no other vertebra has."""
    return _share_beside(bone, curve, (30.0, 46.0), (-30.0, -4.0), 2.0)


def _share_beside(bone: Volume, curve: Curve, beside_mm: tuple[float, float], back_mm: tuple[float, float], step_mm: float) -> Floats:
    """(n,): share of bone in a box beside the canal (to the side, to the back; from, to), the lesser of both sides."""
    n = len(curve.points_mm)
    u, v = np.arange(beside_mm[0], beside_mm[1] + 0.1, step_mm), np.arange(back_mm[0], back_mm[1] + 0.1, step_mm)
    shape = (n, len(v), len(u))
    sides = []
    for sign in (1.0, -1.0):
        block = in_sections(bone, curve, np.broadcast_to(sign * u, shape), np.broadcast_to(v[:, None], shape))
        sides.append((block > 0.3).mean(axis=(1, 2)))
    return np.minimum(*sides)


def _prolonged(curve: Curve, length_mm: float) -> Curve:
    """The curve gone on straight at its foot end, past where the canal could be followed."""
    steps = np.arange(1.0, length_mm + 0.5)[:, None]
    more = len(steps)
    return Curve(
        np.concatenate([curve.points_mm, curve.points_mm[-1] + steps * curve.tangent[-1]]),
        np.concatenate([curve.left, np.tile(curve.left[-1], (more, 1))]),
        np.concatenate([curve.back, np.tile(curve.back[-1], (more, 1))]),
        np.concatenate([curve.tangent, np.tile(curve.tangent[-1], (more, 1))]),
    )


def vertebra_at(anatomy: Anatomy, point_mm: tuple[float, float, float]) -> Level | None:
    """The vertebra at an LPS point: the one whose bone it lies in, else the one between whose discs it lies along the canal; None where the
    scan shows none, or no more than a part."""
    at = _index_at(anatomy, point_mm, None)
    return anatomy.levels[at] if at is not None and 0 <= at < len(anatomy.levels) else None


def _index_at(anatomy: Anatomy, point_mm: tuple[float, float, float], name: str | None) -> int | None:
    """As `Row.at`; bone that is labelled decides."""
    if bool(anatomy.frame.contains(point_mm)):
        k, j, i = (int(n) for n in np.rint(anatomy.frame.to_index(point_mm)))
        code = int(anatomy.labels[k, j, i])
        for at, level in enumerate(anatomy.levels):
            if codes.vertebra(level.name) == code:
                return at
    return row_of(anatomy).at(point_mm, name)


def row_of(anatomy: Anatomy) -> Row:
    """The vertebrae of an anatomy along its canal."""
    canal = anatomy.canal
    tangent = np.cross(canal.left, canal.back)
    tangent = np.where(tangent[:, 2:] > 0, -tangent, tangent)
    curve = Curve(canal.centreline_mm, canal.left, canal.back, tangent)
    return Row(curve, tuple((level.s_mm, level.centre_mm, level.confidence) for level in anatomy.levels))


def _no_vertebra(name: str) -> Refusal:
    return Refusal(f"There is no vertebra where {name} was named.", _CLICK)


def kept_names(count: int, at: int, anchor: Anchor) -> tuple[int, tuple[str, ...]]:
    """(how many at the head end are dropped, the names of those that are kept) of `count` vertebrae when number `at` is the anchor's.

    One or two that run off C1 or S5 are none (the skull's base and the coccyx look like bodies). Raises Refusal when more do.
    """
    names = anchor.numbering.names
    if anchor.name not in names:
        counted = f" with {anchor.numbering.words}" if anchor.numbering.words else ""
        raise Refusal(f"{anchor.name} is not the name of a vertebra{counted}.", "Names run from C1 to S5.")
    first = names.index(anchor.name) - at
    above, under = max(0, -first), max(0, first + count - len(names))
    if max(above, under) > _FALSE_ENDS:
        over = "above C1" if above else "below S5"
        raise Refusal(f"If this vertebra is {anchor.name}, the {count} vertebrae in view run {over}.", "Check which vertebra this is.")
    return above, names[first + above : first + count - under]


def name_levels(row: Row, anchor: Anchor | None, guessed: Callable[[list[Body]], Anchor]) -> tuple[tuple[Level, ...], Anchor | None]:
    """Named levels and the anchor that they rest on, which is guessed where a person named none. Raises Refusal for an anchor that names no
    vertebra of which the scan shows a part."""
    if anchor is None and not row.bodies:
        return (), None
    if anchor is None:
        anchor = _that_fits(guessed(list(row.bodies)), list(row.bodies))
    return counted_from(anchor, row), anchor


def counted_from(anchor: Anchor, row: Row) -> tuple[Level, ...]:
    """The levels with all names counted from one. Raises Refusal for an anchor that names no vertebra of which the scan shows a part."""
    if not row.bodies:
        raise Refusal("The vertebrae could not be told apart, so none can be named.", "Choose a scan with at least two discs in view.")
    at = row.at(anchor.position_mm, anchor.name)
    if at is None:
        raise _no_vertebra(anchor.name)
    start, names = kept_names(len(row.bodies), at, anchor)
    return tuple(Level(name, centre, s, sure) for name, (s, centre, sure) in zip(names, row.bodies[start:]))


def _that_fits(guessed: Anchor, found: list[Body]) -> Anchor:
    """A guess, or where all names counted from it would run off the spine the nearest one that fits, hardly sure."""
    at = int(np.argmin([np.linalg.norm(np.subtract(body[1], guessed.position_mm)) for body in found]))
    furthest = min(max(LEVELS.index(guessed.name), at - _FALSE_ENDS), len(LEVELS) - len(found) + at)
    return guessed if furthest == LEVELS.index(guessed.name) else replace(guessed, name=LEVELS[max(furthest, 0)], confidence=0.1)


def rename(anatomy: Anatomy, anchor: Anchor, progress: Progress = silent) -> Anatomy:
    """The anatomy with the vertebra at the anchor's position called by its name and all others counted from it.

    What has the size of its level follows: where the program found the anatomy of a CT, all is as `find` with this anchor gives it, in an
    instant when no name changes, else in about a second. One or two vertebrae that would run off C1 or S5 are dropped. Raises Refusal when
    no vertebra is near the anchor, or when more run off.
    """
    if anatomy.again is not None:
        return anatomy.again(anatomy, anchor, progress)
    named = called(anatomy, anchor)
    if named.labels is anatomy.labels or anatomy.structure("cord").provenance != "modelled" or anatomy.modality != "CT":
        return named
    cord = modelled_cord(named.canal, named.levels, _sac_in_labels(named))
    repaint_cord(named.labels, named.frame, named.canal, cord)
    sac = named.sac and replace(named.sac, cord_mm=cord, conus=modelled_conus(named.canal, named.levels))
    return replace(named, sac=sac)


def anchored(anatomy: Anatomy) -> Level:
    """The vertebra on which the names rest: the anchor's, or of those found the nearest where the scan shows only a part of it; the middle
    one where no anchor is known. Raises Refusal where no vertebra was told from its neighbours."""
    if not anatomy.levels:
        raise Refusal("The vertebrae could not be told apart, so none can be named.", "Choose a scan with at least two discs in view.")
    anchor, last = anatomy.anchor, len(anatomy.levels) - 1
    at = None if anchor is None else _index_at(anatomy, anchor.position_mm, anchor.name)
    return anatomy.levels[last // 2 if at is None else min(max(at, 0), last)]


def shifted(anatomy: Anatomy, steps: Literal[-1, 1]) -> Anchor:
    """The anchor with which every vertebra has the name of its neighbour to the head (-1) or to the feet (1), as a person decides it.
    Raises Refusal where C1 or S5 is in view already."""
    level, names = anchored(anatomy), anatomy.numbering.names
    end = anatomy.levels[0 if steps < 0 else -1].name
    if end == names[0 if steps < 0 else -1]:
        way = "above" if steps < 0 else "below"
        raise Refusal(f"{end} is in view, and no vertebra lies {way} it.", "Name one vertebra instead.")
    return Anchor(names[names.index(level.name) + steps], level.centre_mm, "user", 1.0, anatomy.numbering)


def confirmed(anatomy: Anatomy, anchor: Anchor) -> Anatomy:
    """The anatomy when a person says a name that it has already: the doubt about what has the size of its level ends."""
    structures = {**anatomy.structures, "levels": levels_structure(anatomy.levels, anchor)}
    if anchor.by == "user" and anatomy.modality == "CT":
        structures = with_sure_names(structures)
    return replace(anatomy, anchor=anchor, structures=structures)


def called(anatomy: Anatomy, anchor: Anchor) -> Anatomy:
    """The same under other names, within a tenth of a second: levels, openings, roots and labels follow; what has the size of its level
    stays as it is. Raises Refusal as `rename` does."""
    at = _index_at(anatomy, anchor.position_mm, anchor.name)
    if at is None:
        raise _no_vertebra(anchor.name)
    kept_names(len(anatomy.levels), at, anchor)
    moved = _moved(anatomy, anchor, at)
    new = {level.name: name for level in anatomy.levels if (name := moved[level.name]) is not None}
    levels = tuple(replace(level, name=new[level.name]) for level in anatomy.levels if level.name in new)
    labels = anatomy.labels
    if any(old != name for old, name in moved.items()):
        labels = cv2.LUT(labels.reshape(1, -1), _codes_moved(moved)).reshape(labels.shape)
    stay = tuple(f for f in anatomy.foramina if set(f.between) <= set(new))
    foramina = tuple(replace(f, between=(new[f.between[0]], new[f.between[1]])) for f in stay)
    windows = tuple(replace(w, between=(new[w.between[0]], new[w.between[1]])) for w in anatomy.windows if set(w.between) <= set(new))
    exits = {(root_of(f), f.side): root_of(g) for f, g in zip(stay, foramina)}
    roots = tuple(replace(root, level=exits[root.level, root.side]) for root in anatomy.roots if (root.level, root.side) in exits)
    structures = dict(anatomy.structures)
    for told in {"sac", "cord", "foramina", "windows", "contrast outside"} & set(structures):
        known = anatomy.structure(told)
        structures[told] = replace(known, problem=known.problem and _LEVEL.sub(lambda old: new.get(old[0], old[0]), known.problem))
    renamed = replace(anatomy, labels=labels, levels=levels, foramina=foramina, windows=windows, roots=roots)
    again = None if anatomy.again is None else partial(_as_found, anatomy)
    return confirmed(replace(renamed, structures=structures, again=again), anchor)


def _as_found(found: Anatomy, _: Anatomy, anchor: Anchor, progress: Progress) -> Anatomy:
    """What has only been called otherwise is found again from what was found."""
    return rename(found, anchor, progress)


def _moved(anatomy: Anatomy, anchor: Anchor, at: int) -> dict[str, str | None]:
    """What every vertebra is called when number `at` of the levels is the anchor's; None for one that runs off C1 or S5."""
    before, after = anatomy.numbering.names, anchor.numbering.names
    inside = min(max(at, 0), len(anatomy.levels) - 1)
    by = after.index(anchor.name) - (before.index(anatomy.levels[inside].name) + at - inside)
    return {name: after[n + by] if 0 <= n + by < len(after) else None for n, name in enumerate(before)}


def _codes_moved(moved: dict[str, str | None]) -> NDArray[np.uint8]:
    """(256,): the codes of vertebrae and discs under other names; what has no name any more is bone, its disc soft tissue."""
    table = np.arange(256, dtype=np.uint8)
    for old, new in moved.items():
        table[codes.vertebra(old)] = codes.BONE_OTHER if new is None else codes.vertebra(new)
    for (upper, above), (lower, under) in itertools.pairwise(moved.items()):
        table[codes.disc(upper, lower)] = codes.SOFT_TISSUE if above is None or under is None else codes.disc(above, under)
    return table


def _sac_in_labels(anatomy: Anatomy) -> Floats:
    """(n, ANGLES): how far from the canal's middle the sac reaches in the labels, 0 where there is none."""
    canal = anatomy.canal
    across = np.cos(THETA)[:, None] * canal.left[:, None, :] + np.sin(THETA)[:, None] * canal.back[:, None, :]
    index = np.rint(anatomy.frame.to_index(canal.centreline_mm[:, None, None] + across[:, :, None] * RADII[:, None])).astype(int)
    k, j, i = np.moveaxis(np.clip(index, 0, np.array(anatomy.frame.shape) - 1), -1, 0)
    inside = np.isin(anatomy.labels[k, j, i], (codes.THECAL_SAC, codes.SPINAL_CORD))
    return np.where(inside, RADII, 0.0).max(axis=2)


def levels_structure(levels: tuple[Level, ...], anchor: Anchor | None) -> Structure:
    """How the levels are known: found by their discs; named by a person, or only guessed."""
    if not levels:
        return Structure("not checked", None, "No vertebra could be told from its neighbours.")
    weak = [level.name for level in levels if level.confidence < 0.5]
    sentences = []
    if anchor is None or anchor.by == "program":
        sure = 0.0 if anchor is None or anchor.confidence is None else anchor.confidence
        if sure < number("anatomy.sure_name_confidence"):
            sentences.append(f"The names are a guess ({round(100 * sure)} %): name one vertebra.")
    held = {level.name for level in levels}
    sentences += [f"{name} has the usual sizes of {usual}." for name, usual in _WITHOUT_SIZES.items() if name in held]
    if weak:
        sentences.append(f"The borders of {', '.join(weak)} are uncertain.")
    confidence = float(np.mean([level.confidence for level in levels]))
    if anchor is not None and anchor.by == "program" and anchor.confidence is not None:
        confidence = min(confidence, anchor.confidence)
    return Structure("found", round(confidence, 2), " ".join(sentences) or None)
