"""What a patch is measured by: cover of the leak, fill of the canal, extent, the sac, what escaped (reference: algorithms 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.anatomy.spine import Anatomy
from planner.evidence import number
from planner.geometry import Floats
from planner.leak.leak import Leak
from planner.patch.grid import SPACING_MM
from planner.patch.march import GIVE_WAY, LOST, SAC_BEYOND, SAC_CANAL, SAC_VENTRAL, Marched
from planner.patch.space import Space
from planner.refusal import Refusal

LEAK_REACH_MM = 8.0
"""A leak further than this from the space is not one that a patch here can reach."""
LEVEL_MM = 35.0
"""A level where fewer than two are named."""


@dataclass(frozen=True, eq=False)
class Site:
    """A leak on the dura: the place in its middle, the places on it (q,), and for each the places (q, 7) within cover distance, itself
    first, -1 for none."""

    centre: int
    places: NDArray[np.int64]
    within: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Measures:
    """Figures of one member, a row per volume: cover (rows, leaks), canal_fill (rows, sections), sac_reduction (rows, sections),
    levels_up, levels_down, escaped_ml, ventral_ml (rows,)."""

    cover: Floats
    canal_fill: Floats
    sac_reduction: Floats
    levels_up: Floats
    levels_down: Floats
    escaped_ml: Floats
    ventral_ml: Floats


def leak_site(space: Space, leak: Leak, number_of: int) -> Site:
    """The disk on the dura that stands for a leak. Raises Refusal for a leak far from the space."""
    places_mm = space.places_mm
    distance = np.linalg.norm(places_mm - np.array(leak.position_mm), axis=1)
    candidates = np.flatnonzero(space.dural)
    nearest = int(candidates[distance[candidates].argmin()]) if candidates.size else int(distance.argmin())
    if distance[nearest] > LEAK_REACH_MM:
        raise Refusal(
            f"Leak {number_of + 1} lies {distance[nearest]:.0f} mm from the nearest dura beside the epidural space or a foramen.",
            "Mark the leak on the sac or on a nerve-root sleeve.",
        )
    around = np.linalg.norm(places_mm[candidates] - places_mm[nearest], axis=1) <= number("patch.leak_radius")
    places = candidates[around]
    reach = np.linalg.norm(space.graph.steps_mm, axis=1) <= number("patch.cover_distance") + 0.01 * SPACING_MM
    within = np.concatenate([places[:, None], space.graph.neighbours[places][:, reach]], axis=1)
    return Site(nearest, places, within.astype(np.int32))


def level_coordinate(anatomy: Anatomy, s_mm: Floats) -> Floats:
    """Places along the canal in levels from the uppermost named vertebra, growing to the feet."""
    known = np.array(sorted(level.s_mm for level in anatomy.levels))
    if len(known) < 2:
        return s_mm / LEVEL_MM
    ranks = np.arange(len(known), dtype=np.float64)
    above, below = known[1] - known[0], known[-1] - known[-2]
    inside = np.interp(s_mm, known, ranks)
    return inside + np.minimum(s_mm - known[0], 0.0) / max(above, 1.0) + np.maximum(s_mm - known[-1], 0.0) / max(below, 1.0)


def measure(space: Space, marched: Marched, sites: Sequence[Site], levels: Floats, tip_levels: Floats, rows_ml: Floats) -> Measures:
    """Measure one member. levels: (sections,) level coordinate of each section; tip_levels: that of each tip."""
    voxel = SPACING_MM**3
    padded = np.append(marched.arrival_ml, np.inf).astype(np.float64)
    cover = np.empty((len(rows_ml), len(sites)))
    for n, site in enumerate(sites):
        arrival = np.sort(padded[site.within].min(axis=1))
        cover[:, n] = np.searchsorted(arrival, rows_ml, side="right") / len(arrival)
    freed_mm3 = marched.freed_ml * 1000.0
    fill = np.clip((marched.filled * voxel + freed_mm3) / np.maximum(space.canal_mm3, 1.0), 0.0, 1.0)
    fill[:, space.canal_mm3 < 1.0] = 0.0
    reduction = freed_mm3 / np.maximum(space.sac_mm3, 1.0)
    reached = fill > number("patch.extent_fill")
    top = np.where(reached, levels, np.inf).min(axis=1)
    bottom = np.where(reached, levels, -np.inf).max(axis=1)
    canal = marched.totals[:, SAC_CANAL]
    ventral_share = marched.totals[:, SAC_VENTRAL] / np.maximum(canal, 1e-9)
    return Measures(
        cover,
        fill,
        reduction,
        np.maximum(tip_levels.min() - np.minimum(top, tip_levels.min()), 0.0),
        np.maximum(np.maximum(bottom, tip_levels.max()) - tip_levels.max(), 0.0),
        marched.totals[:, SAC_BEYOND] + marched.totals[:, LOST],
        np.maximum.accumulate(ventral_share * (canal + marched.totals[:, GIVE_WAY])),
    )
