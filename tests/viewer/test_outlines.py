"""What of an outline was seen and what was not, and the marks of the vertebrae."""

from dataclasses import replace

import numpy as np
from PySide6.QtGui import QImage, QPainterPath
from pytestqt.qtbot import QtBot

from planner.anatomy import labels
from planner.anatomy.spine import ANGLES, Anatomy, Canal, Lamina, Landmarks, Pedicle, SacSections
from planner.geometry import Floats, Frame, Volume
from viewer.certainty import modelled_parts, runs_of
from viewer.outlines import outlines_on
from viewer.pictures import slice_picture
from viewer.pose import Pose, standard_plane
from viewer.scene import Scene

FRAME = Frame.axial((41, 61, 61), (1.0, 1.0, 1.0), (-30.0, -30.0, -20.0))


def pipe() -> Anatomy:
    """A straight canal of radius 12 with a sac of radius 8: the canal's left was bridged, the sac's back was modelled."""
    n = 41
    line = np.stack([np.zeros(n), np.zeros(n), np.linspace(20.0, -20.0, n)], axis=1)
    left, back = np.tile([1.0, 0, 0], (n, 1)), np.tile([0, 1.0, 0], (n, 1))
    turn = np.arange(ANGLES) * 360.0 / ANGLES
    bridged = np.tile((turn < 60) | (turn > 300), (n, 1))
    canal = Canal(line, left, back, np.full((n, ANGLES), 12.0), bridged, np.full(n, 452.0), np.full(n, 0.9))
    y, x = np.meshgrid(np.arange(-30.0, 31.0), np.arange(-30.0, 31.0), indexing="ij")
    plane = np.full(y.shape, labels.SOFT_TISSUE, dtype=np.uint8)
    plane[np.hypot(x, y) <= 12.0] = labels.EPIDURAL_SPACE
    plane[np.hypot(x, y) <= 8.0] = labels.THECAL_SAC
    seen = np.tile(~((turn > 45) & (turn < 135)), (n, 1))
    sac = SacSections(np.full((n, ANGLES), 8.0), seen, np.zeros((n, ANGLES)), np.zeros(n, dtype=np.bool_))
    marks = Landmarks(
        "L3", (Pedicle("L3", "left", (20.0, -5.0, 0.0), (0.0, -1.0, 0.0), 9.0, 14.0, 0.9),), (),
        (Lamina("left", (6.0, 14.0, 0.0), None),), (0.0, 25.0, 0.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0),
    )  # fmt: skip
    return Anatomy(FRAME, "CT", np.tile(plane, (n, 1, 1)), {}, canal, (), (), (), (), None, sac=sac, landmarks=(marks,))


def axial(anatomy: Anatomy) -> dict[str, tuple[Floats, Floats | None]]:
    """(seen, modelled) points of each outline in the axial plane z = 0, which are mm to the left and to the back."""
    pose = Pose(standard_plane("axial"), (0.0, 0.0), 0.0, 5.0, 300, 300)

    def points(path: QPainterPath) -> Floats:
        return np.array([(path.elementAt(n).x, path.elementAt(n).y) for n in range(path.elementCount())]).reshape(-1, 2)

    outlines = outlines_on(anatomy, pose)
    plane = pose.plane
    turned = np.array([plane.right[:2], plane.down[:2]])
    return {
        name: (points(one.seen) @ turned, None if one.modelled is None else points(one.modelled) @ turned) for name, one in outlines.items()
    }


def test_the_bridged_side_of_the_canal_is_apart_from_what_was_seen() -> None:
    seen, bridged = axial(pipe())["canal"]
    assert bridged is not None
    assert np.hypot(*bridged.T).min() > 11.0
    assert bridged[:, 0].min() > 4.0  # on the left
    assert seen[:, 0].max() < 8.0
    assert len(seen) > len(bridged)


def test_the_modelled_back_of_the_sac_is_apart_from_what_was_seen() -> None:
    seen, modelled = axial(pipe())["sac"]
    assert modelled is not None
    assert modelled[:, 1].min() > 4.0  # behind
    assert seen[:, 1].max() < 7.0


def test_without_sections_a_sac_is_of_one_kind() -> None:
    assert axial(replace(pipe(), sac=None))["sac"][1] is None
    assert modelled_parts(pipe(), "cord", np.zeros((3, 3))) is None


def test_stretches_of_a_closed_line_join_over_its_start() -> None:
    assert runs_of(np.array([True, False, False, True])) == [(1, 3, False), (3, 5, True)]
    assert runs_of(np.array([False, False])) == [(0, 2, False)]


def picture(hidden: frozenset[str]) -> QImage:
    volume = Volume(FRAME, np.zeros(FRAME.shape, dtype=np.int16))
    scene = Scene(volume=volume, anatomy=pipe(), hidden=hidden)
    return slice_picture(scene, "axial", (0.0, 0.0, 0.0), (300, 300), width_mm=60.0, ratio=1.0)


def green(image: QImage) -> int:
    """Pixels of the colour of landmarks, however thin their lines."""
    colours = (image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height()))
    return sum(one.green() > one.red() + 30 and one.green() > one.blue() + 15 for one in colours)


def test_landmarks_are_drawn_only_when_they_are_switched_on(qtbot: QtBot) -> None:
    shown, hidden = picture(frozenset()), picture(frozenset({"landmarks"}))
    assert green(shown) > 30
    assert green(hidden) == 0
    assert Scene().shows("landmarks") is False  # until somebody asks for them
