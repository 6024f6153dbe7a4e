"""What each verb of the command line does: read, derive, write as a set."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from app.side_by_side import side_by_side
from planner.anatomy.labels import Numbering
from planner.case import acts
from planner.case.case import Case
from planner.case.file import case_bytes, find_scan, is_case_file, open_case, previous_version, series_of
from planner.progress import Progress, part
from planner.refusal import Refusal
from planner.whole_files import staged

if TYPE_CHECKING:
    from planner.anatomy.spine import Anatomy
    from planner.case.derive import Plan
    from planner.geometry import Volume
    from planner.leak.leak import ApproachName, Certainty, LeakSide
    from planner.scan import Series


def scan(options: argparse.Namespace, progress: Progress) -> None:
    """List the series of a path on stdout, as words or JSON. Refuses after the list when there is no series at all."""
    from planner.scan import choose, read, scan_json

    found = read(options.path, progress)
    if options.json:
        print(json.dumps(scan_json(found, options.identify), ensure_ascii=False, indent=1))
    else:
        for series in found.series:
            print(_series_words(series, options.identify))
        for skipped in found.skipped:
            print(f"skipped {skipped.path}: {skipped.reason}")
        if found.skipped_count > len(found.skipped):
            print(f"skipped {found.skipped_count - len(found.skipped)} more")
    sys.stdout.flush()
    if not found.series:
        choose(found)


def _series_words(series: Series, identify: bool) -> str:
    size = " x ".join(str(n) for n in reversed(series.size))
    spacing = " x ".join(f"{mm:.2f}" for mm in reversed(series.spacing_mm))
    lines = [
        f"{series.verdict}: {series.modality} {series.plane}, {size} voxels of {spacing} mm, {series.description or 'no description'}",
        f"  series {series.uid}, part {series.part}",
        *(f"  {said}" for said in dict.fromkeys((*series.reasons, *series.repairs))),
    ]
    if identify:
        lines.append(f"  patient {series.identity.name}, {series.identity.number}, born {series.identity.birth_date}")
    return "\n".join(lines)


def anatomy(options: argparse.Namespace, progress: Progress) -> None:
    """Find the anatomy of a scan and write labels.nii.gz, labels.json and anatomy.json."""
    from planner.case.derive import find_anatomy
    from planner.exchange.anatomy_files import write_anatomy

    case = _with_scan_options(Case(), options)
    with staged(options.out, "The anatomy") as folder:
        opened = _open_scan(options.path, options, part(progress, 0.0, 0.3))
        found = find_anatomy(case, opened.volume, part(progress, 0.3, 0.95))
        write_anatomy(found, opened.series, folder)


def plan(options: argparse.Namespace, progress: Progress) -> None:
    """Plan the leaks of the command line, or a case file, and write the case, plan.json and the sheet."""
    from planner.case.derive import derive, find_anatomy

    if not is_case_file(options.path):
        _with_scan_options(Case(), options)  # what it refuses needs no scan
    with staged(options.out, "The plan") as folder:
        if is_case_file(options.path):
            case = open_case(options.path)
            opened = _reopen_scan(case, options.path, part(progress, 0.0, 0.2))
        else:
            opened = _open_scan(options.path, options, part(progress, 0.0, 0.2))
            case = acts.choose_scan(Case(), opened.path, opened.series).case
        case = _with_scan_options(case, options)
        found = find_anatomy(case, opened.volume, part(progress, 0.2, 0.6))
        case = _with_sites(case, found, options)
        if not case.sites:
            raise Refusal("This case has no leak.", "Mark one in the window, or add --leak X,Y,Z with its --kind.")
        made = derive(case, opened.volume, found, part(progress, 0.6, 0.9))
        _write_plan(made, opened, options, folder, part(progress, 0.9, 1.0))
    _say_what_is_missing(made)


def report(options: argparse.Namespace, progress: Progress) -> None:
    """Write the sheet of a case file as HTML and PDF."""
    from planner.case.derive import derive, find_anatomy

    if not is_case_file(options.path):
        raise Refusal(f"{options.path.name} is no case file.", "Give a file that ends in .duraplan; the verb plan makes one.")
    case = open_case(options.path)
    if not case.sites:
        raise Refusal("This case has no leak.", "Mark one in the window, and save the case.")
    with staged(options.out, "The report") as folder:
        opened = _reopen_scan(case, options.path, part(progress, 0.0, 0.2))
        found = find_anatomy(case, opened.volume, part(progress, 0.2, 0.6))
        made = derive(case, opened.volume, found, part(progress, 0.6, 0.9))
        _write_sheet(made, opened, options.identify, folder, part(progress, 0.9, 1.0))


def example(options: argparse.Namespace, progress: Progress) -> None:
    """Write the phantom: dicom/, truth.nii.gz, truth.json."""
    from planner.phantom import PhantomParameters, build, write_example

    try:
        parameters = PhantomParameters(
            modality=options.modality, leak=options.leak_name, seed=options.seed, spacing_mm=tuple(options.spacing)
        )
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    _refuse_to_replace_scans(options.out)
    with staged(options.out, "The example") as folder:
        write_example(build(parameters, part(progress, 0.0, 0.8)), folder, part(progress, 0.8, 1.0))


def _refuse_to_replace_scans(out: Path) -> None:
    """A folder `dicom` that the program did not write may hold a patient's only copy."""
    if not (out / "dicom").exists():
        return
    try:
        ours = json.loads((out / "truth.json").read_text("utf-8"))["format"] == "duraplan/truth"
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise Refusal(f"{out / 'dicom'} exists and is no example of Duraplan.", "Give another folder.")


class Said(TypedDict, total=False):
    """What the command line says of one leak, or of all."""

    position_mm: tuple[float, float, float]
    side: LeakSide
    potential: bool
    approach: ApproachName
    entry_level: str
    needle: str
    blood: float
    fibrin: float


# ---- the steps they share -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Opened:
    """A scan in memory. path: where it was read from."""

    path: Path
    series: Series
    volume: Volume


def _open_scan(path: Path, options: argparse.Namespace, progress: Progress) -> _Opened:
    from planner.scan import choose, load, read

    series = choose(read(path, part(progress, 0.0, 0.4)), options.series, options.part)
    return _Opened(path, series, load(series, part(progress, 0.4, 1.0), side_by_side))


def _reopen_scan(case: Case, case_path: Path, progress: Progress) -> _Opened:
    from planner.scan import load, read

    path = find_scan(case, case_path)
    series = series_of(case, read(path, part(progress, 0.0, 0.4)))
    return _Opened(path, series, load(series, part(progress, 0.4, 1.0), side_by_side))


def _with_scan_options(case: Case, options: argparse.Namespace) -> Case:
    path = case.labels_path if options.labels is None else str(options.labels.absolute())
    scheme = case.labels_scheme if options.label_scheme is None and path == case.labels_path else options.label_scheme
    if (path, scheme) != (case.labels_path, case.labels_scheme):
        case = _do(case, acts.take_labels(case, path, scheme))
    before = Numbering() if case.anchor is None else case.anchor.numbering
    counted = Numbering(options.thoracic or before.thoracic, options.lumbar or before.lumbar)
    if options.anchor is not None:
        name, position_mm = options.anchor
        case = _do(case, acts.name_vertebra(case, name, position_mm, counted if options.thoracic or options.lumbar else None))
    elif counted != before or options.thoracic or options.lumbar:
        case = _do(case, acts.count_vertebrae(case, counted))
    return case


def _with_sites(case: Case, found: Anatomy, options: argparse.Namespace) -> Case:
    """The case with the leaks of the command line and what it says about them."""
    from planner.leak import place

    of_all: Said = options.of_all
    leaks: list[Said] = options.leaks
    first_new = len(case.sites)
    for asked, kind in zip(leaks, options.kinds):
        said: Said = {**of_all, **asked}
        leak = place(found, said["position_mm"], kind, "potential" if said.get("potential") else "observed", said.get("side"))
        case = _do(case, acts.add_leak(case, leak))
    for index in range(first_new if leaks else 0, len(case.sites)):
        said = {**of_all, **leaks[index - first_new]} if leaks else of_all
        case = _with_site_options(case, index, said, is_new=bool(leaks))
    if options.position is not None:
        case = _do(case, acts.set_position(case, options.position))
    return case


def _with_site_options(case: Case, index: int, said: Said, is_new: bool) -> Case:
    if not is_new and (said.get("side") or said.get("potential")):
        certainty: Certainty | None = "potential" if said.get("potential") else None
        case = _do(case, acts.change_leak(case, index, certainty=certainty, side=said.get("side")))
    if said.get("approach"):
        case = _do(case, acts.choose_approach(case, index, said["approach"], said.get("entry_level")))
    if said.get("needle"):
        from planner.needles import needle

        case = _do(case, acts.choose_needle(case, index, needle(said["needle"]).id))
    if said.get("blood") is not None or said.get("fibrin") is not None:
        site = case.sites[index]
        blood, fibrin = said.get("blood", site.blood_ml), said.get("fibrin", site.fibrin_ml)
        case = _do(case, acts.set_dose(case, index, blood, fibrin))
    return case


def _do(before: Case, act: acts.Act) -> Case:
    return before if act.case == before else acts.recorded(act, *acts.now_by_user())


def _write_plan(made: Plan, opened: _Opened, options: argparse.Namespace, folder: Path, progress: Progress) -> None:
    from planner.exchange.contract_json import write_json
    from planner.exchange.plan_file import plan_content

    name = "case.duraplan"
    (folder / name).write_bytes(case_bytes(made.case, options.out))
    before = options.out / name
    if before.exists():
        previous_version(folder / name).write_bytes(before.read_bytes())
    write_json(folder / "plan.json", plan_content(made))
    _write_sheet(made, opened, options.identify, folder, progress)


def _write_sheet(made: Plan, opened: _Opened, identify: bool, folder: Path, progress: Progress) -> None:
    from app.report import make_sheet, write_html, write_pdf

    sheet = make_sheet(made, opened.volume, opened.series, identify=identify, progress=part(progress, 0.0, 0.7))
    progress(0.7, "Writing the sheet")
    write_html(sheet, folder / "report.html")
    write_pdf(sheet, folder / "report.pdf")


def _say_what_is_missing(made: Plan) -> None:
    """A site without a needle is a result, and one that nobody may miss."""
    missing = [f"No needle for site {index + 1}: {site.search.reason}" for index, site in enumerate(made.sites) if site.used is None]
    if made.problem is not None:
        missing.append(f"The spread is not forecast: {made.problem}")
    for sentence in missing:
        print(" ".join(sentence.split()), file=sys.stderr)
