"""The march in boxes where the answer can be reckoned by hand."""

from __future__ import annotations

import numpy as np
import pytest

from planner.patch.march import GIVE_WAY, LOST, PAD, ROOMS, SAC_BEYOND, SAC_CANAL, SAC_FORAMEN, Graph, Marched, Medium, march
from planner.patch.space import OFFSETS, _neighbours

VOXEL_ML = 0.001


def box(shape: tuple[int, int, int], capacity: float = 0.5, sac_ml: float = 0.0, **changes: object) -> tuple[Graph, Medium, np.ndarray]:
    """A box of fat, one section a slice, with a sac in each section that can give sac_ml."""
    index = np.argwhere(np.ones(shape, dtype=bool)).astype(np.int32)
    number_of = np.arange(len(index), dtype=np.int32).reshape(shape)
    n = len(index)
    graph = Graph(
        _neighbours(number_of, index, OFFSETS),
        OFFSETS[:, ::-1].astype(np.float64),
        np.tile(np.array([0.0, 0.0, -1.0], dtype=np.float32), (n, 1)),
        np.ones(n, dtype=np.int8),
        (PAD + (index[:, 2] < shape[2] // 2)).astype(np.int8),
        index[:, 0].astype(np.int32),
        np.full(n, -1, dtype=np.int16),
        np.ones(n, dtype=np.float32),
        np.full(shape[0], float(shape[1] * shape[2])),
    )
    medium = Medium(
        slowness=np.ones(n, dtype=np.float32),
        capacity_ml=np.full(n, capacity * VOXEL_ML, dtype=np.float32),
        along_ease=1.0,
        cephalad=0.0,
        down=np.zeros(3),
        walls_mm=np.zeros((ROOMS, ROOMS), dtype=np.float32),
        film_from_mm=1000.0,
        film_reach_mm=1.0,
        film_least=1.0,
        conductance=np.zeros(1),
        sac_ml=np.full(shape[0], sac_ml),
        engaged_fill=0.15,
        pressure_half_mmhg=8.0,
        pressure_power=0.55,
        pressure_law=np.array([0.0254, 0.0297, 38.0]),
        fibrin_slowness=10.0,
    )
    return graph, medium._replace(**changes), index


def run(graph: Graph, medium: Medium, seeds: list[int], rows: list[float], fibrin: list[float] | None = None) -> Marched:
    shares = np.full(len(seeds), 1.0 / len(seeds))
    return Marched(*march(graph, medium, np.array(seeds), shares, np.array(fibrin or [0.0] * len(seeds)), np.array(rows)))


def at(index: np.ndarray, *voxel: int) -> int:
    return int(np.flatnonzero((index == voxel).all(axis=1))[0])


def test_a_rod_fills_slice_by_slice_in_proportion_to_volume() -> None:
    graph, medium, index = box((100, 3, 3), capacity=0.4)
    found = run(graph, medium, [at(index, 0, 1, 1)], [0.05, 0.1, 0.18])
    for ml in (0.05, 0.1, 0.18):
        filled = np.count_nonzero(found.arrival_ml <= ml)
        assert filled == pytest.approx(ml / (0.4 * VOXEL_ML), abs=2)
        length = index[found.arrival_ml <= ml, 0].max() + 1
        assert length == pytest.approx(ml / (9 * 0.4 * VOXEL_ML), abs=2)


def test_a_ball_in_a_box_is_round_within_the_error_of_the_neighbourhood() -> None:
    graph, medium, index = box((61, 61, 61))
    centre = at(index, 30, 30, 30)
    ml = 4 / 3 * np.pi * 20.0**3 * 0.5 * VOXEL_ML
    found = run(graph, medium, [centre], [ml])
    radius = np.linalg.norm(index[found.arrival_ml <= ml] - 30, axis=1)
    assert radius.max() == pytest.approx(20.0, rel=0.13)
    assert np.linalg.norm(index[found.arrival_ml > ml] - 30, axis=1).min() == pytest.approx(20.0, rel=0.13)


def test_easier_along_the_canal_makes_it_longer() -> None:
    graph, medium, index = box((61, 41, 41), along_ease=2.0)
    found = run(graph, medium, [at(index, 30, 20, 20)], [3.0])
    spread = np.ptp(index[found.arrival_ml <= 3.0], axis=0)
    assert spread[0] / spread[1] == pytest.approx(2.0, rel=0.15)


def test_every_ml_is_accounted_for() -> None:
    graph, medium, index = box((60, 9, 9), sac_ml=0.05)
    opens = graph.opens.copy()
    opens[index[:, 0] == 40] = 0
    medium = medium._replace(conductance=np.array([0.2]))
    rows = [0.5, 1.0, 2.0, 3.0, 50.0]
    found = run(graph._replace(opens=opens), medium, [at(index, 30, 4, 4)], rows)
    sums = found.totals[:, [SAC_CANAL, SAC_FORAMEN, SAC_BEYOND, GIVE_WAY, LOST]].sum(axis=1)
    assert sums == pytest.approx(rows, abs=0.003)
    assert found.totals[-2, GIVE_WAY] > 0 and found.totals[-2, LOST] > 0
    assert found.freed_ml.sum(axis=1) == pytest.approx(found.totals[:, GIVE_WAY])
    filled = [np.count_nonzero(found.arrival_ml <= ml) * 0.5 * VOXEL_ML for ml in rows]
    assert found.totals[:, SAC_CANAL] == pytest.approx(filled, abs=0.001)


def test_the_sac_never_gives_more_than_it_can() -> None:
    graph, medium, index = box((20, 9, 9), sac_ml=0.05, pressure_half_mmhg=0.01)
    found = run(graph, medium, [at(index, 10, 4, 4)], [0.2, 1.0, 5.0])
    assert (found.freed_ml <= 0.05 + 1e-9).all()


def test_a_septum_keeps_the_patch_on_its_side() -> None:
    walls = np.zeros((ROOMS, ROOMS), dtype=np.float32)
    walls[PAD, PAD + 1] = walls[PAD + 1, PAD] = 30.0
    graph, medium, index = box((40, 11, 20), walls_mm=walls)
    found = run(graph, medium, [at(index, 20, 5, 13)], [1.0, 2.5])
    assert (graph.room[found.arrival_ml <= 1.0] == PAD).all()
    assert (graph.room[found.arrival_ml <= 2.5] == PAD + 1).any()


def test_far_from_the_tip_a_film_goes_on_where_near_it_the_section_fills() -> None:
    """In a rod of one voxel a full place takes 0.5 uL: 20 of them near the tip, then each the quarter."""
    graph, medium, index = box((200, 1, 1), film_from_mm=19.5, film_reach_mm=1e-6, film_least=0.25)
    found = run(graph, medium, [at(index, 0, 0, 0)], [0.01, 0.02])
    assert [np.count_nonzero(found.arrival_ml <= ml + 1e-7) for ml in (0.01, 0.02)] == [20, 20 + 80]
    assert found.filled.sum(axis=1) == pytest.approx([20, 40], abs=0.3)


def test_two_needles_share_one_clock_and_overlap_counts_once() -> None:
    graph, medium, index = box((80, 9, 9))
    found = run(graph, medium, [at(index, 20, 4, 4), at(index, 60, 4, 4)], [1.0, 3.0])
    filled = index[found.arrival_ml <= 1.0, 0]
    assert np.count_nonzero(filled < 40) == pytest.approx(np.count_nonzero(filled > 40), rel=0.01)
    assert np.count_nonzero(found.arrival_ml <= 3.0) * 0.5 * VOXEL_ML == pytest.approx(3.0, abs=0.002)


def test_set_fibrin_stands_in_the_way_of_blood() -> None:
    """Fibrin from one needle fills the rod's middle; the blood of the other does not get past it as it would past blood."""
    graph, medium, index = box((120, 5, 5))
    seeds = [at(index, 60, 2, 2), at(index, 62, 2, 2)]
    blood = run(graph, medium, [seeds[0]], [1.2])
    fibrin = run(graph, medium, [seeds[0]], [1.2], [0.3])
    first = blood.arrival_ml <= 0.29
    assert np.array_equal(first, fibrin.arrival_ml <= 0.29)
    assert not np.array_equal(blood.arrival_ml, fibrin.arrival_ml)


def test_what_finds_no_room_escapes() -> None:
    graph, medium, index = box((5, 5, 5))
    found = run(graph, medium, [at(index, 2, 2, 2)], [0.05, 1.0])
    assert found.totals[1, LOST] == pytest.approx(1.0 - 125 * 0.5 * VOXEL_ML, abs=1e-6)
