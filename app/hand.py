"""What a hand does in the views becomes an edit of the anatomy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from planner.refusal import Refusal
from viewer.brush import Brush, Drawn, Pulled

if TYPE_CHECKING:
    from app.desk import Desk, Point
    from planner.anatomy.by_hand.edits import Edit


def brush_of(desk: Desk) -> Brush | None:
    """The brush that the desk's gesture puts into the hand; None for another gesture, and while there is nothing to draw on. Where no canal
    was found it is the ball that draws one."""
    tool = desk.gesture
    if desk.session.anatomy.value is None:
        return Brush("ball", "canal", desk.size_mm) if tool == "ball" and desk.session.anatomy.state == "refused" else None
    if tool == "disc" or tool == "ball" or tool == "wall" or tool == "middle" or tool == "level":
        return Brush(tool, desk.drawn, desk.size_mm)
    return None


def edit_of(desk: Desk, done: Drawn | Pulled) -> Edit | None:
    """The edit that a stroke or a drag stands for; None, with the desk's problem, where it is none."""
    from planner.anatomy.by_hand.edits import CentrelinePoint, Drawable, MovedLevel, WallPoint, stroke

    brush = done.brush
    if isinstance(done, Drawn):
        structure = cast(Drawable, brush.structure)  # it came from `brush_of`
        try:
            return stroke(structure, "erase" if done.erase else "draw", done.points_mm, brush.radius_mm, done.normal, done.half_mm)
        except Refusal as refusal:
            desk.problem = str(refusal)
            return None
    if brush.tool == "wall":
        return WallPoint(done.from_mm, done.to_mm, brush.reach_mm)
    if brush.tool == "middle":
        return CentrelinePoint(done.from_mm, done.to_mm, brush.reach_mm)
    return MovedLevel(done.from_mm, done.to_mm)


def added(desk: Desk, kind: Literal["window", "foramen", "add level"], at: Point) -> Edit | None:
    """A vertebra at a place, or a window or a foramen of the brush's size; a window is tilted as its nearest neighbour is."""
    from math import dist

    from planner.anatomy.by_hand.edits import AddedForamen, AddedLevel, AddedWindow

    anatomy, size_mm = desk.session.anatomy.value, 2 * desk.size_mm
    if kind == "add level":
        return AddedLevel(at)
    if kind == "foramen":
        return AddedForamen(at, size_mm, size_mm)
    near = min(anatomy.windows, key=lambda one: dist(one.centre_mm, at), default=None) if anatomy is not None else None
    return AddedWindow(at, size_mm, size_mm, near.tilt_deg if near is not None else 0.0)
