"""Aorta and vena cava where contrast shows them: even round spots in front of the spine, chained from slice to slice."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.anatomy.spine import Canal, Structure
from planner.geometry import Floats, Frame, Volume

_LEAST_HU, _MOST_HU = 150.0, 750.0  # blood with contrast; without it blood is muscle's 40 HU
_UNEVEN_HU, _UNEVEN = 12.0, 0.12  # how much a voxel of it may differ from its surroundings at least, and of its value
_ASIDE_MM, _BEHIND_MM = (-50.0, 60.0), (-115.0, 0.0)  # where they are looked for, from the canal's middle
_APART_MM = 20.0  # of a vessel's middle from the middle of a vertebral body: trabecular bone can be as even and bright
_AREA_MM2 = (110.0, 1000.0)
_ROUND = 0.7  # share of the area in that of the ellipse round it
_STEP_MM, _GAP_MM = 4.0, 10.0  # between neighbouring spots of a chain: aside, and along the body
_LEAST_LENGTH_MM = 60.0
_OPEN_MM = 6.0  # branches thinner than this are cut off
_MIDLINE_MM = 4.0  # a lone vessel nearer to the middle than this cannot be told


@dataclass(eq=False)
class _Chain:
    """Spots of neighbouring slices that are one vessel: slice, mask with its first row and column, middle in mm from the canal's."""

    slices: list[int] = field(default_factory=list)
    spots: list[tuple[int, int, NDArray[np.bool_]]] = field(default_factory=list)
    middles: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Vessels:
    """Masks on the search grid; empty where no contrast shows the vessel."""

    aorta: NDArray[np.bool_]
    cava: NDArray[np.bool_]


def find_vessels(search: Volume, body: NDArray[np.bool_], canal: Canal, bodies_mm: Floats) -> Vessels:
    """The opacified aorta and vena cava of a CT. Of two vessels side by side the left one is the aorta; a lone one is told by its side.

    bodies_mm: (n, 3) middles of the vertebral bodies in view.
    """
    shape = search.frame.shape
    chains = _chains(search, body, canal, bodies_mm)
    aorta, cava = (np.zeros(shape, dtype=np.bool_) for _ in range(2))
    for chain in chains:
        beside = [_apart(chain, other) for other in chains if other is not chain]
        overlapping = [apart for apart in beside if apart is not None]
        aside = float(np.mean([middle[0] for middle in chain.middles]))
        if overlapping:
            to_left = float(np.mean(overlapping)) > 0
        elif abs(aside) < _MIDLINE_MM:
            continue
        else:
            to_left = aside > 0
        _draw(chain, aorta if to_left else cava)
    return Vessels(aorta, cava)


def vessel_structure(name: str, mask: NDArray[np.bool_], search: Frame) -> Structure:
    """How a vessel is known: over the length where contrast shows it, which the labels hold."""
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    if len(slices) == 0:
        return Structure("not checked", None, f"No contrast shows the {name}; without it the program does not look for it.")
    length = (slices[-1] - slices[0] + 1) * search.spacing_mm[0]
    whole = length > 0.97 * search.shape[0] * search.spacing_mm[0]
    problem = None if whole else f"Seen by its contrast over {length:.0f} mm; above and below it is not checked."
    return Structure("found", 0.85, problem)


def _chains(search: Volume, body: NDArray[np.bool_], canal: Canal, bodies_mm: Floats) -> list[_Chain]:
    frame = search.frame
    sk, sj, si = frame.spacing_mm
    order = np.argsort(canal.centreline_mm[:, 2])
    line = canal.centreline_mm[order]
    z = frame.affine[2, 3] + sk * np.arange(frame.shape[0])
    column = (np.interp(z, line[:, 2], line[:, 0]) - frame.affine[0, 3]) / si
    row = (np.interp(z, line[:, 2], line[:, 1]) - frame.affine[1, 3]) / sj
    bodies = bodies_mm[np.argsort(bodies_mm[:, 2])]
    done: list[_Chain] = []
    open_chains: list[_Chain] = []
    for k in range(frame.shape[0]):
        if not line[0, 2] - 20.0 <= z[k] <= line[-1, 2] + 20.0:
            continue
        rows = slice(max(0, int(row[k] + _BEHIND_MM[0] / sj)), max(0, int(row[k] + _BEHIND_MM[1] / sj)))
        columns = slice(max(0, int(column[k] + _ASIDE_MM[0] / si)), max(0, int(column[k] + _ASIDE_MM[1] / si)))
        values = search.voxels[k, rows, columns]
        if min(values.shape) < 8 or not (values > _LEAST_HU).any():
            continue
        spots = []
        for top, left, mask, centre in _spots(values, body[k, rows, columns], sj, si):
            j, i = centre[0] + rows.start, centre[1] + columns.start
            if len(bodies):
                at = [np.interp(z[k], bodies[:, 2], bodies[:, n]) for n in (0, 1)]
                x, y = frame.affine[0, 3] + si * i - at[0], frame.affine[1, 3] + sj * j - at[1]
                if np.hypot(x, y) < _APART_MM or y > 25.0:
                    continue
            spots.append((top + rows.start, left + columns.start, mask, ((i - column[k]) * si, (j - row[k]) * sj)))
        for top, left, mask, middle in spots:
            _joined(open_chains, k, sk, top, left, mask, middle)
        done += [chain for chain in open_chains if (k - chain.slices[-1]) * sk > _GAP_MM]
        open_chains = [chain for chain in open_chains if (k - chain.slices[-1]) * sk <= _GAP_MM]
    long = [chain for chain in done + open_chains if (chain.slices[-1] - chain.slices[0]) * sk >= _LEAST_LENGTH_MM]
    return [chain for chain in long if len(chain.slices) * sk >= 0.8 * (chain.slices[-1] - chain.slices[0]) * sk]


def _joined(chains: list[_Chain], k: int, sk: float, top: int, left: int, mask: NDArray[np.bool_], middle: tuple[float, float]) -> None:
    """Adds a spot to the chain that it goes on from, or begins one."""
    best, nearest = None, _STEP_MM
    for chain in chains:
        if chain.slices[-1] == k:
            continue
        before = chain.spots[-1][2].sum()
        apart = float(np.hypot(middle[0] - chain.middles[-1][0], middle[1] - chain.middles[-1][1])) - 0.5 * (k - chain.slices[-1] - 1) * sk
        if apart < nearest and 0.6 * before <= mask.sum() <= 1.7 * before:
            best, nearest = chain, apart
    if best is None:
        best = _Chain()
        chains.append(best)
    best.slices.append(k)
    best.spots.append((top, left, mask))
    best.middles.append(middle)


def _spots(
    values: NDArray[np.int16], body: NDArray[np.bool_], sj: float, si: float
) -> list[tuple[int, int, NDArray[np.bool_], tuple[float, float]]]:
    """(first row, first column, mask, middle) of the even round bright spots of a slice."""
    smooth = cv2.GaussianBlur(values.astype(np.float32), (0, 0), 1.0)
    bright = ((smooth > _LEAST_HU) & (smooth < _MOST_HU) & body).astype(np.uint8)
    window = (max(3, 2 * round(1.5 / si) + 1), max(3, 2 * round(1.5 / sj) + 1))
    mean = cv2.blur(smooth, window)
    spread = np.sqrt(np.maximum(cv2.blur(smooth * smooth, window) - mean * mean, 0.0))
    even = (bright > 0) & (spread < np.maximum(_UNEVEN_HU, _UNEVEN * mean))
    size = (max(3, 2 * round(_OPEN_MM / 2 / si) + 1), max(3, 2 * round(_OPEN_MM / 2 / sj) + 1))
    cores = cv2.morphologyEx(even.astype(np.uint8), cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size))
    count, parts, stats, centres = cv2.connectedComponentsWithStats(cores, connectivity=4)
    found = []
    for n in range(1, count):
        left, top, width, height, voxels = (int(value) for value in stats[n])
        if not 0.4 * _AREA_MM2[0] <= voxels * sj * si <= _AREA_MM2[1] or voxels < 0.62 * np.pi / 4 * width * height:
            continue
        pad = max(2, round(3.0 / min(sj, si)))
        rows, columns = slice(max(0, top - pad), top + height + pad), slice(max(0, left - pad), left + width + pad)
        core = parts[rows, columns] == n
        edge = 0.4 * float(smooth[rows, columns][core].mean()) + 25.0
        reach = cv2.dilate(core.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pad + 1, 2 * pad + 1))) > 0
        mask: NDArray[np.bool_] = reach & (values[rows, columns] > edge)
        mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size)) > 0
        area = float(mask.sum()) * sj * si
        if _AREA_MM2[0] <= area <= _AREA_MM2[1] and _roundness(mask, sj, si) >= _ROUND:
            found.append((rows.start, columns.start, mask, (float(centres[n][1]), float(centres[n][0]))))
    return found


def _roundness(mask: NDArray[np.bool_], sj: float, si: float) -> float:
    """Least over greatest axis of the ellipse with the same moments, less what the spot does not fill of it."""
    rows, columns = np.nonzero(mask)
    spread = np.linalg.eigvalsh(np.cov(np.stack([rows * sj, columns * si])))
    axes = 4.0 * np.sqrt(np.maximum(spread, 0.01))
    full = len(rows) * sj * si / (np.pi / 4 * float(np.prod(axes)))
    return float(min(1.0, axes[0] / axes[1] + 0.15) * min(1.0, full))


def _apart(chain: _Chain, other: _Chain) -> float | None:
    """How far a chain lies to the left of another where both are seen, mm; None where they do not run side by side."""
    there = dict(zip(other.slices, other.middles))
    steps: Floats = np.array([middle[0] - there[k][0] for k, middle in zip(chain.slices, chain.middles) if k in there])
    return float(steps.mean()) if len(steps) > 0.3 * min(len(chain.slices), len(other.slices)) else None


def _draw(chain: _Chain, out: NDArray[np.bool_]) -> None:
    """The chain's spots, and the nearest spot's shape in the slices between."""
    for n, k in enumerate(chain.slices):
        top, left, mask = chain.spots[n]
        after = chain.slices[n + 1] if n + 1 < len(chain.slices) else k + 1
        out[k:after, top : top + mask.shape[0], left : left + mask.shape[1]] |= mask
