"""Themes, sizes, the palette, the help: what is on screen can be read and reached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QLineEdit, QRadioButton, QWidget
from pytestqt.qtbot import QtBot

from app import style
from app.rail import StationButton
from app.window import Window
from tests.app.conftest import find, names, wait
from viewer.theme import THEMES, ThemeName, theme


def ground(window: Window) -> QColor:
    """The colour of the rail's empty part."""
    rail = find(window, "Stations")
    return window.grab().toImage().pixelColor(rail.mapTo(window, rail.rect().bottomLeft()).x() + 10, window.height() - 80)


def test_each_theme_paints_its_own_ground(worked: Window, qtbot: QtBot) -> None:
    assert ground(worked).name() == theme("dark").colours["window"]
    qtbot.keyClick(worked, Qt.Key.Key_F5)
    qtbot.wait(60)
    assert worked.theme == "projector"
    assert ground(worked).name() == theme("projector").colours["window"]
    qtbot.keyClick(worked, Qt.Key.Key_F5)
    qtbot.keyClick(worked, Qt.Key.Key_F5, Qt.KeyboardModifier.ShiftModifier)
    qtbot.wait(60)
    assert ground(worked).name() == theme("light").colours["window"]
    assert worked.theme == "light"


def cut_in(panel: QWidget) -> list[str]:
    """What does not fit: text wider than its widget, widgets that stick out at the right."""
    labels = [one for one in panel.findChildren(QLabel) if one.isVisible() and one.text()]
    buttons = [one for one in panel.findChildren(QAbstractButton) if one.isVisible() and one.text()]
    cut = [one.text() for one in labels if not one.wordWrap() and one.width() < one.sizeHint().width() - 1]
    cut += [one.text() for one in buttons if one.width() < one.minimumSizeHint().width() - 1]
    cut += [one.text() for one in (*labels, *buttons) if one.mapTo(panel, one.rect().topRight()).x() > panel.width()]
    return cut


def test_no_text_is_cut(worked: Window, qtbot: QtBot) -> None:
    for size in ((1280, 720), (1440, 900)):
        worked.resize(*size)
        for name in THEMES:
            worked.put_on(name)
            for station in range(7):
                worked.go_to(station)
                qtbot.wait(60)
                panel = find(worked, f"{STATION[station]} panel")
                assert not cut_in(panel), f"{STATION[station]} at {size} in the {name} theme"


STATION = ("Scan", "Anatomy", "Leak", "Approach", "Needles", "Patch", "Report")


def test_every_control_has_a_name(worked: Window, qtbot: QtBot) -> None:
    for station in range(7):
        worked.go_to(station)
        qtbot.wait(60)
        nameless = [one for one in worked.findChildren(QAbstractButton) if one.isVisible() and not one.accessibleName()]
        assert not nameless


def test_the_palette_finds_a_command(worked: Window, qtbot: QtBot) -> None:
    qtbot.keyClick(worked, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    field = find(worked, "Command to find", QLineEdit)
    qtbot.keyClicks(field, "patch go")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.wait(40)
    assert worked.station == 5
    assert "Command to find" not in names(worked)


def test_a_key_acts_wherever_the_focus_is_and_esc_leaves_what_was_begun(worked: Window, qtbot: QtBot) -> None:
    button = find(worked, "Needles, open")
    button.setFocus()
    qtbot.keyClick(button, Qt.Key.Key_N)
    wait(qtbot, lambda: worked.desk.plan is not None and worked.desk.plan.taken is not None)
    worked.views.grid.enlarge("axial")
    qtbot.keyClick(worked, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(find(worked, "Command to find"), Qt.Key.Key_Escape)
    assert "Command to find" not in names(worked)
    assert worked.views.grid.large == "axial"
    qtbot.keyClick(button, Qt.Key.Key_Escape)
    assert worked.views.grid.large is None


def test_help_shows_the_keys_and_blocks_nothing(worked: Window, qtbot: QtBot) -> None:
    qtbot.keyClick(worked, Qt.Key.Key_F1)
    assert "Keys and mouse" in names(worked)
    qtbot.keyClick(worked, Qt.Key.Key_F1)
    assert "Keys and mouse" not in names(worked)


def test_the_rail_says_each_state_in_words(worked: Window) -> None:
    said = [one.accessibleName() for one in worked.findChildren(StationButton)]
    assert said[:4] == ["Scan, done", "Anatomy, done", "Leak, done", "Approach, done"]


def test_panels_name_what_is_missing(open_window: Callable[..., Window], qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window(tmp_path)
    wait(qtbot, lambda: window.session.scan.state in ("refused", "ready"))
    for station in range(7):
        window.go_to(station)
        qtbot.wait(60)
        said = [one for one in names(window) if one.startswith("Refused: ")]
        missing = [
            one for one in window.findChildren(QLabel) if one.isVisible() and one.accessibleName() == "What is missing" and one.text()
        ]
        assert said or missing, STATION[station]
        assert not any(name.startswith("Next: ") for name in names(window))


def test_an_eye_hides_a_structure(worked: Window, qtbot: QtBot) -> None:
    worked.go_to(1)
    qtbot.wait(60)
    eye = find(worked, "Show canal", QAbstractButton)
    eye.setFocus()
    qtbot.keyClick(eye, Qt.Key.Key_Space)
    qtbot.wait(60)
    assert not worked.views.grid.scene.shows("canal")
    again = find(worked, "Show canal", QAbstractButton)
    assert worked.focusWidget() is again
    qtbot.keyClick(again, Qt.Key.Key_Space)
    qtbot.wait(60)
    assert worked.views.grid.scene.shows("canal")


def strength(widget: QWidget) -> int:
    """How far the strongest pixel of a widget stands out from its ground, 0 to 255."""
    image = widget.grab().toImage()
    ground = image.pixelColor(image.width() - 1, 0).lightness()
    return max(abs(image.pixelColor(x, y).lightness() - ground) for x in range(image.width()) for y in range(image.height()))


@pytest.mark.parametrize("name", THEMES)
def test_a_choice_that_is_barred_looks_barred(qtbot: QtBot, name: ThemeName) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    style.apply(application, name)
    ground = QWidget()
    ground.setObjectName("window")
    free, barred = QRadioButton("Interlaminar, midline", ground), QRadioButton("Interlaminar, midline", ground)
    barred.setEnabled(False)
    qtbot.addWidget(ground)
    ground.show()
    assert strength(barred) < 0.75 * strength(free)
