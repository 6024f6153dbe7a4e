"""The needles that can be chosen."""

import pytest

from planner.needles import catalogue, default_needle, needle
from planner.refusal import Refusal


def test_the_catalogue_is_that_of_the_literature():
    known = catalogue()
    assert len({entry.id for entry in known}) == len(known)
    assert {entry.gauge for entry in known} == {17, 18, 20, 21, 22, 25}
    assert needle("22G-120-quincke").outer_mm == 0.72
    assert needle("22G-120-quincke").words == "22G, 120 mm, Quincke"


@pytest.mark.parametrize(
    ("approach", "depth", "identifier"),
    [
        ("transforaminal-ventral", None, "22G-120-quincke"),
        ("transforaminal-foramen", 84.0, "22G-90-quincke"),
        ("transforaminal-foramen", 86.0, "22G-120-quincke"),
        ("transforaminal-ventral", 150.0, "22G-180-quincke"),  # BMI 42 (clinical 8, scenario 8)
        ("interlaminar-paramedian", 60.0, "20G-90-tuohy"),
        ("interlaminar-midline", 400.0, "20G-150-tuohy"),
    ],
)
def test_the_usual_needle_is_the_shortest_that_reaches(approach, depth, identifier):
    assert default_needle(approach, depth).id == identifier


def test_an_unknown_needle_is_refused():
    with pytest.raises(Refusal, match="not in the catalogue"):
        needle("99G-1-spoon")
