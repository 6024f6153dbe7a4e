"""The pixels of one slice: read raw, or decoded by one table of transfer syntaxes."""

from __future__ import annotations

from collections.abc import Callable
from io import BufferedIOBase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.scan.files import ChangedFileError, open_place
from planner.scan.series import Pixels, Slice

Stored = NDArray[Any]

DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
NATIVE = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", BIG_ENDIAN, DEFLATED}


class Undecodable(Exception):  # noqa: N818 - a sentence for the user
    """Raised with a sentence when the pixels of a slice cannot be had."""


def _rle(data: bytes, pixels: Pixels) -> Stored:
    import imagecodecs

    plane = np.dtype(f"<u{pixels.bits_allocated // 8}")
    return np.frombuffer(imagecodecs.dicomrle_decode(data, plane), plane)


def _jpeg_lossless(data: bytes, pixels: Pixels) -> Stored:
    import imagecodecs

    return imagecodecs.ljpeg_decode(data)


def _jpeg(data: bytes, pixels: Pixels) -> Stored:
    import imagecodecs

    return imagecodecs.jpeg8_decode(data)


def _jpeg_ls(data: bytes, pixels: Pixels) -> Stored:
    import imagecodecs

    return imagecodecs.jpegls_decode(data)


def _jpeg_2000(data: bytes, pixels: Pixels) -> Stored:
    import imagecodecs

    return imagecodecs.jpeg2k_decode(data)


def _htj2k(data: bytes, pixels: Pixels) -> Stored:
    import imagecodecs

    return imagecodecs.htj2k_decode(data)


def _by_pydicom(data: bytes, pixels: Pixels) -> Stored:
    """The slow way through pydicom's own plug-ins (gdcm, pyjpegls, pylibjpeg): for what the table's decoder refuses."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    array, _ = get_decoder(pixels.syntax).as_array(
        encapsulate([data]), index=0, raw=True, number_of_frames=1, rows=pixels.rows, columns=pixels.columns, samples_per_pixel=1,
        bits_allocated=pixels.bits_allocated, bits_stored=pixels.bits_stored, pixel_representation=int(pixels.signed),
        photometric_interpretation=pixels.photometric, pixel_keyword="PixelData",
    )  # fmt: skip
    return array


DECODERS: dict[str, Callable[[bytes, Pixels], Stored]] = {
    RLE: _rle,
    "1.2.840.10008.1.2.4.50": _jpeg,
    "1.2.840.10008.1.2.4.51": _jpeg,
    "1.2.840.10008.1.2.4.57": _jpeg_lossless,
    "1.2.840.10008.1.2.4.70": _jpeg_lossless,
    "1.2.840.10008.1.2.4.80": _jpeg_ls,
    "1.2.840.10008.1.2.4.81": _jpeg_ls,
    "1.2.840.10008.1.2.4.90": _jpeg_2000,
    "1.2.840.10008.1.2.4.91": _jpeg_2000,
    "1.2.840.10008.1.2.4.201": _htj2k,
    "1.2.840.10008.1.2.4.202": _htj2k,
    "1.2.840.10008.1.2.4.203": _htj2k,
}


def stored_type(pixels: Pixels) -> np.dtype[Any]:
    """The type that holds the stored values; unsigned values of up to 15 bits fit int16, which is what everything later likes best."""
    if pixels.bits_allocated <= 16:
        return np.dtype(np.int16 if pixels.signed or pixels.bits_stored < 16 else np.uint16)
    return np.dtype(np.int32 if pixels.signed or pixels.bits_stored < 32 else np.uint32)


def rescale_of(picture: Slice) -> tuple[float, float]:
    """Slope and intercept of a slice; 1 and 0 where it gives none."""
    return picture.pixels.slope or 1.0, picture.pixels.intercept or 0.0


def read_pixels(picture: Slice, out: Stored) -> None:
    """Fill out[row, column], of `stored_type`, with the stored values of a slice. Raises Undecodable with a sentence."""
    pixels = picture.pixels
    try:
        with open_place(picture.place) as file:
            if pixels.syntax in NATIVE:
                _read_native(file, pixels, out)
            else:
                out[:] = _values(_decode(_encapsulated(file, pixels), pixels), pixels)
    except ChangedFileError as changed:
        raise Undecodable(str(changed)) from changed
    except OSError as error:
        raise Undecodable("The file cannot be read.") from error


def raw_bytes(picture: Slice) -> bytes:
    """The bytes of a slice as they lie in the file, to tell whether two slices are copies. Raises Undecodable."""
    try:
        with open_place(picture.place) as file:
            if picture.pixels.length is None:
                return _encapsulated(file, picture.pixels)
            size = picture.pixels.rows * picture.pixels.columns * picture.pixels.bits_allocated // 8
            file.seek(picture.pixels.offset + size * picture.pixels.frame)
            return file.read(size)
    except OSError as error:
        raise Undecodable("The file cannot be read.") from error


def _read_native(file: BufferedIOBase, pixels: Pixels, out: Stored) -> None:
    size = pixels.rows * pixels.columns * pixels.bits_allocated // 8
    if pixels.syntax == DEFLATED:
        flat = np.frombuffer(_inflated(file), np.uint8)
        start = size * pixels.frame
        data = flat[start : start + size].tobytes()
    else:
        file.seek(pixels.offset + size * pixels.frame)
        # the common case, CT of 16 bits: no copy, no temporary
        if pixels.syntax != BIG_ENDIAN and pixels.bits_allocated == out.itemsize * 8 and out.flags.c_contiguous and np.little_endian:
            if file.readinto(out.data.cast("B")) != size:
                raise Undecodable("The file breaks off inside the image.")
            _drop_spare_bits(out, pixels)
            return
        data = file.read(size)
    if len(data) != size:
        raise Undecodable("The file breaks off inside the image.")
    order = ">" if pixels.syntax == BIG_ENDIAN else "<"
    out[:] = _values(np.frombuffer(data, f"{order}u{pixels.bits_allocated // 8}"), pixels)


def _inflated(file: BufferedIOBase) -> bytes:
    import pydicom

    try:
        return bytes(pydicom.dcmread(file, force=True).PixelData)
    except Exception as error:  # damaged deflate streams raise whatever zlib and pydicom raise
        raise Undecodable("The file's compressed part is damaged.") from error


def _encapsulated(file: BufferedIOBase, pixels: Pixels) -> bytes:
    """The compressed bytes of one frame (PS3.5 A.4)."""
    from pydicom.encaps import get_frame

    file.seek(pixels.offset)
    try:
        return get_frame(file, pixels.frame, number_of_frames=pixels.frames)
    except Exception as error:  # lengths in a damaged file point anywhere
        raise Undecodable("The file breaks off inside the image.") from error


def _decode(data: bytes, pixels: Pixels) -> Stored:
    decoder = DECODERS.get(pixels.syntax)
    # all JPEG families end with the same marker; decoders make up what is missing before it
    if pixels.syntax != RLE and b"\xff\xd9" not in data[-64:]:
        raise Undecodable("The compressed image breaks off.")
    for way in (decoder, _by_pydicom):
        if way is None:
            continue
        try:
            decoded = np.asarray(way(data, pixels))
        except Exception:  # a decoder that fails on damaged data: the next one may do better
            continue
        if decoded.size == pixels.rows * pixels.columns and decoded.dtype.kind in "iu":
            return decoded
    if decoder is None:
        raise Undecodable("The pixels are compressed in a way that is not supported (transfer syntax " + pixels.syntax[:64] + ").")
    raise Undecodable("The compressed image is damaged or breaks off.")


def _values(stored: Stored, pixels: Pixels) -> Stored:
    """Stored bits -> values, as a copy in the machine's byte order."""
    own = stored.reshape(pixels.rows, pixels.columns).astype(stored.dtype.newbyteorder("="))
    _drop_spare_bits(own, pixels)
    return own.view(f"i{own.itemsize}") if pixels.signed else own.view(f"u{own.itemsize}")


def _drop_spare_bits(stored: Stored, pixels: Pixels) -> None:
    """In place: the bits above BitsStored are dropped, or repeat the sign; older files fill them with overlays."""
    width = stored.itemsize * 8
    unsigned, signed = stored.view(f"u{stored.itemsize}"), stored.view(f"i{stored.itemsize}")
    lowest = pixels.high_bit + 1 - pixels.bits_stored
    if lowest > 0 and pixels.syntax in NATIVE:
        unsigned >>= lowest
    spare = width - pixels.bits_stored
    if spare <= 0:
        return
    if pixels.signed:
        unsigned <<= spare
        signed >>= spare
    else:
        unsigned &= (1 << pixels.bits_stored) - 1
