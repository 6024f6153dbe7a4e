"""The same patients scanned otherwise: at a slant, or in part. The canal must be the one that the whole, straight scan shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from planner.anatomy import Anatomy, find
from planner.geometry import Floats, Frame, Volume
from planner.refusal import Refusal
from tests.bench.anatomy.cohort import Row
from tests.bench.anatomy.scans import SCANS, loaded

_TURNED = {"15 deg, nodding": (0, 15.0), "12 deg, leaning": (1, -12.0), "20 deg, turned": (2, 20.0)}
_PARTS = {"upper half": (0.5, 1.0), "lower half": (0.0, 0.5)}


def turn(axis: int, degrees: float) -> Floats:
    """(3, 3): a turn about the axis to the left (0), to the back (1) or to the head (2)."""
    one, other = (n for n in range(3) if n != axis)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    out = np.eye(3)
    out[one, one] = out[other, other] = cos
    out[one, other], out[other, one] = -sin, sin
    return out


def taken_at_a_slant(volume: Volume, turned: Floats) -> Volume:
    """The same patient and the same slices, both turned about the world's origin, as the program loads them."""
    affine = volume.frame.affine.copy()
    affine[:3] = turned @ affine[:3]
    return replace(volume, frame=Frame(volume.frame.shape, affine)).to_axial()


def part_of(volume: Volume, first: float, last: float) -> Volume:
    """The slices between two shares of the height, from the foot end."""
    low, high = round(first * volume.frame.shape[0]), round(last * volume.frame.shape[0])
    frame = volume.frame.crop((low, 0, 0), (high, *volume.frame.shape[1:]))
    return replace(volume, frame=frame, voxels=np.ascontiguousarray(volume.voxels[low:high]))


def off_mm(found: Anatomy, line_mm: Floats) -> Floats:
    """How far each point of the found canal lies from a line."""
    apart = np.linalg.norm(found.canal.centreline_mm[:, None] - line_mm[None], axis=2)
    return np.asarray(apart.min(axis=1))


def measured() -> list[Row]:
    """Every real scan in which a canal is found, otherwise."""
    rows = []
    for one in SCANS:
        try:
            volume = loaded(one)
            line = find(volume).canal.centreline_mm
        except Refusal:
            continue
        turns = {name: turn(axis, degrees) for name, (axis, degrees) in _TURNED.items()}
        row: Row = {"scan": one.name}
        row |= {name: _against(taken_at_a_slant(volume, turned), line @ turned.T) for name, turned in turns.items()}
        row |= {name: _against(part_of(volume, first, last), line) for name, (first, last) in _PARTS.items()}
        print(row, flush=True)
        rows.append(row)
    return rows


def _against(volume: Volume, line_mm: Floats) -> str:
    """Median and 95 % of how far the canal lies from that of the whole, straight scan, and its length against what is in view of that."""
    try:
        found = find(volume)
    except Refusal as refusal:
        return f"refused: {refusal.sentence}"
    off, in_view = off_mm(found, line_mm), int(volume.shows(line_mm).sum())
    return f"{np.median(off):.1f} ({np.percentile(off, 95):.1f}), {100 * len(off) / max(in_view, 1):.0f} %"


def table(rows: Iterable[Row]) -> list[str]:
    """One line a scan."""
    names = (*_TURNED, *_PARTS)
    lines = [f"| scan | {' | '.join(names)} |", "| --- " * (1 + len(names)) + "|"]
    return lines + [f"| {row['scan']} | {' | '.join(row[name] for name in names)} |" for row in rows]
