"""First pictures of each kind of scan, of the bench's 600 slices: prints a table, `docs/results/first-pictures.md` holds the last one.

python -m tests.bench.loading.kinds [--kinds KIND ...] [--folder DIR]

Each scan (300 MB, packed half of it) is written to DIR, opened in the real window by a process of its own, and removed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset

from planner.geometry import Frame, write_nifti
from tests.bench.loading.__main__ import ROOT
from tests.bench.loading.series import PIXEL_MM, SIDE, SLICES, STEP_MM, slice_of, truth

_TILT = 0.2  # radians
_COS, _SIN = float(np.cos(_TILT)), float(np.sin(_TILT))

Change = Callable[[FileDataset, int], None]


def _moved(ds: FileDataset, by_mm: float) -> None:
    x, y, z = ds.ImagePositionPatient
    ds.ImagePositionPatient = [x, y, round(float(z) + by_mm, 3)]


def _plain(ds: FileDataset, n: int) -> None:
    """As it is."""


def _odd(ds: FileDataset, n: int) -> None:
    _moved(ds, 0.1 * (n % 3 == 1))


def _gap(ds: FileDataset, n: int) -> None:
    _moved(ds, 20.0 * (n >= SLICES // 2))


def _tilted(ds: FileDataset, n: int) -> None:
    ds.ImageOrientationPatient = [1, 0, 0, 0, round(_COS, 8), round(-_SIN, 8)]


def _odd_and_tilted(ds: FileDataset, n: int) -> None:
    _odd(ds, n)
    _tilted(ds, n)


def _shifted(ds: FileDataset, n: int) -> None:
    ds.RescaleIntercept = -1024 if n % 2 else -1000


def _sloped(ds: FileDataset, n: int) -> None:
    ds.RescaleSlope = round(1 + 0.001 * (n % 7), 3)


STACKS: dict[str, Change] = {
    "DICOM, plain": _plain,
    "DICOM, odd steps": _odd,
    "DICOM, with a gap": _gap,
    "DICOM, tilted": _tilted,
    "DICOM, odd steps and tilted": _odd_and_tilted,
    "DICOM, two intercepts": _shifted,
    "DICOM, seven slopes": _sloped,
    "DICOM in a ZIP": _plain,
}
FILES = {"NIfTI": ".nii", "NIfTI, packed": ".nii.gz", "NRRD": ".nrrd", "NRRD, packed": ".packed.nrrd", "MetaImage": ".mha"}
KINDS = (*STACKS, *(f"{name}{turn}" for name in FILES for turn in ("", ", oblique")))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path)
    options.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    chosen = options.parse_args()
    print("| kind | verdict | first picture | whole | CPU to the verdict | to the first picture | to the whole |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for kind in chosen.kinds:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            path = write(Path(folder), kind)
            run = subprocess.run(
                [sys.executable, "-m", "tests.bench.loading.first_picture", str(path)], capture_output=True, text=True, cwd=ROOT, check=True
            )
        times = json.loads(run.stdout.splitlines()[-1])
        columns = [name + by for by in ("", " cpu") for name in ("judged", "first", "whole")]
        named = [f"{times[column]:.2f}" if column in times else "none" for column in columns]
        print(f"| {kind} | {' | '.join(named)} |", flush=True)
    print(f"\nLoad at the end: {os.getloadavg()[0]:.1f}.")


def write(folder: Path, kind: str) -> Path:
    """A scan of a kind in a folder; the path to open."""
    if kind in STACKS:
        series = folder / "series"
        series.mkdir()
        for n, name in enumerate(np.random.default_rng(7).permutation(SLICES)):
            ds = slice_of(n, "plain")
            STACKS[kind](ds, n)
            ds.save_as(series / f"IM{name:05d}", enforce_file_format=True)
        return _zipped(series) if kind.endswith("ZIP") else series
    name, turned, _ = kind.partition(", oblique")
    return _one_file(folder / f"scan{FILES[name]}", bool(turned))


def _zipped(series: Path) -> Path:
    with zipfile.ZipFile(series.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for one in sorted(series.iterdir()):
            packed.write(one, one.name)
    return series.with_suffix(".zip")


def _one_file(path: Path, turned: bool) -> Path:
    """Turned about the axis from left to right, or straight."""
    turn = np.array([(1, 0, 0), (0, _COS, -_SIN), (0, _SIN, _COS)]) if turned else np.eye(3)
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.array([(0, 0, PIXEL_MM), (0, PIXEL_MM, 0), (STEP_MM, 0, 0)])
    frame, voxels = Frame((SLICES, SIDE, SIDE), affine), np.stack([truth(n) for n in range(SLICES)])
    if path.name.endswith((".nii", ".gz")):
        write_nifti(path.with_name("scan.nii"), voxels, frame)
        if path.suffix == ".gz":
            with path.with_name("scan.nii").open("rb") as plain, gzip.open(path, "wb", compresslevel=1) as packed:
                shutil.copyfileobj(plain, packed)
        return path
    import SimpleITK

    image = SimpleITK.GetImageFromArray(voxels)
    image.SetDirection(frame.directions[:, ::-1].ravel().tolist())
    image.SetSpacing(frame.spacing_mm[::-1])
    SimpleITK.WriteImage(image, str(path), "packed" in path.name)
    return path


if __name__ == "__main__":
    main()
