"""Parts that the panels from Leak to Patch share: which site is worked on, and a source that shows itself when asked."""

from __future__ import annotations

from functools import partial

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.desk import Desk
from app.steps.words import leak_words, source_words
from app.widgets.rows import Rows
from app.widgets.text import button, label, row


class SiteSwitch(Rows):
    """One small button a site, the chosen one pressed; nothing where there is one site."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(0)
        self._desk = desk

    def refresh(self) -> None:
        """Follow the case."""
        sites, chosen = self._desk.session.case.sites, self._desk.site
        key = (tuple(leak_words(site.leak) for site in sites), chosen)
        self.show_items([(key, self._make)] if len(sites) > 1 else [])

    def _make(self) -> QWidget:
        buttons = []
        for index, site in enumerate(self._desk.session.case.sites):
            one = button(
                str(index + 1),
                partial(self._desk.choose_site, index),
                "small",
                f"Site {index + 1}: {leak_words(site.leak)}",
                leak_words(site.leak),
            )
            one.setCheckable(True)
            one.setChecked(index == self._desk.site)
            buttons.append(one)
        return row(label("Site", "muted", wrap=False), *buttons, None, spacing=4)


class Sources(QWidget):
    """`Source`: shows and hides where something comes from, inline."""

    def __init__(self, evidence_ids: tuple[str, ...], what: str) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        self._text = label("\n".join(source_words(one) for one in evidence_ids), "small", name=f"Source of {what}")
        self._text.hide()
        column.addWidget(
            row(button("Source", lambda: self._text.setVisible(self._text.isHidden()), "link", f"Show source of {what}"), None)
        )
        column.addWidget(self._text)
