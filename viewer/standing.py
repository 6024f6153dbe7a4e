"""What stands still in the 3D picture while only the patch follows a hand: drawn once, then the patch is laid over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Standing:
    """A picture without the patch and without what shines through. colours: uint8 (rows, columns, 3);
    depths: float32 (rows, columns), from 0 at the eye to 1, of what hides; clipping_mm: the distances that these span.
    """

    colours: NDArray[np.uint8]
    depths: NDArray[np.float32]
    clipping_mm: tuple[float, float]

    def under(self, patch: NDArray[np.uint8], depths: NDArray[np.float32], shining: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture with a patch, drawn alone, where nothing hides it, and over all that what shines through: premultiplied RGBA."""
        colours = self.colours.copy()
        front = depths < self.depths  # where there is no patch its depth is 1
        colours[front] = patch[front]
        clear = np.nonzero(shining[..., 3])
        over = shining[clear]
        colours[clear] = over[:, :3] + (colours[clear] * (255 - over[:, 3:]).astype(np.uint16) + 127) // 255
        return colours
