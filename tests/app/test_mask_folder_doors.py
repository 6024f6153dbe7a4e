"""A folder of masks by the doors of a label map: the panel, and the key that tells when one mask was written anew."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from app.window import Window
from planner.case.case import Case
from planner.case.keys import anatomy_key
from planner.geometry import read_nifti, write_nifti
from tests.app.conftest import press, wait, words


@pytest.fixture
def masks(example: Path, tmp_path: Path) -> Path:
    """The vertebrae of the example, one file each."""
    file, names = read_nifti(example / "truth.nii.gz"), json.loads((example / "truth.json").read_text("utf-8"))["labels"]
    (tmp_path / "segmentations").mkdir()
    for code, name in names.items():
        if name.startswith("vertebra L"):
            mask = (file.voxels == int(code)).astype(np.uint8)
            write_nifti(tmp_path / "segmentations" / f"vertebrae_{name.removeprefix('vertebra ')}.nii.gz", mask, file.frame)
    return tmp_path / "segmentations"


def test_the_panel_takes_in_a_folder_of_masks(masks: Path, worked: Window, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = worked.session.anatomy.value
    monkeypatch.setattr("planner.anatomy.imports.take_in.find", lambda volume, anchor, progress: seen)
    worked.go_to(1)
    press(qtbot, worked, "Take in a folder of masks")
    dialog = worked.findChild(QFileDialog)
    assert dialog is not None and dialog.fileMode() == QFileDialog.FileMode.Directory
    dialog.fileSelected.emit(str(masks))
    dialog.close()
    wait(qtbot, lambda: worked.session.case.labels_path == str(masks) and worked.session.anatomy.state == "ready")
    assert worked.session.anatomy.value is not None
    assert worked.session.anatomy.value.structure("levels").provenance == "imported"
    assert "Given: segmentations. From TotalSegmentator." in words(worked)


def test_a_mask_that_is_written_anew_makes_the_anatomy_stale(masks: Path) -> None:
    case = replace(Case(), labels_path=str(masks))
    before = anatomy_key(case)
    assert anatomy_key(case) == before
    changed = next(iter(sorted(masks.iterdir())))
    os.utime(changed, ns=(1, changed.stat().st_mtime_ns + 10_000_000_000))
    assert anatomy_key(case) != before
