"""What the anatomy bench measures by: bodies whose distances anybody can reckon."""

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy import Canal
from planner.anatomy.spine import ANGLES, LeakHint, Window
from planner.geometry import Frame
from tests.bench.anatomy import report
from tests.bench.anatomy.measures import (
    away,
    dice,
    from_line,
    level_errors,
    skin_distances,
    surface_of,
    wall_by_place,
    wall_distances,
    wrong_levels,
)
from tests.bench.anatomy.openings import hints_of, window_errors
from tests.bench.anatomy.patients import averaged, blocked, patient, with_what_lies_in
from tests.planner.anatomy.phantoms import found

FRAME = Frame.axial((60, 50, 50), (1.0, 0.8, 0.8), (-19.6, -19.6, 0.0))


def pipe(radius_mm: float, x_mm: float = 0.0) -> Canal:
    """A straight canal along z with a round wall, head to foot."""
    z = np.arange(59.0, -0.5, -1.0)
    line = np.stack([np.full(len(z), x_mm), np.zeros(len(z)), z], axis=1)
    left, back = np.tile([1.0, 0, 0], (len(z), 1)), np.tile([0, 1.0, 0], (len(z), 1))
    wall = np.full((len(z), ANGLES), radius_mm)
    return Canal(line, left, back, wall, np.zeros(wall.shape, dtype=bool), np.full(len(z), np.pi * radius_mm**2), np.ones(len(z)))


def disc(radius_mm: float, x_mm: float = 0.0) -> np.ndarray:
    """The mask of such a pipe."""
    at = FRAME.to_world(np.moveaxis(np.indices(FRAME.shape), 0, -1))
    return np.hypot(at[..., 0] - x_mm, at[..., 1]) <= radius_mm


def test_dice_of_halves_and_of_nothing() -> None:
    one = np.array([True, True, False, False])
    assert dice(one, one) == 1.0
    assert dice(one, np.array([False, True, True, False])) == 0.5
    assert dice(one, ~one) == 0.0
    assert dice(one & False, one & False) == 0.0


def test_the_surface_of_a_mask_is_finer_than_its_voxels() -> None:
    surface = surface_of(disc(9.0), FRAME)
    radius = np.hypot(surface.points[:, 0], surface.points[:, 1])
    assert radius.mean() == pytest.approx(9.0, abs=0.1)
    assert np.abs(radius - 9.0).max() < 0.4
    outward = (surface.normals[:, :2] * surface.points[:, :2]).sum(axis=1) / radius
    assert outward.min() > 0.9


@pytest.mark.parametrize("wider_mm", [-2.0, 0.0, 0.5, 3.0])
def test_a_wall_that_lies_farther_out_is_that_far_off(wider_mm: float) -> None:
    mean, p95 = wall_distances(pipe(9.0 + wider_mm), surface_of(disc(9.0), FRAME), 10.0)
    assert mean == pytest.approx(abs(wider_mm), abs=0.15)
    assert p95 == pytest.approx(abs(wider_mm), abs=0.35)


def test_a_canal_that_ends_early_is_far_from_the_rest_of_the_true_one() -> None:
    whole = pipe(9.0)
    kept = slice(0, 30)
    half = replace(
        whole, centreline_mm=whole.centreline_mm[kept], left=whole.left[kept], back=whole.back[kept], wall_mm=whole.wall_mm[kept]
    )
    mean, p95 = wall_distances(half, surface_of(disc(9.0), FRAME), 0.0)
    assert mean > 2.0
    assert p95 > 20.0


def test_where_a_shifted_wall_is_off_is_signed_by_side() -> None:
    line = pipe(9.0).centreline_mm
    off = wall_by_place(pipe(9.0, x_mm=0.0), surface_of(disc(8.0), FRAME), line, {"L3": np.array([0.0, -25.0, 30.0])})
    assert set(off) == {"L3 ventral", "L3 lateral", "L3 dorsal"}
    assert all(value == pytest.approx(1.0, abs=0.2) for value in off.values())


def test_distance_to_a_plane_is_the_way_straight_down_to_it() -> None:
    surface = surface_of(disc(12.0), FRAME)
    assert away(np.array([[10.0, 0.0, 30.2], [0.0, 13.5, 30.7]]), surface) == pytest.approx([2.0, 1.5], abs=0.2)


def test_distance_from_a_line_of_pieces() -> None:
    line = np.array([[0.0, 0, 0], [0, 0, 10], [10, 0, 10]])
    assert from_line(np.array([[3.0, 0, 5], [5, 2, 10], [-1, 0, -1]]), line) == pytest.approx([3.0, 2.0, np.sqrt(2)])


def test_the_skin_of_a_body_a_millimetre_larger_is_a_millimetre_off() -> None:
    mean, p95 = skin_distances(disc(15.0), disc(14.0), FRAME)
    assert mean == pytest.approx(1.0, abs=0.15)  # voxels of 0.8 mm
    assert p95 <= 1.6
    assert skin_distances(disc(15.0), disc(15.0), FRAME)[0] == 0.0


def test_the_border_of_the_field_is_no_skin() -> None:
    cut = disc(30.0)
    assert skin_distances(cut, cut, FRAME) == (float("inf"), float("inf"))


def test_one_vertebra_too_many_makes_the_names_on_one_side_wrong() -> None:
    truth = {level.name: np.array(level.centre_mm) for level in found().levels if level.name in ("T12", "L1", "L2", "L3", "L4")}
    assert wrong_levels(level_errors(found(), truth)) == 0
    names = list(truth)
    shifted = {name: truth[names[max(n - 1, 0)]] for n, name in enumerate(names)}
    assert wrong_levels(level_errors(found(), shifted)) == len(names) - 1
    assert wrong_levels(level_errors(found(), {"C3": np.zeros(3)})) == 1


def test_a_root_in_the_canal_is_room_and_one_beside_it_is_none() -> None:
    canal, roots = disc(9.0), disc(2.0, x_mm=8.0)
    bitten = canal & ~roots
    whole = with_what_lies_in(bitten, roots)
    assert dice(whole, canal) > 0.99
    assert not (whole & ~canal & ~roots).any()
    assert with_what_lies_in(canal, disc(2.0, x_mm=15.0)).sum() == canal.sum()


def test_a_window_is_judged_by_its_centre_its_size_and_its_tilt() -> None:
    mine = Window(("L3", "L4"), (3.0, 4.0, 0.0), 10.0, 12.0, 5.0, 0.9)
    true = {"between": ["L3", "L4"], "centre": [0.0, 0.0, 0.0], "height_mm": 12.0, "width_mm": 11.0, "tilt_deg": 9.0}
    judged = window_errors(replace(found(), windows=(mine,)), [true, {**true, "between": ["L4", "L5"]}])
    assert judged == {"L3-L4": [5.0, 2.0, 1.0, 4.0], "L4-L5": None}


def test_a_hint_shows_the_leak_beside_which_it_lies_on_its_side_of_the_sac() -> None:
    anatomy = replace(found(), canal=pipe(9.0))
    behind = LeakHint((0.0, 5.0, 30.0), (0.0, 0.0, 35.0), (0.0, 0.0, 25.0), "dorsal", "midline", 1.0)
    far = replace(behind, head_mm=(0.0, 0.0, 8.0), foot_mm=(0.0, 0.0, 2.0))
    leaks = [{"kind": "dorsal", "position": [2.0, 5.0, 41.0]}, {"kind": "ventral", "position": [0.0, -5.0, 30.0]}]
    judged = hints_of(replace(anatomy, leak_hints=(behind, far)), leaks)
    assert judged == {"leaks": 2, "leaks_shown": 1, "hints_elsewhere": 1}


def test_patients_differ_and_a_number_is_always_the_same_patient() -> None:
    assert patient(7) == patient(7)
    many = [patient(n) for n in range(66)]
    assert {one.parameters.modality for one in many[:3]} == {"ct", "myelogram", "mr"}
    for low, high, values in (
        (0.9, 1.1, [one.parameters.size for one in many]),
        (0.6, 1.2, [one.parameters.lordosis for one in many]),
        (-25, 25, [one.parameters.scoliosis_deg for one in many]),
        (1.2, 2.5, [one.noise for one in many]),
        (0.6, 3.0, [one.spacing_mm[0] for one in many]),
    ):
        assert min(values) <= low
        assert max(values) >= high


def test_blocks_of_voxels_lie_where_their_voxels_lay() -> None:
    values = np.arange(4 * 4 * 5, dtype=np.float32).reshape(4, 4, 5)
    frame = Frame.axial(values.shape, (1.0, 2.0, 3.0), (10.0, 20.0, 30.0))
    coarse = blocked(frame, (2, 1, 1))
    assert averaged(values, (2, 1, 1))[0, 0, 0] == (values[0, 0, 0] + values[1, 0, 0]) / 2
    assert coarse.shape == (2, 4, 5)
    assert coarse.spacing_mm == (2.0, 2.0, 3.0)
    assert coarse.to_world((0, 0, 0)) == pytest.approx([10.0, 20.0, 30.5])


def test_the_table_says_which_patient_is_worst_and_whether_the_goal_is_met() -> None:
    def row(number: int, canal: float | None) -> dict[str, object]:
        return {"patient": number, "modality": "ct", "refused": "No canal." if canal is None else None, "canal_dice": canal}

    def line(*values: float | None) -> str:
        return next(text for text in report.cohort_table([row(n, v) for n, v in enumerate(values)]) if text.startswith("| canal, Dice"))

    assert line(0.95, 0.94, 0.90) == "| canal, Dice | CT | 3 | 0.94 | 0.90 | 2 | >= 0.93, worst >= 0.88 | 2 of 3 | yes |"
    assert line(0.95, 0.94, 0.80).endswith("| 2 of 3 | median only |")
    assert line(0.92, 0.91, 0.90).endswith("| 0 of 3 | no |")
    assert "| 0.00 | 1 |" in line(0.95, None, 0.94)
