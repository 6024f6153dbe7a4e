"""Folders of 60,000 files: read in bounded memory and time, or refused. Writes docs/results/folders.md.

python -m tests.bench.folders [--files N] [--out FILE]

Each folder is read in a process of its own, which counts its own processor time and its largest memory.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import process_time

from planner.refusal import Refusal
from planner.scan import read
from planner.scan.choice import worth_regrouping
from planner.scan.regroup import offers
from tests.planner.scan.writer import ROOT as UID_ROOT
from tests.planner.scan.writer import Stack, dataset

ROOT = Path(__file__).resolve().parents[2]
FILES = 60_000
A_SERIES = 600
_A_FOLDER = 1000
_SIDE = 16
_MOST_MB, _MOST_S = 1500.0, 60.0  # beyond these a folder is no longer read in bounded memory and time
_PATIENCE_S = 1800.0  # by the clock, on a machine that does other things
_PLACE = "-123456.5"  # stands for a height in the template


@dataclass(frozen=True)
class Folder:
    """What lies in it, and what makes it: a function of the folder and of how many files."""

    words: str
    make: Callable[[Path, int], Path]


def _bytes(series: int, n: int, phase: int = 1) -> bytes:
    """A slice of a series: the template with its own UIDs, height, acquisition and last pixels, all of one length."""
    text = _template().replace(b"9.99999", b"9.%05d" % series).replace(b"8.88888", b"8.%05d" % n).replace(b"77777", b"%05d" % phase)
    return text.replace(_PLACE.encode(), f"{2.0 * (n % A_SERIES):+09.2f}".encode())[:-4] + struct.pack("<HH", n % 1000, n // 1000)


@cache
def _template() -> bytes:
    ds = dataset(Stack(rows=_SIDE, columns=_SIDE, row_mm=2.0, column_mm=2.0, places=(0,)), 0)
    ds.SeriesInstanceUID = f"{UID_ROOT}.9.99999"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{UID_ROOT}.9.99999.8.88888"
    ds.ImagePositionPatient = [-60, -60, _PLACE]
    ds.InstanceNumber, ds.AcquisitionNumber = None, 77777
    written = io.BytesIO()
    ds.save_as(written, enforce_file_format=True)
    return written.getvalue()


def _text_files(folder: Path, count: int) -> Path:
    for n in range(count):
        _place(folder, n).with_suffix(".txt").write_bytes(b"Line %d of a log.\n" % n)
    return folder


def _slices(folder: Path, count: int) -> Path:
    for n in range(count):
        _place(folder, n).write_bytes(_bytes(n // A_SERIES, n))
    return folder


def _one_series(folder: Path, count: int) -> Path:
    """Phases of 600 slices, one after the other at the same places."""
    for n in range(count):
        _place(folder, n).write_bytes(_bytes(0, n, n // A_SERIES))
    return folder


def _single(folder: Path, count: int) -> Path:
    """Every slice a series of its own."""
    for n in range(count):
        _place(folder, n).write_bytes(_bytes(n, n))
    return folder


def _needle(folder: Path, count: int) -> Path:
    """One series among other files."""
    _text_files(folder, count - A_SERIES)
    for n in range(A_SERIES):
        (_place(folder, n * (count // A_SERIES)).with_suffix(".dcm")).write_bytes(_bytes(0, n))
    return folder


def _archive(folder: Path, count: int) -> Path:
    path = folder / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for n in range(count):
            archive.writestr(f"{n // _A_FOLDER}/{n}", _bytes(n // A_SERIES, n))
    return path


def _loops(folder: Path, count: int) -> Path:
    """Folders in a row, each with links to all above it: without a memory of where one was there is no end."""
    place = folder
    above: list[Path] = []
    for n in range(100):
        above.append(place)
        place = place / str(n)
        place.mkdir()
        for k, one in enumerate(above):
            (place / f"up{k}").symlink_to(one, target_is_directory=True)
    for n in range(A_SERIES):
        (place / f"{n}.dcm").write_bytes(_bytes(0, n))
    return folder


def _place(folder: Path, n: int) -> Path:
    inside = folder / str(n // _A_FOLDER)
    if n % _A_FOLDER == 0 or not inside.exists():
        inside.mkdir(exist_ok=True)
    return inside / str(n)


FOLDERS = (
    Folder("text files", _text_files),
    Folder(f"slices, {A_SERIES} a series", _slices),
    Folder("slices, each a series of its own", _single),
    Folder(f"slices of one series: phases of {A_SERIES} at the same places", _one_series),
    Folder(f"a series of {A_SERIES} among text files", _needle),
    Folder(f"slices in a ZIP file, {A_SERIES} a series", _archive),
    Folder(f"a series of {A_SERIES} under 100 folders with 5050 links to those above", _loops),
)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=int, default=FILES)
    options.add_argument("--out", type=Path, default=ROOT / "docs/results/folders.md")
    options.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.read is not None:
        print(json.dumps(_measured(chosen.read)))
        return
    rows: list[str] = []
    within = True
    for folder in FOLDERS:
        with tempfile.TemporaryDirectory() as place:
            path = folder.make(Path(place), chosen.files)
            command = [sys.executable, "-m", "tests.bench.folders", "--read", str(path)]
            made = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=_PATIENCE_S)
        for one in json.loads(made.stdout):
            good = one["mb"] <= _MOST_MB and one["cpu_s"] <= _MOST_S
            within = within and good
            words = folder.words + one["then"]
            rows.append(f"| {words} | {one['said']} | {one['cpu_s']:.1f} | {one['mb']:.0f} |{'' if good else ' **too much**'}")
            print(rows[-1], flush=True)
    chosen.out.write_text(_report(rows, chosen.files), encoding="utf-8")
    sys.exit(0 if within else 1)


def _measured(path: Path) -> list[dict[str, object]]:
    """What became of a folder, in words; processor seconds beyond the imports, and the largest memory of this process in MB. Then the
    same for trying every way to group its largest series, where that has parts."""
    start = process_time()
    try:
        scan = read(path)
    except Refusal as refusal:
        return [_row("", f"refused: {refusal.sentence}", start)]
    usable = sum(one.usable for one in scan.series)
    rows = [_row("", f"{len(scan.series)} volumes, {usable} usable; {scan.skipped_count} files skipped", start)]
    if scan.series[0].uid in worth_regrouping(scan):
        start = process_time()
        ways = offers(scan, scan.series[0].uid)
        said = "; ".join(f"{one.grouping.words if one.grouping else 'as found'}: {len(one.series)}" for one in ways)
        rows.append(_row(", and every way to group them", f"volumes {said}", start))
    return rows


def _row(then: str, said: str, start: float) -> dict[str, object]:
    mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024.0 if os.uname().sysname == "Linux" else 1024.0**2)
    return {"then": then, "said": said, "cpu_s": process_time() - start, "mb": mb}


def _report(rows: list[str], files: int) -> str:
    return f"""# Folders of many files

Made by `python -m tests.bench.folders`: folders of {files:,} files (slices of {_SIDE} x {_SIDE} pixels), each read in a process of its own.
Processor seconds count what `scan.read` takes on one core; memory is the largest that the process held, of which 0.15 GB are the libraries.
The bench fails beyond {_MOST_S:.0f} s or {_MOST_MB / 1000:.1f} GB. Nothing is read twice, and no folder.

| in the folder | found | processor, s | memory, MB |
| --- | --- | --- | --- |
{chr(10).join(rows)}
"""


if __name__ == "__main__":
    main()
