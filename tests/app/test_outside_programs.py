"""Programs of others as child processes: tiny stand-ins on PATH that draw, hang, fail, or print nonsense."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.outside_programs import PROGRAMS, Program, call_of, run
from app.places import maps_folder
from app.window import Window
from planner.geometry import Volume, read_nifti, write_nifti
from planner.phantom import Phantom, PhantomParameters, build
from planner.progress import Cancelled, silent
from planner.refusal import Refusal
from planner.scan.label_files import read_label_file
from tests.app.conftest import names, offers, press, wait, words

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are scripts with #!")
TOTAL, SPINE, SPINEPS = PROGRAMS


@cache
def patient() -> Phantom:
    return build(PhantomParameters(spacing_mm=(3.0, 3.0, 3.0)))


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for stand-ins, alone on PATH; the true map of the patient as `map.nii.gz` beside them, in the numbers of VerSe."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    one = patient()
    names = [f"{letter}{n}" for letter, count in (("C", 7), ("T", 12), ("L", 5)) for n in range(1, count + 1)]
    verse = np.zeros(one.labels.shape, dtype=np.uint8)
    for code, name in one.label_names.items():
        if name.removeprefix("vertebra ") in names:
            verse[one.labels == code] = names.index(name.removeprefix("vertebra ")) + 1
    write_nifti(folder / "map.nii.gz", verse, one.volume.frame)
    return folder


def stand_in(folder: Path, program: Program, body: str) -> None:
    """A Python script under the program's name. `out` is where its map belongs."""
    path = folder / program.command
    head = "import os, shutil, subprocess, sys, time\nfrom pathlib import Path\nhere = Path(sys.argv[0]).parent\n"
    path.write_text(f"#!{sys.executable}\n{head}{body}\n", "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


DRAW = {
    TOTAL.name: "out = Path(sys.argv[sys.argv.index('-o') + 1])\nshutil.copy(here / 'map.nii.gz', out)",
    SPINE.name: "out = Path(sys.argv[2]) / 'step2_output'\nout.mkdir()\nshutil.copy(here / 'map.nii.gz', out / 'scan.nii.gz')",
    SPINEPS.name: (
        "scan = Path(sys.argv[sys.argv.index('-i') + 1])\nout = scan.parent / 'derivatives_seg' / 'x'\nout.mkdir(parents=True)\n"
        "shutil.copy(here / 'map.nii.gz', out / 'sub-scan_mod-T2w_seg-vert_msk.nii.gz')"
    ),
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_the_map_of_each_program_comes_back(program: Program, on_path: Path, tmp_path: Path) -> None:
    stand_in(on_path, program, DRAW[program.name])
    kept = run(program, patient().volume, tmp_path / "kept" / "map.nii.gz", None, True, silent)
    assert np.array_equal(read_label_file(kept).layers[0], read_label_file(on_path / "map.nii.gz").layers[0])


def test_it_gets_the_scan_in_hounsfield_units_the_task_and_its_weights(on_path: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    (weights / "Dataset291_TotalSegmentator").mkdir(parents=True)
    keep = "settings = Path(os.environ['TOTALSEG_HOME_DIR'], 'config.json').read_text()\n(here / 'settings').write_text(settings)\n"
    keep += "(here / 'words.txt').write_text('|'.join([*sys.argv[1:], os.environ['TOTALSEG_WEIGHTS_PATH']]))\n"
    keep += "shutil.copy(sys.argv[sys.argv.index('-i') + 1], here / 'seen.nii.gz')\n"
    stand_in(on_path, TOTAL, keep + DRAW[TOTAL.name])
    shifted = Volume(patient().volume.frame, (patient().volume.voxels + 1024).astype(np.int16), "CT", 1.0, -1024.0)
    run(TOTAL, shifted, tmp_path / "map.nii.gz", weights, False, silent)
    said = (on_path / "words.txt").read_text().split("|")
    assert said[-1] == str(weights)
    assert said[said.index("--task") + 1] == "total"
    assert "--ml" in said and "--fast" not in said
    assert json.loads((on_path / "settings").read_text())["send_usage_stats"] is False  # whoever chooses weights works offline
    seen = read_nifti(on_path / "seen.nii.gz")
    assert np.array_equal(seen.voxels, patient().volume.voxels)
    assert np.allclose(seen.frame.affine, patient().volume.frame.affine)


def test_what_it_prints_is_its_progress(on_path: Path, tmp_path: Path) -> None:
    bars = "print('Predicting part 1 of 1 ...', flush=True)\nfor n in (10, 55, 90):\n"
    bars += "    sys.stderr.write(f'\\r {n}%|####   | {n}/100'); sys.stderr.flush(); time.sleep(0.4)\n"
    stand_in(on_path, TOTAL, bars + DRAW[TOTAL.name])
    heard: list[tuple[float, str]] = []
    run(TOTAL, patient().volume, tmp_path / "map.nii.gz", None, True, lambda share, what: heard.append((share, what)))
    shares = [share for share, _ in heard]
    assert any(0.5 < share < 0.6 for share in shares)
    assert any("Predicting part 1 of 1" in what for _, what in heard)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at /proc")
@pytest.mark.parametrize("deaf", [False, True], ids=["it listens", "it ignores SIGTERM"])
def test_cancel_ends_a_program_that_hangs_and_its_children(deaf: bool, on_path: Path, tmp_path: Path) -> None:
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " if deaf else ""
    body = f"{ignore or 'pass'}\nchild = subprocess.Popen([sys.executable, '-c', {ignore + 'import time; time.sleep(600)'!r}])\n"
    body += "(here / 'pids').write_text(f'{os.getpid()} {child.pid}')\ntime.sleep(600)"
    stand_in(on_path, TOTAL, body)

    def stop_when_it_runs(share: float, what: str) -> None:
        if (on_path / "pids").exists() and len((on_path / "pids").read_text().split()) == 2:
            time.sleep(0.3)
            raise Cancelled

    with pytest.raises(Cancelled):
        run(TOTAL, patient().volume, tmp_path / "map.nii.gz", None, True, stop_when_it_runs)
    time.sleep(0.1)
    assert not any(alive(int(pid)) for pid in (on_path / "pids").read_text().split())
    assert not (tmp_path / "map.nii.gz").exists()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("print('CUDA is out of memory'); sys.exit(3)", r"failed \(3\): CUDA is out of memory"),
        ("pass", "ended without a label map"),
        ("print('The input does not fit the model')", "ended without a label map: The input does not fit the model"),
        ("sys.stdout.buffer.write(os.urandom(200000)); Path(sys.argv[4]).write_bytes(os.urandom(5000))", "no label map"),
        ("os.kill(os.getpid(), 9)", "failed"),
    ],
    ids=["fails", "draws nothing", "draws nothing and says why", "prints and writes garbage", "is killed"],
)
def test_what_goes_wrong_is_a_sentence_and_the_last_map_stays(body: str, says: str, on_path: Path, tmp_path: Path) -> None:
    stand_in(on_path, TOTAL, body)
    kept = tmp_path / "map.nii.gz"
    kept.write_bytes(b"the map of before")
    with pytest.raises(Refusal, match=says):
        run(TOTAL, patient().volume, kept, None, True, silent)
    assert kept.read_bytes() == b"the map of before"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_folder_without_its_weights_is_refused_before_it_runs(program: Program, on_path: Path, tmp_path: Path) -> None:
    """Else it would fetch gigabytes into the folder that was to make it work offline."""
    stand_in(on_path, program, "(here / 'ran').write_text('')")
    (tmp_path / "weights").mkdir()
    with pytest.raises(Refusal, match=f"does not hold the weights of {program.name}"):
        run(program, patient().volume, tmp_path / "map.nii.gz", tmp_path / "weights", False, silent)
    with pytest.raises(Refusal, match="is gone"):
        run(program, patient().volume, tmp_path / "map.nii.gz", tmp_path / "nowhere", False, silent)
    assert not (on_path / "ran").exists()


def test_one_mask_for_each_structure_comes_back_as_a_folder(on_path: Path, tmp_path: Path) -> None:
    """TotalSegmentator where it does not know --ml: -o is then a folder."""
    body = "import numpy, nibabel\nout = Path(sys.argv[sys.argv.index('-o') + 1])\nout.mkdir()\nmap = nibabel.load(here / 'map.nii.gz')\n"
    body += "values = numpy.asarray(map.dataobj)\nfor n in range(20, 25):\n"
    body += "    mask = nibabel.Nifti1Image((values == n).astype('uint8'), map.affine)\n"
    body += "    nibabel.save(mask, out / f'vertebrae_L{n - 19}.nii.gz')"
    stand_in(on_path, TOTAL, body)
    for _ in range(2):  # the folder of the run before gives way
        kept = run(TOTAL, patient().volume, tmp_path / "kept" / "map.nii.gz", None, True, silent)
        assert kept == tmp_path / "kept" / "map" and len(list(kept.iterdir())) == 5
    assert {path.name for path in kept.parent.iterdir()} == {"map"}


def test_parts_are_counted_and_what_is_silent_says_for_how_long(on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app import outside_programs

    assert outside_programs._heard("Predicting part 3 of 5 ...\n 50%|##", 0.0, "") == (0.5, "Predicting part 3 of 5 ...")
    assert outside_programs._heard("Predicting part 4 of 5 ...\n", 0.5, "") == (pytest.approx(0.6), "Predicting part 4 of 5 ...")
    silent = "time.sleep(1.0)\n"  # in the stand-in: ten looks at its log find nothing new
    stand_in(on_path, TOTAL, silent + DRAW[TOTAL.name])
    heard: list[str] = []
    began = time.monotonic()
    monkeypatch.setattr(outside_programs.time, "monotonic", lambda: began + 200.0 * (time.perf_counter() % 1000.0))
    run(TOTAL, patient().volume, tmp_path / "map.nii.gz", None, True, lambda share, what: heard.append(what))
    assert any("TotalSegmentator is running (" in what and " min)" in what for what in heard)


def test_a_full_disk_is_a_sentence(on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*asked: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    stand_in(on_path, TOTAL, DRAW[TOTAL.name])
    kept = tmp_path / "map.nii.gz"
    kept.write_bytes(b"the map of before")
    monkeypatch.setattr("app.outside_programs.shutil.copyfile", full)
    with pytest.raises(Refusal, match="The disk is full"):
        run(TOTAL, patient().volume, kept, None, True, silent)
    assert kept.read_bytes() == b"the map of before"
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_the_map_of_another_scan_is_refused(on_path: Path, tmp_path: Path) -> None:
    file = read_nifti(on_path / "map.nii.gz")
    write_nifti(on_path / "map.nii.gz", np.roll(file.voxels, 15, axis=2), file.frame)
    stand_in(on_path, TOTAL, DRAW[TOTAL.name])
    with pytest.raises(Refusal, match="does not lie on this scan"):
        run(TOTAL, patient().volume, tmp_path / "map.nii.gz", None, True, silent)


def test_a_program_that_is_not_there_is_told_how_to_get(on_path: Path, tmp_path: Path) -> None:
    assert call_of(SPINEPS) is None
    with pytest.raises(Refusal, match="not installed here") as told:
        run(SPINEPS, patient().volume, tmp_path / "map.nii.gz", None, False, silent)
    assert "pip install spineps" in told.value.way_out


def test_a_flood_of_output_fills_no_disk(on_path: Path, tmp_path: Path) -> None:
    body = "for _ in range(300):\n    sys.stdout.write('x' * 100000 + '\\n'); sys.stdout.flush(); time.sleep(0.002)\n"
    body += "(here / 'size').write_text(str(Path('printed.txt').stat().st_size))\n"
    stand_in(on_path, TOTAL, body + DRAW[TOTAL.name])
    run(TOTAL, patient().volume, tmp_path / "map.nii.gz", None, True, silent)
    assert int((on_path / "size").read_text()) < 30_000_000


# ---- in the window ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def example_on_path(on_path: Path, example: Path) -> Path:
    """The stand-ins' map is the example's truth, without names."""
    file, names = read_nifti(example / "truth.nii.gz"), json.loads((example / "truth.json").read_text("utf-8"))["labels"]
    verse = np.zeros(file.voxels.shape, dtype=np.uint8)
    for code, name in names.items():
        level = name.removeprefix("vertebra ")
        if name != level and level[0] in "TL":
            verse[file.voxels == int(code)] = int(level[1:]) + (7 if level[0] == "T" else 19)
    write_nifti(on_path / "map.nii.gz", verse, file.frame)
    return on_path


def test_the_panel_runs_a_program_and_takes_its_map_in(
    example_on_path: Path, worked: Window, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = worked.session.anatomy.value
    monkeypatch.setattr("planner.anatomy.imports.take_in.find", lambda volume, anchor, progress: seen)
    worked.go_to(1)
    qtbot.wait(60)
    assert not offers(worked, "Run TotalSegmentator")
    assert "TotalSegmentator is not installed here: pip install TotalSegmentator" in words(worked)
    stand_in(example_on_path, TOTAL, "print(' 40%|###', flush=True); time.sleep(1.5)\n" + DRAW[TOTAL.name])
    worked.go_to(0)
    worked.go_to(1)  # what is installed is looked up anew
    wait(qtbot, lambda: offers(worked, "Run TotalSegmentator"))
    press(qtbot, worked, "Run TotalSegmentator")
    wait(qtbot, lambda: "TotalSegmentator" in words(worked) and offers(worked, "Cancel running the program"))
    wait(qtbot, lambda: worked.session.case.labels_path is not None)
    kept = Path(worked.session.case.labels_path or "")
    assert kept.is_file() and kept.is_relative_to(maps_folder())
    assert worked.session.undo_name == "take in a label map"
    assert not offers(worked, "Cancel running the program")


def test_a_program_that_hangs_is_cancelled_in_the_panel(example_on_path: Path, worked: Window, qtbot: QtBot) -> None:
    stand_in(example_on_path, TOTAL, "(here / 'pid').write_text(str(os.getpid())); time.sleep(600)")
    worked.go_to(1)
    wait(qtbot, lambda: offers(worked, "Run TotalSegmentator"))
    press(qtbot, worked, "Run TotalSegmentator")
    wait(qtbot, lambda: (example_on_path / "pid").exists())
    pid = int((example_on_path / "pid").read_text())
    press(qtbot, worked, "Cancel running the program")
    qtbot.waitUntil(lambda: not alive(pid), timeout=5000)
    assert worked.session.case.labels_path is None
    assert offers(worked, "Run TotalSegmentator")


def test_a_program_that_fails_says_so_in_the_panel(example_on_path: Path, worked: Window, qtbot: QtBot) -> None:
    stand_in(example_on_path, TOTAL, "print('no weights found'); sys.exit(2)")
    worked.go_to(1)
    wait(qtbot, lambda: offers(worked, "Run TotalSegmentator"))
    press(qtbot, worked, "Run TotalSegmentator")
    wait(qtbot, lambda: any(name.startswith("Refused: TotalSegmentator failed (2): no weights found") for name in names(worked)))
    assert worked.session.case.labels_path is None
