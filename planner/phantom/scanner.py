"""From a painted patient to what the scanner shows: kernel, noise, shading of the coil."""

from __future__ import annotations

import cv2
import numpy as np

from planner.phantom.canvas import Canvas
from planner.phantom.tables import imaging_table
from planner.progress import Progress

_SIGMA_PER_FWHM = 0.4247
_METAL_HU, _ELECTRODE_MM, _STREAK_MM = 2600.0, 1.3, 28.0


def scan(canvas: Canvas, generator: np.random.Generator, progress: Progress) -> None:
    """Blur and add noise to the canvas' image, in place, slice by slice."""
    table = imaging_table()
    sigma = [table["blur_fwhm_mm"]["value"] * _SIGMA_PER_FWHM / s for s in canvas.frame.spacing_mm]
    shape = canvas.image.shape
    shading = _coil(shape[1], shape[2]) if canvas.magnetic else None
    grain = max(0.35, 0.45 / canvas.frame.spacing_mm[1])
    # a sharp kernel leaves noise in clumps of about a millimetre; blurring white noise lowers its SD, which is put back
    kernel = np.outer(*[cv2.getGaussianKernel(5, grain)[:, 0]] * 2)
    gain = 1.0 / float(np.sqrt((kernel**2).sum()))
    level = table[f"noise_{canvas.shows}"]["value"]
    for k in range(shape[0]):
        if k % 16 == 0:
            progress(k / shape[0], "Adding noise")
        slab = cv2.GaussianBlur(canvas.image[k].astype(np.float32), (3, 3), sigmaX=max(sigma[2], 0.05), sigmaY=max(sigma[1], 0.05))
        white = generator.standard_normal(shape[1:], dtype=np.float32)
        noise = cv2.GaussianBlur(white, (5, 5), grain) * np.float32(gain * level)
        if shading is None:
            noise += _streaks(white, slab) * np.float32(level)
            noise += _metal_streaks(slab, canvas.frame.spacing_mm[1]) * np.float32(table["metal_streak_hu"]["value"])
        if shading is None:
            canvas.image[k] = np.clip(np.rint(slab + noise), -1024, 3071)
        else:
            other = generator.standard_normal(shape[1:], dtype=np.float32) * np.float32(level)
            # the picture of a magnet is a magnitude: noise in two channels, never below zero
            canvas.image[k] = np.clip(np.rint(np.hypot(slab * shading + noise, other)), 0, 4095)


def _streaks(white: np.ndarray, slab: np.ndarray) -> np.ndarray:
    """Noise that runs from side to side where much bone lies in the beam's way: few photons pass there. In units of the noise's SD."""
    bone = np.clip((slab - 250.0) / 600.0, 0.0, 1.0).sum(axis=1)
    thick = cv2.GaussianBlur(bone[:, None], (1, 31), 6.0)
    drawn = cv2.blur(white, (31, 2))
    return np.asarray(np.clip(thick / 45.0 - 0.25, 0.0, 1.2) * drawn * 3.4, dtype=np.float32)


def _metal_streaks(slab: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Bright and dark rays from metal, as long as it is dense: in units of their height beside an electrode."""
    out = np.zeros_like(slab)
    rows, columns = np.nonzero(slab > _METAL_HU)
    if not len(rows):
        return out
    reach = int(_STREAK_MM / spacing_mm)
    box = (slice(max(rows.min() - reach, 0), rows.max() + reach + 1), slice(max(columns.min() - reach, 0), columns.max() + reach + 1))
    metal = np.clip((slab[box] - _METAL_HU) / 6000.0, 0.0, 1.0)
    y, x = np.mgrid[-reach:reach + 1, -reach:reach + 1].astype(np.float32)
    away, angle = np.hypot(x, y), np.arctan2(y, x)
    # few views pass the metal end on: the rays alternate, and fade with the distance
    rays = np.cos(7.0 * angle + 0.6) * np.cos(3.0 * angle - 0.4) / (1.0 + away * spacing_mm / 3.0) * (away <= reach) * (away > 0)
    area = (_ELECTRODE_MM / spacing_mm) ** 2
    out[box] = cv2.filter2D(metal.astype(np.float32), -1, rays / area, borderType=cv2.BORDER_CONSTANT)
    return out


def _coil(rows: int, columns: int) -> np.ndarray:
    """A spine coil: brighter near the back, a little uneven from side to side."""
    y, x = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, columns)[None, :]
    return np.asarray(np.exp(0.48 * y - 0.14 - 0.22 * x**2 + 0.05 * np.sin(2.4 * x + 0.8)), dtype=np.float32)
