"""S1 and S2 in the sacral canal: followed as grey discs amid fat, against the phantom's true roots; modelled where no fat shows them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from planner.anatomy import Anatomy, Anchor, find, labels, rename
from planner.anatomy.spine import Root
from planner.geometry import Floats, Volume
from planner.phantom.parameters import ModalityName
from tests.data import real
from tests.planner.anatomy.phantoms import found, mirrored, phantom, thickened, true_mask
from tests.planner.anatomy.scans import nifti_volume

_NAMES = ("S1", "S2")


def _sacral(anatomy: Anatomy) -> dict[tuple[str, str], Root]:
    return {(root.level, str(root.side)): root for root in anatomy.roots if root.level in _NAMES}


def _named(volume: Volume) -> Anatomy:
    centre = next(level.centre for level in phantom().truth.levels if level.name == "L3")
    return find(volume, Anchor("L3", centre, "user"))


def _off(root: Root, anatomy: Anatomy, modality: ModalityName) -> Floats:
    """mm from a root's way in the canal, where the sac is 3 mm away or more, to the middle of what is labelled root around it."""
    one = phantom(modality)
    sac = cKDTree(one.volume.frame.to_world(np.argwhere(true_mask(one, "thecal sac"))))
    places = one.volume.frame.to_world(np.argwhere(true_mask(one, "nerve root", "ganglion")))
    off = []
    for point, along in zip(root.path_mm, np.gradient(root.path_mm, axis=0), strict=True):
        offset = places - point
        offset = offset[(np.abs(offset @ along) < 1.5) & (np.linalg.norm(offset, axis=1) < 5.0)]
        if anatomy.canal.locate(point).inside and len(offset) > 4 and sac.query(point)[0] > 3.0:
            middle = offset.mean(axis=0)
            off.append(float(np.linalg.norm(middle - (middle @ along) * along)))
    return np.array(off)


@pytest.mark.parametrize(("modality", "names"), [("ct", _NAMES), ("mr", ("S1",))])
def test_roots_beside_and_below_the_sac_are_seen_where_the_true_ones_are(modality: ModalityName, names: tuple[str, ...]) -> None:
    mine = found(modality)
    for (name, side), root in _sacral(mine).items():
        if name in names:
            assert root.provenance == "found", (name, side)
            off = _off(root, mine, modality)
            assert len(off) >= 4 and off.mean() < 1.0 and off.max() < 2.0, (name, side)


def test_what_is_only_modelled_is_near_and_says_so() -> None:
    """In voxels of 3 mm nobody looks for them."""
    mine = _named(thickened(phantom().volume, (2, 2, 2)))
    roots = _sacral(mine)
    assert set(roots) == {(name, side) for name in _NAMES for side in ("left", "right")}
    for root in roots.values():
        assert root.provenance == "modelled"
        assert _off(root, mine, "ct").mean() < 3.0


def test_they_run_from_the_sac_through_their_foramen_to_the_front_of_the_sacrum() -> None:
    mine = found()
    canal = mine.canal
    for (name, side), root in _sacral(mine).items():
        sign = 1.0 if side == "left" else -1.0
        first, heart = (canal.nearest(point) for point in (root.path_mm[0], root.path_mm[root.ganglion.start]))
        start, end = root.path_mm[0] - canal.centreline_mm[first], root.path_mm[-1] - canal.centreline_mm[heart]
        assert 0 < sign * float(start @ canal.left[first]) < sign * float(end @ canal.left[heart])
        assert float(end @ canal.back[heart]) < -20.0
        level = next(one for one in mine.levels if one.name == name)
        leaves, ganglion = (float(canal.s_mm[n]) - level.s_mm for n in (first, heart))
        assert leaves < -8.0 and -12.0 < ganglion < 15.0
        assert np.linalg.norm(np.diff(root.path_mm, axis=0), axis=1).max() < 2.0


def test_they_are_roots_in_the_labels_and_never_in_bone_or_sac() -> None:
    mine = found()
    inside = mine.mask((labels.NERVE_ROOT, labels.GANGLION))
    for root in _sacral(mine).values():
        middle = root.path_mm[root.ganglion.start]
        assert inside[tuple(np.rint(mine.frame.to_index(middle)).astype(int))], (root.level, root.side)


def test_a_mirror_shows_them_on_the_other_side() -> None:
    mine, other = _sacral(found()), _sacral(mirrored())
    for name in _NAMES:
        shown = mine[name, "left"].path_mm * np.array([-1.0, 1.0, 1.0])
        away = np.linalg.norm(shown[:, None] - other[name, "right"].path_mm[None], axis=2).min(axis=1)
        assert np.median(away) < 0.7, name


def test_without_fat_they_are_modelled() -> None:
    one = phantom().volume
    soft = np.where((one.voxels > -300) & (one.voxels < 100), 35, one.voxels).astype(np.int16)
    noise = np.random.default_rng(4).normal(0.0, 15.0, soft.shape)
    grey = replace(one, voxels=(soft + np.where(soft == 35, ndimage.gaussian_filter(noise, 0.6) * 2.0, 0.0)).astype(np.int16))
    assert all(root.provenance == "modelled" for root in _sacral(_named(grey)).values())


def test_a_canal_that_ends_above_the_sacrum_has_none() -> None:
    one = phantom().volume
    low = int(one.frame.to_index(next(level.centre for level in phantom().truth.levels if level.name == "L5"))[0]) - 4
    frame = one.frame.crop((low, 0, 0), one.frame.shape)
    assert not _sacral(_named(replace(one, frame=frame, voxels=np.ascontiguousarray(one.voxels[low:]))))


def test_they_are_found_again_under_other_names() -> None:
    mine = found()
    centre = next(level.centre_mm for level in mine.levels if level.name == "L3")
    renamed = rename(mine, Anchor("L4", centre, "user"))
    back = rename(renamed, Anchor("L3", centre, "user"))
    for key, root in _sacral(mine).items():
        assert np.array_equal(root.path_mm, _sacral(back)[key].path_mm)


@pytest.mark.real
@pytest.mark.parametrize("path", ["case-07-t2.nii.gz", "water-fat-01.nii.gz", "discs-20-t2.nii.gz"])
def test_none_is_seen_on_real_scans_that_show_none_to_the_eye(path: str) -> None:
    mine = find(nifti_volume(real("lumbar-mr-t2-labelled") / path, "MR"))
    assert all(root.provenance == "modelled" for root in _sacral(mine).values())
