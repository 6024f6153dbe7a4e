"""The status line: where the pointer is and what lies there; what the levels rest on and what was not checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from app.widgets.text import Elided, dress, label

if TYPE_CHECKING:
    from planner.anatomy.compartments import Compartments
    from planner.anatomy.spine import Anatomy

Point = tuple[float, float, float]

_SAID_MS = 9000
_HAZARDS = ("lung", "kidney", "bowel gas", "aorta", "vena cava")


class StatusLine(QWidget):
    """Left: the pointer. Middle: the newest sentence, for a while. Right: the anchor, and what is not checked."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("statusline")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        line = QHBoxLayout(self)
        line.setContentsMargins(14, 4, 14, 4)
        line.setSpacing(16)
        self._place = label(role="muted", wrap=False, name="Position of the pointer")
        self._value = label(role="muted", wrap=False, name="Value under the pointer")
        self._name = Elided("Place under the pointer")
        self._said = label(role="", wrap=False, name="Message")
        self._anchor = Elided("What the levels rest on, status", at_right=True)
        self._unseen = Elided("Not checked, status", at_right=True)
        for one in (self._place, self._value, self._name):
            line.addWidget(one)
        line.addWidget(self._said, 1)
        for one in (self._anchor, self._unseen):
            line.addWidget(one)
        self._said.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setMinimumHeight(round(self.fontMetrics().height() * 1.7))
        self._quiet = QTimer(self, singleShot=True, interval=_SAID_MS)
        self._quiet.timeout.connect(lambda: self._said.clear())

    def point(
        self, at: Point, value: float | None, modality: str, anatomy: Anatomy | None, divided: Compartments | None = None, beside: str = ""
    ) -> None:
        """The pointer is over a place of the scan. divided: the epidural space, where it is shown by compartment. beside: what follows the
        value, such as that of a second scan."""
        self._place.setText(place_words(at))
        unit = " HU" if modality == "CT" else ""
        self._value.setText("outside the scan" if value is None else f"{value:.0f}{unit}".replace("-", "−") + beside)
        self._name.say(_structure_words(at, anatomy, divided) if anatomy is not None else "")

    def leave(self) -> None:
        """The pointer left the views."""
        self._place.clear()
        self._value.clear()
        self._name.say("")

    def say(self, sentence: str) -> None:
        """Show a sentence for a while."""
        self._said.setText(sentence)
        self._said.setToolTip(sentence)
        self._quiet.start()

    def hold(self, sentence: str) -> None:
        """Show a sentence until `say` or an empty `hold`."""
        self._quiet.stop()
        self._said.setText(sentence)

    def show_anatomy(self, anatomy: Anatomy | None, anchor_words: str) -> None:
        """What the levels rest on, and what nobody looked for."""
        if anatomy is None:
            self._anchor.say("")
            self._unseen.say("")
            return
        confirmed = anatomy.anchor is not None and anatomy.anchor.by == "user"
        named = anatomy.anchor.name if anatomy.anchor is not None else ""
        short = f"Levels counted from {named}" if confirmed else f"△ {named} guessed" if named else "△ Level not confirmed"
        self._anchor.say(anchor_words if confirmed else f"△ {anchor_words}", short)
        dress(self._anchor, "muted" if confirmed else "caution")
        unseen = [name for name in _HAZARDS if anatomy.structure(name).provenance == "not checked"]
        self._unseen.say(f"△ {', '.join(unseen)} not checked" if unseen else "", f"△ {len(unseen)} not checked" if unseen else "")
        dress(self._unseen, "caution")

    def stop(self) -> None:
        """The window closes."""
        self._quiet.stop()


def _structure_words(at: Point, anatomy: Anatomy, divided: Compartments | None) -> str:
    """`L1-L2, epidural space`; on the canal's wall what that is made of, on the sac's edge whether it was seen, in the epidural
    space the compartment and its room."""
    import numpy as np

    from planner.anatomy import labels
    from planner.anatomy.bridges import wall_at
    from planner.anatomy.where import sac_words_at

    index = np.rint(anatomy.frame.to_index(at)).astype(int)
    if (index < 0).any() or (index >= np.array(anatomy.frame.shape)).any():
        return ""
    code = int(anatomy.labels[tuple(index)])
    pair = anatomy.disc_space(at)
    level = "-".join(pair) if pair else ""
    structure = labels.name(code) if code else ""
    wall = wall_at(anatomy.canal, at)
    if wall is not None:
        structure = wall.words(anatomy.modality)
    else:
        space = divided.words_at(tuple(index), level) if divided is not None else ""
        structure = sac_words_at(anatomy, at) or space or structure
    return ", ".join(part for part in (level, structure) if part)


def place_words(at: Point) -> str:
    """`L 12.0  P 30.1  H 40.0 mm`: how far to the patient's left, back and head, or the other way, from the scanner's zero."""
    ends = (("L", "R"), ("P", "A"), ("H", "F"))
    return "  ".join(f"{names[c < 0]} {abs(c):.1f}" for names, c in zip(ends, at)) + " mm"
