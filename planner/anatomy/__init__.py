"""Volume -> Anatomy: canal, sac, cord, levels, openings, roots and hazards, each with its provenance."""

from planner.anatomy.find import find
from planner.anatomy.imports.take_in import find_with_labels
from planner.anatomy.names import rename, vertebra_at
from planner.anatomy.spine import (
    ANGLES,
    NOT_CHECKED,
    Anatomy,
    Anchor,
    Canal,
    CanalPlace,
    Conus,
    Foramen,
    LeakHint,
    Level,
    Root,
    SacSections,
    Structure,
    Window,
)
from planner.anatomy.view import Shown, out_of_view, shown

__all__ = [
    "ANGLES",
    "NOT_CHECKED",
    "Anatomy",
    "Anchor",
    "Canal",
    "CanalPlace",
    "Conus",
    "Foramen",
    "LeakHint",
    "Level",
    "Root",
    "SacSections",
    "Shown",
    "Structure",
    "Window",
    "find",
    "find_with_labels",
    "out_of_view",
    "rename",
    "shown",
    "vertebra_at",
]
