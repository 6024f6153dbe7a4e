"""How the canal is divided, on slices and in space: colours where they belong, a legend where there is room."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from planner.anatomy.bridges import BONE, FORAMEN
from planner.anatomy.compartments import COMPARTMENTS, compartments
from planner.anatomy.spine import Anatomy
from planner.geometry import Volume
from tests.viewer.conftest import rgb
from tests.viewer.test_outlines import FRAME, pipe
from viewer.divided import SPACE, WALL, WALL_STYLES, Entry, space_legend, wall_on
from viewer.divided_surfaces import space_surfaces, wall_surfaces
from viewer.pictures import scene_picture, slice_picture
from viewer.pose import Pose, standard_plane
from viewer.scene import HIDDEN_AT_FIRST, Scene
from viewer.surfaces import group_of
from viewer.theme import theme

DARK = theme("dark")


def told() -> Anatomy:
    """The pipe with all of its bridge over one foramen."""
    known = pipe()
    kinds = np.where(known.canal.bridged, FORAMEN, BONE).astype(np.uint8)
    return replace(known, canal=replace(known.canal, bridge=kinds))


def scene(*shown: str, hidden: str = "") -> Scene:
    """The pipe, whose canal's left is bridged over a foramen, on a black scan."""
    volume = Volume(FRAME, np.full(FRAME.shape, -1000, dtype=np.int16))
    anatomy = told()
    return Scene(volume, anatomy, HIDDEN_AT_FIRST - set(shown) | set(hidden.split()), compartments=compartments(anatomy))


def picture(one: Scene, size: int = 300) -> QImage:
    return slice_picture(one, "axial", (0.0, 0.0, 0.0), (size, size), width_mm=60.0, ratio=1.0)


def colour_at(image: QImage, left_mm: float, back_mm: float) -> QColor:
    """At a place of the patient: the view is 60 mm wide, its left is the patient's right."""
    scale = image.width() / 60.0
    return image.pixelColor(round(image.width() / 2 + left_mm * scale), round(image.height() / 2 + back_mm * scale))


def count_of(image: QImage, meaning: str, within: int = 60) -> int:
    colour = DARK.colour(meaning)
    return int((np.abs(rgb(image).astype(int) - (colour.red(), colour.green(), colour.blue())).sum(axis=-1) < within).sum())


def test_the_wall_has_the_colour_of_what_it_is_made_of(qtbot: QtBot) -> None:
    plain, by_kind = picture(scene()), picture(scene(WALL))
    assert count_of(plain, "wall foramen") == 0
    _, xs = np.nonzero(np.abs(rgb(by_kind).astype(int) - rgb_of("wall foramen")).sum(axis=-1) < 60)
    assert len(xs) > 60
    assert xs.min() > 150 + 12 * 5 * 0.45  # on the patient's left, which is right on the screen
    assert count_of(by_kind, "canal") > 0.5 * count_of(plain, "canal")


def rgb_of(meaning: str) -> tuple[int, int, int]:
    colour = DARK.colour(meaning)
    return colour.red(), colour.green(), colour.blue()


def test_the_wall_is_shown_by_kind_without_its_plain_outline(qtbot: QtBot) -> None:
    """Else a full line would lie under the dashes."""
    bridged_only = replace(pipe(), canal=replace(pipe().canal, bridged=np.ones_like(pipe().canal.bridged)))
    shown = picture(replace(scene(WALL), anatomy=bridged_only))
    assert count_of(shown, "canal") == 0


def test_each_part_of_the_wall_keeps_its_place() -> None:
    found = wall_on(told(), Pose(standard_plane("axial"), (0.0, 0.0), 0.0, 5.0, 300, 300))
    assert list(found) == [BONE, FORAMEN]
    box = found[FORAMEN].boundingRect()
    assert box.left() > 4.0 and box.right() == pytest.approx(12.0, abs=0.8)


def test_no_two_kinds_of_bridge_look_alike_without_their_colours() -> None:
    dashes = [style[1] for style in WALL_STYLES[2:7]]
    assert len(set(dashes)) == len(dashes) and () not in dashes


def test_compartments_are_filled_around_the_sac(qtbot: QtBot) -> None:
    off, on = picture(scene()), picture(scene(SPACE))
    for place, meaning in (
        ((0.0, 10.0), "dorsal space"),
        ((0.0, -10.0), "ventral space"),
        ((10.0, 0.0), "recess"),
        ((-10.0, 0.0), "recess"),
    ):
        assert colour_at(off, *place).value() < 40
        assert abs(colour_at(on, *place).hue() - DARK.colour(meaning).hue()) < 8, meaning
    assert colour_at(on, 0.0, 0.0).value() < 40  # the sac


def test_left_and_right_are_one_line_of_the_legend() -> None:
    legend = space_legend(range(len(COMPARTMENTS)))
    assert [one.words for one in legend] == ["ventral", "dorsal", "recess", "foramen"]
    assert all(isinstance(one, Entry) and one.filled for one in legend)


@pytest.mark.parametrize(("size", "has_legend"), [(300, False), (520, True)])
def test_a_slice_has_a_legend_where_there_is_room(qtbot: QtBot, size: int, has_legend: bool) -> None:
    one = scene(WALL, hidden="canal sac")
    corner = rgb(picture(one, size)).astype(int)[size // 2 + 60 :, : size // 3]
    bare = rgb(picture(replace(one, hidden=one.hidden | {WALL}), size)).astype(int)[size // 2 + 60 :, : size // 3]
    assert (np.abs(corner - bare).sum() > 2000) == has_legend


def test_surfaces_of_the_wall_cover_it_once_and_end_where_a_kind_ends(qtbot: QtBot) -> None:
    anatomy = told()
    made = wall_surfaces(anatomy.canal)
    assert set(made) == {"canal wall: bone", "canal wall: foramen"} and {group_of(name) for name in made} == {WALL}
    for detail in ("fine", "drag"):
        area = {name: area_mm2(getattr(mesh, detail)) for name, mesh in made.items()}
        assert sum(area.values()) == pytest.approx(2 * np.pi * 12.0 * 40.0, rel=0.02)
        assert area["canal wall: foramen"] / sum(area.values()) == pytest.approx(anatomy.canal.bridged.mean(), abs=0.03)
    foramen = made["canal wall: foramen"].fine
    assert foramen.points_mm[:, 0].min() > 4.0
    assert (foramen.normals * foramen.points_mm)[:, :2].sum(axis=1).min() > 0  # outward


def area_mm2(surface: object) -> float:
    a, b, c = np.moveaxis(surface.points_mm[surface.triangles], 1, 0)  # type: ignore[attr-defined]
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def test_in_space_the_kinds_shine_through_with_a_legend(qtbot: QtBot) -> None:
    one = scene(WALL, SPACE)
    assert one.compartments is not None and one.anatomy is not None
    surfaces = {**wall_surfaces(one.anatomy.canal), **space_surfaces(one.compartments)}
    assert {name for name in surfaces if group_of(name) == SPACE} == {f"compartments: {name}" for name in COMPARTMENTS[:4]}
    with_surfaces = replace(one, surfaces=surfaces, hidden=one.hidden | {SPACE})
    shown = scene_picture(with_surfaces, "left", (400, 300), ratio=1.0)
    none = scene_picture(replace(with_surfaces, hidden=HIDDEN_AT_FIRST), "left", (400, 300), ratio=1.0)
    left_hue = DARK.colour("wall foramen").hue()
    middle = shown.pixelColor(200, 150)
    assert abs(middle.hue() - left_hue) < 12 and middle.saturation() > 80
    assert none.pixelColor(200, 150).saturation() < 120
    legend = np.abs(rgb(shown).astype(int) - rgb(none).astype(int))[190:260, 260:395]
    assert (legend.sum(axis=-1) > 60).mean() > 0.05
