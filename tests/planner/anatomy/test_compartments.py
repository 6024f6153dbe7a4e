"""The epidural space by compartment: areas that are known, and the patch's own reckoning on its coarser grid."""

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy import labels
from planner.anatomy.compartments import COMPARTMENTS, Compartment, compartments
from planner.patch.march import DORSAL, LATERAL, VENTRAL
from planner.patch.space import epidural_space
from planner.refusal import Refusal
from tests.planner.anatomy.phantoms import found
from tests.planner.patch.pipe import LEVEL_MM, pipe_spine

AREA_MM2 = np.pi * (12.0**2 - 8.0**2)
SHARES = {"dorsal": 120 / 360, "ventral": 120 / 360, "left recess": 60 / 360, "right recess": 60 / 360}


def test_a_ring_is_divided_by_its_angles_around_the_sac() -> None:
    pipe = pipe_spine(canal_mm=(12.0, 12.0), sac_mm=(8.0, 8.0), sac_forward_mm=0.0, lamina_share=0.0, foramina=False)
    held = compartments(pipe)
    for name in COMPARTMENTS[:4]:
        assert held.volume_ml("L1-L2", name) == pytest.approx(AREA_MM2 * LEVEL_MM * SHARES[name] / 1000, rel=0.06), name
    assert np.array_equal(held.map > 0, pipe.labels == labels.EPIDURAL_SPACE)


def test_the_compartments_turn_about_the_sac_and_not_about_the_canal() -> None:
    forward = compartments(pipe_spine(canal_mm=(12.0, 12.0), sac_mm=(8.0, 8.0), sac_forward_mm=3.0, lamina_share=0.0, foramina=False))
    assert forward.volume_ml("L1-L2", "dorsal") > 2.0 * forward.volume_ml("L1-L2", "ventral")


def test_volumes_are_the_voxels_of_the_map() -> None:
    anatomy = found()
    held = compartments(anatomy)
    voxel_ml = float(np.prod(anatomy.frame.spacing_mm)) / 1000
    for name in ("left foramen", "right foramen"):
        told = sum(one.volume_ml for one in held.volumes if one.compartment == name)
        assert told == pytest.approx(np.count_nonzero(held.mask(name)) * voxel_ml)
    in_canal = sum(int(held.mask(name).sum()) for name in COMPARTMENTS[:4])
    assert in_canal == int(anatomy.mask((labels.EPIDURAL_SPACE,)).sum())
    levels = list(dict.fromkeys(one.level for one in held.volumes))
    assert levels == ["-".join((a.name, b.name)) for a, b in zip(anatomy.levels, anatomy.levels[1:])]


def test_a_foramen_has_room_on_its_own_side_and_takes_no_bone() -> None:
    anatomy = found()
    held = compartments(anatomy)
    sides: tuple[tuple[Compartment, float], ...] = (("left foramen", 1.0), ("right foramen", -1.0))
    for name, sign in sides:
        index = np.argwhere(held.mask(name))
        places = anatomy.frame.to_world(index)
        line = anatomy.canal.centreline_mm
        beside = places[:, 0] - np.interp(places[:, 2], line[::-1, 2], line[::-1, 0])
        assert (sign * beside).min() > 0
        assert 20.0 < (sign * beside).max() < 50.0  # 15 mm beyond
        assert not np.isin(anatomy.labels[tuple(index.T)], labels.BONE).any()


def test_the_patch_reckons_with_the_same_compartments() -> None:
    """On its own grid of 1 mm, where voxels of film and root are places too."""
    anatomy = found()
    held = compartments(anatomy)
    space = epidural_space(anatomy, [next(level.centre_mm for level in anatomy.levels if level.name == "L2")])
    clear = ~space.film & ~space.root
    voxel_ml = float(np.prod(anatomy.frame.spacing_mm)) / 1000
    zones: dict[int, tuple[Compartment, ...]] = {DORSAL: ("dorsal",), VENTRAL: ("ventral",), LATERAL: ("left recess", "right recess")}
    for zone, names in zones.items():
        mine = sum(int(held.mask(name).sum()) for name in names) * voxel_ml
        assert np.count_nonzero((space.graph.zone == zone) & clear) / 1000 == pytest.approx(mine, rel=0.12), names


def test_without_a_sac_nothing_is_said() -> None:
    pipe = pipe_spine()
    bare = replace(pipe, labels=np.where(np.isin(pipe.labels, (labels.THECAL_SAC, labels.SPINAL_CORD)), labels.EPIDURAL_SPACE, pipe.labels))
    with pytest.raises(Refusal, match="sac is not known"):
        compartments(bare)


