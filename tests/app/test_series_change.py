"""Another series is planned on: everything derived is of that one, whatever was on view before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

import planner.case.derive
from app.session import Session
from planner.refusal import Refusal
from tests.app.conftest import wait
from tests.planner.scan.writer import ROOT, Stack, write


def test_the_anatomy_is_sought_in_the_series_that_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    """While the new series is loaded the old one stays on view; its canal would be drawn, and planned on, beside the new one's."""
    write(tmp_path / "ct", Stack(places=tuple(range(14))))
    write(tmp_path / "mr", Stack(modality="MR", series=f"{ROOT}.2"))
    sought: list[str] = []

    def find_anatomy(_case: object, volume: Any, *_rest: object) -> object:
        sought.append(volume.modality)
        raise Refusal("No spine.", "Go on.")

    monkeypatch.setattr(planner.case.derive, "find_anatomy", find_anatomy)
    session = Session()
    try:
        session.open_path(tmp_path)
        wait(qtbot, lambda: session.anatomy.state == "refused")
        assert sought == ["CT"]
        (other,) = (series for series in session.scan.value.series if series.modality == "MR")
        session.choose_series(other)
        wait(qtbot, lambda: session.anatomy.state == "refused")
        assert session.volume.value.modality == "MR" and sought == ["CT", "MR"]
    finally:
        session.close()
