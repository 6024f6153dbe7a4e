"""Builds a phantom: lays the spine out, paints it from the outside in, scans it, and writes down what is true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.geometry import Frame, Volume
from planner.phantom import canal as canal_painting
from planner.phantom.beams import bone_field
from planner.phantom.bones import sacrum_parts, vertebra_parts
from planner.phantom.canal import CanalField
from planner.phantom.canvas import Box, Canvas, Shown, noise_cube, side_curve
from planner.phantom.layout import Layout, Vertebra, lay_out
from planner.phantom.leads import leads, paint_leads, true_leads
from planner.phantom.leaks import LeakSite, leak_sites, paint_leaks, true_leaks
from planner.phantom.painters import paint_bone, paint_disc, roughen
from planner.phantom.parameters import PhantomParameters
from planner.phantom.roots import paint_roots, paint_soft, roots
from planner.phantom.scanner import scan
from planner.phantom.shapes import Field, Part, capsule, vertebral_body
from planner.phantom.tables import imaging_table
from planner.phantom.trunk import Outline, iliac_parts, outline, paint_iliac_muscles, paint_organs, paint_table, paint_trunk, rib_parts
from planner.phantom.truth import Truth, measure
from planner.progress import Progress, part, silent

_ROUGH_MM = 0.28
"""How uneven the surface of bones is."""
_ORGAN_LABELS = ("bone other", "epidural space", "thecal sac", "spinal cord", "nerve root", "ganglion", "ligamentum flavum",
                 "contrast outside the sac", "lung", "bowel gas", "kidney", "aorta", "vena cava", "soft tissue")


@dataclass(frozen=True, eq=False)
class Phantom:
    """A patient whose every voxel is known.

    volume: the scan, int16, in the standard axial frame; CT stores HU. labels: uint8 on the same grid, 0 outside the patient;
    label_names: what they mean, in the words of CONTRACT.md.
    """

    parameters: PhantomParameters
    volume: Volume
    labels: np.ndarray
    label_names: dict[int, str]
    truth: Truth


def label_table(layout: Layout) -> dict[str, int]:
    """The phantom's labels by name."""
    names = [f"vertebra {v.name}" for v in layout.vertebrae]
    names += [f"disc {u.name}-{w.name}" for u, w in layout.pairs() if w.name not in ("S2", "S3")]
    names += list(_ORGAN_LABELS)
    return {name: n + 1 for n, name in enumerate(names)}


def build(parameters: PhantomParameters, progress: Progress = silent) -> Phantom:
    """The phantom of these parameters; the same parameters give the same voxels. About 10 s at 0.8 mm, less than 1 s at 2 mm.

    Raises only what `progress` raises.
    """
    progress(0.0, "Laying out the spine")
    layout = lay_out(parameters)
    labels = label_table(layout)
    skin = outline(parameters, layout)
    generator = np.random.default_rng([parameters.seed, 20260])
    canvas = _canvas(parameters, layout, skin, generator)
    _paint_outside(canvas, layout, skin, labels, parameters, part(progress, 0.02, 0.40))
    canal = canal_painting.canal_field(canvas, layout)
    progress(0.44, "Building discs and ligaments")
    _paint_discs(canvas, layout, canal, labels)
    canal_painting.paint_ligaments(canvas, layout, canal, labels["ligamentum flavum"])
    arches = {v.name: vertebra_parts(layout, v, generator) for v in layout.vertebrae if v.name[0] != "S"}
    _paint_bones(canvas, layout, canal, skin, labels, arches, part(progress, 0.46, 0.75))
    progress(0.75, "Filling the canal")
    sites = _paint_canal(canvas, layout, canal, labels, parameters, generator)
    bones = bone_field([p for parts in (*arches.values(), sacrum_parts(layout)) for p in parts], layout)
    wires = leads(parameters, layout, skin)
    paint_leads(canvas, wires, labels)
    truth = measure(canvas, layout, bones, true_leaks(canvas, sites), true_leads(canvas, wires))
    scan(canvas, generator, part(progress, 0.8, 1.0))
    names = {value: name for name, value in labels.items() if name != "contrast outside the sac" or parameters.modality == "myelogram"}
    volume = Volume(canvas.frame, canvas.image, "MR" if canvas.magnetic else "CT")
    progress(1.0, "Phantom ready")
    return Phantom(parameters, volume, canvas.labels, names, truth)


def _canvas(parameters: PhantomParameters, layout: Layout, skin: Outline, generator: np.random.Generator) -> Canvas:
    """An empty scan from the middle of T9 to the lower part of S3, wide enough for the whole trunk."""
    size = parameters.size
    bottom = layout["S3"].z_mm - 8.0
    top = layout["T9"].z_mm + 4.0
    used = skin.rows[int(bottom - skin.z0):int(top - skin.z0)]
    reach = float(used[:, 2].max()) + 9.0
    front, back = float((used[:, 0] - used[:, 1]).min()), float((used[:, 0] + used[:, 1]).max())
    below, above = (26.0, 9.0) if not parameters.magnetic else (6.0, 6.0)
    front, back = (front - below, back + above) if parameters.position == "prone" else (front - above, back + below)
    spacing = np.array(parameters.spacing_mm)
    extent = np.array([top - bottom, back - front, 2 * reach]) * size
    shape = np.maximum(4, np.ceil(extent / spacing).astype(int))
    # nobody lies exactly in the middle of the table
    shift = np.array([generator.uniform(-6, 6), generator.uniform(-15, 5), generator.uniform(-240, -200)]).round(1)
    origin_world = np.array([-reach, front, bottom]) * size + shift
    frame = Frame.axial(shape.tolist(), parameters.spacing_mm, origin_world.round(3))
    shows: Shown = "hu" if not parameters.magnetic else "t1" if parameters.modality == "mr-t1" else "t2"
    bend, bend_z0 = side_curve(parameters, layout)
    image = np.full(frame.shape, 0 if parameters.magnetic else -1000, dtype=np.int16)
    origin = (origin_world.round(3) - shift) / size
    return Canvas(frame, image, np.zeros(frame.shape, np.uint8), origin, spacing[::-1] / size, bend, bend_z0, noise_cube(generator), size,
                  shift, shows)


def _paint_outside(canvas: Canvas, layout: Layout, skin: Outline, labels: dict[str, int], parameters: PhantomParameters,
                   progress: Progress) -> None:
    slices = canvas.image.shape[0]
    for start in range(0, slices, 24):
        progress(0.6 * start / slices, "Painting the trunk")
        paint_trunk(canvas, layout, skin, labels, start, min(start + 24, slices))
    paint_organs(canvas, layout, skin, labels, 1.0 if parameters.position == "prone" else -1.0, part(progress, 0.6, 1.0))
    if not parameters.magnetic:
        paint_table(canvas, skin, parameters.position)


def _paint_discs(canvas: Canvas, layout: Layout, canal: CanalField, labels: dict[str, int]) -> None:
    t = layout.table
    for upper, lower in layout.pairs():
        centre, back, up = canal_painting.disc_centre(layout, upper, lower)
        half_width = (t("endplate_width", upper.name) * t("body_taper", upper.name) + t("endplate_width", lower.name)) / 4
        half_depth = (t("endplate_depth", upper.name) * t("body_taper", upper.name) + t("endplate_depth", lower.name)) / 4
        # it fills what the hollow endplates leave, and more: the bones are painted over it
        tall = t("disc_below", upper.name) + 2.2
        wedge = (lower.tilt_rad - upper.tilt_rad) * half_depth
        hollow = (t("endplate_concavity", upper.name) + t("endplate_concavity", lower.name)) / 2 + 1.0
        solid = vertebral_body(centre, np.stack([np.array([1.0, 0, 0]), back, up]), half_width + 0.4, half_depth + 0.5, 0.4, tall - wedge,
                               tall + wedge, 1.03, -hollow, 1.0)
        field, box = canvas.field([solid])
        canal_painting.carve_canal(field, box, canal)
        water = float(t.raw["disc_water"]["values"].get(upper.name, 1.0))
        label = labels.get(f"disc {upper.name}-{lower.name}", labels["bone other"])
        paint_disc(field, box[0], canvas.image, canvas.labels, canvas.origin, canvas.step, label, centre, up[1], up[2], half_width,
                   half_depth, tall / 2 + hollow, canvas.value("annulus") + water * (canvas.value("nucleus") - canvas.value("annulus")),
                   canvas.value("annulus"))


def _paint_bones(canvas: Canvas, layout: Layout, canal: CanalField, skin: Outline, labels: dict[str, int], vertebrae: dict[str, list[Part]],
                 progress: Progress) -> None:
    for parts in iliac_parts(layout):
        field, box = canvas.field(parts)
        if field.size:
            paint_iliac_muscles(canvas, layout, field, box[0], labels["soft tissue"])
            _paint_bone_field(canvas, layout, None, field, box, labels["bone other"], None)
    others = rib_parts(layout, skin)
    for n, parts in enumerate(others):
        progress(0.3 * n / len(others), "Building ribs")
        _paint_one_bone(canvas, layout, None, parts, labels["bone other"], None)
    for n, v in enumerate(layout.vertebrae):
        progress(0.3 + 0.7 * n / len(layout.vertebrae), f"Building {v.name}")
        if v.name[0] != "S":
            _paint_one_bone(canvas, layout, v, vertebrae[v.name], labels[f"vertebra {v.name}"], canal)
            _paint_vein_hole(canvas, layout, v)
    _paint_one_bone(canvas, layout, layout["S1"], sacrum_parts(layout), labels["vertebra S1"], canal)
    _divide_sacrum(canvas, layout, labels)


def _paint_vein_hole(canvas: Canvas, layout: Layout, v: Vertebra) -> None:
    """The basivertebral vein's way into the back of the body; the label stays that of the bone."""
    depth = layout.table("canal_depth", v.name) / 2
    hole = capsule(v.place(0, 0.8 - depth, 0), v.place(0, -depth - 4.0, 0.3), np.array([1.0, 0, 0]), (3.4, 1.3), (1.6, 0.5), blend=1.0)
    paint_soft(canvas, [hole], canvas.value("epidural vein"), 0, frozenset())
    # its branches run into the spongy bone and fade
    canal = capsule(v.place(0, -depth - 3.0, 0.3), v.place(0, -depth - 13.0, 0.2), np.array([1.0, 0, 0]), (1.9, 1.1), (1.2, 1.0), blend=1.0)
    paint_soft(canvas, [canal], 0.5 * canvas.value("epidural vein") + 0.5 * canvas.value("trabecular"), 0, frozenset())


def _divide_sacrum(canvas: Canvas, layout: Layout, labels: dict[str, int]) -> None:
    """Give S2 and S3 their own labels below the planes midway between the segments."""
    whole = labels["vertebra S1"]
    j, k = np.arange(canvas.labels.shape[1]), np.arange(canvas.labels.shape[0])
    y, z = canvas.origin[1] + canvas.step[1] * j, canvas.origin[2] + canvas.step[2] * k
    for upper, lower in (("S1", "S2"), ("S2", "S3")):
        middle = (layout[upper].origin + layout[lower].origin) / 2
        up = layout[upper].up + layout[lower].up
        below = (y[None, :] - middle[1]) * up[1] + (z[:, None] - middle[2]) * up[2] < 0
        reach = int(below.any(axis=1).nonzero()[0].max(initial=-1)) + 1
        part_ = canvas.labels[:reach]
        part_[(part_ == whole) & below[:reach, :, None]] = labels[f"vertebra {lower}"]
        whole = labels[f"vertebra {lower}"]


def _paint_one_bone(canvas: Canvas, layout: Layout, v: Vertebra | None, parts: list[Part], label: int, canal: CanalField | None) -> None:
    field, box = canvas.field(parts)
    if field.size:
        _paint_bone_field(canvas, layout, v, field, box, label, canal)


def _paint_bone_field(canvas: Canvas, layout: Layout, v: Vertebra | None, field: Field, box: Box, label: int,
                      canal: CanalField | None) -> None:
    roughen(field, box[0], canvas.origin, canvas.step, canvas.texture, _ROUGH_MM)
    if canal is not None:
        canal_painting.carve_canal(field, box, canal)
    shell = layout.table.raw["shell"]
    front, back = (shell["body"], shell["lamina"]) if v is not None else (shell["pedicle"], shell["pedicle"])
    edge = v.place(0, -layout.table("canal_depth", v.name) / 2, 0) if v is not None else np.zeros(3)
    direction = v.back if v is not None else np.array([0.0, 1.0, 0.0])
    paint_bone(field, box[0], canvas.image, canvas.labels, canvas.origin, canvas.step, canvas.texture, label, front, back, edge[1], edge[2],
               direction[1], direction[2], canvas.value("cortical, body" if v is not None else "cortical"), canvas.value("cortical"),
               canvas.value("trabecular"), (0.6 if canvas.magnetic else 1.6) * canvas.spread("trabecular"))


def _paint_canal(canvas: Canvas, layout: Layout, canal: CanalField, labels: dict[str, int], parameters: PhantomParameters,
                 generator: np.random.Generator) -> list[LeakSite]:
    nerves = roots(layout)
    bone = frozenset(value for name, value in labels.items() if name.startswith("vertebra ") or name == "bone other")
    values, fluid = _sac_values(canvas, parameters)
    tails = canal_painting.rootlets(layout, {r.name: r.exit_s for r in nerves}, -1.0 if parameters.position == "prone" else 1.0, generator)
    canal_painting.paint_contents(canvas, layout, canal, tails, values,
                                  (labels["epidural space"], labels["thecal sac"], labels["spinal cord"]))
    sites = leak_sites(parameters, layout, nerves)
    middle = sum(values) / 2
    paint_roots(canvas, layout, nerves, labels, bone, middle)
    paint_leaks(canvas, layout, canal, sites, nerves, labels, fluid, parameters.modality == "myelogram", middle, bone)
    return sites


def _sac_values(canvas: Canvas, parameters: PhantomParameters) -> tuple[tuple[float, float], float]:
    """What the sac shows at its ventral and dorsal side, and what leaked fluid shows."""
    if parameters.modality != "myelogram":
        return (canvas.value("csf"), canvas.value("csf")), canvas.value("leak fluid")
    table = imaging_table()["myelogram"]
    thin, thick = table["sac_hu"]
    lower_first = parameters.position == "prone"
    return ((thick, thin) if lower_first else (thin, thick)), float(np.mean(table["leak_hu"]))
