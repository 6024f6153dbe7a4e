"""Editing: the part of the Anatomy panel with which a person changes the anatomy by hand, and the list of what was changed."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from app.desk import Desk, Gesture
from app.widgets.choice import Choice
from app.widgets.rows import Item, Rows
from app.widgets.text import Card, button, label, row, say
from planner.anatomy.by_hand.edits import DRAWABLE, Drawable, Edit, Grow, Smooth, edit_words, places_of
from viewer.brush import Brush

if TYPE_CHECKING:
    from planner.anatomy.spine import Anatomy

_FROM_NOTHING = "Drag along the canal's middle from head to foot in the sagittal view, 20 mm or more. Bone stops it to the sides."
_CANAL_MM = 9.0  # half the width of a canal
_STEP_MM = 1.0  # by which a whole mask grows, shrinks or is smoothed at a press
_SHOWN = 6
_SIZE_PX = 26
_TOOLS: tuple[tuple[Gesture, str, str, str], ...] = (
    ("disc", "Brush", "Draw with the brush", "Left drag draws in the slice, Ctrl erases; [ and ] or Shift+wheel size it"),
    ("ball", "Ball", "Draw with a ball", "Left drag draws a ball or a tube, Ctrl erases; [ and ] or Shift+wheel size it"),
    ("wall", "Wall", "Drag the canal's wall", "Drag a point of the canal's wall; [ and ] say how much of it follows"),
    ("middle", "Middle", "Drag the canal's middle", "Drag the canal sideways with all that it holds; [ and ] say how much of it follows"),
    ("level", "Level", "Drag a level", "Drag the middle of a vertebra"),
    ("window", "Window", "Add a window", "Click on the gap between two laminae; the brush's size is its size"),
    ("foramen", "Foramen", "Add a foramen", "Click on the middle of a foramen; the brush's size is its size"),
    ("add level", "Vertebra", "Add a vertebra", "Click on the middle of a body; its name is counted from its neighbours'"),
)


class Editing(Card):
    """Closed until asked for; what was changed is listed in any case."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(name="By hand")
        self._desk, self._session = desk, desk.session
        self._open = button("Change", self._turn, name="Change the anatomy by hand")
        self._open.setCheckable(True)
        self.add(row(label("By hand", "head", wrap=False), None, self._open))
        self._said = label(role="muted", name="What was changed by hand")
        self.add(self._said)
        self._tools: dict[Gesture, QPushButton] = {gesture: self._tool(gesture, *words) for gesture, *words in _TOOLS}
        names: dict[Drawable, str] = {name: name[0].upper() + name[1:] for name in DRAWABLE}
        self._structure = Choice("Structure to change", names, desk.drawn, self._choose)
        self._size = label(wrap=False, name="Size of the brush")
        smaller = button("–", partial(self._resize, -1), "level", "Smaller brush", "[")
        larger = button("+", partial(self._resize, 1), "level", "Larger brush", "]")
        for one in (smaller, larger):
            one.setMinimumWidth(_SIZE_PX)
        self._whole = [
            button("Grow", lambda: self._change(Grow(desk.drawn, _STEP_MM)), "level", "Grow the structure", f"By {_STEP_MM:g} mm"),
            button("Shrink", lambda: self._change(Grow(desk.drawn, -_STEP_MM)), "level", "Shrink the structure", f"By {_STEP_MM:g} mm"),
            button("Smooth", lambda: self._change(Smooth(desk.drawn, _STEP_MM)), "level", "Smooth the structure", f"Over {_STEP_MM:g} mm"),
        ]
        tools = self._tools
        self._inside = [
            row(self._structure, self._size, smaller, larger),
            row(tools["disc"], tools["ball"], *self._whole),
            row(label("Drag", "muted", wrap=False), tools["wall"], tools["middle"], tools["level"], None),
            row(label("Add", "muted", wrap=False), tools["window"], tools["foramen"], tools["add level"], None),
        ]
        self._from_nothing = button("Draw the canal", self._draw_canal, name="Draw the canal", hint=_FROM_NOTHING)
        self._from_nothing.setCheckable(True)
        self._none_size = label(wrap=False, name="Size of the canal")
        thinner = button("–", partial(self._resize, -1), "level", "Narrower canal", "[")
        wider = button("+", partial(self._resize, 1), "level", "Wider canal", "]")
        for one in (thinner, wider):
            one.setMinimumWidth(_SIZE_PX)
        self._none_sizes = row(None, self._none_size, thinner, wider)
        self._nothing = [label(_FROM_NOTHING, "muted"), row(self._from_nothing, None), self._none_sizes]
        self.add(*self._nothing)
        self.add(*self._inside)
        self._list = Rows(2)
        self.add(self._list)
        self._all = button("Take all back", self._take_all_back, "level", "Take back all that was changed by hand")
        self._more = label(role="muted", wrap=False, name="Earlier changes")
        self._foot = row(self._more, None, self._all)
        self.add(self._foot)

    def _tool(self, gesture: Gesture, text: str, name: str, hint: str) -> QPushButton:
        made = button(text, partial(self._desk.ask, gesture), "level", name, hint)
        made.setCheckable(True)
        return made

    # ---- what the buttons do -------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        if not self._open.isChecked() and self._desk.gesture in self._tools:
            self._desk.leave()
        self._desk.changed.emit()

    def _draw_canal(self) -> None:
        self._desk.drawn = "canal"
        self._desk.size_mm = max(self._desk.size_mm, _CANAL_MM) if self._from_nothing.isChecked() else self._desk.size_mm
        self._desk.ask("ball")

    def _choose(self, name: Drawable) -> None:
        self._desk.drawn = name
        self._desk.changed.emit()

    def _resize(self, notches: float) -> None:
        self._desk.size_mm = Brush("disc", self._desk.drawn, self._desk.size_mm).sized(notches)
        self._desk.changed.emit()

    def _change(self, edit: Edit) -> None:
        self._desk.change_by_hand(edit)

    def _take_back(self, index: int) -> None:
        from planner.case.acts import take_edit_back

        self._desk.attempt(lambda: take_edit_back(self._session.case, index))

    def _take_all_back(self) -> None:
        from planner.case.acts import take_all_edits_back

        self._desk.attempt(lambda: take_all_edits_back(self._session.case))

    # ---- what is shown -------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Follow the session and the desk."""
        anatomy, edits, desk = self._session.anatomy.value, self._session.case.edits, self._desk
        refused = self._session.anatomy.state == "refused" and anatomy is None and self._session.case.labels_path is None
        refused = refused and self._session.volume.value is not None
        self.setVisible(anatomy is not None or refused)
        for part in self._nothing:
            part.setVisible(refused)
        for part in self._inside:
            part.setVisible(anatomy is not None and self._open.isChecked())
        self._open.setVisible(anatomy is not None)
        self._from_nothing.setChecked(refused and desk.gesture == "ball")
        self._none_sizes.setVisible(self._from_nothing.isChecked())
        say(self._none_size, f"{2 * desk.size_mm:g} mm wide")
        if anatomy is None:
            say(self._said, "")
            self._list.show_items([])
            self._foot.setVisible(False)
            return
        self._open.setText("Done" if self._open.isChecked() else "Change")
        say(self._size, f"{desk.size_mm:g} mm")
        for gesture, tool in self._tools.items():
            tool.setChecked(desk.gesture == gesture)
            tool.setEnabled(_can(anatomy, gesture))
        for one in self._whole:
            one.setEnabled(anatomy.structure(desk.drawn).provenance != "not checked" or desk.drawn in _touched(anatomy))
        self._structure.setCurrentIndex(self._structure.findData(desk.drawn))
        say(self._said, "" if edits or self._open.isChecked() else "Nothing was changed by hand.")
        self._show_list(anatomy, edits)

    def _show_list(self, anatomy: Anatomy, edits: tuple[Edit, ...]) -> None:
        """The newest first."""
        from planner.anatomy.by_hand.apply import EditedAnatomy

        idle = anatomy.idle if isinstance(anatomy, EditedAnatomy) and anatomy.edits == edits else {}
        newest = range(len(edits) - 1, max(-1, len(edits) - 1 - _SHOWN), -1)
        items: list[Item] = []
        for n in newest:
            words = _words(anatomy, edits[n])
            items.append(((n, words, idle.get(n)), partial(self._row, n, words, idle.get(n))))
        self._list.show_items(items)
        self._foot.setVisible(len(edits) > 1)
        earlier = len(edits) - _SHOWN
        say(self._more, f"and {earlier} earlier" if earlier > 0 else "")

    def _row(self, index: int, words: str, problem: str | None) -> QWidget:
        said = f"✎ {words}" if problem is None else f"△ {words}. It changes nothing here: {problem}"
        text = label(said, "" if problem is None else "caution")
        text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        back = button("Take back", partial(self._take_back, index), "level", f"Take back: {words} ({index + 1})")
        back.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        return row(text, back)


def _touched(anatomy: Anatomy) -> Collection[str]:
    from planner.anatomy.by_hand.apply import EditedAnatomy

    return anatomy.touched if isinstance(anatomy, EditedAnatomy) else ()


def _can(anatomy: Anatomy, gesture: Gesture) -> bool:
    """Whether there is something that a tool can change."""
    if gesture in ("wall", "middle"):
        return len(anatomy.canal.centreline_mm) >= 4
    if gesture in ("level", "add level"):
        return len(anatomy.levels) > 0
    return gesture in ("disc", "ball") or len(anatomy.levels) > 1


def _words(anatomy: Anatomy, edit: Edit) -> str:
    """`Draw bone at L3`."""
    from planner.anatomy.by_hand.apply import levels_at

    words, levels = edit_words(edit), levels_at(anatomy, places_of(edit))
    where = f" at {levels[0]}" if len(levels) == 1 else f" from {levels[0]} to {levels[-1]}" if levels else ""
    return words[0].upper() + words[1:] + where
