"""What a person decides at Anatomy: a vertebra's name taken back, a label map of another program taken in and left."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from app.window import Window
from planner.anatomy.labels import Numbering, below
from planner.geometry import read_nifti, write_nifti
from tests.app.conftest import names, offers, press, wait, words


def take_in(qtbot: QtBot, window: Window, path: Path) -> None:
    """Choose a label map in the dialog that the panel opens."""
    window.go_to(1)
    press(qtbot, window, "Take in a label map")
    dialog = window.findChildren(QFileDialog)[-1]
    assert dialog.isVisible() and not dialog.isModal()
    dialog.fileSelected.emit(str(path))
    dialog.close()
    qtbot.wait(40)


def test_a_label_map_is_taken_in_read_anew_and_left(
    worked: Window, qtbot: QtBot, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = worked.session.anatomy.value  # what the scan itself shows is not sought again under the map
    monkeypatch.setattr("planner.anatomy.imports.take_in.find", lambda volume, anchor, progress: seen)
    path = tmp_path / "truth.nii.gz"
    for name in ("truth.nii.gz", "truth.json"):
        shutil.copy(example / name, tmp_path)
    take_in(qtbot, worked, path)
    wait(qtbot, lambda: worked.session.anatomy.state == "ready" and "Given: truth.nii.gz" in words(worked))
    assert any(name.startswith("sac: imported") for name in names(worked))
    assert worked.session.undo_name == "take in a label map"

    first = worked.session.anatomy.value
    os.utime(path, (1, 1))  # as another program does that writes it anew
    worked.session.refresh()
    assert worked.session.anatomy.state == "running"
    wait(qtbot, lambda: worked.session.anatomy.state == "ready")
    assert worked.session.anatomy.value is not first

    press(qtbot, worked, "Leave the label map")
    wait(qtbot, lambda: worked.session.anatomy.state == "ready")
    assert worked.session.case.labels_path is None
    assert not offers(worked, "Leave the label map")
    assert not any("imported" in name for name in names(worked))


def test_a_file_that_is_no_label_map_is_refused_in_a_sentence(worked: Window, qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "letter.nii.gz"
    path.write_bytes(b"Dear colleague")
    take_in(qtbot, worked, path)
    wait(qtbot, lambda: any(name.startswith("Refused: letter.nii.gz is no label map") for name in names(worked)))
    assert not offers(worked, "Next: Leak")
    press(qtbot, worked, "Leave the label map")
    wait(qtbot, lambda: worked.session.anatomy.state == "ready")
    assert not any(name.startswith("Refused: ") for name in names(worked))


def test_the_name_of_the_vertebra_is_taken_back(worked: Window, qtbot: QtBot) -> None:
    worked.go_to(1)
    qtbot.wait(60)
    press(qtbot, worked, "Take the name back")
    wait(qtbot, lambda: worked.session.anatomy.state == "ready")
    assert worked.session.case.anchor is None
    assert "△ Name one vertebra: until then no level is confirmed." in words(worked)
    assert not offers(worked, "Take the name back")
    assert worked.session.undo_name == "take the name of the vertebra back"


def test_whose_numbers_a_label_map_has_is_asked_and_answered(
    worked: Window, qtbot: QtBot, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One vertebra alone: 22 is L3 in VerSe, T2 in TotalSpineSeg, L1 in TotalSegmentator 1."""
    seen = worked.session.anatomy.value
    monkeypatch.setattr("planner.anatomy.imports.take_in.find", lambda volume, anchor, progress: seen)
    truth, told = read_nifti(example / "truth.nii.gz"), json.loads((example / "truth.json").read_text("utf-8"))["labels"]
    code = next(int(number) for number, name in told.items() if name == "vertebra L3")
    write_nifti(tmp_path / "one.nii.gz", np.where(truth.voxels == code, 22, 0).astype(np.uint8), truth.frame)
    take_in(qtbot, worked, tmp_path / "one.nii.gz")
    wait(qtbot, lambda: offers(worked, "It has the numbers of VerSe"))
    assert offers(worked, "It has the numbers of TotalSpineSeg")
    press(qtbot, worked, "It has the numbers of VerSe")
    wait(qtbot, lambda: worked.session.anatomy.state == "ready")
    assert "From VerSe." in words(worked)
    assert not offers(worked, "It has the numbers of VerSe")
    assert worked.session.case.labels_scheme == "verse"


def test_all_names_move_by_one_in_one_click_and_are_shown_at_once(worked: Window, qtbot: QtBot) -> None:
    worked.go_to(1)
    qtbot.wait(60)
    before = worked.session.anatomy.value
    assert before is not None
    press(qtbot, worked, "All names one up")
    shown = worked.session.anatomy.value
    assert shown is not None and [level.name for level in shown.levels] == [below(level.name, -1) for level in before.levels]
    assert worked.session.undo_name == "move all names up: L4 is L3"
    assert "✓ Levels counted from L3, named by you" in words(worked)
    wait(qtbot, lambda: worked.session.anatomy.state == "ready")
    found = worked.session.anatomy.value
    assert found is not None and [level.name for level in found.levels] == [level.name for level in shown.levels]
    worked.session.undo()
    assert worked.session.anatomy.state == "ready" and worked.session.anatomy.value is before, "nothing is sought again"


def test_six_lumbar_vertebrae_are_counted_by_choice_and_the_named_one_stays(worked: Window, qtbot: QtBot) -> None:
    worked.go_to(1)
    qtbot.wait(60)
    press(qtbot, worked, "How many vertebrae are counted")
    press(qtbot, worked, "6 lumbar vertebrae")
    assert "Levels counted from L4, named by you, with 6 lumbar vertebrae" in words(worked)
    assert "L4, L5, L6, S1" in words(worked)
    wait(qtbot, lambda: worked.session.anatomy.state == "ready")
    assert "L6 has the usual sizes of L5." in words(worked)
    worked.session.count_vertebrae(Numbering(13, 6))
    press(qtbot, worked, "12 thoracic vertebrae")
    assert worked.session.case.anchor is not None and worked.session.case.anchor.numbering == Numbering(lumbar=6)
    worked.session.undo()
    worked.session.undo()
    worked.session.undo()
    qtbot.wait(60)
    assert "with 6 lumbar vertebrae" not in words(worked)
