"""The trunk: skin, fat and wall, lungs, liver, bowel, muscles, vessels, kidneys; ribs and iliac wings; the table."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin, tan
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.phantom.bones import rib
from planner.phantom.canvas import Canvas, ridge, sample_texture
from planner.phantom.layout import Layout
from planner.phantom.painters import Image, Labels, covered, paint_solid, paint_swept
from planner.phantom.parameters import PhantomParameters
from planner.phantom.shapes import Field, Floats, Part, capsule, mirrored, smooth_min, wing
from planner.phantom.tables import trunk_table
from planner.progress import Progress

_ILIAC_MUSCLE_MM = 13.0
"""Thickness of the muscles on an iliac wing."""


def height_of(layout: Layout, at: str) -> float:
    """Design z of a place such as L3, or L2-0.4: that share of the way to the next below (+: above)."""
    name, share = at, 0.0
    for sign in "+-":
        if sign in at:
            name, number = at.split(sign)
            share = float(sign + number)
    names = [v.name for v in layout.vertebrae]
    n = names.index(name)
    z = [v.z_mm for v in layout.vertebrae]
    if share > 0:
        return z[n] + share * ((z[n - 1] - z[n]) if n else 25.0)
    return z[n] - share * ((z[n + 1] - z[n]) if n + 1 < len(z) else -22.0)


@dataclass(frozen=True, eq=False)
class Outline:
    """The skin at 1 mm of z from z0: rows of centre y, half-depth, half-width, furrow, wall; and the fat below it."""

    z0: float
    rows: Floats
    side_fat: float
    front_fat: float
    back_fat: float

    def at(self, z: float) -> Floats:
        n = np.arange(len(self.rows))
        return np.array([np.interp(z - self.z0, n, self.rows[:, c]) for c in range(self.rows.shape[1])])

    def inside(self, angle: float, z: float, depth: float) -> Floats:
        """A point at an angle from the back over the left side to the front, `depth` mm below the skin."""
        centre, half_depth, half_width, _, _ = self.at(z)
        u, v = sin(angle), cos(angle)
        r = 1 / np.sqrt(0.5 * (1 + np.sqrt(max(1 - 0.45 * 4 * u * u * v * v * 0.25, 0.0))))
        return np.array([(half_width - depth) * u * r, centre + (half_depth - depth) * v * r, z])

    def held_inside(self, point: Floats, margin: float) -> Floats:
        """The point, drawn towards the middle until it lies `margin` mm inside the abdominal wall."""
        centre, half_depth, half_width, _, wall = self.at(float(point[2]))
        a, b = half_width - self.side_fat - wall - margin, half_depth - self.front_fat - 0.6 * wall - margin
        u, v = point[0] / a, (point[1] - centre) / b
        far = float(np.sqrt(u * u + v * v - 0.3 * u * u * v * v)) if max(abs(u), abs(v)) < 1.3 else float(np.hypot(u, v))
        return point if far <= 1 else np.array([point[0] / far, centre + (point[1] - centre) / far, point[2]])


def outline(parameters: PhantomParameters, layout: Layout) -> Outline:
    """The skin of this patient: over the spinous tips at the table's depth, as wide and deep as the body mass index makes it."""
    t = trunk_table()["outline"]
    fatter = parameters.body_mass_index - 24.0
    z = np.array([height_of(layout, at) for at in t["at"]])
    order = np.argsort(z)
    z0 = float(z.min() - 80)
    grid = np.arange(z0, z.max() + 80)

    def spread(values: Any, window: int = 41) -> Floats:
        raw = np.interp(grid, z[order], np.asarray(values, dtype=np.float64)[order])
        return np.convolve(np.pad(raw, window // 2, mode="edge"), np.full(window, 1 / window), mode="valid")

    table = layout.table
    tips = []
    for v in layout.vertebrae:
        dip = radians(table("spinous_dip", v.name))
        reach = table("canal_depth", v.name) / 2 + 5 + (table("spinous_length", v.name)) * cos(dip)
        tips.append(v.place(0, reach, -8)[1:])
    tips_z = np.array([p[1] for p in tips])[::-1]
    tips_y = np.interp(grid, tips_z, np.array([p[0] for p in tips])[::-1])
    skin = spread(np.maximum(8.0, np.array(t["skin_over_tip"]) + t["skin_over_tip_per_bmi"] * fatter))
    back = np.convolve(np.pad(tips_y, 25, mode="edge"), np.full(51, 1 / 51), mode="valid") + skin + spread(t["furrow"])
    depth = spread(t["depth"]) + t["depth_per_bmi"] * fatter
    width = spread(t["half_width"]) + t["half_width_per_bmi"] * fatter
    # lying flattens the belly: its front hardly follows the curve of the back
    front = (back - depth) * 0.35 + float(np.mean((back - depth)[60:-60])) * 0.65
    rows = np.stack([(back + front) / 2, (back - front) / 2, width, spread(t["furrow"]), spread(t["wall"])], axis=1)
    return Outline(z0, np.ascontiguousarray(rows), max(5.0, t["side_fat"] + t["side_fat_per_bmi"] * fatter),
                   max(6.0, t["front_fat"] + t["front_fat_per_bmi"] * fatter), float(max(6.0, 13 + 1.4 * fatter)))


@njit(cache=True, nogil=True)
def _ray(x: float, y: float, centre: float, half_depth: float, half_width: float) -> tuple[float, float]:
    # share of the way from the middle to the wall, and distance to the wall along the ray
    u, v = x / half_width, (y - centre) / half_depth
    f = u * u + v * v - 0.45 * u * u * v * v
    # outside the unit square the term would fold the shape back
    if abs(u) > 1.15 or abs(v) > 1.15:
        return 2.0, 50.0
    r = np.sqrt(max(f, 0.0))
    return r, (r - 1.0) * np.sqrt(x * x + (y - centre) ** 2) / max(r, 1e-3)


@njit(cache=True, nogil=True)
def _paint_trunk(
    image: Image, labels: Labels, k_first: int, k_stop: int, origin: Floats, step: Floats, rows: Floats, z0: float, fats: Floats,
    values: Floats, texture: Field, soft: int, lung: int, lung_shape: Floats, liver: Floats,
) -> None:
    # values: air, skin, fat, muscle, lung, liver, vessel; fats: side, front, back, skin thickness
    # lung_shape: z of recess, dome left, dome right, half-width and half-depth of the mediastinum, its y; liver: edge z, left x, back y
    width = (step[0] + step[1]) / 2
    n = rows.shape[0]
    lowest = min(lung_shape[0], liver[0] - 45.0)
    columns = origin[0] + step[0] * np.arange(image.shape[2])
    groove, right = np.exp(-((columns / 15.0) ** 2)), 1.0 / (1.0 + np.exp(columns / 12.0))
    for k in range(k_first, k_stop):
        z = origin[2] + step[2] * k
        f = min(max(z - z0, 0.0), n - 1.001)
        m = int(f)
        w = f - m
        centre = rows[m, 0] * (1 - w) + rows[m + 1, 0] * w
        half_depth = rows[m, 1] * (1 - w) + rows[m + 1, 1] * w
        half_width = rows[m, 2] * (1 - w) + rows[m + 1, 2] * w
        furrow = rows[m, 3] * (1 - w) + rows[m + 1, 3] * w
        wall = rows[m, 4] * (1 - w) + rows[m + 1, 4] * w
        for j in range(image.shape[1]):
            y = origin[1] + step[1] * j
            for i in range(image.shape[2]):
                x = origin[0] + step[0] * i
                yy = y
                if y > centre:
                    yy = y + furrow * groove[i] * (y - centre) / half_depth
                r, skin = _ray(x, yy, centre, half_depth, half_width)
                share = covered(skin, width)
                if share <= 0:
                    continue
                v = (yy - centre) / (r * half_depth + 1e-6)
                fat = fats[0] + ((fats[2] - fats[0]) * v * v if v > 0 else (fats[1] - fats[0]) * v * v)
                inner = values[2]
                label = soft
                depth = -skin
                if depth < 45.0:
                    strand = sample_texture(texture, x / 8.0, y / 5.0, z / 9.0)
                    inner += 8.0 * (values[2] - values[0]) / 900.0 * strand
                    inner += 0.28 * (values[3] - values[2]) * ridge(strand, 0.13)
                    # no layer of fat is of one thickness
                    fat *= 1.0 + 0.10 * sample_texture(texture, x / 34.0, y / 34.0, z / 40.0)
                top = covered(depth - fats[3], width)
                inner = inner * (1 - top) + values[1] * top
                thick = wall * (1.0 if v < 0.35 else max(1.0 - (v - 0.35) * 1.6, 0.12))
                if depth < 60.0:
                    thick *= 1.0 + 0.12 * sample_texture(texture, x / 21.0 + 5.0, y / 21.0, z / 30.0)
                seams = 1.0 if thick > 6.0 else 0.0
                if v < -0.45:
                    # the straight muscles of the belly, with the white line between them and a thin seam beside them
                    front = min((-v - 0.45) / 0.25, 1.0)
                    seams *= 1.0 - front
                    beside = np.exp(-(((abs(x) - 66.0) / 5.0) ** 2))
                    thick *= 1.0 - front * (0.30 + 0.55 * np.exp(-((x / 5.0) ** 2)) + 0.45 * beside)
                muscle = covered(fat - depth, width) * covered(depth - fat - thick, width)
                if muscle > 0:
                    flesh = values[3] + 9.0 * (values[3] - values[2]) / 155.0 * sample_texture(texture, x / 2.5, y / 2.5, z / 9.0)
                    # fat planes between the layers of the wall
                    layer = (depth - fat) / thick
                    wave = 0.09 * sample_texture(texture, x / 15.0, y / 15.0, z / 40.0)
                    seam = np.exp(-(((layer - 0.36 + wave) * thick / 0.7) ** 2)) + np.exp(-(((layer - 0.70 - wave) * thick / 0.6) ** 2))
                    seam = seams * min(seam, 1.0) * min(max(0.45 + 4.0 * wave, 0.1), 0.8)
                    flesh = flesh * (1 - seam) + values[2] * seam
                    inner = inner * (1 - muscle) + flesh * muscle
                inside = depth - fat - thick
                # behind the lungs lie the ribs with muscle between and upon them
                behind = 0.0
                if v > 0.5 and z > lowest:
                    behind = 21.0 * min((v - 0.5) / 0.25, 1.0) * min((z - lowest) / 30.0, 1.0)
                    back_wall = covered(-inside, width) * covered(inside - behind, width)
                    if back_wall > 0:
                        strand = sample_texture(texture, x / 15.0, y / 5.0, z / 9.0)
                        lean = 0.75 * ridge(strand, 0.22)
                        inner = inner * (1 - back_wall) + (values[3] * (1 - lean) + values[2] * lean) * back_wall
                if inside > 4.0:
                    # vessels of the mesentery
                    twig = sample_texture(texture, x / 4.6, y / 4.6, z / 6.5)
                    inner += 0.8 * (values[3] - values[2]) * min(max((twig - 1.55) * 2.2, 0.0), 1.0)
                    inner += 0.10 * (values[3] - values[2]) * ridge(twig, 0.15)
                if inside > 0 and z > lowest:
                    gap = inside / (half_width - fat - thick)
                    rho = 1.0 - gap
                    dome = lung_shape[1] * (1 - right[i]) + lung_shape[2] * right[i]
                    mx, my = x / lung_shape[3], min(y - lung_shape[5], 0.0) / lung_shape[4]
                    spine = (np.sqrt(mx * mx + my * my) - 1.0) * lung_shape[3]
                    rim = rho * rho
                    # the recess reaches lowest at the back, less at the sides, and in front no further than the ninth rib
                    floor = dome - (dome - lung_shape[0] - 38.0 * (1.0 - v)) * rim * rim
                    lungs = min(min(z - floor, inside - behind - 1.5), spine)
                    air = covered(-lungs, width)
                    # its lower edge is round: it rises to the front and the back, and wanders
                    hill = 0.0035 * (y - centre - 10.0) ** 2 + 0.0012 * min(x + 95.0, 0.0) ** 2
                    under = z - liver[0] - 0.35 * (x + 60.0) - hill + 3.0 * sample_texture(texture, x / 27.0, y / 27.0, z / 27.0)
                    flank = smooth_min(inside - behind - 2.5, liver[1] + 0.5 * (z - liver[0] - 60.0) - x, 22.0)
                    flank = smooth_min(flank, liver[2] - 0.45 * (x + 60.0) - y, 26.0)
                    flank = smooth_min(flank, spine + 13.0, 10.0)
                    organ = covered(-min(smooth_min(under, flank, 26.0), floor - 3.0 - z), width)
                    if organ > 0:
                        flesh = values[5] + 6.0 * (values[3] - values[2]) / 155.0 * sample_texture(texture, x / 6.0, y / 6.0, z / 6.0)
                        vein = sample_texture(texture, x / 11.0 + 7.0, y / 11.0, z / 14.0)
                        flesh -= (values[5] - values[6]) * min(max((vein - 1.1) * 2.0, 0.0), 1.0)
                        inner = inner * (1 - organ) + flesh * organ
                    if floor - 3.0 < z < floor + 0.5 and inside > 1.0 and spine > 0:  # the diaphragm
                        inner = values[3]
                    if air > 0:
                        breath = values[4]
                        vessel = sample_texture(texture, x / 4.2, y / 4.2, z / 5.5)
                        breath += (values[3] - values[4]) * 0.75 * min(max((vessel - 1.75) * 2.5, 0.0), 1.0)
                        breath += 0.03 * (values[3] - values[4]) * sample_texture(texture, x / 1.6, y / 1.6, z / 1.6)
                        # the lower side of the lung is denser, as in life
                        inner = inner * (1 - air) + breath * air
                        if air > 0.5:
                            label = lung
                image[k, j, i] = round(image[k, j, i] * (1 - share) + inner * share)
                if share > 0.5:
                    labels[k, j, i] = label


@njit(cache=True, nogil=True)
def _paint_table(
    image: Image, k_first: int, k_stop: int, origin: Floats, step: Floats, top: float, sign: float, skin: float, foam: float,
    cushion: float,
) -> None:
    width = step[1]
    for k in range(k_first, k_stop):
        for j in range(image.shape[1]):
            y = origin[1] + step[1] * j
            for i in range(image.shape[2]):
                x = origin[0] + step[0] * i
                # depth into the couch, from its hollow upper face away from the patient
                deep = (y - top) * sign + 0.0011 * x * x
                if deep < -14.0 or deep > 60.0:
                    continue
                pad = covered(-14.0 - deep, width) * covered(deep, width)
                shell = covered(-deep, width) * covered(deep - 2.2, width) + covered(50.0 - deep, width) * covered(deep - 52.2, width)
                core = covered(2.2 - deep, width) * covered(deep - 50.0, width)
                base = image[k, j, i]
                base = base * (1 - pad) + cushion * pad
                base = base * (1 - core) + foam * core
                image[k, j, i] = round(base * (1 - shell) + skin * shell)


def paint_trunk(canvas: Canvas, layout: Layout, skin: Outline, labels: dict[str, int], k_first: int, k_stop: int) -> None:
    """Skin, fat, wall, lungs and liver of the slices k_first..k_stop."""
    t = trunk_table()
    lungs, liver = t["lungs"], t["liver"]
    t10 = layout["T10"]
    values = np.array([canvas.value(n) for n in ("air", "skin", "fat", "muscle", "lung", "liver", "vessel")])
    fats = np.array([skin.side_fat, skin.front_fat, skin.back_fat, t["outline"]["skin"]])
    shape = np.array([height_of(layout, lungs["recess"]), height_of(layout, lungs["dome_left"]), height_of(layout, lungs["dome_right"]),
                      *lungs["mediastinum"], t10.y_mm - 34.0])
    edge = np.array([height_of(layout, liver["edge"]), liver["left_edge"], t10.y_mm + liver["back"]])
    _paint_trunk(canvas.image, canvas.labels, k_first, k_stop, canvas.origin, canvas.step, skin.rows, skin.z0, fats, values, canvas.texture,
                 labels["soft tissue"], labels["lung"], shape, edge)


def paint_table(canvas: Canvas, skin: Outline, position: str) -> None:
    """The couch under the patient: before the belly when prone, behind the back when supine."""
    if canvas.magnetic:
        return
    inner = skin.rows[60:-60]
    prone = position == "prone"
    top = float((inner[:, 0] - inner[:, 1]).min() - 15.0 if prone else (inner[:, 0] + inner[:, 1]).max() + 15.0)
    _paint_table(canvas.image, 0, canvas.image.shape[0], canvas.origin, canvas.step, top, -1.0 if prone else 1.0,
                 canvas.value("table skin"), canvas.value("table foam"), -960.0)


def paint_organs(canvas: Canvas, layout: Layout, skin: Outline, labels: dict[str, int], gas_up: float,
                 progress: Progress) -> None:
    """Bowel, then muscles, vessels and kidneys. gas_up: +1 when gas rises to the back (prone), -1 when to the belly."""
    t = trunk_table()
    axis_z, axis_y = layout.axis[:, 1], layout.axis[:, 0]
    loops = t["bowel"]["loops"]
    for n, loop in enumerate(loops):
        progress(0.4 * n / len(loops), "Painting the bowel")
        z = height_of(layout, loop["at"])
        rx, ry, rz = loop["radii"]
        centre = skin.held_inside(np.array([loop["x"], float(np.interp(z, axis_z, axis_y)) + loop["d"], z]), max(rx, ry) + 3.0)
        reach = max(rx - rz, 1.0)
        solid = capsule(centre - [reach, 0, 2.0], centre + [reach, 0, 2.0], np.array([0.0, 0, 1]), (rz, ry), (rz, ry), blend=1.0)
        field, (first, _) = canvas.field([solid])
        level = centre[1] + gas_up * ry * (1 - 2 * loop["gas"])
        colon = loop["content"] == "stool"
        paint_solid(field, first, canvas.image, canvas.labels, canvas.origin, canvas.step, canvas.texture, canvas.value("bowel content"),
                    labels["soft tissue"], canvas.spread("muscle") * 2, np.array([3.0, 3.0, 3.0]), 2.2, canvas.value("bowel wall"),
                    canvas.value("gas"), labels["bowel gas"], level, gas_up if loop["gas"] else 0.0,
                    3.0 if colon else 2.6, 0.75 if colon else 0.0)
    for n, organ in enumerate(t["organs"]):
        progress(0.4 + 0.6 * n / len(t["organs"]), "Painting muscles and organs")
        for side in ((1.0, -1.0) if organ["sides"] == "both" else (1.0,)):
            _paint_organ(canvas, layout, organ, side, labels)


def _paint_organ(canvas: Canvas, layout: Layout, organ: dict[str, Any], side: float, labels: dict[str, int]) -> None:
    z = np.array([height_of(layout, at) for at in organ["at"]])
    low, high = float(z.min()) - 6.0, float(z.max()) + 6.0
    grid = np.arange(low, high)
    order = np.argsort(z)
    axis_y = np.interp(grid, layout.axis[:, 1], layout.axis[:, 0])

    def along(values: Any) -> Floats:
        raw = np.interp(grid, z[order], np.asarray(values, dtype=np.float64)[order])
        return np.convolve(np.pad(raw, 5, mode="edge"), np.full(11, 1 / 11), mode="valid")

    table = np.stack([side * along(organ["x"]), along(organ["d"]) + axis_y, along(organ["a"]), along(organ["b"]),
                      side * np.radians(along(organ["turn_deg"]))], axis=1)
    reach = float(max(table[:, 2].max(), table[:, 3].max())) + 1.0
    box_low = np.array([table[:, 0].min() - reach, table[:, 1].min() - reach, low])
    box_high = np.array([table[:, 0].max() + reach, table[:, 1].max() + reach, high])
    first, stop = canvas.box(box_low, box_high)
    muscle = organ["tissue"] == "muscle"
    rim = 0.7 if muscle else float(organ.get("wall", 0.0))
    rim_value = 0.75 * canvas.value("muscle") + 0.25 * canvas.value("fat") if muscle else canvas.value("vessel wall")
    paint_swept(canvas.image, canvas.labels, first, stop, canvas.origin, canvas.step, canvas.bend, canvas.bend_z0,
                np.ascontiguousarray(table), low, canvas.texture, canvas.value(organ["tissue"]), labels[organ["label"]],
                canvas.spread("muscle") * (2.2 if muscle else 0.6), np.array([2.6, 2.6, 14.0]), rim, rim_value,
                float(organ.get("septa", 0.5)) if muscle else 0.0, canvas.value("fat"))


def rib_parts(layout: Layout, skin: Outline) -> list[list[Part]]:
    """Ribs of both sides as lists of parts, those of T5 to T7 for what of them hangs into the scan."""
    t = trunk_table()["ribs"]
    table = layout.table
    ribs = []
    for name, length in t["length"].items():
        above = 8 - int(name[1:])
        v = layout["T8"] if above > 0 else layout[name]
        lift = max(above, 0) * t["spacing_above"]
        half, depth = table("endplate_width", v.name) / 2, table("canal_depth", v.name) / 2
        up = {"T11": 3.0, "T12": 2.0}.get(name, 0.4 * table("body_height_back", v.name))
        span = table("transverse_span", v.name) / 2
        short = name in ("T11", "T12")
        head = v.place(half - 1.0, -depth - 2.5, up + lift)
        neck = v.place(half + 6.0, 1.0, up + lift - 1)
        tubercle = v.place(span + (4.0 if short else 0.0), 6.5 if short else 7.5, up + lift - 2.5)
        points = [head, neck, tubercle]
        slope = tan(radians(t["slope_deg"][name]))
        # from the angle of the rib it follows the wall of the trunk
        start = 0.55 if not short else 0.62
        z = tubercle[2] - slope * 26
        angle, done = start, 0.0
        while done < length - 40:
            depth_mm = skin.side_fat + 7.0 if angle > 0.9 else skin.side_fat + 7.0 + (0.9 - angle) * 42
            point = skin.inside(angle, float(z), depth_mm)
            moved = float(np.linalg.norm(point - points[-1]))
            points.append(point)
            done += moved
            angle += 0.085
            z -= slope * 9.5 * (1.0 if angle < 1.6 else 0.35)
        path = np.array(points)
        smooth = path.copy()
        smooth[2:-1] = (path[1:-2] + 2 * path[2:-1] + path[3:]) / 4
        left = rib(smooth)
        ribs += [left, [mirrored(p) for p in left]]
    return ribs


def iliac_parts(layout: Layout) -> list[list[Part]]:
    """The iliac wings as far as the scan shows them."""
    t = trunk_table()["ilium"]
    s1 = layout["S1"]
    crest = height_of(layout, t["crest"])
    back, front = np.array(t["back"]) + [0, s1.y_mm], np.array(t["front"]) + [0, s1.y_mm]
    wings = []
    for side in (1.0, -1.0):
        low = np.array([side * 18.0 if side > 0 else -150.0, front[1] - 12, crest - 150])
        high = np.array([150.0 if side > 0 else -18.0, back[1] + 14, crest + 8])
        numbers = (back[0], back[1], front[0], front[1], crest, t["highest"], t["fall"], t["bow"])
        wings.append([wing(np.zeros(3), side, numbers, low, high)])
    return wings


def paint_iliac_muscles(canvas: Canvas, layout: Layout, wing_field: Field, first: NDArray[np.int64], label: int) -> None:
    """The muscles that cover an iliac wing on both sides, thicker away from its crest; its two ends lie bare under the skin."""
    t = trunk_table()["ilium"]
    crest = height_of(layout, t["crest"])
    below = crest - (canvas.origin[2] + canvas.step[2] * (first[0] + np.arange(wing_field.shape[0])))
    thick = (_ILIAC_MUSCLE_MM * np.clip((below - 6.0) / 45.0, 0.0, 1.0)).astype(np.float32)
    y = canvas.origin[1] + canvas.step[1] * (first[1] + np.arange(wing_field.shape[1])) - layout["S1"].y_mm
    ends = np.maximum(y - (t["back"][1] - 8.0), (t["front"][1] + 10.0) - y).astype(np.float32)
    field = np.maximum(wing_field - thick[:, None, None], ends[None, :, None])
    paint_solid(field, first, canvas.image, canvas.labels, canvas.origin, canvas.step, canvas.texture, canvas.value("muscle"), label,
                canvas.spread("muscle") * 2.2, np.array([3.0, 3.0, 5.0]), 0.0, 0.0, 0.0, 0, 0.0, 0.0, 1.5, 0.0)
