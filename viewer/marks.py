"""Landmarks of the vertebrae on a slice: pedicles, joints, laminae, spinous tips and midlines, each with a shape of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPolygonF

from viewer.pose import Pose
from viewer.scene import Scene
from viewer.theme import Theme

Floats = NDArray[np.float64]
_NEAR_MM = 2.5  # farther off the slice a landmark is not drawn
_PEDICLE_PX, _EDGE_PX, _TIP_PX = 4.0, 5.0, 5.0
_AXIS_MM, _JOINT_MM, _MIDLINE_MM = 9.0, 6.0, (-6.0, 45.0)  # half a pedicle's axis; half a joint; a midline from the canal to the back


def paint_landmarks(painter: QPainter, theme: Theme, scene: Scene, pose: Pose) -> None:
    """A ring with its axis for a pedicle, a stroke along the gap of a joint, a bar at a lamina's edge, a triangle at a spinous tip, and in
    axial slices a dotted line where the midline runs."""
    if scene.anatomy is None or not scene.shows("landmarks"):
        return
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for marks in scene.anatomy.landmarks:
        painter.setPen(theme.pen("landmarks", 1.0))
        for pedicle in marks.pedicles:
            if _near(pose, pedicle.centre_mm):
                centre, axis = np.array(pedicle.centre_mm), np.array(pedicle.axis)
                painter.drawEllipse(QPointF(*pose.to_screen(centre)), _PEDICLE_PX, _PEDICLE_PX)
                _line(painter, pose, centre - _AXIS_MM * axis, centre + _AXIS_MM * axis)
        for facet in marks.facets:
            if _near(pose, facet.centre_mm):
                along = np.cross(facet.axis, [0.0, 0.0, 1.0] if pose.plane.name == "axial" else pose.plane.normal)
                along /= max(float(np.linalg.norm(along)), 1e-6)
                _line(painter, pose, np.array(facet.centre_mm) - _JOINT_MM * along, np.array(facet.centre_mm) + _JOINT_MM * along)
        for lamina in marks.laminae:
            for edge in (lamina.upper_mm, lamina.lower_mm):
                if edge is not None and _near(pose, edge):
                    x, y = pose.to_screen(edge)
                    painter.drawLine(QPointF(x - _EDGE_PX, y), QPointF(x + _EDGE_PX, y))
        if marks.spinous_tip_mm is not None and _near(pose, marks.spinous_tip_mm):
            x, y = pose.to_screen(marks.spinous_tip_mm)
            painter.drawPolygon(QPolygonF([QPointF(x, y), QPointF(x - _TIP_PX, y + 2 * _TIP_PX), QPointF(x + _TIP_PX, y + 2 * _TIP_PX)]))
        if pose.plane.name == "axial" and abs(float(pose.distance_mm(marks.midline_mm))) <= _NEAR_MM:
            painter.setPen(theme.pen("landmarks", 0.8, opacity=0.8, dashes=(1.5, 3.0)))
            back = np.cross([0.0, 0.0, 1.0], marks.midline_normal)
            _line(painter, pose, *(np.array(marks.midline_mm) + mm * back for mm in _MIDLINE_MM))


def _near(pose: Pose, point_mm: tuple[float, float, float]) -> bool:
    return abs(float(pose.distance_mm(point_mm))) <= _NEAR_MM


def _line(painter: QPainter, pose: Pose, start: Floats, stop: Floats) -> None:
    painter.drawLine(QPointF(*pose.to_screen(start)), QPointF(*pose.to_screen(stop)))
