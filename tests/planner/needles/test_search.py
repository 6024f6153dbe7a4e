"""The search in a spine of pipes and boxes: the right door, nothing touched, invariances, and why nothing was found."""

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy import labels
from planner.anatomy.spine import Foramen, Level, Root, Structure, Window
from planner.evidence import evidence
from planner.geometry import Frame, Volume, resample
from planner.leak import place
from planner.needles import check, default_needle, needle, prepare, search
from planner.progress import Cancelled
from planner.refusal import Refusal
from tests.planner.needles.pipe_spine import NAMES, middle, pipe_spine

DISC = middle(NAMES, "L2") - 18.0
VENTRAL, SLEEVE, DORSAL = (-5.0, -7.0, DISC + 3), (14.0, -2.0, DISC + 6), (3.0, 7.0, DISC - 3)


@pytest.fixture(scope="module")
def spine():
    return pipe_spine(spacing=1.0)


def find(spine, position, kind, approach, needle_id=None, patient="prone"):
    volume, anatomy = spine
    room = prepare(volume, anatomy, place(anatomy, position, kind), approach)
    return search(room, needle(needle_id) if needle_id else default_needle(approach, room.usual_depth_mm), patient)


@pytest.fixture(scope="module")
def ventral(spine):
    return find(spine, VENTRAL, "ventral", "transforaminal-ventral")


def test_a_ventral_leak_on_the_right_is_reached_through_the_right_foramen(ventral):
    assert 4 <= len(ventral.candidates) <= 12
    assert ventral.reason is None
    first = ventral.candidates[0]
    assert (first.level, first.side) == ("L2-L3", "right")
    assert first.entry_offset_mm < -30
    assert first.in_plane_deg > 20  # from the right toward the left
    assert abs(first.out_of_plane_deg) <= 5
    assert first.remark == "below the root"
    assert {c.side for c in ventral.candidates} == {"left", "right"}  # the other side is offered
    assert {c.level for c in ventral.candidates} == {"L2-L3"}  # the neighbours wait until its own level is empty
    assert ventral.relaxed is None


def test_the_search_is_exhaustive(ventral):
    assert ventral.directions >= 16_384
    assert ventral.targets >= 40


def test_every_candidate_passes_every_check_and_they_differ(ventral):
    for candidate in ventral.candidates:
        assert candidate.passes
        assert candidate.clearance_mm["bone"] >= 0.5
        assert candidate.clearance_mm["sac"] >= 1.0
        assert candidate.clearance_mm["roots"] >= 2.5
        assert candidate.clearance_mm["kidney"] is None
    order = [(c.side != "right", "arterial zone" in c.remark, -c.score["total"]) for c in ventral.candidates]
    assert order == sorted(order)
    assert len({(c.entry_mm, c.target_mm) for c in ventral.candidates}) == len(order)


def test_the_arterial_zone_is_marked(ventral):
    above = [c for c in ventral.candidates if c.remark.startswith("above the root")]
    assert all(c.remark == "above the root, arterial zone" for c in above)
    assert all(c.score["total"] < ventral.candidates[0].score["total"] for c in above)


def test_the_same_search_gives_the_same_list(spine, ventral):
    again = find(spine, VENTRAL, "ventral", "transforaminal-ventral")
    assert [(c.entry_mm, c.target_mm, c.score["total"]) for c in again.candidates] == [
        (c.entry_mm, c.target_mm, c.score["total"]) for c in ventral.candidates
    ]
    assert dict(again.rejected) == dict(ventral.rejected)


def test_a_sleeve_is_coated_from_its_own_foramen(spine):
    found = find(spine, SLEEVE, "sleeve", "transforaminal-foramen")
    assert {(c.level, c.side) for c in found.candidates} == {("L2-L3", "left")}
    for c in found.candidates:
        assert c.target_mm[0] > 16  # lateral of the middle of the foramen, stopped short of the canal
        assert c.clearance_mm["roots"] >= 2.5


@pytest.mark.parametrize("approach", ["interlaminar-midline", "interlaminar-paramedian"])
def test_a_dorsal_hole_is_reached_through_the_window(spine, approach):
    found = find(spine, DORSAL, "dorsal", approach)
    first = found.candidates[0]
    assert first.level == "L2-L3"
    assert {c.level for c in found.candidates} <= {"L2-L3", "L3-L4"}  # its level or one below
    for c in found.candidates:
        far = 5.0 if approach == "interlaminar-midline" else 20.0
        assert abs(c.entry_offset_mm) <= far
        assert c.target_mm[1] > 6.0  # dorsal of the sac
        assert c.clearance_mm["sac"] >= 1.0
    assert abs(first.in_plane_deg) <= 15
    if approach == "interlaminar-paramedian":
        assert first.side == "left"


def test_mirrored_patients_have_mirrored_needles(spine, ventral):
    volume, anatomy = spine
    flip = {"left": "right", "right": "left"}

    def mirror(point):
        return (-point[0], point[1], point[2])

    mirrored = replace(
        anatomy,
        labels=np.ascontiguousarray(anatomy.labels[:, :, ::-1]),
        foramina=tuple(replace(f, side=flip[f.side], centre_mm=mirror(f.centre_mm), axis=mirror(f.axis)) for f in anatomy.foramina),
        roots=tuple(replace(r, side=flip[r.side], path_mm=r.path_mm * [-1, 1, 1]) for r in anatomy.roots),
    )
    found = find((replace(volume, voxels=volume.voxels[:, :, ::-1]), mirrored), mirror(VENTRAL), "ventral", "transforaminal-ventral")
    assert found.candidates[0].side == "left"
    a, b = found.candidates[0], ventral.candidates[0]
    assert a.depth_mm == pytest.approx(b.depth_mm, abs=3.0)
    assert a.in_plane_deg == pytest.approx(-b.in_plane_deg, abs=3.0)
    assert a.entry_offset_mm == pytest.approx(-b.entry_offset_mm, abs=4.0)
    assert a.score["total"] == pytest.approx(b.score["total"], abs=0.03)


def moved(spine, shift):
    volume, anatomy = spine
    shift = np.array(shift)

    def at(point):
        return tuple(float(v) for v in np.asarray(point) + shift)

    affine = anatomy.frame.affine.copy()
    affine[:3, 3] += shift
    frame = Frame(anatomy.frame.shape, affine)
    canal = replace(anatomy.canal, centreline_mm=anatomy.canal.centreline_mm + shift)
    return replace(volume, frame=frame), replace(
        anatomy,
        frame=frame,
        canal=canal,
        levels=tuple(Level(v.name, at(v.centre_mm), v.s_mm, 1.0) for v in anatomy.levels),
        foramina=tuple(Foramen(f.between, f.side, at(f.centre_mm), f.axis, f.height_mm, f.width_mm, 1.0) for f in anatomy.foramina),
        windows=tuple(Window(w.between, at(w.centre_mm), w.height_mm, w.width_mm, w.tilt_deg, 1.0) for w in anatomy.windows),
        roots=tuple(Root(r.level, r.side, r.path_mm + shift, r.radius_mm, r.ganglion) for r in anatomy.roots),
    )


def test_a_patient_who_lies_elsewhere_has_the_same_needles(spine, ventral):
    shift = (123.4, -56.7, 890.1)
    found = find(moved(spine, shift), np.add(VENTRAL, shift), "ventral", "transforaminal-ventral")
    a, b = found.candidates[0], ventral.candidates[0]
    assert np.allclose(np.subtract(a.entry_mm, b.entry_mm), shift, atol=1.0)
    assert a.in_plane_deg == pytest.approx(b.in_plane_deg, abs=1.0)


def test_the_position_of_the_patient_turns_the_angles_and_not_the_needle(spine, ventral):
    on_the_left = find(spine, VENTRAL, "ventral", "transforaminal-ventral", patient="left")
    a, b = on_the_left.candidates[0], ventral.candidates[0]
    assert a.entry_mm == b.entry_mm
    assert a.in_plane_deg == pytest.approx(90.0 - b.in_plane_deg)  # the table's vertical is the patient's left to right


def test_a_patient_who_lies_turned_has_the_same_needle_at_a_turned_angle(spine):
    volume, anatomy = spine
    turn = np.radians(15.0)
    matrix = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1.0]])
    whole = np.eye(4)
    whole[:3, :3] = matrix
    source = Frame(anatomy.frame.shape, whole @ anatomy.frame.affine)

    def at(point):
        return tuple(float(v) for v in matrix @ np.asarray(point))

    canal = anatomy.canal
    turned = replace(
        anatomy,
        labels=resample(anatomy.labels, source, anatomy.frame, 0, nearest=True),
        canal=replace(canal, left=canal.left @ matrix.T, back=canal.back @ matrix.T),
        windows=tuple(replace(w, centre_mm=at(w.centre_mm)) for w in anatomy.windows),
        roots=tuple(replace(r, path_mm=r.path_mm @ matrix.T) for r in anatomy.roots),
    )
    straight = find(spine, DORSAL, "dorsal", "interlaminar-midline").candidates[0]
    first = find((volume, turned), at(DORSAL), "dorsal", "interlaminar-midline").candidates[0]
    assert first.in_plane_deg == pytest.approx(straight.in_plane_deg + 15.0, abs=5.0)
    assert first.entry_offset_mm == pytest.approx(straight.entry_offset_mm, abs=4.0)
    assert first.depth_mm == pytest.approx(straight.depth_mm, abs=3.0)
    assert first.score["total"] == pytest.approx(straight.score["total"], abs=0.1)  # voxels fall differently


def test_fused_laminae_leave_no_window_and_say_so():
    found = find(pipe_spine(spacing=2.0, fused=True), DORSAL, "dorsal", "interlaminar-midline")
    assert found.candidates == ()
    assert found.reason.startswith("No open interlaminar window was found at L2-L3")
    assert sum(found.rejected.values()) > 0


def test_laminae_that_close_a_window_the_anatomy_reported_are_the_reason():
    volume, anatomy = pipe_spine(spacing=1.0, fused=True)
    _, healthy = pipe_spine(spacing=1.0)
    found = find((volume, replace(anatomy, windows=healthy.windows)), DORSAL, "dorsal", "interlaminar-midline")
    assert found.candidates == ()
    assert found.rejected["bone"] > 1000
    assert "bone" in found.reason
    assert "Try another level" in found.reason


def test_a_closed_foramen_says_so():
    found = find(pipe_spine(spacing=2.0, closed=True), VENTRAL, "ventral", "transforaminal-ventral")
    assert found.candidates == ()
    assert "No open foramen was found at L2-L3" in found.reason


def test_metal_in_the_foramen_closes_it(spine):
    volume, anatomy = spine
    voxels = volume.voxels.copy()
    for foramen in anatomy.foramina:
        k, j, i = np.round(volume.frame.to_index(foramen.centre_mm)).astype(int)
        voxels[k - 9 : k + 10, j - 5 : j + 6, i - 3 : i + 4] = 3071
    found = find((replace(volume, voxels=voxels), anatomy), SLEEVE, "sleeve", "transforaminal-foramen")
    assert found.candidates == ()
    assert "metal" in found.reason or "no room for the tip" in found.reason


def test_a_needle_that_is_too_short_names_the_length(spine):
    found = find(spine, VENTRAL, "ventral", "transforaminal-ventral", "25G-40-quincke")
    assert found.candidates == ()
    assert "longer needle than 40 mm" in found.reason
    assert found.rejected["needle too short"] > 0


def test_a_narrow_scan_without_skin_at_the_side_says_so():
    volume, anatomy = pipe_spine(spacing=1.0)
    middle_voxel = anatomy.labels.shape[2] // 2
    keep = slice(middle_voxel - 18, middle_voxel + 19)
    frame = anatomy.frame.crop((0, 0, keep.start), (anatomy.frame.shape[0], anatomy.frame.shape[1], keep.stop))
    seen = np.ascontiguousarray(anatomy.labels[:, :, keep])
    narrow = Volume(frame, volume.voxels[:, :, keep]), replace(anatomy, frame=frame, labels=seen)
    sideways = find(narrow, VENTRAL, "ventral", "transforaminal-ventral")
    assert sideways.candidates == ()
    assert "skin not in view" in sideways.reason
    assert find(narrow, DORSAL, "dorsal", "interlaminar-midline").candidates  # from behind the skin is in view


def test_skin_that_nobody_looked_for_is_the_reason():
    found = find(pipe_spine(spacing=2.0, skin=False), DORSAL, "dorsal", "interlaminar-midline")
    assert "skin was not found" in found.reason


def test_lungs_beside_the_spine_keep_their_distance():
    found = find(pipe_spine(spacing=1.0, names=("T8", "T9", "T10", "T11"), lung_x=52.0), SLEEVE, "sleeve", "transforaminal-foramen")
    for c in found.candidates:
        assert c.clearance_mm["lung"] >= 5.0
        assert abs(c.entry_offset_mm) <= 60.0
        wanted = next(check for check in c.checks if check.name == "Lung, wanted")
        assert wanted.ok is (c.clearance_mm["lung"] >= 10.0)


def test_coarse_slices_warn_and_do_not_forbid():
    found = find(pipe_spine(spacing=1.0, dz=3.0), DORSAL, "dorsal", "interlaminar-midline")
    coarse = next(check for check in found.candidates[0].checks if check.name == "Slice spacing")
    assert (coarse.ok, coarse.soft, coarse.value) == (False, True, 3.0)
    assert found.candidates[0].passes


def test_roots_that_are_modelled_are_given_more_room(spine):
    volume, anatomy = spine
    modelled = replace(anatomy, structures={**anatomy.structures, "roots": Structure("modelled", 0.5)})
    found = find((volume, modelled), SLEEVE, "sleeve", "transforaminal-foramen")
    assert all(c.clearance_mm["roots"] >= 3.5 for c in found.candidates)


def thick_rooted(spine, radius_mm, provenance):
    volume, anatomy = spine
    roots = tuple(replace(root, radius_mm=np.full(len(root.path_mm), radius_mm)) for root in anatomy.roots)
    foramina = tuple(replace(foramen, height_mm=8.0, width_mm=8.0) for foramen in anatomy.foramina)
    known = {**anatomy.structures, "roots": Structure(provenance, 0.5)}
    return volume, replace(anatomy, roots=roots, foramina=foramina, structures=known)


def test_where_no_path_keeps_every_margin_the_search_says_which_one_it_gives_up(spine):
    """Roots so thick and foramina so narrow that they leave more than 2 mm and less than 3.5 mm."""
    found = find(thick_rooted(spine, 7.0, "modelled"), SLEEVE, "sleeve", "transforaminal-foramen")
    assert found.candidates and all(c.closer and c.passes for c in found.candidates)
    assert found.relaxed.startswith("No path kept every margin")
    assert "modelled root" in found.relaxed and "3.5 mm" in found.relaxed and "2.0 mm" in found.relaxed
    for candidate in found.candidates:
        assert 2.0 <= candidate.clearance_mm["roots"] < 3.5
        assert "closer than asked to the modelled root" in candidate.remark
        made = next(check for check in candidate.checks if check.name == "Root, ganglion, wanted")
        assert (made.ok, made.soft, made.limit) == (False, True, 3.5)
        assert made.value == candidate.clearance_mm["roots"]
        assert candidate.clearance_mm["bone"] >= 0.5  # nothing else is given up
        assert candidate.clearance_mm["sac"] >= 1.0


def test_the_margin_of_roots_that_are_seen_is_never_given_up(spine):
    found = find(thick_rooted(spine, 7.0, "found"), SLEEVE, "sleeve", "transforaminal-foramen")
    assert all(c.clearance_mm["roots"] >= 2.5 and not c.closer for c in found.candidates)
    assert not any(check.name == "Root, ganglion, wanted" for c in found.candidates for check in c.checks)


@pytest.mark.parametrize(
    "kind, position, approach",
    [("ventral", VENTRAL, "transforaminal-ventral"), ("sleeve", (-14.0, -2.0, DISC + 6), "transforaminal-foramen")],
)
def test_where_the_leaks_own_foramen_is_closed_its_neighbours_serve_and_say_so(spine, kind, position, approach):
    volume, anatomy = spine
    others = tuple(foramen for foramen in anatomy.foramina if foramen.level != "L2-L3")
    found = find((volume, replace(anatomy, foramina=others)), position, kind, approach)
    assert found.candidates and {c.level for c in found.candidates} <= {"L1-L2", "L3-L4"}
    assert "at L2-L3: these go in at " in found.relaxed
    for candidate in found.candidates:
        assert f"enters {'above' if candidate.level == 'L1-L2' else 'below'} the leak's level" in candidate.remark
        assert kind == "ventral" or candidate.side == "right"  # a sleeve is reached from its own side


def test_every_check_names_evidence_that_exists(spine, ventral):
    dorsal = find(spine, DORSAL, "dorsal", "interlaminar-paramedian")
    for candidate in (*ventral.candidates, *dorsal.candidates):
        assert all(evidence(check.source).source for check in candidate.checks)


def test_the_arterial_zone_is_no_matter_of_a_needle_from_behind(spine):
    found = find(spine, DORSAL, "dorsal", "interlaminar-paramedian")
    assert found.candidates
    assert not any(check.name == "Artery zone" for c in found.candidates for check in c.checks)


def test_roots_that_nobody_looked_for_are_not_checked(spine):
    volume, anatomy = spine
    unknown = {name: how for name, how in anatomy.structures.items() if name != "roots"}
    found = find((volume, replace(anatomy, structures=unknown)), DORSAL, "dorsal", "interlaminar-midline")
    assert found.candidates[0].clearance_mm["roots"] is None
    assert next(c for c in found.candidates[0].checks if c.name == "Root, ganglion").ok is None


NECK = ("C4", "C5", "C6", "C7", "T1")


@pytest.fixture(scope="module")
def neck():
    return pipe_spine(spacing=1.0, names=NECK)


def neck_needles(neck, approach, entry_level):
    volume, anatomy = neck
    leak = place(anatomy, (0.0, 7.0, middle(NECK, "C4") - 18), "dorsal")
    room = prepare(volume, anatomy, leak, approach, entry_level=entry_level)
    return search(room, default_needle(approach), "prone")


def test_in_the_neck_a_needle_goes_in_at_c7_t1_and_nowhere_else_unless_a_level_is_chosen(neck):
    usual = neck_needles(neck, "interlaminar-midline", None)
    assert {c.level for c in usual.candidates} == {"C7-T1"}
    assert not any(check.name == "Goes in above C7-T1" for c in usual.candidates for check in c.checks)
    for level in ("C6-C7", "C4-C5"):
        chosen = neck_needles(neck, "interlaminar-midline", level)
        assert {c.level for c in chosen.candidates} == {level}
        for candidate in chosen.candidates:
            warning = next(check for check in candidate.checks if check.name == "Goes in above C7-T1")
            assert (warning.ok, warning.soft, candidate.passes) == (False, True, True)
            assert evidence(warning.source).source


def test_a_foramen_of_the_neck_is_never_exchanged_for_a_neighbour(neck):
    volume, anatomy = neck
    others = replace(anatomy, foramina=tuple(foramen for foramen in anatomy.foramina if foramen.level != "C4-C5"))
    found = neck_needles((volume, others), "transforaminal-foramen", None)
    assert found.candidates == ()
    assert found.reason.startswith("No open foramen was found at C4-C5")
    assert {c.level for c in neck_needles((volume, others), "transforaminal-foramen", "C5-C6").candidates} == {"C5-C6"}


def test_what_is_not_in_the_scan_is_a_bound_and_not_a_clearance(spine):
    """No lung in a scan cut 67 mm in front of the needle and farther above and below: kept. Cut 8 mm above it, 10 mm are unknown."""
    volume, anatomy = spine
    looked = replace(anatomy, structures={**anatomy.structures, "lung": Structure("found", 0.9, "There is no lung in view.")})
    room = prepare(volume, looked, place(looked, DORSAL, "dorsal"), "interlaminar-midline")
    entry, target = (0.0, 90.0, DORSAL[2]), (0.0, 7.5, DORSAL[2])
    made = check(room, default_needle("interlaminar-midline"), entry, target, "prone")
    lung = [one for one in made.checks if one.name.startswith("Lung")]
    low, high = looked.frame.bounds_mm
    assert made.clearance_mm["lung"] is None
    assert len(lung) == 2
    for one in lung:
        assert (one.ok, one.value) == (True, None)
        assert one.at_least == pytest.approx(min(DORSAL[2] - low[2], high[2] - DORSAL[2], target[1] - low[1]))
    top = round(float(looked.frame.to_index((0.0, 0.0, DORSAL[2] + 8.0))[0]))
    frame = looked.frame.crop((0, 0, 0), (top + 1, *looked.frame.shape[1:]))
    cut = replace(looked, frame=frame, labels=np.ascontiguousarray(looked.labels[: top + 1]))
    cut_volume = Volume(frame, volume.voxels[: top + 1])
    close = check(prepare(cut_volume, cut, room.leak, room.approach), default_needle(room.approach), entry, target, "prone")
    told = {one.name: (one.ok, one.value, one.at_least) for one in close.checks if one.name.startswith("Lung")}
    assert told["Lung"] == (True, None, pytest.approx(8.0, abs=1.0))
    assert told["Lung, wanted"] == (None, None, None)


def test_caudal_is_refused(spine):
    volume, anatomy = spine
    with pytest.raises(Refusal):
        prepare(volume, anatomy, place(anatomy, DORSAL, "dorsal"), "caudal")


def test_a_search_can_be_cancelled(spine):
    volume, anatomy = spine
    room = prepare(volume, anatomy, place(anatomy, DORSAL, "dorsal"), "interlaminar-midline")

    def stop(share, what):
        assert 0.0 <= share <= 1.0
        if share > 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        search(room, default_needle("interlaminar-midline"), "prone", stop)


def test_padding_of_the_scanner_is_not_air(spine):
    volume, anatomy = spine
    labels_cut, voxels = anatomy.labels.copy(), volume.voxels.copy()
    behind = int(np.round(volume.frame.to_index((0, 40, 0))[1]))
    labels_cut[:, behind:] = 0
    voxels[:, behind:] = -2000
    cut = replace(volume, voxels=voxels, padding=-2000.0), replace(anatomy, labels=labels_cut)
    found = find(cut, DORSAL, "dorsal", "interlaminar-midline")
    assert found.candidates == ()
    assert "skin not in view" in found.reason
    assert labels.SOFT_TISSUE in labels_cut


def test_without_bone_no_needle_goes_through_a_foramen_and_none_from_behind_looks_clear(spine):
    volume, anatomy = spine
    boneless = replace(anatomy, structures={**anatomy.structures, "bone": Structure("not checked")})
    sideways = find((volume, boneless), VENTRAL, "ventral", "transforaminal-ventral")
    assert sideways.candidates == ()
    assert "Bone was not checked" in sideways.reason
    first = find((volume, boneless), DORSAL, "dorsal", "interlaminar-midline").candidates[0]
    assert first.clearance_mm["bone"] is None
    assert first.score["clearance"] <= 0.5
