"""Opacified tubes that a bone threshold takes for bone: the sac of a myelogram inside its ring of bone, and wide even vessels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.geometry import Floats, Volume

_UNEVEN = 0.08  # median change per voxel over the mean: contrast 0.03, dense bone 0.17 and more on the real scans
_LEAST_LENGTH_MM = 40.0
_REACH_MM = 22.0
_RAYS = 24
_ENCLOSED = 0.45  # mean share of rays from a sac that meet other bone; from a rib or a process far fewer do
# a sac whose half axes grow by more than this loses so much a mm: the outer edge of bone falls more steeply than its own
_SWELLS_MM, _SWELLING_HU = 1.0, 40.0
_TURNS = 0.3  # of a change of its slope a sac takes so much on from slice to slice
_SLOPE_SPOTS = 5
_SWOLLEN, _SPOTS_AROUND = 1.7, 15  # a spot so many times larger than the usual one of those around is none of the sac
_LOOK_EVERY = 2  # slices: where no faint tube shows in these, there is none
_GROWS_MM = 3.0  # half axes grow by no more from where the sac stands free: what is wider is the ring of bone around it
_TIP_MM = 1.5  # half axes of a sac at its lower end
_GAP_MM = 12.0  # a sac that touches a lamina is lost for so long
_LOST_MM = 2.0  # an ellipse that lies or reaches so much otherwise than the free sac there has lost it
_BESIDE_MM = 5.0  # of one slice's sac to the next one's, and of a spot to where it is awaited


_By = Literal["edge", "spot", "both"]


class _Spot(NamedTuple):
    """A bright thing in a slice that may be a sac: its mask with holes filled, the mask's first row and column, its middle (row, column),
    and the share of rays from there that meet other bright things."""

    row: int
    column: int
    mask: NDArray[np.bool_]
    middle: tuple[float, float]
    enclosed: float


@dataclass(eq=False)
class _Chain:
    """Spots of neighbouring slices that may be one tube."""

    slices: list[int] = field(default_factory=list)
    spots: list[_Spot] = field(default_factory=list)


def opacified_sac(search: Volume, body: NDArray[np.bool_], bright_hu: float, faint_hu: float) -> NDArray[np.bool_]:
    """The sac of a myelogram on the search grid, cord included; empty where there is none (algorithms 1.2).

    bright_hu: brighter than marrow. faint_hu: bone begins there. Hours after it was given contrast is hardly brighter: where no sac is
    brighter than the one, it is looked for above the mean of both and above the other.

    In each slice a bright spot of 50 to 450 mm2 (holes, as the cord makes, filled) around which other bone stands; linked over the
    slices to a tube of 40 mm or more. Where it touches bone the shape of its neighbours is taken.
    """
    out = np.zeros(search.frame.shape, dtype=np.bool_)
    for least_hu in (bright_hu, (bright_hu + faint_hu) / 2, faint_hu):
        if least_hu < bright_hu and not _chains(_spots_by_slice(search, body, least_hu, _LOOK_EVERY), search):
            continue
        spots = _spots_by_slice(search, body, least_hu, 1)
        for chain in _chains(spots, search):
            _draw(chain, out)
            for step in (-1, 1):
                _continued(chain, spots, search, body, step, out)
        if out.any():
            break
    return out


def _spots_by_slice(search: Volume, body: NDArray[np.bool_], bright_hu: float, every: int) -> dict[int, list[_Spot]]:
    """Spots brighter than bright_hu, in every so manyth slice."""
    _, sj, si = search.frame.spacing_mm
    return {
        k: _spots(((search.voxels[k] > bright_hu) & body[k]).astype(np.uint8), sj, si) for k in range(0, search.frame.shape[0], every)
    }


def _chains(spots: dict[int, list[_Spot]], search: Volume) -> list[_Chain]:
    """Spots that run on like a sac."""
    sk, sj, si = search.frame.spacing_mm
    chains: list[_Chain] = []
    for k, here in spots.items():
        for spot in here:
            near = [c for c in chains if 0 < k - c.slices[-1] <= _GAP_MM / sk]
            apart = [_apart_mm(c.spots[-1].middle, spot.middle, sj, si) - (k - c.slices[-1]) for c in near]
            chain = near[int(np.argmin(apart))] if apart and min(apart) < _BESIDE_MM else None
            if chain is None:
                chain = _Chain()
                chains.append(chain)
            chain.slices.append(k)
            chain.spots.append(spot)
    chains = [_even_sized(chain) for chain in chains]
    long = [chain for chain in chains if (chain.slices[-1] - chain.slices[0]) * sk >= _LEAST_LENGTH_MM]
    return [chain for chain in long if np.mean([spot.enclosed for spot in chain.spots]) >= _ENCLOSED]


def _apart_mm(one: tuple[float, float], other: tuple[float, float], sj: float, si: float) -> float:
    """How far two places (row, column) of slices lie apart."""
    return float(np.hypot((one[0] - other[0]) * sj, (one[1] - other[1]) * si))


def _even_sized(chain: _Chain) -> _Chain:
    """A chain without spots that are far larger than those around: a ring of bone, filled, around the sac."""
    area = np.array([float(spot.mask.sum()) for spot in chain.spots])
    kept = np.flatnonzero(area <= _SWOLLEN * ndimage.median_filter(area, _SPOTS_AROUND, mode="mirror"))
    return _Chain([chain.slices[n] for n in kept], [chain.spots[n] for n in kept])


def _ellipse_of(spot: _Spot, sj: float, si: float) -> Floats:
    """(4,): a spot's middle in rows and columns, and its half axes from front to back and from side to side in mm."""
    rows, columns = np.nonzero(spot.mask)
    return np.array([rows.mean() + spot.row, columns.mean() + spot.column, 2.0 * rows.std() * sj + 0.3, 2.0 * columns.std() * si + 0.3])


def _free(spots: list[_Spot], awaited: Floats, size: Floats, sj: float, si: float) -> Floats | None:
    """The ellipse of the spot in which the awaited ellipse has its middle, or near whose middle it lies: the sac, where it stands free
    again. None where there is none, or none as narrow as a sac of this size may be."""
    for spot in spots:
        ellipse = _ellipse_of(spot, sj, si)
        aside = (awaited[:2] - ellipse[:2]) * [sj, si]
        near = float(np.hypot(*aside)) <= _BESIDE_MM or float(np.hypot(*(aside / ellipse[2:]))) <= 1.0
        if near and spot.enclosed >= _ENCLOSED and bool((ellipse[2:] <= size + _GROWS_MM).all()):
            return ellipse
    return None


def _continued(
    chain: _Chain, spots: dict[int, list[_Spot]], search: Volume, body: NDArray[np.bool_], step: int, out: NDArray[np.bool_]
) -> None:
    """Draws the sac beyond an end of the chain. What lies before a spot where it stands free again is drawn half from there."""
    _, sj, si = search.frame.spacing_mm
    last = min(5, len(chain.slices) - 1)
    n = last if step < 0 else len(chain.slices) - 1 - last  # a few slices inside the end, where the spot is whole
    start, drift = _ellipse_of(chain.spots[n], sj, si), np.array([*_slope(chain, n, step), 0.0, 0.0])
    k = chain.slices[n]
    for at, ellipse, by in _followed(search, spots, k, start, start[2:], drift, step):
        _fill(at, ellipse, search, body, out)
        if by == "spot":
            for between, other, _ in islice(_followed(search, spots, at, ellipse, start[2:], np.zeros(4), -step), abs(at - k) // 2):
                _fill(between, other, search, body, out)
        if by != "edge":
            k = at


def _followed(
    search: Volume, spots: dict[int, list[_Spot]], k: int, state: Floats, size: Floats, drift: Floats, step: int
) -> Iterator[tuple[int, Floats, _By]]:
    """(slice, ellipse, by what) slice by slice from k on: an ellipse that keeps to the fall of brightness at its edge, of which a part is
    enough where the sac touches bone; where the sac stands free and the ellipse has lost it, that spot's. size: half axes where the sac
    surely stood free; drift: the ellipse's change a slice."""
    _, sj, si = search.frame.spacing_mm
    angles = 2 * np.pi * np.arange(32) / 32
    unit = np.stack([np.sin(angles), np.cos(angles)])
    moves = np.array([[a, b, c, d] for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1) for d in (-1, 0, 1)], dtype=np.float64)
    moves *= [0.5 / sj, 0.5 / si, 0.25, 0.25]
    weak = 0
    while 0 <= k + step < search.frame.shape[0] and weak < 4:
        k += step
        before, state = state, state + drift
        plane = search.voxels[k].astype(np.float32)
        tries = np.concatenate([state + moves, state + 2 * moves])
        tries[:, 2:] = np.clip(tries[:, 2:], _TIP_MM, np.minimum(size + _GROWS_MM, 11.0))
        falls = []
        for offset in (-1.2, 1.3):
            y = tries[:, :1] + (tries[:, 2:3] + offset) * unit[0] / sj
            x = tries[:, 1:2] + (tries[:, 3:4] + offset) * unit[1] / si
            falls.append(_between(plane, y, x))
        fall = np.clip(falls[0] - falls[1], -300.0, 600.0)
        change = np.abs(tries - state) @ np.array([sj, si, 1.0, 1.0])
        swollen = np.maximum(tries[:, 2:] - size - _SWELLS_MM, 0.0).sum(axis=1)
        best = int((fall.mean(axis=1) - 15.0 * change - _SWELLING_HU * swollen).argmax())
        free = _free(spots[k], state, size, sj, si)
        weak = weak + 1 if free is None and float((fall[best] > 100.0).mean()) < 0.35 else 0
        by: _By = "edge"
        state = tries[best]
        if free is not None and float((np.abs(free - state) * [sj, si, 1.0, 1.0]).max()) > _LOST_MM:
            state, by = free, "spot"
        else:
            drift = np.append(drift[:2] + _TURNS * ((state - before)[:2] - drift[:2]), (0.0, 0.0))
            by = "edge" if free is None else "both"
        if weak < 2:
            yield k, state, by


def _fill(k: int, ellipse: Floats, search: Volume, body: NDArray[np.bool_], out: NDArray[np.bool_]) -> None:
    """Draw an ellipse, grown by half a voxel for its blurred edge."""
    nj, ni = out.shape[1:]
    _, sj, si = search.frame.spacing_mm
    high, wide = (ellipse[2] + 0.8) / sj, (ellipse[3] + 0.8) / si
    rows, columns = np.arange(max(0, int(ellipse[0] - high)), nj), np.arange(max(0, int(ellipse[1] - wide)), ni)
    rows, columns = rows[rows <= ellipse[0] + high], columns[columns <= ellipse[1] + wide]
    within = ((rows - ellipse[0]) / high)[:, None] ** 2 + ((columns - ellipse[1]) / wide) ** 2 <= 1.0
    part = np.ix_([k], rows, columns)
    out[part] |= within & body[part]


def _slope(chain: _Chain, n: int, step: int) -> tuple[float, float]:
    """Rows and columns by which the chain moves from a slice to the next one in the direction of `step`, around spot n."""
    near = list(range(max(0, n - _SLOPE_SPOTS), min(len(chain.slices), n + _SLOPE_SPOTS + 1)))
    at = np.array([chain.slices[m] for m in near], dtype=np.float64)
    if len(near) < 3:
        return 0.0, 0.0
    middles = np.array([chain.spots[m].middle for m in near])
    down, aside = (float(np.polyfit(at, middles[:, axis], 1)[0]) * step for axis in (0, 1))
    return down, aside


@njit(cache=True, nogil=True)
def _between(plane: NDArray[np.float32], y: Floats, x: Floats) -> Floats:
    """Values at places (m, n) of a slice, linear between voxels, those of its border beyond it."""
    rows, columns = plane.shape
    out = np.empty(y.shape)
    for m in range(y.shape[0]):
        for n in range(y.shape[1]):
            b, a = min(max(y[m, n], 0.0), rows - 1.0), min(max(x[m, n], 0.0), columns - 1.0)
            j, i = min(int(b), rows - 2), min(int(a), columns - 2)
            v, w = b - j, a - i
            out[m, n] = (1 - v) * ((1 - w) * plane[j, i] + w * plane[j, i + 1]) + v * ((1 - w) * plane[j + 1, i] + w * plane[j + 1, i + 1])
    return out


def _spots(bright: NDArray[np.uint8], sj: float, si: float) -> list[_Spot]:
    """The bright spots of a slice that may be a sac."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=4)
    across, down, size_mm2 = stats[:, 2] * si, stats[:, 3] * sj, stats[:, 4] * sj * si
    likely = (across >= 5.0) & (across <= 28.0) & (down >= 5.0) & (down <= 26.0) & (size_mm2 >= 25.0)
    likely[0] = False  # what is not bright
    angles, steps = 2 * np.pi * np.arange(_RAYS) / _RAYS, np.arange(3.0, _REACH_MM, 1.0)
    rays = np.sin(angles)[:, None] * steps / sj, np.cos(angles)[:, None] * steps / si
    found = []
    for n in np.flatnonzero(likely).tolist():
        left, top, width, height = (int(value) for value in stats[n, :4])
        spot = parts[top : top + height, left : left + width] == n
        filled = _filled(spot)
        area = float(filled.sum()) * sj * si
        if not 50.0 <= area <= 450.0 or area < 0.55 * width * height * sj * si:
            continue
        rows, columns = np.nonzero(filled)
        middle = (float(rows.mean()) + top, float(columns.mean()) + left)
        found.append(_Spot(top, left, filled, middle, _enclosed(parts, n, *middle, *rays)))
    return found


def _filled(spot: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A spot with its holes."""
    around = np.zeros((spot.shape[0] + 2, spot.shape[1] + 2), dtype=np.uint8)
    around[1:-1, 1:-1] = spot
    cv2.floodFill(around, None, (0, 0), 2)
    return np.asarray(around[1:-1, 1:-1] != 2)


@njit(cache=True, nogil=True)
def _enclosed(parts: NDArray[np.int32], own: int, row: float, column: float, down: Floats, aside: Floats) -> float:
    """Share of the rays from a spot's middle that meet other bright things. down, aside: (rays, steps) of their places, in voxels."""
    hits = 0
    for n in range(down.shape[0]):
        for m in range(down.shape[1]):
            j, i = int(np.rint(row + down[n, m])), int(np.rint(column + aside[n, m]))
            if 0 <= j < parts.shape[0] and 0 <= i < parts.shape[1] and parts[j, i] > 0 and parts[j, i] != own:
                hits += 1
                break
    return hits / down.shape[0]


def _draw(chain: _Chain, out: NDArray[np.bool_]) -> None:
    """The chain's spots, grown by a voxel for their blurred edge, and the nearest spot's shape in the slices between."""
    rows, columns = out.shape[1:]
    for n, k in enumerate(chain.slices):
        row, column, mask, *_ = chain.spots[n]
        grown = cv2.dilate(np.pad(mask, 1).astype(np.uint8), np.ones((3, 3), dtype=np.uint8)) > 0
        j, i = row - 1 + np.arange(grown.shape[0]), column - 1 + np.arange(grown.shape[1])
        inside = (j >= 0) & (j < rows), (i >= 0) & (i < columns)
        grown = grown[np.ix_(*inside)]
        before = chain.slices[n - 1] if n else k
        after = chain.slices[n + 1] if n + 1 < len(chain.slices) else k
        for at in range((before + k + 1) // 2, (after + k) // 2 + 1):
            out[np.ix_([at], j[inside[0]], i[inside[1]])] |= grown


def even_tubes(search: Volume, body: NDArray[np.bool_], bright_hu: float) -> NDArray[np.bool_]:
    """Bright things thicker than 6 mm everywhere, even inside, that run 40 mm or more along the body: opacified vessels, a full sac."""
    spacing = search.frame.spacing_mm
    size = [max(3, 2 * round(3.0 / s) + 1) for s in spacing[1:]]
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size[1], size[0]))
    opened = np.zeros(body.shape, dtype=np.uint8)
    for stored, inside, plane in zip(search.voxels, body, opened):
        cv2.morphologyEx(((stored > bright_hu) & inside).view(np.uint8), cv2.MORPH_OPEN, disk, dst=plane)
    out = np.zeros(body.shape, dtype=np.bool_)
    if not opened.any():
        return out
    parts, _ = ndimage.label(opened)
    for n, box in enumerate(ndimage.find_objects(parts), start=1):
        if (box[0].stop - box[0].start) * spacing[0] < _LEAST_LENGTH_MM:
            continue
        part = parts[box] == n
        core = ndimage.binary_erosion(part, np.ones((1, 3, 3), dtype=np.bool_))
        values: Floats = search.voxels[box].astype(np.float32)
        change = ndimage.generic_gradient_magnitude(values, ndimage.sobel)[core] / 32
        if change.size == 0 or np.median(change) > _UNEVEN * values[core].mean():
            continue
        if 30.0 <= np.median(part.sum(axis=(1, 2))) * spacing[1] * spacing[2] <= 900.0:
            out[box] |= part
    return ndimage.binary_dilation(out, np.ones((1, 3, 3), dtype=np.bool_)) if out.any() else out
