"""Label maps of one phantom for these tests, and what is found in it without them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from planner.anatomy import Anatomy
from planner.geometry import Frame, write_nifti
from planner.phantom import Phantom, PhantomParameters, build


@cache
def patient() -> Phantom:
    return build(PhantomParameters(spacing_mm=(2.0, 2.0, 2.0)))


def truth_in(folder: Path, labels: NDArray[Any] | None = None, frame: Frame | None = None) -> Path:
    one = patient()
    names = {str(code): name for code, name in one.label_names.items()}
    (folder / "truth.json").write_text(json.dumps({"labels": names}), "utf-8")
    write_nifti(folder / "truth.nii.gz", one.labels if labels is None else labels, frame or one.volume.frame)
    return folder / "truth.nii.gz"


@cache
def found_alone() -> Anatomy:
    from planner.anatomy import find

    return find(patient().volume)


def map_of(scheme_id: str, path: Path, numbers: NDArray[Any] | None = None, frame: Frame | None = None) -> Path:
    """The truth in the numbers of a scheme, in a file without names."""
    from tests.planner.anatomy.test_schemes import coded

    write_nifti(path, coded(scheme_id, patient()) if numbers is None else numbers, frame or patient().volume.frame)
    return path
