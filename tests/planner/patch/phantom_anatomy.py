"""The truth of a phantom as an Anatomy: what a perfect Anatomy station would hand on."""

from __future__ import annotations

from functools import cache

import numpy as np

from planner.anatomy import labels as code
from planner.anatomy.spine import ANGLES, Anatomy, Canal, Foramen, Level, Structure
from planner.geometry import Frame
from planner.phantom.build import Phantom, build
from planner.phantom.parameters import PhantomParameters

CODES = {code.name(value): value for value in range(1, 100) if value <= 15 or value in code.VERTEBRAE or 80 <= value < 104}


def to_codes(labels: np.ndarray, names: dict[int, str]) -> np.ndarray:
    """The phantom's labels in the codes of planner.anatomy.labels."""
    table = np.zeros(256, dtype=np.uint8)
    for value, name in names.items():
        table[value] = CODES.get(name, 0)
    return table[labels]


def wall_of(canal: np.ndarray, frame: Frame, line: np.ndarray, left: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Distance from the centreline to the edge of the canal's voxels in each direction, (n, ANGLES) mm."""
    radii = np.arange(0.5, 30.0, 0.5)
    turn = np.arange(ANGLES) * 2 * np.pi / ANGLES
    wall = np.zeros((len(line), ANGLES))
    for n in range(len(line)):
        rays = np.cos(turn)[:, None] * left[n] + np.sin(turn)[:, None] * back[n]
        index = np.rint(frame.to_index(line[n] + rays[:, None, :] * radii[None, :, None])).astype(int)
        index = np.clip(index, 0, np.array(frame.shape) - 1)
        hit = ~canal[index[..., 0], index[..., 1], index[..., 2]]
        wall[n] = radii[np.where(hit.any(axis=1), hit.argmax(axis=1), len(radii) - 1)]
    return wall


def anatomy_of(phantom: Phantom) -> Anatomy:
    """The Anatomy that the phantom's truth amounts to."""
    frame, truth = phantom.volume.frame, phantom.truth
    labels = to_codes(phantom.labels, phantom.label_names)
    line = np.array(truth.centreline, dtype=np.float64)
    tangent = np.gradient(line, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1)[:, None]
    left = np.array([1.0, 0.0, 0.0]) - tangent[:, :1] * tangent
    left /= np.linalg.norm(left, axis=1)[:, None]
    back = np.cross(tangent, left)
    back *= np.sign(back[:, 1])[:, None]
    wall = wall_of(np.isin(labels, code.CANAL), frame, line, left, back)
    n = len(line)
    canal = Canal(line, left, back, wall, np.zeros((n, ANGLES), dtype=bool), np.array(truth.area_mm2), np.ones(n))
    foramina = []
    for opening in truth.foramina:
        at = canal.nearest(opening.centre)
        axis = np.array(opening.centre) - line[at]
        axis -= (axis @ tangent[at]) * tangent[at]
        axis /= np.linalg.norm(axis)
        side = "left" if opening.side == "left" else "right"
        foramina.append(
            Foramen(opening.between, side, opening.centre, (axis[0], axis[1], axis[2]), opening.height_mm, opening.width_mm, 1.0)
        )
    levels = tuple(
        Level(level.name, level.centre, float(canal.s_mm[canal.nearest(level.centre)]), 1.0) for level in truth.levels
    )
    found = {name: Structure("found", 1.0) for name in ("canal", "sac", "levels", "foramina")}
    return Anatomy(frame, "CT", labels, found, canal, levels, tuple(foramina), (), (), None)


@cache
def phantom_spine(seed: int = 0, spacing_mm: float = 1.0) -> tuple[Phantom, Anatomy]:
    """A phantom at this spacing and its anatomy."""
    phantom = build(PhantomParameters(seed=seed, spacing_mm=(spacing_mm,) * 3))
    return phantom, anatomy_of(phantom)
