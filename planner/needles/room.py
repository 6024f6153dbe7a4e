"""The room that a needle has: the planning box with what is in it, made once for a leak and an approach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from planner.anatomy import labels
from planner.anatomy.spine import Anatomy
from planner.evidence import number
from planner.geometry import Floats, Frame, Volume, resample
from planner.leak import ApproachName, Leak, barred, is_transforaminal, no_opening
from planner.needles.dangers import Danger, find_dangers
from planner.needles.distance import UNIT_MM
from planner.needles.doors import Door, doors
from planner.needles.rules import is_narrow
from planner.needles.targets import NEEDLE_RADIUS_MM, Space, target_spaces, thin
from planner.progress import Progress, part, silent
from planner.refusal import Refusal

AIR, BODY, BEYOND = range(3)
"""Values of `Room.space`: outside the body, inside, beyond the scan."""
FINEST_MM, COARSEST_MM, MOST_VOXELS = 0.65, 0.8, 5_000_000
"""Spacing of the planning box, and how many voxels it should have at most (algorithms 4.2)."""
LONGEST_MM = 180.0
"""Farthest that a planning box reaches behind its targets: the longest needle of the catalogue."""
SKIN_STEP = 4
"""The skin's direction is kept on a grid this many times coarser."""
SKIN_BLUR_MM = 4.0
"""A fold or the noise of a surface is not the skin's direction."""
SIGHT_STEPS = 24
"""Places looked at between a tip in a foramen and the canal."""


@dataclass(frozen=True, eq=False)
class Attempt:
    """The 40 to 64 points of a gateway's region (their numbers) that are searched together. short: they lie in the foramen, short of the
    ventral space. closer: only the least margins are kept there."""

    chosen: NDArray[np.intp]
    short: bool
    closer: bool


@dataclass(frozen=True, eq=False)
class Gateway:
    """A door with the space behind it: all points where a tip may end (n, 3), LPS, how well each is placed, 0..1, whether it lies short of
    the space that the approach aims at, and what to search, in this order, until there is a path."""

    door: Door
    region_mm: Floats
    region_aim: Floats
    region_short: NDArray[np.bool_]
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, eq=False)
class Room:
    """What the search and the checks need to know.

    frame: the planning box, axial and isotropic. space: uint8 [k, j, i]. fields: uint8 [n, k, j, i] distances of the hazards that come
    near, in quarters of a millimetre. nearest: uint8 [k, j, i], the least of them. normals: float32 [k, j, i, 3] of the skin, SKIN_STEP
    times coarser. midline: (k, 4) the canal's centre x, y and its left x, y in each slice, in mm. root_points: float32 (n, 3), the middle
    lines of the roots, relative to the origin. slice_mm: the scan's coarsest spacing. ends_mm: (2, 3) low and high LPS bounds of what the
    scan shows of the body, infinite where it shows the skin. problem: why nothing can be planned and what to do, or None.
    usual_depth_mm: about how long a needle has to be.
    """

    anatomy: Anatomy
    leak: Leak
    approach: ApproachName
    frame: Frame
    space: NDArray[np.uint8]
    fields: NDArray[np.uint8]
    nearest: NDArray[np.uint8]
    normals: NDArray[np.float32]
    midline: Floats
    dangers: tuple[Danger, ...]
    root_points: NDArray[np.float32]
    gateways: tuple[Gateway, ...]
    slice_mm: float
    ends_mm: Floats
    problem: Refusal | None
    usual_depth_mm: float | None

    @property
    def spacing_mm(self) -> float:
        """Of the planning box."""
        return self.frame.spacing_mm[0]

    @property
    def origin_mm(self) -> Floats:
        """LPS position of the planning box's first voxel."""
        return self.frame.affine[:3, 3]

    def axes_at(self, point_mm: Floats) -> tuple[Floats, Floats]:
        """The directions to the patient's left and back, in the axial plane, at the height of a point."""
        at = int(np.clip(np.round((point_mm[2] - self.origin_mm[2]) / self.spacing_mm), 0, len(self.midline) - 1))
        x, y = self.midline[at, 2:]
        return np.array([x, y, 0.0]), np.array([-y, x, 0.0])

    def danger(self, name: str) -> Danger:
        """The hazard of this name."""
        return next(danger for danger in self.dangers if danger.hazard.name == name)

    def to_ends_mm(self, one_mm: Floats, other_mm: Floats) -> float:
        """Least distance of the way between two points from where the scan cuts the body off."""
        low, high = self.ends_mm
        return float(min((np.minimum(one_mm, other_mm) - low).min(), (high - np.maximum(one_mm, other_mm)).min()))


def prepare(
    volume: Volume,
    anatomy: Anatomy,
    leak: Leak,
    approach: ApproachName,
    progress: Progress = silent,
    entry_level: str | None = None,
) -> Room:
    """The room for one leak and one approach; entry_level: the only disc space where the needle may go in, where the user chose one.

    Raises Refusal when no canal is known or the approach has no search. An opening that is missing is no refusal: the room says so in
    `problem`, and the search finds nothing for that reason.
    """
    if approach == "caudal":
        raise Refusal("A caudal needle cannot be planned.", "Choose an interlaminar or transforaminal approach.")
    if len(anatomy.canal.centreline_mm) == 0:
        raise Refusal("No spinal canal was found.", "Go back to Anatomy and find the canal first.")
    if not anatomy.frame.is_axial:
        raise ValueError("the anatomy is planned on in the standard frame")
    openings = doors(anatomy, leak, approach, entry_level)
    problem = barred(leak, anatomy, approach, entry_level)
    if problem is None and not openings:
        problem = no_opening(leak, anatomy, approach, entry_level)
    progress(0.0, "Cutting out the planning box")
    frame = _planning_box(anatomy, leak, approach, openings)
    codes = resample(anatomy.labels, anatomy.frame, frame, 255, nearest=True)
    space = _space(volume, frame, codes)
    dangers, fields = find_dangers(volume, anatomy, frame, codes, part(progress, 0.1, 0.85))
    progress(0.85, "Finding where the tip may end")
    box = _Box(frame, codes, dangers, fields)
    room = Room(
        anatomy=anatomy,
        leak=leak,
        approach=approach,
        frame=frame,
        space=space,
        fields=fields,
        nearest=fields.min(axis=0) if len(fields) else np.full(frame.shape, 62, np.uint8),
        normals=_skin_normals(space, frame.spacing_mm[0]),
        midline=_midline(anatomy, frame),
        dangers=dangers,
        root_points=_root_points(anatomy, frame),
        gateways=tuple(_gateway(door, target_spaces(anatomy, leak, approach, door), box) for door in openings),
        slice_mm=max(anatomy.frame.spacing_mm),
        ends_mm=_ends(anatomy),
        problem=problem,
        usual_depth_mm=_usual_depth(frame, space, openings, approach),
    )
    progress(1.0, "Ready to search")
    return room


def _ends(anatomy: Anatomy) -> Floats:
    """(2, 3): where the scan cuts the body off at its low and its high end along x, y, z; infinite where the body ends within it."""
    ends = np.array(anatomy.frame.bounds_mm, dtype=np.float64)
    body = anatomy.labels
    faces = ((body[:, :, 0], body[:, :, -1]), (body[:, 0], body[:, -1]), (body[0], body[-1]))
    for axis, pair in enumerate(faces):
        for end, face in enumerate(pair):
            if not face.any():
                ends[end, axis] = np.inf if end else -np.inf
    return ends


def _planning_box(anatomy: Anatomy, leak: Leak, approach: ApproachName, openings: tuple[Door, ...]) -> Frame:
    centres = np.array([door.centre_mm for door in openings]) if openings else np.array([leak.position_mm])
    low, high = centres.min(axis=0), centres.max(axis=0)
    middle = anatomy.canal.centreline_mm[anatomy.canal.nearest(leak.position_mm)]
    if is_transforaminal(approach):
        lung = anatomy.structure("lung").provenance != "not checked"
        narrow = all(is_narrow(door.level, lung) for door in openings) if openings else True
        wide = number("needles.entry_thoracic_mm" if narrow else "needles.entry_lumbar_mm") + 12.0
        sides = {door.side for door in openings}
        low[0] = middle[0] - (wide if "right" in sides else 30.0)
        high[0] = middle[0] + (wide if "left" in sides else 30.0)
        low[2], high[2] = low[2] - 55.0, high[2] + 45.0
    else:
        low[0], high[0] = middle[0] - 45.0, middle[0] + 45.0
        low[2], high[2] = low[2] - 75.0, high[2] + 35.0
    low[1], high[1] = low[1] - 30.0, high[1] + LONGEST_MM
    box = anatomy.frame.box_around(np.array([low, high]), 0.0)
    body = np.flatnonzero((anatomy.labels[box][::4, :, ::4] > 0).any(axis=(0, 2)))
    frame = anatomy.frame.crop([part.start for part in box], [part.stop for part in box])
    low, high = np.maximum(low, frame.bounds_mm[0]), np.minimum(high, frame.bounds_mm[1])
    if body.size:
        high[1] = min(high[1], frame.bounds_mm[0][1] + float(body[-1]) * frame.spacing_mm[1] + 5.0)
    extent = np.maximum(high - low, 1.0)
    spacing = float(np.clip(np.cbrt(np.prod(extent) / MOST_VOXELS), FINEST_MM, COARSEST_MM))
    shape = np.maximum(2, np.floor(extent[::-1] / spacing).astype(int) + 1)
    return Frame.axial((int(shape[0]), int(shape[1]), int(shape[2])), (spacing,) * 3, (float(low[0]), float(low[1]), float(low[2])))


def _space(volume: Volume, frame: Frame, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What of the planning box is air, body or beyond the scan; what the scanner padded and what no slice shows is beyond the scan."""
    space = np.where(codes == 255, BEYOND, np.minimum(codes, 1)).astype(np.uint8)
    if volume.padding is not None:
        padded = resample((volume.voxels == volume.padding).astype(np.uint8), volume.frame, frame, 0, nearest=True)
        space[(padded > 0) & (space == AIR)] = BEYOND
    for gap in volume.unseen:
        gap.fill(space, frame, BEYOND)
    return space


def _root_points(anatomy: Anatomy, frame: Frame) -> NDArray[np.float32]:
    paths = [root.path_mm for root in anatomy.roots if len(root.path_mm)]
    return np.ascontiguousarray(np.concatenate([np.empty((0, 3)), *paths]) - frame.affine[:3, 3], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class _Box:
    """The planning box while the room is made: labels, dangers and their fields on its frame."""

    frame: Frame
    codes: NDArray[np.uint8]
    dangers: tuple[Danger, ...]
    fields: NDArray[np.uint8]


def _gateway(door: Door, spaces: tuple[Space, ...], box: _Box) -> Gateway:
    """A door with those points of its spaces that keep the least margins, and the attempts to search."""
    points = np.concatenate([space.points_mm for space in spaces])
    aim = np.concatenate([space.aim for space in spaces])
    short = np.concatenate([np.full(len(space.aim), space.short) for space in spaces])
    index = np.round(box.frame.to_index(points)).astype(int)
    inside = np.asarray(((index >= 0) & (index < box.frame.shape)).all(axis=1))
    at = tuple(np.where(inside[:, None], index, 0).T)
    spare, least = _spare(box, at)
    allowed = np.concatenate([_allowed(space, box.codes[at][short == space.short]) for space in spaces])
    kept = inside & allowed & (least >= 0)
    if door.kind == "foramen":
        kept[kept] = _open_to_canal(points[kept], door, box.frame, box.codes)
    points, spare, short = points[kept], spare[kept], short[kept]
    aim = aim[kept] * (0.6 + 0.4 * np.clip(spare / 1.5, 0.0, 1.0))
    attempts = []
    for closer in (False, True) if any(danger.least_mm < danger.margin_mm for danger in box.dangers) else (False,):
        for space in spaces:
            those = np.flatnonzero((short == space.short) & (closer | (spare >= 0)))
            attempts.append(Attempt(those[thin(points[those], aim[those])], space.short, closer))
    return Gateway(door, points, aim, short, tuple(attempts))


def _spare(box: _Box, at: tuple[NDArray[np.intp], ...]) -> tuple[Floats, Floats]:
    """By how many mm the nearest limit is kept at voxels, (n,) each: as asked, and at least."""
    spare, least = (np.full(len(at[0]), 15.5) for _ in range(2))
    for danger in box.dangers:
        if danger.field is not None:
            away = box.fields[danger.field][at] * UNIT_MM - NEEDLE_RADIUS_MM
            np.minimum(spare, away - danger.margin_mm, out=spare)
            np.minimum(least, away - danger.least_mm, out=least)
    return spare, least


def _open_to_canal(points: Floats, door: Door, frame: Frame, codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether no bone stands between each point outside the canal and the mouth of the foramen: a dose given there can flow in."""
    mouth = door.centre_mm - door.reach_mm * door.outward
    share = np.linspace(0.0, 1.0, SIGHT_STEPS)[:, None, None]
    index = np.round(frame.to_index((1 - share) * points + share * mouth)).astype(int)
    k, j, i = np.clip(index, 0, np.array(frame.shape) - 1).reshape(-1, 3).T
    closed = np.isin(codes[k, j, i], labels.BONE).reshape(SIGHT_STEPS, -1).any(axis=0)
    return np.asarray(~closed | ((points - mouth) @ door.outward <= 0))


def _allowed(space: Space, codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.isin(codes, space.allowed) if space.allowed else (codes > 0) & (codes < 255)


def _skin_normals(space: NDArray[np.uint8], spacing: float) -> NDArray[np.float32]:
    size = [-(-n // SKIN_STEP) for n in space.shape]
    padding = [(0, m * SKIN_STEP - n) for m, n in zip(size, space.shape)]
    blocks = np.pad(space != AIR, padding, mode="edge").reshape(size[0], SKIN_STEP, size[1], SKIN_STEP, size[2], SKIN_STEP)
    coarse = blocks.mean(axis=(1, 3, 5), dtype=np.float32)
    smooth = gaussian_filter(coarse, SKIN_BLUR_MM / (spacing * SKIN_STEP), mode="nearest")
    slopes = [np.gradient(smooth, axis=axis) if smooth.shape[axis] > 1 else np.zeros_like(smooth) for axis in (2, 1, 0)]
    normals = -np.stack(slopes, axis=-1)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.ascontiguousarray(normals / np.maximum(length, 1e-6), dtype=np.float32)


def _midline(anatomy: Anatomy, frame: Frame) -> Floats:
    canal = anatomy.canal
    z = frame.affine[2, 3] + np.arange(frame.shape[0]) * frame.spacing_mm[0]
    order = np.argsort(canal.centreline_mm[:, 2])
    height = canal.centreline_mm[order, 2]
    columns = [canal.centreline_mm[order, 0], canal.centreline_mm[order, 1], canal.left[order, 0], canal.left[order, 1]]
    rows = np.stack([np.interp(z, height, column) for column in columns], axis=1)
    rows[:, 2:] /= np.linalg.norm(rows[:, 2:], axis=1, keepdims=True)
    return rows


def _usual_depth(frame: Frame, space: NDArray[np.uint8], openings: tuple[Door, ...], approach: ApproachName) -> float | None:
    """Straight back from the first opening to the skin, made longer by the usual slant; None where the skin is not in view."""
    if not openings:
        return None
    k, j, i = np.clip(np.round(frame.to_index(openings[0].centre_mm)).astype(int), 0, np.array(frame.shape) - 1)
    out = np.flatnonzero(space[k, j:, i] != BODY)
    if out.size == 0 or space[k, j + out[0], i] == BEYOND:
        return None
    straight = float(out[0]) * frame.spacing_mm[1]
    return straight * (1.4 if is_transforaminal(approach) else 1.1) + 12.0
