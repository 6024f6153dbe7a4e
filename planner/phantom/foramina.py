"""Where the foramina lie, and how high and wide they are: measured on the design of the bones and not on their picture."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from planner.phantom.beams import BoneField
from planner.phantom.bones import pedicle_centre, pedicle_half_height
from planner.phantom.layout import Layout, Vertebra
from planner.phantom.shapes import Floats

_REACH_MM, _STEP_MM = 20.0, 0.1
_BESIDE = (0.25, 0.5)
"""Where width is measured: in the pedicle's medial half, as shares of its width beside the canal."""
_ABOVE = np.arange(-0.1, 0.21, 0.05)
"""And from a tenth of the height below the middle, where the facet's tip stands, to a fifth above; the disc bounds what lies below."""


def foramen_place(layout: Layout, upper: Vertebra, lower: Vertebra) -> Floats:
    """Centre of the left foramen in design space: half way between the pedicles, half the table's width behind the bodies."""
    t = layout.table
    px, _, pu = pedicle_centre(layout, upper)
    qx, _, qu = pedicle_centre(layout, lower)
    width = t("foramen_width", upper.name)
    roof = upper.place(px, -t("canal_depth", upper.name) / 2 + width / 2, pu - pedicle_half_height(layout, upper))
    floor = lower.place(qx, -t("canal_depth", lower.name) / 2 + width / 2, qu + pedicle_half_height(layout, lower))
    centre = (roof + floor) / 2
    centre[0] = min(px, qx)
    return np.asarray(centre)


def foramen_size(bones: BoneField, layout: Layout, upper: Vertebra, lower: Vertebra) -> tuple[float, float]:
    """(height, width) of the left foramen, unscaled mm. Height: free of bone up and down through the centre. Width: free of bone front to
    back as seen from the side, from the bodies to what reaches farthest forward of pars and facets."""
    t = layout.table
    centre = foramen_place(layout, upper, lower)
    up, back = (upper.up + lower.up) / 2, (upper.back + lower.back) / 2
    height = float(_free(bones, centre[None], up)[0] + _free(bones, centre[None], -up)[0])
    places = centre + (_ABOVE * height)[:, None] * up
    places = np.repeat(places[None], len(_BESIDE), axis=0)
    places[..., 0] = t("canal_width", upper.name) / 2 + np.array(_BESIDE)[:, None] * t("pedicle_width", upper.name)
    places = places.reshape(-1, 3)
    return height, float(_free(bones, places, -back).min() + _free(bones, places, back).min())


def _free(bones: BoneField, places: Floats, along: Floats) -> Floats:
    """How far from each of the places (m, 3) the first bone lies in a direction; the reach where there is none."""
    steps = np.arange(0.0, _REACH_MM, _STEP_MM)
    points = places[:, None] + steps[:, None] * along
    index = np.moveaxis((points - bones.origin)[..., ::-1], -1, 0)
    solid = map_coordinates(bones.values, index, order=1, mode="nearest") <= 0.0
    return np.where(solid.any(axis=1), steps[solid.argmax(axis=1)], _REACH_MM)
