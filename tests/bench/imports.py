"""What a label map does to the canal: `python -m tests.bench.imports` writes docs/results/imports.md.

Phantoms whose true vertebrae and cord are given as a map, as they are and with errors put in; real scans with the maps that come with them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy import Anatomy, find, find_with_labels
from planner.anatomy import labels as codes
from planner.anatomy.imports.given import read_given
from planner.geometry import Volume, write_nifti
from planner.phantom import Phantom, PhantomParameters, build
from planner.phantom.parameters import ModalityName
from planner.progress import Progress
from planner.refusal import Refusal
from planner.scan import load, read
from tests.bench.anatomy.measures import dice, surface_of, wall_distances
from tests.data import ROOT as DATA

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "results" / "imports.md"
Labels = NDArray[np.uint8]
PATIENTS: tuple[tuple[ModalityName, PhantomParameters], ...] = (
    ("ct", PhantomParameters(spacing_mm=(1.2, 1.0, 1.0))),
    ("ct", PhantomParameters(seed=5, scoliosis_deg=18.0, spacing_mm=(3.0, 1.2, 1.2))),
    ("ct", PhantomParameters(seed=7, size=0.92, spacing_mm=(2.0, 2.0, 2.0))),
    ("myelogram", PhantomParameters(modality="myelogram", seed=3, spacing_mm=(1.2, 1.0, 1.0))),
    ("mr", PhantomParameters(modality="mr", seed=4, spacing_mm=(1.2, 1.0, 1.0))),
)
REAL = (
    ("thoracolumbar-ct-labelled", "structures.nii.gz"),
    ("lumbar-ct-labelled-3mm", "all-structures.nii.gz"),
    ("lumbar-ct-labelled-3mm", "vertebrae.nii.gz"),
)


def _each_vertebra(labels: Labels, change: Callable[[NDArray[np.bool_]], NDArray[np.bool_]]) -> Labels:
    """Every vertebra's mask changed; where two then claim a voxel the lower has it."""
    out = np.where(np.isin(labels, codes.VERTEBRAE), 0, labels)
    for code in codes.VERTEBRAE:
        mask = labels == code
        if mask.any():
            out[change(mask) & (out != codes.SPINAL_CORD)] = code
    return out.astype(np.uint8)


def _shifted(labels: Labels, by_mm: tuple[float, float, float], spacing: tuple[float, float, float]) -> Labels:
    moved = ndimage.shift(labels, [mm / step for mm, step in zip(by_mm, spacing)], order=0, mode="constant", cval=0)
    return np.asarray(moved, dtype=np.uint8)


def _with_holes(labels: Labels, spacing: tuple[float, float, float]) -> Labels:
    """Balls of 5 mm left out, a tenth of the bone's voxels in all."""
    random, out = np.random.default_rng(9), labels.copy()
    index = np.argwhere(np.isin(labels, codes.VERTEBRAE))
    ball_voxels = 4 / 3 * np.pi * 5.0**3 / float(np.prod(spacing))
    middles = np.ones(labels.shape, dtype=np.bool_)
    middles[tuple(index[random.choice(len(index), int(0.2 * len(index) / ball_voxels))].T)] = False
    near = ndimage.distance_transform_edt(middles, sampling=spacing) < 5.0
    out[near & np.isin(labels, codes.VERTEBRAE)] = 0
    return out


ERRORS: dict[str, Callable[[Labels, tuple[float, float, float]], Labels]] = {
    "as it is": lambda labels, _: labels,
    "a voxel thinner": lambda labels, _: _each_vertebra(labels, ndimage.binary_erosion),
    "a voxel thicker": lambda labels, _: _each_vertebra(labels, ndimage.binary_dilation),
    "with holes of 10 mm": _with_holes,
    "2 mm to the left": lambda labels, spacing: _shifted(labels, (0.0, 0.0, 2.0), spacing),
    "2 mm to the back": lambda labels, spacing: _shifted(labels, (0.0, 2.0, 0.0), spacing),
    "2 mm to the head": lambda labels, spacing: _shifted(labels, (2.0, 0.0, 0.0), spacing),
}


@contextmanager
def _found_once(volume: Volume, base: Anatomy) -> Iterator[None]:
    """What the scan alone shows is sought once; with the map's bone it is sought anew each time."""

    def known(asked: Volume, anchor: None, progress: Progress) -> Anatomy:
        return base if asked is volume else find(asked, anchor, progress)

    with patch("planner.anatomy.imports.take_in.find", known):
        yield


def _true_map(one: Phantom) -> Labels:
    """Vertebrae and cord of the truth, as TotalSegmentator gives them, in Duraplan's codes."""
    by_name = {codes.name(code): code for code in (*codes.VERTEBRAE, codes.SPINAL_CORD)}
    table = np.zeros(256, dtype=np.uint8)
    for code, name in one.label_names.items():
        table[code] = by_name.get(name, 0)
    return np.asarray(table[one.labels])


def _phantom_rows(number: int, folder: Path) -> Iterator[str]:
    modality, parameters = PATIENTS[number]
    one = build(parameters)
    base = find(one.volume)
    true = np.isin(one.labels, [code for code, name in one.label_names.items() if name in ("epidural space", "thecal sac", "spinal cord")])
    room = ndimage.binary_closing(true, iterations=2) | true  # the roots that run in it
    surface, foot = surface_of(room, one.volume.frame), next(level.centre[2] for level in one.truth.levels if level.name == "S1")
    slices = slice(int(one.volume.frame.to_index((0.0, 0.0, foot))[0]), None)

    def row(said: str, anatomy: Anatomy) -> str:
        mean, far = wall_distances(anatomy.canal, surface, foot)
        share = dice(anatomy.mask(codes.CANAL)[slices], true[slices])
        spacing = " x ".join(f"{mm:g}" for mm in one.volume.frame.spacing_mm)
        return f"| {modality} {spacing} | {said} | {share:.3f} | {mean:.2f} | {far:.2f} | {anatomy.structure('canal').provenance} |"

    yield row("none", base)
    (folder / "labels.json").write_text(
        json.dumps({str(code): codes.name(code) for code in (*codes.VERTEBRAE, codes.SPINAL_CORD)}), "utf-8"
    )
    for said, change in ERRORS.items():
        write_nifti(folder / "labels.nii.gz", change(_true_map(one), one.volume.frame.spacing_mm), one.volume.frame)
        with _found_once(one.volume, base):
            try:
                yield row(said, find_with_labels(one.volume, folder / "labels.nii.gz"))
            except Refusal as refusal:
                yield f"| {modality} | {said} | refused: {refusal.sentence} | | | |"


@cache
def _real_scan(folder: str) -> tuple[Volume, Anatomy]:
    volume = load(read(DATA / folder / "ct.nii.gz").series[0])
    return volume, find(volume)


def _real_rows(folder: str, file: str) -> Iterator[str]:
    volume, base = _real_scan(folder)
    given = read_given(DATA / folder / file, volume)
    with _found_once(volume, base):
        taken = find_with_labels(volume, DATA / folder / file)
    cord, bone = given.codes == codes.SPINAL_CORD, np.isin(given.codes, codes.VERTEBRAE)
    z = volume.frame.affine[2, 3] + volume.frame.spacing_mm[0] * np.arange(volume.frame.shape[0])
    seen = (z > base.canal.centreline_mm[-1, 2]) & (z < base.canal.centreline_mm[0, 2])
    for said, anatomy in (("none", base), (file, taken)):
        canal = anatomy.mask(codes.CANAL)
        inside = f"{100 * float(canal[seen][cord[seen]].mean()):.1f}" if cord.any() else "-"
        spilt = float((canal & bone).sum()) * volume.frame.voxel_ml
        area, told = float(np.median(anatomy.canal.area_mm2)), anatomy.structure("canal").problem
        yield f"| {folder} | {said} | {inside} | {spilt:.2f} | {area:.0f} | {told} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--patients", type=int, default=len(PATIENTS))
    asked = parser.parse_args()
    lines = [
        "# What a label map does to the canal", "",
        "Made by `python -m tests.bench.imports`. The map holds vertebrae and cord and no canal: the wall is the program's, and takes the",
        "map's bone where it saw none itself. *None* is without a map. Canal as the labels give it, above the middle of S1; wall against",
        "the true one.", "",
        "| phantom, mm | map | canal, Dice | wall, mean mm | wall, 95 % mm | canal |", "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.patients):
            for line in _phantom_rows(number, Path(folder)):
                print(line, flush=True)
                lines.append(line)
    lines += [
        "", "Real scans with TotalSegmentator's maps, which no person checked; nobody has drawn their canal.", "",
        "| scan | map | cord inside the canal, % | map's bone in the canal, mL | area, median mm2 | what is said of the canal |",
        "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for folder_name, file in REAL:
        for line in _real_rows(folder_name, file):
            print(line, flush=True)
            lines.append(line)
    asked.out.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
