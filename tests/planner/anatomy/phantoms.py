"""Phantoms of these tests, built once a run."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from planner.anatomy import Anatomy, Anchor, find
from planner.geometry import Frame, Volume
from planner.phantom import Phantom, PhantomParameters, build
from planner.phantom.parameters import ModalityName


@cache
def phantom(modality: ModalityName = "ct") -> Phantom:
    spacing_mm = 1.5 if modality == "ct" else 1.8
    return build(PhantomParameters(modality=modality, spacing_mm=(spacing_mm,) * 3))


@cache
def found(modality: ModalityName = "ct") -> Anatomy:
    """The anatomy with L3 named where it is."""
    one = phantom(modality)
    centre = next(level.centre for level in one.truth.levels if level.name == "L3")
    return find(one.volume, Anchor("L3", centre, "user"))


@cache
def guessed(modality: str = "ct") -> Anatomy:
    """The anatomy with no vertebra named."""
    return find(phantom(modality).volume)


@cache
def mirrored() -> Anatomy:
    """The anatomy of the same patient seen in a mirror: x of everything negated."""
    one = phantom().volume
    frame = one.frame
    affine = frame.affine.copy()
    affine[0, 3] = -(affine[0, 3] + affine[0, 2] * (frame.shape[2] - 1))
    flipped = replace(one, frame=Frame(frame.shape, affine), voxels=np.ascontiguousarray(one.voxels[:, :, ::-1]))
    x, y, z = next(level.centre for level in phantom().truth.levels if level.name == "L3")
    return find(flipped, Anchor("L3", (-x, y, z), "user"))


def thickened(volume: Volume, block: tuple[int, int, int]) -> Volume:
    """The same patient with voxels this many times as long: means of blocks, as a scanner's thicker slices are."""
    count = [size // step for size, step in zip(volume.frame.shape, block)]
    kept = volume.voxels[: count[0] * block[0], : count[1] * block[1], : count[2] * block[2]]
    means = kept.reshape(count[0], block[0], count[1], block[1], count[2], block[2]).mean(axis=(1, 3, 5), dtype=np.float32)
    affine = volume.frame.affine.copy()
    affine[:3, :3] *= np.array(block)
    affine[:3, 3] = volume.frame.to_world((np.array(block) - 1) / 2)
    return replace(volume, frame=Frame((count[0], count[1], count[2]), affine), voxels=np.rint(means).astype(np.int16))


def true_mask(one: Phantom, *names: str) -> NDArray[np.bool_]:
    codes = [code for code, name in one.label_names.items() if name in names]
    return np.isin(one.labels, codes)


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / max(1, int(one.sum()) + int(other.sum())))
