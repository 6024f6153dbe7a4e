"""A plan made by hand, every field filled: what leaves the program is judged on it without any station's help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.anatomy import labels
from planner.anatomy.spine import ANGLES, Anatomy, Anchor, Canal, Foramen, Level, Structure, Window
from planner.case.case import Case, ScanReference, Site, TakenNeedle
from planner.case.derive import Plan, SitePlan
from planner.geometry import Frame, Volume
from planner.leak.leak import Approach, Leak
from planner.needles.candidate import Candidate, Check, Needle, NeedleSearch
from planner.patch import Preset
from planner.patch.forecast import Band, DoseRow, Forecast
from planner.scan.series import Identity, Series

FRAME = Frame.axial((30, 40, 50), (2.0, 1.0, 1.0), (-25.0, -20.0, -60.0))
LEAK = Leak((3.0, 1.0, -30.0), "ventral", "observed", "L1-L2", "right")


def volume() -> Volume:
    voxels = np.zeros(FRAME.shape, np.int16)
    voxels[:, 10:30, 10:40] = 400
    return Volume(FRAME, voxels)


def series() -> Series:
    """The scan of the plan, as the Scan station gives it."""
    return Series(
        uid="1.2.840.99",
        part=1,
        description="AX",
        modality="CT",
        plane="axial",
        slices=30,
        size=(30, 40, 50),
        spacing_mm=(2.0, 1.0, 1.0),
        extent_mm=(58.0, 39.0, 49.0),
        verdict="good",
        reasons=(),
        repairs=(),
        patient_position="HFP",
        identity=Identity("Doe^Jane", "4711", "19700101"),
    )


def anatomy() -> Anatomy:
    n = 50
    line = np.stack([np.zeros(n), np.zeros(n), np.linspace(-10.0, -59.0, n)], axis=1)
    left, back = np.tile([1.0, 0, 0], (n, 1)), np.tile([0, 1.0, 0], (n, 1))
    canal = Canal(line, left, back, np.full((n, ANGLES), 9.0), np.zeros((n, ANGLES), bool), np.full(n, 254.5), np.full(n, 0.8))
    codes = np.zeros(FRAME.shape, np.uint8)
    codes[:, 5:35, 5:45] = labels.SOFT_TISSUE
    codes[5:12, 10:15, 20:30] = labels.vertebra("L1")
    codes[:, 18:22, 23:27] = labels.THECAL_SAC
    known = {
        "canal": Structure("found", 0.8),
        "sac": Structure("modelled", 0.5, "Below L2 nothing tells sac from fat."),
        "roots": Structure("modelled", 0.4),
        "bone": Structure("found", 0.9),
    }
    levels = (Level("L1", (0.0, -20.0, -20.0), 10.0, 0.9), Level("L2", (0.0, -20.0, -45.0), 35.0, 0.7))
    foramen = Foramen(("L1", "L2"), "right", (-12.0, 0.0, -31.0), (-1.0, 0.0, 0.0), 18.2, 8.9, 0.7)
    window = Window(("L1", "L2"), (0.0, 12.0, -33.0), 9.1, 14.2, 8.0, 0.6)
    anchor = Anchor("L2", (0.0, -20.0, -45.0), "user", 1.0)
    return Anatomy(FRAME, "CT", codes, known, canal, levels, (foramen,), (window,), (), anchor)


def candidate(total: float = 0.81, entry: tuple[float, float, float] = (-20.0, 18.0, -34.0)) -> Candidate:
    return Candidate(
        approach="transforaminal-ventral",
        level="L1-L2",
        side="right",
        needle="22G-120-quincke",
        entry_mm=entry,
        target_mm=(-5.0, -4.0, -30.0),
        depth_mm=96.25,
        in_plane_deg=41.6,
        out_of_plane_deg=-3.4,
        entry_offset_mm=-70.75,
        clearance_mm={"bone": 1.4375, "roots": 2.9, "aorta": 31.0, "kidney": None},
        checks=(
            Check("Bone", True, 1.4375, 0.5, "mm", "clinical.md 5.1"),
            Check("Root, ganglion", True, 2.9, 2.0, "mm", "clinical.md 5.1"),
            Check("Aorta", True, 31.0, 10.0, "mm", "clinical.md 5.1"),
            Check("Kidney", None, None, 10.0, "mm", "clinical.md 5.1"),
            Check("Sac ahead of the tip", False, -0.4, 0.0, "mm", "clinical.md 5.1", soft=True),
            Check("Needle length", True, 96.25, 115.0, "mm", "clinical.md 5.1"),
        ),
        score={"total": total, "clearance": 0.7},
        profile_mm=np.zeros((2, 2)),
        remark="below the root",
    )


def forecast() -> Forecast:
    rows = []
    for ml in np.arange(0.5, 30.5, 0.5):
        covered = min(1.0, ml / 12.0)
        band = Band(0.8 * covered, covered, min(1.0, 1.1 * covered))
        up = Band(0.05 * ml, 0.1 * ml, 0.2 * ml)
        rows.append(DoseRow(float(ml), band, (band,), Band(0.44, 0.57, 0.66), up, up, Band(0.24, 0.38, 0.51), up, up))
    return Forecast(
        FRAME,
        np.full(FRAME.shape, np.inf, np.float32),
        tuple(rows),
        np.arange(50.0),
        np.zeros((60, 50)),
        np.zeros((60, 50)),
        np.zeros((60, 50)),
        {50: Band(5.0, 6.0, 7.0), 90: Band(7.2, 9.6, float("inf")), 95: Band(9.0, float("inf"), float("inf"))},
        ((9.0, "More than 9 mL at one lumbar level.", "patch.limit_lumbar_one_level"),),
        50,
    )


def plan(notes: str = "") -> Plan:
    """One ventral leak with two candidates of which the first is taken; 4 mL of fibrin and 8 mL of blood."""
    best, second = candidate(), candidate(0.62, (-21.0, 18.0, -40.0))
    site = Site(LEAK, "transforaminal-ventral", "22G-120-quincke", TakenNeedle(best.entry_mm, best.target_mm), 8.0, 4.0)
    scan = ScanReference("/scans/one", "1.2.840.99", 1, (30, 40, 50), "abc")
    case = Case(scan=scan, anchor=anatomy().anchor, sites=(site,), notes=notes)
    way = Approach("transforaminal-ventral", "A ventral leak calls for it.", ("leak.ventral_calls_for_transforaminal",), True)
    other = Approach("interlaminar-midline", "From behind, 36 % only.", ("leak.ventral_reached_from_behind",), False)
    preset = Preset(
        "Ventral lumbar", ("ventral",), ("transforaminal-ventral",), ("L1", "S1"), "one", 8, (5, 10), 4, (4, 4), 0.1, "seed 001"
    )
    site_plan = SitePlan(
        site=site,
        anatomy=anatomy(),
        position="prone",
        approaches=(way, other),
        approach=way,
        needle=Needle("22G-120-quincke", 22, 0.72, 120.0, "Quincke"),
        room=None,
        search=NeedleSearch((best, second), {"bone": 41, "misses the opening": 7}, 16471, 40, None),
        taken=best,
        preset=preset,
        blood_ml=8.0,
        fibrin_ml=4.0,
    )
    return Plan(case, anatomy(), (site_plan,), forecast(), None)


def plan_without_needle() -> Plan:
    """The same leak where the search found nothing."""
    made = plan()
    search = NeedleSearch((), {"bone": 41}, 16471, 40, "Bone closes the foramen. Try another level.")
    site = replace(made.sites[0], search=search, taken=None, site=Site(LEAK))
    return replace(made, case=replace(made.case, sites=(Site(LEAK),)), sites=(site,), forecast=None)
