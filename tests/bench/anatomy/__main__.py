"""How well and how fast the anatomy is found; writes docs/results/anatomy.md and anatomy.json.

    python -m tests.bench.anatomy [--patients 69] [--parts cohort scans speed windows] [--processes 1]
                                  [--pictures DIR] [--draw NUMBER ...] [--cache DIR] [--out FILE]

The cohort can be stopped and taken up again: scans and rows are kept in the cache (about 4 GB for all), rows as long as the code that they
measure stays as it is. Fewer patients or parts than all only print, unless --out names a file. Two processes only where nothing else runs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from textwrap import wrap

import numpy as np

from planner.anatomy import Anchor, find
from planner.refusal import Refusal
from tests.bench.anatomy import contours, otherwise, report, windows
from tests.bench.anatomy.cohort import Row, measured
from tests.bench.anatomy.patients import ROOT, USUAL, patient, scanned
from tests.bench.anatomy.pictures import save, sheet
from tests.bench.anatomy.scans import SCANS, look_at, numbers_of
from tests.bench.anatomy.speed import costs

_PARTS = ("cohort", "scans", "otherwise", "speed", "windows")
_COHORT = """(`tests/bench/anatomy/patients.py`): size 0.88 to 1.12, lordosis 0.5 to 1.3, scoliosis to 35 deg, stenosis to 30 % of the sac,
body mass 17 to 41, prone and supine, noise 1 to 3 times the usual, voxels of 0.6 to 3 mm, T9 to S3 in view; MR also in sagittal slices in a
narrow field. Found without help, then L3 named. Judged above the middle of S2. *Canal* is epidural space, sac, cord and
contrast leaked into it as the labels give them, without the roots that run in it; its wall is measured around them. A patient in whom
no canal was found counts as the worst. Verdict: *yes* all patients, *median only* some are outside, *no* the median is outside."""
_WINDOWS = """Windows between laminae, T10-T11 to L5-S1, against the phantom's design; in MR tilt and width are the usual ones of the
level where they are not seen:"""
_HINTS = """Leaks offered by the program, never accepted by themselves: beside the right level and on the right side of the sac. A CT
without contrast shows none. *Elsewhere*: hints that end more than 10 mm short of any leak along the canal; what leaked spreads, so that
they may lie in it."""
_SCANS = """One vertebra named by hand where `tests/data/walks.py` has one. A level is right where its middle lies in the label of its name
(whole vertebrae), or nearer than 8 mm to the middle of the labelled body or disc. Who made the labels stands in the READMEs of the scans: a
person, a model (TotalSegmentator 2, nobody checked it), or not said. The model's *spinal cord* goes on below the conus and fills the sac.
Goals: 99 % of the cord in the canal; areas in the bands of clinical.md 3.1."""
_OTHERWISE = """The same slices laid at a slant, as an oblique series is, and in part. How far the canal lies from that of the whole,
straight scan, in mm: median (95 %), and its length against what of that one is in view. No vertebra was named."""
_DRAWN = """Against contours of real T2 scans that were drawn by hand, by no radiologist, on planes whose result had not been seen
(`tests/data/contours`); constants were chosen on both scans, not on the contours alone."""
_RESULTS = ROOT / "docs" / "results" / "anatomy.md"


def _filled(text: str) -> list[str]:
    return wrap(" ".join(text.split()), width=140)


def cohort_part(rows: list[Row]) -> list[str]:
    """The phantoms' tables."""
    unbuilt = [f"Patient {row['patient']} could not be built: {row['unbuilt']}." for row in rows if row["unbuilt"]]
    rows = [row for row in rows if not row["unbuilt"]]
    return [
        "## Phantom cohort",
        "",
        *_filled(f"{len(rows)} patients {_COHORT}"),
        *unbuilt,
        "",
        *report.cohort_table(rows),
        "",
        "The program's own names, when nobody has named a vertebra:",
        "",
        *report.named_table(rows),
        "",
        "Where the wall is off: median of the patients, mm, + where the found wall lies outside the true one.",
        "",
        *report.place_table(rows),
        "",
        *_filled(_WINDOWS),
        "",
        *report.window_table(rows),
        "",
        *_filled(_HINTS),
        "",
        *report.hint_table(rows),
        "",
        "The worst canals:",
        "",
        *report.worst_table(rows),
        "",
    ]


def scans_part(pictures: Path) -> list[str]:
    """The real scans' tables; one sheet of pictures a scan."""
    rows = []
    for one in SCANS:
        found = look_at(one)
        rows.append(found.row)
        print(f"{one.name:40s} {found.row['refused'] or 'found'}", flush=True)
        if found.volume is None or found.anatomy is None:
            continue
        given = one.cord or one.vertebrae or one.bodies or one.discs
        truth = None if given is None else np.isin(numbers_of(given, found.volume), list(given.names))
        save(sheet(found.volume, found.anatomy, one.name, truth, "labels"), pictures, one.name)
    return [
        "## Real scans",
        "",
        *_filled(_SCANS),
        "",
        *report.scans_tables(rows),
        "",
        *_filled(_DRAWN),
        "",
        *contours.table(),
        "",
    ]


def patients_pictures(numbers: list[int], cache: Path, pictures: Path) -> None:
    """A sheet of each of these patients, the true canal in red."""
    for number in numbers:
        one = patient(number)
        there = scanned(one, cache)
        x, y, z = there.level("L3")
        try:
            found = find(there.volume, Anchor("L3", (x, y, z), "user"))
        except Refusal:
            continue
        words = "  ".join(f"{name} {value}" for name, value in one.words().items() if value is not None)
        print(save(sheet(there.volume, found, words, there.room), pictures, f"patient {number:02d}"))


def main() -> None:
    """Measure what is asked for, print it, and write it down when it is all."""
    temporary = Path(tempfile.gettempdir())
    shape = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tests.bench.anatomy", description=__doc__, formatter_class=shape)
    parser.add_argument("--patients", type=int, default=USUAL, help="how many of the cohort")
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--pictures", type=Path, default=temporary / "duraplan-bench-anatomy-pictures", help="folder for the sheets")
    parser.add_argument("--draw", type=int, nargs="*", default=[], metavar="NUMBER", help="patients of whom a sheet is drawn too")
    parser.add_argument("--cache", type=Path, default=temporary / "duraplan-bench-anatomy", help="folder for scans and rows")
    parser.add_argument("--out", type=Path, help="the Markdown file; its rows go beside it as JSON")
    given = parser.parse_args()
    lines = ["# Anatomy", "", "Made by `python -m tests.bench.anatomy`; the goals are issue 9's.", ""]
    rows: list[Row] = []
    if "cohort" in given.parts:
        rows = measured(given.patients, given.cache, given.processes)
        lines += cohort_part(rows)
    patients_pictures(given.draw, given.cache, given.pictures)
    if "scans" in given.parts:
        lines += scans_part(given.pictures)
        print(f"Pictures: {given.pictures}")
    if "otherwise" in given.parts:
        lines += ["## Real scans taken otherwise", "", *_filled(_OTHERWISE), "", *otherwise.table(otherwise.measured()), ""]
    if "speed" in given.parts:
        lines += ["## 512 x 512 x 300 voxels", "", *report.speed_table(costs()), ""]
    if "windows" in given.parts:
        lines += windows.tables()
    print("\n".join(lines))
    whole = set(given.parts) == set(_PARTS) and given.patients >= 60
    out = given.out or (_RESULTS if whole else None)
    if out is not None:
        out.write_text("\n".join(lines).rstrip() + "\n", "utf-8")
        kept = [{key: value for key, value in row.items() if not isinstance(value, dict)} for row in rows]
        out.with_suffix(".json").write_text("[\n" + ",\n".join(json.dumps(row) for row in kept) + "\n]\n", "utf-8")


if __name__ == "__main__":
    main()
