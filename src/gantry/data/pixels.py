"""Where the square lies in an image, and squares of pixels that need no decoding."""

from collections import Counter
from typing import Any

import numpy as np
from PIL import Image

from gantry.data.items import Pixels

# The filter by which a square is resized, as Pillow and PyTorch name it; both antialias.
FILTERS = {"center": "bicubic", "resize": "bicubic", "resize_bilinear": "bilinear"}


def box(width: int, height: int, crop: str) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of what is kept of an image.

    crop "center" keeps the largest centred square; "resize" and "resize_bilinear" keep everything, to be squeezed,
    the second by the filter of RealnessGAN's and BCGAN's code.
    """
    if crop != "center":
        return 0, 0, width, height
    edge = min(width, height)
    left, top = (width - edge) // 2, (height - edge) // 2
    return left, top, left + edge, top + edge


class Squares:
    """Makes squares of what a reader returns: pixels (H, W, 3) here, image files in the class derived."""

    def __init__(self, count: int, side: int, crop: str) -> None:
        self.side, self.crop = side, crop
        self.pixels: Pixels = np.zeros((count, side, side, 3), np.uint8)
        self.conversions: Counter[str] = Counter()

    def add(self, place: int, content: Any) -> None:
        """Decode, crop and resize what a reader returned, which becomes `pixels[place]`."""
        self.place(place, self.decoded(content))

    def decoded(self, content: Any) -> Any:
        """The pixels (H, W, 3) of what a reader returned; BadImage if it is none."""
        return content

    def place(self, place: int, image: Any) -> None:
        """Crop and resize one image (H, W, 3) by Pillow's filters, which antialias."""
        height, width = image.shape[:2]
        left, top, right, bottom = box(width, height, self.crop)
        kept = image[top:bottom, left:right]
        if kept.shape[:2] != (self.side, self.side):
            kept = Image.fromarray(kept).resize(
                (self.side, self.side), Image.Resampling[FILTERS[self.crop].upper()]
            )
        self.pixels[place] = kept

    def finish(self) -> None:
        """Complete `pixels`."""
