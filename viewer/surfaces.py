"""Surfaces of structures from label maps, as plain arrays: one for the still picture, a light one for dragging. For a background thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.anatomy import labels as codes
from planner.progress import Progress, silent

if TYPE_CHECKING:
    from planner.anatomy.spine import Anatomy
    from planner.geometry import Frame, Volume

SHOWN: Mapping[str, tuple[int, ...]] = {
    "bone": codes.BONE,
    "discs": codes.DISCS,
    "canal": codes.CANAL,
    "sac": (codes.THECAL_SAC, codes.SPINAL_CORD),
    "roots": (codes.NERVE_ROOT, codes.GANGLION),
    "aorta": (codes.AORTA,),
    "vena cava": (codes.VENA_CAVA,),
    "kidney": (codes.KIDNEY,),
    "lung": (codes.LUNG,),
    "skin": tuple(range(1, 256)),
}
"""Structures that have a surface, with their codes."""

# triangles of the still picture and while dragging: all structures together stay under 220,000 and 60,000, so that software OpenGL on
# two cores never holds the window for 0.2 s
_BUDGET = {"bone": (140_000, 30_000), "sac": (16_000, 4_000), "canal": (14_000, 4_000), "discs": (10_000, 3_000), "skin": (12_000, 3_000)}
_BUDGET_OTHER = (6_000, 1_400)
_PROBE_MM = 3.0  # the spacing at which a structure's size in triangles is first tried
_FINEST_MM = 0.7
_SHADOW_MM = 5.0  # how far around a place bone darkens it
_SPECK_ML = 0.4  # smaller pieces of bone are noise
_BONE_HU = 220.0
_SKIN_HU = -300.0


@dataclass(frozen=True, eq=False)
class Surface:
    """points_mm: (n, 3) float32 LPS; triangles: (m, 3) int32, outside seen anticlockwise; normals: (n, 3) float32 outward;
    light: (n,) float32 0..1, how open the place is, or None."""

    points_mm: NDArray[np.float32]
    triangles: NDArray[np.int32]
    normals: NDArray[np.float32]
    light: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Mesh:
    """A structure at two levels of detail."""

    fine: Surface
    drag: Surface


Mask = Callable[[tuple[slice, slice, slice]], NDArray[np.bool_]]


def surfaces(anatomy: Anatomy, progress: Progress = silent) -> dict[str, Mesh]:
    """A mesh of every structure of SHOWN that the label map holds; roots as tubes along their paths where those are known."""
    present = np.flatnonzero(np.bincount(anatomy.labels[::2, ::2, ::2].ravel(), minlength=256))
    meshes = {}
    for done, (name, wanted) in enumerate(SHOWN.items()):
        progress(done / len(SHOWN), "Drawing surfaces")
        if name == "roots" and anatomy.roots:
            tubes = [tube(root.path_mm, np.maximum(root.radius_mm, 0.9), 10) for root in anatomy.roots if len(root.path_mm) > 1]
            thin = [tube(root.path_mm[::3], np.maximum(root.radius_mm[::3], 0.9), 6) for root in anatomy.roots if len(root.path_mm) > 6]
            meshes[name] = Mesh(joined(tubes), joined(thin or tubes))
            continue
        held = tuple(code for code in wanted if code in present)
        if held:
            mesh = mesh_of(anatomy.frame, _mask_of(anatomy, held), name)
            if mesh is not None:
                meshes[name] = mesh
    progress(1.0, "Drawing surfaces")
    return meshes


def group_of(name: str) -> str:
    """The structure that a surface belongs to, which is switched on or off as a whole: `canal wall` for `canal wall: foramen`."""
    return name.partition(": ")[0]


def surfaces_of_scan(volume: Volume, progress: Progress = silent) -> dict[str, Mesh]:
    """Bone and skin of a CT by their values alone, for the time before the anatomy is known; nothing for other modalities."""
    if volume.modality != "CT":
        return {}
    meshes = {}
    for done, (name, threshold) in enumerate((("bone", _BONE_HU), ("skin", _SKIN_HU))):
        progress(done / 2, "Drawing surfaces")
        mesh = mesh_of(volume.frame, _above(volume, threshold), name)
        if mesh is not None:
            meshes[name] = mesh
    progress(1.0, "Drawing surfaces")
    return meshes


def _mask_of(anatomy: Anatomy, held: tuple[int, ...]) -> Mask:
    return lambda box: anatomy.mask(held, box)


def _above(volume: Volume, threshold_hu: float) -> Mask:
    stored = volume.to_stored(threshold_hu)
    return lambda box: volume.voxels[box] > stored


def mesh_of(frame: Frame, mask: Mask, name: str) -> Mesh | None:
    """A mesh of a mask, given by its parts in boxes of a frame's voxels; None where it is empty. name: the structure, for how fine."""
    box = _box(frame, mask)
    if box is None:
        return None
    fine, drag = _BUDGET.get(name, _BUDGET_OTHER)
    surface = _within_budget(frame, mask, box, name, fine)
    return Mesh(surface, lighter(surface, drag)) if surface is not None else None


def lighter(surface: Surface, budget: int) -> Surface:
    """A surface of at most `budget` triangles: points of one cube become one point, with cubes as small as the budget lets them be.

    A thin bar becomes a coarse one but never breaks, as it does where the structure itself is contoured on a coarser grid.
    After Rossignac and Borrel, Multi-resolution 3D approximations, 1993.
    """
    if len(surface.triangles) <= budget:
        return surface
    sides = np.linalg.norm(np.diff(surface.points_mm[surface.triangles[:, :2]], axis=1), axis=2)
    cube_mm = 0.8 * float(np.median(sides)) * float(np.sqrt(len(surface.triangles) / budget))
    while True:
        found = _clustered(surface, cube_mm)
        share = len(found.triangles) / budget
        if share <= 1:
            return found
        cube_mm *= max(1.04, float(np.sqrt(share)))


def _clustered(surface: Surface, cube_mm: float) -> Surface:
    """A surface with one point in the middle of all points of a cube."""
    cubes = np.floor((surface.points_mm - surface.points_mm.min(axis=0)) / cube_mm).astype(np.int64)
    wide = cubes.max(axis=0) + 1
    _, cluster, count = np.unique((cubes[:, 0] * wide[1] + cubes[:, 1]) * wide[2] + cubes[:, 2], return_inverse=True, return_counts=True)

    def mean(values: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.bincount(cluster, values, len(count)) / count

    points, normals = (np.stack([mean(part) for part in whole.T], axis=1) for whole in (surface.points_mm, surface.normals))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    triangles = cluster[surface.triangles].astype(np.int32)
    a, b, c = triangles.T
    triangles = triangles[(a != b) & (b != c) & (c != a)]
    light = None if surface.light is None else mean(surface.light).astype(np.float32)
    return Surface(points.astype(np.float32), triangles, normals.astype(np.float32), light)


def _within_budget(frame: Frame, mask: Mask, box: tuple[slice, slice, slice], name: str, budget: int) -> Surface | None:
    """The finest surface of at most `budget` triangles; a try at a few millimetres tells how many there are."""
    best: Surface | None = None
    spacing_mm = _PROBE_MM
    for _ in range(8):
        field, step = _field(frame, mask, box, spacing_mm, name)
        surface = _contour(field, frame, box, step)
        if surface is None:  # thinner than this grid can see
            if best is not None or spacing_mm <= _FINEST_MM:
                return best
            spacing_mm = max(_FINEST_MM, spacing_mm / 3)
            continue
        share = len(surface.triangles) / budget
        if best is None or len(best.triangles) > budget or 1 >= share > len(best.triangles) / budget:
            best = _lit(surface, field, frame, box, step) if name == "bone" else surface
        # whole voxels are put together, so a small change of the spacing may change nothing
        wanted = max(_FINEST_MM, spacing_mm * float(np.sqrt(share)) * (1.15 if share > 1 else 1.03))
        if share <= 1 and wanted > 0.85 * spacing_mm:
            return best
        if share <= 1 and spacing_mm != _PROBE_MM:
            return best  # the one before was too fine
        spacing_mm = wanted
    return best


def _box(frame: Frame, mask: Mask) -> tuple[slice, slice, slice] | None:
    """A box round the mask with two voxels to spare, found on every second slice."""
    low, high = np.array(frame.shape), np.full(3, -1)
    for k in range(0, frame.shape[0], 2):
        here = mask((slice(k, k + 1), slice(None), slice(None)))[0]
        rows = np.flatnonzero(here.any(axis=1))
        if len(rows):
            columns = np.flatnonzero(here.any(axis=0))
            low = np.minimum(low, (k, rows[0], columns[0]))
            high = np.maximum(high, (k, rows[-1], columns[-1]))
    if high[0] < 0:
        return None
    low, high = np.maximum(low - 3, 0), np.minimum(high + 4, frame.shape)
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2]))


def _field(
    frame: Frame, mask: Mask, box: tuple[slice, slice, slice], spacing_mm: float, name: str
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """How full cubes of about spacing_mm are, smoothed, with an empty border; and their step in voxels along (k, j, i)."""
    from scipy import ndimage

    voxel = np.array(frame.spacing_mm)
    size = np.array([part.stop - part.start for part in box])
    block = np.clip(np.ceil(spacing_mm / voxel - 0.3).astype(int), 1, np.maximum(size, 1))
    slabs = []
    # a slab at a time, so that no float copy of the whole scan exists
    for k in range(box[0].start, box[0].stop, int(block[0])):
        slab = mask((slice(k, min(k + int(block[0]), box[0].stop)), box[1], box[2])).mean(axis=0, dtype=np.float32)
        pad = [(0, -n % int(b)) for n, b in zip(slab.shape, block[1:])]
        slab = np.pad(slab, pad)
        slabs.append(slab.reshape(slab.shape[0] // block[1], block[1], slab.shape[1] // block[2], block[2]).mean(axis=(1, 3)))
    full = np.stack(slabs).astype(np.float32)
    # thick slices are filled in between
    finer = np.maximum(1, np.rint(voxel * block / spacing_mm)).astype(int)
    if finer.max() > 1:
        full = ndimage.zoom(full, finer, order=1, grid_mode=True, mode="nearest")
    if name == "bone":
        pieces, count = ndimage.label(full > 0.35)
        if count > 1:
            cube_ml = float(np.prod(voxel * block / finer)) / 1000
            kept = np.bincount(pieces.ravel()) * cube_ml >= _SPECK_ML
            kept[0] = True
            full[~kept[pieces]] = 0
    sigma = np.minimum(0.75 * np.maximum(finer, 1), 1.6)
    full = ndimage.gaussian_filter(np.pad(full, 2), sigma)
    return np.ascontiguousarray(full, dtype=np.float32), block / finer


def _index_of(points: NDArray[Any], box: tuple[slice, slice, slice], step: NDArray[np.float64]) -> NDArray[np.float64]:
    """Voxel indices (k, j, i) of places in a padded field."""
    start = np.array([part.start for part in box])
    return (points - 2 + 0.5) * step - 0.5 + start


def _contour(field: NDArray[np.float32], frame: Frame, box: tuple[slice, slice, slice], step: NDArray[np.float64]) -> Surface | None:
    found = contour(field, 0.42)
    if found is None:
        return None
    points, triangles = found
    world = frame.to_world(_index_of(points, box, step))
    if np.linalg.det(frame.affine[:3, [2, 1, 0]]) < 0:
        triangles = triangles[:, ::-1]
    return with_normals(world, triangles)


def contour(field: NDArray[np.float32], level: float) -> tuple[NDArray[np.float64], NDArray[np.int32]] | None:
    """Where a field [k, j, i] crosses a level: points (n, 3) as fractional (k, j, i), and triangles with the greater values inside."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

    image = vtkImageData()
    image.SetDimensions(field.shape[2], field.shape[1], field.shape[0])
    image.GetPointData().SetScalars(numpy_to_vtk(field.ravel()))
    edges = vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, level)
    edges.ComputeNormalsOff()
    edges.ComputeGradientsOff()
    edges.ComputeScalarsOff()
    edges.Update()
    found = edges.GetOutput()
    if not found.GetNumberOfPolys():
        return None
    points = vtk_to_numpy(found.GetPoints().GetData())[:, ::-1].astype(np.float64)
    triangles = vtk_to_numpy(found.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int32)
    return points, triangles


def with_normals(points: ArrayLike, triangles: NDArray[np.int32]) -> Surface:
    """A surface with the normals of its triangles, smoothed at each point."""
    from viewer.kernels import point_normals

    world = np.ascontiguousarray(points, dtype=np.float64)
    normals = np.empty(world.shape, dtype=np.float32)
    point_normals(world, triangles, normals)
    return Surface(world.astype(np.float32), np.ascontiguousarray(triangles, dtype=np.int32), normals)


def _lit(surface: Surface, field: NDArray[np.float32], frame: Frame, box: tuple[slice, slice, slice], step: NDArray[np.float64]) -> Surface:
    """The surface with the light that reaches each point past the bone around it: depth for the eye at no cost while dragging."""
    from scipy import ndimage

    cube = np.array(frame.spacing_mm) * step
    around = ndimage.gaussian_filter(field, _SHADOW_MM / cube)
    outside = frame.to_index(surface.points_mm + 2.0 * surface.normals)
    start = np.array([part.start for part in box])
    places = (outside - start + 0.5) / step - 0.5 + 2
    crowded = ndimage.map_coordinates(around, places.T, order=1, mode="nearest")
    light = np.clip(1.0 - 1.5 * np.maximum(crowded - 0.16, 0.0), 0.25, 1.0)
    return Surface(surface.points_mm, surface.triangles, surface.normals, light.astype(np.float32))


def tube(path_mm: ArrayLike, radius_mm: ArrayLike, sides: int = 12) -> Surface:
    """A closed tube along a path (m, 3) in mm with a radius at each point, (m,) or one."""
    path = np.asarray(path_mm, dtype=np.float64)
    radius = np.broadcast_to(np.asarray(radius_mm, dtype=np.float64), (len(path),))
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    side = np.cross(along[0], np.eye(3)[np.abs(along[0]).argmin()])
    sides_at = []
    for direction in along:  # the first side is carried along, so that the tube does not twist
        side = side - (side @ direction) * direction
        side = side / max(float(np.linalg.norm(side)), 1e-12)
        sides_at.append(side)
    one = np.array(sides_at)
    other = np.cross(along, one)
    angle = np.arange(sides) * 2 * np.pi / sides
    ring = one[:, None] * np.cos(angle)[:, None] + other[:, None] * np.sin(angle)[:, None]
    points = (path[:, None] + radius[:, None, None] * ring).reshape(-1, 3)
    points = np.vstack([points, path[0], path[-1]])
    row, at = np.meshgrid(np.arange(len(path) - 1), np.arange(sides), indexing="ij")
    a, b = row * sides + at, row * sides + (at + 1) % sides
    quads = [np.stack([a, b, a + sides], axis=-1), np.stack([b, b + sides, a + sides], axis=-1)]
    around = np.arange(sides)
    first = np.stack([np.full(sides, len(points) - 2), (around + 1) % sides, around], axis=-1)
    end = (len(path) - 1) * sides
    last = np.stack([np.full(sides, len(points) - 1), end + around, end + (around + 1) % sides], axis=-1)
    triangles = np.concatenate([part.reshape(-1, 3) for part in (*quads, first, last)]).astype(np.int32)
    return with_normals(points, triangles)


def joined(parts: list[Surface]) -> Surface:
    """Several surfaces as one."""
    starts = np.cumsum([0] + [len(part.points_mm) for part in parts[:-1]])
    return Surface(
        np.concatenate([part.points_mm for part in parts]),
        np.concatenate([part.triangles + np.int32(start) for part, start in zip(parts, starts)]),
        np.concatenate([part.normals for part in parts]),
    )
