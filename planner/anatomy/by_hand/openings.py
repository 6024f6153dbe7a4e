"""Windows and foramina by hand: those that are added, and those whose bone was changed after they were measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise
from math import dist

import numpy as np

from planner.anatomy import labels as codes
from planner.anatomy.beside import both_sides
from planner.anatomy.by_hand.edits import AddedForamen, AddedWindow, Edit, Mode, Point, Stroke, structure_of
from planner.anatomy.levels import Column, openness_of
from planner.anatomy.openings import find_foramina
from planner.anatomy.reformat import RADII, Curve, polar
from planner.anatomy.spine import ANGLES, Anatomy, Canal, Foramen, Level, Side, Window
from planner.anatomy.windows import find_windows
from planner.geometry import Floats, Volume

_NEAR_OPENING_MM = 12.0  # bone that bounds an opening lies within this of its middle
UNMEASURED, ON_LABELS = 0.3, 0.6  # confidence in a size of before bone was changed, and in one measured anew on what was drawn
_LEAST_MM = 1.0  # a window that is left smaller is closed; a foramen is no smaller while any of it is free
_SEEN_MM, _BESIDE_MM = 35.0, 75.0  # of the canal beyond two vertebrae, and beside it: laminae hang down
_CORE, _FILLED, _ALONG_MM = 0.8, 0.9, np.arange(-6.0, 7.0)  # of a foramen's size and of its face; along its axis: bone there closes it
_AGREE_MM = 3.0  # two measures of one foramen: in scan and labels; before and after strokes that cannot make it so
_SLACK_MM = 1.5  # two measures of one foramen's middle
_PER_SECTION = ("centreline_mm", "left", "back", "wall_mm", "bridged", "area_mm2", "confidence")
BONE_HU = 1000.0
"""Of a voxel that is labelled bone, where labels are measured as if they were a scan."""


def with_remeasured(now: Anatomy, before: Anatomy, edits: Sequence[Edit]) -> tuple[Anatomy, dict[str, str]]:
    """The openings after bone was changed beside them, and what is to be said of `windows` and `foramina`. before: as found.

    An opening is measured in the labels before and after, and changes by the difference: so voxels' size cancels out. One that labels do
    not show keeps its size and is unsure. What a hand has put there is as it was put.
    """
    shaped = _shaped_by(edits)
    put = {edit.centre_mm for edit in edits if isinstance(edit, AddedWindow | AddedForamen)}
    kept = [one for one in now.windows if one.centre_mm in put]
    words: dict[str, list[str]] = {"measured": [], "closed": [], "opened": [], "unseen": []}
    found = {one.between: one for one in before.windows}
    by_hand = {one.between for one in kept}
    for pair in dict.fromkeys([*found, *((above.name, below.name) for above, below in pairwise(now.levels))]):
        old = found.get(pair)
        if pair in by_hand:
            continue
        if not shaped.is_near(old.centre_mm if old is not None else _behind(now, pair)):
            kept += [old] if old is not None else []
            continue
        first, then = _in_labels(before, pair), _in_labels(now, pair)
        made = _changed(old, first, then)
        kept += [made] if made is not None else []
        if old is None:
            words["opened"] += ["-".join(pair)] if made is not None else []
        else:
            words["closed" if made is None else "unseen" if first is None else "measured"].append(old.level)
    foramina, holes = _foramina(now, before, shaped, put)
    now = replace(
        now,
        windows=tuple(sorted(kept, key=lambda one: codes.rank(one.between[0]))),
        foramina=tuple(sorted(foramina, key=lambda one: codes.rank(one.between[0]))),
    )
    said = {"windows": _sentences(words), "foramina": _sentences(holes)}
    return now, {name: sentence for name, sentence in said.items() if sentence}


def _foramina(now: Anatomy, before: Anatomy, shaped: _Shaped, put: Set[Point]) -> tuple[list[Foramen], dict[str, list[str]]]:
    """The foramina after bone was changed beside them, and the names of those that changed. put: middles of those that a hand has put."""
    kept = [one for one in now.foramina if one.centre_mm in put]
    words: dict[str, list[str]] = {"measured": [], "closed": [], "opened": [], "unseen": []}
    by_hand = {(one.between, one.side) for one in kept}
    seen: dict[tuple[str, str], tuple[Mapping[Side, Foramen], Mapping[Side, Foramen]]] = {}
    drawn = replace(before, labels=now.labels)  # both are measured in the planes of the canal as it was
    for old in before.foramina:
        if (old.between, old.side) in by_hand:
            continue
        if not shaped.is_near(old.centre_mm):
            kept.append(old)
            continue
        if old.between not in seen:
            seen[old.between] = _holes_in_labels(before, old.between), _holes_in_labels(drawn, old.between)
        first, then = (holes.get(old.side) for holes in seen[old.between])
        made = None if _is_filled(now, old) else _changed_hole(old, first, then, shaped.mode)
        kept += [made] if made is not None else []
        if made is None:
            words["closed"].append(f"{old.level} {old.side}")
        elif made is not old:
            words["unseen" if made.centre_mm == old.centre_mm else "measured"].append(f"{old.level} {old.side}")
    return kept, words


def _sentences(words: Mapping[str, Sequence[str]]) -> str:
    """What is said of openings whose bone was changed."""
    sentences = [f"{verb} by what was drawn: {', '.join(words[key])}." for key, verb in _VERBS.items() if words[key]]
    if words["unseen"]:
        sentences.append(f"Bone was changed by hand at {', '.join(words['unseen'])}: the size there is that of before.")
    return " ".join(sentences)


_VERBS = {"measured": "Changed", "closed": "Closed", "opened": "Opened"}


@dataclass(frozen=True, eq=False)
class _Shaped:
    """Where bone was changed: places (n, 3) with how far from each (n,) an opening may be bounded by it; whole: all of it was. mode: of all
    strokes, None where they differ."""

    places_mm: Floats
    reach_mm: Floats
    whole: bool
    mode: Mode | None

    def is_near(self, centre_mm: Point) -> bool:
        """Whether the bone that may bound an opening here was changed."""
        return self.whole or bool((np.linalg.norm(self.places_mm - centre_mm, axis=1) < self.reach_mm).any())


def _shaped_by(edits: Sequence[Edit]) -> _Shaped:
    bone = [edit for edit in edits if structure_of(edit) == "bone"]
    strokes = [(at, edit.radius_mm) for edit in bone if isinstance(edit, Stroke) for at in edit.points_mm]
    places = np.array([at for at, _ in strokes]).reshape(-1, 3)
    reach = _NEAR_OPENING_MM + np.array([radius for _, radius in strokes])
    whole = not all(isinstance(edit, Stroke) for edit in bone)
    modes = {edit.mode for edit in bone if isinstance(edit, Stroke)}
    return _Shaped(places, reach, whole, modes.pop() if len(modes) == 1 and not whole else None)


def _behind(now: Anatomy, pair: tuple[str, str]) -> Point:
    """Where the window between two vertebrae would be: at the canal's back wall between their middles."""
    place = np.mean([level.centre_mm for level in now.levels if level.name in pair], axis=0)
    at = now.canal.nearest(place)
    x, y, z = (float(value) for value in now.canal.centreline_mm[at] + now.canal.wall_mm[at, ANGLES // 4] * now.canal.back[at])
    return x, y, z


def _in_labels(anatomy: Anatomy, pair: tuple[str, str]) -> Window | None:
    """The window between two vertebrae as the labelled bone shows it."""
    levels, canal = tuple(level for level in anatomy.levels if level.name in pair), anatomy.canal
    if len(levels) < 2 or len(canal.centreline_mm) < 4:
        return None
    bone = bone_around(anatomy, stretch_about(canal, levels, _SEEN_MM)[0].centreline_mm, _BESIDE_MM)
    return next(iter(find_windows(bone, BONE_HU / 2, canal, levels)), None)


def _holes_in_labels(anatomy: Anatomy, pair: tuple[str, str]) -> Mapping[Side, Foramen]:
    """The foramina between two vertebrae as the labelled bone shows them, where their pedicles were seen."""
    whole = anatomy.canal
    levels = tuple(level for level in anatomy.levels if level.name in pair)
    pedicles = tuple(one for marks in anatomy.landmarks if marks.vertebra in pair for one in marks.pedicles)
    unlabelled = anatomy.structure("bone").provenance == "not checked"  # in MR arches are seen, but not labelled
    if unlabelled or len(levels) < 2 or not pedicles or len(whole.centreline_mm) < 4:
        return {}
    canal, levels = stretch_about(whole, levels, _SEEN_MM)
    bone = bone_around(anatomy, canal.centreline_mm, _BESIDE_MM)
    curve = Curve(canal.centreline_mm, canal.left, canal.back, np.cross(canal.left, canal.back))
    openness = openness_of(polar(bone, curve), canal.wall_mm, RADII, BONE_HU / 2)
    column = Column((), np.zeros(0), 0.0, np.zeros(0), openness)
    found = find_foramina(both_sides(bone, BONE_HU / 2, canal), anatomy.frame, canal, column, levels, pedicles)
    return {one.side: one for one in found}


def stretch_about(canal: Canal, levels: Sequence[Level], beyond_mm: float) -> tuple[Canal, tuple[Level, ...]]:
    """The canal near some vertebrae, as far as beyond_mm past the outer ones, and the vertebrae with their places along it."""
    s_mm = canal.s_mm
    rows = np.flatnonzero((s_mm > levels[0].s_mm - beyond_mm) & (s_mm < levels[-1].s_mm + beyond_mm))
    part = replace(canal, bridge=None, **{name: getattr(canal, name)[rows] for name in _PER_SECTION})
    return part, tuple(replace(level, s_mm=level.s_mm - float(s_mm[rows[0]])) for level in levels)


def bone_around(anatomy: Anatomy, points_mm: Floats, margin_mm: float) -> Volume:
    """Labelled bone around points, as a scan in which nothing else shows: BONE_HU where there is bone."""
    box = anatomy.frame.box_around(points_mm, margin_mm)
    bone = anatomy.mask(codes.BONE, box).astype(np.int16) * np.int16(BONE_HU)
    return Volume(anatomy.frame.crop([side.start for side in box], [side.stop for side in box]), bone, "CT")


def _changed(old: Window | None, first: Window | None, then: Window | None) -> Window | None:
    """A window that in the labels went from one size to another; None where it is closed."""
    if old is None:
        return replace(then, confidence=UNMEASURED) if first is None and then is not None else None
    if first is None:
        return replace(old, confidence=min(old.confidence, UNMEASURED))
    if then is None:
        return None
    height, width = old.height_mm + then.height_mm - first.height_mm, old.width_mm + then.width_mm - first.width_mm
    if min(height, width) < _LEAST_MM:
        return None
    x, y, z = (float(value) for value in np.add(old.centre_mm, np.subtract(then.centre_mm, first.centre_mm)))
    tilt = old.tilt_deg + then.tilt_deg - first.tilt_deg
    return replace(old, centre_mm=(x, y, z), height_mm=height, width_mm=width, tilt_deg=tilt, confidence=min(old.confidence, ON_LABELS))


def _is_filled(anatomy: Anatomy, hole: Foramen) -> bool:
    """Whether labelled bone lies right across a foramen somewhere along its axis."""
    axis = np.array(hole.axis) / np.linalg.norm(hole.axis)
    at = anatomy.canal.nearest(hole.centre_mm)
    up = -np.cross(anatomy.canal.left[at], anatomy.canal.back[at])
    up = (up - (up @ axis) * axis) / np.linalg.norm(up - (up @ axis) * axis)
    across = np.cross(axis, up)
    spread = np.linspace(-_CORE, _CORE, 9) / 2
    high, wide = (part[np.hypot(*np.meshgrid(spread, spread)) <= _CORE / 2] for part in np.meshgrid(spread, spread))
    face = hole.height_mm * high[:, None] * up + hole.width_mm * wide[:, None] * across
    places = np.array(hole.centre_mm) + _ALONG_MM[:, None, None] * axis + face
    index = np.clip(np.rint(anatomy.frame.to_index(places)).astype(int), 0, np.array(anatomy.frame.shape) - 1)
    bone = np.isin(anatomy.labels[tuple(np.moveaxis(index, -1, 0))], codes.BONE)
    return bool(bone.mean(axis=1).max() >= _FILLED)


def _changed_hole(old: Foramen, first: Foramen | None, then: Foramen | None, mode: Mode | None) -> Foramen | None:
    """A foramen that in the labels went from one size to another; None where it is closed, itself where nothing changed. It keeps its size
    and is unsure where labels show it otherwise than the scan did, and where what was measured then is another gap. mode: of all strokes,
    None where they differ."""
    if first is None or not _agree(old, first) or (then is not None and not _follows(first, then, mode)):
        return replace(old, confidence=min(old.confidence, UNMEASURED))
    if then is None:
        return None
    if (then.height_mm, then.width_mm, then.centre_mm) == (first.height_mm, first.width_mm, first.centre_mm):
        return old
    height = max(old.height_mm + then.height_mm - first.height_mm, _LEAST_MM)
    width = max(old.width_mm + then.width_mm - first.width_mm, _LEAST_MM)
    x, y, z = (float(value) for value in np.add(old.centre_mm, np.subtract(then.centre_mm, first.centre_mm)))
    axis = np.add(old.axis, np.subtract(then.axis, first.axis))
    out_x, out_y, out_z = (float(value) for value in axis / np.linalg.norm(axis))
    thirds, area = old.thirds_mm, old.area_mm2
    if thirds is not None and then.thirds_mm is not None and first.thirds_mm is not None:
        upper, middle, lower = (max(was + b - a, 0.0) for was, a, b in zip(thirds, first.thirds_mm, then.thirds_mm))
        thirds = upper, middle, lower
    if area is not None and then.area_mm2 is not None and first.area_mm2 is not None:
        area = max(area + then.area_mm2 - first.area_mm2, 0.0)
    sure = min(old.confidence, ON_LABELS)
    return Foramen(old.between, old.side, (x, y, z), (out_x, out_y, out_z), height, width, sure, thirds, area)


def _agree(old: Foramen, first: Foramen) -> bool:
    """Whether labels show a foramen as the scan did."""
    sizes = abs(first.height_mm - old.height_mm), abs(first.width_mm - old.width_mm), dist(first.centre_mm, old.centre_mm)
    return max(sizes) <= _AGREE_MM


def _follows(first: Foramen, then: Foramen, mode: Mode | None) -> bool:
    """Whether what was measured after strokes is what was measured before: its middle moves by half of what one border does, bone that is
    drawn makes no hole larger, and bone that is erased none smaller."""
    higher, wider = then.height_mm - first.height_mm, then.width_mm - first.width_mm
    against = {"draw": max(higher, wider), "erase": -min(higher, wider)}.get(mode or "", 0.0)
    return against <= _AGREE_MM and dist(first.centre_mm, then.centre_mm) <= (abs(higher) + abs(wider)) / 2 + _SLACK_MM


def with_window(now: Anatomy, edit: AddedWindow) -> tuple[Window, ...]:
    """The windows with one that a hand has put there, in place of that of its level."""
    pair = now.disc_space(edit.centre_mm)
    assert pair is not None
    made = Window(pair, edit.centre_mm, edit.height_mm, edit.width_mm, edit.tilt_deg, 1.0)
    return tuple(sorted([*(w for w in now.windows if w.between != pair), made], key=lambda w: codes.rank(w.between[0])))


def with_foramen(now: Anatomy, edit: AddedForamen) -> tuple[Foramen, ...]:
    """The foramina with one that a hand has put there, in place of that of its level and side."""
    pair, canal = now.disc_space(edit.centre_mm), now.canal
    assert pair is not None
    at = canal.nearest(edit.centre_mm)
    out = np.subtract(edit.centre_mm, canal.centreline_mm[at])
    left = bool(out @ canal.left[at] > 0)
    x, y, z = (float(value) for value in (canal.left[at] if left else -canal.left[at]))
    made = Foramen(pair, "left" if left else "right", edit.centre_mm, (x, y, z), edit.height_mm, edit.width_mm, 1.0)
    others = [f for f in now.foramina if (f.between, f.side) != (made.between, made.side)]
    return tuple(sorted([*others, made], key=lambda f: codes.rank(f.between[0])))
