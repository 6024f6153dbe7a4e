"""The vertebral arteries where a CT shows their holes: the transverse foramina of C6 to C2, chained to a tube on each side."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.labels import SOFT_TISSUE, VERTEBRAL_ARTERY
from planner.anatomy.spine import Canal, Level, Side, Structure
from planner.evidence import number
from planner.geometry import Floats, Frame, Volume

_LEVELS = ("C2", "C3", "C4", "C5", "C6")
_ASIDE_MM, _BEHIND_MM = (11.0, 25.0), (-22.0, 0.0)  # of a hole's middle from the canal's
_RAYS = 16
_REACH_MM = np.arange(2.0, 5.1, 0.75)
_DARKER_HU = 150.0  # than the bone round it, to count in full
_HOLE = 0.9  # score of a slice that shows a hole: gaps between ribs, facets and bodies reach it at two levels of five at most
_LEAST_HOLES = 3  # vertebrae whose hole is seen, on a side
_SHIFT_MM, _SHIFT_COST = 2.0, 0.12  # between slices 1.5 mm apart at most, and what a mm of it costs
_STEP_MM = 1.5


@dataclass(frozen=True, eq=False)
class NeckArtery:
    """A vertebral artery from head to foot: path (n, 3) in LPS; levels whose hole was seen; the tube's radius."""

    side: Side
    path_mm: Floats
    levels: tuple[str, ...]
    radius_mm: float


def find_neck_arteries(volume: Volume, bone_hu: float, canal: Canal, levels: tuple[Level, ...]) -> tuple[NeckArtery, ...]:
    """The arteries of both sides between C6 and C2, each where holes of three vertebrae or more lie on one smooth path
    (algorithms 3, hazards). Between two vertebrae the path goes straight on. Names are taken as they are."""
    here = [level for level in levels if level.name in _LEVELS]
    if len(here) < _LEAST_HOLES:
        return ()
    ends = [level.centre_mm[2] for level in (here[0], here[-1])]
    z = np.arange(ends[0] + 6.0, ends[1] - 6.0, -_STEP_MM)
    frame = volume.frame
    bottom = float(frame.affine[2, 3])
    z = z[(z >= bottom) & (z <= bottom + (frame.shape[0] - 1) * frame.spacing_mm[0])]
    order = np.argsort(canal.centreline_mm[:, 2])
    line = canal.centreline_mm[order]
    middle = np.stack([np.interp(z, line[:, 2], line[:, n]) for n in (0, 1)], axis=1)
    found = []
    sides: tuple[tuple[Side, float], ...] = (("left", 1.0), ("right", -1.0))
    for side, sign in sides:
        scores, aside, behind = _scores(volume, bone_hu, z, middle, sign)
        rows, columns = _path(scores)
        seen = scores[np.arange(len(z)), rows, columns] >= _HOLE
        nearest = np.abs(z[:, None] - np.array([level.centre_mm[2] for level in here])).argmin(axis=1)
        names = tuple(level.name for n, level in enumerate(here) if seen[nearest == n].any())
        if len(names) < _LEAST_HOLES:
            continue
        kept = slice(int(np.flatnonzero(seen)[0]), int(np.flatnonzero(seen)[-1]) + 1)
        at = np.flatnonzero(seen)
        path = np.stack([middle[:, 0] + sign * aside[columns], middle[:, 1] + behind[rows], z], axis=1)
        for n in (0, 1):  # only holes are evidence: straight on between them, and evened out over three
            path[:, n] = ndimage.gaussian_filter1d(np.interp(z, z[at][::-1], path[at, n][::-1]), 2.0, mode="nearest")
        found.append(NeckArtery(side, path[kept], names, number("anatomy.vertebral_artery_mm") / 2))
    return tuple(found)


def neck_artery_structure(arteries: tuple[NeckArtery, ...], levels: tuple[Level, ...]) -> Structure:
    """Found where both are; they are modelled between their holes."""
    if not any(level.name[0] == "C" for level in levels):
        return Structure("not checked", None, "No vertebra of the neck is in view.")
    said = "; ".join(f"{artery.side} {', '.join(artery.levels)}" for artery in arteries)
    if len(arteries) < 2:
        seen = f"Only one side shows its holes in the transverse processes: {said}."
        return Structure("not checked", None, seen if arteries else "The holes of the transverse processes do not stand out.")
    share = sum(len(artery.levels) for artery in arteries) / (2 * len(_LEVELS))
    return Structure("found", round(0.4 + 0.4 * share, 2), f"Seen by its holes: {said}. Beyond them it is not checked.")


def paint_neck_arteries(labels: NDArray[np.uint8], frame: Frame, arteries: tuple[NeckArtery, ...]) -> None:
    """Writes the tubes where nothing but soft tissue is."""
    for artery in arteries:
        index = frame.to_index(artery.path_mm)
        spacing = np.array(frame.spacing_mm)
        order = np.argsort(index[:, 0])
        for k in range(int(np.ceil(index[:, 0].min())), int(np.floor(index[:, 0].max())) + 1):
            j, i = (float(np.interp(k, index[order, 0], index[order, n])) for n in (1, 2))
            reach = (artery.radius_mm / spacing[1:]).astype(int) + 1
            rows, columns = (slice(max(0, round(at) - more), round(at) + more + 1) for at, more in zip((j, i), reach))
            y, x = np.ogrid[rows, columns][0], np.ogrid[rows, columns][1]
            inside = ((y - j) * spacing[1]) ** 2 + ((x - i) * spacing[2]) ** 2 <= artery.radius_mm**2
            part = labels[k, rows, columns]
            part[inside[: part.shape[0], : part.shape[1]] & (part == SOFT_TISSUE)] = VERTEBRAL_ARTERY


def _scores(volume: Volume, bone_hu: float, z: Floats, middle: Floats, sign: float) -> tuple[Floats, Floats, Floats]:
    """((slices, rows, columns) 0..1 how far each place is a dark spot ringed by bone, columns' mm aside, rows' mm behind)."""
    frame = volume.frame
    sk, sj, si = frame.spacing_mm
    aside, behind = np.arange(*_ASIDE_MM, 0.75), np.arange(*_BEHIND_MM, 0.75)
    angles = 2 * np.pi * np.arange(_RAYS) / _RAYS
    rays_x = (np.cos(angles)[:, None] * _REACH_MM).ravel()
    rays_y = (np.sin(angles)[:, None] * _REACH_MM).ravel()
    out = np.empty((len(z), len(behind), len(aside)))
    for n, height in enumerate(z):
        k = (height - frame.affine[2, 3]) / sk
        low = int(np.clip(np.floor(k), 0, frame.shape[0] - 2))
        x = (middle[n, 0] + sign * aside - frame.affine[0, 3]) / si
        y = (middle[n, 1] + behind - frame.affine[1, 3]) / sj
        box = [slice(max(0, int(at.min() - 8.0 / step)), max(2, int(at.max() + 8.0 / step))) for at, step in ((y, sj), (x, si))]
        pair = volume.values((slice(low, low + 2), box[0], box[1]))
        plane = ((low + 1 - k) * pair[0] + (k - low) * pair[1]).astype(np.float32)
        x, y = x - box[1].start, y - box[0].start
        shape = (len(y) * len(x), len(rays_x))
        columns = np.broadcast_to(x[None, :, None] + rays_x / si, (len(y), len(x), len(rays_x))).reshape(shape).astype(np.float32)
        rows = np.broadcast_to(y[:, None, None] + rays_y / sj, (len(y), len(x), len(rays_x))).reshape(shape).astype(np.float32)
        ring = cv2.remap(plane, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        peak = ring.reshape(len(y), len(x), _RAYS, -1).max(axis=3)
        inner = cv2.GaussianBlur(plane, (0, 0), 0.8 / si)
        grid = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        dark = cv2.remap(inner, grid[0], grid[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        enclosed = (peak > np.maximum(bone_hu, dark[..., None] + 60.0)).mean(axis=2)
        out[n] = enclosed**2 * np.clip((np.median(peak, axis=2) - dark) / _DARKER_HU, 0.0, 1.0) * (dark < bone_hu + 120.0)
    return out, aside, behind


def _path(scores: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(row, column) in each slice of the path with the highest sum of scores, moving little between slices."""
    reach = int(_SHIFT_MM / 0.75)
    moves = [(dy, dx) for dy in range(-reach, reach + 1) for dx in range(-reach, reach + 1)]
    total = scores[0].copy()
    came = np.zeros(scores.shape, dtype=np.intp)
    for n in range(1, len(scores)):
        padded = np.pad(total, reach, constant_values=-np.inf)
        high, wide = total.shape
        moved = [padded[reach + dy : reach + dy + high, reach + dx : reach + dx + wide] for dy, dx in moves]
        tries = np.stack([before - _SHIFT_COST * 0.75 * np.hypot(dy, dx) for before, (dy, dx) in zip(moved, moves)])
        came[n] = tries.argmax(axis=0)
        total = tries.max(axis=0) + scores[n]
    row, column = np.unravel_index(int(total.argmax()), total.shape)
    rows, columns = [int(row)], [int(column)]
    for n in range(len(scores) - 1, 0, -1):
        dy, dx = moves[came[n, rows[-1], columns[-1]]]
        rows.append(rows[-1] + dy)
        columns.append(columns[-1] + dx)
    return np.array(rows[::-1]), np.array(columns[::-1])
