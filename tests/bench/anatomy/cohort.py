"""One patient of the cohort: found as a user finds him, measured against the truth, written down as a row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import process_time
from typing import Any, TypeVar

import numpy as np

from planner.anatomy import Anatomy, Anchor, find, labels
from planner.case.case import Case
from planner.case.derive import find_anatomy
from planner.geometry import Volume
from planner.refusal import Refusal
from tests.bench.anatomy.measures import (
    dice,
    foramen_errors,
    from_line,
    level_errors,
    skin_distances,
    surface_of,
    wall_by_place,
    wall_distances,
    wrong_levels,
)
from tests.bench.anatomy.openings import hints_of, window_errors
from tests.bench.anatomy.patients import MODALITIES, Patient, Scanned, patient, scanned, sources_hash, with_what_lies_in
from tests.bench.anatomy.windows import brushed

Row = dict[str, Any]
COUNTED = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
"""The vertebrae that every patient shows whole."""
_NAMED = "L3"
T = TypeVar("T")


@dataclass(frozen=True)
class Spent:
    """What a call took: seconds of the processor, and memory at its highest over what was taken before, in GB; None where the system
    does not tell."""

    cpu_s: float
    peak_gb: float | None


def spent(call: Callable[[], T]) -> tuple[T, Spent]:
    """The result of a call and what it took."""
    before = _memory("VmRSS") if _forget_peak() else None
    start = process_time()
    result = call()
    cpu_s = process_time() - start
    peak = _memory("VmHWM")
    return result, Spent(cpu_s, (peak - before) / 1e6 if peak is not None and before is not None else None)


def _forget_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _memory(what: str) -> float | None:
    """In kB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((float(line.split()[1]) for line in lines if line.startswith(what)), None)


def walk(volume: Volume, name: str, place: tuple[float, float, float]) -> tuple[Anatomy, Anatomy, Spent, Spent]:
    """What the program finds by itself, what it holds after a person has named one vertebra, and what both took."""
    guessed, finding = spent(lambda: find(volume))
    named, naming = spent(lambda: find_anatomy(Case(anchor=Anchor(name, place, "user")), volume, found=guessed))
    return guessed, named, finding, naming


def measure(one: Patient, cache: Path) -> Row:
    """The patient's row. `unbuilt` says why the phantom itself failed, which tells nothing of the anatomy; what fails after that is a canal
    that was not found."""
    words = {**one.words(), "unbuilt": None, "refused": None}
    try:
        there = scanned(one, cache)
    except Exception as error:  # one bug must not lose the other patients' hours
        return {**words, "unbuilt": f"{type(error).__name__}: {error}"}
    x, y, z = there.level(_NAMED)
    try:
        guessed, named, finding, naming = walk(there.volume, _NAMED, (x, y, z))
    except Refusal as refusal:
        return {**words, "refused": refusal.sentence}
    except Exception as error:  # it counts as a canal that was not found
        return {**words, "refused": f"It crashed: {type(error).__name__}: {error}"}
    row = {**words, **errors_of(named, there)}
    modality = one.parameters.modality
    if modality == "ct":
        low = _lowest(there)
        hand = brushed(there.volume.values(), there.canal, there.volume.frame.spacing_mm[1])
        row["brush_dice"] = dice(hand[low:], there.canal[low:])
    anchor = guessed.anchor
    guess = wrong_levels(level_errors(guessed, {name: there.level(name) for name in COUNTED}))
    row |= {"guess_right": guess < len(COUNTED) / 2, "guess_confidence": anchor.confidence if anchor is not None else None}
    row |= {"cpu_s": finding.cpu_s, "anchor_s": naming.cpu_s, "peak_gb": finding.peak_gb, "million_voxels": there.volume.voxels.size / 1e6}
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}


def _lowest(there: Scanned) -> int:
    """The slice of S2, below which nobody looks for the canal."""
    return max(0, int(there.volume.frame.to_index(there.level("S2"))[0]))


def errors_of(found: Anatomy, there: Scanned) -> Row:
    """How far a found anatomy is from a patient's truth, above the middle of S2."""
    frame = there.volume.frame
    low = _lowest(there)
    line = np.array(there.truth["canal"]["centreline"])
    bottom = float(there.level("S2")[2])
    inside = with_what_lies_in(found.mask(labels.CANAL), found.mask((labels.CONTRAST_OUTSIDE,)))
    canal = dice(inside[low:], there.canal[low:])
    room = with_what_lies_in(inside, found.mask((labels.NERVE_ROOT, labels.GANGLION)))
    sac = dice(found.mask((labels.THECAL_SAC, labels.SPINAL_CORD))[low:], there.sac[low:])
    true_wall = surface_of(there.fine, there.fine_frame)
    wall, wall95 = wall_distances(found.canal, true_wall, bottom)
    off_line = from_line(line[line[:, 2] > bottom], found.canal.centreline_mm)
    skin, skin95 = skin_distances(found.labels > 0, there.body, frame)
    levels = {name: there.level(name) for name in COUNTED}
    errors = level_errors(found, levels)
    in_field = [f for f in there.truth["foramina"] if f["between"][0] in COUNTED and bool(frame.contains(f["centre"], 10.0))]
    foramina = foramen_errors(found, in_field)
    held = foramina[np.isfinite(foramina)]
    held_levels = [error for error in errors.values() if np.isfinite(error)]
    return {
        "canal_dice": canal, "room_dice": dice(room[low:], there.room[low:]), "sac_dice": sac,
        "wall_mm": wall, "wall_95_mm": wall95, "centreline_mm": float(off_line.mean()),
        "foramina_mm": float(held.mean()) if len(held) else None, "foramen_worst_mm": float(held.max()) if len(held) else None,
        "foramina": len(foramina), "foramina_missed": int(len(foramina) - len(held)),
        "wrong_levels": wrong_levels(errors), "level_mm": float(np.mean(held_levels)) if held_levels else None,
        "skin_mm": skin, "skin_95_mm": skin95, **hints_of(found, there.truth["leaks"]),
        "windows": window_errors(found, [true for true in there.truth["windows"] if true["between"][0] in COUNTED]),
        "wall_by_place": {place: round(off, 2) for place, off in wall_by_place(found.canal, true_wall, line, levels).items()},
        "level_errors": {name: round(error, 1) for name, error in errors.items()},
    }  # fmt: skip


def code_hash() -> str:
    """Of everything that a row depends on beside the patient."""
    return sources_hash(
        "planner/anatomy/*.py", "planner/anatomy/*/*.py", "planner/geometry/*.py", "planner/phantom/*.py", "planner/case/derive.py",
        "resources/evidence/anatomy.json", "resources/phantom/*.json",
        *(f"tests/bench/anatomy/{name}.py" for name in ("cohort", "measures", "openings", "patients")),
    )  # fmt: skip


def _row(number: int, cache: Path, version: str) -> Row:
    one = patient(number)
    path = cache / f"row-{hashlib.sha256(f'{number} {version}'.encode()).hexdigest()[:20]}.json"
    if path.exists():
        held: Row = json.loads(path.read_text("utf-8"))
        return held
    row = measure(one, cache)
    if row["unbuilt"] is None:
        path.write_text(json.dumps(row), "utf-8")
    return row


def _warm() -> None:
    """Compile every kernel before anything is timed, on the smallest patient."""
    from planner.phantom import PhantomParameters, build

    for modality in MODALITIES:
        find(build(PhantomParameters(modality=modality, spacing_mm=(2.5, 2.5, 2.5))).volume)


def measured(count: int, cache: Path, processes: int = 1, say: Callable[[str], None] = print) -> list[Row]:
    """The rows of the first `count` patients; those that the cache holds for this very code are not measured again."""
    cache.mkdir(parents=True, exist_ok=True)
    version = code_hash()
    rows = []
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_warm) as pool:
        for row in pool.map(_row, range(count), [cache] * count, [version] * count):
            say(f"{row['patient']:3d} {row['modality']:9s} {row['spacing_mm']:18s} " + (row["unbuilt"] or row["refused"] or short(row)))
            rows.append(row)
    return rows


def short(row: Row) -> str:
    """A row in a line of the terminal."""
    means = ("canal_dice", "room_dice", "sac_dice", "wall_mm", "wall_95_mm", "centreline_mm", "foramina_mm", "skin_mm")
    keys = (*means, "wrong_levels", "cpu_s")
    return "  ".join(f"{key.removesuffix('_mm')} {row[key]:.2f}" for key in keys if row.get(key) is not None)
