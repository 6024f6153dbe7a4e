"""The truth of a phantom as an Anatomy: what a perfect Anatomy station would hand on."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage

from planner.anatomy import labels
from planner.anatomy.spine import ANGLES, Anatomy, Canal, Foramen, Level, Root, Structure, Window
from planner.geometry import Floats, Frame
from planner.phantom import Phantom, PhantomParameters, build

KNOWN = ("canal", "sac", "cord", "levels", "foramina", "windows", "roots", "skin", "bone", "discs")
ORGANS = ("lung", "kidney", "bowel gas", "aorta", "vena cava")


@cache
def phantom(leak="ventral", spacing=1.0, seed=1, **more) -> tuple[Phantom, Anatomy]:
    """A phantom with its true anatomy, built once in a test run."""
    made = build(PhantomParameters(leak=leak, spacing_mm=(spacing,) * 3, seed=seed, **more))
    return made, true_anatomy(made)


def codes_of(names: dict[int, str]) -> np.ndarray:
    """From the phantom's numbers to those of `planner.anatomy.labels`."""
    organs, discs = range(labels.SOFT_TISSUE, labels.VERTEBRAL_ARTERY + 1), [labels.disc(level) for level in labels.LEVELS[:-1]]
    own = (*organs, *labels.VERTEBRAE, *discs)
    by_name = {labels.name(code): code for code in own}
    table = np.zeros(256, np.uint8)
    for value, name in names.items():
        table[value] = by_name[name]
    return table


def true_anatomy(made: Phantom) -> Anatomy:
    frame, truth = made.volume.frame, made.truth
    code = codes_of(made.label_names)[made.labels]
    canal = true_canal(frame, code, np.array(truth.centreline))
    s = canal.s_mm
    levels = tuple(Level(v.name, v.centre, float(s[canal.nearest(v.centre)]), 1.0) for v in truth.levels)
    foramina = tuple(
        Foramen(f.between, f.side, f.centre, (1.0 if f.side == "left" else -1.0, 0.0, 0.0), f.height_mm, f.width_mm, 1.0)
        for f in truth.foramina
    )
    windows = tuple(Window(w.between, w.centre, w.height_mm, w.width_mm, w.tilt_deg, 1.0) for w in truth.windows)
    known = {name: Structure("found", 1.0) for name in (*KNOWN, *ORGANS)}
    return Anatomy(frame, made.volume.modality, code, known, canal, levels, foramina, windows, true_roots(frame, code, canal), None)


def true_canal(frame: Frame, code: np.ndarray, line: Floats) -> Canal:
    tangent = np.gradient(line, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    left = np.array([1.0, 0, 0]) - tangent[:, :1] * tangent
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    back = np.cross(left, tangent)
    back *= np.where(back[:, 1:2] > 0, 1.0, -1.0)
    inside = np.isin(code, labels.CANAL)
    angle = np.arange(ANGLES) * 2 * np.pi / ANGLES
    reach = np.arange(0.0, 25.0, 0.4)
    wall = np.zeros((len(line), ANGLES))
    for n, (point, a, b) in enumerate(zip(line, left, back)):
        ray = point + reach[:, None, None] * (np.cos(angle)[:, None] * a + np.sin(angle)[:, None] * b)
        index = np.clip(np.round(frame.to_index(ray)).astype(int), 0, np.array(frame.shape) - 1)
        hit = ~inside[tuple(np.moveaxis(index, -1, 0))]
        hit[-1] = True
        wall[n] = reach[hit[2:].argmax(axis=0) + 2]
    area = 0.5 * np.sum(wall**2, axis=1) * 2 * np.pi / ANGLES
    return Canal(line, left, back, wall, np.zeros(wall.shape, bool), area, np.ones(len(line)))


def true_roots(frame: Frame, code: np.ndarray, canal: Canal) -> tuple[Root, ...]:
    """The path of each root as the middle of its voxels at each distance from the midline."""
    pieces, _ = ndimage.label(np.isin(code, (labels.NERVE_ROOT, labels.GANGLION)))
    made = []
    for n, box in enumerate(ndimage.find_objects(pieces)):
        index = np.argwhere(pieces[box] == n + 1) + [part.start for part in box]
        if len(index) < 30:
            continue
        points = frame.to_world(index)
        middle = canal.centreline_mm[canal.nearest(points.mean(axis=0))]
        out = np.round(np.abs(points[:, 0] - middle[0]))
        path = np.array([points[out == value].mean(axis=0) for value in np.unique(out)])
        side = "left" if points[:, 0].mean() > middle[0] else "right"
        made.append(Root("", side, path, np.full(len(path), 1.0), slice(len(path) // 3, len(path) // 2)))
    return tuple(made)
