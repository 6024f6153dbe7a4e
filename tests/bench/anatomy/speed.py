"""What it costs: a scan of 512 x 512 x 300 voxels, each modality in a process of its own."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from time import perf_counter
from typing import get_args

import numpy as np

from planner.anatomy import Anatomy, Anchor, find
from planner.anatomy.by_hand.edits import CentrelinePoint, Edit, WallPoint
from planner.anatomy.names import called, shifted
from planner.anatomy.spine import ANGLES
from planner.case.case import Case
from planner.case.derive import find_anatomy, with_edits
from planner.geometry import Floats, Frame, Volume
from planner.phantom import PhantomParameters, build
from planner.phantom.parameters import ModalityName
from tests.bench.anatomy.cohort import Row, spent

_SHAPE = (300, 512, 512)
_SPACING_MM = (1.07, 0.75, 0.75)
_NAMED = "L3"
_TIMES = 3
_DRAGGED_MM, _REACH_MM = 2.0, 10.0
SEGMENTATOR_S = 70.0
"""TotalSegmentator --fast on a processor, a large CT (its README; algorithms.md 8.2)."""


def large(modality: ModalityName) -> tuple[Volume, tuple[float, float, float]]:
    """The phantom on 512 x 512 x 300 voxels, air where it ends before, and the middle of its L3."""
    phantom = build(PhantomParameters(modality=modality, spacing_mm=_SPACING_MM, body_mass_index=30.0))
    voxels = phantom.volume.voxels
    out = np.full(_SHAPE, -1000 if modality in ("ct", "myelogram") else 0, dtype=np.int16)
    low = [max(0, (there - here) // 2) for there, here in zip(_SHAPE, voxels.shape)]
    cut = [max(0, (here - there) // 2) for there, here in zip(_SHAPE, voxels.shape)]
    size = [min(there, here) for there, here in zip(_SHAPE, voxels.shape)]
    into, of = (tuple(slice(start, start + n) for start, n in zip(starts, size)) for starts in (low, cut))
    out[into] = voxels[of]
    affine = phantom.volume.frame.affine.copy()
    affine[:3, 3] = phantom.volume.frame.to_world(np.array(cut) - np.array(low))
    centre = next(level.centre for level in phantom.truth.levels if level.name == _NAMED)
    return Volume(Frame(_SHAPE, affine), out, phantom.volume.modality), centre


def cost(modality: ModalityName) -> Row:
    """Seconds and memory of one modality. The clock counts only where nothing else runs."""
    find(build(PhantomParameters(modality=modality, spacing_mm=(1.8, 1.8, 1.8))).volume)  # kernels are compiled
    volume, centre = large(modality)
    start = perf_counter()
    found, finding = spent(lambda: find(volume))
    clock_s = perf_counter() - start
    _, again = spent(lambda: find(volume))
    naming_s = _least(volume, found, Anchor(_NAMED, centre, "user"))
    others = [shifted(found, 1), shifted(found, -1)]
    shown_s = max(min(spent(partial(called, found, other))[1].cpu_s for _ in range(_TIMES)) for other in others)
    following_s = max(_least(volume, found, other) for other in others)
    cpu_s = min(finding.cpu_s, again.cpu_s)
    row = {"modality": modality, "cpu_s": cpu_s, "clock_s": clock_s, "peak_gb": finding.peak_gb}
    return {**row, "anchor_s": naming_s, "shown_s": shown_s, "following_s": following_s, "dragged_s": _dragging(found, centre)}


def _dragging(found: Anatomy, centre: tuple[float, float, float]) -> float:
    """CPU seconds until all follows a point of the canal's back wall, or one of its middle, that was dragged beside a vertebra: the first
    one, or a second after it; the worst of them, each the least of some times."""
    canal = found.canal
    at = canal.nearest(centre)
    wall = canal.centreline_mm[at] + canal.wall_mm[at, ANGLES // 4] * canal.back[at]
    first = WallPoint(_point(wall), _point(wall + _DRAGGED_MM * canal.back[at]), _REACH_MM)
    middle = canal.centreline_mm[at]
    second = CentrelinePoint(_point(middle), _point(middle + _DRAGGED_MM * canal.left[at]), _REACH_MM)
    steps: list[tuple[Anatomy, tuple[Edit, ...]]] = [
        (found, (first,)),
        (found, (second,)),
        (with_edits(Case(edits=(first,)), found), (first, second)),
    ]
    return max(min(spent(partial(with_edits, Case(edits=edits), before))[1].cpu_s for _ in range(_TIMES)) for before, edits in steps)


def _point(place: Floats) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in place)
    return x, y, z


def _least(volume: Volume, found: Anatomy, anchor: Anchor) -> float:
    """CPU seconds until all follows another name, the least of some times."""
    case = Case(anchor=anchor)
    return min(spent(lambda: find_anatomy(case, volume, found=found))[1].cpu_s for _ in range(_TIMES))


def costs() -> list[Row]:
    """CT, myelogram and MR, T2 and T1."""
    rows = []
    for modality in get_args(ModalityName):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            rows.append(pool.submit(cost, modality).result())
    return rows
