"""Real scans as volumes, read without planner.scan so that these tests judge the anatomy alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom

from planner.geometry import Frame, Volume, read_nifti


def dicom_volume(folder: Path) -> Volume:
    """The slices of a folder, sorted along their normal, in the standard frame."""
    read = [pydicom.dcmread(path, force=True) for path in sorted(folder.iterdir())]
    images = [image for image in read if "ImagePositionPatient" in image]
    row, column = (np.array(images[0].ImageOrientationPatient[n : n + 3], dtype=float) for n in (0, 3))
    images.sort(key=lambda image: float(np.cross(row, column) @ np.array(image.ImagePositionPatient, dtype=float)))
    first, last = (np.array(images[n].ImagePositionPatient, dtype=float) for n in (0, -1))
    affine = np.eye(4)
    affine[:3, 0] = (last - first) / (len(images) - 1)
    affine[:3, 1] = column * float(images[0].PixelSpacing[0])
    affine[:3, 2] = row * float(images[0].PixelSpacing[1])
    affine[:3, 3] = first
    stored = np.stack([image.pixel_array.astype(np.int32) for image in images])
    values = stored * float(images[0].RescaleSlope) + float(images[0].RescaleIntercept)
    return Volume(Frame(values.shape, affine), values.astype(np.int16), "CT").to_axial()


def nifti_volume(path: Path, modality: str = "CT") -> Volume:
    file = read_nifti(path)
    padding = -2048.0 if modality == "CT" and file.voxels.min() <= -2048 else None
    return Volume(file.frame, file.voxels.astype(np.int16), modality, padding=padding).to_axial()
