"""Holds the patch model against the measured spread of algorithms.md 5.1 and writes docs/results/patch-validation.md.

Run: python -m tests.bench.patch_validation
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from planner.anatomy.spine import Anatomy
from planner.leak.leak import Leak
from planner.patch import Injection
from planner.patch.ensemble import Ensemble, run_ensemble
from planner.patch.march import FORAMEN, GIVE_WAY, VENTRAL
from planner.patch.space import LENGTH_MM
from planner.patch.spread import ROWS_ML
from tests.planner.patch.pipe import disc_z, pipe_spine

OUT = Path(__file__).resolve().parents[2] / "docs" / "results" / "patch-validation.md"
MEMBERS = int(__import__('os').environ.get('M','100'))
FITTED = {"V1", "V3", "V6", "V8", "V11", "V16", "V19", "V21"}
ONE_SIDED = 0.25
"""The lesser side holds less than this share of the patch in the canal: how "one-sided" is read."""
SEEN_ML = 0.1
"""Less than this in a compartment is not seen on an epidurogram."""

LUMBAR = ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
SACRAL = ("T12", "L1", "L2", "L3", "L4", "L5", "S1", "S2", "S3")
THORACIC = tuple(f"T{n}" for n in range(1, 13))
CERVICAL = ("C1", "C2", "C3", "C4", "C5", "C6", "C7", *(f"T{n}" for n in range(1, 10)))


def lumbar() -> Anatomy:
    return pipe_spine(LUMBAR, canal_mm=(12.6, 9.2), sac_mm=(8.3, 6.8))


def sacral() -> Anatomy:
    return pipe_spine(SACRAL, canal_mm=(12.6, 9.2), sac_mm=(7.5, 6.2), sac_ends_mm=40.0, tapers_below_mm=80.0)


def thoracic() -> Anatomy:
    return pipe_spine(THORACIC, canal_mm=(8.8, 8.0), sac_mm=(6.8, 6.0), cord_mm=(4.3, 3.2), level_mm=24.0, lamina_share=0.7)


def cervical() -> Anatomy:
    return pipe_spine(CERVICAL, canal_mm=(11.0, 8.0), sac_mm=(8.4, 6.0), cord_mm=(5.5, 3.5), level_mm=19.0, lamina_share=0.7)


@dataclass(frozen=True)
class Row:
    """One line of the table: id, what was asked, measured (words, least and greatest value that agree), the model's band, kind."""

    id: str
    ask: str
    measured: str
    low: float
    high: float
    band: tuple[float, float, float]
    unit: str = ""

    @property
    def verdict(self) -> str:
        middle = self.band[1]
        if self.low <= middle <= self.high:
            return "inside"
        off = middle - (self.low if middle < self.low else self.high)
        overlap = "bands overlap" if self.band[0] <= self.high and self.low <= self.band[2] else "no overlap"
        return f"outside by {off:+.2f}{self.unit}, {overlap}"


def at(ml: float) -> int:
    return int(np.searchsorted(ROWS_ML, ml))


def band(values: np.ndarray) -> tuple[float, float, float]:
    """10th percentile, mean and 90th percentile."""
    return float(np.percentile(values, 10)), float(np.mean(values)), float(np.percentile(values, 90))


def touched(levels: np.ndarray) -> np.ndarray:
    """Vertebrae counted as soon as they are touched, as the thoracic paper counts."""
    return np.ceil(levels - 0.05)


def share(hits: list[bool] | np.ndarray) -> tuple[float, float, float]:
    """A share of the members in per cent, three times: it is one number."""
    value = 100.0 * float(np.mean(hits))
    return value, value, value


def interval(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a measured share, per cent: what agrees with so few patients."""
    z, p = 1.96, hits / n
    centre, half = (p + z * z / 2 / n), z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return 100 * (centre - half) / (1 + z * z / n), 100 * (centre + half) / (1 + z * z / n)


class Cohort:
    """Members of one injection and what papers count in them."""

    def __init__(self, anatomy: Anatomy, tip_mm: tuple[float, float, float], leaks: tuple[Leak, ...] = ()) -> None:
        self.anatomy, self.tip_mm = anatomy, tip_mm
        self.run: Ensemble = run_ensemble(anatomy, leaks, (Injection(tip_mm, 0.0, 10.0),), members=MEMBERS)
        self.places = self.run.space.places_mm

    def up(self, ml: float) -> np.ndarray:
        return np.array([m.levels_up[at(ml)] for m in self.run.measures])

    def down(self, ml: float) -> np.ndarray:
        return np.array([m.levels_down[at(ml)] for m in self.run.measures])

    def sac(self, ml: float) -> np.ndarray:
        return np.array([run.totals[at(ml), GIVE_WAY] for run in self.run.runs])

    def escaped(self, ml: float) -> np.ndarray:
        return np.array([m.escaped_ml[at(ml)] for m in self.run.measures])

    def ventral(self, ml: float) -> np.ndarray:
        return np.array([m.ventral_ml[at(ml)] for m in self.run.measures]) > SEEN_ML

    def cover(self, ml: float) -> np.ndarray:
        return np.array([m.cover[at(ml), 0] for m in self.run.measures])

    def seen(self, ml: float, where: np.ndarray) -> np.ndarray:
        """Whether at least SEEN_ML lies at the places of a mask, a voxel counting half its volume."""
        return np.array([0.0005 * np.count_nonzero(run.arrival_ml[where] <= ml) > SEEN_ML for run in self.run.runs])

    def one_sided(self, ml: float) -> np.ndarray:
        graph = self.run.space.graph
        found = []
        for run in self.run.runs:
            filled = (run.arrival_ml <= ml) & (graph.section >= 0)
            left = np.count_nonzero(filled & graph.left) / max(np.count_nonzero(filled), 1)
            found.append(min(left, 1 - left) < ONE_SIDED)
        return np.array(found)

    def outside_canal(self, ml: float) -> np.ndarray:
        """Contrast seen in a foramen."""
        return self.seen(ml, self.run.space.graph.zone == FORAMEN)

    def middle_third(self, ml: float) -> np.ndarray:
        """Ventral places within 5 mm of the tip's height and the central third of the canal's width."""
        graph = self.run.space.graph
        width = np.abs(self.places[graph.zone == VENTRAL, 0]).max()
        near = (graph.zone == VENTRAL) & (np.abs(self.places[:, 2] - self.tip_mm[2]) <= 5) & (np.abs(self.places[:, 0]) <= width / 3)
        return np.array([np.mean(run.arrival_ml[near] <= ml) > 0.1 for run in self.run.runs])

    def reaches(self, ml: float, z_mm: float) -> np.ndarray:
        """Whether the patch reaches up to a height."""
        graph, tip = self.run.space.graph, self.tip_mm[2]
        sign = 1.0 if z_mm > tip else -1.0
        beyond = (graph.section >= 0) & (sign * (self.places[:, 2] - z_mm) >= 0)
        return np.array([np.count_nonzero(run.arrival_ml[beyond] <= ml) > 5 for run in self.run.runs])


def lumbar_rows() -> list[Row]:
    anatomy = lumbar()
    roof, z = 7.8, disc_z(LUMBAR, "L3")
    interlaminar = Cohort(anatomy, (0.0, roof, z - 2.0), (Leak((0.0, 5.0, z), "dorsal", "observed", "L3-L4", "midline"),))
    side = Cohort(anatomy, (7.0, 5.5, z - 2.0))
    ventral = Cohort(anatomy, (3.0, -8.3, z), (Leak((0.0, -7.5, z), "ventral", "observed", "L3-L4", "midline"),))
    lateral = Cohort(anatomy, (9.5, -4.8, z))
    back = Cohort(anatomy, (15.0, 1.0, z + 4.0))
    front = Cohort(anatomy, (17.0, -3.0, z))
    rows = [
        Row("V1", "levels up, 5 mL", "1.28", 0.9, 1.7, band(interlaminar.up(5)), " levels"),
        Row("V1", "levels down, 5 mL", "0.88", 0.5, 1.3, band(interlaminar.down(5)), " levels"),
        Row("V2", "ventral, 5 mL", "36 % of 25", *interval(9, 25), share(interlaminar.ventral(5)), " %"),
        Row("V3", "one-sided, 5 mL", "84 % of 25", *interval(21, 25), share(interlaminar.one_sided(5)), " %"),
        Row("V4", "ventral catheter, levels in all, 3 mL", "2.21 +/- 0.93", 1.28, 3.14, band(ventral.up(3) + ventral.down(3)), " levels"),
        Row("V4", "ventral, 3 mL", "100 % of 82", *interval(82, 82), share(ventral.ventral(3)), " %"),
        Row("V5", "disc above reached, 3 mL", "81.7 % of 82", *interval(67, 82), share(ventral.reaches(3, z + 36)), " %"),
        Row("V5", "disc below reached, 3 mL", "95.1 % of 82", *interval(78, 82), share(ventral.reaches(3, z - 36)), " %"),
        Row("V13", "foraminal from behind: ventral, 1 mL", "45 % of 31", *interval(14, 31), share(back.ventral(1)), " %"),
        Row("V15", "along the disc: in the canal in front, 1 mL", "3 of 63", *interval(3, 63), share(front.ventral(1)), " %"),
        Row("V16", "foramina reached, 2 mL", "46 % (AP) to 25 % (lateral) of 28", 25.0, *interval(13, 28)[1:], share(interlaminar.outside_canal(2)), " %"),
        Row("V17", "ventral needle: ventral, 1 mL of contrast", "95.8 % of 72", *interval(69, 72), share(lateral.ventral(1)), " %"),
        Row("V17", "ventral needle: middle third, 1 mL of contrast", "47.2 % of 72", *interval(34, 72), share(lateral.middle_third(1)), " %"),
        Row("V18", "leak covered (half of it), 9.4 mL, dorsal", "12 of 13", *interval(12, 13), share(interlaminar.cover(9.5) >= 0.5), " %"),
        Row("V18", "leak covered (half of it), 9.4 mL, ventral", "12 of 13", *interval(12, 13), share(ventral.cover(9.5) >= 0.5), " %"),
    ]
    for name, ml, mean, sd in (("V19", 5, 2.0, 1.0), ("V20", 10, 4.4, 1.4), ("V21", 15, 7.2, 2.6)):
        rows.append(Row(name, f"CSF displaced, {ml} mL", f"{mean} +/- {sd} mL", mean - sd, mean + sd, band(interlaminar.sac(ml)), " mL"))
    rows.append(Row("-", "escaped, 10 mL", "prior 1-4 mL, nothing measured", 1.0, 4.0, band(interlaminar.escaped(10)), " mL"))
    rows.append(Row("V24", "ventral 7 mm off the midline, 4 mL", "about 90 % [m]", 75.0, 100.0, share(side.ventral(4)), " %"))
    rows.append(Row("V24", "ventral in the midline, 4 mL", "about 32 % [m]", 17.0, 47.0, share(interlaminar.ventral(4)), " %"))
    return rows


def thoracic_rows() -> list[Row]:
    anatomy = thoracic()
    z = disc_z(THORACIC, "T6", 24.0)
    needle = Cohort(anatomy, (12.0, -1.0, z))
    both = needle.ventral(3) & needle.seen(3, needle.run.space.graph.zone == 1)
    top = Cohort(anatomy, (0.0, 7.0, disc_z(THORACIC, "T2", 24.0)))
    return [
        Row("V6", "thoracic foraminal, levels up, 1 mL", "2 (1-2)", 1.0, 2.0, band(touched(needle.up(1))), " levels"),
        Row("V6", "levels down, 1 mL", "1 (1-2)", 1.0, 2.0, band(touched(needle.down(1))), " levels"),
        Row("V7", "levels up, 2 mL", "2.5 (2-3)", 2.0, 3.0, band(touched(needle.up(2))), " levels"),
        Row("V7", "levels down, 2 mL", "2 (2-3)", 2.0, 3.0, band(touched(needle.down(2))), " levels"),
        Row("V8", "levels up, 3 mL", "3 (2-4)", 2.0, 4.0, band(touched(needle.up(3))), " levels"),
        Row("V8", "levels down, 3 mL", "2 (2-3)", 2.0, 3.0, band(touched(needle.down(3))), " levels"),
        Row("V8", "ventral and dorsal, 3 mL", "88 % of 26", *interval(23, 26), share(both), " %"),
        Row("V25", "T2-T3, levels in all, 12 mL", "about 11 (a hint)", 8.0, 14.0, band(top.up(12) + top.down(12)), " levels"),
    ]


def cervical_rows() -> list[Row]:
    needle = Cohort(cervical(), (0.0, 7.0, disc_z(CERVICAL, "C7", 19.0)))
    return [
        Row("V9", "C7-T1, levels up, 5 mL", "5.6 +/- 1.1", 4.5, 6.7, band(touched(needle.up(5))), " levels"),
        Row("V9", "levels down, 5 mL", "5.4 +/- 3.4", 2.0, 8.8, band(touched(needle.down(5))), " levels"),
        Row("V10", "levels up, 10 mL", "6.1 +/- 1.1", 5.0, 7.2, band(touched(needle.up(10))), " levels"),
        Row("V10", "levels down, 10 mL", "7.2 +/- 3.9", 3.3, 11.1, band(touched(needle.down(10))), " levels"),
    ]


def caudal_rows() -> list[Row]:
    needle = Cohort(sacral(), (0.0, 0.0, 14.0))
    z = disc_z(SACRAL, "L3")
    return [
        Row("V11", "caudal, L3-L4 reached, 10 mL", "5 of 9", *interval(5, 9), share(needle.reaches(10, z)), " %"),
        Row("V12", "caudal, L3-L4 reached, 20 mL", "11 of 11", *interval(11, 11), share(needle.reaches(20, z)), " %"),
    ]


def table(rows: list[Row]) -> str:
    lines = ["| id | ask | measured | model: low, mean, high | verdict | fitted |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        low, middle, high = row.band
        model = f"{middle:.0f} %" if row.unit == " %" else f"{low:.2f}, {middle:.2f}, {high:.2f}"
        lines.append(f"| {row.id} | {row.ask} | {row.measured} | {model} | {row.verdict} | {'fitted' if row.id in FITTED else 'test'} |")
    return "\n".join(lines)


def all_rows() -> list[Row]:
    parts: list[Callable[[], list[Row]]] = [lumbar_rows, thoracic_rows, cervical_rows, caudal_rows]
    return [row for part in parts for row in part()]


if __name__ == "__main__":
    print(table(all_rows()))
    assert LENGTH_MM > 0
