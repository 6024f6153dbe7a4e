"""T1 MR: the dark tube before bright fat is found, told from other weightings, and refused where it is none."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from planner.anatomy import Anatomy, find, labels
from planner.anatomy.mr.t1 import turned_over
from planner.geometry import Floats, Frame, Volume
from planner.phantom import Phantom, PhantomParameters, build
from planner.refusal import Refusal
from tests.data import real
from tests.planner.anatomy.phantoms import dice, guessed, thickened, true_mask
from tests.planner.anatomy.scans import nifti_volume

_SAC = (labels.THECAL_SAC, labels.SPINAL_CORD)
_CANAL = ("epidural space", "thecal sac", "spinal cord")


@cache
def _axial() -> Phantom:
    """In axial slices."""
    return build(PhantomParameters(modality="mr-t1", spacing_mm=(2.0, 1.2, 1.2), leak="sleeve"))


@cache
def _found() -> Anatomy:
    return find(_axial().volume)


def _columns(one: Phantom, width_mm: float, aside_mm: float) -> slice:
    step, middle = one.volume.frame.spacing_mm[2], one.volume.frame.shape[2] // 2
    return slice(middle - round((width_mm / 2 - aside_mm) / step), middle + round((width_mm / 2 + aside_mm) / step))


@cache
def _sagittal() -> tuple[Phantom, slice, Anatomy]:
    """In sagittal slices of 3 mm in a field 96 mm wide and beside the middle, curved, with dark fluid before the sac."""
    one = build(PhantomParameters(modality="mr-t1", spacing_mm=(1.1, 1.1, 1.5), scoliosis_deg=14.0, leak="ventral", seed=3))
    columns = _columns(one, 96.0, 10.0)
    frame = one.volume.frame.crop((0, 0, columns.start), (*one.volume.frame.shape[:2], columns.stop))
    narrow = replace(one.volume, frame=frame, voxels=np.ascontiguousarray(one.volume.voxels[:, :, columns]))
    return one, columns, find(thickened(narrow, (1, 1, 2)))


def _above_the_sacrum(one: Phantom) -> slice:
    bottom = next(level.centre for level in one.truth.levels if level.name == "S1")
    return slice(int(one.volume.frame.to_index(bottom)[0]), None)


def _off_the_middle(one: Phantom, mine: Anatomy) -> Floats:
    line = np.array(one.truth.centreline)
    line = line[line[:, 2] > next(level.centre[2] for level in one.truth.levels if level.name == "S1")]
    return np.array([np.linalg.norm(mine.canal.centreline_mm - place, axis=1).min() for place in line])


def _vertebrae_right(one: Phantom, mine: Anatomy) -> bool:
    """All that are whole in the scan, each where it is and by its name."""
    found = {level.name: level.centre_mm for level in mine.levels}
    true = {level.name: level.centre for level in one.truth.levels if level.name not in ("T9", "S2", "S3")}
    return all(name in found and np.linalg.norm(np.subtract(found[name], place)) < 10.0 for name, place in true.items())


def test_the_phantom_is_the_same_patient_in_other_greys() -> None:
    t1, t2 = (build(PhantomParameters(modality=modality, spacing_mm=(2.5, 2.5, 2.5))) for modality in ("mr-t1", "mr"))
    assert np.array_equal(t1.labels, t2.labels)
    fluid, cord, fat = (float(np.median(t1.volume.voxels[true_mask(t1, name)])) for name in ("thecal sac", "spinal cord", "epidural space"))
    assert fluid < 0.6 * cord < cord < 0.6 * fat


def test_a_scan_is_turned_over_in_shares_of_the_fat_that_is_near() -> None:
    random = np.random.default_rng(3)
    frame, coarse = Frame.axial((9, 12, 7), (1.5, 0.9, 1.1), (3.0, -2.0, 5.0)), Frame.axial((3, 3, 2), (6.0, 6.0, 6.0), (2.0, -1.0, 7.0))
    voxels = random.integers(0, 1200, frame.shape).astype(np.int16)
    fat = Volume(coarse, random.uniform(600.0, 1000.0, coarse.shape).astype(np.float32), "MR")
    turned = turned_over(Volume(frame, voxels, "MR"), fat).voxels
    index = np.stack(np.meshgrid(*(np.arange(n) for n in frame.shape), indexing="ij"), axis=-1)
    bright = ndimage.map_coordinates(fat.voxels, np.moveaxis(coarse.to_index(frame.to_world(index)), -1, 0), order=1, mode="nearest")
    expected = np.interp(voxels / bright, [0.12, 0.35, 0.55, 0.8], [1000.0, 550.0, 150.0, 0.0])
    assert np.abs(turned - expected).max() <= 1.0


def test_the_canal_of_the_phantom_is_found() -> None:
    one, part = _axial(), _above_the_sacrum(_axial())
    assert dice(true_mask(one, *_CANAL)[part], _found().mask(labels.CANAL)[part]) > 0.91
    assert dice(true_mask(one, *_CANAL[1:])[part], _found().mask(_SAC)[part]) > 0.91
    assert _off_the_middle(one, _found()).mean() < 1.0
    assert _vertebrae_right(one, _found())


def test_a_narrow_field_of_thick_sagittal_slices_is_no_obstacle() -> None:
    one, columns, mine = _sagittal()
    part, count = _above_the_sacrum(one), mine.frame.shape[2]
    fine = true_mask(one, *_CANAL)[part, :, columns][:, :, : 2 * count]
    canal = fine.reshape(*fine.shape[:2], count, 2).mean(axis=3) >= 0.5
    assert dice(canal, mine.mask(labels.CANAL)[part]) > 0.86
    assert _off_the_middle(one, mine).mean() < 1.2
    assert _vertebrae_right(one, mine)


def test_it_says_that_it_was_found_on_t1_and_how_much_of_the_sac_was_seen() -> None:
    """Where no fat lies against the sac there is no edge to be seen: fluid, bone and ligament are alike dark."""
    canal, sac = _found().structure("canal"), _found().structure("sac")
    assert canal.provenance == "found"
    assert "Taken for T1" in (canal.problem or "")
    assert "against fat" in (sac.problem or "")
    sections = _found().sac
    assert sections is not None
    assert 0.2 < sections.seen[sections.radius_mm.max(axis=1) > 0].mean() < 0.8


def test_the_cord_is_seen_as_the_bright_core_of_the_dark_fluid() -> None:
    assert dice(true_mask(_axial(), "spinal cord"), _found().mask((labels.SPINAL_CORD,))) > 0.85
    assert _found().structure("cord").provenance == "found"


def test_t2_is_still_taken_for_t2() -> None:
    assert "T1" not in (guessed("mr").structure("canal").problem or "")


@pytest.mark.parametrize(("marrow", "fat"), [(0.23, 0.12), (0.4, 0.45), (0.5, 0.12)])
def test_suppressed_fat_shows_no_tube(marrow: float, fat: float) -> None:
    """Fluid is dark in it as all that lies around it is."""
    one = _axial().volume
    suppressed = np.interp(one.voxels / 1000.0, [0.0, 0.35, 0.5, 1.0, 1.6], [0.0, 0.35, marrow, fat, 1.2 * fat])
    with pytest.raises(Refusal, match="nor T1-weighted with dark fluid before bright fat"):
        find(replace(one, voxels=(1000.0 * suppressed).astype(np.int16)))


def test_noise_and_one_value_are_refused() -> None:
    one = _axial().volume
    noise = np.abs(np.random.default_rng(1).normal(0.0, 300.0, one.frame.shape)).astype(np.int16)
    for voxels in (noise, np.full(one.frame.shape, 400, dtype=np.int16)):
        with pytest.raises(Refusal, match="No spinal canal"):
            find(replace(one, voxels=voxels))


@pytest.mark.real
def test_a_t1_with_dark_bodies_is_refused() -> None:
    """A block of the neck with water alone: the cord is the brightest tube in it, the bodies are as dark as air, and there is no fat."""
    with pytest.raises(Refusal, match="not T2-weighted"):
        find(nifti_volume(real("cervical-mr") / "t1-crop.nii.gz", "MR"))
