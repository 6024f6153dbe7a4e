"""Roots on MR: moved onto the grey disc in their foramen's fat, against the phantom's true ganglia; left as they are where no fat shows."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from planner.anatomy import Anatomy, Anchor, find
from planner.anatomy.mr.roots import see_roots
from planner.anatomy.mr.sac import SeenSac
from planner.anatomy.reformat import curve_through
from planner.anatomy.roots import find_roots
from planner.anatomy.spine import Foramen, Root
from planner.evidence import number
from planner.geometry import Floats, Volume
from planner.phantom import Phantom, PhantomParameters, build
from tests.data import real
from tests.planner.anatomy.phantoms import thickened, true_mask
from tests.planner.anatomy.scans import nifti_volume

_JUDGED = ("T12", "L1", "L2", "L3", "L4", "L5")
_GREY = 300  # of the phantom's root, and of what fills a foramen without fat


@cache
def _phantom() -> Phantom:
    return build(PhantomParameters(modality="mr", spacing_mm=(1.2, 1.0, 1.0), scoliosis_deg=12.0, seed=5))


@cache
def _found() -> Anatomy:
    return find(_phantom().volume)


def _modelled(mine: Anatomy) -> tuple[Root, ...]:
    """The roots before anybody looked for them."""
    assert mine.sac is not None
    return find_roots(_phantom().volume, np.inf, mine.canal, mine.sac.radius_mm, mine.foramina)


@cache
def _ganglia() -> Floats:
    """The middles of the true ganglia, as labelled."""
    parts, count = ndimage.label(true_mask(_phantom(), "ganglion"))
    middles = ndimage.center_of_mass(parts > 0, parts, np.arange(1, count + 1))
    return _phantom().volume.frame.to_world(np.array(middles))


def _through_foramina(mine: Anatomy) -> tuple[Root, ...]:
    return mine.roots[: len(mine.foramina)]


def _off(root: Root) -> float:
    """mm from a root's way to the ganglion that it should go through."""
    return float(np.linalg.norm(root.path_mm[:, None] - _ganglia()[None], axis=2).min())


def _place_in(foramen: Foramen, root: Root, mine: Anatomy) -> tuple[float, float]:
    """Where a root goes through a foramen's middle plane: as shares of the way to its roof or floor, and to its front or back."""
    axis, centre = np.array(foramen.axis), np.array(foramen.centre_mm)
    along = (root.path_mm - centre) @ axis
    n = int(np.abs(along).argmin())
    offset = root.path_mm[n] - centre
    offset = offset - float(offset @ axis) * axis
    back = mine.canal.back[mine.canal.nearest(centre)]
    deep = float(offset @ back)
    return float(np.linalg.norm(offset - deep * back)) / (foramen.height_mm / 2), abs(deep) / (foramen.width_mm / 2)


def _filled(volume: Volume, foramen: Foramen, value: int) -> Volume:
    """The scan with all within 14 mm of a foramen's middle at least as dark as this."""
    box = volume.frame.box_around(np.array([foramen.centre_mm]), 14.0)
    voxels = volume.voxels.copy()
    voxels[box] = np.minimum(voxels[box], value)
    return replace(volume, voxels=voxels)


def test_roots_are_seen_nearer_to_the_true_ganglia_than_they_are_modelled() -> None:
    mine = _found()
    both = zip(_through_foramina(mine), _modelled(mine), strict=True)
    pairs = [(_off(one), _off(before)) for one, before in both if one.provenance == "found"]
    now, before = np.array(pairs).T
    assert len(now) >= 6
    assert np.median(now) < 0.7 * np.median(before)
    assert now.max() < 1.5


def test_what_was_seen_is_said_of_each_root_and_of_all() -> None:
    mine = _found()
    seen = [root for root in mine.roots if root.provenance == "found"]
    assert all(root.level in (*_JUDGED, "S1") for root in seen)
    assert all(number("needles.root_uncertainty_seen_mm") <= root.uncertainty_mm <= 1.0 for root in seen)
    assert f"{len(seen)} of {len(mine.roots)} roots were seen" in (mine.structure("roots").problem or "")
    assert replace(seen[0], spread_mm=0.9).uncertainty_mm == 0.9


def test_no_root_is_moved_out_of_its_foramen() -> None:
    mine = _found()
    for foramen, root in zip(mine.foramina, _through_foramina(mine), strict=True):
        if root.provenance == "found":
            down, deep = _place_in(foramen, root, mine)
            assert np.hypot(down, deep) < 1.0, (root.level, root.side)


def _in_plain_fat(foramen: Foramen, root: Root, mine: Anatomy, back_mm: float) -> Root:
    """What is seen where nothing but fat surrounds a grey root that runs like the modelled one, so far behind the foramen's middle."""
    back = mine.canal.back[mine.canal.nearest(foramen.centre_mm)]
    nearest = root.path_mm[int(np.linalg.norm(root.path_mm - np.array(foramen.centre_mm), axis=1).argmin())]
    shift = (back_mm - float((nearest - np.array(foramen.centre_mm)) @ back)) * back
    box = _phantom().volume.frame.box_around(root.path_mm, 15.0)
    frame = _phantom().volume.frame.crop([part.start for part in box], [part.stop for part in box])
    places = frame.to_world(np.argwhere(np.ones(frame.shape, dtype=bool)))
    away, at = cKDTree(root.path_mm + shift).query(places)
    voxels = np.where(away < root.radius_mm[at], _GREY, 600).astype(np.int16).reshape(frame.shape)
    line = curve_through(mine.canal.centreline_mm, 1.0)
    outline = np.ones((len(mine.canal.centreline_mm), 64))
    sac = SeenSac(line, 8.0 * outline, outline, 1000.0 * outline[:, 0], 0.0)
    return see_roots(Volume(frame, voxels, "MR"), mine.canal, sac, (foramen,), (root,))[0]


@pytest.mark.parametrize(
    ("back_mm", "provenance"), [(-2.0, "found"), (0.0, "found"), (2.0, "found"), (4.2, "modelled"), (-4.2, "modelled")]
)
def test_what_lies_beside_a_foramen_is_not_its_root(back_mm: float, provenance: str) -> None:
    """A foramen 8 mm wide, and something like a root at many places in front of and behind its middle."""
    mine = _found()
    which = next(n for n, root in enumerate(mine.roots) if root.level == "L3" and root.side == "left")
    foramen, before = replace(mine.foramina[which], width_mm=8.0, confidence=0.6), _modelled(mine)[which]
    seen = _in_plain_fat(foramen, before, mine, back_mm)
    assert seen.provenance == provenance
    if provenance == "found":
        assert _place_in(foramen, seen, mine)[1] == pytest.approx(abs(back_mm) / 4.0, abs=0.2)
    else:
        assert np.array_equal(seen.path_mm, before.path_mm)


def test_a_foramen_without_fat_keeps_its_modelled_root() -> None:
    """Its fat as grey as the root, as a narrow foramen is full of disc and joint."""
    mine = _found()
    which = next(n for n, root in enumerate(mine.roots) if root.level == "L3" and root.provenance == "found")
    anew = find(_filled(_phantom().volume, mine.foramina[which], _GREY))
    narrow = next(root for root in anew.roots if (root.level, root.side) == (mine.roots[which].level, mine.roots[which].side))
    assert narrow.provenance == "modelled"
    assert sum(root.provenance == "found" for root in anew.roots) >= 5
    assert f"L3 {narrow.side}" in (anew.structure("roots").problem or "").split("modelled:")[1]


def test_where_all_fat_is_dark_no_root_is_seen() -> None:
    one = _phantom().volume
    stir = np.interp(one.voxels, [0, 150, 400, 600, 800, 1000], [0, 150, 300, 150, 500, 1000])
    assert all(root.provenance == "modelled" for root in find(replace(one, voxels=stir.astype(np.int16))).roots)


def test_slices_of_three_millimetres_are_too_coarse_and_it_says_so() -> None:
    mine = find(thickened(_phantom().volume, (1, 1, 3)))
    assert all(root.provenance == "modelled" for root in mine.roots)
    assert "3.0 mm wide" in (mine.structure("roots").problem or "")


@pytest.mark.real
def test_the_ganglion_that_a_real_scan_shows_as_a_grey_disc_is_seen() -> None:
    """L3 on the left, by eye: the one ganglion of this narrow scan with fat all around it."""
    mine = find(nifti_volume(real("lumbar-mr-t2") / "t2.nii.gz", "MR"), Anchor("L4", (-17.0, 32.0, -493.0), "user"))
    seen = [n for n, root in enumerate(mine.roots) if root.provenance == "found"]
    assert [(mine.roots[n].level, mine.roots[n].side) for n in seen] == [("L3", "left")]
    assert _place_in(mine.foramina[seen[0]], mine.roots[seen[0]], mine)[0] < 0.7
