"""Label maps of other programs as files: NIfTI, NRRD (Slicer's .seg.nrrd too), DICOM SEG, on their own grid, with the names they carry."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.geometry import Frame
from planner.refusal import Refusal
from planner.scan.files import HEAD_BYTES, kind_of, plain
from planner.scan.headers import Unreadable
from planner.scan.images import read_image
from planner.scan.memory import free_bytes
from planner.scan.series import Place

_WHOLE = 0.01  # a label stored as a fraction is this near to a whole number
MOST = 65535
_KINDS = "Give a label map as NIfTI (.nii, .nii.gz), NRRD (.nrrd, .seg.nrrd) or DICOM SEG."
_NO_PLACE = "Write it anew with its position and orientation."
_MOST_HEADER_BYTES = 1 << 20
_XML_LABEL = re.compile(r'<Label\s[^>]*?Key="(\d{1,5})"[^>]*>\s*(?:<!\[CDATA\[)?([^<\]]{1,200})')
_NRRD_BYTES = {"8": 1, "16": 2, "32": 4, "64": 8, "char": 1, "short": 2, "int": 4, "float": 4, "double": 8, "long": 8}

Numbers = NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class LabelFile:
    """A label map as a file holds it.

    frame: its own grid. layers: numbers [k, j, i], 0 for nothing; more than one where segments overlap. names: what the file calls a
    number, the likeliest name first; empty where it says nothing. sidecar: whether a JSON file beside it gave the names. scheme: the
    scheme of numbers that the JSON file beside it chooses, or None. program: what wrote the file, where it says so. notes: sentences on how
    it was read. unread: what masks beside it are called that were of no use.
    """

    frame: Frame
    layers: tuple[Numbers, ...]
    names: Mapping[int, tuple[str, ...]]
    sidecar: bool = False
    scheme: str | None = None
    program: str = ""
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def read_label_file(path: Path) -> LabelFile:
    """Read a label map whole. Raises Refusal for what is none, is damaged, or does not say where it lies."""
    try:
        with path.open("rb") as file:
            kind = kind_of(file.read(HEAD_BYTES), path.name)
    except (OSError, ValueError) as error:
        raise Refusal(f"There is no label map {plain(path.name)}.", _KINDS) from error
    from planner.scan.dicom_seg import read_dicom_seg  # which makes what this file defines

    read = {"nifti": _nifti, "image": _nrrd, "dicom": read_dicom_seg}.get(kind)
    if read is None:
        raise Refusal(f"{plain(path.name)} is no label map.", _KINDS)
    try:
        found = read(path)
    except Unreadable as error:
        raise Refusal(f"{plain(path.name)} is no label map: {error}", _KINDS) from error
    except MemoryError as error:
        raise Refusal(
            f"The label map {plain(path.name)} does not fit into memory.", "Close other programs, or give a coarser map."
        ) from error
    names, scheme = _sidecar(path)
    if names is not None:
        found = replace(found, names=names, sidecar=True)
    return replace(found, scheme=scheme)


def sidecar_of(path: Path) -> Path:
    """The JSON file beside a label map that says what its numbers mean."""
    stem = path.name
    for ending in (".gz", ".nii", ".nrrd", ".seg", ".dcm"):
        stem = stem.removesuffix(ending)
    return path.parent / f"{stem}.json"


def _sidecar(path: Path) -> tuple[Mapping[int, tuple[str, ...]] | None, str | None]:
    """(names, scheme) of the JSON file beside a map; None for what it does not give. Other JSON files (BIDS, centroids) say nothing."""
    beside = sidecar_of(path)
    if not beside.is_file():
        return None, None
    try:
        content = json.loads(beside.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Refusal(
            f"{plain(beside.name)} does not say what the numbers mean.", 'It holds JSON such as {"20": "vertebra L1"}.'
        ) from error
    if not isinstance(content, dict):
        return None, None
    scheme = content.get("scheme")
    held = content.get("labels", content)
    names = {}
    for number, name in held.items() if isinstance(held, dict) else ():
        if str(number).isdecimal() and 0 < int(number) <= MOST and isinstance(name, str):
            names[int(number)] = (plain(name),)
    return MappingProxyType(names) if names else None, scheme if isinstance(scheme, str) else None


def _whole(voxels: NDArray[Any], slope: float, intercept: float) -> Numbers:
    """Voxels as numbers of labels. Raises Unreadable for an image."""
    values = voxels
    if voxels.dtype.kind == "f" or (slope, intercept) != (1.0, 0.0):
        exact = voxels.astype(np.float32) * np.float32(slope) + np.float32(intercept)
        values = np.rint(exact)
        if not np.isfinite(exact).all() or np.abs(exact - values).max() > _WHOLE:
            raise Unreadable(_not_whole())
    if int(values.min()) < 0 or int(values.max()) > MOST:
        raise Unreadable(_not_whole())
    return values.astype(np.uint16)


def _not_whole() -> str:
    return f"its values are not whole numbers from 0 to {MOST}."


# ---- NIfTI --------------------------------------------------------------------------------------------------------------------------


def _nifti(path: Path) -> LabelFile:
    image = read_image(Place(path, path.name))
    if image.problem is not None:
        raise Refusal(
            f"Where the label map {plain(path.name)} lies is not sure: {image.problem}", "Write it anew with sform and qform alike."
        )
    return LabelFile(image.frame, (_whole(image.voxels, image.slope, image.intercept),), _xml_names(path))


def _xml_names(path: Path) -> Mapping[int, tuple[str, ...]]:
    """The LabelTable that TotalSegmentator and others put into the header. Read as text: no XML of a stranger is expanded."""
    import nibabel

    try:
        content = [extension.get_content() for extension in nibabel.load(path).header.extensions]
    except Exception:  # nibabel raises what its many formats raise; the voxels were read already
        return {}
    text = "\n".join(one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in content)
    return {int(number): (plain(name.strip()),) for number, name in _XML_LABEL.findall(text[:_MOST_HEADER_BYTES])}


# ---- NRRD ---------------------------------------------------------------------------------------------------------------------------


def _nrrd(path: Path) -> LabelFile:
    import SimpleITK

    fields = _nrrd_fields(path)
    try:
        sizes = [int(size) for size in fields.get("sizes", "").split()]
    except ValueError as error:
        raise Unreadable("The NRRD file is damaged.") from error
    width = next((size for word, size in _NRRD_BYTES.items() if word in fields.get("type", "")), 8)
    promised = int(np.prod(sizes, dtype=object)) * width if sizes else 0
    if "data file" in fields or "datafile" in fields:
        raise Unreadable("Its voxels lie in another file.")
    if promised <= 0 or promised > path.stat().st_size * 1100 or promised * 2 > free_bytes():
        raise Unreadable("The file promises more voxels than it holds, or than fit into memory.")
    if "space directions" not in fields or not ("space" in fields or "space dimension" in fields):
        raise Refusal(f"Where the label map {plain(path.name)} lies is not sure: it gives no position.", _NO_PLACE)
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise Unreadable("The NRRD file is damaged.") from error
    if image.GetDimension() != 3:
        raise Unreadable("The file holds no single three-dimensional image.")
    voxels = SimpleITK.GetArrayFromImage(image)
    voxels = voxels[..., None] if voxels.ndim == 3 else voxels
    affine = np.eye(4)
    affine[:3, :3] = (np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing()))[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    layers = [_whole(np.ascontiguousarray(voxels[..., n]), 1.0, 0.0) for n in range(voxels.shape[3])]
    frame = frame_of(layers[0].shape, affine)
    held, names = _slicer_segments(fields, layers)
    return LabelFile(frame, held, names, program="3D Slicer" if names else "")


def _nrrd_fields(path: Path) -> dict[str, str]:
    """The header's fields and key/value pairs."""
    with path.open("rb") as file:
        head = file.read(_MOST_HEADER_BYTES)
    lines = head.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0].decode("utf-8", "replace").split("\n")
    pairs = (line.split(":=", 1) if ":=" in line else line.split(":", 1) for line in lines[1:] if ":" in line and not line.startswith("#"))
    return {pair[0].strip(): pair[1].strip() for pair in pairs}


def _slicer_segments(fields: Mapping[str, str], layers: list[Numbers]) -> tuple[tuple[Numbers, ...], dict[int, tuple[str, ...]]]:
    """Layers whose numbers are one a segment, and the segments' names, where 3D Slicer wrote them; else the numbers as they are."""
    count = 0
    while f"Segment{count}_ID" in fields or f"Segment{count}_Name" in fields:
        count += 1
    if not count:
        if len(layers) > 1:
            raise Unreadable("It holds several values a voxel and no names of segments.")
        return tuple(layers), {}
    tables = [np.zeros(MOST + 1, dtype=np.uint16) for _ in layers]
    names = {}
    for n in range(count):
        layer = _int(fields.get(f"Segment{n}_Layer"), n if len(layers) == count else 0)
        value = _int(fields.get(f"Segment{n}_LabelValue"), 1)
        if not 0 <= layer < len(layers) or not 0 < value <= MOST:
            raise Unreadable("Its list of segments does not fit its voxels.")
        number = value if len(layers) == 1 else n + 1
        tables[layer][value] = number
        kind = [part.split("^")[-1] for part in fields.get(f"Segment{n}_Tags", "").split("~") if part.count("^") == 2]
        names[number] = tuple(plain(name) for name in (fields.get(f"Segment{n}_Name", ""), *kind[1:2]) if name)
    if len(layers) == 1:
        return tuple(layers), names
    return tuple(table[layer] for table, layer in zip(tables, layers)), names


def _int(text: str | None, otherwise: int) -> int:
    try:
        return otherwise if text is None else int(text)
    except ValueError as error:
        raise Unreadable("Its list of segments is damaged.") from error


def frame_of(shape: tuple[int, ...], affine: NDArray[np.float64]) -> Frame:
    """A grid. Raises Unreadable for one that is none."""
    try:
        return Frame((shape[0], shape[1], shape[2]), affine)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise Unreadable("The file's geometry is damaged.") from error
