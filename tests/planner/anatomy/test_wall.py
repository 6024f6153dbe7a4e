"""The back of the wall in rays made by hand, and the kinds of its bridges."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy import Canal, Level
from planner.anatomy.bridges import BODY, BONE, DISC, FLAVUM, FORAMEN, METAL, OPEN_ARCH, WINDOW, bridges_of, kinds_of, with_bodies
from planner.anatomy.certainty import canal_structure
from planner.anatomy.reformat import RADIAL_MM, RADII, curve_through, rising
from planner.anatomy.roof import find_roof
from planner.anatomy.spine import ANGLES
from planner.anatomy.wall import canal_along, find_wall
from planner.geometry import Floats, Frame, Volume

BACK, FRONT, LEFT = ANGLES // 4, 3 * ANGLES // 4, 0
BONE_MM = 9.0
FAT_HU, LIGAMENT_HU, BONE_HU, SAC_HU = -100.0, 75.0, 900.0, 25.0


def _rays(ligament_mm: float, fat_mm: float, noise: float = 10.0) -> Floats:
    """(60, ANGLES, radii): sac, fat, ligament and bone from inside out behind; sac and bone elsewhere. Blurred by 0.5 mm."""
    fine = np.arange(0.0, 26.0, 0.1)
    behind = np.full(len(fine), SAC_HU)
    behind[fine > BONE_MM - ligament_mm - fat_mm] = FAT_HU
    behind[fine > BONE_MM - ligament_mm] = LIGAMENT_HU
    behind[fine > BONE_MM] = BONE_HU
    elsewhere = np.where(fine > BONE_MM, BONE_HU, SAC_HU)
    lines = [np.interp(RADII, fine, ndimage.gaussian_filter1d(line, 5.0, mode="nearest")) for line in (behind, elsewhere)]
    back = np.abs(np.arange(ANGLES) - BACK) <= ANGLES // 5
    rays = np.where(back[:, None], lines[0], lines[1])
    return np.asarray(rays + np.random.default_rng(1).normal(0.0, noise, (60, *rays.shape)))


def _wall_of_bone() -> tuple[Floats, NDArray[np.bool_]]:
    return np.full((60, ANGLES), BONE_MM), np.zeros((60, ANGLES), dtype=np.bool_)


@pytest.mark.parametrize("ligament_mm", [1.5, 2.0, 3.0, 4.5])
def test_the_roof_is_the_edge_of_fat_against_ligament(ligament_mm: float) -> None:
    roof = find_roof(_rays(ligament_mm, fat_mm=3.0), *_wall_of_bone())
    assert roof.seen[:, BACK].all()
    assert np.median(roof.radius_mm[:, BACK]) == pytest.approx(BONE_MM - ligament_mm, abs=0.4)


def test_fat_that_lies_against_bone_leaves_the_wall_at_the_bone() -> None:
    roof = find_roof(_rays(ligament_mm=0.0, fat_mm=3.0), *_wall_of_bone())
    assert np.median(roof.radius_mm[:, BACK]) == pytest.approx(BONE_MM, abs=0.3)


def test_without_fat_nothing_is_taken_for_ligament() -> None:
    radius, holes = _wall_of_bone()
    roof = find_roof(_rays(ligament_mm=0.0, fat_mm=0.0, noise=25.0), radius, holes)
    assert roof.seen.mean() < 0.02
    assert np.abs(roof.radius_mm - radius).max() < 1.5


def test_the_front_and_the_sides_are_left_alone() -> None:
    radius, holes = _wall_of_bone()
    roof = find_roof(np.roll(_rays(3.0, 3.0), ANGLES // 2, axis=1), radius, holes)
    assert np.array_equal(roof.radius_mm[:, FRONT], radius[:, FRONT])
    assert np.array_equal(roof.radius_mm[:, LEFT], radius[:, LEFT])


def test_air_in_the_canal_and_the_scan_s_end_are_no_fat() -> None:
    rays = _rays(3.0, 3.0, noise=0.0)
    rays[(rays < 0.0)] = -900.0
    assert not find_roof(rays, *_wall_of_bone()).seen.any()


def test_a_value_is_crossed_between_two_samples() -> None:
    ray = np.interp(RADII, [0.0, 5.0, 6.0, 30.0], [0.0, 0.0, 100.0, 100.0])[None, None]
    whole = np.full((1, 1), 24.0)
    assert rising(ray, np.full((1, 1), 30.0), 0.0 * whole, whole)[0, 0] == pytest.approx(5.3, abs=RADIAL_MM / 10)
    assert np.isnan(rising(ray, np.full((1, 1), 130.0), 0.0 * whole, whole)[0, 0])


def test_a_direction_that_meets_metal_is_bridged_where_bone_was_above_and_below() -> None:
    rays = _rays(0.0, 0.0)
    rays[25:35, LEFT : LEFT + 6, RADII > 5.0] = 3071.0  # blooms far into the canal
    wall = find_wall(rays, 150.0, 1.0)
    assert wall.bridge is not None
    assert (wall.bridge[28:32, LEFT + 2] == METAL).all()
    assert wall.bridged[28:32, LEFT + 2].all()
    assert np.abs(wall.radius_mm - BONE_MM).max() < 1.0
    assert not (wall.bridge[:, FRONT] == METAL).any()


def test_ligament_goes_on_where_a_gap_in_the_fat_hides_it() -> None:
    rays, open_ = _rays(2.0, 2.0), _wall_of_bone()[1]
    hidden = slice(28, 32)
    rays[hidden] = _rays(2.0, 0.0)[hidden]
    roof = find_roof(rays, _wall_of_bone()[0], open_)
    assert not roof.seen[hidden, BACK].all()
    assert np.abs(roof.radius_mm[hidden, BACK] - (BONE_MM - 2.0)).max() < 0.9


def _bridged(length: int, *directions: int) -> NDArray[np.bool_]:
    out = np.zeros((120, ANGLES), dtype=np.bool_)
    for direction in directions:
        out[40 : 40 + length, (np.arange(direction - 8, direction + 9)) % ANGLES] = True
    return out


def test_a_bridge_is_called_by_its_direction() -> None:
    kinds = kinds_of(_bridged(20, BACK, FRONT, LEFT))
    assert (kinds[50, BACK], kinds[50, FRONT], kinds[50, LEFT], kinds[50, ANGLES // 2]) == (WINDOW, DISC, FORAMEN, BONE)
    assert (kinds[10] == BONE).all()


def test_a_long_gap_behind_is_an_open_arch_even_with_a_splinter_in_it() -> None:
    gap = _bridged(50, BACK)
    gap[60:63, BACK - 8 : BACK + 9] = False
    kinds = kinds_of(gap)
    assert kinds[50, BACK] == kinds[80, BACK] == OPEN_ARCH
    assert not (kinds_of(_bridged(30, BACK)) == OPEN_ARCH).any()
    assert not (kinds_of(_bridged(60, LEFT)) == OPEN_ARCH).any()


def _canal(bridged: NDArray[np.bool_], bridge: NDArray[np.uint8] | None = None, confidence: Floats | None = None) -> Canal:
    n = len(bridged)
    line = np.stack([np.zeros(n), np.zeros(n), -np.arange(n, dtype=np.float64)], axis=1)
    left, back = np.tile([1.0, 0.0, 0.0], (n, 1)), np.tile([0.0, 1.0, 0.0], (n, 1))
    sure = np.full(n, 0.9) if confidence is None else confidence
    return Canal(line, left, back, np.full(bridged.shape, BONE_MM), bridged, np.full(n, 254.0), sure, bridge)


def test_what_was_bridged_later_rules_over_what_was_told() -> None:
    told = np.zeros((120, ANGLES), dtype=np.uint8)
    told[:, BACK], told[:, LEFT] = FLAVUM, METAL
    bridged = np.zeros(told.shape, dtype=np.bool_)
    bridged[:, FRONT] = True  # by hand, after the kinds were told
    kinds = bridges_of(_canal(bridged, told))
    assert (kinds[60, BACK], kinds[60, LEFT], kinds[60, FRONT]) == (FLAVUM, BONE, DISC)
    assert bridges_of(_canal(bridged))[60, FRONT] == DISC


def test_a_bridge_in_front_is_a_discs_between_two_bodies_and_not_behind_one() -> None:
    canal = with_bodies(_canal(_bridged(80, FRONT, BACK)), [20.0, 50.0, 80.0, 110.0])
    kinds = bridges_of(canal)[:, FRONT]
    assert [int(kinds[s]) for s in (50, 58, 60, 65, 70, 72, 80)] == [BODY, BODY, DISC, DISC, DISC, BODY, BODY]
    assert int(kinds[30]) == BONE
    assert (bridges_of(canal)[40:120, BACK] != BODY).all()
    assert (bridges_of(with_bodies(_canal(_bridged(80, FRONT)), [50.0]))[40:120, FRONT] == DISC).all()  # of one body nothing is told


LEVELS = tuple(Level(name, (0.0, -30.0, -s), s, 0.9) for name, s in (("L3", 15.0), ("L4", 50.0), ("L5", 85.0)))


def test_weak_sections_are_named_by_body_and_disc() -> None:
    sure = np.full(120, 0.9)
    sure[45:55] = 0.3
    sure[64:72] = 0.3
    canal = _canal(_bridged(0), confidence=sure)
    assert "Uncertain at L4, L4-L5." in (canal_structure(canal, LEVELS).problem or "")
    sure[30:90] = 0.3
    assert "Uncertain at L3-L4 to L5." in (canal_structure(canal, LEVELS).problem or "")
    assert "% of its length is uncertain" in (canal_structure(canal, ()).problem or "")


def test_an_open_arch_is_named_by_the_vertebra_whose_lamina_is_missing() -> None:
    gap = np.zeros((120, ANGLES), dtype=np.bool_)
    gap[46:84, BACK - 8 : BACK + 9] = True
    problem = canal_structure(_canal(gap, kinds_of(gap)), LEVELS).problem or ""
    assert "Open arch at L4:" in problem


def test_the_place_with_most_bridges_is_named() -> None:
    problem = canal_structure(_canal(_bridged(20, LEFT)), LEVELS).problem or ""
    assert problem.startswith("4 % of the wall is bridged over openings")
    assert "most at L4." in problem


def test_large_voxels_do_not_narrow_the_canal() -> None:
    """A ring of bone 2 mm thick around a canal of 9 mm, averaged into voxels of 3 mm."""
    at = (np.arange(180) - 89.5) * 0.5
    away = np.hypot(at[:, None], at[None, :])
    plane = np.where((away > 9.0) & (away < 11.0), 900.0, 40.0).reshape(30, 6, 30, 6).mean(axis=(1, 3))
    frame = Frame.axial((60, 30, 30), (1.0, 3.0, 3.0), (-43.5, -43.5, 0.0))
    volume = Volume(frame, np.repeat(plane[None], 60, axis=0).astype(np.int16))
    curve = curve_through(np.array([[0.0, 0.0, 58.0], [0.0, 0.0, 2.0]]), 1.0)
    _, wall = canal_along(volume, curve, 130.0, None)
    assert 8.4 < float(wall.radius_mm[10:-10].mean()) < 9.2  # 7.9 where half of its height is taken for its edge
