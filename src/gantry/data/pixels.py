"""From one encoded image to a square of pixels: decode, crop, resize."""

import io
import warnings

import numpy as np
from PIL import Image

from gantry.data.sources.base import BadImage, Pixels

# What Pillow raises at files that are damaged, no images, or absurdly large.
DAMAGE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning)


def decode(encoded: bytes) -> Image.Image:
    """Decode an image file completely, as RGB; what is truncated or no image raises BadImage."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(encoded))
            image.load()
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise BadImage(f"cannot be decoded: {error}" if encoded else "an empty file") from error
    return image if image.mode == "RGB" else image.convert("RGB")


def fit(image: Image.Image, side: int, crop: str) -> Pixels:
    """Make `image` side×side: (side, side, 3) uint8.

    crop "center" takes the largest centred square first; "resize" squeezes the whole image, as
    RealnessGAN's and BCGAN's code does. Pillow's bicubic filter widens with the scale, so that nothing
    aliases.
    """
    width, height = image.size
    box = (0, 0, width, height)
    if crop == "center":
        edge = min(width, height)
        left, top = (width - edge) // 2, (height - edge) // 2
        box = (left, top, left + edge, top + edge)
    if box != (0, 0, side, side):
        image = image.resize((side, side), Image.Resampling.BICUBIC, box=box)
    elif image.size != (side, side):
        image = image.crop(box)
    return np.asarray(image)


def square(content: bytes | Pixels, side: int, crop: str) -> Pixels:
    """What a reader returned, as (side, side, 3) uint8."""
    return fit(decode(content) if isinstance(content, bytes) else Image.fromarray(content), side, crop)
