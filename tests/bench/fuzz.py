"""Ten thousand damaged series: none may crash, hang, or load as a volume that is wrong and said to be good. Writes docs/results/fuzz.md.

python -m tests.bench.fuzz [--cases N] [--seed S] [--out FILE]
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from planner.geometry import Volume
from planner.refusal import Refusal
from planner.scan import load, read
from tests.planner.scan.writer import Stack, write

ROOT = Path(__file__).resolve().parents[2]
CASES, SLICES = 10_000, 12
STACK = Stack(rows=16, columns=12, places=tuple(range(SLICES)), step=(0, 0, 1.5))
_SLOW_S = 2.0
_NEAR_MM = 0.06  # one slice out of its row by less is taken for rounding (stack.py)

Damage = Callable[[bytearray, random.Random, int], None]


def _bytes(data: bytearray, chance: random.Random, most: int) -> None:
    """Some bytes are others."""
    for _ in range(chance.choice((1, 1, 2, 8))):
        data[chance.randrange(most)] = chance.randrange(256)


def _cut_out(data: bytearray, chance: random.Random, most: int) -> None:
    """Some bytes are missing."""
    at = chance.randrange(most)
    del data[at : at + chance.choice((1, 2, 4, 8, 40))]


def _put_in(data: bytearray, chance: random.Random, most: int) -> None:
    """Some bytes are too many."""
    at = chance.randrange(most)
    data[at:at] = chance.randbytes(chance.choice((1, 2, 4, 8, 40)))


def _cut_off(data: bytearray, chance: random.Random, most: int) -> None:
    """The file breaks off."""
    del data[chance.randrange(len(data)) :]


def _digit(data: bytearray, chance: random.Random, most: int) -> None:
    """One digit of the header's text is another: what a header check cannot see."""
    digits = [n for n in range(132, most) if 48 <= data[n] <= 57]
    data[chance.choice(digits)] = chance.choice(b"0123456789")


def _length(data: bytearray, chance: random.Random, most: int) -> None:
    """A length field is huge, empty or undefined."""
    at = chance.randrange(132, most - 4)
    data[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\0\0", b"\0\0\0\x7f"))


DAMAGES: tuple[Damage, ...] = (_bytes, _cut_out, _put_in, _cut_off, _digit, _length)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cases", type=int, default=CASES)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--out", type=Path, default=ROOT / "docs/results/fuzz.md")
    chosen = options.parse_args()
    found: Counter[tuple[str, str]] = Counter()
    worst_s = 0.0
    with tempfile.TemporaryDirectory() as folder:
        files = sorted(write(Path(folder), STACK).iterdir())
        clean = read(Path(folder)).series[0]
        truth = load(clean)
        for case in range(chosen.cases):
            chance = random.Random(f"{chosen.seed}-{case}")
            damage = chance.choice(DAMAGES)
            path = chance.choice(files)
            whole = path.read_bytes()
            data = bytearray(whole)
            damage(data, chance, len(data) - STACK.rows * STACK.columns * 2)
            path.write_bytes(data)
            start = perf_counter()
            outcome = _outcome(Path(folder), truth, clean.reasons)
            worst_s = max(worst_s, perf_counter() - start)
            path.write_bytes(whole)
            found[damage.__doc__ or "", outcome] += 1
            if outcome in ("crash", "wrong"):
                print(f"case {chosen.seed}-{case}: {outcome}, {damage.__doc__}", flush=True)
    chosen.out.write_text(_report(found, chosen.cases, worst_s), encoding="utf-8")


def _outcome(folder: Path, truth: Volume, usual: tuple[str, ...]) -> str:
    """What became of the series: "the same", "said" (repaired, or a part of it), "refused", or what may never be: "crash", "wrong".
    usual: the remarks on the series when it is whole."""
    try:
        scan = read(folder)
        usable = [one for one in scan.series if one.usable]
        volumes = [load(one) for one in usable]
    except Refusal:
        return "refused"
    except Exception as error:
        print(type(error).__name__)
        return "crash"
    if not volumes:
        return "refused"
    said = [bool(set(one.reasons + one.repairs) - set(usual)) for one in usable]
    right = [_is_part(volume, truth) for volume in volumes]
    if all(right) and not any(said) and not scan.skipped and volumes[0].frame.shape == truth.frame.shape:
        return "the same"
    return "said" if all(one or told for one, told in zip(right, said)) else "wrong"


def _is_part(volume: Volume, truth: Volume) -> bool:
    """Whether every voxel outside gaps lies on a voxel of the true grid, with its value."""
    if volume.modality != truth.modality:
        return False
    seen = np.ones(volume.frame.shape, np.uint8)
    for gap in volume.gaps:
        gap.fill(seen, volume.frame, 0)
    at = truth.frame.to_index(volume.frame.to_world(np.argwhere(seen)))
    nearest: NDArray[np.int64] = np.rint(at).astype(np.int64)
    if (np.abs(at - nearest) * truth.frame.spacing_mm).max() > _NEAR_MM or (nearest < 0).any() or (nearest >= truth.frame.shape).any():
        return False
    return bool(np.array_equal(truth.values()[tuple(nearest.T)], volume.values()[seen > 0]))


def _report(found: Counter[tuple[str, str]], cases: int, worst_s: float) -> str:
    outcomes = ("the same", "said", "refused", "wrong", "crash")
    kinds = sorted({kind for kind, _ in found})
    rows = [f"| {kind} | " + " | ".join(str(found[kind, outcome]) for outcome in outcomes) + " |" for kind in kinds]
    total = " | ".join(str(sum(count for (_, one), count in found.items() if one == outcome)) for outcome in outcomes)
    return f"""# Damaged series

Made by `python -m tests.bench.fuzz`: {cases} times one of {SLICES} slices was damaged before its pixels, and the folder read and loaded.
*The same*: the true volume, nothing to say. *Said*: repaired, split, or a part of it, with the reason. *Wrong*: called good, and its grid
or values are not the true ones. The longest took {worst_s:.2f} s ({"no hang" if worst_s < _SLOW_S else "**a hang**"}).

| damage | {" | ".join(outcomes)} |
| --- | --- | --- | --- | --- | --- |
{chr(10).join(rows)}
| all | {total} |
"""


if __name__ == "__main__":
    main()
