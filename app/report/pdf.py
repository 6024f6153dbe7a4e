"""The sheet on paper: as PDF, on a printer, or as pictures of its pages. One layout draws all three."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMarginsF, QSizeF, Qt
from PySide6.QtGui import QImage, QPagedPaintDevice, QPageLayout, QPageSize, QPainter, QPdfWriter

from app.report.flow import BODY, GREY, INK, PALE, SMALL, TITLE, TONES, Flow, Style
from app.report.fonts import ready_to_paint
from app.report.sheet import Card, Sheet
from planner.whole_files import write_whole

_RESOLUTION = 600
_A4_POINTS = (595.28, 841.89)
_SHARES = (1.0, 0.96, 0.92, 0.88)  # below it a card could not be read at arm's length
_CHECKS, _BEHIND = Style(8.8), Style(7.8)
_LEAD = Style(9.0)


def write_pdf(sheet: Sheet, path: Path, size: QPageSize.PageSizeId = QPageSize.PageSizeId.A4) -> None:
    """Write the sheet as PDF, A4 unless said otherwise; whole or not at all. Raises OSError when the file cannot be written."""
    write_whole(path, pdf_bytes(sheet, size))


def pdf_bytes(sheet: Sheet, size: QPageSize.PageSizeId = QPageSize.PageSizeId.A4) -> bytes:
    """The sheet as PDF."""
    data = QByteArray()
    buffer = QBuffer(data)  # QPdfWriter says nothing of a disk that is full
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setPageSize(QPageSize(size))
    writer.setPageMargins(QMarginsF(0, 0, 0, 0), QPageLayout.Unit.Point)
    writer.setResolution(_RESOLUTION)
    writer.setTitle(sheet.title)
    writer.setCreator("Duraplan")
    print_sheet(sheet, writer)
    buffer.close()
    return bytes(data.data())


def print_sheet(sheet: Sheet, device: QPagedPaintDevice) -> None:
    """Draw the sheet on a printer or a PDF writer. Raises OSError when the device cannot begin or goes on no further."""
    ready_to_paint()
    page: QSizeF = device.pageLayout().fullRect(QPageLayout.Unit.Point).size()
    scale = device.logicalDpiX() / 72.0
    painter = QPainter()
    if not painter.begin(device):
        raise OSError("the printer cannot begin")
    failed = False

    def turn() -> None:
        nonlocal failed
        failed = not device.newPage() or failed

    _draw(sheet, painter, page.width(), page.height(), scale, turn)
    if not painter.end() or failed:
        raise OSError("the sheet could not be printed to its end")


def page_images(sheet: Sheet, dots_per_inch: float = 110.0) -> list[QImage]:
    """The pages as pictures, A4, for the preview on screen."""
    ready_to_paint()
    scale = dots_per_inch / 72.0
    pages: list[QImage] = []
    painter = QPainter()

    def turn() -> None:
        if painter.isActive():
            painter.end()
        page = QImage(round(_A4_POINTS[0] * scale), round(_A4_POINTS[1] * scale), QImage.Format.Format_RGB32)
        page.fill(Qt.GlobalColor.white)
        pages.append(page)
        painter.begin(page)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)

    turn()
    _draw(sheet, painter, *_A4_POINTS, scale, turn)
    painter.end()
    return pages


def _draw(sheet: Sheet, painter: QPainter, width: float, height: float, scale: float, turn: Callable[[], None]) -> None:
    def measure(share: float) -> Flow:
        flow = Flow(None, width, height, scale, lambda: None)
        flow.shrink(share)
        return flow

    shares = [_share(sheet, card, measure) for card in sheet.cards]
    measured = measure(1.0)
    _sheet(measured, sheet, shares, 0)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    _sheet(Flow(painter, width, height, scale, turn), sheet, shares, measured.pages)


def _share(sheet: Sheet, card: Card, measure: Callable[[float], Flow]) -> float:
    """The size at which a card fits on its one page: the largest that does; the full size where none can be read any more."""
    for share in _SHARES:
        flow = measure(share)
        _card(flow, sheet, card)
        if flow.pages == 1:
            return share
    return 1.0


def _sheet(flow: Flow, sheet: Sheet, shares: Sequence[float], pages: int) -> None:
    flow.foot = lambda on: _foot(on, sheet, pages)
    first = flow.pages
    for number, (card, share) in enumerate(zip(sheet.cards, shares)):
        if number:
            flow.new_page()
        flow.shrink(share)
        first = flow.pages
        _card(flow, sheet, card)
    if sheet.sections and flow.pages == first and flow.y > flow.height / 2:  # what is short or ran over is followed at once
        flow.new_page()
        flow.shrink(1.0)
    for section in sheet.sections:
        flow.heading(section.title, 60.0 if section.table or section.graph else 20.0)
        for paragraph in section.paragraphs:
            flow.paragraph(paragraph)
        if section.pictures:
            flow.pictures(section.pictures)
        if section.graph:
            flow.graph(section.graph)
        if section.table:
            flow.table(section.table, _BEHIND, pick=True)
    flow.foot(flow)


def _card(flow: Flow, sheet: Sheet, card: Card) -> None:
    _title(flow, sheet, card)
    if card.cautions:
        _cautions(flow, card.cautions)
    if card.figures:
        flow.heading(card.room_title)
        flow.figures(card.figures)
    if card.pictures:
        flow.heading("The way in")
        flow.pictures(card.pictures)
    if card.checks:
        flow.heading("Checks")
        flow.table(card.checks, _CHECKS)
        if card.checks_note:
            flow.y += 2
            flow.paragraph(card.checks_note, SMALL)
    if card.patch:
        flow.heading(card.patch_title)
        flow.figures(card.patch)
    if card.in_the_room:
        flow.heading("In the room")
        for line in card.in_the_room:
            flow.paragraph(line, bullet="•", gap=1.5)
    if card.questions:
        flow.heading("Ask before", 12.0)
        flow.paragraph("     ".join(f"☐ {question}".replace(" ", "\u00a0") for question in card.questions))


def _title(flow: Flow, sheet: Sheet, card: Card) -> None:
    half = flow.width * 0.52
    right, width = flow.left + half + 6, flow.width - half - 6
    top = flow.y
    if sheet.watermark:
        flow.y += flow.text(f"{sheet.watermark}: no patient", Style(9.0, True, TONES["bad"], spaced=True), flow.left, flow.y, half)
    flow.y += flow.text(sheet.title, TITLE, flow.left, flow.y, half) + 1
    blank = "_" * 17
    flow.y += flow.text(f"Patient: {sheet.patient or blank}   Date: _________   Operator: __________", _LEAD, flow.left, flow.y, half)
    title = f"{card.badge} · {card.title}" if card.badge else card.title
    under = flow.text(title, Style(10.5, True, right=True), right, top + 4, width)
    under += flow.text(card.subtitle, Style(_LEAD.size, colour=GREY, right=True), right, top + 5 + under, width)
    flow.y = max(flow.y, top + 5 + under) + 2


def _cautions(flow: Flow, cautions: tuple[str, ...]) -> None:
    style = Style(BODY.size, True)
    heights = [flow.measure(caution, style, flow.width - 20) for caution in cautions]
    total = sum(heights) + 2.0 * len(heights) + 6
    flow.need(total)
    flow.y += 4
    flow.box(flow.left, flow.y, flow.width, total, PALE)
    flow.box(flow.left, flow.y, 4, total, TONES["caution"])
    flow.y += 4
    for caution, height in zip(cautions, heights):
        flow.text(caution, style, flow.left + 12, flow.y, flow.width - 20)
        flow.y += height + 2
    flow.y += 2


def _foot(flow: Flow, sheet: Sheet, pages: int) -> None:
    top = flow.bottom + 4
    flow.rule(top)
    small = Style(6.8, colour=GREY)
    behind = (sheet.title, sheet.levels, *sheet.foot.split(" · ")[:3])
    said = sheet.foot if flow.pages == 1 else " · ".join(filter(None, behind))
    flow.text(said, small, flow.left, top + 4, flow.width - 60)
    flow.text(f"Page {flow.pages} of {pages}", Style(6.8, colour=INK, right=True), flow.left + flow.width - 58, top + 4, 58)
