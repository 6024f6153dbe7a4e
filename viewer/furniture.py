"""What every slice view carries besides the picture: its name and place, orientation letters, scale bar, crosshair, watermark."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter

from viewer.orbit import Orbit
from viewer.pose import Pose, letters, slice_step_mm
from viewer.scene import Scene
from viewer.theme import Theme

if TYPE_CHECKING:
    from planner.anatomy.spine import Anatomy

TITLES = {"axial": "Axial", "sagittal": "Sagittal", "coronal": "Coronal", "oblique": "Along the needle"}
_BESIDE = {
    "sagittal": ("midline", "right of the midline", "left of the midline"),
    "coronal": ("middle of the canal", "behind mid-canal", "in front of mid-canal"),
}
_BARS_MM = (1, 2, 5, 10, 20, 50, 100, 200)
_BESIDE_SPINE_MM = 56.0
_GAP = 9.0  # half the crosshair's gap, logical pixels
_MARGIN = 10.0


def text(painter: QPainter, theme: Theme, meaning: str, at: QPointF, words: str) -> None:
    """A line of text with a dark shadow, so that it reads on bone as on air. `at` is the left end of its base line."""
    painter.setPen(theme.colour("view", 0.85))
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        painter.drawText(QPointF(at.x() + dx, at.y() + dy), words)
    painter.setPen(theme.colour(meaning))
    painter.drawText(at, words)


def level_words(anatomy: Anatomy | None, point_mm: Any) -> str:
    """`L1–L2` at a point; a question mark follows while no person has named a vertebra."""
    pair = anatomy.disc_space(point_mm) if anatomy is not None else None
    return f"{pair[0]}–{pair[1]}{doubt(anatomy)}" if pair else ""


def doubt(anatomy: Anatomy | None) -> str:
    """What follows the name of a level while its count rests on a guess."""
    return "" if anatomy is not None and anatomy.anchor is not None and anatomy.anchor.by == "user" else " ?"


def counted_words(anatomy: Anatomy | None) -> str:
    """What the levels in a picture rest on: `levels counted from L4`, with how many vertebrae, where that is not usual."""
    return next(iter(_counted(anatomy)), "")


def _counted(anatomy: Anatomy | None) -> tuple[str, ...]:
    """The same in fewer and fewer words; the vertebra and that it was guessed stand in all of them."""
    if anatomy is None or not anatomy.levels:
        return ()
    anchor = anatomy.anchor
    if anchor is None:
        return ("levels not confirmed",)
    guessed = "guessed" if anchor.by != "user" else ""
    rest = ", ".join(filter(None, (anchor.name, guessed, anchor.numbering.words.removesuffix(" vertebrae"))))
    return f"levels counted from {rest}", f"counted from {rest}", f"from {rest}", f"from {anchor.name} {guessed}".strip()


def place_words(scene: Scene, pose: Pose, point_mm: Any) -> str:
    """Where a slice is: the level and its number; or how far from the canal's middle, in words of the patient."""
    volume = scene.volume
    if volume is None:
        return ""
    frame, normal = volume.frame, pose.plane.normal
    if not pose.plane.is_standard:
        tilt = np.degrees(np.arccos(np.clip(np.abs(normal).max(), 0, 1)))
        return f"turned {tilt:.0f}°"
    axis = int(np.abs(frame.directions.T @ normal).argmax())
    at = int(np.clip(np.rint(frame.to_index(pose.depth_mm * normal)[axis]), 0, frame.shape[axis] - 1))
    counted = f"{at + 1} / {frame.shape[axis]}"
    if pose.plane.name == "axial":
        level = "not scanned" if any(gap.holds(point_mm) for gap in volume.unseen) else level_words(scene.anatomy, point_mm)
        return " · ".join(part for part in (level, counted) if part)
    canal = scene.anatomy.canal if scene.anatomy is not None else None
    if canal is None or not len(canal.centreline_mm) or pose.plane.name not in _BESIDE:
        return counted
    middle = canal.centreline_mm[canal.nearest(point_mm)]
    off = -float(pose.distance_mm(middle))
    here, after, before = _BESIDE[pose.plane.name]
    if abs(off) < 0.5 * slice_step_mm(pose.plane, frame):
        return f"{here} · {counted}"
    return f"{abs(off):.{0 if abs(off) >= 1 else 1}f} mm {after if off > 0 else before} · {counted}"


def paint_title(painter: QPainter, theme: Theme, name: str, words: str, width: float) -> float:
    """The view's name in its own colour, and where it is, at the upper left. Returns where the line ends."""
    bold = theme.font(bold=True)
    base = _MARGIN + theme.text_px
    start = _MARGIN + QFontMetricsF(bold).horizontalAdvance(name) + 8
    metrics, room = QFontMetricsF(theme.font()), max(0.0, width - start - _MARGIN)
    while " · " in words and metrics.horizontalAdvance(words) > room:
        words = words.rpartition(" · ")[0]  # a number that is cut would be another number
    words = metrics.elidedText(words, Qt.TextElideMode.ElideRight, room)
    end = start + metrics.horizontalAdvance(words)
    # a quiet ground: the words lie over bone as often as over air
    painter.fillRect(QRectF(0, 0, end + _MARGIN, base + 0.6 * theme.text_px), theme.colour("view", 0.62))
    painter.setFont(bold)
    text(painter, theme, "view name", QPointF(_MARGIN, base), name)
    painter.setFont(theme.font())
    text(painter, theme, "view text", QPointF(start, base), words)
    return end


def paint_counted(painter: QPainter, theme: Theme, anatomy: Anatomy | None, width: float) -> None:
    """What the levels rest on, small below the title; no farther than the letter in the middle."""
    choices = _counted(anatomy)
    if not choices:
        return
    painter.setFont(theme.font(scale=0.85))
    metrics, room = QFontMetricsF(painter.font()), width / 2 - _MARGIN - 16
    words = next((one for one in choices if metrics.horizontalAdvance(one) <= room), choices[-1])
    base = _MARGIN + 2.25 * theme.text_px
    ground = QRectF(0, base - metrics.ascent() - 1, metrics.horizontalAdvance(words) + 2 * _MARGIN, metrics.height() + 2)
    painter.fillRect(ground, theme.colour("view", 0.62))
    text(painter, theme, "view text", QPointF(_MARGIN, base), words)


def paint_letters(painter: QPainter, theme: Theme, pose: Pose, title_end: float) -> None:
    """Which side of the patient lies beyond each edge; the upper letter goes below a title that ends (at `title_end`) beyond the middle."""
    font = theme.font()
    font.setPixelSize(theme.letters_px)
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    high = metrics.capHeight()
    right, left = letters(pose.plane.right), letters(-pose.plane.right)
    below, above = letters(pose.plane.down), letters(-pose.plane.down)
    middle = pose.height / 2 + high / 2
    text(painter, theme, "view letters", QPointF(_MARGIN, middle), left)
    text(painter, theme, "view letters", QPointF(pose.width - _MARGIN - metrics.horizontalAdvance(right), middle), right)
    centre = pose.width * 0.5
    top = _MARGIN + theme.text_px * (1.0 if title_end < centre - 16 else 2.6)
    text(painter, theme, "view letters", QPointF(centre - metrics.horizontalAdvance(above) / 2, top), above)
    text(painter, theme, "view letters", QPointF(centre - metrics.horizontalAdvance(below) / 2, pose.height - _MARGIN), below)


def paint_space_levels(painter: QPainter, theme: Theme, scene: Scene, orbit: Orbit, width: float, height: float) -> None:
    """Names of the vertebrae in space, beside the spine at the picture's left."""
    if scene.anatomy is None or not scene.shows("level names") or not scene.shows("bone"):
        return
    painter.setFont(theme.font(scale=0.92))
    metrics = QFontMetricsF(painter.font())
    for level in scene.anatomy.levels:
        x, y = orbit.to_screen(np.array(level.centre_mm) - _BESIDE_SPINE_MM * orbit.right, width, height)
        words = level.name + doubt(scene.anatomy)
        left = x - metrics.horizontalAdvance(words)
        if 34 < y < height - 90 and left > 4:
            text(painter, theme, "view text", QPointF(left, y + metrics.capHeight() / 2), words)


def paint_scale(painter: QPainter, theme: Theme, pose: Pose) -> None:
    """A bar of 50 mm, or of the round length that fits, at the lower right."""
    fitting = [length for length in _BARS_MM if length * pose.px_per_mm <= pose.width * 0.3] or [_BARS_MM[0]]
    length = 50 if 50 in fitting and 50 * pose.px_per_mm > 40 else fitting[-1]
    wide = length * pose.px_per_mm
    x1, y = pose.width - _MARGIN - 4, pose.height - _MARGIN - 4
    thick = max(1.0, round(theme.line))
    for grow, colour in ((1.0, theme.colour("view", 0.8)), (0.0, theme.colour("view text"))):
        for x, top, across, high in ((x1 - wide, y, wide, thick), (x1 - wide, y - 4, thick, 8 + thick), (x1, y - 4, thick, 8 + thick)):
            painter.fillRect(QRectF(round(x) - grow, round(top) - grow, round(across) + 2 * grow, round(high) + 2 * grow), colour)
    painter.setFont(theme.font(scale=0.92))
    words = f"{length} mm"
    text(painter, theme, "view text", QPointF(x1 - wide / 2 - QFontMetricsF(painter.font()).horizontalAdvance(words) / 2, y - 7), words)


def paint_crosshair(painter: QPainter, theme: Theme, pose: Pose, point_mm: Any, axes: tuple[Any, Any]) -> None:
    """Two thin lines along `axes` (LPS directions) through a point, with a gap so that they hide nothing."""
    centre = pose.to_screen(point_mm)
    if pose.plane.is_standard:
        _straight_crosshair(painter, theme, pose, float(centre[0]), float(centre[1]))
        return
    reach = float(np.hypot(pose.width, pose.height)) * 1.5 + float(np.abs(centre).max())
    painter.setPen(theme.pen("crosshair", 0.75, opacity=0.9))
    for axis in axes:
        step = np.array([axis @ pose.plane.right, axis @ pose.plane.down])
        length = float(np.hypot(*step))
        if length < 1e-6:
            continue
        step = step / length
        for sign in (-1, 1):
            painter.drawLine(QPointF(*(centre + sign * _GAP * step)), QPointF(*(centre + sign * reach * step)))


def _straight_crosshair(painter: QPainter, theme: Theme, pose: Pose, x: float, y: float) -> None:
    """Upright and level lines as filled rectangles: crisp, and many times quicker than strokes."""
    thick = max(1, round(theme.line - 0.4))
    colour = theme.colour("crosshair", 0.9)
    x, y = floor(x), floor(y)
    for start, stop in ((0.0, x - _GAP), (x + _GAP, float(pose.width))):
        painter.fillRect(QRectF(start, y, max(0.0, stop - start), thick), colour)
    for start, stop in ((0.0, y - _GAP), (y + _GAP, float(pose.height))):
        painter.fillRect(QRectF(x, start, thick, max(0.0, stop - start)), colour)


def paint_focus(painter: QPainter, theme: Theme, width: float, height: float) -> None:
    """A thin frame round the view that the keys go to."""
    colour = theme.colour("accent", 0.6)
    for x, y, wide, high in ((0, 0, width, 1), (0, height - 1, width, 1), (0, 0, 1, height), (width - 1, 0, 1, height)):
        painter.fillRect(QRectF(x, y, wide, high), colour)


def paint_blend(painter: QPainter, theme: Theme, scene: Scene, width: float, height: float) -> None:
    """How much of which scan is in the picture, at the lower left above the watermark; above the letter in the middle where it is long."""
    if scene.second is None:
        return
    painter.setFont(theme.font(scale=0.92))
    metrics, words = QFontMetricsF(painter.font()), scene.second.words
    wide = metrics.horizontalAdvance(words) + 2 * _MARGIN
    above = 1.6 * metrics.height() if scene.watermark or wide > width / 2 - 16 else 0.0
    base = height - _MARGIN - above - metrics.descent()
    painter.fillRect(QRectF(0, base - metrics.ascent() - 2, wide, metrics.height() + 4), theme.colour("view", 0.8))
    text(painter, theme, "view caution" if scene.second.doubt else "second scan", QPointF(_MARGIN, base), words)


def paint_watermark(painter: QPainter, theme: Theme, words: str, width: float, height: float, at_right: bool = False) -> None:
    """A word at the lower left, or right, that says that this is no patient."""
    if not words:
        return
    painter.setFont(theme.font(scale=0.92))
    painter.setPen(theme.colour("view text", 0.55))
    side = Qt.AlignmentFlag.AlignRight if at_right else Qt.AlignmentFlag.AlignLeft
    painter.drawText(QRectF(_MARGIN, height - _MARGIN - 24, width - 2 * _MARGIN, 24), side | Qt.AlignmentFlag.AlignBottom, words)
