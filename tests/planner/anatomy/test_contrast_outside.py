"""Contrast that has leaked out of the sac of a myelogram: told from sac and bone, labelled, offered as a hint, and in nobody's way."""

import importlib
from dataclasses import replace
from functools import cache
from typing import Literal
from unittest.mock import patch

import numpy as np
import pytest
from numpy.typing import NDArray

from planner.anatomy import Anatomy, Anchor, find, labels, rename
from planner.anatomy.bone import Bone
from planner.anatomy.bright import split_bright
from planner.anatomy.outside import hint_level, hint_words
from planner.anatomy.reformat import curve_through
from planner.geometry import Frame, Volume
from planner.leak import place
from planner.phantom import Phantom, PhantomParameters, build
from planner.phantom.parameters import LeakName
from tests.planner.anatomy.phantoms import dice, found, true_mask

CANAL = ("epidural space", "thecal sac", "spinal cord")


@cache
def myelogram(leak: LeakName | Literal["none"]) -> tuple[Phantom, Anatomy]:
    """A myelogram with a leak, or with `none`, and its anatomy with L3 named."""
    parameters = PhantomParameters(modality="myelogram", leak="ventral" if leak == "none" else leak, spacing_mm=(1.3,) * 3, seed=2)
    building = importlib.import_module("planner.phantom.build")
    dry = patch.object(building, "paint_leaks", lambda *_: None)
    if leak == "none":
        with dry:
            one = build(parameters)
    else:
        one = build(parameters)
    centre = next(level.centre for level in one.truth.levels if level.name == "L3")
    return one, find(one.volume, Anchor("L3", centre, "user"))


@pytest.mark.parametrize(("leak", "least"), [("dorsal", 0.7), ("two-level", 0.5), ("sleeve", 0.4), ("ventral", 0.4)])
def test_leaked_contrast_gets_its_label(leak: LeakName, least: float) -> None:
    one, mine = myelogram(leak)
    assert dice(true_mask(one, "contrast outside the sac"), mine.mask((labels.CONTRAST_OUTSIDE,))) > least


@pytest.mark.parametrize("leak", ["dorsal", "two-level", "sleeve", "ventral"])
def test_a_hint_lies_at_each_leak_and_says_so(leak: LeakName) -> None:
    one, mine = myelogram(leak)
    for true in one.truth.leaks:
        hint = min(mine.leak_hints, key=lambda hint: abs(hint.position_mm[2] - true.position[2]))
        reach = [hint_level(mine.canal, mine.levels, end) for end in (hint.head_mm, hint.foot_mm)]
        assert true.level in (*reach, hint_level(mine.canal, mine.levels, hint.position_mm))
        assert hint.volume_ml >= 0.2
        words = hint_words(mine.canal, mine.levels, hint)
        assert words in (mine.structure("contrast outside").problem or "")
        assert f"{hint.volume_ml:.1f} mL" in words


@pytest.mark.parametrize("leak", ["dorsal", "two-level", "sleeve", "ventral"])
def test_there_is_no_hint_where_nothing_leaks(leak: str) -> None:
    """Neither at sleeves, which a myelogram fills, nor at a stimulator's leads, nor at the dense rim of a body."""
    one, mine = myelogram(leak)
    leaked = one.volume.frame.to_world(np.argwhere(true_mask(one, "contrast outside the sac")))
    for hint in mine.leak_hints:
        assert np.linalg.norm(leaked - hint.position_mm, axis=1).min() < 5.0, hint


@pytest.mark.parametrize(("leak", "where"), [("dorsal", "dorsal"), ("two-level", "dorsal"), ("sleeve", "foramen"), ("ventral", "ventral")])
def test_a_hint_says_on_which_side_of_the_sac_it_lies(leak: str, where: str) -> None:
    _, mine = myelogram(leak)
    assert {hint.place for hint in mine.leak_hints} == {where}
    assert {hint.side for hint in mine.leak_hints} <= ({"left"} if where == "foramen" else {"left", "right", "midline"})


def test_contrast_around_a_sleeve_is_found_where_the_root_is_modelled_through_it() -> None:
    """In fine voxels; the modelled root lies in the pool, and keeps its label for needles."""
    one = build(PhantomParameters(modality="myelogram", leak="sleeve", spacing_mm=(0.8,) * 3, seed=2))
    mine = find(one.volume, Anchor("L3", next(level.centre for level in one.truth.levels if level.name == "L3"), "user"))
    leaked = true_mask(one, "contrast outside the sac")
    assert dice(leaked, mine.mask((labels.CONTRAST_OUTSIDE,))) > 0.4
    (hint,) = mine.leak_hints
    assert (hint.place, hint.side) == ("foramen", "left")
    assert hint.volume_ml == pytest.approx(leaked.sum() * one.volume.frame.voxel_ml, rel=0.4)
    assert {"L1", "L2", "L3"} <= {root.level for root in mine.roots if root.side == "left"}


def test_a_root_is_not_led_astray_by_what_leaks_from_its_sleeve() -> None:
    """Contrast in the sleeves shows where roots run; where it has leaked it hides the sleeve, and the root is modelled through it."""
    one, mine = myelogram("sleeve")
    frame, (leak,) = one.volume.frame, one.truth.leaks
    roots = frame.to_world(np.argwhere(true_mask(one, "nerve root", "ganglion")))
    leaking = next(root for root in mine.roots if (root.level, root.side) == (leak.level.split("-")[0], leak.side))
    assert (leaking.provenance, leaking.uncertainty_mm) != ("found", 0.5)
    inside = leaking.path_mm[: leaking.ganglion.stop]
    off = [float(np.linalg.norm(roots - place, axis=1).min()) for place in inside]
    assert np.mean(off) < 1.5  # 4 to 6 mm where the root follows the leak


def test_a_dorsal_hint_is_a_place_where_a_leak_can_be_put() -> None:
    one, mine = myelogram("dorsal")
    (hint,) = mine.leak_hints
    assert hint.place == "dorsal"
    assert np.linalg.norm(np.subtract(hint.position_mm, one.truth.leaks[0].position)) < 8.0
    assert place(mine, hint.position_mm, "dorsal").level == one.truth.leaks[0].level


@pytest.mark.parametrize("leak", ["dorsal", "two-level", "ventral", "none"])
def test_canal_and_sac_are_found_as_well_as_without_a_leak(leak: LeakName | Literal["none"]) -> None:
    one, mine = myelogram(leak)
    low = int(one.volume.frame.to_index(next(level.centre for level in one.truth.levels if level.name == "S2"))[0])
    assert dice(true_mask(one, *CANAL)[low:], mine.mask(labels.CANAL)[low:]) > 0.87
    sac = mine.mask((labels.THECAL_SAC, labels.SPINAL_CORD))
    assert dice(true_mask(one, "thecal sac", "spinal cord")[low:], sac[low:]) > 0.88


@pytest.mark.parametrize("leak", ["dorsal", "two-level"])
def test_contrast_closes_no_window_and_is_no_bone(leak: LeakName) -> None:
    one, mine = myelogram(leak)
    heights = {window.between: window.height_mm for window in mine.windows}
    for true in one.truth.windows:
        if "-".join(true.between) in {site.level for site in one.truth.leaks}:
            assert heights[true.between] > 0.6 * true.height_mm, true.between
    contrast = true_mask(one, "contrast outside the sac")
    assert mine.mask(labels.BONE)[contrast].mean() < 0.06  # voxels on the lamina's inner face


def test_a_myelogram_without_a_leak_gives_no_hint() -> None:
    _, mine = myelogram("none")
    assert mine.leak_hints == ()
    assert not mine.mask((labels.CONTRAST_OUTSIDE,)).any()
    assert mine.structure("contrast outside").provenance == "found"
    assert "None was seen" in (mine.structure("contrast outside").problem or "")


def test_a_cut_scan_gives_no_hint_where_the_sleeves_are_not_followed() -> None:
    """The lowest 120 mm of a myelogram whose leak lies higher up: a filled sleeve at the cut is none."""
    one, _ = myelogram("ventral")
    volume = one.volume
    kept = round(120 / volume.frame.spacing_mm[0])
    assert volume.frame.affine[2, 0] > 0, "slices run from the feet to the head"
    low = replace(volume, frame=volume.frame.crop((0, 0, 0), (kept, *volume.frame.shape[1:])), voxels=volume.voxels[:kept])
    assert all(leak.position[2] > low.frame.to_world((kept, 0, 0))[2] for leak in one.truth.leaks)
    assert find(low, None).leak_hints == ()


def test_leaked_fluid_is_not_looked_for_without_contrast() -> None:
    mine = found("ct")
    assert mine.leak_hints == ()
    assert mine.structure("contrast outside").provenance == "not checked"


@cache
def around_a_dark_sac(leak: LeakName, leaked_hu: float) -> tuple[Phantom, NDArray[np.bool_], Anatomy]:
    """A CT without contrast in the sac and with some outside it, where that lies, and its anatomy."""
    building = importlib.import_module("planner.phantom.build")
    paint = building.paint_leaks
    codes: list[int] = []

    def painted(canvas, layout, canal, sites, roots, names, fluid, contrast, sleeve_value, bone):  # type: ignore[no-untyped-def]
        codes.append(names["contrast outside the sac"])
        paint(canvas, layout, canal, sites, roots, names, leaked_hu, True, sleeve_value, bone)

    with patch.object(building, "paint_leaks", painted):
        one = build(PhantomParameters(modality="ct", leak=leak, spacing_mm=(1.3,) * 3, seed=3))
    centre = next(level.centre for level in one.truth.levels if level.name == "L3")
    return one, one.labels == codes[0], find(one.volume, Anchor("L3", centre, "user"))


@pytest.mark.parametrize(("leak", "leaked_hu"), [("dorsal", 240.0), ("ventral", 160.0), ("dorsal", 115.0)])
def test_contrast_around_a_dark_sac_is_offered_and_not_called_sure(leak: LeakName, leaked_hu: float) -> None:
    """Also fainter than the 130 HU at which bone begins."""
    one, leaked, mine = around_a_dark_sac(leak, leaked_hu)
    assert {hint.place for hint in mine.leak_hints} == {leak}
    places = one.volume.frame.to_world(np.argwhere(leaked))
    for hint in mine.leak_hints:
        assert np.linalg.norm(places - hint.position_mm, axis=1).min() < 4.0
    found = mine.mask((labels.CONTRAST_OUTSIDE,))
    assert leaked[found].mean() > 0.6  # the rest is ligament behind it
    assert dice(leaked, found) > 0.4
    known = mine.structure("contrast outside")
    assert (known.confidence or 1.0) <= 0.5 and "calcified ligament" in (known.problem or "")
    assert mine.mask(labels.BONE)[leaked].mean() < 0.15


def test_a_hint_follows_the_names_of_the_levels() -> None:
    _, mine = myelogram("dorsal")
    hint = mine.leak_hints[0]
    l3 = next(level for level in mine.levels if level.name == "L3")
    renamed = rename(mine, Anchor("L2", l3.centre_mm, "user"))
    assert hint_level(mine.canal, mine.levels, hint.position_mm) == "L3-L4"
    assert hint_level(renamed.canal, renamed.levels, hint.position_mm) == "L2-L3"


def test_bright_things_far_from_the_canal_make_no_myelogram() -> None:
    """An opacified vessel beside the path is a tube too."""
    frame = Frame.axial((60, 60, 60), (1.5, 1.5, 1.5), (0.0, 0.0, 0.0))
    tube = np.zeros(frame.shape, dtype=np.bool_)
    tube[:, 5:12, 5:12] = True
    bone = Bone(150.0, 15.0, np.zeros(frame.shape, dtype=np.bool_), tube)
    curve = curve_through(frame.to_world(np.array([[k, 35.0, 35.0] for k in range(58, 2, -2)])), 8.0)
    assert split_bright(Volume(frame, np.zeros(frame.shape, dtype=np.int16)), frame, bone, curve) is None
