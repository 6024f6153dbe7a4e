"""The real scans that must walk, with what a person says about each: one vertebra by name, and where it leaks.

Positions were read off the scans by eye: LPS mm, inside the canal at the back or front of the sac. coarse: slices over 2 mm apart, which
the plan must say. reason: why there is no needle, where there is none: in the neck the way in is interlaminar at C7-T1, and T1 lies below
the last slice of this scan.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Walk:
    """One scan with what a person would say about it."""

    name: str
    path: str
    anchor: str
    leak: str
    kind: str
    level: str
    coarse: bool = False
    reason: str | None = None

    @property
    def anchor_mm(self) -> tuple[float, float, float]:
        """Where the named vertebra is."""
        return _point(self.anchor.split("=")[1])

    @property
    def leak_mm(self) -> tuple[float, float, float]:
        """Where it leaks."""
        return _point(self.leak)


def _point(text: str) -> tuple[float, float, float]:
    x, y, z = (float(part) for part in text.split(","))
    return x, y, z


CERVICAL = "cervical-ct/dicom"

WALKS = [
    Walk("thoracic", "thoracic-ct/dicom", "T11=-10,225,-607", "-10,237.5,-620", "ventral", "T11-T12"),
    Walk("thoracolumbar", "thoracolumbar-ct-labelled/ct.nii.gz", "L2=22.6,22.6,-313.8", "10,84,-230", "dorsal", "T10-T11", coarse=True),
    Walk("lumbar 3 mm", "lumbar-ct-labelled-3mm/ct.nii.gz", "L3=3,-144,317", "3,-110,298", "dorsal", "L3-L4", coarse=True),
    Walk("cervical", CERVICAL, "C2=247,-285,-165", "248,-256,-250", "dorsal", "C6-C7", True, "T1 is not in view"),
    Walk("lumbar MR", "lumbar-mr-t2/t2.nii.gz", "L4=-17,32,-493", "-15,74,-439", "dorsal", "L2-L3"),
    Walk("MR case 7", "lumbar-mr-t2-labelled/case-07-t2.nii.gz", "L3=-0.5,-0.7,-8.4", "-2,30,-26", "dorsal", "L3-L4"),
    Walk("MR discs 20", "lumbar-mr-t2-labelled/discs-20-t2.nii.gz", "L3=2,-12,8", "2,14,-10", "dorsal", "L3-L4"),
    Walk("MR water-fat", "lumbar-mr-t2-labelled/water-fat-01.nii.gz", "L3=1.8,-2.3,-4", "0,23,-24", "dorsal", "L3-L4"),
]
