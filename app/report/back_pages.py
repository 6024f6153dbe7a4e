"""The pages behind the cards: why this way, what else was found, the dose-response, and what all of it rests on."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from app.report.needle_card import anchor_words, is_counted, leak_title, limit_words, result
from app.report.numbers import band_cell, measured, millilitres, millimetres, volume
from app.report.room_words import in_plane, out_of_plane
from app.report.sheet import Graph, Picture, Row, Section, Table
from app.steps.words import ONLY_ON_MYELOGRAMS
from planner.anatomy.spine import Anatomy
from planner.case.case import SecondScan
from planner.case.derive import Plan, SitePlan
from planner.case.words import APPROACH_WORDS
from planner.evidence import evidence
from planner.exchange.anatomy_files import structures_content
from planner.exchange.plan_file import evidence_of
from planner.leak import Approach
from planner.patch.forecast import DoseRow, Forecast
from planner.scan import Series

_VOLUMES_ML = (1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0)
_CROSSING_MM = 5.0  # needles nearer than this to each other are in each other's way


def sections(plan: Plan, series: Series | None, pictures: tuple[Picture, ...]) -> tuple[Section, ...]:
    """All pages behind the cards, in their order."""
    made: list[Section] = []
    if len(plan.sites) > 1:
        made.append(_all_needles(plan))
    if pictures:
        made.append(Section("More views", pictures=pictures))
    if plan.forecast is not None:
        made.append(_dose_response(plan, plan.forecast))
    for index, site in enumerate(plan.sites):
        made += _ways_in(plan, index, site)
    made.append(_levels(plan.anatomy))
    made.append(_structures(plan.anatomy))
    if series is not None:
        made.append(_scan(series))
    if plan.case.second is not None:
        made.append(_second_scan(plan.case.second))
    if plan.case.notes.strip():
        made.append(Section("Notes", tuple(plan.case.notes.strip().splitlines())))
    made.append(
        Section("What was not checked, and what nobody knows", (*evidence("report.limits").value, str(evidence("report.follow_up").value)))
    )
    made.append(_sources(plan))
    return tuple(made)


def _all_needles(plan: Plan) -> Section:
    rows = []
    for number, site in enumerate(plan.sites, start=1):
        used = site.used
        way = "no needle found" if used is None else f"{APPROACH_WORDS[site.approach.name]}, {millimetres(used.depth_mm, 0)}"
        doses = (millilitres(site.fibrin_ml), millilitres(site.blood_ml)) if used is not None else ("", "")
        rows.append(
            Row((str(number), leak_title(site.site.leak, is_counted(plan.anatomy)), way, *doses), "" if used is not None else "bad")
        )
    given = [site for site in plan.sites if site.used is not None]
    fibrin, blood = sum(site.fibrin_ml for site in given), sum(site.blood_ml for site in given)
    rows.append(Row(("", "In all", f"{millilitres(fibrin + blood)} of fibrin and blood", millilitres(fibrin), millilitres(blood))))
    table = Table(("", "Site", "Way in", "Fibrin", "Blood"), (0.05, 0.36, 0.37, 0.11, 0.11), tuple(rows))
    return Section("All needles", _crossings(plan), table)


def _crossings(plan: Plan) -> tuple[str, ...]:
    used = [(number, site.used) for number, site in enumerate(plan.sites, start=1) if site.used is not None]
    said = []
    for (one, a), (other, b) in combinations(used, 2):
        apart = least_distance_mm((a.entry_mm, a.target_mm), (b.entry_mm, b.target_mm))
        if apart < _CROSSING_MM:
            said.append(
                f"Needles {one} and {other} come within {apart:.0f} mm of each other: place one after the other, or choose another way."
            )
    return tuple(said)


def least_distance_mm(one: tuple[tuple[float, ...], tuple[float, ...]], other: tuple[tuple[float, ...], tuple[float, ...]]) -> float:
    """Least distance of the axes of two needles, within half a millimetre."""

    def along(ends: tuple[tuple[float, ...], tuple[float, ...]]) -> np.ndarray:
        start, stop = np.array(ends[0]), np.array(ends[1])
        steps = max(2, int(np.linalg.norm(stop - start)) + 1)
        return start + np.linspace(0.0, 1.0, steps)[:, None] * (stop - start)

    return float(np.linalg.norm(along(one)[:, None] - along(other)[None], axis=2).min())


def _dose_response(plan: Plan, forecast: Forecast) -> Section:
    dose = plan.planned_ml
    least, most = forecast.rows[0].ml, forecast.rows[-1].ml
    volumes = sorted({*(ml for ml in _VOLUMES_ML if least <= ml <= most), dose})
    head = ("Total, mL", "Leak covered, %", "Canal filled, %", "Levels up", "Levels down", "Sac narrowed, %", "Out, mL", "Ventral, mL")
    rows = tuple(Row(_dose_cells(forecast.at(ml), ml), "good" if ml == dose else "") for ml in volumes)
    paragraphs = [
        f"Medians of {forecast.members} runs, 10th and 90th percentile in brackets. The planned total is {millilitres(dose)}."
        + (" Leak covered is that of the least covered leak." if len(plan.sites) > 1 else ""),
        "; ".join(
            f"{share} % cover from {' '.join(volume(band))}" for share, band in sorted(forecast.ml_for_cover.items())
        ) + ".",
        *(sentence if sentence.startswith("From ") else f"From {millilitres(ml)}: {sentence}" for ml, sentence, _ in forecast.warnings),
    ]  # fmt: skip
    points = tuple((row.ml, row.leak_covered.low, row.leak_covered.median, row.leak_covered.high) for row in forecast.rows)
    table = Table(head, (0.10, 0.14, 0.14, 0.13, 0.13, 0.13, 0.12, 0.11), rows)
    return Section("Dose and response", tuple(paragraphs), table, Graph("Leak covered against total volume", points, dose))


def _dose_cells(row: DoseRow, ml: float) -> tuple[str, ...]:
    return (
        f"{ml:.1f}".removesuffix(".0"),
        band_cell(row.leak_covered, 100),
        band_cell(row.canal_fill_max, 100),
        band_cell(row.levels_up, 1, 1),
        band_cell(row.levels_down, 1, 1),
        band_cell(row.sac_reduction_max, 100),
        band_cell(row.escaped_ml, 1, 1),
        band_cell(row.ventral_ml, 1, 1),
    )


def _not_chosen(way: Approach) -> str:
    """A way in, why it would be taken, and what speaks against it here."""
    return " ".join(filter(None, (f"{way.title[0].lower()}{way.title[1:]}. {way.why}", way.barred or way.warning)))


def _ways_in(plan: Plan, index: int, site: SitePlan) -> list[Section]:
    number = f" {index + 1}" if len(plan.sites) > 1 else ""
    chosen, searched = site.approach, site.search
    others = [way for way in site.approaches if (way.name, way.level) != (chosen.name, chosen.level)]
    taken = " ".join(filter(None, (f"{chosen.title}. {chosen.why}", chosen.warning)))
    said = [taken, *(f"Not chosen: {_not_chosen(way)}" for way in others)]
    if searched.targets:
        said.append(f"Searched: {searched.directions:,} directions to {searched.targets} targets.")
    if searched.rejected and searched.targets:
        ruled = ", ".join(f"{reason} {count:,}" for reason, count in searched.rejected.items())
        said.append(f"Paths ruled out first by: {ruled}.")
    said[1:1] = [sentence for sentence in (searched.reason, searched.relaxed) if sentence]
    made = [Section(f"The way in{number}", tuple(said), _candidates(plan, site))]
    if site.used is not None:
        rows = tuple(
            Row(
                (check.name, measured(check.value, check.unit), limit_words(check), result(check), _source_words(check.source)),
                "" if check.ok else "bad" if check.ok is None or not check.soft else "caution",
            )
            for check in site.used.checks
        )
        head = ("Check", "Found", "Limit", "Result", "Source of the limit")
        made.append(Section(f"All checks of the needle{number}", (), Table(head, (0.28, 0.17, 0.19, 0.13, 0.23), rows)))
    return made


def _source_words(source: str) -> str:
    """The source of a limit as a reader knows it: of an evidence id its source, else the reference itself."""
    try:
        return evidence(source).source
    except (KeyError, ValueError):
        return source


def _candidates(plan: Plan, site: SitePlan) -> Table | None:
    if not site.search.candidates:
        return None
    rows, counted = [], is_counted(plan.anatomy)
    for rank, candidate in enumerate(site.search.candidates, start=1):
        known = [(value, name) for name, value in candidate.clearance_mm.items() if value is not None]
        least = min(known) if known else None
        taken = site.used is candidate
        rows.append(
            Row(
                (
                    f"{rank}{' taken' if taken and site.taken is not None else ' proposed' if taken else ''}",
                    " ".join(filter(None, (candidate.level, "" if counted or not candidate.level else "?", candidate.side))),
                    f"{candidate.depth_mm:.0f}",
                    in_plane(candidate.in_plane_deg, plan.case.position),
                    out_of_plane(candidate.out_of_plane_deg),
                    f"{least[0]:.1f} mm, {least[1]}" if least else "not checked",
                    f"{candidate.score['total']:.2f}" if "total" in candidate.score else "",
                    candidate.remark,
                ),
                "good" if taken else "",
            )
        )
    head = ("", "Opening", "Depth, mm", "In plane", "Out of plane", "Least clearance", "Score", "")
    return Table(head, (0.1, 0.14, 0.09, 0.15, 0.14, 0.15, 0.07, 0.16), tuple(rows))


def _levels(anatomy: Anatomy) -> Section:
    words = anchor_words(anatomy)
    said = [f"{words[0].upper()}{words[1:]}."]
    if anatomy.levels:
        said.append(
            "Seen from head to foot, with how sure each is: "
            + ", ".join(f"{level.name} {100 * level.confidence:.0f} %" for level in anatomy.levels)
            + "."
        )
    else:
        said.append("No vertebra was found.")
    return Section("Levels", tuple(said))


def _structures(anatomy: Anatomy) -> Section:
    rows = []
    for name, structure in structures_content(anatomy).items():
        confidence = structure["confidence"]
        unknown = structure["provenance"] == "not checked"
        if unknown and name in ONLY_ON_MYELOGRAMS:
            continue
        sure = "" if confidence is None or unknown else f"{100 * confidence:.0f} %"
        rows.append(Row((name, structure["provenance"], sure, structure["problem"] or ""), "bad" if unknown else ""))
    table = Table(("Structure", "Known how", "How sure", "What failed, and where"), (0.18, 0.14, 0.1, 0.58), tuple(rows))
    return Section("How each structure is known", (), table)


def _scan(series: Series) -> Section:
    size = " x ".join(str(n) for n in reversed(series.size))
    spacing = " x ".join(f"{mm:.2f}" for mm in reversed(series.spacing_mm))
    said = [
        f"{series.modality}, {series.plane}, {size} voxels of {spacing} mm; verdict: {series.verdict}.",
        f"Series {series.uid}, part {series.part}.",
        *dict.fromkeys((*series.reasons, *series.repairs, *series.notes)),
    ]
    return Section("Scan", tuple(said))


def _second_scan(second: SecondScan) -> Section:
    laid = second.registration
    said = [
        "Shown over the planning scan. Every measurement was made on the planning scan alone.",
        f"Series {second.scan.series_uid}, part {second.scan.part}.",
    ]
    if laid is None:
        said.append("It was not registered.")
    elif laid.levels is None:
        said.append("How far its levels lay off was not measured.")
    else:
        worst = f", the worst {max(laid.errors_mm):.1f} mm off" if laid.errors_mm else ""
        said.append(f"Its registration was {laid.verdict}: {len(laid.errors_mm)} of {len(laid.levels)} levels checked{worst}.")
    return Section("Second scan", (*said, *(laid.doubts if laid is not None else ())))


def _sources(plan: Plan) -> Section:
    said = [f"Dose of {site.preset.name.lower()}: {site.preset.source}" for site in plan.sites]
    for identifier in evidence_of(plan):
        entry = evidence(identifier)
        if isinstance(entry.value, str):
            said.append(f"{entry.value[0].upper()}{entry.value[1:]}: {entry.source}")
            continue
        label = identifier.partition(".")[2].removesuffix("_mm").removesuffix("_deg").replace("_", " ")
        value = f"{_value(entry.value)} {entry.unit}".strip()
        said.append(f"{label[0].upper()}{label[1:]}: {value}{f' ({entry.note})' if entry.note else ''}: {entry.source}")
    return Section("Sources", tuple(dict.fromkeys(said)))


def _value(value: object) -> str:
    return " to ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
