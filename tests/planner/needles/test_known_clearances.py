"""Clearances, depth and angles of needles in a spine of pipes and boxes, where they can be worked out by hand."""

import numpy as np
import pytest

from planner.leak import place
from planner.needles import check, needle, prepare
from tests.planner.needles.pipe_spine import NAMES, middle, pipe_spine

DISC = middle(NAMES, "L2") - 18.0
WINDOW = middle(NAMES, "L2") - 24.0
TUOHY = needle("20G-90-tuohy")
VOXEL = 0.8


@pytest.fixture(scope="module")
def room():
    volume, anatomy = pipe_spine(cord=True, lung_x=45.0)
    return prepare(volume, anatomy, place(anatomy, (0.0, 7.0, DISC), "dorsal"), "interlaminar-midline")


def by_name(candidate, name):
    return next(check for check in candidate.checks if check.name == name)


def test_straight_down_the_window(room):
    found = check(room, TUOHY, (0.0, 110.0, WINDOW), (0.0, 7.6, WINDOW), "prone")
    assert found.depth_mm == pytest.approx(75.0 - 7.6, abs=VOXEL)  # slid to the skin at y = 75
    assert found.in_plane_deg == pytest.approx(0.0, abs=1e-6)
    assert found.entry_offset_mm == pytest.approx(0.0, abs=0.1)
    # the sac is an ellipse that ends at y = 6, the laminae end 7 mm above and below, the lungs begin at x = 45
    assert found.clearance_mm["sac"] == pytest.approx(1.6 - 0.455, abs=VOXEL)
    assert found.clearance_mm["bone"] == pytest.approx(7.0 - 0.455, abs=VOXEL)
    assert found.clearance_mm["lung"] == pytest.approx(45.0 - 0.455, abs=VOXEL)
    assert found.clearance_mm["cord"] == pytest.approx(7.6 - 3.5 - 0.455, abs=VOXEL)


def test_the_cord_ahead_of_the_tip_fails_in_the_middle_and_not_beside_it(room):
    middle_path = check(room, TUOHY, (0.0, 80.0, WINDOW), (0.0, 7.6, WINDOW), "prone")
    beside = check(room, TUOHY, (6.5, 80.0, WINDOW), (6.5, 6.4, WINDOW), "prone")
    assert by_name(middle_path, "Cord ahead of the tip").ok is False
    assert not middle_path.passes
    assert by_name(beside, "Cord ahead of the tip").ok is True


def test_a_needle_through_the_lamina_fails_on_bone(room):
    found = check(room, TUOHY, (0.0, 80.0, WINDOW + 12), (0.0, 7.6, WINDOW + 12), "prone")
    assert by_name(found, "Bone").ok is False
    assert by_name(found, "Through the opening").ok is False
    assert found.clearance_mm["bone"] < 0


def test_a_needle_into_the_sac_fails_on_the_sac(room):
    found = check(room, TUOHY, (0.0, 80.0, WINDOW), (0.0, 3.0, WINDOW), "prone")
    assert by_name(found, "Thecal sac").ok is False
    assert found.clearance_mm["sac"] < 0


def test_what_was_not_looked_for_is_not_checked(room):
    found = check(room, TUOHY, (0.0, 80.0, WINDOW), (0.0, 7.6, WINDOW), "prone")
    for name in ("kidney", "aorta", "vena cava", "bowel gas", "liver", "spleen", "vertebral artery"):
        assert found.clearance_mm[name] is None
    assert by_name(found, "Kidney").ok is None


def test_a_flat_needle_fails_on_the_skin_angle(room):
    found = check(room, TUOHY, (30.0, 69.0, WINDOW), (-20.0, 64.0, WINDOW), "prone")
    assert by_name(found, "Skin angle").limit == 20.0
    assert by_name(found, "Skin angle").value == pytest.approx(20.0, abs=4.0)  # the skin falls by 15 deg there, the needle rises by 6


def test_a_deep_needle_fails_on_its_length(room):
    found = check(room, needle("25G-40-quincke"), (0.0, 80.0, WINDOW), (0.0, 7.6, WINDOW), "prone")
    length = by_name(found, "Needle length")
    assert (length.ok, length.limit) == (False, 35.0)


def test_every_check_names_its_source_and_dragging_anywhere_gives_a_card(room):
    tip = (0, 7, WINDOW)
    for entry, target in (((0, 80, WINDOW), tip), ((0, -50, 0), (0, 20, 0)), ((900, 900, 900), tip), ((1, 7, 3), (0, 6, 2))):
        found = check(room, TUOHY, entry, target, "left")
        assert all(check.source for check in found.checks)
        assert 0.0 <= found.score["total"] <= 1.0
        assert found.profile_mm.shape[1] == 2


def test_a_needle_that_leaves_the_planning_box_is_not_called_clear(room):
    found = check(room, TUOHY, (900.0, 80.0, WINDOW), (890.0, 7.6, WINDOW), "prone")
    assert set(found.clearance_mm.values()) == {None}
    assert by_name(found, "Inside the planning box").ok is False


def test_one_point_is_no_needle(room):
    with pytest.raises(ValueError, match="length"):
        check(room, TUOHY, (0, 7, 0), (0, 7, 0), "prone")


def test_the_profile_runs_from_skin_to_tip_and_narrows_at_the_lamina(room):
    found = check(room, TUOHY, (0.0, 80.0, WINDOW), (0.0, 7.6, WINDOW), "prone")
    depth, gap = found.profile_mm.T
    assert depth[0] == 0
    assert depth[-1] == pytest.approx(found.depth_mm)
    assert gap.min() == pytest.approx(min(v for v in found.clearance_mm.values() if v is not None), abs=VOXEL)
    assert np.argmin(gap) > 0.8 * len(gap)
