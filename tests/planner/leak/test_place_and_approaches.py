"""A click becomes a leak with level and side, and the leak calls for a way in."""

from dataclasses import replace

import pytest

from planner.anatomy.labels import LEVELS
from planner.anatomy.spine import Structure
from planner.evidence import evidence
from planner.leak import KINDS, approaches, decided, place, window_levels
from planner.refusal import Refusal
from tests.planner.needles.pipe_spine import middle, pipe_spine

NAMES = ("L1", "L2", "L3", "L4")
DISC = middle(NAMES, "L2") - 18.0  # of L2-L3


@pytest.fixture(scope="module")
def spine():
    return pipe_spine(spacing=2.0)[1]


def neck(names):
    return pipe_spine(names=names, spacing=2.0)[1]


@pytest.mark.parametrize(
    ("x", "side"), [(5.0, "left"), (-5.0, "right"), (0.4, "midline")]
)
def test_level_and_side_come_from_the_anatomy(spine, x, side):
    leak = place(spine, (x, -7.0, DISC + 3), "ventral")
    assert (leak.level, leak.side, leak.certainty) == ("L2-L3", side, "observed")


def test_the_side_that_the_user_gives_wins(spine):
    assert place(spine, (5.0, -7.0, DISC), "ventral", side="right").side == "right"


def test_a_potential_site_stays_potential(spine):
    assert place(spine, (12.0, -2.0, DISC), "sleeve", "potential").certainty == "potential"


def test_a_sleeve_leak_has_a_side_even_in_the_middle(spine):
    assert place(spine, (0.4, 0.0, DISC), "sleeve").side == "left"


def test_a_leak_outside_the_canal_is_refused_with_its_distance(spine):
    with pytest.raises(Refusal, match=r"33 mm outside the spinal canal") as refused:
        place(spine, (50.0, 0.0, DISC), "ventral")
    assert refused.value.way_out


def test_a_leak_on_the_wall_is_accepted(spine):
    assert place(spine, (0.0, -10.5, DISC), "ventral").level == "L2-L3"


def test_a_sleeve_leak_may_lie_in_the_foramen_where_a_ventral_one_may_not(spine):
    foramen = next(f for f in spine.foramina if f.level == "L2-L3" and f.side == "left")
    beside = (foramen.centre_mm[0] + 8, foramen.centre_mm[1], foramen.centre_mm[2])
    assert place(spine, beside, "fistula").side == "left"
    with pytest.raises(Refusal):
        place(spine, beside, "dorsal")


@pytest.mark.parametrize("where", [(9999.0, 0, 0), (0, 0, 500.0), (float("nan"), 0, 0)])
def test_positions_outside_the_scan_are_refused(spine, where):
    with pytest.raises(Refusal):
        place(spine, where, "ventral")


def test_no_canal_is_a_refusal(spine):
    empty = replace(spine.canal, centreline_mm=spine.canal.centreline_mm[:0])
    with pytest.raises(Refusal, match="No spinal canal"):
        place(replace(spine, canal=empty), (0, 0, 0), "ventral")


def test_without_named_levels_a_leak_has_no_level_and_still_a_way_in(spine):
    nameless = replace(spine, levels=())
    leak = place(nameless, (3, -7, DISC), "ventral")
    assert leak.level is None
    assert approaches(leak, nameless)[0].name == "transforaminal-ventral"


@pytest.mark.parametrize(
    ("kind", "position", "name"),
    [
        ("ventral", (-5.0, -7.0, DISC), "transforaminal-ventral"),
        ("sleeve", (12.0, -2.0, DISC), "transforaminal-foramen"),
        ("fistula", (-12.0, -2.0, DISC), "transforaminal-foramen"),
        ("dorsal", (3.0, 7.0, DISC), "interlaminar-paramedian"),
        ("dorsal", (0.0, 7.0, DISC), "interlaminar-midline"),
    ],
)
def test_the_leak_calls_for_its_approach(spine, kind, position, name):
    ways = approaches(place(spine, position, kind), spine)
    assert ways[0].name == name
    assert [way.proposed for way in ways] == [True] + [False] * (len(ways) - 1)
    assert len({way.name for way in ways}) == len(ways)
    assert "caudal" not in {way.name for way in ways}


def test_every_way_has_a_sentence_and_evidence_that_exists(spine):
    for kind in KINDS:
        for way in approaches(place(spine, (5.0, -3.0, DISC), kind), spine):
            assert way.why.endswith(".")
            assert all(evidence(identifier).source for identifier in way.evidence)


def test_closed_windows_lead_through_the_foramen_and_say_so():
    _, fused = pipe_spine(spacing=2.0, fused=True)
    first = approaches(place(fused, (0.0, 7.0, DISC), "dorsal"), fused)[0]
    assert first.name == "transforaminal-foramen"
    assert first.why.startswith("No open interlaminar window was found at L2-L3 or L3-L4. From the side")


def test_closed_foramina_lead_from_behind_and_say_so():
    _, closed = pipe_spine(spacing=2.0, closed=True)
    first = approaches(place(closed, (0.0, -7.0, DISC), "ventral"), closed)[0]
    assert first.name == "interlaminar-paramedian"
    assert "No open foramen" in first.why


NECK = ("C4", "C5", "C6", "C7", "T1")


def neck_leak(anatomy, names, kind, above="C4"):
    return place(anatomy, (3.0, -3.0, middle(names, above) - 18), kind)


@pytest.mark.parametrize("kind", ["ventral", "dorsal", "sleeve"])
def test_in_the_neck_the_way_in_is_c7_t1(kind):
    anatomy = neck(NECK)
    leak = neck_leak(anatomy, NECK, kind)
    assert leak.level == "C4-C5"
    ways = approaches(leak, anatomy)
    assert (ways[0].name, ways[0].level, ways[0].warning) == ("interlaminar-paramedian", None, None)
    assert "C7-T1" in ways[0].why
    assert window_levels(leak, anatomy) == ("C7-T1",)
    sideways = [way for way in ways if way.name.startswith("transforaminal")]
    assert sideways and all("vertebral artery" in way.warning and not way.proposed for way in sideways)


def test_another_level_of_the_neck_is_offered_with_its_warning_and_never_proposed():
    anatomy = neck(NECK)
    chosen = [way for way in approaches(neck_leak(anatomy, NECK, "dorsal"), anatomy) if way.level]
    assert [(way.name, way.level) for way in chosen] == [
        ("interlaminar-paramedian", "C6-C7"),
        ("interlaminar-midline", "C6-C7"),
        ("interlaminar-paramedian", "C4-C5"),
        ("interlaminar-midline", "C4-C5"),
    ]
    assert all("Only on explicit choice" in way.warning and not way.proposed and way.barred is None for way in chosen)
    assert ["Refused by default above C6-C7" in way.warning for way in chosen] == [False, False, True, True]
    assert chosen[0].title == "Interlaminar, paramedian, at C6-C7"


def test_where_t1_is_not_in_view_the_way_in_says_so_and_nothing_with_a_warning_is_proposed_instead():
    names = ("C4", "C5", "C6", "C7")
    anatomy = neck(names)
    low = anatomy.frame.to_index((0.0, 0.0, middle(names, "C7") - 8.0))[0]
    frame = anatomy.frame.crop((round(float(low)), 0, 0), anatomy.frame.shape)
    cut = replace(anatomy, frame=frame, labels=anatomy.labels[round(float(low)) :])
    ways = approaches(neck_leak(cut, names, "dorsal"), cut)
    assert ways[0].proposed and ways[0].barred.startswith("T1 is not in view: the scan ends at C7. Take a scan that shows T1 whole")
    assert "C6-C7 or C4-C5" in ways[0].barred
    assert [way.level for way in ways if way.barred is None][:2] == ["C6-C7", "C6-C7"]


def test_a_sleeve_at_c7_t1_is_coated_in_its_own_foramen():
    anatomy = neck(NECK)
    first = approaches(neck_leak(anatomy, NECK, "sleeve", "C7"), anatomy)[0]
    assert (first.name, first.warning) == ("transforaminal-foramen", None)
    assert "explicit choice" not in first.why


def test_mr_does_not_show_bone_so_no_foramen_is_offered_and_the_reason_stands_beside_it(spine):
    mr = replace(spine, modality="MR", structures={**spine.structures, "bone": Structure("not checked")})
    ways = approaches(place(mr, (-5.0, -7.0, DISC), "ventral"), mr)
    assert ways[0].name == "interlaminar-paramedian" and ways[0].barred is None
    assert ways[0].why.startswith("MR does not tell bone apart") and "36 % only" in ways[0].why
    for way in ways:
        assert (way.barred is not None) == way.name.startswith("transforaminal")
        assert way.barred is None or "plan on a CT" in way.barred


def test_a_way_that_the_user_chose_is_never_exchanged_for_another(spine):
    leak = place(spine, (0.0, 7.0, DISC), "dorsal")
    ways = approaches(leak, spine)
    assert decided("interlaminar-paramedian", None, leak, spine, ways) in ways
    other = decided("interlaminar-midline", "L3-L4", leak, spine, ways)
    assert (other.name, other.level, other.barred) == ("interlaminar-midline", "L3-L4", None)
    assert decided("interlaminar-midline", "L4-L5", leak, spine, ways).barred.startswith("L5 is not wholly in view")


def test_a_level_far_from_the_leak_is_the_users_choice_with_a_warning(spine):
    leak = place(spine, (0.0, 7.0, DISC), "dorsal")
    ways = approaches(leak, spine)
    above = LEVELS.index(leak.level.partition("-")[0])
    for away, word in ((1, None), (3, "3 levels from the leak"), (4, "4 levels from the leak")):
        level = f"{LEVELS[above - away]}-{LEVELS[above - away + 1]}"
        warning = decided("interlaminar-midline", level, leak, spine, ways).warning
        assert (warning is None) if word is None else (word in warning and leak.level in warning)
    assert "the vertebral artery" in decided("transforaminal-foramen", "C4-C5", leak, spine, ways).warning


def test_a_thoracic_hole_in_the_midline_calls_for_paramedian():
    names = ("T10", "T11", "T12", "L1")
    anatomy = neck(names)
    leak = place(anatomy, (0.0, 7.0, middle(names, "T11") - 18), "dorsal")
    assert approaches(leak, anatomy)[0].name == "interlaminar-paramedian"


def test_missing_openings_that_nobody_looked_for_do_not_crash(spine):
    bare = replace(spine, windows=(), foramina=(), roots=(), structures={"canal": Structure("found", 1.0)})
    for kind in KINDS:
        assert approaches(place(bare, (3.0, 3.0, DISC), kind), bare)[0].proposed


def test_a_dorsal_leak_beside_the_midline_is_not_said_to_lie_in_it(spine):
    leak = place(spine, (5.0, 7.0, DISC), "dorsal")
    midline = next(way for way in approaches(leak, spine) if way.name == "interlaminar-midline")
    assert leak.side == "left"
    assert "to the left of the midline" in midline.why
