"""An anatomy with what a person changed by hand: each edit on what stands after the one before it, its box alone touched.

Masks are labels; the canal is a tube, so a stroke on it moves its wall and the labels follow. Read `edited`, then `_apply`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from math import dist

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.anatomy import labels as codes
from planner.anatomy.by_hand.edits import (
    AddedForamen,
    AddedLevel,
    AddedWindow,
    CentrelinePoint,
    Edit,
    Grow,
    MovedLevel,
    Point,
    Smooth,
    Stroke,
    WallPoint,
    places_of,
    structure_of,
)
from planner.anatomy.by_hand.landmarks import landmark_words, vertebrae_under, with_landmarks
from planner.anatomy.by_hand.masks import grown, least_growth_mm, smoothed
from planner.anatomy.by_hand.names import nearest_vertebrae, relabel
from planner.anatomy.by_hand.openings import with_foramen, with_remeasured, with_window
from planner.anatomy.by_hand.path import SHORTEST_MM, drawn_canal, draws_canal, goes_on
from planner.anatomy.by_hand.strokes import stroke_mask
from planner.anatomy.by_hand.tube import grown_wall, inside_wall, moved_tube, pulled_wall, smoothed_wall, struck_wall, with_tube, with_wall
from planner.anatomy.sac import within_wall
from planner.anatomy.spine import Anatomy, Canal, Level, Provenance, Root, Structure
from planner.geometry import Floats
from planner.progress import Progress, part, silent
from planner.refusal import Refusal

Box = tuple[slice, slice, slice]
Mask = NDArray[np.bool_]
_DRAWN = {"bone": codes.BONE_OTHER, "sac": codes.THECAL_SAC, "skin": codes.SOFT_TISSUE}
_LEFT = {"sac": codes.EPIDURAL_SPACE, "cord": codes.THECAL_SAC, "skin": 0}
_IN_CANAL = frozenset({"sac", "cord"})
_BESIDE_SAC = frozenset({"roots", "contrast outside"})
_WALL_WITHIN_MM = 30.0  # of the canal's middle
_LEAST_APART_MM = 4.0  # the middles of two vertebrae


@dataclass(frozen=True, eq=False)
class EditedAnatomy(Anatomy):
    """An anatomy after edits. unedited: as it was found or taken in. touched: the levels at which each structure was changed, from head to
    foot. idle: edits, by their place in the list, that change nothing on this anatomy, with the reason. shaped: the vertebrae whose bone
    edits of bone changed."""

    unedited: Anatomy | None = None
    edits: tuple[Edit, ...] = ()
    touched: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    idle: Mapping[int, str] = field(default_factory=dict)
    shaped: frozenset[str] = frozenset()


def unedited(anatomy: Anatomy) -> Anatomy:
    """The anatomy without what was changed by hand."""
    return anatomy.unedited if isinstance(anatomy, EditedAnatomy) and anatomy.unedited is not None else anatomy


def edited(anatomy: Anatomy, edits: tuple[Edit, ...], progress: Progress = silent) -> Anatomy:
    """The anatomy with these edits alone, one after the other. Those that it has already are not done again where they come first."""
    before, done = unedited(anatomy), anatomy.edits if isinstance(anatomy, EditedAnatomy) else ()
    if not edits:
        return before
    if edits[: len(done)] != done:
        anatomy, done = before, ()
    if edits == done:
        return anatomy
    idle = dict(anatomy.idle) if isinstance(anatomy, EditedAnatomy) else {}
    shaped_before: frozenset[str] = anatomy.shaped if isinstance(anatomy, EditedAnatomy) else frozenset()
    shaped = set(shaped_before)
    now = replace(anatomy, labels=anatomy.labels.copy())
    share = 1.0 / (len(edits) - len(done))
    for n, edit in enumerate(edits[len(done) :]):
        progress(n * share, "Applying what was changed by hand")
        problem = without_effect(now, edit)
        if problem is None:
            shaped |= vertebrae_under(now, edit)  # what is erased goes, and what is drawn comes
            now = _apply(now, edit, part(progress, n * share, (n + 1) * share))
            shaped |= vertebrae_under(now, edit)
        else:
            idle[len(done) + n] = problem
    touched = _touched(before, edits, idle)
    structures = {**before.structures, **{name: _known(before.structure(name), at) for name, at in touched.items()}}
    if "kidney" in touched and before.structure("kidney").provenance == "not checked" and not _on_both_sides(now, codes.KIDNEY):
        structures["kidney"] = replace(structures["kidney"], provenance="not checked")  # one drawn says nothing of the other
    effective = [(n, edit) for n, edit in enumerate(edits) if n not in idle]
    now, said = with_remeasured(now, before, [edit for _, edit in effective])
    now = with_landmarks(now, before, shaped, anatomy.labels, shaped - shaped_before)
    said |= {"landmarks": words} if (words := landmark_words(now, before, touched.get("bone", ()))) else {}
    for name, words in said.items():
        known = structures.get(name, before.structure(name))
        structures[name] = replace(known, problem=f"{words} {known.problem}" if known.problem else words)
    return EditedAnatomy(
        now.frame, now.modality, now.labels, structures, now.canal, now.levels, now.foramina, now.windows, now.roots, now.anchor,
        now.leak_hints, now.again, now.sac, now.landmarks, now.gaps, now.field, before, edits, touched, idle, frozenset(shaped),
    )  # fmt: skip


def checked(anatomy: Anatomy, edit: Edit) -> Edit:
    """The edit itself where it changes something on this anatomy; else a Refusal that says why it does not."""
    problem = without_effect(anatomy, edit)
    if problem is not None:
        raise Refusal(problem, "Nothing was changed.")
    return edit


# ---- how a structure is known after edits ---------------------------------------------------------------------------------------------


def _known(before: Structure, levels: tuple[str, ...]) -> Structure:
    """What was modelled stays modelled, for a place that was drawn makes the rest no surer; a structure that nobody looked for is known
    where it was drawn, and the words say that it is not elsewhere."""
    where = f" at {', '.join(levels)}" if levels else ""
    if before.provenance == "not checked":
        return Structure("drawn", None, f"Drawn by hand{where}. Elsewhere nobody looked for it.")
    words = f"Changed by hand{where}."
    provenance: Provenance = "modelled" if before.provenance == "modelled" else "drawn"
    return Structure(provenance, before.confidence, f"{words} {before.problem}" if before.problem else words)


def _on_both_sides(now: Anatomy, code: int) -> bool:
    """Whether voxels of a code lie left and right of the canal."""
    columns = np.flatnonzero((now.labels == code).any(axis=(0, 1)))
    if not len(columns) or not len(now.canal.centreline_mm):
        return False
    x_mm = now.frame.affine[0, 3] + now.frame.spacing_mm[2] * columns
    middle_mm = float(now.canal.centreline_mm[:, 0].mean())
    return bool(x_mm[0] < middle_mm < x_mm[-1])


def _touched(anatomy: Anatomy, edits: Sequence[Edit], idle: Mapping[int, str]) -> dict[str, tuple[str, ...]]:
    places: dict[str, list[Point]] = {}
    for n, edit in enumerate(edits):
        if n not in idle:
            places.setdefault(structure_of(edit), []).extend(places_of(edit))
    return {name: levels_at(anatomy, at) for name, at in places.items()}


def levels_at(anatomy: Anatomy, places: Sequence[Point]) -> tuple[str, ...]:
    """The vertebrae beside these places, from head to foot."""
    if not places or not anatomy.levels:
        return ()
    z_mm = np.array([level.centre_mm[2] for level in anatomy.levels])
    near = np.abs(np.array(places)[:, 2, None] - z_mm).argmin(axis=1)
    return tuple(anatomy.levels[n].name for n in sorted(set(near.tolist())))


# ---- one edit -------------------------------------------------------------------------------------------------------------------------


def without_effect(anatomy: Anatomy, edit: Edit) -> str | None:
    """Why an edit would change nothing on this anatomy, in a sentence; None where it does."""
    places = places_of(edit)
    if places and not anatomy.shows(np.array(places), -0.5 * max(anatomy.frame.spacing_mm)).any():
        return "This lies outside the scan."
    canal = anatomy.canal
    if isinstance(edit, WallPoint | CentrelinePoint | AddedForamen | AddedWindow) and len(canal.centreline_mm) < 4:
        return "There is no canal in this anatomy."
    match edit:
        case Stroke():
            return _idle_stroke(anatomy, edit)
        case Grow() | Smooth():
            if not _has(anatomy, edit.structure):
                return f"There is no {edit.structure} to change: nothing of it was found or drawn."
            least_mm = least_growth_mm(anatomy.frame.spacing_mm) if isinstance(edit, Grow) and edit.structure != "canal" else 0.0
            return f"{abs(edit.by_mm):g} mm is less than a voxel of this scan." if abs(edit.by_mm) < least_mm else None
        case WallPoint():
            near = canal.locate(edit.from_mm).radius_mm < _WALL_WITHIN_MM and _beside(canal, edit.from_mm)
            return None if near else "There is no wall of the canal here."
        case CentrelinePoint():
            return None if _beside(canal, edit.from_mm) else "The canal does not reach here."
        case MovedLevel():
            return _idle_level(anatomy, edit)
        case AddedLevel():
            return _idle_addition(anatomy, edit)
        case AddedWindow() | AddedForamen():
            pair = anatomy.disc_space(edit.centre_mm)
            return "No two vertebrae lie above and below this place." if pair is None else None


def _has(anatomy: Anatomy, name: str) -> bool:
    return len(anatomy.canal.centreline_mm) >= 4 if name == "canal" else _holds(anatomy.labels.reshape(-1), _table(codes.STRUCTURES[name]))


@njit(cache=True, nogil=True)
def _holds(labels: NDArray[np.uint8], table: NDArray[np.bool_]) -> bool:
    """Whether one of the codes is there; it stops at the first."""
    for code in labels:  # noqa: SIM110 - compiled: numba has no any() of a generator
        if table[code]:
            return True
    return False


def _beside(canal: Canal, place_mm: Point) -> bool:
    """Whether a place lies between the canal's ends."""
    at = canal.nearest(place_mm)
    tangent = np.cross(canal.left[at], canal.back[at])
    return abs(float((np.asarray(place_mm) - canal.centreline_mm[at]) @ tangent)) < 2.0


def _idle_stroke(anatomy: Anatomy, edit: Stroke) -> str | None:
    box, mask = stroke_mask(anatomy.frame, edit)
    if not mask.any():
        return "This lies outside the scan."
    if edit.structure == "canal":
        if len(anatomy.canal.centreline_mm) < 4:
            return None if draws_canal(edit) else NO_CANAL_YET
        wall = struck_wall(anatomy.canal, anatomy.frame, box, mask, edit.mode == "draw")
        if not goes_on(anatomy.canal, edit) and np.array_equal(wall, anatomy.canal.wall_mm):
            inside = "The canal stays as it is: what is drawn lies inside it, or away from its ends."
            return inside if edit.mode == "draw" else _NOTHING_UNDER % "canal"
        return None
    table = _may_become(edit.structure) if edit.mode == "draw" else _table(codes.STRUCTURES[edit.structure])
    if (table[anatomy.labels[box]] & mask).any():
        return None
    if edit.mode == "draw" and edit.structure in _IN_CANAL:
        return f"The {edit.structure} lies inside the canal, and there is no canal here that it does not fill."
    return _NOTHING_UNDER % edit.structure if edit.mode == "erase" else f"Nothing here can become {edit.structure}."


NO_CANAL_YET = f"There is no canal yet: draw {SHORTEST_MM:g} mm of it or more with the ball, along its middle."
_NOTHING_UNDER = "There is no %s under the brush."


def _idle_level(anatomy: Anatomy, edit: MovedLevel) -> str | None:
    if not anatomy.levels:
        return "No vertebra was found."
    if not bool(anatomy.shows(edit.to_mm)):
        return "This lies outside the scan."
    at = _level_at(anatomy, edit.from_mm)
    s_mm = float(anatomy.canal.s_mm[anatomy.canal.nearest(edit.to_mm)])
    above, below = anatomy.levels[at - 1 : at], anatomy.levels[at + 1 : at + 2]
    if any(s_mm < level.s_mm + _LEAST_APART_MM for level in above) or any(s_mm > level.s_mm - _LEAST_APART_MM for level in below):
        return f"{anatomy.levels[at].name} cannot go past its neighbour."
    return None


def _idle_addition(anatomy: Anatomy, edit: AddedLevel) -> str | None:
    if not anatomy.levels:
        return "No vertebra has a name yet: name one first."
    if len(anatomy.canal.centreline_mm) < 4 or not _beside(anatomy.canal, edit.centre_mm):
        return "The canal does not reach here."
    if min(dist(level.centre_mm, edit.centre_mm) for level in anatomy.levels) < 2 * _LEAST_APART_MM:
        return f"{anatomy.levels[_level_at(anatomy, edit.centre_mm)].name} lies here already."
    return None if _place_of_new(anatomy, edit)[1] is not None else "No name is free between the vertebrae above and below."


def _place_of_new(anatomy: Anatomy, edit: AddedLevel) -> tuple[int, str | None]:
    """Where in the row of levels a new one comes, and its name: the next one above or below; None where its neighbours leave none free."""
    names, z_mm = anatomy.numbering.names, edit.centre_mm[2]
    at = sum(level.centre_mm[2] > z_mm for level in anatomy.levels)
    above, below = (anatomy.levels[n].name if 0 <= n < len(anatomy.levels) else None for n in (at - 1, at))
    if above is None or below is None:
        place = names.index(below) - 1 if below is not None else names.index(above or "") + 1
        return at, names[place] if 0 <= place < len(names) else None
    place = names.index(above) + 1
    return at, names[place] if names[place] != below else None


def _level_at(anatomy: Anatomy, place_mm: Point) -> int:
    return min(range(len(anatomy.levels)), key=lambda n: dist(anatomy.levels[n].centre_mm, place_mm))


def _apply(now: Anatomy, edit: Edit, progress: Progress) -> Anatomy:
    """One edit that has an effect. The labels are changed in place: they are this walk's own."""
    match edit:
        case Stroke():
            return _struck(now, edit)
        case Grow() | Smooth():
            return _whole(now, edit, progress)
        case WallPoint():
            return _walled(now, pulled_wall(now.canal, edit))
        case CentrelinePoint():
            moved = moved_tube(now.canal, edit)
            with_tube(now.labels, now.frame, now.canal, edit)
            return _on_moved(now, moved)
        case MovedLevel():
            at = _level_at(now, edit.from_mm)
            s_mm = float(now.canal.s_mm[now.canal.nearest(edit.to_mm)])
            relabel(now.labels, now.frame, now.canal, [level.name for level in now.levels], [level.s_mm for level in now.levels], at, s_mm)
            level = replace(now.levels[at], centre_mm=edit.to_mm, s_mm=s_mm, confidence=1.0)
            return replace(now, levels=(*now.levels[:at], level, *now.levels[at + 1 :]))
        case AddedLevel():
            at, name = _place_of_new(now, edit)
            s_mm = float(now.canal.s_mm[now.canal.nearest(edit.centre_mm)])
            return replace(now, levels=(*now.levels[:at], Level(name or "", edit.centre_mm, s_mm, 1.0), *now.levels[at:]))
        case AddedWindow():
            return replace(now, windows=with_window(now, edit))
        case AddedForamen():
            return replace(now, foramina=with_foramen(now, edit))


def _walled(now: Anatomy, wall_mm: Floats) -> Anatomy:
    """The anatomy with another wall around the same middle; the sac gives way to it."""
    canal = with_wall(now.labels, now.frame, now.canal, wall_mm)
    return replace(now, canal=canal, sac=now.sac and within_wall(now.sac, wall_mm))


def _on_moved(now: Anatomy, canal: Canal) -> Anatomy:
    """The anatomy with another tube; the levels' places along it follow, and the sac stands in the labels alone."""
    s_mm = canal.s_mm
    levels: tuple[Level, ...] = tuple(replace(level, s_mm=float(s_mm[canal.nearest(level.centre_mm)])) for level in now.levels)
    return replace(now, canal=canal, levels=levels, sac=None)


def _struck(now: Anatomy, edit: Stroke) -> Anatomy:
    box, mask = stroke_mask(now.frame, edit)
    drawn = edit.mode == "draw"
    over_canal = edit.structure == "bone" and drawn and bool((_table(codes.CANAL)[now.labels[box]] & mask).any())
    if (edit.structure == "canal" or over_canal) and len(now.canal.centreline_mm):
        now = _walled(now, struck_wall(now.canal, now.frame, box, mask, drawn and not over_canal))
    if edit.structure == "canal":
        new = len(now.canal.centreline_mm) < 4 or goes_on(now.canal, edit)
        return _on_moved(now, drawn_canal(now.labels, now.frame, now.canal, edit)) if new else now
    nothing = np.zeros_like(mask)
    return _changed(now, edit.structure, box, mask if drawn else nothing, nothing if drawn else mask)


def _whole(now: Anatomy, edit: Grow | Smooth, progress: Progress) -> Anatomy:
    if edit.structure == "canal":
        wall = grown_wall(now.canal, edit.by_mm) if isinstance(edit, Grow) else smoothed_wall(now.canal, edit.by_mm)
        return _walled(now, wall)
    table = _table(codes.STRUCTURES[edit.structure])
    margin = [int(np.ceil(edit.by_mm / mm)) + 1 if edit.by_mm > 0 else 1 for mm in now.frame.spacing_mm]
    box = _box_of(table, now.labels, margin)
    inside = table[now.labels[box]]
    if isinstance(edit, Grow):
        after = grown(inside, now.frame.spacing_mm, edit.by_mm, progress)
    else:
        after = smoothed(inside, now.frame.spacing_mm, edit.by_mm, progress)
    return _changed(now, edit.structure, box, after & ~inside, inside & ~after)


def _box_of(table: Mask, labels: NDArray[np.uint8], margin: Sequence[int]) -> Box:
    """The smallest box round the voxels of these codes, with a margin; the whole where there is none."""
    held = table[labels]
    sides = []
    for axis, size in enumerate(labels.shape):
        lines = np.flatnonzero(held.any(axis=tuple(other for other in range(3) if other != axis)))
        first, last = (int(lines[0]), int(lines[-1])) if len(lines) else (0, size - 1)
        sides.append(slice(max(0, first - margin[axis]), min(size, last + 1 + margin[axis])))
    return sides[0], sides[1], sides[2]


# ---- masks ----------------------------------------------------------------------------------------------------------------------------


@cache
def _table_of(held: tuple[int, ...]) -> Mask:
    table = np.zeros(256, dtype=np.bool_)
    table[list(held)] = True
    table.setflags(write=False)
    return table


def _table(held: Sequence[int]) -> Mask:
    """(256,): whether a code is among these."""
    return _table_of(tuple(held))


@cache
def _may_become(name: str) -> Mask:
    """(256,): the codes that drawing a structure overwrites. The sac and the cord stay inside the canal, the body's outline takes what is
    air alone, and nothing but bone, which moves its wall, is drawn into the canal without being part of it."""
    table = np.ones(256, dtype=np.bool_)
    if name == "skin":
        table[1:] = False
    elif name in _IN_CANAL:
        table[:] = False
        table[list(codes.CANAL)] = True
    elif name in _BESIDE_SAC:
        table[[codes.THECAL_SAC, codes.SPINAL_CORD]] = False
    elif name != "bone":
        table[list(codes.CANAL)] = False
    table[list(codes.STRUCTURES[name])] = False
    return table


def _changed(now: Anatomy, name: str, box: Box, drawn: Mask, erased: Mask) -> Anatomy:
    """The anatomy with a structure drawn here and erased there, both masks of a box."""
    labels = now.labels[box]
    drawn = drawn & _may_become(name)[labels]
    if name in _IN_CANAL:
        now = replace(now, sac=None)  # its cross-sections are no longer those of the labels
    if name == "roots" and erased.any():
        now = replace(now, roots=_cut_roots(now, box, erased))
    erased = erased & _table(codes.STRUCTURES[name])[labels]
    if name == "bone" and drawn.any():
        index = np.argwhere(drawn) + [side.start for side in box]
        labels[drawn] = nearest_vertebrae(now.labels, now.frame, index)
    else:
        labels[drawn] = _DRAWN.get(name, codes.STRUCTURES[name][0])
    if not erased.any():
        return now
    if name in _BESIDE_SAC:
        index = np.argwhere(erased)
        within = _in_canal(now, index + [side.start for side in box])
        labels[tuple(index.T)] = np.where(within, codes.EPIDURAL_SPACE, codes.SOFT_TISSUE)
    else:
        labels[erased] = _LEFT.get(name, codes.SOFT_TISSUE)
    return now


def _in_canal(now: Anatomy, index: NDArray[np.int64]) -> Mask:
    """(m,): which voxels (m, 3) lie within the canal's wall."""
    if len(now.canal.centreline_mm) < 2:
        return np.zeros(len(index), dtype=np.bool_)
    return inside_wall(index, now.frame, now.canal)


def _cut_roots(now: Anatomy, box: Box, erased: Mask) -> tuple[Root, ...]:
    """The roots without what was erased: of each its longest piece."""
    kept = []
    low = np.array([side.start for side in box])
    for root in now.roots:
        index = np.rint(now.frame.to_index(root.path_mm)).astype(int) - low
        within = ((index >= 0) & (index < erased.shape)).all(axis=1)
        gone = within.copy()
        gone[within] = erased[tuple(index[within].T)]
        if not gone.any():
            kept.append(root)
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[0], (~gone).astype(np.int8), [0]])))
        if not len(edges):
            continue
        longest = int(np.argmax(edges[1::2] - edges[::2]))
        start, stop = int(edges[2 * longest]), int(edges[2 * longest + 1])
        ganglion = slice(max(0, root.ganglion.start - start), max(0, min(root.ganglion.stop, stop) - start))
        kept.append(replace(root, path_mm=root.path_mm[start:stop], radius_mm=root.radius_mm[start:stop], ganglion=ganglion))
    return tuple(kept)
