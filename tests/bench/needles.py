"""Needles on found anatomy: the first candidate for every leak of the phantom, what it costs, and a brute-force search beside it.

    python -m tests.bench.needles [--seeds 1 2 3 4] [--spacing 1.0] [--out docs/results/needles.md]

The anatomy is found in the picture, with L3 named where it is; nothing is taken from the truth but the leak's position. The brute-force
search shares no kernel with the search: exact distance maps of scipy, and every path sampled each half millimetre in numpy.
"""

from __future__ import annotations

import argparse
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast, get_args

import numpy as np
from scipy.ndimage import distance_transform_edt

from planner.anatomy import Anatomy, Anchor, find
from planner.geometry import Floats, Volume, resample
from planner.leak import approaches, place
from planner.leak.leak import LeakKind
from planner.needles import NeedleSearch, Room, check, default_needle, prepare, search
from planner.needles.march import HAZARD, PASSES
from planner.needles.search import Relaxed, _screen, _slack, directions
from planner.phantom import PhantomParameters, Truth, build
from planner.phantom.parameters import LeakName, ModalityName
from planner.progress import silent

LEAKS = get_args(LeakName)
MODALITIES: tuple[ModalityName, ...] = ("myelogram", "ct")
T = TypeVar("T")
BRUTE_STEP_MM = 0.5
EVERY = 41
"""One of so many directions is asked by brute force."""


@dataclass(frozen=True)
class Cost:
    """Seconds of one call: of the processor, and on the clock."""

    cpu_s: float
    wall_s: float


@dataclass(frozen=True, eq=False)
class Row:
    """One leak of one phantom."""

    name: str
    level: str
    side: str
    approach: str
    found: NeedleSearch
    prepared: Cost
    searched: Cost
    checked_ms: float


def timed(work: Callable[[], T]) -> tuple[T, Cost]:
    """What work returns, and what it cost."""
    cpu, wall = time.process_time(), time.perf_counter()
    made = work()
    return made, Cost(time.process_time() - cpu, time.perf_counter() - wall)


def patient(parameters: PhantomParameters, keep: Path | None) -> tuple[Volume, Anatomy, Truth]:
    """A phantom's picture with the anatomy found in it (a person names L3) and its truth; kept in a folder for the next run."""
    name = f"ph-{parameters.leak}-{parameters.modality}-{parameters.seed}-{parameters.spacing_mm[0]}.pkl"
    if keep is not None and (keep / name).exists():
        made: tuple[Volume, Anatomy, Truth] = pickle.loads((keep / name).read_bytes())
        return made
    phantom = build(parameters)
    centre = next(level.centre for level in phantom.truth.levels if level.name == "L3")
    made = phantom.volume, find(phantom.volume, Anchor("L3", centre, "user")), phantom.truth
    if keep is not None:
        (keep / name).write_bytes(pickle.dumps(made))
    return made


def rows_of(volume: Volume, anatomy: Anatomy, truth: Truth, name: str) -> list[tuple[Row, Room]]:
    """The plan of each leak, timed."""
    made = []
    for true in truth.leaks:
        leak = place(anatomy, true.position, cast(LeakKind, true.kind))
        approach = approaches(leak, anatomy)[0].name
        needle = default_needle(approach)
        room, prepared = timed(lambda: prepare(volume, anatomy, leak, approach))  # noqa: B023
        found, searched = timed(lambda: search(room, needle, "prone"))  # noqa: B023
        checks = [timed(lambda: check(room, needle, c.entry_mm, c.target_mm, "prone"))[1].cpu_s for c in found.candidates]  # noqa: B023
        checked_ms = 1e3 * float(np.median(checks or [np.nan]))
        made.append((Row(name, true.level, true.side, approach, found, prepared, searched, checked_ms), room))
    return made


def brute_force(room: Room) -> str:
    """The first opening again, a subsample of its paths, by distance maps of scipy and numpy alone; a line of the report."""
    needle = default_needle(room.approach)
    gateway, spacing = room.gateways[0], room.spacing_mm
    attempt = gateway.attempts[0]
    ways = directions(room.approach, gateway.door, room)
    slack = _slack(room, needle, Relaxed())
    (code, _, _), ours = timed(lambda: _screen(room, needle, gateway, attempt, ways, slack, Relaxed(), silent))
    labels = resample(room.anatomy.labels, room.anatomy.frame, room.frame, 255, nearest=True)
    some, targets = ways[::EVERY], gateway.region_mm[attempt.chosen]
    maps, fields = timed(lambda: _exact_maps(room, labels))
    free, theirs = timed(lambda: _all_free(room, maps, targets, some, needle.outer_mm / 2))
    asked = code[:, ::EVERY]
    decided = (asked == PASSES) | (asked >= HAZARD + 10)  # the others met another limit first
    met = asked == PASSES
    lost = int((free & (asked >= HAZARD + 10)).sum())
    spared = int((met & ~free).sum())
    whole = theirs.wall_s * len(ways) / len(some)
    return (
        f"{room.approach} through {gateway.door.level}, planning box {spacing:.2f} mm: {len(targets)} targets x {len(ways):,} directions "
        f"in {ours.wall_s:.2f} s. By brute force {len(targets) * len(some):,} of these paths took {theirs.wall_s:.1f} s after "
        f"{fields.wall_s:.1f} s for its distance maps, so all would take {whole:.0f} s: {whole / ours.wall_s:.0f} times as long. "
        f"Of {int(decided.sum()):,} paths that hazards decide {int(met.sum())} pass the screen; {lost} that brute force finds free were "
        f"lost, and {spared} pass by the screen's tolerance and go on to the exact check."
    )


def _exact_maps(room: Room, labels: np.ndarray) -> list[tuple[Floats, float]]:
    maps = []
    for danger in room.dangers:
        if danger.field is not None and danger.hazard.codes:
            mask = np.isin(labels, danger.hazard.codes)
            if danger.hazard.name == "roots":
                mask |= room.fields[danger.field] == 0  # thin roots are drawn between the voxels
            away = distance_transform_edt(~mask, sampling=room.spacing_mm) - room.spacing_mm / 2
            maps.append((away, danger.margin_mm))
    return maps


def _all_free(room: Room, maps: list[tuple[Floats, float]], targets: Floats, ways: Floats, radius: float) -> np.ndarray:
    """Whether each path [target, direction] keeps every margin from tip to skin."""
    along = np.arange(0.0, 200.0, BRUTE_STEP_MM)
    free = np.zeros((len(targets), len(ways)), bool)
    for t, target in enumerate(targets):
        for d, way in enumerate(ways):
            index = np.round(room.frame.to_index(target + np.outer(along, way))).astype(int)
            inside = ((index >= 0) & (index < room.frame.shape)).all(axis=1)
            last = len(index) if inside.all() else int(np.argmin(inside))
            k, j, i = index[:last].T
            space = room.space[k, j, i]
            skin = int(np.argmax(space != 1)) if (space != 1).any() else 0
            if skin == 0 or space[skin] != 0:
                continue
            k, j, i = k[:skin], j[:skin], i[:skin]
            free[t, d] = all((away[k, j, i] >= margin + radius).all() for away, margin in maps)
    return free


def table(rows: list[Row]) -> list[str]:
    """One line a leak."""
    lines = [
        "| phantom | leak | way | first candidate | deg in plane | deg cephalad | mm from midline | depth mm | bone / sac / roots mm "
        "| score | remark | n |",
        "|--|--|--|--|--|--|--|--|--|--|--|--|",
    ]
    for row in rows:
        where = f"| {row.name} | {row.level} {row.side} | {row.approach} |"
        if not row.found.candidates:
            lines.append(f"{where} none | | | | | | | {row.found.reason} | 0 |")
            continue
        c = row.found.candidates[0]
        gaps = " / ".join("-" if c.clearance_mm[name] is None else f"{c.clearance_mm[name]:.1f}" for name in ("bone", "sac", "roots"))
        lines.append(
            f"{where} {c.level} {c.side} | {abs(c.in_plane_deg):.0f} | {c.out_of_plane_deg:.0f} | {abs(c.entry_offset_mm):.0f} "
            f"| {c.depth_mm:.0f} | {gaps} | {c.score['total']:.2f} | {c.remark or 'clear'} | {len(row.found.candidates)} |"
        )
    return lines


def sanity(rows: list[Row]) -> list[str]:
    """How many first candidates are as clinical.md 2 and 5.1 want them."""
    first = [(row, row.found.candidates[0]) for row in rows if row.found.candidates]
    sideways = [(row, c) for row, c in first if c.approach.startswith("transforaminal")]
    behind = [(row, c) for row, c in first if c.approach.startswith("interlaminar")]
    sided = [(row, c) for row, c in first if row.side != "midline"]
    lumbar = [c for row, c in behind if row.level[0] == "L"]
    return [
        f"- found: {len(first)} of {len(rows)}",
        f"- on the leak's side: {sum(c.side == row.side for row, c in sided)} of {len(sided)}",
        f"- at the leak's level: {sum(c.level == row.level for row, c in first)} of {len(first)}",
        f"- transforaminal 30 to 60 deg: {sum(30 <= abs(c.in_plane_deg) <= 60 for _, c in sideways)} of {len(sideways)}; "
        f"30 to 50 deg: {sum(30 <= abs(c.in_plane_deg) <= 50 for _, c in sideways)}",
        f"- interlaminar -5 to 30 deg to the head: {sum(-5 <= c.out_of_plane_deg <= 30 for _, c in behind)} of {len(behind)}; "
        f"lumbar 0 to 15 deg: {sum(0 <= c.out_of_plane_deg <= 15 for c in lumbar)} of {len(lumbar)}",
        f"- every margin kept: {sum(not c.closer for _, c in first)} of {len(first)}; outside the arterial zone: "
        f"{sum('arterial zone' not in c.remark for _, c in first)} of {len(first)}",
    ]


def costs(rows: list[Row]) -> list[str]:
    """Median and worst of the three calls."""
    lines = ["| call | CPU s, median | CPU s, worst | wall s, median | wall s, worst |", "|--|--|--|--|--|"]
    for name, each in (("prepare", [r.prepared for r in rows]), ("search", [r.searched for r in rows])):
        cpu, wall = [c.cpu_s for c in each], [c.wall_s for c in each]
        lines.append(f"| {name} | {np.median(cpu):.2f} | {max(cpu):.2f} | {np.median(wall):.2f} | {max(wall):.2f} |")
    both = [r.prepared.cpu_s + r.searched.cpu_s for r in rows]
    lines.append(f"| both | {np.median(both):.2f} | {max(both):.2f} | | |")
    checks = [r.checked_ms for r in rows if np.isfinite(r.checked_ms)]
    return [*lines, "", f"One `check`: {np.median(checks):.1f} ms of CPU in the median, {max(checks):.1f} ms in the worst room."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--spacing", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=Path("docs/results/needles.md"))
    parser.add_argument("--keep", type=Path, help="folder for phantoms with their found anatomy, to run again with other needles")
    options = parser.parse_args()
    rows: list[Row] = []
    brute: list[str] = []
    for seed in options.seeds:
        for leak in LEAKS:
            for modality in MODALITIES:
                spacing = (options.spacing,) * 3
                one = patient(PhantomParameters(leak=leak, modality=modality, seed=seed, spacing_mm=spacing), options.keep)
                if not rows:
                    rows_of(*one, "")  # compiles
                for row, room in rows_of(*one, f"{leak} {modality} {seed}"):
                    rows.append(row)
                    if seed == options.seeds[0] and modality == "ct" and leak in ("ventral", "dorsal"):
                        brute.append(f"- {brute_force(room)}")
                print(rows[-1].name, flush=True)
    told = [f"- {row.name}, {row.level}: {row.found.relaxed}" for row in rows if row.found.relaxed]
    text = [
        "# Needles on found anatomy",
        "",
        f"Made by `python -m tests.bench.needles --seeds {' '.join(map(str, options.seeds))} --spacing {options.spacing}`; the anatomy is "
        "found in the picture with L3 named, not taken from the truth. Times on a shared machine.",
        "",
        "## What an interventional radiologist would ask",
        "",
        *sanity(rows),
        "",
        "## Cost",
        "",
        *costs(rows),
        "",
        "## Against brute force",
        "",
        *brute,
        "",
        "## The first candidate of each",
        "",
        *table(rows),
        "",
        "## What the searches say about themselves",
        "",
        *(told or ["Nothing was given up."]),
    ]
    options.out.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
