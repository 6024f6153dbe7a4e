"""Programs of others that draw label maps of a scan, run as a child process where the user has them; their map comes back as a file.

Nothing of theirs is imported, shipped or downloaded here. What they print tells how far they are; stopping one stops its children too.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
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
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x20-\x7e]")


@dataclass(frozen=True)
class Program:
    """A program and how it is called. command: its name on PATH. module: what `python -m` runs where it is importable. modalities: what it
    can read. weights: the environment variable for the folder of its weights. install: how to get it. scan: the name that it wants its
    input to have. arguments: `{scan}`, `{out}`, `{task}` stand for paths and for the task of the modality. result: where its map lies."""

    name: str
    command: str
    module: str
    modalities: tuple[str, ...]
    weights: str
    install: str
    scan: str
    arguments: tuple[str, ...]
    result: str
    tasks: tuple[tuple[str, str], ...] = ()
    faster: tuple[str, ...] = ()


PROGRAMS = (
    Program(
        "TotalSegmentator", "TotalSegmentator", "totalsegmentator.bin.TotalSegmentator", ("CT", "MR"), "TOTALSEG_WEIGHTS_PATH",
        "pip install TotalSegmentator, or the extra [totalsegmentator]", "scan.nii.gz",
        ("-i", "{scan}", "-o", "{out}/map.nii.gz", "--ml", "--task", "{task}"), "map.nii.gz", (("CT", "total"), ("MR", "total_mr")),
        ("--fast",),
    ),
    Program(
        "TotalSpineSeg", "totalspineseg", "totalspineseg.inference", ("MR", "CT"), "TOTALSPINESEG_DATA",
        "pip install totalspineseg[nnunetv2]", "scan.nii.gz", ("{scan}", "{out}"), "step2_output/*.nii.gz",
    ),
    Program(
        "SPINEPS", "spineps", "spineps.entrypoint", ("MR",), "SPINEPS_SEGMENTOR_MODELS",
        "pip install spineps", "sub-scan_T2w.nii.gz",
        ("sample", "-i", "{scan}", "-model_semantic", "t2w", "-model_instance", "instance", "-model_labeling", "t2w_labeling"),
        "derivatives_seg/**/*seg-vert*.nii.gz",
    ),
)  # fmt: skip
"""What each wants: the READMEs and command lines of TotalSegmentator 2, TotalSpineSeg r2024-11 and SPINEPS 1."""


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

    Raises Refusal where it is missing, fails or leaves no label map of this scan; the map that was kept before then stays.
    """
    from planner.anatomy.imports.given import read_given
    from planner.geometry import write_nifti

    call = call_of(program)
    if call is None:
        raise Refusal(f"{program.name} is not installed here.", f"Install it: {program.install}.")
    if weights is not None and not weights.is_dir():
        raise Refusal(f"The folder with the weights of {program.name} is gone.", "Choose the folder again.")
    with tempfile.TemporaryDirectory(prefix="duraplan-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        progress(0.0, "Writing the scan")
        write_nifti(folder / program.scan, _plain(volume), volume.frame)
        task = dict(program.tasks).get(volume.modality, "")
        words = [one.format(scan=folder / program.scan, out=folder, task=task) for one in program.arguments]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "SPINEPS_NO_CITATION_REMINDER": "1"}
        if weights is not None:
            environment[program.weights] = str(weights)
        _run([*call, *words, *(program.faster if faster else ())], program, folder, environment, progress)
        made = sorted(path for path in folder.glob(program.result) if path.is_file())
        if not made:
            raise Refusal(f"{program.name} ended without a label map.", "Run it on the scan by itself to see why.")
        progress(0.99, "Checking the label map")
        read_given(made[0], volume)
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_name(f"{kept.name}.part")
        shutil.copyfile(made[0], part)
        os.replace(part, kept)
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


def _run(call: list[str], program: Program, folder: Path, environment: dict[str, str], progress: Progress) -> None:
    """Run to the end; stop it with all its children where progress says so."""
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
        share, said = 0.0, ""
        try:
            while child.poll() is None:
                share, said = _heard(_latest(log), share, said)
                progress(0.01 + 0.97 * share, f"{program.name}: {said}" if said else f"{program.name} is running")
                with suppress(subprocess.TimeoutExpired):
                    child.wait(_POLL_S)
        finally:
            _stop(child)
    if child.returncode != 0:
        said = _heard(_latest(log), 0.0, "")[1]
        raise Refusal(
            f"{program.name} failed ({child.returncode})" + (f": {said}" if said else "."),
            "Run it on the scan by itself, or check its folder of weights.",
        )


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
    """(share, last words) of what was printed: the last bar's percent, and the last line that is no bar."""
    lines = [" ".join(_CONTROL.sub(" ", line).split()) for line in re.split(r"[\r\n]+", text)]
    shares = [int(number) for line in lines for number in _SHARE.findall(line) if int(number) <= 100]
    spoken = [line for line in lines if line and not _SHARE.search(line)]
    return (shares[-1] / 100.0 if shares else share), (spoken[-1][:80] if spoken else said)


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
