"""Volume -> Anatomy: canal, sac, cord, levels, openings, roots and hazards, each with its provenance."""

from planner.anatomy.find import find
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
    "rename",
    "vertebra_at",
]
