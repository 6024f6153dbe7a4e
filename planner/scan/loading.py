"""Series -> Volume: every slice at its place in one array, one rescale, the standard frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.geometry import Frame, Gap, Volume, axial_frame_over
from planner.progress import Progress, part, silent
from planner.refusal import Refusal
from planner.scan.headers import Unreadable
from planner.scan.images import Digest, Held, ImageFile, compact, read_image
from planner.scan.memory import free_bytes
from planner.scan.pixels import Undecodable, read_pixels, rescale_of, stored_type
from planner.scan.planes import Planes
from planner.scan.scale import scale_of
from planner.scan.series import Pixels, Place, Series, Slice
from planner.scan.streams import image_planes

AIR_HU = -1024.0
_VOXEL_BYTES = 2
_WORKING_SHARE = 0.8  # of the free memory, for the scan and its resampled copy
_CHANGED = "The file has changed since the scan was opened."
OPEN_AGAIN = "Open the scan again, or copy it again from the disc or the archive."


Each = Callable[[Callable[[int], None], Iterable[int]], Iterable[None]]
"""Does a piece of work for each of some numbers and says when one is done, in their order: `map`, or one that works on several at once."""

Shown = Callable[[Volume], None]
"""Takes a scan of which one slice is there; the others appear in it as they are read, and are air and padding until then."""


def load(series: Series, progress: Progress = silent, each: Each = map, shown: Shown | None = None) -> Volume:
    """The voxels of a series in the standard frame (axial, rectangular; LPS mm), int16 where they fit.

    Sheared and oblique scans are resampled (trilinear); all others are kept to the bit. Raises Refusal for a refused series, for
    one that does not fit into memory, and for slices that have become unreadable. each: how slices are read, one or several at a time,
    the middle one first, then outwards. shown: is told as soon as there is something to look at, for scans that are kept to the bit; what
    `load` returns in the end lies in the same memory.
    """
    if not series.usable or series.frame is None:
        raise Refusal(" ".join(series.reasons) or "The series cannot be loaded.", series.way_out)
    _check_memory(series)
    progress(0.0, "Reading slices")
    try:
        if series.file is not None:
            volume = _load_file(series, series.file, shown, part(progress, 0.0, 0.9))
        else:
            # where slices lie unevenly there may be fewer or more than the grid has
            stored = Frame((len(series.pictures), *series.frame.shape[1:]), series.frame.affine)
            volume = _load_slices(series, stored, each, shown, part(progress, 0.0, 0.9))
        if not series.frame.is_aligned or series.lies_at:
            volume = _without_padding(volume)
        if series.lies_at:
            even = _evened(volume.voxels, series.lies_at, series.frame.shape[0])
            volume = replace(volume, frame=series.frame, voxels=even)
        volume = _with_gaps(volume.to_axial(part(progress, 0.9, 1.0)), series.gaps)
    except MemoryError as error:
        raise Refusal("There is not enough memory for this scan.", "Close other programs, or load a smaller series.") from error
    progress(1.0, "Scan loaded")
    return volume


def needed_bytes(series: Series) -> float:
    """Memory that loading takes at its most; 0 for a refused series without a grid."""
    frame = series.frame
    if frame is None:
        return 0.0
    own = float(np.prod(frame.shape))
    # evened ones are copied; oblique ones resampled into the box that holds them
    kept = frame.is_aligned and not series.lies_at
    copy = 0.0 if kept else own if frame.is_aligned else float(np.prod(axial_frame_over(frame).shape))
    if series.file is not None:
        held = np.dtype(series.held_type).itemsize
        return max(own * held + series.reading_bytes, (own + copy) * held)
    scale = scale_of(series.pictures)
    held, reading = 4 if scale.way == "values" else _VOXEL_BYTES, scale.voxel_bytes
    return max(own * reading, (own + copy) * held)


def room_bytes() -> float:
    """Memory that a scan may take: of what is free, not all."""
    return free_bytes() * _WORKING_SHARE


def _check_memory(series: Series) -> None:
    need, free = needed_bytes(series), room_bytes()
    if need > free:
        sentence = f"The scan needs {need / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free."
        part = "the spine only" if series.is_axial_ct else "a part of it"
        raise Refusal(sentence, f"Load {part}, close other programs, or load a series with fewer slices.")


def _load_file(series: Series, file: Place, shown: Shown | None, progress: Progress) -> Volume:
    """All planes are read, also of a part: only together do they tell that the file is the one that was judged."""
    held, digest = Held(np.dtype(series.held_type), series.least), Digest()
    try:
        with image_planes(file) as image:
            frame = image.frame if series.crop is None else series.crop.of(image.frame)
            if frame != series.frame:
                raise Refusal(_CHANGED, OPEN_AGAIN)
            voxels = _room(frame, held.kind)
            volume = Volume(frame, voxels, series.modality, image.slope, image.intercept)
            nothing = _nothing(series.modality, image.slope, image.intercept, held.kind)
            if shown is not None and frame.is_aligned and nothing:
                voxels[:] = nothing
            for k, stored in enumerate(image.planes()):
                progress(k / len(voxels), "Reading the file")
                plane = held.of(stored)
                digest.take(plane)
                voxels[k] = plane if series.crop is None else plane[series.crop.box]
                if shown is not None and frame.is_aligned and k == len(voxels) // 2:
                    shown(replace(volume, padding=nothing).to_axial())
            told = digest.of(image.frame, image.slope, image.intercept)
    except Unreadable as reason:
        raise Refusal(str(reason), OPEN_AGAIN) from reason
    if told != series.digest:
        raise Refusal(_CHANGED, OPEN_AGAIN)
    return volume


def image_of(series: Series) -> ImageFile:
    """The image of a scan that is one file, read whole. Raises Refusal where that has gone, or is not what was judged any more."""
    assert series.file is not None
    try:
        image = read_image(series.file)
    except Unreadable as reason:
        raise Refusal(str(reason), OPEN_AGAIN) from reason
    if image.digest != series.digest:
        raise Refusal(_CHANGED, OPEN_AGAIN)
    return image


def unreadable(series: Series, n: int, reason: Undecodable) -> Refusal:
    """Why slice n (from 0) of a series cannot be read."""
    return Refusal(f"Slice {n + 1} of {len(series.pictures)} cannot be read. {reason}", OPEN_AGAIN)


def _load_slices(series: Series, frame: Frame, each: Each, shown: Shown | None, progress: Progress) -> Volume:
    pictures, scale = series.pictures, scale_of(series.pictures)
    middle = len(pictures) // 2
    negative = upside_down(series)
    as_stored = scale.way == "stored"
    padding = padding_of(pictures[0], 0 in negative) if as_stored else None
    voxels = _room(frame, scale.kind)
    nothing = _nothing(series.modality, scale.slope, scale.intercept, voxels.dtype)
    kept = as_stored and not series.lies_at
    planes = Planes(voxels, frame, nothing) if kept and not frame.is_aligned else None
    if kept and shown is not None and planes is None and nothing:
        voxels[:] = nothing
    highest = np.zeros(len(pictures), np.int64)  # of unsigned slices; looked for while they are warm in the processor's memory

    def read_slice(n: int) -> None:
        picture = pictures[n]
        own = stored_type(picture.pixels)
        in_place = as_stored and voxels.dtype == own and series.crop is None
        out = voxels[n] if in_place else np.empty((picture.pixels.rows, picture.pixels.columns), own)
        try:
            read_pixels(picture, out)
        except Undecodable as reason:
            raise unreadable(series, n, reason) from reason
        if n in negative:
            turn_over(out, picture)
        out = out if series.crop is None else out[series.crop.box]
        highest[n] = out.max() if own.kind == "u" else 0
        if not in_place:
            voxels[n] = scale.held(picture, out)
        if planes is not None and padding is not None:  # resampling must not blend it into the image
            voxels[n][voxels[n] == padding] = nothing

    outwards = sorted(range(len(pictures)), key=lambda n: abs(n - middle))
    told = not kept or shown is None
    for done, _ in enumerate(each(read_slice, outwards)):
        progress(done / len(pictures), "Reading slices")  # before anything is shown of a reading that was stopped
        there = outwards[max(0, done - 1) : done + 1]  # the ends of what is read
        if (planes is None or planes.arrived(min(there), max(there))) and not told and shown is not None:
            made = Volume(frame, voxels) if planes is None else Volume(planes.frame, planes.voxels)
            shown(replace(made, modality=series.modality, slope=scale.slope, intercept=scale.intercept, padding=nothing).to_axial())
            told = True
    field = None
    if planes is not None:
        field, frame, voxels, padding = frame, planes.frame, planes.voxels, None
    voxels = voxels.view(np.int16) if voxels.dtype == np.uint16 and highest.max() <= np.iinfo(np.int16).max else compact(voxels)
    padded = None if padding is None else float(padding)
    return Volume(frame, voxels, series.modality, scale.slope, scale.intercept, padded, field=field)


def upside_down(series: Series) -> frozenset[int]:
    """The slices (from 0) whose stored values are turned over when they are loaded. Reads one of a CT.

    MONOCHROME1 says that low values are shown bright. MR is turned over; CT only where its values are HU the other way round.
    """
    negative = [n for n, one in enumerate(series.pictures) if one.pixels.photometric == "MONOCHROME1"]
    if not negative or series.modality != "CT":
        return frozenset(negative)
    picture = series.pictures[negative[len(negative) // 2]]
    stored = np.zeros((picture.pixels.rows, picture.pixels.columns), stored_type(picture.pixels))
    with suppress(Undecodable):  # it is refused when it is loaded
        read_pixels(picture, stored)
    as_it_is = _like_hu(stored, picture)
    turn_over(stored, picture)
    return frozenset(negative) if _like_hu(stored, picture) > as_it_is else frozenset()


def turn_over(stored: NDArray[Any], picture: Slice) -> None:
    """Make low stored values of a slice high and high ones low, in place, within the bits that are stored. stored: of `stored_type`."""
    np.subtract(stored.dtype.type(_top(picture.pixels)), stored, out=stored)


def padding_of(picture: Slice, turned: bool) -> int | None:
    """The stored value of a slice that stands for "outside the scan". turned: its values are turned over."""
    given = picture.pixels.padding
    return _top(picture.pixels) - given if given is not None and turned else given


def _room(frame: Frame, kind: np.dtype[Any]) -> NDArray[Any]:
    """Zeros for a scan's slices, which lie in memory as the standard frame has them: turning them to it later copies nothing."""
    if not frame.is_aligned:
        return np.zeros(frame.shape, kind)
    world = np.abs(frame.directions).argmax(axis=0)  # the world axis of each index
    order = np.argsort(-world)
    room = np.zeros([frame.shape[axis] for axis in order], kind).transpose(np.argsort(order))
    backwards = frame.affine[world, range(3)] < 0
    return room[tuple(slice(None, None, -1 if back else 1) for back in backwards)]


def _nothing(modality: str, slope: float, intercept: float, kind: np.dtype[Any]) -> float:
    """The stored value of slices that have not come yet: air in CT."""
    value = round((AIR_HU - intercept) / slope) if modality == "CT" else 0
    return float(np.clip(value, np.iinfo(kind).min, np.iinfo(kind).max)) if kind.kind in "iu" else float(value)


def _evened(voxels: NDArray[Any], lies_at: Sequence[float], count: int) -> NDArray[Any]:
    """So many slices at whole numbers, each interpolated between its two neighbours among those that were taken."""
    out = np.empty((count, *voxels.shape[1:]), voxels.dtype)
    for k in range(count):
        after = min(max(int(np.searchsorted(lies_at, k)), 1), len(lies_at) - 1)
        share = min(max((k - lies_at[after - 1]) / (lies_at[after] - lies_at[after - 1]), 0.0), 1.0)
        blend = voxels[after - 1] * np.float32(1.0 - share) + voxels[after] * np.float32(share)
        out[k] = np.rint(blend) if out.dtype.kind in "iu" else blend
    return out


def _with_gaps(volume: Volume, gaps: tuple[Gap, ...]) -> Volume:
    """The scan with padding in its gaps: a value that it does not hold otherwise."""
    if not gaps:
        return volume
    voxels, kind, padding = volume.voxels, volume.voxels.dtype, volume.padding
    least, most = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind in "iu" else (-np.inf, np.inf)
    if padding is None or not least <= padding <= most:
        below, above = float(voxels.min()) - 1.0, float(voxels.max()) + 1.0
        if below < least and above > most:
            voxels = voxels.astype(np.float32)
        padding = below if below >= least else above
    for gap in gaps:
        gap.fill(voxels, volume.frame, padding)
    return replace(volume, voxels=voxels, padding=padding, gaps=gaps)


def _top(pixels: Pixels) -> int:
    """The sum of a stored value and the one that it is turned into."""
    return -1 if pixels.signed else (1 << pixels.bits_stored) - 1


def _like_hu(stored: NDArray[Any], picture: Slice) -> float:
    """Share of a slice that reads as air or soft tissue."""
    slope, intercept = rescale_of(picture)
    values = stored * np.float32(slope) + np.float32(intercept)
    return float(np.mean(((values > -1100) & (values < -850)) | ((values > -150) & (values < 250))))


def _without_padding(volume: Volume) -> Volume:
    """Padding replaced by air, in place, so that resampling does not blend it into the image."""
    if volume.padding is None:
        return volume
    air = round(volume.to_stored(AIR_HU)) if volume.modality == "CT" else 0
    kind = volume.voxels.dtype
    if kind.kind in "iu":
        air = min(max(air, np.iinfo(kind).min), np.iinfo(kind).max)
    for plane in volume.voxels:
        plane[plane == volume.padding] = air
    return replace(volume, padding=None)
