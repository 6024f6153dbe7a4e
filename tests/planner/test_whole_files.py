"""Sets of files: whole or not at all, and a sentence that says what failed: writing them, or reading what they are made of."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from planner.refusal import Refusal
from planner.whole_files import staged


def test_a_set_arrives_whole(tmp_path: Path) -> None:
    with staged(tmp_path / "out", "The plan") as folder:
        (folder / "plan.json").write_text("{}")
        assert not (tmp_path / "out" / "plan.json").exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["plan.json"]


def test_what_cannot_be_read_is_not_called_unsaved(tmp_path: Path) -> None:
    scan = tmp_path / "scan.dcm"
    with pytest.raises(Refusal) as refused, staged(tmp_path / "out", "The plan"):
        raise OSError(errno.EIO, "Input/output error", str(scan))
    assert refused.value.sentence == "scan.dcm could not be read: input/output error."
    assert not (tmp_path / "out").exists()


def test_what_failed_without_a_name_is_called_neither(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"^The plan was not made: input/output error\."), staged(tmp_path / "out", "The plan"):
        raise OSError(errno.EIO, "Input/output error")


def test_a_full_disk_is_said_of_the_folder_that_is_written_to(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"The plan was not saved: the disk of .*out is full"), staged(tmp_path / "out", "The plan"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_of_the_set_that_cannot_be_written_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="The plan was not saved"), staged(tmp_path / "out", "The plan") as folder:
        raise OSError(errno.EACCES, "Permission denied", str(folder / "plan.json"))
