"""Sac and canal of real T2 scans against contours that were drawn by hand, on planes whose result nobody had seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from planner.anatomy import find, labels
from planner.geometry import Volume, read_nifti
from tests.bench.anatomy.measures import dice
from tests.data import real

CONTOURS = Path(__file__).parents[2] / "data" / "contours"
Structure = Literal["sac", "canal"]


@dataclass(frozen=True)
class Compared:
    """One structure of one scan: the Dice of what is found with what was drawn, by level."""

    scan: str
    structure: Structure
    dice: Mapping[str, float]


def compared(name: str, structure: Structure) -> Compared:
    """A file of contours (scan, points of each plane in LPS mm) against what is found. Roots inside a drawn canal are part of it."""
    drawn = json.loads((CONTOURS / f"{name}-{structure}.json").read_text("utf-8"))
    folder, file = drawn["scan"].split("/")
    stored = read_nifti(real(folder) / file)
    volume = Volume(stored.frame, stored.voxels.astype(np.int16), "MR").to_axial()
    anatomy = find(volume)
    found = anatomy.mask((labels.THECAL_SAC, labels.SPINAL_CORD) if structure == "sac" else labels.CANAL)
    roots = anatomy.mask((labels.NERVE_ROOT,)) & (structure == "canal")
    alike = {}
    for contour in drawn["contours"]:
        index = volume.frame.to_index(np.array(contour["points_mm"]))
        filled = np.zeros(volume.frame.shape[1:], dtype=np.uint8)
        cv2.fillPoly(filled, [np.rint(index[:, [2, 1]] * 16).astype(np.int32)], 1, shift=4)
        k, inside = round(float(index[0, 0])), filled > 0
        alike[contour["level"]] = dice(inside, found[k] | (roots[k] & inside))
    return Compared(drawn["scan"], structure, alike)


def table() -> list[str]:
    """Every structure that was drawn, a row each."""
    lines = ["| scan | structure | Dice by level | median | worst |", "| --- " * 5 + "|"]
    for name in ("case-07", "lumbar-mr-t2"):
        for structure in ("sac", "canal"):
            one = compared(name, structure)
            by_level = ", ".join(f"{level} {value:.2f}" for level, value in one.dice.items())
            values = list(one.dice.values())
            lines.append(f"| {one.scan} | {structure} | {by_level} | {np.median(values):.2f} | {min(values):.2f} |")
    return lines
