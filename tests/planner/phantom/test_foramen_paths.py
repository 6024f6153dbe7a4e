"""Every lumbar foramen lets a 22G needle through from behind and beside, below the root: searched by brute force on the labels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from planner.phantom import Phantom
from tests.planner.phantom.looking import bone, canal, level, marked

# clinical.md 5.1: radius of a 22G needle + 0.5 mm to bone; 2 mm and 1.5 mm of uncertainty to a modelled root
TO_BONE_MM, TO_ROOT_MM = 0.9, 3.5
PAIRS = (("T12", "L1"), ("L1", "L2"), ("L2", "L3"), ("L3", "L4"), ("L4", "L5"))


def clearance(mask: NDArray[np.bool_], spacing: tuple[float, ...], origin: NDArray[np.int64],
              points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of index points to the surface of a mask whose voxel 0 lies at `origin`; the surface lies half a voxel before centres."""
    distance = distance_transform_edt(~mask, sampling=spacing) - 0.5 * min(spacing)
    return np.asarray(map_coordinates(distance, (points - origin).reshape(-1, 3).T, order=1, mode="nearest").reshape(points.shape[:-1]))


@pytest.mark.parametrize("side,sign", [("left", 1.0), ("right", -1.0)])
@pytest.mark.parametrize("between", PAIRS, ids="-".join)
def test_a_needle_passes_below_the_root_to_the_front_of_the_sac(fine: Phantom, between: tuple[str, str], side: str, sign: float) -> None:
    foramen = next(f for f in fine.truth.foramina if f.between == between and f.side == side)
    centre = np.array(foramen.centre)
    frame = fine.volume.frame
    low = np.maximum(np.rint(frame.to_index(centre)).astype(int) - 45, 0)
    here = tuple(slice(int(a), int(a) + 110) for a in low)
    solid, nerve = bone(fine)[here], marked(fine, "nerve root", "ganglion")[here]
    sac, space = marked(fine, "thecal sac", "spinal cord")[here], canal(fine)[here]

    # the pedicles' medial border: the first bone beside the middle of the canal at the upper pedicle
    k, _, i = np.rint(frame.to_index(np.array([level(fine, between[0])[0], centre[1], level(fine, between[0])[2] + 4.0]))).astype(int) - low
    j = round(float(np.median(np.argwhere(space[k])[:, 0])))
    row = solid[k, j, :] if sign > 0 else solid[k, j, ::-1]
    start = i if sign > 0 else len(row) - 1 - i
    border_mm = float(np.argmax(row[start:])) * frame.spacing_mm[2] - 0.5 * frame.spacing_mm[2]
    medial_x = level(fine, between[0])[0] + sign * border_mm

    tips, entries = [], []
    lower_half = np.arange(0.0, 0.45, 0.05) * foramen.height_mm
    for medial, down, ahead in itertools.product((1.0, 2.0, 3.0), lower_half, np.arange(-6.0, 5.0, 1.0)):
        tip = np.array([medial_x - sign * medial, centre[1] + ahead, centre[2] - down])
        for degrees, rise in itertools.product(range(30, 51, 4), range(-25, 26, 5)):
            a, b = np.radians(degrees), np.radians(rise)
            tips.append(tip)
            entries.append(tip + 62.0 * np.array([sign * np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b)]))
    start_points, stop_points = np.array(tips), np.array(entries)
    tip_index = frame.to_index(start_points)
    at_tip = tuple(np.clip(np.rint(tip_index - low).astype(int), 0, 109).T)
    middle_y = frame.to_world(np.argwhere(sac).mean(axis=0) + low)[1]
    good = space[at_tip] & ~sac[at_tip] & (start_points[:, 1] < middle_y)
    good &= clearance(sac, frame.spacing_mm, low, tip_index) >= 1.0
    assert good.any(), "the tip has a place in front of the sac"
    steps = np.arange(0, 1.0001, 0.8 / 62)
    ways = frame.to_index(start_points[good, None] + steps[:, None] * (stop_points[good] - start_points[good])[:, None])
    free = clearance(solid, frame.spacing_mm, low, ways).min(axis=1) >= TO_BONE_MM
    away = clearance(nerve, frame.spacing_mm, low, ways).min(axis=1) >= TO_ROOT_MM
    assert free.any(), f"bone is in the way: {clearance(solid, frame.spacing_mm, low, ways).min(axis=1).max():.1f} mm at best"
    assert away.any(), "the root is in the way"
    assert (free & away).sum() >= 3, "bone and root leave a way together"
