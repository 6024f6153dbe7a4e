"""Metal in a CT: rods, screws, cement and leads, beside which the scan shows neither bone nor soft tissue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.reformat import RADIAL_MM
from planner.geometry import Floats, Volume

METAL_HU = 2500.0
"""What is brighter is metal (algorithms 1.1 step 2); scanners write 3071 where it is brighter still."""
_GLARE_MM = 3.0  # so far around metal nothing is known
_CROWDED, _CALMED = 0.25, 5  # where more of the rays meet metal, streaks are evened out over so many sections


def glare_of(search: Volume) -> NDArray[np.bool_] | None:
    """Metal and 3 mm around it on a grid; None where there is none."""
    metal = search.voxels > METAL_HU
    if not metal.any():
        return None
    spacing = search.frame.spacing_mm
    out = np.zeros(metal.shape, dtype=np.uint8)
    reach = [round(_GLARE_MM / step) for step in spacing]
    box = tuple(slice(max(int(at.min()) - r, 0), int(at.max()) + r + 1) for at, r in zip(metal.nonzero(), reach))
    out[box] = ndimage.maximum_filter(metal[box].astype(np.uint8), [2 * r + 1 for r in reach])
    return out.astype(bool)


def glare_on(rays: Floats) -> NDArray[np.bool_] | None:
    """As `glare_of`, in straightened rays (n, directions, radii) of HU whose sections are 1 mm apart."""
    metal = rays > METAL_HU
    if not metal.any():
        return None
    reach = round(_GLARE_MM)  # also of directions, which are 1 mm apart at 10 mm
    glare = ndimage.maximum_filter1d(metal.astype(np.uint8), 2 * reach + 1, axis=0)
    glare = ndimage.maximum_filter1d(glare, 2 * reach + 1, axis=1, mode="wrap")
    return np.asarray(ndimage.maximum_filter1d(glare, 2 * round(_GLARE_MM / RADIAL_MM) + 1, axis=2)).astype(bool)


def calmed(rays: Floats, glare: NDArray[np.bool_]) -> Floats:
    """The rays with streaks evened out along the canal where metal stands on many sides."""
    crowded = glare.any(axis=2).mean(axis=1) > _CROWDED
    if not crowded.any():
        return rays
    out = rays.copy()
    out[crowded] = ndimage.median_filter(rays, (_CALMED, 1, 1), mode="nearest")[crowded]
    return out
