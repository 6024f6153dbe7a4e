"""The VTK side of the 3D view: meshes, lights and a camera in an off-screen window, and the picture of it. Imported late."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import inf
from typing import Any

import numpy as np
import vtkmodules.vtkInteractionStyle
import vtkmodules.vtkRenderingOpenGL2  # noqa: F401 - makes the factories' concrete classes
from numpy.typing import NDArray
from PySide6.QtGui import QImage
from vtkmodules.util.misc import calldata_type
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import VTK_STRING, vtkFloatArray, vtkOutputWindow, vtkPoints, vtkUnsignedCharArray
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkCellPicker, vtkLight, vtkPolyDataMapper, vtkRenderer, vtkRenderWindow

from viewer.orbit import VIEW_ANGLE_DEG, Orbit
from viewer.patch import patch_surface
from viewer.scene import Point, Scene, SceneNeedle, ScenePatch, point
from viewer.standing import Standing
from viewer.surfaces import Mesh, Surface, group_of, joined, tube
from viewer.theme import Theme

_OPACITY = {"skin": 0.16, "canal": 0.22, "lung": 0.18, "kidney": 0.5}
_GHOSTS = {"sac": 0.09, "roots": 0.25, "patch": 0.5, "needles": 0.55, "leaks": 0.7, "canal wall": 0.8, "compartments": 0.5}
"""Inner structures shine through the bone with this opacity, so that nothing that matters is hidden behind it."""
_NEEDLE_MIN_MM = 0.9  # the radius at which a needle is still seen from afar
_HUB_MM = (4.0, 14.0)  # radius and length
_LEAK_MM = 3.0
_BLEND = "volume rendering"
_GIVES_WAY = {"bone": _BLEND, "canal": "canal wall"}
"""What is not drawn while something else shows the same better."""
_GLANCE_PX = 32

messages: list[str] = []
"""What VTK complained about since the program began; tests fail when it is not empty."""


def _listen() -> None:
    @calldata_type(VTK_STRING)
    def heard(_window: Any, _event: str, words: str) -> None:
        messages.append(words)

    window: Any = vtkOutputWindow.GetInstance()
    window.AddObserver("ErrorEvent", heard)
    window.AddObserver("WarningEvent", heard)


_listen()


class Stage:
    """One off-screen render window. It belongs to the thread of the window; `close` it before the program ends."""

    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self._window = vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._window.SetNumberOfLayers(2)
        self._solid, self._ghost = vtkRenderer(), vtkRenderer()
        self._solid.GradientBackgroundOn()
        self._ghost.SetLayer(1)
        self._ghost.SetActiveCamera(self._solid.GetActiveCamera())
        for renderer in (self._solid, self._ghost):
            self._window.AddRenderer(renderer)
            renderer.SetAutomaticLightCreation(False)
            for position, strength in (((-0.5, 0.7, 1.0), 0.78), ((0.9, -0.1, 0.7), 0.30), ((0.0, 0.2, 1.0), 0.12)):
                light = vtkLight()
                light.SetLightTypeToCameraLight()
                light.SetPosition(*position)
                light.SetIntensity(strength)
                renderer.AddLight(light)
        self._bytes, self._depths = vtkUnsignedCharArray(), vtkFloatArray()
        self._kept: dict[int, tuple[Surface, vtkPolyDataMapper]] = {}
        self._fine: set[str] = set()  # structures whose fine mesh the graphics hold
        self._actors: dict[str, list[vtkActor]] = {}
        self._names: dict[vtkActor, str] = {}
        self._meshes: dict[str, Mesh] = {}
        self._volume: Any = None
        self._volume_of: Any = None
        self._patch: ScenePatch | None = None
        self._view: tuple[Orbit, int, int] | None = None  # of the last picture, if nothing but the patch's shape changed since
        self._standing: Standing | None = None
        self._drag = False
        self.drew_all = True
        """Whether the last picture was drawn anew from all that stands here."""
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of a theme."""
        self._theme = theme
        self._view = None
        self._solid.SetBackground2(*theme.rgb("view top"))
        self._solid.SetBackground(*theme.rgb("view bottom"))
        for name, actors in self._actors.items():
            for actor in actors:
                actor.GetProperty().SetColor(*theme.rgb(_meaning(name)))

    def show(self, scene: Scene, before: Scene | None) -> None:
        """Put a scene on the stage; only what differs from the scene before is made anew."""
        changed = scene.changes(before)
        eyes = "hidden" in changed
        if eyes or "surfaces" in changed:
            self._show_surfaces(scene.surfaces or {}, scene)
        if eyes or changed & {"volume", "filled"}:
            self._show_volume(scene)
        if eyes or "patch" in changed:
            self._show_patch(scene.patch if scene.shows("patch") else None)
        if eyes or "needles" in changed:
            self._show_needles(scene.needles if scene.shows("needles") else ())
        if eyes or "leaks" in changed:
            places = [leak.position_mm for leak in scene.leaks] if scene.shows("leaks") else []
            self._put("leaks", [_ball(place, _LEAK_MM) for place in places])

    def _show_surfaces(self, surfaces: Mapping[str, Mesh], scene: Scene) -> None:
        for name in set(self._meshes) - set(surfaces):
            self._drop(name)
        held = {id(surface) for mesh in surfaces.values() for surface in (mesh.fine, mesh.drag)}
        self._kept = {key: value for key, value in self._kept.items() if key in held}
        for name, mesh in surfaces.items():
            if not scene.shows(group_of(name)) or (name in _GIVES_WAY and scene.shows(_GIVES_WAY[name])):
                self._drop(name)
            elif self._meshes.get(name) is not mesh:
                self._drop(name)
                self._put(name, [mesh.drag], keep=True)
                self._meshes[name] = mesh

    def _drop(self, name: str) -> None:
        self._put(name, [])
        self._meshes.pop(name, None)
        self._fine.discard(name)

    def _show_patch(self, patch: ScenePatch | None) -> None:
        """A patch that is there already only changes its shape: its shaders stay, and it can follow a hand on the volume slider."""
        if patch is None or self._patch is None or patch.arrival is not self._patch.arrival:
            self._view = None
        self._patch = patch
        surface = patch_surface(patch, light=self._drag) if patch is not None else None
        standing = self._actors.get("patch")
        if surface is None or not standing:
            self._put("patch", [surface] if surface is not None else [])
        else:
            _shape(standing[0].GetMapper().GetInput(), surface)

    def _show_needles(self, needles: tuple[SceneNeedle, ...]) -> None:
        groups: dict[str, list[Surface]] = {"needles": [], "needles: other": [], "needles: failed": []}
        for needle in needles:
            group = "needles: failed" if needle.ok is False else "needles: other" if needle.role == "other" else "needles"
            groups[group].append(_needle_surface(needle))
        for name, parts in groups.items():
            self._put(name, [joined(parts)] if parts else [])

    def _put(self, name: str, parts: list[Surface], keep: bool = False) -> None:
        """What stands on the stage under a name. keep: it may come again, so the graphics hold on to it."""
        self._view = None
        for actor in self._actors.pop(name, []):
            self._solid.RemoveViewProp(actor)
            self._ghost.RemoveViewProp(actor)
            self._names.pop(actor, None)
        actors = []
        for surface in parts:
            mapper = self._mapper(surface, keep)
            actor = vtkActor()
            actor.SetMapper(mapper)
            self._paint(actor, name)
            self._solid.AddViewProp(actor)
            self._names[actor] = name
            actors.append(actor)
            ghost = _GHOSTS.get(group_of(name))
            if ghost is not None:
                shade = vtkActor()
                shade.SetMapper(mapper)
                self._paint(shade, name)
                shade.GetProperty().SetOpacity(ghost)
                shade.PickableOff()
                self._ghost.AddViewProp(shade)
                actors.append(shade)
        if actors:
            self._actors[name] = actors

    def _paint(self, actor: vtkActor, name: str) -> None:
        look = actor.GetProperty()
        look.SetColor(*self._theme.rgb(_meaning(name)))
        look.SetOpacity(_OPACITY.get(name, 0.35 if name == "needles: other" else 1.0))
        look.SetAmbient(0.12)
        look.SetDiffuse(0.9)
        look.SetSpecular(0.18 if name in ("bone", "sac") else 0.08)
        look.SetSpecularPower(18)
        look.SetBackfaceCulling(name not in ("skin", "lung"))
        look.SetInterpolationToPhong()

    def _mapper(self, surface: Surface, keep: bool) -> vtkPolyDataMapper:
        """What draws a surface; a kept one is handed to the graphics once, however often it is shown."""
        if id(surface) in self._kept:
            return self._kept[id(surface)][1]
        poly = vtkPolyData()
        _shape(poly, surface)
        if surface.light is not None:
            colour = np.array(self._theme.rgb("bone"))
            light = surface.light[:, None]
            # in the shade bone turns warmer, not only darker
            tinted = colour * light ** np.array([0.85, 1.0, 1.2])
            poly.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(np.clip(tinted * 255, 0, 255).astype(np.uint8)), deep=1))
        mapper = vtkPolyDataMapper()
        mapper.SetInputData(poly)
        mapper.SetScalarModeToUsePointData()
        mapper.SetScalarVisibility(surface.light is not None)
        if keep:
            self._kept[id(surface)] = (surface, mapper)
        return mapper

    def _show_volume(self, scene: Scene) -> None:
        wanted = scene.volume if scene.shows(_BLEND) and scene.filled == 1.0 else None
        if wanted is self._volume_of:
            return
        if self._volume is not None:
            self._solid.RemoveViewProp(self._volume)
        self._volume, self._volume_of, self._view = None, wanted, None
        if wanted is not None:
            from viewer.blend import blended

            self._volume = blended(wanted)
            self._solid.AddViewProp(self._volume)

    def refine(self) -> bool:
        """Hand one more fine mesh to the graphics, small ones first: the largest takes a tenth of a second. False: there is none left."""
        left = [name for name in self._meshes if name not in self._fine]
        if not left:
            return False
        name = min(left, key=lambda one: len(self._meshes[one].fine.triangles))
        self._fine.add(name)
        self._wear(name, fine=True)
        self._window.SetSize(_GLANCE_PX, _GLANCE_PX)  # the meshes are handed over while a picture is made, however small
        self._window.Render()
        self._wear(name, fine=not self._drag)
        return True

    def _wear(self, name: str, fine: bool) -> None:
        self._view = None
        mesh = self._meshes[name]
        mapper = self._mapper(mesh.fine if fine else mesh.drag, keep=True)
        for actor in self._actors.get(name, []):
            actor.SetMapper(mapper)

    def set_dragging(self, drag: bool) -> None:
        """The light meshes while the hand moves; when it rests the fine ones, as far as `refine` has handed them over."""
        if drag == self._drag:
            return
        self._drag = drag
        for name in self._fine:
            self._wear(name, fine=not drag)
        if self._patch is not None:
            self._show_patch(self._patch)
        if self._volume is not None:
            from viewer.blend import set_quick

            set_quick(self._volume, drag)

    def look(self, orbit: Orbit) -> None:
        """Put the eye where an orbit says."""
        camera = self._solid.GetActiveCamera()
        camera.SetViewAngle(VIEW_ANGLE_DEG)
        camera.SetFocalPoint(*orbit.focus_mm)
        camera.SetPosition(*orbit.eye_mm)
        camera.SetViewUp(*orbit.up)
        self._solid.ResetCameraClippingRange()
        near, far = camera.GetClippingRange()
        self._ghost.ResetCameraClippingRange()
        ghost_near, ghost_far = camera.GetClippingRange()
        camera.SetClippingRange(max(1.0, min(near, ghost_near)), max(far, ghost_far))

    def picture(self, orbit: Orbit, width: int, height: int) -> QImage:
        """The stage as an RGB picture of device pixels.

        While a hand drags and nothing but the patch's shape has changed since the last picture, only the patch is drawn anew.
        """
        self._window.SetSize(width, height)
        view, patch = (orbit, width, height), self._patch
        self.drew_all = not (self._drag and self._view == view and self._volume is None and patch and self._actors.get("patch"))
        if self.drew_all or patch is None:
            self._standing = None
            self.look(orbit)
            rows = self._drawn()
        else:
            self._standing = self._standing or self._without_patch(orbit, patch)
            rows = self._with_patch(self._standing)
        self._view = view
        upright = np.ascontiguousarray(rows[::-1])
        return QImage(upright.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()

    def _drawn(self, channels: int = 3) -> NDArray[np.uint8]:
        """What the window draws now as RGB or RGBA, the lowest row first."""
        width, height = self._window.GetSize()
        read = self._window.GetPixelData if channels == 3 else self._window.GetRGBACharPixelData
        self._window.Render()
        read(0, 0, width - 1, height - 1, 0, self._bytes, 0)
        return vtk_to_numpy(self._bytes).reshape(height, width, channels).copy()

    def _drawn_solid(self, names: Collection[str]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Colours and depths of these structures alone, without what shines through."""
        width, height = self._window.GetSize()
        for actor, name in self._names.items():
            actor.SetVisibility(name in names)
        self._ghost.SetDraw(False)
        colours = self._drawn()
        self._window.GetZbufferData(0, 0, width - 1, height - 1, self._depths)
        self._ghost.SetDraw(True)
        for actor in self._names:
            actor.SetVisibility(True)
        return colours, vtk_to_numpy(self._depths).reshape(height, width).copy()

    def _drawn_shining(self) -> NDArray[np.uint8]:
        """What shines through, alone: premultiplied RGBA."""
        for actor in self._names:
            actor.SetVisibility(False)
        self._solid.GradientBackgroundOff()
        self._solid.SetBackground(0.0, 0.0, 0.0)
        shining = self._drawn(channels=4)
        self._solid.SetBackground(*self._theme.rgb("view bottom"))
        self._solid.GradientBackgroundOn()
        for actor in self._names:
            actor.SetVisibility(True)
        return shining

    def _without_patch(self, orbit: Orbit, patch: ScenePatch) -> Standing:
        self.look(orbit)
        camera = self._solid.GetActiveCamera()
        near, far = camera.GetClippingRange()
        corners_mm = patch.arrival.corners_mm(inf)  # it may grow
        if corners_mm is not None:
            reach_mm = (orbit.eye_mm - corners_mm) @ orbit.toward_eye
            near, far = max(1.0, min(near, float(reach_mm.min()))), max(far, float(reach_mm.max()))
        camera.SetClippingRange(near, far)
        return Standing(*self._drawn_solid(self._actors.keys() - {"patch"}), (near, far))

    def _with_patch(self, standing: Standing) -> NDArray[np.uint8]:
        self._solid.GetActiveCamera().SetClippingRange(*standing.clipping_mm)
        patch = self._drawn_solid({"patch", *_OPACITY})  # what is clear tints a patch behind it
        return standing.under(*patch, self._drawn_shining())

    def pick(self, orbit: Orbit, x: float, y: float, width: int, height: int) -> tuple[str, Point] | None:
        """The structure and the LPS point under a place of the picture (device pixels from its upper left)."""
        self._window.SetSize(width, height)
        self.look(orbit)
        picker = vtkCellPicker()
        picker.SetTolerance(0.0005)
        if not picker.Pick(x, height - 1 - y, 0, self._solid):
            return None
        actor = picker.GetActor()
        return self._names.get(actor, "bone"), point(picker.GetPickPosition())

    def close(self) -> None:
        """Let go of everything that the graphics hold. The stage cannot be used after it."""
        self._actors.clear()
        self._names.clear()
        self._meshes.clear()
        self._fine.clear()
        self._kept.clear()
        self._volume = None
        for renderer in (self._solid, self._ghost):
            renderer.RemoveAllViewProps()
            renderer.RemoveAllLights()
            self._window.RemoveRenderer(renderer)
        self._window.Finalize()


def _shape(poly: vtkPolyData, surface: Surface) -> None:
    """Give a mesh of the graphics the shape of a surface."""
    points = vtkPoints()
    points.SetData(numpy_to_vtk(surface.points_mm))
    cells = vtkCellArray()
    cells.SetData(3, numpy_to_vtkIdTypeArray(surface.triangles.astype(np.int64).ravel(), deep=1))
    poly.SetPoints(points)
    poly.SetPolys(cells)
    poly.GetPointData().SetNormals(numpy_to_vtk(surface.normals))


_MEANINGS = {
    "needles": "needle", "needles: other": "needle other", "needles: failed": "needle failed", "leaks": "leak", "discs": "cord",
    "compartments: ventral": "ventral space", "compartments: dorsal": "dorsal space",
    "compartments: left recess": "recess", "compartments: right recess": "recess",
    "compartments: left foramen": "wall foramen", "compartments: right foramen": "wall foramen",
    "canal wall: bone": "canal", "canal wall: ligamentum flavum": "ligamentum flavum", "canal wall: foramen": "wall foramen",
    "canal wall: interlaminar window": "wall window", "canal wall: disc": "wall disc",
    "canal wall: vertebral body": "wall body", "canal wall: metal": "wall metal",
    "canal wall: open arch": "wall open arch", "canal wall: drawn by hand": "wall other", "canal wall: label map": "wall other",
}  # fmt: skip
"""The colours of what is not called by its own name."""


def _meaning(name: str) -> str:
    return _MEANINGS.get(name, name)


def _needle_surface(needle: SceneNeedle) -> Surface:
    entry, target = np.array(needle.entry_mm), np.array(needle.target_mm)
    length = float(np.linalg.norm(target - entry))
    along = (target - entry) / length if length > 1e-6 else np.array([0.0, -1.0, 0.0])
    target = entry + max(length, 0.1) * along
    radius = max(_NEEDLE_MIN_MM, needle.outer_mm / 2)
    shaft = tube(np.stack([entry, target - 2 * radius * along, target]), np.array([radius, radius, radius * 0.3]), 14)
    if needle.role == "other":
        return shaft
    hub = tube(np.stack([entry - _HUB_MM[1] * along, entry]), _HUB_MM[0], 20)
    return joined([shaft, hub])


def _ball(centre_mm: Point, radius_mm: float) -> Surface:
    angles = np.linspace(0, np.pi, 13)
    path = np.array(centre_mm) - radius_mm * np.cos(angles)[:, None] * np.array([0.0, 0.0, 1.0])
    surface = tube(path, np.maximum(radius_mm * np.sin(angles), 1e-3), 20)
    outward = surface.points_mm - np.array(centre_mm, dtype=np.float32)
    return Surface(surface.points_mm, surface.triangles, outward / np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9))
