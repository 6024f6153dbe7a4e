"""Windows between the laminae: how their heights hold when slices and voxels of the same patient get thicker, against the gap in the true
voxels along the same beam; and those of the real scans. And the brush that a hand would take instead for the canal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.anatomy import find
from planner.anatomy.norms import at_level
from planner.anatomy.spine import Anchor
from planner.geometry import Floats
from planner.phantom import Phantom, PhantomParameters, build
from tests.data.walks import WALKS
from tests.planner.anatomy.phantoms import thickened


def brushed(values: NDArray[np.float32], truth: NDArray[np.bool_], spacing_mm: float) -> NDArray[np.bool_]:
    """What a hand gets with a round brush of 28 mm on the canal's middle in every slice and a threshold that keeps out bone."""
    made = np.zeros(truth.shape, dtype=bool)
    rows, columns = np.indices(truth.shape[1:])
    for k in np.flatnonzero(truth.any(axis=(1, 2))):
        j, i = np.argwhere(truth[k]).mean(axis=0)
        near: NDArray[np.bool_] = np.hypot(rows - j, columns - i) * spacing_mm <= 14.0
        made[k] = near & (values[k] < 200)
    return made


def true_gap_mm(phantom: Phantom, centre_mm: tuple[float, float, float], tilt_deg: float) -> float:
    """How far up and down a bundle of beams of this tilt meets no true bone within 9 mm behind the canal."""
    codes = [code for code, name in phantom.label_names.items() if name.startswith("vertebra ") or name == "bone other"]
    tilt = np.radians(tilt_deg)
    beam, up = np.array([0, np.cos(tilt), -np.sin(tilt)]), np.array([0, np.sin(tilt), np.cos(tilt)])
    height = np.arange(-15, 15.1, 0.25)
    points: Floats = centre_mm + height[:, None, None] * up + np.arange(0, 9, 0.4)[:, None] * beam
    index = np.clip(np.rint(phantom.volume.frame.to_index(points)).astype(int), 0, np.array(phantom.labels.shape) - 1)
    closed = np.asarray(np.isin(phantom.labels[index[..., 0], index[..., 1], index[..., 2]], codes).any(axis=1))
    middle = len(height) // 2
    below, above = np.flatnonzero(closed[:middle]), np.flatnonzero(closed[middle:])
    return 0.25 * float((above[0] + middle if len(above) else len(height)) - (below[-1] if len(below) else 0))


def thickness_rows() -> list[str]:
    """Windows of one patient in voxels of many sizes."""
    phantom = build(PhantomParameters(leak="ventral"))
    centre = next(level.centre for level in phantom.truth.levels if level.name == "L3")
    wanted = {"T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"}
    lines = []
    for block in ((1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4)):
        volume = thickened(phantom.volume, block)
        windows = [w for w in find(volume, Anchor("L3", centre, "user")).windows if w.between[0] in wanted]
        off = [w.height_mm - true_gap_mm(phantom, w.centre_mm, w.tilt_deg) for w in windows]
        size = " x ".join(f"{step:.1f}" for step in volume.frame.spacing_mm)
        worst = max(off, key=abs)
        lines.append(f"| {size} | {len(windows)} of {len(wanted)} | {float(np.median(off)):+.1f} | {worst:+.1f} |")
    return lines


def real_rows() -> list[str]:
    """Windows of the real CT scans, beside what clinical.md 3.5 calls usual."""
    from planner import scan
    from tests.data import real

    lines = []
    for walk in WALKS:
        if "MR" in walk.name:
            continue
        volume = scan.load(scan.choose(scan.read(real(walk.path))))
        name, position = walk.anchor.split("=")
        x, y, z = (float(part) for part in position.split(","))
        for window in find(volume, Anchor(name, (x, y, z), "user")).windows:
            high, wide, tilt = at_level("window_mm", window.between[0])
            found = f"{window.height_mm:.1f} x {window.width_mm:.1f} | {window.tilt_deg:.0f} | {window.confidence:.2f}"
            lines.append(f"| {walk.name} | {window.level} | {found} | {high:g} x {wide:g} | {tilt:g} |")
    return lines


def tables() -> list[str]:
    """Both, as Markdown."""
    return [
        "## Windows in thicker voxels",
        "",
        "One patient, T10-T11 to L5-S1, 0.8 mm voxels averaged into larger ones; height found less the gap in the true voxels, mm.",
        "",
        "| voxels, mm | found | median | worst |",
        "| --- | --- | --- | --- |",
        *thickness_rows(),
        "",
        "## Windows of the real scans",
        "",
        "One vertebra named by hand (`tests/data/walks.py`); mm and degrees to the head. Usual: clinical.md 3.5, as in `anatomy.json`.",
        "",
        "| scan | level | height x width | tilt | confidence | usual | tilt |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *real_rows(),
        "",
        "The thoracolumbar scan's T12-L2 are small in truth: in cuts along the beam bone joins the laminae T12-L1 right of the middle, and",
        "those of L1-L2 overlap by 2 to 4 mm (a worn spine, lying flat).",
    ]
