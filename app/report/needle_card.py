"""One site of a plan as a card of the sheet."""

from __future__ import annotations

from collections.abc import Sequence

from app.report import room_words
from app.report.numbers import dose, levels, measured, millimetres, percent, volume
from app.report.sheet import Card, Figure, Picture, Row, Table, Tone
from planner.anatomy.labels import rank
from planner.anatomy.spine import Anatomy
from planner.case.derive import Plan, SitePlan
from planner.case.words import APPROACH_WORDS, KIND_WORDS, POSITION_WORDS
from planner.evidence import evidence
from planner.geometry import PatientPosition
from planner.leak.leak import Leak
from planner.needles.candidate import Candidate, Check
from planner.needles.rules import HAZARDS
from planner.patch.forecast import Forecast

_FAR_MM = 20.0  # organs farther than this share a line


def card(plan: Plan, index: int, pictures: Sequence[Picture], scan_cautions: Sequence[str]) -> Card:
    """The card of a site. scan_cautions: what the scan itself makes doubtful."""
    site = plan.sites[index]
    leak = site.site.leak
    badge = f"Needle {index + 1} of {len(plan.sites)}" if len(plan.sites) > 1 else ""
    title = leak_title(leak, is_counted(plan.anatomy))
    subtitle = f"{leak.certainty} · {anchor_words(plan.anatomy)}"
    used = site.used
    if site.site.carried:
        scan_cautions = ("Leak marked on another scan, carried over by registration, not confirmed here.", *scan_cautions)
    if not is_counted(plan.anatomy):
        scan_cautions = ("Level not confirmed: name one vertebra before this sheet is used.", *scan_cautions)
    if used is None:
        reason = site.search.reason or "The needle that was taken cannot be checked here."
        return Card(badge, title, subtitle, (f"No needle: {reason}", *scan_cautions), "", (), tuple(pictures), None, "", "", (), (), ())
    table, note = checks(site, used)
    position = plan.case.position
    return Card(
        badge,
        title,
        subtitle,
        (*_cautions(plan, site, used), *scan_cautions),
        f"Room card · {POSITION_WORDS[position]} · {room_words.operator(used, position)}",
        room_figures(site, used, position),
        tuple(pictures),
        table,
        note,
        "Patch" if len(plan.sites) == 1 else "Patch, all needles together",
        patch_figures(plan, index),
        _in_the_room(site, used, plan.forecast, plan.planned_ml),
        tuple(evidence("report.ask_before").value),
    )


def is_counted(anatomy: Anatomy) -> bool:
    """Whether a person named a vertebra: then levels are counted, not guessed."""
    return anatomy.anchor is not None and anatomy.anchor.by == "user"


def leak_title(leak: Leak, counted: bool) -> str:
    """`Ventral leak, L1-L2 right`, with a question mark after a level that nobody counted; a potential site is never called a leak."""
    level = "level not named" if leak.level is None else leak.level if counted else f"{leak.level} ?"
    where = f"{level} {leak.side}"
    if leak.certainty == "potential":
        words = KIND_WORDS[leak.kind].removesuffix(" leak")
        return f"Potential site: {words}, {where}"
    return f"{KIND_WORDS[leak.kind][0].upper()}{KIND_WORDS[leak.kind][1:]}, {where}"


def anchor_words(anatomy: Anatomy) -> str:
    """What the level names rest on."""
    anchor = anatomy.anchor
    if anchor is None:
        return "level not confirmed"
    counted = f", with {anchor.numbering.words}" if anchor.numbering.words else ""
    if anchor.by == "user":
        return f"levels counted from {anchor.name}, {anchor.why or 'named by the user'}{counted}"
    return f"level not confirmed: counted from {anchor.name}, guessed by the program{counted}"


def room_figures(site: SitePlan, used: Candidate, position: PatientPosition) -> tuple[Figure, ...]:
    """The room card: what is read from across the room."""
    table, table_note = room_words.table_position(used.entry_mm[2])
    gantry, gantry_note = room_words.gantry(used.in_plane_deg, used.out_of_plane_deg)
    c_arm, c_arm_note = room_words.c_arm(used.in_plane_deg, used.out_of_plane_deg, position)
    needle, needle_note = room_words.needle_words(site.needle, used.depth_mm)
    off = used.target_mm[2] - used.entry_mm[2]
    tip = "tip in the same slice" if abs(off) < 0.5 else f"tip {abs(off):.0f} mm toward the {'head' if off > 0 else 'feet'}"
    return (
        Figure("Table to the entry slice", table, table_note),
        Figure("Entry from the spinous midline", room_words.entry_from_midline(used.entry_offset_mm), "on the skin"),
        Figure("In plane, from vertical", room_words.in_plane(used.in_plane_deg, position), "where the tip goes"),
        Figure("Out of plane", room_words.out_of_plane(used.out_of_plane_deg), tip),
        Figure("Skin to target", f"{used.depth_mm:.0f} mm", f"{room_words.straight_down_mm(used):.0f} mm straight down"),
        Figure("Needle", needle, needle_note),
        Figure("Gantry for one slice", gantry, gantry_note),
        Figure("C-arm, down the barrel", c_arm, c_arm_note),
    )


def checks(site: SitePlan, used: Candidate) -> tuple[Table, str]:
    """The table of structures, and a line that says which rules hold. What fails or was not checked stands out."""
    by_name = {check.name: check for check in used.checks}
    hazards = {hazard.title: hazard for hazard in HAZARDS}
    near, far, unknown = [], [], []
    for title, hazard in hazards.items():
        check = by_name.get(title)
        if check is None or check.ok is None:
            unknown.append(title)
        elif check.at_least is not None:
            beyond = f"none in the scan, over {check.at_least:.0f} mm"
            near.append(Row((title, beyond, limit_words(check), result(check), _seen(site, hazard.structure)), "good"))
        elif check.ok and check.value is not None and check.limit is not None and check.value > max(_FAR_MM, check.limit):
            far.append((title, check, _seen(site, hazard.structure)))
        else:
            near.append(
                Row((title, millimetres(check.value), limit_words(check), result(check), _seen(site, hazard.structure)), _tone(check))
            )
    rows = list(near)
    if far:
        values = " · ".join(f"{check.value:.0f}" for _, check, _ in far)
        limits = [check.limit for _, check, _ in far if check.limit is not None]
        limit = f"at least {min(limits):g}" + (f" to {max(limits):g} mm" if max(limits) > min(limits) else " mm")
        seen = ", ".join(dict.fromkeys(words for _, _, words in far))
        rows.append(Row((" · ".join(title for title, _, _ in far), f"{values} mm", limit, "✓ kept", seen), "good"))
    rules = [check for check in used.checks if check.name not in hazards]
    kept = [check for check in rules if check.ok]
    for check in rules:
        if check.ok is False:
            rows.append(Row((check.name, measured(check.value, check.unit), limit_words(check), result(check), ""), _tone(check)))
    unknown += [check.name for check in rules if check.ok is None and check.name.removesuffix(", wanted") not in unknown]
    if unknown:
        rows.append(Row(("Not checked", f"{', '.join(name.lower() for name in unknown)}: look before you advance"), "bad"))
    table = Table(("Structure or rule", "Least clearance", "Limit", "Result", "Seen how"), (0.34, 0.18, 0.17, 0.15, 0.16), tuple(rows))
    return table, f"{len(kept)} other rules are kept; the figures of all are on the pages behind." if kept else ""


def _seen(site: SitePlan, structure: str) -> str:
    if site.room is not None:
        for danger in site.room.dangers:
            if danger.hazard.structure == structure:
                return danger.provenance
    return site.anatomy.structure(structure).provenance


def limit_words(check: Check) -> str:
    """`at least 2.0 mm`."""
    if check.limit is None:
        return ""
    words = measured(check.limit, check.unit)
    if check.value is None or check.ok is None or check.value == check.limit:  # which way it goes shows in what it made of a value
        return words
    return f"{'at least' if (check.value > check.limit) == check.ok else 'at most'} {words}"


def result(check: Check) -> str:
    """What a check found, in words."""
    if check.ok is None:
        return "not checked"
    if check.ok:
        return "✓ kept"
    return "! not as wanted" if check.soft else "✗ NOT KEPT"


def _tone(check: Check) -> Tone:
    return "good" if check.ok else "caution" if check.soft else "bad"


def patch_figures(plan: Plan, index: int) -> tuple[Figure, ...]:
    """Doses of this needle, and what all needles together are expected to do at the planned total."""
    site = plan.sites[index]
    doses = (
        Figure("Fibrin, first", dose(site.fibrin_ml), "this needle" if len(plan.sites) > 1 else ""),
        Figure("Blood, to tolerance", dose(site.blood_ml), "this needle" if len(plan.sites) > 1 else ""),
    )
    forecast = plan.forecast
    if forecast is None:
        return doses
    row = forecast.at(plan.planned_ml)
    covered = row.each_leak_covered[index] if index < len(row.each_leak_covered) else row.leak_covered
    figures = [
        *doses,
        Figure("This leak covered" if len(plan.sites) > 1 else "Leak covered", *percent(covered)),
        Figure("Canal filled, fullest slice", *percent(row.canal_fill_max)),
        Figure("Extent", *levels(row.levels_up, row.levels_down)),
        Figure("Sac narrowed, at most", *percent(row.sac_reduction_max)),
    ]
    if 90 in forecast.ml_for_cover:
        figures.append(Figure("90 % cover from", *volume(forecast.ml_for_cover[90])))
    return (*figures, Figure("Out of the foramina", *volume(row.escaped_ml)))


def _cautions(plan: Plan, site: SitePlan, used: Candidate) -> list[str]:
    said = []
    failed = [check.name.lower() for check in used.checks if check.ok is False and not check.soft]
    if failed:
        said.append(f"This needle breaks a limit: {', '.join(failed)}.")
    if site.taken is None or (site.site.taken is not None and site.site.taken.by_program):
        said.append("Proposed by the program; nobody has taken this needle yet.")
    elif site.site.taken is not None and site.site.taken.moved:
        said.append("This needle was moved by hand; the checks are those of where it is now.")
    if site.search.relaxed:
        said.append(site.search.relaxed)
    if not site.approach.proposed:
        at = f" at {site.approach.level}" if site.approach.level else ""
        said.append(f"Approach chosen by the user: {APPROACH_WORDS[site.approach.name]}{at}. {site.approach.why}")
    if site.approach.warning:
        said.append(site.approach.warning)
    if "arterial zone" in used.remark:
        said.append(str(evidence("report.artery_zone").value))
    if site.preset.remark:
        said.append(f"Dose: {site.preset.remark}")
    if plan.forecast is None:
        said.append(f"The spread is not forecast. {plan.problem or 'No dose is planned.'}")
    return said


def _in_the_room(site: SitePlan, used: Candidate, forecast: Forecast | None, total_ml: float) -> tuple[str, ...]:
    rate = site.preset.rate_ml_per_s
    slowly = f"Inject {f'1 mL in {1 / rate:.0f} s' if rate < 1 else f'{rate:g} mL/s'}, with pauses (preset {site.preset.name})."
    said = [_words(_expectation(site))]
    if site.site.leak.kind == "fistula":
        said.append(_words("fistula_in_the_room"))
    said.append(" ".join([_words("aspirate"), *([_words("fibrin")] if site.fibrin_ml > 0 else [])]))
    level = used.level or site.site.leak.level
    lowest = rank(str(evidence("report.cord_lowest_level").value))
    if level is None or not is_counted(site.anatomy):
        said.append(f"{slowly} {_words('cord_level_unknown')}")
    else:
        said.append(f"{slowly} {_words('cord_level')}" if rank(level.split("-")[0]) < lowest else slowly)
    if forecast is not None:
        said += [sentence for least, sentence, _ in forecast.warnings if least < total_ml]
    return (*said, _words("stop"), _words("check_scan"), _words("after"))


def _words(key: str) -> str:
    return str(evidence(f"report.{key}").value)


def _expectation(site: SitePlan) -> str:
    if site.approach.name.startswith("transforaminal"):
        return f"expect_{site.approach.name.replace('-', '_')}"
    return "expect_interlaminar_ventral" if site.site.leak.kind == "ventral" else "expect_interlaminar"
