"""The sleeves of the roots on a myelogram: how thick the contrast in each is, and which are far wider than their neighbours, as a
diverticulum is. What is wide is offered to a person as a place that may leak (a potential site); it is no leak by itself."""

from __future__ import annotations

from dataclasses import dataclass
from math import dist

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from planner.anatomy import labels as codes
from planner.anatomy.bright import Bright
from planner.anatomy.outside import polar_place
from planner.anatomy.paint import along_canal
from planner.anatomy.spine import Canal, LeakHint, Root
from planner.geometry import Floats, Frame, Volume

_OFF_SAC_MM = 1.5  # so near to the sac brightness is its own blurred edge
_AROUND_MM = 7.0  # contrast nearer to a root's path is in its sleeve, or in what bulges from it
_PAST_GANGLION_MM = 4.0  # beyond its ganglion a root has no sleeve
_COARSE_MM = 2.0  # thicker slices do not show how wide a sleeve is
_LEAST_MM = 4.8  # thickness of a diverticulum's contrast; around a root it is a film
_WIDER = 1.6  # times as thick as in the usual sleeve near it
_FLUID_ML = 0.03  # of it at least is as even as a fluid, which a film around a root is not
_NEIGHBOURS, _LEAST_NEIGHBOURS = 2, 3  # levels above and below, and how many sleeves there must be to compare with
_FILLED = 0.5  # as bright as the sac, or it is marrow
_SAME_PLACE_MM = 12.0
_NOT_IN_SLEEVES = (0, codes.THECAL_SAC, codes.SPINAL_CORD, codes.CONTRAST_OUTSIDE, *codes.BONE)


@dataclass(frozen=True, eq=False)
class Sleeve:
    """A root's sleeve. width_mm: the thickest ball of contrast that fits into it, 0 without contrast; position_mm: its middle, LPS.
    fluid_ml: contrast in the sleeve that is as even as a fluid. volume_ml: all contrast within the ball's width of its middle. filled: how
    bright it is there, as a share of the sac: marrow is darker than what runs on from the sac."""

    root: Root
    width_mm: float
    position_mm: tuple[float, float, float]
    fluid_ml: float
    volume_ml: float
    filled: float = 1.0


def measure_sleeves(
    volume: Volume, bright: Bright, labels: NDArray[np.uint8], canal: Canal, sac_mm: Floats, roots: tuple[Root, ...]
) -> tuple[Sleeve, ...]:
    """The sleeves of the roots, in their order.

    labels: with sac, roots and pools painted; what has leaked is in no sleeve. sac_mm: (n, ANGLES).
    """
    if not roots:
        return ()
    frame = volume.frame
    values = volume.values(bright.box)
    sac = values[labels[bright.box] == codes.THECAL_SAC]
    hu: Floats = values.astype(np.float64) / max(float(np.median(sac)) if sac.size else 1.0, 1.0)
    corner = np.array([b.start for b in bright.box])
    inside = bright.contrast & ~np.isin(labels[bright.box], _NOT_IN_SLEEVES)
    index = np.argwhere(inside)
    place = along_canal(index + corner, frame, canal)
    row, turn, radius = polar_place(place, canal)
    off_sac = (radius - sac_mm[row, turn] > _OFF_SAC_MM) & (place[:, 0] > -0.5) & (place[:, 0] < len(sac_mm) - 0.5)
    inside[tuple(index[~off_sac].T)] = False
    index = index[off_sac]
    past = round(_PAST_GANGLION_MM)
    paths = [root.path_mm[: root.ganglion.stop + past] for root in roots]
    of = np.repeat(np.arange(len(roots)), [len(path) for path in paths])
    apart, near = cKDTree(np.concatenate(paths)).query(frame.to_world(index + corner), distance_upper_bound=_AROUND_MM)
    held = np.isfinite(apart)
    index, owner = index[held], of[near[held]]
    return tuple(_sleeve(root, index[owner == n], inside, bright.even, hu, corner, frame) for n, root in enumerate(roots))


def _sleeve(
    root: Root,
    own: NDArray[np.int64],
    inside: NDArray[np.bool_],
    even: NDArray[np.bool_],
    hu: Floats,
    corner: NDArray[np.int64],
    frame: Frame,
) -> Sleeve:
    """From the voxels (m, 3) of contrast that lie nearest to this root, in the box whose mask `inside` is."""
    if not len(own):
        x, y, z = (float(value) for value in root.path_mm[root.ganglion.start])
        return Sleeve(root, 0.0, (x, y, z), 0.0, 0.0)
    low = np.maximum(own.min(axis=0) - 1, 0)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, own.max(axis=0) + 2))
    depth = ndimage.distance_transform_edt(inside[box], sampling=frame.spacing_mm)[tuple((own - low).T)]
    thickest = int(depth.argmax())
    points = frame.to_world(own + corner)
    ball = np.linalg.norm(points - points[thickest], axis=1) <= 2.0 * float(depth[thickest])
    x, y, z = (float(value) for value in points[thickest])
    fluid = int(even[tuple(own.T)].sum())
    filled = float(np.median(hu[tuple(own[ball].T)]))
    return Sleeve(root, 2.0 * float(depth[thickest]), (x, y, z), fluid * frame.voxel_ml, int(ball.sum()) * frame.voxel_ml, filled)


def wide_sleeves(sleeves: tuple[Sleeve, ...], frame: Frame) -> tuple[Sleeve, ...]:
    """The sleeves far wider than the usual one within two levels of them; none where slices are too thick to tell."""
    if max(frame.spacing_mm) > _COARSE_MM:
        return ()
    rank = np.array([codes.rank(sleeve.root.level) for sleeve in sleeves])
    width = np.array([sleeve.width_mm for sleeve in sleeves])
    wide = []
    for n, sleeve in enumerate(sleeves):
        near = (np.abs(rank - rank[n]) <= _NEIGHBOURS) & (np.arange(len(sleeves)) != n) & (width > 0)
        far_wider = near.sum() >= _LEAST_NEIGHBOURS and sleeve.width_mm > _WIDER * float(np.median(width[near]))
        if far_wider and sleeve.width_mm >= _LEAST_MM and sleeve.fluid_ml >= _FLUID_ML and sleeve.filled >= _FILLED:
            wide.append(sleeve)
    return tuple(wide)


def sleeve_hints(sleeves: tuple[Sleeve, ...], canal: Canal, leaked: tuple[LeakHint, ...]) -> tuple[LeakHint, ...]:
    """Wide sleeves as hints of places that may leak; none where a hint of leaked contrast lies, which says more."""
    hints = []
    for sleeve in sleeves:
        if any(dist(sleeve.position_mm, hint.position_mm) <= _SAME_PLACE_MM for hint in leaked):
            continue
        x, y, z = (float(value) for value in canal.centreline_mm[canal.nearest(sleeve.position_mm)])
        place = canal.locate(sleeve.position_mm)
        hints.append(
            LeakHint(
                sleeve.position_mm, (x, y, z), (x, y, z), "lateral" if place.inside else "foramen", sleeve.root.side,
                round(sleeve.volume_ml, 2), "wide sleeve",
            )
        )  # fmt: skip
    return tuple(hints)
