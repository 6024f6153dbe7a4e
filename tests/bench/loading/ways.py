"""The ways to load a folder of slices into one array, each run in a process of its own. Prints seconds, peak memory and whether it's right.

python -m tests.bench.loading.ways WAY FOLDER
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from tests.bench.loading.series import OFFSET, SIDE, SLICES, truth

Loaded = tuple[Callable[[int], Any], str]
"""HU of the n-th slice from the foot, and the type of the voxels in memory."""


def duraplan(folder: Path) -> Callable[[], Loaded]:
    """As in the window, which loads the compiled walk through headers in the background when it starts."""
    run = duraplan_cold(folder)
    from planner.scan import elements

    elements.warm()
    return run


def duraplan_cold(folder: Path) -> Callable[[], Loaded]:
    """As on the command line, where the first header waits for the compiled walk."""
    from app.side_by_side import side_by_side
    from planner.scan import choose, load, read

    def run() -> Loaded:
        volume = load(choose(read(folder)), each=side_by_side)
        return lambda n: volume.values((slice(n, n + 1), slice(None), slice(None)))[0], str(volume.voxels.dtype)

    return run


def floor_copy(folder: Path) -> Callable[[], Loaded]:
    """Open, seek, read the pixels into one array: nothing is looked at, nothing sorted. The order of the names is the bench's own."""
    size = SIDE * SIDE * 2
    order = np.random.default_rng(7).permutation(SLICES)
    files = [folder / f"IM{order[n]:05d}" for n in range(SLICES)]

    def run() -> Loaded:
        voxels = np.empty((SLICES, SIDE, SIDE), np.uint16)
        for n, path in enumerate(files):
            with path.open("rb", buffering=0) as file:
                file.seek(-size, 2)
                file.readinto(voxels[n].data.cast("B"))
        return lambda n: voxels[n].astype(np.int32) - OFFSET, "uint16"

    return run


def simpleitk(folder: Path) -> Callable[[], Loaded]:
    import SimpleITK

    def run() -> Loaded:
        names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(names)
        image = reader.Execute()
        voxels = SimpleITK.GetArrayViewFromImage(image)
        return lambda n, kept=image: voxels[n], str(voxels.dtype)

    return run


def vtk_reader(folder: Path) -> Callable[[], Loaded]:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOImage import vtkDICOMImageReader

    def run() -> Loaded:
        reader = vtkDICOMImageReader()
        reader.SetDirectoryName(str(folder))
        reader.Update()
        image = reader.GetOutput()
        voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
        return lambda n: voxels[SLICES - 1 - n, ::-1], str(voxels.dtype)  # its images stand on their heads

    return run


def naive_pydicom(folder: Path) -> Callable[[], Loaded]:
    """What one would write first: keep all files, sort by position, stack."""
    import pydicom

    def run() -> Loaded:
        files = [pydicom.dcmread(path) for path in folder.iterdir()]
        files.sort(key=lambda one: one.ImagePositionPatient[2])
        voxels = np.stack([one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept) for one in files])
        return lambda n: voxels[n], str(voxels.dtype)

    return run


def dcm2niix(folder: Path) -> Callable[[], Loaded]:
    """Writes an uncompressed NIfTI beside; its own process is measured."""
    import nibabel

    def run() -> Loaded:
        with tempfile.TemporaryDirectory() as out:
            subprocess.run(["dcm2niix", "-z", "n", "-b", "n", "-f", "x", "-o", out, str(folder)], check=True, capture_output=True)
            voxels = np.asarray(nibabel.load(Path(out) / "x.nii").dataobj)
        return lambda n: voxels[:, ::-1, n].T, str(voxels.dtype)

    return run


WAYS = {
    "floor copy": floor_copy, "Duraplan": duraplan, "Duraplan, command line": duraplan_cold, "SimpleITK, GDCM's sort": simpleitk,
    "dcm2niix": dcm2niix, "vtkDICOMImageReader": vtk_reader, "pydicom, kept and stacked": naive_pydicom,
}  # fmt: skip


def main() -> None:
    way, folder = sys.argv[1], Path(sys.argv[2])
    run = WAYS[way](folder)
    before_mb = _peak_mb(resource.RUSAGE_SELF)
    start = perf_counter()
    try:
        values, kind = run()
    except Exception as error:
        print(json.dumps({"failed": type(error).__name__}))
        return
    seconds = perf_counter() - start
    peak_mb = _peak_mb(resource.RUSAGE_CHILDREN) if way == "dcm2niix" else _peak_mb(resource.RUSAGE_SELF) - before_mb
    right = all(np.array_equal(values(n), truth(n)) for n in (0, 17, SLICES // 2, SLICES - 1))
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb, "type": kind, "right": right}))


def _peak_mb(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 1024


if __name__ == "__main__":
    main()
