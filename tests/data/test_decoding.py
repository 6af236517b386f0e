"""One reader: every kind of picture gives the right levels, and says what was done to it."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from gantry.data.decoding import CONVERSIONS, decode
from gantry.data.items import BadImage

RAMP = np.tile(np.arange(64, dtype=np.uint16) * 4, (64, 1))
GREY = Image.fromarray(RAMP.astype(np.uint8))
RGB = Image.fromarray(np.stack([RAMP, RAMP.T, np.full((64, 64), 90)], 2).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def levels(content: bytes) -> np.ndarray:
    return decode(content).pixels.numpy().astype(int)


def tiff(photometric: int, values: np.ndarray) -> bytes:
    """A TIFF of 16-bit greys written by hand, since Pillow writes no white that is zero."""
    height, width = values.shape
    tags = [(256, width), (257, height), (258, 16), (259, 1), (262, photometric)]
    tags += [(273, 8), (277, 1), (278, height), (279, values.nbytes)]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    end = struct.pack("<H", len(tags)) + directory + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + values.nbytes) + values.astype("<u2").tobytes() + end


def pgm(values: np.ndarray, highest: int) -> bytes:
    return b"P5\n64 64\n%d\n" % highest + values.astype(">u2").tobytes()


RAMPS = {
    "8 bits": (encoded(GREY, "PNG"), {"grey"}),
    "16-bit PNG": (encoded(Image.fromarray(RAMP * 257), "PNG"), {"grey", "more than 8 bits"}),
    "16-bit TIFF": (encoded(Image.fromarray(RAMP * 257), "TIFF"), {"grey", "more than 8 bits"}),
    "16-bit TIFF whose white is 0": (tiff(0, 65535 - RAMP * 257), {"grey", "more than 8 bits"}),
    "16-bit PGM": (pgm(RAMP * 257, 65535), {"grey", "more than 8 bits"}),
    "12-bit PGM": (pgm(RAMP.astype(int) * 4095 // 255, 4095), {"grey", "more than 8 bits"}),
    "float TIFF": (encoded(Image.fromarray(RAMP.astype(np.float32) / 255), "TIFF"), {"grey", "floats"}),
    "palette": (encoded(GREY, "GIF"), {"palette"}),
    "grey and alpha": (encoded(GREY.convert("LA"), "PNG"), {"grey"}),
    "inks": (encoded(GREY.convert("RGB").convert("CMYK"), "TIFF"), {"cmyk"}),
    "first of two": (
        encoded(GREY.convert("RGB"), "WEBP", lossless=True, save_all=True, append_images=[RGB]),
        {"first frame"},
    ),
}


@pytest.mark.parametrize("kind", RAMPS)
def test_a_ramp_comes_out_alike(kind: str) -> None:
    content, conversions = RAMPS[kind]
    assert np.abs(levels(content) - RAMP[..., None]).max() <= 1
    assert set(decode(content).conversions) == conversions and conversions <= CONVERSIONS.keys()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (RAMP.astype(np.float32), "floats of 32 bits from 0 to 252"),
        (np.full((8, 8), np.nan, np.float32), "floats of 32 bits"),
        (RAMP.astype(np.int32) * 257, "whole numbers of 32 bits 0 to 64764"),
    ],
)
def test_what_has_no_certain_brightness_is_refused(values: np.ndarray, said: str) -> None:
    with pytest.raises(BadImage, match=said):
        decode(encoded(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_colours_under_transparency_do_not_matter(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    alpha = np.full((32, 32, 1), 255, np.uint8)
    alpha[:, 16:] = 0
    noise[1, :, :16] = noise[0, :, :16]
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    one, other = (
        encoded(Image.fromarray(np.concatenate([colours, alpha], 2)), kind, **options) for colours in noise
    )
    assert np.array_equal(levels(one), levels(other)) and (levels(one)[:, 16:] == 255).all()
    assert np.array_equal(levels(one)[:, :16], noise[0, :, :16])
    assert decode(one).conversions == ("transparency",)
    opaque = encoded(
        Image.fromarray(np.concatenate([noise[0], np.full_like(alpha, 255)], 2)), kind, **options
    )
    assert np.array_equal(levels(opaque), noise[0]) and decode(opaque).conversions == ()


def test_a_colour_that_means_nothing_becomes_white() -> None:
    deep = encoded(Image.fromarray(RAMP * 257), "PNG", transparency=0)
    flat = encoded(GREY.convert("P"), "PNG", transparency=0)
    for content in (deep, flat):
        assert (levels(content)[:, 0] == 255).all() and (levels(content)[:, 1] == 4).all()
        assert "transparency" in decode(content).conversions


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_orientation_as_viewers_show_it(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    plain = RGB.copy()
    plain.getexif()[0x112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(plain)).astype(int)
    content = encoded(RGB, kind, exif=exif, quality=98)
    assert np.abs(levels(content) - expected).mean() < 2
    assert ("orientation" in decode(content).conversions) is (orientation > 1)


def test_texts_and_profiles_of_any_length_do_no_harm() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * (2 << 20), zip=True)
    for content in (encoded(RGB, "PNG", pnginfo=text), encoded(RGB, "PNG", icc_profile=bytes(2 << 20))):
        assert np.array_equal(levels(content), np.asarray(RGB))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (encoded(RGB, "PNG")[:11] + b"\5" + encoded(RGB, "PNG")[12:], "IHDR|part"),
        (encoded(RGB, "JPEG")[:-200] + bytes(200), "the mark of a JPEG's end is missing"),
        (encoded(RGB, "WEBP", quality=99)[:-200] + bytes(200), "its last 64 bytes are zeros"),
        (encoded(RGB, "AVIF", quality=99)[:-200] + bytes(200), "its last 64 bytes are zeros"),
        (encoded(RGB, "PNG")[:-12], "the mark of a PNG's end is missing"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image of a kind that is read"),
        (
            b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(50) + b"\xff\xd9",
            "65,535×65,535 pixels",
        ),
    ],
)
def test_damage_is_a_bad_image(content: bytes, said: str) -> None:
    with pytest.raises(BadImage, match=said):
        decode(content)
