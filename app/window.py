"""The window: rail, panel, views. It is drawn first; what is slow to import comes behind it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent, QKeySequence, QPaintEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from app import style
from app.commands import HANDS, Command, commands
from app.filing import Filing
from app.jobs import Jobs, Outcome
from app.panels import MODULES, Panels
from app.rail import STATIONS, Rail
from app.recent import kept_theme, remember, settings
from app.statusline import StatusLine
from app.topbar import Notice, Topbar, case_words
from app.widgets.palette import Help, Palette
from planner.progress import Progress
from viewer.theme import ThemeName

if TYPE_CHECKING:
    from app.desk import Desk, Gesture
    from app.keeper import Keeper
    from app.opening import ScanMoved
    from app.session import Session
    from app.sheet_view import SheetView
    from app.steps.panel import Panel
    from app.views import Views

_BEHIND = ("app.desk", "app.steps.state", "app.steps.scan", "app.views", "app.keeper", "app.sheet_view")
_NEEDLES, _REPORT = 4, 6
_AT_THE_LEAK = (3, 5)
_NEAR = 2  # from here on the views come near the leak
_SETTLE_MS = 15
_LEAST = (960, 600)


class Window(QMainWindow):
    """One open case. `ready` once everything behind the first paint is there."""

    ready = Signal()

    def __init__(self, path: Path | None = None, theme: ThemeName | None = None) -> None:
        super().__init__()
        self._path = path
        self._theme: ThemeName = theme or kept_theme()
        self._station = 0
        self._session: Session | None = None
        self._desk: Desk | None = None
        self._views: Views | None = None
        self._keeper: Keeper | None = None
        self._sheet: SheetView | None = None
        self._loading = self._navigated = self._prompting = self._closed = False
        self._jobs = Jobs(self)
        self.filing = Filing(self)
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._follow)
        self.setAcceptDrops(True)
        self.setMinimumSize(*_LEAST)
        self.setWindowTitle("Duraplan[*]")
        style.apply(_application(), self._theme)
        self._build()

    # ---- the first paint ---------------------------------------------------------------------------------------------

    def _build(self) -> None:
        whole = QWidget()
        whole.setObjectName("window")
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._commands: tuple[Command, ...] = commands(self)
        self._topbar = Topbar(lambda: self._commands)
        self._notice = Notice()
        self._rail = Rail()
        self._rail.wanted.connect(self.go_to)
        self._panels = Panels(self._make_panel, self._theme)
        self._stage = QStackedWidget()
        empty = QWidget()
        empty.setAccessibleName("Views, not ready yet")
        self._stage.addWidget(empty)
        middle = QHBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(self._rail)
        middle.addWidget(self._panels)
        middle.addWidget(self._stage, 1)
        self._status = StatusLine()
        column.addWidget(self._topbar)
        column.addWidget(self._notice)
        column.addLayout(middle, 1)
        column.addWidget(self._status)
        self.setCentralWidget(whole)
        self._palette = Palette(whole, lambda: self._commands)
        self._help = Help(whole, lambda: self._commands, HANDS)
        self._bind_keys()
        self._topbar.show_state(False)
        self._rail.show_stations(0, [("open", "open")] * len(STATIONS))

    def _bind_keys(self) -> None:
        for command in self._commands:
            if command.bound and command.keys:
                action = QAction(command.name, self)
                keys = [QKeySequence(command.keys)]
                if command.keys == "Ctrl+Return":
                    keys.append(QKeySequence("Ctrl+Enter"))
                action.setShortcuts(keys)
                action.triggered.connect(lambda _on=False, command=command: command.act() if command.enabled() else None)
                self.addAction(action)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._loading:
            self._loading = True
            QTimer.singleShot(0, self._load)

    def _load(self) -> None:
        if self._closed:
            return

        def work(progress: Progress) -> None:
            for name in (*_BEHIND, *MODULES):
                importlib.import_module(name)
                progress(0.0, "Starting")

        self._jobs.start("loading", work, self._loaded)

    def _loaded(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            raise outcome.error
        from app.desk import Desk
        from app.keeper import Keeper
        from app.session import Session
        from app.sheet_view import SheetView
        from app.views import Views
        from viewer import warming

        def warm(progress: Progress) -> None:
            warming.warm()
            from planner.scan import elements

            elements.warm()

        self._jobs.start("warming", warm, lambda outcome: self._stage.update())
        self._session = Session(self)
        self._desk = Desk(self._session, self)
        self._views = Views(self._desk, self._theme, self)
        self._sheet = SheetView(self._desk)
        self._stage.addWidget(self._views.grid)
        self._stage.addWidget(self._sheet)
        self._stage.setCurrentWidget(self._views.grid)
        self._keeper = Keeper(self._session, self._notice)
        self._commands = commands(self)
        self._session.changed.connect(self._settle.start)
        self._session.progressed.connect(lambda *_: self._settle.isActive() or self._settle.start())
        self._session.announced.connect(self._status.say)
        self._session.failed.connect(lambda _error: self.tell_of_bug())
        self._session.scan_missed.connect(self._ask_for_scan)
        self._desk.changed.connect(self._settle.start)
        self._desk.station_wanted.connect(self.go_to)
        self._desk.sheet_wanted.connect(self.filing.make_sheet)
        self._desk.second_wanted.connect(self.filing.choose_second)
        self._views.pointed.connect(self._pointed)
        self._views.window_named.connect(self._topbar.show_window)
        self._panels.open(self._station)
        self._follow()
        self._keeper.offer()
        if self._path is not None:
            self.open(self._path)
        else:
            self.open_example()
        self.ready.emit()

    # ---- following the session ---------------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether there is a session to work on."""
        return self._session is not None and not self._closed

    @property
    def session(self) -> Session:
        """The open case."""
        assert self._session is not None
        return self._session

    @property
    def desk(self) -> Desk:
        """What the screen looks at."""
        assert self._desk is not None
        return self._desk

    @property
    def views(self) -> Views:
        """The four views."""
        assert self._views is not None
        return self._views

    @property
    def sheet(self) -> SheetView:
        """The plan sheet on screen."""
        assert self._sheet is not None
        return self._sheet

    def say(self, sentence: str) -> None:
        """Show a sentence in the status line, and everything else as it is now."""
        self._status.say(sentence)
        self._follow()

    @property
    def station(self) -> int:
        """The station that is open, 0 to 6."""
        return self._station

    def _follow(self) -> None:
        """Show the session as it is now, everywhere."""
        if not self.is_ready:
            return
        from app.steps.state import MARK_WORDS, stations

        session = self.session
        states = stations(self.desk)
        self._rail.show_stations(self._station, [(one.mark, MARK_WORDS[one.mark]) for one in states])
        self._panels.refresh()
        self.views.show(self._station)
        on_sheet = self._station == _REPORT and session.plan is not None
        if self._sheet is not None:
            if on_sheet:
                self._sheet.show_plan()
            self._stage.setCurrentWidget(self._sheet if on_sheet else self.views.grid)
        self._show_bars()
        if not self._navigated and self._station == 0 and self._is_example and session.site_plans is not None:
            self.go_to(_NEEDLES)  # the first start shows what the program is for

    def _show_bars(self) -> None:
        """The top bar, the status line and the title of the window."""
        from app.desk import PROMPTS
        from app.steps.words import anchor_words

        session, gesture = self.session, self.desk.gesture
        self._topbar.show_case(case_words(session))
        self._topbar.show_state(self._theme == "projector")
        anatomy = session.anatomy.value
        self._status.show_anatomy(anatomy, anchor_words(anatomy.anchor) if anatomy is not None else "")
        if gesture:
            self._status.hold(PROMPTS[gesture])
        elif self._prompting:
            self._status.hold("")
        self._prompting = bool(gesture)
        name = session.case_path.name if session.case_path is not None else ""
        self.setWindowTitle(f"{name}[*] – Duraplan" if name else "Duraplan[*]")
        self.setWindowModified(not session.is_saved)

    @property
    def _is_example(self) -> bool:
        scan = self.session.case.scan
        return scan is not None and scan.example is not None

    def _ask_for_scan(self, refusal: ScanMoved, reopen: Callable[[Path], None]) -> None:
        """The scan of a case has moved: whoever opened it may say where to."""

        def say_where() -> None:
            self.filing.choose_scan(refusal.was, reopen)

        self._notice.say(refusal.sentence, [("Say where the scan is", say_where), ("Close", lambda: None)])

    def _make_panel(self, station: int, kind: type[Panel]) -> Panel:
        filing = self.filing
        doors = {
            0: (filing.choose_folder, filing.choose_file, filing.choose_from_pacs, filing.show_native, filing.show_regroup),
            1: (filing.choose_labels, filing.choose_masks),
        }
        return kind(self.desk, self.go_on, *doors.get(station, ()))

    def _pointed(self, at: tuple[float, float, float] | None, value: float | None) -> None:
        if at is None:
            self._status.leave()
            return
        volume, anatomy = self.session.volume_in_sight, self.session.anatomy.value
        divided = self.views.grid.scene.compartments
        self._status.point(at, value, volume.modality if volume is not None else "", anatomy, divided, self.views.second_words(at))

    # ---- commands ----------------------------------------------------------------------------------------------------

    def go_to(self, station: int) -> None:
        """Open a station."""
        if not self.is_ready:
            return
        self._navigated = True
        if station != self._station:
            from app.desk import HAND_TOOLS

            if station == _NEEDLES:
                self.desk.show_needle()
            elif station in _AT_THE_LEAK:
                self.desk.show_leak()
            if (station >= _NEAR) != (self._station >= _NEAR):
                (self.views.come_near if station >= _NEAR else self.views.show_whole)()
            self._station = station
            self.desk.problem = ""
            if self.desk.gesture and (station not in (1, 2) or self.desk.gesture in HAND_TOOLS):
                self.desk.gesture = ""
            self._panels.open(station)
        self._follow()

    def go_on(self) -> None:
        """The next station, if it has what it needs."""
        if self.can_go_on():
            self.go_to(self._station + 1)

    def can_go_on(self) -> bool:
        """Whether the blue button is offered."""
        return self.is_ready and self._panels.can_go_on

    def open(self, path: Path) -> None:
        """Open a folder, a file, a ZIP or a case; what is not saved is asked for first."""
        if self.is_ready and self.filing.may_leave():
            self._navigated = True
            self.go_to(0)
            remember(str(path))
            self.desk.open(path)

    def open_example(self) -> None:
        """Open the built-in example."""
        if self.is_ready and self.filing.may_leave():
            self.session.open_example()

    def has_sheet(self) -> bool:
        """Whether there is a sheet that is not stale."""
        return self.is_ready and self.session.plan is not None

    def has_anatomy(self) -> bool:
        """Whether levels and sides can be told."""
        return self.is_ready and self.session.anatomy.value is not None

    def has_proposal(self) -> bool:
        """Whether there is a needle to take."""
        return self.is_ready and self.desk.looked_at is not None

    def gesture(self, name: Gesture) -> None:
        """Let the next click in a view mark a leak or name a vertebra."""
        self.go_to(2 if name == "leak" else 1)
        self.desk.ask(name)

    def take_proposal(self) -> None:
        """Take the needle that is looked at."""
        self.views.take_proposal()

    def leave(self) -> None:
        """Esc: leave what was begun last: the palette or the help, then a gesture or a sentence of the panel, then a large view."""
        open_now = next((one for one in (self._palette, self._help) if one.isVisible()), None)
        if open_now is not None:
            open_now.vanish()
        elif self.desk.gesture or self.desk.vertebra_at or self.desk.problem:
            self.desk.leave()
        elif self.views.grid.large is not None:
            self.views.grid.enlarge(self.views.grid.large)

    def find_command(self) -> None:
        """Open the palette."""
        self._palette.appear()

    def show_help(self) -> None:
        """Show or hide what keys and mouse do."""
        if self._help.isVisible():
            self._help.vanish()
        else:
            self._help.appear()

    def view_commands(self) -> tuple[Command, ...]:
        """The commands of the views."""
        from app.view_commands import view_commands

        return view_commands(self)

    # ---- looks -------------------------------------------------------------------------------------------------------

    def put_on(self, name: ThemeName) -> None:
        """Wear a theme."""
        self._theme = name
        style.apply(_application(), name)
        if self._views is not None:
            self._views.grid.set_theme(name)
        self._panels.widen(name)
        self._rail.updateGeometry()
        self._follow()
        self._topbar.show_state(name == "projector")

    @property
    def theme(self) -> ThemeName:
        """The theme that is worn."""
        return self._theme

    def switch_projector(self) -> None:
        """F5: the projector theme and back."""
        self.put_on(kept_theme() if self._theme == "projector" else "projector")

    def switch_light(self) -> None:
        """The light theme and back."""
        name: ThemeName = "dark" if self._theme == "light" else "light"
        settings().setValue("theme", name)
        self.put_on(name)

    def switch_full_screen(self) -> None:
        """The whole screen and back."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    # ---- what Qt asks ------------------------------------------------------------------------------------------------

    def changeEvent(self, event: QEvent) -> None:
        """Whoever comes back to the window may have written the label map anew meanwhile."""
        if event.type() == QEvent.Type.ActivationChange and self.is_ready and self.session.case.labels_path is not None:
            self.session.refresh()
        super().changeEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """A key that nobody below took goes to the view under the pointer, then to the command that it names."""
        pointed = self._view_under_pointer()
        if pointed is not None and self.focusWidget() is not pointed:
            pointed.setFocus(Qt.FocusReason.MouseFocusReason)
            QApplication.sendEvent(pointed, event)  # comes back here where the view has no use for it
            return
        pressed = QKeySequence(event.keyCombination())
        free = (one for one in self._commands if one.keys and not one.bound and QKeySequence(one.keys) == pressed)
        command = next((one for one in free if one.enabled()), None)
        if command is not None:
            command.act()
        else:
            super().keyPressEvent(event)

    def _view_under_pointer(self) -> QWidget | None:
        if self._views is None:
            return None
        grid = self._views.grid
        return next((view for view in (*grid.slices.values(), grid.spatial) if view.underMouse()), None)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        local = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if local:
            event.acceptProposedAction()
            self.open(local[0])

    def tell_of_bug(self) -> None:
        """Something failed inside the program: say so; the case is kept."""
        if self._closed:
            return
        self._notice.say("Something failed inside the program. The case is kept; you can go on, or save it.", [("Close", lambda: None)])

    def closeEvent(self, event: QCloseEvent) -> None:
        if self._closed:
            event.accept()
            return
        if not self.filing.may_leave():
            event.ignore()
            return
        settings().setValue("geometry", self.saveGeometry())
        self._closed = True
        self._settle.stop()
        self._status.stop()
        self._jobs.close()
        self.filing.close()
        if self._session is not None:
            self._session.close()
        if self._keeper is not None:
            self._keeper.close()
        if self._sheet is not None:
            self._sheet.close_work()
        if self._views is not None:
            self._views.close()
        event.accept()


def _application() -> QApplication:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    return application
