"""Doses: the presets to start from, the volume limits to warn at, the one pressure curve that was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from planner.anatomy.labels import ALL_LEVELS, rank
from planner.anatomy.spine import ANGLES, Anatomy
from planner.evidence import RESOURCES, number
from planner.leak.leak import ApproachName, Leak, LeakKind
from planner.patch.forecast import Injection

NEXT_LEVEL_MM = 45.0
"""How far from a tip "at or next to the level" goes along the canal."""
SAME_LEVEL_MM = 18.0
"""Tips nearer to each other than this along the canal give at one level."""


@dataclass(frozen=True)
class Preset:
    """A dose to start from (clinical.md 10). levels: first and last vertebra of its region. sites: one, two or many.
    remark: what does not fit the case at hand, or empty."""

    name: str
    kinds: tuple[LeakKind, ...]
    approaches: tuple[ApproachName, ...]
    levels: tuple[str, str]
    sites: str
    blood_ml: float
    blood_range_ml: tuple[float, float]
    fibrin_ml: float
    fibrin_range_ml: tuple[float, float]
    rate_ml_per_s: float
    source: str
    remark: str = ""


@cache
def presets() -> tuple[Preset, ...]:
    """All presets, as resources/presets.json has them."""
    rows = json.loads((RESOURCES / "presets.json").read_text("utf-8"))
    values: list[dict[str, Any]] = [{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()} for row in rows]
    return tuple(Preset(**value) for value in values)


def _level(leak: Leak, anatomy: Anatomy) -> str | None:
    """The upper vertebra of the leak's disc space."""
    if leak.level:
        return leak.level.split("-")[0]
    pair = anatomy.disc_space(leak.position_mm)
    return pair[0] if pair else None


def presets_for(leak: Leak, approach: ApproachName, anatomy: Anatomy, beside: Sequence[Leak] = ()) -> tuple[Preset, ...]:
    """The presets that fit leak, approach and level, best first; with a remark where only part of it fits. Never empty.

    beside: the other leaks of the session that are reached the same way. A preset for two levels is only for a leak that has one of its
    kind beside it at another level, both in the preset's region; and then it comes first.
    """
    level = _level(leak, anatomy)
    partners = [other for other in beside if other.kind == leak.kind and _level(other, anatomy) not in (None, level)]

    def in_region(preset: Preset, level: str | None = level) -> bool:
        return level in ALL_LEVELS and rank(preset.levels[0]) <= rank(str(level)) <= rank(preset.levels[1])

    def has_partners(preset: Preset) -> bool:
        return bool(partners) and all(in_region(preset, _level(other, anatomy)) for other in partners)

    of_kind = [preset for preset in presets() if leak.kind in preset.kinds or (approach == "caudal" and approach in preset.approaches)]
    of_kind = [preset for preset in of_kind if preset.sites != "two" or has_partners(preset)]
    order = ["many", "two", "one"] if leak.certainty == "potential" else ["two", "one", "many"]
    of_kind.sort(key=lambda preset: order.index(preset.sites))
    fits = [preset for preset in of_kind if approach in preset.approaches and in_region(preset)]
    if fits:
        return tuple(_of_more(preset, len(partners) + 1) for preset in fits)
    near = [preset for preset in of_kind if in_region(preset)]
    if near:
        return tuple(_remarked(preset, "No preset for this approach: the dose is that of another way to the same leak.") for preset in near)
    cautious = sorted(of_kind, key=lambda preset: preset.blood_ml + preset.fibrin_ml)
    reason = "The level is not named" if level is None else f"No preset for this leak at {level}"
    return tuple(_remarked(preset, f"{reason}: the smallest dose for this kind of leak is shown.") for preset in cautious)


def _of_more(preset: Preset, levels: int) -> Preset:
    if preset.sites != "two" or levels <= 2:
        return preset
    return _remarked(preset, f"No preset for {levels} levels: the dose is that of two.")


def _remarked(preset: Preset, remark: str) -> Preset:
    return replace(preset, remark=remark)


def preset(leak: Leak, approach: ApproachName, anatomy: Anatomy, beside: Sequence[Leak] = ()) -> Preset:
    """The dose to start from for a leak and an approach, with the other leaks of the session beside it (`presets_for`)."""
    return presets_for(leak, approach, anatomy, beside)[0]


def lumbar_pressure_mmhg(ml: float) -> float | None:
    """Epidural pressure after a lumbar blood patch of this volume (Int J Obstet Anesth 2014;23:144); None where nothing was measured."""
    if not 0 <= ml <= number("patch.pressure_measured_ml"):
        return None
    return number("patch.pressure_quadratic") * ml * ml + number("patch.pressure_linear") * ml


def is_narrow(anatomy: Anatomy, tip_mm: Sequence[float]) -> bool:
    """Whether the canal is narrow at the tip's level or the next: its depth over 5 mm of its length below the limit."""
    canal = anatomy.canal
    s = canal.s_mm
    depth = canal.wall_mm[:, ANGLES // 4] + canal.wall_mm[:, 3 * ANGLES // 4]
    near = depth[np.abs(s - s[canal.nearest(tip_mm)]) <= NEXT_LEVEL_MM]
    if len(near) < 5:
        return bool(near.min() < number("patch.stenosis_depth"))
    return bool(np.median(np.lib.stride_tricks.sliding_window_view(near, 5), axis=1).min() < number("patch.stenosis_depth"))


def _region(anatomy: Anatomy, tip_mm: Sequence[float]) -> str | None:
    """C, T, L or S: that of the vertebra nearest to the tip along the canal."""
    if not anatomy.levels:
        return None
    s = float(anatomy.canal.s_mm[anatomy.canal.nearest(tip_mm)])
    return min(anatomy.levels, key=lambda level: abs(level.s_mm - s)).name[0]


def dose_warnings(anatomy: Anatomy, injections: Sequence[Injection]) -> tuple[tuple[float, str, str], ...]:
    """From which total volume which volume limit is passed, needles giving in the proportion planned (clinical.md 5.3).

    Each warning is (least total mL, sentence, evidence id), rising.
    """
    giving = [injection for injection in injections if injection.total_ml > 0]
    total = sum(injection.total_ml for injection in giving)
    if total <= 0:
        return ()
    regions = [_region(anatomy, injection.tip_mm) for injection in giving]
    warnings: list[tuple[float, str, str]] = []
    if None in regions:
        warnings.append((0.0, "The levels are not named: the volume limit of this region was not checked.", "patch.limit_lumbar_one_level"))
    canal = anatomy.canal
    places = [float(canal.s_mm[canal.nearest(injection.tip_mm)]) for injection in giving]

    def warn(members: list[int], key: str, words: str) -> None:
        if not members:
            return
        narrow = any(is_narrow(anatomy, giving[n].tip_mm) for n in members)
        limit = number(f"patch.{key}") * (number("patch.stenosis_factor") if narrow else 1.0)
        share = sum(giving[n].total_ml for n in members) / total
        because = ", halved because the canal is narrow there" if narrow else ""
        warnings.append((limit / share, f"More than {limit:g} mL {words}{because}.", f"patch.{key}"))

    lumbar = [n for n, region in enumerate(regions) if region in ("L", "S")]
    levels = {tuple(m for m in lumbar if abs(places[m] - places[n]) <= SAME_LEVEL_MM) for n in lumbar}
    for level in sorted(levels):
        warn(list(level), "limit_lumbar_one_level", "at one lumbar level")
    warn(lumbar, "limit_lumbar_all", "in the lumbar canal in all")
    warn([n for n, region in enumerate(regions) if region == "T"], "limit_thoracic", "in the thoracic canal")
    warn([n for n, region in enumerate(regions) if region == "C"], "limit_cervical", "in the cervical canal")
    return tuple(sorted(warnings))
