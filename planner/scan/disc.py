"""DICOMDIR, the index of a disc: only a hint. What it names and is not there is said; the folder itself is what is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pydicom

from planner.scan.files import Found, open_place

_NAMES = {"DICOMDIR", "DIRFILE"}
_MOST_BYTES = 64 << 20
_MOST_NAMED = 3


def missing_files(found: Sequence[Found]) -> dict[str, str]:
    """For each index that names files that are not there, by the name of the index: the sentence that says so."""
    names = {one.place.name.upper() for one in found}
    said = {}
    for one in found:
        folder, _, name = one.place.name.rpartition("/")
        if one.kind != "dicom" or name.upper() not in _NAMES or one.size > _MOST_BYTES:
            continue
        above = folder.upper().split("/") if folder else []
        # a nested index counts from the folder of the main one
        places = ["/".join(above[:n]) + "/" if n else "" for n in range(len(above) + 1)]
        lost = [file for file in _named(one) if not any(place + file.upper() in names for place in places)]
        if lost:
            listed = ", ".join(lost[:_MOST_NAMED]) + (" and more" if len(lost) > _MOST_NAMED else "")
            said[one.place.name] = f"An index of the disc that names {len(lost)} missing file{'s' * (len(lost) > 1)}: {listed}."
    return said


def _named(index: Found) -> list[str]:
    """Files that an index names, relative to it; none where it is damaged."""
    try:
        with open_place(index.place) as file:
            records: Any = pydicom.dcmread(file, force=True).get("DirectoryRecordSequence") or []
            named = [record.get("ReferencedFileID") for record in records]
    except Exception:  # a damaged index is no loss: the folder is what is read
        return []
    return ["/".join([given] if isinstance(given, str) else map(str, given)) for given in named if given]
