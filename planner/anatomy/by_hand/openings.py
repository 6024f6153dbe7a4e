"""Windows and foramina by hand: those that are added, and those whose bone was changed after they were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from planner.anatomy import labels as codes
from planner.anatomy.by_hand.edits import AddedForamen, AddedWindow, Edit, Point, Stroke, structure_of
from planner.anatomy.spine import ANGLES, Anatomy, Foramen, Window
from planner.anatomy.windows import find_windows
from planner.geometry import Floats, Volume

_NEAR_OPENING_MM = 12.0  # bone that bounds an opening lies within this of its middle
_UNMEASURED, _ON_LABELS = 0.3, 0.6  # confidence in a size of before bone was changed, and in one measured anew on what was drawn
_LEAST_MM = 1.0  # a window that is left smaller is closed
_SEEN_MM, _BESIDE_MM = 35.0, 75.0  # of the canal beyond two vertebrae, and beside it: laminae hang down
_BONE_HU = 1000.0  # of a voxel that is labelled bone


def with_remeasured(now: Anatomy, before: Anatomy, edits: Sequence[Edit]) -> tuple[Anatomy, dict[str, str]]:
    """The openings after bone was changed beside them, and what is to be said of `windows` and `foramina`. before: as found.

    A window is measured in the labels before and after, and changes by the difference: so voxels' size cancels out. A foramen, and a window
    that labels do not show, keeps its size and is unsure. What a hand has put there is as it was put.
    """
    shaped = _shaped_by(edits)
    put = {edit.centre_mm for edit in edits if isinstance(edit, AddedWindow | AddedForamen)}
    kept = [one for one in now.windows if one.centre_mm in put]
    foramina = [one for one in now.foramina if one.centre_mm in put]
    words: dict[str, list[str]] = {"measured": [], "closed": [], "opened": [], "windows": [], "foramina": []}
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
            words["closed" if made is None else "windows" if first is None else "measured"].append(old.level)
    sides = {(one.between, one.side) for one in foramina}
    for hole in before.foramina:
        if (hole.between, hole.side) not in sides:
            near = shaped.is_near(hole.centre_mm)
            foramina.append(replace(hole, confidence=min(hole.confidence, _UNMEASURED)) if near else hole)
            words["foramina"] += [f"{hole.level} {hole.side}"] if near else []
    now = replace(
        now,
        windows=tuple(sorted(kept, key=lambda one: codes.rank(one.between[0]))),
        foramina=tuple(sorted(foramina, key=lambda one: codes.rank(one.between[0]))),
    )
    said = {
        "windows": [f"{verb} by what was drawn: {', '.join(words[key])}." for key, verb in _VERBS.items() if words[key]],
        "foramina": [],
    }
    for name in ("windows", "foramina"):
        said[name] += [f"Bone was changed by hand at {', '.join(words[name])}: the size there is that of before."] if words[name] else []
    return now, {name: " ".join(sentences) for name, sentences in said.items() if sentences}


_VERBS = {"measured": "Changed", "closed": "Closed", "opened": "Opened"}


@dataclass(frozen=True, eq=False)
class _Shaped:
    """Where bone was changed: places (n, 3) with how far from each (n,) an opening may be bounded by it; whole: all of it was."""

    places_mm: Floats
    reach_mm: Floats
    whole: bool

    def is_near(self, centre_mm: Point) -> bool:
        """Whether the bone that may bound an opening here was changed."""
        return self.whole or bool((np.linalg.norm(self.places_mm - centre_mm, axis=1) < self.reach_mm).any())


def _shaped_by(edits: Sequence[Edit]) -> _Shaped:
    bone = [edit for edit in edits if structure_of(edit) == "bone"]
    strokes = [(at, edit.radius_mm) for edit in bone if isinstance(edit, Stroke) for at in edit.points_mm]
    places = np.array([at for at, _ in strokes]).reshape(-1, 3)
    reach = _NEAR_OPENING_MM + np.array([radius for _, radius in strokes])
    return _Shaped(places, reach, not all(isinstance(edit, Stroke) for edit in bone))


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
    rows = (canal.s_mm > levels[0].s_mm - _SEEN_MM) & (canal.s_mm < levels[1].s_mm + _SEEN_MM)
    box = anatomy.frame.box_around(canal.centreline_mm[rows], _BESIDE_MM)
    bone = np.isin(anatomy.labels[box], codes.BONE).astype(np.int16) * np.int16(_BONE_HU)
    part = Volume(anatomy.frame.crop([side.start for side in box], [side.stop for side in box]), bone, "CT")
    return next(iter(find_windows(part, _BONE_HU / 2, canal, levels)), None)


def _changed(old: Window | None, first: Window | None, then: Window | None) -> Window | None:
    """A window that in the labels went from one size to another; None where it is closed."""
    if old is None:
        return replace(then, confidence=_UNMEASURED) if first is None and then is not None else None
    if first is None:
        return replace(old, confidence=min(old.confidence, _UNMEASURED))
    if then is None:
        return None
    height, width = old.height_mm + then.height_mm - first.height_mm, old.width_mm + then.width_mm - first.width_mm
    if min(height, width) < _LEAST_MM:
        return None
    x, y, z = (float(value) for value in np.add(old.centre_mm, np.subtract(then.centre_mm, first.centre_mm)))
    tilt = old.tilt_deg + then.tilt_deg - first.tilt_deg
    return replace(old, centre_mm=(x, y, z), height_mm=height, width_mm=width, tilt_deg=tilt, confidence=min(old.confidence, _ON_LABELS))


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
