"""The foramina in the Anatomy panel: how large each is, where an artery may be, and how far to the side a way in may lie."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.desk import Desk
from app.widgets.rows import Rows
from app.widgets.text import Card, button, label, row, say
from planner.evidence import evidence

if TYPE_CHECKING:
    from planner.anatomy.hazards.arterial import ArterialZone
    from planner.anatomy.hazards.corridor import CorridorLimit
    from planner.anatomy.spine import Anatomy, Foramen


class Foramina(Card):
    """A list that is closed until somebody asks for it."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(name="Foramina")
        self._desk = desk
        self._anatomy: Anatomy | None = None
        self._told: list[tuple[Foramen, ArterialZone | None, CorridorLimit | None]] | None = None
        self._is_open = False
        self._door = button("", self._turn, "link", "Foramina, arteries and ways in")
        self._rows = Rows(4)
        self._note = label(role="small", name="What the ways in mean")
        self.add(row(self._door, None), self._note, self._rows)

    def refresh(self, anatomy: Anatomy | None) -> None:
        """Follow the anatomy."""
        if anatomy is not self._anatomy:
            self._anatomy, self._told = anatomy, None
        shown = anatomy is not None and bool(anatomy.foramina)
        self.setVisible(shown)
        self._door.setText(f"{'Hide' if self._is_open else 'Show'} foramina, arteries and ways in")
        say(self._note, self._words() if shown and self._is_open else "")
        self._rows.show_items([(_key(*one), partial(self._row, *one)) for one in self._all()] if shown and self._is_open else [])

    def _turn(self) -> None:
        self._is_open = not self._is_open
        self.refresh(self._anatomy)

    def _all(self) -> list[tuple[Foramen, ArterialZone | None, CorridorLimit | None]]:
        """Reckoned once an anatomy, when somebody asks."""
        from planner.anatomy.hazards.arterial import arterial_zones
        from planner.anatomy.hazards.corridor import corridor_limits

        if self._told is None and self._anatomy is not None:
            zones = {(zone.between, zone.side): zone for zone in arterial_zones(self._anatomy)}
            limits = {(limit.between, limit.side): limit for limit in corridor_limits(self._anatomy)}
            self._told = [(f, zones.get((f.between, f.side)), limits.get((f.between, f.side))) for f in self._anatomy.foramina]
        return self._told or []

    def _words(self) -> str:
        """What holds for all of them."""
        unknown = next((limit.not_checked for _, _, limit in self._all() if limit is not None), ())
        told = "Ways in lie in the axial plane: 0° is straight from behind, 90° straight from the side."
        return f"{told} Not checked, and may end one earlier: {', '.join(unknown)}." if unknown else told

    def _row(self, foramen: Foramen, zone: ArterialZone | None, limit: CorridorLimit | None) -> QWidget:
        name = f"{foramen.level} {foramen.side}"
        made = QWidget()
        column = QVBoxLayout(made)
        column.setContentsMargins(0, 2, 0, 2)
        column.setSpacing(0)
        go = button(name, partial(self._desk.place_wanted.emit, foramen.centre_mm), "link", f"Go to the foramen {name}")
        column.addWidget(row(go, None))
        column.addWidget(label(size_words(foramen), "small"))
        if zone is not None:
            told = label(artery_words(zone), "caution" if zone.weight == "strong" else "small", name=f"Artery at {name}")
            told.setToolTip(f"{zone.sentence}\n{evidence(zone.source).source}")
            column.addWidget(told)
        if limit is not None:
            column.addWidget(label(corridor_words(limit), "small", name=f"Way in at {name}"))
        return made


def _key(foramen: Foramen, zone: ArterialZone | None, limit: CorridorLimit | None) -> tuple[object, ...]:
    return foramen.level, foramen.side, foramen.centre_mm, size_words(foramen), None if limit is None else corridor_words(limit)


def size_words(foramen: Foramen) -> str:
    """`19 mm high; 12, 11, 8 mm wide`: the widths of its upper, middle and lower third where they were measured."""
    wide = ", ".join(f"{width:.0f}" for width in foramen.thirds_mm) if foramen.thirds_mm is not None else f"{foramen.width_mm:.0f}"
    return f"{foramen.height_mm:.0f} mm high; {wide} mm wide"


def artery_words(zone: ArterialZone) -> str:
    """What the row says; the tooltip says more."""
    return "▲ Artery of the cord usual: upper front" if zone.weight == "strong" else "Artery of the cord possible: upper front"


def corridor_words(limit: CorridorLimit) -> str:
    """`As far as checked, free from behind up to 71° to the side, then kidney.`"""
    if limit.angle_deg is None:
        return f"No free way from behind: {limit.ended_by}." if limit.ended_by else "The way from behind lies outside the scan."
    end = f", then {limit.ended_by}" if limit.ended_by else ", nothing met"
    free = "As far as checked, free" if limit.not_checked else "Free"  # what nobody looked for is never clear
    return f"{free} from behind up to {limit.angle_deg:.0f}° to the side{end}."
