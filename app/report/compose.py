"""A plan becomes a sheet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.report import pictures
from app.report.back_pages import sections
from app.report.fonts import ready_to_paint
from app.report.needle_card import anchor_words, card
from app.report.sheet import Sheet
from planner.case.case import Case
from planner.case.derive import Plan
from planner.case.json_values import encode
from planner.case.words import POSITION_WORDS
from planner.geometry import Volume
from planner.progress import Progress, part, silent
from planner.scan import Series
from planner.version import VERSION

if TYPE_CHECKING:
    from viewer.surfaces import Mesh

FOOT = "for planning and teaching; not a medical device"


def make_sheet(
    plan: Plan,
    volume: Volume,
    series: Series | None = None,
    *,
    identify: bool = False,
    surfaces: Mapping[str, Mesh] | None = None,
    progress: Progress = silent,
) -> Sheet:
    """The sheet of a plan, with its pictures.

    series: the scan's verdict and notes are printed from it, and the patient's name and number where `identify` is set. surfaces: for
    the picture in space; made here where they are not given. Needs no screen; in the window call it in the window's thread.
    """
    ready_to_paint()
    watermark = "Phantom" if is_phantom(plan.case, series) else ""
    if surfaces is None:
        surfaces = pictures.surfaces_of(plan, part(progress, 0.0, 0.5))
    scene = pictures.scene_of(plan, volume, surfaces, watermark)
    cautions = _scan_cautions(plan, series)
    cards = []
    for index in range(len(plan.sites)):
        progress(0.5 + 0.3 * index / len(plan.sites), "Drawing the sheet")
        cards.append(card(plan, index, pictures.site_pictures(scene, plan, index), cautions))
    progress(0.8, "Drawing the sheet")
    return Sheet(
        title="Plan for a targeted blood patch",
        watermark=watermark,
        patient=_patient(series) if identify and series is not None else "",
        cards=tuple(cards),
        sections=sections(plan, series, pictures.more_pictures(scene, plan)),
        foot=_foot(plan),
        levels=anchor_words(plan.anatomy),
    )


def is_phantom(case: Case, series: Series | None) -> bool:
    """Whether this is the built-in patient: no sheet of it may be taken for a person's."""
    if case.scan is not None and case.scan.example:
        return True
    return series is not None and "phantom" in f"{series.description} {series.identity.name} {series.identity.number}".lower()


def _patient(series: Series) -> str:
    identity = series.identity
    said = [identity.name, identity.number and f"number {identity.number}", identity.birth_date and f"born {identity.birth_date}"]
    return ", ".join(filter(None, said)) or "the scan names nobody"


def _scan_cautions(plan: Plan, series: Series | None) -> tuple[str, ...]:
    """What makes every needle of this scan doubtful."""
    if series is None:
        return ()
    said = list(series.notes)
    lying = {"P": "prone", "S": "supine", "DL": "left", "DR": "right"}.get((series.patient_position or "")[2:])
    if lying is not None and lying != plan.case.position:
        words = {"left": POSITION_WORDS["left"], "right": POSITION_WORDS["right"]}.get(lying, lying)
        said.append(f"Scanned {words}, planned {POSITION_WORDS[plan.case.position]}: the spine's shape differs. Repeat the planning scan.")
    return tuple(said)


def _foot(plan: Plan) -> str:
    case = hashlib.sha256(json.dumps(encode(plan.case), sort_keys=True).encode("utf-8", "replace")).hexdigest()[:8]
    scan = plan.case.scan.series_uid if plan.case.scan else "none"
    scan = scan if len(scan) <= 24 else f"{scan[:12]}…{scan[-8:]}"
    estimates = "estimates with 10-90 % bands from published spread data (sources behind)"
    return f"Duraplan {VERSION} · case {case} · scan {scan} · {estimates} · {FOOT}"
