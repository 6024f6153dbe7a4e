"""What hands do on a slice, by mouse, wheel and keys; what is seen then, and what is said."""

import gc

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QPainter

from tests.viewer.conftest import collect, drag, pixels, turn_wheel
from tests.viewer.patient import CANAL_Y, sphere
from viewer.furniture import paint_title
from viewer.scene import HIDDEN_AT_FIRST, Measurement, Scene
from viewer.slice_view import SliceView
from viewer.theme import theme

LEFT, RIGHT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton
CTRL, SHIFT, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.AltModifier


def show(qtbot, scene, plane="axial", size=(420, 400)):
    view = SliceView(plane)
    qtbot.addWidget(view)
    view.resize(*size)
    view.show()
    view.set_scene(scene)
    return view


@pytest.fixture
def axial(qtbot, scene):
    return show(qtbot, scene)


def at(view, point):
    return QPoint(*(round(float(n)) for n in view.pose.to_screen(point)))


def near(image, colour, reach=60):
    """Pixels of about a colour."""
    wanted = np.array([colour.red(), colour.green(), colour.blue()])
    return np.abs(image.astype(int) - wanted).sum(axis=2) < reach


# what is seen


@pytest.mark.parametrize("plane", ["axial", "coronal"])
def test_what_is_at_the_patients_left_is_at_the_images_right(qtbot, scene, plane):
    view = show(qtbot, Scene(scene.volume), plane)
    view.set_crosshair((0.0, 0.0, 0.0))
    view.set_crosshair_shown(False)
    view.set_window(2000, 400)  # only the cube at the patient's left is white
    white = (pixels(view) > 250).all(axis=2)[40:360, 30:390]
    columns = np.nonzero(white)[1] + 30
    assert len(columns) > 50 and columns.mean() > 420 * 0.6


def test_a_sagittal_picture_has_the_front_at_the_left_and_the_head_above(qtbot, scene):
    view = show(qtbot, scene, "sagittal")
    front, back = view.pose.to_screen((0, -40, 0)), view.pose.to_screen((0, 40, 0))
    head, foot = view.pose.to_screen((0, 0, 50)), view.pose.to_screen((0, 0, -50))
    assert front[0] < back[0] and head[1] < foot[1]


@pytest.mark.parametrize("plane", ["axial", "sagittal", "coronal"])
def test_a_ball_is_round_on_screen_for_thick_slices(qtbot, plane):
    view = show(qtbot, sphere((5.0, 0.7, 0.7)), plane)
    view.set_crosshair((0.0, 0.0, 0.0))
    view.set_crosshair_shown(False)
    view.set_window(1000, 100)
    lit = (pixels(view)[40:360] > 200).all(axis=2)[:, 30:390]
    lit[:, :8] = lit[:, -8:] = False
    rows, columns = np.nonzero(lit)
    inner = (
        lit[int(rows.mean()) - 20 : int(rows.mean()) + 20].any(axis=0).sum(),
        lit[:, int(columns.mean()) - 20 : int(columns.mean()) + 20].any(axis=1).sum(),
    )
    assert inner[0] == pytest.approx(inner[1], rel=0.09)


def test_canal_sac_patch_needle_and_leak_have_their_colours(axial, scene):
    dark = theme("dark")
    axial.set_crosshair((0.0, 0.0, 0.0))
    image = pixels(axial)
    for meaning in ("canal", "sac", "needle", "leak"):
        assert near(image, dark.colour(meaning)).sum() > 12, meaning
    x, y = at(axial, (5.3, CANAL_Y + 5.3, 0.0)).toTuple()  # clear of the crosshair
    red, green, blue = image[y - 1 : y + 2, x - 1 : x + 2].mean(axis=(0, 1))
    assert red > green + 40 and red > blue + 40  # the patch, behind the sac
    hidden = Scene(
        scene.volume,
        scene.anatomy,
        HIDDEN_AT_FIRST | {"canal", "sac", "needles", "leaks", "patch"},
        scene.leaks,
        scene.needles,
        scene.patch,
    )
    axial.set_scene(hidden)
    image = pixels(axial)
    for meaning in ("canal", "sac", "needle", "leak"):
        assert near(image, dark.colour(meaning), 40)[40:].sum() == 0, meaning


def test_the_outline_of_the_canal_lies_on_its_wall(axial):
    axial.set_crosshair((0.0, 0.0, 0.0))
    axial.set_crosshair_shown(False)
    scene = axial.scene
    axial.set_scene(Scene(scene.volume, scene.anatomy, HIDDEN_AT_FIRST | {"sac"}))
    axial.set_window(20000, 10)  # black
    rows, columns = np.nonzero(near(pixels(axial), theme("dark").colour("canal"), 120)[45:])
    centre = axial.pose.to_screen((0.0, CANAL_Y, 0.0))
    far = np.hypot(columns + 0.5 - centre[0], rows + 45.5 - centre[1]) / axial.pose.px_per_mm
    assert len(far) > 60
    assert np.median(far) == pytest.approx(9.0, abs=0.8) and far.max() < 11.5 and far.min() > 7


def test_a_needle_off_the_slice_is_dashed_and_says_how_far(axial):
    axial.set_window(20000, 10)  # black
    axial.set_crosshair((0.0, 0.0, 0.0))
    full = near(pixels(axial), theme("dark").colour("needle"), 160).sum()
    axial.set_crosshair((0.0, 0.0, 20.0))
    dashed = near(pixels(axial), theme("dark").colour("needle"), 160).sum()
    assert 0 < dashed < full


def test_letters_stay_apart_from_the_name(axial):
    image = pixels(axial)
    name = near(image, theme("dark").colour("view name"))[:34, :120]
    assert name.sum() > 30


def test_an_empty_view_paints_its_name_and_takes_every_gesture(qtbot):
    view = SliceView("coronal")
    qtbot.addWidget(view)
    view.resize(200, 160)
    view.show()
    turn_wheel(view, 3)
    drag(qtbot, view, QPoint(20, 20), QPoint(90, 70), LEFT)
    for key in "12345dakvntxfr":
        qtbot.keyClick(view, key)
    assert near(pixels(view), theme("dark").colour("view name")).sum() > 20


# the mouse


def test_the_wheel_scrolls_slice_by_slice_and_five_with_shift(qtbot, axial):
    heard = collect(axial.crosshair_moved)
    start = axial.crosshair[2]
    turn_wheel(axial, 1)
    assert axial.crosshair[2] == pytest.approx(start + 2.5)
    turn_wheel(axial, -1, SHIFT)
    assert axial.crosshair[2] == pytest.approx(start + 2.5 - 12.5)
    assert [round(one[0][2] - start, 3) for one in heard] == [2.5, -10.0]


def test_a_small_wheel_movement_adds_up(axial):
    start = axial.crosshair
    from PySide6.QtGui import QWheelEvent
    from PySide6.QtWidgets import QApplication

    for _ in range(4):
        centre = QPointF(200, 200)
        event = QWheelEvent(
            centre, axial.mapToGlobal(centre), QPoint(), QPoint(0, 30), Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(axial, event)
    assert axial.crosshair[2] == pytest.approx(start[2] + 2.5)


def test_scrolling_stops_at_the_scans_ends(qtbot, axial, scene):
    low, high = scene.volume.frame.bounds_mm
    qtbot.keyClick(axial, Qt.Key.Key_Home)
    assert axial.crosshair[2] == pytest.approx(high[2])
    turn_wheel(axial, 5)
    assert axial.crosshair[2] == pytest.approx(high[2])
    qtbot.keyClick(axial, Qt.Key.Key_End)
    assert axial.crosshair[2] == pytest.approx(low[2])
    qtbot.keyClick(axial, Qt.Key.Key_PageUp)
    assert axial.crosshair[2] == pytest.approx(low[2] + 2.5)


def test_a_left_click_jumps_the_crosshair_and_says_so(qtbot, axial):
    moved, clicked = collect(axial.crosshair_moved), collect(axial.clicked)
    place = at(axial, (-30.0, 10.0, axial.crosshair[2]))
    qtbot.mouseClick(axial, LEFT, pos=place)
    assert clicked[0][0] == pytest.approx((-30, 10, axial.crosshair[2]), abs=0.5)
    assert moved[-1][0] == clicked[0][0] == axial.crosshair


def test_a_drag_moves_the_crosshair_and_is_no_click(qtbot, axial):
    clicked = collect(axial.clicked)
    drag(qtbot, axial, at(axial, (30, 0, 0)), at(axial, (-20, 25, 0)), LEFT)
    assert axial.crosshair[:2] == pytest.approx((-20, 25), abs=0.6)
    assert clicked == []


def test_right_drag_windows_and_double_right_click_finds_the_window(qtbot, axial):
    before = axial.window_shown
    heard = collect(axial.window_changed)
    drag(qtbot, axial, QPoint(100, 100), QPoint(200, 40), RIGHT)
    assert axial.window_shown.width > before.width and axial.window_shown.centre < before.centre
    assert heard[-1] == pytest.approx(tuple(axial.window_shown))
    qtbot.mouseDClick(axial, RIGHT, pos=QPoint(100, 100))
    low = axial.window_shown.centre - axial.window_shown.width / 2
    assert -200 < low < 60 and axial.window_shown.width < 2700


@pytest.mark.parametrize("with_space", [False, True])
def test_panning_keeps_what_is_held_under_the_pointer(qtbot, axial, with_space):
    held = axial.pose.to_world(150, 150)
    if with_space:
        qtbot.keyPress(axial, Qt.Key.Key_Space)
    drag(qtbot, axial, QPoint(150, 150), QPoint(230, 110), LEFT if with_space else MIDDLE)
    assert axial.pose.to_screen(held) == pytest.approx([230, 110], abs=1e-6)


def test_ctrl_wheel_zooms_at_the_pointer_and_f_fits_again(qtbot, axial):
    fitted = axial.pose.px_per_mm
    held = axial.pose.to_world(300, 90)
    turn_wheel(axial, 3, CTRL, QPointF(300, 90))
    assert axial.pose.px_per_mm == pytest.approx(fitted * 1.2**3)
    assert axial.pose.to_screen(held) == pytest.approx([300, 90], abs=1e-6)
    qtbot.keyClick(axial, Qt.Key.Key_F)
    assert axial.pose.px_per_mm == pytest.approx(fitted)


def test_the_value_under_the_pointer_is_that_of_the_voxel(qtbot, axial, scene):
    heard = collect(axial.cursor_moved)
    inside, outside = (0.0, CANAL_Y, axial.crosshair[2]), (83.0, -74.0, axial.crosshair[2])
    for point in (inside, outside):
        qtbot.mouseMove(axial, at(axial, point))
    assert heard[0][0] == pytest.approx(inside, abs=0.6) and heard[0][1] == 15
    assert heard[-1][1] == -1000


def test_shift_and_move_takes_the_crosshair_along(qtbot, axial):
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent
    from PySide6.QtWidgets import QApplication

    place = QPointF(at(axial, (20, -20, 0)))
    none = Qt.MouseButton.NoButton
    QApplication.sendEvent(axial, QMouseEvent(QEvent.Type.MouseMove, place, axial.mapToGlobal(place), none, none, SHIFT))
    assert axial.crosshair[:2] == pytest.approx((20, -20), abs=0.6)


def test_double_click_asks_for_a_large_view(qtbot, axial):
    heard = collect(axial.enlarge_wanted)
    qtbot.mouseDClick(axial, LEFT, pos=QPoint(50, 50))
    assert len(heard) == 1


# needles


def test_the_ends_of_a_needle_are_dragged_in_the_plane(qtbot, axial, scene):
    axial.set_crosshair((0.0, 0.0, 0.0))
    heard = collect(axial.needle_dragged)
    needle = scene.needles[0]
    drag(qtbot, axial, at(axial, needle.entry_mm), at(axial, (-60, 50, 0)), LEFT)
    index, entry, target, finished = heard[-1]
    assert (index, target, finished) == (0, needle.target_mm, True)
    assert entry[:2] == pytest.approx((-60, 50), abs=1.0) and entry[2] == needle.entry_mm[2]
    assert [one[3] for one in heard] == [False, False, False, True]


def test_ctrl_drag_moves_the_whole_needle(qtbot, axial, scene):
    axial.set_crosshair((0.0, 0.0, 0.0))
    heard = collect(axial.needle_dragged)
    needle = scene.needles[0]
    middle = (np.array(needle.entry_mm) + needle.target_mm) / 2
    drag(qtbot, axial, at(axial, middle), at(axial, middle + (10, -5, 0)), LEFT, CTRL)
    _, entry, target, _ = heard[-1]
    assert np.subtract(entry, needle.entry_mm) == pytest.approx((10, -5, 0), abs=1.0)
    assert np.subtract(target, needle.target_mm) == pytest.approx(np.subtract(entry, needle.entry_mm))


def test_dragging_an_end_seen_from_another_plane_keeps_its_distance(qtbot, scene):
    view = show(qtbot, scene, "sagittal")
    view.set_crosshair((0.0, 0.0, 0.0))
    heard = collect(view.needle_dragged)
    needle = scene.needles[0]
    drag(qtbot, view, at(view, needle.entry_mm), at(view, np.add(needle.entry_mm, (0, 5, 12))), LEFT)
    assert heard[-1][1] == pytest.approx(np.add(needle.entry_mm, (0, 5, 12)), abs=1.0)
    assert heard[-1][1][0] == needle.entry_mm[0]


# measuring


def test_a_distance_is_measured_by_two_clicks_or_one_drag(qtbot, axial):
    heard = collect(axial.measure_added)
    qtbot.keyClick(axial, "d")
    qtbot.mouseClick(axial, LEFT, pos=at(axial, (-20, 0, 0)))
    qtbot.mouseClick(axial, LEFT, pos=at(axial, (20, 30, 0)))
    qtbot.keyClick(axial, "d")
    drag(qtbot, axial, at(axial, (0, 0, 0)), at(axial, (30, 0, 0)), LEFT)
    lengths = [float(one[0].words.removesuffix(" mm")) for one in heard]
    assert lengths == pytest.approx([50, 30], abs=1.0)


def test_an_angle_is_measured_by_three_clicks(qtbot, axial):
    heard = collect(axial.measure_added)
    qtbot.keyClick(axial, "a")
    for point in ((30, 0, 0), (0, 0, 0), (0, 30, 0)):
        qtbot.mouseClick(axial, LEFT, pos=at(axial, point))
    assert float(heard[0][0].words.removesuffix("°")) == pytest.approx(90, abs=2)


def test_measuring_leaves_the_crosshair_and_escape_ends_it(qtbot, axial):
    before = axial.crosshair
    qtbot.keyClick(axial, "d")
    qtbot.mouseClick(axial, LEFT, pos=QPoint(100, 100))
    assert axial.crosshair == before
    qtbot.keyClick(axial, Qt.Key.Key_Escape)
    qtbot.mouseClick(axial, LEFT, pos=QPoint(100, 100))
    assert axial.crosshair != before


def test_del_removes_the_measurement_at_the_pointer(qtbot, axial, scene):
    z = axial.crosshair[2]
    far, close = Measurement(((40, 0, z), (60, 0, z))), Measurement(((-40, 0, z), (-60, 0, z)))
    axial.set_scene(Scene(scene.volume, measurements=(far, close, far)))
    heard = collect(axial.measure_removed)
    qtbot.mouseMove(axial, at(axial, (-50, 0, z)))
    qtbot.keyClick(axial, Qt.Key.Key_Delete)
    assert heard == [(1,)]


def test_a_straight_angle_and_an_angle_without_arms():
    assert Measurement(((0, 0, 0), (1, 0, 0), (2, 0, 0))).words == "180°"
    assert Measurement(((0, 0, 0), (0, 0, 0), (2, 0, 0))).words == "0°"


# keys


def test_number_keys_choose_the_window(qtbot, axial):
    heard = collect(axial.window_changed)
    qtbot.keyClick(axial, "2")
    qtbot.keyClick(axial, "5")
    assert heard == [(50, 400), (-600, 1500)]


def test_letters_say_what_they_mean_at_the_pointer(qtbot, axial):
    leak, vertebra = collect(axial.leak_marked), collect(axial.vertebra_pointed)
    taken, snap = collect(axial.proposal_taken), collect(axial.snap_wanted)
    qtbot.mouseMove(axial, at(axial, (12, CANAL_Y, 0)))
    for key in "kvnt":
        qtbot.keyClick(axial, key)
    assert leak[0][0][:2] == pytest.approx((12, CANAL_Y), abs=0.6) and vertebra == leak
    assert len(taken) == len(snap) == 1


def test_x_hides_the_crosshair(qtbot, axial):
    colour = theme("dark").colour("crosshair")
    axial.set_window(20000, 10)  # black
    inside = slice(2, -2), slice(2, -2)  # the frame round the view with the keys is of a like blue
    shown = near(pixels(axial), colour, 80)[inside].sum()
    qtbot.keyClick(axial, "x")
    hidden = near(pixels(axial), colour, 80)[inside].sum()
    assert shown - hidden == pytest.approx(420 + 400 - 4 * 9, abs=60)


def test_keys_that_are_not_its_own_go_on_to_the_window(qtbot, axial):
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QKeyEvent

    for key, keys in ((Qt.Key.Key_S, CTRL), (Qt.Key.Key_F1, Qt.KeyboardModifier.NoModifier), (Qt.Key.Key_1, ALT)):
        event = QKeyEvent(QEvent.Type.KeyPress, key, keys)
        axial.keyPressEvent(event)
        assert not event.isAccepted()


def test_the_view_tells_a_screen_reader_where_it_is(qtbot, axial):
    assert axial.accessibleName() == "Axial view"
    axial.set_crosshair((0.0, CANAL_Y, 2.0))
    qtbot.waitUntil(lambda: "L2–L3" in axial.accessibleDescription(), timeout=2000)
    assert " / 60" in axial.accessibleDescription()


def test_while_the_kernels_load_a_view_shows_its_name_and_then_the_slice(qtbot, scene, monkeypatch):
    from viewer import warming

    monkeypatch.setattr(warming, "ready", lambda: False)
    view = show(qtbot, scene)
    waiting = pixels(view)
    assert (waiting[40:] > 40).sum() < 0.02 * waiting[40:].size
    monkeypatch.setattr(warming, "ready", lambda: True)
    qtbot.waitUntil(lambda: (pixels(view)[40:] > 40).mean() > 0.2, timeout=3000)


def test_warming_can_run_in_a_thread_beside_a_painting_view(qtbot, scene):
    import threading

    from viewer import warming

    thread = threading.Thread(target=warming.warm)
    thread.start()
    view = show(qtbot, scene)
    qtbot.waitUntil(lambda: (pixels(view)[40:] > 40).mean() > 0.2, timeout=60000)
    thread.join()
    assert warming.ready() and warming.spatial_ready()
    assert gc.isenabled() and gc.get_freeze_count() > 1000  # what the libraries brought is no garbage to search


def test_a_number_that_does_not_fit_beside_the_name_is_left_out_whole(qtbot):
    def title(words, width):
        picture = QImage(420, 40, QImage.Format.Format_RGB32)
        picture.fill(0)
        with QPainter(picture) as painter:
            paint_title(painter, theme(), "Sagittal", words, width)
        return picture

    whole = "11 mm right of the midline · 198 / 423"
    assert title(whole, 420) != title("11 mm right of the midline", 420)
    assert title(whole, 270) == title("11 mm right of the midline", 270)
