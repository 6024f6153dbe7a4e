"""Asking a PACS what it has: studies by name, ID, accession number, date and modality; their series; the images of a series.

Answers are values that do not print what they hold: nothing of a query reaches a log by accident.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.presentation import build_context

from app.pacs.association import UNCOMPRESSED, Call
from app.pacs.attended import LIMITS, Limits, attended
from app.pacs.nodes import Node
from app.pacs.status import PENDING, SUCCESS, meaning, number
from planner.progress import Progress, silent
from planner.refusal import Refusal

_FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")  # of the study root, PS3.4 C.6.2.3

MOST_STUDIES = 500
MOST_SERIES = 2000
MOST_IMAGES = 60_000
_LONGEST = 200

STUDY_KEYS = (
    "StudyInstanceUID", "PatientName", "PatientID", "PatientBirthDate", "StudyDate", "StudyTime", "StudyDescription", "AccessionNumber",
    "ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
)  # fmt: skip
SERIES_KEYS = ("SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "BodyPartExamined", "NumberOfSeriesRelatedInstances")


@dataclass(frozen=True, repr=False)
class Asked:
    """What to search for; what is empty is not asked for. name: as written on a list ("Doe, Jane"); * and ? stand for any letters."""

    name: str = ""
    patient_id: str = ""
    accession: str = ""
    since: date | None = None
    until: date | None = None
    modality: str = ""

    def __repr__(self) -> str:
        return "Asked(hidden)"


@dataclass(frozen=True, repr=False)
class StudyAnswer:
    """A study that a server has. day: "" where the server gives none. Counts are None where it does not count."""

    uid: str
    patient_name: str
    patient_id: str
    birth_day: str
    day: str
    description: str
    accession: str
    modalities: tuple[str, ...]
    series: int | None
    images: int | None

    def __repr__(self) -> str:
        return "StudyAnswer(hidden)"


@dataclass(frozen=True, repr=False)
class SeriesAnswer:
    """A series of a study."""

    study_uid: str
    uid: str
    modality: str
    number: int | None
    description: str
    body_part: str
    images: int | None

    def __repr__(self) -> str:
        return "SeriesAnswer(hidden)"


class Studies(NamedTuple):
    """cut: the server has more than were taken."""

    answers: tuple[StudyAnswer, ...]
    cut: bool


def find_studies(node: Node, asked: Asked, progress: Progress = silent, limits: Limits = LIMITS) -> Studies:
    """The newest studies first, at most MOST_STUDIES. Raises Refusal for an empty question and for what the server does."""
    keys = matching(asked)
    if not any(keys.get(key) for key in ("PatientName", "PatientID", "AccessionNumber", "StudyDate")):
        raise Refusal("That would ask for everything that the server has.", "Give a name, an ID, an accession number or a date.")
    found: list[Any] = []
    cut = False
    for name in _written(keys.get("PatientName", "")):
        keys |= {"PatientName": name} if name else {}
        found, cut = _find(node, "STUDY", dict.fromkeys(STUDY_KEYS, "") | keys, MOST_STUDIES, progress, limits)
        if found:
            break
    answers = {one.uid: one for one in map(_study, found) if one.uid and _has(one, asked.modality)}
    return Studies(tuple(sorted(answers.values(), key=lambda one: one.day, reverse=True)), cut)


def find_series(node: Node, study: StudyAnswer, progress: Progress = silent, limits: Limits = LIMITS) -> tuple[SeriesAnswer, ...]:
    """The series of a study in their order. Raises Refusal for what the server does."""
    keys = dict.fromkeys(SERIES_KEYS, "") | {"StudyInstanceUID": study.uid}
    found, _ = _find(node, "SERIES", keys, MOST_SERIES, progress, limits)
    answers = {one.uid: one for one in (_series(study.uid, one) for one in found) if one.uid}
    return tuple(sorted(answers.values(), key=lambda one: (one.number is None, one.number or 0)))


def find_images(node: Node, series: SeriesAnswer, progress: Progress = silent, limits: Limits = LIMITS) -> frozenset[str]:
    """The instance UIDs of a series; empty where the server does not list images. Raises Refusal where it cannot be reached."""
    keys = {"StudyInstanceUID": series.study_uid, "SeriesInstanceUID": series.uid, "SOPInstanceUID": ""}
    found, cut = _find(node, "IMAGE", keys, MOST_IMAGES, progress, limits)
    if cut:
        raise Refusal(f"The series has more than {MOST_IMAGES} images.", "Retrieve another one.")
    return frozenset(uid for one in found if (uid := _text(one, "SOPInstanceUID")))


def matching(asked: Asked) -> dict[str, str]:
    """The question as DICOM attributes, PS3.4 C.2.2.2: wildcards for the name, a range for the date."""
    keys: dict[str, str] = {}
    if name := _plain(asked.name):
        name = re.sub(r"\s*,\s*", "^", name)
        keys["PatientName"] = name if re.search(r"[*?]", name) else f"{name}*"
    if patient := _plain(asked.patient_id):
        keys["PatientID"] = patient
    if accession := _plain(asked.accession):
        keys["AccessionNumber"] = accession
    if asked.since is not None or asked.until is not None:
        if asked.since is not None and asked.until is not None and asked.since > asked.until:
            raise Refusal("The first day is after the last.", "Swap them.")
        keys["StudyDate"] = "-".join("" if day is None else f"{day:%Y%m%d}" for day in (asked.since, asked.until))
    if modality := _plain(asked.modality):
        keys["ModalitiesInStudy"] = modality.upper()
    return keys


def _plain(text: str) -> str:
    """Without what has a meaning of its own in DICOM values."""
    return re.sub(r"[\x00-\x1f\\]+", " ", text).strip()


def _written(name: str) -> tuple[str, ...]:
    """A name as it may stand at servers that mind capitals, or that know no letters but A to Z in a question."""
    plain = re.sub(r"[^\x00-\x7f]+", "*", name)
    told = len(re.findall("[A-Za-z]", name)) > len(re.findall(r"[^\x00-\x7f]", name))  # else it would fit anybody
    return tuple(dict.fromkeys(way for one in ((name, plain) if told else (name,)) for way in (one, one.upper(), one.title())))


def _has(study: StudyAnswer, modality: str) -> bool:
    """Whether a study is of the modality asked for: not every server matches it, or tells."""
    return not modality or not study.modalities or _plain(modality).upper() in study.modalities


def _find(node: Node, level: str, keys: dict[str, str], most: int, progress: Progress, limits: Limits) -> tuple[list[Any], bool]:
    """Answers as data sets, and whether there are more than `most`."""
    if node.by_web:
        from app.pacs.web import search

        return search(node, level, keys, most, progress, limits)
    question = Dataset()
    question.SpecificCharacterSet = "ISO_IR 192"
    question.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(question, keyword, value or None)
    call = Call(node, limits)

    def work(report: Progress) -> tuple[list[Any], bool]:
        with call.open([build_context(_FIND, list(UNCOMPRESSED))]) as association:
            found: list[Any] = []
            for status, answer in _asking(association.send_c_find, question, node):
                code = number(status)
                if code is None:
                    raise call.lost()
                if code in PENDING and answer is not None:
                    found.append(answer)
                    report(0.0, f"{len(found)} found")
                    if len(found) > most:
                        call.break_off()
                        return found[:most], True
                elif code not in (SUCCESS, *PENDING):
                    raise Refusal(f"{node.name} does not answer the query: {meaning(code)}.", "Ask less, or ask whoever runs the server.")
            return found, False

    return attended(work, progress, call.break_off, call.watch)


def _asking(send: Callable[..., Any], question: Any, node: Node) -> Any:
    """The answers as they come. Raises Refusal where the server agreed to talk, but not about queries."""
    try:
        return send(question, _FIND)
    except ValueError as error:
        raise Refusal(f"{node.name} takes no queries from this program.", "Ask whoever runs the server to allow them.") from error


def _study(answer: Any) -> StudyAnswer:
    return StudyAnswer(
        uid=_text(answer, "StudyInstanceUID"),
        patient_name=_name(_text(answer, "PatientName")),
        patient_id=_text(answer, "PatientID"),
        birth_day=_day(_text(answer, "PatientBirthDate")),
        day=_day(_text(answer, "StudyDate")),
        description=_text(answer, "StudyDescription"),
        accession=_text(answer, "AccessionNumber"),
        modalities=tuple(one.strip().upper() for one in re.split(r"[\\,\[\]']+", _text(answer, "ModalitiesInStudy")) if one.strip()),
        series=_count(answer, "NumberOfStudyRelatedSeries"),
        images=_count(answer, "NumberOfStudyRelatedInstances"),
    )


def _series(study_uid: str, answer: Any) -> SeriesAnswer:
    return SeriesAnswer(
        study_uid=study_uid,
        uid=_text(answer, "SeriesInstanceUID"),
        modality=_text(answer, "Modality"),
        number=_count(answer, "SeriesNumber"),
        description=_text(answer, "SeriesDescription"),
        body_part=_text(answer, "BodyPartExamined"),
        images=_count(answer, "NumberOfSeriesRelatedInstances"),
    )


def _text(answer: Any, keyword: str) -> str:
    """A value as one line of text; "" where it is missing or cannot be read."""
    try:
        value = answer.get(keyword)
        text = "" if value is None else "\\".join(map(str, value)) if hasattr(value, "append") else str(value)
    except Exception:  # whatever a server puts there: pydicom raises many kinds
        return ""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text).strip()[:_LONGEST]


def _count(answer: Any, keyword: str) -> int | None:
    try:
        return int(_text(answer, keyword))
    except ValueError:
        return None


def _name(text: str) -> str:
    """A DICOM name as one reads it: the first group of characters that is given, family name first."""
    group = next((one for one in text.split("=") if one.strip("^ ")), "")
    family, _, rest = group.partition("^")
    return ", ".join(part for part in (family.strip(), " ".join(rest.split("^")).strip()) if part)


def _day(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if re.fullmatch(r"\d{8}", text) else ""
