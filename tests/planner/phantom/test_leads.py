"""The stimulator's leads of the two-level leak: where they run, what they show, and what they spare."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from planner.phantom import Phantom, PhantomParameters, TrueLead, build
from planner.phantom.leads import stretches
from tests.planner.phantom.looking import at, bone, level, marked


@pytest.fixture(scope="module")
def implanted() -> Phantom:
    return build(PhantomParameters(leak="two-level", spacing_mm=(1.0, 0.8, 0.8)))


def electrodes(lead: TrueLead) -> np.ndarray:
    return np.array([np.mean(ends, axis=0) for ends in lead.electrodes])


def test_only_the_patient_with_a_stimulator_has_leads(implanted: Phantom, coarse: Phantom) -> None:
    assert len(implanted.truth.leads) == 2
    assert coarse.truth.leads == ()
    assert coarse.truth.as_json()["stimulator_leads"] == []


def test_eight_electrodes_of_each_lead_span_two_levels_of_the_dorsal_epidural_space(implanted: Phantom) -> None:
    room, sac = marked(implanted, "epidural space"), marked(implanted, "thecal sac", "spinal cord")
    for lead, upper, lower in zip(implanted.truth.leads, ("T10", "T11"), ("T12", "L1")):
        places = electrodes(lead)
        assert len(places) == 8
        assert at(implanted, room, places).all()
        assert not at(implanted, sac, places).any()
        ahead = places - [0, 6.0, 0]
        assert at(implanted, sac, ahead).mean() > 0.8, "the sac lies in front of them"
        assert level(implanted, upper)[2] > places[0][2] - 12 and places[-1][2] > level(implanted, lower)[2] - 12
        assert places[0][2] - places[-1][2] > 40


def test_metal_is_brighter_than_any_bone_in_ct(implanted: Phantom) -> None:
    for lead in implanted.truth.leads:
        assert implanted.volume.sample(electrodes(lead)).min() > 2500
        inside = np.array(lead.path)[5:-5]
        assert np.median(implanted.volume.sample(inside)) > 2500
    assert implanted.volume.voxels.max() <= 3071
    beyond = implanted.volume.voxels > 2500
    near = np.zeros(beyond.shape, bool)
    paths = np.concatenate([np.array(lead.path) for lead in implanted.truth.leads])
    for step in np.stack(np.meshgrid(*[np.arange(-3, 3.1, 0.6)] * 3), axis=-1).reshape(-1, 3):
        index = np.rint(implanted.volume.frame.to_index(paths + step)).astype(int)
        near[tuple(np.clip(index, 0, np.array(near.shape) - 1).T)] = True
    assert not (beyond & ~near).any()


def test_a_lead_passes_between_the_laminae_to_the_fat_under_the_skin(implanted: Phantom) -> None:
    solid, body = bone(implanted), implanted.labels > 0
    for lead, between in zip(implanted.truth.leads, (("T12", "L1"), ("L1", "L2"))):
        path = np.array(lead.path)
        around = path[:, None] + 0.65 * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 0]])
        assert not at(implanted, solid, around).any(), "no lead runs through bone"
        assert at(implanted, body, path).all()
        window = np.array(next(w.centre for w in implanted.truth.windows if w.between == between))
        assert np.linalg.norm(path - window, axis=1).min() < 6.0
        outside = path[-1]
        assert implanted.volume.frame.to_index(outside)[0] < 4, "it leaves the scan for its generator"
        k, j, i = np.rint(implanted.volume.frame.to_index(path[-20])).astype(int)
        assert not implanted.labels[k, j:j + 40, i].all(), "near the skin"
        assert np.abs(np.diff(path, axis=0)).max() <= 1.01


def test_on_mr_a_lead_is_dark() -> None:
    phantom = build(PhantomParameters(leak="two-level", modality="mr", spacing_mm=(2.0, 1.0, 1.0)))
    for lead in phantom.truth.leads:
        assert np.median(phantom.volume.sample(electrodes(lead))) < 250


@pytest.mark.parametrize("points", range(2, 40))
def test_a_wire_of_any_length_is_painted_from_end_to_end(points: int) -> None:
    way = np.arange(points)[:, None] * np.array([0.0, 0.6, 0.8])
    painted = stretches(way)
    assert all(len(stretch) > 1 for stretch in painted)
    assert np.array_equal(painted[0][0], way[0])
    assert np.array_equal(painted[-1][-1], way[-1])
    assert all(np.array_equal(one[-1], other[0]) for one, other in itertools.pairwise(painted))
