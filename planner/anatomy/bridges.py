"""What the wall of the canal is made of: bone, ligament that lines it, or a bridge over an opening, of one kind or another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy.spine import ANGLES, Canal

BONE, FLAVUM, FORAMEN, WINDOW, DISC, METAL, OPEN_ARCH = range(7)
"""Bone; the ligamentum flavum, seen against fat, in front of bone; bridges: over a foramen, over the gap between two laminae, over a
disc, beside metal, and where an arch is missing."""

_DIRECTIONS_DEG = np.arange(ANGLES) * 360.0 / ANGLES
_BEHIND = np.abs(_DIRECTIONS_DEG - 90.0) <= 50.0
_ARCH = np.abs(_DIRECTIONS_DEG - 90.0) <= 30.0
_BEFORE = np.abs(_DIRECTIONS_DEG - 270.0) <= 50.0
_OPEN_SHARE = 0.75  # of the directions of an arch are bridged where it is missing
_OPEN_MM = 35  # and over this length: a gap between two laminae is 25 mm at most
_SPLINTERS_MM = 5  # pieces of bone left over so short a way make no arch


def kinds_of(bridged: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(n, ANGLES) uint8: the kind of each bridge by its direction, in sections 1 mm apart; long gaps behind are open arches."""
    usual = np.where(_BEHIND, WINDOW, np.where(_BEFORE, DISC, FORAMEN))
    kinds = np.where(bridged, usual, BONE).astype(np.uint8)
    missing = bridged[:, _ARCH].mean(axis=1) >= _OPEN_SHARE
    missing = ndimage.binary_closing(np.pad(missing, _SPLINTERS_MM), np.ones(_SPLINTERS_MM))[_SPLINTERS_MM:-_SPLINTERS_MM]
    missing = ndimage.binary_opening(missing, np.ones(min(_OPEN_MM, len(missing))))
    kinds[missing[:, None] & bridged & _BEHIND] = OPEN_ARCH
    return kinds


def bridges_of(canal: Canal) -> NDArray[np.uint8]:
    """(n, ANGLES) uint8: the kind of the wall everywhere. Where `bridged` was changed after the kinds were told, it rules."""
    told = canal.bridge
    if told is None or told.shape != canal.bridged.shape:
        return kinds_of(canal.bridged)
    stale = canal.bridged & (told < FORAMEN)
    kinds = np.where(canal.bridged, told, np.where(told == FLAVUM, FLAVUM, BONE))
    return np.where(stale, kinds_of(canal.bridged), kinds).astype(np.uint8)
