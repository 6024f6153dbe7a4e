"""A scan that is too large for the memory: a box around the spine is kept of every slice. Finds the box, and makes the series of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.geometry import Frame
from planner.progress import Progress, silent
from planner.refusal import Refusal
from planner.scan.crop import Crop
from planner.scan.headers import Unreadable
from planner.scan.judge import remarks
from planner.scan.loading import OPEN_AGAIN, Each, needed_bytes, room_bytes, unreadable
from planner.scan.pixels import Undecodable, read_pixels, rescale_of, stored_type
from planner.scan.series import Series
from planner.scan.streams import image_planes

BESIDE_MM, IN_FRONT_MM, BEHIND_MM = 80.0, 80.0, 80.0  # of the bone's middle: joints, and the vessels in front, with room
_SKIN_MM = 5.0  # kept behind the skin
_APART_MM = 10.0  # between the slices of the coarse look
_EVERY = 4  # pixels
_BODY_HU, _BONE_HU = -300.0, 180.0
_COLUMN_MM = 36.0  # a vertebra with its arch
_MIDLINE_MM = 70.0  # the spine lies nearer to the middle of the body, arms and hips further
_LEAST_BONE = 0.08  # of a square of that size
_LEAST_SEEN = 3
_OUTLIER_MM = 40.0
_BY_HAND = "Give the rows and columns to keep yourself."


def fits(series: Series) -> bool:
    """Whether the free memory holds the scan while it is loaded."""
    return needed_bytes(series) <= room_bytes()


def cropped(series: Series, crop: Crop | None) -> Series:
    """The series of which only this part of every slice is loaded; itself for None. Voxels that are kept stay where they were.

    Raises Refusal for a crop that is no part of the pictures, and for a series that cannot be loaded.
    """
    if crop is None:
        return series
    frame = series.frame
    if frame is None or not series.usable:
        raise Refusal("Only a series that can be loaded can be cropped.", "Choose another series.")
    _, rows, columns = frame.shape
    crop = crop.checked(rows, columns)
    kept = crop.of(frame)
    said = f"Only a part of every slice is loaded: {crop.words} of {rows} x {columns} pixels."
    lossy = any(one.pixels.lossy for one in series.pictures)
    old = remarks(frame, series.spacing_mm, lossy)
    notes = (*(note for note in series.notes if note not in old), *remarks(kept, series.spacing_mm, lossy))
    _, row_mm, column_mm = series.spacing_mm
    return replace(
        series, frame=kept, size=kept.shape, crop=crop, notes=notes, repairs=(*series.repairs, said), verdict="repaired",
        extent_mm=(series.extent_mm[0], (crop.shape[0] - 1) * row_mm, (crop.shape[1] - 1) * column_mm),
        reasons=(*(reason for reason in series.reasons if reason not in series.notes), *notes),
    )  # fmt: skip


@dataclass(frozen=True)
class _Seen:
    """Where the spine is in one slice: x and y of its middle, y of the skin behind it, LPS mm."""

    x_mm: float
    y_mm: float
    skin_mm: float


def spine_box(series: Series, progress: Progress = silent, each: Each = map) -> Crop:
    """The part of every slice that holds the spine: from a slice every 10 mm, and of those every fourth pixel.

    80 mm to both sides of the bone and in front of it, as far as it wanders, and all behind it up to the skin. Axial CT alone, of DICOM
    slices or of one file. Raises Refusal where no spine is seen, and for slices that cannot be read.
    """
    frame = series.frame
    if not series.is_axial_ct or frame is None:
        raise Refusal("The spine is looked for in slices of an axial CT alone.", _BY_HAND)
    count = len(series.pictures) or series.slices
    step = max(1, round(_APART_MM / max(series.spacing_mm[0], 0.1)))
    numbers = range(step // 2 if step // 2 < count else 0, count, step)
    looked = _in_pictures(series, numbers, each) if series.pictures else _in_file(series, numbers)
    seen = []
    for done, one in enumerate(looked):
        progress(done / len(numbers), "Looking for the spine")
        seen.append(one)
    column = _without_outliers([one for one in seen if one is not None])
    if len(column) < _LEAST_SEEN:
        raise Refusal("The spine was not seen in a coarse look at the scan.", _BY_HAND)
    x, y = [one.x_mm for one in column], [one.y_mm for one in column]
    back = max(max(y) + BEHIND_MM, max(one.skin_mm for one in column) + _SKIN_MM)
    return _holding(frame, (min(x) - BESIDE_MM, max(x) + BESIDE_MM), (min(y) - IN_FRONT_MM, back))


def _in_pictures(series: Series, numbers: Sequence[int], each: Each) -> Iterator[_Seen | None]:
    """Where the spine is in these slices of a DICOM series."""
    frame = series.frame
    assert frame is not None
    seen: list[_Seen | None] = [None] * len(numbers)

    def look(n: int) -> None:
        k, picture = numbers[n], series.pictures[numbers[n]]
        stored = np.empty((picture.pixels.rows, picture.pixels.columns), stored_type(picture.pixels))
        try:
            read_pixels(picture, stored)
        except Undecodable as reason:
            raise unreadable(series, k, reason) from reason
        seen[n] = _spine_in(stored[::_EVERY, ::_EVERY], rescale_of(picture), frame, series.lies_at[k] if series.lies_at else k)

    for n, _ in enumerate(each(look, range(len(numbers)))):
        yield seen[n]


def _in_file(series: Series, numbers: Sequence[int]) -> Iterator[_Seen | None]:
    """Where the spine is in these planes of a scan that is one file. All that lies between them is read, too."""
    assert series.file is not None and series.frame is not None
    try:
        with image_planes(series.file) as image:
            for k, plane in zip(range(numbers[-1] + 1), image.planes()):
                if k in numbers:
                    yield _spine_in(plane[::_EVERY, ::_EVERY], (image.slope, image.intercept), series.frame, k)
    except Unreadable as reason:
        raise Refusal(str(reason), OPEN_AGAIN) from reason


def _spine_in(coarse: NDArray[Any], rescale: tuple[float, float], frame: Frame, k: float) -> _Seen | None:
    """The densest square of bone near the middle of the body in slice k; None where there is none. coarse: every fourth pixel of it."""
    values = coarse * np.float32(rescale[0]) + np.float32(rescale[1])
    j, i = np.mgrid[: coarse.shape[0], : coarse.shape[1]] * _EVERY
    x, y, _ = np.moveaxis(frame.to_world(np.stack([np.full(j.shape, k), j, i], axis=-1)), -1, 0)
    parts, count = ndimage.label(values > _BODY_HU)
    if not count:
        return None
    body = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    pixel_mm = np.array(frame.spacing_mm[1:]) * _EVERY
    square = tuple(int(size) for size in np.maximum(1, np.rint(_COLUMN_MM / pixel_mm)))
    bone = ndimage.uniform_filter((body & (values > _BONE_HU)).astype(np.float32), square, mode="constant")
    bone[np.abs(x - np.median(x[body])) > _MIDLINE_MM] = 0.0
    if bone.max() < _LEAST_BONE:
        return None
    middle = bone > 0.9 * bone.max()
    at_x, at_y = float(x[middle].mean()), float(y[middle].mean())
    behind = y[body & (np.abs(x - at_x) < BESIDE_MM)]
    return _Seen(at_x, at_y, float(behind.max()))


def _without_outliers(seen: Sequence[_Seen]) -> list[_Seen]:
    """Those that lie near the median of their neighbours: hips, a skull's base and a full stomach do not."""
    if not seen:
        return []
    places = np.array([(one.x_mm, one.y_mm) for one in seen])
    usual = ndimage.median_filter(places, size=(9, 1), mode="nearest")
    return [one for one, far in zip(seen, np.abs(places - usual).max(axis=1)) if far <= _OUTLIER_MM]


def _holding(frame: Frame, x_mm: tuple[float, float], y_mm: tuple[float, float]) -> Crop:
    """Rows and columns that hold a box of x and y (LPS mm) in all slices, as far as the pictures go."""
    k, j, i = frame.shape
    spans: list[NDArray[np.float64]] = []
    for n in (0, k - 1):
        spans += [_index_in_slice(frame, n, x, y) for x in x_mm for y in y_mm]
    corners = np.array(spans)
    low, high = np.floor(corners.min(axis=0)).astype(int) + 1, np.ceil(corners.max(axis=0)).astype(int) + 1
    rows = (max(1, int(low[0])), min(j, int(high[0])))
    columns = (max(1, int(low[1])), min(i, int(high[1])))
    return Crop(rows, columns).checked(j, i)


def _index_in_slice(frame: Frame, n: int, x_mm: float, y_mm: float) -> NDArray[Any]:
    """Row and column at which slice n has this x and y."""
    origin = frame.to_world((n, 0, 0))
    return np.linalg.solve(frame.affine[:2, 1:3], np.array([x_mm, y_mm]) - origin[:2])
