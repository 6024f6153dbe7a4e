"""Series -> Volume: every slice at its place in one array, one rescale, the standard frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.geometry import Gap, Volume, axial_frame_over
from planner.progress import Progress, part, silent
from planner.refusal import Refusal
from planner.scan.filling import Filling, Shown
from planner.scan.headers import Unreadable
from planner.scan.images import Digest, Held, ImageFile, compact, read_image
from planner.scan.memory import free_bytes
from planner.scan.pixels import Undecodable, read_pixels, rescale_of, stored_type
from planner.scan.scale import Scale, TooWideError, scale_of
from planner.scan.series import Pixels, Place, Series, Slice
from planner.scan.streams import ImagePlanes, image_planes

_WORKING_SHARE = 0.8  # of the free memory, for the scan and its resampled copy
_CHANGED = "The file has changed since the scan was opened."
OPEN_AGAIN = "Open the scan again, or copy it again from the disc or the archive."


Each = Callable[[Callable[[int], None], Iterable[int]], Iterable[None]]
"""Does a piece of work for each of some numbers and says when one is done, in their order: `map`, or one that works on several at once."""


def load(series: Series, progress: Progress = silent, each: Each = map, shown: Shown | None = None) -> Volume:
    """The voxels of a series in the standard frame (axial, rectangular; LPS mm), int16 where they fit.

    Sheared and oblique scans are resampled (trilinear); all others are kept to the bit. Raises Refusal for a refused series, for
    one that does not fit into memory, and for slices that have become unreadable. each: how slices are read, one or several at a time,
    the middle one first, then outwards. shown: is told as soon as there is something to look at; what `load` returns in the end lies in
    the same memory, but for a scan of whole values in 32 bits of which some do not fit into 16: that is shown once more.
    """
    if not series.usable or series.frame is None:
        raise Refusal(" ".join(series.reasons) or "The series cannot be loaded.", series.way_out)
    _check_memory(series)
    progress(0.0, "Reading slices")
    try:
        if series.file is not None:
            volume = _load_file(series, series.file, shown, part(progress, 0.0, 0.9))
        else:
            volume = _load_slices(series, each, shown, part(progress, 0.0, 0.9))
        volume = _with_gaps(volume, series.gaps).to_axial(part(progress, 0.9, 1.0))
    except MemoryError as error:
        raise Refusal("There is not enough memory for this scan.", "Close other programs, or load a smaller series.") from error
    progress(1.0, "Scan loaded")
    return volume


def needed_bytes(series: Series, wide: bool = False) -> float:
    """Memory that loading takes at its most; 0 for a refused series without a grid. wide: where values do not fit into 16 bits."""
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
    scale = scale_of(series.pictures, wide)
    return max(own * scale.voxel_bytes, (own + copy) * scale.kind.itemsize)


def room_bytes() -> float:
    """Memory that a scan may take: of what is free, not all."""
    return free_bytes() * _WORKING_SHARE


def _check_memory(series: Series, wide: bool = False) -> None:
    need, free = needed_bytes(series, wide), room_bytes()
    if need > free:
        sentence = f"The scan needs {need / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free."
        part = "the spine only" if series.is_axial_ct else "a part of it"
        raise Refusal(sentence, f"Load {part}, close other programs, or load a series with fewer slices.")


def _load_file(series: Series, file: Place, shown: Shown | None, progress: Progress) -> Volume:
    """All planes are read, also of a part: only together do they tell that the file is the one that was judged."""
    held, digest = Held(np.dtype(series.held_type), series.least), Digest()
    try:
        with image_planes(file) as image:
            if series.frame != (image.frame if series.crop is None else series.crop.of(image.frame)):
                raise Refusal(_CHANGED, OPEN_AGAIN)
            filling = Filling(series, held.kind, image.slope, image.intercept, shown)
            box = ... if series.crop is None else series.crop.box
            if shown is not None:
                for _ in _look_ahead(image, held, box, filling):
                    progress(0.0, "Reading the file")
            for k, stored in enumerate(image.planes()):
                progress(filling.share, "Reading the file")
                plane = held.of(stored)
                digest.take(plane)
                filling.slices[k] = plane[box]
                for _ in filling.arrived(0, k):
                    progress(filling.share, "Reading the file")
            told = digest.of(image.frame, image.slope, image.intercept)
    except Unreadable as reason:
        raise Refusal(str(reason), OPEN_AGAIN) from reason
    if told != series.digest:
        raise Refusal(_CHANGED, OPEN_AGAIN)
    return filling.volume


def _look_ahead(image: ImagePlanes, held: Held, box: Any, filling: Filling) -> Iterator[None]:
    """The middle plane of a file that can be read from anywhere, before its planes are read in their order, which the digest wants.

    It is made once more of what the digest has seen.
    """
    if image.planes_from is None:
        return
    first, last = filling.first_needed
    for k, stored in zip(range(first, last + 1), image.planes_from(first)):
        yield
        filling.slices[k] = held.of(stored)[box]
    yield from filling.arrived(first, last)
    filling.forget()


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


def _load_slices(series: Series, each: Each, shown: Shown | None, progress: Progress) -> Volume:
    try:
        return _load_held(series, scale_of(series.pictures), each, shown, progress)
    except TooWideError:
        _check_memory(series, wide=True)
    return _load_held(series, scale_of(series.pictures, wide=True), each, shown, progress)


def _load_held(series: Series, scale: Scale, each: Each, shown: Shown | None, progress: Progress) -> Volume:
    pictures, negative = series.pictures, upside_down(series)
    filling = Filling(series, scale.kind, scale.slope, scale.intercept, shown)
    slices, empty = filling.slices, filling.empty
    as_stored = scale.way == "stored"
    padding = padding_of(pictures[0], 0 in negative) if as_stored else None
    highest = np.zeros(len(pictures), np.int64)  # of unsigned slices; looked for while they are warm in the processor's memory

    def read_slice(n: int) -> None:
        picture = pictures[n]
        own = stored_type(picture.pixels)
        in_place = as_stored and slices.dtype == own and series.crop is None
        out = slices[n] if in_place else np.empty((picture.pixels.rows, picture.pixels.columns), own)
        try:
            read_pixels(picture, out)
        except Undecodable as reason:
            raise unreadable(series, n, reason) from reason
        if n in negative:
            turn_over(out, picture)
        out = out if series.crop is None else out[series.crop.box]
        highest[n] = out.max() if own.kind == "u" else 0
        if not in_place:
            slices[n] = scale.held(picture, out)
        if padding is not None and not filling.as_stored:  # resampling must not blend it into the image
            slices[n][slices[n] == padding] = empty

    order = filling.outwards
    first = last = order[0]
    for _, n in zip(each(read_slice, order), order):
        first, last = min(first, n), max(last, n)
        progress(filling.share, "Reading slices")  # before anything is shown of a reading that was stopped
        for _ in filling.arrived(first, last):
            progress(filling.share, "Reading slices")
    volume = filling.volume
    voxels = volume.voxels
    voxels = voxels.view(np.int16) if voxels.dtype == np.uint16 and highest.max() <= np.iinfo(np.int16).max else compact(voxels)
    return replace(volume, voxels=voxels, padding=float(padding) if padding is not None and filling.as_stored else None)


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
