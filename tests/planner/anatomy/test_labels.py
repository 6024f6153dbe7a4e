"""The names of vertebrae, how they follow each other in most people and in others, and the codes that they have in label maps."""

import itertools

import pytest

from planner.anatomy import labels
from planner.anatomy.labels import ALL_LEVELS, LEVELS, USUAL, Numbering, are_neighbours, numbering_of, rank
from planner.anatomy.norms import at_level

EVERY = [Numbering(thoracic, lumbar) for thoracic in (11, 12, 13) for lumbar in (4, 5, 6)]


@pytest.mark.parametrize(
    ("numbering", "passage"),
    [
        (USUAL, "T11 T12 L1"),
        (USUAL, "L4 L5 S1"),
        (Numbering(thoracic=13), "T12 T13 L1"),
        (Numbering(thoracic=11), "T10 T11 L1"),
        (Numbering(lumbar=6), "L5 L6 S1"),
        (Numbering(lumbar=4), "L3 L4 S1"),
    ],
)
def test_names_follow_the_numbering(numbering: Numbering, passage: str) -> None:
    assert passage in " ".join(numbering.names)
    assert numbering_of(passage.split()) == numbering
    assert (numbering.words == "") == (numbering == USUAL)
    assert (numbering.names[0], numbering.names[-1], len(LEVELS)) == ("C1", "S5", 29)


@pytest.mark.parametrize("numbering", EVERY)
def test_every_vertebra_and_every_disc_has_a_code_and_a_name_of_its_own(numbering: Numbering) -> None:
    for upper, lower in itertools.pairwise(numbering.names):
        assert rank(upper) < rank(lower) and are_neighbours(upper, lower)
        assert labels.name(labels.disc(upper, lower)) == f"disc {upper}-{lower}"
        assert labels.name(labels.vertebra(lower)) == f"vertebra {lower}"


def test_codes_stay_what_they_were_and_none_is_given_twice() -> None:
    assert (labels.vertebra("C1"), labels.vertebra("S5"), labels.disc("C1"), labels.disc("S4")) == (40, 68, 80, 107)
    given = [*labels.VERTEBRAE, *labels.DISCS]
    assert len(set(given)) == len(given) == 31 + 34
    assert all(15 < code < 256 for code in given)
    assert not are_neighbours("T12", "L2") and not are_neighbours("L5", "T12") and not are_neighbours("L5", "L5")


def test_a_name_asks_for_the_numbering_that_has_it() -> None:
    assert USUAL.with_name("L6") == Numbering(lumbar=6)
    assert USUAL.with_name("T13") == Numbering(thoracic=13)
    assert Numbering(11, 4).with_name("L5") == Numbering(11, 5)
    assert Numbering(13, 4).with_name("L2") == Numbering(13, 4)


def test_what_no_table_knows_has_the_sizes_of_the_nearest_usual_level() -> None:
    for key in ("canal_size_mm", "body_width_mm", "disc_height_mm"):
        assert at_level(key, "T13") == at_level(key, "T12")
        assert at_level(key, "L6") == at_level(key, "L5")
    assert set(ALL_LEVELS) - set(LEVELS) == {"T13", "L6"}
