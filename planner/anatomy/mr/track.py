"""Where the sac runs in an MR: a bright tube with a dark rim in front, behind and beside it, wherever in the field it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.mr.blur import blurred
from planner.geometry import Floats, Volume
from planner.refusal import Refusal

_WIDTHS_MM = (8.0, 11.0, 14.0)  # of the bright band from front to back
_RIM_MM = 3.0
_SLAB_MM = 9.0  # from left to right, over which the band is averaged
_COLUMN_MM = 3.0  # steps from left to right
_BESIDE_MM = 12.0  # from the tube's middle to what is darker beside it
_BEHIND_MM, _BEFORE_MM = 22.0, 150.0  # tissue behind the sac; the fat under the skin has less, the belly more
_PAIRS = 6  # columns to both sides that are compared with each other: the spine is nearly its own mirror image
_LEAST_PAIRS = 2
_SPINE_MM = 70.0  # a spine lies within this of the trunk's middle
_FARTHEST_MM = 85.0  # from it: beyond, off the middle and odd, the best score is 0.04, less than a tube must have (`ends`; 0.1 on T1)
_DEEP_MM, _DEEPER = 60.0, 0.006  # beyond this depth a mm counts so much: bright tubes run before the bodies too, beside the vessels
_OFF_MIDDLE_MM = 45.0  # a curved spine lies hardly farther from the middle of the trunk, nor beyond half of the way to a field's edge
_ASIDE = 0.4  # of the score, for a step of a column from one slice to the next: vessels beside the neck are bright tubes too
_LEAST_LENGTH_MM = 60.0
_STANDS_OUT = 0.25  # of the tube over its rim, in means of the tissue around
_ENDS = 0.35  # where the score stays below this the tube has ended
_CLEAREST_MM = 30.0
_FAINT, _FADES_MM = 0.4, 6.0  # of its usual score: below this, over this length, the tube has ended
_CLEAR = 0.25  # of the share of the clearest ridge in view
WAY_OUT = "Choose a T2 series that shows the bright sac in its middle slices, or draw the canal."


@dataclass(frozen=True, eq=False)
class _Bands:
    """(slices, rows, columns) each. slab: the scan in slabs from left to right. ridge: how much brighter a band is there than its rims in
    front and behind. band: the scan about there; `away` columns to the left and right of it is what lies beside."""

    slab: NDArray[np.float32]
    ridge: NDArray[np.float32]
    band: NDArray[np.float32]
    away: int


def evened(search: Volume, body: NDArray[np.bool_]) -> Volume:
    """The scan over its own wide average inside the body: about 1 in tissue, whatever the coil does (algorithms 1.3, bias)."""
    sigma = [25.0 / s for s in search.frame.spacing_mm]
    small = (slice(None, None, 4),) * 2 + (slice(None, None, 2),)
    reduced_sigma = (sigma[0] / 4, sigma[1] / 4, sigma[2] / 2)
    top = ndimage.gaussian_filter(np.where(body[small], search.voxels[small], 0).astype(np.float32), reduced_sigma)
    share = ndimage.gaussian_filter(body[small].astype(np.float32), reduced_sigma)
    mean = np.where(share > 0.05, top / np.maximum(share, 0.05), np.float32(1.0))
    wide = _between(_between(mean.astype(np.float64), body.shape[2], 2), body.shape[1], 1)
    even = np.zeros(body.shape, dtype=np.float32)
    at = np.linspace(0.0, len(wide) - 1.0, len(even))
    for k, (plane, values, inside) in enumerate(zip(even, search.voxels, body)):
        first = min(int(at[k]), max(len(wide) - 2, 0))
        around = wide[first] + (at[k] - first) * (wide[min(first + 1, len(wide) - 1)] - wide[first])
        np.divide(values.astype(np.float32), np.maximum(around.astype(np.float32), np.float32(1e-3)), out=plane, where=inside)
        np.clip(plane, 0.0, 6.0, out=plane)
    return Volume(search.frame, even, "MR")


def _between(values: Floats, count: int, axis: int) -> Floats:
    """So many values along an axis, linear between those that there are, from the first to the last."""
    at = np.linspace(0.0, values.shape[axis] - 1.0, count)
    first = np.minimum(at.astype(np.intp), max(values.shape[axis] - 2, 0))
    share = (at - first).reshape([-1 if n == axis else 1 for n in range(values.ndim)])
    low, high = values.take(first, axis), values.take(np.minimum(first + 1, values.shape[axis] - 1), axis)
    return np.asarray(low + share * (high - low))


def track(even: Volume, body: NDArray[np.bool_], ends: float = _ENDS) -> tuple[Floats, float]:
    """Points (n, 3) head to foot along the bright tube, and 0..1 how clearly it stands out; where its score stays below `ends` it has
    ended. Raises Refusal without one."""
    dk, dj, di = even.frame.spacing_mm
    step = max(1, round(_COLUMN_MM / di))
    columns = np.arange(step // 2, even.frame.shape[2], step)
    bands = _bands(even, columns)
    score, (first_row, first_column) = _score(bands, body[:, :, columns], dk, dj, (columns * di).astype(np.float64))
    reach = max(1, int(np.ceil(0.5 * dk / (step * di))))
    path = _best_tube(score - np.float32(ends), 2, reach, 0.1, _ASIDE)
    path = _above_its_end(path, score[path[:, 0], path[:, 1], path[:, 2]], dk)
    k, j, i = path.T
    ridge = bands.ridge[k, j + first_row, i + first_column]
    length, clarity, stands_out = len(path) * dk, float(np.median(score[k, j, i])), float(np.median(ridge))
    if length < _LEAST_LENGTH_MM or clarity < _CLEAR:
        sentence = f"No spinal canal was found: the longest bright tube is {length:.0f} mm, {_LEAST_LENGTH_MM:.0f} mm are needed."
        raise Refusal(sentence, WAY_OUT)
    if stands_out < _STANDS_OUT:
        raise Refusal(f"No spinal canal was found: no tube stands out from its rim ({stands_out:.2f}, {_STANDS_OUT} is needed).", WAY_OUT)
    index = np.stack([k, j + first_row, columns[i + first_column]], axis=1).astype(np.float64)
    return even.frame.to_world(index), clarity


def _above_its_end(path: NDArray[np.int64], score: NDArray[np.float32], dk: float) -> NDArray[np.int64]:
    """The path, which runs from head to foot, down to where its score fades: below the sac's end it goes on through anything."""
    faded = np.flatnonzero(ndimage.gaussian_filter1d(score, _FADES_MM / dk, mode="nearest") < _FAINT * np.median(score))
    clearest = int(ndimage.gaussian_filter1d(score, _CLEAREST_MM / dk, mode="nearest").argmax())
    return path[: faded[faded > clearest].min(initial=len(path))]


def _bands(even: Volume, columns: NDArray[np.intp]) -> _Bands:
    """Plane by plane, in which a filter from front to back takes a fraction of what it takes in the whole scan."""
    dk, dj, di = even.frame.spacing_mm
    quiet = blurred(even.voxels, (2.5 / dk, 0.0, 0.0))
    third = max(1, round(_SLAB_MM / 3 / di))
    thirds = [np.clip(columns + shift, 0, quiet.shape[2] - 1) for shift in (-third, 0, third)]
    slab, ridge = (np.empty((*quiet.shape[:2], len(columns)), dtype=np.float32) for _ in range(2))
    for k, plane in enumerate(quiet):
        part = _mean(plane, (third, 1))
        left, middle, right = (part.take(at, axis=1) for at in thirds)
        slab[k] = _soft((left + middle + right) / 3, 0.7 / dj)
        dark, light = np.minimum(left, middle), np.maximum(left, middle)
        # of three the mean of the two darker ones: a vessel fills one third of the slab, a cord makes one of them dark
        core = _soft((np.minimum(dark, right) + np.maximum(dark, np.minimum(light, right))) / 2, 0.7 / dj)
        ridge[k] = _over_its_rims(core, slab[k], dj)
    band = _mean(slab.reshape(len(slab), -1), (1, max(1, round(15.0 / dk)))).reshape(slab.shape)  # over a body and a disc
    for plane in band:
        plane[:] = _mean(plane, (1, max(1, round(5.0 / dj))))
    away = max(1, round(_BESIDE_MM / (di * (columns[1] - columns[0])))) if len(columns) > 1 else 1
    return _Bands(slab, ridge, band, away)


def _over_its_rims(core: NDArray[np.float32], slab: NDArray[np.float32], dj: float) -> NDArray[np.float32]:
    """How much brighter than the brighter of its rims in front and behind a band is, in one slice."""
    rim = cv2.erode(slab, np.ones((max(1, round(_RIM_MM / dj)), 1), dtype=np.uint8))
    ridge = np.full(slab.shape, -np.inf, dtype=np.float32)
    for width in _WIDTHS_MM:
        inner = _mean(core, (1, max(1, round(0.7 * width / dj))))
        shift = round((width / 2 + 0.5 * _RIM_MM) / dj)
        np.maximum(ridge, inner - np.maximum(np.roll(rim, shift, axis=0), np.roll(rim, -shift, axis=0)), out=ridge)
    return ridge


def _mean(plane: NDArray[Any], window: tuple[int, int]) -> NDArray[np.float32]:
    """Means over so many columns and rows, mirrored beyond the borders."""
    return np.asarray(cv2.blur(plane, window, borderType=cv2.BORDER_REFLECT))


def _soft(plane: NDArray[Any], sigma: float) -> NDArray[np.float32]:
    """Blurred from front to back, sigma in rows."""
    size = (1, 2 * int(4.0 * sigma + 0.5) + 1)
    return cv2.GaussianBlur(plane.astype(np.float64), size, sigmaX=1.0, sigmaY=sigma, borderType=cv2.BORDER_REFLECT).astype(np.float32)


def _score(bands: _Bands, body: NDArray[np.bool_], dk: float, dj: float, across: Floats) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """1 where a tube is as clear as any in view, less where left and right differ and away from the trunk's middle, -0.5 too near to the
    skin or too deep; of those rows and columns where it can be more than that, and the first of each.

    across: (columns,), mm from the left.
    """
    nk, nj, ni = bands.slab.shape
    last = np.where(body.any(axis=1), nj - 1 - body[:, ::-1].argmax(axis=1), 0)
    rows = np.arange(nj)
    deep = np.empty(body.shape, dtype=np.bool_)
    for plane, behind in zip(deep, last):
        depth = (behind - rows[:, None]) * dj
        np.logical_and(depth > _BEHIND_MM, depth < _BEFORE_MM, out=plane)
    scale = max(float(np.percentile(bands.ridge[deep][::7], 99.7)), 1e-3) if deep.any() else 1.0
    weight = body.sum(axis=(0, 1)).astype(np.float64)
    middle = float((weight * across).sum() / max(weight.sum(), 1.0))
    off = ((across - middle) / min(_OFF_MIDDLE_MM, max(0.5 * float(np.ptp(across)), 1.0))) ** 2
    odd = _asymmetry(bands.slab, deep, np.abs(across - middle) < _SPINE_MM, 25.0 / dk)
    near = _from_first_to_last(np.abs(across - middle) < _FARTHEST_MM)
    high = _from_first_to_last(np.asarray(deep[:, :, near].any(axis=(0, 2))))
    to_left, to_right = (np.clip(np.arange(ni)[near] + shift, 0, ni - 1) for shift in (-bands.away, bands.away))
    score = np.empty((nk, high.stop - high.start, near.stop - near.start), dtype=np.float32)
    for k, band in enumerate(bands.band[:, high]):
        beside = band[:, near] - 0.5 * (band[:, to_left] + band[:, to_right])
        clear = np.clip(bands.ridge[k, high, near] / scale, -0.5, 1.2) + 0.3 * np.clip(beside / scale, -1.0, 1.0)
        clear = clear - 0.2 * off[near] - 0.5 * odd[k, near]
        clear -= _DEEPER * np.maximum((last[k, near] - rows[high, None]) * dj - _DEEP_MM, 0.0)
        score[k] = np.where(deep[k, high, near], clear, -0.5)
    return score, (high.start, near.start)


def _from_first_to_last(mask: NDArray[np.bool_]) -> slice:
    """From the first that is marked to the last; all where none is."""
    marked = np.flatnonzero(mask)
    return slice(int(marked[0]), int(marked[-1]) + 1) if len(marked) else slice(0, len(mask))


def _asymmetry(slab: NDArray[np.float32], deep: NDArray[np.bool_], near: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    """(slices, columns): how much left and right of a column differ, 0 where least and 1 as usual in that slice, up to 1.5.

    near: (columns,), those that may hold a spine; in the flanks little lies that could differ."""
    nk, _, ni = slab.shape
    count = min(_PAIRS, (ni - 1) // 2)
    apart = np.zeros((count, nk, ni), dtype=np.float32)
    for k, (plane, inside) in enumerate(zip(slab, deep)):
        rows = np.maximum(inside.sum(axis=0, dtype=np.float32), 1.0)
        for d in range(1, count + 1):
            here = slice(d, ni - d)
            apart[d - 1, k, here] = (np.abs(plane[:, 2 * d :] - plane[:, : ni - 2 * d]) * inside[:, here]).sum(axis=0) / rows[here]
    total, pairs = np.zeros((nk, ni)), np.zeros(ni)
    for d in range(1, count + 1):
        here = slice(d, ni - d)
        usual = max(float(np.median(apart[d - 1, :, here])), 1e-6)  # what lies farther apart differs more anywhere
        total[:, here] += apart[d - 1, :, here] / usual
        pairs[here] += 1
    odd = ndimage.gaussian_filter1d(total / np.maximum(pairs, 1), sigma, axis=0, mode="nearest")
    enough = (pairs >= min(_LEAST_PAIRS, pairs.max())) & (near | ~near.any())
    if not enough.any():
        return np.zeros(odd.shape, dtype=np.float32)
    least, middling = odd[:, enough].min(axis=1, keepdims=True), np.median(odd[:, enough], axis=1, keepdims=True)
    return np.where(enough, np.clip((odd - least) / np.maximum(middling - least, 1e-3), 0.0, 1.5), 1.5).astype(np.float32)


@njit(cache=True, nogil=True)
def _best_tube(gain: NDArray[np.float32], reach: int, aside: int, cost: float, cost_aside: float) -> NDArray[np.int64]:
    """The best path through (slice, row, column), from the highest slice down: at most `reach` rows and `aside` columns a slice; it may
    begin and end anywhere."""
    nk, nj, ni = gain.shape
    value = np.zeros((nk, nj, ni), dtype=np.float32)
    source = np.full((nk, nj, ni), -1, dtype=np.int64)
    best, bk, bj, bi = -1.0, 0, 0, 0
    for k in range(nk):
        for j in range(nj):
            for i in range(ni):
                top, back = 0.0, -1
                if k > 0:
                    for d in range(max(-reach, -j), min(reach, nj - 1 - j) + 1):
                        for e in range(max(-aside, -i), min(aside, ni - 1 - i) + 1):
                            there = value[k - 1, j + d, i + e] - cost * d * d - cost_aside * e * e
                            if there > top:
                                top, back = there, (j + d) * ni + i + e
                value[k, j, i] = top + gain[k, j, i]
                source[k, j, i] = back
                if value[k, j, i] > best:
                    best, bk, bj, bi = value[k, j, i], k, j, i
    out = np.empty((nk, 3), dtype=np.int64)
    count = 0
    while True:
        out[count, 0], out[count, 1], out[count, 2] = bk, bj, bi
        count += 1
        back = source[bk, bj, bi]
        if back < 0:
            break
        bk, bj, bi = bk - 1, back // ni, back % ni
    return out[:count]
