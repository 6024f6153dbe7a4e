"""Whether vertebrae lie around a tube enclosed by bone: bodies before it and pedicles on both its sides, as no rib or pipe has them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from planner.anatomy.reformat import OUTSIDE, Curve, in_sections
from planner.geometry import Floats, Volume
from planner.refusal import Refusal

_ACROSS_MM, _DEEP_MM = np.arange(-8.0, 8.1, 4.0), np.arange(4.0, 20.0, 2.0)  # of a body, from its middle and from the canal's front wall
_AROUND_MM = 31  # a vertebra: over this length its rims are met, however hollow old bone is
_BODIES = 0.65  # of the places before a canal meet bone: 0.86 and more in real scans and parts of them, 0.5 behind ribs, 0.2 in a limb
_CLOSED, _PEDICLES = 0.3, 0.1  # a side that is open by less is closed, over so much of its length: 0.21 and more; 0 beside a hip bone


def check_vertebrae(bone: Volume, curve: Curve, front_mm: Floats, openness: Floats, way_out: str) -> None:
    """Raises Refusal, which names what is missing. bone: its mask (0 or 1) on the search grid. front_mm (n,), openness (n, 2): as of
    `levels.Column`."""
    bodies = _bodies_before(bone, curve, front_mm)
    if bodies < _BODIES:
        where = f"in front of the tube enclosed by bone ({100 * bodies:.0f} % bone, {100 * _BODIES:.0f} % are needed)"
        why = f"no vertebral bodies lie {where}"
        raise Refusal(f"No spinal canal was found: {why}.", f"{way_out} A scan that is stored back to front has its arches there.")
    for side, open_ in zip(("left", "right"), openness.T):
        if float((open_ < _CLOSED).mean()) < _PEDICLES:
            why = f"the tube enclosed by bone is open all along its {side}, where pedicles close a canal"
            raise Refusal(f"No spinal canal was found: {why}.", way_out)


def _bodies_before(bone: Volume, curve: Curve, front_mm: Floats) -> float:
    """The share of the places in view where bodies would lie that meet bone within half of a vertebra along the canal."""
    shape = (len(front_mm), len(_DEEP_MM), len(_ACROSS_MM))
    v = -(front_mm[:, None] + _DEEP_MM)
    block = in_sections(bone, curve, np.broadcast_to(_ACROSS_MM, shape), np.broadcast_to(v[:, :, None], shape))
    met = ndimage.maximum_filter1d(block, _AROUND_MM, axis=0, mode="nearest") > 0.5
    seen = block != OUTSIDE
    return float(np.median((met & seen).sum(axis=(1, 2)) / np.maximum(seen.sum(axis=(1, 2)), 1)))
