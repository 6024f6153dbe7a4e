"""What lies along the canal in the label map, on the scan's own voxels: from radii, bodies and tubes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.anatomy import labels as codes
from planner.anatomy.bridges import BONE, bridges_of
from planner.anatomy.levels import Column
from planner.anatomy.norms import at_level
from planner.anatomy.spine import ANGLES, Canal, Level, Root, Window
from planner.geometry import Floats, Frame

_REACH_MM = 26.0
SPINE_MM = 75.0  # around the canal's middle lies all that has the name of a vertebra
_SACRUM_MM = 52.0  # to the side, the sacrum's wings included


@njit(cache=True, nogil=True)
def _nearest_section(x: float, y: float, z: float, points: Floats, tangent: Floats, start: int) -> float:
    """Fractional index of the cross-section through a point, walked to from `start`; outside [-1, n] when past the ends."""
    n = points.shape[0]
    at = start
    for _ in range(12):
        d = (x - points[at, 0]) * tangent[at, 0] + (y - points[at, 1]) * tangent[at, 1] + (z - points[at, 2]) * tangent[at, 2]
        step = int(np.rint(d))
        if step == 0:
            return at + d
        new = min(max(at + step, 0), n - 1)
        if new == at:
            return at + d
        at = new
    return at + d


@njit(cache=True, nogil=True)
def _near_canal(
    shape: tuple[int, int, int],
    low: NDArray[np.int64],
    affine: Floats,
    points: Floats,
    left: Floats,
    back: Floats,
    tangent: Floats,
    first: NDArray[np.int64],
    wall: Floats,
    lined: NDArray[np.bool_],
    thickest: float,
    index: NDArray[np.int32],
    section: NDArray[np.int32],
    angle: Floats,
    radius: Floats,
    edge: Floats,
) -> int:
    """Voxels within the wall, and of the `lined` back up to `thickest` behind it; how many there are."""
    nk, nj, ni = shape
    n, angles = wall.shape
    most = np.empty(n)
    for s in range(n):
        most[s] = min(wall[s].max() + thickest, _REACH_MM)
    reach = most + 1.0  # a voxel lies half a section's thickness beside it at most
    count = 0
    for k in range(nk):
        z = affine[2, 0] * (k + low[0]) + affine[2, 3]
        near = np.zeros((2, 2))  # of what the sections reach in this slice, from and to: rows, columns
        near[:, 0] = np.inf
        near[:, 1] = -np.inf
        for s in range(n):
            if abs(points[s, 2] - z) <= reach[s]:
                for axis in range(2):
                    near[axis, 0] = min(near[axis, 0], points[s, 1 - axis] - reach[s])
                    near[axis, 1] = max(near[axis, 1], points[s, 1 - axis] + reach[s])
        for j in range(nj):
            y = affine[1, 1] * (j + low[1]) + affine[1, 3]
            if y < near[0, 0] or y > near[0, 1]:
                continue
            for i in range(ni):
                x = affine[0, 2] * (i + low[2]) + affine[0, 3]
                if x < near[1, 0] or x > near[1, 1]:
                    continue
                f = _nearest_section(x, y, z, points, tangent, first[k])
                if f < -0.5 or f > n - 0.5:
                    continue
                at = min(max(int(np.rint(f)), 0), n - 1)
                dx, dy, dz = x - points[at, 0], y - points[at, 1], z - points[at, 2]
                u = dx * left[at, 0] + dy * left[at, 1] + dz * left[at, 2]
                v = dx * back[at, 0] + dy * back[at, 1] + dz * back[at, 2]
                r = np.sqrt(u * u + v * v)
                if r > most[at]:
                    continue
                a = np.arctan2(v, u) / (2 * np.pi) * angles
                if a < 0:
                    a += angles
                a0 = int(a) % angles
                w = a - int(a)
                border = wall[at, a0] * (1 - w) + wall[at, (a0 + 1) % angles] * w
                if r <= border or (r <= border + thickest and lined[at, a0] and 0.1 < a / angles < 0.4):
                    if count < len(index):
                        index[count], section[count] = (k * nj + j) * ni + i, at
                        angle[count], radius[count], edge[count] = a, r, border
                    count += 1
    return count


@dataclass(frozen=True, eq=False)
class CanalVoxels:
    """The voxels of a box of the scan within the canal's wall, and those behind its back where a ligament may lie: index (m,) in the
    flattened box, nearest section (m,), direction (m,) between 0 and ANGLES, distance from the middle and the wall's there (m,) in mm."""

    box: tuple[slice, slice, slice]
    index: NDArray[np.int32]
    section: NDArray[np.int32]
    angle: Floats
    radius_mm: Floats
    wall_mm: Floats


def canal_voxels(frame: Frame, canal: Canal, thickest_mm: float = 0.0) -> CanalVoxels:
    """Where the canal is to be painted. thickest_mm: of the ligament behind it."""
    box = frame.box_around(canal.centreline_mm, _REACH_MM + 1.0)
    low = np.array([part.start for part in box])
    shape = tuple(part.stop - part.start for part in box)
    room = int(1.5 * float(canal.area_mm2.sum()) / np.prod(frame.spacing_mm))
    while True:
        whole, real = np.empty((2, room), dtype=np.int32), np.empty((3, room))
        count = _near_canal(
            shape, low, frame.affine, canal.centreline_mm, canal.left, canal.back, _tangents(canal),
            _first_sections(frame, canal, box[0].start, box[0].stop), canal.wall_mm, bridges_of(canal) != BONE, thickest_mm,
            whole[0], whole[1], *real,
        )  # fmt: skip
        if count <= room:
            return CanalVoxels(box, whole[0, :count], whole[1, :count], *real[:, :count])
        room = count


@njit(cache=True, nogil=True)
def _paint_canal(
    out: NDArray[np.uint8],
    index: NDArray[np.int32],
    section: NDArray[np.int32],
    angle: Floats,
    radius: Floats,
    edge: Floats,
    sac: Floats,
    cord: Floats,
    flavum: Floats,
    bony: NDArray[np.bool_],
    code: NDArray[np.uint8],
) -> None:
    angles = sac.shape[1]
    for m in range(len(index)):
        at, a0, w, r = section[m], int(angle[m]) % angles, angle[m] - int(angle[m]), radius[m]
        a1 = (a0 + 1) % angles
        if r > edge[m]:
            if r <= edge[m] + flavum[at] and not bony[out[index[m]]]:
                out[index[m]] = code[3]
        elif r <= cord[at, a0] * (1 - w) + cord[at, a1] * w and cord[at, a0] > 0:
            out[index[m]] = code[2]
        elif r <= sac[at, a0] * (1 - w) + sac[at, a1] * w and sac[at, a0] > 0:
            out[index[m]] = code[1]
        else:
            out[index[m]] = code[0]


@njit(cache=True, nogil=True)
def _paint_tube(
    out: NDArray[np.uint8],
    spacing: Floats,
    affine: Floats,
    path: Floats,
    radius: Floats,
    gang0: int,
    gang1: int,
    root: np.uint8,
    ganglion: np.uint8,
    kept: NDArray[np.bool_],
) -> None:
    nk, nj, ni = out.shape
    for n in range(path.shape[0]):
        r = radius[n]
        k0 = (path[n, 2] - affine[2, 3]) / spacing[0]
        j0 = (path[n, 1] - affine[1, 3]) / spacing[1]
        i0 = (path[n, 0] - affine[0, 3]) / spacing[2]
        for k in range(max(0, int(k0 - r / spacing[0])), min(nk, int(k0 + r / spacing[0]) + 2)):
            for j in range(max(0, int(j0 - r / spacing[1])), min(nj, int(j0 + r / spacing[1]) + 2)):
                for i in range(max(0, int(i0 - r / spacing[2])), min(ni, int(i0 + r / spacing[2]) + 2)):
                    d2 = ((k - k0) * spacing[0]) ** 2 + ((j - j0) * spacing[1]) ** 2 + ((i - i0) * spacing[2]) ** 2
                    if d2 <= r * r and not kept[out[k, j, i]]:
                        out[k, j, i] = ganglion if gang0 <= n < gang1 else root


def _tangents(canal: Canal) -> Floats:
    axis = np.cross(canal.left, canal.back)
    return np.asarray(np.where(axis[:, 2:] > 0, -axis, axis))


def _first_sections(frame: Frame, canal: Canal, low: int, high: int) -> NDArray[np.int64]:
    """For each slice the cross-section nearest to it in height: where the walk to a voxel's own starts."""
    z = frame.affine[2, 3] + frame.spacing_mm[0] * np.arange(low, high)
    return np.asarray(np.abs(canal.centreline_mm[None, :, 2] - z[:, None]).argmin(axis=1), dtype=np.int64)


def paint_canal(labels: NDArray[np.uint8], voxels: CanalVoxels, sac_mm: Floats, cord_mm: Floats, flavum_mm: Floats) -> None:
    """Write epidural space, sac, cord, and the ligamentum flavum behind the bridged back of the wall into `labels`."""
    part = np.ascontiguousarray(labels[voxels.box])
    bony = np.zeros(256, dtype=np.bool_)
    bony[list(codes.BONE)] = True
    bony[0] = True
    _paint_canal(
        part.reshape(-1), voxels.index, voxels.section, voxels.angle, voxels.radius_mm, voxels.wall_mm, sac_mm, cord_mm, flavum_mm, bony,
        np.array([codes.EPIDURAL_SPACE, codes.THECAL_SAC, codes.SPINAL_CORD, codes.LIGAMENTUM_FLAVUM], dtype=np.uint8),
    )  # fmt: skip
    labels[voxels.box] = part


def paint_roots(labels: NDArray[np.uint8], frame: Frame, roots: tuple[Root, ...]) -> None:
    """Write roots and ganglia into `labels`; they never overwrite bone, the sac or the cord, nor what lies outside the body."""
    kept = np.zeros(256, dtype=np.bool_)
    kept[[0, codes.THECAL_SAC, codes.SPINAL_CORD, codes.LUNG, codes.BOWEL_GAS, *codes.BONE]] = True
    for root in roots:
        fine = np.linspace(0, len(root.path_mm) - 1, 2 * len(root.path_mm) - 1)
        at = np.arange(len(root.path_mm))
        path = np.stack([np.interp(fine, at, root.path_mm[:, n]) for n in range(3)], axis=1)
        radius = np.interp(fine, at, root.radius_mm)
        _paint_tube(
            labels, np.array(frame.spacing_mm), frame.affine, path, radius, 2 * root.ganglion.start, 2 * root.ganglion.stop - 1,
            np.uint8(codes.NERVE_ROOT), np.uint8(codes.GANGLION), kept,
        )  # fmt: skip


@njit(cache=True, nogil=True)
def _coordinates(
    index: NDArray[np.int64],
    affine: Floats,
    points: Floats,
    left: Floats,
    back: Floats,
    tangent: Floats,
    first: NDArray[np.int64],
    out: Floats,
) -> None:
    for m in range(index.shape[0]):
        x = affine[0, 2] * index[m, 2] + affine[0, 3]
        y = affine[1, 1] * index[m, 1] + affine[1, 3]
        z = affine[2, 0] * index[m, 0] + affine[2, 3]
        f = _nearest_section(x, y, z, points, tangent, first[index[m, 0]])
        at = min(max(int(np.rint(f)), 0), points.shape[0] - 1)
        dx, dy, dz = x - points[at, 0], y - points[at, 1], z - points[at, 2]
        out[m, 0] = f
        out[m, 1] = dx * left[at, 0] + dy * left[at, 1] + dz * left[at, 2]
        out[m, 2] = dx * back[at, 0] + dy * back[at, 1] + dz * back[at, 2]


def along_canal(index: NDArray[np.int64], frame: Frame, canal: Canal) -> Floats:
    """(m, 3): fractional cross-section, mm to the left and mm to the back of the canal's middle of voxels (m, 3) of an axial frame.
    Cross-sections below -0.5 or above n - 0.5 lie beyond the canal's ends."""
    place = np.empty((len(index), 3))
    first = _first_sections(frame, canal, 0, frame.shape[0])
    _coordinates(index, frame.affine, canal.centreline_mm, canal.left, canal.back, _tangents(canal), first, place)
    return place


@dataclass(frozen=True, eq=False)
class VertebraMap:
    """Codes of the spine's voxels, (m,) in their order. bone: what a voxel is if it is bone, `bone other` far to the side. inner: its disc,
    or the vertebra in whose body it lies well inside, cancellous bone included, or 0."""

    bone: NDArray[np.uint8]
    inner: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class SpineVoxels:
    """The voxels of a grid that may belong to a vertebra or a disc: index (m,) in the flattened grid, and where along the canal they lie
    (m, 3), as of `along_canal`."""

    frame: Frame
    index: NDArray[np.int32]
    along: Floats


def spine_voxels(frame: Frame, near_bone: NDArray[np.bool_], canal: Canal) -> SpineVoxels:
    """Those in reach of bone, near the canal, and all in front of it where bodies and discs lie."""
    box = frame.box_around(canal.centreline_mm, SPINE_MM)
    first = _first_sections(frame, canal, 0, frame.shape[0])
    wanted = near_bone[box].copy()
    for k in range(box[0].start, box[0].stop):
        _, j, i = frame.to_index(canal.centreline_mm[first[k]])
        reach = [int(mm / spacing) for mm, spacing in ((50.0, frame.spacing_mm[1]), (30.0, frame.spacing_mm[2]))]
        rows = slice(max(0, int(j) - reach[0] - box[1].start), max(0, int(j) - box[1].start))
        wanted[k - box[0].start, rows, max(0, int(i) - reach[1] - box[2].start) : max(0, int(i) + reach[1] - box[2].start)] = True
    index = np.argwhere(wanted) + np.array([part.start for part in box])
    return SpineVoxels(frame, np.ravel_multi_index(tuple(index.T), frame.shape).astype(np.int32), along_canal(index, frame, canal))


@njit(cache=True, nogil=True)
def _assign(
    along: Floats,
    step: float,
    front: Floats,
    behind_wall: Floats,
    depth: float,
    between: Floats,
    discs: NDArray[np.uint8],
    levels: Floats,
    names: NDArray[np.uint8],
    ends: tuple[float, float, bool],
    bone: NDArray[np.uint8],
    inner: NDArray[np.uint8],
) -> None:
    """between: (pairs, 6) place of the disc, its slope, place of the gap behind, tangent of its dip, half of the disc's height and width.
    levels: (levels, 2) how far to the side a vertebra reaches, half of its body's width. ends: places of the first and the last vertebra's
    ends, and whether the last goes on."""
    across = 0.5 * depth
    for m in range(len(along)):
        f, u, v = along[m]
        at = min(max(int(np.rint(f)), 0), len(front) - 1)
        s = f * step
        ahead, behind = -v - front[at], max(v - behind_wall[at], 0.0)
        share = min(max((v + 4.0) / 12.0, 0.0), 1.0)  # 0 in front of the pedicles, 1 behind the canal
        number, disc = 0, np.uint8(0)
        for n in range(len(between)):
            plane = between[n, 0] + between[n, 1] * (min(max(ahead, 0.0), 40.0) - 15.0) * (ahead > 0)
            number += s > (1 - share) * plane + share * (between[n, 2] + between[n, 3] * min(behind, 40.0))
            flat = ahead > 0 and abs(s - plane) <= between[n, 4]
            if flat and (u / between[n, 5]) ** 2 + (2.0 * ahead / depth - 1.0) ** 2 <= 1.0:
                disc = discs[n]
        near = abs(u) <= levels[number, 0] and ahead <= depth + 6.0 and v < SPINE_MM
        near = near and s >= ends[0] and (s <= ends[1] + 0.4 * behind or ends[2])
        bone[m] = names[number] if near else codes.BONE_OTHER
        if near and disc == 0 and (u / levels[number, 1]) ** 2 + ((ahead - across) / across) ** 2 <= 0.85:
            disc = names[number]
        inner[m] = disc


def vertebra_map(spine: SpineVoxels, canal: Canal, column: Column, levels: tuple[Level, ...], windows: tuple[Window, ...]) -> VertebraMap:
    """To which vertebra or disc the spine's voxels belong: by the planes of the discs in front, by the gaps between the laminae behind,
    sloping down along the spinous processes."""
    count = len(spine.index)
    out = VertebraMap(np.full(count, codes.BONE_OTHER, dtype=np.uint8), np.zeros(count, dtype=np.uint8))
    if not len(levels):
        return out
    centre_s = np.array([level.s_mm for level in levels])
    between = [_between(canal, column, upper, lower, windows) for upper, lower in itertools.pairwise(levels)]
    discs = [codes.disc(upper.name, lower.name) for upper, lower in itertools.pairwise(levels)]
    wide = [float(at_level("body_width_mm", level.name)) for level in levels]
    beside = [_SACRUM_MM if level.name[0] == "S" else 0.62 * w + (18.0 if level.name[0] != "T" else 14.0) for level, w in zip(levels, wide)]
    first_half = centre_s[0] - (centre_s[1] - centre_s[0]) * 0.62 if len(levels) > 1 else centre_s[0] - 20.0
    last_half = centre_s[-1] + (centre_s[-1] - centre_s[-2]) * 0.62 if len(levels) > 1 else centre_s[0] + 20.0
    _assign(
        spine.along, float(canal.s_mm[-1]) / (len(canal.centreline_mm) - 1), column.front_mm,
        canal.wall_mm[:, ANGLES // 4], column.depth_mm, np.array(between).reshape(-1, 6), np.array(discs, dtype=np.uint8),
        np.stack([beside, 0.5 * np.array(wide)], axis=1), np.array([codes.vertebra(level.name) for level in levels], dtype=np.uint8),
        (float(first_half), float(last_half), levels[-1].name[0] == "S"), out.bone, out.inner,
    )  # fmt: skip
    return out


def _between(canal: Canal, column: Column, upper: Level, lower: Level, windows: tuple[Window, ...]) -> tuple[float, ...]:
    """What parts two neighbours, as of `_assign`."""
    usual = (upper.s_mm + lower.s_mm) / 2
    disc = min(column.discs, key=lambda d: abs(d.s_mm - usual), default=None)
    slope = disc.slope if disc is not None and abs(disc.s_mm - usual) < 8.0 else 0.0
    where = disc.s_mm if disc is not None and abs(disc.s_mm - usual) < 8.0 else usual
    gap = next((w for w in windows if w.between == (upper.name, lower.name)), None)
    gap_s = float(canal.s_mm[canal.nearest(gap.centre_mm)]) if gap is not None else where + 4.0
    dip = float(np.tan(np.radians(float(at_level("spinous_dip_deg", upper.name)))))
    half = 0.5 * float(at_level("disc_height_mm", upper.name)) + 0.5
    return where, slope, gap_s, dip, half, 0.5 * float(at_level("body_width_mm", lower.name))


@njit(cache=True, nogil=True)
def _repaint_cord(
    out: NDArray[np.uint8],
    low: NDArray[np.int64],
    affine: Floats,
    points: Floats,
    left: Floats,
    back: Floats,
    tangent: Floats,
    first: NDArray[np.int64],
    cord: Floats,
    sac_code: np.uint8,
    cord_code: np.uint8,
) -> None:
    angles = cord.shape[1]
    for k in range(out.shape[0]):
        z = affine[2, 0] * (k + low[0]) + affine[2, 3]
        for j in range(out.shape[1]):
            for i in range(out.shape[2]):
                if out[k, j, i] != sac_code and out[k, j, i] != cord_code:
                    continue
                y = affine[1, 1] * (j + low[1]) + affine[1, 3]
                x = affine[0, 2] * (i + low[2]) + affine[0, 3]
                f = _nearest_section(x, y, z, points, tangent, first[k])
                at = min(max(int(np.rint(f)), 0), points.shape[0] - 1)
                dx, dy, dz = x - points[at, 0], y - points[at, 1], z - points[at, 2]
                u = dx * left[at, 0] + dy * left[at, 1] + dz * left[at, 2]
                v = dx * back[at, 0] + dy * back[at, 1] + dz * back[at, 2]
                a = int(np.rint((np.arctan2(v, u) / (2 * np.pi)) * angles)) % angles
                inside = cord[at, a] > 0 and u * u + v * v <= cord[at, a] ** 2
                out[k, j, i] = cord_code if inside else sac_code


def repaint_cord(labels: NDArray[np.uint8], frame: Frame, canal: Canal, cord_mm: Floats) -> None:
    """Write the cord anew inside what is sac or cord in `labels`."""
    box = frame.box_around(canal.centreline_mm, 12.0)
    part = np.ascontiguousarray(labels[box])
    _repaint_cord(
        part, np.array([b.start for b in box]), frame.affine, canal.centreline_mm, canal.left, canal.back, _tangents(canal),
        _first_sections(frame, canal, box[0].start, box[0].stop), cord_mm, np.uint8(codes.THECAL_SAC), np.uint8(codes.SPINAL_CORD),
    )  # fmt: skip
    labels[box] = part
