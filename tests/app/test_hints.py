"""What a myelogram hints at: contrast outside the sac is offered at Leak, shown and hidden at Anatomy, and never taken by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtWidgets import QAbstractButton
from pytestqt.qtbot import QtBot

from app.derived import Derived
from app.window import Window
from planner.anatomy import NOT_CHECKED, Anatomy
from tests.app.conftest import find, names, offers, press, wait, words
from viewer.scene import EMPTY


def anatomy_of(window: Window) -> Anatomy:
    """The anatomy of now."""
    anatomy = window.session.anatomy.value
    assert anatomy is not None
    return anatomy


def called(window: Window, start: str) -> str:
    """The one name on screen that begins so."""
    (found,) = [name for name in names(window) if name.startswith(start)]
    return found


def choose(window: Window, name: str) -> None:
    """Click what is called so."""
    control = find(window, name, QAbstractButton)
    assert isinstance(control, QAbstractButton)
    control.click()


def pretend(window: Window, anatomy: Anatomy) -> None:
    """Let the screen show another anatomy."""
    window.session.anatomy = replace(window.session.anatomy, value=anatomy)
    window.session.changed.emit()


def test_look_brings_a_hint_into_the_views_and_marks_nothing(worked: Window, qtbot: QtBot) -> None:
    worked.go_to(2)
    qtbot.wait(60)
    hint = anatomy_of(worked).leak_hints[0]
    before = worked.session.case
    look = called(worked, "Look at hint 1: Bright fluid behind the sac at ")
    assert look.endswith(f"{hint.volume_ml:.1f} mL: looks like leaked contrast.")
    press(qtbot, worked, look)
    assert worked.views.grid.crosshair == pytest.approx(hint.position_mm)
    assert worked.session.case == before


def test_mark_here_marks_the_kind_that_is_chosen_and_is_undone(worked: Window, qtbot: QtBot) -> None:
    worked.go_to(2)
    qtbot.wait(60)
    press(qtbot, worked, "Remove site 1")
    assert not worked.session.case.sites
    hint = anatomy_of(worked).leak_hints[0]
    choose(worked, "Kind Dorsal")
    press(qtbot, worked, called(worked, "Mark a leak at hint 1: "))
    (site,) = worked.session.case.sites
    assert site.leak.kind == "dorsal"
    assert site.leak.position_mm == pytest.approx(hint.position_mm)
    assert "✓ Marked as site 1" in words(worked)
    assert not any(name.startswith("Mark a leak at hint 1: ") for name in names(worked))
    assert offers(worked, "Move site 1")
    worked.session.undo()
    qtbot.wait(60)
    assert not worked.session.case.sites
    assert any(name.startswith("Mark a leak at hint 1: ") for name in names(worked))


def test_a_scan_without_leaks_opens_on_its_canal_unless_a_hand_was_there(worked: Window, qtbot: QtBot) -> None:
    worked.go_to(2)
    qtbot.wait(60)
    press(qtbot, worked, "Remove site 1")
    found, line = worked.session.anatomy, anatomy_of(worked).canal.centreline_mm
    for touched in (False, True):
        worked.session.anatomy = Derived()
        worked.views.grid.set_scene(EMPTY)
        worked.views.show(2)
        before = worked.views.grid.crosshair
        if touched:
            before = (before[0] + 7.0, before[1], before[2])
            worked.views.grid.set_crosshair(before)
        worked.session.anatomy = found
        worked.views.show(2)
        at = worked.views.grid.crosshair
        assert at == pytest.approx(before if touched else line[len(line) // 2])


def test_a_guessed_level_is_said_to_be_one(worked: Window, qtbot: QtBot) -> None:
    worked.go_to(2)
    anatomy = anatomy_of(worked)
    assert anatomy.anchor is not None
    pretend(worked, replace(anatomy, anchor=replace(anatomy.anchor, by="program")))
    qtbot.wait(60)
    assert called(worked, "Look at hint 1: ").endswith("Level not confirmed.")


def test_nothing_is_said_where_nothing_was_found(worked: Window, qtbot: QtBot) -> None:
    worked.go_to(2)
    anatomy = anatomy_of(worked)
    pretend(worked, replace(anatomy, leak_hints=()))
    qtbot.wait(60)
    assert "Seen on this scan" not in names(worked)


def test_the_eye_hides_contrast_outside_and_a_plain_scan_has_no_row_of_it(worked: Window, qtbot: QtBot) -> None:
    worked.go_to(1)
    qtbot.wait(60)
    choose(worked, "Show contrast outside")
    wait(qtbot, lambda: not worked.views.grid.scene.shows("contrast outside"))
    anatomy = anatomy_of(worked)
    pretend(worked, replace(anatomy, structures={**anatomy.structures, "contrast outside": NOT_CHECKED}))
    qtbot.wait(60)
    assert "Show contrast outside" not in names(worked)
    assert not any(name.startswith("contrast outside: ") for name in names(worked))
