"""When the patch arrives where: what the slices and the space need of a forecast, made once however often the volume changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from planner.geometry import Floats, Frame


@dataclass(frozen=True, eq=False)
class Arrival:
    """The total volume at which each voxel fills: first_ml, float32 [k, j, i] on `frame`, inf where the patch never comes."""

    frame: Frame
    first_ml: NDArray[np.float32]

    @cached_property
    def _earliest_ml(self) -> tuple[NDArray[np.float32], ...]:
        """The same for every slice, row and column as a whole."""
        planes = self.first_ml.min(axis=0)
        return self.first_ml.min(axis=(1, 2)), planes.min(axis=1), planes.min(axis=0)

    def box(self, ml: float) -> NDArray[np.int64] | None:
        """The least box round all that is filled at a volume: first and last index (2, 3); None where nothing is."""
        ends = []
        for earliest in self._earliest_ml:
            filled = np.flatnonzero(earliest <= ml)
            if not len(filled):
                return None
            ends.append((filled[0], filled[-1]))
        return np.array(ends, dtype=np.int64).T

    def corners_mm(self, ml: float) -> Floats | None:
        """The corners (8, 3) of a box a voxel wider; LPS. With infinity: of the whole grid."""
        box = self.box(ml)
        if box is None:
            return None
        ends = (box + [[-1], [1]]).T
        return self.frame.to_world(np.array([[k, j, i] for k in ends[0] for j in ends[1] for i in ends[2]]))
