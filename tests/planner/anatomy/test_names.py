"""One named vertebra names all others."""

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy import Anchor, Structure, find, labels, rename, vertebra_at
from planner.refusal import Refusal
from tests.planner.anatomy.phantoms import found, phantom


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
