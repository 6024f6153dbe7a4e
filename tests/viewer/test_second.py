"""A second scan over the first: pixel by pixel against plain reckoning, and what hands report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication

from planner.geometry import Frame, Volume
from planner.registration import Rigid
from tests.viewer.conftest import collect, drag, pixels, rgb, turn_wheel
from tests.viewer.patient import patient
from viewer.grey import GreyPicture
from viewer.pose import PLANES, Pose, standard_plane
from viewer.scene import SceneSecond
from viewer.windows import Window

TINT = (1.0, 0.6, 0.4)


def volume(seed: int) -> Volume:
    values = np.random.default_rng(seed).integers(-200, 900, (12, 14, 16)).astype(np.int16)
    return Volume(Frame.axial((12, 14, 16), (2.5, 0.8, 1.1), (-8, -5, -12)), values, "MR", 0.5, 20.0)


@pytest.mark.parametrize("name", PLANES)
@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_the_blend_is_the_sum_of_both_scans_where_the_second_is_laid(name: str, share: float) -> None:
    first, placed = volume(1), Rigid((4.0, -6.0, 9.0), (1.5, -0.5, 2.0)).placed(volume(2))
    second = SceneSecond(placed, share, Window(150, 500))
    pose = Pose(standard_plane(name), (0.0, 0.0), 0.0, 6.0, 150, 130).at((0.4, 0.3, 2.0), first.frame)
    window = Window(150, 700)
    alone = rgb(GreyPicture().image(first, pose, window, fine=True)).astype(float)
    shown = rgb(GreyPicture().image(first, pose, window, fine=True, second=second, tint=TINT)).astype(float)
    points = np.array([[pose.to_world(x + 0.5, y + 0.5) for x in range(150)] for y in range(130)])
    grey = np.clip((placed.sample(points) - (150 - 250)) / 500 * 255, 0, 255)
    inside = placed.frame.contains(points)
    mixed = 4 * share * (1 - share)
    tint = 1 + mixed * (np.array(TINT) - 1)
    expected = np.where(inside[..., None], (1 - share) * alone + share * np.nan_to_num(grey)[..., None] * tint, (1 - share**2) * alone)
    assert inside.any() and not inside.all()
    assert np.abs(shown - expected).max() <= 2.01


def test_padding_of_the_second_scan_is_no_dark_tissue() -> None:
    """Where an oblique scan holds nothing but padding the first scan shows as it does beyond the second one's grid."""
    first, second = volume(1), volume(2)
    second.voxels[:, :, :9] = -2000
    placed = replace(second, padding=-2000)
    pose = Pose(standard_plane("axial"), (0.0, 0.0), 0.0, 6.0, 150, 130).at((0.4, 0.3, 2.0), first.frame)
    alone = rgb(GreyPicture().image(first, pose, Window(150, 700))).astype(float)
    shown = rgb(GreyPicture().image(first, pose, Window(150, 700), second=SceneSecond(placed, 0.5, Window(150, 500)))).astype(float)
    points = np.array([[pose.to_world(x + 0.5, y + 0.5) for x in range(150)] for y in range(130)])
    empty = placed.frame.contains(points) & (np.rint(placed.frame.to_index(points)[..., 2]) < 8)
    assert empty.sum() > 500 and np.abs(shown - 0.75 * alone)[empty].max() <= 2.01


def test_beyond_the_slices_of_an_oblique_second_scan_is_no_dark_tissue() -> None:
    first, second = volume(1), volume(2)
    shape, turned = second.frame.shape, Rigid((0.0, 0.0, 25.0)).placed(second).frame
    second.voxels[:] = -2000  # darker than black: whatever is shown of it takes its share of the picture
    placed = Rigid((3.0, 2.0, -4.0), (1.0, 0.0, 0.5)).placed(replace(second, field=turned))
    pose = Pose(standard_plane("axial"), (0.0, 0.0), 0.0, 6.0, 150, 130).at((0.4, 0.3, 2.0), first.frame)
    alone = rgb(GreyPicture().image(first, pose, Window(150, 700))).astype(float)
    shown = rgb(GreyPicture().image(first, pose, Window(150, 700), second=SceneSecond(placed, 0.5, Window(150, 500)))).astype(float)
    points = np.array([[pose.to_world(x + 0.5, y + 0.5) for x in range(150)] for y in range(130)])
    index = placed.field.to_index(points)
    held = ((index >= -0.5) & (index <= np.array(shape) - 0.5)).all(axis=-1) & placed.frame.contains(points)
    assert held.sum() > 2000 and (~held & placed.frame.contains(points)).sum() > 300
    assert np.abs(shown - np.where(held, 0.5, 0.75)[..., None] * alone).max() <= 2.01


def test_none_of_it_leaves_the_picture_as_it_is() -> None:
    first = volume(1)
    pose = Pose(standard_plane("axial"), (0.0, 0.0), 0.0, 6.0, 150, 130).at((0.4, 0.3, 2.0), first.frame)
    one = rgb(GreyPicture().image(first, pose, Window(150, 700)))
    other = rgb(GreyPicture().image(first, pose, Window(150, 700), second=SceneSecond(volume(2), 0.0, Window(0, 1))))
    assert np.array_equal(one, other)


def fused(share: float = 0.5):
    scene = patient(with_patch=False)
    assert scene.volume is not None
    return replace(scene, second=SceneSecond(Rigid(shift_mm=(6.0, 0.0, 0.0)).placed(scene.volume), share, Window(400, 1800), ("CT", "MR")))


def test_every_slice_view_shows_it_and_says_how_much(grid) -> None:
    alone = {name: pixels(view) for name, view in grid.slices.items()}
    scene = fused()
    grid.set_scene(replace(scene, volume=grid.scene.volume, anatomy=grid.scene.anatomy))
    assert scene.second is not None and scene.second.words == "CT 50 % + MR 50 %"
    assert replace(scene.second, doubt="not registered").words == "CT 50 % + MR 50 %  △ not registered"
    for name, view in grid.slices.items():
        assert (pixels(view) != alone[name]).any(axis=2).mean() > 0.05, name


@pytest.mark.parametrize("theme", ["dark", "light", "projector"])
def test_a_doubt_is_read_in_every_picture_and_theme(grid, theme: str) -> None:
    """The words of a panel are dark where the panel is light; pictures are black in every theme."""
    scene = fused(0.0)
    grid.set_theme(theme)
    shown = {}
    for doubt in ("", "questionable"):
        second = replace(scene.second, doubt=doubt)
        grid.set_scene(replace(scene, volume=grid.scene.volume, anatomy=grid.scene.anatomy, second=second))
        shown[doubt] = {name: pixels(view).astype(int) for name, view in grid.slices.items()}
    for name, words in shown["questionable"].items():
        new = (np.abs(words - shown[""][name]).max(axis=2) > 60) & (words.max(axis=2) > 200)
        assert new.sum() > 100, name


def test_a_hand_shifts_turns_and_windows_it(grid, qtbot) -> None:
    grid.set_scene(fused())
    view = grid.slices["axial"]
    before = grid.crosshair
    shifted, turned, dropped = collect(grid.second_shifted), collect(grid.second_turned), collect(grid.second_dropped)
    windowed = collect(grid.second_window_dragged)
    start = QPoint(view.width() // 2 + 60, view.height() // 2)
    drag(qtbot, view, start, start + QPoint(0, 30), Qt.MouseButton.LeftButton)
    assert not shifted, "nobody asked to move it"
    grid.set_crosshair(before)
    grid.set_mover(True)
    drag(qtbot, view, start, start + QPoint(30, -15), Qt.MouseButton.LeftButton)
    assert np.sum([one[0] for one in shifted], axis=0) == pytest.approx(np.array([30, -15, 0]) / view.pose.px_per_mm)
    assert len(dropped) == 1 and grid.crosshair == before
    x, y = view.pose.to_screen(before)
    centre = QPoint(round(float(x)), round(float(y)))
    drag(qtbot, view, centre + QPoint(80, 0), centre + QPoint(0, 80), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier)
    assert sum(angle for _, angle in turned) == pytest.approx(90, abs=1.5) and len(dropped) == 2
    assert turned[0][0] == pytest.approx((0, 0, 1)), "clockwise in the axial view, from left to back"
    first_window = grid.window_shown
    drag(qtbot, view, start, start + QPoint(40, 20), Qt.MouseButton.RightButton, Qt.KeyboardModifier.ShiftModifier)
    assert windowed and windowed[-1][1] != 1800 and grid.window_shown == first_window
    grid.set_mover(False)
    QApplication.processEvents()


def test_a_turn_of_the_wheel_shows_both_scans_of_the_next_slice(grid) -> None:
    grid.set_scene(fused(0.5))
    view = grid.slices["axial"]
    before = pixels(view)
    turn_wheel(view, 12)
    assert (pixels(view) != before).any()
