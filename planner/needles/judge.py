"""One needle against every rule: exact clearances, checks and score (reference: clinical 5.1, algorithms 4.3, 4.4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from planner.anatomy.hazards.arterial import weight_at
from planner.evidence import number
from planner.geometry import Floats, PatientPosition, needle_angles
from planner.leak import NECK_LEVEL, is_transforaminal, region
from planner.leak.leak import LeakSide
from planner.needles.candidate import MODELLED, Candidate, Check, Needle
from planner.needles.doors import Door
from planner.needles.march import least_distance, nearest_point
from planner.needles.room import AIR, BODY, SKIN_STEP, Gateway, Room
from planner.needles.rules import in_artery_levels, in_artery_zone, is_narrow
from planner.needles.score import clearance_part, depth_part, entry_part, out_of_plane_part, passage_factor, side_factor, total

PROFILE_STEP_MM = 1.0
EDGE_MM = 3.0
"""The skin may lie this far outside the outermost voxels of the planning box."""
ROOT_NEAR_MM = 20.0
"""A needle farther from every root passes none of them."""
CLOSER_SHARE = 0.5
"""What is left of the score of the clearances of a needle that comes closer than asked to a modelled root."""
AIM_FALL_MM, LATTICE_MM = 6.0, 0.8
"""A tip this far outside the target space keeps nothing of its aim; its points lie about so far apart."""


@dataclass(frozen=True)
class Passage:
    """How a needle goes through a door: mm outside its outline (0 within), and its place in it, -1..1 across (to the back for a
    foramen) and up (to the head)."""

    outside_mm: float
    across: float
    up: float


def check(room: Room, needle: Needle, entry_mm: ArrayLike, target_mm: ArrayLike, position: PatientPosition) -> Candidate:
    """A needle from entry to target with all its checks and its score, whether it passes or not.

    The entry is slid along the needle's line to the skin where the skin is met; LPS mm. Raises ValueError when entry and target are one
    point.
    """
    target = np.asarray(target_mm, dtype=np.float64)
    entry, on_skin = to_skin(room, np.asarray(entry_mm, dtype=np.float64), target)
    depth = float(np.linalg.norm(target - entry))
    angles = needle_angles(entry, target, position)
    out_of_plane = angles.out_of_plane_deg
    clearance = clearances(room, needle, entry, target)
    gateway, passage = nearest_gateway(room, entry, target)
    offset = entry_offset_mm(room, entry)
    level = gateway.door.level if gateway else room.leak.level
    sine = skin_sine(room, entry, target) if on_skin else None
    checks = (
        Check("Inside the planning box", in_box(room, entry, target), None, None, "", "needles.planning_box"),
        *_clearance_checks(room, clearance, entry, target),
        *_tip_checks(room, needle, gateway, passage, entry, target),
        *_foramen_checks(room, gateway, passage, level),
        *_neck_check(room, level),
        _skin_check(sine),
        _at_most("Needle length", depth, needle.length_mm - number("needles.length_reserve_mm"), "mm", "needles.length_reserve_mm"),
        _entry_check(room, offset, level),
        _at_most("Out of plane", abs(out_of_plane), number("needles.out_of_plane_deg"), "deg", "needles.out_of_plane_deg"),
        Check("Skin free of infection and implants", None, None, None, "", "needles.skin_unknowns"),
        _at_most("Slice spacing", room.slice_mm, number("needles.slice_spacing_mm"), "mm", "needles.slice_spacing_mm", soft=True),
    )
    return Candidate(
        room.approach, level, _side(room, gateway, offset), needle.id, _point(entry), _point(target), depth, angles.in_plane_deg,
        out_of_plane, offset, clearance, checks,
        _score(room, gateway, passage, clearance, entry, target, offset), profile(room, needle, entry, target),
        _remark(room, gateway, passage, level, target, entry, _closer(room, clearance)),
    )  # fmt: skip


def _point(point: Floats) -> tuple[float, float, float]:
    return float(point[0]), float(point[1]), float(point[2])


def to_skin(room: Room, entry: Floats, target: Floats) -> tuple[Floats, bool]:
    """The point where the line from target through entry leaves the body, and True; or the entry itself and False where it does not."""
    step = entry - target
    length = float(np.linalg.norm(step))
    if length == 0:
        raise ValueError("a needle has a length")
    step = step / length
    reach = np.arange(0.0, 260.0, room.spacing_mm / 2)
    index = np.round(room.frame.to_index(target + np.outer(reach, step))).astype(int)
    inside = np.asarray(((index >= 0) & (index < room.frame.shape)).all(axis=1))
    k, j, i = np.where(inside[:, None], index, 0).T
    space = np.where(inside, room.space[k, j, i], 255)
    out = np.flatnonzero(space != BODY)
    if out.size == 0 or out[0] == 0 or space[out[0]] != AIR:
        return entry, False
    return target + step * (reach[out[0]] - room.spacing_mm / 4), True


def in_box(room: Room, entry: Floats, target: Floats) -> bool:
    """Whether a needle stays where the room knows what lies around it."""
    return bool(room.frame.contains(np.stack([entry, target]), -EDGE_MM).all())


def clearances(room: Room, needle: Needle, entry: Floats, target: Floats) -> dict[str, float | None]:
    """Surface of the needle to surface of each hazard, mm; None where it was not checked, is not in the scan, or the needle leaves what
    was looked at. Of one that is known in part only a distance that is too short counts."""
    if not in_box(room, entry, target):
        return {danger.hazard.name: None for danger in room.dangers}
    found: dict[str, float | None] = {}
    for danger in room.dangers:
        gap = None
        if len(danger.cloud) and (danger.checked or danger.hazard.partly):
            here, there = entry - room.origin_mm, target - room.origin_mm
            gap = least_distance(danger.cloud, here, there) - room.spacing_mm / 2 - needle.outer_mm / 2
            if gap >= danger.margin_mm and not danger.known_beside(here, there):
                gap = None  # a part that keeps its distance does not clear the rest
        found[danger.hazard.name] = gap
    return found


def profile(room: Room, needle: Needle, entry: Floats, target: Floats) -> Floats:
    """(n, 2): depth from the skin, mm, against the least clearance to any hazard there, mm (at most 15)."""
    depth = float(np.linalg.norm(target - entry))
    along = np.linspace(0.0, depth, max(2, int(depth / PROFILE_STEP_MM) + 1))
    points = entry + np.outer(along / depth, target - entry)
    k, j, i = np.clip(np.round(room.frame.to_index(points)).astype(int), 0, np.array(room.frame.shape) - 1).T
    return np.stack([along, room.nearest[k, j, i] * 0.25 - needle.outer_mm / 2], axis=1)


def pass_through(door: Door, entry: Floats, target: Floats) -> Passage:
    """How a needle goes through one door."""
    step = entry - target
    out = float(step @ door.outward)
    if out <= 0:
        return Passage(float("inf"), 0.0, 0.0)
    share = float(np.clip((door.centre_mm - target) @ door.outward / out, 0.0, 1.0))
    at = target + share * step - door.centre_mm
    across, up = float(at @ door.across), float(at @ door.up)
    wide, high = door.half_across_mm + door.slack_mm, door.half_up_mm + door.slack_mm
    if door.kind == "foramen":
        far = float(np.hypot(across / wide, up / high))
        outside = max(0.0, float(np.hypot(across, up)) * (1.0 - 1.0 / far)) if far > 1.0 else 0.0
    else:
        outside = float(np.hypot(max(0.0, abs(across) - wide), max(0.0, abs(up) - high)))
    return Passage(outside, across / door.half_across_mm, up / door.half_up_mm)


def nearest_gateway(room: Room, entry: Floats, target: Floats) -> tuple[Gateway | None, Passage | None]:
    """The door that a needle passes best; None where the room has no door."""
    best: tuple[Gateway | None, Passage | None] = (None, None)
    for gateway in room.gateways:
        passage = pass_through(gateway.door, entry, target)
        if best[1] is None or passage.outside_mm < best[1].outside_mm:
            best = gateway, passage
    return best


def entry_offset_mm(room: Room, entry: Floats) -> float:
    """Lateral distance of an entry from the spinous midline in its slice, positive to the patient's left."""
    slices = room.frame.to_index(entry)[0]
    x, y, left_x, left_y = (np.interp(slices, np.arange(len(room.midline)), room.midline[:, n]) for n in range(4))
    return float((entry[0] - x) * left_x + (entry[1] - y) * left_y)


def skin_sine(room: Room, entry: Floats, target: Floats) -> float:
    """Sine of the angle between needle and skin; negative when the needle comes from inside."""
    index = (np.maximum(room.frame.to_index(entry), 0) / SKIN_STEP).astype(int)
    k, j, i = np.minimum(index, np.array(room.normals.shape[:3]) - 1)
    step = entry - target
    return float(room.normals[k, j, i].astype(np.float64) @ (step / np.linalg.norm(step)))


def _at_most(name: str, value: float, limit: float, unit: str, identifier: str, soft: bool = False) -> Check:
    return Check(name, value <= limit + 1e-6, value, limit, unit, identifier, soft)


def _clearance_checks(room: Room, clearance: dict[str, float | None], entry: Floats, target: Floats) -> list[Check]:
    made = []
    to_ends = room.to_ends_mm(entry, target)
    for danger in room.dangers:
        hazard, value = danger.hazard, clearance[danger.hazard.name]
        limits = [(hazard.title, danger.least_mm, hazard.limit, False)]
        if danger.margin_mm > danger.least_mm:
            limits.append((f"{hazard.title}, wanted", danger.margin_mm, MODELLED, True))
        if hazard.warning is not None:
            limits.append((f"{hazard.title}, wanted", number(hazard.warning), hazard.warning, True))
        for name, limit, identifier, soft in limits:
            if danger.absent:
                made.append(_absent(name, to_ends, limit, identifier, soft))
            else:
                made.append(Check(name, None if value is None else value >= limit, value, limit, "mm", identifier, soft))
    return made


def _absent(name: str, to_ends_mm: float, limit: float, identifier: str, soft: bool) -> Check:
    """The check of what is not in the scan: kept where the scan shows far enough around the needle, else not checked."""
    kept = to_ends_mm >= limit
    return Check(name, True if kept else None, None, limit, "mm", identifier, soft, at_least=to_ends_mm if kept else None)


def _tip_checks(
    room: Room, needle: Needle, gateway: Gateway | None, passage: Passage | None, entry: Floats, target: Floats
) -> list[Check]:
    made = []
    ahead = number("needles.cord_ahead_mm")
    step = (target - entry) / np.linalg.norm(target - entry)
    origin = room.origin_mm
    for name, title, reach, soft in (
        ("cord", "Cord ahead of the tip", ahead, False),
        ("sac", "Sac ahead of the tip", number("needles.dura_ahead_mm"), True),
    ):
        if name == "sac" and not is_transforaminal(room.approach):
            continue  # from behind it cannot be avoided
        danger = room.danger(name)
        identifier = "needles.cord_ahead_mm" if name == "cord" else "needles.dura_ahead_mm"
        if not danger.checked:
            made.append(Check(title, None, None, 0.0, "mm", identifier, soft))
            continue
        if danger.absent:
            made.append(_absent(title, room.to_ends_mm(target, target + step * reach), 0.0, identifier, soft))
            continue
        free = least_distance(danger.cloud, target - origin, target + step * reach - origin) - room.spacing_mm / 2 - needle.outer_mm / 2
        made.append(Check(title, free >= 0, free, 0.0, "mm", identifier, soft))
    if gateway is None or passage is None:
        made.append(Check("Through the opening", None, None, 0.0, "mm", "needles.tip_in_region_mm"))
        return made
    made.append(_at_most("Through the opening", passage.outside_mm, 0.0, "mm", "needles.tip_in_region_mm"))
    apart = float(np.linalg.norm(gateway.region_mm - target, axis=1).min()) if len(gateway.region_mm) else float("inf")
    made.append(_at_most("Tip in the target space", apart, number("needles.tip_in_region_mm"), "mm", "needles.tip_in_region_mm", True))
    return made


def in_zone(passage: Passage) -> bool:
    """Whether a passage lies in the arterial zone of its foramen."""
    return bool(in_artery_zone(np.asarray(passage.across), np.asarray(passage.up)))


def _foramen_checks(room: Room, gateway: Gateway | None, passage: Passage | None, level: str | None) -> list[Check]:
    if gateway is None or passage is None or gateway.door.kind != "foramen":
        return []
    if region(level) == "neck":
        name, unit = "Posterior half of the foramen", "of half its width"
        return [Check(name, passage.across >= 0, passage.across, 0.0, unit, "needles.vertebral_artery_mm")]
    known = in_artery_levels(level)
    if known is False:
        return []
    share = float(np.clip((passage.up + 1) / 2, 0.0, 1.0))
    ok = None if known is None else not in_zone(passage)
    limit = number("needles.artery_upper_share" if passage.across >= 0 else "needles.artery_front_share")
    return [Check("Artery zone", ok, share, limit, "of the foramen's height", "needles.artery_upper_share", True)]


def _neck_check(room: Room, level: str | None) -> list[Check]:
    """In the neck an interlaminar needle at another level than the usual one is a choice that a card warns of."""
    if is_transforaminal(room.approach) or region(level) != "neck" or level == NECK_LEVEL:
        return []
    return [Check(f"Goes in above {NECK_LEVEL}", False, None, None, "", "leak.neck_interlaminar_level", True)]


def _skin_check(sine: float | None) -> Check:
    least = number("needles.skin_deg")
    if sine is None:
        return Check("Skin angle", False, None, least, "deg", "needles.skin_deg")
    angle = float(np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0))))
    return Check("Skin angle", angle >= least, angle, least, "deg", "needles.skin_deg")


def entry_limit_mm(room: Room, level: str | None) -> tuple[float, str]:
    """The farthest entry from the midline and its evidence id."""
    if room.approach == "interlaminar-midline":
        identifier = "needles.entry_midline_mm"
    elif room.approach == "interlaminar-paramedian":
        identifier = "needles.entry_paramedian_mm"
    else:
        narrow = is_narrow(level, room.danger("lung").checked)
        identifier = "needles.entry_thoracic_mm" if narrow else "needles.entry_lumbar_mm"
    return number(identifier), identifier


def _entry_check(room: Room, offset: float, level: str | None) -> Check:
    limit, identifier = entry_limit_mm(room, level)
    return _at_most("Entry from the midline", abs(offset), limit, "mm", identifier)


def _side(room: Room, gateway: Gateway | None, offset: float) -> LeakSide:
    if gateway is not None and gateway.door.side is not None:
        return gateway.door.side
    if abs(offset) <= number("needles.entry_midline_mm"):
        return "midline"
    return "left" if offset > 0 else "right"


def above_root(room: Room, entry: Floats, target: Floats) -> bool | None:
    """Whether a needle passes on the head side of the root it comes nearest to; None where no root is known near it."""
    apart, at, share = nearest_point(room.root_points, entry - room.origin_mm, target - room.origin_mm)
    if apart > ROOT_NEAR_MM:
        return None
    return bool((entry + share * (target - entry) - room.origin_mm)[2] > room.root_points[at, 2])


def _closer(room: Room, clearance: dict[str, float | None]) -> bool:
    """Whether a needle keeps less than is asked from a modelled structure."""
    asked = ((danger.margin_mm, clearance[danger.hazard.name]) for danger in room.dangers if danger.margin_mm > danger.least_mm)
    return any(value is not None and value < margin for margin, value in asked)


def _score(
    room: Room,
    gateway: Gateway | None,
    passage: Passage | None,
    clearance: dict[str, float | None],
    entry: Floats,
    target: Floats,
    offset: float,
) -> dict[str, float]:
    level = gateway.door.level if gateway else room.leak.level
    out = (entry - target) / np.linalg.norm(entry - target)
    left, back = room.axes_at(target)
    aim = 0.0
    if gateway is not None and passage is not None and len(gateway.region_mm):
        apart = np.linalg.norm(gateway.region_mm - target, axis=1)
        at = int(apart.argmin())
        aim = float(gateway.region_aim[at] * np.clip(1.0 - (apart[at] - LATTICE_MM) / AIM_FALL_MM, 0.0, 1.0))
        above = above_root(room, entry, target)
        aim *= float(passage_factor(np.asarray(passage.across), np.asarray(passage.up), above, room.approach, level))
    aim *= float(side_factor(np.asarray(offset), room.approach, room.leak.side))
    parts = {
        "clearance": clearance_part(
            clearance, {danger.hazard.name: danger.least_mm for danger in room.dangers}, is_transforaminal(room.approach)
        )
        * (CLOSER_SHARE if _closer(room, clearance) else 1.0),
        "aim": np.asarray(aim),
        "entry": entry_part(np.asarray(offset), np.degrees(np.arctan2(out @ left, out @ back)), room.approach, level),
        "out_of_plane": out_of_plane_part(np.degrees(np.arcsin(np.clip(-out[2:3], -1, 1)))[0], room.approach, level),
        "depth": depth_part(np.asarray(np.linalg.norm(entry - target))),
    }
    return {"total": float(total(parts)), **{name: float(part) for name, part in parts.items()}}


def _remark(
    room: Room, gateway: Gateway | None, passage: Passage | None, level: str | None, target: Floats, entry: Floats, closer: bool
) -> str:
    if gateway is None or passage is None:
        return ""
    door, words = gateway.door, []
    if door.kind == "foramen":
        above = above_root(room, entry, target)
        words = [] if above is None else ["above the root" if above else "below the root"]
        if in_artery_levels(level) and (above or in_zone(passage)):
            strong = level is not None and weight_at(level.split("-")[0], door.side) == "strong"
            words.append("arterial zone, strongest here" if strong else "arterial zone")
        if len(gateway.region_mm) and gateway.region_short[np.linalg.norm(gateway.region_mm - target, axis=1).argmin()]:
            words.append("stops in the foramen")
        if room.leak.side not in ("midline", door.side):
            words.append("from the other side")
    if door.neighbour or (level is not None and room.leak.level is not None and level != room.leak.level):
        words.append(f"enters {'above' if door.centre_mm[2] > room.leak.position_mm[2] else 'below'} the leak's level")
    if closer:
        words.append("closer than asked to the modelled root")
    return ", ".join(words)
