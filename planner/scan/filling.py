"""The volume of a series while its slices come: it can be looked at from its middle plane on, in the memory in which it lies in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from planner.geometry import Frame, Volume
from planner.scan.planes import Planes, Span, evened, outwards, room, upright
from planner.scan.series import Series

AIR_HU = -1024.0

Shown = Callable[[Volume], None]
"""Takes a scan of which the middle plane is there; the others appear in it as they are made, and are air and padding until then."""


class Filling:
    """Slices in, a volume out: evened where they lie unevenly, then resampled where they are oblique, else where they were put.

    slices: where they are put, (n, rows, columns), each at its number, before `arrived` is told.
    volume: what comes of them. Its frame is the standard one but for axes, which `Volume.to_axial` turns without a copy.
    empty: the stored value of what has not come yet, of what lies in gaps, and beyond the slices: air in CT.
    """

    def __init__(self, series: Series, kind: np.dtype[Any], slope: float, intercept: float, shown: Shown | None = None) -> None:
        grid = series.frame
        assert grid is not None
        count = len(series.pictures) or grid.shape[0]
        self.empty = _nothing(series.modality, slope, intercept, kind)
        self.slices = room(Frame((count, *grid.shape[1:]), grid.affine), kind)
        self._lies_at, self._count = series.lies_at or range(count), grid.shape[0]
        self._steps: list[Planes] = []
        frame, voxels, gaps = grid, self.slices, series.gaps
        if series.lies_at:
            self._steps.append(evened(voxels, series.lies_at, grid, gaps if grid.is_aligned else (), self.empty))
            voxels = self._steps[-1].voxels
        if not grid.is_aligned:
            self._steps.append(upright(voxels, grid, gaps, self.empty))
            frame, voxels = self._steps[-1].frame, self._steps[-1].voxels
        if shown is not None and self.empty:
            voxels[:] = self.empty
        self.volume = Volume(frame, voxels, series.modality, slope, intercept, field=None if grid.is_aligned else grid)
        self._gaps, self._shown = gaps, shown
        self._read, self._made = 0, 0

    @property
    def as_stored(self) -> bool:
        """Whether slices stay where they were put."""
        return not self._steps

    @property
    def outwards(self) -> list[int]:
        """The numbers of the slices, those in the middle first: what was named lies side by side at any time."""
        return outwards(self._lies_at, self._count // 2).tolist()

    @property
    def first_needed(self) -> Span:
        """The slices that the middle plane is made of."""
        span = self._middle, self._middle
        for step in reversed(self._steps):
            span = step.needs(span)
        return span

    @property
    def share(self) -> float:
        """What is done of all that is to be read and made."""
        return (self._read + self._made) / (len(self.slices) + sum(len(step.voxels) for step in self._steps))

    def arrived(self, first: int, last: int) -> Iterator[None]:
        """Make what the slices from first to last, both included, are enough for, one plane a turn; show it with the middle one.

        Nothing is made of the planes to look at before the middle one.
        """
        there: Span | None = (first, last)
        self._read = last - first + 1
        needed = self.first_needed
        for step in self._steps:
            if there is None or (step is self._steps[-1] and not (first <= needed[0] and needed[1] <= last)):
                return
            for _ in step.grow(there):
                self._made += 1
                if step is self._steps[-1]:
                    self._show(step.made)
                yield
            there = step.made
        self._show(there)

    def forget(self) -> None:
        """What was put and made is put and made again."""
        self._read, self._made = 0, 0
        for step in self._steps:
            step.forget()

    @property
    def _middle(self) -> int:
        return self.volume.frame.shape[0] // 2

    def _show(self, made: Span | None) -> None:
        if self._shown is not None and made is not None and made[0] <= self._middle <= made[1]:
            self._shown(replace(self.volume, padding=self.empty, gaps=self._gaps).to_axial())
            self._shown = None


def _nothing(modality: str, slope: float, intercept: float, kind: np.dtype[Any]) -> float:
    """The stored value of air in a CT, and 0 in MR, as far as the type holds it."""
    value = (AIR_HU - intercept) / slope if modality == "CT" else 0.0
    return float(np.clip(round(value), np.iinfo(kind).min, np.iinfo(kind).max)) if kind.kind in "iu" else value
