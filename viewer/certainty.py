"""Which parts of an outline were seen in the scan, and which are modelled or bridged: those are drawn dashed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from planner.anatomy.spine import Anatomy, Canal

_EVENED_MM = 2.5  # what is shorter than this along a line is no part of its own
_TURNS = 3


def modelled_parts(anatomy: Anatomy, name: str, points_mm: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """(n,): which points (n, 3) LPS of a closed line round the canal or the sac lie where it was bridged or modelled rather than seen. None
    for other structures, and where nobody knows."""
    if name == "canal":
        unseen = anatomy.canal.bridged
    elif name == "sac" and anatomy.sac is not None:
        unseen = ~anatomy.sac.seen
    else:
        return None
    if len(unseen) < 2 or not len(points_mm):
        return None
    row, direction = around_canal(anatomy.canal, points_mm, unseen.shape[1])
    return np.asarray(evened(unseen[row, direction].astype(np.uint8), points_mm), dtype=np.bool_)


def evened(parts: NDArray[np.uint8], points_mm: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Small codes (n,) along a closed line of points (n, 3): each becomes the commonest near it."""
    step_mm = float(np.median(np.linalg.norm(np.diff(points_mm, axis=0), axis=1))) if len(points_mm) > 1 else 1.0
    half = min(round(_EVENED_MM / max(step_mm, 0.1) / 2), (len(parts) - 1) // 2)
    held = np.unique(parts)
    around = np.pad(parts, half, mode="wrap")
    counts = [np.convolve(around == code, np.ones(2 * half + 1), mode="valid") for code in held]
    return np.asarray(held[np.argmax(counts, axis=0)])


def around_canal(canal: Canal, points_mm: NDArray[np.float64], directions: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The cross-section that each point lies in, and the nearest of its directions."""
    line = canal.centreline_mm
    last = len(line) - 1
    step_mm = float(canal.s_mm[-1]) / last
    tangent = np.gradient(line, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    order = np.argsort(line[:, 2])
    place = np.interp(points_mm[:, 2], line[order, 2], order.astype(np.float64))
    row = np.clip(np.rint(place), 0, last).astype(np.intp)
    for _ in range(_TURNS):
        place = row + ((points_mm - line[row]) * tangent[row]).sum(axis=1) / step_mm
        row = np.clip(np.rint(place), 0, last).astype(np.intp)
    offset = points_mm - line[row]
    turn = np.arctan2((offset * canal.back[row]).sum(axis=1), (offset * canal.left[row]).sum(axis=1)) / (2 * np.pi)
    return row, np.rint(turn * directions).astype(np.intp) % directions


def runs_of(parts: NDArray[np.generic]) -> list[tuple[int, int, int]]:
    """(first, last, value) of the stretches of a closed line whose points have these whole values; a stretch ends on the first point of
    the next. One for a line of one kind."""
    n = len(parts)
    changes = np.flatnonzero(parts != np.roll(parts, 1))
    if not len(changes):
        return [(0, n, int(parts[0]))] if n else []
    ends = [*changes[1:].tolist(), int(changes[0]) + n]
    return [(int(start), int(end), int(parts[start])) for start, end in zip(changes, ends)]
