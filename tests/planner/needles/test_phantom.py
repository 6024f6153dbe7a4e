"""The search on a phantom's true anatomy, re-tested against the truth labels by counting voxels; no code of the search is used here."""

import numpy as np
import pytest

from planner.leak import approaches, place
from planner.needles import default_needle, needle, prepare, search
from tests.planner.needles.true_anatomy import phantom

FORBIDDEN = ("vertebra", "bone other", "thecal sac", "spinal cord", "nerve root", "ganglion", "lung", "kidney", "aorta", "vena cava")


def plan(made, anatomy, position, kind, approach=None):
    leak = place(anatomy, position, kind)
    approach = approach or approaches(leak, anatomy)[0].name
    room = prepare(made.volume, anatomy, leak, approach)
    return leak, search(room, default_needle(approach, room.usual_depth_mm), "prone")


def touched(made, candidate) -> dict[str, int]:
    """Voxels of the truth that the needle's body meets: its disc is sampled every 0.2 mm along the path."""
    entry, target = np.array(candidate.entry_mm), np.array(candidate.target_mm)
    length = np.linalg.norm(target - entry)
    along = (target - entry) / length
    across = np.cross(along, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across)
    radius = needle(candidate.needle).outer_mm / 2
    steps = entry + np.arange(0, length, 0.2)[:, None] * along
    turns = [a * across + b * np.cross(along, across) for a, b in [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]]
    points = np.concatenate([steps + radius * turn for turn in turns])
    index = np.unique(np.round(made.volume.frame.to_index(points)).astype(int), axis=0)
    index = index[((index >= 0) & (index < made.volume.frame.shape)).all(axis=1)]
    values, counts = np.unique(made.labels[tuple(index.T)], return_counts=True)
    return {made.label_names[v]: int(n) for v, n in zip(values, counts) if v in made.label_names}


def assert_nothing_is_touched(made, found):
    assert found.candidates, found.reason
    for candidate in found.candidates:
        met = touched(made, candidate)
        assert not [name for name in met if name.startswith(FORBIDDEN)], met


@pytest.fixture(scope="module")
def patient():
    return phantom(spacing=1.0)


def true_leak(made):
    return made.truth.leaks[0]


def test_the_ventral_leak_of_the_seed(patient):
    made, anatomy = patient
    truth = true_leak(made)
    leak, found = plan(made, anatomy, truth.position, truth.kind)
    assert (leak.level, leak.side) == (truth.level, truth.side) == ("T12-L1", "right")
    assert_nothing_is_touched(made, found)
    first = found.candidates[0]
    assert (first.approach, first.level, first.side) == ("transforaminal-ventral", "T12-L1", "right")
    assert 25 <= first.in_plane_deg <= 55  # from the right toward the left (clinical 2.3)
    assert 40 <= -first.entry_offset_mm <= 100
    assert abs(first.out_of_plane_deg) <= 15
    assert first.remark == "below the root"
    assert first.clearance_mm["lung"] >= 5
    assert "left" in {c.side for c in found.candidates}
    tip = made.labels[tuple(np.round(made.volume.frame.to_index(first.target_mm)).astype(int))]
    assert made.label_names[tip] in ("epidural space", "soft tissue")  # or just short of the pedicle line


@pytest.mark.parametrize("level", ["L2-L3", "L3-L4"])
def test_a_dorsal_hole(patient, level):
    made, anatomy = patient
    window = next(w for w in made.truth.windows if "-".join(w.between) == level)
    line = np.array(made.truth.centreline)
    middle = line[np.abs(line[:, 2] - window.centre[2] - 5).argmin()]
    leak, found = plan(made, anatomy, (middle[0] + 3.0, middle[1] + 5.0, middle[2]), "dorsal")
    assert leak.side == "left"
    assert_nothing_is_touched(made, found)
    first = found.candidates[0]
    assert first.approach == "interlaminar-paramedian"
    assert first.side == "left"
    assert abs(first.in_plane_deg) <= 20
    assert -5 <= first.out_of_plane_deg <= 25
    assert first.clearance_mm["sac"] >= 1.0


def test_a_sleeve_leak(patient):
    made, anatomy = patient
    foramen = next(f for f in made.truth.foramina if f.between == ("L2", "L3") and f.side == "left")
    _, found = plan(made, anatomy, np.add(foramen.centre, (-3.0, 0.0, 3.0)), "sleeve")
    assert_nothing_is_touched(made, found)
    first = found.candidates[0]
    assert (first.approach, first.level, first.side) == ("transforaminal-foramen", "L2-L3", "left")
    assert -55 <= first.in_plane_deg <= -25
    assert 40 <= first.entry_offset_mm <= 100
    assert first.target_mm[0] >= foramen.centre[0] - 1.0  # stopped short
    assert first.clearance_mm["roots"] >= 2.5


def test_the_clearance_on_the_card_is_that_of_the_truth(patient):
    """To within a voxel: distance of the path from the nearest voxel of each structure, by brute force."""
    made, anatomy = patient
    truth = true_leak(made)
    _, found = plan(made, anatomy, truth.position, truth.kind)
    first = found.candidates[0]
    entry, target = np.array(first.entry_mm), np.array(first.target_mm)
    path = entry + np.linspace(0, 1, 400)[:, None] * (target - entry)
    structures = {"bone": ("vertebra", "bone other"), "sac": ("thecal sac", "spinal cord"), "roots": ("nerve root", "ganglion")}
    for name, prefix in structures.items():
        values = [value for value, word in made.label_names.items() if word.startswith(prefix)]
        voxels = made.volume.frame.to_world(np.argwhere(np.isin(made.labels, values)))
        near = voxels[np.linalg.norm(voxels - target, axis=1) < 60]
        least = min(float(np.linalg.norm(near - point, axis=1).min()) for point in path)
        assert first.clearance_mm[name] == pytest.approx(least - 0.5 - 0.36, abs=1.0)


def test_the_score_is_the_weighted_sum_of_its_parts(patient):
    made, anatomy = patient
    truth = true_leak(made)
    _, found = plan(made, anatomy, truth.position, truth.kind)
    for candidate in found.candidates:
        parts = {name: value for name, value in candidate.score.items() if name != "total"}
        assert set(parts) == {"clearance", "aim", "entry", "out_of_plane", "depth"}
        assert all(0 <= value <= 1 for value in candidate.score.values())
        assert min(parts.values()) <= candidate.score["total"] <= max(parts.values())
