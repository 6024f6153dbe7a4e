"""NIfTI files: RAS and (i, j, k) in the file, LPS and [k, j, i] here (reference: algorithms 6)."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.geometry.frame import Floats, Frame

NOWHERE = "The file gives no position and no orientation."
_NOT_WHOLE = "The file is not a whole NIfTI image."
_NOT_3D = "The file holds no single three-dimensional image."
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_REVERSED = [2, 1, 0, 3]


@dataclass(frozen=True, eq=False)
class NiftiFile:
    """What a NIfTI file holds, in this project's conventions; `problem` is None or a sentence about its geometry."""

    frame: Frame
    voxels: NDArray[Any]
    slope: float
    intercept: float
    problem: str | None


def _lps(affine: Floats) -> Floats:
    return (_RAS_TO_LPS @ affine)[:, _REVERSED]


def read_nifti(path: Path) -> NiftiFile:
    """A NIfTI-1 or -2 file with its stored voxels [k, j, i]. Raises ValueError with a sentence for what is no 3D image.

    The sform wins over the qform where both are set; `problem` says when they differ, or when neither is set.
    """
    import nibabel

    head = nifti_head(path)
    try:
        image: Any = nibabel.load(path)
        stored = np.asarray(image.dataobj.get_unscaled()).reshape(head.frame.shape[::-1])
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(_NOT_WHOLE) from error
    voxels = np.ascontiguousarray(stored.transpose().astype(stored.dtype.newbyteorder("="), copy=False))
    return NiftiFile(head.frame, voxels, head.slope, head.intercept, head.problem)


@dataclass(frozen=True, eq=False)
class NiftiHead:
    """What a NIfTI file says of itself; `frame`, `slope`, `intercept` and `problem` as of `NiftiFile`.

    kind: of the stored voxels, in the file's byte order. offset: bytes before the first voxel, unpacked.
    """

    frame: Frame
    kind: np.dtype[Any]
    slope: float
    intercept: float
    problem: str | None
    offset: int


def nifti_head(path: Path) -> NiftiHead:
    """The header of a NIfTI file. Raises ValueError with a sentence for what is no 3D image."""
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    try:
        image: Any = nibabel.load(path)
        stored = image.dataobj
        shape, kind, offset = tuple(int(n) for n in stored.shape), stored.dtype, int(stored.offset)
    except (ImageFileError, HeaderDataError, WrapStructError, OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(_NOT_WHOLE) from error
    if len(shape) < 3 or set(shape[3:]) - {1} or min(shape) < 1 or kind.kind not in "iuf":
        raise ValueError(_NOT_3D)
    frame, problem = nifti_place(image, shape[:3])
    return NiftiHead(frame, kind, float(stored.slope), float(stored.inter), problem, offset)


def nifti_place(image: Any, shape: Sequence[int]) -> tuple[Frame, str | None]:
    """(frame, problem) of a nibabel image of this shape (i, j, k), as of `NiftiFile`. Raises ValueError where its geometry is damaged."""
    sform, s_code = image.get_sform(coded=True)
    qform, q_code = image.get_qform(coded=True)
    problem = None
    if s_code and q_code and np.abs(sform - qform).max() > 0.01:
        problem = "The two positions in the file (sform and qform) differ; the sform is used."
    if not s_code and not q_code:
        problem = NOWHERE
    affine = sform if s_code else qform if q_code else image.affine
    try:
        return Frame((shape[2], shape[1], shape[0]), _lps(affine)), problem
    except (ValueError, np.linalg.LinAlgError) as error:
        raise ValueError("The file's geometry is damaged.") from error


def write_nifti(path: Path, voxels: NDArray[Any], frame: Frame) -> None:
    """Write voxels [k, j, i] as NIfTI with sform = qform; .gz by the name. The same input gives the same bytes; whole or not at all."""
    import nibabel

    ras = _RAS_TO_LPS @ frame.affine[:, _REVERSED]
    image = nibabel.Nifti1Image(voxels.transpose(), ras)
    image.set_sform(ras, code="scanner")
    image.set_qform(ras, code="scanner")
    image.header.set_xyzt_units("mm")
    data = image.to_bytes()
    if path.name.endswith(".gz"):
        data = gzip.compress(data, compresslevel=4, mtime=0)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)
