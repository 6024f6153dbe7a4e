"""The space that a patch can fill: compartments around the sac on a 1 mm grid, made from the anatomy (reference: algorithms 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from planner.anatomy import labels as code
from planner.anatomy.spine import Anatomy
from planner.evidence import number
from planner.geometry import Floats, Frame, resample
from planner.patch.march import BEYOND, DORSAL, FORAMEN, LATERAL, VENTRAL, Graph
from planner.progress import Progress, silent
from planner.refusal import Refusal

SPACING_MM = 1.0
SECTION_MM = 2.0
REACH_MM = 230.0
"""Along the canal from a tip: further than 40 mL get in an ordinary canal; the march says when they get to the end."""
SIDE_MM, FRONT_MM = 45.0, 25.0
"""How far the grid goes beyond the centreline, to hold canal, foramina and what lies beyond them."""
LENGTH_MM = 6.0
"""Half the length of a foramen along its axis."""
INWARD_MM = 14.0
"""How far toward the sac a foramen is looked for when the canal's wall does not meet it."""
WIDENING = 0.12
"""Growth of the room beyond a foramen per mm."""
DORSAL_DEG, VENTRAL_DEG = (30.0, 150.0), (210.0, 330.0)
"""Sectors around the sac's centre, 90 = back."""

OFFSETS = np.array([(k, j, i) for k in (-1, 0, 1) for j in (-1, 0, 1) for i in (-1, 0, 1) if (k, j, i) != (0, 0, 0)], dtype=np.int64)
_FILM_BULK = 0.35
"""Share of a voxel that the film between dura and bone opens, for areas."""
_SOFT = (0, code.SOFT_TISSUE, code.EPIDURAL_SPACE, code.CONTRAST_OUTSIDE)
_ROOT = (code.NERVE_ROOT, code.GANGLION)


@dataclass(frozen=True, eq=False)
class Space:
    """The space as a graph of n places and what is around it.

    frame: the 1 mm grid. index: int32 (n, 3) voxel [k, j, i] of each place; places_mm: (n, 3) LPS. film: (n,) dura on bone.
    root: (n,) inside a nerve root, takes nothing. thin: (n,) 0..1, 1 in a sheet one voxel thick. dural: (n,) touches sac or root.
    foramen: int16 (n,) which foramen or -1. cell: int32 (n,) neighbourhood of 10 mm and a quadrant. s_mm: (sections,) places along
    the canal. canal_mm3, sac_mm3: (sections,) space plus sac without the cord; sac with cord. floor_mm3: (sections,) what the sac
    keeps. sac_index: int32 (m, 3) sac voxels inside the dura and their sac_section. ends: (n,) where the canal stops in this scan.
    """

    frame: Frame
    graph: Graph
    index: NDArray[np.int32]
    places_mm: Floats
    film: NDArray[np.bool_]
    root: NDArray[np.bool_]
    thin: NDArray[np.float32]
    dural: NDArray[np.bool_]
    foramen: NDArray[np.int16]
    foramina: int
    cell: NDArray[np.int32]
    s_mm: Floats
    canal_mm3: Floats
    sac_mm3: Floats
    floor_mm3: Floats
    sac_index: NDArray[np.int32]
    sac_section: NDArray[np.int32]
    ends: NDArray[np.bool_]


@njit(cache=True, nogil=True)
def _locate(matrix, shape, centreline, left, back, wall, reach_mm):  # type: ignore[no-untyped-def]
    """For every voxel the nearest cross-section (-1 far away), offsets to left and back, and whether it lies inside the wall."""
    nearest = np.full(shape, -1, dtype=np.int32)
    across = np.zeros(shape, dtype=np.float32)
    behind = np.zeros(shape, dtype=np.float32)
    inside = np.zeros(shape, dtype=np.bool_)
    count = len(centreline)
    guess_of_slice = 0
    for k in range(shape[0]):
        guess_of_row = guess_of_slice
        for j in range(shape[1]):
            guess = guess_of_row
            for i in range(shape[2]):
                x = matrix[0, 0] * k + matrix[0, 1] * j + matrix[0, 2] * i + matrix[0, 3]
                y = matrix[1, 0] * k + matrix[1, 1] * j + matrix[1, 2] * i + matrix[1, 3]
                z = matrix[2, 0] * k + matrix[2, 1] * j + matrix[2, 2] * i + matrix[2, 3]
                first, last = guess - 3, guess + 3
                if j == 0 and i == 0:
                    first, last = 0, count
                best, least = guess, np.inf
                for c in range(max(first, 0), min(last + 1, count)):
                    d = (x - centreline[c, 0]) ** 2 + (y - centreline[c, 1]) ** 2 + (z - centreline[c, 2]) ** 2
                    if d < least:
                        best, least = c, d
                guess = best
                if i == 0:
                    guess_of_row = best
                    if j == 0:
                        guess_of_slice = best
                if least > reach_mm * reach_mm:
                    continue
                dx, dy, dz = x - centreline[best, 0], y - centreline[best, 1], z - centreline[best, 2]
                u = dx * left[best, 0] + dy * left[best, 1] + dz * left[best, 2]
                v = dx * back[best, 0] + dy * back[best, 1] + dz * back[best, 2]
                nearest[k, j, i] = best
                across[k, j, i] = u
                behind[k, j, i] = v
                off = least - u * u - v * v
                if off < 4.0:
                    turn = np.arctan2(v, u) / (2 * np.pi) * wall.shape[1]
                    low = int(np.floor(turn))
                    share = turn - low
                    radius = wall[best, low % wall.shape[1]] * (1 - share) + wall[best, (low + 1) % wall.shape[1]] * share
                    inside[k, j, i] = u * u + v * v <= radius * radius
    return nearest, across, behind, inside


@njit(cache=True, nogil=True)
def _neighbours(number_of, index, offsets):  # type: ignore[no-untyped-def]
    nk, nj, ni = number_of.shape
    out = np.full((len(index), len(offsets)), -1, dtype=np.int32)
    for n in range(len(index)):
        for d in range(len(offsets)):
            k, j, i = index[n, 0] + offsets[d, 0], index[n, 1] + offsets[d, 1], index[n, 2] + offsets[d, 2]
            if 0 <= k < nk and 0 <= j < nj and 0 <= i < ni:
                out[n, d] = number_of[k, j, i]
    return out


def _grow(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask and its 26 neighbours."""
    for axis in range(3):
        wider = mask.copy()
        ahead: list[Any] = [slice(None)] * 3
        after: list[Any] = [slice(None)] * 3
        ahead[axis], after[axis] = slice(1, None), slice(None, -1)
        wider[tuple(ahead)] |= mask[tuple(after)]
        wider[tuple(after)] |= mask[tuple(ahead)]
        mask = wider
    return mask


def _grid(anatomy: Anatomy, points_mm: Floats) -> tuple[Frame, NDArray[np.int64]]:
    """A 1 mm grid around the canal within reach of the points, and the cross-sections in it."""
    canal = anatomy.canal
    s, at = canal.s_mm, [canal.nearest(point) for point in points_mm]
    within = np.flatnonzero((s >= s[min(at)] - REACH_MM) & (s <= s[max(at)] + REACH_MM))
    line = canal.centreline_mm[within]
    low, high = anatomy.frame.bounds_mm
    margin = np.array([SIDE_MM, FRONT_MM, 2.0])
    low, high = np.maximum(line.min(axis=0) - margin, low), np.minimum(line.max(axis=0) + margin, high)
    shape = np.maximum(np.floor((high - low) / SPACING_MM).astype(int) + 1, 1)
    return Frame.axial(shape[::-1], (SPACING_MM,) * 3, low), within


def _foramina(anatomy: Anatomy, frame: Frame, soft: NDArray[np.bool_]) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Which foramen (and the room beyond it) each voxel lies in, -1 for none, and how far along its axis from its middle, mm."""
    which = np.full(frame.shape, -1, dtype=np.int16)
    outward = np.zeros(frame.shape, dtype=np.float32)
    reach = LENGTH_MM + number("patch.beyond_foramen")
    for number_of, foramen in enumerate(anatomy.foramina):
        centre, axis = np.array(foramen.centre_mm), np.array(foramen.axis) / np.linalg.norm(foramen.axis)
        if not frame.contains(centre, -reach):
            continue
        canal = anatomy.canal
        at = canal.nearest(centre)
        up = -np.cross(canal.left[at], canal.back[at])
        up = up - (up @ axis) * axis
        up /= np.linalg.norm(up)
        box = frame.box_around(centre[None], reach + 2.0)
        voxels = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), axis=-1)
        offset = frame.to_world(voxels) - centre
        u, h = offset @ axis, offset @ up
        w = offset @ np.cross(axis, up)
        widening = WIDENING * np.maximum(u - LENGTH_MM, 0.0)
        half_height, half_width = (max(size / 2, SPACING_MM) for size in (foramen.height_mm, foramen.width_mm))
        ring = (h / (half_height + widening)) ** 2 + (w / (half_width + widening)) ** 2
        taken = soft[box] & (ring <= 1.0) & (u >= -INWARD_MM) & (u <= reach) & (which[box] < 0)
        which[box][taken] = number_of
        outward[box][taken] = u[taken]
    return which, outward


def epidural_space(anatomy: Anatomy, points_mm: ArrayLike, progress: Progress = silent) -> Space:
    """The space within reach of some points (m, 3) LPS. Raises Refusal where canal or sac are not known there."""
    points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
    if len(anatomy.canal.centreline_mm) < 2:
        raise Refusal("The spinal canal was not found, so the spread cannot be forecast.", "Load a scan that shows the canal.")
    frame, within = _grid(anatomy, points)
    progress(0.0, "Building the epidural space")
    canal = anatomy.canal
    first = int(within[0])
    axes = np.cross(canal.left[within], canal.back[within])
    nearest, across, behind, inside = _locate(
        frame.affine, frame.shape, canal.centreline_mm[within], canal.left[within], canal.back[within], canal.wall_mm[within], SIDE_MM
    )
    labels = resample(anatomy.labels, anatomy.frame, frame, 0, nearest=True)
    progress(0.3, "Building the epidural space")

    def has(codes: Sequence[int]) -> NDArray[np.bool_]:
        table = np.zeros(256, dtype=np.bool_)
        table[list(codes)] = True
        return table[labels]

    cord = has((code.SPINAL_CORD,))
    sac = has((code.THECAL_SAC,))
    root = has(_ROOT)
    open_soft = has(_SOFT)
    epidural = has((code.EPIDURAL_SPACE,)) | (inside & open_soft)
    epidural &= nearest >= 0
    canal_voxels = epidural | sac | cord | (inside & root)
    film = sac & _grow(~canal_voxels) & ~_grow(epidural)
    which, outward = _foramina(anatomy, frame, (open_soft | root) & ~canal_voxels)
    in_canal = epidural | film | (inside & root)
    active = in_canal | (which >= 0)
    progress(0.5, "Building the epidural space")

    parts, count = ndimage.label(active, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(parts[in_canal], minlength=count + 1)
    sizes[0] = 0
    if sizes.max(initial=0) == 0:
        sentence = "No epidural space was found here, so the spread cannot be forecast."
        raise Refusal(sentence, "Check the canal and the sac in the Anatomy step.")
    active = parts == sizes.argmax()
    index = np.argwhere(active).astype(np.int32)
    at = (index[:, 0], index[:, 1], index[:, 2])
    number_of = np.full(frame.shape, -1, dtype=np.int32)
    number_of[at] = np.arange(len(index))
    neighbours = _neighbours(number_of, index, OFFSETS)
    progress(0.7, "Building the epidural space")

    s = canal.s_mm[within] - canal.s_mm[first]
    sections = int(s[-1] / SECTION_MM) + 1
    section_of = np.where(nearest >= 0, (s[np.maximum(nearest, 0)] / SECTION_MM).astype(np.int32), -1)
    lumen = (sac | cord) & (section_of >= 0)
    sac_row = np.bincount(section_of[lumen], weights=behind[lumen], minlength=sections)
    sac_count = np.bincount(section_of[lumen], minlength=sections)
    known = np.flatnonzero(sac_count)
    if known.size == 0:
        raise Refusal("The thecal sac is not known here, so the spread cannot be forecast.", "Find or draw the sac first.")
    sac_behind = np.interp(np.arange(sections), known, sac_row[known] / sac_count[known])

    section = section_of[at]
    place_in_canal = in_canal[at]
    angle = np.degrees(np.arctan2(behind[at] - sac_behind[section], across[at])) % 360.0
    zone = np.full(len(index), LATERAL, dtype=np.int8)
    zone[(angle >= DORSAL_DEG[0]) & (angle <= DORSAL_DEG[1])] = DORSAL
    zone[(angle >= VENTRAL_DEG[0]) & (angle <= VENTRAL_DEG[1])] = VENTRAL
    place_foramen = np.where(place_in_canal, -1, which[at]).astype(np.int16)
    zone[~place_in_canal] = np.where(outward[at][~place_in_canal] > LENGTH_MM, BEYOND, FORAMEN)
    opens = np.where(~place_in_canal & (outward[at] > 0.0), place_foramen, -1).astype(np.int16)
    quadrant = (angle // 90.0).astype(np.int32)
    cell = (section // 5) * 4 + quadrant
    section = np.where(place_in_canal, section, -1).astype(np.int32)

    floor = np.bincount(section_of[cord & lumen], minlength=sections) + number("patch.sac_roots_share") * sac_count
    sac_only = sac & ~film & (section_of >= 0)
    sac_index = np.argwhere(sac_only).astype(np.int32)
    dural = _grow(lumen | root)[at] & ~root[at]
    bulk = np.where(film[at], _FILM_BULK, 1.0).astype(np.float32) * ~root[at]
    graph = Graph(
        neighbours=neighbours,
        steps_mm=OFFSETS @ frame.affine[:3, :3].T,
        tangent=axes[nearest[at]].astype(np.float32) * _to_feet(axes, canal.centreline_mm[within]),
        zone=zone,
        left=across[at] >= 0,
        section=section,
        opens=opens,
        bulk=bulk,
        section_bulk=np.maximum(np.bincount(section[section >= 0], weights=bulk[section >= 0], minlength=sections), 1.0),
    )
    last = len(within) - 1
    progress(1.0, "Building the epidural space")
    return Space(
        frame=frame,
        graph=graph,
        index=index,
        places_mm=index[:, ::-1] * SPACING_MM + frame.affine[:3, 3],
        film=film[at],
        root=root[at],
        thin=np.clip((17 - (neighbours >= 0).sum(axis=1)) / 9.0, 0.0, 1.0).astype(np.float32),
        dural=dural,
        foramen=place_foramen,
        foramina=len(anatomy.foramina),
        cell=cell.astype(np.int32),
        s_mm=canal.s_mm[first] + (np.arange(sections) + 0.5) * SECTION_MM,
        canal_mm3=np.bincount(section_of[(epidural | sac) & ~cord & (section_of >= 0)], minlength=sections).astype(np.float64),
        sac_mm3=sac_count.astype(np.float64),
        floor_mm3=np.minimum(floor, sac_count).astype(np.float64),
        sac_index=sac_index,
        sac_section=section_of[sac_index[:, 0], sac_index[:, 1], sac_index[:, 2]].astype(np.int32),
        ends=place_in_canal & ((nearest[at] <= 1) | (nearest[at] >= last - 1)),
    )


def _to_feet(axes: Floats, line: Floats) -> float:
    """1 where left x back points along the centreline, head to foot; -1 where it points against it."""
    return 1.0 if float(np.einsum("ij,ij->", axes[:-1], np.diff(line, axis=0))) > 0 else -1.0


