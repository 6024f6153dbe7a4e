"""The pictures of the sheet, drawn by the viewer at print size from the same plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QBuffer, QByteArray, QIODevice
from PySide6.QtGui import QImage

from app.report.sheet import Picture
from planner.case.derive import Plan
from planner.geometry import Volume
from planner.progress import Progress, silent
from viewer.pictures import needle_picture, scene_picture, slice_picture
from viewer.scene import Scene, SceneNeedle, ScenePatch

if TYPE_CHECKING:
    from viewer.surfaces import Mesh

_PAIR_PX = (353, 220)  # two beside each other on the page
_SHARP = 3.0  # 300 dots an inch at that size
_AROUND_MM = 150.0


def site_pictures(scene: Scene, plan: Plan, index: int) -> tuple[Picture, ...]:
    """The two pictures of a card: along the needle and sagittal through its target; around the leak where there is no needle."""
    used = plan.sites[index].used
    if used is None:
        leak = plan.sites[index].site.leak.position_mm
        return (
            _picture("Axial through the leak", slice_picture(scene, "axial", leak, _PAIR_PX, width_mm=_AROUND_MM, ratio=_SHARP, title="")),
            _picture(
                "Sagittal through the leak", slice_picture(scene, "sagittal", leak, _PAIR_PX, width_mm=_AROUND_MM, ratio=_SHARP, title="")
            ),
        )
    needle = SceneNeedle.of(used, number=index + 1)
    options: dict[str, Any] = {"ratio": _SHARP, "title": ""}
    return (
        _picture("In the needle's plane", needle_picture(scene, needle, _PAIR_PX, **options)),
        _picture("Sagittal through the target", slice_picture(scene, "sagittal", used.target_mm, _PAIR_PX, width_mm=_AROUND_MM, **options)),
    )


def more_pictures(scene: Scene, plan: Plan) -> tuple[Picture, ...]:
    """Axial and coronal through each target, and the whole in space where its surfaces are there."""
    made = []
    options: dict[str, Any] = {"ratio": _SHARP, "title": ""}
    for index, site in enumerate(plan.sites):
        number = f" {index + 1}" if len(plan.sites) > 1 else ""
        if site.used is not None:
            at = site.used.target_mm
            made.append(
                _picture(f"Axial through the target{number}", slice_picture(scene, "axial", at, _PAIR_PX, width_mm=_AROUND_MM, **options))
            )
            made.append(
                _picture(
                    f"Coronal through the target{number}", slice_picture(scene, "coronal", at, _PAIR_PX, width_mm=_AROUND_MM, **options)
                )
            )
    if scene.surfaces is not None:
        for direction, words in (("standard", "From behind, from the side"), ("behind", "From straight behind")):
            made.append(_picture(words, scene_picture(scene, direction, _PAIR_PX, ratio=_SHARP, furnished=False)))
    return tuple(made)


def scene_of(plan: Plan, volume: Volume, surfaces: Mapping[str, Mesh] | None, watermark: str) -> Scene:
    """What the pictures show: the scan with anatomy, leaks, needles in use and the patch at the planned total."""
    used = [(number, site) for number, site in enumerate(plan.sites, start=1) if site.used is not None]
    dose = sum(site.blood_ml + site.fibrin_ml for _, site in used)
    return Scene(
        volume=volume,
        anatomy=plan.anatomy,
        leaks=tuple(site.site.leak for site in plan.sites),
        needles=tuple(SceneNeedle.of(site.used, number=number, outer_mm=site.needle.outer_mm) for number, site in used if site.used),
        patch=None if plan.forecast is None else ScenePatch.of(plan.forecast, dose),
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
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    buffer.close()
    return Picture(caption, bytes(data.data()), image.width(), image.height())
