"""Parameters, sameness, and the example on disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from planner.geometry import read_nifti
from planner.phantom import Phantom, PhantomParameters, build, write_example
from planner.progress import Cancelled
from planner.refusal import Refusal
from tests.planner.phantom.looking import canal, centre, level, marked

COARSE = (2.5, 2.5, 2.5)


@pytest.mark.parametrize(
    "wrong",
    [{"size": 0.5}, {"lordosis": float("nan")}, {"scoliosis_deg": 90}, {"body_mass_index": 80},
     {"seed": -1}, {"seed": 1.5}, {"leak": "lateral"}, {"modality": "pet"}, {"spacing_mm": (1, 1)}, {"spacing_mm": (0.0, 1, 1)},
     {"stenosis": {"L4-L6": 0.5}}, {"stenosis": {"L4-L5": 0.0}}, {"position":"sitting"}],
)
def test_no_such_patient(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"The|disc"):
        PhantomParameters(**wrong)


def test_the_same_parameters_give_the_same_voxels_and_another_seed_does_not(coarse: Phantom) -> None:
    again = build(coarse.parameters)
    assert np.array_equal(again.volume.voxels, coarse.volume.voxels) and np.array_equal(again.labels, coarse.labels)
    assert again.truth == coarse.truth
    other = build(PhantomParameters(spacing_mm=(2.0, 2.0, 2.0), seed=2))
    assert other.truth.levels != coarse.truth.levels


def test_the_scan_reaches_from_t9_to_s3_and_shows_the_whole_trunk(coarse: Phantom) -> None:
    assert [v.name for v in coarse.truth.levels] == ["T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1", "S2", "S3"]
    body = coarse.labels > 0
    assert not body[:, :, [0, -1]].any() and not body[:, [0, -1], :].any()
    assert coarse.volume.frame.is_axial and coarse.volume.voxels.dtype == np.int16 and coarse.labels.dtype == np.uint8
    assert set(np.unique(coarse.labels)) - {0} <= set(coarse.label_names)


def test_noise_is_that_of_a_scanner(coarse: Phantom) -> None:
    blood = coarse.volume.voxels[marked(coarse, "aorta")]
    spread = 1.4826 * np.median(np.abs(blood - np.median(blood)))  # the vessel's edge does not count
    assert 12 <= spread <= 25
    assert np.median(blood) == pytest.approx(40, abs=8)


def test_size_scales_the_patient() -> None:
    small, large = (build(PhantomParameters(size=s, spacing_mm=COARSE)) for s in (0.9, 1.1))
    length = [np.linalg.norm(level(p, "T10") - level(p, "L5")) for p in (small, large)]
    assert length[1] / length[0] == pytest.approx(1.1 / 0.9, rel=0.01)


def test_lordosis_bends_the_spine() -> None:
    def angle(p: Phantom) -> float:
        lower, upper = level(p, "L5") - level(p, "S1"), level(p, "L1") - level(p, "L2")
        return float(np.degrees(np.arccos(lower @ upper / np.linalg.norm(lower) / np.linalg.norm(upper))))

    flat, curved = (build(PhantomParameters(lordosis=k, spacing_mm=COARSE)) for k in (0.6, 1.2))
    assert angle(curved) > angle(flat) + 12


def test_scoliosis_bends_it_sideways_and_the_canal_follows() -> None:
    phantom = build(PhantomParameters(scoliosis_deg=25, spacing_mm=COARSE))
    ends = (level(phantom, "T9")[0] + level(phantom, "S2")[0]) / 2
    assert level(phantom, "L1")[0] > ends + 8, "convex to the left"
    upper, lower = level(phantom, "T10") - level(phantom, "T11"), level(phantom, "L4") - level(phantom, "L5")
    lean = [np.degrees(np.arctan2(v[0], v[2])) for v in (upper, lower)]
    assert lean[1] - lean[0] == pytest.approx(25, abs=8)
    points = np.array(phantom.truth.centreline)
    index = np.rint(phantom.volume.frame.to_index(points)).astype(int)
    inside = canal(phantom)[tuple(index.T)]
    assert inside[60:-80].mean() > 0.97


def test_stenosis_narrows_the_sac_there() -> None:
    healthy, narrow = (build(PhantomParameters(stenosis=s, spacing_mm=COARSE)) for s in (None, {"L4-L5": 0.4}))

    def sac_mm2(p: Phantom) -> float:
        k = round(float(p.volume.frame.to_index((level(p, "L4") + level(p, "L5")) / 2)[0]))
        return float(marked(p, "thecal sac")[k - 1 : k + 2].sum() / 3 * COARSE[1] * COARSE[2])

    assert sac_mm2(narrow) < 0.6 * sac_mm2(healthy)


def test_body_mass_lies_under_the_skin() -> None:
    def depth_mm(p: Phantom) -> float:
        window = np.array(next(w.centre for w in p.truth.windows if w.between == ("L3", "L4")))
        k, j, i = np.rint(p.volume.frame.to_index(window)).astype(int)
        return float((p.labels[k, j:, i] > 0).sum() * COARSE[1])

    thin, heavy = (depth_mm(build(PhantomParameters(body_mass_index=b, spacing_mm=COARSE))) for b in (21, 36))
    assert 36 < thin < 56 and thin + 8 < heavy < 85


def files(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def example(coarse: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example") / "one"
    write_example(coarse, folder)
    return folder


def test_the_example_gives_the_same_bytes_again(example: Path, coarse: Phantom, tmp_path: Path) -> None:
    write_example(build(coarse.parameters), tmp_path)
    assert files(tmp_path) == files(example)
    assert {p.name for p in example.iterdir()} == {"dicom", "truth.nii.gz", "truth.json"}


def test_other_readers_see_the_same_scan(example: Path, coarse: Phantom) -> None:
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(example / "dicom"))
    image = sitk.ReadImage(names)
    frame = coarse.volume.frame
    assert np.array_equal(sitk.GetArrayFromImage(image), coarse.volume.voxels)
    assert np.allclose(image.GetOrigin(), frame.to_world((0, 0, 0)), atol=1e-3)
    assert np.allclose(image.GetSpacing(), frame.spacing_mm[::-1])
    assert np.allclose(image.GetDirection(), np.eye(3).ravel())
    labels = sitk.ReadImage(str(example / "truth.nii.gz"))
    assert np.allclose(labels.GetOrigin(), frame.to_world((0, 0, 0)), atol=1e-3)
    assert np.array_equal(sitk.GetArrayFromImage(labels), coarse.labels)
    assert read_nifti(example / "truth.nii.gz").problem is None


def test_truth_json_keeps_the_contract(example: Path, coarse: Phantom) -> None:
    truth = json.loads((example / "truth.json").read_text(encoding="utf-8"))
    assert truth["format"] == "duraplan/truth" and truth["version"] == 1
    assert set(truth) == {"format", "version", "labels", "parameters", "levels", "canal", "foramina", "windows", "leaks",
                          "stimulator_leads"}
    assert truth["labels"] == {str(n): name for n, name in coarse.label_names.items()}
    assert len(truth["canal"]["centreline"]) == len(truth["canal"]["area_mm2"])
    assert {tuple(f["between"]) for f in truth["foramina"]} >= {("L4", "L5"), ("L5", "S1")}
    assert {"between", "centre", "height_mm", "width_mm", "tilt_deg"} == set(truth["windows"][0])
    assert {"position", "kind", "level", "side"} == set(truth["leaks"][0])


def test_an_example_is_never_written_over(example: Path, coarse: Phantom) -> None:
    before = files(example)
    with pytest.raises(Refusal, match="already holds"):
        write_example(coarse, example)
    assert files(example) == before


def test_an_interrupted_example_leaves_nothing(coarse: Phantom, tmp_path: Path) -> None:
    def stop(share: float, what: str) -> None:
        if share > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        write_example(coarse, tmp_path / "new", stop)
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(Cancelled):
        write_example(coarse, tmp_path, stop)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_is_no_folder(coarse: Phantom, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(Refusal, match="is a file"):
        write_example(coarse, tmp_path / "taken")


def test_building_reports_and_can_be_cancelled() -> None:
    seen: list[float] = []

    def stop(share: float, what: str) -> None:
        seen.append(share)
        if share > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        build(PhantomParameters(spacing_mm=COARSE), stop)
    assert seen == sorted(seen) and len(seen) > 8


def test_the_cord_lies_in_the_sac_and_the_sac_in_the_canal(coarse: Phantom) -> None:
    assert abs(centre(coarse, marked(coarse, "spinal cord"))[0] - level(coarse, "T12")[0]) < 1.0
