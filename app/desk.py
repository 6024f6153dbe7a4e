"""Desk: what the screen is looking at. No matter of the case, so no matter of undo: the chosen site, the candidate under the eye, the
gesture that the next click makes, the needle under the hand, the volume under the slider."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PySide6.QtCore import QObject, Signal

from app.session import Session
from planner.refusal import Refusal

if TYPE_CHECKING:
    from planner.anatomy.by_hand.edits import Drawable, Edit
    from planner.case.case import Case
    from planner.case.derive import SitePlan
    from planner.leak.leak import Certainty, LeakKind
    from planner.needles.candidate import Candidate

Point = tuple[float, float, float]
Gesture = Literal["", "leak", "move leak", "vertebra", "disc", "ball", "wall", "middle", "level", "window", "foramen", "add level",
                  "second"]  # fmt: skip
HAND_TOOLS: frozenset[Gesture] = frozenset({"disc", "ball", "wall", "middle", "level", "window", "foramen", "add level"})
"""Gestures that change the anatomy by hand; all but what is added stay in the hand until they are left."""

PROMPTS: dict[str, str] = {
    "leak": "Click in any view to mark the leak. Esc leaves it.",
    "move leak": "Click where the leak is. Esc leaves it.",
    "vertebra": "Click on a vertebra that you can name. Esc leaves it.",
    "disc": "Draw in any slice; Ctrl erases; [ and ] size the brush. Esc leaves it.",
    "ball": "Draw a ball in any slice; Ctrl erases; [ and ] size it. Esc leaves it.",
    "wall": "Drag a point of the canal's wall in any slice. Esc leaves it.",
    "middle": "Drag a point of the canal's middle in any slice. Esc leaves it.",
    "level": "Drag the middle of a vertebra in any slice. Esc leaves it.",
    "window": "Click on the gap between two laminae. Esc leaves it.",
    "foramen": "Click on the middle of a foramen. Esc leaves it.",
    "add level": "Click on the middle of a vertebral body that has no name. Esc leaves it.",
    "second": "Drag the second scan; Ctrl+drag turns it. Esc leaves it.",
}


class Desk(QObject):
    """Read its values, call its methods, listen to `changed`."""

    changed = Signal()
    station_wanted = Signal(int)
    second_wanted = Signal(str)  # a second scan, from a "folder" or a "file"
    place_wanted = Signal(object)  # a Point that all views should show
    along_wanted = Signal(object)  # a Candidate to look along
    moved_ml = Signal(float)  # the slider moves; only the patch in the views follows
    sheet_wanted = Signal(str)  # "pdf", "html", "print", "pacs"

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.site = 0
        self.candidate: int | None = None
        self.gesture: Gesture = ""
        self.vertebra_at: Point | None = None
        self.drawn: Drawable = "bone"
        self.size_mm = 4.0
        self.leak_kind: LeakKind = "ventral"
        self.certainty: Certainty = "observed"
        self.live: Candidate | None = None
        self.live_ml: float | None = None
        self.problem = ""
        self.reported: Case | None = None
        self.sheet_said = ""
        session.changed.connect(self._follow)

    def _follow(self) -> None:
        """Stay inside what there is after every act, undo included."""
        self.site = min(self.site, max(0, len(self.session.case.sites) - 1))
        if not self.session.case.sites and self.gesture == "move leak":
            self.gesture = ""

    # ---- what is looked at ---------------------------------------------------------------------------------------------

    @property
    def plan(self) -> SitePlan | None:
        """The plan of the chosen site, the stale one while a new one is made."""
        sites = self.session.sites
        return sites[self.site].value if self.site < len(sites) else None

    @property
    def looked_at(self) -> Candidate | None:
        """The needle under the hand, else the one whose card is open."""
        return self.live if self.live is not None and self.plan is not None else self.shown_candidate

    @property
    def shown_candidate(self) -> Candidate | None:
        """The candidate whose card is open: the one clicked, the one taken, or the best."""
        plan = self.plan
        if plan is None:
            return None
        if self.candidate is not None and self.candidate < len(plan.search.candidates):
            return plan.search.candidates[self.candidate]
        return plan.used

    @property
    def ml(self) -> float:
        """The volume that the patch is shown at: the slider's, else the sum of all doses."""
        if self.live_ml is not None:
            return self.live_ml
        return self.planned_ml

    @property
    def planned_ml(self) -> float:
        """The sum of all doses of sites that have a needle."""
        plans = [site.value for site in self.session.sites if site.value is not None]
        return sum(plan.blood_ml + plan.fibrin_ml for plan in plans if plan.used is not None)

    # ---- looking -------------------------------------------------------------------------------------------------------

    def choose_site(self, index: int) -> None:
        """Work on another site, and show it."""
        self.site, self.candidate, self.live, self.problem = index, None, None, ""
        self.show_leak()
        self.changed.emit()

    def show_leak(self) -> None:
        """Bring the chosen leak into all views."""
        if self.site < len(self.session.case.sites):
            self.place_wanted.emit(self.session.case.sites[self.site].leak.position_mm)

    def look_at(self, index: int | None) -> None:
        """Open a candidate's card, and show it in the views."""
        self.candidate, self.live = index, None
        self.show_needle()
        self.changed.emit()

    def show_needle(self) -> None:
        """Bring the tip of the needle that is looked at into all views."""
        if self.looked_at is not None:
            self.place_wanted.emit(self.looked_at.target_mm)

    def ask(self, gesture: Gesture) -> None:
        """Let the next click in a view do this; asking twice leaves it."""
        self.gesture = "" if gesture == self.gesture else gesture
        self.problem = ""
        if gesture != "vertebra":
            self.vertebra_at = None
        self.changed.emit()

    def leave(self) -> None:
        """Esc: drop the gesture and what waits for an answer."""
        self.gesture, self.vertebra_at, self.problem = "", None, ""
        self.changed.emit()

    def drag(self, entry_mm: Point, target_mm: Point) -> None:
        """A needle's end moves under the hand: its checks follow."""
        try:
            self.live = self.session.check_needle(self.site, entry_mm, target_mm)
            self.problem = ""
        except Refusal as refusal:  # dragged to where nothing can be checked
            self.problem = str(refusal)
        self.changed.emit()

    def drop(self, entry_mm: Point, target_mm: Point) -> None:
        """The hand let go of the needle."""
        self.live, self.candidate = None, None
        refusal = self.session.move_needle(self.site, entry_mm, target_mm)
        self.problem = "" if refusal is None else str(refusal)
        self.changed.emit()

    # ---- acts ----------------------------------------------------------------------------------------------------------

    def attempt(self, act: Any) -> bool:
        """Do an act; a refusal becomes the sentence of the panel that asked."""
        refusal = self.session.attempt(act)
        self.problem = "" if refusal is None else str(refusal)
        self.changed.emit()
        return refusal is None

    def click(self, at: Point) -> bool:
        """A click in a view while a gesture is asked for. False: nobody asked, the view may do what it does."""
        gesture, self.gesture = self.gesture, ""
        if gesture == "leak":
            self.mark_leak(at)
        elif gesture == "move leak":
            self.move_leak(at)
        elif gesture == "vertebra":
            self.ask_vertebra(at)
        elif gesture == "window" or gesture == "foramen" or gesture == "add level":
            from app.hand import added

            self.change_by_hand(added(self, gesture, at))
        return bool(gesture)

    def change_by_hand(self, edit: Edit | None) -> bool:
        """Change the anatomy by hand; an edit that changes nothing here is refused. None: no such edit can be made, the reason is said.
        Where no canal was found, a stroke that draws one can be made all the same."""
        from planner.anatomy.by_hand.apply import NO_CANAL_YET, checked
        from planner.anatomy.by_hand.path import draws_canal
        from planner.case.acts import Act, edit_by_hand

        anatomy = self.session.anatomy.value
        if edit is not None and anatomy is None and self.session.anatomy.state == "refused":
            if draws_canal(edit):
                return self.attempt(lambda: edit_by_hand(self.session.case, edit))
            self.problem = NO_CANAL_YET
        if edit is None or anatomy is None:
            self.problem = self.problem or "There is no anatomy to change yet. Wait until it is found."
            self.changed.emit()
            return False

        def act() -> Act:
            return edit_by_hand(self.session.case, checked(anatomy, edit))

        return self.attempt(act)

    def mark_leak(self, at: Point) -> None:
        """Mark a leak of the kind that the panel has chosen."""
        from planner.case.acts import add_leak
        from planner.leak import place

        anatomy = self.session.anatomy.value
        self.station_wanted.emit(2)
        if anatomy is None:
            self.problem = "A leak needs the anatomy: it says level and side. Wait until it is found."
            self.changed.emit()
            return
        known = len(self.session.case.sites)
        kind, certainty = self.leak_kind, self.certainty
        if self.attempt(lambda: add_leak(self.session.case, place(anatomy, at, kind, certainty))):
            self.site, self.candidate = known, None
            self.place_wanted.emit(at)
            self.changed.emit()

    def move_leak(self, at: Point) -> None:
        """Move the chosen leak."""
        from planner.case.acts import move_leak
        from planner.leak import place

        anatomy, leak, index = self.session.anatomy.value, self.session.case.sites[self.site].leak, self.site
        if anatomy is not None:
            self.attempt(lambda: move_leak(self.session.case, index, place(anatomy, at, leak.kind, leak.certainty)))

    def ask_vertebra(self, at: Point) -> None:
        """Ask in the Anatomy panel what the vertebra at this place is called."""
        self.vertebra_at, self.gesture = at, ""
        self.station_wanted.emit(1)
        self.changed.emit()

    def name_vertebra(self, name: str) -> None:
        """The answer."""
        from planner.case.acts import name_vertebra

        at, self.vertebra_at = self.vertebra_at, None
        anatomy = self.session.anatomy.value
        counted = None if anatomy is None else anatomy.numbering.with_name(name)  # a label map may count six lumbar vertebrae
        if at is not None:
            self.attempt(lambda: name_vertebra(self.session.case, name, at, counted))

    def take(self, candidate: Candidate | None) -> None:
        """Take the needle that is looked at, or leave the one that was taken."""
        from planner.case.acts import leave_needle, take_needle
        from planner.case.case import TakenNeedle

        index = self.site
        if candidate is None:
            self.attempt(lambda: leave_needle(self.session.case, index))
        else:
            taken = TakenNeedle(candidate.entry_mm, candidate.target_mm)
            self.attempt(lambda: take_needle(self.session.case, index, taken))
        self.candidate, self.live = None, None
        self.changed.emit()

    def open(self, path: Path) -> None:
        """Open what the user named."""
        self.problem = ""
        self.session.open_path(path)
