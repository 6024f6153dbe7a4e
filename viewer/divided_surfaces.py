"""How the canal is divided, in space: its wall by what it is made of, and the epidural space by compartment. For a background thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from planner.progress import Progress, silent
from viewer.surfaces import Mask, Mesh, Surface, mesh_of, with_normals

if TYPE_CHECKING:
    from planner.anatomy.compartments import Compartments
    from planner.anatomy.spine import Canal

_WALL_STEPS = ((2, 1), (4, 2))  # cross-sections and directions of a patch of the canal's wall, still and while dragging


def wall_surfaces(canal: Canal) -> dict[str, Mesh]:
    """The canal's wall in one piece for each kind that it is made of, `canal wall: foramen`; nothing without a canal."""
    from planner.anatomy.bridges import bridges_of, kind_name

    if len(canal.centreline_mm) < 4:
        return {}
    kinds = bridges_of(canal)
    pieces = [_wall_pieces(canal, kinds, *steps) for steps in _WALL_STEPS]
    return {
        f"canal wall: {kind_name(kind, 'CT')}": Mesh(*(piece.get(kind, pieces[0][kind]) for piece in pieces)) for kind in sorted(pieces[0])
    }


def _wall_pieces(canal: Canal, kinds: NDArray[np.uint8], along: int, around: int) -> dict[int, Surface]:
    """The wall by kind, in patches of so many cross-sections and directions, each of the kind of its middle."""
    sections, turns = np.arange(0, len(kinds), along), np.arange(0, kinds.shape[1], around)
    angle = turns * 2 * np.pi / kinds.shape[1]
    across = np.cos(angle)[:, None] * canal.left[sections][:, None] + np.sin(angle)[:, None] * canal.back[sections][:, None]
    points = canal.centreline_mm[sections][:, None] + canal.wall_mm[sections][:, turns, None] * across
    row, turn = np.meshgrid(np.arange(len(sections) - 1), np.arange(len(turns)), indexing="ij")
    beyond = (turn + 1) % len(turns)
    a, b, c, d = (r * len(turns) + t for r, t in ((row, turn), (row, beyond), (row + 1, beyond), (row + 1, turn)))
    quads = np.stack([np.stack([a, c, b], axis=-1), np.stack([a, d, c], axis=-1)], axis=2)
    middle = kinds[np.minimum(sections[row] + along // 2, len(kinds) - 1), (turns[turn] + around // 2) % kinds.shape[1]]
    whole = with_normals(points.reshape(-1, 3), quads.reshape(-1, 3).astype(np.int32))
    made = {}
    for kind in np.unique(middle):
        used, triangles = np.unique(quads[middle == kind].reshape(-1, 3), return_inverse=True)
        made[int(kind)] = Surface(whole.points_mm[used], triangles.reshape(-1, 3).astype(np.int32), whole.normals[used])
    return made


def space_surfaces(divided: Compartments, progress: Progress = silent) -> dict[str, Mesh]:
    """A mesh of every compartment of the epidural space that holds something, `compartments: ventral`."""
    from planner.anatomy.compartments import COMPARTMENTS

    meshes = {}
    for done, name in enumerate(COMPARTMENTS):
        progress(done / len(COMPARTMENTS), "Drawing the compartments")
        mesh = mesh_of(divided.frame, _mask_of(divided, done + 1), "compartments")
        if mesh is not None:
            meshes[f"compartments: {name}"] = mesh
    progress(1.0, "Drawing the compartments")
    return meshes


def _mask_of(divided: Compartments, code: int) -> Mask:
    return lambda box: np.asarray(divided.map[box] == code)
