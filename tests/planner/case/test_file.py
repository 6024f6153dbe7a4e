"""The case file: round trips, and every way in which a file can be bad."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from time import process_time

import pytest

from planner.anatomy.by_hand.edits import AddedForamen, AddedWindow, CentrelinePoint, Grow, MovedLevel, Smooth, WallPoint, stroke
from planner.anatomy.labels import Numbering
from planner.anatomy.spine import Anchor
from planner.case import file as case_file
from planner.case.case import Case, Decision, ScanReference, Site, TakenNeedle
from planner.case.file import DamagedCase, case_bytes, is_case_file, open_case, save_case
from planner.case.scan_reference import find_scan, reference_to, series_of
from planner.leak.leak import Leak
from planner.refusal import Refusal
from planner.scan import read
from planner.scan.series import Scan
from tests.planner.case import hand_made
from tests.planner.scan.writer import Stack, write

LEAK = Leak((1.25, -2.5, 1 / 3), "ventral", "observed", "L1-L2", "right")


def whole(folder: Path) -> Case:
    return Case(
        scan=ScanReference(str(folder / "scans" / "dicom"), "1.2.3", 1, (10, 20, 30), "abc", "example myelogram"),
        anchor=Anchor("L4", (0.1, 0.2, -80.3), "user", 1.0),
        labels_path=str(folder / "labels.nii.gz"),
        sites=(
            Site(LEAK, "transforaminal-ventral", "22G-120-quincke", TakenNeedle((60.0, 80.0, 3.0), (1.0, 2.0, 3.0), True), 8.0, 4.0),
            Site(replace(LEAK, kind="dorsal", level=None, side="midline", certainty="potential")),
        ),
        position="left",
        edits=(
            stroke("bone", "draw", [(0.125, 1 / 3, 0.0), (5.0, 0.0, 0.0)], 4.0, (0.0, 0.0, 1.0), 0.5),
            stroke("canal", "erase", [(1.0, 2.0, 3.0)], 2.5),
            Grow("sac", -1.0),
            Smooth("bone", 1.0),
            WallPoint((0.0, 9.0, 0.0), (0.0, 12.0, 0.0), 8.0),
            CentrelinePoint((0.0, 0.0, 0.0), (5.0, 0.0, 0.0), 20.0),
            MovedLevel((0.0, 0.0, 0.0), (0.0, 0.0, 5.0)),
            AddedWindow((0.0, 12.0, 0.0), 9.0, 12.0, 20.0),
            AddedForamen((16.0, 0.0, 0.0), 18.0, 8.0),
        ),
        notes="dritte Sitzung; 3. Versuch – ‘ä’ \u2028 <b>",
        history=(Decision("mark ventral leak at L1-L2", "2026-01-01T00:00:00+00:00", "someone"),),
    )


def test_a_case_comes_back_as_it_was(tmp_path: Path) -> None:
    case, path = whole(tmp_path), tmp_path / "case.duraplan"
    save_case(case, path)
    back = open_case(path)
    assert back == case
    assert back.history == case.history
    save_case(Case(), path)
    assert open_case(path) == Case()


def test_the_file_is_utf8_json_that_names_its_schema(tmp_path: Path) -> None:
    content = json.loads(case_bytes(whole(tmp_path), tmp_path).decode("utf-8"))
    assert list(content) == ["format", "version", "program", "case", "checksum"]
    assert (content["format"], content["version"]) == ("duraplan/case", 5)
    assert content["case"]["scan"]["path"] == "scans/dicom"
    assert content["case"]["labels_path"] == "labels.nii.gz"


def test_case_and_scan_may_move_together(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "scans" / "dicom").mkdir(parents=True)
    save_case(whole(here), here / "case.duraplan")
    here.rename(there)
    case = open_case(there / "case.duraplan")
    assert find_scan(case) == there / "scans" / "dicom"


def test_a_scan_that_has_moved_is_refused_with_its_place(tmp_path: Path) -> None:
    save_case(whole(tmp_path), tmp_path / "case.duraplan")
    case = open_case(tmp_path / "case.duraplan")
    with pytest.raises(Refusal, match=r"not at .*scans/dicom any more") as refusal:
        find_scan(case, tmp_path / "case.duraplan")
    assert "beside the case file" in refusal.value.way_out
    (tmp_path / "dicom").mkdir()
    assert find_scan(case, tmp_path / "case.duraplan") == tmp_path / "dicom"


def test_another_scan_in_the_old_place_is_refused(tmp_path: Path) -> None:
    series = hand_made.series()
    scan, bound = Scan(tmp_path, (series,), (), 0), reference_to(tmp_path, series)
    case = replace(whole(tmp_path), scan=bound)
    assert series_of(case, scan) is series
    with pytest.raises(Refusal, match="not the ones"):
        series_of(replace(case, scan=replace(bound, fingerprint="other")), scan)
    with pytest.raises(Refusal, match="not in its folder"):
        series_of(replace(case, scan=replace(bound, part=0)), scan)


def test_a_case_from_before_orientations_counted_finds_its_scan(tmp_path: Path) -> None:
    scan = read(write(tmp_path / "scan", Stack()))
    (series,) = scan.series
    bound = reference_to(tmp_path, series)
    old = replace(bound, fingerprint=series.former_fingerprint)
    assert old != bound
    assert series_of(replace(whole(tmp_path), scan=old), scan) is series


def test_a_newer_schema_is_refused_and_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "case.duraplan"
    content = json.loads(case_bytes(whole(tmp_path), tmp_path))
    content |= {"version": 7, "program": "9.1.0"}
    path.write_text(json.dumps(content), "utf-8")
    before = path.read_bytes()
    with pytest.raises(Refusal, match=r"newer Duraplan \(9.1.0\): its schema is 7") as refusal:
        open_case(path)
    assert not isinstance(refusal.value, DamagedCase)
    assert path.read_bytes() == before


def test_an_older_schema_goes_through_every_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "case.duraplan"
    save_case(Case(notes="old"), path)

    def rename_notes(content: dict) -> dict:
        return {**content, "case": {**content["case"], "notes": content["case"]["notes"] + "!"}}

    monkeypatch.setattr(case_file, "SCHEMA", case_file.SCHEMA + 2)
    monkeypatch.setattr(case_file, "MIGRATIONS", {case_file.SCHEMA - 2: rename_notes, case_file.SCHEMA - 1: rename_notes})
    assert open_case(path).notes == "old!!"


def test_a_file_from_before_entry_levels_opens_and_a_chosen_one_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "case.duraplan"
    content = json.loads(case_bytes(whole(tmp_path), tmp_path))
    for site in content["case"]["sites"]:
        del site["entry_level"]
    content["checksum"] = case_file._checksum({key: value for key, value in content.items() if key != "checksum"})
    path.write_text(json.dumps(content), "utf-8")
    assert open_case(path) == whole(tmp_path)
    chosen = replace(whole(tmp_path), sites=(Site(LEAK, "interlaminar-midline", entry_level="L2-L3"),))
    save_case(chosen, path)
    assert open_case(path) == chosen


def written(path: Path, content: dict, **changes: object) -> Path:
    """A file with this content, whole."""
    content = {key: value for key, value in {**content, **changes}.items() if key != "checksum"}
    path.write_text(json.dumps({**content, "checksum": case_file._checksum(content)}), "utf-8")
    return path


def test_a_file_from_before_edits_opens_without_any(tmp_path: Path) -> None:
    content = json.loads(case_bytes(whole(tmp_path), tmp_path))
    del content["case"]["edits"]
    assert open_case(written(tmp_path / "case.duraplan", content, version=1)) == replace(whole(tmp_path), edits=())


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        ({"kind": "wish"}, "of no kind that is known"),
        ("stroke", "of no kind that is known"),
        ({"kind": "grow", "structure": "bone", "by_mm": 400.0}, "5 mm at most"),
        ({"kind": "grow", "structure": "spleen", "by_mm": 1.0}, "is not one of bone"),
        ({"kind": "stroke", "structure": "bone", "mode": "draw", "points_mm": [], "radius_mm": 3.0}, "between 1 and"),
        ({"kind": "wall point", "from_mm": [0, 0, 0], "to_mm": [0, 0], "reach_mm": 3.0}, "has 2 entries, not 3"),
    ],
)
def test_an_edit_that_no_hand_made_is_damage(tmp_path: Path, edit: object, why: str) -> None:
    content = json.loads(case_bytes(Case(), tmp_path))
    content["case"]["edits"] = [edit]
    with pytest.raises(DamagedCase, match=why):
        open_case(written(tmp_path / "case.duraplan", content))


def test_ten_thousand_strokes_are_saved_and_opened_in_seconds(tmp_path: Path) -> None:
    path = [(float(x), float(x % 3), 0.0) for x in range(12)]
    case = Case(edits=tuple(replace(stroke("bone", "draw", path, 4.0), radius_mm=1.0 + n / 1000) for n in range(10_000)))
    started = process_time()
    save_case(case, tmp_path / "case.duraplan")
    assert open_case(tmp_path / "case.duraplan") == case
    assert process_time() - started < 10.0
    assert (tmp_path / "case.duraplan").stat().st_size < 20_000_000


def test_any_byte_changed_anywhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "case.duraplan"
    data = case_bytes(whole(tmp_path), tmp_path)
    for at in range(0, len(data) - 1, 7):
        if chr(data[at]).isspace():
            continue
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(Refusal):
            open_case(path)


@pytest.mark.parametrize("keep", [0, 1, 100, 900])
def test_a_file_that_was_cut_off_offers_the_version_before_it(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "case.duraplan"
    save_case(Case(notes="first"), path)
    save_case(whole(tmp_path), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DamagedCase, match="damaged") as damage:
        open_case(path)
    assert damage.value.way_out == "Open the version before it, case.duraplan.bak."
    assert damage.value.previous is not None
    assert is_case_file(damage.value.previous)
    assert open_case(damage.value.previous).notes == "first"


def test_a_damaged_file_never_replaces_the_version_kept(tmp_path: Path) -> None:
    path = tmp_path / "case.duraplan"
    save_case(Case(notes="first"), path)
    save_case(Case(notes="second"), path)
    path.write_bytes(b"{")
    save_case(Case(notes="third"), path)
    assert open_case(path).notes == "third"
    assert open_case(tmp_path / "case.duraplan.bak").notes == "first"


def test_a_case_changed_by_hand_is_said_to_be_and_can_still_be_read(tmp_path: Path) -> None:
    path = tmp_path / "case.duraplan"
    save_case(Case(notes="first"), path)
    path.write_text(path.read_text("utf-8").replace("first", "forged"), "utf-8")
    with pytest.raises(DamagedCase, match="checksum") as damage:
        open_case(path)
    assert damage.value.rescued == Case(notes="forged")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"hello", "damaged"),
        (b"\0" * 4096, "it is empty"),
        (b"[" * 100_000, "damaged"),
        (b"[1, 2]", "no case file"),
        (b'{"format": "duraplan/plan", "version": 1}', "no case file"),
        (b'{"format": "duraplan/case"}', "schema version is missing"),
        (b'{"format": "duraplan/case", "version": 1}', "not an object"),
        (b'{"format": "duraplan/case", "version": 1, "case": {"sites": [{}]}}', "lacks a key"),
        (b'{"format": "duraplan/case", "version": 1, "case": {"position": "upright"}}', "case.position is not one of"),
        (b'{"format": "duraplan/case", "version": 1, "case": {"notes": NaN}}', "damaged"),
    ],
)
def test_what_is_no_case_gives_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "case.duraplan"
    path.write_bytes(content)
    with pytest.raises(Refusal, match=sentence):
        open_case(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("blood_ml", -1.0),
        ("blood_ml", 41.0),
        ("fibrin_ml", 1e5),
        ("entry_level", "C6"),
        ("taken", {"entry_mm": [1.0, 2.0, 3.0], "target_mm": [1.0, 2.0, 3.0]}),
        ("taken", {"entry_mm": [1e7, 2.0, 3.0], "target_mm": [1.0, 2.0, 3.0]}),
        ("taken", {"entry_mm": [10**400, 2.0, 3.0], "target_mm": [1.0, 2.0, 3.0]}),
    ],
)
def test_what_no_act_would_have_made_is_damage_though_its_checksum_fits(tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "case.duraplan"
    content = json.loads(case_bytes(whole(tmp_path), tmp_path))
    content["case"]["sites"][0][key] = value
    content["checksum"] = case_file._checksum({name: part for name, part in content.items() if name != "checksum"})
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(DamagedCase, match=rf"case\.sites\[0\].*{key}|case\.sites\[0\] has a dose"):
        open_case(path)


def test_an_anchor_that_is_no_vertebra_is_damage(tmp_path: Path) -> None:
    case = whole(tmp_path)
    assert case.anchor is not None
    (tmp_path / "case.duraplan").write_bytes(case_bytes(replace(case, anchor=replace(case.anchor, name="L9")), tmp_path))
    with pytest.raises(DamagedCase, match="no vertebra"):
        open_case(tmp_path / "case.duraplan")


def test_a_scan_under_a_name_that_no_system_takes_is_not_there(tmp_path: Path) -> None:
    case = whole(tmp_path)
    assert case.scan is not None
    with pytest.raises(Refusal, match="not at"):
        find_scan(replace(case, scan=replace(case.scan, path="/" + "x" * 5000)), tmp_path / "case.duraplan")


def test_a_missing_file_and_a_folder_give_a_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "none.duraplan", tmp_path):
        with pytest.raises(Refusal, match="cannot be read"):
            open_case(path)


@pytest.mark.parametrize(
    ("number", "sentence"), [(errno.ENOSPC, "the disk of .* is full"), (errno.EROFS, "cannot be written to"), (errno.EIO, "input/output")]
)
def test_a_save_that_fails_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str) -> None:
    path = tmp_path / "case.duraplan"
    save_case(Case(notes="kept"), path)
    before = sorted(entry.name for entry in tmp_path.iterdir())

    def fail(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Refusal, match=sentence):
        save_case(whole(tmp_path), path)
    monkeypatch.undo()
    assert open_case(path).notes == "kept"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == before


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from planner.case.case import Case
from planner.case.file import save_case
from planner.refusal import Refusal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # the kernel itself cuts the write off
try:
    save_case(Case(notes="x" * 100_000), Path(sys.argv[1]))
except Refusal as refusal:
    print(refusal)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the limit of a file's size is a matter of Unix")
def test_a_write_that_the_system_cuts_off_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "case.duraplan"
    save_case(Case(notes="kept"), path)
    run = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, timeout=60)
    assert "is full" in run.stdout, run.stderr
    assert open_case(path).notes == "kept"
    assert [entry.name for entry in tmp_path.iterdir()] == ["case.duraplan"]


def test_how_the_vertebrae_are_counted_is_saved_and_an_older_file_counts_as_usual(tmp_path: Path) -> None:
    path = tmp_path / "case.duraplan"
    case = Case(anchor=Anchor("L6", (0.0, 0.0, -80.0), "user", 1.0, Numbering(13, 6)))
    save_case(case, path)
    assert open_case(path) == case
    content = json.loads(path.read_text("utf-8"))
    content["case"]["anchor"]["name"] = "L5"
    del content["case"]["anchor"]["numbering"]
    content["version"] = 2
    content["checksum"] = case_file._checksum({key: value for key, value in content.items() if key != "checksum"})
    path.write_text(json.dumps(content), "utf-8")
    assert open_case(path).anchor == Anchor("L5", (0.0, 0.0, -80.0), "user", 1.0)
    content["case"]["anchor"]["name"] = "L6"
    content["checksum"] = case_file._checksum({key: value for key, value in content.items() if key != "checksum"})
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(DamagedCase, match="no vertebra"):
        open_case(path)
