"""The spine of pipes that hands change in these tests: every voxel of it is known."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from planner.anatomy import Anatomy
from planner.anatomy.by_hand.apply import EditedAnatomy, edited
from planner.anatomy.by_hand.edits import Edit
from planner.anatomy.spine import Canal
from tests.planner.needles.pipe_spine import pipe_spine


@cache
def spine() -> Anatomy:
    """The canal runs along z at x = y = 0, 12 mm wide to the sides and 9 mm to front and back; the sac 8 and 6 mm."""
    _, anatomy = pipe_spine()
    return anatomy


def after(*edits: Edit) -> EditedAnatomy:
    made = edited(spine(), edits)
    assert isinstance(made, EditedAnatomy) and not made.idle
    return made


def rows_of(canal: Canal, rows: NDArray[np.int64]) -> Canal:
    """The canal with these cross-sections alone."""
    held = {name: getattr(canal, name) for name in canal.__dataclass_fields__}
    return replace(canal, **{name: value[rows] for name, value in held.items() if value is not None})


def code_at(anatomy: Anatomy, x: float, y: float, z: float) -> int:
    return int(anatomy.labels[tuple(np.rint(anatomy.frame.to_index((x, y, z))).astype(int))])
