"""The structures that a needle keeps away from, and by how much (reference: clinical 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from planner.anatomy import labels
from planner.anatomy.spine import Anatomy, Provenance
from planner.evidence import evidence, number
from planner.geometry import Floats
from planner.leak import region
from planner.needles.candidate import MODELLED


@dataclass(frozen=True)
class Hazard:
    """A structure, as the anatomy names it, that a needle keeps away from.

    title: its name in the interface. codes: its labels. limit: the evidence id of the least distance from the needle's surface.
    warning: the evidence id of the distance under which a card warns; None where the limit is all. structure: whose provenance counts.
    partly: how it may be known in part: "one of two" sides, or some "length" of it. What is known of it then counts against a needle, and
    never for one.
    """

    name: str
    title: str
    codes: tuple[int, ...]
    limit: str
    structure: str
    warning: str | None = None
    partly: Literal["one of two", "length"] | None = None

    @property
    def is_organ(self) -> bool:
        """Whether its limit is wide, many voxels of a planning box."""
        return self.limit in ("needles.organ_mm", "needles.lung_least_mm")


DISCS = labels.DISCS

HAZARDS = (
    Hazard("bone", "Bone", labels.BONE, "needles.bone_mm", "bone"),
    Hazard("sac", "Thecal sac", (labels.THECAL_SAC, labels.SPINAL_CORD), "needles.dura_mm", "sac"),
    Hazard("cord", "Spinal cord", (labels.SPINAL_CORD,), "needles.dura_mm", "cord"),
    Hazard("roots", "Root, ganglion", (labels.NERVE_ROOT, labels.GANGLION), "needles.root_mm", "roots"),
    Hazard("disc", "Disc", DISCS, "needles.disc_mm", "discs"),
    Hazard("metal", "Metal", (), "needles.metal_mm", "metal"),
    Hazard("lung", "Lung", (labels.LUNG,), "needles.lung_least_mm", "lung", "needles.lung_mm"),
    Hazard("kidney", "Kidney", (labels.KIDNEY,), "needles.organ_mm", "kidney", partly="one of two"),
    Hazard("bowel gas", "Bowel gas", (labels.BOWEL_GAS,), "needles.organ_mm", "bowel gas"),
    Hazard("aorta", "Aorta", (labels.AORTA,), "needles.organ_mm", "aorta", partly="length"),
    Hazard("vena cava", "Vena cava", (labels.VENA_CAVA,), "needles.organ_mm", "vena cava", partly="length"),
    Hazard(
        "vertebral artery",
        "Vertebral artery",
        (labels.VERTEBRAL_ARTERY,),
        "needles.vertebral_artery_mm",
        "vertebral artery",
        partly="length",
    ),
    Hazard("spleen", "Spleen", (), "needles.organ_mm", "spleen"),
    Hazard("liver", "Liver", (), "needles.organ_mm", "liver"),
)
"""All that a needle is checked against, in the order of a card. Spleen and liver are not looked for yet and say so."""


def margin_mm(hazard: Hazard, provenance: Provenance) -> float:
    """The distance asked from the needle's surface; a root is inflated by how unsure its contour is."""
    if hazard.name == "roots" and provenance == "modelled":
        return number(hazard.limit) + number(MODELLED)
    return least_margin_mm(hazard, provenance)


def least_margin_mm(hazard: Hazard, provenance: Provenance) -> float:
    """The distance that nothing gives up: from a modelled root that of the rule alone, without what is added for not seeing it."""
    seen = hazard.name == "roots" and provenance != "modelled"
    return number(hazard.limit) + (number("needles.root_uncertainty_seen_mm") if seen else 0.0)


def provenance_of(hazard: Hazard, anatomy: Anatomy) -> Provenance:
    """How a hazard is known. Metal has no entry in the anatomy: a CT shows it, an MR does not."""
    if hazard.name == "metal":
        return "found" if anatomy.modality == "CT" else "not checked"
    return anatomy.structure(hazard.structure).provenance


def is_narrow(level: str | None, lung_checked: bool) -> bool:
    """Whether the narrow entry limit of thorax and neck holds at a level. It stands for the pleura: at T12-L1, where the back is already
    lumbar, the lumbar limit holds if the distance to the lung itself was checked."""
    return region(level) in ("thorax", "neck") and not (level is not None and level.endswith("-L1") and lung_checked)


def in_artery_levels(level: str | None) -> bool | None:
    """Whether a feeding artery was found in foramina of this level; None where the level is not known."""
    if level is None or level.split("-")[0] not in labels.ALL_LEVELS:
        return None
    first, last = evidence("needles.artery_levels").value
    upper = labels.rank(level.split("-")[0])
    return labels.rank(first) <= upper <= labels.rank(last)


def in_artery_zone(across: Floats, up: Floats) -> NDArray[np.bool_]:
    """Whether paths cross the upper third of a foramen, or its front half above the middle. across (to the back) and up: -1..1 of it."""
    share = (up + 1.0) / 2.0
    return (share > number("needles.artery_upper_share")) | ((share > number("needles.artery_front_share")) & (across < 0))
