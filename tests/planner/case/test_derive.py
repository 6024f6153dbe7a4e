"""What follows from a case: what was decided is planned, and nothing else in its place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy import Anchor, find
from planner.anatomy.labels import CANAL, LEVELS
from planner.case import derive as derived
from planner.case.case import Case, Site
from planner.case.derive import derive, find_anatomy, patch_key, plan_site, with_taken
from planner.leak import place
from planner.refusal import Refusal
from tests.planner.anatomy.phantoms import phantom
from tests.planner.case import hand_made
from tests.planner.needles.pipe_spine import middle, pipe_spine


def test_an_approach_that_cannot_be_is_said_and_no_other_takes_its_place() -> None:
    case = Case(sites=(Site(hand_made.LEAK, approach="caudal"),))
    made = plan_site(case, 0, hand_made.volume(), hand_made.anatomy())
    assert (made.approach.name, made.approach.proposed) == ("caudal", False)
    assert made.used is None
    assert made.search.reason is not None
    assert "caudal" in made.search.reason


def test_a_second_hole_changes_the_dose_of_the_first_without_a_new_search() -> None:
    names = ("T12", "L1", "L2", "L3")
    volume, anatomy = pipe_spine(names=names, spacing=2.0)
    holes = [Site(place(anatomy, (0.0, 7.0, middle(names, upper) - 18.0), "dorsal")) for upper in ("T12", "L1")]
    made = plan_site(Case(sites=(holes[0],)), 0, volume, anatomy)
    assert made.preset.name != "Two levels after leads"
    both = with_taken(made, Case(sites=tuple(holes)), 0)
    assert (both.preset.name, both.blood_ml, both.fibrin_ml) == ("Two levels after leads", 5, 4)
    assert both.search is made.search
    sideways = replace(holes[1], approach="transforaminal-foramen")
    assert with_taken(made, Case(sites=(replace(holes[0], approach="interlaminar-midline"), sideways)), 0).preset.name == made.preset.name
    assert with_taken(made, Case(sites=(holes[0], sideways)), 0).preset.name == made.preset.name  # its own way is the one proposed


def test_in_mr_a_name_given_after_the_search_leads_to_the_same_anatomy_as_one_given_before() -> None:
    volume = phantom("mr").volume
    guessed = find(volume)
    level = guessed.levels[4]
    case = Case(anchor=Anchor(LEVELS[LEVELS.index(level.name) - 2], level.centre_mm, "user", 1.0))
    before, after = find_anatomy(case, volume), find_anatomy(case, volume, found=guessed)
    assert [(w.level, w.height_mm, w.tilt_deg) for w in after.windows] == [(w.level, w.height_mm, w.tilt_deg) for w in before.windows]
    assert np.array_equal(after.labels, before.labels)
    assert not np.array_equal(after.mask(CANAL), guessed.mask(CANAL))


def test_a_vertebra_is_not_named_beyond_the_slices_of_an_oblique_scan() -> None:
    """The slices end in the middle of the frame."""
    volume, _ = pipe_spine()
    k, j, i = volume.frame.shape
    slices = replace(volume, field=volume.frame.crop((0, 0, 0), (k, j, i // 2)))
    x, y, z = (float(value) for value in volume.frame.to_world((k // 2, j // 2, 3 * i // 4)))
    with pytest.raises(Refusal, match="named L3 lies outside the scan"):
        find_anatomy(Case(anchor=Anchor("L3", (x, y, z), "user")), slices)


def test_the_forecast_is_stale_when_the_patient_lies_otherwise() -> None:
    (site,) = hand_made.plan().sites
    assert patch_key((site,)) == patch_key((replace(site),))
    assert patch_key((site,)) != patch_key((replace(site, position="left"),))


def test_a_needle_that_nobody_took_is_the_programs_in_case_and_history(monkeypatch: pytest.MonkeyPatch) -> None:
    made = hand_made.plan()
    undecided = replace(made.sites[0].site, taken=None)
    monkeypatch.setattr(derived, "plan_site", lambda *_: replace(made.sites[0], site=undecided, taken=None))
    monkeypatch.setattr(derived, "forecast_sites", lambda *_: None)
    plan = derive(replace(made.case, sites=(undecided,)), hand_made.volume(), made.anatomy)
    taken = plan.case.sites[0].taken
    assert taken is not None
    assert taken.by_program
    assert (plan.case.history[-1].who, plan.case.history[-1].act) == ("Duraplan", "propose a needle for ventral leak at L1-L2")


def test_a_needle_that_a_person_took_stays_his(monkeypatch: pytest.MonkeyPatch) -> None:
    made = hand_made.plan()
    monkeypatch.setattr(derived, "plan_site", lambda *_: made.sites[0])
    monkeypatch.setattr(derived, "forecast_sites", lambda *_: None)
    assert derive(made.case, hand_made.volume(), made.anatomy).case == made.case


def test_why_there_is_no_forecast_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Refusal("The tip of needle 1 lies inside the thecal sac.", "Move it.")

    made = hand_made.plan()
    monkeypatch.setattr(derived, "plan_site", lambda *_: made.sites[0])
    monkeypatch.setattr(derived, "forecast_sites", refuse)
    plan = derive(made.case, hand_made.volume(), made.anatomy)
    assert plan.forecast is None
    assert plan.problem == "The tip of needle 1 lies inside the thecal sac. Move it."


def test_a_site_without_a_needle_gives_nothing() -> None:
    made, empty = hand_made.plan(), hand_made.plan_without_needle()
    assert made.planned_ml == 12.0
    assert replace(made, sites=(*made.sites, *empty.sites)).planned_ml == 12.0
