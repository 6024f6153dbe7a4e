"""The foramina in the Anatomy panel: sizes, arteries, ways in, and the landmarks' eye."""

from pytestqt.qtbot import QtBot

from app.steps.openings import artery_words, corridor_words, size_words
from app.window import Window
from planner.anatomy.hazards.arterial import ArterialZone
from planner.anatomy.hazards.corridor import CorridorLimit
from planner.anatomy.spine import Foramen
from tests.app.conftest import names, offers, press, words

ONE = Foramen(("L1", "L2"), "left", (16.0, 0.0, 0.0), (1.0, 0.0, 0.0), 18.6, 9.0, 0.8)


def test_the_words_of_a_foramen() -> None:
    assert size_words(ONE) == "19 mm high; 9 mm wide"
    measured = Foramen(ONE.between, "left", ONE.centre_mm, ONE.axis, 18.6, 9.0, 0.8, (12.2, 10.9, 7.6), 190.0)
    assert size_words(measured) == "19 mm high; 12, 11, 8 mm wide"
    strong = ArterialZone(ONE.between, "left", "strong", ONE.centre_mm, "anatomy.artery_usual_side")
    assert artery_words(strong) == "▲ Artery of the cord usual: upper front"


def test_the_words_of_a_way_in() -> None:
    def limit(angle: float | None, ended_by: str | None, *not_checked: str) -> str:
        return corridor_words(CorridorLimit(ONE.between, "left", angle, None, ended_by, not_checked))

    assert limit(71.0, "kidney", "kidney", "aorta") == "As far as checked, free from behind up to 71° to the side, then kidney."
    assert limit(90.0, None) == "Free from behind up to 90° to the side, nothing met."
    assert limit(None, "lung") == "No free way from behind: lung."
    assert limit(None, None) == "The way from behind lies outside the scan."


def test_the_foramina_open_on_demand_and_lead_there(worked: Window, qtbot: QtBot) -> None:
    worked.go_to(1)
    qtbot.wait(60)
    assert not offers(worked, "Go to the foramen L2-L3 left")
    press(qtbot, worked, "Foramina, arteries and ways in")
    assert offers(worked, "Go to the foramen L2-L3 left")
    assert any(name == "Artery at L2-L3 left" for name in names(worked))
    assert any(name == "Way in at L2-L3 left" for name in names(worked))
    assert not any(name == "Artery at L4-L5 left" for name in names(worked))  # none was described there
    press(qtbot, worked, "Go to the foramen L2-L3 left")
    anatomy = worked.session.anatomy.value
    assert anatomy is not None
    there = next(f.centre_mm for f in anatomy.foramina if (f.level, f.side) == ("L2-L3", "left"))
    assert worked.views.grid.crosshair == tuple(there)
    assert any("Not checked, and may end one earlier: " in text for text in words(worked).splitlines())
    press(qtbot, worked, "Foramina, arteries and ways in")
    assert not offers(worked, "Go to the foramen L2-L3 left")


def test_landmarks_have_an_eye_that_is_closed_at_first(worked: Window, qtbot: QtBot) -> None:
    worked.go_to(1)
    qtbot.wait(60)
    assert "landmarks" in worked.session.hidden
    assert any(name.startswith("landmarks: found") for name in names(worked))
    press(qtbot, worked, "Show landmarks")
    assert "landmarks" not in worked.session.hidden
    assert "Landmarks" in words(worked)
    press(qtbot, worked, "Show landmarks")
