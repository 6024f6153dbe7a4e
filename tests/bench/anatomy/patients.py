"""The cohort: patients that differ in build, curve, stenosis, noise, spacing and modality; each is built once and kept in a folder.

A patient's number alone decides what he is like. The numbers run through the ranges evenly, so that the first few of them are spread
as widely as all are.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.geometry import Floats, Frame, Volume
from planner.phantom import Phantom, PhantomParameters, build
from planner.phantom.parameters import ModalityName

ROOT = Path(__file__).resolve().parents[3]
_IN_TURN = 69  # CT, myelogram and T2; those after them are T1
USUAL = 77
_CANAL = ("epidural space", "thecal sac", "spinal cord")
_MASKS = ("canal", "room", "sac", "body")
_STENOSED = ("T11-T12", "T12-L1", "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")
_NOISE = {"ct": 17.0, "myelogram": 17.0, "mr": 22.0, "mr-t1": 22.0}  # of the phantom, resources/phantom/tissues.json
_LEAKS: tuple[Literal["ventral", "sleeve", "dorsal", "two-level"], ...] = ("ventral", "sleeve", "dorsal", "two-level")
_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23)  # multiples of their roots fill a range evenly and have nothing to do with each other

MODALITIES: tuple[Literal["ct", "myelogram", "mr"], ...] = ("ct", "myelogram", "mr")
Spacing = tuple[tuple[float, float, float], tuple[int, int, int], float | None]
"""Voxels as built, how many of them are averaged into one of the scan, and the width of the field where it is narrow, in mm."""
_CT: tuple[Spacing, ...] = (
    ((0.8, 0.8, 0.8), (1, 1, 1), None), ((1.5, 0.9, 0.9), (1, 1, 1), None), ((1.0, 0.9, 0.9), (3, 1, 1), None),
    ((1.0, 0.7, 0.7), (1, 1, 1), None), ((1.0, 0.8, 0.8), (2, 1, 1), None), ((0.6, 0.75, 0.75), (1, 1, 1), None),
    ((1.25, 0.8, 0.8), (1, 1, 1), None), ((1.25, 0.9, 0.9), (2, 1, 1), None),
)  # fmt: skip
_MR: tuple[Spacing, ...] = (
    ((0.9, 0.9, 0.9), (1, 1, 1), None), ((0.8, 0.8, 1.0), (1, 1, 3), 90.0), ((1.0, 0.8, 0.8), (3, 1, 1), None),
    ((0.8, 0.8, 1.0), (1, 1, 2), 110.0), ((1.5, 0.8, 0.8), (1, 1, 1), None), ((0.8, 0.7, 0.7), (1, 1, 1), None),
    ((1.0, 1.0, 1.0), (1, 1, 3), 110.0), ((1.0, 0.8, 0.8), (2, 1, 1), None),
)  # fmt: skip


@dataclass(frozen=True)
class Patient:
    """A phantom and how it is scanned. block: voxels as built that are averaged into one, as a thick slice does; noise: of the scan, in
    shares of the phantom's own in thin slices; width_mm: of the field from left to right, None for the whole trunk."""

    number: int
    parameters: PhantomParameters
    block: tuple[int, int, int]
    noise: float
    width_mm: float | None

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Of the scan: slices, rows, columns."""
        k, j, i = (step * count for step, count in zip(self.parameters.spacing_mm, self.block))
        return k, j, i

    def words(self) -> dict[str, Any]:
        """What is particular about him, for a table."""
        p = self.parameters
        worst = min((p.stenosis or {"none": 1.0}).items(), key=lambda item: item[1])
        return {
            "patient": self.number, "modality": p.modality, "size": round(p.size, 2), "lordosis": round(p.lordosis, 2),
            "scoliosis_deg": round(p.scoliosis_deg), "stenosis": f"{worst[0]} {worst[1]:.2f}", "bmi": round(p.body_mass_index),
            "position": p.position, "leak": p.leak, "noise": round(self.noise, 1),
            "spacing_mm": " x ".join(f"{step:.2g}" for step in self.spacing_mm), "width_mm": self.width_mm,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scanned:
    """A patient's scan with its truth. canal, sac, body: true masks on the scan's grid (half of a voxel or more). room: the canal with the
    roots that run in it; fine: the same in the voxels that it was built in, on its own frame. truth: as in truth.json."""

    volume: Volume
    canal: NDArray[np.bool_]
    room: NDArray[np.bool_]
    sac: NDArray[np.bool_]
    body: NDArray[np.bool_]
    fine: NDArray[np.bool_]
    fine_frame: Frame
    truth: dict[str, Any]

    def level(self, name: str) -> Floats:
        """The centre of a vertebra's body."""
        return np.array(next(level["centre"] for level in self.truth["levels"] if level["name"] == name))


def patient(number: int) -> Patient:
    """Number 0, 1, 2, ... of the cohort: CT, myelogram and T2 in turn, T1 after them."""
    u = (0.5 + number * np.sqrt(_PRIMES)) % 1.0
    in_turn = number < _IN_TURN
    modality: ModalityName = MODALITIES[number % len(MODALITIES)] if in_turn else "mr-t1"
    choices = _MR if modality.startswith("mr") else _CT
    kind = number // len(MODALITIES) if in_turn else number - _IN_TURN
    spacing, block, width_mm = choices[kind % len(choices)]
    bent = (u[2] - 0.5) / 0.5
    scoliosis = 0.0 if abs(bent) < 0.35 else float(np.sign(bent) * (8.0 + 27.0 * (abs(bent) - 0.35) / 0.65))
    stenosis = None
    if u[3] > 0.4:
        first = int(u[4] * len(_STENOSED))
        count = 1 + int((u[3] - 0.4) / 0.2)
        stenosis = {_STENOSED[(first + 2 * n) % len(_STENOSED)]: round(0.3 + 0.6 * ((u[5] + 0.37 * n) % 1.0), 2) for n in range(count)}
    parameters = PhantomParameters(
        size=round(float(0.88 + 0.24 * u[0]), 3),
        lordosis=round(float(0.5 + 0.8 * u[1]), 3),
        scoliosis_deg=round(scoliosis, 1),
        stenosis=stenosis,
        body_mass_index=round(float(17.0 + 24.0 * u[6]), 1),
        seed=1000 + number,
        leak=_LEAKS[kind % len(_LEAKS)],
        modality=modality,
        spacing_mm=spacing,
        position="supine" if u[7] > 0.6 else "prone",
    )
    return Patient(number, parameters, block, round(float(1.0 + 2.0 * u[8] ** 2), 2), width_mm)


def scanned(one: Patient, cache: Path) -> Scanned:
    """The patient's scan, from the cache where it lies there already."""
    content = json.dumps([one.parameters.as_json(), one.block, one.noise, one.width_mm, phantom_hash()], sort_keys=True)
    path = cache / f"scan-{hashlib.sha256(content.encode()).hexdigest()[:20]}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{one.number}.part.npz")
        _keep(_scan(build(one.parameters), one), part)
        part.replace(path)
    with np.load(path) as held:
        truth = json.loads(str(held["truth"]))
        shape, fine = tuple(held["shape"]), tuple(held["fine_shape"])
        masks = [np.unpackbits(held[name], count=int(np.prod(shape))).astype(bool).reshape(shape) for name in _MASKS]
        fine_mask = np.unpackbits(held["fine"], count=int(np.prod(fine))).astype(bool).reshape(fine)
        volume = Volume(Frame(shape, held["affine"]), held["voxels"], "MR" if one.parameters.magnetic else "CT")
        return Scanned(volume, masks[0], masks[1], masks[2], masks[3], fine_mask, Frame(fine, held["fine_affine"]), truth)


def phantom_hash() -> str:
    """Of everything that decides what a phantom looks like."""
    return sources_hash("planner/phantom/*.py", "resources/phantom/*.json", "tests/bench/anatomy/patients.py")


def sources_hash(*patterns: str) -> str:
    """Of the files of the repository that match."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern)):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _scan(phantom: Phantom, one: Patient) -> Scanned:
    """The scan with its slices' thickness, noise and field; the truth with it."""
    codes = {name: code for code, name in phantom.label_names.items()}
    canal, sac, roots, leaked = (
        np.isin(phantom.labels, [codes[name] for name in names if name in codes])
        for names in (_CANAL, _CANAL[1:], ("nerve root", "ganglion"), ("contrast outside the sac",))
    )
    canal = with_what_lies_in(canal, leaked)
    room = with_what_lies_in(canal, roots)
    box = tuple(slice(max(int(at.min()) - 4, 0), int(at.max()) + 5) for at in room.nonzero())
    fine_frame = phantom.volume.frame.crop([part.start for part in box], [part.start + n for part, n in zip(box, room[box].shape)])
    masks = [averaged(mask, one.block) >= 0.5 for mask in (canal, room, sac, phantom.labels > 0)]
    frame = blocked(phantom.volume.frame, one.block)
    values = averaged(phantom.volume.voxels, one.block)
    voxels = _noisier(values, one, frame)
    if one.width_mm is not None:
        half = round(one.width_mm / 2 / frame.spacing_mm[2])
        middle = frame.shape[2] // 2
        across = slice(max(middle - half, 0), min(middle + half, frame.shape[2]))
        frame = frame.crop((0, 0, across.start), (frame.shape[0], frame.shape[1], across.stop))
        voxels = np.ascontiguousarray(voxels[:, :, across])
        masks = [np.ascontiguousarray(mask[:, :, across]) for mask in masks]
    volume = Volume(Frame(frame.shape, frame.affine), voxels, "MR" if one.parameters.magnetic else "CT")
    fine = np.ascontiguousarray(room[box])
    return Scanned(volume, masks[0], masks[1], masks[2], masks[3], fine, fine_frame, phantom.truth.as_json())


def with_what_lies_in(canal: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The canal with those voxels of roots, or of leaked contrast, that lie inside its outline, hollows of the outline bridged, slice by
    slice: labels give them another name, and yet the wall runs around them."""
    out = canal.copy()
    for k in np.flatnonzero(canal.any(axis=(1, 2)) & others.any(axis=(1, 2))):
        rows, columns = canal[k].nonzero()
        outline = cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.int32))
        hull = np.zeros(canal.shape[1:], dtype=np.uint8)
        cv2.fillConvexPoly(hull, outline, 1)
        out[k] |= others[k] & (hull > 0)
    return out


def averaged(values: NDArray[Any], block: tuple[int, int, int]) -> NDArray[np.float32]:
    """Means of blocks of voxels; what does not fill a block is left out."""
    count = [size // step for size, step in zip(values.shape, block)]
    kept = values[: count[0] * block[0], : count[1] * block[1], : count[2] * block[2]]
    parts = kept.reshape(count[0], block[0], count[1], block[1], count[2], block[2])
    return np.asarray(parts.mean(axis=(1, 3, 5), dtype=np.float32))


def blocked(frame: Frame, block: tuple[int, int, int]) -> Frame:
    """The frame of blocks of voxels."""
    affine = frame.affine.copy()
    affine[:3, :3] *= np.array(block)
    affine[:3, 3] = frame.to_world((np.array(block) - 1) / 2)
    return Frame((frame.shape[0] // block[0], frame.shape[1] // block[1], frame.shape[2] // block[2]), affine)


def _noisier(values: NDArray[np.float32], one: Patient, frame: Frame) -> NDArray[np.int16]:
    """The scan with noise added up to what this patient's has, in grains of the kernel's size."""
    usual = _NOISE[one.parameters.modality]
    there = usual / np.sqrt(np.prod(one.block))
    level = float(np.sqrt(max((usual * one.noise) ** 2 - there**2, 0.0)))
    generator = np.random.default_rng([one.parameters.seed, 9])
    grain = max(0.35, 0.45 / frame.spacing_mm[1])
    out = np.empty(values.shape, dtype=np.int16)
    for k, plane in enumerate(values):
        noise, other = (cv2.GaussianBlur(generator.standard_normal(plane.shape, dtype=np.float32), (5, 5), grain) for _ in range(2))
        noise *= level / max(float(noise.std()), 1e-6)
        if one.parameters.magnetic:  # the picture of a magnet is a magnitude
            other *= level / max(float(other.std()), 1e-6)
            out[k] = np.clip(np.rint(np.hypot(plane + noise, other)), 0, 4095)
        else:
            out[k] = np.clip(np.rint(plane + noise), -1024, 3071)
    return out


def _keep(one: Scanned, path: Path) -> None:
    packed = {name: np.packbits(getattr(one, name)) for name in (*_MASKS, "fine")}
    held: dict[str, Any] = {
        "voxels": one.volume.voxels, "shape": one.volume.frame.shape, "affine": one.volume.frame.affine,
        "fine_shape": one.fine.shape, "fine_affine": one.fine_frame.affine, "truth": json.dumps(one.truth), **packed,
    }  # fmt: skip
    np.savez(path, **held)
