"""The 3D view: what is seen from where, what the mouse does, and that the graphics go quietly."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication

from tests.viewer.conftest import collect, drag, pixels, turn_wheel
from tests.viewer.patient import patient
from viewer.orbit import Orbit
from viewer.scene import Scene
from viewer.spatial_view import SpatialView
from viewer.surfaces import joined, lighter, surfaces, surfaces_of_scan, tube
from viewer.theme import theme

LEFT, RIGHT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture(scope="module")
def meshed():
    scene = patient()
    return replace(scene, surfaces=surfaces(scene.anatomy))


@pytest.fixture
def view(qtbot, meshed):
    view = SpatialView()
    qtbot.addWidget(view)
    view.resize(420, 400)
    view.show()
    view.set_scene(meshed)
    QApplication.processEvents()
    yield view
    view.close()


def coloured(image, meaning, reach=0.08):
    """Pixels of the hue of a meaning, whatever the light on it."""
    wanted = np.array(theme("dark").rgb(meaning))
    pixel = image / 255.0
    norm = np.linalg.norm(pixel, axis=2)
    cosine = (pixel @ (wanted / np.linalg.norm(wanted))) / np.maximum(norm, 1e-6)
    return (cosine > 1 - reach * reach) & (norm > 0.25)


def test_bone_roots_and_needle_are_seen(view):
    image = pixels(view)
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 500
    for meaning, least in (("bone", 5000), ("needle", 60), ("roots", 30)):
        assert coloured(image, meaning).sum() > least, meaning


def test_from_behind_left_is_left_and_from_the_front_it_is_right(view, meshed):
    entry = np.array(meshed.needles[0].entry_mm)  # at the patient's right
    for direction, side in (("behind", 1), ("front", -1)):
        view.look_from(direction)
        columns = np.nonzero(coloured(pixels(view), "needle")[60:340])[1]
        assert np.sign(np.median(columns) - 210) == side
        x, _ = view.orbit.to_screen(entry, 420, 400)
        assert np.sign(x - 210) == side


def test_the_picture_and_the_reckoned_place_agree(qtbot, view, meshed):
    leak = meshed.leaks[0].position_mm
    view.set_scene(Scene(meshed.volume, leaks=meshed.leaks, surfaces={}))
    view.set_orbit(Orbit(leak, 300.0, 30.0, 15.0))
    qtbot.wait(250)
    rows, columns = np.nonzero(coloured(pixels(view), "leak")[40:330])
    assert (columns.mean(), rows.mean() + 40) == pytest.approx(tuple(view.orbit.to_screen(leak, 420, 400)), abs=2)


def test_a_drag_turns_and_the_patient_follows_the_hand(qtbot, view):
    before = pixels(view)
    drag(qtbot, view, QPoint(200, 200), QPoint(260, 200), LEFT)
    assert view.orbit.azimuth_deg > 0  # the back goes right, so the eye goes to the patient's left
    assert (pixels(view) != before).mean() > 0.05
    drag(qtbot, view, QPoint(200, 200), QPoint(200, 1200), LEFT)
    assert view.orbit.elevation_deg == 89  # never over the head


def test_middle_drag_moves_and_wheel_and_right_drag_come_nearer(qtbot, view):
    far, focus = view.orbit.distance_mm, view.orbit.focus_mm
    drag(qtbot, view, QPoint(200, 200), QPoint(230, 170), MIDDLE)
    assert view.orbit.focus_mm != focus and view.orbit.distance_mm == far
    turn_wheel(view, 2)
    near = view.orbit.distance_mm
    assert near < far
    drag(qtbot, view, QPoint(200, 200), QPoint(200, 240), RIGHT)
    assert view.orbit.distance_mm > near


@pytest.mark.parametrize(
    ("key", "words"), [("A", "from the front"), ("L", "from the left"), ("R", "from the right"), ("P", "from behind"), ("H", "from above")]
)
def test_shift_and_a_letter_looks_from_that_side(qtbot, view, key, words):
    qtbot.keyClick(view, key, SHIFT)
    assert view.orbit.words == words


def test_r_is_the_standard_view(qtbot, view):
    drag(qtbot, view, QPoint(200, 200), QPoint(260, 250), LEFT)
    qtbot.keyClick(view, "r")
    assert view.orbit.words == "from behind, tilted 20°"


def test_a_click_on_bone_says_where(qtbot, view, meshed):
    heard = collect(view.picked)
    place = (0.0, 44.0, meshed.anatomy.levels[1].centre_mm[2])  # the back of an arch
    x, y = view.orbit.to_screen(place, 420, 400)
    qtbot.mouseClick(view, LEFT, pos=QPoint(round(x), round(y)))
    name, point = heard[0]
    assert name == "bone" and point == pytest.approx(place, abs=3.0)
    qtbot.mouseClick(view, LEFT, pos=QPoint(5, 200))
    assert len(heard) == 1


def test_the_eye_stays_when_the_dose_changes(qtbot, view, meshed):
    drag(qtbot, view, QPoint(200, 200), QPoint(260, 230), LEFT)
    orbit = view.orbit
    view.set_scene(replace(meshed, patch=replace(meshed.patch, ml=9.0)))
    QApplication.processEvents()
    assert view.orbit == orbit


def test_a_larger_dose_shows_more_red(view, meshed):
    amounts = []
    for ml in (1.0, 12.0):
        view.set_scene(
            replace(meshed, hidden=frozenset({"bone", "needles", "leaks", "skin", "volume rendering"}), patch=replace(meshed.patch, ml=ml))
        )
        amounts.append(coloured(pixels(view), "patch", 0.2).sum())
    assert amounts[1] > 2 * amounts[0] > 0


def test_hidden_structures_are_not_seen(view, meshed):
    before = pixels(view)
    view.set_scene(replace(meshed, hidden=frozenset({"bone", "skin", "canal", "volume rendering", "needles"})))
    after = pixels(view)
    for meaning in ("bone", "needle"):
        assert coloured(after, meaning).sum() < 0.05 * coloured(before, meaning).sum(), meaning


def test_volume_rendering_shows_bone_without_a_mesh(qtbot, view, meshed):
    view.set_scene(replace(meshed, surfaces={}, anatomy=None, hidden=frozenset(), needles=(), patch=None))
    view.fit()
    qtbot.wait(300)
    image = pixels(view)
    assert (image[60:340].mean(axis=2) > 110).sum() > 1500


def test_while_dragging_the_light_meshes_are_drawn_and_then_the_fine_ones(qtbot, view):
    drag(qtbot, view, QPoint(200, 200), QPoint(230, 210), LEFT)
    quick = pixels(view)
    qtbot.wait(400)
    assert (pixels(view) != quick).any()


def test_without_surfaces_it_says_so(qtbot, view, meshed):
    plain = pixels(view)
    view.set_scene(Scene(meshed.volume))
    image = pixels(view)
    assert (image != plain).any() and len(np.unique(image.reshape(-1, 3), axis=0)) > 20


def test_a_closed_view_still_paints_its_name(view):
    view.close_stage()
    view.close_stage()
    assert (pixels(view)[:30] > 200).any()


def test_meshes_keep_to_their_budget_and_lie_where_the_labels_are(meshed):
    found = surfaces(meshed.anatomy)
    assert sum(len(mesh.fine.triangles) for mesh in found.values()) <= 400_000
    assert sum(len(mesh.drag.triangles) for mesh in found.values()) <= 60_000
    sac = found["sac"].fine.points_mm
    radius = np.hypot(sac[:, 0], sac[:, 1] - 30.0)
    middle = np.abs(sac[:, 2]) < 60
    assert np.median(radius[middle]) == pytest.approx(6.0, abs=0.7)
    normals = found["sac"].fine.normals[middle]
    outward = sac[middle] - [0, 30, 0]
    assert ((normals * outward)[:, :2].sum(axis=1) > 0).mean() > 0.99


def test_a_light_mesh_keeps_thin_bars_whole():
    """Ribs must not vanish while the hand turns the patient."""
    sway = np.linspace(0, np.pi, 200)
    rib = np.stack([120 * np.cos(sway), 90 * np.sin(sway), -20 * sway], axis=1)
    whole = joined([tube(rib, 3.0, 24), tube([[0, 0, -90], [0, 0, 0], [0, 0, 90]], 25.0, 60)])
    light = lighter(whole, 1500)
    assert 750 < len(light.triangles) <= 1500
    corners = light.points_mm[light.triangles]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    for place in rib[2:-2]:
        away = np.linalg.norm(corners.mean(axis=1) - place, axis=1)
        assert (away < 3.0 + sides / 2).any(), f"the bar is broken at {place}"
    assert np.linalg.norm(light.normals, axis=1) == pytest.approx(1.0, abs=1e-4)


def test_surfaces_report_and_can_be_stopped(meshed):
    from planner.progress import Cancelled

    shares = []
    surfaces(meshed.anatomy, lambda share, what: shares.append(share))
    assert shares == sorted(shares) and shares[-1] == 1.0

    def stop(share, what):
        raise Cancelled

    with pytest.raises(Cancelled):
        surfaces(meshed.anatomy, stop)


def test_bone_of_a_scan_without_anatomy(meshed):
    found = surfaces_of_scan(meshed.volume)
    assert set(found) == {"bone", "skin"}
    assert surfaces_of_scan(replace(meshed.volume, modality="MR")) == {}


def test_a_needles_end_is_dragged_on_the_plane_of_the_picture(qtbot, view, meshed):
    view.set_orbit(Orbit((0.0, 0.0, 0.0), 300.0, 30.0, 15.0))
    told = collect(view.needle_dragged)
    before = meshed.needles[0]
    start = np.array(view.orbit.to_screen(before.entry_mm, 420, 400))
    at = QPoint(*np.rint(start).astype(int).tolist())
    azimuth = view.orbit.azimuth_deg
    drag(qtbot, view, at, at + QPoint(30, -20), LEFT)
    index, entry, target, finished = told[-1]
    assert (index, finished) == (0, True)
    assert target == before.target_mm
    assert np.array(view.orbit.to_screen(entry, 420, 400)) - start == pytest.approx([30, -20], abs=0.5)
    # it stays as far from the eye as it was, and the view does not turn
    assert (np.array(entry) - before.entry_mm) @ view.orbit.toward_eye == pytest.approx(0, abs=1e-6)
    assert view.orbit.azimuth_deg == azimuth
