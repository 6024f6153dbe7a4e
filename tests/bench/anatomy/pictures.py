"""One sheet per scan: the canal straightened from the side and from the front, and an axial cut through every body and every disc, with the
outlines of what was found, and of the truth or the labels where there are any."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.anatomy import Anatomy, labels
from planner.geometry import Volume

_TILE_MM, _ZOOM, _COLUMNS = 64.0, 4.0, 6  # side of an axial cut, pixels a mm, cuts a row
_STRIP_MM, _STRIP_ZOOM = 110.0, 2.2
_COLOURS = {"canal": (0, 220, 255), "sac": (255, 200, 0), "cord": (255, 80, 255), "truth": (60, 60, 255), "roots": (80, 220, 80)}
Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def sheet(volume: Volume, anatomy: Anatomy, title: str, truth: Mask | None = None, truth_words: str = "truth") -> Picture:
    """The sheet, BGR. truth: a mask on the scan's grid that is outlined in red."""
    masks = {
        "canal": anatomy.mask(labels.CANAL),
        "sac": anatomy.mask((labels.THECAL_SAC, labels.SPINAL_CORD)),
        "cord": anatomy.mask((labels.SPINAL_CORD,)),
        "roots": anatomy.mask((labels.NERVE_ROOT, labels.GANGLION)),
    }
    if truth is not None:
        masks["truth"] = truth
    low, high = _window(volume, anatomy)
    strips = np.hstack([_strip(volume, anatomy, masks, low, high, across) for across in (False, True)])
    tiles = []
    places = [(level.name, level.s_mm) for level in anatomy.levels]
    places += [(f"{a.name}-{b.name}", (a.s_mm + b.s_mm) / 2) for a, b in itertools.pairwise(anatomy.levels)]
    if not places:
        places = [(f"{s:.0f} mm", float(s)) for s in np.arange(5.0, anatomy.canal.s_mm[-1], 12.0)]
    for name, s in sorted(places, key=lambda place: place[1]):
        if 0.0 <= s <= anatomy.canal.s_mm[-1]:
            tiles.append(_tile(volume, anatomy, masks, low, high, s, name))
    side = round(_TILE_MM * _ZOOM)
    rows = max(1, -(-len(tiles) // _COLUMNS))
    grid = np.zeros((rows * side, _COLUMNS * side, 3), dtype=np.uint8)
    for n, tile in enumerate(tiles):
        row, column = divmod(n, _COLUMNS)
        grid[row * side : (row + 1) * side, column * side : (column + 1) * side] = tile
    height = max(grid.shape[0], strips.shape[0])
    page = np.hstack([_tall(strips, height), _tall(grid, height)])
    head = np.zeros((34, page.shape[1], 3), dtype=np.uint8)
    _write(head, title, (8, 24), 0.65)
    for n, (name, colour) in enumerate(_COLOURS.items()):
        if name in masks:
            _write(head, truth_words if name == "truth" else name, (page.shape[1] - 560 + 110 * n, 24), 0.55, colour)
    return np.ascontiguousarray(np.vstack([head, page]))


def save(picture: Picture, folder: Path, name: str) -> Path:
    """Write it as PNG under a name made of the scan's."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("".join(c if c.isalnum() else "-" for c in name) + ".png")
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return path


def _window(volume: Volume, anatomy: Anatomy) -> tuple[float, float]:
    if volume.modality != "CT":
        near = volume.values(volume.frame.box_around(anatomy.canal.centreline_mm, 40.0))
        low, high = (float(value) for value in np.percentile(near, [1, 99.5]))
        return low, high
    index = np.rint(volume.frame.to_index(anatomy.canal.centreline_mm)).astype(int)
    index = np.clip(index, 0, np.array(volume.frame.shape) - 1)
    inside = float(np.median(volume.voxels[tuple(index.T)]) * volume.slope + volume.intercept)
    return (-300.0, 1000.0) if inside > 130.0 else (-160.0, 360.0)


def _strip(volume: Volume, anatomy: Anatomy, masks: dict[str, Mask], low: float, high: float, across: bool) -> Picture:
    """The scan in the plane that follows the canal: from the side, or from the front."""
    frame = volume.frame
    line = frame.to_index(anatomy.canal.centreline_mm)
    order = np.argsort(line[:, 0])
    slices = np.arange(frame.shape[0])
    at = np.rint([np.interp(slices, line[order, 0], line[order, axis]) for axis in (1, 2)]).astype(int)
    at = np.clip(at, 0, np.array(frame.shape[1:])[:, None] - 1)
    axis = 2 if across else 1
    half = round(_STRIP_MM / 2 / frame.spacing_mm[axis])
    reach = at[axis - 1][:, None] + np.arange(-half, half + 1)
    inside = (reach >= 0) & (reach < frame.shape[axis])
    reach = np.clip(reach, 0, frame.shape[axis] - 1)
    pick = (slices[:, None], at[0][:, None], reach) if across else (slices[:, None], reach, at[1][:, None])
    image = np.where(inside, volume.voxels[pick] * np.float32(volume.slope) + np.float32(volume.intercept), low)
    size = (round(_STRIP_MM * _STRIP_ZOOM), round(frame.shape[0] * frame.spacing_mm[0] * _STRIP_ZOOM))
    picture = _grey(image[::-1].astype(np.float32), size, low, high)
    for name, mask in masks.items():
        _outline(picture, (mask[pick] & inside)[::-1], size, _COLOURS[name])
    for level in anatomy.levels:
        k = float(frame.to_index(level.centre_mm)[0])
        y = round((frame.shape[0] - 0.5 - k) * frame.spacing_mm[0] * _STRIP_ZOOM)
        _write(picture, level.name, (3, y + 5), 0.45)
    return picture


def _tile(volume: Volume, anatomy: Anatomy, masks: dict[str, Mask], low: float, high: float, s_mm: float, name: str) -> Picture:
    """An axial cut around the canal at a place along it."""
    frame, canal = volume.frame, anatomy.canal
    at = int(np.abs(canal.s_mm - s_mm).argmin())
    k, j, i = (int(n) for n in np.rint(frame.to_index(canal.centreline_mm[at])))
    k = min(max(k, 0), frame.shape[0] - 1)
    half = [round(_TILE_MM / 2 / step) for step in frame.spacing_mm[1:]]
    rows = np.arange(j - half[0], j + half[0] + 1)[:, None]
    columns = np.arange(i - half[1], i + half[1] + 1)
    inside = (rows >= 0) & (rows < frame.shape[1]) & (columns >= 0) & (columns < frame.shape[2])
    pick = (k, np.clip(rows, 0, frame.shape[1] - 1), np.clip(columns, 0, frame.shape[2] - 1))
    image = np.where(inside, volume.voxels[pick] * np.float32(volume.slope) + np.float32(volume.intercept), low)
    side = round(_TILE_MM * _ZOOM)
    picture = _grey(image.astype(np.float32), (side, side), low, high)
    for part, mask in masks.items():
        _outline(picture, mask[pick] & inside, (side, side), _COLOURS[part])
    _write(picture, f"{name}  {canal.area_mm2[at]:.0f} mm2  c {canal.confidence[at]:.2f}", (5, 16), 0.45)
    return picture


def _grey(image: NDArray[np.float32], size: tuple[int, int], low: float, high: float) -> Picture:
    grey = np.clip((image - low) / max(high - low, 1e-6) * 255.0, 0, 255).astype(np.uint8)
    big = cv2.resize(np.ascontiguousarray(grey), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(big, cv2.COLOR_GRAY2BGR), dtype=np.uint8)


def _outline(picture: Picture, mask: Mask, size: tuple[int, int], colour: tuple[int, int, int]) -> None:
    big = cv2.resize(np.ascontiguousarray(mask, dtype=np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
    lines, _ = cv2.findContours(big.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, lines, -1, colour, 1, cv2.LINE_AA)


def _write(picture: Picture, text: str, at: tuple[int, int], size: float, colour: tuple[int, int, int] = (255, 255, 255)) -> None:
    (wide, tall), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    cv2.rectangle(picture, (at[0] - 2, at[1] - tall - 2), (at[0] + wide + 2, at[1] + base), (0, 0, 0), -1)
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def _tall(picture: Picture, height: int) -> Picture:
    return np.pad(picture, ((0, height - picture.shape[0]), (0, 0), (0, 0)))
