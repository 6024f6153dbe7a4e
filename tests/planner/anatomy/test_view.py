"""What the scan does not show is said to be out of view, in words that name the vertebra and where the scan ends."""

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy import Anatomy, find, out_of_view, shown
from planner.anatomy.labels import LEVELS
from planner.geometry import Frame
from tests.bench.anatomy.otherwise import turn
from tests.data import real
from tests.planner.anatomy.phantoms import found, phantom, true_mask
from tests.planner.anatomy.scans import dicom_volume


def cut_below(anatomy: Anatomy, z_mm: float) -> Anatomy:
    """The same anatomy in a scan whose last slice lies at z_mm: only the frame moves, so a view's reckoning alone is judged."""
    frame = anatomy.frame
    first = int((z_mm - frame.affine[2, 3]) / frame.spacing_mm[0]) + 1
    cropped = frame.crop((first, 0, 0), frame.shape)
    return replace(anatomy, frame=Frame(cropped.shape, cropped.affine), labels=anatomy.labels[first:])


@pytest.mark.parametrize("name", ["T11", "T12", "L1", "L2", "L3", "L4"])
def test_a_vertebra_is_whole_as_long_as_all_of_it_is_in_view(name: str) -> None:
    """Judged by the true voxels: whole with all of them in the scan, in part with the upper half of them, outside with none."""
    index = true_mask(phantom(), f"vertebra {name}").nonzero()[0]
    z = found().frame.to_world([[index.min(), 0, 0], [index.max(), 0, 0]])[:, 2]
    middle = next(level.centre[2] for level in phantom().truth.levels if level.name == name)
    assert shown(cut_below(found(), z[0] - 2.0), name) == "whole"
    assert shown(cut_below(found(), middle), name) == "part"
    above = cut_below(found(), z[1] + 2.0)
    above = replace(above, levels=tuple(level for level in above.levels if level.centre_mm[2] > z[1]))
    if above.levels:
        assert shown(above, name) == "outside"


def test_openings_say_which_vertebra_is_not_in_view() -> None:
    z = next(level.centre[2] for level in phantom().truth.levels if level.name == "L3")
    short = cut_below(found(), z + 20.0)
    short = replace(short, levels=tuple(level for level in short.levels if LEVELS.index(level.name) <= LEVELS.index("L2")))
    assert out_of_view(short, ("L2", "L3")) == "L3 is not in view: the scan ends at L2."
    assert out_of_view(short, ("L3", "L4")) == "L4 is not in view: the scan ends at L2."
    assert out_of_view(short, ("T12", "L1")) is None
    assert out_of_view(short, ("C6", "C7")) == f"C7 is not in view: the scan begins at {short.levels[0].name}."
    assert out_of_view(found(), ("L3", "L4")) is None


@pytest.mark.parametrize(
    ("first", "words"),
    [((-200, -200, -200), "begins in it"), ((0, -200, -200), "ends in it"), ((-100, -200, 0), "is too narrow for it")],
)
def test_where_slices_at_a_slant_cut_a_vertebra_is_said_as_of_straight_ones(first: tuple[int, int, int], words: str) -> None:
    """Slices of 1 mm that nod by 20 degrees and end in the middle of L3. first: their first voxel, counted from there."""
    affine = np.eye(4)
    affine[:3, :3] = turn(0, 20.0)[:, ::-1]
    affine[:3, 3] = next(level.centre_mm for level in found().levels if level.name == "L3") + affine[:3, :3] @ first
    cut = replace(found(), field=Frame((201, 401, 401), affine))
    assert shown(cut, "L3") == "part"
    assert out_of_view(cut, ("L2", "L3")) == f"L3 is not wholly in view: the scan {words}."


def test_a_vertebra_that_the_program_missed_is_not_called_out_of_view() -> None:
    missed = replace(found(), levels=tuple(level for level in found().levels if level.name[0] != "S" and level.name != "L5"))
    assert shown(missed, "L5") == "not found"
    assert out_of_view(missed, ("L4", "L5")) == "L5 was not found, though its place lies in the scan."


def test_without_levels_nothing_is_known_to_be_in_view() -> None:
    bare = replace(found(), levels=())
    assert shown(bare, "L4") is None
    assert "no level is known" in (out_of_view(bare, ("L4", "L5")) or "")


@pytest.mark.real
def test_the_neck_scan_ends_in_c7() -> None:
    """Below the dens five discs are seen, some 19 mm apart, the last of them C6-C7 about 15 mm above the lowest slice."""
    neck = find(dicom_volume(real("cervical-ct") / "dicom"))
    assert [shown(neck, name) for name in ("C2", "C6", "C7", "T1")] == ["whole", "whole", "part", "outside"]
    assert out_of_view(neck, ("C7", "T1")) == "T1 is not in view: the scan ends at C7."
    assert out_of_view(neck, ("C6", "C7")) == "C7 is not wholly in view: the scan ends in it."
