"""What weights an MR: told by its values around the tube that was followed, since headers name sequences in many ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from planner.anatomy.mr.sac import DARKEST, SeenSac
from planner.anatomy.reformat import OUTSIDE, RADII, Curve, in_sections, polar
from planner.geometry import Floats, Volume
from planner.refusal import Refusal

Weighting = Literal["T2", "T2 without fat", "gradient echo", "T1"]

_T2_MUSCLE = 0.3  # of the fluid's brightness: 0.07 to 0.13 on T2; 0.5 to 0.8 on T1 and gradient echo
_PLAIN_MUSCLE = 0.2  # what is darker than this is T2 without doubt
_OUTSHINES = 0.8  # of the fluid: in a fluid-bright scan nine tenths of what lies around are darker than this
_FAT = 0.4  # of the fluid: where a tenth of what lies around is brighter, fat is; on STIR nothing is
_GREY_CORE = 0.87  # of the fluid around: a cord in the neck's fluid; on T1 the cord is brighter than the fluid
_T1_EDGE, _T1_FAT = 0.5, 0.22  # of the outline that is seen in the scan turned over, and against fat: 0.6, 0.3 on T1, 0.4, 0.2 elsewhere
_T1_FLUID, _T1_MUSCLE = 0.25, 0.5  # of the fat's brightness: 0.1, 0.3 on T1 (clinical.md 3.6); 0.3, 0.6 where fat is suppressed
_MIDDLE, _RIM = 0.4, (0.65, 0.9)  # of the way to the tube's edge
_BESIDE_MM: Floats = np.concatenate([np.arange(-28.0, -9.0, 2.0), np.arange(10.0, 29.0, 2.0)])
_BEHIND_MM: Floats = np.arange(20.0, 36.0, 2.0)
_AROUND_MM = 12.0
_TUBE_MM = 5.0  # around a rough curve what is bright is the tube


@dataclass(frozen=True)
class Contrast:
    """muscle: brightness of the muscle behind, as a share of the fluid's, None on T1. weighting: what the scan is taken for."""

    weighting: Weighting
    muscle: float | None = None

    @property
    def is_plain(self) -> bool:
        """Whether nothing speaks for another weighting."""
        return self.muscle is not None and self.muscle < _PLAIN_MUSCLE

    def problem(self) -> str | None:
        """What the user must know of the contrast that was assumed."""
        if self.weighting == "T2":
            return None
        if self.weighting == "T1":
            return "Taken for T1, on which fluid, cortical bone and ligament are alike dark and are told apart by the fat between them."
        if self.weighting == "T2 without fat":
            return "Taken for T2 with suppressed fat, in which epidural fat and bone are alike dark."
        return (
            f"Taken for a gradient echo with bright fluid: muscle has {_percent(self.muscle or 0.0)} of the fluid's brightness, "
            f"on T2 less than {_percent(_T2_MUSCLE)}."
        )


def _percent(share: float) -> str:
    return f"{round(100 * share)} %"


def looks_plain(search: Volume, curve: Curve) -> bool:
    """Whether the muscles are as dark beside a rough bright tube as on T2: then it is worth an outline before a dark tube is looked for."""
    rays = polar(search, curve)
    seen = rays != OUTSIDE
    tube, dark = np.percentile(rays[seen & (RADII < _TUBE_MM)], 80), np.percentile(rays[seen], DARKEST)
    return float(_muscle(search, curve) - dark) < _PLAIN_MUSCLE * float(tube - dark)


def contrast_of(volume: Volume, sac: SeenSac) -> Contrast:
    """The weighting by muscle and all that lies around the tube. Raises Refusal where the tube is no bright fluid, as on T1."""
    dark, fluid, around, core = _levels(volume, sac)
    muscle = float(_muscle(volume, sac.curve) - dark) / fluid
    if muscle < _T2_MUSCLE:
        return Contrast("T2" if around > _FAT else "T2 without fat", muscle)
    if around > _OUTSHINES and core > _GREY_CORE:
        raise Refusal(
            "No spinal canal was found: the scan is not T2-weighted, nor T1-weighted with dark fluid before bright fat. The tube that "
            f"was followed is no bright fluid: muscle has {_percent(muscle)} of its brightness, less than {_percent(_T2_MUSCLE)} are usual "
            "on T2.",
            "Choose the T2 series of the same examination, or draw the canal.",
        )
    return Contrast("gradient echo", muscle)


def _muscle(volume: Volume, curve: Curve) -> float:
    """How bright the muscles behind and beside the tube are."""
    u, v = np.meshgrid(_BESIDE_MM, _BEHIND_MM)
    shape = (len(curve.points_mm), *u.shape)
    block = in_sections(volume, curve, np.broadcast_to(u, shape), np.broadcast_to(v, shape))
    tissue = block[block != OUTSIDE]
    return float(np.median(tissue)) if tissue.size else 0.0


def contrast_on_t1(volume: Volume, sac: SeenSac, beside_fat: SeenSac, fat: Floats) -> Contrast | None:
    """T1, where the outline of the sac, seen in the scan turned over, is clear and much of it lies against fat, and where fluid and muscle
    are as dark as they are on T1; None elsewhere. fat: (n,), its brightness along the sac."""
    rays = polar(volume, sac.curve)
    share = RADII / np.maximum(sac.radius_mm[..., None], 1e-3)
    within = (rays != OUTSIDE) & (share > _MIDDLE) & (share < _RIM[1])
    fluid = float(np.median((rays / fat[:, None, None])[within])) if within.any() else 1.0
    clear = float(sac.edge.mean()) > _T1_EDGE and float(beside_fat.edge.mean()) > _T1_FAT
    grey = _muscle(volume, sac.curve) < _T1_MUSCLE * float(np.median(fat))
    return Contrast("T1") if clear and grey and fluid < _T1_FLUID else None


def _levels(volume: Volume, sac: SeenSac) -> tuple[float, float, float, float]:
    """(dark, fluid, around, core): the darkest value; the fluid's above it; what nine tenths of the surroundings stay below, as a share of
    it; how bright the tube's middle is, as a share of its rim: less than 1 where a grey cord lies in bright fluid."""
    rays = polar(volume, sac.curve)
    seen = rays != OUTSIDE
    dark, fluid = float(np.percentile(rays[seen], DARKEST)), max(float(np.median(sac.fluid)), 1e-3)
    outer = rays[:, :, RADII > _AROUND_MM]
    around = outer[outer != OUTSIDE]
    share = RADII / sac.radius_mm[..., None]
    middle, rim = (float(np.median(rays[seen & part])) - dark for part in (share < _MIDDLE, (share > _RIM[0]) & (share < _RIM[1])))
    return dark, fluid, (float(np.percentile(around, 90)) - dark) / fluid if around.size else 0.0, middle / max(rim, 1e-3)
