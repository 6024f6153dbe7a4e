"""The words for what a person decides, the same on every screen and on the sheet."""

from __future__ import annotations

from planner.geometry import PatientPosition
from planner.leak.leak import ApproachName, LeakKind

KIND_WORDS: dict[LeakKind, str] = {
    "ventral": "ventral leak",
    "sleeve": "nerve-root sleeve leak",
    "fistula": "CSF-venous fistula",
    "dorsal": "dorsal leak",
}
APPROACH_WORDS: dict[ApproachName, str] = {
    "interlaminar-midline": "interlaminar, midline",
    "interlaminar-paramedian": "interlaminar, paramedian",
    "transforaminal-ventral": "transforaminal, to the ventral epidural space",
    "transforaminal-foramen": "transforaminal, stopped short in the foramen",
    "caudal": "caudal",
}
POSITION_WORDS: dict[PatientPosition, str] = {
    "prone": "prone",
    "supine": "supine",
    "left": "on the left side",
    "right": "on the right side",
}
