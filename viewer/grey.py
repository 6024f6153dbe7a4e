"""Grey pictures of slices: voxels, stretched and windowed, in a buffer that is kept between frames."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from viewer.pose import Pose
from viewer.windows import Window

if TYPE_CHECKING:
    from planner.geometry import Volume
    from viewer.scene import SceneSecond

Tint = tuple[float, float, float]
WHITE: Tint = (1.0, 1.0, 1.0)

_BLACK = np.uint32(0xFF000000)
_ALIGNED = 1e-9  # of an index a pixel: below it a step is rounding


@lru_cache(maxsize=64)  # scrolling asks the same again and again
def stretch(start: float, step: float, count: int, size: int, fine: bool) -> tuple[int, NDArray[np.int64], NDArray[np.float32]]:
    """How `count` pixels take from a line of `size` voxels: pixel n is at index `start + n * step`.

    Returns (first pixel inside, first voxel (m,), weights (m, taps)) of the m pixels inside. fine: cubic (Catmull-Rom), widened where
    voxels are smaller than pixels so that nothing is skipped; otherwise linear.
    """
    at = start + step * np.arange(count)
    inside = np.flatnonzero((at >= -0.5) & (at <= size - 0.5))
    at = np.clip(at[inside], 0, size - 1)
    wide = max(1.0, abs(step)) if fine else 1.0
    reach = 2.0 * wide if fine else 1.0
    taps = int(np.ceil(2 * reach))
    lowest = np.floor(at - reach).astype(np.int64) + 1
    index = lowest[:, None] + np.arange(taps)
    x = np.abs(index - at[:, None]) / wide
    if fine:
        weight = np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, np.where(x < 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0.0))
    else:
        weight = np.maximum(0.0, 1 - x)
    # voxels beyond the border take the border's value
    first = np.clip(lowest, 0, max(size - taps, 0))
    taken = min(taps, size)
    folded = np.zeros((len(at), taken), dtype=np.float32)
    target = np.clip(index, 0, size - 1) - first[:, None]
    np.add.at(folded, (np.arange(len(at))[:, None], target), weight)
    folded /= folded.sum(axis=1, keepdims=True)
    return int(inside[0]) if len(inside) else 0, first, folded


class GreyPicture:
    """Makes the grey picture of a pose; its buffers are kept, so one for each view."""

    def __init__(self) -> None:
        self._buffer = np.zeros((1, 1), dtype=np.uint32)
        self._rows = np.zeros((1, 1), dtype=np.float32)
        self._made: tuple[Any, ...] = ()

    def image(
        self,
        volume: Volume,
        pose: Pose,
        window: Window,
        ratio: float = 1.0,
        fine: bool = True,
        filled: float = 1.0,
        second: SceneSecond | None = None,
        tint: Tint = WHITE,
    ) -> QImage:
        """The plane of `pose` as an RGB32 picture with `ratio` device pixels in a logical one.

        It shares the kept buffer: draw it before the next call.

        fine: cubic rather than linear between voxels; for oblique planes full rather than half resolution.
        filled: the share of the volume that is there: when it grows the picture is made anew.
        second: another scan that is laid over it, where some of it is to be seen; tint: its red, green and blue (0..1) where both are
        seen. One scan alone is grey.
        """
        wide, high = max(1, round(pose.width * ratio)), max(1, round(pose.height * ratio))
        wanted = (volume, pose.plane, pose.centre_mm, pose.depth_mm, pose.px_per_mm, wide, high, window, ratio, fine, filled, second, tint)
        if wanted != self._made:
            self._make(volume, pose, window, ratio, fine, wide, high)
            if second is not None and second.share > 0:
                self._blend(second, tint, pose, ratio, fine)
            self._made = wanted
        image = QImage(self._buffer.data, wide, high, 4 * wide, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(ratio)
        return image

    def _blend(self, second: SceneSecond, tint: Tint, pose: Pose, ratio: float, fine: bool) -> None:
        from viewer.kernels import blend_oblique

        volume, share = second.volume, np.float32(second.share)
        low, scale = _levels(volume, second.window)
        mixed = 4 * second.share * (1 - second.share)
        colour = np.array([1 + mixed * (one - 1) for one in tint], dtype=np.float32)
        first, right, down = pose.pixel_grid(volume.frame, ratio)
        padding = float("nan") if volume.padding is None else float(volume.padding)
        unseen = _slabs(volume, first, right, down)
        blend_oblique(volume.voxels, first, right, down, low, scale, share, colour, padding, unseen, 1 if fine else 2, self._buffer)

    def _make(self, volume: Volume, pose: Pose, window: Window, ratio: float, fine: bool, wide: int, high: int) -> None:
        if self._buffer.shape != (high, wide):
            self._buffer = np.zeros((high, wide), dtype=np.uint32)
        low, scale = _levels(volume, window)
        self._shade(volume, pose, ratio, low, scale, fine, self._buffer)

    def _shade(self, volume: Volume, pose: Pose, ratio: float, low: Any, scale: Any, fine: bool, out: NDArray[np.uint32]) -> None:
        from viewer.kernels import resample_rows, shade_columns, shade_oblique

        first, right, down = pose.pixel_grid(volume.frame, ratio)
        along, under = int(np.abs(right).argmax()), int(np.abs(down).argmax())
        rest = 3 - along - under
        straight = along != under and np.abs(np.delete(right, along)).max() < _ALIGNED and np.abs(np.delete(down, under)).max() < _ALIGNED
        if not straight:
            shade_oblique(volume.voxels, first, right, down, low, scale, 1 if fine else 2, out)
            return
        slice_at = int(np.rint(first[rest]))
        out[:] = _BLACK
        if not 0 <= slice_at < volume.frame.shape[rest]:
            return
        plane = volume.voxels[slice_at] if rest == 0 else volume.voxels.take(slice_at, axis=rest)
        if under > along:
            plane = np.ascontiguousarray(plane.T)
        left, column, column_weight = stretch(first[along], right[along], out.shape[1], plane.shape[1], fine)
        top, row, row_weight = stretch(first[under], down[under], out.shape[0], plane.shape[0], fine)
        if not len(column) or not len(row):
            return
        if self._rows.shape != (plane.shape[0], len(column)):
            self._rows = np.zeros((plane.shape[0], len(column)), dtype=np.float32)
        used = row_weight.shape[1]
        resample_rows(plane, column, column_weight, int(row.min()), int(row.max()) + used, self._rows)
        shade_columns(self._rows, row, row_weight, low, scale, top, left, out)


def _levels(volume: Volume, window: Window) -> tuple[Any, Any]:
    """The stored value that is black, and greys a stored step."""
    low = (window.centre - window.width / 2 - volume.intercept) / volume.slope
    return np.float32(low), np.float32(255.0 * volume.slope / max(window.width, 1e-6))


def _slabs(volume: Volume, first: NDArray[np.float64], right: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.float64]:
    """What of a volume no slice shows, as rows (start, down, right, low, high) over the pixels of a plane."""
    corner, at_right, at_down = volume.frame.to_world(np.stack([first, first + right, first + down]))
    rows = [(corner @ n, (at_down - corner) @ n, (at_right - corner) @ n) for n in (np.array(slab.normal) for slab in volume.unseen)]
    ends = [(slab.low_mm, slab.high_mm) for slab in volume.unseen]
    return np.array([(*row, *end) for row, end in zip(rows, ends)], dtype=np.float64).reshape(-1, 5)


def value_at(volume: Volume, point_mm: Any) -> float | None:
    """The rescaled value (HU in CT) of the voxel at a point; None outside the scan, where no slice shows anything, and in padding."""
    index = np.rint(volume.frame.to_index(point_mm)).astype(int)
    if (index < 0).any() or (index >= volume.frame.shape).any() or any(slab.holds(point_mm) for slab in volume.unseen):
        return None
    stored = volume.voxels[tuple(index)]
    if volume.padding is not None and stored == volume.padding:
        return None
    return float(stored) * volume.slope + volume.intercept


def warm() -> None:
    """Compile or load the kernels for the usual voxel types; for a background thread."""
    from viewer import kernels

    one = np.zeros(3)
    grey = np.zeros((4, 4), dtype=np.uint32)
    first, weight = np.zeros(4, dtype=np.int64), np.ones((4, 1), dtype=np.float32)
    zero = np.float32(0)
    for kind in (np.int16, np.uint16, np.uint8):
        voxels = np.zeros((4, 4, 4), dtype=kind)
        rows = np.zeros((4, 4), dtype=np.float32)
        kernels.resample_rows(voxels[0], first, weight, 0, 4, rows)
        kernels.shade_columns(rows, first, weight, zero, zero, 0, 0, grey)
        kernels.shade_oblique(voxels, one, one, one, zero, zero, 1, grey)
        kernels.blend_oblique(voxels, one, one, one, zero, zero, zero, np.ones(3, dtype=np.float32), 0.0, np.zeros((1, 5)), 1, grey)
    labels = np.zeros((4, 4, 4), dtype=np.uint8)
    kernels.sample_labels(labels, one, one, one, labels[0])
    kernels.label_boxes(labels[0], np.zeros((256, 4), dtype=np.int64))
    field = np.zeros((4, 4), dtype=np.float32)
    kernels.soft_mask(labels[0], np.zeros(256, dtype=np.bool_), 0, 0, field)
    kernels.level_lines(field, np.float32(0.5))
    tint = np.zeros((4, 4, 4), dtype=np.uint8)
    arrival = np.ones((2, 2, 2), dtype=np.float32)
    kernels.tint_arrival(arrival, one, one, one, 0.0, 1, 1, 1, zero, zero, tint)
    kernels.filled_by(arrival, np.zeros(3, dtype=np.int64), np.ones(3, dtype=np.int64), zero, zero, arrival.copy())
    corners = np.zeros((1, 3), dtype=np.int32)
    for triangles in (corners, corners[:, ::-1]):  # turned over where a frame is left-handed
        kernels.point_normals(np.zeros((1, 3)), triangles, np.zeros((1, 3), dtype=np.float32))
