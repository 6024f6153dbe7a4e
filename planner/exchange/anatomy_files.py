"""The files of `anatomy --out DIR`: labels.nii.gz, labels.json, anatomy.json (contract: anatomy)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from planner.anatomy import labels
from planner.anatomy.bridges import LETTERS, bridges, bridges_of, kind_name
from planner.anatomy.compartments import compartments
from planner.anatomy.hazards.arterial import ArterialZone, arterial_zones
from planner.anatomy.hazards.corridor import CorridorLimit, corridor_limits
from planner.anatomy.outside import hint_level, hint_words
from planner.anatomy.spine import Anatomy, Landmarks, LeakHint
from planner.anatomy.where import explained
from planner.exchange.contract_json import number, numbers, write_json
from planner.geometry import Frame, resample, write_nifti
from planner.refusal import Refusal

if TYPE_CHECKING:
    from planner.scan import Series

STRUCTURES = (
    *("canal", "sac", "cord", "levels", "foramina", "windows", "roots", "skin", "bone"),
    *("lung", "kidney", "bowel gas", "aorta", "vena cava", "vertebral artery"),
)
"""The structures that are always named, "not checked" where nobody looked for them."""


def write_anatomy(anatomy: Anatomy, series: Series, folder: Path) -> None:
    """Write the three files into a folder that exists."""
    codes, frame = labels_on_scan(anatomy, series.frame)
    write_nifti(folder / "labels.nii.gz", codes, frame)
    present = np.flatnonzero(np.bincount(codes.reshape(-1), minlength=256))
    write_json(folder / "labels.json", {str(code): labels.name(int(code)) for code in present if code != 0})
    write_json(folder / "anatomy.json", anatomy_content(anatomy, series.uid, series.part))


def labels_on_scan(anatomy: Anatomy, stored: Frame | None) -> tuple[NDArray[np.uint8], Frame]:
    """The labels on the grid of the scan as it is stored, which the planner flips, permutes or turns to its axial frame.

    NIfTI knows no sheared grid: labels of a scan with gantry tilt stay on the straightened grid that they were found on.
    """
    if stored is None or stored == anatomy.frame or not stored.is_rectangular:
        return anatomy.labels, anatomy.frame
    return resample(anatomy.labels, anatomy.frame, stored, 0, nearest=True), stored


def anatomy_content(anatomy: Anatomy, series_uid: str, part: int) -> dict[str, Any]:
    """What anatomy.json holds."""
    canal = anatomy.canal
    return {
        "format": "duraplan/anatomy",
        "version": 1,
        "series_uid": series_uid,
        "part": part,
        "modality": anatomy.modality,
        "anchor": anchor_content(anatomy),
        "structures": structures_content(anatomy),
        "canal": {
            "centreline": [numbers(point) for point in canal.centreline_mm.tolist()],
            "area_mm2": numbers(canal.area_mm2.tolist(), 2),
            "confidence": numbers(canal.confidence.tolist()),
            "wall": _wall(anatomy),
            "bridges": _bridges(anatomy),
        },
        "levels": [
            {"name": level.name, "centre": numbers(level.centre_mm), "confidence": number(level.confidence)} for level in anatomy.levels
        ],
        "foramina": _foramina(anatomy),
        "windows": [
            {
                "between": list(window.between),
                "centre": numbers(window.centre_mm),
                "height_mm": number(window.height_mm, 2),
                "width_mm": number(window.width_mm, 2),
                "tilt_deg": number(window.tilt_deg, 1),
            }
            for window in anatomy.windows
        ],
        "numbering": numbering_content(anatomy),
        "leak_hints": _hints(anatomy),
        "landmarks": [_landmarks(marks) for marks in anatomy.landmarks] if anatomy.landmarks else None,
        "compartments": _compartments(anatomy),
    }


def _wall(anatomy: Anatomy) -> dict[str, Any]:
    """The wall as distances from the centreline by direction, and what it is made of, one letter a direction."""
    canal = anatomy.canal
    letters = np.array(list(LETTERS))[bridges_of(canal)]
    return {
        "left": [numbers(vector) for vector in canal.left.tolist()],
        "back": [numbers(vector) for vector in canal.back.tolist()],
        "radius_mm": [numbers(section, 1) for section in canal.wall_mm.tolist()],
        "made_of": ["".join(section) for section in letters.tolist()],
        "letters": {letter: kind_name(kind, anatomy.modality) for kind, letter in enumerate(LETTERS)},
    }


def _bridges(anatomy: Anatomy) -> list[dict[str, Any]]:
    return [
        {
            "kind": kind_name(bridge.kind, anatomy.modality),
            "between": None if bridge.between is None else list(bridge.between),
            "side": bridge.side,
            "s_mm": numbers(bridge.s_mm, 1),
            "area_mm2": number(bridge.area_mm2, 1),
        }
        for bridge in bridges(anatomy)
    ]


def _foramina(anatomy: Anatomy) -> list[dict[str, Any]]:
    """Each with what a needle through it must heed: where an artery is to be reckoned with, and how far to the side the way in may lie."""
    zones = {(zone.between, zone.side): zone for zone in arterial_zones(anatomy)}
    limits = {(limit.between, limit.side): limit for limit in corridor_limits(anatomy)}
    return [
        {
            "between": list(foramen.between),
            "side": foramen.side,
            "centre": numbers(foramen.centre_mm),
            "height_mm": number(foramen.height_mm, 2),
            "width_mm": number(foramen.width_mm, 2),
            "axis": numbers(foramen.axis),
            "thirds_mm": None if foramen.thirds_mm is None else numbers(foramen.thirds_mm, 2),
            "area_mm2": number(foramen.area_mm2, 1),
            "arterial_zone": _zone(zones.get((foramen.between, foramen.side))),
            "corridor": _corridor(limits.get((foramen.between, foramen.side))),
        }
        for foramen in anatomy.foramina
    ]


def _zone(zone: ArterialZone | None) -> dict[str, Any] | None:
    return None if zone is None else {"weight": zone.weight, "centre": numbers(zone.centre_mm), "source": zone.source}


def _corridor(limit: CorridorLimit | None) -> dict[str, Any] | None:
    if limit is None:
        return None
    return {
        "angle_deg": number(limit.angle_deg, 1),
        "entry_mm": number(limit.entry_mm, 1),
        "ended_by": limit.ended_by,
        "not_checked": list(limit.not_checked),
    }


def _landmarks(marks: Landmarks) -> dict[str, Any]:
    return {
        "vertebra": marks.vertebra,
        "pedicles": [
            {
                "side": pedicle.side,
                "centre": numbers(pedicle.centre_mm),
                "axis": numbers(pedicle.axis),
                "width_mm": number(pedicle.width_mm, 2),
                "height_mm": number(pedicle.height_mm, 2),
                "confidence": number(pedicle.confidence),
            }
            for pedicle in marks.pedicles
        ],
        "facets": [
            {
                "between": list(facet.between),
                "side": facet.side,
                "centre": numbers(facet.centre_mm),
                "axis": numbers(facet.axis),
                "confidence": number(facet.confidence),
            }
            for facet in marks.facets
        ],
        "laminae": [
            {"side": lamina.side, "upper": _position(lamina.upper_mm), "lower": _position(lamina.lower_mm)} for lamina in marks.laminae
        ],
        "spinous_tip": _position(marks.spinous_tip_mm),
        "midline": {"point": numbers(marks.midline_mm), "normal": numbers(marks.midline_normal)},
    }


def _position(point_mm: tuple[float, float, float] | None) -> list[float | None] | None:
    return None if point_mm is None else numbers(point_mm)


def _compartments(anatomy: Anatomy) -> list[dict[str, Any]] | None:
    """Null where canal or sac are not known: that is not empty."""
    try:
        found = compartments(anatomy)
    except Refusal:
        return None
    return [{"level": one.level, "compartment": one.compartment, "volume_ml": number(one.volume_ml, 2)} for one in found.volumes]


def _hints(anatomy: Anatomy) -> list[dict[str, Any]] | None:
    """Null where nobody looked for contrast outside the sac: that is not none."""
    if anatomy.structure("contrast outside").provenance == "not checked":
        return None
    return [_hint(anatomy, hint) for hint in anatomy.leak_hints]


def _hint(anatomy: Anatomy, hint: LeakHint) -> dict[str, Any]:
    """Contrast outside the sac: offered to a person, no leak that anybody has accepted."""
    canal, levels = anatomy.canal, anatomy.levels
    return {
        "position": numbers(hint.position_mm),
        "why": hint.why,
        "place": hint.place,
        "level": hint_level(canal, levels, hint.position_mm),
        "reach": [hint_level(canal, levels, end) for end in (hint.head_mm, hint.foot_mm)],
        "side": hint.side,
        "volume_ml": number(hint.volume_ml, 2),
        "note": hint_words(canal, levels, hint),
    }


def anchor_content(anatomy: Anatomy) -> dict[str, Any]:
    """What all level names rest on."""
    anchor = anatomy.anchor
    if anchor is None:
        return {"name": None, "position": None, "by": None, "confidence": None, "why": None}
    return {
        "name": anchor.name,
        "position": numbers(anchor.position_mm),
        "by": anchor.by,
        "confidence": number(anchor.confidence),
        "why": anchor.why or None,
    }


def numbering_content(anatomy: Anatomy) -> dict[str, int]:
    """How many vertebrae are counted in each part of the spine where that may differ."""
    return {"thoracic": anatomy.numbering.thoracic, "lumbar": anatomy.numbering.lumbar}


def structures_content(anatomy: Anatomy) -> dict[str, dict[str, Any]]:
    """Every structure with how it is known; one that nobody looked for is "not checked"."""
    names = (*STRUCTURES, "compartments", *(name for name in anatomy.structures if name not in STRUCTURES))
    known = {name: explained(anatomy, name) for name in names}
    return {
        name: {"provenance": one.provenance, "confidence": number(one.confidence), "problem": one.problem} for name, one in known.items()
    }
