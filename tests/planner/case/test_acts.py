"""A session as a list of acts."""

from dataclasses import replace

import pytest

from planner.anatomy.by_hand.edits import MOST_EDITS, Grow, WallPoint, stroke
from planner.anatomy.labels import Numbering
from planner.case import acts
from planner.case.case import Case, Site, TakenNeedle
from planner.leak.leak import Leak
from planner.refusal import Refusal

VENTRAL = Leak((1.0, 2.0, 3.0), "ventral", "observed", "L1-L2", "right")
SLEEVE = Leak((9.0, 2.0, -30.0), "sleeve", "potential", "L2-L3", "left")
PLANNED = Case(
    sites=(Site(VENTRAL, "transforaminal-ventral", "22G-120-quincke", TakenNeedle((60, 80, 3), (1, 2, 3)), 8.0, 4.0),),
)


def test_a_whole_session_says_what_was_done() -> None:
    case, said = Case(), []
    steps = [
        lambda c: acts.name_vertebra(c, "L4", (0, 0, -80)),
        lambda c: acts.add_leak(c, VENTRAL),
        lambda c: acts.add_leak(c, SLEEVE),
        lambda c: acts.choose_approach(c, 0, "transforaminal-ventral"),
        lambda c: acts.choose_needle(c, 0, "22G-120-quincke"),
        lambda c: acts.take_needle(c, 0, TakenNeedle((60, 80, 3), (1, 2, 3))),
        lambda c: acts.move_needle(c, 0, (61, 80, 3), (1, 2, 3)),
        lambda c: acts.set_dose(c, 0, 8.0, None),
        lambda c: acts.set_position(c, "left"),
        lambda c: acts.change_leak(c, 1, certainty="observed"),
        lambda c: acts.remove_leak(c, 0),
        lambda c: acts.write_notes(c, "third session"),
    ]
    for step in steps:
        act = step(case)
        assert act.case != case
        case = acts.recorded(act, "2026-01-01T00:00:00+00:00", "someone")
        said.append(act.name)
    assert said == [
        "name L4",
        "mark ventral leak at L1-L2",
        "mark potential nerve-root sleeve leak at L2-L3",
        "choose the approach transforaminal, to the ventral epidural space for ventral leak at L1-L2 (site 1)",
        "choose the needle 22G-120-quincke for ventral leak at L1-L2 (site 1)",
        "take a needle for ventral leak at L1-L2 (site 1)",
        "move the needle for ventral leak at L1-L2 (site 1)",
        "give 8 mL of blood, fibrin as proposed for ventral leak at L1-L2 (site 1)",
        "lay the patient on the left side",
        "change potential nerve-root sleeve leak at L2-L3 (site 2) to observed",
        "remove ventral leak at L1-L2 (site 1)",
        "write notes",
    ]
    assert [decision.act for decision in case.history] == said
    assert [site.leak.kind for site in case.sites] == ["sleeve"]


def test_another_kind_of_leak_clears_what_answered_the_old_one() -> None:
    site = acts.change_leak(PLANNED, 0, kind="sleeve").case.sites[0]
    assert (site.approach, site.needle, site.taken, site.blood_ml, site.fibrin_ml) == (None,) * 5


def test_another_certainty_clears_nothing() -> None:
    site = acts.change_leak(PLANNED, 0, certainty="potential").case.sites[0]
    assert site == replace(PLANNED.sites[0], leak=replace(VENTRAL, certainty="potential"))


def test_another_side_and_a_moved_leak_clear_the_taken_needle_alone() -> None:
    for after in (acts.change_leak(PLANNED, 0, side="left"), acts.move_leak(PLANNED, 0, replace(VENTRAL, position_mm=(2.0, 2.0, 3.0)))):
        site = after.case.sites[0]
        assert site.taken is None
        assert (site.approach, site.needle, site.blood_ml) == ("transforaminal-ventral", "22G-120-quincke", 8.0)


def test_another_approach_clears_needle_and_doses_but_the_same_one_clears_nothing() -> None:
    assert acts.choose_approach(PLANNED, 0, "transforaminal-ventral").case == PLANNED
    site = acts.choose_approach(PLANNED, 0, "interlaminar-midline").case.sites[0]
    assert (site.needle, site.taken, site.blood_ml, site.fibrin_ml) == (None,) * 4


def test_an_entry_level_belongs_to_an_approach_and_to_the_level_of_its_leak() -> None:
    case = acts.choose_approach(PLANNED, 0, "interlaminar-midline", "L2-L3").case
    assert case.sites[0].entry_level == "L2-L3"
    assert acts.move_leak(case, 0, replace(VENTRAL, position_mm=(2.0, 2.0, 3.0))).case.sites[0].entry_level == "L2-L3"
    assert acts.move_leak(case, 0, replace(VENTRAL, position_mm=(2.0, 2.0, 40.0), level="T12-L1")).case.sites[0].entry_level is None
    assert acts.choose_approach(case, 0, None).case.sites[0].entry_level is None
    for approach, level in ((None, "L2-L3"), ("interlaminar-midline", "L2-L4"), ("interlaminar-midline", "nonsense")):
        with pytest.raises(Refusal, match=level):
            acts.choose_approach(case, 0, approach, level)


def test_an_act_that_changes_nothing_gives_an_equal_case() -> None:
    assert acts.change_leak(PLANNED, 0, kind="ventral").case == PLANNED
    assert acts.set_position(PLANNED, "prone").case == PLANNED


def test_the_eleventh_site_is_refused() -> None:
    case = Case()
    for n in range(10):
        case = acts.add_leak(case, replace(VENTRAL, position_mm=(float(n), 0.0, 0.0))).case
    with pytest.raises(Refusal, match="10 sites at most"):
        acts.add_leak(case, replace(VENTRAL, position_mm=(99.0, 0.0, 0.0)))


def test_the_same_leak_twice_is_refused_but_another_kind_there_is_not() -> None:
    with pytest.raises(Refusal, match="already"):
        acts.add_leak(PLANNED, VENTRAL)
    assert len(acts.add_leak(PLANNED, replace(VENTRAL, kind="dorsal")).case.sites) == 2


@pytest.mark.parametrize("ml", [-1.0, 41.0, float("nan"), float("inf")])
def test_what_is_no_dose_is_refused(ml: float) -> None:
    with pytest.raises(Refusal, match="no dose"):
        acts.set_dose(PLANNED, 0, ml, 4.0)


def test_places_that_are_none_are_refused() -> None:
    with pytest.raises(Refusal, match="not a place"):
        acts.name_vertebra(Case(), "L4", (0.0, float("nan"), 0.0))
    with pytest.raises(Refusal, match="no vertebra"):
        acts.name_vertebra(Case(), "L7", (0.0, 0.0, 0.0))
    with pytest.raises(Refusal, match="one point"):
        acts.take_needle(PLANNED, 0, TakenNeedle((1, 2, 3), (1, 2, 3)))


def test_what_is_drawn_by_hand_is_named_and_clears_nothing() -> None:
    drawn = stroke("bone", "draw", [(1.0, 2.0, 3.0)], 3.0)
    pulled = WallPoint((0.0, 9.0, 0.0), (0.0, 12.0, 0.0), 8.0)
    first = acts.edit_by_hand(PLANNED, drawn)
    second = acts.edit_by_hand(first.case, pulled)
    assert (first.name, second.name) == ("draw bone", "move the canal's wall")
    assert second.case.edits == (drawn, pulled) and second.case.sites == PLANNED.sites
    back = acts.take_edit_back(second.case, 0)
    assert (back.name, back.case.edits) == ("take back: draw bone", (pulled,))
    assert acts.take_all_edits_back(second.case).case == PLANNED


def test_what_no_hand_draws_is_refused_and_so_is_more_than_a_case_holds() -> None:
    with pytest.raises(Refusal, match="5 mm at most"):
        acts.edit_by_hand(PLANNED, Grow("bone", 40.0))
    full = replace(PLANNED, edits=(Grow("bone", 1.0),) * MOST_EDITS)
    with pytest.raises(Refusal, match="20000 edits at most"):
        acts.edit_by_hand(full, Grow("bone", 1.0))


def test_all_names_move_by_one_as_one_act_and_the_numbering_stays() -> None:
    case = acts.name_vertebra(Case(), "L6", (0, 0, -80)).case
    assert case.anchor is not None and case.anchor.numbering == Numbering(lumbar=6)
    act = acts.shift_names(case, "L6", replace(case.anchor, name="L5"))
    assert act.name == "move all names up: L6 is L5"
    assert act.case.anchor is not None and act.case.anchor.numbering == Numbering(lumbar=6)
    assert acts.shift_names(act.case, "L5", case.anchor).name == "move all names down: L5 is L6"


def test_vertebrae_are_counted_otherwise_beside_a_named_one() -> None:
    with pytest.raises(Refusal, match="No vertebra is named"):
        acts.count_vertebrae(Case(), Numbering(lumbar=6))
    case = acts.name_vertebra(Case(), "L5", (0, 0, -80)).case
    act = acts.count_vertebrae(case, Numbering(13, 6))
    assert act.name == "count 13 thoracic and 6 lumbar vertebrae"
    assert acts.count_vertebrae(act.case, Numbering()).name == "count 12 thoracic and 5 lumbar vertebrae"
    with pytest.raises(Refusal, match="The named vertebra is L5"):
        acts.count_vertebrae(case, Numbering(lumbar=4))
    kept = acts.name_vertebra(act.case, "L2", (0, 0, 10)).case
    assert kept.anchor is not None and kept.anchor.numbering == Numbering(13, 6)
    with pytest.raises(Refusal, match="With 4 lumbar vertebrae there is no L5"):
        acts.name_vertebra(case, "L5", (0, 0, -80), Numbering(lumbar=4))
