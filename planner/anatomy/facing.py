"""Whether a scan shows the patient as its axes say: behind the canal stand thin arches, in front of it thick bodies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.anatomy import labels as codes
from planner.anatomy.spine import ANGLES, Anatomy
from planner.geometry import Floats

_ASIDE_MM: Floats = np.arange(-12.0, 13.0, 3.0)  # of the middle
_BEHIND_MM: Floats = np.arange(4.0, 30.0, 2.0)  # of the back wall: behind most of an arch, beside most of a spinous process
_MOST = 0.4  # of that is bone: 0.14 to 0.22 in six real CT and 0.20 in a phantom, 0.54 and 0.61 in that phantom turned about
_UNSURE = 0.3
_SAID = (
    "Behind the canal lies as much bone as bodies have: the scan may be stored back to front (patient position), or the spine is fused. "
    "Compare it with the patient before anything is planned on it."
)


def bone_behind(anatomy: Anatomy) -> float:
    """The share of bone in the labels behind the canal, 4 to 28 mm from its back wall and as far as 12 mm beside its middle; of what the
    scan shows. NaN where it shows nothing there."""
    canal = anatomy.canal
    back_mm = canal.wall_mm[:, ANGLES // 4, None] + _BEHIND_MM
    places = canal.centreline_mm[:, None] + back_mm[..., None] * canal.back[:, None]
    places = places[:, :, None] + _ASIDE_MM[:, None] * canal.left[:, None, None]
    places = places[anatomy.shows(places)]
    at = tuple(np.rint(anatomy.frame.to_index(places)).astype(int).T)
    return float(np.isin(anatomy.labels[at], codes.BONE).mean()) if len(places) else float("nan")


def with_doubt_about_facing(anatomy: Anatomy) -> Anatomy:
    """The anatomy of a CT, hardly sure where what lies behind its canal is no arches, with a sentence on that at the canal."""
    known = anatomy.structure("canal")
    if anatomy.modality != "CT" or known.provenance != "found" or not bone_behind(anatomy) > _MOST:
        return anatomy
    words = (known.problem or "").replace(_SAID, "").strip()  # named anew, an anatomy has the sentence already
    doubted = replace(known, confidence=min(known.confidence or 0.0, _UNSURE), problem=f"{_SAID} {words}".strip())
    return replace(anatomy, structures={**anatomy.structures, "canal": doubted})
