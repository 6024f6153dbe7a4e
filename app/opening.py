"""What an opening reads, on a thread: the example, or a case file with its lock and its scan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from planner.progress import Progress, part
from planner.refusal import Refusal

if TYPE_CHECKING:
    from planner.case.case import Case
    from planner.case.lock import Lock
    from planner.scan import Scan


class ScanMoved(Refusal):
    """The scan of a case is not where it was, or not the one it was: the user may say where it is now. was: where it was."""

    def __init__(self, refusal: Refusal, was: Path) -> None:
        super().__init__(refusal.sentence, refusal.way_out)
        self.was = was


class Opened(NamedTuple):
    """A case with where its scan lies, the scan (None for a case that has none), and the lock of its file if it was taken."""

    case: Case
    where: Path
    scan: Scan | None
    lock: Lock | None


def example(progress: Progress) -> tuple[Path, Scan]:
    """The folder of the example, built first if it must be, and its scan."""
    from app.example import example_scan
    from planner.scan import read

    folder = example_scan(part(progress, 0.0, 0.9))
    return folder, read(folder / "dicom", part(progress, 0.9, 1.0))


def case_with_scan(path: Path, recovered: Case | None, scan_path: Path | None, take_lock: bool, progress: Progress) -> Opened:
    """The case in a file, or `recovered` in its place. Refuses what `open_case` and `lock_case` refuse.

    scan_path: where the scan is now. Raises ScanMoved where the scan is not found, cannot be read or is another one.
    """
    from planner.case.file import as_grouped, find_scan, open_case, series_of
    from planner.case.lock import lock_case
    from planner.scan import read

    case = recovered or open_case(path)
    lock = lock_case(path) if take_lock else None
    try:
        if case.scan is None:
            return Opened(case, path, None, lock)
        where = scan_path or find_scan(case, path)
        scan = as_grouped(case, read(where, part(progress, 0.0, 0.9)), part(progress, 0.9, 1.0))
        series_of(case, scan)
    except BaseException as error:
        if lock is not None:
            lock.release()
        if isinstance(error, Refusal) and case.scan is not None:
            raise ScanMoved(error, Path(case.scan.path)) from error
        raise
    return Opened(case, where, scan, lock)
