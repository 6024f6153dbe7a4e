"""The worked example that the program opens: built once, kept as DICOM files, and loaded like any other scan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from app.places import example_folder
from planner.progress import Progress, silent

if TYPE_CHECKING:
    from planner.case.case import Case

DESCRIPTION = "example myelogram"
"""What a case's scan reference says of the example (`ScanReference.example`)."""

_VERSION = "5"


def example_path() -> Path:
    """Where the example lies once it was built."""
    return example_folder() / f"{DESCRIPTION.replace(' ', '-')}-{_VERSION}"


def example_scan(progress: Progress = silent) -> Path:
    """The folder of the example, which holds `dicom/` and `truth.json`; built first where it is missing (15 s or less)."""
    folder = example_path()
    if not (folder / "truth.json").exists():
        from planner.phantom import PhantomParameters, build, write_example
        from planner.progress import part

        phantom = build(PhantomParameters(modality="myelogram", leak="ventral"), part(progress, 0.0, 0.85))
        write_example(phantom, folder, part(progress, 0.85, 1.0))
    return folder


def worked(case: Case, folder: Path) -> Case:
    """The example's case: one vertebra named and the leak marked, as a user would have done; the rest is the planner's work."""
    from planner.anatomy.spine import Anchor
    from planner.case.case import Site
    from planner.leak.leak import Leak

    truth = json.loads((folder / "truth.json").read_text("utf-8"))
    named = next(level for level in truth["levels"] if level["name"] == "L4")
    sites = tuple(Site(Leak(tuple(leak["position"]), leak["kind"], "observed", leak["level"], leak["side"])) for leak in truth["leaks"])
    from dataclasses import replace

    return replace(case, anchor=Anchor("L4", tuple(named["centre"]), "user"), sites=sites)
