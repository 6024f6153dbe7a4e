"""The real scans: what is found in them against the labels that come with them, and against the sizes that are published."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from planner import scan
from planner.anatomy import Anatomy, Anchor, find, labels
from planner.anatomy.outside import polar_place
from planner.anatomy.paint import along_canal
from planner.geometry import Floats, Volume, read_nifti, resample
from planner.refusal import Refusal
from tests.bench.anatomy.cohort import Row, spent
from tests.data import real
from tests.data.walks import WALKS

_BANDS = {
    **{f"C{n}": (170, 360) for n in range(3, 8)}, **{f"T{n}": (150, 290) for n in range(1, 10)},
    "T10": (160, 330), "T11": (160, 330), "T12": (180, 390), **{f"L{n}": (180, 390) for n in (1, 2, 3)},
    "L4": (180, 480), "L5": (180, 480), "S1": (150, 450),
}  # fmt: skip
"""Area of the canal in mm2, "bands for plausibility alarms" of clinical.md 3.1; C1 and C2 have none."""
_SEGMENTATOR = {**{27 + n: f"L{5 - n}" for n in range(5)}, **{32 + n: f"T{12 - n}" for n in range(12)}, 26: "S1"} | {
    44 + n: f"C{7 - n}" for n in range(7)
}
_BODIES = {18: "T11", 19: "T12", **{19 + n: f"L{n}" for n in range(1, 6)}}
_DISCS = {1: "L5-S1", 2: "L4-L5", 3: "L3-L4", 4: "L2-L3", 5: "L1-L2"}
_LEAST_VOXELS = 300
"""A label of fewer is a vertebra that the scan cuts."""
Maker = Literal["model", "person", "not said"]


@dataclass(frozen=True)
class Labels:
    """A label map that comes with a scan: its file, what its numbers are, and who made it (the README beside it)."""

    path: str
    names: Mapping[int, str]
    by: Maker


@dataclass(frozen=True)
class RealScan:
    """A scan of shared/data. anchor: a vertebra that a person named, as in `tests/data/walks.py`. vertebrae: whole ones; bodies: only their
    bodies; discs; cord. spine: whether there is one to be found."""

    name: str
    path: str
    anchor: str | None = None
    vertebrae: Labels | None = None
    bodies: Labels | None = None
    discs: Labels | None = None
    cord: Labels | None = None
    spine: bool = True


def _scans() -> list[RealScan]:
    anchors = {walk.path: walk.anchor for walk in WALKS}
    lumbar, chest, mr, neck, crop = (
        "lumbar-ct-labelled-3mm/", "thoracolumbar-ct-labelled/", "lumbar-mr-t2-labelled/", "cervical-mr/", "vertebra-ct-mr-crops/"
    )  # fmt: skip
    cord = {79: "cord"}
    made = [
        RealScan("thoracic CT", "thoracic-ct/dicom"),
        RealScan(
            "thoracolumbar CT", chest + "ct.nii.gz", None, Labels(chest + "structures.nii.gz", _SEGMENTATOR, "model"),
            cord=Labels(chest + "structures.nii.gz", cord, "model"),
        ),
        RealScan(
            "lumbar CT 3 mm", lumbar + "ct.nii.gz", None, Labels(lumbar + "vertebrae.nii.gz", _SEGMENTATOR, "model"),
            cord=Labels(lumbar + "all-structures.nii.gz", cord, "model"),
        ),
        RealScan(
            "short CT, 38 mm", lumbar + "dicom-jpeg2000", "T12=-9.7,-119.8,-790.8",
            Labels(lumbar + "dicom-jpeg2000-structures.nii.gz", _SEGMENTATOR, "model"),
            cord=Labels(lumbar + "dicom-jpeg2000-structures.nii.gz", cord, "model"),
        ),
        RealScan("cervical CT", "cervical-ct/dicom"),
        RealScan("crop of L3, CT", crop + "sub-ct_label-22_ct.nii.gz", None,
                 Labels(crop + "sub-ct_seg-vert_label-22_msk.nii.gz", {21: "L2", 22: "L3", 23: "L4"}, "not said")),
        RealScan("lumbar MR T2", "lumbar-mr-t2/t2.nii.gz"),
        RealScan("MR case 7", mr + "case-07-t2.nii.gz", bodies=Labels(mr + "case-07-vertebral-bodies.nii.gz", _BODIES, "person")),
        RealScan("MR discs 20", mr + "discs-20-t2.nii.gz", discs=Labels(mr + "discs-20-discs.nii.gz", _DISCS, "not said")),
        RealScan("MR water-fat", mr + "water-fat-01.nii.gz", bodies=Labels(mr + "water-fat-01-vertebral-bodies.nii.gz", _BODIES, "person")),
        RealScan("neck MR T2, 7.5 mm", neck + "t2-axial-thick.nii.gz"),
        RealScan("neck MR GRE, 5 mm", neck + "gre-mt-axial.nii.gz",
                 cord=Labels(neck + "gre-mt-axial-cord.nii.gz", {1: "cord"}, "not said")),
        RealScan("neck MR T2, block", neck + "t2-crop.nii.gz",
                 cord=Labels(neck + "t2-crop-cord-by-level.nii.gz", dict.fromkeys(range(1, 26), "cord"), "person")),
        RealScan("neck MR T1, block", neck + "t1-crop.nii.gz", cord=Labels(neck + "t1-crop-cord.nii.gz", {1: "cord"}, "person")),
        RealScan("crop, MR", crop + "sub-mri_label-6_T2w.nii.gz",
                 cord=Labels(crop + "sub-mri_seg-subreg_label-6_msk.nii.gz", {60: "cord"}, "not said")),
        RealScan("head CT", "gantry-tilt-head-ct/ge-uneven", spine=False),
        RealScan("head of plastic, tilted", "gantry-tilt-head-ct/philips-cd/S21610/S2010", spine=False),
        RealScan("head of plastic, tilted the other way", "gantry-tilt-head-ct/philips-cd/S21610/S3010", spine=False),
    ]  # fmt: skip
    return [replace(one, anchor=one.anchor or anchors.get(one.path)) for one in made]


SCANS = _scans()


@dataclass(frozen=True, eq=False)
class Found:
    """A scan with what was found in it; `anatomy` is None where it was refused, with the sentence in `row`."""

    scan: RealScan
    volume: Volume | None
    anatomy: Anatomy | None
    row: Row


def loaded(one: RealScan) -> Volume:
    """The scan as the program reads it. Raises Refusal."""
    return scan.load(scan.choose(scan.read(real(one.path))))


def look_at(one: RealScan) -> Found:
    """Find the anatomy of a scan and compare it with its labels."""
    row: Row = {"scan": one.name, "refused": None}
    volume = None
    try:
        volume = loaded(one)
        anchor = None
        if one.anchor is not None:
            name, position = one.anchor.split("=")
            x, y, z = (float(part) for part in position.split(","))
            anchor = Anchor(name, (x, y, z), "user")
        find(volume)  # kernels are compiled
        anatomy, cost = spent(lambda: find(volume, anchor))
    except Refusal as refusal:
        return Found(one, volume, None, {**row, "refused": refusal.sentence})
    row |= {"spacing_mm": " x ".join(f"{step:.2g}" for step in volume.frame.spacing_mm), "million_voxels": volume.voxels.size / 1e6}
    row |= {"length_mm": float(anatomy.canal.s_mm[-1]), "cpu_s": cost.cpu_s, "named": anchor is not None}
    row |= {"levels": [level.name for level in anatomy.levels], **_against_labels(one, volume, anatomy), **_areas(anatomy)}
    return Found(one, volume, anatomy, row)


def numbers_of(given: Labels, volume: Volume) -> NDArray[Any]:
    """A label map on the scan's grid."""
    file = read_nifti(Path(real(given.path)))
    return np.asarray(resample(file.voxels.astype(np.int16), file.frame, volume.frame, 0, nearest=True))


def _against_labels(one: RealScan, volume: Volume, anatomy: Anatomy) -> Row:
    row: Row = {}
    if one.cord is not None:
        row |= _cord(anatomy, np.isin(numbers_of(one.cord, volume), list(one.cord.names))) | {"cord_by": one.cord.by}
    if one.vertebrae is not None:
        row |= _whole(anatomy, numbers_of(one.vertebrae, volume), one.vertebrae.names) | {"levels_by": one.vertebrae.by}
    if one.bodies is not None:
        row |= _centres(anatomy, numbers_of(one.bodies, volume), one.bodies.names) | {"levels_by": one.bodies.by}
    if one.discs is not None:
        row |= _centres(anatomy, numbers_of(one.discs, volume), one.discs.names) | {"levels_by": one.discs.by}
    return row


def _cord(anatomy: Anatomy, cord: NDArray[np.bool_]) -> Row:
    """The share of the cord's voxels in the canal, of those in slices where a canal was found and of all. A voxel of a root that runs
    inside the wall lies in the canal too, though its label is the root's."""
    canal = anatomy.mask(labels.CANAL)
    slices = canal.any(axis=(1, 2))
    roots = np.argwhere(cord & anatomy.mask((labels.NERVE_ROOT,)))
    row, turn, away_mm = polar_place(along_canal(roots, anatomy.frame, anatomy.canal), anatomy.canal)
    canal[tuple(roots[away_mm <= anatomy.canal.wall_mm[row, turn]].T)] = True
    inside, there, every = int((cord & canal).sum()), int(cord[slices].sum()), int(cord.sum())
    if not every:
        return {}
    return {"cord_in_canal": inside / max(there, 1), "cord_in_view": there / every}


def _whole(anatomy: Anatomy, numbers: NDArray[Any], names: Mapping[int, str]) -> Row:
    """Labels of whole vertebrae: whether the middle of each body lies in the vertebra of its name, and how far off where it does not;
    nothing where the program gives no names. And how much of the canal lies in what is labelled as bone."""
    frame = anatomy.frame
    centres = {level.name: np.array(level.centre_mm) for level in anatomy.levels}
    off: dict[str, float] = {}
    for code, name in names.items():
        index = np.argwhere(numbers == code)
        if len(index) < _LEAST_VOXELS or index[:, 0].min() == 0 or index[:, 0].max() == frame.shape[0] - 1:
            continue
        points = frame.to_world(index)
        off[name] = float(np.linalg.norm(points - centres[name], axis=1).min()) if name in centres else float("inf")
    canal = anatomy.mask(labels.CANAL)
    bony = float(np.isin(numbers[canal], list(names)).mean()) if canal.any() else float("nan")
    right = _offs(off, 0.6 * max(frame.spacing_mm) + 1.0) if anatomy.anchor is not None else {}
    return {**right, "canal_in_bone": bony}


def _centres(anatomy: Anatomy, numbers: NDArray[Any], names: Mapping[int, str]) -> Row:
    """Labels of bodies or of discs: how far their middles are from those that were found, of discs as they are painted; 8 mm and more is
    another one's place."""
    centres: dict[str, Floats] = {level.name: np.array(level.centre_mm) for level in anatomy.levels}
    for upper, lower in itertools.pairwise(level.name for level in anatomy.levels):
        painted = np.argwhere(anatomy.mask((labels.disc(upper, lower),)))
        centres |= {f"{upper}-{lower}": anatomy.frame.to_world(painted).mean(axis=0)} if len(painted) else {}
    off = {}
    for code, name in names.items():
        index = np.argwhere(numbers == code)
        if len(index):
            middle = anatomy.frame.to_world(index).mean(axis=0)
            off[name] = float(np.linalg.norm(middle - centres[name])) if name in centres else float("inf")
    return _offs(off, 8.0)


def _offs(off: dict[str, float], right_mm: float) -> Row:
    if not off:
        return {}
    held = [value for value in off.values() if np.isfinite(value)]
    worst = max(off, key=off.__getitem__)
    return {
        "levels_right": sum(value < right_mm for value in off.values()), "levels_labelled": len(off),
        "level_off_mm": float(np.median(held)) if held else None, "level_worst": f"{off[worst]:.1f} {worst}",
    }  # fmt: skip


def _areas(anatomy: Anatomy) -> Row:
    """The canal's area at each body against the published band."""
    s, canal = anatomy.canal.s_mm, anatomy.canal
    areas, outside = {}, []
    for n, level in enumerate(anatomy.levels):
        around = anatomy.levels[max(n - 1, 0) : n + 2]
        gap = (around[-1].s_mm - around[0].s_mm) / max(1, len(around) - 1)
        here = np.abs(s - level.s_mm) <= 0.25 * gap
        if level.name not in _BANDS or not here.any():
            continue
        areas[level.name] = float(canal.area_mm2[here].mean())
        low, high = _BANDS[level.name]
        if not low <= areas[level.name] <= high:
            outside.append(f"{level.name} {areas[level.name]:.0f} ({low}-{high})")
    return {"areas": {name: round(area) for name, area in areas.items()}, "areas_outside": outside}
