"""A scan that is too large for the memory: the chooser says so and offers the spine only, with what that takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QLineEdit
from pytestqt.qtbot import QtBot

from app.window import Window
from planner.case.file import open_case, save_case
from planner.scan.crop import Crop
from tests.app.conftest import find, names, offers, press, wait, words
from tests.planner.scan import test_part_of_file as one_file
from tests.planner.scan.test_spine_only import WIDE, body
from tests.planner.scan.writer import Stack, write

WHOLE = 20 * 150 * 160 * 2  # bytes


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return write(tmp_path / "scan", WIDE, function=body)


@pytest.fixture
def open_full(open_window: Callable[..., Window], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> Callable[[Path, int], Window]:
    """Opens a window on a scan of so many bytes, of which the memory holds two thirds."""

    def make(scan: Path, whole: int) -> Window:
        for place in ("planner.scan.loading", "planner.scan.images"):
            monkeypatch.setattr(f"{place}.free_bytes", lambda: whole * 0.66 / 0.8)
        window = open_window(scan)
        wait(qtbot, lambda: window.session.volume.state == "refused")
        return window

    return make


@pytest.fixture
def full(open_full: Callable[[Path, int], Window], scan: Path) -> Window:
    return open_full(scan, WHOLE)


def estimate(window: Window) -> str:
    return find(window, "What the part takes", QLabel).text()


def test_the_spine_is_found_and_only_it_is_loaded(full: Window, qtbot: QtBot) -> None:
    assert "too much" in words(full)
    assert "Load the spine only" in words(full)
    press(qtbot, full, "Load a part of SPINE")
    rows = find(full, "Rows to load", QLineEdit)
    wait(qtbot, lambda: rows.text() != "1-150")
    assert "are free." in estimate(full)
    press(qtbot, full, "Load this part")
    wait(qtbot, lambda: full.session.volume.state == "ready")
    series, volume = full.session.series, full.session.volume.value
    assert series is not None and series.crop is not None and volume is not None
    assert volume.frame.shape == (20, *series.crop.shape)
    assert volume.voxels.nbytes < 0.5 * WHOLE
    points = volume.frame.to_world(np.moveaxis(np.indices(volume.frame.shape), 0, -1))
    assert np.array_equal(volume.values(), body(points).astype(np.float32))
    assert f"Repair: Only a part of every slice is loaded: {series.crop.words} of 150 x 160 pixels." in words(full)
    assert "In use" in words(full)


def test_rows_and_columns_are_written_by_hand_with_what_they_take(full: Window, qtbot: QtBot) -> None:
    press(qtbot, full, "Load a part of SPINE")
    rows, columns = find(full, "Rows to load", QLineEdit), find(full, "Columns to load", QLineEdit)
    wait(qtbot, lambda: rows.text() != "1-150")
    rows.setText("1-150")
    columns.setText("1-160")
    assert "too little" in estimate(full)
    assert not offers(full, "Load this part")
    rows.setText("11-5")
    assert "no part of 150 pixels" in estimate(full)
    rows.setText("61-140")
    columns.setText("41-140")
    assert "198 × 248 mm of every slice" in estimate(full).replace("\u00a0", " ")
    qtbot.keyClick(columns, Qt.Key.Key_Return)
    wait(qtbot, lambda: full.session.volume.state == "ready")
    assert full.session.series is not None and full.session.series.crop == Crop((61, 140), (41, 140))
    press(qtbot, full, "Load a part of SPINE")  # another one
    assert find(full, "Rows to load", QLineEdit).text() == "61-140"
    press(qtbot, full, "Close the part")
    assert "Rows to load" not in names(full)


def test_a_case_opens_on_the_same_part(full: Window, qtbot: QtBot, tmp_path: Path) -> None:
    press(qtbot, full, "Load a part of SPINE")
    rows = find(full, "Rows to load", QLineEdit)
    wait(qtbot, lambda: rows.text() != "1-150")
    press(qtbot, full, "Load this part")
    wait(qtbot, lambda: full.session.volume.state == "ready")
    part, before = full.session.series, full.session.volume.value
    save_case(full.session.case, tmp_path / "case.duraplan")
    assert open_case(tmp_path / "case.duraplan").scan == full.session.case.scan
    full.session.open_case(tmp_path / "case.duraplan")
    wait(qtbot, lambda: full.session.volume.state == "ready" and full.session.volume.value is not before)
    assert full.session.series is not None and full.session.volume.value is not None and before is not None and part is not None
    assert full.session.series.crop == part.crop
    assert np.array_equal(full.session.volume.value.voxels, before.voxels)


def test_where_the_memory_does_nothing_is_offered(open_window: Callable[..., Window], scan: Path, qtbot: QtBot) -> None:
    window = open_window(scan)
    wait(qtbot, lambda: window.session.volume.state == "ready")
    assert "Load a part of SPINE" not in names(window)


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nrrd", "scan.mha"])
def test_the_spine_of_one_file_is_found(open_full: Callable[[Path, int], Window], tmp_path: Path, qtbot: QtBot, name: str) -> None:
    frame = one_file.frame_along(np.sign(one_file.AXES["axial, as RAS has it"]) * (5.0, 2.5, 2.5), (20, 150, 160))
    window = open_full(one_file.write(tmp_path / name, frame, body), WHOLE)
    assert "Load the spine only" in words(window)
    described = window.session.scan.value.series[0].description if window.session.scan.value is not None else ""
    press(qtbot, window, f"Load a part of {described}")
    rows = find(window, "Rows to load", QLineEdit)
    wait(qtbot, lambda: rows.text() != "1-150")
    assert "Rows count from back to front, columns from left to right." in words(window)
    press(qtbot, window, "Load this part")
    wait(qtbot, lambda: window.session.volume.state == "ready")
    volume = window.session.volume.value
    assert volume is not None and volume.voxels.nbytes < 0.5 * WHOLE
    points = volume.frame.to_world(np.moveaxis(np.indices(volume.frame.shape), 0, -1))
    assert np.array_equal(volume.values(), body(points).astype(np.float32))
    save_case(window.session.case, tmp_path / "case.duraplan")
    window.session.open_case(tmp_path / "case.duraplan")
    wait(qtbot, lambda: window.session.volume.state == "ready" and window.session.volume.value is not volume)
    again = window.session.volume.value
    assert again is not None and again.frame == volume.frame and np.array_equal(again.voxels, volume.voxels)


def test_where_the_spine_is_not_found_rows_and_columns_are_written(
    open_full: Callable[[Path, int], Window], tmp_path: Path, qtbot: QtBot
) -> None:
    """A sagittal MR, stored head first."""
    sagittal = Stack(row=(0, 1, 0), column=(0, 0, -1), step=(3.0, 0, 0), rows=100, columns=80, modality="MR")
    window = open_full(write(tmp_path / "scan", sagittal), 12 * 100 * 80 * 2)
    assert "Load a part of it" in words(window)
    press(qtbot, window, "Load a part of SPINE")
    assert "Rows count from head to feet, columns from front to back. The spine is found by itself in axial CT alone" in words(window)
    assert not offers(window, "Find the spine")
    rows, columns = find(window, "Rows to load", QLineEdit), find(window, "Columns to load", QLineEdit)
    assert (rows.text(), columns.text()) == ("1-100", "1-80") and "too little" in estimate(window)
    columns.setText("31-70")
    press(qtbot, window, "Load this part")
    wait(qtbot, lambda: window.session.volume.state == "ready")
    assert window.session.series is not None and window.session.series.crop == Crop((1, 100), (31, 70))
    assert window.session.volume.value is not None and window.session.volume.value.frame.shape == (100, 40, 12)
