"""The space that a patch can fill: compartments around the sac on a 1 mm grid, made from the anatomy (reference: algorithms 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from planner.anatomy import labels as code
from planner.anatomy.compartments import DORSAL_DEG, HALF_LENGTH_MM, VENTRAL_DEG, angle_deg, foramen_voxels, in_sector
from planner.anatomy.spine import Anatomy
from planner.evidence import number
from planner.geometry import Floats, Frame, resample
from planner.patch.grid import SPACING_MM, Grid, grid_around
from planner.patch.march import BEYOND, DORSAL, FORAMEN, FRONT, LATERAL, OUT, PAD, SIDE, VENTRAL, Graph
from planner.progress import Progress, silent
from planner.refusal import Refusal

PAD_DEG = (55.0, 125.0)
"""The fat pad behind the sac: about 12 mm wide (reference: anatomy in numbers 3.3)."""
STREAK_SECTIONS, STREAK_DEG = 10, 30.0
"""Tissue is alike over 20 mm along the canal and a sector of 30 deg: longer than wide, so that fluid runs ahead in streaks."""

OFFSETS = np.array([(k, j, i) for k in (-1, 0, 1) for j in (-1, 0, 1) for i in (-1, 0, 1) if (k, j, i) != (0, 0, 0)], dtype=np.int64)
_FILM_BULK = 0.35
"""Share of a voxel that the film between dura and bone opens, for areas."""
_SOFT = (0, code.SOFT_TISSUE, code.EPIDURAL_SPACE, code.CONTRAST_OUTSIDE)
_ROOT = (code.NERVE_ROOT, code.GANGLION)


@dataclass(frozen=True, eq=False)
class Space:
    """The space as a graph of n places and what is around it.

    frame: the 1 mm grid. index: int32 (n, 3) voxel [k, j, i] of each place; places_mm: (n, 3) LPS. left: (n,) side of the midline.
    film: (n,) dura on bone. root: (n,) inside a nerve root, takes nothing. thin: (n,) 0..1, 1 in a sheet one voxel thick. dural: (n,)
    touches sac or root. foramen: int16 (n,) which foramen or -1. cell: int32 (n,) streak of like tissue. s_mm: (sections,) places along
    the canal. canal_mm3, sac_mm3: (sections,) space plus sac without the cord; sac with cord. floor_mm3: (sections,) what the sac
    keeps. sac_index: int32 (m, 3) sac voxels inside the dura and their sac_section. ends: (n,) where the canal stops in this scan.
    """

    frame: Frame
    graph: Graph
    index: NDArray[np.int32]
    places_mm: Floats
    left: NDArray[np.bool_]
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


def epidural_space(anatomy: Anatomy, points_mm: ArrayLike, progress: Progress = silent) -> Space:
    """The space within reach of some points (m, 3) LPS. Raises Refusal where canal or sac are not known there."""
    points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
    if len(anatomy.canal.centreline_mm) < 2:
        raise Refusal("The spinal canal was not found, so the spread cannot be forecast.", "Load a scan that shows the canal.")
    progress(0.0, "Building the epidural space")
    grid = grid_around(anatomy, points)
    tissue = _tissue(anatomy, grid)
    progress(0.5, "Building the epidural space")
    index = _in_one_piece(tissue)
    at = (index[:, 0], index[:, 1], index[:, 2])
    neighbours = _touching(grid.frame, index)
    progress(0.7, "Building the epidural space")
    where = _compartments(grid, tissue, at)
    film, root = tissue.film[at], tissue.root[at]
    bulk = np.where(film, _FILM_BULK, 1.0).astype(np.float32) * ~root
    section = where.section
    graph = Graph(
        neighbours=neighbours,
        steps_mm=OFFSETS @ grid.frame.affine[:3, :3].T,
        tangent=_to_feet(anatomy, grid)[grid.nearest[at]],
        zone=where.zone,
        room=where.room,
        section=section,
        opens=where.opens,
        bulk=bulk,
        section_bulk=np.maximum(np.bincount(section[section >= 0], weights=bulk[section >= 0], minlength=grid.sections), 1.0),
    )
    lumen = tissue.lumen & (grid.section >= 0)
    sac_mm3 = _per_section(grid, lumen)
    sac_index = np.argwhere(tissue.sac & ~tissue.film & (grid.section >= 0)).astype(np.int32)
    progress(1.0, "Building the epidural space")
    return Space(
        frame=grid.frame,
        graph=graph,
        index=index,
        places_mm=index[:, ::-1] * SPACING_MM + grid.frame.affine[:3, 3],
        left=grid.across_mm[at] >= 0,
        film=film,
        root=root,
        thin=np.clip((17 - (neighbours >= 0).sum(axis=1)) / 9.0, 0.0, 1.0).astype(np.float32),
        dural=_grow(lumen | tissue.root)[at] & ~root,
        foramen=where.foramen,
        foramina=len(anatomy.foramina),
        cell=where.cell,
        s_mm=grid.s_mm,
        canal_mm3=_per_section(grid, (tissue.epidural | tissue.sac) & ~tissue.cord),
        sac_mm3=sac_mm3,
        floor_mm3=np.minimum(_per_section(grid, tissue.cord) + number("patch.sac_roots_share") * sac_mm3, sac_mm3),
        sac_index=sac_index,
        sac_section=grid.section[sac_index[:, 0], sac_index[:, 1], sac_index[:, 2]],
        ends=tissue.in_canal[at] & ((grid.nearest[at] <= 1) | (grid.nearest[at] >= len(grid.within) - 2)),
    )


class _Tissue(NamedTuple):
    """Masks on the grid, [k, j, i]. film: outermost sac voxels that lie on bone. which: int16 foramen or -1; outward_mm: along its axis."""

    cord: NDArray[np.bool_]
    sac: NDArray[np.bool_]
    root: NDArray[np.bool_]
    epidural: NDArray[np.bool_]
    film: NDArray[np.bool_]
    in_canal: NDArray[np.bool_]
    which: NDArray[np.int16]
    outward_mm: NDArray[np.float32]

    @property
    def lumen(self) -> NDArray[np.bool_]:
        """Inside the dura."""
        return self.sac | self.cord


def _tissue(anatomy: Anatomy, grid: Grid) -> _Tissue:
    labels = resample(anatomy.labels, anatomy.frame, grid.frame, 0, nearest=True)

    def has(codes: Sequence[int]) -> NDArray[np.bool_]:
        table = np.zeros(256, dtype=np.bool_)
        table[list(codes)] = True
        return table[labels]

    cord, sac, root, soft = has((code.SPINAL_CORD,)), has((code.THECAL_SAC,)), has(_ROOT), has(_SOFT)
    epidural = (has((code.EPIDURAL_SPACE,)) | (grid.inside & soft)) & (grid.nearest >= 0)
    root_inside = grid.inside & root
    canal = epidural | sac | cord | root_inside
    film = sac & _grow(~canal) & ~_grow(epidural)
    which, outward = foramen_voxels(anatomy, grid.frame, (soft | root) & ~canal)
    return _Tissue(cord, sac, root, epidural, film, epidural | film | root_inside, which, outward)


def _in_one_piece(tissue: _Tissue) -> NDArray[np.int32]:
    """Voxels (n, 3) of the piece of space that holds most of the canal's. Raises Refusal where there is none."""
    active = tissue.in_canal | (tissue.which >= 0)
    parts, count = ndimage.label(active, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(parts[tissue.in_canal], minlength=count + 1)
    sizes[0] = 0
    if sizes.max(initial=0) == 0:
        sentence = "No epidural space was found here, so the spread cannot be forecast."
        raise Refusal(sentence, "Check the canal and the sac in the Anatomy step.")
    return np.argwhere(parts == sizes.argmax()).astype(np.int32)


class _Where(NamedTuple):
    """Of each place (n,): compartment, room, section (-1 outside the canal), foramen it lies in, foramen it opens, streak."""

    zone: NDArray[np.int8]
    room: NDArray[np.int8]
    section: NDArray[np.int32]
    foramen: NDArray[np.int16]
    opens: NDArray[np.int16]
    cell: NDArray[np.int32]


def _compartments(grid: Grid, tissue: _Tissue, at: tuple[NDArray[np.int32], ...]) -> _Where:
    """Sort places by their angle around the sac's centre and by foramen. Raises Refusal where the sac is not known."""
    section, across, in_canal = grid.section[at], grid.across_mm[at], tissue.in_canal[at]
    behind = grid.behind_mm[at] - _sac_behind_mm(grid, tissue)[section]
    angle = angle_deg(across, behind)
    outward = tissue.outward_mm[at]
    zone = np.full(len(angle), LATERAL, dtype=np.int8)
    zone[in_sector(angle, DORSAL_DEG)] = DORSAL
    zone[in_sector(angle, VENTRAL_DEG)] = VENTRAL
    zone[~in_canal] = np.where(outward[~in_canal] > HALF_LENGTH_MM, BEYOND, FORAMEN)
    room = np.full(len(angle), SIDE, dtype=np.int8)
    room[in_sector(angle, PAD_DEG)] = PAD
    room[angle > 180.0] = FRONT
    room[~in_canal] = OUT
    room[across < 0] += 1
    foramen = np.where(in_canal, -1, tissue.which[at]).astype(np.int16)
    opens = np.where(~in_canal & (outward > 0.0), foramen, -1).astype(np.int16)
    cell = (section // STREAK_SECTIONS) * int(360.0 / STREAK_DEG) + (angle // STREAK_DEG).astype(np.int32)
    return _Where(zone, room, np.where(in_canal, section, -1).astype(np.int32), foramen, opens, cell.astype(np.int32))


def _sac_behind_mm(grid: Grid, tissue: _Tissue) -> Floats:
    """How far the sac's centre lies behind the canal's, (sections,). Raises Refusal where no section shows the sac."""
    lumen = tissue.lumen & (grid.section >= 0)
    count = _per_section(grid, lumen)
    known = np.flatnonzero(count)
    if known.size == 0:
        raise Refusal("The thecal sac is not known here, so the spread cannot be forecast.", "Find or draw the sac first.")
    total = np.bincount(grid.section[lumen], weights=grid.behind_mm[lumen], minlength=grid.sections)
    return np.interp(np.arange(grid.sections), known, total[known] / count[known])


def _per_section(grid: Grid, mask: NDArray[np.bool_]) -> Floats:
    """Voxels of a mask in each section: mm3."""
    return np.bincount(grid.section[mask & (grid.section >= 0)], minlength=grid.sections).astype(np.float64)


def _to_feet(anatomy: Anatomy, grid: Grid) -> NDArray[np.float32]:
    """Unit vectors along the canal to the feet, one a cross-section of the grid: left x back, turned where it points to the head."""
    canal = anatomy.canal
    axes = np.cross(canal.left[grid.within], canal.back[grid.within])
    down = float(np.einsum("ij,ij->", axes[:-1], np.diff(canal.centreline_mm[grid.within], axis=0)))
    return (axes if down > 0 else -axes).astype(np.float32)


def _touching(frame: Frame, index: NDArray[np.int32]) -> NDArray[np.int32]:
    """The 26 neighbours (n, 26) of each place, -1 for none."""
    number_of = np.full(frame.shape, -1, dtype=np.int32)
    number_of[index[:, 0], index[:, 1], index[:, 2]] = np.arange(len(index))
    found: NDArray[np.int32] = _neighbours(number_of, index, OFFSETS)
    return found


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


@njit(cache=True, nogil=True)
def _neighbours(number_of: NDArray[np.int32], index: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.int32]:
    nk, nj, ni = number_of.shape
    out = np.full((len(index), len(offsets)), -1, dtype=np.int32)
    for n in range(len(index)):
        for d in range(len(offsets)):
            k, j, i = index[n, 0] + offsets[d, 0], index[n, 1] + offsets[d, 1], index[n, 2] + offsets[d, 2]
            if 0 <= k < nk and 0 <= j < nj and 0 <= i < ni:
                out[n, d] = number_of[k, j, i]
    return out
