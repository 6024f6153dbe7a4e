"""What can be chosen about the phantom."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from planner.phantom.tables import spine_table

LeakName = Literal["ventral", "sleeve", "dorsal", "two-level"]
ModalityName = Literal["ct", "myelogram", "mr", "mr-t1"]
PositionName = Literal["prone", "supine"]


@dataclass(frozen=True)
class PhantomParameters:
    """A patient and how he was scanned. Raises ValueError, with a sentence, for what no patient has.

    size: scale of all lengths, 0.88 to 1.12 (men 1.05, women 0.95; clinical.md 3.6).
    lordosis: share of the segment angles of the table, 0.4 to 1.4; prone on a belly pillow about 0.8.
    scoliosis_deg: Cobb angle of one curve with its apex at L1, positive with the convexity to the left, -40 to 40.
    stenosis: interval -> share of the sac's area that is left, as {"L4-L5": 0.5}, 0.25 to 1; None for a healthy canal.
    body_mass_index: 16 to 45.
    seed: of the noise, the texture, the small asymmetries and where the patient lies on the table.
    leak: which of the four seeds' leaks.
    modality: "ct", "myelogram" (CT with contrast in the sac) "mr" (T2) or "mr-t1".
    spacing_mm: of slices, rows and columns, 0.3 to 5.
    position: on the CT table; prone for planning.
    """

    size: float = 1.0
    lordosis: float = 0.85
    scoliosis_deg: float = 0.0
    stenosis: Mapping[str, float] | None = None
    body_mass_index: float = 24.0
    seed: int = 1
    leak: LeakName = "ventral"
    modality: ModalityName = "ct"
    spacing_mm: tuple[float, float, float] = (0.8, 0.8, 0.8)
    position: PositionName = "prone"

    def __post_init__(self) -> None:
        _within("size", self.size, 0.88, 1.12)
        _within("lordosis", self.lordosis, 0.4, 1.4)
        _within("scoliosis_deg", self.scoliosis_deg, -40, 40)
        _within("body_mass_index", self.body_mass_index, 16, 45)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise ValueError("The seed is a whole number from 0 to 4294967295.")
        for name, value, allowed in (("leak", self.leak, get_args(LeakName)), ("modality", self.modality, get_args(ModalityName)),
                                     ("position", self.position, get_args(PositionName))):
            if value not in allowed:
                raise ValueError(f"The {name} is one of {', '.join(allowed)}.")
        if len(self.spacing_mm) != 3:
            raise ValueError("The spacing has three numbers: slices, rows, columns.")
        for step in self.spacing_mm:
            _within("spacing_mm", step, 0.3, 5.0)
        order = spine_table().order
        known = {f"{upper}-{lower}" for upper, lower in itertools.pairwise(order) if lower not in ("S2", "S3")}
        for interval, factor in (self.stenosis or {}).items():
            if interval not in known:
                raise ValueError(f"{interval} is no disc of the phantom; write L4-L5.")
            _within(f"stenosis of {interval}", factor, 0.25, 1.0)

    @property
    def magnetic(self) -> bool:
        """Whether a magnet makes the scan, and no X-rays."""
        return self.modality.startswith("mr")

    def as_json(self) -> dict[str, Any]:
        """The parameters as plain values, for truth.json."""
        values = asdict(self)
        values["spacing_mm"] = list(self.spacing_mm)
        values["stenosis"] = None if self.stenosis is None else dict(self.stenosis)
        return values


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"The {name} is {value:g}; it may be {low:g} to {high:g}.")
