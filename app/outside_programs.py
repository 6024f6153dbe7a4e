"""Programs of others that draw label maps of a scan, run as a child process where the user has them; their map comes back as a file.

Nothing of theirs is imported, shipped or downloaded here. What they print tells how far they are; stopping one stops its children too.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.progress import Progress
from planner.refusal import Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from planner.geometry import Volume

_POLL_S = 0.1
_GRACE_S = 2.0  # a program that is asked to stop has this long
_MOST_LOG_BYTES = 4 << 20
_LATEST_BYTES = 8192  # of what is printed between two looks, the end counts
_SHARE = re.compile(r"(?<!\d)(\d{1,3})\s?%")
_PART = re.compile(r"part (\d{1,2}) of (\d{1,2})")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x20-\x7e]")


@dataclass(frozen=True)
class Program:
    """A program and how it is called. command: its name on PATH. module: what `python -m` runs where it is importable. weights: the
    environment variable for the folder of its weights; weights_hold: what that folder must hold. install: how to get it. calls: for each
    modality that it can read the name that its input must have, and its arguments, where `{scan}` and `{out}` stand for paths. result:
    where its map lies, a file or a folder of masks. sends: what it tells its makers, where it does."""

    name: str
    command: str
    module: str
    weights: str
    weights_hold: str
    install: str
    calls: Mapping[str, tuple[str, tuple[str, ...]]]
    result: str
    faster: tuple[str, ...] = ()
    sends: str = ""

    @property
    def modalities(self) -> tuple[str, ...]:
        """What it can read."""
        return tuple(self.calls)


def _total_segmentator(task: str) -> tuple[str, tuple[str, ...]]:
    return "scan.nii.gz", ("-i", "{scan}", "-o", "{out}/map.nii.gz", "--ml", "--task", task)


def _spineps(ending: str, semantic: str, instance: str) -> tuple[str, tuple[str, ...]]:
    return f"sub-scan_{ending}.nii.gz", ("sample", "-i", "{scan}", "-ms", semantic, "-mv", instance, "-iic")


PROGRAMS = (
    Program(
        "TotalSegmentator", "TotalSegmentator", "totalsegmentator.bin.TotalSegmentator", "TOTALSEG_WEIGHTS_PATH", "Dataset*",
        "pip install TotalSegmentator, or the extra [totalsegmentator]",
        {"CT": _total_segmentator("total"), "MR": _total_segmentator("total_mr")}, "map.nii*", ("--fast",),
        "It sends anonymous usage statistics to its makers, and may fetch weights, unless a folder of weights is chosen.",
    ),
    Program(
        "TotalSpineSeg", "totalspineseg", "totalspineseg.inference", "TOTALSPINESEG_DATA", "nnUNet/results/**/Dataset101*",
        "pip install totalspineseg[nnunetv2]", dict.fromkeys(("MR", "CT"), ("scan.nii.gz", ("{scan}", "{out}"))), "step2_output/*.nii.gz",
    ),
    Program(
        "SPINEPS", "spineps", "spineps.entrypoint", "SPINEPS_SEGMENTOR_MODELS", "**/inference_config.json", "pip install spineps",
        {"MR": _spineps("T2w", "t2w", "instance"), "CT": _spineps("ct", "ct", "ct_instance")}, "derivatives_seg/**/*seg-vert_*msk.nii.gz",
    ),
)  # fmt: skip
"""What each wants, from their sources in 2024-2026.
wasserth/TotalSegmentator: bin/TotalSegmentator.py (with --ml the output is a file), config.py (TOTALSEG_WEIGHTS_PATH holds Dataset*, and
TOTALSEG_HOME_DIR/config.json turns usage statistics off), issues 93 and 353 (with neither internet nor weights it ends with an error).
neuropoly/totalspineseg: inference.py (INPUT OUTPUT; TOTALSPINESEG_DATA/nnUNet/results/[release]/Dataset101*; step2_output/INPUT).
Hendrik-code/spineps: entrypoint.py (sample -i -ms -mv -iic; -iic, for our name says nothing of the plane of the slices), seg_run.py (what
it writes; up to 1.x a scan that it does not take ends it with 0 and no map), utils/filepaths.py, unit_tests/test_ct_defaults.py."""


def call_of(program: Program) -> tuple[str, ...] | None:
    """How a program is called here: on PATH, beside this Python, or as a module of it; None where it is not installed."""
    where = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    found = shutil.which(program.command, path=where)
    if found is not None:
        return (found,)
    if importlib.util.find_spec(program.module.partition(".")[0]) is not None:
        return (sys.executable, "-m", program.module)
    return None


def run(program: Program, volume: Volume, kept: Path, weights: Path | None, faster: bool, progress: Progress) -> Path:
    """Run a program on a scan and keep its map at `kept`. weights: the folder of its weights, None for its own.

    A chosen folder of weights is used offline: no weights are fetched into it and, as far as the program lets us, nothing is sent. Returns
    where the map lies, `kept` or beside it a folder of masks. Raises Refusal where the program is missing, fails or leaves no label map of
    this scan, and where the disk is full; the map that was kept before then stays.
    """
    call = call_of(program)
    if call is None:
        raise Refusal(f"{program.name} is not installed here.", f"Install it: {program.install}.")
    if volume.modality not in program.calls:
        raise Refusal(f"{program.name} does not read {volume.modality} scans.", "Run another program.")
    if weights is not None:
        _check_weights(program, weights)
    try:
        with tempfile.TemporaryDirectory(prefix="duraplan-", ignore_cleanup_errors=True) as place:
            return _run_in(Path(place), program, call, volume, kept, weights, faster, progress)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Refusal(f"The disk is full, so {program.name} cannot be run.", "Make room: it needs some gigabytes for its work.") from error


def _check_weights(program: Program, weights: Path) -> None:
    if not weights.is_dir():
        raise Refusal(f"The folder with the weights of {program.name} is gone.", "Choose the folder again.")
    if next(weights.glob(program.weights_hold), None) is None:
        way_out = f"Choose the folder that holds {program.weights_hold}, or let it use its own."
        raise Refusal(f"The folder {weights.name} does not hold the weights of {program.name}.", way_out)


def _run_in(
    folder: Path, program: Program, call: Sequence[str], volume: Volume, kept: Path, weights: Path | None, faster: bool, progress: Progress
) -> Path:
    """Run a program in a folder of its own."""
    from planner.anatomy.imports.given import read_given
    from planner.geometry import write_nifti

    progress(0.0, "Writing the scan")
    name, arguments = program.calls[volume.modality]
    write_nifti(folder / name, _plain(volume), volume.frame)
    words = [one.format(scan=folder / name, out=folder) for one in arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "SPINEPS_NO_CITATION_REMINDER": "1"}
    if weights is not None:
        environment |= {program.weights: str(weights), "TOTALSEG_HOME_DIR": str(_quiet_home(folder))}
    said = _run([*call, *words, *(program.faster if faster else ())], program, folder, environment, progress)
    made = sorted(folder.glob(program.result))
    if not made:
        sentence = f"{program.name} ended without a label map" + (f": {said}" if said else ".")
        raise Refusal(sentence, "Run it on the scan by itself to see why.")
    progress(0.99, "Checking the label map")
    read_given(made[0], volume)
    return _keep(made[0], kept)


def _quiet_home(folder: Path) -> Path:
    """A settings folder for TotalSegmentator in which usage statistics are off."""
    home = folder / "totalsegmentator"
    home.mkdir()
    settings = {"totalseg_id": "", "send_usage_stats": False, "prediction_counter": 0, "statistics_disclaimer_shown": True}
    (home / "config.json").write_text(json.dumps(settings), "utf-8")
    return home


def _keep(made: Path, kept: Path) -> Path:
    """Copy a map to where it stays, whole or not at all; a folder of masks beside `kept`, without its ending."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_name(f"{kept.name}.part")
    try:
        if made.is_dir():
            kept = kept.with_name(kept.name.removesuffix(".nii.gz"))
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(made, part)
            shutil.rmtree(kept, ignore_errors=True)
        else:
            shutil.copyfile(made, part)
        os.replace(part, kept)
    except OSError:
        shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)
        raise
    return kept


def _plain(volume: Volume) -> NDArray[Any]:
    """The scan's values as int16 where they are whole, as every program reads them."""
    import numpy as np

    if (volume.slope, volume.intercept) == (1.0, 0.0):
        return volume.voxels
    values = volume.values()
    whole = np.rint(values)
    fits = bool(np.abs(values - whole).max() < 1e-3 and np.abs(whole).max() <= 32767)
    return whole.astype(np.int16) if fits else values


def _run(call: list[str], program: Program, folder: Path, environment: dict[str, str], progress: Progress) -> str:
    """Run to the end; stop it with all its children where progress says so. Returns its last words."""
    log = folder / "printed.txt"
    with log.open("ab") as printed:
        try:
            child = subprocess.Popen(
                call,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise Refusal(f"{program.name} could not be started.", f"Install it anew: {program.install}.") from error
        share, said, began_s = 0.0, "", time.monotonic()
        try:
            while child.poll() is None:
                share, said = _heard(_latest(log), share, said)
                minutes = int((time.monotonic() - began_s) / 60)
                words = f"{program.name}: {said}" if said else f"{program.name} is running"
                progress(0.01 + 0.97 * share, f"{words} ({minutes} min)" if minutes else words)
                with suppress(subprocess.TimeoutExpired):
                    child.wait(_POLL_S)
        finally:
            _stop(child)
    said = _heard(_latest(log), 0.0, "")[1]
    if child.returncode != 0:
        raise Refusal(
            f"{program.name} failed ({child.returncode})" + (f": {said}" if said else "."),
            "Run it on the scan by itself, or check its folder of weights.",
        )
    return said


def _latest(log: Path) -> str:
    """The end of what was printed; a program that prints without end fills no disk."""
    size = log.stat().st_size
    with log.open("rb") as file:
        file.seek(max(0, size - _LATEST_BYTES))
        text = file.read().decode("utf-8", "replace")
    if size > _MOST_LOG_BYTES:
        os.truncate(log, 0)
    return text


def _heard(text: str, share: float, said: str) -> tuple[float, str]:
    """(share, last words) of what was printed: the last bar's percent, as a share of its part where parts are counted, and the last line
    that is no bar."""
    lines = [" ".join(_CONTROL.sub(" ", line).split()) for line in re.split(r"[\r\n]+", text)]
    shares = [int(number) for line in lines for number in _SHARE.findall(line) if int(number) <= 100]
    spoken = [line for line in lines if line and not _SHARE.search(line)]
    said = spoken[-1][:80] if spoken else said
    counted = _PART.search(said)
    if counted and 0 < int(counted[1]) <= int(counted[2]):  # every part has a bar of its own
        before, parts = int(counted[1]) - 1, int(counted[2])
        return (before + (shares[-1] / 100.0 if shares else 0.0)) / parts, said
    return (shares[-1] / 100.0 if shares else share), said


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End a program and what it started: asked first, then made to."""
    if os.name == "nt":
        if child.poll() is None:
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(child.pid)], capture_output=True, check=False)
            child.wait()
        return
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, sign)  # its own session: what it left running goes with it
        except (ProcessLookupError, PermissionError):
            break
        try:
            child.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            continue
    child.wait()
