"""Where a registration begins: from levels, from the canal, and when the second scan's spine is asked for at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy.spine import Anatomy, Canal, Level
from planner.geometry import Floats
from planner.progress import Progress, silent
from planner.refusal import Refusal
from planner.registration import Registration, Rigid
from planner.registration import laying as laying_module
from planner.registration.starts import by_canal, by_levels, where_it_was
from tests.planner.registration.pairs import motion, patient, true_spine

MOVED = Rigid((4.0, -6.0, 3.0), (35.0, -20.0, 60.0), (0.0, -20.0, -230.0))
NAMES = ("T11", "T12", "L1", "L2", "L3", "L4", "L5")


def spine(names: tuple[str, ...] = NAMES, moved: Rigid | None = None, top: int = 0) -> Anatomy:
    """The true spine of the phantom from its level number `top`, called by these names, as a scan sees it that stands elsewhere."""
    whole = true_spine(patient())
    go = (lambda points: np.asarray(points, dtype=np.float64)) if moved is None else moved
    turn = np.eye(3) if moved is None else moved.rotation
    levels = tuple(
        Level(name, tuple(float(x) for x in go(level.centre_mm)), level.s_mm, 1.0) for name, level in zip(names, whole.levels[top:])
    )
    canal = whole.canal
    tube = Canal(go(canal.centreline_mm), canal.left @ turn.T, canal.back @ turn.T, canal.wall_mm, canal.bridged, canal.area_mm2,
                 canal.confidence)  # fmt: skip
    return replace(whole, canal=tube, levels=levels)


def off_mm(start: Rigid, points: Floats) -> float:
    return float(np.linalg.norm(start(MOVED(points)) - points, axis=1).max())


def centres(anatomy: Anatomy) -> Floats:
    return np.array([level.centre_mm for level in anatomy.levels])


def test_levels_of_the_same_names_lie_on_each_other_first() -> None:
    here, there = spine(), spine(moved=MOVED)
    (name, placed), *others = by_levels(here, there)
    assert name == "levels" and off_mm(placed, centres(here)) < 0.01
    assert all(off_mm(other, centres(here)) > 15 for _, other in others), "one up and one down are other places"


@pytest.mark.parametrize("one_off", [-1, 1])
def test_a_spine_that_was_counted_wrong_by_one_is_tried_too(one_off: int) -> None:
    names = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
    here = spine(names[1:-1])
    there = spine(names[1 + one_off :][: len(here.levels)], moved=MOVED)
    starts = [placed for _, placed in by_levels(here, there)]
    assert min(off_mm(placed, centres(here)) for placed in starts) < 0.01


def test_levels_without_a_name_in_common_are_laid_from_the_head() -> None:
    here, there = spine(("C3", "C4", "C5", "C6")), spine(("L1", "L2", "L3", "L4"), moved=MOVED)
    assert min(off_mm(placed, centres(here)) for _, placed in by_levels(here, there)) < 0.01


def test_two_levels_are_too_few_to_begin_from() -> None:
    assert not list(by_levels(spine(("L1", "L2")), spine(("L1", "L2"), moved=MOVED)))


def test_levels_of_another_shape_are_no_start() -> None:
    here = spine()
    bent = replace(here, levels=tuple(replace(one, centre_mm=(30.0 * n % 47, 0.0, -60.0 * n)) for n, one in enumerate(here.levels)))
    assert not list(by_levels(here, bent))


def test_a_canal_is_slid_along_the_other_until_it_fits() -> None:
    """A straight middle would not say where along it; the curve of the spine does, to half a step."""
    here, there = spine(()), spine((), moved=MOVED)
    starts = list(by_canal(here, there))
    assert {name for name, _ in starts} == {"canal"}
    best = min(off_mm(placed, here.canal.centreline_mm) for _, placed in starts)
    assert best < 13.0, "half of a step of 24 mm"


def test_it_begins_where_the_second_scan_says_that_it_lies() -> None:
    volume = patient().volume
    name, placed = where_it_was(volume)
    assert name == "patient coordinates" and placed(volume.frame.corners_mm) == pytest.approx(volume.frame.corners_mm)


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The walk with the fitting left out: which starts it is given, in turn; the first turn ends in doubt."""
    turns: list[list[str]] = []

    def laid(_pair: object, starts: object, _anatomy: object, _progress: object) -> Registration | None:
        turns.append([name for name, _ in starts])
        if not turns[-1]:
            return None
        return Registration(Rigid(), turns[-1][0], 0.3 + 0.2 * len(turns), (), () if len(turns) > 1 else ("A doubt.",))

    monkeypatch.setattr(laying_module, "_prepared", lambda *_: None)
    monkeypatch.setattr(laying_module, "_first_starts", lambda *_: [("patient coordinates", Rigid())])
    monkeypatch.setattr(laying_module, "_laid", laid)
    return turns


def test_the_second_spine_is_sought_where_the_first_starts_end_in_doubt(walked: list[list[str]]) -> None:
    volume = patient().volume

    def find(_progress: Progress) -> Anatomy:
        return spine(moved=MOVED)

    found = laying_module.register(volume, volume, spine(), silent, None, find)
    assert walked[0] == ["patient coordinates"] and set(walked[1]) == {"levels"}
    assert found.start == "levels", "it agrees better"


def test_the_canal_serves_where_the_levels_do_not(walked: list[list[str]]) -> None:
    volume = patient().volume
    laying_module.register(volume, volume, spine(()), silent, None, lambda _progress: spine((), moved=MOVED))
    assert set(walked[1]) == {"canal"}


def test_a_second_scan_without_a_spine_leaves_what_was_found(walked: list[list[str]]) -> None:
    volume = patient().volume

    def find(_progress: Progress) -> Anatomy:
        raise Refusal("No spine.", "Go on.")

    found = laying_module.register(volume, volume, spine(), silent, None, find)
    assert walked == [["patient coordinates"], []] and found.start == "patient coordinates"


def test_from_a_hand_no_other_spine_is_sought(walked: list[list[str]]) -> None:
    volume, asked = patient().volume, []
    laying_module.register(volume, volume, spine(), silent, motion(patient(), 1.0, 2.0), lambda _progress: asked.append(1))
    assert walked == [["by hand"]] and not asked
