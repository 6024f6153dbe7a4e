"""One member of the ensemble: what the tissue might be like, drawn from the priors, and the march through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from planner.evidence import evidence, number
from planner.geometry import Floats, PatientPosition
from planner.patch.forecast import Injection
from planner.patch.grid import SPACING_MM
from planner.patch.march import DORSAL, FORAMEN, FRONT, OUT, PAD, ROOMS, SIDE, Marched, Medium, march
from planner.patch.space import Space
from planner.refusal import Refusal

ROWS_ML = np.concatenate([np.arange(0.5, 10.0, 0.5), np.arange(10.0, 41.0, 1.0)])
"""Total volumes of the dose-response."""

TIP_REACH_MM = 3.0
"""A tip further than this from any place that takes injectate is not in the space."""

TIP_ROOM_MM = 12.0
"""Where a tip with its error may be."""

_GOLDEN = (5.0**0.5 - 1.0) / 2.0

_DOWN = {"prone": (0.0, -1.0, 0.0), "supine": (0.0, 1.0, 0.0), "left": (1.0, 0.0, 0.0), "right": (-1.0, 0.0, 0.0)}


@dataclass(frozen=True, eq=False)
class Needles:
    """Where the needles give: tips (m, 3) LPS, share of each mL, and how much fibrin goes first at each."""

    tips_mm: Floats
    shares: Floats
    fibrin_ml: Floats


def needles_of(injections: tuple[Injection, ...]) -> Needles:
    """The needles of a plan. Fibrin that nothing follows need not set. Raises Refusal for doses that cannot be given."""
    totals = np.array([injection.total_ml for injection in injections])
    doses = [dose for injection in injections for dose in (injection.fibrin_ml, injection.blood_ml)]
    if not len(totals) or totals.sum() <= 0:
        raise Refusal("No blood or fibrin is planned.", "Give at least one needle a dose.")
    if not all(np.isfinite(dose) and dose >= 0 for dose in doses) or not all(np.isfinite(i.tip_mm).all() for i in injections):
        raise Refusal("A dose or a tip is not a number of zero or more.", "Correct the doses.")
    giving = [injection for injection in injections if injection.total_ml > 0]
    return Needles(
        np.array([injection.tip_mm for injection in giving], dtype=np.float64),
        np.array([injection.total_ml for injection in giving]) / totals.sum(),
        np.array([injection.fibrin_ml if injection.blood_ml > 0 else 0.0 for injection in giving], dtype=np.float64),
    )


def places_near(space: Space, point_mm: Floats) -> tuple[NDArray[np.intp], float]:
    """The places around a point that take injectate, and the distance of the nearest; only that one when all are far."""
    distance = ((space.places_mm - point_mm) ** 2).sum(axis=1)
    distance[space.root] = np.inf
    near = np.flatnonzero(distance <= TIP_ROOM_MM**2)
    return near if len(near) else np.array([distance.argmin()]), float(np.sqrt(distance.min()))


def places_at_tips(space: Space, needles: Needles, sac_at_tip: list[bool]) -> list[NDArray[np.intp]]:
    """The places around each tip. Raises Refusal for a tip that is not in the epidural space or a foramen."""
    around = []
    for number_of, tip in enumerate(needles.tips_mm):
        near, distance = places_near(space, tip)
        around.append(near)
        if distance > TIP_REACH_MM:
            where = "inside the thecal sac" if sac_at_tip[number_of] else "outside the epidural space and the foramina"
            raise Refusal(
                f"The tip of needle {number_of + 1} lies {where}, {distance:.0f} mm from the nearest place that takes blood.",
                "Move the tip into the epidural space or a foramen.",
            )
    return around


def _between(random: np.random.Generator, name: str, logarithmic: bool = False) -> float:
    low, high = cast("list[float]", evidence(f"patch.{name}").value)
    if logarithmic:
        return float(np.exp(random.uniform(np.log(low), np.log(high))))
    return float(random.uniform(low, high))


def draw_medium(space: Space, random: np.random.Generator, position: PatientPosition) -> Medium:
    """Draw what the tissue might be like (priors: resources/evidence/patch.json)."""
    patency = np.exp(random.normal(0.0, number("patch.patency_spread"), space.foramina))
    compliance = np.exp(random.normal(0.0, number("patch.sac_compliance_spread")))
    leakiness = _between(random, "foramen_share", logarithmic=True)
    return Medium(
        slowness=_draw_slowness(space, random, patency),
        capacity_ml=_draw_capacity_ml(space, random),
        along_ease=_between(random, "along_ease"),
        cephalad=2.0 * _between(random, "cephalad_share") - 1.0,
        down=np.array(_DOWN[position]) * number("patch.gravity"),
        walls_mm=_draw_walls_mm(random),
        film_from_mm=number("patch.film_from"),
        film_reach_mm=_between(random, "film_reach", logarithmic=True),
        film_least=number("patch.film_least"),
        conductance=leakiness * np.minimum(patency, number("patch.patency_most")),
        sac_ml=(space.sac_mm3 - space.floor_mm3) * SPACING_MM**3 / 1000.0,
        engaged_fill=number("patch.sac_engaged_fill"),
        pressure_half_mmhg=number("patch.sac_pressure_half") / compliance,
        pressure_power=number("patch.sac_pressure_power"),
        pressure_law=np.array([number(f"patch.{key}") for key in ("pressure_quadratic", "pressure_linear", "pressure_measured_ml")]),
        fibrin_slowness=number("patch.slowness_set_fibrin"),
    )


def _draw_slowness(space: Space, random: np.random.Generator, patency: Floats) -> NDArray[np.float32]:
    """Of each place (n,), fat = 1. patency: (foramina,)."""
    zone = space.graph.zone
    film, recess = _between(random, "slowness_film"), _between(random, "slowness_recess", logarithmic=True)
    neck, front = _between(random, "slowness_neck", logarithmic=True), _between(random, "slowness_ventral")
    slowness = np.array([0.0, 1.0, recess, front, 1.0, number("patch.slowness_beyond")])[zone]
    under_lamina = np.where(zone == DORSAL, np.where(space.film, 1.0, space.thin), 0.0)
    slowness *= 1.0 + (film - 1.0) * under_lamina
    in_neck = zone == FORAMEN
    slowness[in_neck] *= neck / patency[space.foramen[in_neck]]
    slowness[space.root] = np.maximum(slowness[space.root], film)
    streaks = np.exp(random.normal(0.0, number("patch.patchiness"), int(space.cell.max()) + 1))
    return np.maximum(slowness * streaks[space.cell], 0.05).astype(np.float32)


def _draw_capacity_ml(space: Space, random: np.random.Generator) -> NDArray[np.float32]:
    """What each place takes (n,)."""
    fat, ventral = _between(random, "capacity_fat"), _between(random, "capacity_ventral")
    share = np.array([0.0, fat, fat, ventral, number("patch.capacity_foramen"), number("patch.capacity_beyond")])[space.graph.zone]
    share[space.film] = _between(random, "capacity_film") / SPACING_MM
    share[space.root] = 0.0
    return (share * SPACING_MM**3 / 1000.0).astype(np.float32)


def _draw_walls_mm(random: np.random.Generator) -> NDArray[np.float32]:
    """Effort to go from room to room (ROOMS, ROOMS), the two sides drawn apart: a dose takes the side that lets it."""
    walls = np.zeros((ROOMS, ROOMS), dtype=np.float32)
    walls[PAD, PAD + 1] = _between(random, "septum_dorsal", logarithmic=True)
    walls[FRONT, FRONT + 1] = _between(random, "septum_ventral", logarithmic=True)
    for side in (0, 1):
        walls[PAD + side, SIDE:OUT] = _between(random, "wall_pad", logarithmic=True)
        walls[SIDE + side, FRONT:OUT] = _between(random, "wall_recess", logarithmic=True)
        walls[FRONT + side, OUT:] = _between(random, "wall_disc", logarithmic=True)
    return np.maximum(walls, walls.T)


def is_sealed(member: int, seed: int, leak: int) -> bool:
    """Whether scar seals this leak off in this member: evenly spread over the members, so that few of them hold the share too."""
    start = np.random.default_rng([seed, leak]).random()
    return bool((start + member * _GOLDEN) % 1.0 < number("patch.sealed_share"))


def pocket(space: Space, centre: int) -> NDArray[np.intp]:
    """The places around one on the dura where scar would hold dura and wall together."""
    near = np.flatnonzero(((space.places_mm - space.places_mm[centre]) ** 2).sum(axis=1) <= number("patch.sealed_radius") ** 2)
    beside = space.graph.neighbours[near]
    on_dura = space.dural[near] | (space.dural[beside] & (beside >= 0)).any(axis=1)
    return near[on_dura & ~space.root[near]]


def spread(
    space: Space,
    needles: Needles,
    around: list[NDArray[np.intp]],
    random: np.random.Generator,
    position: PatientPosition,
    scarred: Sequence[NDArray[np.intp]] = (),
) -> Marched:
    """One member: a draw of tissue and tip error, and its march. around: the places near each tip; scarred: places slowed by scar."""
    medium = draw_medium(space, random, position)
    tips = needles.tips_mm + random.normal(0.0, number("patch.tip_error"), needles.tips_mm.shape)
    scar = _between(random, "slowness_scar", logarithmic=True)
    held = np.zeros(len(space.film), dtype=np.bool_)
    for places in scarred:
        held[places] = True
    medium.slowness[held] *= scar
    seeds = []
    for near, tip in zip(around, tips):
        loose = near[~held[near]] if not held[near].all() else near
        seeds.append(loose[((space.places_mm[loose] - tip) ** 2).sum(axis=1).argmin()])
    return Marched(*march(space.graph, medium, np.array(seeds, dtype=np.int64), needles.shares, needles.fibrin_ml, ROWS_ML))
