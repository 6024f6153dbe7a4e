"""How the canal is divided, on a slice: its wall by what it is made of, and the epidural space by compartment, each with its legend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPainterPath, QPolygonF

from viewer.certainty import around_canal, evened, runs_of
from viewer.furniture import text
from viewer.outlines import SliceStore, label_slice, labels_on, outline_lines, outline_paths, outlined
from viewer.overlays import to_pixels
from viewer.pose import Pose
from viewer.scene import Scene
from viewer.theme import Theme

if TYPE_CHECKING:
    from planner.anatomy.compartments import Compartments
    from planner.anatomy.spine import Anatomy

WALL, SPACE = "canal wall", "compartments"
"""Their names among the structures that are shown or hidden."""

WALL_STYLES: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("canal", ()), ("ligamentum flavum", ()), ("wall foramen", (3.5, 1.8)), ("wall window", (4.0, 1.5, 1.0, 1.5)),
    ("wall disc", (1.8, 1.4)), ("wall body", (1.8, 1.4, 0.6, 1.4)), ("wall metal", (0.9, 0.9)), ("wall open arch", (0.9, 1.6)),
    ("wall other", ()), ("wall other", ()),
)  # fmt: skip
"""Colour and dashes of each kind of wall, in the order of its codes (`planner.anatomy.bridges`)."""
SPACE_MEANINGS = ("ventral space", "dorsal space", "recess", "recess", "wall foramen", "wall foramen")
"""Colour of each compartment, in the order of `planner.anatomy.compartments.COMPARTMENTS`; left and right are told by their place."""
_FILLED, _WIDE = 0.45, 1.4
_SAMPLE_PX, _MARGIN, _FOOT_PX = 28.0, 10.0, 42.0
_ROOM_PX = 400.0  # a slice view that is lower has no room for a legend of its own: the 3D view beside it has one


@dataclass(frozen=True)
class Entry:
    """A line of a legend: a sample of a line, or of a filling, and what it means."""

    meaning: str
    words: str
    dashes: tuple[float, ...] = ()
    filled: bool = False


class Divided:
    """Paints both, and keeps the paths of the slices seen last."""

    def __init__(self) -> None:
        self._walls = SliceStore(wall_on)
        self._spaces = SliceStore(spaces_on)

    def paint(self, painter: QPainter, theme: Theme, scene: Scene, pose: Pose) -> None:
        """What of the two is switched on and known."""
        to_screen = to_pixels(pose)
        if scene.shows(SPACE) and scene.compartments is not None:
            spaces = self._spaces.on(scene.compartments, pose)
            for place, path in spaces.items():
                painter.setBrush(theme.colour(SPACE_MEANINGS[place], _FILLED))
                painter.setPen(theme.pen(SPACE_MEANINGS[place], 0.8))
                painter.drawPath(to_screen.map(path))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if scene.shows(WALL) and scene.anatomy is not None:
            walls = self._walls.on(scene.anatomy, pose)
            for kind, path in walls.items():
                meaning, dashes = WALL_STYLES[kind]
                painter.setPen(theme.pen(meaning, _WIDE, dashes=dashes))
                painter.drawPath(to_screen.map(path))

    def paint_legend(self, painter: QPainter, theme: Theme, scene: Scene, pose: Pose) -> None:
        """What the colours on this slice mean, where the view has room for it."""
        if pose.height < _ROOM_PX or scene.anatomy is None:
            return
        spaces = scene.shows(SPACE) and scene.compartments is not None and self._spaces.on(scene.compartments, pose)
        walls = scene.shows(WALL) and self._walls.on(scene.anatomy, pose)
        legend = space_legend(spaces or ()) + wall_legend(walls or (), scene.anatomy.modality)
        paint_legend(painter, theme, legend, _MARGIN, pose.height - _FOOT_PX)


def wall_on(anatomy: Anatomy, pose: Pose) -> dict[int, QPainterPath]:
    """The canal's outline on a pose's plane by the kind of its wall, in the plane's millimetres."""
    from planner.anatomy.bridges import bridges_of

    found = label_slice(anatomy, pose)
    if found is None or len(anatomy.canal.centreline_mm) < 2:
        return {}
    kinds, paths, plane = bridges_of(anatomy.canal), dict[int, QPainterPath](), pose.plane
    for line in outline_lines(found, {"canal": outlined()["canal"]}).get("canal", []):
        places = line[:, :1] * plane.right + line[:, 1:] * plane.down + pose.depth_mm * plane.normal
        row, direction = around_canal(anatomy.canal, places, kinds.shape[1])
        for first, last, kind in runs_of(evened(kinds[row, direction], places)):
            piece = np.take(line, range(first, last + 1), axis=0, mode="wrap")
            paths.setdefault(int(kind), QPainterPath()).addPolygon(QPolygonF([QPointF(x, y) for x, y in piece.tolist()]))
    return dict(sorted(paths.items()))


def spaces_on(divided: Compartments, pose: Pose) -> dict[int, QPainterPath]:
    """The outline of each compartment on a pose's plane by its place in COMPARTMENTS, in the plane's millimetres."""
    found = labels_on(divided.map, divided.frame, pose)
    if found is None:
        return {}
    paths = outline_paths(found, {str(place): (place + 1,) for place in range(len(SPACE_MEANINGS))})
    return {int(place): path for place, path in paths.items()}


# ---- legends ----------------------------------------------------------------------------------------------------------------------------


def wall_legend(kinds: Iterable[int], modality: str) -> list[Entry]:
    """What these kinds of wall are."""
    from planner.anatomy.bridges import kind_name

    return [Entry(WALL_STYLES[kind][0], kind_name(kind, modality), WALL_STYLES[kind][1]) for kind in sorted(kinds)]


def space_legend(places: Iterable[int]) -> list[Entry]:
    """What these compartments are; left and right in one line."""
    from planner.anatomy.compartments import COMPARTMENTS

    words = {SPACE_MEANINGS[place]: COMPARTMENTS[place].removeprefix("left ").removeprefix("right ") for place in sorted(places)}
    return [Entry(meaning, said, filled=True) for meaning, said in words.items()]


def paint_space_legend(painter: QPainter, theme: Theme, scene: Scene, width: float, height: float) -> None:
    """The legend of what of both stands in the 3D view, at its lower right."""
    if scene.anatomy is None or scene.surfaces is None:
        return
    from planner.anatomy.bridges import bridges_of

    canal, legend = scene.anatomy.canal, list[Entry]()
    if scene.shows(SPACE) and scene.compartments is not None:
        legend += space_legend(range(len(SPACE_MEANINGS)))
    if scene.shows(WALL) and len(canal.centreline_mm):
        solid = wall_legend(np.unique(bridges_of(canal)).tolist(), scene.anatomy.modality)
        legend += [Entry(one.meaning, one.words, filled=True) for one in solid]
    paint_legend(painter, theme, legend, width - _MARGIN - 5, height - _FOOT_PX, at_right=True)


def paint_legend(painter: QPainter, theme: Theme, entries: list[Entry], left: float, bottom: float, at_right: bool = False) -> None:
    """The entries one above the other, the last at `bottom`; `left` is their left end, or at_right their right one. Logical pixels."""
    entries = list(dict.fromkeys(entries))
    if not entries:
        return
    painter.setFont(theme.font(scale=0.85))
    metrics = QFontMetricsF(painter.font())
    high = metrics.height() + 1
    wide = _SAMPLE_PX + 7 + max(metrics.horizontalAdvance(entry.words) for entry in entries)
    x = left - wide if at_right else left
    painter.fillRect(QRectF(x - 5, bottom - high * len(entries) - 3, wide + 10, high * len(entries) + 6), theme.colour("view", 0.72))
    for n, entry in enumerate(entries):
        middle = bottom - high * (len(entries) - n - 0.5)
        if entry.filled:
            painter.setPen(theme.pen(entry.meaning, 0.8))
            painter.setBrush(theme.colour(entry.meaning, _FILLED))
            painter.drawRect(QRectF(x + 4, middle - 0.3 * high, _SAMPLE_PX - 8, 0.6 * high))
            painter.setBrush(Qt.BrushStyle.NoBrush)
        else:
            painter.setPen(theme.pen(entry.meaning, _WIDE, dashes=entry.dashes))
            painter.drawLine(QPointF(x, middle), QPointF(x + _SAMPLE_PX, middle))
        text(painter, theme, "view text", QPointF(x + _SAMPLE_PX + 7, middle + metrics.capHeight() / 2), entry.words)
