"""The command line: its grammar, its exit codes, and how it reports (contract: command line).

Exit 0: done. 1: refused, with one sentence on stderr. 2: the command line is wrong. 130: interrupted. Results go to stdout and to files,
progress to stderr and only to a terminal.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from planner.progress import Progress
from planner.refusal import Refusal
from planner.version import VERSION

DONE, REFUSED, WRONG, INTERRUPTED = 0, 1, 2, 130
KINDS = ("ventral", "sleeve", "fistula", "dorsal")
SIDES = ("left", "right")
POSITIONS = ("prone", "supine", "left", "right")
APPROACHES = ("interlaminar-midline", "interlaminar-paramedian", "transforaminal-ventral", "transforaminal-foramen", "caudal")
_VERTEBRA = re.compile(r"C[1-7]|T([1-9]|1[0-3])|L[1-6]|S[1-5]")

Triple = tuple[float, float, float]


def run(arguments: Sequence[str]) -> int:
    """Run a verb and give the exit code."""
    _speak_utf8()
    try:
        options = parser().parse_args(_with_negative_numbers(arguments))
    except SystemExit as end:  # argparse has said what it had to say
        return end.code if isinstance(end.code, int) else WRONG
    _be_quiet()
    signal.signal(signal.SIGTERM, _terminated)
    line = ProgressLine()
    try:
        from app.verbs import anatomy, example, plan, report, scan

        _check(options)
        verb = {"scan": scan, "anatomy": anatomy, "plan": plan, "report": report, "example": example}[options.verb]
        verb(options, line.progress)
        return DONE
    except argparse.ArgumentTypeError as wrong:
        line.clear()
        print(f"duraplan {options.verb}: {wrong}", file=sys.stderr)
        return WRONG
    except Refusal as refusal:
        line.clear()
        print(" ".join(str(refusal).split()), file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        line.clear()
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    except MemoryError:
        line.clear()
        print("This scan needs more memory than this machine has. Close other programs, or take a smaller series.", file=sys.stderr)
        return REFUSED
    except Exception as bug:
        line.clear()
        print(_bug_sentence(bug), file=sys.stderr)
        return REFUSED
    finally:
        line.clear()


# ---- grammar ------------------------------------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = argparse.ArgumentParser(
        prog="duraplan",
        description="Plans a targeted epidural blood patch on the patient's own scan. For planning and teaching; not a medical device.",
        epilog="Without a verb: duraplan [PATH] opens the window on a folder, file, ZIP or case file, or on the worked example.",
        allow_abbrev=False,
    )
    whole.add_argument("--version", action="version", version=f"Duraplan {VERSION}")
    verbs = whole.add_subparsers(dest="verb", required=True, metavar="VERB")

    scan = _verb(verbs, "scan", "list the series of a folder, file or ZIP, with a verdict each")
    scan.add_argument("path", type=Path, metavar="PATH")
    scan.add_argument("--json", action="store_true", help="the list as JSON on stdout")
    scan.add_argument("--identify", action="store_true", help="with the patient's name, number and birth date")

    anatomy = _verb(verbs, "anatomy", "find canal, sac, levels, openings and hazards, and write them as files")
    anatomy.add_argument("path", type=Path, metavar="PATH")
    _add_scan_options(anatomy)
    _add_out(anatomy)

    plan = _verb(
        verbs,
        "plan",
        "plan the patch for one or several leaks, or for a case file",
        "The nth --kind belongs to the nth --leak. --side, --potential, --approach, --entry-level, --needle, --blood and --fibrin belong "
        "to the --leak before them; with a case file and no --leak, to every site of the case.",
    )
    plan.add_argument("path", type=Path, metavar="PATH", help="folder, file, ZIP or case file")
    plan.add_argument("--leak", action=_Leak, type=_triple, metavar="X,Y,Z", help="a leak, LPS mm; may be given several times")
    plan.add_argument("--kind", action=_Kind, choices=KINDS, help="the kind of that leak")
    for name, kind, words in (
        ("--side", {"choices": SIDES}, "the patient's side, if it is not to be read from the position"),
        ("--approach", {"choices": APPROACHES}, "another approach than the proposed one"),
        ("--entry-level", {"metavar": "LEVEL"}, "with --approach: where the needle goes in, such as C6-C7, if not at the usual level"),
        ("--needle", {"metavar": "ID"}, "a needle of the catalogue, such as 22G-120-quincke"),
        ("--blood", {"type": _ml, "metavar": "ML"}, "blood, mL"),
        ("--fibrin", {"type": _ml, "metavar": "ML"}, "fibrin, mL"),
    ):
        plan.add_argument(name, action=_OfTheLeak, help=words, **kind)
    plan.add_argument("--potential", action=_OfTheLeak, nargs=0, help="the site is suspected: no contrast was seen there")
    plan.add_argument("--position", choices=POSITIONS, help="how the patient lies; left and right are the side that is down (prone)")
    _add_scan_options(plan)
    plan.add_argument("--identify", action="store_true", help="print the patient's name and number on the sheet")
    _add_out(plan)
    plan.set_defaults(leaks=[], kinds=[], of_all={})

    report = _verb(verbs, "report", "write the plan sheet of a case file as HTML and PDF")
    report.add_argument("path", type=Path, metavar="CASE")
    report.add_argument("--identify", action="store_true", help="print the patient's name and number on the sheet")
    _add_out(report)

    example = _verb(verbs, "example", "write the built-in phantom as DICOM files with its truth")
    example.add_argument("out", type=Path, metavar="DIR")
    example.add_argument("--modality", choices=("ct", "myelogram", "mr", "mr-t1"), default="ct")
    example.add_argument("--leak", choices=("ventral", "sleeve", "dorsal", "two-level"), default="ventral", dest="leak_name")
    example.add_argument("--seed", type=int, default=1, metavar="N")
    example.add_argument("--spacing", type=_triple, default=(0.8, 0.8, 0.8), metavar="Z,Y,X", help="mm")
    return whole


def _verb(verbs: Any, name: str, words: str, more: str = "") -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = verbs.add_parser(
        name, help=words, description=f"{words[0].upper()}{words[1:]}. {more}".strip(), allow_abbrev=False
    )
    return added


def _add_scan_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--series", metavar="UID", help="the series; without it the most useful one")
    verb.add_argument("--part", type=int, metavar="N", help="the part, where one series holds several volumes")
    verb.add_argument("--anchor", type=_anchor, metavar="NAME=X,Y,Z", help="the name of the vertebra at a place, such as L4=0,12,-80")
    verb.add_argument("--thoracic", type=int, choices=(11, 12, 13), help="how many vertebrae bear ribs, where not 12")
    verb.add_argument("--lumbar", type=int, choices=(4, 5, 6), help="how many lie between those and the sacrum, where not 5")
    verb.add_argument("--labels", type=Path, metavar="FILE", help="a label map of this scan to take in: a file, or a folder of masks")
    verb.add_argument("--label-scheme", metavar="NAME", help="whose numbers the label map has, where it leaves that open, such as verse")


def _add_out(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write to")


class _Leak(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        namespace.leaks = [*namespace.leaks, {"position_mm": values}]


class _Kind(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        namespace.kinds = [*namespace.kinds, values]


class _OfTheLeak(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        value = True if self.nargs == 0 else values
        if namespace.leaks:
            namespace.leaks = [*namespace.leaks[:-1], {**namespace.leaks[-1], self.dest: value}]
        else:
            namespace.of_all = {**namespace.of_all, self.dest: value}


def _triple(text: str) -> Triple:
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not three numbers such as 12.5,-30,140") from None
    if not all(abs(value) < 1e6 for value in (x, y, z)):
        raise argparse.ArgumentTypeError(f"{text!r} is no place")
    return x, y, z


def _anchor(text: str) -> tuple[str, Triple]:
    name, equals, position = text.partition("=")
    if not equals or not _VERTEBRA.fullmatch(name):
        raise argparse.ArgumentTypeError(f"{text!r} is not a vertebra and its place, such as L4=0,12,-80")
    return name, _triple(position)


def _ml(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no volume in mL")
    return value


def _with_negative_numbers(arguments: Sequence[str]) -> list[str]:
    """`--leak -12,3,4` as `--leak=-12,3,4`: argparse takes a value that begins with a minus for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in ("--leak", "--spacing", "--blood", "--fibrin") and re.match(r"-[\d.]", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _check(options: argparse.Namespace) -> None:
    """What argparse cannot say: which options need which."""
    if options.verb != "plan":
        return
    from planner.case.file import is_case_file

    if len(options.leaks) != len(options.kinds):
        raise argparse.ArgumentTypeError(
            f"each --leak needs its own --kind; there are {len(options.leaks)} of --leak and {len(options.kinds)} of --kind"
        )
    if any(said.get("entry_level") and not said.get("approach") for said in (options.of_all, *options.leaks)):
        raise argparse.ArgumentTypeError("--entry-level belongs to an --approach: give both")
    if not options.leaks and not is_case_file(options.path):
        raise argparse.ArgumentTypeError("give at least one --leak X,Y,Z with its --kind, or a case file")
    if is_case_file(options.path) and (options.series or options.part is not None):
        raise argparse.ArgumentTypeError("a case file names its own series: leave out --series and --part")


# ---- reporting ----------------------------------------------------------------------------------------------------------------------


class ProgressLine:
    """One line on stderr, redrawn in place; nothing where stderr is no terminal."""

    def __init__(self) -> None:
        self._shown = False
        self._last = 0.0
        self._on = sys.stderr.isatty()

    @property
    def progress(self) -> Progress:
        """The callback for the work."""
        return self._show

    def _show(self, share: float, what: str) -> None:
        now = time.monotonic()
        if not self._on or now - self._last < 0.1:
            return
        self._last, self._shown = now, True
        sys.stderr.write(f"\r\x1b[K{100 * min(1.0, max(0.0, share)):3.0f} % {what[:70]}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False


def _speak_utf8() -> None:
    """JSON is UTF-8 whatever the locale says; what is no text in a file name is escaped, in JSON and out of it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _be_quiet() -> None:
    """Libraries keep their warnings to themselves: what matters about a scan is in its verdict."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    if sys.platform == "linux":  # the sheet is painted without a screen
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkOSOpenGLRenderWindow")


def _terminated(number: int, frame: Any) -> NoReturn:
    raise SystemExit(128 + number)


def _bug_sentence(bug: Exception) -> str:
    """What failed and where, without a word of the data; the trace goes to the log."""
    import traceback

    from app.places import log_file

    frames = [frame for frame in traceback.extract_tb(bug.__traceback__) if "site-packages" not in frame.filename]
    where = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "an unknown place"
    trace = "".join(traceback.format_list(traceback.extract_tb(bug.__traceback__)))
    try:
        log_file().parent.mkdir(parents=True, exist_ok=True)
        with log_file().open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {type(bug).__name__}\n{trace}")
        kept = f"The trace is in {log_file()}."
    except OSError:
        kept = "The trace could not be kept."
    return f"Duraplan failed inside the program ({type(bug).__name__} in {where}); nothing was written. {kept}"
