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
from planner.anatomy.outside import Spots, marked
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


def measure_sleeves(volume: Volume, spots: Spots, labels: NDArray[np.uint8], sac_mm: Floats, roots: tuple[Root, ...]) -> tuple[Sleeve, ...]:
    """The sleeves of the roots, in their order.

    labels: with sac, roots and pools painted; what has leaked is in no sleeve. sac_mm: (n, ANGLES).
    """
    if not roots:
        return ()
    frame = volume.frame
    codes_here = labels[spots.box]
    sac = volume.voxels[spots.box][codes_here == codes.THECAL_SAC]
    full = float(np.median(sac)) * volume.slope + volume.intercept if sac.size else 1.0
    spots = spots.where(~marked(_NOT_IN_SLEEVES)[codes_here[tuple(spots.index.T)]] & (spots.past(sac_mm) > _OFF_SAC_MM))
    past = round(_PAST_GANGLION_MM)
    paths = [root.path_mm[: root.ganglion.stop + past] for root in roots]
    of = np.repeat(np.arange(len(roots)), [len(path) for path in paths])
    points = frame.to_world(spots.voxels)
    apart, near = cKDTree(np.concatenate(paths)).query(points, distance_upper_bound=_AROUND_MM)
    held = np.isfinite(apart)
    inside = np.zeros(codes_here.shape, dtype=np.bool_)
    inside[tuple(spots.index.T)] = True
    spots, points, owner = spots.where(held), points[held], of[near[held]]
    return tuple(
        _sleeve(root, spots.where(owner == n), points[owner == n], inside, max(full, 1.0), frame) for n, root in enumerate(roots)
    )  # fmt: skip


def _sleeve(root: Root, own: Spots, points: Floats, inside: NDArray[np.bool_], full: float, frame: Frame) -> Sleeve:
    """From the voxels of contrast that lie nearest to this root, at points (m, 3), in the mask of all that may be in a sleeve. full: how
    bright the sac is."""
    if not len(points):
        x, y, z = (float(value) for value in root.path_mm[root.ganglion.start])
        return Sleeve(root, 0.0, (x, y, z), 0.0, 0.0)
    low = np.maximum(own.index.min(axis=0) - 1, 0)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, own.index.max(axis=0) + 2))
    depth = ndimage.distance_transform_edt(inside[box], sampling=frame.spacing_mm)[tuple((own.index - low).T)]
    thickest = int(depth.argmax())
    ball = np.linalg.norm(points - points[thickest], axis=1) <= 2.0 * float(depth[thickest])
    x, y, z = (float(value) for value in points[thickest])
    filled = float(np.median(own.value[ball])) / full
    volume_ml = int(ball.sum()) * frame.voxel_ml
    return Sleeve(root, 2.0 * float(depth[thickest]), (x, y, z), int(own.even.sum()) * frame.voxel_ml, volume_ml, filled)


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
