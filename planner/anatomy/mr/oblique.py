"""An oblique scan in the frame of its own slices: there its borders are straight, and the patient as they were laid along him."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.anatomy.grid import reduced_frame
from planner.geometry import Frame, Volume
from planner.geometry.frame import in_standard_order
from planner.geometry.sampling import resample


def in_own_frame(volume: Volume) -> Volume:
    """The scan on the grid of the slices that it was resampled from, whose axes come in the standard order: nearest to the head, to the
    back and to the left. Itself where it was not resampled, or from slices that are sheared: distances are told on rectangular grids."""
    if volume.field is None or not volume.field.is_rectangular:
        return volume
    frame, _, _ = in_standard_order(volume.field)
    return replace(volume, frame=frame, voxels=resample(volume.voxels, volume.frame, frame, 0.0), field=None)


def in_frame_of(volume: Volume, search: Frame, body: NDArray[np.bool_]) -> tuple[Frame, NDArray[np.bool_]]:
    """The grid that the scan is searched on in its standard frame, and the body on it, nothing beyond the slices. search: the grid that the
    body was found on, in the frame of `in_own_frame`."""
    if volume.field is None:
        return search, body
    grid = reduced_frame(volume.frame)
    return grid, resample(body.astype(np.uint8), search, grid, 0, nearest=True) > 0
