"""Runs every way on every kind of series and writes docs/results/loading.md.

python -m tests.bench.loading [--folder DIR] [--kinds KIND ...] [--rounds N] [--out FILE]

All seven kinds in one round take about seven minutes on a quiet machine with two cores. DIR keeps the series, 1.6 GB, for the next time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.loading.series import COMPRESSED, KINDS, SIDE, SLICES, write
from tests.bench.loading.ways import WAYS

ROOT = Path(__file__).resolve().parents[3]
FLOOR, OURS = "floor copy", "Duraplan"
VOLUME_MB = SLICES * SIDE * SIDE * 2 / 2**20
GOALS = {"plain": 3.0, "header-rich": 4.0}  # times the floor copy: issue 10

Run = dict[str, Any]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    options.add_argument("--out", type=Path, default=ROOT / "docs/results/loading.md")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as usual:
        folder = chosen.folder or Path(usual)
        text = "\n".join(_section(kind, *_measured(kind, folder, chosen.rounds)) for kind in chosen.kinds)
    head = _HEAD.format(load=os.getloadavg()[0], volume=VOLUME_MB, slices=SLICES, side=SIDE, rounds=chosen.rounds)
    chosen.out.write_text(head + text, encoding="utf-8")


_HEAD = """# Loading

Made by `python -m tests.bench.loading`; {slices} slices of {side} x {side} with 16 bits ({volume:.0f} MB), file names in no order, warm
file cache, load {load:.1f}. Each way in a process of its own, by the clock from the call to the array in memory, imports not counted, in
turn; rounds: {rounds}, their median. *Duraplan* is what the window does, which loads its compiled walk through headers in the background
at its start: here it is loaded before the clock starts; *command line* loads it with the first header. Peak: memory beyond what was taken
before the clock started, in shares of the volume (dcm2niix: its whole process, which writes a file that is then read).
*Right*: four slices have the true values in the true place. The floor copies the pixels into one array and looks at nothing else.
*First picture*: the real window, off screen, from the choice of the folder to three painted views; *whole*: to all of the scan.

"""


def _measured(kind: str, folder: Path, rounds: int) -> tuple[dict[str, list[Run]], list[Run]]:
    """The runs of each way, and those of the window."""
    place = folder / kind.replace(" ", "-")
    if not place.exists():
        part = place.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        write(part, kind)
        part.rename(place)
    ways = [way for way in WAYS if not (way == FLOOR and kind in COMPRESSED) and not (way == "dcm2niix" and shutil.which(way) is None)]
    runs: dict[str, list[Run]] = {way: [] for way in ways}
    windows: list[Run] = []
    for one in place.iterdir():  # fills the file cache
        one.read_bytes()
    for _ in range(rounds):
        for way in ways:
            runs[way].append(_run("tests.bench.loading.ways", way, str(place)))
        windows.append(_run("tests.bench.loading.first_picture", str(place)))
    return runs, windows


def _run(*module: str) -> Run:
    done = subprocess.run([sys.executable, "-m", *module], capture_output=True, text=True, cwd=ROOT)
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else {"failed": f"exit {done.returncode}"}


def _section(kind: str, runs: dict[str, list[Run]], windows: list[Run]) -> str:
    times = {way: median(run["seconds"] for run in done) for way, done in runs.items() if not any("failed" in run for run in done)}
    base = FLOOR if FLOOR in times else OURS
    goal = f" Goal: {GOALS[kind]:.0f} times the floor." if kind in GOALS else " Ratios are to Duraplan."
    rows = [f"## {kind}\n", f"{goal.strip()}\n"]
    rows += ["| way | s | ratio | peak, volumes | voxels | right |", "| --- | --- | --- | --- | --- | --- |"]
    for way, done in runs.items():
        if way not in times:
            rows.append(f"| {way} | cannot: {next(run['failed'] for run in done if 'failed' in run)} | | | | |")
            continue
        peak = median(run["peak_mb"] for run in done) / VOLUME_MB
        right = "yes" if all(run["right"] for run in done) else "**no**"
        rows.append(f"| {way} | {times[way]:.2f} | {times[way] / times[base]:.1f} | {peak:.2f} | {done[0]['type']} | {right} |")
    shown = [run for run in windows if "failed" not in run]
    if shown:
        first, whole = (median(run[what] for run in shown) for what in ("first", "whole"))
        rows.append(f"\nFirst picture {first:.2f} s, whole {whole:.2f} s.")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
