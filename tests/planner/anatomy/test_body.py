"""The skin: cushions and sheets come off, the patient stays whole, and a back pressed flat is said to be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from planner.anatomy import find
from planner.anatomy.body import body_mask, pressed_flat
from planner.anatomy.grid import reduced
from planner.geometry import Frame, Volume
from tests.data import real
from tests.planner.anatomy.phantoms import phantom
from tests.planner.anatomy.scans import nifti_volume


def true_body() -> NDArray[np.bool_]:
    return np.asarray(ndimage.binary_fill_holes(phantom().labels > 0))


def with_cushion(thick_mm: float, slit_mm: float) -> Volume:
    """The phantom with a cushion behind the back: a slit of air between them near the midline, touching the skin at both sides."""
    one = phantom().volume
    voxels = one.voxels.copy()
    step, body = one.frame.spacing_mm[1], true_body()
    skin = body.shape[1] - 1 - body[:, ::-1].argmax(axis=1)
    middle = body.shape[2] // 2
    for k in range(40, 150):
        for i in range(middle - int(90 / step), middle + int(90 / step)):
            apart = 0 if abs(i - middle) * step > 70 else int(slit_mm / step)
            start = int(skin[k, i]) + 1 + apart
            voxels[k, start : start + int(thick_mm / step), i] = 20
    return replace(one, voxels=voxels)


@pytest.mark.parametrize(("thick_mm", "slit_mm"), [(0.0, 0.0), (6.0, 4.0), (10.0, 4.0), (14.0, 5.0)])
def test_a_cushion_that_touches_the_skin_is_no_part_of_the_patient(thick_mm: float, slit_mm: float) -> None:
    search = reduced(with_cushion(thick_mm, slit_mm))
    mask = body_mask(search)
    true = reduced(replace(phantom().volume, voxels=(true_body() * 1000).astype(np.int16))).voxels > 500
    middle, beside = mask.shape[2] // 2, int(60 / search.frame.spacing_mm[2])
    near = slice(middle - beside, middle + beside)
    apart = np.abs(mask[45:145, ::-1, near].argmax(axis=1) - true[45:145, ::-1, near].argmax(axis=1)) * search.frame.spacing_mm[1]
    assert apart.mean() < 0.5
    assert apart.max() < 3.1


def test_crumbs_beside_the_skin_are_no_part_of_the_patient() -> None:
    one = phantom().volume
    voxels = one.voxels.copy()
    body = true_body()
    skin = body.shape[1] - 1 - body[100, ::-1, body.shape[2] // 2].argmax()
    voxels[100:102, skin + 3 : skin + 5, body.shape[2] // 2 : body.shape[2] // 2 + 3] = 100
    mask = body_mask(reduced(replace(one, voxels=voxels)))
    assert ndimage.label(mask)[1] == 1


@pytest.mark.parametrize(
    ("corner", "table", "flat"),
    [(0.0, True, False), (60.0, True, True), (60.0, False, False)],
    ids=["round", "flat on a table", "flat in air"],
)
def test_a_back_is_pressed_flat_where_it_is_flat_and_something_stands_behind_it(corner: float, table: bool, flat: bool) -> None:
    """A trunk that is an ellipse, its back cut off 60 mm from the middle or not."""
    frame = Frame.axial((40, 120, 160), (2.0, 2.0, 2.0), (-159.0, -119.0, 0.0))
    y, x = np.mgrid[0:120, 0:160]
    at_x, at_y = -159.0 + 2 * x, -119.0 + 2 * y
    trunk = (at_x / 140.0) ** 2 + (at_y / 90.0) ** 2 <= 1.0
    if corner:
        trunk &= at_y < corner
    voxels = np.where(trunk, 40, -1000).astype(np.int16)
    if table:
        voxels[(at_y > 104) & (at_y < 112)] = 0
    volume = Volume(frame, np.repeat(voxels[None], 40, axis=0), "CT")
    body = np.repeat(trunk[None], 40, axis=0)
    assert bool(pressed_flat(volume, body, np.zeros(40)).all()) is flat
    assert not pressed_flat(volume, body, np.full(40, np.nan)).any()


@pytest.mark.real
def test_the_buttocks_and_the_upper_back_of_a_patient_on_the_table_are_pressed_flat() -> None:
    skin = find(nifti_volume(real("lumbar-ct-labelled-3mm") / "ct.nii.gz")).structure("skin")
    assert skin.problem is not None and "pressed flat by what it lies on at" in skin.problem
