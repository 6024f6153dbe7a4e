"""T2 MR: sac, canal and path against the phantom's truth."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from time import process_time

import numpy as np
import pytest

from planner.anatomy import Anatomy, Anchor, find, labels, rename
from planner.phantom import Phantom, PhantomParameters, build
from tests.data import real
from tests.planner.anatomy.phantoms import dice, found, guessed, phantom, true_mask
from tests.planner.anatomy.scans import nifti_volume

_SAC = (labels.THECAL_SAC, labels.SPINAL_CORD)


@cache
def _curved() -> tuple[Phantom, Anatomy]:
    """A scoliosis of 30 degrees."""
    one = build(PhantomParameters(modality="mr", spacing_mm=(1.8, 1.8, 1.8), scoliosis_deg=30.0))
    return one, find(one.volume)


def _above_the_sacrum(one: Phantom) -> slice:
    bottom = next(level.centre for level in one.truth.levels if level.name == "S1")
    return slice(int(one.volume.frame.to_index(bottom)[0]), None)


def test_the_sac_of_the_phantom_is_seen() -> None:
    """In voxels of 1.8 mm; the bench measures finer ones."""
    one = phantom("mr")
    part = _above_the_sacrum(one)
    assert dice(true_mask(one, "thecal sac", "spinal cord")[part], found("mr").mask(_SAC)[part]) > 0.85
    assert found("mr").structure("sac").provenance == "found"


def test_the_wall_of_the_canal_follows_its_corners() -> None:
    one = phantom("mr")
    part = _above_the_sacrum(one)
    canal = true_mask(one, "epidural space", "thecal sac", "spinal cord")
    assert dice(canal[part], found("mr").mask(labels.CANAL)[part]) > 0.89


def test_a_curved_spine_is_followed_wherever_it_lies_in_the_field() -> None:
    one, mine = _curved()
    part = _above_the_sacrum(one)
    assert dice(true_mask(one, "thecal sac", "spinal cord")[part], mine.mask(_SAC)[part]) > 0.8
    line = np.array(one.truth.centreline)
    line = line[line[:, 2] > one.volume.frame.to_world((part.start, 0, 0))[2]]
    apart = [np.linalg.norm(mine.canal.centreline_mm - place, axis=1).min() for place in line]
    assert np.mean(apart) < 1.5


def test_a_narrow_field_beside_the_middle_is_no_obstacle() -> None:
    """90 mm wide, the spine 25 mm from its middle."""
    one = phantom("mr").volume
    middle, step = one.frame.shape[2] // 2, one.frame.spacing_mm[2]
    columns = slice(middle - round(20 / step), middle + round(70 / step))
    frame = one.frame.crop((0, 0, columns.start), (one.frame.shape[0], one.frame.shape[1], columns.stop))
    mine = find(replace(one, frame=frame, voxels=np.ascontiguousarray(one.voxels[:, :, columns])))
    part = _above_the_sacrum(phantom("mr"))
    sac = true_mask(phantom("mr"), "thecal sac", "spinal cord")[part, :, columns]
    assert dice(sac, mine.mask(_SAC)[part]) > 0.8


def test_with_suppressed_fat_the_wall_is_only_modelled() -> None:
    """STIR: epidural fat is as dark as bone, so that no rim can be seen around it."""
    one = phantom("mr").volume
    stir = np.interp(one.voxels, [0, 150, 400, 600, 800, 1000], [0, 150, 300, 150, 500, 1000])
    mine = find(replace(one, voxels=stir.astype(np.int16)))
    assert mine.structure("canal").provenance == "modelled"
    assert "suppressed fat" in (mine.structure("canal").problem or "")
    part = _above_the_sacrum(phantom("mr"))
    assert dice(true_mask(phantom("mr"), "thecal sac", "spinal cord")[part], mine.mask(_SAC)[part]) > 0.75


def test_naming_anew_gives_what_finding_under_that_name_gives() -> None:
    """Without finding it all again: in a moment where no name changes."""
    mine = guessed("mr")
    named = Anchor("L2", mine.levels[-3].centre_mm, "user")
    at_once, anew = find(phantom("mr").volume, named), rename(mine, named)
    assert [level.name for level in anew.levels] != [level.name for level in mine.levels]
    assert [(level.name, level.s_mm) for level in anew.levels] == [(level.name, level.s_mm) for level in at_once.levels]
    assert anew.structures == at_once.structures
    assert np.array_equal(anew.labels, at_once.labels)
    start = process_time()
    same = rename(anew, Anchor(anew.levels[0].name, anew.levels[0].centre_mm, "user"))
    assert process_time() - start < 0.2
    assert same.labels is anew.labels


def test_the_cord_is_seen_down_to_the_conus_which_names_the_vertebrae() -> None:
    one, mine = phantom("mr"), guessed("mr")
    cord = true_mask(one, "spinal cord")
    assert dice(cord, mine.mask((labels.SPINAL_CORD,))) > 0.93
    assert mine.structure("cord").provenance == "found"
    assert mine.sac is not None
    assert mine.sac.conus is not None
    assert mine.sac.conus.provenance == "found"
    low = one.volume.frame.to_world((int(np.flatnonzero(cord.any(axis=(1, 2)))[0]), 0, 0))[2]
    at = int(np.abs(mine.canal.s_mm - mine.sac.conus.s_mm).argmin())
    assert mine.canal.centreline_mm[at, 2] == pytest.approx(low, abs=6.0)
    true = {level.name: level.centre for level in one.truth.levels}
    judged = [level for level in mine.levels if level.name in true and level.name != "S2"]
    assert all(np.linalg.norm(np.subtract(level.centre_mm, true[level.name])) < 8.0 for level in judged)
    assert mine.anchor is not None
    assert mine.anchor.confidence == 0.4


@pytest.mark.real
def test_a_bundle_of_roots_is_not_called_the_end_of_the_cord() -> None:
    """In life roots lie together behind: below the usual end of the cord they look as it does. Names that are confirmed end one doubt."""
    mine = find(nifti_volume(real("lumbar-mr-t2") / "t2.nii.gz", "MR"))
    assert mine.sac is not None
    assert mine.sac.conus is not None
    assert mine.sac.conus.provenance == "modelled"
    assert "lower end was not seen" in (mine.structure("cord").problem or "")
    level = mine.levels[2]
    same = rename(mine, Anchor(level.name, level.centre_mm, "user"))
    assert "not confirmed" in (mine.structure("cord").problem or "")
    assert "not confirmed" not in (same.structure("cord").problem or "")


@pytest.mark.real
def test_a_gradient_echo_is_said_to_be_one() -> None:
    mine = find(nifti_volume(real("lumbar-mr-t2-labelled") / "water-fat-01.nii.gz", "MR"))
    assert "gradient echo" in (mine.structure("canal").problem or "")
    assert "gradient echo" not in (found("mr").structure("canal").problem or "")


@pytest.mark.real
def test_a_gradient_echo_of_the_neck_is_found_around_its_cord() -> None:
    """Muscle is brighter in it than the fluid, and the vessels beside the neck brighter still; the grey cord in brighter fluid tells."""
    folder = real("cervical-mr")
    mine = find(nifti_volume(folder / "gre-mt-axial.nii.gz", "MR"))
    cord = nifti_volume(folder / "gre-mt-axial-cord.nii.gz", "label").voxels > 0
    assert mine.mask(labels.CANAL)[cord].mean() > 0.99
    assert "gradient echo" in (mine.structure("canal").problem or "")
    assert mine.levels == ()  # slices as thick as discs do not show them: no count rather than a wrong one
    assert "not counted" in (mine.structure("levels").problem or "")


@pytest.mark.real
@pytest.mark.parametrize("name", ["case-07-t2", "discs-20-t2"])
def test_the_sac_of_a_real_scan_is_smooth_and_of_a_likely_size(name: str) -> None:
    volume = nifti_volume(real("lumbar-mr-t2-labelled") / f"{name}.nii.gz", "MR")
    mine = find(volume)
    area = mine.mask(_SAC).sum(axis=(1, 2)) * volume.frame.spacing_mm[1] * volume.frame.spacing_mm[2]
    inside = area[area > 0]
    assert 80.0 < np.median(inside) < 330.0
    assert np.percentile(np.abs(np.diff(inside)), 90) < 30.0
