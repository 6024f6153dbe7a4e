"""Every command once: its name, its keys, what it does and when it can. Menus, shortcuts, the palette and F1 all read this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from app.rail import STATIONS

if TYPE_CHECKING:
    from app.window import Window


def _always() -> bool:
    return True


@dataclass(frozen=True)
class Command:
    """group: its menu. keys: as the user reads them ("Ctrl+Shift+S"); bound: whether they act wherever the focus is. Else whoever has the
    focus may take them first: a view marks the leak under the pointer, a field takes the letter; what nobody takes reaches the window.
    title: the name with what it applies to now ("Undo: take a needle")."""

    group: str
    name: str
    keys: str
    act: Callable[[], object]
    enabled: Callable[[], bool] = _always
    bound: bool = True
    title: Callable[[], str] | None = None

    @property
    def words(self) -> str:
        """The name as it stands now."""
        return self.title() if self.title is not None else self.name


def commands(window: Window) -> tuple[Command, ...]:
    """All commands of a window, in the order of the menus."""

    def ready() -> bool:
        return window.is_ready

    def has_case() -> bool:
        return window.is_ready and window.session.case.scan is not None

    def has_series() -> bool:
        return window.is_ready and window.session.series is not None

    def has_volume() -> bool:
        return window.is_ready and window.session.volume.state == "ready"

    def has_name() -> bool:
        return window.is_ready and window.session.case.anchor is not None

    def has_labels() -> bool:
        return window.is_ready and window.session.case.labels_path is not None

    def has_second() -> bool:
        return window.is_ready and window.session.case.second is not None

    def shows_second() -> bool:
        return has_second() and window.session.second.loaded.state == "ready"

    def undo_words() -> str:
        name = window.session.undo_name if window.is_ready else None
        return f"Undo: {name}" if name else "Undo"

    def redo_words() -> str:
        name = window.session.redo_name if window.is_ready else None
        return f"Redo: {name}" if name else "Redo"

    files = (
        Command("File", "Open a folder", "Ctrl+O", window.filing.choose_folder, ready),
        Command("File", "Open a file, ZIP or case", "Ctrl+Shift+O", window.filing.choose_file, ready),
        Command("File", "Open from a PACS", "", window.filing.choose_from_pacs, ready),
        Command("File", "Open the example", "", window.open_example, ready),
        Command("File", "See the native slices", "", window.filing.show_native, has_series),
        Command("File", "Save the case", "Ctrl+S", window.filing.save, has_case),
        Command("File", "Save the case as", "Ctrl+Shift+S", window.filing.save_as, has_case),
        Command("File", "Send the sheet to a PACS", "", lambda: window.filing.make_sheet("pacs"), window.has_sheet),
        Command("File", "Save the sheet as PDF", "Ctrl+P", lambda: window.filing.make_sheet("pdf"), window.has_sheet),
        Command("File", "Save the sheet as HTML", "", lambda: window.filing.make_sheet("html"), window.has_sheet),
        Command("File", "Print the sheet", "", lambda: window.filing.make_sheet("print"), window.has_sheet),
        Command("File", "Quit", "Ctrl+Q", window.close),
    )
    edits = (
        Command(
            "Edit",
            "Undo",
            "Ctrl+Z",
            lambda: window.session.undo(),
            lambda: ready() and window.session.undo_name is not None,
            title=undo_words,
        ),
        Command(
            "Edit",
            "Redo",
            "Ctrl+Y",
            lambda: window.session.redo(),
            lambda: ready() and window.session.redo_name is not None,
            title=redo_words,
        ),
        Command("Edit", "Mark a leak", "K", lambda: window.gesture("leak"), window.has_anatomy, bound=False),
        Command("Edit", "Name a vertebra", "V", lambda: window.gesture("vertebra"), window.has_anatomy, bound=False),
        Command("Edit", "Take the name of the vertebra back", "", lambda: window.session.take_name_back(), has_name),
        Command("Edit", "Add a second scan", "", lambda: window.filing.choose_second("folder"), has_volume),
        Command("Edit", "Register the second scan again", "", lambda: window.session.second.register_again(), shows_second),
        Command("Edit", "Plan on the second scan", "", lambda: window.session.second.plan_on_it(), shows_second),
        Command("Edit", "Remove the second scan", "", lambda: window.session.second.remove(), has_second),
        Command("Edit", "Take in a label map", "", window.filing.choose_labels, has_volume),
        Command("Edit", "Take in a folder of masks", "", window.filing.choose_masks, has_volume),
        Command("Edit", "Leave the label map", "", lambda: window.session.take_labels(None), has_labels),
        Command("Edit", "Take the best needle", "N", window.take_proposal, window.has_proposal, bound=False),
        Command("Edit", "Leave what was begun", "Esc", window.leave, ready, bound=False),
    )
    walk = (
        *(Command("Stations", f"Go to {name}", f"Alt+{n + 1}", partial(window.go_to, n), ready) for n, name in enumerate(STATIONS)),
        Command("Stations", "Next station", "Ctrl+Return", window.go_on, window.can_go_on),
    )
    looks = (
        Command("Window", "Find a command", "Ctrl+K", window.find_command),
        Command("Window", "Help: keys and mouse", "F1", window.show_help),
        Command("Window", "Projector theme", "F5", window.switch_projector),
        Command("Window", "Light or dark theme", "Shift+F5", window.switch_light),
        Command("Window", "Full screen", "F11", window.switch_full_screen),
    )
    return (*files, *edits, *walk, *window.view_commands(), *looks)


HANDS = (
    ("Scroll", "wheel, PgUp and PgDn, arrows; Shift for 5; Home, End"),
    ("Crosshair", "click jumps, drag moves, Shift+move follows, X hides"),
    ("Window and level", "right drag; double right click: by itself; 1 to 5 presets"),
    ("Pan", "middle drag, or Space and left drag"),
    ("Zoom", "Ctrl+wheel at the pointer; F fits"),
    ("Turn the planes", "Alt+drag; R returns to the standard view"),
    ("Large view and back", "double click, Ctrl+1 to 4; Esc back"),
    ("Second scan", ", and . blend, B on and off; Shift+right drag its window; Move by hand: drag shifts, Ctrl+drag turns"),
    ("Measure", "D distance, A angle, Del removes"),
    ("Leak, vertebra", "K marks a leak, V names a vertebra under the pointer"),
    ("Needle", "N takes the best; drag its ends, T snaps to the target, Ctrl+drag moves the whole"),
    ("By hand", "Anatomy, Change: left drag draws, Ctrl erases, [ and ] or Shift+wheel size; wall, middle, levels are dragged"),
    ("3D", "drag turns, middle drag pans, wheel zooms"),
)
"""What hands do in a view, for F1."""
