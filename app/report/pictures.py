"""The pictures of the sheet, drawn by the viewer at print size from the same plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QBuffer, QByteArray, QIODevice
from PySide6.QtGui import QImage, QImageWriter

from app.report.sheet import Picture
from planner.case.derive import Plan
from planner.geometry import Volume
from planner.progress import Progress, silent
from viewer.pictures import needle_picture, scene_picture, slice_picture
from viewer.pose import PlaneName
from viewer.scene import Point, Scene, SceneNeedle, ScenePatch, point

if TYPE_CHECKING:
    from viewer.surfaces import Mesh

_PAIR_PX = (353, 180)  # two beside each other on the page
_SHARP = 3.0  # 300 dots an inch at that size
_AROUND_MM = 150.0
_IN_SPACE_MM = 190.0


def site_pictures(scene: Scene, plan: Plan, index: int) -> tuple[Picture, ...]:
    """The two pictures of a card: along the needle and sagittal through its target; around the leak where there is no needle."""
    used = plan.sites[index].used
    if used is None:
        leak = plan.sites[index].site.leak.position_mm
        return _slice(scene, "axial", leak, "Axial at the leak"), _slice(scene, "sagittal", leak, "Sagittal at the leak")
    scene = _only(scene, index + 1)  # the needles of other cards would only confuse
    words = "In the needle's plane"
    along = needle_picture(scene, SceneNeedle.of(used, number=index + 1), _PAIR_PX, ratio=_SHARP, title=words)
    return _picture(words, along), _slice(scene, "sagittal", used.target_mm, "Sagittal at the tip")


def more_pictures(scene: Scene, plan: Plan) -> tuple[Picture, ...]:
    """Axial and coronal through each target, and the whole in space where its surfaces are there."""
    made = []
    for index, site in enumerate(plan.sites):
        number = f" {index + 1}" if len(plan.sites) > 1 else ""
        if site.used is not None:
            alone = _only(scene, index + 1)
            made.append(_slice(alone, "axial", site.used.target_mm, f"Axial at the tip{number}"))
            made.append(_slice(alone, "coronal", site.used.target_mm, f"Coronal at the tip{number}"))
    if scene.surfaces is not None and plan.sites:
        places = np.array([site.used.target_mm if site.used else site.site.leak.position_mm for site in plan.sites])
        centre, height = point((places.min(axis=0) + places.max(axis=0)) / 2), _IN_SPACE_MM + float(np.ptp(places[:, 2]))
        for direction in ("standard", "behind"):
            picture = scene_picture(scene, direction, _PAIR_PX, centre_mm=centre, height_mm=height, ratio=_SHARP)
            made.append(_picture(f"In space, from {direction}", picture))
    return tuple(made)


def _only(scene: Scene, number: int) -> Scene:
    return replace(scene, needles=tuple(needle for needle in scene.needles if needle.number == number))


def _slice(scene: Scene, plane: PlaneName, at_mm: Point, words: str) -> Picture:
    return _picture(words, slice_picture(scene, plane, at_mm, _PAIR_PX, width_mm=_AROUND_MM, ratio=_SHARP, title=words))


def scene_of(plan: Plan, volume: Volume, surfaces: Mapping[str, Mesh] | None, watermark: str) -> Scene:
    """What the pictures show: the scan with anatomy, leaks, needles in use and the patch at the planned total."""
    used = [(number, site) for number, site in enumerate(plan.sites, start=1) if site.used is not None]
    return Scene(
        volume=volume,
        anatomy=plan.anatomy,
        leaks=tuple(site.site.leak for site in plan.sites),
        needles=tuple(SceneNeedle.of(site.used, number=number, outer_mm=site.needle.outer_mm) for number, site in used if site.used),
        patch=None if plan.forecast is None else ScenePatch.of(plan.forecast, plan.planned_ml),
        surfaces=surfaces,
        watermark=watermark.lower(),
    )


def surfaces_of(plan: Plan, progress: Progress = silent) -> Mapping[str, Mesh]:
    """The surfaces for the picture in space."""
    from viewer.surfaces import surfaces

    return surfaces(plan.anatomy, progress)


def _picture(caption: str, image: QImage) -> Picture:
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    QImageWriter(buffer, QByteArray(b"PNG")).write(image)
    buffer.close()
    return Picture(caption, bytes(data.data()), image.width(), image.height())
