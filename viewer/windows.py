"""Window presets, read from resources/windows.json, and the window that suits a picture by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from planner.evidence import RESOURCES

if TYPE_CHECKING:
    from planner.geometry import Volume

_MOST_SAMPLES = 60_000
_DRAG_PX = 300.0  # over which a drag moves a window by its own width


class Window(NamedTuple):
    """The values (HU in CT) that are shown between black and white."""

    centre: float
    width: float

    def dragged(self, right_px: float, down_px: float) -> Window:
        """After a drag of the mouse: to the right it is wider, down it lies higher; by shares of its width."""
        share = max(self.width, 1e-3) / _DRAG_PX
        return Window(self.centre + down_px * share, max(self.width + right_px * share, self.width / 50))


@dataclass(frozen=True)
class Preset:
    """A named window. Where `centre` is None it is taken from the picture: the shares of voxels `black` and `white` bound it."""

    id: str
    name: str
    key: str
    modality: str
    centre: float | None = None
    width: float | None = None
    black: float = 0.01
    white: float = 0.995

    def window(self, volume: Volume) -> Window:
        """This preset's window for a volume."""
        if self.centre is None or self.width is None:
            return auto_window(volume, self.black, self.white)
        return Window(self.centre, self.width)


@cache
def presets() -> tuple[Preset, ...]:
    """All presets in the order of their keys."""
    entries = json.loads((RESOURCES / "windows.json").read_text("utf-8"))["presets"]
    return tuple(Preset(**entry) for entry in entries)


def preset(identifier: str) -> Preset:
    """A preset by its id ("bone", "soft tissue", "myelogram", "mr", "lung"). Raises KeyError."""
    for one in presets():
        if one.id == identifier:
            return one
    raise KeyError(identifier)


def first_window(volume: Volume) -> Window:
    """The window in which a volume is shown first: soft bone for CT, by its own values for everything else."""
    return preset("bone" if volume.modality == "CT" else "mr").window(volume)


def auto_window(volume: Volume, black: float = 0.01, white: float = 0.995, box: tuple[slice, slice, slice] | None = None) -> Window:
    """The window between two shares of the values of a volume, or of a box of it; padding and, in CT, air do not count."""
    stored = volume.voxels if box is None else volume.voxels[box]
    step = max(1, round((stored.size / _MOST_SAMPLES) ** (1 / 3)))
    thin = stored[tuple(slice(None, None, step if n > step else 1) for n in stored.shape)]
    values = thin.astype(np.float64).ravel()
    if volume.padding is not None:
        values = values[values != volume.padding]
    values = values * volume.slope + volume.intercept
    inside = values[values > -700.0] if volume.modality == "CT" else values
    values = inside if inside.size > 100 else values
    values = values[np.isfinite(values)]
    if not values.size:
        return Window(0.0, 1.0)
    low, high = np.quantile(values, [black, white])
    return Window(float(low + high) / 2, max(float(high - low), 1e-3 * max(1.0, abs(float(high)))))
