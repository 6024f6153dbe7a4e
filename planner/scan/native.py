"""The slices of a series as they are stored: their own pixels, untouched by any repair, where each lies, and how it lies in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import acos, atan, degrees

import numpy as np
from numpy.typing import ArrayLike

from planner.geometry import Floats, Frame, Volume
from planner.refusal import Refusal
from planner.scan.images import ImageFile
from planner.scan.judge import plane_of
from planner.scan.loading import image_of, padding_of, turn_over, unreadable, upside_down
from planner.scan.pixels import Undecodable, read_pixels, rescale_of, stored_type
from planner.scan.series import Series
from planner.scan.stack import Crooked, axes

STRAIGHT_DEG = 0.05  # below it an angle is rounding
TURNED_DEG = 0.2  # slices of one grid differ by less
_NO_PLACE = Refusal("The slices do not say where they lie.", "Look at another series.")
_ENDS = (("left", "right"), ("back", "front"), ("upper", "lower"))  # edges that lie toward x, y and z, and away from them
_WAYS = (("left", "right"), ("back", "front"), ("head", "feet"))
_NAMED = (0, 1, 0)  # which end of an axis a sentence names
_ACROSS = {"sagittal": 0, "coronal": 1, "axial": 2}


@dataclass(frozen=True, eq=False)
class Native:
    """The stored slices of a series in the order of its grid.

    frames: of each slice alone, shape (1, rows, columns), LPS mm; the first axis is the unit normal, toward the next slice, so that
        `frame.to_index(point)` is (mm in front of the slice, row, column). image: the file's voxels where the series is one file.
    upside_down: the slices whose stored values are turned over (MONOCHROME1), as they are when they are loaded.
    """

    series: Series
    frames: tuple[Frame, ...]
    image: ImageFile | None = None
    upside_down: frozenset[int] = frozenset()

    @property
    def count(self) -> int:
        """How many slices there are."""
        return len(self.frames)

    def slice(self, n: int) -> Volume:
        """Slice n (from 0) as a volume of one slice: stored values, its own rescale, its own place. Reads a file of a DICOM series.

        Raises Refusal where that has gone or is damaged.
        """
        if self.image is not None:
            return Volume(self.frames[n], self.image.voxels[n : n + 1], self.series.modality, self.image.slope, self.image.intercept)
        picture = self.series.pictures[n]
        stored = np.empty(self.frames[n].shape, stored_type(picture.pixels))
        try:
            read_pixels(picture, stored[0])
        except Undecodable as reason:
            raise unreadable(self.series, n, reason) from reason
        turned = n in self.upside_down
        if turned:
            turn_over(stored[0], picture)
        return Volume(self.frames[n], stored, self.series.modality, *rescale_of(picture), padding_of(picture, turned))

    @cached_property
    def _planes(self) -> tuple[Floats, Floats]:
        """Unit normals (n, 3) of the slices, and how far along them each lies, mm."""
        normals = np.array([frame.directions[:, 0] for frame in self.frames])
        return normals, np.einsum("ij,ij->i", normals, [frame.affine[:3, 3] for frame in self.frames])

    def ahead_mm(self, n: int, point_mm: ArrayLike) -> float:
        """How far a point (LPS mm) lies from slice n along its normal; positive toward the slices after it."""
        normals, along = self._planes
        return float(normals[n] @ np.asarray(point_mm, dtype=np.float64) - along[n])

    def nearest(self, point_mm: ArrayLike) -> int:
        """The slice that passes nearest to a point (LPS mm)."""
        normals, along = self._planes
        return int(np.abs(normals @ np.asarray(point_mm, dtype=np.float64) - along).argmin())

    @cached_property
    def turned_deg(self) -> float:
        """The largest angle between a slice and the first one."""
        normals, _ = self._planes
        return degrees(acos(float(np.abs(normals @ normals[0]).min().clip(0.0, 1.0))))

    @cached_property
    def steps_mm(self) -> tuple[float, ...]:
        """The distance from each slice to the next, along the normal."""
        return tuple(self.ahead_mm(n, frame.affine[:3, 3]) for n, frame in enumerate(self.frames[1:]))


def native_slices(series: Series) -> Native:
    """The stored slices of a series. One slice of a DICOM series is read at most; one file is read whole, and kept with the value.

    Raises Refusal where the slices have no place, and where the file has gone.
    """
    if series.file is not None:
        return _of_file(series)
    places = [_place(series, n) for n in range(len(series.pictures))]
    if not places:
        raise _NO_PLACE
    forward = places[-1][:3, 3] - places[0][:3, 3]
    made = []
    for place, picture in zip(places, series.pictures):
        if place[:3, 0] @ forward < 0:
            place[:3, 0] *= -1
        made.append(Frame((1, picture.pixels.rows, picture.pixels.columns), place))
    return Native(series, tuple(made), upside_down=upside_down(series))


def _place(series: Series, n: int) -> Floats:
    """Affine of one slice from its own position and orientation."""
    one = series.pictures[n]
    if one.position is None or one.along_row is None or one.along_column is None or not one.row_mm or not one.column_mm:
        raise _NO_PLACE
    try:
        row, column, normal = axes(one.along_row, one.along_column)
    except Crooked as error:
        raise Refusal(str(error), "Look at another series.") from error
    affine = np.eye(4)
    affine[:3] = np.column_stack([normal, column * one.row_mm, row * one.column_mm, one.position])
    return affine


def _of_file(series: Series) -> Native:
    image = image_of(series)
    whole = image.frame
    normal = np.cross(whole.directions[:, 1], whole.directions[:, 2])
    normal *= np.sign(normal @ whole.directions[:, 0]) / np.linalg.norm(normal)
    made = []
    for n in range(whole.shape[0]):
        affine = whole.affine.copy()
        affine[:3, 3] = whole.to_world((n, 0, 0))
        affine[:3, 0] = normal
        made.append(Frame((1, *whole.shape[1:]), affine))
    return Native(series, tuple(made), image)


def lie_words(native: Native, n: int) -> str:
    """How slice n lies in the patient: `Axial, tilted by 16.5 deg: its front edge lies toward the feet.`"""
    normal = native.frames[n].directions[:, 0]
    plane = plane_of(normal)
    across = _ACROSS.get(plane, int(np.abs(normal).argmax()))
    angle = degrees(acos(min(1.0, abs(float(normal[across])))))
    if angle < STRAIGHT_DEG:
        return f"{plane.capitalize()}, straight."
    # how the plane rises along each of the other two axes
    slopes = {axis: degrees(atan(-float(normal[axis] / normal[across]))) for axis in range(3) if axis != across}
    said = []
    for axis, slope in sorted(slopes.items(), key=lambda one: -abs(one[1])):
        if abs(slope) >= max(STRAIGHT_DEG, 0.05 * angle):
            end = _NAMED[axis]
            rises = (slope > 0) == (end == 0)
            said.append(f"its {_ENDS[axis][end]} edge lies toward the {_WAYS[across][0 if rises else 1]}")
    return f"{plane.capitalize()}, tilted by {angle:.1f} deg: {' and '.join(said)}."


def stack_words(native: Native) -> str:
    """How the slices follow one another: their distances, and whether they slip sideways, as with a tilted gantry, or are turned."""
    if native.count < 2:
        return "One slice alone."
    if native.turned_deg >= TURNED_DEG:
        return f"The slices are turned against each other by up to {native.turned_deg:.1f} deg."
    steps = np.array(native.steps_mm)
    near, far = float(steps.min()), float(steps.max())
    even = far - near < 0.05 * max(far, 1e-6)
    said = f"{np.mean(steps):.2f} mm from slice to slice" if even else f"{near:.2f} to {far:.2f} mm from slice to slice, unevenly"
    step = native.frames[-1].to_world((0, 0, 0)) - native.frames[0].to_world((0, 0, 0))
    sideways = step - (step @ native.frames[0].directions[:, 0]) * native.frames[0].directions[:, 0]
    length = float(np.linalg.norm(step))
    slip = degrees(acos(min(1.0, abs(float(step @ native.frames[0].directions[:, 0])) / length))) if length else 0.0
    if slip < STRAIGHT_DEG or float(np.linalg.norm(sideways)) < 0.1:
        return f"{said}."
    return f"{said}; they slip sideways by {slip:.1f} deg, as a tilted gantry makes them."
