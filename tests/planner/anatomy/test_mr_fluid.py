"""Fluid outside the sac on T2, in a straight canal of known shape: what is offered as a hint, what is not, what is not told apart."""

from __future__ import annotations

import numpy as np
import pytest

from planner.anatomy import LeakHint, Structure, find
from planner.anatomy.mr.fluid import relative_to_fluid, see_fluid
from planner.anatomy.mr.sac import SeenSac
from planner.anatomy.outside import hint_words
from planner.anatomy.reformat import curve_through
from planner.anatomy.spine import ANGLES, Canal
from planner.geometry import Floats, Frame, Volume
from tests.data import real
from tests.planner.anatomy.scans import nifti_volume

_STEP_MM, _LENGTH_MM = 0.8, 120.0
_SAC_MM, _WALL_MM = 7.0, 12.0
_FLUID, _FAT, _DARK = 1000.0, 580.0, 60.0


def _scene(fat: float = _FAT, collection: bool = True, dura: bool = True) -> tuple[Volume, Canal, SeenSac, float]:
    """A round sac in a round canal with a crescent of fluid behind it over 40 mm, blurred as a scan is; and the crescent's mL."""
    count = round(60 / _STEP_MM)
    frame = Frame.axial((round(_LENGTH_MM / _STEP_MM), count, count), (_STEP_MM, _STEP_MM, _STEP_MM), (-30.0, -30.0, 0.0))
    across = -30.0 + _STEP_MM * np.arange(count)
    x, y, z = across[None, None, :], across[None, :, None], _STEP_MM * np.arange(frame.shape[0])[:, None, None]
    away = np.hypot(x, y)
    lying = (away > _SAC_MM) & (away < _SAC_MM + 3.0) & (y > 0.6 * away) & (np.abs(z - _LENGTH_MM / 2) < 20.0)
    values = np.where(away < _WALL_MM, fat, _DARK) + 0.0 * z
    values = np.where(lying & collection, _FLUID, values)
    values = np.where(away < _SAC_MM, _FLUID, values)
    if dura:
        values = np.where(np.abs(away - _SAC_MM) < 0.45, 0.6 * values, values)
    noisy = values + np.random.default_rng(3).normal(0.0, 20.0, values.shape)
    line: Floats = np.stack([np.zeros(2), np.zeros(2), np.array([_LENGTH_MM - 4.0, 4.0])], axis=1)
    curve = curve_through(line, 1.0)
    n = len(curve.points_mm)
    round_sac, wall = np.full((n, ANGLES), _SAC_MM), np.full((n, ANGLES), _WALL_MM)
    canal = Canal(curve.points_mm, curve.left, curve.back, wall, wall < 0, wall[:, 0], np.ones(n))
    sac = SeenSac(curve, round_sac, np.ones((n, ANGLES)), np.full(n, _FLUID - _DARK), _DARK)
    return Volume(frame, noisy.astype(np.int16), "MR"), canal, sac, float(lying.sum()) * frame.voxel_ml


def _seen(fat: float = _FAT, collection: bool = True, dura: bool = True) -> tuple[Structure, tuple[LeakHint, ...], Canal, float]:
    volume, canal, sac, true_ml = _scene(fat, collection, dura)
    known, hints = see_fluid(relative_to_fluid(volume, sac), canal, sac.radius_mm, ())
    return known, hints, canal, true_ml


def test_a_crescent_behind_the_sac_is_offered_with_its_place_and_size() -> None:
    known, hints, canal, true_ml = _seen()
    assert known.provenance == "found"
    assert [(hint.place, hint.side, hint.why) for hint in hints] == [("dorsal", "midline", "fluid outside")]
    assert hints[0].volume_ml == pytest.approx(true_ml, rel=0.5)
    assert np.linalg.norm(np.subtract(hints[0].position_mm, (0.0, _SAC_MM, hints[0].position_mm[2]))) < 1.5
    assert hints[0].head_mm[2] == pytest.approx(_LENGTH_MM / 2 + 20.0, abs=5.0)
    assert hints[0].foot_mm[2] == pytest.approx(_LENGTH_MM / 2 - 20.0, abs=5.0)
    assert hint_words(canal, (), hints[0]).endswith("may have leaked.")


def test_fat_alone_is_no_fluid() -> None:
    known, hints, _, _ = _seen(collection=False)
    assert not hints
    assert known.provenance == "found"
    assert (known.problem or "").startswith("None was seen.")


def test_where_fat_is_as_bright_as_fluid_nothing_was_checked() -> None:
    """As on many T2 scans of life."""
    known, hints, _, _ = _seen(fat=0.95 * _FLUID)
    assert not hints
    assert known.provenance == "not checked"


def test_fluid_without_a_dark_line_before_it_is_the_sacs_own() -> None:
    _, hints, _, _ = _seen(dura=False)
    assert not hints


@pytest.mark.real
@pytest.mark.parametrize(
    ("folder", "file"), [("lumbar-mr-t2-labelled", "case-07-t2"), ("lumbar-mr-t2-labelled", "discs-20-t2"), ("lumbar-mr-t2", "t2")]
)
def test_a_real_scan_without_a_collection_gives_no_hint(folder: str, file: str) -> None:
    mine = find(nifti_volume(real(folder) / f"{file}.nii.gz", "MR"))
    assert not mine.leak_hints
