"""Files that the user opens and saves: the only dialogs of the program, and only those to save, to overwrite and to quit hold it up."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QMessageBox

from app.jobs import Outcome
from app.recent import remember
from app.screen import ask, put_in_front
from planner.progress import Progress

if TYPE_CHECKING:
    from app.native_window import NativeWindow
    from app.pacs.dialog import PacsDialog
    from app.regroup_window import RegroupWindow
    from app.window import Window
    from planner.scan import Series


class Filing:
    """Opening and saving for a window."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._pacs: PacsDialog | None = None
        self._native: NativeWindow | None = None
        self._regroup: RegroupWindow | None = None
        self._outgoing: TemporaryDirectory[str] | None = None

    def choose_folder(self) -> None:
        """Let the user choose a folder, beside the window: it blocks nothing."""
        self._choose("Open a folder", QFileDialog.FileMode.Directory, self._window.open)

    def choose_file(self) -> None:
        """Let the user choose a file, a ZIP or a case."""
        self._choose("Open a file, ZIP or case", QFileDialog.FileMode.ExistingFile, self._window.open)

    def choose_from_pacs(self) -> None:
        """Let the user search a PACS and retrieve from it, beside the window: it blocks nothing, its slow imports neither."""

        def work(progress: Progress) -> None:
            importlib.import_module("app.pacs.dialog")

        self._window.session.jobs.start("PACS", work, self._show_pacs)

    def _offer_sheet(self) -> None:
        """Write the sheet as a DICOM object and show the PACS dialog with it: the user chooses the node and sends it."""
        folder = TemporaryDirectory(prefix="duraplan-")
        path = Path(folder.name) / "sheet.dcm"
        if not self._window.sheet.write_for_pacs(path):
            folder.cleanup()
            return
        self._outgoing = folder
        self.choose_from_pacs()

    def _sheet_sent(self) -> None:
        self._forget_sheet()
        self._window.sheet.sent()

    def _forget_sheet(self) -> None:
        if self._outgoing is not None:
            self._outgoing.cleanup()
        self._outgoing = None

    def _show_pacs(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            raise outcome.error
        from app.pacs.dialog import PacsDialog

        if self._pacs is None:
            self._pacs = PacsDialog(self._window, self._window.open)
            self._pacs.finished.connect(self._window.activateWindow)
            self._pacs.finished.connect(self._forget_sheet)
        outgoing = None if self._outgoing is None else Path(self._outgoing.name) / "sheet.dcm"
        self._pacs.offer(outgoing, self._sheet_sent)
        put_in_front(self._pacs)

    def show_native(self, series: Series | None = None) -> None:
        """The slices of a series of the scan, or of the one in use, as they are stored, beside the window."""
        from app.native_window import NativeWindow

        if self._native is None:
            self._native = NativeWindow(self._window, self._window.session, self._window.views)
            self._native.finished.connect(self._window.activateWindow)
        put_in_front(self._native)
        self._native.appear(series)

    def show_regroup(self, uid: str) -> None:
        """The other ways to group the slices of a series, beside the window."""
        from app.regroup_window import RegroupWindow

        if self._regroup is None:
            self._regroup = RegroupWindow(self._window, self._window.session)
            self._regroup.finished.connect(self._window.activateWindow)
        put_in_front(self._regroup)
        self._regroup.show_series(uid)

    def close(self) -> None:
        """End what a dialog has begun."""
        for one in (self._pacs, self._native, self._regroup):
            if one is not None:
                one.close_work()
        self._forget_sheet()

    def choose_second(self, kind: str) -> None:
        """Let the user choose the second scan: a "folder", or a "file"."""
        mode = QFileDialog.FileMode.Directory if kind == "folder" else QFileDialog.FileMode.ExistingFile
        self._choose("Add a second scan", mode, self._window.session.second.open)

    def choose_labels(self) -> None:
        """Let the user choose a label map of another program for the scan that is open."""
        kinds = "Label map: NIfTI, NRRD, DICOM SEG (*.nii *.nii.gz *.nrrd *.dcm);;All files (*)"
        self._choose("Take in a label map", QFileDialog.FileMode.ExistingFile, self._window.session.take_labels, kinds)

    def choose_masks(self) -> None:
        """Let the user choose a folder with one mask for each structure, as TotalSegmentator and 3D Slicer write it."""
        self._choose("Take in a folder of masks", QFileDialog.FileMode.Directory, self._window.session.take_labels)

    def choose_scan(self, was: Path, reopen: Callable[[Path], None]) -> None:
        """Let the user say where the scan of a case is now: a file where it was a file, else a folder."""
        mode = QFileDialog.FileMode.ExistingFile if was.suffix else QFileDialog.FileMode.Directory
        self._choose(f"Where is {was.name}?", mode, reopen)

    def _choose(self, title: str, mode: QFileDialog.FileMode, chosen: Callable[[Path], None], kinds: str = "") -> None:
        dialog = QFileDialog(self._window, title, "", kinds)
        dialog.setFileMode(mode)
        dialog.setModal(False)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda path: chosen(Path(path)))
        dialog.finished.connect(self._window.activateWindow)
        put_in_front(dialog)

    def save(self) -> bool:
        """Save the case where it is, or ask where. False when it was not saved."""
        path = self._window.session.case_path
        return self.save_to(path) if path is not None else self.save_as()

    def save_as(self) -> bool:
        """Ask where to save the case."""
        from planner.case.file import SUFFIX

        chosen = self._ask_where("Save the case", f"plan{SUFFIX}", f"Duraplan case (*{SUFFIX})")
        if chosen is None:
            return False
        return self.save_to(chosen if chosen.suffix == SUFFIX else chosen.with_name(chosen.name + SUFFIX))

    def save_to(self, path: Path) -> bool:
        """Save the case at a path; a refusal is the panel's sentence."""
        refusal = self._window.session.save(path)
        if refusal is not None:
            self._window.desk.problem = str(refusal)
            self._window.say(str(refusal))
            return False
        remember(str(path))
        self._window.say(f"Saved as {path.name}.")
        return True

    def make_sheet(self, kind: str) -> None:
        """Save the sheet as "pdf" or "html", "print" it, or offer it to a "pacs"."""
        if not self._window.has_sheet():
            return
        if kind == "pacs":
            self._offer_sheet()
            return
        if kind == "print":
            self._window.sheet.print()
            return
        path = self._ask_where(f"Save the sheet as {kind.upper()}", f"plan.{kind}", f"{kind.upper()} (*.{kind})")
        if path is not None:
            self._window.sheet.save(kind, path if path.suffix == f".{kind}" else path.with_name(f"{path.name}.{kind}"))

    def _ask_where(self, title: str, name: str, kinds: str) -> Path | None:
        case_path = self._window.session.case_path
        folder = case_path.parent if case_path is not None else Path.home()
        dialog = QFileDialog(self._window, title, str(folder / name), kinds)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        accepted = ask(dialog)
        dialog.deleteLater()
        return Path(dialog.selectedFiles()[0]) if accepted else None

    def may_leave(self) -> bool:
        """Ask what to do with what is not saved."""
        window = self._window
        if not window.is_ready or window.session.is_saved:
            return True
        box = QMessageBox(window)
        box.setOption(QMessageBox.Option.DontUseNativeDialog)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("Duraplan")
        box.setText("The case has changes that are not saved.")
        kinds = QMessageBox.StandardButton
        box.setStandardButtons(kinds.Save | kinds.Discard | kinds.Cancel)
        box.setDefaultButton(kinds.Save)
        answer = ask(box)
        box.deleteLater()
        return answer == kinds.Discard or (answer == kinds.Save and self.save())
