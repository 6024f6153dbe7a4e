"""A small picture of a series, to tell it from others before it is loaded: one slice, as a radiologist would hang it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.geometry import Floats

SIDE = 96  # pixels of the longer side
_CT_WINDOW_HU = (-160.0, 240.0)
_RIGHT = {0: (0.0, 1.0, 0.0), 1: (1.0, 0.0, 0.0), 2: (1.0, 0.0, 0.0)}  # of the picture, by the world axis that a slice lies across
_DOWN = {0: (0.0, 0.0, -1.0), 1: (0.0, 0.0, -1.0), 2: (0.0, 1.0, 0.0)}


def thumbnail(values: NDArray[np.generic], modality: str, down: Floats, right: Floats) -> NDArray[np.uint8]:
    """Greys [row, column] of a slice's values [row, column], HU in CT.

    down, right: (3,) steps between rows and between columns, LPS mm: the picture keeps their ratio, and is turned so that the patient's
    front is at its left or top, the head at its top and the patient's left at its right.
    """
    image = np.asarray(values, dtype=np.float32)
    low, high = _CT_WINDOW_HU if modality == "CT" else (float(v) for v in np.percentile(image, (1.0, 99.5)))
    grey = np.clip((image - low) * (255.0 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)
    across = int(np.abs(np.cross(right, down)).argmax())
    if abs(down @ np.array(_DOWN[across])) < abs(right @ np.array(_DOWN[across])):
        grey, down, right = grey.T, right, down
    grey = grey[:: 1 if down @ np.array(_DOWN[across]) >= 0 else -1, :: 1 if right @ np.array(_RIGHT[across]) >= 0 else -1]
    height, width = grey.shape[0] * float(np.linalg.norm(down)), grey.shape[1] * float(np.linalg.norm(right))
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(np.ascontiguousarray(grey), size, interpolation=cv2.INTER_AREA).astype(np.uint8)
