"""The tables of docs/results/anatomy.md, from rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tests.bench.anatomy.cohort import COUNTED, Row
from tests.bench.anatomy.openings import WINDOW
from tests.bench.anatomy.speed import SEGMENTATOR_S

MODALITIES = ("ct", "myelogram", "mr", "mr-t1")
_WORDS = {"ct": "CT", "myelogram": "myelogram", "mr": "MR T2", "mr-t1": "MR T1"}


@dataclass(frozen=True)
class Goal:
    """What issue 9 asks of a column. good: whether more or less is better; median and worst: the limits, where there are any. failed: what
    counts for a patient in whom no canal was found. only: the modalities that it is asked of."""

    words: str
    key: str
    good: Literal["more", "less"]
    median: float | None
    worst: float | None
    failed: float
    only: tuple[str, ...] = MODALITIES
    digits: int = 2

    def holds(self, value: float, limit: float | None) -> bool:
        """Whether a value is within a limit."""
        return limit is None or (value >= limit if self.good == "more" else value <= limit)

    @property
    def asked(self) -> str:
        """The goal in words."""
        sign = ">=" if self.good == "more" else "<="
        if self.median is None and self.worst is None:
            return "-"
        if self.median is None:
            return f"all {sign} {self.worst:g}"
        return f"{sign} {self.median:g}" + (f", worst {sign} {self.worst:g}" if self.worst is not None else "")


GOALS = (
    Goal("canal, Dice", "canal_dice", "more", 0.93, 0.88, 0.0),
    Goal("canal with the roots in it, Dice", "room_dice", "more", None, None, 0.0),
    Goal("wall, mean surface distance, mm", "wall_mm", "less", 0.8, None, np.inf),
    Goal("wall, 95 % Hausdorff, mm", "wall_95_mm", "less", 3.0, None, np.inf),
    Goal("centreline, mm", "centreline_mm", "less", 1.0, None, np.inf),
    Goal("sac and cord, Dice", "sac_dice", "more", 0.90, None, 0.0, ("myelogram", "mr", "mr-t1")),
    Goal("sac and cord, Dice (modelled)", "sac_dice", "more", None, None, 0.0, ("ct",)),
    Goal("foramen centres, mean of a patient, mm", "foramina_mm", "less", 2.0, None, np.inf),
    Goal("foramina not found", "foramina_missed", "less", None, 0, np.inf, digits=0),
    Goal("vertebrae wrongly counted, T10 to S1", "wrong_levels", "less", None, 0, np.inf, digits=0),
    Goal("skin, mm", "skin_mm", "less", 1.0, None, np.inf),
    Goal("skin, 95 % of it, mm", "skin_95_mm", "less", None, None, np.inf),
    Goal("CPU, s", "cpu_s", "less", None, None, np.inf, digits=1),
    Goal("CPU after a vertebra was named, s", "anchor_s", "less", 0.2, None, np.inf),
    Goal("memory beyond the volume, GB", "peak_gb", "less", 1.5, None, np.inf),
    Goal("canal by a brush of 28 mm instead, Dice", "brush_dice", "more", None, None, 0.0, ("ct",)),
)


def value_of(row: Row, goal: Goal) -> float:
    """A patient's figure; the worst there is where the canal was refused."""
    value = row.get(goal.key)
    if row["refused"] is not None or value is None:
        return goal.failed
    return float(value)


def cohort_table(rows: Sequence[Row]) -> list[str]:
    """One line a measure and modality."""
    lines = ["| what | scans | n | median | worst | patient | goal | within it | verdict |", "| --- " * 9 + "|"]
    for goal in GOALS:
        for modality in (m for m in MODALITIES if m in goal.only):
            of = [row for row in rows if row["modality"] == modality]
            if not of or all(row.get(goal.key) is None and row["refused"] is None for row in of):
                continue
            values = np.array([value_of(row, goal) for row in of])
            at = int(values.argmin() if goal.good == "more" else values.argmax())
            median, worst = float(np.median(values)), float(values[at])
            limit = goal.worst if goal.median is None else goal.median
            within = sum(goal.holds(value, limit) for value in values)
            asked = goal.median is not None or goal.worst is not None
            verdict = _verdict(goal, median, worst, within, len(values)) if asked else "-"
            share = f"{within} of {len(values)}" if asked else "-"
            figures = f"{_number(median, goal.digits)} | {_number(worst, goal.digits)} | {of[at]['patient']}"
            lines.append(f"| {goal.words} | {_WORDS[modality]} | {len(values)} | {figures} | {goal.asked} | {share} | {verdict} |")
    return lines


def _verdict(goal: Goal, median: float, worst: float, within: int, count: int) -> str:
    if goal.median is not None and not goal.holds(median, goal.median):
        return "no"
    if not goal.holds(worst, goal.worst):
        return "no" if goal.median is None else "median only"
    return "yes" if within == count or goal.worst is not None else "median only"


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "none found"


def named_table(rows: Sequence[Row]) -> list[str]:
    """How often the program's own name is right, by how sure it says it is."""
    lines = ["| scans | said sure, % | n | right |", "| --- | --- | --- | --- |"]
    for modality in MODALITIES:
        bins: dict[str, list[bool]] = defaultdict(list)
        for row in rows:
            if row["modality"] == modality and row.get("guess_confidence") is not None:
                low = int(10 * row["guess_confidence"]) * 10
                bins[f"{low} to {low + 10}"].append(bool(row["guess_right"]))
        for said, right in sorted(bins.items(), key=lambda item: int(item[0].split()[0])):
            lines.append(f"| {_WORDS[modality]} | {said} | {len(right)} | {sum(right)} |")
    return lines


def place_table(rows: Sequence[Row]) -> list[str]:
    """Where the wall is off, beside each level."""
    lines = ["| level | " + " | ".join(f"{_WORDS[m]} {side}" for m in MODALITIES for side in ("ventral", "lateral", "dorsal")) + " |"]
    lines.append("| --- " * (1 + 3 * len(MODALITIES)) + "|")
    for level in COUNTED:
        cells = []
        for modality in MODALITIES:
            for side in ("ventral", "lateral", "dorsal"):
                of = [row for row in rows if row["modality"] == modality and row["refused"] is None]
                held = [row["wall_by_place"].get(f"{level} {side}") for row in of]
                values = [value for value in held if value is not None and np.isfinite(value)]
                cells.append(f"{np.median(values):+.1f}" if values else "-")
        lines.append(f"| {level} | " + " | ".join(cells) + " |")
    return lines


def window_table(rows: Sequence[Row]) -> list[str]:
    """The windows between laminae against the phantom's design: all levels of all patients together."""
    lines = [
        "| scans | windows | found | " + " | ".join(f"{what} off: median, 95 %, worst" for what in WINDOW) + " |",
        "| --- " * (3 + len(WINDOW)) + "|",
    ]
    for modality in MODALITIES:
        told = [off for row in rows if row["modality"] == modality and row["refused"] is None for off in row["windows"].values()]
        if not told:
            continue
        held = np.array([off for off in told if off is not None]).reshape(-1, len(WINDOW))
        cells = [f"{np.median(off):.1f}, {np.percentile(off, 95):.1f}, {off.max():.1f}" if len(off) else "-" for off in held.T]
        lines.append(f"| {_WORDS[modality]} | {len(told)} | {len(held)} | " + " | ".join(cells) + " |")
    return lines


def hint_table(rows: Sequence[Row]) -> list[str]:
    """Leaks that the program offers by itself, by what kind of leak the phantom holds."""
    lines = ["| scans | leak | patients | leaks | offered | hints elsewhere |", "| --- " * 6 + "|"]
    for modality in MODALITIES:
        of = [row for row in rows if row["modality"] == modality and row["refused"] is None]
        for kind in sorted({row["leak"] for row in of}):
            there = [row for row in of if row["leak"] == kind]
            counts = " | ".join(str(sum(row[key] for row in there)) for key in ("leaks", "leaks_shown", "hints_elsewhere"))
            lines.append(f"| {_WORDS[modality]} | {kind} | {len(there)} | {counts} |")
    return lines


def worst_table(rows: Sequence[Row], count: int = 4) -> list[str]:
    """The patients with the least overlap of the canal, and all that were refused."""
    lines = ["| patient | scan | voxels, mm | canal | sac | wall, mm | levels wrong | who |", "| --- " * 8 + "|"]
    for modality in MODALITIES:
        of = sorted((row for row in rows if row["modality"] == modality), key=lambda row: value_of(row, GOALS[0]))
        for n, row in enumerate(of):
            if n >= count and row["refused"] is None:
                continue
            who = (
                f"size {row['size']}, lordosis {row['lordosis']}, scoliosis {row['scoliosis_deg']}, stenosis {row['stenosis']}, "
                f"BMI {row['bmi']}, noise {row['noise']}"
            )
            figures = "- | - | - | -" if row["refused"] else (
                f"{row['canal_dice']:.2f} | {row['sac_dice']:.2f} | {row['wall_mm']:.1f} | {row['wrong_levels']}"
            )
            said = f"; {row['refused']}" if row["refused"] else ""
            lines.append(f"| {row['patient']} | {_WORDS[modality]} | {row['spacing_mm']} | {figures} | {who}{said} |")
    return lines


def scans_tables(rows: Sequence[Row]) -> list[str]:
    """The real scans against their labels and against published sizes."""
    lines = [
        "| scan | voxels, mm | canal, mm | labels by | levels right | off, mm: median (worst) | cord in the canal, % (labels by) "
        "| canal in bone, % | CPU s |",
        "| --- " * 9 + "|",
    ]
    for row in rows:
        if row["refused"] is not None:
            lines.append(f"| {row['scan']} | - | {row['refused']} | - | - | - | - | - | - |")
            continue
        levels = f"{row['levels_right']} of {row['levels_labelled']}" if "levels_right" in row else "-"
        off = f"{row['level_off_mm']:.1f} ({row['level_worst']})" if row.get("level_off_mm") is not None else "-"
        cord = f"{100 * row['cord_in_canal']:.1f} ({row['cord_by']})" if "cord_in_canal" in row else "-"
        bone = f"{100 * row['canal_in_bone']:.1f}" if "canal_in_bone" in row else "-"
        lines.append(
            f"| {row['scan']} | {row['spacing_mm']} | {row['length_mm']:.0f} | {row.get('levels_by', '-')} | {levels} | {off} | {cord} "
            f"| {bone} | {row['cpu_s']:.1f} |"
        )
    lines += ["", "| scan | area of the canal at each body, mm2 | outside the published band |", "| --- | --- | --- |"]
    for row in rows:
        if row.get("areas"):
            areas = ", ".join(f"{name} {area}" for name, area in row["areas"].items())
            named = "" if row["named"] else " (no vertebra named by hand)"
            lines.append(f"| {row['scan']}{named} | {areas} | {', '.join(row['areas_outside']) or 'none'} |")
    return lines


def speed_table(rows: Iterable[Row]) -> list[str]:
    """What 512 x 512 x 300 voxels cost."""
    lines = [
        "| scan | CPU s | by the clock, s | goal | times less than TotalSegmentator --fast (70 s) "
        "| guessed name confirmed, CPU s (goal 0.2) | names moved by one shown, CPU s (goal 0.2) "
        "| sac and openings follow, CPU s (goal 0.2) "
        "| a point of wall or middle dragged, CPU s (goal 0.2) "
        "| memory beyond the volume, GB (goal 1.5) |",
        "| --- " * 10 + "|",
    ]
    for row in rows:
        memory = f"{row['peak_gb']:.2f}" if row["peak_gb"] is not None else "not told"
        lines.append(
            f"| {_WORDS[row['modality']]} | {row['cpu_s']:.1f} | {row['clock_s']:.1f} | 5 | {SEGMENTATOR_S / row['cpu_s']:.0f} | "
            f"{row['anchor_s']:.2f} | {row['shown_s']:.2f} | {row['following_s']:.2f} | {row['dragged_s']:.2f} | {memory} |"
        )
    return lines
