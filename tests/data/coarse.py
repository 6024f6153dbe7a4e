"""A coarse phantom on disk, quick to make, to read and to plan: the patient of the tests that need a whole walk and no detail."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SPACING_MM = (2.0, 1.5, 1.5)


@dataclass(frozen=True)
class CoarseExample:
    """folder: as the verb `example` writes it. trunk: its slices from L1 to the sacrum alone. truth: what truth.json says."""

    folder: Path
    trunk: Path
    truth: dict[str, Any]

    @property
    def anchor(self) -> list[str]:
        """The option that names L4."""
        centre = next(level["centre"] for level in self.truth["levels"] if level["name"] == "L4")
        return ["--anchor", f"L4={','.join(map(str, centre))}"]

    @property
    def leak(self) -> list[str]:
        """The options that mark the leak."""
        leak = self.truth["leaks"][0]
        return ["--leak", ",".join(map(str, leak["position"])), "--kind", leak["kind"]]


def write_coarse_example(folder: Path) -> CoarseExample:
    """Build a myelogram with a dorsal leak, and cut its trunk out."""
    from planner.phantom import PhantomParameters, build, write_example

    write_example(build(PhantomParameters(modality="myelogram", leak="dorsal", spacing_mm=SPACING_MM)), folder / "phantom")
    truth = json.loads((folder / "phantom" / "truth.json").read_text("utf-8"))
    z_mm = {level["name"]: level["centre"][2] for level in truth["levels"]}
    trunk = folder / "trunk"
    trunk.mkdir()
    for path in sorted((folder / "phantom" / "dicom").iterdir()):
        if z_mm["S1"] - 20 < _z_mm(path) < z_mm["L1"] + 20:
            shutil.copy(path, trunk)
    return CoarseExample(folder / "phantom", trunk, truth)


def _z_mm(path: Path) -> float:
    import pydicom

    return float(pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient[2])
