"""What is known of a scan in which no canal was found: the body's outline, in CT its bone, and the vertebra that a person named."""

from __future__ import annotations

import numpy as np

from planner.anatomy import labels as codes
from planner.anatomy.body import body_mask
from planner.anatomy.bone import find_bone
from planner.anatomy.grid import onto, reduced
from planner.anatomy.spine import ANGLES, Anatomy, Anchor, Canal, Level, Structure
from planner.geometry import Volume
from planner.progress import Progress, silent
from planner.refusal import Refusal

_BONE = Structure("found", 0.6, "By its brightness alone; contrast as bright as bone counts as bone.")


def no_canal() -> Canal:
    """A canal without a cross-section."""
    none = np.empty((0, 3))
    return Canal(none, none, none, np.empty((0, ANGLES)), np.empty((0, ANGLES), dtype=np.bool_), np.empty(0), np.empty(0))


def bare(volume: Volume, anchor: Anchor | None = None, refusal: Refusal | None = None, progress: Progress = silent) -> Anatomy:
    """The anatomy in which a person may draw the canal; no opening is checked. refusal: why no canal was found."""
    search = reduced(volume, progress=progress)
    body = body_mask(search)
    labels = onto(body, search.frame, volume.frame).astype(np.uint8)
    structures = {"skin": Structure("found", 0.8)}
    if refusal is not None:
        structures["canal"] = Structure("not checked", None, refusal.sentence)
    if volume.modality == "CT":
        bone = find_bone(search, body)
        bright = volume.voxels * np.sign(volume.slope) > volume.to_stored(bone.threshold_hu) * np.sign(volume.slope)
        labels[onto(bone.mask, search.frame, volume.frame).astype(np.bool_) & bright] = codes.BONE_OTHER
        structures["bone"] = _BONE
    levels = () if anchor is None else (Level(anchor.name, anchor.position_mm, 0.0, 1.0),)
    if levels:
        structures["levels"] = Structure("drawn", None, "Only the vertebra that was named is known.")
    return Anatomy(volume.frame, volume.modality, labels, structures, no_canal(), levels, (), (), (), anchor)
