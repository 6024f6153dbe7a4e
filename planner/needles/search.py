"""The exhaustive search: every direction to every target, what is left ranked and thinned, and why nothing is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from planner.evidence import number
from planner.geometry import Floats, PatientPosition
from planner.leak import ELSEWHERE, ApproachName, is_transforaminal
from planner.needles.candidate import MODELLED, Candidate, Needle, NeedleSearch
from planner.needles.distance import UNIT_MM
from planner.needles.doors import Door
from planner.needles.judge import check, entry_limit_mm, nearest_gateway
from planner.needles.march import CORD_AHEAD, DOOR, ENTRY, HAZARD, LENGTH, NO_SKIN, PASSES, SKIN_ANGLE, screen, slack_field
from planner.needles.room import SKIN_STEP, Attempt, Gateway, Room
from planner.needles.score import depth_part, entry_part, out_of_plane_part, passage_factor, side_factor, total, within
from planner.progress import Progress, part, silent

OUT_OF_PLANE_DEG = np.arange(-45.0, 45.1, 1.0)
IN_PLANE_STEP_DEG = 0.5
"""Directions lie on a grid of whole and half degrees, so that a path that stays in one slice is among them: 91 x 181 = 16,471."""
DIRECTIONS = len(OUT_OF_PLANE_DEG) * 181
SCREEN_MM = 0.5
"""Fields and limits are rounded to quarters of a millimetre each, so the screen lets this much pass; the exact check decides."""
FINALISTS = 80
"""Paths of one opening that are measured exactly."""
CELL_DEG = 3.0
"""The finalists are the best of each cell of this size."""
LEAST_APART_MM, LEAST_APART_DEG = 15.0, 8.0
"""Two candidates differ by this much at the entry or in the angle, or they go through different places (algorithms 4.4)."""
MOST, MOST_OF_ONE_PASSAGE = 12, 4
"""Candidates in the list, and of one door above or below the root."""
POLISH, POLISHED = ((0.6, 1.0), (0.3, 0.5)), 6
"""Steps in mm and deg by which the first candidates of the list are moved and turned, where that helps."""
LENGTH_RELAXED_MM = 240.0
ASKED = 8
"""Every so many directions are asked again when a limit is given up: only the order of size is told."""

_WORDS = {
    DOOR: "misses the opening",
    LENGTH: "needle too short",
    NO_SKIN: "skin not in view",
    SKIN_ANGLE: "too flat to the skin",
    ENTRY: "entry too far from the midline",
    CORD_AHEAD: "cord ahead of the tip",
}


@dataclass(frozen=True)
class Relaxed:
    """The limits of one run: whether the least margins are enough, which hazard's is given up (None: none), and which other limits."""

    closer: bool = False
    hazard: str | None = None
    length: bool = False
    entry: bool = False
    skin: bool = False
    cord: bool = False


def directions(approach: ApproachName, door: Door, room: Room) -> Floats:
    """Unit vectors (n, 3), LPS, from the tip out of the patient: a grid of angles in the axial slice and out of it."""
    if is_transforaminal(approach):
        sideways = np.arange(0.0, 90.1, IN_PLANE_STEP_DEG) * (1.0 if door.side == "left" else -1.0)
    else:
        sideways = np.arange(-45.0, 45.1, IN_PLANE_STEP_DEG)
    a, b = (angle.ravel() for angle in np.meshgrid(np.radians(sideways), np.radians(-OUT_OF_PLANE_DEG), indexing="ij"))
    left, back = room.axes_at(door.centre_mm)
    turn = np.round(np.degrees(np.arctan2(left[1], left[0])))  # whole degrees, so that the room's angles stay whole
    left = np.array([np.cos(np.radians(turn)), np.sin(np.radians(turn)), 0.0])
    back = np.array([-left[1], left[0], 0.0])
    flat = np.outer(np.sin(a), left) + np.outer(np.cos(a), back)
    return flat * np.cos(b)[:, None] + np.outer(np.sin(b), [0.0, 0.0, 1.0])


def search(room: Room, needle: Needle, position: PatientPosition, progress: Progress = silent) -> NeedleSearch:
    """All needles that the room allows, best first: 4 to 12 that differ, or the reason why there is none.

    The leak's own openings come first, their neighbours only where these give nothing. An opening without a path that keeps every margin
    is searched again with the least margins; `NeedleSearch.relaxed` says so. The same room and needle give the same list. Every candidate
    has passed `check`.
    """
    if room.problem is not None:
        return NeedleSearch((), {room.problem.sentence.rstrip("."): DIRECTIONS}, DIRECTIONS, 0, str(room.problem))
    counts: Counter[str] = Counter()
    slack = cache(partial(_slack, room, needle))
    targets = 0
    judged: list[Candidate] = []
    for neighbour, low, high in ((False, 0.0, 0.4), (True, 0.4, 0.8)):
        gateways = [gateway for gateway in room.gateways if gateway.door.neighbour is neighbour]
        for n, gateway in enumerate(gateways):
            step = part(progress, low + (high - low) * n / len(gateways), low + (high - low) * (n + 1) / len(gateways))
            targets += max(len(attempt.chosen) for attempt in gateway.attempts)
            judged += _through(room, needle, position, gateway, slack, counts, step)
        if judged:
            break
    candidates = _choose(room, needle, position, judged, part(progress, 0.8, 1.0))
    reason = None if candidates else _reason(room, needle, counts, progress)
    progress(1.0, "Ranked")
    return NeedleSearch(candidates, dict(counts.most_common()), DIRECTIONS, targets, reason, _relaxed(room, candidates))


def _through(
    room: Room,
    needle: Needle,
    position: PatientPosition,
    gateway: Gateway,
    slack: Callable[[Relaxed], NDArray[np.uint8]],
    counts: Counter[str],
    progress: Progress,
) -> list[Candidate]:
    """The measured paths through one opening, of as many attempts as it takes to find one outside the arterial zone.

    Counts what ruled out the paths that keep every margin.
    """
    passing: list[Candidate] = []
    ways = directions(room.approach, gateway.door, room)
    for n, attempt in enumerate(gateway.attempts):
        step = part(progress, n / len(gateway.attempts), (n + 1) / len(gateway.attempts))
        ruled_out: Counter[str] = Counter()
        if len(attempt.chosen):
            limits = Relaxed(closer=attempt.closer)
            code, depth, least = _screen(room, needle, gateway, attempt, ways, slack(limits), limits, step)
            for value, count in zip(*np.unique(code, return_counts=True)):
                if value != PASSES:
                    ruled_out[_word(room, int(value))] += int(count)
            for _, entry, target in _finalists(room, gateway, attempt, ways, code, depth, least):
                candidate = check(room, needle, entry, target, position)
                failed = _failed(candidate, attempt.closer)
                if failed is None:
                    passing.append(candidate)
                else:
                    ruled_out[failed] += 1
        elif not attempt.short:
            ruled_out["no room for the tip"] += len(ways)
        if not attempt.closer:
            counts.update(ruled_out)
        if any(not _in_artery_zone(candidate) for candidate in passing):
            break
    return passing


def _failed(candidate: Candidate, closer: bool) -> str | None:
    """The first limit that a candidate does not keep; closer: the least margins are enough."""
    for made in candidate.checks:
        if made.ok is False and (not made.soft or (made.source == MODELLED and not closer)):
            return made.name.lower().removesuffix(", wanted")
    return None


def _relaxed(room: Room, candidates: tuple[Candidate, ...]) -> str | None:
    """What the candidates give up, in sentences."""
    said = []
    if any(candidate.closer for candidate in candidates):
        roots = room.danger("roots")
        kept = all(candidate.closer for candidate in candidates)
        said.append(
            ("No path kept every margin: these" if kept else "Some of these")
            + f" come closer than asked to a modelled root, less than {roots.margin_mm:.1f} mm and never under {roots.least_mm:.1f} mm."
        )
    if candidates and all("stops in the foramen" in candidate.remark for candidate in candidates):
        said.append("No path leads on to the ventral space: these stop in the foramen.")
    if candidates and all(_is_neighbour(room, candidate) for candidate in candidates):
        levels = " and ".join(dict.fromkeys(candidate.level or "the next level" for candidate in candidates))
        said.append(f"No path leads through the openings at {room.leak.level or 'the leak'}: these go in at {levels}.")
    return " ".join(said) or None


def _is_neighbour(room: Room, candidate: Candidate) -> bool:
    gateway = nearest_gateway(room, np.array(candidate.entry_mm), np.array(candidate.target_mm))[0]
    return gateway is not None and gateway.door.neighbour


def _word(room: Room, value: int) -> str:
    if value < HAZARD + 10:
        return _WORDS[value]
    return next(danger.hazard.title.lower() for danger in room.dangers if danger.field == value - HAZARD - 10)


def _axis_margins(room: Room, needle: Needle, relaxed: Relaxed) -> Floats:
    """Least distance of the needle's axis from each hazard that has a field, in the order of the fields, mm, as far as the screen asks."""
    near = sorted((danger for danger in room.dangers if danger.field is not None), key=lambda danger: danger.field or 0)
    given_up = [danger.hazard.name == relaxed.hazard for danger in near]
    asked = [danger.least_mm if relaxed.closer else danger.margin_mm for danger in near]
    margins = np.array([0.0 if free else margin for free, margin in zip(given_up, asked)])
    return np.maximum(margins + needle.outer_mm / 2 - SCREEN_MM, UNIT_MM)  # through a structure no limit leads


def _slack(room: Room, needle: Needle, relaxed: Relaxed) -> NDArray[np.uint8]:
    slack = np.empty(room.frame.shape, np.uint8)
    slack_field(room.space, room.fields, _axis_margins(room, needle, relaxed), slack)
    return slack


def _screen(
    room: Room,
    needle: Needle,
    gateway: Gateway,
    attempt: Attempt,
    ways: Floats,
    slack: NDArray[np.uint8],
    relaxed: Relaxed,
    progress: Progress,
) -> tuple[NDArray[np.uint16], NDArray[np.float32], NDArray[np.float32]]:
    """Why each way from each target is ruled out (PASSES: it is not), its depth and its least slack: (targets, ways) each."""
    door, spacing = gateway.door, room.spacing_mm
    voxels = room.frame.to_index(gateway.region_mm[attempt.chosen])[:, ::-1].copy()
    midline = room.midline.copy()
    midline[:, :2] = (midline[:, :2] - room.origin_mm[:2]) / spacing
    gate, limits = _gate(room, door), _limits(room, needle, door, relaxed)
    cord = room.danger("cord").field
    count = (len(voxels), len(ways))
    code, depth, least = np.zeros(count, np.uint16), np.zeros(count, np.float32), np.zeros(count, np.float32)
    margins = _axis_margins(room, needle, relaxed)
    for start in range(0, len(voxels), 8):
        progress(start / len(voxels), f"Searching {door.level or 'the opening'}")
        rows = slice(start, start + 8)
        screen(
            room.space, slack, room.fields, margins, -1 if cord is None else cord, room.normals, float(SKIN_STEP), midline, spacing,
            voxels[rows], ways, gate, limits, code[rows], depth[rows], least[rows],
        )  # fmt: skip
    return code, depth, least


def _gate(room: Room, door: Door) -> Floats:
    """(5, 3): the outline of a door, as `march.screen` takes it."""
    outline = [door.half_across_mm + door.slack_mm, door.half_up_mm + door.slack_mm, float(door.kind == "foramen")]
    return np.array([room.frame.to_index(door.centre_mm)[::-1], door.outward, door.across, door.up, outline])


def _limits(room: Room, needle: Needle, door: Door, relaxed: Relaxed) -> tuple[float, ...]:
    """The limits of a path, as `march.screen` takes them."""
    longest = LENGTH_RELAXED_MM if relaxed.length else needle.length_mm - number("needles.length_reserve_mm")
    farthest = 1000.0 if relaxed.entry else entry_limit_mm(room, door.level)[0]
    nearest = number("needles.entry_midline_mm") if room.approach == "interlaminar-paramedian" and not relaxed.entry else 0.0
    side = 0.0 if door.side is None else 1.0 if door.side == "left" else -1.0
    sine = -1.0 if relaxed.skin else float(np.sin(np.radians(number("needles.skin_deg"))))
    overshoot = 0.0 if relaxed.cord else number("needles.cord_ahead_mm")
    return longest, sine, nearest, farthest, side, overshoot, needle.outer_mm / 2


def _finalists(
    room: Room,
    gateway: Gateway,
    attempt: Attempt,
    ways: Floats,
    code: NDArray[np.uint16],
    depth: NDArray[np.float32],
    least: NDArray[np.float32],
) -> list[tuple[float, Floats, Floats]]:
    """The best path of each cell of directions through each height of the opening: (score, entry, target)."""
    t, d = np.nonzero(code == PASSES)
    if t.size == 0:
        return []
    door, level = gateway.door, gateway.door.level
    target, out, deep = gateway.region_mm[attempt.chosen[t]], ways[d], depth[t, d].astype(np.float64)
    entry = target + out * deep[:, None]
    left, back = room.axes_at(door.centre_mm)
    slant = np.degrees(np.arctan2(out @ left, out @ back))
    lift = np.degrees(np.arcsin(-out[:, 2]))
    share = np.maximum((door.centre_mm - target) @ door.outward / (out @ door.outward), 0.0)
    at = target + out * share[:, None] - door.centre_mm
    across, up = at @ door.across / door.half_across_mm, at @ door.up / door.half_up_mm
    slices = np.clip(np.round((entry[:, 2] - room.origin_mm[2]) / room.spacing_mm).astype(int), 0, len(room.midline) - 1)
    middle = room.midline[slices]
    offset = ((entry[:, :2] - middle[:, :2]) * middle[:, 2:]).sum(axis=1)
    parts = {
        "clearance": 0.5 + 0.5 * within(least[t, d].astype(np.float64), 2.0, 99.0, 2.0),
        "aim": gateway.region_aim[attempt.chosen[t]]
        * passage_factor(across, up, None, room.approach, level)
        * side_factor(offset, room.approach, room.leak.side),
        "entry": entry_part(offset, slant, room.approach, level),
        "out_of_plane": out_of_plane_part(lift, room.approach, level),
        "depth": depth_part(deep),
    }
    merit = total(parts)
    cell = np.round(slant / CELL_DEG) * 4096 + np.round(lift / CELL_DEG) * 16 + np.clip(np.round(up * 2), -3, 3)
    order = np.lexsort((np.arange(t.size), -merit))
    _, first = np.unique(cell[order], return_index=True)
    best = order[np.sort(first)][:FINALISTS]
    return [(float(merit[n]), entry[n], target[n]) for n in best]


def _in_artery_zone(candidate: Candidate) -> bool:
    return any(made.ok is False and made.source == "needles.artery_upper_share" for made in candidate.checks)


def _order(room: Room, candidate: Candidate) -> tuple[object, ...]:
    """Best first; on the side of the leak before any from the other side, outside the arterial zone before within."""
    across = room.leak.side != "midline" and candidate.side not in ("midline", room.leak.side)
    return across, _in_artery_zone(candidate), -candidate.score["total"], candidate.entry_mm, candidate.target_mm


def _choose(
    room: Room, needle: Needle, position: PatientPosition, judged: list[Candidate], progress: Progress
) -> tuple[Candidate, ...]:
    """The best that differ, the head of the list moved and turned a little where that helps."""
    chosen: list[Candidate] = []
    for candidate in sorted(judged, key=lambda c: _order(room, c)):
        passage = [c for c in chosen if _passage(c) == _passage(candidate)]
        if len(passage) < MOST_OF_ONE_PASSAGE and all(_differ(c, candidate) for c in passage):
            chosen.append(candidate)
    polished = chosen[:MOST]
    for n, candidate in enumerate(polished[:POLISHED]):
        progress(n / POLISHED, "Refining the best paths")
        polished[n] = _polish(room, needle, position, candidate)
    return tuple(sorted(polished, key=lambda c: _order(room, c)))


def _polish(room: Room, needle: Needle, position: PatientPosition, candidate: Candidate) -> Candidate:
    """The best of a path's near neighbours: tip moved and needle turned a little, as long as that helps."""
    for step_mm, turn_deg in POLISH:
        best = candidate
        target = np.array(candidate.target_mm)
        out = np.array(candidate.entry_mm) - target
        length = float(np.linalg.norm(out))
        slant, lift = np.arctan2(out[0], out[1]), np.arcsin(out[2] / length)
        moves = [(axis * sign * step_mm, 0.0, 0.0) for axis in np.eye(3) for sign in (1.0, -1.0)]
        turns = [(np.zeros(3), a, b) for a, b in ((turn_deg, 0.0), (-turn_deg, 0.0), (0.0, turn_deg), (0.0, -turn_deg))]
        for shift, a, b in (*moves, *turns):
            flat, high = slant + np.radians(a), lift + np.radians(b)
            way = np.array([np.sin(flat) * np.cos(high), np.cos(flat) * np.cos(high), np.sin(high)])
            near = check(room, needle, target + shift + way * length, target + shift, position)
            if near.passes and near.closer <= candidate.closer and _passage(near) == _passage(candidate):
                best = max(best, near, key=lambda c: c.score["total"])
        candidate = best
    return candidate


def _passage(candidate: Candidate) -> tuple[str | None, str, str]:
    return candidate.level, candidate.side, candidate.remark.split(",")[0]


def _differ(one: Candidate, other: Candidate) -> bool:
    apart = float(np.linalg.norm(np.subtract(one.entry_mm, other.entry_mm)))
    a, b = np.subtract(one.entry_mm, one.target_mm), np.subtract(other.entry_mm, other.target_mm)
    turn = np.degrees(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1.0, 1.0)))
    return apart >= LEAST_APART_MM or turn >= LEAST_APART_DEG


def _reason(room: Room, needle: Needle, counts: Counter[str], progress: Progress) -> str:
    """Why there is no path, which single limit given up would free the most, and the way out."""
    if not any(len(attempt.chosen) for gateway in room.gateways for attempt in gateway.attempts):
        return f"There is no room for the tip: bone, sac and roots leave less than their margins. {ELSEWHERE}"
    near = [danger.hazard for danger in room.dangers if counts[danger.hazard.title.lower()]]
    tried = [(f"the margin to {hazard.title.lower()}", Relaxed(True, hazard=hazard.name)) for hazard in near]
    tried += [
        ("the needle's length", Relaxed(True, length=True)),
        ("the entry's distance from the midline", Relaxed(True, entry=True)),
        ("the angle to the skin", Relaxed(True, skin=True)),
        ("the cord ahead of the tip", Relaxed(True, cord=True)),
    ]
    asked = [gateway for gateway in room.gateways if not gateway.door.neighbour] or room.gateways
    freed = []
    for n, (words, relaxed) in enumerate(tried):
        progress(0.6 + 0.4 * n / len(tried), "Asking which limit closes the way")
        slack = _slack(room, needle, relaxed)
        count = 0
        for gateway in asked:
            ways = directions(room.approach, gateway.door, room)[::ASKED]
            for attempt in gateway.attempts:
                if len(attempt.chosen) and attempt.closer == gateway.attempts[-1].closer:
                    count += ASKED * int((_screen(room, needle, gateway, attempt, ways, slack, relaxed, silent)[0] == PASSES).sum())
        freed.append((count, words))
    most, words = max(freed, key=lambda pair: pair[0])
    met = [word for word, _ in counts.most_common() if word != _WORDS[DOOR]][:2]
    sentence = f"No path is free; most meet: {', '.join(met)}." if met else "No direction goes through the opening."
    if most == 0 and counts[_WORDS[NO_SKIN]]:
        leaving = counts[_WORDS[NO_SKIN]]
        return f"{sentence} {leaving} directions leave the scan before the skin: skin not in view. A wider scan may show a way."
    if most == 0:
        return f"{sentence} No single limit opens one. {ELSEWHERE}"
    if words == "the needle's length":
        return f"{sentence} A longer needle than {needle.length_mm:.0f} mm would open about {most} paths."
    return f"{sentence} Giving up {words} would open about {most} paths. {ELSEWHERE}"
