"""Two scans of one phantom patient, the second moved by a motion that is known; the planning scan's spine is the truth's own."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from planner.anatomy.spine import ANGLES, Anatomy, Canal, Level
from planner.geometry import Volume
from planner.phantom import Phantom, PhantomParameters, build
from planner.phantom.parameters import ModalityName
from planner.registration import Rigid

SPACING_MM = (2.0, 1.6, 1.6)


@cache
def patient(
    modality: ModalityName = "ct", spacing_mm: tuple[float, float, float] = SPACING_MM, size: float = 1.0, lordosis: float = 0.85
) -> Phantom:
    return build(PhantomParameters(modality=modality, spacing_mm=spacing_mm, size=size, lordosis=lordosis))


@cache
def true_spine(one: Phantom) -> Anatomy:
    """Canal and levels of the truth: the registration is judged alone."""
    line = np.array(one.truth.centreline)
    n = len(line)
    tube = Canal(line, np.tile([1.0, 0, 0], (n, 1)), np.tile([0, 1.0, 0], (n, 1)), np.full((n, ANGLES), 9.0),
                 np.zeros((n, ANGLES), dtype=bool), np.full(n, 254.0), np.ones(n))  # fmt: skip
    levels = tuple(Level(level.name, level.centre, tube.s_mm[tube.nearest(level.centre)], 1.0) for level in one.truth.levels)
    labels = np.zeros(one.volume.frame.shape, dtype=np.uint8)
    return Anatomy(one.volume.frame, one.volume.modality, labels, {}, tube, levels, (), (), (), None)


def motion(one: Phantom, turn_deg: float, shift_mm: float) -> Rigid:
    """On another table: turned about all three axes and shifted along all three."""
    x, y, z = one.volume.frame.centre_mm
    length = float(np.linalg.norm([1.0, -0.4, 0.3]))
    turn = (turn_deg / length, -0.4 * turn_deg / length, 0.3 * turn_deg / length)
    return Rigid(turn, (shift_mm, -0.5 * shift_mm, 0.8 * shift_mm), (float(x), float(y), float(z)))


def scanned_again(one: Phantom, moved: Rigid) -> Volume:
    """The patient as a scanner sees him that stands elsewhere: resampled onto its own axial grid."""
    return moved.placed(one.volume).to_axial()


def misplaced_mm(placed: Rigid, moved: Rigid, first: Phantom, second: Phantom) -> dict[str, float]:
    """How far the registration really puts each vertebra of the second scan from its own place in the first."""
    there = {level.name: level.centre for level in second.truth.levels}
    return {level.name: float(np.linalg.norm(placed(moved(there[level.name])) - level.centre)) for level in first.truth.levels}


def cut(volume: Volume, first: int, last: int) -> Volume:
    """Some slices of a scan."""
    shape = volume.frame.shape
    return replace(volume, frame=volume.frame.crop((first, 0, 0), (last, *shape[1:])), voxels=volume.voxels[first:last])
