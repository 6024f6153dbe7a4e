"""A list of widgets that follows a list of values: what did not change stays, with its focus and its scroll position."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from PySide6.QtWidgets import QVBoxLayout, QWidget

Item = tuple[Hashable, Callable[[], QWidget]]
"""All that the widget shows, as a key, and how to make it."""


class Rows(QWidget):
    """Shows one widget an item. An item whose key was there before keeps its widget."""

    def __init__(self, spacing: int = 8) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(spacing)
        self._shown: list[tuple[Hashable, QWidget]] = []
        self.hide()

    def show_items(self, items: Sequence[Item]) -> None:
        """Make the list show these items, in this order."""
        if [key for key, _ in self._shown] == [key for key, _ in items]:
            return
        focused = self._focused_name()
        kept: list[tuple[Hashable, QWidget]] = []
        left = list(self._shown)
        for key, make in items:
            found = next((one for one in left if one[0] == key), None)
            if found is not None:
                left.remove(found)
            kept.append(found or (key, make()))
        for _, widget in left:
            self._column.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        for place, (_, widget) in enumerate(kept):
            if self._column.indexOf(widget) != place:
                self._column.insertWidget(place, widget)
                widget.show()
        self._shown = kept
        self.setVisible(bool(kept))
        if focused:
            self._focus(focused)

    def _focused_name(self) -> str:
        focused = self.window().focusWidget()
        return focused.accessibleName() if focused is not None and self.isAncestorOf(focused) else ""

    def _focus(self, name: str) -> None:
        if self._focused_name() == name:
            return
        for _, widget in self._shown:
            for one in (widget, *widget.findChildren(QWidget)):
                if one.accessibleName() == name and one.isEnabled():
                    one.setFocus()
                    return
