"""The plan sheet on screen: the very pages that are saved and printed, drawn anew when the plan changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from app.jobs import Jobs, Outcome
from app.screen import ask
from app.widgets.text import label
from planner.progress import Progress
from planner.refusal import Refusal

if TYPE_CHECKING:
    from app.desk import Desk
    from app.report import Sheet

_MARGIN, _WIDEST = 18, 900
_DOTS = 130.0


class SheetView(QScrollArea):
    """Shows the sheet of the session's plan; saves and prints it."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk, self._session = desk, desk.session
        self._key: Hashable = None
        self._sheet: Sheet | None = None
        self._closed = False
        self._jobs = Jobs(self)
        self._jobs.progressed.connect(self._progress)
        self._later = QTimer(self, singleShot=True, interval=30)
        self._later.timeout.connect(self._draw)
        self.setAccessibleName("Plan sheet")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside = QWidget()
        inside.setObjectName("body")
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        self._column.setSpacing(_MARGIN)
        self._words = label("Drawing the sheet", "lead")
        self._column.addWidget(self._words)
        self._column.addStretch(1)
        self.setWidget(inside)
        self._pages: list[_Page] = []

    def show_plan(self) -> None:
        """Show the plan of now; it is drawn where it is not the one that is shown."""
        session = self._session
        key = (session.case, id(session.anatomy.value), tuple(id(site.value) for site in session.sites), id(session.forecast.value))
        if key != self._key:
            self._key, self._sheet = key, None
            self._jobs.cancel("sheet")
            self._words.setText("Drawing the sheet")
            self._words.show()
            self._later.start()

    @property
    def is_drawn(self) -> bool:
        """Whether the pages of the plan of now are on screen."""
        return self._sheet is not None

    def _draw(self) -> None:
        plan, volume, series = self._session.plan, self._session.volume.value, self._session.series
        surfaces = self._session.surfaces.value
        if plan is None or volume is None or self._closed:
            return

        def work(progress: Progress) -> tuple[Sheet, list[QImage]]:
            from app.report import make_sheet, page_images

            sheet = make_sheet(plan, volume, series, surfaces=surfaces, progress=progress)
            return sheet, page_images(sheet, _DOTS)

        self._jobs.start("sheet", work, self._drawn)

    def _progress(self, _kind: str, share: float, what: str) -> None:
        self._words.setText(f"{what}, {round(100 * share)} %")

    def _drawn(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._words.setText("The sheet could not be drawn. The case is safe.")
            self._session.failed.emit(outcome.error)
            return
        if outcome.refusal is not None:
            self._words.setText(str(outcome.refusal))
            return
        sheet, pages = outcome.value
        for old in self._pages:
            self._column.removeWidget(old)
            old.deleteLater()
        self._pages = [_Page(image, n + 1, len(pages)) for n, image in enumerate(pages)]
        for n, page in enumerate(self._pages):
            self._column.insertWidget(1 + n, page)
        self._words.hide()
        self._sheet = sheet
        self._desk.changed.emit()

    # ---- out -----------------------------------------------------------------------------------------------------------

    def save(self, kind: str, path: Path) -> None:
        """Save the sheet as "pdf" or "html"; a full disk or a read-only folder is a sentence in the panel."""
        from app.report import write_html, write_pdf

        if self._written(write_pdf if kind == "pdf" else write_html, path):
            self._reported(f"✓ Saved as {path.name}.")

    def write_for_pacs(self, path: Path) -> bool:
        """Write the sheet as a DICOM object under the scan's patient and study; False where that was refused, with a sentence in the
        panel."""
        from app.report import write_dicom

        return self._written(lambda sheet, path: write_dicom(sheet, self._session.series, path), path)

    def sent(self) -> None:
        """A PACS took the sheet."""
        self._reported("✓ Sent to the PACS.")

    def _written(self, write: Callable[[Sheet, Path], None], path: Path) -> bool:
        from planner.whole_files import refusal_of

        try:
            if self._sheet is None:
                raise Refusal("The sheet is still being drawn.", "Save it once its pages are on screen.")
            self._desk.problem = ""
            write(self._sheet, path)
        except Refusal as refusal:
            self._refuse(refusal)
            return False
        except OSError as error:
            self._refuse(refusal_of(error, "The sheet", path))
            return False
        return True

    def _reported(self, said: str) -> None:
        self._desk.reported = self._session.case
        self._desk.sheet_said = said
        self._desk.changed.emit()

    def print(self) -> None:
        """Ask for a printer and print the sheet."""
        from PySide6.QtPrintSupport import QPrintDialog, QPrinter

        from app.report import print_sheet

        if self._sheet is None:
            return
        printer = QPrinter(QPrinter.PrinterMode.HighResolution)
        if ask(QPrintDialog(printer, self)) != QPrintDialog.DialogCode.Accepted:
            return
        try:
            print_sheet(self._sheet, printer)
        except OSError:
            self._refuse(Refusal("The sheet could not be printed to its end.", "Look at the printer, or save it as PDF."))
            return
        self._reported("✓ Sent to the printer.")

    def _refuse(self, refusal: Refusal) -> None:
        self._desk.problem = str(refusal)
        self._desk.sheet_said = ""
        self._desk.changed.emit()

    def close_work(self) -> None:
        """The window closes."""
        self._closed = True
        self._later.stop()
        self._jobs.close()


class _Page(QWidget):
    """One page, as wide as there is room."""

    def __init__(self, image: QImage, number: int, of: int) -> None:
        super().__init__()
        self._image = image
        self.setAccessibleName(f"Page {number} of {of} of the plan sheet")
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def _width(self, room: int) -> int:
        return min(room, _WIDEST)

    def heightForWidth(self, width: int) -> int:
        return round(self._width(width) * self._image.height() / self._image.width())

    def sizeHint(self) -> QSize:
        return QSize(_WIDEST, self.heightForWidth(_WIDEST))

    def minimumSizeHint(self) -> QSize:
        return QSize(200, 280)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        width = self._width(self.width())
        height = self.heightForWidth(width)
        ratio = self.devicePixelRatioF()
        shown = self._image.scaled(
            round(width * ratio), round(height * ratio), Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        shown.setDevicePixelRatio(ratio)
        painter.drawImage((self.width() - width) // 2, 0, shown)
