"""The values of the registration: where a second scan lies in the planning scan's world, and how well each level agrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from planner.evidence import number
from planner.geometry import Floats, Frame, Gap, Volume

Point = tuple[float, float, float]
StartName = Literal["patient coordinates", "levels", "canal", "search", "by hand"]
NOT_HELD = "the second scan does not hold it"
_OF_A_LEVEL_MM = 40.0  # from the middle of a body to what belongs to its level: the canal, its foramina, half way to its neighbours
Verdict = Literal["good", "questionable", "not measured"]


@dataclass(frozen=True)
class Rigid:
    """Where a second scan lies: its LPS point q is the planning scan's LPS point `R (q - centre) + centre + shift`.

    turn_deg: R as a rotation vector: its direction is the axis, its length the angle (right-hand rule), so that small parts read as
    turns about the left-right, front-back and head-foot axis. shift_mm: how far the centre moves. centre_mm: in the second scan's world.
    """

    turn_deg: Point = (0.0, 0.0, 0.0)
    shift_mm: Point = (0.0, 0.0, 0.0)
    centre_mm: Point = (0.0, 0.0, 0.0)

    @cached_property
    def rotation(self) -> Floats:
        """R, 3x3."""
        return rotation_of(np.radians(self.turn_deg))

    @property
    def matrix(self) -> Floats:
        """4x4: LPS mm of the second scan to LPS mm of the planning scan."""
        whole, centre = np.eye(4), np.array(self.centre_mm)
        whole[:3, :3] = self.rotation
        whole[:3, 3] = centre + self.shift_mm - self.rotation @ centre
        return whole

    def __call__(self, points_mm: ArrayLike) -> Floats:
        """Points (..., 3) of the second scan in the planning scan's world."""
        return (np.asarray(points_mm, dtype=np.float64) - self.centre_mm) @ self.rotation.T + self.centre_mm + self.shift_mm

    def back(self, points_mm: ArrayLike) -> Floats:
        """Points (..., 3) of the planning scan in the second scan's world."""
        centre = np.array(self.centre_mm)
        return (np.asarray(points_mm, dtype=np.float64) - centre - self.shift_mm) @ self.rotation + centre

    def back_to(self, point_mm: Sequence[float]) -> Point:
        """One point of the planning scan in the second scan's world."""
        return _point(self.back(np.asarray(point_mm)))

    def shifted(self, step_mm: Sequence[float]) -> Rigid:
        """The second scan moved on by a step in the planning scan's world."""
        x, y, z = (float(a + b) for a, b in zip(self.shift_mm, step_mm))
        return replace(self, shift_mm=(x, y, z))

    def turned(self, axis: ArrayLike, angle_deg: float, about_mm: ArrayLike) -> Rigid:
        """The second scan turned on about an axis through a point, both of the planning scan's world (right-hand rule)."""
        unit = np.asarray(axis, dtype=np.float64) / np.linalg.norm(axis)
        more = rotation_of(np.radians(angle_deg) * unit)
        about, moved = np.asarray(about_mm, dtype=np.float64), np.array(self.centre_mm) + self.shift_mm
        shift = more @ (moved - about) + about - self.centre_mm
        return Rigid(_point(np.degrees(vector_of(more @ self.rotation))), _point(shift), self.centre_mm)

    def about(self, centre_mm: Sequence[float]) -> Rigid:
        """The same place, told about another centre."""
        shift = self(np.asarray(centre_mm, dtype=np.float64)) - np.asarray(centre_mm)
        return Rigid(self.turn_deg, _point(shift), _point(centre_mm))

    def inverse(self) -> Rigid:
        """The other way: where the planning scan lies in the second scan's world."""
        x, y, z = self.turn_deg
        there = np.array(self.centre_mm) + self.shift_mm
        return Rigid((-x, -y, -z), _point(-np.array(self.shift_mm)), _point(there))

    def rounded(self) -> Rigid:
        """To a thousandth of a mm and of a degree: what the case file and the panel say."""
        return Rigid(*(_point(np.round(part, 3)) for part in (self.turn_deg, self.shift_mm, self.centre_mm)))

    def placed(self, second: Volume) -> Volume:
        """The second scan in the planning scan's world: the same voxels on an oblique frame, its gaps and the frame of its slices too."""
        gaps, field = tuple(self._gap_there(gap) for gap in second.gaps), second.field
        return replace(second, frame=self._frame_there(second.frame), gaps=gaps, field=None if field is None else self._frame_there(field))

    def _frame_there(self, frame: Frame) -> Frame:
        return Frame(frame.shape, self.matrix @ frame.affine)

    def _gap_there(self, gap: Gap) -> Gap:
        normal = self.rotation @ gap.normal
        along = float(self((0.0, 0.0, 0.0)) @ normal)
        return Gap(_point(normal), gap.low_mm + along, gap.high_mm + along)


@dataclass(frozen=True)
class LevelError:
    """How far one vertebra of the second scan lies from where the registration puts it.

    centre_mm: the middle of its body in the planning scan; names are looked up by it, for they may change. shift_mm: how far the second
    scan's voxels round it would move, alone, to agree best; error_mm: its length. None: not checked, and `why`.
    """

    centre_mm: Point
    error_mm: float | None
    shift_mm: Point | None = None
    why: str = ""


@dataclass(frozen=True)
class Registration:
    """Where a second scan was laid. start: what it was found from. information: mutual information round the spine at its end, nats; None
    where a hand placed it. levels: head to foot; None while they are not measured. doubts: sentences of what else speaks against it."""

    placed: Rigid
    start: StartName
    information: float | None = None
    levels: tuple[LevelError, ...] | None = None
    doubts: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Good: of the levels that the second scan holds half or more were checked, two at least, all of those agree, and nothing else
        speaks against it."""
        if self.levels is None:
            return "not measured"
        held = [level for level in self.levels if level.why != NOT_HELD]
        enough = len(self.errors_mm) >= 2 and 2 * len(self.errors_mm) >= len(held)
        return "good" if enough and not self.doubts and not self.off else "questionable"

    @property
    def errors_mm(self) -> tuple[float, ...]:
        """Of the levels that were checked."""
        return tuple(level.error_mm for level in self.levels or () if level.error_mm is not None)

    @property
    def off(self) -> tuple[LevelError, ...]:
        """The levels that lie farther off than a good registration leaves them."""
        limit = number("registration.level_error_mm")
        return tuple(level for level in self.levels or () if level.error_mm is not None and level.error_mm > limit)

    def knows(self, point_mm: Sequence[float]) -> bool:
        """Whether a place of the planning scan may be carried over to the second scan: the registration is good, and the level there was
        checked."""
        away = [(float(np.linalg.norm(np.subtract(level.centre_mm, point_mm))), n) for n, level in enumerate(self.levels or ())]
        distance, nearest = min(away, default=(np.inf, 0))
        return self.verdict == "good" and distance <= _OF_A_LEVEL_MM and (self.levels or ())[nearest].error_mm is not None

    def inverse(self) -> Registration:
        """The same for planning on the other scan; its levels are to be measured anew."""
        return Registration(self.placed.inverse(), self.start, self.information, None, self.doubts)


def rotation_of(vector_rad: ArrayLike) -> Floats:
    """The 3x3 rotation of a rotation vector (Rodrigues)."""
    x, y, z = np.asarray(vector_rad, dtype=np.float64)
    angle = float(np.sqrt(x * x + y * y + z * z))
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    if angle < 1e-12:
        return np.eye(3) + cross
    return np.eye(3) + np.sin(angle) / angle * cross + (1 - np.cos(angle)) / angle**2 * (cross @ cross)


def vector_of(rotation: Floats) -> Floats:
    """The rotation vector of a 3x3 rotation, radians."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_matrix(rotation).as_rotvec(), dtype=np.float64)


def _point(values: ArrayLike) -> Point:
    x, y, z = np.asarray(values, dtype=np.float64)
    return float(x), float(y), float(z)
