"""How the tests look at a phantom: by counting its voxels, with none of the phantom's own geometry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.phantom import Phantom

Mask = NDArray[np.bool_]


def marked(phantom: Phantom, *names: str) -> Mask:
    """Where any of these labels lies; a name that ends with a blank stands for all that begin with it."""
    wanted = [n for n, name in phantom.label_names.items() if name in names or any(w.endswith(" ") and name.startswith(w) for w in names)]
    assert wanted, names
    return np.isin(phantom.labels, wanted)


def bone(phantom: Phantom) -> Mask:
    return marked(phantom, "vertebra ", "bone other")


def canal(phantom: Phantom) -> Mask:
    return marked(phantom, "epidural space", "thecal sac", "spinal cord")


def at(phantom: Phantom, mask: Mask, points: NDArray[np.float64]) -> Mask:
    """The mask's value at the voxel nearest to each LPS point; False outside."""
    index = np.rint(phantom.volume.frame.to_index(points)).astype(int)
    inside = np.all((index >= 0) & (index < mask.shape), axis=-1)
    index = np.clip(index, 0, np.array(mask.shape) - 1)
    hit: Mask = inside & mask[index[..., 0], index[..., 1], index[..., 2]]
    return hit


def line(start: NDArray[np.float64], stop: NDArray[np.float64], step_mm: float = 0.4) -> NDArray[np.float64]:
    n = int(np.linalg.norm(stop - start) / step_mm) + 2
    return start + np.linspace(0, 1, n)[:, None] * (stop - start)


def centre(phantom: Phantom, mask: Mask) -> NDArray[np.float64]:
    """LPS centre of gravity."""
    return phantom.volume.frame.to_world(np.argwhere(mask).mean(axis=0))


def level(phantom: Phantom, name: str) -> NDArray[np.float64]:
    return np.array(next(v.centre for v in phantom.truth.levels if v.name == name))
