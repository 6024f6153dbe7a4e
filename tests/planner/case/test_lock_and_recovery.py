"""Two programs on one case, and what a kill leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from planner.case.case import Case
from planner.case.lock import Lock, lock_case, lock_path
from planner.case.recovery import Recovery, recoverable
from planner.refusal import Refusal

HOLDS = """
import sys, time
from pathlib import Path
from planner.case.case import Case
from planner.case.lock import lock_case
from planner.case.recovery import Recovery
lock = lock_case(Path(sys.argv[1]))
Recovery(Path(sys.argv[2])).keep(Case(notes="on screen"), Path(sys.argv[1]))
print("holding", flush=True)
time.sleep(120)
"""


@pytest.fixture
def other(tmp_path: Path):
    """Another program that has the case open."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path / "case.duraplan"), str(tmp_path / "recovery")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_program_is_refused_until_the_first_is_gone(tmp_path: Path, other: subprocess.Popen) -> None:
    case = tmp_path / "case.duraplan"
    with pytest.raises(Refusal, match=f"open in another Duraplan .process {other.pid} "):
        lock_case(case)
    other.send_signal(signal.SIGKILL)
    other.wait()
    with lock_case(case) as lock:
        assert lock.held
        assert json.loads(lock_path(case).read_text())["process"] == os.getpid()
    assert not lock_path(case).exists()


def test_what_was_on_screen_survives_a_kill(tmp_path: Path, other: subprocess.Popen) -> None:
    folder = tmp_path / "recovery"
    assert recoverable(folder) == ()  # it still runs
    other.send_signal(signal.SIGKILL)
    other.wait()
    (left,) = recoverable(folder)
    assert (left.case, left.case_path) == (Case(notes="on screen"), tmp_path / "case.duraplan")
    left.discard()
    assert recoverable(folder) == ()


def test_a_lock_of_another_machine_is_respected(tmp_path: Path) -> None:
    case = tmp_path / "case.duraplan"
    lock_path(case).write_text(json.dumps({"process": 1, "machine": "elsewhere", "started": ""}))
    with pytest.raises(Refusal, match="on elsewhere") as refusal:
        lock_case(case)
    assert lock_path(case).name in refusal.value.way_out


@pytest.mark.parametrize("content", ["", "{", "[]", '{"process": "x"}'])
def test_a_lock_that_says_nothing_is_taken_over(tmp_path: Path, content: str) -> None:
    case = tmp_path / "case.duraplan"
    lock_path(case).write_text(content)
    assert lock_case(case).held


def test_a_process_number_used_again_does_not_hold_the_lock(tmp_path: Path) -> None:
    case = tmp_path / "case.duraplan"
    lock_case(case)
    said = json.loads(lock_path(case).read_text())
    lock_path(case).write_text(json.dumps({**said, "started": "1"}))
    if not said["started"]:
        pytest.skip("this system does not say when a process began")
    assert lock_case(case).held


def test_where_nobody_can_write_nobody_needs_a_lock(tmp_path: Path) -> None:
    lock: Lock = lock_case(tmp_path / "missing" / "case.duraplan")
    assert not lock.held
    lock.release()


def test_recovery_keeps_the_newest_and_passes_over_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Recovery(tmp_path)
    mine.keep(Case(notes="one"), None)
    mine.keep(Case(notes="two"), None)
    (path,) = tmp_path.iterdir()
    (tmp_path / "half.recovery").write_bytes(path.read_bytes()[:150])
    assert recoverable(tmp_path) == ()  # this process runs
    monkeypatch.setattr("planner.case.lock._is_running", lambda process: False)
    (left,) = recoverable(tmp_path)
    assert (left.case.notes, left.case_path) == ("two", None)
    mine.discard()
    assert recoverable(tmp_path) == ()
