"""On a screen without a window manager, where nobody gives a window the keyboard: every shortcut acts all the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def bare_screen() -> Iterator[str]:
    """The name of a screen of its own, without a window manager."""
    if shutil.which("Xvfb") is None:
        assert not os.environ.get("CI"), "CI must have Xvfb"
        pytest.skip("no Xvfb here; scripts/test installs it")
    said, say = os.pipe()
    command = ["Xvfb", "-displayfd", str(say), "-screen", "0", "1280x800x24"]
    server = subprocess.Popen(command, pass_fds=[say], stderr=subprocess.DEVNULL)
    os.close(say)
    with os.fdopen(said) as answer:
        number = answer.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(10)


def test_every_shortcut_acts_without_a_window_manager(bare_screen: str, tmp_path: Path) -> None:
    nothing = tmp_path / "empty"
    nothing.mkdir()
    run = subprocess.run(
        [sys.executable, "-m", "tests.app.press_keys", str(nothing)],
        capture_output=True,
        text=True,
        timeout=150,
        env={**os.environ, "DISPLAY": bare_screen, "QT_QPA_PLATFORM": "xcb", "DURAPLAN_HOME": str(tmp_path)},
        cwd=Path(__file__).parents[2],
    )
    assert run.returncode == 0, run.stderr
    acted = json.loads(run.stdout)
    assert acted and all(acted.values()), acted
