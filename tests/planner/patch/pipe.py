"""A spine of plumbing: a straight canal with a sac, cord, foramina and named levels, as an Anatomy, in which reckoning is easy."""

from __future__ import annotations

import numpy as np

from planner.anatomy import labels as code
from planner.anatomy.spine import ANGLES, Anatomy, Canal, Foramen, Level, Structure
from planner.geometry import Frame

LEVEL_MM = 36.0


def ellipse(x: np.ndarray, y: np.ndarray, a: float, b: float) -> np.ndarray:
    return (x / a) ** 2 + (y / b) ** 2 <= 1.0


def pipe_spine(
    names: tuple[str, ...] = ("T11", "T12", "L1", "L2", "L3", "L4", "L5"),
    canal_mm: tuple[float, float] = (12.0, 9.0),
    sac_mm: tuple[float, float] = (8.5, 6.5),
    cord_mm: tuple[float, float] | None = None,
    foramina: bool = True,
    narrow: bool = False,
    sac_forward_mm: float = 1.0,
    lamina_share: float = 0.5,
    level_mm: float = LEVEL_MM,
    sac_ends_mm: float | None = None,
    tapers_below_mm: float = 0.0,
) -> Anatomy:
    """Half-axes (left, back) of canal, sac and cord in mm; the sac lies forward. Under the lower lamina_share of each level the canal's
    roof comes down on the sac. z = 0 is the foot end; the first name is uppermost. Below tapers_below_mm the
    canal narrows to half at z = 0, as the sacral canal does."""
    height = len(names) * level_mm
    frame = Frame.axial((int(height) + 1, 61, 91), (1.0, 1.0, 1.0), (-45.0, -30.0, 0.0))
    z, y, x = np.meshgrid(np.arange(frame.shape[0], dtype=np.float64), np.arange(-30.0, 31.0), np.arange(-45.0, 46.0), indexing="ij")
    depth = canal_mm[1] * (0.55 if narrow else 1.0)
    scale = 0.5 + 0.5 * np.clip(z / max(tapers_below_mm, 1e-6), 0.0, 1.0)
    canal = ellipse(x / scale, y / scale, canal_mm[0], depth)
    within = (z % level_mm) / level_mm
    under_lamina = (within < lamina_share) & (y / scale > sac_mm[1] - sac_forward_mm + 0.5)
    space = canal & ~under_lamina
    sac = ellipse(x / scale, y / scale + sac_forward_mm, sac_mm[0], min(sac_mm[1], depth - 1.0))
    if sac_ends_mm is not None:
        sac &= z >= sac_ends_mm
    labels = np.full(frame.shape, code.BONE_OTHER, dtype=np.uint8)
    centres = [height - (n + 0.5) * level_mm for n in range(len(names))]
    openings = []
    if foramina:
        for upper, lower, high, low in zip(names[:-1], names[1:], centres[:-1], centres[1:]):
            middle = (high + low) / 2
            for side, sign in (("left", 1.0), ("right", -1.0)):
                tube = ellipse(z - middle, y + 1.0, 8.0, 4.0) & (x * sign > 6.0)
                labels[tube & ~canal] = code.SOFT_TISSUE
                openings.append(Foramen((upper, lower), side, (sign * 17.0, -1.0, middle), (sign, 0.0, 0.0), 16.0, 8.0, 1.0))
    labels[space] = code.EPIDURAL_SPACE
    labels[sac] = code.THECAL_SAC
    if cord_mm is not None:
        labels[ellipse(x, y + sac_forward_mm, *cord_mm) & sac] = code.SPINAL_CORD
    s = np.arange(0.0, height + 0.5)
    angles = np.arange(ANGLES) * 2 * np.pi / ANGLES
    wall = 1.0 / np.sqrt((np.cos(angles) / canal_mm[0]) ** 2 + (np.sin(angles) / depth) ** 2)
    line = np.stack([np.zeros_like(s), np.zeros_like(s), height - s], axis=1)
    n = len(s)
    tube_of = Canal(
        line,
        np.tile([1.0, 0.0, 0.0], (n, 1)),
        np.tile([0.0, 1.0, 0.0], (n, 1)),
        wall * (0.5 + 0.5 * np.clip(line[:, 2:] / max(tapers_below_mm, 1e-6), 0.0, 1.0)),
        np.zeros((n, ANGLES), dtype=bool),
        np.full(n, np.pi * canal_mm[0] * depth),
        np.ones(n),
    )
    named = tuple(Level(name, (0.0, -25.0, centre), height - centre, 1.0) for name, centre in zip(names, centres))
    found = {name: Structure("found", 1.0) for name in ("canal", "sac", "levels", "foramina")}
    return Anatomy(frame, "CT", labels, found, tube_of, named, tuple(openings), (), (), None)


def disc_z(names: tuple[str, ...], upper: str, level_mm: float = LEVEL_MM) -> float:
    """Height of the disc under a vertebra."""
    return (len(names) - names.index(upper) - 1) * level_mm
