"""One named vertebra names all others."""

import itertools
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Literal

import numpy as np
import pytest

from planner.anatomy import Anatomy, Anchor, Level, Structure, find, labels, rename, vertebra_at
from planner.anatomy.labels import Numbering
from planner.anatomy.names import called, row_of, shifted
from planner.geometry import Frame
from planner.phantom.parameters import ModalityName
from planner.refusal import Refusal
from tests.planner.anatomy.phantoms import found, guessed, phantom, true_mask


def _level(anatomy: Anatomy, name: str) -> Level:
    return next(level for level in anatomy.levels if level.name == name)


def _centre(name: str) -> tuple[float, float, float]:
    return _level(found(), name).centre_mm


def _given(anatomy: Anatomy) -> Anatomy:
    """The same as if its labels were given in a label map: only what they are called may change."""
    return replace(anatomy, again=None)


def _values(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Everything that an anatomy holds, by name, save how it is found again."""
    if is_dataclass(value) and not isinstance(value, (type, Frame)):
        for field in fields(value):
            if field.name != "again":
                yield from _values(getattr(value, field.name), f"{name}.{field.name}")
    elif isinstance(value, tuple):
        yield f"{name} count", len(value)
        for n, one in enumerate(value):
            yield from _values(one, f"{name}[{n}]")
    else:
        yield name, value


@pytest.mark.parametrize(
    ("modality", "name"),
    [*itertools.product(("ct", "myelogram"), ("L3", "L2", "L4", "T12")), *itertools.product(("mr", "mr-t1"), ("L3", "L4"))],
)
def test_a_name_given_later_leads_to_the_same_anatomy_as_one_given_at_once(modality: ModalityName, name: str) -> None:
    """Confirming what was guessed, or calling L3 something else: the sac and the cord, all bones, openings and roots follow."""
    volume = phantom(modality).volume
    anchor = Anchor(name, next(level.centre for level in phantom(modality).truth.levels if level.name == "L3"), "user")
    once, before = find(volume, anchor), guessed(modality)
    elsewhere = rename(before, shifted(before, 1))
    for later in (rename(before, anchor), rename(elsewhere, anchor)):
        for (what, one), (_, other) in zip(_values(once), _values(later), strict=True):
            assert np.array_equal(one, other) if isinstance(one, np.ndarray) and isinstance(other, np.ndarray) else one == other, what


def test_naming_one_vertebra_shifts_all_names_by_the_same_step() -> None:
    before = found()
    for after in (rename(before, Anchor("L4", _centre("L3"), "user")), rename(_given(before), Anchor("L4", _centre("L3"), "user"))):
        for one, other in zip(before.levels, after.levels):
            assert labels.below(one.name) == other.name
            assert one.centre_mm == other.centre_mm
            assert vertebra_at(after, one.centre_mm) == other
        assert after.anchor == Anchor("L4", _centre("L3"), "user")


def test_given_labels_are_called_by_other_names_and_stay_where_they_are() -> None:
    before = found()
    after = rename(_given(before), Anchor("L4", _centre("L3"), "user"))
    assert [(labels.below(f.between[0]), f.side) for f in before.foramina] == [(f.between[0], f.side) for f in after.foramina]
    assert [labels.below(w.between[1]) for w in before.windows] == [w.between[1] for w in after.windows]
    assert [labels.below(r.level) for r in before.roots] == [r.level for r in after.roots]
    assert np.array_equal(before.labels == labels.vertebra("L2"), after.labels == labels.vertebra("L3"))
    assert np.array_equal(before.labels == labels.disc("L2"), after.labels == labels.disc("L3"))
    assert np.array_equal(before.mask(labels.CANAL), after.mask(labels.CANAL))
    sac = (labels.THECAL_SAC, labels.SPINAL_CORD)
    assert np.array_equal(before.mask(sac), after.mask(sac))
    place = before.frame.to_index(before.canal.centreline_mm)[:, 0]
    conus = [np.flatnonzero(anatomy.mask((labels.SPINAL_CORD,)).any(axis=(1, 2)))[0] for anatomy in (before, after)]
    steps = np.interp(conus, place[::-1], before.canal.s_mm[::-1])
    gap = _level(before, "L2").s_mm - _level(before, "L1").s_mm
    assert steps[0] - steps[1] == pytest.approx(gap, abs=6.0), "the conus lies one vertebra higher"


def test_what_is_said_of_the_openings_follows_the_names() -> None:
    """A level that was said to be closed keeps being the closed one when its name changes."""
    closed = Structure("found", 0.5, "No open window was found at L2-L3, L4-L5.")
    before = replace(_given(found()), structures={**found().structures, "windows": closed})
    after = rename(before, Anchor("L4", _centre("L3"), "user"))
    assert after.structure("windows").problem == "No open window was found at L3-L4, L5-S1."


def test_a_name_by_a_person_ends_the_doubt_about_sac_and_cord() -> None:
    named = rename(guessed(), Anchor("L3", _centre("L3"), "user"))
    assert "not confirmed" in str(guessed().structure("cord").problem)
    for name in ("sac", "cord"):
        assert named.structure(name) == found().structure(name)


@pytest.mark.parametrize("given", [True, False])
def test_naming_there_and_back_changes_nothing(given: bool) -> None:
    before = _given(found()) if given else found()
    back = rename(rename(before, Anchor("L5", _centre("L3"), "user")), Anchor("L3", _centre("L3"), "user"))
    assert [level.name for level in back.levels] == [level.name for level in before.levels]
    bones = before.mask(labels.BONE)
    assert np.array_equal(back.labels[bones], before.labels[bones])
    if not given:
        assert np.array_equal(back.labels, before.labels)


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
    before = _given(found())
    at = [level.name for level in before.levels].index("L3")
    after = rename(before, Anchor(labels.LEVELS[at - 1], _centre("L3"), "user"))
    assert [level.name for level in after.levels] == list(labels.LEVELS[: len(before.levels) - 1])
    assert {name for f in after.foramina for name in f.between} <= {level.name for level in after.levels}
    assert len(after.roots) == len(after.foramina)
    assert np.array_equal(before.mask(labels.BONE), after.mask(labels.BONE))


@pytest.mark.parametrize("steps", [-1, 1])
def test_all_names_move_by_one_and_come_back(steps: Literal[-1, 1]) -> None:
    before = found()
    after = called(before, shifted(before, steps))
    assert [level.name for level in after.levels] == [labels.below(level.name, steps) for level in before.levels]
    assert after.anchor is not None and after.anchor.by == "user"
    back = called(after, shifted(after, -steps))
    assert np.array_equal(back.labels, before.labels)
    assert [level.name for level in back.levels] == [level.name for level in before.levels]


def test_what_is_only_called_otherwise_is_not_taken_for_found() -> None:
    """Shown at once under new names, and found again from what was found, not from what is shown."""
    quick = called(found(), shifted(found(), -1))
    assert quick.anchor is not None
    assert np.array_equal(rename(quick, quick.anchor).labels, rename(found(), quick.anchor).labels)


def test_no_name_moves_beyond_c1_or_s5() -> None:
    at = [level.name for level in found().levels].index("L3")
    top = called(_given(found()), Anchor(labels.LEVELS[at], _centre("L3"), "user"))
    assert top.levels[0].name == "C1"
    with pytest.raises(Refusal, match="C1 is in view, and no vertebra lies above it"):
        shifted(top, -1)
    assert shifted(top, 1).name == labels.LEVELS[at + 1]


@pytest.mark.parametrize(
    ("numbering", "clicked", "name", "names"),
    [
        (Numbering(thoracic=13), "L1", "T13", "T11 T12 T13 L1 L2"),
        (Numbering(lumbar=6), "L5", "L5", "L4 L5 L6 S1"),
        (Numbering(lumbar=4), "L4", "L4", "L3 L4 S1 S2"),
        (Numbering(thoracic=11), "L1", "L1", "T10 T11 L1 L2"),
    ],
)
@pytest.mark.parametrize("given", [True, False])
def test_transitional_vertebrae_are_counted_as_they_are(numbering: Numbering, clicked: str, name: str, names: str, given: bool) -> None:
    before = _given(found()) if given else found()
    anchor = Anchor(name, _centre(clicked), "user", 1.0, numbering)
    after = called(before, anchor) if given else rename(before, anchor)
    said = [level.name for level in after.levels]
    assert names in " ".join(said)
    assert after.numbering == numbering
    for one, other in zip(before.levels, after.levels):
        if one.name[0] == "S":
            continue  # fused, and the lowest runs into the canal
        k, j, i = np.rint(after.frame.to_index(one.centre_mm)).astype(int)
        assert after.labels[k, j, i] == labels.vertebra(other.name), other.name
    between = {f.between for f in after.foramina} | {w.between for w in after.windows}
    assert between <= set(itertools.pairwise(said))
    discs = {labels.disc(*pair) for pair in itertools.pairwise(said)}
    assert set(np.unique(after.labels)) & set(labels.DISCS) <= discs
    known = after.structure("levels").problem or ""
    assert ("T13 has the usual sizes of T12." in known) == ("T13" in said)
    back = rename(after, Anchor("L3", _centre("L3"), "user"))
    assert [level.name for level in back.levels] == [level.name for level in before.levels]


def test_a_name_that_is_not_counted_is_refused() -> None:
    with pytest.raises(Refusal, match="L5 is not the name of a vertebra with 4 lumbar vertebrae"):
        rename(found(), Anchor("L5", _centre("L5"), "user", 1.0, Numbering(lumbar=4)))
