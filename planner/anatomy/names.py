"""The naming of all vertebrae by one."""

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
from planner.anatomy.landmarks import landmarks_named
from planner.anatomy.levels import Body, Row
from planner.anatomy.paint import repaint_cord
from planner.anatomy.reformat import RADII, THETA, Curve
from planner.anatomy.roots import root_of
from planner.anatomy.sac import modelled_conus, modelled_cord, with_sure_names
from planner.anatomy.spine import Anatomy, Anchor, Level, Structure
from planner.evidence import number
from planner.geometry import Floats
from planner.progress import Progress, silent
from planner.refusal import Refusal

_WITHOUT_SIZES = {"T13": "T12", "L6": "L5"}  # no table gives any for them
_FALSE_ENDS = 2
_TOLD = 0.2  # a name that the program is less sure of is none: the sizes of vertebrae alone tell it no better than a throw of dice
_LEVEL = re.compile(r"\b[CTLS]\d+\b")
_CLICK = "Click into the body of a vertebra that lies wholly in the scan."


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
    return Refusal(f"There is no vertebra that is surely meant where {name} was named.", _CLICK)


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
    """Named levels and the anchor that they rest on, which is guessed where a person named none; no anchor where nothing in view tells a
    name, for then the levels' names only tell them apart. Raises Refusal for an anchor that names no vertebra of which the scan shows a
    part."""
    if anchor is not None:
        return counted_from(anchor, row), anchor
    if not row.bodies:
        return (), None
    guess = _that_fits(guessed(list(row.bodies)), list(row.bodies))
    return counted_from(guess, row), guess if guess.confidence is None or guess.confidence >= _TOLD else None


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
    return guessed if furthest == LEVELS.index(guessed.name) else replace(guessed, name=LEVELS[max(furthest, 0)], confidence=0.1, why="")


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
    sacral = [root for root in anatomy.roots if root.level[0] == "S" and new.get(root.level, "-")[0] in "LS"]
    exits |= {(root.level, root.side): new[root.level] for root in sacral}
    roots = tuple(replace(root, level=exits[root.level, root.side]) for root in anatomy.roots if (root.level, root.side) in exits)
    structures = dict(anatomy.structures)
    for told in {"canal", "sac", "cord", "foramina", "windows", "contrast outside"} & set(structures):
        known = anatomy.structure(told)
        structures[told] = replace(known, problem=known.problem and _LEVEL.sub(lambda old: new.get(old[0], old[0]), known.problem))
    marks = landmarks_named(anatomy.landmarks, new)
    renamed = replace(anatomy, labels=labels, levels=levels, foramina=foramina, windows=windows, roots=roots, landmarks=marks)
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
    """How the levels are known: found by their discs; named by a person, only guessed, or not known by name."""
    if not levels:
        return Structure("not checked", None, "No vertebra could be told from its neighbours.")
    weak = [level.name for level in levels if level.confidence < 0.5]
    sentences = []
    if anchor is None:
        sentences.append(f"Which vertebrae these are is unknown, {levels[0].name} and the others are stand-ins: name one vertebra.")
    elif anchor.by == "program":
        sure = anchor.confidence or 0.0
        if sure < number("anatomy.sure_name_confidence"):
            told = f", by {anchor.why}" if anchor.why else ""
            sentences.append(f"The names are a guess ({round(100 * sure)} %{told}): name one vertebra.")
    held = {level.name for level in levels}
    sentences += [f"{name} has the usual sizes of {usual}." for name, usual in _WITHOUT_SIZES.items() if name in held]
    if weak:
        sentences.append(f"The borders of {', '.join(weak)} are uncertain.")
    confidence = float(np.mean([level.confidence for level in levels])) if anchor is not None else 0.0
    if anchor is not None and anchor.by == "program" and anchor.confidence is not None:
        confidence = min(confidence, anchor.confidence)
    return Structure("found", round(confidence, 2), " ".join(sentences) or None)
