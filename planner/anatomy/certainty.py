"""How well the canal is known: the confidence of each cross-section, and in words at which levels it is weak and why."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.bridges import AT_BODY, BODY, DISC, FORAMEN, METAL, OPEN_ARCH, WINDOW, bridges_of, kinds_of
from planner.anatomy.reformat import Curve
from planner.anatomy.spine import Canal, Level, Structure
from planner.anatomy.track import Path
from planner.anatomy.wall import Wall, area_of
from planner.geometry import Floats

WEAK = 0.6  # confidence below this is uncertain
# Logistic regression on 1302 cross-sections of the cohort's patients 0, 6, 18 and 43 (tests/bench/anatomy/patients.py). In those of 3, 12,
# 15 and 39 (1297 too) what is said 0.97 is right in 98 of 100, 0.93 in 97, 0.86 in 93, 0.77 in 96, 0.61 in 80, 0.2 in 52; Brier score 0.038
_SURE, _LEAKY, _BRIDGED, _ROUGH = 5.26, 3.26, 2.17, 17.6
# The cohort has too few of these to tell: start values of algorithms 1.1, and a wall of which most is bridged or a third inferred is unsure
_UNCLEAR, _ODD, _INFERRED, _MOSTLY = 1.5, 0.7, 10.0, 8.0
_HALF_BRIDGED = 0.45
_ROUGH_MM = 9
_ARCH = (0.0, 0.35)  # of the way to the next vertebra: where along the canal the lamina of a vertebra closes it
_SOME_MM = 4.0  # less is not worth a word
_MOST = 0.6


def confidence_of(path: Path, curve: Curve, wall: Wall) -> Floats:
    """(n,) 0..1 of each cross-section: how likely nine tenths of its wall lie within 2 mm of the true one.

    From how well bone encloses it, how clear the path is, how much of it is bridged, and how unlike the sections around it it is.
    """
    order = np.argsort(path.points_mm[:, 2])
    enclosed = np.interp(curve.points_mm[:, 2], path.points_mm[order, 2], path.enclosed[order])
    area = area_of(wall.radius_mm)
    around = np.array([np.median(area[max(0, n - 30) : n + 31]) for n in range(len(area))])
    odd = np.clip(np.abs(area - around) / (0.2 * around) - 1.0, 0.0, 2.0)
    rough = np.abs(wall.radius_mm - ndimage.uniform_filter1d(wall.radius_mm, _ROUGH_MM, axis=0, mode="nearest")).mean(axis=1)
    kinds = kinds_of(wall.bridged) if wall.bridge is None else wall.bridge
    inferred = np.isin(kinds, (METAL, OPEN_ARCH)).mean(axis=1)
    clear = min(1.0, max(path.margin, 0.0) / 0.3)
    bridged = wall.bridged.mean(axis=1)
    logit = _SURE - _LEAKY * (1.0 - enclosed) - _BRIDGED * bridged - _ROUGH * rough
    logit -= _UNCLEAR * (1.0 - clear) + _ODD * odd + _INFERRED * inferred + _MOSTLY * np.maximum(bridged - _HALF_BRIDGED, 0.0)
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))


def canal_structure(canal: Canal, levels: tuple[Level, ...]) -> Structure:
    """How the canal as a whole is known, and at which levels it is weak: uncertain, bridged, beside metal, without an arch."""
    kinds = bridges_of(canal)
    weak = canal.confidence < WEAK
    open_ = np.isin(kinds, (FORAMEN, WINDOW, DISC, BODY)).mean(axis=1)
    places = Places(canal, levels)
    most = places.most(open_)
    sentences = [f"{round(100 * float(open_.mean()))} % of the wall is bridged over openings" + (f", most at {most}." if most else ".")]
    where, share = places.words(weak), round(100 * float(weak.mean()))
    if where or share:
        sentences.append(f"Uncertain at {where}." if where else f"{share} % of its length is uncertain.")
    arches = places.arches((kinds == OPEN_ARCH).any(axis=1))
    if arches:
        sentences.append(f"Open arch at {arches}: the wall behind is from the arches above and below.")
    metal = places.words((kinds == METAL).any(axis=1))
    if metal:
        sentences.append(f"Beside metal at {metal} the wall is inferred, not seen.")
    return Structure("found", round(float(np.median(canal.confidence)), 2), " ".join(sentences))


class Places:
    """Bodies and discs along a canal, by name: `T12`, `T12-L1`, `L1`."""

    def __init__(self, canal: Canal, levels: tuple[Level, ...]) -> None:
        self._s = canal.s_mm
        self._levels = levels
        middles = np.array([level.s_mm for level in levels])
        self._gaps = np.append(np.diff(middles), np.diff(middles)[-1:]) if len(levels) > 1 else np.full(len(levels), 30.0)
        self.names = [name for a, b in itertools.pairwise(levels) for name in (a.name, f"{a.name}-{b.name}")] + [
            a.name for a in levels[-1:]
        ]
        ends = [edge for s, gap in zip(middles, self._gaps) for edge in (s + AT_BODY * gap, s + (1 - AT_BODY) * gap)][:-1]
        self._at = np.searchsorted(ends, self._s) if levels else np.zeros(len(self._s), dtype=np.intp)

    def _lengths(self, where: NDArray[np.bool_]) -> Floats:
        """How many mm of each place are meant."""
        steps = np.gradient(self._s) if len(self._s) > 1 else np.ones(len(self._s))
        return np.asarray(np.bincount(self._at, weights=steps * where, minlength=len(self.names))[: len(self.names)], dtype=np.float64)

    def words(self, where: NDArray[np.bool_]) -> str:
        """`T11-T12, L4 to L5-S1`: the places of which some mm are meant, three and more in a row by the first and the last."""
        meant = self._lengths(where) >= _SOME_MM
        runs = np.flatnonzero(np.diff(np.concatenate([[0], meant.astype(np.int8), [0]]))).reshape(-1, 2)
        named = []
        for first, stop in runs:
            run = self.names[first:stop]
            named.append(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(run))
        return ", ".join(named)

    def most(self, share: Floats) -> str:
        """The place with the highest mean share; empty where none stands out."""
        if len(self.names) < 3:
            return ""
        count = np.bincount(self._at, minlength=len(self.names))[: len(self.names)]
        means = np.bincount(self._at, weights=share, minlength=len(self.names))[: len(self.names)] / np.maximum(count, 1)
        highest = int(np.where(count >= _SOME_MM, means, 0.0).argmax())
        return self.names[highest] if means[highest] > 2.0 * float(share.mean()) else ""

    def arches(self, where: NDArray[np.bool_]) -> str:
        """The vertebrae whose laminae lie where something is meant."""
        named = []
        for level, gap in zip(self._levels, self._gaps):
            lamina = (self._s >= level.s_mm + _ARCH[0] * gap) & (self._s <= level.s_mm + _ARCH[1] * gap)
            if lamina.any() and float(where[lamina].mean()) >= _MOST:
                named.append(level.name)
        return ", ".join(named)
