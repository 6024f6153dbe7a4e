"""Every real scan that must walk goes from files to a plan sheet in the terminal, with one vertebra named by hand.

Positions were read off the scans by eye: LPS mm, inside the canal at the back or front of the sac.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.command_line import run
from tests.data import real


@dataclass(frozen=True)
class Walk:
    """One scan with what a person would say about it."""

    name: str
    path: str
    anchor: str
    leak: str
    kind: str
    level: str
    coarse: bool = False


WALKS = [
    Walk("thoracic", "thoracic-ct/dicom", "T11=-10,225,-607", "-10,237.5,-620", "ventral", "T11-T12"),
    Walk("thoracolumbar", "thoracolumbar-ct-labelled/ct.nii.gz", "L2=22.6,22.6,-313.8", "22,57,-302", "dorsal", "L1-L2"),
    Walk("lumbar 3 mm", "lumbar-ct-labelled-3mm/ct.nii.gz", "L3=3,-144,317", "3,-110,298", "dorsal", "L3-L4", coarse=True),
    Walk("cervical", "cervical-ct/dicom", "C2=247,-270,-121", "248,-254,-235", "dorsal", "C7-T1"),
    Walk("lumbar MR", "lumbar-mr-t2/t2.nii.gz", "L4=-17,32,-493", "-15,74,-439", "dorsal", "L2-L3"),
    Walk("MR case 7", "lumbar-mr-t2-labelled/case-07-t2.nii.gz", "L3=-0.5,-0.7,-8.4", "-2,30,-26", "dorsal", "L3-L4"),
    Walk("MR discs 20", "lumbar-mr-t2-labelled/discs-20-t2.nii.gz", "L3=2,-12,8", "2,14,-10", "dorsal", "L3-L4"),
    Walk("MR water-fat", "lumbar-mr-t2-labelled/water-fat-01.nii.gz", "L3=1.8,-2.3,-4", "0,23,-24", "dorsal", "L3-L4"),
]


def plan_of(walk: Walk, out: Path) -> dict[str, Any]:
    """Plan a walk and read what it wrote."""
    scan = real(walk.path)
    code = run(["plan", str(scan), "--anchor", walk.anchor, f"--leak={walk.leak}", "--kind", walk.kind, "--out", str(out)])
    assert code == 0
    return dict(json.loads((out / "plan.json").read_text("utf-8")))


@pytest.mark.real
@pytest.mark.parametrize("walk", WALKS, ids=[walk.name for walk in WALKS])
def test_a_real_scan_walks_to_the_sheet(walk: Walk, tmp_path: Path) -> None:
    """The leak has its level, a needle was found that passes, the patch has its dose-response, and the sheet lies there."""
    out = tmp_path / "plan"
    plan = plan_of(walk, out)
    assert {path.name for path in out.iterdir()} == {"case.duraplan", "plan.json", "report.html", "report.pdf"}
    assert plan["leaks"][0]["level"] == walk.level
    assert plan["none_found"] is None, plan["none_found"]
    taken = [candidate for candidate in plan["candidates"] if candidate["taken"]]
    assert len(taken) == 1
    assert taken[0]["depth_mm"] > 15
    failed = [check["name"] for check in taken[0]["checks"] if check["ok"] is False]
    assert bool(failed) == walk.coarse, failed
    assert plan["patch"]["dose_response"][0]["ml"] <= 0.5
    assert plan["patch"]["dose_response"][-1]["ml"] >= 30
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
    if walk.coarse:
        assert "too coarse" in (out / "report.html").read_text("utf-8")
