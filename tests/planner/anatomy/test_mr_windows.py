"""Windows in MR: seen between the marrow of two laminae, against the phantom's truth; modelled where no marrow can be told."""

from __future__ import annotations

import numpy as np
import pytest

from planner.anatomy import Anatomy, find
from planner.anatomy.mr.spinous import SeenProcess
from planner.anatomy.mr.windows import ASIDE_MM, Arches, Ends, see_gaps, seen_windows, windows_structure
from planner.anatomy.norms import at_level
from planner.anatomy.spine import ANGLES, Canal, Level, Window
from planner.geometry import Floats
from planner.phantom.truth import TrueWindow
from tests.data import real
from tests.planner.anatomy.phantoms import found, phantom
from tests.planner.anatomy.scans import nifti_volume

WHOLE = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")


def _seen(anatomy: Anatomy) -> list[Window]:
    return [window for window in anatomy.windows if window.confidence > 0.3]


def _true() -> dict[tuple[str, str], TrueWindow]:
    return {window.between: window for window in phantom("mr").truth.windows if window.between[0] in WHOLE}


def test_windows_are_seen_where_they_are() -> None:
    """In voxels of 1.8 mm."""
    seen = [window for window in _seen(found("mr")) if window.between in _true()]
    assert len(seen) >= 5
    off = [float(np.linalg.norm(np.subtract(window.centre_mm, _true()[window.between].centre))) for window in seen]
    high = [abs(window.height_mm - _true()[window.between].height_mm) for window in seen]
    assert np.median(off) < 2.0
    assert max(off) < 3.0
    assert np.median(high) < 2.5


def test_windows_that_are_not_seen_have_the_usual_size_and_are_named() -> None:
    mine = found("mr")
    unseen = [window for window in mine.windows if window.confidence <= 0.3]
    problem = mine.structure("windows").problem or ""
    assert all(window.level in problem for window in unseen)
    assert windows_structure(tuple(unseen)).provenance in ("modelled", "not checked")


@pytest.mark.real
def test_no_window_is_seen_in_a_gradient_echo() -> None:
    """Muscle is brighter than marrow there."""
    mine = find(nifti_volume(real("lumbar-mr-t2-labelled") / "water-fat-01.nii.gz", "MR"))
    assert mine.windows
    assert not _seen(mine)
    assert mine.structure("windows").provenance == "modelled"


LEVELS = tuple(Level(name, (0.0, 0.0, -35.0 * n), 35.0 * n, 0.9) for n, name in enumerate(("L1", "L2", "L3", "L4"), 1))
S_MM = np.arange(0.0, 160.0, 0.75)


def _ends(places: list[float], marrow: float = 0.0, planes: Floats | None = None) -> Ends:
    """Clear ends at these places, in some planes elsewhere by so much."""
    away = np.zeros(len(ASIDE_MM)) if planes is None else planes
    score = np.full((len(ASIDE_MM), len(S_MM)), -0.5)
    for place in places:
        for n, mm in enumerate(away):
            score[n, int(np.abs(S_MM - place - mm).argmin())] = 0.8
    return Ends(score, np.zeros(score.shape), np.full(score.shape, marrow))


def test_a_gap_is_measured_from_bone_to_bone() -> None:
    """Cortex lies beyond the marrow, 1.9 mm on both sides."""
    begins, stops = [54.0, 89.0, 124.0], [69.0, 104.0, 139.0]
    gaps = see_gaps(Arches(S_MM, np.ones(len(S_MM)), _ends(begins), _ends(stops)), LEVELS)
    assert [gap.between for gap in gaps] == [("L1", "L2"), ("L2", "L3"), ("L3", "L4")]
    assert [gap.height_mm for gap in gaps] == pytest.approx([11.2] * 3, abs=0.8)
    assert [gap.middle_mm for gap in gaps] == pytest.approx([61.5, 96.5, 131.5], abs=0.8)


def test_a_tilt_leads_between_the_tips_of_two_processes() -> None:
    """With one of them, or none, the usual tilt stays."""
    s = np.arange(0.0, 160.0)
    line, n = np.stack([np.zeros(len(s)), np.zeros(len(s)), -s], axis=1), len(s)
    left, back = np.tile([1.0, 0.0, 0.0], (n, 1)), np.tile([0.0, 1.0, 0.0], (n, 1))
    wall = np.full((n, ANGLES), 9.0)
    canal = Canal(line, left, back, wall, np.zeros((n, ANGLES), dtype=np.bool_), np.full(n, 254.0), np.full(n, 0.9))
    tips = [SeenProcess(place, np.array([0.0, 45.0, -place - 20.0]), 0.0, 0.6) for place in (35.0, 70.0)]
    begins, stops = _ends([54.0, 89.0, 124.0]), _ends([69.0, 104.0, 139.0])
    arches = Arches(S_MM, np.ones(len(S_MM)), begins, stops, processes=tuple(tips))
    first, second, third = seen_windows(see_gaps(arches, LEVELS), canal, LEVELS)
    deep, high = 45.0 - first.centre_mm[1], first.centre_mm[2] - (-72.5)
    assert first.tilt_deg == pytest.approx(np.degrees(np.arctan2(high, deep)), abs=0.1)
    assert second.tilt_deg == at_level("window_mm", "L2")[2]
    assert third.tilt_deg == at_level("window_mm", "L3")[2]


def test_ends_that_do_not_fit_make_no_window() -> None:
    """Marrow that differs on both sides, planes that disagree, and a gap that lies elsewhere than those of the same spine."""
    begins, stops = [54.0, 89.0, 124.0], [69.0, 104.0, 139.0]
    assert see_gaps(Arches(S_MM, np.ones(len(S_MM)), _ends([]), _ends([])), LEVELS) == ()
    askew = _ends(begins, planes=np.array([0.0, 0.0, -9.0, -9.0]))
    assert see_gaps(Arches(S_MM, np.ones(len(S_MM)), askew, _ends(stops)), LEVELS) == ()
    moved = see_gaps(Arches(S_MM, np.ones(len(S_MM)), _ends([54.0, 95.0, 124.0]), _ends([69.0, 110.0, 139.0])), LEVELS)
    assert [gap.between for gap in moved] == [("L1", "L2"), ("L3", "L4")]
