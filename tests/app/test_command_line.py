"""The command line as others call it: exit codes, sentences, silence, and files whole or not at all.

Most of it runs in this process, which is quicker by what Python, Qt and VTK take to start; what only a process can show runs in one.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication

import main
from app.command_line import _with_negative_numbers, parser
from planner.case.case import Case, ScanReference
from planner.case.file import SCHEMA, case_bytes, open_case
from planner.geometry import Frame, read_nifti, write_nifti
from tests.data.coarse import CoarseExample

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Done:
    """How the program ended and what it said."""

    returncode: int
    stdout: str
    stderr: str


def duraplan(*arguments: object) -> Done:
    """Run the program in this process, with its output in a pipe."""
    out, err, handler = io.StringIO(), io.StringIO(), signal.getsignal(signal.SIGTERM)
    argv = ["main.py", *map(str, arguments)]
    try:
        with warnings.catch_warnings(), redirect_stdout(out), redirect_stderr(err), mock.patch.object(sys, "argv", argv):
            code = main.main()
    finally:
        signal.signal(signal.SIGTERM, handler)
    return Done(code, out.getvalue(), err.getvalue())


def process(*arguments: object, folder: Path | None = None) -> Done:
    """Run the program as a user does, with its output in a pipe."""
    command = [sys.executable, str(ROOT / "main.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def scan(coarse_example: CoarseExample) -> Path:
    """The folder of the patient's slices."""
    return coarse_example.trunk


@pytest.fixture(scope="module")
def anchor(coarse_example: CoarseExample) -> list[str]:
    """The option that names L4."""
    return coarse_example.anchor


@pytest.fixture(scope="module")
def asked(coarse_example: CoarseExample) -> list[str]:
    """The options of a plan for the phantom's leak."""
    return [*coarse_example.leak, *coarse_example.anchor]


@pytest.fixture(scope="module")
def planned(scan: Path, asked: list[str], tmp_path_factory: pytest.TempPathFactory, qapp: QApplication) -> Path:
    """A plan. qapp: the sheet is painted with the application that other tests use."""
    out = tmp_path_factory.mktemp("plan") / "out"
    assert duraplan("plan", scan, *asked, "--out", out) == Done(0, "", "")
    return out


# ---- the grammar --------------------------------------------------------------------------------------------------------------------


def test_help_and_version() -> None:
    assert duraplan("--version").stdout.startswith("Duraplan ")
    for verb in ("scan", "anatomy", "plan", "report", "example"):
        done = duraplan(verb, "--help")
        assert done.returncode == 0
        assert f"duraplan {verb}" in done.stdout


def test_main_and_the_grammar_know_the_same_verbs_and_version() -> None:
    import tomllib

    from planner.version import VERSION

    assert tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"] == VERSION
    for verb in main.VERBS:
        assert verb in parser().format_help()
    assert len((ROOT / "main.py").read_text("utf-8").splitlines()) < 30


def test_nothing_heavy_is_imported_for_help() -> None:
    code = (
        "import sys; sys.argv = ['main.py', '--help']; import main\n"
        "try: main.main()\nfinally: print([m for m in ('numpy', 'numba', 'PySide6', 'vtkmodules', 'pydicom') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.rstrip().endswith("[]"), done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate", "x"],
        ["--nonsense"],
        ["plan"],
        ["plan", "x", "--out", "y"],
        ["plan", "x", "--leak", "1,2", "--kind", "ventral", "--out", "y"],
        ["plan", "x", "--leak", "1,2,nan", "--kind", "ventral", "--out", "y"],
        ["plan", "x", "--leak", "1,2,3", "--kind", "lateral", "--out", "y"],
        ["plan", "x", "--leak", "1,2,3", "--leak", "4,5,6", "--kind", "ventral", "--out", "y"],
        ["plan", "x", "--leak", "1,2,3", "--kind", "ventral", "--blood", "-4", "--out", "y"],
        ["plan", "x", "--leak", "1,2,3", "--kind", "ventral", "--position", "upright", "--out", "y"],
        ["plan", "x.duraplan", "--series", "1.2", "--out", "y"],
        ["anatomy", "x", "--anchor", "L9=1,2,3", "--out", "y"],
        ["anatomy", "x", "--anchor", "L4", "--out", "y"],
        ["anatomy", "x", "--anchor", "L4=1,2,3", "--lumbar", "7", "--out", "y"],
        ["anatomy", "x"],
        ["example", "x", "--modality", "pet"],
        ["example", "x", "--spacing", "0.8"],
        ["example", "x", "--spacing", "0,0,0"],
        ["example", "x", "--seed", "-1"],
    ],
)
def test_a_wrong_command_line_is_2_and_writes_nothing(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = duraplan(*arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "duraplan" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_several_leaks_keep_their_own_options_in_order() -> None:
    line = "plan x --leak -1,2,3 --kind ventral --side left --blood 8 --leak 4,-5,6 --kind sleeve --potential --needle 22G-90-chiba --out y"
    options = parser().parse_args(_with_negative_numbers(line.split()))
    assert options.kinds == ["ventral", "sleeve"]
    assert options.leaks == [
        {"position_mm": (-1.0, 2.0, 3.0), "side": "left", "blood": 8.0},
        {"position_mm": (4.0, -5.0, 6.0), "potential": True, "needle": "22G-90-chiba"},
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--lumbar", "6"], "No vertebra is named, so none is counted. Name one vertebra first."),
        (["--anchor", "L6=1,2,3", "--lumbar", "5"], "With the usual vertebrae there is no L6."),
        (["--anchor", "T12=1,2,3", "--thoracic", "11", "--lumbar", "6"], "With 11 thoracic and 6 lumbar vertebrae there is no T12."),
    ],
)
def test_vertebrae_that_cannot_be_counted_so_are_refused_before_the_scan_is_read(options: list[str], said: str, tmp_path: Path) -> None:
    for verb in ("anatomy", "plan"):
        leak = ["--leak", "1,2,3", "--kind", "ventral"] if verb == "plan" else []
        done = duraplan(verb, tmp_path / "no-scan", *options, *leak, "--out", tmp_path / "out")
        assert done.returncode == 1 and said in done.stderr


# ---- the verbs ----------------------------------------------------------------------------------------------------------------------


def test_example_writes_what_the_contract_names_and_the_same_again(tmp_path: Path) -> None:
    out = tmp_path / "example"
    for _ in range(2):  # the second replaces the first
        assert duraplan("example", out, "--spacing", "4,4,4") == Done(0, "", "")
        assert sorted(entry.name for entry in out.iterdir()) == ["dicom", "truth.json", "truth.nii.gz"]
    truth = json.loads((out / "truth.json").read_text("utf-8"))
    assert {"format", "version", "labels", "parameters", "levels", "canal", "foramina", "windows", "leaks"} <= set(truth)
    assert (truth["format"], truth["version"]) == ("duraplan/truth", 1)
    assert list(truth["leaks"][0]) == ["position", "kind", "level", "side"]
    assert read_nifti(out / "truth.nii.gz").frame.shape[0] == len(list((out / "dicom").iterdir()))


def test_example_replaces_nobody_elses_scans(tmp_path: Path) -> None:
    (tmp_path / "dicom").mkdir()
    (tmp_path / "dicom" / "only copy").write_text("a patient's")
    refused(duraplan("example", tmp_path, "--spacing", "4,4,4"), "is no example of Duraplan")
    assert (tmp_path / "dicom" / "only copy").read_text() == "a patient's"


def test_scan_as_json_has_every_key_and_no_patient(scan: Path) -> None:
    done = process("scan", scan, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    made = json.loads(done.stdout)
    assert list(made) == ["format", "version", "series", "skipped", "skipped_count"]
    (series,) = made["series"]
    assert list(series) == [
        *("uid", "part", "description", "modality", "plane", "slices", "size", "spacing_mm", "extent_mm", "verdict", "reasons", "repairs"),
    ]
    assert (series["verdict"], series["plane"]) == ("good", "axial")
    assert "patient" not in done.stdout.lower()
    assert "patient" in duraplan("scan", scan, "--json", "--identify").stdout


def test_json_is_utf8_whatever_the_locale_says(scan: Path, tmp_path: Path) -> None:
    from pydicom import dcmread

    for path in sorted(scan.iterdir())[:4]:
        header = dcmread(path)
        header.SpecificCharacterSet, header.SeriesDescription = "ISO_IR 192", "Wirbelsäule 脊椎"
        header.save_as(tmp_path / path.name)
    command = [sys.executable, str(ROOT / "main.py"), "scan", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, timeout=120, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.decode("utf-8"))["series"][0]["description"] == "Wirbelsäule 脊椎"


def test_anatomy_writes_labels_on_the_grid_of_the_scan(
    coarse_example: CoarseExample, scan: Path, anchor: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "anatomy"
    assert duraplan("anatomy", scan, *anchor, "--out", out) == Done(0, "", "")
    assert sorted(entry.name for entry in out.iterdir()) == ["anatomy.json", "labels.json", "labels.nii.gz"]
    labels, true = read_nifti(out / "labels.nii.gz"), read_nifti(coarse_example.folder / "truth.nii.gz")
    assert labels.frame.shape == (len(list(scan.iterdir())), *true.frame.shape[1:])
    first = np.rint(true.frame.to_index(labels.frame.to_world((0, 0, 0)))).astype(int)
    stop = first + labels.frame.shape
    assert np.allclose(labels.frame.affine, true.frame.crop(first.tolist(), stop.tolist()).affine, atol=1e-3)
    made = json.loads((out / "anatomy.json").read_text("utf-8"))
    assert (made["anchor"]["name"], made["anchor"]["by"]) == ("L4", "user")


def test_plan_writes_its_four_files_and_nothing_else(planned: Path) -> None:
    assert sorted(entry.name for entry in planned.iterdir()) == ["case.duraplan", "plan.json", "report.html", "report.pdf"]
    made = json.loads((planned / "plan.json").read_text("utf-8"))
    assert made["format"] == "duraplan/plan"
    assert open_case(planned / "case.duraplan").sites[0].leak.kind == made["leaks"][0]["kind"] == "dorsal"
    assert (planned / "report.pdf").read_bytes().startswith(b"%PDF")
    assert "Phantom" in (planned / "report.html").read_text("utf-8")


def test_a_case_gives_the_same_plan_again(planned: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    done = duraplan("plan", planned / "case.duraplan", "--out", again)
    assert done.returncode == 0, done.stderr
    assert json.loads((again / "plan.json").read_text("utf-8")) == json.loads((planned / "plan.json").read_text("utf-8"))
    assert open_case(again / "case.duraplan") == open_case(planned / "case.duraplan")


def test_report_writes_the_sheet_of_a_case_and_no_library_says_a_word(planned: Path, tmp_path: Path) -> None:
    assert process("report", planned / "case.duraplan", "--out", tmp_path / "sheet") == Done(0, "", "")
    assert sorted(entry.name for entry in (tmp_path / "sheet").iterdir()) == ["report.html", "report.pdf"]


# ---- bad input ----------------------------------------------------------------------------------------------------------------------


def refused(done: Done, words: str) -> None:
    """One line on stderr that says what, and nothing else."""
    assert done.returncode == 1, done.stderr
    assert words in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert "Traceback" not in done.stderr


def test_empty_folder_and_folder_of_text_files(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("not a scan")
    refused(duraplan("scan", tmp_path / "empty"), "empty")
    refused(duraplan("scan", tmp_path / "text", "--json"), "no")
    refused(duraplan("plan", tmp_path / "text", "--leak", "1,2,3", "--kind", "ventral", "--out", tmp_path / "out"), "no")
    assert not (tmp_path / "out").exists()


def test_one_slice_and_a_truncated_one(scan: Path, tmp_path: Path) -> None:
    one = sorted(scan.iterdir())[0]
    (tmp_path / "one").mkdir()
    shutil.copy(one, tmp_path / "one")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / one.name).write_bytes(one.read_bytes()[:2000])
    for folder in ("one", "cut"):
        done = duraplan("anatomy", tmp_path / folder, "--out", tmp_path / "out")
        refused(done, ".")
        assert not (tmp_path / "out").exists()


def test_a_leak_outside_the_canal(scan: Path, asked: list[str], tmp_path: Path) -> None:
    x, y, z = (float(value) for value in asked[1].split(","))
    done = duraplan("plan", scan, "--leak", f"{x},{y + 60},{z}", *asked[2:], "--out", tmp_path / "out")
    refused(done, "outside the spinal canal")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace(f'"version": {SCHEMA}', f'"version": {SCHEMA + 7}'), "newer Duraplan"),
        (lambda text: text[: len(text) // 2], "damaged"),
        (lambda text: text.replace('"notes": ""', '"notes": "forged"'), "checksum"),
        (lambda text: "hello", "damaged"),
    ],
)
def test_bad_case_files(tmp_path: Path, change, words: str) -> None:
    path = tmp_path / "case.duraplan"
    path.write_text(change(case_bytes(Case(), tmp_path).decode()), "utf-8")
    refused(duraplan("plan", path, "--out", tmp_path / "out"), words)
    assert [entry.name for entry in tmp_path.iterdir()] == ["case.duraplan"]


def test_a_case_whose_scan_has_moved(tmp_path: Path) -> None:
    case = Case(scan=ScanReference(str(tmp_path / "gone"), "1.2", 0, (1, 2, 3), "abc"))
    path = tmp_path / "case.duraplan"
    path.write_bytes(case_bytes(case, tmp_path))
    refused(duraplan("plan", path, "--out", tmp_path / "out"), "not at")


def test_a_scan_that_is_another_now(planned: Path, scan: Path, tmp_path: Path) -> None:
    case = open_case(planned / "case.duraplan")
    assert case.scan is not None
    other = tmp_path / "other"
    shutil.copytree(scan, other)
    sorted(other.iterdir())[-1].unlink()
    path = tmp_path / "case.duraplan"
    path.write_bytes(case_bytes(replace(case, scan=replace(case.scan, path=str(other))), tmp_path))
    refused(duraplan("report", path, "--out", tmp_path / "out"), "not the ones that the case was planned on")
    assert not (tmp_path / "out").exists()


def test_a_label_map_is_taken_in(coarse_example: CoarseExample, scan: Path, tmp_path: Path) -> None:
    """What it holds is imported, and its names need no anchor."""
    done = duraplan("anatomy", scan, "--labels", coarse_example.folder / "truth.nii.gz", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    said = json.loads((tmp_path / "out" / "anatomy.json").read_text("utf-8"))
    assert {said["structures"][name]["provenance"] for name in ("canal", "sac", "levels", "roots")} == {"imported"}
    true = {level["name"]: level["centre"] for level in coarse_example.truth["levels"]}
    centres = {level["name"]: level["centre"] for level in said["levels"]}
    for name in ("L2", "L3", "L4"):
        assert np.linalg.norm(np.subtract(centres[name], true[name])) < 3.0


def test_a_label_map_that_cannot_be_taken_in_is_refused(planned: Path, scan: Path, tmp_path: Path) -> None:
    """Given by the option or by a case."""
    given = tmp_path / "truth.nii.gz"
    refused(duraplan("anatomy", scan, "--labels", given, "--out", tmp_path / "out"), "no label map truth.nii.gz")
    case, path = open_case(planned / "case.duraplan"), tmp_path / "case.duraplan"
    path.write_bytes(case_bytes(replace(case, labels_path=str(given)), tmp_path))
    for verb in ("plan", "report"):
        refused(duraplan(verb, path, "--out", tmp_path / "out"), "no label map truth.nii.gz")
    assert not (tmp_path / "out").exists()


def test_out_is_a_file(scan: Path, asked: list[str], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    refused(duraplan("plan", scan, *asked, "--out", tmp_path / "out"), "is a file, not a folder")
    assert (tmp_path / "out").read_text() == "mine"


@contextmanager
def full_disk() -> Iterator[None]:
    """No file gets longer than 20 kB."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.skipif(sys.platform == "win32", reason="the limit of a file's size is a matter of Unix")
def test_a_full_disk_leaves_the_old_files_as_they_were(planned: Path, scan: Path, anchor: list[str], tmp_path: Path) -> None:
    """planned: what compiles has been compiled, and is not written now."""
    assert planned.exists()
    out = tmp_path / "out"
    out.mkdir()
    (out / "anatomy.json").write_text("the old one")
    with full_disk():
        done = duraplan("anatomy", scan, *anchor, "--out", out)
    refused(done, "is full")
    assert [entry.name for entry in out.iterdir()] == ["anatomy.json"]
    assert (out / "anatomy.json").read_text() == "the old one"


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl+C is sent as a signal")
def test_ctrl_c_is_130_without_a_trace_and_without_files(tmp_path: Path) -> None:
    """Also where the tests run in a shell's background, which hands down that Ctrl+C is to be ignored."""
    out = tmp_path / "out"
    running = subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), "example", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not out.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=60)
    assert (running.returncode, stdout, stderr) == (130, "", "")
    assert not out.exists()


def test_a_reader_that_goes_away_is_no_crash(scan: Path) -> None:
    line = f"{sys.executable} {ROOT / 'main.py'} scan {scan} | true"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr


def test_nifti_goes_the_same_way(scan: Path, anchor: list[str], tmp_path: Path) -> None:
    """A NIfTI of the same patient, feet first: the labels come back on its own grid, flipped as it is."""
    from planner.scan import choose, load, read

    volume = load(choose(read(scan)))
    affine = volume.frame.affine.copy()
    affine[:3, 3] += affine[:3, 0] * (volume.frame.shape[0] - 1)
    affine[:3, 0] *= -1
    write_nifti(tmp_path / "scan.nii.gz", volume.values().astype(np.int16)[::-1], Frame(volume.frame.shape, affine))
    assert duraplan("anatomy", tmp_path / "scan.nii.gz", *anchor, "--out", tmp_path / "out") == Done(0, "", "")
    assert json.loads((tmp_path / "out" / "anatomy.json").read_text("utf-8"))["structures"]["bone"]["provenance"] == "found"  # a CT still
    labels = read_nifti(tmp_path / "out" / "labels.nii.gz")
    assert labels.frame.shape == volume.frame.shape
    assert np.allclose(labels.frame.affine, affine, atol=1e-3)
