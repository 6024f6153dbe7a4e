"""Every real scan that must walk goes through all seven stations of the window, by mouse and keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.window import Window
from planner.leak import TITLES
from tests.app.conftest import at, find, names, press, wait, words
from tests.data import real
from tests.data.walks import WALKS, Walk


def press_key_at(qtbot: QtBot, window: Window, plane: str, point_mm: tuple[float, float, float], key: Qt.Key) -> None:
    """Point at a place of the patient and press a key, as a hand does."""
    window.views.grid.set_crosshair(point_mm)
    view = window.views.grid.slices[plane]
    view.setFocus()
    qtbot.mouseMove(view, at(view, point_mm))
    qtbot.keyClick(view, key)
    qtbot.wait(60)


@pytest.mark.real
@pytest.mark.parametrize("walk", WALKS, ids=[walk.name for walk in WALKS])
def test_a_real_scan_walks_through_the_window(walk: Walk, open_window: Callable[..., Window], qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window(real(walk.path))
    session = window.session
    wait(qtbot, lambda: session.anatomy.state in ("ready", "refused"))
    assert session.anatomy.state == "ready", session.anatomy.refusal

    name = walk.anchor.split("=")[0]
    press_key_at(qtbot, window, "sagittal", walk.anchor_mm, Qt.Key.Key_V)
    press(qtbot, window, f"It is {name}")
    wait(qtbot, lambda: session.anatomy.state == "ready" and session.case.anchor is not None)

    window.go_to(2)
    qtbot.wait(60)
    kind = find(window, f"Kind {walk.kind.capitalize()}")
    kind.setFocus()
    qtbot.keyClick(kind, Qt.Key.Key_Space)
    press_key_at(qtbot, window, "axial", walk.leak_mm, Qt.Key.Key_K)
    wait(qtbot, lambda: session.site_plans is not None)
    assert session.site_plans is not None
    assert session.site_plans[0].site.leak.level == walk.level

    if walk.reason is not None:
        window.go_to(3)
        qtbot.wait(60)
        assert walk.reason in words(window)
        assert not find(window, TITLES["interlaminar-midline"]).isEnabled()

    window.go_to(4)
    qtbot.wait(60)
    if walk.reason is not None:
        assert "Why none was found" in names(window)
        assert walk.reason in words(window)
    else:
        press(qtbot, window, "Take candidate 1")
        wait(qtbot, lambda: session.forecast.state == "ready" and session.plan is not None)
    window.go_to(5)
    qtbot.wait(60)
    if walk.reason is not None:
        assert "no needle, so no patch" in words(window)
    else:
        assert any(shown.startswith("Leak covered: ") and "%" in shown for shown in names(window))
    window.go_to(6)
    wait(qtbot, lambda: any(shown.startswith("Page 1 of") for shown in names(window)))
    window.sheet.save("pdf", tmp_path / "plan.pdf")
    assert (tmp_path / "plan.pdf").read_bytes().startswith(b"%PDF")
    window.sheet.save("html", tmp_path / "plan.html")
    sheet = (tmp_path / "plan.html").read_text("utf-8")
    assert walk.level in sheet
    assert (walk.reason or "Room card") in sheet
