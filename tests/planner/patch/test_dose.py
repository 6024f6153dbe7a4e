"""Presets and volume limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.evidence import station
from planner.leak.leak import ApproachName, Certainty, Leak, LeakKind
from planner.patch import Injection, dose_warnings, lumbar_pressure_mmhg, preset, presets, presets_for
from tests.planner.patch.pipe import disc_z, pipe_spine

LUMBAR = ("T11", "T12", "L1", "L2", "L3", "L4", "L5")
THORACIC = ("T5", "T6", "T7", "T8")


def leak(kind: LeakKind, level: str | None, certainty: Certainty = "observed") -> Leak:
    return Leak((0.0, 0.0, 80.0), kind, certainty, level, "midline")


@pytest.mark.parametrize(
    ("kind", "level", "approach", "name", "blood", "fibrin"),
    [
        ("ventral", "L3-L4", "transforaminal-ventral", "Ventral lumbar", 8, 4),
        ("ventral", "T12-L1", "transforaminal-ventral", "Ventral thoracolumbar", 6, 4),
        ("ventral", "T6-T7", "transforaminal-ventral", "Ventral thoracic", 5, 3),
        ("sleeve", "L2-L3", "transforaminal-foramen", "Sleeve lumbar", 5, 4),
        ("fistula", "T9-T10", "transforaminal-foramen", "Fistula", 0, 3),
        ("dorsal", "L3-L4", "interlaminar-paramedian", "Dorsal lumbar (PDPH)", 20, 0),
        ("dorsal", "L1-L2", "interlaminar-midline", "Dorsal lumbar + fibrin", 8, 4),
        ("dorsal", "T8-T9", "interlaminar-paramedian", "Dorsal thoracic", 8, 0),
        ("dorsal", "C7-T1", "interlaminar-paramedian", "Cervical", 4, 0),
    ],
)
def test_the_table_of_starting_doses(kind: LeakKind, level: str, approach: ApproachName, name: str, blood: float, fibrin: float) -> None:
    found = preset(leak(kind, level), approach, pipe_spine(LUMBAR))
    assert (found.name, found.blood_ml, found.fibrin_ml, found.remark) == (name, blood, fibrin, "")


def test_a_potential_site_gets_the_small_dose() -> None:
    assert preset(leak("sleeve", "L2-L3", "potential"), "transforaminal-foramen", pipe_spine(LUMBAR)).name == "Potential sites, many"


def test_two_dorsal_levels_after_leads_get_their_own_dose_each() -> None:
    first, second = leak("dorsal", "T12-L1"), leak("dorsal", "L1-L2")
    for one, other in ((first, second), (second, first)):
        found = preset(one, "interlaminar-paramedian", pipe_spine(LUMBAR), [other])
        assert (found.name, found.blood_ml, found.fibrin_ml, found.remark) == ("Two levels after leads", 5, 4, "")
    third = preset(first, "interlaminar-paramedian", pipe_spine(LUMBAR), [second, leak("dorsal", "L2-L3")])
    assert (third.name, third.remark) == ("Two levels after leads", "No preset for 3 levels: the dose is that of two.")


@pytest.mark.parametrize(
    "beside",
    [[], [leak("dorsal", "L1-L2")], [leak("ventral", "T12-L1")], [leak("dorsal", "T6-T7")]],
    ids=["alone", "the same level", "another kind", "far above"],
)
def test_one_dorsal_level_gets_the_dose_of_one(beside: list[Leak]) -> None:
    assert preset(leak("dorsal", "L1-L2"), "interlaminar-paramedian", pipe_spine(LUMBAR), beside).name == "Dorsal lumbar + fibrin"
    assert "Two" not in preset(leak("dorsal", "T12-L1"), "interlaminar-midline", pipe_spine(LUMBAR), []).name


def test_another_approach_or_an_unnamed_level_is_remarked() -> None:
    assert "approach" in preset(leak("dorsal", "L3-L4"), "transforaminal-foramen", pipe_spine(LUMBAR)).remark
    nameless = replace(pipe_spine(LUMBAR), levels=())
    assert "not named" in presets_for(leak("ventral", None), "transforaminal-ventral", nameless)[0].remark


def test_every_preset_lies_in_its_range_and_names_its_source() -> None:
    for row in presets():
        assert row.blood_range_ml[0] <= row.blood_ml <= row.blood_range_ml[1]
        assert row.fibrin_range_ml[0] <= row.fibrin_ml <= row.fibrin_range_ml[1]
        assert row.source and 0 < row.rate_ml_per_s <= 0.5


def test_the_volume_limits() -> None:
    z = disc_z(LUMBAR, "L3")
    one = dose_warnings(pipe_spine(LUMBAR), [Injection((0.0, 7.0, z), 4.0, 8.0)])
    assert [(ml, key) for ml, _, key in one] == [(20.0, "patch.limit_lumbar_one_level"), (30.0, "patch.limit_lumbar_all")]
    chest = dose_warnings(pipe_spine(THORACIC), [Injection((0.0, 7.0, 70.0), 0.0, 8.0)])
    assert [(ml, key) for ml, _, key in chest] == [(15.0, "patch.limit_thoracic")]


def test_two_levels_share_the_total() -> None:
    high, low = disc_z(LUMBAR, "L1"), disc_z(LUMBAR, "L3")
    two = dose_warnings(pipe_spine(LUMBAR), [Injection((0.0, 7.0, high), 0.0, 5.0), Injection((0.0, 7.0, low), 0.0, 5.0)])
    assert [ml for ml, _, _ in two] == [30.0, 40.0, 40.0]


def test_stenosis_halves_the_limit() -> None:
    z = disc_z(LUMBAR, "L3")
    found = dose_warnings(pipe_spine(LUMBAR, narrow=True), [Injection((0.0, 4.0, z), 0.0, 8.0)])
    assert [ml for ml, _, _ in found] == [10.0, 15.0]
    assert "halved because the canal is narrow" in found[0][1]


def test_unnamed_levels_are_said_not_to_be_checked() -> None:
    nameless = replace(pipe_spine(LUMBAR), levels=())
    found = dose_warnings(nameless, [Injection((0.0, 7.0, 80.0), 0.0, 8.0)])
    assert len(found) == 1 and found[0][0] == 0.0 and "not checked" in found[0][1]


def test_the_lumbar_curve_and_its_end() -> None:
    assert lumbar_pressure_mmhg(18.9) == pytest.approx(9.63, abs=0.01)
    assert lumbar_pressure_mmhg(38.0) == pytest.approx(37.8, abs=0.1)
    assert lumbar_pressure_mmhg(38.5) is None


def test_every_number_names_its_source() -> None:
    for entry in station("patch").values():
        assert entry.source
