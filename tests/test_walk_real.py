"""Every real scan that must walk goes from files to a plan sheet in the terminal, with one vertebra named by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.command_line import run
from tests.data import real
from tests.data.walks import WALKS, Walk


def plan_of(walk: Walk, out: Path, *chosen: str) -> dict[str, Any]:
    """Plan a walk and read what it wrote."""
    scan = real(walk.path)
    code = run(["plan", str(scan), "--anchor", walk.anchor, f"--leak={walk.leak}", "--kind", walk.kind, *chosen, "--out", str(out)])
    assert code == 0
    return dict(json.loads((out / "plan.json").read_text("utf-8")))


@pytest.mark.real
@pytest.mark.parametrize("walk", WALKS, ids=[walk.name for walk in WALKS])
def test_a_real_scan_walks_to_the_sheet(walk: Walk, tmp_path: Path) -> None:
    """The leak has its level, a needle was found that passes, the patch has its dose-response, and the sheet lies there; or all of it
    says why there is no needle."""
    out = tmp_path / "plan"
    plan = plan_of(walk, out)
    assert {path.name for path in out.iterdir()} == {"case.duraplan", "plan.json", "report.html", "report.pdf"}
    assert plan["leaks"][0]["level"] == walk.level
    sheet = (out / "report.html").read_text("utf-8")
    if walk.reason is not None:
        assert plan["none_found"]["reason"].startswith(walk.reason)
        assert f"No needle: {walk.reason}" in sheet
        assert plan["patch"] is None and plan["candidates"] == []
        assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
        return
    assert plan["none_found"] is None, plan["none_found"]
    taken = [candidate for candidate in plan["candidates"] if candidate["taken"]]
    assert len(taken) == 1
    assert taken[0]["depth_mm"] > 15
    failed = {check["name"]: check["soft"] for check in taken[0]["checks"] if check["ok"] is False}
    assert all(failed.values()), failed
    assert ("Slice spacing" in failed) == walk.coarse
    assert plan["patch"]["dose_response"][0]["ml"] <= 0.5
    assert plan["patch"]["dose_response"][-1]["ml"] >= 30
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
    assert ("Slice spacing" in sheet) or not walk.coarse
    assert ("too coarse" in sheet) or walk.name != "lumbar 3 mm"


@pytest.mark.real
def test_a_level_of_the_neck_is_taken_on_explicit_choice_with_its_warning_and_says_why_nothing_is_open(tmp_path: Path) -> None:
    """The scan ends in the body of C7, so nothing is offered at C6-C7: the choice stands, and no other level is tried."""
    walk = next(walk for walk in WALKS if walk.name == "cervical")
    plan = plan_of(walk, tmp_path / "plan", "--approach", "interlaminar-paramedian", "--entry-level", "C6-C7")
    approach = plan["leaks"][0]["approach"]
    assert (approach["name"], approach["level"]) == ("interlaminar-paramedian", "C6-C7")
    assert "Only on explicit choice" in approach["warning"]
    assert not plan["candidates"] and "C7 is not wholly in view" in plan["none_found"]["reason"]
    assert "Only on explicit choice" in (tmp_path / "plan" / "report.html").read_text("utf-8")
