"""A brush in the hand: what it draws on the screen while it draws, and what it says was done. Driven by mouse and keys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from tests.viewer.conftest import collect, drag, pixels, turn_wheel
from tests.viewer.patient import CANAL_Y
from viewer.brush import Brush, Drawn, Pulled
from viewer.linked import ViewGrid
from viewer.scene import Scene, point
from viewer.slice_view import SliceView

LEFT, CTRL, SHIFT = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def at(view: SliceView, point_mm: tuple[float, float, float]) -> QPoint:
    x, y = view.pose.to_screen(point_mm)
    return QPoint(round(float(x)), round(float(y)))


def on_slice(view: SliceView, x: float, y: float) -> tuple[float, float, float]:
    return x, y, view.pose.depth_mm


@pytest.fixture
def axial(grid: ViewGrid, scene: Scene) -> SliceView:
    assert scene.anatomy is not None
    grid.set_crosshair((0.0, CANAL_Y, 0.0))
    return grid.slices["axial"]


def test_a_left_drag_draws_and_says_where_in_which_slice(grid: ViewGrid, axial: SliceView, qtbot: QtBot) -> None:
    grid.set_brush(Brush("disc", "kidney", 5.0))
    done, moved = collect(grid.hand_done), collect(grid.crosshair_moved)
    start, stop = on_slice(axial, -40.0, -20.0), on_slice(axial, -20.0, -20.0)
    drag(qtbot, axial, at(axial, start), at(axial, stop), LEFT)
    ((stroke,),) = done
    assert isinstance(stroke, Drawn) and not stroke.erase and stroke.brush.structure == "kidney"
    assert stroke.points_mm[0] == pytest.approx(start, abs=0.6) and stroke.points_mm[-1] == pytest.approx(stop, abs=0.6)
    assert stroke.normal == (0.0, 0.0, 1.0) and stroke.half_mm == pytest.approx(1.25)
    assert moved == []


def test_a_ball_knows_no_slice_and_ctrl_erases(grid: ViewGrid, axial: SliceView, qtbot: QtBot) -> None:
    grid.set_brush(Brush("ball", "bone", 5.0))
    done = collect(grid.hand_done)
    drag(qtbot, axial, at(axial, on_slice(axial, -40.0, -20.0)), at(axial, on_slice(axial, -20.0, -20.0)), LEFT, CTRL)
    ((stroke,),) = done
    assert stroke.erase and stroke.normal is None


def test_the_stroke_is_seen_at_once_and_until_the_anatomy_has_followed(
    grid: ViewGrid, axial: SliceView, scene: Scene, qtbot: QtBot
) -> None:
    grid.set_brush(Brush("disc", "kidney", 5.0))
    middle = at(axial, on_slice(axial, -30.0, -20.0))
    before = pixels(axial)[middle.y(), middle.x()].astype(int)
    drag(qtbot, axial, at(axial, on_slice(axial, -40.0, -20.0)), at(axial, on_slice(axial, -20.0, -20.0)), LEFT)
    drawn = pixels(axial)[middle.y(), middle.x()].astype(int)
    assert drawn[0] - before[0] > 40  # the kidney's colour is warm
    assert scene.anatomy is not None
    grid.set_scene(replace(scene, anatomy=replace(scene.anatomy)))
    assert np.abs(pixels(axial)[middle.y(), middle.x()].astype(int) - before).max() < 12


def test_what_was_refused_goes_from_the_screen(grid: ViewGrid, axial: SliceView, qtbot: QtBot) -> None:
    grid.set_brush(Brush("disc", "kidney", 5.0))
    middle = at(axial, on_slice(axial, -30.0, -20.0))
    before = pixels(axial)[middle.y(), middle.x()].astype(int)
    drag(qtbot, axial, at(axial, on_slice(axial, -40.0, -20.0)), at(axial, on_slice(axial, -20.0, -20.0)), LEFT)
    grid.settle_brush()
    assert np.abs(pixels(axial)[middle.y(), middle.x()].astype(int) - before).max() < 12


def test_what_is_drawn_on_has_its_outline_in_slices(grid: ViewGrid, axial: SliceView) -> None:
    edge = at(axial, on_slice(axial, 17.0, CANAL_Y - 28.0))  # a vertebral body's border
    near = (slice(edge.y() - 2, edge.y() + 3), slice(edge.x() - 3, edge.x() + 4))
    grid.set_crosshair((40.0, -40.0, 12.0))
    before = pixels(axial)[near].astype(int)
    grid.set_brush(Brush("disc", "bone", 5.0))
    assert np.abs(pixels(axial)[near].astype(int) - before).max() > 30
    grid.set_brush(None)
    assert np.abs(pixels(axial)[near].astype(int) - before).max() == 0


def test_brackets_and_shift_wheel_ask_for_another_size(grid: ViewGrid, axial: SliceView, qtbot: QtBot) -> None:
    grid.set_brush(Brush("disc", "bone", 5.0))
    sizes, crosshair = collect(grid.brush_sized), axial.crosshair
    qtbot.keyClicks(axial, "[]")
    turn_wheel(axial, 1, SHIFT)
    assert [size for (size,) in sizes] == [4.2, 6.0, 6.0]
    assert axial.crosshair == crosshair
    grid.set_brush(None)
    turn_wheel(axial, 1, SHIFT)
    assert len(sizes) == 3 and axial.crosshair != crosshair


def test_the_wall_is_taken_where_it_is_and_nowhere_else(grid: ViewGrid, axial: SliceView, qtbot: QtBot) -> None:
    grid.set_brush(Brush("wall", "canal", 4.0))
    done, moved = collect(grid.hand_done), collect(grid.crosshair_moved)
    wall, out = on_slice(axial, 9.0, CANAL_Y), on_slice(axial, 13.0, CANAL_Y)
    drag(qtbot, axial, at(axial, wall), at(axial, out), LEFT)
    ((pulled,),) = done
    assert isinstance(pulled, Pulled) and pulled.brush.reach_mm == 8.0
    assert pulled.from_mm == pytest.approx(wall, abs=1.1) and np.subtract(pulled.to_mm, pulled.from_mm) == pytest.approx((4, 0, 0), abs=0.5)
    drag(qtbot, axial, at(axial, on_slice(axial, 40.0, -20.0)), at(axial, on_slice(axial, 44.0, -20.0)), LEFT)
    assert len(done) == 1 and moved  # beside it the crosshair goes along, as without a brush


def test_while_the_wall_is_dragged_the_outline_follows(grid: ViewGrid, axial: SliceView, qtbot: QtBot) -> None:
    grid.set_brush(Brush("wall", "canal", 4.0))
    grid.set_crosshair_shown(False)
    to = at(axial, on_slice(axial, 14.0, CANAL_Y))
    near = (slice(to.y() - 5, to.y() + 6), slice(to.x() - 5, to.x() + 6))
    before = pixels(axial)[near].astype(int)
    qtbot.mousePress(axial, LEFT, pos=at(axial, on_slice(axial, 9.0, CANAL_Y)))
    qtbot.mouseMove(axial, to)
    during = pixels(axial)[near].astype(int)
    qtbot.mouseRelease(axial, LEFT, pos=to)
    assert np.abs(during - before).max() > 60


def test_the_middle_and_a_level_keep_their_distance_from_the_slice(grid: ViewGrid, axial: SliceView, scene: Scene, qtbot: QtBot) -> None:
    assert scene.anatomy is not None
    sagittal, level = grid.slices["sagittal"], scene.anatomy.levels[1]
    done = collect(grid.hand_done)
    grid.set_brush(Brush("level"))
    x, y, z = level.centre_mm
    drag(qtbot, sagittal, at(sagittal, level.centre_mm), at(sagittal, (x, y, z - 6.0)), LEFT)
    grid.set_brush(Brush("middle"))
    drag(qtbot, sagittal, at(sagittal, (0.0, CANAL_Y, 10.0)), at(sagittal, (0.0, CANAL_Y + 6.0, 10.0)), LEFT)
    (moved,), (shifted,) = done
    assert moved.from_mm == point(level.centre_mm) and np.subtract(moved.to_mm, moved.from_mm) == pytest.approx((0, 0, -6), abs=0.5)
    assert shifted.to_mm[0] == shifted.from_mm[0] == 0.0 and shifted.to_mm[1] == pytest.approx(CANAL_Y + 6.0, abs=0.6)


def test_a_brush_that_is_put_away_in_the_middle_of_a_stroke_draws_nothing(grid: ViewGrid, axial: SliceView, qtbot: QtBot) -> None:
    grid.set_brush(Brush("disc"))
    done = collect(grid.hand_done)
    qtbot.mousePress(axial, LEFT, pos=at(axial, on_slice(axial, -40.0, -20.0)))
    grid.set_brush(None)
    qtbot.mouseMove(axial, at(axial, on_slice(axial, -20.0, -20.0)))
    qtbot.mouseRelease(axial, LEFT, pos=at(axial, on_slice(axial, -20.0, -20.0)))
    assert done == []


def test_without_an_anatomy_there_is_nothing_to_drag_but_a_canal_can_be_drawn(
    grid: ViewGrid, axial: SliceView, scene: Scene, qtbot: QtBot
) -> None:
    grid.set_scene(Scene(scene.volume))
    grid.set_brush(Brush("ball", "canal", 9.0))
    drawn = collect(grid.hand_done)
    drag(qtbot, axial, at(axial, on_slice(axial, -40.0, -20.0)), at(axial, on_slice(axial, -20.0, -20.0)), LEFT)
    pixels(axial)
    assert len(drawn) == 1 and isinstance(drawn[0][0], Drawn) and drawn[0][0].brush.structure == "canal"
    for tool in ("wall", "middle", "level"):
        grid.set_brush(Brush(tool))
        done = collect(grid.hand_done)
        drag(qtbot, axial, at(axial, on_slice(axial, -40.0, -20.0)), at(axial, on_slice(axial, -20.0, -20.0)), LEFT)
        pixels(axial)
        assert done == []


def test_handles_stand_all_round_the_wall_of_a_slice_that_cuts_it(grid: ViewGrid, axial: SliceView) -> None:
    grid.set_crosshair_shown(False)
    grid.set_scene(replace(axial.scene, leaks=(), needles=(), patch=None))
    before = pixels(axial).astype(int)
    grid.set_brush(Brush("wall"))
    changed = np.abs(pixels(axial).astype(int) - before).max(axis=2) > 60
    for angle in np.arange(16) * 2 * np.pi / 16:
        spot = at(axial, on_slice(axial, 9.0 * np.cos(angle), CANAL_Y + 9.0 * np.sin(angle)))
        assert changed[spot.y() - 3 : spot.y() + 4, spot.x() - 3 : spot.x() + 4].any()
