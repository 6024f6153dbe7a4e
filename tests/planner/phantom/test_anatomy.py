"""The phantom against the tables of clinical.md 3, measured on its voxels."""

from __future__ import annotations

import numpy as np
import pytest

from planner.phantom import Phantom, PhantomParameters, build
from tests.planner.phantom.looking import at, bone, canal, centre, level, line, marked

# clinical.md 3.1
CANAL_MM2 = {"T10": 222, "T11": 245, "T12": 315, "L1": 354, "L2": 340, "L3": 334, "L4": 371, "L5": 419}
# clinical.md 3.4, "construction" row
FORAMEN_HEIGHT_MM = {"T10": 13, "T12": 16, "L1": 18, "L2": 20, "L3": 20, "L4": 19, "L5": 16}
# clinical.md 3.4, upper part
FORAMEN_WIDTH_MM = {"T10": 8, "T11": 8, "T12": 9, "L1": 9, "L2": 9.5, "L3": 9, "L4": 8.5, "L5": 8.5}
# clinical.md 3.5: both rows, lowest to highest
WINDOW_MM = {"T12": (8, 13), "L1": (9, 15), "L2": (10, 14.5), "L3": (11, 14), "L4": (12, 13.5), "L5": (12, 13.5)}
LUMBAR = ("L1", "L2", "L3", "L4", "L5")
PAIRS = (("L2", "L3"), ("L3", "L4"), ("L4", "L5"), ("L5", "S1"))


def area_near(phantom: Phantom, point: np.ndarray) -> float:
    line_ = np.array(phantom.truth.centreline)
    up = line_[:, 2] - (point[2] + 3.0)  # the pedicles, where the canal is measured, lie above the middle of the body
    return phantom.truth.area_mm2[int(np.abs(up).argmin())]


@pytest.mark.parametrize("name", CANAL_MM2)
def test_the_canal_is_as_wide_as_the_table_says(fine: Phantom, name: str) -> None:
    assert area_near(fine, level(fine, name)) == pytest.approx(CANAL_MM2[name], rel=0.12)


def test_the_lumbar_canal_is_narrowest_at_l3(fine: Phantom) -> None:
    areas = {name: area_near(fine, level(fine, name)) for name in LUMBAR}
    assert min(areas, key=areas.__getitem__) == "L3", areas


def test_the_voxels_of_the_canal_agree_with_its_area_and_centreline(fine: Phantom) -> None:
    points = np.array(fine.truth.centreline)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert steps.max() <= 1.0
    assert np.all(np.diff(points[:, 2]) < 0), "head to foot"
    inside = (points[:, 2] > level(fine, "L5")[2]) & (points[:, 2] < level(fine, "T10")[2])
    assert at(fine, canal(fine), points[inside]).all()
    expected_ml = float((np.array(fine.truth.area_mm2)[:-1] * steps)[inside[:-1]].sum() / 1000)
    k_low, k_high = (round(float(fine.volume.frame.to_index(points[inside][n])[0])) for n in (-1, 0))
    counted_ml = canal(fine)[k_low:k_high].sum() * fine.volume.frame.voxel_ml
    assert counted_ml == pytest.approx(expected_ml, rel=0.06)


def test_the_cord_ends_in_the_lower_third_of_l1(fine: Phantom) -> None:
    tip = fine.volume.frame.to_world(np.argwhere(marked(fine, "spinal cord"))).min(axis=0)[2]
    body = level(fine, "L1")[2]
    assert body - 13 < tip < body - 2


def test_the_sac_holds_what_was_measured_below_t11_t12(fine: Phantom) -> None:
    sac = marked(fine, "thecal sac", "spinal cord")
    top = fine.volume.frame.to_index((level(fine, "T11") + level(fine, "T12")) / 2)[0]
    assert 35 <= sac[: int(top)].sum() * fine.volume.frame.voxel_ml <= 55
    end = fine.volume.frame.to_world(np.argwhere(sac)).min(axis=0)[2]
    assert level(fine, "S2")[2] - 14 < end < level(fine, "S1")[2] - 8


@pytest.mark.parametrize("name", FORAMEN_HEIGHT_MM)
def test_foramina_are_as_high_as_the_table_says(fine: Phantom, name: str) -> None:
    found = [f for f in fine.truth.foramina if f.between[0] == name]
    assert {f.side for f in found} == {"left", "right"}
    for f in found:
        assert f.height_mm == pytest.approx(FORAMEN_HEIGHT_MM[name], abs=2.5)
        # on the voxels: open from the middle, roofed and floored by the pedicles
        column = np.array(f.centre) + np.array([0, 0, 1.0]) * np.arange(-25, 25, 0.5)[:, None]
        solid = at(fine, bone(fine), column)
        assert not solid[46:55].any()
        assert solid[:50].any() and solid[50:].any()


@pytest.mark.parametrize("seed", [1, 3])
def test_foramina_between_their_bones_are_those_of_the_table(seed: int) -> None:
    """Sizes are measured in the bones' design, so that the voxels may be coarse."""
    coarse = build(PhantomParameters(spacing_mm=(3.0, 3.0, 3.0), seed=seed))
    for f in (f for f in coarse.truth.foramina if f.between[0] in FORAMEN_WIDTH_MM):
        assert f.width_mm == pytest.approx(FORAMEN_WIDTH_MM[f.between[0]], abs=1.5), (f.between, f.side)
        if f.between[0] in LUMBAR:
            assert f.height_mm == pytest.approx(FORAMEN_HEIGHT_MM[f.between[0]], abs=1.7), (f.between, f.side)


@pytest.mark.parametrize("name", ["T11", "T12", "L1", "L2", "L3"])
def test_a_foramen_is_as_wide_as_its_bones_leave_it(fine: Phantom, name: str) -> None:
    for f in (f for f in fine.truth.foramina if f.between[0] == name):
        inward = -1.0 if f.side == "left" else 1.0
        x, z, y = np.meshgrid((0.0, inward * 2.0), np.linspace(-0.1, 0.2, 7) * f.height_mm, np.arange(-20, 20, 0.25), indexing="ij")
        shadow = at(fine, bone(fine), np.array(f.centre) + np.stack([x, y, z], axis=-1)).any(axis=(0, 1))  # seen from the side
        free = np.diff(np.concatenate([[-20.0], np.arange(-20, 20, 0.25)[shadow], [20.0]]))
        assert f.width_mm == pytest.approx(free.max(), abs=1.5)


@pytest.mark.parametrize("name", WINDOW_MM)
def test_interlaminar_windows_are_as_high_as_was_measured(fine: Phantom, name: str) -> None:
    window = next(w for w in fine.truth.windows if w.between[0] == name)
    low, high = WINDOW_MM[name]
    assert low <= window.height_mm <= high
    # on the voxels: along the laminae in the midline, the gap between bone and bone
    tilt = np.radians(window.tilt_deg)
    along = np.array([0.0, np.sin(tilt), np.cos(tilt)])
    middle = np.array(window.centre) + 1.5 * np.array([0.0, np.cos(tilt), -np.sin(tilt)])
    steps = np.arange(-20, 20, 0.25)
    gaps = []
    for dorsal in (0.0, 1.5, 3.0):
        column = middle + dorsal * np.array([0.0, np.cos(tilt), -np.sin(tilt)]) + along * steps[:, None]
        solid = at(fine, bone(fine), column)
        below, above = np.flatnonzero(solid & (steps < 0)), np.flatnonzero(solid & (steps > 0))
        if len(below) and len(above):
            gaps.append(steps[above[0]] - steps[below[-1]])
    assert gaps and min(gaps) == pytest.approx(window.height_mm, abs=3.0)


@pytest.mark.parametrize("upper,lower", [("L2", "L3"), ("L3", "L4"), ("L4", "L5")])
def test_the_fat_pad_bulges_in_the_window_and_vanishes_under_the_lamina(fine: Phantom, upper: str, lower: str) -> None:
    fat, sac = marked(fine, "epidural space"), marked(fine, "thecal sac")
    window = np.array(next(w.centre for w in fine.truth.windows if w.between == (upper, lower)))

    def pad_mm(point: np.ndarray) -> float:
        column = point + np.array([0, 1.0, 0]) * np.arange(-25, 12, 0.25)[:, None]
        in_sac = at(fine, sac, column)
        behind = np.arange(len(column)) > np.flatnonzero(in_sac)[-1]
        return float((at(fine, fat, column) & behind).sum() * 0.25)

    assert 4.0 <= pad_mm(window) <= 8.0
    # under the upper half of the next lamina, the least pad within the height of its body
    thin = min(pad_mm(np.array([window[0], level(fine, lower)[1] + 40, level(fine, lower)[2] + up])) for up in range(-2, 11))
    assert thin <= 1.5


@pytest.mark.parametrize("name,back_mm", [("T11", 21.3), ("L1", 23.8), ("L3", 23.8), ("L5", 22.9)])
def test_bodies_are_as_high_as_the_table_says(fine: Phantom, name: str, back_mm: float) -> None:
    body = marked(fine, f"vertebra {name}")
    middle = level(fine, name)
    column = middle + np.array([0, 0, 1.0]) * np.arange(-25, 25, 0.25)[:, None]
    height = at(fine, body, column).sum() * 0.25
    assert back_mm - 4.5 < height < back_mm + 3.0  # hollow endplates take some, tilt adds some


def test_left_and_right_are_the_patients(fine: Phantom) -> None:
    midline = level(fine, "L2")[0]
    assert centre(fine, marked(fine, "aorta"))[0] > midline + 5, "the aorta lies left"
    assert centre(fine, marked(fine, "vena cava"))[0] < midline - 8, "the cava lies right"
    kidneys = marked(fine, "kidney")
    i = round(float(fine.volume.frame.to_index(level(fine, "L2"))[2]))
    left, right = kidneys.copy(), kidneys.copy()
    left[:, :, :i] = False
    right[:, :, i:] = False
    assert centre(fine, left)[2] > centre(fine, right)[2] + 8, "the right kidney lies lower"


def test_roots_leave_the_sac_and_pass_their_foramina(fine: Phantom) -> None:
    root = marked(fine, "nerve root", "ganglion")
    for f in fine.truth.foramina:
        if f.between[0] not in LUMBAR:
            continue
        middle = np.array(f.centre)
        # a plate across the foramen holds the root, above its middle
        y, z = np.meshgrid(np.arange(-8, 8, 0.5), np.arange(-4, 10, 0.5))
        plate = middle + np.stack([np.zeros(y.size), y.ravel(), z.ravel()], axis=1)
        hit = at(fine, root, plate)
        assert hit.sum() * 0.25 > 4.0, f.between
        assert z.ravel()[hit].mean() > -1.0, "in the upper half, under the pedicle"


def test_no_bone_touches_a_lumbar_ganglion(fine: Phantom) -> None:
    solid, ganglia = bone(fine), np.argwhere(marked(fine, "ganglion"))
    middles = np.array([f.centre for f in fine.truth.foramina if f.between[0] in LUMBAR])
    points = fine.volume.frame.to_world(ganglia)
    points = points[np.linalg.norm(points[:, None] - middles, axis=2).min(axis=1) < 9.0]
    assert len(points) > 200
    around = points[:, None] + np.concatenate([np.eye(3), -np.eye(3)])
    assert at(fine, solid, around).mean() < 0.03


def test_a_midline_offset_path_reaches_every_window_from_the_skin(fine: Phantom) -> None:
    solid = bone(fine)
    for between in PAIRS:
        window = next(w for w in fine.truth.windows if w.between == between)
        target = np.array(window.centre) - [0, 4.0, 0]
        free = 0
        for offset in (6, 8, 10, 12, 15, -6, -8, -10, -12, -15):
            for rise in range(-30, 21, 2):
                entry = target + [offset, 90.0, rise]
                free += not at(fine, solid, line(entry, target)).any()
        assert free >= 3, between


@pytest.mark.parametrize("side,sign", [("left", 1.0), ("right", -1.0)])
def test_a_path_from_behind_and_beside_reaches_every_lumbar_foramen(fine: Phantom, side: str, sign: float) -> None:
    solid = bone(fine)
    for f in fine.truth.foramina:
        if f.side != side or f.between[0] not in LUMBAR:
            continue
        target = np.array(f.centre)
        free = 0
        for degrees in range(30, 51, 2):
            for rise in range(-40, 61, 4):
                a = np.radians(degrees)
                entry = target + [sign * 120 * np.sin(a), 120 * np.cos(a), rise]
                free += not at(fine, solid, line(entry, target)).any()
        assert free >= 3, f.between
