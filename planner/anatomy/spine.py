"""The values that the Anatomy station hands on: the canal, levels, openings and roots of one scan, each with provenance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.anatomy.labels import USUAL, Numbering, numbering_of
from planner.evidence import number
from planner.geometry import Floats, Frame, Gap
from planner.progress import Progress

Provenance = Literal["found", "imported", "drawn", "modelled", "not checked"]
Side = Literal["left", "right"]
HintPlace = Literal["dorsal", "ventral", "lateral", "foramen", "paraspinal"]
"""Behind, in front of or beside the sac, in a foramen, or beside the spine."""

ANGLES = 64
"""Directions of the canal's wall: direction n is at n * 360 / 64 degrees, 0 toward the patient's left, 90 toward the back."""


@dataclass(frozen=True)
class Structure:
    """How a structure is known. confidence is 0..1 or None; problem is a sentence (where along the spine it failed, why) or None."""

    provenance: Provenance
    confidence: float | None = None
    problem: str | None = None


NOT_CHECKED = Structure("not checked")


@dataclass(frozen=True)
class Anchor:
    """The vertebra whose name all level names rest on. `by` is "user" where a person named it, "program" where it was guessed.
    numbering: how many thoracic and lumbar vertebrae the others are counted with. why: what a guess goes by, in words."""

    name: str
    position_mm: tuple[float, float, float]
    by: Literal["user", "program"]
    confidence: float | None = None
    numbering: Numbering = USUAL
    why: str = ""


@dataclass(frozen=True, eq=False)
class CanalPlace:
    """A place in the canal's own coordinates: distance from its head end, direction around it, distance from the centreline."""

    s_mm: float
    angle_deg: float
    radius_mm: float
    inside: bool


@dataclass(frozen=True, eq=False)
class Canal:
    """The bony canal, head to foot, as a tube of n cross-sections 1 mm apart or less.

    centreline_mm: (n, 3) LPS. left, back: (n, 3) unit vectors that span each cross-section (toward the patient's left and back,
    at right angles to the centreline). wall_mm: (n, ANGLES) distance from the centreline to the wall. bridged: (n, ANGLES), True
    where the wall was bridged over an opening rather than seen. area_mm2, confidence: (n,). bridge: (n, ANGLES) uint8, what the wall is
    made of (codes of `bridges`; read it by `bridges.bridges_of`), None where that was not told apart.
    """

    centreline_mm: Floats
    left: Floats
    back: Floats
    wall_mm: Floats
    bridged: NDArray[np.bool_]
    area_mm2: Floats
    confidence: Floats
    bridge: NDArray[np.uint8] | None = None

    @property
    def s_mm(self) -> Floats:
        """Length along the centreline from its head end, (n,)."""
        steps = np.linalg.norm(np.diff(self.centreline_mm, axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])

    def nearest(self, point_mm: ArrayLike) -> int:
        """Index of the cross-section nearest to a point."""
        return int(np.linalg.norm(self.centreline_mm - np.asarray(point_mm, dtype=np.float64), axis=1).argmin())

    def locate(self, point_mm: ArrayLike) -> CanalPlace:
        """Where an LPS point is in the canal's coordinates."""
        at = self.nearest(point_mm)
        offset = np.asarray(point_mm, dtype=np.float64) - self.centreline_mm[at]
        x, y = float(offset @ self.left[at]), float(offset @ self.back[at])
        angle = float(np.degrees(np.arctan2(y, x)) % 360.0)
        radius = float(np.hypot(x, y))
        tangent = np.cross(self.left[at], self.back[at])
        beyond = abs(float(offset @ tangent)) > 2.0  # past one of the ends
        wall = np.interp(angle, np.arange(ANGLES + 1) * 360.0 / ANGLES, np.append(self.wall_mm[at], self.wall_mm[at, 0]))
        return CanalPlace(float(self.s_mm[at]), angle, radius, radius <= float(wall) and not beyond)


@dataclass(frozen=True, eq=False)
class Level:
    """A vertebra: its name, the centre of its body in LPS, its place along the canal, and 0..1 how sure its detection is."""

    name: str
    centre_mm: tuple[float, float, float]
    s_mm: float
    confidence: float


@dataclass(frozen=True, eq=False)
class Foramen:
    """A side opening between two pedicles. axis: unit vector out of the canal through it. width_mm: free of bone from front to back around
    its middle. thirds_mm: mean width of its upper, middle and lower third; area_mm2: all of it, seen from the side; None where it was not
    measured so."""

    between: tuple[str, str]
    side: Side
    centre_mm: tuple[float, float, float]
    axis: tuple[float, float, float]
    height_mm: float
    width_mm: float
    confidence: float
    thirds_mm: tuple[float, float, float] | None = None
    area_mm2: float | None = None

    @property
    def level(self) -> str:
        """`L4-L5`."""
        return "-".join(self.between)


@dataclass(frozen=True, eq=False)
class Pedicle:
    """The bridge of bone between a vertebra's body and its arch, where it is narrowest. axis: unit vector through it, forward into the
    body. width_mm: square to the axis, in the canal's cross-section; height_mm: along the canal."""

    vertebra: str
    side: Side
    centre_mm: tuple[float, float, float]
    axis: tuple[float, float, float]
    width_mm: float
    height_mm: float
    confidence: float


@dataclass(frozen=True, eq=False)
class Facet:
    """The joint between the lower process of a vertebra and the upper process of the next. axis: unit vector square to its gap, from the
    former to the latter, which is outward and forward."""

    between: tuple[str, str]
    side: Side
    centre_mm: tuple[float, float, float]
    axis: tuple[float, float, float]
    confidence: float


@dataclass(frozen=True)
class Lamina:
    """The edges of a lamina beside the spinous process; None where it overlaps its neighbour or the scan ends."""

    side: Side
    upper_mm: tuple[float, float, float] | None
    lower_mm: tuple[float, float, float] | None


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What a person orients by on one vertebra. facets: its joints with the next one below. midline_mm, midline_normal: a point of the
    plane that halves it, and the unit vector square to that plane, to the left. What was not seen is missing or None."""

    vertebra: str
    pedicles: tuple[Pedicle, ...]
    facets: tuple[Facet, ...]
    laminae: tuple[Lamina, ...]
    spinous_tip_mm: tuple[float, float, float] | None
    midline_mm: tuple[float, float, float]
    midline_normal: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Window:
    """A gap between two laminae, seen from behind at its best tilt. tilt_deg: how far the beam's direction into the patient
    points to the head (cephalad positive), against the scan's axial plane. height_mm, width_mm: square to that beam."""

    between: tuple[str, str]
    centre_mm: tuple[float, float, float]
    height_mm: float
    width_mm: float
    tilt_deg: float
    confidence: float

    @property
    def level(self) -> str:
        """`L4-L5`."""
        return "-".join(self.between)


@dataclass(frozen=True, eq=False)
class Root:
    """A nerve root in its sleeve from the sac outward: path (m, 3) in LPS with radius (m,); the ganglion is path[ganglion].
    provenance: "found" where fat in the foramen or contrast in its sleeve showed it, else "modelled". spread_mm: how far the planes that
    showed it differ about its place, 0 where one place was seen; of one that is modelled, how far it may be off where that is more than
    usual."""

    level: str
    side: Side
    path_mm: Floats
    radius_mm: Floats
    ganglion: slice
    provenance: Provenance = "modelled"
    spread_mm: float = 0.0

    @property
    def uncertainty_mm(self) -> float:
        """How far its contour may lie beside the true one: less where it was seen (clinical.md 5.1), as far as what showed it agreed."""
        seen = self.provenance not in ("modelled", "not checked")
        return max(number("needles.root_uncertainty_seen_mm" if seen else "needles.root_uncertainty_modelled_mm"), self.spread_mm)


@dataclass(frozen=True)
class Conus:
    """Where the cord ends: its place along the canal, and how that is known."""

    s_mm: float
    provenance: Provenance


@dataclass(frozen=True, eq=False)
class SacSections:
    """The thecal sac and the cord in each of the canal's n cross-sections, as they stand in the labels.

    radius_mm: (n, ANGLES), from the centreline to the sac's edge, 0 below its end. seen: (n, ANGLES), where that edge was seen in the scan;
    elsewhere it is modelled, and blends into what was seen. cord_mm: (n, ANGLES), the same for the cord, 0 below the conus. cord_seen:
    (n,), where the cord was seen. conus: None where it lies outside the canal in view.
    """

    radius_mm: Floats
    seen: NDArray[np.bool_]
    cord_mm: Floats
    cord_seen: NDArray[np.bool_]
    conus: Conus | None = None

    @property
    def seen_share(self) -> Floats:
        """(n,): how much of each cross-section's outline was seen, 0..1."""
        return np.asarray(self.seen.mean(axis=1))


@dataclass(frozen=True)
class LeakHint:
    """A place that may leak, and why: contrast, or on MR fluid, that lies outside the sac, or a root's sleeve that is far wider than its
    neighbours, as a diverticulum is. Offered to a person, never taken by itself.

    position_mm: at the sac's edge beside the thickest part of the pool, or in its middle where it lies outside the canal; LPS.
    head_mm, foot_mm: places of the canal's middle between which it lies. place: where most of it is. Levels are read from the places
    (`outside.hint_level`), for their names may change.
    """

    position_mm: tuple[float, float, float]
    head_mm: tuple[float, float, float]
    foot_mm: tuple[float, float, float]
    place: HintPlace
    side: Literal["left", "right", "midline"]
    volume_ml: float
    why: Literal["contrast outside", "fluid outside", "wide sleeve"] = "contrast outside"


@dataclass(frozen=True, eq=False)
class Anatomy:
    """All that is known of a scan's anatomy.

    labels: uint8 [k, j, i] of codes of `planner.anatomy.labels` on `frame`, the scan's frame. structures: how each structure is
    known, under the names canal, sac, cord, levels, foramina, windows, roots, skin, bone, lung, kidney, bowel gas, aorta, vena cava,
    vertebral artery, contrast outside; a name that is missing is "not checked". leak_hints: from head to foot. again: the same scan's
    anatomy when a person names a vertebra (itself, the name, progress), found anew from what was seen; None where labels were given.
    sac: the sac and the cord along the canal; None where labels were given, or where the sac was changed by hand. landmarks: of each
    vertebra, head to foot; none where nobody looked for them. gaps: slabs that the scan does not show. field: the slices' own frame,
    where the scan was resampled from them (`Volume.field`).
    """

    frame: Frame
    modality: str
    labels: NDArray[np.uint8]
    structures: Mapping[str, Structure]
    canal: Canal
    levels: tuple[Level, ...]
    foramina: tuple[Foramen, ...]
    windows: tuple[Window, ...]
    roots: tuple[Root, ...]
    anchor: Anchor | None
    leak_hints: tuple[LeakHint, ...] = ()
    again: Callable[[Anatomy, Anchor, Progress], Anatomy] | None = None
    sac: SacSections | None = None
    landmarks: tuple[Landmarks, ...] = ()
    gaps: tuple[Gap, ...] = ()
    field: Frame | None = None

    @property
    def numbering(self) -> Numbering:
        """How many thoracic and lumbar vertebrae the levels are counted with."""
        return numbering_of(level.name for level in self.levels) if self.anchor is None else self.anchor.numbering

    def shows(self, points_mm: ArrayLike, margin_mm: float = 0.0) -> NDArray[np.bool_]:
        """Whether LPS points (..., 3) lie in the scan and in its slices, at least margin_mm from their border."""
        inside = self.frame.contains(points_mm, margin_mm)
        return inside if self.field is None else inside & self.field.contains(points_mm, margin_mm)

    def structure(self, name: str) -> Structure:
        """How a structure is known; "not checked" for what nobody looked for."""
        return self.structures.get(name, NOT_CHECKED)

    def mask(self, codes: tuple[int, ...], box: tuple[slice, slice, slice] | None = None) -> NDArray[np.bool_]:
        """Voxels with one of the codes."""
        table = np.zeros(256, dtype=np.bool_)
        table[list(codes)] = True
        return table[self.labels if box is None else self.labels[box]]

    def disc_space(self, point_mm: ArrayLike) -> tuple[str, str] | None:
        """The two vertebrae whose disc space is nearest to a point along the canal; None outside the named levels."""
        if len(self.levels) < 2:
            return None
        s = float(self.canal.s_mm[self.canal.nearest(point_mm)])
        pairs = list(zip(self.levels[:-1], self.levels[1:]))
        upper, lower = min(pairs, key=lambda pair: abs((pair[0].s_mm + pair[1].s_mm) / 2 - s))
        reach = abs(lower.s_mm - upper.s_mm)
        return (upper.name, lower.name) if abs((upper.s_mm + lower.s_mm) / 2 - s) <= reach else None
