"""The bones as parts: vertebrae, sacrum, ribs and iliac wings in design space."""

from __future__ import annotations

import itertools
from math import cos, radians, sin, tan

import numpy as np

from planner.phantom.layout import Layout, Vertebra, inner_lamina_mm
from planner.phantom.shapes import Curve, Floats, Part, capsule, lamina, mirrored, spinous, vertebral_body

X = np.array([1.0, 0.0, 0.0])
Y = np.array([0.0, 1.0, 0.0])
Z = np.array([0.0, 0.0, 1.0])

_PARS_MM = {"L": (3.3, 4.6, 1.0), "T": (3.9, 4.8, 2.5)}
"""Half the isthmus' width and depth, and how far below the pedicle its middle lies."""


def both(part: Part) -> list[Part]:
    """A part of the left side and its mirror image."""
    return [part, mirrored(part)]


def pedicle_centre(layout: Layout, v: Vertebra) -> tuple[float, float, float]:
    """(x, d, up) of the left pedicle's narrowest section."""
    t = layout.table
    x = t("canal_width", v.name) / 2 + t("pedicle_width", v.name) / 2 / cos(radians(t("pedicle_angle", v.name)))
    up = t("body_height_back", v.name) / 2 - pedicle_half_height(layout, v) - 0.5
    return x, -t("canal_depth", v.name) / 2 + 3.5, up


def pedicle_half_height(layout: Layout, v: Vertebra) -> float:
    """Half the height of the pedicle where it is narrowest."""
    return layout.table("pedicle_height", v.name) / 2 * float(layout.table.raw["pedicle_isthmus"]["value"])


class Joint:
    """The left facet joint between two neighbours: its centre, the normal of its plane towards the upper process, its sizes."""

    def __init__(self, layout: Layout, upper: Vertebra, lower: Vertebra) -> None:
        t = layout.table
        angle = radians(t("facet_angle", upper.name))
        lumbar = upper.name[0] == "L"
        self.gap = float(t.raw["facet_gap"]["value"])
        # the lower process of the upper vertebra is thick and convex, the upper process of the lower one a thin shell around it
        self.deep, self.wide = (4.3, 7.0) if lumbar else (3.4, 5.6)
        self.shell = 3.5 if lumbar else 3.0
        self.tall = {"L4": 8.0}.get(upper.name, 8.7 if lumbar else 7.3)  # that of L5 would meet the isthmus above it
        across = float(np.hypot(self.deep * cos(angle), self.wide * sin(angle)))
        # how far the lower vertebra's process stands forward of its middle: its front edge bounds the foramen at the table's width
        front = float(np.hypot(0.9 * self.shell * sin(angle), (self.wide - 0.8) * cos(angle)))
        reach = self.gap / 2 + 2.8
        depth = (t("canal_depth", upper.name) + t("canal_depth", lower.name)) / 4
        x = t("window_width", upper.name) / 2 + across + reach * cos(angle)
        d = -depth + t("foramen_width", upper.name) + front + reach * sin(angle)
        s = lower.s_mm + 0.5 * t("body_height_back", lower.name) + (1.0 if lumbar else 0.5)
        self.centre = layout.place(x, d, s)
        back = (upper.back + lower.back) / 2
        self.up = (upper.up + lower.up) / 2
        self.normal = cos(angle) * X - sin(angle) * back
        self.along = sin(angle) * X + cos(angle) * back
        self.reach = reach
        self.curve = Curve(self.centre, self.normal, self.along, 11.0 if lumbar or upper.name == "T12" else 30.0)


def vertebra_parts(layout: Layout, v: Vertebra, jitter: np.random.Generator) -> list[Part]:
    """All parts of T8 to L5. jitter: small differences between sides and persons."""
    t = layout.table
    n = [w.name for w in layout.vertebrae].index(v.name)
    lower = layout.vertebrae[n + 1]
    upper = layout.vertebrae[n - 1] if n else None
    axes = np.stack([X, v.back, v.up])
    lumbar = v.name[0] == "L"

    def wobble(spread: float = 0.04) -> float:
        return float(1 + np.clip(jitter.normal(0, spread), -2 * spread, 2 * spread))

    parts = [body_part(layout, v)]
    half_ph, half_pw = pedicle_half_height(layout, v), t("pedicle_width", v.name) / 2
    px, pd, pu = pedicle_centre(layout, v)
    angle = radians(t("pedicle_angle", v.name))
    aim = np.array([sin(angle), cos(angle)])
    root = v.place(px - 11 * aim[0], pd - 11 * aim[1], pu - 0.5)
    end = v.place(px + 7.5 * aim[0], pd + 7.5 * aim[1], pu - 0.5)
    side = v.place(cos(angle), -sin(angle), 0) - v.origin
    parts += both(capsule(root, end, side, (half_pw + 1.0, half_ph + 0.8), (half_pw, half_ph), blend=4.0))

    joint = Joint(layout, v, lower)
    pars = _pars(layout, v, joint)
    pars_half, pars_deep, _ = _PARS_MM[v.name[0]]
    thickness = t("lamina_thickness", v.name)
    ridge = {True: 0.82, False: 0.55}[lumbar]
    slope = tan(radians(t("lamina_slope", v.name)))
    half_width = max(0.43 * t("canal_width", v.name), v.local(pars)[0] - pars_half + 0.3)  # as far as the isthmus
    parts.append(lamina(v.origin, axes, t("canal_depth", v.name) / 2, slope, v.lamina_top_mm, v.lamina_bottom_mm, ridge, thickness * 0.94,
                        half_width, t("window_width", v.name) / 2))
    parts += _spinous(layout, v, thickness, wobble(0.1))

    tip = joint.centre - joint.normal * joint.reach - joint.up * (joint.tall - 2.5)
    parts += both(capsule(pars, tip, joint.normal, (pars_half, pars_deep), (joint.deep * wobble(), (joint.wide - 0.3) * wobble()),
                          blend=5.0, clip=(joint.centre - joint.normal * joint.gap / 2, joint.normal), curve=joint.curve))
    neck = v.place(px + 5.5 * aim[0], pd + 6.0 * aim[1], pu - 0.5)
    parts += both(capsule(neck, pars, X, (half_pw * 0.5 + 1.8, 4.6 if lumbar else 4.0), (4.0, 4.6) if lumbar else (4.2, 4.2), blend=5.0))
    if upper is not None:
        above = Joint(layout, upper, v)
        tip = above.centre + above.normal * above.reach + above.up * (above.tall - 3.7)
        base = v.place(px + 5.0 * aim[0], pd + 7.0 * aim[1], pu)
        parts += both(capsule(base, tip, above.normal, (above.shell + 1.0, above.wide - 1.2),
                              (above.shell * 0.9 * wobble(), (above.wide - 0.8) * wobble()), blend=4.5,
                              clip=(above.centre + above.normal * above.gap / 2, -above.normal), curve=above.curve))
        if lumbar or v.name == "T12":  # the mammillary process
            knob = above.centre + above.normal * (above.reach + 0.5) + above.along * above.wide * 0.62 - above.up * 1.5
            parts += both(capsule(knob - above.up * 3, knob + above.along * 1.5 + above.up * 2, X, (3.2, 3.6), (2.6, 2.8), blend=5.0))
    parts += _transverse(layout, v, (px, pd, pu), half_pw)
    return parts


def _pars(layout: Layout, v: Vertebra, joint: Joint) -> Floats:
    """Middle of the left isthmus, the narrowest place of the arch: it closes the foramen behind, above the process of the next vertebra."""
    t = layout.table
    _, deep, below = _PARS_MM[v.name[0]]
    under = v.local(joint.centre - joint.normal * joint.reach)
    _, _, pedicle = pedicle_centre(layout, v)
    x = max(under[0] + (0.3 if v.name[0] == "L" else 2.0), t("canal_width", v.name) / 2 - 1.8)
    d = -t("canal_depth", v.name) / 2 + t("foramen_width", v.name) + 1.0 + deep
    return v.place(x, d, min(pedicle - pedicle_half_height(layout, v) - below, v.lamina_top_mm - 3.0))


def body_part(layout: Layout, v: Vertebra) -> Part:
    """The body of a vertebra or sacral segment."""
    t = layout.table
    half_depth = t("endplate_depth", v.name) / 2
    # it reaches a little into the canal, which is carved out of it: a hollow back wall
    middle = -(t("canal_depth", v.name) / 2 + half_depth) + 0.9
    return vertebral_body(v.origin, np.stack([X, v.back, v.up]), t("endplate_width", v.name) / 2, half_depth, middle,
                          t("body_height_back", v.name), t("body_height_front", v.name), t("waist", v.name),
                          t("endplate_concavity", v.name), t("body_taper", v.name), blend=4.0 if v.name[0] == "S" else 2.0)


def _spinous(layout: Layout, v: Vertebra, thickness: float, wobble: float = 1.0) -> list[Part]:
    """The spinous process: a hatchet in the lumbar spine, a slender slope in the thorax, a knob of the crest on the sacrum."""
    t = layout.table
    dip = radians(t("spinous_dip", v.name))
    length, height = t("spinous_length", v.name) - 0.5 * thickness, t("spinous_height", v.name)
    # from T10 on it turns into the hatchet of the lumbar spine
    share = 1.0 if v.name[0] == "L" else {"T10": 0.3, "T11": 0.6, "T12": 0.85}.get(v.name, 0.0)
    middle = (v.lamina_top_mm + v.lamina_bottom_mm) / 2 - 1.0 + 1.5 * share
    inner = inner_lamina_mm(t, v, middle) if v.name[0] != "S" else t("canal_depth", v.name) / 2
    aim = np.array([cos(dip), -sin(dip)])
    base = v.place(0, *(np.array([inner + thickness * 0.5, middle])))
    axes = np.stack([X, v.place(0, -aim[1], aim[0]) - v.origin, v.place(0, *aim) - v.origin])
    if v.name[0] == "S":
        return [spinous(base, axes, length, (height * 0.55, height * 0.3), 0.0, 2.6, 0.8, 0.0, 0.0, blend=6.0)]
    if v.name[0] == "L":
        return [spinous(base, axes, length, (height * 0.40, height * 0.48), 1.0, 1.7, 2.0 * wobble, 2.2 * wobble, 1.6)]
    tip = (0.36 + 0.09 * share) * height if share else max(3.0, 0.30 * height)
    return [spinous(base, axes, length, (height * (0.52 - 0.1 * share), tip), 0.4, 1.8, (1.7 + 0.4 * share) * wobble, 0.5 + 1.2 * share,
                    2.5 * (1 - share))]


def _transverse(layout: Layout, v: Vertebra, pedicle: tuple[float, float, float], half_pw: float) -> list[Part]:
    t = layout.table
    px, pd, pu = pedicle
    span = t("transverse_span", v.name) / 2
    if v.name[0] == "T":
        long_enough = v.name not in ("T11", "T12")
        start, stop = v.place(px + 2, pd + 9, pu - 1), v.place(span - 4, pd + (17 if long_enough else 13), pu + 1)
        return both(capsule(start, stop, Z, (6.0, 4.5), (5.2, 4.6) if long_enough else (4.2, 3.8), blend=5.0))
    if v.name == "L5":
        start, stop = v.place(px + half_pw - 3, pd + 3, pu), v.place(span - 4.5, pd + 7, pu + 4)
        return both(capsule(start, stop, Z, (7.0, 6.5), (5.0, 4.0), blend=6.0))
    start, stop = v.place(px + half_pw - 1, pd + 8, pu - 2), v.place(span - 3.6, pd + 13, pu + (0 if v.name != "L4" else 2))
    middle = (start + stop) / 2 + v.up * 0.5
    return both(capsule(start, middle, Z, (6.2, 4.0), (4.6, 2.7), blend=5.0)) + both(
        capsule(middle, stop, Z, (4.6, 2.7), (5.2, 2.6), blend=2.0))


def sacrum_parts(layout: Layout) -> list[Part]:
    """The whole sacrum as far as S3, in one: a wedge of bodies and wings, roof and crests, and the foramina carved out of it."""
    t = layout.table
    parts: list[Part] = []
    s1, s2, s3 = layout.vertebrae[-3:]
    for v in (s1, s2, s3):
        axes = np.stack([X, v.back, v.up])
        inner, width = t("canal_depth", v.name) / 2, t("canal_width", v.name) / 2
        parts.append(body_part(layout, v))
        slope = tan(radians(t("lamina_slope", v.name)))
        parts.append(lamina(v.origin, axes, inner, slope * 0.1, v.lamina_top_mm, v.lamina_bottom_mm - 4.0, 0.38,
                            t("lamina_thickness", v.name), width + 4.0, 40.0, blend=6.0))
        parts += _spinous(layout, v, t("lamina_thickness", v.name))
    parts += _sacral_wings(s1, s2, s3)
    # articular processes for L5, on pillars that join the roof to the wings and run down beside the crest
    above = Joint(layout, layout["L5"], s1)
    inner, width = t("canal_depth", "S1") / 2, t("canal_width", "S1") / 2
    tip = above.centre + above.normal * (above.reach + 1.1) + above.up * (above.tall - 4.0)  # the thickest of all
    parts += both(capsule(s1.place(width + 7, inner - 3, 2), tip, above.normal, (6.5, 8.5), (above.shell + 0.5, above.wide - 0.8),
                          blend=7.0, clip=(above.centre + above.normal * above.gap / 2, -above.normal), curve=above.curve))
    pillar = [v.place(t("canal_width", v.name) / 2 + 3.5, t("canal_depth", v.name) / 2 - 0.5, up)
              for v, up in ((s1, 4.0), (s1, -8.0), (s2, 0.0), (s3, 0.0), (s3, -16.0))]
    for a, b, thick, thin in zip(pillar, pillar[1:], (6.0, 5.0, 4.5, 4.0), (5.0, 4.5, 4.0, 3.5)):
        parts += both(capsule(a, b, X, (thick + 1.0, thick), (thin + 1.0, thin), blend=6.0))
    for v in (s1, s2, s3):
        width, inner = t("canal_width", v.name) / 2, t("canal_depth", v.name) / 2
        # that of S1 is the floor of the foramen above it
        up, half = (4.0, 8.2) if v.name == "S1" else (0.0, 8.0)
        parts += both(capsule(v.place(width + 8, -5, up), v.place(width + 2, inner, 0), v.up, (half, 6.0), (6.0, 4.5), blend=6.0))
    crest = [v.place(0, t("canal_depth", v.name) / 2 + t("lamina_thickness", v.name) + 1.0, 0) for v in (s1, s2, s3)]
    for a, b in itertools.pairwise(crest):
        parts.append(capsule(a, b, X, (2.4, 3.0), (2.0, 2.6), blend=5.0))
    for v in (s1, s2):
        parts += [p for hole in sacral_foramen(layout, v) for p in both(hole)]
    return parts


def _sacral_wings(s1: Vertebra, s2: Vertebra, s3: Vertebra) -> list[Part]:
    """The wings, one plate on each side: ribs from the bodies to the edge that meets the ilium, close enough to be one surface."""
    # where a rib starts and stops (x, d, up), and half its height and depth at both ends
    rows = [(s1, 3.5, (21.0, -16.0, 0.0), (43.0, -9.0, 1.0), (11.5, 13.5), (8.5, 9.5)),
            (s1, -9.0, (20.0, -15.5, 0.0), (43.0, -8.0, -1.5), (10.0, 10.5), (9.0, 10.0)),
            (s2, 6.0, (18.0, -12.0, 0.0), (38.5, -5.5, 0.0), (9.5, 8.5), (8.5, 9.5)),
            (s2, -6.0, (16.0, -11.0, 0.0), (34.5, -4.5, -1.5), (9.0, 7.0), (8.0, 8.0)),
            (s3, 4.0, (14.0, -8.5, 0.0), (29.5, -3.5, -1.0), (8.0, 5.5), (7.0, 6.5)),
            (s3, -10.0, (11.0, -7.0, 0.0), (25.0, -2.5, -3.0), (7.5, 5.0), (6.5, 5.0))]
    parts: list[Part] = []
    for (v, up, a, b, thick, thin), (w, next_up, c, d, next_thick, next_thin) in itertools.pairwise(rows):
        for share in (0.0, 0.5):
            inner = (1 - share) * v.place(a[0], a[1], a[2] + up) + share * w.place(c[0], c[1], c[2] + next_up)
            outer = (1 - share) * v.place(b[0], b[1], b[2] + up) + share * w.place(d[0], d[1], d[2] + next_up)
            first, last = (tuple((1 - share) * m + share * n for m, n in zip(*ends)) for ends in ((thick, next_thick), (thin, next_thin)))
            parts += both(capsule(inner, outer, v.up, (first[0], first[1]), (last[0], last[1]), blend=8.0))
    return parts


def sacral_foramen(layout: Layout, v: Vertebra) -> list[Part]:
    """The left foramen under S1 or S2: the passage to the front, and the smaller one to the back."""
    t = layout.table
    up = -t("body_height_back", v.name) / 2 + (1.0 if v.name == "S1" else 0.0)
    width, inner = t("canal_width", v.name) / 2, t("canal_depth", v.name) / 2
    radius = {"S1": (6.3, 4.2), "S2": (5.2, 3.4)}[v.name]
    inside = v.place(width - 3.0, 0.0, up + 1)
    ahead = v.place(width + 6.0, -38.0, up - 5)
    behind = v.place(width + 6.0, inner + 22.0, up - 3)
    return [
        capsule(inside, ahead, X, (radius[0] * 0.8, radius[0] * 0.8), (radius[0] * 1.25, radius[0] * 1.25), carve=True, blend=2.0),
        capsule(inside, behind, X, (radius[1], radius[1]), (radius[1] * 1.1, radius[1] * 1.1), carve=True, blend=2.0),
    ]


def rib(points: Floats) -> list[Part]:
    """A rib along points from its head: an upright oval with a thin cortex."""
    parts = []
    for n in range(len(points) - 1):
        outward = np.array([points[n][0], points[n][1], 0.0])
        head = 1.15 if n == 0 else 1.0
        parts.append(capsule(points[n], points[n + 1], outward, (3.5 * head, 6.0 * head), (3.5, 6.0), blend=1.0))
    return parts
