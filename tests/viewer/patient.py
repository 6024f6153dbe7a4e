"""A schematic patient for the views: simple enough that a test knows what every pixel must show."""

from __future__ import annotations

import numpy as np

from planner.anatomy import labels as codes
from planner.anatomy.spine import ANGLES, Anatomy, Anchor, Canal, Level, Root, Side, Structure
from planner.geometry import Frame, Volume
from planner.leak.leak import Leak
from viewer.arrival import Arrival
from viewer.scene import Scene, SceneNeedle, ScenePatch

LEVELS = ("L1", "L2", "L3", "L4")
SIDES: tuple[tuple[Side, float], ...] = (("left", 1.0), ("right", -1.0))
CANAL_Y = 30.0
"""How far behind the scan's middle the canal runs, in mm."""


def patient(
    shape: tuple[int, int, int] = (60, 100, 110), spacing_mm: tuple[float, float, float] = (2.5, 1.6, 1.6), with_patch: bool = True
) -> Scene:
    """Four vertebrae along z around the world's origin, an ellipse of flesh, and a bright cube at the patient's left."""
    half = (np.array(shape) - 1) * np.array(spacing_mm) / 2
    frame = Frame.axial(shape, spacing_mm, (-half[2], -half[1], -half[0]))
    k, j, i = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij", sparse=True)
    z, y, x = k * spacing_mm[0] - half[0], j * spacing_mm[1] - half[1], i * spacing_mm[2] - half[2]
    voxels = np.full(shape, -1000, dtype=np.int16)
    labels = np.zeros(shape, dtype=np.uint8)
    flesh = (x / (0.92 * half[2])) ** 2 + (y / (0.92 * half[1])) ** 2 + 0 * z <= 1
    voxels[flesh], labels[flesh] = 40, codes.SOFT_TISSUE
    canal = x**2 + (y - CANAL_Y) ** 2 + 0 * z <= 9.0**2
    pitch = 2 * half[0] / len(LEVELS)
    levels = []
    for n, name in enumerate(LEVELS):
        middle = half[0] - (n + 0.5) * pitch
        near = np.abs(z - middle) <= 0.4 * pitch
        body = (x**2 + (y - CANAL_Y + 28) ** 2 <= 17.0**2) & near
        arch = (np.abs(x) <= 30) & (np.abs(y - CANAL_Y) <= 14) & near & ~canal
        bone = body | arch
        voxels[bone], labels[bone] = 700, codes.vertebra(name)
        levels.append(Level(name, (0.0, CANAL_Y - 28, float(middle)), float(half[0] - middle), 0.9))
    labels[canal], voxels[canal] = codes.EPIDURAL_SPACE, -40
    sac = x**2 + (y - CANAL_Y) ** 2 + 0 * z <= 6.0**2
    labels[sac], voxels[sac] = codes.THECAL_SAC, 15
    cube = (np.abs(x - 0.6 * half[2]) <= 6) & (np.abs(y) <= 6) & (np.abs(z) <= 6)
    voxels[cube] = 2500

    s = np.arange(-half[0], half[0] + 1e-6, 1.0)[::-1]
    line = np.stack([np.zeros_like(s), np.full_like(s, CANAL_Y), s], axis=1)
    n = len(s)
    tube = Canal(
        line, np.tile([1.0, 0, 0], (n, 1)), np.tile([0, 1.0, 0], (n, 1)), np.full((n, ANGLES), 9.0), np.zeros((n, ANGLES), dtype=bool),
        np.full(n, 254.0), np.ones(n),
    )  # fmt: skip
    roots = []
    for level in levels[:-1]:
        for side, sign in SIDES:
            t = np.linspace(0, 1, 12)[:, None]
            start = np.array([0.0, CANAL_Y, level.centre_mm[2] - 0.5 * pitch])
            path = start + t * np.array([sign * 34, 0, -10]) + np.array([sign * 5, 0, 0])
            roots.append(Root(level.name, side, path, np.full(12, 1.5), slice(5, 8)))
    anatomy = Anatomy(
        frame, "CT", labels, {"canal": Structure("found"), "sac": Structure("found")}, tube, tuple(levels), (), (), tuple(roots),
        Anchor("L3", levels[2].centre_mm, "user"),
    )  # fmt: skip
    leak = Leak((0.0, CANAL_Y - 7, 0.0), "ventral", "observed", "L2-L3", "midline")
    needle = SceneNeedle((-45.0, CANAL_Y + 30, 0.0), leak.position_mm, words="58 mm · 45° in plane")
    arrival = np.where(labels == codes.EPIDURAL_SPACE, np.abs(z) / 3 + 0 * x + 0 * y, np.inf).astype(np.float32)
    patch = ScenePatch(Arrival(frame, arrival), 5.0) if with_patch else None
    return Scene(Volume(frame, voxels), anatomy, leaks=(leak,), needles=(needle,), patch=patch)


def sphere(spacing_mm: tuple[float, float, float], radius_mm: float = 30.0) -> Scene:
    """A bright ball at the world's origin, on a grid of about 120 mm each way."""
    shape = tuple(int(120 / s) for s in spacing_mm)
    half = (np.array(shape) - 1) * np.array(spacing_mm) / 2
    frame = Frame.axial(shape, spacing_mm, (-half[2], -half[1], -half[0]))
    k, j, i = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij", sparse=True)
    r2 = (k * spacing_mm[0] - half[0]) ** 2 + (j * spacing_mm[1] - half[1]) ** 2 + (i * spacing_mm[2] - half[2]) ** 2
    voxels = np.where(r2 <= radius_mm**2, 3000, -1000).astype(np.int16)
    return Scene(Volume(frame, voxels))
