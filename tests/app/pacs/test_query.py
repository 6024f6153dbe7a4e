"""What a server is asked, by both languages, and what comes back."""

from __future__ import annotations

from datetime import date

import pytest

from app.pacs.association import MOST_CONTEXTS, storage_contexts
from app.pacs.echo import echo
from app.pacs.nodes import Way
from app.pacs.query import Asked, StudyAnswer, find_images, find_series, find_studies, matching
from planner.refusal import Refusal
from tests.app.pacs.conftest import Pacs, node_of
from tests.app.pacs.patients import ACCESSION, ID, SECRETS

LANGUAGES: list[Way] = ["C-GET", "DICOMweb"]
both = pytest.mark.parametrize("way", LANGUAGES)


@both
@pytest.mark.parametrize(
    "asked",
    [
        Asked(name="Zzyzxquill"), Asked(name="zzyz"), Asked(name="Zzyzxquill, Ophelia"), Asked(name="*Ophelia"), Asked(patient_id=ID),
        Asked(accession=ACCESSION), Asked(since=date(2024, 5, 3), until=date(2024, 5, 3)), Asked(since=date(2024, 1, 1)),
        Asked(name="Z", modality="mr"),
    ],
    ids=["family name", "small letters", "full name", "given name", "ID", "accession", "day", "since", "modality"],
)  # fmt: skip
def test_a_study_is_found_by(way: Way, asked: Asked, pacs: Pacs) -> None:
    (study,) = find_studies(node_of(pacs.server, way), asked).answers
    assert study.uid == pacs.ct.study
    assert (study.patient_name, study.patient_id, study.birth_day, study.day) == ("Zzyzxquill, Ophelia", ID, "1953-11-23", "2024-05-03")
    assert sorted(study.modalities) == ["CT", "MR"]
    assert (study.series, study.images) == (2, 43)


@both
@pytest.mark.parametrize(
    "asked",
    [Asked(name="Nobody"), Asked(name="Zzyzxquill", until=date(2020, 1, 1)), Asked(name="Quokka", modality="MR")],
    ids=["name", "date", "modality"],
)
def test_what_does_not_match_is_not_found(way: Way, asked: Asked, pacs: Pacs) -> None:
    assert find_studies(node_of(pacs.server, way), asked).answers == ()


@both
@pytest.mark.parametrize("name", ["Müßigbrod", "müßig", "Müßigbrod, Jörg", "*Jörg"])
def test_letters_beyond_ascii_are_found(way: Way, name: str, pacs: Pacs) -> None:
    (study,) = find_studies(node_of(pacs.server, way), Asked(name=name)).answers
    assert study.patient_name == "Müßigbrod, Jörg"


@both
def test_the_newest_study_comes_first(way: Way, pacs: Pacs) -> None:
    found = find_studies(node_of(pacs.server, way), Asked(since=date(2000, 1, 1)))
    assert [study.day for study in found.answers] == ["2024-05-03", "2019-01-11"]
    assert not found.cut


@both
def test_series_and_images_of_a_study(way: Way, pacs: Pacs) -> None:
    node = node_of(pacs.server, way)
    (study,) = find_studies(node, Asked(patient_id=ID)).answers
    series = {one.modality: one for one in find_series(node, study)}
    assert {name: (one.images, one.description) for name, one in series.items()} == {"CT": (40, "thin bone"), "MR": (3, "T2 sag")}
    assert series["CT"].uid == pacs.ct.uid
    assert len(find_images(node, series["CT"])) == 40


def test_the_server_is_never_asked_for_everything(pacs: Pacs) -> None:
    for nothing in (Asked(), Asked(name="  "), Asked(modality="CT")):
        with pytest.raises(Refusal, match="everything that the server has"):
            find_studies(node_of(pacs.server), nothing)


def test_more_than_a_list_can_show_is_cut_and_said(pacs: Pacs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.pacs.query.MOST_STUDIES", 1)
    for way in LANGUAGES:
        found = find_studies(node_of(pacs.server, way), Asked(since=date(2000, 1, 1)))
        assert (len(found.answers), found.cut) == (1, True)


def test_what_is_typed_cannot_become_another_question() -> None:
    assert matching(Asked(name="A\\B\x00", patient_id="1\\2")) == {"PatientName": "A B*", "PatientID": "1 2"}
    with pytest.raises(Refusal, match="after the last"):
        matching(Asked(since=date(2024, 2, 1), until=date(2024, 1, 1)))


@pytest.mark.parametrize("way", ["C-GET", "C-MOVE", "DICOMweb"])
def test_echo(way: Way, pacs: Pacs) -> None:
    assert 0 < echo(node_of(pacs.server, way)) < 5


def test_answers_do_not_print_what_they_hold() -> None:
    study = StudyAnswer("1.2", *SECRETS[:2], SECRETS[2], SECRETS[3], "x", SECRETS[4], ("CT",), 1, 2)
    shown = f"{study!r} {study} {[study]} {Asked(name=SECRETS[0])!r}"
    assert not any(secret in shown for secret in SECRETS)


def test_a_call_offers_each_syntax_alone_and_not_more_than_fit() -> None:
    contexts = storage_contexts()
    assert len(contexts) + 2 <= MOST_CONTEXTS
    assert all(len(one.transfer_syntax) == 1 for one in contexts)
