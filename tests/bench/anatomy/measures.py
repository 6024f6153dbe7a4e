"""How far what was found lies from the truth: overlaps of masks, distances of surfaces and lines, vertebrae by name. All in mm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from planner.anatomy import Anatomy, Canal
from planner.geometry import Floats, Frame

_SMOOTH = 0.7  # voxels: a mask's staircase is evened before its surface is read
_BESIDE_MM = 1.2  # a surface is taken as flat so far around one of its points
_OWN_MM = 12.0  # a centre this near to the true one is that vertebra's
_SKIN_EVERY_MM = 6.0


@dataclass(frozen=True, eq=False)
class Surface:
    """Points (m, 3) of a surface with unit normals (m, 3), LPS mm."""

    points: Floats
    normals: Floats


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Twice the overlap over the sum; 0 where both are empty."""
    both, sizes = int(np.count_nonzero(one & other)), int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return 2.0 * both / max(1, sizes)


def surface_of(mask: NDArray[np.bool_], frame: Frame) -> Surface:
    """The surface of a mask in voxels, finer than a voxel: where the evened mask passes one half between neighbours. The borders of the
    grid are no surface. frame: axial."""
    field = ndimage.gaussian_filter(mask.astype(np.float32), _SMOOTH, mode="nearest")
    slope = [np.asarray(np.gradient(field, step, axis=axis)) for axis, step in enumerate(frame.spacing_mm)]
    places, normals = [], []
    for axis in range(3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        a, b = field[tuple(low)], field[tuple(high)]
        at = np.argwhere((a > 0.5) != (b > 0.5))
        here, there = np.asarray(a[tuple(at.T)]), np.asarray(b[tuple(at.T)])
        place = at.astype(np.float64)
        place[:, axis] += (0.5 - here) / (there - here)
        places.append(place)
        normals.append(np.stack([part[tuple(at.T)] for part in slope], axis=1))
    normal = -np.concatenate(normals)[:, ::-1].astype(np.float64)  # k, j, i of an axial frame are z, y, x
    return Surface(frame.to_world(np.concatenate(places)), normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9))


def tube(canal: Canal) -> Surface:
    """The wall of a canal: every direction of every cross-section."""
    angles = canal.wall_mm.shape[1]
    turn = np.arange(angles) * 2 * np.pi / angles
    out = np.cos(turn)[:, None] * canal.left[:, None] + np.sin(turn)[:, None] * canal.back[:, None]
    points = canal.centreline_mm[:, None] + canal.wall_mm[..., None] * out
    around = np.roll(points, -1, axis=1) - np.roll(points, 1, axis=1)
    normal = np.cross(around, np.gradient(points, axis=0))
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-9)
    return Surface(points.reshape(-1, 3), normal.reshape(-1, 3))


def away(points: Floats, surface: Surface) -> Floats:
    """(n,) distance of points to a surface: to the plane through its nearest point, where that lies below the point, else to that point."""
    distance, nearest = cKDTree(surface.points).query(points)
    along = np.abs(((points - surface.points[nearest]) * surface.normals[nearest]).sum(axis=1))
    beside = np.sqrt(np.maximum(distance**2 - along**2, 0.0))
    return np.asarray(np.where(beside < _BESIDE_MM, along, distance))


def wall_distances(canal: Canal, truth: Surface, above_z_mm: float) -> tuple[float, float]:
    """(mean, 95 % Hausdorff) of the canal's wall and the true one above a height: means of both ways, the worse of both 95 %."""
    found = tube(canal)
    there = away(found.points[found.points[:, 2] > above_z_mm], truth)
    back = away(truth.points[truth.points[:, 2] > above_z_mm], found)
    return float((there.mean() + back.mean()) / 2), float(max(np.percentile(there, 95), np.percentile(back, 95)))


def wall_by_place(canal: Canal, truth: Surface, line: Floats, levels: dict[str, Floats]) -> dict[str, float]:
    """Mean distance of the true wall from the found one, signed (positive where the found one lies farther out), beside each level's body
    in front, beside and behind the centreline: `L4 dorsal`."""
    found = tube(canal)
    distance, nearest = cKDTree(found.points).query(truth.points)
    outward = ((found.points[nearest] - truth.points) * truth.normals).sum(axis=1)
    signed = np.where(distance < 8.0, outward, np.nan)
    offset = truth.points - line[cKDTree(line).query(truth.points)[1]]
    names = list(levels)
    at = np.abs(truth.points[:, 2:] - np.array([centre[2] for centre in levels.values()])).argmin(axis=1)
    near = np.abs(truth.points[:, 2] - np.array([centre[2] for centre in levels.values()])[at]) < 20.0
    lateral = np.abs(offset[:, 0]) > np.abs(offset[:, 1])
    out = {}
    for n, name in enumerate(names):
        for place, side in (("ventral", ~lateral & (offset[:, 1] < 0)), ("lateral", lateral), ("dorsal", ~lateral & (offset[:, 1] > 0))):
            here = signed[(at == n) & near & side]
            if len(here):
                out[f"{name} {place}"] = float(np.nanmean(here)) if np.isfinite(here).any() else float("nan")
    return out


def from_line(points: Floats, line: Floats) -> Floats:
    """(n,) distance of points to a line of straight pieces."""
    near = cKDTree(line).query(points)[1]
    best = np.full(len(points), np.inf)
    for step in (-1, 0):
        start = line[np.clip(near + step, 0, len(line) - 2)]
        along = line[np.clip(near + step, 0, len(line) - 2) + 1] - start
        share = np.clip(((points - start) * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-12), 0.0, 1.0)
        best = np.minimum(best, np.linalg.norm(points - start - share[:, None] * along, axis=1))
    return best


def skin_distances(found: NDArray[np.bool_], truth: NDArray[np.bool_], frame: Frame) -> tuple[float, float]:
    """(mean, 95th percentile) of the distances of both outlines to each other, in axial slices 6 mm apart. Where the field cuts the body
    there is no skin."""
    spacing = frame.spacing_mm
    fine = 4 if min(spacing[1:]) > 0.4 else 2
    size = (round(frame.shape[2] * spacing[2] / spacing[1]), frame.shape[1])
    apart = []
    for k in range(0, frame.shape[0], max(1, round(_SKIN_EVERY_MM / spacing[0]))):
        one, other = (_outline(plane, size) for plane in (found[k], truth[k]))
        if one is None or other is None:
            continue
        for here, there in ((one, other), (other, one)):
            apart.append(cKDTree(there).query(here[::fine])[0] * spacing[1])
    if not apart:
        return float("inf"), float("inf")
    values = np.concatenate(apart)
    return float(values.mean()), float(np.percentile(values, 95))


def _outline(plane: NDArray[np.bool_], size: tuple[int, int]) -> Floats | None:
    """Points of the outer outline of a slice in rows, finer than a voxel, without what lies on the field's border."""
    even = cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    even = cv2.GaussianBlur(even, (0, 0), _SMOOTH)
    big = cv2.resize(even, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR) > 0.5
    lines, _ = cv2.findContours(big.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not lines:
        return None
    line = max(lines, key=len)[:, 0].astype(np.float64) / 4
    inside = (line > 2).all(axis=1) & (line < np.array([size[0], size[1]]) - 3).all(axis=1)
    return line[inside] if inside.sum() > 20 else None


def level_errors(anatomy: Anatomy, truth: dict[str, Floats]) -> dict[str, float]:
    """How far the centre of each true vertebra is from the found one of its name; infinite where none has it."""
    found = {level.name: np.array(level.centre_mm) for level in anatomy.levels}
    return {name: float(np.linalg.norm(found[name] - centre)) if name in found else float("inf") for name, centre in truth.items()}


def wrong_levels(errors: dict[str, float]) -> int:
    """How many vertebrae are missing, or lie where another one is: one too many or too few makes the names on one side of it wrong."""
    return sum(error > _OWN_MM for error in errors.values())


def foramen_errors(anatomy: Anatomy, truth: Iterable[dict[str, Any]]) -> Floats:
    """(n,) how far the centre of each true foramen is from the found one; infinite where it was not found."""
    found = {(foramen.between, str(foramen.side)): foramen.centre_mm for foramen in anatomy.foramina}
    out = []
    for true in truth:
        mine = found.get((tuple(true["between"]), true["side"]))
        out.append(np.inf if mine is None else float(np.linalg.norm(np.subtract(mine, true["centre"]))))
    return np.array(out)
