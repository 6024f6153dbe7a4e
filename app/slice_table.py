"""The slices of a series as a table: number, image number, place, and what tells them apart. Rows are made when they are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QAbstractItemView, QFrame, QTreeView

from app.statusline import place_words
from planner.scan.grouping import Ranges
from planner.scan.series import Slice

_LOOKS = """
QTreeView::item { padding: 3px 6px; }
QTreeView::item:selected { background: palette(highlight); color: palette(highlighted-text); }
QHeaderView::section { padding: 5px 6px; border: none; border-right: 1px solid palette(mid); background: palette(button); }
"""
_FIXED = ("Slice", "Image", "Its middle")
_NOWHERE = QModelIndex()


class SliceTable(QTreeView):
    """Rows can be marked, several at a time; `marked` says which."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Slices of the series")
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setUniformRowHeights(True)
        self.setRootIsDecorated(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setStyleSheet(_LOOKS)
        self._model = _Slices(self)
        self.setModel(self._model)

    def show_slices(self, slices: Sequence[Slice]) -> None:
        """Show these, numbered from 1."""
        self._model.show_slices(slices)
        for n in range(self._model.columnCount() - 1):
            self.resizeColumnToContents(n)

    @property
    def marked(self) -> Ranges:
        """The numbers of the marked slices."""
        found: list[tuple[int, int]] = []
        for number in sorted(index.row() + 1 for index in self.selectionModel().selectedRows()):
            if found and found[-1][1] == number - 1:
                found[-1] = found[-1][0], number
            else:
                found.append((number, number))
        return tuple(found)


class _Slices(QAbstractTableModel):
    def __init__(self, parent: QTreeView) -> None:
        super().__init__(parent)
        self._slices: Sequence[Slice] = ()
        self._varying: list[int] = []

    def show_slices(self, slices: Sequence[Slice]) -> None:
        self.beginResetModel()
        self._slices = slices
        count = len(slices[0].apart) if slices else 0
        self._varying = [n for n in range(count) if len({one.apart[n][1] for one in slices}) > 1]
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._slices)

    def columnCount(self, parent: QModelIndex | QPersistentModelIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(_FIXED) + len(self._varying) + 1

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role != Qt.ItemDataRole.DisplayRole or orientation != Qt.Orientation.Horizontal:
            return None
        names = [self._slices[0].apart[n][0].capitalize() for n in self._varying] if self._slices else []
        return [*_FIXED, *names, ""][section]

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        one = self._slices[index.row()]
        if index.column() == 0:
            return str(index.row() + 1)
        image = "" if one.number is None else str(one.number)
        values = [one.apart[n][1] for n in self._varying]
        return [image, _middle_words(one), *values, "localizer" if one.localizer else ""][index.column() - 1]


def _middle_words(one: Slice) -> str:
    """Where the middle of a slice lies."""
    if one.position is None or one.along_row is None or one.along_column is None:
        return "not given"
    right, down = 0.5 * (one.pixels.columns - 1) * (one.column_mm or 0.0), 0.5 * (one.pixels.rows - 1) * (one.row_mm or 0.0)
    x, y, z = (p + right * a + down * b for p, a, b in zip(one.position, one.along_row, one.along_column))
    return place_words((x, y, z))
