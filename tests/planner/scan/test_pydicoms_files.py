"""Every file that pydicom tests itself with: a scan or a sentence, never a crash."""

from pathlib import Path

import pydicom.data
import pytest

from planner.refusal import Refusal
from planner.scan import load, read

ROOT = Path(pydicom.data.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_scan_or_a_sentence(path):
    try:
        scan = read(path)
    except Refusal as refusal:
        assert refusal.sentence.endswith(".") and refusal.way_out.endswith(".")
        return
    assert scan.series or scan.skipped
    assert all(one.reason.endswith(".") for one in scan.skipped)
    for series in scan.series:
        if series.usable:
            assert load(series).voxels.size > 0
        else:
            assert all(reason.endswith(".") for reason in series.reasons) and series.reasons and series.way_out


def test_the_folder_as_a_whole():
    scan = read(ROOT)
    assert len(scan.series) > 10
    assert scan.skipped_count == len(scan.skipped)
