"""A grid whose planes are made of others, each as soon as those that it is made of are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.geometry import Frame, Gap, axial_frame_over
from planner.geometry.sampling import plane_sampler

Span = tuple[int, int]
"""First and last of what is there, both included."""

_WHOLE = 1e-6  # of a step: a slice that lies at a whole number is taken as it is


class Planes:
    """frame: of the planes. voxels: on it, of the type of what they are made of; planes that are not made are left as they are.

    first, last: what each plane is made of. make: makes one, of its number, into its place. gaps: hold `empty` in all that is made.
    """

    def __init__(
        self, frame: Frame, voxels: NDArray[Any], first: NDArray[np.int64], last: NDArray[np.int64],
        make: Callable[[int, NDArray[Any]], None], gaps: tuple[Gap, ...] = (), empty: float = 0.0,
    ) -> None:  # fmt: skip
        self.frame, self.voxels = frame, voxels
        self._first, self._last, self._make, self._gaps, self._empty = first, last, make, gaps, empty
        self._made = np.zeros(len(voxels), np.bool_)
        self._outwards = outwards(np.arange(len(voxels)), len(voxels) // 2)

    def needs(self, planes: Span) -> Span:
        """What these planes are made of."""
        one, other = planes
        return int(self._first[one : other + 1].min()), int(self._last[one : other + 1].max())

    def grow(self, there: Span) -> Iterator[None]:
        """Make the planes for which what is there is enough, the middle one first; one a turn."""
        ready = ~self._made & (self._first >= there[0]) & (self._last <= there[1])
        for k in self._outwards[ready[self._outwards]].tolist():
            self._make(k, self.voxels[k])
            for gap in self._gaps:
                gap.fill(self.voxels, self.frame, self._empty, (k,))
            self._made[k] = True
            yield

    @property
    def made(self) -> Span | None:
        """From the first to the last that is made."""
        there = np.flatnonzero(self._made)
        return (int(there[0]), int(there[-1])) if len(there) else None

    def forget(self) -> None:
        """All planes are to be made again."""
        self._made[:] = False


def outwards(at: ArrayLike, middle: float) -> NDArray[np.int64]:
    """Numbers of what lies at these places, the nearest to the middle first."""
    return np.abs(np.asarray(at, dtype=np.float64) - middle).argsort(kind="stable")


def evened(slices: NDArray[Any], lies_at: Sequence[float], frame: Frame, gaps: tuple[Gap, ...], empty: float) -> Planes:
    """Slices at whole numbers of `frame`, each interpolated between its two neighbours among those that are taken."""
    at, k = np.array(lies_at), np.arange(frame.shape[0])
    after = np.clip(np.searchsorted(at, k), 1, len(at) - 1)
    share = np.clip((k - at[after - 1]) / (at[after] - at[after - 1]), 0.0, 1.0)
    first, last = np.where(share > 1 - _WHOLE, after, after - 1), np.where(share < _WHOLE, after - 1, after)

    def make(k: int, out: NDArray[Any]) -> None:
        before, behind = slices[first[k]], slices[last[k]]
        if first[k] == last[k]:
            out[...] = before
            return
        blend = before * np.float32(1.0 - share[k]) + behind * np.float32(share[k])
        out[...] = np.rint(blend) if out.dtype.kind in "iu" else blend

    return Planes(frame, room(frame, slices.dtype), first, last, make, gaps, empty)


def upright(slices: NDArray[Any], source: Frame, gaps: tuple[Gap, ...], empty: float) -> Planes:
    """An oblique or sheared scan in the standard frame that holds it, trilinear; `empty` beyond it."""
    frame = axial_frame_over(source)
    voxels = np.zeros(frame.shape, slices.dtype)
    return Planes(frame, voxels, *_passed_through(source, frame), plane_sampler(slices, source, frame, empty), gaps, empty)


def room(frame: Frame, kind: np.dtype[Any]) -> NDArray[Any]:
    """Zeros for a scan's slices, which lie in memory as the standard frame has them: turning them to it later copies nothing."""
    if not frame.is_aligned:
        return np.zeros(frame.shape, kind)
    world = np.abs(frame.directions).argmax(axis=0)  # the world axis of each index
    order = np.argsort(-world)
    there = np.zeros([frame.shape[axis] for axis in order], kind).transpose(np.argsort(order))
    backwards = frame.affine[world, range(3)] < 0
    return there[tuple(slice(None, None, -1 if back else 1) for back in backwards)]


def _passed_through(source: Frame, target: Frame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the last slice of `source` that each plane of `target` needs."""
    planes, rows, columns = target.shape
    corners = np.array([[k, j, i] for k in range(planes) for j in (0, rows - 1) for i in (0, columns - 1)])
    along = source.to_index(target.to_world(corners))[:, 0].reshape(planes, 4)
    most = source.shape[0] - 1
    first = np.clip(np.floor(along.min(axis=1)), 0, most).astype(np.int64)
    return first, np.clip(np.ceil(along.max(axis=1)), 0, most).astype(np.int64)
