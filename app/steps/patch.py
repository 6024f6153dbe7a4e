"""Patch: how much blood and fibrin each needle gives, and what they are likely to reach; every figure with its range."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, QTimer
from PySide6.QtGui import QHideEvent, QWheelEvent
from PySide6.QtWidgets import QDoubleSpinBox, QSlider, QVBoxLayout, QWidget

from app.derived import Derived
from app.steps.panel import Panel
from app.steps.sites import SiteSwitch
from app.steps.words import leak_words, ml, percent, source_words
from app.widgets.graphs import BandGraph, FillGraph, Mark
from app.widgets.progress import ProgressRow
from app.widgets.rows import Rows
from app.widgets.text import Card, button, label, row, say
from app.widgets.values import ValueRow
from planner.case.acts import set_dose
from planner.evidence import number

if TYPE_CHECKING:
    from planner.case.derive import SitePlan
    from planner.patch.forecast import DoseRow, Forecast

_STEPS_PER_ML = 10
_COVER = 90
_REST_MS = 200  # a key that is held is one act


class PatchPanel(Panel):
    """Doses and their forecast."""

    station = 5

    def build(self) -> None:
        self._switch = SiteSwitch(self.desk)
        self.body.addWidget(self._switch)
        most = number("case.most_ml_per_site")
        self._doses = Card(name="Doses")
        self._fibrin = Dose("Fibrin sealant, first", "fibrin", most, self._move, self._commit)
        self._blood = Dose("Autologous blood", "blood", most, self._move, self._commit)
        self._preset = label(role="small", name="Preset")
        self._reset = button("Use the preset", self._use_preset, "link")
        self._doses.add(self._fibrin, self._blood, self._preset, row(self._reset, None))
        self.body.addWidget(self._doses)
        self._working = ProgressRow("forecasting the patch", lambda: self.session.cancel("forecast"))
        self._stopped = row(
            label("The forecast was stopped.", "muted", wrap=False), None, button("Forecast", lambda: self.session.resume("forecast"))
        )
        self.body.addWidget(self._working)
        self.body.addWidget(self._stopped)
        self._rows = Card(name="Forecast")
        self._volume = Dose("Volume in all", "all", most, self._move_all, self._commit_all)
        self._cover, self._fill = ValueRow("Leak covered"), ValueRow("Canal filled, fullest slice")
        self._up, self._down = ValueRow("Up"), ValueRow("Down")
        self._sac, self._out = ValueRow("Sac narrowed, at most"), ValueRow("Out of the foramina")
        self._ventral = ValueRow("In the ventral space")
        self._each = Rows(3)
        self._beyond = label(role="caution", name="Beyond the forecast")
        self._rows.add(
            self._volume, self._beyond, self._cover, self._each, self._fill, self._up, self._down, self._sac, self._out, self._ventral
        )
        self._rows.add(label("Median of the simulated patients, 10th to 90th percentile in brackets.", "small"))
        self.body.addWidget(self._rows)
        self._graphs = Card(name="Cover against volume")
        self._cover_graph = BandGraph("Leak covered against volume")
        self._cover_graph.chosen.connect(self._move_all)
        self._ninety = ValueRow(f"{_COVER} % cover from")
        self._graphs.add(label("Cover against volume", "head"), self._cover_graph, self._ninety)
        self.body.addWidget(self._graphs)
        self._fills = Card(name="Canal filled, slice by slice")
        self._fill_graph = FillGraph("Canal filled along its length")
        self._fills.add(label("Canal filled, head to foot", "head"), self._fill_graph)
        self.body.addWidget(self._fills)
        self._warnings = Rows()
        self.body.addWidget(self._warnings)
        self._drawn: Forecast | None = None

    def lead(self) -> str:
        plan = self.desk.plan
        if plan is None:
            return "How much blood and fibrin, and what they are likely to reach."
        used = plan.used
        if used is None:
            return f"{leak_words(plan.site.leak, self.unsure)}: no needle, so no patch."
        needle = "Needle taken" if plan.taken is not None else "Best needle, not taken yet"
        place = f"{used.side} {used.level or ''}".rstrip()
        return f"{leak_words(plan.site.leak, self.unsure)}. {needle}, tip {used.depth_mm:.0f} mm from the skin, {place}."

    def refusals(self) -> tuple[Derived[object], ...]:
        return (self.session.forecast,)

    def fill(self) -> None:
        self._switch.refresh()
        plan, derived = self.desk.plan, self.session.forecast
        usable = plan is not None and plan.used is not None
        self._doses.setVisible(usable)
        if plan is not None and usable:
            self._show_doses(plan)
        self._working.put(derived.state == "running", derived.share, derived.what or "Forecasting the patch")
        waiting = derived.state == "missing" and self.session.site_plans is not None and usable
        self._stopped.setVisible(waiting)
        forecast = derived.value
        for card in (self._rows, self._graphs, self._fills):
            card.setVisible(forecast is not None)
        if forecast is None:
            self._warnings.show_items([])
            return
        if forecast is not self._drawn:
            self._drawn = forecast
            self._cover_graph.put([one.ml for one in forecast.rows], [one.leak_covered for one in forecast.rows])
        ml_now = self.desk.ml
        now = forecast.at(ml_now)
        reach = forecast.rows[-1].ml
        self._volume.reach(max(reach, ml_now))
        self._volume.put(ml_now)
        say(
            self._beyond,
            f"△ {ml_now:.0f} mL is more than the forecast covers: the figures are those of {reach:g} mL." if ml_now > reach else "",
        )
        self._show_row(now)
        self._cover_graph.now(ml_now, now.leak_covered)
        ninety = forecast.ml_for_cover.get(_COVER)
        said = (
            (f"{ninety.median:.1f} mL", f"({ninety.low:.1f}–{_or_more(ninety.high, reach)})")
            if ninety and ninety.median <= reach
            else (f"more than {reach:g} mL", "")
        )
        self._ninety.put(*said)
        self._show_fill(forecast, ml_now)
        self._show_warnings(forecast, ml_now)

    def _show_doses(self, plan: SitePlan) -> None:
        self._fibrin.put(plan.fibrin_ml)
        self._blood.put(plan.blood_ml)
        preset = plan.preset
        remark = f" {preset.remark}" if preset.remark else ""
        say(
            self._preset,
            f"Preset: {preset.name}, {preset.fibrin_ml:g} mL fibrin and {preset.blood_ml:g} mL blood.{remark}",
        )
        self._preset.setToolTip(f"Source: {preset.source}")
        site = self.session.case.sites[self.desk.site]
        self._reset.setVisible(site.blood_ml is not None or site.fibrin_ml is not None)

    def _show_row(self, now: DoseRow) -> None:
        self._cover.put(*percent(now.leak_covered))
        each = now.each_leak_covered if len(now.each_leak_covered) > 1 else ()
        self._each.show_items([((n, band), partial(ValueRow, f"   site {n + 1}", *percent(band))) for n, band in enumerate(each)])
        self._fill.put(*percent(now.canal_fill_max))
        for shown, band in ((self._up, now.levels_up), (self._down, now.levels_down)):
            shown.put(f"{band.median:.1f} levels", f"({band.low:.1f}–{band.high:.1f})")
        self._sac.put(*percent(now.sac_reduction_max))
        self._out.put(*ml(now.escaped_ml))
        self._ventral.put(*ml(now.ventral_ml))

    def _show_fill(self, forecast: Forecast, ml_now: float) -> None:
        at = min(range(len(forecast.rows)), key=lambda n: abs(forecast.rows[n].ml - ml_now))
        anatomy = self.session.anatomy.value
        levels = [Mark(level.s_mm, level.name) for level in anatomy.levels] if anatomy is not None else []
        leaks = [anatomy.canal.locate(site.leak.position_mm).s_mm for site in self.session.case.sites] if anatomy is not None else []
        low, median, high = (fill[at].tolist() for fill in (forecast.canal_fill_low, forecast.canal_fill, forecast.canal_fill_high))
        self._fill_graph.put(forecast.s_mm.tolist(), low, median, high, levels, leaks)

    def _show_warnings(self, forecast: Forecast, ml_now: float) -> None:
        said = [(sentence, source) for least, sentence, source in forecast.warnings if least < ml_now]
        self._warnings.show_items([(one, partial(_warning, *one)) for one in said])

    # ---- acts ----------------------------------------------------------------------------------------------------------

    def _move(self) -> None:
        """A dose slider of this site moves: the total moves with it, at once."""
        plan = self.desk.plan
        if plan is not None:
            change = self._fibrin.ml + self._blood.ml - plan.fibrin_ml - plan.blood_ml
            self._live(self.desk.planned_ml + change)

    def _commit(self) -> None:
        index, blood, fibrin = self.desk.site, self._blood.ml, self._fibrin.ml
        self.desk.live_ml = None
        self.desk.attempt(lambda: set_dose(self.session.case, index, blood, fibrin))

    def _move_all(self, wanted_ml: float | None = None) -> None:
        self._live(self._volume.ml if wanted_ml is None else wanted_ml)

    def _live(self, total_ml: float) -> None:
        """The rows, the graphs and the views follow at once; the doses on screen stay under the hand."""
        self.desk.live_ml = total_ml
        self.desk.moved_ml.emit(total_ml)
        forecast = self.session.forecast.value
        if forecast is not None:
            now = forecast.at(total_ml)
            self._volume.put(total_ml)
            self._show_row(now)
            self._cover_graph.now(total_ml, now.leak_covered)
            self._show_fill(forecast, total_ml)
            self._show_warnings(forecast, total_ml)

    def _commit_all(self) -> None:
        """The volume slider was let go: fibrin stays, the blood of this site takes up the difference."""
        plan, index = self.desk.plan, self.desk.site
        total, self.desk.live_ml = self._volume.ml, None
        if plan is None:
            return
        here = max(0.0, plan.fibrin_ml + plan.blood_ml + total - self.desk.planned_ml)
        fibrin = round(min(plan.fibrin_ml, here), 1)
        blood = round(here - fibrin, 1)
        self.desk.attempt(lambda: set_dose(self.session.case, index, blood, fibrin))

    def _use_preset(self) -> None:
        index = self.desk.site
        self.desk.attempt(lambda: set_dose(self.session.case, index, None, None))


class Dose(QWidget):
    """A volume: its name, a box for the figure in mL, a slider. `moved` while it moves, `done` when it is let go."""

    def __init__(self, name: str, material: str, most_ml: float, moved: Callable[[], object], done: Callable[[], object]) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        self._box = _Box()
        self._box.setRange(0.0, most_ml)
        self._box.setDecimals(1)
        self._box.setSingleStep(0.5)
        self._box.setSuffix(" mL")
        self._box.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._box.setAccessibleName(f"{name}, mL")
        self._box.setKeyboardTracking(False)
        self._box.setFixedWidth(92)
        self._slider = _Slider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, round(most_ml * _STEPS_PER_ML))
        self._slider.setSingleStep(5)
        self._slider.setPageStep(20)
        self._slider.setAccessibleName(f"{name}, slider")
        self._slider.setProperty("material", material)
        column.addWidget(row(label(name, "head", wrap=False), None, self._box))
        column.addWidget(self._slider)
        self._moved, self._done = moved, done
        self._rest = QTimer(self, singleShot=True, interval=_REST_MS)
        self._rest.timeout.connect(self._finish)
        self._box.valueChanged.connect(self._typed)
        self._slider.valueChanged.connect(self._slid)
        self._slider.sliderReleased.connect(self._finish)

    def reach(self, most_ml: float) -> None:
        """Let it go up to this volume."""
        if self._box.maximum() != most_ml:
            with QSignalBlocker(self._box), QSignalBlocker(self._slider):
                self._box.setMaximum(most_ml)
                self._slider.setMaximum(round(most_ml * _STEPS_PER_ML))

    @property
    def ml(self) -> float:
        """The volume on screen."""
        return round(self._box.value(), 1)

    def put(self, value_ml: float) -> None:
        """Show a volume, unless a hand is on it."""
        if self._slider.isSliderDown() or self._rest.isActive() or abs(self.ml - value_ml) < 0.05:
            return
        with QSignalBlocker(self._box), QSignalBlocker(self._slider):
            self._box.setValue(value_ml)
            self._slider.setValue(round(value_ml * _STEPS_PER_ML))

    def _typed(self, value: float) -> None:
        with QSignalBlocker(self._slider):
            self._slider.setValue(round(value * _STEPS_PER_ML))
        self._finish()

    def _slid(self, steps: int) -> None:
        with QSignalBlocker(self._box):
            self._box.setValue(steps / _STEPS_PER_ML)
        self._moved()
        if not self._slider.isSliderDown():  # a key, or a click beside the handle
            self._rest.start()

    def _finish(self) -> None:
        self._rest.stop()
        self._done()

    def hideEvent(self, event: QHideEvent) -> None:
        """Another station comes: what the hand has set stays. Nothing can be set in a window that is closed."""
        if self._rest.isActive() and self.window().isVisible():
            self._finish()
        self._rest.stop()


class _Box(QDoubleSpinBox):
    """The wheel scrolls the panel and never changes a dose."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class _Slider(QSlider):
    """The same."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


def _or_more(value: float, reach: float) -> str:
    return f"{value:.1f}" if value <= reach else f"over {reach:g}"


def _warning(sentence: str, source: str) -> Card:
    card = Card("card caution", f"Warning: {sentence}")
    return card.add(label(f"△ {sentence}", "caution"), label(source_words(source), "small"))
