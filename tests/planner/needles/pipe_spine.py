"""A spine of pipes and boxes with known clearances: canal along z, L1 to L4, skin an ellipse. LPS mm; the canal's centre is x = y = 0."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from planner.anatomy import labels
from planner.anatomy.spine import ANGLES, Anatomy, Canal, Foramen, Level, Root, Structure, Window
from planner.geometry import Frame, Volume

PERIOD = 36.0
CANAL = (12.0, 9.0)
SAC = (8.0, 6.0)
NAMES = ("L1", "L2", "L3", "L4")
FOUND = ("canal", "sac", "levels", "foramina", "windows", "roots", "skin", "bone", "discs")


def middle(names, level):
    """Height of a vertebra's middle."""
    return -PERIOD * names.index(level) + PERIOD * (len(names) - 1) / 2


def pipe_spine(
    names=NAMES, spacing=0.8, fused=False, closed=False, cord=False, skin=True, lung_x=None, back=75.0, half_width=140.0, dz=None
):
    """(volume, anatomy). fused: no interlaminar windows; closed: no foramina; lung_x: lungs lateral of this; back: y of the skin behind."""
    tall = PERIOD * len(names) + 40
    dz = dz or spacing
    shape = (int(tall / dz), int((back + 60) / spacing) + 6, int(2 * half_width / spacing) + 10)
    frame = Frame.axial(shape, (dz, spacing, spacing), (-(shape[2] - 1) / 2 * spacing, -60.0, -(shape[0] - 1) / 2 * dz))
    k, j, i = np.ogrid[: shape[0], : shape[1], : shape[2]]
    z, y, x = frame.affine[2, 3] + k * dz, -60 + j * spacing, frame.affine[0, 3] + i * spacing
    side = np.abs(x)
    code = np.zeros(shape, np.uint8)
    body = (x / half_width) ** 2 + ((y + 60) / (back + 60)) ** 2 <= 1
    code[np.broadcast_to(body, shape)] = labels.SOFT_TISSUE
    if lung_x is not None:
        code[np.broadcast_to(body & (side > lung_x) & (y < 40), shape)] = labels.LUNG
    roots = []
    for n, name in enumerate(names):
        m = middle(names, name)
        bone = labels.vertebra(name)
        code[(side < 21) & (y < -CANAL[1]) & (y > -42) & (abs(z - m) < 13)] = bone
        if n + 1 < len(names):
            code[(side < 21) & (y < -CANAL[1]) & (y > -42) & (abs(z - m + PERIOD / 2) <= 5)] = labels.disc(name)
        pedicle = (side > 12) & (side < 20) & (y > -CANAL[1] - 2) & (y < 4) & (abs(z - m - 6) < 7.5)
        process = (side > 16) & (side < 42) & (y > 2) & (y < 9) & (abs(z - m - 6) < 4)
        facet = (side > 11) & (side < 17) & (y > 3) & (y < 15) & (abs(z - m + PERIOD / 3) < (PERIOD / 2 if not closed else PERIOD))
        if closed:
            pedicle = (side > 12) & (side < 20) & (y > -CANAL[1] - 2) & (y < 4) & (abs(z - m - 6) <= PERIOD / 2)
        high = PERIOD / 2 if fused else 11.0
        lamina = (side < 15) & (y > CANAL[1]) & (y < CANAL[1] + 7) & (abs(z - m + 6) <= high)
        spinous = (side < 3) & (y > CANAL[1] + 6) & (y < 45) & (abs(z - m + 6) <= high - 1)
        for part in (pedicle, process, facet, lamina, spinous):
            code[np.broadcast_to(part, shape)] = bone
    code[np.broadcast_to((x / CANAL[0]) ** 2 + (y / CANAL[1]) ** 2 <= 1, shape)] = labels.EPIDURAL_SPACE
    code[np.broadcast_to((x / SAC[0]) ** 2 + (y / SAC[1]) ** 2 <= 1, shape)] = labels.THECAL_SAC
    if cord:
        code[np.broadcast_to((x / 4.5) ** 2 + (y / 3.5) ** 2 <= 1, shape)] = labels.SPINAL_CORD
    pairs = list(pairwise(names))
    for upper, _ in pairs:
        m = middle(names, upper)
        for sign, name in ((1, "left"), (-1, "right")):
            path = np.array([(sign * a, b, m + c) for a, b, c in ((7, 0, 2), (12, -2, -2), (17, -3, -6), (24, -7, -10), (32, -12, -14))])
            fine = np.array([np.interp(np.linspace(0, 4, 40), np.arange(5), path[:, axis]) for axis in range(3)]).T
            for p in fine:
                near = (x - p[0]) ** 2 + (y - p[1]) ** 2 + (z - p[2]) ** 2 <= 4
                code[near & (code != labels.THECAL_SAC)] = labels.NERVE_ROOT
            roots.append(Root(upper, name, fine, np.full(40, 2.0), slice(18, 26)))
    s = np.arange(tall - 20, dtype=float)
    centreline = np.stack([0 * s, 0 * s, (tall - 20) / 2 - s], axis=1)
    angle = np.arange(ANGLES) * 2 * np.pi / ANGLES
    wall = 1 / np.hypot(np.cos(angle) / CANAL[0], np.sin(angle) / CANAL[1])
    many = np.ones((len(s), 1))
    canal = Canal(
        centreline, many * [1.0, 0, 0], many * [0, 1.0, 0], many * wall, np.zeros((len(s), ANGLES), bool),
        np.full(len(s), np.pi * CANAL[0] * CANAL[1]), np.ones(len(s)),
    )  # fmt: skip
    levels = tuple(Level(name, (0.0, -27.0, middle(names, name)), (tall - 20) / 2 - middle(names, name), 1.0) for name in names)
    foramina = [
        Foramen(pair, side_name, (sign * 16.0, -3.0, middle(names, pair[0]) - 12), (sign * 1.0, 0.0, 0.0), 21.0, 12.0, 1.0)
        for pair in pairs
        for sign, side_name in ((1, "left"), (-1, "right"))
    ]
    windows = [Window(pair, (0.0, CANAL[1] + 3.5, middle(names, pair[0]) - 24), 14.0, 22.0, 0.0, 1.0) for pair in pairs]
    known = {name: Structure("found", 1.0) for name in (*FOUND, *(["cord"] if cord else []), *(["lung"] if lung_x else []))}
    if not skin:
        known["skin"] = Structure("not checked")
    hu = np.where(code == 0, -1000, np.where(np.isin(code, labels.BONE), 600, 40)).astype(np.int16)
    anatomy = Anatomy(
        frame, "CT", code, known, canal, levels, () if closed else tuple(foramina), () if fused else tuple(windows), tuple(roots), None
    )
    return Volume(frame, hu), anatomy
