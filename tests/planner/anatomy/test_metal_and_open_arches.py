"""Spines that were operated on or are old: metal, missing laminae, bone that hardly shows, and fields that show little else."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy import Anatomy, Anchor, Canal, find, labels, rename
from planner.anatomy.bridges import METAL, OPEN_ARCH, bridges_of
from planner.geometry import Floats, Frame, Volume
from tests.bench.anatomy.patients import with_what_lies_in
from tests.planner.anatomy.phantoms import dice, phantom, true_mask

FIELD_MM = 160.0
OUTSIDE_HU = -3024


def _centre(level: str) -> Floats:
    return np.array(next(one.centre for one in phantom().truth.levels if one.name == level))


def _box() -> tuple[slice, slice, slice]:
    """T12 to S3, 160 mm wide and deep around the canal."""
    frame = phantom().volume.frame
    middle = frame.to_index(_centre("L3") + np.array([0.0, 30.0, 0.0]))
    half = FIELD_MM / 2 / np.array(frame.spacing_mm)
    top, bottom = frame.to_index(_centre("T12"))[0] + 10, frame.to_index(_centre("S3"))[0]
    rows, columns = (slice(int(middle[n] - half[n]), int(middle[n] + half[n])) for n in (1, 2))
    return slice(int(bottom), int(top)), rows, columns


def _cropped(frame: Frame) -> Frame:
    box = _box()
    return frame.crop([part.start for part in box], [part.stop for part in box])


@cache
def _plain() -> Volume:
    volume = phantom().volume
    return replace(volume, frame=_cropped(volume.frame), voxels=volume.voxels[_box()].copy())


@cache
def _room() -> NDArray[np.bool_]:
    """The true canal with the roots that run in it."""
    one = phantom()
    canal = true_mask(one, "epidural space", "thecal sac", "spinal cord")
    return with_what_lies_in(canal, true_mask(one, "nerve root", "ganglion"))[_box()]


def _bone(*levels: str) -> NDArray[np.bool_]:
    return true_mask(phantom(), *(f"vertebra {level}" for level in levels))[_box()]


def _found(volume: Volume) -> Anatomy:
    x, y, z = _centre("L3")
    return find(volume, Anchor("L3", (x, y, z), "user"))


@cache
def _untouched() -> Anatomy:
    return _found(_plain())


def _middle_row(volume: Volume) -> Floats:
    """(slices, 1, 1): the y of the canal's middle in every slice."""
    line = np.array(phantom().truth.centreline)
    line = line[np.argsort(line[:, 2])]
    z = volume.frame.affine[2, 3] + volume.frame.affine[2, 0] * np.arange(volume.frame.shape[0])
    return np.asarray(np.interp(z, line[:, 2], line[:, 1])[:, None, None])


def _with_rod(volume: Volume, start: Floats, end: Floats, radius_mm: float) -> Volume:
    """A rod of metal, brighter than the scanner can write."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in volume.frame.shape), indexing="ij", sparse=True)
    affine = volume.frame.affine
    x, y, z = affine[0, 3] + affine[0, 2] * i, affine[1, 3] + affine[1, 1] * j, affine[2, 3] + affine[2, 0] * k
    along = end - start
    share = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1] + (z - start[2]) * along[2]) / float(along @ along), 0.0, 1.0)
    away = np.sqrt((x - start[0] - share * along[0]) ** 2 + (y - start[1] - share * along[1]) ** 2 + (z - start[2] - share * along[2]) ** 2)
    covered = np.clip(0.5 - (away - radius_mm) / volume.frame.spacing_mm[1], 0.0, 1.0)
    return replace(volume, voxels=np.clip(volume.voxels + covered * 8000.0, -1024, 3071).astype(np.int16))


@cache
def _screwed() -> Anatomy:
    """Pedicle screws of 6 mm in L3, L4 and L5, joined by rods."""
    volume = _plain()
    line = np.array(phantom().truth.centreline)
    for side in (1.0, -1.0):
        heads = []
        for level in ("L3", "L4", "L5"):
            body = _centre(level)
            middle = line[np.abs(line[:, 2] - body[2]).argmin()]
            tip, entry = body + np.array([6.0 * side, -8.0, 6.0]), np.array([body[0] + 21.0 * side, middle[1] + 18.0, body[2] + 8.0])
            volume = _with_rod(volume, tip, entry, 3.0)
            heads.append(entry + np.array([0.0, 4.0, 0.0]))
        for upper, lower in itertools.pairwise(heads):
            volume = _with_rod(volume, upper, lower, 2.75)
    return _found(volume)


@cache
def _opened() -> Anatomy:
    """The laminae and spinous processes of L3 and L4 taken away, muscle in their place."""
    volume = _plain()
    row = _middle_row(volume)
    y = volume.frame.affine[1, 3] + volume.frame.affine[1, 1] * np.arange(volume.frame.shape[1])[None, :, None]
    x = volume.frame.affine[0, 3] + volume.frame.affine[0, 2] * np.arange(volume.frame.shape[2])[None, None, :]
    behind = (y > row + 3.0) & (np.abs(x - _centre("L3")[0]) < 14.0)
    gone = ndimage.binary_dilation(_bone("L3", "L4") & behind) & behind & ~_room()
    voxels = volume.voxels.copy()
    voxels[gone] = np.random.default_rng(0).normal(45.0, 15.0, int(gone.sum()))
    return _found(replace(volume, voxels=voxels))


def _canal(one: Anatomy) -> NDArray[np.bool_]:
    inside = one.mask((*labels.CANAL, labels.NERVE_ROOT, labels.GANGLION))
    return np.asarray(inside & ndimage.binary_dilation(_room(), iterations=4))


def _apart_mm(one: Canal, other: Canal, where: Callable[[Floats], NDArray[np.bool_]]) -> Floats:
    """How far the walls of two canals are from each other at the same heights; the centrelines' own distance counts too."""
    at = [other.nearest(point) for point in one.centreline_mm]
    line = np.linalg.norm((one.centreline_mm - other.centreline_mm[at])[:, :2], axis=1)
    apart = np.abs(one.wall_mm - other.wall_mm[at]) + line[:, None]
    return np.asarray(apart[where(one.centreline_mm[:, 2])])


def _between(upper: str, lower: str) -> Callable[[Floats], NDArray[np.bool_]]:
    return lambda z: (z < _centre(upper)[2]) & (z > _centre(lower)[2])


def test_beside_screws_and_rods_the_wall_stays_within_a_millimetre() -> None:
    apart = _apart_mm(_screwed().canal, _untouched().canal, _between("L2", "S1"))
    assert apart.mean() < 0.5
    assert np.percentile(apart, 95) < 1.5
    assert apart.max() < 3.0
    assert dice(_room(), _canal(_screwed())) > 0.9


def test_the_wall_beside_metal_is_bridged_and_said_to_be_inferred() -> None:
    canal = _screwed().canal
    beside = bridges_of(canal) == METAL
    assert canal.bridged[beside].all()
    heights = canal.centreline_mm[beside.any(axis=1), 2]
    assert heights.max() < _centre("L2")[2]
    assert heights.min() > _centre("S1")[2]
    problem = _screwed().structure("canal").problem or ""
    told = problem[problem.index("Beside metal at") :]
    assert all(level in told for level in ("L3", "L4", "L5"))
    assert "the wall is inferred" in told
    assert "metal" not in (_untouched().structure("canal").problem or "")


def test_without_laminae_the_canal_goes_on_and_its_back_is_where_it_was() -> None:
    open_, whole = _opened().canal, _untouched().canal
    assert abs(len(open_.s_mm) - len(whole.s_mm)) < 10
    apart = _apart_mm(open_, whole, _between("L2", "S1"))
    assert apart.mean() < 0.6
    assert np.percentile(apart, 95) < 2.0
    assert dice(_room(), _canal(_opened())) > 0.9


def test_open_arches_are_named_and_their_names_follow_when_a_vertebra_is_renamed() -> None:
    assert "Open arch at L3, L4:" in (_opened().structure("canal").problem or "")
    assert "Open arch" not in (_untouched().structure("canal").problem or "")
    assert (bridges_of(_opened().canal) == OPEN_ARCH).any()
    x, y, z = _centre("L3")
    renamed = rename(_opened(), Anchor("L2", (x, y, z), "user"))
    assert "Open arch at L2, L3:" in (renamed.structure("canal").problem or "")


def test_porotic_bone_still_shows_its_canal() -> None:
    """Cancellous bone of 60 HU, as soft tissue has, in a thin shell of half the usual density."""
    volume = _plain()
    bone = true_mask(phantom(), *(name for name in phantom().label_names.values() if name.startswith("vertebra ")))[_box()]
    core = ndimage.distance_transform_edt(bone, sampling=volume.frame.spacing_mm) > 2.5
    voxels = volume.voxels.astype(np.float32)
    voxels[core] = np.random.default_rng(0).normal(60.0, 25.0, int(core.sum()))
    shell = bone & ~core & (voxels > 60.0)
    voxels[shell] = 60.0 + 0.45 * (voxels[shell] - 60.0)
    assert dice(_room(), _canal(_found(replace(volume, voxels=np.rint(voxels).astype(np.int16))))) > 0.9


@pytest.mark.parametrize("padding", [None, OUTSIDE_HU])
def test_a_small_round_field_with_padding_around_it_changes_nothing(padding: int | None) -> None:
    """Readers may say that -3024 stands for what lies outside the field, or not."""
    volume = _plain()
    j, i = np.mgrid[0 : volume.frame.shape[1], 0 : volume.frame.shape[2]] * np.reshape(volume.frame.spacing_mm[1:], (2, 1, 1))
    voxels = volume.voxels.copy()
    voxels[:, np.hypot(j - FIELD_MM / 2, i - FIELD_MM / 2) > FIELD_MM / 2] = OUTSIDE_HU
    canal = _found(replace(volume, voxels=voxels, padding=padding)).canal
    assert _apart_mm(canal, _untouched().canal, _between("L1", "S1")).mean() < 0.2
