"""Landmarks by hand: those of vertebrae whose bone was changed, measured anew in the labels.

As with openings, a landmark is measured in the labels as they were found and as they are now, and moves by the difference, so that voxels'
size cancels out. Joints are dark gaps of the scan, which labels do not show: they stay, unsure, or go with their bone.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from math import dist
from typing import TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from planner.anatomy import labels as codes
from planner.anatomy.beside import both_sides
from planner.anatomy.by_hand.edits import Edit, Point, Stroke, structure_of
from planner.anatomy.by_hand.openings import BONE_HU, ON_LABELS, UNMEASURED, bone_around, stretch_about
from planner.anatomy.by_hand.strokes import stroke_mask
from planner.anatomy.landmarks import find_landmarks
from planner.anatomy.pedicles import find_pedicles
from planner.anatomy.spine import Anatomy, Facet, Lamina, Landmarks, Pedicle, Side
from planner.geometry import Floats

_BEYOND_MM, _BESIDE_MM = 12.0, 48.0  # of the canal beyond a vertebra's neighbours, and beside it: as far as pedicles and joints lie
_FAR_MM = 110.0  # along the body from a vertebra's middle: nothing beyond has a part in what is measured of it
_AT_JOINT_MM, _LEFT_OF_JOINT = 4.0, 0.6  # a joint is gone with so much of the bone this near to it
_AGREE_MM = 3.0  # a pedicle in scan and labels

One = TypeVar("One", Pedicle, Lamina, Facet)
_SIDES: tuple[Side, ...] = get_args(Side)


def with_landmarks(now: Anatomy, before: Anatomy, shaped: Set[str], last: NDArray[np.uint8], fresh: Set[str]) -> Anatomy:
    """The landmarks of the vertebrae whose bone was changed by hand, as the labels show them now, whatever changed them since. before: as
    found. shaped: these vertebrae; fresh: those of them that are new. last: the labels that the landmarks of `now` were measured in."""
    if not shaped or not now.landmarks or before.structure("bone").provenance == "not checked":  # in MR arches are seen, but not labelled
        return now
    differing = [k for k, (one, other) in enumerate(zip(last, now.labels)) if not np.array_equal(one, other)]
    heights_mm = now.frame.affine[2, 3] + now.frame.spacing_mm[0] * np.array(differing)
    near = {level.name for level in before.levels if (np.abs(heights_mm - level.centre_mm[2]) < _FAR_MM).any()}
    touched = fresh | (shaped & near)
    found = {marks.vertebra: marks for marks in before.landmarks}
    return replace(now, landmarks=tuple(_anew(now, before, found, marks, touched) for marks in now.landmarks))


def landmark_words(now: Anatomy, before: Anatomy, changed: Sequence[str]) -> str:
    """What is said of landmarks that strokes changed; nothing where all are as found. changed: the levels at which bone was."""
    if changed and before.landmarks and before.structure("bone").provenance == "not checked":
        return f"Bone was changed by hand at {', '.join(changed)}: landmarks there are those of before."
    words: dict[str, list[str]] = {"Changed": [], "Gone": [], "Unsure": []}
    found = {marks.vertebra: marks for marks in before.landmarks}
    for marks in now.landmarks:
        old = found.get(marks.vertebra)
        if old is None or old is marks:
            continue
        for name, was, here in _pairs(old, marks):
            if here is None and was is not None:
                words["Gone"].append(f"{marks.vertebra} {name}")
            elif here != was:
                unsure = isinstance(was, Pedicle | Facet) and isinstance(here, Pedicle | Facet) and here.centre_mm == was.centre_mm
                words["Unsure" if unsure else "Changed"].append(f"{marks.vertebra} {name}")
    return " ".join(f"{verb} by what was drawn: {', '.join(names)}." for verb, names in words.items() if names)


def _pairs(old: Landmarks, new: Landmarks) -> list[tuple[str, object, object]]:
    """(name, as it was, as it is) of each landmark of a vertebra; None for what is not there."""
    pairs: list[tuple[str, object, object]] = [
        ("spinous tip", old.spinous_tip_mm, new.spinous_tip_mm),
        ("midline", (old.midline_mm, old.midline_normal), (new.midline_mm, new.midline_normal)),
    ]
    for side in _SIDES:
        pairs += [(f"{side} pedicle", _on(old.pedicles, side), _on(new.pedicles, side))]
        pairs += [(f"{side} lamina", _on(old.laminae, side), _on(new.laminae, side))]
        pairs += [(f"{side} joint", _on(old.facets, side), _on(new.facets, side))]
    return pairs


def vertebrae_under(now: Anatomy, edit: Edit) -> frozenset[str]:
    """The vertebrae whose bone is under an edit of bone; all of them where it changes the whole mask."""
    names = {codes.vertebra(level.name): level.name for level in now.levels}
    if structure_of(edit) != "bone":
        return frozenset()
    if not isinstance(edit, Stroke):
        return frozenset(names.values())
    box, mask = stroke_mask(now.frame, edit)
    return frozenset(names[code] for code in np.unique(now.labels[box][mask]).tolist() if code in names)


def _anew(now: Anatomy, before: Anatomy, found: dict[str, Landmarks], marks: Landmarks, touched: Set[str]) -> Landmarks:
    """The landmarks of one vertebra. It is as found where nothing differs, so that what is drawn back leaves no trace."""
    old = found.get(marks.vertebra)
    if old is None:
        return marks
    made = marks
    if marks.vertebra in touched:
        made = _moved(now, before, old, *(_in_labels(before, anatomy.labels, marks.vertebra) for anatomy in (before, now)))
    if touched & {marks.vertebra, *(name for joint in old.facets for name in joint.between)}:
        made = replace(made, facets=_moved_joints(now, before, old.facets))
    return old if all(was == here for _, was, here in _pairs(old, made)) else made


def _in_labels(anatomy: Anatomy, labels: NDArray[np.uint8], vertebra: str) -> Landmarks | None:
    """The landmarks of one vertebra as its labelled bone shows them, without joints; in the planes of the canal as it was found."""
    at = next((n for n, level in enumerate(anatomy.levels) if level.name == vertebra), None)
    if at is None or len(anatomy.canal.centreline_mm) < 4:
        return None
    canal, near = stretch_about(anatomy.canal, anatomy.levels[max(at - 1, 0) : at + 2], _BEYOND_MM)
    if len(canal.centreline_mm) < 4:
        return None
    bone = bone_around(replace(anatomy, labels=labels), canal.centreline_mm, _BESIDE_MM)
    sides = both_sides(bone, BONE_HU / 2, canal)
    pedicles = tuple(one for one in find_pedicles(sides, canal, near) if one.vertebra == vertebra)
    found = find_landmarks(sides, labels, anatomy.frame, canal, near, pedicles)
    return next((marks for marks in found if marks.vertebra == vertebra), None)


# ---- one vertebra before and after ----------------------------------------------------------------------------------------------------


def _moved(now: Anatomy, before: Anatomy, old: Landmarks, first: Landmarks | None, then: Landmarks | None) -> Landmarks:
    """Landmarks that in the labels went from one place to another."""
    if first is None or then is None:
        return old
    pedicles, laminae = [], []
    for side in _SIDES:
        pedicle = _on(old.pedicles, side)
        if pedicle is not None:
            made = _moved_pedicle(now, before, pedicle, _on(first.pedicles, side), _on(then.pedicles, side))
            pedicles += [made] if made is not None else []
        edges = [_edges(marks, side) for marks in (old, first, then)]
        upper, lower = (_moved_point(*(pair[n] for pair in edges)) for n in (0, 1))
        laminae += [Lamina(side, upper, lower)] if upper is not None or lower is not None else []
    tip = _moved_point(old.spinous_tip_mm, first.spinous_tip_mm, then.spinous_tip_mm)
    made_of = replace(old, pedicles=tuple(pedicles), laminae=tuple(laminae), spinous_tip_mm=tip)
    if len(pedicles) < 2 or (first.midline_mm, first.midline_normal) == (then.midline_mm, then.midline_normal):
        return made_of
    normal = np.add(old.midline_normal, np.subtract(then.midline_normal, first.midline_normal))
    middle = np.add(old.midline_mm, np.subtract(then.midline_mm, first.midline_mm))
    return replace(made_of, midline_mm=_point(middle), midline_normal=_point(normal / np.linalg.norm(normal)))


def _on(ones: Sequence[One], side: Side) -> One | None:
    return next((one for one in ones if one.side == side), None)


def _edges(marks: Landmarks, side: Side) -> tuple[Point | None, Point | None]:
    """The upper and the lower edge of a lamina."""
    lamina = _on(marks.laminae, side)
    return (None, None) if lamina is None else (lamina.upper_mm, lamina.lower_mm)


def _moved_point(old: Point | None, first: Point | None, then: Point | None) -> Point | None:
    """A place that in the labels went from one to another; None where it is no more. One that labels did not show stays."""
    if first == then or (old is None) != (first is None):
        return old
    if old is None or first is None or then is None:
        return then
    return _point(np.add(old, np.subtract(then, first)))


def _moved_pedicle(now: Anatomy, before: Anatomy, old: Pedicle, first: Pedicle | None, then: Pedicle | None) -> Pedicle | None:
    """A pedicle that in the labels went from one size to another; None where it is no more."""
    if first is None or not _agree(old, first):
        same = _bone_at(now, old.centre_mm, old.height_mm / 2) == _bone_at(before, old.centre_mm, old.height_mm / 2)
        return old if same else replace(old, confidence=min(old.confidence, UNMEASURED))
    if then is None:
        return None
    shape = first.centre_mm, first.axis, first.width_mm, first.height_mm
    if shape == (then.centre_mm, then.axis, then.width_mm, then.height_mm):
        return old
    width, height = old.width_mm + then.width_mm - first.width_mm, old.height_mm + then.height_mm - first.height_mm
    if min(width, height) <= 0.0:
        return None
    axis = np.add(old.axis, np.subtract(then.axis, first.axis))
    centre = _point(np.add(old.centre_mm, np.subtract(then.centre_mm, first.centre_mm)))
    sure = min(old.confidence, ON_LABELS)
    return Pedicle(old.vertebra, old.side, centre, _point(axis / np.linalg.norm(axis)), width, height, sure)


def _agree(old: Pedicle, first: Pedicle) -> bool:
    """Whether labels show a pedicle as the scan did."""
    sizes = abs(first.width_mm - old.width_mm), abs(first.height_mm - old.height_mm), dist(first.centre_mm, old.centre_mm)
    return max(sizes) <= _AGREE_MM


def _moved_joints(now: Anatomy, before: Anatomy, joints: Sequence[Facet]) -> tuple[Facet, ...]:
    """The joints that still have bone; unsure where it was changed."""
    kept = []
    for joint in joints:
        was, left = (_bone_at(anatomy, joint.centre_mm, _AT_JOINT_MM) for anatomy in (before, now))
        if left == was:
            kept.append(joint)
        elif left >= _LEFT_OF_JOINT * was:
            kept.append(replace(joint, confidence=min(joint.confidence, UNMEASURED)))
    return tuple(kept)


def _bone_at(anatomy: Anatomy, centre_mm: Point, radius_mm: float) -> int:
    """Voxels of labelled bone around a place."""
    return int(anatomy.mask(codes.BONE, anatomy.frame.box_around(centre_mm, radius_mm)).sum())


def _point(values: Floats) -> Point:
    x, y, z = (float(value) for value in values)
    return x, y, z
