"""The scans of "Must walk": the canal runs over nearly all that is in view, holds the labelled cord, and the levels count right."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from planner.anatomy import Anatomy, Anchor, find, labels, rename
from planner.anatomy.where import explained
from planner.geometry import Volume
from tests.bench.anatomy.otherwise import off_mm, part_of
from tests.data import real
from tests.planner.anatomy.scans import dicom_volume, nifti_volume

pytestmark = pytest.mark.real


@cache
def _anatomy(name: str) -> tuple[Volume, Anatomy]:
    readers = {
        "thoracic-ct": lambda path: dicom_volume(path / "dicom"),
        "cervical-ct": lambda path: dicom_volume(path / "dicom"),
        "lumbar-ct-labelled-3mm": lambda path: nifti_volume(path / "ct.nii.gz"),
        "thoracolumbar-ct-labelled": lambda path: nifti_volume(path / "ct.nii.gz"),
        "lumbar-mr-t2": lambda path: nifti_volume(path / "t2.nii.gz", "MR"),
        "case-07": lambda path: nifti_volume(path / "case-07-t2.nii.gz", "MR"),
        "discs-20": lambda path: nifti_volume(path / "discs-20-t2.nii.gz", "MR"),
        "water-fat-01": lambda path: nifti_volume(path / "water-fat-01.nii.gz", "MR"),
    }
    path: Path = real("lumbar-mr-t2-labelled" if name in ("case-07", "discs-20", "water-fat-01") else name)
    volume = readers[name](path)
    return volume, find(volume)


def _labelled(name: str, file: str) -> tuple[Volume, dict[int, np.ndarray]]:
    there = nifti_volume(real(name) / file, "label")
    values = [int(v) for v in np.unique(there.voxels) if v]
    return there, {v: there.frame.to_world(np.argwhere(there.voxels == v)) for v in values}


@pytest.mark.parametrize(
    ("name", "length_mm"),
    [("thoracic-ct", 85), ("cervical-ct", 115), ("lumbar-ct-labelled-3mm", 190), ("thoracolumbar-ct-labelled", 350),
     ("lumbar-mr-t2", 190), ("case-07", 310), ("discs-20", 190), ("water-fat-01", 190)],
)  # fmt: skip
def test_a_canal_is_followed_over_nearly_all_that_is_in_view(name: str, length_mm: float) -> None:
    """In MR down to the end of the sac, below which case-07 shows the pelvis; in the neck from C1, above which 40 mm show the skull."""
    volume, anatomy = _anatomy(name)
    assert anatomy.canal.s_mm[-1] >= length_mm
    assert name != "cervical-ct" or anatomy.levels[0].s_mm < 15.0
    if volume.modality == "CT":
        assert 120 <= np.median(anatomy.canal.area_mm2) <= 420
    assert np.median(anatomy.canal.confidence) > 0.5
    if name == "thoracic-ct":  # neither the last ribs nor the skull is in view
        assert anatomy.anchor is None and "unknown" in str(anatomy.structure("levels").problem)
    else:
        assert anatomy.anchor is not None and anatomy.anchor.by == "program" and (anatomy.anchor.confidence or 0) < 0.95


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("thoracolumbar-ct-labelled", 0.0, 0.45), ("thoracolumbar-ct-labelled", 0.55, 1.0),
        ("cervical-ct", 0.0, 0.45), ("discs-20", 0.28, 0.72),
    ],
)  # fmt: skip
def test_a_part_of_a_scan_shows_the_same_canal(name: str, first: float, last: float) -> None:
    volume, whole = _anatomy(name)
    less = part_of(volume, first, last)
    part = find(less)
    off = off_mm(part, whole.canal.centreline_mm)
    assert np.median(off) < 0.7
    assert np.percentile(off, 95) < 2.5
    assert len(part.canal.centreline_mm) > 0.85 * less.frame.shape[0] * less.frame.spacing_mm[0]


@pytest.mark.parametrize(
    ("name", "file"), [("lumbar-ct-labelled-3mm", "all-structures.nii.gz"), ("thoracolumbar-ct-labelled", "structures.nii.gz")]
)
def test_the_canal_holds_the_labelled_cord(name: str, file: str) -> None:
    _, anatomy = _anatomy(name)
    there, _points = _labelled(name, file)
    cord = there.voxels == 79
    rows = np.flatnonzero(cord.any(axis=(1, 2)))
    canal = anatomy.mask(labels.CANAL)
    inside = cord[rows] & canal[rows]
    assert inside.sum() / cord[rows].sum() > 0.85  # the labels are a program's, in voxels of up to 3 mm
    apart = []
    for k in rows[::3]:
        if canal[k].any():
            between = np.argwhere(cord[k]).mean(axis=0) - np.argwhere(canal[k]).mean(axis=0)
            apart.append(np.linalg.norm(between * there.frame.spacing_mm[1]))
    assert np.median(apart) < 4.0


@pytest.mark.parametrize(
    ("name", "file", "named"),
    [("lumbar-ct-labelled-3mm", "vertebrae.nii.gz", 29), ("thoracolumbar-ct-labelled", "structures.nii.gz", 34)],
)
def test_naming_one_vertebra_names_the_labelled_ones(name: str, file: str, named: int) -> None:
    volume, guessed = _anatomy(name)
    _, points = _labelled(name, file)
    order = {27 + n: f"L{5 - n}" for n in range(5)} | {32 + n: f"T{12 - n}" for n in range(12)}
    # the labels hold the arch too: the body lies about 12 mm in front of the middle of all of it
    x, y, z = points[named].mean(axis=0)
    anatomy = rename(guessed, Anchor(order[named], (x, y - 12.0, z), "user"))
    for level in anatomy.levels:
        code = next((c for c, n in order.items() if n == level.name), None)
        if code is None or len(points.get(code, ())) < 300:
            continue
        mask = anatomy.mask((labels.vertebra(level.name),))
        index = np.rint(volume.frame.to_index(points[code])).astype(int)
        assert mask[index[:, 0], index[:, 1], index[:, 2]].mean() > 0.3, level.name
        inside = np.linalg.norm(points[code] - level.centre_mm, axis=1).min()
        assert inside < 5.0, level.name


@pytest.mark.parametrize(
    ("name", "vertebra", "centre_mm", "why", "sure"),
    [
        ("thoracolumbar-ct-labelled", "T12", (17, 49, -257), "the last ribs", 0.6),
        ("lumbar-ct-labelled-3mm", "L3", (3, -144, 317), "the wings of the sacrum and the last ribs", 0.8),
        ("cervical-ct", "C2", (247, -285, -165), "the floor of the skull", 0.4),
    ],
)
def test_the_guess_is_right_and_says_why(name: str, vertebra: str, centre_mm: tuple[int, int, int], why: str, sure: float) -> None:
    anatomy = _anatomy(name)[1]
    nearest = min(anatomy.levels, key=lambda level: float(np.linalg.norm(np.subtract(level.centre_mm, centre_mm))))
    assert nearest.name == vertebra
    assert anatomy.anchor is not None and anatomy.anchor.why == why
    assert anatomy.anchor.confidence is not None and sure < anatomy.anchor.confidence < 0.95
    assert f"by {why}" in str(anatomy.structure("levels").problem)


@pytest.mark.parametrize(
    ("name", "file", "out_of_reach"),
    [("lumbar-ct-labelled-3mm", "vertebrae.nii.gz", {"T11"}), ("thoracolumbar-ct-labelled", "structures.nii.gz", {"C5"})],
)
def test_a_click_on_any_labelled_vertebra_names_all_the_same(name: str, file: str, out_of_reach: set[str]) -> None:
    """Also on those that the scan cuts. Of the two out of reach the scan shows 2 mL at most, of a process and a corner."""
    volume, guessed = _anatomy(name)
    _, points = _labelled(name, file)
    order = {26: "S1"} | {27 + n: f"L{5 - n}" for n in range(5)} | {32 + n: f"T{12 - n}" for n in range(12)}
    order |= {44 + n: f"C{7 - n}" for n in range(7)}
    named = {}
    for code, vertebra in order.items():
        if code in points and vertebra not in out_of_reach:
            x, y, z = points[code].mean(axis=0)
            named[vertebra] = tuple(level.name for level in rename(guessed, Anchor(vertebra, (x, y, z), "user")).levels)
    assert len(named) >= 7
    assert len(set(named.values())) == 1, named
    assert volume.frame.contains(guessed.levels[0].centre_mm)


def test_opacified_vessels_are_neither_bone_nor_canal() -> None:
    _, anatomy = _anatomy("thoracolumbar-ct-labelled")
    there, _ = _labelled("thoracolumbar-ct-labelled", "structures.nii.gz")
    aorta = there.voxels == 52
    assert anatomy.mask(labels.CANAL)[aorta].mean() < 0.001
    assert anatomy.mask(labels.VERTEBRAE)[aorta].mean() < 0.02


def test_the_grid_of_the_left_handed_scan_is_not_mirrored() -> None:
    volume, anatomy = _anatomy("thoracolumbar-ct-labelled")
    for foramen in anatomy.foramina:
        at = anatomy.canal.centreline_mm[anatomy.canal.nearest(foramen.centre_mm)]
        assert (foramen.centre_mm[0] - at[0]) * (1 if foramen.side == "left" else -1) > 0
    assert volume.frame.is_axial


def test_foramina_outside_a_narrow_mr_are_said_to_be_missing() -> None:
    """The slab of 38 mm holds the left ones from L2 down; what lies beside it is named, side by side."""
    _, anatomy = _anatomy("lumbar-mr-t2")
    far = [f for f in anatomy.foramina if not anatomy.frame.contains(f.centre_mm, 3.0)]
    assert not far
    assert {f.side for f in anatomy.foramina} == {"left"}
    missing = explained(anatomy, "foramina").problem or ""
    assert missing.startswith("Not found, or outside the scan:") and missing.count("right") == len(anatomy.foramina)
    assert "outside" in (anatomy.structure("skin").problem or "")
    assert anatomy.structure("bone").provenance == "not checked"


@pytest.mark.parametrize("name", ["case-07", "water-fat-01"])
def test_the_bodies_of_mr_are_counted_right(name: str) -> None:
    _, anatomy = _anatomy(name)
    _, points = _labelled("lumbar-mr-t2-labelled", f"{name}-vertebral-bodies.nii.gz")
    apart = []
    for code, place in points.items():
        nearest = min(anatomy.levels, key=lambda level: float(np.linalg.norm(np.subtract(level.centre_mm, place.mean(axis=0)))))
        apart.append(np.linalg.norm(np.subtract(nearest.centre_mm, place.mean(axis=0))))
        assert apart[-1] < 6.5, code
    assert np.median(apart) < 3.5


def test_the_neck_has_seven_evenly_spaced_vertebrae_and_open_upper_windows() -> None:
    _, anatomy = _anatomy("cervical-ct")
    steps = np.diff([level.s_mm for level in anatomy.levels])
    assert [level.name for level in anatomy.levels] == ["C1", "C2", "C3", "C4", "C5", "C6", "C7"]
    assert steps.min() > 13
    assert steps.max() < 23
    assert {"C1-C2", "C2-C3", "C3-C4"} <= {window.level for window in anatomy.windows}


def test_thick_slices_leave_the_lower_windows_open() -> None:
    """Slices of 2.5 mm; the laminae of the eight lowest pairs in view part by 3 mm or more."""
    _, anatomy = _anatomy("thoracolumbar-ct-labelled")
    lowest = [f"{a.name}-{b.name}" for a, b in zip(anatomy.levels[-7:-1], anatomy.levels[-6:])]
    mine = {window.level: window for window in anatomy.windows}
    assert set(lowest) <= set(mine)
    assert min(mine[level].height_mm for level in lowest) > 2.5
    assert all(window.confidence < 0.6 for window in mine.values())


def test_lumbar_windows_are_as_high_as_in_life() -> None:
    _, anatomy = _anatomy("lumbar-ct-labelled-3mm")
    assert len(anatomy.windows) >= 4
    assert all(6.0 < window.height_mm < 18.0 for window in anatomy.windows)


def test_the_lumbar_canal_goes_on_into_the_sacrum() -> None:
    """The hips, which bone encloses too, do not lead it astray: S1 to S3 are counted below L5, and the canal ends behind them."""
    volume, guessed = _anatomy("lumbar-ct-labelled-3mm")
    _, points = _labelled("lumbar-ct-labelled-3mm", "vertebrae.nii.gz")
    x, y, z = points[29].mean(axis=0)
    anatomy = rename(guessed, Anchor("L3", (x, y - 12.0, z), "user"))
    assert anatomy.canal.s_mm[-1] > 240.0
    assert {"L5", "S1", "S2"} <= {level.name for level in anatomy.levels}
    assert "L5-S1" in {window.level for window in anatomy.windows}
    below = anatomy.canal.centreline_mm[anatomy.canal.centreline_mm[:, 2] < points[26].mean(axis=0)[2]]
    assert len(below) > 20
    assert np.ptp(below[:, 0]) < 10.0
    assert volume.frame.contains(below).all()


def test_thoracic_roots_pass_through_soft_tissue_in_their_foramina() -> None:
    volume, anatomy = _anatomy("thoracic-ct")
    for root in anatomy.roots:
        assert np.nanmax(volume.sample(root.path_mm[root.ganglion])) < 200.0, (root.level, root.side)
