"""Foramina on T2: bright fat with a grey root in it, seen from the side between the dark cortices of two pedicles, a disc and a joint."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.anatomy.matched import matched
from planner.anatomy.mr.sac import SeenSac
from planner.anatomy.norms import at_level
from planner.anatomy.reformat import THETA
from planner.anatomy.spine import Canal, Foramen, Structure
from planner.geometry import Floats, Volume

STEP_MM = 0.75
_DOWN_MM: Floats = np.arange(-18.0, 18.1, STEP_MM)  # toward the feet of the usual place
_DEEP_MM: Floats = np.arange(-15.0, 15.1, STEP_MM)  # toward the back
_ASIDE_MM = np.array([-4.0, -3.0, -2.0])  # in the inner half of the pedicles all borders stand; farther out the hole is open in front
_BEYOND_PEDICLE_MM = 5.0  # from a foramen's roof or floor to the middle of the pedicle that bounds it
_BRIGHTEST = 0.5  # of the fluid's brightness: what is brighter says no more
_HEIGHTS = (0.75, 0.85, 0.95, 1.05, 1.15, 1.25, 1.35)  # that are tried, of the usual one
_WIDTHS_MM = (6.0, 7.0, 8.0, 9.0, 10.0)
_HEIGHT_SPREAD, _USUAL_WIDTH_MM, _WIDTH_SPREAD_MM = 0.2, 8.0, 2.0
_CORNERS = 4.0  # exponent of its outline: a rectangle with round corners
_RING_MM = (0.2, 1.8)  # outside it, where the cortex is
_BESIDE = 4  # samples more to both sides than up and down its kernel may be wide
_ROOT_ABOVE, _ROOT_MM = 0.25, 2.5  # of its height above its middle lies a root, so wide: grey, or dark on T1, it is no border
_OFF_MM, _OFF_SPREAD_MM = 5.0, 3.0  # from the usual place
_ODD = 0.02
_CLEAR = 0.11  # a hole brighter than its ring by this is seen
_UNSURE, _SURER, _SUREST = 0.3, 1.5, 0.7  # confidence of a usual place; with how clear a hole is it grows, up to the last
_MOST = 0.7  # of the foramina are seen: they count as found
_Sized = tuple[float, float, NDArray[np.float32]]  # a height, a width and `hole` of that size


def see_foramina(volume: Volume, canal: Canal, sac: SeenSac, usual: tuple[Foramen, ...]) -> tuple[Foramen, ...]:
    """The usual foramina moved to where their borders are seen, with the size seen. Those of which too little is seen stay as they are but
    for their distance from the middle, which follows the canal's width at the pedicles. sac: seen along the canal's centreline."""
    sizes = {usual_mm: _sizes(usual_mm) for usual_mm in {one.height_mm for one in usual}}
    return tuple(_seen(volume, canal, sac, one, sizes[one.height_mm]) for one in usual)


def is_seen(foramen: Foramen) -> bool:
    """Whether `see_foramina` saw it, or left it at its usual size."""
    return foramen.confidence > _UNSURE


def foramina_structure(foramina: tuple[Foramen, ...]) -> Structure:
    """How the foramina as a whole are known, and which have the usual size of their level."""
    unseen = ", ".join(f"{one.level} {one.side}" for one in foramina if not is_seen(one))
    seen = sum(is_seen(one) for one in foramina)
    if not seen:
        return Structure("modelled", _UNSURE, "Foramina have the usual size of their level.")
    words = f"Foramina are seen as fat between dark borders; of usual size: {unseen}." if unseen else None
    return Structure("found" if seen >= _MOST * len(foramina) else "modelled", round(0.3 + 0.3 * seen / len(foramina), 2), words)


def _seen(volume: Volume, canal: Canal, sac: SeenSac, usual: Foramen, sizes: Sequence[_Sized]) -> Foramen:
    at = canal.nearest(usual.centre_mm)
    sign = 1.0 if usual.side == "left" else -1.0
    outward, back = sign * canal.left[at], canal.back[at]
    feet = np.cross(canal.left[at], back)
    feet = -feet if feet[2] > 0 else feet
    start = np.array(usual.centre_mm)
    start = start + (_beside(canal, at, usual) - float((start - canal.centreline_mm[at]) @ outward)) * outward
    aside, down, deep = (grid[..., None] for grid in np.meshgrid(_ASIDE_MM, _DOWN_MM, _DEEP_MM, indexing="ij"))
    values = volume.sample(start + aside * outward + down * feet + deep * back)
    relative = np.clip(np.nan_to_num((values - sac.dark) / sac.fluid[at], nan=_BRIGHTEST), 0.0, _BRIGHTEST).mean(axis=0)
    _, lower, behind, height, width, clear = max(_holes(relative, usual.height_mm, sizes))
    if clear < _CLEAR:
        return replace(usual, centre_mm=_point(start))
    centre = _point(start + lower * feet + behind * back)
    sure = round(min(_UNSURE + _SURER * clear, _SUREST), 2)
    return replace(usual, centre_mm=centre, height_mm=round(height, 1), width_mm=width, confidence=sure)


def _holes(relative: Floats, usual_mm: float, sizes: Sequence[_Sized]) -> Iterator[tuple[float, ...]]:
    """For each size that is tried: how well a bright hole of it in a dark ring fits best (score, place downward and to the back, height,
    width, and how much brighter than its ring it is)."""
    rows, columns = (np.flatnonzero(np.abs(axis) <= _OFF_MM) for axis in (_DOWN_MM, _DEEP_MM))
    down, deep = _DOWN_MM[rows], _DEEP_MM[columns]
    off = (down[:, None] ** 2 + deep**2) / _OFF_SPREAD_MM**2
    beyond = max(max(pattern.shape) for _, _, pattern in sizes) // 2
    plane = np.pad(relative, beyond, mode="edge")
    for height, width, pattern in sizes:
        top, front = (beyond + int(axis[0]) - size // 2 for axis, size in zip((rows, columns), pattern.shape))
        clear = matched(plane[top : top + len(rows) + len(pattern) - 1, front : front + len(columns) + pattern.shape[1] - 1], pattern)
        odd = ((height / usual_mm - 1.0) / _HEIGHT_SPREAD) ** 2 + ((width - _USUAL_WIDTH_MM) / _WIDTH_SPREAD_MM) ** 2
        score = clear - _ODD * (off + odd)
        k, m = np.unravel_index(int(score.argmax()), score.shape)
        yield float(score[k, m]), float(down[k]), float(deep[m]), height, width, float(clear[k, m])


def _sizes(usual_mm: float) -> list[_Sized]:
    """What is tried where a hole is usually so high."""
    tried = itertools.product((share * usual_mm for share in _HEIGHTS), _WIDTHS_MM)
    return [(height, width, hole(height, width, with_root=True)) for height, width in tried]


def hole(height: float, width: float, with_root: bool = False) -> NDArray[np.float32]:
    """The mean inside less the mean in the ring, as a kernel on the grid; far wider than high it is cut off at both sides. with_root: a
    root lies in it and is left out."""
    tall, wide = (int((size / 2 + _RING_MM[1]) / STEP_MM) for size in (height, width))
    down, deep = (np.arange(-half, half + 1) * STEP_MM for half in (tall, min(wide, round(height / 2 / STEP_MM) + _BESIDE)))

    def within(more: float) -> NDArray[np.bool_]:
        high, deep_in = np.abs(down / (height / 2 + more)) ** _CORNERS, np.abs(deep / (width / 2 + more)) ** _CORNERS
        return np.asarray(high[:, None] + deep_in <= 1.0)

    root = with_root & (np.hypot(down[:, None] + _ROOT_ABOVE * height, deep) < _ROOT_MM)
    inside, ring = within(0.0) & ~root, within(_RING_MM[1]) & ~within(_RING_MM[0])
    return np.asarray(inside / inside.sum() - ring / ring.sum(), dtype=np.float32)


def _beside(canal: Canal, at: int, usual: Foramen) -> float:
    """mm from the canal's middle to a foramen's: its pedicles' middle, the one that lies farther in. The sacrum's say nothing: there the
    wall cuts the canal's corners."""
    across = (canal.wall_mm * np.cos(THETA)).max(axis=1) if usual.side == "left" else -(canal.wall_mm * np.cos(THETA)).min(axis=1)
    s, reach = canal.s_mm, usual.height_mm / 2 + _BEYOND_PEDICLE_MM
    sides = []
    for vertebra, place in zip(usual.between, (s[at] - reach, s[at] + reach)):
        if vertebra.startswith("S"):
            continue
        here = np.abs(s - np.clip(place, s[0], s[-1])) <= 2.0
        sides.append(float(np.median(across[here])) + 0.5 * float(at_level("pedicle_width_mm", vertebra)))
    return min(sides)


def _point(values: Floats) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
