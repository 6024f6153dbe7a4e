"""What a person changes by hand: masks, the canal's tube, levels and openings; judged on a spine of pipes whose every voxel is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy import Anatomy, Anchor, rename
from planner.anatomy import labels as codes
from planner.anatomy.by_hand.apply import EditedAnatomy, checked, edited, unedited
from planner.anatomy.by_hand.edits import (
    MOST_RADIUS_MM,
    AddedForamen,
    AddedWindow,
    CentrelinePoint,
    Edit,
    Grow,
    MovedLevel,
    Smooth,
    Stroke,
    WallPoint,
    edit_words,
    stroke,
)
from planner.anatomy.spine import ANGLES
from planner.exchange.anatomy_files import anatomy_content
from planner.geometry import Frame
from planner.refusal import Refusal
from tests.planner.anatomy.spine_of_pipes import after, code_at, rows_of, spine
from tests.planner.needles.pipe_spine import pipe_spine

HEAD = (0.0, 0.0, 1.0)


def volume_ml(anatomy: Anatomy, *held: int) -> float:
    return float(anatomy.mask(held).sum()) * anatomy.frame.voxel_ml


# ---- strokes --------------------------------------------------------------------------------------------------------------------------


def test_a_stroke_fills_a_disc_of_its_slice_and_no_other() -> None:
    z = float(spine().frame.to_world((100, 0, 0))[2])
    made = after(stroke("kidney", "draw", [(70.0, 0.0, z)], 6.0, HEAD, 0.4))
    drawn = made.mask((codes.KIDNEY,))
    assert drawn.any(axis=(1, 2)).sum() == 1
    assert float(drawn.sum()) * made.frame.spacing_mm[1] ** 2 == pytest.approx(np.pi * 36.0, rel=0.05)


def test_a_ball_fills_a_tube_along_its_path() -> None:
    made = after(stroke("aorta", "draw", [(0.0, -50.0, 40.0), (0.0, -50.0, -40.0)], 6.0))
    assert volume_ml(made, codes.AORTA) == pytest.approx((80.0 * np.pi * 36.0 + 4 / 3 * np.pi * 216.0) / 1000.0, rel=0.05)


def test_a_thin_stroke_takes_the_voxels_that_it_passes() -> None:
    assert after(stroke("kidney", "draw", [(70.1, 0.1, 0.1)], 0.5, HEAD, 0.1)).mask((codes.KIDNEY,)).sum() >= 1


def test_bone_that_is_drawn_belongs_to_the_nearest_vertebra() -> None:
    level = next(level for level in spine().levels if level.name == "L3")
    x, y, z = level.centre_mm
    made = after(stroke("bone", "draw", [(x + 24.0, y, z)], 3.0), stroke("bone", "draw", [(x + 90.0, 0.0, z)], 3.0))
    assert code_at(made, x + 24.0, y, z) == codes.vertebra("L3")
    assert code_at(made, x + 90.0, 0.0, z) == codes.BONE_OTHER


def test_beyond_the_slices_of_an_oblique_scan_nothing_is_drawn() -> None:
    """The slices end 10 mm to the left of the canal, the standard frame does not."""
    x, y, z = next(level.centre_mm for level in spine().levels if level.name == "L3")
    low_mm, high_mm = spine().frame.bounds_mm
    shape = tuple(int(mm) for mm in (high_mm - low_mm)[::-1])
    slices = Frame.axial((shape[0], shape[1], int(10.0 - low_mm[0])), (1.0, 1.0, 1.0), low_mm.tolist())
    beyond, within = (stroke("bone", "draw", [(aside, y, z)], 3.0) for aside in (x + 24.0, x - 24.0))
    made = edited(replace(spine(), field=slices), (beyond, within))
    assert isinstance(made, EditedAnatomy)
    assert made.idle == {0: "This lies outside the scan."}
    assert code_at(made, x + 24.0, y, z) == code_at(spine(), x + 24.0, y, z)


def test_what_is_erased_becomes_what_it_lay_in() -> None:
    x, y, z = spine().levels[1].centre_mm
    made = after(
        stroke("bone", "erase", [(x, y, z)], 3.0),
        stroke("sac", "erase", [(0.0, 0.0, z)], 2.0),
        stroke("skin", "erase", [(100.0, 0.0, z)], 3.0),
    )
    assert code_at(made, x, y, z) == codes.SOFT_TISSUE
    assert code_at(made, 0.0, 0.0, z) == codes.EPIDURAL_SPACE
    assert code_at(made, 100.0, 0.0, z) == 0


def test_erasing_takes_one_structure_and_leaves_the_others() -> None:
    made = after(stroke("bone", "erase", [(0.0, 0.0, 0.0)], 14.0))
    assert volume_ml(made, *codes.CANAL) == pytest.approx(volume_ml(spine(), *codes.CANAL))
    assert volume_ml(made, *codes.BONE) < volume_ml(spine(), *codes.BONE)


def test_the_sac_stays_inside_the_canal() -> None:
    made = after(stroke("sac", "draw", [(0.0, 0.0, 0.0), (30.0, 0.0, 0.0)], 3.0))
    grown = made.mask((codes.THECAL_SAC,)) & ~spine().mask((codes.THECAL_SAC,))
    assert grown.any() and spine().mask(codes.CANAL)[grown].all()


def test_a_root_that_is_erased_is_no_tube_any_more() -> None:
    root = next(root for root in spine().roots if (root.level, root.side) == ("L2", "left"))
    made = after(stroke("roots", "erase", [tuple(at) for at in root.path_mm], 4.0))
    assert [(one.level, one.side) for one in made.roots] == [(r.level, r.side) for r in spine().roots if r is not root]
    half = after(stroke("roots", "erase", [tuple(at) for at in root.path_mm[30:]], 2.5))
    left = next(one for one in half.roots if (one.level, one.side) == ("L2", "left"))
    assert 10 < len(left.path_mm) == len(left.radius_mm) < 30 and left.ganglion.stop <= len(left.path_mm)


# ---- the canal ------------------------------------------------------------------------------------------------------------------------


def back_wall_mm(anatomy: Anatomy, z: float) -> float:
    return float(anatomy.canal.wall_mm[anatomy.canal.nearest((0.0, 0.0, z)), ANGLES // 4])


def test_a_wall_point_pulled_back_makes_room_there_and_only_there() -> None:
    made = after(WallPoint((0.0, 9.0, 0.0), (0.0, 12.0, 0.0), 8.0))
    assert back_wall_mm(made, 0.0) == pytest.approx(12.0, abs=0.05)
    assert code_at(made, 0.0, 11.0, 0.0) == codes.EPIDURAL_SPACE != code_at(spine(), 0.0, 11.0, 0.0)
    changed = np.argwhere(made.labels != spine().labels)
    places = made.frame.to_world(changed)
    assert np.abs(places[:, 2]).max() < 13.0 and (places[:, 1] > 0).all()
    assert made.canal.area_mm2[made.canal.nearest((0, 0, 0))] > spine().canal.area_mm2[spine().canal.nearest((0, 0, 0))]


def test_a_wall_point_pushed_in_takes_the_sac_with_it_and_leaves_bone_behind() -> None:
    made = after(WallPoint((0.0, 9.0, 10.0), (0.0, 5.0, 10.0), 8.0))
    assert code_at(made, 0.0, 7.5, 10.0) in (*codes.BONE, codes.SOFT_TISSUE, codes.LIGAMENTUM_FLAVUM)
    assert code_at(made, 0.0, 4.0, 10.0) == codes.THECAL_SAC
    assert volume_ml(made, codes.THECAL_SAC, codes.SPINAL_CORD) < volume_ml(spine(), codes.THECAL_SAC, codes.SPINAL_CORD)
    tube_ml = float(np.trapezoid(made.canal.area_mm2 - spine().canal.area_mm2, made.canal.s_mm)) / 1000.0
    counted_ml = volume_ml(made, *codes.CANAL) - volume_ml(spine(), *codes.CANAL)
    assert counted_ml == pytest.approx(tube_ml, rel=0.15)


def test_pulling_the_wall_there_and_back_leaves_it_as_it_was() -> None:
    out = WallPoint((0.0, 9.0, 0.0), (0.0, 11.0, 0.0), 8.0)
    made = after(out, WallPoint((0.0, 11.0, 0.0), (0.0, 9.0, 0.0), 8.0))
    assert made.canal.wall_mm == pytest.approx(spine().canal.wall_mm, abs=0.35)


def test_a_stroke_on_the_canal_moves_its_wall_and_its_labels_alike() -> None:
    made = after(stroke("canal", "draw", [(0.0, 10.0, 0.0)], 3.0, HEAD, 0.4))
    assert back_wall_mm(made, 0.0) == pytest.approx(13.0, abs=0.6)
    assert code_at(made, 0.0, 12.0, 0.0) == codes.EPIDURAL_SPACE
    cut = after(stroke("canal", "erase", [(0.0, 10.0, 0.0)], 3.0, HEAD, 0.4))
    assert back_wall_mm(cut, 0.0) == pytest.approx(7.0, abs=0.6)
    assert code_at(cut, 0.0, 8.0, 0.0) not in codes.CANAL


def test_bone_drawn_into_the_canal_moves_its_wall() -> None:
    made = after(stroke("bone", "draw", [(0.0, 9.0, 0.0)], 3.0))
    assert back_wall_mm(made, 0.0) == pytest.approx(6.0, abs=0.6)
    assert code_at(made, 0.0, 8.0, 0.0) in codes.BONE


def test_the_whole_canal_grows_and_is_smoothed() -> None:
    grown = after(Grow("canal", 1.0))
    assert grown.canal.wall_mm == pytest.approx(spine().canal.wall_mm + 1.0)
    assert volume_ml(grown, *codes.CANAL) > 1.1 * volume_ml(spine(), *codes.CANAL)
    dented = WallPoint((0.0, 9.0, 0.0), (0.0, 12.0, 0.0), 4.0)
    assert 9.1 < back_wall_mm(after(dented, Smooth("canal", 2.0)), 0.0) < 11.5


def test_the_canal_moves_with_all_that_it_holds() -> None:
    made = after(CentrelinePoint((0.0, 0.0, 0.0), (5.0, 0.0, 0.0), 20.0))
    at = made.canal.nearest((5.0, 0.0, 0.0))
    assert made.canal.centreline_mm[at] == pytest.approx((5.0, 0.0, 0.0), abs=0.2)
    assert code_at(made, 10.0, 0.0, 0.0) == codes.THECAL_SAC  # 5 mm off the middle, as before
    assert code_at(made, -9.0, 0.0, 0.0) not in codes.CANAL
    assert np.linalg.norm(np.diff(made.canal.centreline_mm, axis=0), axis=1).max() <= 1.0
    assert volume_ml(made, *codes.CANAL) == pytest.approx(volume_ml(spine(), *codes.CANAL), rel=0.05)
    assert made.canal.wall_mm.shape == (len(made.canal.centreline_mm), ANGLES) == made.canal.bridged.shape


# ---- whole masks ----------------------------------------------------------------------------------------------------------------------


def test_a_ball_grows_by_the_millimetre_on_a_grid_of_any_spacing() -> None:
    _, coarse = pipe_spine(spacing=0.8, dz=1.5)
    ball = stroke("kidney", "draw", [(70.0, 0.0, 0.0)], 8.0)
    for by_mm in (3.0, -3.0, 2.0, -2.0):
        made = edited(coarse, (ball, Grow("kidney", by_mm)))
        wanted_ml = 4 / 3 * np.pi * (8.0 + by_mm) ** 3 / 1000.0
        assert volume_ml(made, codes.KIDNEY) == pytest.approx(wanted_ml, rel=0.08)


def test_smoothing_takes_a_spike_away_and_keeps_the_ball() -> None:
    ball, spike = stroke("kidney", "draw", [(70.0, 0.0, 0.0)], 10.0), stroke("kidney", "draw", [(70.0, 0.0, 0.0), (90.0, 0.0, 0.0)], 1.0)
    made = after(ball, spike, Smooth("kidney", 2.0))
    assert code_at(made, 86.0, 0.0, 0.0) == codes.SOFT_TISSUE
    wanted_mm = 10.0 - 2.0**2 / 10.0  # a ball smoothed over s shrinks by s squared over its radius
    assert volume_ml(made, codes.KIDNEY) == pytest.approx(4 / 3 * np.pi * wanted_mm**3 / 1000.0, rel=0.05)


# ---- levels and openings --------------------------------------------------------------------------------------------------------------


def test_a_level_moves_and_its_place_along_the_canal_with_it() -> None:
    before = spine().levels[1]
    x, y, z = before.centre_mm
    moved = after(MovedLevel(before.centre_mm, (x, y, z - 6.0))).levels[1]
    assert (moved.name, moved.centre_mm) == (before.name, (x, y, z - 6.0))
    assert moved.s_mm == pytest.approx(before.s_mm + 6.0, abs=1.0)


def test_openings_that_are_added_take_the_place_of_those_of_their_level() -> None:
    window, foramen = spine().windows[1], spine().foramina[2]
    x, y, z = window.centre_mm
    made = after(AddedWindow((x, y, z + 2.0), 9.0, 12.0, 20.0), AddedForamen((-17.0, -3.0, foramen.centre_mm[2]), 15.0, 8.0))
    assert len(made.windows) == len(spine().windows) and len(made.foramina) == len(spine().foramina)
    assert next(w for w in made.windows if w.between == window.between).width_mm == 12.0
    right = next(f for f in made.foramina if f.between == foramen.between and f.side == "right")
    assert (right.height_mm, right.axis) == (15.0, (-1.0, 0.0, 0.0))
    bare = edited(replace(spine(), windows=(), foramina=()), (AddedWindow((x, y, z), 9.0, 12.0, 0.0),))
    assert [w.between for w in bare.windows] == [window.between]


# ---- how it is marked -----------------------------------------------------------------------------------------------------------------


def test_what_was_changed_is_marked_with_the_levels_where() -> None:
    x, y, z = spine().levels[2].centre_mm
    made = after(stroke("bone", "erase", [(x, y, z)], 3.0), stroke("aorta", "draw", [(0.0, -50.0, z)], 5.0))
    bone, aorta = made.structure("bone"), made.structure("aorta")
    assert (bone.provenance, bone.confidence, bone.problem) == ("drawn", 1.0, "Changed by hand at L3.")
    assert (aorta.provenance, aorta.confidence) == ("drawn", None)
    assert aorta.problem == "Drawn by hand at L3. Elsewhere nobody looked for it."
    assert made.touched == {"bone": ("L3",), "aorta": ("L3",)}
    assert made.structure("sac") == spine().structure("sac")


def test_a_place_drawn_makes_what_is_modelled_no_surer() -> None:
    structures = {**spine().structures, "roots": replace(spine().structure("roots"), provenance="modelled", problem="From sizes.")}
    made = edited(replace(spine(), structures=structures), (stroke("roots", "draw", [(40.0, 0.0, 15.0)], 2.0),))
    assert made.structure("roots").provenance == "modelled"
    assert made.structure("roots").problem == "Changed by hand at L2. From sizes."


# ---- one after another ----------------------------------------------------------------------------------------------------------------


def test_edits_added_one_by_one_give_what_they_give_at_once() -> None:
    edits: tuple[Edit, ...] = (
        stroke("kidney", "draw", [(70.0, 0.0, 0.0)], 8.0),
        WallPoint((0.0, 9.0, 0.0), (0.0, 12.0, 0.0), 8.0),
        stroke("kidney", "erase", [(74.0, 0.0, 0.0)], 4.0),
        stroke("bone", "draw", [(0.0, 9.0, 20.0)], 3.0),
    )
    step: Anatomy = spine()
    for n in range(len(edits)):
        step = edited(step, edits[: n + 1])
    once = edited(spine(), edits)
    assert np.array_equal(step.labels, once.labels) and np.array_equal(step.canal.wall_mm, once.canal.wall_mm)
    assert step.structures == once.structures


def test_taking_edits_back_gives_what_was_there_before() -> None:
    first, second = stroke("kidney", "draw", [(70.0, 0.0, 0.0)], 8.0), stroke("bone", "erase", [(0.0, -20.0, 0.0)], 4.0)
    both = edited(spine(), (first, second))
    assert np.array_equal(edited(both, (second,)).labels, edited(spine(), (second,)).labels)
    assert edited(both, ()) is spine() is unedited(both)


def test_nothing_that_was_found_is_changed_by_an_edit() -> None:
    before = spine().labels.copy()
    after(stroke("kidney", "draw", [(70.0, 0.0, 0.0)], 8.0), Grow("canal", 1.0))
    assert np.array_equal(spine().labels, before)


def test_edits_are_places_and_stay_where_they_are_when_the_levels_get_other_names() -> None:
    wanted = stroke("kidney", "draw", [(70.0, 0.0, 0.0)], 8.0)
    _, corded = pipe_spine(cord=True)
    made = edited(rename(corded, Anchor("L4", corded.levels[0].centre_mm, "user", 1.0)), (wanted,))
    assert np.array_equal(made.mask((codes.KIDNEY,)), after(wanted).mask((codes.KIDNEY,)))
    assert made.structure("kidney").problem is not None and "L2" not in made.structure("kidney").problem


# ---- what cannot be -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (stroke("bone", "draw", [(900.0, 0.0, 0.0)], 3.0), "outside the scan"),
        (stroke("aorta", "erase", [(70.0, 0.0, 0.0)], 3.0), "no aorta under the brush"),
        (stroke("cord", "draw", [(70.0, 0.0, 0.0)], 3.0), "lies inside the canal"),
        (stroke("skin", "draw", [(70.0, 0.0, 0.0)], 3.0), "can become skin"),
        (stroke("canal", "draw", [(0.0, 0.0, 0.0)], 3.0), "stays as it is"),
        (stroke("canal", "draw", [(0.0, 0.0, 91.0)], 3.0, HEAD, 0.4), "away from its ends"),
        (Grow("kidney", 1.0), "no kidney to change"),
        (Grow("bone", 0.5), "0.5 mm is less than a voxel"),
        (Smooth("vertebral artery", 1.0), "no vertebral artery to change"),
        (WallPoint((80.0, 9.0, 0.0), (0.0, 12.0, 0.0), 8.0), "no wall of the canal here"),
        (CentrelinePoint((0.0, 0.0, 90.0), (5.0, 0.0, 90.0), 8.0), "does not reach here"),
        (MovedLevel((0.0, -27.0, 18.0), (0.0, -27.0, -30.0)), "cannot go past its neighbour"),
        (MovedLevel((0.0, -27.0, 18.0), (0.0, -270.0, 18.0)), "outside the scan"),
        (AddedWindow((0.0, 12.0, 85.0), 9.0, 12.0, 0.0), "No two vertebrae"),
    ],
)
def test_an_edit_that_changes_nothing_says_why(edit: Edit, why: str) -> None:
    with pytest.raises(Refusal, match=why):
        checked(spine(), edit)
    made = edited(spine(), (edit,))  # in a case that was drawn on another anatomy it is left out and named
    assert isinstance(made, EditedAnatomy) and why in made.idle[0] and not made.touched
    assert np.array_equal(made.labels, spine().labels) and made.structures == spine().structures


def test_without_a_canal_there_is_no_wall_to_pull() -> None:
    none = rows_of(spine().canal, np.zeros(0, dtype=np.int64))
    bare = replace(spine(), canal=none, levels=(), roots=())
    for edit in (
        WallPoint((0.0, 9.0, 0.0), (0.0, 12.0, 0.0), 8.0),
        stroke("canal", "draw", [(0.0, 9.0, 0.0)], 3.0),
        Grow("canal", 1.0),
        MovedLevel((0.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
        AddedWindow((0.0, 12.0, 0.0), 9.0, 12.0, 0.0),
    ):
        with pytest.raises(Refusal):
            checked(bare, edit)
    drawn = edited(bare, (stroke("kidney", "draw", [(70.0, 0.0, 0.0)], 8.0), stroke("roots", "erase", [(20.0, -3.0, 10.0)], 9.0)))
    assert drawn.structure("kidney").problem == "Drawn by hand. Elsewhere nobody looked for it."


@pytest.mark.parametrize(
    "made",
    [
        lambda: stroke("bone", "draw", [(float("nan"), 0.0, 0.0)], 3.0),
        lambda: stroke("bone", "draw", [(0.0, 0.0, 0.0)], float("nan")),
        lambda: stroke("bone", "draw", [(0.0, 0.0, 0.0)], MOST_RADIUS_MM + 1.0),
        lambda: stroke("bone", "draw", [(0.0, 0.0, 0.0)], 3.0, (0.0, 0.0, 3.0), 0.5),
        lambda: stroke("bone", "draw", [(0.0, 0.0, 0.0)], 3.0, HEAD, 0.0),
    ],
)
def test_what_no_hand_draws_is_refused(made: object) -> None:
    assert callable(made)
    with pytest.raises(Refusal):
        made()


def test_a_straight_stroke_keeps_its_ends_and_a_bend_its_corner() -> None:
    straight = stroke("bone", "draw", [(float(x), 0.0, 0.0) for x in range(50)], 3.0)
    assert straight.points_mm == ((0.0, 0.0, 0.0), (49.0, 0.0, 0.0))
    bent = stroke("bone", "draw", [*((float(x), 0.0, 0.0) for x in range(20)), *((19.0, float(y), 0.0) for y in range(20))], 3.0)
    assert bent.points_mm == ((0.0, 0.0, 0.0), (19.0, 0.0, 0.0), (19.0, 19.0, 0.0))


def test_an_edit_says_what_it_is() -> None:
    assert edit_words(Stroke("canal", "erase", ((0.0, 0.0, 0.0),), 3.0)) == "erase canal"
    assert edit_words(Grow("bone", -1.0)) == "shrink bone by 1 mm"


def test_a_kidney_drawn_on_one_side_leaves_the_other_not_checked() -> None:
    left, right = stroke("kidney", "draw", [(70.0, 0.0, 0.0)], 8.0), stroke("kidney", "draw", [(-70.0, 0.0, 0.0)], 8.0)
    one = after(left).structure("kidney")
    assert one.provenance == "not checked" and one.problem is not None and one.problem.startswith("Drawn by hand at")
    assert after(left, right).structure("kidney").provenance == "drawn"


def test_what_was_drawn_stands_in_the_files_for_other_programs() -> None:
    made = after(stroke("aorta", "draw", [(0.0, -50.0, 18.0)], 5.0), WallPoint((0.0, 9.0, 0.0), (0.0, 12.0, 0.0), 8.0))
    content = anatomy_content(made, "1.2.3", 0)
    aorta, canal = content["structures"]["aorta"], content["structures"]["canal"]
    assert aorta == {"provenance": "drawn", "confidence": None, "problem": "Drawn by hand at L2. Elsewhere nobody looked for it."}
    assert canal["provenance"] == "drawn" and canal["problem"].startswith("Changed by hand at L2")
    assert max(content["canal"]["area_mm2"]) > max(spine().canal.area_mm2) + 5.0


def test_bone_goes_with_a_level_that_is_moved() -> None:
    """The border between two vertebrae slides by a share of the move; no bone comes or goes."""
    level = spine().levels[2]
    x, y, z = level.centre_mm
    labels, slices = spine().labels.copy(), np.arange(spine().frame.shape[0])
    heights = spine().frame.affine[2, 3] + spine().frame.spacing_mm[0] * slices
    middles = np.array([one.centre_mm[2] for one in spine().levels])
    name_at = [spine().levels[n].name for n in np.abs(heights[:, None] - middles).argmin(axis=1)]
    box = spine().frame.box_around(np.array([(-8.0, 30.0, z), (8.0, 40.0, z)]), 0.0)
    for k, name in enumerate(name_at):  # spinous processes that touch each other
        labels[k, box[1], box[2]] = codes.vertebra(name)
    touching = replace(spine(), labels=labels)
    made = edited(touching, (MovedLevel((x, y, z), (x, y, z + 8.0)),))
    assert isinstance(made, EditedAnatomy) and np.array_equal(made.mask(codes.BONE), touching.mask(codes.BONE))

    def top_of(anatomy: Anatomy, name: str) -> float:
        return float(anatomy.frame.to_world(np.argwhere(anatomy.mask((codes.vertebra(name),))))[:, 2].max())

    def foot_of(anatomy: Anatomy, name: str) -> float:
        return float(anatomy.frame.to_world(np.argwhere(anatomy.mask((codes.vertebra(name),))))[:, 2].min())

    for border in (top_of, foot_of):
        assert 1.0 < border(made, level.name) - border(touching, level.name) < 8.0
    far = spine().levels[0].name
    assert np.array_equal(made.mask((codes.vertebra(far),)), touching.mask((codes.vertebra(far),)))


# ---- openings whose bone was changed ----------------------------------------------------------------------------------------------------


def test_bone_drawn_into_a_window_makes_it_smaller_and_is_said() -> None:
    """Not so the others; one after the other or all at once, and it is as before when the stroke is taken back."""
    window = spine().windows[1]
    x, y, z = window.centre_mm
    inside = stroke("bone", "draw", [(x + window.width_mm / 2 - 1.0, y, z - 3.0), (x + window.width_mm / 2 - 1.0, y + 4.0, z + 3.0)], 2.5)
    made = after(inside)
    now = {one.level: one for one in made.windows}
    assert now[window.level].width_mm < window.width_mm - 1.0
    assert all(now[one.level] is one for one in spine().windows if one.level != window.level)
    assert f"Changed by what was drawn: {window.level}." in (made.structure("windows").problem or "")
    later = edited(made, (inside, stroke("aorta", "draw", [(70.0, 0.0, 0.0)], 5.0)))
    assert later.structure("windows").problem == made.structure("windows").problem
    assert next(one.width_mm for one in later.windows if one.level == window.level) == now[window.level].width_mm
    assert edited(made, ()).windows == spine().windows
    put = after(inside, AddedWindow((x, y, z + 0.5), 9.0, 12.0, 0.0))
    assert next(one.confidence for one in put.windows if one.level == window.level) == 1.0
    assert "by what was drawn" not in (put.structure("windows").problem or "")


def test_a_window_that_is_filled_with_bone_is_closed() -> None:
    window = spine().windows[1]
    x, y, z = window.centre_mm
    made = after(stroke("bone", "draw", [(x - 15.0, y + 3.0, z), (x + 15.0, y + 3.0, z)], 12.0))
    assert window.level not in [one.level for one in made.windows]
    assert f"Closed by what was drawn: {window.level}" in (made.structure("windows").problem or "")


def test_a_foramen_whose_bone_was_changed_is_unsure_and_named() -> None:
    hole = spine().foramina[2]
    x, y, z = hole.centre_mm
    made = after(stroke("bone", "draw", [(x, y, z + 5.0)], 3.0))
    assert next(one.confidence for one in made.foramina if (one.between, one.side) == (hole.between, hole.side)) <= 0.3
    assert f"{hole.level} {hole.side}" in (made.structure("foramina").problem or "")
