"""The plan sheet: one value (`Sheet`), drawn as HTML, as PDF, on a printer and on the screen."""

from app.report.compose import is_phantom, make_sheet
from app.report.dicom import write_dicom
from app.report.html import sheet_html, write_html
from app.report.pdf import page_images, print_sheet, write_pdf
from app.report.sheet import Sheet

__all__ = ["Sheet", "is_phantom", "make_sheet", "page_images", "print_sheet", "sheet_html", "write_dicom", "write_html", "write_pdf"]
