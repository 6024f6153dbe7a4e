"""The door: a path -> what it holds, each volume with its verdict, each other file with the reason why it is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.progress import Progress, part, silent
from planner.refusal import Refusal
from planner.scan.disc import missing_files
from planner.scan.files import Found, find
from planner.scan.group import by_geometry, by_series, by_time, uid_of, value_words, without_copies, without_localizers
from planner.scan.headers import Unreadable, read_header
from planner.scan.images import AIR_HU, judge_image
from planner.scan.judge import judge, refused
from planner.scan.pixels import Undecodable, read_pixels, rescale_of, stored_type
from planner.scan.series import Scan, Series, Skipped, Slice
from planner.scan.thumbnail import thumbnail

MOST_SKIPPED = 1000
_PLAIN_REASONS = {
    "empty": "An empty file.",
    "text": "A text file, not an image.",
    "gzip": "A gzip file: unpack it first.",
    "other": "Not a DICOM, NIfTI, NRRD or MetaImage file.",
    "zip": "A ZIP file.",
}
_WAY_OUT = "Choose the folder with the patient's DICOM files, a NIfTI, NRRD or MetaImage file, or a ZIP file of them."


def read(path: Path, progress: Progress = silent) -> Scan:
    """All series under a folder, in a file or in a ZIP file. Positions in LPS, mm.

    Only headers are read, and one slice a series to see that its pixels can be had. Raises Refusal where the path leads to nothing, or to
    nothing that is medical; files that are DICOM but no slices come back as `skipped`.
    """
    path = _there(Path(path))
    if path.is_file() and path.name.upper() == "DICOMDIR":
        path = path.parent  # the index is only a hint: what counts is the folder
    found, skipped = find(path, part(progress, 0.0, 0.05))
    if not found and not skipped:
        raise Refusal("The folder is empty.", _WAY_OUT)
    slices, images, rejected = _headers(found, part(progress, 0.05, 0.7))
    skipped += rejected
    series, left_out = _volumes(slices, part(progress, 0.7, 1.0))
    skipped += left_out
    lost = missing_files(found)
    skipped = [Skipped(one.path, lost.get(one.path, one.reason)) for one in skipped]
    series = _in_order(series + images)
    if not series:
        _refuse_if_nothing(path, found, skipped)
    skipped.sort(key=lambda one: one.path)
    progress(1.0, "Scan read")
    return Scan(path, tuple(series), tuple(skipped[:MOST_SKIPPED]), len(skipped), tuple(slices))


def _there(path: Path) -> Path:
    """The path made absolute, so that a series can be loaded later. Raises Refusal where nothing lies there that can be read."""
    try:
        path = path.absolute()
        there, fit = path.exists(), path.is_dir() or path.is_file()
    except OSError as error:
        raise Refusal("The path cannot be opened: no permission, or the disc fails.", "Check its permissions.") from error
    if not there:
        raise Refusal(f"There is no file or folder at {path}.", "Check the path, or connect the disc that it is on.")
    if not fit:
        raise Refusal("The path is neither a file nor a folder.", _WAY_OUT)
    return path


def _headers(found: Sequence[Found], progress: Progress) -> tuple[list[Slice], list[Series], list[Skipped]]:
    slices: list[Slice] = []
    images: list[Series] = []
    rejected: list[Skipped] = []
    for n, one in enumerate(found):
        if n % 10 == 0:
            progress(n / len(found), "Reading headers")
        try:
            if one.kind == "dicom":
                slices += read_header(one)
            elif one.kind in ("nifti", "image"):
                images.append(judge_image(one))
            else:
                rejected.append(Skipped(one.place.name, _PLAIN_REASONS[one.kind]))
        except Unreadable as reason:
            rejected.append(Skipped(one.place.name, str(reason)))
    return slices, images, rejected


def _volumes(slices: Sequence[Slice], progress: Progress) -> tuple[list[Series], list[Skipped]]:
    series: list[Series] = []
    skipped: list[Skipped] = []
    groups = by_series(slices)
    for n, group in enumerate(groups):
        progress(n / len(groups), "Checking series")
        uid = uid_of(group)
        unique, copies = without_copies(group)
        kept, localizers = without_localizers(unique)
        skipped += localizers
        repairs = (f"{copies} slices are there twice: the copies are left out.",) if copies > 1 else ()
        repairs = ("One slice is there twice: the copy is left out.",) if copies == 1 else repairs
        parts: list[Series] = []
        for place in by_geometry(kept):
            volumes, apart = by_time(place)
            held = f"The series holds {len(volumes)} volumes of one place, told apart by {apart}"
            for volume in volumes:
                said = (f"{held}{value_words(volume, apart)}.",) if apart else ()
                for one in judge(volume, uid, repairs):
                    parts.append(replace(one, reasons=said + one.reasons))
        series += [with_pixels_tried(one) for one in parts]
    return series, skipped


def with_pixels_tried(series: Series) -> Series:
    """The series with a thumbnail of its middle slice; refused where that cannot be decoded, or where a CT has no HU."""
    middle = series.pictures[len(series.pictures) // 2]
    pixels = middle.pixels
    stored = np.empty((pixels.rows, pixels.columns), stored_type(pixels))
    try:
        read_pixels(middle, stored)
    except Undecodable as reason:
        if not series.usable:
            return series
        way_out = "Export the series again without compression, or with JPEG 2000 or JPEG-LS lossless."
        return refused(series, (str(reason),), way_out)
    series = replace(series, thumbnail=_thumbnail_of(middle, stored))
    if series.modality != "CT" or not series.usable:
        return series
    image = stored if pixels.padding is None else stored[stored != pixels.padding]
    low = float(np.percentile(image, 1)) * (pixels.slope or 1.0) + (pixels.intercept or 0.0) if image.size else AIR_HU
    if low <= AIR_HU:
        return series
    if pixels.intercept is None:
        sentence = f"The CT has no rescale to HU: its darkest parts read {low:.0f} where air is -1000."
        return refused(series, (sentence,), "Load the original series.")
    note = f"The middle slice shows no air (its darkest parts read {low:.0f} HU): check that the values are HU."
    return replace(series, reasons=(*series.reasons, note), notes=(*series.notes, note))


def _thumbnail_of(picture: Slice, stored: NDArray[Any]) -> NDArray[np.uint8]:
    """Greys of a decoded slice; one that does not say how it lies is shown as it was stored."""
    slope, intercept = rescale_of(picture)
    down = np.array(picture.along_column or (0.0, 1.0, 0.0)) * (picture.row_mm or 1.0)
    right = np.array(picture.along_row or (1.0, 0.0, 0.0)) * (picture.column_mm or 1.0)
    return thumbnail(stored * slope + intercept, picture.modality, down, right)


def _in_order(series: list[Series]) -> list[Series]:
    """Most useful first: what can be loaded, then by the number of slices; parts of one series together, and numbered."""
    best: dict[str, tuple[bool, int]] = {}
    for one in series:
        best[one.uid] = min(best.get(one.uid, (True, 0)), _use(one))
    parts: Counter[str] = Counter()
    ordered = []
    for one in sorted(series, key=lambda one: (best[one.uid], one.uid, _use(one), one.pictures[0].number or 0 if one.pictures else 0)):
        ordered.append(replace(one, part=parts[one.uid]))
        parts[one.uid] += 1
    return ordered


def _use(series: Series) -> tuple[bool, int]:
    return not series.usable, -series.slices


def _refuse_if_nothing(path: Path, found: Sequence[Found], skipped: Sequence[Skipped]) -> None:
    if path.is_file() and len(skipped) == 1:
        raise Refusal(f"The file is no scan. {skipped[0].reason}", _WAY_OUT)
    if any(one.kind in ("dicom", "nifti", "image") for one in found):
        return
    if len(skipped) == 1:
        raise Refusal(f"There is no medical image here. {skipped[0].reason}", _WAY_OUT)
    counts = Counter(one.reason for one in skipped).most_common(2)
    said = " ".join(f"{count} of them: {reason}" for reason, count in counts)
    raise Refusal(f"None of the {len(skipped)} files here is a medical image. {said}", _WAY_OUT)
