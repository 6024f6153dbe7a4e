"""Positions of slices -> where they are even, where not, and by how much they are sheared. Positions alone decide, never a tag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import acos, degrees

import numpy as np

from planner.geometry import Floats, Frame

EVEN_MM = 0.06  # a slice is at its place within this or this share of a step: positions are rounded, some to 0.1 mm (algorithms 6)
EVEN_SHARE = 0.01
STEP_MM = 0.12  # and a step is like the others within twice that
SAME_PLACE_MM = 0.01
ROUNDING_MM = 0.005  # of a component of the grid, at the far corner
SLIP_MM = 0.1  # a stack that slips sideways by less over its whole length is upright
NO_GAP = (0.7, 1.3)  # shares of the usual step between which a step is odd, yet neither a gap nor a doubled slice
SHOWN = NO_GAP[1] - 1.0  # a slice shows this share of a step beyond its place
LEAST_BLOCK = 10  # slices of an even block that is worth offering on its own
LEAST_RUN = 3  # slices on either side of a gap: fewer may have a damaged position
MOST_LACKING = 0.5  # slices in gaps, of those that are there


class Crooked(ValueError):  # noqa: N818 - a sentence for the user
    """Raised with a sentence when an orientation is no orientation."""


@dataclass(frozen=True)
class Stack:
    """Slices in the order of their positions along the normal.

    order: indices into the slices given. along_mm: distance along the normal from the first, one per slice in order.
    step_mm: (3,) vector between neighbours: the mean where most are even, else the median.
    blocks: (start, stop) in order, of the even runs, longest first; one block of all slices where the stack is even.
    """

    order: tuple[int, ...]
    positions_mm: Floats
    along_mm: Floats
    step_mm: Floats
    normal: Floats
    blocks: tuple[tuple[int, int], ...]

    @property
    def even(self) -> bool:
        return self.blocks == ((0, len(self.order)),)

    @property
    def without_gap(self) -> bool:
        """Whether slices lie on one line and every step is near the usual one: what lies between them can be interpolated."""
        steps = np.diff(self.positions_mm, axis=0)
        usual = float(np.median(np.linalg.norm(steps, axis=1))) if len(steps) else 0.0
        if usual <= SAME_PLACE_MM:
            return False
        line = (self.positions_mm[-1] - self.positions_mm[0]) / float(np.linalg.norm(self.positions_mm[-1] - self.positions_mm[0]))
        along = steps @ line
        off = self.positions_mm - self.positions_mm[0]
        off = off - np.outer(off @ line, line)
        on_line = float(np.linalg.norm(off, axis=1).max()) <= max(EVEN_MM, EVEN_SHARE * usual)
        return on_line and bool((along >= NO_GAP[0] * usual).all() and (along <= NO_GAP[1] * usual).all())

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """(start, stop) in order, of even runs of one step on one line that have gaps between them and hold every slice; none where
        that is not so, where a run is so short that its slices may be misplaced, or where too much lies in the gaps."""
        runs = sorted(self.blocks)
        steps = np.diff(self.positions_mm, axis=0)
        if len(runs) < 2 or runs[0][0] != 0 or runs[-1][1] != len(self.order) or any(a[1] != b[0] for a, b in pairwise(runs)):
            return ()
        step = np.concatenate([steps[start : stop - 1] for start, stop in runs]).mean(axis=0)
        length = float(np.linalg.norm(step))
        off = self.positions_mm - self.positions_mm[0]
        off = off - np.outer(off @ step, step) / length**2
        on_line = float(np.linalg.norm(off, axis=1).max()) <= max(EVEN_MM, EVEN_SHARE * length)
        alike = all(_like(steps[start : stop - 1].mean(axis=0), step) and stop - start >= LEAST_RUN for start, stop in runs)
        wide = [float(steps[stop - 1] @ step) / length**2 for _, stop in runs[:-1]]
        enough = sum(wide) - len(wide) <= MOST_LACKING * len(self.order) and max(stop - start for start, stop in runs) >= LEAST_BLOCK
        return tuple(runs) if on_line and alike and min(wide) > NO_GAP[1] and enough else ()

    def filled(self) -> tuple[Stack, tuple[float, ...]]:
        """The stack with its gaps filled by slices at even steps, and where on it the slices that are there lie, in steps."""
        steps = np.diff(self.positions_mm, axis=0)
        step = np.concatenate([steps[start : stop - 1] for start, stop in self.runs]).mean(axis=0)
        lies_at = (self.positions_mm - self.positions_mm[0]) @ step / (step @ step)
        count = int(lies_at[-1] + SHOWN) + 1
        places = self.positions_mm[0] + np.arange(count)[:, None] * step
        along = (places - places[0]) @ self.normal
        return Stack(tuple(range(count)), places, along, step, self.normal, ((0, count),)), tuple(lies_at.tolist())

    @property
    def distance_mm(self) -> float:
        """Between neighbouring slices, along their normal."""
        return abs(float(self.step_mm @ self.normal))

    @property
    def tilt_deg(self) -> float:
        """Angle of the step against the normal: that of the gantry, where slices of a straight stack are tilted."""
        length = float(np.linalg.norm(self.step_mm))
        return degrees(acos(min(1.0, self.distance_mm / length))) if length > 0 else 0.0

    @property
    def sheared(self) -> bool:
        sideways = self.step_mm - (self.step_mm @ self.normal) * self.normal
        return bool(np.linalg.norm(sideways) * max(1, len(self.order) - 1) > SLIP_MM)


def axes(along_row: Sequence[float], along_column: Sequence[float]) -> tuple[Floats, Floats, Floats]:
    """Unit vectors along a row, along a column, and their normal, at right angles. Raises Crooked."""
    row, column = np.array(along_row, dtype=np.float64), np.array(along_column, dtype=np.float64)
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if not all(0.99 < length < 1.01 for length in lengths) or abs(row @ column) > 0.01:
        raise Crooked("The orientation of the slices is damaged: its two directions are not at right angles.")
    row /= lengths[0]
    column -= (column @ row) * row
    column /= np.linalg.norm(column)
    return row, column, np.cross(row, column)


def arrange(positions_mm: Floats, normal: Floats) -> Stack:
    """Sort slices at positions (n, 3) along the normal, toward the head, the back or the left, and see where they are even."""
    if normal[np.abs(normal).argmax()] < 0:
        normal = -normal
    along = positions_mm @ normal
    order = np.argsort(along, kind="stable")
    places = positions_mm[order]
    steps = np.diff(places, axis=0)
    moving = steps[np.linalg.norm(steps, axis=1) > SAME_PLACE_MM]
    usual = np.median(moving, axis=0) if len(moving) else np.zeros(3)
    blocks = ((0, len(places)),) if _even(places) else _blocks(places, steps)
    if len(steps) and blocks and 2 * (blocks[0][1] - blocks[0][0]) > len(places):
        start, stop = blocks[0]
        usual = (places[stop - 1] - places[start]) / (stop - 1 - start)
    return Stack(tuple(int(n) for n in order), places, along[order] - along[order[0]], usual, normal, blocks)


def _even(places: Floats) -> bool:
    """Whether slices lie on one line at equal steps, within rounding."""
    if len(places) < 3:
        return True
    count = np.arange(len(places)) - (len(places) - 1) / 2
    step = count @ places / (count @ count)
    off = places - places.mean(axis=0) - np.outer(count, step)
    length = float(np.linalg.norm(step))
    return length > SAME_PLACE_MM and float(np.linalg.norm(off, axis=1).max()) <= max(EVEN_MM, EVEN_SHARE * length)


def _blocks(places: Floats, steps: Floats) -> tuple[tuple[int, int], ...]:
    """(start, stop) of even runs, as slices, longest first. Neighbouring runs share the slice between them."""
    runs: list[tuple[int, int]] = []
    start = 0
    while start < len(steps):
        stop = start + 1
        while stop < len(steps) and _like(steps[stop], steps[start:stop].mean(axis=0)):
            stop += 1
        if stop - start > 1 and _even(places[start : stop + 1]):
            runs.append((start, stop + 1))
        start = stop
    return tuple(sorted(runs, key=lambda run: run[0] - run[1]))


def _like(step: Floats, expected: Floats) -> bool:
    return float(np.linalg.norm(step - expected)) <= max(STEP_MM, 2 * EVEN_SHARE * float(np.linalg.norm(expected)))


def odd_steps(stack: Stack) -> list[tuple[int, float, float]]:
    """Where the steps change: (slice before, 0 ..; its step in mm; the step expected there), steps along the normal."""
    distances = np.diff(stack.along_mm)
    usual = stack.distance_mm
    allowed = max(STEP_MM, 2 * EVEN_SHARE * usual)
    return [(n, float(d), usual) for n, d in enumerate(distances) if abs(d - usual) > allowed]


def grid(
    stack: Stack, block: tuple[int, int], row: Floats, column: Floats, row_mm: float, column_mm: float, size: tuple[int, int]
) -> Frame:
    """The frame of an even block: columns of the affine are the step, a row down, a column along (reference: algorithms 6).

    Rounding in the positions is taken out: a stack that slips less than SLIP_MM is made rectangular, one that lies along the
    world's axes within EVEN_MM at its corners is laid along them, and of any other what moves no corner by more than ROUNDING_MM.
    """
    start, stop = block
    places = stack.positions_mm[start:stop]
    step = (places[-1] - places[0]) / max(1, stop - start - 1)
    sideways = step - (step @ stack.normal) * stack.normal
    if np.linalg.norm(sideways) * (stop - start) <= SLIP_MM:
        step = (step @ stack.normal) * stack.normal
    linear = np.column_stack([step, column * row_mm, row * column_mm])
    reach = np.abs(linear) * np.array([stop - start, *size])
    along = np.where(np.abs(linear) > 0.01 * np.linalg.norm(linear, axis=0), linear, 0.0)
    if np.count_nonzero(along) == 3 and np.where(along == 0.0, reach, 0.0).sum(axis=1).max() <= EVEN_MM:
        linear = along
    linear = np.where(reach > ROUNDING_MM, linear, 0.0)
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = places[0]
    return Frame((stop - start, *size), affine)
