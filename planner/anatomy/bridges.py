"""What the wall of the canal is made of: bone, ligament that lines it, or a bridge over an opening, of one kind or another.

`kinds_of`, `with_bodies` and `bridges_of` tell it for every direction of every cross-section; `bridges` lists it by level and side,
`wall_at` by place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from planner.anatomy.spine import ANGLES, Anatomy, Canal, Side
from planner.geometry import Floats

BONE, FLAVUM, FORAMEN, WINDOW, DISC, BODY, METAL, OPEN_ARCH, DRAWN, IMPORTED = range(10)
"""Bone; the ligamentum flavum, seen against fat, in front of bone; bridges: over a foramen, over the gap between two laminae, over a
disc, behind a body whose cortex is thin there or let a vein through, beside metal, and where an arch is missing; a wall that a hand has
drawn or a label map has given, of which nobody knows more."""

LETTERS = "BLFWDVMAHI"
"""One for each kind, in files."""

_DIRECTIONS_DEG = np.arange(ANGLES) * 360.0 / ANGLES
_BEHIND = np.abs(_DIRECTIONS_DEG - 90.0) <= 50.0
_ARCH = np.abs(_DIRECTIONS_DEG - 90.0) <= 30.0
_BEFORE = np.abs(_DIRECTIONS_DEG - 270.0) <= 50.0
_OPEN_SHARE = 0.75  # of the directions of an arch are bridged where it is missing
_OPEN_MM = 35  # and over this length: a gap between two laminae is 25 mm at most
_SPLINTERS_MM = 5  # pieces of bone left over so short a way make no arch
AT_BODY = 0.3
"""Of the way to the next vertebra; farther from a body's middle lies the disc between two."""


def kinds_of(bridged: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(n, ANGLES) uint8: the kind of each bridge by its direction, in sections 1 mm apart; long gaps behind are open arches."""
    usual = np.where(_BEHIND, WINDOW, np.where(_BEFORE, DISC, FORAMEN))
    kinds = np.where(bridged, usual, BONE).astype(np.uint8)
    missing = bridged[:, _ARCH].mean(axis=1) >= _OPEN_SHARE
    missing = ndimage.binary_closing(np.pad(missing, _SPLINTERS_MM), np.ones(_SPLINTERS_MM))[_SPLINTERS_MM:-_SPLINTERS_MM]
    missing = ndimage.binary_opening(missing, np.ones(min(_OPEN_MM, len(missing))))
    kinds[missing[:, None] & bridged & _BEHIND] = OPEN_ARCH
    return kinds


def with_bodies(canal: Canal, bodies_mm: Sequence[float]) -> Canal:
    """The canal whose bridges in front are told apart: behind the middle of a body none is a disc's. bodies_mm: where along the canal the
    bodies' middles lie, from its head end; of fewer than two nothing is told."""
    if len(bodies_mm) < 2:
        return canal
    middles, s_mm = np.sort(np.asarray(bodies_mm, dtype=np.float64)), canal.s_mm
    way = np.interp(s_mm, middles, np.arange(len(middles)), left=-1.0, right=-1.0)  # 2.3: three tenths from the third to the fourth
    behind_body = (way >= 0) & (np.abs(way - np.rint(way)) <= AT_BODY)
    kinds = bridges_of(canal)
    kinds[behind_body[:, None] & (kinds == DISC)] = BODY
    return replace(canal, bridge=kinds)


def bridges_of(canal: Canal) -> NDArray[np.uint8]:
    """(n, ANGLES) uint8: the kind of the wall everywhere. Where `bridged` was changed after the kinds were told, it rules."""
    told = canal.bridge
    if told is None or told.shape != canal.bridged.shape:
        return kinds_of(canal.bridged)
    stale = canal.bridged & ((told < FORAMEN) | (told > OPEN_ARCH))
    kinds = np.where(canal.bridged, told, np.where((told >= FORAMEN) & (told <= OPEN_ARCH), BONE, told))
    return np.where(stale, kinds_of(canal.bridged), kinds).astype(np.uint8) if stale.any() else kinds.astype(np.uint8)


# ---- in words, by place and by level ---------------------------------------------------------------------------------------------------

_NAMES = (
    *("bone", "ligamentum flavum", "foramen", "interlaminar window", "disc", "vertebral body"),
    *("metal", "open arch", "drawn by hand", "label map"),
)
_AT = (
    *("", ": ligamentum flavum", " bridged: {side} foramen", " bridged: interlaminar window", " bridged: disc"),
    " bridged: vertebral body",
    *(" inferred beside metal", " inferred where an arch is missing", " drawn by hand", " from the label map"),
)
_NEAR_MM = 1.5  # of the wall: there a pointer is on it
_LEAST_MM2 = 4.0  # a smaller piece of a bridge is not listed


def kind_name(kind: int, modality: str) -> str:
    """What a kind is called; MR does not tell bone from ligament."""
    return "bone or ligament" if kind == BONE and modality == "MR" else _NAMES[kind]


@dataclass(frozen=True)
class WallPlace:
    """A place on the canal's wall: what it is made of there, and on which side it lies."""

    kind: int
    side: Side

    def words(self, modality: str) -> str:
        """`canal wall bridged: left foramen`."""
        if self.kind == BONE:
            return f"canal wall: {kind_name(BONE, modality)}"
        return "canal wall" + _AT[self.kind].format(side=self.side)


def wall_at(canal: Canal, point_mm: ArrayLike) -> WallPlace | None:
    """The canal's wall at an LPS point; None for a point that does not lie on it."""
    if len(canal.centreline_mm) < 2:
        return None
    at, turn, radius_mm = place_around(canal, point_mm)
    if abs(radius_mm - float(canal.wall_mm[at, turn])) > _NEAR_MM:
        return None
    return WallPlace(int(bridges_of(canal)[at, turn]), "left" if np.cos(np.radians(_DIRECTIONS_DEG[turn])) > 0 else "right")


def place_around(canal: Canal, point_mm: ArrayLike) -> tuple[int, int, float]:
    """The cross-section nearest to an LPS point, the nearest of its directions, and the distance from its middle in mm."""
    at = canal.nearest(point_mm)
    offset = np.asarray(point_mm, dtype=np.float64) - canal.centreline_mm[at]
    turn = round(float(np.arctan2(offset @ canal.back[at], offset @ canal.left[at])) / (2 * np.pi) * ANGLES) % ANGLES
    return at, turn, float(np.linalg.norm(offset))


@dataclass(frozen=True)
class Bridge:
    """A part of the wall that is no bone, at one level. between: the vertebrae between whose middles it lies, None beyond the named ones.
    side: of a foramen, else None. s_mm: where it begins and ends, in mm along the canal from its head end; area_mm2: of the wall."""

    kind: int
    between: tuple[str, str] | None
    side: Side | None
    s_mm: tuple[float, float]
    area_mm2: float


def bridges(anatomy: Anatomy) -> tuple[Bridge, ...]:
    """All that bridges the wall or stands for it, head to foot; at each level by kind, left before right."""
    canal, levels = anatomy.canal, anatomy.levels
    if len(canal.centreline_mm) < 2:
        return ()
    kinds, s = bridges_of(canal), canal.s_mm
    patch_mm2 = _areas_mm2(canal)
    place = np.searchsorted([level.s_mm for level in levels], s, side="right")
    left = np.cos(np.radians(_DIRECTIONS_DEG)) > 0
    found = []
    for n in np.unique(place):
        between = (levels[n - 1].name, levels[n].name) if 0 < n < len(levels) else None
        rows = np.flatnonzero(place == n)
        for kind in range(FORAMEN, len(LETTERS)):
            sides: tuple[tuple[Side | None, NDArray[np.bool_]], ...] = ((None, np.ones(ANGLES, dtype=np.bool_)),)
            for side, turned in ((("left", left), ("right", ~left)) if kind == FORAMEN else sides):
                here = (kinds[rows] == kind) & turned
                area_mm2 = float(patch_mm2[rows][here].sum())
                if area_mm2 >= _LEAST_MM2:
                    run = s[rows[here.any(axis=1)]]
                    found.append(Bridge(kind, between, side, (float(run[0]), float(run[-1])), area_mm2))
    return tuple(found)


def _areas_mm2(canal: Canal) -> Floats:
    """(n, ANGLES): how much of the wall each direction of each cross-section stands for."""
    return np.asarray(np.gradient(canal.s_mm)[:, None] * canal.wall_mm * (2 * np.pi / ANGLES))
