"""Grouping the slices of a series otherwise, by mouse and keys in the real window; what is read is what is on screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QListWidget, QScrollArea, QTreeView
from pytestqt.qtbot import QtBot

from app.regroup_window import RegroupWindow
from app.window import Window
from planner.case.file import open_case, save_case
from planner.scan.grouping import Grouping
from tests.app.conftest import find, offers, press, wait, words
from tests.planner.scan.writer import Stack, edit, hu, write

SOON_MS = 30_000
GROUP = "Group the slices of SPINE otherwise"


def brighter(points: Any) -> Any:
    return hu(points) + 40


@pytest.fixture
def doubled(open_window: Callable[..., Window], tmp_path: Path) -> Window:
    """One place of fourteen is shown twice, by images that differ: refused as found."""
    write(tmp_path / "doubled", Stack(places=tuple(range(14))), "a{}.dcm")
    write(tmp_path / "doubled", Stack(places=(5,), first_number=80), "b{}.dcm", brighter)
    edit(next((tmp_path / "doubled").glob("b*.dcm")), ImagePositionPatient=[-48.75, -47.0, -3.0])
    return open_window(tmp_path / "doubled")


@pytest.fixture
def phases(open_window: Callable[..., Window], tmp_path: Path) -> Window:
    """Two phases in one series, and straight slices of another."""
    for n, name in enumerate("ab"):
        stack = Stack(first_number=1 + 50 * n, extra=(("AcquisitionNumber", n + 1),))
        write(tmp_path / "phases", stack, name + "{}.dcm", brighter if n else hu)
    write(tmp_path / "phases", Stack(series="1.2.3", extra=(("SeriesDescription", "PLAIN"),)), "c{}.dcm")
    return open_window(tmp_path / "phases")


def open_groupings(window: Window, qtbot: QtBot) -> RegroupWindow:
    wait(qtbot, lambda: window.session.scan.state == "ready" and offers(window, GROUP), SOON_MS)
    press(qtbot, window, GROUP)
    wait(qtbot, lambda: window.findChild(RegroupWindow) is not None, SOON_MS)
    made = window.findChild(RegroupWindow)
    assert isinstance(made, RegroupWindow) and made.isVisible() and not made.isModal()
    wait(qtbot, lambda: len(ways(made)) > 0, SOON_MS)
    return made


def listed(made: RegroupWindow) -> QListWidget:
    found = find(made, "Ways to group", QListWidget)
    assert isinstance(found, QListWidget)
    return found


def ways(made: RegroupWindow) -> list[str]:
    return [listed(made).item(n).text() for n in range(listed(made).count())]


def choose(qtbot: QtBot, made: RegroupWindow, start: str) -> None:
    """Click the way whose words begin so."""
    ours = listed(made)
    item = next(ours.item(n) for n in range(ours.count()) if ours.item(n).text().startswith(start))
    ours.scrollToItem(item)
    qtbot.mouseClick(ours.viewport(), Qt.MouseButton.LeftButton, pos=ours.visualItemRect(item).center())
    qtbot.wait(40)


def write_in(made: RegroupWindow, name: str, text: str) -> None:
    field = find(made, name, QLineEdit)
    assert isinstance(field, QLineEdit)
    field.clear()
    QTest.keyClicks(field, text)
    QTest.keyClick(field, Qt.Key.Key_Return)


def test_what_each_way_would_give_is_shown_before_it_is_taken(phases: Window, qtbot: QtBot) -> None:
    made = open_groupings(phases, qtbot)
    before = phases.session.case
    assert ways(made)[0] == "As found\n2 volumes of 12 slices\n✓ 2 can be planned on"
    assert ways(made)[1] == "All slices as one volume\n1 volume of 24 slices\n× none can be planned on"
    choose(qtbot, made, "All slices")
    assert "lie in the same place but differ" in words(made)
    assert not any(offers(made, f"Use volume {n}") for n in (1, 2))
    assert phases.session.case == before
    assert not offers(phases, "Group the slices of PLAIN otherwise")


def test_a_refused_series_is_used_without_one_of_its_slices_and_undone(doubled: Window, qtbot: QtBot) -> None:
    assert doubled.session.series is None
    made = open_groupings(doubled, qtbot)
    write_in(made, "Slices left out", "7")
    wait(qtbot, lambda: "All slices as one volume, without slice 7" in ways(made)[-1], SOON_MS)
    assert "Grouped by hand, all slices as one volume, without slice 7." in words(made)
    press(qtbot, made, "Use volume 1")
    wait(qtbot, lambda: doubled.session.volume.state == "ready", SOON_MS)
    assert doubled.session.volume.value is not None and doubled.session.volume.value.frame.shape[0] == 14
    assert not made.isVisible()
    assert "Repair: Grouped by hand, all slices as one volume, without slice 7." in words(doubled)
    assert "Slices 6 and 7 lie in the same place" not in words(doubled)
    QTest.keyClick(doubled, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    wait(qtbot, lambda: "Slices 6 and 7 lie in the same place" in words(doubled), SOON_MS)
    assert doubled.session.series is None
    QTest.keyClick(doubled, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    wait(qtbot, lambda: doubled.session.volume.state == "ready", SOON_MS)


def test_slices_are_marked_in_the_list(doubled: Window, qtbot: QtBot) -> None:
    made = open_groupings(doubled, qtbot)
    table = find(made, "Slices of the series", QTreeView)
    assert isinstance(table, QTreeView) and table.model().rowCount() == 15
    assert [table.model().index(n, 1).data() for n in (5, 6)] == ["6", "80"]
    row = table.model().index(5, 0)
    table.scrollTo(row)
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualRect(row).center())
    press(qtbot, made, "Leave out the marked")
    press(qtbot, made, "See what this gives")
    wait(qtbot, lambda: "without slice 6" in ways(made)[-1], SOON_MS)
    assert offers(made, "Use volume 1")


def test_what_is_no_range_is_refused_in_words(doubled: Window, qtbot: QtBot) -> None:
    made = open_groupings(doubled, qtbot)
    count = len(ways(made))
    write_in(made, "Volumes, by slice numbers", "1-40")
    assert "There are no slices 1-40: the series has 15." in words(made)
    write_in(made, "Volumes, by slice numbers", "1-15")
    wait(qtbot, lambda: len(ways(made)) == count + 1, SOON_MS)
    assert "× none can be planned on" in ways(made)[-1] and "lie in the same place" in words(made)
    assert "There are no slices" not in words(made)


def test_the_case_opens_again_on_the_same_volume(doubled: Window, open_window: Callable[..., Window], tmp_path: Path, qtbot: QtBot) -> None:
    made = open_groupings(doubled, qtbot)
    choose(qtbot, made, "By turn")
    press(qtbot, made, "Use volume 1")
    wait(qtbot, lambda: doubled.session.volume.state == "ready", SOON_MS)
    path = tmp_path / "case.duraplan"
    save_case(doubled.session.case, path)
    reference = open_case(path).scan
    assert reference is not None and reference.grouping == Grouping("turn")
    again = open_window(path)
    wait(qtbot, lambda: again.session.volume.state == "ready", SOON_MS)
    assert "by turn: the first image of every place, then the second, volume 1 of 2." in words(again)
    one, other = doubled.session.volume.value, again.session.volume.value
    assert one is not None and other is not None and (one.voxels == other.voxels).all()


def test_nothing_of_the_cards_is_cut(doubled: Window, qtbot: QtBot) -> None:
    """The panel beside a scroll bar is as wide as what it shows."""
    doubled.resize(1280, 480)
    wait(qtbot, lambda: doubled.session.scan.state == "ready" and offers(doubled, GROUP), SOON_MS)
    scrolls = [one for one in doubled.findChildren(QScrollArea) if one.isVisible() and one.verticalScrollBar().isVisible()]
    assert scrolls and all(one.widget().width() <= one.viewport().width() for one in scrolls)


def test_stopped_while_the_ways_are_tried(doubled: Window, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    wait(qtbot, lambda: doubled.session.scan.state == "ready" and offers(doubled, GROUP), SOON_MS)

    def slow(scan: Any, uid: str, progress: Any) -> Any:
        while True:
            progress(0.5, "Checking series")

    monkeypatch.setattr("app.regroup_window.offers", slow)
    press(qtbot, doubled, GROUP)
    wait(qtbot, lambda: doubled.findChild(RegroupWindow) is not None, SOON_MS)
    made = doubled.findChild(RegroupWindow)
    assert isinstance(made, RegroupWindow)
    press(qtbot, made, "Cancel trying the ways")
    assert "Trying the ways was stopped." in words(made)


def test_another_scan_closes_it(phases: Window, tmp_path: Path, qtbot: QtBot) -> None:
    made = open_groupings(phases, qtbot)
    phases.open(write(tmp_path / "other", Stack(series="1.2.4")))
    wait(qtbot, lambda: not made.isVisible(), SOON_MS)
