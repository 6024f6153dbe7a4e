"""The forecast: fifty members, one run each, give the whole dose-response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.anatomy import labels as code
from planner.anatomy.spine import Anatomy
from planner.evidence import number
from planner.geometry import Floats, PatientPosition
from planner.leak.leak import Leak
from planner.patch.dose import dose_warnings
from planner.patch.forecast import Band, DoseRow, Forecast, Injection
from planner.patch.grid import SPACING_MM
from planner.patch.march import DORSAL, Marched
from planner.patch.measure import Measures, Site, leak_site, level_coordinate, measure
from planner.patch.space import OFFSETS, Space, epidural_space
from planner.patch.spread import ROWS_ML, is_sealed, needles_of, places_at_tips, pocket, spread
from planner.progress import Progress, part, silent

COVERS = (50, 90, 95)
FREED_ML_PER_MM = 3.0
"""Between two voxels of the sac, one mm of depth weighs as much as this difference in arrival of their neighbours."""


def forecast(
    anatomy: Anatomy,
    leaks: Sequence[Leak],
    injections: Sequence[Injection],
    progress: Progress = silent,
    members: int = 50,
    seed: int = 0,
    position: PatientPosition = "prone",
) -> Forecast:
    """How the patch of these injections spreads, for every total volume from 0.5 to 40 mL.

    The total is the volume clock of all needles together: each gives its share of every mL, its planned fibrin first, then blood, and
    goes on with blood above the plan. Raises Refusal for a tip outside the space, a leak far from it, an unknown canal or sac.
    """
    found = run_ensemble(anatomy, leaks, injections, progress, members, seed, position)
    measures = found.measures
    fills = np.stack([m.canal_fill for m in measures])
    low, median, high = _percentiles(fills)
    typical = int((np.abs(fills - median).mean(axis=(1, 2)) + np.any(found.sealed, axis=1)).argmin())
    result = Forecast(
        frame=found.space.frame,
        arrival_ml=_picture(found.space, found.runs[typical]),
        rows=_rows(measures),
        s_mm=found.space.s_mm,
        canal_fill=median,
        canal_fill_low=low,
        canal_fill_high=high,
        ml_for_cover={share: _ml_for(share / 100.0, measures) for share in COVERS} if leaks else {},
        warnings=tuple(
            sorted(
                dose_warnings(anatomy, tuple(injections))
                + _end_warning(found.space, found.runs)
                + _front_warning(found, leaks, injections)
            )
        ),
        members=members,
    )
    progress(1.0, "Spreading the patch")
    return result


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The members of a forecast one by one: what each found and its figures. sealed: (members, leaks) which leaks scar seals off."""

    space: Space
    sites: tuple[Site, ...]
    runs: tuple[Marched, ...]
    measures: tuple[Measures, ...]
    sealed: NDArray[np.bool_]


def run_ensemble(
    anatomy: Anatomy,
    leaks: Sequence[Leak],
    injections: Sequence[Injection],
    progress: Progress = silent,
    members: int = 50,
    seed: int = 0,
    position: PatientPosition = "prone",
) -> Ensemble:
    """The members behind `forecast`. Member n of a seed is the same for any number of members."""
    needles = needles_of(tuple(injections))
    space = epidural_space(anatomy, np.concatenate([needles.tips_mm] + [[leak.position_mm] for leak in leaks]), part(progress, 0.0, 0.25))
    around = places_at_tips(space, needles, [_in_sac(anatomy, tip) for tip in needles.tips_mm])
    sites = [leak_site(space, leak, n) for n, leak in enumerate(leaks)]
    levels = level_coordinate(anatomy, space.s_mm)
    tip_levels = level_coordinate(anatomy, np.array([anatomy.canal.s_mm[anatomy.canal.nearest(tip)] for tip in needles.tips_mm]))
    pockets = [pocket(space, site.centre) for site in sites]
    sealed = np.array([[is_sealed(member, seed, leak) for leak in range(len(leaks))] for member in range(members)]).reshape(members, -1)
    runs: list[Marched] = []
    measures: list[Measures] = []
    for member in range(members):
        progress(0.25 + 0.7 * member / members, "Spreading the patch")
        scarred = [places for places, held in zip(pockets, sealed[member]) if held]
        runs.append(spread(space, needles, around, np.random.default_rng([seed, member]), position, scarred))
        measures.append(measure(space, runs[-1], sites, levels, tip_levels, ROWS_ML))
    return Ensemble(space, tuple(sites), tuple(runs), tuple(measures), sealed.astype(np.bool_))


def _in_sac(anatomy: Anatomy, point_mm: Floats) -> bool:
    index = np.rint(anatomy.frame.to_index(point_mm)).astype(int)
    if (index < 0).any() or (index >= anatomy.frame.shape).any():
        return False
    return int(anatomy.labels[tuple(index)]) in (code.THECAL_SAC, code.SPINAL_CORD)


def _percentiles(values: Floats) -> tuple[Floats, Floats, Floats]:
    """10th percentile, median and 90th along the first axis; members that are infinite stay so."""
    ordered = np.sort(values, axis=0)
    picks = [round(share * (len(ordered) - 1)) for share in (0.1, 0.5, 0.9)]
    return ordered[picks[0]], ordered[picks[1]], ordered[picks[2]]


def _bands(values: Floats) -> list[Band]:
    return [Band(float(a), float(b), float(c)) for a, b, c in zip(*_percentiles(values))]


def _rows(measures: Sequence[Measures]) -> tuple[DoseRow, ...]:
    cover = np.stack([m.cover for m in measures])
    leaks = cover.shape[2]
    nothing = [Band(0.0, 0.0, 0.0)] * len(ROWS_ML)
    least = _bands(cover.min(axis=2)) if leaks else nothing
    each = [_bands(cover[:, :, n]) for n in range(leaks)]
    fill = _bands(np.stack([m.canal_fill.max(axis=1) for m in measures]))
    up = _bands(np.stack([m.levels_up for m in measures]))
    down = _bands(np.stack([m.levels_down for m in measures]))
    sac = _bands(np.stack([m.sac_reduction.max(axis=1) for m in measures]))
    escaped = _bands(np.stack([m.escaped_ml for m in measures]))
    ventral = _bands(np.stack([m.ventral_ml for m in measures]))
    return tuple(
        DoseRow(float(ml), least[r], tuple(band[r] for band in each), fill[r], up[r], down[r], sac[r], escaped[r], ventral[r])
        for r, ml in enumerate(ROWS_ML)
    )


def _ml_for(share: float, measures: Sequence[Measures]) -> Band:
    """Total volume that covers this share of the least covered leak; infinite where 40 mL do not."""
    reached = np.stack([m.cover.min(axis=1) >= share - 1e-9 for m in measures])
    volumes = np.where(reached.any(axis=1), ROWS_ML[reached.argmax(axis=1)], np.inf)
    return _bands(volumes[:, None])[0]


def _picture(space: Space, run: Marched) -> NDArray[np.float32]:
    """Arrival on the grid, with the part of the sac that gives way to it: in each section the voxels nearest to the patch go first."""
    arrival = np.full(space.frame.shape, np.inf, dtype=np.float32)
    shown = ~space.root
    index = space.index[shown]
    arrival[index[:, 0], index[:, 1], index[:, 2]] = run.arrival_ml[shown]
    sac = space.sac_index
    pressed = np.full(space.frame.shape, -1.0, dtype=np.float32)
    beside = space.index[space.dural & (space.graph.section >= 0)]
    pressed[beside[:, 0], beside[:, 1], beside[:, 2]] = arrival[beside[:, 0], beside[:, 1], beside[:, 2]] / FREED_ML_PER_MM
    pressed[sac[:, 0], sac[:, 1], sac[:, 2]] = np.inf
    lengths = np.linalg.norm(OFFSETS[: len(OFFSETS) // 2], axis=1) * SPACING_MM
    _press(pressed, OFFSETS[: len(OFFSETS) // 2], lengths)
    key = pressed[sac[:, 0], sac[:, 1], sac[:, 2]]
    order = np.lexsort((key, space.sac_section))
    starts = np.searchsorted(space.sac_section[order], np.arange(len(space.s_mm) + 1))
    freed = np.maximum.accumulate(run.freed_ml * 1000.0 / SPACING_MM**3, axis=0)
    for n in np.flatnonzero(freed[-1] > 0.5):
        chosen = order[starts[n] : starts[n + 1]][: int(freed[-1, n])]
        enough = np.searchsorted(freed[:, n], np.arange(1, len(chosen) + 1), side="left")
        voxels = sac[chosen]
        arrival[voxels[:, 0], voxels[:, 1], voxels[:, 2]] = ROWS_ML[np.minimum(enough, len(ROWS_ML) - 1)]
    return arrival


@njit(cache=True, nogil=True)
def _press(field: NDArray[np.float32], offsets: NDArray[np.int64], lengths: Floats) -> None:
    """Least of seed plus distance through the sac, in place: voxels below 0 are none, infinite ones are the sac, others are seeds."""
    nk, nj, ni = field.shape
    for sweep in range(2):
        sign = 1 - 2 * sweep
        for step in range(nk * nj * ni):
            at = step if sweep == 0 else nk * nj * ni - 1 - step
            k, j, i = at // (nj * ni), at // ni % nj, at % ni
            if field[k, j, i] < 0:
                continue
            for d in range(len(offsets)):
                a, b, c = k + sign * offsets[d, 0], j + sign * offsets[d, 1], i + sign * offsets[d, 2]
                if 0 <= a < nk and 0 <= b < nj and 0 <= c < ni and field[a, b, c] >= 0:
                    field[k, j, i] = min(field[k, j, i], field[a, b, c] + lengths[d])


def _end_warning(space: Space, runs: Sequence[Marched]) -> tuple[tuple[float, str, str], ...]:
    """From which volume, in the median member, the patch gets to an end of the canal as it was found."""
    if not space.ends.any():
        return ()
    reached = float(np.median([run.arrival_ml[space.ends].min() for run in runs]))
    if not np.isfinite(reached):
        return ()
    sentence = f"From {reached:.0f} mL the patch reaches the end of the canal as this scan shows it: the spread beyond is not forecast."
    return ((reached, sentence, "patch.canal_end"),)


def _front_warning(found: Ensemble, leaks: Sequence[Leak], injections: Sequence[Injection]) -> tuple[tuple[float, str, str], ...]:
    """Said where every needle lies behind the sac and a leak in front of it: cover is then never certain (clinical.md 9)."""
    if not any(leak.kind == "ventral" for leak in leaks):
        return ()
    zone, places = found.space.graph.zone, found.space.places_mm
    nearest = [int(((places - np.array(i.tip_mm)) ** 2).sum(axis=1).argmin()) for i in injections if i.total_ml > 0]
    if not all(zone[at] == DORSAL for at in nearest):
        return ()
    share = round(100 * number("patch.ventral_from_behind"))
    sentence = f"Every needle lies behind the sac and a leak in front of it: in patients {share} % of such doses got to the front."
    return ((0.0, sentence, "patch.ventral_from_behind"),)
