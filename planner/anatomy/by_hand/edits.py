"""What a person changes in an anatomy by hand, as values: decisions of the case, applied anew whenever the anatomy is (`apply.edited`).

All places are LPS in mm, so that an edit means the same place whatever the vertebrae are called and however the canal is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import dist, isfinite
from typing import Literal, get_args

import numpy as np

from planner.geometry import Floats
from planner.refusal import Refusal

Point = tuple[float, float, float]
Drawable = Literal[
    "bone", "canal", "sac", "cord", "roots", "ligamentum flavum", "contrast outside", "skin",
    "lung", "bowel gas", "kidney", "aorta", "vena cava", "vertebral artery",
]  # fmt: skip
"""Structures that have a mask."""
DRAWABLE: tuple[Drawable, ...] = get_args(Drawable)
Mode = Literal["draw", "erase"]

MOST_EDITS = 20_000
LEAST_RADIUS_MM, MOST_RADIUS_MM = 0.5, 30.0
MOST_GROWTH_MM = 5.0
_MOST_POINTS = 2_000
_STRAIGHT = 0.1  # of the radius: what a stroke may stray when points are left out
_DIGITS = 2  # hundredths of a millimetre: far below a voxel, and short in the file


@dataclass(frozen=True)
class Stroke:
    """A brush drawn along a path. normal: unit vector square to the slice in which it was drawn, of which it fills half_mm to either side;
    None for a ball."""

    structure: Drawable
    mode: Mode
    points_mm: tuple[Point, ...]
    radius_mm: float
    normal: Point | None = None
    half_mm: float = 0.0
    kind: Literal["stroke"] = "stroke"


@dataclass(frozen=True)
class Grow:
    """A whole mask grown by so many mm, or shrunk where negative."""

    structure: Drawable
    by_mm: float
    kind: Literal["grow"] = "grow"


@dataclass(frozen=True)
class Smooth:
    """A whole mask smoothed over so many mm."""

    structure: Drawable
    by_mm: float
    kind: Literal["smooth"] = "smooth"


@dataclass(frozen=True)
class WallPoint:
    """A point of the canal's wall pulled to another place in its direction; the wall within about reach_mm follows."""

    from_mm: Point
    to_mm: Point
    reach_mm: float
    kind: Literal["wall point"] = "wall point"


@dataclass(frozen=True)
class CentrelinePoint:
    """The canal with all that it holds moved sideways at a point of its middle; what lies within about reach_mm along it follows."""

    from_mm: Point
    to_mm: Point
    reach_mm: float
    kind: Literal["centreline point"] = "centreline point"


@dataclass(frozen=True)
class MovedLevel:
    """The middle of the vertebra nearest to from_mm put elsewhere."""

    from_mm: Point
    to_mm: Point
    kind: Literal["moved level"] = "moved level"


@dataclass(frozen=True)
class AddedWindow:
    """A gap between two laminae; it takes the place of the one of its level. Sizes and tilt as of `spine.Window`."""

    centre_mm: Point
    height_mm: float
    width_mm: float
    tilt_deg: float
    kind: Literal["added window"] = "added window"


@dataclass(frozen=True)
class AddedForamen:
    """A side opening; it takes the place of the one of its level and side. Sizes as of `spine.Foramen`."""

    centre_mm: Point
    height_mm: float
    width_mm: float
    kind: Literal["added foramen"] = "added foramen"


@dataclass(frozen=True)
class AddedLevel:
    """The middle of a vertebra that was not found; its name is counted from its neighbours'."""

    centre_mm: Point
    kind: Literal["added level"] = "added level"


Edit = Stroke | Grow | Smooth | WallPoint | CentrelinePoint | MovedLevel | AddedWindow | AddedForamen | AddedLevel


def structure_of(edit: Edit) -> str:
    """The structure that an edit changes, under its name in `Anatomy.structures`."""
    match edit:
        case Stroke() | Grow() | Smooth():
            return edit.structure
        case WallPoint() | CentrelinePoint():
            return "canal"
        case MovedLevel() | AddedLevel():
            return "levels"
        case AddedWindow():
            return "windows"
        case AddedForamen():
            return "foramina"


def edit_words(edit: Edit) -> str:
    """What was done, as the Undo menu says it: `draw bone`, `move the canal's wall`."""
    match edit:
        case Stroke():
            return f"{edit.mode} {edit.structure}"
        case Grow():
            return f"{'grow' if edit.by_mm > 0 else 'shrink'} {edit.structure} by {abs(edit.by_mm):g} mm"
        case Smooth():
            return f"smooth {edit.structure} over {edit.by_mm:g} mm"
        case WallPoint():
            return "move the canal's wall"
        case CentrelinePoint():
            return "move the canal"
        case MovedLevel():
            return "move a level"
        case AddedLevel():
            return "add a vertebra"
        case AddedWindow():
            return "add a window"
        case AddedForamen():
            return "add a foramen"


def places_of(edit: Edit) -> tuple[Point, ...]:
    """Where an edit is; none for one of a whole mask."""
    match edit:
        case Stroke():
            return edit.points_mm
        case WallPoint() | CentrelinePoint() | MovedLevel():
            return edit.from_mm, edit.to_mm
        case AddedWindow() | AddedForamen() | AddedLevel():
            return (edit.centre_mm,)
        case Grow() | Smooth():
            return ()


def sound(edit: Edit) -> Edit:
    """The edit itself where its numbers are such as a hand makes; a Refusal where they are not."""
    numbers = [value for place in places_of(edit) for value in place]
    if not all(isfinite(value) for value in numbers):
        raise Refusal("The edit is at no place.", "Draw it again.")
    problem = _unsound(edit)
    if problem is not None:
        raise Refusal(problem, "Choose another size, and try again.")
    return edit


def _unsound(edit: Edit) -> str | None:
    match edit:
        case Stroke():
            if not 0 < len(edit.points_mm) <= _MOST_POINTS:
                return f"A stroke has between 1 and {_MOST_POINTS} points."
            if edit.normal is not None and not (0.99 < dist(edit.normal, (0, 0, 0)) < 1.01 and 0 < edit.half_mm <= MOST_RADIUS_MM):
                return "A stroke in a slice needs the slice."
            return _unsound_size(edit.radius_mm)
        case Grow():
            return None if 0 < abs(edit.by_mm) <= MOST_GROWTH_MM else f"A mask grows or shrinks by {MOST_GROWTH_MM:g} mm at most."
        case Smooth():
            return None if 0 < edit.by_mm <= MOST_GROWTH_MM else f"A mask is smoothed over {MOST_GROWTH_MM:g} mm at most."
        case WallPoint() | CentrelinePoint():
            return _unsound_size(edit.reach_mm)
        case AddedWindow() | AddedForamen():
            sizes = _unsound_size(edit.height_mm / 2) or _unsound_size(edit.width_mm / 2)
            tilted = isinstance(edit, AddedWindow) and not abs(edit.tilt_deg) <= 80.0
            return "A needle goes through a window at less than 80 degrees." if tilted else sizes
        case MovedLevel() | AddedLevel():
            return None


def _unsound_size(size_mm: float) -> str | None:
    """None for a size that a brush has; NaN has none."""
    if LEAST_RADIUS_MM <= size_mm <= MOST_RADIUS_MM:
        return None
    return f"{size_mm:g} mm is no size for this: it goes from {LEAST_RADIUS_MM:g} to {MOST_RADIUS_MM:g} mm."


def stroke(
    structure: Drawable,
    mode: Mode,
    points_mm: Sequence[Sequence[float]],
    radius_mm: float,
    normal: Sequence[float] | None = None,
    half_mm: float = 0.0,
) -> Stroke:
    """The stroke of a hand that passed these points: without those that a straight line holds. Raises Refusal for what is no stroke."""
    points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
    kept = np.round(_thinned(points, _STRAIGHT * radius_mm), _DIGITS)
    square = None if normal is None else _rounded(normal, 6)
    made = Stroke(structure, mode, tuple(_rounded(at) for at in kept[:_MOST_POINTS]), round(radius_mm, _DIGITS), square, round(half_mm, 4))
    sound(made)
    return made


def _rounded(values: Sequence[float] | Floats, digits: int = _DIGITS) -> Point:
    x, y, z = (round(float(value), digits) for value in values)
    return x, y, z


def _thinned(points: Floats, stray_mm: float) -> Floats:
    """Without points that lie within stray_mm of the line through those that are kept (Douglas and Peucker 1973)."""
    keep = np.zeros(len(points), dtype=np.bool_)
    keep[[0, -1]] = True
    spans = [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        a, b = points[first], points[last]
        along, offset = b - a, points[first + 1 : last] - a
        share = np.clip(offset @ along / max(float(along @ along), 1e-12), 0.0, 1.0)
        off = np.linalg.norm(offset - share[:, None] * along, axis=1)
        farthest = int(off.argmax())
        if off[farthest] > stray_mm:
            at = first + 1 + farthest
            keep[at] = True
            spans += [(first, at), (at, last)]
    return points[keep]
