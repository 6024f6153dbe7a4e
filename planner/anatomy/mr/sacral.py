"""What shows the root S1 in the sacral canal on MR: the brightness of the fat around it."""

from __future__ import annotations

import numpy as np

from planner.anatomy.mr.sac import SeenSac
from planner.anatomy.sacral import COARSE_MM, Shown
from planner.anatomy.spine import Canal, Level
from planner.geometry import Floats, Volume

_FAT_PERCENTILE = 60  # of the room between the sac and the wall
_LEAST_FAT = 0.35  # of the fluid's brightness: what is darker is no fat
_ROOT, _BONE = 0.5, 0.2  # of the fat's brightness: of a root, and of bone and ligament at the most
_BEYOND_MM = 3.5  # the wall, which cuts the corners of the flat canal; beyond is marrow, as grey as a root
_SLEEVE_MM = 1.0
_ABOVE_MM, _BELOW_MM, _LEAST_ROOM_MM = 15.0, 15.0, 3.0  # of the middle of S1, where the brightness of fat is measured
SACRAL_ROOTS = ("S1",)  # below, the end of the sac and the wall are not seen well enough


def shown_by_mr(
    volume: Volume, canal: Canal, sac: SeenSac, radius_mm: Floats, levels: tuple[Level, ...], fluid_is_bright: bool
) -> Shown | None:
    """What shows S1; None where the scan is too coarse, or shows no fat around the sac.

    sac: with fluid as bright as on T2. radius_mm: (n, ANGLES), of the sac as it is drawn. fluid_is_bright: as on T2.
    """
    at = next((level.s_mm for level in levels if level.name == SACRAL_ROOTS[0]), None)
    if at is None or max(volume.frame.spacing_mm) > COARSE_MM:
        return None
    rows = np.flatnonzero((canal.s_mm > at - _ABOVE_MM) & (canal.s_mm < at + _BELOW_MM))
    turn = np.linspace(0.0, 2 * np.pi, radius_mm.shape[1], endpoint=False)
    room = canal.wall_mm[rows] - radius_mm[rows]
    between = np.stack([radius_mm[rows] + share * room for share in (0.35, 0.65)], axis=1)
    u, v = between * np.cos(turn), between * np.sin(turn)
    values = volume.sample_planes(canal.centreline_mm[rows], canal.left[rows], canal.back[rows], u, v, np.nan)
    held = values[np.repeat(room[:, None] > _LEAST_ROOM_MM, 2, axis=1) & np.isfinite(values)]
    if not held.size:
        return None
    fluid = float(np.median(sac.fluid[rows]))
    fat = float(np.percentile(held, _FAT_PERCENTILE)) - sac.dark
    if fat < _LEAST_FAT * fluid:
        return None
    root, most, bone = (sac.dark + share * fat for share in (_ROOT, 1.0, _BONE))
    return Shown(volume, root, most, bone, _BEYOND_MM, _SLEEVE_MM if fluid_is_bright else 0.0)
