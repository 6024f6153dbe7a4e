"""The epidural space by compartment: what of the canal the sac leaves, in front, behind and on both sides, and the foramina.

The one home of where a compartment begins: `planner.patch.space` sorts the places of its 1 mm grid by the same borders.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from planner.anatomy import labels as code
from planner.anatomy.paint import along_canal
from planner.anatomy.spine import Anatomy
from planner.evidence import number
from planner.geometry import Floats, Frame
from planner.progress import Progress, silent
from planner.refusal import Refusal

Compartment = Literal["ventral", "dorsal", "left recess", "right recess", "left foramen", "right foramen"]
COMPARTMENTS: tuple[Compartment, ...] = get_args(Compartment)
"""In the order of their codes in a map, which begin at 1."""

DORSAL_DEG, VENTRAL_DEG = (30.0, 150.0), (210.0, 330.0)
"""Sectors around the sac's centre, 90 = back (algorithms 3); the lateral recesses lie between them."""
HALF_LENGTH_MM = 6.0
"""Half the length of a foramen along its axis; what lies `patch.beyond_foramen` farther out belongs to it as well."""
INWARD_MM = 14.0
"""How far toward the sac a foramen is looked for when the canal's wall does not meet it."""
WIDENING = 0.12
"""Growth of the room beyond a foramen per mm."""
Reals = NDArray[np.floating[Any]]
_LEAST_MM = 1.0  # half of a foramen's height or width
_SOFT = (code.SOFT_TISSUE, code.EPIDURAL_SPACE, code.CONTRAST_OUTSIDE, code.NERVE_ROOT, code.GANGLION)


@dataclass(frozen=True)
class CompartmentVolume:
    """How much room a compartment has at a level, between the middles of two bodies. level: `L3-L4`."""

    level: str
    compartment: Compartment
    volume_ml: float


@dataclass(frozen=True, eq=False)
class Compartments:
    """frame, map: the scan's grid, and uint8 [k, j, i] on it, 0 outside the epidural space, else 1 + the compartment's place in
    COMPARTMENTS. volumes: per level, head to foot, those of the levels that were named."""

    frame: Frame
    map: NDArray[np.uint8]
    volumes: tuple[CompartmentVolume, ...]

    def mask(self, compartment: Compartment) -> NDArray[np.bool_]:
        """The voxels of a compartment on the scan's grid."""
        return self.map == 1 + COMPARTMENTS.index(compartment)

    def volume_ml(self, level: str, compartment: Compartment) -> float:
        """The room of a compartment at a level; 0 where there is none."""
        return sum(held.volume_ml for held in self.volumes if (held.level, held.compartment) == (level, compartment))

    def words_at(self, index: tuple[int, ...], level: str) -> str:
        """`ventral epidural space, 0.8 mL at L3-L4`: the compartment that a voxel [k, j, i] belongs to; empty outside all."""
        place = int(self.map[index])
        if not place:
            return ""
        name = COMPARTMENTS[place - 1]
        where = name if name.endswith(("recess", "foramen")) else f"{name} epidural space"
        held_ml = self.volume_ml(level, name)
        return f"{where}, {held_ml:.1f} mL at {level}" if held_ml else where


def angle_deg(across_mm: Reals, behind_mm: Reals) -> Reals:
    """Directions around the sac's centre, 0 left, 90 back, 0 to 360."""
    return np.degrees(np.arctan2(behind_mm, across_mm)) % 360.0


def in_sector(angle: Reals, sector_deg: tuple[float, float]) -> NDArray[np.bool_]:
    """Whether directions lie in a sector, its borders included."""
    return np.asarray((angle >= sector_deg[0]) & (angle <= sector_deg[1]))


def compartments(anatomy: Anatomy, progress: Progress = silent) -> Compartments:
    """The epidural space of the whole canal in view by compartment, from the labels. Raises Refusal where canal or sac are not known."""
    progress(0.0, "Dividing the epidural space")
    frame, canal = anatomy.frame, anatomy.canal
    if len(canal.centreline_mm) < 2:
        raise Refusal("The spinal canal was not found, so there is no epidural space.", "Load a scan that shows the canal.")
    box = frame.box_around(canal.centreline_mm, INWARD_MM + HALF_LENGTH_MM + number("patch.beyond_foramen"))
    part = frame.crop([side.start for side in box], [side.stop for side in box])
    held = anatomy.labels[box]
    sac = _places(anatomy, part, np.argwhere((held == code.THECAL_SAC) | (held == code.SPINAL_CORD)))
    if not len(sac):
        raise Refusal("The thecal sac is not known here, so the epidural space cannot be told from it.", "Find or draw the sac first.")
    progress(0.4, "Dividing the epidural space")
    index = np.argwhere(held == code.EPIDURAL_SPACE)
    places = _places(anatomy, part, index)
    angle = angle_deg(places[:, 1], places[:, 2] - _centre_behind(sac, len(canal.centreline_mm))[places[:, 0].astype(int)])
    names = np.where(places[:, 1] >= 0, COMPARTMENTS.index("left recess"), COMPARTMENTS.index("right recess"))
    names[in_sector(angle, DORSAL_DEG)] = COMPARTMENTS.index("dorsal")
    names[in_sector(angle, VENTRAL_DEG)] = COMPARTMENTS.index("ventral")
    divided = np.zeros(anatomy.labels.shape, dtype=np.uint8)
    inside = divided[box]
    inside[tuple(index.T)] = names + 1
    progress(0.7, "Dividing the epidural space")
    soft = np.isin(held, _SOFT) & (inside == 0) & ~_in_canal(anatomy, part, held)
    which, _ = foramen_voxels(anatomy, part, soft)
    ml = float(np.prod(frame.spacing_mm)) / 1000.0
    volumes = _canal_volumes(anatomy, places[:, 0], names, ml)
    for number_of, foramen in enumerate(anatomy.foramina):
        hole: Compartment = "left foramen" if foramen.side == "left" else "right foramen"
        mine = which == number_of
        inside[mine] = 1 + COMPARTMENTS.index(hole)
        volumes.append(CompartmentVolume(foramen.level, hole, int(np.count_nonzero(mine)) * ml))
    order = ["-".join((a.name, b.name)) for a, b in itertools.pairwise(anatomy.levels)]
    volumes.sort(key=lambda one: (order.index(one.level) if one.level in order else len(order), COMPARTMENTS.index(one.compartment)))
    progress(1.0, "Epidural space divided")
    return Compartments(frame, divided, tuple(volumes))


def _places(anatomy: Anatomy, part: Frame, index: NDArray[np.intp]) -> Floats:
    """(m, 3): cross-section, mm to the left and mm to the back of the canal's middle."""
    places = along_canal(index, part, anatomy.canal)
    places[:, 0] = np.clip(np.rint(places[:, 0]), 0, len(anatomy.canal.centreline_mm) - 1)
    return places


def _centre_behind(sac: Floats, sections: int) -> Floats:
    """(sections,): how far the sac's centre lies behind the canal's; below its end as at its end."""
    row = sac[:, 0].astype(int)
    count = np.bincount(row, minlength=sections)
    known = np.flatnonzero(count)
    total = np.bincount(row, weights=sac[:, 2], minlength=sections)
    return np.interp(np.arange(sections), known, total[known] / count[known])


def _in_canal(anatomy: Anatomy, part: Frame, held: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Roots that run inside the canal's wall: they belong to no foramen."""
    out = np.zeros(held.shape, dtype=np.bool_)
    index = np.argwhere((held == code.NERVE_ROOT) | (held == code.GANGLION))
    if not len(index):
        return out
    places = _places(anatomy, part, index)
    wall = anatomy.canal.wall_mm
    turn = angle_deg(places[:, 1], places[:, 2]) / 360.0 * wall.shape[1]
    edge = wall[places[:, 0].astype(int), turn.astype(int) % wall.shape[1]]
    out[tuple(index.T)] = np.hypot(places[:, 1], places[:, 2]) <= edge
    return out


def _canal_volumes(anatomy: Anatomy, section: Floats, names: NDArray[np.intp], ml: float) -> list[CompartmentVolume]:
    s = anatomy.canal.s_mm[section.astype(int)]
    volumes = []
    for upper, lower in itertools.pairwise(anatomy.levels):
        here = names[(s >= upper.s_mm) & (s < lower.s_mm)]
        for n, name in enumerate(COMPARTMENTS[:4]):
            volumes.append(CompartmentVolume(f"{upper.name}-{lower.name}", name, int(np.count_nonzero(here == n)) * ml))
    return volumes


def foramen_voxels(anatomy: Anatomy, frame: Frame, soft: NDArray[np.bool_]) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Which foramen (and the room beyond it) each voxel lies in, -1 for none, and how far along its axis from its middle, mm."""
    which = np.full(frame.shape, -1, dtype=np.int16)
    outward = np.zeros(frame.shape, dtype=np.float32)
    reach = HALF_LENGTH_MM + number("patch.beyond_foramen")
    for number_of, foramen in enumerate(anatomy.foramina):
        centre, axis = np.array(foramen.centre_mm), np.array(foramen.axis) / np.linalg.norm(foramen.axis)
        if not frame.contains(centre, -reach):
            continue
        canal = anatomy.canal
        at = canal.nearest(centre)
        up = -np.cross(canal.left[at], canal.back[at])
        up = up - (up @ axis) * axis
        up /= np.linalg.norm(up)
        box = frame.box_around(centre[None], reach + 2.0)
        voxels = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), axis=-1)
        offset = frame.to_world(voxels) - centre
        u, h = offset @ axis, offset @ up
        w = offset @ np.cross(axis, up)
        widening = WIDENING * np.maximum(u - HALF_LENGTH_MM, 0.0)
        half_height, half_width = (max(size / 2, _LEAST_MM) for size in (foramen.height_mm, foramen.width_mm))
        ring = (h / (half_height + widening)) ** 2 + (w / (half_width + widening)) ** 2
        taken = soft[box] & (ring <= 1.0) & (u >= -INWARD_MM) & (u <= reach) & (which[box] < 0)
        which[box][taken] = number_of
        outward[box][taken] = u[taken]
    return which, outward
