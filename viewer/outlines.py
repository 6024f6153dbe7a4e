"""Outlines of structures on a plane, from label maps: smooth closed lines in the plane's own millimetres, kept per slice."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainterPath, QPolygonF

from viewer.certainty import modelled_parts, runs_of
from viewer.pose import Pose

if TYPE_CHECKING:
    from planner.anatomy.spine import Anatomy
    from planner.geometry import Frame

S = TypeVar("S")
T = TypeVar("T")


@cache
def outlined() -> Mapping[str, tuple[int, ...]]:
    """Structures that slices outline, in the order in which they are painted, with their codes."""
    from planner.anatomy import labels as codes  # with all of the anatomy's libraries, which a first paint cannot wait for

    return {
        "lung": (codes.LUNG,),
        "kidney": (codes.KIDNEY,),
        "bowel gas": (codes.BOWEL_GAS,),
        "aorta": (codes.AORTA,),
        "vena cava": (codes.VENA_CAVA,),
        "vertebral artery": (codes.VERTEBRAL_ARTERY,),
        "ligamentum flavum": (codes.LIGAMENTUM_FLAVUM,),
        "contrast outside": (codes.CONTRAST_OUTSIDE,),
        "roots": (codes.NERVE_ROOT, codes.GANGLION),
        "canal": codes.CANAL,
        "sac": (codes.THECAL_SAC, codes.SPINAL_CORD),
        "cord": (codes.SPINAL_CORD,),
    }


_LEVEL = np.float32(0.45)  # a little under one half, so that thin roots keep their width after the smoothing
_KEPT = 400  # slices of paths
_STRAIGHT_MM = 0.06
_OBLIQUE_STEP_MM = 0.6


@dataclass(frozen=True, eq=False)
class LabelSlice:
    """Labels [row, column] on a plane: element [r, c] lies at `origin_mm + (c * step[0], r * step[1])` of the plane's (right, down)."""

    labels: NDArray[np.uint8]
    origin_mm: tuple[float, float]
    step_mm: tuple[float, float]


def label_slice(anatomy: Anatomy, pose: Pose) -> LabelSlice | None:
    """An anatomy's labels on a pose's plane, as of `labels_on`."""
    return labels_on(anatomy.labels, anatomy.frame, pose)


def labels_on(codes: NDArray[np.uint8], frame: Frame, pose: Pose) -> LabelSlice | None:
    """Codes [k, j, i] of a frame on a pose's plane; None where the plane misses them. Whole slices on standard planes, sampled ones on
    oblique planes."""
    plane = pose.plane
    if plane.is_standard and frame.is_axial:
        along, under = (2 - int(np.abs(direction).argmax()) for direction in (plane.right, plane.down))
        rest = 3 - along - under
        at = int(np.rint(frame.to_index(pose.depth_mm * plane.normal)[rest]))
        if not 0 <= at < frame.shape[rest]:
            return None
        whole: NDArray[np.uint8] = np.take(codes, at, axis=rest)
        labels = np.ascontiguousarray(whole.T if under > along else whole)
        first = frame.to_world(np.zeros(3))
        step = (float(frame.affine[:3, along] @ plane.right), float(frame.affine[:3, under] @ plane.down))
        return LabelSlice(labels, (float(first @ plane.right), float(first @ plane.down)), step)
    from viewer.kernels import sample_labels

    step_mm = _OBLIQUE_STEP_MM
    wide, high = int(pose.width / pose.px_per_mm / step_mm) + 2, int(pose.height / pose.px_per_mm / step_mm) + 2
    wide, high = min(wide, 1400), min(high, 1400)
    corner = pose.to_world(0, 0)
    grid = np.stack([corner, corner + step_mm * plane.right, corner + step_mm * plane.down])
    first, right, down = frame.to_index(grid)
    sampled = np.zeros((high, wide), dtype=np.uint8)
    sample_labels(codes, first, right - first, down - first, sampled)
    return LabelSlice(sampled, (float(corner @ plane.right), float(corner @ plane.down)), (step_mm, step_mm))


@dataclass(frozen=True, eq=False)
class Outline:
    """A structure's outline on a plane, in the plane's millimetres (right, down). seen: closed lines, or the parts of them that were seen
    in the scan; modelled: the other parts, None where the whole outline is of one kind."""

    seen: QPainterPath
    modelled: QPainterPath | None = None


def outline_paths(found: LabelSlice, asked: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, QPainterPath]:
    """A path for each structure that the slice meets, in the plane's millimetres (right, down). asked: structures with their codes, those
    of `outlined` unless given."""
    return {name: _closed(lines) for name, lines in outline_lines(found, asked).items()}


def outline_lines(found: LabelSlice, asked: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, list[NDArray[np.float64]]]:
    """The closed lines (n, 2) round each structure that the slice meets, as of `outline_paths`."""
    from viewer.kernels import label_boxes, level_lines, soft_mask

    boxes = np.empty((256, 4), dtype=np.int64)
    label_boxes(found.labels, boxes)
    lines = {}
    for name, wanted_codes in (outlined() if asked is None else asked).items():
        present = [code for code in wanted_codes if boxes[code, 1] >= 0]
        if not present:
            continue
        row0, column0 = boxes[present, 0].min() - 2, boxes[present, 2].min() - 2
        row1, column1 = boxes[present, 1].max() + 3, boxes[present, 3].max() + 3
        wanted = np.zeros(256, dtype=np.bool_)
        wanted[present] = True
        field = np.empty((row1 - row0, column1 - column0), dtype=np.float32)
        soft_mask(found.labels, wanted, row0, column0, field)
        points, starts = level_lines(field, _LEVEL)
        if not len(points):
            continue
        points = (points + (column0, row0)) * found.step_mm + found.origin_mm
        lines[name] = [_rounded(points[start:stop]) for start, stop in itertools.pairwise(starts)]
    return lines


def outlines_on(anatomy: Anatomy, pose: Pose) -> dict[str, Outline]:
    """The outlines of an anatomy on a pose's plane, the parts of canal and sac that nobody saw apart from the rest."""
    found = label_slice(anatomy, pose)
    if found is None:
        return {}
    return {name: _parted(anatomy, pose, name, lines) for name, lines in outline_lines(found).items()}


def _parted(anatomy: Anatomy, pose: Pose, name: str, lines: list[NDArray[np.float64]]) -> Outline:
    plane, seen, modelled = pose.plane, QPainterPath(), QPainterPath()
    for line in lines:
        places = line[:, :1] * plane.right + line[:, 1:] * plane.down + pose.depth_mm * plane.normal
        parts = modelled_parts(anatomy, name, places)
        if parts is None:
            return Outline(_closed(lines))
        for first, last, unseen in runs_of(parts):
            path = modelled if unseen else seen
            piece = np.take(line, range(first, last + 1), axis=0, mode="wrap")
            path.addPolygon(QPolygonF([QPointF(x, y) for x, y in piece.tolist()]))
    return Outline(seen, modelled)


def _closed(lines: list[NDArray[np.float64]]) -> QPainterPath:
    path = QPainterPath()
    for line in lines:
        path.addPolygon(QPolygonF([QPointF(x, y) for x, y in line.tolist()]))
        path.closeSubpath()
    return path


def _rounded(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """A closed line without the stairs of its voxels: each point moves to the mean of its neighbourhood."""
    if len(line) < 8:
        return line
    smooth = line
    for _ in range(2):
        smooth = 0.5 * smooth + 0.25 * (np.roll(smooth, 1, axis=0) + np.roll(smooth, -1, axis=0))
    return _without_straight_points(smooth)


def _without_straight_points(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """The line without points that lie between their neighbours: fewer strokes to paint, the same to see."""
    for _ in range(4):
        ahead, back = np.roll(line, -1, axis=0), np.roll(line, 1, axis=0)
        chord = ahead - back
        off = np.abs(chord[:, 0] * (line - back)[:, 1] - chord[:, 1] * (line - back)[:, 0]) / np.maximum(np.hypot(*chord.T), 1e-9)
        drop = off < _STRAIGHT_MM
        drop[::2] = False  # never two neighbours at once
        if not drop.any() or len(line) - drop.sum() < 8:
            break
        line = line[~drop]
    return line


class SliceStore(Generic[S, T]):
    """What `make` makes of a source on the slices seen last, so that going back costs nothing. It belongs to one source at a time."""

    def __init__(self, make: Callable[[S, Pose], T]) -> None:
        self._make = make
        self._source: S | None = None
        self._made: OrderedDict[tuple[str, float], T] = OrderedDict()

    def on(self, source: S, pose: Pose) -> T:
        """What is made of it on a pose's plane."""
        if source is not self._source:
            self._source = source
            self._made.clear()
        key = (pose.plane.name, round(pose.depth_mm, 3))
        if not pose.plane.is_standard:  # sampled for this very picture
            return self._make(source, pose)
        if key not in self._made:
            self._made[key] = self._make(source, pose)
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]


class OutlineStore(SliceStore["Anatomy", dict[str, Outline]]):
    """Outlines of an anatomy."""

    def __init__(self) -> None:
        super().__init__(outlines_on)
