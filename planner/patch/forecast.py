"""The values of the Patch station."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from planner.geometry import Floats, Frame

Material = Literal["blood", "fibrin", "contrast"]


class Band(NamedTuple):
    """An estimate: 10th percentile, median and 90th percentile of the ensemble."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Injection:
    """What one needle gives: fibrin first, then blood. tip_mm: LPS."""

    tip_mm: tuple[float, float, float]
    fibrin_ml: float
    blood_ml: float

    @property
    def total_ml(self) -> float:
        """Both together."""
        return self.fibrin_ml + self.blood_ml


@dataclass(frozen=True)
class DoseRow:
    """The forecast at one total volume: contract `dose_response`. leak_covered is that of the least covered leak;
    each_leak_covered holds one band a leak."""

    ml: float
    leak_covered: Band
    each_leak_covered: tuple[Band, ...]
    canal_fill_max: Band
    levels_up: Band
    levels_down: Band
    sac_reduction_max: Band
    escaped_ml: Band
    ventral_ml: Band


@dataclass(frozen=True, eq=False)
class Forecast:
    """How the patch spreads, for every volume up to the largest.

    frame, arrival_ml: float32 [k, j, i]; the total volume at which a voxel is filled in the most typical member of the ensemble, inf
    where it never is: the patch at any volume is `arrival_ml <= ml`. s_mm: (n,) places along the canal. canal_fill: (rows, n) median share
    of the canal outside the cord that is filled, one row a dose row; canal_fill_low, canal_fill_high its 10th and 90th percentile.
    warnings: sentences, each with its evidence id, that hold at some volume: (least volume, sentence, evidence id).
    """

    frame: Frame
    arrival_ml: NDArray[np.float32]
    rows: tuple[DoseRow, ...]
    s_mm: Floats
    canal_fill: Floats
    canal_fill_low: Floats
    canal_fill_high: Floats
    ml_for_cover: dict[int, Band]
    warnings: tuple[tuple[float, str, str], ...]
    members: int

    def at(self, ml: float) -> DoseRow:
        """The forecast at a total volume, interpolated between rows; clamped to their range."""
        volumes = [row.ml for row in self.rows]
        ml = min(max(ml, volumes[0]), volumes[-1])
        after = int(np.searchsorted(volumes, ml))
        if volumes[after] == ml or after == 0:
            return self.rows[after]
        a, b = self.rows[after - 1], self.rows[after]
        share = (ml - a.ml) / (b.ml - a.ml)

        def mix(one: Band, other: Band) -> Band:
            return Band(*(x + share * (y - x) for x, y in zip(one, other)))

        return DoseRow(
            ml,
            mix(a.leak_covered, b.leak_covered),
            tuple(mix(x, y) for x, y in zip(a.each_leak_covered, b.each_leak_covered)),
            mix(a.canal_fill_max, b.canal_fill_max),
            mix(a.levels_up, b.levels_up),
            mix(a.levels_down, b.levels_down),
            mix(a.sac_reduction_max, b.sac_reduction_max),
            mix(a.escaped_ml, b.escaped_ml),
            mix(a.ventral_ml, b.ventral_ml),
        )
