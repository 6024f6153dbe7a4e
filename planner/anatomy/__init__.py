"""Volume -> Anatomy: canal, sac, cord, levels, openings, roots and hazards, each with its provenance."""

from planner.anatomy.find import find
from planner.anatomy.imported import find_with_labels
from planner.anatomy.names import rename, vertebra_at
from planner.anatomy.spine import ANGLES, NOT_CHECKED, Anatomy, Anchor, Canal, CanalPlace, Foramen, Level, Root, Structure, Window

__all__ = [
    "ANGLES",
    "NOT_CHECKED",
    "Anatomy",
    "Anchor",
    "Canal",
    "CanalPlace",
    "Foramen",
    "Level",
    "Root",
    "Structure",
    "Window",
    "find",
    "find_with_labels",
    "rename",
    "vertebra_at",
]
