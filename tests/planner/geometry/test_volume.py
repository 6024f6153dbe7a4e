"""Volumes: sampling, the standard frame, NIfTI. A volume is made from a function of the world, so the truth is known everywhere."""

from itertools import permutations, product

import nibabel
import numpy as np
import pytest

from planner.geometry import Frame, Volume, read_nifti, resample, write_nifti


def plane(points):
    """Linear in x, y, z, so that trilinear sampling is exact."""
    return points @ np.array([3.0, -2.0, 5.0]) + 40.0


def volume_of(frame, function=plane, **more):
    index = np.stack(np.meshgrid(*(np.arange(n) for n in frame.shape), indexing="ij"), axis=-1)
    return Volume(frame, function(frame.to_world(index)).astype(np.float32), **more)


def frame_along(order, signs, shape=(5, 6, 7), spacing=(2.0, 1.5, 0.5)):
    affine = np.eye(4)
    affine[:3, :3] = 0
    for index, (world, sign) in enumerate(zip(order, signs)):
        affine[world, index] = sign * spacing[index]
    affine[:3, 3] = (11, -7, 23)
    return Frame(shape, affine)


ORIENTATIONS = list(product(permutations((0, 1, 2)), product((-1, 1), repeat=3)))


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_every_orientation_becomes_axial_without_loss(order, signs):
    volume = volume_of(frame_along(order, signs))
    axial = volume.to_axial()
    assert axial.frame.is_axial
    assert sorted(axial.voxels.ravel()) == sorted(volume.voxels.ravel())
    assert np.allclose(volume_of(axial.frame).voxels, axial.voxels)


@pytest.mark.parametrize("tilt_deg", [-18.5, 0.4, 15.0, 30.0])
def test_a_sheared_scan_is_laid_straight(tilt_deg):
    tilt = np.radians(tilt_deg)
    affine = np.array([[0, 0, 0.5, 3], [0, 0.5 * np.cos(tilt), 0, -4], [2.0, -0.5 * np.sin(tilt), 0, 9], [0, 0, 0, 1.0]])
    volume = volume_of(Frame((20, 40, 30), affine), modality="CT")
    axial = volume.to_axial()
    inside = axial.frame.to_world(np.argwhere(np.ones(axial.frame.shape)))
    inside = inside[volume.frame.contains(inside, margin_mm=0.01)]
    assert len(inside) > 10_000
    assert np.abs(axial.sample(inside) - plane(inside)).max() < 1e-3


def test_outside_a_tilted_ct_is_air():
    affine = np.array([[0, 0, 1.0, 0], [0, 0.9, 0, 0], [2.0, -0.4, 0, 0], [0, 0, 0, 1.0]])
    volume = Volume(Frame((10, 20, 20), affine), np.full((10, 20, 20), 1024, np.int16), "CT", 1.0, -1024.0)
    axial = volume.to_axial()
    assert axial.voxels.dtype == np.int16
    assert set(np.unique(axial.values())) == {-1024.0, 0.0}


def test_outside_is_the_least_that_the_type_holds():
    affine = np.array([[0, 0, 1.0, 0], [0, 0.9, 0, 0], [2.0, -0.4, 0, 0], [0, 0, 0, 1.0]])
    axial = Volume(Frame((5, 9, 9), affine), np.full((5, 9, 9), 900, np.uint16), "CT").to_axial()
    assert set(np.unique(axial.voxels)) == {0, 900}


def test_nearest_keeps_labels():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[2, 1, 3] = 7
    source = Frame.axial((4, 4, 4), (2, 2, 2), (0, 0, 0))
    finer = resample(labels, source, source.with_spacing((1, 1, 1)), 0, nearest=True)
    assert set(np.unique(finer)) == {0, 7}
    assert finer[4, 2, 6] == 7


def test_sampling_is_nan_outside_and_rescaled():
    volume = Volume(Frame.axial((2, 2, 2), (1, 1, 1), (0, 0, 0)), np.full((2, 2, 2), 10, np.int16), slope=2.0, intercept=-5.0)
    assert volume.sample((0.5, 0.5, 0.5)) == 15.0
    assert np.isnan(volume.sample((0.5, 0.5, 3.0)))
    assert volume.to_stored(15.0) == 10.0


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS[::5])
def test_nifti_there_and_back(tmp_path, order, signs):
    volume = volume_of(frame_along(order, signs))
    write_nifti(tmp_path / "a.nii.gz", volume.voxels, volume.frame)
    read = read_nifti(tmp_path / "a.nii.gz")
    assert np.allclose(read.frame.affine, volume.frame.affine, atol=1e-4)
    assert np.array_equal(read.voxels, volume.voxels)


def test_t1_as_nifti_is_what_nibabel_says(tmp_path):
    frame = Frame.axial((5, 210, 110), (2, 0.5, 0.5), (-128, -128, -300))
    write_nifti(tmp_path / "a.nii", np.zeros(frame.shape, np.int16), frame)
    image = nibabel.load(tmp_path / "a.nii")
    assert np.allclose(image.affine @ (100, 200, 10, 1), (78, 28, -280, 1))
    assert image.get_sform(coded=True)[1] == image.get_qform(coded=True)[1] == 1


def test_nifti_without_a_position_says_so(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 3, 3), np.int16), None), tmp_path / "a.nii")
    assert "no orientation" in read_nifti(tmp_path / "a.nii").problem


def test_nifti_whose_positions_differ_says_so(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((3, 3, 3), np.int16), np.eye(4))
    image.set_sform(np.diag([1, 1, 2, 1]), code=1)
    image.set_qform(np.eye(4), code=1)
    nibabel.save(image, tmp_path / "a.nii")
    assert "differ" in read_nifti(tmp_path / "a.nii").problem


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b nonsense", b"text" * 200])
def test_what_is_no_nifti_is_refused_with_a_sentence(tmp_path, content):
    (tmp_path / "a.nii.gz").write_bytes(content)
    with pytest.raises(ValueError, match="not a whole NIfTI"):
        read_nifti(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("damage", ["cut", "flipped", "header"])
def test_a_damaged_nifti_is_refused_with_a_sentence(tmp_path, damage):
    noise = np.random.default_rng(1).integers(0, 1000, (20, 20, 20)).astype(np.int16)
    write_nifti(tmp_path / "a.nii.gz", noise, Frame.axial(noise.shape, (1, 1, 1), (0, 0, 0)))
    content = bytearray((tmp_path / "a.nii.gz").read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[len(content) // 2 :] = bytes(255 - b for b in content[len(content) // 2 :])
    else:
        content[30:60] = b"\xff" * 30
    (tmp_path / "a.nii.gz").write_bytes(content)
    with pytest.raises(ValueError, match="not a whole NIfTI"):
        read_nifti(tmp_path / "a.nii.gz")


def test_beyond_the_slices_of_an_oblique_scan_nothing_is_seen():
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    frame = Frame((6, 20, 9), turned @ Frame.axial((6, 20, 9), (2.0, 1.0, 3.0), (4.0, -5.0, 6.0)).affine)
    volume = volume_of(frame, modality="MR").to_axial()
    assert volume.field == frame
    points = volume.frame.to_world(np.stack(np.meshgrid(*(np.arange(n) for n in volume.frame.shape), indexing="ij"), axis=-1))
    unseen = np.zeros(volume.frame.shape, dtype=bool)
    for part in volume.unseen:
        part.fill(unseen, volume.frame, True)
    index = frame.to_index(points)
    assert np.array_equal(unseen, ((index < -0.5) | (index > np.array(frame.shape) - 0.5)).any(axis=-1))
    assert 0.1 < unseen.mean() < 0.9
    assert np.array_equal(np.isnan(volume.sample(points)), unseen)
    assert np.array_equal(volume.shows(points), frame.contains(points))
    u, v = np.meshgrid(np.arange(-30.0, 31.0), np.arange(-30.0, 31.0))
    middle = volume.frame.centre_mm
    across, down = np.array([[1.0, 0, 0]]), np.array([[0, 1.0, 0]])
    cut = volume.sample_planes(middle[None], across, down, u[None], v[None], -7.0)[0]
    there = volume.sample(middle + u[..., None] * across[0] + v[..., None] * down[0])
    assert np.array_equal(cut == -7.0, np.isnan(there))
    assert np.allclose(cut[cut != -7.0], there[~np.isnan(there)])
