"""What stands in 3D has the sizes of the levels that the screen names."""

import pytest
from pytestqt.qtbot import QtBot

from app.window import Window
from planner.anatomy.spine import Anatomy
from planner.case.acts import name_vertebra
from planner.progress import Progress
from tests.app.conftest import wait
from viewer.surfaces import Mesh


def test_surfaces_follow_a_new_name_once_and_a_confirmed_one_not_at_all(
    worked: Window, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sac, the cord and the roots are those that were found under the new names, not those of before."""
    session = worked.session
    drawn: list[Anatomy] = []

    def surfaces(anatomy: Anatomy, progress: Progress) -> dict[str, Mesh]:
        drawn.append(anatomy)
        return {}

    monkeypatch.setattr("viewer.surfaces.surfaces", surfaces)
    before = session.anatomy.value
    session.shift_names(1)
    wait(qtbot, lambda: session.anatomy.state == "ready" and session.surfaces.state == "ready" and bool(drawn))
    assert session.anatomy.value is not before
    assert drawn == [session.anatomy.value]
    level = drawn[0].levels[1]
    session.act(name_vertebra(session.case, level.name, level.centre_mm))
    wait(qtbot, lambda: session.anatomy.state == "ready" and session.anatomy.value is not drawn[0])
    assert len(drawn) == 1 and session.surfaces.state == "ready"
