"""One rescale for all slices of a series, where each has its own: how their stored values come into one array, and of which type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from planner.scan.pixels import rescale_of, stored_type
from planner.scan.series import Pixels, Slice

_WHOLE = 1e-6  # of a step


@dataclass(frozen=True)
class Scale:
    """value = held * slope + intercept. way: values are held as they are stored, shifted by whole steps where intercepts differ, or as
    the values themselves where slopes do. kind: the type that holds them."""

    way: Literal["stored", "shifted", "values"]
    kind: np.dtype[Any]
    slope: float
    intercept: float

    def held(self, picture: Slice, stored: NDArray[Any]) -> NDArray[Any]:
        """What the array holds of a slice's stored values."""
        if self.way == "stored":
            return stored
        slope, intercept = rescale_of(picture)
        if self.way == "shifted":
            return stored.astype(self.kind) + self.kind.type(round((intercept - self.intercept) / self.slope))
        return stored * np.float32(slope) + np.float32(intercept)

    @property
    def voxel_bytes(self) -> int:
        """Memory per voxel that it takes at its most to hold them and to make them compact."""
        return 6 if self.way == "values" else {2: 2, 4: 6}[self.kind.itemsize]


def scale_of(pictures: Sequence[Slice]) -> Scale:
    """The scale of the middle slice, or that of the values themselves."""
    slope, intercept = rescale_of(pictures[len(pictures) // 2])
    kinds = {stored_type(one.pixels) for one in pictures}
    kind = kinds.pop() if len(kinds) == 1 else np.dtype(np.int32)
    scales = {rescale_of(one) for one in pictures}
    if len(scales) == 1:
        return Scale("stored", kind, slope, intercept)
    shifts = [(other - intercept) / slope for _, other in scales]
    if any(own != slope for own, _ in scales) or any(abs(by - round(by)) > _WHOLE for by in shifts):
        return Scale("values", np.dtype(np.float32), 1.0, 0.0)
    least = min(_range(one.pixels)[0] for one in pictures) + round(min(shifts))
    most = max(_range(one.pixels)[1] for one in pictures) + round(max(shifts))
    short = np.iinfo(np.int16)
    return Scale("shifted", np.dtype(np.int16 if short.min <= least and most <= short.max else np.int32), slope, intercept)


def _range(pixels: Pixels) -> tuple[int, int]:
    """The least and the greatest value that can be stored."""
    half = 1 << (pixels.bits_stored - 1)
    return (-half, half - 1) if pixels.signed else (0, 2 * half - 1)
