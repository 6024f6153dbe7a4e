"""The march: one run orders all places by when the injectate reaches them (reference: algorithms 5.2)."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.geometry import Floats

DORSAL, LATERAL, VENTRAL, FORAMEN, BEYOND = range(1, 6)
"""Compartments: behind, beside and in front of the sac; in a foramen; lateral of it."""

PAD, SIDE, FRONT, OUT = 0, 2, 4, 6
"""Rooms with walls between them: the fat pad behind the sac, what is beside and behind it, in front of it, outside the canal.
Each is the left one; the right one is one more."""
ROOMS = 8

MOST_GIVE_WAY = 3.0
"""The sac takes at most this many mL for each mL that the space takes: keeps the explicit steps stable."""

SAC_CANAL, SAC_VENTRAL, SAC_FORAMEN, SAC_BEYOND, GIVE_WAY, LOST = range(6)
"""Columns of `Marched.totals`."""

Places: TypeAlias = NDArray[np.int32]  # places of the graph in a heap, or where in it a place stands
Efforts: TypeAlias = NDArray[np.float32]  # per place


class Graph(NamedTuple):
    """The places that injectate can fill, n of them, and how they touch.

    neighbours: int32 (n, 26), -1 for none. steps_mm: (26, 3) LPS. tangent: float32 (n, 3), along the canal to the feet. zone: int8 (n,)
    compartment. room: int8 (n,) see PAD. section: int32 (n,) section of the canal, -1 outside it. opens: int16 (n,) the foramen that a
    place lies in beyond its narrowest part, -1 for none. bulk: float32 (n,) share of a voxel that a place opens. section_bulk:
    (sections,) their sum per section.
    """

    neighbours: NDArray[np.int32]
    steps_mm: Floats
    tangent: NDArray[np.float32]
    zone: NDArray[np.int8]
    room: NDArray[np.int8]
    section: NDArray[np.int32]
    opens: NDArray[np.int16]
    bulk: NDArray[np.float32]
    section_bulk: Floats


class Medium(NamedTuple):
    """What one member of the ensemble takes the tissue to be.

    slowness: float32 (n,), fat = 1. capacity_ml: float32 (n,). along_ease: how much easier along the canal. cephalad: -1..1, bias to the
    head. down: (3,) LPS direction of gravity times its weight. walls_mm: float32 (ROOMS, ROOMS) effort to go from room to room.
    film_from_mm, film_reach_mm, film_least: up to this effort a place takes all it can, beyond it less and less, down to this share.
    conductance: (foramina,), the canal = 1. sac_ml: (sections,) the most that the sac of a section can give. engaged_fill: filled share
    at which a section's sac feels the full pressure. pressure_half_mmhg, pressure_power: the sac's law. pressure_law: quadratic and
    linear factor and greatest mL. fibrin_slowness: factor once it has set.
    """

    slowness: NDArray[np.float32]
    capacity_ml: NDArray[np.float32]
    along_ease: float
    cephalad: float
    down: Floats
    walls_mm: NDArray[np.float32]
    film_from_mm: float
    film_reach_mm: float
    film_least: float
    conductance: Floats
    sac_ml: Floats
    engaged_fill: float
    pressure_half_mmhg: float
    pressure_power: float
    pressure_law: Floats
    fibrin_slowness: float


class Marched(NamedTuple):
    """What a march found.

    arrival_ml: float32 (n,) total volume injected when a place was filled, inf where never. filled: (rows, sections) voxels filled, a
    film counting as the share that it opens.
    freed_ml: (rows, sections) what the sac gave. totals: (rows, 6) mL in canal, in its ventral part (also counted in canal), in foramina,
    beyond them, from the sac, and lost through foramina; canal + foramina + beyond + sac + lost = row's volume to a place's own capacity.
    """

    arrival_ml: NDArray[np.float32]
    filled: Floats
    freed_ml: Floats
    totals: Floats


@njit(cache=True, nogil=True)
def _up(heap: Places, place: Places, effort: Efforts, n: int) -> None:
    item = heap[n]
    key = effort[item]
    while n > 0:
        above = (n - 1) >> 1
        if effort[heap[above]] <= key:
            break
        heap[n] = heap[above]
        place[heap[n]] = n
        n = above
    heap[n] = item
    place[item] = n


@njit(cache=True, nogil=True)
def _pop(heap: Places, place: Places, effort: Efforts, size: int) -> tuple[int, int]:
    first = heap[0]
    place[first] = -2
    size -= 1
    if size == 0:
        return first, size
    item = heap[size]
    key = effort[item]
    n = 0
    while True:
        below = 2 * n + 1
        if below >= size:
            break
        if below + 1 < size and effort[heap[below + 1]] < effort[heap[below]]:
            below += 1
        if effort[heap[below]] >= key:
            break
        heap[n] = heap[below]
        place[heap[n]] = n
        n = below
    heap[n] = item
    place[item] = n
    return first, size


@njit(cache=True, nogil=True, error_model="numpy")
def _relax(
    node: int,
    graph: Graph,
    medium: Medium,
    lengths: Floats,
    inverse: Floats,
    falls: Floats,
    slowness: NDArray[np.float32],
    effort: Efforts,
    heap: Places,
    place: Places,
    size: int,
) -> int:
    shrink = 1.0 - 1.0 / (medium.along_ease * medium.along_ease)
    tangent_x, tangent_y, tangent_z = graph.tangent[node, 0], graph.tangent[node, 1], graph.tangent[node, 2]
    half, room, start = 0.5 * slowness[node], graph.room[node], effort[node]
    for direction in range(graph.neighbours.shape[1]):
        other = graph.neighbours[node, direction]
        if other < 0 or place[other] == -2:
            continue
        x, y, z = graph.steps_mm[direction, 0], graph.steps_mm[direction, 1], graph.steps_mm[direction, 2]
        along = x * tangent_x + y * tangent_y + z * tangent_z
        straight = lengths[direction]
        bias = medium.cephalad * along * inverse[direction] - falls[direction]
        length = np.sqrt(straight * straight - shrink * along * along) * (1.0 + bias)
        cost = (half + 0.5 * slowness[other]) * length + medium.walls_mm[room, graph.room[other]]
        reached = start + cost
        if reached < effort[other]:
            effort[other] = reached
            if place[other] < 0:
                heap[size] = other
                place[other] = size
                size += 1
            _up(heap, place, effort, place[other])
    return size


@njit(cache=True, nogil=True, error_model="numpy")
def march(
    graph: Graph, medium: Medium, seeds: NDArray[np.int64], shares: Floats, fibrin_ml: Floats, rows_ml: Floats
) -> tuple[NDArray[np.float32], Floats, Floats, Floats]:
    """Fill the graph from several needles at once until the last of `rows_ml` is in; returns the fields of Marched.

    seeds: int64 (m,) places of the tips. shares: (m,) of each mL, sum 1. fibrin_ml: (m,) what goes first at each needle and sets before
    the rest follows. rows_ml: rising total volumes to report at.

    The needle that is furthest behind its share fills its next place in order of effort. What a place takes, what the sac gives way for
    it under the pressure of the volume so far, and the share that the open foramina take of both advance the one volume clock.
    """
    n, needles, sections, rows = graph.zone.size, seeds.size, medium.sac_ml.size, rows_ml.size
    slowness = medium.slowness.copy()
    lengths = np.sqrt((graph.steps_mm**2).sum(axis=1))
    inverse = 1.0 / lengths
    falls = (graph.steps_mm * medium.down).sum(axis=1) * inverse
    arrival = np.full(n, np.inf, dtype=np.float32)
    by_fibrin = np.full(n, -1, dtype=np.int16)
    effort = np.full((needles, n), np.inf, dtype=np.float32)
    heap = np.zeros((needles, n), dtype=np.int32)
    place = np.full((needles, n), -1, dtype=np.int32)
    size = np.zeros(needles, dtype=np.int64)
    given = np.zeros(needles)
    setting = fibrin_ml > 0
    for needle in range(needles):
        effort[needle, seeds[needle]] = 0.0
        heap[needle, 0] = seeds[needle]
        place[needle, seeds[needle]] = 0
        size[needle] = 1
    open_share = np.zeros(medium.conductance.size, dtype=np.bool_)
    conductance = 0.0
    count = np.zeros(sections)
    engaged = np.zeros(sections)
    filled = np.zeros((rows, sections))
    freed = np.zeros((rows, sections))
    totals = np.zeros((rows, 6))
    now = np.zeros(6)
    volume, squeezable, row = 0.0, 0.0, 0
    while row < rows:
        needle = -1
        for m in range(needles):
            if size[m] > 0 and (needle < 0 or given[m] / shares[m] < given[needle] / shares[needle]):
                needle = m
        if needle < 0:
            break
        node, size[needle] = _pop(heap[needle], place[needle], effort[needle], size[needle])
        size[needle] = _relax(
            node, graph, medium, lengths, inverse, falls, slowness, effort[needle], heap[needle], place[needle], size[needle]
        )
        if arrival[node] == np.inf:
            opened = np.exp((medium.film_from_mm - effort[needle, node]) / medium.film_reach_mm)
            opened = min(1.0, max(opened, medium.film_least))
            taken = medium.capacity_ml[node] * opened
            zone = graph.zone[node]
            now[SAC_CANAL if zone <= VENTRAL else SAC_FORAMEN if zone == FORAMEN else SAC_BEYOND] += taken
            if zone == VENTRAL:
                now[SAC_VENTRAL] += taken
            section = graph.section[node]
            if section >= 0:
                count[section] += graph.bulk[node] * opened
                feels = min(1.0, count[section] / (medium.engaged_fill * graph.section_bulk[section]))
                squeezable += (feels - engaged[section]) * medium.sac_ml[section]
                engaged[section] = feels
            foramen = graph.opens[node]
            if foramen >= 0 and not open_share[foramen]:
                open_share[foramen] = True
                conductance += medium.conductance[foramen]
            pressed = min(volume + taken, medium.pressure_law[2])
            pressure = (medium.pressure_law[0] * pressed + medium.pressure_law[1]) * pressed
            ratio = (pressure / medium.pressure_half_mmhg) ** medium.pressure_power
            wanted = squeezable * ratio / (1.0 + ratio) - now[GIVE_WAY]
            gives = min(max(wanted, 0.0), MOST_GIVE_WAY * taken)
            now[GIVE_WAY] += gives
            lost = (taken + gives) * conductance
            now[LOST] += lost
            volume += taken + gives + lost
            given[needle] += taken + gives + lost
            arrival[node] = volume
            if setting[needle]:
                by_fibrin[node] = needle
        while row < rows and volume >= rows_ml[row]:
            filled[row] = count
            if squeezable > 0:
                freed[row] = engaged * medium.sac_ml * (now[GIVE_WAY] / squeezable)
            totals[row] = now
            row += 1
        if setting[needle] and given[needle] >= fibrin_ml[needle]:
            setting[needle] = False
            for other in range(n):
                if by_fibrin[other] == needle:
                    slowness[other] *= medium.fibrin_slowness
            effort[needle, :] = np.inf
            place[needle, :] = -1
            effort[needle, seeds[needle]] = 0.0
            heap[needle, 0] = seeds[needle]
            place[needle, seeds[needle]] = 0
            size[needle] = 1
    while row < rows:  # nothing is left to fill: the rest escapes
        filled[row] = count
        if squeezable > 0:
            freed[row] = engaged * medium.sac_ml * (now[GIVE_WAY] / squeezable)
        totals[row] = now
        totals[row, LOST] += rows_ml[row] - volume
        row += 1
    return arrival, filled, freed, totals
