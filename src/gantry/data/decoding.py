"""Image files to pixels: the one reader, for preparation, scoring and whatever else meets a picture.

What a file holds and what training needs differ in many ways; each is decided here, once, has a name in
`CONVERSIONS`, and is counted in the manifest. Nothing is guessed: what has no certain meaning is refused.
"""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from torch import Tensor

from gantry.data.items import BadImage

try:
    from torchvision.io import ImageReadMode, decode_jpeg
except ImportError:  # torchvision announces that its decoders will go; Pillow's takes half as long again
    decode_jpeg = None

# Conversion → what is done; docs/data.md says why.
CONVERSIONS = {
    "grey": "one channel is repeated three times",
    "more than 8 bits": "the upper 8 bits are kept (of 16 bits: value >> 8)",
    "floats": "values from 0 to 1 are multiplied by 255 and rounded",
    "transparency": "the image is laid on white",
    "palette": "indices are looked up",
    "orientation": "the image is turned as its EXIF or TIFF tag says",
    "first frame": "the first of several frames is taken",
    "cmyk": "inks become RGB by Pillow's formula, without a colour profile",
    "ycbcr": "luminance and chrominance become RGB by JPEG's formula",
    "hsv": "hue, saturation and value become RGB",
}

# Of Pillow's formats, those of pictures: others start programs (EPS), or recognise anything (TGA).
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "DIB", "PPM", "TIFF", "JPEG2000", "QOI")
# Pillow reads a file's header first, so it takes the large ones: it can scale.
LARGE_FILE = 1 << 18
# JPEG's own scaling (by 2, 4 or 8, in the frequency domain) is used where its result is still at least
# this many times larger than the square: then fewer than 1 in 1,000 values differ by more than 3 levels.
MARGIN = 8
# Above it a header lies, or the picture takes gigabytes; Pillow's own limit.
MOST_PIXELS = Image.MAX_IMAGE_PIXELS or 1 << 26
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The chunks that decide about pixels; the others (texts, profiles, times) are of no account here.
PNG_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT"}
ADDRESS = re.compile(r" ?<[^<>]* at 0x[0-9a-f]+>")
# No compressed picture ends in so many zeros.
ZERO_TAIL = 64
TIFF_BITS, TIFF_PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0


class Decoded(NamedTuple):
    """An image, and which of `CONVERSIONS` it went through."""

    pixels: Tensor  # (H, W, 3) uint8
    conversions: tuple[str, ...] = ()


def decode(encoded: bytes, side: int | None = None) -> Decoded:
    """Decode an image file of any kind; a large JPEG comes scaled down if a square of `side` allows it.

    Raises BadImage, with the reason, whatever the decoder trips over.
    """
    if not encoded:
        raise BadImage("an empty file")
    try:
        if encoded.startswith(b"\xff\xd8"):
            header = _jpeg_header(encoded)
            if header is not None and header.channels != 4 and len(encoded) <= LARGE_FILE:
                found = _by_torchvision(encoded, header)
                if found is not None:
                    return found
        elif encoded.startswith(PNG_SIGNATURE):
            encoded = _checked_png(encoded)
        elif encoded[8:12] == b"WEBP" or encoded[4:8] == b"ftyp":
            _refuse_zeros(encoded)
        return _by_pillow(encoded, side)
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        kind = "a TIFF with a kind of pixels" if encoded[:4] in (b"II*\0", b"MM\0*") else "an image of a kind"
        raise BadImage(f"not {kind} that is read (it starts with {encoded[:12]!r})") from error
    except Exception as error:  # decoders raise whatever their libraries do: ValueError, RuntimeError, …
        said = ADDRESS.sub("", str(error)) or type(error).__name__
        raise BadImage(f"cannot be decoded: {said}") from error


# ── JPEG and PNG: what the header says, before anything is allocated ──────────────────────────────────


class JpegHeader(NamedTuple):
    """What of a JPEG's header decides who reads it."""

    channels: int
    has_exif: bool


def _jpeg_header(encoded: bytes) -> JpegHeader | None:
    """Read the segments before the pixels; None where they make no sense. BadImage for what lies or is cut off."""
    place, has_exif = 2, False
    while place + 4 <= len(encoded):
        if encoded[place] != 0xFF:
            return None
        marker = encoded[place + 1]
        if marker == 0xFF:  # padding
            place += 1
            continue
        length = int.from_bytes(encoded[place + 2 : place + 4], "big")
        if marker == 0xE1 and encoded[place + 4 : place + 10] == b"Exif\0\0":
            has_exif = True
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if place + 10 > len(encoded):
                return None
            bits, height, width, channels = struct.unpack_from(">BHHB", encoded, place + 4)
            _refuse_absurd(width, height)
            if bits != 8:
                raise BadImage(f"a JPEG of {bits} bits a value, which is not read; save it with 8")
            # A download whose end was never written ends in zeros; decoders fill in grey and say nothing.
            if encoded.rfind(b"\xff\xd9", place) < 0:
                raise BadImage("cut off: the mark of a JPEG's end is missing")
            return JpegHeader(channels, has_exif)
        place += 2 + length
    return None


def _by_torchvision(encoded: bytes, header: JpegHeader) -> Decoded | None:
    """A JPEG through the faster decoder; None where there is none, or where Pillow will know better."""
    if decode_jpeg is None:
        return None
    content = torch.frombuffer(bytearray(encoded), dtype=torch.uint8)
    try:
        pixels = decode_jpeg(content, ImageReadMode.RGB).permute(1, 2, 0)
    except RuntimeError:
        return None
    done = ["grey"] if header.channels == 1 else []
    orientation = _orientation(Image.open(io.BytesIO(encoded), formats=FORMATS)) if header.has_exif else 1
    return Decoded(_upright(pixels, orientation, done), tuple(done))


def _refuse_absurd(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise BadImage(
            f"its header says {width:,}×{height:,} pixels, more than {MOST_PIXELS:,}: damaged, or too large"
        )


def _refuse_zeros(encoded: bytes) -> None:
    """Of WebP and AVIF, whose decoders make pixels of the zeros in which a download ends that broke off."""
    end = 8 + int.from_bytes(encoded[4:8], "little") if encoded.startswith(b"RIFF") else len(encoded)
    tail = encoded[:end][-ZERO_TAIL:]
    if len(tail) == ZERO_TAIL and not any(tail):
        raise BadImage(f"cut off: its last {ZERO_TAIL} bytes are zeros")


def _checked_png(encoded: bytes) -> bytes:
    """The PNG without texts and colour profiles, however long; BadImage where a checksum of the rest is wrong."""
    kept = [PNG_SIGNATURE]
    for name, start, end in _png_chunks(encoded):
        if name not in PNG_CHUNKS:
            continue
        body = memoryview(encoded)[start + 4 : end - 4]
        if len(body) and zlib.crc32(body) != int.from_bytes(encoded[end - 4 : end], "big"):
            raise BadImage(f"damaged: the checksum of its part {name.decode()} is wrong")
        kept.append(encoded[start:end])
    return b"".join(kept)


def _png_chunks(encoded: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of each chunk that is whole."""
    place = len(PNG_SIGNATURE)
    while place + 12 <= len(encoded):
        end = place + 12 + int.from_bytes(encoded[place : place + 4], "big")
        name = encoded[place + 4 : place + 8]
        if end > len(encoded):
            raise BadImage(f"cut off in its part {name!r}, or the length in front of it is wrong")
        yield name, place, end
        if name == b"IEND":
            return
        place = end
    raise BadImage("cut off: the mark of a PNG's end is missing")


# ── everything else, and what JPEG and PNG have in common with it ─────────────────────────────────────


def _by_pillow(encoded: bytes, side: int | None) -> Decoded:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of metadata that nobody asked for
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image = Image.open(io.BytesIO(encoded), formats=FORMATS)
        done = []
        if getattr(image, "is_animated", False) and image.format != "MPO":
            done.append("first frame")
        orientation = _orientation(image)
        if side is not None and image.format in ("JPEG", "MPO"):
            scale = max(1, min(image.size) // (MARGIN * side))
            image.draft("RGB", (image.width // scale, image.height // scale))
        bits = _bits(image, encoded)
        image.load()
        is_turned = image.format == "TIFF"  # by Pillow
        pixels = torch.from_numpy(_rgb(image, bits, done))
    upright = _upright(pixels, orientation, done)
    return Decoded(pixels if is_turned else upright, tuple(done))


def _upright(pixels: Tensor, orientation: int, done: list[str]) -> Tensor:
    """Turn and mirror (H, W, 3) by EXIF's number; notes that in `done`."""
    if orientation == 1:
        return pixels
    done.append("orientation")
    if orientation >= 5:
        pixels = pixels.transpose(0, 1)
    mirrored = {2: (1,), 3: (0, 1), 4: (0,), 5: (), 6: (1,), 7: (0, 1), 8: (0,)}[orientation]
    return pixels.flip(mirrored) if mirrored else pixels


def _orientation(image: Image.Image) -> int:
    """EXIF's number from 1 (upright) to 8; 1 where there is none, or nonsense."""
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged metadata do no harm to the pixels
        return 1
    return found if found in range(2, 9) else 1


def _bits(image: Image.Image, encoded: bytes) -> int:
    """Bits a value, where Pillow's mode does not tell."""
    if image.format == "PNG":
        return encoded[24]
    if image.format == "TIFF":
        return int(np.max(image.tag_v2.get(TIFF_BITS, 8)))  # type: ignore[attr-defined]
    if image.format == "PPM":
        tiles = getattr(image, "tile", ())
        told = tiles[0].args if tiles else ()  # the decoder's, of which the last is the highest value
        return 16 if isinstance(told, tuple) and isinstance(told[-1], int) and told[-1] > 255 else 8
    if image.format == "JPEG2000" and (place := encoded.find(b"\xff\x4f\xff\x51")) >= 0:
        return (encoded[place + 42] & 0x7F) + 1
    if image.format == "AVIF" and (place := encoded.find(b"av1C")) >= 0:
        return 10 if encoded[place + 6] & 0x40 else 8
    return 8


def _rgb(image: Image.Image, bits: int, done: list[str]) -> NDArray[np.uint8]:
    """RGB (H, W, 3) of a loaded image; notes the conversions in `done`."""
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep(image, bits, done)
    if bits > 8:
        done.append("more than 8 bits")  # Pillow keeps the upper byte
    mode = image.mode.upper()
    named = {"1": "grey", "L": "grey", "LA": "grey", "P": "palette", "PA": "palette"}
    if mode not in ("RGB", "RGBA", "RGBX"):
        done.append(named.get(mode, mode.lower()))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        _scale_transparent_colour(image, bits)
        rgba = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
        if rgba.getchannel("A").getextrema()[0] != 255:
            done.append("transparency")
            white = Image.new("RGBA", rgba.size, "white")
            return np.array(Image.alpha_composite(white, rgba).convert("RGB"))
    return np.array(image.convert("RGB"))


def _scale_transparent_colour(image: Image.Image, bits: int) -> None:
    """A PNG names its transparent colour in its own bits; Pillow has made eight of them."""
    colour = image.info.get("transparency")
    if image.mode == "RGB" and bits == 16 and isinstance(colour, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in colour)
    elif image.mode == "L" and bits in (2, 4) and isinstance(colour, int):
        image.info["transparency"] = colour * 255 // (2**bits - 1)


def _from_deep(image: Image.Image, bits: int, done: list[str]) -> NDArray[np.uint8]:
    """Greys of more than 8 bits, whose range must be certain."""
    values = np.asarray(image)
    is_negative = image.format == "TIFF" and image.tag_v2.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO  # type: ignore[attr-defined]
    done.append("grey")
    if image.mode == "F":
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1 + 1e-6:
            span = f"from {np.nanmin(values):.6g} to {np.nanmax(values):.6g}"
            raise BadImage(f"floats of 32 bits {span}; expected are finite ones from 0 to 1")
        done.append("floats")
        levels = np.rint(np.minimum(values, 1) * 255).astype(np.uint8)
    else:
        if image.mode == "I" and image.format not in ("PNG", "PPM"):
            raise BadImage(
                f"whole numbers of {bits} bits {values.min()} to {values.max()}, of which nobody can say how "
                "bright they are; save it with 8 or 16 bits"
            )
        done.append("more than 8 bits")
        # Pillow spreads a PGM's and a JPEG 2000's values over 16 bits, a TIFF's it leaves as they are.
        own = bits if image.format == "TIFF" else 16
        levels = (values.astype(np.int64) >> (own - 8)).astype(np.uint8)
    levels = 255 - levels if is_negative else levels
    transparent = image.info.get("transparency")
    if isinstance(transparent, int) and (values == transparent).any():
        done.append("transparency")
        levels = np.where(values == transparent, np.uint8(255), levels)
    return np.repeat(levels[..., None], 3, axis=2)
