"""Report: the plan sheet on screen, saved as PDF and HTML, printed. Never a sheet of what is stale."""

from __future__ import annotations

from PySide6.QtWidgets import QPlainTextEdit

from app.steps.panel import Panel
from app.steps.words import ONLY_ON_MYELOGRAMS, anchor_words, leak_words
from app.widgets.progress import ProgressRow
from app.widgets.text import Card, button, label, row, say
from app.widgets.values import ValueRow
from planner.case.acts import write_notes


class ReportPanel(Panel):
    """Saves and prints. The window shows the sheet itself where the views were."""

    station = 6

    def build(self) -> None:
        self._check = Card(name="What the sheet says")
        self._sites, self._level, self._unseen = ValueRow("Sites"), label("", "muted"), label("", "caution", name="Not checked")
        self._check.add(self._sites, self._level, self._unseen)
        self.body.addWidget(self._check)
        notes = Card(name="Notes")
        self._notes = QPlainTextEdit()
        self._notes.setAccessibleName("Notes for the sheet")
        self._notes.setPlaceholderText("History, earlier patches, what to watch")
        self._notes.setFixedHeight(84)
        self._notes.setTabChangesFocus(True)
        self._keep = button("Put on the sheet", self._write, name="Put the notes on the sheet")
        self._notes.textChanged.connect(self._offer)
        notes.add(label("Notes", "head"), self._notes, row(self._keep, None))
        self.body.addWidget(notes)
        self._drawing = ProgressRow("drawing the sheet")
        self.body.addWidget(self._drawing)
        self.save_pdf = button("Save PDF…", lambda: self.desk.sheet_wanted.emit("pdf"), "next", "Save the sheet as PDF")
        self.save_html = button("Save HTML…", lambda: self.desk.sheet_wanted.emit("html"), name="Save the sheet as HTML")
        self.print = button("Print…", lambda: self.desk.sheet_wanted.emit("print"), name="Print the sheet")
        self.send = button("Send to a PACS…", lambda: self.desk.sheet_wanted.emit("pacs"), name="Send the sheet to a PACS")
        self._outs = [row(self.save_pdf, self.save_html, self.print, None), row(self.send, None)]
        for outs in self._outs:
            self.body.addWidget(outs)
        self._said = label(role="good", name="Result")
        self.body.addWidget(self._said)
        self.body.addWidget(label("For planning and teaching; not a medical device.", "small"))
        self._shown_notes = ""

    def lead(self) -> str:
        sites = self.session.case.sites
        if self.session.plan is None:
            return "The plan on paper, for the procedure table."
        if len(sites) == 1:
            return f"{leak_words(sites[0].leak, self.unsure)}: the plan on paper."
        return f"{len(sites)} sites: the plan on paper."

    def fill(self) -> None:
        plan = self.session.plan
        for outs in self._outs:
            outs.setVisible(plan is not None)
        self._check.setVisible(plan is not None)
        if plan is not None:
            taken = sum(site.taken is not None for site in plan.sites)
            self._sites.put(f"{len(plan.sites)}", f"({taken} needle{'s' if taken != 1 else ''} taken)")
            say(self._level, f"{anchor_words(plan.anatomy.anchor)}.")
            known = plan.anatomy.structures.items()
            unseen = [name for name, one in known if one.provenance == "not checked" and name not in ONLY_ON_MYELOGRAMS]
            say(self._unseen, f"△ Not checked: {', '.join(unseen)}" if unseen else "")
        if self.session.case.notes != self._shown_notes:
            self._shown_notes = self.session.case.notes
            self._notes.setPlainText(self._shown_notes)
        self._offer()
        say(self._said, self.desk.sheet_said if plan is not None else "")

    def _offer(self) -> None:
        self._keep.setVisible(self._notes.toPlainText() != self.session.case.notes)

    def _write(self) -> None:
        text = self._notes.toPlainText()
        self._shown_notes = text
        self.desk.attempt(lambda: write_notes(self.session.case, text))
