"""What the CT room and the C-arm read: places, angles and sides in words (reference: clinical 7).

In-plane angles are from the vertical of the room, out-of-plane angles from the axial slice (`planner.geometry.needle_angles`). The side
named is always the one that the needle advances to.
"""

from __future__ import annotations

from math import atan2, cos, degrees, radians, sin

from planner.evidence import number
from planner.geometry import PatientPosition
from planner.needles.candidate import Candidate, Needle

_STRAIGHT_DEG = 0.5  # below it a rounded angle is 0 and has no side


def table_position(z_mm: float) -> tuple[str, str]:
    """`I 182.5 mm` as scanners show it, and in words."""
    letter, words = ("S", "toward the head") if z_mm > 0 else ("I", "toward the feet")
    return f"{letter} {abs(z_mm):.1f} mm", f"{words} from scan zero" if abs(z_mm) >= 0.05 else "at scan zero"


def entry_from_midline(offset_mm: float) -> str:
    """`71 mm right`: the entry beside the spinous midline."""
    if abs(offset_mm) < 0.5:
        return "in the midline"
    return f"{abs(offset_mm):.0f} mm {'left' if offset_mm > 0 else 'right'}"


def sideways(position: PatientPosition) -> tuple[str, str]:
    """To where a positive and a negative in-plane angle lead."""
    return ("the left", "the right") if position in ("prone", "supine") else ("the front", "the back")


def in_plane(angle_deg: float, position: PatientPosition) -> str:
    """`42° to the left`."""
    return "0°, straight down" if abs(angle_deg) < _STRAIGHT_DEG else f"{abs(angle_deg):.0f}° to {sideways(position)[angle_deg < 0]}"


def out_of_plane(angle_deg: float) -> str:
    """`3° to the feet`."""
    return "0°, in the slice" if abs(angle_deg) < _STRAIGHT_DEG else f"{abs(angle_deg):.0f}° to the {'head' if angle_deg > 0 else 'feet'}"


def gantry_tilt_deg(in_plane_deg: float, out_of_plane_deg: float) -> float:
    """The tilt about the table's crosswise axis that puts the whole needle into one slice; positive: the top of the gantry to the feet.

    The needle runs (sin a cos b, cos a cos b, sin b) across, down and along the table, so the slice leans by atan(tan b / cos a); for a
    needle near the vertical that is the out-of-plane angle itself.
    """
    a, b = radians(in_plane_deg), radians(out_of_plane_deg)
    return degrees(atan2(sin(b), cos(a) * cos(b)))


def gantry(in_plane_deg: float, out_of_plane_deg: float) -> tuple[str, str]:
    """`4°, top to the head` with a note."""
    tilt = gantry_tilt_deg(in_plane_deg, out_of_plane_deg)
    if abs(tilt) < _STRAIGHT_DEG:
        return "no tilt", "the needle stays in the entry slice"
    if abs(tilt) > number("report.gantry_most_deg"):
        return "not in one slice", f"it would take {abs(tilt):.0f}° of tilt: step from slice to slice"
    note = "ask whether it tilts; else step" if abs(out_of_plane_deg) > number("report.tilt_from_deg") else "small: stepping will do"
    return f"{abs(tilt):.0f}°, top to {'feet' if tilt > 0 else 'head'}", note


def c_arm(in_plane_deg: float, out_of_plane_deg: float, position: PatientPosition) -> tuple[str, str]:
    """`42° right, 3° head`: where the receptor stands, from straight above, so that the needle is seen as a dot.

    The receptor is on the operator's side, above the patient, so it leans to where the needle comes from.
    """
    parts = []
    if abs(in_plane_deg) >= _STRAIGHT_DEG:
        parts.append(f"{abs(in_plane_deg):.0f}° {sideways(position)[in_plane_deg > 0].removeprefix('the ')}")
    if abs(out_of_plane_deg) >= _STRAIGHT_DEG:
        parts.append(f"{abs(out_of_plane_deg):.0f}° {'feet' if out_of_plane_deg > 0 else 'head'}")
    return ", ".join(parts) or "straight above", "receptor, from straight above"


def needle_words(needle: Needle, depth_mm: float) -> tuple[str, str]:
    """`22G, 120 mm` and what stays outside."""
    outside = needle.length_mm - depth_mm
    stays = f"{outside:.0f} mm stays outside" if outside >= 0 else f"{-outside:.0f} mm too short"
    return f"{needle.gauge}G, {needle.length_mm:.0f} mm", f"{needle.tip}; {stays}"


def straight_down_mm(candidate: Candidate) -> float:
    """How far the tip lies below the entry, along the vertical of the room."""
    return candidate.depth_mm * cos(radians(candidate.in_plane_deg)) * cos(radians(candidate.out_of_plane_deg))


def operator(candidate: Candidate, position: PatientPosition) -> str:
    """Where the operator stands best: at the side that the needle comes from."""
    if position in ("left", "right"):
        return "operator at the patient's back"
    if abs(candidate.entry_offset_mm) < 10:
        return "operator at either side"
    return f"operator at the patient's {'left' if candidate.entry_offset_mm > 0 else 'right'}"
