"""The second scan follows the case: what was asked for one case is never written into another, and nothing bad is laundered on the way.

Two small series stand in for the scans, the registration is held until the test lets it go; `tests/planner/registration` judges it.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

import planner.case.derive
from app.session import Session
from app.steps.second import _state_words
from planner.refusal import Refusal
from planner.registration import LevelError, Registration, Rigid
from planner.registration import laying as laying_module
from tests.app.conftest import wait
from tests.planner.scan.writer import ROOT, Stack, edit, write

LAID = Rigid((0.0, 0.0, 3.0), (4.0, 0.0, 0.0), (0.0, 0.0, 0.0))
BY_HAND = Rigid(shift_mm=(50.0, 0.0, 0.0))
LEVELS = (LevelError((0.0, 0.0, 5.0), 0.4, (0.4, 0.0, 0.0)), LevelError((0.0, 0.0, -5.0), 0.6, (0.6, 0.0, 0.0)))
RIVAL = "One level further it fits nearly as well."


class Desk:
    """What the program was asked for, and the gate that holds the answers."""

    def __init__(self) -> None:
        self.gate, self.asked, self.spine = threading.Event(), [], False
        self.gate.set()
        self.answer = Registration(LAID, "search", 0.6, LEVELS)

    def register(self, planning: Any, second: Any, _anatomy: Any, progress: Any, start: Rigid | None = None, _other: Any = None) -> Any:
        self.asked.append(f"{second.modality} on {planning.modality}" + (" from there" if start else ""))
        while not self.gate.wait(0.01):
            progress(0.5, "Laying")
        return self.answer

    def measured(self, planning: Any, _second: Any, laid: Registration, *_anything: Any) -> Any:
        self.asked.append(f"levels of {planning.modality}")
        return replace(laid, levels=LEVELS)

    def find_anatomy(self, _case: Any, volume: Any, *_rest: Any) -> Any:
        if not self.spine:
            raise Refusal("No spine.", "Go on.")
        return SimpleNamespace(levels=(SimpleNamespace(name="L3"),), modality=volume.modality, canal=None)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk()
    monkeypatch.setattr(laying_module, "register", made.register)
    monkeypatch.setattr(laying_module, "measured", made.measured)
    monkeypatch.setattr(planner.case.derive, "find_anatomy", made.find_anatomy)
    monkeypatch.setattr("viewer.surfaces.surfaces", lambda *_: {})
    monkeypatch.setattr("viewer.divided_surfaces.wall_surfaces", lambda *_: {})
    return made


@pytest.fixture
def session(tmp_path: Path, desk: Desk, qtbot: QtBot) -> Iterator[Session]:
    """Planned on `ct`; `mr` lies beside it, and a smaller `ct-2`."""
    write(tmp_path / "ct", Stack(places=tuple(range(14))))
    write(tmp_path / "mr", Stack(modality="MR", series=f"{ROOT}.2"))
    write(tmp_path / "ct-2", Stack(series=f"{ROOT}.3", places=tuple(range(8))))
    made = Session()
    made.open_path(tmp_path / "ct")
    wait(qtbot, lambda: made.anatomy.state in ("ready", "refused"))
    yield made
    desk.gate.set()
    made.close()


def laid_over(session: Session, qtbot: QtBot, path: Path) -> None:
    session.second.open(path)
    wait(qtbot, lambda: session.second.laid is not None)


def test_a_hand_is_not_undone_by_a_registration_that_still_ran(session: Session, desk: Desk, tmp_path: Path, qtbot: QtBot) -> None:
    desk.gate.clear()
    session.second.open(tmp_path / "mr")
    wait(qtbot, lambda: desk.asked == ["MR on CT"])
    session.second.move(BY_HAND)
    desk.gate.set()
    qtbot.wait(200)
    assert session.second.laid is not None and session.second.laid.placed == BY_HAND and session.second.laid.start == "by hand"
    assert session.undo_name == "move the second scan by hand"
    session.undo()
    wait(qtbot, lambda: session.second.laid is not None and session.second.laid.start == "search")


def test_the_answer_for_another_planning_scan_is_not_taken(session: Session, desk: Desk, tmp_path: Path, qtbot: QtBot) -> None:
    for name in ("ct", "ct-2"):
        shutil.copytree(tmp_path / name, tmp_path / "both" / name)
    session.open_path(tmp_path / "both")
    wait(qtbot, lambda: session.anatomy.state == "refused" and session.volume.state == "ready")
    desk.gate.clear()
    session.second.open(tmp_path / "mr")
    wait(qtbot, lambda: session.second.registration.state == "running")
    first = session.second.registration.key
    (other,) = (one for one in session.scan.value.series if one.slices == 8)
    session.choose_series(other)
    desk.gate.set()
    wait(qtbot, lambda: session.second.laid is not None)
    assert session.second.registration.key != first and desk.asked == ["MR on CT", "MR on CT"]


def test_what_speaks_against_it_stays_when_the_scans_change_places(session: Session, desk: Desk, tmp_path: Path, qtbot: QtBot) -> None:
    """Else a place one level off would be called good after Plan on it."""
    desk.answer = replace(desk.answer, doubts=(RIVAL,))
    laid_over(session, qtbot, tmp_path / "mr")
    assert session.second.doubt == "questionable"
    session.second.plan_on_it()
    wait(qtbot, lambda: session.volume.state == "ready" and session.second.loaded.state == "ready" and session.anatomy.state == "refused")
    laid = session.second.laid
    assert laid is not None and laid.levels is None and session.second.doubt == "not measured"
    words, _ = _state_words(laid, True, "missing")
    assert words == f"△ Its levels are not measured. {RIVAL} From a search of the whole scan.", "no hand laid it"
    desk.spine = True
    session.resume("anatomy")
    wait(qtbot, lambda: session.second.laid is not None and session.second.laid.levels is not None)
    assert desk.asked[-1] == "levels of MR" and session.second.laid.verdict == "questionable" and session.second.laid.doubts == (RIVAL,)


def test_levels_are_measured_once_the_spine_is_found(session: Session, desk: Desk, tmp_path: Path, qtbot: QtBot) -> None:
    desk.answer = replace(desk.answer, levels=())
    laid_over(session, qtbot, tmp_path / "mr")
    assert session.second.doubt == "questionable"
    desk.spine = True
    session.resume("anatomy")
    wait(qtbot, lambda: session.second.laid is not None and bool(session.second.laid.levels))
    assert desk.asked == ["MR on CT", "levels of CT"] and session.second.doubt == ""


def test_another_patient_is_told_where_a_hand_laid_it_too(session: Session, desk: Desk, tmp_path: Path, qtbot: QtBot) -> None:
    for path in (tmp_path / "mr").iterdir():
        edit(path, PatientBirthDate="19900101")
    laid_over(session, qtbot, tmp_path / "mr")
    session.second.move(BY_HAND)
    laid = session.second.laid
    assert laid is not None and laid.doubts == ("The files of the two scans name different patients.",)
    words, _ = _state_words(laid, True, "missing")
    assert words == "△ Its levels are not measured. The files of the two scans name different patients. Laid by hand."


def test_it_is_said_where_nobody_can_tell_whose_scans_they_are(session: Session, desk: Desk, tmp_path: Path, qtbot: QtBot) -> None:
    laid_over(session, qtbot, tmp_path / "mr")
    assert not session.second.patient_unknown
    session.second.remove()
    for path in (tmp_path / "ct-2").iterdir():
        edit(path, PatientName="", PatientID="", PatientBirthDate="")
    laid_over(session, qtbot, tmp_path / "ct-2")
    assert session.second.patient_unknown and session.second.names == ("CT", "second CT")


def test_a_scan_that_is_not_there_is_not_planned_on(session: Session, desk: Desk, tmp_path: Path, qtbot: QtBot) -> None:
    laid_over(session, qtbot, tmp_path / "mr")
    path = tmp_path / "case.duraplan"
    assert session.save(path) is None
    shutil.move(tmp_path / "mr", tmp_path / "elsewhere")
    session.open_case(path)
    wait(qtbot, lambda: session.second.loaded.state == "refused")
    case, said = session.case, []
    session.announced.connect(said.append)
    session.second.plan_on_it()
    assert session.case == case and said == ["The second scan is not loaded. Load it before you plan on it."]

    session.second.open(tmp_path / "ct-2")
    wait(qtbot, lambda: session.second.files.state == "refused")
    assert session.case == case, "another scan does not slip into its place"
    assert str(session.second.files.refusal).startswith("The second scan of this case is not there.")
    session.second.open(tmp_path / "elsewhere")
    wait(qtbot, lambda: session.second.loaded.state == "ready")
    assert session.second.laid == case.second.registration and session.second.files.state == "ready"


def test_images_that_changed_are_refused_with_a_way_out_of_their_own(session: Session, desk: Desk, tmp_path: Path, qtbot: QtBot) -> None:
    laid_over(session, qtbot, tmp_path / "mr")
    path = tmp_path / "case.duraplan"
    assert session.save(path) is None
    shutil.rmtree(tmp_path / "mr")
    write(tmp_path / "mr", Stack(modality="MR", series=f"{ROOT}.2", places=tuple(range(11))))
    session.open_case(path)
    wait(qtbot, lambda: session.second.loaded.state == "refused")
    assert "remove the second scan" in str(session.second.loaded.refusal)
    wait(qtbot, lambda: session.volume.state == "ready")
