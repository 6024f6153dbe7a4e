"""One named vertebra names all others."""

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy import Anchor, Structure, find, labels, rename, vertebra_at
from planner.anatomy.names import row_of
from planner.refusal import Refusal
from tests.planner.anatomy.phantoms import found, phantom, true_mask


def _centre(name: str) -> tuple[float, float, float]:
    return next(level.centre_mm for level in found().levels if level.name == name)


def test_naming_one_vertebra_shifts_all_names_by_the_same_step() -> None:
    before = found()
    after = rename(before, Anchor("L4", _centre("L3"), "user"))
    for one, other in zip(before.levels, after.levels):
        assert labels.below(one.name) == other.name
        assert one.centre_mm == other.centre_mm
        assert vertebra_at(after, one.centre_mm) == other
    assert [(labels.below(f.between[0]), f.side) for f in before.foramina] == [(f.between[0], f.side) for f in after.foramina]
    assert [labels.below(w.between[1]) for w in before.windows] == [w.between[1] for w in after.windows]
    assert [labels.below(r.level) for r in before.roots] == [r.level for r in after.roots]
    assert np.array_equal(before.labels == labels.vertebra("L2"), after.labels == labels.vertebra("L3"))
    assert np.array_equal(before.labels == labels.disc("L2"), after.labels == labels.disc("L3"))
    assert np.array_equal(before.mask(labels.CANAL), after.mask(labels.CANAL))
    assert after.anchor == Anchor("L4", _centre("L3"), "user")


def test_what_is_said_of_the_openings_follows_the_names() -> None:
    """A level that was said to be closed keeps being the closed one when its name changes."""
    closed = Structure("found", 0.5, "No open window was found at L2-L3, L4-L5.")
    before = replace(found(), structures={**found().structures, "windows": closed})
    after = rename(before, Anchor("L4", _centre("L3"), "user"))
    assert after.structure("windows").problem == "No open window was found at L3-L4, L5-S1."


def test_a_name_by_a_person_ends_the_doubt_about_sac_and_cord() -> None:
    guessed = find(phantom().volume, None)
    named = rename(guessed, Anchor("L3", _centre("L3"), "user"))
    assert "not confirmed" in str(guessed.structure("cord").problem)
    for name in ("sac", "cord"):
        assert named.structure(name) == found().structure(name)


def test_naming_there_and_back_changes_nothing() -> None:
    before = found()
    back = rename(rename(before, Anchor("L5", _centre("L3"), "user")), Anchor("L3", _centre("L3"), "user"))
    assert [level.name for level in back.levels] == [level.name for level in before.levels]
    bones = before.mask(labels.BONE)
    assert np.array_equal(back.labels[bones], before.labels[bones])


def test_a_click_beside_the_spine_is_refused() -> None:
    x, y, z = _centre("L3")
    with pytest.raises(Refusal, match="no vertebra"):
        rename(found(), Anchor("L3", (x + 120.0, y, z), "user"))
    assert vertebra_at(found(), (x + 120.0, y, z)) is None


def test_a_click_anywhere_in_a_body_or_behind_it_names_that_vertebra() -> None:
    one, mine = phantom(), found()
    for level in mine.levels:
        index = np.argwhere(true_mask(one, f"vertebra {level.name}"))
        if level.name[0] == "S" or index[:, 0].max() == one.labels.shape[0] - 1:
            continue  # fused, or cut by the scan
        points = one.volume.frame.to_world(index[:: max(1, len(index) // 200)])
        row = row_of(mine)
        right = [row.at(point, level.name) == mine.levels.index(level) for point in points]
        assert np.mean(right) > 0.9, level.name


@pytest.mark.parametrize(("name", "foot"), [("L4", True), ("L3", True), ("T12", False), ("L1", False)])
def test_a_vertebra_that_the_scan_cuts_is_not_taken_for_its_neighbour(name: str, foot: bool) -> None:
    """Less than half of a vertebra is in view: who clicks into it names it, and the whole one beside it is counted from there."""
    one = phantom()
    frame, truth = one.volume.frame, {level.name: level.centre for level in one.truth.levels}
    x, y, z = truth[name]
    away = 1.0 if foot else -1.0
    cut = round(frame.to_index((x, y, z + away * 4.0))[0])
    slices = slice(cut, None) if foot else slice(0, cut)
    frame = frame.crop((slices.start, 0, 0), (frame.shape[0] if foot else cut, *frame.shape[1:]))
    seen = replace(one.volume, frame=frame, voxels=one.volume.voxels[slices])
    click = (x, y, z + away * 8.0)
    once = find(seen, Anchor(name, click, "user"))
    for anatomy in (once, rename(find(seen), Anchor(name, click, "user"))):
        assert name not in {level.name for level in anatomy.levels}
        for level in anatomy.levels:
            if level.name[0] != "S" and level.name not in ("T9", "T10"):
                assert np.linalg.norm(np.subtract(level.centre_mm, truth[level.name])) < 6.0, level.name
    with pytest.raises(Refusal, match="no vertebra") as refused:
        find(seen, Anchor(name, (x, y, z - away * 30.0), "user"))
    assert "wholly in the scan" in refused.value.way_out


def test_a_name_that_runs_off_the_spine_is_refused() -> None:
    with pytest.raises(Refusal, match="above C1"):
        rename(found(), Anchor("C2", _centre("L3"), "user"))
    with pytest.raises(Refusal, match="below S5"):
        rename(found(), Anchor("S5", _centre("L3"), "user"))
    with pytest.raises(Refusal, match="not the name"):
        rename(found(), Anchor("L9", _centre("L3"), "user"))


def test_an_end_that_runs_off_the_spine_by_two_is_dropped() -> None:
    before = found()
    at = [level.name for level in before.levels].index("L3")
    after = rename(before, Anchor(labels.LEVELS[at - 1], _centre("L3"), "user"))
    assert [level.name for level in after.levels] == list(labels.LEVELS[: len(before.levels) - 1])
    assert {name for f in after.foramina for name in f.between} <= {level.name for level in after.levels}
    assert len(after.roots) == len(after.foramina)
    assert np.array_equal(before.mask(labels.BONE), after.mask(labels.BONE))
